//! What a record in a queue holds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::name::Name;
use super::receipt::Receipt;
use super::record::Line;
use crate::format::Payload;

/// A delivery that waits. It has no secret, no URL and no signature: these are the target's when it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// The ref update and the event's id; of a delivery that tells of a whole push, the first it tells.
    pub line: Line,
    /// The further ones it tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Line>,
    /// The forge's name of the event.
    pub event: String,
    /// The format the body was built for.
    pub format: String,
    /// Seconds since 1970 when the event happened.
    pub time: i64,
    /// The receipt it comes from.
    pub receipt: String,
    /// Where it comes from, in the words of headers.
    pub origin: Origin,
    pub(super) body: Body,
}

/// What headers say of the repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// The path with namespace.
    pub repository: String,
    /// The server's base address.
    pub instance: String,
    /// The repository's number.
    #[serde(default)]
    pub project: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    /// As it is.
    Here(String),
    /// In a file beside, with this SHA-256.
    Beside(String),
}

impl Waiting {
    /// A delivery of an event that happened at `time`.
    pub fn new(line: Line, event: &str, format: &str, time: i64, receipt: String, origin: Origin) -> Self {
        let body = Body::Here(String::new());
        Self { line, more: Vec::new(), event: event.into(), format: format.into(), time, receipt, origin, body }
    }

    /// The same, telling of further ref updates too.
    pub fn with_more(self, more: Vec<Line>) -> Self {
        Self { more, ..self }
    }

    /// The ref, and how many more.
    pub fn ref_text(&self) -> String {
        ref_text(&self.line, &self.more)
    }
}

/// The ref of the first line, and how many more there are: `refs/heads/main and 2 more`.
pub fn ref_text(first: &Line, more: &[Line]) -> String {
    let name = first.update.name.text();
    if more.is_empty() { name.into_owned() } else { format!("{name} and {} more", more.len()) }
}

/// What a record holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// One delivery.
    Delivery(Waiting),
    /// A whole push, for a target that is not configured rightly: what it wants of it will be known when it is.
    Push(Receipt),
}

/// A delivery that is to wait, not written down yet.
pub struct Addition {
    /// The name it will have.
    pub name: Name,
    /// What the record will hold, but for the body.
    pub waiting: Waiting,
    /// The body.
    pub payload: Arc<Payload>,
    /// Whether other targets get the same payload, which is stored once then.
    pub is_shared: bool,
}
