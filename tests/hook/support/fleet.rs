//! A broker with workers around it, which have a configuration of their own and no repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use git_webhook::stream::{Claim, DEAD, DELIVERIES, JetStream, Lane, Message, Outcome, Role, consumer};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Broker, Ends, Receiver, soon, until};

pub struct Fleet {
    pub broker: Broker,
    directory: TempDir,
    started: AtomicUsize,
}

/// A running worker, which ends with the test.
pub struct WorkerProcess {
    child: Child,
    log: PathBuf,
}

impl WorkerProcess {
    /// Ends it as a crash of its machine would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub fn end(mut self) -> std::process::ExitStatus {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).unwrap();
        let mut status = None;
        until("the worker ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// The lines of its log so far.
    pub fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What it said on standard error so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log.with_extension("err")).unwrap()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Fleet {
    /// A broker with the streams, and no worker yet.
    pub fn new() -> Self {
        Self::of(Broker::new())
    }

    pub fn of(broker: Broker) -> Self {
        let directory = tempfile::Builder::new().prefix("git-webhook-fleet").tempdir().unwrap();
        let fleet = Self { broker, directory, started: AtomicUsize::new(0) };
        fleet.configure("webhook.via", &fleet.broker.url());
        fleet
    }

    /// The same with one target, `ci`.
    pub fn told_to(receiver: &Receiver, format: &str) -> Self {
        let fleet = Self::new();
        fleet.add_target("ci", receiver, format);
        fleet
    }

    /// A place among the user's files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn add_target(&self, name: &str, receiver: &Receiver, format: &str) {
        self.configure(&format!("webhook.{name}.url"), &receiver.url());
        self.configure(&format!("webhook.{name}.format"), format);
    }

    pub fn configure(&self, key: &str, value: &str) {
        let mut git = self.command("git");
        assert!(git.args(["config", "--global", "--add", key, value]).ends().status.success());
    }

    /// A command whose user has the workers' configuration.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.directory.path()).env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
        command
    }

    /// Runs `git webhook`.
    pub fn webhook(&self, arguments: &[&str]) -> std::process::Output {
        self.command(env!("CARGO_BIN_EXE_git-webhook")).args(arguments).ends()
    }

    /// Starts a worker.
    pub fn worker(&self, arguments: &[&str]) -> WorkerProcess {
        let number = self.started.fetch_add(1, Ordering::SeqCst);
        let log = self.directory.path().join(format!("worker-{number}.log"));
        let mut command = self.command(env!("CARGO_BIN_EXE_git-webhook"));
        command.arg("worker").args(arguments).stdin(Stdio::null());
        command.stdout(fs::File::create(&log).unwrap()).stderr(fs::File::create(log.with_extension("err")).unwrap());
        WorkerProcess { child: command.spawn().unwrap(), log }
    }

    /// Makes the consumers of a target with so few seconds for a worker to say that it still works, so that a test of one that
    /// dies need not last a minute.
    pub fn hurry(&self, target: &str, seconds: u64) {
        self.hurry_at(&mut self.broker.connect(Role::Administrator), target, seconds);
    }

    /// The same at this broker.
    pub fn hurry_at(&self, broker: &mut JetStream, target: &str, seconds: u64) {
        for lane in [Lane::Deliveries, Lane::Retries] {
            let mut config = consumer(lane, target);
            config["ack_wait"] = json!(seconds * 1_000_000_000);
            let subject = format!("$JS.API.CONSUMER.DURABLE.CREATE.GW.{}", config["durable_name"].as_str().unwrap());
            broker.call(&subject, &json!({ "stream_name": "GW", "config": config }), soon()).unwrap();
        }
    }

    /// Publishes as a git server does; each is taken, and none is known.
    #[track_caller]
    pub fn publish(&self, messages: &[Message]) {
        let became = self.broker.connect(Role::GitServer).publish(messages, soon()).unwrap();
        became.into_iter().for_each(|it| assert!(!it.unwrap().is_duplicate));
    }

    /// What is known of a delivery.
    pub fn outcome(&self, message: &Message) -> Option<Outcome> {
        let mut broker = self.broker.connect(Role::GitServer);
        broker.outcomes(message.spool, &[message.id], soon()).unwrap().pop().flatten()
    }

    /// Takes a message as a worker would.
    pub fn claim(&self, broker: &mut JetStream, target: &str) -> Claim {
        broker.claim(Lane::Deliveries, target, 1, Some(Duration::from_secs(30))).unwrap().pop().unwrap()
    }

    /// How many messages a stream has.
    pub fn count(&self, stream: &str) -> u64 {
        let info = self.broker.connect(Role::Administrator).stream(stream, soon()).unwrap().unwrap();
        info["state"]["messages"].as_u64().unwrap()
    }

    /// Waits until nothing waits for workers.
    #[track_caller]
    pub fn settle(&self) {
        until("all is settled", || self.count(DELIVERIES) == 0);
    }

    /// How many dead letters there are.
    pub fn dead(&self) -> u64 {
        self.count(DEAD)
    }
}

/// The ids in the order in which a receiver got them, by what stands in `ref` of their bodies.
pub fn by_ref(receiver: &Receiver) -> BTreeMap<String, Vec<u64>> {
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for request in receiver.requests() {
        let json = request.json();
        all.entry(json["ref"].as_str().unwrap().into()).or_default().push(json["number"].as_u64().unwrap());
    }
    all
}
