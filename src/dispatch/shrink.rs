//! A receiver that takes no body so large (413, RFC 9110, section 15.5.14): the same told in less.

use std::sync::Arc;
use std::time::Instant;

use super::body::size;
use super::{Dispatcher, TargetSession, lock};
use crate::delivery::Delivery;
use crate::outcome::{Attempt, FailureKind, Outcome};
use crate::process;
use crate::schedule::BodyLimit;

/// The status by which a receiver says that a body is too large.
const TOO_LARGE: u16 = 413;

/// A body below this size, in bytes, is hardly too large for good: the receiver may have had a bad hour.
const SMALL: usize = 1_000_000;

/// How long it is remembered what a receiver takes, in seconds; the second after it refused a small body.
const REMEMBERED: i64 = 86_400;
const REMEMBERED_OF_SMALL: i64 = 3600;

/// Whether the receiver wants a smaller body.
pub(super) fn is_too_large(attempt: &Attempt) -> bool {
    matches!(&attempt.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Status(TOO_LARGE))
}

impl Dispatcher<'_> {
    /// A delivery with a body of the size that the receiver took last, where it is known to take none so large.
    pub(super) fn as_taken(&self, session: &TargetSession<'_>, delivery: &Delivery) -> Option<Delivery> {
        let most = session.body_limit(process::now())?;
        (size(session.target, delivery) > most).then(|| self.smaller(session, delivery, most)).flatten()
    }

    /// Sends a delivery that was too large by halves, until the receiver takes it or nothing more can be left out; each has
    /// what is left of the time until `end`. Returns the one that was taken, or else what came of the last.
    pub(super) fn send_smaller(
        &self,
        session: &TargetSession<'_>,
        delivery: &Delivery,
        end: Instant,
        mut send: impl FnMut(&Delivery) -> Attempt,
    ) -> Option<(Option<Delivery>, Attempt)> {
        let refused = size(session.target, delivery);
        let mut known = refused;
        let mut most = refused;
        loop {
            most /= 2;
            let smaller = self.smaller(session, delivery, most).filter(|it| size(session.target, it) < known)?;
            if Instant::now() >= end {
                return None;
            }
            known = size(session.target, &smaller);
            let attempt = send(&smaller);
            match &attempt.outcome {
                _ if is_too_large(&attempt) && known > most => return None,
                _ if is_too_large(&attempt) => {}
                Outcome::Delivered { .. } => {
                    let life = if refused < SMALL { REMEMBERED_OF_SMALL } else { REMEMBERED };
                    let limit = BodyLimit { bytes: known, until: process::now() + life };
                    lock(&session.notes).learned.body_limit = Some(limit);
                    return Some((Some(smaller), attempt));
                }
                Outcome::Published { .. } | Outcome::Failed(_) => return Some((None, attempt)),
            }
        }
    }

    pub(super) fn smaller(&self, session: &TargetSession<'_>, delivery: &Delivery, most: usize) -> Option<Delivery> {
        let payload = self.shrink.as_ref()?(session.target, delivery, most)?;
        let is_same = Arc::ptr_eq(&payload, &delivery.payload);
        (!is_same).then(|| Delivery { payload, is_shared: false, reduced: Some(most), ..delivery.clone() })
    }
}
