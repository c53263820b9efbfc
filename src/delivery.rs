//! One payload for one target: what is to be delivered, what came of an attempt, and when to try again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::format::{Format, Payload};
use crate::history::Answer;
use crate::spool::{Addition, Line, Name, Origin, Waiting};

/// One event on its way to one target.
#[derive(Clone)]
pub struct Delivery {
    /// The same over retries and redeliveries.
    pub id: Uuid,
    /// The ref update and the event's id, the same for all targets; of a delivery that tells of a whole push, the first
    /// it tells.
    pub line: Line,
    /// The further ones it tells.
    pub more: Vec<Line>,
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
    /// Its place in the order of all, and what is known of earlier attempts.
    pub name: Name,
}

impl Delivery {
    /// As a queue takes it in, under this name.
    pub fn addition(&self, name: Name) -> Addition {
        let receipt = self.receipt.to_string();
        let origin = Origin::clone(&self.origin);
        let waiting =
            Waiting::new(self.line.clone(), &self.payload.event, self.format.name, self.time, receipt, origin);
        Addition {
            name,
            waiting: waiting.with_more(self.more.clone()),
            payload: Arc::clone(&self.payload),
            is_shared: self.is_shared,
        }
    }
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
    /// `webhook.maxWait` was up before the target's own time was: the receiver may be well, only slower than a push
    /// waits.
    CutShort,
    /// The connection ended before the answer's header was complete.
    Closed {
        /// The whole request had been sent.
        sent: bool,
    },
    /// The answer is not HTTP, or its header too large.
    Garbled,
    /// `webhook.maxWait` was up before the delivery was tried.
    NotTried,
    /// Not tried: another process is sending to the target, and takes this along.
    Busy,
    /// Not tried: the target failed a while ago, and its time has not come.
    Resting,
    /// Not tried: the target answered 410 once.
    Parked,
    /// Not tried: an older event of the ref comes first.
    Held,
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
            Self::Timeout { .. } | Self::CutShort => "no answer in time".into(),
            Self::Closed { .. } => "connection closed without an answer".into(),
            Self::Garbled => "the answer is not HTTP".into(),
            Self::NotTried => "no time left to try".into(),
            Self::Busy => "another push is being delivered".into(),
            Self::Resting => "the receiver failed a while ago".into(),
            Self::Parked => "the receiver answered 410 before".into(),
            Self::Held => "an older event comes first".into(),
            Self::Fault => "an error inside git-webhook".into(),
        }
    }
}

/// What is to become of a delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again.
    Again {
        /// When, in seconds since 1970.
        at: i64,
        /// Whether newer events of the ref wait for it.
        holds: bool,
    },
    /// It is set aside, and why.
    GivenUp(&'static str),
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// When a delivery is tried again, in seconds after each attempt; the last goes on.
const DELAYS: [i64; 9] = [5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 12 * HOUR];

/// The first of them for answers that somebody must do something about.
const SLOW: u32 = 4;

/// The most that a receiver can ask for, and with it the longest delay there is.
pub const LONGEST_DELAY: i64 = 24 * HOUR;

/// A delivery holds newer ones of its ref until its fourth retry: five attempts.
const ATTEMPTS_THAT_HOLD: u32 = 5;

/// After so many attempts cut off behind the whole request the receiver, which may have acted each time, is left alone.
const MOST_CUT_OFFS: u32 = 3;

/// A clock that jumps must not end a delivery that was hardly tried.
pub const FEWEST_ATTEMPTS: u32 = 5;

impl FailureKind {
    /// Whether an attempt was made.
    pub fn was_tried(self) -> bool {
        !matches!(self, Self::NotTried | Self::Busy | Self::Resting | Self::Parked | Self::Held)
    }

    /// Whether the failure is likely the target's as a whole, and will pass, so that newer events wait.
    pub fn is_passing(self) -> bool {
        match self {
            Self::Lookup | Self::Refused | Self::Connect | Self::Tls => true,
            Self::Timeout { .. } | Self::CutShort | Self::Closed { .. } => true,
            Self::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Whether there is no use in trying the target once more in this run.
    pub fn is_unreachable(self) -> bool {
        matches!(self, Self::Lookup | Self::Refused | Self::Connect | Self::Tls | Self::Timeout { .. })
    }

    /// Whether the receiver may have acted, since it had the whole request.
    pub fn is_cut_off(self) -> bool {
        matches!(self, Self::Timeout { sent: true } | Self::Closed { sent: true })
    }
}

/// When to try again after a failure. `name` counts the attempt that failed; `age` is that of the event in seconds.
pub fn next(failure: &Failure, name: &Name, age: i64, retry_for: Duration, now: i64) -> Next {
    let kind = failure.kind;
    if kind.is_cut_off() && name.cut_offs >= MOST_CUT_OFFS {
        return Next::GivenUp(
            "no answer though the whole request was sent, three times; the receiver may have acted: raise timeout",
        );
    }
    if age >= retry_for.as_secs() as i64 && name.attempts >= FEWEST_ATTEMPTS {
        return Next::GivenUp("tried for as long as retryFor says");
    }
    let delay = match failure.retry_after {
        Some(time) => i64::try_from(time.as_secs()).unwrap_or(LONGEST_DELAY).clamp(1, LONGEST_DELAY),
        None if kind.is_passing() => with_jitter(delay(name.attempts), name.id, name.attempts),
        None => with_jitter(delay(name.attempts.max(SLOW)), name.id, name.attempts),
    };
    Next::Again { at: now + delay, holds: kind.is_passing() && name.attempts < ATTEMPTS_THAT_HOLD }
}

/// Seconds between the attempt of this number, from 1, and the next.
pub fn delay(attempts: u32) -> i64 {
    let step = (attempts.max(1) as usize - 1).min(DELAYS.len() - 1);
    DELAYS[step]
}

/// Up to a fifth more, so that what failed together does not come back together. Ids are as good as random.
fn with_jitter(delay: i64, id: Uuid, attempts: u32) -> i64 {
    let bytes = id.into_bytes();
    let part = i64::from(bytes[attempts as usize % bytes.len()]);
    delay + delay * part / (255 * 5)
}

/// Whether the time has come. A time further off than any delay was written before the clock was set back.
pub fn is_due(next: i64, now: i64) -> bool {
    next <= now || next > now + LONGEST_DELAY
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ref_update::RefName;

    fn name(attempts: u32, cut_offs: u32) -> Name {
        Name { attempts, cut_offs, ..Name::new(1, 0, &RefName::new("refs/heads/main"), Uuid::nil()) }
    }

    fn next_of(kind: FailureKind, attempts: u32) -> Next {
        next(&Failure::new(kind, ""), &name(attempts, 0), 0, Duration::from_secs(259_200), 1000)
    }

    #[test]
    fn the_schedule_is_the_documented_one() {
        let delays: Vec<_> = (1..=11).map(delay).collect();
        assert_eq!(delays, [5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 43_200, 43_200, 43_200]);
    }

    #[test]
    fn jitter_adds_at_most_a_fifth() {
        for seed in 0..1000_u128 {
            let delay = with_jitter(1000, Uuid::from_u128(seed * 0x0101_0101_0101), 3);
            assert!((1000..=1200).contains(&delay), "{delay}");
        }
        assert_eq!(with_jitter(1000, Uuid::max(), 1), 1200);
    }

    #[test]
    fn what_passes_is_tried_soon_and_holds_the_ref_for_a_while() {
        for kind in [FailureKind::Refused, FailureKind::Tls, FailureKind::Status(503), FailureKind::Status(429)] {
            assert_eq!(next_of(kind, 1), Next::Again { at: 1005, holds: true }, "{kind:?}");
            assert_eq!(next_of(kind, 4), Next::Again { at: 1600, holds: true }, "{kind:?}");
            assert_eq!(next_of(kind, 5), Next::Again { at: 2800, holds: false }, "{kind:?}");
        }
        for kind in [FailureKind::Status(404), FailureKind::Redirect(301), FailureKind::Garbled] {
            assert_eq!(next_of(kind, 1), Next::Again { at: 1600, holds: false }, "{kind:?}");
        }
    }

    #[test]
    fn the_receiver_may_ask_for_up_to_a_day() {
        let ask = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            let failure = Failure { retry_after, ..Failure::new(FailureKind::Status(429), "") };
            next(&failure, &name(1, 0), 0, Duration::from_secs(259_200), 1000)
        };
        assert_eq!(ask(77), Next::Again { at: 1077, holds: true });
        assert_eq!(ask(10 * 86_400), Next::Again { at: 1000 + LONGEST_DELAY, holds: true });
        assert_eq!(ask(u64::MAX), Next::Again { at: 1000 + LONGEST_DELAY, holds: true });
    }

    #[test]
    fn cut_off_three_times_is_enough() {
        let failure = Failure::new(FailureKind::Timeout { sent: true }, "");
        let next = |cut_offs| next(&failure, &name(cut_offs, cut_offs), 0, Duration::from_secs(259_200), 0);
        assert!(matches!(next(2), Next::Again { .. }));
        assert!(matches!(next(3), Next::GivenUp(_)));
    }

    #[test]
    fn retry_for_ends_it_but_not_by_a_jump_of_the_clock() {
        let failure = Failure::new(FailureKind::Refused, "");
        let next = |attempts, age| next(&failure, &name(attempts, 0), age, Duration::from_secs(60), 0);
        assert!(matches!(next(9, 59), Next::Again { .. }));
        assert!(matches!(next(9, 60), Next::GivenUp(_)));
        assert!(matches!(next(2, 400_000_000), Next::Again { .. }));
    }

    #[test]
    fn a_time_that_no_delay_leads_to_has_come() {
        assert!(is_due(1000, 1000));
        assert!(!is_due(1001, 1000));
        assert!(!is_due(1000 + LONGEST_DELAY, 1000));
        assert!(is_due(1000 + LONGEST_DELAY + 1, 1000));
    }
}
