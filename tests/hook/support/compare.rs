//! Compares what a push was told as with what git says on the same repository.

use std::collections::BTreeSet;

use super::{Receiver, World};

/// Pushes `refs` and compares each event with what `git rev-list` lists for it.
pub fn compare(world: &World, receiver: &Receiver, refs: &[&str]) {
    let hidden = world.hidden();
    receiver.take();
    let pushed = world.push(refs);
    assert!(pushed.accepted, "{}", pushed.output);
    let requests = receiver.take();
    assert_eq!(requests.len(), refs.len(), "{}", pushed.output);
    for request in requests {
        let json = request.json();
        let (before, after) = (json["before"].as_str().unwrap(), json["after"].as_str().unwrap());
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        let expected = if is_zero(after) {
            Vec::new()
        } else if is_zero(before) {
            let mut arguments = vec![after];
            arguments.extend(hidden.iter().map(String::as_str));
            world.rev_list(&arguments)
        } else {
            world.rev_list(&[&format!("{before}..{after}")])
        };
        assert_eq!(json["total_commits_count"], expected.len(), "{}", json["ref"]);
        let listed = request.commits();
        assert_eq!(listed.len(), expected.len().min(20), "{}", json["ref"]);
        let newest: BTreeSet<_> = expected.iter().take(20).cloned().collect();
        assert_eq!(BTreeSet::from_iter(listed.iter().cloned()), newest, "{}", json["ref"]);
        parents_come_first(world, &listed);
    }
}

fn parents_come_first(world: &World, commits: &[String]) {
    for (at, commit) in commits.iter().enumerate() {
        let parents = world.server_git(&["rev-list", "--parents", "--max-count=1", commit]);
        for parent in parents.split(' ').skip(1) {
            let place = commits.iter().position(|other| other == parent);
            assert!(place.is_none_or(|place| place < at), "{parent} stands after its child");
        }
    }
}
