//! Secrets that others than the owner and his group can read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::mend;
use super::{About, Finding, Scene};
use crate::config::{Entry, Scope};
use crate::message;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for entry in scene.entries.iter().filter(|entry| is_secret(entry) && is_open(&entry.file)) {
        let name = entry.subsection.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let (key, in_file) = match entry.key.as_str() {
            "signingsecret" => ("signingSecret", Some("signingSecretFile")),
            "secret" => ("secret", Some("secretFile")),
            other => (other, None),
        };
        let full = format!("webhook.{name}.{key}");
        let message = message::check_secret_readable(entry.file.display(), &full);
        if findings.iter().any(|other| other.message == message) {
            continue;
        }
        let command = match in_file.filter(|_| entry.scope == Scope::Repository && is_plain(&name)) {
            Some(in_file) => into_file(scene, &entry.file, &full, &name, in_file),
            None => format!("chmod o= {}", mend::path(&entry.file)),
        };
        findings.push(Finding::advice(About::Secrets, message).of(&name).mend(command));
    }
    let root = scene.root();
    for place in [root.clone(), root.join("secret")].iter().filter(|place| !place.is_symlink() && is_open(place)) {
        let finding = Finding::advice(About::Secrets, message::check_open_directory(place.display()));
        findings.push(finding.mend(format!("chmod o= {}", mend::path(place))));
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
fn into_file(scene: &Scene<'_>, file: &Path, full: &str, name: &str, key: &str) -> String {
    let directory = scene.place.git_dir.join("webhook/secret");
    let umask = if scene.is_shared() { "007" } else { "077" };
    // A target may have both kinds.
    let place = if key == "secretFile" { name.to_owned() } else { format!("{name}.whsec") };
    format!(
        "(umask {umask}; set -C; mkdir -p {} && git config --file {} {} >{}) && {} && {}",
        mend::path(&directory),
        mend::path(file),
        mend::quote(full),
        mend::path(&directory.join(&place)),
        mend::set(file, &format!("webhook.{name}.{key}"), &mend::quote(&place)),
        mend::unset(file, full)
    )
}
