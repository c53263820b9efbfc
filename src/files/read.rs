//! Reads files that others may have prepared, and claims them.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::dir::one;
use super::{Dir, Unfit};
use crate::message;
use crate::process::{self, Locked, try_lock};

/// A record larger than this is none of ours.
const LARGEST: u64 = 1 << 30;

impl Dir {
    /// Reads a file that others may have prepared: a regular one of an owner who may write here, and with no second name,
    /// unless nobody else can have given it one: a backup that copies by hard links (`cp -al`) does.
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
        let (bytes, _, metadata) = self.read_open(within(name.as_ref())?, 1)?;
        Ok((bytes, metadata.uid()))
    }

    /// The same of a file that has several names by design.
    ///
    /// # Errors
    /// Where it cannot be read, or is none of ours.
    pub fn read_linked(&self, name: impl AsRef<Path>) -> Result<Vec<u8>, Unfit> {
        self.read_open(within(name.as_ref())?, u64::MAX).map(|(bytes, ..)| bytes)
    }

    /// The same of a file right here or some levels below, which may have so many names.
    pub(super) fn read_open(&self, below: &Path, most_names: u64) -> Result<(Vec<u8>, File, Metadata), Unfit> {
        let (file, metadata) = self.open_to_read(below).map_err(|error| {
            // A link, a socket, a directory that nobody may list: each has an error of its own.
            let is_gone = error.kind() == io::ErrorKind::NotFound;
            let above = if is_gone { None } else { self.above(below).ok() };
            match above.and_then(|(directory, name)| directory.look(name)) {
                Some(stat) if !stat.is_file() => Unfit::Unsound(message::no_regular_file().into()),
                _ => Unfit::Unreadable(error),
            }
        })?;
        // Where that cannot be told, nothing is said against the file.
        let directory = || self.stat_above(below).map_err(Unfit::Unreadable);
        let is_known = |uid: u32| Ok(uid == process::user_id() || directory()?.owner() == uid);
        let is_closed = || Ok(!directory()?.others_may_write());
        if metadata.nlink() > most_names && !(is_known(metadata.uid())? && is_closed()?) {
            return Err(Unfit::Unsound(message::linked().into()));
        }
        if !self.modes.shared && !is_known(metadata.uid())? {
            return Err(Unfit::Unsound(message::belongs_to(metadata.uid())));
        }
        if metadata.len() > LARGEST {
            return Err(Unfit::Unsound(message::record_too_large().into()));
        }
        let bytes = self.noted(below, read_whole(&file, metadata.len())).map_err(Unfit::Unreadable)?;
        Ok((bytes, file, metadata))
    }

    /// Reads a record and locks it, and returns the user id of its owner too; `None` where another process has, or where it
    /// is gone or no record.
    pub fn claim(&self, name: impl AsRef<Path>) -> Option<(Vec<u8>, u32, Locked)> {
        let (bytes, file, metadata) = self.read_open(within(name.as_ref()).ok()?, 1).ok()?;
        let lock = try_lock(file)?;
        // It may have been consumed between the two steps.
        self.look(name).filter(|stat| stat.is_of(&metadata))?;
        Some((bytes, metadata.uid(), lock))
    }

    /// The first bytes of a small file some levels below that others may have prepared.
    pub(super) fn read_start_below(&self, below: &Path, most: u64) -> io::Result<Vec<u8>> {
        let (file, metadata) = self.open_to_read(below)?;
        let mut bytes = self.noted(below, read_whole(&file, metadata.len().min(most)))?;
        bytes.truncate(most as usize);
        Ok(bytes)
    }
}

fn within(name: &Path) -> Result<&Path, Unfit> {
    one(name).map_err(Unfit::Unreadable)
}

/// Reads a file that had so many bytes when it was opened, to its end then or now: what fits into them with one to spare was
/// read by one call, and no second one has to ask whether there is more.
fn read_whole(mut file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size as usize + 1];
    let mut end = 0;
    loop {
        match file.read(&mut bytes[end..]) {
            Ok(0) => break,
            Ok(read) => end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if end >= size as usize && end < bytes.len() {
            break;
        }
        bytes.resize(bytes.len().max(end * 2), 0);
    }
    bytes.truncate(end);
    Ok(bytes)
}
