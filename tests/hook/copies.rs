//! Repositories that were copied, moved and restored, and what a backup leaves in one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::{Answer, Ends, Place, Receiver, World, rewrite_record};

/// Runs `git webhook` in a repository.
fn webhook(world: &World, repository: &Path, arguments: &[&str]) -> Output {
    world.command(env!("CARGO_BIN_EXE_git-webhook"), repository).args(arguments).ends()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn copy(world: &World, options: &str, to: &str) -> std::path::PathBuf {
    let to = world.path(to);
    let mut cp = world.command("cp", &world.path(""));
    assert!(cp.arg(options).arg(world.server()).arg(&to).ends().status.success());
    to
}

/// Two deliveries wait for a receiver that is well again.
fn with_backlog() -> (Receiver, World) {
    let receiver = Receiver::in_turn([Answer::Status(503), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.webhook(&["reconcile"]);
    world.push(&["main"]);
    world.commit("two");
    world.push(&["main"]);
    receiver.take();
    assert_eq!(world.waiting("ci").len(), 2);
    (receiver, world)
}

/// The timer's verbs do nothing, and everybody is told why.
#[track_caller]
fn is_displaced(world: &World, repository: &Path, why: &str, way_out: &str) {
    for verb in [&["flush"][..], &["flush", "--now"], &["reconcile"], &["reconcile", "--dry-run"]] {
        let output = webhook(world, repository, verb);
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {}", text(&output));
        assert!(text(&output).contains(why), "{verb:?}: {}", text(&output));
    }
    let output = webhook(world, repository, &["status", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let rows: Vec<Value> = crate::support::rows(&output.stdout);
    assert!(rows.iter().any(|row| row["state"] == "displaced"), "{rows:?}");
    let output = webhook(world, repository, &["check", "--json"]);
    let findings: Vec<Value> = crate::support::rows(&output.stdout);
    let finding = findings.iter().find(|finding| finding["message"].as_str().unwrap().contains(why));
    let finding = finding.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!((output.status.code(), &finding["severity"]), (Some(1), &"error".into()));
    let mend = finding["mend"][0].as_str().unwrap();
    assert!(mend.ends_with(way_out), "{mend}");
}

#[test]
fn a_hard_link_backup_sets_nothing_aside() {
    let (receiver, world) = with_backlog();
    let copied = copy(&world, "-al", "backup.git");
    let output = world.webhook(&["flush", "--now"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(receiver.take().len(), 2);
    assert!(world.dead("ci").is_empty());
    assert_eq!(text(&world.webhook(&["reconcile"])), "nothing was missed\n");
    // Intents and receipts as well.
    world.commit("three");
    world.push(&["main"]);
    world.unsettle();
    fs::hard_link(&world.receipts()[0], world.path("another name")).unwrap();
    world.webhook(&["flush", "--now"]);
    assert!(world.receipts().is_empty() && world.kept(Place::DeadReceipts).is_empty());
    is_displaced(&world, &copied, "this repository is a copy of '", "reconcile --baseline");
}

#[test]
fn a_copy_tells_nothing_of_what_waits_in_the_original_until_it_is_one_of_its_own() {
    let (receiver, world) = with_backlog();
    let copied = copy(&world, "-a", "copy.git");
    let why = format!("this repository is a copy of '{}'", world.server().display());
    is_displaced(&world, &copied, &why, "reconcile --baseline");
    assert!(receiver.take().is_empty());
    let output = webhook(&world, &copied, &["reconcile", "--baseline"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = webhook(&world, &copied, &["flush", "--now"]);
    assert_eq!((output.status.code(), receiver.take().len()), (Some(0), 0), "{}", text(&output));
    // Which nobody needs to look at.
    let output = webhook(&world, &copied, &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&webhook(&world, &copied, &["dead"])).contains("seen"));
    // The original is none the wiser.
    let output = world.webhook(&["flush", "--now"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(receiver.take().len(), 2);
    // Pushes to it are told under ids of their own.
    let third = world.commit("three");
    push_to(&world, &copied);
    assert_eq!(receiver.take_one().json()["after"], third);
}

#[test]
fn pushes_to_a_copy_are_told_as_ever() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let copied = copy(&world, "-a", "copy.git");
    let second = world.commit("two");
    receiver.take();
    push_to(&world, &copied);
    assert_eq!(receiver.take_one().json()["after"], second);
}

/// Pushes `main` to a copy of the repository.
fn push_to(world: &World, copied: &Path) {
    let mut push = world.command("git", &world.work());
    assert!(push.args(["push", "--quiet"]).arg(copied).arg("main").ends().status.success());
}

#[test]
fn what_was_pushed_to_a_copy_stays_its_own_and_goes_past_what_was_copied() {
    let receiver = Receiver::in_turn([Answer::Status(503), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main:other"]);
    world.unsettle();
    fs::write(world.place(Place::Backoff("ci")), "").unwrap();
    let copied = copy(&world, "-a", "copy.git");
    receiver.take();
    let second = world.commit("two");
    push_to(&world, &copied);
    assert_eq!(receiver.take_one().json()["after"], second);
    // Neither is what waits behind a receiver that is ill.
    let third = world.commit("three");
    let mut configure = world.command("git", &copied);
    assert!(configure.args(["config", "webhook.ci.url", "http://127.0.0.1:9"]).ends().status.success());
    push_to(&world, &copied);
    assert!(webhook(&world, &copied, &["reconcile", "--baseline"]).status.success());
    let mut configure = world.command("git", &copied);
    assert!(configure.args(["config", "webhook.ci.url"]).arg(receiver.url()).ends().status.success());
    let output = webhook(&world, &copied, &["flush", "--now"]);
    assert!(output.status.success(), "{}", text(&output));
    let told: Vec<_> = receiver.take().iter().map(|request| request.json()["after"].clone()).collect();
    assert_eq!(told, [third.as_str()]);
    assert!(text(&webhook(&world, &copied, &["dead"])).contains("refs/heads/other"));
}

#[test]
fn what_was_restored_in_the_place_of_another_is_noticed() {
    let (receiver, world) = with_backlog();
    let backup = copy(&world, "-a", "backup.git");
    fs::remove_dir_all(world.server()).unwrap();
    let mut cp = world.command("cp", &world.path(""));
    assert!(cp.arg("-a").arg(&backup).arg(world.server()).ends().status.success());
    // The file system may give the directory the number that the other one had.
    rewrite_record(&world.place(Place::Spool).join("identity"), |json| {
        json["inode"] = fs::metadata(world.place(Place::Spool)).unwrap().ino().into();
    });
    is_displaced(&world, &world.server(), "this repository was moved, copied or restored", "reconcile --adopt");
    assert!(receiver.take().is_empty());
}

#[test]
fn what_was_moved_tells_what_waits_once_it_is_adopted() {
    let (receiver, world) = with_backlog();
    let moved = copy(&world, "-a", "moved.git");
    fs::remove_dir_all(world.server()).unwrap();
    is_displaced(&world, &moved, "this repository was moved, copied or restored", "reconcile --adopt");
    let output = webhook(&world, &moved, &["reconcile", "--adopt"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = webhook(&world, &moved, &["flush", "--now"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(receiver.take().len(), 2);
    assert_eq!(webhook(&world, &moved, &["status"]).status.code(), Some(0));
    // Renamed on its file system it is the same one.
    let renamed = world.path("renamed.git");
    fs::rename(&moved, &renamed).unwrap();
    assert_eq!(webhook(&world, &renamed, &["flush"]).status.code(), Some(0));
    assert_eq!(text(&webhook(&world, &renamed, &["reconcile"])), "nothing was missed\n");
}

#[test]
fn refs_of_a_backup_below_a_newer_state_are_noticed() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let backup = copy(&world, "-a", "backup.git");
    world.commit("two");
    world.push(&["main"]);
    for part in ["objects", "refs"] {
        fs::remove_dir_all(world.server().join(part)).unwrap();
        fs::rename(backup.join(part), world.server().join(part)).unwrap();
    }
    is_displaced(&world, &world.server(), "this repository is older than what was told of it", "reconcile --adopt");
    assert!(world.webhook(&["reconcile", "--adopt"]).status.success());
    assert_eq!(world.webhook(&["status"]).status.code(), Some(0));
    // What is pushed after it is looked at again.
    let third = world.commit("three");
    receiver.take();
    world.push(&["main"]);
    assert_eq!(receiver.take_one().json()["after"], third);
    assert_eq!(world.webhook(&["flush"]).status.code(), Some(0));
}
