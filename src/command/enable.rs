//! `git webhook enable` and `disable`: whether a target is told of pushes.

use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, in_this};
use super::edit::edit;
use super::failure::{Failure, failure};
use super::output::{Row, by_row, tell};
use super::place::Place;
use super::targets;
use crate::config::{Change, Configuration, Configured, Scope};
use crate::message;
use crate::process::Environment;
use crate::schedule::Backoff;
use crate::standing::Standing;
use crate::target::Switch;
use crate::text::sanitise;

/// How a target stands afterwards.
#[derive(Serialize, Deserialize)]
pub(super) struct EnabledTarget {
    name: String,
    enabled: bool,
    waiting: usize,
}

impl Row for EnabledTarget {
    const ROWS: &str = "targets";
}

/// Has a target told of pushes from now on, or not any more.
pub(super) fn run(name: &str, enabled: bool, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_this(call, Stdio::null(), |place| Ok((vec![set(name, enabled, place, call.environment)?], true)))?;
    Ok(tell(call, json, said, by_row(text)))
}

fn set(name: &str, enabled: bool, place: &Place, environment: &Environment) -> Result<EnabledTarget, Failure> {
    let target = targets::find(place, name)?;
    if enabled != target.switch().is_on() {
        turn(target, enabled, place, environment)?;
    }
    let queue = place.pipeline().spool.queue(target.name());
    // A target that answered 410 is used again.
    if enabled && queue.backoff() != Backoff::default() {
        queue.set_backoff(Backoff::default());
        let standing = queue.standing();
        if standing != Standing::default() {
            queue.set_standing(&standing.enabled());
        }
    }
    Ok(EnabledTarget { name: name.into(), enabled, waiting: queue.list().len() + queue.deferred_count() })
}

/// Turns the switch in the repository's own configuration, where its word counts.
fn turn(target: &Configured, enabled: bool, place: &Place, environment: &Environment) -> Result<(), Failure> {
    let name = target.name();
    let key = format!("webhook.{name}.enabled");
    let url = targets::url(place, name, environment)?;
    let Some(url) = url.filter(|url| url.scope < Scope::Repository) else {
        let value = if enabled { "true" } else { "false" };
        return edit(place, |draft| draft.git_config(&["--replace-all", &key, value]));
    };
    if target.switch() == Switch::OffByRepository {
        return edit(place, |draft| draft.git_config(&["--unset-all", &key]));
    }
    let values = [("enabled", "false".to_owned())];
    let file = place.common_dir.join("config");
    let change = Change { scope: Scope::Repository, file: &file, name: name.as_str(), values: &values, unset: &[] };
    let tried = Configuration::read_changed(&place.git_dir, &place.common_dir, environment, &change);
    let is_left_to_us = tried
        .is_ok_and(|tried| tried.find(name.as_str()).is_some_and(|target| target.switch() == Switch::OffByRepository));
    if enabled || !is_left_to_us {
        return failure(message::switch_is_elsewhere(name, url.file.display()));
    }
    edit(place, |draft| draft.git_config(&["--replace-all", &key, "false"]))
}

fn text(row: &EnabledTarget) -> String {
    let name = sanitise(&row.name);
    let (state, rest) = match row.enabled {
        true => ("enabled", "git webhook flush --now sends them".into()),
        false => ("disabled", format!("they stay until git webhook enable {name}")),
    };
    let rest = if row.waiting > 0 { format!("; {} waiting: {rest}", row.waiting) } else { String::new() };
    format!("{name}: {state}{rest}\n")
}
