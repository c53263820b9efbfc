//! Hooks of git's configuration, which git runs beside the files from 2.54 on.

use std::path::{Path, PathBuf};

use super::Scene;
use super::git::git;
use super::mend::{Mend, shown};
use super::program::{version_of, words_of};
use crate::config::boolean;

/// Those that run ours.
pub(super) struct ConfiguredHooks<'a> {
    scene: &'a Scene<'a>,
    ours: Vec<ConfiguredHook>,
}

#[derive(Default)]
struct ConfiguredHook {
    name: String,
    /// Our program, as far as its command runs it.
    program: Option<PathBuf>,
    is_off: bool,
    events: Vec<String>,
}

impl<'a> ConfiguredHooks<'a> {
    /// `None` where git runs none.
    pub(super) fn of(scene: &'a Scene<'a>) -> Option<Self> {
        knows_configured_hooks(scene).then(|| Self { scene, ours: ours(scene) })
    }

    /// The key of the command by which git runs ours as this hook, and our program.
    pub(super) fn of_event(&self, event: &str) -> Option<(String, &Path)> {
        let hook = self.ours.iter().find(|hook| hook.events.iter().any(|known| known == event))?;
        Some((format!("hook.{}.command", hook.name), hook.program.as_deref()?))
    }

    /// How ours comes to run as this hook: by a key that is ours already, or nobody's in any file.
    pub(super) fn mend(&self, event: &str) -> Option<Mend> {
        let is_ours = |name: &str| self.ours.iter().any(|hook| hook.name == name);
        let name = ["webhook", "git-webhook"].into_iter().find(|name| is_ours(name) || !self.is_set(name))?;
        let file = shown(&self.scene.place.common_dir.join("config"));
        Some(Mend::ConfigureHook { file, key: format!("hook.{name}"), event: event.into() })
    }

    fn is_set(&self, name: &str) -> bool {
        let output = git(self.scene).args(["config", "--get-regexp", &format!(r"^hook\.{name}\.")]).output();
        output.is_ok_and(|output| !output.stdout.is_empty())
    }
}

fn knows_configured_hooks(scene: &Scene<'_>) -> bool {
    let output = git(scene).arg("--version").output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&said).replace("git version ", "");
    let mut numbers = version.split('.').map(|number| number.trim().parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (2, 54)
}

fn ours(scene: &Scene<'_>) -> Vec<ConfiguredHook> {
    let output = git(scene).args(["config", "--null", "--get-regexp", r"^hook\..*\.(command|event|enabled)$"]).output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let mut hooks: Vec<ConfiguredHook> = Vec::new();
    for entry in said.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(entry);
        let (key, value) = text.split_once('\n').unwrap_or((&text, "true"));
        let Some((name, key)) = key.strip_prefix("hook.").and_then(|key| key.rsplit_once('.')) else { continue };
        let at = hooks.iter().position(|hook| hook.name == name).unwrap_or_else(|| {
            hooks.push(ConfiguredHook { name: name.into(), ..ConfiguredHook::default() });
            hooks.len() - 1
        });
        let hook = &mut hooks[at];
        match key {
            "command" => hook.program = program_in(value),
            "event" if value.is_empty() => hook.events.clear(),
            "event" => hook.events.push(value.into()),
            _ => hook.is_off = boolean(value.as_bytes()) == Some(false),
        }
    }
    hooks.retain(|hook| hook.program.is_some() && !hook.is_off);
    hooks
}

/// The program of ours that a shell command runs, as far as its words tell.
fn program_in(command: &str) -> Option<PathBuf> {
    words_of(command).into_iter().find(|path| path.is_absolute() && version_of(path).is_some())
}
