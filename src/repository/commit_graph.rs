//! The walk with git's own index of commits, the commit-graph (gitformat-commit-graph(5)): by generations, which need no clock, and
//! by places, which need no look-up. libgit2 reads none that a git of today writes; when it does, this file can go.
//!
//! A commit's generation is above those of its parents, and with a commit the index has all that it leads to. So once all
//! hidden commits above a generation have been looked at, it is final which of those in it are hidden.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gix_commitgraph::{File, Graph, Position};

use super::commits::Commits;
use super::range::{History, Range, newest};
use crate::ref_update::{ObjectFormat, ObjectId};

/// The commits that git has in its index.
pub struct CommitGraph {
    graph: Graph,
    len: u32,
}

/// The index contradicts itself, or tells of too little to be of use.
#[derive(Debug)]
pub struct Unsound;

/// A smaller file is compared with its checksum; of a larger one that would take longer than the walk, and git never does.
const COMPARED: u64 = 1 << 20;

/// Above all generations: that of commits that are not in the index.
const OUTSIDE: u32 = u32::MAX;

/// So many hidden commits that are not in the index are read.
const MOST_OUTSIDE: usize = 20_000;

impl CommitGraph {
    /// The index of a directory of objects, or of the first one that it borrows from; `None` where there is none, or it is not
    /// whole, or git would not go by it: beside a file of grafts.
    pub fn open(objects: &Path, format: ObjectFormat) -> Option<Self> {
        let info = objects.join("info");
        let grafts = objects.parent()?.join("info/grafts");
        if fs::metadata(grafts).is_ok_and(|grafts| grafts.len() > 0) {
            return None;
        }
        let borrowed = fs::read(info.join("alternates")).unwrap_or_default();
        let borrowed = borrowed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#');
        let borrowed = borrowed.map(|line| objects.join(std::ffi::OsStr::from_bytes(line)).join("info"));
        std::iter::once(info).chain(borrowed).find_map(|info| Self::of(&info, format))
    }

    fn of(info: &Path, format: ObjectFormat) -> Option<Self> {
        let single = info.join("commit-graph");
        let files = if single.exists() { vec![Self::file(&single, &[])?] } else { Self::chain(info)? };
        let kind = match format {
            ObjectFormat::Sha1 => gix_hash::Kind::Sha1,
            ObjectFormat::Sha256 => gix_hash::Kind::Sha256,
        };
        let graph = Graph::new(files).ok().filter(|graph| graph.object_hash() == kind)?;
        Some(Self { len: graph.num_commits(), graph })
    }

    /// The files of a chain, each of which builds on those before it.
    fn chain(info: &Path) -> Option<Vec<File>> {
        let directory = info.join("commit-graphs");
        let chain = fs::read_to_string(directory.join("commit-graph-chain")).ok()?;
        let names: Vec<&str> = chain.lines().collect();
        let path = |name: &str| -> PathBuf { directory.join(format!("graph-{name}.graph")) };
        (0..names.len()).map(|at| Self::file(&path(names[at]), &names[..at])).collect()
    }

    /// One file, if it builds on those named.
    fn file(path: &Path, bases: &[&str]) -> Option<File> {
        let file = File::at(path).ok()?;
        let own = file.iter_base_graph_ids().map(|id| id.to_hex().to_string());
        let is_whole = || fs::metadata(path).is_ok_and(|data| data.len() > COMPARED) || file.verify_checksum().is_ok();
        (own.eq(bases.iter().copied()) && is_whole()).then_some(file)
    }

    /// Where a commit stands in the index; `None` for what is not in it.
    pub fn place(&self, id: ObjectId) -> Option<u32> {
        let id = gix_hash::oid::try_from_bytes(id.as_bytes()).ok()?;
        self.graph.lookup(id).map(|place| place.0)
    }
}

/// A commit by its place in the index or, above all places, by its number among those that are not in it.
type Spot = u32;

/// Reachable from a hidden commit.
const HIDDEN: u8 = 1;
/// One of the commits to hide itself.
const HIDDEN_TIP: u8 = 2;
/// Reachable from the tip.
const SEEN: u8 = 4;
/// Reachable from the tip and from nothing hidden: that is final.
const NEW: u8 = 8;
/// Hidden, and so are its parents.
const SPREAD: u8 = 16;

/// What can be reached from some commits, as far as has been looked.
pub struct Painted {
    flags: Vec<u8>,
    /// The hidden commits themselves by their places, until their generations are asked for: of most branches they are not.
    tips: Vec<Spot>,
    /// Those whose parents have not been looked at, by generation.
    waiting: BTreeSet<(u32, Spot)>,
    /// How many commits outside the index may still be read for it.
    left: usize,
}

/// The generations of one tip in so many are asked for before those of all.
const SAMPLE: usize = 16;

/// So many of a sample are gone down from before all others are looked at.
const FEW_TRIED: usize = 32;

/// One range in progress.
#[derive(Default)]
struct Found {
    /// All that was reached, until what is hidden or missing of it is taken out.
    seen: Vec<Spot>,
    builds_on_hidden: bool,
    lacks: Option<Spot>,
}

impl Painted {
    /// With nothing found out about what `hidden` leads to. Where some of their places are known, these are by them.
    pub fn new(graph: &CommitGraph, commits: &mut Commits<'_>, hidden: &[ObjectId], places: &[Option<u32>]) -> Self {
        let place = |(at, id): (usize, &ObjectId)| places.get(at).copied().unwrap_or_else(|| graph.place(*id));
        let spot = |(at, id)| place((at, id)).unwrap_or_else(|| graph.len + commits.number(*id));
        let tips: Vec<Spot> = hidden.iter().enumerate().map(spot).collect();
        let (flags, left) = (vec![0; graph.len as usize], MOST_OUTSIDE + 2 * hidden.len());
        let mut painted = Self { flags, tips: Vec::new(), waiting: BTreeSet::new(), left };
        tips.iter().for_each(|spot| painted.set(*spot, HIDDEN | HIDDEN_TIP));
        let (outside, inside): (Vec<_>, Vec<_>) = tips.into_iter().partition(|spot| graph.is_outside(*spot));
        painted.waiting = outside.into_iter().map(|spot| (OUTSIDE, spot)).collect();
        painted.tips = inside;
        painted
    }

    /// The commits reachable from `tip` and from none of the hidden ones, the newest `limit` of them listed.
    ///
    /// # Errors
    /// Where the index contradicts itself, or too much is not in it.
    pub fn range(
        &mut self,
        graph: &CommitGraph,
        commits: &mut Commits<'_>,
        tip: ObjectId,
        limit: usize,
    ) -> Result<Range, Unsound> {
        let tip = graph.spot(tip, commits.number(tip));
        let mut both = Both { graph, commits };
        let mut found = Found { builds_on_hidden: self.has(tip, HIDDEN_TIP), ..Found::default() };
        let outcome = self.find(&mut both, tip, &mut found);
        found.seen.retain(|spot| {
            let flags = &mut self.flags[*spot as usize];
            let is_new = *flags & NEW != 0;
            *flags &= !(SEEN | NEW);
            is_new
        });
        outcome?;
        Ok(Range {
            total: found.seen.len() as u64,
            newest: newest(&both, &found.seen, limit).into_iter().filter_map(|spot| both.id(spot)).collect(),
            builds_on_hidden: found.builds_on_hidden,
            lacks: found.lacks.and_then(|spot| both.id(spot)),
        })
    }

    /// Goes down from the tip, the hidden side always first.
    fn find(&mut self, both: &mut Both<'_, '_>, tip: Spot, found: &mut Found) -> Result<(), Unsound> {
        let mut ahead = vec![(both.graph.generation(tip), tip)];
        self.set(tip, SEEN);
        found.seen.push(tip);
        let mut step = 0;
        loop {
            ahead.retain(|(_, spot)| !self.has(*spot, HIDDEN));
            let Some(top) = ahead.iter().map(|(generation, _)| *generation).max() else { return Ok(()) };
            let down_to = match top {
                _ if self.waiting.is_empty() && self.tips.is_empty() => 0,
                OUTSIDE => OUTSIDE,
                top => top.saturating_sub(step),
            };
            let is_now = |(generation, _): &(u32, Spot)| *generation >= down_to;
            let (now, later): (Vec<_>, Vec<_>) = ahead.into_iter().partition(is_now);
            ahead = later;
            let now: Vec<Spot> = now.into_iter().map(|(_, spot)| spot).collect();
            self.paint(both, down_to, now.clone())?;
            self.descend(both, down_to, now, &mut ahead, found)?;
            // Each round looks at all there is ahead, so rounds grow.
            step = if top == OUTSIDE { 0 } else { 2 * step + 64 };
        }
    }

    /// Takes what can be reached at `down_to` and above, and is not hidden, for new; what lies below goes to `ahead`.
    fn descend(
        &mut self,
        both: &mut Both<'_, '_>,
        down_to: u32,
        from: Vec<Spot>,
        ahead: &mut Vec<(u32, Spot)>,
        found: &mut Found,
    ) -> Result<(), Unsound> {
        let mut stack: Vec<_> = from.into_iter().map(|spot| (spot, OUTSIDE)).collect();
        let mut parents = Vec::new();
        while let Some((spot, child)) = stack.pop() {
            if self.has(spot, HIDDEN) {
                continue;
            }
            let generation = both.look(spot, child, &mut parents)?;
            if generation < down_to {
                ahead.push((generation, spot));
                continue;
            }
            if both.is_missing(spot) {
                found.lacks.get_or_insert(spot);
                continue;
            }
            self.set(spot, NEW);
            for parent in parents.drain(..) {
                found.builds_on_hidden |= self.has(parent, HIDDEN_TIP);
                if !self.has(parent, SEEN | HIDDEN) {
                    self.set(parent, SEEN);
                    found.seen.push(parent);
                    stack.push((parent, generation));
                }
            }
        }
        Ok(())
    }

    /// Looks at all hidden commits at `down_to` and above, or until all that is asked about is hidden. The lowest come first: a
    /// branch that begins in mid-history is mostly found by the refs next to it.
    fn paint(&mut self, both: &mut Both<'_, '_>, down_to: u32, mut asked: Vec<Spot>) -> Result<(), Unsound> {
        let mut tried = 0;
        loop {
            while asked.pop_if(|spot| self.has(*spot, HIDDEN)).is_some() {}
            if asked.is_empty() {
                return Ok(());
            }
            let next = self.waiting.range((down_to, 0)..).next().copied();
            if down_to < OUTSIDE && !self.tips.is_empty() && (tried >= FEW_TRIED || next.is_none()) {
                self.grade(both.graph, if tried == 0 { self.tips.len().div_ceil(SAMPLE) } else { self.tips.len() });
                tried = tried.max(1);
                continue;
            }
            let Some(next) = next else { return Ok(()) };
            tried += 1;
            self.waiting.remove(&next);
            self.spread(both, down_to, next.1)?;
        }
    }

    /// Has so many tips wait by their generations: to ask for all of them reads all of the index. Places follow from the ids, so
    /// that any are as good as others.
    fn grade(&mut self, graph: &CommitGraph, count: usize) {
        let tips = self.tips.split_off(self.tips.len() - count).into_iter();
        // To put a hundred thousand in one by one takes as long as to read them.
        let mut tips: BTreeSet<_> = tips.map(|spot| (graph.generation(spot), spot)).collect();
        self.waiting.append(&mut tips);
    }

    /// Hides what a hidden commit leads to at `down_to` and above; what lies below waits.
    fn spread(&mut self, both: &mut Both<'_, '_>, down_to: u32, from: Spot) -> Result<(), Unsound> {
        let (mut stack, mut parents) = (vec![(from, OUTSIDE)], Vec::new());
        while let Some((spot, child)) = stack.pop() {
            if self.has(spot, SPREAD) {
                continue;
            }
            if both.graph.is_outside(spot) {
                self.left = self.left.checked_sub(1).ok_or(Unsound)?;
            }
            let generation = both.look(spot, child, &mut parents)?;
            if generation < down_to {
                self.waiting.insert((generation, spot));
                continue;
            }
            self.set(spot, SPREAD);
            for parent in parents.drain(..) {
                if self.has(parent, NEW) {
                    return Err(Unsound);
                }
                // A tip is hidden before it is looked at.
                if !self.has(parent, HIDDEN) || (self.has(parent, HIDDEN_TIP) && !self.has(parent, SPREAD)) {
                    self.set(parent, HIDDEN);
                    stack.push((parent, generation));
                }
            }
        }
        Ok(())
    }

    fn has(&self, spot: Spot, flags: u8) -> bool {
        self.flags.get(spot as usize).is_some_and(|known| known & flags != 0)
    }

    fn set(&mut self, spot: Spot, flags: u8) {
        let at = spot as usize;
        if at >= self.flags.len() {
            self.flags.resize(at + at / 8 + 64, 0);
        }
        self.flags[at] |= flags;
    }
}

impl CommitGraph {
    fn is_outside(&self, spot: Spot) -> bool {
        spot >= self.len
    }

    fn spot(&self, id: ObjectId, number: u32) -> Spot {
        self.place(id).unwrap_or(self.len + number)
    }

    fn generation(&self, spot: Spot) -> u32 {
        if self.is_outside(spot) { OUTSIDE } else { self.graph.commit_at(Position(spot)).generation() }
    }
}

/// All that a walk reads.
struct Both<'w, 'a> {
    graph: &'w CommitGraph,
    commits: &'w mut Commits<'a>,
}

impl Both<'_, '_> {
    /// The generation of a commit, and its parents for a list; `child` is the generation of one of whose parents it is.
    fn look(&mut self, spot: Spot, child: u32, parents: &mut Vec<Spot>) -> Result<u32, Unsound> {
        parents.clear();
        if self.graph.is_outside(spot) {
            self.commits.time(spot - self.graph.len);
            self.each_parent(spot, &mut |parent| parents.push(parent));
            return Ok(OUTSIDE);
        }
        let commit = self.graph.graph.commit_at(Position(spot));
        for parent in commit.iter_parents() {
            parents.push(parent.map_err(|_| Unsound)?.0);
        }
        // A git of 2018 wrote no generations.
        match commit.generation() {
            0 => Err(Unsound),
            generation if generation >= child => Err(Unsound),
            generation => Ok(generation),
        }
    }

    fn is_missing(&self, spot: Spot) -> bool {
        self.graph.is_outside(spot) && self.commits.is_missing(spot - self.graph.len)
    }

    fn id(&self, spot: Spot) -> Option<ObjectId> {
        match self.graph.is_outside(spot) {
            true => Some(self.commits.id(spot - self.graph.len)),
            false => ObjectId::from_bytes(self.graph.graph.id_at(Position(spot)).as_bytes()),
        }
    }
}

impl History for Both<'_, '_> {
    fn end(&self) -> usize {
        self.graph.len as usize + self.commits.count()
    }

    fn each_parent(&self, spot: Spot, tell: &mut dyn FnMut(Spot)) {
        if self.graph.is_outside(spot) {
            let parents = self.commits.parents(spot - self.graph.len).iter();
            parents.for_each(|number| tell(self.graph.spot(self.commits.id(*number), *number)));
        } else {
            let parents = self.graph.graph.commit_at(Position(spot)).iter_parents();
            parents.flatten().for_each(|parent| tell(parent.0));
        }
    }

    fn time(&self, spot: Spot) -> i64 {
        match self.graph.is_outside(spot) {
            true => self.commits.read_time(spot - self.graph.len).unwrap_or(0),
            false => self.graph.graph.commit_at(Position(spot)).committer_timestamp() as i64,
        }
    }
}
