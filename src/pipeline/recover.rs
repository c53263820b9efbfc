//! What other processes left behind when they died, and what is left over: taken over, handed on, made dead letters,
//! removed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use log::{error, warn};
use uuid::Uuid;

use super::{Job, Pipeline};
use crate::config::Configured;
use crate::dispatch::Dispatcher;
use crate::history;
use crate::message;
use crate::process;
use crate::repository::OpenError;
use crate::spool::{Deferred, OwnedReceipt, Queue, Taker};
use crate::target::{Target, TargetName};

/// How many receipts one process owns at a time, each of which takes a descriptor.
const AT_A_TIME: usize = 200;

impl Pipeline<'_> {
    /// Delivers all that other processes left behind.
    ///
    /// # Errors
    /// Where the repository cannot be opened.
    pub fn deliver_left(&self, run: &Dispatcher<'_>) -> Result<(), OpenError> {
        let mut seen = HashSet::new();
        loop {
            let jobs = self.take_over(&seen, Duration::MAX);
            let taken = seen.len();
            seen.extend(jobs.iter().map(|job| job.sequence));
            self.deliver(run, jobs)?;
            if seen.len() == taken {
                return Ok(());
            }
        }
    }

    /// Makes receipts of the intents whose hook never came, and lets go of them. What moved their refs before they were pushed
    /// is in the log as if it had.
    pub fn settle_intents(&self) {
        let settled = self.spool.settle_intents(&|| self.refs(), &|since| self.sent_from_memory(since));
        for OwnedReceipt { sequence, receipt, .. } in &settled {
            self.warn_of_steps(*sequence, &receipt.updates());
        }
    }

    /// Becomes the owner of what other processes left behind when they died: intents whose hook never came, receipts
    /// that nobody settled. After `patience` no more is taken than one; in a copy of another repository only what was
    /// pushed to the copy.
    pub fn take_over(&self, own: &HashSet<u64>, patience: Duration) -> Vec<Job> {
        let start = Instant::now();
        let is_late = |at: usize| at > 0 && start.elapsed() > patience;
        let is_in_copy = self.is_in_copy();
        if !is_in_copy {
            self.settle_intents();
        }
        let mut receipts = self.spool.receipts(own);
        if is_in_copy {
            receipts.retain(|(_, receipt)| self.spool.wrote(receipt));
        }
        let receipts = receipts.into_iter().enumerate().take_while(|(at, _)| !is_late(*at));
        let owned = receipts.filter_map(|(_, (sequence, receipt))| self.spool.take_over(sequence, &receipt));
        let owned: Vec<_> = owned.take(AT_A_TIME).collect();
        if owned.is_empty() {
            return Vec::new();
        }
        // Only now that all of them are ours: until its lock was free, a receipt's own process could put what it had not
        // delivered into a queue, and die. And the queues before the log: what is delivered between the two looks has its
        // line in the log before it leaves its queue.
        let queued = self.queued();
        // What there is no time for is let go of, for whoever comes next; but one is seen to every time.
        let in_time = owned.into_iter().enumerate().take_while(|(at, _)| !is_late(*at));
        in_time.map(|(_, owned)| self.taken(owned, &queued)).collect()
    }

    /// This push, whose receipt was there and is ours now.
    pub fn left(&self, owned: OwnedReceipt) -> Job {
        self.taken(owned, &self.queued())
    }

    fn taken(&self, owned: OwnedReceipt, queued: &HashSet<Uuid>) -> Job {
        let mut done = queued.clone();
        done.extend(self.history.done(&owned.name(), owned.receipt.time));
        Job { receipt: owned.receipt.clone(), sequence: owned.sequence, owned: Some(owned), done }
    }

    /// The ids of everything that waits in a queue, or is kept since the broker took it.
    fn queued(&self) -> HashSet<Uuid> {
        let mut ids = HashSet::new();
        for target in &self.targets {
            let queue = self.spool.queue(&target.name);
            let lock = queue.lock().ok().flatten();
            ids.extend(queue.list().iter().map(|queued| queued.key.id));
            // One that was queued leaves the queue for there.
            ids.extend(queue.published().iter().map(|published| published.key.id));
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
    pub(super) fn hand_over_deferred(&self) {
        let directories = self.spool.of_wrong_names(self.waiting.get_or_init(|| self.spool.waiting()));
        // Nearly always, and this is looked for with every push.
        if directories.is_empty() {
            return;
        }
        let known = self.known_queues();
        for directory in directories {
            let queue = self.spool.queue_in(&directory);
            let Some(newest) = queue.newest_deferred() else { continue };
            let takers: Vec<&Configured> = if newest.is_of_version_1 {
                self.configuration
                    .targets
                    .iter()
                    .filter(|it| self.may_be_of_version_1(it, &directory, &newest))
                    .collect()
            } else if known.contains(&directory) {
                continue;
            } else {
                self.in_place_of(&newest).into_iter().collect()
            };
            self.hand_over(&queue, &newest, &takers);
        }
    }

    fn hand_over(&self, queue: &Queue, newest: &Deferred, takers: &[&Configured]) {
        let had_any = queue.deferred_count() > 0;
        let takers_of: Vec<_> = takers.iter().map(|target| self.taker(target)).collect();
        if takers_of.is_empty() {
            return;
        }
        match queue.hand_deferred_to(&takers_of) {
            Ok(true) if had_any => {
                for target in takers.iter().filter_map(|target| target.ready()) {
                    warn!("{}", message::takes_over(&target.name, &newest.target));
                }
            }
            Ok(_) => {}
            Err(error) => error!("{error}"),
        }
    }

    fn taker<'t>(&self, target: &'t Configured) -> Taker<'t> {
        let origin = match target {
            Configured::Ready(target) => Some(target.address.origin()),
            Configured::Broken(target) => target.origin.clone(),
        };
        Taker { queue: self.spool.queue(target.name()), target: target.name(), origin }
    }

    /// The target that has come in the place of the one with a wrong name: one at the same host that was not there when
    /// they were pushed; of several, or where the address was wrong too, the one whose name has the same letters and digits.
    fn in_place_of(&self, newest: &Deferred) -> Option<&Configured> {
        let is_alike = |target: &Target| newest.target.has_letters_of(&target.name);
        let is_there = |target: &Target| newest.origin.as_deref().is_some_and(|at| at == target.address.origin());
        let candidates = self.configuration.targets.iter().filter(|target| {
            target.ready().is_some_and(|it| (is_alike(it) || is_there(it)) && !self.was_asked(&it.name, newest))
        });
        let candidates: Vec<_> = candidates.collect();
        let alike = candidates.iter().find(|target| target.ready().is_some_and(is_alike));
        alike.or(candidates.first().filter(|_| candidates.len() == 1)).copied()
    }

    /// Whether this is one of the targets that a program before version 2 of the records may have kept the pushes in a
    /// directory for: wrong names that look alike shared one, and nobody knows any more for which of them each push was.
    fn may_be_of_version_1(&self, target: &Configured, directory: &str, newest: &Deferred) -> bool {
        let name = target.name();
        name.may_have_had(directory) && (target.ready().is_none() || !self.was_asked(name, newest))
    }

    /// Whether a push was told to a target as well, or was to be, under its own name.
    fn was_asked(&self, target: &TargetName, push: &Deferred) -> bool {
        let (receipt, time) = (push.receipt.name(push.sequence), push.receipt.time);
        let waits = || self.spool.queue(target).list().iter().any(|queued| queued.key.sequence == push.sequence);
        // It may have come in another's place, and been told of the push by that.
        push.receipt.has_asked(target.as_str()) == Some(true)
            || self.history.knows(&receipt, time, target.as_str())
            || waits()
    }

    /// The directory names of the queues of all targets that are configured, rightly or not.
    pub fn known_queues(&self) -> HashSet<String> {
        self.configuration.names().map(|name| self.spool.queue(name).directory_name()).collect()
    }

    /// Makes dead letters of what waits for targets that are configured no more.
    pub(super) fn make_removed_dead(&self) {
        let known = self.known_queues();
        // Nearly always all that waited when this began was for targets that are there.
        let seen = self.waiting.get().filter(|waiting| waiting.iter().all(|directory| known.contains(directory)));
        for directory in seen.cloned().unwrap_or_else(|| self.spool.waiting()) {
            if known.contains(&directory) {
                self.spool.queue_in(&directory).set_known();
                continue;
            }
            match self.spool.make_all_dead(&directory) {
                Ok(Some(0) | None) => {}
                Ok(Some(count)) => {
                    error!("{}", message::target_removed(directory, count));
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

    /// The same once a day, by whoever tells something first; in a spool that is new there is nothing to remove.
    pub fn prune_daily(&self) {
        if self.history.is_first_of_day() && !self.spool.is_new() {
            self.prune();
        }
    }
}
