//! What the configuration files say, compared with what `git config --list` says of the same files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use git_webhook::config::{self, Entry, Scope};
use git_webhook::process::Environment;

use crate::support::{Ends, World};

mod conditions;
mod generate;
mod includes;
mod random;
mod syntax;
mod variables;

/// The values of one key in git's order: value, scope, file.
type Values = Vec<(Option<Vec<u8>>, Scope, PathBuf)>;

/// All values by their full key, in git's spelling.
type Keys = BTreeMap<Vec<u8>, Values>;

/// Configuration files of every kind around one bare repository.
struct Files {
    world: World,
    variables: Vec<(&'static str, OsString)>,
}

impl Files {
    fn new() -> Self {
        let world = World::new();
        world.server_git(&["config", "--unset", "webhook.repository"]);
        let variables = vec![
            ("HOME", world.path("home").into()),
            ("PATH", std::env::var_os("PATH").unwrap()),
            ("GIT_CONFIG_SYSTEM", world.path("system").into()),
            ("GIT_DIR", world.server().into()),
            ("LC_ALL", "C".into()),
        ];
        fs::create_dir_all(world.path("home/.config/git")).unwrap();
        fs::create_dir_all(world.path("inc")).unwrap();
        fs::create_dir_all(world.server().join("inc")).unwrap();
        Self { world, variables }
    }

    /// Writes a file; `local` and `worktree` are the repository's, others lie below the world's directory.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = match name {
            "system" => self.world.path("system"),
            "xdg" => self.world.path("home/.config/git/config"),
            "user" => self.world.path("home/.gitconfig"),
            "local" => {
                let start: &[u8] = b"[core]\nrepositoryformatversion = 0\nbare = true\n";
                return fs::write(self.world.server().join("config"), [start, content.as_ref()].concat()).unwrap();
            }
            "worktree" => self.world.server().join("config.worktree"),
            _ => self.world.path(name),
        };
        fs::write(path, content).unwrap();
    }

    fn git(&self) -> Output {
        let mut command = Command::new("git");
        command.args(["config", "--list", "--show-scope", "--show-origin", "-z"]);
        command.current_dir(self.world.server()).env_clear().envs(self.variables.iter().cloned()).ends()
    }

    fn ours(&self) -> Result<Vec<Entry>, config::Unreadable> {
        let variables = self.variables.iter().map(|(name, value)| ((*name).into(), value.clone()));
        let directory =
            self.variables.iter().find(|(name, _)| *name == "GIT_DIR").map(|(_, value)| Path::new(value)).unwrap();
        config::entries(directory, directory, &Environment::new(variables))
    }

    /// Compares git with ours; what differs, in words.
    fn compare(&self) -> Result<Agreement, String> {
        let output = self.git();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match (output.status.success(), self.ours()) {
            (true, Ok(entries)) => {
                let (git, ours) = (from_git(&output.stdout, &self.world.server()), from_ours(&entries));
                if git == ours { Ok(Agreement::Read(git)) } else { Err(difference(&git, &ours)) }
            }
            (false, Err(why)) => Ok(Agreement::Refused(format!("{said}{why}"))),
            (true, Err(why)) => Err(format!("git reads the files, we do not: {why}")),
            (false, Ok(_)) => Err(format!("git dies, we do not: {said}")),
        }
    }

    /// What both read.
    #[track_caller]
    fn both_read(&self) -> Keys {
        match self.compare() {
            Ok(Agreement::Read(keys)) => keys,
            Ok(Agreement::Refused(why)) => panic!("both refuse: {why}"),
            Err(difference) => panic!("{difference}"),
        }
    }

    /// The values of `webhook.x.ref` that both read, in their order.
    #[track_caller]
    fn refs(&self) -> Vec<String> {
        let keys = self.both_read();
        let values = keys.get(&b"webhook.x.ref"[..]).into_iter().flatten();
        values.map(|(value, _, _)| String::from_utf8(value.clone().unwrap_or_default()).unwrap()).collect()
    }

    #[track_caller]
    fn both_refuse(&self) {
        match self.compare() {
            Ok(Agreement::Read(keys)) => panic!("both read {keys:?}"),
            Ok(Agreement::Refused(_)) => {}
            Err(difference) => panic!("{difference}"),
        }
    }

    fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.unset(name);
        self.variables.push((name, value.into()));
    }

    fn unset(&mut self, name: &str) {
        self.variables.retain(|(other, _)| *other != name);
    }
}

/// A file that sets `webhook.x.ref`.
fn sets(value: &str) -> String {
    format!("[webhook \"x\"]\nref = {value}\n")
}

enum Agreement {
    Read(Keys),
    /// What both say.
    Refused(String),
}

/// Whether the hook reads keys of this name.
fn is_ours(key: &[u8]) -> bool {
    key.starts_with(b"webhook.")
        || key.starts_with(b"webhookuser.")
        || key.starts_with(b"gitweb.")
        || key == b"core.sharedrepository"
}

/// Reads `scope NUL file:path NUL key [LF value] NUL …`.
fn from_git(output: &[u8], directory: &Path) -> Keys {
    let fields: Vec<_> = output.split(|byte| *byte == 0).collect();
    let mut keys = Keys::new();
    for field in fields.chunks_exact(3) {
        let (key, value) = match field[2].iter().position(|byte| *byte == b'\n') {
            Some(at) => (&field[2][..at], Some(field[2][at + 1..].to_vec())),
            None => (field[2], None),
        };
        if !is_ours(key) {
            continue;
        }
        let scope = match field[0] {
            b"system" => Scope::System,
            b"global" => Scope::Global,
            b"local" | b"worktree" => Scope::Repository,
            other => panic!("scope {:?}", other.escape_ascii()),
        };
        let path = Path::new(std::ffi::OsStr::from_bytes(field[1].strip_prefix(b"file:").unwrap()));
        keys.entry(key.to_vec()).or_default().push((value, scope, real(&directory.join(path))));
    }
    keys
}

fn from_ours(entries: &[Entry]) -> Keys {
    let mut keys = Keys::new();
    for entry in entries {
        let subsection = entry.subsection.as_ref().map(|name| [name, &b"."[..]].concat()).unwrap_or_default();
        let key = [entry.section.as_bytes(), b".", &subsection, entry.key.as_bytes()].concat();
        if is_ours(&key) {
            keys.entry(key).or_default().push((entry.value.clone(), entry.scope, real(&entry.file)));
        }
    }
    keys
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap()
}

fn difference(git: &Keys, ours: &Keys) -> String {
    let mut text = String::new();
    let names: std::collections::BTreeSet<_> = git.keys().chain(ours.keys()).collect();
    for name in names.into_iter().filter(|name| git.get(*name) != ours.get(*name)) {
        text += &format!("key {:?}\n", name.escape_ascii().to_string());
        for (who, keys) in [("git ", git), ("ours", ours)] {
            for (value, scope, file) in keys.get(name).into_iter().flatten() {
                let value = value.as_ref().map(|value| value.escape_ascii().to_string());
                text += &format!("  {who} {value:?} {scope:?} {}\n", file.display());
            }
        }
    }
    text
}
