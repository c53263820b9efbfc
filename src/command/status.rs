//! `git webhook status`: what waits, for how long and for whom; what a monitoring system asks.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Failure;
use super::owner::{Said, heading, in_each, print, print_json};
use super::place::Place;
use super::table::{Colour, in_colour, lay_out, length};
use crate::config::Configured;
use crate::process::{self, Environment};
use crate::schedule::{Backoff, Queued};
use crate::spool::Queue;

/// How one target stands; with an empty name, the pushes that are not told to any yet.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) target: String,
    pub(super) state: String,
    pub(super) waiting: usize,
    /// Seconds since the oldest of them happened.
    pub(super) oldest: Option<i64>,
    /// When the target is tried again, in seconds since 1970.
    next: Option<i64>,
    pub(super) dead: usize,
}

/// Whether nothing has waited for longer than `max_age`.
pub(super) fn run(limit: i64, json: bool, root: Option<&Path>, environment: &Environment) -> Result<bool, Failure> {
    let max_age = limit.to_string();
    let said = in_each(root, &["status", "--max-age", &max_age], environment, |place| {
        let rows = rows(place);
        let is_well = rows.iter().all(|row| row.oldest.is_none_or(|oldest| oldest <= limit));
        Ok((rows, is_well))
    })?;
    if json {
        print_json(&said);
    } else {
        said.iter().for_each(|said| print(&(heading(said) + &text(said, limit))));
    }
    Ok(said.iter().all(|said| said.is_well))
}

/// How the targets of one repository stand.
pub(super) fn rows(place: &Place) -> Vec<Row> {
    let configuration = &place.configuration;
    let post = place.post();
    let mut dead = post.spool.dead();
    let mut rows = Vec::new();
    for target in &configuration.targets {
        let queue = post.spool.queue(target.name());
        let names = queue.list();
        let (state, next) = match target {
            Configured::Ready(target) => state(target.enabled, queue.backoff(), &names),
            Configured::Broken(_) => ("wrong", None),
        };
        rows.push(Row {
            target: target.name().to_string(),
            state: state.into(),
            waiting: names.len() + queue.deferred_count(),
            oldest: oldest(&queue, &names),
            next,
            dead: take(&mut dead, &queue.directory_name()),
        });
    }
    let mut pushes: Vec<_> = post.spool.receipts(&HashSet::new()).into_iter().map(|(_, receipt)| receipt).collect();
    pushes.extend(post.spool.abandoned());
    if !pushes.is_empty() {
        rows.push(Row {
            target: String::new(),
            state: "untold".into(),
            waiting: pushes.len(),
            oldest: pushes.iter().map(|push| (process::now() - push.time).max(0)).max(),
            next: None,
            dead: 0,
        });
    }
    let known = post.known_queues();
    for directory in post.spool.queues().into_iter().filter(|directory| !known.contains(directory)) {
        let queue = post.spool.queue_in(&directory);
        let names = queue.list();
        if !names.is_empty() {
            let dead = take(&mut dead, &directory);
            rows.push(Row {
                target: directory,
                state: "removed".into(),
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
        state: "removed".into(),
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
pub(super) fn state(enabled: bool, backoff: Backoff, queue: &[Queued]) -> (&'static str, Option<i64>) {
    if !enabled {
        return ("disabled", None);
    }
    if backoff.parked {
        return ("parked", None);
    }
    let tried = queue.iter().map(|queued| queued.schedule).filter(|schedule| schedule.attempts > 0);
    let due = tried.map(|schedule| schedule.next).min();
    let until = (backoff.failures > 0).then_some(backoff.until);
    // Neither counts before the other: a delivery has its own time, and the target has one.
    let next = due.max(until);
    (if next.is_some() { "failing" } else { "ok" }, next)
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

fn text(said: &Said<Row>, limit: i64) -> String {
    let now = process::now();
    let line = |row: &Row| {
        let colour = match row.state.as_str() {
            "ok" | "disabled" => Colour::None,
            "failing" if row.oldest.is_none_or(|oldest| oldest <= limit) => Colour::Yellow,
            _ => Colour::Red,
        };
        let name = if row.target.is_empty() { "(all)".into() } else { row.target.clone() };
        let oldest = row.oldest.map(length).unwrap_or_default();
        let next = match row.next {
            Some(next) if next > now => format!("in {}", length(next - now)),
            Some(_) => "due".into(),
            None => String::new(),
        };
        ([name, row.state.clone(), row.waiting.to_string(), oldest, next, row.dead.to_string()], colour)
    };
    if said.rows.is_empty() {
        return "no targets\n".into();
    }
    let rows: Vec<_> = said.rows.iter().map(line).collect();
    lay_out(["TARGET", "STATE", "WAITING", "OLDEST", "NEXT TRY", "SET ASIDE"], &rows, 1, in_colour())
}
