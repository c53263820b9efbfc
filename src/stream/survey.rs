//! What lies in the streams as a whole, and how they are made: for whoever sets them up and looks after them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::error::{BrokerError, Trouble};
use super::jetstream::{JetStream, Question, found, spoken, spoken_or_none};
use super::layout::{DELIVERIES, OUTCOMES, consumer, consumer_name};
use super::message::Lane;
use super::names::{target_of_token, target_token};
use super::nats::Incoming;
use super::outcome::Outcome;
use crate::event::Time;
use crate::process;
use crate::signature::from_base64;

/// A consumer, and what lies there for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// Its name.
    pub name: String,
    /// The subjects of its messages, ending in `>`.
    pub filter: String,
    /// How many nobody has in hand.
    pub waiting: u64,
    /// How many somebody has, or had and gave back for a while.
    pub in_hand: u64,
    /// How many workers ask for some at this moment.
    pub asking: u64,
}

/// What a consumer has come to, by which it is noticed that it does not go on.
pub struct Progress {
    /// How often it has handed out a message.
    pub handed_out: u64,
    /// How many messages it has not handed out yet.
    pub waiting: u64,
    /// How many somebody has, or had and gave back for a while, as far as it knows.
    pub in_hand: u64,
    /// How many workers ask for some at this moment.
    pub asking: u64,
    /// How long a worker has to say that it still works on a message.
    pub patience: Duration,
    /// When it was made, as the broker writes that.
    created: String,
    /// How it was made.
    config: Value,
}

impl Progress {
    /// Whether it is the same consumer.
    pub fn is_of(&self, other: &Self) -> bool {
        self.created == other.created
    }
}

/// The first message of a subject.
pub struct First {
    /// Its number in the stream.
    pub sequence: u64,
    /// How long it has lain there.
    pub age: Duration,
    /// The message, as it was published.
    pub incoming: Incoming,
}

impl JetStream {
    /// What a stream is and what lies in it; `None` where it is not there.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn stream(&mut self, name: &str, deadline: Instant) -> Result<Option<Value>, BrokerError> {
        match self.call(&format!("$JS.API.STREAM.INFO.{name}"), &json!({}), deadline) {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.kind == Trouble::NoStream && !error.detail.is_empty() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The consumers of deliveries.
    ///
    /// # Errors
    /// Where the broker does not say, or there is no stream.
    pub fn consumers(&mut self, deadline: Instant) -> Result<Vec<ConsumerState>, BrokerError> {
        let mut all = Vec::new();
        loop {
            let words = json!({ "offset": all.len() });
            let answer = self.call(&format!("$JS.API.CONSUMER.LIST.{DELIVERIES}"), &words, deadline)?;
            let page: Vec<_> = answer["consumers"].as_array().into_iter().flatten().map(state).collect();
            let total = answer["total"].as_u64().and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
            let is_last = page.is_empty();
            all.extend(page);
            if is_last || all.len() >= total {
                return Ok(all);
            }
        }
    }

    /// Makes the consumer of a target's messages in a lane where it is not there: who claims of one that is not there is answered
    /// nothing at all.
    ///
    /// # Errors
    /// As for [`Self::make_consumer`].
    pub fn find_consumer(&mut self, lane: Lane, target: &str, deadline: Instant) -> Result<(), BrokerError> {
        let subject = format!("$JS.API.CONSUMER.INFO.{DELIVERIES}.{}", consumer_name(lane, target));
        match self.call(&subject, &json!({}), deadline) {
            Err(error) if error.kind == Trouble::NoStream => self.make_consumer(lane, target, deadline),
            found => found.map(|_| ()),
        }
    }

    /// Makes the consumer of a target's messages in a lane.
    ///
    /// # Errors
    /// Where it cannot be made; there is none for a stream that is not there.
    pub fn make_consumer(&mut self, lane: Lane, target: &str, deadline: Instant) -> Result<(), BrokerError> {
        let subject = format!("$JS.API.CONSUMER.DURABLE.CREATE.{DELIVERIES}.{}", consumer_name(lane, target));
        let words = json!({ "stream_name": DELIVERIES, "config": consumer(lane, target) });
        self.call(&subject, &words, deadline).map(|_| ())
    }

    /// What the consumer of a target's messages in a lane has come to; `None` where there is none.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn progress(&mut self, lane: Lane, target: &str, deadline: Instant) -> Result<Option<Progress>, BrokerError> {
        let subject = format!("$JS.API.CONSUMER.INFO.{DELIVERIES}.{}", consumer_name(lane, target));
        let info = match self.call(&subject, &json!({}), deadline) {
            Err(error) if error.kind == Trouble::NoStream => return Ok(None),
            info => info?,
        };
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        Ok(Some(Progress {
            handed_out: number(&info["delivered"]["consumer_seq"]),
            waiting: number(&info["num_pending"]),
            in_hand: number(&info["num_ack_pending"]),
            asking: number(&info["num_waiting"]),
            patience: Duration::from_nanos(number(&info["config"]["ack_wait"])),
            created: info["created"].as_str().unwrap_or_default().to_owned(),
            config: info["config"].clone(),
        }))
    }

    /// Makes a consumer anew, as it was made: it begins with the first message that there is, whoever may have it in hand.
    ///
    /// # Errors
    /// Where it cannot be removed or made.
    pub fn replace_consumer(
        &mut self,
        lane: Lane,
        target: &str,
        old: &Progress,
        deadline: Instant,
    ) -> Result<(), BrokerError> {
        let name = consumer_name(lane, target);
        self.call(&format!("$JS.API.CONSUMER.DELETE.{DELIVERIES}.{name}"), &json!({}), deadline)?;
        let words = json!({ "stream_name": DELIVERIES, "config": old.config });
        self.call(&format!("$JS.API.CONSUMER.DURABLE.CREATE.{DELIVERIES}.{name}"), &words, deadline).map(|_| ())
    }

    /// The subjects with messages that none of the consumers with these filters is for.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn unclaimed(&mut self, consumers: &[ConsumerState], deadline: Instant) -> Result<Vec<String>, BrokerError> {
        let subject = format!("$JS.API.STREAM.INFO.{DELIVERIES}");
        let held = self.call(&subject, &json!({}), deadline)?["state"]["messages"].as_u64().unwrap_or(0);
        // The list may be long, and there is nearly always nothing in it.
        if held <= consumers.iter().map(|it| it.waiting + it.in_hand).sum() {
            return Ok(Vec::new());
        }
        let starts: HashSet<_> = consumers.iter().filter_map(|it| it.filter.strip_suffix('>')).collect();
        let info = self.call(&subject, &json!({ "subjects_filter": ">" }), deadline)?;
        let subjects = info["state"]["subjects"].as_object().into_iter().flat_map(|all| all.keys());
        let is_nobodys = |subject: &&String| !starts.iter().any(|start| subject.starts_with(start));
        Ok(subjects.filter(is_nobodys).cloned().collect())
    }

    /// The first message of a subject; `None` where it has none.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn first_of(&mut self, subject: &str, deadline: Instant) -> Result<Option<First>, BrokerError> {
        self.next_of(subject, 0, deadline)
    }

    /// The first message of a lane for a target from this number on; `None` where there is none.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn next_for(
        &mut self,
        lane: Lane,
        target: &str,
        from: u64,
        deadline: Instant,
    ) -> Result<Option<First>, BrokerError> {
        self.next_of(&format!("{}.{}.>", lane.prefix(), target_token(target)), from, deadline)
    }

    fn next_of(&mut self, subject: &str, from: u64, deadline: Instant) -> Result<Option<First>, BrokerError> {
        let words = json!({ "seq": from, "next_by_subj": subject });
        let question = Question::json(format!("$JS.API.DIRECT.GET.{DELIVERIES}"), &words);
        let Some(incoming) = found(self.ask_all(&[question], deadline)?.pop().flatten())? else { return Ok(None) };
        let sequence = incoming.header("Nats-Sequence").and_then(|number| number.parse().ok());
        let stored = incoming.header("Nats-Time-Stamp").and_then(Time::from_rfc3339);
        let (Some(sequence), Some(stored)) = (sequence, stored) else {
            return Err(BrokerError::new(Trouble::Garbled));
        };
        let age = Duration::from_secs(u64::try_from(process::now() - stored.seconds).unwrap_or(0));
        // A direct get is answered under the subject that asked.
        let subject = incoming.header("Nats-Subject").unwrap_or(subject).to_owned();
        Ok(Some(First { sequence, age, incoming: Incoming { subject, ..incoming } }))
    }

    /// What is known of a delivery, and the number of that; 0 for nothing.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn outcome(&mut self, spool: Uuid, id: Uuid, deadline: Instant) -> Result<(Option<Outcome>, u64), BrokerError> {
        let question = last_outcome(spool, id);
        told(self.ask_all(&[question], deadline)?.pop().flatten())
    }

    /// Removes a message. One that is gone is no failure.
    ///
    /// # Errors
    /// Where the broker does not answer, or does not let us.
    pub fn remove(&mut self, sequence: u64, deadline: Instant) -> Result<(), BrokerError> {
        let question = Question::json(
            format!("$JS.API.STREAM.MSG.DELETE.{DELIVERIES}"),
            &json!({ "seq": sequence, "no_erase": true }),
        );
        match spoken(self.ask_all(&[question], deadline)?.pop().flatten()) {
            Err(error) if error.kind != Trouble::Said => Err(error),
            _ => Ok(()),
        }
    }
}

/// The question for the last outcome of a delivery. Not a direct get, which any server of a cluster may answer: one that lags behind
/// would have the delivery made twice.
pub(super) fn last_outcome(spool: Uuid, id: Uuid) -> Question<'static> {
    let words = json!({ "last_by_subj": Outcome::subject(spool, id) });
    Question::json(format!("$JS.API.STREAM.MSG.GET.{OUTCOMES}"), &words)
}

/// The outcome and its number in what is answered to that.
pub(super) fn told(answer: Option<Incoming>) -> Result<(Option<Outcome>, u64), BrokerError> {
    let Some(value) = spoken_or_none(answer)? else { return Ok((None, 0)) };
    let message = &value["message"];
    let sequence = message["seq"].as_u64().ok_or_else(|| BrokerError::new(Trouble::Garbled))?;
    let data = message["data"].as_str().and_then(from_base64).unwrap_or_default();
    Ok((Outcome::from_json(&data), sequence))
}

fn state(info: &Value) -> ConsumerState {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |name: &str| info[name].as_u64().unwrap_or(0);
    ConsumerState {
        name: text(&info["name"]),
        filter: text(&info["config"]["filter_subject"]),
        waiting: number("num_pending"),
        in_hand: number("num_ack_pending"),
        asking: number("num_waiting"),
    }
}

/// The target that a subject of a delivery, or a filter of them, is of.
pub fn target_of(subject: &str) -> String {
    target_of_token(subject.split('.').nth(2).unwrap_or_default())
}
