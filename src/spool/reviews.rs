//! Reviews that push options opened: one file for each source and target, and for each push that did something to them what
//! that was, from which its events are built.
//!
//! Everything follows from the receipts in the order of their numbers. Whoever comes first draws in what all of them did up to his
//! own; so numbers, and what is told, do not depend on which process that is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Spool;
use super::name::number;
use super::record;
use crate::event::{ReviewAction, ReviewRecord, ReviewState};
use crate::files::{Dir, FileError, Unfit};
use crate::message;
use crate::process::Locked;
use crate::ref_update::{ObjectId, RefName};
use crate::signature::sha256_hex;

/// The file that whoever draws something in has locked.
const LOCK: &str = ".lock";

/// The file that says up to which push all is drawn in.
const STATE: &str = ".state";

/// So much of a hash stands in a name.
const PREFIX: usize = 16;

/// How long somebody else may take to draw something in.
const PATIENCE: Duration = Duration::from_secs(10);

/// Up to which push reviews are known, and which numbers they have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReviewsState {
    /// The number of the last push that is drawn in.
    pub sequence: u64,
    /// The number given last, by namespace.
    pub last: BTreeMap<String, u32>,
    /// No lower number is given: what they were is not known any more.
    #[serde(default)]
    pub floor: u32,
}

/// What a push did to a review.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewChange {
    /// The namespace that its branches lie in.
    pub namespace: String,
    /// The receipt's line that did it.
    pub line: Uuid,
    /// What it did.
    pub action: ReviewAction,
    /// The review before; `None` where there was none.
    pub before: Option<ReviewRecord>,
    /// The review since.
    pub after: ReviewRecord,
}

/// A review's file, by what its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewFile {
    name: String,
}

/// The reviews, held by this process alone.
pub struct Reviews {
    directory: Dir,
    _lock: Option<Locked>,
}

impl ReviewFile {
    /// The name that a review has: `<source>.<target>.<head>.<state>`, so that those of a branch are found by one look at the
    /// directory, and of those that a target may have merged all but its own are passed over.
    fn of(namespace: &str, review: &ReviewRecord) -> Self {
        let state = match review.state {
            ReviewState::Opened => "opened",
            ReviewState::Closed => "closed",
            ReviewState::Merged => "merged",
        };
        let [source, target] = [&review.source, &review.target].map(|name| BranchKey::of(namespace, name).0);
        Self { name: format!("{source}.{target}.{}.{state}", review.head.get(..PREFIX).unwrap_or_default()) }
    }

    fn part(&self, at: usize) -> &str {
        self.name.split('.').nth(at).unwrap_or_default()
    }

    /// Whether its source may be this branch.
    pub fn is_from(&self, branch: &BranchKey) -> bool {
        self.part(0) == branch.0
    }

    /// Whether its target may be this branch.
    pub fn is_into(&self, branch: &BranchKey) -> bool {
        self.part(1) == branch.0
    }

    /// The beginning of its head.
    pub fn head(&self) -> &str {
        self.part(2)
    }

    /// What that is of a commit.
    pub fn head_of(id: &ObjectId) -> String {
        id.to_string()[..PREFIX].to_owned()
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.part(3) == "opened"
    }

    /// Whether it is merged.
    pub fn is_merged(&self) -> bool {
        self.part(3) == "merged"
    }
}

/// What stands for a branch in names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchKey(String);

impl BranchKey {
    /// That of a branch of a namespace.
    pub fn of(namespace: &str, branch: &str) -> Self {
        Self(sha256_hex(format!("{namespace}\0{branch}").as_bytes())[..PREFIX].to_owned())
    }
}

/// A ref's name as reviews have it.
pub fn branch_of(name: &RefName) -> String {
    name.short_text().into_owned()
}

impl Spool {
    /// Holds the reviews, so that nobody else changes them.
    ///
    /// # Errors
    /// Where their directory or the lock cannot be made.
    pub fn hold_reviews(&self) -> Result<Reviews, FileError> {
        let place = self.place("reviews");
        let lock = Self::hold(&place, LOCK, PATIENCE)?.ok();
        Ok(Reviews { directory: place.make()?, _lock: lock })
    }

    /// Whether any were ever opened here.
    pub fn has_reviews(&self) -> bool {
        self.place("reviews").open().is_ok()
    }

    /// The lowest number of a push that is not settled; `None` where all are.
    pub fn lowest_unsettled(&self) -> Option<u64> {
        let names = self.place("receipts").names().unwrap_or_default();
        names.iter().filter_map(|name| number(name)).min()
    }

    /// The files of all reviews; none where there are none yet.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn review_files(&self) -> Result<Vec<ReviewFile>, FileError> {
        let place = self.place("reviews");
        let names = place.names().map_err(|error| FileError::new(message::cannot_read, &place.path(), error))?;
        Ok(names.into_iter().filter(|name| name.split('.').count() == 4).map(|name| ReviewFile { name }).collect())
    }

    /// One of them; `None` where it is gone, or no sound record.
    pub fn review(&self, file: &ReviewFile) -> Option<ReviewRecord> {
        let bytes = self.place("reviews").read(&file.name).ok()?;
        record::decode(&bytes).ok()
    }

    /// What a push did to reviews, by its number; nothing where it did nothing, or that is not worked out yet.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn review_changes(&self, sequence: u64) -> Result<Vec<ReviewChange>, Unfit> {
        let place = self.place("reviews").join("pushes");
        Ok(Self::kept_in(&place, &journal(sequence))?.unwrap_or_default())
    }

    /// What pushes with higher numbers did to reviews, oldest first.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn review_changes_since(&self, sequence: u64) -> Result<Vec<ReviewChange>, Unfit> {
        let names = self.place("reviews").join("pushes").names().unwrap_or_default();
        let mut later: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        later.retain(|number| *number > sequence);
        later.sort_unstable();
        let changes = later.into_iter().map(|number| self.review_changes(number));
        changes.collect::<Result<Vec<_>, _>>().map(|all| all.into_iter().flatten().collect())
    }

    /// Removes what pushes with lower numbers did; reviews stay.
    pub(super) fn prune_reviews(&self, below: u64) {
        let Ok(place) = self.place("reviews").join("pushes").open() else { return };
        let names = place.names().unwrap_or_default();
        let is_old = |name: &&String| name.parse::<u64>().is_ok_and(|number| number < below);
        for name in names.iter().filter(is_old) {
            // It is looked for again with the next prune.
            drop(place.remove(name));
        }
    }
}

fn journal(sequence: u64) -> String {
    format!("{sequence:012}")
}

impl Reviews {
    /// How far all is drawn in; `None` where nothing is yet.
    pub fn state(&self) -> Option<ReviewsState> {
        record::decode(&self.directory.read(STATE).ok()?).ok()
    }

    /// Keeps what a push of this number did.
    ///
    /// Crash: it is on the disk before any review changes, and whoever comes next draws it in from there.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn keep(&self, sequence: u64, changes: &[ReviewChange]) -> Result<(), FileError> {
        self.directory.make("pushes")?.write_durably(journal(sequence), &record::encode(&changes))
    }

    /// Has the reviews be as they are since these changes; drawn in twice, they say the same.
    ///
    /// # Errors
    /// Where one cannot be made durable.
    pub fn draw_in(&self, changes: &[ReviewChange]) -> Result<(), FileError> {
        for ReviewChange { namespace, before, after, .. } in changes {
            let old = before.as_ref().map(|before| ReviewFile::of(namespace, before));
            let new = ReviewFile::of(namespace, after);
            self.directory.write_durably(&new.name, &record::encode(after))?;
            if let Some(old) = old.filter(|old| *old != new) {
                // It was removed before, where this is drawn in once more.
                drop(self.directory.remove(&old.name));
            }
        }
        Ok(())
    }

    /// Notes how far all is drawn in.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn set_state(&self, state: &ReviewsState) -> Result<(), FileError> {
        self.directory.write_durably(STATE, &record::encode(state))
    }
}
