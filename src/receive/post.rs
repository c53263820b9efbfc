//! The post office of one repository: from receipts to deliveries, for the hook and for `git webhook flush` alike.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{error, warn};
use uuid::Uuid;

use super::{Addresser, context, wanted_by};
use crate::config::{BrokenTarget, Configuration, Configured};
use crate::delivery::Delivery;
use crate::dispatch::{Dispatcher, TargetSession};
use crate::event::{self, Event};
use crate::history::{self, History};
use crate::message;
use crate::process;
use crate::process::Environment;
use crate::ref_update::{ObjectId, RefEvent, RefName, RefUpdate};
use crate::repository::{self, Objects, OpenError, Reader};
use crate::schedule::Unsettled;
use crate::spool::{Asked, Owned, Receipt, Spool};
use crate::state_dir::StateDir;
use crate::target::Target;

/// How long one run looks after receipts that other processes left, before what it came for.
const TIME_FOR_OTHERS: Duration = Duration::from_secs(2);

/// One repository with its targets, its spool and its log.
pub struct Post<'a> {
    /// The repository's directory.
    pub git_dir: &'a Path,
    /// The directory with objects and refs.
    pub common_dir: &'a Path,
    /// What its configuration says.
    pub configuration: &'a Configuration,
    /// Where things wait.
    pub spool: Spool,
    /// What happened.
    pub history: History,
    /// The targets that can be used, by whose places everything below goes.
    pub targets: Vec<&'a Target>,
}

/// A receipt whose deliveries are to be made.
pub struct Job {
    /// The receipt, to be settled; `None` where it could not be written down.
    owned: Option<Owned>,
    receipt: Receipt,
    sequence: u64,
    /// Deliveries that an earlier process has made or queued.
    done: HashSet<Uuid>,
    /// Other pushes may have moved refs since.
    is_late: bool,
}

impl Job {
    /// The push this process was started for.
    pub fn own(owned: Owned) -> Self {
        let (receipt, sequence) = (owned.receipt.clone(), owned.sequence);
        Self { owned: Some(owned), receipt, sequence, done: HashSet::new(), is_late: false }
    }

    /// A push whose receipt could not be written down.
    pub fn unkept(receipt: Receipt, sequence: u64) -> Self {
        Self { owned: None, receipt, sequence, done: HashSet::new(), is_late: false }
    }

    /// The receipt's number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl<'a> Post<'a> {
    /// The post office of the repository at `git_dir`.
    pub fn new(git_dir: &'a Path, common_dir: &'a Path, configuration: &'a Configuration) -> Self {
        let state = StateDir::new(common_dir, configuration.settings.shared);
        let history = History::new(&state);
        let targets = configuration.ready().collect();
        Self { git_dir, common_dir, configuration, spool: Spool::new(state), history, targets }
    }

    /// A run over the repository's targets that may take `allowed`, or as long as it needs.
    pub fn run(&self, allowed: Option<Duration>) -> Dispatcher<'_> {
        Dispatcher::new(&self.spool, &self.history, &self.targets, allowed)
    }

    /// What there is to write down of a push.
    pub fn receipt(&self, lines: Vec<RefEvent>, environment: &Environment) -> Receipt {
        let enabled = self.configuration.targets.iter().filter(|target| target.is_enabled());
        let asked = |target: &Configured| {
            let wants =
                |update: &RefUpdate| target.ready().map_or_else(|| can_be_told(update), |it| it.may_want(update));
            Asked::new(target.name(), &lines, wants)
        };
        let asked = enabled.map(asked).collect();
        Receipt::new(lines, environment, &self.configuration.settings.user_variables).asking(asked)
    }

    /// Whether any target wants any of the updates, or cannot tell before it is configured rightly.
    pub fn is_wanted(&self, updates: &[RefUpdate]) -> bool {
        let wants = |update: &RefUpdate| self.targets.iter().any(|target| target.may_want(update));
        updates.iter().any(wants) || (self.waiting_targets().next().is_some() && updates.iter().any(can_be_told))
    }

    /// The names of enabled targets that cannot be used.
    fn waiting_targets(&self) -> impl Iterator<Item = &BrokenTarget> {
        self.configuration.broken().filter(|target| target.enabled)
    }

    /// Where all refs stand now; `None` where they cannot be read, which is logged.
    pub fn refs(&self) -> Option<HashMap<RefName, ObjectId>> {
        let refs = repository::all(self.common_dir, self.configuration.layout);
        let refs = refs.map_err(|error| error!("{error}")).ok()?;
        Some(refs.direct.into_iter().collect())
    }

    /// Becomes the owner of what other processes left behind when they died: intents whose hook never came, receipts
    /// that nobody settled.
    pub fn take_over(&self, own: &HashSet<u64>) -> Vec<Job> {
        let start = Instant::now();
        let is_late = || start.elapsed() > TIME_FOR_OTHERS;
        self.spool.settle_intents(&|| self.refs());
        let receipts = self.spool.receipts(own).into_iter().take_while(|_| !is_late());
        let owned: Vec<_> =
            receipts.filter_map(|(sequence, receipt)| self.spool.take_over(sequence, &receipt)).collect();
        if owned.is_empty() {
            return Vec::new();
        }
        // Only now that all of them are ours: until its lock was free, a receipt's own process could put what it had not
        // delivered into a queue, and die. And the queues before the log: what is delivered between the two looks has its
        // line in the log before it leaves its queue.
        let queued = self.queued();
        let job = |owned: Owned| {
            let mut done = queued.clone();
            done.extend(self.history.done(&owned.name(), owned.receipt.time));
            Job { receipt: owned.receipt.clone(), sequence: owned.sequence, owned: Some(owned), done, is_late: true }
        };
        // What there is no time for is let go of, for whoever comes next; but one is seen to every time.
        let in_time = owned.into_iter().enumerate().take_while(|(at, _)| *at == 0 || !is_late());
        in_time.map(|(_, owned)| job(owned)).collect()
    }

    /// The ids of everything that waits in a queue.
    fn queued(&self) -> HashSet<Uuid> {
        let mut ids = HashSet::new();
        for target in &self.targets {
            let queue = self.spool.queue(&target.name);
            let lock = queue.lock().ok().flatten();
            ids.extend(queue.list().iter().map(|queued| queued.key.id));
            if lock.is_none() {
                // Whoever is sending renames records as he does, and one listing may miss some. What two miss is a second
                // record of one delivery, of which the queue keeps one.
                ids.extend(queue.list().iter().map(|queued| queued.key.id));
            }
        }
        ids
    }

    /// Builds and sends what the receipts tell, queues what is not delivered, and settles them.
    ///
    /// # Errors
    /// Where the objects cannot be read: the receipts stay as they are, for a later run.
    pub fn deliver(&self, run: &Dispatcher<'_>, mut jobs: Vec<Job>) -> Result<(), OpenError> {
        jobs.sort_by_key(|job| job.sequence);
        let targets = &self.targets;
        let wants = |target: &Target| {
            let mut lines = jobs.iter().flat_map(|job| &job.receipt.lines);
            lines.any(|line| target.may_want(&line.update))
        };
        let wanting: Vec<usize> = (0..targets.len()).filter(|at| wants(targets[*at])).collect();
        if !wanting.is_empty() {
            let objects = repository::open(self.common_dir, self.configuration.layout)?;
            let mut sessions: Vec<TargetSession<'_>> = wanting.iter().map(|at| run.open(*at)).collect();
            let own: HashSet<_> = jobs.iter().map(|job| job.sequence).collect();
            run.deliver(
                &mut sessions,
                || self.unsettled(&own),
                |send| {
                    for job in &mut jobs {
                        // A mistake of ours over one push's objects must not end every run from now on: its receipt
                        // stays for a better program.
                        let build = || self.build(&objects, job, &wanting, send);
                        if panic::catch_unwind(AssertUnwindSafe(build)).is_err() {
                            error!("{}", message::push_untold(job.sequence));
                            job.owned = None;
                        }
                    }
                },
            );
            self.settle(run, jobs);
            sessions.into_iter().for_each(|session| run.close(session));
        } else {
            self.settle(run, jobs);
        }
        Ok(())
    }

    /// The refs of pushes that are not settled and not among `own`: their deliveries come first where they are older.
    fn unsettled(&self, own: &HashSet<u64>) -> Unsettled {
        let mut unsettled = Unsettled::default();
        for (sequence, receipt) in self.spool.receipts(own) {
            unsettled.add(sequence, receipt.lines.iter().map(|line| receipt.order(&line.update.name)));
        }
        unsettled
    }

    /// Crash: whatever is delivered is in the log, whatever is not is in a queue, both before the receipt is put away.
    fn settle(&self, run: &Dispatcher<'_>, jobs: Vec<Job>) {
        for job in &jobs {
            if job.receipt.lines.iter().any(|line| can_be_told(&line.update)) {
                for BrokenTarget { name, origin, .. } in self.waiting_targets() {
                    let queue = self.spool.queue(name);
                    if let Err(error) = queue.defer(name, origin.as_deref(), job.sequence, &job.receipt) {
                        error!("{}", message::about_target(name, error));
                        run.lose();
                    }
                }
            }
        }
        if run.is_safe() {
            let day = history::today();
            jobs.into_iter().filter_map(|job| job.owned).for_each(|owned| self.spool.settle(owned, &day));
        }
    }

    /// Sends what waits in all queues and is due, and sets aside what waits for targets that are no more.
    pub fn tend(&self, run: &Dispatcher<'_>) {
        self.hand_over_deferred();
        let none = HashSet::new();
        let build = |target: &Target, sequence: u64, receipt: &Receipt| self.build_for(target, sequence, receipt);
        for (at, target) in self.targets.iter().enumerate() {
            if target.enabled && !self.spool.queue(&target.name).is_empty() {
                run.tend(at, &|| self.unsettled(&none), &build);
            }
        }
        self.bury();
    }

    /// Hands the pushes that waited for a target with a wrong name to the one that has come in its place: the name is
    /// mended by giving the section another.
    ///
    /// That is the target at the same receiver that was not there when they were pushed; of several, or where the address
    /// was wrong too, the one whose name has the same letters and digits.
    fn hand_over_deferred(&self) {
        let known = self.known_queues();
        for directory in self.spool.deferred().into_iter().filter(|name| name.starts_with('_') && !known.contains(name))
        {
            let queue = self.spool.queue_in(&directory);
            let Some(newest) = queue.deferred().pop() else { continue };
            let may_be = |target: &&&Target| {
                let is_new = newest.receipt.has_asked(target.name.as_str()) == Some(false);
                let is_there = newest.origin.as_deref().is_some_and(|origin| origin == target.address.origin());
                (is_new && is_there) || newest.target.has_letters_of(&target.name)
            };
            let candidates: Vec<_> = self.targets.iter().filter(may_be).collect();
            let alike = candidates.iter().find(|target| newest.target.has_letters_of(&target.name));
            let (Some(target), true) = (alike.or(candidates.first()), alike.is_some() || candidates.len() == 1) else {
                continue;
            };
            match queue.hand_deferred_to(&self.spool.queue(&target.name)) {
                Ok(()) => warn!("{}", message::takes_over(&target.name, &newest.target)),
                Err(error) => error!("{error}"),
            }
        }
    }

    /// Sets aside what has waited for too long behind targets that do not answer.
    pub fn expire(&self, run: &Dispatcher<'_>) {
        (0..self.targets.len()).for_each(|at| run.expire(at));
    }

    /// The directory names of the queues of all targets that are configured, rightly or not.
    pub fn known_queues(&self) -> HashSet<String> {
        self.configuration.names().map(|name| self.spool.queue(name).directory_name()).collect()
    }

    fn bury(&self) {
        let known = self.known_queues();
        let directories: BTreeSet<_> = self.spool.queues().into_iter().chain(self.spool.deferred()).collect();
        for directory in directories {
            if known.contains(&directory) {
                self.spool.queue_in(&directory).set_known();
                continue;
            }
            match self.spool.bury(&directory) {
                Ok(Some(0) | None) => {}
                Ok(Some(count)) => {
                    error!("{}", message::target_buried(directory, count));
                }
                Err(error) => error!("{error}"),
            }
        }
    }

    /// Removes what is older than `webhook.keepLog` says; never what waits or was set aside.
    pub fn prune(&self) {
        let keep = self.configuration.settings.keep_log.as_secs() as i64;
        let day = history::day_of(process::now() - keep);
        self.history.prune(&day);
        self.spool.prune(&day);
        for target in &self.targets {
            self.spool.queue(&target.name).tidy();
        }
    }

    /// Builds the deliveries of one receipt, each for the station of its target.
    fn build(&self, objects: &Objects, job: &Job, wanting: &[usize], send: &mut dyn FnMut(usize, Delivery)) {
        let targets: Vec<&Target> = wanting.iter().map(|at| self.targets[*at]).collect();
        let later = if job.is_late { self.later(job.sequence) } else { Vec::new() };
        self.address(objects, job.sequence, &job.receipt, later, &targets, &mut |at, delivery| {
            if !job.done.contains(&delivery.id()) {
                send(at, delivery);
            }
        });
    }

    /// Builds what one target wants of a push that waited for it as a whole; `None` where the objects cannot be read.
    pub(super) fn build_for(&self, target: &Target, sequence: u64, receipt: &Receipt) -> Option<Vec<Delivery>> {
        let objects = repository::open(self.common_dir, self.configuration.layout);
        let objects = objects.map_err(|error| error!("{error}")).ok()?;
        let mut deliveries = Vec::new();
        let later = self.later(sequence);
        self.address(&objects, sequence, receipt, later, &[target], &mut |_, delivery| deliveries.push(delivery));
        Some(deliveries)
    }

    /// What was pushed after the push of this number: without it the refs would tell of a later time.
    fn later(&self, sequence: u64) -> Vec<RefUpdate> {
        self.spool.receipts_since(sequence).iter().flat_map(|(_, receipt)| receipt.updates()).collect()
    }

    fn address(
        &self,
        objects: &Objects,
        sequence: u64,
        receipt: &Receipt,
        later: Vec<RefUpdate>,
        targets: &[&Target],
        send: &mut dyn FnMut(usize, Delivery),
    ) {
        let mut addresser = Addresser::new(sequence, receipt, targets);
        self.events(objects, receipt, later, targets, |number, event| addresser.add(number, event, send));
        addresser.finish(send);
    }

    /// Builds the events of each update that any of the targets may want.
    fn events(
        &self,
        objects: &Objects,
        receipt: &Receipt,
        later: Vec<RefUpdate>,
        targets: &[&Target],
        mut take: impl FnMut(u32, Event),
    ) {
        let updates = receipt.updates();
        let is_wanted = |line: &RefEvent| targets.iter().any(|target| target.may_want(&line.update));
        if !receipt.lines.iter().any(is_wanted) {
            return;
        }
        let layout = self.configuration.layout;
        let wanting = targets.iter().filter(|target| updates.iter().any(|update| target.may_want(update)));
        let wanted = wanted_by(wanting.copied());
        let mut reader = Reader::new(self.common_dir, layout, objects, &updates, wanted).rewound(later);
        let environment = receipt.environment();
        let context = context(self.git_dir, self.configuration, &environment, receipt.time, &mut reader);
        let context = Arc::new(context);
        for (number, line) in (0..).zip(&receipt.lines) {
            if is_wanted(line) {
                reader.events(line.event, &line.update, &context).into_iter().for_each(|event| take(number, event));
            }
        }
    }
}

/// Whether there can be any event of such an update.
fn can_be_told(update: &RefUpdate) -> bool {
    event::can_tell_of(&update.name)
}
