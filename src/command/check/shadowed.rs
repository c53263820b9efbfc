//! Values that never count because the same file sets another later, and values that git reads otherwise than we do.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Scene;
use super::finding::{Finding, Kind};
use super::git::git;
use super::mend::{self, Mend, Value, shown};
use crate::config::{self, Entry, Of, Scope};
use crate::message;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = set_twice(scene);
    findings.extend(read_differently(scene));
    findings
}

fn set_twice(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = HashSet::new();
    for (at, entry) in scene.entries.iter().enumerate() {
        let Some(key) = single_valued(entry) else { continue };
        // What another file sets later is a default that this repository overrides, and others do not.
        let same = |other: &Entry| {
            (other.section, &other.subsection, &other.key, &other.file)
                == (entry.section, &entry.subsection, &entry.key, &entry.file)
        };
        let full = full_key(entry, key);
        // That a URL stands twice is told with what is wrong about values.
        let is_told = key == "url" || !scene.entries[at + 1..].iter().any(same);
        if !is_told && seen.insert((full.clone(), &entry.file)) {
            let finding = Finding::advice(Kind::SetTwice, message::check_set_twice(&full, entry.file.display()));
            // Which secret the receiver has a person knows.
            let mend = match key {
                "secret" => mend::edit(&entry.file),
                _ => mend::set_to(&entry.file, &full, Value::Last),
            };
            findings.push(finding.mend(mend));
        }
    }
    findings
}

/// The documented name of a key that has one value and counts where it stands.
fn single_valued(entry: &Entry) -> Option<&'static str> {
    let places: &[Of] = match (entry.section, &entry.subsection) {
        ("webhook", Some(_)) => &[Of::Target, Of::TargetAlone],
        ("webhook", None) => &[Of::Target, Of::Repository],
        ("webhookuser", Some(_)) => &[Of::User],
        _ => return None,
    };
    let key = config::find_key(&entry.key, places)?;
    // Those that do not count from where they stand are told of already.
    let is_elsewhere = key.protected && entry.scope == Scope::Repository;
    (!is_elsewhere && !key.list).then_some(key.name)
}

fn full_key(entry: &Entry, key: &str) -> String {
    let section = if entry.section == "webhookuser" { "webhookUser" } else { entry.section };
    match &entry.subsection {
        Some(name) => format!("{section}.{}.{key}", String::from_utf8_lossy(name)),
        None => format!("{section}.{key}"),
    }
}

/// A value with its key as git prints it.
struct Read {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    file: PathBuf,
}

/// Compares with what git reads. Nothing is known to differ but what is an error here (`config/files.rs`).
fn read_differently(scene: &Scene<'_>) -> Option<Finding> {
    let theirs = match as_git_reads(scene) {
        Ok(theirs) => theirs,
        Err(why) => return Some(Finding::error(Kind::GitCannotRead, message::check_git_cannot_read(why))),
    };
    let is_compared = |entry: &&Entry| entry.section != "core" || entry.key == "sharedrepository";
    let ours: Vec<_> = scene.entries.iter().filter(is_compared).map(Read::of).collect();
    let is_same = |at: &usize| match (ours.get(*at), theirs.get(*at)) {
        (Some(our), Some(their)) => our.key == their.key && our.value == their.value,
        _ => false,
    };
    let at = (0..ours.len().max(theirs.len())).find(|at| !is_same(at))?;
    let odd = theirs.get(at).or(ours.get(at))?;
    let key = String::from_utf8_lossy(&odd.key).into_owned();
    let message = message::check_read_differently(&key, odd.file.display());
    let show = Mend::ShowKey { git_dir: shown(&scene.place.git_dir), key };
    Some(Finding::error(Kind::ReadDifferently, message).mend(show))
}

impl Read {
    fn of(entry: &Entry) -> Self {
        let mut key = entry.section.as_bytes().to_vec();
        for part in entry.subsection.as_deref().into_iter().chain([entry.key.as_bytes()]) {
            key.push(b'.');
            key.extend_from_slice(part);
        }
        // git's own values end at a NUL.
        let value =
            entry.value.as_ref().map(|value| value.split(|byte| *byte == 0).next().unwrap_or_default().to_vec());
        Self { key, value, file: entry.file.to_path_buf() }
    }
}

fn as_git_reads(scene: &Scene<'_>) -> Result<Vec<Read>, String> {
    let output = git(scene).args(["config", "--list", "-z", "--show-scope", "--show-origin"]).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(said.lines().next().unwrap_or_default().trim_start_matches("fatal: ").into());
    }
    let mut found = Vec::new();
    let mut parts = output.stdout.split(|byte| *byte == 0);
    while let (Some(scope), Some(origin), Some(text)) = (parts.next(), parts.next(), parts.next()) {
        let (key, value) = match text.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&text[..at], Some(text[at + 1..].to_vec())),
            None => (text, None),
        };
        let is_ours = [&b"webhook."[..], b"webhookuser.", b"gitweb."].iter().any(|start| key.starts_with(start));
        // The user's own file is left out where several users write.
        let is_left_out = scope == b"global" && scene.is_shared();
        if (is_ours || key == b"core.sharedrepository") && !is_left_out {
            let file = OsStr::from_bytes(origin.strip_prefix(b"file:").unwrap_or(origin));
            found.push(Read { key: key.into(), value, file: scene.place.git_dir.join(file) });
        }
    }
    Ok(found)
}
