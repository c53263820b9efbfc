//! What it costs that nothing is lost: a push with and without the hooks, many hooks at once, a queue of 100,000.
//!
//! `cargo bench --bench durable` prints the tables; what is compared takes turns in one run.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{git, receive, run};

const HOOK: &str = env!("CARGO_BIN_EXE_post-receive");
const PUSHES: usize = 41;
const AT_ONCE: usize = 8;
const HOOKS_EACH: usize = 40;
const WAITING: usize = 100_000;

fn main() {
    let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
    println!("One record durably, nothing else going on: {:.1} ms\n", record_alone(directory.path()));
    pushes(directory.path());
    at_once(directory.path());
    waiting(directory.path());
}

/// The median of creating, writing, syncing and renaming 4 KB and syncing the directory, in milliseconds.
fn record_alone(directory: &Path) -> f64 {
    let mut times: Vec<_> = (0..PUSHES)
        .map(|number| {
            let start = Instant::now();
            record(directory, number);
            start.elapsed()
        })
        .collect();
    median(&mut times)
}

fn record(directory: &Path, number: usize) {
    let temporary = directory.join(format!("tmp{number}"));
    let mut file = File::create(&temporary).expect("it can be made");
    file.write_all(&[b'x'; 4096]).and_then(|()| file.sync_data()).expect("it can be written");
    fs::rename(&temporary, directory.join(format!("record{number}"))).expect("it can be renamed");
    File::open(directory).and_then(|directory| directory.sync_all()).expect("it can be synced");
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// Real pushes to four repositories by turns.
fn pushes(directory: &Path) {
    let cases: [(&str, &[&str]); 4] = [
        ("no hook", &[]),
        ("pre-receive alone: the intent", &["pre-receive"]),
        ("post-receive alone", &["post-receive"]),
        ("both", &["pre-receive", "post-receive"]),
    ];
    let port = receive(Duration::ZERO);
    let clone = directory.join("clone");
    run(git(directory).args(["init", "--quiet", "--initial-branch=main"]).arg(&clone));
    let servers: Vec<_> = cases.iter().map(|(name, hooks)| server(&directory.join(name), hooks, port)).collect();
    let mut times = vec![Vec::new(); cases.len()];
    for number in 0..=PUSHES {
        run(git(&clone).args(["commit", "--quiet", "--allow-empty", "--message", &number.to_string()]));
        for (place, server) in servers.iter().enumerate() {
            let start = Instant::now();
            run(git(&clone).args(["push", "--quiet"]).arg(server).arg("main"));
            // The first push warms the caches.
            if number > 0 {
                times[place].push(start.elapsed());
            }
        }
    }
    println!("| a push of 1 commit, 1 target | median | more than no hook |\n|---|---|---|");
    let medians: Vec<_> = times.iter_mut().map(|times| median(times)).collect();
    for ((name, _), time) in cases.iter().zip(&medians) {
        println!("| {name} | {time:.1} ms | {:.1} ms |", time - medians[0]);
    }
    println!();
}

/// Hooks at once in one repository, beside as many writers that only write.
fn at_once(directory: &Path) {
    let server = server(&directory.join("at once"), &["post-receive"], receive(Duration::ZERO));
    let ids = history(&server, AT_ONCE * HOOKS_EACH + 1);
    let hooks = rate(|worker| {
        for step in 0..HOOKS_EACH {
            let at = worker * HOOKS_EACH + step;
            hook(&server, &format!("{} {} refs/heads/w{worker}\n", ids[at], ids[at + 1]));
        }
    });
    let place = directory.join("records");
    fs::create_dir(&place).expect("it can be made");
    let records = rate(|worker| (0..HOOKS_EACH).for_each(|step| record(&place, worker * HOOKS_EACH + step)));
    println!("| {AT_ONCE} at once | a second |\n|---|---|");
    println!("| hooks, all on one target | {hooks:.0} |\n| durable records, nothing else | {records:.0} |\n");
}

fn rate(work: impl Fn(usize) + Sync) -> f64 {
    let start = Instant::now();
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let work = &work;
            scope.spawn(move || work(worker));
        }
    });
    (AT_ONCE * HOOKS_EACH) as f64 / start.elapsed().as_secs_f64()
}

/// The hook where nothing waits and where very much does, both for a receiver that is down.
fn waiting(directory: &Path) {
    let servers = ["nothing", "much"].map(|name| {
        // Nobody listens there.
        let server = server(&directory.join(name), &["post-receive"], 9);
        let ids = history(&server, PUSHES + 2);
        hook(&server, &format!("{} {} refs/heads/main\n", ids[0], ids[1]));
        (server, ids)
    });
    let queue = servers[1].0.join("webhook/v1/queue/ci");
    let names = fs::read_dir(&queue).expect("the queue is there").flatten();
    let mut names = names.map(|entry| entry.file_name().into_string().expect("it is text"));
    let first = names.find(|name| name.starts_with('0')).expect("a delivery waits");
    let content = fs::read(queue.join(&first)).expect("it can be read");
    let parts: Vec<_> = first.split('.').collect();
    for number in 1..WAITING {
        let name = format!("000000000001-{number:05}.{:016x}.{}.{}.{}", number, uuid(number), parts[3], parts[4]);
        fs::write(queue.join(name), &content).expect("it can be written");
    }
    for (server, _) in &servers {
        // The target is in backoff for the whole of the measurement.
        back_off(server);
    }
    let mut times = [Vec::new(), Vec::new()];
    let mut memory = [0, 0];
    for number in 1..=PUSHES {
        for (place, (server, ids)) in servers.iter().enumerate() {
            let start = Instant::now();
            let peak = hook(server, &format!("{} {} refs/heads/main\n", ids[number], ids[number + 1]));
            times[place].push(start.elapsed());
            memory[place] = memory[place].max(peak);
        }
    }
    println!("| waiting for a receiver that is down | hook, median | peak memory |\n|---|---|---|");
    for (place, name) in ["1", "100,000"].iter().enumerate() {
        println!("| {name} | {:.1} ms | {:.1} MiB |", median(&mut times[place]), memory[place] as f64 / 1024.0);
    }
    let start = Instant::now();
    let mut flush = Command::new("/usr/bin/time");
    flush
        .args(["-f", "%M", env!("CARGO_BIN_EXE_git-webhook"), "status", "--max-age", "99d"])
        .current_dir(&servers[1].0);
    let output = flush.output().expect("GNU time is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    let peak: f64 = said.trim().lines().last().and_then(|line| line.parse().ok()).unwrap_or(0.0);
    let took = start.elapsed().as_secs_f64() * 1000.0;
    println!("| 100,000: git webhook status | {took:.1} ms | {:.1} MiB |", peak / 1024.0);
}

fn uuid(number: usize) -> String {
    format!("00000000-0000-5000-8000-{number:012x}")
}

/// Flushes until the backoff of the target is hours long.
fn back_off(server: &Path) {
    for _ in 0..7 {
        run(Command::new(env!("CARGO_BIN_EXE_git-webhook")).args(["flush", "--now"]).current_dir(server));
    }
}

/// Runs the hook by itself and returns its peak memory in KiB.
fn hook(server: &Path, line: &str) -> u64 {
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%M", HOOK]).current_dir(server).env("GIT_DIR", ".").env("GIT_CONFIG_NOSYSTEM", "1");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("GNU time is installed");
    child.stdin.take().expect("it is piped").write_all(line.as_bytes()).expect("the hook reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    said.trim().lines().last().and_then(|line| line.parse().ok()).unwrap_or(0)
}

fn server(path: &Path, hooks: &[&str], port: u16) -> PathBuf {
    run(git(Path::new(".")).args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(path));
    fs::create_dir_all(path.join("hooks")).expect("it can be made");
    for hook in hooks {
        symlink(HOOK, path.join("hooks").join(hook)).expect("it can be linked");
    }
    run(git(path).args(["config", "webhook.ci.url", &format!("http://127.0.0.1:{port}/")]));
    run(git(path).args(["config", "webhook.ci.format", "gitlab"]));
    path.canonicalize().expect("it is there")
}

/// So many commits in one line, oldest first.
fn history(server: &Path, count: usize) -> Vec<String> {
    let mut stream = String::new();
    for number in 0..count {
        let who = format!("A <a@example.org> {} +0000", 1_700_000_000 + number);
        stream += &format!("commit refs/heads/main\ncommitter {who}\ndata 1\nx\n");
    }
    let mut child = git(server).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git runs");
    child.stdin.take().expect("it is piped").write_all(stream.as_bytes()).expect("git reads it");
    assert!(child.wait().expect("it ends").success());
    run(git(server).args(["rev-list", "--reverse", "main"])).lines().map(String::from).collect()
}
