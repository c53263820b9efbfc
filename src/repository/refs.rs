//! The refs as they are now, read from the files that hold them; in a reftable repository, which only git reads, from
//! git.

use std::cell::{Cell, OnceCell};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::Layout;
use crate::message;
use crate::process;
use crate::ref_update::{ObjectId, RefName};

/// How many symbolic refs git follows one after another.
const DEEPEST_LINK: usize = 5;

/// Each costs a process.
const MOST_ASKED: usize = 20;

/// So many bytes of a ref's file are read where only a symbolic one is looked for.
const LONGEST_LINK: u64 = 64 * 1024;

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

impl Refs {
    /// Where one of them points.
    pub fn id(&self, name: &RefName) -> Option<ObjectId> {
        let target = self.symbolic.iter().find(|(other, _)| other == name).map_or(name, |(_, target)| target);
        self.direct.iter().find(|(other, _)| other == target).map(|(_, id)| *id)
    }
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

/// The id that one ref holds; `None` where it is symbolic or not there.
pub(super) fn held(common_dir: &Path, layout: Layout, name: &RefName) -> Option<ObjectId> {
    let name = OsStr::from_bytes(name.whole());
    if layout.reftable {
        return direct_ref(&git(common_dir, &["rev-parse", "--verify", "--quiet", name.to_str()?]).ok()?);
    }
    direct_ref(&fs::read(common_dir.join(name)).ok()?)
}

/// Where symbolic refs lead to, asked one by one.
pub struct Links<'a> {
    common_dir: &'a Path,
    layout: Layout,
    /// All of them but those that lead nowhere, where git alone reads them.
    listed: OnceCell<HashMap<RefName, RefName>>,
    /// How many more git is asked for by name.
    asks: Cell<usize>,
}

impl<'a> Links<'a> {
    /// Those of a repository.
    pub fn new(common_dir: &'a Path, layout: Layout) -> Self {
        Self { common_dir, layout, listed: OnceCell::new(), asks: Cell::new(MOST_ASKED) }
    }

    /// The ref that a symbolic one leads to, be it there or not; `None` where it is none. `leads_nowhere`: it may be one
    /// whose ref is gone.
    pub fn behind(&self, name: &RefName, leads_nowhere: bool) -> Option<RefName> {
        // git pushes to nothing but what lies below refs/: whoever feeds a hook HEAD means nobody's branch.
        if !name.as_bytes().starts_with(b"refs/") {
            return None;
        }
        let mut behind = self.next(name).or_else(|| leads_nowhere.then(|| self.ask(name)).flatten())?;
        // As far as git follows them (SYMREF_MAXDEPTH).
        for _ in 1..DEEPEST_LINK {
            match self.next(&behind) {
                Some(next) => behind = next,
                None => break,
            }
        }
        Some(behind)
    }

    /// git lists no symbolic ref that leads nowhere.
    fn ask(&self, name: &RefName) -> Option<RefName> {
        let left = self.asks.get().checked_sub(1).filter(|_| self.layout.reftable)?;
        self.asks.set(left);
        let name = OsStr::from_bytes(name.whole()).to_str()?;
        let behind = git(self.common_dir, &["symbolic-ref", "--quiet", name]).ok()?;
        Some(RefName::new(behind.trim_ascii_end()))
    }

    fn next(&self, name: &RefName) -> Option<RefName> {
        if self.layout.reftable {
            let list = || from_git(self.common_dir).map(|refs| refs.symbolic.into_iter().collect()).unwrap_or_default();
            return self.listed.get_or_init(list).get(name).cloned();
        }
        let path = self.common_dir.join(OsStr::from_bytes(name.whole()));
        start_of(&path).ok().and_then(|start| symbolic_ref(&start)).or_else(|| link(&path))
    }
}

/// What a ref's file begins with, by one call where that is all of it.
fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut start = vec![0; 4096];
    let read = file.read(&mut start)?;
    start.truncate(read);
    if read == 4096 {
        file.take(LONGEST_LINK).read_to_end(&mut start)?;
    }
    Ok(start)
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
            let entry = entry.map_err(cannot)?;
            let path = entry.path();
            if let Some(target) = entry.file_type().is_ok_and(|kind| kind.is_symlink()).then(|| link(&path)).flatten() {
                symbolic.extend(name_of(&path, common_dir).map(|name| (name, target)));
                continue;
            }
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
                    let Some(name) = name_of(&path, common_dir) else { continue };
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

fn name_of(path: &Path, common_dir: &Path) -> Option<RefName> {
    Some(RefName::new(path.strip_prefix(common_dir).ok()?.as_os_str().as_bytes()))
}

/// A symbolic ref that is a symbolic link to the other's name: `core.preferSymlinkRefs`.
fn link(path: &Path) -> Option<RefName> {
    let target = fs::read_link(path).ok()?;
    let target = target.as_os_str().as_bytes();
    target.starts_with(b"refs/").then(|| RefName::new(target))
}

/// A loose ref that names another: `ref: refs/heads/main LF`.
pub(super) fn symbolic_ref(content: &[u8]) -> Option<RefName> {
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
            let next = next_of_chain(common_dir, &name).unwrap_or_else(|| RefName::new(target));
            refs.symbolic.push((name, next));
        }
    }
    Ok(refs)
}

/// Where a symbolic ref leads itself: of a chain of them `for-each-ref` tells the last. `None` where git is too old to tell.
fn next_of_chain(common_dir: &Path, name: &RefName) -> Option<RefName> {
    let name = std::str::from_utf8(name.whole()).ok()?;
    let output = git(common_dir, &["symbolic-ref", "--no-recurse", name]).ok()?;
    let next = output.strip_suffix(b"\n").unwrap_or(&output);
    (!next.is_empty()).then(|| RefName::new(next))
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
pub(super) fn git(common_dir: &Path, arguments: &[&str]) -> Result<Vec<u8>, RefsError> {
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
