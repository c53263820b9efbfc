//! Reviews that push options open.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Answer, Ends, Place, Receiver, World, rewrite_record};

/// A repository that takes push options, with one commit on `main`, and one more on `topic` here.
struct Opened {
    receiver: Receiver,
    world: World,
}

impl Opened {
    fn new() -> Self {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.ci.event", "merge_request note");
        world.configure("receive.advertisePushOptions", "true");
        world.commit("one");
        world.push(&["main"]);
        world.git(&["checkout", "-q", "-b", "topic"]);
        world.commit("two\n\nWith a reason.");
        receiver.take();
        Self { receiver, world }
    }

    /// Pushes with these options, and returns what the pusher reads of reviews.
    fn push(&self, options: &[&str], refs: &[&str]) -> Vec<String> {
        let options: Vec<_> = options.iter().flat_map(|option| ["-o", option]).collect();
        let pushed = self.world.push_with(&options, refs);
        assert!(pushed.accepted, "{}", pushed.output);
        pushed.said().into_iter().filter(|line| line.starts_with("webhook: ")).collect()
    }

    /// What was told: action, number, target.
    fn told(&self) -> Vec<(String, u64, String)> {
        let bodies = self.receiver.take().into_iter().map(|request| request.json());
        let mut told: Vec<_> = bodies
            .filter(|body| body["object_kind"] == "merge_request")
            .map(|body| {
                let attributes = &body["object_attributes"];
                let text = |key: &str| attributes[key].as_str().unwrap().to_owned();
                (text("action"), attributes["iid"].as_u64().unwrap(), text("target_branch"))
            })
            .collect();
        told.sort();
        told
    }

    fn create(&self) {
        self.push(&["merge_request.create"], &["topic"]);
        assert_eq!(self.told(), of(&[("open", 1)]));
    }
}

/// Says something of the topic, in a note.
fn bob_comments(world: &World) {
    let comment = r#"{"author":"bob","description":"hm"}"#;
    world.git(&["notes", "--ref=devtools/discuss", "append", "-m", comment, "topic"]);
}

fn of(told: &[(&str, u64)]) -> Vec<(String, u64, String)> {
    told.iter().map(|(action, number)| ((*action).to_owned(), *number, "main".to_owned())).collect()
}

#[test]
fn a_push_option_opens_a_review() {
    let opened = Opened::new();
    assert_eq!(opened.push(&["merge_request.create"], &["topic"]), ["webhook: review 1 opened, main <- topic"]);
    let body = opened.receiver.take_one().json();
    let attributes = &body["object_attributes"];
    assert_eq!((&attributes["title"], &attributes["description"]), (&json!("two"), &json!("With a reason.")));
    assert_eq!((&attributes["action"], &attributes["iid"]), (&json!("open"), &json!(1)));
    assert_eq!((&attributes["source_branch"], &attributes["target_branch"]), (&json!("topic"), &json!("main")));
    assert_eq!(attributes["last_commit"]["id"], opened.world.id("topic"));
    // Nothing of it is in the repository itself.
    assert_eq!(opened.world.server_git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main\nrefs/heads/topic");
}

#[test]
fn its_texts_and_target_may_be_given() {
    let opened = Opened::new();
    opened.world.configure("webhook.reviewUrl", "https://review.example.org/{number}");
    opened.push(&[], &["main:stable"]);
    let options = [
        "merge_request.create",
        "merge_request.target=stable",
        "merge_request.title=Try it",
        "merge_request.description={base64}T25lCgpUd28=",
        "merge_request.draft",
        "merge_request.label=x",
    ];
    let expected = [
        "webhook: push option merge_request.label is unknown here, and passed over",
        "webhook: review 1 opened, stable <- topic, https://review.example.org/1",
    ];
    assert_eq!(opened.push(&options, &["topic"]), expected);
    let attributes = opened.receiver.take_one().json()["object_attributes"].clone();
    assert_eq!(attributes["title"], "Draft: Try it");
    assert_eq!(attributes["description"], "One\n\nTwo");
    assert_eq!(attributes["work_in_progress"], true);
    assert_eq!(attributes["url"], "https://review.example.org/1");
    // To another target it is another review.
    opened.world.commit("three");
    opened.push(&["merge_request.create"], &["topic"]);
    let told = opened.told();
    assert_eq!(told, [("open".into(), 2, "main".into()), ("update".into(), 1, "stable".into())]);
}

/// Whoever asks for a review and gets none reads why.
#[test]
fn what_opens_nothing_says_so() {
    let opened = Opened::new();
    let nothing = |options: &[&str], refs: &[&str]| {
        let said = opened.push(options, refs);
        assert!(opened.told().is_empty());
        said
    };
    assert_eq!(
        nothing(&["merge_request.title=x"], &["topic"]),
        ["webhook: no open review has what was pushed: push option merge_request.create opens one"]
    );
    assert_eq!(
        nothing(&["merge_request.create", "merge_request.target=nope"], &["topic:a"]),
        [
            "webhook: no review opened: there is no branch 'nope' to be merged into; see push option merge_request.target"
        ]
    );
    assert_eq!(
        nothing(&["merge_request.create"], &["main:b"]),
        ["webhook: no review opened: no branch was pushed that has what 'main' has not"]
    );
    assert!(crate::support::rows(&opened.world.webhook(&["reviews", "--json"]).stdout).is_empty());
}

/// As at GitLab, where options without `merge_request.create` are about the review that there is.
#[test]
fn an_open_review_may_be_given_another_text() {
    let opened = Opened::new();
    opened.create();
    opened.world.commit("three");
    // A text is one line, whatever is in it.
    let options = ["merge_request.title={base64}QQpCAEMbWzFt", "merge_request.description=why"];
    assert_eq!(opened.push(&options, &["topic"]), ["webhook: review 1 updated, main <- topic"]);
    let body = opened.receiver.take_one().json();
    assert_eq!(body["changes"]["title"], json!({ "previous": "two", "current": "A B C [1m" }));
    assert_eq!(body["object_attributes"]["description"], "why");
    assert!(body["object_attributes"]["oldrev"].is_string());
    // It is not what others of the branch are called.
    opened.world.commit("four");
    opened.push(&["merge_request.title=Other", "merge_request.target=stable"], &["topic"]);
    let body = opened.receiver.take_one().json();
    assert_eq!((&body["changes"]["title"], &body["object_attributes"]["title"]), (&json!(null), &json!("A B C [1m")));
}

#[test]
fn what_was_merged_is_not_opened_again_beside_another_of_the_same_branches() {
    let opened = Opened::new();
    opened.create();
    opened.push(&[], &["topic:main"]);
    assert_eq!(opened.told(), of(&[("merge", 1)]));
    opened.world.commit("three");
    opened.push(&["merge_request.create"], &["topic"]);
    assert_eq!(opened.told(), of(&[("open", 2)]));
    opened.push(&[], &["+topic~2:main"]);
    assert_eq!(opened.told(), of(&[]));
    opened.push(&[], &["topic:main"]);
    assert_eq!(opened.told(), of(&[("merge", 2)]));
}

#[test]
fn a_review_lives_with_its_branches() {
    let opened = Opened::new();
    opened.create();
    let old = opened.world.id("topic");
    opened.world.commit("three");
    assert_eq!(opened.push(&[], &["topic"]), ["webhook: review 1 updated, main <- topic"]);
    let attributes = opened.receiver.take_one().json()["object_attributes"].clone();
    assert_eq!((&attributes["action"], &attributes["oldrev"]), (&json!("update"), &json!(old)));
    opened.world.commit("four");
    opened.push(&["merge_request.create", "merge_request.title=Anew"], &["topic"]);
    let body = opened.receiver.take_one().json();
    assert_eq!(body["changes"]["title"], json!({ "previous": "two", "current": "Anew" }));
    opened.world.commit("five");
    opened.push(&["merge_request.close"], &["topic"]);
    assert_eq!(opened.told(), of(&[("close", 1), ("update", 1)]));
    opened.world.commit("six");
    opened.push(&[], &["topic"]);
    assert!(opened.told().is_empty());
    opened.world.commit("seven");
    opened.push(&["merge_request.create"], &["topic"]);
    assert_eq!(opened.told(), of(&[("reopen", 1)]));
    opened.push(&[], &[":topic"]);
    assert_eq!(opened.told(), of(&[("close", 1)]));
    opened.push(&["merge_request.create"], &["topic"]);
    assert_eq!(opened.told(), of(&[("reopen", 1)]));
    assert_eq!(opened.world.files("webhook/v1/reviews").len(), 2, "one file, and what pushes did");
    // Merging is looked for before closing.
    opened.world.git(&["checkout", "-q", "main"]);
    opened.world.git(&["merge", "-q", "--no-ff", "-m", "bring it", "topic"]);
    assert_eq!(opened.push(&[], &["main", ":topic"]), ["webhook: review 1 merged, main <- topic"]);
    let attributes = opened.receiver.take_one().json()["object_attributes"].clone();
    assert_eq!((&attributes["action"], &attributes["state"]), (&json!("merge"), &json!("merged")));
    assert_eq!(attributes["merge_commit_sha"], opened.world.id("main"));
    // What is asked for after that is another.
    opened.world.git(&["checkout", "-q", "topic"]);
    opened.world.commit("eight");
    opened.push(&["merge_request.create"], &["topic"]);
    assert_eq!(opened.told(), of(&[("open", 2)]));
    // A force push takes back what was merged.
    opened.push(&[], &["topic:main"]);
    assert_eq!(opened.told(), of(&[("merge", 2)]));
    opened.push(&[], &["topic~1:main"]);
    assert_eq!(opened.told(), of(&[("reopen", 2)]));
}

#[test]
fn numbers_go_on_and_open_reviews_are_listed() {
    let opened = Opened::new();
    opened.create();
    opened.world.git(&["checkout", "-q", "-b", "other", "main"]);
    opened.world.commit("else");
    opened.push(&["merge_request.create"], &["other"]);
    assert_eq!(opened.told(), of(&[("open", 2)]));
    let output = opened.world.webhook(&["reviews", "--json"]);
    let rows: Value = crate::support::rows(&output.stdout).into();
    let listed: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| (row["number"].as_u64(), row["source"].as_str())).collect();
    assert_eq!(listed, [(Some(1), Some("topic")), (Some(2), Some("other"))]);
    let table = String::from_utf8(opened.world.webhook(&["reviews"]).stdout).unwrap();
    assert!(table.contains("main <- topic") && table.contains("else"), "{table}");
    opened.push(&[], &["other:main"]);
    opened.receiver.take();
    opened.push(&[], &[":topic"]);
    assert_eq!(String::from_utf8(opened.world.webhook(&["reviews"]).stdout).unwrap(), "no open reviews\n");
}

/// Whoever builds it, and however often: what is told of a push is what it did when it came.
#[test]
fn what_is_told_late_or_again_is_what_happened_then() {
    let opened = Opened::new();
    opened.world.configure("webhook.ci.url", "http://127.0.0.1:9/");
    opened.push(&["merge_request.create"], &["topic"]);
    opened.world.commit("three");
    opened.push(&[], &["topic"]);
    opened.push(&[], &["topic:main"]);
    opened.world.configure("webhook.ci.url", &opened.receiver.url());
    opened.world.webhook(&["flush", "--now"]);
    let requests = opened.receiver.take();
    let actions: Vec<_> =
        requests.iter().map(|request| request.json()["object_attributes"]["action"].clone()).collect();
    assert_eq!(actions, ["open", "update", "merge"]);
    for request in &requests {
        let id = request.header("Idempotency-Key");
        assert!(opened.world.webhook(&["redeliver", id]).status.success());
        assert_eq!(opened.receiver.take_one().body, request.body);
    }
}

/// A push whose hook died after its receipt, another on top of it: the number is the first one's.
#[test]
fn reviews_follow_the_order_of_the_pushes_whoever_draws_them_in() {
    let opened = Opened::new();
    opened.world.unheard(|| opened.push(&["merge_request.create", "merge_request.title=First"], &["topic"]));
    opened.world.git(&["checkout", "-q", "-b", "other", "main"]);
    opened.world.commit("else");
    opened.push(&["merge_request.create"], &["other"]);
    // Of the first nobody has told yet: its receipt comes later, and so does its number.
    assert_eq!(opened.told(), of(&[("open", 1)]));
    opened.world.age(61);
    opened.world.webhook(&["flush"]);
    assert_eq!(opened.told(), of(&[("open", 2)]));
    assert_eq!(opened.world.files("webhook/v1/reviews/pushes").len(), 2);
}

/// The process ends between what it keeps of a push and the number up to which all is drawn in.
#[test]
fn what_was_half_drawn_in_is_drawn_in_once() {
    let opened = Opened::new();
    opened.create();
    let state = opened.world.server().join("webhook/v1/reviews/.state");
    rewrite_record(&state, |json| {
        json["sequence"] = (json["sequence"].as_u64().unwrap() - 1).into();
        json["last"] = json!({});
    });
    let kept = |opened: &Opened| -> Vec<_> {
        let files = opened.world.files("webhook/v1/reviews/pushes");
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    };
    let before = kept(&opened);
    opened.world.commit("three");
    opened.push(&[], &["topic"]);
    assert_eq!(opened.told(), of(&[("update", 1)]));
    assert_eq!(kept(&opened)[..1], before);
    opened.world.git(&["checkout", "-q", "-b", "other", "main"]);
    opened.world.commit("else");
    opened.push(&["merge_request.create"], &["other"]);
    assert_eq!(opened.told(), of(&[("open", 2)]));
}

#[test]
fn a_number_is_given_no_second_time_though_nobody_knows_the_last() {
    let opened = Opened::new();
    opened.create();
    fs::remove_file(opened.world.server().join("webhook/v1/reviews/.state")).unwrap();
    opened.world.git(&["checkout", "-q", "-b", "other", "main"]);
    opened.world.commit("else");
    opened.push(&["merge_request.create"], &["other"]);
    assert_eq!(opened.told(), of(&[("open", 2)]));
}

/// What it did to reviews cannot be kept: the push waits whole, and is told when it can.
#[test]
fn a_push_whose_reviews_cannot_be_kept_is_told_later() {
    let opened = Opened::new();
    let place = opened.world.server().join("webhook/v1/reviews");
    fs::write(&place, "in the way").unwrap();
    opened.push(&["merge_request.create"], &["topic"]);
    assert!(opened.told().is_empty());
    assert_eq!(opened.world.receipts().len(), 1);
    fs::remove_file(place).unwrap();
    opened.world.webhook(&["flush"]);
    assert_eq!(opened.told(), of(&[("open", 1)]));
    assert!(opened.world.receipts().is_empty());
}

#[test]
fn a_comment_on_a_commit_of_the_review_is_the_reviews() {
    let opened = Opened::new();
    opened.create();
    let line = "{\"timestamp\":\"1700000500\",\"author\":\"me@x.org\",\"description\":\"Needs work\"}";
    opened.world.git(&["notes", "--ref=devtools/discuss", "append", "-m", line, "topic"]);
    opened.push(&[], &["refs/notes/devtools/discuss"]);
    let body = opened.receiver.take_one().json();
    assert_eq!(body["object_attributes"]["noteable_type"], "MergeRequest");
    assert_eq!(body["merge_request"]["iid"], 1);
    // A plain note is a comment on the commit all the same.
    opened.world.git(&["notes", "add", "-m", "plain", "topic"]);
    opened.push(&[], &["refs/notes/commits"]);
    assert_eq!(opened.receiver.take_one().json()["object_attributes"]["noteable_type"], "Commit");
}

#[test]
fn nobody_who_asks_leaves_nothing_behind() {
    let opened = Opened::new();
    opened.world.server_git(&["config", "--replace-all", "webhook.ci.event", "push"]);
    assert!(opened.push(&["merge_request.create"], &["topic"]).is_empty());
    assert!(!opened.world.place(Place::Receipts).with_file_name("reviews").exists());
    // What has all its commits in its target already is nothing to be reviewed.
    opened.world.server_git(&["config", "--replace-all", "webhook.ci.event", "merge_request"]);
    opened.receiver.take();
    opened.push(&["merge_request.create"], &["main:same"]);
    assert!(opened.told().is_empty());
}

#[test]
fn reviews_and_their_numbers_are_a_namespaces() {
    let mut opened = Opened::new();
    opened.create();
    opened.world.set("GIT_NAMESPACE", "team");
    opened.push(&[], &["main"]);
    opened.push(&["merge_request.create", "merge_request.target=main"], &["topic"]);
    assert_eq!(opened.told(), of(&[("open", 1)]));
    let listed = String::from_utf8(opened.world.webhook(&["reviews"]).stdout).unwrap();
    assert!(listed.contains("main <- topic in team ") && listed.contains("main <- topic  "), "{listed}");
    // A comment on a commit that a review outside has is not its.
    opened.push(&["merge_request.close"], &["topic~1:topic"]);
    opened.push(&[], &["+topic~1:topic"]);
    opened.receiver.take();
    bob_comments(&opened.world);
    opened.push(&[], &["refs/notes/devtools/discuss"]);
    assert_eq!(opened.receiver.take_one().json()["object_attributes"]["noteable_type"], "Commit");
}

/// Each line of the page, in a clone, as somebody types it.
#[test]
fn the_five_commands_of_the_page_make_each_event() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reviews.md")).unwrap();
    let block = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "codeup");
    world.configure("webhook.ci.event", "all");
    world.configure("receive.advertisePushOptions", "true");
    world.commit("one");
    world.git(&["remote", "add", "origin", world.server().to_str().unwrap()]);
    let told: Vec<_> = block
        .lines()
        .map(|line| {
            let output = world.command("sh", &world.work()).args(["-c", line]).ends();
            assert!(output.status.success(), "{line}: {}", output.stderr.escape_ascii());
            let mut events: Vec<_> =
                receiver.take().iter().map(|request| request.header("Codeup-Event").to_owned()).collect();
            events.sort();
            events.join(", ")
        })
        .collect();
    assert_eq!(told, ["Push Hook", "Tag Push Hook", "Note Hook", "Merge Request Hook, Push Hook", "Note Hook"]);
}

/// Refs that another hook makes, which here are pushed as they are.
#[test]
fn a_ref_of_reviews_is_a_review_by_itself() {
    let opened = Opened::new();
    opened.push(&[], &["topic:refs/merge-requests/7/head"]);
    assert!(opened.told().is_empty(), "nobody said that it is one");
    opened.world.configure("webhook.reviewRef", "refs/merge-requests/*/head");
    opened.world.commit("three");
    assert_eq!(
        opened.push(&[], &["topic:refs/merge-requests/8/head"]),
        ["webhook: review 8 opened, main <- refs/merge-requests/8/head"]
    );
    assert_eq!(opened.told(), of(&[("open", 8)]));
    opened.world.commit("four");
    opened.push(&[], &["topic:refs/merge-requests/8/head"]);
    assert_eq!(opened.told(), of(&[("update", 8)]));
    opened.push(&["merge_request.create"], &["topic"]);
    assert_eq!(opened.told(), of(&[("open", 9)]));
    opened.push(&[], &["topic:main"]);
    assert_eq!(opened.told(), of(&[("merge", 8), ("merge", 9)]));
    opened.world.configure("webhook.reviewRef", "refs/[");
    let said = opened.world.webhook(&["check"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("webhook.reviewRef"), "{said:?}");
}

/// `ref` chooses reviews by the branches they are of, and comments on commits not at all.
#[test]
fn a_target_of_one_branch_hears_of_its_reviews() {
    let opened = Opened::new();
    opened.world.configure("webhook.ci.ref", "main");
    opened.push(&[], &["main:stable"]);
    opened.push(&["merge_request.create", "merge_request.target=stable"], &["topic"]);
    assert!(opened.told().is_empty());
    opened.push(&["merge_request.create"], &["topic:same"]);
    assert_eq!(opened.told(), of(&[("open", 2)]));
    opened.world.git(&["notes", "add", "-m", "plain", "topic"]);
    opened.push(&[], &["refs/notes/commits"]);
    assert_eq!(opened.receiver.take_one().json()["object_attributes"]["note"], "plain");
}

/// From one branch into another: what happened to those that are merged stays theirs.
#[test]
fn of_several_reviews_of_two_branches_one_is_open() {
    let opened = Opened::new();
    opened.create();
    opened.push(&[], &["topic:main"]);
    assert_eq!(opened.told(), of(&[("merge", 1)]));
    for (option, told) in [
        ("create", of(&[("open", 2)])),
        ("create", of(&[("update", 2)])),
        ("close", of(&[("close", 2), ("update", 2)])),
        ("create", of(&[("reopen", 2)])),
    ] {
        opened.world.commit("more");
        opened.push(&[&format!("merge_request.{option}")], &["topic"]);
        assert_eq!(opened.told(), told);
    }
    opened.push(&[], &["topic:main"]);
    assert_eq!(opened.told(), of(&[("merge", 2)]));
    opened.world.commit("more");
    opened.push(&["merge_request.create"], &["topic"]);
    assert_eq!(opened.told(), of(&[("open", 3)]));
    assert_eq!(opened.push(&[], &[":topic"]), ["webhook: review 3 closed, main <- topic"]);
    assert_eq!(opened.told(), of(&[("close", 3)]));
}

#[test]
fn a_target_that_comes_with_the_commits_has_merged_them() {
    let opened = Opened::new();
    opened.push(&[], &["main:stable"]);
    opened.push(&["merge_request.create", "merge_request.target=stable"], &["topic"]);
    opened.push(&[], &[":stable"]);
    opened.told();
    opened.push(&[], &["topic:stable"]);
    assert_eq!(opened.told(), [("merge".into(), 1, "stable".into())]);
}

/// What a comment belongs to is asked as of its push, whenever it is told and how often.
#[test]
fn a_comment_told_again_is_what_it_was() {
    for format in ["codeup", "github"] {
        for after in [&["+topic~1:main", ":topic"][..], &["topic:main"]] {
            let receiver = Receiver::new();
            let world = World::told_to(&receiver, format);
            world.configure("webhook.ci.event", "all");
            world.commit("one");
            world.push(&["main"]);
            world.git(&["checkout", "-q", "-b", "topic"]);
            world.commit("two");
            assert!(world.push_with(&["-o", "merge_request.create"], &["topic"]).accepted);
            bob_comments(&world);
            receiver.take();
            world.push(&["refs/notes/devtools/discuss"]);
            let first = receiver.take_one();
            let is_of_review = ["merge_request", "issue"].iter().any(|key| first.json()[key].is_object());
            assert!(is_of_review, "{format}: {}", first.json());
            // A later text, then the end of it.
            world.commit("three");
            world.push_with(&["-o", "merge_request.title=Another"], &["topic"]);
            world.push(after);
            receiver.take();
            let log: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
            let note = log.iter().find(|row| row["ref"] == "refs/notes/devtools/discuss").unwrap();
            let output = world.webhook(&["redeliver", note["id"].as_str().unwrap()]);
            assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stdout));
            assert_eq!(receiver.take_one().body, first.body, "{format} {after:?}");
        }
    }
}

/// Whoever wants comments alone hears of whose they are.
#[test]
fn comments_are_a_reviews_for_who_wants_no_reviews() {
    let opened = Opened::new();
    opened.world.server_git(&["config", "--replace-all", "webhook.ci.event", "push note"]);
    opened.push(&["merge_request.create"], &["topic"]);
    assert_eq!(opened.receiver.take_one().json()["object_kind"], "push");
    bob_comments(&opened.world);
    opened.push(&[], &["refs/notes/devtools/discuss"]);
    assert_eq!(opened.receiver.take_one().json()["object_attributes"]["noteable_type"], "MergeRequest");
}

/// What the target has is none of the review, though it was merged into the branch.
#[test]
fn a_review_goes_from_what_both_have_to_its_head() {
    let opened = Opened::new();
    opened.create();
    let world = &opened.world;
    world.git(&["checkout", "-q", "main"]);
    world.write("theirs", "1\n2\n");
    world.commit_all("on main");
    world.git(&["checkout", "-q", "topic"]);
    world.git(&["merge", "-q", "-m", "join", "main"]);
    world.write("ours", "1\n");
    world.commit_all("on topic");
    opened.push(&[], &["main", "topic"]);
    opened.receiver.take();
    let say = |text: &str, object: &str, path: &str| {
        let line =
            json!({ "author": "bob", "description": text, "location": { "path": path, "range": { "startLine": 1 } } });
        world.git(&["notes", "--ref=devtools/discuss", "append", "-m", &line.to_string(), object]);
        opened.push(&[], &["refs/notes/devtools/discuss"]);
        opened.receiver.take_one().json()["object_attributes"].clone()
    };
    assert_eq!(say("theirs", "main", "theirs")["noteable_type"], "Commit");
    let note = say("ours", "topic", "ours");
    assert_eq!(note["noteable_type"], "MergeRequest");
    let base = world.git(&["merge-base", "main", "topic"]);
    assert_eq!((&note["position"]["base_sha"], &note["position"]["new_line"]), (&json!(base.trim()), &json!(1)));
    assert_eq!(say("not ours", "topic", "theirs")["line_code"], Value::Null);
}

#[test]
fn a_number_that_another_review_has_is_not_given_by_a_ref() {
    let opened = Opened::new();
    opened.world.configure("webhook.reviewRef", "refs/merge-requests/*/head");
    opened.create();
    opened.push(&[], &["topic:refs/merge-requests/1/head", "topic:refs/merge-requests/7/head"]);
    assert_eq!(opened.told(), of(&[("open", 2), ("open", 7)]));
    opened.world.commit("three");
    opened.push(&["merge_request.create"], &["topic:other"]);
    assert_eq!(opened.told(), of(&[("open", 8)]));
}

/// In the order in which a reader understands them, however late.
#[test]
fn what_moved_comes_before_reviews_and_they_before_comments() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.event", "all");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    world.git(&["checkout", "-q", "-b", "topic"]);
    world.commit("two");
    world.git(&["tag", "v1"]);
    world.git(&["notes", "add", "-m", "well", "topic"]);
    let refs = ["refs/notes/commits", "topic:a", "topic:b", "v1"];
    assert!(world.push_with(&["-o", "merge_request.create"], &refs).accepted);
    receiver.take();
    world.webhook(&["flush", "--now"]);
    let kinds: Vec<_> =
        receiver.take().iter().map(|request| request.json()["object_kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["push", "push", "push", "tag_push", "merge_request", "merge_request", "note"]);
}
