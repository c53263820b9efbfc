//! How the commits of reviews lie to those of branches.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::Reader;
use crate::ref_update::ObjectId;

/// Of so many commits that a review builds on the base is chosen.
const MOST_BASES: usize = 16;

/// So many commits of a target are looked through for the one that merged a review.
const MOST_LOOKED_THROUGH: usize = 1000;

impl Reader<'_> {
    /// What can be reached from one commit and not from the other; from none, all. Of what is not there, nothing.
    pub(super) fn between(&mut self, from: Option<ObjectId>, to: Option<ObjectId>) -> HashSet<ObjectId> {
        let Some(to) = to else { return HashSet::new() };
        self.revwalk.range(to, from.as_slice(), usize::MAX).newest.into_iter().collect()
    }

    /// The commit that the target and a review have in common: the newest that the review's commits build on and that is none of
    /// them, as `git merge-base` finds it; the head itself of one that has none. `None` where they have nothing in common.
    pub(super) fn base(&mut self, head: ObjectId, commits: &[ObjectId]) -> Option<ObjectId> {
        let own: HashSet<_> = commits.iter().copied().collect();
        if own.is_empty() {
            return Some(head);
        }
        let below: HashSet<_> = commits.iter().flat_map(|commit| self.objects.parents(*commit)).flatten().collect();
        let mut below: Vec<_> = below.into_iter().filter(|commit| !own.contains(commit)).collect();
        below.sort_by_cached_key(|commit| (Reverse(self.revwalk.commit_time(*commit)), *commit));
        let is_below = |reader: &mut Self, commit: ObjectId, others: &[ObjectId]| {
            others.iter().take(MOST_BASES).any(|other| *other != commit && reader.is_ancestor(commit, *other))
        };
        let best = below.iter().take(MOST_BASES).find(|commit| !is_below(self, **commit, &below));
        best.or(below.first()).copied()
    }

    /// Whether a commit is another one or among its ancestors.
    pub(super) fn is_ancestor(&mut self, commit: ObjectId, of: ObjectId) -> bool {
        let is_here = self.objects.has(commit);
        is_here && (commit == of || self.revwalk.range(commit, &[of], 0).total == 0)
    }

    /// The commit along first parents that brought another one, as its merge; `None` where that was none of its own.
    pub(super) fn merge_on_first_parents(&mut self, start: ObjectId, tip: ObjectId) -> Option<ObjectId> {
        let mut commit = tip;
        for _ in 0..MOST_LOOKED_THROUGH {
            let parents = self.objects.parents(commit)?;
            let first = *parents.first()?;
            if !self.is_ancestor(start, first) {
                return (parents.len() > 1).then_some(commit);
            }
            commit = first;
        }
        None
    }
}
