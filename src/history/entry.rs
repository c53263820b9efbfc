//! A line of the log: one attempt, and what is so of its delivery since.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::timestamp;
use crate::delivery::Delivery;
use crate::outcome::Answer;
use crate::ref_update::{Namespace, RefName, RefUpdate};
use crate::signature;

/// What is so of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The receiver took it.
    Delivered,
    /// The broker took it, and has not told yet what came of it.
    Published,
    /// It is tried again.
    Waiting,
    /// It is a dead letter, and lies in `dead`.
    Dead,
    /// It was a test, and the receiver did not take it: it is tried no more, and is kept nowhere.
    Failed,
}

impl State {
    /// Whether it is told, or will be by somebody else.
    pub fn is_told(self) -> bool {
        matches!(self, Self::Delivered | Self::Published)
    }

    /// The word in the log and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Published => "published",
            Self::Waiting => "waiting",
            Self::Dead => "dead",
            Self::Failed => "failed",
        }
    }
}

/// One attempt. It holds no URL, no header of the request and no secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// When it was over, RFC 3339 with milliseconds.
    pub time: String,
    /// The delivery's id.
    pub id: Uuid,
    /// The event's id, the same for all targets.
    pub event_id: Uuid,
    /// The target's name.
    pub target: String,
    /// The forge's name of the event.
    pub event: String,
    /// The format.
    pub format: String,
    /// The full ref name within its namespace, with U+FFFD in place of what is not UTF-8.
    pub r#ref: String,
    /// The namespace of the ref; empty for none.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub namespace: String,
    /// Where the ref pointed before, in hexadecimal.
    pub old: String,
    /// Where the ref points since.
    pub new: String,
    /// The push was sent from memory, and is written down nowhere else.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub from_memory: bool,
    /// No hook saw it: it was found in the refs afterwards.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub late: bool,
    /// Somebody tried the target out: nothing happened, and nobody was told of anything by it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub test: bool,
    /// The further updates of a delivery that tells of a whole push, where that push is written down nowhere else.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub more: Vec<LoggedUpdate>,
    /// The receipt it comes from.
    pub receipt: String,
    /// Which attempt it was, from 1; 0 where none was made.
    pub attempt: u32,
    /// What is so of the delivery now.
    pub state: State,
    /// The answer's status, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// Milliseconds from name look-up to the status line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ms: Option<u64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When it is tried next, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<i64>,
    /// The body's SHA-256 in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
    /// The body's size in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<u64>,
    /// How many bytes it was made to fit into, where the receiver takes no larger body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_body: Option<usize>,
    /// What the receiver said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<Answer>,
    /// The worker that made it, where somebody else than we did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worker: Option<String>,
    /// When it was over there, as in `time`, which is when it was heard of here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<String>,
}

/// A ref update in the log, as in [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LoggedUpdate {
    /// The full ref name.
    pub r#ref: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub namespace: String,
    /// Where it pointed before.
    pub old: String,
    /// Where it points since.
    pub new: String,
}

impl From<&RefUpdate> for LoggedUpdate {
    fn from(update: &RefUpdate) -> Self {
        let namespace = update.name.namespace().text().into_owned();
        Self { r#ref: update.name.text().into_owned(), namespace, old: update.before(), new: update.after() }
    }
}

impl LoggedUpdate {
    /// The name of its ref, as far as text can hold it.
    pub fn name(&self) -> RefName {
        RefName::within(&Namespace::new(self.namespace.as_bytes()), self.r#ref.as_bytes())
    }
}

impl Entry {
    /// Every ref update that it is known to tell of.
    pub fn updates(&self) -> impl Iterator<Item = LoggedUpdate> {
        // Of several the entry names the first, and says how many there are: `delivery::ref_text`.
        let name = self.r#ref.split_once(" and ").map_or(self.r#ref.as_str(), |(first, _)| first);
        let (old, new) = (self.old.clone(), self.new.clone());
        let first = LoggedUpdate { r#ref: name.into(), namespace: self.namespace.clone(), old, new };
        std::iter::once(first).chain(self.more.iter().cloned())
    }

    /// That of a delivery that was made, until something else is said.
    pub fn of(target: &str, delivery: &Delivery, attempt: u32) -> Self {
        let (body, update) = (&delivery.payload.body, &delivery.line.update);
        Self {
            time: timestamp(),
            id: delivery.id(),
            event_id: delivery.line.event,
            target: target.into(),
            event: delivery.payload.event.to_string(),
            format: delivery.format.name.into(),
            r#ref: delivery.ref_text(),
            namespace: update.name.namespace().text().into_owned(),
            old: update.before(),
            new: update.after(),
            from_memory: false,
            late: delivery.is_late,
            test: false,
            more: Vec::new(),
            receipt: delivery.receipt.to_string(),
            attempt,
            state: State::Delivered,
            status: None,
            ms: None,
            reason: None,
            next: None,
            sha256: Some(signature::sha256_hex(body)),
            size: Some(body.len() as u64),
            max_body: delivery.reduced,
            answer: None,
            worker: None,
            at: None,
        }
    }

    /// That of a request that tries a target out, until something is said of what came of it.
    pub fn of_test(target: &str, delivery: &Delivery) -> Self {
        Self { test: true, state: State::Failed, receipt: String::new(), ..Self::of(target, delivery, 1) }
    }

    /// The line of the log.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("structs of text and numbers always serialise")
    }

    /// The number of the receipt it comes from.
    pub fn sequence(&self) -> Option<u64> {
        self.receipt.split('.').next()?.parse().ok()
    }
}

/// The id in a line as we write it, `{"time":"2026-11-30T16:00:00.000Z","id":"…`, which is faster to find than to read what the line
/// says; `None` where it has to be read.
pub(super) fn id_of(line: &[u8]) -> Option<Uuid> {
    const BEFORE: &[u8] = b"\",\"id\":\"";
    let start = 33;
    let is_ours = line.starts_with(b"{\"time\":\"") && line.get(start..start + BEFORE.len()) == Some(BEFORE);
    let text = line.get(start + BEFORE.len()..).filter(|_| is_ours)?.get(..36)?;
    Uuid::try_parse_ascii(text).ok()
}
