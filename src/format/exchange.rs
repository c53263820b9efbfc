//! What a format may say of the exchange itself, beside headers and body: its method, what is made at each attempt, and what the
//! body of an answer decides.
//!
//! What is made at an attempt is neither stored nor logged: it may hold the secret, or be good for an hour only.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::Header;
use crate::signature::Secret;

/// How a format's requests are made and their answers read, where that is more than a POST and a status.
#[derive(Clone, Copy)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// What is added to a request at each attempt.
    pub finish: Option<Finish>,
    /// How the secret travels beside headers.
    pub secret: Carried,
    /// What the body of an answer decides.
    pub reads: Reads,
}

impl Exchange {
    /// The body is posted, and a status answers it.
    pub const POST: Self = Self { method: Method::Post, finish: None, secret: Carried::Nowhere, reads: Reads::Nothing };
}

/// The methods that formats know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Without a body: what it says stands in the query.
    Get,
    /// With the body.
    Post,
    /// With the body, to an address of its own.
    Put,
}

/// Makes what is added to the request of one attempt.
pub type Finish = fn(&Given<'_>) -> Additions;

/// What an attempt's additions are made of.
pub struct Given<'a> {
    /// The payload's body.
    pub body: &'a [u8],
    /// The target's secret, where it has one.
    pub secret: Option<&'a Secret>,
    /// Of the delivery: the same over retries and redeliveries.
    pub delivery: Uuid,
    /// When the attempt is made, in seconds since 1970.
    pub time: i64,
}

/// What is added to a request.
#[derive(Default)]
pub struct Additions {
    /// Behind the path of the target's URL, not encoded.
    pub segments: Vec<String>,
    /// Behind its query, not encoded, but for what it has by that name already.
    pub query: Vec<(&'static str, String)>,
    /// Headers.
    pub headers: Vec<Header>,
    /// The body in place of the payload's.
    pub body: Option<Vec<u8>>,
}

/// How a secret travels, in the words of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// In headers, or not at all.
    Nowhere,
    /// As it is: whoever reads the request has it.
    Token(&'static str),
    /// As a signature.
    Signature(&'static str),
}

/// What the body of an answer decides.
#[derive(Clone, Copy)]
pub enum Reads {
    /// Nothing: the status alone counts.
    Nothing,
    /// How long the receiver asks to be left alone, where the status says that it failed.
    Wait(fn(&Value) -> Option<Duration>),
    /// Whether it was taken, where the status says so; what is no JSON decides nothing, and the receiver may have acted.
    Verdict(fn(&Value) -> Verdict),
}

impl Reads {
    /// What the body of an answer to a request that the status says was taken makes of it; `None` where not all of it came.
    pub fn verdict(self, body: Option<&[u8]>) -> Verdict {
        match self {
            Self::Verdict(judge) => json(body).map_or(Verdict::Unclear, |json| judge(&json)),
            Self::Nothing | Self::Wait(_) => Verdict::Taken,
        }
    }

    /// How long the receiver asks in it to be left alone after a request that failed.
    pub fn wait(self, body: Option<&[u8]>) -> Option<Duration> {
        match self {
            Self::Wait(wait) => wait(&json(body)?),
            Self::Nothing | Self::Verdict(_) => None,
        }
    }
}

fn json(body: Option<&[u8]>) -> Option<Value> {
    serde_json::from_slice(body?).ok()
}

/// What the body of an answer says became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// It was not, and will not be before somebody mends something; why, in the receiver's words.
    Refused(String),
    /// There were too many: why, and how long the receiver is left alone.
    TooMany(String, Option<Duration>),
    /// The body does not say.
    Unclear,
}
