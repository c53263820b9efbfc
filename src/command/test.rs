//! `git webhook test`: a real event made from the repository's newest commits, sent to one target.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use uuid::Uuid;

use super::as_owner::{self, Call, hand_over};
use super::failure::{Failure, failure};
use super::output::{Row, print_answer};
use super::place::Place;
use super::sample;
use super::table::short_id;
use super::targets;
use super::terminal::{self, print};
use super::test_subject::{self, Choice, TestEvent, named, update};
use super::told;
use crate::delivery::Delivery;
use crate::dispatch;
use crate::event::{Event, EventKind, EventName, Wanted};
use crate::format::Webhook;
use crate::history::{Entry, State};
use crate::identifier;
use crate::message;
use crate::outcome::{Answer, Attempt, Outcome};
use crate::overview::spelling;
use crate::pipeline::{self, FanOut};
use crate::process::{self, Environment};
use crate::ref_update::{Namespace, RefEvent, RefKind, RefName};
use crate::spool::Receipt;
use crate::target::{RefPatterns, Switch, Target};
use crate::text::sanitise;

/// What is to be tried.
#[derive(clap::Args)]
pub(super) struct Trial {
    /// The target
    name: String,
    /// What to send [default: push, or tag_push of a tag]
    #[arg(long, value_enum)]
    event: Option<TestEvent>,
    /// Tell of this branch or tag
    #[arg(long, value_name = "REF")]
    r#ref: Option<String>,
    /// Tell of this commit and the two before it
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// What the forge sends to try a receiver out, as with --event ping
    #[arg(long, conflicts_with_all = ["event", "ref", "commit"])]
    ping: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Serialize)]
struct TestedRow {
    id: Uuid,
    target: String,
    event: String,
    r#ref: String,
    state: State,
    status: Option<u16>,
    #[serde(rename = "took", with = "spelling::duration")]
    ms: Option<u64>,
    reason: Option<String>,
    answer: Option<Answer>,
    /// Why a push would not be told so.
    kept_away: Vec<String>,
}

impl Row for TestedRow {
    const ROWS: &str = "deliveries";
}

/// Whether the receiver took it.
pub(super) fn run(trial: &Trial, call: &Call<'_>) -> Result<bool, Failure> {
    if let Some(is_well) = hand_over(call)? {
        return Ok(is_well);
    }
    let environment = call.environment;
    let mut place = as_owner::place(call)?;
    place.enter()?;
    let target = targets::usable(&place, &trial.name)?;
    if target.is_published {
        return failure(message::test_past_broker(&trial.name));
    }
    let choice = Choice { r#ref: trial.r#ref.as_deref(), commit: trial.commit.as_deref() };
    let is_tag = match choice.r#ref {
        Some(name) => named(&place, name)?.0.kind() == RefKind::Tag,
        None => false,
    };
    let usual = if is_tag { TestEvent::TagPush } else { TestEvent::Push };
    let event = if trial.ping { TestEvent::Ping } else { trial.event.unwrap_or(usual) };
    let name = match event {
        TestEvent::Push => EventName::Push,
        TestEvent::TagPush => EventName::TagPush,
        TestEvent::Create => EventName::Create,
        TestEvent::Delete => EventName::Delete,
        TestEvent::Note => EventName::Note,
        TestEvent::MergeRequest => EventName::MergeRequest,
        TestEvent::Ping => {
            let delivery = ping(&place, target, environment)?;
            return Ok(tell(&send(&place, target, &delivery, Vec::new()), target, &delivery, trial.json));
        }
    };
    // What is tried out is sent, whatever the target is to get otherwise.
    // Of an event that its forge calls by several names, that which the target takes.
    let narrowed = target.narrowed.iter().filter(|(known, _)| *known == name).copied().collect();
    let events = vec![name];
    let tried = &Target { switch: Switch::On, events, narrowed, refs: RefPatterns::default(), ..target.clone() };
    let Some(delivery) = delivery(&place, tried, event, choice, environment)? else {
        return failure(message::no_event(target.format.name));
    };
    let kept_away = kept_away(target, name, &delivery.line.update.name);
    Ok(tell(&send(&place, tried, &delivery, kept_away), tried, &delivery, trial.json))
}

/// Why a push of this ref would not be told in this event.
fn kept_away(target: &Target, event: EventName, name: &RefName) -> Vec<String> {
    let mut why = Vec::new();
    if !target.switch.is_on() {
        why.push(message::kept_away_by_switch(&target.name));
    }
    if !target.refs.include(name) {
        let patterns: Vec<_> = target.refs.words().collect();
        why.push(message::kept_away_by_ref(&target.name, patterns.join(" ")));
    }
    if !target.events.contains(&event) {
        why.push(message::kept_away_by_event(&target.name, told::events(target).join(" ")));
    }
    why
}

fn delivery(
    place: &Place,
    target: &Target,
    event: TestEvent,
    choice: Choice<'_>,
    environment: &Environment,
) -> Result<Option<Delivery>, Failure> {
    let objects = place.objects()?;
    // What it tells of reviews and comments is made here.
    let wanted = Wanted { reviews: false, notes: false, ..target.wanted() };
    let update = update(place, &objects, event, choice)?;
    let line = RefEvent::new(update, identifier::event());
    let mut events = place.events(target.is_protected, line.event, &objects, &line.update, wanted, environment);
    events.iter_mut().for_each(with_a_commit);
    match event {
        TestEvent::Note => events = events.iter().flat_map(sample::notes).collect(),
        TestEvent::MergeRequest => events = events.iter().filter_map(sample::merge_request).collect(),
        _ => {}
    }
    let Some(first) = events.first() else {
        return failure(message::nothing_to_send());
    };
    let context = Arc::clone(&first.context);
    let receipt = Receipt::new(vec![line], environment, &place.configuration.settings.user_variables);
    let mut made = None;
    let mut take_first = |_, delivery| {
        made.get_or_insert(delivery);
    };
    let mut fan_out = FanOut::new(0, &receipt, &Namespace::default(), slice::from_ref(&target), &context);
    for event in events {
        fan_out.add(0, event, &mut take_first);
    }
    fan_out.finish(&mut take_first);
    Ok(made)
}

/// A branch of one commit that another has too brings nothing new; a test has something to tell all the same.
fn with_a_commit(event: &mut Event) {
    if let EventKind::Push(push) = &mut event.kind
        && let (0, Some(head), None) = (push.total, push.head().cloned(), push.update.old)
    {
        (push.commits, push.total) = (vec![head], 1);
    }
}

fn ping(place: &Place, target: &Target, environment: &Environment) -> Result<Delivery, Failure> {
    let Some(payload) = target.format.ping else {
        return failure(message::no_ping(target.format.name));
    };
    let objects = place.objects()?;
    let context = place.context(target.is_protected, &objects, environment);
    let webhook = Webhook {
        newest: test_subject::newest(place, &objects),
        id: identifier::webhook(&context.repository.path, target.name.as_str()),
        events: target.format.names(&target.events),
        origin: target.address.origin(),
        verify_certificate: target.verify_certificate,
        encoding: target.shape.encoding,
    };
    Ok(pipeline::alone(target, payload(&context, &webhook), &context))
}

/// Sends it, and writes down what came of it, as a test.
fn send(place: &Place, target: &Target, delivery: &Delivery, kept_away: Vec<String>) -> TestedRow {
    let start = Instant::now();
    let Attempt { outcome, answer } = dispatch::send_once(target, delivery);
    let took = Some(start.elapsed().as_millis() as u64);
    let (state, status, ms, reason) = match &outcome {
        Outcome::Delivered { status, elapsed } => {
            revive(place, target);
            (State::Delivered, Some(*status), Some(elapsed.as_millis() as u64), None)
        }
        Outcome::Published { elapsed } => (State::Published, None, Some(elapsed.as_millis() as u64), None),
        Outcome::Failed(failure) => (State::Failed, failure.kind.status(), took, Some(failure.to_string())),
    };
    let entry = Entry { state, status, ms, reason, answer, ..Entry::of_test(target.name.as_str(), delivery) };
    if let Err(error) = place.pipeline().history.add(&entry) {
        terminal::warning(error);
    }
    TestedRow {
        id: entry.id,
        target: entry.target,
        event: entry.event,
        r#ref: entry.r#ref,
        state,
        status,
        ms,
        reason: entry.reason,
        answer: entry.answer,
        kept_away,
    }
}

/// Whatever waits for a target that has taken something is due. Where another process sends to it, that one sees for itself.
fn revive(place: &Place, target: &Target) {
    let queue = place.pipeline().spool.queue(&target.name);
    if queue.is_empty() {
        return;
    }
    if let Ok(Some(_lock)) = queue.lock() {
        let now = process::now();
        queue.hasten(now, &HashSet::new());
        queue.set_backoff(queue.backoff().mended(now));
    }
}

/// Prints what the pusher would read, what the receiver said, and to whom the failure's detail belongs: the administrator.
fn tell(row: &TestedRow, target: &Target, delivery: &Delivery, json: bool) -> bool {
    let is_well = row.state == State::Delivered;
    if json {
        print_answer(TestedRow::ROWS, std::slice::from_ref(row));
        return is_well;
    }
    let name = delivery.line.update.name.short_text();
    let ms = row.ms.unwrap_or(0);
    let came = match (row.status, &row.reason) {
        (Some(status), None) => format!("delivered {name} ({status}, {ms} ms)"),
        (_, Some(_)) | (None, None) => format!("not delivered: {name}, after {ms} ms"),
    };
    let id = short_id(&row.id.to_string());
    print(&(sanitise(&format!("webhook {}: {came} [{id}]", target.name)) + "\n"));
    if let Some(reason) = &row.reason {
        terminal::error(format!("{}: {reason}", target.address.origin()));
    }
    if let Some(answer) = row.answer.as_ref().filter(|answer| !answer.body.is_empty()) {
        let lines = answer.body.lines().take(MOST_LINES).map(|line| format!("  {}\n", sanitise(line)));
        print(&lines.collect::<String>());
    }
    row.kept_away.iter().for_each(terminal::warning);
    is_well
}

/// So much of what the receiver said is told at once; `show` has the rest.
const MOST_LINES: usize = 20;
