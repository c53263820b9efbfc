//! Where intents, receipts and failed deliveries wait: written, claimed, settled, set aside, safe against a crash at any
//! line.
//!
//! Plain files below `webhook/v1` in the repository's directory, as mail queues keep theirs; `docs/reliability.md` has
//! the protocol, `docs/model` a checked model of it.

mod file;
mod name;
mod record;
mod sequence;
mod receipt;
mod waiting;
mod queue;
mod stock;
mod picture;
mod standing;
mod intent;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::message;
use crate::process;

pub use file::{FileError, Modes, Unfit};
pub use intent::ReadRefs;
pub use name::{Name, WHOLE, ref_key};
pub use picture::Picture;
pub use queue::{Bodies, Queue, Rest};
pub use receipt::{Intent, Owned, Receipt};
pub use record::Line;
pub use stock::Stock;
pub use waiting::{Addition, Origin, Record, Waiting, ref_text};

/// The spool of one repository. Nothing is created before the first record.
#[derive(Clone, Debug)]
pub struct Spool {
    root: PathBuf,
    modes: Modes,
}

impl Spool {
    /// The spool of the repository at `common_dir`; `shared` where `core.sharedRepository` is group or wider.
    pub fn new(common_dir: &Path, shared: bool) -> Self {
        let root = common_dir.join("webhook");
        let modes = Modes::new(&root, shared);
        Self { root, modes }
    }

    /// The same where the configuration cannot be read: shared if the directory that is there is.
    pub fn found(common_dir: &Path) -> Self {
        let mode = fs::metadata(common_dir.join("webhook")).map_or(0, |metadata| metadata.permissions().mode());
        Self::new(common_dir, mode & 0o070 == 0o070)
    }

    /// `webhook` in the repository's directory, which holds all our state.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How our files are made.
    pub fn modes(&self) -> Modes {
        self.modes
    }

    /// Writes a scratch file where records would lie, as durably as a record, and tells whether locks hold there or why
    /// there are none. The file is gone again when this returns, and no directory is made.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn try_out(&self) -> Result<io::Result<bool>, FileError> {
        let places = [self.place(""), self.root.clone()];
        let above = self.root.parent().unwrap_or(&self.root).to_path_buf();
        let directory = places.into_iter().find(|place| place.is_dir()).unwrap_or(above);
        let draft = self.modes.write_temporary(&directory, b"scratch\n", true)?;
        let again = draft.reopen()?;
        let first = draft.reopen()?;
        Ok(process::keeps_out(first, again))
    }

    fn place(&self, name: &str) -> PathBuf {
        self.root.join("v1").join(name)
    }

    /// The queue of one target.
    pub fn queue(&self, target: &str) -> Queue {
        self.queue_in(&slug(target))
    }

    /// The same by the name of its directory.
    pub fn queue_in(&self, directory: &str) -> Queue {
        Queue::new(self.place("queue").join(directory), self.place("dead").join(directory), self.modes)
    }

    /// The directory names of all queues, those of targets that are configured no more included.
    pub fn queues(&self) -> Vec<String> {
        file::names(&self.place("queue")).unwrap_or_default()
    }

    /// How many records lie in `dead`, by the name of the queue they come from; those of intents and receipts begin
    /// with `_`.
    pub fn dead(&self) -> Vec<(String, usize)> {
        let directory = self.place("dead");
        let count = |name: String| {
            let records = file::names(&directory.join(&name)).unwrap_or_default();
            let records = records.iter().filter(|name| name.starts_with(|c: char| c.is_ascii_digit()));
            (name, records.filter(|name| !name.ends_with(".body")).count())
        };
        let mut dead: Vec<_> = file::names(&directory).unwrap_or_default().into_iter().map(count).collect();
        dead.retain(|(_, count)| *count > 0);
        dead.sort();
        dead
    }

    /// The ids of the deliveries that lie in `dead`.
    pub fn dead_ids(&self) -> HashSet<Uuid> {
        let directory = self.place("dead");
        let names = file::names(&directory).unwrap_or_default();
        let records = names.iter().flat_map(|name| file::names(&directory.join(name)).unwrap_or_default());
        records.filter_map(|record| record.split('.').nth(2)?.parse().ok()).collect()
    }

    /// Those of the deliveries that were set aside that are `wanted` and can be read, each with the directory name of the
    /// queue it comes from.
    pub fn set_aside(&self, wanted: impl Fn(Uuid) -> bool) -> Vec<(Uuid, String, Waiting)> {
        let mut found = Vec::new();
        for (directory, _) in self.dead() {
            let queue = self.queue_in(&directory);
            let stock = queue.stock();
            let records = stock.set_aside().filter(|id| wanted(*id)).filter_map(|id| match queue.find(&stock, id)?.1 {
                Record::Delivery(waiting) => Some((id, directory.clone(), waiting)),
                Record::Push(_) => None,
            });
            found.extend(records);
        }
        found
    }

    /// Sets aside what waits for a target that is configured no more, given by its queue's directory name.
    ///
    /// Returns how many deliveries it was, or `None` where somebody is sending them at this moment.
    ///
    /// # Errors
    /// Where a file cannot be moved.
    pub fn bury(&self, directory: &str) -> Result<Option<usize>, FileError> {
        self.queue_in(directory).bury(false)
    }

    /// The same for a target that somebody removed a moment ago, which is not out of sight by accident.
    ///
    /// # Errors
    /// Where a file cannot be moved.
    pub fn bury_at_once(&self, directory: &str) -> Result<Option<usize>, FileError> {
        self.queue_in(directory).bury(true)
    }

    /// Removes settled receipts of days before `day` (`2026-11-22`), and what was left half written.
    pub fn prune(&self, day: &str) {
        if let Err(error) = self.fold_into_picture(day) {
            return log::error!("{}", message::settled_kept(error));
        }
        let settled = self.place("settled");
        for name in file::names(&settled).unwrap_or_default() {
            if name.as_str() < day
                && let Err(error) = fs::remove_dir_all(settled.join(&name))
            {
                log::warn!("{}", message::cannot_remove_settled(name, error));
            }
        }
        for directory in ["intents", "receipts"] {
            file::remove_leftovers(&self.place(directory));
        }
    }

    /// Moves a record that cannot be read as one to `dead`, never over another.
    fn set_file_aside(&self, path: &Path, from: &str, why: &str) {
        let outcome = file::set_aside(path, &self.place("dead").join(from), self.modes);
        match outcome {
            Ok(to) => log::error!("{}", message::was_set_aside(path.display(), why, to.display())),
            Err(error) => log::error!("'{}': {why}; {error}", path.display()),
        }
    }
}

/// The name of a target's directory: its own, which is plain where it is valid, else one made of its hash.
fn slug(target: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if target.starts_with(|c: char| c.is_ascii_alphanumeric()) && target.chars().all(is_plain) && target.len() <= 64 {
        return target.into();
    }
    format!("_{}", &crate::signature::sha256_hex(target.as_bytes())[..16])
}
