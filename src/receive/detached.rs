//! `webhook.detach`: the push returns when its receipt is safe, and a process of its own delivers.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use log::error;

use super::log_problems;
use crate::config::{Configuration, Report};
use crate::log_file;
use crate::message;
use crate::pipeline::Pipeline;
use crate::process::{self, Environment};
use crate::report::{Notice, Printer};
use crate::repository;
use crate::spool::OwnedReceipt;

/// What the hook starts itself with.
pub const ARGUMENT: &str = "--deliver-detached";

/// Leaves a receipt to a process that outlives the push.
///
/// Crash: the receipt is on the disk. If the process is ended with the session (systemd's KillUserProcesses) or never
/// starts, the next hook or `git webhook flush` takes the receipt over.
pub(super) fn hand_over(pipeline: &Pipeline<'_>, owned: OwnedReceipt, printer: &mut Printer) {
    let count = owned.receipt.lines.len();
    // Unlocked, so that the other process can take it over.
    drop(owned);
    // A descriptor that is left open, a web server's socket or ssh's pipe, would hold up the push all the same.
    process::close_descriptors_on_exec();
    let started = env::current_exe().and_then(|program| {
        Command::new(program)
            .arg0("post-receive")
            .arg(ARGUMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    });
    if let Err(error) = started {
        error!("{}", message::not_detached(error));
    }
    if pipeline.configuration.settings.report == Report::All {
        printer.print(&Notice::Detached(count));
    }
}

/// The other process: delivers every receipt that has no owner, and what is due.
pub fn run(environment: &Environment) {
    process::leave_session();
    process::hold_back_signals();
    let Some(git_dir) = environment.get("GIT_DIR").map(PathBuf::from) else { return };
    let common_dir = repository::common_dir(&git_dir);
    let configuration = match Configuration::read(&git_dir, &common_dir, environment) {
        Ok(configuration) => configuration,
        // The hook that started this has read it a moment ago; the receipt waits.
        Err(_) => return,
    };
    let settings = &configuration.settings;
    let pipeline = Pipeline::new(&git_dir, &common_dir, &configuration);
    log_file::start(pipeline.spool.state(), settings.log_level);
    log_problems(&configuration);
    let run = pipeline.run(None);
    // Once more at the end: others may have let go of a receipt meanwhile, and started nobody.
    for _ in 0..2 {
        if let Err(error) = pipeline.deliver_left(&run) {
            error!("{error}");
        }
        pipeline.tend(&run);
    }
    pipeline.raise_alarm();
    pipeline.prune_daily();
}
