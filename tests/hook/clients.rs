//! Pushers that go away: whatever becomes of the client, an accepted push is told, once, and a refused one never.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{
    Answer, Ends, Gate, Receiver, World, ZERO, pre_receive, read_record, rewrite_record, until, write_program,
};

/// From this age on an intent is settled by others, in seconds: where its receive-pack is known, and where it is not.
const ABANDONED: i64 = 60;
const ABANDONED_UNKNOWN: i64 = 3600;

/// A repository whose hooks are directories, with our program in each.
struct Site {
    world: World,
    receiver: Receiver,
}

impl Site {
    fn new() -> Self {
        Self::told_to(Receiver::new())
    }

    fn told_to(receiver: Receiver) -> Self {
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        let site = Self { world, receiver };
        for hook in ["pre-receive", "post-receive"] {
            let place = site.hooks().join(hook);
            fs::remove_file(&place).unwrap();
            symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks/driver"), &place).unwrap();
            fs::create_dir(site.hooks().join(format!("{hook}.d"))).unwrap();
            site.install(&format!("{hook}.d/00-git-webhook"));
        }
        site
    }

    fn hooks(&self) -> PathBuf {
        self.world.server().join("hooks")
    }

    fn install(&self, place: &str) {
        symlink(env!("CARGO_BIN_EXE_post-receive"), self.hooks().join(place)).unwrap();
    }

    fn script(&self, place: &str, text: &str) {
        write_program(&self.hooks().join(place), format!("#!/bin/sh\n{text}\n"));
    }

    fn push_command(&self, refs: &[&str]) -> Command {
        let mut command = self.world.command("git", &self.world.work());
        command.args(["push", "--force"]).arg(self.world.server()).args(refs);
        command
    }

    /// Kills bob's client while another pre-receive hook is at work, and sees receive-pack end. Returns the intent.
    fn kill_in_pre_receive(&self, push: Command, verdict: i32) -> Value {
        self.kill_in_pre_receive_with(push, verdict, |client| client.kill().unwrap())
    }

    fn kill_in_pre_receive_with(&self, mut push: Command, verdict: i32, end: impl FnOnce(&mut Child)) -> Value {
        let (reached, go) = (self.world.server().join("reached"), self.world.server().join("go"));
        self.script(
            "pre-receive.d/50-local",
            &format!(
                ": >reached; n=0; until [ -e go ] || [ $((n += 1)) -gt 6000 ]; do sleep 0.02; done; exit {verdict}"
            ),
        );
        let before = self.intents();
        let mut client = push.env("GL_USER", "bob").stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the second pre-receive runs", || reached.exists());
        end(&mut client);
        client.ends();
        let intent = self.intents().into_iter().find(|intent| !before.contains(intent)).expect("it has its intent");
        fs::write(&go, "").unwrap();
        until("receive-pack has ended", || !is_alive(intent["receive_pack"]["pid"].as_i64().unwrap() as i32));
        for path in [reached, go, self.hooks().join("pre-receive.d/50-local")] {
            fs::remove_file(path).unwrap();
        }
        intent
    }

    fn intents(&self) -> Vec<Value> {
        intents(&self.world)
    }

    fn flush(&self) {
        flush(&self.world, &[]);
    }
}

fn intents(world: &World) -> Vec<Value> {
    world.intents().iter().map(|path| read_record(path)).collect()
}

#[track_caller]
fn flush(world: &World, arguments: &[&str]) {
    let output = world.webhook(&[&["flush"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// Processes at work in the repository, one of whose arguments ends so.
fn processes(world: &World, argument: &str) -> Vec<Pid> {
    let server = fs::canonicalize(world.server()).unwrap();
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == server)
            && arguments.split(|byte| *byte == 0).any(|word| word.ends_with(argument.as_bytes()))
            && is_alive(*pid)
    };
    pids.filter(is_ours).map(Pid::from_raw).collect()
}

/// What each request was about, in their order.
fn refs(receiver: &Receiver) -> Vec<String> {
    receiver.requests().iter().map(|request| request.json()["ref"].as_str().unwrap().to_owned()).collect()
}

fn is_of(request: &crate::support::Request, intent: &Value) -> bool {
    let line = &intent["lines"][0];
    line["event"] == request.header("X-Gitlab-Event-UUID") && line["new"] == request.json()["after"]
}

#[test]
fn a_push_whose_client_dies_in_pre_receive_is_told_by_flush() {
    let site = Site::new();
    let intent = site.kill_in_pre_receive(site.push_command(&["main"]), 0);
    assert_eq!(site.world.server_git(&["rev-parse", "main"]), site.world.id("main"), "git moved the ref");
    assert_eq!(refs(&site.receiver), [""; 0], "post-receive never ran");
    site.flush();
    assert_eq!(site.intents().len(), 1, "for a while it is left to its own hook");
    site.world.age(ABANDONED);
    site.flush();
    let request = site.receiver.take_one();
    assert!(is_of(&request, &intent), "{intent}");
    assert_eq!(request.json()["user_username"], "bob");
    assert_eq!(site.intents().len(), 0);
    site.flush();
    assert_eq!(refs(&site.receiver), [""; 0]);
}

#[test]
fn a_push_whose_client_dies_in_pre_receive_is_told_by_the_next_push() {
    let site = Site::new();
    let intent = site.kill_in_pre_receive(site.push_command(&["main"]), 0);
    site.world.age(ABANDONED);
    site.world.push(&["main:next"]);
    let requests = site.receiver.take();
    let told: Vec<_> = requests.iter().filter(|request| is_of(request, &intent)).collect();
    assert_eq!((requests.len(), told.len()), (2, 1), "{requests:#?}");
    assert_eq!(told[0].json()["user_username"], "bob");
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn a_push_on_top_of_one_whose_client_died_tells_of_that_one_first() {
    let site = Site::new();
    let intent = site.kill_in_pre_receive(site.push_command(&["main"]), 0);
    site.world.commit("two");
    site.world.push(&["main"]);
    let requests = site.receiver.take();
    assert_eq!(requests.len(), 2, "{requests:#?}");
    assert!(is_of(&requests[0], &intent), "{requests:#?}");
    assert_eq!(requests[1].json()["before"], requests[0].json()["after"]);
    site.world.age(ABANDONED);
    site.flush();
    assert_eq!(refs(&site.receiver), [""; 0]);
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn a_push_on_top_of_two_whose_clients_died_tells_of_both_first() {
    let site = Site::new();
    let mut expected = Vec::new();
    for message in ["two", "three"] {
        expected.push(site.world.commit(message));
        site.kill_in_pre_receive(site.push_command(&["main"]), 0);
    }
    expected.push(site.world.commit("four"));
    site.world.push(&["main"]);
    site.world.age(ABANDONED);
    site.flush();
    let told: Vec<_> = site.receiver.take().iter().map(|request| request.json()["after"].clone()).collect();
    assert_eq!(told, expected);
}

#[test]
fn two_pushes_whose_clients_died_are_told_by_flush_in_order() {
    let site = Site::new();
    let mut expected = Vec::new();
    for message in ["two", "three"] {
        expected.push(site.world.commit(message));
        site.kill_in_pre_receive(site.push_command(&["main"]), 0);
    }
    site.world.age(ABANDONED);
    site.flush();
    let told: Vec<_> = site.receiver.take().iter().map(|request| request.json()["after"].clone()).collect();
    assert_eq!(told, expected);
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn a_ref_that_went_there_and_back_while_clients_died_is_told_of_twice() {
    let site = Site::new();
    site.world.push(&["main"]);
    site.receiver.take();
    let ids = [site.world.id("main"), site.world.commit("two")];
    site.kill_in_pre_receive(site.push_command(&["main"]), 0);
    site.kill_in_pre_receive(site.push_command(&["main~1:main"]), 0);
    assert_eq!(site.world.server_git(&["rev-parse", "main"]), ids[0]);
    site.world.age(ABANDONED);
    site.flush();
    let told: Vec<_> = site.receiver.take().iter().map(|request| request.json()["after"].clone()).collect();
    assert_eq!(told, [&*ids[1], &*ids[0]]);
}

#[test]
fn a_refused_push_is_never_told_though_it_is_made_again_to_where_the_ref_was_before_us() {
    let site = Site::new();
    fs::rename(site.hooks(), site.world.path("hooks")).unwrap();
    site.world.push(&["main"]);
    fs::rename(site.world.path("hooks"), site.hooks()).unwrap();
    site.world.commit("two");
    site.world.push(&["main"]);
    site.script("pre-receive.d/50-local", "exit 1");
    assert!(!site.world.push(&["main~1:main"]).accepted);
    fs::remove_file(site.hooks().join("pre-receive.d/50-local")).unwrap();
    assert!(site.world.push(&["main~1:main"]).accepted);
    assert_eq!(site.receiver.take().len(), 2);
    site.world.age(ABANDONED);
    site.flush();
    assert_eq!(refs(&site.receiver), [""; 0]);
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn a_push_that_a_power_cut_ended_is_told_at_once() {
    let site = Site::new();
    let intent = site.kill_in_pre_receive(site.push_command(&["main"]), 0);
    // Another process has the number now.
    site.world.machine_restarts();
    for intent in site.world.intents() {
        rewrite_record(&intent, |intent| intent["receive_pack"]["pid"] = std::process::id().into());
    }
    site.flush();
    assert!(is_of(&site.receiver.take_one(), &intent));
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn a_push_that_takes_long_is_left_to_its_own_hook() {
    let site = Site::new();
    let others = || {
        site.world.age(ABANDONED);
        site.flush();
        site.world.push(&["main:other"]);
    };
    site.script(
        "pre-receive.d/50-local",
        ": >reached; n=0; until [ -e go ] || [ $((n += 1)) -gt 6000 ]; do sleep 0.02; done",
    );
    let client = site.push_command(&["main"]).stderr(Stdio::null()).spawn().unwrap();
    until("the second pre-receive runs", || site.world.server().join("reached").exists());
    site.script("pre-receive.d/50-local", "");
    others();
    assert_eq!((refs(&site.receiver), site.intents().len()), (vec!["refs/heads/other".into()], 1));
    fs::write(site.world.server().join("go"), "").unwrap();
    client.ends();
    assert_eq!(refs(&site.receiver), ["refs/heads/other", "refs/heads/main"]);
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn a_hook_that_comes_late_finds_its_push_told() {
    let site = Site::new();
    site.script(
        "post-receive.d/00-early",
        ": >reached; n=0; until [ -e go ] || [ $((n += 1)) -gt 6000 ]; do sleep 0.02; done",
    );
    let client = site.push_command(&["main"]).stderr(Stdio::piped()).spawn().unwrap();
    until("another post-receive runs", || site.world.server().join("reached").exists());
    fs::remove_file(site.hooks().join("post-receive.d/00-early")).unwrap();
    site.world.commit("two");
    assert!(site.world.push(&["main"]).said()[0].starts_with("webhook ci: delivered main (200, "));
    fs::write(site.world.server().join("go"), "").unwrap();
    assert!(client.ends().status.success());
    site.world.age(ABANDONED);
    site.flush();
    let told: Vec<_> = site.receiver.take().iter().map(|request| request.json()["before"].clone()).collect();
    assert_eq!(told, [ZERO, &site.world.id("main~1")]);
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn a_refused_push_whose_client_dies_is_never_told() {
    let site = Site::new();
    site.kill_in_pre_receive(site.push_command(&["main"]), 1);
    assert_eq!(site.intents().len(), 1);
    site.world.age(ABANDONED);
    site.flush();
    assert_eq!(site.intents().len(), 0);
    assert_eq!(refs(&site.receiver), [""; 0]);
}

#[test]
fn a_refused_push_is_never_told_though_it_is_made_again() {
    let site = Site::new();
    site.script("pre-receive.d/50-local", "exit 1");
    assert!(!site.world.push(&["main"]).accepted);
    fs::remove_file(site.hooks().join("pre-receive.d/50-local")).unwrap();
    assert!(site.world.push(&["main"]).accepted);
    assert_eq!(refs(&site.receiver), ["refs/heads/main"]);
    site.world.age(ABANDONED);
    site.flush();
    assert_eq!(site.intents().len(), 0);
    assert_eq!(refs(&site.receiver), ["refs/heads/main"]);
}

#[test]
fn a_ref_that_the_update_hook_refuses_is_never_told() {
    let site = Site::new();
    site.script("update", r#"[ "$1" != refs/heads/no ]"#);
    assert!(!site.world.push(&["main:no", "main:yes", "main:yea"]).accepted);
    let told = refs(&site.receiver);
    assert_eq!(told.len(), 2, "{told:?}");
    site.world.age(ABANDONED);
    site.flush();
    assert_eq!(refs(&site.receiver), told);
    assert!(!told.contains(&"refs/heads/no".into()));
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn of_a_push_whose_client_dies_the_refs_that_stand_are_told() {
    let site = Site::new();
    // git dies of telling of the refusal, to nobody, so what it comes to afterwards does not stand.
    site.script("update", r#"[ "$1" != refs/heads/b ]"#);
    site.kill_in_pre_receive(site.push_command(&["main:a", "main:b", "main:c"]), 0);
    assert_eq!(site.world.server_git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/a");
    site.world.age(ABANDONED);
    site.flush();
    assert_eq!(refs(&site.receiver), ["refs/heads/a"]);
    assert_eq!(site.intents().len(), 0);
}

#[test]
fn a_deletion_whose_client_dies_is_told() {
    let site = Site::new();
    site.world.push(&["main", "main:old"]);
    site.receiver.take();
    let intent = site.kill_in_pre_receive(site.push_command(&[":old"]), 0);
    site.world.age(ABANDONED);
    site.flush();
    assert!(is_of(&site.receiver.take_one(), &intent));
}

#[test]
fn a_client_that_dies_during_delivery_changes_nothing() {
    let gate = Gate::new();
    let site = Site::told_to(Receiver::answering(Answer::Behind(gate.clone())));
    site.world.wait_long();
    let mut client = site.push_command(&["main"]).stderr(Stdio::null()).spawn().unwrap();
    until("the receiver is called", || !site.receiver.requests().is_empty());
    client.kill().unwrap();
    client.ends();
    gate.open();
    until("the push is settled", || !site.world.settled().is_empty());
    site.flush();
    site.receiver.take_one();
    assert_eq!(deliveries(&site.world), ["delivered"]);
}

fn deliveries(world: &World) -> Vec<String> {
    let output = world.webhook(&["log", "--json"]);
    let rows: Value = crate::support::rows(&output.stdout).into();
    rows.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn standard_input_cut_short_leaves_the_other_refs_to_their_intent() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let lines: Vec<_> = ["a", "b", "c"].iter().map(|name| format!("{ZERO} {id} refs/heads/{name}\n")).collect();
    world.feed(&mut pre_receive(&world), lines.concat().as_bytes());
    for name in ["a", "b"] {
        world.server_git(&["branch", name, &id]);
    }
    world.feed(&mut world.hook(), format!("{}{}", lines[0], &lines[1][..50]).as_bytes());
    assert_eq!(refs(&receiver), ["refs/heads/a"]);
    let intent = intents(&world).remove(0);
    assert_eq!(intent["lines"][0]["event"], receiver.take_one().header("X-Gitlab-Event-UUID"));
    flush(&world, &[]);
    assert_eq!(refs(&receiver), [""; 0], "its hook may still come");
    world.age(ABANDONED_UNKNOWN);
    flush(&world, &[]);
    let request = receiver.take_one();
    assert_eq!(request.json()["ref"], "refs/heads/b", "the ref c was never made");
    assert_eq!(intent["lines"][1]["event"], request.header("X-Gitlab-Event-UUID"));
    assert_eq!(intents(&world).len(), 0);
}

#[test]
fn installed_twice_it_tells_once() {
    for has_pre_receive in [true, false] {
        for receiver in [Receiver::new(), Receiver::answering(Answer::Busy)] {
            let site = Site::told_to(receiver);
            site.install("post-receive.d/10-git-webhook");
            if has_pre_receive {
                site.install("pre-receive.d/10-git-webhook");
            } else {
                fs::remove_file(site.hooks().join("pre-receive")).unwrap();
            }
            for name in ["one", "two"] {
                let pushed = site.world.push(&[&format!("main:{name}")]);
                assert_eq!(pushed.said().len(), 1, "{}", pushed.output);
            }
            site.world.age(ABANDONED);
            site.flush();
            assert_eq!(deliveries(&site.world).len(), 2, "{has_pre_receive}");
            let mut told = refs(&site.receiver);
            told.dedup();
            assert_eq!(told.len(), site.receiver.requests().len(), "{told:?}");
            assert_eq!(site.intents().len(), 0);
        }
    }
}

#[test]
fn installed_twice_and_detached_it_tells_once() {
    let site = Site::new();
    site.install("post-receive.d/10-git-webhook");
    site.install("pre-receive.d/10-git-webhook");
    site.world.configure("webhook.detach", "true");
    site.world.push(&["main"]);
    until("it is delivered", || deliveries(&site.world) == ["delivered"]);
    until("nobody is at work", || processes(&site.world, "--deliver-detached").is_empty());
    site.flush();
    site.receiver.take_one();
}

#[test]
fn pre_receive_never_refuses_and_is_silent() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    let line = format!("{ZERO} {id} refs/heads/main\n");
    let is_silent = |command: &mut Command, input: &[u8]| {
        let output = world.feed(command, input);
        let said = [output.stdout, output.stderr].concat();
        assert_eq!((output.status.code(), said.as_slice()), (Some(0), [].as_slice()), "{:?}", said.escape_ascii());
    };
    for input in [b"".as_slice(), b"\n", b"\0\xff\xfe\n\n", b"1 2 3\n", &line.as_bytes()[..60], &vec![b'x'; 1 << 20]] {
        is_silent(&mut pre_receive(&world), input);
    }
    let in_shell = |script: &str| {
        let mut command = world.command("sh", &world.server());
        command.env("GIT_DIR", ".").args(["-c", script]);
        command
    };
    is_silent(&mut in_shell("exec hooks/pre-receive <&-"), b"");
    is_silent(&mut in_shell("exec hooks/pre-receive <&- >&- 2>&-"), b"");
    is_silent(&mut in_shell("exec hooks/pre-receive </"), b"");
    is_silent(pre_receive(&world).env_remove("GIT_DIR"), line.as_bytes());
    is_silent(pre_receive(&world).env("GIT_DIR", "/nowhere"), line.as_bytes());
    is_silent(pre_receive(&world).args(["--unknown", "refs/heads/main"]), line.as_bytes());
    assert_eq!(intents(&world).len(), 1);
    fs::write(world.server().join("config"), "[webhook\n").unwrap();
    is_silent(&mut pre_receive(&world), line.as_bytes());
    fs::remove_dir_all(world.server().join("webhook")).unwrap();
    fs::write(world.server().join("webhook"), "in the way").unwrap();
    is_silent(&mut pre_receive(&world), line.as_bytes());
    assert_eq!(receiver.connections(), 0);
}

fn detached(answers: impl Into<Vec<Answer>>) -> Site {
    let site = Site::told_to(Receiver::in_turn(answers));
    site.world.configure("webhook.detach", "true");
    site.world.wait_long();
    site
}

/// One whose receiver answers nothing before the gate is open.
fn detached_behind_a_gate() -> (Site, Gate) {
    let gate = Gate::new();
    (detached([Answer::Behind(gate.clone())]), gate)
}

#[test]
fn detached_a_push_does_not_wait_for_the_receiver() {
    let (site, gate) = detached_behind_a_gate();
    let url = format!("file://{}", site.world.server().display());
    for place in [site.world.server().to_str().unwrap(), &url] {
        let branch = format!("main:{}", place.len());
        let mut push = site.world.command("git", &site.world.work());
        let output = push.args(["push", place, &branch]).ends();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("remote: webhook: the event is kept, and is delivered in the background"), "{said}");
    }
    assert!(site.world.attempts().is_empty(), "the pushes have waited");
    gate.open();
    until("both are delivered", || deliveries(&site.world) == ["delivered"; 2]);
    assert_eq!(site.receiver.take().len(), 2);
}

#[test]
fn detached_no_descriptor_is_kept_open() {
    let (site, gate) = detached_behind_a_gate();
    let id = site.world.id("main");
    site.world.server_git(&["fetch", "--quiet", site.world.work().to_str().unwrap(), "main:main"]);
    let mut shell = site.world.command("sh", &site.world.server());
    shell.env("GIT_DIR", ".").args(["-c", "exec 3>&1 9>&1 >/dev/null; exec hooks/post-receive.d/00-git-webhook"]);
    // Returns at the end of file of both pipes, whoever holds them.
    let output = site.world.feed(&mut shell, format!("{ZERO} {id} refs/heads/main\n").as_bytes());
    assert!(output.status.success());
    assert!(site.world.attempts().is_empty(), "whoever reads them has waited");
    gate.open();
    until("it is delivered", || deliveries(&site.world) == ["delivered"]);
    assert_eq!(refs(&site.receiver), ["refs/heads/main"]);
}

#[test]
fn detached_and_killed_it_is_told_by_flush_under_the_same_id() {
    let site = detached([Answer::Never, Answer::Status(200)]);
    site.world.push(&["main"]);
    until("the receiver is called", || !site.receiver.requests().is_empty());
    let process = processes(&site.world, "--deliver-detached");
    assert_eq!(process.len(), 1, "{process:?}");
    kill(process[0], Signal::SIGKILL).unwrap();
    // Its locks go with the last of its threads.
    until("flush delivers", || {
        site.flush();
        deliveries(&site.world) == ["delivered"]
    });
    let ids: Vec<_> = site.receiver.take().iter().map(|it| it.header("Idempotency-Key").to_owned()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(ids[0], ids[1]);
}

/// A real sshd on a port of its own, for the user who runs the tests.
struct Sshd {
    server: Child,
    port: u16,
}

impl Sshd {
    fn new(world: &World) -> Self {
        for name in ["host", "client"] {
            let mut keygen = world.command("ssh-keygen", &world.path("."));
            assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", name]).ends().status.success());
        }
        // Where sshd is never run by the system, its empty directory is missing; it asks for it as root alone.
        let _ = fs::create_dir("/run/sshd");
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let path = |name: &str| world.path(name).display().to_string();
        let config = [
            format!("Port {port}"),
            "ListenAddress 127.0.0.1".into(),
            format!("HostKey {}", path("host")),
            format!("AuthorizedKeysFile {}", path("client.pub")),
            format!("SetEnv HOME={} GIT_CONFIG_NOSYSTEM=1 GL_USER=bob", path("home")),
            "PidFile none\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\n".into(),
        ];
        fs::write(world.path("sshd_config"), config.join("\n")).unwrap();
        let mut command = world.command("/usr/sbin/sshd", &world.path("."));
        command.args(["-D", "-E"]).arg(world.path("sshd.log")).arg("-f").arg(world.path("sshd_config"));
        let server = command.stdin(Stdio::null()).spawn().expect("sshd is installed");
        until("sshd listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok_and(|mut it| it.read(&mut [0]).is_ok_and(|read| read > 0))
        });
        Self { server, port }
    }

    fn push(&self, site: &Site, refs: &[&str]) -> Command {
        let world = &site.world;
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
        let url = format!("ssh://{user}@127.0.0.1:{}{}", self.port, world.server().display());
        let ssh = "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i";
        let mut command = world.command("git", &world.work());
        command.env("GIT_SSH_COMMAND", format!("{ssh} {}", world.path("client").display()));
        command.args(["push", "--force", &url]).args(refs).process_group(0);
        command
    }
}

impl Sshd {
    /// Kills git and its ssh, and so the connection, and sees sshd's end of it closed.
    fn hang_up(&self, client: &mut Child) {
        killpg(Pid::from_raw(client.id() as i32), Signal::SIGKILL).unwrap();
        let id = self.server.id();
        let children = format!("/proc/{id}/task/{id}/children");
        until("sshd has seen it", || fs::read_to_string(&children).unwrap().is_empty());
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It has ended by itself where this fails.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
#[ignore = "needs sshd: run tests/run"]
fn over_ssh_a_client_that_dies_in_pre_receive_loses_nothing() {
    let site = Site::new();
    let sshd = Sshd::new(&site.world);
    let output = sshd.push(&site, &["main:first"]).ends();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("remote: webhook ci: delivered first (200, "), "{said}");
    assert_eq!(site.receiver.take_one().json()["user_username"], "bob");
    let intent = site.kill_in_pre_receive_with(sshd.push(&site, &["main"]), 0, |client| sshd.hang_up(client));
    assert_eq!(site.receiver.requests().len(), 0);
    site.world.age(ABANDONED);
    site.flush();
    assert!(is_of(&site.receiver.take_one(), &intent));
    assert_eq!(site.intents().len(), 0);
}

#[test]
#[ignore = "needs sshd: run tests/run"]
fn over_ssh_a_client_that_dies_during_delivery_changes_nothing() {
    let gate = Gate::new();
    let site = Site::told_to(Receiver::answering(Answer::Behind(gate.clone())));
    site.world.wait_long();
    let sshd = Sshd::new(&site.world);
    let mut client = sshd.push(&site, &["main"]).stderr(Stdio::null()).spawn().unwrap();
    until("the receiver is called", || !site.receiver.requests().is_empty());
    sshd.hang_up(&mut client);
    client.ends();
    gate.open();
    until("the push is settled", || !site.world.settled().is_empty());
    site.flush();
    site.receiver.take_one();
    assert_eq!(deliveries(&site.world), ["delivered"]);
}

#[test]
#[ignore = "needs sshd: run tests/run"]
fn over_ssh_a_detached_delivery_does_not_hold_up_the_push() {
    let (site, gate) = detached_behind_a_gate();
    let sshd = Sshd::new(&site.world);
    let output = sshd.push(&site, &["main"]).ends();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(site.world.attempts().is_empty(), "the push has waited");
    gate.open();
    until("it is delivered", || deliveries(&site.world) == ["delivered"]);
    assert_eq!(refs(&site.receiver), ["refs/heads/main"]);
}

/// Ends with the test.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn bad_375_over_gits_own_protocol_a_push_is_told_too() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // By itself: whoever kills git leaves what that has started.
    let program = format!("{}/git-daemon", world.git(&["--exec-path"]).trim_end());
    let mut daemon = world.command(program, &world.path(""));
    daemon.args(["--listen=127.0.0.1", "--reuseaddr", "--export-all", "--enable=receive-pack"]);
    daemon.arg(format!("--port={port}")).arg(format!("--base-path={}", world.path("").display()));
    let quiet = daemon.stdout(Stdio::null()).stderr(Stdio::null());
    let _daemon = Daemon(quiet.spawn().unwrap());
    crate::support::until("git daemon listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    world.git(&["push", "-q", &format!("git://127.0.0.1:{port}/project.git"), "main"]);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/main");
}

/// A hook that is told to end, as when the machine is stopped, leaves its push to whoever comes next.
#[test]
fn bad_357_signals_that_end_a_hook_lose_nothing() {
    for signal in ["TERM", "HUP", "INT", "QUIT"] {
        let receiver = Receiver::in_turn([Answer::Never, Answer::Status(200)]);
        let world = World::told_to(&receiver, "gitlab");
        let id = world.commit("one");
        world.git(&["push", "-q", "--no-verify", world.server().to_str().unwrap(), "HEAD:refs/keep/x"]);
        let mut hook = world.hook();
        let mut child = hook.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let line = format!("{} {id} refs/heads/main\n", "0".repeat(40));
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), line.as_bytes()).unwrap();
        crate::support::until("it has sent", || !receiver.requests().is_empty());
        let kill = world.command("kill", &world.path("")).args([&format!("-{signal}"), &child.id().to_string()]).ends();
        assert!(kill.status.success());
        child.wait().unwrap();
        world.webhook(&["flush", "--now"]);
        let told = receiver.take();
        assert_eq!(told.len(), 2, "{signal}");
        assert_eq!(told[0].header("idempotency-key"), told[1].header("idempotency-key"), "{signal}");
        assert!(world.waiting("ci").is_empty() && world.receipts().is_empty(), "{signal}");
    }
}

/// What is gone has nothing to tell any more, and whoever is at it ends well.
#[test]
fn bad_344_a_repository_that_goes_during_a_delivery_takes_all_of_it_along() {
    let world = World::new();
    let server = world.server();
    let gone = server.clone();
    let receiver = Receiver::wild(move |mut stream| {
        crate::support::read_head(&mut stream);
        let _ = std::fs::remove_dir_all(&gone);
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    });
    world.add_target("ci", &receiver, "gitlab");
    let id = world.commit("one");
    let output = world.feed(&mut world.hook(), format!("{} {id} refs/heads/main\n", "0".repeat(40)).as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!server.join("config").exists());
}
