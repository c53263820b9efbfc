//! Where intents, receipts and failed deliveries wait: written, claimed, settled, made dead letters, safe against a
//! crash at any line.
//!
//! Plain files below `webhook/v1` in the repository's directory, as mail queues keep theirs; `docs/reliability.md` has
//! the protocol, `docs/model` a checked model of it.

mod name;
mod record;
mod origin;
mod sequence;
mod identity;
mod push;
mod markers;
mod receipt;
mod since;
mod snapshot;
mod newest;
mod steps;
mod looks;
mod announce;
mod queued;
mod queue;
mod published;
mod deferred;
mod queue_index;
mod recovery;
mod intent;
mod reported;
mod reviews;
mod prune;
mod dead;
mod standing;
mod renamed;
mod copied;
#[cfg(fuzzing)]
pub mod fuzzing;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::files::{FileError, Folder, Unfit};
use crate::message;
use crate::process::{self, Locked, lock_within};
use crate::state_dir::StateDir;
use crate::target::TargetName;

pub use announce::IntentLines;
pub use dead::{DeadCount, DeadLetter};
pub use deferred::{Deferred, Taker};
pub use identity::Home;
pub use intent::{OwnIntent, ReadRefs, ReadUnkept};
pub use looks::Looks;
pub use push::{Asked, Receipt};
pub use queue::{Bodies, Queue};
pub use queue_index::QueueIndex;
pub use queued::{Addition, QueuedDelivery};
pub use receipt::{ClaimedIntent, OwnedReceipt};
pub use reviews::{BranchKey, ReviewChange, ReviewFile, Reviews, ReviewsState, branch_of};
pub use snapshot::{Filter, RefSnapshot};
pub use steps::{Step, Untold};

/// The spool of one repository. Nothing is created before the first record.
#[derive(Clone, Debug)]
pub struct Spool {
    state: StateDir,
    /// Which one it is, once that was read.
    known: Arc<origin::Known>,
}

impl Spool {
    /// The spool in a repository's state.
    pub fn new(state: StateDir) -> Self {
        Self { state, known: Arc::default() }
    }

    /// The state it is part of.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// What a file right in our directory holds; `None` where there is none yet.
    fn kept<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Unfit> {
        Self::kept_in(self.state.root(), name)
    }

    /// The same of a file in another directory of ours.
    fn kept_in<T: DeserializeOwned>(folder: &Folder, name: &str) -> Result<Option<T>, Unfit> {
        match folder.read(name) {
            Ok(bytes) => record::decode(&bytes).map(Some).map_err(Unfit::Unsound),
            Err(Unfit::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Opens a file and locks it, for which others are waited for so long; who has it longer has been stopped, and goes on beside.
    fn hold(folder: &Folder, name: &str, patience: Duration) -> Result<Result<Locked, File>, FileError> {
        let held = lock_within(folder.open_to_overwrite(name)?, patience);
        if held.is_err() {
            log::warn!("{}", message::locked_for(folder.path().join(name).display(), patience.as_secs()));
        }
        Ok(held)
    }

    /// Writes a scratch file where records would lie, as durably as a record, and tells whether locks hold there or why
    /// there are none. The file is gone again when this returns, and no directory is made.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn try_out(&self) -> Result<io::Result<bool>, FileError> {
        let root = self.state.root();
        let found = [self.state.spool(), root.clone()].iter().find_map(|folder| folder.open().ok());
        let above = root.base().map_err(|error| FileError::new(message::cannot_open, &root.path(), error));
        let directory = found.as_ref().map_or(above, Ok)?;
        let draft = directory.write_draft(b"scratch\n", true)?;
        let again = draft.reopen()?;
        let first = draft.reopen()?;
        Ok(process::keeps_out(first, again))
    }

    /// Whether anything was ever written down here; where that cannot be told, it may have been.
    pub fn is_there(&self) -> bool {
        !self.state.spool().open().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    fn place(&self, name: &str) -> Folder {
        self.state.spool().join(name)
    }

    /// The queue of one target.
    pub fn queue(&self, target: &TargetName) -> Queue {
        self.queue_in(&target.directory())
    }

    /// The same by the name of its directory.
    pub fn queue_in(&self, directory: &str) -> Queue {
        let folder = |name| self.place(name).join(directory);
        let (directory, dead, deferred) = (folder("queue"), folder("dead"), folder("deferred"));
        Queue { directory, dead, deferred, published: folder("published") }
    }

    /// The directory names of all queues, those of targets that are configured no more included.
    pub fn queues(&self) -> Vec<String> {
        self.place("queue").names().unwrap_or_default()
    }

    /// The directories that whoever pushes writes into, those that are not there yet too.
    pub fn directories(&self) -> Vec<PathBuf> {
        let names = ["intents", "refused", "receipts", "stuck", "settled", "pushes", "queue", "deferred"];
        let queues = ["queue", "deferred"].map(|name| self.place(name)).into_iter().flat_map(|place| {
            let names = place.names().unwrap_or_default();
            names.into_iter().map(move |name| place.join(name))
        });
        let places = names.map(|name| self.place(name)).into_iter().chain(queues);
        places.chain([self.state.spool()]).map(|folder| folder.path()).collect()
    }

    /// Makes dead letters of what waits for a target that is configured no more, given by its queue's directory name.
    ///
    /// Returns how many deliveries it was, or `None` where somebody is sending them at this moment.
    ///
    /// # Errors
    /// Where a file cannot be moved.
    pub fn make_all_dead(&self, directory: &str) -> Result<Option<usize>, FileError> {
        self.queue_in(directory).make_all_dead(false)
    }

    /// The same for a target that somebody removed a moment ago, which is not out of sight by accident.
    ///
    /// # Errors
    /// Where a file cannot be moved.
    pub fn make_all_dead_at_once(&self, directory: &str) -> Result<Option<usize>, FileError> {
        self.queue_in(directory).make_all_dead(true)
    }

    /// Moves a record that cannot be read as one to `dead`, never over another.
    fn make_record_dead(&self, directory: &str, name: &str, why: &str) {
        let from = self.place(directory);
        let to = self.place("dead").join(format!("_{directory}"));
        let path = from.path().join(name);
        match move_to_dead(&from, name, &to) {
            Ok(to) => log::error!("{}", message::was_made_dead(path.display(), why, to.display())),
            Err(error) => log::error!("'{}': {why}; {error}", path.display()),
        }
    }
}

/// Renames a file of one directory into another, under a name that nobody has there, and tells where it is.
fn move_to_dead(from: &Folder, name: &str, to: &Folder) -> Result<PathBuf, FileError> {
    let to = to.make()?;
    let from =
        from.open().map_err(|error| FileError::new(message::cannot_make_dead, &from.path().join(name), error))?;
    from.rename_to_free(name, &to)
}
