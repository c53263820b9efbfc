//! Real pushes by several pushers, whose processes are killed at random and whose disk is full now and then; at the end a
//! ledger: what was lost, doubled, out of order, told under two ids or with wrong commits.
//!
//! `cargo bench --bench storm`; `GIT_WEBHOOK_KILLS` says how many processes are killed, 300 where it is not set. Run as root
//! it gives the repository's state a file system of its own, which is filled now and then.

#[path = "storm/ledger.rs"]
mod ledger;
#[path = "support/git.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use ledger::{Heard, Ledger, that_let_pass};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use support::{git, run};

const PUSHERS: usize = 4;
const BRANCHES: u64 = 3;
const TARGETS: [&str; 2] = ["ci", "chat"];

/// The state's file system, in KiB: receipts and log of all pushes have to find room, two and a half for each kill, or it is
/// full for good. And how long it is full.
const DISK: usize = 64 << 10;
const DISK_A_KILL: usize = 32;
const FULL_FOR: Duration = Duration::from_millis(300);

/// Set where the program runs in a mount namespace of its own.
const INSIDE: &str = "GIT_WEBHOOK_STORM_INSIDE";

fn main() {
    if geteuid().is_root() && std::env::var_os(INSIDE).is_none() {
        let own = std::env::current_exe().expect("this program");
        let status = Command::new("unshare").arg("-m").arg(own).env(INSIDE, "1").status().expect("unshare runs");
        std::process::exit(status.code().unwrap_or(1));
    }
    let wanted = std::env::var("GIT_WEBHOOK_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
    let storm = Storm::new(directory.path(), wanted);
    let began = Instant::now();
    thread::scope(|scope| {
        let pushers: Vec<_> = (0..PUSHERS)
            .map(|number| {
                scope.spawn({
                    let storm = &storm;
                    move || storm.push(number)
                })
            })
            .collect();
        let timer = scope.spawn(|| storm.flush());
        let disk = scope.spawn(|| storm.fill_disk());
        pushers.into_iter().for_each(|pusher| pusher.join().expect("a pusher ends"));
        storm.is_over.store(true, Ordering::Relaxed);
        timer.join().expect("the timer ends");
        disk.join().expect("the disk is empty again");
    });
    storm.calm();
    let ledger = storm.ledger();
    println!(
        "{} kills, {} times a full disk, {} s",
        storm.kills(),
        storm.fills.load(Ordering::Relaxed),
        began.elapsed().as_secs()
    );
    println!("{ledger}");
    if !ledger.is_clean(storm.kills()) {
        println!("{}", storm.keep(directory));
        std::process::exit(1);
    }
}

/// Random numbers (SplitMix64).
struct Dice(AtomicU64);

impl Dice {
    fn below(&self, end: u64) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

struct Storm {
    server: PathBuf,
    clones: Vec<PathBuf>,
    dice: Arc<Dice>,
    wanted: usize,
    kills: AtomicUsize,
    fills: AtomicUsize,
    is_over: AtomicBool,
    /// The receivers take everything.
    is_calm: Arc<AtomicBool>,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Held for writing while the disk is full: what is killed then has its event in the refs alone.
    disk: RwLock<()>,
    /// How long a push takes that is left alone, in microseconds.
    usual: AtomicU64,
}

impl Storm {
    fn new(directory: &Path, wanted: usize) -> Self {
        let server = fs::canonicalize(directory).expect("it is there").join("server.git");
        run(git(directory).args(["init", "--quiet", "--bare", "--initial-branch=p0-0"]).arg(&server));
        for hook in ["pre-receive", "post-receive"] {
            symlink(env!("CARGO_BIN_EXE_post-receive"), server.join("hooks").join(hook)).expect("a link");
        }
        let time =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
        let (dice, is_calm) = (Arc::new(Dice(AtomicU64::new(time))), Arc::new(AtomicBool::new(false)));
        let heard = Arc::default();
        let config = |key: &str, value: &str| run(git(&server).args(["config", key, value]));
        for (number, target) in TARGETS.iter().enumerate() {
            let port = receive(number, Arc::clone(&heard), Arc::clone(&dice), Arc::clone(&is_calm));
            config(&format!("webhook.{target}.url"), &format!("http://127.0.0.1:{port}/"));
            config(&format!("webhook.{target}.format"), "gitlab");
        }
        config("core.logAllRefUpdates", "always");
        config("receive.autogc", "false");
        if geteuid().is_root() {
            fs::create_dir(server.join("webhook")).expect("a mount point");
            let size = format!("size={}k", DISK + wanted * DISK_A_KILL);
            run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(server.join("webhook")));
        }
        run(&mut webhook(&server, &["reconcile", "--baseline"]));
        let clones = (0..PUSHERS).map(|number| clone(directory, &server, number)).collect();
        Self {
            server,
            clones,
            dice,
            wanted,
            kills: AtomicUsize::new(0),
            fills: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            is_calm,
            heard,
            disk: RwLock::new(()),
            usual: AtomicU64::new(60_000),
        }
    }

    fn kills(&self) -> usize {
        self.kills.load(Ordering::Relaxed)
    }

    /// Commits and pushes along a few branches of its own, to the end.
    fn push(&self, number: usize) {
        let clone = &self.clones[number];
        while self.kills() < self.wanted {
            let which = 1 + self.dice.below((1 << BRANCHES) - 1);
            let branches = (0..BRANCHES).filter(|branch| which & (1 << branch) != 0);
            let mut arguments = vec!["push".to_owned(), "--quiet".into(), "origin".into()];
            for branch in branches {
                let name = format!("p{number}-{branch}");
                for _ in 0..=self.dice.below(3) {
                    commit(clone, &name);
                }
                arguments.push(name);
            }
            let _open = self.disk.read().unwrap_or_else(PoisonError::into_inner);
            let mut push = git(clone);
            push.args(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            self.run_and_perhaps_kill(push);
            remove_locks(&self.server, number);
        }
    }

    /// Runs a program in a process group of its own, of which one process is killed at some time, mostly.
    fn run_and_perhaps_kill(&self, mut command: Command) {
        let began = Instant::now();
        let mut child = command.spawn().expect("it starts");
        let group = child.id();
        let usual = self.usual.load(Ordering::Relaxed);
        if self.dice.below(6) == 0 {
            child.wait().expect("it ends");
            self.usual.store((usual * 7 + began.elapsed().as_micros() as u64) / 8, Ordering::Relaxed);
        } else {
            thread::sleep(Duration::from_micros(self.dice.below(usual * 5 / 4)));
            self.strike(group);
            child.wait().expect("it ends");
        }
        // What it has started goes on without it.
        while !processes_of(group).is_empty() {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn strike(&self, group: u32) {
        let processes = processes_of(group);
        let Some(victim) = processes.get(self.dice.below(processes.len() as u64) as usize) else { return };
        if kill(Pid::from_raw(*victim), Signal::SIGKILL).is_ok() {
            self.kills.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a timer does.
    fn flush(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let mut flush = webhook(&self.server, &["flush", "--now"]);
            let open = self.disk.read().unwrap_or_else(PoisonError::into_inner);
            flush.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            self.run_and_perhaps_kill(flush);
            drop(open);
            thread::sleep(Duration::from_millis(self.dice.below(100)));
        }
    }

    /// Fills the disk now and then. Nothing is killed meanwhile, and each receiver is well: a push whose event can be written
    /// nowhere is told from memory.
    fn fill_disk(&self) {
        let file = self.server.join("webhook/ballast");
        while !self.is_over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(2000 + self.dice.below(6000)));
            if !geteuid().is_root() || self.is_over.load(Ordering::Relaxed) {
                continue;
            }
            let _alone = self.disk.write().unwrap_or_else(PoisonError::into_inner);
            self.is_calm.store(true, Ordering::Relaxed);
            let mut ballast = fs::File::create(&file).expect("a file");
            for size in [1 << 20, 4096] {
                while ballast.write_all(&vec![0; size]).is_ok() {}
            }
            self.fills.fetch_add(1, Ordering::Relaxed);
            let until = Instant::now() + FULL_FOR;
            while Instant::now() < until {
                // Branches of their own: where not even the log has room, what such a push began from is known by the refs
                // alone, and an older one of its branch that was killed is taken for refused.
                for (number, clone) in self.clones.iter().enumerate() {
                    let name = format!("full{number}");
                    commit(clone, &name);
                    drop(git(clone).args(["push", "--quiet", "origin", &name]).output());
                }
            }
            fs::remove_file(&file).expect("it can be removed");
            // It is told under the same ids, if at all.
            drop(webhook(&self.server, &["reconcile", "--all"]).output());
            self.is_calm.store(false, Ordering::Relaxed);
        }
    }

    /// All receivers are well, and what waits is sent: intents whose push was killed a minute after it.
    fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
        thread::sleep(Duration::from_secs(62));
        for _ in 0..20 {
            drop(webhook(&self.server, &["flush", "--now"]).output());
        }
        drop(webhook(&self.server, &["reconcile", "--all"]).output());
    }

    fn ledger(&self) -> Ledger {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let log = run(&mut webhook(&self.server, &["log", "--json"]));
        let let_pass = that_let_pass(&serde_json::from_str(&log).expect("one JSON array"));
        Ledger::new(&self.server, &heard, TARGETS.len(), &let_pass)
    }

    /// Leaves everything for whoever wants to know what happened.
    fn keep(&self, directory: tempfile::TempDir) -> String {
        let kept = directory.keep();
        let state = kept.join("state");
        // It is gone with the mount namespace else.
        drop(Command::new("cp").arg("-r").arg(self.server.join("webhook")).arg(&state).status());
        format!("kept in {}", kept.display())
    }
}

fn webhook(server: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_git-webhook"));
    command.current_dir(server).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").args(arguments);
    command
}

fn clone(directory: &Path, server: &Path, number: usize) -> PathBuf {
    let clone = directory.join(format!("clone{number}"));
    run(git(directory).args(["init", "--quiet"]).arg(&clone));
    run(git(&clone).args(["remote", "add", "origin"]).arg(server));
    run(git(&clone).args(["config", "gc.auto", "0"]));
    clone
}

/// Adds a commit to a branch, whatever is checked out.
fn commit(clone: &Path, branch: &str) {
    let name = format!("refs/heads/{branch}");
    let parent = git(clone).args(["rev-parse", "--quiet", "--verify", &name]).output().expect("git runs");
    let parent = String::from_utf8_lossy(&parent.stdout).trim().to_owned();
    let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    drop(git(clone).args(["hash-object", "-t", "tree", "-w", "/dev/null"]).output());
    let message = format!("{branch} {}", Instant::now().elapsed().as_nanos());
    let mut commit = git(clone);
    commit.args(["commit-tree", empty, "-m", &message]);
    if !parent.is_empty() {
        commit.args(["-p", &parent]);
    }
    let id = run(&mut commit);
    run(git(clone).args(["update-ref", &name, &id]));
}

/// git leaves a lock behind where it is killed.
fn remove_locks(server: &Path, pusher: usize) {
    for branch in 0..BRANCHES {
        drop(fs::remove_file(server.join(format!("refs/heads/p{pusher}-{branch}.lock"))));
    }
}

/// The living processes of a group.
fn processes_of(group: u32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let is_of = |id: i32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        (fields.nth(1)? == group.to_string() && state != "Z").then_some(id)
    };
    entries.flatten().filter_map(|entry| is_of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// A receiver that writes down what it took, and is in a bad mood now and then.
fn receive(target: usize, heard: Arc<Mutex<Vec<Heard>>>, dice: Arc<Dice>, is_calm: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (heard, dice, is_calm) = (Arc::clone(&heard), Arc::clone(&dice), Arc::clone(&is_calm));
            thread::spawn(move || {
                let answer = || match dice.below(20) {
                    _ if is_calm.load(Ordering::Relaxed) => 200,
                    0 => 503,
                    1 => 500,
                    _ => 200,
                };
                serve(&stream, target, &heard, &answer)
            });
        }
    });
    port
}

fn serve(mut stream: &TcpStream, target: usize, heard: &Mutex<Vec<Heard>>, answer: &dyn Fn() -> u16) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
        }
        let length: usize = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let status = answer();
        if status == 200 {
            let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
            let (id, event) = (header("idempotency-key"), header("x-gitlab-event-uuid"));
            let one = Heard::new(target, id, &event, &serde_json::from_slice(&body).ok()?)?;
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        }
        stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
    }
}
