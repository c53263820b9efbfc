//! What is wrong with one value, in words that show no secret.

use std::fmt;
use std::path::PathBuf;

use super::entry::Entry;
use super::keys::{self, Of};
use crate::target::{TargetName, in_part};

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The full key.
    pub key: String,
    /// The value; `None` where it is a secret or may hold one.
    pub value: Option<String>,
    /// The files concerned.
    pub files: Vec<PathBuf>,
    /// What is wrong and what to write instead.
    pub why: String,
    /// What is right of the value counts, where otherwise nothing of it does.
    pub counts_in_part: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        if let Some(value) = &self.value {
            write!(f, " '{value}'")?;
        }
        write!(f, ": {}", self.why)?;
        for (number, file) in self.files.iter().enumerate() {
            let word = if number == 0 { " (in" } else { " and" };
            write!(f, "{word} '{}'", file.display())?;
        }
        if self.files.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl Problem {
    pub(super) fn new(key: &str, entry: &Entry, why: impl Into<String>) -> Self {
        let files = vec![entry.file.to_path_buf()];
        Self { key: key.into(), value: None, files, why: why.into(), counts_in_part: false }
    }

    /// With the value, unless that may hold a secret: `name` is the key without what stands before it.
    pub(super) fn about(name: &str, key: &str, entry: &Entry, why: impl Into<String>) -> Self {
        let shown = |value: &Vec<u8>| in_part(&String::from_utf8_lossy(value), 80);
        let value = entry.value.as_ref().filter(|_| !keys::is_confidential(name)).map(shown);
        Self { value, ..Self::new(key, entry, why) }
    }
}

/// The key as a person writes it, with the documented capitals where it is a known one.
pub(super) fn full_key(entry: &Entry) -> String {
    let all = [Of::Target, Of::TargetAlone, Of::Repository, Of::User];
    let key = keys::find(&entry.key, &all).map_or_else(|| in_part(&entry.key, 100), |key| key.name.into());
    let section = if entry.section == "webhookuser" { "webhookUser" } else { entry.section };
    match &entry.subsection {
        Some(name) => format!("{section}.{}.{key}", TargetName::new(&**name)),
        None => format!("{section}.{key}"),
    }
}
