//! `git webhook log`: each delivery and what came of it, newest first.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Failure;
use super::owner::{Said, heading, in_each, print, print_json};
use super::place::Place;
use super::table::{Colour, in_colour, lay_out, length, moment};
use crate::history::{self, Entry, State};
use crate::process::{self, Environment};

/// Which deliveries to show.
#[derive(clap::Args)]
pub(super) struct Filter {
    /// Only those of this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only those that are in this state
    #[arg(long, value_enum)]
    state: Option<StateName>,
    /// Only those of the last so many s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = super::seconds)]
    since: Option<i64>,
    /// At most so many, the newest [default: 50 on a terminal, else all]
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// The states a person asks for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateName {
    Delivered,
    Waiting,
    Dead,
}

/// One delivery.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) target: String,
    pub(super) event: String,
    pub(super) format: String,
    pub(super) r#ref: String,
    pub(super) state: State,
    /// When it was tried last; of one that never was, when the event happened.
    pub(super) time: String,
    pub(super) attempts: u32,
    pub(super) status: Option<u16>,
    pub(super) ms: Option<u64>,
    pub(super) reason: Option<String>,
    pub(super) next: Option<i64>,
    pub(super) event_id: Uuid,
    pub(super) old: String,
    pub(super) new: String,
}

pub(super) fn run(
    filter: &Filter,
    json: bool,
    root: Option<&Path>,
    environment: &Environment,
) -> Result<bool, Failure> {
    let since = filter.since.map(|seconds| process::now().saturating_sub(seconds));
    let is_table = !json && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let limit = filter.limit.unwrap_or(if is_table { 50 } else { usize::MAX });
    // The owner's process shows all there is; it is filtered here.
    let said = in_each(root, &["log"], environment, |place| Ok((rows(place), true)))?;
    let chosen: Vec<_> = said.into_iter().map(|said| choose(said, filter, since, limit)).collect();
    if json {
        print_json(&chosen);
    } else {
        chosen.iter().for_each(|said| print(&(heading(said) + &text(said))));
    }
    Ok(chosen.iter().all(|said| said.is_well))
}

fn choose(mut said: Said<Row>, filter: &Filter, since: Option<i64>, limit: usize) -> Said<Row> {
    let since = since.map(history::timestamp_of).unwrap_or_default();
    let is_state = |state: State| match filter.state {
        None => true,
        Some(StateName::Delivered) => state == State::Delivered,
        Some(StateName::Waiting) => state == State::Waiting,
        Some(StateName::Dead) => state == State::Dead,
    };
    said.rows.retain(|row| {
        filter.target.as_ref().is_none_or(|name| row.target == *name) && is_state(row.state) && row.time >= since
    });
    said.rows.truncate(limit);
    said
}

/// Every delivery there is a trace of, newest first.
pub(super) fn rows(place: &Place) -> Vec<Row> {
    let post = place.post();
    let mut rows: HashMap<Uuid, Row> = HashMap::new();
    for day in post.history.days() {
        for entry in post.history.entries(&day) {
            let row = Row::from(entry);
            // Files are in the order of days, which is not that of time where the clock was set back.
            rows.entry(row.id)
                .and_modify(|known| {
                    if row.attempts >= known.attempts {
                        *known = row.clone();
                    }
                })
                .or_insert_with(|| row.clone());
        }
    }
    let mut queued = HashSet::new();
    for target in place.configuration.names() {
        let queue = post.spool.queue(target);
        for waits in queue.list() {
            let id = waits.key.id;
            queued.insert(id);
            if !rows.contains_key(&id)
                && let Ok((waiting, _)) = queue.load(&waits)
            {
                rows.insert(id, Row::untried(id, target.as_str(), &waiting));
            }
        }
    }
    // Given up or buried before it was tried, it has no line in the log.
    for (id, target, waiting) in post.spool.set_aside(|id| !rows.contains_key(&id)) {
        rows.insert(id, Row { state: State::Dead, ..Row::untried(id, &target, &waiting) });
    }
    let dead = post.spool.dead_ids();
    for row in rows.values_mut().filter(|row| row.state == State::Waiting && !queued.contains(&row.id)) {
        if dead.contains(&row.id) {
            (row.state, row.next) = (State::Dead, None);
        }
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by(|a, b| (&b.time, b.id).cmp(&(&a.time, a.id)));
    rows
}

impl From<Entry> for Row {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            target: entry.target,
            event: entry.event,
            format: entry.format,
            r#ref: entry.r#ref,
            state: entry.state,
            time: entry.time,
            attempts: entry.attempt,
            status: entry.status,
            ms: entry.ms,
            reason: entry.reason,
            next: entry.next,
            event_id: entry.event_id,
            old: entry.old,
            new: entry.new,
        }
    }
}

impl Row {
    fn untried(id: Uuid, target: &str, waiting: &crate::spool::Waiting) -> Self {
        Self {
            id,
            target: target.into(),
            event: waiting.event.clone(),
            format: waiting.format.clone(),
            r#ref: waiting.ref_text(),
            state: State::Waiting,
            time: history::timestamp_of(waiting.time),
            attempts: 0,
            status: None,
            ms: None,
            reason: None,
            next: None,
            event_id: waiting.line.event,
            old: waiting.line.update.before(),
            new: waiting.line.update.after(),
        }
    }

    /// What the receiver said, and what is next.
    fn answer(&self, now: i64) -> String {
        let said = match (&self.reason, self.status, self.ms) {
            (Some(reason), ..) => reason.clone(),
            (None, Some(status), Some(ms)) => format!("{status} in {ms} ms"),
            _ => "not tried yet".into(),
        };
        match self.next {
            Some(next) if next > now => format!("{said}; next in {}", length(next - now)),
            Some(_) => format!("{said}; due"),
            None => said,
        }
    }
}

fn text(said: &Said<Row>) -> String {
    if said.rows.is_empty() {
        return "no deliveries\n".into();
    }
    let now = process::now();
    let line = |row: &Row| {
        let colour = match row.state {
            State::Delivered => Colour::Green,
            State::Waiting => Colour::Yellow,
            State::Dead => Colour::Red,
        };
        let time =
            row.time.parse::<jiff::Timestamp>().map_or_else(|_| row.time.clone(), |time| moment(time.as_second()));
        let cells = [
            time,
            row.state.word().into(),
            row.target.clone(),
            row.r#ref.clone(),
            row.event.clone(),
            row.attempts.to_string(),
            row.id.to_string(),
            row.answer(now),
        ];
        (cells, colour)
    };
    let rows: Vec<_> = said.rows.iter().map(line).collect();
    lay_out(["TIME", "STATE", "TARGET", "REF", "EVENT", "TRIES", "ID", "ANSWER"], &rows, 1, in_colour())
}
