//! The pre-receive hook: writes down what is about to be pushed, so that the push has its event though the client goes
//! away before post-receive starts.

use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;

use log::debug;

use super::{INPUT_LIMIT, INPUT_PATIENCE};
use crate::config::Configuration;
use crate::log_file;
use crate::pipeline::{Pipeline, fresh};
use crate::process::{self, Environment, Process};
use crate::ref_update;
use crate::repository;
use crate::spool::{Receipt, Spool};
use crate::state_dir::StateDir;

/// Runs the pre-receive hook. It never refuses anything, and prints nothing: git's own receive-pack kills the push of a
/// client that is gone when its hooks print.
pub fn run<R: Read + AsFd + IsTerminal>(input: R, environment: &Environment) {
    let Some(git_dir) = environment.get("GIT_DIR").map(PathBuf::from) else { return };
    if input.is_terminal() {
        return;
    }
    process::hold_back_signals();
    let (bytes, is_whole) = process::read_to_end(input, INPUT_LIMIT, INPUT_PATIENCE);
    let (updates, _) = ref_update::parse(&bytes);
    let common_dir = repository::common_dir(&git_dir);
    let configuration = Configuration::read(&git_dir, &common_dir, environment);
    let pipeline = match &configuration {
        Ok(configuration) => {
            let settings = &configuration.settings;
            let pipeline = Pipeline::new(&git_dir, &common_dir, configuration);
            log_file::start(pipeline.spool.state(), settings.log_level);
            if !pipeline.is_wanted(&updates) {
                return;
            }
            Some(pipeline)
        }
        // post-receive says so, and keeps its receipt.
        Err(_) => None,
    };
    let spool =
        pipeline.as_ref().map_or_else(|| Spool::new(StateDir::found(&common_dir)), |pipeline| pipeline.spool.clone());
    if updates.is_empty() || !is_whole {
        return debug!("pre-receive: the list of refs was cut short: receive-pack has died");
    }
    // The hook is installed twice where there is one already.
    let own = Process::receive_pack();
    if own.is_some() && spool.own_intent(&updates, own).is_some_and(|intent| intent.receipt().receive_pack == own) {
        return;
    }
    let lines = fresh(updates);
    let intent = match &pipeline {
        Some(pipeline) => pipeline.receipt(lines, environment),
        None => Receipt::new(lines, environment, &[]),
    };
    if let Err(error) = spool.write_intent(intent) {
        debug!("pre-receive: {error}: if the client goes away now, run git webhook reconcile");
    }
}
