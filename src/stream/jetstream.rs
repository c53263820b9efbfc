//! What is asked of JetStream: publish, claim, settle, tell an outcome, find those that are missing.
//!
//! Source: the NATS documentation, "JetStream API reference", ADR-31 (direct get) and ADR-8. Each question is a message with a
//! subject for its answer; many are asked before the first answer is waited for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::credentials::Credentials;
use super::error::{BrokerError, Trouble};
use super::layout::{DEAD, DELIVERIES, OUTCOMES};
use super::message::{Lane, Message};
use super::names::target_token;
use super::nats::{Connection, Incoming, Role};
use super::outcome::Outcome;
use super::servers::Servers;
use crate::transport::Trust;

/// By this header a stream knows a message that it has taken.
pub(super) const MESSAGE_ID: &str = "Nats-Msg-Id";

/// The broker, as it is spoken to over one connection.
pub struct JetStream {
    connection: Connection,
}

/// What the broker says of a message that it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The message's number in its stream.
    pub sequence: u64,
    /// It had the message already.
    pub is_duplicate: bool,
}

/// One question.
pub(super) struct Question<'a> {
    pub(super) subject: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) payload: std::borrow::Cow<'a, [u8]>,
}

impl<'a> Question<'a> {
    /// One whose words are JSON.
    pub(super) fn json(subject: impl Into<String>, words: &Value) -> Self {
        Self { subject: subject.into(), headers: Vec::new(), payload: words.to_string().into_bytes().into() }
    }

    /// One without words.
    pub(super) fn bare(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), headers: Vec::new(), payload: [].as_slice().into() }
    }

    fn publishing(message: &'a Message, lane: Lane) -> Self {
        let mut headers: Vec<_> = message.headers().into_iter().map(|(name, value)| (name.into(), value)).collect();
        let suffix = if lane == Lane::Retries { "/retry" } else { "" };
        headers.push((MESSAGE_ID.into(), message.message_id() + suffix));
        Self { subject: message.subject(lane), headers, payload: message.body.as_slice().into() }
    }
}

impl JetStream {
    /// Connects, within so much time.
    ///
    /// # Errors
    /// Why no server takes us.
    pub fn open(
        servers: &Servers,
        credentials: &Credentials,
        trust: &Trust,
        role: Role,
        patience: Duration,
    ) -> Result<Self, BrokerError> {
        Ok(Self { connection: Connection::open(servers, credentials, trust, role, patience)? })
    }

    /// The connection below.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The largest message the server takes, [`Message::size`] of it.
    pub fn max_payload(&self) -> usize {
        self.connection.info().max_payload
    }

    /// Publishes deliveries, all of them before the first answer is waited for; what became of each, in their order.
    ///
    /// Of one that has no answer at the deadline nobody knows whether it was taken; published again it is not taken twice.
    ///
    /// # Errors
    /// Where the connection ended, or the user may not publish: nothing is known of any then.
    pub fn publish(
        &mut self,
        messages: &[Message],
        deadline: Instant,
    ) -> Result<Vec<Result<Stored, BrokerError>>, BrokerError> {
        self.publish_to(Lane::Deliveries, messages, deadline)
    }

    /// The same on another lane.
    ///
    /// # Errors
    /// As for [`Self::publish`].
    pub fn publish_to(
        &mut self,
        lane: Lane,
        messages: &[Message],
        deadline: Instant,
    ) -> Result<Vec<Result<Stored, BrokerError>>, BrokerError> {
        let stream = if lane == Lane::Dead { DEAD } else { DELIVERIES };
        let most = self.max_payload();
        let is_small = |message: &&Message| message.size() <= most;
        let questions: Vec<_> =
            messages.iter().filter(is_small).map(|message| Question::publishing(message, lane)).collect();
        let mut answers = self.ask_all(&questions, deadline)?.into_iter();
        let became = |message: &Message| match is_small(&message) {
            true => stored(answers.next().flatten(), stream),
            false => {
                let detail = format!("{} > {most}", message.size());
                Err(BrokerError { kind: Trouble::TooLarge, detail })
            }
        };
        Ok(messages.iter().map(became).collect())
    }

    /// What is known of deliveries of a spool, in their order; `None` of one that has no outcome.
    ///
    /// # Errors
    /// Where that cannot be said of all of them until the deadline.
    pub fn outcomes(
        &mut self,
        spool: Uuid,
        ids: &[Uuid],
        deadline: Instant,
    ) -> Result<Vec<Option<Outcome>>, BrokerError> {
        let subject = |id: &Uuid| format!("$JS.API.DIRECT.GET.{OUTCOMES}.{}", Outcome::subject(spool, *id));
        let questions: Vec<_> = ids.iter().map(|id| Question::bare(subject(id))).collect();
        let answers = self.ask_all(&questions, deadline)?;
        answers.into_iter().map(|answer| Ok(found(answer)?.and_then(|it| Outcome::from_json(&it.payload)))).collect()
    }

    /// Whether the broker has anything that waits for a target, of each of these keys, delivered in order or tried again later.
    ///
    /// # Errors
    /// Where that cannot be said of all of them until the deadline.
    pub fn are_waiting(&mut self, keys: &[(&str, &str)], deadline: Instant) -> Result<Vec<bool>, BrokerError> {
        let ask = |(target, order): &(&str, &str)| {
            let words = json!({ "subjects_filter": format!("gw.*.{}.{order}", target_token(target)) });
            Question::json(format!("$JS.API.STREAM.INFO.{DELIVERIES}"), &words)
        };
        let questions: Vec<_> = keys.iter().map(ask).collect();
        let answers = self.ask_all(&questions, deadline)?;
        let waits = |answer: Option<Incoming>| {
            let info = spoken(answer)?;
            Ok(info["state"]["subjects"].as_object().is_some_and(|subjects| !subjects.is_empty()))
        };
        answers.into_iter().map(waits).collect()
    }

    /// Asks one question and waits for what is answered in JSON.
    ///
    /// # Errors
    /// Where the answer is an error, or none comes until the deadline.
    pub fn call(&mut self, subject: &str, words: &Value, deadline: Instant) -> Result<Value, BrokerError> {
        let question = Question::json(subject, words);
        spoken(self.ask_all(&[question], deadline)?.pop().flatten())
    }

    /// Asks many questions; the answers in their order, `None` for those that have none at the deadline.
    pub(super) fn ask_all(
        &mut self,
        questions: &[Question<'_>],
        deadline: Instant,
    ) -> Result<Vec<Option<Incoming>>, BrokerError> {
        let mut inboxes = Vec::with_capacity(questions.len());
        for question in questions {
            let inbox = self.connection.new_inbox();
            let Question { subject, headers, payload } = question;
            self.connection.publish(subject, Some(&inbox), headers, payload, deadline)?;
            inboxes.push(inbox);
        }
        let first = inboxes.first().and_then(|inbox| number(inbox)).unwrap_or(0);
        let mut answers: Vec<Option<Incoming>> = questions.iter().map(|_| None).collect();
        let mut missing = answers.len();
        while missing > 0
            && let Some(answer) = self.connection.next(deadline)?
        {
            // An answer to what was asked before, and came too late, is nobody's.
            let at = number(&answer.subject).and_then(|number| usize::try_from(number.checked_sub(first)?).ok());
            if let Some(place) = at.and_then(|at| answers.get_mut(at))
                && place.is_none()
            {
                *place = Some(answer);
                missing -= 1;
            }
        }
        Ok(answers)
    }
}

/// The number of an inbox, its last token.
fn number(inbox: &str) -> Option<u64> {
    inbox.rsplit('.').next()?.parse().ok()
}

/// What JetStream answered, in JSON.
pub(super) fn spoken(answer: Option<Incoming>) -> Result<Value, BrokerError> {
    let answer = answer.ok_or_else(|| BrokerError::new(Trouble::Silent))?;
    // Nobody listens to the subject: there is no JetStream, or no such stream.
    if answer.status == Some(503) {
        return Err(BrokerError::new(Trouble::NoStream));
    }
    let value: Value = serde_json::from_slice(&answer.payload).map_err(|_| BrokerError::new(Trouble::Garbled))?;
    match value.get("error") {
        Some(error) => Err(of_jetstream(error)),
        None => Ok(value),
    }
}

/// The same of what was asked for a message that may not be there.
pub(super) fn spoken_or_none(answer: Option<Incoming>) -> Result<Option<Value>, BrokerError> {
    const NO_MESSAGE: u64 = 10_037;
    let payload = answer.as_ref().map(|answer| answer.payload.as_slice()).unwrap_or_default();
    let code = serde_json::from_slice::<Value>(payload).ok().and_then(|value| value["error"]["err_code"].as_u64());
    if code == Some(NO_MESSAGE) { Ok(None) } else { spoken(answer).map(Some) }
}

/// What a stream answered to a message that was to be stored in it.
pub(super) fn stored(answer: Option<Incoming>, stream: &str) -> Result<Stored, BrokerError> {
    let value = spoken(answer)?;
    let sequence = value["seq"].as_u64().filter(|_| value["stream"] == stream);
    // Another stream took it, which nobody reads: as good as none.
    let sequence = sequence.ok_or_else(|| BrokerError::new(Trouble::NoStream))?;
    Ok(Stored { sequence, is_duplicate: value["duplicate"].as_bool().unwrap_or(false) })
}

/// The message that was asked for by a direct get; `None` where there is none.
pub(super) fn found(answer: Option<Incoming>) -> Result<Option<Incoming>, BrokerError> {
    let answer = answer.ok_or_else(|| BrokerError::new(Trouble::Silent))?;
    match answer.status {
        None => Ok(Some(answer)),
        Some(404) => Ok(None),
        Some(503) => Err(BrokerError::new(Trouble::NoStream)),
        Some(_) => Err(BrokerError::said(Trouble::Said, answer.header("Description").unwrap_or_default())),
    }
}

/// The kind of an error in JetStream's numbers (`server/errors.json` of nats-server).
fn of_jetstream(error: &Value) -> BrokerError {
    let words = error["description"].as_str().unwrap_or_default();
    let kind = match error["err_code"].as_u64() {
        Some(10_014 | 10_039 | 10_059 | 10_076) => Trouble::NoStream,
        Some(10_023 | 10_028 | 10_047) => Trouble::Full,
        Some(10_054) => Trouble::TooLarge,
        Some(10_071 | 10_164) => Trouble::Overtaken,
        Some(10_077) if words.contains("maximum") => Trouble::Full,
        _ => Trouble::Said,
    };
    BrokerError::said(kind, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str) -> Option<Incoming> {
        Some(Incoming { payload: payload.into(), ..Incoming::default() })
    }

    #[test]
    fn what_was_not_stored_says_why() {
        let kind = |answer| stored(answer, DELIVERIES).map_err(|error| error.kind);
        let taken = Stored { sequence: 7, is_duplicate: true };
        assert_eq!(kind(answer(r#"{"stream":"GW","seq":7,"duplicate":true}"#)), Ok(taken));
        assert_eq!(kind(answer(r#"{"stream":"OTHER","seq":7}"#)), Err(Trouble::NoStream));
        assert_eq!(kind(None), Err(Trouble::Silent));
        assert_eq!(kind(Some(Incoming { status: Some(503), ..Incoming::default() })), Err(Trouble::NoStream));
        let error = |code: u32, words: &str| {
            answer(&json!({ "error": { "err_code": code, "description": words } }).to_string())
        };
        assert_eq!(kind(error(10_077, "maximum bytes exceeded")), Err(Trouble::Full));
        assert_eq!(kind(error(10_077, "disk on fire")), Err(Trouble::Said));
        assert_eq!(kind(error(10_071, "wrong last sequence: 3")), Err(Trouble::Overtaken));
    }
}
