//! From a receipt to its events: what happened, in which repository, by whom.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use log::error;

use super::{FanOut, Job, Pipeline};
use crate::config::{Configuration, Settings};
use crate::delivery::Delivery;
use crate::event::{Context, Repository, Time, Wanted};
use crate::message;
use crate::process::Environment;
use crate::pusher::{self, Pusher};
use crate::ref_update::{RefEvent, RefUpdate};
use crate::repository::{self, Objects, Reader};
use crate::spool::Receipt;
use crate::target::Target;

impl Pipeline<'_> {
    /// Builds the deliveries of one receipt, each for the session of its target.
    pub(super) fn build(
        &self,
        objects: &Objects,
        job: &Job,
        wanting: &[usize],
        is_over: &dyn Fn() -> bool,
        send: &mut dyn FnMut(usize, Delivery),
    ) {
        let targets: Vec<&Target> = wanting.iter().map(|at| self.targets[*at]).collect();
        let later = if job.is_late { self.later(job.sequence) } else { Vec::new() };
        self.fan_out(objects, (job.sequence, &job.receipt), later, &targets, is_over, &mut |at, delivery| {
            if !job.done.contains(&delivery.id()) {
                send(at, delivery);
            }
        });
    }

    /// Builds what one target wants of a push that waited for it as a whole; `None` where the objects cannot be read.
    pub(super) fn build_for(&self, target: &Target, sequence: u64, receipt: &Receipt) -> Option<Vec<Delivery>> {
        let objects = repository::open(self.common_dir, self.configuration.layout);
        let objects = objects.map_err(|error| error!("{error}")).ok()?;
        let build = || {
            let mut deliveries = Vec::new();
            let later = self.later(sequence);
            let mut keep = |_, delivery| deliveries.push(delivery);
            self.fan_out(&objects, (sequence, receipt), later, &[target], &|| false, &mut keep);
            deliveries
        };
        // A mistake of ours over one push must not end every run from now on.
        let built = panic::catch_unwind(AssertUnwindSafe(build));
        built.map_err(|_| error!("{}", message::push_untold(sequence))).ok()
    }

    /// What was pushed after the push of this number: without it the refs would tell of a later time.
    fn later(&self, sequence: u64) -> Vec<RefUpdate> {
        self.spool.receipts_since(sequence).iter().flat_map(|(_, receipt)| receipt.updates()).collect()
    }

    /// Where there is no time left in the midst of it, what is missing is made by whoever takes the receipt over.
    fn fan_out(
        &self,
        objects: &Objects,
        (sequence, receipt): (u64, &Receipt),
        later: Vec<RefUpdate>,
        targets: &[&Target],
        is_over: &dyn Fn() -> bool,
        send: &mut dyn FnMut(usize, Delivery),
    ) {
        let updates = receipt.updates();
        let Some(first) = targets.first() else { return };
        let is_wanted = |line: &RefEvent| targets.iter().any(|target| target.may_want(&line.update));
        if !receipt.lines.iter().any(is_wanted) {
            return;
        }
        let layout = self.configuration.layout;
        let wanting = targets.iter().filter(|target| updates.iter().any(|update| target.may_want(update)));
        let wanted = wanted_by(wanting.copied());
        let mut reader = Reader::new(self.common_dir, layout, objects, &updates, wanted).rewound(later);
        let environment = receipt.environment();
        let scene = Scene { git_dir: self.git_dir, configuration: self.configuration, environment: &environment };
        let context = Arc::new(scene.context(first.is_protected, receipt.time, &mut reader));
        let mut fan_out = FanOut::new(sequence, receipt, targets, &context);
        if targets.iter().any(|target| target.is_protected != first.is_protected) {
            fan_out = fan_out.showing_others(scene.repository(!first.is_protected));
        }
        for (number, line) in (0..).zip(&receipt.lines) {
            if is_wanted(line) {
                if is_over() {
                    return;
                }
                let events = reader.events(line.event, &line.update, &context);
                events.into_iter().for_each(|event| fan_out.add(number, event, send));
            }
        }
        fan_out.finish(send);
    }
}

/// The most that any of the targets wants to know.
pub fn wanted_by<'a>(targets: impl Iterator<Item = &'a Target>) -> Wanted {
    targets.fold(Wanted::default(), |wanted, target| wanted.or(target.wanted()))
}

/// Where a push happened, with what is known of who pushed.
pub struct Scene<'a> {
    /// The repository's directory.
    pub git_dir: &'a Path,
    /// What is configured there.
    pub configuration: &'a Configuration,
    /// Of the push.
    pub environment: &'a Environment,
}

impl Scene<'_> {
    /// What all events of the push share, which was at `time` in seconds since 1970, for the targets that protected
    /// configuration owns, or for the others.
    pub fn context(&self, is_protected: bool, time: i64, reader: &mut Reader<'_>) -> Context {
        let settings: &Settings = &self.configuration.settings;
        let known = |login: &str| settings.users.get(login).cloned().unwrap_or_default();
        let mut pusher = Pusher::find(self.environment, &settings.user_variables, known);
        if pusher.email.is_empty()
            && let Some(commit) = reader.newest_commit()
            && pusher.is_committer(&commit.committer.name, &commit.committer.email)
        {
            pusher.email = commit.committer.email.clone();
        }
        Context {
            repository: self.repository(is_protected),
            pusher,
            push_options: pusher::push_options(self.environment),
            time: Time::utc(time),
        }
    }

    /// The repository as the same are shown it.
    pub fn repository(&self, is_protected: bool) -> Repository {
        let settings = &self.configuration.settings;
        let profile = if is_protected { &settings.protected_profile } else { &settings.profile };
        let layout = self.configuration.layout;
        repository::describe(self.git_dir, layout, profile, settings.root.as_deref(), self.environment)
    }
}
