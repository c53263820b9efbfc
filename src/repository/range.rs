//! What a walk finds, and which of it is the newest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ref_update::ObjectId;

/// The commits that are reachable from one commit and from none of some others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The newest, oldest first, a parent always before its children.
    pub newest: Vec<ObjectId>,
    /// How many there are.
    pub total: u64,
    /// Whether one of the hidden commits is the parent of a listed one, or the tip itself: for an update, that it was
    /// no forced one.
    pub builds_on_hidden: bool,
    /// A commit that it would go on to and that is not among the objects, or cannot be read: there may be more below it.
    pub lacks: Option<ObjectId>,
}

/// Where commits, by numbers, are linked.
pub trait History {
    /// All numbers are below this one.
    fn end(&self) -> usize;

    /// Tells the parents of a commit in their order.
    fn each_parent(&self, commit: u32, tell: &mut dyn FnMut(u32));

    /// The commit time in seconds since 1970.
    fn time(&self, commit: u32) -> i64;
}

/// The newest of `new`, all of which one of them leads to, as `git rev-list --date-order` has them, but the oldest first: by
/// time, no commit before all its children, and of those of one second the one that came to its turn first.
pub fn newest(history: &impl History, new: &[u32], limit: usize) -> Vec<u32> {
    if limit == 0 {
        return Vec::new();
    }
    // One more than the children that have not had their turn, and 0 for what is not new. Of the pages that hold nothing else
    // none is there.
    let mut children = vec![0_u32; history.end()];
    new.iter().for_each(|commit| children[*commit as usize] = 1);
    let is_new = |count: &&mut u32| **count > 0;
    for commit in new {
        history.each_parent(*commit, &mut |parent| {
            if let Some(count) = children.get_mut(parent as usize).filter(is_new) {
                *count += 1;
            }
        });
    }
    let tips = new.iter().filter(|commit| children[**commit as usize] == 1);
    let mut turns = 0_u32..;
    let mut turn = |commit: u32| (history.time(commit), Reverse(turns.next()), commit);
    let mut ready: BinaryHeap<_> = tips.map(|tip| turn(*tip)).collect();
    let mut newest = Vec::new();
    while newest.len() < limit
        && let Some((_, _, commit)) = ready.pop()
    {
        newest.push(commit);
        history.each_parent(commit, &mut |parent| {
            if let Some(count) = children.get_mut(parent as usize).filter(is_new) {
                *count -= 1;
                if *count == 1 {
                    ready.push(turn(parent));
                }
            }
        });
    }
    newest.reverse();
    newest
}
