//! The targets of a repository, found by the names that a person types.

use super::failure::{Failure, failure};
use super::place::Place;
use crate::config::{self, Configuration, Configured, Entry};
use crate::process::Environment;
use crate::target::{Target, TargetName};

/// Fails where no target is configured by this name, be it rightly or not.
pub(super) fn known(place: &Place, name: &str) -> Result<(), Failure> {
    find(place, name).map(drop)
}

/// The target of this name, rightly configured or not.
pub(super) fn find<'a>(place: &'a Place, name: &str) -> Result<&'a Configured, Failure> {
    place.configuration.find(name).ok_or_else(|| unknown(place, name))
}

/// What every verb says of a target that is not there.
pub(super) fn unknown(place: &Place, name: &str) -> Failure {
    lacking(&place.configuration, name)
}

/// The same of a configuration that is perhaps no repository's.
pub(super) fn lacking(configuration: &Configuration, name: &str) -> Failure {
    let others = configuration.names().map(ToString::to_string).collect();
    Failure::NoTarget { name: name.into(), others }
}

/// Where the URL of a target is set that is in effect.
pub(super) fn url(place: &Place, name: &TargetName, environment: &Environment) -> Result<Option<Entry>, Failure> {
    let entries = config::entries(&place.git_dir, &place.common_dir, environment);
    let entries = entries.map_err(|why| Failure::new(why.to_string()))?;
    let is_url = |entry: &Entry| {
        entry.section == "webhook" && entry.key == "url" && entry.subsection.as_deref() == Some(name.as_bytes())
    };
    Ok(entries.into_iter().rfind(is_url))
}

/// The files of secrets that an entry names: one with its spaces, or several keys to sign with.
pub(super) fn secret_files(entry: &Entry) -> Vec<String> {
    let text = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default());
    match (entry.section, entry.key.as_str()) {
        ("webhook", "secretfile") => vec![text.into_owned()],
        ("webhook", "signingsecretfile") => text.split_whitespace().map(String::from).collect(),
        _ => Vec::new(),
    }
}

/// The target of this name, if it can be used.
pub(super) fn usable<'a>(place: &'a Place, name: &str) -> Result<&'a Target, Failure> {
    match find(place, name)? {
        Configured::Ready(target) => Ok(target),
        Configured::Broken(broken) => {
            let problems: Vec<_> = broken.problems.iter().map(ToString::to_string).collect();
            failure(problems.join("; "))
        }
    }
}
