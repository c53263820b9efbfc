//! Secrets that others than the owner and his group can read.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend::{self, Content, FileKey, Mend, shown};
use crate::config::{Entry, Scope};
use crate::message;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = HashSet::new();
    for entry in scene.entries.iter().filter(|entry| is_secret(entry) && is_open(&entry.file)) {
        let name = entry.subsection.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let (key, in_file) = match entry.key.as_str() {
            "signingsecret" => ("signingSecret", Some("signingSecretFile")),
            "secret" => ("secret", Some("secretFile")),
            other => (other, None),
        };
        let full = format!("webhook.{name}.{key}");
        if !seen.insert((&entry.file, full.clone())) {
            continue;
        }
        let message = message::check_secret_readable(entry.file.display(), &full);
        let mend = match in_file.filter(|_| entry.scope == Scope::Repository && is_plain(&name)) {
            Some(in_file) => into_file(scene, &entry.file, &full, &name, in_file),
            None => mend::close_to_others(&entry.file),
        };
        findings.push(Finding::advice(Kind::SecretReadable, message).of(&name).mend(mend));
    }
    let root = scene.root();
    for place in [root.clone(), root.join("secret")].iter().filter(|place| !place.is_symlink() && is_open(place)) {
        let finding = Finding::advice(Kind::OpenDirectory, message::check_open_directory(place.display()));
        findings.push(finding.mend(mend::close_to_others(place)));
    }
    findings
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

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !name.contains('/')
}

/// Others may have reasons to read the configuration, a web view for one: the secret goes into a file of its own.
fn into_file(scene: &Scene<'_>, file: &Path, full: &str, name: &str, key: &str) -> Mend {
    let directory = scene.place.git_dir.join("webhook/secret");
    // A target may have both kinds.
    let place = if key == "secretFile" { name.to_owned() } else { format!("{name}.whsec") };
    let keep = Mend::KeepSecret {
        directory: shown(&directory),
        file: shown(&directory.join(&place)),
        content: Content::ValueOf(FileKey::new(file, full)),
        is_shared: scene.is_shared(),
    };
    let full_of_file = format!("webhook.{name}.{key}");
    Mend::AllOf(vec![keep, mend::set(file, &full_of_file, place), mend::unset(file, full)])
}
