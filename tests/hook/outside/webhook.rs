//! Debian's `webhook` (adnanh/webhook) with a rule for each format's secret, see `tests/outside/hooks.json`.

use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::support::until;

use super::{Judge, Move, replay, tour, world};

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

/// Sees each push of the tour set commands off whose output says what `expected` does, and wrong signatures refused.
fn judge(format: &str, refused: [u16; 2], tell: fn(&str) -> Vec<String>, expected: fn(&Move) -> String) {
    let judge = start();
    let path = format!("/hooks/{format}");
    let world = world(&judge.url(&path), format);
    world.configure("webhook.ci.secret", SECRET);
    let told = || -> Vec<String> {
        let said = judge.said();
        said.iter().filter_map(|line| Some(tell(line.split_once("command output: ")?.1))).flatten().collect()
    };
    let mut seen = 0;
    tour(&world, |step| {
        until("the commands ran", || told().len() >= seen + step.moves.len());
        let mut told = told().split_off(seen);
        seen += told.len();
        told.sort();
        let mut expected: Vec<_> = step.moves.iter().map(expected).collect();
        expected.sort();
        assert_eq!(told, expected, "{}", step.name);
    });
    let secrets = [SECRET, "another secret, as long as it"];
    let [ours, changed, other] = replay(&judge, &path, format, "webhook.ci.secret", secrets);
    assert_eq!((ours, [changed, other]), (200, refused), "{:#?}", judge.said());
}

/// A command for each ref update, with the ref and its new id.
fn judge_one_by_one(format: &str, refused: [u16; 2]) {
    judge(format, refused, |output| vec![output.to_owned()], |moved| format!("{} {}", moved.name, moved.new));
}

#[test]
#[ignore = "needs Debian's webhook: run tests/run"]
fn debians_webhook_takes_gitlab() {
    // A token says nothing of the body.
    judge_one_by_one("gitlab", [200, 403]);
}

#[test]
#[ignore = "needs Debian's webhook: run tests/run"]
fn debians_webhook_takes_codeup() {
    judge_one_by_one("codeup", [200, 403]);
}

#[test]
#[ignore = "needs Debian's webhook: run tests/run"]
fn debians_webhook_takes_github() {
    judge_one_by_one("github", [500, 500]);
}

#[test]
#[ignore = "needs Debian's webhook: run tests/run"]
fn debians_webhook_takes_gitea() {
    judge(
        "gitea",
        [500, 500],
        |output| vec![output.to_owned()],
        |moved| {
            // Gitea tells of a branch that is gone in an event without ids, and with the branch's own name.
            match moved.is_deletion() && !moved.is_tag() {
                true => format!("{} ", moved.short()),
                false => format!("{} {}", moved.name, moved.new),
            }
        },
    );
}

#[test]
#[ignore = "needs Debian's webhook: run tests/run"]
fn debians_webhook_takes_bitbucket() {
    // One command for all refs of a push.
    let tell = |output: &str| {
        let changes: Vec<Value> = serde_json::from_str(output).unwrap();
        let name = |change: &Value| match change["new"].is_null() {
            true => format!("no {} {}", change["old"]["type"], change["old"]["name"]),
            false => format!("{} {}", change["new"]["type"], change["new"]["name"]),
        };
        changes.iter().map(name).collect()
    };
    judge("bitbucket", [500, 500], tell, |moved| {
        let kind = if moved.is_tag() { "tag" } else { "branch" };
        format!("{}\"{kind}\" \"{}\"", if moved.is_deletion() { "no " } else { "" }, moved.short())
    });
}
