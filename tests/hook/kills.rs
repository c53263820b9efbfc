//! Hooks are killed and their disk fails, at every moment there is: no event is lost, none is told under a second id.
//!
//! The number of processes that are killed at random is the variable `GIT_WEBHOOK_KILLS`, 500 where it is not set; for
//! a longer run `GIT_WEBHOOK_KILLS=10000 cargo test --test hook kills`. `GIT_WEBHOOK_SEED` repeats the dice of a run,
//! though not the moments at which the system runs what.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Debug;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Place, Receiver, World, ZERO, read_record};

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

#[test]
fn of_two_pushes_in_a_row_whose_hooks_died_both_are_told() {
    let journal = Arc::new(Journal::default());
    let lab = Lab::new(Arc::clone(&journal));
    for step in 0..2 {
        assert!(lab.run(pre_receive(&lab.world), step, &[]).status.success());
        lab.move_ref(step + 1);
    }
    lab.world.machine_restarts();
    lab.flush();
    let heard: Vec<_> = journal.take().into_iter().map(|heard| heard.update).collect();
    assert_eq!(heard, [lab.update(0), lab.update(1)]);
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn whatever_system_call_fails_or_is_the_last_no_event_is_lost_or_doubled() {
    let lab = || Lab::new(Arc::new(Journal::default()));
    let labs: Vec<_> = thread::scope(|scope| {
        let labs: Vec<_> = (0..3).map(|_| scope.spawn(lab)).collect();
        labs.into_iter().map(|lab| lab.join().unwrap()).collect()
    });
    let cases: Vec<_> = Scene::ALL.into_iter().flat_map(|scene| labs[0].cases(scene)).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for lab in &labs {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = lab.examine(case);
                    failures.lock().unwrap().extend(wrong.into_iter().map(|wrong| format!("{case:?}: {wrong}")));
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    eprintln!("{} cases, {} failures", cases.len(), failures.len());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// After a failed fdatasync nobody knows what is on the disk, and a second one says that all is well.
#[test]
#[ignore = "needs strace: run tests/run"]
fn an_fdatasync_that_fails_is_not_tried_again() {
    for scene in [Scene::Accepted, Scene::Refused, Scene::Announcing] {
        let lab = Lab::new(Arc::new(Journal::default()));
        lab.set(scene);
        let trace = lab.world.path("trace");
        let options = ["-y", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"];
        lab.trace(scene, &trace, &options);
        let text = fs::read_to_string(&trace).unwrap();
        let paths: Vec<_> = text.lines().filter_map(|line| Some(line.split_once('<')?.1.split_once('>')?.0)).collect();
        assert_eq!(paths.len(), paths.iter().collect::<BTreeSet<_>>().len(), "{scene:?}: {text}");
        assert!(!paths.is_empty(), "{scene:?}: {text}");
    }
}

/// A ref update: the ref, where it was, where it is.
type Update = (String, String, String);

fn line((name, old, new): &Update) -> String {
    format!("{old} {new} {name}\n")
}

/// One request that came in whole, and how it was answered.
#[derive(Clone, Debug)]
struct Heard {
    at: Instant,
    id: String,
    update: Update,
    status: u16,
}

/// What a receiver heard.
#[derive(Default)]
struct Journal {
    heard: Mutex<Vec<Heard>>,
}

impl Journal {
    /// A receiver that writes down here what it hears; `answer` gives the status and how long it takes.
    fn receiver(self: &Arc<Self>, answer: impl Fn() -> (u16, Duration) + Send + Sync + 'static) -> Receiver {
        let journal = Arc::clone(self);
        Receiver::wild(move |stream| {
            // It ends when the connection does.
            let _ = journal.serve(&stream, &answer);
        })
    }

    fn serve(&self, mut stream: &TcpStream, answer: &dyn Fn() -> (u16, Duration)) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut id, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
                match line.trim_end().split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("idempotency-key") => id = value.into(),
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.parse().ok()?
                    }
                    _ if line == "\r\n" => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let json: Value = serde_json::from_slice(&body).ok()?;
            let text = |key: &str| json[key].as_str().unwrap().to_owned();
            let update = (text("ref"), text("before"), text("after"));
            let (status, delay) = answer();
            self.heard.lock().unwrap().push(Heard { at: Instant::now(), id, update, status });
            thread::sleep(delay);
            stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
        }
    }

    fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
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

/// The updates that records hold, with the ids of their events.
fn told(records: &[PathBuf]) -> BTreeMap<Update, BTreeSet<String>> {
    let mut told: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for record in records {
        for line in read_record(record)["lines"].as_array().unwrap() {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            told.entry((text("ref"), text("old"), text("new"))).or_default().insert(text("event"));
        }
    }
    told
}

/// What was set aside, whatever it is.
fn dead(world: &World) -> Vec<PathBuf> {
    let targets = fs::read_dir(world.place(Place::AllDead)).into_iter().flatten().flatten();
    targets.flat_map(|target| fs::read_dir(target.path()).unwrap().flatten().map(|entry| entry.path())).collect()
}

fn pre_receive(world: &World) -> Command {
    let mut command = world.command(world.server().join("hooks/pre-receive"), &world.server());
    command.env("GIT_DIR", ".");
    command
}

/// Makes a chain of commits in the bare repository and returns their ids.
fn chain(world: &World, length: usize) -> Vec<String> {
    let commit = |number| {
        format!("commit refs/heads/chain\ncommitter C <c@example.com> {} +0000\ndata 1\nx\n\n", 1_700_000_000 + number)
    };
    let stream: String = (0..length).map(commit).collect();
    let mut import = world.command("git", &world.server());
    let output = world.feed(import.args(["fast-import", "--quiet"]), stream.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.server_git(&["rev-list", "--reverse", "refs/heads/chain"]).lines().map(String::from).collect()
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
    ended: Instant,
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

const LAG: Duration = Duration::from_millis(100);

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
        self.runs.lock().unwrap().push(Run { began, ended, was_killed });
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
        let status = child.wait().unwrap();
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
                    wrong.push(format!("{target} was told out of order, {number} after {before}: {heard:?}"));
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
                    // A receiver may come to read a request when its sender is dead already.
                    let fell_then = |run: &Run| run.was_killed && run.began <= early.at && early.at <= run.ended + LAG;
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

/// A process that is taken for receive-pack, and runs both hooks.
struct ReceivePack {
    shell: Child,
    answers: BufReader<std::process::ChildStdout>,
    began: Instant,
    hook: Option<Pid>,
}

impl ReceivePack {
    /// Runs pre-receive.
    fn start(world: &World, input: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let file = world.path(&format!("input{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::write(&file, input).unwrap();
        let script = r#"hooks/pre-receive <"$1"; echo done; read go
            hooks/post-receive <"$1" >/dev/null 2>&1 & echo $!; read go; wait $!"#;
        let mut shell = world.command("sh", &world.server());
        shell.env("GIT_DIR", ".").args(["-c", script, "git-receive-pack"]).arg(file);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let answers = BufReader::new(shell.stdout.take().unwrap());
        let mut started = Self { shell, answers, began: Instant::now(), hook: None };
        assert_eq!(started.answer(), "done");
        started
    }

    /// Starts post-receive.
    fn go_on(mut self) -> Self {
        self.shell.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let number = self.answer().parse().unwrap();
        Self { began: Instant::now(), hook: Some(Pid::from_raw(number)), ..self }
    }

    /// Waits for post-receive.
    fn end(mut self) -> ExitStatus {
        self.shell.stdin.take().unwrap().write_all(b"\n").unwrap();
        self.shell.wait().unwrap()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().into()
    }
}

/// What is done while a system call fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scene {
    /// post-receive, to a receiver that is well.
    Accepted,
    /// The same, where there is an intent.
    Promoted,
    /// post-receive, to a receiver that is not.
    Refused,
    /// post-receive, behind a delivery that waits.
    Draining,
    /// `git webhook flush` with a delivery that waits.
    Flushing,
    /// `git webhook flush` with an intent whose hook never came.
    Settling,
    /// pre-receive.
    Announcing,
}

impl Scene {
    const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Promoted,
        Self::Refused,
        Self::Draining,
        Self::Flushing,
        Self::Settling,
        Self::Announcing,
    ];
}

/// What happens at a system call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Kill,
    Error(&'static str),
}

/// One system call, by its name and its number among those of a thread, goes wrong.
#[derive(Clone, Copy, Debug)]
struct Case {
    scene: Scene,
    call: &'static str,
    when: usize,
    fault: Fault,
    /// Only calls on the delivery log count, which a thread of its own writes.
    of_log: bool,
}

/// What changes files. `?`: not every machine has them all.
const CALLS: [&str; 7] =
    ["write", "fdatasync", "fsync", "?rename,?renameat,?renameat2", "?unlink,?unlinkat", "ftruncate", "openat"];

/// A repository with one branch that moves along a chain of commits, and one receiver.
struct Lab {
    world: World,
    commits: Vec<String>,
    journal: Arc<Journal>,
    status: Arc<AtomicU16>,
}

impl Lab {
    fn new(journal: Arc<Journal>) -> Self {
        let world = World::new();
        let status = Arc::new(AtomicU16::new(200));
        let shared = Arc::clone(&status);
        world.add_target("ci", &journal.receiver(move || (shared.load(Ordering::SeqCst), Duration::ZERO)), "gitlab");
        let commits = chain(&world, 4);
        let lab = Self { world, commits, journal, status };
        for scene in Scene::ALL {
            lab.prepare(scene);
        }
        lab
    }

    /// The state in which a scene begins is made once, and copied for each case.
    fn prepare(&self, scene: Scene) {
        match scene {
            Scene::Promoted | Scene::Settling => {
                self.move_ref(0);
                self.run(pre_receive(&self.world), 0, &[]);
                self.move_ref(1);
                if scene == Scene::Settling {
                    self.world.machine_restarts();
                }
            }
            Scene::Draining | Scene::Flushing => {
                self.status.store(500, Ordering::SeqCst);
                self.run(self.world.hook(), 0, &[]);
                self.status.store(200, Ordering::SeqCst);
                assert_eq!(self.world.unfinished().len(), 1);
                self.world.backoff_ends("ci");
            }
            Scene::Accepted | Scene::Refused | Scene::Announcing => {}
        }
        let state = self.world.server().join("webhook");
        let copy = self.world.path(&format!("{scene:?}"));
        if state.exists() {
            fs::rename(state, copy).unwrap();
        } else {
            fs::create_dir(copy).unwrap();
        }
        self.journal.take();
    }

    /// Which update of the chain the scene is about.
    fn step(scene: Scene) -> usize {
        usize::from(scene == Scene::Draining)
    }

    fn update(&self, step: usize) -> Update {
        let old = step.checked_sub(1).map_or(ZERO, |before| &self.commits[before]);
        ("refs/heads/main".into(), old.into(), self.commits[step].clone())
    }

    /// Lets the branch stand where it is after so many steps.
    fn move_ref(&self, steps: usize) {
        let path = self.world.server().join("refs/heads/main");
        match steps.checked_sub(1) {
            Some(step) => fs::write(path, format!("{}\n", self.commits[step])).unwrap(),
            None => drop(fs::remove_file(path)),
        }
    }

    fn set(&self, scene: Scene) {
        let state = self.world.server().join("webhook");
        drop(fs::remove_dir_all(&state));
        copy(&self.world.path(&format!("{scene:?}")), &state);
        let is_before = scene == Scene::Announcing;
        self.move_ref(Self::step(scene) + usize::from(!is_before));
        self.status.store(if scene == Scene::Refused { 500 } else { 200 }, Ordering::SeqCst);
        self.journal.take();
    }

    /// Runs a program, below strace where there are options for it, fed with the update of a step.
    fn run(&self, command: Command, step: usize, strace: &[&str]) -> std::process::Output {
        let input = line(&self.update(step));
        if strace.is_empty() {
            let mut command = command;
            return self.world.feed(&mut command, input.as_bytes());
        }
        let mut traced = self.world.command("strace", &self.world.server());
        traced.args(["-f", "-q", "-s", "0"]).args(strace).arg(command.get_program()).args(command.get_args());
        traced.env("GIT_DIR", ".");
        self.world.feed(&mut traced, input.as_bytes())
    }

    /// Plays a scene below strace.
    fn trace(&self, scene: Scene, trace: &Path, options: &[&str]) -> std::process::Output {
        let options = [&["-o", trace.to_str().unwrap()], options].concat();
        let command = match scene {
            Scene::Announcing => pre_receive(&self.world),
            Scene::Flushing | Scene::Settling => {
                let mut command = self.world.webhook_command();
                command.args(["flush", "--now"]);
                command
            }
            _ => self.world.hook(),
        };
        self.run(command, Self::step(scene), &options)
    }

    /// All that can go wrong in a scene.
    fn cases(&self, scene: Scene) -> Vec<Case> {
        self.set(scene);
        let trace = self.world.path("trace");
        let calls = format!("trace={}", CALLS.join(","));
        let output = self.trace(scene, &trace, &["-e", &calls]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(&trace).unwrap();
        let mut cases = Vec::new();
        for call in CALLS {
            for name in call.split(',').map(|name| name.trim_start_matches('?')) {
                let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
                let mut numbers = BTreeSet::new();
                for line in text.lines() {
                    let Some((pid, rest)) = line.split_once(' ') else { continue };
                    if rest.trim_start().starts_with(&format!("{name}(")) {
                        let count = counts.entry(pid).or_default();
                        *count += 1;
                        if name != "openat" || ["webhook/", "refs"].iter().any(|part| rest.contains(part)) {
                            numbers.insert(*count);
                        }
                    }
                }
                let faults = [Fault::Kill, Fault::Error("EIO"), Fault::Error("ENOSPC")];
                let faults = faults.into_iter().filter(|fault| name != "openat" || *fault != Fault::Kill);
                for fault in faults {
                    let name = CALLS.iter().flat_map(|call| call.split(',')).find(|it| it.ends_with(name)).unwrap();
                    let case = |when| Case { scene, call: name, when, fault, of_log: false };
                    cases.extend(numbers.iter().map(|number| case(*number)));
                    if name == "write" && scene != Scene::Announcing {
                        cases.push(Case { of_log: true, ..case(1) });
                    }
                }
            }
        }
        cases
    }

    fn flush(&self) {
        for _ in 0..3 {
            let output = self.world.webhook(&["flush", "--now"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            if self.world.unfinished().is_empty() {
                break;
            }
        }
    }

    /// What is wrong after a case: with the push itself, one that follows on it and a flush.
    fn examine(&self, case: &Case) -> Vec<String> {
        let Case { scene, call, when, fault, of_log } = *case;
        self.set(scene);
        let fault_option = match fault {
            Fault::Kill => "signal=KILL".into(),
            Fault::Error(error) => format!("error={error}"),
        };
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:{fault_option}:when={when}");
        let mut options = vec!["-e", &trace, "-e", &inject];
        let log = self.world.place(Place::LogOn(&day()));
        if of_log {
            options.extend(["-P", log.to_str().unwrap()]);
        }
        let output = self.trace(scene, &self.world.path("trace"), &options);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut wrong = Vec::new();
        let was_killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
        let is_flush = matches!(scene, Scene::Flushing | Scene::Settling);
        if fault != Fault::Kill && !is_flush && !output.status.success() {
            wrong.push(format!("{}: {said}", output.status));
        }
        let update = self.update(Self::step(scene));
        let mut next = Self::step(scene) + 1;
        let mut expected = vec![];
        if scene == Scene::Draining {
            expected.push(self.update(0));
        }
        if scene == Scene::Announcing {
            if was_killed {
                // git refuses the push, and the next one begins where this one did.
                next = 0;
            } else {
                self.move_ref(1);
                self.run(self.world.hook(), 0, &[]);
                expected.push(update.clone());
            }
        } else {
            let records = [self.world.intents(), self.world.receipts(), self.world.settled()].concat();
            let is_kept = told(&records).contains_key(&update);
            if is_kept || !was_killed {
                expected.push(update.clone());
            }
        }
        let is_loud = said.contains("cannot be written down");
        self.status.store(200, Ordering::SeqCst);
        if matches!(scene, Scene::Promoted | Scene::Settling | Scene::Announcing) {
            self.run(pre_receive(&self.world), next, &[]);
        }
        self.move_ref(next + 1);
        let second = self.run(self.world.hook(), next, &[]);
        expected.push(self.update(next));
        if !second.status.success() || String::from_utf8_lossy(&second.stderr).contains("cannot") {
            wrong.push(format!("the second push: {}", String::from_utf8_lossy(&second.stderr)));
        }
        self.world.machine_restarts();
        self.flush();
        let waiting = self.world.unfinished();
        if !waiting.is_empty() {
            wrong.push(format!("still waits: {waiting:?}"));
        }
        let dead = dead(&self.world);
        if !dead.is_empty() {
            wrong.push(format!("set aside: {dead:?}"));
        }
        let heard = self.journal.take();
        let taken: Vec<_> = heard.iter().filter(|heard| heard.status == 200).collect();
        let mut first: Vec<Update> = Vec::new();
        for heard in &taken {
            if !first.contains(&heard.update) {
                first.push(heard.update.clone());
            }
        }
        for update in &first {
            let ids: BTreeSet<_> =
                heard.iter().filter(|heard| heard.update == *update).map(|heard| &heard.id).collect();
            if ids.len() > 1 {
                wrong.push(format!("{} has the ids {ids:?}", line(update).trim_end()));
            }
            let count = taken.iter().filter(|heard| heard.update == *update).count();
            if count > 1 && !was_killed && !said.contains("it will be delivered once more") {
                wrong.push(format!("{} was told {count} times", line(update).trim_end()));
            }
        }
        first.retain(|it| was_killed || expected.contains(it));
        let lost: Vec<_> = expected.iter().filter(|update| !first.contains(update)).collect();
        let is_told_loudly = is_loud && lost == [&update];
        if !lost.is_empty() && !is_told_loudly {
            wrong.push(format!("lost: {lost:?}"));
        }
        first.retain(|it| expected.contains(it));
        let in_order: Vec<_> = expected.iter().filter(|it| first.contains(it)).collect();
        if first.iter().collect::<Vec<_>>() != in_order && !is_loud {
            wrong.push(format!("out of order: {first:?}"));
        }
        if self.world.log().contains("panic") {
            wrong.push(format!("panicked: {}", self.world.log()));
        }
        if !wrong.is_empty() {
            wrong.push(format!("said {said:?}, logged {:?}", self.world.log()));
        }
        wrong
    }
}

/// Today's file of the delivery log.
fn day() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
