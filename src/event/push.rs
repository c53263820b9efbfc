//! A push to one ref: a branch or a tag was created, moved or deleted.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::{Commit, Tag};
use crate::ref_update::{Change, ObjectId, RefKind, RefUpdate};

/// A branch or a tag that moved, with what the repository shows of it. Forges tell the two nearly alike, so they are
/// one type; which of them it is says [`super::EventKind`].
#[derive(Clone, Debug)]
pub struct Push {
    /// Which ref moved, and from where to where.
    pub update: RefUpdate,
    /// The full ref name as text, with U+FFFD in place of what is not UTF-8.
    pub ref_text: String,
    /// What the ref pointed to before; empty where no target asked.
    pub before: Tip,
    /// What the ref points to now; empty on deletion.
    pub after: Tip,
    /// The newest commits of the push, oldest first, as many as any target's format wants; a tag has none.
    pub commits: Vec<Arc<Commit>>,
    /// How many commits the push has, listed or not.
    pub total: u64,
    /// The old id is no ancestor of the new one: history was rewritten, or a tag moved elsewhere.
    pub forced: bool,
    /// Of the commits told here those that the repository had before this push; empty where no target asked.
    pub known: HashSet<ObjectId>,
    /// Another branch, in full, that points to the same; `None` where there is none, or no target asked.
    pub same_tip: Option<String>,
}

/// What a branch or tag points to, as far as it can be read.
#[derive(Clone, Debug, Default)]
pub struct Tip {
    /// The tag object of an annotated tag; `None` for a lightweight one, or a branch.
    pub tag: Option<Tag>,
    /// The commit it leads to, through any number of tag objects; `None` for a tag of a tree or blob.
    pub commit: Option<Arc<Commit>>,
}

impl Push {
    /// What the line of hook input alone says.
    pub fn new(update: &RefUpdate) -> Self {
        Self {
            update: update.clone(),
            ref_text: update.name.text().into_owned(),
            before: Tip::default(),
            after: Tip::default(),
            commits: Vec::new(),
            total: 0,
            forced: false,
            known: HashSet::new(),
            same_tip: None,
        }
    }

    /// The commit that the ref leads to now; `None` on deletion, or where it cannot be read.
    pub fn head(&self) -> Option<&Arc<Commit>> {
        self.after.commit.as_ref()
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
