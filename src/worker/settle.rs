//! What becomes of a message after an attempt: first the outcome is told, and taken note of by the broker, then the message goes.
//!
//! Crash: between the receiver's answer and the outcome nobody knows of the answer, and the delivery is made once more, under its id.
//! Between outcome and settling whoever is given the message next finds the outcome.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::TO_ANSWER;
use super::lane::Lane;
use super::station::Said;
use super::turn::Seen;
use crate::delivery::Delivery;
use crate::event::{Time, Utc};
use crate::history::{self, Entry};
use crate::message;
use crate::outcome::{Attempt, Failure, FailureKind, Outcome as Came};
use crate::process;
use crate::schedule::{Next, Schedule};
use crate::stream::{self, BrokerError, Claim, Message, Outcome, Standing, Trouble, Turn};

/// How long what another has told of meanwhile is handed back for.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// How long one waits whose outcome the broker does not take, and how long a worker that is to end tries once more.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
const TO_THE_LAST: Duration = Duration::from_secs(5);

impl Lane<'_> {
    /// Tells what came of an attempt, and settles its message.
    pub(super) fn settle_attempt(
        &mut self,
        claim: &Claim,
        message: &Message,
        turn: &Turn,
        delivery: &Delivery,
        attempt: Attempt,
    ) -> Result<Seen, BrokerError> {
        let now = process::now();
        let mut outcome = self.outcome(message, delivery.schedule.attempts + 1);
        outcome.answer = attempt.answer;
        match attempt.outcome {
            Came::Delivered { status, elapsed } => {
                (outcome.state, outcome.status) = (Standing::Delivered, Some(status));
                outcome.ms = u64::try_from(elapsed.as_millis()).ok();
                self.learn(&Said::Taken);
                self.log(&outcome, delivery);
                self.tell_surely(claim, message, &outcome, turn)?;
                self.broker()?.settle(claim, Instant::now() + TO_ANSWER)?;
                Ok(Seen::Done)
            }
            // A receiver is no broker.
            Came::Published { .. } => Ok(Seen::Done),
            Came::Failed(failure) => {
                outcome.failure = Some(failure.kind);
                outcome.status = failure.kind.status();
                outcome.error = Some(failure.to_string());
                let next = self.next(delivery, &failure, now);
                self.failed(claim, message, turn, (outcome, delivery), next)
            }
        }
    }

    /// What is to become of a delivery that failed.
    fn next(&self, delivery: &Delivery, failure: &Failure, now: i64) -> Next {
        let age = now.saturating_sub(delivery.time);
        delivery.schedule.after(failure, delivery.id(), age, self.station.target.retry_for, now)
    }

    fn failed(
        &mut self,
        claim: &Claim,
        message: &Message,
        turn: &Turn,
        (mut outcome, delivery): (Outcome, &Delivery),
        next: Next,
    ) -> Result<Seen, BrokerError> {
        let deadline = Instant::now() + TO_ANSWER;
        let kind = outcome.failure.unwrap_or(FailureKind::Fault);
        match next {
            Next::Again(schedule) => {
                self.learn(&Said::Failed(kind, schedule.next));
                let Schedule { attempts, blocks_ref, ambiguous, next } = schedule;
                // What came to no request is told all the same: of no attempt nobody would hear.
                outcome = Outcome { attempts: attempts.max(1), blocks_ref, ambiguous, next: Some(next), ..outcome };
                self.log(&outcome, delivery);
                match self.broker()?.tell(message.spool, &outcome, turn, deadline) {
                    Err(error) if error.kind == Trouble::Overtaken => return self.overtaken(claim, deadline),
                    told => told?,
                }
                if claim.lane == stream::Lane::Deliveries && !blocks_ref {
                    self.put_off(claim, message)?;
                    return Ok(Seen::Done);
                }
                let delay = Duration::from_secs(u64::try_from(next.saturating_sub(process::now())).unwrap_or(0));
                self.broker()?.hand_back(claim, delay, deadline)?;
                Ok(Seen::Stays(delay))
            }
            Next::Dead(why) => {
                self.learn(&Said::Failed(kind, process::now()));
                outcome.state = Standing::GivenUp;
                self.log(&outcome, delivery);
                self.broker()?.set_aside(&claim.incoming, why, deadline)?;
                self.tell_last(claim, message.spool, &outcome, turn)
            }
        }
    }

    /// Sets a message aside that no worker makes as it is; whoever published it is told, where it says who that is.
    pub(super) fn refuse(
        &mut self,
        claim: &Claim,
        delivery: Option<(Uuid, Uuid)>,
        turn: &Turn,
        why: &str,
    ) -> Result<Seen, BrokerError> {
        let deadline = Instant::now() + TO_ANSWER;
        log::warn!("{}", message::message_refused(claim.sequence, &self.station.target.name, why));
        self.broker()?.set_aside(&claim.incoming, why, deadline)?;
        // What is wrong may be whose it says it is: what was told of that stands.
        let is_over = turn.outcome.as_ref().is_some_and(|known| known.state.is_last());
        let Some((spool, id)) = delivery.filter(|_| !is_over) else {
            return self.broker()?.settle(claim, deadline).map(|()| Seen::Done);
        };
        let redelivery = stream::redelivery_of(&claim.incoming);
        let outcome = refusal(&self.worker.name, self.station.target.name.as_str(), id, redelivery, why);
        self.tell_last(claim, spool, &outcome, turn)
    }

    fn tell_last(&mut self, claim: &Claim, spool: Uuid, outcome: &Outcome, turn: &Turn) -> Result<Seen, BrokerError> {
        let deadline = Instant::now() + TO_ANSWER;
        match self.broker()?.tell(spool, outcome, turn, deadline) {
            Err(error) if error.kind == Trouble::Overtaken => return self.overtaken(claim, deadline),
            told => told?,
        }
        self.broker()?.settle(claim, deadline).map(|()| Seen::Done)
    }

    /// Somebody else has told of the delivery meanwhile: whoever is given it next goes by that.
    fn overtaken(&mut self, claim: &Claim, deadline: Instant) -> Result<Seen, BrokerError> {
        self.broker()?.hand_back(claim, OVERTAKEN, deadline)?;
        Ok(Seen::Stays(OVERTAKEN))
    }

    /// Moves a message to those that hold up nothing.
    pub(super) fn put_off(&mut self, claim: &Claim, message: &Message) -> Result<(), BrokerError> {
        let deadline = Instant::now() + TO_ANSWER;
        let broker = self.broker()?;
        let moved = broker.publish_to(stream::Lane::Retries, std::slice::from_ref(message), deadline)?;
        moved.into_iter().collect::<Result<Vec<_>, _>>()?;
        broker.settle(claim, deadline)
    }

    /// Tells that a delivery was made, for as long as it takes: what nobody is told is made once more.
    fn tell_surely(
        &mut self,
        claim: &Claim,
        message: &Message,
        outcome: &Outcome,
        turn: &Turn,
    ) -> Result<(), BrokerError> {
        let mut stopped: Option<Instant> = None;
        let mut told = self.told(message, outcome, turn);
        while let Err(error) = told {
            if self.worker.is_stopping() && stopped.get_or_insert_with(Instant::now).elapsed() > TO_THE_LAST {
                return Err(error);
            }
            if error.kind != Trouble::Overtaken {
                self.lose_broker(&error);
                std::thread::sleep(BETWEEN_TRIES);
            }
            told = self.told_anew(claim, message, outcome);
        }
        told
    }

    fn told(&mut self, message: &Message, outcome: &Outcome, turn: &Turn) -> Result<(), BrokerError> {
        self.broker()?.tell(message.spool, outcome, turn, Instant::now() + TO_ANSWER)
    }

    /// Tells it after another, unless that was the last word.
    fn told_anew(&mut self, claim: &Claim, message: &Message, outcome: &Outcome) -> Result<(), BrokerError> {
        let turn = self.broker()?.turn(claim, Some((message.spool, message.id)), Instant::now() + TO_ANSWER)?;
        let is_said = |known: &Outcome| known.state.is_last() && known.is_of(message.redelivery);
        if turn.outcome.as_ref().is_some_and(is_said) { Ok(()) } else { self.told(message, outcome, &turn) }
    }

    /// That of an attempt of a delivery, which has failed until more is said.
    fn outcome(&self, message: &Message, attempts: u32) -> Outcome {
        let mut outcome =
            refusal(&self.worker.name, self.station.target.name.as_str(), message.id, message.redelivery, "");
        (outcome.state, outcome.attempts, outcome.error) = (Standing::Failing, attempts, None);
        outcome
    }

    /// Adds a line to the log, in the form of a git server's.
    fn log(&self, outcome: &Outcome, delivery: &Delivery) {
        let mut entry = Entry::of(&outcome.target, delivery, outcome.attempts);
        entry.state = match outcome.state {
            Standing::Delivered => history::State::Delivered,
            Standing::Failing => history::State::Waiting,
            _ => history::State::Dead,
        };
        (entry.status, entry.ms, entry.reason) = (outcome.status, outcome.ms, outcome.error.clone());
        (entry.next, entry.answer) = (outcome.next, outcome.answer.clone());
        entry.worker = Some(outcome.worker.clone());
        (self.worker.log)(&entry.line());
    }
}

/// What is told of a delivery that is not made.
pub(super) fn refusal(worker: &str, target: &str, id: Uuid, redelivery: u32, why: &str) -> Outcome {
    Outcome {
        version: 1,
        id,
        redelivery,
        target: target.into(),
        state: Standing::Refused,
        status: None,
        attempts: 0,
        ambiguous: 0,
        at: Time::utc(process::now()).rfc3339(Utc::Letter),
        worker: worker.into(),
        ms: None,
        error: Some(why.into()),
        failure: None,
        next: None,
        blocks_ref: false,
        answer: None,
    }
}
