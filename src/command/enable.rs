//! `git webhook enable` and `disable`: whether a target is told of pushes.

use serde::{Deserialize, Serialize};

use super::Failure;
use super::edit::edit;
use super::owner::{in_this, tell};
use super::place::Place;
use super::remove::no_such_target;
use crate::process::Environment;
use crate::spool::Rest;
use crate::text::sanitise;

/// How a target stands afterwards.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    name: String,
    enabled: bool,
    waiting: usize,
}

/// Has a target told of pushes from now on, or not any more.
pub(super) fn run(name: &str, enabled: bool, json: bool, environment: &Environment) -> Result<bool, Failure> {
    let verb = if enabled { "enable" } else { "disable" };
    let said = in_this(&[verb, "--", name], false, environment, |place| Ok((vec![set(name, enabled, place)?], true)))?;
    tell(&said, json, text);
    Ok(true)
}

fn set(name: &str, enabled: bool, place: &Place) -> Result<Row, Failure> {
    let configuration = &place.configuration;
    let right = configuration.targets.iter().map(|target| (&target.name, target.enabled));
    let broken = configuration.broken.iter().map(|target| (&target.name, target.enabled));
    let Some((_, was_enabled)) = right.chain(broken).find(|(other, _)| *other == name) else {
        return no_such_target(name, place);
    };
    if enabled != was_enabled {
        let key = format!("webhook.{name}.enabled");
        edit(place, |draft| draft.git_config(&["--replace-all", &key, if enabled { "true" } else { "false" }]))?;
    }
    let queue = place.post().spool.queue(name);
    // A target that answered 410 is used again.
    if enabled && queue.rest() != Rest::default() {
        queue.set_rest(Rest::default());
    }
    Ok(Row { name: name.into(), enabled, waiting: queue.list().len() })
}

fn text(row: &Row) -> String {
    let name = sanitise(&row.name);
    let (state, rest) = match row.enabled {
        true => ("enabled", "git webhook flush --now sends them".into()),
        false => ("disabled", format!("they stay until git webhook enable {name}")),
    };
    let rest = if row.waiting > 0 { format!("; {} waiting: {rest}", row.waiting) } else { String::new() };
    format!("{name}: {state}{rest}\n")
}
