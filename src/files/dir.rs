//! An opened directory, and what can be done with the names in it.

use std::fs::{File, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::stat::{Mark, Modes, Standing, Stat};
use super::{FileError, Unread};
use crate::message;
use crate::process;

/// Whoever opens what others may have prepared follows no link in its place and waits for no fifo's writer.
const CAREFULLY: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// A directory is held by a descriptor that needs no right to list it, as a path needs none.
const HELD: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// A directory that stays the same one whatever becomes of its path, which is kept for messages alone.
#[derive(Debug)]
pub struct Dir {
    descriptor: File,
    path: PathBuf,
    pub(super) modes: Modes,
    /// Where it is noted what cannot be read in it.
    unread: Arc<Unread>,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Dir {
    /// Opens a directory by its path, links and all: that of a repository, where git or a person has said where it is.
    ///
    /// # Errors
    /// Where it is not there, or no directory.
    pub fn open(path: &Path, modes: Modes) -> io::Result<Self> {
        let named = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let descriptor = nix::fcntl::open(named, HELD, Mode::empty())?;
        Ok(Self { descriptor: descriptor.into(), path: path.into(), modes, unread: Arc::default() })
    }

    /// Opens a directory by an absolute path of which no part is a link, and tells who owns it and whether nobody but
    /// root can put another in its place: each directory on the way is root's, and nobody else may write it, or rename
    /// what is not his own in it (the sticky bit).
    ///
    /// # Errors
    /// Where the path is not absolute, or a part of it is not there, a link or no directory.
    pub fn open_step_by_step(path: &Path) -> io::Result<(Self, Standing)> {
        let below = path.strip_prefix("/").map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut directory = Self::open(Path::new("/"), Modes::new(false))?;
        let mut is_only_roots = directory.is_only_roots(true);
        let mut parts = below.iter().peekable();
        while let Some(part) = parts.next() {
            directory = directory.enter(part)?;
            is_only_roots &= directory.is_only_roots(parts.peek().is_some());
        }
        let stat = directory.stat().ok_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied))?;
        Ok((directory, Standing { user: stat.owner(), group: stat.group(), is_only_roots }))
    }

    fn is_only_roots(&self, sticky_will_do: bool) -> bool {
        self.stat().is_some_and(|stat| stat.is_only_roots(sticky_will_do))
    }

    /// Where it was when it was opened, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of it was, for messages.
    pub fn path_of(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// What makes the system's word on a name in it an error in our words.
    pub fn error<M: FnOnce(String, String) -> String>(
        &self,
        message: M,
        name: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> FileError {
        move |error| FileError::new(message, &self.path_of(name), error)
    }

    /// Opens a directory in it.
    ///
    /// # Errors
    /// Where it is not there, or a link or no directory ([`io::ErrorKind::NotADirectory`]).
    pub fn enter(&self, name: impl AsRef<Path>) -> io::Result<Self> {
        let name = one(name.as_ref())?;
        let opened = openat(self, name, HELD | OFlag::O_NOFOLLOW, Mode::empty());
        let descriptor = self.noted(name, opened.map_err(io::Error::from))?;
        Ok(self.with(descriptor, self.path.join(name)))
    }

    fn with(&self, descriptor: impl Into<File>, path: PathBuf) -> Self {
        Self { descriptor: descriptor.into(), path, modes: self.modes, unread: Arc::clone(&self.unread) }
    }

    /// What could not be read in it and below, by whatever was opened by way of it.
    pub fn unread(&self) -> &Unread {
        &self.unread
    }

    /// Notes it where something in it cannot be read.
    pub fn noted<T>(&self, name: impl AsRef<Path>, read: io::Result<T>) -> io::Result<T> {
        read.inspect_err(|error| self.unread.note(|| self.closed(name.as_ref()), error))
    }

    /// The first directory on the way below in which we may not look for names, else what is there itself.
    fn closed(&self, below: &Path) -> PathBuf {
        let how = HELD | OFlag::O_NOFOLLOW;
        let mut path = self.path.clone();
        let mut above = None::<OwnedFd>;
        for name in below {
            let directory = above.as_ref().map_or(self.as_fd(), AsFd::as_fd);
            if fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) == Err(Errno::EACCES) {
                return path;
            }
            path.push(name);
            match openat(directory, name, how, Mode::empty()) {
                Ok(next) => above = Some(next),
                Err(_) => break,
            }
        }
        path
    }

    /// Opens a directory some levels below, none of which is a link.
    pub(super) fn descend(&self, below: &Path) -> io::Result<Self> {
        Ok(self.with(self.open_below(below, HELD)?, self.path.join(below)))
    }

    pub(super) fn reopened(&self) -> io::Result<Self> {
        Ok(self.with(self.descriptor.try_clone()?, self.path.clone()))
    }

    /// Opens a directory in it, and makes it first where it is not there.
    ///
    /// Crash: a record in a directory that a power cut takes away would be as lost as no record. When what is written in the
    /// new one is synced, and the new one then ([`Self::sync`]), both are on the disk with their names: the file system is one that
    /// sees to that, or the name of the new one is there already when this returns.
    ///
    /// # Errors
    /// Where it cannot be made, or something else has its name.
    pub fn make(&self, name: impl AsRef<Path>) -> Result<Self, FileError> {
        let (directory, is_new) = self.open_or_make(name.as_ref())?;
        if is_new {
            self.sync_unless_seen_to()?;
        }
        Ok(directory)
    }

    /// Makes the names of new directories in it durable, unless a sync of what is in them does.
    pub(super) fn sync_unless_seen_to(&self) -> Result<(), FileError> {
        if process::syncs_new_directories_above(self) { Ok(()) } else { self.sync() }
    }

    /// The same for what a power cut may take away.
    ///
    /// # Errors
    /// Where it cannot be made, or something else has its name.
    pub fn make_loosely(&self, name: impl AsRef<Path>) -> Result<Self, FileError> {
        Ok(self.open_or_make(name.as_ref())?.0)
    }

    /// Opens it or makes it, and tells whether it had to be made.
    fn open_or_make(&self, name: &Path) -> Result<(Self, bool), FileError> {
        match self.enter(name) {
            Ok(directory) => Ok((directory, false)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok((self.must_enter(name)?, false)),
            Err(_) => self.make_missing(name),
        }
    }

    /// Makes one that was not there a moment ago; tells whether another process was not faster.
    pub(super) fn make_missing(&self, name: &Path) -> Result<(Self, bool), FileError> {
        let made = one(name).and_then(|name| Ok(mkdirat(self, name, self.modes.directory())?));
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok((self.must_enter(name)?, false)),
            Err(error) => {
                self.unread.note(|| self.path_of(name), &error);
                return Err(self.error(message::cannot_create, name)(error));
            }
            Ok(()) => {}
        }
        let directory = self.must_enter(name)?;
        // The umask may have taken bits from the mode given, and the system takes the group's from some.
        if directory.stat().is_none_or(|stat| !stat.has(self.modes.directory())) {
            fchmodat(self, name, self.modes.directory(), FchmodatFlags::NoFollowSymlink)
                .map_err(io::Error::from)
                .map_err(self.error(message::cannot_set_mode, name))?;
        }
        Ok((directory, true))
    }

    fn must_enter(&self, name: &Path) -> Result<Self, FileError> {
        let entered = self.enter(name).map_err(|error| match error.kind() {
            // A link would lead what we write to wherever somebody wanted it.
            io::ErrorKind::NotADirectory => io::Error::other(message::no_directory()),
            _ => error,
        });
        entered.map_err(self.error(message::cannot_use, name))
    }

    /// Looks at a name; `None` where there is none, or nobody may look.
    pub fn look(&self, name: impl AsRef<Path>) -> Option<Stat> {
        let looked = fstatat(self, one(name.as_ref()).ok()?, AtFlags::AT_SYMLINK_NOFOLLOW);
        self.noted(name, looked.map_err(io::Error::from)).ok().map(Stat::new)
    }

    /// By what it is told from others.
    pub fn mark(&self) -> Mark {
        let Ok(metadata) = self.descriptor.metadata() else { return Mark::default() };
        let born = metadata.created().ok().and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok());
        let born = born.and_then(|born| i64::try_from(born.as_nanos()).ok());
        Mark { device: metadata.dev(), inode: metadata.ino(), born }
    }

    /// Whether it may have been made in the last hour.
    pub(super) fn is_young(&self) -> bool {
        self.mark().age().is_none_or(|age| age < 3600)
    }

    /// What the system says of the directory itself.
    pub(super) fn stat(&self) -> Option<Stat> {
        nix::sys::stat::fstat(self).ok().map(Stat::new)
    }

    /// Seconds since a file was changed; `None` where it is gone, or the time is to come.
    pub fn age(&self, name: impl AsRef<Path>) -> Option<u64> {
        self.look(name)?.age()
    }

    /// Opens a regular file as `flags` say, be it prepared by others: one right here, or some levels below.
    fn open_as(&self, below: &Path, flags: OFlag) -> io::Result<(File, Metadata)> {
        let flags = CAREFULLY | flags;
        let file = File::from(match one(below) {
            Ok(name) => openat(self, name, flags, self.modes.file())?,
            Err(_) => self.open_below(below, flags)?,
        });
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::other(message::no_regular_file())) }
    }

    /// The same to read it.
    pub(super) fn open_to_read(&self, below: &Path) -> io::Result<(File, Metadata)> {
        self.noted(below, self.open_as(below, OFlag::O_RDONLY))
    }

    /// Opens a file to read that others may have prepared: a regular one, in whose place is no link.
    ///
    /// # Errors
    /// Where it is none, or cannot be opened.
    pub fn open_regular(&self, name: impl AsRef<Path>) -> io::Result<(File, Metadata)> {
        self.open_to_read(one(name.as_ref())?)
    }

    /// The same of one that may as well not be there: nobody is told that it cannot be read.
    ///
    /// # Errors
    /// As for [`Self::open_regular`].
    pub fn open_unless_closed(&self, name: impl AsRef<Path>) -> io::Result<(File, Metadata)> {
        self.open_as(one(name.as_ref())?, OFlag::O_RDONLY)
    }

    fn create_as(&self, below: &Path, flags: OFlag) -> io::Result<(File, Metadata)> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | flags;
        let (file, metadata) = self.open_as(below, flags)?;
        // The umask may have taken bits from it.
        if metadata.mode() & 0o7777 != self.modes.file().bits() {
            fchmod(&file, self.modes.file())?;
        }
        Ok((file, metadata))
    }

    /// Creates a file that must not be there yet.
    ///
    /// # Errors
    /// Where it is there, or cannot be created.
    pub fn create(&self, name: impl AsRef<Path>) -> io::Result<File> {
        Ok(self.create_as(one(name.as_ref())?, OFlag::empty())?.0)
    }

    /// Opens a regular file as `flags` say, and creates it where need be: one right here, or some levels below.
    pub(super) fn open_or_create(&self, below: &Path, flags: OFlag) -> io::Result<(File, Metadata)> {
        let open = || self.open_as(below, OFlag::O_RDWR | flags);
        match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.create_as(below, flags) {
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(),
                other => other,
            },
            other => other,
        }
    }

    /// The same with our words for what is wrong.
    pub(super) fn open_to_write(&self, name: &Path, flags: OFlag) -> Result<(File, Metadata), FileError> {
        let opened = one(name).and_then(|name| self.open_or_create(name, flags));
        // Who may not lock a queue does not see what comes of it either.
        self.noted(name, opened).map_err(self.error(message::cannot_open, name))
    }

    /// Opens a file to lock it or to append to it, and creates it where need be.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no regular file.
    pub fn open_to_append(&self, name: impl AsRef<Path>) -> Result<File, FileError> {
        Ok(self.open_to_write(name.as_ref(), OFlag::O_APPEND)?.0)
    }

    /// Opens a file to write over what it holds, and creates it where need be.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no regular file.
    pub fn open_to_overwrite(&self, name: impl AsRef<Path>) -> Result<File, FileError> {
        Ok(self.open_to_write(name.as_ref(), OFlag::empty())?.0)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// Where it is not there, or stays.
    pub fn remove(&self, name: impl AsRef<Path>) -> io::Result<()> {
        Ok(unlinkat(self, one(name.as_ref())?, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Removes a directory with all that is in it, following no link.
    ///
    /// # Errors
    /// Where something stays.
    pub fn remove_tree(&self, name: impl AsRef<Path>) -> io::Result<()> {
        let name = one(name.as_ref())?;
        let directory = self.enter(name)?;
        let mut entries = Vec::new();
        directory.each(|entry| {
            entries.push(entry.to_owned());
            ControlFlow::Continue(())
        })?;
        for entry in entries {
            match directory.look(&entry) {
                Some(stat) if stat.is_dir() => directory.remove_tree(&entry)?,
                _ => directory.remove(&entry)?,
            }
        }
        Ok(unlinkat(self, name, UnlinkatFlags::RemoveDir)?)
    }

    /// Gives a file or a directory another name, here or in the directory `to`.
    ///
    /// # Errors
    /// Where the system says no.
    pub fn rename(&self, from: impl AsRef<Path>, to: &Self, name: impl AsRef<Path>) -> io::Result<()> {
        Ok(renameat(self, one(from.as_ref())?, to, one(name.as_ref())?)?)
    }

    /// Gives a file a further name in the directory `to`.
    ///
    /// # Errors
    /// Where the name is there, or the file system has no links.
    pub fn link(&self, from: impl AsRef<Path>, to: &Self, name: impl AsRef<Path>) -> io::Result<()> {
        Ok(linkat(self, one(from.as_ref())?, to, one(name.as_ref())?, AtFlags::empty())?)
    }

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// Where the system cannot say that they are.
    pub fn sync(&self) -> Result<(), FileError> {
        let synced = self.listed().and_then(|descriptor| File::from(descriptor).sync_all());
        synced.map_err(|error| FileError::new(message::cannot_sync_directory, &self.path, error))
    }

    /// Writes out everything that its file system has in memory.
    ///
    /// # Errors
    /// Where a write failed.
    pub fn sync_file_system(&self) -> Result<(), FileError> {
        let synced = self.listed().and_then(process::sync_file_system);
        synced.map_err(|error| FileError::new(message::cannot_sync_file_system, &self.path, error))
    }
}

/// A name leads nowhere but into its directory.
pub(super) fn one(name: &Path) -> io::Result<&Path> {
    let bytes = name.as_os_str().as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(name)
}
