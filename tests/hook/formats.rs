//! The verbs over every format and every event it has.

use std::process::Output;

use git_webhook::event::EventName;
use git_webhook::format::{self, FORMATS, Format, Ids, Method};
use serde_json::Value;

use crate::command::Echo;
use crate::support::{Receiver, Request, World};

/// Whether a request names this event of its forge in each header that this format has for it.
fn is_named(request: &Request, format: &Format, event: &str) -> bool {
    let mut headers = (format.headers)(event, &Ids::default()).into_iter();
    headers.all(|(name, value)| value != event.as_bytes() || request.header(name) == event)
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A world with a branch and a tag on the server and a target of this format that wants nothing.
fn world(receiver: &Receiver, format: &Format) -> World {
    let world = World::told_to(receiver, format.name);
    world.configure("webhook.ci.event", "note");
    world.commit("one");
    world.commit("two");
    world.git(&["tag", "v1"]);
    world.push(&["main", "v1"]);
    world
}

#[test]
fn formats_lists_all_that_each_can_tell() {
    let world = World::new();
    let table = out(&world.webhook(&["formats"]));
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect()).collect();
    let cell = |row: usize, column: usize| rows[row][column].trim();
    // Gitea has no comments on commits.
    assert!(
        table.contains("\ngitea: note is issue_comment, pull_request_comment; merge_request is pull_request, "),
        "{table}"
    );
    assert!(
        table.contains("\ngithub: note is commit_comment, issue_comment, pull_request_review_comment; "),
        "{table}"
    );
    let rows = &rows[..=FORMATS.len()];
    assert_eq!(rows[0].iter().map(|cell| cell.trim()).collect::<Vec<_>>(), ["NAME", "FOR", "TOLD", "EVENTS", "SECRET"]);
    assert_eq!(
        (1..rows.len()).map(|row| cell(row, 0)).collect::<Vec<_>>(),
        FORMATS.iter().map(|format| format.name).collect::<Vec<_>>()
    );
    let github = (1..rows.len()).find(|row| cell(*row, 0) == "github").unwrap();
    assert_eq!((cell(github, 2), cell(github, 3)), ("each ref", "push tag_push create delete note merge_request ping"));
    assert_eq!(cell(github, 4), "X-Hub-Signature X-Hub-Signature-256");
    let json: Value = crate::support::rows(&world.webhook(&["formats", "--json"]).stdout).into();
    let bitbucket = json.as_array().unwrap().iter().find(|row| row["name"] == "bitbucket").unwrap();
    assert_eq!(bitbucket["told"], "push");
    assert_eq!(bitbucket["events"][0], serde_json::json!({ "event": "push", "name": "repo:push" }));
}

#[test]
fn test_sends_each_event_that_a_format_has_and_names_one_that_it_has_not() {
    for format in FORMATS {
        let receiver = Receiver::taking(format);
        let world = world(&receiver, format);
        assert!(receiver.take().is_empty());
        for event in EventName::ALL {
            let output = world.webhook(&["test", "ci", "--event", event.word()]);
            let Some((_, name)) = format.events.iter().find(|(known, _)| *known == event) else {
                assert_eq!(err(&output), format!("error: format {} has no event for this\n", format.name));
                continue;
            };
            assert!(output.status.success(), "{}: {}", format.name, err(&output));
            let request = receiver.take_one();
            assert!(is_named(&request, format, name), "{}: {:?}", format.name, request.headers);
        }
        let output = world.webhook(&["test", "ci", "--event", "ping"]);
        match format.ping {
            // Codeup's document names none for it.
            Some(_) => {
                let name = if format.name == "codeup" { "Push Hook" } else { "ping" };
                assert!(is_named(&receiver.take_one(), format, name), "{}", format.name);
            }
            None => {
                assert_eq!(err(&output), format!("error: format {} has no ping: try --event push\n", format.name));
            }
        }
    }
}

const EVENTS_OF_GITHUB: [&str; 6] =
    ["push", "commit_comment", "issue_comment", "pull_request_review_comment", "pull_request", "pull_request_review"];

/// An empty repository can be tried out; the address, which may be the secret, is told as far as it is none.
#[test]
fn a_ping_needs_no_commit_and_keeps_the_address() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "github");
    world.configure("webhook.ci.event", "all");
    let output = world.webhook(&["test", "ci", "--event", "ping"]);
    assert!(out(&output).starts_with("webhook ci: delivered ping (200, "), "{}", out(&output));
    let request = receiver.take_one();
    let body = request.json();
    assert_eq!(body["hook_id"].to_string(), request.header("X-GitHub-Hook-ID"));
    assert_eq!(body["hook"]["events"], serde_json::json!(EVENTS_OF_GITHUB));
    assert_eq!(body["hook"]["config"]["url"], receiver.url().replace("/hook", ""));
    let keys: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["zen", "hook_id", "hook", "repository", "organization", "sender"]);
}

/// Without what a chat's signature put into the body.
fn unsigned(mut body: Value) -> Value {
    if let Some(body) = body.as_object_mut().filter(|body| body.contains_key("msg_type")) {
        body.retain(|key, _| key != "timestamp" && key != "sign");
    }
    body
}

#[test]
fn payload_prints_what_a_target_is_sent_by_default() {
    // What has no body is printed as the parameters that it is, what a template makes of it as what that is given.
    let is_printed = |format: &&Format| format.exchange.method != Method::Get && !format.takes_template();
    for format in FORMATS.iter().filter(is_printed) {
        let receiver = Receiver::taking(format);
        let world = world(&receiver, format);
        world.server_git(&["config", "webhook.ci.event", "push tag_push"]);
        for (refs, old, new, name) in [
            ("main~1:refs/heads/new", "0", "main~1", "refs/heads/new"),
            ("main:refs/heads/new", "main~1", "main", "refs/heads/new"),
            (":refs/heads/new", "main", "0", "refs/heads/new"),
        ] {
            let output = world.webhook(&["payload", "--format", format.name, old, new, name]);
            assert!(output.status.success(), "{}: {}", format.name, err(&output));
            let events = |bodies: Vec<Value>| -> Vec<String> {
                bodies
                    .iter()
                    .map(|body| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" "))
                    .collect()
            };
            let printed = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            world.push(&[refs]);
            let sent = receiver.take().iter().map(Request::json).map(unsigned).collect();
            assert_eq!(events(printed), events(sent), "{} {refs}", format.name);
        }
    }
    let receiver = Receiver::new();
    let world = world(&receiver, format::find("github").unwrap());
    let only = world.webhook(&["payload", "--format", "github", "--event", "create", "0", "main", "refs/heads/new"]);
    assert_eq!(serde_json::from_slice::<Value>(&only.stdout).unwrap()["ref_type"], "branch");
    let none = world.webhook(&["payload", "--format", "gitlab", "--event", "create", "0", "main", "refs/heads/new"]);
    assert_eq!(err(&none), "error: format gitlab has no event for this\n");
}

#[test]
fn echo_verifies_the_signatures_of_every_format() {
    for format in FORMATS.iter().filter(|format| !format.secret_headers().is_empty()) {
        let world = World::new();
        std::fs::write(world.path("secret"), "a secret of more than 24 bytes\n").unwrap();
        // Named, and found by its headers.
        for arguments in [&["--secret-file", "../secret", "--format", format.name][..], &["--secret-file", "../secret"]]
        {
            let echo = Echo::start(&world, arguments);
            world.server_git(&["config", "webhook.ci.url", &echo.url]);
            world.server_git(&["config", "webhook.ci.format", format.name]);
            world.server_git(&["config", "webhook.ci.secret", "a secret of more than 24 bytes"]);
            world.commit("one");
            world.push(&["main"]);
            world.server_git(&["config", "webhook.ci.secret", "another secret of so many bytes"]);
            world.commit("two");
            world.push(&["main"]);
            world.webhook(&["flush"]);
            std::fs::remove_dir_all(world.server().join("webhook")).unwrap();
            let text = echo.stop();
            let headers = format.secret_headers();
            assert!(text.contains(&format!("=> {}: right\n", headers.join(", "))), "{}: {text}", format.name);
            assert!(text.contains(&format!("=> {}: WRONG\n", headers[0])), "{}: {text}", format.name);
        }
    }
}

#[test]
fn echo_knows_that_slack_sends_no_secret() {
    let world = World::new();
    std::fs::write(world.path("secret"), "x").unwrap();
    let output = world.webhook(&["echo", "0", "--format", "slack", "--secret-file", "../secret"]);
    assert_eq!(err(&output), "error: format slack sends no secret: leave out --secret-file\n");
    let echo = Echo::start(&world, &["--format", "slack"]);
    world.configure("webhook.ci.url", &echo.url);
    world.configure("webhook.ci.format", "slack");
    world.commit("one");
    world.push(&["main"]);
    assert!(echo.stop().contains("\"text\": \"alice created branch main in group/project, with 1 commit\\n"));
}

/// A target may want the separate events alone, and one that a format does not have is told of.
#[test]
fn an_event_that_the_format_has_not_is_a_warning() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.event", "create");
    let said = err(&world.webhook(&["list"]));
    assert!(said.contains("webhook.ci.event: names nothing that format gitlab has: write push, tag_push"), "{said}");
    world.commit("one");
    world.push(&["main"]);
    assert!(receiver.take().is_empty());
    world.server_git(&["config", "webhook.ci.format", "gitea"]);
    assert_eq!(err(&world.webhook(&["list"])), "");
    world.push(&["main:next"]);
    assert!(is_named(&receiver.take_one(), format::find("github").unwrap(), "create"));
}
