//! What the broker has taken, until its outcome comes: whoever acknowledges need not have it on a disk, so what is heard of no
//! more is published again from here.

use std::collections::HashSet;

use uuid::Uuid;

use super::name::{body_name, file_name, parse};
use super::queue::{Bodies, Queue};
use super::queued::{Addition, QueuedDelivery};
use super::{Spool, move_to_dead};
use crate::delivery::Delivery;
use crate::files::{FileError, Folder, Unfit};
use crate::message;
use crate::process::Locked;
use crate::schedule::{Queued, Schedule};

/// The file that whoever asks for outcomes has locked.
const LOCK: &str = ".asking";

impl Spool {
    /// Becomes the one that asks what came of what was published; `None` where somebody else does.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn lock_published(&self) -> Result<Option<Locked>, FileError> {
        self.place("published").lock(LOCK)
    }

    /// The ids of all that was published and has no last outcome.
    pub fn published_ids(&self) -> HashSet<Uuid> {
        let of_queue = |name: &String| self.queue_in(name).published();
        self.published().iter().flat_map(of_queue).map(|published| published.key.id).collect()
    }

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

    /// Brings a delivery of which nothing is heard back into the queue, to be published in its turn.
    ///
    /// Crash: it is durable there before it goes here; where it is in both, it has one id.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    pub fn publish_again(&self, published: &Queued, delivery: &Delivery) -> Result<(), FileError> {
        let queued = Queued { key: published.key.clone(), schedule: Schedule::asked_for(published.schedule.attempts) };
        self.put(&[Addition::of(queued, delivery)], &Bodies::default())?;
        self.forget_published(published);
        Ok(())
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

    /// Removes one of which the outcome has come.
    ///
    /// Crash: the log has the outcome. Not synced: what comes back is looked up once more.
    pub fn forget_published(&self, published: &Queued) {
        let removed = self.published.open().and_then(|directory| {
            directory.remove(file_name(published))?;
            // Few have one.
            let _ = directory.remove(body_name(&published.key));
            Ok(())
        });
        if let Err(error) = removed {
            let path = self.published.path().join(file_name(published));
            log::error!("{}", message::cannot_remove(path.display(), error));
        }
    }

    /// Moves one that is tried no more to `dead`.
    pub fn make_published_dead(&self, published: &Queued, why: &str) {
        let name = file_name(published);
        let body = body_name(&published.key);
        let has_body = self.published.look(&body).is_some();
        let moved = move_to_dead(&self.published, &name, &self.dead);
        let moved = moved.and_then(|to| match has_body {
            true => move_to_dead(&self.published, &body, &self.dead).map(|_| to),
            false => Ok(to),
        });
        match moved {
            Ok(to) => log::error!("{}", message::was_made_dead(name, why, to.display())),
            Err(error) => log::error!("{error}"),
        }
    }

    /// Notes how many attempts of a worker the log knows, where the file's name has those that were ambiguous.
    pub fn note_tried(&self, published: &Queued, attempts: u32) {
        let schedule = Schedule { ambiguous: attempts, ..published.schedule };
        let (from, to) = (file_name(published), file_name(&Queued { schedule, ..published.clone() }));
        let renamed = self.published.open().and_then(|directory| directory.rename(&from, &directory, &to));
        if let Err(error) = renamed {
            log::warn!("{}", message::cannot_rename_in(from, self.published.path().display(), error));
        }
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
