//! The walk over the objects themselves, by commit time as git does it, and on until it is certain that no clock lied.

use std::collections::{BinaryHeap, HashMap};

use super::commits::Commits;
use super::range::{History, Range, newest};
use crate::ref_update::ObjectId;

/// Reachable from a hidden commit, and waiting in the queue of those unless `SPENT`.
const HIDDEN: u8 = 1;
/// One of the commits to hide itself.
const HIDDEN_TIP: u8 = 2;
/// Hidden, and so are its parents.
const SPENT: u8 = 4;
/// Reachable from the tip, and waiting.
const QUEUED: u8 = 8;
/// Reachable from the tip, and its parents are marked.
const EXPANDED: u8 = 16;

/// How many commits are read at most to prove that no clock lied, once the commit times say that the walk is done: for all
/// ranges together that hide the same.
const PROOF_BUDGET: usize = 4096;

/// How far beyond the oldest new commit the hidden side is walked where the proof would cost more than that.
const CLOCK_SLOP: i64 = 86_400;

/// What can be reached from some commits, as far as has been looked.
#[derive(Default)]
pub struct ByTime {
    /// What is known of each commit, by its number.
    flags: Vec<u8>,
    /// Hidden commits whose parents have not been looked at, newest first.
    hidden: BinaryHeap<(i64, u32)>,
    is_begun: bool,
    /// How many commits the proofs have read.
    proven: usize,
}

/// One range in progress.
#[derive(Default)]
struct Walk {
    /// By time, newest first; some of them may have been hidden since.
    queue: BinaryHeap<(i64, u32)>,
    /// How many in the queue are not hidden.
    waiting: usize,
    /// Commits taken for new when they were looked at.
    new: Vec<u32>,
    /// All that has the flags of this walk.
    touched: Vec<u32>,
}

impl ByTime {
    /// The commits reachable from `tip` and from none of `hidden`, which are always the same; `None` where more than `most`
    /// would have to be read, counted as [`Commits::read`] does.
    pub fn range(
        &mut self,
        commits: &mut Commits<'_>,
        hidden: &[ObjectId],
        (tip, limit): (ObjectId, usize),
        most: usize,
    ) -> Option<Range> {
        let mut walk = Walk::default();
        if !self.is_begun {
            self.is_begun = true;
            for id in hidden {
                let commit = commits.number(*id);
                self.hide(commits, &mut walk, commit);
                self.set(commit, HIDDEN_TIP);
            }
        }
        let tip = commits.number(tip);
        self.enqueue(commits, &mut walk, tip);
        let is_done = self.go(commits, &mut walk, most);
        let range = is_done.then(|| {
            walk.new.retain(|commit| !self.has(*commit, HIDDEN));
            Range {
                total: walk.new.len() as u64,
                builds_on_hidden: self.builds_on_hidden(commits, tip, &walk.new),
                lacks: self.lacks(commits, &walk.new),
                newest: newest(commits, &walk.new, limit).into_iter().map(|commit| commits.id(commit)).collect(),
            }
        });
        for commit in walk.touched {
            self.flags[commit as usize] &= !(QUEUED | EXPANDED);
        }
        range
    }

    /// Walks both sides down until nothing new is left, and proves it; whether it came to the end.
    fn go(&mut self, commits: &mut Commits<'_>, walk: &mut Walk, most: usize) -> bool {
        while walk.waiting > 0 {
            if commits.read() > most {
                return false;
            }
            let Some(next) = walk.queue.peek().copied() else { break };
            if self.hidden.peek().is_some_and(|hidden| hidden.0 >= next.0) {
                self.spend(commits, walk);
            } else {
                walk.queue.pop();
                self.expand(commits, walk, next.1);
            }
        }
        self.prove(commits, walk, most)
    }

    /// Looks at the parents of the newest hidden commit, which are hidden too.
    fn spend(&mut self, commits: &mut Commits<'_>, walk: &mut Walk) {
        let Some((_, commit)) = self.hidden.pop() else { return };
        if self.has(commit, SPENT) {
            return;
        }
        self.set(commit, SPENT);
        for place in commits.parents_at(commit) {
            self.hide(commits, walk, commits.parent(place));
        }
    }

    /// Looks at the parents of a commit that seems to be new.
    fn expand(&mut self, commits: &mut Commits<'_>, walk: &mut Walk, commit: u32) {
        if self.has(commit, HIDDEN) {
            return;
        }
        walk.waiting -= 1;
        walk.new.push(commit);
        self.set(commit, EXPANDED);
        for place in commits.parents_at(commit) {
            self.enqueue(commits, walk, commits.parent(place));
        }
    }

    /// Marks a commit hidden, and all below it that was taken for new already.
    fn hide(&mut self, commits: &mut Commits<'_>, walk: &mut Walk, commit: u32) {
        let mut stack = vec![commit];
        while let Some(commit) = stack.pop() {
            if self.has(commit, HIDDEN) {
                continue;
            }
            self.set(commit, HIDDEN);
            if self.has(commit, EXPANDED) {
                self.set(commit, SPENT);
                stack.extend(commits.parents(commit));
            } else if let Some(time) = commits.time(commit) {
                if self.has(commit, QUEUED) {
                    walk.waiting -= 1;
                }
                self.hidden.push((time, commit));
            }
        }
    }

    fn enqueue(&mut self, commits: &mut Commits<'_>, walk: &mut Walk, commit: u32) {
        if self.has(commit, HIDDEN | QUEUED) {
            return;
        }
        let Some(time) = commits.time(commit) else { return };
        self.set(commit, QUEUED);
        walk.touched.push(commit);
        walk.queue.push((time, commit));
        walk.waiting += 1;
    }

    /// Goes on until it is certain that no new commit can be reached from the hidden commits still in the queue; whether it came
    /// so far.
    ///
    /// So far only commit times say so, and a wrong clock makes a hidden commit look older than what it leads to. The
    /// certain sign: a queued commit that is an ancestor of every lowest new commit cannot lead to any, for history
    /// has no circles. In nearly every push that holds at once, since the new commits grow from where the hidden
    /// ones end.
    fn prove(&mut self, commits: &mut Commits<'_>, walk: &mut Walk, most: usize) -> bool {
        let mut batch = 64;
        while !self.hidden.is_empty() {
            if commits.read() > most {
                return false;
            }
            walk.new.retain(|commit| !self.has(*commit, HIDDEN));
            let is_trusted = self.proven >= PROOF_BUDGET && self.times_agree(commits, walk);
            if walk.new.is_empty() || is_trusted || self.is_certain(commits, walk) {
                return true;
            }
            for _ in 0..batch {
                self.spend(commits, walk);
                self.proven += 1;
            }
            // Each round looks at all there is, so rounds grow as that grows.
            batch *= 2;
        }
        true
    }

    /// Whether every queued commit is an ancestor of every lowest new one.
    fn is_certain(&self, commits: &Commits<'_>, walk: &Walk) -> bool {
        let is_new = |commit: &u32| self.has(*commit, EXPANDED) && !self.has(*commit, HIDDEN);
        let lowest: Vec<u32> =
            walk.new.iter().filter(|commit| !commits.parents(**commit).iter().any(is_new)).copied().collect();
        // One bit for each; more than 64 roots of new history are rare enough to go the long way.
        if lowest.len() > 64 {
            return false;
        }
        let all = u64::MAX.checked_shr(64 - lowest.len() as u32).unwrap_or(0);
        let mut marks: HashMap<u32, u64> = HashMap::new();
        let mut stack = Vec::new();
        for (bit, commit) in lowest.iter().enumerate() {
            stack.extend(commits.parents(*commit).iter().map(|parent| (*parent, 1 << bit)));
        }
        while let Some((commit, mark)) = stack.pop() {
            let known = marks.entry(commit).or_default();
            if *known & mark == mark {
                continue;
            }
            *known |= mark;
            let mark = *known;
            if self.has(commit, SPENT | EXPANDED) {
                stack.extend(commits.parents(commit).iter().map(|parent| (*parent, mark)));
            }
        }
        self.hidden.iter().all(|(_, commit)| marks.get(commit) == Some(&all))
    }

    /// Whether all queued commits are older than all new ones by a margin: what git trusts without one.
    fn times_agree(&self, commits: &Commits<'_>, walk: &Walk) -> bool {
        let oldest_new = walk.new.iter().map(|commit| commits.read_time(*commit)).min().flatten();
        match (self.hidden.peek(), oldest_new) {
            (Some((newest, _)), Some(oldest)) => newest.saturating_add(CLOCK_SLOP) < oldest,
            _ => true,
        }
    }

    fn lacks(&self, commits: &Commits<'_>, new: &[u32]) -> Option<ObjectId> {
        let mut parents = new.iter().flat_map(|commit| commits.parents(*commit));
        let lacking = parents.find(|parent| !self.has(**parent, HIDDEN) && commits.is_missing(**parent));
        lacking.map(|parent| commits.id(*parent))
    }

    fn builds_on_hidden(&self, commits: &Commits<'_>, tip: u32, new: &[u32]) -> bool {
        let is_hidden_tip = |commit: &u32| self.has(*commit, HIDDEN_TIP);
        is_hidden_tip(&tip) || new.iter().any(|commit| commits.parents(*commit).iter().any(is_hidden_tip))
    }

    fn has(&self, commit: u32, flags: u8) -> bool {
        self.flags.get(commit as usize).is_some_and(|known| known & flags != 0)
    }

    fn set(&mut self, commit: u32, flags: u8) {
        let at = commit as usize;
        if at >= self.flags.len() {
            self.flags.resize((at + 1).next_power_of_two(), 0);
        }
        self.flags[at] |= flags;
    }
}

impl History for Commits<'_> {
    fn end(&self) -> usize {
        self.count()
    }

    fn each_parent(&self, commit: u32, tell: &mut dyn FnMut(u32)) {
        self.parents(commit).iter().for_each(|parent| tell(*parent));
    }

    fn time(&self, commit: u32) -> i64 {
        self.read_time(commit).unwrap_or(0)
    }
}
