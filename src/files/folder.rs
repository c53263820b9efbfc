//! A directory of ours, be it there or not.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{Dir, FileError, Modes};

/// Where a directory of ours is, or will be: below one that is there, by names none of which is a link. It is opened anew
/// for each use, since another process may move it aside.
#[derive(Clone, Debug)]
pub struct Folder {
    base: Arc<Base>,
    pub(super) below: PathBuf,
}

#[derive(Debug)]
struct Base {
    path: PathBuf,
    modes: Modes,
    opened: OnceLock<Dir>,
}

impl Folder {
    /// The directory `name` in the one at `base`, which must be there; it is opened at the first use and held.
    pub fn new(base: &Path, name: &str, modes: Modes) -> Self {
        let base = Base { path: base.into(), modes, opened: OnceLock::new() };
        Self { base: Arc::new(base), below: name.into() }
    }

    /// The directory `name` in this one.
    pub fn join(&self, name: impl AsRef<Path>) -> Self {
        Self { base: Arc::clone(&self.base), below: self.below.join(name) }
    }

    /// Where it is, for messages.
    pub fn path(&self) -> PathBuf {
        self.base.path.join(&self.below)
    }

    /// Its last name, for messages.
    pub fn name(&self) -> Cow<'_, str> {
        self.below.file_name().unwrap_or_default().to_string_lossy()
    }

    /// The one it is in.
    fn parent(&self) -> Self {
        Self { base: Arc::clone(&self.base), below: self.below.parent().unwrap_or(Path::new("")).into() }
    }

    /// The directory that everything lies below.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn base(&self) -> io::Result<&Dir> {
        if let Some(base) = self.base.opened.get() {
            return Ok(base);
        }
        let base = Dir::open(&self.base.path, self.base.modes)?;
        Ok(self.base.opened.get_or_init(|| base))
    }

    /// What of all that lies below could not be read so far.
    pub fn unread(&self) -> Vec<(PathBuf, String)> {
        self.base().map_or_else(|_| Vec::new(), |base| base.unread().list())
    }

    /// Notes what below it, itself included, may not be read, of at most so many files.
    pub fn look_over(&self, most: usize) {
        let mut left = most;
        // Where it is not there, there is nothing to read.
        if let Ok(directory) = self.open() {
            directory.look_over(&mut left);
        }
    }

    /// The first name on the way to `path`, from the directory that everything lies below, that is a link.
    pub fn link_to(&self, path: &Path) -> Option<PathBuf> {
        let below = self.below.join(path);
        let base = self.base().ok()?;
        let mut above = None::<Dir>;
        for part in below.iter() {
            let dir = above.as_ref().unwrap_or(base);
            if dir.look(part)?.is_link() {
                return Some(dir.path_of(part));
            }
            above = Some(dir.enter(part).ok()?);
        }
        None
    }

    /// Opens it.
    ///
    /// # Errors
    /// Where it is not there, or it or one above is a link or no directory ([`io::ErrorKind::NotADirectory`]).
    pub fn open(&self) -> io::Result<Dir> {
        self.base()?.descend(&self.below)
    }

    /// Opens it, and makes it and those above it as far as they are not there. Crash: as for [`Dir::make`].
    ///
    /// # Errors
    /// Where one cannot be made.
    pub fn make(&self) -> Result<Dir, FileError> {
        self.open()
            .or_else(|_| self.make_missing(&|above, is_new| if is_new { above.sync_unless_seen_to() } else { Ok(()) }))
    }

    /// The same for what a power cut may take away: a lock, a log.
    ///
    /// # Errors
    /// Where one cannot be made.
    pub fn make_loosely(&self) -> Result<Dir, FileError> {
        self.open().or_else(|_| self.make_missing(&|_, _| Ok(())))
    }

    /// The same for a record, where [`Self::make_loosely`] may have made the directory. No file system keeps a name in memory alone
    /// for an hour.
    ///
    /// # Errors
    /// Where one cannot be made, or not durably.
    pub fn make_sure(&self) -> Result<Dir, FileError> {
        self.descend(|above, part| {
            let directory = above.make_loosely(part)?;
            if directory.is_young() {
                above.sync_unless_seen_to()?;
            }
            Ok(directory)
        })
    }

    /// Makes it and those above it as far as they are not there; `made` is told of each where it lies, and whether it is new.
    fn make_missing(&self, made: &dyn Fn(&Dir, bool) -> Result<(), FileError>) -> Result<Dir, FileError> {
        let parent = self.parent();
        let held;
        let above = if parent.below.as_os_str().is_empty() {
            self.base().map_err(|error| FileError::new(crate::message::cannot_open, &self.base.path, error))?
        } else {
            held = parent.open().or_else(|_| parent.make_missing(made))?;
            &held
        };
        let (directory, is_new) = above.make_missing(self.last())?;
        made(above, is_new)?;
        Ok(directory)
    }

    fn descend(&self, step: impl Fn(&Dir, &OsStr) -> Result<Dir, FileError>) -> Result<Dir, FileError> {
        let base = self.base().map_err(|error| FileError::new(crate::message::cannot_open, &self.base.path, error))?;
        let mut parts = self.below.iter();
        let first = step(base, parts.next().unwrap_or_default())?;
        parts.try_fold(first, |directory, part| step(&directory, part))
    }

    /// The names in it that can be records, in no order; none where it is not there or a link.
    ///
    /// # Errors
    /// Where it cannot be listed.
    pub fn names(&self) -> io::Result<Vec<String>> {
        match self.base().and_then(|base| base.names_below(&self.below)) {
            // A link in the place of a directory of ours would have us move and remove what somebody else has elsewhere.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Vec::new())
            }
            other => other,
        }
    }

    /// Shows each name in it, hidden ones too, in no order, until `see` has seen enough.
    ///
    /// # Errors
    /// Where it is not there, or cannot be listed.
    pub fn each(&self, see: impl FnMut(&OsStr) -> ControlFlow<()>) -> io::Result<()> {
        self.base()?.each_below(&self.below, see)
    }

    /// Moves it, with all that is in it, to where `to` is; whether it could be: something may be there.
    ///
    /// # Errors
    /// Where the directories above `to` cannot be made.
    pub fn move_to(&self, to: &Self) -> Result<bool, FileError> {
        let above = to.parent().make()?;
        let from = self.parent().open();
        let moved = from.and_then(|from| from.rename(self.last(), &above, to.last()));
        Ok(moved.is_ok())
    }

    fn last(&self) -> &Path {
        Path::new(self.below.file_name().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_on_the_way_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir(elsewhere.path().join("ci")).unwrap();
        fs::write(elsewhere.path().join("ci/1"), "x").unwrap();
        symlink(elsewhere.path(), directory.path().join("queue")).unwrap();
        let folder = Folder::new(directory.path(), "queue", Modes::new(false)).join("ci");
        assert_eq!(folder.open().unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(folder.names().unwrap(), [""; 0]);
        assert!(folder.make().is_err());
        assert_eq!(folder.link_to(Path::new("1")), Some(directory.path().join("queue")));
        let base = folder.base().unwrap();
        for name in ["../x", "queue/ci", "..", ".", ""] {
            assert_eq!(base.enter(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn a_directory_is_the_same_one_whatever_becomes_of_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(directory.path(), "webhook", Modes::new(false));
        let opened = folder.make().unwrap();
        fs::rename(directory.path().join("webhook"), directory.path().join("moved")).unwrap();
        fs::create_dir(directory.path().join("webhook")).unwrap();
        opened.write_durably("record", b"x").unwrap();
        assert!(directory.path().join("moved/record").exists());
        opened.make("sub").unwrap().write_new("a", b"").unwrap();
        opened.remove_tree("sub").unwrap();
        assert!(!directory.path().join("moved/sub").exists());
    }
}
