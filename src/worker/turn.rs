//! What is to be done with a message: a pure function of what the broker says of it.
//!
//! The rule that keeps order, whatever the number of workers: **a message is sent only while it is the first of its subject.** What is
//! settled is gone from the stream, so whatever is before it there is not. A worker that died leaves its message where it was.

use std::time::Duration;

use crate::schedule::Schedule;
use crate::stream::{Lane, Message, Outcome, Standing, Turn};

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is sent; this is known of earlier attempts.
    Send(Schedule),
    /// Another is before it.
    NotYet,
    /// It is handed back, for so long.
    HandBack(Duration),
    /// It is the first to be tried again later, and holds up nothing meanwhile.
    Move,
    /// Its outcome is told: it is done with.
    Settle,
    /// Somebody else has settled it.
    Forget,
}

/// What became of a message.
pub(super) enum Seen {
    /// It is gone, or will be handed out again without us.
    Done,
    /// Another is before it.
    NotYet,
    /// It stays the first of its subject, for so long at least.
    Stays(Duration),
}

/// How long what is not yet its turn is handed back for, the first time and at most.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(400);

/// How long what may have been delivered too often already, and waits for the receiver to take something else, is handed back for.
const HELD: Duration = Duration::from_secs(600);

/// What is to be done with a message that lies in `lane` with the number `sequence`; `delivered` is when the target took anything last,
/// `now` is too, both in seconds since 1970.
pub(super) fn step((lane, sequence): (Lane, u64), message: &Message, turn: &Turn, delivered: i64, now: i64) -> Step {
    let known = turn.outcome.as_ref();
    let is_answered = |outcome: &&Outcome| outcome.state.is_last() && outcome.is_of(message.redelivery);
    if known.is_some_and(|outcome| is_answered(&outcome)) {
        return Step::Settle;
    }
    match turn.first {
        None => return Step::Forget,
        Some(first) if lane == Lane::Deliveries && first > sequence => return Step::Forget,
        Some(first) if lane == Lane::Deliveries && first < sequence => return Step::NotYet,
        Some(_) => {}
    }
    let Some(outcome) = known else { return Step::Send(Schedule::default()) };
    if outcome.state != Standing::Failing || !outcome.is_of(message.redelivery) {
        return Step::Send(Schedule::asked_for(outcome.attempts));
    }
    let schedule = schedule_of(outcome);
    if lane == Lane::Deliveries && !schedule.blocks_ref {
        return Step::Move;
    }
    match schedule.is_due(delivered, now) {
        true => Step::Send(schedule),
        false if schedule.is_held() => Step::HandBack(HELD),
        false => {
            Step::HandBack(Duration::from_secs(u64::try_from(schedule.next.saturating_sub(now)).unwrap_or(1).max(1)))
        }
    }
}

fn schedule_of(outcome: &Outcome) -> Schedule {
    Schedule {
        attempts: outcome.attempts,
        blocks_ref: outcome.blocks_ref,
        ambiguous: outcome.ambiguous,
        next: outcome.next.unwrap_or(0),
    }
}

/// Longer each time: what is before it is in somebody's hands, or waits for its own time.
pub(super) fn not_yet(handed_out: u64) -> Duration {
    let doublings = u32::try_from(handed_out.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (SHORTEST * 2_u32.pow(doublings)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::intake::tests::sample;

    const NOW: i64 = 2_000_000_000;

    fn outcome(state: Standing, change: impl FnOnce(&mut Outcome)) -> Option<Outcome> {
        let mut outcome = Outcome {
            version: 1,
            id: sample().id,
            redelivery: 0,
            target: "ci".into(),
            state,
            status: None,
            attempts: 2,
            ambiguous: 0,
            at: String::new(),
            worker: String::new(),
            ms: None,
            error: None,
            failure: None,
            next: None,
            blocks_ref: false,
            answer: None,
        };
        change(&mut outcome);
        Some(outcome)
    }

    fn of(lane: Lane, first: Option<u64>, outcome: Option<Outcome>) -> Step {
        step((lane, 7), &sample(), &Turn { first, outcome, told: 0 }, 0, NOW)
    }

    #[test]
    fn a_message_is_sent_only_while_it_is_the_first_of_its_subject() {
        let new = Step::Send(Schedule::default());
        assert_eq!(of(Lane::Deliveries, Some(7), None), new);
        assert_eq!(of(Lane::Deliveries, Some(6), None), Step::NotYet);
        assert_eq!(of(Lane::Deliveries, Some(8), None), Step::Forget);
        assert_eq!(of(Lane::Deliveries, None, None), Step::Forget);
        assert_eq!(of(Lane::Retries, Some(3), None), new, "they are in no order");
        assert_eq!(of(Lane::Retries, None, None), Step::Forget);
        assert_eq!(not_yet(4), SHORTEST * 8);
        assert_eq!(not_yet(u64::MAX), LONGEST);
    }

    #[test]
    fn what_is_told_is_not_sent_again_wherever_it_lies() {
        for state in [Standing::Delivered, Standing::GivenUp, Standing::Refused, Standing::Other] {
            assert_eq!(of(Lane::Deliveries, Some(7), outcome(state, |_| ())), Step::Settle);
            assert_eq!(of(Lane::Deliveries, Some(3), outcome(state, |_| ())), Step::Settle, "it holds up nothing");
        }
    }

    #[test]
    fn a_redelivery_is_sent_though_the_delivery_was_made() {
        let message = Message { redelivery: 2, ..sample() };
        let of = |outcome| step((Lane::Deliveries, 7), &message, &Turn { first: Some(7), outcome, told: 1 }, 0, NOW);
        let again = Step::Send(Schedule::asked_for(2));
        assert_eq!(of(outcome(Standing::Delivered, |it| it.redelivery = 1)), again);
        assert_eq!(of(outcome(Standing::Failing, |it| it.redelivery = 1)), again);
        assert_eq!(of(outcome(Standing::Delivered, |it| it.redelivery = 2)), Step::Settle);
    }

    #[test]
    fn what_failed_waits_for_its_time_in_its_place_or_elsewhere() {
        let failing =
            |next, blocks_ref| outcome(Standing::Failing, |it| (it.next, it.blocks_ref) = (Some(next), blocks_ref));
        let sent = |blocks_ref, next| Step::Send(Schedule { attempts: 2, blocks_ref, ambiguous: 0, next });
        assert_eq!(of(Lane::Deliveries, Some(7), failing(NOW + 30, true)), Step::HandBack(Duration::from_secs(30)));
        assert_eq!(of(Lane::Deliveries, Some(7), failing(NOW, true)), sent(true, NOW));
        assert_eq!(of(Lane::Deliveries, Some(7), failing(NOW + 30, false)), Step::Move);
        assert_eq!(of(Lane::Retries, Some(7), failing(NOW + 30, false)), Step::HandBack(Duration::from_secs(30)));
        assert_eq!(of(Lane::Retries, Some(7), failing(NOW - 1, false)), sent(false, NOW - 1));
    }

    #[test]
    fn what_the_receiver_may_have_had_too_often_waits_until_it_takes_something_else() {
        let held = || outcome(Standing::Failing, |it| (it.ambiguous, it.next) = (9, Some(NOW - 100)));
        let of = |delivered| {
            step((Lane::Retries, 7), &sample(), &Turn { first: Some(7), outcome: held(), told: 1 }, delivered, NOW)
        };
        assert_eq!(of(NOW - 200), Step::HandBack(HELD));
        assert!(matches!(of(NOW - 50), Step::Send(_)));
    }
}
