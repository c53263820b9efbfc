//! `git webhook flush`: sends what waits and is due; what a timer runs.

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, Said, in_each_at_once};
use super::failure::{Failure, failure};
use super::mirror;
use super::output::{Reach, Row, tell, tell_each};
use super::place::Place;
use super::progress::with_progress;
use super::table::moment;
use super::targets;
use super::terminal;
use crate::message;
use crate::outcome::Outcome;
use crate::overview::{self, TargetRow, TargetState as State, spelling};
use crate::process::{self, Environment};
use crate::text::sanitise;

/// From so much on progress is worth a line.
const MUCH: usize = 20;

/// What is to be done.
#[derive(Clone, Copy)]
pub(super) struct Wish<'w> {
    /// What waits is sent though its time has not come.
    pub(super) now: bool,
    /// Only what waits for this target.
    pub(super) only: Option<&'w str>,
    /// What moved without a hook is announced, whatever `webhook.reconcile` says.
    pub(super) reconcile: bool,
    /// Repositories in which nothing waits are told of too.
    pub(super) all: bool,
}

/// What became of one target's deliveries.
#[derive(Serialize, Deserialize)]
pub(super) struct FlushRow {
    target: String,
    delivered: usize,
    published: usize,
    failed: usize,
    waiting: usize,
    dead: usize,
    /// As in `git webhook status`.
    state: State,
    /// When the target is tried next, in seconds since 1970.
    #[serde(with = "spelling::time")]
    next: Option<i64>,
}

impl Row for FlushRow {
    const ROWS: &str = "targets";
}

const NOTHING: &str = "nothing waits";

/// Whether everything could be done; receivers that fail are no failure of ours.
pub(super) fn run(wish: Wish<'_>, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    let root = reach.root.as_deref();
    let much = if root.is_some() { usize::MAX } else { MUCH };
    let said = in_each_at_once(call, root, |place| flush(place, wish, call.environment, much))?;
    match wish.all {
        true => Ok(tell(call, reach.json, said, |said| match text(said) {
            none if none.is_empty() => format!("{NOTHING}\n"),
            text => text,
        })),
        false => Ok(tell_each(call, reach.json, said, NOTHING, text)),
    }
}

fn flush(
    place: &Place,
    Wish { now, only, reconcile, .. }: Wish<'_>,
    environment: &Environment,
    much: usize,
) -> Result<(Vec<FlushRow>, bool), Failure> {
    process::hold_back_signals();
    let configuration = &place.configuration;
    if let Some(name) = only {
        targets::usable(place, name)?;
    }
    let pipeline = place.pipeline();
    if let Some(why) = pipeline.displaced() {
        return failure(message::displaced(why));
    }
    let run = pipeline.run(None).at_once(now).only(only).probing(true);
    pipeline.spool.retry_stuck();
    let mut is_well = configuration.broken().next().is_none();
    for problem in configuration.broken().flat_map(|target| &target.problems) {
        terminal::error(problem);
    }
    let total = configuration.ready().map(|target| pipeline.spool.queue(&target.name).list().len()).sum();
    with_progress("flush", much, total, &run, || {
        if let Err(error) = pipeline.deliver_left(&run) {
            terminal::error(error);
            is_well = false;
        }
        // Whoever is down is told of when he is asked for something, and is no failure of ours.
        if let Err(why) = pipeline.draw_in_and_publish_again() {
            terminal::warning(why);
        }
        pipeline.tend(&run);
    });
    let mut announced = Vec::new();
    if only.is_none() && (reconcile || configuration.settings.reconcile) {
        match mirror::look(place, &pipeline, environment) {
            Ok(done) => announced = done,
            Err(why) => {
                terminal::error(why);
                is_well = false;
            }
        }
    }
    pipeline.expire(&run);
    pipeline.raise_alarm();
    pipeline.prune();
    is_well &= run.is_safe() && pipeline.spool.stuck().is_empty();
    let done: Vec<_> = run.take_done().into_iter().chain(announced).collect();
    let row = |row: TargetRow| {
        let of_target = || done.iter().filter(|done| pipeline.targets[done.target].name == *row.target);
        FlushRow {
            delivered: of_target().filter(|done| matches!(done.outcome, Outcome::Delivered { .. })).count(),
            published: of_target().filter(|done| matches!(done.outcome, Outcome::Published { .. })).count(),
            failed: of_target().filter(|done| was_tried(&done.outcome)).count(),
            target: row.target,
            waiting: row.waiting,
            dead: row.dead,
            state: row.state,
            next: row.next,
        }
    };
    // Dead letters of a target that is no more wait for nothing.
    let is_shown = |row: &TargetRow| {
        only.is_none_or(|name| row.target == name) && (row.state != State::Removed || row.waiting > 0)
    };
    let rows = overview::targets(&pipeline).into_iter().filter(is_shown).map(row).collect();
    Ok((rows, is_well))
}

fn was_tried(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(failure) if failure.kind.was_tried())
}

fn text(said: &Said<FlushRow>) -> String {
    let line = |row: &FlushRow| {
        let mut parts = Vec::new();
        if row.delivered > 0 {
            parts.push(format!("{} delivered", row.delivered));
        }
        if row.published > 0 {
            parts.push(format!("{} published", row.published));
        }
        if row.failed > 0 {
            parts.push(format!("{} failed", row.failed));
        }
        if row.waiting > 0 {
            let next = match (row.state, row.next) {
                (State::Ok | State::Failing, Some(next)) => format!(" (next at {})", moment(next)),
                (State::Ok | State::Failing, None) => String::new(),
                (state, _) => format!(" ({state})"),
            };
            parts.push(format!("{} waiting{next}", row.waiting));
        }
        if row.dead > 0 {
            parts.push(format!("{} dead", row.dead));
        }
        let name = if row.target.is_empty() { "(all)".into() } else { sanitise(&row.target) };
        (!parts.is_empty()).then(|| format!("{name}: {}\n", parts.join(", ")))
    };
    said.rows.iter().filter_map(line).collect()
}
