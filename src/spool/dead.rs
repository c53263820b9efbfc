//! Dead letters: what is tried no more, until a person redelivers it or drops it. Beside them lies which ones a person has
//! seen.

use std::collections::{HashMap, HashSet};
use std::io;

use uuid::Uuid;

use super::Spool;
use super::name::{body_name, number, parse};
use super::queued::QueuedDelivery;
use crate::files::{FileError, Folder};
use crate::message;
use crate::schedule::Queued;

/// The file with the names of the dead letters that a person has seen; no record is hidden.
const SEEN: &str = ".seen";

/// How many dead letters there are of one queue.
pub struct DeadCount {
    /// The name of the queue's directory; of intents and receipts it begins with `_`.
    pub directory: String,
    /// All of them.
    pub count: usize,
    /// Those that nobody has seen.
    pub unseen: usize,
}

/// The file of one dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The name of the queue's directory.
    pub directory: String,
    /// Its own name.
    pub file: String,
    /// The delivery's id; `None` of what is none.
    pub id: Option<Uuid>,
    /// Whether a person has seen it.
    pub is_seen: bool,
}

impl Spool {
    /// How many records lie in `dead`, by the queue they come from.
    pub fn dead(&self) -> Vec<DeadCount> {
        let count = |directory: String| {
            let letters = self.dead_in(&directory);
            let unseen = letters.iter().filter(|letter| !letter.is_seen).count();
            DeadCount { directory, count: letters.len(), unseen }
        };
        let mut dead: Vec<_> = self.dead_directories().into_iter().map(count).collect();
        dead.retain(|dead| dead.count > 0);
        dead
    }

    /// All dead letters, the oldest of each queue first.
    pub fn all_dead(&self) -> Vec<DeadLetter> {
        self.dead_directories().iter().flat_map(|directory| self.dead_in(directory)).collect()
    }

    /// The names of the directories that dead letters may lie in, in their order.
    pub fn dead_directories(&self) -> Vec<String> {
        let mut names = self.place("dead").names().unwrap_or_default();
        names.sort();
        names
    }

    fn dead_folder(&self, directory: &str) -> Folder {
        self.place("dead").join(directory)
    }

    pub(super) fn dead_in(&self, directory: &str) -> Vec<DeadLetter> {
        let folder = self.dead_folder(directory);
        let seen = seen_in(&folder);
        let is_record = |name: &String| name.starts_with(|c: char| c.is_ascii_digit()) && !name.ends_with(".body");
        let letter = |file: String| DeadLetter {
            directory: directory.into(),
            id: id_of(&file),
            is_seen: seen.contains(&file),
            file,
        };
        let mut names = folder.names().unwrap_or_default();
        names.sort();
        names.into_iter().filter(is_record).map(letter).collect()
    }

    /// Notes that a person has seen these.
    ///
    /// # Errors
    /// Where that cannot be written down.
    pub fn mark_seen(&self, letters: &[DeadLetter]) -> Result<(), FileError> {
        let mut seen: HashMap<_, HashSet<_>> = HashMap::new();
        for letter in letters {
            seen.entry(&letter.directory).or_default().insert(&letter.file);
        }
        for (directory, seen) in seen {
            // Those that are gone are forgotten.
            let of_queue = self.dead_in(directory).into_iter();
            let is_seen = |letter: &DeadLetter| letter.is_seen || seen.contains(&letter.file);
            let names: String = of_queue.filter(is_seen).map(|letter| letter.file + "\n").collect();
            self.dead_folder(directory).make()?.write_durably(SEEN, names.as_bytes())?;
        }
        Ok(())
    }

    /// Removes a dead letter for good. One that is gone by now was redelivered or dropped by somebody else.
    ///
    /// # Errors
    /// Where it stays.
    pub fn drop_dead(&self, letter: &DeadLetter) -> Result<(), FileError> {
        let folder = self.dead_folder(&letter.directory);
        let path = folder.path().join(&letter.file);
        let not_removed = |error| FileError::new(message::cannot_remove, &path, error);
        let directory = folder.open().map_err(not_removed)?;
        match directory.remove(&letter.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(not_removed(error)),
            _ => {}
        }
        // Most have theirs in the record.
        if let Some(queued) = parse_dead(&letter.file) {
            let _ = directory.remove(body_name(&queued.key));
        }
        Ok(())
    }

    /// Those of the dead letters that are `wanted` and can be read, each with the directory name of the queue it comes
    /// from.
    pub fn dead_letters(&self, wanted: impl Fn(Uuid) -> bool) -> Vec<(Uuid, String, QueuedDelivery)> {
        let mut found = Vec::new();
        for directory in self.dead_directories() {
            let queue = self.queue_in(&directory);
            let index = queue.index();
            let records = index.dead().filter(|id| wanted(*id));
            found.extend(records.filter_map(|id| Some((id, directory.clone(), queue.find(&index, id)?.1))));
        }
        found
    }
}

fn seen_in(folder: &Folder) -> HashSet<String> {
    let read = folder.read(SEEN).unwrap_or_default();
    String::from_utf8_lossy(&read).lines().map(String::from).collect()
}

/// A number may follow a dead letter's name, where two of one name became such.
fn parse_dead(file: &str) -> Option<Queued> {
    parse(&file.split('.').take(5).collect::<Vec<_>>().join("."))
}

fn id_of(file: &str) -> Option<Uuid> {
    number(file)?;
    file.split('.').nth(2)?.parse().ok()
}
