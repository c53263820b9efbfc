//! Receivers that answer with a redirect, which is never followed.

use crate::support::{Answer, Receiver, World};

fn redirecting(status: u16, location: &str) -> Receiver {
    let head = format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    Receiver::answering(Answer::Raw(head.into_bytes()))
}

/// Public bug report 27.
#[test]
fn the_log_says_what_is_different() {
    for (status, location, what) in [
        (301, "/hook/", "a redirect, which is not followed (to /…: the same with '/' at the end)"),
        (308, "https://127.0.0.1/hook", "(to https://127.0.0.1/…: the same with https)"),
        (302, "https://login.example.org/?next=x", "(to https://login.example.org/: another host)"),
        (307, "/elsewhere", "(to /elsewhere)"),
        (301, "hook/", "(to /…: the same with '/' at the end)"),
        (301, "//127.0.0.1:1/hook", "(to http://127.0.0.1:1/…: the same with port 1)"),
        (308, "https://127.0.0.1/hook/", "(to https://127.0.0.1/…: the same with https and '/' at the end)"),
        (302, "/hook?login", "(to /…: the same with another query)"),
        (302, "/hook", "(to /…: the same address)"),
        (302, "http://[", "(to an address that cannot be read)"),
    ] {
        let receiver = redirecting(status, location);
        let world = World::told_plainly_to(&receiver, "gitlab");
        world.commit("one");
        world.push(&["main"]);
        let reason = world.attempts()[0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.ends_with(what), "{location}: {reason}");
        assert_eq!((world.waiting("ci").len(), receiver.take().len()), (1, 1));
    }
}

#[test]
fn a_receiver_that_answers_so_may_be_right() {
    let receiver = redirecting(302, "/jobs/17");
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.success", "2xx 302");
    world.commit("one");
    let said = world.push(&["main"]).said();
    assert!(said[0].starts_with("webhook ci: delivered main (302, "), "{said:?}");
    world.server_git(&["config", "webhook.ci.success", "5xx"]);
    let output = world.webhook(&["list"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("is no list of statuses from 200 to 499 or classes such as 2xx"), "{said}");
}
