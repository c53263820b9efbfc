//! The streams and consumers that deliveries go through.
//!
//! Deliveries lie in a stream of which a message goes when it is acknowledged, so that what is in it is what waits. Dead letters are
//! kept until a person removes them, so they have a stream of their own: they must not fill the other.

use serde_json::{Value, json};

use super::message::Lane;
use super::names::target_token;

/// The stream of deliveries that wait.
pub const DELIVERIES: &str = "GW";

/// The stream of dead letters.
pub const DEAD: &str = "GWX";

/// The stream of outcomes.
pub const OUTCOMES: &str = "GWO";

/// How long a worker has to say that it still works on a message, in seconds.
pub const ACK_WAIT: u64 = 60;

/// How many messages of a target may be in workers' hands, or wait there for their time.
const IN_HAND: u32 = 1000;

/// The same of those that failed and wait for their time, which may be hours.
const IN_HAND_OF_RETRIES: u32 = 100_000;

/// How long the broker remembers the ids of what it took, in seconds: two hours, which is longer than an outcome is waited for.
const REMEMBERED: u64 = 7200;

/// How long outcomes are kept, in seconds: 30 days, as long as logs are.
const KEPT: u64 = 30 * 86_400;

/// A stream as it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamLayout {
    /// Its name.
    pub name: &'static str,
    /// What is asked for, in the words of JetStream.
    pub config: Value,
}

/// The three streams, on so many servers each.
pub fn streams(replicas: u32) -> [StreamLayout; 3] {
    let common = |name: &'static str, subjects: &[&str], megabytes: u64, more: Value| {
        let mut config = json!({
            "name": name,
            "subjects": subjects,
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_msgs": -1,
            "max_bytes": megabytes << 20,
            "max_age": 0,
            "max_msgs_per_subject": -1,
            "max_consumers": -1,
            "num_replicas": replicas,
            "allow_direct": true,
            "deny_purge": false,
        });
        if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
            config.extend(more);
        }
        StreamLayout { name, config }
    };
    let window = json!({ "retention": "workqueue", "duplicate_window": nanoseconds(REMEMBERED) });
    let last = json!({ "discard": "old", "max_msgs_per_subject": 1, "max_age": nanoseconds(KEPT) });
    [
        common(DELIVERIES, &["gw.d.>", "gw.r.>"], 4096, window),
        common(DEAD, &["gw.x.>"], 1024, json!({ "duplicate_window": nanoseconds(REMEMBERED) })),
        common(OUTCOMES, &["gw.o.>"], 1024, last),
    ]
}

/// The name of the consumer of a target's messages.
pub fn consumer_name(lane: Lane, target: &str) -> String {
    format!("{}-{}", lane.prefix().rsplit('.').next().unwrap_or_default(), target_token(target))
}

/// A consumer as it is made: what is not acknowledged comes again, as often as it takes.
pub fn consumer(lane: Lane, target: &str) -> Value {
    json!({
        "durable_name": consumer_name(lane, target),
        "filter_subject": format!("{}.{}.>", lane.prefix(), target_token(target)),
        "ack_policy": "explicit",
        "ack_wait": nanoseconds(ACK_WAIT),
        "deliver_policy": "all",
        "replay_policy": "instant",
        "max_deliver": -1,
        "max_ack_pending": if lane == Lane::Retries { IN_HAND_OF_RETRIES } else { IN_HAND },
        "max_waiting": 512,
    })
}

fn nanoseconds(seconds: u64) -> u64 {
    seconds * 1_000_000_000
}
