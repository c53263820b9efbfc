//! `git webhook list`: the targets, and what is wrong with their configuration.

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, Said, in_each};
use super::failure::Failure;
use super::output::{Reach, one_table, tell_table};
use super::terminal::{self, Colour};
use crate::config::{BrokenTarget, Configuration, Configured};
use crate::event::EventName;
use crate::message;
use crate::target::{Switch, Target};

/// One target, for people and programs alike. An address is told as far as it is no secret.
#[derive(Serialize, Deserialize)]
struct ListedTarget {
    name: String,
    url: Option<String>,
    format: Option<String>,
    event: Vec<String>,
    r#ref: Vec<String>,
    enabled: bool,
    /// In the words of the table.
    state: String,
    description: Option<String>,
    errors: Vec<String>,
}

/// Whether nothing is wrong.
pub(super) fn run(reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_each(call, reach.root.as_deref(), |place| {
        let configuration = &place.configuration;
        let pipeline = place.pipeline();
        let row = |target: &Configured| match target {
            Configured::Ready(target) => row(target, pipeline.spool.queue(&target.name).backoff().parked),
            Configured::Broken(target) => broken_row(target),
        };
        let rows = configuration.targets.iter().map(row).collect();
        Ok((rows, tell_problems(configuration)))
    })?;
    let is_none = !call.is_owners && !reach.json && said.iter().all(|said| said.rows.is_empty());
    if is_none {
        terminal::note(message::no_targets());
        return Ok(said.iter().all(|said| said.is_well));
    }
    Ok(tell_table(call, reach.json, said, "no targets", table))
}

fn row(target: &Target, is_parked: bool) -> ListedTarget {
    let state = match target.switch {
        Switch::On if is_parked => format!("parked (410), {}", message::waits_for_enable(&target.name)),
        Switch::On => "enabled".into(),
        Switch::Off => "disabled".into(),
        Switch::OffByRepository => message::switched_off_by_repository().into(),
    };
    ListedTarget {
        name: target.name.to_string(),
        url: Some(format!("{}/…", target.address.origin())),
        format: Some(target.format.name.into()),
        event: events(target),
        r#ref: target.refs.words().collect(),
        enabled: target.switch.is_on(),
        state,
        description: target.description.clone(),
        errors: Vec::new(),
    }
}

fn broken_row(target: &BrokenTarget) -> ListedTarget {
    ListedTarget {
        name: target.name.to_string(),
        url: None,
        format: None,
        event: Vec::new(),
        r#ref: Vec::new(),
        enabled: target.switch.is_on(),
        state: "wrong".into(),
        description: None,
        errors: target.problems.iter().map(ToString::to_string).collect(),
    }
}

fn tell_problems(configuration: &Configuration) -> bool {
    let broken = configuration.broken().flat_map(|target| &target.problems);
    for problem in broken.chain(&configuration.problems) {
        terminal::error(problem);
    }
    for warning in &configuration.warnings {
        terminal::warning(warning);
    }
    let most = configuration.settings.max_targets;
    let count = configuration.targets.len();
    if count > most {
        terminal::warning(message::more_targets(count, most));
    }
    configuration.broken().next().is_none() && configuration.problems.is_empty()
}

fn table(said: &[&Said<ListedTarget>]) -> String {
    let refs = |row: &ListedTarget| match row.r#ref.as_slice() {
        [] if row.errors.is_empty() => "all".into(),
        words => words.join(" "),
    };
    let cells = |row: &ListedTarget| {
        let (name, format) = (row.name.clone(), row.format.clone().unwrap_or_default());
        // The errors are told first.
        let state = if row.errors.is_empty() { row.state.clone() } else { format!("{}, see above", row.state) };
        ([name, format, row.event.join(" "), refs(row), row.url.clone().unwrap_or_default(), state], Colour::None)
    };
    one_table(said, ["NAME", "FORMAT", "EVENTS", "REFS", "URL", "STATE"], 0, cells)
}

/// The words of its events, as they are configured: of one that is narrowed the forge's own names.
fn events(target: &Target) -> Vec<String> {
    let narrowed = |event: EventName| target.narrowed.iter().filter(move |(known, _)| *known == event);
    let words = |event: &EventName| match narrowed(*event).count() {
        0 => vec![event.word().to_owned()],
        _ => narrowed(*event).map(|(_, name)| (*name).to_owned()).collect(),
    };
    target.events.iter().flat_map(words).collect()
}
