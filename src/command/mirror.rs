//! What a timer announces: what moved the refs without a hook, once two looks have shown it.

use super::differences::{self, Differences, MOST_LOST};
use super::failure::Failure;
use super::place::Place;
use super::reconcile;
use super::terminal;
use crate::dispatch::Done;
use crate::message;
use crate::pipeline::Pipeline;
use crate::process::{self, Environment};
use crate::ref_update::RefUpdate;
use crate::repository;
use crate::spool::Looks;

/// How long a ref has to be seen where it is, in seconds: what is younger may be a push whose hook is on its way, or a fetch
/// that goes on.
const APART: i64 = 60;

/// Where more than this part of all refs were rewound or deleted, they are too many as well.
const LEAST_PART: usize = 10;

/// After so many seconds all refs are read, whatever their files show: somebody may have written into one by hand.
const LOOKED_AT_EACH: i64 = 3600;

/// Looks at the refs, and announces what the look before showed too. Returns what was done.
///
/// # Errors
/// Where refs, state or objects cannot be read, or what is to be kept cannot be written.
pub(super) fn look(place: &Place, pipeline: &Pipeline<'_>, environment: &Environment) -> Result<Vec<Done>, Failure> {
    let path = || pipeline.spool.state().root().path().join("looks").display().to_string();
    let mut looks = pipeline.spool.looks().map_err(|why| Failure::new(message::bad_looks(path(), why)))?;
    // Before the refs: what moves between the two is seen by the next look.
    let (known_by, is_settled) = known_by(place, pipeline);
    let is_known = |(known, at): &(String, i64)| {
        known_by.as_ref() == Some(known) && (0..LOOKED_AT_EACH).contains(&(process::now() - at))
    };
    if looks.unmoved.as_ref().is_some_and(is_known) {
        return Ok(Vec::new());
    }
    let Some(mut found) = differences::differences(place, pipeline)? else {
        differences::take_snapshot(place, pipeline)?;
        return Ok(Vec::new());
    };
    let before = looks.clone();
    looks.see(found.updates());
    // What is under way is left out of what was found.
    let is_quiet = found.is_empty() && !found.is_changed && looks.stopped.is_none() && !pipeline.spool.has_intents();
    looks.unmoved = known_by.filter(|_| is_quiet && is_settled).map(|known| (known, process::now()));
    if looks.stopped.is_none() && !found.is_empty() {
        looks.stopped = too_many_lost(place, &found)?;
        if let Some(lost) = looks.stopped {
            terminal::warning(message::timer_stopped(lost));
        }
    }
    if looks != before {
        keep(pipeline, &looks)?;
    }
    if looks.stopped.is_some() {
        return Ok(Vec::new());
    }
    let steps = found.steps.len();
    found.retain(|update| looks.age(update) >= APART);
    found.are_steps_left |= found.steps.len() < steps;
    let done = match found.is_empty() {
        true => Vec::new(),
        false => reconcile::announce(place, pipeline, &found, environment)?,
    };
    if !found.are_steps_left && (found.is_changed || !found.is_empty()) {
        pipeline.spool.set_snapshot(&found.snapshot).map_err(|error| Failure::new(error.to_string()))?;
    }
    Ok(done)
}

/// By what it is known that nothing moves: the files with the refs, the number of the last push, and who wants what. With it,
/// whether the files have been left alone for so long that any change will show.
fn known_by(place: &Place, pipeline: &Pipeline<'_>) -> (Option<String>, bool) {
    let Some(data) = repository::stat_data(&place.common_dir, place.configuration.layout) else { return (None, false) };
    let asked = serde_json::to_vec(&differences::asked(place)).unwrap_or_default();
    let sequence = pipeline.spool.last_sequence().to_le_bytes();
    (Some(data.digest(&[&sequence[..], &asked].concat())), data.is_settled(process::now()))
}

fn keep(pipeline: &Pipeline<'_>, looks: &Looks) -> Result<(), Failure> {
    pipeline.spool.set_looks(looks).map_err(|error| Failure::new(error.to_string()))
}

fn too_many_lost(place: &Place, found: &Differences) -> Result<Option<usize>, Failure> {
    let lost = found.lost(place)?;
    let is_much = lost > MOST_LOST || lost * LEAST_PART > found.snapshot.refs.len();
    Ok(is_much.then_some(lost))
}

impl Differences {
    fn retain(&mut self, is_ripe: impl Fn(&RefUpdate) -> bool) {
        self.partly.retain(|line| is_ripe(&line.update));
        self.untold.retain(&is_ripe);
        self.steps.retain(|step| is_ripe(&step.update));
    }
}
