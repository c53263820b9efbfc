//! Reviews, which forges call merge requests or pull requests, and what happens to them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Commit, Time};
use crate::pusher::Pusher;
use crate::ref_update::{ObjectId, RefUpdate};

/// A branch that somebody wants to have merged into another, as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// A positive number below 2³¹, by which people speak of it.
    pub number: u32,
    /// One line.
    pub title: String,
    /// What comes after it; may be empty.
    pub description: String,
    /// The branch that is to be merged; another ref in full.
    pub source: String,
    /// The branch that it is to be merged into; another ref in full.
    pub target: String,
    /// Who opened it.
    pub author: Pusher,
    /// Who is asked to look at it.
    pub reviewers: Vec<Pusher>,
    /// When it was opened.
    pub created: Time,
    /// When it was last changed or commented on.
    pub updated: Time,
    /// What became of it.
    pub state: ReviewState,
    /// The commit to be merged.
    pub head: Arc<Commit>,
    /// The commit of the target that it builds on; `None` where there is none.
    pub base: Option<ObjectId>,
    /// How many commits it has.
    pub commits: u64,
    /// The commit that merged it; `None` where it was none of its own, or it is not merged.
    pub merge_commit: Option<ObjectId>,
    /// Whether it was accepted or rejected; `None` for neither.
    pub resolved: Option<bool>,
    /// Who commented on it, by their own account, once for each comment, with whether that accepts or rejects.
    pub commenters: Vec<(Pusher, Option<bool>)>,
    /// Why it was given up; empty where nobody says.
    pub reason: String,
}

impl Review {
    /// Whether its author says that it is not ready, by its title.
    pub fn is_draft(&self) -> bool {
        is_draft(&self.title)
    }
}

/// What is kept of a review that was opened by a push option, at one moment: what its events are built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRecord {
    /// As in [`Review`].
    pub number: u32,
    /// The namespace that its branches lie in; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// As in [`Review`].
    pub title: String,
    /// As in [`Review`].
    pub description: String,
    /// The source's name without `refs/heads/`.
    pub source: String,
    /// The target's in the same way.
    pub target: String,
    /// As in [`Review`].
    pub author: Pusher,
    /// When it was opened, in seconds since 1970.
    pub created: i64,
    /// When something happened to it last.
    pub updated: i64,
    /// As in [`Review`].
    pub state: ReviewState,
    /// The commit to be merged, in hexadecimal.
    pub head: String,
    /// The commit of the target that it builds on, in hexadecimal; empty for none.
    pub base: String,
    /// As in [`Review`].
    pub commits: u64,
    /// As in [`Review`], in hexadecimal; empty for none.
    pub merge_commit: String,
}

/// What became of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Nothing yet.
    Opened,
    /// Its author gave it up.
    Closed,
    /// Its target has its commits.
    Merged,
}

/// What happened to a review.
#[derive(Clone, Debug)]
pub struct MergeRequest {
    /// What was pushed.
    pub update: RefUpdate,
    /// The review, as it is since.
    pub review: Review,
    /// The same before, where it was there.
    pub before: Option<Review>,
    /// What happened.
    pub action: ReviewAction,
    /// What was said with a verdict; may be empty.
    pub said: String,
    /// How much it changes; `None` where nobody wants to know, or it cannot be read.
    pub size: Option<ReviewSize>,
}

/// How much a review changes, from its base to its head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReviewSize {
    /// Files that differ; one that moved as it is counts once.
    pub files: usize,
    /// Lines that are new.
    pub added: usize,
    /// Lines that are gone.
    pub removed: usize,
}

impl MergeRequest {
    /// The commit that was to be merged before, where it is another now.
    pub fn old_head(&self) -> Option<ObjectId> {
        let old = self.before.as_ref()?.head.id;
        (self.review.head.id != old).then_some(old)
    }
}

/// What happens to reviews.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewAction {
    /// Somebody asks for it.
    Open,
    /// It has another head, text or target, or other reviewers.
    Update,
    /// Its target has its commits.
    Merge,
    /// Its author gave it up.
    Close,
    /// It is open again.
    Reopen,
    /// It is accepted.
    Approve,
    /// It is accepted no more.
    Unapprove,
    /// It is rejected.
    RequestChanges,
    /// It is rejected no more.
    WithdrawChanges,
}

impl ReviewAction {
    /// A word for it, by which two events of one review are told apart.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Update => "update",
            Self::Merge => "merge",
            Self::Close => "close",
            Self::Reopen => "reopen",
            Self::Approve => "approve",
            Self::Unapprove => "unapprove",
            Self::RequestChanges => "request_changes",
            Self::WithdrawChanges => "withdraw_changes",
        }
    }
}

fn is_draft(title: &str) -> bool {
    let title = title.trim_start().trim_start_matches(['[', '(']).to_ascii_lowercase();
    let rest = title.strip_prefix("draft").or_else(|| title.strip_prefix("wip"));
    rest.is_some_and(|rest| rest.trim_start().starts_with([':', ']', ')', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_says_so_in_front_of_its_title() {
        for title in ["Draft: x", "[Draft] x", "(draft) x", "WIP: x", "[WIP] x", "wip - x"] {
            assert!(is_draft(title), "{title}");
        }
        for title in ["Drafting table", "x", "wipe it", ""] {
            assert!(!is_draft(title), "{title}");
        }
    }
}
