//! Synapse, a Matrix server, takes what a room is told, each message once.

use std::path::Path;

use serde_json::{Value, json};

use super::{Judge, world};
use crate::support::World;

/// A running server, the token of its user, and a target that is its room.
fn told(settings: &[(&str, &str)], directory: &Path) -> (Judge, World) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/matrix.py");
    let mut command = Judge::command(Judge::installed("venv/bin/python"), "");
    command.arg(script).env("DIRECTORY", directory).envs(settings.iter().copied());
    let judge = Judge::start(&mut command, |line| line.strip_prefix("listening on "));
    let said = judge.said();
    let room = said.iter().find_map(|line| line.strip_prefix("room ")).unwrap();
    let [token, room]: [String; 2] = serde_json::from_str(room).unwrap();
    let world = world(&judge.url(&format!("/_matrix/client/v3/rooms/{room}")), "matrix");
    world.configure("webhook.ci.secret", &token);
    world.configure("webhook.ci.timeout", "60s");
    (judge, world)
}

#[test]
#[ignore = "needs Synapse: run tests/run"]
fn synapse_shows_each_message_once() {
    let directory = tempfile::tempdir().unwrap();
    let (judge, world) = told(&[], directory.path());
    world.commit("<b>bold</b> @room & [a](https://evil.example) matrix:u/x:localhost");
    let said = world.push(&["main"]).said();
    assert!(said[0].starts_with("webhook ci: delivered main ("), "{said:?}");
    let told = judge.events(1).remove(0);
    let id = world.id("main");
    let expected = format!("alice created branch main in group/project, with 1 commit\n{} ", &id[..7]);
    assert!(told["body"].as_str().unwrap().starts_with(&expected), "{told}");
    assert_eq!((&told["msgtype"], &told["m.mentions"]), (&json!("m.notice"), &json!({})));
    let html = told["formatted_body"].as_str().unwrap();
    assert!(html.contains("&lt;b&gt;") && !html.contains("<b>") && !html.contains("href=\"https://evil"), "{html}");
    // Sent once more it is the same transaction, so the room has it already.
    let delivery = world.attempts()[0]["id"].as_str().unwrap().to_owned();
    assert!(world.webhook(&["redeliver", &delivery]).status.success());
    for event in ["note", "merge_request", "tag_push"] {
        world.git(&["tag", "--force", "v1"]);
        world.push(&["v1"]);
        let output = world.webhook(&["test", "ci", "--event", event]);
        assert!(output.status.success(), "{event}: {output:?}");
    }
    let after: Vec<Value> = judge.events(4);
    assert!(!after.iter().any(|event| event["body"] == told["body"]), "{after:#?}");
    // A token that is none is a failure, and the answer says why.
    world.server_git(&["config", "webhook.ci.secret", "syt_another_token_that_is_nobodys"]);
    world.commit("two");
    world.push(&["main"]);
    let last = world.attempts().pop().unwrap();
    assert_eq!((last["state"].as_str(), &last["status"]), (Some("waiting"), &json!(401)), "{last}");
    assert!(last["answer"]["body"].as_str().unwrap().contains("M_UNKNOWN_TOKEN"), "{last}");
}

/// What Synapse says when there are too many is what is read.
#[test]
#[ignore = "needs Synapse: run tests/run"]
fn synapse_says_how_long_it_wants_to_be_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (_judge, world) = told(&[("PER_SECOND", "0.01"), ("BURST", "5")], directory.path());
    // The room itself was one of those that it counts.
    let mut last = Value::Null;
    for number in 0..6 {
        world.commit(&number.to_string());
        world.push(&["main"]);
        last = world.attempts().pop().unwrap();
        if last["status"] == 429 {
            break;
        }
    }
    assert_eq!((&last["status"], last["state"].as_str()), (&json!(429), Some("waiting")), "{last}");
    // It is longer than the first step of the schedule, 5 seconds.
    let at: jiff::Timestamp = last["time"].as_str().unwrap().parse().unwrap();
    assert!(last["next"].as_i64().unwrap() - at.as_second() > 20, "{last}");
    assert!(last["answer"]["body"].as_str().unwrap().contains("retry_after_ms"), "{last}");
}
