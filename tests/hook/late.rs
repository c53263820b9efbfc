//! Pushes whose post-receive never came, told after others: of the refs as they were when they were pushed.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::support::{Receiver, World};

fn world() -> (Receiver, World) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    (receiver, world)
}

/// Pushes with no post-receive to come.
fn push_untold(world: &World, refs: &[&str]) {
    let hook = world.server().join("hooks/post-receive");
    let program = fs::read_link(&hook).unwrap();
    fs::remove_file(&hook).unwrap();
    assert!(world.push(refs).accepted);
    symlink(program, &hook).unwrap();
}

/// Its receive-pack is dead, and no hook is awaited any more.
fn time_passes(world: &World, restarts: bool) {
    match restarts {
        true => world.machine_restarts(),
        false => world.age(61),
    }
}

/// Each ref, sorted, with its total and the ids of its commits.
fn told(receiver: &Receiver) -> Vec<(String, usize, Vec<String>)> {
    let read = |json: Value| {
        let commits = json["commits"].as_array().unwrap().iter().map(|commit| commit["id"].as_str().unwrap().into());
        let total = json["total_commits_count"].as_u64().unwrap() as usize;
        (json["ref"].as_str().unwrap().trim_start_matches("refs/heads/").to_owned(), total, commits.collect())
    };
    let mut told: Vec<_> = receiver.take().iter().map(|request| read(request.json())).collect();
    told.sort();
    told
}

/// What `git rev-list` lists, oldest first.
fn of(world: &World, name: &str, range: &str) -> (String, usize, Vec<String>) {
    let listed = world.server_git(&["rev-list", "--reverse", "--topo-order", range]);
    let ids: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
    (name.to_owned(), ids.len(), ids)
}

#[test]
fn a_first_push_that_is_told_after_others_has_its_own_commits() {
    for restarts in [false, true] {
        let (receiver, world) = world();
        world.commit("one");
        world.commit("two");
        push_untold(&world, &["main"]);
        world.commit("three");
        // The next hook finds it, and has its own number by then.
        time_passes(&world, restarts);
        world.push(&["main:topic"]);
        world.push(&["main:same"]);
        world.webhook(&["flush"]);
        let none = ("same".to_owned(), 0, Vec::new());
        assert_eq!(told(&receiver), [of(&world, "main", "main"), none, of(&world, "topic", "main..topic")]);
    }
}

#[test]
fn pushes_that_are_told_late_do_not_take_each_others_commits() {
    for restarts in [false, true] {
        let (receiver, world) = world();
        world.commit("one");
        push_untold(&world, &["main"]);
        world.commit("two");
        push_untold(&world, &["main:topic"]);
        world.commit("three");
        push_untold(&world, &["main:other", "main:topic"]);
        time_passes(&world, restarts);
        world.webhook(&["flush"]);
        let mut expected = vec![of(&world, "main", "main"), of(&world, "other", "topic^..topic")];
        expected.extend([of(&world, "topic", "main..topic^"), of(&world, "topic", "topic^..topic")]);
        expected.sort();
        assert_eq!(told(&receiver), expected, "{restarts}");
    }
}

/// What came after it was written down before it, and moved the same refs.
#[test]
fn refs_that_others_moved_since_are_those_of_then() {
    let (receiver, world) = world();
    world.commit("base");
    world.push(&["main"]);
    world.commit("one");
    push_untold(&world, &["main:topic"]);
    world.commit("two");
    world.push(&["main:next"]);
    world.commit("three");
    world.push(&["main:next", "main"]);
    world.push(&["--delete", "next"]);
    world.age(61);
    receiver.take();
    world.webhook(&["flush"]);
    assert_eq!(told(&receiver), [of(&world, "topic", "main~3..topic")]);
}

/// The movements of others that no hook saw are not counted as what the push found there.
#[test]
fn what_moved_without_a_hook_since_takes_no_commits_from_it() {
    let (receiver, world) = world();
    world.commit("base");
    world.push(&["main"]);
    world.webhook(&["reconcile"]);
    world.commit("one");
    world.commit("two");
    push_untold(&world, &["main:topic"]);
    world.server_git(&["update-ref", "refs/heads/import", "topic~1"]);
    world.age(61);
    receiver.take();
    world.webhook(&["flush"]);
    assert_eq!(told(&receiver), [of(&world, "topic", "main..topic")]);
    assert!(world.webhook(&["reconcile"]).status.success());
    // Made again it is the same, whatever was found meanwhile.
    let log: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    let id = log.iter().find(|row| row["ref"] == "refs/heads/topic").unwrap()["id"].as_str().unwrap().to_owned();
    receiver.take();
    assert!(world.webhook(&["redeliver", &id]).status.success());
    assert_eq!(told(&receiver), [of(&world, "topic", "main..topic")]);
}
