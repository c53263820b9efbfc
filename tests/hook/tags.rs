//! Tags: annotated, lightweight, moved, deleted, and of what is no commit.

use serde_json::{Value, json};

use crate::support::{Receiver, World, ZERO};

fn started(format: &str) -> (World, Receiver) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, format);
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    (world, receiver)
}

/// Pushes refs and returns the one body that came of it.
fn pushed(world: &World, receiver: &Receiver, refs: &[&str]) -> Value {
    assert!(world.push(refs).accepted);
    receiver.take_one().json()
}

#[test]
fn a_lightweight_tag() {
    let (world, receiver) = started("gitlab");
    world.git(&["tag", "v1"]);
    let body = pushed(&world, &receiver, &["v1"]);
    assert_eq!(body["object_kind"], "tag_push");
    assert_eq!(body["before"], ZERO);
    assert_eq!(body["after"], world.id("HEAD"));
    assert_eq!(body["checkout_sha"], world.id("HEAD"));
    assert_eq!(body["message"], Value::Null);
    assert_eq!(body["total_commits_count"], 1);
    assert_eq!(body["commits"][0]["id"], world.id("HEAD"));
}

#[test]
fn an_annotated_tag() {
    let (world, receiver) = started("gitlab");
    world.git(&["tag", "--annotate", "--message", "release\n\nnotes", "v1"]);
    let body = pushed(&world, &receiver, &["v1"]);
    assert_eq!(body["after"], world.id("v1"));
    assert_eq!(body["checkout_sha"], world.id("v1^{commit}"));
    assert_ne!(body["after"], body["checkout_sha"]);
    assert_eq!(body["message"], "release\n\nnotes");
}

#[test]
fn a_moved_tag_tells_where_it_was() {
    let (world, receiver) = started("codeup");
    world.git(&["tag", "v1"]);
    pushed(&world, &receiver, &["v1"]);
    let old = world.id("v1");
    world.commit("two");
    world.git(&["tag", "--force", "v1"]);
    let body = pushed(&world, &receiver, &["v1"]);
    assert_eq!((&body["before"], &body["after"]), (&json!(old), &json!(world.id("HEAD"))));
}

#[test]
fn a_deleted_tag() {
    let (world, receiver) = started("gitlab");
    world.git(&["tag", "v1"]);
    pushed(&world, &receiver, &["v1"]);
    let body = pushed(&world, &receiver, &[":refs/tags/v1"]);
    assert_eq!(body["after"], ZERO);
    assert_eq!(body["checkout_sha"], Value::Null);
    assert_eq!(body["commits"], json!([]));
    assert_eq!(body["total_commits_count"], 0);
}

#[test]
fn bad_116_a_tag_of_a_tag_leads_to_the_commit() {
    let (world, receiver) = started("gitlab");
    world.git(&["tag", "--annotate", "--message", "inner", "inner"]);
    world.git(&["tag", "--annotate", "--message", "outer", "outer", "inner"]);
    let body = pushed(&world, &receiver, &["outer"]);
    assert_eq!(body["after"], world.id("outer"));
    assert_eq!(body["checkout_sha"], world.id("HEAD"));
    assert_eq!(body["message"], "outer");
}

#[test]
fn bad_117_to_121_tags_of_blobs_and_trees_have_no_commit() {
    let (world, receiver) = started("gitlab");
    for (number, object) in ["HEAD:one.txt", "HEAD^{tree}"].iter().enumerate() {
        let (light, annotated) = (format!("light{number}"), format!("annotated{number}"));
        world.git(&["tag", &light, object]);
        world.git(&["tag", "--annotate", "--message", "x", &annotated, object]);
        for name in [light, annotated] {
            let body = pushed(&world, &receiver, &[&name]);
            assert_eq!(body["after"], world.id(&name));
            assert_eq!(body["checkout_sha"], Value::Null);
            assert_eq!(body["commits"], json!([]));
        }
    }
}

#[test]
fn bad_115_a_tag_without_tagger() {
    let (world, receiver) = started("gitlab");
    let tag = format!("object {}\ntype commit\ntag old\n\nvery old\n", world.id("HEAD"));
    let id = world.git_with_input(&["hash-object", "-t", "tag", "-w", "--literally", "--stdin"], tag.as_bytes());
    world.git(&["update-ref", "refs/tags/old", &id]);
    let body = pushed(&world, &receiver, &["old"]);
    assert_eq!((body["after"].as_str(), body["message"].as_str()), (Some(id.as_str()), Some("very old")));
}

#[test]
fn codeup_lists_no_commits_for_a_tag() {
    let (world, receiver) = started("codeup");
    world.git(&["tag", "--annotate", "--message", "x", "v1"]);
    let body = pushed(&world, &receiver, &["v1"]);
    assert_eq!(body["commits"], json!([]));
    assert_eq!(body["total_commits_count"], 0);
    assert_eq!(body["after"], world.id("v1"));
}
