//! One target in a run: whether anything is sent to it, and what the run learns of it.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use uuid::Uuid;

use super::{Dispatcher, Done, lock};
use crate::delivery::Delivery;
use crate::message;
use crate::outcome::{FailureKind, Outcome};
use crate::process::{self, Locked};
use crate::schedule::{Backoff, Learned, Queued, Stamp};
use crate::spool::{Addition, Queue};
use crate::target::Target;

/// How many connections one target gets at most, and so how many deliveries are out at once.
pub(super) const MOST_CONNECTIONS_OF_TARGET: usize = 8;

/// Whether anything is sent to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionState {
    /// It is ours, and nothing waits: what is built is sent from memory.
    Open,
    /// It is ours, and something waits: what is built comes behind it.
    Backlog,
    /// Nothing is sent, for this reason: somebody else is sending, or the target's time has not come.
    Closed(FailureKind),
}

/// One target in a run.
pub struct TargetSession<'a> {
    pub(super) at: usize,
    pub(super) target: &'a Target,
    pub(super) queue: Queue,
    pub(super) backoff: Backoff,
    pub(super) state: SessionState,
    /// Blocked for as long as anything is sent to the target. `None` where we do not send, or the lock's file cannot be
    /// made, on a full or read-only disk.
    pub(super) lock: Option<Locked>,
    /// Nothing more is tried in this run.
    is_unreachable: AtomicBool,
    /// How many deliveries may be out at once.
    window: AtomicUsize,
    pub(super) notes: Mutex<Notes>,
}

/// What a run has to remember of a target.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) learned: Learned,
    /// Deliveries for the queue that are not on the disk yet, and the size of their bodies in bytes.
    pub(super) buffered: Vec<Addition>,
    pub(super) buffered_bytes: usize,
    /// A record of what was delivered could not be removed: whoever comes next has to look into the log.
    pub(super) is_left_behind: bool,
}

impl<'a> Dispatcher<'a> {
    /// Looks how a target stands, and takes its lock if nobody else has it.
    pub fn open(&self, at: usize) -> TargetSession<'a> {
        let target = self.targets[at];
        let queue = self.spool.queue(&target.name);
        let (lock, state) = match queue.lock() {
            Ok(Some(lock)) => (Some(lock), SessionState::Open),
            Ok(None) => (None, SessionState::Closed(FailureKind::Busy)),
            Err(error) => {
                log::error!("{}", message::without_lock(error));
                (None, SessionState::Open)
            }
        };
        let mut session = TargetSession { state, lock, ..self.open_unlocked(at, queue) };
        session.notice_mend();
        if self.only.is_some_and(|name| target.name != *name) {
            (session.lock, session.state) = (None, SessionState::Closed(FailureKind::NotTried));
        } else if session.state == SessionState::Open
            && let Some(why) = session.backoff.closes(self.at_once, process::now())
        {
            // Whoever comes next may try, when the time has come.
            (session.lock, session.state) = (None, SessionState::Closed(why));
        }
        session
    }

    /// The same without the lock, for whoever has it.
    pub(super) fn open_unlocked(&self, at: usize, queue: Queue) -> TargetSession<'a> {
        let backoff = queue.backoff();
        // A receiver that failed is asked carefully whether it is back.
        let window = if backoff.failures > 0 { 1 } else { MOST_CONNECTIONS_OF_TARGET };
        TargetSession {
            at,
            target: self.targets[at],
            backoff,
            queue,
            window: AtomicUsize::new(window),
            state: SessionState::Backlog,
            lock: None,
            is_unreachable: AtomicBool::new(false),
            notes: Mutex::default(),
        }
    }

    /// What failed of a target's in this run.
    fn failed(&self, at: usize) -> HashSet<Uuid> {
        let done = lock(&self.done);
        let is_failed = |done: &&Done| {
            done.target == at && matches!(&done.outcome, Outcome::Failed(failure) if failure.kind.was_tried())
        };
        done.iter().filter(is_failed).map(|done| done.id).collect()
    }

    /// Notes how a target stands after a run, and lets others send to it.
    pub fn close(&self, session: TargetSession<'a>) {
        if session.lock.is_some() {
            let learned = lock(&session.notes).learned;
            let has_backlog = !session.queue.is_empty();
            let now = process::now();
            let mut backoff = session.backoff.after(learned, has_backlog, now);
            if session.backoff.failures > 0 && learned.was_delivered {
                // What failed while it was back has a reason of its own.
                session.queue.hasten(now, &self.failed(session.at));
            }
            // By this it is noticed that somebody mends it.
            let is_worth_it = has_backlog || backoff.failures > 0;
            backoff.stamp = is_worth_it.then(|| backoff.stamp.unwrap_or_else(|| stamp(session.target)));
            if backoff != session.backoff {
                session.queue.set_backoff(backoff);
            }
            if self.notes_standing {
                let known = session.queue.standing();
                let standing = known.after(&learned, now);
                if standing != known {
                    session.queue.set_standing(&standing);
                }
            }
        }
    }
}

/// How the files stand that a target is configured in.
pub fn stamp(target: &Target) -> Stamp {
    let mut stamp = Stamp::default();
    for metadata in target.sources.iter().filter_map(|path| fs::metadata(path).ok()) {
        let changed = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        stamp.changed = stamp.changed.max(changed);
        stamp.size = stamp.size.wrapping_add(metadata.size());
        stamp.inodes = stamp.inodes.wrapping_add(metadata.ino());
    }
    stamp
}

impl TargetSession<'_> {
    /// A target of which something failed, and that was configured anew since, is not known to fail.
    fn notice_mend(&mut self) {
        if self.lock.is_some() && self.backoff.stamp.is_some_and(|known| known != stamp(self.target)) {
            let now = process::now();
            self.backoff = self.backoff.mended(now);
            self.queue.hasten(now, &HashSet::new());
            self.queue.set_backoff(self.backoff);
        }
    }

    /// How many bytes the target takes, where it has refused a larger body of late.
    pub(super) fn body_limit(&self, now: i64) -> Option<usize> {
        let learned = lock(&self.notes).learned.body_limit;
        let known = learned.or(self.backoff.body_limit.filter(|limit| limit.until > now));
        known.map(|limit| limit.bytes)
    }

    /// How many deliveries may be out at once.
    pub(super) fn window(&self) -> usize {
        self.window.load(Ordering::Relaxed)
    }

    /// Has fewer out at once where the receiver cannot take them, and more while it can.
    pub(super) fn learn(&self, outcome: &Outcome) {
        let next = |known: usize| match outcome {
            Outcome::Delivered { .. } | Outcome::Published { .. } => (known + 1).min(MOST_CONNECTIONS_OF_TARGET),
            Outcome::Failed(failure) if failure.kind.is_passing() => (known / 2).max(1),
            Outcome::Failed(_) => known,
        };
        // It always has an answer.
        let _ = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |known| Some(next(known)));
    }

    /// Why nothing more is tried in this run, whatever it is.
    pub(super) fn is_unreachable(&self) -> bool {
        self.is_unreachable.load(Ordering::Relaxed)
    }

    /// What came of the target last, in this run or before.
    pub(super) fn last_failure(&self) -> Option<FailureKind> {
        lock(&self.notes).learned.why.or(self.backoff.why)
    }

    /// Notes that there is no use in trying the target once more in this run.
    pub(super) fn set_unreachable(&self) {
        self.is_unreachable.store(true, Ordering::Relaxed);
    }

    /// Why a new delivery is not sent from memory; `None` where it is.
    pub(super) fn waits(&self, is_blocked: bool) -> Option<FailureKind> {
        match self.state {
            SessionState::Open if is_blocked => Some(FailureKind::Blocked),
            SessionState::Open => None,
            SessionState::Backlog => Some(FailureKind::Blocked),
            SessionState::Closed(why) => Some(why),
        }
    }

    /// Adds a delivery to those that are written to the queue together.
    pub(super) fn buffer(&self, queued: Queued, delivery: &Delivery) -> Buffered {
        let mut notes = lock(&self.notes);
        notes.buffered.push(Addition::of(queued, delivery));
        notes.buffered_bytes += delivery.payload.body.len();
        if notes.buffered.len() >= MOST_BUFFERED || notes.buffered_bytes >= MOST_BUFFERED_BYTES {
            Buffered::Full
        } else {
            Buffered::Room
        }
    }

    /// Takes what is to be written to the queue.
    pub(super) fn take_buffered(&self) -> Vec<Addition> {
        let mut notes = lock(&self.notes);
        notes.buffered_bytes = 0;
        std::mem::take(&mut notes.buffered)
    }
}

/// Whether more can be buffered before it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffered {
    Room,
    Full,
}

/// So many deliveries for a queue, and bytes of their bodies, are buffered before they are written down together.
const MOST_BUFFERED: usize = 256;
const MOST_BUFFERED_BYTES: usize = 2 << 20;
