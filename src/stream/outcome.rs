//! What came of a delivery, as a worker tells the git server.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::outcome::{Answer, FailureKind};

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The receiver took it.
    Delivered,
    /// It failed, and is tried again.
    Failing,
    /// It failed for as long as `retryFor` says: a dead letter.
    GivenUp,
    /// No worker makes it as it is: a dead letter.
    Refused,
    /// What a newer worker has told; by this program it counts as the last word.
    #[serde(other)]
    Other,
}

impl Standing {
    /// Whether nothing more is to come.
    pub fn is_last(self) -> bool {
        self != Self::Failing
    }
}

/// What is known of a delivery after an attempt. There is one for each delivery, the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Of the form.
    pub version: u32,
    /// The delivery.
    pub id: Uuid,
    /// Which redelivery of it this was, 0 for none.
    #[serde(default)]
    pub redelivery: u32,
    /// The target's name.
    pub target: String,
    /// How it stands.
    pub state: Standing,
    /// The answer's status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How often it was tried.
    pub attempts: u32,
    /// How many of the attempts were ambiguous.
    #[serde(default)]
    pub ambiguous: u32,
    /// When this came to be, RFC 3339.
    pub at: String,
    /// The worker's name.
    pub worker: String,
    /// Milliseconds from name look-up to the status line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Why it failed, for the administrator; nothing secret is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The kind of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureKind>,
    /// When it is tried next, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    /// Whether newer ones of its ref wait for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocks_ref: bool,
    /// What the receiver said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

impl Outcome {
    /// The subject of the outcomes of a spool's delivery.
    pub fn subject(spool: Uuid, id: Uuid) -> String {
        format!("gw.o.{spool}.{id}")
    }

    /// In JSON, as it lies in the stream.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("structs of text and numbers always serialise")
    }

    /// From JSON; `None` where it is no outcome. One of a newer version may say more than is read.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether it answers for a delivery that was asked for so often.
    pub fn is_of(&self, redelivery: u32) -> bool {
        self.redelivery >= redelivery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_has_the_documented_form_and_reads_what_is_newer() {
        let json = r#"{"version":1,"id":"00000000-0000-0000-0000-000000000001","redelivery":0,"target":"ci","state":"given_up","status":500,"attempts":7,"ambiguous":0,"at":"2026-11-30T12:00:00Z","worker":"w1","error":"x"}"#;
        let outcome = Outcome::from_json(json.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(outcome.to_json()).unwrap(), json);
        assert!(outcome.state.is_last() && outcome.is_of(0) && !outcome.is_of(1));
        let newer = json.replace("given_up", "parked_somewhere").replace("\"version\":1", "\"version\":2,\"more\":[]");
        let newer = Outcome::from_json(newer.as_bytes()).unwrap();
        assert_eq!((newer.version, newer.state), (2, Standing::Other));
        assert_eq!(Outcome::from_json(b"{}"), None);
    }
}
