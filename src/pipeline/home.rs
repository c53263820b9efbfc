//! Whether what waits here is this repository's own to tell: one that was copied, moved or restored brings along what another
//! tells, or has told.

use std::fmt;
use std::path::PathBuf;

use super::Pipeline;
use crate::message;
use crate::repository;
use crate::spool::Home;

/// Why what waits here may be told elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Displaced {
    /// It is a copy of the one there.
    CopyOf(PathBuf),
    /// It was moved, copied or restored, and the one that it was is not to be found.
    Moved,
    /// Its refs and objects are older than what was told of them.
    Restored,
}

impl fmt::Display for Displaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CopyOf(path) => f.write_str(&message::copy_of(path.display())),
            Self::Moved => f.write_str(message::moved()),
            Self::Restored => f.write_str(message::restored()),
        }
    }
}

impl Pipeline<'_> {
    /// Why nothing is to be told here but what is pushed, until somebody has said what this repository is; `None` where it
    /// is where it was.
    pub fn displaced(&self) -> Option<Displaced> {
        match self.spool.home() {
            Home::CopyOf(path) => Some(Displaced::CopyOf(path)),
            Home::Elsewhere => Some(Displaced::Moved),
            Home::Here => self.is_restored().then_some(Displaced::Restored),
        }
    }

    /// Whether what waits here may be another repository's to tell.
    pub(super) fn is_in_copy(&self) -> bool {
        *self.is_in_copy.get_or_init(|| self.spool.home() != Home::Here)
    }

    /// Whether nothing of what the newest push brought is here: then its receipt is newer than the repository.
    fn is_restored(&self) -> bool {
        let Some((number, receipt)) = self.spool.newest_of_hooks() else { return false };
        let brought: Vec<_> = receipt.lines.iter().filter_map(|line| line.update.new).collect();
        if brought.is_empty() || number <= self.spool.accepted() {
            return false;
        }
        // They may have gone to a place of the environment's, or have been at one, that is not here now.
        let directories = receipt.object_directories();
        if receipt.lies_elsewhere() || directories.iter().any(|place| !place.is_dir()) {
            return false;
        }
        // What cannot be opened says nothing.
        let opened = repository::open_with(self.common_dir, self.configuration.layout, &directories);
        let Ok(objects) = opened else { return false };
        !brought.into_iter().any(|id| objects.has(id))
    }
}
