//! Every `webhook.*` key: files in, settings and checked targets out.

mod files;
mod keys;
mod target;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::event::Visibility;
use crate::process::Environment;
use crate::pusher::KnownUser;
use crate::target::Target;

pub use files::{Entry, Layout, Scope, Unreadable};
pub use keys::{KEYS, Key, Of};

/// All that the configuration says, with all that is wrong about it.
pub struct Configuration {
    /// How the repository keeps objects and refs.
    pub layout: Layout,
    /// Of the repository and the server.
    pub settings: Settings,
    /// The targets that can be used, in the order in which the files name them.
    pub targets: Vec<Target>,
    /// The targets that cannot, and why.
    pub broken: Vec<BrokenTarget>,
    /// Wrong values of keys that belong to no target; the default counts in their place.
    pub problems: Vec<Problem>,
    /// What is odd but does no harm: unknown keys, protected keys in a repository.
    pub warnings: Vec<Problem>,
}

/// A target that is not configured rightly. Its events are not sent, those of the others are.
pub struct BrokenTarget {
    /// The name, as it stands in the file.
    pub name: String,
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
            let word = if number == 0 { "in" } else { "and" };
            write!(f, " {word} '{}'", file.display())?;
        }
        Ok(())
    }
}

impl Problem {
    fn new(key: &str, entry: &Entry, why: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, files: vec![entry.file.clone()], why: why.into() }
    }

    fn with_value(key: &str, entry: &Entry, why: impl Into<String>) -> Self {
        let value = entry.value.as_deref().unwrap_or_default();
        let shown: String = String::from_utf8_lossy(value).chars().take(80).collect();
        Self { value: Some(shown), ..Self::new(key, entry, why) }
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
            report: Report::All,
            max_targets: 50,
            log_level: LevelFilter::Warn,
            shared: false,
        }
    }
}

impl Configuration {
    /// Reads the configuration of the repository at `git_dir` (`common_dir` differs in a linked worktree alone), secret
    /// files included.
    ///
    /// # Errors
    /// Where the configuration cannot be read as a whole; git dies there too.
    pub fn read(git_dir: &Path, common_dir: &Path, environment: &Environment) -> Result<Self, Unreadable> {
        let (entries, layout) = files::read(git_dir, common_dir, environment)?;
        let reader = Reader { entries: &entries, problems: Vec::new(), warnings: Vec::new() };
        Ok(reader.read(git_dir, layout))
    }
}

/// Goes over the entries once for the settings and once for each target.
struct Reader<'a> {
    entries: &'a [Entry],
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

/// How a wrong value is told: the words after "write".
type Wrong = &'static str;

impl<'a> Reader<'a> {
    fn read(mut self, git_dir: &Path, layout: Layout) -> Configuration {
        self.check_names();
        let settings = self.settings();
        let mut targets = Vec::new();
        let mut broken = Vec::new();
        for name in self.target_names() {
            match target::read(name, self.entries, git_dir, &mut self.warnings) {
                Ok(target) => targets.push(target),
                Err(target) => broken.push(target),
            }
        }
        Configuration { layout, settings, targets, broken, problems: self.problems, warnings: self.warnings }
    }

    /// The names of all targets, in the order in which they first stand in a file.
    fn target_names(&self) -> Vec<&'a [u8]> {
        let mut names = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.section == "webhook") {
            if let Some(name) = entry.subsection.as_deref()
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// Warns of keys nobody reads, and of protected keys where they do not count.
    fn check_names(&mut self) {
        for entry in self.entries {
            let places: &[Of] = match (entry.section.as_str(), &entry.subsection) {
                ("webhook", Some(_)) => &[Of::Target, Of::TargetAlone],
                ("webhook", None) => &[Of::Target, Of::Repository],
                ("webhookuser", Some(_)) => &[Of::User],
                _ => continue,
            };
            let full = full_key(entry);
            match keys::find(&entry.key, places) {
                Some(key) if key.protected && entry.scope == Scope::Repository => {
                    let why = "is ignored here, since it counts only from the system's or the user's own configuration, not from a repository's";
                    self.warnings.push(Problem::new(&full, entry, why));
                }
                Some(_) => {}
                None => {
                    let why = match keys::nearest(&entry.key, places) {
                        Some(name) => format!("is no known key; did you mean {name}?"),
                        None => "is no known key".into(),
                    };
                    self.warnings.push(Problem::new(&full, entry, why));
                }
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
            report: self.setting("report", report).unwrap_or(default.report),
            max_targets: self
                .setting("maxTargets", positive_number)
                .map_or(default.max_targets, |number| number as usize),
            log_level: self.setting("logLevel", log_level).unwrap_or(default.log_level),
            shared: self
                .in_section("core")
                .rfind(|entry| entry.key == "sharedrepository")
                .is_some_and(|entry| files::is_shared(entry.clone())),
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
                let key = format!("webhook.{name}");
                self.problems.push(Problem::with_value(&key, entry, why));
                None
            }
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
                self.problems.push(Problem::with_value(&full_key(entry), entry, why));
            }
        }
        users
    }
}

/// The key as a person writes it, with the documented capitals where it is a known one.
fn full_key(entry: &Entry) -> String {
    let all = [Of::Target, Of::TargetAlone, Of::Repository, Of::User];
    let key = keys::find(&entry.key, &all).map_or(entry.key.as_str(), |key| key.name);
    let section = if entry.section == "webhookuser" { "webhookUser" } else { &entry.section };
    match &entry.subsection {
        Some(name) => format!("{section}.{}.{key}", String::from_utf8_lossy(name)),
        None => format!("{section}.{key}"),
    }
}

/// A value longer than this is a mistake or an attack, whatever the key.
const LONGEST_VALUE: usize = 64 * 1024;

fn value_text(entry: &Entry) -> Result<&str, Wrong> {
    let value = entry.value.as_deref().ok_or("has no value: write key = value")?;
    if value.len() > LONGEST_VALUE {
        return Err("is longer than 64 KiB");
    }
    let text = std::str::from_utf8(value).map_err(|_| "is not UTF-8")?;
    if text.contains('\0') {
        return Err("holds a NUL");
    }
    Ok(text)
}

fn text(value: &str) -> Result<String, Wrong> {
    Ok(value.into())
}

fn one_line(value: &str) -> Result<String, Wrong> {
    if value.contains(char::is_control) {
        return Err("holds a control character");
    }
    Ok(value.into())
}

fn absolute_path(value: &str) -> Result<PathBuf, Wrong> {
    let path = PathBuf::from(value);
    if path.is_absolute() { Ok(path) } else { Err("is not an absolute path") }
}

fn template(value: &str) -> Result<String, Wrong> {
    template_with(value, &["{repository}", "{name}"])
        .ok_or("is no URL template: write a URL, with {repository} and {name} where they belong")
}

fn commit_template(value: &str) -> Result<String, Wrong> {
    template_with(value, &["{repository}", "{name}", "{id}"])
        .ok_or("is no URL template: write a URL, with {repository}, {name} and {id} where they belong")
}

fn template_with(value: &str, places: &[&str]) -> Option<String> {
    let rest = places.iter().fold(value.to_owned(), |rest, place| rest.replace(place, ""));
    let wrong = |c: char| c.is_control() || c.is_whitespace() || c == '{' || c == '}';
    (!rest.contains(wrong)).then(|| value.into())
}

fn visibility(value: &str) -> Result<Visibility, Wrong> {
    match value {
        "private" => Ok(Visibility::Private),
        "internal" => Ok(Visibility::Internal),
        "public" => Ok(Visibility::Public),
        _ => Err("is no visibility: write private, internal or public"),
    }
}

fn report(value: &str) -> Result<Report, Wrong> {
    match value {
        "all" => Ok(Report::All),
        "failures" => Ok(Report::Failures),
        "none" => Ok(Report::None),
        _ => Err("is no report: write all, failures or none"),
    }
}

fn log_level(value: &str) -> Result<LevelFilter, Wrong> {
    match value {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        _ => Err("is no log level: write error, warn, info or debug"),
    }
}

fn positive_number(value: &str) -> Result<u32, Wrong> {
    files::integer(value.as_bytes())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (1..1 << 31).contains(number))
        .ok_or("is no number from 1 to 2147483647")
}

/// A time from one second to one hour: a whole number with `s`, `m`, `h` or `d`, seconds without.
fn seconds(value: &str) -> Result<Duration, Wrong> {
    let digits = value.trim_end_matches(['s', 'm', 'h', 'd']);
    let factor = match &value[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(NO_TIME),
    };
    // u64's parser takes a leading plus.
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(NO_TIME);
    }
    let number: u64 = digits.parse().map_err(|_| NO_TIME)?;
    match number.checked_mul(factor) {
        Some(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("is no time from 1s to 1h"),
    }
}

const NO_TIME: Wrong = "is no time: write a whole number with s, m, h or d";
