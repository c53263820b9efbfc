//! Every `webhook.*` key: files in, settings and checked targets out.

mod entry;

mod installed;

mod syntax;

mod include;

mod files;

mod keys;

mod problem;

mod configured;

mod value;

mod setting;

mod profile;

mod secret_file;

mod via;

mod settings;

mod target;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::message;
use crate::process::Environment;
use crate::state_dir::StateDir;
use crate::target::{Target, TargetName};

pub use configured::{BrokenTarget, Configured};
pub use entry::{Entry, Scope, Unreadable};
pub use files::Layout;
pub use keys::{KEYS, Key, Of, find as find_key, is_confidential, nearest as nearest_key};
pub use problem::Problem;
pub use profile::Profile;
pub use secret_file::below as secret_below;
pub use settings::{NoteSettings, Settings};
pub use syntax::boolean;
pub use value::{Report, Viewer, time};
pub use via::{Broker, Route};

use problem::full_key;

/// All that the configuration says, with all that is wrong about it.
pub struct Configuration {
    common_dir: PathBuf,
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
    /// Files of the user's own that may not be read, which git passes over, and why.
    pub unread: Vec<(PathBuf, String)>,
}

impl Configuration {
    /// The user's own file in which something is said of webhooks that does not count, for `HOME` is not set.
    pub fn unseen_file(&self, environment: &Environment) -> Option<PathBuf> {
        if self.settings.shared { None } else { files::unseen_file(environment) }
    }

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
        let files::Files { entries, layout, unread } = files::read(git_dir, common_dir, environment)?;
        Ok(Self { unread, ..Self::of(&entries, common_dir, layout) })
    }

    /// The same as if a change had been made: what comes of it, before it is.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn read_changed(
        git_dir: &Path,
        common_dir: &Path,
        environment: &Environment,
        change: &Change<'_>,
    ) -> Result<Self, Unreadable> {
        let files::Files { mut entries, layout, unread } = files::read(git_dir, common_dir, environment)?;
        change.make(&mut entries);
        Ok(Self { unread, ..Self::of(&entries, common_dir, layout) })
    }

    /// What the system's and the user's own files say, apart from any repository, with a change as if it had been made.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn read_protected(environment: &Environment, change: Option<&Change<'_>>) -> Result<Self, Unreadable> {
        let files::Files { mut entries, layout, unread } = files::read_protected(environment)?;
        change.into_iter().for_each(|change| change.make(&mut entries));
        Ok(Self { unread, ..Self::of(&entries, Path::new("/"), layout) })
    }

    /// Whether one more entry, read last of its scope, is right: nothing is said of its key that was not before.
    pub fn is_right_with(&self, entries: &[Entry], entry: Entry) -> bool {
        let key = full_key(&entry);
        let at = entries.iter().rposition(|known| known.scope <= entry.scope).map_or(0, |at| at + 1);
        let mut entries = entries.to_vec();
        entries.insert(at, entry);
        let tried = Self::of(&entries, &self.common_dir, self.layout);
        let of_targets = tried.broken().flat_map(|target| &target.problems);
        !of_targets.chain(&tried.problems).chain(&tried.warnings).any(|problem| problem.key.eq_ignore_ascii_case(&key))
    }

    /// Goes over the entries once for the settings and once for each target.
    fn of(entries: &[Entry], common_dir: &Path, layout: Layout) -> Self {
        let mut warnings = check_names(entries);
        let state = StateDir::new(common_dir, files::is_shared(entries));
        let (settings, problems) = settings::read(entries, &state.secrets());
        let defaults: Vec<_> = setting::in_section(entries, "webhook").collect();
        let read = |(name, own)| target::read(name, own, &defaults, &settings, &state, &mut warnings);
        let targets = sections(entries).into_iter().map(read).collect();
        Self { common_dir: common_dir.into(), layout, settings, targets, problems, warnings, unread: Vec::new() }
    }
}

/// Another value of some keys of one target.
pub struct Change<'a> {
    /// Where it is made.
    pub scope: Scope,
    /// In which file.
    pub file: &'a Path,
    /// The target's name.
    pub name: &'a str,
    /// The keys that are set, each with one of its values; what they had goes.
    pub values: &'a [(&'static str, String)],
    /// The keys that are set no more.
    pub unset: &'a [&'static str],
}

impl Change<'_> {
    fn make(&self, entries: &mut Vec<Entry>) {
        let is_changed = |entry: &Entry| {
            let is = |key: &str| key.eq_ignore_ascii_case(&entry.key);
            entry.section == "webhook"
                && entry.scope == self.scope
                && entry.subsection.as_deref() == Some(self.name.as_bytes())
                && (self.values.iter().any(|(key, _)| is(key)) || self.unset.iter().any(|key| is(key)))
        };
        entries.retain(|entry| !is_changed(entry));
        let at = entries.iter().rposition(|known| known.scope <= self.scope).map_or(0, |at| at + 1);
        let file: Rc<Path> = self.file.into();
        let made = self.values.iter().map(|(key, value)| Entry {
            section: "webhook",
            subsection: Some(self.name.as_bytes().into()),
            key: key.to_ascii_lowercase(),
            value: Some(value.clone().into_bytes()),
            scope: self.scope,
            file: Rc::clone(&file),
            is_cut: false,
        });
        entries.splice(at..at, made.collect::<Vec<_>>());
    }
}

/// The file that `git config --system` or `--global` would write, for which alone this is asked; `None` where there is none.
pub fn file_of(scope: Scope, environment: &Environment) -> Option<PathBuf> {
    files::written(scope, environment)
}

/// What the system's and the user's own files say.
///
/// # Errors
/// Where they cannot be read as a whole; git dies there too.
pub fn protected_entries(environment: &Environment) -> Result<Vec<Entry>, Unreadable> {
    files::read_protected(environment).map(|files| files.entries)
}

/// Every value of `webhook`, `webhookUser`, `gitweb` and `core` that git would see in the repository at `git_dir`.
///
/// # Errors
/// Where the configuration cannot be read as a whole; git dies there too.
pub fn entries(git_dir: &Path, common_dir: &Path, environment: &Environment) -> Result<Vec<Entry>, Unreadable> {
    files::read(git_dir, common_dir, environment).map(|files| files.entries)
}

/// The name and the entries of each target, in the order in which the names first stand in a file.
fn sections(entries: &[Entry]) -> Vec<(&[u8], Vec<&Entry>)> {
    let mut sections: Vec<(&[u8], Vec<&Entry>)> = Vec::new();
    let mut places = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.section == "webhook") {
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
fn check_names(entries: &[Entry]) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for entry in entries {
        let places: &[Of] = match (entry.section, &entry.subsection) {
            ("webhook", Some(_)) => &[Of::Target, Of::TargetAlone],
            ("webhook", None) => &[Of::Target, Of::Repository],
            ("webhookuser", Some(_)) => &[Of::User],
            _ => continue,
        };
        let mut warn = |why: String| warnings.push(Problem::new(&full_key(entry), entry, why));
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
    warnings
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
