//! Sends side by side within the time allowed: every target on its own, the deliveries of one ref in order; and settles
//! each, so that what was not delivered waits in the target's queue.

mod budget;
mod channel;
mod link;
mod session;
mod settle;
mod body;
mod shrink;
mod pipe;
mod publish;
mod connection;
mod backlog;
mod redeliver;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::config::Broker;
use crate::delivery::Delivery;
use crate::format::Payload;
use crate::history::History;
use crate::message;
use crate::outcome::{Failure, FailureKind, Outcome};
use crate::ref_update::RefName;
use crate::schedule::{QueueKey, Queued, Unsettled};
use crate::spool::{Addition, Bodies, Receipt, Spool};
use crate::target::Target;
use crate::transport::Trust;

use budget::Budget;

use channel::Task;
use link::Link;
use session::SessionState;

pub use budget::Allowed;
pub use connection::{body, send_once, send_over, shown_headers};
pub use link::TO_CONNECT;
pub use publish::order_at_broker;
pub use session::{TargetSession, stamp};

/// What all deliveries of a run have in common.
pub struct Dispatcher<'a> {
    spool: &'a Spool,
    history: &'a History,
    targets: &'a [&'a Target],
    trust: Trust,
    budget: Budget,
    bodies: Bodies,
    done: Mutex<Vec<Done>>,
    /// The broker, and the run's way to it.
    broker: Option<&'a Broker>,
    link: Mutex<Link>,
    /// When it was first used, where somebody waits for the run.
    published_since: OnceLock<Instant>,
    /// Something could be neither delivered nor written down.
    is_lossy: AtomicBool,
    /// There was no time to see to all: what is missing is in receipts.
    is_unfinished: AtomicBool,
    /// Ignore that a time has not come.
    at_once: bool,
    /// Send to this target alone.
    only: Option<&'a str>,
    /// The number of a push that is written down nowhere.
    unkept: Option<u64>,
    /// Probe targets of whose backlog nothing is due.
    probes: bool,
    /// How many targets are looked after at once.
    beside: AtomicUsize,
    /// Makes bodies smaller.
    shrink: Option<Shrink<'a>>,
    /// What waits is somebody else's to tell: nothing comes behind it.
    passes_backlog: bool,
    /// Somebody is told of targets that go bad.
    notes_standing: bool,
}

/// Builds the payload of a delivery once more, so that it fits into so many bytes; `None` where it cannot be built.
pub type Shrink<'a> = Box<dyn Fn(&Target, &Delivery, usize) -> Option<Arc<Payload>> + Sync + 'a>;

/// What was done about one delivery.
#[derive(Debug)]
pub struct Done {
    /// The target's place among those of the run.
    pub target: usize,
    /// The receipt's number.
    pub sequence: u64,
    /// The delivery.
    pub id: Uuid,
    /// The ref, the first of a delivery that tells of a whole push.
    pub name: RefName,
    /// Its further refs.
    pub more: Vec<RefName>,
    /// What came of it.
    pub outcome: Outcome,
}

impl Done {
    /// Each ref with what came of it.
    pub fn refs(&self) -> impl Iterator<Item = (&RefName, &Outcome)> {
        std::iter::once(&self.name).chain(&self.more).map(|name| (name, &self.outcome))
    }
}

/// Makes the deliveries for a target of a push, with its number, that waited for the target to be configured rightly;
/// `None` where that is not possible now.
pub type BuildDeferred<'b> = &'b (dyn Fn(&Target, u64, &Receipt) -> Option<Vec<Delivery>> + Sync);

impl<'a> Dispatcher<'a> {
    /// A run over `targets` that may take `allowed`, or as long as it needs. What is not delivered waits in `spool`,
    /// each attempt is written down in `history`.
    pub fn new(spool: &'a Spool, history: &'a History, targets: &'a [&'a Target], allowed: Option<Allowed>) -> Self {
        Self {
            spool,
            history,
            targets,
            trust: Trust::default(),
            budget: Budget::new(allowed),
            bodies: Bodies::default(),
            done: Mutex::default(),
            broker: None,
            link: Mutex::default(),
            published_since: OnceLock::new(),
            is_lossy: AtomicBool::new(false),
            is_unfinished: AtomicBool::new(false),
            at_once: false,
            only: None,
            unkept: None,
            probes: false,
            beside: AtomicUsize::new(1),
            shrink: None,
            passes_backlog: false,
            notes_standing: false,
        }
    }

    /// Sends what comes from the push of this number at once where it cannot wait in a queue: it is written down nowhere.
    pub fn unkept(self, unkept: Option<u64>) -> Self {
        Self { unkept, ..self }
    }

    /// Sends what is built past whatever waits.
    pub fn passing_backlog(self, passes_backlog: bool) -> Self {
        Self { passes_backlog, ..self }
    }

    /// Writes down how each target stands after its runs, for whoever tells somebody of that.
    pub fn noting_standing(self, notes_standing: bool) -> Self {
        Self { notes_standing, ..self }
    }

    /// Publishes through this broker what targets are told that way.
    pub fn through(self, broker: Option<&'a Broker>) -> Self {
        Self { broker, ..self }
    }

    /// Makes bodies smaller in this way, where a receiver takes none so large.
    pub fn shrinking(self, shrink: Shrink<'a>) -> Self {
        Self { shrink: Some(shrink), ..self }
    }

    /// Probes targets of whose backlog nothing is due, from time to time: what a timer does.
    pub fn probing(self, probes: bool) -> Self {
        Self { probes, ..self }
    }

    /// Tries what failed though its time has not come, and targets in backoff.
    pub fn at_once(self, at_once: bool) -> Self {
        Self { at_once, ..self }
    }

    /// Sends to one target alone, or to all.
    pub fn only(self, only: Option<&'a str>) -> Self {
        Self { only, ..self }
    }

    /// From here on begins no attempt after so long.
    pub fn end_within(&self, time: Duration) {
        self.budget.end_within(time);
    }

    /// What was done so far, each delivery with what came of it last.
    pub fn take_done(&self) -> Vec<Done> {
        let mut last = HashMap::new();
        let mut done: Vec<Done> = Vec::new();
        for next in std::mem::take(&mut *lock(&self.done)) {
            match last.get(&next.id) {
                Some(at) => done[*at] = next,
                None => {
                    last.insert(next.id, done.len());
                    done.push(next);
                }
            }
        }
        done
    }

    /// How many deliveries something came of so far.
    pub fn progress(&self) -> usize {
        lock(&self.done).len()
    }

    /// Notes that something could be neither delivered nor written down.
    pub fn lose(&self) {
        self.is_lossy.store(true, Ordering::Relaxed);
    }

    /// Whether everything is delivered or safe in a queue so far.
    pub fn is_safe(&self) -> bool {
        !self.is_lossy.load(Ordering::Relaxed)
    }

    /// Whether what is built is sent past whatever waits.
    pub fn passes_backlog(&self) -> bool {
        self.passes_backlog
    }

    /// Whether there is no time to build or write down more: what is left stays in its receipt, for a later run. What has no
    /// receipt is seen to however long it takes.
    pub fn is_over(&self) -> bool {
        self.unkept.is_none() && self.budget.is_over()
    }

    /// The same where something is left then.
    pub fn leaves(&self) -> bool {
        let is_over = self.is_over();
        self.is_unfinished.fetch_or(is_over, Ordering::Relaxed);
        is_over
    }

    /// Whether something was left for want of time, so that no receipt may be settled.
    pub fn is_unfinished(&self) -> bool {
        self.is_unfinished.load(Ordering::Relaxed)
    }

    /// Sends while `feed` still builds: it is called with a function that takes a session's place and a delivery, and
    /// the first deliveries are on their way before the last is built.
    ///
    /// `unsettled` tells which refs have to wait for an older push. It is asked before the queues are looked at: an older
    /// push is then seen by its receipt, or, if that was settled meanwhile, by what it left in a queue.
    ///
    /// `is_alone`: it is one ref update, so that once the first delivery is built there is little else to build.
    ///
    /// When this returns everything is delivered, or on the disk in a queue, or [`Self::is_safe`] is false.
    pub fn deliver(
        &self,
        sessions: &mut [TargetSession<'a>],
        is_alone: bool,
        unsettled: impl FnOnce() -> Unsettled,
        feed: impl FnOnce(&mut dyn FnMut(usize, Delivery)),
    ) {
        let unsettled = unsettled();
        for session in sessions.iter_mut() {
            if session.state == SessionState::Open && !self.passes_backlog && !session.queue.is_empty() {
                session.state = SessionState::Backlog;
            }
        }
        let sessions = &*sessions;
        let build = |send: &mut dyn FnMut(usize, Task)| {
            feed(&mut |at, delivery| match sessions[at].waits(unsettled.blocks(&delivery.key)) {
                None => send(at, Task::Fresh(Box::new(delivery))),
                Some(why) => self.line_up(&sessions[at], delivery, why),
            });
        };
        self.send_all(sessions, is_alone && sessions.len() == 1, build, |session, task| {
            if let Task::Fresh(delivery) = task {
                self.line_up(session, *delivery, FailureKind::Blocked);
            }
        });
        for session in sessions {
            self.write_buffered(session);
        }
    }

    /// Puts a delivery behind what waits. One that is written down nowhere, and cannot be here either, is sent behind what is older
    /// of its ref as far as that is taken, and out of its order rather than never.
    fn line_up(&self, session: &TargetSession<'a>, delivery: Delivery, why: FailureKind) {
        if self.unkept != Some(delivery.key.sequence) || why == FailureKind::Parked {
            return self.enqueue(session, &delivery, why);
        }
        let queued = Queued { key: delivery.key.clone(), schedule: delivery.schedule };
        match session.queue.put(&[Addition::of(queued, &delivery)], &self.bodies) {
            Ok(()) => {
                let failure = Failure::not_tried(why, session.last_failure());
                self.note(session, &delivery, Outcome::Failed(failure));
            }
            Err(error) => {
                log::error!("{}", message::about_target(&session.target.name, &error));
                if error.is_full_disk() {
                    self.send_older(session, &delivery.key);
                }
                self.send_alone(session, Task::Fresh(Box::new(delivery)));
            }
        }
    }

    /// Sends what waits and is older of a delivery's ref, due or not. Where nobody could remove it, it would come again with each push.
    fn send_older(&self, session: &TargetSession<'a>, key: &QueueKey) {
        let _lock = match &session.lock {
            Some(_) => None,
            None => {
                let Ok(Some(lock)) = session.queue.lock() else { return };
                Some(lock)
            }
        };
        let mut older = self.list(session);
        older.retain(|queued| queued.key.order == key.order && queued.key.sequence < key.sequence);
        self.send_queued(session, older);
    }
}

/// What is behind a lock stays sound whatever panicked while it was held: each change is one push or one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
