//! What reviews cost a push: ten thousand in notes, and ten thousand that push options opened.
//!
//! `cargo bench --bench reviews` prints the table.

#[path = "support/git.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use support::{git, run};

const REVIEWS: usize = 10_000;
const RUNS: usize = 21;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    println!("| a push to a branch, {REVIEWS} open reviews | nobody asks for reviews | a target does | more |");
    println!("|---|---|---|---|");
    for (words, make, branch) in [
        ("in notes, all into another branch", in_notes as fn(&Path) -> PathBuf, "topic"),
        ("in notes, all into this branch", in_notes, "main"),
        ("by push options, all into another branch", by_options, "topic"),
        ("by push options, all into this branch", by_options, "main"),
    ] {
        let server = make(directory.path());
        let (alone, told) = (hook(&server, branch, "push"), hook(&server, branch, "push merge_request"));
        println!("| {words} | {alone:.1} ms | {told:.1} ms | {:.1} ms |", told - alone);
        fs::remove_dir_all(&server).expect("it can be removed");
    }
}

/// The median of the hook alone, in milliseconds, which delivers to nobody: the target's address is closed.
fn hook(server: &Path, branch: &str, events: &str) -> f64 {
    run(git(server).args(["config", "--replace-all", "webhook.ci.event", events]));
    let tip = run(git(server).args(["rev-parse", &format!("refs/heads/{branch}")]));
    let parent = run(git(server).args(["rev-parse", &format!("refs/heads/{branch}~1")]));
    let line = format!("{parent} {tip} refs/heads/{branch}\n");
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let queue = server.join("webhook/v1/queue");
            drop(fs::remove_dir_all(queue));
            let input = server.join("line");
            fs::write(&input, &line).expect("it can be written");
            let mut hook = Command::new(env!("CARGO_BIN_EXE_post-receive"));
            hook.current_dir(server).env("GIT_DIR", ".").env("GIT_CONFIG_GLOBAL", "/dev/null");
            hook.env("GIT_CONFIG_NOSYSTEM", "1")
                .stdin(fs::File::open(&input).expect("it is there"))
                .stderr(Stdio::null());
            let start = Instant::now();
            assert!(hook.status().expect("it runs").success());
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// `main` and `topic`, and a commit for each review on a branch of its own.
fn repository(directory: &Path, name: &str) -> (PathBuf, Vec<String>) {
    let server = directory.join(name);
    run(git(directory).args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&server));
    let commit = |branch: &str, from: &str, number: usize| {
        format!("commit {branch}\ncommitter C <c@x> {} +0000\ndata 2\nm\n{from}\n", 1_700_000_000 + number)
    };
    let mut stream = commit("refs/heads/main", "", 0) + &commit("refs/heads/main", "", 1);
    stream += &(commit("refs/heads/topic", "from refs/heads/main\n", 2) + &commit("refs/heads/topic", "", 3));
    for number in 0..REVIEWS {
        stream += &commit(&format!("refs/heads/r/{number}"), "from refs/heads/main\n", 10 + number);
    }
    feed(&server, &["fast-import", "--quiet"], &stream);
    let listed = run(git(&server).args(["for-each-ref", "--format=%(objectname)", "refs/heads/r/"]));
    run(git(&server).args(["pack-refs", "--all"]));
    for (key, value) in [("webhook.ci.url", "http://127.0.0.1:9/"), ("webhook.ci.format", "gitlab")] {
        run(git(&server).args(["config", key, value]));
    }
    run(git(&server).args(["config", "webhook.maxReviewEvents", "10000"]));
    (server, listed.lines().map(String::from).collect())
}

fn in_notes(directory: &Path) -> PathBuf {
    let (server, ids) = repository(directory, "notes.git");
    let mut stream =
        String::from("commit refs/notes/devtools/reviews\ncommitter C <c@x> 1700000000 +0000\ndata 1\nn\n");
    for (number, id) in ids.iter().enumerate() {
        let line = format!(
            r#"{{"timestamp":"1700000000","reviewRef":"refs/heads/r/{number}","targetRef":"refs/heads/main","requester":"a@x","description":"Review {number}\n\nOf some length, as people write them."}}"#
        );
        stream += &format!("N inline {id}\ndata {}\n{line}\n", line.len());
    }
    feed(&server, &["fast-import", "--quiet"], &stream);
    server
}

/// As a hook would have kept them: one push with the option for each would take an hour.
fn by_options(directory: &Path) -> PathBuf {
    let (server, ids) = repository(directory, "options.git");
    let state = git_webhook::state_dir::StateDir::new(&server, false);
    let spool = git_webhook::spool::Spool::new(state);
    let held = spool.hold_reviews().expect("they can be kept");
    let review = |number: usize, head: &String| git_webhook::event::ReviewRecord {
        namespace: String::new(),
        number: number as u32 + 1,
        title: format!("Review {number}"),
        description: "Of some length, as people write them.".into(),
        source: format!("r/{number}"),
        target: "main".into(),
        author: git_webhook::pusher::Pusher { login: "a".into(), name: "A".into(), email: "a@x".into(), id: 1 },
        created: 1_700_000_000,
        updated: 1_700_000_000,
        state: git_webhook::event::ReviewState::Opened,
        head: head.clone(),
        base: String::new(),
        commits: 1,
        merge_commit: String::new(),
    };
    let changes: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(number, head)| git_webhook::spool::ReviewChange {
            namespace: String::new(),
            line: git_webhook::identifier::event(),
            action: git_webhook::event::ReviewAction::Open,
            before: None,
            after: review(number, head),
        })
        .collect();
    held.draw_in(&changes).expect("they can be kept");
    server
}

fn feed(repository: &Path, arguments: &[&str], input: &str) {
    let file = repository.join("input");
    fs::write(&file, input).expect("it can be written");
    let mut command = git(repository);
    command.args(arguments).stdin(fs::File::open(&file).expect("it is there"));
    assert!(command.status().expect("git runs").success());
}
