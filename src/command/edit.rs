//! Changes the repository's own configuration file: git edits a copy under git's own lock, which then takes the file's
//! place, so that several keys change at once or not at all, and comments, mode and symbolic link stay.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::place::Place;
use crate::message;
use crate::process;

/// How long another `git config` is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The copy that is being edited.
pub(super) struct Draft {
    /// git's own name for it, by which every `git config` knows that somebody else is at work.
    lock: PathBuf,
    is_placed: bool,
}

/// Changes the file in one step: `change` edits a copy of it.
///
/// Crash: until the rename the file is as it was. The lock stays then, as git's own does, and the next one to come says
/// so.
pub(super) fn edit(place: &Place, change: impl FnOnce(&Draft) -> Result<(), Failure>) -> Result<(), Failure> {
    let path = place.common_dir.join("config");
    // Where it is a link, git locks and replaces what it leads to.
    let path = fs::canonicalize(&path).map_err(|error| cannot(message::cannot_read, &path, error))?;
    let mut draft = Draft::new(&path)?;
    change(&draft)?;
    let placed = File::open(&draft.lock).and_then(|file| file.sync_all()).and_then(|()| fs::rename(&draft.lock, &path));
    placed.map_err(|error| cannot(message::cannot_write, &path, error))?;
    draft.is_placed = true;
    Ok(())
}

impl Draft {
    fn new(path: &Path) -> Result<Self, Failure> {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let start = Instant::now();
        let mut file = loop {
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&lock) {
                Ok(file) => break file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && start.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(Failure::new(message::config_is_locked(path.display(), lock.display())));
                }
                Err(error) => return Err(cannot(message::cannot_create, &lock, error)),
            }
        };
        process::hold_back_interrupts();
        let draft = Self { lock, is_placed: false };
        // Read now, under the lock: nobody changes it from here on.
        let copied = fs::read(path).and_then(|bytes| file.write_all(&bytes)).and_then(|()| {
            let metadata = fs::metadata(path)?;
            // It fails for a group that is not one's own, and git does not even try.
            let _ = chown(&draft.lock, None, Some(metadata.gid()));
            file.set_permissions(metadata.permissions())
        });
        copied.map_err(|error| cannot(message::cannot_write, &draft.lock, error))?;
        Ok(draft)
    }

    /// Whether a key of the target stands in the copy.
    pub(super) fn has(&self, target: &str) -> bool {
        let listed =
            Command::new("git").args(["config", "--list", "--name-only", "-z", "--file"]).arg(&self.lock).output();
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        listed.split(|byte| *byte == 0).any(|key| target_of(&String::from_utf8_lossy(key)) == Some(target))
    }

    /// Runs `git config` on the copy.
    pub(super) fn git_config(&self, arguments: &[&str]) -> Result<(), Failure> {
        let output = Command::new("git")
            .args(["config", "--file"])
            .arg(&self.lock)
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

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_placed {
            // It is ours, and gone already only where somebody broke the lock.
            let _ = fs::remove_file(&self.lock);
        }
    }
}

fn cannot(message: impl FnOnce(String, String) -> String, path: &Path, error: io::Error) -> Failure {
    Failure::new(message(path.display().to_string(), error.to_string()))
}
