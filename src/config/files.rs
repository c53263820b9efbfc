//! Which configuration files git would read here, and what stands in them; the only door to gix-config.
//!
//! No child process: `File::from_git_dir` of gix-config starts `git config` and reads the global includes twice, so the
//! list of files is made here and the parser gets bytes.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bstr::BStr;
use gix_config::file::init::Options;
use gix_config::file::{Metadata, includes};
use gix_config::parse::{EventRef, Events};
use gix_config::source::Kind;
use gix_config::{File, Source};

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
    pub section: String,
    /// The subsection as it is written; in lower case for the old form `[section.sub]`.
    pub subsection: Option<Vec<u8>>,
    /// The key, in lower case.
    pub key: String,
    /// The value; `None` for a key without `=`, which is a boolean's `true`.
    pub value: Option<Vec<u8>>,
    /// Where the file that holds it, or that includes the file that holds it, belongs.
    pub scope: Scope,
    /// The file.
    pub file: PathBuf,
}

/// Why the configuration as a whole cannot be used. None of these quotes a file's content: an include may name any file
/// there is.
#[derive(Debug)]
pub enum Unreadable {
    /// A file exists and cannot be read, or is larger than [`LARGEST_FILE`].
    File(PathBuf, io::Error),
    /// A file is not git configuration, at this line.
    Syntax(PathBuf, usize),
    /// A file that `file` includes cannot be read, is not git configuration, or includes run deeper than ten.
    Include(PathBuf),
    /// An include section below another include is spelled other than `[include]` or `[includeIf]`.
    Spelling(PathBuf),
    /// `includeIf.onbranch` in a reftable repository, where only git can tell the branch.
    OnBranch(PathBuf),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, error) => write!(f, "cannot read '{}': {error}", file.display()),
            Self::Syntax(file, line) => {
                write!(f, "bad configuration line {line} in '{}'", file.display())
            }
            Self::Include(file) => {
                write!(f, "cannot read a file that '{}' includes: try git config --list --show-origin", file.display())
            }
            Self::Spelling(file) => write!(
                f,
                "an include section in '{}' is not written [include] or [includeIf], and it is itself included: spell it so",
                file.display()
            ),
            Self::OnBranch(file) => write!(
                f,
                "cannot tell the branch for includeIf.onbranch in '{}': the refs are in a reftable",
                file.display()
            ),
        }
    }
}

impl std::error::Error for Unreadable {}

/// No sane configuration is larger, and a hook must not be made to read for ever.
const LARGEST_FILE: u64 = 32 << 20;

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
/// Where git itself would die, and in the two cases that only git can decide.
pub fn read(git_dir: &Path, common_dir: &Path, environment: &Environment) -> Result<(Vec<Entry>, Layout), Unreadable> {
    let local_path = common_dir.join("config");
    let local = parse(&local_path, Source::Local)?.unwrap_or_default();
    let own = |section: &str, key: &str| entries(&local, section).rev().find(|e| e.key == key);

    let mut all = File::default();
    let mut add = |file: Option<File>| {
        if let Some(file) = file {
            // Fails for more than 4 GiB of configuration, eight times what LARGEST_FILE lets in.
            let _ = all.append(file);
        }
    };
    for (path, source) in outside(environment) {
        // A repository that several users write would read each one's own file: the events would depend on who pushed.
        if source != Source::System && own("core", "sharedrepository").is_some_and(is_shared) {
            continue;
        }
        add(parse(&path, source)?);
    }
    let has_worktree_file = own("extensions", "worktreeconfig").is_some_and(is_true);
    let extension = |key: &str| own("extensions", key).and_then(|entry| entry.value);
    let layout = Layout {
        object_format: match extension("objectformat").as_deref() {
            Some(b"sha256") => ObjectFormat::Sha256,
            _ => ObjectFormat::Sha1,
        },
        reftable: extension("refstorage").as_deref() == Some(b"reftable"),
    };
    add(Some(local));
    if has_worktree_file {
        add(parse(&git_dir.join("config.worktree"), Source::Worktree)?);
    }
    let all = follow_includes(all, git_dir, environment, layout.reftable)?;
    let entries = SECTIONS.iter().flat_map(|name| entries(&all, name)).collect();
    Ok((entries, layout))
}

/// The sections that mean something to us.
const SECTIONS: [&str; 4] = ["webhook", "webhookuser", "gitweb", "core"];

/// Whether `core.sharedRepository` lets others than the owner write, as git reads it (git-config(1)).
pub fn is_shared(entry: Entry) -> bool {
    let Some(value) = &entry.value else { return true };
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    match text.as_str() {
        "umask" => false,
        "group" | "all" | "world" | "everybody" => true,
        // 1 and 2 are older spellings of group and all; anything else of digits is a file mode in octal.
        "1" | "2" => true,
        _ => match i64::from_str_radix(&text, 8) {
            Ok(mode) => mode & 0o060 != 0,
            Err(_) => is_true(entry),
        },
    }
}

fn is_true(entry: Entry) -> bool {
    entry.value.is_none_or(|value| gix_config::Boolean::try_from(BStr::new(&value)).is_ok_and(|value| value.0))
}

/// The files outside the repository, in git's order, with the rules of git-config(1) for each.
fn outside(environment: &Environment) -> Vec<(PathBuf, Source)> {
    let mut files = Vec::new();
    let without_system = environment.get("GIT_CONFIG_NOSYSTEM").is_some_and(|value| {
        let value = value.to_string_lossy();
        gix_config::Boolean::try_from(BStr::new(value.as_bytes())).is_ok_and(|value| value.0)
    });
    if !without_system {
        let path = match environment.get("GIT_CONFIG_SYSTEM") {
            Some(path) => path.into(),
            None => system_file(&install_prefix(environment)),
        };
        files.push((path, Source::System));
    }
    if let Some(path) = environment.get("GIT_CONFIG_GLOBAL") {
        files.push((path.into(), Source::User));
        return files;
    }
    let home = environment.get("HOME").map(PathBuf::from);
    let xdg = environment.get("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".config")));
    files.extend(xdg.map(|directory| (directory.join("git/config"), Source::Git)));
    files.extend(home.map(|directory| (directory.join(".gitconfig"), Source::User)));
    files
}

/// Where the git that runs us is installed: `GIT_EXEC_PATH` is `<prefix>/libexec/git-core` or `<prefix>/lib/git-core`;
/// without it, from the directory on `PATH` that holds git.
fn install_prefix(environment: &Environment) -> PathBuf {
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
fn system_file(prefix: &Path) -> PathBuf {
    if prefix == Path::new("/usr") || prefix == Path::new("/") {
        "/etc/gitconfig".into()
    } else {
        prefix.join("etc/gitconfig")
    }
}

fn parse(path: &Path, source: Source) -> Result<Option<File>, Unreadable> {
    let bytes = match read_file(path) {
        Ok(bytes) => bytes,
        Err(error) if is_absent(&error) => return Ok(None),
        // As git: a user's own file may be out of reach, as for a daemon started with another's HOME.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && source.kind() == Kind::Global => {
            return Ok(None);
        }
        Err(error) => return Err(Unreadable::File(path.into(), error)),
    };
    // Comments and white space need no memory here: this File is never written back.
    let matters: fn(EventRef<'_>) -> bool =
        |event| !matches!(event, EventRef::Whitespace(_) | EventRef::Newline(_) | EventRef::Comment { .. });
    let events = Events::from_bytes(&bytes, Some(matters))
        .map_err(|error| Unreadable::Syntax(path.into(), error.line_number()))?;
    let meta = Metadata::from(source).at(path);
    let mut file = File::from_parse_events_no_includes(events, meta);
    spell_includes(&mut file);
    Ok(Some(file))
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > LARGEST_FILE {
        return Err(io::Error::other("larger than 32 MiB"));
    }
    fs::read(path)
}

/// ENOTDIR too: `$HOME/.gitconfig` where HOME is `/dev/null`.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// git takes `[INCLUDE]` and `[includeif …]` as well; gix-config only one spelling.
fn spell_includes(file: &mut File) {
    let odd: Vec<_> = file
        .sections()
        .filter_map(|section| {
            let header = section.header();
            let name = header.name().to_string();
            let right = include_name(&name).filter(|right| *right != name)?;
            Some((name, header.subsection_name().map(|s| s.to_owned()), right))
        })
        .collect();
    for (name, subsection, right) in odd {
        let old = subsection.as_ref().map(|s| s.as_ref());
        // A section found above under this very name is there, unless an equal one before it renamed both.
        let _ = file.rename_section(&name, old, right, subsection.clone());
    }
}

fn include_name(name: &str) -> Option<&'static str> {
    ["include", "includeIf"].into_iter().find(|right| right.eq_ignore_ascii_case(name))
}

fn follow_includes(
    mut file: File,
    git_dir: &Path,
    environment: &Environment,
    is_reftable: bool,
) -> Result<File, Unreadable> {
    let first_file = |file: &File, wanted: &dyn Fn(&str, Option<&[u8]>) -> bool| {
        file.sections().find_map(|section| {
            let header = section.header();
            let name = header.name().to_string();
            let subsection = header.subsection_name().map(|s| s.to_vec());
            wanted(&name, subsection.as_deref()).then(|| section.meta().path.clone().unwrap_or_default())
        })
    };
    let is_include = |name: &str, _: Option<&[u8]>| include_name(name).is_some();
    let Some(including) = first_file(&file, &is_include) else {
        return Ok(file);
    };
    let on_branch = |name: &str, condition: Option<&[u8]>| {
        include_name(name) == Some("includeIf")
            && condition.is_some_and(|condition| condition.starts_with(b"onbranch:"))
    };
    let real_dir = fs::canonicalize(git_dir).unwrap_or_else(|_| git_dir.into());
    let head = head_target(git_dir);
    let home = environment.get("HOME").map(PathBuf::from);
    let prefix = install_prefix(environment);
    let options = Options {
        includes: includes::Options::follow(
            gix_config::path::interpolate::Context {
                git_install_dir: Some(&prefix),
                home_dir: home.as_deref(),
                ..Default::default()
            },
            includes::conditional::Context {
                git_dir: Some(&real_dir),
                branch_name: head.as_deref().and_then(|name| name.try_into().ok()),
            },
        ),
        ..Options::default()
    };
    file.resolve_includes(options).map_err(|_| Unreadable::Include(including))?;
    let misspelled = |name: &str, _: Option<&[u8]>| include_name(name).is_some_and(|right| right != name);
    if let Some(path) = first_file(&file, &misspelled) {
        return Err(Unreadable::Spelling(path));
    }
    if is_reftable && let Some(path) = first_file(&file, &on_branch) {
        return Err(Unreadable::OnBranch(path));
    }
    Ok(file)
}

/// The ref that HEAD names, from the file alone.
fn head_target(git_dir: &Path) -> Option<String> {
    let head = fs::read_to_string(git_dir.join("HEAD")).ok()?;
    Some(head.strip_prefix("ref:")?.trim().to_owned())
}

/// All values of one section's keys over all files, in git's order.
fn entries<'a>(file: &'a File, name: &'a str) -> impl DoubleEndedIterator<Item = Entry> + 'a {
    let mut found = Vec::new();
    for section in file.sections_by_name(name).into_iter().flatten() {
        let header = section.header();
        let subsection = header.subsection_name().map(|sub| {
            let bytes = sub.to_vec();
            // `[section.Sub]` is read in lower case (git-config(1), "deprecated syntax").
            if header.is_legacy() { bytes.to_ascii_lowercase() } else { bytes }
        });
        let mut seen = Vec::new();
        for key in section.value_names() {
            let key = key.to_ascii_lowercase();
            if seen.contains(&key) {
                continue;
            }
            let values = section.values(&key);
            let last_is_implicit = section.value_implicit(&key) == Some(None);
            let last = values.len().saturating_sub(1);
            found.extend(values.into_iter().enumerate().map(|(at, value)| Entry {
                section: name.into(),
                subsection: subsection.clone(),
                key: key.clone(),
                value: (!(last_is_implicit && at == last)).then(|| value.to_vec()),
                scope: scope(section.meta().source),
                file: section.meta().path.clone().unwrap_or_default(),
            }));
            seen.push(key);
        }
    }
    found.into_iter()
}

fn scope(source: Source) -> Scope {
    match source.kind() {
        Kind::GitInstallation | Kind::System => Scope::System,
        Kind::Global => Scope::Global,
        Kind::Repository | Kind::Override => Scope::Repository,
    }
}

/// Reads a value the way git reads a boolean; `None` where it is none.
pub fn boolean(value: &[u8]) -> Option<bool> {
    gix_config::Boolean::try_from(BStr::new(value)).ok().map(|value| value.0)
}

/// Reads a value the way git reads a number, with `k`, `m` and `g`; `None` where it is none.
pub fn integer(value: &[u8]) -> Option<i64> {
    gix_config::Integer::try_from(BStr::new(value)).ok()?.to_decimal()
}
