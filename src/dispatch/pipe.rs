//! What is on its way in a run: a channel, and what of it is not sent after all.

use std::collections::HashSet;
use std::sync::Mutex;

use super::channel::{Channel, Lane, Task};
use super::{Dispatcher, TargetSession, lock};
use crate::delivery::Delivery;
use crate::outcome::FailureKind;

/// How many bytes of bodies wait in memory to be sent over all targets, and at least for each.
const MOST_BYTES: usize = 8 << 20;
const FEWEST_BYTES_OF_TARGET: usize = 256 << 10;

/// What is on its way in a run to one target, or to the broker.
pub(super) struct Pipe {
    pub(super) channel: Channel,
    /// The refs of which something failed that newer deliveries have to wait for.
    pub(super) blocked: Mutex<HashSet<Lane>>,
}

impl Pipe {
    pub(super) fn new(targets: usize) -> Self {
        let channel = Channel::new((MOST_BYTES / targets.max(1)).max(FEWEST_BYTES_OF_TARGET));
        Self { channel, blocked: Mutex::default() }
    }
}

impl<'a> Dispatcher<'a> {
    /// The delivery of a task, and whether it was queued; `None` where it is not sent in this run, and is seen to.
    pub(super) fn to_send(
        &self,
        session: &TargetSession<'a>,
        pipe: &Pipe,
        (lane, task): (Lane, Task),
    ) -> Option<(Delivery, bool)> {
        match (task, self.why_not(session, pipe, lane)) {
            (Task::Queued(_), Some(_)) => None,
            (Task::Fresh(delivery), Some(why)) => {
                self.enqueue(session, &delivery, why);
                lock(&pipe.blocked).insert(lane);
                None
            }
            (Task::Fresh(delivery), None) => Some((*delivery, false)),
            (Task::Queued(queued), None) => self.load(session, &queued).map(|delivery| (delivery, true)),
        }
    }

    /// Why nothing more of a ref is sent in this run; `None` where it is.
    fn why_not(&self, session: &TargetSession<'a>, pipe: &Pipe, lane: Lane) -> Option<FailureKind> {
        if self.budget.is_spent() {
            Some(FailureKind::NotTried)
        } else if session.is_unreachable() {
            Some(FailureKind::Backoff)
        } else if lock(&pipe.blocked).contains(&lane) {
            Some(FailureKind::Blocked)
        } else {
            None
        }
    }
}
