//! What a broker in between adds to a push: the hook by itself, told directly and through the broker, each with nobody there as well.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{git, receive, run};

/// How often each is run, by turns.
const TURNS: usize = 61;

/// A repository, and what its server's targets are told by.
struct Case {
    name: &'static str,
    home: PathBuf,
    repository: PathBuf,
    times: Vec<Duration>,
}

/// Prints the times of a hook whose one target is told through the broker at `broker`, and of three others.
pub fn measure(directory: &Path, broker: &str) {
    let receiver = format!("http://127.0.0.1:{}/", receive(Duration::ZERO));
    let nobody = format!("127.0.0.1:{}", free_port());
    let down = format!("http://{nobody}/");
    let chain = directory.join("chain.git");
    let ids = commits(&chain);
    let case = |name, url: &str, via: Option<&str>| Case::new(directory, &chain, name, url, via);
    let mut cases = [
        case("direct", &receiver, None),
        case("through the broker", &receiver, Some(broker)),
        case("receiver down", &down, None),
        case("broker down", &receiver, Some(&format!("nats://{nobody}"))),
    ];
    for pair in ids.windows(2) {
        cases.iter_mut().for_each(|case| case.push(&pair[0], &pair[1]));
    }
    println!("| a push of one commit | median | fastest |\n|---|---|---|");
    for case in &mut cases {
        // The first makes directories.
        let mut times = case.times.split_off(1);
        times.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!("| {} | {:.1} ms | {:.1} ms |", case.name, ms(times[times.len() / 2]), ms(times[0]));
    }
}

impl Case {
    fn new(directory: &Path, chain: &Path, name: &'static str, url: &str, via: Option<&str>) -> Self {
        let [home, repository] = ["home", "project.git"].map(|it| directory.join(name).join(it));
        fs::create_dir_all(&home).expect("a directory");
        let via = via.map(|via| format!("\tvia = {via}\n")).unwrap_or_default();
        let config = format!("[webhook]\n{via}[webhook \"ci\"]\n\turl = {url}\n\tformat = gitlab\n");
        fs::write(home.join(".gitconfig"), config).expect("it can be written");
        run(git(directory).args(["clone", "--quiet", "--bare"]).arg(chain).arg(&repository));
        Self { name, home, repository, times: Vec::new() }
    }

    fn push(&mut self, old: &str, new: &str) {
        let input = self.home.join("input");
        fs::write(&input, format!("{old} {new} refs/heads/main\n")).expect("it can be written");
        let mut hook = Command::new(env!("CARGO_BIN_EXE_post-receive"));
        hook.current_dir(&self.repository).env("GIT_DIR", ".").env("HOME", &self.home).env("GIT_CONFIG_NOSYSTEM", "1");
        hook.env("GL_USER", "alice").stdin(fs::File::open(&input).expect("it is there"));
        let start = Instant::now();
        let status = hook.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the hook runs");
        self.times.push(start.elapsed());
        assert!(status.success(), "{}", self.name);
    }
}

/// A repository with a commit more than there are turns; their ids, the oldest first.
fn commits(repository: &Path) -> Vec<String> {
    let parent = repository.parent().expect("it lies in a directory");
    run(git(parent).args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(repository));
    let tree = run(git(repository).args(["mktree"]).stdin(Stdio::null()));
    let mut ids: Vec<String> = Vec::new();
    for number in 0..=TURNS {
        let mut commit = git(repository);
        commit.args(["commit-tree", &tree, "-m", &number.to_string()]);
        if let Some(last) = ids.last() {
            commit.args(["-p", last]);
        }
        ids.push(run(&mut commit));
    }
    run(git(repository).args(["update-ref", "refs/heads/main", &ids[TURNS]]));
    ids
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|it| it.local_addr()).expect("a free port").port()
}
