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
    /// The movements that were told to nobody, a ref's in their order, each with when it was seen first.
    seen: BTreeMap<RefName, Vec<Seen>>,
    /// How many refs had been rewound or deleted, where that were too many to announce them.
    pub stopped: Option<usize>,
    /// By what it is known that nothing has moved since a look that found nothing, and when that was, in seconds since 1970.
    pub unmoved: Option<(String, i64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// `None` in what programs of before kept.
    old: Option<Option<ObjectId>>,
    new: Option<ObjectId>,
    /// In seconds since 1970, and on the clock that nobody sets.
    since: (i64, Moment),
}

#[derive(Serialize, Deserialize)]
struct LooksForm {
    seen: Vec<(Text, String, i64, Moment)>,
    /// Where each of them began.
    #[serde(default)]
    from: Vec<String>,
    stopped: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unmoved: Option<(String, i64)>,
}

impl Looks {
    /// Takes in what a look shows: these differences, and no others.
    pub fn see<'u>(&mut self, found: impl Iterator<Item = &'u RefUpdate>) {
        let before = std::mem::take(&mut self.seen);
        for update in found {
            let known = before.get(&update.name).into_iter().flatten().find(|seen| seen.is_of(update));
            let since = known.map_or_else(|| (process::now(), Moment::now()), |seen| seen.since.clone());
            let seen = Seen { old: Some(update.old), new: update.new, since };
            self.seen.entry(update.name.clone()).or_default().push(seen);
        }
    }

    /// For how many seconds a movement has been seen.
    pub fn age(&self, update: &RefUpdate) -> i64 {
        let seen = self.seen.get(&update.name).into_iter().flatten().find(|seen| seen.is_of(update));
        seen.map_or(0, |Seen { since: (time, moment), .. }| moment.age().unwrap_or_else(|| process::now() - time))
    }
}

impl Seen {
    /// A ref that stands where it stood is where it is, however it came there.
    fn is_of(&self, update: &RefUpdate) -> bool {
        self.new == update.new && self.old.is_none_or(|old| old == update.old)
    }
}

impl Spool {
    /// What was seen last.
    ///
    /// # Errors
    /// Where it cannot be read, or is damaged.
    pub fn looks(&self) -> Result<Looks, Unfit> {
        let Some(form) = self.kept::<LooksForm>(NAME)? else { return Ok(Looks::default()) };
        let id = |text: &String| ObjectId::from_hex(text.as_bytes()).flatten();
        let mut seen: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (at, (name, new, time, moment)) in form.seen.into_iter().enumerate() {
            let Some(name) = name.bytes() else { continue };
            let one = Seen { old: form.from.get(at).map(id), new: id(&new), since: (time, moment) };
            seen.entry(RefName::new(name.into_owned())).or_default().push(one);
        }
        Ok(Looks { seen, stopped: form.stopped, unmoved: form.unmoved })
    }

    /// Keeps what was seen.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn set_looks(&self, looks: &Looks) -> Result<(), FileError> {
        let text = |id: Option<ObjectId>| id.map(|id| id.to_string()).unwrap_or_default();
        let all = || looks.seen.iter().flat_map(|(name, all)| all.iter().map(move |seen| (name, seen)));
        let line = |(name, seen): (&RefName, &Seen)| {
            (Text::new(name.whole()), text(seen.new), seen.since.0, seen.since.1.clone())
        };
        let from = all().map(|(_, seen)| text(seen.old.flatten())).collect();
        let form =
            LooksForm { seen: all().map(line).collect(), from, stopped: looks.stopped, unmoved: looks.unmoved.clone() };
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
