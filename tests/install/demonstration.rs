//! `install.sh --demo`: a push, a receiver, and nothing left behind.

use super::*;

#[test]
fn the_demonstration_shows_a_push_and_leaves_nothing() {
    let world = World::new();
    let before = world.tree("");

    let run = world.run(&format!("--demo --from {}", built()));

    run.succeeds();
    assert_eq!(run.stdout.matches("webhook demo: delivered main").count(), 1, "pre-receive delivers nothing");
    run.prints("webhook demo: delivered v1.0");
    run.prints("\"object_kind\": \"push\"");
    run.prints("\"object_kind\": \"tag_push\"");
    assert_eq!(before, world.tree(""));
}

#[test]
fn a_demonstration_that_nobody_reads_to_its_end_leaves_nothing() {
    let world = World::new();
    let mut shell = world.isolated("sh", "");
    shell.args(["-c", "\"$0\" --demo --from \"$1\" | head -n 1"]).arg(format!("{CHECKOUT}/install.sh")).arg(built());

    let run = Run::of(&mut shell);

    run.succeeds();
    let left: Vec<_> = world.tree("tmp").into_keys().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_demonstration_that_fails_says_why_and_leaves_nothing() {
    let world = World::new();
    let receiver = world.path("from/git-webhook");
    executable(&receiver, "#!/bin/sh\necho no port >&2; exit 1");
    let before = world.tree("");

    let run = world.run("--demo --from from");

    run.fails("error: the demonstration failed: the receiver does not start");
    run.fails("no port");
    assert_eq!(before, world.tree(""));
}

#[test]
fn a_demonstration_without_delivery_fails() {
    let world = World::new();
    let receiver = world.path("from/git-webhook");
    executable(&receiver, "#!/bin/sh\necho listening on http://x; sleep 1");

    let run = world.run("--demo --from from");

    run.fails("error: the demonstration failed: no push event comes to the receiver");
}
