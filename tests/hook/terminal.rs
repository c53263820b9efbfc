//! That nothing which others choose reaches a terminal as it is: refs, authors, names, values, paths, receivers' words.
//! Each other test looks at what our programs print too (`support/judge.rs`).

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Answer, Ends, Receiver, World, judge};

/// What a terminal obeys: a title, colours with ESC and without, a line turned round, one that is written over, and what
/// cannot be seen.
const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{1b}[31m\u{9b}31m\u{202e}\u{200b}\r\u{8}\u{7f}\u{2066}\u{feff}";

/// Of it what a ref's name may hold.
const IN_REF: &str = "\u{9b}31m\u{202e}\u{200b}\u{feff}";

/// A world whose every word is hostile.
fn world(receiver: &Receiver) -> World {
    let mut world = World::new();
    for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GL_USER"] {
        world.set(name, &format!("Mallory {HOSTILE}"));
    }
    world.set("GIT_AUTHOR_EMAIL", &format!("m{HOSTILE}@example.org"));
    world.add_target("ci", receiver, "gitlab");
    world.configure("webhook.ci.description", "\u{202e}builds");
    world.configure("webhook.homepage", "https://example.org/\u{202e}\u{9b}");
    for (key, value) in [("webhook.repository", "g\u{202e}/\u{9b}p"), ("webhook.branch\u{9b}.url", "http://\u{202e}/")]
    {
        world.configure(key, value);
    }
    for (key, value) in [("url", HOSTILE), ("format", HOSTILE), ("ref", HOSTILE), ("timeout", HOSTILE)] {
        let quoted = value.replace('\u{8}', "\\b");
        world.server_git(&["config", "--add", &format!("webhook.wrong.{key}"), &quoted]);
    }
    world.configure("webhook.logLevel", "debug");
    world
}

#[test]
fn whatever_others_choose_is_escaped_in_every_verb() {
    let answer = format!("HTTP/1.1 500 {IN_REF}\r\nX-{0}: {IN_REF}\r\n\r\n{HOSTILE}{0}", "a");
    let receiver = Receiver::answering(Answer::Raw(answer.into_bytes()));
    let world = world(&receiver);
    world.commit(&format!("file {HOSTILE}"));
    world.write(&format!("path{IN_REF}"), "x");
    world.commit_all(HOSTILE);
    let branch = format!("main:refs/heads/b{IN_REF}");
    world.git(&["tag", "--annotate", "--message", HOSTILE, &format!("t{IN_REF}")]);
    let pushed = world.push(&[&branch, &format!("t{IN_REF}")]);
    let said = pushed.said().join("\n");
    assert!(said.contains("webhook ci: not delivered: b\\u{9b}31m"), "{said}");
    judge::is_fit_for_a_terminal(said.as_bytes());
    judge::is_fit_for_a_terminal(world.log().as_bytes());

    let id = world.attempts()[0]["id"].as_str().unwrap().to_owned();
    let name = format!("refs/heads/b{IN_REF}");
    let root = world.path("").to_str().unwrap().to_owned();
    let mut verbs: Vec<Vec<&str>> = vec![vec!["show", &id], vec!["test", "ci"], vec!["redeliver", &id]];
    for verb in ["list", "check", "log", "status", "flush", "reconcile"] {
        verbs.extend([vec![verb], vec![verb, "--root", &root]]);
    }
    for verb in ["show", "enable", "disable", "remove", "redeliver", "test", "payload", "echo", "log"] {
        verbs.extend([vec![verb, HOSTILE], vec![verb, "--target", HOSTILE], vec![HOSTILE]]);
    }
    verbs.push(vec!["add", HOSTILE, HOSTILE]);
    verbs.push(vec!["add", "new", HOSTILE, "--format", HOSTILE]);
    // What is printed is looked at by the harness.
    for verb in verbs {
        world.webhook(&verb);
        let output = world.webhook(&[&verb[..], &["--json"]].concat());
        if output.status.code() != Some(129) && !output.stdout.is_empty() {
            serde_json::from_slice::<Value>(&output.stdout).unwrap();
        }
    }
    for format in git_webhook::format::FORMATS.iter().map(|format| format.name) {
        let output = world.webhook(&["payload", "--format", format, "0", &name, &name]);
        for body in serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
            // Escaped, and none the less what a receiver is sent.
            assert!(body.unwrap().to_string().contains("\u{9b}31m"), "{format}: {output:?}");
        }
    }
}

#[test]
fn the_path_of_a_repository_is_escaped() {
    let receiver = Receiver::answering(Answer::Status(500));
    let world = world(&receiver);
    world.commit("one");
    world.push(&["main"]);
    let root: PathBuf = world.path(&format!("root{HOSTILE}"));
    fs::create_dir(&root).unwrap();
    fs::rename(world.server(), root.join(format!("{HOSTILE}.git"))).unwrap();
    for verb in ["list", "check", "log", "status", "flush", "reconcile"] {
        for json in [&[][..], &["--json"]] {
            let mut command = world.command(env!("CARGO_BIN_EXE_git-webhook"), &world.work());
            command.args([verb, "--root"]).arg(&root).args(json);
            let output = command.ends();
            assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{verb}");
        }
    }
    fs::rename(root.join(format!("{HOSTILE}.git")), world.server()).unwrap();
}
