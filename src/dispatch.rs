//! Sends side by side within the time allowed: every target on its own, the deliveries of one ref in order; and settles
//! each, so that what was not delivered waits in the target's queue.

use std::collections::{HashMap, HashSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::delivery::{self, Delivery, Failure, FailureKind, LONGEST_DELAY, Next, Outcome, is_due};
use crate::format::{self, Ids, Payload};
use crate::history::{self, Entry, History, State};
use crate::identifier;
use crate::process::{self, Locked};
use crate::ref_update::RefName;
use crate::signature;
use crate::spool::{Bodies, Name, Queue, Receipt, Record, Rest, Spool, Unfit, Waiting, ref_key};
use crate::target::Target;
use crate::transport::{Http, Request, Trust};

/// How many connections there are at most over all targets, but for one that each target has.
const MOST_LANES: usize = 64;

/// How many connections one target gets at most, and how many deliveries make a further one worth its handshake.
const MOST_LANES_OF_TARGET: usize = 8;
const DELIVERIES_A_LANE: usize = 8;

/// So many deliveries for a queue are held in memory before they are written down together.
const MOST_HELD: usize = 256;

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
    /// The ref.
    pub name: RefName,
    /// What came of it.
    pub outcome: Outcome,
}

/// Refs that an older push, whose hook is still at work, has deliveries for: the numbers of the oldest, by what stands
/// for the ref in names.
pub type Older = HashMap<u32, u64>;

/// Makes the deliveries of a push that waited as a whole for a target; `None` where they cannot be made now.
pub type Build<'b> = &'b dyn Fn(&Target, u64, &Receipt) -> Option<Vec<Delivery>>;

/// How a target stands when a run comes to it.
enum Mode {
    /// It is ours, and nothing waits: what is built is sent from memory.
    Free,
    /// It is ours, and something waits: what is built lines up behind it.
    Backlog,
    /// Nothing is sent, for this reason: somebody else is sending, or the target's time has not come.
    Closed(FailureKind),
}

/// One target in a run.
pub struct Station<'a> {
    at: usize,
    target: &'a Target,
    queue: Queue,
    rest: Rest,
    mode: Mode,
    /// Held for as long as anything is sent to the target. `None` where we do not send, or the lock's file cannot be
    /// made, on a full or read-only disk.
    lock: Option<Locked>,
    state: Mutex<StationState>,
    is_unreachable: AtomicBool,
}

#[derive(Default)]
struct StationState {
    /// Deliveries for the queue that are not on the disk yet.
    held: Vec<(Name, Waiting, Arc<Payload>, bool)>,
    was_delivered: bool,
    is_parked: bool,
    /// The earliest time at which something that failed, and will pass, is tried again.
    again: Option<i64>,
}

/// Something to send.
enum Task {
    /// Built a moment ago; nothing of it is on disk but the receipt.
    Fresh(Delivery),
    /// In the queue, to be read when its turn comes.
    Queued(Name),
}

impl<'a> Run<'a> {
    /// A run over `targets` that may take `allowed`, or as long as it needs. What is not delivered waits in `spool`,
    /// each attempt is written down in `history`.
    pub fn new(spool: &'a Spool, history: &'a History, targets: &'a [Target], allowed: Option<Duration>) -> Self {
        Self {
            spool,
            history,
            targets,
            trust: Trust::default(),
            clock: Clock { allowed, started: OnceLock::new(), end: OnceLock::new() },
            bodies: Bodies::default(),
            done: Mutex::default(),
            is_lossy: AtomicBool::new(false),
            at_once: false,
            only: None,
        }
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

    /// Whether everything is delivered or safe in a queue so far.
    pub fn is_safe(&self) -> bool {
        !self.is_lossy.load(Ordering::Relaxed)
    }

    /// Looks how a target stands, and takes its lock if nobody else has it.
    pub fn open(&self, at: usize) -> Station<'a> {
        let target = &self.targets[at];
        let queue = self.spool.queue(&target.name);
        let (mut lock, mut mode) = match queue.lock() {
            Ok(Some(lock)) => (Some(lock), Mode::Free),
            Ok(None) => (None, Mode::Closed(FailureKind::Busy)),
            Err(error) => {
                log::error!("{error}: going on without");
                (None, Mode::Free)
            }
        };
        let rest = queue.rest();
        if self.only.is_some_and(|name| name != target.name) {
            (lock, mode) = (None, Mode::Closed(FailureKind::NotTried));
        }
        if matches!(mode, Mode::Free)
            && let Some(kind) = self.rests(rest)
        {
            // Whoever comes next may try, when the time has come.
            (lock, mode) = (None, Mode::Closed(kind));
        }
        Station { mode, lock, ..self.open_unlocked(at, queue) }
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
                Mode::Free if is_held(&delivery.name) => self.enqueue(&stations[at], delivery, FailureKind::Held),
                Mode::Free => send(at, Task::Fresh(delivery)),
                Mode::Backlog => self.enqueue(&stations[at], delivery, FailureKind::Held),
                Mode::Closed(why) => self.enqueue(&stations[at], delivery, *why),
            });
        });
        for station in stations {
            self.write_held(station);
        }
    }

    /// Notes how a target stands after a run, and lets others send to it.
    pub fn close(&self, mut station: Station<'a>) {
        self.conclude(&station);
        station.lock = None;
    }

    /// Sends what waits for one target and is due, until nothing is left that somebody put there meanwhile.
    ///
    /// `older` tells which refs have to wait for an older push, `build` makes the deliveries of a push that waited as a
    /// whole. An enqueuer tries the lock after it has queued; if it finds it taken, this looks once more after
    /// unlocking and sees what it queued.
    pub fn tend(&self, at: usize, older: &dyn Fn() -> Older, build: Build<'_>) {
        let mut seen = HashSet::new();
        loop {
            let station = self.open(at);
            if station.lock.is_none() || self.clock.is_up() {
                return;
            }
            // In this order, as in `deliver`.
            let older = older();
            let mut names = station.queue.list();
            if names.iter().any(Name::is_push) {
                self.unfold(&station, &names, build);
                names = station.queue.list();
            }
            let due = self.choose(&names, &older);
            seen.extend(names.iter().map(|name| name.id));
            let count = if due.is_empty() { 0 } else { lane_count(1, due.len()) };
            self.send_all(std::slice::from_ref(&station), &[count], |send| {
                for name in due {
                    send(0, Task::Queued(name));
                }
            });
            let queue = station.queue.clone();
            let is_over = station.is_unreachable.load(Ordering::Relaxed);
            self.close(station);
            let is_new = |name: &Name| name.attempts == 0 && !seen.contains(&name.id);
            if is_over || !queue.list().iter().any(is_new) {
                return;
            }
        }
    }

    /// Sets aside what waits behind a target that has not answered for as long as `retryFor` says, though most of it was
    /// never tried itself.
    pub fn expire(&self, at: usize) {
        let target = &self.targets[at];
        let queue = self.spool.queue(&target.name);
        let now = process::now();
        // A clock that jumps ahead must not end what was hardly tried: the target's own failures count here.
        if !target.enabled || queue.rest().failures < delivery::FEWEST_ATTEMPTS || queue.rest().parked {
            return;
        }
        let Ok(Some(_lock)) = queue.lock() else { return };
        let station = self.open_unlocked(at, queue.clone());
        for name in queue.list().into_iter().take_while(|name| !name.is_push()) {
            let Some(delivery) = self.load(&station, &name) else { continue };
            // They are in order of their events, so that the first young one ends it.
            if now - delivery.time < target.retry_for.as_secs() as i64 {
                break;
            }
            let mut entry = self.entry(&station, &delivery, name.attempts);
            entry.state = State::Dead;
            entry.reason = Some("the target has not answered for as long as retryFor says".into());
            self.log(&entry);
            queue.set_aside(&name, "the target has not answered for as long as retryFor says");
        }
    }

    fn open_unlocked(&self, at: usize, queue: Queue) -> Station<'a> {
        Station {
            at,
            target: &self.targets[at],
            rest: queue.rest(),
            queue,
            mode: Mode::Backlog,
            lock: None,
            state: Mutex::default(),
            is_unreachable: AtomicBool::new(false),
        }
    }

    /// Which of the names, in order, are to be tried now.
    fn choose(&self, names: &[Name], older: &Older) -> Vec<Name> {
        let now = process::now();
        let mut held = HashSet::new();
        let mut due = Vec::new();
        for name in names {
            if name.is_push() {
                // It could not be unfolded, and may be of any ref.
                break;
            }
            let has_older = older.get(&name.ref_key).is_some_and(|oldest| *oldest < name.sequence);
            if held.contains(&name.ref_key) || has_older {
                held.insert(name.ref_key);
            } else if name.attempts == 0 || self.at_once || is_due(name.next, now) {
                due.push(name.clone());
            } else if name.holds {
                held.insert(name.ref_key);
            }
        }
        due
    }

    /// Turns pushes that waited as a whole, while their target was not configured rightly, into deliveries.
    ///
    /// Crash: the deliveries are durable before the push is removed; made twice, they have the same names.
    fn unfold(&self, station: &Station<'_>, names: &[Name], build: Build<'_>) {
        for name in names.iter().filter(|name| name.is_push()) {
            match station.queue.load(name) {
                Ok((Record::Push(receipt), _)) => {
                    let Some(deliveries) = build(station.target, name.sequence, &receipt) else { continue };
                    for delivery in deliveries {
                        self.hold(station, delivery.name.clone(), &delivery);
                    }
                    if self.write_held(station) {
                        station.queue.remove(name);
                    }
                }
                Ok((Record::Delivery(_), _)) => station.queue.set_aside(name, "it is not what its name says"),
                Err(why) => self.unfit(station, name, &why),
            }
        }
    }

    /// Opens so many lanes for each station and runs `feed`; returns when all is sent.
    fn send_all(&self, stations: &[Station<'a>], counts: &[usize], feed: impl FnOnce(&mut dyn FnMut(usize, Task))) {
        let mut late: HashMap<usize, Vec<Task>> = HashMap::new();
        thread::scope(|scope| {
            let lanes: Vec<Vec<Sender<Task>>> =
                stations.iter().zip(counts).map(|(station, count)| self.open_lanes(scope, station, *count)).collect();
            feed(&mut |at, task| {
                let lanes = &lanes[at];
                match lanes.get(task.ref_key() as usize % lanes.len().max(1)) {
                    // A lane ends only when its sender does, so what is sent arrives.
                    Some(lane) => drop(lane.send(task)),
                    None => late.entry(at).or_default().push(task),
                }
            });
            self.clock.start();
        });
        // No thread could be started for these: they are sent here, one after another.
        for (at, tasks) in late {
            self.run_lane(&stations[at], tasks);
        }
    }

    fn open_lanes<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        station: &'scope Station<'a>,
        count: usize,
    ) -> Vec<Sender<Task>> {
        let start = |_| {
            let (sender, receiver): (_, Receiver<Task>) = mpsc::channel();
            let run = move || self.run_lane(station, receiver);
            thread::Builder::new().stack_size(512 * 1024).spawn_scoped(scope, run).ok()?;
            Some(sender)
        };
        (0..count).map_while(start).collect()
    }

    /// One connection to one target, and what goes over it. Deliveries of one ref share a lane, which keeps their
    /// order.
    fn run_lane(&self, station: &Station<'_>, tasks: impl IntoIterator<Item = Task>) {
        let mut http = Http::new(station.target, &self.trust);
        let mut sent_for = Duration::ZERO;
        let mut held = HashSet::new();
        for task in tasks {
            let start = Instant::now();
            let left = self.clock.left(sent_for);
            let not_now = if left.is_zero() || self.clock.is_at_end() {
                Some(FailureKind::NotTried)
            } else if station.is_unreachable.load(Ordering::Relaxed) {
                Some(FailureKind::Resting)
            } else if held.contains(&task.ref_key()) {
                Some(FailureKind::Held)
            } else {
                None
            };
            let (delivery, was_queued) = match (task, not_now) {
                (Task::Queued(_), Some(_)) => continue,
                (Task::Fresh(delivery), Some(why)) => {
                    held.insert(delivery.name.ref_key);
                    self.enqueue(station, delivery, why);
                    continue;
                }
                (Task::Fresh(delivery), None) => (delivery, false),
                (Task::Queued(name), None) => match self.load(station, &name) {
                    Some(delivery) => (delivery, true),
                    None => continue,
                },
            };
            let mut outcome = guarded(|| send(&mut http, station.target, &delivery, left));
            sent_for += start.elapsed();
            if let Outcome::Failed(failure) = &mut outcome {
                let is_timeout = matches!(failure.kind, FailureKind::Timeout { .. });
                // A little less than the target's own time is as good as that: maxWait and timeout are often the same.
                if is_timeout && left < station.target.timeout.mul_f32(0.9) {
                    failure.kind = FailureKind::CutShort;
                }
                if failure.kind == FailureKind::Fault {
                    http = Http::new(station.target, &self.trust);
                }
                if failure.kind.is_unreachable() {
                    station.is_unreachable.store(true, Ordering::Relaxed);
                }
            }
            if self.settle(station, &delivery, &outcome, was_queued) {
                held.insert(delivery.name.ref_key);
            }
            self.note(station, &delivery, outcome);
        }
    }

    /// Reads a delivery from the queue; one that is not sound is set aside.
    fn load(&self, station: &Station<'_>, name: &Name) -> Option<Delivery> {
        let (waiting, body) = match station.queue.load(name) {
            Ok((Record::Delivery(waiting), body)) => (waiting, body),
            Ok((Record::Push(_), _)) => {
                station.queue.set_aside(name, "it is not what its name says");
                return None;
            }
            Err(why) => {
                self.unfit(station, name, &why);
                return None;
            }
        };
        let Some(format) = format::find(&waiting.format) else {
            station.queue.set_aside(name, &format!("this program knows no format '{}'", waiting.format));
            return None;
        };
        Some(Delivery {
            id: name.id,
            line: waiting.line,
            format,
            payload: Arc::new(Payload { event: waiting.event.into(), body }),
            is_shared: false,
            time: waiting.time,
            receipt: waiting.receipt.into(),
            origin: Arc::new(waiting.origin),
            name: name.clone(),
        })
    }

    fn unfit(&self, station: &Station<'_>, name: &Name, why: &Unfit) {
        match why {
            Unfit::Unsound(why) => station.queue.set_aside(name, why),
            // Somebody else was faster.
            Unfit::Unreadable(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Unfit::Unreadable(error) => log::error!(
                "webhook {}: cannot read '{name}' in its queue: {error}; its owner can: run git webhook flush as that user",
                station.target.name
            ),
        }
    }

    /// Writes down what came of an attempt. Returns whether newer deliveries of the ref have to wait.
    ///
    /// Crash: the log comes first. Between an answer and the log's line nobody knows of the answer, and the delivery is
    /// made once more under its id: that is the one gap in which an event is told twice.
    fn settle(&self, station: &Station<'_>, delivery: &Delivery, outcome: &Outcome, was_queued: bool) -> bool {
        let now = process::now();
        let mut name = Name { attempts: delivery.name.attempts + 1, ..delivery.name.clone() };
        let mut entry = self.entry(station, delivery, name.attempts);
        let failure = match outcome {
            Outcome::Delivered { status, elapsed } => {
                entry.status = Some(*status);
                entry.ms = Some(elapsed.as_millis() as u64);
                self.log(&entry);
                if was_queued {
                    station.queue.remove(&delivery.name);
                }
                lock(&station.state).was_delivered = true;
                return false;
            }
            Outcome::Failed(failure) => failure,
        };
        name.cut_offs += u32::from(failure.kind.is_cut_off());
        entry.reason = Some(failure.to_string());
        if let FailureKind::Status(status) | FailureKind::Redirect(status) = failure.kind {
            entry.status = Some(status);
        }
        let next = delivery::next(failure, &name, now - delivery.time, station.target.retry_for, now);
        let Next::Again { at, holds } = next else {
            let Next::GivenUp(why) = next else { return false };
            entry.state = State::Dead;
            entry.reason = Some(format!("{failure}; {why}"));
            self.log(&entry);
            station.queue.set_aside(&delivery.name, why);
            return false;
        };
        (name.next, name.holds) = (at, holds);
        entry.state = State::Waiting;
        entry.next = Some(at);
        self.log(&entry);
        let mut state = lock(&station.state);
        if failure.kind == FailureKind::Status(410) {
            state.is_parked = true;
        }
        if failure.kind.is_passing() && failure.kind != FailureKind::CutShort {
            state.again = Some(state.again.map_or(at, |again| again.min(at)));
        }
        drop(state);
        if was_queued {
            station.queue.rename(&delivery.name, &name);
        } else {
            self.hold(station, name, delivery);
        }
        holds
    }

    /// A log line of a delivery that was made, until something else is said.
    fn entry(&self, station: &Station<'_>, delivery: &Delivery, attempt: u32) -> Entry {
        let body = &delivery.payload.body;
        Entry {
            time: history::timestamp(),
            id: delivery.id,
            event_id: delivery.line.event,
            target: station.target.name.clone(),
            event: delivery.payload.event.to_string(),
            format: delivery.format.name.into(),
            r#ref: delivery.line.update.name.text().into_owned(),
            old: delivery.line.update.before(),
            new: delivery.line.update.after(),
            receipt: delivery.receipt.to_string(),
            attempt,
            state: State::Delivered,
            status: None,
            ms: None,
            reason: None,
            next: None,
            sha256: Some(signature::sha256_hex(body)),
            size: Some(body.len() as u64),
        }
    }

    fn log(&self, entry: &Entry) {
        if let Err(error) = self.history.add(entry) {
            log::error!("{error}: the log lacks a line of webhook {}", entry.target);
        }
    }

    /// Puts a delivery that was not tried into the queue.
    fn enqueue(&self, station: &Station<'_>, delivery: Delivery, why: FailureKind) {
        self.hold(station, delivery.name.clone(), &delivery);
        self.note(station, &delivery, Outcome::Failed(Failure::new(why, "")));
    }

    fn hold(&self, station: &Station<'_>, name: Name, delivery: &Delivery) {
        let mut state = lock(&station.state);
        state.held.push((name, delivery.waiting(), Arc::clone(&delivery.payload), delivery.is_shared));
        if state.held.len() >= MOST_HELD {
            drop(state);
            self.write_held(station);
        }
    }

    /// Writes down what is held for a queue. Returns whether that is all on the disk.
    fn write_held(&self, station: &Station<'_>) -> bool {
        let held = std::mem::take(&mut lock(&station.state).held);
        match station.queue.put(&held, &self.bodies) {
            Ok(()) => true,
            Err(error) => {
                log::error!("webhook {}: {error}", station.target.name);
                self.is_lossy.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    fn note(&self, station: &Station<'_>, delivery: &Delivery, outcome: Outcome) {
        let name = delivery.line.update.name.clone();
        let sequence = delivery.name.sequence;
        lock(&self.done).push(Done { target: station.at, sequence, id: delivery.id, name, outcome });
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

impl Task {
    fn ref_key(&self) -> u32 {
        match self {
            Self::Fresh(delivery) => delivery.name.ref_key,
            Self::Queued(name) => name.ref_key,
        }
    }
}

/// Sends one delivery and keeps nothing of it.
pub fn send_once(target: &Target, delivery: &Delivery) -> Outcome {
    let trust = Trust::default();
    guarded(|| send(&mut Http::new(target, &trust), target, delivery, target.timeout))
}

/// Signs and sends one attempt.
fn send(http: &mut Http<'_>, target: &Target, delivery: &Delivery, left: Duration) -> Outcome {
    let body = &delivery.payload.body;
    let ids = Ids {
        delivery: delivery.id,
        event: delivery.line.event,
        webhook: identifier::webhook(&delivery.origin.repository, &target.name),
        instance: delivery.origin.instance.clone(),
    };
    let mut headers = (delivery.format.headers)(&delivery.payload.event, &ids);
    if let Some(secret) = &target.secret {
        headers.extend((delivery.format.sign)(secret, body));
    }
    if !target.signing_secrets.is_empty() {
        let id = delivery.id.to_string();
        let signed = signature::standard_webhooks(&target.signing_secrets, &id, process::now(), body);
        headers.extend(signed.into_iter().map(|(name, value)| (name, value.into_bytes())));
    }
    http.send(&Request { headers: &headers, body }, left)
}

/// The refs of receipts, each with the lowest number of a receipt that names it.
pub fn older(receipts: &[(u64, Receipt)]) -> Older {
    let mut older = Older::new();
    for (sequence, receipt) in receipts {
        for line in &receipt.lines {
            let oldest = older.entry(ref_key(&line.update.name)).or_insert(*sequence);
            *oldest = (*oldest).min(*sequence);
        }
    }
    older
}

fn lane_count(targets: usize, deliveries: usize) -> usize {
    if deliveries == 0 {
        return 0;
    }
    let share = MOST_LANES / targets.max(1);
    deliveries.div_ceil(DELIVERIES_A_LANE).min(share).clamp(1, MOST_LANES_OF_TARGET)
}

/// What is behind a lock stays sound whatever panicked while it was held: each change is one push or one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time that deliveries may hold up the push, all together. Each lane may send for so long, and none after so long
/// since the last event was built: until then the push waits for us, not for the receivers.
struct Clock {
    allowed: Option<Duration>,
    started: OnceLock<Instant>,
    /// When no attempt is begun any more.
    end: OnceLock<Instant>,
}

impl Clock {
    fn start(&self) {
        self.started.get_or_init(Instant::now);
    }

    fn shorten(&self, time: Duration) {
        self.end.get_or_init(|| Instant::now() + time);
    }

    /// What is left for a lane that has sent for so long.
    fn left(&self, sent_for: Duration) -> Duration {
        let spent = self.started.get().map_or(Duration::ZERO, Instant::elapsed);
        self.allowed.map_or(Duration::MAX, |allowed| allowed.saturating_sub(spent.max(sent_for)))
    }

    fn is_at_end(&self) -> bool {
        self.end.get().is_some_and(|end| *end <= Instant::now())
    }

    fn is_up(&self) -> bool {
        self.is_at_end() || self.left(Duration::ZERO).is_zero()
    }
}

/// A panic in a library, on what a receiver sent perhaps, must not take along what came of the other deliveries. The
/// panic hook logs it.
fn guarded(attempt: impl FnOnce() -> Outcome) -> Outcome {
    panic::catch_unwind(AssertUnwindSafe(attempt))
        .unwrap_or_else(|_| Outcome::Failed(Failure::new(FailureKind::Fault, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_of_one_delivery() {
        let outcome = guarded(|| panic!("on purpose"));
        assert_eq!(outcome, Outcome::Failed(Failure::new(FailureKind::Fault, "")));
    }

    #[test]
    fn lanes_grow_with_the_deliveries_within_limits() {
        assert_eq!(lane_count(1, 0), 0);
        assert_eq!(lane_count(1, 8), 1);
        assert_eq!(lane_count(1, 9), 2);
        assert_eq!(lane_count(1, 100_000), MOST_LANES_OF_TARGET);
        assert_eq!(lane_count(20, 100_000), 3);
        assert_eq!(lane_count(1000, 100_000), 1, "each has one, however many there are");
    }
}
