//! What other processes left behind when they died, and what is left over: taken over, handed on, made dead letters,
//! removed.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use log::{error, warn};
use uuid::Uuid;

use super::{Job, Pipeline};
use crate::history;
use crate::message;
use crate::process;
use crate::spool::OwnedReceipt;
use crate::target::Target;

/// How long one run looks after receipts that other processes left, before what it came for.
const TIME_FOR_OTHERS: Duration = Duration::from_secs(2);

impl Pipeline<'_> {
    /// Becomes the owner of what other processes left behind when they died: intents whose hook never came, receipts
    /// that nobody settled.
    pub fn take_over(&self, own: &HashSet<u64>) -> Vec<Job> {
        let start = Instant::now();
        let is_late = || start.elapsed() > TIME_FOR_OTHERS;
        self.spool.settle_intents(&|| self.refs());
        let receipts = self.spool.receipts(own).into_iter().take_while(|_| !is_late());
        let owned: Vec<_> =
            receipts.filter_map(|(sequence, receipt)| self.spool.take_over(sequence, &receipt)).collect();
        if owned.is_empty() {
            return Vec::new();
        }
        // Only now that all of them are ours: until its lock was free, a receipt's own process could put what it had not
        // delivered into a queue, and die. And the queues before the log: what is delivered between the two looks has its
        // line in the log before it leaves its queue.
        let queued = self.queued();
        let job = |owned: OwnedReceipt| {
            let mut done = queued.clone();
            done.extend(self.history.done(&owned.name(), owned.receipt.time));
            Job { receipt: owned.receipt.clone(), sequence: owned.sequence, owned: Some(owned), done, is_late: true }
        };
        // What there is no time for is let go of, for whoever comes next; but one is seen to every time.
        let in_time = owned.into_iter().enumerate().take_while(|(at, _)| *at == 0 || !is_late());
        in_time.map(|(_, owned)| job(owned)).collect()
    }

    /// The ids of everything that waits in a queue.
    fn queued(&self) -> HashSet<Uuid> {
        let mut ids = HashSet::new();
        for target in &self.targets {
            let queue = self.spool.queue(&target.name);
            let lock = queue.lock().ok().flatten();
            ids.extend(queue.list().iter().map(|queued| queued.key.id));
            if lock.is_none() {
                // Whoever is sending renames records as he does, and one listing may miss some. What two miss is a second
                // record of one delivery, of which the queue keeps one.
                ids.extend(queue.list().iter().map(|queued| queued.key.id));
            }
        }
        ids
    }

    /// Hands the pushes that waited for a target with a wrong name to the one that has come in its place: the name is
    /// mended by giving the section another.
    ///
    /// That is the target at the same receiver that was not there when they were pushed; of several, or where the address
    /// was wrong too, the one whose name has the same letters and digits.
    pub(super) fn hand_over_deferred(&self) {
        let known = self.known_queues();
        for directory in self.spool.deferred().into_iter().filter(|name| name.starts_with('_') && !known.contains(name))
        {
            let queue = self.spool.queue_in(&directory);
            let Some(newest) = queue.deferred().pop() else { continue };
            let may_be = |target: &&&Target| {
                let is_new = newest.receipt.has_asked(target.name.as_str()) == Some(false);
                let is_there = newest.origin.as_deref().is_some_and(|origin| origin == target.address.origin());
                (is_new && is_there) || newest.target.has_letters_of(&target.name)
            };
            let candidates: Vec<_> = self.targets.iter().filter(may_be).collect();
            let alike = candidates.iter().find(|target| newest.target.has_letters_of(&target.name));
            let (Some(target), true) = (alike.or(candidates.first()), alike.is_some() || candidates.len() == 1) else {
                continue;
            };
            match queue.hand_deferred_to(&self.spool.queue(&target.name)) {
                Ok(()) => warn!("{}", message::takes_over(&target.name, &newest.target)),
                Err(error) => error!("{error}"),
            }
        }
    }

    /// The directory names of the queues of all targets that are configured, rightly or not.
    pub fn known_queues(&self) -> HashSet<String> {
        self.configuration.names().map(|name| self.spool.queue(name).directory_name()).collect()
    }

    pub(super) fn bury(&self) {
        let known = self.known_queues();
        let directories: BTreeSet<_> = self.spool.queues().into_iter().chain(self.spool.deferred()).collect();
        for directory in directories {
            if known.contains(&directory) {
                self.spool.queue_in(&directory).set_known();
                continue;
            }
            match self.spool.bury(&directory) {
                Ok(Some(0) | None) => {}
                Ok(Some(count)) => {
                    error!("{}", message::target_buried(directory, count));
                }
                Err(error) => error!("{error}"),
            }
        }
    }

    /// Removes what is older than `webhook.keepLog` says; never what waits, nor dead letters.
    pub fn prune(&self) {
        let keep = self.configuration.settings.keep_log.as_secs() as i64;
        let day = history::day_of(process::now() - keep);
        self.history.prune(&day);
        self.spool.prune(&day);
        for target in &self.targets {
            self.spool.queue(&target.name).tidy();
        }
    }
}
