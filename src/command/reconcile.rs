//! `git webhook reconcile`: announces what the refs show and nobody told: a hook that was missing, `git update-ref`,
//! fetches, restored backups.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, Said, in_each};
use super::failure::{Failure, failure};
use super::output::{Reach, tell};
use super::place::Place;
use super::table::lay_out;
use super::terminal::{Colour, in_colour};
use crate::dispatch::Done;
use crate::event;
use crate::message;
use crate::outcome::Outcome;
use crate::pipeline::{Job, Pipeline, fresh};
use crate::process::{self, Environment};
use crate::ref_name;
use crate::ref_update::{ObjectId, RefEvent, RefName, RefUpdate};
use crate::repository;
use crate::spool::RefSnapshot;

/// More differences than this are announced only when somebody says that he means it.
const MOST: usize = 20;

/// A push moves its refs before its hook starts; what is still different after so long is nobody's push.
const GRACE: Duration = Duration::from_secs(1);

/// How to go about it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Manner {
    /// Show what would be announced, and announce nothing
    #[arg(long, conflicts_with_all = ["all", "baseline", "adopt"])]
    dry_run: bool,
    /// Announce more than 20 differences too
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
    Ok(tell(call, reach.json, said, |said| text(said, manner)))
}

fn reconcile(place: &Place, manner: Manner, environment: &Environment) -> Result<(Vec<ReconcileRow>, bool), Failure> {
    process::hold_back_signals();
    let pipeline = place.pipeline();
    let displaced = pipeline.displaced();
    if manner.baseline {
        if displaced.is_some() {
            pipeline.spool.begin_anew().map_err(|error| Failure::new(error.to_string()))?;
        }
        take_snapshot(place, &pipeline)?;
        return Ok((Vec::new(), true));
    }
    if manner.adopt {
        if displaced.is_some() {
            pipeline.spool.adopt().map_err(|error| Failure::new(error.to_string()))?;
        }
        return Ok((Vec::new(), true));
    }
    if let Some(why) = displaced {
        return failure(message::displaced(why));
    }
    if !manner.dry_run {
        pipeline.spool.settle_intents(&|| pipeline.refs(), &|since| pipeline.sent_from_memory(since));
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
    let row = |update: &RefUpdate, state: State| ReconcileRow {
        r#ref: update.name.text().into_owned(),
        namespace: update.name.namespace().text().into_owned(),
        old: update.before(),
        new: update.after(),
        state,
    };
    let count = found.updates().count();
    if manner.dry_run || (count > MOST && !manner.all) {
        let is_well = count == 0 || (manner.dry_run && count <= MOST);
        return Ok((found.updates().map(|update| row(update, State::Different)).collect(), is_well));
    }
    // What was told may be where nobody could look.
    if let Some((_, why)) = place.unread().into_iter().next() {
        return failure(why);
    }
    let delivered = announce(&pipeline, &found, environment)?;
    // What is announced has a receipt of its own now, which the next run draws in; what is neither told nor announced
    // stays a difference.
    pipeline.spool.set_snapshot(&found.snapshot).map_err(|error| Failure::new(error.to_string()))?;
    let state = |update: &RefUpdate| if delivered.contains(&update.name) { State::Delivered } else { State::Announced };
    Ok((found.updates().map(|update| row(update, state(update))).collect(), true))
}

fn first_time() -> ReconcileRow {
    let none = String::new;
    ReconcileRow { r#ref: none(), namespace: none(), old: none(), new: none(), state: State::Baseline }
}

/// The refs as they are of which anything can be told.
fn refs(place: &Place) -> Result<BTreeMap<RefName, ObjectId>, Failure> {
    let refs = repository::all(&place.common_dir, place.configuration.layout);
    let refs = refs.map_err(|error| Failure::new(error.to_string()))?;
    Ok(refs.direct.into_iter().filter(|(name, _)| event::can_tell_of(name)).collect())
}

/// The number first: a push that comes between is then in the refs and after the number, and drawing it twice changes
/// nothing.
fn take_snapshot(place: &Place, pipeline: &Pipeline<'_>) -> Result<(), Failure> {
    let sequence = pipeline.spool.last_sequence();
    // What is sent from memory on a full disk has ids that are made of it.
    pipeline.spool.identity();
    let snapshot = RefSnapshot { sequence, refs: refs(place)?, has_namespaces: true };
    pipeline.spool.set_snapshot(&snapshot).map_err(|error| Failure::new(error.to_string()))
}

/// What moved the refs and was not told to everybody, as far as any target wants it.
struct Differences {
    /// The snapshot with what was told drawn in.
    snapshot: RefSnapshot,
    /// What was told from memory, to some that wanted it and not to others; they know it under these ids.
    partly: Vec<RefEvent>,
    /// What was told to nobody.
    untold: Vec<RefUpdate>,
}

impl Differences {
    fn updates(&self) -> impl Iterator<Item = &RefUpdate> {
        self.partly.iter().map(|line| &line.update).chain(&self.untold)
    }

    fn is_empty(&self) -> bool {
        self.partly.is_empty() && self.untold.is_empty()
    }

    /// What a second look shows too. Of what was partly told the log tells, and its snapshot has moved by it.
    fn still_in(mut self, again: Self) -> Self {
        self.untold.retain(|update| again.untold.contains(update));
        Self { untold: self.untold, ..again }
    }
}

/// Looks for them; `None` without an earlier snapshot.
fn differences(place: &Place, pipeline: &Pipeline<'_>) -> Result<Option<Differences>, Failure> {
    let snapshot = match pipeline.spool.snapshot() {
        Ok(snapshot) => snapshot,
        Err(why) => {
            let path = pipeline.spool.state().root().path().join("refs");
            return failure(message::bad_snapshot(path.display(), why));
        }
    };
    let Some(mut expected) = snapshot else { return Ok(None) };
    // Pushes that are under way will be told by their own hooks.
    let under_way = pipeline.spool.intents();
    let under_way: HashSet<_> =
        under_way.iter().flat_map(|intent| &intent.lines).map(|line| &line.update.name).collect();
    let now = refs(place)?;
    if !expected.has_namespaces {
        let in_namespaces = now.iter().filter(|(name, _)| !name.namespace().is_none());
        expected.refs.extend(in_namespaces.map(|(name, id)| (name.clone(), *id)));
        expected.has_namespaces = true;
    }
    let first = expected.sequence;
    let mut last = HashMap::new();
    for (sequence, receipt) in pipeline.spool.receipts_since(first) {
        expected.apply(&receipt.updates());
        expected.sequence = sequence;
        last.extend(receipt.lines.into_iter().map(|line| (line.update.name, sequence)));
    }
    let different = now.keys().chain(expected.refs.keys()).filter(|name| now.get(*name) != expected.refs.get(*name));
    let since = different.map(|name| (name.clone(), last.get(name).copied().unwrap_or(first))).collect();
    let partly = pipeline.apply_told(&mut expected.refs, &since, &under_way);
    let names: HashSet<_> = now.keys().chain(expected.refs.keys()).collect();
    let format = place.configuration.layout.object_format;
    let update = |name: &RefName| RefUpdate {
        old: expected.refs.get(name).copied(),
        new: now.get(name).copied(),
        format,
        name: name.clone(),
    };
    let mut found: Vec<_> = names.into_iter().filter(|name| !under_way.contains(name)).map(update).collect();
    found.retain(|update| update.old != update.new);
    let (mut wanted, unwanted): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|update| pipeline.is_wanted(std::slice::from_ref(update)));
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    expected.apply(&unwanted);
    Ok(Some(Differences { snapshot: expected, partly, untold: wanted }))
}

/// Makes receipts of the differences and delivers them. Returns the refs that every target was told of.
fn announce(
    pipeline: &Pipeline<'_>,
    found: &Differences,
    environment: &Environment,
) -> Result<HashSet<RefName>, Failure> {
    let untold = || pipeline.as_differences(&found.untold).unwrap_or_else(|| fresh(found.untold.clone()));
    let mut jobs = Vec::new();
    // A ref may be among both: it went on after it was partly told.
    for lines in [found.partly.clone(), untold()].into_iter().filter(|lines| !lines.is_empty()) {
        let events = lines.iter().map(|line| line.event).collect();
        let receipt = pipeline.receipt(lines, environment);
        let owned = pipeline.spool.keep(receipt).map_err(|error| Failure::new(error.to_string()))?;
        // Some of them may have been told from memory.
        jobs.push(Job::own(owned).without(pipeline.history.delivered_of(&events)));
    }
    if jobs.is_empty() {
        return Ok(HashSet::new());
    }
    let run = pipeline.run(None);
    pipeline.deliver(&run, jobs).map_err(|error| Failure::new(error.to_string()))?;
    pipeline.tend(&run);
    let (delivered, failed): (Vec<_>, Vec<_>) =
        run.take_done().into_iter().partition(|done| matches!(done.outcome, Outcome::Delivered { .. }));
    // A delivery may tell of several refs.
    let names = |done: &[Done]| -> HashSet<RefName> {
        done.iter().flat_map(Done::refs).map(|(name, _)| name.clone()).collect()
    };
    let (mut delivered, failed) = (names(&delivered), names(&failed));
    delivered.retain(|name| !failed.contains(name));
    Ok(delivered)
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
        [] => return "nothing was missed\n".into(),
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
    let mut text = lay_out(["REF", "OLD", "NEW", "STATE"], &rows, 3, in_colour());
    if said.rows.len() > MOST && said.rows.iter().any(|row| row.state == State::Different) && !manner.dry_run {
        text += &(message::too_many_differences(MOST) + "\n");
    }
    text
}
