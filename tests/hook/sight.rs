//! What nobody may see is an error and never "nothing there", and what status makes of the rest.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::owners::{Shared, as_root, of_nobody, push_as_nobody};
use crate::support::{Answer, Ends, Place, Receiver, World, pre_receive};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// The words of a verb that found nothing.
const NOTHING: [&str; 6] =
    ["nothing waits", "no deliveries", "nothing to redeliver", "no dead letters", "nothing was missed", "all is well"];

/// A verb that cannot read `path` says so, exits as it must, and says nothing besides that would be taken for nothing
/// there.
#[track_caller]
fn is_blind(output: &Output, path: &Path, verb: &str) {
    let text = said(output);
    assert_eq!(code(output), if verb == "status" { 3 } else { 1 }, "{verb}: {text}");
    let why = format!("cannot read '{}': Permission denied", path.display());
    assert!(text.contains(&why), "{verb} does not say that it {why}: {text}");
    // Of another repository, which it names first, it may say so.
    let is_one = !text.contains(".git:\n") && !text.contains(" repositories: ");
    assert!(!is_one || !NOTHING.iter().any(|nothing| text.contains(nothing)), "{verb}: {text}");
}

/// Closes each place of the state to the owner, and asks each verb that has to look there.
#[test]
#[ignore = "needs two users: run tests/run"]
fn what_may_not_be_read_is_an_error_in_every_verb() {
    let world = of_nobody();
    push_as_nobody(&world, &["main:a", "main:b"]);
    let id = world.attempts()[0]["id"].as_str().unwrap().to_owned();
    let status: &[&str] = &["status"];
    let log: &[&str] = &["log"];
    let flush: &[&str] = &["flush", "--now"];
    let dead: &[&str] = &["dead"];
    let check: &[&str] = &["check"];
    let failed: &[&str] = &["redeliver", "--failed"];
    let one: &[&str] = &["redeliver", &id];
    let show: &[&str] = &["show", &id];
    let reconcile: &[&str] = &["reconcile", "--dry-run"];
    let all: &[&[&str]] = &[status, log, flush, failed, one, show, check];
    let [queue, letters, record] =
        [Place::Queue("ci"), Place::Dead("ci"), Place::Queue("ci")].map(|it| world.place(it));
    let record = fs::read_dir(&record).unwrap().map(|entry| entry.unwrap().path());
    // That which was never tried is known by its record alone.
    let is_untried = |path: &PathBuf| path.to_str().unwrap().contains(".0-0.");
    let record = record.into_iter().find(is_untried).unwrap();
    fs::create_dir_all(&letters).unwrap();
    let directory = world.place(Place::State);
    let day = world.place(Place::LogOn(&world.days(Place::Log)[0]));
    let places: [(&Path, &[&[&str]]); 8] = [
        (&directory, &[status, log, flush, dead, failed, one, show, reconcile, check]),
        (&world.place(Place::Queues), all),
        (&queue, all),
        (&record, &[log, check]),
        (&world.place(Place::AllDead), &[status, log, dead, failed, show, check]),
        (&letters, &[status, log, dead, failed, show, check]),
        (&world.place(Place::Log), &[log, failed, one, show, check]),
        (&day, &[log, failed, one, show, check]),
    ];
    let above = world.path("");
    let above = above.to_str().unwrap();
    for (path, verbs) in places {
        let mode = fs::metadata(path).unwrap().permissions();
        chown(path, Some(0), Some(0)).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
        for verb in verbs {
            let root = [verb, &["--root", above][..]].concat();
            let takes_root = !["show"].contains(&verb[0]) && **verb != *one;
            for arguments in [Some(verb.to_vec()), takes_root.then_some(root)].into_iter().flatten() {
                for json in [false, true] {
                    let arguments = [&arguments[..], if json { &["--json"] } else { &[] }].concat();
                    is_blind(&as_root(&world, &world.server(), &arguments), path, verb[0]);
                }
            }
        }
        chown(path, Some(65534), Some(65534)).unwrap();
        fs::set_permissions(path, mode).unwrap();
        // And when it can be read again all is there.
        let output = as_root(&world, &world.server(), &["log", "--json"]);
        assert_eq!(crate::support::rows(&output.stdout).len(), 2, "{}", said(&output));
    }
    // One of many.
    let other = world.path("other.git");
    world.server_git(&["init", "--quiet", "--bare", other.to_str().unwrap()]);
    chown(world.server().join("webhook"), Some(0), Some(0)).unwrap();
    for verb in ["status", "log", "flush"] {
        let root = world.path("");
        let output = as_root(&world, Path::new("/"), &[verb, "--root", root.to_str().unwrap()]);
        is_blind(&output, &world.server().join("webhook"), verb);
    }
    chown(world.server().join("webhook"), Some(65534), Some(65534)).unwrap();
}

/// git passes over it, and so do pushes; but nobody is to take what it says for nothing.
#[test]
#[ignore = "needs two users: run tests/run"]
fn a_users_own_configuration_that_may_not_be_read_is_an_error_in_every_verb() {
    let world = of_nobody();
    world.configure_globally("webhook.own.url", "http://127.0.0.1:1/");
    let own = world.path("home/.gitconfig");
    fs::set_permissions(&own, Permissions::from_mode(0o000)).unwrap();
    push_as_nobody(&world, &["main"]);
    assert!(world.log().contains("home/.gitconfig': Permission denied"), "{}", world.log());
    for verb in [&["list"][..], &["status"], &["flush"], &["log"], &["reconcile", "--dry-run"], &["dead"], &["check"]] {
        for json in [&[][..], &["--json"]] {
            let mut command = world.command(world.path("git-webhook"), &world.server());
            let output = command.args(verb).args(json).uid(65534).gid(65534).ends();
            is_blind(&output, &own, verb[0]);
        }
    }
}

/// A1 of an administrator's day: the state was made by another member of the group, whose supplementary group root has to
/// take along.
#[test]
#[ignore = "needs two users: run tests/run"]
fn root_sees_what_another_member_of_the_group_made() {
    let shared = Shared::new("gitsee");
    let world = &shared.world;
    shared.push(&shared.accounts.users[1], &["one", "two"]);
    let receiver = Receiver::new();
    let server = world.server();
    assert_eq!(fs::metadata(server.join("webhook")).unwrap().permissions().mode() & 0o7777, 0o2770);
    for place in [&["status", "--max-age", "1d"][..], &["log"], &["list"], &["flush"], &["dead"]] {
        let output = as_root(world, &server, place);
        let text = said(&output);
        assert_eq!(code(&output), 0, "{place:?}: {text}");
        assert!(!text.contains("nothing waits") && !text.contains("no deliveries"), "{place:?}: {text}");
    }
    let output = as_root(world, Path::new("/"), &["status", "--json", "--root", world.path("").to_str().unwrap()]);
    let rows: Vec<Value> = crate::support::rows(&output.stdout);
    assert_eq!((rows[0]["state"].as_str(), rows[0]["waiting"].as_u64()), (Some("failing"), Some(2)), "{rows:?}");
    world.server_git(&["config", "--file", "config", "webhook.ci.url", &receiver.url()]);
    let output = as_root(world, &server, &["flush", "--now"]);
    assert!(said(&output).contains("ci: 2 delivered"), "{}", said(&output));
}

#[track_caller]
fn status_is(world: &World, expected: i32) {
    let output = world.webhook(&["status"]);
    assert_eq!(code(&output), expected, "{}", said(&output));
    let json = world.webhook(&["status", "--json"]);
    assert_eq!(code(&json), expected);
    crate::support::rows(&json.stdout);
}

#[test]
fn status_is_0_1_2_or_3() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(404), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    status_is(&world, 0);
    world.commit("one");
    world.push(&["main"]);
    // It will be in time; an hour later it is late.
    status_is(&world, 0);
    thread::sleep(Duration::from_millis(2100));
    let late = world.webhook(&["status", "--max-age", "1s"]);
    assert_eq!(code(&late), 1, "{}", said(&late));
    // What somebody has switched off is not late.
    world.webhook(&["disable", "ci"]);
    status_is(&world, 0);
    world.webhook(&["enable", "ci"]);
    world.configure("webhook.wrong.url", "ftp://x/");
    status_is(&world, 2);
    world.configure("webhook.wrong.enabled", "false");
    world.server_git(&["config", "--remove-section", "webhook.wrong"]);
    fs::write(world.server().join("config"), "[").unwrap();
    let unreadable = world.webhook(&["status"]);
    assert_eq!(code(&unreadable), 3, "{}", said(&unreadable));
    let nowhere = world.command(env!("CARGO_BIN_EXE_git-webhook"), &world.path("home")).arg("status").ends();
    assert_eq!(code(&nowhere), 3, "{}", said(&nowhere));
}

/// What waits becomes dead letters of the target, which is there again afterwards.
fn become_dead(world: &World, receiver: &Receiver) {
    let output = world.webhook(&["remove", "ci"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    world.add_target("ci", receiver, "gitlab");
}

/// A world with dead letters, and their ids.
fn with_dead_letters(receiver: &Receiver) -> (World, Vec<String>) {
    let world = World::told_to(receiver, "gitlab");
    world.commit("one");
    world.push(&["main:a", "main:b", "main:c"]);
    become_dead(&world, receiver);
    let rows: Vec<Value> = crate::support::rows(&world.webhook(&["dead", "--json"]).stdout);
    (world, rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn a_dead_letter_alarms_until_it_is_seen_dropped_or_redelivered() {
    let receiver = Receiver::answering(Answer::Status(404));
    let (world, ids) = with_dead_letters(&receiver);
    assert_eq!(ids.len(), 3, "{}", said(&world.webhook(&["status"])));
    status_is(&world, 2);
    let listed = said(&world.webhook(&["dead"]));
    assert!(listed.contains("refs/heads/a") && listed.contains("answered 404") && listed.contains("new"), "{listed}");

    assert_eq!(
        said(&world.webhook(&["dead", "--seen"])),
        "3 dead letters seen: git webhook status alarms for new ones\n"
    );
    status_is(&world, 0);
    assert!(said(&world.webhook(&["status"])).contains("3 (seen)"));
    assert!(!said(&world.webhook(&["check"])).contains("dead letters"));

    // A new one alarms again.
    world.push(&["main:d"]);
    become_dead(&world, &receiver);
    status_is(&world, 2);
    assert!(said(&world.webhook(&["status"])).contains("4 (1 new)"), "{}", said(&world.webhook(&["status"])));

    let rows: Vec<Value> = crate::support::rows(&world.webhook(&["dead", "--json"]).stdout);
    let new = rows.iter().find(|row| row["state"] == "new").unwrap();
    let id = new["id"].as_str().unwrap();
    for (wrong, why) in [
        (&["dead", "--drop"][..], "which dead letters?"),
        (&["dead", "--drop", "ffffffff"], "no dead letter 'ffffffff'"),
        (&["dead", "--drop", "0000"], "begins 4 dead letters"),
        (&["dead", "--drop", "00"], "at least four"),
        (&["dead", "--drop", "--all", "--target", "nosuch"], "no target 'nosuch'"),
    ] {
        let output = world.webhook(wrong);
        assert!(code(&output) == 1 && said(&output).contains(why), "{wrong:?}: {}", said(&output));
    }
    assert_eq!(world.webhook(&["dead", "--drop", "--seen", "--all"]).status.code(), Some(129));
    assert_eq!(said(&world.webhook(&["dead", "--drop", &id[..8]])), "1 dead letter dropped\n");
    status_is(&world, 0);
    assert_eq!(world.dead("ci").len(), 3);
    assert_eq!(code(&world.webhook(&["redeliver", id])), 1, "it is gone for good");

    assert_eq!(said(&world.webhook(&["dead", "--drop", "--all"])), "3 dead letters dropped\n");
    assert!(world.dead("ci").is_empty() && world.kept(Place::Dead("ci")).is_empty(), "bodies go too");
    assert_eq!(said(&world.webhook(&["dead"])), "no dead letters\n");
}

#[test]
fn a_dead_letter_that_is_redelivered_alarms_no_more() {
    let receiver =
        Receiver::in_turn([Answer::Status(404), Answer::Status(404), Answer::Status(404), Answer::Status(200)]);
    let (world, ids) = with_dead_letters(&receiver);
    assert_eq!(ids.len(), 3);
    status_is(&world, 2);
    assert_eq!(code(&world.webhook(&["redeliver", "--failed"])), 0);
    status_is(&world, 0);
    assert_eq!(said(&world.webhook(&["dead"])), "no dead letters\n");
}

/// F9 of real servers: git refuses a push after our hook has written down its intent.
#[test]
fn a_push_that_was_refused_alarms_nobody() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let commit = world.commit("one");
    let update = format!("{} {commit} refs/heads/main\n", crate::support::ZERO);
    world.feed(&mut pre_receive(&world), update.as_bytes());
    assert_eq!(world.intents().len(), 1);
    world.age(7200);
    status_is(&world, 0);
    assert!(!said(&world.webhook(&["status"])).contains("untold"));
    let server = world.server().to_str().unwrap().to_owned();
    // Where the ref has moved it is a push that nobody told of.
    world.git(&[
        "push",
        "--quiet",
        "--receive-pack=git -c core.hooksPath=/nowhere receive-pack",
        &server,
        "main:other",
    ]);
    world.server_git(&["update-ref", "refs/heads/main", &commit]);
    let output = world.webhook(&["status"]);
    assert!(said(&output).contains("untold"), "{}", said(&output));
}

#[test]
fn a_410_is_told_as_what_it_is() {
    let receiver = Receiver::in_turn([Answer::Status(410), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    assert_eq!(
        world.push(&["main"]).said(),
        [
            "webhook ci: not delivered: main (answered 410: gone for good); kept until the administrator enables it again"
        ]
    );
    assert_eq!(
        world.push(&["main:b"]).said(),
        [
            "webhook ci: not delivered: b (the receiver answered 410 before); kept until the administrator enables it again"
        ]
    );
    let log = said(&world.webhook(&["log"]));
    assert!(log.contains("answered 410: gone for good; waits for git webhook enable ci"), "{log}");
    let rows: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    assert!(rows.iter().all(|row| row["next"].is_null() && row["waits_for"] == "waits for git webhook enable ci"));
    let show = said(&world.webhook(&["show", rows[1]["id"].as_str().unwrap()]));
    assert!(show.contains("waiting, waits for git webhook enable ci") && !show.contains("tried again at"), "{show}");
    let list = said(&world.webhook(&["list"]));
    assert!(list.contains("parked (410), waits for git webhook enable ci"), "{list}");
    let status = said(&world.webhook(&["status"]));
    assert!(status.contains("parked") && status.contains("waits for git webhook enable ci"), "{status}");
    assert!(!status.contains(" in "), "{status}");
    status_is(&world, 2);
    assert!(said(&world.webhook(&["flush"])).contains("ci: 2 waiting (parked"));
    world.webhook(&["enable", "ci"]);
    assert_eq!(said(&world.webhook(&["flush", "--now"])), "ci: 2 delivered\n");
    status_is(&world, 0);
}

/// However long it failed before.
#[test]
fn a_410_parks_a_target_whose_time_is_up() {
    let mut answers = vec![Answer::Status(500); 8];
    answers.push(Answer::Status(410));
    let receiver = Receiver::in_turn(answers);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    for _ in 0..7 {
        world.webhook(&["flush", "--now"]);
    }
    world.configure("webhook.ci.retryFor", "1s");
    thread::sleep(Duration::from_millis(1100));
    world.webhook(&["flush", "--now"]);
    let status = said(&world.webhook(&["status"]));
    assert!(status.contains("parked") && !status.contains(" in "), "{status}");
    status_is(&world, 2);
}

/// What it cannot see was told, reconcile does not tell again.
#[test]
#[ignore = "needs two users: run tests/run"]
fn reconcile_announces_nothing_where_it_cannot_see() {
    let world = of_nobody();
    as_root(&world, &world.server(), &["reconcile", "--baseline"]);
    push_as_nobody(&world, &["main:a"]);
    let settled = world.place(Place::Settled);
    chown(&settled, Some(0), Some(0)).unwrap();
    fs::set_permissions(&settled, Permissions::from_mode(0o700)).unwrap();
    let output = as_root(&world, &world.server(), &["reconcile"]);
    let text = said(&output);
    assert!(code(&output) == 1 && text.contains("Permission denied") && !text.contains("announced"), "{text}");
    assert!(world.receipts().is_empty());
    chown(&settled, Some(65534), Some(65534)).unwrap();
}

/// One of many that whoever asks may not even enter.
#[test]
#[ignore = "needs two users: run tests/run"]
fn a_directory_that_cannot_be_looked_into_is_told_of() {
    let world = of_nobody();
    let closed = world.path("closed.git");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    for verb in ["status", "log", "list", "flush", "dead", "check"] {
        let mut command = world.command("setpriv", Path::new("/"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(world.path("git-webhook"));
        let output = command.args([verb, "--root"]).arg(world.path("")).ends();
        let text = said(&output);
        assert_eq!(code(&output), if verb == "status" { 3 } else { 1 }, "{verb}: {text}");
        assert!(
            text.contains(&format!("error: cannot read '{}': Permission denied", closed.display())),
            "{verb}: {text}"
        );
    }
}

/// Receivers that refuse are no failure of flush's; what it could not do is.
#[test]
fn flush_exits_as_the_manual_says() {
    let receiver = Receiver::answering(Answer::Status(500));
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let output = world.webhook(&["flush", "--now"]);
    assert!(code(&output) == 0 && said(&output).contains("1 failed"), "{}", said(&output));
    world.configure("webhook.wrong.url", "ftp://x/");
    assert_eq!(code(&world.webhook(&["flush"])), 1);
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/man/git-webhook.1")).unwrap();
    assert!(
        manual.contains("0 when all that was due was tried, whatever the receivers answered; 1 when a target is wrong")
    );
}
