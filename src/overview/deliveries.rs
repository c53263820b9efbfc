//! Every delivery there is a trace of, and every ref update that waits for its target to be configured rightly.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::pushes::{self, PushState, WaitingPush};
use super::spelling;
use crate::config::Configured;
use crate::history::{self, Entry, State};
use crate::identifier;
use crate::message;
use crate::pipeline::{Pipeline, Withheld};
use crate::ref_name;
use crate::ref_update::{Namespace, RefEvent};
use crate::spool::QueuedDelivery;
use crate::target::{Switch, TargetName};

/// So many ids are looked for in the text of a line before it is read as JSON.
const FEW: usize = 8;

/// One delivery, or one ref update that has none yet since its target is not configured rightly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// The delivery's id; of an update that has none yet, one that stands for it until then.
    pub id: Uuid,
    /// The target's name.
    pub target: String,
    /// The forge's name of the event; `None` where the target has to say first what it wants.
    pub event: Option<String>,
    /// The format, in the same way.
    pub format: Option<String>,
    /// The ref, and how many more.
    pub r#ref: String,
    /// The namespace that it lies in; empty for none.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub namespace: String,
    /// No hook saw it: it was found in the refs afterwards.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub late: bool,
    /// Somebody tried the target out.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub test: bool,
    /// What is so of it.
    pub state: State,
    /// When it was tried last; of one that never was, when the event happened.
    pub time: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The last answer's status, where there was one.
    pub status: Option<u16>,
    /// Milliseconds to it, or to the attempt's end.
    #[serde(rename = "took", with = "spelling::duration")]
    pub ms: Option<u64>,
    /// Why it was not delivered.
    pub reason: Option<String>,
    /// When it is tried next, in seconds since 1970; `None` where it waits for somebody.
    #[serde(with = "spelling::time")]
    pub next: Option<i64>,
    /// What somebody has to do for it to be tried at all.
    pub waits_for: Option<String>,
    /// The event's id, the same for all targets.
    pub event_id: Uuid,
    /// Where the ref pointed before.
    pub old: String,
    /// Where it points since.
    pub new: String,
    /// The directory of the target; `None` where the log alone knows it, by what people are shown of its name.
    #[serde(skip)]
    directory: Option<String>,
}

/// Why one delivery could not be told from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// There is none.
    Unknown,
    /// There are several: the first of them.
    Several(Vec<Uuid>),
}

/// Which deliveries are asked for.
enum Wanted<'a> {
    All,
    /// Those whose id begins so.
    Beginning(&'a str),
    Ids(&'a HashSet<Uuid>),
}

impl Wanted<'_> {
    fn has(&self, id: Uuid) -> bool {
        match self {
            Self::All => true,
            Self::Beginning(start) => id.to_string().starts_with(start),
            Self::Ids(ids) => ids.contains(&id),
        }
    }

    /// The one whose whole id was given.
    fn only(&self) -> Option<Uuid> {
        match self {
            Self::Beginning(start) if start.len() == 36 => Uuid::try_parse(start).ok(),
            _ => None,
        }
    }

    /// One of these stands in every line of the log that tells of one: of a whole log few lines are of one delivery.
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Ids(ids) if ids.len() <= FEW => ids.iter().map(Uuid::to_string).collect(),
            Self::All | Self::Beginning(_) | Self::Ids(_) => Vec::new(),
        }
    }
}

/// All deliveries, newest first.
pub fn all(pipeline: &Pipeline<'_>) -> Vec<DeliveryRow> {
    rows(pipeline, &Wanted::All)
}

/// The newest `limit` of those that are wanted and were tried, or happened, at `since` in seconds since 1970 or later; newest first. Of
/// the log no more is read than that takes.
pub fn newest(
    pipeline: &Pipeline<'_>,
    limit: usize,
    since: Option<i64>,
    is_wanted: &dyn Fn(&DeliveryRow) -> bool,
) -> Vec<DeliveryRow> {
    // Some more than are asked for, since lines of one moment are in any order.
    let mut looked = limit.saturating_mul(2).max(64);
    // A clock may have been set back by less than a day.
    let first_day = since.map(|since| history::day_of(since.saturating_sub(86_400)));
    let since = since.map(history::timestamp_of);
    loop {
        let (tried, end) = tried_last(pipeline, looked, first_day.as_deref());
        let mut rows = complete(pipeline, &Wanted::All, tried, end.is_some().then_some(limit));
        rows.retain(|row| since.as_ref().is_none_or(|since| row.time >= *since) && is_wanted(row));
        // What came before the lines that were read is older than they are, or has not been looked at.
        let certain = end.as_ref().map_or(limit, |end| rows.iter().filter(|row| row.time >= *end).count());
        if certain >= limit {
            rows.truncate(limit);
            return rows;
        }
        looked = looked.saturating_mul(8);
    }
}

/// Those of these ids, newest first.
pub fn of_ids(pipeline: &Pipeline<'_>, ids: &HashSet<Uuid>) -> Vec<DeliveryRow> {
    rows(pipeline, &Wanted::Ids(ids))
}

/// The one whose id begins so.
///
/// # Errors
/// Where there is none, or more than one.
pub fn find(pipeline: &Pipeline<'_>, start: &str) -> Result<DeliveryRow, NotFound> {
    let mut found = rows(pipeline, &Wanted::Beginning(&start.to_lowercase()));
    match found.len() {
        0 | 1 => found.pop().ok_or(NotFound::Unknown),
        _ => Err(NotFound::Several(found.iter().take(5).map(|row| row.id).collect())),
    }
}

fn rows(pipeline: &Pipeline<'_>, wanted: &Wanted<'_>) -> Vec<DeliveryRow> {
    complete(pipeline, wanted, tried(pipeline, wanted), None)
}

/// Adds to those that the log tells of what only a queue or `dead` knows, and what is known there alone of all of them. `newest`: the log was not
/// read to its beginning, and of each queue so many are enough.
fn complete(
    pipeline: &Pipeline<'_>,
    wanted: &Wanted<'_>,
    mut rows: HashMap<Uuid, DeliveryRow>,
    newest: Option<usize>,
) -> Vec<DeliveryRow> {
    let (mut queued, mut held) = (HashSet::new(), HashSet::new());
    for directory in pipeline.spool.queues() {
        let queue = pipeline.spool.queue_in(&directory);
        let mut left = newest.unwrap_or(usize::MAX);
        // The newest of a queue stand at its end.
        for waits in queue.list().into_iter().rev().filter(|waits| wanted.has(waits.key.id)) {
            let id = waits.key.id;
            queued.insert(id);
            held.extend(waits.schedule.is_held().then_some(id));
            rows.entry(id).and_modify(|row| row.is_found_in(&directory));
            // What was tried has its line further up.
            let is_further_up = newest.is_some() && waits.schedule.attempts > 0;
            if !rows.contains_key(&id)
                && !is_further_up
                && left > 0
                && let Ok((waiting, _)) = queue.load(&waits)
            {
                left -= 1;
                rows.insert(id, DeliveryRow::untried(id, &directory, &waiting));
            }
        }
    }
    for directory in pipeline.spool.published() {
        for published in pipeline.spool.queue_in(&directory).published() {
            let id = published.key.id;
            rows.entry(id).and_modify(|row| row.is_found_in(&directory));
            // Its line in the log is further up, or was lost with the machine's power.
            if newest.is_none()
                && wanted.has(id)
                && !rows.contains_key(&id)
                && let Ok((waiting, _)) = pipeline.spool.queue_in(&directory).load_published(&published)
            {
                let row = DeliveryRow::untried(id, &directory, &waiting);
                rows.insert(id, DeliveryRow { state: State::Published, ..row });
            }
        }
    }
    // A dead letter before it was tried, it has no line in the log.
    for (id, target, waiting) in pipeline.spool.dead_letters(|id| wanted.has(id) && !rows.contains_key(&id)) {
        rows.insert(id, DeliveryRow { state: State::Dead, ..DeliveryRow::untried(id, &target, &waiting) });
    }
    for (id, directory) in
        pipeline.spool.all_dead().into_iter().filter_map(|letter| Some((letter.id?, letter.directory)))
    {
        let Some(row) = rows.get_mut(&id).filter(|row| row.state != State::Delivered && !queued.contains(&id)) else {
            continue;
        };
        (row.state, row.next) = (State::Dead, None);
        row.is_found_in(&directory);
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    let pushes = pushes::of_targets(pipeline);
    rows.extend(pushes.iter().flat_map(of_push).filter(|row| wanted.has(row.id)));
    let mut waits = WaitsFor::new(pipeline);
    for row in rows.iter_mut().filter(|row| row.state == State::Waiting) {
        row.waits_for = waits.of(row);
        if row.waits_for.is_none() && held.contains(&row.id) {
            row.waits_for = Some(message::waits_for_success().into());
        }
        if row.waits_for.is_some() {
            // The record says when, and knows nothing of the configuration.
            row.next = None;
        }
    }
    rows.sort_by(|a, b| (&b.time, b.id).cmp(&(&a.time, a.id)));
    rows
}

/// What somebody has to do for the deliveries of each target to be tried, looked up once.
struct WaitsFor<'a> {
    pipeline: &'a Pipeline<'a>,
    known: HashMap<String, Option<String>>,
}

impl<'a> WaitsFor<'a> {
    fn new(pipeline: &'a Pipeline<'a>) -> Self {
        Self { pipeline, known: HashMap::new() }
    }

    fn of(&mut self, row: &DeliveryRow) -> Option<String> {
        if let Some(withheld) = self.withheld(row) {
            return Some(withheld.waits_for(&row.namespace));
        }
        let key = row.directory.as_ref().unwrap_or(&row.target);
        if let Some(known) = self.known.get(key) {
            return known.clone();
        }
        let what = self.look(row);
        self.known.insert(key.clone(), what.clone());
        what
    }

    /// Why the receiver is told nothing of the namespace in which it was.
    fn withheld(&self, row: &DeliveryRow) -> Option<Withheld> {
        let namespace = Namespace::new(row.namespace.as_bytes());
        let target =
            self.pipeline.targets.iter().find(|target| row.is_for(&target.name)).filter(|_| row.event.is_none())?;
        self.pipeline.withholds(target, &namespace)
    }

    fn look(&self, row: &DeliveryRow) -> Option<String> {
        let targets = &self.pipeline.configuration.targets;
        match targets.iter().find(|target| row.is_for(target.name())) {
            None => Some(message::waits_for_target(&row.target)),
            Some(Configured::Broken(_)) => Some(message::waits_for_configuration().into()),
            Some(Configured::Ready(target)) => {
                let is_parked = || self.pipeline.spool.queue(&target.name).backoff().parked;
                let enable = || message::waits_for_enable(&target.name);
                match target.switch {
                    Switch::OffByRepository => Some(format!("{}; {}", message::switched_off_by_repository(), enable())),
                    Switch::Off => Some(enable()),
                    Switch::On => is_parked().then(enable),
                }
            }
        }
    }
}

/// Those that the log tells of, each as it stood after its last attempt.
fn tried(pipeline: &Pipeline<'_>, wanted: &Wanted<'_>) -> HashMap<Uuid, DeliveryRow> {
    let mut rows: HashMap<Uuid, DeliveryRow> = HashMap::new();
    let texts = wanted.texts();
    let mut take = |entry: Entry| {
        if !wanted.has(entry.id) {
            return;
        }
        let row = DeliveryRow::from(entry);
        // Files are in the order of days, which is not that of time where the clock was set back.
        rows.entry(row.id)
            .and_modify(|known| {
                if row.attempts >= known.attempts {
                    *known = row.clone();
                }
            })
            .or_insert_with(|| row.clone());
    };
    match wanted.only() {
        // Whoever asks for one goes on to all there is of it.
        Some(id) => pipeline.history.of(id).into_iter().for_each(take),
        None => {
            for day in pipeline.history.days() {
                let entries = match wanted {
                    Wanted::Beginning(start) => pipeline.history.beginning(&day, start),
                    _ => pipeline.history.all_with(&day, &texts),
                };
                entries.into_iter().for_each(&mut take);
            }
        }
    }
    rows
}

/// The last so many that the log tells of, or all since a day, and the time of the line at which reading ended; `None` where none
/// that is asked for stands before it.
fn tried_last(
    pipeline: &Pipeline<'_>,
    count: usize,
    first_day: Option<&str>,
) -> (HashMap<Uuid, DeliveryRow>, Option<String>) {
    let mut rows: HashMap<Uuid, DeliveryRow> = HashMap::new();
    let mut end = None;
    pipeline.history.from_the_newest(|entry| {
        let is_before = first_day.is_some_and(|day| entry.time.as_str() < day);
        if is_before || (rows.len() >= count && !rows.contains_key(&entry.id)) {
            end = (!is_before).then_some(entry.time);
            return ControlFlow::Break(());
        }
        let row = DeliveryRow::from(entry);
        match rows.get_mut(&row.id) {
            Some(known) if row.attempts > known.attempts => *known = row,
            Some(_) => {}
            None => _ = rows.insert(row.id, row),
        }
        ControlFlow::Continue(())
    });
    (rows, end)
}

/// A row for each update of a push that waits for one target; none of a push that waits for nobody in particular.
fn of_push(push: &WaitingPush) -> Vec<DeliveryRow> {
    let (target, state) = match &push.state {
        PushState::Deferred(target) => (target, State::Waiting),
        PushState::Dead(target) => (target, State::Dead),
        PushState::Untold | PushState::Stuck => return Vec::new(),
    };
    let row = |line: &RefEvent| DeliveryRow {
        id: stand_in(line.event, target),
        target: target.to_string(),
        event: None,
        format: None,
        r#ref: line.update.name.text().into_owned(),
        namespace: line.update.name.namespace().text().into_owned(),
        late: push.receipt.is_late,
        test: false,
        state,
        time: history::timestamp_of(push.receipt.time),
        attempts: 0,
        status: None,
        ms: None,
        reason: None,
        next: None,
        waits_for: None,
        event_id: line.event,
        old: line.update.before(),
        new: line.update.after(),
        directory: Some(target.directory()),
    };
    let lines = push.receipt.lines.iter().filter(|line| crate::event::can_tell_of(&line.update.name));
    lines.map(row).collect()
}

/// The id that stands for an update in the rows of one target, until it has deliveries.
fn stand_in(event: Uuid, target: &TargetName) -> Uuid {
    identifier::delivery(event, &target.directory(), "")
}

impl From<Entry> for DeliveryRow {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            target: entry.target,
            event: Some(entry.event),
            format: Some(entry.format),
            r#ref: entry.r#ref,
            namespace: entry.namespace,
            late: entry.late,
            test: entry.test,
            state: entry.state,
            time: entry.time,
            attempts: entry.attempt,
            status: entry.status,
            ms: entry.ms,
            reason: entry.reason,
            next: entry.next,
            waits_for: None,
            event_id: entry.event_id,
            old: entry.old,
            new: entry.new,
            directory: None,
        }
    }
}

impl DeliveryRow {
    /// The ref as people read it, with its namespace.
    pub fn ref_shown(&self) -> String {
        ref_name::shown(&self.r#ref, &self.namespace)
    }

    /// Whether it is for the target of this name, which may look like another's.
    pub fn is_for(&self, name: &TargetName) -> bool {
        match &self.directory {
            Some(directory) => *directory == name.directory(),
            None => self.target == name.as_str(),
        }
    }

    /// The target of whatever lies in a directory is called like that; the log may know it by the name that it had before.
    fn is_found_in(&mut self, directory: &str) {
        let now = TargetName::new(directory);
        if now.is_valid() && !self.is_for(&now) {
            self.target = directory.into();
        }
    }

    fn untried(id: Uuid, target: &str, waiting: &QueuedDelivery) -> Self {
        Self {
            id,
            target: target.into(),
            event: Some(waiting.event.clone()),
            format: Some(waiting.format.clone()),
            r#ref: waiting.ref_text(),
            namespace: waiting.line.update.name.namespace().text().into_owned(),
            late: waiting.is_late,
            test: false,
            state: State::Waiting,
            time: history::timestamp_of(waiting.time),
            attempts: 0,
            status: None,
            ms: None,
            reason: None,
            next: None,
            waits_for: None,
            event_id: waiting.line.event,
            old: waiting.line.update.before(),
            new: waiting.line.update.after(),
            directory: Some(target.into()),
        }
    }
}
