//! The settings of the repository and the server, read from the keys that belong to no target.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::entry::{Entry, Scope};
use super::files;
use super::keys::{self, Of};
use super::problem::{Problem, full_key};
use super::value::{
    Report, Wrong, absolute_path, boolean, commit_template, days, log_level, one_line, positive_number, report,
    seconds, template, text, value_text, visibility,
};
use crate::event::Visibility;
use crate::pusher::KnownUser;

/// Settings of the repository and the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `webhook.repository`.
    pub repository: Option<String>,
    /// `webhook.root`.
    pub root: Option<PathBuf>,
    /// `webhook.homepage`, a template.
    pub homepage: String,
    /// `webhook.commitUrl`, a template.
    pub commit_url: String,
    /// `webhook.gitHttpUrl`, a template.
    pub git_http_url: Option<String>,
    /// `webhook.gitSshUrl`, a template.
    pub git_ssh_url: Option<String>,
    /// `gitweb.url`: clone addresses of any kind.
    pub gitweb_urls: Vec<String>,
    /// `webhook.repositoryDescription`, else `gitweb.description`.
    pub description: Option<String>,
    /// `webhook.visibility`.
    pub visibility: Option<Visibility>,
    /// `webhook.projectId`.
    pub project_id: Option<u32>,
    /// `webhookUser.<login>.*`.
    pub users: HashMap<String, KnownUser>,
    /// `webhook.userVariable`.
    pub user_variables: Vec<String>,
    /// `webhook.maxWait`.
    pub max_wait: Duration,
    /// `webhook.detach`: the push does not wait for the receivers.
    pub detach: bool,
    /// `webhook.keepLog`.
    pub keep_log: Duration,
    /// `webhook.report`.
    pub report: Report,
    /// `webhook.maxTargets`.
    pub max_targets: usize,
    /// `webhook.logLevel`.
    pub log_level: LevelFilter,
    /// `core.sharedRepository` is group or wider: our files are made for the group too.
    pub shared: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            repository: None,
            root: None,
            homepage: String::new(),
            commit_url: String::new(),
            git_http_url: None,
            git_ssh_url: None,
            gitweb_urls: Vec::new(),
            description: None,
            visibility: None,
            project_id: None,
            users: HashMap::new(),
            user_variables: Vec::new(),
            max_wait: Duration::from_secs(10),
            detach: false,
            keep_log: Duration::from_secs(30 * 86_400),
            report: Report::All,
            max_targets: 50,
            log_level: LevelFilter::Warn,
            shared: false,
        }
    }
}

/// The settings, and what is wrong with them; the default counts in place of a wrong value.
pub(super) fn read(entries: &[Entry]) -> (Settings, Vec<Problem>) {
    let mut reader = SettingsReader { entries, problems: Vec::new() };
    let settings = reader.settings();
    (settings, reader.problems)
}

/// The entries of a section that stand in no subsection.
pub(super) fn in_section<'a>(
    entries: &'a [Entry],
    section: &'static str,
) -> impl DoubleEndedIterator<Item = &'a Entry> + use<'a> {
    entries.iter().filter(move |entry| entry.section == section && entry.subsection.is_none())
}

/// Reads the settings out of all entries, and notes what is wrong with them.
struct SettingsReader<'a> {
    entries: &'a [Entry],
    problems: Vec<Problem>,
}

impl<'a> SettingsReader<'a> {
    fn settings(&mut self) -> Settings {
        let default = Settings::default();
        Settings {
            repository: self.setting("repository", one_line),
            root: self.setting("root", absolute_path),
            homepage: self.setting("homepage", template).unwrap_or_default(),
            commit_url: self.setting("commitUrl", commit_template).unwrap_or_default(),
            git_http_url: self.setting("gitHttpUrl", template),
            git_ssh_url: self.setting("gitSshUrl", template),
            gitweb_urls: self.texts("gitweb", "url"),
            description: self
                .setting("repositoryDescription", text)
                .or_else(|| self.texts("gitweb", "description").pop()),
            visibility: self.setting("visibility", visibility),
            project_id: self.setting("projectId", positive_number),
            users: self.users(),
            user_variables: self.user_variables(),
            max_wait: self.setting("maxWait", seconds).unwrap_or(default.max_wait),
            detach: self.flag("detach"),
            keep_log: self.setting("keepLog", days).unwrap_or(default.keep_log),
            report: self.setting("report", report).unwrap_or(default.report),
            max_targets: self
                .setting("maxTargets", positive_number)
                .map_or(default.max_targets, |number| number as usize),
            log_level: self.setting("logLevel", log_level).unwrap_or(default.log_level),
            shared: files::is_shared(self.entries),
        }
    }

    fn texts(&self, section: &'static str, key: &'static str) -> Vec<String> {
        in_section(self.entries, section)
            .filter(|entry| entry.key == key)
            .filter_map(|entry| Some(String::from_utf8_lossy(entry.value.as_deref()?).into_owned()))
            .collect()
    }

    /// The entries of `webhook.<name>` that count, protected keys from protected scope alone.
    fn counting(&self, name: &'static str) -> impl DoubleEndedIterator<Item = &'a Entry> + use<'a> {
        let protected = keys::find(name, &[Of::Repository]).is_some_and(|key| key.protected);
        in_section(self.entries, "webhook").filter(move |entry| {
            entry.key.eq_ignore_ascii_case(name) && !(protected && entry.scope == Scope::Repository)
        })
    }

    /// The last value of `webhook.<name>`; a wrong one is noted, and counts as not set.
    fn setting<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let entry = self.counting(name).next_back()?;
        match value_text(entry).and_then(parse) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problems.push(Problem::about(name, &format!("webhook.{name}"), entry, why));
                None
            }
        }
    }

    /// A boolean that is false unless it says otherwise; a key without a value is true, as in git.
    fn flag(&mut self, name: &'static str) -> bool {
        match self.counting(name).next_back() {
            Some(entry) if entry.value.is_none() => true,
            Some(_) => self.setting(name, boolean).unwrap_or(false),
            None => false,
        }
    }

    fn user_variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        for entry in self.counting("userVariable") {
            let value = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default());
            if value.is_empty() {
                names.clear();
            }
            names.extend(value.split_whitespace().map(String::from));
        }
        names
    }

    fn users(&mut self) -> HashMap<String, KnownUser> {
        let mut users: HashMap<String, KnownUser> = HashMap::new();
        let entries =
            self.entries.iter().filter(|entry| entry.section == "webhookuser" && entry.scope != Scope::Repository);
        for entry in entries {
            let Some(login) = entry.subsection.as_deref() else { continue };
            let user = users.entry(String::from_utf8_lossy(login).into_owned()).or_default();
            let outcome = value_text(entry).and_then(|value| {
                match entry.key.as_str() {
                    "name" => user.name = Some(one_line(value)?),
                    "email" => user.email = Some(one_line(value)?),
                    "id" => user.id = Some(positive_number(value)?),
                    _ => {}
                }
                Ok(())
            });
            if let Err(why) = outcome {
                self.problems.push(Problem::about(&entry.key, &full_key(entry), entry, why));
            }
        }
        users
    }
}
