//! The names in a directory, in no order.

use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, faccessat};
use rustix::fs::RawDir;

use super::Dir;

/// A directory that is listed or synced.
const LISTED: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Dir {
    pub(super) fn listed(&self) -> io::Result<OwnedFd> {
        Ok(openat(self, ".", LISTED, Mode::empty())?)
    }

    /// Notes what in it and below may not be read.
    pub(super) fn look_over(&self, left: &mut usize) {
        let mut names = Vec::new();
        let listed = self.each(|name| {
            names.push(name.to_owned());
            if names.len() < *left { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if listed.is_err() {
            return;
        }
        *left -= names.len().min(*left);
        for name in names {
            match self.look(&name) {
                Some(stat) if stat.is_dir() => {
                    if let Ok(directory) = self.enter(&name) {
                        directory.look_over(left);
                    }
                }
                Some(stat) if stat.is_file() => {
                    let may = faccessat(self, name.as_os_str(), AccessFlags::R_OK, AtFlags::AT_EACCESS);
                    // It may be gone by now.
                    drop(self.noted(&name, may.map_err(io::Error::from)));
                }
                _ => {}
            }
        }
    }

    /// Shows each name in it, hidden ones too, until `see` has seen enough.
    ///
    /// # Errors
    /// Where it cannot be listed.
    pub fn each(&self, see: impl FnMut(&OsStr) -> ControlFlow<()>) -> io::Result<()> {
        let listed = self.noted("", self.listed())?;
        self.noted("", show(listed, see))
    }

    /// The same of a directory some levels below, none of which is a link.
    pub(super) fn each_below(&self, below: &Path, see: impl FnMut(&OsStr) -> ControlFlow<()>) -> io::Result<()> {
        let listed = self.open_below(below, LISTED)?;
        self.noted(below, show(listed, see))
    }

    /// The names in it that can be records.
    ///
    /// # Errors
    /// Where it cannot be listed.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.each(keep_records(&mut names))?;
        Ok(names)
    }

    /// The same of a directory some levels below, none of which is a link.
    pub(super) fn names_below(&self, below: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_below(below, keep_records(&mut names))?;
        Ok(names)
    }
}

/// Hidden names are ours while they are written, or an editor's, or NFS's (`.nfs…`); backups end in `~`.
fn keep_records(names: &mut Vec<String>) -> impl FnMut(&OsStr) -> ControlFlow<()> {
    |name| {
        names.extend(name.to_str().filter(|name| !name.starts_with('.') && !name.ends_with('~')).map(String::from));
        ControlFlow::Continue(())
    }
}

fn show(listed: OwnedFd, mut see: impl FnMut(&OsStr) -> ControlFlow<()>) -> io::Result<()> {
    let mut room = Vec::with_capacity(8192);
    let mut entries = RawDir::new(listed, room.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && see(OsStr::from_bytes(name)).is_break() {
            break;
        }
    }
    Ok(())
}
