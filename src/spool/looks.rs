//! What a timer saw when it compared the refs: a difference counts once two looks have shown it.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::Spool;
use super::record::{self, Text};
use crate::files::{FileError, Unfit};
use crate::message;
use crate::process::{self, Moment};
use crate::ref_update::{ObjectId, RefName, RefUpdate};

/// Its file in our directory.
const NAME: &str = "looks";

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// The refs that stood elsewhere than was told, with where, and since when they have been seen there.
    seen: BTreeMap<RefName, Seen>,
    /// How many refs had been rewound or deleted, where that were too many to announce them.
    pub stopped: Option<usize>,
    /// By what it is known that nothing has moved since a look that found nothing, and when that was, in seconds since 1970.
    pub unmoved: Option<(String, i64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    new: Option<ObjectId>,
    /// In seconds since 1970, and on the clock that nobody sets.
    since: (i64, Moment),
}

#[derive(Serialize, Deserialize)]
struct LooksForm {
    seen: Vec<(Text, String, i64, Moment)>,
    stopped: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unmoved: Option<(String, i64)>,
}

impl Looks {
    /// Takes in what a look shows: these differences, and no others.
    pub fn see<'u>(&mut self, found: impl Iterator<Item = &'u RefUpdate>) {
        let mut before = std::mem::take(&mut self.seen);
        for update in found {
            let known = before.remove(&update.name).filter(|seen| seen.new == update.new);
            let now = || Seen { new: update.new, since: (process::now(), Moment::now()) };
            self.seen.insert(update.name.clone(), known.unwrap_or_else(now));
        }
    }

    /// For how many seconds the ref of a difference has been seen where it is.
    pub fn age(&self, update: &RefUpdate) -> i64 {
        let seen = self.seen.get(&update.name).filter(|seen| seen.new == update.new);
        seen.map_or(0, |Seen { since: (time, moment), .. }| moment.age().unwrap_or_else(|| process::now() - time))
    }
}

impl Spool {
    /// What was seen last.
    ///
    /// # Errors
    /// Where it cannot be read, or is damaged.
    pub fn looks(&self) -> Result<Looks, Unfit> {
        let Some(form) = self.kept::<LooksForm>(NAME)? else { return Ok(Looks::default()) };
        let seen = form.seen.into_iter().filter_map(|(name, new, time, moment)| {
            let seen = Seen { new: ObjectId::from_hex(new.as_bytes()).flatten(), since: (time, moment) };
            Some((RefName::new(name.bytes()?.into_owned()), seen))
        });
        Ok(Looks { seen: seen.collect(), stopped: form.stopped, unmoved: form.unmoved })
    }

    /// Keeps what was seen.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn set_looks(&self, looks: &Looks) -> Result<(), FileError> {
        let line = |(name, seen): (&RefName, &Seen)| {
            let new = seen.new.map(|id| id.to_string()).unwrap_or_default();
            (Text::new(name.whole()), new, seen.since.0, seen.since.1.clone())
        };
        let seen = looks.seen.iter().map(line).collect();
        let form = LooksForm { seen, stopped: looks.stopped, unmoved: looks.unmoved.clone() };
        self.state.root().make()?.write_durably(NAME, &record::encode(&form))
    }

    /// Has the timer look anew, and go on: somebody has looked at what stopped it.
    ///
    /// # Errors
    /// Where what was seen cannot be removed.
    pub fn forget_looks(&self) -> Result<(), FileError> {
        let root = self.state.root();
        match root.open().and_then(|root| root.remove(NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::new(message::cannot_remove, &root.path().join(NAME), error))
            }
            _ => Ok(()),
        }
    }
}
