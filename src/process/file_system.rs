//! What matters of a file system.

use std::os::fd::AsFd;

use nix::sys::statfs::{fstatfs, statfs};
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

/// Whether a sync of what is new has the names of the new directories above it on the disk as well, so that each of those
/// needs none of its own. POSIX promises nothing of the kind, so it counts where it is known of the file system alone.
///
/// One journal has all changes of names in their order, and a sync writes it up to what is synced: ext4, XFS, bcachefs, ZFS (its
/// intent log). ext4 without a journal, and btrfs, whose log has only what is synced, go up through the new directories
/// themselves (`ext4_sync_parent`, `log_new_ancestors`). F2FS writes a checkpoint for the sync of a directory. An NFS server has
/// a change of names on its disk before it answers, and a client's sync of a directory does nothing.
pub fn syncs_new_directories_above(descriptor: impl AsFd) -> bool {
    const KNOWN: [u32; 7] = [0xef53, 0x5846_5342, 0xca45_1a4e, 0x2fc1_2fc1, 0x9123_683e, 0xf2f5_2010, 0x6969];
    fstatfs(descriptor).is_ok_and(|found| KNOWN.contains(&(found.filesystem_type().0 as u32)))
}

/// Writes out everything that the file system of `descriptor` has in memory.
///
/// # Errors
/// Where a write failed.
pub fn sync_file_system(descriptor: impl AsFd) -> std::io::Result<()> {
    Ok(syncfs(descriptor)?)
}
