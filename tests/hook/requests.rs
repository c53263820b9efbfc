//! What a receiver is sent and what it is not, over which connection, and what of it reaches the log.

use std::io::{Read, Write};

use crate::support::{Answer, Ends, Place, Receiver, World, ok};

#[test]
fn the_headers_are_ours_and_no_more() {
    let receiver = Receiver::new();
    let world = World::told_plainly_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let request = receiver.take_one();
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort();
    let expected = [
        "Accept",
        "Content-Length",
        "Content-Type",
        "Host",
        "Idempotency-Key",
        "User-Agent",
        "X-Gitlab-Event",
        "X-Gitlab-Event-UUID",
        "X-Gitlab-Webhook-UUID",
        "traceparent",
        "webhook-id",
        "webhook-timestamp",
    ];
    assert_eq!(names, expected);
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("git-webhook/"));
    assert_eq!(request.header("host"), receiver.origin().replace("http://", ""));
}

#[test]
fn headers_of_the_configuration_are_sent_beside_ours() {
    let receiver = Receiver::new();
    let world = World::told_plainly_to(&receiver, "gitlab");
    for header in ["X-Stage: caf\u{e9}", "X-Stage: two", "Authorization: Bearer canary"] {
        world.configure("webhook.ci.header", header);
    }
    world.commit("one");
    world.push(&["main"]);
    let request = receiver.take_one();
    let all = |name: &str| -> Vec<&str> {
        let named = request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(all("x-stage"), ["caf\u{e9}", "two"]);
    assert_eq!(all("authorization"), ["Bearer canary"]);
    assert_eq!(all("user-agent").len(), 1);
    assert_eq!(all("content-type"), ["application/json"]);
}

#[test]
fn no_proxy_is_taken_from_the_environment() {
    let (receiver, proxy) = (Receiver::new(), Receiver::new());
    let mut world = World::told_to(&receiver, "gitlab");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        world.set(name, proxy.origin());
    }
    world.configure("webhook.secure.url", "https://does-not-exist.invalid/");
    world.commit("one");
    let said = world.push(&["main"]).said();
    receiver.take_one();
    assert_eq!(
        said[1],
        "webhook secure: not delivered: main (the receiver's name cannot be looked up); kept, and tried again later"
    );
    assert_eq!(proxy.connections(), 0);
}

/// What a receiver echoes may hold what it was sent.
#[test]
fn no_log_level_shows_a_secret() {
    let echo = Receiver::wild(|mut stream| {
        let mut request = vec![0; 64 * 1024];
        let count = stream.read(&mut request).unwrap_or(0);
        let _ = stream.write_all(ok(&format!("Content-Length: {count}")).as_bytes());
        let _ = stream.write_all(&request[..count]);
    });
    let moved = Receiver::answering(Answer::Raw(
        b"HTTP/1.1 301 X\r\nLocation: https://elsewhere.invalid/T0/canary/?token=canary\r\n\r\n".to_vec(),
    ));
    let mut world = World::new();
    world.set("RUST_LOG", "trace");
    world.configure("webhook.logLevel", "debug");
    for (name, receiver) in [("echo", &echo), ("moved", &moved)] {
        let origin = receiver.origin().replace("127.0.0.1", "me:canary-password@127.0.0.1");
        world.configure(&format!("webhook.{name}.url"), &format!("{origin}/T0/canary?token=canary"));
        world.configure(&format!("webhook.{name}.format"), "gitlab");
        world.configure(&format!("webhook.{name}.secret"), "canary-secret");
        world.configure(&format!("webhook.{name}.header"), "X-Key: canary-header");
    }
    world.commit("one");
    let pushed = world.push(&["main"]);
    assert!(pushed.said()[0].starts_with("webhook echo: delivered main (200, "), "{}", pushed.output);
    assert!(world.log().contains("delivered refs/heads/main"), "the level is debug: {}", world.log());
    assert!(world.log().contains("to https://elsewhere.invalid"), "{}", world.log());
    for canary in ["canary", "bWU6Y2FuYXJ5LXBhc3N3b3Jk"] {
        assert!(!pushed.output.contains(canary), "{}", pushed.output);
        assert!(!world.log().contains(canary), "{}", world.log());
    }
    assert!(!pushed.output.contains("ureq") && !world.log().contains("ureq"));
    let mut search = world.command("grep", &world.server());
    search.args(["-r", "-e", "canary", "-e", "bWU6Y2FuYXJ5"]).args([Place::Spool.path(), Place::Log.path()]);
    let found = search.ends();
    assert_eq!((found.status.code(), found.stdout), (Some(1), Vec::new()), "what is written down has none either");
}

/// Two deliveries over one connection: of a branch and of a tag, whose refs have no other.
fn push_two(receiver: &Receiver) -> Vec<String> {
    let world = World::told_to(receiver, "gitlab");
    world.commit("one");
    world.git(&["tag", "v1"]);
    world.push(&["main", "v1"]).said()
}

#[test]
fn deliveries_of_one_push_share_a_connection() {
    let receiver = Receiver::new();
    push_two(&receiver);
    assert_eq!((receiver.take().len(), receiver.connections()), (2, 1));
}

#[test]
fn bad_309_a_kept_connection_that_was_closed_is_opened_once_more() {
    let receiver = Receiver::in_turn([Answer::Status(200), Answer::Raw(Vec::new()), Answer::Status(202)]);
    let said = push_two(&receiver);
    assert!(said[0].starts_with("webhook ci: delivered main, v1 (200 and 202, "), "{said:?}");
    let requests = receiver.take();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[1].header("idempotency-key"), requests[2].header("idempotency-key"));
    assert_eq!(receiver.connections(), 2);
}

#[test]
fn bad_309_but_not_twice() {
    let receiver = Receiver::in_turn([Answer::Status(200), Answer::Raw(Vec::new())]);
    let said = push_two(&receiver);
    let reason = "connection closed without an answer";
    assert_eq!(said, [format!("webhook ci: delivered 1 of 2 refs, not v1 ({reason}); kept, and tried again later")]);
    assert_eq!(receiver.take().len(), 3);
}

#[test]
fn bad_309_and_not_once_an_answer_has_begun() {
    let receiver = Receiver::in_turn([Answer::Status(200), Answer::Raw(b"HTTP/1.1 2".to_vec())]);
    let said = push_two(&receiver);
    assert!(said[0].contains("not v1 (connection closed without an answer)"), "{said:?}");
    assert_eq!(receiver.take().len(), 2);
}

#[test]
fn bad_309_and_not_over_a_connection_of_its_own() {
    let closing = ok("Connection: close\r\nContent-Length: 0").into_bytes();
    let receiver = Receiver::in_turn([Answer::Raw(closing), Answer::Raw(Vec::new())]);
    let said = push_two(&receiver);
    assert!(said[0].contains("not v1 (connection closed without an answer)"), "{said:?}");
    assert_eq!(receiver.take().len(), 2);
}

#[test]
fn a_connection_with_a_body_left_unread_is_not_used_again() {
    let endless = Answer::Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", &[b'x'; 4096]);
    let receiver = Receiver::in_turn([endless, Answer::Status(202)]);
    let said = push_two(&receiver);
    assert!(said[0].starts_with("webhook ci: delivered main, v1 (200 and 202, "), "{said:?}");
    assert_eq!((receiver.take().len(), receiver.connections()), (2, 2));
}

#[test]
fn more_than_the_answer_is_not_taken_for_the_next_one() {
    let two = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n";
    let receiver = Receiver::in_turn([Answer::Flood(two, b"HTTP/1.1 201 X\r\n\r\n"), Answer::Status(500)]);
    let said = push_two(&receiver);
    assert_eq!(said, ["webhook ci: delivered 1 of 2 refs, not v1 (answered 500); kept, and tried again later"]);
}
