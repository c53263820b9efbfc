//! Connections: how many there are, what goes over each, and one attempt, signed and sent.

use std::collections::{HashMap, HashSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::{Run, Station};
use crate::delivery::{Attempt, Delivery, Failure, FailureKind, Outcome};
use crate::format::{Header, Ids};
use crate::identifier;
use crate::message;
use crate::process;
use crate::signature;
use crate::spool::Name;
use crate::target::Target;
use crate::transport::{self, Http, Request, Trust};

/// How many connections there are at most over all targets, but for one that each target has.
const MOST_LANES: usize = 64;

/// How many connections one target gets at most, and how many deliveries make a further one worth its handshake.
const MOST_LANES_OF_TARGET: usize = 8;

const DELIVERIES_A_LANE: usize = 8;

/// Something to send.
pub(super) enum Task {
    /// Built a moment ago; nothing of it is on disk but the receipt.
    Fresh(Box<Delivery>),
    /// In the queue, to be read when its turn comes.
    Queued(Name),
}

impl<'a> Run<'a> {
    /// Opens so many lanes for each station and runs `feed`; returns when all is sent.
    pub(super) fn send_all(
        &self,
        stations: &[Station<'a>],
        counts: &[usize],
        feed: impl FnOnce(&mut dyn FnMut(usize, Task)),
    ) {
        let mut late: HashMap<usize, Vec<Task>> = HashMap::new();
        thread::scope(|scope| {
            let lanes: Vec<Vec<Sender<Task>>> =
                stations.iter().zip(counts).map(|(station, count)| self.open_lanes(scope, station, *count)).collect();
            feed(&mut |at, task| {
                let lanes = &lanes[at];
                match lanes.get((task.ref_key() % lanes.len().max(1) as u64) as usize) {
                    // A lane ends only when its sender does, so what is sent arrives.
                    Some(lane) => drop(lane.send(task)),
                    None => late.entry(at).or_default().push(task),
                }
            });
            self.clock.start();
        });
        // No thread could be started for these: they are sent here, one after another.
        for (at, tasks) in late {
            self.run_lane(&stations[at], tasks);
        }
    }

    fn open_lanes<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        station: &'scope Station<'a>,
        count: usize,
    ) -> Vec<Sender<Task>> {
        let start = |_| {
            let (sender, receiver): (_, Receiver<Task>) = mpsc::channel();
            let run = move || self.run_lane(station, receiver);
            thread::Builder::new().stack_size(512 * 1024).spawn_scoped(scope, run).ok()?;
            Some(sender)
        };
        (0..count).map_while(start).collect()
    }

    /// Puts a delivery behind what waits. One that is written down nowhere, and cannot be here either, is sent out of its
    /// order rather than never.
    pub(super) fn line_up(&self, station: &Station<'_>, delivery: Delivery, why: FailureKind) {
        if self.unkept != Some(delivery.name.sequence) || why == FailureKind::Parked {
            return self.enqueue(station, delivery, why);
        }
        match station.queue.put(&[delivery.addition(delivery.name.clone())], &self.bodies) {
            Ok(()) => self.note(station, &delivery, Outcome::Failed(Failure::new(why, ""))),
            Err(error) => {
                log::error!("{}", message::about_target(&station.target.name, error));
                self.run_lane(station, [Task::Fresh(Box::new(delivery))]);
            }
        }
    }

    /// One connection to one target, and what goes over it. Deliveries of one ref share a lane, which keeps their
    /// order.
    fn run_lane(&self, station: &Station<'_>, tasks: impl IntoIterator<Item = Task>) {
        let mut http = Http::new(station.target, &self.trust);
        let mut sent_for = Duration::ZERO;
        let mut held = HashSet::new();
        for task in tasks {
            let start = Instant::now();
            let left = self.clock.left(sent_for);
            let not_now = if left.is_zero() || self.clock.is_at_end() {
                Some(FailureKind::NotTried)
            } else if station.is_unreachable.load(Ordering::Relaxed) {
                Some(FailureKind::Resting)
            } else if held.contains(&task.ref_key()) {
                Some(FailureKind::Held)
            } else {
                None
            };
            let (delivery, was_queued) = match (task, not_now) {
                (Task::Queued(_), Some(_)) => continue,
                (Task::Fresh(delivery), Some(why)) => {
                    held.insert(delivery.name.ref_key);
                    self.enqueue(station, *delivery, why);
                    continue;
                }
                (Task::Fresh(delivery), None) => (*delivery, false),
                (Task::Queued(name), None) => match self.load(station, &name) {
                    Some(delivery) => (delivery, true),
                    None => continue,
                },
            };
            let mut attempt = guarded(|| send(&mut http, station.target, &delivery, left));
            sent_for += start.elapsed();
            if let Outcome::Failed(failure) = &mut attempt.outcome {
                let is_timeout = matches!(failure.kind, FailureKind::Timeout { .. });
                // A little less than the target's own time is as good as that: maxWait and timeout are often the same.
                if is_timeout && left < station.target.timeout.mul_f32(0.9) {
                    failure.kind = FailureKind::CutShort;
                }
                if failure.kind == FailureKind::Fault {
                    http = Http::new(station.target, &self.trust);
                }
                if failure.kind.is_unreachable() {
                    station.is_unreachable.store(true, Ordering::Relaxed);
                }
            }
            if self.settle(station, &delivery, &attempt, was_queued) {
                held.insert(delivery.name.ref_key);
            }
            self.note(station, &delivery, attempt.outcome);
        }
    }
}

impl Task {
    fn ref_key(&self) -> u64 {
        match self {
            Self::Fresh(delivery) => delivery.name.ref_key,
            Self::Queued(name) => name.ref_key,
        }
    }
}

/// Sends one delivery and keeps nothing of it.
pub fn send_once(target: &Target, delivery: &Delivery) -> Attempt {
    let trust = Trust::default();
    guarded(|| send(&mut Http::new(target, &trust), target, delivery, target.timeout))
}

/// The headers of a delivery's next attempt as people are shown them.
pub fn shown_headers(target: &Target, delivery: &Delivery) -> Vec<(String, String)> {
    transport::shown_headers(target, &headers(target, delivery))
}

/// Signs and sends one attempt.
fn send(http: &mut Http<'_>, target: &Target, delivery: &Delivery, left: Duration) -> Attempt {
    let headers = headers(target, delivery);
    http.send(&Request { headers: &headers, body: &delivery.payload.body }, left)
}

/// The headers of the format and the signatures, made for each attempt.
fn headers(target: &Target, delivery: &Delivery) -> Vec<Header> {
    let body = &delivery.payload.body;
    let ids = Ids {
        delivery: delivery.id,
        event: delivery.line.event,
        webhook: identifier::webhook(&delivery.origin.repository, target.name.as_str()),
        project: delivery.origin.project,
        instance: delivery.origin.instance.clone(),
        attempt: delivery.name.attempts + 1,
    };
    let mut headers = (delivery.format.headers)(&delivery.payload.event, &ids);
    if let Some(secret) = &target.secret {
        headers.extend((delivery.format.sign)(secret, body));
    }
    if !target.signing_secrets.is_empty() {
        let id = delivery.id.to_string();
        let signed = signature::standard_webhooks(&target.signing_secrets, &id, process::now(), body);
        headers.extend(signed.into_iter().map(|(name, value)| (name, value.into_bytes())));
    }
    headers
}

pub(super) fn lane_count(targets: usize, deliveries: usize) -> usize {
    if deliveries == 0 {
        return 0;
    }
    let share = MOST_LANES / targets.max(1);
    deliveries.div_ceil(DELIVERIES_A_LANE).min(share).clamp(1, MOST_LANES_OF_TARGET)
}

/// A panic in a library, on what a receiver sent perhaps, must not take along what came of the other deliveries. The
/// panic hook logs it.
fn guarded(attempt: impl FnOnce() -> Attempt) -> Attempt {
    panic::catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| Attempt::failed(FailureKind::Fault, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_of_one_delivery() {
        let outcome = guarded(|| panic!("on purpose"));
        assert_eq!(outcome, Attempt::failed(FailureKind::Fault, ""));
    }

    #[test]
    fn lanes_grow_with_the_deliveries_within_limits() {
        assert_eq!(lane_count(1, 0), 0);
        assert_eq!(lane_count(1, 8), 1);
        assert_eq!(lane_count(1, 9), 2);
        assert_eq!(lane_count(1, 100_000), MOST_LANES_OF_TARGET);
        assert_eq!(lane_count(20, 100_000), 3);
        assert_eq!(lane_count(1000, 100_000), 1, "each has one, however many there are");
    }
}
