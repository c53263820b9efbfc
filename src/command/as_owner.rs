//! Verbs that touch a repository's state do so as its owner: root would leave files that the hook cannot write, and
//! follow links that the owner set.
//!
//! Root starts this program once more with the same arguments, as the owner and in his repository. That process answers
//! with data on its standard output: rows, or why there are none. It is the owner's, and may say anything; what is made
//! of it is decided here.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write, stdout};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, failure};
use super::place::{Place, all_below, find_any};
use super::terminal;
use crate::files::Dir;
use crate::message;
use crate::process::{self, Account, Environment};

/// The hidden option of the owner's process: whom it becomes, and under which number it has the repository's directory.
const FOR_OWNER: &str = "--as-owner";

/// Whom this process is to become before it does anything else, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    user: u32,
    descriptor: i32,
    /// Whether root reads what it answers; else it speaks for itself.
    answers: bool,
}

impl FromStr for Errand {
    type Err = String;

    /// Reads `1000.5` and `1000.5.aloud`.
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.split('.');
            let (user, descriptor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(Self { user, descriptor, answers: parts.next().is_none() })
        };
        read().ok_or_else(|| message::no_errand().into())
    }
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.user, self.descriptor, if self.answers { "" } else { ".aloud" })
    }
}

impl Errand {
    /// Whether root reads what the process answers.
    pub(super) fn answers(self) -> bool {
        self.answers
    }

    /// Becomes the owner with all his groups, goes into his repository by its descriptor, whatever has its path now, and
    /// sees that it is his.
    pub(super) fn set_out(self) -> Result<(), Failure> {
        let account = process::account(self.user);
        let account = account.as_ref();
        let here = PathBuf::from(format!("/proc/self/fd/{}", self.descriptor));
        let cannot = |error| Failure::new(message::cannot_start_as_owner(self.user, error));
        let metadata = fs::metadata(&here).map_err(cannot)?;
        let group = main_group(account, metadata.gid());
        process::become_user(self.user, group, account.map(|account| account.login.as_str())).map_err(cannot)?;
        env::set_current_dir(&here).map_err(cannot)?;
        // Nothing that is started from here needs it.
        process::close_descriptors_on_exec();
        let owner = fs::metadata(".").map_err(cannot)?.uid();
        if process::is_root() || owner != process::user_id() {
            return failure(message::not_the_owners(self.user));
        }
        Ok(())
    }
}

/// Not the directory's group where the owner has his own: it may be root's.
fn main_group(account: Option<&Account>, of_directory: u32) -> u32 {
    account.map_or(of_directory, |account| account.group)
}

/// What of the environment counts for somebody else too.
const KEPT: [&str; 7] =
    ["PATH", "LANG", "TZ", "GIT_EXEC_PATH", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"];

/// How this program was called.
pub(super) struct Call<'a> {
    /// What stands behind its name.
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: &'a Environment,
    /// Root started it to act as the owner of a repository, in which it is.
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
    /// Whether all that there is could be read.
    pub(super) is_seen: bool,
}

impl<T> Said<T> {
    /// What this process did in a file that is in no repository.
    pub(super) fn by_us(path: &Path, rows: Vec<T>) -> Self {
        Self { path: path.into(), repository: None, owner: None, rows, is_well: true, is_seen: true }
    }
}

/// What a verb found in one repository.
#[derive(Serialize, Deserialize)]
pub(super) struct Found<T> {
    rows: Vec<T>,
    is_well: bool,
    is_seen: bool,
}

/// What the owner's process answers. Both ends are one file, `current_exe`, so that it needs no version.
#[derive(Serialize, Deserialize)]
enum Reply<T> {
    Done(Found<T>),
    Failed(Failure),
}

impl<T> Found<T> {
    /// For a verb that tells by itself what it could not read.
    pub(super) fn new(rows: Vec<T>, is_well: bool) -> Self {
        Self { rows, is_well, is_seen: true }
    }
}

impl Call<'_> {
    /// Tells root what was done.
    pub(super) fn answer<T: Serialize>(&self, said: Vec<Said<T>>) {
        let (is_well, is_seen) = (said.iter().all(|said| said.is_well), said.iter().all(|said| said.is_seen));
        let rows = said.into_iter().flat_map(|said| said.rows).collect();
        write(&Reply::Done(Found { rows, is_well, is_seen }));
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
    Ok(vec![in_one(call, &path, input, &|path| look(path, call, &run))?])
}

/// The repository around the working directory, for a verb that was not handed over.
pub(super) fn place(call: &Call<'_>) -> Result<Place, Failure> {
    if call.is_owners { Place::here(call.environment) } else { Place::find(call.environment) }
}

fn find(call: &Call<'_>) -> Result<PathBuf, Failure> {
    // It was entered, and nobody's word on where it is counts any more.
    if call.is_owners {
        return Ok(".".into());
    }
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
    visit_each(call, root, || find(call), |path| look(path, call, &run))
}

/// Runs a verb in one repository, and tells what it could not read: nobody is to take that for nothing there.
fn look<T>(
    path: &Path,
    call: &Call<'_>,
    run: &impl Fn(&Place) -> Result<(Vec<T>, bool), Failure>,
) -> Result<Found<T>, Failure> {
    look_at(enter(path, call.environment)?, run)
}

fn look_at<T>(place: Place, run: &impl Fn(&Place) -> Result<(Vec<T>, bool), Failure>) -> Result<Found<T>, Failure> {
    place.look_over();
    let outcome = run(&place);
    let mut unread: Vec<_> = place.unread().into_iter().map(|(_, why)| why).collect();
    match outcome {
        Ok((rows, is_well)) => {
            let is_seen = unread.is_empty();
            unread.iter().for_each(terminal::error);
            Ok(Found { rows, is_well: is_well && is_seen, is_seen })
        }
        // What was not found may be where nobody could look.
        Err(why) => {
            let last = unread.pop().map_or(why, Failure::new);
            unread.iter().for_each(terminal::error);
            Err(last)
        }
    }
}

/// The same for a verb that reads the configuration itself; `find` finds the one repository without a `root`.
pub(super) fn visit_each<T: Serialize + DeserializeOwned>(
    call: &Call<'_>,
    root: Option<&Path>,
    find: impl FnOnce() -> Result<PathBuf, Failure>,
    run: impl Fn(&Path) -> Result<Found<T>, Failure>,
) -> Result<Vec<Said<T>>, Failure> {
    // The owner's process is in one of them.
    let Some(root) = root.filter(|_| !call.is_owners) else {
        return Ok(vec![in_one(call, &find()?, Stdio::null(), &run)?]);
    };
    let (repositories, closed) = all_below(root)?;
    let visited = repositories.into_iter().map(|path| (in_one(call, &path, Stdio::null(), &run), path));
    gather(closed, visited)
}

/// So many repositories are visited at once: each may have a receiver that does not answer.
const MOST_AT_ONCE: usize = 32;

/// As [`in_each`], in several repositories at once, in none of which this process goes.
pub(super) fn in_each_at_once<T: Serialize + DeserializeOwned + Send>(
    call: &Call<'_>,
    root: Option<&Path>,
    run: impl Fn(&Place) -> Result<(Vec<T>, bool), Failure> + Sync,
) -> Result<Vec<Said<T>>, Failure> {
    let Some(root) = root.filter(|_| !call.is_owners) else { return in_each(call, root, run) };
    let (repositories, closed) = all_below(root)?;
    let from_outside = |path: &Path| look_at(Place::open(path, call.environment)?, &run);
    let visited: Vec<_> = repositories.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let visit = || {
        while let Some((at, path)) = take(&next, &repositories) {
            // libgit2 takes a path that is text alone.
            if path.to_str().is_some() {
                let said = in_one(call, path, Stdio::null(), &from_outside);
                *visited[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..repositories.len().min(MOST_AT_ONCE) {
            // Without a thread there is one less at once.
            drop(thread::Builder::new().spawn_scoped(scope, visit));
        }
        visit();
    });
    let said = visited.into_iter().map(|said| said.into_inner().unwrap_or_else(PoisonError::into_inner));
    let visited = said.zip(repositories).map(|(said, path)| {
        let said = said.unwrap_or_else(|| in_one(call, &path, Stdio::null(), &|path| look(path, call, &run)));
        (said, path)
    });
    gather(closed, visited)
}

fn take<'r>(next: &AtomicUsize, all: &'r [PathBuf]) -> Option<(usize, &'r PathBuf)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, all.get(at)?))
}

/// What was found in several repositories, and which directories were closed.
fn gather<T>(
    closed: Vec<PathBuf>,
    visited: impl Iterator<Item = (Result<Said<T>, Failure>, PathBuf)>,
) -> Result<Vec<Said<T>>, Failure> {
    let unseen = |path: PathBuf| Said {
        repository: Some(path.clone()),
        path,
        owner: None,
        rows: Vec::new(),
        is_well: false,
        is_seen: false,
    };
    // It is told; one of them may be a repository.
    let mut all: Vec<_> = closed.into_iter().map(unseen).collect();
    let (mut is_any_done, mut lacking) = (false, None);
    for (said, path) in visited {
        match said {
            Ok(said) => {
                is_any_done = true;
                all.push(Said { repository: Some(path), ..said });
            }
            // That one of many has no such target is no failure.
            Err(Failure::NoTarget { name, others }) => {
                lacking.get_or_insert_with(|| (name, BTreeSet::new())).1.extend(others);
            }
            Err(why) => {
                terminal::error(format!("{}: {why}", path.display()));
                all.push(unseen(path));
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
    run: &impl Fn(&Path) -> Result<Found<T>, Failure>,
) -> Result<Said<T>, Failure> {
    let said = |owner, found| {
        let Found { rows, is_well, is_seen } = found;
        Said { path: path.into(), repository: None, owner, rows, is_well, is_seen }
    };
    if process::is_root() {
        return match roots_part(path)? {
            Part::Owner(directory, owner) => {
                let child = send_out(call, directory, owner, input)?;
                Ok(said(Some(owner), answer_of(owner, child, path)?))
            }
            Part::Root => Ok(said(None, run(path)?)),
        };
    }
    let metadata = fs::metadata(path).map_err(|error| Failure::new(message::cannot_read(path.display(), error)))?;
    if metadata.uid() != process::user_id() {
        // git's own rule on other people's repositories, safe.directory.
        Place::check(path)?;
    }
    Ok(said(None, run(path)?))
}

/// What root may do in a repository.
enum Part {
    /// Nothing himself: its owner does, in this directory.
    Owner(Dir, Owner),
    /// It is his alone, and so is the way to it.
    Root,
}

/// Opens a repository's directory once, following no link, and judges it by what was opened.
fn roots_part(path: &Path) -> Result<Part, Failure> {
    let cannot = |error| Failure::new(message::cannot_read(path.display(), error));
    let (directory, standing) = Dir::open_step_by_step(path).map_err(cannot)?;
    if standing.user != 0 {
        let group = main_group(process::account(standing.user).as_ref(), standing.group);
        return Ok(Part::Owner(directory, Owner { user: standing.user, group }));
    }
    // Who can write here, or put another in its place, or brought the configuration, would have root read and send what
    // he likes.
    let config = path.join("config");
    // It may be a link, of which the mode says nothing.
    let is_roots = |found: io::Result<fs::Metadata>, closed: u32| {
        found.map_or(true, |config| config.uid() == 0 && config.mode() & closed == 0)
    };
    let is_configured_by_root = is_roots(fs::symlink_metadata(&config), 0) && is_roots(fs::metadata(&config), 0o022);
    if !standing.is_only_roots || !is_configured_by_root {
        return failure(message::not_roots_alone(path.display()));
    }
    Ok(Part::Root)
}

/// For a verb that answers whoever runs it and nobody else: as root in a repository of somebody else's, has the owner's
/// process do it with our own standard input and output, and tells how that ended. `None` where this process does it.
pub(super) fn hand_over(call: &Call<'_>) -> Result<Option<bool>, Failure> {
    if call.is_owners || !process::is_root() {
        return Ok(None);
    }
    let Part::Owner(directory, owner) = roots_part(&find_any()?)? else { return Ok(None) };
    let status = process_of(call, &directory, owner, false)?.status();
    let status = status.map_err(|error| Failure::new(message::cannot_start_as_owner(owner.user, error)))?;
    Ok(Some(status.success()))
}

/// This program once more with its arguments, to become a repository's owner in the directory that was opened: the one
/// place where root has somebody else act.
fn process_of(call: &Call<'_>, directory: &Dir, owner: Owner, answers: bool) -> Result<Command, Failure> {
    let cannot = |error| Failure::new(message::cannot_start_as_owner(owner.user, error));
    let program = env::current_exe().map_err(|error| Failure::new(message::cannot_find_program(error)))?;
    process::hand_on(directory).map_err(cannot)?;
    let mut command = Command::new(program);
    let errand = Errand { user: owner.user, descriptor: directory.as_fd().as_raw_fd(), answers };
    command.arg(format!("{FOR_OWNER}={errand}")).args(&call.arguments).current_dir("/");
    // Nothing else of root's environment, which the owner can read in his process.
    let kept = |name: &str| KEPT.contains(&name) || name.starts_with("LC_");
    let variables = env::vars_os().filter(|(name, _)| name.to_str().is_some_and(kept));
    command.env_clear().envs(variables);
    if let Some(Account { login, home, .. }) = process::account(owner.user) {
        command.env("USER", &login).env("LOGNAME", login).env("HOME", home);
    }
    Ok(command)
}

/// Starts the owner's process in the directory that was opened.
fn send_out(call: &Call<'_>, directory: Dir, owner: Owner, input: Stdio) -> Result<Child, Failure> {
    static ALONE: Mutex<()> = Mutex::new(());
    // No other owner's process must be handed this directory, which is open for it alone until it has been started.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = process_of(call, &directory, owner, true)?;
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = command.spawn().map_err(|error| Failure::new(message::cannot_start_as_owner(owner.user, error)));
    drop(directory);
    started
}

/// Takes the answer of an owner's process.
fn answer_of<T: DeserializeOwned>(owner: Owner, child: Child, path: &Path) -> Result<Found<T>, Failure> {
    let output = output_within(child, OWNERS_TIME).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Failure::new(message::owner_takes_too_long(path.display())),
        _ => Failure::new(message::cannot_start_as_owner(owner.user, error)),
    })?;
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        terminal::note(line);
    }
    match serde_json::from_slice(&output.stdout) {
        Ok(Reply::Done(found)) => Ok(found),
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
