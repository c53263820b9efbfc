//! Verbs that touch a repository's state do so as its owner: root would leave files that the hook cannot write, and
//! follow links that the owner set.
//!
//! Root starts this program once more with the same arguments, as the owner and in his repository. That process answers
//! with data on its standard output: rows, or why there are none. It is the owner's, and may say anything; what is made
//! of it is decided here.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, Read, Write, stdout};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, failure};
use super::place::{Place, all_below, find_any};
use crate::message;
use crate::process::{self, Account, Environment};
use crate::text::sanitise;

/// The hidden option of the owner's process.
const FOR_OWNER: &str = "--as-owner";

/// What of the environment counts for somebody else too.
const KEPT: [&str; 7] =
    ["PATH", "LANG", "TZ", "GIT_EXEC_PATH", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"];

/// How this program was called.
pub(super) struct Call<'a> {
    /// What stands behind its name.
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: &'a Environment,
    /// Root started it as the owner of the repository around it, and reads what it answers.
    pub(super) is_owners: bool,
}

/// Whom root acted as.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// What a verb says of one repository, and whether all is well there.
pub(super) struct Said<T> {
    pub(super) path: PathBuf,
    /// The same where there are several.
    pub(super) repository: Option<PathBuf>,
    /// Whom the rows are from, where that is not whoever runs this.
    pub(super) owner: Option<Owner>,
    pub(super) rows: Vec<T>,
    pub(super) is_well: bool,
}

/// What the owner's process answers. Both ends are one file, `current_exe`, so that it needs no version.
#[derive(Serialize, Deserialize)]
enum Reply<T> {
    Done { rows: Vec<T>, is_well: bool },
    Failed(Failure),
}

impl Call<'_> {
    /// Tells root what was done.
    pub(super) fn answer<T: Serialize>(&self, said: Vec<Said<T>>) {
        let is_well = said.iter().all(|said| said.is_well);
        let rows = said.into_iter().flat_map(|said| said.rows).collect();
        write(&Reply::Done { rows, is_well });
    }

    /// Tells root why nothing was done.
    pub(super) fn answer_failure(&self, why: Failure) {
        write(&Reply::<()>::Failed(why));
    }
}

fn write<T: Serialize>(answer: &Reply<T>) {
    // Root that has gone needs no answer.
    let _ = stdout().write_all(&serde_json::to_vec(answer).unwrap_or_default());
}

/// Runs a verb in the repository around the working directory as its owner, whose process gets `input`.
pub(super) fn in_this<T: Serialize + DeserializeOwned>(
    call: &Call<'_>,
    input: Stdio,
    run: impl Fn(&Place) -> Result<(Vec<T>, bool), Failure>,
) -> Result<Vec<Said<T>>, Failure> {
    let path = find(call)?;
    Ok(vec![in_one(call, &path, input, &|path| run(&enter(path, call.environment)?))?])
}

fn find(call: &Call<'_>) -> Result<PathBuf, Failure> {
    if process::is_root() { find_any() } else { Ok(Place::find(call.environment)?.git_dir) }
}

fn enter(path: &Path, environment: &Environment) -> Result<Place, Failure> {
    let mut place = Place::open(path, environment)?;
    place.enter()?;
    Ok(place)
}

/// Runs a verb in the repository around the working directory, or in every one below `root`, each as its owner.
pub(super) fn in_each<T: Serialize + DeserializeOwned>(
    call: &Call<'_>,
    root: Option<&Path>,
    run: impl Fn(&Place) -> Result<(Vec<T>, bool), Failure>,
) -> Result<Vec<Said<T>>, Failure> {
    visit_each(call, root, || find(call), |path| run(&enter(path, call.environment)?))
}

/// The same for a verb that reads the configuration itself; `find` finds the one repository without a `root`.
pub(super) fn visit_each<T: Serialize + DeserializeOwned>(
    call: &Call<'_>,
    root: Option<&Path>,
    find: impl FnOnce() -> Result<PathBuf, Failure>,
    run: impl Fn(&Path) -> Result<(Vec<T>, bool), Failure>,
) -> Result<Vec<Said<T>>, Failure> {
    // The owner's process is in one of them.
    let Some(root) = root.filter(|_| !call.is_owners) else {
        return Ok(vec![in_one(call, &find()?, Stdio::null(), &run)?]);
    };
    let mut all = Vec::new();
    let (mut is_any_done, mut lacking) = (false, None);
    for path in all_below(root)? {
        match in_one(call, &path, Stdio::null(), &run) {
            Ok(said) => {
                is_any_done = true;
                all.push(Said { repository: Some(path), ..said });
            }
            // That one of many has no such target is no failure.
            Err(Failure::NoTarget { name, others }) => {
                lacking.get_or_insert_with(|| (name, BTreeSet::new())).1.extend(others);
            }
            Err(why) => {
                eprintln!("error: {}: {why}", sanitise(&path.to_string_lossy()));
                let repository = Some(path.clone());
                all.push(Said { path, repository, owner: None, rows: Vec::new(), is_well: false });
            }
        }
    }
    match lacking {
        Some((name, others)) if !is_any_done => Err(Failure::NoTarget { name, others: others.into_iter().collect() }),
        _ => Ok(all),
    }
}

fn in_one<T: Serialize + DeserializeOwned>(
    call: &Call<'_>,
    path: &Path,
    input: Stdio,
    run: &impl Fn(&Path) -> Result<(Vec<T>, bool), Failure>,
) -> Result<Said<T>, Failure> {
    let metadata = fs::metadata(path).map_err(|error| Failure::new(message::cannot_read(path.display(), error)))?;
    let said = |owner, (rows, is_well)| Said { path: path.into(), repository: None, owner, rows, is_well };
    if process::is_root() && metadata.uid() != 0 {
        let account = process::account(metadata.uid());
        // Not the directory's group where the owner has his own: it may be root's.
        let group = account.as_ref().map_or(metadata.gid(), |account| account.group);
        let owner = Owner { user: metadata.uid(), group };
        return Ok(said(Some(owner), ask(owner, &mut process_of(call, path, owner, account, input)?, path)?));
    }
    // Who can write here, or brought the configuration, would have root read and send what he likes.
    if process::is_root() && !is_roots(path, &metadata) {
        return failure(message::not_roots_alone(path.display()));
    }
    if !process::is_root() && metadata.uid() != process::user_id() {
        // git's own rule on other people's repositories, safe.directory.
        Place::check(path)?;
    }
    Ok(said(None, run(path)?))
}

/// Whether a repository of root's is his alone.
fn is_roots(path: &Path, metadata: &Metadata) -> bool {
    let config = fs::symlink_metadata(path.join("config"));
    metadata.mode() & 0o002 == 0 && config.map_or(true, |config| config.uid() == 0)
}

/// This program once more with its arguments, as a repository's owner and in the repository: the one place where root
/// becomes somebody else.
fn process_of(
    call: &Call<'_>,
    path: &Path,
    owner: Owner,
    account: Option<Account>,
    input: Stdio,
) -> Result<Command, Failure> {
    let program = env::current_exe().map_err(|error| Failure::new(message::cannot_find_program(error)))?;
    let mut command = Command::new(program);
    command.arg(FOR_OWNER).args(&call.arguments).current_dir(path).uid(owner.user).gid(owner.group);
    // Nothing else of root's environment, which the owner can read in his process.
    let kept = |name: &str| KEPT.contains(&name) || name.starts_with("LC_");
    let variables = env::vars_os().filter(|(name, _)| name.to_str().is_some_and(kept));
    command.env_clear().envs(variables).env("GIT_DIR", ".");
    if let Some(Account { login, home, .. }) = account {
        command.env("USER", &login).env("LOGNAME", login).env("HOME", home);
    }
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Runs the owner's process and takes its answer.
fn ask<T: DeserializeOwned>(owner: Owner, command: &mut Command, path: &Path) -> Result<(Vec<T>, bool), Failure> {
    let output = command.spawn().and_then(|child| output_within(child, OWNERS_TIME));
    let output = output.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Failure::new(message::owner_takes_too_long(path.display())),
        _ => Failure::new(message::cannot_start_as_owner(owner.user, error)),
    })?;
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        eprintln!("{}", sanitise(line));
    }
    match serde_json::from_slice(&output.stdout) {
        Ok(Reply::Done { rows, is_well }) => Ok((rows, is_well)),
        Ok(Reply::Failed(why)) => Err(why),
        Err(_) => failure(message::nothing_as_owner(owner.user)),
    }
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
