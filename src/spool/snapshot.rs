//! The snapshot of all refs, which `git webhook reconcile` compares with what they are.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::record::{self, Text};
use super::{Spool, sequence};
use crate::files::{FileError, Unfit};
use crate::message;
use crate::ref_update::{ObjectId, RefName, RefUpdate};

/// Its file in our directory.
const NAME: &str = "refs";

/// Where all refs stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefSnapshot {
    /// The number of the last push that is in it. Later ones may be too.
    pub sequence: u64,
    /// The refs.
    pub refs: BTreeMap<RefName, ObjectId>,
}

#[derive(Serialize, Deserialize)]
struct SnapshotForm {
    sequence: u64,
    refs: Vec<(Text, String)>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl RefSnapshot {
    /// Moves the refs as the updates say.
    pub fn apply(&mut self, updates: &[RefUpdate]) {
        for update in updates {
            match update.new {
                Some(new) => self.refs.insert(update.name.clone(), new),
                None => self.refs.remove(&update.name),
            };
        }
    }
}

impl Spool {
    /// The snapshot taken last; `None` where there is none yet.
    ///
    /// # Errors
    /// Where it cannot be read, or is damaged.
    pub fn snapshot(&self) -> Result<Option<RefSnapshot>, Unfit> {
        let Some(form) = self.snapshot_form()? else { return Ok(None) };
        let line = |(name, id): (Text, String)| {
            Some((RefName::new(name.bytes()?.into_owned()), ObjectId::from_hex(id.as_bytes())??))
        };
        let refs: Option<_> = form.refs.into_iter().map(line).collect();
        let refs = refs.ok_or_else(|| Unfit::Unsound(message::no_ref().into()))?;
        Ok(Some(RefSnapshot { sequence: form.sequence, refs }))
    }

    fn snapshot_form(&self) -> Result<Option<SnapshotForm>, Unfit> {
        let read = self.state.root().open().map_err(Unfit::Unreadable).and_then(|root| root.read(NAME));
        match read {
            Ok(bytes) => record::decode(&bytes).map(Some).map_err(Unfit::Unsound),
            Err(Unfit::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// The number of the last push, for a snapshot that is about to be taken.
    pub fn sequence_now(&self) -> u64 {
        self.last_sequence()
    }

    /// Keeps a snapshot in place of the one before.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn set_snapshot(&self, snapshot: &RefSnapshot) -> Result<(), FileError> {
        let refs = snapshot.refs.iter().map(|(name, id)| (Text::new(name.as_bytes()), id.to_string())).collect();
        // What a damaged one held is lost with it.
        let unknown = self.snapshot_form().ok().flatten().map(|form| form.unknown).unwrap_or_default();
        let form = SnapshotForm { sequence: snapshot.sequence, refs, unknown };
        self.state.root().make()?.write_durably(NAME, &record::encode(&form))
    }

    /// The lowest number of a receipt that is not settled, or was settled on `day` or later.
    fn receipts_kept(&self, day: &str) -> Option<u64> {
        let settled = self.place("settled");
        let days = settled.names().unwrap_or_default().into_iter().filter(|other| other.as_str() >= day);
        let directories = days.map(|day| settled.join(day)).chain(["receipts", "stuck"].map(|name| self.place(name)));
        let names = directories.flat_map(|directory| directory.names().unwrap_or_default());
        names.filter_map(|name| sequence::number(&name)).min()
    }

    /// Draws into the snapshot what settled receipts of days before `day` say, since they are about to be removed.
    ///
    /// Crash: drawn twice, they say the same.
    pub(super) fn fold_into_snapshot(&self, day: &str) -> Result<(), FileError> {
        let mut snapshot = match self.snapshot() {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => return Ok(()),
            Err(why) => {
                let path = self.state.root().path().join(NAME);
                return Err(FileError::new(message::cannot_read, &path, io::Error::other(why.to_string())));
            }
        };
        let settled = self.place("settled");
        let days = settled.names().unwrap_or_default();
        let mut receipts = BTreeMap::new();
        for old in days.iter().filter(|old| old.as_str() < day) {
            self.read_since(&settled.join(old), snapshot.sequence, &mut receipts);
        }
        let Some(((last, _), _)) = receipts.last_key_value() else { return Ok(()) };
        // A push with a lower number that was settled later is drawn in again on its own.
        let kept = self.receipts_kept(day).unwrap_or(u64::MAX);
        snapshot.sequence = (*last).min(kept.saturating_sub(1)).max(snapshot.sequence);
        receipts.values().for_each(|receipt| snapshot.apply(&receipt.updates()));
        self.set_snapshot(&snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Environment;
    use crate::spool::Receipt;
    use crate::state_dir::StateDir;

    /// Else reconcile would not find it any more, and announce what it says once more.
    #[test]
    fn a_snapshot_goes_on_to_count_a_stuck_receipt_among_those_that_come_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(StateDir::new(directory.path(), false));
        spool.set_snapshot(&RefSnapshot::default()).unwrap();
        let keep = || spool.keep(Receipt::new(Vec::new(), &Environment::default(), &[])).unwrap();
        let stuck = keep();
        spool.set_stuck(&stuck).unwrap();
        spool.settle(keep(), "2000-01-01");
        spool.prune("2000-01-02");
        assert!(spool.snapshot().unwrap().unwrap().sequence < stuck.sequence);
    }
}
