//! In which shape a target is told: how much, with which keys, as JSON or as a form.

use git_webhook::format::{FORMATS, Format, Method};
use git_webhook::signature::{Secret, SigningSecret};
use serde_json::{Value, json};

use crate::support::{Receiver, Request, World};

const SECRET: &str = "a secret of more than 24 bytes";

fn world(receiver: &Receiver, format: &str, keys: &[(&str, &str)]) -> World {
    let world = World::told_plainly_to(receiver, format);
    world.configure("webhook.gitHttpUrl", "https://git.example.org/{repository}.git");
    world.configure("webhook.gitSshUrl", "git@git.example.org:{repository}.git");
    for (key, value) in keys {
        world.configure(&format!("webhook.ci.{key}"), value);
    }
    world
}

fn is_listed(body: &Value, key: &str) -> bool {
    match body {
        Value::Object(map) => map.iter().any(|(name, value)| {
            (name == key && value.as_array().is_some_and(|list| !list.is_empty())) || is_listed(value, key)
        }),
        Value::Array(all) => all.iter().any(|value| is_listed(value, key)),
        _ => false,
    }
}

/// Two commits to a branch, and a tag; what is said of them.
fn told(format: &Format, keys: &[(&str, &str)]) -> Vec<Value> {
    let receiver = Receiver::taking(format);
    let world = world(&receiver, format.name, keys);
    // As many runs of git each time: each moves the clock that commits have.
    for _ in keys.len()..2 {
        world.configure("webhook.ci.timeout", "60s");
    }
    world.commit("one");
    world.push(&["main"]);
    world.commit("two");
    world.commit("three");
    world.git(&["tag", "v1"]);
    world.push(&["main"]);
    world.push(&["v1"]);
    receiver.take().iter().map(Request::json).map(timeless).collect()
}

/// Without when it was pushed.
fn timeless(mut body: Value) -> Value {
    if let Some(repository) = body.get_mut("repository").and_then(Value::as_object_mut) {
        repository.retain(|key, _| key != "updated_at" && key != "pushed_at");
    }
    body
}

/// The exact total, where the forge has one.
fn totals(bodies: &[Value]) -> Vec<Value> {
    let keys = ["total_commits_count", "total_commits"];
    bodies.iter().filter_map(|body| keys.iter().find_map(|key| body.get(key))).cloned().collect()
}

#[test]
fn detail_leaves_out_files_then_commits_and_no_total() {
    // Jenkins is told which commit there is, and nothing of it.
    for format in FORMATS.iter().filter(|format| format.exchange.method != Method::Get) {
        let full = told(format, &[]);
        let plain = told(format, &[("detail", "commits")]);
        let thin = told(format, &[("detail", "thin")]);
        let has_files = format.wants.paths > 0;
        let files = |bodies: &[Value]| bodies.iter().any(|body| is_listed(body, "added"));
        assert_eq!((files(&full), files(&plain), files(&thin)), (has_files, false, false), "{}", format.name);
        let commits = |bodies: &[Value]| bodies.iter().any(|body| is_listed(body, "commits"));
        let has_commits = !format.is_chat;
        // A push of Gogs' has one always.
        let keeps_one = format.name == "gogs";
        assert_eq!((commits(&plain), commits(&thin)), (has_commits, keeps_one), "{}", format.name);
        assert_eq!(totals(&thin), totals(&full), "{}", format.name);
        if format.name == "bitbucket" {
            let truncated = |body: &Value| body["push"]["changes"][0]["truncated"].clone();
            assert_eq!(thin.iter().map(truncated).collect::<Vec<_>>(), [true, true, false]);
        }
        if format.name == "slack" {
            let expected = "alice pushed 2 commits to branch main in group/project";
            assert_eq!(thin[1]["text"], expected);
        }
        assert!(told(format, &[("maxCommits", "0")]) == thin, "{}: is the same", format.name);
        assert!(told(format, &[("maxCommits", "5"), ("detail", "thin")]) == thin, "{}", format.name);
    }
}

#[test]
fn codeup_sends_its_undocumented_keys_where_they_are_wanted() {
    let receiver = Receiver::new();
    let world = world(&receiver, "codeup", &[]);
    world.commit("one");
    world.push(&["main"]);
    let plain = receiver.take_one().json();
    assert!(plain.get("checkout_sha").is_none() && plain["repository"].get("git_secondary_http_url").is_none());
    world.configure("webhook.ci.codeupExtras", "true");
    world.git(&["tag", "--annotate", "--message", "v1", "v1"]);
    let with_extras = |refs: &[&str], head: Value| {
        world.push(refs);
        let mut body = receiver.take_one().json();
        let mut take =
            |pointer: &str, key: &str| body.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
        assert_eq!(take("", "checkout_sha"), Some(head));
        assert_eq!(take("", "user_extern_uid"), Some("alice".into()));
        assert!(take("", "aliyun_pk").is_some_and(|it| it.as_str().unwrap().parse::<u32>().is_ok()));
        let http = "https://git.example.org/group/project.git";
        assert_eq!(take("/repository", "git_secondary_http_url"), Some(http.into()));
        assert_eq!(take("/repository", "git_secondary_ssh_url"), Some("git@git.example.org:group/project.git".into()));
        body
    };
    let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let id = |name: &str| Value::from(world.id(name));
    let body = with_extras(&["main:next"], id("main"));
    assert_eq!((keys(&body), &body["repository"]), (keys(&plain), &plain["repository"]), "the rest is the document's");
    with_extras(&["v1"], id("v1^{}"));
    with_extras(&[":next"], Value::Null);
}

#[test]
fn extras_of_codeup_are_of_no_use_to_others() {
    let receiver = Receiver::new();
    let world = world(&receiver, "gitlab", &[("codeupExtras", "true")]);
    let said = String::from_utf8(world.webhook(&["list"]).stderr).unwrap();
    assert!(said.contains("webhook.ci.codeupExtras: is not used by format gitlab: remove it"), "{said}");
    world.server_git(&["config", "--unset", "webhook.ci.codeupExtras"]);
    world.configure("webhook.codeupExtras", "true");
    assert!(world.webhook(&["list"]).stderr.is_empty(), "as a default it is for those that have some");
}

/// A form and what it holds.
fn form(request: &Request) -> Vec<u8> {
    assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
    let fields: Vec<_> = url::form_urlencoded::parse(&request.body).collect();
    let [(name, json)] = fields.as_slice() else { panic!("{fields:?}") };
    assert_eq!(name, "payload");
    json.as_bytes().to_vec()
}

/// GitHub signs the form, the family of Gitea the JSON in it.
#[test]
fn a_form_is_signed_as_its_forge_does() {
    for (format, header, signs_form) in [
        ("github", "X-Hub-Signature-256", true),
        ("gitea", "X-Gitea-Signature", false),
        ("forgejo", "X-Forgejo-Signature", false),
        ("gogs", "X-Gogs-Signature", false),
    ] {
        let receiver = Receiver::new();
        let signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let world =
            world(&receiver, format, &[("contentType", "form"), ("secret", SECRET), ("signingSecret", signing)]);
        world.commit("one & two = 100% \u{e9}");
        world.push(&["main"]);
        let request = receiver.take_one();
        let json = form(&request);
        let body: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(body["commits"][0]["message"], "one & two = 100% \u{e9}\n", "{format}");
        let hmac = Secret::new(SECRET).hmac_sha256(if signs_form { &request.body } else { &json });
        assert_eq!(request.header(header).trim_start_matches("sha256="), hmac, "{format}");
        // Standard Webhooks' covers what is sent, whatever the forge does.
        let (id, time) = (request.header("webhook-id"), request.header("webhook-timestamp").parse().unwrap());
        let key = SigningSecret::parse(signing).unwrap();
        assert!(key.verifies(request.header("webhook-signature"), id, time, &request.body), "{format}");
        let shown = String::from_utf8(world.webhook(&["show", id]).stdout).unwrap();
        assert!(shown.contains("  Content-Type: application/x-www-form-urlencoded\n"), "{shown}");
    }
    let receiver = Receiver::new();
    let world = world(&receiver, "slack", &[("contentType", "form")]);
    world.commit("one");
    world.push(&["main"]);
    let text: Value = serde_json::from_slice(&form(&receiver.take_one())).unwrap();
    assert!(text["text"].as_str().unwrap().starts_with("alice created branch main"), "{text}");
}

#[test]
fn a_form_has_at_most_max_body_as_it_is_sent() {
    let receiver = Receiver::new();
    let world = world(&receiver, "gitea", &[("contentType", "form"), ("maxBody", "8k")]);
    for number in 0..5 {
        world.commit(&format!("{number} {}", "\u{e9}".repeat(300)));
    }
    world.push(&["main"]);
    let request = receiver.take_one();
    let commits = serde_json::from_slice::<Value>(&form(&request)).unwrap()["commits"].as_array().unwrap().len();
    assert!(request.body.len() <= 8 << 10 && commits < 5, "{} bytes, {commits} commits", request.body.len());
    assert!(world.log().contains("is larger than maxBody (8192)"), "{}", world.log());
}

/// A ping says how bodies come.
#[test]
fn a_ping_tells_of_the_form() {
    let receiver = Receiver::new();
    let world = world(&receiver, "github", &[("contentType", "form")]);
    assert!(world.webhook(&["test", "ci", "--event", "ping"]).status.success());
    let body: Value = serde_json::from_slice(&form(&receiver.take_one())).unwrap();
    assert_eq!(body["hook"]["config"]["content_type"], "form");
}

#[test]
fn what_no_forge_sends_as_a_form_is_an_error_of_that_target_alone() {
    let receiver = Receiver::new();
    let world = world(&receiver, "gitlab", &[("contentType", "form")]);
    let said = String::from_utf8(world.webhook(&["list"]).stderr).unwrap();
    assert!(
        said.contains("webhook.ci.contentType 'form': asks for a form, and format gitlab sends none: write json"),
        "{said}"
    );
    world.server_git(&["config", "--unset", "webhook.ci.contentType"]);
    world.configure("webhook.contentType", "form");
    assert!(world.webhook(&["list"]).stderr.is_empty(), "as a default it is for those that send one");
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(receiver.take_one().header("content-type"), "application/json");
}

#[test]
fn wrong_words_are_told() {
    let receiver = Receiver::new();
    let world = world(&receiver, "github", &[("detail", "none"), ("contentType", "xml"), ("maxCommits", "-1")]);
    let said = String::from_utf8(world.webhook(&["list"]).stderr).unwrap();
    for part in [
        "webhook.ci.detail 'none': is no detail: write full, commits or thin",
        "webhook.ci.contentType 'xml': is neither json nor form",
        "webhook.ci.maxCommits '-1': is no number from 0 to 2147483647",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let added = world.webhook(&[
        "add",
        "chat",
        &receiver.url(),
        "--format",
        "github",
        "--detail",
        "thin",
        "--content-type",
        "form",
    ]);
    assert!(added.status.success(), "{added:?}");
    assert_eq!(world.server_git(&["config", "webhook.chat.contentType"]), "form");
    world.server_git(&["config", "--remove-section", "webhook.ci"]);
    world.commit("one");
    world.push(&["main"]);
    let body: Value = serde_json::from_slice(&form(&receiver.take_one())).unwrap();
    assert_eq!((&body["commits"], &body["created"]), (&json!([]), &json!(true)));
    assert!(
        body["compare"].as_str().unwrap().ends_with(&format!("/commit/{}", world.id("main"))),
        "{}",
        body["compare"]
    );
}
