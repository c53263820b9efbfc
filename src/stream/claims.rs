//! The worker's side of JetStream: takes messages, asks whether it is a message's turn, settles it.
//!
//! A message is its worker's for [`ACK_WAIT`](super::ACK_WAIT); after that another is given it. So it can happen that two have one,
//! and nothing here relies on being the only one.

use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use super::error::{BrokerError, Trouble};
use super::jetstream::{JetStream, MESSAGE_ID, Question, found, stored};
use super::layout::{DEAD, DELIVERIES, OUTCOMES, consumer_name};
use super::message::Lane;
use super::nats::Incoming;
use super::outcome::Outcome;
use super::survey::{last_outcome, told};
use crate::urls::printable;

/// How long after the time that the broker was given to find a message it has to say that there is none.
const GRACE: Duration = Duration::from_secs(10);

/// How many bytes of messages are taken at once, at most.
const MOST_BYTES: usize = 8 << 20;

/// A message in a worker's hands.
pub struct Claim {
    /// Where it lay.
    pub lane: Lane,
    /// Its number in the stream.
    pub sequence: u64,
    /// How often it was handed out, this time included.
    pub handed_out: u64,
    /// The message.
    pub incoming: Incoming,
    /// When it came.
    pub since: Instant,
    /// Where it is settled.
    settle: String,
}

impl Claim {
    /// The number in the stream and how often it was handed out stand in the subject at which a message is settled.
    fn of(lane: Lane, mut incoming: Incoming) -> Option<Self> {
        let settle = incoming.reply.take()?;
        let tokens: Vec<_> = settle.split('.').collect();
        // Newer servers put domain and account before, and a random token behind.
        let numbers = match (tokens.get(..2)?, tokens.len()) {
            (["$JS", "ACK"], 9) => tokens.get(4..6)?,
            (["$JS", "ACK"], 11 | 12) => tokens.get(6..8)?,
            _ => return None,
        };
        let [handed_out, sequence] = [numbers[0].parse().ok()?, numbers[1].parse().ok()?];
        Some(Self { lane, sequence, handed_out, incoming, since: Instant::now(), settle })
    }

    /// One that no broker has handed out.
    #[cfg(test)]
    pub fn for_tests(lane: Lane, sequence: u64, incoming: Incoming) -> Self {
        Self { lane, sequence, handed_out: 1, incoming, since: Instant::now(), settle: String::new() }
    }

    /// What it has in common with those that it waits for.
    pub fn subject(&self) -> &str {
        &self.incoming.subject
    }
}

/// How a message stands, as the broker knows it.
pub struct Turn {
    /// The first of its subject; `None` where there is none any more.
    pub first: Option<u64>,
    /// What is known of the delivery.
    pub outcome: Option<Outcome>,
    /// The number of that, by which it is noticed that somebody else has told something since; 0 for none.
    pub told: u64,
}

impl JetStream {
    /// Takes messages of a target: what is there at once, or where there is none the first that comes within `patience`.
    ///
    /// # Errors
    /// Where there is no such consumer, or the connection ended: what was on its way comes again after a while.
    pub fn claim(
        &mut self,
        lane: Lane,
        target: &str,
        most: usize,
        patience: Option<Duration>,
    ) -> Result<Vec<Claim>, BrokerError> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{DELIVERIES}.{}", consumer_name(lane, target));
        let words = match patience {
            None => json!({ "batch": most, "no_wait": true, "max_bytes": MOST_BYTES.max(2 * self.max_payload()) }),
            Some(patience) => json!({ "batch": most, "expires": patience.as_nanos() as u64 }),
        };
        let deadline = Instant::now() + patience.unwrap_or_default() + GRACE;
        let inbox = self.connection().new_inbox();
        self.connection().publish(&subject, Some(&inbox), &[], words.to_string().as_bytes(), deadline)?;
        let mut claims = Vec::new();
        while claims.len() < most {
            match self.connection().next(deadline)? {
                // What comes yet would be taken for nobody's.
                None if claims.is_empty() => return Err(BrokerError::new(Trouble::Silent)),
                None => break,
                Some(incoming) => match incoming.status {
                    None => claims.extend(Claim::of(lane, incoming)),
                    // That of an earlier request.
                    Some(_) if incoming.subject != inbox => {}
                    // There are no more, or they are too large together.
                    Some(404 | 408) => break,
                    Some(_) if !claims.is_empty() => break,
                    Some(status) => return Err(BrokerError::said(Trouble::Said, &status.to_string())),
                },
            }
        }
        Ok(claims)
    }

    /// Asks how a message stands; of one that is no delivery, `delivery` is `None`.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub fn turn(
        &mut self,
        claim: &Claim,
        delivery: Option<(Uuid, Uuid)>,
        deadline: Instant,
    ) -> Result<Turn, BrokerError> {
        let words = json!({ "next_by_subj": claim.subject() });
        let mut questions = vec![Question::json(format!("$JS.API.DIRECT.GET.{DELIVERIES}"), &words)];
        questions.extend(delivery.map(|(spool, id)| last_outcome(spool, id)));
        let mut answers = self.ask_all(&questions, deadline)?.into_iter();
        let first = found(answers.next().flatten())?;
        let first = first.and_then(|first| first.header("Nats-Sequence")?.parse().ok());
        let (outcome, told) = match answers.next() {
            Some(answer) => told(answer)?,
            None => (None, 0),
        };
        Ok(Turn { first, outcome, told })
    }

    /// Tells what came of a delivery, where nobody else has since `turn`.
    ///
    /// # Errors
    /// [`Trouble::Overtaken`] where somebody has; else where it is not stored.
    pub fn tell(&mut self, spool: Uuid, outcome: &Outcome, turn: &Turn, deadline: Instant) -> Result<(), BrokerError> {
        let question = Question {
            subject: Outcome::subject(spool, outcome.id),
            headers: vec![("Nats-Expected-Last-Subject-Sequence".into(), turn.told.to_string())],
            payload: outcome.to_json().into(),
        };
        let answer = self.ask_all(&[question], deadline)?.pop().flatten();
        stored(answer, OUTCOMES).map(|_| ())
    }

    /// Says that a message is done with, and waits until the broker has taken note.
    ///
    /// # Errors
    /// Where it does not answer: the message may come again.
    pub fn settle(&mut self, claim: &Claim, deadline: Instant) -> Result<(), BrokerError> {
        let question = Question { payload: b"+ACK".as_slice().into(), ..Question::bare(claim.settle.clone()) };
        let answer = self.ask_all(&[question], deadline)?.pop().flatten();
        answer.map(|_| ()).ok_or_else(|| BrokerError::new(Trouble::Silent))
    }

    /// Gives a message back, to be handed out again after a while.
    ///
    /// # Errors
    /// Where that cannot be written: it is handed out again all the same, later.
    pub fn hand_back(&mut self, claim: &Claim, delay: Duration, deadline: Instant) -> Result<(), BrokerError> {
        let words = format!("-NAK {}", json!({ "delay": delay.as_nanos() as u64 }));
        self.connection().publish(&claim.settle, None, &[], words.as_bytes(), deadline)?;
        self.connection().flush(deadline)
    }

    /// Says that a message is being worked on, so that nobody else is given it.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn work_on(&mut self, claim: &mut Claim, deadline: Instant) -> Result<(), BrokerError> {
        self.connection().publish(&claim.settle, None, &[], b"+WPI", deadline)?;
        self.connection().flush(deadline)?;
        claim.since = Instant::now();
        Ok(())
    }
}

impl JetStream {
    /// Puts a message as it is among the dead letters, with what is wrong with it.
    ///
    /// # Errors
    /// Where it is not stored there.
    pub fn set_aside(&mut self, incoming: &Incoming, why: &str, deadline: Instant) -> Result<(), BrokerError> {
        let tokens = incoming.subject.splitn(3, '.').nth(2).unwrap_or_default();
        let is_ours = |name: &String| !name.to_ascii_lowercase().starts_with("nats-");
        let mut headers: Vec<_> = incoming.headers.iter().filter(|(name, _)| is_ours(name)).cloned().collect();
        headers.push(("Webhook-Error".into(), printable(why.as_bytes())));
        let id = incoming.header(MESSAGE_ID).or(incoming.header("Webhook-Delivery-Id"));
        headers.extend(id.map(|id| (MESSAGE_ID.to_owned(), id.to_owned())));
        let subject = format!("{}.{tokens}", Lane::Dead.prefix());
        let question = Question { subject, headers, payload: incoming.payload.as_slice().into() };
        stored(self.ask_all(&[question], deadline)?.pop().flatten(), DEAD).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_message_lies_stands_in_the_subject_that_settles_it() {
        let claim = |reply: &str| {
            let incoming = Incoming { reply: Some(reply.into()), ..Incoming::default() };
            Claim::of(Lane::Deliveries, incoming).map(|claim| (claim.handed_out, claim.sequence))
        };
        assert_eq!(claim("$JS.ACK.GW.d-ci.3.41.7.1796065788837525052.2"), Some((3, 41)));
        assert_eq!(claim("$JS.ACK.hub.ABC.GW.d-ci.3.41.7.1796065788837525052.2"), Some((3, 41)));
        assert_eq!(claim("$JS.ACK.hub.ABC.GW.d-ci.3.41.7.1796065788837525052.2.xyz"), Some((3, 41)));
        for wrong in ["", "_INBOX.a.1", "$JS.ACK.GW.d-ci.x.41.7.1.2", "$JS.ACK.GW.d-ci.3.41.7"] {
            assert_eq!(claim(wrong), None, "{wrong}");
        }
    }
}
