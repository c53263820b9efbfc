//! What a timer's look at a mirror's refs costs, beside git's own listing of them.
//!
//! `cargo bench --bench mirror` prints the table.

#[path = "support/git.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::{git, run};

const REFS: usize = 10_000;
const RUNS: usize = 31;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    println!("| {REFS} refs | flush alone | with a look | where nothing moved | git for-each-ref |");
    println!("|---|---|---|---|---|");
    for kind in ["loose", "packed"] {
        let server = mirror(directory.path(), kind == "packed");
        // What changed a moment ago may change in the same tick: such a look is not remembered.
        thread::sleep(Duration::from_secs(3));
        let configure = |value: &str| run(git(&server).args(["config", "webhook.reconcile", value]));
        let flush = || run(&mut webhook(&server, &["flush"]));
        let looks = server.join("webhook/looks");
        configure("false");
        let alone = median(|| drop(flush()));
        configure("true");
        let look = median(|| {
            drop(fs::remove_file(&looks));
            flush();
        });
        assert!(looks.exists());
        let unmoved = median(|| drop(flush()));
        let lists = median(|| drop(run(git(&server).args(["for-each-ref", "--format=%(refname) %(objectname)"]))));
        println!("| {kind} | {alone:.1} ms | {look:.1} ms | {unmoved:.1} ms | {lists:.1} ms |");
    }
}

fn mirror(directory: &Path, is_packed: bool) -> PathBuf {
    let server = directory.join(format!("{is_packed}.git"));
    run(git(directory).args(["init", "--quiet", "--bare"]).arg(&server));
    let tree = run(git(&server).args(["hash-object", "-t", "tree", "-w", "/dev/null"]));
    let id = run(git(&server).args(["-c", "user.name=C", "-c", "user.email=c@x", "commit-tree", "-m", "c", &tree]));
    let refs: String = (0..REFS).map(|number| format!("create refs/heads/b/{number} {id}\n")).collect();
    let input = directory.join("input");
    fs::write(&input, refs).expect("it can be written");
    run(git(&server).args(["update-ref", "--stdin"]).stdin(fs::File::open(&input).expect("it is there")));
    if is_packed {
        run(git(&server).args(["pack-refs", "--all"]));
    }
    run(git(&server).args(["config", "webhook.ci.url", "http://127.0.0.1:9/"]));
    run(&mut webhook(&server, &["reconcile", "--baseline"]));
    server
}

fn webhook(server: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_git-webhook"));
    command.current_dir(server).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").args(arguments);
    command
}

/// In milliseconds.
fn median(work: impl Fn()) -> f64 {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}
