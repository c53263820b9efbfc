//! `git webhook fleet`: sets up the broker's streams, and tells what lies in them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::as_owner::Call;
use super::failure::{Failure, failure};
use super::output::print_answers;
use super::screen::Screen;
use super::table::lay_out;
use super::terminal::{Colour, print, warning};
use super::worker::{broker, protected};
use crate::config::Broker;
use crate::message;
use crate::stream::{
    BrokerError, ConsumerState, Credentials, DEAD, DELIVERIES, JetStream, Lane, OUTCOMES, PERMISSIONS, Role, consumer,
    raised, raised_consumer, streams, target_of,
};
use crate::transport::Trust;

/// How long the broker has for everything.
const PATIENCE: Duration = Duration::from_secs(30);

/// From how many hundredths on a stream is nearly full.
const NEARLY_FULL: u64 = 80;

/// What is to be done.
#[derive(clap::Subcommand)]
pub(super) enum Errand {
    /// Make streams and consumers, and raise what is lower than it should be; print the requests, and the permissions of both sides
    Init {
        /// On how many servers each stream lies; without it 1, or as many as it has
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5))]
        replicas: Option<u32>,
        /// Who is let in as administrator, in place of webhook.viaCredentials
        #[arg(long, value_name = "FILE")]
        credentials: Option<PathBuf>,
        /// Print, and ask the broker nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Tell what waits at the broker, for whom, and whether workers ask for it; exit 1 where something is wrong
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// A stream, for programs.
#[derive(Serialize)]
struct StreamRow {
    name: &'static str,
    messages: u64,
    bytes: u64,
    /// `None` for one without a limit.
    max_bytes: Option<u64>,
    replicas: u64,
}

/// What lies at the broker for a target, for programs.
#[derive(Serialize, Default)]
struct TargetRow {
    target: String,
    waiting: u64,
    in_hand: u64,
    retries: u64,
    asking: u64,
}

pub(super) fn run(errand: &Errand, call: &Call<'_>) -> Result<bool, Failure> {
    let configuration = protected(call)?;
    let broker = broker(&configuration)?;
    let names: Vec<_> = configuration.ready().map(|target| target.name.to_string()).collect();
    match errand {
        Errand::Init { replicas, credentials, dry_run } => {
            if !dry_run {
                let own = credentials.as_ref().map(|path| read(path, broker)).transpose()?;
                let mut link = connect(broker, own.as_ref())?;
                init(&mut link, *replicas, &names).map_err(failed)?;
            }
            print_requests(replicas.unwrap_or(1), &names);
            Ok(true)
        }
        Errand::Status { json } => status(&mut connect(broker, None)?, *json),
    }
}

fn read(path: &PathBuf, broker: &Broker) -> Result<Credentials, Failure> {
    let text = std::fs::read(path).map_err(|error| Failure::new(message::cannot_read(path.display(), error)))?;
    Credentials::new(broker.servers.login(), Some(&text))
        .map_err(|why| Failure::new(message::bad_credentials(path.display(), why)))
}

fn connect(broker: &Broker, credentials: Option<&Credentials>) -> Result<JetStream, Failure> {
    let Broker { servers, credentials: own, .. } = broker;
    let opened = JetStream::open(servers, credentials.unwrap_or(own), &Trust::default(), Role::Administrator, PATIENCE);
    opened.map_err(|error| Failure::new(message::no_broker_for_fleet(servers.origin(), error)))
}

fn failed(error: BrokerError) -> Failure {
    Failure::new(message::fleet_failed(error))
}

/// Makes what is missing, and raises what is lower.
fn init(broker: &mut JetStream, replicas: Option<u32>, targets: &[String]) -> Result<(), BrokerError> {
    let deadline = Instant::now() + PATIENCE;
    for layout in streams(replicas.unwrap_or(1)) {
        let done = match broker.stream(layout.name, deadline)? {
            None => {
                broker.call(&format!("$JS.API.STREAM.CREATE.{}", layout.name), &layout.config, deadline)?;
                "made"
            }
            Some(info) => match raised(&info["config"], &layout.config) {
                Ok(None) => "there",
                Ok(Some(config)) => {
                    broker.call(&format!("$JS.API.STREAM.UPDATE.{}", layout.name), &config, deadline)?;
                    "raised"
                }
                Err(what) => {
                    warning(message::stream_is_otherwise(layout.name, what));
                    "other"
                }
            },
        };
        print(&format!("stream {}: {done}\n", layout.name));
    }
    let known = broker.consumers(deadline)?;
    for (lane, target) in lanes(targets) {
        let wanted = consumer(lane, target);
        let name = wanted["durable_name"].as_str().unwrap_or_default().to_owned();
        let done = match known.iter().any(|it| it.name == name) {
            false => {
                broker.make_consumer(lane, target, deadline)?;
                "made"
            }
            true => raise_consumer(broker, &name, &wanted, deadline)?,
        };
        print(&format!("consumer {name}: {done}\n"));
    }
    Ok(())
}

fn raise_consumer(
    broker: &mut JetStream,
    name: &str,
    wanted: &Value,
    deadline: Instant,
) -> Result<&'static str, BrokerError> {
    let info = broker.call(&format!("$JS.API.CONSUMER.INFO.{DELIVERIES}.{name}"), &json!({}), deadline)?;
    let Some(config) = raised_consumer(&info["config"], wanted) else { return Ok("there") };
    let words = json!({ "stream_name": DELIVERIES, "config": config });
    broker.call(&format!("$JS.API.CONSUMER.DURABLE.CREATE.{DELIVERIES}.{name}"), &words, deadline)?;
    Ok("raised")
}

fn lanes(targets: &[String]) -> impl Iterator<Item = (Lane, &str)> {
    targets.iter().flat_map(|target| [(Lane::Deliveries, target.as_str()), (Lane::Retries, target.as_str())])
}

/// Prints what an administrator would do by hand.
fn print_requests(replicas: u32, targets: &[String]) {
    let request = |subject: String, words: &Value| print(&format!("nats request '{subject}' '{words}'\n"));
    print("\n# The same by the command nats:\n");
    for layout in streams(replicas) {
        request(format!("$JS.API.STREAM.CREATE.{}", layout.name), &layout.config);
    }
    for (lane, target) in lanes(targets) {
        let config = consumer(lane, target);
        let name = config["durable_name"].as_str().unwrap_or_default();
        let words = json!({ "stream_name": DELIVERIES, "config": config });
        request(format!("$JS.API.CONSUMER.DURABLE.CREATE.{DELIVERIES}.{name}"), &words);
    }
    print("\n# What each side may do, for its user in the configuration of nats-server:\n");
    for permissions in &PERMISSIONS {
        print(&format!("# {}\n{}\n", permissions.role, permissions.to_configuration()));
    }
}

fn status(broker: &mut JetStream, json: bool) -> Result<bool, Failure> {
    let deadline = Instant::now() + PATIENCE;
    let mut problems = Vec::new();
    let mut rows = Vec::new();
    for name in [DELIVERIES, DEAD, OUTCOMES] {
        match broker.stream(name, deadline).map_err(failed)? {
            Some(info) => rows.push(stream_row(name, &info)),
            None => problems.push(message::stream_missing(name)),
        }
    }
    // Outcomes make room for newer ones.
    for row in rows.iter().filter(|row| row.name != OUTCOMES) {
        if let Some(most) = row.max_bytes
            && row.bytes.saturating_mul(100) / most.max(1) >= NEARLY_FULL
        {
            problems.push(message::stream_nearly_full(row.name, row.bytes, most));
        }
    }
    let consumers = match rows.iter().any(|row| row.name == DELIVERIES) {
        true => broker.consumers(deadline).map_err(failed)?,
        false => Vec::new(),
    };
    let targets = target_rows(&consumers);
    let is_left = |row: &&TargetRow| row.waiting > 0 && row.in_hand + row.asking == 0;
    problems.extend(targets.iter().filter(is_left).map(|row| message::no_worker_asks(&row.target, row.waiting)));
    if json {
        print_answers(&[("streams", json!(rows)), ("targets", json!(targets))]);
    } else {
        print_rows(&rows, &targets);
    }
    problems.iter().for_each(warning);
    match problems.is_empty() {
        true => Ok(true),
        false if rows.is_empty() => failure(message::broker_no_stream()),
        false => Ok(false),
    }
}

fn stream_row(name: &'static str, info: &Value) -> StreamRow {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    StreamRow {
        name,
        messages: number(&info["state"]["messages"]),
        bytes: number(&info["state"]["bytes"]),
        max_bytes: info["config"]["max_bytes"].as_u64(),
        replicas: number(&info["config"]["num_replicas"]),
    }
}

fn target_rows(consumers: &[ConsumerState]) -> Vec<TargetRow> {
    let mut rows: Vec<TargetRow> = Vec::new();
    for state in consumers {
        let target = target_of(&state.filter);
        let at = rows.iter().position(|row| row.target == target).unwrap_or_else(|| {
            rows.push(TargetRow { target, ..TargetRow::default() });
            rows.len() - 1
        });
        let row = &mut rows[at];
        if state.filter.starts_with(Lane::Retries.prefix()) {
            row.retries += state.waiting + state.in_hand;
        } else {
            row.waiting += state.waiting;
            row.in_hand += state.in_hand;
            row.asking += state.asking;
        }
    }
    rows.sort_by(|one, other| one.target.cmp(&other.target));
    rows
}

fn print_rows(streams: &[StreamRow], targets: &[TargetRow]) {
    let cells = |row: &StreamRow| {
        let most = row.max_bytes.map_or_else(|| "-".to_owned(), |most| most.to_string());
        let cells = [row.name.into(), row.messages.to_string(), row.bytes.to_string(), most, row.replicas.to_string()];
        (cells, Colour::None)
    };
    let rows: Vec<_> = streams.iter().map(cells).collect();
    print(&lay_out(["STREAM", "MESSAGES", "BYTES", "MOST", "REPLICAS"], &rows, 0, Screen::of_this()));
    if targets.is_empty() {
        return;
    }
    let cells = |row: &TargetRow| {
        let numbers = [row.waiting, row.in_hand, row.retries, row.asking].map(|number| number.to_string());
        let [waiting, in_hand, retries, asking] = numbers;
        ([row.target.clone(), waiting, in_hand, retries, asking], Colour::None)
    };
    let rows: Vec<_> = targets.iter().map(cells).collect();
    print("\n");
    print(&lay_out(["TARGET", "WAITING", "IN HAND", "RETRIES", "ASKING"], &rows, 0, Screen::of_this()));
}
