//! Sends side by side within the time allowed: every target on its own, the deliveries of one ref in order.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::delivery::{Delivery, Failure, FailureKind, Outcome};
use crate::format::Ids;
use crate::identifier;
use crate::ref_update::RefName;
use crate::signature;
use crate::target::Target;
use crate::transport::{Http, Request, Trust};

/// How many connections there are at most over all targets, but for one that each target has.
const MOST_LANES: usize = 64;

/// How many connections one target gets at most, and how many deliveries make a further one worth its handshake.
const MOST_LANES_OF_TARGET: usize = 8;
const DELIVERIES_A_LANE: usize = 8;

/// What all deliveries of a push have in common.
pub struct Push<'a> {
    /// The repository's path with namespace.
    pub repository: &'a str,
    /// The server's base address.
    pub instance: &'a str,
    /// The longest that deliveries may hold up the push, all together.
    pub max_wait: Duration,
}

/// What was done for one target.
#[derive(Debug)]
pub struct Done {
    /// The target's place among those given.
    pub target: usize,
    /// The ref.
    pub name: RefName,
    /// What came of it.
    pub outcome: Outcome,
}

/// Sends while `feed` still builds: it is called with a function that takes a target's place and a delivery, and the
/// first deliveries are on their way before the last is built.
///
/// `expected` tells how many each target will get, at most. Returns what was done, in no order but that of each ref.
pub fn deliver<'a>(
    push: &Push<'a>,
    targets: &[&'a Target],
    expected: &[usize],
    feed: impl FnOnce(&mut dyn FnMut(usize, Delivery)),
) -> Vec<Done> {
    let trust = Trust::default();
    let (results, done) = mpsc::channel();
    let mut late = Vec::new();
    let clock = Clock { allowed: push.max_wait, started: OnceLock::new() };
    thread::scope(|scope| {
        let lanes: Vec<Vec<Sender<Delivery>>> = targets
            .iter()
            .enumerate()
            .map(|(at, target)| {
                let wanted = lane_count(targets.len(), expected[at]);
                let lane = Lane { at, target, push, trust: &trust, clock: &clock };
                open_lanes(scope, &lane, wanted, &results)
            })
            .collect();
        feed(&mut |at, delivery| {
            let lanes = &lanes[at];
            match lanes.get(lane_of(&delivery.name, lanes.len())) {
                // A lane ends only when its sender does, so what is sent arrives.
                Some(lane) => drop(lane.send(delivery)),
                None => late.push((at, delivery)),
            }
        });
        clock.start();
    });
    // No thread could be started for these: they are sent here, one after another.
    let mut by_target: HashMap<usize, Vec<Delivery>> = HashMap::new();
    for (at, delivery) in late {
        by_target.entry(at).or_default().push(delivery);
    }
    for (at, deliveries) in by_target {
        let lane = Lane { at, target: targets[at], push, trust: &trust, clock: &clock };
        lane.run(deliveries, &results);
    }
    drop(results);
    done.into_iter().collect()
}

/// Deliveries of one ref share a lane, which keeps their order.
fn lane_of(name: &RefName, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    (hasher.finish() % lanes.max(1) as u64) as usize
}

fn lane_count(targets: usize, deliveries: usize) -> usize {
    if deliveries == 0 {
        return 0;
    }
    let share = MOST_LANES / targets.max(1);
    deliveries.div_ceil(DELIVERIES_A_LANE).min(share).clamp(1, MOST_LANES_OF_TARGET)
}

fn open_lanes<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    lane: &Lane<'env>,
    count: usize,
    results: &Sender<Done>,
) -> Vec<Sender<Delivery>> {
    let start = |_| {
        let (sender, receiver): (_, Receiver<Delivery>) = mpsc::channel();
        let (lane, results) = (lane.clone(), results.clone());
        thread::Builder::new().stack_size(512 * 1024).spawn_scoped(scope, move || lane.run(receiver, &results)).ok()?;
        Some(sender)
    };
    (0..count).map_while(start).collect()
}

/// The time that deliveries may hold up the push, all together. Each lane may send for so long, and none after so long
/// since the last event was built: until then the push waits for us, not for the receivers.
struct Clock {
    allowed: Duration,
    started: OnceLock<Instant>,
}

impl Clock {
    fn start(&self) {
        self.started.get_or_init(Instant::now);
    }

    /// What is left for a lane that has sent for so long.
    fn left(&self, sent_for: Duration) -> Duration {
        let spent = self.started.get().map_or(Duration::ZERO, Instant::elapsed);
        self.allowed.saturating_sub(spent.max(sent_for))
    }
}

/// One connection to one target.
#[derive(Clone)]
struct Lane<'a> {
    at: usize,
    target: &'a Target,
    push: &'a Push<'a>,
    trust: &'a Trust,
    clock: &'a Clock,
}

impl Lane<'_> {
    fn run(self, deliveries: impl IntoIterator<Item = Delivery>, results: &Sender<Done>) {
        let mut http = Http::new(self.target, self.trust);
        let mut sent_for = Duration::ZERO;
        for delivery in deliveries {
            let start = Instant::now();
            let outcome = match self.clock.left(sent_for) {
                Duration::ZERO => Outcome::Failed(Failure { kind: FailureKind::NotTried, detail: String::new() }),
                left => guarded(|| self.send(&mut http, &delivery, left)),
            };
            sent_for += start.elapsed();
            if matches!(&outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Fault) {
                http = Http::new(self.target, self.trust);
            }
            let done = Done { target: self.at, name: delivery.name, outcome };
            if results.send(done).is_err() {
                return;
            }
        }
    }

    /// Signs and sends one attempt.
    fn send(&self, http: &mut Http<'_>, delivery: &Delivery, left: Duration) -> Outcome {
        let target = self.target;
        let body = &delivery.payload.body;
        let ids = Ids {
            delivery: delivery.id,
            event: delivery.event,
            webhook: identifier::webhook(self.push.repository, &target.name),
            instance: self.push.instance.into(),
        };
        let mut headers = (target.format.headers)(delivery.payload.event, &ids);
        if let Some(secret) = &target.secret {
            headers.extend((target.format.sign)(secret, body));
        }
        if !target.signing_secrets.is_empty() {
            let id = delivery.id.to_string();
            let signed = signature::standard_webhooks(&target.signing_secrets, &id, now(), body);
            headers.extend(signed.into_iter().map(|(name, value)| (name, value.into_bytes())));
        }
        http.send(&Request { headers: &headers, body }, left)
    }
}

/// A panic in a library, on what a receiver sent perhaps, must not take along what came of the other deliveries. The
/// panic hook logs it.
fn guarded(attempt: impl FnOnce() -> Outcome) -> Outcome {
    panic::catch_unwind(AssertUnwindSafe(attempt))
        .unwrap_or_else(|_| Outcome::Failed(Failure { kind: FailureKind::Fault, detail: String::new() }))
}

/// Seconds since 1970, 0 for a clock set before that.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_of_one_delivery() {
        let outcome = guarded(|| panic!("on purpose"));
        assert_eq!(outcome, Outcome::Failed(Failure { kind: FailureKind::Fault, detail: String::new() }));
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
