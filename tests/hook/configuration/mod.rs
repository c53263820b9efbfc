//! What each key does, and what is said of wrong ones, through real pushes and `git webhook list --json`.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Ends, Receiver, World};

mod as_git;
mod defaults;
mod files;
mod keys;
mod lists;
mod names;
mod scopes;
mod secret_files;
mod shown;
mod unreadable;
mod urls;
mod wrong_values;

/// Long enough to be no short secret, and to be found wherever it must not be.
const CANARY: &str = "canary-0123456789abcdefghij";

/// What `git webhook list --json` says.
struct Listed {
    code: Option<i32>,
    rows: Vec<Value>,
    said: String,
}

impl Listed {
    #[track_caller]
    fn target(&self, name: &str) -> &Value {
        let found = self.rows.iter().find(|row| row["name"] == name);
        found.unwrap_or_else(|| panic!("no target {name:?}: {:#?} {}", self.rows, self.said))
    }

    /// The one error of a target.
    #[track_caller]
    fn error(&self, name: &str) -> &str {
        let errors = self.target(name)["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{name}: {errors:#?}");
        errors[0].as_str().unwrap()
    }

    #[track_caller]
    fn is_well(&self) {
        assert_eq!((self.code, self.said.as_str()), (Some(0), ""), "{:#?}", self.rows);
    }
}

fn list(world: &World) -> Listed {
    let output = world.webhook(&["list", "--json"]);
    let rows = if output.stdout.is_empty() { Vec::new() } else { crate::support::rows(&output.stdout) };
    Listed { code: output.status.code(), rows, said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// Adds lines to the repository's configuration as they are.
fn add(world: &World, text: impl AsRef<[u8]>) {
    append(&world.server().join("config"), text);
}

/// Adds lines to the user's own configuration as they are.
fn add_globally(world: &World, text: impl AsRef<[u8]>) {
    append(&world.path("home/.gitconfig"), text);
}

fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(b"\n").and_then(|()| file.write_all(text.as_ref())).unwrap();
}

/// Has a system's file read, which tests do without otherwise.
fn with_system_file(world: &mut World, text: &str) {
    let path = world.path("system");
    fs::write(&path, text).unwrap();
    world.set("GIT_CONFIG_NOSYSTEM", "0");
    world.set("GIT_CONFIG_SYSTEM", path.to_str().unwrap());
}

/// What a pusher saw: the lines of our hook, and everything.
struct Told {
    said: Vec<String>,
    output: String,
}

/// Pushes a new commit.
#[track_caller]
fn push(world: &World) -> Told {
    world.commit("one");
    let pushed = world.push(&["HEAD:main"]);
    assert!(pushed.accepted, "{}", pushed.output);
    Told { said: pushed.said(), output: pushed.output }
}

/// Runs the hook by itself with a branch for it to tell of, after whatever `change` does to the command.
fn run_hook(world: &World, change: impl FnOnce(&mut Command)) -> Output {
    let id = world.server_git(&["rev-parse", "main"]);
    let line = format!("{} {id} refs/heads/hook\n", "0".repeat(40));
    let mut command = world.hook();
    change(&mut command);
    let output = world.feed(&mut command, line.as_bytes());
    assert!(output.status.success(), "{output:?}");
    output
}

/// Whether the log says that a target's certificate is not verified.
fn is_unverified(log: &str, name: &str) -> bool {
    let name = format!("webhook {name}: ");
    log.lines().any(|line| line.contains(&name) && line.contains("certificate is not verified"))
}

fn secret_file(world: &World, name: &str, content: impl AsRef<[u8]>) {
    let path = world.server().join("webhook/secret").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}
