//! Trying targets out: what `test` tells and leaves behind, receivers that are rehearsed, bodies that are made anew.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{Answer, Receiver, Running, World, rows};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_test_shows_the_answer_and_is_in_the_log() {
    let words = b"HTTP/1.1 500 X\r\nContent-Length: 11\r\n\r\nqueue full\n".to_vec();
    let receiver = Receiver::in_turn([Answer::Raw(words), Answer::Status(200), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    let one = world.commit("one");
    world.git(&[
        "push",
        "--quiet",
        "--receive-pack=git -c core.hooksPath=/nowhere receive-pack",
        world.server().to_str().unwrap(),
        "main",
    ]);
    let failed = world.webhook(&["test", "ci"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        out(&failed).starts_with("webhook ci: not delivered: main, after ")
            && out(&failed).ends_with("]\n  queue full\n"),
        "{}",
        out(&failed)
    );
    assert!(err(&failed).contains(": answered 500"), "{}", err(&failed));
    assert!(out(&world.webhook(&["test", "ci"])).starts_with("webhook ci: delivered main (200, "));
    let log = rows(&world.webhook(&["log", "--json"]).stdout);
    let states: Vec<_> = log.iter().map(|row| (row["state"].as_str().unwrap(), row["test"] == true)).collect();
    assert_eq!(states, [("delivered", true), ("failed", true)]);
    let table = out(&world.webhook(&["log", "--state", "failed"]));
    assert!(table.contains("Push Hook (test)") && table.lines().count() == 2, "{table}");
    let shown = out(&world.webhook(&["show", log[1]["id"].as_str().unwrap()]));
    assert!(shown.starts_with("state     failed\n") && shown.contains("  queue full\n"), "{shown}");
    assert!(shown.contains("request   the body of a test is not kept\n"), "{shown}");
    // Nobody was told of anything by it: neither is it tried again, nor does it stand for a push.
    assert_eq!(out(&world.webhook(&["redeliver", "--failed"])), "nothing to redeliver\n");
    assert_eq!(world.webhook(&["status"]).status.code(), Some(0));
    world.webhook(&["reconcile", "--baseline"]);
    world.server_git(&["update-ref", "refs/heads/other", &one]);
    receiver.take();
    world.webhook(&["test", "ci", "--ref", "other"]);
    assert_eq!(rows(&world.webhook(&["reconcile", "--dry-run", "--json"]).stdout)[0]["ref"], "refs/heads/other");
}

#[test]
fn a_test_tells_of_any_ref_and_commit_and_never_of_nothing() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let told = |arguments: &[&str]| {
        let output = world.webhook(&[&["test", "ci"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}{}", out(&output), err(&output));
        receiver.take_one().json()
    };
    let one = world.commit("one");
    world.push(&["main", "main:twin"]);
    receiver.take();
    // One commit, which another branch has too.
    let body = told(&[]);
    assert_eq!((&body["commits"][0]["id"], &body["total_commits_count"]), (&one.clone().into(), &1.into()));
    let two = world.commit("two");
    world.git(&["tag", "v1"]);
    world.push(&["main", "v1"]);
    receiver.take();
    let body = told(&[]);
    assert_eq!(
        (&body["before"], &body["after"], &body["total_commits_count"]),
        (&one.clone().into(), &two.clone().into(), &1.into())
    );
    assert_eq!(told(&["--ref", "twin"])["ref"], "refs/heads/twin");
    let tag = told(&["--ref", "v1"]);
    assert_eq!((&tag["object_kind"], &tag["ref"]), (&"tag_push".into(), &"refs/tags/v1".into()));
    let body = told(&["--ref", "refs/heads/main", "--commit", "HEAD~1"]);
    assert_eq!((&body["ref"], &body["after"]), (&"refs/heads/main".into(), &one.clone().into()));
    for (arguments, why) in [
        (&["--ref", "nosuch"][..], "no branch or tag 'nosuch' here"),
        (&["--commit", "nosuch"], "'nosuch' names no commit here"),
        (&["--ping"], "has no ping"),
    ] {
        let output = world.webhook(&[&["test", "ci"], arguments].concat());
        assert!(output.status.code() == Some(1) && err(&output).contains(why), "{arguments:?}: {}", err(&output));
    }
    world.configure("webhook.hub.url", &receiver.url());
    world.configure("webhook.hub.format", "github");
    assert!(world.webhook(&["test", "hub", "--ping"]).status.success());
    assert_eq!(receiver.take_one().json()["hook"]["type"], "Repository");
    world.configure("webhook.up.url", &receiver.url());
    world.configure("webhook.up.format", "codeup");
    assert!(world.webhook(&["test", "up", "--ping"]).status.success());
    let body = receiver.take_one().json();
    assert_eq!(body, serde_json::json!({ "before": one, "after": two }));
    assert_eq!(world.webhook(&["test", "hub", "--ping", "--ref", "main"]).status.code(), Some(129));
}

#[test]
fn a_test_says_what_would_have_kept_a_push_away() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(err(&world.webhook(&["test", "ci"])), "");
    world.webhook(&["set", "ci", "--ref", "mian", "--event", "tag_push", "--enabled", "false"]);
    let output = world.webhook(&["test", "ci"]);
    assert!(output.status.success());
    for why in [
        "a push is not told: target 'ci' is disabled",
        "a push of this ref is not told: webhook.ci.ref is mian",
        "a push is not told in this event: webhook.ci.event is tag_push",
    ] {
        assert!(err(&output).contains(&format!("warning: {why}\n")), "{}", err(&output));
    }
    let row: Value = rows(&world.webhook(&["test", "ci", "--json"]).stdout)[0].clone();
    assert_eq!((row["kept_away"].as_array().unwrap().len(), &row["status"]), (3, &200.into()));
}

/// Starts a receiver; where it listens, and what it prints.
fn echo(world: &World, arguments: &[&str]) -> (Running, String, impl Iterator<Item = String> + use<>) {
    let mut command = world.webhook_command();
    let mut child = command.args(["echo", "0"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap().strip_prefix("listening on ").unwrap().to_owned();
    (Running(child), address, lines)
}

#[test]
fn a_receiver_that_fails_or_is_slow_is_rehearsed() {
    let world = World::new();
    let (_echo, address, mut lines) = echo(&world, &["--answer", "503", "--delay", "1s"]);
    world.configure("webhook.ci.url", &address);
    world.commit("one");
    let said = world.push(&["main"]).said();
    assert_eq!(said, ["webhook ci: not delivered: main (answered 503); kept, and tried again later"]);
    assert!(world.attempts()[0]["ms"].as_u64().unwrap() >= 1000);
    assert!(lines.any(|line| line == "<= 503"));
    assert_eq!(world.webhook(&["echo", "0", "--answer", "99"]).status.code(), Some(129));
}

#[test]
fn a_request_is_handed_on_with_its_headers() {
    let receiver = Receiver::in_turn([Answer::Status(202), Answer::Status(418)]);
    let world = World::new();
    let (_echo, address, mut lines) = echo(&world, &["--forward", &receiver.url()]);
    world.configure("webhook.ci.url", &address);
    world.configure("webhook.ci.format", "github");
    world.configure("webhook.ci.secret", "a secret of more than 24 bytes");
    world.commit("one");
    assert!(world.push(&["main"]).said()[0].starts_with("webhook ci: delivered main (202, "));
    assert!(lines.any(|line| line == "<= 202"));
    let request = receiver.take_one();
    let has = |name: &str| request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count();
    assert_eq!((has("x-hub-signature-256"), has("content-type"), has("host")), (1, 1, 1));
    assert_eq!(request.json()["ref"], "refs/heads/main");
    assert!(world.push(&["main:other"]).said()[0].contains("answered 418"));
    let (_nobody, address, _lines) = echo(&world, &["--forward", "http://127.0.0.1:9/"]);
    world.configure("webhook.nobody.url", &address);
    assert!(world.push(&["main:third"]).said().concat().contains("(answered 502)"));
    let wrong = world.webhook(&["echo", "0", "--forward", "ftp://x/"]);
    assert!(err(&wrong).contains("cannot forward there: "), "{}", err(&wrong));
}

#[test]
fn a_body_that_waits_is_made_anew_where_somebody_asks() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.configure("webhook.homepage", "https://git.example.org/{repository}");
    let id = world.attempts()[0]["id"].as_str().unwrap().to_owned();
    world.webhook(&["redeliver", &id]);
    let output = world.webhook(&["redeliver", "--rebuild", &id]);
    assert!(
        out(&output).contains("; the body was built again, and differs from the one sent before"),
        "{}",
        out(&output)
    );
    let pages: Vec<_> = receiver.take().iter().map(|request| request.json()["project"]["web_url"].clone()).collect();
    assert_eq!(pages, ["", "", "https://git.example.org/group/project"]);
    assert!(world.waiting("ci").is_empty());
}
