//! Why the broker did not do what was asked.

use std::fmt;

use crate::message;
use crate::outcome::{Failure, FailureKind};
use crate::text::{sanitise, shorten};

/// How much of a server's own words is kept, in bytes.
const KEPT: usize = 300;

/// What went wrong between us and the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerError {
    /// The kind, by which it is decided what to do.
    pub kind: Trouble,
    /// More, for the administrator; the server's own words have nothing in them that a terminal obeys.
    pub detail: String,
}

/// The kinds of what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no connection.
    Unreachable(FailureKind),
    /// There is a connection, and no answer in time: what was sent may have been done.
    Silent,
    /// The connection ended: what was sent may have been done.
    Closed,
    /// What answers does not speak NATS, or a version that is too old.
    Garbled,
    /// The credentials are not accepted.
    Denied,
    /// The user may not do this.
    NotPermitted,
    /// Nobody keeps messages of this subject: the stream, the consumer, or all of JetStream is missing.
    NoStream,
    /// The stream is full.
    Full,
    /// The server takes no message so large.
    TooLarge,
    /// It expected another state than there is: somebody else was first.
    Overtaken,
    /// Anything else, in the server's words.
    Said,
}

impl BrokerError {
    /// One of which there is nothing more to say.
    pub fn new(kind: Trouble) -> Self {
        Self { kind, detail: String::new() }
    }

    /// One in words of the server's own.
    pub fn said(kind: Trouble, words: &str) -> Self {
        Self { kind, detail: shorten(sanitise(words.trim()), KEPT) }
    }

    /// Whether the broker as a whole is to be left alone for a while.
    pub fn is_of_broker(&self) -> bool {
        !matches!(self.kind, Trouble::TooLarge | Trouble::Overtaken)
    }
}

impl From<Failure> for BrokerError {
    fn from(failure: Failure) -> Self {
        Self { kind: Trouble::Unreachable(failure.kind), detail: failure.detail }
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.kind {
            Trouble::Unreachable(kind) => &kind.plain(),
            Trouble::Silent => message::no_answer_in_time(),
            Trouble::Closed => message::closed(),
            Trouble::Garbled => message::broker_no_nats(),
            Trouble::Denied => message::broker_denied(),
            Trouble::NotPermitted => message::broker_not_permitted(),
            Trouble::NoStream => message::broker_no_stream(),
            Trouble::Full => message::broker_full(),
            Trouble::TooLarge => message::broker_too_large(),
            Trouble::Overtaken => message::broker_overtaken(),
            Trouble::Said => message::broker_said(),
        };
        f.write_str(words)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for BrokerError {}
