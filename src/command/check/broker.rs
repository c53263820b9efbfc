//! The broker that the server's targets are told through: whether it is there with its streams, has room, and has the time of this
//! machine. Whether workers are, the backlog tells.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::finding::{Finding, Kind};
use super::mend::Mend;
use crate::config::{Broker, Configuration};
use crate::history;
use crate::message;
use crate::process::{self, Environment};
use crate::stream::{BrokerError, DELIVERIES, JetStream, OUTCOMES, Role, Trouble};
use crate::transport::Trust;

/// How long it has to take a connection, and to answer.
const TO_CONNECT: Duration = Duration::from_secs(2);
const TO_ANSWER: Duration = Duration::from_secs(5);

/// How much of its room a stream may take before it is spoken of, in percent.
const MOST_OF_ROOM: u64 = 80;

/// Clocks further apart than this, in seconds, make times in the log that cannot be.
const APART: i64 = 60;

/// What is wrong with the broker of protected configuration, where there is one.
pub(super) fn look(environment: &Environment) -> Vec<Finding> {
    // Where that cannot be read, it is told of each repository.
    let Ok(configuration) = Configuration::read_protected(environment, None) else { return Vec::new() };
    let Some(broker) = configuration.settings.via.broker() else { return Vec::new() };
    ask(broker).unwrap_or_else(|error| {
        let finding = match error.kind {
            Trouble::NoStream => {
                let message = message::check_no_stream(broker.servers.origin(), &error.detail);
                let missing = Finding::error(Kind::StreamMissing, message);
                missing.mend(Mend::FleetInit)
            }
            _ => {
                let message = message::check_no_broker(broker.servers.origin(), &error);
                Finding::error(Kind::BrokerUnreached, message).mend(Mend::FleetStatus)
            }
        };
        vec![finding]
    })
}

fn ask(broker: &Broker) -> Result<Vec<Finding>, BrokerError> {
    let Broker { servers, credentials, .. } = broker;
    let mut jetstream = JetStream::open(servers, credentials, &Trust::default(), Role::GitServer, TO_CONNECT)?;
    let end = Instant::now() + TO_ANSWER;
    let info = jetstream.call(&format!("$JS.API.STREAM.INFO.{DELIVERIES}"), &json!({}), end);
    let info = info.map_err(|error| in_stream(error, DELIVERIES))?;
    // What lies in that one a git server may not ask: it would be told the ids of other servers' deliveries.
    let names = jetstream.call("$JS.API.STREAM.NAMES", &json!({ "subject": "gw.o.>" }), end)?;
    if !names["streams"].as_array().is_some_and(|all| all.iter().any(|name| name == OUTCOMES)) {
        return Err(BrokerError::said(Trouble::NoStream, OUTCOMES));
    }
    Ok(nearly_full(&info).into_iter().chain(clocks_apart(&info, process::now())).collect())
}

/// Of a stream that is not there its name is worth more than the server's words.
fn in_stream(error: BrokerError, stream: &str) -> BrokerError {
    match error.kind {
        Trouble::NoStream => BrokerError::said(error.kind, stream),
        _ => error,
    }
}

fn nearly_full(info: &Value) -> Option<Finding> {
    let most = info["config"]["max_bytes"].as_u64().filter(|most| *most > 0)?;
    let percent = info["state"]["bytes"].as_u64()?.saturating_mul(100) / most;
    let message = || message::check_stream_nearly_full(DELIVERIES, percent);
    (percent >= MOST_OF_ROOM).then(|| Finding::advice(Kind::StreamNearlyFull, message()).mend(Mend::FleetStatus))
}

/// A server before 2.10 does not tell its time, but when the last message came, which is before now.
fn clocks_apart(info: &Value, now: i64) -> Option<Finding> {
    let time = |value: &Value| value.as_str().and_then(history::seconds_of);
    let (time, is_present) = match time(&info["ts"]) {
        Some(present) => (present, true),
        None => (time(&info["state"]["last_ts"])?, false),
    };
    let ahead = time - now;
    let is_apart = ahead > APART || (is_present && ahead < -APART);
    let message = || message::check_clocks_apart(ahead);
    is_apart.then(|| Finding::advice(Kind::ClocksApart, message()).mend(Mend::ShowClock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_apart_where_the_brokers_says_what_cannot_be() {
        let now = history::seconds_of("2026-11-30T12:00:00Z").unwrap();
        let is_told = |info: Value| clocks_apart(&info, now).is_some();
        assert!(!is_told(json!({ "ts": "2026-11-30T11:59:30.5Z" })));
        assert!(is_told(json!({ "ts": "2026-11-30T11:58:00Z" })));
        assert!(is_told(json!({ "state": { "last_ts": "2026-11-30T12:02:00.688746294Z" } })));
        assert!(!is_told(json!({ "state": { "last_ts": "2026-11-29T12:00:00Z" } })), "the last push was a day ago");
        assert!(!is_told(json!({ "state": { "last_ts": "0001-01-01T00:00:00Z" } })));
    }

    #[test]
    fn a_stream_is_nearly_full_in_its_last_fifth() {
        let percent = |bytes: u64, most: i64| {
            nearly_full(&json!({ "config": { "max_bytes": most }, "state": { "bytes": bytes } }))
        };
        assert!(percent(79, 100).is_none() && percent(80, 100).is_some());
        assert!(percent(u64::MAX / 2, -1).is_none(), "it has no limit");
    }
}
