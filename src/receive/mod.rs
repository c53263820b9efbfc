//! The hook's story, top to bottom: read the ref updates, write them down, build the events, deliver, report.

mod address;
mod post;
mod again;
mod announce;
mod detached;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::{debug, error, info, warn};

use crate::config::{Configuration, Report, Settings};
use crate::dispatch::Done;
use crate::event::{Context, Time, Wanted};
use crate::files::FileError;
use crate::identifier;
use crate::log_file;
use crate::message;
use crate::outcome::Outcome;
use crate::process::{self, Environment, Process};
use crate::pusher::{self, Pusher};
use crate::ref_update::{self, RefEvent, RefUpdate, Skipped};
use crate::report::{Notice, Printer, Summary};
use crate::repository::{self, Reader};
use crate::spool::{Intent, Owned, ReadRefs, Receipt, Spool};
use crate::state_dir::StateDir;
use crate::target::Target;

pub use address::{Addresser, alone};
pub use again::{PutBack, Source};
pub use announce::run as announce;
pub use detached::{ARGUMENT as DETACHED, run as deliver_detached};
pub use post::{Job, Post};

/// git gives all lines at once; a writer silent for so long is taken to have died.
const INPUT_PATIENCE: Duration = Duration::from_secs(30);

/// A million refs with long names.
const INPUT_LIMIT: usize = 256 << 20;

/// The longest that what waits may hold up a push, beyond its own deliveries.
const TIME_FOR_WAITING: Duration = Duration::from_secs(2);

/// Which of its parts the program is to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before the refs move.
    PreReceive,
    /// After they have.
    PostReceive,
    /// Started by itself, to outlive the push.
    Detached,
}

impl Hook {
    /// Tells it from the name the program was called by, which is that of the link: `hooks/pre-receive`, gitolite's
    /// `pre-receive.h00-webhook`, `hooks/pre-receive.d/00-git-webhook`. Whatever it was called, objects are in
    /// quarantine before the refs move and never after (git-receive-pack(1)).
    pub fn called(name: &OsStr, argument: Option<&OsStr>, environment: &Environment) -> Self {
        if argument.is_some_and(|argument| argument == DETACHED) {
            return Self::Detached;
        }
        let path = Path::new(name);
        let is_pre =
            |name: Option<&OsStr>| name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"pre-receive"));
        let is_post =
            |name: Option<&OsStr>| name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"post-receive"));
        let parent = path.parent().and_then(Path::file_name);
        let named_pre = is_pre(path.file_name()) || (is_pre(parent) && !is_post(path.file_name()));
        if named_pre || environment.get("GIT_QUARANTINE_PATH").is_some() { Self::PreReceive } else { Self::PostReceive }
    }
}

/// Runs the post-receive hook. It never fails: the push has been accepted, and nothing here can change that.
pub fn run<R: Read + AsFd + IsTerminal>(input: R, environment: &Environment) {
    let mut printer = Printer::default();
    let Some(git_dir) = environment.get("GIT_DIR").map(PathBuf::from) else {
        return printer.print(&Notice::Usage);
    };
    if input.is_terminal() {
        return printer.print(&Notice::Usage);
    }
    process::hold_back_signals();
    let (bytes, is_whole) = process::read_to_end(input, INPUT_LIMIT, INPUT_PATIENCE);
    let (updates, mut skipped) = ref_update::parse(&bytes);
    let common_dir = repository::common_dir(&git_dir);
    let configuration = match Configuration::read(&git_dir, &common_dir, environment) {
        Ok(configuration) => configuration,
        Err(why) => {
            let state = StateDir::found(&common_dir);
            log_file::start(&state, log::LevelFilter::Warn);
            error!("{why}");
            let spool = Spool::new(state);
            let kept = keep(&spool, updates, &|lines| Receipt::new(lines, environment, &[]), &|| None);
            return match kept {
                Some(Err(unkept)) => not_kept(&unkept.error, &mut printer),
                _ => printer.print(&Notice::Unreadable),
            };
        }
    };
    let post = Post::new(&git_dir, &common_dir, &configuration);
    log_file::start(post.spool.state(), configuration.settings.log_level);
    let updates = of_this_repository(updates, &configuration, &mut skipped);
    for skipped in &skipped {
        printer.print(&Notice::Skipped(skipped));
    }
    if !is_whole {
        printer.print(&Notice::CutShort);
    }
    log_problems(&configuration);
    if post.is_wanted(&updates) {
        receive(&post, updates, environment, &mut printer);
    } else if !configuration.settings.detach {
        catch_up(&post);
    }
}

/// Looks after what earlier pushes left, in a push that nobody wants to be told of.
fn catch_up(post: &Post<'_>) {
    let run = post.run(Some(post.configuration.settings.max_wait));
    if let Err(error) = post.deliver(&run, post.take_over(&[].into())) {
        error!("{error}");
    }
    run.end_within(TIME_FOR_WAITING);
    post.tend(&run);
}

/// Writes the updates down, delivers them and tells the pusher.
fn receive(post: &Post<'_>, updates: Vec<RefUpdate>, environment: &Environment, printer: &mut Printer) {
    let settings = &post.configuration.settings;
    let order: HashMap<_, _> = (0..).zip(&updates).map(|(at, update)| (update.name.clone(), at)).collect();
    let kept = keep(&post.spool, updates.clone(), &|lines| post.receipt(lines, environment), &|| post.refs());
    let (mut intent, mut unkept) = (None, None);
    let own = match kept {
        None => return debug!("told already: is the hook installed twice?"),
        Some(Ok(owned)) if settings.detach => return detached::hand_over(post, owned, printer),
        Some(Ok(owned)) => Job::own(owned),
        Some(Err(failed)) => {
            not_kept(&failed.error, printer);
            let sequence = post.spool.sequence_of_unkept();
            (intent, unkept) = (failed.intent, Some(sequence));
            Job::unkept(failed.receipt, sequence)
        }
    };
    let sequence = own.sequence();
    let mut jobs = post.take_over(&[sequence].into());
    jobs.push(own);
    let run = post.run(Some(settings.max_wait)).unkept(unkept);
    let mut is_told = true;
    if let Err(error) = post.deliver(&run, jobs) {
        error!("{error}");
        printer.print(&Notice::NoObjects);
        is_told = false;
    }
    let is_safe = run.is_safe();
    // Else it stays, and a later run announces it under the same ids.
    if let Some(intent) = intent.filter(|_| is_safe && is_told) {
        post.spool.drop_intent(intent);
    }
    run.end_within(TIME_FOR_WAITING);
    post.tend(&run);
    if post.history.is_first_of_day() {
        post.prune();
    }
    let mut done = run.take_done();
    done.retain(|done| done.sequence == sequence);
    tell(post.configuration, &done, &order, is_safe, printer);
}

/// A push that could not be written down.
struct Unkept {
    error: FileError,
    receipt: Receipt,
    /// What pre-receive wrote down of it; nobody else announces it while this is held.
    intent: Option<Intent>,
}

/// Makes the receipt of this push: from here on nothing is lost, whatever happens to this process.
///
/// `None` where the push was told of before: this hook is installed twice, or somebody found the intent meanwhile.
fn keep(
    spool: &Spool,
    mut updates: Vec<RefUpdate>,
    write: &dyn Fn(Vec<RefEvent>) -> Receipt,
    refs: ReadRefs<'_>,
) -> Option<Result<Owned, Unkept>> {
    let own = Process::receive_pack();
    let intent = spool.own_intent(&updates, own);
    if let Some(own) = own {
        let told = spool.told(own);
        updates.retain(|update| !told.contains(update));
    }
    if updates.is_empty() {
        return None;
    }
    if let Some(intent) = &intent {
        // What this announces is taken over with everything else that has no owner.
        drop(spool.see_to_predecessors(&updates, &intent.receipt, refs));
    }
    let receipt = match &intent {
        Some(whole) if whole.receipt.lines.len() == updates.len() => {
            return Some(spool.promote(intent?).map_err(|failed| {
                let (error, intent) = *failed;
                Unkept { error, receipt: intent.receipt.clone(), intent: Some(intent) }
            }));
        }
        Some(intent) => {
            let ids: HashMap<_, _> = intent.receipt.lines.iter().map(|line| (&line.update, line.event)).collect();
            let line = |update: RefUpdate| {
                let event = ids.get(&update).copied().unwrap_or_else(identifier::event);
                RefEvent { update, event }
            };
            // The intent stays: git may have refused the other lines, or have died while it wrote them.
            intent.receipt.with(updates.into_iter().map(line).collect())
        }
        None => write(fresh(updates)),
    };
    Some(spool.keep(receipt.clone()).map_err(|error| Unkept { error, receipt, intent }))
}

/// The updates as events that nobody has heard of.
fn fresh(updates: Vec<RefUpdate>) -> Vec<RefEvent> {
    updates.into_iter().map(|update| RefEvent { update, event: identifier::event() }).collect()
}

fn not_kept(error: &FileError, printer: &mut Printer) {
    error!("{}", message::told_from_memory(error));
    printer.print(&Notice::NotKept(error.reason()));
}

/// Ids of the other object format cannot be of this repository.
fn of_this_repository(
    updates: Vec<RefUpdate>,
    configuration: &Configuration,
    skipped: &mut Vec<Skipped>,
) -> Vec<RefUpdate> {
    let format = configuration.layout.object_format;
    let (ours, foreign): (Vec<_>, Vec<_>) = updates.into_iter().partition(|update| update.format == format);
    skipped.extend(foreign.into_iter().map(|update| Skipped::ForeignFormat(update.name)));
    ours
}

/// The detail of what the pusher reads in a few words.
fn log_problems(configuration: &Configuration) {
    for target in configuration.broken().filter(|target| target.enabled) {
        for problem in &target.problems {
            error!("{}", message::about_target(&target.name, problem));
        }
    }
    for problem in &configuration.problems {
        error!("{}", message::default_counts(problem));
    }
    for warning in &configuration.warnings {
        warn!("{warning}");
    }
}

/// The most that any of the targets wants to know.
pub fn wanted_by<'a>(targets: impl Iterator<Item = &'a Target>) -> Wanted {
    targets.fold(Wanted::default(), |wanted, target| wanted.or(target.wanted()))
}

/// What all events of the push share, which was at `time` in seconds since 1970.
pub fn context(
    git_dir: &Path,
    configuration: &Configuration,
    environment: &Environment,
    time: i64,
    reader: &mut Reader<'_>,
) -> Context {
    let settings: &Settings = &configuration.settings;
    let known = |login: &str| settings.users.get(login).cloned().unwrap_or_default();
    let mut pusher = Pusher::find(environment, &settings.user_variables, known);
    if pusher.email.is_empty()
        && let Some(commit) = reader.newest_commit()
        && pusher.is_committer(&commit.committer.name, &commit.committer.email)
    {
        pusher.email = commit.committer.email.clone();
    }
    Context {
        repository: repository::describe(git_dir, configuration.layout, settings, environment),
        pusher,
        push_options: pusher::push_options(environment),
        time: Time::utc(time),
    }
}

/// Logs each outcome and prints at most one line a target.
fn tell(
    configuration: &Configuration,
    done: &[Done],
    order: &HashMap<ref_update::RefName, usize>,
    is_safe: bool,
    printer: &mut Printer,
) {
    let report = configuration.settings.report;
    for (at, target) in configuration.ready().enumerate() {
        let mut outcomes: Vec<_> = done.iter().filter(|done| done.target == at).flat_map(Done::refs).collect();
        for (name, outcome) in &outcomes {
            log_outcome(target, &name.text(), outcome);
        }
        outcomes.sort_by_key(|(name, _)| order.get(name).copied());
        let summary = Summary { target: target.name.as_str(), outcomes, is_kept: is_safe };
        let is_told = match report {
            Report::All => !summary.outcomes.is_empty(),
            Report::Failures => summary.has_failures(),
            Report::None => false,
        };
        if is_told {
            printer.print(&Notice::Target(summary));
        }
    }
    if report != Report::None {
        for target in configuration.broken().filter(|target| target.enabled) {
            printer.print(&Notice::Misconfigured(target.name.as_str(), is_safe));
        }
    }
}

fn log_outcome(target: &Target, name: &str, outcome: &Outcome) {
    let origin = target.address.origin();
    match outcome {
        Outcome::Delivered { status, elapsed } => {
            info!("webhook {}: delivered {name} to {origin} ({status}, {} ms)", target.name, elapsed.as_millis());
        }
        Outcome::Failed(failure) => {
            warn!("{}", message::not_delivered(&target.name, name, origin, failure));
        }
    }
}
