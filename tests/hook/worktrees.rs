//! A linked worktree on the server has the secrets, the log and the spool of its repository.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Ends, Receiver, World};

/// A repository with a commit, and a worktree of it.
fn linked() -> (World, PathBuf) {
    let world = World::new();
    world.commit("one");
    world.push(&["main"]);
    let tree = world.path("tree");
    world.server_git(&["worktree", "add", "--quiet", tree.to_str().unwrap(), "main"]);
    (world, tree)
}

fn in_tree(world: &World, tree: &std::path::Path, arguments: &[&str]) {
    let mut command: Command = world.command(env!("CARGO_BIN_EXE_git-webhook"), tree);
    let output = command.args(arguments).ends();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_push_to_a_worktree_finds_the_secret_of_the_repository() {
    let receiver = Receiver::new();
    let (world, tree) = linked();
    let added = world.webhook(&["add", "ci", &receiver.url(), "--format", "gitlab", "--generate-secret"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    // Something for hook.log.
    world.configure("webhook.ci.nosuchkey", "x");
    world.commit("two");
    let pushed = world.git(&["push", "--quiet", tree.to_str().unwrap(), "main:refs/heads/other"]);
    let secret = std::fs::read_to_string(world.server().join("webhook/secret/ci")).unwrap();
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), secret.trim_end(), "{pushed}");
    assert!(world.log().contains("nosuchkey"), "{}", world.log());
    assert!(!world.server().join("worktrees/tree/webhook").exists());
}

#[test]
fn add_flush_and_remove_in_a_worktree_are_those_of_the_repository() {
    let receiver = Receiver::new();
    let (world, tree) = linked();
    in_tree(&world, &tree, &["add", "ci", "http://127.0.0.1:1/", "--format", "gitlab", "--generate-secret"]);
    let secret = world.server().join("webhook/secret/ci");
    let token = std::fs::read_to_string(&secret).unwrap();
    world.commit("two");
    world.push(&["main:refs/heads/other"]);
    world.server_git(&["config", "webhook.ci.url", &receiver.url()]);
    in_tree(&world, &tree, &["flush", "--now"]);
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), token.trim_end());
    in_tree(&world, &tree, &["remove", "ci"]);
    assert!(!secret.exists());
    assert!(!world.server().join("worktrees/tree/webhook").exists());
}
