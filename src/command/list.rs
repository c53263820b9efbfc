//! `git webhook list`: the targets, and what is wrong with their configuration.

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, Said, in_each};
use super::failure::Failure;
use super::output::{Reach, Row, one_table, tell_table};
use super::terminal::{self, Colour};
use super::told;
use crate::config::{BrokenTarget, Configuration, Configured};
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
    state: ListedState,
    description: Option<String>,
    errors: Vec<String>,
}

impl Row for ListedTarget {
    const ROWS: &str = "targets";
}

/// How a target is configured: in the words of `git webhook status`, as far as both know the state.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ListedState {
    Enabled,
    Disabled,
    OffByRepository,
    Parked,
    Wrong,
}

impl ListedState {
    fn text(self, name: &str) -> String {
        match self {
            Self::Enabled => "enabled".into(),
            Self::Disabled => "disabled".into(),
            Self::OffByRepository => message::switched_off_by_repository().into(),
            Self::Parked => format!("parked (410), {}", message::waits_for_enable(name)),
            // The errors are told first.
            Self::Wrong => "wrong, see above".into(),
        }
    }
}

/// Whether nothing is wrong.
pub(super) fn run(urls: bool, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_each(call, reach.root.as_deref(), |place| {
        let configuration = &place.configuration;
        let pipeline = place.pipeline();
        let row = |target: &Configured| match target {
            Configured::Ready(target) => row(target, urls, pipeline.spool.queue(&target.name).backoff().parked),
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

fn row(target: &Target, urls: bool, is_parked: bool) -> ListedTarget {
    let state = match target.switch {
        Switch::On if is_parked => ListedState::Parked,
        Switch::On => ListedState::Enabled,
        Switch::Off => ListedState::Disabled,
        Switch::OffByRepository => ListedState::OffByRepository,
    };
    ListedTarget {
        name: target.name.to_string(),
        url: Some(if urls { target.address.whole() } else { format!("{}/…", target.address.origin()) }),
        format: Some(target.format.name.into()),
        event: told::events(target),
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
        state: ListedState::Wrong,
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
        let url = row.url.clone().unwrap_or_default();
        [name, format, row.event.join(" "), refs(row), url, row.state.text(&row.name)]
    };
    if said.iter().flat_map(|one| &one.rows).all(|row| row.description.is_none()) {
        let headings = ["NAME", "FORMAT", "EVENTS", "REFS", "URL", "STATE"];
        return one_table(said, headings, 0, |row| (cells(row), Colour::None));
    }
    let headings = ["NAME", "FORMAT", "EVENTS", "REFS", "URL", "STATE", "DESCRIPTION"];
    one_table(said, headings, 0, |row| {
        let [name, format, events, refs, url, state] = cells(row);
        ([name, format, events, refs, url, state, row.description.clone().unwrap_or_default()], Colour::None)
    })
}
