//! A hook that publishes is killed at every system call, its connection is cut after any number of bytes, and the broker is killed and
//! loses its disk: each push lies at the broker once, under one id, in its order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::published::{flush, tell, waiting, world};
use crate::support::{Broker, Receiver, World, ZERO, chain, pre_receive};

/// What a hook does to files and to the broker. `?`: not every machine has them all.
const CALLS: [&str; 8] = [
    "write",
    "fdatasync",
    "?rename,?renameat,?renameat2",
    "?unlink,?unlinkat",
    "ftruncate",
    "connect",
    "sendto",
    "recvfrom",
];

/// A repository in which branches are pushed along one chain of commits.
struct Lab {
    world: World,
    commits: Vec<String>,
    receiver: Receiver,
}

impl Lab {
    fn new(broker: &Broker) -> Self {
        let receiver = Receiver::new();
        let world = world(broker, &receiver);
        let commits = chain(&world, 2);
        Self { world, commits, receiver }
    }

    /// A hook's input: a branch moves to the commit with this number.
    fn line(&self, branch: &str, step: usize) -> String {
        let old = step.checked_sub(1).map_or(ZERO, |before| self.commits[before].as_str());
        format!("{old} {} refs/heads/{branch}\n", self.commits[step])
    }

    /// Pushes a branch; whether post-receive was not killed.
    fn push(&self, branch: &str, step: usize, strace: &[&str]) -> bool {
        let line = self.line(branch, step);
        assert!(self.world.feed(&mut pre_receive(&self.world), line.as_bytes()).status.success());
        let place = self.world.server().join("refs/heads").join(branch);
        fs::write(place, format!("{}\n", self.commits[step])).unwrap();
        let mut command = self.world.hook();
        if !strace.is_empty() {
            let mut traced = self.world.command("strace", &self.world.server());
            traced.args(["-f", "-q", "-o", "/dev/null"]).args(strace).arg(command.get_program());
            traced.env("GIT_DIR", ".");
            command = traced;
        }
        let output = self.world.feed(&mut command, line.as_bytes());
        let was_killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
        assert!(was_killed || output.status.success(), "{output:?}");
        !was_killed
    }

    /// Has whatever is left told.
    fn flush(&self) {
        self.world.machine_restarts();
        flush(&self.world);
    }

    /// Each push of these branches lies there once, under one id, and none before an older one of its branch.
    #[track_caller]
    fn is_whole(&self, broker: &Broker, branches: &[String]) {
        let messages = waiting(broker);
        let ids: BTreeSet<_> = messages.iter().map(|message| message.header("Webhook-Event-Id").to_owned()).collect();
        let mut of_branch: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for message in &messages {
            let (name, new) = message.of_ref();
            of_branch.entry(name).or_default().push(new);
        }
        for branch in branches {
            let there = of_branch.remove(format!("refs/heads/{branch}").as_str()).unwrap_or_default();
            assert_eq!(there, [&self.commits[0], &self.commits[1]], "{branch}");
        }
        assert!(of_branch.is_empty(), "{of_branch:?}");
        assert_eq!(ids.len(), messages.len());
        assert_eq!((self.world.waiting("ci").len(), self.world.receipts().len()), (0, 0));
        assert_eq!(self.world.published("ci").len(), messages.len());
        assert_eq!(self.receiver.connections(), 0, "nothing is sent past the broker");
    }
}

#[test]
#[ignore = "needs nats-server and strace: run tests/run"]
fn a_hook_that_is_killed_at_any_system_call_has_published_each_push_once() {
    let broker = Broker::new();
    let lab = Lab::new(&broker);
    let mut branches = Vec::new();
    for call in CALLS {
        for when in 1.. {
            let branch = format!("{}-{when}", call.trim_start_matches('?').split(',').next().unwrap());
            let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={when}"));
            let is_over = lab.push(&branch, 0, &["-e", &trace, "-e", &inject]);
            assert!(lab.push(&branch, 1, &[]));
            lab.flush();
            branches.push(branch);
            if is_over {
                break;
            }
        }
    }
    let kills = branches.len() - CALLS.len();
    assert!(kills >= 10, "{kills}");
    lab.is_whole(&broker, &branches);
}

/// Hands on what is said to the broker as far as so many bytes, and cuts the connection there.
fn cutting(broker: &Broker) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), broker.port());
    let most = Arc::new(AtomicUsize::new(usize::MAX));
    let limit = Arc::clone(&most);
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut server = TcpStream::connect(("127.0.0.1", behind)).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let mut left = limit.load(Ordering::SeqCst);
            let mut bytes = [0; 64];
            while left > 0 {
                let most = left.min(bytes.len());
                let Ok(read) = client.read(&mut bytes[..most]) else { break };
                if read == 0 || server.write_all(&bytes[..read]).is_err() {
                    break;
                }
                left -= read;
            }
            // What was handed on, the broker has; its answers are lost.
            let _ = client.shutdown(Shutdown::Both);
            thread::sleep(Duration::from_millis(5));
            let _ = server.shutdown(Shutdown::Both);
        }
    });
    (port, most)
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_connection_that_is_cut_after_any_number_of_bytes_leaves_each_push_once() {
    let broker = Broker::new();
    let lab = Lab::new(&broker);
    let (port, most) = cutting(&broker);
    lab.world.configure_globally("webhook.via", "");
    lab.world.configure_globally("webhook.via", &format!("nats://127.0.0.1:{port}"));
    let mut branches = Vec::new();
    for cut in (0..4_000).step_by(100) {
        let branch = format!("cut-{cut}");
        most.store(cut, Ordering::SeqCst);
        lab.push(&branch, 0, &[]);
        lab.push(&branch, 1, &[]);
        most.store(usize::MAX, Ordering::SeqCst);
        lab.flush();
        branches.push(branch);
    }
    lab.is_whole(&broker, &branches);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_broker_that_is_killed_and_loses_its_disk_again_and_again_has_each_push_once_in_the_end() {
    let broker = Broker::new();
    let lab = Lab::new(&broker);
    let branches: Vec<_> = (0..40).map(|number| format!("b-{number}")).collect();
    let is_over = AtomicUsize::new(0);
    let forgotten = thread::scope(|scope| {
        scope.spawn(|| {
            for step in 0..2 {
                for branch in &branches {
                    lab.push(branch, step, &[]);
                }
            }
            is_over.store(1, Ordering::SeqCst);
        });
        let mut rounds = 0;
        while is_over.load(Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(150));
            broker.kill();
            if rounds % 3 == 2 {
                broker.forget();
            }
            broker.start();
            if rounds % 3 == 2 {
                broker.set_up();
            }
            rounds += 1;
        }
        rounds / 3
    });
    assert!(forgotten > 0);
    // A worker takes what is there; what was lost is found missing then, since nothing of its ref waits any more.
    let (mut received, mut late) = (Vec::new(), BTreeSet::new());
    lab.flush();
    while !lab.world.published("ci").is_empty() {
        for message in waiting(&broker) {
            let (name, new) = message.of_ref();
            received.push((name.to_owned(), new.to_owned()));
            late.extend((message.header("Webhook-Late") == "1").then(|| (name.to_owned(), new.to_owned())));
            tell(&broker, &message, |_| {});
        }
        lab.world.published_long_ago("ci");
        lab.flush();
    }
    eprintln!("the disk was lost {forgotten} times, {} of {} were published again", late.len(), received.len());
    assert_eq!(received.len(), 80, "none is lost, none is there twice");
    for branch in &branches {
        let name = format!("refs/heads/{branch}");
        let place = |step: usize| received.iter().position(|it| *it == (name.clone(), lab.commits[step].clone()));
        let [first, second] = [0, 1].map(|step| place(step).unwrap());
        let was_lost = late.contains(&(name.clone(), lab.commits[0].clone()));
        assert!(first < second || was_lost, "{branch}: out of order, though nothing was lost");
    }
    assert_eq!(lab.receiver.connections(), 0, "nothing is sent past the broker");
}
