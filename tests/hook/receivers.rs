//! What receivers may answer, badly or with intent, and what becomes of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Answer, Ends, Fan, PATIENCE, Receiver, World, ZERO, hold, ok, read_head, until};

const A_MINUTE: Duration = Duration::from_secs(60);

fn each(answers: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Vec<Receiver> {
    answers.into_iter().map(|bytes| Receiver::answering(Answer::Raw(bytes.into()))).collect()
}

#[test]
fn bad_259_260_every_2xx_is_success() {
    Fan::new(&[200, 201, 202, 203, 204, 205, 206, 207, 226, 299].map(|code| Receiver::answering(Answer::Status(code))))
        .delivers();
}

#[test]
fn bad_261_a_redirect_is_never_followed() {
    let elsewhere = Receiver::new();
    let secure = elsewhere.url().replace("http:", "https:");
    let locations = [elsewhere.url(), secure, elsewhere.url().replace("http:", ""), "/other".into()];
    for code in [300, 301, 302, 303, 305, 307, 308] {
        let answer = |to| format!("HTTP/1.1 {code} X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let receivers = each(locations.iter().map(answer));
        Fan::new(&receivers).fails(&format!("answered {code}, a redirect, which is not followed"));
        assert!(receivers.iter().all(|receiver| receiver.take_one().path == "/hook"));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn bad_262_264_265_any_other_status_is_a_failure() {
    let codes = [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 425, 429, 499, 500, 502, 503, 599, 600, 999];
    let fan = Fan::new(&codes.map(|code| Receiver::answering(Answer::Status(code))));
    assert_eq!(fan.said, codes.map(|code| Fan::failure(&format!("answered {code}"))));
}

#[test]
fn bad_263_a_receiver_that_is_gone_for_good_is_no_failure_that_passes() {
    let fan = Fan::new(&[Receiver::answering(Answer::Status(410))]);
    let why = "answered 410: gone for good); kept until the administrator enables it again";
    assert_eq!(fan.said, [format!("not delivered: main ({why}")]);
}

#[test]
fn bad_266_switching_protocols_is_a_failure() {
    Fan::new(&each(["HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"])).fails("answered 101");
}

#[test]
fn bad_267_early_hints_come_before_the_answer() {
    Fan::new(&each([
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 OK\r\n\r\n",
    ]))
    .delivers();
}

#[test]
fn bad_270_271_272_273_274_what_is_no_http() {
    Fan::new(&each([
        &b"HTTP/1.1 000 X\r\n\r\n"[..],
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 OK 200\r\n\r\n",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"HTTP/1.1 2\xb200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"<html>hello</html>\n",
        b"200 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"\xef\xbb\xbfHTTP/1.1 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example ESMTP\r\n",
    ]))
    .fails("the answer is not HTTP");
}

#[test]
fn bad_276_280_285_odd_but_right() {
    Fan::new(&each([
        &b"HTTP/1.0 200 OK\r\n\r\nto the end"[..],
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 caf\xe9\r\nX: caf\xe9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 204 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\nx",
    ]))
    .delivers();
}

#[test]
fn bad_277_278_279_control_characters_in_the_header() {
    let fan = Fan::new(&each([
        &b"HTTP/1.1 500 \x1b]0;pwned\x07\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX y: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\x1b[2J: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    ]));
    assert!(!fan.world.log().contains(['\x1b', '\0', '\x07']), "{}", fan.world.log());
    fan.fails("the answer is not HTTP");
}

#[test]
fn bad_282_283_a_header_without_end() {
    Fan::new(&[
        Receiver::answering(Answer::Raw(ok(&format!("X: {}", "x".repeat(300 * 1024))).into())),
        Receiver::answering(Answer::Raw(ok(&"X: y\r\n".repeat(3000)).into())),
        Receiver::answering(Answer::Flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")),
        Receiver::answering(Answer::Flood(b"HTTP/1.1 200 OK\r\nX: ", b"xxxxxxxxxxxxxxxx")),
        Receiver::answering(Answer::Flood(b"HTTP/1.1 200 ", b"xxxxxxxxxxxxxxxx")),
    ])
    .fails("the answer is not HTTP");
}

#[test]
fn a_large_header_is_read() {
    Fan::new(&each([
        ok(&format!("X: {}\r\nContent-Length: 0", "x".repeat(30 * 1024))),
        ok(&format!("{}Content-Length: 0", "X: y\r\n".repeat(120))),
    ]))
    .delivers();
}

#[test]
fn bad_284_a_length_that_cannot_be() {
    Fan::new(&each([
        ok("Content-Length: -1"),
        ok("Content-Length: 100000000000000000000"),
        ok("Content-Length: 4\r\nContent-Length: 5"),
        ok("Content-Length: four"),
        ok("Content-Length: 0x4"),
    ]))
    .fails("the answer is not HTTP");
}

#[test]
fn bad_286_288_the_body_does_not_matter() {
    let fan = Fan::new(
        each([
            ok("Content-Length: 1000") + "short",
            ok("Transfer-Encoding: chunked") + "zz\r\nno chunk",
            ok("Transfer-Encoding: chunked") + "ffffffffffffffffffff\r\n",
            ok("Content-Encoding: gzip\r\nContent-Length: 8") + "not gzip",
        ])
        .iter()
        .chain(&[
            Receiver::answering(Answer::Flood(
                b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                &[b'x'; 4096],
            )),
            Receiver::answering(Answer::Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")),
            Receiver::answering(Answer::Flood(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4096])),
        ]),
    );
    let size = |attempt: &Value| attempt["answer"]["size"].as_u64().unwrap();
    assert!(fan.world.attempts().iter().all(|attempt| size(attempt) <= 16 * 1024), "{:?}", fan.world.attempts());
    fan.delivers();
}

#[test]
fn bad_292_connections_that_end_early() {
    Fan::new(&[
        Receiver::wild(drop),
        Receiver::wild(|stream| {
            // What is left unread makes the kernel send RST in place of FIN.
            let _ = stream.peek(&mut [0]);
        }),
        Receiver::wild(|mut stream| read_head(&mut stream)),
        Receiver::wild(|mut stream| {
            read_head(&mut stream);
            let _ = stream.shutdown(Shutdown::Write);
            hold(&mut stream);
        }),
        Receiver::answering(Answer::Raw(Vec::new())),
        Receiver::answering(Answer::Raw(b"HTTP/1.1 20".to_vec())),
        Receiver::answering(Answer::Raw(b"HTTP/1.1 200 OK\r\nX: y\r\n".to_vec())),
    ])
    .fails("connection closed without an answer");
}

/// Commits that make a body of 5 MB.
fn commit_much(world: &World) {
    let message = ("x".repeat(99) + "\n").repeat(1280);
    for _ in 0..20 {
        world.git_with_input(&["commit", "--quiet", "--allow-empty", "--file=-"], message.as_bytes());
    }
}

#[test]
fn bad_294_an_answer_in_the_midst_of_a_large_body_is_heard() {
    let early = || {
        Receiver::wild(|mut stream| {
            read_head(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        })
    };
    let world = World::new();
    commit_much(&world);
    Fan::of(world, &[early(), early(), early()]).fails("answered 413");
}

#[test]
fn a_receiver_that_stops_reading_a_large_body_times_out() {
    let world = World::new();
    commit_much(&world);
    let read = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&read);
    let slow = Receiver::wild(move |mut stream| {
        let (mut some, mut all) = ([0; 16 * 1024], 0);
        while let Ok(count @ 1..) = stream.read(&mut some) {
            all += count;
            thread::sleep(Duration::from_millis(100));
        }
        *seen.lock().unwrap() = Some(all);
    });
    let fan = Fan::waiting("1s", world, &[Receiver::wild(|_stream| thread::sleep(A_MINUTE)), slow]);
    fan.fails("no answer in time");
    until("the receiver is left", || read.lock().unwrap().is_some());
    assert!(read.lock().unwrap().unwrap() < 4 << 20, "it was waited for until it had read all");
}

#[test]
fn bad_250_295_nobody_there() {
    let world = World::new();
    world.commit("one");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (name, url) in [
        ("closed", format!("http://{free}/hook")),
        ("closed6", format!("http://[::1]:{}/hook", free.port())),
        ("unknown", "http://does-not-exist.invalid/hook".into()),
        ("unknowns", "https://does-not-exist.invalid/hook".into()),
    ] {
        world.configure(&format!("webhook.{name}.url"), &url);
    }
    let pushed = world.push(&["main"]);
    assert_eq!(
        pushed.said(),
        [
            "webhook closed: not delivered: main (connection refused); kept, and tried again later",
            "webhook closed6: not delivered: main (connection refused); kept, and tried again later",
            "webhook unknown: not delivered: main (the receiver's name cannot be looked up); kept, and tried again later",
            "webhook unknowns: not delivered: main (the receiver's name cannot be looked up); kept, and tried again later",
        ]
    );
    let log = world.log();
    assert!(log.contains(&format!("not delivered to http://{free}: connection refused\n")), "{log}");
    assert!(log.contains("not delivered to https://does-not-exist.invalid: "), "{log}");
    assert!(!log.contains("/hook"), "{log}");
}

#[test]
fn a_name_with_several_addresses_is_tried_at_each() {
    let receiver = Receiver::new();
    let world = World::new();
    world.commit("one");
    // ::1 refuses: the receiver listens on 127.0.0.1 alone.
    world.configure("webhook.ci.url", &receiver.url().replace("127.0.0.1", "localhost"));
    world.push(&["main"]);
    assert!(receiver.take_one().header("host").starts_with("localhost:"));
}

#[test]
fn bad_289_a_gzip_bomb_is_not_unpacked() {
    let world = World::new();
    world.commit("one");
    let zip = "head -c 10000000 /dev/zero | gzip -9";
    let bomb = Command::new("sh").args(["-c", zip]).ends().stdout;
    assert!((1000..16_000).contains(&bomb.len()), "{}", bomb.len());
    let head = ok(&format!("Content-Encoding: gzip\r\nContent-Length: {}", bomb.len()));
    let fan = Fan::of(world, &each([[head.as_bytes(), &bomb].concat()]));
    assert_eq!(fan.world.attempts()[0]["answer"]["size"], bomb.len());
}

#[test]
fn what_a_receiver_answers_is_kept_but_for_what_is_secret() {
    let body = "no job named T0-secret; see the log";
    let head =
        format!("HTTP/1.1 404 X\r\nX-Job: T0-secret\r\nSet-Cookie: s=1\r\nContent-Length: {}\r\n\r\n", body.len());
    let receiver = Receiver::answering(Answer::Raw([head, body.into()].concat().into_bytes()));
    let world = World::new();
    world.configure("webhook.ci.url", &format!("{}/T0-secret", receiver.origin()));
    world.commit("one");
    world.push(&["main"]);
    let answer = world.attempts()[0]["answer"].clone();
    assert_eq!(answer["body"], "no job named …; see the log");
    assert_eq!(answer["headers"][0], serde_json::json!(["x-job", "…"]));
    assert_eq!(answer["headers"][1], serde_json::json!(["set-cookie", "…"]));
    let long = Receiver::answering(Answer::Raw([ok("X-Long: 1").into_bytes(), vec![b'x'; 100_000]].concat()));
    world.add_target("long", &long, "codeup");
    world.push(&["main:second"]);
    let attempts = world.attempts();
    let answer = &attempts.iter().find(|attempt| attempt["target"] == "long").unwrap()["answer"];
    assert_eq!(answer["size"], 16 * 1024);
    assert_eq!(answer["body"], format!("{}…", "x".repeat(4 * 1024)));
}

#[test]
fn floods_do_not_fill_the_memory() {
    let floods = [
        Receiver::answering(Answer::Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", &[b'x'; 65536])),
        Receiver::answering(Answer::Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")),
        Receiver::answering(Answer::Flood(b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 65536])),
        // Holds the hook until its memory is read.
        Receiver::answering(Answer::After(Duration::from_millis(300))),
    ];
    let world = World::new();
    let id = world.commit("one");
    let world = Fan::of(world, &floods).world;
    let mut child = world.hook().stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{ZERO} {id} refs/heads/x").unwrap();
    let (mut peak, start) = (0, Instant::now());
    while child.try_wait().unwrap().is_none() {
        peak = peak_memory(child.id()).unwrap_or(peak);
        thread::sleep(Duration::from_millis(2));
        assert!(start.elapsed() < PATIENCE, "the hook does not end");
    }
    assert!((1..32 * 1024).contains(&peak), "{peak} KiB");
}

/// In KiB.
fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
