//! `git webhook show`: all there is to know of one delivery: request, body, every attempt with the receiver's answer.

use std::fmt::Write as _;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::as_owner::{Call, Said, in_this};
use super::deliveries::{self, By};
use super::failure::Failure;
use super::output::{Row, tell};
use super::place::Place;
use super::screen::Screen;
use super::table::time;
use super::terminal::page;
use crate::dispatch;
use crate::history::{Entry, State};
use crate::message;
use crate::outcome::Answer;
use crate::overview::{DeliveryRow, spelling};
use crate::pipeline::Source;
use crate::text::sanitise;

/// One delivery.
#[derive(Serialize, Deserialize)]
pub(super) struct ShownDelivery {
    #[serde(flatten)]
    delivery: DeliveryRow,
    /// The receiver's address as far as it is no secret; `None` where the target is no more.
    url: Option<String>,
    request: Option<Request>,
    /// Why the request cannot be shown.
    missing: Option<String>,
    tries: Vec<Try>,
}

impl Row for ShownDelivery {
    const ROWS: &str = "deliveries";
}

/// The request as it would be sent now, for its headers hold the number and the time of the attempt.
#[derive(Serialize, Deserialize)]
struct Request {
    headers: Vec<(String, String)>,
    body_is: BodyIs,
    body: String,
}

/// Where the body is from.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BodyIs {
    Stored,
    Rebuilt,
    /// Built again, and not what was sent.
    Differs,
}

/// One attempt.
#[derive(Serialize, Deserialize)]
struct Try {
    attempt: u32,
    time: String,
    state: State,
    status: Option<u16>,
    #[serde(rename = "took", with = "spelling::duration")]
    ms: Option<u64>,
    reason: Option<String>,
    answer: Option<Answer>,
    /// The worker that made it; `None` where we did.
    worker: Option<String>,
}

/// Which deliveries to show.
#[derive(clap::Args)]
pub(super) struct Choice {
    /// A delivery's id, or how it begins; else a ref; else a commit: the newest push of it
    what: String,
    /// It is a ref, whatever ids there are
    #[arg(long, conflicts_with = "commit")]
    r#ref: bool,
    /// It is a commit: show the newest push that brought it
    #[arg(long)]
    commit: bool,
}

impl Choice {
    fn by(&self) -> By {
        match (self.r#ref, self.commit) {
            (true, _) => By::Ref,
            (_, true) => By::Commit,
            _ => By::Any,
        }
    }
}

pub(super) fn run(choice: &Choice, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_this(call, Stdio::null(), |place| {
        place.pipeline_with_outcomes();
        let deliveries = deliveries::named(place, &choice.what, choice.by())?;
        Ok((deliveries.into_iter().map(|delivery| show(place, delivery)).collect(), true))
    })?;
    if !call.is_owners && !json {
        page();
    }
    Ok(tell(call, json, said, text))
}

fn show(place: &Place, delivery: DeliveryRow) -> ShownDelivery {
    let pipeline = place.pipeline();
    let target = place.configuration.ready().find(|target| target.name == *delivery.target);
    let request = match target {
        _ if delivery.test => Err(message::test_is_not_kept().into()),
        _ if delivery.event.is_none() => Err(message::has_no_deliveries_yet().into()),
        None => Err(message::target_is_gone(&delivery.target)),
        Some(target) => pipeline.find(target, delivery.id).and_then(|(found, source)| {
            let made = dispatch::body(target, &found).and_then(|body| {
                let headers = dispatch::shown_headers(target, &found)?;
                Ok(Request { headers, body_is: source.into(), body: String::from_utf8_lossy(&body).into_owned() })
            });
            made.map_err(message::not_made)
        }),
    };
    let (request, missing) = match request {
        Ok(request) => (Some(request), None),
        Err(why) => (None, Some(why)),
    };
    let tries = pipeline.history.of(delivery.id).into_iter().map(Try::from).collect();
    let url = target.map(|target| format!("{}/…", target.address.origin()));
    ShownDelivery { delivery, url, request, missing, tries }
}

impl From<Source> for BodyIs {
    fn from(source: Source) -> Self {
        match source {
            Source::Stored => Self::Stored,
            Source::Rebuilt => Self::Rebuilt,
            Source::Differs => Self::Differs,
        }
    }
}

impl From<Entry> for Try {
    fn from(entry: Entry) -> Self {
        Self {
            attempt: entry.attempt,
            time: entry.at.unwrap_or(entry.time),
            state: entry.state,
            status: entry.status,
            ms: entry.ms,
            reason: entry.reason,
            answer: entry.answer,
            worker: entry.worker,
        }
    }
}

/// One delivery whole. Of several, which tell of one push, how each stands and what came of the last attempt.
fn text(said: &Said<ShownDelivery>) -> String {
    match said.rows.as_slice() {
        [only] => {
            let attempts: String = only.tries.iter().rev().map(told).collect();
            head(only) + &attempts + &request(only)
        }
        several => {
            let one = |row: &ShownDelivery| head(row) + &row.tries.last().map(told).unwrap_or_default();
            several.iter().map(one).collect::<Vec<_>>().join("\n")
        }
    }
}

/// What somebody wants to know who has seconds: the state, what is next, of what and for whom.
fn head(row: &ShownDelivery) -> String {
    let (delivery, screen) = (&row.delivery, Screen::of_this());
    let next = delivery.next.map(|next| format!(", tried again at {}", time(next, screen)));
    let next = delivery.waits_for.as_ref().map(|what| format!(", {what}")).or(next).unwrap_or_default();
    let url = row.url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<10}{}", sanitise(value));
    };
    line("state", &format!("{}{next}", delivery.state.word()));
    let format = delivery.format.as_ref().map(|format| format!(", format {format}")).unwrap_or_default();
    line("target", &format!("{}{url}{format}", delivery.target));
    let event = delivery.event.as_ref().map(|event| format!("{event} of ")).unwrap_or_default();
    line("event", &format!("{event}{} ({})", delivery.ref_shown(), delivery.event_id));
    line("change", &format!("{} to {}", delivery.old, delivery.new));
    line("delivery", &delivery.id.to_string());
    if let Some(why) = &row.missing {
        line("request", why);
    }
    text
}

fn request(row: &ShownDelivery) -> String {
    let Some(request) = &row.request else { return String::new() };
    let mut text = "\nrequest\n".to_owned();
    for (name, value) in &request.headers {
        text += &format!("  {}: {}\n", sanitise(name), sanitise(value));
    }
    let about = match request.body_is {
        BodyIs::Stored => "as it is stored",
        BodyIs::Rebuilt => "built again, the same as was sent",
        BodyIs::Differs => "built again, and not what was sent: objects, refs or configuration have changed since",
    };
    text += &format!("\nbody, {} bytes, {about}\n", request.body.len());
    text + &indented(&request.body)
}

fn told(one: &Try) -> String {
    let came = match (&one.reason, one.status, one.ms) {
        (Some(reason), _, Some(ms)) => format!("{reason}, after {}", took(ms)),
        (Some(reason), ..) => reason.clone(),
        (None, Some(status), Some(ms)) => format!("{status} in {ms} ms"),
        _ => one.state.word().into(),
    };
    let when = one.time.parse::<jiff::Timestamp>();
    let when = when.map_or_else(|_| one.time.clone(), |when| time(when.as_second(), Screen::of_this()));
    let by = one.worker.as_ref().map(|worker| format!(", by worker {}", sanitise(worker))).unwrap_or_default();
    let mut text = format!("\nattempt {}, {}{by}: {}\n", one.attempt, sanitise(&when), sanitise(&came));
    if let Some(answer) = &one.answer {
        for (name, value) in &answer.headers {
            text += &format!("  {}: {}\n", sanitise(name), sanitise(value));
        }
        if !answer.body.is_empty() {
            text.push('\n');
            text += &indented(&answer.body);
        }
    }
    text
}

/// `12 ms`, or `1.2 s` from a second on.
fn took(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}

/// JSON laid out, anything else line by line; two spaces before each line.
fn indented(body: &str) -> String {
    let laid_out = serde_json::from_str::<Value>(body).map(|json| format!("{json:#}"));
    let body = laid_out.as_deref().unwrap_or(body);
    body.lines().map(|line| format!("  {}\n", sanitise(line))).collect()
}
