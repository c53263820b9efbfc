//! What the system says of a name in a directory, and what we ask it to say of ours.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use nix::sys::stat::{FileStat, Mode, SFlag};

/// Who may read what we write: git's rule for its own files, as far as the repository is shared.
#[derive(Clone, Copy, Debug)]
pub struct Modes {
    pub(super) shared: bool,
}

impl Modes {
    /// `shared`: `core.sharedRepository` is group or wider.
    pub fn new(shared: bool) -> Self {
        Self { shared }
    }

    pub(super) fn directory(self) -> Mode {
        // The group's bit makes new files the group's, as in git's own shared directories.
        Mode::from_bits_truncate(if self.shared { 0o2770 } else { 0o700 })
    }

    pub(super) fn file(self) -> Mode {
        Mode::from_bits_truncate(if self.shared { 0o660 } else { 0o600 })
    }
}

/// What the system says of a name, be it a link itself.
pub struct Stat(FileStat);

impl Stat {
    pub(super) fn new(said: FileStat) -> Self {
        Self(said)
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind() == SFlag::S_IFREG
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == SFlag::S_IFDIR
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.kind() == SFlag::S_IFLNK
    }

    fn kind(&self) -> SFlag {
        SFlag::from_bits_truncate(self.0.st_mode & SFlag::S_IFMT.bits())
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        u64::try_from(self.0.st_size).unwrap_or(0)
    }

    /// Whether it is the file that `metadata` is of.
    pub fn is_of(&self, metadata: &Metadata) -> bool {
        self.device_and_inode() == (metadata.dev(), metadata.ino())
    }

    pub(super) fn device_and_inode(&self) -> (u64, u64) {
        (self.0.st_dev, self.0.st_ino)
    }

    /// Whether it can be written by others than its owner and its group.
    pub(super) fn others_may_write(&self) -> bool {
        self.0.st_mode & 0o002 != 0
    }

    /// Whether its mode is this one.
    pub(super) fn has(&self, mode: Mode) -> bool {
        self.0.st_mode & 0o7777 == mode.bits()
    }

    pub(super) fn owner(&self) -> u32 {
        self.0.st_uid
    }

    pub(super) fn group(&self) -> u32 {
        self.0.st_gid
    }

    /// Whether it is root's, and nobody else may write it; `sticky_will_do` where he may if he can rename nothing of
    /// others' in it.
    pub(super) fn is_only_roots(&self, sticky_will_do: bool) -> bool {
        let (others, sticky) = (self.0.st_mode & 0o022 != 0, self.0.st_mode & 0o1000 != 0);
        self.owner() == 0 && (!others || (sticky && sticky_will_do))
    }

    /// Seconds since it was changed; `None` where that is to come.
    pub fn age(&self) -> Option<u64> {
        let changed = Duration::new(u64::try_from(self.0.st_mtime).ok()?, u32::try_from(self.0.st_mtime_nsec).ok()?);
        Some(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH.checked_add(changed)?).ok()?.as_secs())
    }
}

/// By what a directory is told from others, whatever its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The number of its file system, which a rename does not change; 0 where the system does not tell.
    pub device: u64,
    /// Its own number there.
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970; `None` where the file system does not tell. Numbers of inodes are used
    /// again, times are not.
    pub born: Option<i64>,
}

impl Mark {
    /// For how many seconds it has been there, less than none where a clock was wrong; `None` where the file system does not tell.
    pub fn age(&self) -> Option<i64> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
        Some(now - self.born? / 1_000_000_000)
    }
}

/// Whose a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its user.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// It and all above it are root's, and nobody else can put another in its place.
    pub is_only_roots: bool,
}
