//! `git webhook remove`: a target that is configured no more, with its secret; what waits for it becomes dead letters.

use std::collections::HashSet;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, in_this};
use super::edit::edit;
use super::failure::{Failure, failure};
use super::output::{Row, by_row, tell};
use super::place::Place;
use super::targets;
use crate::config::{self, Entry, Scope};
use crate::message;
use crate::process::Environment;
use crate::target::TargetName;
use crate::text::sanitise;

/// What was removed.
#[derive(Serialize, Deserialize)]
pub(super) struct RemovedTarget {
    name: String,
    /// How many deliveries waited, and are dead letters now.
    dead: usize,
    /// The files of secrets that went with it.
    secrets: Vec<String>,
}

impl Row for RemovedTarget {
    const ROWS: &str = "targets";
}

pub(super) fn run(name: &str, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_this(call, Stdio::null(), |place| Ok((vec![remove(name, place, call.environment)?], true)))?;
    Ok(tell(call, json, said, by_row(text)))
}

fn remove(name: &str, place: &Place, environment: &Environment) -> Result<RemovedTarget, Failure> {
    let entries = config::entries(&place.git_dir, &place.common_dir, environment);
    let entries = entries.map_err(|why| Failure::new(why.to_string()))?;
    let is_of_target =
        |entry: &&Entry| entry.section == "webhook" && entry.subsection.as_deref() == Some(name.as_bytes());
    let own: Vec<_> = entries.iter().filter(is_of_target).collect();
    if own.is_empty() {
        return Err(targets::unknown(place, name));
    }
    let file = place.common_dir.join("config");
    if let Some(entry) = own.iter().find(|entry| *entry.file != *file) {
        return failure(message::target_is_elsewhere(name, entry.file.display()));
    }
    let secrets = secrets(&entries, name);
    edit(place, |draft| {
        draft.git_config(&["--remove-section", &format!("webhook.{name}")])?;
        // git finds a section only as it is spelled here.
        match draft.has(name) {
            true => failure(message::section_stays(name, file.display())),
            false => Ok(()),
        }
    })?;
    let pipeline = place.pipeline();
    let folder = pipeline.spool.state().secrets();
    let is_removed = |secret: &String| {
        // Not what a link leads to, which is somebody else's.
        let removed = config::secret_below(secret, &folder).ok().map(|(folder, name)| folder.open()?.remove(name));
        matches!(removed, Some(Ok(())))
    };
    let removed = secrets.into_iter().filter(is_removed).map(|secret| format!("webhook/secret/{secret}")).collect();
    let queue = pipeline.spool.queue(&TargetName::new(name));
    let dead = match pipeline.spool.make_all_dead_at_once(&queue.directory_name()) {
        Ok(Some(count)) => count,
        // Whoever is sending at this moment leaves the rest to the next run, which finds the target gone.
        Ok(None) => 0,
        Err(error) => return failure(error.to_string()),
    };
    Ok(RemovedTarget { name: name.into(), dead, secrets: removed })
}

/// The secret files below `webhook/secret/` that the target uses and no other does.
fn secrets(entries: &[Entry], name: &str) -> Vec<String> {
    let (own, others): (Vec<&Entry>, Vec<_>) = entries
        .iter()
        .partition(|entry| entry.scope == Scope::Repository && entry.subsection.as_deref() == Some(name.as_bytes()));
    let used: HashSet<String> = others.into_iter().flat_map(targets::secret_files).collect();
    own.into_iter().flat_map(targets::secret_files).filter(|path| !used.contains(path)).collect()
}

fn text(row: &RemovedTarget) -> String {
    let name = sanitise(&row.name);
    match row.dead {
        0 => format!("{name}: removed\n"),
        count => {
            let directory = TargetName::new(row.name.as_str()).directory();
            format!("{name}: removed; {count} waiting: dead letters now, in webhook/v1/dead/{directory}\n")
        }
    }
}
