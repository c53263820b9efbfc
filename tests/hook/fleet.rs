//! `git webhook fleet`: the streams as they are made, and a fleet that works with the permissions it prints.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use git_webhook::stream::{DELIVERIES, JetStream, Message, Role, Servers, Standing, Trouble, streams};
use git_webhook::transport::Trust;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::broker::delivery;
use crate::support::{Broker, Ends, Fleet, Receiver, World, is_as_its_schema, soon, until};

fn printed(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn config(fleet: &Fleet, stream: &str) -> Value {
    fleet.broker.connect(Role::Administrator).stream(stream, soon()).unwrap().unwrap()["config"].clone()
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn init_makes_what_is_missing_and_lowers_nothing() {
    let fleet = Fleet::of(Broker::with(""));
    fleet.add_target("ci.example", &Receiver::new(), "gitlab");
    let first = printed(&fleet.webhook(&["fleet", "init"]));
    for line in ["stream GW: made", "stream GWX: made", "stream GWO: made", "consumer d-ci=example: made"] {
        assert!(first.contains(line), "{first}");
    }
    let again = printed(&fleet.webhook(&["fleet", "init"]));
    assert!(again.contains("stream GW: there") && again.contains("consumer r-ci=example: there"), "{again}");
    let mut broker = fleet.broker.connect(Role::Administrator);
    let mut edited = config(&fleet, DELIVERIES);
    edited["max_bytes"] = json!(8_u64 << 30);
    edited["duplicate_window"] = json!(60_000_000_000_u64);
    broker.call("$JS.API.STREAM.UPDATE.GW", &edited, soon()).unwrap();
    let raised = printed(&fleet.webhook(&["fleet", "init"]));
    assert!(raised.contains("stream GW: raised"), "{raised}");
    let known = config(&fleet, DELIVERIES);
    assert_eq!((&known["max_bytes"], &known["duplicate_window"]), (&json!(8_u64 << 30), &json!(7_200_000_000_000_u64)));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn the_printed_requests_make_the_same() {
    let fleet = Fleet::of(Broker::with(""));
    fleet.add_target("ci", &Receiver::new(), "gitlab");
    let told = printed(&fleet.webhook(&["fleet", "init", "--dry-run"]));
    let mut broker = fleet.broker.connect(Role::Administrator);
    assert!(broker.stream(DELIVERIES, soon()).unwrap().is_none(), "nothing was asked of the broker");
    for line in told.lines().filter_map(|line| line.strip_prefix("nats request ")) {
        let words: Vec<_> = line.split('\'').collect();
        broker.call(words[1], &serde_json::from_str(words[3]).unwrap(), soon()).unwrap();
    }
    let after = printed(&fleet.webhook(&["fleet", "init"]));
    assert!(!after.contains(": made") && !after.contains(": raised"), "{after}");
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn each_side_needs_no_more_than_the_permissions_that_are_printed() {
    let plan = Fleet::new();
    plan.add_target("ci", &Receiver::new(), "gitlab");
    let told = printed(&plan.webhook(&["fleet", "init", "--dry-run"]));
    let permissions = |role: &str| {
        let mut lines = told.lines().skip_while(|line| *line != format!("# {role}"));
        lines.nth(1).unwrap().to_owned()
    };
    let users = format!(
        "authorization {{ users: [ {{ user: admin, password: a }}, {{ user: server, password: s, {} }}, \
         {{ user: worker, password: w, {} }} ] }}",
        permissions("git-server"),
        permissions("worker"),
    );
    let receiver = Receiver::new();
    let fleet = Fleet::of(Broker::with(&users));
    let with = |user: &str| format!("nats://{user}@127.0.0.1:{}", fleet.broker.port());
    fleet.configure("webhook.via", "");
    fleet.configure("webhook.via", &with("worker:w"));
    fleet.add_target("ci", &receiver, "gitlab");
    let credentials = fleet.path("admin");
    std::fs::write(&credentials, "admin:a\n").unwrap();
    let denied = fleet.webhook(&["fleet", "init"]);
    assert!(String::from_utf8_lossy(&denied.stderr).contains("does not let this user"), "{denied:?}");
    fleet.configure("webhook.via", "");
    fleet.configure("webhook.via", &format!("nats://127.0.0.1:{}", fleet.broker.port()));
    printed(&fleet.webhook(&["fleet", "init", "--credentials", credentials.to_str().unwrap()]));
    fleet.configure("webhook.via", "");
    fleet.configure("webhook.via", &with("worker:w"));

    let open = |user: &str, role| {
        let servers = Servers::parse(&with(user)).unwrap();
        let credentials = git_webhook::stream::Credentials::new(servers.login(), None).unwrap();
        JetStream::open(&servers, &credentials, &Trust::default(), role, Duration::from_secs(60)).unwrap()
    };
    let mut server = open("server:s", Role::GitServer);
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let message = Message { time, ..delivery(1, "ci", b"{}") };
    server.publish(std::slice::from_ref(&message), soon()).unwrap()[0].as_ref().unwrap();
    assert_eq!(server.are_waiting(&[("ci", &message.order)], soon()).unwrap(), [true]);
    let worker = fleet.worker(&[]);
    let mut outcome = None;
    until("the outcome is told", || {
        outcome = server.outcomes(message.spool, &[message.id], soon()).unwrap().pop().flatten();
        outcome.is_some()
    });
    assert_eq!(outcome.map(|outcome| outcome.state), Some(Standing::Delivered), "{}", worker.said());
    assert!(!worker.said().contains("does not let"), "{}", worker.said());
    // What it may not: read bodies of others, tell outcomes, publish dead letters.
    let names = server.call("$JS.API.STREAM.NAMES", &json!({ "subject": "gw.o.>" }), soon()).unwrap();
    assert_eq!(names["streams"], json!(["GWO"]));
    for subject in [
        "$JS.API.DIRECT.GET.GW",
        "$JS.API.STREAM.MSG.GET.GW",
        "$JS.API.STREAM.INFO.GWO",
        "$JS.API.STREAM.PURGE.GW",
        "gw.o.x.y",
        "gw.x.ci.a",
    ] {
        let refused = open("server:s", Role::GitServer).call(subject, &json!({}), soon());
        assert_eq!(refused.err().map(|error| error.kind), Some(Trouble::NotPermitted), "{subject}");
    }
    for subject in ["gw.d.ci.a", "$JS.API.STREAM.PURGE.GW", "$JS.API.STREAM.DELETE.GW"] {
        let refused = open("worker:w", Role::Worker).call(subject, &json!({}), soon());
        assert_eq!(refused.err().map(|error| error.kind), Some(Trouble::NotPermitted), "{subject}");
    }
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn status_tells_what_waits_and_what_is_wrong() {
    let fleet = Fleet::of(Broker::with(""));
    fleet.add_target("ci", &Receiver::new(), "gitlab");
    let nothing = fleet.webhook(&["fleet", "status"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("there is no stream GW"), "{nothing:?}");
    printed(&fleet.webhook(&["fleet", "init"]));
    assert!(printed(&fleet.webhook(&["fleet", "status"])).contains("GWX"));
    fleet.publish(&[delivery(1, "ci", b"{}"), delivery(2, "ci", b"{}")]);
    let left = fleet.webhook(&["fleet", "status", "--json"]);
    assert_eq!(left.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&left.stderr).contains("no worker asks for deliveries of target 'ci', and 2 wait"));
    let answer: Value = serde_json::from_slice(&left.stdout).unwrap();
    is_as_its_schema("fleet", &answer);
    assert_eq!(answer["targets"], json!([{ "target": "ci", "waiting": 2, "in_hand": 0, "retries": 0, "asking": 0 }]));
    assert_eq!((&answer["streams"][0]["name"], &answer["streams"][0]["messages"]), (&json!("GW"), &json!(2)));
    let mut small = streams(1)[0].config.clone();
    small["max_bytes"] = answer["streams"][0]["bytes"].clone();
    fleet.broker.connect(Role::Administrator).call("$JS.API.STREAM.UPDATE.GW", &small, soon()).unwrap();
    let full = fleet.webhook(&["fleet", "status"]);
    assert!(String::from_utf8_lossy(&full.stderr).contains("stream GW is nearly full"), "{full:?}");
}

/// A program with those that it started: git runs `git webhook worker` as one of its own.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// The commands of docs/fleet.md, where a person would type them.
#[test]
#[ignore = "needs nats-server: run tests/run"]
fn the_ten_commands_of_the_page_work() {
    let receiver = Receiver::new();
    let world = World::new();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let page = include_str!("../../docs/fleet.md");
    let block = page.split("## In ten commands").nth(1).unwrap().split("```").nth(1).unwrap();
    let commands: Vec<_> = block.lines().skip(1).filter(|line| !line.is_empty()).collect();
    assert_eq!(commands.len(), 10, "{commands:?}");
    world.commit("one");
    let programs = Path::new(env!("CARGO_BIN_EXE_git-webhook")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path))).unwrap();
    // By default it promises streams no more than is free on the disk now.
    std::fs::write(world.path("nats.conf"), "jetstream { max_file_store: 64G }\n").unwrap();
    let with_room = format!("nats-server -c {} ", world.path("nats.conf").display());
    let replaced = |command: &str| {
        let command = command.replace("nats-server ", &with_room);
        let command = command.replace("4222", &port.to_string()).replace("http://127.0.0.1:8000", receiver.origin());
        command.replace("/var/lib/nats", world.path("nats").to_str().unwrap())
    };
    let shell = |command: &str| {
        let mut shell = world.command("sh", &world.path("."));
        shell.env("PATH", &path).env_remove("RUST_LOG").args(["-c", &format!("exec {}", replaced(command))]);
        shell
    };
    let run = |command: &str| {
        let output = shell(command).ends();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mut running = Vec::new();
    for command in commands {
        match command.strip_suffix(" &") {
            Some(command) => {
                let mut shell = shell(command);
                shell.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
                running.push(Group(shell.spawn().unwrap()));
                if command.starts_with("nats-server") {
                    until("the broker answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
                }
            }
            None if command.ends_with("webhook flush") => {
                until("the delivery is made and heard of", || {
                    run(command);
                    world.attempts().iter().any(|line| line["state"] == "delivered")
                });
            }
            None if command.ends_with("webhook log") => assert!(run(command).contains("delivered")),
            None => drop(run(command)),
        }
    }
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/main");
}
