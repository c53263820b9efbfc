//! One payload for one target: what is to be delivered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::format::{Format, Payload};
use crate::ref_update::RefEvent;
use crate::schedule::{QueueKey, Schedule};

/// One event on its way to one target.
#[derive(Clone)]
pub struct Delivery {
    /// By what it is known in its target's queue.
    pub key: QueueKey,
    /// What is known of earlier attempts.
    pub schedule: Schedule,
    /// The ref update and the event's id, the same for all targets; of a delivery that tells of a whole push, the first
    /// it tells.
    pub line: RefEvent,
    /// The further ones it tells.
    pub more: Vec<RefEvent>,
    /// The format of the payload.
    pub format: &'static Format,
    /// What is sent, shared by all targets of the format.
    pub payload: Arc<Payload>,
    /// Whether other targets get the same payload.
    pub is_shared: bool,
    /// When the event happened, in seconds since 1970.
    pub time: i64,
    /// The receipt it comes from.
    pub receipt: Arc<str>,
    /// Where it comes from, in the words of headers.
    pub origin: Arc<Origin>,
    /// Whether it tells of what was found in the refs afterwards.
    pub is_late: bool,
    /// Which redelivery it is, by the number of attempts before it, where the broker has had it already; 0 for none. The broker
    /// would take it for the first one otherwise.
    pub redelivery: u32,
    /// How many bytes the body was made to fit into, where the receiver takes no larger one.
    pub reduced: Option<usize>,
}

impl Delivery {
    /// The same over retries and redeliveries.
    pub fn id(&self) -> Uuid {
        self.key.id
    }

    /// The ref of the first line, and how many more there are: `refs/heads/main and 2 more`.
    pub fn ref_text(&self) -> String {
        ref_text(&self.line, &self.more)
    }
}

/// The ref of the first line, and how many more there are.
pub fn ref_text(first: &RefEvent, more: &[RefEvent]) -> String {
    let name = first.update.name.text();
    if more.is_empty() { name.into_owned() } else { format!("{name} and {} more", more.len()) }
}

/// What headers say of the repository and the push.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The path with namespace.
    pub repository: String,
    /// The server's base address.
    pub instance: String,
    /// The repository's number.
    #[serde(default)]
    pub project: u32,
    /// `TRACEPARENT` of the hook, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}
