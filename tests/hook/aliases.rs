//! Symbolic refs, `master` that leads to `main` say: one movement starts one build, and only what happens to the symbolic
//! ref itself is told of it.

use serde_json::Value;

use crate::support::{Answer, Receiver, World, ZERO, pre_receive};

/// A repository with `main` and the alias `master`, both known.
fn world(options: &[&str]) -> (Receiver, World, String) {
    let receiver = Receiver::new();
    let world = World::with(options);
    world.add_target("ci", &receiver, "gitlab");
    let first = world.commit("one");
    world.push(&["main"]);
    world.server_git(&["symbolic-ref", "refs/heads/master", "refs/heads/main"]);
    reconcile(&world);
    world.webhook(&["reconcile", "--baseline"]);
    receiver.take();
    (receiver, world, first)
}

#[track_caller]
fn reconcile(world: &World) -> String {
    let output = world.webhook(&["reconcile"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What was told, sorted: a ref, where it was, where it is.
fn told(receiver: &Receiver) -> Vec<(String, Value, Value)> {
    let step = |json: Value| (json["ref"].as_str().unwrap().to_owned(), json["before"].clone(), json["after"].clone());
    let mut told: Vec<_> = receiver.take().iter().map(|request| step(request.json())).collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    told
}

fn step(name: &str, old: &str, new: &str) -> (String, Value, Value) {
    (format!("refs/heads/{name}"), old.into(), new.into())
}

#[test]
fn a_push_by_an_alias_is_the_branchs() {
    for options in [&[][..], &["--ref-format=reftable"]] {
        let (receiver, world, first) = world(options);
        let second = world.commit("two");
        let said = world.push(&["main:master"]).said();
        assert!(said[0].starts_with("webhook ci: delivered main (200, "), "{said:?}");
        assert_eq!(told(&receiver), [step("main", &first, &second)]);
        assert_eq!(reconcile(&world), "nothing was missed\n");
        // And so is one by both names, which git takes for one.
        let third = world.commit("three");
        world.push(&["main", "main:master"]);
        assert_eq!(told(&receiver), [step("main", &second, &third)]);
        // git deletes the branch behind it.
        world.push(&["--delete", "master"]);
        assert_eq!(told(&receiver), [step("main", &third, ZERO)]);
        assert_eq!(reconcile(&world), "nothing was missed\n");
        let said = String::from_utf8(world.webhook(&["check"]).stdout).unwrap();
        assert!(said.contains("refs/heads/master leads to refs/heads/main, which is not there"), "{said}");
    }
}

#[test]
fn a_target_is_told_by_the_alias_where_it_takes_that_alone_or_the_repository_says_both() {
    let (receiver, world, first) = world(&[]);
    world.configure("webhook.ci.ref", "master");
    let second = world.commit("two");
    world.push(&["main:master"]);
    assert_eq!(told(&receiver), [step("master", &first, &second)]);
    let third = world.commit("three");
    world.push(&["main"]);
    assert!(told(&receiver).is_empty(), "a movement of the branch is the branch's alone");
    world.server_git(&["config", "--unset", "webhook.ci.ref"]);
    world.configure("webhook.aliases", "both");
    let fourth = world.commit("four");
    world.push(&["main:master"]);
    assert_eq!(told(&receiver), [step("main", &third, &fourth), step("master", &third, &fourth)]);
    let log: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    let ids: std::collections::BTreeSet<_> = log[..2].iter().map(|row| row["event_id"].to_string()).collect();
    let refs: std::collections::BTreeSet<_> = log[..2].iter().map(|row| row["ref"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), refs.into_iter().collect::<Vec<_>>()), (2, vec!["refs/heads/main", "refs/heads/master"]));
    world.configure("webhook.aliases", "all");
    let said = String::from_utf8(world.webhook(&["check"]).stdout).unwrap();
    assert!(said.contains("is neither branch nor both"), "{said}");
}

#[test]
fn a_lost_post_receive_after_a_push_by_an_alias_loses_nothing() {
    let (receiver, world, first) = world(&[]);
    let second = world.commit("two");
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
    let lines = format!("{first} {second} refs/heads/main\n{first} {second} refs/heads/master\n");
    assert!(world.feed(&mut pre_receive(&world), lines.as_bytes()).status.success());
    world.server_git(&["update-ref", "refs/heads/main", &second]);
    world.age(61);
    world.machine_restarts();
    assert!(world.webhook(&["flush"]).status.success());
    assert_eq!(told(&receiver), [step("main", &first, &second)]);
    assert_eq!(reconcile(&world), "nothing was missed\n");
}

#[test]
fn of_an_alias_only_what_happens_to_itself_is_told() {
    for options in [&[][..], &["--ref-format=reftable"]] {
        let (receiver, world, first) = world(options);
        let second = world.commit("two");
        world.push(&["main", "main~1:refs/heads/old"]);
        told(&receiver);
        let to = |world: &World, name: &str| world.server_git(&["symbolic-ref", "refs/heads/master", name]);
        // Re-pointed: it stands elsewhere since.
        to(&world, "refs/heads/old");
        reconcile(&world);
        assert_eq!(told(&receiver), [step("master", &second, &first)]);
        assert_eq!(reconcile(&world), "nothing was missed\n");
        world.push(&["main:old"]);
        assert_eq!(told(&receiver), [step("old", &first, &second)]);
        assert_eq!(reconcile(&world), "nothing was missed\n");
        // To where it stood: there is nothing to tell.
        to(&world, "refs/heads/main");
        assert_eq!(reconcile(&world), "nothing was missed\n");
        world.server_git(&["symbolic-ref", "--delete", "refs/heads/master"]);
        reconcile(&world);
        assert_eq!(told(&receiver), [step("master", &second, ZERO)]);
        to(&world, "refs/heads/main");
        reconcile(&world);
        assert_eq!(told(&receiver), [step("master", ZERO, &second)]);
        // Moved without a hook the branch is told, and not what leads to it.
        world.server_git(&["update-ref", "refs/heads/main", &first]);
        reconcile(&world);
        assert_eq!(told(&receiver), [step("main", &second, &first)]);
        // A branch takes its place.
        world.server_git(&["symbolic-ref", "--delete", "refs/heads/master"]);
        world.server_git(&["update-ref", "refs/heads/master", &first]);
        assert_eq!(reconcile(&world), "nothing was missed\n");
        world.push(&["main:master"]);
        assert_eq!(told(&receiver), [step("master", &first, &second)]);
        assert_eq!(reconcile(&world), "nothing was missed\n");
    }
}

/// Both wait, each under its own name.
#[test]
fn what_is_told_by_an_alias_waits_as_anything_else() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    let first = world.commit("one");
    world.push(&["main:keep"]);
    world.server_git(&["symbolic-ref", "refs/heads/master", "refs/heads/main"]);
    world.configure("webhook.ci.ref", "master");
    world.push(&["main:master"]);
    assert!(world.webhook(&["flush", "--now"]).status.success());
    let told = told(&receiver);
    assert!(told.contains(&step("master", ZERO, &first)), "{told:?}");
}

#[test]
fn a_push_by_an_alias_whose_hook_never_came_is_told_of_the_branch() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.server_git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    receiver.take();
    // The client has gone away when it is post-receive's turn.
    let hook = world.server().join("hooks/post-receive");
    let program = std::fs::read_link(&hook).unwrap();
    std::fs::remove_file(&hook).unwrap();
    world.commit("two");
    world.push(&["main:alias"]);
    std::os::unix::fs::symlink(program, &hook).unwrap();
    world.machine_restarts();
    world.webhook(&["flush"]);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/main");
}

/// They are those of the branch, which its own events listed.
#[test]
fn an_alias_that_comes_brings_no_commits() {
    let (receiver, world, _) = world(&[]);
    world.commit("two");
    world.push(&["main"]);
    receiver.take();
    let commits = || receiver.take().iter().map(|request| request.commits().len()).collect::<Vec<_>>();
    world.server_git(&["symbolic-ref", "refs/heads/next", "refs/heads/main"]);
    reconcile(&world);
    assert_eq!(commits(), [0]);
    // main becomes an alias of the branch that it was.
    world.server_git(&["branch", "-m", "main", "trunk"]);
    world.server_git(&["symbolic-ref", "refs/heads/main", "refs/heads/trunk"]);
    reconcile(&world);
    assert_eq!(commits(), [0]);
}

/// An alias of an alias leads to that, in a repository of either kind.
#[test]
fn only_that_link_of_a_chain_is_told_which_was_moved() {
    for options in [&[][..], &["--ref-format=reftable"]] {
        let (receiver, world, first) = world(options);
        let second = world.commit("two");
        world.push(&["main", "main~1:refs/heads/dev"]);
        world.server_git(&["symbolic-ref", "refs/heads/outer", "refs/heads/master"]);
        reconcile(&world);
        receiver.take();
        world.server_git(&["symbolic-ref", "refs/heads/master", "refs/heads/dev"]);
        reconcile(&world);
        assert_eq!(told(&receiver), [step("master", &second, &first)], "{options:?}");
        world.server_git(&["symbolic-ref", "--delete", "refs/heads/master"]);
        reconcile(&world);
        assert_eq!(told(&receiver), [step("master", &first, ZERO)], "{options:?}");
    }
}
