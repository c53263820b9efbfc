//! The verbs of `git webhook`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Answer, Ends, Receiver, World, ZERO};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn list_shows_targets_without_what_may_be_secret() {
    let world = World::new();
    world.configure("webhook.ci.url", "https://user:canary@ci.example.org/canary?canary");
    world.configure("webhook.ci.format", "gitlab");
    world.configure("webhook.ci.ref", "refs/heads/*");
    world.configure("webhook.off.url", "http://localhost:8000/");
    world.configure("webhook.off.enabled", "false");
    let output = world.webhook(&["list"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(
        out(&output),
        "NAME  FORMAT  EVENTS         REFS          URL                       STATE\n\
         ci    gitlab  push tag_push  refs/heads/*  https://ci.example.org/…  enabled\n\
         off   codeup  push tag_push  all           http://localhost:8000/…   disabled\n"
    );
}

#[test]
fn list_as_json() {
    let world = World::new();
    world.configure("webhook.ci.url", "https://ci.example.org/canary");
    world.configure("webhook.ci.description", "the builds");
    world.configure("webhook.bad.url", "ftp://x/");
    let output = world.webhook(&["list", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let rows: Value = crate::support::rows(&output.stdout).into();
    assert_eq!(
        rows[0],
        json!({"name": "ci", "url": "https://ci.example.org/…", "format": "codeup", "event": ["push", "tag_push"], "ref": [],
            "enabled": true, "state": "enabled", "description": "the builds", "errors": []})
    );
    assert_eq!((&rows[1]["name"], &rows[1]["url"]), (&json!("bad"), &Value::Null));
    assert_eq!(rows[1]["errors"].as_array().unwrap().len(), 1);
    assert!(!out(&output).contains("canary"));
}

#[test]
fn list_over_a_tree_of_repositories() {
    let world = World::new();
    world.configure("webhook.ci.url", "https://ci.example.org/");
    let root = world.path("");
    let output = world.webhook(&["list", "--json", "--root", root.to_str().unwrap()]);
    let rows: Value = crate::support::rows(&output.stdout).into();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    let repository = std::fs::canonicalize(world.server()).unwrap();
    assert_eq!(rows[0]["repository"], repository.to_str().unwrap());
}

#[test]
fn a_wrong_command_line_exits_129() {
    let world = World::new();
    for arguments in [&["nonsense"][..], &["list", "--nonsense"], &["test"], &["payload", "a", "b"], &[]] {
        let output = world.webhook(arguments);
        assert_eq!(output.status.code(), Some(129), "{arguments:?}");
        assert!(err(&output).contains("Usage: git webhook"), "{}", err(&output));
    }
    assert_eq!(world.webhook(&["echo", "99999"]).status.code(), Some(129));
    for arguments in [&["-h"][..], &["list", "-h"], &["--version"]] {
        assert_eq!(world.webhook(arguments).status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn outside_a_repository_git_says_so() {
    let world = World::new();
    let output = world.webhook_command().args(["list"]).current_dir(world.path("home")).ends();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with("error: not a git repository"), "{}", err(&output));
}

#[test]
fn test_sends_the_newest_commits() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let ids: Vec<_> = ["one", "two", "three", "four", "five"].map(|message| world.commit(message)).into();
    world.git(&["tag", "--annotate", "--message", "x", "v1"]);
    world.push(&["main", "v1"]);
    receiver.take();
    let output = world.webhook(&["test", "ci"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("webhook ci: delivered main (200, "), "{}", out(&output));
    let request = receiver.take_one();
    assert_eq!(request.commits(), ids[2..]);
    assert_eq!(request.header("X-Gitlab-Event"), "Push Hook");
    assert_eq!(world.webhook(&["test", "ci", "--event", "tag_push"]).status.code(), Some(0));
    let request = receiver.take_one();
    assert_eq!((request.header("X-Gitlab-Event"), &request.json()["ref"]), ("Tag Push Hook", &json!("refs/tags/v1")));
}

#[test]
fn test_tells_the_administrator_what_is_wrong() {
    let receiver = Receiver::answering(Answer::Status(403));
    let world = World::told_to(&receiver, "gitlab");
    let output = world.webhook(&["test", "ci"]);
    assert_eq!(err(&output), "error: no branch has a commit yet: push one first\n");
    world.commit("one");
    world.push(&["main"]);
    let output = world.webhook(&["test", "ci"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).starts_with("webhook ci: not delivered: main, after "), "{}", out(&output));
    let origin = receiver.url().replace("/hook", "");
    assert_eq!(err(&output), format!("error: {origin}: answered 403\n"));
    assert_eq!(err(&world.webhook(&["test", "cd"])), "error: no target 'cd': there is ci\n");
}

#[test]
fn payload_prints_what_a_push_would_send() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "codeup");
    world.commit("one");
    world.push(&["main"]);
    let old = world.id("HEAD");
    let new = world.commit("two");
    receiver.take();
    world.push(&["main"]);
    let sent = receiver.take_one();
    for (old, new) in [
        (old.as_str(), new.as_str()),
        (&old, "main"),
        (&old, "refs/heads/main"),
        ("main~1", "HEAD"),
        (&old, &new[..10]),
    ] {
        let output = world.webhook(&["payload", "--format", "codeup", old, new, "refs/heads/main"]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert_eq!(out(&output).trim_end().as_bytes(), sent.body);
    }
    assert!(receiver.take().is_empty(), "nothing is sent");
    let created = world.webhook(&["payload", "--format", "gitlab", "0", &new, "refs/heads/new"]);
    let created: Value = serde_json::from_slice(&created.stdout).unwrap();
    assert_eq!((&created["before"], &created["total_commits_count"]), (&json!(ZERO), &json!(0)));
}

#[test]
fn payload_explains_what_it_cannot_do() {
    let world = World::new();
    let said = |arguments: &[&str]| {
        let output = world.webhook(&[&["payload"], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        err(&output)
    };
    let known: Vec<_> = git_webhook::format::FORMATS.iter().map(|format| format.name).collect();
    assert_eq!(
        said(&["--format", "x", "0", "0", "refs/heads/a"]),
        format!("error: unknown format 'x': choose {}\n", known.join(", "))
    );
    assert_eq!(
        said(&["--format", "gitlab", "0", "1", "main"]),
        "error: 'main' is no branch or tag: write refs/heads/… or refs/tags/…\n"
    );
    assert_eq!(
        said(&["--format", "gitlab", "0", "nope", "refs/heads/a"]),
        "error: 'nope' names no object here, and is no object id of 40 digits\n"
    );
    assert_eq!(said(&["--format", "gitlab", "0", "0", "refs/heads/a"]), "error: OLD and NEW are both nowhere\n");
}

/// A running `git webhook echo`, stopped when dropped.
pub struct Echo {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub url: String,
}

impl Echo {
    pub fn start(world: &World, arguments: &[&str]) -> Self {
        let mut command = world.webhook_command();
        command.args(["echo", "0"]).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let url = first.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, lines, url }
    }

    /// Everything it printed, once it is stopped.
    pub fn stop(mut self) -> String {
        self.child.kill().unwrap();
        let mut text = String::new();
        self.lines.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn echo_prints_each_request_and_verifies_its_token() {
    let world = World::new();
    std::fs::write(world.path("secret"), "canary-secret\n").unwrap();
    let echo = Echo::start(&world, &["--secret-file", "../secret"]);
    world.configure("webhook.ci.url", &echo.url);
    world.configure("webhook.ci.secret", "canary-secret");
    world.commit("one");
    assert!(world.push(&["main"]).said()[0].starts_with("webhook ci: delivered main (200, "));
    world.configure("webhook.ci.secret", "another");
    assert_eq!(
        world.push(&["main:b"]).said(),
        ["webhook ci: not delivered: b (answered 401); kept, and tried again later"]
    );
    let text = echo.stop();
    for part in [
        "\nPOST /\n",
        "Codeup-Event: Push Hook\n",
        "X-Codeup-Token: (not shown)\n",
        "=> X-Codeup-Token: right\n",
        "{\n  \"object_kind\": \"push\",\n",
        "=> X-Codeup-Token: WRONG\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("canary"));
}

#[test]
fn echo_takes_format_and_secrets_from_a_target() {
    let world = World::new();
    world.configure("webhook.ci.url", "http://127.0.0.1:1/");
    world.configure("webhook.ci.format", "gitlab");
    world.configure("webhook.ci.secret", "some-token");
    world.configure("webhook.ci.signingSecret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let echo = Echo::start(&world, &["--target", "ci"]);
    world.server_git(&["config", "webhook.ci.url", &echo.url]);
    world.commit("one");
    assert!(world.push(&["main"]).said()[0].contains("delivered main"));
    let text = echo.stop();
    assert!(text.contains("=> X-Gitlab-Token, webhook-signature: right\n"), "{text}");
}

#[test]
fn echo_says_when_a_token_is_missing_and_when_a_port_is_taken() {
    let world = World::new();
    std::fs::write(world.path("secret"), "x").unwrap();
    let echo = Echo::start(&world, &["--secret-file", "../secret", "--format", "gitlab"]);
    world.configure("webhook.ci.url", &echo.url);
    world.commit("one");
    assert_eq!(
        world.push(&["main"]).said(),
        ["webhook ci: not delivered: main (answered 401); kept, and tried again later"]
    );
    let port = echo.url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    let taken = world.webhook(&["echo", &port]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(err(&taken).starts_with(&format!("error: cannot listen on port {port}: ")), "{}", err(&taken));
    assert!(echo.stop().contains("=> X-Gitlab-Token: MISSING\n"));
}

#[test]
fn test_warns_of_what_the_hook_would_log() {
    let world = World::new();
    world.configure("webhook.ci.url", "https://127.0.0.1:1/");
    world.configure("webhook.ci.sslVerify", "false");
    world.commit("one");
    world.push(&["main"]);
    let said = err(&world.webhook(&["test", "ci"]));
    assert!(said.starts_with("warning: webhook ci: the receiver's certificate is not verified"), "{said}");
}
