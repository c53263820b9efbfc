//! `hooks/driver`, which runs every hook of a directory on the same input.

use super::*;

#[test]
fn a_verdict_is_kept_under_the_driver() {
    let world = World::new();
    world.driver(
        "a.git/hooks/pre-receive",
        &[("10-ours", STUB), ("50-local", "#!/bin/sh\ncat >>old; exit 3"), ("60-late", "#!/bin/sh\ntouch late")],
    );

    world.push("a.git").fails("pre-receive hook declined");

    assert_eq!(world.text("a.git/intended"), world.text("a.git/old"));
    assert!(!world.has("a.git/late"));
    assert!(!world.has("a.git/refs/heads/main"));
}

#[test]
fn without_objection_the_driver_lets_a_push_through() {
    let world = World::new();
    world.driver("a.git/hooks/pre-receive", &[("10-ours", STUB), ("50-local", OLD)]);

    world.push("a.git").succeeds();

    assert_eq!(world.text("a.git/intended"), world.text("a.git/old"));
    assert!(world.has("a.git/refs/heads/main"));
}

#[test]
fn the_driver_hands_on_the_arguments() {
    let world = World::new();
    world.driver("a.git/hooks/update", &[("one", "#!/bin/sh\necho \"$# $1\" >told")]);

    world.push("a.git").succeeds();

    assert_eq!(world.text("a.git/told"), "3 refs/heads/main\n");
}

#[test]
fn the_driver_runs_in_byte_order_what_is_on() {
    let world = World::new();
    let tell = "#!/bin/sh\necho \"${0##*/}\" >>told";
    let names = ["b", "a", "B", "10-x", "9-x", "é", "x~", "x.bak", "x.sample", ".x"];
    world.driver("a.git/hooks/post-receive", &names.map(|name| (name, tell)));
    world.entry("a.git", "off", tell, 0o644);
    fs::create_dir(world.path("a.git/hooks/post-receive.d/directory")).unwrap();

    let run = world.feed_hook("a.git", b"");

    assert_eq!(run.succeeds().stderr, "");
    assert_eq!(world.text("a.git/told"), "10-x\n9-x\nB\na\nb\né\n");
}

#[test]
fn after_a_push_all_hooks_run_and_the_first_failure_is_told() {
    let world = World::new();
    world.driver("a.git/hooks/post-receive", &[("10", "#!/bin/sh\nexit 3"), ("20", "#!/bin/sh\nexit 4"), ("30", STUB)]);

    let run = world.feed_hook("a.git", b"line\n");

    assert_eq!(run.code, Some(3));
    assert_eq!(world.text("a.git/ours"), "line\n");
}

#[test]
fn the_driver_hands_on_every_byte_and_bears_a_deaf_hook() {
    let world = World::new();
    world.driver("a.git/hooks/post-receive", &[("10-deaf", "#!/bin/sh\n"), ("20", STUB)]);
    let mut input: Vec<u8> = (1..=255).cycle().take(1 << 20).collect();
    input.extend(b"\n\n");

    let run = world.feed_hook("a.git", &input);

    assert_eq!(run.succeeds().stderr, "");
    assert!(input == fs::read(world.path("a.git/ours")).unwrap());
}
