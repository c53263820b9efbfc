//! HEAD that names no branch which is there: what payloads, `git webhook test` and `check` make of it.

use crate::check::SetUp;
use crate::support::{Ends, Receiver, World};

/// Points HEAD somewhere, and tells what that is.
type Pointing = (&'static str, fn(&World));

const POINTINGS: [Pointing; 7] = [
    ("a branch", |world| points_to(world, "refs/heads/dev")),
    ("no branch", |world| points_to(world, "refs/heads/nope")),
    ("an alias", |world| {
        world.server_git(&["symbolic-ref", "refs/heads/alias", "refs/heads/dev"]);
        points_to(world, "refs/heads/alias");
    }),
    ("a commit with many branches", |world| detaches(world, "dev")),
    ("the newest commit", |world| detaches(world, "zeta")),
    ("a commit with no branch", |world| detaches(world, "dev~1")),
    ("a commit with other branches", |world| {
        world.server_git(&["branch", "--delete", "--force", "main", "master"]);
        detaches(world, "dev");
    }),
];

fn points_to(world: &World, name: &str) {
    world.server_git(&["symbolic-ref", "HEAD", name]);
}

fn detaches(world: &World, name: &str) {
    let id = world.server_git(&["rev-parse", name]);
    world.server_git(&["update-ref", "--no-deref", "HEAD", &id]);
}

fn world(options: &[&str]) -> (Receiver, World) {
    let receiver = Receiver::new();
    let world = World::with(options);
    world.add_target("ci", &receiver, "gitlab");
    world.commit("zero");
    world.commit("one");
    world.push(&["main", "main:dev", "main:master", "main:b"]);
    world.commit("two");
    world.push(&["main:zeta"]);
    receiver.take();
    (receiver, world)
}

/// The branch that a clone checks out for those who have git make `main` first.
fn cloned(world: &World) -> Option<String> {
    let clone = world.path("clone");
    let mut command = world.command("git", &world.path(""));
    let arguments = ["-c", "init.defaultBranch=main", "clone", "--quiet"];
    assert!(command.args(arguments).arg(world.server()).arg(&clone).ends().status.success());
    let head = world.command("git", &clone).args(["symbolic-ref", "--quiet", "--short", "HEAD"]).ends();
    std::fs::remove_dir_all(clone).unwrap();
    head.status.success().then(|| String::from_utf8(head.stdout).unwrap().trim_end().to_owned())
}

#[test]
fn the_default_branch_is_what_a_clone_gets() {
    for options in [&[][..], &["--ref-format=reftable"]] {
        for (what, point) in POINTINGS {
            let (receiver, world) = world(options);
            point(&world);
            world.push(&["main:topic"]);
            let expected = cloned(&world);
            let json = receiver.take_one().json();
            assert_eq!(json["project"]["default_branch"].as_str(), expected.as_deref(), "{what} {options:?}");
        }
    }
}

#[test]
fn a_test_takes_the_newest_branch_and_says_which() {
    for (what, point) in POINTINGS {
        let (receiver, world) = world(&[]);
        point(&world);
        let output = world.webhook(&["test", "ci"]);
        assert!(output.status.success(), "{what}");
        let said = String::from_utf8(output.stderr).unwrap();
        let (name, expected) = match what {
            "a branch" | "an alias" => ("refs/heads/dev", ""),
            _ => ("refs/heads/zeta", "HEAD names no branch that is there, so this is of the newest, zeta\n"),
        };
        assert_eq!((receiver.take_one().json()["ref"].as_str().unwrap(), said.as_str()), (name, expected), "{what}");
    }
}

#[test]
fn check_points_head_to_a_branch() {
    let set_up = SetUp::new();
    let world = &set_up.world;
    points_to(world, "refs/heads/nope");
    set_up.is_well();
    world.commit("one");
    world.push(&["main", "main:old"]);
    world.commit("two");
    world.push(&["main:newest"]);
    set_up.mends("advice", "HEAD names refs/heads/nope, which is not there");
    assert_eq!(world.server_git(&["symbolic-ref", "HEAD"]), "refs/heads/newest");
    detaches(world, "old");
    set_up.mends("advice", "HEAD names no branch");
    assert_eq!(world.server_git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    set_up.is_well();
}

#[test]
fn check_asks_about_patterns_that_match_nothing() {
    for (pattern, meant) in [
        ("main,dev", "main dev"),
        ("{main,dev}", "main dev"),
        ("main|dev", "main dev"),
        ("heads/main", "refs/heads/main"),
        ("origin/main", "refs/heads/main"),
        ("refs/head/main", "refs/heads/main"),
        ("refs/heads/(main|dev)", "refs/heads/main refs/heads/dev"),
        ("main;dev", "main dev"),
        ("branches/main", "refs/heads/main"),
        ("/main", "main"),
        ("MAIN", "main"),
    ] {
        let set_up = SetUp::new();
        set_up.world.commit("one");
        set_up.world.push(&["main"]);
        set_up.world.configure("webhook.ci.ref", &format!("keep/* {pattern}"));
        set_up
            .mends("advice", &format!("webhook.ci.ref '{pattern}' matches no ref that is there: was '{meant}' meant?"));
        assert_eq!(set_up.world.server_git(&["config", "webhook.ci.ref"]), format!("keep/* {meant}"));
        set_up.world.commit("two");
        assert!(set_up.world.push(&["main"]).said()[0].starts_with("webhook ci: delivered main (200, "));
    }
}

#[test]
fn check_says_what_an_impossible_pattern_was_to_mean() {
    for (pattern, meant) in [("^main$", "main"), ("^refs/heads/(main|dev)$", "refs/heads/main refs/heads/dev")] {
        let set_up = SetUp::new();
        set_up.world.commit("one");
        set_up.world.push(&["main"]);
        set_up.world.configure("webhook.ci.ref", &format!("keep/* {pattern}"));
        set_up.mends("error", &format!("holds what no ref name can: was 'keep/* {meant}' meant?"));
        assert_eq!(set_up.world.server_git(&["config", "webhook.ci.ref"]), format!("keep/* {meant}"));
    }
}
