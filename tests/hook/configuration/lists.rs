//! Keys that take several values: how they add up, and how they begin anew.

use super::*;

/// The refs that `ci` has with these lines in the user's and in the repository's file.
fn refs(global: &str, local: &str) -> Value {
    let world = World::new();
    add_globally(&world, global);
    add(&world, format!("[webhook \"ci\"]\nurl = http://h/\n{local}"));
    let listed = list(&world);
    listed.is_well();
    listed.target("ci")["ref"].clone()
}

#[test]
fn several_values_of_several_words_add_up() {
    assert_eq!(refs("", "ref = a b\nref = \" c\\td\\ne\"\n"), json!(["a", "b", "c", "d", "e"]));
}

#[test]
fn values_of_several_files_add_up() {
    assert_eq!(refs("[webhook]\nref = a\n", "[webhook]\nref = b\n"), json!(["a", "b"]));
}

#[test]
fn an_empty_value_clears_what_came_before() {
    assert_eq!(refs("", "ref = a\nref =\nref = b\n"), json!(["b"]));
    assert_eq!(refs("[webhook]\nref = a\n", "[webhook]\nref =\nref = b\n"), json!(["b"]));
    assert_eq!(refs("[webhook]\nref = a\n", "ref = \"\"\n"), json!([]));
}

#[test]
fn a_target_s_own_list_replaces_the_default_list() {
    assert_eq!(refs("[webhook]\nref = a\n", "ref = b\n"), json!(["b"]));
    assert_eq!(refs("[webhook]\nref = a\n", "ref =\n"), json!([]));
}

#[test]
fn a_list_key_without_value_is_an_error_and_clears_nothing() {
    let world = World::new();
    for key in ["ref", "event", "header", "signingSecret", "signingSecretFile"] {
        add(&world, format!("[webhook \"{key}\"]\nurl = http://h/\n{key}\n"));
    }
    let listed = list(&world);
    for key in ["ref", "event", "header", "signingSecret", "signingSecretFile"] {
        let expected = format!("webhook.{key}.{key}: has no value: write key = value (in '");
        assert!(listed.error(key).starts_with(&expected), "{}", listed.error(key));
    }
}

#[test]
fn all_stands_for_every_event() {
    let world = World::new();
    world.configure("webhook.ci.url", "http://h/");
    world.configure("webhook.ci.event", "all");
    let every = json!(["push", "tag_push", "note", "merge_request"]);
    assert_eq!(list(&world).target("ci")["event"], every);
}
