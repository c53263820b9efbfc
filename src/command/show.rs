//! `git webhook show`: all there is to know of one delivery: request, body, every attempt with the receiver's answer.

use std::fmt::Write as _;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::as_owner::{Call, in_this};
use super::deliveries;
use super::failure::Failure;
use super::output::{by_row, tell};
use super::place::Place;
use super::table::moment;
use super::terminal::page;
use crate::dispatch;
use crate::history::{Entry, State};
use crate::message;
use crate::outcome::Answer;
use crate::overview::DeliveryRow;
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
    ms: Option<u64>,
    reason: Option<String>,
    answer: Option<Answer>,
}

pub(super) fn run(id: &str, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_this(call, Stdio::null(), |place| Ok((vec![show(place, id)?], true)))?;
    if !call.is_owners && !json {
        page();
    }
    Ok(tell(call, json, said, by_row(text)))
}

fn show(place: &Place, id: &str) -> Result<ShownDelivery, Failure> {
    let delivery = deliveries::find(place, id)?;
    let pipeline = place.pipeline();
    let target = place.configuration.ready().find(|target| target.name == *delivery.target);
    let request = match target {
        _ if delivery.event.is_none() => Err(message::has_no_deliveries_yet().into()),
        None => Err(message::target_is_gone(&delivery.target)),
        Some(target) => pipeline.find(target, delivery.id).map(|(found, source)| Request {
            headers: dispatch::shown_headers(target, &found),
            body_is: source.into(),
            body: String::from_utf8_lossy(&found.payload.body).into_owned(),
        }),
    };
    let (request, missing) = match request {
        Ok(request) => (Some(request), None),
        Err(why) => (None, Some(why)),
    };
    let tries = pipeline.history.of(delivery.id).into_iter().map(Try::from).collect();
    let url = target.map(|target| format!("{}/…", target.address.origin()));
    Ok(ShownDelivery { delivery, url, request, missing, tries })
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
            time: entry.time,
            state: entry.state,
            status: entry.status,
            ms: entry.ms,
            reason: entry.reason,
            answer: entry.answer,
        }
    }
}

fn text(row: &ShownDelivery) -> String {
    let delivery = &row.delivery;
    let next = delivery.next.map(|next| format!(", tried again at {}", moment(next)));
    let next = delivery.waits_for.as_ref().map(|what| format!(", {what}")).or(next).unwrap_or_default();
    let url = row.url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<10}{}", sanitise(value));
    };
    line("delivery", &delivery.id.to_string());
    let event = delivery.event.as_ref().map(|event| format!("{event} of ")).unwrap_or_default();
    line("event", &format!("{event}{} ({})", delivery.ref_shown(), delivery.event_id));
    line("change", &format!("{} to {}", delivery.old, delivery.new));
    let format = delivery.format.as_ref().map(|format| format!(", format {format}")).unwrap_or_default();
    line("target", &format!("{}{url}{format}", delivery.target));
    line("state", &format!("{}{next}", delivery.state.word()));
    if let Some(why) = &row.missing {
        line("request", why);
    }
    if let Some(request) = &row.request {
        text += "\nrequest\n";
        for (name, value) in &request.headers {
            text += &format!("  {}: {}\n", sanitise(name), sanitise(value));
        }
        let about = match request.body_is {
            BodyIs::Stored => "as it is stored",
            BodyIs::Rebuilt => "built again, the same as was sent",
            BodyIs::Differs => "built again, and not what was sent: objects, refs or configuration have changed since",
        };
        text += &format!("\nbody, {} bytes, {about}\n", request.body.len());
        text += &indented(&request.body);
    }
    for one in &row.tries {
        text += &told(one);
    }
    text
}

fn told(one: &Try) -> String {
    let came = match (&one.reason, one.status, one.ms) {
        (Some(reason), ..) => reason.clone(),
        (None, Some(status), Some(ms)) => format!("{status} in {ms} ms"),
        _ => one.state.word().into(),
    };
    let time = one.time.parse::<jiff::Timestamp>().map_or_else(|_| one.time.clone(), |time| moment(time.as_second()));
    let mut text = format!("\nattempt {}, {}: {}\n", one.attempt, sanitise(&time), sanitise(&came));
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

/// JSON laid out, anything else line by line; two spaces before each line.
fn indented(body: &str) -> String {
    let laid_out = serde_json::from_str::<Value>(body).map(|json| format!("{json:#}"));
    let body = laid_out.as_deref().unwrap_or(body);
    body.lines().map(|line| format!("  {}\n", sanitise(line))).collect()
}
