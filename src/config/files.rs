//! Which configuration files git would read here, and what stands in them.
//!
//! No child process: `File::from_git_dir` of gix-config starts `git config` and reads the global includes twice, so the
//! list of files is made here. A test compares the outcome with `git config --list` on hundreds of made-up sets of files.
//! What stays different from git, always on the side of an error that names the file:
//!
//! * `includeIf.onbranch` in a reftable repository, where only git can tell the branch;
//! * a file of more than 32 MiB, more than half a million lines, or a fifo;
//! * a carriage return outside a value that ends no line: white space to git, an error to gix-config.
//!
//! Classes of characters in a pattern of `includeIf.gitdir/i`, and `[:` without `:]` in any pattern, match as gix-glob has
//! it. A NUL in a value, where git stops reading it, is kept, and found wrong by whoever reads the value.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::entry::{Entry, Line, Scope, Unreadable};
use super::include::{self, Surroundings, TopFile};
use super::installed;
use super::syntax;
use crate::process::{self, Environment};
use crate::ref_update::ObjectFormat;

/// How the repository keeps objects and refs, from the `extensions` of its own file (gitrepository-layout(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How objects are named.
    pub object_format: ObjectFormat,
    /// Whether the refs are in a reftable, which only git reads.
    pub reftable: bool,
}

/// Reads every value that git itself would see in the repository at `git_dir`, but for the environment's
/// (`GIT_CONFIG_COUNT` and `git -c`): who may set those is not who may set policy.
///
/// `common_dir` differs from `git_dir` in a linked worktree alone.
///
/// # Errors
/// Where git itself would die, and in the cases named above.
pub fn read(git_dir: &Path, common_dir: &Path, environment: &Environment) -> Result<Files, Unreadable> {
    let local = TopFile::read(common_dir.join("config"), Scope::Repository)?;
    let extensions = Extensions::new(local.as_ref().map_or(&[], |file| &file.lines));
    let surroundings = Surroundings { git_dir, common_dir, environment, is_reftable: extensions.layout.reftable };
    let mut files = Vec::new();
    if let Some(path) = system_file(environment) {
        files.extend(TopFile::read(path, Scope::System)?);
    }
    let place_of_global = files.len();
    files.extend(local);
    if extensions.worktree_config {
        files.extend(TopFile::read(git_dir.join("config.worktree"), Scope::Repository)?);
    }
    let entries = include::read(&files, &surroundings)?;
    // A repository that several users write would read each one's own file: the events would depend on who pushed.
    if is_shared(&entries) {
        return Ok(Files { entries, layout: extensions.layout, unread: Vec::new() });
    }
    let (mut global, mut unread) = (Vec::new(), Vec::new());
    for path in global_files(environment) {
        match TopFile::read(path, Scope::Global) {
            Ok(file) => global.extend(file),
            // As git: a user's own file may be out of reach, as for a daemon started with another's HOME.
            Err(Unreadable::File(path, error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                unread.push((path, error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    if global.is_empty() {
        return Ok(Files { entries, layout: extensions.layout, unread });
    }
    files.splice(place_of_global..place_of_global, global);
    Ok(Files { entries: include::read(&files, &surroundings)?, layout: extensions.layout, unread })
}

/// The user's own file in which something is said of webhooks that does not count, for `HOME` is not set: git passes over the file
/// then, and so do we.
pub(super) fn unseen_file(environment: &Environment) -> Option<PathBuf> {
    if ["HOME", "GIT_CONFIG_GLOBAL"].iter().any(|name| environment.raw(name).is_some()) {
        return None;
    }
    let home = process::account(process::user_id())?.home;
    let known = Environment::new([("HOME".into(), home.into())]);
    let is_about_us = |file: &TopFile| file.lines.iter().any(|line| ["webhook", "webhookuser"].contains(&line.section));
    global_files(&known)
        .into_iter()
        .find(|path| TopFile::read(path.clone(), Scope::Global).ok().flatten().is_some_and(|file| is_about_us(&file)))
}

/// The same of the system's and the user's own files, apart from any repository.
///
/// # Errors
/// Where git itself would die.
pub fn read_protected(environment: &Environment) -> Result<Files, Unreadable> {
    let nowhere = Path::new("/");
    let surroundings = Surroundings { git_dir: nowhere, common_dir: nowhere, environment, is_reftable: false };
    let mut files = Vec::new();
    if let Some(path) = system_file(environment) {
        files.extend(TopFile::read(path, Scope::System)?);
    }
    for path in global_files(environment) {
        files.extend(TopFile::read(path, Scope::Global)?);
    }
    let layout = Extensions::new(&[]).layout;
    Ok(Files { entries: include::read(&files, &surroundings)?, layout, unread: Vec::new() })
}

/// The file that git would write to for a scope: of two of the user's own that which is there.
pub fn written(scope: Scope, environment: &Environment) -> Option<PathBuf> {
    match scope {
        Scope::System => system_file(environment),
        Scope::Global => {
            let files = global_files(environment);
            let is_there = |path: &&PathBuf| path.exists();
            files.iter().rev().find(is_there).or(files.last()).cloned()
        }
        Scope::Repository => None,
    }
}

/// What git would see.
pub struct Files {
    /// Every value, in git's order.
    pub entries: Vec<Entry>,
    /// How the repository keeps objects and refs.
    pub layout: Layout,
    /// Files of the user's own that may not be read, which git passes over, and why.
    pub unread: Vec<(PathBuf, String)>,
}

/// What git looks up in the repository's own file before it reads anything else, without following includes.
struct Extensions {
    layout: Layout,
    worktree_config: bool,
}

impl Extensions {
    fn new(lines: &[Line]) -> Self {
        let last = |key: &str| {
            let is_it = |line: &&Line| line.section == "extensions" && line.subsection.is_none() && line.key == key;
            lines.iter().rfind(is_it).map(|line| line.value.as_deref())
        };
        Self {
            layout: Layout {
                object_format: match last("objectformat").flatten() {
                    Some(b"sha256") => ObjectFormat::Sha256,
                    _ => ObjectFormat::Sha1,
                },
                reftable: last("refstorage").flatten() == Some(b"reftable"),
            },
            worktree_config: last("worktreeconfig").is_some_and(is_true),
        }
    }
}

/// Whether `core.sharedRepository` lets others than the owner write, as git reads it (git-config(1)).
pub fn is_shared(entries: &[Entry]) -> bool {
    let is_it =
        |entry: &&Entry| entry.section == "core" && entry.subsection.is_none() && entry.key == "sharedrepository";
    let Some(entry) = entries.iter().rfind(is_it) else { return false };
    let Some(value) = &entry.value else { return true };
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    match text.as_str() {
        "umask" => false,
        "group" | "all" | "world" | "everybody" => true,
        _ => match i64::from_str_radix(&text, 8) {
            // Older spellings of group and all; any other number is a file's mode.
            Ok(1 | 2) => true,
            Ok(mode) => mode & 0o022 != 0,
            Err(_) => is_true(Some(value)),
        },
    }
}

fn is_true(value: Option<&[u8]>) -> bool {
    value.is_none_or(|value| syntax::boolean(value) == Some(true))
}

/// The system's file, with the rules of git-config(1).
fn system_file(environment: &Environment) -> Option<PathBuf> {
    if environment.raw("GIT_CONFIG_NOSYSTEM").is_some_and(|value| is_true(Some(value.as_encoded_bytes()))) {
        return None;
    }
    match environment.raw("GIT_CONFIG_SYSTEM") {
        // To git an empty name is a file that is not there.
        Some(path) => Some(path.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty()),
        None => Some(installed::system_file(environment)),
    }
}

/// The user's own files, in git's order.
fn global_files(environment: &Environment) -> Vec<PathBuf> {
    if let Some(path) = environment.raw("GIT_CONFIG_GLOBAL") {
        return if path.is_empty() { Vec::new() } else { vec![path.into()] };
    }
    let below = |directory: &OsStr, name: &str| {
        let mut path = directory.to_owned();
        path.push(name);
        PathBuf::from(path)
    };
    let home = environment.raw("HOME");
    let xdg = match environment.get("XDG_CONFIG_HOME") {
        Some(directory) => Some(below(directory, "/git/config")),
        None => home.map(|home| below(home, "/.config/git/config")),
    };
    xdg.into_iter().chain(home.map(|home| below(home, "/.gitconfig"))).collect()
}
