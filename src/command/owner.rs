//! Verbs that touch a repository's state do so as its owner: root would leave files that the hook cannot write, and
//! follow links that the owner set.

use std::env;
use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::place::{Place, all_below, find_any};
use super::{Failure, failure};
use crate::message;
use crate::process::{self, Account, Environment};
use crate::text::sanitise;

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

/// Runs a verb in the repository around the working directory as its owner. A process of the owner that `reads_input`
/// gets ours.
pub(super) fn in_this<T: Serialize + DeserializeOwned>(
    arguments: &[&str],
    reads_input: bool,
    environment: &Environment,
    run: impl Fn(&Place) -> Result<(Vec<T>, bool), Failure>,
) -> Result<Said<T>, Failure> {
    let path = find(environment)?;
    let input = if reads_input { Stdio::inherit() } else { Stdio::null() };
    let (rows, is_well) = in_one(&path, arguments, input, &|path| run(&enter(path, environment)?))?;
    Ok(Said { path, repository: None, rows, is_well })
}

fn find(environment: &Environment) -> Result<PathBuf, Failure> {
    if process::is_root() { find_any() } else { Ok(Place::find(environment)?.git_dir) }
}

fn enter(path: &Path, environment: &Environment) -> Result<Place, Failure> {
    let mut place = Place::open(path, environment)?;
    place.enter()?;
    Ok(place)
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
    visit_each(root, || find(environment), arguments, |path| run(&enter(path, environment)?))
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
        let (rows, is_well) = in_one(&path, arguments, Stdio::null(), &run)?;
        return Ok(vec![Said { path, repository: None, rows, is_well }]);
    };
    let mut all = Vec::new();
    for path in all_below(root)? {
        let (rows, is_well) = in_one(&path, arguments, Stdio::null(), &run).unwrap_or_else(|why| {
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
    input: Stdio,
    run: &impl Fn(&Path) -> Result<(Vec<T>, bool), Failure>,
) -> Result<(Vec<T>, bool), Failure> {
    let metadata = fs::metadata(path).map_err(|error| Failure(message::cannot_read(path.display(), error)))?;
    if process::is_root() && metadata.uid() != 0 {
        return as_owner(path, (metadata.uid(), metadata.gid()), arguments, input);
    }
    // Who can write here, or brought the configuration, would have root read and send what he likes.
    if process::is_root() && !is_roots(path, &metadata) {
        return failure(message::not_roots_alone(path.display()));
    }
    if !process::is_root() && metadata.uid() != process::user_id() {
        // git's own rule on other people's repositories, safe.directory.
        Place::check(path)?;
    }
    run(path)
}

/// Whether a repository of root's is his alone.
fn is_roots(path: &Path, metadata: &Metadata) -> bool {
    let config = fs::symlink_metadata(path.join("config"));
    metadata.mode() & 0o002 == 0 && config.map_or(true, |config| config.uid() == 0)
}

/// How long a process of an owner may take: another's repository comes after it.
const OWNERS_TIME: Duration = Duration::from_secs(600);

/// Waits for a process, and kills it when its time is up.
fn output_within(mut child: Child, limit: Duration) -> io::Result<Output> {
    fn read(from: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What came before an error is all there is.
            let _ = from.map(|mut from| from.read_to_end(&mut bytes));
            bytes
        })
    }
    let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    let whole = |bytes: JoinHandle<Vec<u8>>| bytes.join().unwrap_or_default();
    Ok(Output { status, stdout: whole(stdout), stderr: whole(stderr) })
}

/// Starts this program once more as the repository's owner.
fn as_owner<T: DeserializeOwned>(
    path: &Path,
    (owner, group): (u32, u32),
    arguments: &[&str],
    input: Stdio,
) -> Result<(Vec<T>, bool), Failure> {
    let program = env::current_exe().map_err(|error| Failure(message::cannot_find_program(error)))?;
    let mut command = Command::new(program);
    // Behind the verb: what follows `--` is no option.
    let (verb, rest) = arguments.split_at(1);
    let account = process::account(owner);
    // Not the directory's group where the owner has his own: it may be root's.
    let group = account.as_ref().map_or(group, |account| account.group);
    command.args(verb).arg("--json").args(rest).current_dir(path).uid(owner).gid(group);
    // Nothing else of root's environment, which the owner can read in his process.
    let kept = |name: &str| KEPT.contains(&name) || name.starts_with("LC_");
    let variables = env::vars_os().filter(|(name, _)| name.to_str().is_some_and(kept));
    command.env_clear().envs(variables).env("GIT_DIR", ".").stdin(input);
    if let Some(Account { login, home, .. }) = account {
        command.env("USER", &login).env("LOGNAME", login).env("HOME", home);
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = child.and_then(|child| output_within(child, OWNERS_TIME));
    let output = output.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Failure(message::owner_takes_too_long(path.display())),
        _ => Failure(message::cannot_start_as_owner(owner, error)),
    })?;
    let rows = serde_json::from_slice(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let mut said: Vec<_> = said.lines().collect();
    // Why nothing could be done is the last thing it says.
    let why = if rows.is_err() { said.pop_if(|line| line.starts_with("error: ")) } else { None };
    for line in said {
        eprintln!("{}", sanitise(line));
    }
    match (rows, why) {
        (Ok(rows), _) => Ok((rows, output.status.success())),
        (Err(_), Some(why)) => failure(why.trim_start_matches("error: ")),
        (Err(_), None) => failure(message::nothing_as_owner(owner)),
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

/// Prints what is said of the one repository there is, for programs or for people.
pub(super) fn tell<T: Serialize>(said: &Said<T>, json: bool, text: impl Fn(&T) -> String) {
    if json {
        return print_json(std::slice::from_ref(said));
    }
    said.rows.iter().for_each(|row| print(&text(row)));
}

/// A reader that has gone (head, less) is no failure.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// The heading above what is said of one repository of several.
pub(super) fn heading<T>(said: &Said<T>) -> String {
    said.repository.as_ref().map_or_else(String::new, |path| format!("{}:\n", sanitise(&path.to_string_lossy())))
}
