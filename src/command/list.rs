//! `git webhook list`: the targets, and what is wrong with their configuration.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Failure;
use super::owner::print;
use super::place::{Place, below};
use super::table::{Colour, lay_out};
use crate::config::{BrokenTarget, Configuration};
use crate::event::EventName;
use crate::message;
use crate::process::Environment;
use crate::target::Target;
use crate::text::sanitise;

/// One target, for people and programs alike. An address is told as far as it is no secret.
#[derive(Serialize)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    name: String,
    url: Option<String>,
    format: Option<&'static str>,
    event: Vec<&'static str>,
    r#ref: Vec<String>,
    enabled: bool,
    description: Option<String>,
    errors: Vec<String>,
}

/// Whether nothing is wrong.
pub(super) fn run(json: bool, root: Option<&Path>, environment: &Environment) -> Result<bool, Failure> {
    let places = match root {
        None => vec![(None, Place::find(environment)?)],
        Some(root) => open_all(&below(root)?, environment),
    };
    let mut rows = Vec::new();
    let mut is_well = true;
    for (path, place) in &places {
        rows.extend(rows_of(&place.configuration, path.as_deref()));
        is_well &= tell_problems(&place.configuration);
    }
    let text = if json {
        serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n"
    } else if rows.is_empty() {
        eprintln!("{}", message::no_targets());
        String::new()
    } else {
        table(&rows)
    };
    print(&text);
    Ok(is_well)
}

fn open_all(paths: &[PathBuf], environment: &Environment) -> Vec<(Option<String>, Place)> {
    let open = |path: &PathBuf| match Place::open(path, environment) {
        Ok(place) => Some((Some(path.to_string_lossy().into_owned()), place)),
        Err(why) => {
            eprintln!("error: {why}");
            None
        }
    };
    paths.iter().filter_map(open).collect()
}

fn rows_of(configuration: &Configuration, repository: Option<&str>) -> Vec<Row> {
    let right = configuration.targets.iter().map(|target| row(target, repository));
    let broken = configuration.broken.iter().map(|target| broken_row(target, repository));
    right.chain(broken).collect()
}

fn row(target: &Target, repository: Option<&str>) -> Row {
    Row {
        repository: repository.map(String::from),
        name: target.name.clone(),
        url: Some(format!("{}/…", target.address.origin())),
        format: Some(target.format.name),
        event: target.events.iter().map(|event| EventName::word(*event)).collect(),
        r#ref: target.refs.words().collect(),
        enabled: target.enabled,
        description: target.description.clone(),
        errors: Vec::new(),
    }
}

fn broken_row(target: &BrokenTarget, repository: Option<&str>) -> Row {
    Row {
        repository: repository.map(String::from),
        name: target.name.clone(),
        url: None,
        format: None,
        event: Vec::new(),
        r#ref: Vec::new(),
        enabled: target.enabled,
        description: None,
        errors: target.problems.iter().map(ToString::to_string).collect(),
    }
}

fn tell_problems(configuration: &Configuration) -> bool {
    let broken = configuration.broken.iter().flat_map(|target| &target.problems);
    for problem in broken.chain(&configuration.problems) {
        eprintln!("error: {}", sanitise(&problem.to_string()));
    }
    for warning in &configuration.warnings {
        eprintln!("warning: {}", sanitise(&warning.to_string()));
    }
    let most = configuration.settings.max_targets;
    let count = configuration.targets.len() + configuration.broken.len();
    if count > most {
        eprintln!("warning: {}", message::more_targets(count, most));
    }
    configuration.broken.is_empty() && configuration.problems.is_empty()
}

fn table(rows: &[Row]) -> String {
    let state = |row: &Row| match (row.errors.is_empty(), row.enabled) {
        (false, _) => "wrong, see below",
        (true, true) => "enabled",
        (true, false) => "disabled",
    };
    let refs = |row: &Row| match row.r#ref.as_slice() {
        [] if row.errors.is_empty() => "all".into(),
        words => words.join(" "),
    };
    let cells = |row: &Row| {
        let (name, format) = (row.name.clone(), row.format.unwrap_or_default().into());
        [name, format, row.event.join(" "), refs(row), row.url.clone().unwrap_or_default(), state(row).into()]
    };
    let cells: Vec<_> = rows.iter().map(|row| (cells(row), Colour::None)).collect();
    let table = lay_out(["NAME", "FORMAT", "EVENTS", "REFS", "URL", "STATE"], &cells, 0, false);
    let mut text = String::new();
    let mut repository = &None;
    for (line, row) in table.lines().zip(std::iter::once(None).chain(rows.iter().map(Some))) {
        if let Some(row) = row.filter(|row| row.repository != *repository) {
            repository = &row.repository;
            text += &format!("{}:\n", sanitise(row.repository.as_deref().unwrap_or_default()));
        }
        text += line;
        text.push('\n');
    }
    text
}
