//! From a receipt to its events: what happened, in which repository, by whom.

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use log::error;

use super::{FanOut, Job, Pipeline};
use crate::config::{Configuration, Settings};
use crate::delivery::Delivery;
use crate::event::{Context, Repository, Time, Wanted};
use crate::files::FileError;
use crate::identifier;
use crate::log_file;
use crate::message;
use crate::process::{Environment, Process};
use crate::pusher::{self, Pusher};
use crate::ref_update::{Namespace, RefEvent, RefUpdate};
use crate::repository::{self, Objects, Opened, Reader};
use crate::spool::{Receipt, ReviewChange};
use crate::target::Target;

impl Pipeline<'_> {
    /// Builds the deliveries of one receipt, each for the session of its target.
    ///
    /// # Errors
    /// Where what it did to reviews cannot be kept: then it is built again later.
    pub(super) fn build(
        &self,
        objects: &Objects,
        job: &Job,
        wanting: &[usize],
        is_over: &dyn Fn() -> bool,
        send: &mut dyn FnMut(usize, Delivery),
    ) -> Result<(), FileError> {
        let targets: Vec<&Target> = wanting.iter().map(|at| self.targets[*at]).collect();
        let elsewhere = self.objects_elsewhere(&job.receipt);
        let objects = elsewhere.as_ref().unwrap_or(objects);
        // What is written down nowhere does nothing to reviews: nobody could tell it again.
        let changes = match &job.owned {
            Some(owned) => self.draw_in_reviews(objects, job.sequence, Some(&owned.receipt))?,
            None => Vec::new(),
        };
        self.fan_out(objects, (job.sequence, &job.receipt), &changes, &targets, is_over, &mut |at, delivery| {
            if !job.done.contains(&delivery.id()) {
                send(at, delivery);
            }
        });
        Ok(())
    }

    /// Builds what one target wants of a push that waited for it as a whole; `None` where the objects cannot be read.
    pub(super) fn build_for(&self, target: &Target, sequence: u64, receipt: &Receipt) -> Option<Vec<Delivery>> {
        if self.withheld(target, receipt).is_some() {
            return None;
        }
        let directories = receipt.object_directories();
        let objects = repository::open_with(self.common_dir, self.configuration.layout, &directories);
        let objects = objects.map_err(|error| error!("{error}")).ok()?;
        let changes = self.draw_in_reviews(&objects, sequence, None).map_err(|error| error!("{error}")).ok()?;
        let build = || {
            let mut deliveries = Vec::new();
            let mut keep = |_, delivery| deliveries.push(delivery);
            self.fan_out(&objects, (sequence, receipt), &changes, &[target], &|| false, &mut keep);
            deliveries
        };
        // A mistake of ours over one push must not end every run from now on.
        let built = panic::catch_unwind(AssertUnwindSafe(build));
        built.map_err(|_| error!("{}", message::push_untold(sequence))).ok()
    }

    /// The objects of a push that lie, or have their like, outside the repository's own directory; `None` of most.
    fn objects_elsewhere(&self, receipt: &Receipt) -> Option<Objects> {
        let directories = receipt.object_directories();
        let is_elsewhere = !directories.is_empty();
        let open = || repository::open_with(self.common_dir, self.configuration.layout, &directories);
        is_elsewhere.then(open)?.map_err(|error| error!("{error}")).ok()
    }

    /// Where there is no time left in the midst of it, what is missing is made by whoever takes the receipt over.
    fn fan_out(
        &self,
        objects: &Objects,
        (sequence, receipt): (u64, &Receipt),
        changes: &[ReviewChange],
        targets: &[&Target],
        is_over: &dyn Fn() -> bool,
        send: &mut dyn FnMut(usize, Delivery),
    ) {
        // Without it the refs would tell of a later time.
        let later = || self.moved_since(sequence, receipt);
        // What is new and known, HEAD and the default branch are those of a namespace; nearly all pushes are of one alone.
        let namespaces: BTreeSet<_> = receipt.lines.iter().map(|line| line.update.name.namespace()).collect();
        for namespace in &namespaces {
            let mut updates = receipt.all_updates();
            updates.retain(|update| update.name.is_in(namespace));
            let lines = || receipt.lines.iter().filter(|line| line.update.name.is_in(namespace));
            let is_asked = |target: &Target| !receipt.is_late || receipt.has_asked(target.name.as_str()) != Some(false);
            let is_wanting = |target: &Target| is_asked(target) && lines().any(|line| target.may_want(&line.update));
            let is_told = |at: &usize| is_wanting(targets[*at]) && self.withholds(targets[*at], namespace).is_none();
            let places: Vec<_> = (0..targets.len()).filter(is_told).collect();
            let wanting: Vec<_> = places.iter().map(|at| targets[*at]).collect();
            let part = Part { sequence, receipt, namespace, updates: &updates, later: &later, changes };
            self.fan_out_part(objects, &part, &wanting, is_over, &mut |at, delivery| send(places[at], delivery));
        }
    }

    fn fan_out_part(
        &self,
        objects: &Objects,
        part: &Part<'_>,
        targets: &[&Target],
        is_over: &dyn Fn() -> bool,
        send: &mut dyn FnMut(usize, Delivery),
    ) {
        let Some(first) = targets.first() else { return };
        let wanted = wanted_by(targets.iter().copied());
        let reader = Reader::new(self.common_dir, self.configuration.layout, objects, part.updates, wanted);
        let mut reader = reader.rewound(part.later).begun(Process::receive_pack().and_then(Process::began));
        let environment = part.receipt.environment();
        let (git_dir, configuration) = (self.git_dir, self.configuration);
        let scene = Scene { git_dir, configuration, environment: &environment, namespace: part.namespace.clone() };
        let context = Arc::new(scene.context(first.is_protected, part.receipt.time, &mut reader));
        let mut fan_out = FanOut::new(part.sequence, part.receipt, part.namespace, targets, &context);
        if targets.iter().any(|target| target.is_protected != first.is_protected) {
            fan_out = fan_out.showing_others(scene.repository(!first.is_protected));
        }
        let is_wanted = |line: &RefEvent| targets.iter().any(|target| target.may_want(&line.update));
        let lines = (0..).zip(&part.receipt.lines).filter(|(_, line)| line.update.name.is_in(part.namespace));
        let lines: Vec<(u32, &RefEvent)> = lines.filter(|(_, line)| is_wanted(line)).collect();
        for (number, line) in &lines {
            if is_over() {
                return;
            }
            let number = *number;
            if let Some(new) = reader.missing(&line.update) {
                log_file::warn(self.spool.state(), message::new_object_missing(line.update.name.text(), new));
            }
            let events = reader.events(line.event, &line.update, &context);
            if let Some(lacking) = reader.take_lacking() {
                log_file::warn(self.spool.state(), message::ancestor_missing(line.update.name.text(), lacking));
            }
            events.into_iter().for_each(|event| fan_out.add(number, event, send));
            if let Some(alias) = line.update.under_alias() {
                let id = identifier::derived(line.event, "alias", alias.name.whole());
                let events = reader.events(id, &alias, &context);
                events.into_iter().for_each(|event| fan_out.add(number, event, send));
            }
        }
        let requests = Self::told_of_reviews(&mut reader, &lines, part.changes);
        let beside = |commit| self.reviews_beside(part.namespace, part.sequence, commit);
        let opened = Opened { requests, beside: &beside };
        for (number, event) in reader.events_beside(&lines, &context, &self.configuration.settings, opened) {
            fan_out.add(number, event, send);
        }
        fan_out.finish(send);
    }

    /// Whether a target is told nothing of a namespace until it is configured so that its receiver can tell that from the
    /// repository itself and from other namespaces.
    pub fn withholds(&self, target: &Target, namespace: &Namespace) -> Option<Withheld> {
        let settings = &self.configuration.settings;
        let profile = if target.is_protected { &settings.protected_profile } else { &settings.profile };
        if namespace.is_none() {
            return None;
        }
        match profile.tells_namespaces() {
            true => namespace.words().is_none().then_some(Withheld::NoName),
            false => target.is_protected.then_some(Withheld::Alike),
        }
    }

    /// What of a push is withheld from a target that wants it; `None` for nothing.
    pub fn withheld(&self, target: &Target, receipt: &Receipt) -> Option<Receipt> {
        let is_withheld = |line: &&RefEvent| {
            let namespace = line.update.name.namespace();
            self.withholds(target, &namespace).is_some() && target.may_want(&line.update)
        };
        let lines: Vec<_> = receipt.lines.iter().filter(is_withheld).cloned().collect();
        match lines.len() {
            0 => None,
            count if count == receipt.lines.len() => Some(receipt.clone()),
            _ => Some(receipt.with(lines)),
        }
    }
}

/// Why a target is told nothing of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Its receiver would take it for the repository itself.
    Alike,
    /// `{namespace}` stands for what cannot be in a repository's path.
    NoName,
}

impl Withheld {
    /// What is waited for, of that namespace.
    pub fn waits_for(self, namespace: &str) -> String {
        match self {
            Self::Alike => message::waits_for_namespace().into(),
            Self::NoName => message::waits_for_another_namespace(namespace),
        }
    }
}

/// What of a push lies in one namespace, and what was pushed since.
struct Part<'p> {
    sequence: u64,
    receipt: &'p Receipt,
    namespace: &'p Namespace,
    updates: &'p [RefUpdate],
    later: &'p dyn Fn() -> Vec<RefUpdate>,
    /// What it did to reviews that push options opened.
    changes: &'p [ReviewChange],
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
    /// The namespace that its refs lie in.
    pub namespace: Namespace,
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
        repository::describe(self.git_dir, layout, profile, settings.root.as_deref(), self.environment, &self.namespace)
    }
}
