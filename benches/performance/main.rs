//! How long a push waits in repositories of any size, beside git on the same work in the same run, and how that grows.
//!
//! `cargo bench --bench performance` writes the tables and plots of `docs/performance.md`, and fails where a cost grows faster
//! than what it is the cost of.

#[path = "../support/mod.rs"]
mod support;

mod growth;
mod history;
mod launch;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use history::{Branches, Pushes, Repository};
use launch::{Figures, Launcher};
use support::{receive, receive_over_tls};

/// The fastest of so many runs, by turns with git's.
const RUNS: usize = 6;

/// The same of what takes a few milliseconds.
const MANY: usize = 5 * RUNS;

/// `GIT_WEBHOOK_BENCH_COMMITS` has it smaller.
const COMMITS: usize = 1_000_000;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut bench = Bench { launcher: Launcher::new(directory.path()), directory: directory.path().into() };
    let commits = std::env::var("GIT_WEBHOOK_BENCH_COMMITS").ok().and_then(|text| text.parse().ok());
    let commits = commits.unwrap_or(COMMITS);
    let mut tables = bench.small();
    tables += &bench.many();
    tables += &bench.large(commits);
    tables += &bench.files();
    put_in("docs/performance.md", "tables", &tables);
    let (plots, faults) = growth::all(&bench);
    put_in("docs/performance.md", "plots", &plots);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What all rows share.
struct Bench {
    launcher: Launcher,
    directory: PathBuf,
}

const HEAD: &str = "work | git-webhook | memory | git | ratio | git's command |\n|---|---|---|---|---|---|\n";

impl Bench {
    /// The hook fed with `input`, and git with the same work, by turns.
    fn row(&self, name: &str, repository: &Path, input: &str, arguments: &[&str], stdin: &str) -> String {
        let feed = |name: &str, text: &str| {
            let path = repository.join(name);
            fs::write(&path, text).expect("it can be written");
            path
        };
        let (pushed, asked) = (feed("pushed", input), feed("asked", stdin));
        let (mut ours, mut gits) = (Figures::MOST, Figures::MOST);
        for _ in 0..RUNS {
            ours = ours.best(self.launcher.hook(repository, &pushed));
            gits = gits.best(self.launcher.git(repository, arguments, &asked));
        }
        let (command, ratio) = (arguments.join(" "), ours.seconds / gits.seconds);
        eprintln!("{name}: {ratio:.2}");
        let (own, git) = (ours.time(), gits.time());
        format!("| {name} | {own} | {:.0} MiB | {git} | {ratio:.2} | `git {command}` |\n", ours.mebibytes)
    }

    /// What every push costs.
    fn small(&self) -> String {
        let repository = Repository::small(&self.directory.join("small.git"));
        let mut text =
            String::from("| a push of one commit | time | memory | to an empty program |\n|---|---|---|---|\n");
        let empty = &self.launcher.empty;
        let empty = best(MANY, || self.launcher.run(&repository.path, empty, &[], Path::new("/dev/null")));
        let mut row = |name: &str, figures: Figures| {
            let ratio = figures.seconds / empty.seconds;
            let _ = writeln!(text, "| {name} | {} | {:.0} MiB | {ratio:.1} |", figures.time(), figures.mebibytes);
        };
        row("an empty C program", empty);
        // Each follows on the one before, as pushes do.
        let mut pushes = Pushes::new(&repository);
        let mut hook = |runs: usize| best(runs, || self.launcher.hook(&repository.path, pushes.next()));
        row("`post-receive`, nobody wants it", hook(MANY));
        repository.tell(receive(Duration::ZERO), "gitlab", 1);
        hook(1);
        row("`post-receive`, one target", hook(MANY));
        repository.tell(receive(Duration::from_millis(200)), "gitlab", 50);
        row("50 targets that answer after 200 ms", hook(RUNS));
        repository.tell_over_tls(receive_over_tls(Duration::from_millis(200)), 50);
        row("the same over TLS", hook(RUNS));
        repository.tell(receive(Duration::ZERO), "gitlab", 1);
        let both = best(MANY, || self.launcher.both(&repository.path, pushes.next()));
        row("`pre-receive` and `post-receive`, one target", both);
        let wide = Repository::small(&self.directory.join("wide.git"));
        wide.tell(receive(Duration::ZERO), "gitlab", 1);
        wide.log(200_000);
        let log = |words: &[&str]| best(MANY, || self.launcher.verb(&wide.path, words));
        row("`git webhook log -n 5`, 200,000 lines in the log", log(&["log", "-n", "5"]));
        let id = history::delivery(1_000);
        row("`git webhook show`, 200,000 lines in the log", log(&["show", &id]));
        text + "\n"
    }

    /// Pushes of many refs.
    fn many(&self) -> String {
        let mut text = String::from("| a push of many new branches | time | memory |\n|---|---|---|\n");
        let mut row = |name: &str, repository: &Repository, format: &str| {
            repository.tell(receive(Duration::ZERO), format, 1);
            let input = repository.path.join("pushed");
            fs::write(&input, &repository.branches().push).expect("it can be written");
            let best = best(RUNS, || self.launcher.hook(&repository.path, &input));
            let _ = writeln!(text, "| {name} | {} | {:.0} MiB |", best.time(), best.mebibytes);
        };
        let own = Repository::of_branches(&self.directory.join("own.git"), 20_000, 2_000);
        row("20,000 of a commit each, beside 2,000 refs, format gitlab", &own, "gitlab");
        let same = Repository::of_one_commit(&self.directory.join("same.git"), 50_000);
        row("50,000 at one commit, format bitbucket", &same, "bitbucket");
        text + "\n"
    }

    /// Walks in a long history with many refs, with git's commit-graph and without.
    fn large(&mut self, commits: usize) -> String {
        let mut text = String::new();
        let graphless = Repository::large(&self.directory.join("large.git"), commits);
        let graphed = graphless.copy(&self.directory.join("graph.git"));
        graphed.write_graph_of_before();
        for (repository, kind) in [(&graphed, "with git's commit-graph"), (&graphless, "without")] {
            let alone = repository.copy(&self.directory.join("alone.git"));
            alone.keep_main_alone();
            [repository, &alone].iter().for_each(|repository| repository.tell(receive(Duration::ZERO), "gitlab", 1));
            let refs = repository.refs();
            let _ = write!(text, "| {commits} commits, {refs} refs, {kind}: {HEAD}");
            let not_all = |name: &str| format!("rev-list --count {name} --not --exclude=refs/heads/{name} --all");
            let mut row = |name: &str, repository: &Repository, input: &str, command: &str, stdin: &str| {
                text += &self.row(name, &repository.path, input, &command.split(' ').collect::<Vec<_>>(), stdin);
            };
            row("a new branch of 3 commits on main", repository, &repository.creation("new"), &not_all("new"), "");
            row("the same from mid-history", repository, &repository.creation("old"), &not_all("old"), "");
            let Branches { push, asked } = repository.branches();
            row("200 new branches of a commit each", repository, push, "rev-list --count --stdin", asked);
            let (main, back) = (repository.id("main"), repository.id("back"));
            let forced = format!("{main} {back} refs/heads/main\n");
            row("main forced back by three quarters", repository, &forced, "rev-list --count main..back", "");
            row("a first push", &alone, &alone.creation("main"), "rev-list --count main", "");
            let merge = format!("{main} {} refs/heads/main\n", repository.id("merge"));
            row("a merge whose base is half way back", repository, &merge, "rev-list --count main..merge", "");
            repository.tell(receive(Duration::ZERO), "github", 1);
            let (update, anew) = repository.loose_update();
            self.launcher.before = anew;
            text += &self.row(
                "an update of 3, format github",
                &repository.path,
                &update,
                &["rev-list", "main..ORIG_HEAD"],
                "",
            );
            self.launcher.before.clear();
            text.push('\n');
            fs::remove_dir_all(&alone.path).expect("it is ours");
        }
        text
    }

    /// Lists of files.
    fn files(&self) -> String {
        let repository = Repository::of_files(&self.directory.join("files.git"));
        repository.tell(receive(Duration::ZERO), "github", 1);
        let mut text = format!("| files: {HEAD}");
        let command = "log --format=%H --name-status --no-renames main~2048..main";
        let words: Vec<_> = command.split(' ').collect();
        text += &self.row(
            "2,048 commits of 3 of 50,000 files, format github",
            &repository.path,
            &repository.update(2048),
            &words,
            "",
        );
        fs::remove_dir_all(&repository.path).expect("it is ours");
        let flat = Repository::of_flat(&self.directory.join("flat.git"), 500_000);
        flat.tell(receive(Duration::ZERO), "github", 1);
        let words: Vec<_> = "log --format=%H --name-status --no-renames main~1..main".split(' ').collect();
        text += &self.row("1 of 500,000 files of a directory", &flat.path, &flat.update(1), &words, "");
        text + "\n"
    }
}

/// The best of so many runs.
fn best(runs: usize, mut run: impl FnMut() -> Figures) -> Figures {
    (0..runs).fold(Figures::MOST, |best, _| best.best(run()))
}

/// Puts text between the two comments of that name in a document.
fn put_in(document: &str, name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let old = fs::read_to_string(&path).expect("the document is there");
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = old.split_once(&start).expect("it has the comment");
    let (_, after) = rest.split_once(&end).expect("it has the comment's end");
    let text = text.trim_end();
    fs::write(&path, format!("{before}{start}\n{text}\n\n{end}{after}")).expect("it can be written");
}
