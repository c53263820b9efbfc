//! Which commits a push brought: a walk over raw commits that is exact even where clocks are not.
//!
//! libgit2's walk is quadratic in the commits it hides, and both it and git trust commit times: where a child is older
//! than its parent they list commits that were there before.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::object::RawCommit;
use super::{Kind, Objects};
use crate::ref_update::ObjectId;

/// The commits of a repository as far as they have been looked at, kept over all ref updates of one push.
pub struct Revwalk<'a> {
    objects: &'a Objects,
    /// Commits whose parents are not here, as `shallow` lists them: git takes them for roots.
    shallow: HashSet<ObjectId>,
    index: HashMap<ObjectId, u32>,
    nodes: Vec<Node>,
    /// What the walk in progress knows of each node.
    flags: Vec<u8>,
    touched: Vec<u32>,
}

struct Node {
    id: ObjectId,
    state: State,
}

enum State {
    /// Named as a parent, not read yet.
    Unread,
    /// Not there, or no commit: a shallow or partial repository, or a broken one.
    Missing,
    Read {
        time: i64,
        parents: Box<[u32]>,
    },
}

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

/// Reachable from the tip.
const NEW: u8 = 1;
/// Reachable from a hidden commit.
const HIDDEN: u8 = 2;
/// Waiting in the queue.
const QUEUED: u8 = 4;
/// Its parents have been looked at.
const EXPANDED: u8 = 8;
/// One of the commits to hide itself.
const HIDDEN_TIP: u8 = 16;

/// How many commits are read at most to prove that no clock lied, once the commit times say that the walk is done.
const PROOF_BUDGET: usize = 4096;

/// How far beyond the oldest new commit the hidden side is walked where the proof would cost more than that.
const CLOCK_SLOP: i64 = 86_400;

impl<'a> Revwalk<'a> {
    /// Starts with nothing read. `shallow` holds the ids in the repository's file of that name.
    pub fn new(objects: &'a Objects, shallow: HashSet<ObjectId>) -> Self {
        Self { objects, shallow, index: HashMap::new(), nodes: Vec::new(), flags: Vec::new(), touched: Vec::new() }
    }

    /// The commit that `id` leads to through any tag objects; it is read no second time when a range asks for it.
    pub fn peel(&mut self, id: ObjectId) -> Option<ObjectId> {
        let node = self.node(id);
        if self.time(node).is_some() { Some(id) } else { self.objects.peel(id) }
    }

    /// The commit time of a commit, by which a walk goes; `None` for what is no commit here.
    pub fn commit_time(&mut self, id: ObjectId) -> Option<i64> {
        let node = self.node(id);
        self.time(node)
    }

    /// The commits reachable from `tip` and from none of `hidden`, the newest `limit` of them listed.
    ///
    /// Ids that are no commit here are passed over.
    pub fn range(&mut self, tip: ObjectId, hidden: &[ObjectId], limit: usize) -> Range {
        let mut walk = Walk { queue: BinaryHeap::new(), waiting_new: 0, new: Vec::new() };
        for id in hidden {
            let node = self.node(*id);
            self.set(node, HIDDEN | HIDDEN_TIP);
            self.enqueue(&mut walk, node);
        }
        let tip = self.node(tip);
        self.set(tip, NEW);
        self.enqueue(&mut walk, tip);
        while walk.waiting_new > 0
            && let Some((_, node)) = walk.queue.pop()
        {
            self.expand(&mut walk, node);
        }
        self.prove(&mut walk);
        walk.new.retain(|node| self.flags[*node as usize] & HIDDEN == 0);
        let range = Range {
            total: walk.new.len() as u64,
            builds_on_hidden: self.builds_on_hidden(tip, &walk.new),
            lacks: self.lacks(&walk.new),
            newest: self.newest(&walk.new, limit),
        };
        self.forget();
        range
    }

    /// Looks at a commit's parents and marks them with what it is itself.
    fn expand(&mut self, walk: &mut Walk, node: u32) {
        let flags = self.flags[node as usize];
        self.flags[node as usize] = flags & !QUEUED | EXPANDED;
        if flags & HIDDEN == 0 {
            walk.waiting_new -= 1;
            walk.new.push(node);
        }
        for parent in self.parents(node).to_vec() {
            if flags & HIDDEN != 0 {
                self.hide(walk, parent);
            } else {
                self.set(parent, NEW);
            }
            self.enqueue(walk, parent);
        }
    }

    /// Marks a commit hidden, and all below it that was taken for new already.
    fn hide(&mut self, walk: &mut Walk, node: u32) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            let flags = self.flags[node as usize];
            if flags & HIDDEN != 0 {
                continue;
            }
            self.set(node, HIDDEN);
            if flags & QUEUED != 0 {
                walk.waiting_new -= 1;
            }
            if flags & EXPANDED != 0 {
                stack.extend(self.parents(node));
            }
        }
    }

    fn enqueue(&mut self, walk: &mut Walk, node: u32) {
        if self.flags[node as usize] & (QUEUED | EXPANDED) != 0 {
            return;
        }
        let Some(time) = self.time(node) else { return };
        self.set(node, QUEUED);
        walk.queue.push((time, node));
        if self.flags[node as usize] & HIDDEN == 0 {
            walk.waiting_new += 1;
        }
    }

    /// Goes on until it is certain that no new commit can be reached from the hidden commits still in the queue.
    ///
    /// So far only commit times say so, and a wrong clock makes a hidden commit look older than what it leads to. The
    /// certain sign: a queued commit that is an ancestor of every lowest new commit cannot lead to any, for history
    /// has no circles. In nearly every push that holds at once, since the new commits grow from where the hidden
    /// ones end.
    fn prove(&mut self, walk: &mut Walk) {
        let mut batch = 64;
        let mut read = 0;
        while !walk.queue.is_empty() {
            walk.new.retain(|node| self.flags[*node as usize] & HIDDEN == 0);
            if walk.new.is_empty() || self.is_certain(walk) {
                return;
            }
            if read >= PROOF_BUDGET && self.times_agree(walk) {
                return;
            }
            for _ in 0..batch {
                let Some((_, node)) = walk.queue.pop() else { break };
                self.expand(walk, node);
                read += 1;
            }
            // Each round looks at all there is, so rounds grow as that grows.
            batch *= 2;
        }
    }

    /// Whether every queued commit is an ancestor of every lowest new one.
    fn is_certain(&self, walk: &Walk) -> bool {
        // A missing parent is marked but never expanded.
        let is_new = |node: &u32| self.flags[*node as usize] & (NEW | HIDDEN | EXPANDED) == NEW | EXPANDED;
        let lowest: Vec<u32> =
            walk.new.iter().filter(|node| !self.parents(**node).iter().any(is_new)).copied().collect();
        // One bit for each; more than 64 roots of new history are rare enough to go the long way.
        if lowest.len() > 64 {
            return false;
        }
        let all = u64::MAX.checked_shr(64 - lowest.len() as u32).unwrap_or(0);
        let mut marks: HashMap<u32, u64> = HashMap::new();
        let mut stack = Vec::new();
        for (bit, node) in lowest.iter().enumerate() {
            stack.extend(self.parents(*node).iter().map(|parent| (*parent, 1 << bit)));
        }
        while let Some((node, mark)) = stack.pop() {
            let known = marks.entry(node).or_default();
            if *known & mark == mark {
                continue;
            }
            *known |= mark;
            let mark = *known;
            if self.flags[node as usize] & EXPANDED != 0 {
                stack.extend(self.parents(node).iter().map(|parent| (*parent, mark)));
            }
        }
        walk.queue.iter().all(|(_, node)| marks.get(node) == Some(&all))
    }

    /// Whether all queued commits are older than all new ones by a margin: what git trusts without one.
    fn times_agree(&self, walk: &Walk) -> bool {
        let oldest_new = walk.new.iter().filter_map(|node| self.read_time(*node)).min();
        match (walk.queue.peek(), oldest_new) {
            (Some((newest, _)), Some(oldest)) => newest.saturating_add(CLOCK_SLOP) < oldest,
            _ => true,
        }
    }

    fn lacks(&self, new: &[u32]) -> Option<ObjectId> {
        let mut parents = new.iter().flat_map(|node| self.parents(*node));
        let is_lacking = |node: &&u32| {
            let is_hidden = self.flags[**node as usize] & HIDDEN != 0;
            !is_hidden && matches!(self.nodes[**node as usize].state, State::Missing)
        };
        parents.find(is_lacking).map(|node| self.nodes[*node as usize].id)
    }

    fn builds_on_hidden(&self, tip: u32, new: &[u32]) -> bool {
        let is_hidden_tip = |node: &u32| self.flags[*node as usize] & HIDDEN_TIP != 0;
        is_hidden_tip(&tip) || new.iter().any(|node| self.parents(*node).iter().any(is_hidden_tip))
    }

    /// The newest of `new` as `git rev-list --date-order` has them: by time, but no commit before all its children.
    fn newest(&self, new: &[u32], limit: usize) -> Vec<ObjectId> {
        let mut children: HashMap<u32, u32> = new.iter().map(|node| (*node, 0)).collect();
        for node in new {
            for parent in self.parents(*node) {
                if let Some(count) = children.get_mut(parent) {
                    *count += 1;
                }
            }
        }
        let mut ready: BinaryHeap<_> =
            new.iter().filter(|node| children[node] == 0).map(|node| (self.read_time(*node), Reverse(*node))).collect();
        let mut newest = Vec::new();
        while newest.len() < limit
            && let Some((_, Reverse(node))) = ready.pop()
        {
            newest.push(self.nodes[node as usize].id);
            for parent in self.parents(node) {
                if let Some(count) = children.get_mut(parent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push((self.read_time(*parent), Reverse(*parent)));
                    }
                }
            }
        }
        newest.reverse();
        newest
    }

    fn node(&mut self, id: ObjectId) -> u32 {
        let next = self.nodes.len() as u32;
        *self.index.entry(id).or_insert_with(|| {
            self.nodes.push(Node { id, state: State::Unread });
            self.flags.push(0);
            next
        })
    }

    fn set(&mut self, node: u32, flags: u8) {
        let known = &mut self.flags[node as usize];
        if *known == 0 {
            self.touched.push(node);
        }
        *known |= flags;
    }

    fn forget(&mut self) {
        for node in self.touched.drain(..) {
            self.flags[node as usize] = 0;
        }
    }

    /// The commit time, read if need be; `None` for what is no commit here.
    fn time(&mut self, node: u32) -> Option<i64> {
        if matches!(self.nodes[node as usize].state, State::Unread) {
            let state = self.load(self.nodes[node as usize].id);
            self.nodes[node as usize].state = state;
        }
        self.read_time(node)
    }

    fn read_time(&self, node: u32) -> Option<i64> {
        match &self.nodes[node as usize].state {
            State::Read { time, .. } => Some(*time),
            State::Unread | State::Missing => None,
        }
    }

    /// Parents of a commit that was read; none of any other.
    fn parents(&self, node: u32) -> &[u32] {
        match &self.nodes[node as usize].state {
            State::Read { parents, .. } => parents,
            State::Unread | State::Missing => &[],
        }
    }

    fn load(&mut self, id: ObjectId) -> State {
        let Some(object) = self.objects.read(id).filter(|object| object.kind() == Kind::Commit) else {
            return State::Missing;
        };
        let commit = RawCommit::parse(object.data());
        let parents = if self.shallow.contains(&id) {
            Box::default()
        } else {
            commit.parents.iter().map(|parent| self.node(*parent)).collect()
        };
        State::Read { time: commit.time(), parents }
    }
}

/// One walk in progress.
struct Walk {
    /// By time, newest first.
    queue: BinaryHeap<(i64, u32)>,
    /// How many in the queue are not hidden.
    waiting_new: usize,
    /// Commits taken for new when they were looked at.
    new: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ref_update::ObjectFormat;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A history before its commits have ids: of each commit its time, and its parents among those before it.
    type Shape = Vec<(i64, Vec<usize>)>;

    /// How far clocks are wrong in a generated history.
    #[derive(Clone, Copy, Debug)]
    enum Clocks {
        Right,
        /// By so many commits at most.
        Skewed(i64),
        /// One commit of many is from 1970, or from the future.
        OneWild,
        /// No time means anything.
        Random,
    }

    fn clocks() -> impl Strategy<Value = Clocks> {
        prop_oneof![
            3 => Just(Clocks::Right),
            4 => (1_i64..40).prop_map(Clocks::Skewed),
            3 => Just(Clocks::OneWild),
            2 => Just(Clocks::Random),
        ]
    }

    fn shape() -> impl Strategy<Value = Shape> {
        let commit = (any::<u32>(), proptest::collection::vec(any::<prop::sample::Index>(), 0..4), any::<bool>());
        (clocks(), proptest::collection::vec(commit, 2..60)).prop_map(|(clocks, commits)| {
            let wild = commits[0].0 as usize % commits.len();
            let time = |at: usize, random: u32| {
                let right = 1_700_000_000 + 3600 * at as i64;
                match clocks {
                    Clocks::Right => right,
                    Clocks::Skewed(by) => right + 3600 * (i64::from(random) % (2 * by + 1) - by),
                    Clocks::OneWild if at == wild => [0, 4_000_000_000][at % 2],
                    Clocks::OneWild => right,
                    Clocks::Random => i64::from(random),
                }
            };
            let parents = |at: usize, choice: &[prop::sample::Index], near: bool| {
                let window = if near { at.min(4) } else { at };
                let pick = |index: &prop::sample::Index| at - 1 - index.index(window);
                if at == 0 { Vec::new() } else { choice.iter().map(pick).collect() }
            };
            commits
                .iter()
                .enumerate()
                .map(|(at, (random, choice, near))| (time(at, *random), parents(at, choice, *near)))
                .collect()
        })
    }

    /// Writes the commits to a database in memory.
    fn store(objects: &Objects, shape: &Shape) -> Vec<ObjectId> {
        let mut ids: Vec<ObjectId> = Vec::new();
        for (at, (time, parents)) in shape.iter().enumerate() {
            let mut text = format!("tree {}\n", "1".repeat(40));
            for parent in parents {
                text += &format!("parent {}\n", ids[*parent]);
            }
            text += &format!("author A <a> 1 +0000\ncommitter C <c> {time} +0000\n\n{at}\n");
            let id = objects.odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
            ids.push(ObjectId::from_bytes(id.as_bytes()).unwrap());
        }
        ids
    }

    fn in_memory() -> Objects {
        let odb = git2::Odb::new_ext(git2::ObjectFormat::Sha1).unwrap();
        odb.add_new_mempack_backend(1000).unwrap();
        Objects { odb, format: ObjectFormat::Sha1 }
    }

    fn reachable(shape: &Shape, from: &[usize]) -> BTreeSet<usize> {
        let (mut seen, mut stack) = (BTreeSet::new(), from.to_vec());
        while let Some(at) = stack.pop() {
            if seen.insert(at) {
                stack.extend(&shape[at].1);
            }
        }
        seen
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Several ranges of one history are asked for in turn, as for several refs of one push.
        #[test]
        fn a_range_is_the_set_difference(
            shape in shape(),
            asked in proptest::collection::vec(
                (any::<prop::sample::Index>(), proptest::collection::vec(any::<prop::sample::Index>(), 0..5)), 1..4),
            limit in 0_usize..70,
        ) {
            let objects = in_memory();
            let ids = store(&objects, &shape);
            let mut revwalk = Revwalk::new(&objects, HashSet::new());
            for (tip, hidden) in asked {
                let tip = tip.index(ids.len());
                let hidden: Vec<_> = hidden.iter().map(|index| index.index(ids.len())).collect();
                let hidden_ids: Vec<_> = hidden.iter().map(|at| ids[*at]).collect();
                let range = revwalk.range(ids[tip], &hidden_ids, limit);
                let all = reachable(&shape, &[tip]);
                let expected: BTreeSet<_> = all.difference(&reachable(&shape, &hidden)).copied().collect();
                prop_assert_eq!(range.total, expected.len() as u64);
                let listed: Vec<_> = range.newest.iter().map(|id| ids.iter().position(|other| other == id).unwrap()).collect();
                prop_assert_eq!(listed.len(), limit.min(expected.len()));
                prop_assert!(listed.iter().all(|at| expected.contains(at)));
                for (place, at) in listed.iter().enumerate() {
                    let later = &listed[place..];
                    prop_assert!(shape[*at].1.iter().all(|parent| !later.contains(parent)), "a parent after its child");
                }
                if let [hidden] = hidden[..] {
                    prop_assert_eq!(range.builds_on_hidden, all.contains(&hidden));
                }
            }
        }
    }

    #[test]
    fn bad_99_what_is_missing_is_passed_over() {
        let objects = in_memory();
        let missing = ObjectId::from_bytes(&[7; 20]).unwrap();
        let text = format!("tree {missing}\nparent {missing}\ncommitter C <c> 5 +0000\n\nx\n");
        let id = objects.odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
        let id = ObjectId::from_bytes(id.as_bytes()).unwrap();
        let mut revwalk = Revwalk::new(&objects, HashSet::new());
        assert_eq!(revwalk.range(id, &[missing], 9).newest, [id]);
        assert_eq!(revwalk.range(missing, &[id], 9), Range::default());
    }

    #[test]
    fn a_shallow_commit_is_a_root() {
        let objects = in_memory();
        let ids = store(&objects, &vec![(1, vec![]), (2, vec![0]), (3, vec![1])]);
        let mut revwalk = Revwalk::new(&objects, HashSet::from([ids[1]]));
        assert_eq!(revwalk.range(ids[2], &[], 9).newest, ids[1..]);
    }
}
