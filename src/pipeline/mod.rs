//! From the ref updates of a push to its deliveries, for the hook and for the verbs alike: accept, recover, describe, fan
//! out, deliver.

mod accept;
mod fan_out;
mod review_options;
mod home;
mod describe;
mod reviewed_push;
mod reviews;
mod recover;
mod redeliver;
mod outcomes;
mod untold;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::OnceLock;

use log::error;
use uuid::Uuid;

use crate::alarm;
use crate::config::{BrokenTarget, Configuration, Configured};
use crate::delivery::Delivery;
use crate::dispatch::{Allowed, Dispatcher, TargetSession};
use crate::event;
use crate::files::FileError;
use crate::history::{self, History};
use crate::message;
use crate::process::Environment;
use crate::ref_update::{ObjectId, RefEvent, RefName, RefUpdate};
use crate::repository::{self, Links, OpenError};
use crate::schedule::Unsettled;
use crate::spool::{Asked, OwnedReceipt, Receipt, Spool};
use crate::state_dir::StateDir;
use crate::target::{Target, TargetName};

pub use accept::{Accepted, Unkept, accept, fresh};
pub use describe::{Scene, Withheld, wanted_by};
pub use fan_out::{FanOut, alone};
pub use home::Displaced;
pub use redeliver::{PutBack, PutBackPushes, Source};

/// One repository with its targets, its spool and its log.
pub struct Pipeline<'a> {
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
    /// Whether it is another repository's copy, once that was asked.
    is_in_copy: OnceLock<bool>,
    /// The directory names of what waited when that was first asked.
    waiting: OnceLock<BTreeSet<String>>,
}

/// A receipt whose deliveries are to be made.
pub struct Job {
    /// The receipt, to be settled; `None` where it could not be written down.
    owned: Option<OwnedReceipt>,
    receipt: Receipt,
    sequence: u64,
    /// Deliveries that an earlier process has made or queued.
    done: HashSet<Uuid>,
}

impl Job {
    /// The push this process was started for.
    pub fn own(owned: OwnedReceipt) -> Self {
        let (receipt, sequence) = (owned.receipt.clone(), owned.sequence);
        Self { owned: Some(owned), receipt, sequence, done: HashSet::new() }
    }

    /// A push whose receipt could not be written down.
    pub fn unkept(receipt: Receipt, sequence: u64) -> Self {
        Self { owned: None, receipt, sequence, done: HashSet::new() }
    }

    /// Without these deliveries, which are made.
    pub fn without(self, done: HashSet<Uuid>) -> Self {
        Self { done, ..self }
    }

    /// The receipt's number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl<'a> Pipeline<'a> {
    /// That of the repository at `git_dir`.
    pub fn new(git_dir: &'a Path, common_dir: &'a Path, configuration: &'a Configuration) -> Self {
        Self::over(StateDir::new(common_dir, configuration.settings.shared), git_dir, common_dir, configuration)
    }

    /// The same over a state directory that somebody has opened.
    pub fn over(state: StateDir, git_dir: &'a Path, common_dir: &'a Path, configuration: &'a Configuration) -> Self {
        let history = History::new(&state);
        let targets = configuration.ready().collect();
        let (spool, is_in_copy, waiting) = (Spool::new(state), OnceLock::new(), OnceLock::new());
        Self { git_dir, common_dir, configuration, spool, history, targets, is_in_copy, waiting }
    }

    /// A run over the repository's targets that may hold up a push for so long, or take as long as it needs.
    pub fn run(&self, allowed: Option<Allowed>) -> Dispatcher<'_> {
        let shrink = |target: &Target, delivery: &Delivery, most| self.shrunk(target, delivery, most);
        let run = Dispatcher::new(&self.spool, &self.history, &self.targets, allowed);
        let run = run.noting_standing(self.configuration.settings.on_failure.is_some());
        let run = run.through(self.configuration.settings.via.broker());
        run.shrinking(Box::new(shrink)).passing_backlog(self.is_in_copy())
    }

    /// Has somebody told of targets that have gone bad or recovered, where `webhook.onFailure` says whom; what a copy of the
    /// repository holds is told by the other.
    pub fn raise_alarm(&self) {
        if !self.is_in_copy() {
            alarm::raise(self.git_dir, &self.spool, self.configuration);
        }
    }

    /// What there is to write down of a push.
    pub fn receipt(&self, lines: Vec<RefEvent>, environment: &Environment) -> Receipt {
        let asked = |target: &Configured| Asked::new(target.name(), &lines, |update| may_want(target, update));
        let asked = self.asked().map(asked).collect();
        Receipt::new(lines, environment, &self.configuration.settings.user_variables).asking(asked)
    }

    /// The targets that are asked whether they want a push: those that are enabled.
    pub fn asked(&self) -> impl Iterator<Item = &Configured> {
        self.configuration.targets.iter().filter(|target| target.switch().is_on())
    }

    /// Whether any target wants any of the updates, or cannot tell before it is configured rightly.
    pub fn is_wanted(&self, updates: &[RefUpdate]) -> bool {
        self.asked().any(|target| updates.iter().any(|update| may_want(target, update)))
    }

    /// Whether it has to be known of the updates that they were pushed, though nobody is told: of a copy of another server's
    /// repository a target would hear of them, or one that is disabled once it is enabled, from whoever compares the refs with
    /// what is known of pushes.
    pub fn is_to_be_known(&self, updates: &[RefUpdate], is_copied: bool) -> bool {
        let has_disabled = || self.configuration.targets.iter().any(|target| !target.switch().is_on());
        (is_copied || has_disabled()) && updates.iter().any(can_make_event) && self.spool.has_snapshot()
    }

    /// Writes down what was pushed and is told to nobody.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn know(&self, updates: Vec<RefUpdate>, environment: &Environment) -> Result<(), FileError> {
        let nobody = |lines| Receipt::new(lines, environment, &[]).asking(Vec::new());
        match accept(&self.spool, updates, &nobody, &|| self.refs()) {
            Accepted::Kept(owned) | Accepted::Left(owned) => self.spool.settle(*owned, &history::today()),
            Accepted::Already => {}
            Accepted::Unkept(failed) => return Err(failed.error),
        }
        Ok(())
    }

    /// The names of enabled targets that cannot be used.
    fn waiting_targets(&self) -> impl Iterator<Item = &BrokenTarget> {
        self.configuration.broken().filter(|target| target.switch.is_on())
    }

    /// What git said of symbolic refs, as updates of those that they lead to. One that was pushed by both names is one.
    pub fn behind_links(&self, updates: Vec<RefUpdate>) -> Vec<RefUpdate> {
        let links = Links::new(self.common_dir, self.configuration.layout);
        let mut by_alias = HashSet::new();
        let behind = |update: RefUpdate| match links.behind(&update.name, update.new.is_none()) {
            Some(name) => {
                let update = update.behind(name);
                by_alias.insert(update.clone());
                update
            }
            None => update,
        };
        let mut updates: Vec<_> = updates.into_iter().map(behind).collect();
        updates.retain(|update| update.alias.is_some() || !by_alias.contains(update));
        let mut seen = HashSet::new();
        updates.retain(|update| update.alias.is_none() || seen.insert(update.clone()));
        updates
    }

    /// Where all refs stand now, a symbolic one where that stands which it leads to: by its name too it may have been
    /// pushed. `None` where they cannot be read, which is logged.
    pub fn refs(&self) -> Option<HashMap<RefName, ObjectId>> {
        let refs = repository::all(self.common_dir, self.configuration.layout);
        let refs = refs.map_err(|error| error!("{error}")).ok()?;
        let mut now: HashMap<_, _> = refs.direct.into_iter().collect();
        let led_to = refs.symbolic.into_iter().filter_map(|(name, target)| Some((name, *now.get(&target)?)));
        let led_to: Vec<_> = led_to.collect();
        now.extend(led_to);
        Some(now)
    }

    /// Builds and sends what the receipts tell, queues what is not delivered, and settles them.
    ///
    /// # Errors
    /// Where the objects cannot be read: the receipts stay as they are, for a later run.
    pub fn deliver(&self, run: &Dispatcher<'_>, mut jobs: Vec<Job>) -> Result<(), OpenError> {
        jobs.sort_by_key(|job| job.sequence);
        // Before the queues are looked at: what is built now comes behind what waited for a wrong name.
        self.hand_over_deferred();
        let targets = &self.targets;
        let wants = |target: &Target| {
            let mut lines = jobs.iter().flat_map(|job| &job.receipt.lines);
            lines.any(|line| target.may_want(&line.update))
        };
        let wanting: Vec<usize> = (0..targets.len()).filter(|at| wants(targets[*at])).collect();
        if !wanting.is_empty() {
            let objects = repository::open(self.common_dir, self.configuration.layout)?;
            let in_time = wanting.iter().take_while(|_| !run.leaves());
            let mut sessions: Vec<TargetSession<'_>> = in_time.map(|at| run.open(*at)).collect();
            let wanting = &wanting[..sessions.len()];
            let own: HashSet<_> = jobs.iter().map(|job| job.sequence).collect();
            let is_alone = jobs.iter().map(|job| job.receipt.lines.len()).sum::<usize>() == 1;
            run.deliver(
                &mut sessions,
                is_alone,
                || if run.passes_backlog() { Unsettled::default() } else { self.unsettled(&own) },
                |send| {
                    for job in &mut jobs {
                        // A mistake of ours over one push's objects must not end every run from now on, nor hold up
                        // others: its receipt waits for a better program.
                        let build = || self.build(&objects, job, wanting, &|| run.leaves(), send);
                        match panic::catch_unwind(AssertUnwindSafe(build)) {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => {
                                error!("{error}");
                                run.lose();
                            }
                            Err(_) => {
                                error!("{}", message::push_untold(job.sequence));
                                self.set_stuck(job);
                            }
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

    fn set_stuck(&self, job: &mut Job) {
        if let Some(Err(error)) = job.owned.take().map(|owned| self.spool.set_stuck(&owned)) {
            error!("{error}");
        }
    }

    /// Crash: whatever is delivered is in the log, whatever is not is in a queue, both before the receipt is put away.
    fn settle(&self, run: &Dispatcher<'_>, jobs: Vec<Job>) {
        for job in &jobs {
            if job.receipt.lines.iter().any(|line| can_make_event(&line.update)) {
                for BrokenTarget { name, origin, .. } in self.waiting_targets().take_while(|_| !run.leaves()) {
                    self.defer(run, (name, origin.as_deref()), job.sequence, &job.receipt);
                }
                let targets = self.targets.iter();
                let withheld = targets.filter_map(|target| Some((target, self.withheld(target, &job.receipt)?)));
                for (target, receipt) in withheld.take_while(|_| !run.leaves()) {
                    self.defer(run, (&target.name, Some(&target.address.origin())), job.sequence, &receipt);
                }
            }
        }
        if run.is_safe() && !run.is_unfinished() {
            let day = history::today();
            jobs.into_iter().filter_map(|job| job.owned).for_each(|owned| self.spool.settle(owned, &day));
        }
    }

    fn defer(
        &self,
        run: &Dispatcher<'_>,
        (name, origin): (&TargetName, Option<&str>),
        sequence: u64,
        receipt: &Receipt,
    ) {
        if let Err(error) = self.spool.queue(name).defer(name, origin, sequence, receipt) {
            error!("{}", message::about_target(name, error));
            run.lose();
        }
    }

    /// Sends what waits in all queues and is due, and makes dead letters of what waits for targets that are no more.
    pub fn tend(&self, run: &Dispatcher<'_>) {
        if run.passes_backlog() {
            return;
        }
        let none = HashSet::new();
        let build = |target: &Target, sequence: u64, receipt: &Receipt| self.build_for(target, sequence, receipt);
        let has_any =
            |(_, target): &(usize, &&Target)| target.switch.is_on() && !self.spool.queue(&target.name).is_empty();
        let waiting: Vec<usize> = self.targets.iter().enumerate().filter(has_any).map(|(at, _)| at).collect();
        run.tend_all(&waiting, &|| self.unsettled(&none), &build);
        self.make_removed_dead();
    }

    /// Makes dead letters of what has waited for too long behind targets that do not answer.
    pub fn expire(&self, run: &Dispatcher<'_>) {
        (0..self.targets.len()).for_each(|at| run.expire(at));
    }
}

/// Whether a target may want an update, or cannot tell before it is configured rightly.
pub fn may_want(target: &Configured, update: &RefUpdate) -> bool {
    target.ready().map_or_else(|| can_make_event(update), |target| target.may_want(update))
}

/// Whether there can be any event of such an update.
fn can_make_event(update: &RefUpdate) -> bool {
    event::can_tell_of(&update.name)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::event::{Event, EventKind, EventName, Push};
    use crate::format::{self, Exchange, Format, Limits, Payload};
    use crate::target::Address;
    use crate::target::tests::{target, update};

    /// Whether the mistake is still in the program.
    static IS_WRONG: AtomicBool = AtomicBool::new(true);

    /// A format with a mistake: it panics over the creation of a branch.
    static MISTAKEN: Format = Format {
        name: "gitlab",
        forge: "",
        hosts: &[],
        events: &[(EventName::Push, "push")],
        wants: event::Wanted::NOTHING,
        each: tell,
        whole: None,
        ping: None,
        headers: |_, _| Vec::new(),
        forms: None,
        has_extras: false,
        is_stamped: false,
        is_chat: false,
        sign: |_, _| Vec::new(),
        exchange: Exchange::POST,
    };

    fn tell(event: &Event, _: EventName, _: &Limits) -> Option<Payload> {
        let EventKind::Push(Push { update, .. }) = &event.kind else { return None };
        assert!(!IS_WRONG.load(Ordering::Relaxed) || update.old.is_some(), "a mistake of ours, on purpose");
        Some(Payload::new("push", update.after().into_bytes()))
    }

    /// Answers with these statuses in turn, and tells the bodies that came, but for their ends.
    fn receiver(statuses: &'static [u16]) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let serve = move || {
            let answer = |status: &u16| {
                let mut stream = listener.accept().unwrap().0;
                let mut seen = Vec::new();
                while !seen.ends_with(&[b'1'; 40]) && !seen.ends_with(&[b'2'; 40]) && !seen.ends_with(&[b'3'; 40]) {
                    let mut bytes = [0; 4096];
                    let count = stream.read(&mut bytes).unwrap();
                    assert_ne!(count, 0, "{}", seen.escape_ascii());
                    seen.extend(&bytes[..count]);
                }
                let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
                String::from_utf8(seen[seen.len() - 1..].to_vec()).unwrap()
            };
            statuses.iter().map(answer).collect()
        };
        (url, thread::spawn(serve))
    }

    #[test]
    fn a_push_whose_events_cannot_be_built_holds_up_nothing_but_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::create_dir(path.join("objects")).unwrap();
        std::fs::write(path.join("config"), "[core]\n\tbare = true\n").unwrap();
        let environment = Environment::new([("GIT_CONFIG_NOSYSTEM".into(), "1".into())]);
        let configuration = Configuration::read(path, path, &environment).unwrap();
        // The ref's next push fails once.
        let (url, receiver) = receiver(&[503, 200, 200, 200]);
        let address = Address::parse(&url).unwrap();
        let (timeout, retry_for) = (Duration::from_secs(60), Duration::from_secs(86_400));
        let ci = Target { address, timeout, retry_for, format: &MISTAKEN, ..target(&[EventName::Push], "") };
        let pipeline = || Pipeline { targets: vec![&ci], ..Pipeline::new(path, path, &configuration) };
        let pipeline = pipeline();
        for update in
            [update('0', '1', "refs/heads/a"), update('1', '2', "refs/heads/a"), update('1', '3', "refs/heads/b")]
        {
            pipeline.spool.keep(Receipt::new(fresh(vec![update]), &environment, &[])).unwrap();
        }
        for round in 0..2 {
            let run = pipeline.run(None).at_once(true);
            pipeline.spool.retry_stuck();
            pipeline.deliver(&run, pipeline.take_over(&[].into(), Duration::MAX)).unwrap();
            pipeline.tend(&run);
            assert!(run.is_safe(), "{round}");
            assert_eq!(pipeline.spool.stuck().len(), 1, "{round}");
            assert_eq!(pipeline.spool.receipts(&[].into()).len(), 0, "{round}");
        }
        assert!(pipeline.spool.queue(&ci.name).is_empty());
        IS_WRONG.store(false, Ordering::Relaxed);
        let run = pipeline.run(None);
        pipeline.spool.retry_stuck();
        pipeline.deliver(&run, pipeline.take_over(&[].into(), Duration::MAX)).unwrap();
        assert!(pipeline.spool.stuck().is_empty() && pipeline.spool.receipts(&[].into()).is_empty());
        let mut heard = receiver.join().unwrap();
        assert_eq!(heard.pop().as_deref(), Some("1"));
        heard.sort();
        assert_eq!(heard.len(), 3);
        assert!(heard.contains(&"2".into()) && heard.contains(&"3".into()), "{heard:?}");
        assert!(format::find("gitlab").is_some(), "records name a format that there is");
    }
}
