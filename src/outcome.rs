//! What came of an attempt: the outcome, why it failed, and what the receiver said.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message;

/// A receiver's answer, for people: what is secret in the target is taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Name and value of each header, as far as they are no secret.
    pub headers: Vec<(String, String)>,
    /// How many bytes of the body were read.
    pub size: usize,
    /// The beginning of the body, with U+FFFD in place of what is not UTF-8.
    pub body: String,
}

/// One attempt: what came of it, and what the receiver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What it comes to.
    pub outcome: Outcome,
    /// What the receiver said, where it said anything.
    pub answer: Option<Answer>,
}

/// What an attempt comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx answer whose header was complete.
    Delivered {
        /// The status.
        status: u16,
        /// From name look-up to the status line.
        elapsed: Duration,
    },
    /// The broker took it, and tells what comes of it.
    Published {
        /// From the message to its acknowledgement.
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
    /// How long the receiver asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl Attempt {
    /// One that failed before there was any answer.
    pub fn failed(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed(Failure::new(kind, detail)), answer: None }
    }
}

impl Failure {
    /// A failure of which the receiver said nothing more.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None }
    }

    /// Not tried, for this reason; of a target in backoff with what came of it last, where that is known.
    pub fn not_tried(why: FailureKind, last: Option<FailureKind>) -> Self {
        let last = last.filter(|_| why == FailureKind::Backoff);
        Self::new(why, last.map(FailureKind::plain).unwrap_or_default())
    }

    /// What happened, for somebody who can neither see nor change the configuration.
    pub fn plain(&self) -> String {
        match self.kind {
            // Words of ours, without any address.
            FailureKind::Backoff if !self.detail.is_empty() => message::failed_before(&self.detail),
            kind => kind.plain(),
        }
    }
}

/// The status by which a receiver says that it is gone for good (RFC 9110, section 15.5.11).
pub const GONE: u16 = 410;

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// An answer other than 2xx, with its status.
    Status(u16),
    /// A redirect, which is never followed: it would turn the request into a GET and carry the token elsewhere.
    Redirect(u16),
    /// The status said that it was taken, the answer's body that it was not.
    Declined {
        /// The status.
        status: u16,
        /// There were too many: it is taken later.
        passes: bool,
    },
    /// The status said that it was taken, and the answer's body, which decides, was cut or is not what it should be: the receiver
    /// may have acted.
    Unclear(u16),
    /// The host's name has no address.
    Lookup,
    /// Not tried: the address that the host has may not be dialled.
    Forbidden,
    /// Not tried: the target's template, or an expression in its URL or headers, goes wrong for this event.
    Unmade,
    /// Not tried: it waits since the target had another format, and one of the two is a template.
    OtherFormat,
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
    /// `webhook.maxWait` was up before the target's own time was: the receiver may be well, only slower than a push
    /// waits; `sent` tells whether the whole request was out.
    CutShort {
        /// The whole request had been sent.
        sent: bool,
    },
    /// The connection ended before the answer's header was complete.
    Closed {
        /// The whole request had been sent.
        sent: bool,
    },
    /// The connection ended within a second after the whole request was sent, without a byte of an answer.
    HungUp,
    /// The answer is not HTTP, or its header too large.
    Garbled,
    /// The broker cannot be reached.
    NoBroker,
    /// The broker did not acknowledge it in time: it may have it, and knows it by its id when it comes again.
    NotAcknowledged,
    /// The broker refused it: it is full, has no such stream, or does not let us in.
    NotTaken,
    /// The broker takes no message so large, and the body cannot be made smaller.
    TooLarge,
    /// `webhook.maxWait` was up before the delivery was tried.
    NotTried,
    /// Not tried: another process is sending to the target, and takes this along.
    Busy,
    /// Not tried: the target failed a while ago, and its time has not come.
    Backoff,
    /// Not tried: the target answered 410 once.
    Parked,
    /// Not tried: an older event of the ref comes first.
    Blocked,
    /// A panic, which is a mistake of ours; the log has it.
    Fault,
}

impl FailureKind {
    /// What happened, for somebody who can neither see nor change the configuration.
    pub fn plain(self) -> String {
        match self {
            Self::Status(GONE) => message::answered_gone(GONE),
            Self::Status(status) => message::answered(status),
            Self::Redirect(status) => message::redirect(status),
            Self::Declined { passes: true, .. } => message::too_many().into(),
            Self::Declined { passes: false, .. } => message::declined().into(),
            Self::Unclear(_) => message::unclear().into(),
            Self::Lookup => message::no_lookup().into(),
            Self::Forbidden => message::address_refused().into(),
            Self::Unmade => message::unmade().into(),
            Self::OtherFormat => message::format_of_then().into(),
            Self::Refused => message::refused().into(),
            Self::Connect => message::no_connection().into(),
            Self::Tls => message::no_tls().into(),
            Self::Timeout { .. } => message::no_answer_in_time().into(),
            Self::CutShort { .. } => message::cut_short().into(),
            Self::Closed { .. } | Self::HungUp => message::closed().into(),
            Self::Garbled => message::no_http().into(),
            Self::NoBroker => message::no_broker().into(),
            Self::NotAcknowledged => message::not_acknowledged().into(),
            Self::NotTaken => message::not_taken().into(),
            Self::TooLarge => message::too_large_for_broker().into(),
            Self::NotTried => message::no_time_left().into(),
            Self::Busy => message::busy().into(),
            Self::Backoff => message::backoff().into(),
            Self::Parked => message::parked().into(),
            Self::Blocked => message::blocked().into(),
            Self::Fault => message::fault().into(),
        }
    }
}

impl FailureKind {
    /// Whether an attempt was made.
    pub fn was_tried(self) -> bool {
        use FailureKind::{Backoff, Blocked, Busy, NotTried, Parked};
        !matches!(self, NotTried | Busy | Backoff | Parked | Blocked) && !self.is_of_this_side()
    }

    /// Whether it came to no request for what is configured here: nothing is counted, and somebody has to mend it.
    pub fn is_of_this_side(self) -> bool {
        matches!(self, Self::Forbidden | Self::Unmade | Self::OtherFormat)
    }

    /// Whether the failure is likely the target's as a whole, and will pass, so that newer events wait.
    pub fn is_passing(self) -> bool {
        match self {
            Self::Lookup | Self::Refused | Self::Connect | Self::Tls | Self::HungUp => true,
            Self::Timeout { .. } | Self::CutShort { .. } | Self::Closed { .. } | Self::Unclear(_) => true,
            Self::NoBroker | Self::NotAcknowledged | Self::NotTaken => true,
            Self::Declined { passes, .. } => passes,
            Self::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Whether there is no use in trying the target once more in this run.
    pub fn is_unreachable(self) -> bool {
        let is_connection = matches!(
            self,
            Self::Lookup | Self::Refused | Self::Connect | Self::Tls | Self::HungUp | Self::Timeout { .. }
        );
        is_connection || self.is_brokers()
    }

    /// Whether the broker is what failed: that is never for the delivery's own sake, so that none of its ref may pass it by.
    pub fn is_brokers(self) -> bool {
        matches!(self, Self::NoBroker | Self::NotAcknowledged | Self::NotTaken)
    }

    /// Whether the receiver may have acted, since it had the whole request.
    pub fn is_ambiguous(self) -> bool {
        let is_sent =
            matches!(self, Self::Timeout { sent: true } | Self::CutShort { sent: true } | Self::Closed { sent: true });
        is_sent || matches!(self, Self::Unclear(_))
    }

    /// The status that the receiver answered with, where it did.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::Redirect(status) | Self::Declined { status, .. } | Self::Unclear(status) => {
                Some(status)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain())?;
        if !self.detail.is_empty() && self.kind != FailureKind::Backoff {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}
