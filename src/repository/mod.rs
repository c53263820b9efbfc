//! Walks the repository: from a ref update to its events, whatever kind of repository it is and however malformed its
//! objects.
//!
//! The only door to git2, of which the object database alone is used: `git_repository_open` refuses reftable,
//! extensions it does not know and foreign owners, its revision walk is quadratic and its diff reads what is alike
//! (`docs/architecture.md` has the figures).

pub mod object;
mod odb;
mod refs;
mod stat_data;
mod changes;
mod commits;
mod range;
mod by_time;
mod commit_graph;
mod revwalk;
#[cfg(test)]
mod walks;
#[cfg(test)]
mod trees;
mod head;
mod links;
mod describe;
mod brought;
mod prior_refs;
mod notes;
mod place;
mod size;
mod merge;
mod reviews;
mod beside;
mod kept_reviews;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use crate::config::Layout;
use crate::event::{Changes, Commit, Context, Event, EventKind, EventName, Push, Tag, Tip};
use crate::message;
use crate::ref_update::{Namespace, ObjectId, RefName, RefUpdate};

pub use crate::event::Wanted;
pub use beside::Opened;
pub use describe::{describe, path_of};
pub use head::{Head, newest_branch};
pub use odb::{Objects, OpenError, open, open_with};
pub use refs::{Links, Refs, all, command as git, common_dir};
pub use reviews::{number_in, short_branch};
pub use stat_data::{StatData, stat_data};

use changes::Budget;
use object::{RawCommit, RawTag};
use odb::{Kind, Object};
use revwalk::{Hidden, Revwalk};

/// Commits are cached for further refs that list them; when they take so much, those so far are forgotten.
const MOST_COMMIT_BYTES: usize = 8 << 20;

/// The paths of one push that are listed, over all its commits.
const MOST_PATH_BYTES: usize = 64 << 20;

/// Turns the ref updates of one push into events.
pub struct Reader<'a> {
    common_dir: PathBuf,
    layout: Layout,
    objects: &'a Objects,
    revwalk: Revwalk<'a>,
    /// The one that all refs of the push lie in.
    namespace: Namespace,
    /// All updates of the push: the refs as they were before it need them.
    updates: &'a [RefUpdate],
    /// Tells what was pushed since, in order.
    later: Option<&'a dyn Fn() -> Vec<RefUpdate>>,
    /// All refs as they were when the push was over, read when something first asks.
    refs: Option<Arc<refs::Refs>>,
    /// The same by their names.
    tips: Option<Arc<HashMap<RefName, ObjectId>>>,
    /// What refs led to before the push.
    prior: Option<Hidden>,
    /// What the push's own refs led to before it.
    old: Option<Hidden>,
    /// When the push began, where that is known.
    begun: Option<SystemTime>,
    /// When a ref was written last that the push does not name; `None` in it where that cannot be said.
    others_written: Option<Option<SystemTime>>,
    /// Branches and tags by what they point to after the push.
    named: Option<HashMap<ObjectId, Vec<RefName>>>,
    commits: HashMap<ObjectId, Option<Arc<Commit>>>,
    /// About how many bytes they take, without the paths that they changed.
    commit_bytes: usize,
    /// How many bytes of changed paths may still be cached for this push.
    path_bytes: usize,
    lacking: Option<ObjectId>,
    wanted: Wanted,
}

/// Whether commits build on others.
pub struct Ancestry<'a> {
    objects: &'a Objects,
    revwalk: Revwalk<'a>,
}

impl<'a> Ancestry<'a> {
    /// That of a repository's commits.
    pub fn new(common_dir: &Path, objects: &'a Objects) -> Self {
        Self { objects, revwalk: Revwalk::new(objects, refs::shallow(common_dir)) }
    }

    /// Whether a ref loses nothing by an update: it is new, or goes forward.
    pub fn keeps_all(&mut self, update: &RefUpdate) -> bool {
        let Some(old) = update.old else { return true };
        let commits = update.new.and_then(|new| self.objects.peel(new)).zip(self.objects.peel(old));
        commits.is_some_and(|(new, old)| self.revwalk.range(new, &[old], 0).builds_on_hidden)
    }
}

impl<'a> Reader<'a> {
    /// Starts reading for the push that `updates` are, all of one namespace.
    pub fn new(
        common_dir: &Path,
        layout: Layout,
        objects: &'a Objects,
        updates: &'a [RefUpdate],
        wanted: Wanted,
    ) -> Self {
        Self {
            common_dir: common_dir.into(),
            layout,
            objects,
            revwalk: Revwalk::new(objects, refs::shallow(common_dir)),
            namespace: updates.first().map(|update| update.name.namespace()).unwrap_or_default(),
            updates,
            later: None,
            refs: None,
            tips: None,
            prior: None,
            old: None,
            begun: None,
            others_written: None,
            named: None,
            commits: HashMap::new(),
            commit_bytes: 0,
            path_bytes: MOST_PATH_BYTES,
            lacking: None,
            wanted,
        }
    }

    /// The same for a push that others may have come after: `later` tells what was pushed since, in order. It is asked once the
    /// refs have been read, and only then: what comes between is taken back though it is not there yet, which changes nothing.
    pub fn rewound(self, later: &'a dyn Fn() -> Vec<RefUpdate>) -> Self {
        Self { later: Some(later), ..self }
    }

    /// The same for a push of which it is known when it began: before any of what it brought was written.
    pub fn begun(self, begun: Option<SystemTime>) -> Self {
        Self { begun, ..self }
    }

    /// The newest commit that a ref of this push points to; `None` where none can be read.
    pub fn newest_commit(&mut self) -> Option<Arc<Commit>> {
        let tips = self.updates.iter().filter_map(|update| self.revwalk.peel(update.new?));
        let newest = tips.collect::<Vec<_>>().into_iter().max_by_key(|tip| self.revwalk.commit_time(*tip))?;
        self.commit(newest)
    }

    /// Where an update leads, if that is not among the objects or cannot be read.
    pub fn missing(&self, update: &RefUpdate) -> Option<ObjectId> {
        update.new.filter(|new| self.objects.recall(*new).is_none())
    }

    /// A commit that those of the last update that was built would go on with and that is not there; it is told once.
    pub fn take_lacking(&mut self) -> Option<ObjectId> {
        self.lacking.take()
    }

    /// Builds the events of one update, whose line in the receipt has this id; none for a ref that no event tells of.
    ///
    /// What cannot be read is left out: the ids always stand, for they came with the push.
    pub fn events(&mut self, line: Uuid, update: &RefUpdate, context: &Arc<Context>) -> Vec<Event> {
        let default_branch = context.repository.default_branch.as_deref();
        let kinds = EventName::of(update).filter_map(|name| match name {
            EventName::Push => Some(EventKind::Push(self.push(update, default_branch))),
            EventName::TagPush => Some(EventKind::TagPush(self.push(update, default_branch))),
            // What is created or deleted is told by the push it is; of the others nothing is known here.
            EventName::Create | EventName::Delete | EventName::Note | EventName::MergeRequest => None,
        });
        kinds.map(|kind| Event { id: line, context: Arc::clone(context), kind }).collect()
    }

    fn push(&mut self, update: &RefUpdate, default_branch: Option<&str>) -> Push {
        let mut push = Push::new(update);
        if push.is_tag() {
            push.after = self.tip(update.new);
        } else {
            self.add_commits(&mut push);
        }
        if self.wanted.before {
            push.before = self.tip(update.old);
        }
        if push.is_tag() && (self.wanted.before || self.wanted.known) {
            push.forced = self.is_moved_aside(update);
        }
        if self.wanted.known {
            let is_brought = self.came_with(&push);
            push.known = self.known(&push, is_brought);
            push.same_tip = self.same_tip(update, default_branch, is_brought);
        }
        push
    }

    /// The commits that a push brought to its branch, and whether it was forced.
    fn add_commits(&mut self, push: &mut Push) {
        let Some(new) = push.update.new else { return };
        let tip = self.objects.peel(new).unwrap_or(new);
        let old = push.update.old.map(|old| self.objects.peel(old));
        let range = match old {
            Some(Some(old)) => self.revwalk.range(tip, &[old], self.wanted.commits),
            // A creation, or an update whose old commit is gone: what no ref held before.
            None | Some(None) => self.not_before(tip, self.wanted.commits),
        };
        push.after.commit = self.commit(tip);
        push.forced = push.head().is_some() && matches!(old, Some(Some(_))) && !range.builds_on_hidden;
        push.commits = range.newest.iter().filter_map(|id| self.commit(*id)).collect();
        push.total = range.total;
        self.lacking = range.lacks;
    }

    fn tip(&mut self, id: Option<ObjectId>) -> Tip {
        let Some(id) = id else { return Tip::default() };
        let object = self.objects.recall(id).filter(|object| object.kind() == Kind::Tag);
        let tag = object.map(|object| {
            let raw = RawTag::parse(object.data());
            Tag { message: raw.message(), tagger: raw.tagger() }
        });
        let commit = self.objects.peel(id);
        Tip { tag, commit: commit.and_then(|commit| self.commit(commit)) }
    }

    /// The commit `id`, read once however many refs list it, as far as memory is allowed for that.
    fn commit(&mut self, id: ObjectId) -> Option<Arc<Commit>> {
        if let Some(known) = self.commits.get(&id) {
            return known.clone();
        }
        let commit = self.read_commit(id).map(Arc::new);
        self.commit_bytes += commit.as_ref().map_or(0, |commit| commit.message.len()) + size_of::<Commit>();
        if self.commit_bytes > MOST_COMMIT_BYTES {
            self.commits.clear();
            self.commit_bytes = 0;
        }
        self.commits.insert(id, commit.clone());
        commit
    }

    fn read_commit(&mut self, id: ObjectId) -> Option<Commit> {
        let object = self.objects.recall(id).filter(|object| object.kind() == Kind::Commit)?;
        let raw = RawCommit::parse(object.data());
        Some(Commit {
            id,
            tree: raw.tree,
            parents: raw.parents.clone(),
            message: raw.message(),
            author: raw.author(),
            committer: raw.committer(),
            changes: if self.wanted.paths > 0 { self.changes(id, &raw) } else { Changes::default() },
        })
    }

    /// What a commit changed against its first parent; a root commit added everything.
    fn changes(&mut self, id: ObjectId, commit: &RawCommit<'_>) -> Changes {
        let parent_tree = match commit.parents.first() {
            None => None,
            // Mostly it was listed just before.
            Some(parent) => match self.commits.get(parent) {
                Some(Some(parent)) => parent.tree,
                _ => match self.objects.recall(*parent) {
                    Some(parent) => RawCommit::parse(parent.data()).tree,
                    // The parent is not here (shallow, partial): against nothing, every file would be listed as added.
                    None => return Changes::default(),
                },
            },
        };
        let mut budget = Budget::default();
        budget.bytes = budget.bytes.min(self.path_bytes);
        budget.paths = budget.paths.min(self.wanted.paths);
        let allowed = budget.bytes;
        let changes = changes::compare(self.objects, parent_tree, commit.tree, &mut budget);
        self.path_bytes -= allowed - budget.bytes;
        if budget.left_out {
            log::warn!("{}", message::files_in_part(id));
        }
        changes
    }
}

/// The commit `distance` first parents above `tip`, or as near to it as the history goes; `None` where that is before
/// its beginning.
pub fn ancestor(objects: &Objects, tip: ObjectId, distance: usize) -> Option<ObjectId> {
    let mut id = objects.peel(tip)?;
    for _ in 0..distance {
        let object = objects.read(id)?;
        id = RawCommit::parse(object.data()).parents.first().copied()?;
    }
    Some(id)
}
