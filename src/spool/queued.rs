//! What a record in a queue holds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::push::Receipt;
use crate::delivery::{Delivery, Origin, ref_text};
use crate::format::{self, Payload};
use crate::ref_update::RefEvent;
use crate::schedule::Queued;
use crate::template::Flaw;

/// A delivery that waits. It has no secret, no URL and no signature: these are the target's when it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueuedDelivery {
    /// The ref update and the event's id; of a delivery that tells of a whole push, the first it tells.
    pub line: RefEvent,
    /// The further ones it tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<RefEvent>,
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
    /// Whether it tells of what was found in the refs afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_late: bool,
    /// Which redelivery it is, by the number of attempts before it, where the broker has had it already; 0 for none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub redelivery: u32,
    pub(super) body: Body,
    /// The event's documented value, for a format that makes URL, headers or body of it at each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Value>,
    /// Why a template made no body of it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) flaw: Option<String>,
    /// What a later program has written, which is handed on.
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

fn is_none(redelivery: &u32) -> bool {
    *redelivery == 0
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    /// As it is.
    Here(String),
    /// In a file beside, with this SHA-256.
    Beside(String),
}

impl QueuedDelivery {
    /// The delivery as it was, with its body; `None` where this program does not know its format.
    pub fn delivery(self, queued: Queued, body: Vec<u8>) -> Option<Delivery> {
        Some(Delivery {
            key: queued.key,
            schedule: queued.schedule,
            line: self.line,
            more: self.more,
            format: format::find(&self.format)?,
            payload: Arc::new(Payload {
                event: self.event.into(),
                body,
                value: self.value,
                flaw: self.flaw.map(Flaw::new),
            }),
            is_shared: false,
            time: self.time,
            receipt: self.receipt.into(),
            origin: Arc::new(self.origin),
            is_late: self.is_late,
            redelivery: self.redelivery,
            reduced: None,
        })
    }

    /// The ref, and how many more.
    pub fn ref_text(&self) -> String {
        ref_text(&self.line, &self.more)
    }
}

/// What a record in a queue holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// One delivery.
    Delivery(QueuedDelivery),
    /// A whole push, which programs before version 2 of the records kept here for a target that was not configured
    /// rightly. Never written.
    Push(Receipt),
}

/// A delivery that is to wait, not written down yet.
pub struct Addition {
    /// By what it will be known, and when it is tried.
    pub queued: Queued,
    /// What the record will hold, but for the body.
    pub waiting: QueuedDelivery,
    /// The body.
    pub payload: Arc<Payload>,
    /// Whether other targets get the same payload, which is stored once then.
    pub is_shared: bool,
}

impl Addition {
    /// A delivery with this key and schedule.
    pub fn of(queued: Queued, delivery: &Delivery) -> Self {
        let waiting = QueuedDelivery {
            line: delivery.line.clone(),
            more: delivery.more.clone(),
            event: delivery.payload.event.to_string(),
            format: delivery.format.name.into(),
            time: delivery.time,
            receipt: delivery.receipt.to_string(),
            origin: Origin::clone(&delivery.origin),
            is_late: delivery.is_late,
            redelivery: delivery.redelivery,
            body: Body::Here(String::new()),
            value: delivery.payload.value.clone(),
            flaw: delivery.payload.flaw.as_ref().map(ToString::to_string),
            unknown: Map::new(),
        };
        Self { queued, waiting, payload: Arc::clone(&delivery.payload), is_shared: delivery.is_shared }
    }
}
