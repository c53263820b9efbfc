//! How each target stands when a run comes to it, and what the run learns of it.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::{Run, lock};
use crate::delivery::{self, FailureKind, LONGEST_DELAY, is_due};
use crate::message;
use crate::process::{self, Locked};
use crate::spool::{Addition, Queue, Rest};
use crate::target::Target;

/// How a target stands when a run comes to it.
pub(super) enum Mode {
    /// It is ours, and nothing waits: what is built is sent from memory.
    Free,
    /// It is ours, and something waits: what is built lines up behind it.
    Backlog,
    /// Nothing is sent, for this reason: somebody else is sending, or the target's time has not come.
    Closed(FailureKind),
}

/// One target in a run.
pub struct Station<'a> {
    pub(super) at: usize,
    pub(super) target: &'a Target,
    pub(super) queue: Queue,
    pub(super) rest: Rest,
    pub(super) mode: Mode,
    /// Held for as long as anything is sent to the target. `None` where we do not send, or the lock's file cannot be
    /// made, on a full or read-only disk.
    pub(super) lock: Option<Locked>,
    pub(super) state: Mutex<StationState>,
    pub(super) is_unreachable: AtomicBool,
}

#[derive(Default)]
pub(super) struct StationState {
    /// Deliveries for the queue that are not on the disk yet.
    pub(super) held: Vec<Addition>,
    pub(super) was_delivered: bool,
    pub(super) is_parked: bool,
    /// A record of what was delivered could not be removed: whoever comes next has to look into the log.
    pub(super) is_left_behind: bool,
    /// The earliest time at which something that failed, and will pass, is tried again.
    pub(super) again: Option<i64>,
}

impl<'a> Run<'a> {
    /// Looks how a target stands, and takes its lock if nobody else has it.
    pub fn open(&self, at: usize) -> Station<'a> {
        let target = self.targets[at];
        let queue = self.spool.queue(&target.name);
        let (lock, mode) = match queue.lock() {
            Ok(Some(lock)) => (Some(lock), Mode::Free),
            Ok(None) => (None, Mode::Closed(FailureKind::Busy)),
            Err(error) => {
                log::error!("{}", message::without_lock(error));
                (None, Mode::Free)
            }
        };
        let mut station = Station { mode, lock, ..self.open_unlocked(at, queue) };
        if self.only.is_some_and(|name| target.name != *name) {
            (station.lock, station.mode) = (None, Mode::Closed(FailureKind::NotTried));
        } else if matches!(station.mode, Mode::Free)
            && let Some(kind) = self.rests(station.rest)
        {
            // Whoever comes next may try, when the time has come.
            (station.lock, station.mode) = (None, Mode::Closed(kind));
        }
        station
    }

    pub(super) fn open_unlocked(&self, at: usize, queue: Queue) -> Station<'a> {
        Station {
            at,
            target: self.targets[at],
            rest: queue.rest(),
            queue,
            mode: Mode::Backlog,
            lock: None,
            state: Mutex::default(),
            is_unreachable: AtomicBool::new(false),
        }
    }

    fn rests(&self, rest: Rest) -> Option<FailureKind> {
        let now = process::now();
        if rest.parked {
            Some(FailureKind::Parked)
        } else if !self.at_once && rest.failures > 0 && !is_due(rest.until, now) {
            Some(FailureKind::Resting)
        } else {
            None
        }
    }

    /// Notes how a target stands after a run, and lets others send to it.
    pub fn close(&self, mut station: Station<'a>) {
        self.conclude(&station);
        station.lock = None;
    }

    /// Notes when the target is tried again, as far as this run has learned anything of it.
    fn conclude(&self, station: &Station<'_>) {
        if station.lock.is_none() {
            return;
        }
        let state = lock(&station.state);
        let rest = if state.is_parked {
            Rest { parked: true, ..station.rest }
        } else if state.was_delivered {
            Rest::default()
        } else if let Some(again) = state.again {
            let failures = station.rest.failures.saturating_add(1);
            // The target's own delay grows with each run that fails, the deliveries' with each of their attempts.
            let until = again.max(process::now() + delivery::delay(failures)).min(process::now() + LONGEST_DELAY);
            Rest { failures, until, parked: false }
        } else {
            station.rest
        };
        if rest != station.rest {
            station.queue.set_rest(rest);
        }
    }
}
