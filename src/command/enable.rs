//! `git webhook enable` and `disable`: whether a target is told of pushes.

use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, in_this};
use super::edit::edit;
use super::failure::Failure;
use super::output::{by_row, tell};
use super::place::Place;
use super::targets;
use crate::schedule::Backoff;
use crate::text::sanitise;

/// How a target stands afterwards.
#[derive(Serialize, Deserialize)]
pub(super) struct EnabledTarget {
    name: String,
    enabled: bool,
    waiting: usize,
}

/// Has a target told of pushes from now on, or not any more.
pub(super) fn run(name: &str, enabled: bool, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_this(call, Stdio::null(), |place| Ok((vec![set(name, enabled, place)?], true)))?;
    Ok(tell(call, json, said, by_row(text)))
}

fn set(name: &str, enabled: bool, place: &Place) -> Result<EnabledTarget, Failure> {
    let target = targets::find(place, name)?;
    if enabled != target.is_enabled() {
        let key = format!("webhook.{name}.enabled");
        edit(place, |draft| draft.git_config(&["--replace-all", &key, if enabled { "true" } else { "false" }]))?;
    }
    let queue = place.pipeline().spool.queue(target.name());
    // A target that answered 410 is used again.
    if enabled && queue.backoff() != Backoff::default() {
        queue.set_backoff(Backoff::default());
    }
    Ok(EnabledTarget { name: name.into(), enabled, waiting: queue.list().len() + queue.deferred_count() })
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
