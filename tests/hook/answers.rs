//! "Did CI get it?": what the pusher reads leads to the delivery, and `show` and `log` find it by ref and commit too.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{Answer, Ends, Receiver, World};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The ids at the end of a line to the pusher.
fn ids(line: &str) -> &str {
    line.rsplit_once(" [").unwrap().1.strip_suffix(']').unwrap()
}

#[test]
fn the_pusher_reads_the_id_and_why_a_receiver_failed() {
    let (good, bad) = (Receiver::new(), Receiver::answering(Answer::Busy));
    let world = World::told_to(&good, "gitlab");
    world.add_target("chat", &bad, "gitlab");
    world.commit("one");
    let said = world.push(&["main"]).said_whole();
    assert!(said[0].starts_with("webhook ci: delivered main (200, ") && said[0].contains(" ms) ["), "{said:?}");
    assert!(said[1].starts_with("webhook chat: not delivered: main (answered 503); kept, and tried again later ["));
    for (line, state) in said.iter().zip(["delivered", "waiting"]) {
        let shown = out(&world.webhook(&["show", ids(line)]));
        assert!(shown.starts_with(&format!("state     {state}")), "{line}: {shown}");
    }
    // In the next push it is not tried, and the pusher learns none the less what is the matter.
    let said = world.push(&["main:a", "main:b", "main:c", "main:d"]).said_whole();
    let reason = "4 refs, among them a (the receiver failed before: answered 503); kept, and tried again later [";
    assert!(said[1].contains(reason) && said[1].ends_with(" and 3 more]"), "{said:?}");
    let id = ids(&said[1]).split(' ').next().unwrap();
    assert!(out(&world.webhook(&["show", id])).contains("refs/heads/a"), "{said:?}");
    assert_eq!(bad.connections(), 1);
}

/// Three pushes: the first of two commits, of which one target fails to take the second.
fn pushed() -> (World, Receiver, [String; 3]) {
    let receiver = Receiver::in_turn([
        Answer::Raw(b"HTTP/1.1 500 X\r\nContent-Length: 11\r\n\r\nqueue full\n".to_vec()),
        Answer::Status(200),
    ]);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.chat.url", "http://127.0.0.1:9/");
    world.configure("webhook.chat.enabled", "false");
    let commits = ["one", "two", "three"].map(|message| world.commit(message));
    world.push(&["HEAD~1:refs/heads/main"]);
    world.configure("webhook.ci.description", "mended");
    world.push(&["main", "HEAD:feedbeef"]);
    world.git(&["tag", "v1", "HEAD~2"]);
    world.push(&["v1"]);
    (world, receiver, commits)
}

#[test]
fn show_takes_an_id_a_ref_or_a_commit() {
    let (world, _receiver, [one, _two, three]) = pushed();
    let shown = |arguments: &[&str]| {
        let output = world.webhook(&[&["show"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
        out(&output)
    };
    let count = |text: &str| text.lines().filter(|line| line.starts_with("state ")).count();
    // The newest push of the ref, whole and short.
    for name in ["main", "heads/main", "refs/heads/main"] {
        let text = shown(&[name]);
        assert!(count(&text) == 1 && text.contains(&format!("to {three}\n")), "{name}: {text}");
    }
    assert!(shown(&["v1"]).contains("Tag Push Hook of refs/tags/v1"));
    // One that looks like the beginning of an id, and is none.
    assert!(shown(&["feedbeef"]).contains("refs/heads/feedbeef"));
    let id = world.attempts()[0]["id"].as_str().unwrap().to_owned();
    world.server_git(&["update-ref", &format!("refs/heads/{}", &id[..8]), "main"]);
    assert!(shown(&[&id[..8]]).contains(&id), "an id comes first");
    let none = world.webhook(&["show", "--ref", &id[..8]]);
    assert!(err(&none).contains("no delivery of the ref '"), "{}", err(&none));
    // The push that brought a commit, though it is not the tip: that of the tag is the newest with the first.
    assert!(shown(&["--commit", &one]).contains("refs/tags/v1"));
    assert!(shown(&[&three[..7]]).contains("refs/heads/"));
    assert!(shown(&["--commit", "main"]).contains("refs/heads/"));
    for (arguments, why) in [
        (&["nosuch"][..], "no delivery 'nosuch' in the log"),
        (&["ab"], "at least four"),
        (&["--commit", "nosuch"], "'nosuch' names no commit here"),
        (&["--ref", "nosuch"], "no delivery of the ref 'nosuch'"),
    ] {
        let output = world.webhook(&[&["show"], arguments].concat());
        assert!(output.status.code() == Some(1) && err(&output).contains(why), "{arguments:?}: {}", err(&output));
    }
    assert_eq!(world.webhook(&["show", "--ref", "--commit", "main"]).status.code(), Some(129));
}

#[test]
fn a_commit_that_nobody_was_told_of_has_no_delivery() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.ref", "main");
    let one = world.commit("one");
    world.push(&["main"]);
    let two = world.commit("two");
    world.push(&["HEAD:other"]);
    assert!(world.webhook(&["show", &one]).status.success());
    let output = world.webhook(&["show", "--commit", &two]);
    assert!(err(&output).contains("no delivery of the commit '"), "{}", err(&output));
}

#[test]
fn show_begins_with_the_state_and_the_newest_attempt() {
    let (world, _receiver, _) = pushed();
    let id = world.attempts()[0]["id"].as_str().unwrap().to_owned();
    let attempts = world.attempts().iter().filter(|entry| entry["id"] == id).count();
    assert_eq!(attempts, 2, "it was tried again with the second push");
    let text = out(&world.webhook(&["show", &id]));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "state     delivered");
    assert!(lines[6].starts_with("attempt 2, ") && lines[6].contains(": 200 in "), "{text}");
    let failed = lines.iter().position(|line| line.starts_with("attempt 1, ")).unwrap();
    // How long a failed one took, and what the receiver said; the request comes last.
    assert!(lines[failed].contains(": answered 500, after ") && lines[failed].ends_with("ms"), "{text}");
    let words = lines.iter().position(|line| *line == "  queue full").unwrap();
    let request = lines.iter().position(|line| *line == "request").unwrap();
    assert!(failed < words && words < request, "{text}");
    let row: Value = crate::support::rows(&world.webhook(&["show", "--json", &id]).stdout).into();
    assert!(row[0]["tries"][0]["took"].is_f64(), "{row}");
}

#[test]
fn of_a_ref_each_target_is_told_in_one_screen() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.add_target("other", &Receiver::answering(Answer::Status(404)), "github");
    world.commit("one");
    world.push(&["main"]);
    let text = out(&world.webhook(&["show", "main"]));
    assert!(text.lines().count() < 24, "{text}");
    assert!(text.contains("state     delivered\ntarget    ci") && text.contains("\ntarget    other"), "{text}");
    assert!(text.contains(": 200 in ") && !text.contains("\nrequest\n"), "{text}");
}

#[test]
fn log_is_narrowed_by_ref_event_status_commit_and_time() {
    let (world, _receiver, [one, _, three]) = pushed();
    let rows = |arguments: &[&str]| {
        let output = world.webhook(&[&["log", "--json"], arguments].concat());
        let rows: Vec<Value> = crate::support::rows(&output.stdout);
        let mut rows: Vec<_> = rows.iter().map(|row| row["ref"].as_str().unwrap().to_owned()).collect();
        rows.sort();
        rows
    };
    let (main, feed, tag) = ("refs/heads/main", "refs/heads/feedbeef", "refs/tags/v1");
    assert_eq!(rows(&[]), [feed, main, main, tag]);
    assert_eq!(rows(&["--ref", "main"]), [main, main]);
    assert_eq!(rows(&["--ref", tag]), [tag]);
    assert_eq!(rows(&["--event", "tag_push"]), [tag]);
    assert_eq!(rows(&["--event", "push hook"]), [feed, main, main]);
    assert_eq!(rows(&["--commit", &three]), [feed, main]);
    assert_eq!(rows(&["--commit", &one]), [feed, main, tag]);
    assert_eq!(rows(&["--status", "200"]).len(), 4);
    assert_eq!(rows(&["--status", "2xx"]).len(), 4);
    assert!(rows(&["--status", "5xx"]).is_empty());
    assert_eq!((rows(&["--until", "0"]).len(), rows(&["--until", "1h"]).len()), (4, 0));
    for wrong in [["--status", "600"], ["--status", "2x"], ["--until", "soon"]] {
        assert_eq!(world.webhook(&[&["log"][..], &wrong].concat()).status.code(), Some(129), "{wrong:?}");
    }
    let nosuch = world.webhook(&["log", "--commit", "nosuch"]);
    assert!(err(&nosuch).contains("'nosuch' names no commit here"), "{}", err(&nosuch));
}

#[test]
fn log_can_be_followed() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    for json in [false, true] {
        let mut command = world.webhook_command();
        command.args(["log", "-f", "-n", "1", "--target", "ci"]).args(json.then_some("--json"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        if !json {
            assert!(lines.next().unwrap().starts_with("TIME "));
            assert!(lines.next().unwrap().contains("refs/heads/main"));
            world.webhook(&["flush", "--now"]);
            let line = lines.next().unwrap();
            assert!(line.contains("  delivered  ") && line.contains(", attempt 2"), "{line}");
        } else {
            lines.next();
            world.push(&["main:other"]);
            let row: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
            assert_eq!((&row["ref"], &row["state"]), (&"refs/heads/other".into(), &"delivered".into()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let output = world.webhook_command().args(["log", "-f", "--root", "/"]).ends();
    assert!(err(&output).contains("leave out --root"), "{}", err(&output));
}
