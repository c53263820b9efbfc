//! Reads values out of all entries, and notes what is wrong with them.

use super::entry::{Entry, Scope};
use super::keys::{self, Of};
use super::problem::Problem;
use super::value::{Wrong, boolean, value_text};

/// The entries of a section that stand in no subsection.
pub(super) fn in_section<'a>(
    entries: &'a [Entry],
    section: &'static str,
) -> impl DoubleEndedIterator<Item = &'a Entry> + use<'a> {
    entries.iter().filter(move |entry| entry.section == section && entry.subsection.is_none())
}

/// Reads the keys that belong to no target.
pub(super) struct SettingReader<'a> {
    pub(super) entries: &'a [Entry],
    /// The last scope that counts.
    pub(super) up_to: Scope,
    pub(super) problems: Vec<Problem>,
}

impl<'a> SettingReader<'a> {
    pub(super) fn new(entries: &'a [Entry]) -> Self {
        Self { entries, up_to: Scope::Repository, problems: Vec::new() }
    }

    pub(super) fn texts(&self, section: &'static str, key: &'static str) -> Vec<String> {
        in_section(self.entries, section)
            .filter(|entry| entry.key == key && entry.scope <= self.up_to)
            .filter_map(|entry| Some(String::from_utf8_lossy(entry.value.as_deref()?).into_owned()))
            .collect()
    }

    /// The entries of `webhook.<name>` that count, protected keys from protected scope alone.
    pub(super) fn counting(&self, name: &'static str) -> impl DoubleEndedIterator<Item = &'a Entry> + use<'a> {
        let is_protected = keys::find(name, &[Of::Repository]).is_some_and(|key| key.protected);
        let up_to = if is_protected { Scope::Global } else { self.up_to };
        in_section(self.entries, "webhook")
            .filter(move |entry| entry.key.eq_ignore_ascii_case(name) && entry.scope <= up_to)
    }

    /// The last value of `webhook.<name>`; a wrong one is noted, and counts as not set.
    pub(super) fn setting<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let entry = self.counting(name).next_back()?;
        match value_text(entry).and_then(parse) {
            Ok(value) => Some(value),
            Err(why) => {
                let problem = Problem::about(name, &format!("webhook.{name}"), entry, why);
                // What counts for both profiles is read for each.
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
                None
            }
        }
    }

    /// A boolean that is `default` unless it says otherwise; a key without a value is true, as in git.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.counting(name).next_back() {
            Some(entry) if entry.value.is_none() => true,
            Some(_) => self.setting(name, boolean).unwrap_or(default),
            None => default,
        }
    }
}
