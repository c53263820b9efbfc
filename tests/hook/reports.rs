//! receive-report, fed as a git that knows it will feed it: after the refs have moved, and before the client is told.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use git_webhook::process::try_lock;

use crate::support::{Ends, Place, Receiver, World, pre_receive, until, write_program};

/// A repository with `main`. Its post-receive stands for receive-pack: it feeds receive-report what git says of the lines it
/// is given, with `ng` for the branch `refused`, and `then` is the hook that follows.
fn world(then: &str) -> (Receiver, World) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let hooks = world.server().join("hooks");
    fs::rename(hooks.join("post-receive"), hooks.join("own")).unwrap();
    symlink(hooks.join("own").read_link().unwrap(), hooks.join("receive-report")).unwrap();
    let script = format!(
        "#!/bin/sh
cat >lines
pkt() {{ printf '%04x%s\\n' $((${{#1}} + 5)) \"$1\"; }}
{{
    pkt 'unpack ok'
    while read -r old new name; do
        case $name in */refused) pkt \"ng $name hook declined\" ;; *) pkt \"ok $name\" ;; esac
    done <lines
    printf 0000
}} >report
# It ends after 40 ms whatever it does then, which is crash-safe; a busy machine needs several turns.
for turn in $(cat turns); do
    hooks/receive-report <report >returned
    echo $? >status
    ls webhook/v1/receipts >kept
    [ ! -s kept ] || [ \"$(ls webhook/v1/intents)\" ] || break
done
{then}
"
    );
    write_program(&hooks.join("post-receive"), script);
    turns(&world, 100);
    (receiver, world)
}

/// How often receive-report may try.
fn turns(world: &World, count: usize) {
    let turns: Vec<_> = (0..count).map(|turn| turn.to_string()).collect();
    fs::write(world.server().join("turns"), turns.join(" ")).unwrap();
}

/// The client is gone, and post-receive never runs.
const NOTHING: &str = ":";
const OWN: &str = "(exec -a hooks/post-receive hooks/own) <lines";

fn bash(then: &str) -> String {
    format!("bash -c '{then}'")
}

/// How many receipts there were when receive-report was done, which has given the report back and said that all is well.
#[track_caller]
fn kept(world: &World) -> usize {
    let read = |name: &str| fs::read_to_string(world.server().join(name)).unwrap();
    assert_eq!(read("returned"), read("report"));
    assert_eq!(read("status"), "0\n");
    read("kept").lines().count()
}

#[test]
fn a_push_whose_client_is_gone_has_its_receipt_at_once() {
    let (receiver, world) = world(NOTHING);
    world.commit("two");
    world.push(&["main", "main:other"]);
    assert_eq!(kept(&world), 1);
    assert!(world.intents().is_empty());
    // No minute has to pass, and the refs need not be asked.
    world.webhook(&["flush"]);
    let told: Vec<_> = receiver.take().iter().map(|request| request.json()["ref"].clone()).collect();
    assert_eq!(told, ["refs/heads/main", "refs/heads/other"]);
    world.webhook(&["reconcile"]);
    assert!(receiver.take().is_empty());
}

#[test]
fn post_receive_delivers_what_receive_report_wrote_down() {
    let (receiver, world) = world(&bash(OWN));
    world.configure("webhook.report", "all");
    world.commit("two");
    let pushed = world.push(&["main"]);
    assert_eq!(kept(&world), 1);
    assert_eq!(receiver.take_one().commits().len(), 1);
    assert!(pushed.output.contains("webhook ci: delivered"), "{}", pushed.output);
    assert!(world.receipts().is_empty() && world.intents().is_empty());
}

#[test]
fn a_detached_delivery_takes_it_as_well() {
    let (receiver, world) = world(&bash(OWN));
    world.configure("webhook.detach", "true");
    world.commit("two");
    world.push(&["main"]);
    assert_eq!(kept(&world), 1);
    until("it is delivered", || !receiver.requests().is_empty());
    until("it is settled", || world.receipts().is_empty());
    assert_eq!(receiver.take_one().commits().len(), 1);
}

#[test]
fn what_git_refused_is_in_no_receipt() {
    for then in [NOTHING, &bash(OWN)] {
        let (receiver, world) = world(then);
        // What post-receive is given has moved; the report alone says that one has not.
        world.commit("two");
        world.push(&["main:a", "main:refused"]);
        assert_eq!(kept(&world), 1, "{then}");
        world.webhook(&["flush"]);
        let mut told: Vec<_> = receiver.take().iter().map(|request| request.json()["ref"].to_string()).collect();
        told.sort();
        let expected: &[_] = if then == NOTHING { &["a"] } else { &["a", "refused"] };
        let expected: Vec<_> = expected.iter().map(|name| format!("\"refs/heads/{name}\"")).collect();
        assert_eq!(told, expected, "{then}");
        assert_eq!(world.intents(), [""; 0].map(std::path::PathBuf::from), "{then}");
    }
}

#[test]
fn a_push_by_an_alias_or_in_a_namespace_is_found_in_the_report() {
    let (receiver, mut world) = world(NOTHING);
    world.server_git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    world.commit("two");
    world.push(&["main:alias"]);
    assert_eq!(kept(&world), 1);
    world.webhook(&["flush"]);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/main");
    world.set("GIT_NAMESPACE", "team");
    world.push(&["main"]);
    assert_eq!(kept(&world), 1);
    world.webhook(&["flush"]);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/main");
}

/// Another push that it follows on has no receipt: post-receive would wait for that, and here there is no time.
#[test]
fn a_push_that_follows_on_one_without_a_receipt_is_left_to_post_receive() {
    let (receiver, world) = world(&bash(OWN));
    turns(&world, 3);
    world.commit("two");
    world.unheard(|| world.push(&["main"]));
    world.commit("three");
    world.push(&["main"]);
    assert_eq!(kept(&world), 0);
    let told: Vec<_> = receiver.take().iter().map(|request| request.json()["commits"][0]["message"].clone()).collect();
    assert_eq!(told, ["two\n", "three\n"]);
}

#[test]
fn without_an_intent_nothing_is_written() {
    let (_receiver, world) = world(NOTHING);
    turns(&world, 3);
    fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    let before = world.settled();
    world.commit("two");
    world.push(&["main"]);
    assert_eq!(kept(&world), 0);
    assert_eq!(world.settled(), before);
}

fn receive_report(world: &World) -> Command {
    let mut command = world.command(world.server().join("hooks/receive-report"), &world.server());
    command.env("GIT_DIR", ".");
    command
}

#[test]
fn the_report_comes_back_as_it_comes_whatever_it_is() {
    let (_receiver, world) = world(NOTHING);
    let report: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let output = receive_report(&world).ends_fed(&report);
    assert_eq!((output.status.code(), output.stdout == report, output.stderr.len()), (Some(0), true, 0));
    let mut child =
        receive_report(&world).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // Each piece before the next one is there.
    for piece in [&b"000eunpack ok\n"[..], b"0018ok refs/heads/main\n", b"0000"] {
        stdin.write_all(piece).unwrap();
        let mut returned = vec![0; piece.len()];
        stdout.read_exact(&mut returned).unwrap();
        assert_eq!(returned, piece);
    }
    drop(stdin);
    assert!(child.ends().status.success());
}

/// git has its report, and does not wait for a spool that somebody holds.
#[test]
fn nothing_after_the_copy_holds_up_the_push() {
    let (receiver, world) = world(NOTHING);
    turns(&world, 1);
    let lock = fs::File::options().append(true).create(true).open(world.server().join("webhook/v1/lock")).unwrap();
    let lock = try_lock(lock).expect("nobody is at work");
    world.commit("two");
    world.push(&["main"]);
    assert_eq!(kept(&world), 0);
    drop(lock);
    assert_eq!(world.intents().len(), 1);
    world.age(61);
    world.webhook(&["flush"]);
    assert_eq!(receiver.take_one().commits().len(), 1);
}

#[test]
fn it_ends_well_whatever_becomes_of_git_and_of_the_repository() {
    let (_receiver, world) = world(NOTHING);
    let report = b"000eunpack ok\n0018ok refs/heads/main\n0000".repeat(10_000);
    // Nobody reads what it gives back.
    let mut child = receive_report(&world).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.ends_fed(&report).status.success());
    for (name, value) in [("GIT_DIR", "/nowhere"), ("GIT_DIR", "/dev/null"), ("GIT_NAMESPACE", "../..")] {
        let output = receive_report(&world).env(name, value).ends_fed(&report);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), report.len()), "{name}={value}");
        assert!(output.stderr.is_empty());
    }
    let mut limited = world.command("sh", &world.server());
    limited.env("GIT_DIR", ".").args(["-c", "ulimit -v 40000; exec hooks/receive-report"]);
    let output = limited.ends_fed(&report);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), report.len()));
    assert!(world.feed(&mut pre_receive(&world), b"").status.success());
    assert!(world.kept(Place::Receipts).is_empty());
}

/// That no git that is there knows the hook is what `check` says, and it takes the link away.
#[test]
fn check_tells_of_a_hook_that_git_never_runs() {
    let (_receiver, world) = world(NOTHING);
    let check = || String::from_utf8(world.webhook(&["check"]).stdout).unwrap();
    let said = check();
    assert!(said.contains("this git does not know the hook receive-report"), "{said}");
    // As a git that does.
    let own = world.git(&["--exec-path"]);
    let exec = world.path("exec");
    fs::create_dir(&exec).unwrap();
    for entry in fs::read_dir(own).unwrap().flatten() {
        symlink(entry.path(), exec.join(entry.file_name())).unwrap();
    }
    fs::remove_file(exec.join("git-receive-pack")).unwrap();
    fs::write(exec.join("git-receive-pack"), "receive-report").unwrap();
    let output = world.webhook_command().env("GIT_EXEC_PATH", &exec).args(["check"]).ends();
    assert!(!String::from_utf8_lossy(&output.stdout).contains("receive-report"), "{output:?}");
    // The command in its place would have every push look refused.
    let hook = world.server().join("hooks/receive-report");
    fs::remove_file(&hook).unwrap();
    symlink(env!("CARGO_BIN_EXE_git-webhook"), &hook).unwrap();
    assert!(check().contains("is the command git-webhook"), "{}", check());
    fs::remove_file(&hook).unwrap();
    assert!(!check().contains("receive-report"));
}
