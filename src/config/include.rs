//! Goes through configuration files in git's order and follows their includes where git would.
//!
//! gix-config's own way puts included values in another order, counts the depth differently, overlooks odd spellings of
//! the section's name and remotes in included files, and passes over what git dies of.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bstr::BStr;
use gix_glob::wildmatch::Mode;

use super::entry::{Entry, Line, SECTIONS, Scope, Unreadable};
use super::{installed, syntax};
use crate::message;
use crate::process::Environment;

/// What the conditions of `includeIf` and the start of a path are about.
pub(super) struct Surroundings<'a> {
    /// The repository's own directory.
    pub git_dir: &'a Path,
    /// Where its refs are.
    pub common_dir: &'a Path,
    pub environment: &'a Environment,
    /// The refs are in a reftable.
    pub is_reftable: bool,
}

/// A file that git reads by itself.
pub(super) struct TopFile {
    pub path: PathBuf,
    pub scope: Scope,
    pub lines: Vec<Line>,
}

impl TopFile {
    /// Reads the file; `None` where there is none.
    pub fn read(path: PathBuf, scope: Scope) -> Result<Option<Self>, Unreadable> {
        let bytes = match read_file(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => return Err(Unreadable::File(path, error)),
        };
        let lines = syntax::parse(&bytes, &path)?;
        Ok(Some(Self { path, scope, lines }))
    }
}

/// Reads all values of our sections from `files` and what they include, in git's order.
///
/// # Errors
/// Where git dies, and where only git can decide a condition.
pub(super) fn read(files: &[TopFile], surroundings: &Surroundings<'_>) -> Result<Vec<Entry>, Unreadable> {
    let mut walk = Walk { files, surroundings, entries: Vec::new(), urls: Urls::Unknown };
    walk.all()?;
    Ok(walk.entries)
}

/// git includes at most so many files below each other (its `MAX_INCLUDE_DEPTH`).
const DEEPEST: usize = 10;

struct Walk<'a> {
    files: &'a [TopFile],
    surroundings: &'a Surroundings<'a>,
    entries: Vec<Entry>,
    urls: Urls,
}

/// The values of `remote.*.url`, for `includeIf.hasconfig`.
enum Urls {
    /// No condition has asked for them.
    Unknown,
    /// This walk looks for them, and takes every such condition for true.
    Wanted(Vec<Vec<u8>>),
    Known(Vec<Vec<u8>>),
}

/// The file a line stands in.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    scope: Scope,
    depth: usize,
    /// It, or one that includes it, is included by `includeIf`.
    is_conditional: bool,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), Unreadable> {
        let files = self.files;
        for TopFile { path, scope, lines } in files {
            self.file(lines, Place { path, scope: *scope, depth: 0, is_conditional: false })?;
        }
        Ok(())
    }

    fn file(&mut self, lines: &[Line], place: Place<'_>) -> Result<(), Unreadable> {
        let path: Rc<Path> = place.path.into();
        for line in lines {
            match (line.section, line.subsection.as_deref(), line.key.as_str()) {
                ("include", None, "path") => self.include(line, place)?,
                ("includeif", Some(condition), key) => {
                    // git looks at the condition whatever the key.
                    let holds = self.holds(condition, place.path)?;
                    if holds && key == "path" {
                        self.include(line, Place { is_conditional: true, ..place })?;
                    }
                }
                ("remote", Some(_), "url") => self.remote(line, place)?,
                (section, _, _) if SECTIONS.contains(&section) && !matches!(self.urls, Urls::Wanted(_)) => {
                    if self.entries.len() == syntax::MOST_LINES {
                        return Err(Unreadable::too_many(place.path));
                    }
                    self.entries.push(Entry::new(line.clone(), place.scope, Rc::clone(&path)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn include(&mut self, line: &Line, from: Place<'_>) -> Result<(), Unreadable> {
        let path = line.value.as_deref().and_then(|value| self.surroundings.expand(value, false));
        let path = path.ok_or_else(|| Unreadable::Include(from.path.into()))?;
        let path = from.path.parent().unwrap_or(Path::new("")).join(OsStr::from_bytes(&path));
        let Some(bytes) = read_file(&path).map_err(|error| Unreadable::File(path.clone(), error))? else {
            return Ok(());
        };
        if from.depth == DEEPEST {
            return Err(Unreadable::Depth(path));
        }
        let lines = syntax::parse(&bytes, &path)?;
        self.file(&lines, Place { path: &path, depth: from.depth + 1, ..from })
    }

    fn remote(&mut self, line: &Line, place: Place<'_>) -> Result<(), Unreadable> {
        if let Urls::Wanted(urls) = &mut self.urls {
            // Else a file could be included because of what it says itself.
            if place.is_conditional {
                return Err(Unreadable::RemoteUrl(place.path.into()));
            }
            urls.extend(line.value.clone());
        }
        Ok(())
    }

    fn holds(&mut self, condition: &[u8], file: &Path) -> Result<bool, Unreadable> {
        let around = self.surroundings;
        if let Some(pattern) = condition.strip_prefix(b"gitdir:") {
            Ok(around.is_at(pattern, file, false))
        } else if let Some(pattern) = condition.strip_prefix(b"gitdir/i:") {
            Ok(around.is_at(pattern, file, true))
        } else if let Some(pattern) = condition.strip_prefix(b"onbranch:") {
            around.is_on(pattern, file)
        } else if let Some(pattern) = condition.strip_prefix(b"hasconfig:remote.*.url:") {
            self.has_remote(pattern)
        } else {
            Ok(false)
        }
    }

    fn has_remote(&mut self, pattern: &[u8]) -> Result<bool, Unreadable> {
        if matches!(self.urls, Urls::Unknown) {
            let urls = Urls::Wanted(Vec::new());
            let mut walk = Walk { files: self.files, surroundings: self.surroundings, entries: Vec::new(), urls };
            walk.all()?;
            self.urls = match walk.urls {
                Urls::Wanted(urls) => Urls::Known(urls),
                other => other,
            };
        }
        match &self.urls {
            Urls::Known(urls) => Ok(urls.iter().any(|url| matches(pattern, url, false))),
            Urls::Wanted(_) | Urls::Unknown => Ok(true),
        }
    }
}

impl Surroundings<'_> {
    /// Replaces `~`, `~user` and `%(prefix)` at the start of a path; `None` where there is no such home.
    fn expand(&self, path: &[u8], real_home: bool) -> Option<Vec<u8>> {
        if let Some(rest) = path.strip_prefix(b"%(prefix)/") {
            let prefix = installed::prefix(self.environment);
            return Some([prefix.as_os_str().as_bytes(), b"/", rest].concat());
        }
        let Some(rest) = path.strip_prefix(b"~") else { return Some(path.into()) };
        let slash = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (user, rest) = rest.split_at(slash);
        let home = if user.is_empty() {
            let home = PathBuf::from(self.environment.raw("HOME")?);
            if real_home { fs::canonicalize(&home).unwrap_or(home) } else { home }
        } else {
            syntax::home_of(std::str::from_utf8(user).ok()?)?
        };
        Some([home.as_os_str().as_bytes(), rest].concat())
    }

    /// `includeIf.gitdir`: whether the repository lies where `pattern`, written in `file`, says.
    fn is_at(&self, pattern: &[u8], file: &Path, fold: bool) -> bool {
        let mut pattern = self.expand(pattern, true).unwrap_or_else(|| pattern.into());
        // So many bytes are compared as they are: a directory's name may hold what a pattern gives a meaning.
        let mut literal = 0;
        if pattern.starts_with(b"./") {
            let Ok(file) = fs::canonicalize(file) else { return false };
            let directory = file.parent().unwrap_or(Path::new("/")).as_os_str().as_bytes();
            let directory = directory.strip_suffix(b"/").unwrap_or(directory);
            literal = directory.len() + 1;
            pattern = [directory, &pattern[1..]].concat();
        } else if !pattern.starts_with(b"/") {
            pattern = [b"**/", pattern.as_slice()].concat();
        }
        below_too(&mut pattern);
        // git looks at the path without and with its symbolic links.
        [fs::canonicalize(self.git_dir), std::path::absolute(self.git_dir)].into_iter().flatten().any(|directory| {
            let Some((start, rest)) = directory.as_os_str().as_bytes().split_at_checked(literal) else { return false };
            let (wanted, pattern) = pattern.split_at(literal);
            (start == wanted || fold && start.eq_ignore_ascii_case(wanted)) && matches(pattern, rest, fold)
        })
    }

    /// `includeIf.onbranch`: whether HEAD names such a branch, be it born or not.
    fn is_on(&self, pattern: &[u8], file: &Path) -> Result<bool, Unreadable> {
        if self.is_reftable {
            return Err(Unreadable::OnBranch(file.into()));
        }
        let mut pattern = pattern.to_vec();
        below_too(&mut pattern);
        let mut name = symbolic_ref(&self.git_dir.join("HEAD"));
        // A branch may stand for another; git follows five.
        for _ in 1..5 {
            let Some(next) =
                name.as_deref().and_then(|name| symbolic_ref(&self.common_dir.join(OsStr::from_bytes(name))))
            else {
                break;
            };
            name = Some(next);
        }
        let branch = name.as_deref().and_then(|name| name.strip_prefix(b"refs/heads/"));
        Ok(branch.is_some_and(|branch| matches(&pattern, branch, false)))
    }
}

/// Whether a pattern of `includeIf` matches as git matches it: a slash only by itself or by `**`.
fn matches(pattern: &[u8], text: &[u8], fold: bool) -> bool {
    let case = if fold { Mode::IGNORE_CASE } else { Mode::empty() };
    gix_glob::wildmatch(BStr::new(pattern), BStr::new(text), Mode::NO_MATCH_SLASH_LITERAL | case)
}

/// A pattern that ends in a slash stands for all below it.
fn below_too(pattern: &mut Vec<u8>) {
    if pattern.ends_with(b"/") {
        pattern.extend_from_slice(b"**");
    }
}

/// The ref that another names: `ref: refs/heads/main LF`, or the symbolic link that once stood for it.
fn symbolic_ref(path: &Path) -> Option<Vec<u8>> {
    if let Ok(target) = fs::read_link(path)
        && target.starts_with("refs")
    {
        return Some(target.into_os_string().into_encoded_bytes());
    }
    Some(fs::read(path).ok()?.strip_prefix(b"ref:")?.trim_ascii().into())
}

/// No sane configuration is larger, and a hook must not be made to read for ever.
const LARGEST_FILE: u64 = 32 << 20;

/// The content of a file; `None` where there is no such file.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let read = || {
        if fs::metadata(path)?.file_type().is_fifo() {
            return Err(io::Error::other(message::fifo()));
        }
        // Most are read at once so.
        let mut bytes = Vec::with_capacity(4096);
        fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > LARGEST_FILE => Err(io::Error::other(message::configuration_too_large())),
        Ok(bytes) => Ok(Some(bytes)),
        // ENOTDIR too: `$HOME/.gitconfig` where HOME is `/dev/null`.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
