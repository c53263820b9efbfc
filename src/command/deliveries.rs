//! Every delivery there is a trace of: what `log`, `show` and `redeliver` choose from.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::failure::{Failure, failure};
use super::place::Place;
use super::table::length;
use crate::history::{self, Entry, State};
use crate::message;

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

/// Every delivery there is a trace of, newest first.
pub(super) fn rows(place: &Place) -> Vec<Row> {
    let pipeline = place.pipeline();
    let mut rows: HashMap<Uuid, Row> = HashMap::new();
    for day in pipeline.history.days() {
        for entry in pipeline.history.entries(&day) {
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
        let queue = pipeline.spool.queue(target);
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
    for (id, target, waiting) in pipeline.spool.set_aside(|id| !rows.contains_key(&id)) {
        rows.insert(id, Row { state: State::Dead, ..Row::untried(id, &target, &waiting) });
    }
    let dead = pipeline.spool.dead_ids();
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
    fn untried(id: Uuid, target: &str, waiting: &crate::spool::QueuedDelivery) -> Self {
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
    pub(super) fn answer(&self, now: i64) -> String {
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

/// The delivery whose id begins so.
pub(super) fn find<'a>(rows: &'a [Row], id: &str) -> Result<&'a Row, Failure> {
    if id.len() < 4 {
        return failure(message::short_id(id));
    }
    let found: Vec<_> = rows.iter().filter(|row| row.id.to_string().starts_with(&id.to_lowercase())).collect();
    match found.as_slice() {
        [] => failure(message::no_such_delivery(id)),
        [row] => Ok(row),
        rows => {
            let ids: Vec<_> = rows.iter().take(5).map(|row| row.id.to_string()).collect();
            failure(message::several_deliveries(id, ids.join(", ")))
        }
    }
}
