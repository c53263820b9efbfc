//! The names under which events are told, and the one place that knows which refs can make any.

use crate::ref_update::{Change, RefKind, RefName, RefUpdate};

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

/// Below it are git-appraise's notes: requests for reviews, and what is said of them.
pub const REVIEWS: &[u8] = b"refs/notes/devtools/";

/// Whether a ref may be a review's head by its name, as forges and proc-receive hooks give them: `refs/pull/3/head`.
fn is_of_reviews(name: &RefName) -> bool {
    [&b"refs/merge-requests/"[..], b"refs/pull/"].iter().any(|start| name.as_bytes().starts_with(start))
}

/// Whether any event can tell of a ref, whatever happens to it.
pub fn can_tell_of(name: &RefName) -> bool {
    !EventName::of_ref(name).is_empty()
}

impl EventName {
    /// All names, in the order in which they are listed.
    pub const ALL: [Self; 6] = [Self::Push, Self::TagPush, Self::Create, Self::Delete, Self::Note, Self::MergeRequest];

    /// What `all` stands for: everything that happens, each told once.
    pub const EACH_ONCE: [Self; 4] = [Self::Push, Self::TagPush, Self::Note, Self::MergeRequest];

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

    /// The names of the events that an update can make, as far as the line of the ref tells: whether it makes them, and
    /// how many, shows what the refs point to.
    pub fn of(update: &RefUpdate) -> impl Iterator<Item = Self> + use<> {
        let change = update.change();
        Self::of_ref(&update.name).iter().copied().filter(move |name| name.can_tell(change))
    }

    /// The names under which a push is told that a branch's or a tag's own event (`push`, `tag_push`) tells, in the
    /// order in which they are told: what is created is there before it is pushed to, and gone after that.
    pub(super) fn of_push(own: Self, change: Change) -> impl Iterator<Item = Self> + use<> {
        [Self::Create, own, Self::Delete].into_iter().filter(move |name| name.can_tell(change))
    }

    /// The names of the events that can tell of a ref. What the refs are for is told from their names alone.
    fn of_ref(name: &RefName) -> &'static [Self] {
        match name.kind() {
            // It may be a review's source or target.
            RefKind::Branch => &[Self::Create, Self::Push, Self::Delete, Self::MergeRequest],
            RefKind::Tag => &[Self::Create, Self::TagPush, Self::Delete],
            RefKind::Other if name.as_bytes().starts_with(REVIEWS) => &[Self::MergeRequest, Self::Note],
            RefKind::Other if name.as_bytes().starts_with(b"refs/notes/") => &[Self::Note],
            // Whether it is a review's head says the configuration.
            RefKind::Other if is_of_reviews(name) => &[Self::MergeRequest],
            RefKind::Other => &[],
        }
    }

    fn can_tell(self, change: Change) -> bool {
        match self {
            Self::Create => change == Change::Create,
            Self::Delete => change == Change::Delete,
            Self::Push | Self::TagPush | Self::Note | Self::MergeRequest => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ref_update;

    fn names(old: char, new: char, name: &str) -> Vec<EventName> {
        let id = |digit: char| String::from(digit).repeat(40);
        let (updates, _) = ref_update::parse(format!("{} {} {name}\n", id(old), id(new)).as_bytes());
        EventName::of(&updates[0]).collect()
    }

    #[test]
    fn what_is_created_is_told_before_its_push_and_what_is_deleted_after_it() {
        let pushes = |old, new, name| -> Vec<_> {
            names(old, new, name).into_iter().filter(|name| *name != EventName::MergeRequest).collect()
        };
        assert_eq!(pushes('0', '1', "refs/heads/a"), [EventName::Create, EventName::Push]);
        assert_eq!(pushes('1', '2', "refs/heads/a"), [EventName::Push]);
        assert_eq!(pushes('1', '0', "refs/heads/a"), [EventName::Push, EventName::Delete]);
        assert_eq!(pushes('0', '1', "refs/tags/a"), [EventName::Create, EventName::TagPush]);
    }

    #[test]
    fn what_may_tell_of_reviews_and_comments_is_told_from_the_name() {
        use EventName::{MergeRequest, Note};
        assert!(names('1', '2', "refs/heads/a").contains(&MergeRequest), "it may be a review's branch");
        assert_eq!(names('1', '2', "refs/notes/commits"), [Note]);
        assert_eq!(names('1', '2', "refs/notes/devtools/discuss"), [MergeRequest, Note]);
        assert_eq!(names('1', '2', "refs/pull/1/head"), [MergeRequest]);
    }

    #[test]
    fn bad_27_57_to_63_of_other_refs_there_is_no_event() {
        for name in ["refs/notes", "refs/heads", "refs/changes/1/1", "refs/meta/config", "refs/stash", "refs/x", "HEAD"]
        {
            assert_eq!(names('0', '1', name), [], "{name}");
            assert!(!can_tell_of(&RefName::new(name)), "{name}");
        }
        assert!(can_tell_of(&RefName::new("refs/heads/a")) && can_tell_of(&RefName::new("refs/tags/a")));
    }
}
