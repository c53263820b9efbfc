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
use super::members;
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
    let knows_configured = knows_configured_hooks(scene);
    let configured = if knows_configured { configured_hooks(scene) } else { Vec::new() };
    let own_config = scene.place.common_dir.join("config");
    let mut findings = Vec::new();
    for name in ["post-receive", "pre-receive"] {
        let hook = Hook::read(&directory, name).with(configured.iter().find(|configured| configured.is_of(name)));
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
        let config = knows_configured.then(|| (own_config.as_path(), free_key(scene, &configured)));
        findings.extend(hook.judge(severity, config));
        findings.extend(members::look(scene, &hook.path, &hook.ours()));
    }
    if !scene.has_targets() {
        // Webhooks are not set up here; that there is no target is told elsewhere.
        let sets_up = |mend: &Mend| {
            matches!(mend, Mend::Link { .. } | Mend::ConfigureHook { .. } | Mend::RunBefore { .. } | Mend::Edit { .. })
        };
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
    /// Ours in git's configuration, and the program there.
    configured: Option<(String, PathBuf)>,
}

enum File {
    Missing,
    Dangling,
    /// Our program.
    Ours,
    /// The command in the place of the hook, which would refuse every push.
    Command,
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
            return Self { path, file, entries: Vec::new(), configured: None };
        }
        if version_of(&path).is_some() {
            return Self { path, file: File::Ours, entries: Vec::new(), configured: None };
        }
        if fs::canonicalize(&path).is_ok_and(|path| path.ends_with("git-webhook")) {
            return Self { path, file: File::Command, entries: Vec::new(), configured: None };
        }
        let content = text_of(&path);
        let mut entries = Vec::new();
        // Our driver and most others find them by their own name, `"$0.d"/*`.
        if [&b"$0.d"[..], format!("{name}.d").as_bytes()].iter().any(|word| content.contains_str(word)) {
            entries.extend(ours_in(&directory.join(format!("{name}.d")), ""));
        }
        // gitolite's own, of which older ones ran `$0.h*` and newer ones whatever begins so.
        if content.contains_str(b"$0.*") {
            entries.extend(ours_in(directory, &format!("{name}.")));
        } else if content.contains_str(b".h") {
            entries.extend(ours_in(directory, &format!("{name}.h")));
        }
        // Our driver's own text speaks of git-webhook too.
        let is_driver = content.contains_str(b"00-git-webhook");
        let calls = [
            &b"git-webhook/post-receive"[..],
            b"git-webhook/pre-receive",
            // What install.sh prints; a path may be quoted.
            b"/driver --before ",
            b"/driver' --before ",
        ];
        let calls = calls.iter().any(|word| content.contains_str(word));
        let file = if calls && !is_driver { File::CallsOurs } else { File::Foreign };
        Self { path, file, entries, configured: None }
    }

    /// With what git runs of its configuration beside it.
    fn with(self, configured: Option<&ConfiguredHook>) -> Self {
        let configured = configured.map(|hook| (format!("hook.{}.command", hook.name), hook.program.clone()));
        Self { configured, ..self }
    }

    /// Every file by which ours is run here.
    fn ours(&self) -> Vec<&Path> {
        let own = matches!(self.file, File::Ours | File::CallsOurs).then_some(self.path.as_path());
        own.into_iter().chain(self.entries.iter().map(PathBuf::as_path)).collect()
    }

    /// What is wrong with it. `config` is the repository's file, where git runs hooks of its configuration.
    fn judge(&self, severity: Severity, config: Option<(&Path, Option<&'static str>)>) -> Vec<Finding> {
        let found = |kind, message: String, mend| vec![Finding::new(severity, kind, message).mend(mend)];
        let path = self.path.display();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let directory = self.path.parent().unwrap_or(&self.path).display();
        match self.file {
            File::Command => {
                let finding = Finding::error(Kind::HookIsCommand, message::check_hook_is_command(path));
                return vec![finding.mend(link(&self.path))];
            }
            // git runs ours without it.
            File::Missing | File::Dangling | File::Foreign if self.configured.is_some() && self.entries.is_empty() => {
                return Vec::new();
            }
            File::Missing => {
                let message = message::check_hook_missing(&name, directory);
                let finding = Finding::new(severity, Kind::HookMissing, message);
                // A hook that a driver ran is still there, and waits for the driver.
                let kept = self.path.with_file_name(format!("{name}.d")).join("50-local");
                return vec![if kept.exists() { finding } else { finding.mend(link(&self.path)) }];
            }
            File::Dangling => {
                let finding = Finding::new(severity, Kind::HookDangling, message::check_hook_dangling(path));
                // What somebody else's led to may be there again tomorrow.
                let is_ours = fs::read_link(&self.path).is_ok_and(|target| target.ends_with("post-receive"));
                return vec![if is_ours { finding.mend(link(&self.path)) } else { finding }];
            }
            File::Foreign if self.entries.is_empty() => {
                let finding = Finding::new(severity, Kind::HookForeign, message::check_hook_foreign(path));
                return vec![self.beside(&name, config).into_iter().fold(finding, Finding::mend)];
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
        if let (Some((key, _)), Some(first)) = (&self.configured, ours.first()) {
            let finding = Finding::advice(Kind::HookTwice, message::check_hook_twice(key, first.display()));
            findings.push(finding.mend(mend::remove(first)));
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

impl Hook {
    /// How ours comes to run beside a hook that is there, which is never moved: it may refuse pushes, and find what it needs
    /// by its own path.
    ///
    /// `None` where that would be to switch on what is off.
    fn beside(&self, name: &str, config: Option<(&Path, Option<&'static str>)>) -> Option<Mend> {
        let content = text_of(&self.path);
        if content.contains_str(b"00-git-webhook") {
            // Our driver, which lacks ours.
            return Some(link(&self.path.with_file_name(format!("{name}.d")).join("00-git-webhook")));
        }
        if let Some(config) = config {
            return config.1.map(|key| Mend::ConfigureHook {
                file: shown(config.0),
                key: key.into(),
                event: name.into(),
            });
        }
        if !process::may_execute(&self.path) {
            return None;
        }
        if content.contains_str(b"$0.*") {
            // gitolite's, which it writes anew, and which runs whatever is beside it by such a name.
            let mut beside = self.path.as_os_str().to_owned();
            beside.push(".h00-webhook");
            return Some(link(Path::new(&beside)));
        }
        let first = content.lines().next().unwrap_or_default().to_vec();
        let is_shell = first.starts_with(b"#!")
            && [&b"sh"[..], b"bash", b"dash", b"ksh"]
                .iter()
                .any(|shell| first.trim_ascii().rsplit(|byte| b"/ ".contains(byte)).next() == Some(*shell));
        // A script of two languages begins so.
        let is_of_two = content.lines().nth(1).is_some_and(|line| line.starts_with(b"'''"));
        if is_shell && !is_of_two && !self.path.is_symlink() {
            return Some(Mend::RunBefore { hook: shown(&self.path) });
        }
        Some(mend::edit(&self.path))
    }
}

/// A hook of git's configuration that runs ours.
struct ConfiguredHook {
    name: String,
    program: PathBuf,
    events: Vec<String>,
}

impl ConfiguredHook {
    fn is_of(&self, event: &str) -> bool {
        self.events.iter().any(|known| known == event)
    }
}

/// The key that ours may have in git's configuration: one that is ours already, or nobody's in any file.
fn free_key(scene: &Scene<'_>, configured: &[ConfiguredHook]) -> Option<&'static str> {
    let is_set = |key: &str| {
        let pattern = format!("^{}\\.", key.replace('.', "\\."));
        git(scene).args(["config", "--get-regexp", &pattern]).output().is_ok_and(|output| !output.stdout.is_empty())
    };
    let is_ours = |key: &str| configured.iter().any(|hook| key.strip_prefix("hook.") == Some(&hook.name));
    ["hook.webhook", "hook.git-webhook"].into_iter().find(|key| is_ours(key) || !is_set(key))
}

/// Whether git runs hooks of its configuration: from 2.54 on.
fn knows_configured_hooks(scene: &Scene<'_>) -> bool {
    let output = git(scene).arg("--version").output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&said).replace("git version ", "");
    let mut numbers = version.split('.').map(|number| number.trim().parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (2, 54)
}

fn configured_hooks(scene: &Scene<'_>) -> Vec<ConfiguredHook> {
    let output = git(scene).args(["config", "--null", "--get-regexp", r"^hook\..*\.(command|event|enabled)$"]).output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let mut found: Vec<(String, Option<PathBuf>, Vec<String>, bool)> = Vec::new();
    for entry in said.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(entry);
        let (key, value) = text.split_once('\n').unwrap_or((&text, "true"));
        let Some((name, key)) = key.strip_prefix("hook.").and_then(|key| key.rsplit_once('.')) else { continue };
        let at = found.iter().position(|(known, ..)| known == name).unwrap_or_else(|| {
            found.push((name.into(), None, Vec::new(), true));
            found.len() - 1
        });
        match key {
            "command" => found[at].1 = program_in(value),
            "event" if value.is_empty() => found[at].2.clear(),
            "event" => found[at].2.push(value.into()),
            _ => found[at].3 = value != "false",
        }
    }
    let ours = found.into_iter().filter(|(_, _, _, is_enabled)| *is_enabled);
    ours.filter_map(|(name, program, events, _)| Some(ConfiguredHook { name, program: program?, events })).collect()
}

/// The program of ours that a shell command runs, as far as its words tell.
fn program_in(command: &str) -> Option<PathBuf> {
    // A path in quotes may hold spaces.
    let whole = command.trim().strip_prefix('\'').and_then(|rest| rest.split('\'').next()).unwrap_or_default();
    let words = command.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
    std::iter::once(whole).chain(words).map(PathBuf::from).find(|path| path.is_absolute() && version_of(path).is_some())
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
