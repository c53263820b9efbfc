//! What happened, in words no forge owns: a push to a branch, a push of a tag, with commits, repository and pusher.

mod time;

mod repository;

mod context;

mod commit;

mod push;

mod name;

mod wanted;

use std::sync::Arc;

use uuid::Uuid;

use crate::ref_update::{RefName, RefUpdate};

pub use commit::{Changes, Commit, Person, Tag};
pub use context::Context;
pub use name::{EventName, can_tell_of};
pub use push::{Push, Tip};
pub use repository::{Repository, Visibility};
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

/// The kinds of event, each with what it needs; notes and merge requests find their place here.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A branch was created, updated or deleted.
    Push(Push),
    /// A tag was created, moved or deleted.
    TagPush(Push),
}

impl Event {
    /// The same, as it is told where all events share this.
    pub fn within(&self, context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context), ..self.clone() }
    }

    /// The names under which it is told, in that order: some forges tell a creation twice, by itself and as a push.
    pub fn names(&self) -> impl Iterator<Item = EventName> + use<> {
        match &self.kind {
            EventKind::Push(push) => EventName::of_push(EventName::Push, push.change()),
            EventKind::TagPush(push) => EventName::of_push(EventName::TagPush, push.change()),
        }
    }

    /// The ref it is about: targets choose by it, and what is about one ref is told in order.
    pub fn ref_name(&self) -> &RefName {
        &self.update().name
    }

    /// What happened to that ref.
    pub fn update(&self) -> &RefUpdate {
        match &self.kind {
            EventKind::Push(push) | EventKind::TagPush(push) => &push.update,
        }
    }
}
