//! What a target has in its queue and its dead letters, by id: for whoever asks for deliveries by name.

use std::collections::HashMap;

use uuid::Uuid;

use super::name::{body_name, file_name, is_whole_push_of_version_1, parse};
use super::queue::{Bodies, Queue, names_of_today};
use super::queued::{Addition, QueuedDelivery};
use crate::files::FileError;
use crate::message;
use crate::schedule::{Queued, Schedule};

/// The records of a target, found by one look at its directories however many are asked for.
pub struct QueueIndex {
    waiting: HashMap<Uuid, Queued>,
    /// With the names of their files: a number may follow, where two of one name became dead letters.
    dead: HashMap<Uuid, (String, Queued)>,
    published: HashMap<Uuid, Queued>,
}

impl Queue {
    /// Takes index. While nobody else sends to the target, it stays true.
    pub fn index(&self) -> QueueIndex {
        let dead = |file: String| {
            let parts: Vec<_> = file.split('.').take(5).collect();
            let queued = parse(&parts.join(".")).filter(|queued| !is_whole_push_of_version_1(queued))?;
            Some((queued.key.id, (file, queued)))
        };
        let names = names_of_today(&self.dead);
        QueueIndex {
            waiting: self.list().into_iter().map(|queued| (queued.key.id, queued)).collect(),
            dead: names.into_iter().filter_map(dead).collect(),
            published: self.published().into_iter().map(|queued| (queued.key.id, queued)).collect(),
        }
    }

    /// A delivery that waits, was published or is a dead letter, its record and its body; `None` where there is none of this id, or it is
    /// not sound.
    pub fn find(&self, index: &QueueIndex, id: Uuid) -> Option<(Queued, QueuedDelivery, Vec<u8>)> {
        let dead = index.dead.get(&id).map(|(_, queued)| queued);
        let places = [(&self.directory, index.waiting(id)), (&self.published, index.published(id)), (&self.dead, dead)];
        places.into_iter().find_map(|(folder, queued)| {
            let (waiting, body) = Self::load_from(folder, queued?).ok()?;
            Some((queued?.clone(), waiting, body))
        })
    }

    /// Puts a delivery into the queue that was published or is a dead letter, as one that somebody asked for once more.
    ///
    /// Crash: it is durable there before it goes where it was; where it is in both, it has one id.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn ask_again(&self, index: &QueueIndex, again: &Addition) -> Result<(), FileError> {
        self.put(std::slice::from_ref(again), &Bodies::default())?;
        let id = again.queued.key.id;
        if let Some(published) = index.published(id) {
            self.forget_published(published);
        }
        if let Some((file, queued)) = index.dead.get(&id) {
            let removed = self.dead.open().and_then(|directory| {
                // Few have one.
                let _ = directory.remove(body_name(&queued.key));
                directory.remove(file)
            });
            removed.map_err(|error| FileError::new(message::cannot_remove, &self.dead.path().join(file), error))?;
        }
        Ok(())
    }

    /// Brings a dead letter back, due now, as one that somebody asked for after so many attempts; `None` where there is none
    /// of this id, or it is not sound and stays where it is.
    ///
    /// Crash: the record first. Without its body it becomes a dead letter again, and both are found once more.
    ///
    /// # Errors
    /// Where a file cannot be moved.
    pub fn restore(&self, index: &QueueIndex, id: Uuid, attempts: u32) -> Result<Option<Queued>, FileError> {
        let Some((file, queued)) = index.dead.get(&id).filter(|_| self.find(index, id).is_some()) else {
            return Ok(None);
        };
        let schedule = Schedule::asked_for(attempts.max(queued.schedule.attempts));
        let back = Queued { key: queued.key.clone(), schedule };
        let queue = self.directory.make_sure()?;
        let dead = self.dead.open();
        let dead = dead.map_err(|error| FileError::new(message::cannot_bring_back, &self.dead.path(), error))?;
        let bring =
            |from: &str, to: &str| dead.rename(from, &queue, to).map_err(dead.error(message::cannot_bring_back, from));
        bring(file, &file_name(&back))?;
        let body = body_name(&back.key);
        if dead.look(&body).is_some() {
            bring(&body, &body)?;
        }
        queue.sync()?;
        Ok(Some(back))
    }
}

impl QueueIndex {
    /// The ids of the dead letters.
    pub fn dead(&self) -> impl Iterator<Item = Uuid> {
        self.dead.keys().copied()
    }

    /// What the broker took under this id, and of which no outcome has come.
    pub fn published(&self, id: Uuid) -> Option<&Queued> {
        self.published.get(&id)
    }

    /// What waits under this id.
    pub fn waiting(&self, id: Uuid) -> Option<&Queued> {
        self.waiting.get(&id)
    }
}
