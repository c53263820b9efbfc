//! `git webhook reconcile`: announces what the refs show and nobody told: a hook that was missing, `git update-ref`,
//! fetches, restored backups.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, Said, in_each};
use super::differences::{Differences, MOST_LOST, differences, take_snapshot};
use super::failure::{Failure, failure};
use super::output::{Reach, Row, tell_each};
use super::place::Place;
use super::screen::Screen;
use super::table::lay_out;
use super::terminal::{self, Colour};
use crate::dispatch::Done;
use crate::files::FileError;
use crate::message;
use crate::outcome::Outcome;
use crate::pipeline::{Job, Pipeline, fresh};
use crate::process::{self, Environment};
use crate::ref_name;
use crate::ref_update::{RefName, RefUpdate};

/// A push moves its refs before its hook starts; what is still different after so long is nobody's push.
const GRACE: Duration = Duration::from_secs(1);

/// How to go about it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Manner {
    /// Show what would be announced, and announce nothing
    #[arg(long, conflicts_with_all = ["all", "baseline", "adopt"])]
    dry_run: bool,
    /// Announce though more than 20 refs were rewound or deleted
    #[arg(long)]
    all: bool,
    /// Take the refs as they are for told; in a copy of another repository, begin anew as one of its own
    #[arg(long, conflicts_with_all = ["all", "adopt"])]
    baseline: bool,
    /// In a repository that was moved or restored, take the place of the one that it was, and tell what waits
    #[arg(long, conflicts_with = "all")]
    adopt: bool,
}

/// One difference.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ReconcileRow {
    r#ref: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    namespace: String,
    old: String,
    new: String,
    state: State,
}

impl Row for ReconcileRow {
    const ROWS: &str = "refs";
}

/// What was made of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Different,
    Announced,
    Delivered,
    /// The repository was looked at for the first time.
    Baseline,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Different => "different",
            Self::Announced => "announced",
            Self::Delivered => "delivered",
            Self::Baseline => "baseline",
        }
    }
}

/// Whether nothing was found, or all of it announced.
pub(super) fn run(manner: Manner, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_each(call, reach.root.as_deref(), |place| reconcile(place, manner, call.environment))?;
    Ok(tell_each(call, reach.json, said, "nothing was missed", |said| text(said, manner)))
}

fn reconcile(place: &Place, manner: Manner, environment: &Environment) -> Result<(Vec<ReconcileRow>, bool), Failure> {
    process::hold_back_signals();
    let pipeline = place.pipeline();
    if manner.baseline || manner.adopt {
        settle_down(place, &pipeline, manner)?;
        return Ok((Vec::new(), true));
    }
    if let Some(why) = pipeline.displaced() {
        return failure(message::displaced(why));
    }
    if !manner.dry_run {
        pipeline.settle_intents();
    }
    let Some(mut found) = differences(place, &pipeline)? else {
        if !manner.dry_run {
            take_snapshot(place, &pipeline)?;
        }
        return Ok((vec![first_time()], true));
    };
    if !found.is_empty() && !manner.dry_run {
        thread::sleep(GRACE);
        let Some(again) = differences(place, &pipeline)? else { return Ok((Vec::new(), true)) };
        found = found.still_in(again);
    }
    if found.under_way > 0 {
        terminal::warning(message::left_to_hooks(found.under_way));
    }
    let row = |update: &RefUpdate, state: State| ReconcileRow {
        r#ref: update.name.text().into_owned(),
        namespace: update.name.namespace().text().into_owned(),
        old: update.before(),
        new: update.after(),
        state,
    };
    // What stopped the timer is announced by nobody but who says that he means it.
    let lost = found.lost(place)?;
    let stopped = pipeline.spool.looks().ok().and_then(|looks| looks.stopped).filter(|_| lost > 0);
    if let Some(count) = stopped.filter(|_| !manner.all) {
        terminal::warning(message::timer_stopped(count));
    }
    let loses_many = lost > MOST_LOST || stopped.is_some();
    if manner.dry_run || (loses_many && !manner.all) {
        let is_well = manner.dry_run && !loses_many;
        return Ok((found.updates().map(|update| row(update, State::Different)).collect(), is_well));
    }
    let delivered = told_to_all(announce(place, &pipeline, &found, environment)?);
    // What is announced has a receipt of its own now, which the next run draws in; what is neither told nor announced
    // stays a difference.
    if !found.are_steps_left {
        pipeline.spool.set_snapshot(&found.snapshot).map_err(|error| Failure::new(error.to_string()))?;
    }
    pipeline.spool.forget_looks().map_err(|error| Failure::new(error.to_string()))?;
    let state = |update: &RefUpdate| if delivered.contains(&update.name) { State::Delivered } else { State::Announced };
    Ok((found.updates().map(|update| row(update, state(update))).collect(), true))
}

/// Takes the refs as they are for told, or the place of the repository that this one was.
fn settle_down(place: &Place, pipeline: &Pipeline<'_>, manner: Manner) -> Result<(), Failure> {
    let failed = |error: FileError| Failure::new(error.to_string());
    let is_displaced = pipeline.displaced().is_some();
    if manner.adopt {
        return if is_displaced { pipeline.spool.adopt().map_err(failed) } else { Ok(()) };
    }
    if is_displaced {
        pipeline.spool.begin_anew().map_err(failed)?;
    }
    take_snapshot(place, pipeline)?;
    pipeline.spool.forget_looks().map_err(failed)
}

fn first_time() -> ReconcileRow {
    let none = String::new;
    ReconcileRow { r#ref: none(), namespace: none(), old: none(), new: none(), state: State::Baseline }
}

/// Makes receipts of the differences and delivers them. Returns what was done.
///
/// # Errors
/// Where not all could be read by which it is known what was told, or something cannot be kept.
pub(super) fn announce(
    place: &Place,
    pipeline: &Pipeline<'_>,
    found: &Differences,
    environment: &Environment,
) -> Result<Vec<Done>, Failure> {
    // What was told may be where nobody could look.
    if let Some((_, why)) = place.unread().into_iter().next() {
        return failure(why);
    }
    let untold = || pipeline.as_differences(&found.untold).unwrap_or_else(|| fresh(found.untold.clone()));
    let mut jobs = Vec::new();
    let spool = &pipeline.spool;
    for step in &found.steps {
        let receipt = pipeline.receipt(vec![pipeline.as_step(step)], environment).of_step(step);
        jobs.push(Job::own(spool.keep(receipt).map_err(|error| Failure::new(error.to_string()))?));
    }
    // A ref may be among both: it went on after it was partly told.
    for lines in [found.partly.clone(), untold()].into_iter().filter(|lines| !lines.is_empty()) {
        let events = lines.iter().map(|line| line.event).collect();
        let receipt = pipeline.receipt(lines, environment).late().beside(fresh(found.beside.clone()));
        let owned = spool.keep(receipt).map_err(|error| Failure::new(error.to_string()))?;
        // Some of them may have been told from memory.
        jobs.push(Job::own(owned).without(pipeline.history.delivered_of(&events)));
    }
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let run = pipeline.run(None);
    pipeline.deliver(&run, jobs).map_err(|error| Failure::new(error.to_string()))?;
    pipeline.tend(&run);
    pipeline.raise_alarm();
    Ok(run.take_done())
}

/// The refs that every target was told of.
fn told_to_all(done: Vec<Done>) -> HashSet<RefName> {
    let (delivered, failed): (Vec<_>, Vec<_>) =
        done.into_iter().partition(|done| !matches!(done.outcome, Outcome::Failed(_)));
    // A delivery may tell of several refs.
    let names = |done: &[Done]| -> HashSet<RefName> {
        done.iter().flat_map(Done::refs).map(|(name, _)| name.clone()).collect()
    };
    let (mut delivered, failed) = (names(&delivered), names(&failed));
    delivered.retain(|name| !failed.contains(name));
    delivered
}

fn text(said: &Said<ReconcileRow>, manner: Manner) -> String {
    if manner.baseline {
        return "took a snapshot of the refs\n".into();
    }
    if manner.adopt {
        return "what waits here is told here: git webhook flush sends it, git webhook reconcile looks for more\n"
            .into();
    }
    match said.rows.as_slice() {
        [] => return String::new(),
        [row] if row.state == State::Baseline => {
            let rest = if manner.dry_run { "git webhook reconcile takes one" } else { "from now on there is" };
            return format!("there was no snapshot of the refs to compare with; {rest}\n");
        }
        _ => {}
    }
    let short = |id: &str| id.get(..12).unwrap_or(id).to_owned();
    let line = |row: &ReconcileRow| {
        let colour = if row.state == State::Delivered { Colour::Green } else { Colour::Yellow };
        (
            [ref_name::shown(&row.r#ref, &row.namespace), short(&row.old), short(&row.new), row.state.word().into()],
            colour,
        )
    };
    let rows: Vec<_> = said.rows.iter().map(line).collect();
    let mut text = lay_out(["REF", "OLD", "NEW", "STATE"], &rows, 3, Screen::of_this());
    let different = said.rows.iter().filter(|row| row.state == State::Different).count();
    if different > MOST_LOST && !manner.dry_run {
        text += &(message::too_many_lost(MOST_LOST) + "\n");
    }
    text
}
