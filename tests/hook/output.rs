//! What the pusher reads, and that nothing the hook prints or meets can hold it up or make it fail.

use std::process::Stdio;
use std::time::Duration;

use crate::support::{Answer, Ends, Receiver, World};

#[test]
fn one_line_for_each_target() {
    let (good, bad) = (Receiver::new(), Receiver::answering(Answer::Status(500)));
    let world = World::told_to(&good, "codeup");
    world.add_target("chat", &bad, "gitlab");
    world.commit("one");
    world.git(&["tag", "v1"]);
    let said = world.push(&["main", "v1"]).said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("webhook ci: delivered main, v1 (200, up to "), "{said:?}");
    assert_eq!(said[1], "webhook chat: not delivered: main, v1 (answered 500); kept, and tried again later");
}

#[test]
fn the_report_can_be_failures_or_nothing() {
    let (good, bad) = (Receiver::new(), Receiver::answering(Answer::Status(500)));
    let world = World::told_to(&good, "codeup");
    world.add_target("chat", &bad, "codeup");
    world.commit("one");
    world.configure_globally("webhook.report", "failures");
    assert_eq!(
        world.push(&["main"]).said(),
        ["webhook chat: not delivered: main (answered 500); kept, and tried again later"]
    );
    world.configure_globally("webhook.report", "none");
    assert!(world.push(&["main:other"]).said().is_empty());
    assert_eq!(good.take().len(), 2);
}

#[test]
fn without_targets_nothing_is_said() {
    let world = World::new();
    world.commit("one");
    let pushed = world.push(&["main"]);
    assert!(pushed.accepted && pushed.said().is_empty(), "{}", pushed.output);
    assert!(!world.server().join("webhook").exists());
}

#[test]
fn no_address_or_secret_reaches_the_pusher() {
    let receiver = Receiver::answering(Answer::Raw(
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/canary\r\n\r\n".to_vec(),
    ));
    let world = World::told_plainly_to(&receiver, "gitlab");
    world.configure("webhook.ci.secret", "canary-secret");
    world.commit("one");
    let pushed = world.push(&["main"]);
    let reason = "answered 302, a redirect, which is not followed";
    assert_eq!(pushed.said(), [format!("webhook ci: not delivered: main ({reason}); kept, and tried again later")]);
    for canary in ["canary", "elsewhere", "127.0.0.1", "/hook"] {
        assert!(!pushed.said().concat().contains(canary), "{canary}");
    }
    assert!(world.log().contains("http://elsewhere.invalid/canary"), "the administrator learns it: {}", world.log());
    assert!(!world.log().contains("canary-secret"));
}

#[test]
fn bad_30_to_55_ref_names_are_made_safe_for_the_terminal() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let names = [
        "$(id)",
        "`id`",
        "a;b",
        "a|b",
        "a&b",
        "\"",
        "<script>",
        "%0a%0d",
        "-rf",
        "--upload-pack=x",
        "\u{202e}evil",
        "zero\u{200b}width",
        "caf\u{e9}",
        "cafe\u{301}",
        "🦀",
        "HEAD",
        "@",
        "refs/heads/x",
        &"0".repeat(40),
        &"n".repeat(200),
        &vec!["n".repeat(250); 12].join("/"),
    ];
    for name in names {
        let full = format!("refs/heads/{name}");
        let pushed = world.push(&[&format!("HEAD:{full}")]);
        assert!(pushed.accepted, "{}", pushed.output);
        assert_eq!(receiver.take_one().json()["ref"], full, "verbatim in JSON");
        let said = pushed.said().concat();
        assert!(said.starts_with("webhook ci: delivered "), "{said}");
        assert!(!said.contains(['\u{202e}', '\u{200b}', '\u{301}']), "{said:?}");
    }
}

#[test]
fn bad_45_46_a_ref_name_that_is_not_utf8_is_told_with_replacement_characters() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let line = [b"0000000000000000000000000000000000000000 ", id.as_bytes(), b" refs/heads/\xff\xfe\xc3(\n"].concat();
    let output = world.feed(&mut world.hook(), &line);
    assert!(output.status.success());
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/\u{fffd}\u{fffd}\u{fffd}(");
}

/// Once the pusher is gone, a pipe takes 64 KiB and then blocks for ever.
#[test]
fn a_pusher_that_stopped_reading_does_not_hold_the_hook() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let (reader, mut writer) = std::io::pipe().unwrap();
    fill(&mut writer);
    let lines: String = (0..300).map(|number| format!("bad {number}\n")).collect();
    let input = format!("{lines}0000000000000000000000000000000000000000 {id} refs/heads/x\n");
    let child = world.hook().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    assert!(child.ends_fed(input.as_bytes()).status.success());
    assert_eq!(receiver.take().len(), 1, "delivered all the same");
    drop(reader);
}

fn fill(writer: &mut std::io::PipeWriter) {
    use std::os::fd::AsFd;
    while git_webhook::process::is_writable(writer.as_fd(), Duration::ZERO) {
        std::io::Write::write_all(writer, &[b'x'; 4096]).unwrap();
    }
}

#[test]
fn at_most_8_kib_are_printed() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let lines: String = (0..3000).map(|number| format!("bad {number}\n")).collect();
    let output = world.feed(&mut world.hook(), lines.as_bytes());
    assert!(output.status.success());
    assert!(output.stderr.len() <= 8 * 1024, "{}", output.stderr.len());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("webhook: malformed ref line 1, passed over\n"));
}

#[test]
fn closed_descriptors_and_a_bare_environment_do_no_harm() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let line = format!("0000000000000000000000000000000000000000 {id} refs/heads/x");
    for script in [
        "exec hooks/post-receive 2>&-",
        "exec hooks/post-receive >&- 2>&-",
        "exec hooks/post-receive 7</dev/null 8</dev/null",
        "umask 0777; exec hooks/post-receive",
        "unset HOME; exec hooks/post-receive",
        "PATH=; exec hooks/post-receive",
        "ln -s hooks/post-receive 'post-receive.h00-x'; exec ./post-receive.h00-x",
        "exec -a '' hooks/post-receive",
    ] {
        let mut shell = world.command("bash", &world.server());
        shell.env("GIT_DIR", ".").args(["-c", script]);
        let output = world.feed(&mut shell, line.as_bytes());
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(receiver.take().len(), 1, "{script}");
    }
}

#[test]
fn bad_1_20_28_input_that_is_empty_closed_or_not_from_git() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let empty = world.feed(&mut world.hook(), b"");
    assert!(empty.status.success() && empty.stderr.is_empty());
    let mut closed = world.command("sh", &world.server());
    let closed = closed.env("GIT_DIR", ".").args(["-c", "exec hooks/post-receive <&-"]).ends();
    assert!(closed.status.success());
    let by_hand = world.feed(world.hook().env_remove("GIT_DIR"), b"");
    assert!(by_hand.status.success());
    assert!(String::from_utf8_lossy(&by_hand.stderr).starts_with("post-receive is a git hook: link it as"));
    assert!(receiver.take().is_empty());
}

#[test]
fn bad_2_3_8_12_a_bad_line_is_said_and_the_others_are_delivered() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let zero = "0".repeat(40);
    let input = format!(
        "{zero} {id} refs/heads/x\r\n{zero} {zero} refs/heads/y\n{zero}{} {id}{} refs/heads/z\n{zero} {id} refs/heads/good",
        &zero[..24],
        &id[..24]
    );
    let output = world.feed(&mut world.hook(), input.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success());
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/good");
    for line in [
        "malformed ref line 1, passed over",
        "y never existed, passed over",
        "z has ids of another object format, passed over",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
#[ignore = "needs root or user namespaces: run tests/run"]
fn a_user_without_passwd_entry_can_push() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let line = format!("0000000000000000000000000000000000000000 {id} refs/heads/x\n");
    let mut command = world.command("unshare", &world.server());
    command.args(["--user", "--map-user=54321", "hooks/post-receive"]).env("GIT_DIR", ".").env_remove("GL_USER");
    let output = world.feed(&mut command, line.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(receiver.take_one().json()["user_username"], "uid 54321");
}

#[test]
fn the_hook_knows_its_version() {
    let world = World::new();
    let output = world.hook().arg("--version").ends();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("post-receive (git-webhook) {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_failing_push_tells_nobody() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("receive.denyDeletes", "true");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    assert!(!world.push(&[":main"]).accepted);
    assert!(receiver.take().is_empty());
}

/// What is no branch and no tag is nobody's business; git refuses the last two itself.
#[test]
fn bad_27_57_to_63_other_refs_and_head_are_not_told() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let replaced = format!("main:refs/replace/{id}");
    world.commit("two");
    for name in
        ["main:refs/meta/config", "main:refs/for/main", "main:refs/changes/01/1/1", "main:refs/notes/x", &replaced]
    {
        assert!(world.push(&[name]).accepted, "{name}");
    }
    let new = world.id("main");
    let lines = ["HEAD", "refs/stash", "refs/x"].map(|name| format!("{id} {new} {name}\n")).concat();
    let output = world.feed(&mut world.hook(), lines.as_bytes());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(receiver.take().is_empty());
}

/// As a file system with capitals knows them apart, or a reftable anywhere.
#[test]
fn bad_64_names_that_differ_in_capitals_are_two() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main", "main:Main"]);
    let mut told: Vec<_> =
        receiver.take().iter().map(|request| request.json()["ref"].as_str().unwrap().to_owned()).collect();
    told.sort();
    assert_eq!(told, ["refs/heads/Main", "refs/heads/main"]);
}

#[test]
fn bad_56_a_name_of_nine_thousand_bytes() {
    let receiver = Receiver::new();
    let world = World::with(&["--ref-format=reftable"]);
    world.add_target("ci", &receiver, "gitlab");
    world.configure("reftable.blockSize", "65535");
    world.commit("one");
    let name = vec!["n".repeat(250); 36].join("/");
    let pushed = world.push(&[&format!("main:refs/heads/{name}")]);
    assert!(pushed.accepted, "{}", pushed.output);
    assert_eq!(receiver.take_one().json()["ref"], format!("refs/heads/{name}"));
    assert!(pushed.said()[0].len() <= 1024, "{}", pushed.said()[0].len());
}

#[test]
fn bad_21_at_a_terminal_the_hook_says_what_it_is() {
    let world = World::new();
    let mut script = world.command("script", &world.server());
    let output = script.env("GIT_DIR", ".").args(["-qec", "hooks/post-receive", "/dev/null"]).ends();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.starts_with("post-receive is a git hook: link it as"), "{said}");
}

/// What came is told, and that more was to come is said.
#[test]
fn bad_22_a_writer_that_stops_is_not_waited_for() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let line = format!("{} {id} refs/heads/x", "0".repeat(40));
    let mut shell = world.command("sh", &world.server());
    // The writer goes on for as long as the hook does.
    shell.env("GIT_DIR", ".").args(["-c", "{ echo \"$1\"; printf '%s' \"$2\"; while kill -0 $$ 2>/dev/null && [ -e waiting ]; do sleep 0.1; done; } | { hooks/post-receive; rm waiting; }"]);
    std::fs::write(world.server().join("waiting"), "").unwrap();
    let output = shell.args(["sh", &line, &line.replace("/x", "/y")]).ends();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the list of refs was cut short, only what arrived was sent"), "{said}");
    // By then the time of a push is over.
    world.webhook(&["flush"]);
    let mut told: Vec<_> = receiver.take().iter().map(|request| request.json()["ref"].to_string()).collect();
    told.sort();
    assert_eq!(told, ["\"refs/heads/x\"", "\"refs/heads/y\""]);
}

#[test]
fn bad_372_a_hook_may_run_where_no_directory_is_any_more() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let mut shell = world.command("sh", &world.server());
    shell.env("GIT_DIR", world.server()).arg("-c");
    shell.arg("hook=$PWD/hooks/post-receive; mkdir gone; cd gone; rmdir ../gone; exec \"$hook\"");
    let line = format!("{} {id} refs/heads/x\n", "0".repeat(40));
    let output = world.feed(&mut shell, line.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/x");
}
