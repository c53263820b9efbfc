//! The refs as they are now, read from the files that hold them; in a reftable repository, which only git reads, from
//! git.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::Layout;
use crate::message;
use crate::process;
use crate::ref_update::{Namespace, ObjectId, RefName};

/// The refs cannot be read.
#[derive(Debug)]
pub enum RefsError {
    /// A file or directory below the repository.
    File(PathBuf, io::Error),
    /// `git for-each-ref`, which a reftable repository needs.
    Git(String),
}

impl fmt::Display for RefsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => f.write_str(&message::cannot_read(path.display(), error)),
            Self::Git(why) => f.write_str(&message::refs_through_git(why)),
        }
    }
}

impl std::error::Error for RefsError {}

/// The directory with objects and refs: `git_dir` itself, but for a linked worktree (gitrepository-layout(5),
/// `commondir`).
pub fn common_dir(git_dir: &Path) -> PathBuf {
    match fs::read(git_dir.join("commondir")) {
        Ok(path) => git_dir.join(OsStr::from_bytes(path.trim_ascii_end())),
        Err(_) => git_dir.into(),
    }
}

/// All refs.
#[derive(Debug, Default)]
pub struct Refs {
    /// With the ids they hold, tags not peeled; HEAD too where it is detached.
    pub direct: Vec<(RefName, ObjectId)>,
    /// With the refs they name.
    pub symbolic: Vec<(RefName, RefName)>,
}

/// Reads all refs.
///
/// # Errors
/// Where a file or directory is there and cannot be read, or git fails.
pub fn all(common_dir: &Path, layout: Layout) -> Result<Refs, RefsError> {
    let mut refs = if layout.reftable { from_git(common_dir)? } else { from_files(common_dir)? };
    if let Some(id) = fs::read(common_dir.join("HEAD")).ok().as_deref().and_then(direct_ref) {
        refs.direct.push((RefName::new("HEAD"), id));
    }
    Ok(refs)
}

/// The branch that a namespace's HEAD names in full, be it born or not.
pub fn head(common_dir: &Path, layout: Layout, namespace: &Namespace) -> Option<RefName> {
    let head = RefName::within(namespace, b"HEAD");
    let head = OsStr::from_bytes(head.whole());
    if layout.reftable {
        let name = git(common_dir, &["symbolic-ref", "--quiet", head.to_str()?]).ok()?;
        return Some(RefName::new(name.trim_ascii_end()));
    }
    symbolic_ref(&fs::read(common_dir.join(head)).ok()?)
}

/// The id of one ref.
pub fn resolve(common_dir: &Path, layout: Layout, name: &RefName) -> Option<ObjectId> {
    let refs = all(common_dir, layout).ok()?;
    let target = refs.symbolic.iter().find(|(other, _)| other == name).map_or(name, |(_, target)| target);
    refs.direct.iter().find(|(other, _)| other == target).map(|(_, id)| *id)
}

/// The commits that a shallow clone takes for roots.
pub(super) fn shallow(common_dir: &Path) -> HashSet<ObjectId> {
    let text = fs::read(common_dir.join("shallow")).unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(|line| ObjectId::from_hex(line).flatten()).collect()
}

fn from_files(common_dir: &Path) -> Result<Refs, RefsError> {
    // Loose before packed: `git pack-refs` writes the packed file first and removes the loose one then, so that a ref
    // is seen either way.
    let mut loose = HashMap::new();
    let mut symbolic = Vec::new();
    let mut directories = vec![common_dir.join("refs")];
    while let Some(directory) = directories.pop() {
        let cannot = |error| RefsError::File(directory.clone(), error);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(cannot(error)),
        };
        for entry in entries {
            let path = entry.map_err(cannot)?.path();
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => directories.push(path),
                // The lock of a ref being written holds its next id.
                Ok(_) if path.extension() == Some(OsStr::new("lock")) => {}
                Ok(_) => {
                    let content = match fs::read(&path) {
                        Ok(content) => content,
                        Err(error) if is_gone(&error) => continue,
                        // A ref that cannot be read is none that was deleted.
                        Err(error) => return Err(RefsError::File(path, error)),
                    };
                    let Ok(name) = path.strip_prefix(common_dir) else { continue };
                    let name = RefName::new(name.as_os_str().as_bytes());
                    if let Some(target) = symbolic_ref(&content) {
                        symbolic.push((name, target));
                    } else if let Some(id) = direct_ref(&content) {
                        loose.insert(name, id);
                    }
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(RefsError::File(path, error)),
            }
        }
    }
    let path = common_dir.join("packed-refs");
    let packed = match fs::read(&path) {
        Ok(packed) => packed,
        Err(error) if is_gone(&error) => Vec::new(),
        Err(error) => return Err(RefsError::File(path, error)),
    };
    let packed = packed.split(|byte| *byte == b'\n').filter_map(id_and_name);
    let mut direct: Vec<_> = packed.filter(|(name, _)| !loose.contains_key(name)).collect();
    direct.extend(loose);
    Ok(Refs { direct, symbolic })
}

fn is_gone(error: &io::Error) -> bool {
    // A directory may have become a file while we walked.
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A loose ref that is no symbolic one: `9f2c…41aa LF`.
fn direct_ref(content: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex(content.trim_ascii_end()).flatten()
}

/// A loose ref that names another: `ref: refs/heads/main LF`.
fn symbolic_ref(content: &[u8]) -> Option<RefName> {
    Some(RefName::new(content.strip_prefix(b"ref:")?.trim_ascii()))
}

/// A line of packed-refs or of for-each-ref: `9f2c…41aa refs/heads/main`. Headers (`#`) and peeled ids (`^`) are none.
fn id_and_name(line: &[u8]) -> Option<(RefName, ObjectId)> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let id = ObjectId::from_hex(&line[..space]).flatten()?;
    Some((RefName::new(&line[space + 1..]), id))
}

fn from_git(common_dir: &Path) -> Result<Refs, RefsError> {
    let output = git(common_dir, &["for-each-ref", "--format=%(objectname) %(refname)%00%(symref)"])?;
    let mut refs = Refs::default();
    for line in output.split(|byte| *byte == b'\n') {
        let mut parts = line.split(|byte| *byte == 0);
        let (Some((name, id)), Some(target)) = (parts.next().and_then(id_and_name), parts.next()) else { continue };
        if target.is_empty() {
            refs.direct.push((name, id));
        } else {
            refs.symbolic.push((name, RefName::new(target)));
        }
    }
    Ok(refs)
}

/// git, in the repository whose directory this is.
///
/// In one of ours it finds the repository itself and judges by its own rule whose that is: with `GIT_DIR` it asks nobody,
/// and root's process of the owner must not be led elsewhere. In somebody else's, git has let us in before.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(directory).env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    if fs::metadata(directory).is_ok_and(|metadata| metadata.uid() == process::user_id()) {
        command.args(["-c", "safe.bareRepository=all"]);
    } else {
        command.env("GIT_DIR", ".");
    }
    command
}

/// Runs git in the repository and returns its standard output.
///
/// `GIT_NO_REPLACE_OBJECTS`: any pusher may push a replacement that names itself, and git dies of it.
fn git(common_dir: &Path, arguments: &[&str]) -> Result<Vec<u8>, RefsError> {
    let output = command(common_dir)
        .args(arguments)
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| RefsError::Git(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(RefsError::Git(said.trim().to_owned()));
    }
    Ok(output.stdout)
}
