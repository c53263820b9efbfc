//! `git webhook enable`: a target that answered 410 or was switched off is used again.

use std::process::Command;

use super::place::Place;
use super::{Failure, failure};
use crate::message;
use crate::process::Environment;
use crate::spool::Rest;

/// Whether the target is used from now on.
pub(super) fn run(name: &str, environment: &Environment) -> Result<bool, Failure> {
    let mut place = Place::find(environment)?;
    place.enter()?;
    let configuration = &place.configuration;
    let right = configuration.targets.iter().map(|target| (&target.name, target.enabled));
    let broken = configuration.broken.iter().map(|target| (&target.name, target.enabled));
    let Some((_, enabled)) = right.chain(broken).find(|(other, _)| *other == name) else {
        return failure(message::no_target(name));
    };
    if !enabled {
        let key = format!("webhook.{name}.enabled");
        let status = Command::new("git").args(["config", &key, "true"]).env("GIT_DIR", ".").status();
        if !status.is_ok_and(|status| status.success()) {
            return failure(message::cannot_set(key));
        }
    }
    let post = place.post();
    let queue = post.spool.queue(name);
    if queue.rest() != Rest::default() {
        queue.set_rest(Rest::default());
    }
    let waiting = queue.list().len();
    let rest = if waiting > 0 { format!("; {waiting} waiting: git webhook flush sends them") } else { String::new() };
    println!("{name}: enabled{rest}");
    Ok(true)
}
