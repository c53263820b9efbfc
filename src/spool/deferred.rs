//! Pushes that wait for a target to be configured rightly: receipts, each for one target, which nobody but that target's
//! own turn reads.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::name::{is_whole_push_of_version_1, number, parse};
use super::push::Receipt;
use super::queue::Queue;
use super::queued::Record;
use super::record::{self, Text};
use super::{Spool, move_to_dead};
use crate::files::{FileError, Folder, Unfit};
use crate::message;
use crate::target::{TargetName, is_of_wrong_name};

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
    /// Whether a program before version 2 of the records wrote it, which did not write down whom it waits for.
    pub is_of_version_1: bool,
    folder: Folder,
    name: String,
    unknown: Map<String, Value>,
}

/// Who gets pushes that waited for another name.
pub struct Taker<'a> {
    /// Where they wait from now on.
    pub queue: Queue,
    /// Whom they wait for.
    pub target: &'a TargetName,
    /// Scheme, host and port of the target's address, where that is right.
    pub origin: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct DeferredForm {
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
        let form = DeferredForm {
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

    /// Whether nothing waits for the target, found without reading the whole of its queue.
    pub fn is_empty(&self) -> bool {
        // Those of version 1 lie in the queue.
        self.is_empty_but_for_deferred()
            && !self.deferred.names().unwrap_or_default().iter().any(|name| number(name).is_some())
    }

    /// Makes dead letters of all of it, for a target that is configured no more; `None` where somebody is sending.
    pub(super) fn make_all_dead(&self, at_once: bool) -> Result<Option<usize>, FileError> {
        if self.is_empty() {
            return Ok(Some(0));
        }
        let Some(_lock) = self.lock()? else { return Ok(None) };
        let (queue, deferred) = (self.list(), self.deferred_count());
        if queue.len() + deferred == 0 || !(at_once || self.is_unknown_for_long()?) {
            return Ok(Some(0));
        }
        // One step, however many wait; where earlier ones lie there already, one after another.
        if !queue.is_empty() && !self.directory.move_to(&self.dead)? {
            for queued in &queue {
                self.make_dead(queued, message::target_gone());
            }
        }
        // Those of version 1 lay in the queue and may have gone with it.
        for (folder, name) in self.deferred_names() {
            if let Err(error) = move_to_dead(&folder, &name, &self.dead) {
                log::error!("{error}");
            }
        }
        Ok(Some(queue.len() + deferred))
    }

    /// How many pushes wait for the target to be configured rightly.
    pub fn deferred_count(&self) -> usize {
        self.deferred_names().len()
    }

    /// The pushes that wait, in order. What is none becomes a dead letter.
    pub fn deferred(&self) -> Vec<Deferred> {
        let mut found = Vec::new();
        for (folder, name) in self.deferred_names() {
            match read(&folder, &name) {
                Ok(deferred) => found.push(deferred),
                Err(Unfit::Unsound(why)) => self.make_deferred_dead(&folder, &name, &why),
                Err(Unfit::Unreadable(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(Unfit::Unreadable(error)) => {
                    log::error!("{}", message::owner_can_read(folder.path().join(&name).display(), error));
                }
            }
        }
        found.sort_by_key(|deferred| deferred.sequence);
        found
    }

    /// Moves a push that waits to `dead`.
    pub(super) fn make_push_dead(&self, push: &Deferred, why: &str) {
        self.make_deferred_dead(&push.folder, &push.name, why);
    }

    fn make_deferred_dead(&self, folder: &Folder, name: &str, why: &str) {
        match move_to_dead(folder, name, &self.dead) {
            Ok(to) => log::error!("{}", message::was_made_dead(folder.path().join(name).display(), why, to.display())),
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

    /// The pushes that waited and became dead letters with the target, in order.
    pub fn dead_pushes(&self) -> Vec<Deferred> {
        let names = self.dead.names().unwrap_or_default();
        // Beside them lie the dead letters that are deliveries, of which there may be many.
        let is_push = |name: &&String| match parse(name) {
            Some(queued) => is_whole_push_of_version_1(&queued),
            None => number(name).is_some() && name.split_once('.').is_some_and(|(_, id)| Uuid::try_parse(id).is_ok()),
        };
        let mut found: Vec<_> = names.iter().filter(is_push).filter_map(|name| read(&self.dead, name).ok()).collect();
        found.sort_by_key(|push| push.sequence);
        found
    }

    /// The push that came last of those that wait or are dead letters.
    pub fn newest_deferred(&self) -> Option<Deferred> {
        let mut names = [self.deferred_names(), self.dead_names()].concat();
        names.sort_by_key(|(_, name)| number(name));
        names.into_iter().rev().find_map(|(folder, name)| read(&folder, &name).ok())
    }

    /// Gives each of the takers what waits here; and the dead letters, which stay such there. `false` where somebody
    /// else is at it.
    ///
    /// Crash: theirs are durable before these go, and have the same names if they are made twice.
    ///
    /// # Errors
    /// Where one cannot be made durable.
    pub fn hand_deferred_to(&self, takers: &[Taker<'_>]) -> Result<bool, FileError> {
        let Some(_lock) = self.lock()? else { return Ok(false) };
        let waiting = self.deferred_names().into_iter().map(|place| (place, false));
        for ((folder, name), is_dead) in waiting.chain(self.dead_names().into_iter().map(|place| (place, true))) {
            let Ok(push) = read(&folder, &name) else { continue };
            for taker in takers {
                let form = DeferredForm {
                    target: Text::new(taker.target.as_bytes()),
                    origin: taker.origin.clone(),
                    receipt: push.receipt.clone(),
                    unknown: push.unknown.clone(),
                };
                let to = if is_dead { &taker.queue.dead } else { &taker.queue.deferred };
                to.make()?.write_durably(push.receipt.name(push.sequence), &record::encode(&form))?;
            }
            self.remove_deferred(&push);
        }
        Ok(true)
    }

    /// The files of the dead letters, where nothing but pushes is: no target is called so that it has deliveries.
    fn dead_names(&self) -> Vec<(Folder, String)> {
        let names = self.dead.names().unwrap_or_default().into_iter().filter(|name| number(name).is_some());
        names.map(|name| (self.dead.clone(), name)).collect()
    }
}

impl Spool {
    /// The directory names of all targets for which pushes wait to be configured rightly.
    pub fn deferred(&self) -> Vec<String> {
        self.place("deferred").names().unwrap_or_default()
    }

    /// The directory names of what waits for targets.
    pub fn waiting(&self) -> BTreeSet<String> {
        self.queues().into_iter().chain(self.deferred()).collect()
    }

    /// The directory names of what waits, or is a dead letter, for targets whose names are wrong; `waiting` are those of all that
    /// waits.
    pub fn of_wrong_names(&self, waiting: &BTreeSet<String>) -> BTreeSet<String> {
        let dead = self.place("dead").names().unwrap_or_default();
        waiting.iter().cloned().chain(dead).filter(|name| is_of_wrong_name(name)).collect()
    }
}

fn read(folder: &Folder, name: &str) -> Result<Deferred, Unfit> {
    let (bytes, owner) = folder.read_with_owner(name)?;
    let unsound = |why: String| Unfit::Unsound(why);
    let sequence = number(name).ok_or_else(|| unsound(message::no_record_name().into()))?;
    let (folder, file) = (folder.clone(), name.to_owned());
    if parse(name).is_some() {
        let Record::Push(receipt) = record::decode(&bytes).map_err(unsound)? else {
            return Err(unsound(message::not_its_name().into()));
        };
        let target = TargetName::new(folder.name().as_bytes());
        let (origin, unknown, receipt) = (None, Map::new(), receipt.written_by(owner));
        return Ok(Deferred { sequence, receipt, target, origin, is_of_version_1: true, folder, name: file, unknown });
    }
    let form: DeferredForm = record::decode(&bytes).map_err(unsound)?;
    if form.receipt.name(sequence) != name {
        return Err(unsound(message::not_its_name().into()));
    }
    let target = form.target.bytes().ok_or_else(|| unsound(message::no_target_name().into()))?;
    let target = TargetName::new(target.into_owned());
    let DeferredForm { origin, receipt, unknown, .. } = form;
    let receipt = receipt.written_by(owner);
    Ok(Deferred { sequence, receipt, target, origin, is_of_version_1: false, folder, name: file, unknown })
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
    fn pushes_wait_in_their_order_and_become_dead_letters_with_the_target() {
        let (_directory, queue) = queue(&[12, 3, 7]);
        assert_eq!(numbers(&queue), [3, 7, 12]);
        assert_eq!(queue.make_all_dead(true).unwrap(), Some(3));
        assert_eq!(queue.deferred_count(), 0);
        assert_eq!(queue.dead_pushes().iter().map(|push| push.sequence).collect::<Vec<_>>(), [3, 7, 12]);
    }

    #[test]
    fn a_push_under_the_name_of_another_becomes_a_dead_letter() {
        let (_directory, queue) = queue(&[1]);
        let (folder, name) = queue.deferred_names().remove(0);
        let other = folder.path().join(format!("{:012}.{}", 1, uuid::Uuid::nil()));
        fs::rename(folder.path().join(name), &other).unwrap();
        assert_eq!(numbers(&queue), [0; 0]);
        assert!(!other.exists());
    }
}
