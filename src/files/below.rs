//! What lies some levels below an opened directory, reached by one call that follows no link on the way.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

use super::Dir;
use super::dir::{CAREFULLY, one, regular};

impl Dir {
    /// Opens what is some levels below as `flags` say; neither it nor a directory on the way is a link.
    pub(super) fn open_below(&self, below: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let mode = if flags.contains(OFlag::O_CREAT) { self.modes.file() } else { Mode::empty() };
        let how = OpenHow::new().flags(flags).mode(mode);
        match openat2(self, below, how.resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_BENEATH)) {
            Ok(descriptor) => Ok(descriptor),
            // Linux before 5.6, and containers of that time that let through only what they know: step by step.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                let (directory, name) = self.above(below)?;
                Ok(openat(&directory, name, flags | OFlag::O_NOFOLLOW, mode)?)
            }
            Err(Errno::ELOOP) => Err(Errno::ENOTDIR.into()),
            Err(error) => self.noted(below, Err(error.into())),
        }
    }

    /// The directory that something some levels below is in, and its name there.
    pub(super) fn above<'n>(&self, below: &'n Path) -> io::Result<(Self, &'n Path)> {
        let mut parts = below.iter();
        let name = one(Path::new(parts.next_back().unwrap_or_default()))?;
        Ok((parts.try_fold(self.reopened()?, |directory, part| directory.enter(part))?, name))
    }

    /// Opens a file some levels below to read, as [`Self::open_regular`] does one right here.
    pub(super) fn open_regular_below(&self, below: &Path) -> io::Result<(File, Metadata)> {
        self.noted(below, regular(self.open_below(below, CAREFULLY | OFlag::O_RDONLY)?))
    }
}
