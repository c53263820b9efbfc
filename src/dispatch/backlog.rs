//! Sends what waits in the queues, and gives up what has waited too long.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use uuid::Uuid;

use super::channel::Task;
use super::session::SessionState;
use super::{BuildDeferred, Dispatcher, TargetSession, lock};
use crate::history::State;
use crate::message;
use crate::outcome::FailureKind;
use crate::process;
use crate::schedule::{self, Queued, Unsettled};
use crate::spool::Queue;

/// So many targets are looked after at once: one that does not answer is not to hold up others.
const MOST_TENDED: usize = 64;

impl<'a> Dispatcher<'a> {
    /// Sends what waits for these targets and is due, side by side.
    pub fn tend_all(&self, targets: &[usize], unsettled: &(dyn Fn() -> Unsettled + Sync), build: BuildDeferred<'_>) {
        self.beside.store(targets.len(), Ordering::Relaxed);
        let next = AtomicUsize::new(0);
        let tend = || {
            while let Some(at) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.tend(*at, unsettled, build);
            }
        };
        thread::scope(|scope| {
            for _ in 1..targets.len().min(MOST_TENDED) {
                // Without a thread there is one less at once.
                drop(thread::Builder::new().spawn_scoped(scope, tend));
            }
            tend();
        });
    }

    /// Sends what waits for one target and is due, until nothing is left that has become due meanwhile.
    ///
    /// `unsettled` tells which refs have to wait for an older push, `build` makes deliveries of what waited for the
    /// target to be configured rightly. Who queues something tries the lock after that, and who settles a receipt does so
    /// after that; if they find it taken, this looks once more after unlocking and sees what they left.
    fn tend(&self, at: usize, unsettled: &dyn Fn() -> Unsettled, build: BuildDeferred<'_>) {
        let mut tried = HashSet::new();
        let mut idle = 0;
        // What lies in a queue that cannot be written is found again and again: a round for what others left meanwhile is
        // enough.
        while idle < 2 {
            let mut session = self.open(at);
            let is_probe = session.state == SessionState::Closed(FailureKind::Backoff) && self.is_to_probe(&session);
            if is_probe {
                session.lock = session.queue.lock().ok().flatten();
            }
            if session.lock.is_none() || self.budget.is_spent() {
                return;
            }
            self.queue_deferred(&session, build);
            let listed = self.list(&session);
            let due = if is_probe { Vec::new() } else { self.due(&session.queue, &listed, unsettled) };
            if due.is_empty() && tried.is_empty() && self.is_to_probe(&session) {
                let older = unsettled();
                tried.extend(schedule::probe(&listed, &older).map(|queued| {
                    self.probe(&session, queued);
                    queued.key.id
                }));
            }
            idle = if due.is_empty() { idle + 1 } else { 0 };
            tried.extend(due.iter().map(|queued| queued.key.id));
            self.send_queued(&session, due);
            let queue = session.queue.clone();
            let is_over = session.is_unreachable();
            self.close(session);
            let left = || self.due(&queue, &queue.list(), unsettled);
            if is_over || left().iter().all(|queued| tried.contains(&queued.key.id)) {
                return;
            }
        }
    }

    fn is_to_probe(&self, session: &TargetSession<'_>) -> bool {
        self.probes && !self.at_once && session.backoff.wants_probe(process::now())
    }

    pub(super) fn send_queued(&self, session: &TargetSession<'a>, due: Vec<Queued>) {
        if due.is_empty() {
            return;
        }
        session.queue.set_busy(true);
        // There is always room for what takes none.
        let feed = |send: &mut dyn FnMut(usize, Task)| due.into_iter().for_each(|queued| send(0, Task::Queued(queued)));
        self.send_all(std::slice::from_ref(session), false, feed, |_, _| {});
        session.queue.set_busy(lock(&session.notes).is_left_behind);
    }

    /// Which of what waits, in order, is to be tried now.
    ///
    /// Whatever is older than what was listed has its receipt by now, or has left it and put what waits of it into the
    /// queue: so the receipts are looked at, and then the queue again. What was not listed before has its turn later,
    /// and so have newer deliveries of its ref.
    fn due(&self, queue: &Queue, listed: &[Queued], unsettled: &dyn Fn() -> Unsettled) -> Vec<Queued> {
        if listed.is_empty() {
            return Vec::new();
        }
        let unsettled = unsettled();
        let listed = listed.iter().map(|queued| queued.key.id).collect();
        // At once means once.
        let tried: HashSet<_> = match self.at_once {
            true => lock(&self.done).iter().map(|done| done.id).collect(),
            false => HashSet::new(),
        };
        let (delivered, now) = (queue.backoff().delivered, process::now());
        let is_due = |queued: &Queued| {
            queued.schedule.is_due(delivered, now) || (self.at_once && !tried.contains(&queued.key.id))
        };
        schedule::due(&queue.list(), &listed, &unsettled, is_due)
    }

    /// Makes dead letters of what waits behind a target that has not answered for as long as `retryFor` says, though most
    /// of it was never tried itself.
    pub fn expire(&self, at: usize) {
        let target = self.targets[at];
        let queue = self.spool.queue(&target.name);
        let now = process::now();
        if !target.switch.is_on() {
            return;
        }
        let is_silent = queue.backoff().has_failed_for_long();
        let mut waiting = queue.list();
        waiting.retain(|queued| is_silent || queued.schedule.is_held());
        if waiting.is_empty() {
            return;
        }
        let Ok(Some(_lock)) = queue.lock() else { return };
        let session = self.open_unlocked(at, queue.clone());
        let why = if is_silent { message::silent_long() } else { message::tried_long() };
        for queued in waiting {
            let Some(delivery) = self.load(&session, &queued) else { continue };
            // They are in order of their events, so that the first young one ends it.
            if now - delivery.time < target.retry_for.as_secs() as i64 {
                break;
            }
            let mut entry = self.entry(&session, &delivery, queued.schedule.attempts);
            entry.state = State::Dead;
            entry.reason = Some(why.into());
            self.log(&entry);
            queue.make_dead(&queued, why);
        }
    }

    /// What waits, after a look at what somebody left who died while he sent: what was delivered is removed, and of two
    /// records of one delivery the one that was tried less.
    pub(super) fn list(&self, session: &TargetSession<'_>) -> Vec<Queued> {
        let mut queue = session.queue.list();
        if session.queue.was_busy() {
            let over = self.history.over(&queue.iter().map(|queued| queued.key.id).collect());
            let mut is_clean = true;
            queue.retain(|queued| {
                // What was delivered or dead before it was put back into the queue is no reason.
                match over.get(&queued.key.id).filter(|(_, attempt)| *attempt > queued.schedule.attempts) {
                    Some((State::Delivered, _)) => is_clean &= session.queue.remove(queued),
                    Some((State::Published, _)) => is_clean &= session.queue.move_published(queued, queued),
                    Some(_) => session.queue.make_dead(queued, message::dead_by_log()),
                    None => return true,
                }
                false
            });
            lock(&session.notes).is_left_behind |= !is_clean;
            session.queue.set_busy(!is_clean);
        }
        drop_copies(session, queue)
    }
}

/// Of two records of one delivery keeps the one that was tried more often.
fn drop_copies(session: &TargetSession<'_>, mut queue: Vec<Queued>) -> Vec<Queued> {
    let mut tried: HashMap<Uuid, u32> = HashMap::new();
    for queued in &queue {
        let most = tried.entry(queued.key.id).or_insert(queued.schedule.attempts);
        *most = queued.schedule.attempts.max(*most);
    }
    if tried.len() < queue.len() {
        queue.retain(|queued| {
            let is_kept = tried.get(&queued.key.id) == Some(&queued.schedule.attempts);
            if is_kept {
                tried.insert(queued.key.id, u32::MAX);
            } else {
                session.queue.make_copy_dead(queued);
            }
            is_kept
        });
    }
    queue
}
