//! One payload for one target: what is to be delivered, and what came of an attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::format::Payload;
use crate::ref_update::RefName;

/// One event on its way to one target.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same over retries and redeliveries.
    pub id: Uuid,
    /// The event's id, the same for all targets.
    pub event: Uuid,
    /// The ref it is about; those of one ref reach a target in order.
    pub name: RefName,
    /// What is sent, shared by all targets of the format.
    pub payload: Arc<Payload>,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx answer whose header was complete.
    Delivered {
        /// The status.
        status: u16,
        /// From name look-up to the status line.
        elapsed: Duration,
    },
    /// Anything else.
    Failed(Failure),
}

/// Why an attempt failed. The words of [`FailureKind::plain`] are for the pusher, who learns no address; `detail` is
/// for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind, by which retries are decided.
    pub kind: FailureKind,
    /// What the library or the receiver said, for the administrator.
    pub detail: String,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// An answer other than 2xx, with its status.
    Status(u16),
    /// A redirect, which is never followed: it would turn the request into a GET and carry the token elsewhere.
    Redirect(u16),
    /// The host's name has no address.
    Lookup,
    /// The connection was refused.
    Refused,
    /// No connection for another reason: unreachable, too many open files.
    Connect,
    /// The certificate is not trusted, is for another name or out of date; or the two sides found no common TLS.
    Tls,
    /// The time was up; `sent` tells whether the whole request was out, so that the receiver may have acted.
    Timeout {
        /// The whole request had been sent.
        sent: bool,
    },
    /// The connection ended before the answer's header was complete.
    Closed,
    /// The answer is not HTTP, or its header too large.
    Garbled,
    /// `webhook.maxWait` was up before the delivery was tried.
    NotTried,
    /// A panic, which is a mistake of ours; the log has it.
    Fault,
}

impl FailureKind {
    /// What happened, for somebody who can neither see nor change the configuration.
    pub fn plain(self) -> String {
        match self {
            Self::Status(status) => format!("answered {status}"),
            Self::Redirect(status) => format!("answered {status}, a redirect, which is not followed"),
            Self::Lookup => "the receiver's name cannot be looked up".into(),
            Self::Refused => "connection refused".into(),
            Self::Connect => "no connection".into(),
            Self::Tls => "no trusted TLS connection".into(),
            Self::Timeout { .. } => "no answer in time".into(),
            Self::Closed => "connection closed without an answer".into(),
            Self::Garbled => "the answer is not HTTP".into(),
            Self::NotTried => "no time left to try".into(),
            Self::Fault => "an error inside git-webhook".into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.plain())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}
