//! Comments on commits and on reviews.

use std::sync::Arc;

use super::{Commit, Review, Time};
use crate::pusher::Pusher;
use crate::ref_update::{ObjectId, RefUpdate};

/// A comment.
#[derive(Clone, Debug)]
pub struct Note {
    /// What was pushed: the ref that holds the notes.
    pub update: RefUpdate,
    /// A positive number below 2⁵³, which any JSON parser reads.
    pub number: u64,
    /// What it said before, where it takes the place of that.
    pub replaces: Option<String>,
    /// What it says.
    pub text: String,
    /// Who says it, by their own account.
    pub author: Pusher,
    /// When it was first said.
    pub created: Time,
    /// When it got this text.
    pub updated: Time,
    /// The commit it is about.
    pub commit: Arc<Commit>,
    /// The review it belongs to; `None` for a comment on a commit by itself.
    pub review: Option<Review>,
    /// The place in the commit that it is about.
    pub place: Option<Place>,
    /// The id of the discussion it is part of, 40 hexadecimal digits.
    pub discussion: String,
    /// The number of the comment that it answers.
    pub answers: Option<u64>,
    /// Whether it accepts or rejects the review.
    pub resolved: Option<bool>,
}

/// A line of a file as a commit, or a review up to it, has changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: String,
    /// Its line, from 1; `None` for the whole file.
    pub line: Option<u32>,
    /// The commit in which it has that line.
    pub head: ObjectId,
    /// The commit that it is compared with; `None` for nothing.
    pub base: Option<ObjectId>,
    /// The line within the difference; `None` where that does not show it.
    pub in_diff: Option<LineInDiff>,
    /// How the file differs; `None` where it does not, or is not text.
    pub diff: Option<FileDiff>,
}

/// Where a line stands in a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineInDiff {
    /// The old line at this place, from 1, or 0.
    pub old: u32,
    /// The new line, from 1.
    pub new: u32,
    /// Whether it was there before.
    pub is_context: bool,
    /// How many lines it stands below the first hunk's head, from 1.
    pub position: u32,
    /// The hunk up to this line, with its head.
    pub hunk: String,
}

/// How a file differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    /// As `git diff` writes it, from `---` on.
    pub text: String,
    /// Its mode before, in octal digits; 0 where it was not there.
    pub old_mode: u32,
    /// Its mode since; 0 where it is gone.
    pub new_mode: u32,
}
