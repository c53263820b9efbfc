//! Comments on commits: git's notes.

use serde_json::{Value, json};

use crate::support::{Receiver, World};

/// A repository that tells of notes alone, with one commit on `main`.
fn world(format: &str) -> (Receiver, World) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, format);
    world.configure("webhook.ci.event", "note");
    world.commit("one");
    world.push(&["main"]);
    assert!(receiver.take().is_empty());
    (receiver, world)
}

fn push_notes(world: &World) {
    assert!(world.push(&["refs/notes/commits"]).accepted);
}

/// What was said, and whether in place of something.
fn said(receiver: &Receiver) -> Vec<(String, String)> {
    let told = |json: Value| {
        let attributes = &json["object_attributes"];
        (attributes["note"].as_str().unwrap().to_owned(), attributes["action"].as_str().unwrap().to_owned())
    };
    receiver.take().into_iter().map(|request| told(request.json())).collect()
}

fn one(text: &str, action: &str) -> Vec<(String, String)> {
    vec![(text.into(), action.into())]
}

#[test]
fn a_note_is_a_comment_in_the_shape_of_the_codeup_document() {
    let (receiver, world) = world("codeup");
    world.configure("webhook.homepage", "https://codeup.example.org/demo");
    world.configure("webhook.gitHttpUrl", "https://codeup.example.org/demo.git");
    world.configure("webhook.projectId", "5");
    world.git(&["notes", "add", "-m", "This is a commit comment. How does this work?"]);
    push_notes(&world);
    let request = receiver.take_one();
    assert_eq!(request.header("Codeup-Event"), "Note Hook");
    let json = request.json();
    let commit = world.id("HEAD");
    let id = json["object_attributes"]["id"].as_u64().unwrap();
    assert!(id > 0 && id < 1 << 53);
    let author = &json["user"];
    let page = format!("https://codeup.example.org/demo/commits/{commit}");
    let expected = json!({
        "object_kind": "note",
        "user": { "name": "A U Thor", "username": "author", "avatar_url": "" },
        "project_id": 5,
        "repository": {
            "name": "project",
            "url": "https://codeup.example.org/demo.git",
            "description": "",
            "homepage": "https://codeup.example.org/demo"
        },
        "object_attributes": {
            "id": id,
            "note": "This is a commit comment. How does this work?",
            "noteable_type": "Commit",
            "author_id": json["object_attributes"]["author_id"],
            "created_at": "2023-11-14 22:27:20 UTC",
            "updated_at": "2023-11-14 22:27:20 UTC",
            "project_id": 5,
            "attachment": null,
            "line_code": null,
            "commit_id": commit,
            "noteable_id": null,
            "system": false,
            "st_diff": null,
            "url": format!("{page}#note_{id}")
        },
        "commit": {
            "id": commit,
            "message": "one",
            "timestamp": json["commit"]["timestamp"],
            "url": page,
            "author": { "name": "A U Thor", "email": "author@example.com" }
        }
    });
    assert_eq!(author["username"], "author", "{json:#}");
    // The order of keys is part of it.
    assert_eq!(json.to_string(), expected.to_string());
    assert!(json["object_attributes"]["author_id"].as_u64().unwrap() > 0);
}

#[test]
fn of_a_note_that_was_appended_to_the_new_part_is_told() {
    let (receiver, world) = world("gitlab");
    world.git(&["notes", "add", "-m", "first"]);
    push_notes(&world);
    assert_eq!(said(&receiver), one("first", "create"));
    world.git(&["notes", "append", "-m", "second"]);
    push_notes(&world);
    assert_eq!(said(&receiver), one("second", "create"));
    world.git(&["notes", "add", "-f", "-m", "anew"]);
    push_notes(&world);
    assert_eq!(said(&receiver), one("anew", "update"));
    world.git(&["notes", "remove"]);
    push_notes(&world);
    assert!(said(&receiver).is_empty());
    world.git(&["notes", "add", "-m", "again"]);
    push_notes(&world);
    said(&receiver);
    world.push(&[":refs/notes/commits"]);
    assert!(said(&receiver).is_empty());
}

#[test]
fn each_is_told_under_the_name_of_who_wrote_it() {
    let (receiver, mut world) = world("gitlab");
    world.commit("two");
    world.push(&["main"]);
    world.git(&["notes", "add", "-m", "mine", "HEAD~1"]);
    world.set("GIT_AUTHOR_NAME", "Bob");
    world.set("GIT_AUTHOR_EMAIL", "bob@example.org");
    world.git(&["notes", "add", "-m", "his", "HEAD"]);
    push_notes(&world);
    let mut told: Vec<_> = receiver
        .take()
        .iter()
        .map(|request| {
            let json = request.json();
            (json["object_attributes"]["note"].to_string(), json["user"]["username"].to_string())
        })
        .collect();
    told.sort();
    let expected = [("\"his\"", "\"bob\""), ("\"mine\"", "\"author\"")];
    assert_eq!(told, expected.map(|(note, user)| (note.to_owned(), user.to_owned())));
}

/// 300 notes make git spread them over directories, and each of them moves.
#[test]
fn notes_that_only_moved_to_another_directory_say_nothing_new() {
    let (receiver, world) = world("gitlab");
    world.configure("webhook.maxReviewEvents", "1000");
    world.configure("webhook.maxWait", "60s");
    let import = |from: usize, to: usize| {
        let mut stream = String::new();
        for number in from..to {
            stream += &format!(
                "commit refs/heads/many\nmark :{number}\ncommitter C <c@x> {} +0000\ndata 1\nx\n\n",
                1_700_000_000 + number
            );
        }
        stream += "commit refs/notes/commits\ncommitter C <c@x> 1700000000 +0000\ndata 1\nx\n";
        if from > 1 {
            stream += "from refs/notes/commits^0\n";
        }
        (from..to).for_each(|number| stream += &format!("N inline :{number}\ndata 5\nn{number:04}\n"));
        let mut import = world.command("git", &world.work());
        let output = world.feed(import.args(["fast-import", "--quiet", "--force"]), stream.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    import(1, 200);
    world.push(&["many", "refs/notes/commits"]);
    assert_eq!(receiver.take().len(), 199);
    let depth = || world.git(&["ls-tree", "-r", "--name-only", "refs/notes/commits"]).matches('/').count();
    assert_eq!(depth(), 0);
    let first = world.id("many~198");
    world.git(&["notes", "append", "-m", "one more", &first]);
    import(1000, 1100);
    // git itself spreads them.
    world.git(&["notes", "append", "-m", "and another", &first]);
    assert!(depth() > 0);
    world.push(&["+many", "refs/notes/commits"]);
    let told = said(&receiver);
    assert_eq!(told.len(), 101, "{told:?}");
    assert!(told.contains(&("one more\n\nand another".into(), "create".into())));
}

#[test]
fn a_merge_of_notes_tells_what_it_brought_once() {
    let (receiver, world) = world("gitlab");
    world.git(&["notes", "add", "-m", "base"]);
    push_notes(&world);
    receiver.take();
    world.git(&["notes", "append", "-m", "theirs"]);
    push_notes(&world);
    assert_eq!(said(&receiver), one("theirs", "create"));
    world.git(&["update-ref", "refs/notes/other", "refs/notes/commits~1"]);
    world.commit("two");
    world.git(&["notes", "--ref=other", "add", "-m", "mine"]);
    world.push(&["main"]);
    world.git(&["notes", "merge", "-s", "cat_sort_uniq", "other"]);
    push_notes(&world);
    assert_eq!(said(&receiver), one("mine", "create"));
}

#[test]
fn what_is_no_comment_on_a_commit_is_passed_over() {
    let (receiver, world) = world("gitlab");
    let tree = world.id("HEAD^{tree}");
    world.git(&["notes", "add", "-m", "on a tree", &tree]);
    let blob = world.git_with_input(&["hash-object", "-w", "--stdin"], b"\0\xff");
    world.git(&["notes", "add", "-C", &blob]);
    push_notes(&world);
    assert!(receiver.take().is_empty());
    assert_eq!(world.log(), "");
    // Of a ref that nobody said holds comments.
    world.git(&["notes", "--ref=build", "add", "-m", "elsewhere"]);
    world.push(&["refs/notes/build"]);
    assert!(receiver.take().is_empty());
    world.configure("webhook.notesRef", "refs/notes/build");
    world.git(&["notes", "--ref=build", "append", "-m", "now"]);
    world.push(&["refs/notes/build"]);
    assert_eq!(said(&receiver), one("now", "create"));
}

#[test]
fn too_many_are_not_told_and_too_long_ones_are_cut() {
    let (receiver, world) = world("gitlab");
    world.configure("webhook.maxNote", "1k");
    world.git(&["notes", "add", "-m", &"x".repeat(2000)]);
    push_notes(&world);
    let (text, _) = said(&receiver).remove(0);
    assert_eq!((text.len(), text.ends_with("…")), (1024, true));
    world.configure("webhook.maxReviewEvents", "1");
    world.commit("two");
    world.git(&["notes", "add", "-m", "a"]);
    world.git(&["notes", "append", "-m", "b", "HEAD~1"]);
    world.push(&["main", "refs/notes/commits"]);
    assert!(receiver.take().is_empty());
    assert!(
        world.log().contains("more events of reviews and comments than webhook.maxReviewEvents allows, 1:"),
        "{}",
        world.log()
    );
}

#[test]
fn a_note_waits_and_is_sent_again_as_any_delivery() {
    let (receiver, world) = world("gitlab");
    world.configure("webhook.ci.url", "http://127.0.0.1:9/");
    world.git(&["notes", "add", "-m", "patience"]);
    push_notes(&world);
    let waiting = world.waiting("ci");
    assert_eq!(waiting.len(), 1);
    world.configure("webhook.ci.url", &receiver.url());
    world.webhook(&["flush", "--now"]);
    let first = receiver.take_one();
    assert_eq!(first.json()["object_attributes"]["note"], "patience");
    let id = first.header("Idempotency-Key").to_owned();
    assert!(world.webhook(&["redeliver", &id]).status.success());
    let again = receiver.take_one();
    assert_eq!((again.header("Idempotency-Key"), &again.body), (id.as_str(), &first.body));
}

#[test]
fn notes_of_sha_256_and_of_a_namespace_are_told() {
    let receiver = Receiver::new();
    let mut world = World::with(&["--object-format=sha256"]);
    world.add_target("ci", &receiver, "gitlab");
    world.configure("webhook.ci.event", "note");
    world.commit("one");
    world.set("GIT_NAMESPACE", "team");
    world.git(&["notes", "add", "-m", "long ids"]);
    world.push(&["main", "refs/notes/commits"]);
    assert_eq!(said(&receiver), one("long ids", "create"));
}
