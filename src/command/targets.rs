//! The targets of a repository: which there are, and how each stands.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::failure::{Failure, failure};
use super::place::Place;
use crate::config::{Configured, Entry};
use crate::process;
use crate::schedule::{Backoff, Queued};
use crate::spool::Queue;
use crate::target::Target;

/// How a target stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Failing,
    /// It answered 410.
    Parked,
    /// Switched off by somebody.
    Disabled,
    /// Not configured rightly.
    Wrong,
    /// Pushes that are not told to any yet.
    Untold,
    /// Pushes whose events cannot be built, by a mistake of ours: they hold up nothing, and wait for a better program.
    Stuck,
    /// Configured no more.
    Removed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Parked => "parked",
            Self::Disabled => "disabled",
            Self::Wrong => "wrong",
            Self::Untold => "untold",
            Self::Stuck => "stuck",
            Self::Removed => "removed",
        })
    }
}

/// Fails where no target is configured by this name, be it rightly or not.
pub(super) fn known(place: &Place, name: &str) -> Result<(), Failure> {
    find(place, name).map(drop)
}

/// The target of this name, rightly configured or not.
pub(super) fn find<'a>(place: &'a Place, name: &str) -> Result<&'a Configured, Failure> {
    place.configuration.find(name).ok_or_else(|| unknown(place, name))
}

/// What every verb says of a target that is not there.
pub(super) fn unknown(place: &Place, name: &str) -> Failure {
    let others = place.configuration.names().map(ToString::to_string).collect();
    Failure::NoTarget { name: name.into(), others }
}

/// The files of secrets that an entry names: one with its spaces, or several keys to sign with.
pub(super) fn secret_files(entry: &Entry) -> Vec<String> {
    let text = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default());
    match (entry.section, entry.key.as_str()) {
        ("webhook", "secretfile") => vec![text.into_owned()],
        ("webhook", "signingsecretfile") => text.split_whitespace().map(String::from).collect(),
        _ => Vec::new(),
    }
}

/// The target of this name, if it can be used.
pub(super) fn usable<'a>(place: &'a Place, name: &str) -> Result<&'a Target, Failure> {
    match find(place, name)? {
        Configured::Ready(target) => Ok(target),
        Configured::Broken(broken) => {
            let problems: Vec<_> = broken.problems.iter().map(ToString::to_string).collect();
            failure(problems.join("; "))
        }
    }
}

/// How one target stands; with an empty name, the pushes that are not told to any yet.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) target: String,
    pub(super) state: State,
    pub(super) waiting: usize,
    /// Seconds since the oldest of them happened.
    pub(super) oldest: Option<i64>,
    /// When the target is tried again, in seconds since 1970.
    pub(super) next: Option<i64>,
    pub(super) dead: usize,
}

/// How the targets of one repository stand.
pub(super) fn rows(place: &Place) -> Vec<Row> {
    let configuration = &place.configuration;
    let pipeline = place.pipeline();
    let mut dead = pipeline.spool.dead();
    let mut rows = Vec::new();
    for target in &configuration.targets {
        let queue = pipeline.spool.queue(target.name());
        let names = queue.list();
        let (state, next) = match target {
            Configured::Ready(target) => state(target.enabled, queue.backoff(), &names),
            Configured::Broken(_) => (State::Wrong, None),
        };
        rows.push(Row {
            target: target.name().to_string(),
            state,
            waiting: names.len() + queue.deferred_count(),
            oldest: oldest(&queue, &names),
            next,
            dead: take(&mut dead, &queue.directory_name()),
        });
    }
    let mut pushes: Vec<_> = pipeline.spool.receipts(&HashSet::new()).into_iter().map(|(_, receipt)| receipt).collect();
    pushes.extend(pipeline.spool.abandoned());
    for (state, pushes) in [(State::Untold, pushes), (State::Stuck, pipeline.spool.stuck())] {
        if !pushes.is_empty() {
            rows.push(Row {
                target: String::new(),
                state,
                waiting: pushes.len(),
                oldest: pushes.iter().map(|push| (process::now() - push.time).max(0)).max(),
                next: None,
                dead: 0,
            });
        }
    }
    let known = pipeline.known_queues();
    for directory in pipeline.spool.queues().into_iter().filter(|directory| !known.contains(directory)) {
        let queue = pipeline.spool.queue_in(&directory);
        let names = queue.list();
        if !names.is_empty() {
            let dead = take(&mut dead, &directory);
            rows.push(Row {
                target: directory,
                state: State::Removed,
                waiting: names.len(),
                oldest: oldest(&queue, &names),
                next: None,
                dead,
            });
        }
    }
    // Of targets that are no more, and records that could not be read.
    rows.extend(dead.into_iter().map(|(directory, dead)| Row {
        target: directory,
        state: State::Removed,
        waiting: 0,
        oldest: None,
        next: None,
        dead,
    }));
    rows
}

/// How a target that is configured rightly stands, and when it is tried next, in seconds since 1970.
///
/// A target may take one delivery and refuse another: it is failing for as long as something waits that failed.
pub(super) fn state(enabled: bool, backoff: Backoff, queue: &[Queued]) -> (State, Option<i64>) {
    if !enabled {
        return (State::Disabled, None);
    }
    if backoff.parked {
        return (State::Parked, None);
    }
    let tried = queue.iter().map(|queued| queued.schedule).filter(|schedule| schedule.attempts > 0);
    let due = tried.map(|schedule| schedule.next).min();
    let until = (backoff.failures > 0).then_some(backoff.until);
    // Neither counts before the other: a delivery has its own time, and the target has one.
    let next = due.max(until);
    (if next.is_some() { State::Failing } else { State::Ok }, next)
}

/// Takes the number of what was set aside from one queue out of all of them.
fn take(dead: &mut Vec<(String, usize)>, directory: &str) -> usize {
    let at = dead.iter().position(|(name, _)| name == directory);
    at.map_or(0, |at| dead.remove(at).1)
}

/// Seconds since the event of the first record happened.
fn oldest(queue: &Queue, names: &[Queued]) -> Option<i64> {
    let queued = names.iter().find_map(|queued| Some(queue.load(queued).ok()?.0.time));
    let deferred = queue.deferred().first().map(|deferred| deferred.receipt.time);
    let time = queued.into_iter().chain(deferred).min()?;
    Some((process::now() - time).max(0))
}
