//! Where a target is written: in the configuration of the repository, of the user or of the system.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::edit::{Copy, edit_file, target_of};
use super::failure::{Failure, failure};
use super::place::Place;
use crate::config::{self, Change, Configuration, Configured, Entry, Problem, Scope};
use crate::message;
use crate::process::Environment;
use crate::target::Target;

/// Whose configuration, as `git config` has it.
#[derive(Clone, Copy, clap::Args)]
pub(super) struct Level {
    /// In the system's configuration, for all repositories
    #[arg(long, conflicts_with = "global")]
    system: bool,
    /// In your own configuration, for all repositories that you own
    #[arg(long)]
    global: bool,
}

impl Level {
    /// The scope that is written to.
    pub(super) fn scope(self) -> Scope {
        match (self.system, self.global) {
            (true, _) => Scope::System,
            (_, true) => Scope::Global,
            _ => Scope::Repository,
        }
    }
}

/// A file of git's configuration, with what it is read in.
pub(super) struct Ground<'a> {
    /// The repository, where it is its own file.
    pub(super) place: Option<&'a Place>,
    scope: Scope,
    file: PathBuf,
    environment: &'a Environment,
}

impl<'a> Ground<'a> {
    /// The repository's own configuration.
    pub(super) fn of(place: &'a Place, environment: &'a Environment) -> Self {
        Self { place: Some(place), scope: Scope::Repository, file: place.common_dir.join("config"), environment }
    }

    /// The system's or the user's own.
    pub(super) fn protected(scope: Scope, environment: &'a Environment) -> Result<Self, Failure> {
        match config::file_of(scope, environment) {
            Some(file) => Ok(Self { place: None, scope, file, environment }),
            None => failure(message::no_file_of_scope()),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Every value that counts there.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let entries = match self.place {
            Some(place) => config::entries(&place.git_dir, &place.common_dir, self.environment),
            None => config::protected_entries(self.environment),
        };
        entries.map_err(|why| Failure::new(why.to_string()))
    }

    /// What it says now.
    pub(super) fn configuration(&self) -> Result<Configuration, Failure> {
        let read = match self.place {
            Some(place) => Configuration::read(&place.git_dir, &place.common_dir, self.environment),
            None => Configuration::read_protected(self.environment, None),
        };
        read.map_err(|why| Failure::new(why.to_string()))
    }

    /// The target as it would be, and what is odd about it; what is wrong is said in the words of `refused`.
    pub(super) fn tried(
        &self,
        name: &str,
        values: &[(&'static str, String)],
        unset: &[&'static str],
        refused: fn(String) -> String,
    ) -> Result<(Target, Vec<Problem>), Failure> {
        let change = Change { scope: self.scope, file: &self.file, name, values, unset };
        let tried = match self.place {
            Some(place) => Configuration::read_changed(&place.git_dir, &place.common_dir, self.environment, &change),
            None => Configuration::read_protected(self.environment, Some(&change)),
        };
        let tried = tried.map_err(|why| Failure::new(why.to_string()))?;
        let is_of_this = |warning: &Problem| target_of(&warning.key) == Some(name);
        let of_this = tried.warnings.into_iter().filter(is_of_this).map(unfiled).collect();
        match tried.targets.into_iter().find(|target| *target.name() == *name) {
            Some(Configured::Ready(target)) => Ok((*target, of_this)),
            Some(Configured::Broken(target)) => {
                let problems: Vec<_> =
                    target.problems.into_iter().map(|problem| unfiled(problem).to_string()).collect();
                failure(refused(problems.join("; ")))
            }
            None => failure(refused(String::new())),
        }
    }

    /// Changes the file in one step; a user's or the system's may not be there yet.
    pub(super) fn edit(&self, change: impl FnOnce(&Copy<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        if self.place.is_none() {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&self.file);
            if let Err(error) = made
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return failure(message::cannot_create(self.file.display(), error));
            }
        }
        edit_file(&self.file, change)
    }
}

/// Without the file, which nothing was written to.
fn unfiled(problem: Problem) -> Problem {
    Problem { files: Vec::new(), ..problem }
}
