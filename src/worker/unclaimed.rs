//! Messages that no worker is there for: of a target that none has.
//!
//! A worker takes those of its own targets alone, since others may serve other networks. A target without a consumer is nobody's. What
//! comes for one is set aside after a while, so that its git server hears of it and the stream does not fill.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use log::warn;

use super::settle::refusal;
use super::{TO_ANSWER, Worker};
use crate::message;
use crate::stream::{BrokerError, First, JetStream, Turn, redelivery_of, sender, target_of};

/// How often they are looked for, at most.
const EVERY: Duration = Duration::from_secs(60);

impl Worker<'_> {
    /// Looks for them now and then, until the worker is to end.
    pub(super) fn watch_for_unclaimed(&self) {
        let every = EVERY.min(self.unclaimed);
        let mut next = Instant::now() + every;
        let mut known = HashSet::new();
        while !self.is_stopping() {
            thread::sleep(Duration::from_millis(200));
            if Instant::now() >= next {
                next = Instant::now() + every;
                if let Err(error) =
                    self.connect().and_then(|mut broker| self.set_unclaimed_aside(&mut broker, &mut known))
                {
                    warn!("{}", message::cannot_look_for_unclaimed(error));
                }
            }
        }
    }

    /// `known` has the subjects that were nobody's at the last look: a consumer that is made anew is away for a moment.
    fn set_unclaimed_aside(&self, broker: &mut JetStream, known: &mut HashSet<String>) -> Result<(), BrokerError> {
        let deadline = Instant::now() + TO_ANSWER;
        let consumers = broker.consumers(deadline)?;
        let subjects: HashSet<_> = broker.unclaimed(&consumers, deadline)?.into_iter().collect();
        let before = std::mem::replace(known, subjects.clone());
        for subject in subjects.intersection(&before) {
            let target = target_of(subject);
            while !self.is_stopping() {
                let deadline = Instant::now() + TO_ANSWER;
                let Some(first) = broker.first_of(subject, deadline)? else { break };
                if first.age < self.unclaimed {
                    break;
                }
                self.set_one_aside(broker, &target, &first)?;
            }
        }
        Ok(())
    }

    fn set_one_aside(&self, broker: &mut JetStream, target: &str, first: &First) -> Result<(), BrokerError> {
        let deadline = Instant::now() + TO_ANSWER;
        let redelivery = redelivery_of(&first.incoming);
        let delivery = sender(&first.incoming);
        let (known, told) = match delivery {
            Some((spool, id)) => broker.outcome(spool, id, deadline)?,
            None => (None, 0),
        };
        // What was published once more, of a target that there was.
        if !known.is_some_and(|known| known.state.is_last() && known.is_of(redelivery)) {
            let why = message::no_worker_has();
            warn!("{}", message::message_refused(first.sequence, target, why));
            broker.set_aside(&first.incoming, why, deadline)?;
            if let Some((spool, id)) = delivery {
                let turn = Turn { first: None, outcome: None, told };
                broker.tell(spool, &refusal(&self.name, target, id, redelivery, why), &turn, deadline)?;
            }
        }
        broker.remove(first.sequence, deadline)
    }
}
