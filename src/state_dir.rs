//! Where all our state lies: `webhook/` in the repository's own directory, whichever of its worktrees asks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::files::{Folder, Modes};

/// The directory of one repository's state. Nothing is created before it is written to.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: Folder,
}

/// Its name in the repository's directory.
const NAME: &str = "webhook";

impl StateDir {
    /// That of the repository at `common_dir`; `shared` where `core.sharedRepository` is group or wider.
    pub fn new(common_dir: &Path, shared: bool) -> Self {
        Self { root: Folder::new(common_dir, NAME, Modes::new(shared)) }
    }

    /// The same where the configuration cannot be read: shared if the directory that is there is.
    pub fn found(common_dir: &Path) -> Self {
        let mode = fs::metadata(common_dir.join(NAME)).map_or(0, |metadata| metadata.permissions().mode());
        Self::new(common_dir, mode & 0o070 == 0o070)
    }

    /// All of it; the hook's log and the snapshot of the refs lie right there.
    pub fn root(&self) -> &Folder {
        &self.root
    }

    /// What waits and what was told.
    pub fn spool(&self) -> Folder {
        self.root.join("v1")
    }

    /// The log of deliveries.
    pub fn log(&self) -> Folder {
        self.root.join("log")
    }

    /// The files that hold secrets.
    pub fn secrets(&self) -> Folder {
        self.root.join("secret")
    }

    /// The templates of the repository's own targets, which whoever configures them puts there.
    pub fn templates(&self) -> Folder {
        self.root.join("template")
    }
}
