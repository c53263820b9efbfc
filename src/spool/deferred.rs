//! Pushes that wait for a target to be configured rightly: receipts, each for one target, which nobody but that target's
//! own turn reads.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::name::{is_whole_push_of_version_1, parse};
use super::push::Receipt;
use super::queue::Queue;
use super::queued::Record;
use super::record::{self, Text};
use super::sequence::number;
use super::{Spool, move_aside};
use crate::files::{FileError, Folder, Unfit};
use crate::message;
use crate::target::TargetName;

/// A push that waits for one target.
#[derive(Debug)]
pub struct Deferred {
    /// Its number.
    pub sequence: u64,
    /// The push.
    pub receipt: Receipt,
    /// The name of the target, as it was in the configuration.
    pub target: TargetName,
    /// Scheme, host and port of the target's address, where that was right.
    pub origin: Option<String>,
    folder: Folder,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Form {
    target: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    receipt: Receipt,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Queue {
    /// Writes down a push for a target that cannot tell yet what it wants of it.
    ///
    /// # Errors
    /// Where that cannot be made durable.
    pub fn defer(
        &self,
        target: &TargetName,
        origin: Option<&str>,
        sequence: u64,
        receipt: &Receipt,
    ) -> Result<(), FileError> {
        let form = Form {
            target: Text::new(target.as_bytes()),
            origin: origin.map(String::from),
            receipt: receipt.clone(),
            unknown: Map::new(),
        };
        self.deferred.make()?.write_durably(receipt.name(sequence), &record::encode(&form))
    }

    /// The files of pushes that wait, those of programs before version 2 of the records included.
    pub(super) fn deferred_names(&self) -> Vec<(Folder, String)> {
        let names = self.deferred.names().unwrap_or_default().into_iter();
        let deferred = names.filter(|name| number(name).is_some()).map(|name| (self.deferred.clone(), name));
        let is_push = |name: &String| parse(name).is_some_and(|queued| is_whole_push_of_version_1(&queued));
        let names = self.directory.names().unwrap_or_default().into_iter();
        deferred.chain(names.filter(is_push).map(|name| (self.directory.clone(), name))).collect()
    }

    /// How many pushes wait for the target to be configured rightly.
    pub fn deferred_count(&self) -> usize {
        self.deferred_names().len()
    }

    /// The pushes that wait, in order. What is none is set aside.
    pub fn deferred(&self) -> Vec<Deferred> {
        let mut found = Vec::new();
        for (folder, name) in self.deferred_names() {
            match read(&folder, &name) {
                Ok(deferred) => found.push(deferred),
                Err(Unfit::Unsound(why)) => self.set_deferred_aside(&folder, &name, &why),
                Err(Unfit::Unreadable(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(Unfit::Unreadable(error)) => {
                    log::error!("{}", message::owner_can_read(folder.path().join(&name).display(), error));
                }
            }
        }
        found.sort_by_key(|deferred| deferred.sequence);
        found
    }

    fn set_deferred_aside(&self, folder: &Folder, name: &str, why: &str) {
        match move_aside(folder, name, &self.dead) {
            Ok(to) => log::error!("{}", message::was_set_aside(folder.path().join(name).display(), why, to.display())),
            Err(error) => log::error!("{error}"),
        }
    }

    /// Removes a push whose deliveries are all made or in the queue.
    ///
    /// Crash: they are durable before.
    pub fn remove_deferred(&self, deferred: &Deferred) {
        let removed = deferred.folder.open().and_then(|folder| folder.remove(&deferred.name));
        if let Err(error) = removed {
            let path = deferred.folder.path().join(&deferred.name);
            log::error!("{}", message::cannot_remove(path.display(), error));
        }
    }

    /// Brings pushes back that were set aside with the target; how many.
    ///
    /// # Errors
    /// Where one cannot be moved.
    pub fn restore_deferred(&self) -> Result<usize, FileError> {
        let mut count = 0;
        for name in self.dead.names().unwrap_or_default() {
            if read(&self.dead, &name).is_ok() {
                move_to(&self.dead, &name, &self.deferred)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Hands the pushes that wait here to another target's queue.
    ///
    /// # Errors
    /// Where one cannot be moved.
    pub fn hand_deferred_to(&self, other: &Self) -> Result<(), FileError> {
        self.deferred_names().iter().try_for_each(|(folder, name)| match folder.name() == self.deferred.name() {
            true => move_to(folder, name, &other.deferred),
            false => Ok(()),
        })
    }
}

impl Spool {
    /// The directory names of all targets for which pushes wait to be configured rightly.
    pub fn deferred(&self) -> Vec<String> {
        self.place("deferred").names().unwrap_or_default()
    }
}

fn move_to(from: &Folder, name: &str, to: &Folder) -> Result<(), FileError> {
    let error = |error| FileError::new(message::cannot_rename, &from.path().join(name), error);
    let directory = to.make()?;
    from.open().and_then(|from| from.rename(name, &directory, name)).map_err(error)?;
    directory.sync()
}

fn read(folder: &Folder, name: &str) -> Result<Deferred, Unfit> {
    let bytes = folder.open().map_err(Unfit::Unreadable)?.read(name)?;
    let unsound = |why: String| Unfit::Unsound(why);
    let sequence = number(name).ok_or_else(|| unsound(message::no_record_name().into()))?;
    let (folder, file) = (folder.clone(), name.to_owned());
    if parse(name).is_some() {
        let Record::Push(receipt) = record::decode(&bytes).map_err(unsound)? else {
            return Err(unsound(message::not_its_name().into()));
        };
        let target = TargetName::new(folder.name().as_bytes());
        return Ok(Deferred { sequence, receipt, target, origin: None, folder, name: file });
    }
    let form: Form = record::decode(&bytes).map_err(unsound)?;
    if form.receipt.name(sequence) != name {
        return Err(unsound(message::not_its_name().into()));
    }
    let target = form.target.bytes().ok_or_else(|| unsound(message::no_target_name().into()))?;
    let target = TargetName::new(target.into_owned());
    Ok(Deferred { sequence, receipt: form.receipt, target, origin: form.origin, folder, name: file })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::process::Environment;
    use crate::state_dir::StateDir;

    /// A queue for which pushes of these numbers wait, in a directory that goes with it.
    fn queue(numbers: &[u64]) -> (tempfile::TempDir, Queue) {
        let directory = tempfile::tempdir().unwrap();
        let target = TargetName::new("ci");
        let queue = Spool::new(StateDir::new(directory.path(), false)).queue(&target);
        for number in numbers {
            let receipt = Receipt::new(Vec::new(), &Environment::default(), &[]);
            queue.defer(&target, None, *number, &receipt).unwrap();
        }
        (directory, queue)
    }

    fn numbers(queue: &Queue) -> Vec<u64> {
        queue.deferred().iter().map(|deferred| deferred.sequence).collect()
    }

    #[test]
    fn pushes_wait_in_their_order_and_come_back_with_the_target() {
        let (_directory, queue) = queue(&[12, 3, 7]);
        assert_eq!(numbers(&queue), [3, 7, 12]);
        assert_eq!(queue.bury(true).unwrap(), Some(3));
        assert_eq!(queue.deferred_count(), 0);
        assert_eq!(queue.restore_deferred().unwrap(), 3);
        assert_eq!(numbers(&queue), [3, 7, 12]);
    }

    #[test]
    fn a_push_under_the_name_of_another_is_set_aside() {
        let (_directory, queue) = queue(&[1]);
        let (folder, name) = queue.deferred_names().remove(0);
        let other = folder.path().join(format!("{:012}.{}", 1, uuid::Uuid::nil()));
        fs::rename(folder.path().join(name), &other).unwrap();
        assert_eq!(numbers(&queue), [0; 0]);
        assert!(!other.exists());
    }
}
