//! `git webhook flush`: sends what waits and is due; what a timer runs.

use std::collections::HashSet;
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::owner::{Said, heading, in_each, print, print_json};
use super::place::Place;
use super::status;
use super::table::moment;
use super::{Failure, failure};
use crate::delivery::Outcome;
use crate::dispatch::Run;
use crate::message;
use crate::process::{self, Environment};
use crate::text::sanitise;

/// From so much on progress is worth a line.
const MUCH: usize = 20;

/// What became of one target's deliveries.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    target: String,
    delivered: usize,
    failed: usize,
    waiting: usize,
    dead: usize,
    /// As in `git webhook status`.
    state: String,
    /// When the target is tried next, in seconds since 1970.
    next: Option<i64>,
}

/// Whether everything could be done; receivers that fail are no failure of ours.
pub(super) fn run(
    now: bool,
    target: Option<&str>,
    json: bool,
    root: Option<&Path>,
    environment: &Environment,
) -> Result<bool, Failure> {
    let mut arguments = vec!["flush"];
    if now {
        arguments.push("--now");
    }
    if let Some(target) = target {
        arguments.extend(["--target", target]);
    }
    let said = in_each(root, &arguments, environment, |place| flush(place, now, target))?;
    if json {
        print_json(&said);
    } else {
        said.iter().for_each(|said| print(&(heading(said) + &text(said))));
    }
    Ok(said.iter().all(|said| said.is_well))
}

fn flush(place: &Place, now: bool, only: Option<&str>) -> Result<(Vec<Row>, bool), Failure> {
    process::hold_back_signals();
    let configuration = &place.configuration;
    if let Some(name) = only
        && !configuration.targets.iter().any(|target| target.name == name)
    {
        return failure(message::no_usable_target(name));
    }
    let post = place.post();
    let run = post.run(None).at_once(now).only(only);
    let jobs = post.take_over(&HashSet::new());
    let mut is_well = configuration.broken.is_empty();
    for problem in configuration.broken.iter().flat_map(|target| &target.problems) {
        eprintln!("error: {}", sanitise(&problem.to_string()));
    }
    let total = configuration.targets.iter().map(|target| post.spool.queue(&target.name).list().len()).sum();
    with_progress("flush", MUCH, total, &run, || {
        if let Err(error) = post.deliver(&run, jobs) {
            eprintln!("error: {}", sanitise(&error.to_string()));
            is_well = false;
        }
        post.tend(&run);
    });
    post.expire(&run);
    post.prune();
    is_well &= run.is_safe();
    let done = run.take_done();
    let dead = post.spool.dead();
    let row = |(at, target): (usize, &crate::target::Target)| {
        let of_target = || done.iter().filter(|done| done.target == at);
        let delivered = of_target().filter(|done| matches!(done.outcome, Outcome::Delivered { .. })).count();
        let queue = post.spool.queue(&target.name);
        let names = queue.list();
        let (state, next) = status::state(target.enabled, queue.rest(), &names);
        Row {
            target: target.name.clone(),
            delivered,
            failed: of_target().filter(|done| was_tried(&done.outcome)).count(),
            waiting: names.len(),
            dead: dead.iter().find(|(name, _)| *name == target.name).map_or(0, |(_, count)| *count),
            state: state.into(),
            next,
        }
    };
    let targets = configuration.targets.iter().enumerate();
    Ok((targets.filter(|(_, target)| only.is_none_or(|name| target.name == name)).map(row).collect(), is_well))
}

fn was_tried(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(failure) if failure.kind.was_tried())
}

/// Runs `work` and tells how far it is, on a terminal, where there is much to do.
pub(super) fn with_progress(verb: &str, much: usize, total: usize, run: &Run<'_>, work: impl FnOnce()) {
    if total < much || !stderr().is_terminal() {
        return work();
    }
    thread::scope(|scope| {
        let (end, is_over) = mpsc::channel::<()>();
        let show = move || {
            // It ends when the sender is dropped.
            while is_over.recv_timeout(Duration::from_millis(200)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = write!(stderr(), "\r{verb}: {} of {total} tried", run.progress().min(total));
            }
            let _ = write!(stderr(), "\r\x1b[K");
        };
        // Without a thread there is no progress to be seen, and no harm.
        drop(thread::Builder::new().spawn_scoped(scope, show));
        work();
        drop(end);
    });
}

fn text(said: &Said<Row>) -> String {
    let line = |row: &Row| {
        let mut parts = Vec::new();
        if row.delivered > 0 {
            parts.push(format!("{} delivered", row.delivered));
        }
        if row.failed > 0 {
            parts.push(format!("{} failed", row.failed));
        }
        if row.waiting > 0 {
            let next = match (row.state.as_str(), row.next) {
                ("disabled" | "parked", _) => format!(" ({})", row.state),
                (_, Some(next)) => format!(" (next at {})", moment(next)),
                _ => String::new(),
            };
            parts.push(format!("{} waiting{next}", row.waiting));
        }
        if row.dead > 0 {
            parts.push(format!("{} set aside", row.dead));
        }
        (!parts.is_empty()).then(|| format!("{}: {}\n", sanitise(&row.target), parts.join(", ")))
    };
    let lines: String = said.rows.iter().filter_map(line).collect();
    if lines.is_empty() { "nothing waits\n".into() } else { lines }
}
