//! Files that are written under a name that nobody looks for, and what is left of them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Dir, FileError, LEFT_BEHIND};
use crate::identifier;
use crate::message;

/// What names of files half written begin with. Who finds one that is old removes it.
const TEMPORARY: &str = ".tmp-";

/// A file that is written and has no name yet that anybody looks for. It vanishes unless it is placed.
pub struct Draft<'d> {
    dir: &'d Dir,
    name: OsString,
    file: File,
    is_placed: bool,
}

impl<'d> Draft<'d> {
    /// Creates it under a name that must not be there yet.
    ///
    /// # Errors
    /// Where it is there, or cannot be created.
    pub fn create(dir: &'d Dir, name: impl Into<OsString>) -> io::Result<Self> {
        let name = name.into();
        let file = dir.create(&name)?;
        Ok(Self { dir, name, file, is_placed: false })
    }

    /// Gives it its name. The directory is not synced.
    ///
    /// # Errors
    /// Where it cannot be renamed; it is gone then.
    pub fn place(mut self, name: impl AsRef<Path>) -> Result<(), FileError> {
        let renamed = self.dir.rename(&self.name, self.dir, &name);
        renamed.map_err(self.dir.error(message::cannot_rename_to, &name))?;
        self.is_placed = true;
        Ok(())
    }

    /// The file, opened once more.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn reopen(&self) -> Result<File, FileError> {
        // NFS locks for one process alone only what is open for writing.
        self.dir.open_to_overwrite(&self.name)
    }

    /// What removes it from elsewhere, should this process end before it has its name.
    ///
    /// # Errors
    /// Where there is no descriptor left.
    pub fn remover(&self) -> io::Result<impl FnOnce() + Send + use<>> {
        let (directory, name) = (self.dir.as_fd().try_clone_to_owned()?, self.name.clone());
        Ok(move || {
            // There is nobody left whom a failure could be told.
            let _ = unlinkat(directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it lies, for messages and for git.
    pub fn path(&self) -> PathBuf {
        self.dir.path_of(&self.name)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.is_placed {
            // It is in nobody's way: who lists the directory removes it when it is old.
            let _ = self.dir.remove(&self.name);
        }
    }
}

impl Dir {
    /// Writes a temporary file, which nobody reads until it is placed.
    ///
    /// With `durable`, its data are on the disk when this returns. Where anything fails the file is gone again: after a
    /// failed fdatasync nobody knows what of it is on the disk, and a second one would say that all is well.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_draft(&self, bytes: &[u8], durable: bool) -> Result<Draft<'_>, FileError> {
        let draft = self.begin_draft()?;
        let written = draft.file().write_all(bytes);
        let written = written.and_then(|()| if durable { draft.file().sync_data() } else { Ok(()) });
        written.map_err(self.error(message::cannot_write, &draft.name))?;
        Ok(draft)
    }

    /// Begins a temporary file, to be written as what is in it comes.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn begin_draft(&self) -> Result<Draft<'_>, FileError> {
        let name = format!("{TEMPORARY}{}-{}", std::process::id(), identifier::temporary());
        Draft::create(self, &name).map_err(self.error(message::cannot_create, &name))
    }

    /// Writes a file whole or not at all, as far as a crash of this process goes; a power cut may lose it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_loosely(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FileError> {
        self.write_draft(bytes, false)?.place(name)
    }

    /// Writes a file whole or not at all, durably.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn write_durably(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FileError> {
        self.write_draft(bytes, true)?.place(name)?;
        self.sync()
    }

    /// Writes a file that must not be there yet, durably; where that fails it is not there.
    ///
    /// # Errors
    /// Where it is there, or cannot be written.
    pub fn write_new(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FileError> {
        let mut file = self.create(&name).map_err(self.error(message::cannot_create, &name))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
            // It is ours, made a moment ago.
            let _ = self.remove(&name);
            self.error(message::cannot_write, &name)(error)
        })?;
        self.sync()
    }

    /// Removes what was half written when its process died, an hour ago at least.
    pub fn remove_leftovers(&self) {
        let mut leftovers = Vec::new();
        let listed = self.each(|name| {
            leftovers.extend(Some(name.to_owned()).filter(|name| name.to_string_lossy().starts_with(TEMPORARY)));
            ControlFlow::Continue(())
        });
        // Whoever comes next tries again.
        drop(listed);
        for name in leftovers {
            if self.age(&name).is_some_and(|age| age > LEFT_BEHIND) {
                // Somebody else may have been faster.
                let _ = self.remove(&name);
            }
        }
    }

    /// Renames a file into the directory `to`, under a name that nobody has there, and tells where it is.
    ///
    /// # Errors
    /// Where it cannot be renamed.
    pub fn rename_to_free(&self, name: &str, to: &Self) -> Result<PathBuf, FileError> {
        let mut place = name.to_owned();
        let mut number = 0;
        while to.look(&place).is_some() {
            number += 1;
            place = format!("{name}.{number}");
        }
        self.rename(name, to, &place).map_err(self.error(message::cannot_make_dead, name))?;
        Ok(to.path_of(place))
    }
}
