//! What can go wrong with a file, in words that name it.

use std::fmt;
use std::io;
use std::path::Path;

/// A step on a file failed; in words that name both.
#[derive(Debug)]
pub struct FileError {
    text: String,
    source: io::Error,
}

impl FileError {
    /// What happened to `path`, in the words of a message about a path and what the system said.
    pub fn new(message: impl FnOnce(String, String) -> String, path: &Path, source: io::Error) -> Self {
        Self { text: message(path.display().to_string(), source.to_string()), source }
    }

    /// What the system said.
    pub fn reason(&self) -> &io::Error {
        &self.source
    }

    /// Whether there was no room, so that what is there may still be removed.
    pub fn is_full_disk(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Why a file is not read as a record.
#[derive(Debug)]
pub enum Unfit {
    /// It is gone, or belongs to somebody who lets us not read it: it stays where it is.
    Unreadable(io::Error),
    /// It is no sound record of ours, and why: it goes to `dead`.
    Unsound(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Unsound(why) => f.write_str(why),
        }
    }
}
