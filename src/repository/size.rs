//! How much reviews change.

use super::changes::{Budget, compare};
use super::object::RawCommit;
use super::{Kind, Objects, Reader};
use crate::event::{EventKind, ReviewSize};
use crate::ref_update::ObjectId;

/// The lines of so many files are counted.
const MOST_FILES: usize = 300;

/// So many paths are compared.
const MOST_ENTRIES: usize = 200_000;

impl Reader<'_> {
    /// Finds out how much the reviews among these events change, where anybody wants to know.
    pub(super) fn measure<'e>(&self, events: impl Iterator<Item = &'e mut EventKind>) {
        for event in events.filter(|_| self.wanted.review_sizes) {
            if let EventKind::MergeRequest(request) = event {
                request.size =
                    request.review.base.and_then(|base| self.objects.size_between(base, request.review.head.id));
            }
        }
    }
}

impl Objects {
    /// What differs between two commits; of very many files the lines of the first are counted. `None` where they cannot be read.
    fn size_between(&self, base: ObjectId, head: ObjectId) -> Option<ReviewSize> {
        let tree = |commit| {
            let object = self.read(commit).filter(|object| object.kind() == Kind::Commit)?;
            RawCommit::parse(object.data()).tree
        };
        let mut budget = Budget { entries: MOST_ENTRIES, ..Budget::default() };
        let changes = compare(self, Some(tree(base)?), Some(tree(head)?), &mut budget);
        let all = [&changes.added, &changes.modified, &changes.removed];
        let files = all.iter().map(|paths| paths.len()).sum::<usize>() - changes.renamed.len();
        let is_renamed = |path: &String| changes.renamed.iter().any(|(from, to)| from == path || to == path);
        let mut size = ReviewSize { files, ..ReviewSize::default() };
        for path in all.into_iter().flatten().filter(|path| !is_renamed(path)).take(MOST_FILES) {
            let [added, removed] = self.lines_between(base, head, path).unwrap_or_default();
            size.added += added;
            size.removed += removed;
        }
        Some(size)
    }
}
