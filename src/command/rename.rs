//! `git webhook rename`: another name for a target; what waits for it, its dead letters and its secret files go with it.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, in_this};
use super::edit::edit;
use super::failure::{Failure, failure};
use super::output::{Row, by_row, tell};
use super::place::Place;
use super::targets;
use crate::config::{self, Entry, Scope};
use crate::message;
use crate::process::{self, Environment};
use crate::spool::Spool;
use crate::target::TargetName;
use crate::text::sanitise;

/// How long whoever sends to the target is waited for: as long as an attempt takes by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// A target under its new name.
#[derive(Serialize, Deserialize)]
pub(super) struct RenamedTarget {
    name: String,
    /// What it was called before.
    before: String,
    waiting: usize,
    dead: usize,
    /// The files of its secrets that were renamed with it, as they are called now.
    secrets: Vec<String>,
}

impl Row for RenamedTarget {
    const ROWS: &str = "targets";
}

pub(super) fn run(old: &str, new: &str, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_this(call, Stdio::null(), |place| Ok((vec![rename(old, new, place, call.environment)?], true)))?;
    Ok(tell(call, json, said, by_row(text)))
}

fn rename(old: &str, new: &str, place: &Place, environment: &Environment) -> Result<RenamedTarget, Failure> {
    let (from, to) = (TargetName::new(old), TargetName::new(new));
    if !to.is_valid() {
        return failure(message::not_renamed(new, message::no_target_name()));
    }
    targets::known(place, old)?;
    if place.configuration.find(new).is_some() {
        return failure(message::target_is_there(new));
    }
    let entries = config::entries(&place.git_dir, &place.common_dir, environment);
    let entries = entries.map_err(|why| Failure::new(why.to_string()))?;
    let is_own = |entry: &&Entry| entry.section == "webhook" && entry.subsection.as_deref() == Some(old.as_bytes());
    let own: Vec<_> = entries.iter().filter(is_own).collect();
    let file = place.common_dir.join("config");
    if let Some(entry) = own.iter().find(|entry| *entry.file != *file) {
        return failure(message::target_stands_elsewhere(old, entry.file.display()));
    }
    process::hold_back_interrupts();
    let pipeline = place.pipeline();
    let spool = &pipeline.spool;
    let secrets = secrets(spool, &entries, &own, old, new)?;
    // What waits goes first: where this ends here, it waits for a target of the new name, which a second try makes.
    hand_over(spool, &from, &to)?;
    let written = edit(place, |draft| {
        draft.git_config(&["--rename-section", &format!("webhook.{old}"), &format!("webhook.{new}")])?;
        if draft.has(old) {
            return failure(message::section_stays(old, file.display()));
        }
        let values: Vec<_> = secrets.iter().map(|(key, _, now)| (*key, now.clone())).collect();
        draft.set(new, &values, &[])
    });
    if let Err(why) = written {
        hand_over(spool, &to, &from)?;
        secrets.iter().for_each(|(_, before, now)| drop(move_secret(spool, now, before)));
        return Err(why);
    }
    let queue = spool.queue(&to);
    let dead = spool.dead().into_iter().find(|dead| dead.directory == to.directory()).map_or(0, |dead| dead.count);
    Ok(RenamedTarget {
        name: new.into(),
        before: old.into(),
        waiting: queue.list().len() + queue.deferred_count(),
        dead,
        secrets: secrets.into_iter().map(|(_, _, now)| format!("webhook/secret/{now}")).collect(),
    })
}

/// Waits for whoever sends to the target, and gives what waits to the other name.
fn hand_over(spool: &Spool, from: &TargetName, to: &TargetName) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        match spool.rename_target(from, to) {
            Ok(true) => return Ok(()),
            Ok(false) if start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(50)),
            Ok(false) => return failure(message::target_is_busy(from)),
            Err(error) => return failure(error.to_string()),
        }
    }
}

/// A key, and the name of its file before and now.
type MovedSecret = (&'static str, String, String);

/// Renames the files of secrets that are called after the target and are its alone.
fn secrets(
    spool: &Spool,
    entries: &[Entry],
    own: &[&Entry],
    old: &str,
    new: &str,
) -> Result<Vec<MovedSecret>, Failure> {
    let used = |path: &str| entries.iter().flat_map(targets::secret_files).filter(|other| other == path).count();
    let mut moved: Vec<MovedSecret> = Vec::new();
    for (key, entry) in own.iter().filter(|entry| entry.scope == Scope::Repository).filter_map(|entry| {
        let key = ["secretFile", "signingSecretFile"].into_iter().find(|key| key.eq_ignore_ascii_case(&entry.key))?;
        Some((key, entry))
    }) {
        let files = targets::secret_files(entry);
        let [before] = files.as_slice() else { continue };
        let now = match before.strip_prefix(old) {
            Some(rest) if rest.is_empty() || rest.starts_with('.') => format!("{new}{rest}"),
            _ => continue,
        };
        // Of a list one value cannot be replaced alone.
        let is_list = own.iter().filter(|other| other.key == entry.key).count() > 1;
        if is_list || used(before) > 1 || used(&now) > 0 {
            continue;
        }
        if let Err(why) = move_secret(spool, before, &now) {
            moved.iter().for_each(|(_, before, now)| drop(move_secret(spool, now, before)));
            return Err(why);
        }
        moved.push((key, before.clone(), now));
    }
    Ok(moved)
}

fn move_secret(spool: &Spool, from: &str, to: &str) -> Result<(), Failure> {
    let folder = spool.state().secrets();
    let cannot = |error| Failure::new(message::cannot_rename(folder.path().join(from).display(), error));
    let directory = folder.open().map_err(cannot)?;
    if directory.look(to).is_some() {
        return failure(message::secret_is_there(folder.path().join(to).display()));
    }
    directory.rename(from, &directory, to).map_err(cannot)
}

fn text(row: &RenamedTarget) -> String {
    let (before, name) = (sanitise(&row.before), sanitise(&row.name));
    let mut parts = vec![format!("{before}: called {name} now")];
    if row.waiting > 0 {
        parts.push(format!("{} waiting went with it", row.waiting));
    }
    if row.dead > 0 {
        parts.push(format!("{} dead", row.dead));
    }
    parts.join("; ") + "\n"
}
