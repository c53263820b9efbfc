//! Programs of ours among the files of others: no hook is run to find out what it is.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use crate::process;

/// What our program holds in one piece, its version behind it: no hook is run to find out what it is.
const MARK: &[u8] = b"post-receive (git-webhook) ";

/// The mark with the longest version there may be.
const LONGEST_MARK: usize = 80;

/// No program of ours is larger, and a hook may be any file.
const LARGEST: u64 = 1 << 29;

/// How much is read at once.
const BLOCK: u64 = 1 << 20;

/// Programs of ours in a directory that are switched on, their names beginning so.
pub(super) fn ours_in(directory: &Path, start: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let is_on = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_off = name.starts_with('.') || ["~", ".bak", ".sample"].iter().any(|end| name.ends_with(end));
        name.starts_with(start) && !is_off && process::may_execute(path)
    };
    let is_ours = |path: &PathBuf| version_of(path).is_some();
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_on).filter(is_ours).collect();
    found.sort();
    found
}

/// The version of a program of ours; `None` for any other file.
pub(super) fn version_of(path: &Path) -> Option<String> {
    find(path, version)
}

/// Whether this is the command `git-webhook`, which knows the mark and is none.
pub(super) fn is_command(path: &Path) -> bool {
    // A script that speaks of it is none, and neither is the hook, which holds its version too.
    !text_of(path).starts_with(b"#!")
        && version_of(path).is_none()
        && find(path, |content| content.contains_str(MARK).then_some(())).is_some()
}

/// Whether a program holds this text, of up to [`LONGEST_MARK`] bytes.
pub(super) fn holds(path: &Path, text: &[u8]) -> bool {
    find(path, |content| content.contains_str(text).then_some(())).is_some()
}

/// What `look` finds first in a file.
fn find<T>(path: &Path, look: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    let mut file = open(path)?;
    let mut window = Vec::new();
    let mut total = 0;
    // The mark stands near the start, before the code: a whole program need not be read.
    while total < LARGEST {
        let count = file.by_ref().take(BLOCK).read_to_end(&mut window).ok()?;
        if let Some(found) = look(&window) {
            return Some(found);
        }
        if count == 0 {
            return None;
        }
        total += count as u64;
        window.drain(..window.len().saturating_sub(LONGEST_MARK));
    }
    None
}

/// What a shell script runs of ours, as far as its words tell.
pub(super) enum Called {
    /// Nothing.
    Nothing,
    /// These, of which all are there.
    Programs(Vec<PathBuf>),
    /// Something by a name that only a shell can tell.
    Unknown,
}

/// What a script calls of ours. What is not there, or is not ours, or stands in a comment, does not count.
pub(super) fn called_by(text: &[u8]) -> Called {
    let mut called = Called::Nothing;
    for line in text.lines().map(<[u8]>::trim_ascii).filter(|line| !line.starts_with(b"#")) {
        let has = |texts: [&[u8]; 2]| texts.iter().any(|text| line.contains_str(text));
        // What install.sh prints; a path may be quoted.
        let is_before = has([b"/driver --before ", b"/driver' --before "]);
        if !is_before && !has([b"git-webhook/post-receive", b"git-webhook/pre-receive"]) {
            continue;
        }
        let words = words_of(&String::from_utf8_lossy(line));
        let programs: Vec<_> = words.iter().filter(|path| path.is_absolute() && version_of(path).is_some()).collect();
        let driver = words.iter().find(|path| path.ends_with("driver"));
        match (programs.first(), driver.filter(|_| is_before)) {
            // The line passes over a driver that is not there.
            (Some(_), Some(driver)) if driver.is_absolute() && !process::may_execute(driver) => {}
            (Some(program), driver) => {
                return Called::Programs(driver.into_iter().chain([*program]).cloned().collect());
            }
            (None, _) if words.iter().any(|word| !word.is_absolute() && may_be_ours(word)) => called = Called::Unknown,
            (None, _) => {}
        }
    }
    called
}

fn may_be_ours(word: &Path) -> bool {
    let text = word.to_string_lossy();
    text.contains('$') && (text.contains("post-receive") || text.contains("pre-receive"))
}

/// The words of a line of shell as paths, without the quotes around them; a path in quotes may hold spaces.
pub(super) fn words_of(line: &str) -> Vec<PathBuf> {
    let quoted = line.split('\'').skip(1).step_by(2);
    let plain =
        line.split(|c: char| c.is_whitespace() || ";|&()".contains(c)).map(|word| word.trim_matches(['\'', '"']));
    quoted.chain(plain).filter(|word| !word.is_empty()).map(PathBuf::from).collect()
}

fn version(content: &[u8]) -> Option<String> {
    content.find_iter(MARK).find_map(|at| {
        let (text, _) = content[at + MARK.len()..].split_once_str("\n")?;
        let text = std::str::from_utf8(text).ok()?;
        let is_version = text.starts_with(|c: char| c.is_ascii_digit()) && text.len() < LONGEST_MARK - MARK.len();
        is_version.then(|| text.to_owned())
    })
}

/// A regular file; to open a fifo would be to wait for its writer.
fn open(path: &Path) -> Option<fs::File> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    fs::File::open(path).ok()
}

/// The text of a script, as far as anybody writes one.
pub(super) fn text_of(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    // What cannot be read says nothing, and git passes over it too.
    let _ = open(path).map(|file| file.take(BLOCK).read_to_end(&mut text));
    text
}
