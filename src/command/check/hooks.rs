//! The hooks: where git looks for them, whether ours is what it runs there, and whether once.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use super::Scene;
use super::configured_hooks::ConfiguredHooks;
use super::finding::{Finding, Kind, Severity};
use super::git::git;
use super::members;
use super::mend::{self, Mend, link, shown};
use super::program::{Called, called_by, holds, is_command, ours_in, text_of, version_of};
use crate::message;
use crate::process;

/// What stands in the script that runs every repository's own hooks and ours (`install.sh --hooks-path`).
const EVERY: &[u8] = b"# git-webhook every:";

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let directory = match directory(scene) {
        Ok(directory) => directory,
        Err(why) => return vec![Finding::error(Kind::HooksUnknown, message::check_hooks_unknown(why))],
    };
    let own = scene.place.common_dir.join("hooks");
    let is_elsewhere = fs::canonicalize(&directory).ok() != fs::canonicalize(&own).ok();
    let configured = ConfiguredHooks::of(scene);
    let mut findings = Vec::new();
    if let Some(why) = configured.as_ref().and_then(ConfiguredHooks::refusal) {
        findings.push(Finding::error(Kind::HooksUnknown, message::check_hooks_refused(why)));
    }
    let names = ["post-receive", "pre-receive"];
    let is_shadowed = |name: &str| {
        is_elsewhere && !Hook::read(&own, name).ours().is_empty() && Hook::read(&directory, name).ours().is_empty()
    };
    // Once git looks here again, all of them are those of this directory.
    let is_any_shadowed = names.iter().any(|name| is_shadowed(name));
    for name in names {
        if is_shadowed(name) {
            findings.push(shadowed(scene, &directory, name));
            continue;
        }
        let hook = Hook::read(if is_any_shadowed { &own } else { &directory }, name);
        let unused = Hook::read(&own, name);
        // The script knows a link, and runs ours once.
        let is_every = text_of(&directory.join(name)).contains_str(EVERY);
        if is_elsewhere
            && !is_any_shadowed
            && !is_every
            && let Some(used) = unused.ours().first()
        {
            let message = message::check_hook_unused(used.display(), directory.display());
            findings.push(Finding::advice(Kind::HookUnused, message).mend(unused.without(used)));
        }
        // Without pre-receive all works, but that a push whose client goes away between the two is found by reconcile.
        let severity = if name == "post-receive" && scene.has_targets() { Severity::Error } else { Severity::Advice };
        if configured.as_ref().is_some_and(|hooks| hooks.passes_over(name)) {
            let finding = Finding::new(
                severity,
                Kind::HookSwitchedOff,
                message::check_hook_switched_off(hook.path.display(), name),
            );
            findings.push(finding.mend(mend::show_key(&scene.place.git_dir, format!("hook.{name}.enabled"))));
        }
        let judged = hook.judge(severity, configured.as_ref());
        let mends: Vec<_> = judged.iter().flat_map(|finding| finding.mend.clone()).collect();
        findings.extend(judged);
        let program = configured.as_ref().and_then(|hooks| hooks.of_event(name)).map(|(_, program)| program);
        let programs: Vec<_> = hook.ours().into_iter().chain(hook.called()).chain(program).collect();
        if programs.is_empty() && name == "pre-receive" && scene.place.configuration.settings.reconcile {
            let finding = Finding::advice(Kind::PushesUnseen, message::check_pushes_unseen());
            findings.push(Finding { mend: mends, ..finding });
        }
        findings.extend(members::look(scene, &hook.path, &programs));
    }
    findings.extend(refusing(if is_any_shadowed { &own } else { &directory }));
    findings.extend(receive_report(scene, &directory));
    if !scene.has_targets() {
        // Webhooks are not set up here; that there is no target is told elsewhere.
        let sets_up = |mend: &Mend| {
            matches!(mend, Mend::Link { .. } | Mend::ConfigureHook { .. } | Mend::RunBefore { .. } | Mend::Edit { .. })
        };
        findings.retain(|finding| !finding.mend.iter().any(sets_up));
    }
    findings
}

/// Scripts whose interpreter is not there: git cannot run them, and those before post-receive refuse every push by that. And the
/// command in the place of `update`, which does so too.
fn refusing(directory: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in ["pre-receive", "update", "post-receive"] {
        let entries = fs::read_dir(directory.join(format!("{name}.d"))).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        for path in [directory.join(name)].into_iter().chain(paths).filter(|path| process::may_execute(path)) {
            if let Some(program) = lacking_interpreter(&path) {
                let message = message::check_no_interpreter(path.display(), program);
                findings.push(Finding::error(Kind::NoInterpreter, message).mend(mend::edit(&path)));
            }
        }
    }
    let update = directory.join("update");
    if is_command(&update) {
        let finding = Finding::error(Kind::HookIsCommand, message::check_hook_is_command(update.display()));
        findings.push(finding.mend(mend::remove(&update)));
    }
    findings
}

/// What the first line of a script asks for and is not there, be it for the carriage return behind it. What `env` is to find it
/// looks for on `PATH`, which for a hook is mostly the same.
fn lacking_interpreter(path: &Path) -> Option<String> {
    let text = text_of(path);
    let line = text.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let program = Path::new(OsStr::from_bytes(words.next()?));
    if program.is_absolute() && !program.exists() {
        return Some(program.display().to_string());
    }
    let is_plain = |word: &&[u8]| !word.starts_with(b"-") && !word.contains(&b'=');
    let sought = words.find(is_plain).filter(|_| program.ends_with("env"))?;
    let sought = Path::new(OsStr::from_bytes(sought));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        sought.components().count() > 1 || std::env::split_paths(&path).any(|place| place.join(sought).exists());
    (!is_there).then(|| sought.display().to_string())
}

/// What is wrong with ours as receive-report, where somebody has linked it.
fn receive_report(scene: &Scene<'_>, directory: &Path) -> Vec<Finding> {
    let hook = Hook::read(directory, "receive-report");
    if matches!(hook.file, File::Missing | File::Foreign) {
        return Vec::new();
    }
    let mut findings = hook.judge(Severity::Advice, None);
    if matches!(hook.file, File::Ours) && !knows_receive_report(scene) {
        let finding = Finding::advice(Kind::HookUnknown, message::check_hook_unknown(hook.path.display()));
        findings.push(finding.mend(mend::remove(&hook.path)));
    }
    findings.extend(members::look(scene, &hook.path, &hook.ours()));
    findings
}

/// Whether the program of git that would run it has its name.
fn knows_receive_report(scene: &Scene<'_>) -> bool {
    let Ok(output) = git(scene).arg("--exec-path").output() else { return false };
    holds(&Path::new(OsStr::from_bytes(output.stdout.trim_ascii_end())).join("git-receive-pack"), b"receive-report")
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
    /// The command in the place of the hook, which would refuse every push.
    Command,
    /// Any other that runs ours, by its own words: these files, as far as they tell.
    CallsOurs(Vec<PathBuf>),
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
        if is_command(&path) {
            return Self { path, file: File::Command, entries: Vec::new() };
        }
        let content = text_of(&path);
        if content.contains_str(EVERY)
            && let Some(above) = directory.parent().map(|place| place.join("post-receive"))
        {
            return Self { path, file: File::CallsOurs(vec![above]), entries: Vec::new() };
        }
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
        let file = match called_by(&content) {
            Called::Programs(programs) if !is_driver => File::CallsOurs(programs),
            Called::Unknown if !is_driver => File::CallsOurs(Vec::new()),
            _ => File::Foreign,
        };
        Self { path, file, entries }
    }

    /// Every file by which ours is run here.
    fn ours(&self) -> Vec<&Path> {
        let own = matches!(self.file, File::Ours | File::CallsOurs(_)).then_some(self.path.as_path());
        own.into_iter().chain(self.entries.iter().map(PathBuf::as_path)).collect()
    }

    /// What a script runs of ours.
    fn called(&self) -> impl Iterator<Item = &Path> {
        let called = if let File::CallsOurs(called) = &self.file { called.as_slice() } else { &[] };
        called.iter().map(PathBuf::as_path)
    }

    /// How `ours` is run no more: a program of ours goes, but a script that runs it may do more, and refuse pushes.
    fn without(&self, ours: &Path) -> Mend {
        let is_script = matches!(self.file, File::CallsOurs(_)) && ours == self.path;
        if is_script { mend::edit(ours) } else { mend::remove(ours) }
    }

    /// What is wrong with it; git may run hooks of its configuration as well.
    fn judge(&self, severity: Severity, configured: Option<&ConfiguredHooks<'_>>) -> Vec<Finding> {
        let found = |kind, message: String, mend| vec![Finding::new(severity, kind, message).mend(mend)];
        let path = self.path.display();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let directory = self.path.parent().unwrap_or(&self.path).display();
        let configured_key = configured.and_then(|hooks| hooks.of_event(&name)).map(|(key, _)| key);
        // That is as somebody wants it.
        if matches!(self.file, File::Missing)
            && let Some(key) =
                configured.filter(|_| configured_key.is_none()).and_then(|hooks| hooks.switched_off(&name))
        {
            let message = message::check_configured_hook_off(key, &name);
            return vec![Finding::advice(Kind::HookSwitchedOff, message)];
        }
        match &self.file {
            File::Command => {
                let finding = Finding::error(Kind::HookIsCommand, message::check_hook_is_command(path));
                return vec![finding.mend(link(&self.path))];
            }
            // git runs ours without it.
            File::Missing | File::Dangling | File::Foreign if configured_key.is_some() && self.entries.is_empty() => {
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
                let is_ours =
                    fs::read_link(&self.path).is_ok_and(|target| target.ends_with("libexec/git-webhook/post-receive"));
                return vec![if is_ours { finding.mend(link(&self.path)) } else { finding }];
            }
            File::Foreign if self.entries.is_empty() => {
                let finding = Finding::new(severity, Kind::HookForeign, message::check_hook_foreign(path));
                return vec![self.beside(&name, configured).into_iter().fold(finding, Finding::mend)];
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
        if let (Some(key), Some(first)) = (configured_key, ours.first()) {
            let finding = Finding::advice(Kind::HookTwice, message::check_hook_twice(key, first.display()));
            findings.push(finding.mend(self.without(first)));
        }
        if let [first, others @ ..] = ours.as_slice() {
            for other in others {
                // The one of install.sh stays.
                let is_first_spare = other.ends_with("00-git-webhook") && !first.ends_with("00-git-webhook");
                let (kept, spare) = if is_first_spare { (*other, *first) } else { (*first, *other) };
                let message = message::check_hook_twice(kept.display(), spare.display());
                // A script that calls ours may do more.
                let is_script = matches!(self.file, File::CallsOurs(_)) && spare == self.path;
                let spare = if is_script { kept } else { spare };
                findings.push(Finding::advice(Kind::HookTwice, message).mend(mend::remove(spare)));
            }
        }
        findings
    }

    /// How ours comes to run beside a hook that is there, which is never moved: it may refuse pushes, and find what it needs
    /// by its own path.
    ///
    /// `None` where that would be to switch on what is off.
    fn beside(&self, name: &str, configured: Option<&ConfiguredHooks<'_>>) -> Option<Mend> {
        let content = text_of(&self.path);
        if content.contains_str(b"00-git-webhook") {
            // Our driver, which lacks ours.
            return Some(link(&self.path.with_file_name(format!("{name}.d")).join("00-git-webhook")));
        }
        if let Some(configured) = configured {
            return configured.mend(name);
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
        // It would have another parent, and its lines other numbers.
        let looks_around = [&b"PPID"[..], b"LINENO", b"caller", b"/pr", b"ps ", b"pstree"];
        let is_aware = looks_around.iter().any(|word| content.contains_str(word));
        if is_shell && !is_of_two && !is_aware && !self.path.is_symlink() {
            return Some(Mend::RunBefore { hook: shown(&self.path) });
        }
        Some(mend::edit(&self.path))
    }
}
