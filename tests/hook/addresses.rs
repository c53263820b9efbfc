//! Which addresses are dialled: those that `webhook.allowedHosts` admits, and of metadata services not one packet.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Ends, Receiver, World};

const REFUSED: &str = "the server does not allow the receiver's address";

/// Runs a test once more in a network of its own, in which the addresses of metadata services are this machine's.
fn in_network(name: &str, test: impl FnOnce()) {
    const INSIDE: &str = "GIT_WEBHOOK_TEST_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut unshare = Command::new("unshare");
    unshare.args([if is_root { "-mn" } else { "-rmn" }, "sh", "-c"]);
    unshare.arg(
        "ip link set lo up && ip address add 169.254.169.254/32 dev lo && \
         ip address add fd00:ec2::254/128 dev lo nodad && exec \"$@\"",
    );
    unshare.arg("sh").arg(std::env::current_exe().unwrap());
    unshare.args(["--exact", &format!("addresses::{name}"), "--include-ignored", "--nocapture"]).env(INSIDE, "1");
    let output = unshare.ends();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// How many packets this network has carried.
fn packets() -> u64 {
    let devices = fs::read_to_string("/proc/net/dev").unwrap();
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn pushed(world: &World, name: &str) -> Vec<String> {
    world.commit(name);
    let pushed = world.push(&[&format!("HEAD:refs/heads/{name}")]);
    assert!(pushed.accepted, "{}", pushed.output);
    pushed.said()
}

fn not_delivered(target: &str, name: &str) -> String {
    format!("webhook {target}: not delivered: {name} ({REFUSED}); kept, and tried again later")
}

/// What the log's last line says of an attempt.
fn last(world: &World) -> Value {
    world.attempts().pop().unwrap()
}

#[test]
fn no_packet_reaches_a_metadata_service_in_whatever_way_it_is_written() {
    in_network("no_packet_reaches_a_metadata_service_in_whatever_way_it_is_written", || {
        let listeners = ["169.254.169.254:80", "[fd00:ec2::254]:80"].map(|address| TcpListener::bind(address).unwrap());
        let world = World::new();
        // Whatever is allowed.
        world.configure_globally("webhook.allowedHosts", "* 0.0.0.0/0 ::/0 169.254.169.254 fd00:ec2::254");
        let urls = [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "[::ffff:169.254.169.254]",
            "[::a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:a9fe:a9fe::1]",
            "[fd00:ec2::254]",
            "[fd00:0ec2:0:0:0:0:0:0254]",
            "１６９.２５４.１６９.２５４",
        ];
        for (number, host) in urls.iter().enumerate() {
            world.configure(&format!("webhook.t{number}.url"), &format!("http://{host}/latest/meta-data/"));
        }
        let before = packets();
        let said = pushed(&world, "one");
        for number in 0..urls.len() {
            assert!(said.contains(&not_delivered(&format!("t{number}"), "one")), "{said:#?}");
        }
        let checked = world.webhook(&["check", "--connect"]);
        let text = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert_eq!(text.matches("which is never dialled").count(), urls.len(), "{text}");
        world.webhook(&["flush", "--now"]);
        world.webhook(&["test", "t0"]);
        assert_eq!(packets(), before);
        for listener in listeners {
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err());
        }
    });
}

/// What a name server says of a name.
enum Reply {
    Addresses(Vec<Ipv4Addr>),
    /// It is another name, with this address.
    Alias(&'static str, Ipv4Addr),
    Nothing,
    /// Not even that.
    Silence,
}

/// A name as questions and answers have it (RFC 1035, section 3.1).
fn labels(name: &str) -> Vec<u8> {
    let label = |label: &str| [&[label.len() as u8], label.as_bytes()].concat();
    name.split('.').flat_map(label).chain([0]).collect()
}

/// A name server that answers questions for IPv4 addresses so.
fn serve_names(reply: impl Fn(&str) -> Reply + Send + 'static) {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, asker)) = socket.recv_from(&mut question) {
            let question = &question[..length];
            let mut name = Vec::new();
            let mut at = 12;
            while question[at] != 0 {
                let end = at + 1 + usize::from(question[at]);
                name.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
                at = end;
            }
            // Type and class are behind it.
            let end = at + 5;
            let reply = if question[end - 3] == 1 { reply(&name.join(".")) } else { Reply::Nothing };
            let mut records = Vec::new();
            let mut record = |owner: &[u8], kind: u8, data: &[u8]| {
                records.push([owner, &[0, kind, 0, 1, 0, 0, 0, 0, 0, data.len() as u8], data].concat());
            };
            match reply {
                Reply::Addresses(found) => found.iter().for_each(|address| record(&[0xc0, 12], 1, &address.octets())),
                Reply::Alias(other, address) => {
                    record(&[0xc0, 12], 5, &labels(other));
                    record(&labels(other), 1, &address.octets());
                }
                Reply::Nothing => {}
                Reply::Silence => continue,
            }
            let mut answer = question[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
            answer.extend(&question[12..end]);
            answer.extend(records.concat());
            socket.send_to(&answer, asker).unwrap();
        }
    });
}

/// The same answer to every question.
fn name_server(answers: &Arc<Mutex<Vec<Ipv4Addr>>>) {
    let answers = Arc::clone(answers);
    serve_names(move |_| Reply::Addresses(answers.lock().unwrap().clone()));
}

/// Has this network ask us for names, with this text behind.
fn ask_here(further: &str) -> tempfile::NamedTempFile {
    let resolv = tempfile::NamedTempFile::new().unwrap();
    fs::write(resolv.path(), format!("nameserver 127.0.0.1\n{further}")).unwrap();
    let bound = Command::new("mount").arg("--bind").arg(resolv.path()).arg("/etc/resolv.conf").ends();
    assert!(bound.status.success(), "{}", String::from_utf8_lossy(&bound.stderr));
    resolv
}

#[test]
fn bad_249_256_258_names_are_looked_up_as_the_system_does_and_what_is_found_is_judged() {
    in_network("bad_249_256_258_names_are_looked_up_as_the_system_does_and_what_is_found_is_judged", || {
        let _resolv = ask_here("search corp.example\n");
        let evil = Ipv4Addr::new(169, 254, 169, 254);
        // An address to which there is no way.
        let away = Ipv4Addr::new(192, 0, 2, 1);
        serve_names(move |name| match name {
            "alias.example" => Reply::Alias("inside.example", evil),
            "intranet.corp.example" => Reply::Addresses(vec![Ipv4Addr::LOCALHOST]),
            "metadata.corp.example" => Reply::Addresses(vec![evil]),
            "both.example" => Reply::Addresses(vec![away, Ipv4Addr::LOCALHOST]),
            _ => Reply::Nothing,
        });
        let receiver = Receiver::new();
        let port = receiver.origin().rsplit_once(':').unwrap().1.to_owned();
        for (host, is_delivered) in
            [("alias.example", false), ("intranet", true), ("metadata", false), ("both.example", true)]
        {
            let world = World::new();
            world.configure("webhook.ci.url", &format!("http://{host}:{port}/"));
            world.configure("webhook.ci.format", "gitlab");
            let said = pushed(&world, "one");
            match is_delivered {
                true => assert!(said[0].starts_with("webhook ci: delivered one (200, "), "{host}: {said:?}"),
                false => assert_eq!(said, [not_delivered("ci", "one")], "{host}"),
            }
            assert_eq!(receiver.take().len(), usize::from(is_delivered), "{host}");
        }
    });
}

#[test]
fn bad_252_a_name_server_that_is_silent_takes_the_time_of_an_attempt() {
    in_network("bad_252_a_name_server_that_is_silent_takes_the_time_of_an_attempt", || {
        let _resolv = ask_here("options timeout:30 attempts:5\n");
        serve_names(|_| Reply::Silence);
        let world = World::new();
        world.configure("webhook.ci.url", "http://silent.example/");
        world.configure("webhook.ci.timeout", "1s");
        let said = pushed(&world, "one");
        assert_eq!(said, ["webhook ci: not delivered: one (no answer in time); kept, and tried again later"]);
        assert_eq!(world.waiting("ci").len(), 1);
    });
}

/// Runs the hook for a new branch of this name, its system calls failing as told, and returns why it was not delivered.
fn failing(world: &World, name: &str, trace: &str, inject: &str) -> String {
    let mut strace = world.command("strace", &world.server());
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={trace}"), "-e", &format!("inject={inject}")]);
    strace.arg(world.server().join("hooks/post-receive")).env("GIT_DIR", ".");
    let (zero, id) = ("0".repeat(40), world.id("HEAD"));
    let output = world.feed(&mut strace, format!("{zero} {id} refs/heads/{name}\n").as_bytes());
    assert!(output.status.success());
    last(world)["reason"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn bad_295_296_whatever_the_system_has_against_it_the_event_waits() {
    let receiver = Receiver::new();
    for (call, error) in [
        ("connect", "EHOSTUNREACH"),
        ("connect", "ENETUNREACH"),
        ("connect", "ENETDOWN"),
        ("connect", "ENOBUFS"),
        ("socket", "EMFILE"),
        ("socket", "ENFILE"),
    ] {
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        world.git(&["push", "-q", world.server().to_str().unwrap(), "HEAD:refs/heads/elsewhere"]);
        receiver.take();
        let reason = failing(&world, "x", call, &format!("{call}:error={error}"));
        assert!(reason.starts_with("no connection ("), "{error}: {reason}");
        assert_eq!(world.waiting("ci").len(), 1, "{error}");
    }
    assert!(receiver.take().is_empty());
}

#[test]
fn bad_244_to_248_what_a_name_server_says_is_judged_at_each_look_and_holds_nothing_back() {
    in_network("bad_244_to_248_what_a_name_server_says_is_judged_at_each_look_and_holds_nothing_back", || {
        let _resolv = ask_here("");
        let receiver = Receiver::new();
        let port = receiver.origin().rsplit_once(':').unwrap().1.to_owned();
        let metadata = TcpListener::bind(format!("169.254.169.254:{port}")).unwrap();
        let (good, evil) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(169, 254, 169, 254));
        let answers = Arc::new(Mutex::new(vec![good]));
        name_server(&answers);
        let answer = |with: &[Ipv4Addr]| *answers.lock().unwrap() = with.to_vec();

        let world = World::new();
        world.configure("webhook.ci.url", &format!("http://rebind.example:{port}/"));
        world.configure("webhook.ci.format", "gitlab");
        assert!(pushed(&world, "one")[0].starts_with("webhook ci: delivered one (200, "));
        receiver.take_one();

        answer(&[evil]);
        assert_eq!(pushed(&world, "two"), [not_delivered("ci", "two")]);
        let line = last(&world);
        assert_eq!((&line["state"], &line["attempt"]), (&"waiting".into(), &0.into()), "{line}");
        let never =
            "169.254.169.254 is a link-local address, which is never dialled, whatever webhook.allowedHosts says";
        let reason = format!("{REFUSED} ({never})");
        assert_eq!(line["reason"], reason.as_str());
        // One that is allowed beside it changes nothing.
        answer(&[good, evil]);
        assert_eq!(pushed(&world, "three"), [not_delivered("ci", "three")]);
        assert_eq!(receiver.requests().len(), 0);

        // Neither holds back what comes later, of its own ref too.
        answer(&[good]);
        world.commit("four");
        let said = world.push(&["HEAD:refs/heads/two"]).said();
        assert!(said[0].starts_with("webhook ci: delivered two (200, "), "{said:?}");
        receiver.take_one();

        // From the step of 10 minutes on.
        world.webhook(&["flush"]);
        assert_eq!(receiver.requests().len(), 0, "{}", world.log());
        for name in world.waiting("ci") {
            let name = name.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(name.contains(".0-0."), "no attempt is counted: {name}");
        }
        world.time_passes("ci");
        world.webhook(&["flush"]);
        assert_eq!(receiver.take().len(), 2, "{}", world.log());
        // Nobody is told to allow what never is.
        answer(&[evil]);
        world.configure_globally("webhook.allowedHosts", "external private loopback");
        let checked = String::from_utf8(world.webhook(&["check", "--connect"]).stdout).unwrap();
        assert!(checked.contains("169.254.169.254") && !checked.contains("--add webhook.allowedHosts"), "{checked}");
        metadata.set_nonblocking(true).unwrap();
        assert!(metadata.accept().is_err());
    });
}

#[test]
fn what_is_not_allowed_waits_until_it_is() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure_globally("webhook.allowedHosts", "external 10.0.0.0/8");
    // A repository allows itself nothing.
    world.configure("webhook.allowedHosts", "loopback");
    assert_eq!(pushed(&world, "one"), [not_delivered("ci", "one")]);
    let reason = "(127.0.0.1 is a loopback address, which webhook.allowedHosts does not allow)";
    assert_eq!(last(&world)["reason"], format!("{REFUSED} {reason}"));
    let checked = world.webhook(&["check", "--connect"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains("is ignored here, since it counts only from the system's"), "{text}");
    let mend = text.lines().find(|line| line.contains("--add webhook.allowedHosts ")).expect(&text).trim().to_owned();
    let status = world.command("sh", &world.server()).args(["-c", &mend]).ends().status;
    assert!(status.success(), "{mend}");
    // What is changed is noticed, and what waits is due.
    world.webhook(&["flush"]);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/one");
    assert!(world.waiting("ci").is_empty());
}

#[test]
fn a_wrong_word_allows_nothing_and_is_told() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure_globally("webhook.allowedHosts", "lopback/8");
    assert_eq!(pushed(&world, "one"), [not_delivered("ci", "one")]);
    let said =
        "webhook.allowedHosts 'lopback/8': holds 'lopback/8', which is neither external, private, loopback, a host, ";
    assert!(world.log().contains(said), "{}", world.log());
    assert!(!world.log().contains("default counts"), "{}", world.log());
    assert_eq!(receiver.requests().len(), 0);
}

#[test]
fn what_is_refused_for_as_long_as_retry_for_says_is_a_dead_letter() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.retryFor", "1s");
    world.configure_globally("webhook.allowedHosts", "external");
    pushed(&world, "one");
    assert_eq!(world.waiting("ci").len(), 1, "whatever its age, it is looked at twice");
    thread::sleep(Duration::from_millis(1100));
    world.time_passes("ci");
    world.webhook(&["flush"]);
    assert!(world.waiting("ci").is_empty());
    assert_eq!(world.dead("ci").len(), 1);
    let reason = last(&world)["reason"].as_str().unwrap().to_owned();
    assert!(reason.ends_with("; the address was not allowed for as long as retryFor says"), "{reason}");
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn what_the_system_forbids_is_named_as_that() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.git(&["push", world.server().to_str().unwrap(), "HEAD:refs/heads/elsewhere"]);
    receiver.take();
    for error in ["EACCES", "EPERM"] {
        let reason = failing(&world, error, "connect", &format!("connect:error={error}"));
        assert!(reason.contains("setsebool -P httpd_can_network_connect on"), "{error}: {reason}");
    }
}

/// However a loopback address is written, it is one.
#[test]
fn bad_196_to_218_spellings_of_this_machine_are_one_class() {
    let world = World::new();
    world.configure_globally("webhook.allowedHosts", "external private");
    let hosts = "127.0.0.1 127.0.1 127.1 0x7f.1 0x7f000001 0177.1 017700000001 127.000.000.001 127.0.0.2 localhost \
                 [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [::ffff:0:7f00:1] [64:ff9b::7f00:1] [2002:7f00:1::] \
                 0 0.0.0.0 [::] １２７.０.０.１ 127。0。0。1";
    for (number, host) in hosts.split_whitespace().enumerate() {
        world.configure(&format!("webhook.t{number}.url"), &format!("http://{host}:1/"));
    }
    let said = pushed(&world, "one");
    for (number, host) in hosts.split_whitespace().enumerate() {
        assert!(said.contains(&not_delivered(&format!("t{number}"), "one")), "{host}: {said:#?}");
    }
}
