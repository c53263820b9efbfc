//! Files that are there whole or not at all, whatever happens to the machine, and that nobody else can read.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::message;
use crate::process;

/// What names of files half written begin with. Who finds one that is old removes it.
const TEMPORARY: &str = ".tmp-";

/// A record larger than this is none of ours.
const LARGEST: u64 = 1 << 30;

/// A step on a file failed; in words that name both.
#[derive(Debug)]
pub struct FileError {
    text: String,
    source: io::Error,
}

impl FileError {
    /// What happened to `path`, in the words of a message about a path and what the system said.
    pub fn new(message: impl FnOnce(String, String) -> String, path: &Path, source: io::Error) -> Self {
        Self { text: message(path.display().to_string(), source.to_string()), source }
    }

    /// What the system said.
    pub fn reason(&self) -> &io::Error {
        &self.source
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Why a file is not read as a record.
#[derive(Debug)]
pub enum Unfit {
    /// It is gone, or belongs to somebody who lets us not read it: it stays where it is.
    Unreadable(io::Error),
    /// It is no sound record of ours, and why: it goes to `dead`.
    Unsound(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Unsound(why) => f.write_str(why),
        }
    }
}

/// Who may read what we write: git's rule for its own files, as far as the repository is shared.
#[derive(Clone, Copy, Debug)]
pub struct Modes {
    shared: bool,
    /// How many components the path of our own directory has.
    depth: usize,
}

impl Modes {
    /// `shared`: `core.sharedRepository` is group or wider. All that is ours lies in `root`.
    pub fn new(root: &Path, shared: bool) -> Self {
        Self { shared, depth: root.components().count() }
    }

    fn directory(self) -> u32 {
        // The group's bit makes new files the group's, as in git's own shared directories.
        if self.shared { 0o2770 } else { 0o700 }
    }

    fn file(self) -> u32 {
        if self.shared { 0o660 } else { 0o600 }
    }

    /// Makes a directory of ours and those above it, as far as they are not there.
    ///
    /// # Errors
    /// Where one cannot be made.
    pub fn make_directory(self, path: &Path) -> Result<(), FileError> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if parent.components().count() >= self.depth {
            self.make_directory(parent)?;
        }
        // A link would lead what we write to wherever somebody wanted it.
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Ok(()),
            Ok(_) => {
                let error = io::Error::other(message::no_directory());
                return Err(FileError::new(message::cannot_use, path, error));
            }
            Err(_) => {}
        }
        match DirBuilder::new().mode(self.directory()).create(path) {
            // The umask took bits from the mode given.
            Ok(()) => fs::set_permissions(path, Permissions::from_mode(self.directory()))
                .map_err(|error| FileError::new(message::cannot_set_mode, path, error))?,
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(FileError::new(message::cannot_create, path, error)),
        }
        // A record in a directory that a power cut takes away would be as lost as no record.
        sync_directory(parent)
    }

    /// Creates a file that must not be there yet.
    fn create(self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(self.file())
            .custom_flags(process::OPEN_CAREFULLY)
            .open(path)?;
        file.set_permissions(Permissions::from_mode(self.file()))?;
        Ok(file)
    }

    /// Opens a file to lock it or to append to it, and creates it where need be.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no regular file.
    pub fn open(self, path: &Path) -> Result<File, FileError> {
        let open = || {
            match self.create(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other,
            }
            let file = OpenOptions::new().read(true).append(true).custom_flags(process::OPEN_CAREFULLY).open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other(message::no_regular_file()));
            }
            Ok(file)
        };
        open().map_err(|error| FileError::new(message::cannot_open, path, error))
    }

    /// Opens a file to write over what it holds, and creates it where need be.
    pub(super) fn open_to_overwrite(self, path: &Path) -> Result<File, FileError> {
        drop(self.open(path)?);
        let open = OpenOptions::new().read(true).write(true).custom_flags(process::OPEN_CAREFULLY).open(path);
        open.map_err(|error| FileError::new(message::cannot_open, path, error))
    }

    /// Writes a temporary file in `directory`, which nobody reads until it is renamed.
    ///
    /// With `durable`, its data are on the disk when this returns. Where anything fails the file is gone again: after a
    /// failed fdatasync nobody knows what of it is on the disk, and a second one would say that all is well.
    pub(super) fn write_temporary(self, directory: &Path, bytes: &[u8], durable: bool) -> Result<Draft, FileError> {
        let path = directory.join(format!("{TEMPORARY}{}-{}", std::process::id(), Uuid::now_v7()));
        let mut file = self.create(&path).map_err(|error| FileError::new(message::cannot_create, &path, error))?;
        let draft = |file| Draft { path: path.clone(), file, is_placed: false };
        let written = file.write_all(bytes).and_then(|()| if durable { file.sync_data() } else { Ok(()) });
        let draft = draft(file);
        match written {
            Ok(()) => Ok(draft),
            Err(error) => Err(FileError::new(message::cannot_write, &draft.path, error)),
        }
    }

    /// Writes a file whole or not at all, as far as a crash of this process goes; a power cut may lose it.
    pub(super) fn write_loosely(self, directory: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.write_temporary(directory, bytes, false)?.place(&directory.join(name))
    }

    /// Writes a file whole or not at all, durably.
    pub(super) fn write_durably(self, directory: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.write_temporary(directory, bytes, true)?.place(&directory.join(name))?;
        sync_directory(directory)
    }

    /// Writes a file that must not be there yet, durably; where that fails it is not there.
    ///
    /// # Errors
    /// Where it is there, or cannot be written.
    pub fn write_new(self, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
        let mut file = self.create(path).map_err(|error| FileError::new(message::cannot_create, path, error))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
            // It is ours, made a moment ago.
            let _ = fs::remove_file(path);
            FileError::new(message::cannot_write, path, error)
        })?;
        sync_directory(path.parent().unwrap_or(Path::new(".")))
    }

    /// Reads a file that others may have prepared: a regular one, not linked, of an owner who may write here.
    pub(super) fn read(self, path: &Path) -> Result<Vec<u8>, Unfit> {
        self.read_open(path).map(|(bytes, _)| bytes)
    }

    /// The same, and the open file.
    pub(super) fn read_open(self, path: &Path) -> Result<(Vec<u8>, File), Unfit> {
        // A link in the place of a record is told by ELOOP, which io::ErrorKind has no stable word for.
        let metadata = fs::symlink_metadata(path).map_err(Unfit::Unreadable)?;
        if !metadata.is_file() {
            return Err(Unfit::Unsound(message::no_regular_file().into()));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(process::OPEN_CAREFULLY)
            .open(path)
            .map_err(Unfit::Unreadable)?;
        let metadata = file.metadata().map_err(Unfit::Unreadable)?;
        if metadata.nlink() > 1 {
            return Err(Unfit::Unsound(message::linked().into()));
        }
        let of_directory = path.parent().and_then(|parent| fs::metadata(parent).ok());
        let is_known = |uid: u32| uid == process::user_id() || of_directory.as_ref().is_some_and(|it| it.uid() == uid);
        if !self.shared && !is_known(metadata.uid()) {
            return Err(Unfit::Unsound(message::belongs_to(metadata.uid())));
        }
        if metadata.len() > LARGEST {
            return Err(Unfit::Unsound(message::record_too_large().into()));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        file.read_to_end(&mut bytes).map_err(Unfit::Unreadable)?;
        Ok((bytes, file))
    }
}

/// A file that is written and has no name yet that anybody looks for. It vanishes unless it is placed.
pub(super) struct Draft {
    path: PathBuf,
    file: File,
    is_placed: bool,
}

impl Draft {
    /// Gives it its name. The directory is not synced.
    pub(super) fn place(mut self, path: &Path) -> Result<(), FileError> {
        fs::rename(&self.path, path).map_err(|error| FileError::new(message::cannot_rename_to, path, error))?;
        self.is_placed = true;
        Ok(())
    }

    /// The file, opened once more.
    pub(super) fn reopen(&self) -> Result<File, FileError> {
        // NFS locks for one process alone only what is open for writing.
        let open = OpenOptions::new().read(true).write(true).custom_flags(process::OPEN_CAREFULLY).open(&self.path);
        open.map_err(|error| FileError::new(message::cannot_open, &self.path, error))
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_placed {
            // It is in nobody's way: who lists the directory removes it when it is old.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), FileError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| FileError::new(message::cannot_sync_directory, path, error))
}

/// The names in a directory that can be records, in no order; none where it is not there.
///
/// Hidden names are ours while they are written, or an editor's, or NFS's (`.nfs…`); backups end in `~`.
pub(super) fn names(directory: &Path) -> io::Result<Vec<String>> {
    if !is_directory(directory) {
        return Ok(Vec::new());
    }
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && !name.starts_with('.')
            && !name.ends_with('~')
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// A link in the place of a directory of ours would have us move and remove what somebody else has elsewhere.
fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// The first bytes of a small file that others may have prepared.
pub(super) fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(process::OPEN_CAREFULLY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(message::no_regular_file()));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is older than this, in seconds, and half written is nobody's any more.
pub(super) const LEFT_BEHIND: u64 = 3600;

/// Removes what was half written when its process died, an hour ago at least.
pub(super) fn remove_leftovers(directory: &Path) {
    if !is_directory(directory) {
        return;
    }
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY)) {
        if age(&entry.path()).is_some_and(|age| age > LEFT_BEHIND) {
            // Somebody else may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Seconds since a file was changed; `None` where it is gone, or the time is to come.
pub(super) fn age(path: &Path) -> Option<u64> {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    Some(changed.elapsed().ok()?.as_secs())
}

/// Renames `path` into the directory `to`, under a name that nobody has there.
pub(super) fn set_aside(path: &Path, to: &Path, modes: Modes) -> Result<PathBuf, FileError> {
    modes.make_directory(to)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut place = to.join(&name);
    let mut number = 0;
    while fs::symlink_metadata(&place).is_ok() {
        number += 1;
        place = to.join(format!("{name}.{number}"));
    }
    fs::rename(path, &place).map_err(|error| FileError::new(message::cannot_set_aside, path, error))?;
    Ok(place)
}
