//! What could not be read below a directory of ours.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// What could not be read though it is there, by its path. Whoever reads goes on without it, as a hook must; whoever
/// tells people how things stand asks here before he says that there is nothing.
#[derive(Debug, Default)]
pub struct Unread(Mutex<BTreeMap<PathBuf, String>>);

/// So many are kept: who may not read one record may mostly not read any.
const MOST: usize = 20;

impl Unread {
    /// Notes why the system let us not read something, where that is what the error says.
    pub(super) fn note(&self, path: impl FnOnce() -> PathBuf, error: &io::Error) {
        use io::ErrorKind as Kind;
        // It is not there, or something of another kind is, which is told of as what it is.
        let is_other =
            matches!(error.kind(), Kind::NotFound | Kind::NotADirectory | Kind::IsADirectory | Kind::InvalidInput);
        // Our own word on a file that is none, and the system's on a link and a socket.
        let is_no_file = error.raw_os_error().is_none_or(|code| [nix::libc::ELOOP, nix::libc::ENXIO].contains(&code));
        if is_other || is_no_file {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST {
            all.insert(path(), error.to_string());
        }
    }

    /// All of it, with what the system said.
    pub fn list(&self) -> Vec<(PathBuf, String)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(path, why)| (path.clone(), why.clone())).collect()
    }
}
