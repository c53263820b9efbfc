//! How each target stands, those that are wrong and those that are configured no more too.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::pushes::{self, PushState, WaitingPush};
use super::spelling;
use crate::config::Configured;
use crate::message;
use crate::pipeline::Pipeline;
use crate::process;
use crate::schedule::{Backoff, Queued};
use crate::spool::{DeadCount, Queue};
use crate::target::{Switch, Target, TargetName};

/// How a target stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// Nothing is known against it.
    Ok,
    /// Something waits that failed, or the target did not answer last time.
    Failing,
    /// It answered 410.
    Parked,
    /// Switched off by somebody.
    Disabled,
    /// Switched off by the repository, to which its owner leaves it.
    OffByRepository,
    /// Not configured rightly, or something waits that its template fails for, or whose address is refused.
    Wrong,
    /// Pushes that are not told to any yet.
    Untold,
    /// Pushes whose events cannot be built, by a mistake of ours: they hold up nothing, and wait for a better program.
    Stuck,
    /// Configured no more.
    Removed,
    /// The repository was copied, moved or restored, and nobody has said yet what it is: nothing is sent but by pushes.
    Displaced,
    /// So many refs were rewound or deleted without a hook that the timer announces nothing before somebody has looked.
    Stopped,
    /// Not all there is of it could be read.
    Unknown,
}

impl fmt::Display for TargetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Parked => "parked",
            Self::Disabled => "disabled",
            Self::OffByRepository => message::switched_off_by_repository(),
            Self::Wrong => "wrong",
            Self::Untold => "untold",
            Self::Stuck => "stuck",
            Self::Removed => "removed",
            Self::Displaced => "displaced",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        })
    }
}

/// How one target stands; with an empty name, the pushes that are not told to any yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetRow {
    /// Its name.
    pub target: String,
    /// How it stands.
    pub state: TargetState,
    /// How many deliveries wait, and pushes that wait as a whole.
    pub waiting: usize,
    /// How many the broker has taken of which no last outcome has come.
    #[serde(default)]
    pub published: usize,
    /// Seconds since the oldest of all these happened.
    pub oldest: Option<i64>,
    /// When the target is tried again, in seconds since 1970.
    #[serde(with = "spelling::time")]
    pub next: Option<i64>,
    /// What somebody has to do for anything to be tried.
    pub waits_for: Option<String>,
    /// How many dead letters there are.
    pub dead: usize,
    /// How many of them nobody has seen.
    pub unseen: usize,
    /// How many bytes its receiver takes, where it has refused a larger body of late (413).
    #[serde(default)]
    pub max_body: Option<usize>,
}

impl TargetRow {
    /// Of one for which nothing waits.
    pub(crate) fn new(target: String, state: TargetState) -> Self {
        Self {
            target,
            state,
            waiting: 0,
            published: 0,
            oldest: None,
            next: None,
            waits_for: None,
            dead: 0,
            unseen: 0,
            max_body: None,
        }
    }
}

/// How the targets stand.
pub fn all(pipeline: &Pipeline<'_>) -> Vec<TargetRow> {
    let pushes = pushes::all(pipeline);
    let mut dead = pipeline.spool.dead();
    let mut rows = Vec::new();
    for target in &pipeline.configuration.targets {
        let queue = pipeline.spool.queue(target.name());
        let queued = queue.list();
        let (state, next) = match target {
            Configured::Ready(target) => standing(target, queue.backoff(), &queued),
            Configured::Broken(target) if !target.switch.is_on() => (TargetState::Disabled, None),
            Configured::Broken(_) => (TargetState::Wrong, None),
        };
        rows.push(row(target.name().to_string(), state, next, (&queue, &queued), &pushes, &mut dead));
    }
    for (wanted, state) in [(PushState::Untold, TargetState::Untold), (PushState::Stuck, TargetState::Stuck)] {
        let times: Vec<_> = pushes.iter().filter(|push| push.state == wanted).map(|push| push.receipt.time).collect();
        if let Some(oldest) = times.iter().min() {
            let (waiting, oldest) = (times.len(), Some(age(*oldest)));
            rows.push(TargetRow { waiting, oldest, ..TargetRow::new(String::new(), state) });
        }
    }
    if pipeline.displaced().is_some() {
        let waits_for = Some(message::waits_for_reconcile().into());
        rows.push(TargetRow { waits_for, ..TargetRow::new(String::new(), TargetState::Displaced) });
    }
    // What cannot be read is noted where it is read.
    if pipeline.spool.looks().is_ok_and(|looks| looks.stopped.is_some()) {
        let waits_for = Some(message::waits_for_all().into());
        rows.push(TargetRow { waits_for, ..TargetRow::new(String::new(), TargetState::Stopped) });
    }
    let known = pipeline.known_queues();
    let directories = [pipeline.spool.queues(), pipeline.spool.deferred(), pipeline.spool.published()].concat();
    let directories: BTreeSet<_> = directories.into_iter().filter(|directory| !known.contains(directory)).collect();
    for directory in directories {
        let queue = pipeline.spool.queue_in(&directory);
        let queued = queue.list();
        let name = shown(&directory, &pushes);
        let row = row(name, TargetState::Removed, None, (&queue, &queued), &pushes, &mut dead);
        rows.extend((row.waiting + row.published + row.dead > 0).then_some(row));
    }
    // Of targets that are no more, and records that could not be read.
    rows.extend(dead.into_iter().map(|DeadCount { directory, count, unseen }| TargetRow {
        dead: count,
        unseen,
        ..TargetRow::new(shown(&directory, &pushes), TargetState::Removed)
    }));
    rows
}

fn row(
    target: String,
    state: TargetState,
    next: Option<i64>,
    (queue, queued): (&Queue, &[Queued]),
    pushes: &[WaitingPush],
    dead: &mut Vec<DeadCount>,
) -> TargetRow {
    let directory = queue.directory_name();
    let deferred = pushes
        .iter()
        .filter(|push| matches!(&push.state, PushState::Deferred(target) if target.directory() == directory));
    let times: Vec<_> = deferred.map(|push| push.receipt.time).collect();
    let first = queued.iter().find_map(|queued| Some(queue.load(queued).ok()?.0.time));
    let published = queue.published();
    // Where a worker told so, the file's name has how often it tried.
    let is_failing = state == TargetState::Ok && published.iter().any(|published| published.schedule.ambiguous > 0);
    let state = if is_failing { TargetState::Failing } else { state };
    let first_published = published.iter().find_map(|published| Some(queue.load_published(published).ok()?.0.time));
    let (dead, unseen) = take(dead, &directory);
    let limit = queue.backoff().body_limit.filter(|limit| limit.until > process::now());
    let waits_for = (state == TargetState::Parked).then(|| message::waits_for_enable(&target));
    TargetRow {
        waits_for,
        target,
        state,
        waiting: queued.len() + times.len(),
        published: published.len(),
        oldest: times.iter().copied().chain(first).chain(first_published).min().map(age),
        next,
        dead,
        unseen,
        max_body: limit.map(|limit| limit.bytes),
    }
}

/// How a target that is configured rightly stands, and when it is tried next, in seconds since 1970.
///
/// A target may take one delivery and refuse another: it is failing for as long as something waits that failed.
fn standing(target: &Target, backoff: Backoff, queue: &[Queued]) -> (TargetState, Option<i64>) {
    match target.switch {
        Switch::On => {}
        Switch::Off => return (TargetState::Disabled, None),
        Switch::OffByRepository => return (TargetState::OffByRepository, None),
    }
    if backoff.parked {
        return (TargetState::Parked, None);
    }
    // One that came to no request for what is configured here has no attempt, and a time all the same.
    let tried =
        queue.iter().map(|queued| queued.schedule).filter(|schedule| schedule.attempts > 0 || schedule.next > 0);
    if target.recipe.is_some() && tried.clone().any(|schedule| schedule.attempts == 0) {
        return (TargetState::Wrong, tried.map(|schedule| schedule.next).min());
    }
    let due = tried.filter(|schedule| !schedule.is_held()).map(|schedule| schedule.next).min();
    let until = (backoff.failures > 0).then_some(backoff.until);
    // Neither counts before the other: a delivery has its own time, and the target has one.
    let next = due.max(until);
    (if next.is_some() { TargetState::Failing } else { TargetState::Ok }, next)
}

/// Takes the numbers of dead letters from one queue out of all of them: all, and those that nobody has seen.
fn take(dead: &mut Vec<DeadCount>, directory: &str) -> (usize, usize) {
    let at = dead.iter().position(|dead| dead.directory == directory);
    at.map_or((0, 0), |at| {
        let DeadCount { count, unseen, .. } = dead.remove(at);
        (count, unseen)
    })
}

/// Seconds since then.
fn age(time: i64) -> i64 {
    (process::now() - time).max(0)
}

/// The name of a target by that of its directory, as far as a push tells it: a wrong name has another directory.
fn shown(directory: &str, pushes: &[WaitingPush]) -> String {
    let name = pushes.iter().find_map(|push| push.state.target().filter(|name| name.directory() == directory));
    name.map_or_else(|| directory.into(), TargetName::to_string)
}
