//! How each target stands, and what was told of that: two files beside its queue, for each has a writer of its own.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::queue::{STANDING, TOLD};
use super::record;
use super::{Queue, Spool};
use crate::files::FileError;
use crate::process::Locked;
use crate::standing::{Standing, Told};

/// The file that whoever tells has locked.
const TELLING: &str = "telling";

impl Spool {
    /// Becomes the one that tells of this repository's targets; `None` where somebody else does.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn lock_telling(&self) -> Result<Option<Locked>, FileError> {
        self.state.spool().lock(TELLING)
    }

    /// The names of those dead letters of a queue that no person has seen.
    pub fn unseen_dead(&self, queue: &Queue) -> HashSet<String> {
        let letters = self.dead_in(&queue.directory_name()).into_iter();
        letters.filter(|letter| !letter.is_seen).map(|letter| letter.file).collect()
    }
}

impl Queue {
    /// How the target stands.
    pub fn standing(&self) -> Standing {
        self.noted(STANDING)
    }

    /// What was told of it last.
    pub fn told(&self) -> Told {
        self.noted(TOLD)
    }

    /// What cannot be read counts as nothing: somebody is told once more then, and the file is written anew.
    fn noted<T: Default + DeserializeOwned>(&self, name: &str) -> T {
        self.directory.read(name).ok().and_then(|bytes| record::decode(&bytes).ok()).unwrap_or_default()
    }

    /// Notes how the target stands.
    ///
    /// Crash: not synced. What a power cut takes is learned again from the next failures.
    pub fn set_standing(&self, standing: &Standing) {
        if let Err(error) = self.note(STANDING, &record::encode(standing)) {
            log::warn!("{error}");
        }
    }

    /// Notes what was told of the target.
    ///
    /// Crash: not synced. What a power cut takes is told once more.
    ///
    /// # Errors
    /// Where it cannot be written: nothing is to be told then, or it would be told at each push.
    pub fn set_told(&self, told: &Told) -> Result<(), FileError> {
        self.note(TOLD, &record::encode(told))
    }

    fn note(&self, name: &str, record: &[u8]) -> Result<(), FileError> {
        self.directory.make_loosely()?.write_loosely(name, record)
    }
}
