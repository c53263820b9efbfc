//! The bodies and headers of each format, whole: golden payloads under `tests/golden/`, remade with `UPDATE_GOLDEN=1`.

use std::fs;
use std::path::PathBuf;
use std::thread;

use git_webhook::event::EventName;
use git_webhook::format::{FORMATS, Format};
use serde_json::Value;

use crate::support::{Receiver, Request, World};

/// A configured world in which every value that a payload can hold is set.
fn world(receiver: &Receiver, format: &str) -> World {
    let world = World::told_plainly_to(receiver, format);
    for (key, value) in [
        ("webhook.homepage", "https://git.example.org/{repository}"),
        ("webhook.gitHttpUrl", "https://git.example.org/{repository}.git"),
        ("webhook.gitSshUrl", "git@git.example.org:{repository}.git"),
        ("webhook.repositoryDescription", "a project"),
        ("webhook.visibility", "internal"),
        ("receive.denyDeleteCurrent", "ignore"),
    ] {
        world.configure(key, value);
    }
    world
}

/// The body; of a request without one, which says all in its query, that.
fn told(request: &Request) -> String {
    if request.method != "GET" {
        return timeless(request);
    }
    assert!(request.body.is_empty(), "{request:?}");
    serde_json::json!({ "get": request.path }).to_string()
}

/// The body with a fixed time in place of that of the push, which alone no test can set.
fn timeless(request: &Request) -> String {
    let mut body = String::from_utf8(request.body.clone()).unwrap();
    for key in ["pushed_at", "updated_at"] {
        let key = format!("\"{key}\":");
        let Some(start) = body.find(&key).map(|at| at + key.len()) else { continue };
        let end = start + body[start..].find(',').unwrap();
        let is_number = !body[start..].starts_with('"');
        let fixed = if is_number { "1700000000" } else { "\"2023-11-14T22:13:20Z\"" };
        body.replace_range(start..end, fixed);
    }
    body
}

/// Compares what a step sent with the golden payload, which is stored indented and is compact on the wire. A format that
/// tells nothing of a step has no file for it.
fn golden(name: &str, sent: &[Request]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let [request] = sent else {
        assert!(sent.is_empty(), "{name}: {} requests", sent.len());
        if is_update {
            let _ = fs::remove_file(&path);
        }
        assert!(!path.exists(), "{name}: nothing was sent");
        return;
    };
    let body = told(request);
    if is_update {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let json: Value = serde_json::from_str(&body).unwrap();
        fs::write(&path, format!("{json:#}\n")).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    let stored: Value = serde_json::from_str(&stored).unwrap_or_else(|_| panic!("no golden payload {name}"));
    assert_eq!(body, stored.to_string(), "{name}");
}

/// Every format of the table, side by side: what is wrong with one hides nothing of another.
fn each_format(test: fn(&Format)) {
    thread::scope(|scope| {
        let runs: Vec<_> = FORMATS.iter().map(|format| (format.name, scope.spawn(move || test(format)))).collect();
        let failed: Vec<_> = runs.into_iter().filter_map(|(name, run)| run.join().is_err().then_some(name)).collect();
        assert!(failed.is_empty(), "formats {failed:?}: each says above what is wrong");
    });
}

/// Takes one repository through all that can happen to branches and tags, and compares each body.
fn tour(format: &Format) {
    let receiver = Receiver::taking(format);
    let world = world(&receiver, format.name);
    let step = |name: &str, refs: &[&str]| {
        let pushed = world.push(refs);
        assert!(pushed.accepted, "{}", pushed.output);
        golden(&format!("{}/{name}", format.name), &receiver.take());
    };
    world.write("README", "hello\n");
    world.write("src/main.c", "int main;\n");
    world.commit_all("Begin\n\nWith a body.\n");
    step("push-create", &["main"]);
    world.write("README", "hello, world\n");
    world.git(&["mv", "src/main.c", "src/start.c"]);
    world.commit_all("Grüße — rename \"main\"");
    world.commit("second");
    step("push-update", &["main"]);
    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    world.commit("instead");
    step("push-forced", &["main"]);
    step("push-delete", &[":main"]);
    world.git(&["tag", "v1.0"]);
    step("tag-lightweight", &["v1.0"]);
    world.commit("more");
    world.git(&["tag", "--force", "v1.0"]);
    step("tag-moved", &["v1.0"]);
    world.git(&["tag", "--annotate", "--message", "Version 1.1\n\nWith notes.\n", "v1.1"]);
    step("tag-annotated", &["v1.1"]);
    step("tag-delete", &[":v1.1"]);
}

/// The separate events of a creation and a deletion, for a target that wants nothing else.
fn separate(format: &Format) {
    let receiver = Receiver::taking(format);
    let world = world(&receiver, format.name);
    world.configure("webhook.ci.event", "create delete");
    world.commit("one");
    world.git(&["tag", "v1"]);
    for (name, refs) in
        [("create-branch", "main"), ("create-tag", "v1"), ("delete-branch", ":main"), ("delete-tag", ":v1")]
    {
        assert!(world.push(&[refs]).accepted);
        golden(&format!("{}/{name}", format.name), &receiver.take());
    }
    world.push(&["main"]);
    receiver.take();
    world.commit("two");
    assert_eq!(world.push(&["main"]).said(), [""; 0]);
    assert!(receiver.take().is_empty(), "an update is neither");
}

/// The further cases: a merge, many commits, a branch at an old commit, a rewind, a tag of a tag and of a tree.
fn detour(format: &Format) {
    let receiver = Receiver::taking(format);
    let world = world(&receiver, format.name);
    let step = |name: &str, refs: &[&str]| {
        assert!(world.push(refs).accepted);
        golden(&format!("{}/{name}", format.name), &receiver.take());
    };
    world.commit("base");
    world.push(&["main"]);
    world.git(&["checkout", "--quiet", "-b", "topic"]);
    world.commit("side");
    world.push(&["topic"]);
    receiver.take();
    world.git(&["checkout", "--quiet", "main"]);
    world.commit("straight");
    world.git(&["merge", "--quiet", "--no-ff", "--message", "Merge topic\n", "topic"]);
    step("push-merge", &["main"]);
    step("push-branch-at-old-commit", &["HEAD~1:refs/heads/release/1.0"]);
    for number in 1..=12 {
        world.commit(&format!("number-{number}"));
    }
    step("push-many-commits", &["main"]);
    step("push-rewind", &["HEAD~5:refs/heads/main"]);
    world.git(&["tag", "--annotate", "--message", "inner", "inner"]);
    world.git(&["tag", "--annotate", "--message", "outer", "outer", "inner"]);
    step("tag-of-a-tag", &["outer"]);
    world.git(&["tag", "tree", "HEAD^{tree}"]);
    step("tag-of-a-tree", &["tree"]);
}

#[test]
fn what_happens_to_branches_and_tags() {
    each_format(tour);
}

#[test]
fn what_happens_more_rarely() {
    each_format(detour);
}

#[test]
fn events_of_their_own() {
    each_format(|format| {
        if format.has(EventName::Create) || format.has(EventName::Delete) {
            separate(format);
        }
    });
}

#[test]
fn codeup_without_any_address() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "codeup");
    world.commit("one");
    world.push(&["main"]);
    golden("codeup/push-bare", &receiver.take());
}

/// The seed's own example, key for key: what the documentation of Codeup shows must be what we send.
#[test]
fn codeup_has_the_keys_of_its_documentation() {
    let push = [
        "object_kind",
        "before",
        "after",
        "ref",
        "user_id",
        "user_name",
        "user_email",
        "project_id",
        "repository",
        "commits",
        "total_commits_count",
    ];
    let tag = [
        "object_kind",
        "ref",
        "before",
        "after",
        "user_id",
        "user_name",
        "project_id",
        "repository",
        "commits",
        "total_commits_count",
    ];
    let repository = ["name", "url", "description", "homepage", "git_http_url", "git_ssh_url", "visibility_level"];
    let commit = ["id", "message", "timestamp", "url", "author"];
    let receiver = Receiver::new();
    let world = world(&receiver, "codeup");
    world.commit("one");
    world.git(&["tag", "v1"]);
    world.push(&["main", "v1"]);
    let keys = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    for request in receiver.take() {
        let json = request.json();
        let is_tag = json["object_kind"] == "tag_push";
        assert_eq!(keys(&json), if is_tag { tag.as_slice() } else { &push });
        assert_eq!(keys(&json["repository"]), repository);
        if !is_tag {
            assert_eq!(keys(&json["commits"][0]), commit);
            assert_eq!(keys(&json["commits"][0]["author"]), ["name", "email"]);
        }
    }
}

#[test]
fn headers_of_codeup() {
    let receiver = Receiver::new();
    let world = world(&receiver, "codeup");
    world.configure("webhook.ci.secret", "a token of some length");
    world.commit("one");
    world.git(&["tag", "v1"]);
    world.push(&["main"]);
    let request = receiver.take_one();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    for (name, value) in [
        ("Content-Type", "application/json"),
        ("Codeup-Event", "Push Hook"),
        ("X-Codeup-Event", "Push Hook"),
        ("X-Codeup-Token", "a token of some length"),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    assert!(request.header("User-Agent").starts_with("git-webhook/"));
    assert_eq!(request.header("Idempotency-Key").len(), 36);
    world.push(&["v1"]);
    assert_eq!(receiver.take_one().header("Codeup-Event"), "Tag Push Hook");
}

#[test]
fn headers_of_gitlab() {
    let receiver = Receiver::new();
    let world = world(&receiver, "gitlab");
    world.configure("webhook.ci.secret", "a token of some length");
    world.commit("one");
    world.git(&["tag", "v1"]);
    world.push(&["main", "v1"]);
    let requests = receiver.take();
    let values =
        |name: &str| -> Vec<String> { requests.iter().map(|request| request.header(name).to_owned()).collect() };
    assert_eq!(values("X-Gitlab-Event"), ["Push Hook", "Tag Push Hook"]);
    assert_eq!(values("X-Gitlab-Token"), ["a token of some length"; 2]);
    assert_eq!(values("X-Gitlab-Instance"), ["https://git.example.org"; 2]);
    let [first, second] = values("X-Gitlab-Webhook-UUID").try_into().unwrap();
    assert_eq!(first, second, "of the webhook");
    let [first, second] = values("X-Gitlab-Event-UUID").try_into().unwrap();
    assert_ne!(first, second, "of the event");
    let ids = values("Idempotency-Key");
    assert_ne!(ids[0], ids[1], "of the delivery");
    // As GitLab 19, whether or not anything is signed.
    assert_eq!(values("webhook-id"), ids);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for time in values("webhook-timestamp") {
        assert!((now - 600..=now).contains(&time.parse().unwrap()), "{time}");
    }
    assert_eq!(values("webhook-signature"), ["", ""]);
}

#[test]
fn headers_of_github() {
    let receiver = Receiver::new();
    let world = world(&receiver, "github");
    world.configure("webhook.ci.secret", "It's a Secret to Everybody");
    world.configure("webhook.ci.event", "push tag_push create delete");
    world.configure("webhook.projectId", "4711");
    world.commit("one");
    world.push(&["main"]);
    let requests = receiver.take();
    let values =
        |name: &str| -> Vec<String> { requests.iter().map(|request| request.header(name).to_owned()).collect() };
    assert_eq!(values("X-GitHub-Event"), ["create", "push"], "what is pushed to is there before");
    let [first, second] = values("X-GitHub-Delivery").try_into().unwrap();
    assert_ne!(first, second, "of the delivery");
    let [first, second] = values("X-GitHub-Hook-ID").try_into().unwrap();
    assert_eq!(first, second, "of the webhook");
    assert!(first.parse::<i32>().unwrap() > 0);
    assert_eq!(values("X-GitHub-Hook-Installation-Target-ID"), ["4711"; 2]);
    assert_eq!(values("X-GitHub-Hook-Installation-Target-Type"), ["repository"; 2]);
    let secret = git_webhook::signature::Secret::new("It's a Secret to Everybody");
    for request in &requests {
        assert!(request.header("User-Agent").starts_with("GitHub-Hookshot/"));
        assert_eq!(request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("user-agent")).count(), 1);
        assert_eq!(request.header("X-Hub-Signature"), format!("sha1={}", secret.hmac_sha1(&request.body)));
        assert_eq!(request.header("X-Hub-Signature-256"), format!("sha256={}", secret.hmac_sha256(&request.body)));
    }
    world.push(&[":main"]);
    let deleted: Vec<_> = receiver.take().iter().map(|request| request.header("X-GitHub-Event").to_owned()).collect();
    assert_eq!(deleted, ["push", "delete"]);
}

/// Nobody calls a whole channel by a commit message, and no address stands where none is configured.
#[test]
fn slack_escapes_and_links_only_what_is_there() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "slack");
    world.configure("webhook.ci.secret", "a secret of more than 24 bytes");
    world.commit("<!channel> & <https://evil.example|all>");
    let pushed = world.push(&["main"]);
    let request = receiver.take_one();
    let text = format!(
        "alice created branch main in group/project, with 1 commit\n\
         {} &lt;!channel&gt; &amp; &lt;https:\u{200b}//evil.example|all&gt; - A U Thor",
        &world.id("HEAD")[..7]
    );
    assert_eq!(request.json(), serde_json::json!({ "text": text }));
    assert!(!request.headers.iter().any(|(_, value)| value.contains("secret")), "{:?}", request.headers);
    assert_eq!(pushed.said().len(), 1);
    let said = world.webhook(&["list"]);
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("webhook.ci.secret: is not used by format slack: remove it"), "{said}");
}

/// A tag of the same commit is none, and neither is the branch itself.
#[test]
fn base_ref_names_another_branch() {
    let receiver = Receiver::new();
    let world = world(&receiver, "github");
    let base_ref = |refs: &[&str]| {
        world.push(refs);
        receiver.take_one().json()["base_ref"].clone()
    };
    world.commit("one");
    world.git(&["tag", "aaa"]);
    world.git(&["tag", "--annotate", "--message", "b", "bbb"]);
    assert_eq!(base_ref(&["aaa"]), Value::Null);
    assert_eq!(base_ref(&["main"]), Value::Null, "a tag is there");
    assert_eq!(base_ref(&["bbb"]), "refs/heads/main");
    assert_eq!(base_ref(&["main:next"]), "refs/heads/main");
}

/// Receivers tell by it whether to ask for members and teams.
#[test]
fn the_owner_is_an_organization_wherever_it_is_told() {
    let receiver = Receiver::new();
    let world = world(&receiver, "github");
    world.configure("webhook.ci.event", "create push merge_request note delete");
    world.commit("one");
    world.push(&["main:next"]);
    world.push(&[":next", "main"]);
    for event in ["merge_request", "note", "ping"] {
        world.webhook(&["test", "ci", "--event", event]);
    }
    let requests = receiver.take();
    assert!(requests.len() >= 8, "{}", requests.len());
    for request in requests {
        let body = request.json();
        let owner = &body["repository"]["owner"];
        assert_eq!(owner["type"], "Organization");
        for key in ["login", "id", "node_id", "url", "avatar_url"] {
            assert_eq!(owner[key], body["organization"][key], "{key}");
        }
    }
}

/// Every address is one, though none is configured.
#[test]
fn github_without_any_address() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "github");
    world.configure("webhook.repository", "my project");
    world.commit("one");
    world.push(&["main"]);
    let body = receiver.take_one().json();
    let is_address = |text: &str| text.starts_with("http://") && !text.contains(' ');
    let repository = body["repository"].as_object().unwrap();
    let is_told = |key: &str| (key.ends_with("_url") && key != "ssh_url") || key == "url";
    for (key, value) in repository.iter().filter(|(key, _)| is_told(key)) {
        assert!(value.is_null() || is_address(value.as_str().unwrap()), "{key}: {value}");
    }
    for pointer in ["/compare", "/head_commit/url", "/commits/0/url", "/sender/url"] {
        assert!(is_address(body.pointer(pointer).unwrap().as_str().unwrap()), "{pointer}");
    }
    assert_eq!(body["repository"]["owner"]["login"], "my project");
}

/// What is not configured is empty, but for the one format whose readers want addresses; for ssh none is made up there either.
#[test]
fn no_address_is_made_up() {
    each_format(|format| {
        let receiver = Receiver::taking(format);
        let world = World::told_plainly_to(&receiver, format.name);
        world.configure("webhook.ci.event", "all");
        world.commit("one");
        world.git(&["tag", "v1"]);
        world.push(&["main", "v1"]);
        for event in ["note", "merge_request"] {
            world.webhook(&["test", "ci", "--event", event]);
        }
        let requests = receiver.take();
        let fewest = if format.has(EventName::TagPush) { 2 } else { 1 };
        assert!(requests.len() >= fewest, "{}: {}", format.name, requests.len());
        for request in requests {
            let body = String::from_utf8(request.body.clone()).unwrap();
            // The name of a card's schema is no address of anything here.
            let body = body.replace("http://adaptivecards.io/schemas/", "");
            let made_up = body.contains("://") || request.headers.iter().any(|(_, value)| value.contains("://"));
            assert_eq!(made_up, format.name == "github", "{}: {body}", format.name);
            assert!(!body.contains("\"ssh_url\":\"http"), "{}: {body}", format.name);
        }
    });
}

#[test]
fn user_and_password_of_the_url_become_basic_authentication() {
    let receiver = Receiver::new();
    let world = World::new();
    world.configure("webhook.ci.url", &receiver.url().replace("127.0.0.1", "me:p%40ss@127.0.0.1"));
    world.commit("one");
    world.push(&["main"]);
    // printf 'me:p@ss' | base64
    assert_eq!(receiver.take_one().header("Authorization"), "Basic bWU6cEBzcw==");
}

#[test]
fn standard_webhooks_signatures_cover_the_body_as_sent() {
    let receiver = Receiver::new();
    let world = World::told_plainly_to(&receiver, "gitlab");
    world.configure(
        "webhook.ci.signingSecret",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    );
    world.commit("one");
    world.push(&["main"]);
    let request = receiver.take_one();
    let signatures = request.header("webhook-signature");
    assert_eq!(signatures.split(' ').count(), 2);
    let (id, time) = (request.header("webhook-id"), request.header("webhook-timestamp").parse().unwrap());
    assert_eq!(id, request.header("Idempotency-Key"));
    for secret in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let secret = git_webhook::signature::SigningSecret::parse(secret).unwrap();
        assert!(secret.verifies(signatures, id, time, &request.body));
    }
}

#[test]
fn a_body_is_compact_and_ends_without_a_newline() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let body = receiver.take_one().body;
    assert_eq!(body.last(), Some(&b'}'));
    assert_eq!(String::from_utf8(body.clone()).unwrap(), serde_json::from_slice::<Value>(&body).unwrap().to_string());
}
