//! What the broker has taken, kept until its outcome comes: whoever acknowledges need not have it on a disk.

use super::name::{body_name, file_name, parse};
use super::queue::{Bodies, Queue};
use super::queued::{Addition, QueuedDelivery};
use super::Spool;
use crate::files::{FileError, Folder, Unfit};
use crate::message;
use crate::schedule::Queued;

impl Spool {
    /// The directory names of the queues of which something was published.
    pub fn published(&self) -> Vec<String> {
        let names = self.place("published").names().unwrap_or_default();
        names.into_iter().filter(|name| self.queue_in(name).has_published()).collect()
    }
}

impl Queue {
    /// Keeps deliveries that were published a moment ago, and were in no queue.
    ///
    /// Crash: the receipt is settled after this, and the log's line is later too, so until then they are published once more
    /// under their ids. Not synced: what a power cut takes from here the receipts still tell, and the broker mostly has.
    ///
    /// # Errors
    /// Where one cannot be written.
    pub fn keep_published(&self, additions: &[Addition], bodies: &Bodies) -> Result<(), FileError> {
        let directory = self.published.make_loosely()?;
        for (queued, draft) in self.drafts(&self.published, &directory, additions, bodies, false)? {
            draft.place(file_name(queued))?;
        }
        Ok(())
    }

    /// Takes a delivery that was published out of the queue; whether it is out.
    ///
    /// Crash: the record last, by which alone both are found. Not synced: a power cut may bring it back, to be published once
    /// more under its id.
    pub fn move_published(&self, from: &Queued, to: &Queued) -> bool {
        let moved = move_record(&self.directory, (from, file_name(from)), &self.published, to);
        moved.inspect_err(|error| log::error!("{error}")).is_ok()
    }

    fn has_published(&self) -> bool {
        self.published.names().is_ok_and(|names| names.iter().any(|name| parse(name).is_some()))
    }

    /// All that was published and has no outcome yet, in order; `next` of each is when it was published.
    pub fn published(&self) -> Vec<Queued> {
        let mut published: Vec<_> =
            self.published.names().unwrap_or_default().iter().filter_map(|name| parse(name)).collect();
        published.sort_unstable();
        published
    }

    /// Reads the record of one, and its body.
    ///
    /// # Errors
    /// Where it cannot be read, or is no sound record.
    pub fn load_published(&self, published: &Queued) -> Result<(QueuedDelivery, Vec<u8>), Unfit> {
        Self::load_from(&self.published, published)
    }
}

/// Moves a record to where `to` says, its body first.
fn move_record(from: &Folder, (queued, name): (&Queued, String), into: &Folder, to: &Queued) -> Result<(), FileError> {
    let into = into.make_loosely()?;
    let cannot = |error| FileError::new(message::cannot_rename, &from.path().join(&name), error);
    let directory = from.open().map_err(cannot)?;
    let body = body_name(&queued.key);
    if directory.look(&body).is_some() {
        directory.rename(&body, &into, &body).map_err(cannot)?;
    }
    directory.rename(&name, &into, file_name(to)).map_err(cannot)
}
