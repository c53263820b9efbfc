//! Reviews in notes, as git-appraise keeps them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Receiver, World};

const REQUESTS: &str = "refs/notes/devtools/reviews";
const COMMENTS: &str = "refs/notes/devtools/discuss";

/// A repository that tells of reviews and comments, with one commit on `main` and two more on `topic`.
pub struct Reviews {
    receiver: Receiver,
    pub world: World,
    /// The first commit of the review.
    first: String,
}

impl Reviews {
    fn told_as(format: &str) -> Self {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, format);
        let reviews = Self::of(world, receiver);
        assert!(reviews.receiver.take().is_empty());
        reviews
    }

    /// Those of a repository whose one target, `ci`, gets them.
    pub fn of(world: World, receiver: Receiver) -> Self {
        world.configure("webhook.ci.event", "merge_request note");
        world.commit("one");
        world.push(&["main"]);
        world.git(&["checkout", "-q", "-b", "topic"]);
        let first = world.commit("two");
        world.commit("three");
        Self { receiver, world, first }
    }

    /// Takes a review through all that can happen to it, and says after each push what did.
    pub fn tour(&self, mut told: impl FnMut(&str)) {
        let world = &self.world;
        world.write("six", "a\nb\nc\n");
        world.commit_all("a file");
        let mut step = |what: &str, refs: &[&str]| {
            self.push(refs);
            told(what);
        };
        self.ask(json!({}));
        step("open", &["topic", REQUESTS]);
        world.commit("five");
        step("update", &["topic"]);
        self.ask(json!({ "timestamp": "1700000200", "description": "Draft: Try that" }));
        step("edit", &[REQUESTS]);
        let location = json!({ "commit": world.id("topic~1"), "path": "six", "range": { "startLine": 2 } });
        let root = self.say(json!({ "author": "bob@example.org", "timestamp": "1700000500", "description": "here", "location": location }));
        step("line", &[COMMENTS]);
        self.say(json!({ "author": "alice", "timestamp": "1700000510", "description": "why?", "parent": root }));
        step("answer", &[COMMENTS]);
        self.say(json!({ "author": "bob@example.org", "timestamp": "1700000520", "description": "there", "original": root, "location": location }));
        step("edited line", &[COMMENTS]);
        let all = self.say(json!({ "author": "bob", "timestamp": "1700000530", "description": "all in all" }));
        step("comment", &[COMMENTS]);
        self.say(json!({ "author": "bob", "timestamp": "1700000540", "description": "overall", "original": all }));
        step("edited comment", &[COMMENTS]);
        let no = self.say(json!({ "author": "bob", "timestamp": "1700000550", "resolved": false }));
        step("reject", &[COMMENTS]);
        self.say(json!({ "author": "bob", "timestamp": "1700000560", "resolved": true, "parent": no }));
        step("withdraw", &[COMMENTS]);
        self.say(json!({ "author": "bob", "timestamp": "1700000570", "resolved": true }));
        step("approve", &[COMMENTS]);
        self.ask(json!({ "timestamp": "1700000600", "targetRef": "" }));
        step("close", &[REQUESTS]);
        self.ask(json!({ "timestamp": "1700000700" }));
        step("reopen", &[REQUESTS]);
        step("merge", &["topic:main"]);
        world.git(&["notes", "add", "-m", "well done", "topic"]);
        step("note", &["refs/notes/commits"]);
    }

    fn new() -> Self {
        Self::told_as("gitlab")
    }

    fn append(&self, notes: &str, object: &str, line: &str) {
        let reference = format!("--ref={notes}");
        self.world.git(&["notes", &reference, "append", "-m", line, object]);
    }

    /// Asks for the review, with these keys changed.
    fn ask(&self, changed: Value) {
        let mut request = json!({
            "timestamp": "1700000100",
            "reviewRef": "refs/heads/topic",
            "targetRef": "refs/heads/main",
            "requester": "alice@example.org",
            "reviewers": ["bob@example.org"],
            "description": "Try it\n\nBecause.",
        });
        for (key, value) in changed.as_object().unwrap() {
            request[key] = value.clone();
        }
        self.append(REQUESTS, &self.first, &request.to_string());
    }

    /// Says something of the review, and returns its id.
    fn say(&self, comment: Value) -> String {
        let line = comment.to_string();
        self.append(COMMENTS, &self.first, &line);
        sha1(&line)
    }

    fn tell_of(&self, events: &str) {
        self.world.server_git(&["config", "--replace-all", "webhook.ci.event", events]);
    }

    fn push(&self, refs: &[&str]) {
        assert!(self.world.push(refs).accepted);
    }

    /// The bodies that came, without what is a note.
    fn requests(&self) -> Vec<Value> {
        let bodies = self.receiver.take().into_iter().map(|request| request.json());
        bodies.filter(|body| body["object_kind"] == "merge_request").collect()
    }

    /// What happened, in a word each.
    fn actions(&self) -> Vec<String> {
        let mut actions: Vec<_> = self
            .requests()
            .iter()
            .map(|body| body["object_attributes"]["action"].as_str().unwrap().to_owned())
            .collect();
        actions.sort();
        actions
    }

    fn one(&self) -> Value {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    /// Opened and told.
    fn opened() -> Self {
        let reviews = Self::new();
        reviews.ask(json!({}));
        reviews.push(&["topic", REQUESTS]);
        assert_eq!(reviews.actions(), ["open"]);
        reviews
    }
}

fn sha1(text: &str) -> String {
    use sha1::{Digest, Sha1};
    Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_branch_and_its_request_in_one_push_are_one_open() {
    let reviews = Reviews::new();
    reviews.ask(json!({}));
    reviews.push(&["topic", REQUESTS]);
    let body = reviews.one();
    let attributes = &body["object_attributes"];
    assert_eq!(attributes["action"], "open");
    assert_eq!((&attributes["title"], &attributes["description"]), (&json!("Try it"), &json!("Because.")));
    assert_eq!((&attributes["source_branch"], &attributes["target_branch"]), (&json!("topic"), &json!("main")));
    assert_eq!(attributes["last_commit"]["id"], reviews.world.id("topic"));
    assert_eq!(attributes["created_at"], "2023-11-14 22:15:00 UTC");
    assert_eq!(body["reviewers"][0]["username"], "bob");
    let number = u32::from_str_radix(&reviews.first[..8], 16).unwrap() & 0x7fff_ffff;
    assert_eq!(attributes["iid"], number);
    // What Jenkins' plugin takes apart.
    for key in ["source_project_id", "target_project_id", "id", "iid"] {
        assert!(attributes[key].is_number(), "{key}");
    }
    for key in ["name", "ssh_url", "http_url", "namespace", "git_http_url", "git_ssh_url"] {
        assert!(attributes["source"][key].is_string(), "{key}");
    }
}

#[test]
fn the_branch_may_come_before_and_after_its_request() {
    let reviews = Reviews::new();
    reviews.push(&["topic"]);
    reviews.ask(json!({}));
    reviews.push(&[REQUESTS]);
    assert_eq!(reviews.actions(), ["open"]);
}

#[test]
fn a_head_that_moves_is_an_update_with_the_old_one() {
    let reviews = Reviews::opened();
    let old = reviews.world.id("topic");
    reviews.world.commit("four");
    reviews.push(&["topic"]);
    let body = reviews.one();
    assert_eq!(body["object_attributes"]["action"], "update");
    assert_eq!(body["object_attributes"]["oldrev"], old);
    assert_eq!(body["object_attributes"]["last_commit"]["id"], reviews.world.id("topic"));
    // By force, to the first commit's child again.
    reviews.world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    reviews.push(&["topic"]);
    assert_eq!(reviews.actions(), ["update"]);
    // Of a branch of nobody's there is nothing to be told.
    reviews.push(&["topic:other"]);
    assert!(reviews.requests().is_empty());
}

#[test]
fn what_is_asked_differently_is_an_update_with_both() {
    let reviews = Reviews::opened();
    reviews.ask(json!({ "timestamp": "1700000200", "description": "Try that\n\nBecause." }));
    reviews.push(&[REQUESTS]);
    let body = reviews.one();
    assert_eq!(body["object_attributes"]["action"], "update");
    assert_eq!(body["object_attributes"].get("oldrev"), None);
    assert_eq!(body["changes"]["title"], json!({ "previous": "Try it", "current": "Try that" }));
    reviews.ask(json!({ "timestamp": "1700000300", "description": "Try that\n\nBecause.", "reviewers": [] }));
    reviews.push(&[REQUESTS]);
    assert_eq!(reviews.one()["changes"]["reviewers"]["current"], json!([]));
    // The same once more.
    reviews.ask(json!({ "timestamp": "1700000300", "description": "Try that\n\nBecause.", "reviewers": [], "v": 0 }));
    reviews.push(&[REQUESTS]);
    assert!(reviews.requests().is_empty());
}

#[test]
fn a_review_is_merged_when_its_target_has_it() {
    for is_fast_forward in [true, false] {
        let reviews = Reviews::opened();
        reviews.world.git(&["checkout", "-q", "main"]);
        if is_fast_forward {
            reviews.world.git(&["merge", "-q", "topic"]);
        } else {
            reviews.world.git(&["merge", "-q", "--no-ff", "-m", "bring it", "topic"]);
        }
        // Merging is looked for before closing, and the branch may go with it.
        reviews.push(&["main", ":topic"]);
        let body = reviews.one();
        let attributes = &body["object_attributes"];
        assert_eq!((&attributes["action"], &attributes["state"]), (&json!("merge"), &json!("merged")));
        let merge = if is_fast_forward { Value::Null } else { reviews.world.id("main").into() };
        assert_eq!(attributes["merge_commit_sha"], merge);
        assert_eq!(attributes["last_commit"]["id"], reviews.world.id("topic"));
        reviews.world.commit("later");
        reviews.push(&["main"]);
        assert!(reviews.requests().is_empty());
    }
}

#[test]
fn a_review_is_closed_when_it_is_given_up_and_open_again() {
    let reviews = Reviews::opened();
    reviews.ask(json!({ "targetRef": "" }));
    reviews.push(&[REQUESTS]);
    let body = reviews.one();
    assert_eq!(body["object_attributes"]["action"], "close");
    assert_eq!(body["object_attributes"]["target_branch"], "main");
    // The notes are sorted, and of one time the end comes last all the same.
    reviews.world.git(&["update-ref", "refs/notes/other", &format!("{REQUESTS}~1")]);
    reviews.world.git(&["notes", "--ref=other", "append", "-m", "{\"timestamp\":\"1\"}", "main"]);
    reviews.world.git(&["notes", "--ref=devtools/reviews", "merge", "-q", "-s", "cat_sort_uniq", "other"]);
    reviews.push(&[REQUESTS]);
    assert!(reviews.requests().is_empty());
    reviews.ask(json!({ "timestamp": "1700000400" }));
    reviews.push(&[REQUESTS]);
    assert_eq!(reviews.actions(), ["reopen"]);
    // A force push takes back what was merged.
    reviews.push(&["topic:main"]);
    assert_eq!(reviews.actions(), ["merge"]);
    reviews.push(&["topic~2:main"]);
    assert_eq!(reviews.actions(), ["reopen"]);
}

#[test]
fn what_is_merged_and_given_up_in_one_push_is_merged() {
    let reviews = Reviews::opened();
    reviews.ask(json!({ "targetRef": "" }));
    reviews.push(&["topic:main", REQUESTS]);
    let body = reviews.one();
    assert_eq!(
        (&body["object_attributes"]["action"], &body["object_attributes"]["target_branch"]),
        (&"merge".into(), &"main".into())
    );
    reviews.push(&["topic:refs/heads/another"]);
    assert!(reviews.requests().is_empty());
}

/// Whatever somebody writes into these notes that is neither a request nor says anything.
#[test]
fn stray_lines_neither_close_a_review_nor_say_anything() {
    let reviews = Reviews::opened();
    reviews.tell_of("merge_request note");
    for line in ["{}", r#"{"timestamp":"1700009999"}"#, r#"{"timestamp":"1700009999","author":5,"description":["x"]}"#]
    {
        for notes in [REQUESTS, COMMENTS] {
            reviews.append(notes, &reviews.first, line);
        }
        reviews.push(&[REQUESTS, COMMENTS]);
        assert!(reviews.receiver.take().is_empty(), "{line}");
    }
}

/// A receiver is not to hear of a review of a branch that it does not know.
#[test]
fn bitbucket_is_told_of_the_push_before_what_belongs_to_it() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "bitbucket");
    world.configure("webhook.ci.event", "all");
    world.configure("receive.advertisePushOptions", "true");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    for name in ["a", "b", "c", "d", "e"] {
        world.commit(name);
        world.git(&["notes", "add", "-f", "-m", name, "HEAD"]);
        let branch = format!("HEAD:refs/heads/{name}");
        world.push_with(&["-o", "merge_request.create"], &["refs/notes/commits", &branch]);
        let told: Vec<_> = receiver.take().iter().map(|request| request.header("X-Event-Key").to_owned()).collect();
        assert_eq!(told.first().map(String::as_str), Some("repo:push"), "{told:?}");
        assert_eq!(told.len(), 3, "{told:?}");
    }
}

#[test]
fn a_review_that_is_rebased_has_another_start() {
    let reviews = Reviews::opened();
    let first = reviews.first.clone();
    reviews.world.git(&["checkout", "-q", "main"]);
    reviews.world.commit("meanwhile");
    reviews.world.git(&["checkout", "-q", "topic"]);
    reviews.world.git(&["rebase", "-q", "main"]);
    let alias = reviews.world.id("topic~1");
    let request = json!({
        "timestamp": "1700000100", "reviewRef": "refs/heads/topic", "targetRef": "refs/heads/main",
        "requester": "alice@example.org", "reviewers": ["bob@example.org"], "description": "Try it\n\nBecause.", "alias": alias,
    });
    reviews.append(REQUESTS, &first, &request.to_string());
    reviews.push(&["main", "topic", REQUESTS]);
    let body = reviews.one();
    assert_eq!(body["object_attributes"]["action"], "update");
    assert_eq!(body["object_attributes"]["last_commit"]["id"], reviews.world.id("topic"));
    reviews.push(&["topic:main"]);
    assert_eq!(reviews.actions(), ["merge"]);
}

/// The comments that came, by what they say.
fn comments(reviews: &Reviews) -> BTreeMap<String, Value> {
    let bodies = reviews.receiver.take().into_iter().map(|request| request.json());
    let notes = bodies.filter(|body| body["object_kind"] == "note");
    notes.map(|body| (body["object_attributes"]["note"].as_str().unwrap().to_owned(), body)).collect()
}

#[test]
fn what_is_said_of_a_review_is_told_with_it() {
    let reviews = Reviews::opened();
    let root =
        reviews.say(json!({ "timestamp": "1700000500", "author": "bob@example.org", "description": "Needs work" }));
    reviews.push(&[COMMENTS]);
    let body = comments(&reviews).remove("Needs work").unwrap();
    let attributes = &body["object_attributes"];
    assert_eq!((&attributes["noteable_type"], &attributes["discussion_id"]), (&json!("MergeRequest"), &json!(root)));
    assert_eq!(body["user"]["username"], "bob");
    assert_eq!(body["merge_request"]["source_branch"], "topic");
    assert_eq!(attributes["noteable_id"], body["merge_request"]["id"]);
    assert_eq!(attributes["created_at"], "2023-11-14 22:21:40 UTC");
    // An answer, with the capital of older programs; the note is merged and sorted meanwhile.
    reviews.say(json!({ "timestamp": "1", "author": "alice", "Parent": root, "description": "How?" }));
    reviews.world.git(&["update-ref", "refs/notes/other", &format!("{COMMENTS}~1")]);
    reviews.world.git(&["notes", "--ref=other", "append", "-m", "{\"author\":\"x\",\"description\":\"else\"}", "main"]);
    reviews.world.git(&["notes", "--ref=devtools/discuss", "merge", "-q", "-s", "cat_sort_uniq", "other"]);
    reviews.push(&[COMMENTS]);
    let mut told = comments(&reviews);
    assert_eq!(told.keys().collect::<Vec<_>>(), ["How?", "else"]);
    assert_eq!(told.remove("How?").unwrap()["object_attributes"]["discussion_id"], root);
    // What is said of a commit that is no review's is a comment on the commit.
    assert_eq!(told.remove("else").unwrap()["object_attributes"]["noteable_type"], "Commit");
}

#[test]
fn a_comment_on_any_commit_of_an_open_review_is_the_reviews() {
    let reviews = Reviews::opened();
    reviews.append(COMMENTS, "topic", "{\"author\":\"bob\",\"description\":\"here\"}");
    reviews.append(COMMENTS, "main", "{\"author\":\"bob\",\"description\":\"there\"}");
    reviews.push(&[COMMENTS]);
    let told = comments(&reviews);
    assert_eq!(told["here"]["object_attributes"]["noteable_type"], "MergeRequest");
    assert_eq!(told["there"]["object_attributes"]["noteable_type"], "Commit");
}

#[test]
fn a_comment_on_a_line_has_its_place_in_the_difference() {
    let reviews = Reviews::new();
    reviews.world.write("six", "a\nb\nc\n");
    reviews.world.commit_all("a file");
    let head = reviews.world.id("topic");
    reviews.ask(json!({}));
    let line = |number: u32| {
        let location = json!({ "commit": head, "path": "six", "range": { "startLine": number } });
        json!({ "author": "bob", "timestamp": "1700000500", "description": format!("line {number}"), "location": location })
    };
    reviews.say(line(2));
    reviews.say(line(9));
    reviews.push(&["topic", REQUESTS, COMMENTS]);
    let told = comments(&reviews);
    let code = &told["line 2"]["object_attributes"]["line_code"];
    assert_eq!(*code, "bec9703f7a456cd2b4ab5fb3220ae016e3e394e3_0_2");
    let position = &told["line 2"]["object_attributes"]["position"];
    assert_eq!((&position["head_sha"], &position["new_line"]), (&json!(head), &json!(2)));
    assert_eq!(position["base_sha"], reviews.world.id("main"));
    assert_eq!(told["line 9"]["object_attributes"]["line_code"], Value::Null);
    // An answer that names no line is about the same.
    let parent = sha1(&line(2).to_string());
    reviews.say(json!({ "author": "al", "timestamp": "1700000600", "description": "yes", "parent": parent }));
    reviews.push(&[COMMENTS]);
    let answer = reviews.receiver.take_one().json();
    assert_eq!(
        (&answer["object_attributes"]["position"], &answer["object_attributes"]["type"]),
        (position, &json!("DiffNote"))
    );
    assert_eq!(answer["object_attributes"]["discussion_id"], told["line 2"]["object_attributes"]["discussion_id"]);
}

/// What GitHub counts of a pull request, compared with `git diff`.
#[test]
fn github_is_told_how_much_a_review_changes() {
    let reviews = Reviews::told_as("github");
    let world = &reviews.world;
    world.write("old", "a\nb\nc\n");
    world.write("gone", "1\n2\n");
    world.write("moved", "same\n");
    world.git(&["checkout", "-q", "main"]);
    world.commit_all("base");
    world.push(&["main"]);
    world.git(&["checkout", "-q", "topic"]);
    world.git(&["rebase", "-q", "main"]);
    world.write("old", "a\nB\nc\nd\n");
    world.write("new", "1\n");
    world.git(&["mv", "moved", "there"]);
    world.git(&["rm", "-q", "gone"]);
    world.commit_all("all kinds");
    let first = world.id("topic~2");
    reviews.append(
        REQUESTS,
        &first,
        &json!({ "timestamp": "1700000100", "reviewRef": "refs/heads/topic", "targetRef": "refs/heads/main" })
            .to_string(),
    );
    reviews.push(&["topic", REQUESTS]);
    let body = reviews.receiver.take_one().json()["pull_request"].clone();
    let expected = world.git(&["diff", "--shortstat", "-M100%", "main", "topic"]);
    let [files, added, removed] = ["changed_files", "additions", "deletions"].map(|key| body[key].as_u64().unwrap());
    let said = format!("{files} files changed, {added} insertions(+), {removed} deletions(-)");
    assert_eq!((said.as_str(), removed), (expected.trim(), 3));
}

/// Who had a part in it, what was said with a verdict and why it was given up.
#[test]
fn a_review_tells_what_was_said_of_it() {
    let tell = |format: &str| {
        let reviews = Reviews::told_as(format);
        reviews.ask(json!({}));
        reviews.say(json!({ "author": "carol@example.org", "timestamp": "1700000500", "description": "hm" }));
        reviews.push(&["topic", REQUESTS, COMMENTS]);
        reviews.receiver.take();
        reviews.say(json!({ "author": "bob@example.org", "timestamp": "1700000600", "description": "too slow", "resolved": false }));
        reviews.push(&[COMMENTS]);
        let rejected: Vec<Value> = reviews.receiver.take().iter().map(|request| request.json()).collect();
        reviews.say(json!({ "author": "alice@example.org", "description": "not worth it", "resolved": false }));
        reviews.ask(json!({ "timestamp": "1700000700", "targetRef": "" }));
        reviews.push(&[REQUESTS, COMMENTS]);
        let closed = reviews.receiver.take().iter().map(|request| request.json()).collect::<Vec<_>>();
        (rejected, closed)
    };
    let is = |key: &str| {
        let key = key.to_owned();
        move |body: &&Value| !body[&key].is_null()
    };
    let (rejected, _) = tell("github");
    assert_eq!(rejected.iter().find(is("review")).unwrap()["review"]["body"], "too slow");
    let (rejected, _) = tell("gitea");
    assert_eq!(rejected.iter().find(is("review")).unwrap()["review"]["content"], "too slow");
    let (_, closed) = tell("bitbucket");
    let request = &closed[0]["pullrequest"];
    assert_eq!((&request["state"], &request["reason"]), (&json!("DECLINED"), &json!("not worth it")));
    assert_eq!(request["comment_count"], 3);
    let people: Vec<_> =
        request["participants"].as_array().unwrap().iter().map(|it| (&it["user"]["nickname"], &it["role"])).collect();
    assert_eq!(people, [(&json!("bob"), &json!("REVIEWER")), (&json!("carol"), &json!("PARTICIPANT"))]);
}

#[test]
fn a_review_is_approved_by_what_is_said_of_it() {
    let reviews = Reviews::opened();
    let yes = reviews.say(json!({ "author": "bob", "timestamp": "1", "resolved": true }));
    reviews.push(&[COMMENTS]);
    let bodies: Vec<_> = reviews.receiver.take().iter().map(|request| request.json()).collect();
    let told: Vec<_> =
        bodies.iter().map(|body| (body["object_kind"].clone(), body["object_attributes"]["action"].clone())).collect();
    assert!(told.contains(&(json!("merge_request"), json!("approved"))), "{told:?}");
    let note = bodies.iter().find(|body| body["object_kind"] == "note").unwrap();
    assert_eq!(note["object_attributes"]["note"], "LGTM");
    // Without a time, as reject writes it.
    reviews.say(json!({ "author": "carol", "parent": yes, "resolved": false }));
    reviews.push(&[COMMENTS]);
    assert_eq!(reviews.actions(), ["unapproved"]);
}

#[test]
fn an_edit_takes_the_place_of_what_was_said() {
    let reviews = Reviews::opened();
    let first = reviews.say(json!({ "author": "bob", "timestamp": "1700000500", "description": "teh" }));
    reviews.push(&[COMMENTS]);
    let number = comments(&reviews)["teh"]["object_attributes"]["id"].clone();
    reviews.say(json!({ "author": "bob", "timestamp": "1700000600", "description": "the", "original": first }));
    reviews.push(&[COMMENTS]);
    let told = comments(&reviews).remove("the").unwrap();
    let attributes = &told["object_attributes"];
    assert_eq!((&attributes["action"], &attributes["id"]), (&json!("update"), &number));
    assert_eq!(
        (&attributes["created_at"], &attributes["updated_at"]),
        (&json!("2023-11-14 22:21:40 UTC"), &json!("2023-11-14 22:23:20 UTC"))
    );
}

#[test]
fn the_same_words_on_two_commits_are_two_comments() {
    let reviews = Reviews::new();
    reviews.push(&["topic"]);
    let line = "{\"author\":\"bob\",\"description\":\"same\"}";
    reviews.append(COMMENTS, "topic", line);
    reviews.append(COMMENTS, "main", line);
    reviews.push(&[COMMENTS]);
    let bodies = reviews.receiver.take();
    let ids: Vec<_> = bodies.iter().map(|request| request.json()["object_attributes"]["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn codeup_gets_a_merge_request_as_its_document_has_it() {
    let reviews = Reviews::told_as("codeup");
    let world = &reviews.world;
    world.configure("webhook.homepage", "https://codeup.example.org/demo");
    world.configure("webhook.gitHttpUrl", "https://codeup.example.org/demo.git");
    world.configure("webhook.gitSshUrl", "git@codeup.example.org:demo.git");
    world.configure("webhook.repository", "demo/demo");
    world.configure("webhook.visibility", "internal");
    world.configure("webhook.projectId", "14");
    reviews.ask(json!({ "description": "Draft: Try it" }));
    reviews.push(&["topic", REQUESTS]);
    let request = reviews.receiver.take_one();
    assert_eq!(request.header("Codeup-Event"), "Merge Request Hook");
    let body = request.json();
    let attributes = &body["object_attributes"];
    let side = json!({
        "name": "demo",
        "ssh_url": "git@codeup.example.org:demo.git",
        "http_url": "https://codeup.example.org/demo.git",
        "web_url": "https://codeup.example.org/demo",
        "namespace": "demo",
        "visibility_level": 10
    });
    let head = world.id("topic");
    let expected = json!({
        "object_kind": "merge_request",
        "user": body["user"],
        "object_attributes": {
            "id": attributes["id"],
            "target_branch": "main",
            "source_branch": "topic",
            "source_project_id": 14,
            "author_id": attributes["author_id"],
            "assignee_id": attributes["assignee_id"],
            "title": "Draft: Try it",
            "created_at": "2023-11-14T22:15:00Z",
            "updated_at": "2023-11-14T22:15:00Z",
            "st_commits": null,
            "st_diffs": null,
            "milestone_id": null,
            "state": "opened",
            "merge_status": "unchecked",
            "target_project_id": 14,
            "iid": attributes["id"],
            "description": "",
            "source": side,
            "target": side,
            "last_commit": {
                "id": head,
                "message": "three",
                "timestamp": attributes["last_commit"]["timestamp"],
                "url": format!("https://codeup.example.org/demo/commits/{head}"),
                "author": { "name": "A U Thor", "email": "author@example.com" }
            },
            "work_in_progress": true,
            "url": format!("https://codeup.example.org/demo/merge_requests/{}", attributes["id"]),
            "action": "open"
        }
    });
    assert_eq!(body.to_string(), expected.to_string());
    assert!(attributes["assignee_id"].is_number() && attributes["author_id"].is_number());
    assert_eq!(body["user"]["avatar_url"], "");

    reviews
        .say(json!({ "author": "bob@example.org", "timestamp": "1558117296", "description": "This MR needs work." }));
    reviews.push(&[COMMENTS]);
    let body = reviews.receiver.take_one().json();
    let id = &body["object_attributes"]["id"];
    let merge_request = &body["merge_request"];
    let expected = json!({
        "object_kind": "note",
        "user": { "name": "bob", "username": "bob", "avatar_url": "" },
        "project_id": 14,
        "repository": {
            "name": "demo",
            "url": "https://codeup.example.org/demo.git",
            "description": "",
            "homepage": "https://codeup.example.org/demo"
        },
        "object_attributes": {
            "id": id,
            "note": "This MR needs work.",
            "noteable_type": "MergeRequest",
            "author_id": body["object_attributes"]["author_id"],
            "created_at": "2019-05-17 18:21:36 UTC",
            "updated_at": "2019-05-17 18:21:36 UTC",
            "project_id": 14,
            "attachment": null,
            "line_code": null,
            "commit_id": "",
            "noteable_id": merge_request["id"],
            "system": false,
            "st_diff": null,
            "url": format!("https://codeup.example.org/demo/merge_requests/{}#note_{id}", merge_request["iid"])
        },
        "merge_request": {
            "id": attributes["id"],
            "target_branch": "main",
            "source_branch": "topic",
            "source_project_id": 14,
            "author_id": attributes["author_id"],
            "assignee_id": attributes["assignee_id"],
            "title": "Draft: Try it",
            "created_at": "2023-11-14 22:15:00 UTC",
            "updated_at": "2023-11-14 22:15:00 UTC",
            "milestone_id": null,
            "state": "opened",
            "merge_status": "unchecked",
            "target_project_id": 14,
            "iid": attributes["id"],
            "description": "",
            "position": 0,
            "locked_at": null,
            "source": side,
            "target": side,
            "last_commit": attributes["last_commit"],
            "work_in_progress": true
        }
    });
    assert_eq!(body.to_string(), expected.to_string());
}

#[test]
fn reviews_can_be_left_unread() {
    let reviews = Reviews::new();
    reviews.world.configure("webhook.reviews", "false");
    reviews.ask(json!({}));
    reviews.say(json!({ "author": "bob", "description": "x" }));
    reviews.push(&["topic", REQUESTS, COMMENTS]);
    assert!(reviews.receiver.take().is_empty());
}

/// What a target of a format is told on the tour, each with the forge's name of it.
fn told_on_tour(format: &str, header: &str) -> Vec<String> {
    let reviews = Reviews::told_as(format);
    let mut all = Vec::new();
    reviews.tour(|what| {
        let requests = reviews.receiver.take();
        let mut names: Vec<_> = requests
            .iter()
            .map(|request| {
                let action = request.json()["action"].as_str().map(|action| format!(" {action}")).unwrap_or_default();
                format!("{}{action}", request.header(header))
            })
            .collect();
        names.sort();
        all.push(format!("{what}: {}", names.join(", ")));
    });
    all
}

#[test]
fn github_is_told_in_its_own_events() {
    let expected = [
        "open: pull_request opened",
        "update: pull_request synchronize",
        "edit: pull_request edited",
        "line: pull_request_review_comment created",
        "answer: pull_request_review_comment created",
        "edited line: pull_request_review_comment edited",
        "comment: issue_comment created",
        "edited comment: issue_comment edited",
        "reject: issue_comment created, pull_request_review submitted",
        "withdraw: issue_comment created, pull_request_review dismissed",
        "approve: issue_comment created, pull_request_review submitted",
        "close: pull_request closed",
        "reopen: pull_request reopened",
        "merge: pull_request closed",
        "note: commit_comment created",
    ];
    assert_eq!(told_on_tour("github", "X-GitHub-Event"), expected);
}

#[test]
fn gitea_is_told_in_its_own_events() {
    let expected = [
        "open: pull_request opened",
        "update: pull_request_sync synchronized",
        "edit: pull_request edited",
        "line: pull_request_review_comment reviewed",
        "answer: pull_request_review_comment reviewed",
        "edited line: pull_request_comment edited",
        "comment: pull_request_comment created",
        "edited comment: pull_request_comment edited",
        "reject: pull_request_comment created, pull_request_review_rejected reviewed",
        "withdraw: pull_request_comment created",
        "approve: pull_request_comment created, pull_request_review_approved reviewed",
        "close: pull_request closed",
        "reopen: pull_request reopened",
        "merge: pull_request closed",
        "note: ",
    ];
    assert_eq!(told_on_tour("gitea", "X-Gitea-Event-Type"), expected);
}

#[test]
fn forgejo_is_told_as_gitea_is() {
    assert_eq!(told_on_tour("forgejo", "X-Forgejo-Event-Type"), told_on_tour("gitea", "X-Gitea-Event-Type"));
}

/// It has neither verdicts nor comments on lines: what is said with the one, and on the other, is a comment.
#[test]
fn gogs_is_told_in_its_own_events() {
    let expected = [
        "open: pull_request opened",
        "update: pull_request synchronized",
        "edit: pull_request edited",
        "line: issue_comment created",
        "answer: issue_comment created",
        "edited line: issue_comment edited",
        "comment: issue_comment created",
        "edited comment: issue_comment edited",
        "reject: issue_comment created",
        "withdraw: issue_comment created",
        "approve: issue_comment created",
        "close: pull_request closed",
        "reopen: pull_request reopened",
        "merge: pull_request closed",
        "note: ",
    ];
    assert_eq!(told_on_tour("gogs", "X-Gogs-Event"), expected);
}

#[test]
fn bitbucket_is_told_in_its_own_events() {
    let expected = [
        "open: pullrequest:created",
        "update: pullrequest:updated",
        "edit: pullrequest:updated",
        "line: pullrequest:comment_created",
        "answer: pullrequest:comment_created",
        "edited line: pullrequest:comment_updated",
        "comment: pullrequest:comment_created",
        "edited comment: pullrequest:comment_updated",
        "reject: pullrequest:changes_request_created, pullrequest:comment_created",
        "withdraw: pullrequest:changes_request_removed, pullrequest:comment_created",
        "approve: pullrequest:approved, pullrequest:comment_created",
        "close: pullrequest:rejected",
        "reopen: pullrequest:created",
        "merge: pullrequest:fulfilled",
        "note: repo:commit_comment_created",
    ];
    assert_eq!(told_on_tour("bitbucket", "X-Event-Key"), expected);
}

#[test]
fn slack_reads_it_in_one_message() {
    let reviews = Reviews::told_as("slack");
    reviews.world.configure("webhook.repository", "group/project");
    let mut all = Vec::new();
    reviews.tour(|_| {
        all.extend(reviews.receiver.take().iter().map(|request| request.json()["text"].as_str().unwrap().to_owned()))
    });
    let who = all[0].split(' ').next().unwrap();
    let is_said = |text: &str| assert!(all.contains(&text.replace("WHO", who)), "no {text} in {all:#?}");
    let number = u32::from_str_radix(&reviews.first[..8], 16).unwrap() & 0x7fff_ffff;
    is_said(&format!("WHO opened review {number}, Try it: topic into main in group/project"));
    is_said(&format!("WHO merged review {number}, Try it: topic into main in group/project"));
    is_said(
        &format!("bob commented on review {number}, Draft: Try that in group/project\n&gt; here").replace("&gt;", ">"),
    );
    is_said(&format!("A U Thor commented on commit {} in group/project\n> well done", &reviews.world.id("topic")[..7]));
}

#[test]
fn a_target_may_take_a_part_by_its_forges_own_names() {
    let reviews = Reviews::told_as("github");
    reviews.tell_of("pull_request issue_comment");
    let mut names = BTreeMap::new();
    reviews.tour(|_| {
        for request in reviews.receiver.take() {
            *names.entry(request.header("X-GitHub-Event").to_owned()).or_insert(0) += 1;
        }
    });
    assert_eq!(names.keys().collect::<Vec<_>>(), ["issue_comment", "pull_request"]);
    let listed = String::from_utf8(reviews.world.webhook(&["list"]).stdout).unwrap();
    assert!(listed.contains("pull_request"), "{listed}");
    // Another format's name is wrong here, and the error says which there are.
    reviews.tell_of("pullrequest:created");
    let check = reviews.world.webhook(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("holds an unknown event") && said.contains("pull_request_review_comment"), "{said}");
}

#[test]
fn a_comment_and_a_review_can_be_tried_out_and_looked_at() {
    let reviews = Reviews::new();
    reviews.push(&["topic"]);
    let of = |event: &str| {
        let output = reviews.world.webhook(&["test", "ci", "--event", event]);
        assert!(output.status.success(), "{output:?}");
        reviews.receiver.take_one()
    };
    assert_eq!(of("note").header("X-Gitlab-Event"), "Note Hook");
    assert_eq!(of("merge_request").json()["object_attributes"]["action"], "open");
    reviews.world.git(&["notes", "add", "-m", "look", "topic"]);
    reviews.push(&["refs/notes/commits"]);
    reviews.receiver.take();
    let notes = reviews.world.id("refs/notes/commits");
    let zero = "0".repeat(40);
    let output = reviews.world.webhook(&["payload", "--format", "gitlab", &zero, &notes, "refs/notes/commits"]);
    let body: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(body["object_attributes"]["note"], "look");
}

/// Nobody asked: then not even the intent is written.
#[test]
fn without_such_a_target_notes_are_nothing() {
    let reviews = Reviews::new();
    reviews.tell_of("push tag_push");
    let settled = reviews.world.settled();
    reviews.ask(json!({}));
    reviews.push(&[REQUESTS]);
    assert_eq!(reviews.world.settled(), settled);
}

/// A target hears of reviews in namespaces by their own refs.
#[test]
fn reviews_are_a_namespaces_own() {
    let receiver = Receiver::new();
    let mut world = World::told_to(&receiver, "gitlab");
    world.set("GIT_NAMESPACE", "team");
    let reviews = Reviews::of(world, receiver);
    reviews.ask(json!({}));
    reviews.push(&["topic", REQUESTS]);
    assert_eq!(reviews.one()["object_attributes"]["target_branch"], "main");
    reviews.push(&["topic:main"]);
    assert_eq!(reviews.actions(), ["merge"]);
}

#[test]
fn reviews_are_read_in_repositories_of_every_kind() {
    for options in [&["--object-format=sha256"][..], &["--ref-format=reftable"]] {
        let receiver = Receiver::new();
        let world = World::with(options);
        world.add_target("ci", &receiver, "gitlab");
        let reviews = Reviews::of(world, receiver);
        reviews.ask(json!({}));
        reviews.push(&["topic", REQUESTS]);
        assert_eq!(reviews.actions(), ["open"], "{options:?}");
        reviews.push(&["topic:main"]);
        assert_eq!(reviews.actions(), ["merge"], "{options:?}");
    }
}

/// As real notes have them: requests on commits that are missing, lines that are none, of a version to come, very long.
#[test]
fn what_is_odd_in_notes_is_passed_over() {
    let reviews = Reviews::new();
    let blob = reviews.world.git_with_input(&["hash-object", "-w", "--stdin"], b"x");
    for object in [&blob, "HEAD^{tree}"] {
        reviews.append(REQUESTS, object, r#"{"timestamp":"1","targetRef":"refs/heads/main"}"#);
        reviews.append(COMMENTS, object, r#"{"description":"on no commit"}"#);
    }
    reviews.append(REQUESTS, &reviews.first, "no JSON");
    reviews.ask(json!({ "v": 0, "unheard": { "of": [] } }));
    // As git-appraise does with what a later program wrote.
    reviews.ask(json!({ "v": 7, "timestamp": "1700000900", "description": "of another kind" }));
    // `git notes` takes no object that is not there, `git fast-import` does.
    let missing = "1".repeat(40);
    let stream = format!(
        "commit {REQUESTS}\ncommitter C <c@x> 1700000000 +0000\ndata 1\nx\nfrom {REQUESTS}^0\nM 644 inline {missing}\ndata <<.\n{{\"targetRef\":\"refs/heads/main\"}}\n.\n"
    );
    let mut import = reviews.world.command("git", &reviews.world.work());
    let output = reviews.world.feed(import.args(["fast-import", "--quiet"]), stream.as_bytes());
    assert!(output.status.success(), "{}", output.stderr.escape_ascii());
    reviews.push(&["topic", REQUESTS, COMMENTS]);
    let body = reviews.receiver.take_one().json();
    assert_eq!(
        (&body["object_attributes"]["action"], &body["object_attributes"]["title"]),
        (&json!("open"), &json!("Try it"))
    );
    let latin1 = reviews.world.git_with_input(&["hash-object", "-w", "--stdin"], b"sch\xf6n");
    reviews.world.git(&["notes", "add", "-f", "-C", &latin1, &reviews.first]);
    reviews.push(&["refs/notes/commits"]);
    assert_eq!(reviews.receiver.take_one().json()["object_attributes"]["note"], "sch\u{fffd}n");
    let long = "x".repeat(1 << 20);
    let line = json!({ "author": "bob", "description": long }).to_string();
    let note = reviews.world.git_with_input(&["hash-object", "-w", "--stdin"], line.as_bytes());
    reviews.world.git(&["notes", "--ref=devtools/discuss", "add", "-f", "-C", &note, &reviews.first]);
    reviews.push(&[COMMENTS]);
    let body = reviews.receiver.take_one().json();
    assert_eq!(body["object_attributes"]["note"].as_str().unwrap().len(), 64 << 10);
    assert_eq!(reviews.world.log(), "");
}

/// The first push of notes that were kept elsewhere would tell all that was ever said.
#[test]
fn an_import_of_many_reviews_tells_none_and_says_so() {
    let reviews = Reviews::new();
    reviews.world.configure("webhook.maxReviewEvents", "3");
    reviews.ask(json!({}));
    for number in 0..3 {
        reviews.say(json!({ "author": "bob", "description": number.to_string() }));
    }
    reviews.push(&["topic", REQUESTS, COMMENTS]);
    assert!(reviews.receiver.take().is_empty());
    let said = "this push makes more events of reviews and comments than webhook.maxReviewEvents allows, 3:";
    assert!(reviews.world.log().contains(said), "{}", reviews.world.log());
    // The next one is told again.
    reviews.say(json!({ "author": "bob", "description": "more" }));
    reviews.push(&[COMMENTS]);
    assert_eq!(comments(&reviews).len(), 1);
}

/// Nobody has seen a review whose commits are not there yet.
#[test]
fn a_request_that_comes_before_its_branch_is_open_when_that_comes() {
    let reviews = Reviews::new();
    reviews.ask(json!({}));
    reviews.push(&[REQUESTS]);
    assert!(reviews.actions().is_empty());
    reviews.push(&["topic"]);
    assert_eq!(reviews.actions(), ["open"]);
    reviews.world.commit("four");
    reviews.push(&["topic"]);
    assert_eq!(reviews.actions(), ["update"]);
}

#[test]
fn a_target_that_comes_with_a_review_has_merged_it() {
    let reviews = Reviews::new();
    reviews.ask(json!({ "targetRef": "refs/heads/stable" }));
    reviews.push(&["topic", REQUESTS]);
    assert_eq!(reviews.actions(), ["open"]);
    reviews.push(&["topic:stable"]);
    assert_eq!(reviews.actions(), ["merge"]);
}

/// After the merge too a review is what it was, and its lines have their places.
#[test]
fn a_merged_review_is_measured_against_what_was_before_it() {
    for options in [&["--no-ff"][..], &["--ff-only"]] {
        let reviews = Reviews::told_as("github");
        let world = &reviews.world;
        world.write("six", "a\nb\n");
        world.commit_all("a file");
        reviews.ask(json!({}));
        reviews.push(&["topic", REQUESTS]);
        let opened = reviews.receiver.take_one().json()["pull_request"].clone();
        world.git(&["checkout", "-q", "main"]);
        world.git(&[&["merge", "-q", "-m", "bring it"], options, &["topic"]].concat());
        reviews.push(&["main"]);
        let merged = reviews.receiver.take_one().json()["pull_request"].clone();
        for key in ["commits", "additions", "changed_files"] {
            assert_eq!(merged[key], opened[key], "{key} {options:?}");
        }
        assert_eq!(merged["base"]["sha"], opened["base"]["sha"]);
        let location = json!({ "path": "six", "range": { "startLine": 2 }, "commit": world.id("topic") });
        reviews.say(json!({ "author": "bob", "timestamp": "1700000500", "description": "late", "location": location }));
        reviews.push(&[COMMENTS]);
        let said = reviews.receiver.take_one().json();
        assert_eq!((&said["comment"]["path"], &said["comment"]["line"]), (&json!("six"), &json!(2)), "{options:?}");
        assert_eq!(said["pull_request"]["merge_commit_sha"], merged["merge_commit_sha"]);
    }
}

/// However many there are.
#[test]
fn a_comment_finds_its_review_among_many() {
    let reviews = Reviews::new();
    let world = &reviews.world;
    for number in 0..60 {
        world.git(&["checkout", "-q", "-b", &format!("b{number}"), "main"]);
        let first = world.commit(&format!("first of {number}"));
        world.commit(&format!("second of {number}"));
        let request = json!({ "timestamp": "1700000100", "reviewRef": format!("refs/heads/b{number}"), "targetRef": "refs/heads/main" });
        reviews.append(REQUESTS, &first, &request.to_string());
    }
    world.configure("webhook.maxReviewEvents", "100");
    world.git(&["push", "-q", world.server().to_str().unwrap(), "refs/heads/b*:refs/heads/b*", REQUESTS]);
    reviews.receiver.take();
    for number in [0, 30, 59] {
        reviews.append(COMMENTS, &format!("b{number}"), &json!({ "author": "bob", "description": "hm" }).to_string());
        reviews.push(&[COMMENTS]);
        let note = reviews.receiver.take_one().json();
        assert_eq!(note["merge_request"]["source_branch"], format!("b{number}"));
    }
    let open: Vec<Value> = crate::support::rows(&world.webhook(&["reviews", "--json"]).stdout);
    assert_eq!(open.len(), 60);
}

/// What somebody says anew of his comment takes its place, his verdict too.
#[test]
fn a_verdict_may_be_edited() {
    let reviews = Reviews::told_as("bitbucket");
    reviews.ask(json!({}));
    reviews.push(&["topic", REQUESTS]);
    let no = reviews.say(json!({ "author": "bob@example.org", "timestamp": "1700000500", "resolved": false }));
    reviews.push(&[COMMENTS]);
    reviews.receiver.take();
    reviews.say(json!({ "author": "bob@example.org", "timestamp": "1700000600", "resolved": true, "original": no }));
    reviews.push(&[COMMENTS]);
    let mut told: Vec<_> =
        reviews.receiver.take().iter().map(|request| request.header("X-Event-Key").to_owned()).collect();
    told.sort();
    assert_eq!(told, ["pullrequest:approved", "pullrequest:changes_request_removed", "pullrequest:comment_updated"]);
}
