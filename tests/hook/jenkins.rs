//! Jenkins' git plugin is told of each branch by a GET, and of nothing else.

use crate::support::{Answer, Receiver, Request, World};

const TOKEN: &str = "1bd0e2f3a4&5c=6d 7e";

fn world(receiver: &Receiver) -> World {
    let world = World::told_plainly_to(receiver, "jenkins");
    world.configure("webhook.gitSshUrl", "git@git.example.org:{repository}.git");
    world.configure("webhook.ci.secret", TOKEN);
    world
}

/// The names and values of the query, in their order.
fn query(request: &Request) -> Vec<(String, String)> {
    let (_, query) = request.path.split_once('?').unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn value(request: &Request, name: &str) -> String {
    query(request).into_iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap_or_default()
}

#[test]
fn each_branch_is_a_get_with_address_branch_commit_and_token() {
    let receiver = Receiver::new();
    let world = world(&receiver);
    world.commit("one");
    world.git(&["tag", "v1"]);
    world.push(&["main", "main:refs/heads/feature/a&b#1", "v1"]);
    let requests = receiver.take();
    assert_eq!(requests.len(), 2, "one a branch, none for a tag: {requests:#?}");
    for (request, branch) in requests.iter().zip(["main", "feature/a&b#1"]) {
        assert_eq!(request.method, "GET");
        assert!(request.body.is_empty() && request.header("Content-Type").is_empty());
        let expected = [
            ("url", "git@git.example.org:group/project.git"),
            ("branches", branch),
            ("sha1", &world.id("main")),
            ("token", TOKEN),
        ];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(query(request), expected);
    }
}

#[test]
fn a_deletion_is_not_told() {
    let receiver = Receiver::new();
    let world = world(&receiver);
    world.commit("one");
    world.push(&["main", "main:refs/heads/other"]);
    receiver.take();
    world.push(&[":other"]);
    assert!(receiver.take().is_empty());
}

/// The plugin takes `a,b` for two branches.
#[test]
fn of_a_branch_with_a_comma_jenkins_looks_for_itself() {
    let receiver = Receiver::new();
    let world = world(&receiver);
    world.commit("one");
    world.push(&["main:refs/heads/a,b"]);
    let names: Vec<_> = query(&receiver.take_one()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["url", "token"]);
}

#[test]
fn what_the_url_says_itself_counts() {
    let receiver = Receiver::new();
    let world = world(&receiver);
    let url = format!("{}?url=https://jobs.example.org/p.git&fast=1&token=other", receiver.url());
    world.server_git(&["config", "webhook.ci.url", &url]);
    world.commit("one");
    world.push(&["main"]);
    let request = receiver.take_one();
    assert_eq!(value(&request, "url"), "https://jobs.example.org/p.git");
    assert_eq!((value(&request, "fast"), value(&request, "token")), ("1".into(), "other".into()));
    assert_eq!(value(&request, "branches"), "main");
    assert_eq!(query(&request).len(), 5);
}

/// What waits has neither address nor token in it; both are put in when it is sent.
#[test]
fn the_token_is_put_in_at_each_attempt() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = world(&receiver);
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(value(&receiver.take_one(), "token"), TOKEN);
    let log: serde_json::Value = serde_json::from_slice(&world.webhook(&["log", "--json"]).stdout).unwrap();
    let output = world.webhook(&["show", log["deliveries"][0]["id"].as_str().unwrap()]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("branches") && !shown.contains("1bd0e2f3a4"), "{output:?}");
    world.server_git(&["config", "webhook.ci.secret", "another"]);
    world.time_passes("ci");
    world.webhook(&["flush"]);
    let request = receiver.take_one();
    assert_eq!((value(&request, "token").as_str(), value(&request, "branches").as_str()), ("another", "main"));
}

#[test]
fn its_address_is_known_and_its_default_events_are_no_mistake() {
    let world = World::new();
    let url = "https://ci.example.org/jenkins/git/notifyCommit";
    assert!(world.webhook(&["add", "ci", url]).status.success());
    assert_eq!(world.server_git(&["config", "webhook.ci.format"]), "jenkins");
    let found = world.webhook(&["check"]);
    let found = String::from_utf8_lossy(&found.stdout);
    assert!(!found.contains("sends no tag_push") && found.contains("clone address"), "{found}");
    world.configure("webhook.ci.event", "push tag_push");
    let found = world.webhook(&["check"]);
    assert!(String::from_utf8_lossy(&found.stdout).contains("format jenkins sends no tag_push"));
}

/// Whoever listens on the way has the token.
#[test]
fn a_token_over_plain_http_is_found() {
    let world = World::new();
    world.configure("webhook.ci.url", "http://ci.example.org/git/notifyCommit");
    world.configure("webhook.ci.format", "jenkins");
    world.configure("webhook.ci.secret", TOKEN);
    let found = world.webhook(&["check"]);
    assert!(String::from_utf8_lossy(&found.stdout).contains("sends what lets it in over http"), "{found:?}");
}
