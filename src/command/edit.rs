//! Changes the repository's own configuration file: git edits a copy under git's own lock, which then takes the file's
//! place, so that several keys change at once or not at all, and comments, mode and symbolic link stay.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::place::Place;
use crate::files::{Dir, Draft, Modes};
use crate::message;
use crate::process;

/// How long another `git config` is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The copy that is being edited. Its name is git's own for it, by which every `git config` knows that somebody else is at
/// work.
pub(super) struct Copy<'d>(Draft<'d>);

/// Changes the file in one step: `change` edits a copy of it.
///
/// Crash: until the rename the file is as it was. The lock stays then, as git's own does, and the next one to come says
/// so.
pub(super) fn edit(place: &Place, change: impl FnOnce(&Copy<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    edit_file(&place.common_dir.join("config"), change)
}

/// The same for any file of git's configuration.
pub(super) fn edit_file(path: &Path, change: impl FnOnce(&Copy<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    // Where it is a link, git locks and replaces what it leads to.
    let path = fs::canonicalize(path).map_err(|error| cannot(message::cannot_read, path, error))?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    let directory =
        Dir::open(parent, Modes::new(false)).map_err(|error| cannot(message::cannot_open, parent, error))?;
    let name = path.file_name().unwrap_or_default();
    let copy = Copy(lock(&directory, name)?);
    process::hold_back_interrupts();
    // Read now, under the lock: nobody changes it from here on.
    fill(copy.0.file(), &directory, name).map_err(|error| cannot(message::cannot_write, &copy.0.path(), error))?;
    change(&copy)?;
    // git has put another file in its place.
    let synced = directory.open_regular(lock_name(name)).and_then(|(file, _)| file.sync_all());
    synced.map_err(|error| cannot(message::cannot_write, &path, error))?;
    copy.0.place(name).map_err(|error| Failure::new(error.to_string()))
}

fn lock_name(name: &OsStr) -> PathBuf {
    let mut lock = name.to_owned();
    lock.push(".lock");
    lock.into()
}

/// Makes git's lock of a file, which somebody else may have.
fn lock<'d>(directory: &'d Dir, name: &OsStr) -> Result<Draft<'d>, Failure> {
    let lock = lock_name(name);
    let start = Instant::now();
    loop {
        match Draft::create(directory, &lock) {
            Ok(draft) => return Ok(draft),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let (path, lock) = (directory.path_of(name), directory.path_of(&lock));
                return Err(Failure::new(message::config_is_locked(path.display(), lock.display())));
            }
            Err(error) => return Err(cannot(message::cannot_create, &directory.path_of(&lock), error)),
        }
    }
}

/// Makes the copy like the file, as git makes its own.
fn fill(mut copy: &File, directory: &Dir, name: &OsStr) -> io::Result<()> {
    let (mut file, metadata) = directory.open_regular(name)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    copy.write_all(&bytes)?;
    // It fails for a group that is not one's own, and git does not even try.
    let _ = fchown(copy, None, Some(metadata.gid()));
    copy.set_permissions(metadata.permissions())
}

impl Copy<'_> {
    /// Whether a key of the target stands in the copy.
    pub(super) fn has(&self, target: &str) -> bool {
        let listed =
            Command::new("git").args(["config", "--list", "--name-only", "-z", "--file"]).arg(self.0.path()).output();
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        listed.split(|byte| *byte == 0).any(|key| target_of(&String::from_utf8_lossy(key)) == Some(target))
    }

    /// Sets keys of a target to these values alone, and others to none.
    pub(super) fn set(
        &self,
        target: &str,
        values: &[(&'static str, String)],
        unset: &[&'static str],
    ) -> Result<(), Failure> {
        let full = |key: &str| format!("webhook.{target}.{key}");
        let mut keys: Vec<_> = values.iter().map(|(key, _)| *key).chain(unset.iter().copied()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys.into_iter().filter(|key| self.has_key(&full(key))) {
            self.git_config(&["--unset-all", &full(key)])?;
        }
        values.iter().try_for_each(|(key, value)| self.git_config(&["--add", &full(key), value]))
    }

    fn has_key(&self, key: &str) -> bool {
        let mut git = Command::new("git");
        git.args(["config", "--file"]).arg(self.0.path()).args(["--get-all", key]);
        git.output().is_ok_and(|output| output.status.success())
    }

    /// Runs `git config` on the copy.
    pub(super) fn git_config(&self, arguments: &[&str]) -> Result<(), Failure> {
        let output = Command::new("git")
            .args(["config", "--file"])
            .arg(self.0.path())
            .args(arguments)
            .output()
            .map_err(|error| Failure::new(message::cannot_run_git(error)))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(message::git_config_failed(said.lines().next().unwrap_or_default())))
    }
}

/// The target that a full key is of; its name may hold dots.
pub(super) fn target_of(key: &str) -> Option<&str> {
    key.strip_prefix("webhook.")?.rsplit_once('.').map(|(target, _)| target)
}

fn cannot(message: impl FnOnce(String, String) -> String, path: &Path, error: io::Error) -> Failure {
    Failure::new(message(path.display().to_string(), error.to_string()))
}
