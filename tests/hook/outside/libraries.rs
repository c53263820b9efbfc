//! The libraries that receivers are written with: their own signature checks and schemas, over a real connection.

use std::collections::BTreeSet;

use git_webhook::event::EventName;
use serde_json::Value;

use crate::reviews::Reviews;
use crate::support::{Receiver, World};

use super::{Judge, Move, Step, is_posted, replay, tour, world};

const SECRET: &str = "a secret of sufficient length";
const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SIGNING_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
#[ignore = "needs standardwebhooks: run tests/run"]
fn standardwebhooks_verifies_every_format() {
    let judge = Judge::python(SIGNING_SECRET);
    for format in git_webhook::format::FORMATS.iter().filter(|format| is_posted(format)) {
        let world = world(&judge.url("/standardwebhooks"), format.name);
        // The first key is the one to come: whoever still has the old one must find the signature made with it.
        world.configure("webhook.ci.signingSecret", &format!("{OTHER_SIGNING_SECRET} {SIGNING_SECRET}"));
        world.commit("one");
        let said = world.push(&["main"]).said();
        assert!(said[0].starts_with("webhook ci: delivered main ("), "{}: {said:?}", format.name);
        // Comments and reviews are signed as pushes are.
        if format.has(EventName::MergeRequest) {
            for event in ["note", "merge_request"] {
                let output = world.webhook(&["test", "ci", "--event", event]);
                assert!(output.status.success(), "{} {event}: {output:?}", format.name);
            }
        }
        let secrets = [SIGNING_SECRET, OTHER_SIGNING_SECRET];
        let answers = replay(&judge, "/standardwebhooks", format.name, "webhook.ci.signingSecret", secrets);
        assert_eq!(answers, [200, 400, 400], "{}", format.name);
        let changed = |event: &Value| event["payload"].to_string().contains("E U Thor");
        assert!(!judge.events(4).iter().any(changed), "{}", format.name);
    }
}

/// Takes a library for GitHub's webhooks through the tour: each push event has the ref and the id of git, and each
/// creation and deletion an event of its own.
fn takes_github(judge: &Judge, path: &str) {
    let world = world(&judge.url(path), "github");
    world.configure("webhook.ci.secret", SECRET);
    world.configure("webhook.ci.event", "push tag_push create delete");
    tour(&world, |step| {
        let happened = happened(step);
        assert_eq!(told(&judge.events(happened.len())), happened, "{}", step.name);
    });
    let tested = world.webhook(&["test", "ci", "--event", "ping"]);
    assert!(tested.status.success(), "{tested:?}");
    let events = judge.events(1);
    assert_eq!((events.len(), &events[0]["event"]), (1, &Value::from("ping")));
}

/// The name of each event, the ref and what it points to now, sorted.
fn told(events: &[Value]) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tell =
        |event: &Value| [text(&event["event"]), text(&event["payload"]["ref"]), text(&event["payload"]["after"])];
    let mut told: Vec<_> = events.iter().map(tell).collect();
    told.sort();
    told
}

fn happened(step: &Step) -> Vec<[String; 3]> {
    let mut happened = Vec::new();
    for moved in &step.moves {
        happened.push(["push", &moved.name, &moved.new]);
        if moved.is_creation() {
            happened.push(["create", moved.short(), ""]);
        }
        if moved.is_deletion() {
            happened.push(["delete", moved.short(), ""]);
        }
    }
    happened.sort();
    happened.into_iter().map(|event| event.map(String::from)).collect()
}

#[test]
#[ignore = "needs @octokit/webhooks: run tests/run"]
fn octokit_accepts_every_event_and_its_schemas_hold() {
    takes_github(&Judge::octokit(SECRET), "/hook");
}

/// A review taken through all that can happen to it, and a comment on a commit; with addresses, without any, with long ids.
fn takes_reviews(judge: &Judge, path: &str, world: World) {
    world.configure("webhook.ci.url", &judge.url(path));
    world.configure("webhook.ci.format", "github");
    world.configure("webhook.ci.secret", SECRET);
    let reviews = Reviews::of(world, Receiver::new());
    let mut kinds = BTreeSet::new();
    reviews.tour(|what| {
        let log = reviews.world.attempts();
        let failed: Vec<_> = log.iter().filter(|attempt| attempt["state"] != "delivered").collect();
        assert!(failed.is_empty(), "{what}: {failed:#?}\n{:#?}", judge.said());
        kinds.extend(judge.events(1).iter().map(|event| event["event"].as_str().unwrap().to_owned()));
    });
    let expected =
        ["commit_comment", "issue_comment", "pull_request", "pull_request_review", "pull_request_review_comment"];
    assert_eq!(kinds.iter().collect::<Vec<_>>(), expected);
}

#[test]
#[ignore = "needs @octokit/webhooks: run tests/run"]
fn the_schemas_hold_for_reviews_and_comments() {
    let judge = Judge::octokit(SECRET);
    takes_reviews(&judge, "/hook", World::new());
    takes_reviews(&judge, "/hook", World::with(&["--object-format=sha256"]));
    let addressed = World::new();
    addressed.configure("webhook.homepage", "https://git.example.org/{repository}");
    addressed.configure("webhook.reviewUrl", "https://review.example.org/{number}");
    takes_reviews(&judge, "/hook", addressed);
}

#[test]
#[ignore = "needs gidgethub: run tests/run"]
fn gidgethub_accepts_reviews_and_comments() {
    takes_reviews(&Judge::python(SECRET), "/gidgethub", World::new());
}

/// The schemas want URLs and ids of a certain form even where a server has no web page or another kind of id.
#[test]
#[ignore = "needs @octokit/webhooks: run tests/run"]
fn the_schemas_hold_without_any_address_and_for_sha256() {
    let judge = Judge::octokit(SECRET);
    for options in [&[][..], &["--object-format=sha256"]] {
        let world = World::with(options);
        world.configure("webhook.ci.url", &judge.url("/hook"));
        world.configure("webhook.ci.format", "github");
        world.configure("webhook.ci.secret", SECRET);
        world.commit("one");
        world.git(&["tag", "--annotate", "--message", "one", "v1"]);
        let said = world.push(&["main", "v1"]).said();
        assert!(said[0].starts_with("webhook ci: delivered main, v1 ("), "{said:?}: {:#?}", judge.said());
    }
}

#[test]
#[ignore = "needs @octokit/webhooks: run tests/run"]
fn octokit_refuses_what_is_not_signed_rightly() {
    let secrets = [SECRET, "another secret, as long as it"];
    let answers = replay(&Judge::octokit(SECRET), "/hook", "github", "webhook.ci.secret", secrets);
    assert_eq!(answers, [200, 400, 400]);
}

#[test]
#[ignore = "needs gidgethub: run tests/run"]
fn gidgethub_accepts_every_event() {
    takes_github(&Judge::python(SECRET), "/gidgethub");
}

/// Takes a library for GitLab's webhooks through the tour: each event has the name, the ref and the id of git.
fn takes_gitlab(judge: &Judge, path: &str, [push, tag_push]: [&str; 2]) {
    let world = world(&judge.url(path), "gitlab");
    world.configure("webhook.ci.secret", SECRET);
    tour(&world, |step| {
        let name = |moved: &Move| if moved.is_tag() { tag_push } else { push };
        let happened = step.moves.iter().map(|moved| [name(moved).into(), moved.name.clone(), moved.new.clone()]);
        let mut happened: Vec<_> = happened.collect();
        happened.sort();
        assert_eq!(told(&judge.events(happened.len())), happened, "{}", step.name);
    });
}

#[test]
#[ignore = "needs gidgetlab: run tests/run"]
fn gidgetlab_accepts_every_event_and_refuses_another_token() {
    let judge = Judge::python(SECRET);
    takes_gitlab(&judge, "/gidgetlab", ["Push Hook", "Tag Push Hook"]);
    let secrets = [SECRET, "another secret, as long as it"];
    // A token says nothing of the body.
    assert_eq!(replay(&judge, "/gidgetlab", "gitlab", "webhook.ci.secret", secrets), [200, 200, 400]);
}

const HANDLERS: &str = include_str!("../../outside/handlers.mjs");

#[test]
#[ignore = "needs node-gitlab-webhook: run tests/run"]
fn node_gitlab_webhook_accepts_every_event_and_refuses_another_token() {
    let judge = Judge::node(HANDLERS, SECRET);
    takes_gitlab(&judge, "/gitlab", ["push", "tag_push"]);
    let secrets = [SECRET, "another secret, as long as it"];
    assert_eq!(replay(&judge, "/gitlab", "gitlab", "webhook.ci.secret", secrets), [200, 200, 400]);
}

#[test]
#[ignore = "needs github-webhook-handler: run tests/run"]
fn github_webhook_handler_accepts_every_event_and_refuses_what_is_not_signed_rightly() {
    let judge = Judge::node(HANDLERS, SECRET);
    takes_github(&judge, "/github");
    let secrets = [SECRET, "another secret, as long as it"];
    // Gitea and Forgejo sign as GitHub does, beside their own ways.
    for format in ["github", "gitea", "forgejo"] {
        assert_eq!(replay(&judge, "/github", format, "webhook.ci.secret", secrets), [200, 400, 400], "{format}");
    }
}

#[test]
#[ignore = "needs go and go-github: run tests/run"]
fn go_github_accepts_every_event_and_refuses_what_is_not_signed_rightly() {
    let judge = Judge::go(SECRET);
    takes_github(&judge, "/github");
    takes_reviews(&judge, "/github", World::new());
    let secrets = [SECRET, "another secret, as long as it"];
    assert_eq!(replay(&judge, "/github", "github", "webhook.ci.secret", secrets), [200, 400, 400]);
}

#[test]
#[ignore = "needs go and go-gitlab: run tests/run"]
fn go_gitlab_accepts_every_event_and_refuses_another_token() {
    let judge = Judge::go(SECRET);
    takes_gitlab(&judge, "/gitlab", ["Push Hook", "Tag Push Hook"]);
    let secrets = [SECRET, "another secret, as long as it"];
    assert_eq!(replay(&judge, "/gitlab", "gitlab", "webhook.ci.secret", secrets), [200, 200, 400]);
}

/// No key that GitHub's own description requires is missing, and none is there that neither it nor a capture has.
#[test]
#[ignore = "needs @octokit/openapi-webhooks: run tests/run"]
fn the_keys_are_those_of_githubs_description() {
    let judge = || Judge::node(include_str!("../../outside/openapi.mjs"), SECRET);
    takes_github(&judge(), "/");
    takes_reviews(&judge(), "/", World::new());
    let addressed = World::new();
    addressed.configure("webhook.homepage", "https://git.example.org/{repository}");
    takes_reviews(&judge(), "/", addressed);
}

#[test]
#[ignore = "needs gidgethub: run tests/run"]
fn gidgethub_refuses_what_is_not_signed_rightly() {
    let judge = Judge::python(SECRET);
    // Gitea signs as GitHub does, beside its own way.
    for format in ["github", "gitea", "forgejo"] {
        let secrets = [SECRET, "another secret, as long as it"];
        let answers = replay(&judge, "/gidgethub", format, "webhook.ci.secret", secrets);
        assert_eq!(answers, [200, 400, 400], "{format}");
    }
}
