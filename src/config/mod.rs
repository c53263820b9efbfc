//! Every `webhook.*` key: files in, settings and checked targets out.

mod files;
mod include;
mod keys;
mod secret_file;
mod syntax;
mod target;
mod value;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use log::LevelFilter;

use crate::event::Visibility;
use crate::message;
use crate::process::Environment;
use crate::pusher::KnownUser;
use crate::target::{Target, TargetName, in_part};

pub use files::{Entry, Layout, Scope, Unreadable};
pub use keys::{KEYS, Key, Of, find as find_key, is_confidential, nearest as nearest_key};

use value::{
    Wrong, absolute_path, boolean, commit_template, days, log_level, one_line, positive_number, report, seconds,
    template, text, value_text, visibility,
};

pub use secret_file::below as secret_below;
pub use value::time;

/// All that the configuration says, with all that is wrong about it.
pub struct Configuration {
    /// How the repository keeps objects and refs.
    pub layout: Layout,
    /// Of the repository and the server.
    pub settings: Settings,
    /// The targets, in the order in which the files name them.
    pub targets: Vec<Configured>,
    /// Wrong values of keys that belong to no target; the default counts in their place.
    pub problems: Vec<Problem>,
    /// What is odd but does no harm: unknown keys, protected keys in a repository.
    pub warnings: Vec<Problem>,
}

/// A target as it is configured: one that can be used, or one that has to be mended first.
pub enum Configured {
    /// It can be used as it is.
    Ready(Box<Target>),
    /// It cannot, and why.
    Broken(BrokenTarget),
}

impl Configured {
    /// Its name.
    pub fn name(&self) -> &TargetName {
        match self {
            Self::Ready(target) => &target.name,
            Self::Broken(target) => &target.name,
        }
    }

    /// Whether it is to be told of pushes, once it can be.
    pub fn is_enabled(&self) -> bool {
        match self {
            Self::Ready(target) => target.enabled,
            Self::Broken(target) => target.enabled,
        }
    }

    /// The target, where it can be used.
    pub fn ready(&self) -> Option<&Target> {
        match self {
            Self::Ready(target) => Some(target),
            Self::Broken(_) => None,
        }
    }

    /// What is wrong with it, where it cannot be used.
    pub fn broken(&self) -> Option<&BrokenTarget> {
        match self {
            Self::Ready(_) => None,
            Self::Broken(target) => Some(target),
        }
    }
}

/// A target that is not configured rightly. Its events are not sent, those of the others are.
pub struct BrokenTarget {
    /// The name, as it stands in the file.
    pub name: TargetName,
    /// Scheme, host and port of its address, where that is right.
    pub origin: Option<String>,
    /// Whether it would be used if it were right.
    pub enabled: bool,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
}

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
    fn new(key: &str, entry: &Entry, why: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, files: vec![entry.file.to_path_buf()], why: why.into() }
    }

    /// With the value, unless that may hold a secret: `name` is the key without what stands before it.
    fn about(name: &str, key: &str, entry: &Entry, why: impl Into<String>) -> Self {
        let shown = |value: &Vec<u8>| in_part(&String::from_utf8_lossy(value), 80);
        let value = entry.value.as_ref().filter(|_| !keys::is_confidential(name)).map(shown);
        Self { value, ..Self::new(key, entry, why) }
    }
}

/// What the pusher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// One line a target.
    All,
    /// A line for each target that did not get everything.
    Failures,
    /// Nothing.
    None,
}

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

impl Configuration {
    /// The names of all targets, rightly configured or not.
    pub fn names(&self) -> impl Iterator<Item = &TargetName> {
        self.targets.iter().map(Configured::name)
    }

    /// The targets that can be used.
    pub fn ready(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter_map(Configured::ready)
    }

    /// The targets that cannot.
    pub fn broken(&self) -> impl Iterator<Item = &BrokenTarget> {
        self.targets.iter().filter_map(Configured::broken)
    }

    /// The target of this name, rightly configured or not.
    pub fn find(&self, name: &str) -> Option<&Configured> {
        self.targets.iter().find(|target| target.name() == name)
    }

    /// Reads the configuration of the repository at `git_dir` (`common_dir` differs in a linked worktree alone), secret
    /// files included.
    ///
    /// # Errors
    /// Where the configuration cannot be read as a whole; git dies there too.
    pub fn read(git_dir: &Path, common_dir: &Path, environment: &Environment) -> Result<Self, Unreadable> {
        Self::read_with(git_dir, common_dir, environment, "", &[])
    }

    /// The same as if the repository's own file set these keys of the target `name` as well: what comes of a change
    /// before it is made.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn read_with(
        git_dir: &Path,
        common_dir: &Path,
        environment: &Environment,
        name: &str,
        values: &[(&'static str, String)],
    ) -> Result<Self, Unreadable> {
        let (mut entries, layout) = files::read(git_dir, common_dir, environment)?;
        let file: Rc<Path> = common_dir.join("config").into();
        entries.extend(values.iter().map(|(key, value)| Entry {
            section: "webhook",
            subsection: Some(name.as_bytes().into()),
            key: key.to_ascii_lowercase(),
            value: Some(value.clone().into_bytes()),
            scope: Scope::Repository,
            file: Rc::clone(&file),
            is_cut: false,
        }));
        let reader = Reader { entries: &entries, problems: Vec::new(), warnings: Vec::new() };
        Ok(reader.read(git_dir, layout))
    }
}

/// Every value of `webhook`, `webhookUser`, `gitweb` and `core` that git would see in the repository at `git_dir`.
///
/// # Errors
/// Where the configuration cannot be read as a whole; git dies there too.
pub fn entries(git_dir: &Path, common_dir: &Path, environment: &Environment) -> Result<Vec<Entry>, Unreadable> {
    files::read(git_dir, common_dir, environment).map(|(entries, _)| entries)
}

/// Goes over the entries once for the settings and once for each target.
struct Reader<'a> {
    entries: &'a [Entry],
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn read(mut self, git_dir: &Path, layout: Layout) -> Configuration {
        self.check_names();
        let settings = self.settings();
        let defaults: Vec<_> = self.in_section("webhook").collect();
        let sections = self.sections();
        let read = |(name, own)| target::read(name, own, &defaults, git_dir, &mut self.warnings);
        let targets = sections.into_iter().map(read).collect();
        Configuration { layout, settings, targets, problems: self.problems, warnings: self.warnings }
    }

    /// The name and the entries of each target, in the order in which the names first stand in a file.
    fn sections(&self) -> Vec<(&'a [u8], Vec<&'a Entry>)> {
        let mut sections: Vec<(&[u8], Vec<&Entry>)> = Vec::new();
        let mut places = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.section == "webhook") {
            let Some(name) = entry.subsection.as_deref() else { continue };
            let place = *places.entry(name).or_insert(sections.len());
            match sections.get_mut(place) {
                Some((_, own)) => own.push(entry),
                None => sections.push((name, vec![entry])),
            }
        }
        sections
    }

    /// Warns of keys nobody reads, of protected keys where they do not count, and of values that a comment cuts.
    fn check_names(&mut self) {
        for entry in self.entries {
            let places: &[Of] = match (entry.section, &entry.subsection) {
                ("webhook", Some(_)) => &[Of::Target, Of::TargetAlone],
                ("webhook", None) => &[Of::Target, Of::Repository],
                ("webhookuser", Some(_)) => &[Of::User],
                _ => continue,
            };
            let mut warn = |why: String| self.warnings.push(Problem::new(&full_key(entry), entry, why));
            match keys::find(&entry.key, places) {
                Some(key) if key.protected && entry.scope == Scope::Repository => {
                    warn(message::protected_key().into());
                }
                Some(_) => {}
                None => warn(unknown_key(entry, places)),
            }
            if entry.is_cut {
                warn(message::value_cut().into());
            }
        }
    }

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

    fn in_section(&self, section: &'static str) -> impl DoubleEndedIterator<Item = &'a Entry> + use<'a> {
        self.entries.iter().filter(move |entry| entry.section == section && entry.subsection.is_none())
    }

    fn texts(&self, section: &'static str, key: &'static str) -> Vec<String> {
        self.in_section(section)
            .filter(|entry| entry.key == key)
            .filter_map(|entry| Some(String::from_utf8_lossy(entry.value.as_deref()?).into_owned()))
            .collect()
    }

    /// The entries of `webhook.<name>` that count, protected keys from protected scope alone.
    fn counting(&self, name: &'static str) -> impl DoubleEndedIterator<Item = &'a Entry> + use<'a> {
        let protected = keys::find(name, &[Of::Repository]).is_some_and(|key| key.protected);
        self.in_section("webhook").filter(move |entry| {
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

/// What to say of a key that is none in this place.
fn unknown_key(entry: &Entry, places: &[Of]) -> String {
    let elsewhere = |of: Of| keys::find(&entry.key, &[of]).filter(|_| entry.section == "webhook");
    if let Some(key) = elsewhere(Of::TargetAlone) {
        message::belongs_to_target(key.name)
    } else if let Some(key) = elsewhere(Of::Repository) {
        message::belongs_to_no_target(key.name)
    } else {
        match keys::nearest(&entry.key, places) {
            Some(name) => message::unknown_key_like(name),
            None => message::unknown_key().into(),
        }
    }
}

/// The key as a person writes it, with the documented capitals where it is a known one.
fn full_key(entry: &Entry) -> String {
    let all = [Of::Target, Of::TargetAlone, Of::Repository, Of::User];
    let key = keys::find(&entry.key, &all).map_or_else(|| in_part(&entry.key, 100), |key| key.name.into());
    let section = if entry.section == "webhookuser" { "webhookUser" } else { entry.section };
    match &entry.subsection {
        Some(name) => format!("{section}.{}.{key}", TargetName::new(&**name)),
        None => format!("{section}.{key}"),
    }
}
