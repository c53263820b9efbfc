//! The settings of the repository and the server, read from the keys that belong to no target.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use log::LevelFilter;

use super::entry::{Entry, Scope};
use super::files;
use super::problem::{Problem, full_key};
use super::profile::Profile;
use super::setting::SettingReader;
use super::value::{
    Report, absolute_path, aliases, days, log_level, mirrors, one_line, positive_number, report, seconds, secret_mode,
    size, text, value_text,
};
use super::via::{self, Route};
use crate::files::Folder;
use crate::message;
use crate::pusher::KnownUser;
use crate::target::{AllowedHosts, RefPatterns};

/// Each takes its place in the order of a push's deliveries, of which there are 65,536.
const MOST_REVIEW_EVENTS: usize = 10_000;

/// Settings of the repository and the server.
#[derive(Clone)]
pub struct Settings {
    /// `webhook.root`.
    pub root: Option<PathBuf>,
    /// How the repository presents itself to its own targets.
    pub profile: Profile,
    /// How it presents itself to targets of protected scope.
    pub protected_profile: Profile,
    /// `webhookUser.<login>.*`.
    pub users: HashMap<String, KnownUser>,
    /// `webhook.userVariable`.
    pub user_variables: Vec<String>,
    /// `webhook.maxWait`.
    pub max_wait: Duration,
    /// `webhook.detach`: the push does not wait for the receivers.
    pub detach: bool,
    /// `webhook.reconcile`: a timer announces what moved without a hook.
    pub reconcile: bool,
    /// `webhook.mirrors`: a copy that gitolite keeps of another server's repository announces too.
    pub tell_mirrors: bool,
    /// What is read of comments and reviews.
    pub notes: NoteSettings,
    /// `webhook.onFailure`: the command that is run where a target goes bad.
    pub on_failure: Option<String>,
    /// `webhook.keepLog`.
    pub keep_log: Duration,
    /// `webhook.allowedHosts`.
    pub allowed_hosts: Arc<AllowedHosts>,
    /// The files it stands in.
    pub allowing: Vec<PathBuf>,
    /// `webhook.secretMode` is any: files of secrets that protected scope names may be readable by others.
    pub open_secrets: bool,
    /// `webhook.templateDir`.
    pub template_dir: Option<PathBuf>,
    /// `webhook.report`.
    pub report: Report,
    /// `webhook.maxTargets`.
    pub max_targets: usize,
    /// `webhook.via`: how targets of protected scope are told.
    pub via: Route,
    /// `webhook.viaPatience`: how long what the broker took may be without an outcome before it is published again.
    pub via_patience: Duration,
    /// `webhook.logLevel`.
    pub log_level: LevelFilter,
    /// `core.sharedRepository` is group or wider: our files are made for the group too.
    pub shared: bool,
}

/// What is read of comments and reviews.
#[derive(Clone, Debug)]
pub struct NoteSettings {
    /// `webhook.notesRef`: refs whose notes are comments on commits.
    pub refs: Vec<String>,
    /// `webhook.reviews`: whether reviews are read.
    pub reviews: bool,
    /// `webhook.reviewRef`: refs that are heads of reviews; `None` for none.
    pub review_refs: Option<RefPatterns>,
    /// `webhook.maxReviewEvents`: how many events of both kinds a push makes at most, or none.
    pub most_events: usize,
    /// `webhook.maxNote`: how many bytes of a comment are told.
    pub longest: usize,
}

impl Default for NoteSettings {
    fn default() -> Self {
        Self {
            refs: vec!["refs/notes/commits".into()],
            reviews: true,
            review_refs: None,
            most_events: 50,
            longest: 64 << 10,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root: None,
            profile: Profile::default(),
            protected_profile: Profile::default(),
            users: HashMap::new(),
            user_variables: Vec::new(),
            max_wait: Duration::from_secs(10),
            detach: false,
            reconcile: false,
            tell_mirrors: false,
            notes: NoteSettings::default(),
            on_failure: None,
            keep_log: Duration::from_secs(30 * 86_400),
            allowed_hosts: Arc::default(),
            allowing: Vec::new(),
            open_secrets: false,
            template_dir: None,
            report: Report::All,
            max_targets: 50,
            via: Route::Direct,
            via_patience: Duration::from_secs(15 * 60),
            log_level: LevelFilter::Warn,
            shared: false,
        }
    }
}

/// The settings, and what is wrong with them; the default counts in place of a wrong value.
pub(super) fn read(entries: &[Entry], secrets: &Folder) -> (Settings, Vec<Problem>) {
    let mut reader = SettingReader::new(entries);
    let settings = settings(&mut reader, secrets);
    (settings, reader.problems)
}

fn settings(reader: &mut SettingReader<'_>, secrets: &Folder) -> Settings {
    let default = Settings::default();
    // Each target reads it among the scopes that count for it.
    let _: Option<bool> = reader.setting("aliases", aliases);
    let open_secrets = reader.setting("secretMode", secret_mode).unwrap_or(default.open_secrets);
    Settings {
        protected_profile: Profile::read(reader, Scope::Global),
        profile: Profile::read(reader, Scope::Repository),
        root: reader.setting("root", absolute_path),
        users: users(reader),
        user_variables: user_variables(reader),
        max_wait: reader.setting("maxWait", seconds).unwrap_or(default.max_wait),
        detach: reader.flag("detach", false),
        reconcile: reader.flag("reconcile", false),
        tell_mirrors: reader.setting("mirrors", mirrors).unwrap_or(default.tell_mirrors),
        notes: notes(reader, default.notes),
        on_failure: reader.setting("onFailure", text).filter(|command| !command.trim().is_empty()),
        keep_log: reader.setting("keepLog", days).unwrap_or(default.keep_log),
        allowed_hosts: allowed_hosts(reader),
        allowing: reader.counting("allowedHosts").map(|entry| entry.file.to_path_buf()).collect(),
        open_secrets,
        template_dir: reader.setting("templateDir", absolute_path),
        report: reader.setting("report", report).unwrap_or(default.report),
        max_targets: reader
            .setting("maxTargets", positive_number)
            .map_or(default.max_targets, |number| number as usize),
        via: via::read(reader, secrets, open_secrets),
        via_patience: reader.setting("viaPatience", days).unwrap_or(default.via_patience),
        log_level: reader.setting("logLevel", log_level).unwrap_or(default.log_level),
        shared: files::is_shared(reader.entries),
    }
}

fn notes(reader: &mut SettingReader<'_>, default: NoteSettings) -> NoteSettings {
    let most_events = reader.setting("maxReviewEvents", positive_number);
    let are_refs_set = reader.counting("notesRef").next().is_some();
    NoteSettings {
        refs: if are_refs_set { words(reader, "notesRef") } else { default.refs },
        reviews: reader.flag("reviews", default.reviews),
        review_refs: review_refs(reader),
        most_events: most_events.map_or(default.most_events, |number| (number as usize).min(MOST_REVIEW_EVENTS)),
        longest: reader.setting("maxNote", size).unwrap_or(default.longest),
    }
}

fn allowed_hosts(reader: &mut SettingReader<'_>) -> Arc<AllowedHosts> {
    let Some(entry) = reader.counting("allowedHosts").next_back() else { return Arc::default() };
    let words = words(reader, "allowedHosts");
    let (allowed, wrong) = AllowedHosts::parse(words.iter().map(String::as_str));
    if let Some(word) = wrong {
        let why = message::no_allowed_host(word);
        let problem = Problem::about("allowedHosts", "webhook.allowedHosts", entry, why);
        reader.problems.push(Problem { counts_in_part: true, ..problem });
    }
    Arc::new(allowed)
}

fn review_refs(reader: &mut SettingReader<'_>) -> Option<RefPatterns> {
    let words = words(reader, "reviewRef");
    if words.is_empty() {
        return None;
    }
    let patterns = RefPatterns::parse(words.iter().map(String::as_str));
    if patterns.is_err()
        && let Some(entry) = reader.counting("reviewRef").next_back()
    {
        reader.problems.push(Problem::about("reviewRef", "webhook.reviewRef", entry, message::no_ref_pattern()));
    }
    patterns.ok()
}

fn user_variables(reader: &SettingReader<'_>) -> Vec<String> {
    words(reader, "userVariable")
}

/// The words of all values; an empty value clears what came before it.
fn words(reader: &SettingReader<'_>, key: &'static str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in reader.counting(key) {
        let value = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default());
        if value.is_empty() {
            names.clear();
        }
        names.extend(value.split_whitespace().map(String::from));
    }
    names
}

fn users(reader: &mut SettingReader<'_>) -> HashMap<String, KnownUser> {
    let mut users: HashMap<String, KnownUser> = HashMap::new();
    let entries =
        reader.entries.iter().filter(|entry| entry.section == "webhookuser" && entry.scope != Scope::Repository);
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
            reader.problems.push(Problem::about(&entry.key, &full_key(entry), entry, why));
        }
    }
    users
}
