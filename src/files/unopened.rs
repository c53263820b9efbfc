//! Files in a directory of ours that need not be opened for them: each is reached by one call.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::fstat;

use super::dir::one;
use super::{Dir, FileError, Folder, Stat, Unfit};
use crate::process::{Locked, try_lock};

impl Folder {
    fn file(&self, name: &Path) -> io::Result<PathBuf> {
        Ok(self.below.join(one(name)?))
    }

    /// Reads a file in it, as [`Dir::read`] does.
    ///
    /// # Errors
    /// Where it cannot be read, or is none of ours.
    pub fn read(&self, name: impl AsRef<Path>) -> Result<Vec<u8>, Unfit> {
        Ok(self.read_with_owner(name)?.0)
    }

    /// The same, with the user id of its owner.
    ///
    /// # Errors
    /// Where it cannot be read, or is none of ours.
    pub fn read_with_owner(&self, name: impl AsRef<Path>) -> Result<(Vec<u8>, u32), Unfit> {
        let file = self.file(name.as_ref()).map_err(Unfit::Unreadable)?;
        let (bytes, _, metadata) = self.base().map_err(Unfit::Unreadable)?.read_open(&file, 1)?;
        Ok((bytes, metadata.uid()))
    }

    /// The first bytes of a small file in it that others may have prepared.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read_start(&self, name: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
        self.base()?.read_start_below(&self.file(name.as_ref())?, most)
    }

    /// Looks at a name in it, as [`Dir::look`] does; `None` where there is none, or nobody may look.
    pub fn look(&self, name: impl AsRef<Path>) -> Option<Stat> {
        let file = self.file(name.as_ref()).ok()?;
        // What is opened so far only is neither waited for nor changed, whatever it is; a link is opened itself (openat2(2)).
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = self.base().ok()?.open_below(&file, flags).ok()?;
        fstat(&opened).ok().map(Stat::new)
    }

    /// Opens a file in it to lock it or to append to it, and makes both where need be, which a power cut may take away.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no regular file.
    pub fn open_to_append(&self, name: impl AsRef<Path>) -> Result<(File, Metadata), FileError> {
        self.open_or_create(name.as_ref(), OFlag::O_APPEND, Self::make_loosely)
    }

    /// Opens a file in it to write over what it holds, and makes both where need be: the directory as [`Folder::make`] does.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no regular file.
    pub fn open_to_overwrite(&self, name: impl AsRef<Path>) -> Result<File, FileError> {
        Ok(self.open_or_create(name.as_ref(), OFlag::empty(), Self::make)?.0)
    }

    fn open_or_create(
        &self,
        name: &Path,
        flags: OFlag,
        make: impl FnOnce(&Self) -> Result<Dir, FileError>,
    ) -> Result<(File, Metadata), FileError> {
        let there = self.base().and_then(|base| base.open_or_create(&self.file(name)?, flags));
        // The directory is not there; and whatever is wrong is said of the step that it is wrong with.
        there.or_else(|_| make(self)?.open_to_write(name, flags))
    }

    /// Locks a file of it, which is made where need be; `None` where somebody else has.
    ///
    /// # Errors
    /// Where the directory or the file cannot be made.
    pub fn lock(&self, name: &str) -> Result<Option<Locked>, FileError> {
        loop {
            let (file, metadata) = self.open_to_append(name)?;
            let Some(lock) = try_lock(file) else { return Ok(None) };
            // Whoever held it may have moved the directory aside, with the file in it.
            if self.is_living(name, &metadata) {
                return Ok(Some(lock));
            }
        }
    }

    /// Whether the name still stands for the file that was opened by it.
    fn is_living(&self, name: &str, opened: &Metadata) -> bool {
        self.look(name).is_some_and(|stat| stat.is_of(opened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Modes;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{chown, symlink};

    #[test]
    fn a_link_is_looked_at_and_not_what_it_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(directory.path(), "webhook", Modes::new(false)).join("v1");
        folder.make().unwrap().write_new("file", b"x").unwrap();
        symlink("file", directory.path().join("webhook/v1/link")).unwrap();
        assert!(folder.look("file").unwrap().is_file());
        assert!(folder.look("link").unwrap().is_link());
        assert!(folder.look("nothing").is_none());
        assert!(matches!(folder.read("link"), Err(Unfit::Unsound(_))));
        assert!(folder.open_to_append("link").is_err() && folder.read("../v1/file").is_err());
    }

    /// Then nothing is known of its directory, and a record that is called unsound becomes a dead letter.
    #[test]
    #[ignore = "needs root: run tests/run"]
    fn what_there_is_no_descriptor_left_to_judge_is_unreadable_and_not_unsound() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(directory.path(), "webhook", Modes::new(false)).join("v1");
        folder.make().unwrap().write_new("record", b"x").unwrap();
        for path in ["webhook/v1", "webhook/v1/record"] {
            chown(directory.path().join(path), Some(65_534), Some(65_534)).unwrap();
        }
        assert_eq!(folder.read("record").unwrap(), b"x");
        let last = folder.open_to_append("record").unwrap().0;
        // One for the record, and none for its directory. Each test has a process of its own (nextest).
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, last.as_raw_fd() as u64 + 1, hard).unwrap();
        drop(last);
        let read = folder.read("record");
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        assert!(matches!(read, Err(Unfit::Unreadable(_))), "{read:?}");
    }

    #[test]
    fn a_lock_is_that_of_the_living_file() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(directory.path(), "queue", Modes::new(false)).join("ci");
        let opened = folder.make().unwrap().open_to_append("lock").unwrap();
        let metadata = opened.metadata().unwrap();
        assert!(folder.is_living("lock", &metadata));
        // Whoever moved the queue is done before the one who opened the file comes to lock it.
        fs::rename(directory.path().join("queue/ci"), directory.path().join("dead")).unwrap();
        assert!(!folder.is_living("lock", &metadata));
        let first = folder.lock("lock").unwrap();
        assert!(first.is_some() && !folder.is_living("lock", &metadata));
        assert!(folder.lock("lock").unwrap().is_none());
    }
}
