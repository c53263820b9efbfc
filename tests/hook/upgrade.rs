//! What a program of before left behind: states that one with records of version 1 made (`tests/fixtures/spool-v1`); and
//! what a later program wrote that this one does not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use git_webhook::identifier;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Place, Receiver, Request, World, ZERO, name, pre_receive, read_record, rewrite_record};

/// The targets of the fixtures and their formats, but for those whose names are wrong.
const TARGETS: [(&str, &str); 10] = [
    ("ci", "gitlab"),
    ("one", "codeup"),
    ("two", "codeup"),
    ("whole", "bitbucket"),
    ("parked", "gitea"),
    ("cut", "slack"),
    ("done", "github"),
    ("hang", "gitlab"),
    ("broken", "gitlab"),
    ("removed", "gitlab"),
];

const NONE: [PathBuf; 0] = [];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-v1")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// What `target` of the fixtures had open when they were made: target, ref, id.
fn expected() -> BTreeSet<(String, String, String)> {
    let lines = fs::read_to_string(fixtures().join("delivered")).unwrap();
    let row = |line: &str| {
        let (target, rest) = line.split_once(' ').unwrap();
        let (name, id) = rest.rsplit_once(' ').unwrap();
        (target.to_owned(), name.to_owned(), id.to_owned())
    };
    lines.lines().map(row).collect()
}

/// A repository in that state, each target with a receiver that is well; those of wrong names are not mended yet.
struct Old {
    world: World,
    receiver: Receiver,
}

impl Old {
    fn new() -> Self {
        let (world, receiver) = (World::new(), Receiver::new());
        let stream = fs::read(fixtures().join("repository")).unwrap();
        let mut import = world.command("git", &world.server());
        assert!(world.feed(import.args(["fast-import", "--quiet"]), &stream).status.success());
        copy(&fixtures().join("webhook"), &world.place(Place::State));
        world.configure("webhook.homepage", "https://git.example.com/{repository}");
        // The fixtures grow old.
        world.configure("webhook.keepLog", "36500d");
        let old = Self { world, receiver };
        TARGETS.iter().for_each(|(name, format)| old.add(name, format));
        old
    }

    fn add(&self, name: &str, format: &str) {
        self.world.configure(&format!("webhook.{name}.url"), &format!("{}/{name}", self.receiver.origin()));
        self.world.configure(&format!("webhook.{name}.format"), format);
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.world.webhook(arguments);
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
        said(&output)
    }

    /// What came in since this was asked last, as target and id, each once.
    fn heard(&self) -> BTreeSet<(String, String)> {
        let requests = self.receiver.take();
        let heard: Vec<_> = requests.iter().map(|request| (request.path[1..].to_owned(), id_of(request))).collect();
        let set: BTreeSet<_> = heard.iter().cloned().collect();
        assert_eq!(set.len(), heard.len(), "something came twice: {heard:#?}");
        set
    }
}

/// The delivery's id, wherever the forge of its format has it.
fn id_of(request: &Request) -> String {
    let names = ["Idempotency-Key", "X-GitHub-Delivery", "X-Gitea-Delivery", "X-Request-UUID"];
    let ids = names.iter().map(|name| request.header(name)).find(|id| !id.is_empty());
    ids.unwrap_or_else(|| panic!("{:#?}", request.headers)).to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The deliveries for `target` that these pushes make, of the event that each of their lines has in `format`.
fn of_pushes(records: &[PathBuf], target: &str, event: &str) -> BTreeSet<(String, String)> {
    let id = |line: &Value| {
        let event_id: Uuid = line["event"].as_str().unwrap().parse().unwrap();
        (target.to_owned(), identifier::delivery(event_id, target, event).to_string())
    };
    let lines = records.iter().flat_map(|record| {
        let json = read_record(record);
        let push = json.get("push").or(json.get("receipt")).unwrap_or(&json);
        push["lines"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    });
    lines.collect()
}

#[test]
fn nothing_is_lost_that_waited_or_was_a_dead_letter() {
    let old = Old::new();
    let expected: BTreeSet<_> = expected().into_iter().map(|(target, _, id)| (target, id)).collect();
    let said = old.run(&["enable", "parked"]) + &old.run(&["flush", "--now"]);
    let flushed = old.heard();
    let redelivered = old.run(&["redeliver", "--failed"]);
    let redelivered_ids = old.heard();
    assert_eq!(redelivered_ids.len(), 5, "{redelivered}");
    assert_eq!(&flushed | &redelivered_ids, expected, "{said}{redelivered}");
    assert!(flushed.is_disjoint(&redelivered_ids));
    let said = old.run(&["flush", "--now"]);
    assert!(said.lines().any(|line| line == "ci: 1 dead"), "{said}");
    // Of the targets that are configured nothing waits any more.
    let waiting: Vec<_> = TARGETS.iter().flat_map(|(name, _)| old.world.waiting(name)).collect();
    assert_eq!([old.world.intents(), old.world.receipts(), waiting].concat(), NONE);
}

/// Where programs of version 1 kept pushes for targets called `team/…`.
const TEAM: &str = "_2a68a34bb2914f95";

/// The same for `lost@…`, of which they had set the pushes aside.
const LOST: &str = "_4a0bbcbfa63b7076";

/// What the pushes that waited for `team/…` come to for a target in its place.
fn of_team(old: &Old, target: &str, event: &str) -> BTreeSet<(String, String)> {
    let pushes = old.world.waiting(TEAM);
    assert_eq!(pushes.len(), 2);
    of_pushes(&pushes, target, event)
}

/// The ids of what these targets heard since this was asked last.
fn heard_by(old: &Old, targets: &[&str]) -> BTreeSet<(String, String)> {
    old.heard().into_iter().filter(|(target, _)| targets.contains(&target.as_str())).collect()
}

/// Version 1 kept the pushes of both in one directory.
#[test]
fn pushes_for_wrong_names_that_looked_alike_are_told_to_each_once_it_is_mended() {
    let old = Old::new();
    let (ci, chat) = (of_team(&old, "team-ci", "Push Hook"), of_team(&old, "team-chat", "push"));
    old.add("team/ci", "gitlab");
    old.add("team/chat", "slack");
    old.run(&["flush"]);
    assert_eq!(old.world.waiting(TEAM), NONE);
    old.heard();
    old.world.server_git(&["config", "--rename-section", "webhook.team/ci", "webhook.team-ci"]);
    old.world.server_git(&["config", "webhook.team-ci.url", &format!("{}/team-ci", old.receiver.origin())]);
    old.run(&["flush", "--now"]);
    let heard = heard_by(&old, &["team-ci", "team-chat"]);
    assert!(heard.is_superset(&ci), "{heard:?} {ci:?}");
    assert!(heard.iter().all(|(target, _)| target == "team-ci"), "{heard:?}");
    old.world.server_git(&["config", "--rename-section", "webhook.team/chat", "webhook.team-chat"]);
    old.world.server_git(&["config", "webhook.team-chat.url", &format!("{}/team-chat", old.receiver.origin())]);
    old.run(&["flush", "--now"]);
    let heard = heard_by(&old, &["team-ci", "team-chat"]);
    assert!(heard.is_superset(&chat), "{heard:?} {chat:?}");
    assert!(heard.iter().all(|(target, _)| target == "team-chat"), "{heard:?}");
}

#[test]
fn pushes_for_wrong_names_are_told_though_these_were_mended_before_the_upgrade() {
    let old = Old::new();
    let (ci, chat) = (of_team(&old, "team-ci", "Push Hook"), of_team(&old, "team-chat", "push"));
    old.add("team-ci", "gitlab");
    old.add("team/chat", "slack");
    let said = old.run(&["flush", "--now"]);
    let heard = heard_by(&old, &["team-ci"]);
    assert!(heard.is_superset(&ci), "{heard:?} {ci:?} {said}");
    old.world.server_git(&["config", "--rename-section", "webhook.team/chat", "webhook.team-chat"]);
    old.world.server_git(&["config", "webhook.team-chat.url", &format!("{}/team-chat", old.receiver.origin())]);
    old.run(&["flush", "--now"]);
    let heard = heard_by(&old, &["team-ci", "team-chat"]);
    assert!(heard.is_superset(&chat) && heard.iter().all(|(target, _)| target == "team-chat"), "{heard:?}");
}

/// A push that the log shows to have been told to a target was none that waited for it under another name.
#[test]
fn a_target_that_was_told_already_does_not_take_over_what_waited_for_a_wrong_name() {
    let old = Old::new();
    // It begins as the wrong names did.
    old.add("team-done", "github");
    let day = old.world.days(Place::Log)[0].clone();
    let log = old.world.place(Place::LogOn(&day));
    let lines = fs::read_to_string(&log).unwrap();
    fs::write(&log, lines.replace("\"target\":\"done\"", "\"target\":\"team-done\"")).unwrap();
    old.run(&["flush", "--now"]);
    assert_eq!(old.world.waiting(TEAM).len(), 2);
    let status = old.run(&["status"]);
    let row = status.lines().find(|line| line.starts_with(TEAM)).unwrap_or_default();
    assert_eq!(row.split_whitespace().take(3).collect::<Vec<_>>(), [TEAM, "removed", "2"], "{status}");
}

#[test]
fn a_dead_letter_of_a_wrong_name_is_one_of_the_target_in_its_place() {
    let old = Old::new();
    let pushes = old.world.dead(LOST).len();
    assert_eq!(pushes, 2);
    old.add("lost-ci", "gitlab");
    old.run(&["flush", "--now"]);
    assert_eq!((old.world.dead(LOST).len(), old.world.dead("lost-ci").len()), (0, pushes));
    let expected = of_pushes(&old.world.dead("lost-ci"), "lost-ci", "Push Hook");
    old.heard();
    let said = old.run(&["redeliver", "--failed", "--target", "lost-ci"]);
    assert_eq!(heard_by(&old, &["lost-ci"]), expected, "{said}");
}

#[test]
fn log_show_and_reconcile_read_what_was_written_before() {
    let old = Old::new();
    let rows: Value = crate::support::rows(old.run(&["log", "--json"]).as_bytes()).into();
    let states = |wanted: &str| rows.as_array().unwrap().iter().filter(|row| row["state"] == wanted).count();
    // Five deliveries, and three events of pushes that waited for a wrong name.
    assert_eq!((states("delivered"), states("dead")), (4, 5 + 3), "{rows:#}");
    let show = |state: &str| {
        let row = rows.as_array().unwrap().iter().rfind(|row| row["state"] == state).unwrap();
        let shown = old.run(&["show", row["id"].as_str().unwrap()]);
        assert!(shown.contains(row["event_id"].as_str().unwrap()), "{shown}");
        shown
    };
    show("waiting");
    show("dead");
    // A ref that moved since the snapshot though no hook was told.
    let ids = old.world.rev_list(&["main"]);
    old.world.server_git(&["update-ref", "refs/heads/topic", &ids[0]]);
    old.run(&["flush", "--now"]);
    old.heard();
    // GitHub has more keys since, Codeup's document is as it was.
    assert!(show("delivered").contains("built again, and not what was sent"), "{}", show("delivered"));
    let rows: Value = crate::support::rows(old.run(&["log", "--json", "--target", "one"]).as_bytes()).into();
    let row = rows.as_array().unwrap().iter().find(|row| row["state"] == "delivered").unwrap();
    let shown = old.run(&["show", row["id"].as_str().unwrap()]);
    assert!(shown.contains("built again, the same as was sent"), "{shown}");
    let said = old.run(&["reconcile", "--dry-run"]);
    assert_eq!(said.lines().filter(|line| line.contains("refs/heads/")).count(), 1, "{said}");
    assert!(said.contains("refs/heads/topic"), "{said}");
}

/// The number of the last push was written down in a run of the machine that is over.
#[test]
fn numbers_go_on_where_they_were() {
    let old = Old::new();
    old.run(&["flush", "--now"]);
    let last = old.world.settled().iter().map(|receipt| name(receipt)).max().unwrap();
    assert_eq!(last.split_once('.').unwrap().0, "000000000004", "the intent's");
}

#[test]
fn what_waited_beside_deliveries_becomes_a_dead_letter_with_them() {
    let old = Old::new();
    // It was right once, and wrong then.
    for push in old.world.waiting("broken") {
        fs::copy(&push, old.world.place(Place::Queue("ci")).join(name(&push))).unwrap();
    }
    let (waiting, dead) = (old.world.waiting("ci").len(), old.world.dead("ci").len());
    assert_eq!((waiting, dead), (4, 1));
    fs::remove_dir_all(old.world.place(Place::Dead("ci"))).unwrap();
    let said = old.run(&["remove", "ci"]);
    assert!(!said.contains("cannot"), "{said}");
    assert_eq!((old.world.waiting("ci").len(), old.world.dead("ci").len()), (0, 4), "{said}");
}

/// Version 1 gave each number five digits, and six to those of a push of more than 16,384 refs.
#[test]
fn numbers_of_version_1_that_are_wider_than_others_are_read() {
    let old = Old::new();
    let wide = |path: &Path| path.with_file_name(name(path).replacen("-00004.", "-65540.", 1));
    let kept = [old.world.kept(Place::Queue("two")), old.world.kept(Place::Dead("removed"))].concat();
    let kept: Vec<_> = kept.iter().filter(|path| name(path).contains("-00004.")).collect();
    assert_eq!(kept.len(), 4, "two records with their bodies");
    kept.iter().for_each(|path| fs::rename(path, wide(path)).unwrap());
    let said = old.run(&["flush", "--now"]) + &old.run(&["redeliver", "--failed", "--target", "removed"]);
    let ids: BTreeSet<_> = kept.iter().map(|path| name(path).split('.').nth(1).unwrap().to_owned()).collect();
    let heard: BTreeSet<_> = old.heard().into_iter().map(|(_, id)| id).collect();
    assert_eq!(old.world.kept(Place::Queue("two")), NONE, "{said}");
    let topics = expected()
        .into_iter()
        .filter(|(target, name, _)| name == "refs/heads/topic" && ["two", "removed"].contains(&target.as_str()));
    let topics: BTreeSet<_> = topics.map(|(_, _, id)| id).collect();
    assert!(ids.len() >= 2 && topics.is_subset(&heard), "{heard:?} {said}");
}

/// Has a later program have written a record.
fn note(record: &Path) {
    rewrite_record(record, |json| {
        let fields = if json["delivery"].is_null() { json } else { &mut json["delivery"] };
        // Of what is written of one thing as well.
        for name in ["host", "line"] {
            if fields[name].is_object() {
                fields[name]["later"] = json!("y");
            }
        }
        for line in fields["lines"].as_array_mut().into_iter().flatten() {
            line["later"] = json!("y");
        }
        fields["later"] = json!({ "x": [1, null] });
    });
}

#[track_caller]
fn has_note(record: &Path) {
    let json = read_record(record);
    let fields = json.get("delivery").unwrap_or(&json);
    assert_eq!(fields["later"], json!({ "x": [1, null] }), "{}", record.display());
    let within = ["host", "line"].map(|name| &fields[name]).into_iter().filter(|field| field.is_object());
    for field in within.chain(fields["lines"].as_array().into_iter().flatten()) {
        assert_eq!(field["later"], "y", "{}: {field}", record.display());
    }
}

/// Announces updates that create these refs and moves the refs, but runs no post-receive.
fn announced(world: &World, refs: &[&str]) -> String {
    let id = world.commit("one");
    let created = |name: &&str| format!("{ZERO} {id} refs/heads/{name}\n");
    let lines: String = refs.iter().map(created).collect();
    world.feed(&mut pre_receive(world), lines.as_bytes());
    world.server_git(&["fetch", "--quiet", world.work().to_str().unwrap(), "main"]);
    refs.iter().for_each(|name| drop(world.server_git(&["update-ref", &format!("refs/heads/{name}"), &id])));
    note(&world.intents()[0]);
    lines
}

#[test]
fn what_is_unknown_of_a_push_is_handed_on() {
    // All that was announced was accepted; half of it; and nobody came who said so.
    for told in [2, 1, 0] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let lines = announced(&world, &["a", "b"]);
        if told > 0 {
            let told: String = lines.lines().take(told).map(|line| format!("{line}\n")).collect();
            world.feed(&mut world.hook(), told.as_bytes());
        }
        if told < 2 {
            world.machine_restarts();
            world.webhook(&["flush"]);
        }
        assert_eq!((receiver.take().len(), world.intents().len()), (2, 0), "{told}");
        let settled = world.settled();
        assert!(!settled.is_empty());
        settled.iter().for_each(|receipt| has_note(receipt));
    }
}

#[test]
fn what_is_unknown_of_a_push_that_waits_for_a_name_is_handed_on() {
    let receiver = Receiver::new();
    let world = World::new();
    world.add_target("team/ci", &receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let directory = name(&world.files(Place::Deferred("").path().to_str().unwrap())[0]);
    note(&world.waiting(&directory)[0]);
    world.server_git(&["config", "--rename-section", "webhook.team/ci", "webhook.team-ci"]);
    world.configure("webhook.team-ci.timeout", "soon");
    world.webhook(&["flush"]);
    assert_eq!(world.waiting("team-ci"), NONE, "nobody knows who is in its place while that is wrong");
    has_note(&world.waiting(&directory)[0]);
    world.server_git(&["config", "--unset", "webhook.team-ci.timeout"]);
    world.server_git(&["config", "webhook.team-ci.enabled", "false"]);
    world.webhook(&["flush"]);
    has_note(&world.waiting("team-ci")[0]);
}

#[test]
fn what_is_unknown_of_a_delivery_and_its_target_is_handed_on() {
    let receiver = Receiver::answering(Answer::Status(500));
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    note(&world.waiting("ci")[0]);
    note(&world.place(Place::Backoff("ci")));
    world.webhook(&["flush", "--now"]);
    has_note(&world.waiting("ci")[0]);
    has_note(&world.place(Place::Backoff("ci")));
    world.webhook(&["remove", "ci"]);
    has_note(&world.dead("ci")[0]);
    world.add_target("ci", &receiver, "gitlab");
    world.webhook(&["redeliver", "--failed"]);
    has_note(&world.waiting("ci")[0]);
    assert_eq!(receiver.take().len(), 3);
}

#[test]
fn what_is_unknown_of_the_snapshot_is_handed_on() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.webhook(&["reconcile", "--baseline"]);
    note(&world.place(Place::Snapshot));
    world.server_git(&["update-ref", "refs/heads/b", "refs/heads/main"]);
    world.webhook(&["reconcile"]);
    assert_eq!(receiver.take().len(), 2);
    has_note(&world.place(Place::Snapshot));
}
