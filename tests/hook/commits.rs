//! Which commits an event lists, compared with `git rev-list` on the same repository.

use std::collections::BTreeSet;

use crate::support::{Receiver, World, compare};

/// A world told to a GitLab receiver, with three commits on main pushed.
fn started() -> (World, Receiver) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    for message in ["one", "two", "three"] {
        world.commit(message);
    }
    assert!(world.push(&["main"]).accepted);
    receiver.take();
    (world, receiver)
}

#[test]
fn first_push() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.commit("two");
    compare(&world, &receiver, &["main"]);
}

#[test]
fn fast_forward() {
    let (world, receiver) = started();
    world.commit("four");
    world.commit("five");
    compare(&world, &receiver, &["main"]);
}

#[test]
fn more_commits_than_are_listed() {
    let (world, receiver) = started();
    for number in 0..25 {
        world.commit(&format!("commit-{number}"));
    }
    compare(&world, &receiver, &["main"]);
}

#[test]
fn the_cap_is_configurable_and_the_total_exact() {
    let (world, receiver) = started();
    world.configure("webhook.ci.maxCommits", "2");
    let ids: Vec<_> = ["four", "five", "six"].map(|message| world.commit(message)).into();
    world.push(&["main"]);
    let request = receiver.take_one();
    assert_eq!(request.commits(), ids[1..]);
    assert_eq!(request.json()["total_commits_count"], 3);
}

#[test]
fn a_merge_brings_its_side_branch() {
    let (world, receiver) = started();
    world.git(&["switch", "--quiet", "--create", "side", "HEAD~2"]);
    world.commit("side-one");
    world.commit("side-two");
    world.git(&["switch", "--quiet", "main"]);
    world.commit("four");
    world.git(&["merge", "--quiet", "--no-ff", "--message", "merge", "side"]);
    compare(&world, &receiver, &["main"]);
}

#[test]
fn a_merge_of_a_pushed_branch_lists_it_again() {
    let (world, receiver) = started();
    world.git(&["switch", "--quiet", "--create", "side", "HEAD~1"]);
    world.commit("side-one");
    compare(&world, &receiver, &["side"]);
    world.git(&["switch", "--quiet", "main"]);
    world.git(&["merge", "--quiet", "--no-ff", "--message", "merge", "side"]);
    compare(&world, &receiver, &["main"]);
}

#[test]
fn an_octopus_merge() {
    let (world, receiver) = started();
    for branch in ["x", "y", "z"] {
        world.git(&["switch", "--quiet", "--create", branch, "main"]);
        world.commit(&format!("{branch}-one"));
    }
    world.git(&["switch", "--quiet", "main"]);
    world.git(&["merge", "--quiet", "--message", "octopus", "x", "y", "z"]);
    assert_eq!(world.git(&["rev-list", "--parents", "--max-count=1", "HEAD"]).split(' ').count(), 4);
    compare(&world, &receiver, &["main"]);
}

#[test]
fn a_force_push() {
    let (world, receiver) = started();
    world.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    world.commit("rewritten");
    compare(&world, &receiver, &["main"]);
}

#[test]
fn a_rewind_brings_nothing() {
    let (world, receiver) = started();
    world.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    compare(&world, &receiver, &["main"]);
}

#[test]
fn a_branch_at_an_existing_commit_brings_nothing() {
    let (world, receiver) = started();
    compare(&world, &receiver, &["main~1:refs/heads/same"]);
}

#[test]
fn a_new_branch_brings_only_what_is_new() {
    let (world, receiver) = started();
    world.git(&["switch", "--quiet", "--create", "topic", "main~1"]);
    world.commit("topic-one");
    world.commit("topic-two");
    compare(&world, &receiver, &["topic"]);
}

#[test]
fn an_orphan_branch_brings_its_roots() {
    let (world, receiver) = started();
    world.git(&["switch", "--quiet", "--orphan", "pages"]);
    world.commit("root");
    world.commit("leaf");
    compare(&world, &receiver, &["pages"]);
}

#[test]
fn many_refs_at_once() {
    let (world, receiver) = started();
    world.commit("four");
    for branch in ["a", "b", "c"] {
        world.git(&["switch", "--quiet", "--create", branch, "main"]);
        world.commit(&format!("{branch}-one"));
    }
    compare(&world, &receiver, &["main", "a", "b", "c", "main~2:refs/heads/d"]);
}

#[test]
fn new_branches_that_share_commits_both_list_them() {
    let (world, receiver) = started();
    world.git(&["switch", "--quiet", "--create", "shared", "main"]);
    let shared = world.commit("shared");
    let hidden = world.hidden();
    world.push(&["shared:refs/heads/a", "shared:refs/heads/b"]);
    let requests = receiver.take();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.commits() == [shared.as_str()]));
    assert_eq!(hidden.len(), 1);
}

#[test]
fn commits_held_by_other_refs_are_not_new() {
    let (world, receiver) = started();
    world.git(&["switch", "--quiet", "--create", "review", "main"]);
    world.commit("reviewed");
    world.push(&["review:refs/changes/01/1/1"]);
    assert!(receiver.take().is_empty(), "neither branch nor tag");
    compare(&world, &receiver, &["review"]);
}

#[test]
fn a_push_to_a_symbolic_ref_moves_the_ref_it_names() {
    for format in ["files", "reftable"] {
        let receiver = Receiver::new();
        let world = World::with(&[&format!("--ref-format={format}")]);
        world.add_target("ci", &receiver, "gitlab");
        world.server_git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
        let first = world.commit("one");
        world.push(&["main:refs/heads/alias"]);
        assert_eq!(receiver.take_one().commits(), [first]);
        let second = world.commit("two");
        world.push(&["main:refs/heads/alias", "main:refs/heads/topic"]);
        assert!(receiver.take().iter().all(|request| request.commits() == [second.as_str()]), "{format}");
    }
}

#[test]
fn deletion_lists_nothing() {
    let (world, receiver) = started();
    world.push(&["main:refs/heads/gone"]);
    compare(&world, &receiver, &[":refs/heads/gone"]);
}

#[test]
fn every_ref_of_a_push_of_thousands_is_told_once() {
    let (world, receiver) = started();
    let commands: String = (0..2000).map(|n| format!("create refs/heads/many/{n} HEAD~{}\n", n % 3)).collect();
    world.git_with_input(&["update-ref", "--stdin"], commands.as_bytes());
    let pushed = world.push(&["refs/heads/many/*:refs/heads/many/*"]);
    assert!(pushed.accepted);
    let requests = receiver.take();
    let refs: BTreeSet<_> = requests.iter().map(|request| request.json()["ref"].to_string()).collect();
    assert_eq!((requests.len(), refs.len()), (2000, 2000));
    assert_eq!(pushed.said().len(), 1, "{:?}", pushed.said());
    assert!(pushed.said()[0].starts_with("webhook ci: delivered 2000 refs (200, up to "));
}

#[test]
fn updates_of_one_ref_arrive_in_order() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let ids: Vec<_> = (0..60).map(|number| world.commit(&format!("c{number}"))).collect();
    world.push(&["main"]);
    receiver.take();
    let pairs: String = ids.windows(2).map(|pair| format!("{} {} refs/heads/main\n", pair[0], pair[1])).collect();
    let output = world.feed(&mut world.hook(), pairs.as_bytes());
    assert!(output.status.success());
    let after: Vec<_> =
        receiver.take().iter().map(|request| request.json()["after"].as_str().unwrap().to_owned()).collect();
    assert_eq!(after, ids[1..]);
}

/// Dates are monotone here, so git is exact and must say the same.
#[test]
fn generated_histories_are_listed_as_git_rev_list_lists_them() {
    let world = World::new();
    let mut numbers = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        numbers ^= numbers << 13;
        numbers ^= numbers >> 7;
        numbers ^= numbers << 17;
        numbers as usize % below
    };
    let mut stream = String::new();
    for number in 1..=400 {
        let time = 1_700_000_000 + number;
        stream += &format!("commit refs/tags/c{number}\nmark :{number}\ncommitter C <c@x> {time} +0000\ndata 2\nm\n");
        for (word, _) in ["from", "merge", "merge"].iter().zip(0..random(4).min(number - 1)) {
            stream += &format!("{word} :{}\n", number - 1 - random((number - 1).min(30)));
        }
    }
    let import = world.feed(world.command("git", &world.server()).args(["fast-import", "--quiet"]), stream.as_bytes());
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let ids: Vec<_> = (1..=400).map(|number| world.server_git(&["rev-parse", &format!("c{number}")])).collect();
    let receiver = Receiver::new();
    world.add_target("ci", &receiver, "gitlab");
    world.configure("webhook.ci.maxCommits", "1000");
    let pairs: Vec<_> = (0..150).map(|_| (random(400), random(400))).filter(|(old, new)| old != new).collect();
    let lines: String = pairs.iter().map(|(old, new)| format!("{} {} refs/heads/x\n", ids[*old], ids[*new])).collect();
    assert!(world.feed(&mut world.hook(), lines.as_bytes()).status.success());
    let requests = receiver.take();
    assert_eq!(requests.len(), pairs.len());
    for (request, (old, new)) in requests.iter().zip(pairs) {
        let expected = world.rev_list(&[&format!("{}..{}", ids[old], ids[new])]);
        let listed = BTreeSet::from_iter(request.commits());
        assert_eq!(listed, BTreeSet::from_iter(expected), "{}..{}", ids[old], ids[new]);
    }
}
