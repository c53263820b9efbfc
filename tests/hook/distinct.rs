//! Which commits GitHub's format calls distinct: those that no ref had before the push, be they asked or not.

use crate::support::{Receiver, World, write_program};

fn world() -> (World, Receiver) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "github");
    world.commit("first");
    world.push(&["main", "main:other"]);
    world.server_git(&["pack-refs", "--all"]);
    receiver.take();
    (world, receiver)
}

/// Of each commit that the last push told whether it is distinct, and of which ref it was.
fn told(receiver: &Receiver) -> Vec<String> {
    let mut told = Vec::new();
    for request in receiver.take() {
        let body = request.json();
        let name = body["ref"].as_str().unwrap_or_default().to_owned();
        let commits = body["commits"].as_array().cloned().unwrap_or_default();
        let message = |commit: &serde_json::Value| commit["message"].as_str().unwrap_or_default().trim().to_owned();
        told.extend(commits.iter().map(|commit| format!("{name} {} {}", message(commit), commit["distinct"])));
    }
    told.sort();
    told
}

#[test]
fn what_a_push_brings_is() {
    let (world, receiver) = world();
    world.commit("one");
    world.commit("two");
    world.push(&["main"]);
    assert_eq!(told(&receiver), ["refs/heads/main one true", "refs/heads/main two true"]);
}

/// It lies in a file of its own, from the push a moment ago.
#[test]
fn what_another_branch_had_is_not() {
    let (world, receiver) = world();
    world.commit("one");
    world.push(&["main:other"]);
    receiver.take();
    world.commit("two");
    world.push(&["main"]);
    assert_eq!(told(&receiver), ["refs/heads/main one false", "refs/heads/main two true"]);
}

/// The branch that had it is written by the same push.
#[test]
fn what_a_branch_had_that_the_push_moves_away_is_not() {
    let (world, receiver) = world();
    world.commit("one");
    world.push(&["main:other"]);
    receiver.take();
    world.push(&[":other", "main"]);
    assert_eq!(told(&receiver), ["refs/heads/main one false"]);
}

/// One push to two branches brings them to both.
#[test]
fn what_a_push_brings_to_two_branches_is_at_both() {
    let (world, receiver) = world();
    world.commit("one");
    world.push(&["main", "main:other"]);
    assert_eq!(told(&receiver), ["refs/heads/main one true", "refs/heads/other one true"]);
}

/// A hundred objects and more come in a pack, which tells nothing of its objects' age.
#[test]
fn so_it_is_with_what_comes_in_a_pack() {
    let (world, receiver) = world();
    world.server_git(&["config", "receive.unpackLimit", "1"]);
    world.commit("one");
    world.push(&["main:other"]);
    receiver.take();
    world.commit("two");
    world.push(&["main"]);
    assert_eq!(told(&receiver), ["refs/heads/main one false", "refs/heads/main two true"]);
}

/// Somebody else moves another branch there while the push is under way.
#[test]
fn what_another_branch_gets_meanwhile_is_not() {
    let (world, receiver) = world();
    let hook = world.server().join("hooks/update");
    write_program(&hook, "#!/bin/sh\ngit update-ref refs/heads/other \"$3\"\n");
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(told(&receiver), ["refs/heads/main one false"]);
}
