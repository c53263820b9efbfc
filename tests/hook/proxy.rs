//! Receivers that are reached through an HTTP proxy.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Receiver, Running, World};
use crate::tls::Authority;

/// A proxy that speaks as told, and what was asked of it.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One that makes the connection, to this machine whatever the name is.
    fn new() -> Self {
        Self::answering(|_, _| None)
    }

    /// With another answer to some requests, which then get no connection.
    fn answering(answer: impl Fn(&str, &mut TcpStream) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                thread::spawn(move || serve(stream.unwrap(), &*answer, &kept));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn set(&self, world: &World, credentials: &str) {
        world.configure_globally("webhook.proxy", &format!("http://{credentials}{}", self.address));
    }
}

fn serve(
    mut client: TcpStream,
    answer: &(dyn Fn(&str, &mut TcpStream) -> Option<String> + Send + Sync),
    asked: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if client.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    asked.lock().unwrap().push(head.clone());
    if let Some(answer) = answer(&head, &mut client) {
        return drop(client.write_all(answer.as_bytes()));
    }
    let authority = head.split(' ').nth(1).unwrap();
    let port: u16 = authority.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: us\r\n\r\n").unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
}

fn pushed(world: &World, name: &str) -> Vec<String> {
    world.commit(name);
    world.push(&[&format!("main:{name}")]).said()
}

fn reason(world: &World) -> String {
    world.attempts().last().unwrap()["reason"].as_str().unwrap().to_owned()
}

/// Of a request over TLS the proxy sees whom it is for, and nothing else.
#[test]
fn a_receiver_of_either_scheme_is_reached_through_the_proxy() {
    let authority = Authority::new();
    let (plain, secure) = (Receiver::new(), Receiver::secure(authority.server()));
    let proxy = Proxy::new();
    let mut world = authority.world();
    world.add_target("plain", &plain, "gitlab");
    world.add_target("secure", &secure, "github");
    // A name that only the proxy can look up.
    let port = plain.origin().rsplit_once(':').unwrap().1.to_owned();
    world.configure("webhook.plain.url", &format!("http://inside.example:{port}/"));
    proxy.set(&world, "me:p%40ss@");
    assert_eq!(pushed(&world, "one").iter().filter(|line| line.contains("delivered one (200")).count(), 2);
    assert_eq!(plain.take_one().header("host"), format!("inside.example:{port}"));
    assert_eq!(plain.requests().len() + secure.take().len(), 1);
    let mut asked = proxy.asked();
    asked.sort();
    let credentials = "Proxy-Authorization: Basic bWU6cEBzcw==\r\n\r\n";
    let expected = |authority: &str| format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credentials}");
    let of_secure = secure.origin().trim_start_matches("https://").to_owned();
    assert_eq!(asked, [expected(&format!("inside.example:{port}")), expected(&of_secure)]);
    let checked = world.webhook(&["check", "--connect"]);
    assert!(!String::from_utf8_lossy(&checked.stdout).contains("cannot reach"));
    assert_eq!(proxy.asked().len(), 2, "check goes the same way");
    // A target of the server's may go another way, and a repository has no say.
    world.configure_globally("webhook.plain.url", &plain.url());
    world.server_git(&["config", "--remove-section", "webhook.plain"]);
    world.configure_globally("webhook.plain.proxy", "");
    world.configure("webhook.proxy", "http://127.0.0.1:1");
    world.configure("webhook.secure.proxy", "http://127.0.0.1:1");
    world.set("HTTP_PROXY", "http://127.0.0.1:1");
    world.set("http_proxy", "http://127.0.0.1:1");
    pushed(&world, "two");
    assert_eq!((plain.take().len(), secure.take().len(), proxy.asked().len()), (1, 1, 1));
}

#[test]
fn what_goes_wrong_with_the_proxy_is_told_as_that() {
    let receiver = Receiver::new();
    for (answer, words) in [
        ("HTTP/1.1 407 No\r\n\r\n", "the proxy answered 407: it does not take the user name and password"),
        ("HTTP/1.1 403 Secret\r\n\r\n", "the proxy answered 403, and makes no connection to the receiver"),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 No\r\n\r\n",
            "the proxy answered 502, and makes no connection to the receiver",
        ),
        ("SSH-2.0-OpenSSH_9\r\n\r\n", "what is set as proxy does not answer as one"),
        ("", "the proxy: unexpected end of file"),
    ] {
        let world = World::told_to(&receiver, "gitlab");
        let proxy = Proxy::answering(move |_, _| Some(answer.into()));
        proxy.set(&world, "me:hushhush@");
        let said = "webhook ci: not delivered: one (no connection); kept, and tried again later";
        assert_eq!(pushed(&world, "one"), [said]);
        assert!(reason(&world).contains(words), "{}", reason(&world));
        let all = format!("{}{:?}", world.log(), world.attempts());
        assert!(!all.contains("hushhush") && !all.contains("Secret"), "{all}");
        assert_eq!(world.waiting("ci").len(), 1);
    }
    let world = World::told_to(&receiver, "gitlab");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.configure_globally("webhook.proxy", &format!("http://127.0.0.1:{port}"));
    pushed(&world, "one");
    assert!(reason(&world).contains("the proxy refuses connections"), "{}", reason(&world));
    world.configure_globally("webhook.proxy", "http://nowhere.invalid:1");
    pushed(&world, "two");
    assert!(reason(&world).contains("the proxy: "), "{}", reason(&world));
    // Silence is that of the whole attempt.
    let world = World::told_to(&receiver, "gitlab");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    world.configure_globally("webhook.proxy", &format!("http://{}", silent.local_addr().unwrap()));
    world.configure("webhook.ci.timeout", "1s");
    let said = "webhook ci: not delivered: three (no answer in time); kept, and tried again later";
    assert_eq!(pushed(&world, "three"), [said]);
    world.configure_globally("webhook.proxy", "https://me:hushhush@h/x");
    let checked = world.webhook(&["check"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains("is no HTTP proxy: write http://HOST:PORT") && !text.contains("hushhush"), "{text}");
    assert!(receiver.take().is_empty());
}

/// The proxy's own address is judged, and the receiver's where it needs no look-up.
#[test]
fn a_proxy_is_no_way_around_what_may_be_dialled() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let proxy = Proxy::new();
    proxy.set(&world, "");
    world.configure("webhook.ci.url", "http://[::ffff:169.254.169.254]/latest");
    let refused = |name: &str, why: &str| {
        let said = pushed(&world, name);
        let expected = format!(
            "webhook ci: not delivered: {name} (the server does not allow the receiver's address); kept, and tried again later"
        );
        assert_eq!(said, [expected]);
        assert!(reason(&world).contains(why), "{}", reason(&world));
        assert!(proxy.asked().is_empty() && receiver.take().is_empty());
    };
    refused("one", "169.254.169.254 is a ");
    world.configure("webhook.ci.url", "http://inside.example/");
    world.configure_globally("webhook.allowedHosts", "external private");
    refused("two", "127.0.0.1 is a loopback address, which webhook.allowedHosts does not allow");
}

#[test]
#[ignore = "needs tinyproxy: run tests/run"]
fn a_real_proxy_lets_through_whom_it_knows() {
    let authority = Authority::new();
    let receiver = Receiver::secure(authority.server());
    let world = authority.world();
    world.add_target("ci", &receiver, "gitlab");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = world.path("tinyproxy.conf");
    let connect = receiver.origin().rsplit_once(':').unwrap().1.to_owned();
    let text =
        format!("Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nBasicAuth me well-kept\nConnectPort {connect}\n");
    std::fs::write(&file, text).unwrap();
    let _running = Running(Command::new("tinyproxy").arg("-d").arg("-c").arg(&file).spawn().unwrap());
    crate::support::until("tinyproxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    world.configure_globally("webhook.proxy", &format!("http://127.0.0.1:{port}"));
    pushed(&world, "one");
    assert!(reason(&world).contains("the proxy answered 407: it wants a user name"), "{}", reason(&world));
    world.configure_globally("webhook.proxy", &format!("http://me:well-kept@127.0.0.1:{port}"));
    // What waited is due, since the configuration is another.
    world.webhook(&["flush"]);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/one");
}
