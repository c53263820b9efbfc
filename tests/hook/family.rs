//! Gitea, Forgejo and Gogs: what is alike of them and what is not.

use git_webhook::signature::Secret;
use serde_json::Value;

use crate::support::{Receiver, Request, World};

const SECRET: &str = "a secret of more than 24 bytes";

fn world(receiver: &Receiver, format: &str) -> World {
    let world = World::told_plainly_to(receiver, format);
    world.configure("webhook.homepage", "https://git.example.org/{repository}");
    world.configure("webhook.ci.secret", SECRET);
    world.configure("receive.denyDeleteCurrent", "ignore");
    world
}

/// The event of each request, and the ref that it tells.
fn told(receiver: &Receiver, header: &str) -> Vec<String> {
    let tell = |request: &Request| {
        format!("{} {}", request.header(header), request.json()["ref"].as_str().unwrap_or_default())
    };
    receiver.take().iter().map(tell).collect()
}

/// The names of the headers that a forge alone has, in their order.
fn own_headers(request: &Request) -> Vec<&str> {
    let names = request.headers.iter().map(|(name, _)| name.as_str());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("X-")).collect();
    names.sort_unstable();
    names
}

#[test]
fn each_has_its_own_headers() {
    let gitea = [
        "X-GitHub-Delivery",
        "X-GitHub-Event",
        "X-GitHub-Event-Type",
        "X-GitHub-Hook-Installation-Target-Type",
        "X-Gitea-Delivery",
        "X-Gitea-Event",
        "X-Gitea-Event-Type",
        "X-Gitea-Hook-Installation-Target-Type",
        "X-Gitea-Signature",
        "X-Gogs-Delivery",
        "X-Gogs-Event",
        "X-Gogs-Event-Type",
        "X-Gogs-Signature",
        "X-Hub-Signature",
        "X-Hub-Signature-256",
    ];
    let forgejo = ["X-Forgejo-Delivery", "X-Forgejo-Event", "X-Forgejo-Event-Type", "X-Forgejo-Signature"];
    let of_forgejo = [&forgejo[..], &gitea].concat();
    let gogs = ["X-Gogs-Delivery", "X-Gogs-Event", "X-Gogs-Signature"];
    for (format, expected) in [("gitea", &gitea[..]), ("forgejo", &of_forgejo), ("gogs", &gogs)] {
        let receiver = Receiver::new();
        let world = world(&receiver, format);
        world.commit("one");
        world.push(&["main"]);
        let request = receiver.take_one();
        assert_eq!(own_headers(&request), expected, "{format}");
        let signature = Secret::new(SECRET).hmac_sha256(&request.body);
        let sha1 = format!("sha1={}", Secret::new(SECRET).hmac_sha1(&request.body));
        let delivery = request.header("X-Gogs-Delivery");
        assert_eq!(delivery.len(), 36, "{format}");
        for name in expected {
            let value = match name.rsplit('-').next().unwrap() {
                "Signature" if *name == "X-Hub-Signature" => &sha1,
                "Signature" => &signature,
                "256" => &format!("sha256={signature}"),
                "Delivery" => delivery,
                "Type" if name.ends_with("Target-Type") => "repository",
                _ => "push",
            };
            assert_eq!(request.header(name), value, "{format} {name}");
        }
    }
}

/// A branch's deletion is `delete` whether or not that is chosen, and is told once.
#[test]
fn a_branch_that_is_gone_is_told_once() {
    for (format, header) in [("gitea", "X-Gitea-Event"), ("forgejo", "X-Forgejo-Event")] {
        let receiver = Receiver::new();
        let world = world(&receiver, format);
        world.commit("one");
        world.git(&["tag", "v1"]);
        world.push(&["main", "v1"]);
        world.push(&[":main", ":v1"]);
        let expected = ["push refs/heads/main", "push refs/tags/v1", "delete main", "push refs/tags/v1"];
        assert_eq!(told(&receiver, header), expected, "{format}");
        world.configure("webhook.ci.event", "push tag_push create delete");
        world.push(&["main", "v1"]);
        world.push(&[":main", ":v1"]);
        let expected = [
            "create main",
            "push refs/heads/main",
            "create v1",
            "push refs/tags/v1",
            "delete main",
            "push refs/tags/v1",
            "delete v1",
        ];
        assert_eq!(told(&receiver, header), expected, "{format}");
    }
}

/// Gogs tells of tags by their creation and deletion alone; each happens once, whatever is chosen.
#[test]
fn gogs_tells_tags_as_created_and_deleted() {
    for events in ["push tag_push", "push tag_push create delete"] {
        let receiver = Receiver::new();
        let world = world(&receiver, "gogs");
        world.server_git(&["config", "webhook.ci.event", events]);
        world.commit("one");
        world.git(&["tag", "v1"]);
        world.push(&["v1"]);
        let request = receiver.take_one();
        let body = request.json();
        assert_eq!(request.header("X-Gogs-Event"), "create");
        assert_eq!(
            (&body["ref"], &body["ref_type"], &body["default_branch"]),
            (&"v1".into(), &"tag".into(), &"main".into())
        );
        assert_eq!(body["sha"], world.id("v1"));
        world.commit("two");
        world.git(&["tag", "--force", "v1"]);
        world.push(&["+v1"]);
        assert_eq!(told(&receiver, "X-Gogs-Event"), ["create v1"], "moved, {events}");
        world.push(&[":v1"]);
        assert_eq!(told(&receiver, "X-Gogs-Event"), ["delete v1"], "{events}");
        world.push(&["main"]);
        let expected: &[_] = if events.contains("create") {
            &["create main", "push refs/heads/main"]
        } else {
            &["push refs/heads/main"]
        };
        assert_eq!(told(&receiver, "X-Gogs-Event"), expected);
        world.push(&[":main"]);
        assert_eq!(told(&receiver, "X-Gogs-Event"), ["delete main"], "{events}");
    }
}

/// go-playground/webhooks reads the event from one header, wants a body by POST, and proves the secret in one way for each forge:
/// in hexadecimal alone for Gitea and Gogs, behind its name for GitHub, as it is for GitLab, and not at all for Bitbucket, whose hook has
/// an id instead.
#[test]
fn an_event_and_its_proof_are_where_go_playground_looks() {
    const KEY: &str = "a secret of sufficient length";
    let cases = [
        ("github", "X-GitHub-Event", "push", "X-Hub-Signature-256", "sha256="),
        ("gitlab", "X-Gitlab-Event", "Push Hook", "X-Gitlab-Token", ""),
        ("gitea", "X-Gitea-Event", "push", "X-Gitea-Signature", ""),
        ("forgejo", "X-Forgejo-Event", "push", "X-Forgejo-Signature", ""),
        ("gogs", "X-Gogs-Event", "push", "X-Gogs-Signature", ""),
        ("bitbucket", "X-Event-Key", "repo:push", "X-Hub-Signature", "sha256="),
    ];
    for (format, event, name, header, scheme) in cases {
        let receiver = Receiver::new();
        let world = World::told_plainly_to(&receiver, format);
        world.configure("webhook.ci.secret", KEY);
        world.commit("one");
        world.push(&["main"]);
        let request = receiver.take_one();
        assert_eq!((request.method.as_str(), request.header(event)), ("POST", name), "{format}");
        assert!(request.json().is_object(), "{format}");
        let proof = match format {
            "gitlab" => KEY.to_owned(),
            _ => git_webhook::signature::Secret::new(KEY).hmac_sha256(&request.body),
        };
        assert_eq!(request.header(header), format!("{scheme}{proof}"), "{format}");
        assert!(format != "bitbucket" || !request.header("X-Hook-UUID").is_empty());
    }
}

/// go-scm takes the first commit of a push of Gogs' without a look whether there is one, and its keys apart.
#[test]
fn gogs_has_a_commit_in_every_push() {
    let receiver = Receiver::new();
    let world = world(&receiver, "gogs");
    let sees = |commits: &[&str]| {
        let body = receiver.take_one().json();
        let ids: Vec<_> = body["commits"].as_array().unwrap().iter().map(|commit| commit["id"].clone()).collect();
        assert_eq!(ids, commits.iter().map(|name| Value::from(world.id(name))).collect::<Vec<_>>());
        for pointer in
            ["/repository/owner/login", "/repository/clone_url", "/sender/username", "/commits/0/author/name"]
        {
            assert!(body.pointer(pointer).is_some_and(Value::is_string), "{pointer}");
        }
    };
    world.commit("one");
    world.commit("two");
    world.push(&["main"]);
    sees(&["main", "main~1"]);
    world.push(&["main~1:refs/heads/old"]);
    sees(&["main~1"]);
    world.push(&["+main~1:refs/heads/main"]);
    sees(&["main~1"]);
    world.configure("webhook.ci.maxCommits", "1");
    world.push(&["main"]);
    sees(&["main"]);
}

#[test]
fn compare_url_leads_somewhere() {
    for format in ["gitea", "forgejo"] {
        let receiver = Receiver::new();
        let world = world(&receiver, format);
        let compare = |refs: &[&str]| {
            assert!(world.push(refs).accepted);
            let url = receiver.take_one().json()["compare_url"].as_str().unwrap().to_owned();
            url.strip_prefix("https://git.example.org").unwrap_or(&url).to_owned()
        };
        world.commit("one");
        assert_eq!(compare(&["main"]), "", "{format}: nothing is before it");
        let (first, zero) = (world.id("main"), "0".repeat(40));
        assert_eq!(compare(&["main:next"]), format!("/group/project/compare/main...{first}"), "{format}");
        world.commit("two");
        let second = world.id("main");
        assert_eq!(compare(&["main:topic"]), format!("/group/project/compare/{first}...{second}"), "{format}");
        world.git(&["checkout", "--quiet", "--orphan", "other"]);
        let root = world.commit("root");
        assert_eq!(compare(&["other"]), format!("/group/project/compare/main...{root}"), "{format}");
        world.git(&["tag", "v1"]);
        assert_eq!(compare(&["v1"]), format!("/group/project/compare/{zero}...{root}"), "{format}");
        assert_eq!(compare(&[":v1"]), "/", "{format}: the server is left");
    }
}
