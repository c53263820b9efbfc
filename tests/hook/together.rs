//! Pushes, flushes and receivers that get in each other's way: each event is told once and in the order of its ref.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Answer, Ends, Gate, Place, Receiver, Request, World, ZERO, name, until};

#[track_caller]
fn webhook(world: &World, arguments: &[&str]) -> String {
    let output = world.webhook(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn flush_now(world: &World) {
    webhook(world, &["flush", "--now"]);
}

/// The rows of a verb that prints JSON, though it may say by its status that all is not well.
fn rows(world: &World, arguments: &[&str]) -> Vec<Value> {
    let output = world.webhook(&[arguments, &["--json"]].concat());
    crate::support::rows(&output.stdout)
}

fn status(world: &World) -> Value {
    rows(world, &["status"]).into_iter().find(|row| row["target"] == "ci").unwrap()
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap()
}

/// Short names of the refs that were told of, in order.
fn names(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|it| text(&it.json(), "ref").trim_start_matches("refs/heads/").to_owned()).collect()
}

/// Sees each event told once, and each ref's in the order in which it moved.
#[track_caller]
fn each_once_and_in_order(requests: &[Request], expected: usize) {
    let ids: BTreeSet<_> = requests.iter().map(|request| request.header("Idempotency-Key")).collect();
    assert_eq!((requests.len(), ids.len()), (expected, expected), "{:?}", names(requests));
    let mut stands: HashMap<String, String> = HashMap::new();
    for request in requests {
        let json = request.json();
        if let Some(before) = stands.insert(text(&json, "ref").into(), text(&json, "after").into()) {
            assert_eq!(before, text(&json, "before"), "{}", json["ref"]);
        }
    }
}

/// Processes of our program at work in the repository for a push.
fn hooks_at_work(world: &World) -> Vec<Pid> {
    let server = fs::canonicalize(world.server()).unwrap();
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &i32| {
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == server)
            && program.as_os_str() == env!("CARGO_BIN_EXE_post-receive")
    };
    pids.filter(is_ours).map(Pid::from_raw).collect()
}

fn push_command(world: &World, refs: &[&str]) -> Command {
    let mut command = world.command("git", &world.work());
    command.args(["push", "--force"]).arg(world.server()).args(refs).stderr(Stdio::piped());
    command
}

fn said(push: Child) -> String {
    String::from_utf8(push.ends().stderr).unwrap()
}

/// A receiver that chooses its answer by what it is told of, and what it was told of.
fn choosing(status: impl Fn(&Value) -> u16 + Send + Sync + 'static) -> (Receiver, Arc<Mutex<Vec<Value>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let receiver = Receiver::wild(move |mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            let text = String::from_utf8(std::mem::take(&mut head)).unwrap().to_lowercase();
            let length = text.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            let json: Value = serde_json::from_slice(&body).unwrap();
            // Who fails is left alone for an hour.
            let answer = format!("HTTP/1.1 {} X\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n", status(&json));
            seen.lock().unwrap().push(json);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (receiver, told)
}

/// Commits, as many as asked for, each after the one before it, all known to the server.
fn chain(world: &World, length: usize) -> Vec<String> {
    let ids = (0..length).map(|number| world.commit(&format!("{number}"))).collect();
    world.server_git(&["fetch", "--quiet", world.work().to_str().unwrap(), "main:refs/keep/main"]);
    ids
}

fn line(old: &str, new: &str, name: &str) -> String {
    format!("{old} {new} refs/heads/{name}\n")
}

fn pre_receive(world: &World, input: &str) {
    let mut command = world.command(world.server().join("hooks/pre-receive"), &world.server());
    assert!(world.feed(command.env("GIT_DIR", "."), input.as_bytes()).status.success());
}

fn start(command: &mut Command, input: &str) -> Child {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child
}

#[test]
fn eight_pushes_at_once() {
    let receiver = Receiver::answering(Answer::After(Duration::from_millis(20)));
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    for number in 0..8 {
        let clone = format!("clone{number}");
        let mut git = world.command("git", &world.work());
        assert!(git.args(["clone", "--quiet", "."]).arg(world.path(&clone)).status().unwrap().success());
    }
    let push = |number: usize| {
        for round in 0..4 {
            let place = world.path(&format!("clone{number}"));
            let git = |arguments: &[&str]| world.command("git", &place).args(arguments).ends();
            git(&["commit", "--quiet", "--allow-empty", "--message", "more"]);
            let branch = format!("HEAD:refs/heads/b{number}");
            let output = git(&["push", world.server().to_str().unwrap(), &branch]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{number}, {round}: {said}");
        }
    };
    thread::scope(|scope| {
        (0..8).for_each(|number| drop(scope.spawn(move || push(number))));
    });
    each_once_and_in_order(&receiver.take(), 32);
    assert_eq!(world.waiting("ci").len(), 0);
}

#[test]
fn four_clients_race_for_one_ref() {
    let receiver = Receiver::answering(Answer::After(Duration::from_millis(20)));
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let race = |number: usize| {
        let place = world.path(&format!("clone{number}"));
        let clone =
            world.command("git", &world.work()).args(["clone", "--quiet"]).arg(world.server()).arg(&place).status();
        assert!(clone.unwrap().success());
        let git = |arguments: &[&str]| world.command("git", &place).args(arguments).ends().status.success();
        let mut done = 0;
        while done < 4 {
            assert!(git(&["fetch", "--quiet"]) && git(&["reset", "--quiet", "--hard", "origin/main"]));
            git(&["commit", "--quiet", "--allow-empty", "--message", &format!("{number} {done}")]);
            done += usize::from(git(&["push", "--quiet", "origin", "HEAD:main"]));
        }
    };
    thread::scope(|scope| {
        (0..4).for_each(|number| drop(scope.spawn(move || race(number))));
    });
    each_once_and_in_order(&receiver.take(), 17);
    assert_eq!(world.waiting("ci").len(), 0);
}

#[test]
fn a_ref_that_goes_back_and_forth_is_told_of_each_time() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    chain(&world, 2);
    for _ in 0..3 {
        world.push(&["main"]);
        world.push(&["main~1:main"]);
    }
    each_once_and_in_order(&receiver.take(), 6);
}

#[test]
fn hooks_that_start_in_another_order_than_the_refs_moved() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let ids = chain(&world, 4);
    // Who comes when is a matter of luck.
    for number in 0..6 {
        let name = format!("b{number}");
        let lines: Vec<_> = ids.windows(2).map(|pair| line(&pair[0], &pair[1], &name)).collect();
        lines.iter().for_each(|line| pre_receive(&world, line));
        world.server_git(&["branch", &name, &ids[3]]);
        let hooks: Vec<_> = lines.iter().rev().map(|line| start(&mut world.hook(), line)).collect();
        hooks.into_iter().for_each(|hook| drop(hook.ends()));
        assert_eq!(world.waiting("ci").len(), 0, "nobody is left to send it");
        each_once_and_in_order(&receiver.take(), 3);
    }
}

#[test]
fn a_hook_far_behind_is_told_for_by_the_next() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let ids = chain(&world, 3);
    let lines: Vec<_> = ids.windows(2).map(|pair| line(&pair[0], &pair[1], "main")).collect();
    lines.iter().for_each(|line| pre_receive(&world, line));
    world.server_git(&["branch", "main", &ids[2]]);
    world.feed(&mut world.hook(), lines[1].as_bytes());
    each_once_and_in_order(&receiver.requests(), 2);
    // Without a receive-pack above it, as here, it cannot be told from a push that did the same once more.
    assert_eq!(receiver.requests()[0].json()["before"], ids[0].as_str());
}

/// The first hook never comes: the second waits for it in vain, and the third for the second meanwhile.
#[test]
fn two_hooks_wait_for_one_that_never_comes() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let ids = chain(&world, 4);
    let lines: Vec<_> = ids.windows(2).map(|pair| line(&pair[0], &pair[1], "main")).collect();
    lines.iter().for_each(|line| pre_receive(&world, line));
    world.server_git(&["branch", "main", &ids[3]]);
    let third = start(&mut world.hook(), &lines[2]);
    thread::sleep(Duration::from_millis(50));
    let second = start(&mut world.hook(), &lines[1]);
    for hook in [second, third] {
        hook.ends();
    }
    each_once_and_in_order(&receiver.take(), 3);
}

#[test]
fn a_hook_and_two_flushes_share_a_backlog() {
    const REFS: usize = 10;
    const PUSHES: usize = 20;
    let receiver = Receiver::new();
    let world = World::told_to(&Receiver::answering(Answer::Busy), "gitlab");
    let ids = chain(&world, PUSHES + 1);
    let lines = |pair: &[String]| -> String {
        (0..REFS).map(|number| line(&pair[0], &pair[1], &format!("b{number}"))).collect()
    };
    let pushes: Vec<_> = ids.windows(2).map(lines).collect();
    for push in &pushes[..PUSHES - 1] {
        world.feed(&mut world.hook(), push.as_bytes());
    }
    assert_eq!(world.waiting("ci").len(), REFS * (PUSHES - 1));
    world.server_git(&["config", "webhook.ci.url", &receiver.url()]);
    let flush = || start(world.webhook_command().args(["flush", "--now"]), "");
    let all = [flush(), start(&mut world.hook(), &pushes[PUSHES - 1]), flush()];
    for one in all {
        assert!(one.ends().status.success());
    }
    each_once_and_in_order(&receiver.take(), REFS * PUSHES);
    assert_eq!(world.waiting("ci").len(), 0);
}

#[test]
fn a_push_does_not_wait_for_another_that_is_being_delivered() {
    let gate = Gate::new();
    let receiver = Receiver::answering(Answer::Behind(gate.clone()));
    let world = World::told_to(&receiver, "gitlab");
    world.wait_long();
    world.commit("one");
    let first = push_command(&world, &["main:first"]).spawn().unwrap();
    until("the receiver is called", || !receiver.requests().is_empty());
    let second = world.push(&["main:second"]).said();
    assert!(world.attempts().is_empty(), "the first is over");
    gate.open();
    assert_eq!(
        second,
        ["webhook ci: not delivered: second (another push is being delivered); kept, and tried again later"]
    );
    assert!(said(first).contains("webhook ci: delivered first (200, "));
    assert_eq!(names(&receiver.take()), ["first", "second"]);
    assert_eq!(world.waiting("ci").len(), 0);
}

#[test]
fn what_was_queued_meanwhile_gets_the_time_that_its_receiver_needs() {
    let gate = Gate::new();
    let receiver = Receiver::in_turn([Answer::Behind(gate.clone()), Answer::After(Duration::from_secs(3))]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let first = push_command(&world, &["main:first"]).spawn().unwrap();
    until("the receiver is called", || !receiver.requests().is_empty());
    world.push(&["main:second"]);
    gate.open();
    said(first);
    webhook(&world, &["flush"]);
    assert_eq!(names(&receiver.take()), ["first", "second"], "nothing was cut off");
    let states: Vec<_> = rows(&world, &["log"]).iter().map(|row| text(row, "state").to_owned()).collect();
    assert_eq!(states, ["delivered"; 2]);
}

#[test]
fn a_hook_that_is_stopped_holds_up_no_other() {
    let gate = Gate::new();
    let receiver = Receiver::in_turn([Answer::Behind(gate.clone()), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.wait_long();
    world.commit("one");
    let first = push_command(&world, &["main:first"]).spawn().unwrap();
    until("the receiver is called", || !receiver.requests().is_empty());
    let hooks = hooks_at_work(&world);
    assert_eq!(hooks.len(), 1);
    kill(hooks[0], Signal::SIGSTOP).unwrap();
    gate.open();
    world.commit("two");
    for branch in ["main:second", "main:first"] {
        assert!(world.push(&[branch]).said()[0].contains("(another push is being delivered); kept"));
    }
    assert_eq!(receiver.requests().len(), 1);
    kill(hooks[0], Signal::SIGCONT).unwrap();
    said(first);
    each_once_and_in_order(&receiver.take(), 3);
    assert_eq!(world.waiting("ci").len(), 0);
}

#[test]
fn a_target_that_is_down_costs_later_pushes_nothing() {
    let receiver = Receiver::answering(Answer::Busy);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main:a"]);
    assert_eq!(receiver.connections(), 1);
    for name in ["b", "c"] {
        let said = world.push(&[&format!("main:{name}")]).said();
        assert!(
            said[0].ends_with("(the receiver failed before: answered 503); kept, and tried again later"),
            "{said:?}"
        );
    }
    webhook(&world, &["flush"]);
    assert_eq!(receiver.connections(), 1);
    assert_eq!(status(&world)["state"], "failing");
    flush_now(&world);
    assert!(receiver.connections() > 1);
    assert_eq!(world.waiting("ci").len(), 3);
}

#[test]
fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
    let busy = b"HTTP/1.1 429 X\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
    let receiver = Receiver::in_turn([Answer::Raw(busy.to_vec()), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let before = now();
    world.push(&["main:a"]);
    let next = status(&world)["next"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second() - 3600;
    assert!((before..=now()).contains(&next), "{before} {next}");
    world.push(&["main:b"]);
    webhook(&world, &["flush"]);
    assert_eq!(receiver.connections(), 1);
    flush_now(&world);
    assert_eq!(names(&receiver.take()), ["a", "a", "b"]);
    assert_eq!(status(&world)["state"], "ok");
}

#[test]
fn a_receiver_that_is_gone_is_left_alone_until_it_is_enabled() {
    let receiver = Receiver::in_turn([Answer::Status(410), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main:a"]);
    let said = world.push(&["main:b"]).said();
    assert!(said[0].contains("not delivered: b (the receiver answered 410 before); kept"), "{said:?}");
    flush_now(&world);
    assert_eq!((status(&world)["state"].clone(), receiver.connections()), ("parked".into(), 1));
    webhook(&world, &["enable", "ci"]);
    flush_now(&world);
    assert_eq!(names(&receiver.take()), ["a", "a", "b"]);
}

#[test]
fn enabled_again_what_waits_goes_with_the_next_push() {
    let receiver = Receiver::in_turn([Answer::Status(410), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main:a"]);
    world.push(&["main:b"]);
    webhook(&world, &["enable", "ci"]);
    world.push(&["main:c"]);
    let mut told = names(&receiver.take()).split_off(1);
    told.sort();
    // The first was tried, and its time comes in ten minutes.
    assert_eq!(told, ["b", "c"]);
}

#[test]
fn a_refusal_does_not_hold_newer_events_of_the_ref() {
    let receiver = Receiver::in_turn([Answer::Status(404), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    let mut ids = Vec::new();
    for message in ["one", "two"] {
        ids.push(world.commit(message));
        world.push(&["main"]);
    }
    let told: Vec<_> = receiver.take().iter().map(|request| request.json()["after"].clone()).collect();
    assert_eq!(told, ids);
    assert_eq!(world.waiting("ci").len(), 1);
}

/// Three pushes to a receiver that never takes `bad`: of `main` twice, the first of them `bad`, and of another ref.
fn held(bad: impl Fn(&Value) -> bool + Send + Sync + 'static) -> (World, Arc<Mutex<Vec<Value>>>) {
    let (receiver, told) = choosing(move |json| if bad(json) { 503 } else { 200 });
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.commit("two");
    world.push(&["main"]);
    world.push(&["main:other"]);
    assert_eq!(told.lock().unwrap().len(), 1, "the target is known to be down");
    (world, told)
}

fn told_names(told: &Mutex<Vec<Value>>) -> Vec<String> {
    let is_first = |json: &Value| text(json, "before") == ZERO;
    let name = |json: &Value| format!("{}{}", text(json, "ref"), if is_first(json) { "" } else { "+" });
    std::mem::take(&mut *told.lock().unwrap()).iter().map(name).collect()
}

#[test]
fn a_failure_that_passes_holds_newer_events_of_its_ref_and_no_other() {
    let (world, told) = held(|json| json["ref"] == "refs/heads/main" && json["before"] == ZERO);
    told_names(&told);
    flush_now(&world);
    assert_eq!(told_names(&told), ["refs/heads/main", "refs/heads/other"]);
    // It is known to live again.
    world.push(&["main:third"]);
    assert_eq!(told_names(&told), ["refs/heads/third"]);
    assert_eq!(world.waiting("ci").len(), 2);
}

#[test]
fn after_four_retries_newer_events_are_held_no_longer() {
    let (world, told) = held(|json| json["ref"] == "refs/heads/main" && json["before"] == ZERO);
    for _ in 2..5 {
        flush_now(&world);
        assert!(!told_names(&told).contains(&"refs/heads/main+".into()));
    }
    flush_now(&world);
    assert_eq!(told_names(&told), ["refs/heads/main", "refs/heads/main+"]);
    assert_eq!(world.waiting("ci").len(), 1);
}

#[test]
fn what_waits_for_a_target_that_is_removed_becomes_a_dead_letter() {
    let world = World::told_to(&Receiver::answering(Answer::Busy), "gitlab");
    world.commit("one");
    world.push(&["main:a", "main:b"]);
    world.server_git(&["config", "--remove-section", "webhook.ci"]);
    flush_now(&world);
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len()), (2, 0), "it may be out of sight for a moment only");
    assert_eq!(text(&status(&world), "state"), "removed");
    world.a_day_without("ci");
    flush_now(&world);
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len()), (0, 2));
    let row = status(&world);
    assert_eq!((text(&row, "state"), row["dead"].as_u64()), ("removed", Some(2)));
    let states: Vec<_> = rows(&world, &["log"]).iter().map(|row| text(row, "state").to_owned()).collect();
    assert_eq!(states, ["dead", "dead"]);
}

#[test]
fn what_waits_for_a_target_that_was_removed_by_the_next_push_becomes_a_dead_letter() {
    let receiver = Receiver::new();
    let world = World::told_to(&Receiver::answering(Answer::Busy), "gitlab");
    world.commit("one");
    world.push(&["main:a"]);
    world.server_git(&["config", "--remove-section", "webhook.ci"]);
    world.add_target("other", &receiver, "gitlab");
    world.push(&["main:b"]);
    world.a_day_without("ci");
    world.push(&["main:c"]);
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len()), (0, 1));
    assert_eq!(names(&receiver.take()), ["b", "c"]);
}

#[test]
fn a_target_that_is_disabled_keeps_what_waits_and_gets_nothing_new() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main:a"]);
    world.configure("webhook.ci.enabled", "false");
    world.push(&["main:b"]);
    flush_now(&world);
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len(), receiver.connections()), (1, 0, 1));
    webhook(&world, &["enable", "ci"]);
    flush_now(&world);
    assert_eq!(names(&receiver.take()), ["a", "a"]);
}

#[test]
fn what_a_misconfigured_target_misses_it_gets_in_order_when_it_is_mended() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.timeout", "soon");
    for message in ["one", "two", "three"] {
        world.commit(message);
        let said = world.push(&["main", &format!("main:{message}")]).said();
        assert_eq!(said, ["webhook ci: not configured rightly, the event is kept; see git webhook check"]);
    }
    assert_eq!((status(&world)["state"].clone(), world.waiting("ci").len()), ("wrong".into(), 3));
    world.server_git(&["config", "webhook.ci.timeout", "5s"]);
    world.commit("four");
    world.push(&["main"]);
    each_once_and_in_order(&receiver.take(), 7);
    assert_eq!(world.waiting("ci").len(), 0);
}

#[test]
fn what_a_target_with_a_wrong_name_misses_it_gets_before_what_comes_after_its_name_is_mended() {
    let receiver = Receiver::new();
    let world = World::new();
    world.add_target("team/ci", &receiver, "gitlab");
    for message in ["one", "two"] {
        world.commit(message);
        world.push(&["main"]);
    }
    assert_eq!(receiver.take().len(), 0);
    world.server_git(&["config", "--rename-section", "webhook.team/ci", "webhook.team-ci"]);
    world.commit("three");
    world.push(&["main"]);
    each_once_and_in_order(&receiver.take(), 3);
}

#[test]
fn at_the_end_of_retry_for_a_delivery_becomes_a_dead_letter() {
    let receiver = Receiver::answering(Answer::Busy);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.retryFor", "1s");
    world.commit("one");
    world.push(&["main"]);
    thread::sleep(Duration::from_millis(1100));
    for _ in 2..5 {
        flush_now(&world);
        assert_eq!(world.waiting("ci").len(), 1);
    }
    flush_now(&world);
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len()), (0, 1));
    let row = &rows(&world, &["log"])[0];
    assert!(text(row, "reason").contains("retryFor"), "{row}");
    assert_eq!((text(row, "state"), row["attempts"].as_u64(), receiver.take().len()), ("dead", Some(5), 5));
}

#[test]
fn what_waited_behind_a_target_that_stays_down_becomes_dead_letters_too() {
    let world = World::told_to(&Receiver::answering(Answer::Busy), "gitlab");
    world.configure("webhook.ci.retryFor", "1s");
    for message in ["one", "two", "three"] {
        world.commit(message);
        world.push(&["main"]);
    }
    thread::sleep(Duration::from_millis(1100));
    for _ in 2..6 {
        flush_now(&world);
    }
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len()), (0, 3));
    let states: Vec<_> = rows(&world, &["log"]).iter().map(|row| text(row, "state").to_owned()).collect();
    assert_eq!(states, ["dead"; 3]);
}

#[test]
fn the_log_is_pruned_and_dead_letters_never() {
    let world = World::told_to(&Receiver::in_turn([Answer::Status(200), Answer::Busy]), "gitlab");
    world.commit("one");
    world.push(&["main:good"]);
    world.push(&["main:bad"]);
    world.server_git(&["config", "--remove-section", "webhook.ci"]);
    world.add_target("other", &Receiver::new(), "gitlab");
    flush_now(&world);
    world.a_day_without("ci");
    flush_now(&world);
    let today = world.days(Place::Log).remove(0);
    let today = today.as_str();
    let days = [now() - 40 * 86_400, now() - 20 * 86_400].map(day);
    let dead = world.dead("ci");
    let receipts = world.settled();
    assert_eq!((world.dead("ci").len(), receipts.len()), (1, 2));
    for (day, receipt) in days.iter().zip(&receipts) {
        fs::copy(world.place(Place::LogOn(today)), world.place(Place::LogOn(day))).unwrap();
        // As somebody leaves it who asked for a delivery of a long day.
        fs::write(world.place(Place::LogOn(&format!("{day}.ids"))), "").unwrap();
        let settled = world.place(Place::SettledOn(day));
        fs::create_dir(&settled).unwrap();
        fs::rename(receipt, settled.join(name(receipt))).unwrap();
    }
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    dead.iter().for_each(|path| fs::File::open(path).unwrap().set_modified(long_ago).unwrap());
    webhook(&world, &["flush"]);
    assert_eq!(world.days(Place::Log), [days[1].as_str(), &format!("{}.ids", days[1]), today]);
    assert_eq!(world.days(Place::Settled), [days[1].as_str(), today]);
    assert_eq!(world.dead("ci"), dead);
    world.configure("webhook.keepLog", "1d");
    webhook(&world, &["flush"]);
    assert_eq!(world.days(Place::Log), [today]);
    assert_eq!(world.days(Place::Settled), [today]);
    assert_eq!(world.dead("ci"), dead);
}

fn day(time: i64) -> String {
    git_webhook::history::day_of(time)
}
