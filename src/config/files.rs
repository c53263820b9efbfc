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
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::include::{self, Surroundings, TopFile};
use super::syntax::{self, Line};
use crate::message;
use crate::process::Environment;
use crate::ref_update::ObjectFormat;

/// Where a value was set; later ones win over earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `/etc/gitconfig` or where this git has it.
    System,
    /// The user's own file.
    Global,
    /// The repository's `config` or `config.worktree`.
    Repository,
}

/// One value of one key, in the order in which git sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The section, in lower case.
    pub section: &'static str,
    /// The subsection as it is written; in lower case for the old form `[section.sub]`.
    pub subsection: Option<Rc<[u8]>>,
    /// The key, in lower case.
    pub key: String,
    /// The value; `None` for a key without `=`, which is a boolean's `true`.
    pub value: Option<Vec<u8>>,
    /// Where the file that holds it, or that includes the file that holds it, belongs.
    pub scope: Scope,
    /// The file.
    pub file: Rc<Path>,
    /// A `#` or `;` with no space before it ends the value, which is most often meant to be part of it.
    pub is_cut: bool,
}

impl Entry {
    pub(super) fn new(line: Line, scope: Scope, file: Rc<Path>) -> Self {
        let Line { section, subsection, key, value, is_cut } = line;
        Self { section, subsection, key, value, scope, file, is_cut }
    }
}

/// Why the configuration as a whole cannot be used. None of these quotes a file's content: an include may name any file
/// there is.
#[derive(Debug)]
pub enum Unreadable {
    /// A file exists and cannot be read, is a directory or a fifo, or is too large.
    File(PathBuf, io::Error),
    /// A file is not git configuration, at this line.
    Syntax(PathBuf, usize),
    /// `include.path` in this file has no value, or begins with a home that is not there.
    Include(PathBuf),
    /// This file is included below ten others.
    Depth(PathBuf),
    /// This file sets `remote.*.url`, is included by `includeIf`, and another is included by
    /// `includeIf.hasconfig:remote.*.url`: git refuses that.
    RemoteUrl(PathBuf),
    /// `includeIf.onbranch` in a reftable repository, where only git can tell the branch.
    OnBranch(PathBuf),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::File(file, error) => message::cannot_read(file.display(), error),
            Self::Syntax(file, line) => message::bad_configuration_line(line, file.display()),
            Self::Include(file) => message::include_unclear(file.display()),
            Self::Depth(file) => message::include_too_deep(file.display()),
            Self::RemoteUrl(file) => message::remote_url_included(file.display()),
            Self::OnBranch(file) => message::on_branch_in_reftable(file.display()),
        })
    }
}

impl std::error::Error for Unreadable {}

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
pub fn read(git_dir: &Path, common_dir: &Path, environment: &Environment) -> Result<(Vec<Entry>, Layout), Unreadable> {
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
        return Ok((entries, extensions.layout));
    }
    let global =
        global_files(environment).into_iter().filter_map(|path| TopFile::read(path, Scope::Global).transpose());
    let global: Vec<_> = global.collect::<Result<_, _>>()?;
    if global.is_empty() {
        return Ok((entries, extensions.layout));
    }
    files.splice(place_of_global..place_of_global, global);
    Ok((include::read(&files, &surroundings)?, extensions.layout))
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

/// The sections that mean something to us.
pub(super) const SECTIONS: [&str; 4] = ["webhook", "webhookuser", "gitweb", "core"];

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
        None => Some(system_file_below(&install_prefix(environment))),
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

/// Where the git that runs us is installed: `GIT_EXEC_PATH` is `<prefix>/libexec/git-core` or `<prefix>/lib/git-core`;
/// without it, from the directory on `PATH` that holds git.
pub(super) fn install_prefix(environment: &Environment) -> PathBuf {
    let two_up = |path: &Path| Some(path.parent()?.parent()?.to_path_buf());
    if let Some(path) = environment.get("GIT_EXEC_PATH") {
        return two_up(Path::new(path)).unwrap_or_default();
    }
    environment
        .get("PATH")
        .and_then(|path| std::env::split_paths(path).find(|directory| directory.join("git").is_file()))
        .and_then(|directory| directory.parent().map(Path::to_path_buf))
        .unwrap_or_else(|| "/usr".into())
}

/// git built for `/usr` reads `/etc/gitconfig`, any other `<prefix>/etc/gitconfig` (its Makefile, `ETC_GITCONFIG`).
fn system_file_below(prefix: &Path) -> PathBuf {
    if prefix == Path::new("/usr") || prefix == Path::new("/") {
        "/etc/gitconfig".into()
    } else {
        prefix.join("etc/gitconfig")
    }
}
