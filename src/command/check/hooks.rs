//! The hooks: where git looks for them, whether ours is what it runs there, and whether once.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use super::Scene;
use super::finding::{Finding, Kind, Severity};
use super::git::git;
use super::mend::{self, Mend, link, shown};
use crate::message;
use crate::process;

/// What our program holds in one piece, its version behind it: no hook is run to find out what it is.
const MARK: &[u8] = b"post-receive (git-webhook) ";

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The mark with the longest version there may be.
const LONGEST_MARK: usize = 80;

/// No program of ours is larger, and a hook may be any file.
const LARGEST: u64 = 1 << 29;

/// How much is read at once.
const BLOCK: u64 = 1 << 20;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let directory = match directory(scene) {
        Ok(directory) => directory,
        Err(why) => return vec![Finding::error(Kind::HooksUnknown, message::check_hooks_unknown(why))],
    };
    let own = scene.place.common_dir.join("hooks");
    let is_elsewhere = fs::canonicalize(&directory).ok() != fs::canonicalize(&own).ok();
    let mut findings = Vec::new();
    for name in ["post-receive", "pre-receive"] {
        let hook = Hook::read(&directory, name);
        if is_elsewhere && let Some(used) = Hook::read(&own, name).ours().first() {
            if hook.ours().is_empty() {
                findings.push(shadowed(scene, &directory, name));
                continue;
            }
            let message = message::check_hook_unused(used.display(), directory.display());
            findings.push(Finding::advice(Kind::HookUnused, message).mend(mend::remove(used)));
        }
        // Without pre-receive all works, but that a push whose client goes away between the two is found by reconcile.
        let severity = if name == "post-receive" && scene.has_targets() { Severity::Error } else { Severity::Advice };
        findings.extend(hook.judge(severity));
    }
    if !scene.has_targets() {
        // Webhooks are not set up here; that there is no target is told elsewhere.
        let sets_up = |mend: &Mend| matches!(mend, Mend::Link { .. } | Mend::LinkBeside { .. });
        findings.retain(|finding| !finding.mend.iter().any(sets_up));
    }
    findings
}

/// Where git looks for hooks when this repository is pushed to: receive-pack starts them from the repository, so a
/// relative `core.hooksPath` counts from there.
fn directory(scene: &Scene<'_>) -> Result<PathBuf, String> {
    let output = git(scene).args(["rev-parse", "--path-format=absolute", "--git-path", "hooks"]).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().into());
    }
    Ok(OsStr::from_bytes(output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout)).into())
}

fn shadowed(scene: &Scene<'_>, directory: &Path, name: &str) -> Finding {
    let output = git(scene).args(["config", "--show-origin", "core.hooksPath"]).output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let file = said.strip_prefix(b"file:").and_then(|rest| rest.split(|byte| *byte == b'\t').next());
    let file = file.map(|file| scene.place.git_dir.join(OsStr::from_bytes(file)));
    let Some(file) = file else {
        let message = message::check_hook_missing(name, directory.display());
        return Finding::error(Kind::HookMissing, message).mend(link(&directory.join(name)));
    };
    let own = scene.place.common_dir.join("config");
    let is_own = fs::canonicalize(&file).ok() == fs::canonicalize(&own).ok();
    let mend = if is_own {
        mend::unset(&file, "core.hooksPath")
    } else {
        // Other repositories may live by it.
        mend::set(&own, "core.hooksPath", shown(&scene.place.common_dir.join("hooks")))
    };
    let message = message::check_hook_shadowed(file.display(), directory.display(), name);
    Finding::error(Kind::HookShadowed, message).mend(mend)
}

/// What stands under the name of a hook, and beside it for a driver that runs several.
struct Hook {
    path: PathBuf,
    file: File,
    /// Ours in `<name>.d/` and as gitolite's `<name>.h…`, as far as the file runs them.
    entries: Vec<PathBuf>,
}

enum File {
    Missing,
    Dangling,
    /// Our program.
    Ours,
    /// Any other that runs ours, by its own words.
    CallsOurs,
    /// Any other.
    Foreign,
}

impl Hook {
    fn read(directory: &Path, name: &str) -> Self {
        let path = directory.join(name);
        if !path.exists() {
            let file = if path.is_symlink() { File::Dangling } else { File::Missing };
            return Self { path, file, entries: Vec::new() };
        }
        if version_of(&path).is_some() {
            return Self { path, file: File::Ours, entries: Vec::new() };
        }
        let content = text_of(&path);
        let mut entries = Vec::new();
        // Our driver and most others find them by their own name, `"$0.d"/*`.
        if [&b"$0.d"[..], format!("{name}.d").as_bytes()].iter().any(|word| content.contains_str(word)) {
            entries.extend(ours_in(&directory.join(format!("{name}.d")), ""));
        }
        if content.contains_str(b".h") {
            entries.extend(ours_in(directory, &format!("{name}.h")));
        }
        // Our driver's own text speaks of git-webhook too.
        let is_driver = content.contains_str(b"00-git-webhook");
        let calls =
            content.contains_str(b"git-webhook/post-receive") || content.contains_str(b"git-webhook/pre-receive");
        let file = if calls && !is_driver { File::CallsOurs } else { File::Foreign };
        Self { path, file, entries }
    }

    /// Every file by which ours is run here.
    fn ours(&self) -> Vec<&Path> {
        let own = matches!(self.file, File::Ours | File::CallsOurs).then_some(self.path.as_path());
        own.into_iter().chain(self.entries.iter().map(PathBuf::as_path)).collect()
    }

    fn judge(&self, severity: Severity) -> Vec<Finding> {
        let found = |kind, message: String, mend| vec![Finding::new(severity, kind, message).mend(mend)];
        let path = self.path.display();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let directory = self.path.parent().unwrap_or(&self.path).display();
        match self.file {
            File::Missing => {
                return found(Kind::HookMissing, message::check_hook_missing(name, directory), link(&self.path));
            }
            File::Dangling => return found(Kind::HookDangling, message::check_hook_dangling(path), link(&self.path)),
            File::Foreign if self.entries.is_empty() => {
                let mend = Mend::LinkBeside { hook: shown(&self.path) };
                return found(Kind::HookForeign, message::check_hook_foreign(path), mend);
            }
            _ => {}
        }
        let mut findings = Vec::new();
        if !process::may_execute(&self.path) {
            let mend = Mend::MakeExecutable { path: shown(&self.path) };
            findings.extend(found(Kind::HookNotExecutable, message::check_hook_not_executable(path), mend));
        }
        let ours = self.ours();
        for path in &ours {
            if let Some(found) = version_of(path).filter(|found| found != OWN_VERSION) {
                let message = message::check_hook_other_version(path.display(), found, OWN_VERSION);
                findings.push(Finding::advice(Kind::HookOtherVersion, message).mend(link(path)));
            }
        }
        if let [first, others @ ..] = ours.as_slice() {
            for other in others {
                // The one of install.sh stays.
                let is_first_spare = other.ends_with("00-git-webhook") && !first.ends_with("00-git-webhook");
                let (kept, spare) = if is_first_spare { (*other, *first) } else { (*first, *other) };
                let message = message::check_hook_twice(kept.display(), spare.display());
                // A script that calls ours may do more.
                let is_script = matches!(self.file, File::CallsOurs) && spare == self.path;
                let spare = if is_script { kept } else { spare };
                findings.push(Finding::advice(Kind::HookTwice, message).mend(mend::remove(spare)));
            }
        }
        findings
    }
}

/// Programs of ours in a directory that are switched on, their names beginning so.
fn ours_in(directory: &Path, start: &str) -> Vec<PathBuf> {
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
fn version_of(path: &Path) -> Option<String> {
    let mut file = open(path)?;
    let mut window = Vec::new();
    let mut total = 0;
    // The mark stands near the start, before the code: a whole program need not be read.
    while total < LARGEST {
        let count = file.by_ref().take(BLOCK).read_to_end(&mut window).ok()?;
        if let Some(found) = version(&window) {
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
fn text_of(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    // What cannot be read says nothing, and git passes over it too.
    let _ = open(path).map(|file| file.take(BLOCK).read_to_end(&mut text));
    text
}
