//! Many pushes at once, whose hooks are killed at random moments.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};

use super::receive_pack::ReceivePack;
use crate::support::{Ends, Heard, Journal, Update, World, ZERO, chain, dead, line, told};

#[test]
fn sigkill_at_random_moments_loses_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("GIT_WEBHOOK_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    });
    eprintln!("GIT_WEBHOOK_SEED={seed}");
    let storm = Storm::new(seed, number("GIT_WEBHOOK_KILLS").unwrap_or(500) as usize);
    thread::scope(|scope| {
        let pushers = [Kind::Bare, Kind::Bare, Kind::Announced, Kind::UnderReceivePack];
        let storm = &storm;
        let pushers = pushers.into_iter().zip(0..);
        let pushers: Vec<_> = pushers.map(|(kind, number)| scope.spawn(move || storm.push(kind, number))).collect();
        let timer = scope.spawn(|| storm.flush());
        let ends: Vec<_> = pushers.into_iter().map(|pusher| pusher.join().is_ok()).collect();
        storm.is_over.store(true, Ordering::Relaxed);
        timer.join().unwrap();
        assert!(ends.iter().all(|end| *end));
    });
    storm.calm();
    storm.check();
}

/// Random numbers (SplitMix64).
struct Dice(AtomicU64);

impl Dice {
    /// A number below `end`.
    fn below(&self, end: u64) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// How the pushes of one pusher come to their hooks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// post-receive is installed alone.
    Bare,
    /// So is pre-receive, and both are run by a program that is no receive-pack.
    Announced,
    /// Both run below a receive-pack; the next push may come while the last one's post-receive is at work.
    UnderReceivePack,
}

/// A process that ran, and whether it was killed.
struct Run {
    began: Instant,
    was_killed: bool,
}

/// A push that git accepted, or did not since its pre-receive was killed.
struct Push {
    updates: Vec<Update>,
    was_accepted: bool,
    is_announced: bool,
    has_finished: bool,
}

/// Many pushes, and something that kills their hooks.
struct Storm {
    world: World,
    commits: Vec<String>,
    dice: Arc<Dice>,
    is_calm: Arc<AtomicBool>,
    is_over: AtomicBool,
    /// How many processes are to be started.
    wanted: usize,
    started: AtomicUsize,
    /// How long a hook runs that is left alone, in microseconds.
    usual: AtomicU64,
    journals: [(&'static str, Arc<Journal>); 2],
    runs: Mutex<Vec<Run>>,
    pushes: Mutex<Vec<Push>>,
}

const REFS_OF_PUSHER: u64 = 3;

/// A delivery that failed so often holds up newer ones of its ref no longer.
const LETS_PASS: u64 = 5;

impl Storm {
    fn new(seed: u64, wanted: usize) -> Self {
        let world = World::new();
        let (dice, is_calm) = (Arc::new(Dice(AtomicU64::new(seed))), Arc::new(AtomicBool::new(false)));
        let journals = [("ci", Arc::default()), ("chat", Arc::default())];
        for (name, journal) in &journals {
            let journal: &Arc<Journal> = journal;
            let (dice, is_calm, is_moody) = (Arc::clone(&dice), Arc::clone(&is_calm), *name == "ci");
            let receiver = journal.receiver(move || match dice.below(20) {
                _ if is_calm.load(Ordering::Relaxed) => (200, Duration::ZERO),
                0..2 if is_moody => (500, Duration::ZERO),
                2..4 => (200, Duration::from_millis(dice.below(60))),
                _ => (200, Duration::ZERO),
            });
            world.add_target(name, &receiver, "gitlab");
        }
        let commits = chain(&world, wanted + 10);
        Self {
            world,
            commits,
            dice,
            is_calm,
            is_over: AtomicBool::new(false),
            wanted,
            started: AtomicUsize::new(0),
            usual: AtomicU64::new(30_000),
            journals,
            runs: Mutex::default(),
            pushes: Mutex::default(),
        }
    }

    /// Pushes along a few refs of its own, to the end.
    fn push(&self, kind: Kind, number: usize) {
        let mut at = vec![(0, ZERO.to_owned()); REFS_OF_PUSHER as usize];
        while self.started.load(Ordering::Relaxed) < self.wanted {
            thread::scope(|scope| {
                let at_once = if kind == Kind::UnderReceivePack { 1 + self.dice.below(2) } else { 1 };
                let which = 1 + self.dice.below((1 << REFS_OF_PUSHER) - 1);
                for _ in 0..at_once {
                    let refs = (0..at.len()).filter(|place| which & (1 << place) != 0);
                    let update = |place: usize| {
                        at[place].0 += 1;
                        let new = self.commits[at[place].0].clone();
                        (format!("refs/heads/p{number}-{place}"), at[place].1.clone(), new)
                    };
                    let updates: Vec<_> = refs.clone().map(update).collect();
                    let input: String = updates.iter().map(line).collect();
                    let mut push =
                        Push { updates, was_accepted: true, is_announced: kind != Kind::Bare, has_finished: false };
                    let mut shell = None;
                    if kind == Kind::UnderReceivePack {
                        shell = Some(ReceivePack::start(&self.world, &input));
                    } else if kind == Kind::Announced {
                        let mut hook =
                            self.world.command(self.world.server().join("hooks/pre-receive"), Path::new("/"));
                        hook.current_dir(self.world.server()).env("GIT_DIR", ".");
                        push.was_accepted = self.run(hook, &input);
                    }
                    if push.was_accepted {
                        self.move_refs(&push.updates);
                        refs.zip(&push.updates).for_each(|(place, update)| at[place].1 = update.2.clone());
                    }
                    let shell = shell.map(ReceivePack::go_on);
                    scope.spawn(move || {
                        push.has_finished = push.was_accepted
                            && match shell {
                                Some(shell) => self.strike(shell),
                                None => self.run(self.world.hook(), &input),
                            };
                        self.pushes.lock().unwrap().push(push);
                    });
                }
            });
        }
    }

    /// What a timer does.
    fn flush(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let mut command = self.world.webhook_command();
            command.args(["flush", "--now"]);
            self.run(command, "");
            thread::sleep(Duration::from_millis(self.dice.below(100)));
        }
    }

    fn move_refs(&self, updates: &[Update]) {
        let lines: String = updates.iter().map(|(name, old, new)| format!("update {name} {new} {old}\n")).collect();
        let mut git = self.world.command("git", &self.world.server());
        let output = self.world.feed(git.args(["update-ref", "--stdin"]), lines.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// How long the next one is to live; few are left alone.
    fn life(&self) -> Option<Duration> {
        self.started.fetch_add(1, Ordering::Relaxed);
        let usual = self.usual.load(Ordering::Relaxed);
        (self.dice.below(8) > 0).then(|| Duration::from_micros(self.dice.below(usual * 5 / 4)))
    }

    fn note(&self, began: Instant, status: ExitStatus, life: Option<Duration>) -> bool {
        let was_killed = !status.success();
        let ended = Instant::now();
        if life.is_none() {
            assert!(!was_killed, "{status}");
            let usual = self.usual.load(Ordering::Relaxed);
            self.usual.store((usual * 7 + (ended - began).as_micros() as u64) / 8, Ordering::Relaxed);
        }
        self.runs.lock().unwrap().push(Run { began, was_killed });
        !was_killed
    }

    /// Runs a program that is killed at some time; whether it ended before.
    fn run(&self, mut command: Command, input: &str) -> bool {
        let life = self.life();
        let began = Instant::now();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        if let Some(life) = life {
            thread::sleep(life);
            child.kill().unwrap();
        }
        let status = child.ends().status;
        assert!(status.success() || status.signal() == Some(9), "{status}");
        self.note(began, status, life)
    }

    /// The same with a post-receive below a receive-pack.
    fn strike(&self, shell: ReceivePack) -> bool {
        let life = self.life();
        if let Some(life) = life {
            thread::sleep(life);
            // The shell has not waited for it, so that nobody else can have its number.
            kill(shell.hook.unwrap(), Signal::SIGKILL).unwrap();
        }
        let began = shell.began;
        let status = shell.end();
        assert!(status.success() || status.code() == Some(128 + 9), "{status}");
        self.note(began, status, life)
    }

    /// All receivers are well, and what waits is sent.
    fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
        self.world.machine_restarts();
        for _ in 0..20 {
            let output = self.world.webhook(&["flush", "--now"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            if self.world.unfinished().is_empty() {
                return;
            }
        }
        panic!("it still waits: {:#?}", self.world.unfinished());
    }

    fn check(&self) {
        let (runs, pushes) = (self.runs.lock().unwrap(), self.pushes.lock().unwrap());
        let log = self.world.log();
        assert!(!log.contains("panic"), "{log}");
        assert_eq!(dead(&self.world), [] as [PathBuf; 0], "{log}");
        let settled = told(&self.world.settled());
        let twice: Vec<_> = settled.iter().filter(|(_, events)| events.len() > 1).collect();
        assert!(twice.is_empty(), "one update, several events: {twice:#?}");
        let is_kept = |push: &Push, update: &Update| {
            push.was_accepted && (push.has_finished || push.is_announced || settled.contains_key(update))
        };
        let updates = || pushes.iter().flat_map(|push| push.updates.iter().map(move |update| (push, update)));
        let kept: HashSet<_> = updates().filter(|(push, update)| is_kept(push, update)).map(|(_, it)| it).collect();
        let refused: HashSet<_> = updates().filter(|(push, _)| !push.was_accepted).map(|(_, update)| update).collect();
        let (mut wrong, mut count) = (Vec::new(), [0; 2]);
        let attempts = self.world.attempts();
        let of_id = |id: &str| attempts.iter().filter(|line| line["id"] == id).collect::<Vec<_>>();
        for (target, journal) in &self.journals {
            let heard = journal.take();
            let mut delivered: BTreeMap<&Update, Vec<&Heard>> = BTreeMap::new();
            let mut latest = BTreeMap::new();
            for heard in &heard {
                if refused.contains(&heard.update) {
                    wrong.push(format!("{target} was told of a refused push: {heard:?}"));
                }
                if heard.status != 200 {
                    continue;
                }
                let seen = delivered.entry(&heard.update).or_default();
                seen.push(heard);
                let number = self.commits.iter().position(|commit| *commit == heard.update.2).unwrap();
                if seen.len() > 1 {
                    continue;
                }
                if let Some(before) = latest.insert(&heard.update.0, number)
                    && before > number
                {
                    let tried = of_id(&heard.id);
                    if !tried.iter().any(|line| line["attempt"].as_u64().is_some_and(|number| number > LETS_PASS)) {
                        let said = format!("{number} after {before}: {heard:?}, {tried:#?}");
                        wrong.push(format!("{target} was told out of order, {said}"));
                    }
                }
            }
            for update in &kept {
                if !delivered.contains_key(*update) {
                    wrong.push(format!("{target} was not told of {update:?}"));
                }
            }
            for update in heard.iter().map(|heard| &heard.update).collect::<BTreeSet<_>>() {
                let ids: BTreeSet<_> =
                    heard.iter().filter(|heard| heard.update == *update).map(|heard| &heard.id).collect();
                if ids.len() > 1 {
                    wrong.push(format!("{target} was told of {update:?} under the ids {ids:?}"));
                }
            }
            for told in delivered.values().filter(|told| told.len() > 1) {
                count[1] += told.len() - 1;
                for early in &told[..told.len() - 1] {
                    // A receiver may come to read a request long after its sender has died.
                    let fell_then = |run: &Run| run.was_killed && run.began <= early.at;
                    if !runs.iter().any(fell_then) {
                        wrong.push(format!("{target} was told twice, and none was killed: {told:?}"));
                    }
                }
            }
            count[0] += delivered.len();
        }
        let killed = runs.iter().filter(|run| run.was_killed).count();
        let refused = refused.len();
        eprintln!(
            "{} starts, {killed} killed; {} updates, {refused} refused, {} kept; {} delivered to two targets, {} twice; {} wrong",
            runs.len(),
            updates().count(),
            kept.len(),
            count[0],
            count[1],
            wrong.len(),
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(runs.len() >= self.wanted && killed * 4 > runs.len(), "too few were killed");
    }
}
