//! What happened, in words no forge owns: a push to a branch, a push of a tag, a comment, a review, with commits, repository and
//! pusher.

mod time;

mod commit;

mod push;

mod repository;

mod context;

mod review;

mod note;

mod name;

mod wanted;

use std::sync::Arc;

use uuid::Uuid;

use crate::ref_update::{RefName, RefUpdate};

pub use commit::{Changes, Commit, Person, Tag};
pub use context::Context;
pub use name::{EventName, REVIEWS, can_tell_of};
pub use note::{FileDiff, LineInDiff, Note, Place};
pub use push::{Push, Tip};
pub use repository::{Links, Repository, Visibility};
pub use review::{MergeRequest, Review, ReviewAction, ReviewRecord, ReviewSize, ReviewState};
pub use time::{Time, Utc, present};
pub use wanted::Wanted;

/// One thing that happened, which every target is told in its own format.
///
/// A ref update may make any number of them: how many shows only what the ref points to.
#[derive(Clone, Debug)]
pub struct Event {
    /// Stable over retries and crashes; ids of deliveries are derived from it. The push itself has the id of its line
    /// in the receipt, others have one that is derived from it ([`crate::identifier::derived`]).
    pub id: Uuid,
    /// What all events of one push share.
    pub context: Arc<Context>,
    /// What it is.
    pub kind: EventKind,
}

/// The kinds of event, each with what it needs.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A branch was created, updated or deleted.
    Push(Push),
    /// A tag was created, moved or deleted.
    TagPush(Push),
    /// Something happened to a review.
    MergeRequest(Box<MergeRequest>),
    /// Somebody commented on a commit or a review.
    Note(Box<Note>),
}

impl Event {
    /// Its place among the events of a push: what moved, then what happened to reviews, then what was said.
    pub fn rank(&self) -> u32 {
        match self.kind {
            EventKind::Push(_) | EventKind::TagPush(_) => 0,
            EventKind::MergeRequest(_) => 1,
            EventKind::Note(_) => 2,
        }
    }

    /// The same, as it is told where all events share this.
    pub fn within(&self, context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context), ..self.clone() }
    }

    /// Whether it tells of a push itself.
    pub fn is_push(&self) -> bool {
        matches!(self.kind, EventKind::Push(_) | EventKind::TagPush(_))
    }

    /// The names under which it is told, in that order: some forges tell a creation twice, by itself and as a push.
    pub fn names(&self) -> impl Iterator<Item = EventName> + use<> {
        let (own, change) = match &self.kind {
            EventKind::Push(push) => (EventName::Push, Some(push.change())),
            EventKind::TagPush(push) => (EventName::TagPush, Some(push.change())),
            EventKind::MergeRequest(_) => (EventName::MergeRequest, None),
            EventKind::Note(_) => (EventName::Note, None),
        };
        let of_push = change.into_iter().flat_map(move |change| EventName::of_push(own, change));
        of_push.chain(change.is_none().then_some(own))
    }

    /// The ref it is about: targets choose by it, and what is about one ref is told in order.
    pub fn ref_name(&self) -> &RefName {
        &self.update().name
    }

    /// The review that it is about; `None` of pushes, and of comments on commits by themselves.
    pub fn review(&self) -> Option<&Review> {
        match &self.kind {
            EventKind::Push(_) | EventKind::TagPush(_) => None,
            EventKind::MergeRequest(request) => Some(&request.review),
            EventKind::Note(note) => note.review.as_ref(),
        }
    }

    /// What happened to that ref.
    pub fn update(&self) -> &RefUpdate {
        match &self.kind {
            EventKind::Push(push) | EventKind::TagPush(push) => &push.update,
            EventKind::MergeRequest(request) => &request.update,
            EventKind::Note(note) => &note.update,
        }
    }
}
