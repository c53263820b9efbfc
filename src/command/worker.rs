//! `git webhook worker`: takes deliveries from the broker and makes them, until it is told to end.

use std::time::Duration;

use super::as_owner::Call;
use super::failure::{Failure, failure};
use super::terminal::{note, print, warning};
use crate::config::{Broker, Configuration, Route};
use crate::message;
use crate::process;
use crate::target::Target;
use crate::text::json_for_terminal;
use crate::worker::Worker;

/// What a worker is called, and how patient it is.
#[derive(clap::Args)]
pub(super) struct Manner {
    /// What outcomes call it; without it, the name of this host
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Set aside what is for a target that no worker has, after so many s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = super::seconds)]
    unclaimed: i64,
}

/// Works until it is told to end.
pub(super) fn run(manner: &Manner, call: &Call<'_>) -> Result<bool, Failure> {
    // Before there is any other thread: they inherit it, and one alone waits for these signals.
    process::hold_back_interrupts();
    let configuration = protected(call)?;
    let broker = broker(&configuration)?;
    for broken in configuration.broken() {
        for problem in &broken.problems {
            warning(problem);
        }
    }
    let targets: Vec<&Target> = configuration.ready().filter(|target| target.switch.is_on()).collect();
    if targets.is_empty() {
        return failure(message::worker_without_targets());
    }
    let name = manner.name.clone().unwrap_or_else(process::host_name);
    let unclaimed = Duration::from_secs(manner.unclaimed.unsigned_abs());
    let worker = Worker::new(broker, name, unclaimed, |line| print(&(json_for_terminal(line) + "\n")));
    note(format!("{} targets through {}", targets.len(), broker.servers.origin()));
    worker.run(&targets, process::wait_for_interrupt);
    Ok(true)
}

/// What the system's and the user's own configuration say. A worker has no repository.
pub(super) fn protected(call: &Call<'_>) -> Result<Configuration, Failure> {
    Configuration::read_protected(call.environment, None).map_err(|error| Failure::new(error.to_string()))
}

/// The broker that they name.
pub(super) fn broker(configuration: &Configuration) -> Result<&Broker, Failure> {
    match &configuration.settings.via {
        Route::Through(broker) => Ok(broker),
        Route::Direct => failure(message::no_via()),
        Route::Wrong(problems) => failure(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}
