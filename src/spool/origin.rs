//! What is written down of where a spool was made.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::record::{self, Text};
use crate::files::{Dir, Mark};

/// The file's name.
pub(super) const IDENTITY: &str = "identity";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct IdentityForm {
    /// Made once.
    pub(super) id: Uuid,
    /// Where the spool's directory was when it was made, by which a copy is noticed: a rename changes neither.
    pub(super) device: u64,
    pub(super) inode: u64,
    /// When that directory was made, in nanoseconds since 1970, for numbers are used again; `None` where nobody tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) born: Option<i64>,
    /// The repository's path then; `None` where an earlier program made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<Text>,
    /// The number of the newest receipt that somebody has said counts, whatever the refs show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accepted: Option<u64>,
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

impl IdentityForm {
    /// Whether it is this directory, as far as its file system tells.
    pub(super) fn was_made_in(&self, directory: &Mark) -> bool {
        let is_as_old = self.born.zip(directory.born).is_none_or(|(then, now)| then == now);
        is_as_old && directory.inode == self.inode
    }
}

/// The same with the directory that it was read in, once it was.
pub(super) type Known = Mutex<Option<(IdentityForm, Mark)>>;

/// What is written in a spool's directory; `None` where there is nothing, or nothing that can be read.
pub(super) fn read(directory: &Dir) -> Option<IdentityForm> {
    record::decode(&directory.read(IDENTITY).ok()?).ok()
}
