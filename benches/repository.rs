//! The walk and the comparison of trees in large repositories, beside git on the same work in the same run.
//!
//! `cargo bench --bench repository` prints the table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use git_webhook::config::Configuration;
use git_webhook::event::{EventKind, EventName};
use git_webhook::pipeline::Scene;
use git_webhook::process::Environment;
use git_webhook::ref_update::{Namespace, ObjectFormat, ObjectId, RefName, RefUpdate};
use git_webhook::repository::{self, Reader, Wanted};

const RUNS: usize = 7;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    println!("| work | git-webhook | git | git's command |\n|---|---|---|---|");
    let files = fifty_thousand_files(directory.path());
    let (old, new) = (id(&files, "main~500"), id(&files, "main"));
    let wanted = Wanted { commits: 500, paths: usize::MAX, ..Wanted::default() };
    row(
        "files changed by 500 commits in 50,000 files",
        &files,
        Some(&old),
        &new,
        wanted,
        &["log", "--format=%H", "--name-status", "--no-renames", "main~500..main"],
    );
    let github = git_webhook::format::find("github").expect("it is in the table").wants;
    row(
        "GitHub's push of 2,048 commits, 3 files each",
        &files,
        Some(&id(&files, "main~2048")),
        &new,
        github,
        &["log", "--format=%H", "--name-status", "--no-renames", "main~2048..main"],
    );
    row(
        "GitHub's push of 1 commit, 20,000 files",
        &files,
        Some(&id(&files, "wide~1")),
        &id(&files, "wide"),
        github,
        &["log", "--format=%H", "--name-status", "--no-renames", "wide~1..wide"],
    );
    let refs = hundred_thousand_refs(directory.path());
    let wanted = Wanted { commits: 20, ..Wanted::default() };
    row(
        "update by 1 commit, 100,000 refs",
        &refs,
        Some(&id(&refs, "next~1")),
        &id(&refs, "next"),
        wanted,
        &["rev-list", "next~1..next"],
    );
    let not_all = ["rev-list", "next", "--not", "--exclude=refs/heads/next", "--all"];
    row("new branch of 1 commit, 100,000 refs", &refs, None, &id(&refs, "next"), wanted, &not_all);
    let not_all = ["rev-list", "old", "--not", "--exclude=refs/heads/old", "--exclude=refs/heads/next", "--all"];
    row("new branch of 1 commit from mid-history, 100,000 refs", &refs, None, &id(&refs, "old"), wanted, &not_all);
}

/// Measures one push by both, in turns, and prints the medians.
fn row(name: &str, repository: &Path, old: Option<&str>, new: &str, wanted: Wanted, arguments: &[&str]) {
    let hex = |id: &str| ObjectId::from_hex(id.as_bytes()).flatten();
    let branch = if name.contains("mid-history") { "refs/heads/old" } else { "refs/heads/next" };
    let update = RefUpdate {
        old: old.and_then(hex),
        new: hex(new),
        format: ObjectFormat::Sha1,
        name: RefName::new(branch),
        alias: None,
    };
    let (mut ours, mut gits) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(time(|| assert!(told(repository, &update, wanted) > 0)));
        gits.push(time(|| assert!(!git(repository, arguments).is_empty())));
    }
    ours.sort_unstable();
    gits.sort_unstable();
    let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    println!("| {name} | {} | {} | `git {}` |", shown(ours[RUNS / 2]), shown(gits[RUNS / 2]), arguments.join(" "));
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Reads the event of one update from a repository opened anew; how many commits it has.
fn told(repository: &Path, update: &RefUpdate, wanted: Wanted) -> u64 {
    let environment = Environment::new([("GIT_CONFIG_NOSYSTEM".into(), "1".into())]);
    let configuration = Configuration::read(repository, repository, &environment).expect("it is git configuration");
    let objects = repository::open(repository, configuration.layout).expect("the objects are there");
    let updates = [update.clone()];
    let mut reader = Reader::new(repository, configuration.layout, &objects, &updates, wanted);
    let namespace = Namespace::default();
    let scene = Scene { git_dir: repository, configuration: &configuration, environment: &environment, namespace };
    let context = scene.context(false, 0, &mut reader);
    let events = reader.events(git_webhook::identifier::event(), update, &context.into());
    let event = events.into_iter().next().expect("a branch has an event");
    // Where all is told that GitHub tells, the body is made too.
    if wanted.known {
        let github = git_webhook::format::find("github").expect("it is in the table");
        let rendered =
            github.render(&event, EventName::Push, &git_webhook::format::Shape::FULL).expect("it has such an event");
        assert!(rendered.payload.body.len() > 10_000);
    }
    match event.kind {
        EventKind::Push(push) | EventKind::TagPush(push) => push.total,
        EventKind::MergeRequest(_) | EventKind::Note(_) => 0,
    }
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .current_dir(repository)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("git is installed");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn id(repository: &Path, name: &str) -> String {
    git(repository, &["rev-parse", name])
}

fn feed(repository: &Path, arguments: &[&str], input: &str) {
    let file = repository.join("input");
    fs::write(&file, input).expect("it can be written");
    let mut command = Command::new("git");
    command
        .current_dir(repository)
        .args(arguments)
        .stdin(fs::File::open(&file).expect("it is there"))
        .stderr(Stdio::inherit());
    assert!(command.status().expect("git is installed").success());
}

fn make(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    fs::create_dir(&path).expect("it can be made");
    git(&path, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
    path
}

fn commit(number: usize, branch: &str) -> String {
    format!(
        "commit refs/heads/{branch}\nmark :{}\ncommitter C <c@x> {} +0000\ndata 2\nm\n",
        number + 1,
        1_700_000_000 + number
    )
}

fn fifty_thousand_files(directory: &Path) -> PathBuf {
    let path = make(directory, "files.git");
    let file = |n: usize| format!("d{}/e{}/f{}/file{n}", n % 20, n / 20 % 17, n / 340 % 13);
    let mut stream = commit(0, "main");
    (0..50_000).for_each(|n| stream += &format!("M 100644 inline {}\ndata 2\nx\n", file(n)));
    for number in 1..=2100 {
        stream += &commit(number, "main");
        (0..3).for_each(|n| {
            stream +=
                &format!("M 100644 inline {}\ndata 8\n{number:08}\n", file((number * 7919 + n * 104_729) % 50_000))
        });
    }
    stream += &(commit(3000, "wide") + "from :2101\n");
    (0..20_000).for_each(|n| stream += &format!("M 100644 inline {}\ndata 2\ny\n", file(n)));
    feed(&path, &["fast-import", "--quiet"], &stream);
    path
}

/// 20,000 commits, and a ref for each of them several times over, packed; `next` has one commit more than main, `old` one on mid-history.
fn hundred_thousand_refs(directory: &Path) -> PathBuf {
    let path = make(directory, "refs.git");
    let mut stream = String::new();
    (0..20_000).for_each(|number| stream += &(commit(number, "main") + "\n"));
    stream += &(commit(30_000, "next") + "from :20000\n\n" + &commit(30_001, "old") + "from :10000\n\n");
    feed(&path, &["fast-import", "--quiet"], &stream);
    let ids = git(&path, &["rev-list", "main"]);
    let ids: Vec<_> = ids.lines().collect();
    let refs: String = (0..100_000).map(|n| format!("create refs/heads/b/{n} {}\n", ids[2 * (n % 10_000)])).collect();
    feed(&path, &["update-ref", "--stdin"], &refs);
    git(&path, &["pack-refs", "--all"]);
    path
}
