//! One target in a worker: what of its messages is in hand, whether it is sent to, by how many at once.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{FailureKind, GONE};
use crate::schedule::{Backoff, Learned};
use crate::stream::Claim;
use crate::target::Target;

/// How many deliveries are out to one target at once, at most.
const MOST_LANES: usize = 8;

/// How many messages are in hand at most; of one subject, which go one after another, fewer, so that others come by.
const MOST_IN_HAND: usize = 64;
const MOST_OF_SUBJECT: usize = 16;

/// A message whose turn it is not yet is looked at again after so long, then after twice as long, so often: a quarter of a second in all.
/// Its turn may come any moment, where another worker has the one before it.
const FIRST_LOOK: Duration = Duration::from_millis(4);
const MOST_LOOKS: u32 = 6;

/// How soon the broker is asked again for more, where it had none and something is in hand.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How long one waits who has nothing to do.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How often a target fails in a row, though it is there, before it is left alone.
const FAILURES_IN_A_ROW: u32 = 3;

/// How long a target is left alone that answered 410, in seconds. Nobody could enable it here.
const GONE_FOR: i64 = 12 * 3600;

/// What an attempt says of its target.
pub(super) enum Said {
    /// It took something.
    Taken,
    /// It failed in this way; what failed is tried again then, in seconds since 1970.
    Failed(FailureKind, i64),
}

/// One target in a worker.
pub(super) struct Station<'a> {
    pub(super) target: &'a Target,
    state: Mutex<State>,
    changed: Condvar,
}

/// A message in hand.
pub(super) struct Held {
    pub(super) claim: Claim,
    /// How often it was not its turn.
    pub(super) looks: u32,
    /// When it is looked at next.
    next: Instant,
}

#[derive(Default)]
struct State {
    hand: Vec<Held>,
    /// The subjects of which one is out.
    out: HashSet<String>,
    is_taking: bool,
    /// When there was nothing to take last.
    was_empty: Option<Instant>,
    lanes: usize,
    window: usize,
    failures: u32,
    backoff: Backoff,
    /// When it took anything last, in seconds since 1970.
    delivered: i64,
}

impl State {
    /// Of those whose time it is, and of whose subject none is out, the first; of one subject the oldest.
    fn take_next(&mut self, moment: Instant) -> Option<Held> {
        let is_free = |held: &Held| !self.out.contains(held.claim.subject()) && held.next <= moment;
        let subject = self.hand.iter().find(|held| is_free(held))?.claim.subject().to_owned();
        let alike = self.hand.iter().enumerate().filter(|(_, held)| held.claim.subject() == subject);
        let at = alike.min_by_key(|(_, held)| held.claim.sequence)?.0;
        Some(self.hand.remove(at))
    }
}

/// What a lane does next.
pub(super) enum Work {
    /// It sees to this message.
    See(Held),
    /// It takes further messages, so many, of the broker; where there are none it may wait for the first.
    Take(usize, bool),
    /// It gives these back: the target is left alone for so long.
    Rest(Vec<Claim>, Duration),
    /// There is nothing to do for it, for so long.
    Nothing(Duration),
}

impl<'a> Station<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        let state = State { window: MOST_LANES, ..State::default() };
        Self { target, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the target is left alone.
    pub(super) fn is_resting(&self, now: i64) -> bool {
        let backoff = self.state().backoff;
        backoff.failures > 0 && backoff.until > now
    }

    /// What is to be done next.
    pub(super) fn next(&self, now: i64) -> Work {
        let mut state = self.state();
        let rest = state.backoff.until - now;
        if state.backoff.failures > 0 && rest > 0 {
            let all = state.hand.drain(..).map(|held| held.claim).collect();
            return Work::Rest(all, Duration::from_secs(rest.unsigned_abs()));
        }
        let moment = Instant::now();
        if state.out.len() >= state.window {
            return Work::Nothing(LONGEST_WAIT);
        }
        if let Some(held) = state.take_next(moment) {
            state.out.insert(held.claim.subject().to_owned());
            return Work::See(held);
        }
        let room = if state.backoff.failures > 0 { 1 } else { MOST_IN_HAND }.saturating_sub(state.hand.len());
        let was_empty = state.was_empty.is_some_and(|last| moment < last + BETWEEN_LOOKS && !state.hand.is_empty());
        if state.is_taking || room == 0 || was_empty {
            let until = |held: &Held| held.next.saturating_duration_since(moment);
            return Work::Nothing(state.hand.iter().map(until).min().unwrap_or(LONGEST_WAIT).max(SHORTEST_WAIT));
        }
        state.is_taking = true;
        Work::Take(room, state.hand.is_empty())
    }

    /// Adds what the broker handed out; what is too much of one subject comes back.
    pub(super) fn offer(&self, claims: Vec<Claim>) -> Vec<Claim> {
        let mut state = self.state();
        let mut surplus = Vec::new();
        state.was_empty = claims.is_empty().then(Instant::now);
        for claim in claims {
            let alike = state.hand.iter().filter(|held| held.claim.subject() == claim.subject()).count();
            if alike < MOST_OF_SUBJECT {
                state.hand.push(Held { claim, looks: 0, next: Instant::now() });
            } else {
                surplus.push(claim);
            }
        }
        self.changed.notify_all();
        surplus
    }

    /// Keeps a message whose turn it is not yet, to look at it again soon; it comes back where that was in vain for too long.
    pub(super) fn keep(&self, held: Held) -> Option<Claim> {
        if held.looks >= MOST_LOOKS {
            return Some(held.claim);
        }
        let mut state = self.state();
        state.out.remove(held.claim.subject());
        let next = Instant::now() + FIRST_LOOK * 2_u32.pow(held.looks);
        state.hand.push(Held { looks: held.looks + 1, next, ..held });
        None
    }

    /// Nobody takes messages any more.
    pub(super) fn end_taking(&self) {
        self.state().is_taking = false;
        self.changed.notify_all();
    }

    /// A message was seen to. Where it stays first of its subject, those behind it come back.
    pub(super) fn done(&self, subject: &str, stays: bool) -> Vec<Claim> {
        let mut state = self.state();
        state.out.remove(subject);
        self.changed.notify_all();
        if !stays {
            return Vec::new();
        }
        let (behind, rest): (Vec<_>, _) = state.hand.drain(..).partition(|held| held.claim.subject() == subject);
        state.hand = rest;
        behind.into_iter().map(|held| held.claim).collect()
    }

    /// Waits until something changes.
    pub(super) fn wait(&self, patience: Duration) {
        drop(self.changed.wait_timeout(self.state(), patience));
    }

    /// Lets everybody look anew.
    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Takes all that is in hand.
    pub(super) fn empty(&self) -> Vec<Claim> {
        self.state().hand.drain(..).map(|held| held.claim).collect()
    }

    /// Whether one more lane is worth its connections; it is counted.
    pub(super) fn begin_lane(&self) -> bool {
        let mut state = self.state();
        let is_wanted = state.lanes == 0 || state.lanes < state.window && state.hand.len() > state.lanes;
        state.lanes += usize::from(is_wanted);
        is_wanted
    }

    /// Whether a lane without work may end, as all but one may; it is counted no more then.
    pub(super) fn end_lane(&self, is_stopping: bool) -> bool {
        let mut state = self.state();
        let may_end = is_stopping || state.lanes > 1;
        state.lanes -= usize::from(may_end);
        may_end
    }

    /// When the target took anything last, in seconds since 1970.
    pub(super) fn delivered(&self) -> i64 {
        self.state().delivered
    }

    /// Notes what an attempt says of the target.
    pub(super) fn learn(&self, said: &Said, now: i64) {
        let mut state = self.state();
        match *said {
            Said::Taken => {
                state.delivered = now;
                state.failures = 0;
                state.backoff = Backoff::default();
                state.window = (state.window + 1).min(MOST_LANES);
            }
            Said::Failed(FailureKind::Status(GONE), _) => {
                state.backoff = Backoff { failures: 1, until: now + GONE_FOR, ..Backoff::default() };
            }
            Said::Failed(kind, next) if kind.is_passing() => {
                state.failures = state.failures.saturating_add(1);
                state.window = (state.window / 2).max(1);
                // Of several that were out together the first counts.
                let is_over = state.backoff.until <= now;
                if is_over && (kind.is_unreachable() || state.failures >= FAILURES_IN_A_ROW) {
                    let learned = Learned { was_tried: true, next: Some(next), why: Some(kind), ..Learned::default() };
                    state.backoff = state.backoff.after(learned, true, now);
                }
            }
            Said::Failed(..) => state.failures = 0,
        }
        self.changed.notify_all();
    }
}

/// How long a claim may lie in hand: then another worker may soon be given it.
pub(super) const MOST_IN_HAND_FOR: Duration = Duration::from_secs(30);

/// Whether a claim is surely still ours.
pub(super) fn is_fresh(claim: &Claim) -> bool {
    Instant::now().saturating_duration_since(claim.since) < MOST_IN_HAND_FOR
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Incoming, Lane};
    use crate::target;

    fn claim(sequence: u64, subject: &str) -> Claim {
        let incoming = Incoming { subject: subject.into(), ..Incoming::default() };
        Claim::for_tests(Lane::Deliveries, sequence, incoming)
    }

    fn seen(work: Work) -> Option<u64> {
        match work {
            Work::See(held) => Some(held.claim.sequence),
            _ => None,
        }
    }

    #[test]
    fn of_one_subject_one_is_out_and_the_others_wait_in_their_order() {
        let target = target::tests::target(&[], "");
        let station = Station::new(&target);
        assert!(station.offer(vec![claim(1, "a"), claim(2, "a"), claim(3, "b")]).is_empty());
        assert_eq!([station.next(0), station.next(0)].map(seen), [Some(1), Some(3)]);
        assert!(matches!(station.next(0), Work::Take(63, false)));
        assert!(matches!(station.next(0), Work::Nothing(_)), "one takes for all");
        assert!(station.done("b", false).is_empty());
        assert_eq!(seen(station.next(0)), None);
        let behind: Vec<_> = station.done("a", true).iter().map(|claim| claim.sequence).collect();
        assert_eq!(behind, [2]);
    }

    #[test]
    fn what_is_not_its_turn_yet_is_looked_at_again_and_given_back_in_the_end() {
        let target = target::tests::target(&[], "");
        let station = Station::new(&target);
        station.offer(vec![claim(2, "a"), claim(1, "a")]);
        let Work::See(mut held) = station.next(0) else { panic!("nothing is to be seen to") };
        assert_eq!(held.claim.sequence, 1, "the oldest of its subject first");
        for _ in 0..MOST_LOOKS {
            assert!(station.keep(held).is_none());
            held = loop {
                if let Work::See(next) = station.next(0)
                    && next.claim.sequence == 1
                {
                    break next;
                }
                station.end_taking();
            };
        }
        assert_eq!(station.keep(held).map(|claim| claim.sequence), Some(1));
    }

    #[test]
    fn much_of_one_subject_does_not_keep_others_from_coming_by() {
        let target = target::tests::target(&[], "");
        let station = Station::new(&target);
        let surplus = station.offer((1..=20).map(|number| claim(number, "a")).collect());
        assert_eq!(surplus.len(), 20 - MOST_OF_SUBJECT);
    }

    #[test]
    fn a_target_that_cannot_be_reached_is_left_alone_and_then_probed() {
        let target = target::tests::target(&[], "");
        let station = Station::new(&target);
        station.offer(vec![claim(1, "a"), claim(2, "b")]);
        station.learn(&Said::Failed(FailureKind::Refused, 105), 100);
        let Work::Rest(all, rest) = station.next(100) else { panic!("it is not left alone") };
        assert_eq!((all.len(), rest), (2, Duration::from_secs(5)));
        station.learn(&Said::Failed(FailureKind::Refused, 105), 100);
        assert!(matches!(station.next(105), Work::Take(1, true)), "one that was out at the same time counts no more");
        station.end_taking();
        station.learn(&Said::Failed(FailureKind::Refused, 110), 105);
        assert!(matches!(station.next(105), Work::Rest(_, rest) if rest == Duration::from_secs(30)));
        station.learn(&Said::Taken, 135);
        assert!(matches!(station.next(135), Work::Take(64, true)));
    }

    #[test]
    fn a_target_that_fails_now_and_then_is_not() {
        let target = target::tests::target(&[], "");
        let station = Station::new(&target);
        let failed = || station.learn(&Said::Failed(FailureKind::Status(500), 105), 100);
        (0..5).for_each(|_| {
            failed();
            failed();
            station.learn(&Said::Taken, 100);
        });
        assert!(matches!(station.next(100), Work::Take(64, true)));
        (0..3).for_each(|_| failed());
        assert!(matches!(station.next(100), Work::Rest(..)));
    }
}
