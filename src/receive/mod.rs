//! The hook's story, top to bottom: read the ref updates, see who wants them, build the events, deliver, report.

use std::collections::HashMap;
use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::{error, info, warn};

use crate::config::{Configuration, Report, Settings};
use crate::delivery::{Delivery, Outcome};
use crate::dispatch::{self, Done};
use crate::event::{Context, Event};
use crate::format::Payload;
use crate::identifier;
use crate::log_file;
use crate::process::{self, Environment};
use crate::pusher::{self, Pusher};
use crate::ref_update::{self, RefUpdate, Skipped};
use crate::report::{Notice, Printer, Summary};
use crate::repository::{self, Objects, Reader, Wanted};
use crate::target::Target;

/// git gives all lines at once; a writer silent for so long is taken to have died.
const INPUT_PATIENCE: Duration = Duration::from_secs(30);

/// A million refs with long names.
const INPUT_LIMIT: usize = 256 << 20;

/// Runs the post-receive hook. It never fails: the push has been accepted, and nothing here can change that.
pub fn run<R: Read + AsFd + IsTerminal>(input: R, environment: &Environment) {
    let mut printer = Printer::default();
    let Some(git_dir) = environment.get("GIT_DIR").map(PathBuf::from) else {
        return printer.print(&Notice::Usage);
    };
    if input.is_terminal() {
        return printer.print(&Notice::Usage);
    }
    let (bytes, is_whole) = process::read_to_end(input, INPUT_LIMIT, INPUT_PATIENCE);
    let common_dir = repository::common_dir(&git_dir);
    let configuration = match Configuration::read(&git_dir, &common_dir, environment) {
        Ok(configuration) => configuration,
        Err(why) => {
            log_file::start(&git_dir, log::LevelFilter::Warn, false);
            error!("{why}");
            return printer.print(&Notice::Unreadable);
        }
    };
    log_file::start(&git_dir, configuration.settings.log_level, configuration.settings.shared);
    let (updates, mut skipped) = ref_update::parse(&bytes);
    let updates = of_this_repository(updates, &configuration, &mut skipped);
    let push = Received { git_dir: &git_dir, common_dir: &common_dir, updates: &updates, environment };

    for skipped in &skipped {
        printer.print(&Notice::Skipped(skipped));
    }
    if !is_whole {
        printer.print(&Notice::CutShort);
    }
    log_problems(&configuration);
    let done = push.deliver(&configuration, &mut printer);
    tell(&configuration, &done, &updates, &mut printer);
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
    for target in configuration.broken.iter().filter(|target| target.enabled) {
        for problem in &target.problems {
            error!("webhook {}: {problem}", target.name);
        }
    }
    for problem in &configuration.problems {
        error!("{problem}; the default counts");
    }
    for warning in &configuration.warnings {
        warn!("{warning}");
    }
}

/// A push as it came in.
struct Received<'a> {
    git_dir: &'a Path,
    common_dir: &'a Path,
    updates: &'a [RefUpdate],
    environment: &'a Environment,
}

impl Received<'_> {
    /// Delivers every update to every target that wants it, and returns what came of each.
    fn deliver(&self, configuration: &Configuration, printer: &mut Printer) -> Vec<Done> {
        let targets: Vec<&Target> = configuration.targets.iter().collect();
        let wants = |target: &Target| self.updates.iter().filter(|update| target.wants(&update.name)).count();
        let expected: Vec<_> = targets.iter().map(|target| wants(target)).collect();
        if expected.iter().all(|count| *count == 0) {
            return Vec::new();
        }
        let objects = match repository::open(self.common_dir, configuration.layout) {
            Ok(objects) => objects,
            Err(why) => {
                error!("{why}");
                printer.print(&Notice::NoObjects);
                return Vec::new();
            }
        };
        self.deliver_from(&objects, configuration, &targets, &expected)
    }

    fn deliver_from(
        &self,
        objects: &Objects,
        configuration: &Configuration,
        targets: &[&Target],
        expected: &[usize],
    ) -> Vec<Done> {
        let layout = configuration.layout;
        let wanted =
            wanted_by(targets.iter().zip(expected).filter(|(_, count)| **count > 0).map(|(target, _)| *target));
        let mut reader = Reader::new(self.common_dir, layout, objects, self.updates, wanted);
        let context = Arc::new(context(self.git_dir, configuration, self.environment, &mut reader));
        let push = dispatch::Push {
            repository: &context.repository.path,
            instance: &context.repository.instance,
            max_wait: configuration.settings.max_wait,
        };
        dispatch::deliver(&push, targets, expected, |send| {
            for update in self.updates {
                let wanting: Vec<usize> = (0..targets.len()).filter(|at| targets[*at].wants(&update.name)).collect();
                if wanting.is_empty() {
                    continue;
                }
                if let Some(event) = reader.event(update, &context) {
                    address(&event, targets, &wanting, send);
                }
            }
        })
    }
}

/// Makes one delivery for each target that has a payload for the event; targets of one format share the body.
fn address(event: &Event, targets: &[&Target], wanting: &[usize], send: &mut dyn FnMut(usize, Delivery)) {
    let mut built: HashMap<(&str, usize), Option<Arc<Payload>>> = HashMap::new();
    for at in wanting {
        let target = targets[*at];
        let payload = built
            .entry((target.format.name, target.max_commits))
            .or_insert_with(|| (target.format.payload)(event, target.max_commits).map(Arc::new));
        if let Some(payload) = payload {
            send(*at, delivery(event, target, Arc::clone(payload)));
        }
    }
}

/// One payload on its way to one target.
pub fn delivery(event: &Event, target: &Target, payload: Arc<Payload>) -> Delivery {
    Delivery {
        id: identifier::delivery(event.id, &target.name, payload.event),
        event: event.id,
        name: event.update.name.clone(),
        payload,
    }
}

/// The most that any of the targets wants to know.
pub fn wanted_by<'a>(targets: impl Iterator<Item = &'a Target>) -> Wanted {
    targets.fold(Wanted::default(), |wanted, target| Wanted {
        commits: wanted.commits.max(target.max_commits),
        changes: wanted.changes || target.format.changes,
    })
}

/// What all events of the push share.
pub fn context(
    git_dir: &Path,
    configuration: &Configuration,
    environment: &Environment,
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
    }
}

/// Logs each outcome and prints at most one line a target.
fn tell(configuration: &Configuration, done: &[Done], updates: &[RefUpdate], printer: &mut Printer) {
    let report = configuration.settings.report;
    for (at, target) in configuration.targets.iter().enumerate() {
        let mut outcomes: Vec<_> =
            done.iter().filter(|done| done.target == at).map(|done| (&done.name, &done.outcome)).collect();
        for (name, outcome) in &outcomes {
            log_outcome(target, &name.text(), outcome);
        }
        let place: HashMap<_, _> = updates.iter().enumerate().map(|(at, update)| (&update.name, at)).collect();
        outcomes.sort_by_key(|(name, _)| place.get(name).copied());
        let summary = Summary { target: &target.name, outcomes };
        let is_told = match report {
            Report::All => !summary.outcomes.is_empty(),
            Report::Failures => summary.has_failures(),
            Report::None => false,
        };
        if is_told {
            printer.print(&Notice::Target(summary));
        }
    }
    if report != Report::None && !updates.is_empty() {
        for target in configuration.broken.iter().filter(|target| target.enabled) {
            printer.print(&Notice::Misconfigured(&target.name));
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
            warn!("webhook {}: {name} not delivered to {origin}: {failure}", target.name);
        }
    }
}
