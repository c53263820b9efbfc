//! Reads a file that holds a secret, and refuses what could be somebody else's.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::entry::Scope;
use crate::message;
use crate::process::OPEN_CAREFULLY;

/// No secret is longer, and any file may be named.
const LARGEST: u64 = 64 * 1024;

/// The content of the file that `value`, written in a file of `scope`, names; one trailing newline dropped.
///
/// # Errors
/// Why it cannot be taken, in words that do not quote it.
pub(super) fn read(value: &str, scope: Scope, git_dir: &Path) -> Result<Vec<u8>, String> {
    let path = locate(value, scope, git_dir)?;
    let cannot = |error: std::io::Error| {
        let is_absolute = Path::new(value).is_absolute();
        if is_absolute { message::secret_unreadable(error) } else { message::secret_unreadable_below(error) }
    };
    // Whoever may write the directory could put a fifo there, or a link between the check and this line.
    let file = fs::OpenOptions::new().read(true).custom_flags(OPEN_CAREFULLY).open(&path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(message::secret_no_file().into());
    }
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(message::secret_open(path.display()));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(message::secret_too_large().into());
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

/// A relative path lies below `webhook/secret/` of the repository; an absolute one counts only from protected scope: a
/// repository's configuration must not have the server user's files read and sent.
fn locate(value: &str, scope: Scope, git_dir: &Path) -> Result<PathBuf, String> {
    let path = Path::new(value);
    if path.is_absolute() {
        if scope == Scope::Repository {
            return Err(message::secret_absolute().into());
        }
        // Whoever writes this configuration chose the path: Kubernetes and others hand secrets out as symbolic links.
        return fs::canonicalize(path).map_err(message::secret_unreadable);
    }
    below(value, git_dir)
}

/// The file below `webhook/secret/` of the repository that a relative path names.
///
/// # Errors
/// Why it is none there, in words that do not quote it.
pub fn below(value: &str, git_dir: &Path) -> Result<PathBuf, String> {
    let path = Path::new(value);
    if value.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(message::secret_no_path().into());
    }
    let mut place = git_dir.to_owned();
    for part in Path::new("webhook/secret").join(path).components() {
        place.push(part);
        // Members of the group may write here in a shared repository, and could lead to the server user's own files.
        if place.is_symlink() {
            return Err(message::secret_link(place.display()));
        }
    }
    Ok(place)
}
