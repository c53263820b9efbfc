//! When a delivery is due, what it blocks, and when it is tried next: pure functions of what is known, without a clock or
//! a file.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::message;
use crate::outcome::{Failure, FailureKind, GONE};
use crate::ref_update::RefName;
use crate::signature::sha256_hex;

/// By what a delivery is known in its target's queue: its place in the order of all, its ref, its id.
///
/// In the order of the fields, which is that of the pushes, of their ref updates, and of what each update has to tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueKey {
    /// The number of the push.
    pub sequence: u64,
    /// The place among the deliveries of the push.
    pub number: u64,
    /// Stands for the ref: two updates of one ref have one, and rarely those of two.
    pub order: OrderKey,
    /// The delivery's id, the same over retries and redeliveries.
    pub id: Uuid,
}

impl QueueKey {
    /// The place of what the ref update with the number `line` tells at the place `place`, both from 0.
    pub fn number(line: u32, place: u16) -> u64 {
        u64::from(line) << 16 | u64::from(place)
    }
}

/// What keeps deliveries of a target in order: those of one key are sent one after another, and wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderKey(u64);

impl OrderKey {
    /// That of deliveries that tell of a whole push, whatever its refs: they reach a target in the order of the pushes.
    pub const WHOLE_PUSH: Self = Self(1);

    /// That of a ref: the first 64 bits of the SHA-256 of its whole name.
    pub fn of(name: &RefName) -> Self {
        let hash = u64::from_str_radix(&sha256_hex(name.whole())[..16], 16).unwrap_or_default();
        Self(hash.max(Self::WHOLE_PUSH.0 + 1))
    }

    /// From the number that [`Self::number`] gave.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// As a number, which names of files hold.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What the attempts so far come to, and when the next one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schedule {
    /// How often it was tried.
    pub attempts: u32,
    /// Whether newer deliveries of its ref wait for it.
    pub blocks_ref: bool,
    /// How many attempts were ambiguous: the whole request was sent, and the receiver may have acted.
    pub ambiguous: u32,
    /// When it is tried next, in seconds since 1970; 0 for one that was never tried.
    pub next: i64,
}

/// A delivery in a queue, as far as its place there tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Queued {
    /// By what it is known.
    pub key: QueueKey,
    /// When it is tried.
    pub schedule: Schedule,
}

/// What is to become of a delivery that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again.
    Again(Schedule),
    /// It is a dead letter, and why.
    Dead(&'static str),
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// When a delivery is tried again, in seconds after each attempt; the last goes on.
const DELAYS: [i64; 9] = [5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 12 * HOUR];

const LONGEST_STEP: i64 = DELAYS[DELAYS.len() - 1];

/// The first of them for answers that somebody must do something about.
const SLOW: u32 = 4;

/// The most that a receiver can ask for, and with it the longest delay there is.
const LONGEST_DELAY: i64 = 24 * HOUR;

/// A delivery blocks newer ones of its ref until its fourth retry: five attempts.
const ATTEMPTS_THAT_BLOCK: u32 = 5;

/// When a delivery is tried again after each ambiguous attempt, in seconds: the receiver may have acted each time. After
/// the last it waits for another delivery to get through.
const AMBIGUOUS_DELAYS: [i64; 5] = [2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR];

/// A target with a backlog is probed this often, in seconds.
const PROBE_EVERY: i64 = 10 * MINUTE;

/// A clock that jumps must not end a delivery that was hardly tried.
const FEWEST_ATTEMPTS: u32 = 5;

impl Schedule {
    /// With a failed attempt counted, before it is decided what is to become of it.
    fn counting(self, kind: FailureKind) -> Self {
        // What is held for its ambiguity, and fails in another way when it is let go, is held no more.
        let known = self.ambiguous.min(AMBIGUOUS_DELAYS.len() as u32);
        let ambiguous = if kind.is_ambiguous() { self.ambiguous.saturating_add(1) } else { known };
        Self { attempts: self.attempts.saturating_add(1), ambiguous, ..self }
    }

    /// What is to become of the delivery `id` after a failed attempt; `age` is that of its event in seconds, `now` in
    /// seconds since 1970.
    pub fn after(self, failure: &Failure, id: Uuid, age: i64, retry_for: Duration, now: i64) -> Next {
        match failure.kind {
            // As for any target that is wrong, however long nobody mends it.
            FailureKind::Unmade => Next::Again(self.looked_at_again(id, age, now)),
            FailureKind::Forbidden => self.after_refusal(id, age, retry_for, now, message::refused_long()),
            FailureKind::OtherFormat => self.after_refusal(id, age, retry_for, now, message::tried_long()),
            _ => self.after_attempt(failure, id, age, retry_for, now),
        }
    }

    fn after_attempt(self, failure: &Failure, id: Uuid, age: i64, retry_for: Duration, now: i64) -> Next {
        let kind = failure.kind;
        if kind == FailureKind::TooLarge {
            return Next::Dead(message::never_taken());
        }
        let counted = self.counting(kind);
        let attempts = counted.attempts;
        // One that is gone for good is parked with all that waits for it, until somebody enables it.
        if kind != FailureKind::Status(GONE) && age >= retry_for.as_secs() as i64 && attempts >= FEWEST_ATTEMPTS {
            return Next::Dead(message::tried_long());
        }
        let delay = match failure.retry_after {
            Some(time) => i64::try_from(time.as_secs()).unwrap_or(LONGEST_DELAY).clamp(1, LONGEST_DELAY),
            None if counted.is_held() => 0,
            None if kind.is_ambiguous() => with_jitter(AMBIGUOUS_DELAYS[counted.ambiguous as usize - 1], id, attempts),
            None if kind.is_passing() => with_jitter(delay(attempts), id, attempts),
            None => with_jitter(delay(attempts.max(SLOW)), id, attempts),
        };
        let still_blocks = attempts < ATTEMPTS_THAT_BLOCK || kind.is_brokers();
        let blocks_ref = kind.is_passing() && still_blocks && !counted.is_held();
        Next::Again(Self { next: now + delay, blocks_ref, ..counted })
    }

    /// That of one of which nothing was tried, for what somebody here may mend until `retry_for` is over.
    fn after_refusal(self, id: Uuid, age: i64, retry_for: Duration, now: i64, why: &'static str) -> Next {
        // One that is looked at for the first time, after days without a timer, is given another chance.
        if self.next != 0 && age >= retry_for.as_secs() as i64 {
            return Next::Dead(why);
        }
        Next::Again(self.looked_at_again(id, age, now))
    }

    /// That of one of which nothing was tried: it holds nothing back. How often it was looked at nobody counts, its age tells.
    fn looked_at_again(self, id: Uuid, age: i64, now: i64) -> Self {
        let mut looks = 0;
        let step = DELAYS[SLOW as usize - 1..].iter().copied().find(|delay| {
            looks += delay;
            age < looks
        });
        let delay = with_jitter(step.unwrap_or(LONGEST_STEP), id, self.attempts);
        Self { next: now + delay, blocks_ref: false, ..self }
    }

    /// Whether it is not tried by time any more: so often has the receiver perhaps acted. `next` is when it was tried
    /// last then.
    pub fn is_held(self) -> bool {
        self.ambiguous as usize > AMBIGUOUS_DELAYS.len()
    }

    /// The same, due at once, for the target is back.
    pub fn hastened(self, now: i64) -> Self {
        if self.is_held() { self } else { Self { next: self.next.min(now), ..self } }
    }

    /// That of a delivery which somebody asked for once more, after so many attempts.
    pub fn asked_for(attempts: u32) -> Self {
        Self { attempts, ..Self::default() }
    }

    /// Whether it is to be tried now; `delivered` is when the target took anything last, in seconds since 1970.
    pub fn is_due(self, delivered: i64, now: i64) -> bool {
        match self.is_held() {
            true => delivered >= self.next,
            false => is_due(self.next, now),
        }
    }
}

/// The refs that pushes which are not settled name, each with the lowest number of such a push: their deliveries come
/// before those of any later push.
#[derive(Clone, Debug, Default)]
pub struct Unsettled(HashMap<OrderKey, u64>);

impl Unsettled {
    /// Notes a push that names these refs. A delivery that tells of a whole push waits for every older one.
    pub fn add(&mut self, sequence: u64, refs: impl IntoIterator<Item = OrderKey>) {
        for key in refs.into_iter().chain([OrderKey::WHOLE_PUSH]) {
            let oldest = self.0.entry(key).or_insert(sequence);
            *oldest = (*oldest).min(sequence);
        }
    }

    /// Whether a delivery has to wait for an older push.
    pub fn blocks(&self, key: &QueueKey) -> bool {
        self.0.get(&key.order).is_some_and(|oldest| *oldest < key.sequence)
    }
}

/// Of what waits for a target, in order, that which is to be tried now: it was `listed` before the older pushes were
/// looked at, nothing older of its ref comes before it, and it `is_due`.
pub fn due(
    queue: &[Queued],
    listed: &HashSet<Uuid>,
    older: &Unsettled,
    is_due: impl Fn(&Queued) -> bool,
) -> Vec<Queued> {
    let mut blocked = HashSet::new();
    let mut due = Vec::new();
    for queued in queue {
        let Queued { key, schedule } = queued;
        if blocked.contains(&key.order) || older.blocks(key) || !listed.contains(&key.id) {
            blocked.insert(key.order);
        } else if is_due(queued) {
            due.push(queued.clone());
        } else if schedule.blocks_ref {
            blocked.insert(key.order);
        }
    }
    due
}

/// With which delivery of a backlog of which nothing is due a target is probed: the oldest of which the receiver has
/// certainly not acted.
pub fn probe<'q>(queue: &'q [Queued], older: &Unsettled) -> Option<&'q Queued> {
    let mut newer_of = HashSet::new();
    queue.iter().find(|Queued { key, schedule }| {
        let is_first = !newer_of.contains(&key.order) && !older.blocks(key);
        newer_of.insert(key.order);
        is_first && schedule.ambiguous == 0
    })
}

/// By what it is noticed that the files changed in which a target is configured, its secrets' included: the newest time in
/// nanoseconds since 1970, all sizes together in bytes, all inodes. What is in them plays no part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The newest change.
    pub changed: i64,
    /// The sum of the sizes.
    pub size: u64,
    /// The inodes, added up.
    pub inodes: u64,
}

/// How long a target that failed in its last run is left alone; the default where it did not fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// How many runs have failed one after another.
    pub failures: u32,
    /// No push tries it before, in seconds since 1970.
    pub until: i64,
    /// It answered 410 and is left alone until `git webhook enable`.
    pub parked: bool,
    /// When it was tried last while something waited, in seconds since 1970.
    #[serde(default)]
    pub tried: i64,
    /// When it took anything last while something waited, in seconds since 1970.
    #[serde(default)]
    pub delivered: i64,
    /// The files that it was configured in when it failed.
    #[serde(default)]
    pub stamp: Option<Stamp>,
    /// What it takes, where it refused a body for its size.
    #[serde(default)]
    pub body_limit: Option<BodyLimit>,
    /// What came of it last.
    #[serde(default, deserialize_with = "known_kind")]
    pub why: Option<FailureKind>,
}

/// A kind of failure, if it is one that this program knows: another version must not make the whole record unreadable.
fn known_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FailureKind>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Known(FailureKind),
        Unknown(IgnoredAny),
    }
    Ok(match Option::<Read>::deserialize(deserializer)? {
        Some(Read::Known(kind)) => Some(kind),
        Some(Read::Unknown(_)) | None => None,
    })
}

/// How large a body a target takes, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyLimit {
    /// It took one of so many bytes when it had refused a larger one.
    pub bytes: usize,
    /// Until when that is remembered, in seconds since 1970.
    pub until: i64,
}

/// What a run has learned of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// A request was sent to it.
    pub was_tried: bool,
    /// It took a delivery.
    pub was_delivered: bool,
    /// What it takes, where it refused a body for its size.
    pub body_limit: Option<BodyLimit>,
    /// It answered 410.
    pub is_parked: bool,
    /// The earliest time at which something that failed, and will pass, is tried again, in seconds since 1970.
    pub next: Option<i64>,
    /// What came of it, where something failed.
    pub why: Option<FailureKind>,
    /// What came of it last where something failed, be it something that will not pass.
    pub failed: Option<FailureKind>,
}

impl Learned {
    /// Notes a failed attempt, whose delivery is tried again then.
    pub fn failed(&mut self, kind: FailureKind, next: i64) {
        self.was_tried = true;
        self.is_parked |= kind == FailureKind::Status(GONE);
        // That a push was not given the time says nothing about the target.
        if matches!(kind, FailureKind::CutShort { .. }) {
            return;
        }
        self.failed = Some(kind);
        if kind.is_passing() {
            self.next = Some(self.next.map_or(next, |earliest| earliest.min(next)));
            self.why = Some(kind);
        }
    }
}

impl Backoff {
    /// Why nothing is sent to the target now; `None` where it may be tried. `at_once`: somebody asked for it.
    pub fn closes(self, at_once: bool, now: i64) -> Option<FailureKind> {
        if self.parked {
            Some(FailureKind::Parked)
        } else if !at_once && self.failures > 0 && !is_due(self.until, now) {
            Some(FailureKind::Backoff)
        } else {
            None
        }
    }

    /// How the target stands after a run that learned this, `has_backlog` where something waits. Its own delay grows with
    /// each run that fails, a delivery's with each of its attempts.
    pub fn after(self, learned: Learned, has_backlog: bool, now: i64) -> Self {
        let known_limit = self.body_limit.filter(|limit| is_to_come(limit.until, now));
        let body_limit = learned.body_limit.or(known_limit);
        let known = Self { tried: if learned.was_tried { now } else { self.tried }, body_limit, ..self };
        if learned.is_parked {
            return Self { parked: true, ..known };
        }
        if learned.was_delivered {
            let back = if has_backlog { now } else { 0 };
            return Self { tried: back, delivered: back, body_limit, ..Self::default() };
        }
        let Some(next) = learned.next else { return known };
        let failures = self.failures.saturating_add(1);
        let until = next.max(now + delay(failures)).min(now + LONGEST_DELAY);
        Self { failures, until, parked: false, why: learned.why, ..known }
    }

    /// Whether it is time to probe the target, of whose backlog nothing is due.
    pub fn wants_probe(self, now: i64) -> bool {
        !self.parked && (self.tried > now || self.tried + PROBE_EVERY <= now)
    }

    /// How a target stands that somebody has mended, or that has taken something though nothing waited for it: whatever
    /// waits has its turn.
    pub fn mended(self, now: i64) -> Self {
        Self { delivered: now, parked: self.parked, ..Self::default() }
    }

    /// Whether the target has failed so often that what waits behind it may be over though it was hardly tried itself. A
    /// clock that jumps ahead must not end what was hardly tried, so the target's own failures count here.
    pub fn has_failed_for_long(self) -> bool {
        self.failures >= FEWEST_ATTEMPTS && !self.parked
    }
}

/// Seconds between the attempt of this number, from 1, and the next.
fn delay(attempts: u32) -> i64 {
    let step = (attempts.max(1) as usize - 1).min(DELAYS.len() - 1);
    DELAYS[step]
}

/// Up to a fifth more, so that what failed together does not come back together. Ids are as good as random.
fn with_jitter(delay: i64, id: Uuid, attempts: u32) -> i64 {
    let bytes = id.into_bytes();
    let part = i64::from(bytes[attempts as usize % bytes.len()]);
    delay + delay * part / (255 * 5)
}

/// Whether a time is to come, and no further off than anything is remembered.
fn is_to_come(time: i64, now: i64) -> bool {
    !is_due(time, now)
}

/// Whether the time has come. A time further off than any delay was written before the clock was set back.
fn is_due(next: i64, now: i64) -> bool {
    next <= now || next > now + LONGEST_DELAY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ref_update::RefName;

    fn tried(attempts: u32, ambiguous: u32) -> Schedule {
        // The attempt that is looked at counts too.
        let ambiguous = ambiguous.saturating_sub(1);
        Schedule { attempts: attempts - 1, ambiguous, ..Schedule::default() }
    }

    fn next_of(kind: FailureKind, attempts: u32) -> (i64, bool) {
        let next = tried(attempts, 0).after(&Failure::new(kind, ""), Uuid::nil(), 0, DAYS, 1000);
        again(next)
    }

    #[track_caller]
    fn again(next: Next) -> (i64, bool) {
        let Next::Again(schedule) = next else { panic!("{next:?}") };
        (schedule.next, schedule.blocks_ref)
    }

    const DAYS: Duration = Duration::from_secs(259_200);

    #[test]
    fn the_schedule_is_the_documented_one() {
        let delays: Vec<_> = (1..=11).map(delay).collect();
        assert_eq!(delays, [5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 43_200, 43_200, 43_200]);
    }

    #[test]
    fn jitter_adds_at_most_a_fifth() {
        for seed in 0..1000_u128 {
            let delay = with_jitter(1000, Uuid::from_u128(seed * 0x0101_0101_0101), 3);
            assert!((1000..=1200).contains(&delay), "{delay}");
        }
        assert_eq!(with_jitter(1000, Uuid::max(), 1), 1200);
    }

    #[test]
    fn what_passes_is_tried_soon_and_blocks_the_ref_for_a_while() {
        for kind in [FailureKind::Refused, FailureKind::Tls, FailureKind::Status(503), FailureKind::Status(429)] {
            assert_eq!(next_of(kind, 1), (1005, true), "{kind:?}");
            assert_eq!(next_of(kind, 4), (1600, true), "{kind:?}");
            assert_eq!(next_of(kind, 5), (2800, false), "{kind:?}");
        }
        for kind in [FailureKind::Status(404), FailureKind::Redirect(301), FailureKind::Garbled] {
            assert_eq!(next_of(kind, 1), (1600, false), "{kind:?}");
        }
    }

    #[test]
    fn what_the_broker_did_not_take_blocks_its_ref_however_often_it_failed() {
        for kind in [FailureKind::NoBroker, FailureKind::NotAcknowledged, FailureKind::NotTaken] {
            assert_eq!(next_of(kind, 1), (1005, true), "{kind:?}");
            assert_eq!(next_of(kind, 5), (2800, true), "{kind:?}");
            assert!(kind.is_unreachable() && !kind.is_ambiguous(), "{kind:?}");
        }
        let failure = Failure::new(FailureKind::TooLarge, "");
        assert!(matches!(Schedule::default().after(&failure, Uuid::nil(), 0, DAYS, 0), Next::Dead(_)), "at once");
    }

    #[test]
    fn the_receiver_may_ask_for_up_to_a_day() {
        let ask = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            let failure = Failure { retry_after, ..Failure::new(FailureKind::Status(429), "") };
            again(tried(1, 0).after(&failure, Uuid::nil(), 0, DAYS, 1000))
        };
        assert_eq!(ask(77), (1077, true));
        assert_eq!(ask(10 * 86_400), (1000 + 86_400, true));
        assert_eq!(ask(u64::MAX), (1000 + LONGEST_DELAY, true));
    }

    #[test]
    fn what_is_ambiguous_is_tried_ever_more_rarely_and_then_held() {
        let silent = Failure::new(FailureKind::Timeout { sent: true }, "");
        let mut schedule = Schedule::default();
        let mut delays = Vec::new();
        for _ in 0..6 {
            let Next::Again(next) = schedule.after(&silent, Uuid::nil(), 0, DAYS, 1000) else {
                panic!("no dead letter")
            };
            delays.push(next.next - 1000);
            schedule = next;
        }
        assert_eq!(delays, [120, 600, 1800, 7200, 18_000, 0]);
        assert!(schedule.is_held() && !schedule.blocks_ref);
        assert_eq!([999, 1000].map(|delivered| schedule.is_due(delivered, i64::MAX)), [false, true]);
        assert_eq!(schedule.hastened(900), schedule);
        // It ends as anything does.
        assert!(matches!(schedule.after(&silent, Uuid::nil(), DAYS.as_secs() as i64, DAYS, 0), Next::Dead(_)));
        // And fails in another way when it is let go.
        let refused = Failure::new(FailureKind::Refused, "");
        let Next::Again(next) = schedule.after(&refused, Uuid::nil(), 0, DAYS, 1000) else { panic!("no dead letter") };
        assert!(!next.is_held() && next.next > 1000);
    }

    #[test]
    fn a_receiver_that_hangs_up_at_once_is_one_that_refuses() {
        assert_eq!(next_of(FailureKind::HungUp, 1), next_of(FailureKind::Refused, 1));
        assert!(FailureKind::HungUp.is_unreachable() && !FailureKind::HungUp.is_ambiguous());
    }

    #[test]
    fn a_target_is_probed_with_the_oldest_of_which_nobody_has_acted() {
        let waits = Schedule { attempts: 1, next: 1001, ..Schedule::default() };
        let ambiguous = Schedule { ambiguous: 1, ..waits };
        let queue = |schedules: [Schedule; 2]| {
            [queued(1, "refs/heads/a", schedules[0]), queued(2, "refs/heads/b", schedules[1])]
        };
        let probed = |schedules, older: &Unsettled| probe(&queue(schedules), older).map(|it| it.key.sequence);
        let none = Unsettled::default();
        assert_eq!(probed([waits, waits], &none), Some(1));
        assert_eq!(probed([ambiguous, waits], &none), Some(2));
        assert_eq!(probed([ambiguous, ambiguous], &none), None);
        let mut older = Unsettled::default();
        older.add(0, [queued(0, "refs/heads/a", waits).key.order]);
        assert_eq!(probed([waits, waits], &older), Some(2));
        let backoff = Backoff { failures: 3, until: 9999, tried: 1000, ..Backoff::default() };
        assert_eq!([1599, 1600, 999].map(|now| backoff.wants_probe(now)), [false, true, true]);
        assert!(!Backoff { parked: true, ..backoff }.wants_probe(1600));
    }

    #[test]
    fn retry_for_ends_it_but_not_by_a_jump_of_the_clock() {
        let failure = Failure::new(FailureKind::Refused, "");
        let next = |attempts, age| tried(attempts, 0).after(&failure, Uuid::nil(), age, Duration::from_secs(60), 0);
        assert!(matches!(next(9, 59), Next::Again(_)));
        assert!(matches!(next(9, 60), Next::Dead(_)));
        assert!(matches!(next(2, 400_000_000), Next::Again(_)));
    }

    #[test]
    fn a_time_that_no_delay_leads_to_has_come() {
        assert!(is_due(1000, 1000));
        assert!(!is_due(1001, 1000));
        assert!(!is_due(1000 + LONGEST_DELAY, 1000));
        assert!(is_due(1000 + LONGEST_DELAY + 1, 1000));
    }

    fn queued(sequence: u64, name: &str, schedule: Schedule) -> Queued {
        let order = OrderKey::of(&RefName::new(name));
        let id = Uuid::from_u128(u128::from(sequence));
        Queued { key: QueueKey { sequence, number: 0, order, id }, schedule }
    }

    /// The numbers of what is due of a queue at the time 1000, of which all but 9 was listed.
    fn due_at_1000(queue: &[Queued], older: &Unsettled) -> Vec<u64> {
        let listed = (0..9).map(Uuid::from_u128).collect();
        due(queue, &listed, older, |queued| queued.schedule.is_due(0, 1000))
            .iter()
            .map(|queued| queued.key.sequence)
            .collect()
    }

    #[test]
    fn what_blocks_its_ref_holds_up_what_is_newer_of_that_ref_alone() {
        let untried = Schedule::default();
        let blocks = Schedule { attempts: 1, blocks_ref: true, next: 1001, ..untried };
        let passes = Schedule { attempts: 6, next: 1001, ..untried };
        let [a, b] = ["refs/heads/a", "refs/heads/b"];
        let none = Unsettled::default();
        assert_eq!(due_at_1000(&[queued(1, a, blocks), queued(2, a, untried), queued(3, b, untried)], &none), [3]);
        assert_eq!(due_at_1000(&[queued(1, a, passes), queued(2, a, untried)], &none), [2]);
        assert_eq!(due_at_1000(&[queued(1, a, untried), queued(2, a, untried)], &none), [1, 2]);
    }

    #[test]
    fn what_comes_behind_an_unsettled_push_or_was_not_listed_waits_with_all_behind_it() {
        let untried = Schedule::default();
        let [a, b] = ["refs/heads/a", "refs/heads/b"];
        let mut older = Unsettled::default();
        older.add(2, [queued(0, a, untried).key.order]);
        let queue = [queued(1, a, untried), queued(3, a, untried), queued(4, b, untried)];
        assert_eq!(due_at_1000(&queue, &older), [1, 4]);
        assert_eq!(due_at_1000(&[queued(9, a, untried), queued(10, a, untried)], &Unsettled::default()), [0; 0]);
        assert_eq!(due_at_1000(&[queued(2, a, untried)], &older), [2], "it is that push itself");
        let mut whole = queued(3, a, untried);
        whole.key.order = OrderKey::WHOLE_PUSH;
        assert_eq!(due_at_1000(&[whole], &older), [0; 0], "it may tell of any ref");
    }

    #[test]
    fn a_targets_own_delay_grows_with_each_run_that_fails() {
        let failed = Learned { was_tried: true, next: Some(1005), ..Learned::default() };
        let failing = |known: Backoff| known.after(failed, true, 1000);
        let once = failing(Backoff::default());
        assert_eq!(once, Backoff { failures: 1, until: 1005, tried: 1000, ..Backoff::default() });
        let thrice = failing(failing(once));
        assert_eq!(thrice, Backoff { failures: 3, until: 1120, tried: 1000, ..Backoff::default() });
        assert_eq!((thrice.closes(false, 1119), thrice.closes(false, 1120)), (Some(FailureKind::Backoff), None));
        assert_eq!(thrice.closes(true, 1000), None);
        let delivered = Learned { was_delivered: true, ..failed };
        assert_eq!(thrice.after(delivered, false, 1000), Backoff::default());
        let back = thrice.after(delivered, true, 1000);
        assert_eq!((back.failures, back.delivered), (0, 1000), "what is held is let go");
        assert_eq!(thrice.after(Learned::default(), true, 1000), thrice, "a run that tried nothing says nothing");
    }

    #[test]
    fn one_that_is_gone_is_parked_whatever_else_it_answered() {
        for others in
            [[FailureKind::Status(410), FailureKind::Status(503)], [FailureKind::Status(503), FailureKind::Status(410)]]
        {
            let mut learned = Learned::default();
            others.into_iter().for_each(|kind| learned.failed(kind, 1005));
            assert!(learned.is_parked);
        }
    }

    #[test]
    fn what_was_never_tried_is_due_and_what_is_asked_for_too_with_its_attempts() {
        let asked = Schedule::asked_for(4);
        assert_eq!((asked.attempts, asked.is_due(0, 1000)), (4, true));
        assert!(Schedule::default().is_due(0, 1000));
        assert!(!Schedule { next: 1001, ..asked }.is_due(0, 1000));
    }

    #[test]
    fn places_come_in_the_order_of_the_lines_and_of_what_each_tells() {
        assert_eq!([(0, 0), (0, 5), (3, 5)].map(|(line, place)| QueueKey::number(line, place)), [0, 5, 196_613]);
    }

    #[test]
    fn what_is_refused_is_looked_at_ever_more_rarely_until_it_is_given_up_and_no_attempt_is_counted() {
        let (day, id) = (Duration::from_secs(86_400), Uuid::nil());
        let known = Schedule { attempts: 2, blocks_ref: true, next: 7, ..Schedule::default() };
        for (age, delay) in
            [(-5, 600), (0, 600), (599, 600), (600, 1800), (2400, 7200), (9600, 18_000), (80_000, 43_200)]
        {
            let Next::Again(next) = known.after_refusal(id, age, day, 1000, message::refused_long()) else {
                panic!("{age}")
            };
            assert_eq!(next, Schedule { blocks_ref: false, next: 1000 + delay, ..known }, "{age}");
        }
        assert_eq!(
            known.after_refusal(id, 86_400, day, 1000, message::refused_long()),
            Next::Dead(message::refused_long())
        );
        let unmade = Failure::new(FailureKind::Unmade, "line 1");
        assert!(
            matches!(known.after(&unmade, id, i64::MAX, day, 1000), Next::Again(_)),
            "a template is mended some day"
        );
        let Next::Again(first) = Schedule::default().after_refusal(id, 900_000, day, 1000, message::refused_long())
        else {
            panic!()
        };
        assert_eq!(first.hastened(1000), Schedule { next: 1000, ..first });
    }

    #[test]
    fn only_enable_ends_parking() {
        let parked = Backoff::default().after(Learned { is_parked: true, ..Learned::default() }, true, 1000);
        assert_eq!(parked.closes(true, i64::MAX), Some(FailureKind::Parked));
    }

    #[test]
    fn a_push_that_gave_no_time_says_nothing_about_the_target() {
        let mut learned = Learned::default();
        learned.failed(FailureKind::CutShort { sent: true }, 1005);
        assert_eq!(learned, Learned { was_tried: true, ..Learned::default() });
        learned.failed(FailureKind::Timeout { sent: true }, 1005);
        assert_eq!(learned.next, Some(1005));
    }

    #[test]
    fn refs_of_two_namespaces_are_two() {
        let [none, one] = ["refs/heads/main", "refs/namespaces/a/refs/heads/main"].map(RefName::new);
        assert_ne!(OrderKey::of(&none), OrderKey::of(&one));
        assert_eq!(OrderKey::of(&none).number(), 0xf921_bd05_e68b_0374);
    }
}
