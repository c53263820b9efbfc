//! What waits for a receiver gets to it as soon as it is back, or somebody has mended what was wrong.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Answer, Place, Receiver, World, name, rewrite_record, until};

fn flush(world: &World, options: &[&str]) {
    let output = world.webhook(&[&["flush"], options].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn log(world: &World) -> Vec<Value> {
    crate::support::rows(&world.webhook(&["log", "--json"]).stdout)
}

/// The newest line of the log.
fn last_attempt(world: &World) -> Value {
    world.attempts().pop().unwrap()
}

/// The target was tried last so long ago that it may be probed.
fn last_tried_long_ago(world: &World) {
    rewrite_record(&world.place(Place::Backoff("ci")), |json| json["tried"] = 1.into());
}

/// Three deliveries wait that the receiver put off for an hour; then it is well.
fn put_off() -> (Receiver, World) {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    for commit in ["one", "two", "three"] {
        world.commit(commit);
        world.push(&["main"]);
    }
    receiver.take();
    assert_eq!(world.waiting("ci").len(), 3);
    (receiver, world)
}

#[test]
fn a_receiver_that_hangs_up_is_one_that_refuses() {
    let receiver = Receiver::answering(Answer::Raw(Vec::new()));
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let said = world.push(&["main"]).said();
    assert_eq!(
        said,
        ["webhook ci: not delivered: main (connection closed without an answer); kept, and tried again later"]
    );
    for _ in 0..4 {
        flush(&world, &["--now"]);
    }
    assert_eq!((receiver.take().len(), world.waiting("ci").len(), world.dead("ci").len()), (5, 1, 0));
    let last = last_attempt(&world);
    assert!(!last["reason"].as_str().unwrap().contains("may have acted"), "{last}");
    assert!(last["reason"].as_str().unwrap().starts_with("connection closed without an answer"), "{last}");
}

#[test]
fn what_the_receiver_may_have_acted_on_waits_for_another_to_get_through() {
    let patient = Answer::After(Duration::from_secs(30));
    let receiver = Receiver::in_turn([vec![patient; 6], vec![Answer::Status(200)]].concat());
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.timeout", "1s");
    world.commit("one");
    world.push(&["main:slow"]);
    for times in 1..=6 {
        let reason = last_attempt(&world)["reason"].as_str().unwrap().to_owned();
        assert!(reason.ends_with(&format!("the receiver may have acted (attempts like this: {times})")), "{reason}");
        if times < 6 {
            flush(&world, &["--now"]);
        }
    }
    let rows = log(&world);
    assert_eq!(rows[0]["waits_for"], "another delivery to this target to get through");
    assert!(rows[0]["next"].is_null() && world.dead("ci").is_empty());
    receiver.take();
    // However much time goes by.
    world.time_passes("ci");
    assert_eq!(world.waiting("ci").len(), 1);
    flush(&world, &[]);
    assert!(receiver.take().is_empty());
    // As in any state of its target, another delivery ends it.
    world.push(&["main:other"]);
    until("both are told", || {
        flush(&world, &[]);
        world.waiting("ci").is_empty()
    });
    let refs: Vec<_> =
        receiver.take().iter().map(|request| request.json()["ref"].as_str().unwrap().to_owned()).collect();
    assert_eq!(refs, ["refs/heads/other", "refs/heads/slow"]);
}

/// A time-out that only the push's patience made, while the receiver had the whole request.
#[test]
fn what_a_push_did_not_wait_for_may_have_been_acted_on() {
    let receiver = Receiver::answering(Answer::After(Duration::from_secs(30)));
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.maxWait", "2s");
    world.commit("one");
    let said = world.push(&["main"]).said();
    assert_eq!(said, ["webhook ci: not delivered: main (the push waits no longer); kept, and tried again later"]);
    let last = last_attempt(&world);
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.ends_with("the receiver may have acted (attempts like this: 1)"), "{reason}");
}

#[test]
fn a_receiver_that_is_back_gets_all_that_waits() {
    let (receiver, world) = put_off();
    flush(&world, &[]);
    assert!(receiver.take().is_empty(), "it was tried a moment ago");
    last_tried_long_ago(&world);
    flush(&world, &[]);
    assert_eq!(receiver.take().len(), 3);
    assert!(world.waiting("ci").is_empty() && !world.place(Place::Backoff("ci")).exists());
}

#[test]
fn a_probe_is_no_attempt() {
    let receiver = Receiver::answering(Answer::Busy);
    let world = World::told_to(&receiver, "gitlab");
    for commit in ["one", "two"] {
        world.commit(commit);
        world.push(&["main"]);
    }
    receiver.take();
    let before: Vec<_> = world.waiting("ci").iter().map(|path| name(path)).collect();
    for _ in 0..2 {
        last_tried_long_ago(&world);
        flush(&world, &[]);
        assert_eq!(receiver.take().len(), 1);
        flush(&world, &[]);
        assert_eq!(receiver.take().len(), 0);
    }
    assert_eq!(before, world.waiting("ci").iter().map(|path| name(path)).collect::<Vec<_>>());
    let reason = last_attempt(&world)["reason"].as_str().unwrap().to_owned();
    assert!(reason.ends_with("sent before its time, to see whether the receiver is back"), "{reason}");
}

#[test]
fn a_changed_configuration_makes_what_waits_due() {
    // Once as a receiver that is not there, once as one that knows no such path.
    let missing = Receiver::answering(Answer::Status(404));
    for wrong in ["http://127.0.0.1:1/typo".to_owned(), missing.url()] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let right = world.server_git(&["config", "webhook.ci.url"]);
        world.server_git(&["config", "webhook.ci.url", &wrong]);
        let ids = ["one", "two"].map(|commit| {
            let id = world.commit(commit);
            world.push(&["main"]);
            id
        });
        flush(&world, &[]);
        assert_eq!((receiver.take().len(), world.waiting("ci").len()), (0, 2), "{wrong}");
        world.server_git(&["config", "webhook.ci.url", &right]);
        flush(&world, &[]);
        let told: Vec<_> = receiver.take().iter().map(|request| request.json()["after"].clone()).collect();
        assert_eq!(told, ids, "{wrong}");
    }
}

#[test]
fn a_changed_secret_makes_what_waits_due() {
    let receiver = Receiver::in_turn([Answer::Status(403), Answer::Status(200)]);
    let world = World::told_plainly_to(&receiver, "gitlab");
    let secrets = world.server().join("webhook/secret");
    fs::create_dir_all(&secrets).unwrap();
    let write = |secret: &str| {
        fs::write(secrets.join("ci"), secret).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(secrets.join("ci"), mode).unwrap();
    };
    write("the-wrong-secret-of-24-bytes\n");
    world.configure("webhook.ci.secretFile", "ci");
    world.commit("one");
    world.push(&["main"]);
    flush(&world, &[]);
    assert_eq!(receiver.take().len(), 1);
    write("the-right-secret-of-24-bytes-and-more\n");
    flush(&world, &[]);
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), "the-right-secret-of-24-bytes-and-more");
}

#[test]
fn a_test_that_gets_through_makes_what_waits_due() {
    let (receiver, world) = put_off();
    assert!(world.webhook(&["test", "ci"]).status.success());
    assert_eq!(receiver.take().len(), 1);
    flush(&world, &[]);
    assert_eq!(receiver.take().len(), 3);
}
