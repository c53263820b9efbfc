//! What is kept no longer: settled receipts, drawn into the snapshot before they go, and what was left half written.

use std::collections::BTreeMap;
use std::io;

use super::Spool;
use super::name::number;
use super::snapshot::{NAME, RefSnapshot};
use crate::files::{FileError, Folder};
use crate::message;

impl Spool {
    /// Removes settled receipts of days before `day` (`2026-11-22`), and what was left half written.
    pub fn prune(&self, day: &str) {
        if let Err(error) = self.fold_into_snapshot(day) {
            return log::error!("{}", message::settled_kept(error));
        }
        let settled = self.place("settled");
        if let Ok(settled) = settled.open() {
            for name in settled.names().unwrap_or_default().into_iter().filter(|name| name.as_str() < day) {
                if let Err(error) = settled.remove_tree(&name) {
                    log::warn!("{}", message::cannot_remove_settled(name, error));
                }
            }
        }
        // What is told of reviews is built again as long as its receipt is there.
        self.prune_reviews(self.receipts_kept(day).unwrap_or(u64::MAX));
        for folder in self.written_to() {
            if let Ok(directory) = folder.open() {
                directory.remove_leftovers();
            }
        }
    }

    /// Every directory that anything of ours is written to.
    fn written_to(&self) -> Vec<Folder> {
        let here = ["intents", "receipts", "stuck", "pushes", "reviews"].map(|name| self.place(name));
        let below = |family: &str| {
            let family = self.place(family);
            let names = family.names().unwrap_or_default();
            names.iter().map(|name| family.join(name)).collect::<Vec<_>>()
        };
        let below = ["queue", "deferred", "published", "dead", "settled"].into_iter().flat_map(below);
        let state = &self.state;
        [state.root().clone(), state.spool(), state.log(), state.secrets()]
            .into_iter()
            .chain(here)
            .chain(below)
            .collect()
    }

    /// The lowest number of a receipt that is not settled, or was settled on `day` or later.
    fn receipts_kept(&self, day: &str) -> Option<u64> {
        let settled = self.place("settled");
        let days = settled.names().unwrap_or_default().into_iter().filter(|other| other.as_str() >= day);
        let directories = days.map(|day| settled.join(day)).chain(["receipts", "stuck"].map(|name| self.place(name)));
        let names = directories.flat_map(|directory| directory.names().unwrap_or_default());
        names.filter_map(|name| number(&name)).min()
    }

    /// Draws into the snapshot what settled receipts of days before `day` say, since they are about to be removed.
    ///
    /// Crash: drawn twice, they say the same.
    fn fold_into_snapshot(&self, day: &str) -> Result<(), FileError> {
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
        let sequence = snapshot.sequence;
        let receipts: Vec<_> = receipts.into_iter().map(|((number, _), receipt)| (number, receipt)).collect();
        // What lies between them is found, if at all, before they are so old.
        snapshot.draw_in(&receipts, &[]);
        self.set_snapshot(&RefSnapshot { sequence, ..snapshot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Environment;
    use crate::spool::{Receipt, RefSnapshot};
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
