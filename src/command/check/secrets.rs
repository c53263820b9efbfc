//! Secrets that others than the owner and his group can read.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend::{self, Content, FileKey, Mend, shown};
use crate::config::{Entry, Scope};
use crate::format;
use crate::message;

/// Keys of secrets, and of files that hold such a one.
const FILE_KEYS: [(&str, &str); 2] = [("secret", "secretFile"), ("signingSecret", "signingSecretFile")];

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = HashSet::new();
    for entry in scene.entries.iter().filter(|entry| is_secret(entry) && is_open(&entry.file)) {
        let name = entry.subsection.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let key = match entry.key.as_str() {
            "signingsecret" => "signingSecret",
            other => other,
        };
        let full = format!("webhook.{name}.{key}");
        // What is there for nothing goes anyway.
        let is_empty = entry.value.as_ref().is_none_or(|value| value.is_empty());
        // A part of a secret is none; which of two counts only a person knows.
        let is_unclear = entry.is_cut || key == "secret" && is_beside_file(scene, entry);
        if is_empty || is_unclear || is_foreign(scene, entry) || key == "secret" && is_unused(scene, &name) {
            continue;
        }
        if !seen.insert((&entry.file, full.clone())) {
            continue;
        }
        let message = message::check_secret_readable(entry.file.display(), &full);
        let mend = if is_in_view(entry, key) && is_plain(&name) && is_only_one(scene, entry) {
            let content = Content::ValueOf(FileKey::new(&entry.file, &*full));
            into_file(scene, (&entry.file, &full), &name, key, content)
        } else {
            mend::close_to_others(&entry.file)
        };
        findings.push(Finding::advice(Kind::SecretReadable, message).of(&name).mend(mend));
    }
    findings.extend(closed_to_members(scene));
    let root = scene.root();
    for place in [root.clone(), root.join("secret")].iter().filter(|place| !place.is_symlink() && is_open(place)) {
        let finding = Finding::advice(Kind::OpenDirectory, message::check_open_directory(place.display()));
        findings.push(finding.mend(mend::close_to_others(place)));
    }
    findings
}

/// A secret of the repository's own that whoever pushes cannot read, where several users do: its target waits for each of them.
fn closed_to_members(scene: &Scene<'_>) -> Option<Finding> {
    let group = fs::metadata(&scene.place.common_dir).ok()?.gid();
    let place = scene.root().join("secret");
    let is_closed = |path: &std::path::PathBuf| {
        fs::metadata(path).is_ok_and(|metadata| metadata.gid() != group || metadata.permissions().mode() & 0o040 == 0)
    };
    let entries = || fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path());
    let closed = [place.clone()].into_iter().chain(entries()).find(is_closed).filter(|_| scene.is_shared())?;
    let finding = Finding::error(Kind::SecretClosed, message::check_secret_closed(closed.display()));
    let path = shown(&place);
    Some(finding.mend(Mend::GiveToGroup { path: path.clone(), group }).mend(Mend::OpenToGroup { path }))
}

fn is_secret(entry: &Entry) -> bool {
    let has_password = || {
        let value = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default()).into_owned();
        let authority =
            value.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next().map(String::from));
        authority.is_some_and(|authority| authority.contains('@'))
    };
    entry.section == "webhook"
        && entry.subsection.is_some()
        && match entry.key.as_str() {
            "secret" | "signingsecret" | "header" => true,
            "url" => has_password(),
            _ => false,
        }
}

/// Whether somebody else's target has it, which it is none of then.
fn is_foreign(scene: &Scene<'_>, secret: &Entry) -> bool {
    let is_url = |entry: &&Entry| {
        (entry.section, &entry.subsection, entry.key.as_str()) == (secret.section, &secret.subsection, "url")
    };
    let mut urls = scene.entries.iter().filter(is_url).peekable();
    urls.peek().is_some() && urls.all(|url| url.scope != secret.scope)
}

/// Whether the target has no other secret of its kind: several sign side by side, and a file holds one.
fn is_only_one(scene: &Scene<'_>, secret: &Entry) -> bool {
    let of_kind = |entry: &&Entry| {
        let is_its = (entry.section, &entry.subsection) == (secret.section, &secret.subsection);
        is_its && (entry.key == secret.key || entry.key == format!("{}file", secret.key))
    };
    scene.entries.iter().filter(of_kind).nth(1).is_none()
}

/// Whether the target has a file with a secret as well.
fn is_beside_file(scene: &Scene<'_>, secret: &Entry) -> bool {
    let is_its = |entry: &&Entry| {
        (entry.section, &entry.subsection, entry.key.as_str()) == (secret.section, &secret.subsection, "secretfile")
    };
    scene.entries.iter().filter(is_its).any(|entry| names_secret(scene, entry))
}

/// Whether the file that an entry names is there and holds anything.
pub(super) fn names_secret(scene: &Scene<'_>, entry: &Entry) -> bool {
    let name = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default());
    // Where that is absolute it stands for itself.
    let place = scene.root().join("secret").join(&*name);
    fs::metadata(place).is_ok_and(|metadata| metadata.len() > 0)
}

/// Whether the target's format has no use for a secret.
pub(super) fn is_unused(scene: &Scene<'_>, target: &str) -> bool {
    let is_its = |entry: &&Entry| {
        let of = entry.subsection.as_deref();
        entry.section == "webhook" && entry.key == "format" && of.is_none_or(|of| of == target.as_bytes())
    };
    // Its own before the default.
    let format = scene.entries.iter().filter(is_its).max_by_key(|entry| entry.subsection.is_some());
    let name = format.and_then(|entry| std::str::from_utf8(entry.value.as_deref()?).ok());
    name.and_then(format::find).is_some_and(|format| !format.takes_secret())
}

/// Whether others can read what an entry of the repository's own configuration holds under a key.
pub(super) fn is_in_view(entry: &Entry, key: &str) -> bool {
    FILE_KEYS.iter().any(|(of, _)| *of == key) && entry.scope == Scope::Repository && is_open(&entry.file)
}

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !name.contains('/')
}

/// Others may have reasons to read the configuration, a web view for one: the secret that a target has there under this
/// key goes into a file of its own.
pub(super) fn into_file(scene: &Scene<'_>, from: (&Path, &str), target: &str, key: &str, content: Content) -> Mend {
    let directory = scene.place.git_dir.join("webhook/secret");
    // A target may have both kinds.
    let place = if key == "secret" { target.to_owned() } else { format!("{target}.whsec") };
    // What is there is another's, or an earlier one.
    let place = mend::free_name(&place, '.', |place| directory.join(place).exists());
    let keep = Mend::KeepSecret {
        directory: shown(&directory),
        file: shown(&directory.join(&place)),
        content,
        is_shared: scene.is_shared(),
    };
    let key = FILE_KEYS.iter().find(|(of, _)| *of == key).map_or("secretFile", |(_, of_file)| of_file);
    let to = format!("webhook.{target}.{key}");
    Mend::AllOf(vec![keep, mend::set(from.0, &to, place), mend::unset(from.0, from.1)])
}
