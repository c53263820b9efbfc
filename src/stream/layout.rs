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

/// A stream's configuration with what is lower in it than what is wanted raised to that; `None` where nothing is. What an
/// administrator has raised stays.
///
/// # Errors
/// The name of what cannot be changed of a stream that is there.
pub fn raised(known: &Value, wanted: &Value) -> Result<Option<Value>, &'static str> {
    if let Some(fixed) = ["retention", "storage"].into_iter().find(|name| known[*name] != wanted[*name]) {
        return Err(fixed);
    }
    let mut made = known.clone();
    for limit in ["max_msgs", "max_bytes", "max_age", "duplicate_window"] {
        raise(&mut made, wanted, limit);
    }
    // Of outcomes one for each delivery is kept, and no more; of others all.
    for exact in ["max_msgs_per_subject", "discard", "allow_direct"] {
        made[exact] = wanted[exact].clone();
    }
    if known["num_replicas"].as_u64() < wanted["num_replicas"].as_u64() {
        made["num_replicas"] = wanted["num_replicas"].clone();
    }
    if let (Some(subjects), Some(wanted)) = (made["subjects"].as_array_mut(), wanted["subjects"].as_array()) {
        let lacking: Vec<_> = wanted.iter().filter(|subject| !subjects.contains(subject)).cloned().collect();
        subjects.extend(lacking);
    }
    Ok((made != *known).then_some(made))
}

/// The same of a consumer.
pub fn raised_consumer(known: &Value, wanted: &Value) -> Option<Value> {
    let mut made = known.clone();
    for limit in ["max_deliver", "ack_wait", "max_ack_pending"] {
        raise(&mut made, wanted, limit);
    }
    (made != *known).then_some(made)
}

/// What is wanted, where it is more; nothing is more than no limit, which is 0 or -1, and a stream's answer leaves out.
fn raise(made: &mut Value, wanted: &Value, limit: &str) {
    let number = |value: &Value| match value[limit].as_i64() {
        Some(number) if number > 0 => number,
        _ => i64::MAX,
    };
    if !wanted[limit].is_null() && number(made) < number(wanted) {
        made[limit] = wanted[limit].clone();
    }
}

fn nanoseconds(seconds: u64) -> u64 {
    seconds * 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_administrator_raised_stays_and_what_is_lower_is_raised() {
        let [deliveries, _, outcomes] = streams(3);
        let with = |layout: &StreamLayout, name: &str, value: Value| {
            let mut config = layout.config.clone();
            config[name] = value;
            config
        };
        assert_eq!(raised(&deliveries.config, &deliveries.config), Ok(None));
        for (name, value) in [
            ("max_bytes", json!(-1)),
            ("max_bytes", json!(1_u64 << 40)),
            ("num_replicas", json!(5)),
            ("duplicate_window", json!(nanoseconds(86_400))),
            ("subjects", json!(["gw.d.>", "gw.r.>", "more"])),
            ("description", json!("ours")),
        ] {
            assert_eq!(raised(&with(&deliveries, name, value), &deliveries.config), Ok(None), "{name}");
        }
        for (name, value) in [
            ("max_bytes", json!(5)),
            ("max_msgs", json!(5)),
            ("max_age", json!(5)),
            ("num_replicas", json!(1)),
            ("duplicate_window", json!(5)),
            ("subjects", json!(["gw.d.>"])),
            ("discard", json!("old")),
            ("allow_direct", json!(false)),
        ] {
            let made = raised(&with(&deliveries, name, value), &deliveries.config);
            assert_eq!(made, Ok(Some(deliveries.config.clone())), "{name}");
        }
        assert_eq!(raised(&with(&outcomes, "max_age", json!(0)), &outcomes.config), Ok(None));
        assert_eq!(raised(&with(&deliveries, "retention", json!("limits")), &deliveries.config), Err("retention"));
    }
}
