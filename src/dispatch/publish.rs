//! Hands deliveries to the broker in place of their receivers: as many as come at once in a row, each settled by its own
//! acknowledgement. What the broker does not take waits in the queue, as for a receiver that is down.

use std::time::{Duration, Instant};

use super::channel::Lane;
use super::link::failed;
use super::pipe::Pipe;
use super::{Dispatcher, TargetSession, lock};
use crate::delivery::Delivery;
use crate::message;
use crate::outcome::{Attempt, Failure, FailureKind, Outcome};
use crate::schedule::OrderKey;
use crate::spool::Spool;
use crate::stream::{self, BrokerError, Message, Trouble};

/// How long a push waits for the broker in all.
const FOR_A_PUSH: Duration = Duration::from_secs(1);

/// How long a run that nobody waits for gives it for what is sent in a row.
const FOR_A_ROW: Duration = Duration::from_secs(10);

/// How many are sent in a row before their acknowledgements are waited for.
const MOST_IN_A_ROW: usize = 256;

/// How many bytes of bodies are, or one body that is larger.
const MOST_BYTES_IN_A_ROW: usize = 4 << 20;

/// A delivery on its way to the broker.
struct Outgoing {
    lane: Lane,
    delivery: Delivery,
    was_queued: bool,
}

/// What came of one.
enum Sent {
    Outcome(Outcome),
    /// It was not even tried, since the broker is down.
    Not(Failure),
}

impl<'a> Dispatcher<'a> {
    /// Publishes what comes for any of the sessions, for as long as anything does.
    pub(super) fn run_publisher(&self, sessions: &[TargetSession<'a>], pipe: &Pipe) {
        loop {
            let tasks = pipe.channel.take_several(MOST_IN_A_ROW);
            if tasks.is_empty() {
                return;
            }
            let (mut row, mut bytes) = (Vec::new(), 0);
            for (lane, task) in tasks {
                let Some((delivery, was_queued)) = self.to_send(&sessions[lane.at], pipe, (lane, task)) else {
                    pipe.channel.done(lane);
                    continue;
                };
                bytes += delivery.payload.body.len();
                row.push(Outgoing { lane, delivery, was_queued });
                // What was queued is read one after the other, so that a row needs no more memory than this.
                if bytes >= MOST_BYTES_IN_A_ROW {
                    self.publish_row(sessions, pipe, std::mem::take(&mut row));
                    bytes = 0;
                }
            }
            self.publish_row(sessions, pipe, row);
        }
    }

    /// Publishes deliveries of distinct refs, and settles them.
    fn publish_row(&self, sessions: &[TargetSession<'a>], pipe: &Pipe, mut row: Vec<Outgoing>) {
        let start = Instant::now();
        let sent = self.send_row(sessions, &mut row);
        for (outgoing, sent) in row.into_iter().zip(sent) {
            let lane = outgoing.lane;
            if self.settle_sent(&sessions[lane.at], outgoing, sent, start.elapsed()) {
                lock(&pipe.blocked).insert(lane);
            }
            pipe.channel.done(lane);
        }
    }

    /// Settles what was sent, or was to be; whether newer deliveries of the ref have to wait.
    fn settle_sent(&self, session: &TargetSession<'a>, outgoing: Outgoing, sent: Sent, took: Duration) -> bool {
        let Outgoing { delivery, was_queued, .. } = outgoing;
        let outcome = match sent {
            Sent::Outcome(outcome) => outcome,
            // That the broker is down is an attempt of each target's first, as where a receiver is.
            Sent::Not(_) if session.is_unreachable() => {
                if !was_queued {
                    self.enqueue(session, &delivery, FailureKind::Backoff);
                }
                return true;
            }
            Sent::Not(failure) => Outcome::Failed(failure),
        };
        if matches!(&outcome, Outcome::Failed(failure) if failure.kind.is_unreachable()) {
            session.set_unreachable();
        }
        let attempt = Attempt { outcome, answer: None };
        let blocks = self.settle(session, &delivery, (&attempt, took), was_queued);
        self.note(session, &delivery, attempt.outcome);
        blocks
    }

    /// Publishes one delivery, to see whether the broker is back.
    pub(super) fn publish_one(&self, session: &TargetSession<'a>, delivery: &Delivery) -> Attempt {
        let lane = Lane { at: 0, order: delivery.key.order };
        let mut row = [Outgoing { lane, delivery: delivery.clone(), was_queued: true }];
        let outcome = match self.send_row(std::slice::from_ref(session), &mut row).pop() {
            Some(Sent::Outcome(outcome)) => outcome,
            Some(Sent::Not(failure)) => Outcome::Failed(failure),
            None => Outcome::Failed(Failure::new(FailureKind::NotTried, "")),
        };
        Attempt { outcome, answer: None }
    }

    /// Sends deliveries in a row and waits for all acknowledgements; what came of each, in their order.
    fn send_row(&self, sessions: &[TargetSession<'a>], row: &mut [Outgoing]) -> Vec<Sent> {
        if row.is_empty() {
            return Vec::new();
        }
        let mut link = lock(&self.link);
        let jetstream = match link.open(self.broker, &self.trust, self.patience()) {
            Ok(jetstream) => jetstream,
            Err(failure) => return row.iter().map(|_| Sent::Not(failure.clone())).collect(),
        };
        let most = jetstream.max_payload();
        let mut messages = Vec::new();
        let fitted = row.iter_mut().map(|outgoing| {
            let session = &sessions[outgoing.lane.at];
            self.fit(session, &mut outgoing.delivery, most).map(|message| messages.push(message))
        });
        let fitted: Vec<Result<(), Failure>> = fitted.collect();
        let start = Instant::now();
        let acknowledged = jetstream.publish(&messages, start + self.patience());
        let elapsed = start.elapsed();
        let server = jetstream.connection().server().to_owned();
        let unknown = acknowledged.as_ref().err().cloned().unwrap_or_else(|| BrokerError::new(Trouble::Silent));
        let mut acknowledged = acknowledged.unwrap_or_default().into_iter();
        let sent = fitted.into_iter().map(|message| match message {
            Err(failure) => Outcome::Failed(failure),
            Ok(()) => match acknowledged.next() {
                Some(Ok(_)) => Outcome::Published { elapsed },
                Some(Err(error)) => Outcome::Failed(failed(&error, &server)),
                // Of what was sent before the connection ended nobody knows whether it was taken.
                None => Outcome::Failed(Failure { kind: FailureKind::NotAcknowledged, ..failed(&unknown, &server) }),
            },
        });
        let sent: Vec<_> = sent.collect();
        let is_brokers = |outcome: &&Outcome| matches!(outcome, Outcome::Failed(failure) if failure.kind.is_brokers());
        if let Some(Outcome::Failed(failure)) = sent.iter().find(is_brokers) {
            link.close(failure.clone());
        }
        sent.into_iter().map(Sent::Outcome).collect()
    }

    /// How long the broker has from now on.
    fn patience(&self) -> Duration {
        match self.budget.has_end() {
            false => FOR_A_ROW,
            true => {
                let since = *self.published_since.get_or_init(Instant::now);
                FOR_A_PUSH.saturating_sub(since.elapsed()).min(self.budget.limit())
            }
        }
    }

    /// The message of a delivery, made smaller where the broker takes none so large.
    fn fit(&self, session: &TargetSession<'a>, delivery: &mut Delivery, most: usize) -> Result<Message, Failure> {
        let made = self.message(session, delivery);
        let size = made.size();
        if size <= most {
            return Ok(made);
        }
        let room = most.saturating_sub(size - made.body.len());
        // What a template makes of an event may be much smaller than the event.
        for room in [room, room / 4, room / 16] {
            let Some(smaller) = self.smaller(session, delivery, room) else { continue };
            let made = self.message(session, &smaller);
            if made.size() <= most {
                *delivery = smaller;
                return Ok(made);
            }
        }
        let said = message::too_large_for_both(made.body.len(), most, session.target.shape.most_bytes);
        Err(Failure::new(FailureKind::TooLarge, said))
    }

    /// What a worker is told of a delivery.
    fn message(&self, session: &TargetSession<'a>, delivery: &Delivery) -> Message {
        let update = &delivery.line.update;
        Message {
            id: delivery.id(),
            redelivery: delivery.redelivery,
            target: session.target.name.to_string(),
            order: order_at_broker(self.spool, delivery),
            format: delivery.format.name.into(),
            event: delivery.payload.event.to_string(),
            event_id: delivery.line.event,
            spool: self.spool.identity().unwrap_or_default(),
            repository: delivery.origin.repository.clone(),
            project: delivery.origin.project,
            instance: delivery.origin.instance.clone(),
            namespace: update.name.namespace().as_bytes().to_vec(),
            ref_name: update.name.as_bytes().to_vec(),
            old: update.before(),
            new: update.after(),
            more: u32::try_from(delivery.more.len()).unwrap_or(u32::MAX),
            time: delivery.time,
            is_late: delivery.is_late,
            trace: delivery.origin.trace.clone(),
            body: delivery.payload.carried().into_owned(),
        }
    }
}

/// What keeps a delivery in order at the broker: those of one repository and ref have one there, as they have in a queue here.
pub fn order_at_broker(spool: &Spool, delivery: &Delivery) -> String {
    let name = &delivery.line.update.name;
    let of_ref = (delivery.key.order != OrderKey::WHOLE_PUSH).then(|| name.as_bytes());
    // Where there is no identity, and none can be made, all are in one order.
    stream::order_key(spool.identity().unwrap_or_default(), name.namespace().as_bytes(), of_ref)
}
