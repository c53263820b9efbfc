//! The repository a verb works on, found as git finds it, and all repositories below a directory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bstr::ByteSlice;
use uuid::Uuid;

use super::failure::{Failure, failure};
use super::terminal;
use crate::config::Configuration;
use crate::event::{Context, Event, Review};
use crate::message;
use crate::pipeline::{Pipeline, Scene};
use crate::process::{self, Environment};
use crate::ref_update::{Namespace, ObjectId, RefEvent, RefUpdate};
use crate::repository::{self, Objects, Opened, Reader, Wanted};
use crate::state_dir::StateDir;

/// So many files are looked at: who may not read one may mostly not read any.
const MOST_LOOKED_OVER: usize = 20_000;

/// A repository and its configuration.
pub(super) struct Place {
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
    pub(super) configuration: Configuration,
    state: StateDir,
}

impl Place {
    /// The repository around the working directory, or the one `GIT_DIR` names. git itself looks, so that its own rule
    /// on who owns the repository holds (`safe.directory`): this may be run by root.
    pub(super) fn find(environment: &Environment) -> Result<Self, Failure> {
        Self::open(&git_dir(&[])?, environment)
    }

    /// The repository that this process has been sent into.
    pub(super) fn here(environment: &Environment) -> Result<Self, Failure> {
        Self::open(Path::new("."), environment)
    }

    /// Whether git lets us use the repository at `git_dir`.
    pub(super) fn check(git_dir: &Path) -> Result<(), Failure> {
        self::git_dir(&[OsStr::new("-C"), git_dir.as_os_str()]).map(drop)
    }

    /// The repository at `git_dir`, whose configuration was read.
    pub(super) fn new(git_dir: PathBuf, common_dir: PathBuf, configuration: Configuration) -> Self {
        let state = StateDir::new(&common_dir, configuration.settings.shared);
        Self { git_dir, common_dir, configuration, state }
    }

    /// Reads the configuration of the repository at `git_dir`.
    pub(super) fn open(git_dir: &Path, environment: &Environment) -> Result<Self, Failure> {
        let common_dir = repository::common_dir(git_dir);
        match Configuration::read(git_dir, &common_dir, environment) {
            Ok(configuration) => Ok(Self::new(git_dir.into(), common_dir, configuration)),
            Err(why) => failure(why.to_string()),
        }
    }

    /// Its spool, its log and its targets.
    pub(super) fn pipeline(&self) -> Pipeline<'_> {
        Pipeline::over(self.state.clone(), &self.git_dir, &self.common_dir, &self.configuration)
    }

    /// Finds what of the state cannot be read, though no verb may have to.
    pub(super) fn look_over(&self) {
        self.state.root().look_over(MOST_LOOKED_OVER);
    }

    /// What of configuration and state could not be read so far, and the words for it.
    pub(super) fn unread(&self) -> Vec<(PathBuf, String)> {
        let cannot = |(path, why): (PathBuf, String)| {
            let path = std::path::absolute(&path).unwrap_or(path);
            let text = message::cannot_read(path.display(), why);
            (path, text)
        };
        self.configuration.unread.iter().cloned().chain(self.state.root().unread()).map(cannot).collect()
    }

    /// The same, with what workers have told since somebody asked last.
    pub(super) fn pipeline_with_outcomes(&self) -> Pipeline<'_> {
        let pipeline = self.pipeline();
        if let Err(why) = pipeline.draw_in_outcomes() {
            terminal::warning(why);
        }
        pipeline
    }

    /// Its object database.
    pub(super) fn objects(&self) -> Result<Objects, Failure> {
        let objects = repository::open(&self.common_dir, self.configuration.layout);
        objects.map_err(|why| Failure::new(why.to_string()))
    }

    /// The events of an update, made as if whoever runs this had pushed it in a line of this id, as targets are told of
    /// them that protected configuration owns, or others.
    pub(super) fn events(
        &self,
        is_protected: bool,
        line: Uuid,
        objects: &Objects,
        update: &RefUpdate,
        wanted: Wanted,
        environment: &Environment,
    ) -> Vec<Event> {
        let updates = std::slice::from_ref(update);
        let mut reader = Reader::new(&self.common_dir, self.configuration.layout, objects, updates, wanted);
        let context = Arc::new(self.scene(environment).context(is_protected, process::now(), &mut reader));
        let mut events = reader.events(line, update, &context);
        let line = RefEvent::new(update.clone(), line);
        let pipeline = self.pipeline();
        // What an option would have asked for nobody has said here.
        let opened = Opened {
            requests: Vec::new(),
            beside: &|commit| pipeline.reviews_beside(&update.name.namespace(), u64::MAX, commit),
        };
        let beside = reader.events_beside(&[(0, &line)], &context, &self.configuration.settings, opened);
        events.extend(beside.into_iter().map(|(_, event)| event));
        events
    }

    /// The open reviews in notes, by their numbers.
    pub(super) fn reviews_in_notes(&self) -> Result<Vec<Review>, Failure> {
        let objects = self.objects()?;
        let mut reader = Reader::new(&self.common_dir, self.configuration.layout, &objects, &[], Wanted::default());
        let mut open = reader.open_reviews(&self.configuration.settings);
        open.sort_by_key(|review| review.number);
        Ok(open)
    }

    /// What events have in common, as if whoever runs this had pushed now.
    pub(super) fn context(&self, is_protected: bool, objects: &Objects, environment: &Environment) -> Context {
        let mut reader = Reader::new(&self.common_dir, self.configuration.layout, objects, &[], Wanted::default());
        self.scene(environment).context(is_protected, process::now(), &mut reader)
    }

    /// What events are made of here, as if whoever runs this had pushed.
    pub(super) fn scene<'a>(&'a self, environment: &'a Environment) -> Scene<'a> {
        let namespace = Namespace::default();
        Scene { git_dir: &self.git_dir, configuration: &self.configuration, environment, namespace }
    }

    /// Goes into the repository, as git does before it runs a hook: from here on every path in it is short and plain.
    pub(super) fn enter(&mut self) -> Result<(), Failure> {
        match std::env::set_current_dir(&self.git_dir) {
            Ok(()) => {
                self.git_dir = ".".into();
                self.common_dir = repository::common_dir(&self.git_dir);
                self.state = StateDir::new(&self.common_dir, self.configuration.settings.shared);
                Ok(())
            }
            Err(error) => failure(message::cannot_enter(self.git_dir.display(), error)),
        }
    }
}

/// The id of whatever git can resolve in the repository that was entered: `main~2`, `v1`, an abbreviated id.
pub(super) fn resolve(text: &str) -> Option<ObjectId> {
    let mut command = repository::git(Path::new("."));
    command.args(["rev-parse", "--verify", "--quiet", "--end-of-options", text]);
    let output = command.output().ok().filter(|output| output.status.success())?;
    ObjectId::from_hex(output.stdout.trim_ascii_end()).flatten()
}

pub(super) fn git_dir(before: &[&OsStr]) -> Result<PathBuf, Failure> {
    let ask = |before: &[&OsStr]| {
        let output = Command::new("git").args(before).args(["rev-parse", "--absolute-git-dir"]).output();
        output.map_err(|error| Failure::new(message::cannot_run_git(error)))
    };
    let mut output = ask(before)?;
    // git 3.0 takes a bare repository only where it is named. Who calls a verb in one means it, unless it lies in somebody's
    // work tree, where the setting guards against it.
    if !output.status.success() && output.stderr.contains_str(b"safe.bareRepository") && !is_in_work_tree(before) {
        output = ask(&[before, &["-c", "safe.bareRepository=all"].map(OsStr::new)].concat())?;
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let fatal = said.lines().find_map(|line| line.strip_prefix("fatal: "));
        return failure(fatal.or(said.lines().next()).unwrap_or_default());
    }
    Ok(OsStr::from_bytes(output.stdout.trim_ascii_end()).into())
}

/// Whether the directory that git is started in lies below one with a `.git`.
fn is_in_work_tree(before: &[&OsStr]) -> bool {
    let directory = match before {
        [option, directory, ..] if *option == "-C" => PathBuf::from(directory),
        _ => PathBuf::from("."),
    };
    fs::canonicalize(directory).is_ok_and(|path| path.ancestors().any(|above| above.join(".git").exists()))
}

/// The repository around the working directory, whoever owns it: for verbs that become its owner before they read
/// anything of it.
pub(super) fn find_any() -> Result<PathBuf, Failure> {
    git_dir(&["-c", "safe.directory=*"].map(OsStr::new))
}

/// Every repository below `root`, sorted, whoever owns it; and the directories in which nobody could look for any.
pub(super) fn all_below(root: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
    let root = fs::canonicalize(root).map_err(|error| Failure::new(message::cannot_read(root.display(), error)))?;
    let (mut found, mut closed) = (Vec::new(), Vec::new());
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        // Where anybody can write, anybody can make it look like one, and hide what lies below.
        let is_open = || fs::metadata(&directory).is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0);
        if is_repository(&directory) {
            found.push(directory.clone());
            if !is_open() {
                continue;
            }
        }
        match fs::read_dir(&directory) {
            Ok(entries) => {
                // No symbolic links: they can lead in a circle.
                let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
                directories.extend(entries.flatten().filter(is_directory).map(|entry| entry.path()));
            }
            Err(error) => {
                terminal::error(message::cannot_read(directory.display(), error));
                closed.push(directory);
            }
        }
    }
    found.sort();
    Ok((found, closed))
}

/// As git tells a repository's directory from any other (gitrepository-layout(5)).
pub(super) fn is_repository(directory: &Path) -> bool {
    directory.join("HEAD").is_file() && directory.join("objects").is_dir() && directory.join("refs").exists()
}
