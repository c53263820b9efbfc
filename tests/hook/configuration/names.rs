//! Names of targets: those that can be, and those that cannot.

use super::*;

#[test]
fn names_that_targets_can_have() {
    let world = World::new();
    let names = ["a", "0", "CI", "a.b", "a_b-c", "x".repeat(64).as_str()].map(String::from);
    for name in &names {
        world.configure(&format!("webhook.{name}.url"), "http://h/");
    }
    let listed = list(&world);
    listed.is_well();
    assert_eq!(listed.rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
}

#[test]
fn bad_144_145_names_that_targets_cannot_have() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let names = ["", ".a", "-a", "_a", "a b", "a/b", "é", "a\u{1b}[31m", "\u{202e}a", "a:b", "$(id)", &"x".repeat(65)];
    for name in names {
        add(&world, format!("[webhook \"{name}\"]\nurl = {}\n", receiver.url()));
    }
    let pushed = push(&world);
    receiver.take_one();
    assert_eq!(pushed.said.len(), names.len() + 1);
    assert!(!pushed.output.contains("\u{1b}[31m") && !pushed.output.contains('\u{202e}'), "{}", pushed.output);
    let listed = list(&world);
    for name in names {
        let name = if name == "a/b" { "a…" } else { name };
        let expected = format!("webhook '{name}': is no target's name: write at most 64 letters");
        assert!(listed.error(name).starts_with(&expected), "{}", listed.error(name));
    }
    assert!(!listed.said.contains('\u{1b}') && !listed.said.contains('\u{202e}'), "{}", listed.said);
}

/// As one may write it, thinking of git's own `url.<base>.insteadOf`.
#[test]
fn a_url_in_place_of_a_name_is_not_shown() {
    let world = World::new();
    add(&world, "[webhook \"https://canary@hooks.example/T0/canary?canary\"]\nformat = codeup\nunknwon = x\n");
    add(&world, format!("[webhook \"{}\"]\nformat = codeup\n", "long".repeat(1 << 20)));
    let told = push(&world);
    let listed = list(&world);
    assert_eq!((listed.code, &listed.rows[0]["name"]), (Some(1), &json!("https:…")));
    for text in [&told.output, &world.log(), &listed.said, &format!("{:?}", listed.rows)] {
        assert!(!text.contains("canary") && text.len() < 4000, "{:.5000}", text);
    }
}

#[test]
fn a_name_that_is_not_utf8_or_has_a_nul_is_none() {
    let world = World::new();
    add(&world, b"[webhook \"a\xff\"]\nurl = http://h/\n[webhook \"a\0b\"]\nurl = http://h/\n");
    let listed = list(&world);
    assert!(listed.error("a\u{fffd}").contains("is no target's name"));
    assert!(listed.error("a\0b").contains("is no target's name"));
}
