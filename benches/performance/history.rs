//! The repositories that are measured in.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{git, run};

const ZERO: &str = "0000000000000000000000000000000000000000";

pub struct Repository {
    pub path: PathBuf,
    branches: Branches,
}

/// A push of many new branches: as the hook is fed, and as git is asked about it.
#[derive(Clone, Default)]
pub struct Branches {
    pub push: String,
    pub asked: String,
}

impl Repository {
    fn make(path: &Path) -> Self {
        fs::create_dir(path).expect("it can be made");
        run(git(path).args(["init", "--quiet", "--bare", "--initial-branch=main", "."]));
        // What is measured takes as long as it takes.
        run(git(path).args(["config", "webhook.maxWait", "1h"]));
        Self { path: path.into(), branches: Branches::default() }
    }

    /// A short history with files.
    pub fn small(path: &Path) -> Self {
        let repository = Self::make(path);
        repository.import(&chain(0, 200, |n| format!("M 100644 inline d{}/f{n}\ndata 2\nx\n", n % 20)));
        repository
    }

    /// 50,000 files three directories deep, and commits of three files each.
    pub fn of_files(path: &Path) -> Self {
        let repository = Self::make(path);
        let name = |n: usize| format!("d{}/e{}/f{}/file{n}", n % 20, n / 20 % 17, n / 340 % 13);
        let touched = |n: usize| match n {
            0 => (0..50_000).map(|n| format!("M 100644 inline {}\ndata 2\nx\n", name(n))).collect::<String>(),
            _ => {
                let file = |k: usize| name((n * 7919 + k * 104_729) % 50_000);
                (0..3).map(|k| format!("M 100644 inline {}\ndata 8\n{n:08}\n", file(k))).collect()
            }
        };
        repository.import(&chain(0, 2100, touched));
        repository
    }

    /// So many files of one directory, and a commit that touches one. git's fast-import would look through all of them for each.
    pub fn of_flat(path: &Path, files: usize) -> Self {
        let repository = Self::make(path);
        let blob = |text: &str| run(git(path).args(["hash-object", "-w", "--stdin"]).stdin(said(path, text)));
        let (one, other) = (blob("0\n"), blob("1\n"));
        let tree = |touched: &str| {
            let id = |n: usize| if n == files / 2 { touched } else { &one };
            let lines: String = (0..files).map(|n| format!("100644 blob {}\tfile{n:07}\n", id(n))).collect();
            let flat = run(git(path).arg("mktree").stdin(said(path, &lines)));
            run(git(path).arg("mktree").stdin(said(path, &format!("040000 tree {flat}\tflat\n"))))
        };
        let first = run(git(path).args(["commit-tree", "-m", "m", &tree(&one)]));
        let next = run(git(path).args(["commit-tree", "-m", "m", "-p", &first, &tree(&other)]));
        run(git(path).args(["update-ref", "refs/heads/main", &next]));
        run(git(path).args(["repack", "-adq"]));
        repository
    }

    /// A commit that touches so many files of a directory tree.
    pub fn of_changes(path: &Path, files: usize) -> Self {
        let repository = Self::make(path);
        let change = |n: usize, of: usize| format!("M 100644 inline d{}/f{n}\ndata 2\n{}\n", n % 100, of % 10);
        repository.import(&chain(0, 2, |number| (0..files).map(|n| change(n, number)).collect()));
        repository
    }

    /// A long history with a merge now and then, a tag for each tenth commit of it, and commits that are pushed upon it.
    pub fn large(path: &Path, commits: usize) -> Self {
        let mut repository = Self::make(path);
        repository.import(&merging(commits));
        let ids = run(git(path).args(["rev-list", "--first-parent", "main"]));
        let ids: Vec<&str> = ids.lines().collect();
        let tags = ids.iter().skip(5).step_by(10).enumerate();
        let mut refs: String = tags.map(|(n, id)| format!("{id} refs/tags/t/{n}\n")).collect();
        let (half, back) = (ids[ids.len() / 2], ids[ids.len() * 3 / 4]);
        let tree = run(git(path).args(["rev-parse", "main^{tree}"]));
        let commit = |parents: &[&str], message: &str| {
            let parents = parents.iter().flat_map(|parent| ["-p", parent]);
            let date = "1900000000 +0000";
            let mut command = git(path);
            command.env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date);
            run(command.args(["commit-tree", &tree, "-m", message]).args(parents))
        };
        let on =
            |start: &str, name: &str| (0..3).fold(start.to_owned(), |tip, n| commit(&[&tip], &format!("{name} {n}")));
        let _ = writeln!(refs, "{} refs/heads/new", on(ids[0], "new"));
        let _ = writeln!(refs, "{} refs/heads/old", on(ids[ids.len() / 2 + 3], "old"));
        let _ = writeln!(refs, "{back} refs/heads/back");
        let _ = writeln!(refs, "{} refs/heads/merge", commit(&[ids[0], half], "merge"));
        for number in 0..200 {
            let id = commit(&[ids[0]], &format!("branch {number}"));
            let _ = writeln!(refs, "{id} refs/heads/many/{number}");
            let _ = writeln!(repository.branches.push, "{ZERO} {id} refs/heads/many/{number}");
            let _ = writeln!(repository.branches.asked, "{id}");
        }
        repository.branches.asked += "--not\n--exclude=refs/heads/many/*\n--all\n";
        repository.add_refs(&refs);
        repository
    }

    /// So many branches of a commit each, none of which is there before, beside so many refs.
    pub fn of_branches(path: &Path, branches: usize, refs: usize) -> Self {
        let mut repository = Self::make(path);
        let mut stream = chain(0, 2000, |_| String::new());
        for number in 0..branches {
            let mark = 10_000 + number;
            let _ = write!(stream, "commit refs/heads/many/{number}\nmark :{mark}\n{}from :2000\n\n", person(mark));
        }
        repository.import(&stream);
        let ids = run(git(path).args(["rev-list", "main"]));
        let ids: Vec<&str> = ids.lines().collect();
        let there = (0..refs).map(|n| format!("{} refs/tags/t/{n}\n", ids[n * 7 % ids.len()]));
        repository.add_refs(&there.collect::<String>());
        let format = format!("--format={ZERO} %(objectname) %(refname)");
        repository.branches.push = run(git(path).args(["for-each-ref", &format, "refs/heads/many"])) + "\n";
        repository
    }

    /// So many branches that lead to one commit, as a first push brings them.
    pub fn of_one_commit(path: &Path, branches: usize) -> Self {
        let mut repository = Self::make(path);
        repository.import(&chain(0, 1, |_| String::new()));
        let id = repository.id("main");
        let names: Vec<_> = (0..branches).map(|n| format!("{id} refs/heads/feature/{n}\n")).collect();
        repository.add_refs(&names.concat());
        repository.branches.push = names.iter().map(|line| format!("{ZERO} {line}")).collect();
        repository
    }

    /// Adds refs, each an id and a name in a line, to those that are packed; git takes minutes to write 100,000 one by one.
    fn add_refs(&self, refs: &str) {
        run(git(&self.path).args(["pack-refs", "--all"]));
        let path = self.path.join("packed-refs");
        let packed = fs::read_to_string(&path).expect("git wrote it");
        let lines = packed.lines().chain(refs.lines()).filter(|line| !line.starts_with(['#', '^']));
        let mut lines: Vec<_> = lines.collect();
        lines.sort_by_key(|line| line.split_once(' ').map(|(_, name)| name));
        let head = "# pack-refs with: peeled fully-peeled sorted \n";
        fs::write(&path, format!("{head}{}\n", lines.join("\n"))).expect("it can be written");
    }

    /// Another one that has the same.
    pub fn copy(&self, path: &Path) -> Self {
        run(Command::new("cp").arg("-a").args([&self.path, path]));
        Self { path: path.into(), branches: self.branches.clone() }
    }

    /// Has git index what was there before the pushes.
    pub fn write_graph_of_before(&self) {
        let told =
            run(git(&self.path).args(["for-each-ref", "--format=%(objectname)", "refs/heads/main", "refs/tags"]));
        let input = said(&self.path, &(told + "\n"));
        run(git(&self.path).args(["commit-graph", "write", "--stdin-commits", "--no-progress"]).stdin(input));
    }

    /// Leaves no ref but main, which a push has just made.
    pub fn keep_main_alone(&self) {
        let main = self.id("main");
        fs::write(self.path.join("packed-refs"), format!("{main} refs/heads/main\n")).expect("it can be written");
    }

    /// Has so many targets told in a format, and none that were told before.
    pub fn tell(&self, port: u16, format: &str, targets: usize) {
        let mut text = run(git(&self.path).args(["config", "--get-all", "webhook.maxWait"]));
        text = format!("[core]\nbare = true\nrepositoryformatversion = 0\n[webhook]\nmaxWait = {text}\n");
        for number in 0..targets {
            let _ =
                write!(text, "[webhook \"t{number}\"]\nurl = http://127.0.0.1:{port}/{number}\nformat = {format}\n");
        }
        fs::write(self.path.join("config"), text).expect("it can be written");
    }

    /// The same over TLS, whoever has signed the certificate.
    pub fn tell_over_tls(&self, port: u16, targets: usize) {
        self.tell(port, "gitlab", targets);
        let path = self.path.join("config");
        let text = fs::read_to_string(&path).expect("it was written");
        let text = text.replace("url = http://", "sslVerify = false\nurl = https://");
        fs::write(path, text).expect("it can be written");
    }

    pub fn id(&self, name: &str) -> String {
        run(git(&self.path).args(["rev-parse", name]))
    }

    pub fn refs(&self) -> usize {
        run(git(&self.path).args(["for-each-ref", "--format=x"])).lines().count()
    }

    /// The line of a push that moved main by its newest commits.
    pub fn update(&self, commits: usize) -> String {
        format!("{} {} refs/heads/main\n", self.id(&format!("main~{commits}")), self.id("main"))
    }

    /// The line of a push that made a branch.
    pub fn creation(&self, branch: &str) -> String {
        format!("{ZERO} {} refs/heads/{branch}\n", self.id(branch))
    }

    pub fn branches(&self) -> &Branches {
        &self.branches
    }

    /// The line of a push that moved main by commits which have a file each, to `ORIG_HEAD`, and what has those written anew.
    pub fn loose_update(&self) -> (String, String) {
        let tree = self.id("main^{tree}");
        // git tells the client of its refs before anything comes, and a clock of files ticks every few milliseconds.
        let (mut tip, mut anew) = (self.id("main"), String::from("sleep 0.05;"));
        for number in 0..3 {
            let message = format!("loose {number}");
            tip = run(git(&self.path).args(["commit-tree", &tree, "-p", &tip, "-m", &message]));
            let file = format!("objects/{}/{}", &tip[..2], &tip[2..]);
            let _ = write!(anew, "cp {file} {file}.new && mv -f {file}.new {file};");
        }
        fs::write(self.path.join("ORIG_HEAD"), format!("{tip}\n")).expect("it can be written");
        (format!("{} {tip} refs/heads/main\n", self.id("main")), anew)
    }

    /// Writes so many lines of deliveries that were made.
    pub fn log(&self, lines: usize) {
        let directory = self.path.join("webhook/log");
        fs::create_dir_all(&directory).expect("it can be made");
        let day = run(Command::new("date").args(["-u", "+%Y-%m-%d"]));
        let mut text = String::new();
        for number in 0..lines {
            let (hour, minute, second) = (number / 9000 % 24, number / 150 % 60, number % 60);
            let (id, other) = (delivery(number), format!("{number:012x}"));
            let _ = writeln!(
                text,
                "{{\"time\":\"{day}T{hour:02}:{minute:02}:{second:02}.000Z\",\"id\":\"{id}\",\
                 \"event_id\":\"01a20557-0000-7000-8000-{other}\",\"target\":\"t0\",\"event\":\"Push Hook\",\
                 \"format\":\"gitlab\",\"ref\":\"refs/heads/main\",\"old\":\"{ZERO}\",\"new\":\"{ZERO}\",\
                 \"receipt\":\"{number:012}.01a20557-0000-7000-8000-{other}\",\"attempt\":1,\"state\":\"delivered\",\
                 \"status\":200,\"ms\":3,\"sha256\":\"{ZERO}{ZERO:.24}\",\"size\":2000,\
                 \"answer\":{{\"headers\":[[\"content-type\",\"application/json\"]],\"size\":2,\"body\":\"ok\"}}}}"
            );
        }
        fs::write(directory.join(day), text).expect("it can be written");
    }

    fn import(&self, stream: &str) {
        feed(git(&self.path).args(["fast-import", "--quiet"]), stream);
    }
}

/// The pushes that made a history, a commit each.
pub struct Pushes {
    repository: PathBuf,
    input: PathBuf,
    ids: std::vec::IntoIter<String>,
    last: String,
}

impl Pushes {
    pub fn new(repository: &Repository) -> Self {
        let ids = run(git(&repository.path).args(["rev-list", "--reverse", "main"]));
        let mut ids = ids.lines().map(String::from).collect::<Vec<_>>().into_iter();
        let last = ids.next().expect("there is a commit");
        Self { input: repository.path.join("pushed"), repository: repository.path.clone(), ids, last }
    }

    /// Moves main to its next commit, and tells where the hook reads of it.
    pub fn next(&mut self) -> &Path {
        let next = self.ids.next().expect("there are more commits than runs");
        fs::write(&self.input, format!("{} {next} refs/heads/main\n", self.last)).expect("it can be written");
        fs::write(self.repository.join("refs/heads/main"), format!("{next}\n")).expect("it can be written");
        self.last = next;
        &self.input
    }
}

/// The id of a delivery in a log that was written by hand.
pub fn delivery(number: usize) -> String {
    format!("{:08x}-0000-5000-8000-{number:012x}", number * 2_654_435_761 % (1 << 32))
}

/// A text as the input of a program.
fn said(directory: &Path, text: &str) -> fs::File {
    let path = directory.join("said");
    fs::write(&path, text).expect("it can be written");
    fs::File::open(&path).expect("it was written")
}

fn feed(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("git is installed");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("git reads it");
    assert!(child.wait().expect("it runs").success());
}

fn person(number: usize) -> String {
    format!("committer C O Mitter <c@example.org> {} +0000\ndata 2\nm\n", 1_000_000_000 + 60 * number)
}

/// Commits one upon the other on main, by marks from 1, each with its changes.
fn chain(first: usize, count: usize, changes: impl Fn(usize) -> String) -> String {
    let mut stream = String::new();
    for number in first..first + count {
        let _ = write!(stream, "commit refs/heads/main\nmark :{}\n{}{}\n", number + 1, person(number), changes(number));
    }
    stream
}

/// The same with a side branch and its merge at every fortieth.
fn merging(commits: usize) -> String {
    let mut stream = String::new();
    let mut commit = |number: usize, parents: &[usize]| {
        let _ = write!(stream, "commit refs/heads/main\nmark :{number}\n{}", person(number));
        for (place, parent) in parents.iter().enumerate() {
            let _ = writeln!(stream, "{} :{parent}", if place == 0 { "from" } else { "merge" });
        }
        stream.push('\n');
    };
    commit(1, &[]);
    let (mut tip, mut number) = (1, 2);
    while number <= commits {
        if number % 40 == 0 {
            commit(number, &[number - 20]);
            commit(number + 1, &[tip, number]);
            number += 1;
        } else {
            commit(number, &[tip]);
        }
        tip = number;
        number += 1;
    }
    stream
}
