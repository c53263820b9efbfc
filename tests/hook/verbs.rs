//! `git webhook log`, `status`, `flush`, `reconcile` and `enable`, as an administrator and a monitoring system use them.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::support::{Answer, Ends, Gate, Place, Receiver, World, ZERO, until};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn rows(world: &World, arguments: &[&str]) -> Vec<Value> {
    let output = world.webhook(arguments);
    crate::support::rows(&output.stdout)
}

/// A world whose receiver fails in one way, and one push to it.
fn failing(answer: Answer) -> (World, Receiver) {
    let receiver = Receiver::in_turn([answer, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    (world, receiver)
}

#[test]
fn log_is_a_table_newest_first() {
    let (world, _receiver) = failing(Answer::Status(404));
    world.push(&["main:second"]);
    let table = out(&world.webhook(&["log"]));
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(
        lines[0].starts_with("TIME                  STATE      TARGET  REF                EVENT      ID"),
        "{table}"
    );
    assert!(lines[1].contains("Z  delivered  ci      refs/heads/second  Push Hook  "), "{table}");
    assert!(lines[1].contains("  200 in "), "{table}");
    assert!(lines[2].contains("Z  waiting    ci      refs/heads/main    Push Hook  "), "{table}");
    assert!(lines[2].contains("  answered 404; next in 1"), "{table}");
    assert!(!table.contains('\x1b'), "no colour outside a terminal");
}

#[test]
fn log_as_json_has_what_a_program_needs() {
    let (world, _receiver) = failing(Answer::Busy);
    let row = &rows(&world, &["log", "--json"])[0];
    for key in ["id", "target", "event", "ref", "state", "time", "attempts", "status"] {
        assert!(!row[key].is_null(), "{key}: {row}");
    }
    assert_eq!((&row["state"], &row["status"], &row["attempts"]), (&"waiting".into(), &503.into(), &1.into()));
    world.webhook(&["flush", "--now"]);
    let row = &rows(&world, &["log", "--json"])[0];
    assert_eq!((&row["state"], &row["status"], &row["attempts"]), (&"delivered".into(), &200.into(), &2.into()));
}

#[test]
fn log_can_be_narrowed() {
    let (failing, other) = (Receiver::in_turn([Answer::Status(404), Answer::Status(200)]), Receiver::new());
    let world = World::told_to(&failing, "gitlab");
    world.add_target("other", &other, "codeup");
    world.configure("webhook.other.ref", "second");
    world.commit("one");
    world.push(&["main"]);
    world.push(&["main:second"]);
    let count = |arguments: &[&str]| rows(&world, &[&["log", "--json"], arguments].concat()).len();
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--target", "other"]), 1);
    assert_eq!(count(&["--state", "waiting"]), 1);
    assert_eq!(count(&["--since", "1h"]), 3);
    assert_eq!(count(&["-n", "2"]), 2);
    assert_eq!(world.webhook(&["log", "--since", "soon"]).status.code(), Some(129));
    assert_eq!(world.webhook(&["log", "--state", "lost"]).status.code(), Some(129));
}

#[test]
fn status_is_the_check_of_a_monitoring_system() {
    let (world, _receiver) = failing(Answer::Busy);
    let output = world.webhook(&["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(out(&output).contains("ci      failing  1        "), "{}", out(&output));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(world.webhook(&["status", "--max-age", "1s"]).status.code(), Some(1));
    let row = &rows(&world, &["status", "--json"])[0];
    assert_eq!((&row["target"], &row["waiting"], &row["dead"]), (&"ci".into(), &1.into(), &0.into()));
    assert!(row["oldest"].as_i64().unwrap() >= 2);
    assert_eq!(world.webhook(&["status", "--max-age", "x"]).status.code(), Some(129));
    world.webhook(&["flush", "--now"]);
    assert_eq!(world.webhook(&["status", "--max-age", "1s"]).status.code(), Some(0));
}

#[test]
fn a_target_that_refuses_one_push_is_failing_until_it_is_delivered() {
    let (world, _receiver) = failing(Answer::Status(401));
    let status = || out(&world.webhook(&["status"])).lines().nth(1).unwrap_or_default().to_owned();
    assert!(status().starts_with("ci      failing  1        ") && status().contains("  in 1"), "{}", status());
    world.push(&["main:second"]);
    assert!(status().starts_with("ci      failing  1        ") && status().contains("  in 1"), "{}", status());
    world.webhook(&["flush", "--now"]);
    assert!(status().starts_with("ci      ok     0        "), "{}", status());
}

#[test]
fn a_target_that_is_off_has_no_next_try() {
    let (world, _receiver) = failing(Answer::Status(410));
    assert_eq!(out(&world.webhook(&["flush"])), "ci: 1 waiting (parked)\n");
    assert!(rows(&world, &["status", "--json"])[0]["next"].is_null());
    world.webhook(&["disable", "ci"]);
    assert_eq!(out(&world.webhook(&["flush", "--now"])), "ci: 1 waiting (disabled)\n");
    let row = &rows(&world, &["status", "--json"])[0];
    assert_eq!((&row["state"], &row["waiting"]), (&"disabled".into(), &1.into()));
    assert!(row["next"].is_null(), "{row}");
}

#[test]
fn a_push_that_nobody_told_is_seen_by_status_and_told_by_flush() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let id = receiver.take_one().header("Idempotency-Key").to_owned();
    // As its hook left it when it died before the first delivery.
    world.unsettle();
    world.forget_attempts();
    assert!(out(&world.webhook(&["status"])).contains("(all)   untold  1 "), "{}", out(&world.webhook(&["status"])));
    assert_eq!(out(&world.webhook(&["flush"])), "ci: 1 delivered\n");
    assert_eq!(receiver.take_one().header("Idempotency-Key"), id);
}

#[test]
fn flush_says_what_it_did() {
    let (world, receiver) = failing(Answer::Busy);
    let waits = out(&world.webhook(&["flush"]));
    assert!(waits.starts_with("ci: 1 waiting (next at 2"), "{waits}");
    assert_eq!(out(&world.webhook(&["flush", "--now"])), "ci: 1 delivered\n");
    assert_eq!(out(&world.webhook(&["flush"])), "nothing waits\n");
    assert_eq!(receiver.requests().len(), 2);
    assert_eq!(world.webhook(&["flush", "--target", "nobody"]).status.code(), Some(1));
}

#[test]
fn flush_tells_how_far_it_is_where_there_is_much_to_do() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::After(std::time::Duration::from_millis(100))]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let refs: Vec<_> = (0..40).map(|number| format!("main:b{number}")).collect();
    world.push(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    let mut script = world.command("script", &world.server());
    let flush = format!("{} flush --now", env!("CARGO_BIN_EXE_git-webhook"));
    let output = out(&script.args(["-qec", &flush, "/dev/null"]).ends());
    assert!(output.contains(" of 41 tried"), "{output:?}");
    assert!(output.contains("ci: 41 delivered"), "{output:?}");
}

#[test]
fn every_repository_below_a_directory() {
    let (world, _receiver) = failing(Answer::Busy);
    let root = world.path("").to_string_lossy().into_owned();
    for verb in [["log"].as_slice(), &["status"], &["flush"], &["reconcile", "--dry-run"]] {
        let all = [verb, &["--json", "--root", &root]].concat();
        let rows = rows(&world, &all);
        let ours = world.server().canonicalize().unwrap();
        let is_ours = |row: &Value| row["repository"] == ours.to_string_lossy().as_ref();
        assert!(rows.iter().any(is_ours), "{verb:?}: {rows:?}");
        let table = out(&world.webhook(&[verb, &["--root", &root]].concat()));
        assert!(table.contains(&format!("{}:\n", ours.display())), "{table}");
    }
}

/// A world that has a snapshot of its refs.
fn snapshot_taken() -> (World, Receiver) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main", "main:old", "main:gone"]);
    world.webhook(&["reconcile", "--baseline"]);
    receiver.take();
    (world, receiver)
}

#[test]
fn reconcile_finds_what_no_hook_told() {
    let (world, receiver) = snapshot_taken();
    world.commit("two");
    world.push(&["main"]);
    let told = receiver.take_one();
    let two = world.id("HEAD");
    world.server_git(&["update-ref", "refs/heads/old", &two]);
    world.server_git(&["update-ref", "-d", "refs/heads/gone"]);
    world.server_git(&["tag", "v1", &two]);
    world.server_git(&["update-ref", "refs/notes/commits", &two]);

    let dry = out(&world.webhook(&["reconcile", "--dry-run"]));
    assert_eq!(dry.lines().filter(|line| line.ends_with("different")).count(), 3, "{dry}");
    assert!(receiver.take().is_empty());

    let output = world.webhook(&["reconcile"]);
    assert_eq!(output.status.code(), Some(0));
    let told_now: Vec<_> = receiver.take().iter().map(|request| request.json()["ref"].clone()).collect();
    assert_eq!(told_now, ["refs/heads/gone", "refs/heads/old", "refs/tags/v1"], "{}", out(&output));
    assert_eq!(told.json()["ref"], "refs/heads/main");
    assert_eq!(out(&world.webhook(&["reconcile"])), "nothing was missed\n");
}

#[test]
fn reconcile_says_of_each_ref_of_one_delivery_that_it_was_made() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "bitbucket");
    world.commit("one");
    world.push(&["main"]);
    world.webhook(&["reconcile"]);
    receiver.take();
    for name in ["a", "b", "c"] {
        world.server_git(&["update-ref", &format!("refs/heads/{name}"), &world.id("HEAD")]);
    }
    let said = out(&world.webhook(&["reconcile"]));
    assert_eq!(receiver.take().len(), 1);
    assert_eq!(said.matches(" delivered").count(), 3, "{said}");
}

#[test]
fn reconcile_begins_with_a_snapshot() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let first = out(&world.webhook(&["reconcile"]));
    assert_eq!(first, "there was no snapshot of the refs to compare with; from now on there is\n");
    assert_eq!(receiver.take().len(), 1);
}

#[test]
fn before_it_tells_that_many_refs_lost_commits_reconcile_asks() {
    let (world, receiver) = snapshot_taken();
    let one = world.id("HEAD");
    let two = world.commit("two");
    world.push(&["main"]);
    let all = |command: &str, id: &str| {
        let lines: String = (0..21).map(|number| format!("{command} refs/heads/n{number}{id}\n")).collect();
        let mut update = world.command("git", &world.server());
        assert!(world.feed(update.args(["update-ref", "--stdin"]), lines.as_bytes()).status.success());
        receiver.take();
    };
    // What is new, and what goes forward, are a mirror's daily bread.
    for id in [&one, &two] {
        all("update", &format!(" {id}"));
        assert_eq!(world.webhook(&["reconcile"]).status.code(), Some(0));
        assert_eq!(receiver.take().len(), 21);
    }
    for (command, id) in [("update", format!(" {one}")), ("delete", String::new())] {
        all(command, &id);
        let asks = "more than 20 refs were rewound or deleted: look at them, then run git webhook reconcile --all\n";
        for _ in 0..2 {
            let output = world.webhook(&["reconcile"]);
            assert_eq!((output.status.code(), out(&output).ends_with(asks)), (Some(1), true), "{}", out(&output));
        }
        assert!(receiver.take().is_empty());
        assert_eq!(world.webhook(&["reconcile", "--all"]).status.code(), Some(0));
        assert_eq!(receiver.take().len(), 21);
    }
    // One less is told at once.
    world.server_git(&["update-ref", "-d", "refs/heads/gone"]);
    assert_eq!(world.webhook(&["reconcile"]).status.code(), Some(0));
    assert_eq!(receiver.take().len(), 1);
}

#[test]
fn what_reconcile_finds_has_the_same_id_each_time() {
    let (world, receiver) = snapshot_taken();
    let snapshot = fs::read(world.place(Place::Snapshot)).unwrap();
    world.server_git(&["branch", "found", "main"]);
    let ids = [0, 1].map(|_| {
        world.webhook(&["reconcile"]);
        // All that knows of it is lost.
        fs::remove_dir_all(world.place(Place::Settled)).unwrap();
        world.forget_attempts();
        fs::write(world.place(Place::Snapshot), &snapshot).unwrap();
        receiver.take_one().header("Idempotency-Key").to_owned()
    });
    assert!(!ids[0].is_empty());
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn the_snapshot_takes_in_what_pruning_removes() {
    let (world, receiver) = snapshot_taken();
    world.configure("webhook.keepLog", "1d");
    world.commit("two");
    world.push(&["main"]);
    let today = world.days(Place::Settled).remove(0);
    let long_ago = "2020-01-01";
    fs::rename(world.place(Place::SettledOn(&today)), world.place(Place::SettledOn(long_ago))).unwrap();
    fs::write(world.place(Place::LogOn(long_ago)), "").unwrap();
    world.webhook(&["flush"]);
    assert!(!world.place(Place::SettledOn(long_ago)).exists());
    assert!(!world.place(Place::LogOn(long_ago)).exists());
    receiver.take();
    assert_eq!(out(&world.webhook(&["reconcile"])), "nothing was missed\n");
    assert!(receiver.take().is_empty());
}

#[test]
fn enable_brings_a_parked_target_back() {
    let (world, receiver) = failing(Answer::Status(410));
    world.push(&["main:second"]);
    assert_eq!(receiver.requests().len(), 1);
    assert!(out(&world.webhook(&["status"])).contains("ci      parked "));
    world.webhook(&["flush", "--now"]);
    assert_eq!(receiver.requests().len(), 1, "not even when told");
    assert_eq!(out(&world.webhook(&["enable", "ci"])), "ci: enabled; 2 waiting: git webhook flush --now sends them\n");
    assert_eq!(out(&world.webhook(&["flush", "--now"])), "ci: 2 delivered\n");
}

#[test]
fn enable_switches_a_disabled_target_on() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.enabled", "false");
    assert_eq!(out(&world.webhook(&["enable", "ci"])), "ci: enabled\n");
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(receiver.take().len(), 1);
    assert_eq!(world.webhook(&["enable", "nobody"]).status.code(), Some(1));
}

#[test]
fn what_reconcile_did_not_tell_is_not_taken_for_told() {
    let (world, receiver) = snapshot_taken();
    let gate = Gate::new();
    let slow = Receiver::answering(Answer::Behind(gate.clone()));
    world.wait_long();
    world.server_git(&["config", "webhook.ci.url", &slow.url()]);
    world.commit("two");
    world.git(&[
        "push",
        "--quiet",
        "--receive-pack",
        "git -c core.hooksPath=/dev/null receive-pack",
        "../project.git",
        "main:old",
    ]);
    let two = world.id("HEAD");
    let child = world.webhook_command().arg("reconcile").spawn().unwrap();
    until("it tells of the one", || !slow.requests().is_empty());
    // Meanwhile another moves that nobody tells of.
    world.server_git(&["update-ref", "refs/heads/gone", &two]);
    gate.open();
    assert!(child.ends().status.success());
    world.server_git(&["config", "webhook.ci.url", &receiver.url()]);
    world.webhook(&["reconcile"]);
    let refs: Vec<_> = receiver.take().iter().map(|request| request.json()["ref"].clone()).collect();
    assert_eq!(refs, ["refs/heads/gone"]);
}

#[test]
fn an_intent_that_nobody_looked_after_is_seen_by_status() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let server = world.server().to_str().unwrap().to_owned();
    let id = world.commit("one");
    let mut announce = world.command(world.server().join("hooks/pre-receive"), &world.server());
    world.feed(announce.env("GIT_DIR", "."), format!("{ZERO} {id} refs/heads/main\n").as_bytes());
    world.machine_restarts();
    // As far as the refs show, git has refused it.
    assert!(!out(&world.webhook(&["status"])).contains("untold"), "{}", out(&world.webhook(&["status"])));
    world.git(&["push", "--quiet", "--receive-pack=git -c core.hooksPath=/nowhere receive-pack", &server, "main"]);
    assert!(out(&world.webhook(&["status"])).contains("(all)   untold  1 "), "{}", out(&world.webhook(&["status"])));
}

/// Whatever takes a target says the same of one that is not there, with and without others beside it.
#[test]
fn an_unknown_target_is_an_error_in_one_wording() {
    let verbs = [
        "flush --target nope",
        "log --target nope",
        "redeliver --failed --target nope",
        "enable nope",
        "disable nope",
        "remove nope",
        "test nope",
        "echo 0 --target nope",
    ];
    let world = World::new();
    let says = |expected: &str| {
        for verb in verbs {
            let output = world.webhook(&verb.split(' ').collect::<Vec<_>>());
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((why.as_str(), out(&output).as_str(), output.status.code()), (expected, "", Some(1)), "{verb}");
        }
    };
    says("error: no target 'nope': there is none; add one with git webhook add nope https://…\n");
    world.configure("webhook.ci.url", "http://127.0.0.1:1/");
    world.configure("webhook.wrong.url", "ftp://x/");
    says("error: no target 'nope': there is ci, wrong\n");
    for verb in ["flush --target wrong", "test wrong", "echo 0 --target wrong"] {
        let output = world.webhook(&verb.split(' ').collect::<Vec<_>>());
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(why.contains("webhook.wrong.url") && output.status.code() == Some(1), "{verb}: {why}");
    }
}

#[test]
fn below_a_root_a_target_is_unknown_where_no_repository_has_it() {
    let (world, _receiver) = failing(Answer::Status(503));
    let bare = world.path("bare.git");
    let init = world.command("git", &world.work()).args(["init", "--quiet", "--bare"]).arg(&bare).ends();
    assert!(init.status.success());
    let root = world.path("");
    for verb in ["flush", "log", "redeliver --failed"] {
        let call = |target: &str| {
            let mut arguments: Vec<_> = verb.split(' ').collect();
            arguments.extend(["--root", root.to_str().unwrap(), "--target", target]);
            let output = world.webhook(&arguments);
            (output.status.code(), out(&output), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (code, text, why) = call("ci");
        assert!(code == Some(0) && !text.contains("bare.git") && why.is_empty(), "{verb}: {text} {why}");
        let nowhere = (Some(1), String::new(), "error: no target 'nope': there is ci\n".to_owned());
        assert_eq!(call("nope"), nowhere, "{verb}");
    }
}

/// What was sent to a target that is no more can still be looked at.
#[test]
fn the_log_of_a_removed_target_is_shown() {
    let (world, _receiver) = failing(Answer::Status(200));
    world.webhook(&["remove", "ci"]);
    assert_eq!(rows(&world, &["log", "--json", "--target", "ci"]).len(), 1);
}

/// Who switches a target off does not want to be called for what waits then.
#[test]
fn what_waits_for_a_disabled_target_is_no_alarm() {
    let (world, _receiver) = failing(Answer::Status(503));
    let is_alarm = || world.webhook(&["status", "--max-age", "1s"]).status.code() == Some(1);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert!(is_alarm());
    world.webhook(&["disable", "ci"]);
    let row = &rows(&world, &["status", "--json"])[0];
    assert_eq!((&row["state"], &row["waiting"]), (&"disabled".into(), &1.into()));
    assert!(!is_alarm());
    world.webhook(&["enable", "ci"]);
    assert!(is_alarm());
}
