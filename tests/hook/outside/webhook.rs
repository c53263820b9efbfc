//! Debian's `webhook` (adnanh/webhook) with a rule for each format's secret, see `tests/outside/hooks.json`.

use std::net::TcpListener;
use std::path::Path;

use crate::support::{World, until};

use super::{Judge, Step, replay, tour, world};

const SECRET: &str = "a secret of sufficient length";

fn start() -> Judge {
    // It takes no port 0; the one found is free again when it starts.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/hooks.json");
    let mut command = Judge::command("webhook", SECRET);
    command.args(["-template", "-verbose", "-ip", "127.0.0.1", "-port", &port, "-hooks"]).arg(hooks);
    Judge::start(&mut command, |line| {
        line.split_once("serving hooks on http://127.0.0.1:")?.1.strip_suffix("/hooks/{id}")
    })
}

/// Sees each push of the tour set commands off that print what `expected` says, and wrong signatures refused.
fn judge(format: &str, refused: [u16; 2], expected: impl Fn(&World, &Step) -> Vec<String>) {
    let judge = start();
    let path = format!("/hooks/{format}");
    let world = world(&judge.url(&path), format);
    world.configure("webhook.ci.secret", SECRET);
    let mut seen = 0;
    tour(&world, |step| {
        let mut expected = expected(&world, step);
        until("the commands ran", || ran(&judge).len() >= seen + expected.len());
        let mut ran = ran(&judge).split_off(seen);
        seen += ran.len();
        ran.sort();
        expected.sort();
        assert_eq!(ran, expected, "{}", step.name);
    });
    let secrets = [SECRET, "another secret, as long as it"];
    let [ours, changed, other] = replay(&judge, &path, format, "webhook.ci.secret", secrets);
    assert_eq!((ours, [changed, other]), (200, refused), "{:#?}", judge.said());
}

/// A command for each ref update, with the ref and its new id.
fn one_by_one(_: &World, step: &Step) -> Vec<String> {
    step.moves.iter().map(|moved| format!("{} {}", moved.name, moved.new)).collect()
}

/// What the commands printed.
fn ran(judge: &Judge) -> Vec<String> {
    let said = judge.said();
    said.iter().filter_map(|line| Some(line.split_once("command output: ")?.1.trim().to_owned())).collect()
}

#[test]
#[ignore = "needs Debian's webhook: run tests/run"]
fn debians_webhook_takes_gitlab() {
    // A token says nothing of the body.
    judge("gitlab", [200, 403], one_by_one);
}

#[test]
#[ignore = "needs Debian's webhook: run tests/run"]
fn debians_webhook_takes_codeup() {
    judge("codeup", [200, 403], one_by_one);
}

#[test]
#[ignore = "needs Debian's webhook: run tests/run"]
fn debians_webhook_takes_github() {
    judge("github", [500, 500], one_by_one);
}
