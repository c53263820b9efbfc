//! What matters of a file system.

use std::os::fd::AsFd;

use nix::sys::statfs::statfs;
use nix::sys::statvfs::FsFlags;
use nix::unistd::syncfs;

/// What matters of the file system that a path lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Shared by several machines, and what it is called.
    Network(&'static str),
    /// Gone when the machine stops, and what it is called.
    Memory(&'static str),
    /// Any other.
    Other,
}

impl FileSystem {
    /// Whether that of `path` is mounted so that nobody writes to it.
    pub fn is_read_only(path: &std::path::Path) -> bool {
        statfs(path).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
    }

    /// That of `path`; `Other` where it cannot be told.
    pub fn of(path: &std::path::Path) -> Self {
        // The numbers of statfs(2).
        match statfs(path).map_or(0, |found| found.filesystem_type().0 as u32) {
            0x6969 => Self::Network("nfs"),
            0x517b | 0xff53_4d42 | 0xfe53_4d42 => Self::Network("cifs"),
            0x0102_1997 => Self::Network("9p"),
            0x00c3_6400 => Self::Network("ceph"),
            0x0102_1994 => Self::Memory("tmpfs"),
            0x8584_58f6 => Self::Memory("ramfs"),
            _ => Self::Other,
        }
    }
}

/// Writes out everything that the file system of `descriptor` has in memory.
///
/// # Errors
/// Where a write failed.
pub fn sync_file_system(descriptor: impl AsFd) -> std::io::Result<()> {
    Ok(syncfs(descriptor)?)
}
