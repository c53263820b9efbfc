//! Verbs that touch a repository's state do so as its owner: root would leave files that the hook cannot write, and
//! follow links that the owner set.

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::place::{Place, all_below, find_any};
use super::{Failure, failure};
use crate::process::{self, Environment};
use crate::report::sanitise;

/// What of the environment counts for somebody else too.
const KEPT: [&str; 7] =
    ["PATH", "LANG", "TZ", "GIT_EXEC_PATH", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"];

/// What a verb says of one repository, and whether all is well there.
pub(super) struct Said<T> {
    pub(super) path: PathBuf,
    /// The same where there are several.
    pub(super) repository: Option<PathBuf>,
    pub(super) rows: Vec<T>,
    pub(super) is_well: bool,
}

/// Runs a verb in the repository around the working directory, or in every one below `root`, each as its owner.
///
/// `arguments` are the verb and its options, without `--root` and `--json`: with `--json` a process of the owner prints
/// the rows that are returned here.
pub(super) fn in_each<T: Serialize + DeserializeOwned>(
    root: Option<&Path>,
    arguments: &[&str],
    environment: &Environment,
    run: impl Fn(&Place) -> Result<(Vec<T>, bool), Failure>,
) -> Result<Vec<Said<T>>, Failure> {
    let find = || if process::is_root() { find_any() } else { Ok(Place::find(environment)?.git_dir) };
    visit_each(root, find, arguments, |path| {
        let mut place = Place::open(path, environment)?;
        place.enter()?;
        run(&place)
    })
}

/// The same for a verb that reads the configuration itself; `find` finds the one repository without a `root`.
pub(super) fn visit_each<T: Serialize + DeserializeOwned>(
    root: Option<&Path>,
    find: impl FnOnce() -> Result<PathBuf, Failure>,
    arguments: &[&str],
    run: impl Fn(&Path) -> Result<(Vec<T>, bool), Failure>,
) -> Result<Vec<Said<T>>, Failure> {
    let Some(root) = root else {
        let path = find()?;
        let (rows, is_well) = in_one(&path, arguments, &run)?;
        return Ok(vec![Said { path, repository: None, rows, is_well }]);
    };
    let mut all = Vec::new();
    for path in all_below(root)? {
        let (rows, is_well) = in_one(&path, arguments, &run).unwrap_or_else(|why| {
            eprintln!("error: {}: {why}", sanitise(&path.to_string_lossy()));
            (Vec::new(), false)
        });
        all.push(Said { path: path.clone(), repository: Some(path), rows, is_well });
    }
    Ok(all)
}

fn in_one<T: Serialize + DeserializeOwned>(
    path: &Path,
    arguments: &[&str],
    run: &impl Fn(&Path) -> Result<(Vec<T>, bool), Failure>,
) -> Result<(Vec<T>, bool), Failure> {
    let metadata = fs::metadata(path).map_err(|error| Failure(format!("cannot read '{}': {error}", path.display())))?;
    if process::is_root() && metadata.uid() != 0 {
        return as_owner(path, metadata.uid(), metadata.gid(), arguments);
    }
    if !process::is_root() && metadata.uid() != process::user_id() {
        // git's own rule on other people's repositories, safe.directory.
        Place::check(path)?;
    }
    run(path)
}

/// Starts this program once more as the repository's owner.
fn as_owner<T: DeserializeOwned>(
    path: &Path,
    owner: u32,
    group: u32,
    arguments: &[&str],
) -> Result<(Vec<T>, bool), Failure> {
    let program = env::current_exe().map_err(|error| Failure(format!("cannot find this program: {error}")))?;
    let mut command = Command::new(program);
    command.args(arguments).arg("--json").current_dir(path).uid(owner).gid(group);
    // Nothing else of root's environment, which the owner can read in his process.
    let kept = |name: &str| KEPT.contains(&name) || name.starts_with("LC_");
    let variables = env::vars_os().filter(|(name, _)| name.to_str().is_some_and(kept));
    command.env_clear().envs(variables).env("GIT_DIR", ".").stdin(Stdio::null());
    match process::account(owner) {
        Some((login, home)) => command.env("USER", &login).env("LOGNAME", login).env("HOME", home),
        None => &mut command,
    };
    let output = command
        .output()
        .map_err(|error| Failure(format!("cannot start this program as user {owner}, the owner: {error}")))?;
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        eprintln!("{}", sanitise(line));
    }
    match serde_json::from_slice(&output.stdout) {
        Ok(rows) => Ok((rows, output.status.success())),
        Err(_) => failure(format!("nothing could be done as user {owner}, the owner")),
    }
}

/// Prints rows as one JSON array, each with its repository where there are several.
pub(super) fn print_json<T: Serialize>(said: &[Said<T>]) {
    let mut all = Vec::new();
    for said in said {
        for row in &said.rows {
            let mut value = serde_json::to_value(row).unwrap_or_default();
            if let (Some(path), Some(object)) = (&said.repository, value.as_object_mut()) {
                object.shift_insert(0, "repository".into(), path.to_string_lossy().into());
            }
            all.push(value);
        }
    }
    print(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"));
}

/// A reader that has gone (head, less) is no failure.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// The heading above what is said of one repository of several.
pub(super) fn heading<T>(said: &Said<T>) -> String {
    said.repository.as_ref().map_or_else(String::new, |path| format!("{}:\n", sanitise(&path.to_string_lossy())))
}
