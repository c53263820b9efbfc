//! The hook's story, top to bottom: read the ref updates, write them down, build the events, deliver, report.

mod gitolite;
mod intent;
mod receive_report;
mod detached;

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::{debug, error, info, warn};

use crate::alarm;
use crate::config::{Configuration, Report};
use crate::dispatch::{Allowed, Done};
use crate::log_file;
use crate::message;
use crate::outcome::Outcome;
use crate::pipeline::{Accepted, Job, Pipeline, accept};
use crate::process::{self, Environment, Process};
use crate::ref_update::{self, Namespace, RefUpdate, Skipped};
use crate::report::{self, Notice, Printer, Summary, Told};
use crate::repository;
use crate::spool::{OwnIntent, Receipt, Spool};
use crate::state_dir::StateDir;
use crate::target::Target;

pub use detached::{ARGUMENT as DETACHED, run as deliver_detached};
pub use intent::run as write_intent;
pub use receive_report::{is_called as is_receive_report, run as pass_report};

/// git gives all lines at once; a writer silent for so long is taken to have died.
const INPUT_PATIENCE: Duration = Duration::from_secs(30);

/// A million refs with long names.
const INPUT_LIMIT: usize = 256 << 20;

/// How much memory a byte of the input comes to, seen with 100,000 short names.
const MEMORY_A_BYTE: usize = 32;

/// The longest that what waits may hold up a push, beyond its own deliveries.
const TIME_FOR_WAITING: Duration = Duration::from_secs(2);

/// How long a push looks after receipts that other processes left, before what it came for.
const TIME_FOR_OTHERS: Duration = Duration::from_secs(2);

/// Of a push of more refs the delivery log tells: of thousands of lines here, those of other trouble would be gone.
const MOST_LOGGED: usize = 20;

/// Which of its parts the program is to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before the refs move.
    PreReceive,
    /// After they have.
    PostReceive,
    /// Started by itself, to outlive the push.
    Detached,
    /// Started by itself, to tell somebody of targets that have gone bad.
    Alarm,
}

impl Hook {
    /// Tells it from the name the program was called by, which is that of the link: `hooks/pre-receive`, gitolite's
    /// `pre-receive.h00-webhook`, `hooks/pre-receive.d/00-git-webhook`. Whatever it was called, objects are in
    /// quarantine before the refs move and never after (git-receive-pack(1)).
    pub fn called(name: &OsStr, argument: Option<&OsStr>, environment: &Environment) -> Self {
        if argument.is_some_and(|argument| argument == DETACHED) {
            return Self::Detached;
        }
        if argument.is_some_and(|argument| argument == alarm::ARGUMENT) {
            return Self::Alarm;
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
///
/// Some wrappers hand over a line as three words, with nothing else as input or with the same line.
pub fn run<R: Read + AsFd + IsTerminal>(input: R, environment: &Environment, words: &[OsString]) {
    let mut printer = Printer::default();
    let Some(git_dir) = environment.get("GIT_DIR").map(PathBuf::from) else {
        return printer.print(&Notice::Usage);
    };
    let (line, is_terminal) = (line_of(words), input.is_terminal());
    if is_terminal && line.is_none() {
        return printer.print(&Notice::Usage);
    }
    let since = Instant::now();
    process::hold_back_signals();
    let read = match is_terminal {
        true => Ok((Vec::new(), true)),
        false => process::read_to_end(input, INPUT_LIMIT, INPUT_PATIENCE),
    };
    let read = read.and_then(|(input, is_whole)| {
        let is_in_input = |line: &Vec<u8>| input.split(|byte| *byte == b'\n').any(|other| other == line);
        let bytes = match line.filter(|line| !is_in_input(line)) {
            Some(line) => [line, b"\n".into(), input].concat(),
            None => input,
        };
        process::has_memory(bytes.len().saturating_mul(MEMORY_A_BYTE))?;
        Ok((bytes, is_whole))
    });
    let push = match read {
        Ok((bytes, is_whole)) => Push { since, git_dir, bytes, is_whole, is_kept: Cell::new(false) },
        // What pre-receive wrote down, in next to no memory, is told by whoever has more.
        Err(error) => {
            let spool = Spool::new(StateDir::found(&repository::common_dir(&git_dir)));
            let is_announced = Process::receive_pack().is_some_and(|own| spool.has_intent_of(own));
            let why = report::kind(&error);
            let notice = if is_announced { Notice::KeptThough(&why) } else { Notice::NotTold(&why) };
            return printer.print(&notice);
        }
    };
    let mut tell = || push.tell(environment, &mut printer);
    if panic::catch_unwind(AssertUnwindSafe(&mut tell)).is_err() {
        push.keep_after_fault(environment, &mut Printer::default());
    }
}

/// The line of hook input that a wrapper hands over as words: old id, new id, name of the ref.
fn line_of(words: &[OsString]) -> Option<Vec<u8>> {
    let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
    (words.len() == 3).then(|| words.join(&b' '))
}

/// What git said of a push.
struct Push {
    /// When the hook started.
    since: Instant,
    git_dir: PathBuf,
    bytes: Vec<u8>,
    is_whole: bool,
    /// It has a receipt: from then on nothing is lost, even to a mistake of ours.
    is_kept: Cell<bool>,
}

impl Push {
    fn tell(&self, environment: &Environment, printer: &mut Printer) {
        let (updates, mut skipped) = ref_update::parse_within(&self.bytes, &namespace(environment));
        let common_dir = repository::common_dir(&self.git_dir);
        let configuration = match Configuration::read(&self.git_dir, &common_dir, environment) {
            Ok(configuration) => configuration,
            Err(why) => {
                let state = StateDir::found(&common_dir);
                log_file::start(&state, log::LevelFilter::Warn);
                error!("{why}");
                return self.keep(&Spool::new(state), updates, environment, printer, &Notice::Unreadable);
            }
        };
        let pipeline = Pipeline::new(&self.git_dir, &common_dir, &configuration);
        log_file::start(pipeline.spool.state(), configuration.settings.log_level);
        let updates = of_this_repository(updates, &configuration, &mut skipped);
        for skipped in &skipped {
            printer.print(&Notice::Skipped(skipped));
        }
        if !self.is_whole {
            printer.print(&Notice::CutShort);
        }
        log_problems(&configuration);
        if let Some(file) = configuration.unseen_file(environment) {
            warn!("{}", message::home_not_set(file.display()));
        }
        let has_intent = || Process::receive_pack().is_some_and(|own| pipeline.spool.has_intent_of(own));
        if self.bytes.is_empty() && has_intent() {
            warn!("{}", message::no_input_though_intent());
        }
        // Nobody asks where a symbolic ref leads to.
        let has_targets = !pipeline.configuration.targets.is_empty();
        let updates = if has_targets { pipeline.behind_links(updates) } else { updates };
        let is_copied = gitolite::is_copied(&configuration.settings, environment);
        if !is_copied && pipeline.is_wanted(&updates) {
            receive(&pipeline, updates, environment, printer, (self.since, &self.is_kept));
            return;
        }
        if pipeline.is_to_be_known(&updates, is_copied) {
            pipeline.know(updates, environment).unwrap_or_else(|error| error!("{error}"));
        }
        if !configuration.settings.detach {
            catch_up(&pipeline, self.since);
        }
    }

    /// Writes a push down for somebody who can tell it later, and says so.
    fn keep(
        &self,
        spool: &Spool,
        updates: Vec<RefUpdate>,
        environment: &Environment,
        printer: &mut Printer,
        notice: &Notice<'_>,
    ) {
        match accept(spool, updates, &|lines| Receipt::new(lines, environment, &[]), &|| None) {
            Accepted::Unkept(failed) if failed.intent.is_none() => {
                error!("{}", failed.error);
                printer.print(&Notice::NotTold(&report::kind(failed.error.reason())));
            }
            _ => {
                self.is_kept.set(true);
                printer.print(notice);
            }
        }
    }

    /// Sees to it that a mistake of ours costs no event. The panic hook has logged what it was.
    fn keep_after_fault(&self, environment: &Environment, printer: &mut Printer) {
        let fault = Notice::KeptThough(message::fault_at_push());
        if self.is_kept.get() {
            return printer.print(&fault);
        }
        let keep = || {
            let spool = Spool::new(StateDir::found(&repository::common_dir(&self.git_dir)));
            let updates = ref_update::parse_within(&self.bytes, &namespace(environment)).0;
            self.keep(&spool, updates, environment, printer, &fault);
        };
        if panic::catch_unwind(AssertUnwindSafe(keep)).is_err() {
            Printer::default().print(&Notice::NotTold(message::fault_at_push()));
        }
    }
}

/// Looks after what earlier pushes left, in a push that no target wants.
fn catch_up(pipeline: &Pipeline<'_>, since: Instant) {
    if !pipeline.spool.is_there() {
        return;
    }
    let run = pipeline.run(Some(Allowed { since, max_wait: pipeline.configuration.settings.max_wait }));
    if let Err(error) = pipeline.deliver(&run, pipeline.take_over(&[].into(), TIME_FOR_OTHERS)) {
        error!("{error}");
    }
    run.end_within(TIME_FOR_WAITING);
    pipeline.tend(&run);
    raise_alarm(pipeline);
}

/// Has somebody told of targets that have gone bad.
fn raise_alarm(pipeline: &Pipeline<'_>) {
    if pipeline.configuration.settings.on_failure.is_some() {
        // A descriptor that is left open would hold up the push until everybody is told.
        process::close_descriptors_on_exec();
        pipeline.raise_alarm();
    }
}

/// Writes the updates down, delivers them and tells the pusher.
fn receive(
    pipeline: &Pipeline<'_>,
    updates: Vec<RefUpdate>,
    environment: &Environment,
    printer: &mut Printer,
    (since, is_kept): (Instant, &Cell<bool>),
) {
    let settings = &pipeline.configuration.settings;
    let order: HashMap<_, _> = (0..).zip(&updates).map(|(at, update)| (update.name.clone(), at)).collect();
    let accepted =
        accept(&pipeline.spool, updates.clone(), &|lines| pipeline.receipt(lines, environment), &|| pipeline.refs());
    is_kept.set(!matches!(&accepted, Accepted::Unkept(failed) if failed.intent.is_none()));
    let (mut intent, mut unkept, mut follows) = (None, None, false);
    let own = match accepted {
        Accepted::Already => return debug!("has its receipt already: is the hook installed twice?"),
        Accepted::Kept(owned) | Accepted::Left(owned) if settings.detach => {
            return detached::hand_over(pipeline, *owned, printer);
        }
        Accepted::Kept(owned) => {
            follows = owned.follows;
            Job::own(*owned)
        }
        Accepted::Left(owned) => pipeline.left(*owned),
        Accepted::Unkept(failed) => {
            error!("{}", message::told_from_memory(&failed.error));
            let sequence = pipeline.spool.sequence_of_unkept();
            let receipt = match failed.intent {
                Some(_) => failed.receipt,
                // `git webhook reconcile` finds what of it is not told, and gives it the same ids.
                None => pipeline.as_difference(failed.receipt),
            };
            (intent, unkept) = (failed.intent, Some((sequence, report::kind(failed.error.reason()))));
            Job::unkept(receipt, sequence)
        }
    };
    let sequence = own.sequence();
    let mut jobs = pipeline.take_over(&[sequence].into(), TIME_FOR_OTHERS);
    jobs.push(own);
    let allowed = Allowed { since, max_wait: settings.max_wait };
    let run = pipeline.run(Some(allowed)).unkept(unkept.as_ref().map(|(sequence, _)| *sequence));
    let built = pipeline.deliver(&run, jobs).inspect_err(|error| error!("{error}"));
    let is_safe = run.is_safe();
    // What pre-receive wrote down is there still.
    let is_announced = intent.is_some();
    match (unkept.filter(|_| !is_announced), built.is_ok()) {
        (None, true) => {}
        (None, false) => printer.print(&Notice::NoObjects),
        (Some((_, why)), true) => printer.print(&Notice::NotKept(&why)),
        (Some((_, why)), false) => printer.print(&Notice::NotTold(&why)),
    }
    // Else it stays, and a later run announces it under the same ids.
    if let Some(OwnIntent::Claimed(intent)) = intent.filter(|_| is_safe && built.is_ok()) {
        pipeline.spool.drop_intent(intent);
    }
    if !follows {
        pipeline.warn_of_steps(sequence, &updates);
    }
    run.end_within(TIME_FOR_WAITING);
    pipeline.tend(&run);
    raise_alarm(pipeline);
    pipeline.prune_daily();
    if settings.report != Report::None {
        let (reviews, refused) = pipeline.said_of_reviews(sequence, environment);
        refused.iter().for_each(|why| printer.print(&Notice::OptionPassedOver(why)));
        reviews.iter().for_each(|review| printer.print(&Notice::Review(review)));
    }
    let mut done = run.take_done();
    done.retain(|done| done.sequence == sequence);
    if run.is_unfinished() {
        printer.print(&Notice::Unfinished);
    }
    tell_pusher(pipeline.configuration, &done, &order, is_safe || is_announced, printer);
}

/// The namespace that the push was made in: git gives hooks the names within it (gitnamespaces(7)).
fn namespace(environment: &Environment) -> Namespace {
    Namespace::new(environment.get("GIT_NAMESPACE").map_or(b"", OsStrExt::as_bytes))
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
    for target in configuration.broken().filter(|target| target.switch.is_on()) {
        for problem in &target.problems {
            error!("{}", message::about_target(&target.name, problem));
        }
    }
    for problem in &configuration.problems {
        match problem.counts_in_part {
            true => error!("{problem}"),
            false => error!("{}", message::default_counts(problem)),
        }
    }
    for warning in &configuration.warnings {
        warn!("{warning}");
    }
    for (path, why) in &configuration.unread {
        warn!("{}", message::cannot_read(path.display(), why));
    }
}

/// Logs each outcome and prints at most one line a target.
fn tell_pusher(
    configuration: &Configuration,
    done: &[Done],
    order: &HashMap<ref_update::RefName, usize>,
    is_safe: bool,
    printer: &mut Printer,
) {
    let wanted = configuration.settings.report;
    for (at, target) in configuration.ready().enumerate() {
        let of_target = done.iter().filter(|done| done.target == at);
        let mut outcomes: Vec<_> = of_target.flat_map(told).collect();
        for told in outcomes.iter().take(MOST_LOGGED) {
            log_outcome(target, &told.name.text(), told.outcome);
        }
        let failed =
            outcomes.iter().skip(MOST_LOGGED).filter(|told| matches!(told.outcome, Outcome::Failed(_))).count();
        if failed > 0 {
            warn!("{}", message::more_not_delivered(&target.name, failed));
        }
        outcomes.sort_by_key(|told| order.get(told.name).copied());
        let summary = Summary { target: target.name.as_str(), outcomes, is_kept: is_safe };
        let is_printed = match wanted {
            Report::All => !summary.outcomes.is_empty(),
            Report::Failures => summary.has_failures(),
            Report::None => false,
        };
        if is_printed {
            printer.print(&Notice::Target(summary));
        }
    }
    if wanted != Report::None {
        for target in configuration.broken().filter(|target| target.switch.is_on()) {
            printer.print(&Notice::Misconfigured(target.name.as_str(), is_safe));
        }
    }
}

fn told(done: &Done) -> impl Iterator<Item = Told<'_>> {
    done.refs().map(|(name, outcome)| Told { name, id: done.id, outcome })
}

fn log_outcome(target: &Target, name: &str, outcome: &Outcome) {
    let origin = target.address.origin();
    match outcome {
        Outcome::Delivered { status, elapsed } => {
            info!("webhook {}: delivered {name} to {origin} ({status}, {} ms)", target.name, elapsed.as_millis());
        }
        Outcome::Published { elapsed } => {
            info!("webhook {}: published {name} ({} ms)", target.name, elapsed.as_millis());
        }
        Outcome::Failed(failure) => {
            warn!("{}", message::not_delivered(&target.name, name, origin, failure));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_before_the_receipt_costs_no_event() {
        let directory = tempfile::tempdir().unwrap();
        let git_dir = directory.path().to_path_buf();
        let zero = "0".repeat(40);
        let bytes = format!("{zero} {} refs/heads/main\n", "1".repeat(40)).into_bytes();
        let since = Instant::now();
        let push = Push { since, git_dir: git_dir.clone(), bytes, is_whole: true, is_kept: Cell::new(false) };
        // A second time there is one: the mistake came after it.
        for _ in 0..2 {
            push.keep_after_fault(&Environment::new([]), &mut Printer::default());
            let spool = Spool::new(StateDir::found(&git_dir));
            assert_eq!((push.is_kept.get(), spool.receipts(&[].into()).len()), (true, 1));
        }
    }

    #[test]
    fn the_name_says_which_hook_it_is_and_the_directory_where_that_is_none() {
        let called = |name: &str| Hook::called(OsStr::new(name), None, &Environment::new([]));
        for pre in ["hooks/pre-receive", "hooks/pre-receive.h00-webhook", "hooks/pre-receive.d/00-git-webhook"] {
            assert_eq!(called(pre), Hook::PreReceive, "{pre}");
        }
        for post in ["hooks/post-receive", "hooks/post-receive.d/00-git-webhook", "pre-receive-hooks/post-receive"] {
            assert_eq!(called(post), Hook::PostReceive, "{post}");
        }
    }
}
