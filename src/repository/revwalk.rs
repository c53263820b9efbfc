//! Which commits a push brought: a walk that is exact even where clocks are not.
//!
//! libgit2's walk is quadratic in the commits it hides, and both it and git trust commit times: where a child is older
//! than its parent they list commits that were there before.

use std::collections::HashSet;
use std::sync::Arc;

use super::Objects;
use super::by_time::ByTime;
use super::commit_graph::{CommitGraph, Painted};
use super::commits::Commits;
pub use super::range::Range;
use crate::ref_update::ObjectId;

/// The commits of a repository as far as they have been looked at, kept over all ref updates of one push.
pub struct Revwalk<'a> {
    commits: Commits<'a>,
    graph: Index,
    /// Whether a few commits are read before an index is looked for.
    is_patient: bool,
}

/// git's own index of commits.
enum Index {
    NotLookedFor,
    /// There is none that could be gone by.
    None,
    Open(Box<CommitGraph>),
}

/// Commits that several ranges hide, with what has been found out about what they lead to: that is looked at once, however
/// many ranges there are.
pub struct Hidden {
    tips: Arc<[ObjectId]>,
    /// Where these stand in the index, where it was asked.
    places: Vec<Option<u32>>,
    by_time: ByTime,
    /// In place of that, once the graph has been asked.
    painted: Option<Painted>,
}

impl Hidden {
    /// With nothing found out.
    pub fn new(tips: Arc<[ObjectId]>) -> Self {
        Self { tips, places: Vec::new(), by_time: ByTime::default(), painted: None }
    }
}

/// A walk over so many commits is over before an index is open.
const PATIENCE: usize = 512;

/// To read more hidden commits than this costs more than to look them up.
const FEW: usize = 64;

impl<'a> Revwalk<'a> {
    /// Starts with nothing read. `shallow` holds the ids in the repository's file of that name.
    pub fn new(objects: &'a Objects, shallow: HashSet<ObjectId>) -> Self {
        // Beyond what `shallow` names git goes by no index: it tells of parents that are not here.
        let graph = if shallow.is_empty() { Index::NotLookedFor } else { Index::None };
        Self { commits: Commits::new(objects, shallow), graph, is_patient: true }
    }

    /// The commit that `id` leads to through any tag objects; it is read no second time when a range asks for it.
    pub fn peel(&mut self, id: ObjectId) -> Option<ObjectId> {
        if self.commit_time(id).is_some() { Some(id) } else { self.commits.objects().peel(id) }
    }

    /// The commits that ids lead to, each once, to be hidden.
    pub fn hide(&mut self, mut ids: Vec<ObjectId>) -> Hidden {
        // In order they are found next to each other.
        ids.sort_unstable();
        ids.dedup();
        let graph = if ids.len() > FEW { self.open_graph() } else { None };
        let mut places: Vec<_> = ids.iter().map(|id| graph.and_then(|graph| graph.place(*id))).collect();
        let has_graph = graph.is_some();
        let mut place = places.iter();
        let others: Vec<_> = ids.extract_if(.., |_| place.next().is_some_and(Option::is_none)).collect();
        places.retain(Option::is_some);
        let mut others: Vec<_> = others.into_iter().filter_map(|id| self.peel(id)).collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|id| ids.binary_search(id).is_err());
        let graph = if has_graph { self.open_graph() } else { None };
        places.extend(others.iter().map(|id| graph.and_then(|graph| graph.place(*id))));
        ids.extend(others);
        Hidden { places: if has_graph { places } else { Vec::new() }, ..Hidden::new(ids.into()) }
    }

    /// The commit time of a commit, by which a walk goes; `None` for what is no commit here.
    pub fn commit_time(&mut self, id: ObjectId) -> Option<i64> {
        let number = self.commits.number(id);
        self.commits.time(number)
    }

    /// The commits reachable from `tip` and from none of `hidden`, the newest `limit` of them listed.
    ///
    /// Ids that are no commit here are passed over.
    pub fn range(&mut self, tip: ObjectId, hidden: &[ObjectId], limit: usize) -> Range {
        self.range_without(&mut Hidden::new(hidden.into()), tip, limit)
    }

    /// The same for one of several ranges that hide the same.
    pub fn range_without(&mut self, hidden: &mut Hidden, tip: ObjectId, limit: usize) -> Range {
        if self.commit_time(tip).is_none() {
            return Range::default();
        }
        let is_short = self.is_patient && hidden.tips.len() <= FEW && hidden.painted.is_none();
        let patience = self.commits.read().saturating_add(PATIENCE);
        let by_time = is_short.then(|| self.by_time(hidden, tip, limit, patience)).flatten();
        let range = by_time.or_else(|| self.by_graph(hidden, tip, limit));
        let range = range.or_else(|| self.by_time(hidden, tip, limit, usize::MAX));
        range.unwrap_or_default()
    }

    fn by_time(&mut self, hidden: &mut Hidden, tip: ObjectId, limit: usize, most: usize) -> Option<Range> {
        hidden.by_time.range(&mut self.commits, &hidden.tips, (tip, limit), most)
    }

    /// `None` where there is no index to go by.
    fn by_graph(&mut self, hidden: &mut Hidden, tip: ObjectId, limit: usize) -> Option<Range> {
        self.open_graph()?;
        let Index::Open(graph) = &self.graph else { return None };
        let painted = hidden.painted.take();
        let mut painted =
            painted.unwrap_or_else(|| Painted::new(graph, &mut self.commits, &hidden.tips, &hidden.places));
        let range = painted.range(graph, &mut self.commits, tip, limit);
        match range {
            Ok(range) => {
                hidden.painted = Some(painted);
                Some(range)
            }
            // From now on all is read.
            Err(_) => {
                self.graph = Index::None;
                None
            }
        }
    }

    /// Asks for the index at once.
    #[cfg(test)]
    pub fn impatient(self) -> Self {
        Self { is_patient: false, ..self }
    }

    /// Whether the index was gone by.
    #[cfg(test)]
    pub fn is_by_graph(&self) -> bool {
        matches!(self.graph, Index::Open(_))
    }

    fn open_graph(&mut self) -> Option<&CommitGraph> {
        if matches!(self.graph, Index::NotLookedFor) {
            let objects = self.commits.objects();
            let graph = CommitGraph::open(&objects.directory, objects.format());
            self.graph = graph.map_or(Index::None, |graph| Index::Open(graph.into()));
        }
        match &self.graph {
            Index::Open(graph) => Some(graph),
            Index::NotLookedFor | Index::None => None,
        }
    }
}
