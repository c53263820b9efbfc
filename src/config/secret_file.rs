//! Reads a file that holds a secret, and refuses what could be somebody else's.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::entry::Scope;
use crate::files::{Dir, Folder, Modes};
use crate::message;

/// No secret is longer, and any file may be named.
const LARGEST: u64 = 64 * 1024;

/// The certificates of all authorities that browsers know are 220 KiB.
const LARGEST_BUNDLE: u64 = 4 * 1024 * 1024;

/// The content of the file that `value`, written in a file of `scope`, names; one trailing newline dropped.
///
/// Others may read it where `open_to_others` says so and it is an absolute path, as on the read-only mounts of containers;
/// they may never write it.
///
/// # Errors
/// Why it cannot be taken, in words that do not quote it.
pub(super) fn read(value: &str, scope: Scope, secrets: &Folder, open_to_others: bool) -> Result<Vec<u8>, String> {
    let may_be_seen = open_to_others && Path::new(value).is_absolute();
    let mut bytes = content(value, scope, secrets, if may_be_seen { 0o002 } else { 0o007 }, LARGEST)?;
    // Both come of an editor, and nobody sees them.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(message::secret_bom().into());
    }
    if bytes.ends_with(b"\r") || bytes.windows(2).any(|pair| pair == b"\r\n") {
        return Err(message::secret_cr().into());
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

/// The content of such a file that is no secret, which others may read.
///
/// # Errors
/// As for [`read`].
pub(super) fn read_public(value: &str, scope: Scope, secrets: &Folder) -> Result<Vec<u8>, String> {
    content(value, scope, secrets, 0o002, LARGEST_BUNDLE)
}

/// The template that `value`, written in a file of `scope`, names: below `own` for a repository's own configuration, below `of_server`
/// for the server's, or where an absolute path leads to.
///
/// # Errors
/// As for [`read`].
pub(super) fn read_template(
    value: &str,
    scope: Scope,
    own: &Folder,
    of_server: Option<&Path>,
) -> Result<String, String> {
    let content = match Path::new(value).is_absolute() || scope == Scope::Repository {
        true => content(value, scope, own, 0o002, LARGEST),
        false => {
            let directory = of_server.ok_or(message::no_template_dir())?;
            if !is_plain(Path::new(value)) {
                return Err(message::secret_no_path(directory.display()));
            }
            let path = directory.join(value);
            content(path.to_str().ok_or(message::no_utf8())?, scope, own, 0o002, LARGEST)
        }
    };
    String::from_utf8(content?).map_err(|_| message::header_file_no_utf8().into())
}

fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// The folder as its users know it: `webhook/secret/`.
fn known_as(folder: &Folder) -> String {
    let path = folder.path();
    format!("webhook/{}/", path.file_name().unwrap_or_default().display())
}

/// What a file holds whose mode has none of the bits `closed`.
fn content(value: &str, scope: Scope, secrets: &Folder, closed: u32, largest: u64) -> Result<Vec<u8>, String> {
    let is_absolute = Path::new(value).is_absolute();
    let cannot = |error: std::io::Error| {
        if is_absolute {
            message::secret_unreadable(error)
        } else {
            message::secret_unreadable_below(known_as(secrets), error)
        }
    };
    // Whoever writes this configuration chose the path: Kubernetes and others hand secrets out as symbolic links.
    let absolute = if is_absolute { absolute(value, scope, secrets)? } else { Default::default() };
    let (directory, name) = match absolute.parent().zip(absolute.file_name()) {
        Some((directory, name)) => (Dir::open(directory, Modes::new(false)).map_err(cannot)?, Path::new(name)),
        None if is_absolute => return Err(message::secret_no_file().into()),
        None => {
            let (folder, name) = below(value, secrets)?;
            (folder.open().map_err(cannot)?, name)
        }
    };
    // Whoever may write the directory could put a fifo there, or a link between the check and this line.
    let (file, metadata) = directory.open_regular(name).map_err(|error| match directory.look(name) {
        Some(stat) if !stat.is_file() && !stat.is_link() => message::secret_no_file().into(),
        _ => cannot(error),
    })?;
    if metadata.permissions().mode() & closed != 0 {
        return Err(message::secret_open(directory.path_of(name).display()));
    }
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > largest {
        return Err(message::secret_too_large().into());
    }
    Ok(bytes)
}

/// A relative path lies below the repository's folder; an absolute one counts only from protected scope: a
/// repository's configuration must not have the server user's files read and sent.
fn absolute(value: &str, scope: Scope, own: &Folder) -> Result<PathBuf, String> {
    if scope == Scope::Repository {
        return Err(message::secret_absolute(known_as(own)));
    }
    fs::canonicalize(value).map_err(message::secret_unreadable)
}

/// The file below `webhook/secret/` of the repository that a relative path names: its directory and its name there.
///
/// # Errors
/// Why it is none there, in words that do not quote it.
pub fn below<'v>(value: &'v str, secrets: &Folder) -> Result<(Folder, &'v Path), String> {
    let path = Path::new(value);
    let (Some(name), true) = (path.file_name(), is_plain(path)) else {
        return Err(message::secret_no_path(known_as(secrets)));
    };
    // Members of the group may write here in a shared repository, and could lead to the server user's own files.
    if let Some(link) = secrets.link_to(path) {
        return Err(message::secret_link(link.display(), known_as(secrets)));
    }
    Ok((secrets.join(path.parent().unwrap_or(Path::new(""))), Path::new(name)))
}
