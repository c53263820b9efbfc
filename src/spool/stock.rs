//! What a target has in its queue and what was set aside, by id: for whoever asks for deliveries by name.

use std::collections::HashMap;

use uuid::Uuid;

use super::name::Name;
use super::queue::Queue;
use super::waiting::Record;
use crate::files::FileError;
use crate::message;

/// The records of a target, found by one look at its directories however many are asked for.
pub struct Stock {
    waiting: HashMap<Uuid, Name>,
    /// With the names of their files: a number may follow, where two of one name were set aside.
    aside: HashMap<Uuid, (String, Name)>,
}

impl Queue {
    /// Takes stock. While nobody else sends to the target, it stays true.
    pub fn stock(&self) -> Stock {
        let aside = |file: String| {
            let parts: Vec<_> = file.split('.').take(5).collect();
            let name = Name::parse(&parts.join(".")).filter(|name| !name.is_push())?;
            Some((name.id, (file, name)))
        };
        let names = self.dead.names().unwrap_or_default();
        Stock {
            waiting: self.list().into_iter().filter(|name| !name.is_push()).map(|name| (name.id, name)).collect(),
            aside: names.into_iter().filter_map(aside).collect(),
        }
    }

    /// A delivery that waits or was set aside, its record and its body; `None` where there is none of this id, or it is
    /// not sound.
    pub fn find(&self, stock: &Stock, id: Uuid) -> Option<(Name, Record, Vec<u8>)> {
        let aside = stock.aside.get(&id).map(|(_, name)| name);
        let places = [(&self.directory, stock.waiting(id)), (&self.dead, aside)];
        places.into_iter().find_map(|(folder, name)| {
            let (record, body) = Self::load_from(folder, name?).ok()?;
            Some((name?.clone(), record, body))
        })
    }

    /// Brings a delivery back that was set aside, under a name that is due; `None` where there is none of this id, or it is
    /// not sound and stays where it is. It was tried so many times: the name has what it had before the last attempt.
    ///
    /// Crash: the record first. Without its body it is set aside again, and both are found once more.
    ///
    /// # Errors
    /// Where a file cannot be moved.
    pub fn restore(&self, stock: &Stock, id: Uuid, attempts: u32) -> Result<Option<Name>, FileError> {
        let Some((file, name)) = stock.aside.get(&id).filter(|_| self.find(stock, id).is_some()) else {
            return Ok(None);
        };
        let back = Name { attempts: attempts.max(name.attempts), holds: false, cut_offs: 0, next: 0, ..name.clone() };
        let queue = self.directory.make()?;
        let dead = self.dead.open();
        let dead = dead.map_err(|error| FileError::new(message::cannot_bring_back, &self.dead.path(), error))?;
        let bring =
            |from: &str, to: &str| dead.rename(from, &queue, to).map_err(dead.error(message::cannot_bring_back, from));
        bring(file, &back.to_string())?;
        if dead.look(back.body()).is_some() {
            bring(&back.body(), &back.body())?;
        }
        queue.sync()?;
        Ok(Some(back))
    }
}

impl Stock {
    /// The ids of what was set aside.
    pub fn set_aside(&self) -> impl Iterator<Item = Uuid> {
        self.aside.keys().copied()
    }

    /// The name of what waits.
    pub fn waiting(&self, id: Uuid) -> Option<&Name> {
        self.waiting.get(&id)
    }
}
