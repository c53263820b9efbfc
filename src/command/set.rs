//! `git webhook set`: other values for keys of a target, checked as a whole before anything is written.

use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, Said, in_this};
use super::failure::{Failure, failure};
use super::level::{Ground, Level};
use super::output::{Row, by_row, tell};
use super::receiver;
use super::target_options::Values;
use super::targets;
use super::terminal;
use super::told;
use crate::config::{self, Of, Scope};
use crate::message;
use crate::text::sanitise;

/// What is to be otherwise.
#[derive(clap::Args)]
pub(super) struct Wish {
    /// The target
    name: String,
    /// Where to send: http://… or https://…
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Take this key out, so that its default counts
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    level: Level,
    #[command(flatten)]
    values: Values,
}

/// The target as it is now.
#[derive(Serialize, Deserialize)]
pub(super) struct ChangedTarget {
    name: String,
    url: String,
    format: String,
    /// In words, what it is told.
    told: String,
    /// The keys that have other values now, and those that have none.
    set: Vec<String>,
    unset: Vec<String>,
}

impl Row for ChangedTarget {
    const ROWS: &str = "targets";
}

pub(super) fn run(wish: &Wish, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let scope = wish.level.scope();
    if scope != Scope::Repository {
        let ground = Ground::protected(scope, call.environment)?;
        let rows = vec![set(wish, &ground)?];
        return Ok(tell(call, json, vec![Said::by_us(ground.file(), rows)], by_row(text)));
    }
    let run = |ground: &Ground<'_>| Ok((vec![set(wish, ground)?], true));
    let said = in_this(call, Stdio::null(), |place| run(&Ground::of(place, call.environment)))?;
    Ok(tell(call, json, said, by_row(text)))
}

fn set(wish: &Wish, ground: &Ground<'_>) -> Result<ChangedTarget, Failure> {
    let configuration = ground.configuration()?;
    if configuration.find(&wish.name).is_none() {
        return Err(targets::lacking(&configuration, &wish.name));
    }
    let entries = ground.entries()?;
    let mut own = entries.iter().filter(|entry| {
        entry.section == "webhook" && entry.key == "url" && entry.subsection.as_deref() == Some(wish.name.as_bytes())
    });
    if let Some(url) = own.next_back().filter(|url| *url.file != *ground.file()) {
        return failure(message::target_stands_elsewhere(&wish.name, url.file.display()));
    }
    let unset = wish.unset.iter().map(|key| key_of(key)).collect::<Result<Vec<_>, _>>()?;
    let mut values: Vec<_> = wish.url.iter().map(|url| ("url", url.clone())).collect();
    values.extend(wish.values.0.iter().cloned());
    if let Some((key, _)) = values.iter().find(|(key, _)| unset.contains(key)) {
        return failure(message::set_and_unset(key));
    }
    if values.is_empty() && unset.is_empty() {
        return failure(message::nothing_to_set());
    }
    let (target, warnings) = ground.tried(&wish.name, &values, &unset, message::not_changed)?;
    warnings.iter().for_each(terminal::warning);
    if let Some(url) = &wish.url {
        receiver::advice(url, target.format.name).iter().for_each(terminal::warning);
    }
    ground.edit(|draft| match draft.has(&wish.name) {
        // Somebody else may have removed it since the configuration was read.
        false => Err(targets::lacking(&configuration, &wish.name)),
        true => draft.set(&wish.name, &values, &unset),
    })?;
    let mut set: Vec<_> = values.iter().map(|(key, _)| (*key).to_owned()).collect();
    set.dedup();
    Ok(ChangedTarget {
        name: target.name.to_string(),
        url: format!("{}/…", target.address.origin()),
        format: target.format.name.into(),
        told: told::of(&target),
        set,
        unset: unset.into_iter().map(String::from).collect(),
    })
}

/// The key of a target that a person calls so, as the configuration or as an option has it.
fn key_of(text: &str) -> Result<&'static str, Failure> {
    let places = [Of::Target, Of::TargetAlone];
    let name = text.replace('-', "");
    match config::find_key(&name, &places) {
        Some(key) if key.name != "url" => Ok(key.name),
        Some(_) => failure(message::url_stays()),
        None => failure(match config::nearest_key(&name, &places) {
            Some(like) => message::no_key_like(text, like),
            None => message::no_key(text),
        }),
    }
}

fn text(row: &ChangedTarget) -> String {
    let unset = row.unset.iter().map(|key| format!("{key} unset"));
    let changed: Vec<_> = row.set.iter().map(|key| format!("{key} set")).chain(unset).collect();
    let (name, told) = (sanitise(&row.name), sanitise(&row.told));
    format!("{name}: {}; {told}\nin format {}, at {}\n", changed.join(", "), row.format, sanitise(&row.url))
}
