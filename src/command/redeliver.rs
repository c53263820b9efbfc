//! `git webhook redeliver`: deliveries once more, under their ids, whatever came of them.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::as_owner::{Call, Said, in_each};
use super::deliveries;
use super::failure::Failure;
use super::output::{Reach, Row, tell_each};
use super::place::Place;
use super::progress::with_progress;
use super::targets;
use crate::dispatch::Dispatcher;
use crate::history::{self, State};
use crate::message;
use crate::outcome::Outcome;
use crate::overview::{self, DeliveryRow, spelling};
use crate::pipeline::{Pipeline, PutBack, Source};
use crate::process;
use crate::schedule::Queued;
use crate::spool::Queue;
use crate::target::{Target, TargetName};
use crate::text::sanitise;

/// Which deliveries.
#[derive(clap::Args)]
pub(super) struct Choice {
    /// Their ids, or how these begin
    #[arg(value_name = "ID", required_unless_present = "failed", conflicts_with_all = ["failed", "root"])]
    ids: Vec<String>,
    /// All that were not delivered: those that wait after a failure, and dead letters
    #[arg(long)]
    failed: bool,
    /// Build each body anew from the push, though one is stored
    #[arg(long)]
    rebuild: bool,
    /// Of the failed ones, those of the last so many s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = super::seconds, conflicts_with = "ids")]
    since: Option<i64>,
    /// Of the failed ones, those for this target
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    target: Option<String>,
}

/// What came of one of them.
#[derive(Serialize, Deserialize)]
pub(super) struct RedeliveredRow {
    id: Uuid,
    target: String,
    /// `None` where there is no delivery yet.
    event: Option<String>,
    r#ref: String,
    state: State,
    attempts: u32,
    status: Option<u16>,
    #[serde(rename = "took", with = "spelling::duration")]
    ms: Option<u64>,
    /// Why it was not delivered, or not even tried.
    reason: Option<String>,
    /// Whether the body was built again, and is not what was sent before.
    differs: bool,
}

impl Row for RedeliveredRow {
    const ROWS: &str = "deliveries";
}

/// Whether all of them were delivered.
pub(super) fn run(choice: &Choice, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_each(call, reach.root.as_deref(), |place| redeliver(choice, place))?;
    Ok(tell_each(call, reach.json, said, "nothing to redeliver", text))
}

impl Choice {
    fn rows(&self, place: &Place) -> Result<Vec<DeliveryRow>, Failure> {
        if !self.failed {
            return self.ids.iter().map(|id| deliveries::find(place, id)).collect();
        }
        if let Some(name) = &self.target {
            targets::known(place, name)?;
        }
        let pipeline = place.pipeline();
        let mut rows = overview::deliveries(&pipeline);
        // Of what a worker has, and tries again, a second one would be under way beside it.
        let published = pipeline.spool.published_ids();
        // Those of a target that is no more cannot be sent.
        let is_wanted = |name: &TargetName| self.target.as_ref().is_none_or(|wanted| *name == **wanted);
        let wanted: Vec<_> = place.configuration.names().filter(|name| is_wanted(name)).collect();
        let since = self.since.map(|since| history::timestamp_of(process::now().saturating_sub(since)));
        rows.retain(|row| {
            !matches!(row.state, State::Delivered | State::Failed)
                && !published.contains(&row.id)
                && wanted.iter().any(|name| row.is_for(name))
                && since.as_ref().is_none_or(|since| row.time >= *since)
        });
        // The oldest first, as far as whole seconds tell; the queue's keys say in which order they are sent.
        rows.reverse();
        Ok(rows)
    }
}

fn redeliver(choice: &Choice, place: &Place) -> Result<(Vec<RedeliveredRow>, bool), Failure> {
    process::hold_back_signals();
    let pipeline = place.pipeline_with_outcomes();
    let chosen = choice.rows(place)?;
    let run = pipeline.run(None).at_once(true);
    let mut redelivery = Redelivery {
        pipeline: &pipeline,
        run: &run,
        rebuild: choice.rebuild,
        why: HashMap::new(),
        differs: HashSet::new(),
        made: Vec::new(),
        meanwhile: HashSet::new(),
    };
    with_progress("redeliver", 2, chosen.len(), &run, || {
        let mut names: Vec<_> = chosen.iter().map(|row| row.target.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            redelivery.send(place, name, &chosen.iter().filter(|row| row.target == name).collect::<Vec<_>>());
        }
    });
    let done: HashMap<_, _> = run.take_done().into_iter().map(|done| (done.id, done.outcome)).collect();
    // Of a push that waited as a whole its deliveries are told of, or why there are none.
    let chosen = chosen.into_iter().filter(|row| row.event.is_some() || redelivery.why.contains_key(&row.id));
    let chosen: Vec<_> = chosen.map(|row| (row.id, Some(row))).collect();
    let chosen: Vec<_> = chosen.into_iter().chain(redelivery.made.iter().map(|id| (*id, None))).collect();
    let ids = chosen.iter().map(|(id, _)| *id).collect();
    let mut now: HashMap<_, _> = overview::of_ids(&pipeline, &ids).into_iter().map(|row| (row.id, row)).collect();
    let rows = chosen.into_iter().filter_map(|(id, before)| Some((id, now.remove(&id).or(before)?)));
    let rows: Vec<_> = rows.map(|(id, row)| redelivery.row(&row, done.get(&id))).collect();
    let is_well = rows.iter().all(|row| row.reason.is_none());
    Ok((rows, is_well))
}

/// A run that sends deliveries again, and what it learns of those that it cannot.
struct Redelivery<'a> {
    pipeline: &'a Pipeline<'a>,
    run: &'a Dispatcher<'a>,
    /// Stored bodies are built anew.
    rebuild: bool,
    why: HashMap<Uuid, String>,
    differs: HashSet<Uuid>,
    /// The deliveries of pushes that waited as a whole.
    made: Vec<Uuid>,
    /// What another process has tried since it was chosen.
    meanwhile: HashSet<Uuid>,
}

impl Redelivery<'_> {
    fn send(&mut self, place: &Place, name: &str, rows: &[&DeliveryRow]) {
        let mut targets = place.configuration.ready().enumerate();
        let why = match targets.find(|(_, target)| target.name == *name) {
            None => message::target_is_gone(name),
            Some((_, target)) if !target.switch.is_on() => message::target_is_disabled(name),
            Some((at, target)) => {
                let run = self.run;
                let put_back = |queue: &Queue| self.put_back(queue, target, rows);
                match run.redeliver(at, put_back) {
                    Ok(true) => return,
                    Ok(false) => message::target_is_busy(name),
                    Err(error) => error.to_string(),
                }
            }
        };
        self.why.extend(rows.iter().map(|row| (row.id, why.clone())));
    }

    fn put_back(&mut self, queue: &Queue, target: &Target, rows: &[&DeliveryRow]) -> Vec<Queued> {
        let (pushes, rows): (Vec<&DeliveryRow>, Vec<_>) = rows.iter().partition(|row| row.event.is_none());
        let mut names = self.put_back_pushes(queue, target, &pushes);
        let chosen: Vec<_> = rows.iter().map(|row| (row.id, row.attempts)).collect();
        for (id, put_back) in self.pipeline.put_back(queue, target, &chosen, self.rebuild) {
            match put_back {
                PutBack::Waits(name, source) => {
                    self.differs.extend((source == Source::Differs).then_some(id));
                    names.push(name);
                }
                PutBack::Meanwhile => drop(self.meanwhile.insert(id)),
                PutBack::Gone(why) => drop(self.why.insert(id, why)),
            }
        }
        names
    }

    fn put_back_pushes(&mut self, queue: &Queue, target: &Target, rows: &[&DeliveryRow]) -> Vec<Queued> {
        let events: HashSet<_> = rows.iter().map(|row| row.event_id).collect();
        let put_back = self.pipeline.put_back_pushes(queue, target, &events);
        self.made.extend(put_back.queued.iter().map(|queued| queued.key.id));
        self.why.extend(rows.iter().filter_map(|row| Some((row.id, put_back.gone.get(&row.event_id)?.clone()))));
        put_back.queued
    }

    /// What came of a delivery, which stands like this in the log now.
    fn row(&self, last: &DeliveryRow, outcome: Option<&Outcome>) -> RedeliveredRow {
        let is_tried = outcome.is_some() || self.meanwhile.contains(&last.id);
        let reason = match outcome {
            _ if self.meanwhile.contains(&last.id) => last.reason.clone(),
            Some(Outcome::Delivered { .. } | Outcome::Published { .. }) => None,
            Some(Outcome::Failed(failure)) => Some(failure.to_string()),
            None => Some(self.why.get(&last.id).cloned().unwrap_or_else(|| message::not_tried_now().into())),
        };
        RedeliveredRow {
            id: last.id,
            target: last.target.clone(),
            event: last.event.clone(),
            r#ref: last.r#ref.clone(),
            state: last.state,
            attempts: last.attempts,
            status: last.status.filter(|_| is_tried),
            ms: last.ms.filter(|_| is_tried),
            differs: self.differs.contains(&last.id),
            reason,
        }
    }
}

fn text(said: &Said<RedeliveredRow>) -> String {
    if said.rows.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for row in &said.rows {
        let came = match (&row.reason, row.status, row.ms) {
            (Some(reason), ..) => format!("not delivered: {reason}"),
            (None, Some(status), Some(ms)) => format!("delivered ({status}, {ms} ms), attempt {}", row.attempts),
            _ => "delivered".into(),
        };
        let differs = if row.differs { "; the body was built again, and differs from the one sent before" } else { "" };
        let line = format!("{} {} {}: {came}{differs}", row.id, row.target, row.r#ref);
        text += &sanitise(&line);
        text.push('\n');
    }
    let failed = said.rows.iter().filter(|row| row.reason.is_some()).count();
    let delivered = said.rows.len() - failed;
    text + &format!("{delivered} delivered, {failed} not\n")
}
