//! Workers between a real broker and a receiver that answers at once: deliveries a second; and a storm, in which broker and workers are
//! killed at random, with a ledger of what was lost, doubled, out of order; and what a broker adds to a push.
//!
//! `cargo bench --bench fleet`; `GIT_WEBHOOK_STORM` says for how many seconds things are killed, none where it is not set. Needs
//! nats-server.

#[path = "fleet/push.rs"]
mod push;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use git_webhook::stream::{Credentials, JetStream, Lane, Message, Role, Servers, order_key};
use git_webhook::transport::Trust;
use uuid::Uuid;

const REPOSITORIES: u64 = 100;
const DELIVERIES_OF_RUN: u64 = 20_000;
const DELIVERIES_OF_STORM: u64 = 100_000;
const BODY: usize = 4 * 1024;

fn main() {
    let storm = std::env::var("GIT_WEBHOOK_STORM").ok().and_then(|text| text.parse().ok());
    match storm {
        Some(seconds) => run_storm(Duration::from_secs(seconds)),
        None => {
            [1, 3].into_iter().for_each(measure);
            let scene = Scene::new();
            push::measure(scene.directory.path(), &format!("nats://127.0.0.1:{}", scene.port));
        }
    }
}

/// How many deliveries a second so many workers make.
fn measure(workers: usize) {
    let scene = Scene::new();
    let rounds = DELIVERIES_OF_RUN / REPOSITORIES;
    (1..=rounds).for_each(|round| scene.publish(round));
    let start = Instant::now();
    let running: Vec<_> = (0..workers).map(|_| scene.worker()).collect();
    scene.wait_until_empty();
    let seconds = start.elapsed().as_secs_f64();
    let ledger = scene.ledger(rounds);
    let rate = DELIVERIES_OF_RUN as f64 / seconds;
    assert!(ledger.is_clean(0), "{ledger}");
    println!("{workers} workers: {DELIVERIES_OF_RUN} deliveries in {seconds:.1} s, {rate:.0} a second; {ledger}");
    drop(running);
}

/// Kills broker and workers at random, while deliveries come.
fn run_storm(length: Duration) {
    let scene = Scene::new();
    let rounds = DELIVERIES_OF_STORM / REPOSITORIES;
    let end = Instant::now() + length;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut kills, mut broker_kills) = (0, 0);
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for round in 1..=rounds {
                scene.publish(round);
                // Spread over the whole storm.
                let due = end - length + length.mul_f64(round as f64 / rounds as f64);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        let mut workers: Vec<_> = (0..3).map(|_| scene.worker()).collect();
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(200 + random.below(1800)));
            if random.below(5) == 0 {
                scene.restart_broker();
                broker_kills += 1;
            } else {
                let at = random.below(3) as usize;
                workers[at] = scene.worker();
                kills += 1;
            }
        }
        publisher.join().expect("the publisher ends");
        scene.wait_until_empty();
    });
    let ledger = scene.ledger(rounds);
    println!("{kills} workers and {broker_kills} brokers killed in {} s; {ledger}", length.as_secs());
    if !ledger.is_clean(kills + broker_kills) {
        std::process::exit(1);
    }
}

/// A broker, a receiver, and a place for their files.
struct Scene {
    directory: tempfile::TempDir,
    port: u16,
    broker: Mutex<Running>,
    heard: Arc<Mutex<Vec<(u64, u64, String)>>>,
}

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|it| it.local_addr()).expect("a free port").port();
        let heard: Arc<Mutex<Vec<_>>> = Arc::default();
        let receiver = receive(Arc::clone(&heard));
        let config = format!(
            "[webhook]\n\tvia = nats://127.0.0.1:{port}\n[webhook \"ci\"]\n\turl = http://127.0.0.1:{receiver}/\n\tformat = gitlab\n"
        );
        fs::write(directory.path().join(".gitconfig"), config).expect("it can be written");
        let broker = Mutex::new(start_broker(directory.path(), port));
        let scene = Self { directory, port, broker, heard };
        let status = scene.command().args(["fleet", "init"]).stdout(Stdio::null()).status().expect("it runs");
        assert!(status.success(), "the streams are made");
        scene
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_git-webhook"));
        command.env("HOME", self.directory.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    fn worker(&self) -> Running {
        let mut command = self.command();
        command.arg("worker").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().expect("the worker starts"))
    }

    fn restart_broker(&self) {
        let mut broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = broker.0.kill();
        let _ = broker.0.wait();
        *broker = start_broker(self.directory.path(), self.port);
    }

    fn connect(&self) -> Option<JetStream> {
        let servers = Servers::parse(&format!("nats://127.0.0.1:{}", self.port)).ok()?;
        let credentials = Credentials::default();
        JetStream::open(&servers, &credentials, &Trust::default(), Role::Administrator, Duration::from_secs(1)).ok()
    }

    /// Publishes the push of this number of each repository, and again what was not acknowledged: as a git server's queue does, one
    /// of a ref at a time.
    fn publish(&self, round: u64) {
        let mut left: Vec<_> = (0..REPOSITORIES).map(|repository| message(repository, round)).collect();
        while !left.is_empty() {
            let end = Instant::now() + Duration::from_secs(5);
            let became = self.connect().and_then(|mut broker| broker.publish(&left, end).ok());
            let mut became = became.unwrap_or_default().into_iter();
            left.retain(|_| became.next().is_none_or(|it| it.is_err()));
        }
    }

    fn wait_until_empty(&self) {
        // What a broker that was killed counts may be more than there is.
        let first = || {
            let end = Instant::now() + Duration::from_secs(5);
            self.connect()?.next_for(Lane::Deliveries, "ci", 0, end).ok()
        };
        while !matches!(first(), Some(None)) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn ledger(&self, rounds: u64) -> Ledger {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_repository: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut ids: BTreeMap<(u64, u64), BTreeSet<&str>> = BTreeMap::new();
        for (repository, round, id) in heard.iter() {
            by_repository.entry(*repository).or_default().push(*round);
            ids.entry((*repository, *round)).or_default().insert(id);
        }
        let lost = REPOSITORIES * rounds - ids.len() as u64;
        let doubled = heard.len() - ids.len();
        // What comes twice comes right behind itself.
        let is_wrong = |pair: &&[u64]| pair[1] != pair[0] && pair[1] != pair[0] + 1;
        let wrong: usize = by_repository.values().map(|all| all.windows(2).filter(is_wrong).count()).sum();
        let two_ids = ids.values().filter(|ids| ids.len() > 1).count();
        Ledger { lost, doubled, wrong, two_ids }
    }
}

/// What came of all deliveries.
struct Ledger {
    lost: u64,
    doubled: usize,
    wrong: usize,
    two_ids: usize,
}

impl Ledger {
    /// Whether nothing is lost, out of order or under two ids, and no more doubled than was out when something was killed.
    fn is_clean(&self, kills: usize) -> bool {
        self.lost == 0 && self.wrong == 0 && self.two_ids == 0 && self.doubled <= 8 * kills
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, doubled, wrong, two_ids } = self;
        write!(f, "lost {lost}, doubled {doubled}, out of order {wrong}, under two ids {two_ids}")
    }
}

fn start_broker(directory: &Path, port: u16) -> Running {
    let store: PathBuf = directory.join("js");
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(store);
    let running =
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nats-server is installed"));
    while !TcpStream::connect(("127.0.0.1", port)).is_ok_and(|mut it| it.read(&mut [0; 8]).is_ok_and(|read| read > 0)) {
        thread::sleep(Duration::from_millis(5));
    }
    running
}

fn message(repository: u64, round: u64) -> Message {
    let spool = Uuid::from_u128(u128::from(repository) + 1);
    let name = b"refs/heads/main";
    let mut body = format!("{{\"repository\":{repository},\"round\":{round},\"filling\":\"").into_bytes();
    body.resize(BODY - 2, b'x');
    body.extend(b"\"}");
    let id = Uuid::from_u128(u128::from(repository) << 64 | u128::from(round));
    Message {
        id,
        redelivery: 0,
        target: "ci".into(),
        order: order_key(spool, b"", Some(name)),
        format: "gitlab".into(),
        event: "Push Hook".into(),
        event_id: id,
        spool,
        repository: format!("group/project-{repository}"),
        project: 1,
        instance: "https://git.example.org".into(),
        namespace: Vec::new(),
        ref_name: name.to_vec(),
        old: "0".repeat(40),
        new: "1".repeat(40),
        more: 0,
        time: std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs() as i64),
        is_late: false,
        trace: None,
        body,
    }
}

/// A receiver that answers at once and notes what it heard.
fn receive(heard: Arc<Mutex<Vec<(u64, u64, String)>>>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heard = Arc::clone(&heard);
            thread::spawn(move || serve(stream, &heard));
        }
    });
    port
}

fn serve(stream: TcpStream, heard: &Mutex<Vec<(u64, u64, String)>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut id, mut line) = (0, String::new(), String::new());
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().ok()?;
            } else if let Some(value) = line.strip_prefix("X-Gitlab-Event-UUID: ") {
                id = value.trim().into();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let json: serde_json::Value = serde_json::from_slice(&body).ok()?;
        let entry = (json["repository"].as_u64()?, json["round"].as_u64()?, id);
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

/// xorshift: the same storm each time, as far as the machine's own timing lets it.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
