//! The hook's wall time and peak memory beside an empty C program and a hook of bash, curl and jq, all on the same work; and
//! its peak memory over a push of many refs, which has a limit.
//!
//! `cargo bench --bench hook` prints the tables; runs of all hooks take turns, so that their ratios hold on a busy machine.

mod support;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use support::{git, receive, run};

const RUNS: usize = 21;

/// Starts a hook without copying our memory first, and prints its wall time in microseconds and peak memory in KiB.
const LAUNCHER: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
int main(int count, char **words) {
    struct timespec start, end;
    struct rusage usage;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pid_t child = vfork();
    if (child == 0) {
        dup2(open(words[1], O_RDONLY), 0);
        dup2(open("/dev/null", O_WRONLY), 1);
        dup2(1, 2);
        execv(words[2], words + 2);
        _exit(127);
    }
    wait4(child, &status, 0, &usage);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%ld %ld %d\n", (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000, usage.ru_maxrss, status);
    return 0;
}
"#;

struct Case {
    name: &'static str,
    commits: usize,
    targets: usize,
    delay: Duration,
}

fn main() {
    let cases = [
        Case { name: "1 commit, 1 target", commits: 1, targets: 1, delay: Duration::ZERO },
        Case { name: "100 commits, 1 target", commits: 100, targets: 1, delay: Duration::ZERO },
        Case { name: "1 commit, 10 targets of 200 ms", commits: 1, targets: 10, delay: Duration::from_millis(200) },
    ];
    let directory = tempfile::tempdir().expect("a temporary directory");
    let launcher = compile(directory.path(), "launcher", LAUNCHER);
    let empty = compile(directory.path(), "empty", "int main(void) { return 0; }");
    let bash = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/bash-hook");
    let hooks = [
        ("empty C program", empty),
        ("bash, curl, jq", bash),
        ("git-webhook", env!("CARGO_BIN_EXE_post-receive").into()),
    ];
    println!("| case | hook | median | fastest | peak memory |\n|---|---|---|---|---|");
    for case in &cases {
        let port = receive(case.delay);
        let repository = repository(&directory.path().join(case.name), case, port);
        let input = push(&repository, case.commits);
        let mut times: Vec<Vec<(u64, u64)>> = vec![Vec::new(); hooks.len()];
        for run in 0..=RUNS {
            for (place, (_, hook)) in hooks.iter().enumerate() {
                let figures = measure(&launcher, &repository, &input, hook);
                // The first run warms the caches.
                if run > 0 {
                    times[place].push(figures);
                }
            }
        }
        for (place, (name, _)) in hooks.iter().enumerate() {
            times[place].sort_unstable();
            let milliseconds = |at: usize| times[place][at].0 as f64 / 1000.0;
            let memory = times[place].iter().map(|(_, memory)| *memory).max().unwrap_or(0) as f64 / 1024.0;
            let (median, fastest) = (milliseconds(RUNS / 2), milliseconds(0));
            println!("| {} | {name} | {median:.1} ms | {fastest:.1} ms | {memory:.1} MiB |", case.name);
        }
    }
    wide_push(directory.path(), &launcher);
}

/// So many refs, each with a commit whose message has so many bytes.
const REFS: usize = 10_000;
const MESSAGE: usize = 60_000;

/// What a push may take however wide it is and whatever its receivers do, in MiB.
const MOST_MEMORY: f64 = 64.0;

/// A push of many refs with long messages, while the receiver takes no request: all of it goes to the queue.
fn wide_push(directory: &Path, launcher: &Path) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    // Connections are held, and nothing is read.
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    let path = directory.join("wide");
    fs::create_dir(&path).expect("the directory can be made");
    run(git(&path).args(["init", "--quiet", "--bare", "--initial-branch=main", "."]));
    run(git(&path).args(["config", "webhook.silent.url", &format!("http://127.0.0.1:{port}/")]));
    run(git(&path).args(["config", "webhook.silent.format", "gitlab"]));
    let mut child =
        git(&path).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git is installed");
    let mut import = child.stdin.take().expect("it is piped");
    let message = "a line of a message\n".repeat(MESSAGE / 20);
    for number in 0..REFS {
        let (time, length) = (1_700_000_000 + number, message.len());
        let commit = format!("commit refs/heads/b{number}\ncommitter C <c@x> {time} +0000\ndata {length}\n{message}\n");
        import.write_all(commit.as_bytes()).expect("git reads it");
    }
    drop(import);
    assert!(child.wait().expect("it runs").success());
    let zero = "0".repeat(40);
    let lines = run(git(&path).args(["for-each-ref", &format!("--format={zero} %(objectname) %(refname)")]));
    let input = path.join("input");
    fs::write(&input, lines + "\n").expect("it can be written");
    let (time, memory) = measure(launcher, &path, &input, Path::new(env!("CARGO_BIN_EXE_post-receive")));
    let (time, memory) = (time as f64 / 1e6, memory as f64 / 1024.0);
    println!("\n| push | receiver | time | peak memory |\n|---|---|---|---|");
    println!("| {REFS} refs with messages of {MESSAGE} bytes | silent | {time:.1} s | {memory:.1} MiB |");
    let queued = fs::read_dir(path.join("webhook/v1/queue/silent")).expect("it is there").count();
    assert!(queued >= REFS, "{queued} of {REFS} are in the queue");
    assert!(memory < MOST_MEMORY, "{memory:.1} MiB are more than {MOST_MEMORY}");
}

fn compile(directory: &Path, name: &str, source: &str) -> PathBuf {
    let (text, program) = (directory.join(format!("{name}.c")), directory.join(name));
    fs::write(&text, source).expect("the source can be written");
    run(Command::new("cc").args(["-O2", "-o"]).args([&program, &text]));
    program
}

/// A bare repository of 200 commits and 400 files, with the targets in the words of both hooks.
fn repository(path: &Path, case: &Case, port: u16) -> PathBuf {
    fs::create_dir_all(path).expect("the directory can be made");
    run(git(path).args(["init", "--quiet", "--bare", "--initial-branch=main", "."]));
    import(path, 0, 200);
    for number in 0..case.targets {
        let url = format!("http://127.0.0.1:{port}/{number}");
        run(git(path).args(["config", &format!("webhook.t{number}.url"), &url]));
        run(git(path).args(["config", &format!("webhook.t{number}.format"), "gitlab"]));
        run(git(path).args(["config", "--add", "hooks.webhook", &url]));
    }
    path.into()
}

fn import(path: &Path, first: usize, count: usize) {
    let mut stream = String::new();
    for number in first..first + count {
        let (time, message) = (1_700_000_000 + number, format!("commit {number}\n\nwith a body\n"));
        let who = format!("A U Thor <author@example.com> {time} +0100");
        stream += &format!("commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata {}\n{message}", message.len());
        if number == first && first > 0 {
            stream += "from refs/heads/main^0\n";
        }
        let file = format!("directory{}/file{}", number % 20, number % 400);
        let content = format!("line {number}\n");
        stream += &format!("M 100644 inline {file}\ndata {}\n{content}\n", content.len());
    }
    let mut child = git(path).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git is installed");
    child.stdin.take().expect("it is piped").write_all(stream.as_bytes()).expect("git reads it");
    assert!(child.wait().expect("it runs").success());
}

/// Adds the commits of the push and returns the file with what git feeds the hook.
fn push(repository: &Path, commits: usize) -> PathBuf {
    let old = run(git(repository).args(["rev-parse", "main"]));
    import(repository, 200, commits);
    let new = run(git(repository).args(["rev-parse", "main"]));
    let input = repository.join("input");
    fs::write(&input, format!("{old} {new} refs/heads/main\n")).expect("it can be written");
    input
}

fn measure(launcher: &Path, repository: &Path, input: &Path, hook: &Path) -> (u64, u64) {
    let link = repository.join("hooks/post-receive");
    let _ = fs::remove_file(&link);
    symlink(hook, &link).expect("the link can be made");
    let mut command = Command::new(launcher);
    command.current_dir(repository).arg(input).arg("hooks/post-receive");
    command
        .env("GIT_DIR", ".")
        .env("GL_USER", "alice")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let said = run(&mut command);
    let mut words = said.split(' ');
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("the launcher prints numbers");
    let (time, memory, status) = (number(), number(), number());
    assert_eq!(status, 0, "{}", hook.display());
    (time, memory)
}
