//! `webhook.onFailure`: tells somebody of a target that goes bad, is parked, has dead letters or recovers, in a process that
//! outlives the push.

mod command;

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::config::{Configuration, Configured};
use crate::history;
use crate::log_file;
use crate::message;
use crate::process::{self, Environment};
use crate::repository;
use crate::spool::{Queue, Spool};
use crate::standing::{Condition, Occasion, Standing, Told};
use crate::state_dir::StateDir;
use crate::target::TargetName;

use command::{Ended, Runner};

/// What a program of ours starts itself with.
pub const ARGUMENT: &str = "--tell-failures";

/// What is told, as `docs/json/on-failure.json` says.
#[derive(Serialize)]
struct Notice<'a> {
    version: u32,
    time: String,
    repository: String,
    target: &'a str,
    occasions: &'a [Occasion],
    state: Condition,
    since: Option<String>,
    failures: u32,
    why: Option<&'a str>,
    waiting: usize,
    dead: usize,
}

/// A target of which something is to be told.
struct News<'a> {
    name: &'a TargetName,
    queue: Queue,
    standing: Standing,
    told: Told,
    dead: HashSet<String>,
    occasions: Vec<Occasion>,
}

/// Starts the process that tells what there is to tell, if there is anything.
///
/// Crash: what is to be told follows from files, and is noted as told when somebody was: whoever runs next begins anew.
pub fn raise(git_dir: &Path, spool: &Spool, configuration: &Configuration) {
    if configuration.settings.on_failure.is_none() || news(spool, configuration).next().is_none() {
        return;
    }
    let started = env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.arg(ARGUMENT).env("GIT_DIR", git_dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    });
    if let Err(error) = started {
        log::error!("{}", message::teller_not_started(error));
    }
}

/// That process.
pub fn tell(environment: &Environment) {
    process::leave_session();
    process::hold_back_signals();
    process::close_descriptors_on_exec();
    process::keep_offspring();
    let Some(git_dir) = environment.get("GIT_DIR").map(PathBuf::from) else { return };
    let common_dir = repository::common_dir(&git_dir);
    // Who started this has read it a moment ago.
    let Ok(configuration) = Configuration::read(&git_dir, &common_dir, environment) else { return };
    let Some(text) = &configuration.settings.on_failure else { return };
    let state = StateDir::new(&common_dir, configuration.settings.shared);
    log_file::start(&state, configuration.settings.log_level);
    let spool = Spool::new(state);
    let lock = match spool.lock_telling() {
        Ok(Some(lock)) => lock,
        // What comes meanwhile is told by whoever runs next.
        Ok(None) => return,
        Err(error) => return log::error!("{error}"),
    };
    let runner = Runner { text, git_dir: &git_dir, common_dir: &common_dir, spool: &spool, environment };
    // A command may take long, and more come meanwhile; what was tried is not tried again within the hour.
    while let Some(next) = news(&spool, &configuration).next() {
        if !tell_one(next, &runner) {
            break;
        }
    }
    drop(lock);
}

/// All that is to be told and may be by now.
fn news<'a>(spool: &'a Spool, configuration: &'a Configuration) -> impl Iterator<Item = News<'a>> {
    let now = process::now();
    let targets = configuration.targets.iter().filter(|target| target.switch().is_on()).map(Configured::name);
    targets.filter_map(move |name| {
        let queue = spool.queue(name);
        let told = queue.told();
        if told.is_recent(now) {
            return None;
        }
        let (standing, dead) = (queue.standing(), spool.unseen_dead(&queue));
        let occasions = standing.news(&told, &dead);
        (!occasions.is_empty()).then_some(News { name, queue, standing, told, dead, occasions })
    })
}

/// Tells what there is of one target; returns whether that is written down, so that the next can have its turn.
///
/// A command that fails has told nobody, and is run once more after an hour.
fn tell_one(news: News<'_>, runner: &Runner<'_>) -> bool {
    let News { name, queue, standing, told, dead, occasions } = news;
    let tried = Told { at: process::now(), ..told };
    let is_noted = |told: &Told| queue.set_told(told).inspect_err(|error| log::error!("{error}")).is_ok();
    // Before, for one that cannot be written down would be told at each push.
    if !is_noted(&tried) {
        return false;
    }
    let notice = Notice {
        version: 1,
        time: history::timestamp(),
        repository: runner.repository(),
        target: name.as_str(),
        occasions: &occasions,
        state: standing.condition.unwrap_or(Condition::Ok),
        since: standing.condition.map(|_| history::timestamp_of(standing.since)),
        failures: standing.failures,
        why: standing.why.as_deref().filter(|_| standing.failures > 0),
        waiting: queue.list().len() + queue.deferred_count(),
        dead: dead.len(),
    };
    // Text and numbers always serialise.
    match runner.run(&serde_json::to_vec(&notice).unwrap_or_default()) {
        Ok(Ended::Well) => {
            return is_noted(&Told { condition: standing.condition, changes: standing.changes, dead, ..tried });
        }
        Ok(Ended::Badly(status)) => log::error!("{}", message::on_failure_failed(name, status)),
        Ok(Ended::BySignal) => log::error!("{}", message::on_failure_ended(name)),
        Ok(Ended::TooLate) => log::error!("{}", message::on_failure_killed(name, command::LONGEST.as_secs())),
        Err(error) => log::error!("{}", message::on_failure_not_started(name, error)),
    }
    true
}
