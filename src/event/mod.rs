//! What happened, in words no forge owns: a push to a branch, a push of a tag, with commits, repository and pusher.

mod repository;
mod time;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::pusher::Pusher;
use crate::ref_update::{Change, ObjectId, RefKind, RefUpdate};

pub use repository::{Repository, Visibility};
pub use time::{Time, Utc};

/// One thing that happened, which every target is told in its own format.
#[derive(Clone, Debug)]
pub struct Event {
    /// Stable over retries and crashes; ids of deliveries are derived from it.
    pub id: Uuid,
    /// Which ref moved, and from where to where.
    pub update: RefUpdate,
    /// The full ref name as text, with U+FFFD in place of what is not UTF-8.
    pub ref_text: String,
    /// What all events of one push share.
    pub context: Arc<Context>,
    /// What it means.
    pub kind: EventKind,
    /// The old id is no ancestor of the new one: history was rewritten, or a tag moved elsewhere.
    pub forced: bool,
    /// What the ref pointed to before; empty where no target asked.
    pub before: Tip,
    /// Of the commits told here those that the repository held before this push; empty where no target asked.
    pub held: HashSet<ObjectId>,
    /// Another branch or tag, in full, that points to the same; `None` where there is none, or no target asked.
    pub twin: Option<String>,
}

/// The words of `webhook.<name>.event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventName {
    /// Every update, creation and deletion of a branch.
    Push,
    /// Every update, creation and deletion of a tag.
    TagPush,
    /// The separate event some forges send for a creation.
    Create,
    /// The separate event some forges send for a deletion.
    Delete,
    /// Comments.
    Note,
    /// Reviews.
    MergeRequest,
}

impl EventName {
    /// All names, in the order in which they are listed.
    pub const ALL: [Self; 6] = [Self::Push, Self::TagPush, Self::Create, Self::Delete, Self::Note, Self::MergeRequest];

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::TagPush => "tag_push",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Note => "note",
            Self::MergeRequest => "merge_request",
        }
    }

    /// The events that can tell of an update, in the order in which they are told: what is created is there before it
    /// is pushed to, and gone after that.
    pub fn of(update: &RefUpdate) -> impl Iterator<Item = Self> + use<> {
        let change = update.change();
        let push = match update.name.kind() {
            RefKind::Branch => Some(Self::Push),
            RefKind::Tag => Some(Self::TagPush),
            RefKind::Other => None,
        };
        let create = Some(Self::Create).filter(|_| change == Change::Create && push.is_some());
        let delete = Some(Self::Delete).filter(|_| change == Change::Delete && push.is_some());
        [create, push, delete].into_iter().flatten()
    }
}

/// What there is to know of a push, of which each part costs time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many commits are listed at most.
    pub commits: usize,
    /// How many changed paths of each commit, which costs a comparison of trees; 0 for none.
    pub paths: usize,
    /// What each ref pointed to before, and whether a tag was moved by force.
    pub before: bool,
    /// Which commits the repository held before, and which other ref points to the same, for which all refs are read.
    pub held: bool,
}

impl Wanted {
    /// As much as the one or the other asks for.
    pub fn or(self, other: Self) -> Self {
        Self {
            commits: self.commits.max(other.commits),
            paths: self.paths.max(other.paths),
            before: self.before || other.before,
            held: self.held || other.held,
        }
    }
}

/// The kinds of event; notes and merge requests find their place here.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A branch was created, updated or deleted.
    Push(Push),
    /// A tag was created, moved or deleted.
    TagPush(Tip),
}

/// A push to a branch.
#[derive(Clone, Debug)]
pub struct Push {
    /// The newest commits of the push, oldest first, as many as any target's format wants.
    pub commits: Vec<Arc<Commit>>,
    /// How many commits the push has, listed or not.
    pub total: u64,
    /// The commit the branch points to now; `None` on deletion, or where it cannot be read.
    pub head: Option<Arc<Commit>>,
}

/// What a branch or tag points to, as far as it can be read.
#[derive(Clone, Debug, Default)]
pub struct Tip {
    /// The tag object of an annotated tag; `None` for a lightweight one, or a branch.
    pub tag: Option<Tag>,
    /// The commit it leads to, through any number of tag objects; `None` for a tag of a tree or blob.
    pub commit: Option<Arc<Commit>>,
}

impl Event {
    /// The commit that the ref leads to now.
    pub fn head(&self) -> Option<&Arc<Commit>> {
        match &self.kind {
            EventKind::Push(push) => push.head.as_ref(),
            EventKind::TagPush(tip) => tip.commit.as_ref(),
        }
    }

    /// The tag object that the ref points to now.
    pub fn tag(&self) -> Option<&Tag> {
        match &self.kind {
            EventKind::Push(_) => None,
            EventKind::TagPush(tip) => tip.tag.as_ref(),
        }
    }

    /// The commits of a push to a branch, oldest first, and how many there are in all; none for a tag.
    pub fn commits(&self) -> (&[Arc<Commit>], u64) {
        match &self.kind {
            EventKind::Push(push) => (&push.commits, push.total),
            EventKind::TagPush(_) => (&[], 0),
        }
    }

    /// The branch's or tag's name without `refs/heads/` or `refs/tags/`.
    pub fn short_name(&self) -> Cow<'_, str> {
        self.update.name.short_text()
    }

    /// Whether the ref is a tag.
    pub fn is_tag(&self) -> bool {
        self.update.name.kind() == RefKind::Tag
    }

    /// What it means for the ref.
    pub fn change(&self) -> Change {
        self.update.change()
    }
}

/// What all events of one push share.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where it happened.
    pub repository: Repository,
    /// Who did it.
    pub pusher: Pusher,
    /// Push options, in the order given.
    pub push_options: Vec<String>,
    /// When it was, in UTC.
    pub time: Time,
}

/// A commit as payloads tell it: text is UTF-8, whatever git has.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its object id.
    pub id: ObjectId,
    /// Its top tree; `None` where the object lacks it.
    pub tree: Option<ObjectId>,
    /// Its parents, in their order.
    pub parents: Vec<ObjectId>,
    /// The whole message with its final newline, as git has it.
    pub message: String,
    /// Who wrote it, and when.
    pub author: Person,
    /// Who committed it, and when.
    pub committer: Person,
    /// The files it changed against its first parent; empty where no target asked for them.
    pub changes: Changes,
}

/// Name, address and time of an author, committer or tagger; empty where the object lacks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The e-mail address, without angle brackets.
    pub email: String,
    /// The time.
    pub time: Time,
}

/// Paths a commit added, modified and removed, each list in git's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths that are new.
    pub added: Vec<String>,
    /// Paths whose content or mode differs.
    pub modified: Vec<String>,
    /// Paths that are gone.
    pub removed: Vec<String>,
    /// Old and new path of files that moved as they are; both stand in the lists above too, for forges that know no renames.
    pub renamed: Vec<(String, String)>,
}

/// The tag object of an annotated tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The whole message with its final newline, signature included, as git has it.
    pub message: String,
    /// Who made it; `None` in tags older than git 0.99.
    pub tagger: Option<Person>,
}
