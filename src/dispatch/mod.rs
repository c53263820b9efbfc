//! Sends side by side within the time allowed: every target on its own, the deliveries of one ref in order; and settles
//! each, so that what was not delivered waits in the target's queue.

mod again;

mod clock;

mod station;

mod lanes;

mod settle;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::delivery::{self, Delivery, FailureKind, Outcome, is_due};
use crate::history::{History, State};
use crate::message;
use crate::process;
use crate::ref_update::RefName;
use crate::spool::{Bodies, Name, Queue, Receipt, Spool, WHOLE, ref_key};
use crate::target::Target;
use crate::transport::Trust;

use clock::Clock;
use lanes::{Task, lane_count};
use station::Mode;

pub use lanes::{send_once, shown_headers};
pub use station::Station;

/// What all deliveries of a run have in common.
pub struct Run<'a> {
    spool: &'a Spool,
    history: &'a History,
    targets: &'a [Target],
    trust: Trust,
    clock: Clock,
    bodies: Bodies,
    done: Mutex<Vec<Done>>,
    /// Something could be neither delivered nor written down.
    is_lossy: AtomicBool,
    /// Ignore that a time has not come.
    at_once: bool,
    /// Send to this target alone.
    only: Option<&'a str>,
    /// The number of a push that is written down nowhere.
    unkept: Option<u64>,
}

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

/// Refs that an older push, whose hook is still at work, has deliveries for: the numbers of the oldest, by what stands
/// for the ref in names.
pub type Older = HashMap<u64, u64>;

/// Makes the deliveries of a push that waited as a whole for a target; `None` where they cannot be made now.
pub type Build<'b> = &'b dyn Fn(&Target, u64, &Receipt) -> Option<Vec<Delivery>>;

impl<'a> Run<'a> {
    /// A run over `targets` that may take `allowed`, or as long as it needs. What is not delivered waits in `spool`,
    /// each attempt is written down in `history`.
    pub fn new(spool: &'a Spool, history: &'a History, targets: &'a [Target], allowed: Option<Duration>) -> Self {
        Self {
            spool,
            history,
            targets,
            trust: Trust::default(),
            clock: Clock::new(allowed),
            bodies: Bodies::default(),
            done: Mutex::default(),
            is_lossy: AtomicBool::new(false),
            at_once: false,
            only: None,
            unkept: None,
        }
    }

    /// Sends what comes from the push of this number at once where it cannot wait in a queue: it is written down nowhere.
    pub fn unkept(self, unkept: Option<u64>) -> Self {
        Self { unkept, ..self }
    }

    /// Tries what failed though its time has not come, and targets that rest.
    pub fn at_once(self, at_once: bool) -> Self {
        Self { at_once, ..self }
    }

    /// Sends to one target alone, or to all.
    pub fn only(self, only: Option<&'a str>) -> Self {
        Self { only, ..self }
    }

    /// From here on begins no attempt after so long.
    pub fn end_within(&self, time: Duration) {
        self.clock.shorten(time);
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

    /// Sends while `feed` still builds: it is called with a function that takes a station's place and a delivery, and
    /// the first deliveries are on their way before the last is built.
    ///
    /// `expected` tells how many each station will get, at most; `older` which refs have to wait for an older push. It
    /// is asked before the queues are looked at: an older push is then seen by its receipt, or, if that was settled
    /// meanwhile, by what it left in a queue.
    ///
    /// When this returns everything is delivered, or on the disk in a queue, or [`Run::is_safe`] is false.
    pub fn deliver(
        &self,
        stations: &mut [Station<'a>],
        expected: &[usize],
        older: impl FnOnce() -> Older,
        feed: impl FnOnce(&mut dyn FnMut(usize, Delivery)),
    ) {
        let older = older();
        for station in stations.iter_mut() {
            if matches!(station.mode, Mode::Free) && !station.queue.is_empty() {
                station.mode = Mode::Backlog;
            }
        }
        let stations = &*stations;
        let free = stations.iter().filter(|station| matches!(station.mode, Mode::Free)).count();
        let lanes = |at: usize| match stations[at].mode {
            Mode::Free => lane_count(free, expected[at]),
            _ => 0,
        };
        let counts: Vec<_> = (0..stations.len()).map(lanes).collect();
        let is_held = |name: &Name| older.get(&name.ref_key).is_some_and(|oldest| *oldest < name.sequence);
        self.send_all(stations, &counts, |send| {
            feed(&mut |at, delivery| match &stations[at].mode {
                Mode::Free if is_held(&delivery.name) => self.line_up(&stations[at], delivery, FailureKind::Held),
                Mode::Free => send(at, Task::Fresh(Box::new(delivery))),
                Mode::Backlog => self.line_up(&stations[at], delivery, FailureKind::Held),
                Mode::Closed(why) => self.line_up(&stations[at], delivery, *why),
            });
        });
        for station in stations {
            self.write_held(station);
        }
    }

    /// Sends what waits for one target and is due, until nothing is left that has become due meanwhile.
    ///
    /// `older` tells which refs have to wait for an older push, `build` makes the deliveries of a push that waited as a
    /// whole. Who queues something tries the lock after that, and who settles a receipt does so after that; if they
    /// find it taken, this looks once more after unlocking and sees what they left.
    pub fn tend(&self, at: usize, older: &dyn Fn() -> Older, build: Build<'_>) {
        let mut tried = HashSet::new();
        let mut idle = 0;
        // What lies in a queue that cannot be written is found again and again: a round for what others left meanwhile is
        // enough.
        while idle < 2 {
            let station = self.open(at);
            if station.lock.is_none() || self.clock.is_up() {
                return;
            }
            let mut names = self.list(&station);
            if names.iter().any(Name::is_push) {
                self.unfold(&station, &names, build);
                names = self.list(&station);
            }
            let due = self.due(&station.queue, &names, older);
            idle = if due.is_empty() { idle + 1 } else { 0 };
            tried.extend(due.iter().map(|name| name.id));
            self.send_queued(&station, due);
            let queue = station.queue.clone();
            let is_over = station.is_unreachable.load(Ordering::Relaxed);
            self.close(station);
            if is_over || self.due(&queue, &queue.list(), older).iter().all(|name| tried.contains(&name.id)) {
                return;
            }
        }
    }

    fn send_queued(&self, station: &Station<'a>, due: Vec<Name>) {
        if due.is_empty() {
            return;
        }
        station.queue.set_busy(true);
        self.send_all(std::slice::from_ref(station), &[lane_count(1, due.len())], |send| {
            for name in due {
                send(0, Task::Queued(name));
            }
        });
        station.queue.set_busy(lock(&station.state).is_left_behind);
    }

    /// Which of the names, in order, are to be tried now.
    ///
    /// Whatever is older than what was listed has its receipt by now, or has left it and put what waits of it into the
    /// queue: so the receipts are looked at, and then the queue again. What was not listed before has its turn later,
    /// and so have newer deliveries of its ref.
    fn due(&self, queue: &Queue, names: &[Name], older: &dyn Fn() -> Older) -> Vec<Name> {
        if names.is_empty() {
            return Vec::new();
        }
        let older = older();
        let listed: HashSet<_> = names.iter().map(|name| name.id).collect();
        self.choose(&queue.list(), &listed, &older)
    }

    /// Sets aside what waits behind a target that has not answered for as long as `retryFor` says, though most of it was
    /// never tried itself.
    pub fn expire(&self, at: usize) {
        let target = &self.targets[at];
        let queue = self.spool.queue(&target.name);
        let now = process::now();
        let rest = queue.rest();
        // A clock that jumps ahead must not end what was hardly tried: the target's own failures count here.
        if !target.enabled || rest.failures < delivery::FEWEST_ATTEMPTS || rest.parked {
            return;
        }
        let Ok(Some(_lock)) = queue.lock() else { return };
        let station = self.open_unlocked(at, queue.clone());
        let why = message::silent_long();
        for name in queue.list().into_iter().take_while(|name| !name.is_push()) {
            let Some(delivery) = self.load(&station, &name) else { continue };
            // They are in order of their events, so that the first young one ends it.
            if now - delivery.time < target.retry_for.as_secs() as i64 {
                break;
            }
            let mut entry = self.entry(&station, &delivery, name.attempts);
            entry.state = State::Dead;
            entry.reason = Some(why.into());
            self.log(&entry);
            queue.set_aside(&name, why);
        }
    }

    /// What waits, after a look at what somebody left who died while he sent: what was delivered is removed, and of two
    /// records of one delivery the one that was tried less.
    fn list(&self, station: &Station<'_>) -> Vec<Name> {
        let mut names = station.queue.list();
        if station.queue.was_busy() {
            let over = self.history.over(&names.iter().map(|name| name.id).collect());
            let mut is_clean = true;
            names.retain(|name| {
                // What was delivered or given up before it was put back into the queue is no reason.
                match over.get(&name.id).filter(|(_, attempt)| *attempt > name.attempts) {
                    Some((State::Delivered, _)) => is_clean &= station.queue.remove(name),
                    Some(_) => station.queue.set_aside(name, message::given_up()),
                    None => return true,
                }
                false
            });
            lock(&station.state).is_left_behind |= !is_clean;
            station.queue.set_busy(!is_clean);
        }
        let mut tried: HashMap<Uuid, u32> = HashMap::new();
        for name in &names {
            let most = tried.entry(name.id).or_insert(name.attempts);
            *most = name.attempts.max(*most);
        }
        if tried.len() < names.len() {
            names.retain(|name| {
                let is_kept = tried.get(&name.id) == Some(&name.attempts);
                if is_kept {
                    tried.insert(name.id, u32::MAX);
                } else {
                    station.queue.set_copy_aside(name);
                }
                is_kept
            });
        }
        names
    }

    /// Chooses, in order, what of `names` is due, was `listed` before, and has nothing older of its ref before it.
    fn choose(&self, names: &[Name], listed: &HashSet<Uuid>, older: &Older) -> Vec<Name> {
        let now = process::now();
        // At once means once.
        let tried: HashSet<_> = match self.at_once {
            true => lock(&self.done).iter().map(|done| done.id).collect(),
            false => HashSet::new(),
        };
        let mut held = HashSet::new();
        let mut due = Vec::new();
        for name in names {
            if name.is_push() {
                // It could not be unfolded, and may be of any ref.
                break;
            }
            let has_older = older.get(&name.ref_key).is_some_and(|oldest| *oldest < name.sequence);
            if held.contains(&name.ref_key) || has_older || !listed.contains(&name.id) {
                held.insert(name.ref_key);
            } else if name.attempts == 0 || is_due(name.next, now) || (self.at_once && !tried.contains(&name.id)) {
                due.push(name.clone());
            } else if name.holds {
                held.insert(name.ref_key);
            }
        }
        due
    }
}

/// The refs of receipts, each with the lowest number of a receipt that names it. A delivery that tells of a whole push
/// waits for every older one, whatever its refs.
pub fn older(receipts: &[(u64, Receipt)]) -> Older {
    let mut older = Older::new();
    for (sequence, receipt) in receipts {
        for key in receipt.lines.iter().map(|line| ref_key(&line.update.name)).chain([WHOLE]) {
            let oldest = older.entry(key).or_insert(*sequence);
            *oldest = (*oldest).min(*sequence);
        }
    }
    older
}

/// What is behind a lock stays sound whatever panicked while it was held: each change is one push or one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
