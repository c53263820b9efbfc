//! What a queue keeps of a delivery, and how it is given back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::support::{Answer, Ends, Place, Receiver, World, name, until};

#[test]
fn a_body_that_targets_share_is_stored_once() {
    let receivers = [0; 3].map(|_| Receiver::in_turn([Answer::Busy, Answer::Status(200)]));
    let world = World::new();
    for (name, receiver) in ["a", "b", "c"].iter().zip(&receivers) {
        world.add_target(name, receiver, "gitlab");
    }
    world.commit("one");
    world.push(&["main"]);
    let bodies = ["a", "b", "c"].map(|name| world.bodies(Place::Queue(name)));
    let inode = |paths: &Vec<PathBuf>| fs::metadata(&paths[0]).unwrap().ino();
    assert_eq!(bodies.each_ref().map(Vec::len), [1, 1, 1]);
    assert_eq!(inode(&bodies[0]), inode(&bodies[1]));
    assert_eq!(inode(&bodies[0]), inode(&bodies[2]));
    for name in ["b", "a", "c"] {
        world.webhook(&["flush", "--now", "--target", name]);
        assert!(world.kept(Place::Queue(name)).is_empty(), "{name}");
    }
    for receiver in &receivers {
        let sent = receiver.take();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].body, sent[1].body);
    }
}

#[test]
fn a_retry_sends_the_same_under_the_same_id() {
    let receiver = Receiver::in_turn([Answer::Status(500), Answer::Status(500), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.secret", "a secret of more than 24 bytes");
    world.commit("one");
    world.push(&["main"]);
    world.webhook(&["flush", "--now"]);
    // What has changed since then changes nothing of what was pushed.
    world.commit("two");
    world.server_git(&["config", "--replace-all", "webhook.ci.secret", "another secret of so many bytes"]);
    world.webhook(&["flush", "--now"]);
    let sent = receiver.take();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|request| request.body == sent[0].body));
    let ids: Vec<_> = sent.iter().map(|request| request.header("Idempotency-Key")).collect();
    assert!(!ids[0].is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let tokens: Vec<_> = sent.iter().map(|request| request.header("X-Gitlab-Token")).collect();
    assert_eq!(tokens[1], "a secret of more than 24 bytes");
    assert_eq!(tokens[2], "another secret of so many bytes", "it is signed when it is sent");
}

#[test]
fn the_pusher_of_a_later_delivery_is_who_pushed() {
    let receiver = Receiver::in_turn([Answer::Status(500), Answer::Status(200)]);
    let mut world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.set("GL_USER", "bob");
    world.backoff_ends("ci");
    world.push(&["main:other"]);
    let users: Vec<_> = receiver.take().iter().map(|request| request.json()["user_username"].clone()).collect();
    assert_eq!(users, ["alice", "bob"]);
}

#[test]
fn a_push_for_a_wrong_target_is_told_as_it_was_when_the_target_is_mended() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.timeout", "soon");
    world.configure("webhook.ci.ref", "refs/heads/*");
    world.commit("one");
    let said = world.push_with(&["-o", "ci.variable=x"], &["main"]).said();
    assert_eq!(said, ["webhook ci: not configured rightly, the event is kept; see git webhook check"]);
    world.git(&["tag", "v1"]);
    world.push(&["v1"]);
    assert!(receiver.take().is_empty());
    world.server_git(&["config", "--unset", "webhook.ci.timeout"]);
    world.commit("two");
    world.push(&["main"]);
    let refs: Vec<_> = receiver.take().iter().map(|request| request.json()["ref"].clone()).collect();
    assert_eq!(refs, ["refs/heads/main", "refs/heads/main"], "the tag is not wanted");
}

/// A push for a target with a wrong name, beside one at the same receiver that was told.
fn wrongly_named() -> (World, Receiver) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.add_target("team/build", &receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(receiver.take().len(), 1);
    (world, receiver)
}

/// Gives the target with the wrong name these instead, and returns how often a flush tells each.
fn renamed_to(names: &[&str]) -> Vec<usize> {
    let (world, receiver) = wrongly_named();
    world.server_git(&["config", "--remove-section", "webhook.team/build"]);
    names.iter().for_each(|name| world.add_target(name, &receiver, "gitlab"));
    world.webhook(&["flush", "--now"]);
    names.iter().map(|name| world.attempts().iter().filter(|attempt| attempt["target"] == *name).count()).collect()
}

#[test]
fn what_waited_under_a_wrong_name_goes_to_the_target_that_has_come_in_its_place() {
    assert_eq!(renamed_to(&["deploy"]), [1], "the only one that is new at the receiver");
    assert_eq!(renamed_to(&["deploy", "team-build"]), [0, 1], "its letters");
    assert_eq!(renamed_to(&["deploy", "other"]), [0, 0], "nobody knows");
}

#[test]
fn what_waited_under_a_wrong_name_goes_to_none_that_was_told_or_is_elsewhere() {
    let (world, receiver) = wrongly_named();
    world.server_git(&["config", "--remove-section", "webhook.team/build"]);
    let elsewhere = Receiver::new();
    world.add_target("deploy", &elsewhere, "gitlab");
    world.webhook(&["flush", "--now"]);
    assert_eq!((receiver.take().len(), elsewhere.take().len()), (0, 0));
}

#[test]
fn a_push_that_nobody_wants_looks_after_what_waits() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.ref", "refs/heads/*");
    world.commit("one");
    world.push(&["main"]);
    world.push(&["main:other"]);
    world.backoff_ends("ci");
    world.git(&["tag", "v1"]);
    assert!(world.push(&["v1"]).said().is_empty());
    let refs: Vec<_> = receiver.take().iter().map(|request| request.json()["ref"].clone()).collect();
    assert_eq!(refs, ["refs/heads/main", "refs/heads/other"]);
}

/// One who sends dies between the log's last word and the record's removal.
fn die_after(world: &World, receiver: &Receiver, state: &str) {
    let mut flush = world.webhook_command().args(["flush", "--now"]).spawn().unwrap();
    until("it is under way", || receiver.requests().len() == 2);
    flush.kill().unwrap();
    flush.ends();

    let log = world.place(Place::LogOn(&world.days(Place::Log)[0]));
    let lines = fs::read_to_string(&log).unwrap();
    let last = lines.lines().last().unwrap().replace("\"state\":\"waiting\"", &format!("\"state\":\"{state}\""));
    let last = last.replace("\"attempt\":1", "\"attempt\":2");
    fs::write(&log, format!("{lines}{last}\n")).unwrap();
}

#[test]
fn what_the_log_says_is_dead_is_made_so_by_the_next() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Never, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    die_after(&world, &receiver, "dead");
    world.webhook(&["flush", "--now"]);
    assert_eq!(receiver.take().len(), 2);
    assert_eq!(world.kept(Place::Dead("ci")).len(), 1);
}

#[test]
fn what_was_delivered_is_not_delivered_by_the_next() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Never, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    die_after(&world, &receiver, "delivered");
    world.webhook(&["flush", "--now"]);
    assert_eq!(receiver.take().len(), 2);
    assert!(world.kept(Place::Queue("ci")).is_empty());
}

#[test]
fn a_target_out_of_sight_for_a_moment_loses_nothing() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::new();
    for (key, value) in [("url", receiver.url()), ("format", "gitlab".into())] {
        world.configure_globally(&format!("webhook.ci.{key}"), &value);
    }
    world.commit("one");
    world.push(&["main"]);
    let status = world.webhook_command().env("HOME", "/nonexistent").args(["flush", "--now"]).ends().status;
    assert!(status.success());
    world.webhook(&["flush", "--now"]);
    assert_eq!(receiver.take().len(), 2);
}

/// A program with a mistake put it there.
#[test]
fn a_push_that_is_stuck_is_seen_by_status_and_tried_again_by_flush() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let (id, settled) = (receiver.take_one().header("Idempotency-Key").to_owned(), world.settled().remove(0));
    fs::create_dir(world.place(Place::Stuck)).unwrap();
    fs::rename(&settled, world.place(Place::Stuck).join(name(&settled))).unwrap();
    world.forget_attempts();
    // It holds up nobody, of its own ref either.
    world.commit("two");
    world.push(&["main"]);
    assert_ne!(receiver.take_one().header("Idempotency-Key"), id);
    let status = world.webhook(&["status"]);
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(said.lines().any(|line| line.contains(" stuck ")), "{said}");
    assert_eq!(status.status.code(), Some(2));
    assert!(world.webhook(&["flush"]).status.success());
    assert_eq!(receiver.take_one().header("Idempotency-Key"), id);
    assert_eq!(world.records(Place::Stuck), [""; 0].map(PathBuf::from));
    assert_eq!(world.webhook(&["status", "--max-age", "0s"]).status.code(), Some(0));
}
