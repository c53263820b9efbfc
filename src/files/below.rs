//! What lies some levels below an opened directory, reached by one call that follows no link on the way.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

use super::dir::one;
use super::{Dir, Stat};

impl Dir {
    /// Opens what is some levels below as `flags` say; neither it nor a directory on the way is a link.
    pub(super) fn open_below(&self, below: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let mode = if flags.contains(OFlag::O_CREAT) { self.modes.file() } else { Mode::empty() };
        let how = OpenHow::new().flags(flags).mode(mode);
        let opened = openat2(self, below, how.resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_BENEATH));
        let opened = match opened {
            // Linux before 5.6, and containers of that time that let through only what they know: step by step.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                let (directory, name) = self.above(below)?;
                openat(&directory, name, flags | OFlag::O_NOFOLLOW, mode)
            }
            other => other,
        };
        match opened {
            Err(Errno::ELOOP) => Err(Errno::ENOTDIR.into()),
            other => self.noted(below, other.map_err(io::Error::from)),
        }
    }

    /// The directory that something some levels below is in, and its name there.
    pub(super) fn above<'n>(&self, below: &'n Path) -> io::Result<(Self, &'n Path)> {
        let mut parts = below.iter();
        let name = one(Path::new(parts.next_back().unwrap_or_default()))?;
        Ok((parts.try_fold(self.reopened()?, |directory, part| directory.enter(part))?, name))
    }

    /// What the system says of the directory that something right here or some levels below is in.
    pub(super) fn stat_above(&self, below: &Path) -> io::Result<Stat> {
        let stat = if one(below).is_ok() { self.stat() } else { self.above(below)?.0.stat() };
        stat.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
