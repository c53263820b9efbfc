//! Hooks of git's configuration, which git runs beside the files from 2.54 on.

use std::path::{Path, PathBuf};

use super::Scene;
use super::git::git;
use super::mend::{Mend, shown};
use super::program::{version_of, words_of};
use crate::config::boolean;

/// What git runs of its configuration, and of that ours.
pub(super) struct ConfiguredHooks<'a> {
    scene: &'a Scene<'a>,
    ours: Vec<ConfiguredHook>,
    /// The names of all that run ours, be they switched off.
    known: Vec<String>,
}

#[derive(Default)]
struct ConfiguredHook {
    name: String,
    /// Our program, as far as its command runs it.
    program: Option<PathBuf>,
    /// Then another name is to be taken.
    is_off: bool,
}

/// What git says that it runs at an event.
#[derive(Default)]
struct Listed {
    /// The names of configured hooks that are on.
    on: Vec<String>,
    off: Vec<String>,
    /// Whether the one in the hooks directory is there and off, which only a git does that is newer than 2.55.
    is_directory_off: bool,
}

impl<'a> ConfiguredHooks<'a> {
    /// `None` where git runs none.
    pub(super) fn of(scene: &'a Scene<'a>) -> Option<Self> {
        knows_configured_hooks(scene).then(|| {
            let (ours, known) = ours(scene);
            Self { scene, ours, known }
        })
    }

    /// The key of the command by which git runs ours as this hook, and our program.
    pub(super) fn of_event(&self, event: &str) -> Option<(String, &Path)> {
        let listed = listed(self.scene, event).ok()?;
        let hook = self.ours.iter().find(|hook| listed.on.contains(&hook.name))?;
        Some((format!("hook.{}.command", hook.name), hook.program.as_deref()?))
    }

    /// Whether the configuration has git pass over the hook in the hooks directory.
    pub(super) fn passes_over(&self, event: &str) -> bool {
        listed(self.scene, event).is_ok_and(|listed| listed.is_directory_off)
    }

    /// The key by which ours is configured for an event, and switched off.
    pub(super) fn switched_off(&self, event: &str) -> Option<String> {
        let listed = listed(self.scene, event).ok()?;
        let name = listed.off.iter().find(|name| self.known.contains(name))?;
        Some(format!("hook.{name}.enabled"))
    }

    /// Why git can list no hooks, and so refuses every push.
    pub(super) fn refusal(&self) -> Option<String> {
        listed(self.scene, "post-receive").err()
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

/// Those that run ours and are on, and the names of all.
fn ours(scene: &Scene<'_>) -> (Vec<ConfiguredHook>, Vec<String>) {
    let output = git(scene).args(["config", "--null", "--get-regexp", r"^hook\..*\.(command|enabled)$"]).output();
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
            _ => hook.is_off = boolean(value.as_bytes()) == Some(false),
        }
    }
    hooks.retain(|hook| hook.program.is_some());
    let known = hooks.iter().map(|hook| hook.name.clone()).collect();
    hooks.retain(|hook| !hook.is_off);
    (hooks, known)
}

/// Asks git itself (`git hook list`): what switches hooks off is its own affair, and grows from version to version. Of one
/// that is off it says so in front of the name.
fn listed(scene: &Scene<'_>, event: &str) -> Result<Listed, String> {
    const OF_DIRECTORY: &str = "hook from hookdir";
    let output = git(scene).args(["hook", "list", event]).output().map_err(|error| error.to_string())?;
    // It fails where there are none too, and says nothing then but that.
    let said = String::from_utf8_lossy(&output.stderr);
    if let Some(why) = said.lines().find_map(|line| line.strip_prefix("fatal: ")) {
        return Err(why.into());
    }
    let mut listed = Listed::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.rsplit_once('\t') {
            Some((_, OF_DIRECTORY)) => listed.is_directory_off = true,
            Some((_, name)) => listed.off.push(name.into()),
            None => listed.on.push(line.into()),
        }
    }
    Ok(listed)
}

/// The program of ours that a shell command runs, as far as its words tell.
fn program_in(command: &str) -> Option<PathBuf> {
    words_of(command).into_iter().find(|path| path.is_absolute() && version_of(path).is_some())
}
