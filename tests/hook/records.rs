//! Files in the spool that are torn, damaged, foreign or none of ours, and clocks that jump: what is sound is delivered,
//! what is not becomes a dead letter and is named, and nothing hangs.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Answer, Ends, Place, Receiver, World, copy_as_tried, name, write_program};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1/";

/// Where deliveries to `ci` are.
const QUEUE: Place = Place::Queue("ci");
const DEAD: Place = Place::Dead("ci");

/// The user `nobody`.
const NOBODY: u32 = 65534;

/// A repository where pushes wait for `ci`, which is nowhere.
fn waiting(refs: &[&str]) -> World {
    waiting_for(NOWHERE, refs)
}

fn waiting_for(url: &str, refs: &[&str]) -> World {
    let world = World::new();
    world.configure("webhook.ci.url", url);
    world.configure("webhook.ci.format", "gitlab");
    world.commit("one");
    let refs: Vec<_> = refs.iter().map(|name| format!("main:{name}")).collect();
    let refs: Vec<_> = refs.iter().map(String::as_str).collect();
    if !refs.is_empty() {
        assert!(world.push(&refs).accepted);
    }
    world
}

/// From here on `ci` is `receiver`.
fn comes_back(world: &World, receiver: &Receiver) {
    world.server_git(&["config", "webhook.ci.url", &receiver.url()]);
}

/// The names of the records in a place and of the bodies beside them, in their order.
fn records(world: &World, place: Place) -> Vec<String> {
    world.kept(place).iter().map(|path| name(path)).collect()
}

/// All names in a directory, sorted.
fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The refs that a receiver was told of since it was asked last, in order, without `refs/heads/`.
fn told(receiver: &Receiver) -> Vec<String> {
    let name = |json: &serde_json::Value| json["ref"].as_str().unwrap().replace("refs/heads/", "");
    receiver.take().iter().map(|request| name(&request.json())).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn flush(world: &World) -> String {
    said(&world.webhook(&["flush", "--now"]))
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let output = Command::new(program).args(arguments).arg(path).ends();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// A way to spoil a record, and what is said of it then.
type Damage = (&'static str, fn(&Path));

/// Damages that need no privilege.
const DAMAGES: [Damage; 16] = [
    ("it is no record of git-webhook", |path| overwrite(path, |bytes| bytes.truncate(1))),
    ("it is no record of git-webhook", |path| overwrite(path, |bytes| bytes.truncate(10))),
    ("it is torn", |path| {
        overwrite(path, |bytes| bytes.truncate(1 + bytes.iter().position(|byte| *byte == b'\n').unwrap()));
    }),
    ("it is torn", |path| overwrite(path, |bytes| bytes.truncate(bytes.len() / 2))),
    ("it is torn", |path| overwrite(path, |bytes| bytes.truncate(bytes.len() - 1))),
    ("it is empty", |path| overwrite(path, Vec::clear)),
    ("it is no record of git-webhook", |path| overwrite(path, |bytes| bytes.fill(0))),
    ("its checksum is wrong", |path| {
        overwrite(path, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    }),
    ("its version cannot be read", |path| overwrite(path, |bytes| bytes[12] = b'x')),
    ("it is of version 0", |path| overwrite(path, |bytes| bytes[12] = b'0')),
    ("it is of version 3", |path| overwrite(path, |bytes| bytes[12] = b'3')),
    ("it is no record of git-webhook", |path| overwrite(path, |bytes| *bytes = b"\xff\xfe garbage\n".repeat(99))),
    ("it is no regular file", |path| {
        let elsewhere = path.with_file_name(".elsewhere");
        fs::rename(path, &elsewhere).unwrap();
        symlink(&elsewhere, path).unwrap();
    }),
    ("it is no regular file", |path| {
        fs::remove_file(path).unwrap();
        run("mkfifo", &[], path);
    }),
    ("it is no regular file", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join("x"), "x").unwrap();
    }),
    // Where anybody may have put it: a backup makes links as well, and is none.
    ("it is linked from elsewhere too", |path| {
        fs::hard_link(path, path.with_file_name(".linked")).unwrap();
        fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o707)).unwrap();
    }),
];

/// Damages that root alone can do.
const FOREIGN: [Damage; 2] = [
    ("it belongs to user 65534, who has no part in this repository", |path| {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }),
    ("it is no regular file", |path| {
        fs::remove_file(path).unwrap();
        let output = Command::new("mknod").arg(path).args(["c", "1", "5"]).ends();
        assert!(output.status.success());
    }),
];

/// Damages all records of a queue but the first and the last, one in each way, and has the rest delivered.
fn a_queue_survives(damages: &[Damage], deliver: impl FnOnce(&World) -> String) {
    let refs: Vec<_> = (0..damages.len() + 2).map(|number| format!("b{number:02}")).collect();
    let world = waiting(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    let waits = records(&world, QUEUE);
    assert_eq!(waits.len(), refs.len());
    let spoilt = &waits[1..=damages.len()];
    for ((_, damage), name) in damages.iter().zip(spoilt) {
        damage(&world.place(QUEUE).join(name));
    }
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    let said = deliver(&world);
    // Different refs go over different connections.
    let mut delivered = told(&receiver);
    delivered.sort();
    assert_eq!(delivered, [refs.first().unwrap().as_str(), refs.last().unwrap()], "{said}");
    // What was tried once has a name with another time when it is due.
    let key = |name: &String| name.split('.').take(3).map(str::to_owned).collect::<Vec<_>>().join(".");
    let dead = records(&world, DEAD);
    assert_eq!(dead.iter().map(key).collect::<Vec<_>>(), spoilt.iter().map(key).collect::<Vec<_>>(), "{said}");
    assert_eq!(records(&world, QUEUE), [""; 0]);
    for ((why, _), name) in damages.iter().zip(&dead) {
        let line = said.lines().find(|line| line.contains(&format!("'{name}' for ci: "))).unwrap_or_default();
        assert!(line.contains(why), "{name}, {why}: {said}");
    }
    assert!(receiver.requests().is_empty());
    flush(&world);
    assert_eq!(told(&receiver), [""; 0], "a dead letter is not tried again");
}

#[test]
fn bad_324_to_332_what_is_damaged_in_a_queue_becomes_a_dead_letter_and_the_rest_delivered() {
    a_queue_survives(&DAMAGES, flush);
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn what_is_foreign_in_a_queue_becomes_a_dead_letter_and_the_rest_delivered() {
    a_queue_survives(&FOREIGN, flush);
}

#[test]
fn a_push_that_finds_damage_in_a_queue_says_so_in_its_log() {
    let world = waiting(&["a", "b", "c"]);
    let queue = world.place(QUEUE);
    let waits = records(&world, QUEUE);
    fs::write(queue.join(&waits[1]), "").unwrap();
    world.time_passes("ci");
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    world.push(&["main:d"]);
    let log = world.log();
    assert_eq!(told(&receiver), ["a", "c", "d"], "{log}");
    assert!(log.contains(&format!("error: '{}' for ci: it is empty; it is a dead letter now, ", waits[1])), "{log}");
}

#[test]
fn a_record_torn_anywhere_becomes_a_dead_letter() {
    let refs: Vec<_> = (0..40).map(|number| format!("b{number:02}")).collect();
    let world = waiting(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    let waits = records(&world, QUEUE);
    for (number, name) in (0..).zip(&waits) {
        overwrite(&world.place(QUEUE).join(name), |bytes| {
            let length = bytes.len();
            bytes.truncate(length * number / waits.len());
        });
    }
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    flush(&world);
    assert_eq!(told(&receiver), [""; 0]);
    // When each was to be tried next has changed with the receiver.
    let names = |records: Vec<String>| -> Vec<String> {
        records.iter().map(|name| name.rsplit_once('.').unwrap().0.to_owned()).collect()
    };
    assert_eq!(names(records(&world, DEAD)), names(waits));
}

#[test]
fn damaged_receipts_and_intents_become_dead_letters() {
    for (place, dead) in [(Place::Receipts, Place::DeadReceipts), (Place::Intents, Place::DeadIntents)] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        world.push(&["main"]);
        let sound = world.settled().remove(0);
        let mut expected = Vec::new();
        for (number, (_, damage)) in DAMAGES.iter().enumerate() {
            let path = world.new_record(place, number);
            fs::copy(&sound, &path).unwrap();
            damage(&path);
            expected.push(path);
        }
        let said = world.push(&["main:b"]).said();
        assert!(said[0].starts_with("webhook ci: delivered b ("), "{said:?}");
        assert_eq!(told(&receiver), ["main", "b"]);
        let names: Vec<_> = expected.iter().map(|path| name(path)).collect();
        assert_eq!(records(&world, dead), names, "{}", world.log());
        for (name, (why, _)) in names.iter().zip(DAMAGES) {
            let log = world.log();
            let path = place.path().join(name);
            let line = log.lines().find(|line| line.contains(&format!("{}'", path.display()))).unwrap_or_default();
            assert!(line.contains(why) && line.contains("dead letter"), "{name}, {why}: {log}");
        }
    }
}

/// Names that an editor, NFS, a backup or a person leaves.
const HIDDEN: [&str; 5] = [".nfs000000000123", ".x.swp", "x~", "000000000001.x~", ".tmp-1-2"];

#[test]
fn names_of_editors_and_nfs_stay_where_they_are() {
    let world = waiting(&["a", "b"]);
    for place in [QUEUE, Place::Receipts, Place::Intents, Place::Settled, Place::Log, Place::AllDead] {
        fs::create_dir_all(world.place(place)).unwrap();
        HIDDEN.iter().for_each(|name| fs::write(world.place(place).join(name), "x").unwrap());
    }
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    let said = flush(&world);
    assert_eq!(told(&receiver), ["a", "b"], "{said}");
    assert!(!said.contains("error"), "{said}");
    for place in [QUEUE, Place::Receipts, Place::Intents] {
        let left = names(&world.place(place));
        assert!(HIDDEN.iter().all(|name| left.contains(&(*name).into())), "{place:?}: {left:?}");
    }
    assert_eq!(names(&world.place(Place::AllDead)).len(), HIDDEN.len());
    assert_eq!(world.webhook(&["status"]).status.code(), Some(0));
}

/// What a program that was killed had half written.
#[test]
fn leftovers_go_from_every_directory_that_is_written_to() {
    let world = waiting(&["a"]);
    let of_others = [Place::Queue("gone"), Place::Dead("ci"), Place::Deferred("wrong"), Place::SettledOn("2999-01-01")];
    let here =
        [Place::State, Place::Spool, QUEUE, Place::Receipts, Place::Intents, Place::Stuck, Place::Pushes, Place::Log];
    let places: Vec<_> = here.into_iter().chain(of_others).collect();
    let left = |age: &str| {
        for place in &places {
            fs::create_dir_all(world.place(*place)).unwrap();
            let file = world.place(*place).join(format!(".tmp-1-{}", age.len()));
            fs::write(&file, "half").unwrap();
            run("touch", &["-d", age], &file);
        }
    };
    left("3 hours ago");
    left("now");
    flush(&world);
    for place in places {
        let left = names(&world.place(place));
        let left: Vec<_> = left.iter().filter(|name| name.starts_with(".tmp-")).collect();
        assert_eq!(left, [".tmp-1-3"], "{place:?}");
    }
}

#[test]
fn other_names_in_a_queue_become_dead_letters() {
    let world = waiting(&["a", "b"]);
    let queue = world.place(QUEUE);
    let copy = format!("{}.orig", records(&world, QUEUE)[0]);
    fs::copy(queue.join(copy.trim_end_matches(".orig")), queue.join(&copy)).unwrap();
    fs::write(queue.join("4913"), "").unwrap();
    fs::write(queue.join("#notes#"), "").unwrap();
    fs::create_dir(queue.join("old")).unwrap();
    run("mkfifo", &[], &queue.join("pipe"));
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    let said = flush(&world);
    assert_eq!(told(&receiver), ["a", "b"], "{said}");
    assert_eq!(names(&world.place(DEAD)), ["#notes#", &copy, "4913", "old", "pipe"], "{said}");
    assert!(said.contains("'4913' for ci: it has no name of a record; it is a dead letter now,"), "{said}");
}

/// A copy of a receipt under another name is no push of its own: it must neither be told nor be waited for.
#[test]
fn a_copy_of_a_receipt_holds_up_nothing() {
    for suffix in [".orig", ".1"] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        world.push(&["main"]);
        let receipt = world.settled().remove(0);
        let copy = format!("{}{suffix}", name(&receipt));
        fs::copy(receipt, world.place(Place::Receipts).join(&copy)).unwrap();
        world.commit("two");
        let said = world.push(&["main"]).said();
        assert!(said[0].starts_with("webhook ci: delivered main ("), "{suffix}: {said:?}");
        assert_eq!(told(&receiver), ["main", "main"]);
        assert_eq!(records(&world, Place::Receipts), [""; 0]);
        assert_eq!(records(&world, Place::DeadReceipts), [copy]);
    }
}

/// A copy of an intent under another name hides no ref from reconcile.
#[test]
fn a_copy_of_an_intent_holds_up_nothing() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let first = world.commit("one");
    world.push(&["main"]);
    world.webhook(&["reconcile"]);
    let second = world.commit("two");
    let mut announce = world.command(world.server().join("hooks/pre-receive"), &world.server());
    world.feed(announce.env("GIT_DIR", "."), format!("{first} {second} refs/heads/main\n").as_bytes());
    let intents = world.place(Place::Intents);
    let intent = names(&intents).remove(0);
    fs::rename(intents.join(&intent), intents.join(format!("{intent}.orig"))).unwrap();
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "main:refs/hidden/main"]);
    world.server_git(&["update-ref", "refs/heads/main", &second]);
    receiver.take();
    let said = said(&world.webhook(&["reconcile"]));
    assert_eq!(told(&receiver), ["main"], "{said}");
    assert_eq!(names(&intents), [""; 0], "{said}");
}

#[test]
fn a_spoilt_state_of_a_target_means_that_it_is_tried() {
    let spoil: [fn(&Path); 6] = [
        |path| fs::write(path, "").unwrap(),
        |path| fs::write(path, "\u{0}garbage\n").unwrap(),
        |path| overwrite(path, |bytes| bytes.truncate(bytes.len() - 1)),
        |path| {
            fs::remove_file(path).unwrap();
            symlink("/dev/zero", path).unwrap();
        },
        |path| {
            fs::remove_file(path).unwrap();
            run("mkfifo", &[], path);
        },
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
    ];
    for spoil in spoil {
        let world = waiting_for(&Receiver::answering(Answer::Busy).url(), &["a"]);
        world.push(&["main:b"]);
        spoil(&world.place(Place::Backoff("ci")));
        let receiver = Receiver::new();
        comes_back(&world, &receiver);
        let said = said(&world.webhook(&["flush"]));
        // The first was tried a moment ago; no push before this one was.
        assert_eq!(told(&receiver), ["b"], "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// What stands in the log's file of the day before an attempt is written to it.
#[test]
fn a_spoilt_log_goes_on_with_a_new_line() {
    let whole = |world: &World| {
        let output = world.webhook(&["log", "--json"]);
        crate::support::rows(&output.stdout).len()
    };
    for spoilt in [&b"{\"time\":\"2026-"[..], b"\0\0\0\0\0\0\0\0", b"\xff\xfe\n\n\n{}\n[]\nnull\n", &[b'x'; 3 << 20]] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        world.push(&["main:a"]);
        let today = world.days(Place::Log).remove(0);
        let mut log = File::options().append(true).open(world.place(Place::LogOn(&today))).unwrap();
        log.write_all(spoilt).unwrap();
        let said = world.push(&["main:b"]).said();
        assert!(said[0].starts_with("webhook ci: delivered b ("), "{said:?}");
        assert_eq!(whole(&world), 2);
        flush(&world);
        assert_eq!(told(&receiver), ["a", "b"]);
    }
}

#[test]
fn what_is_no_log_is_not_written_to_and_holds_up_nothing() {
    let spoil: [fn(&Path); 4] = [
        |path| symlink(path.with_file_name("../../elsewhere"), path).unwrap(),
        |path| run("mkfifo", &[], path),
        |path| fs::create_dir(path).unwrap(),
        |path| {
            let log = path.parent().unwrap();
            fs::remove_dir(log).unwrap();
            fs::write(log, "").unwrap();
        },
    ];
    for spoil in spoil {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        let output = Command::new("date").args(["-u", "+%F"]).ends();
        let day = String::from_utf8(output.stdout).unwrap();
        let log = world.place(Place::Log);
        fs::create_dir_all(&log).unwrap();
        spoil(&log.join(day.trim()));
        let said = world.push(&["main"]).said();
        assert!(said[0].starts_with("webhook ci: delivered main ("), "{said:?}");
        assert_eq!(world.push(&["main:b"]).said().len(), 1);
        assert_eq!(told(&receiver), ["main", "b"]);
        assert!(!world.server().join("elsewhere").exists());
        assert!(world.log().contains("the log lacks a line of webhook ci"), "{}", world.log());
        assert_eq!(world.webhook(&["log"]).status.code(), Some(0));
    }
}

/// The numbers go on where the records say they were, whatever the file with the last one says.
#[test]
fn a_spoilt_sequence_number_is_found_again() {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let boot = boot.trim();
    let spoilt: [Vec<u8>; 9] = [
        b"".into(),
        b"garbage".into(),
        b"\xff\xfe\xff\n".into(),
        [0; 40].into(),
        b"00000000-0000-0000-0000-000000000000 99\n".into(),
        format!("{boot} 2").into(),
        format!("{boot} -1\n").into(),
        format!("{boot} {}\n", u64::MAX).into(),
        format!("{boot} 99999999999999999999999999\n").into(),
    ];
    for spoilt in spoilt {
        let world = waiting(&[]);
        let ids: Vec<_> = (0..2)
            .map(|number| {
                let id = world.commit(&format!("c{number}"));
                let said = world.push(&["main"]).said();
                assert!(said[0].ends_with("; kept, and tried again later"), "{}: {said:?}", spoilt.escape_ascii());
                fs::write(world.place(Place::Sequence), &spoilt).unwrap();
                id
            })
            .collect();
        let receiver = Receiver::new();
        comes_back(&world, &receiver);
        flush(&world);
        let told = receiver.take();
        let told: Vec<_> = told.iter().map(|request| request.json()["after"].as_str().unwrap().to_owned()).collect();
        assert_eq!(told, ids, "{}: {}", spoilt.escape_ascii(), world.log());
        assert!(!world.log().contains("panicked"), "{}", world.log());
    }
}

/// The file is not synced: after the machine crashed it can hold an old number.
#[test]
fn a_sequence_number_of_another_run_of_the_machine_does_not_count() {
    let world = World::told_to(&Receiver::new(), "gitlab");
    for branch in ["main", "main:other"] {
        world.commit(branch);
        world.push(&[branch]);
        fs::write(world.place(Place::Sequence), "00000000-0000-0000-0000-000000000000 000000000000\n").unwrap();
    }
    let numbers: Vec<_> = world.settled().iter().map(|receipt| name(receipt)[..12].to_owned()).collect();
    assert_eq!(numbers, ["000000000001", "000000000002"]);
}

#[test]
fn a_spoilt_snapshot_of_the_refs_is_told_with_what_to_do() {
    let world = waiting(&["a"]);
    assert_eq!(world.webhook(&["reconcile"]).status.code(), Some(0));
    for (why, damage) in DAMAGES {
        let path = world.place(Place::Snapshot);
        damage(&path);
        let output = world.webhook(&["reconcile"]);
        assert_eq!(output.status.code(), Some(1), "{why}");
        let said = said(&output);
        assert!(said.contains(why) && said.contains("git webhook reconcile --baseline"), "{why}: {said}");
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            fs::remove_dir_all(&path).unwrap();
        }
        assert_eq!(world.webhook(&["reconcile", "--baseline"]).status.code(), Some(0), "{why}");
        assert_eq!(self::said(&world.webhook(&["reconcile"])), "nothing was missed\n", "{why}");
        // What the damages leave beside.
        let _ = fs::remove_file(world.place(Place::State).join(".elsewhere"));
    }
}

/// Of two records of one delivery, one is sent: with its body, be that in the record or in a file beside both.
#[test]
fn two_records_of_one_delivery_are_one_delivery() {
    for is_shared in [false, true] {
        let world = waiting(&[]);
        if is_shared {
            world.configure("webhook.cd.url", NOWHERE);
            world.configure("webhook.cd.format", "gitlab");
        }
        world.push(&["main:a", "main:b"]);
        assert_eq!(!world.bodies(QUEUE).is_empty(), is_shared);
        // The first alone was tried.
        let second = world.waiting("ci").remove(1);
        copy_as_tried(&second);
        let receiver = Receiver::new();
        comes_back(&world, &receiver);
        let said = flush(&world);
        assert_eq!(told(&receiver), ["a", "b"], "{said}");
        assert_eq!(records(&world, QUEUE), [""; 0]);
        assert_eq!(records(&world, DEAD), [name(&second)], "{said}");
    }
}

/// Who may not read a record leaves it where it is, says whose it is to send, and sends the rest.
#[test]
#[ignore = "needs two users: run tests/run"]
fn what_another_user_keeps_to_himself_stays_in_the_queue() {
    let world = waiting(&["a", "b", "c"]);
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    world.configure_globally("safe.directory", "*");
    let foreign = records(&world, QUEUE).remove(1);
    run("chown", &["-hR", "65534:65534"], &world.path(""));
    chown(world.place(QUEUE).join(&foreign), Some(0), Some(0)).unwrap();
    let mut command = world.webhook_command();
    let program = world.path("git-webhook");
    write_program(&program, fs::read(command.get_program()).unwrap());
    command = world.command(program, &world.server());
    let said = said(&command.args(["flush", "--now"]).uid(NOBODY).gid(NOBODY).ends());
    assert_eq!(told(&receiver), ["a", "c"], "{said}");
    assert!(said.contains(&format!("cannot read '{foreign}' in its queue: Permission denied")), "{said}");
    assert!(said.contains("its owner can: run git webhook flush as that user"), "{said}");
    assert_eq!(records(&world, QUEUE), [foreign.as_str()]);
    chown(world.place(QUEUE).join(&foreign), Some(NOBODY), Some(NOBODY)).unwrap();
    command.ends();
    assert_eq!(told(&receiver), ["b"]);
}

/// Runs a command with the clock set off by so many days, and only the clock.
fn at(days: i32, command: &Command) -> Command {
    let mut faked = Command::new("faketime");
    faked.args(["-f", &format!("{days:+}d")]).arg(command.get_program()).args(command.get_args()).env_clear();
    faked.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    faked.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    faked.current_dir(command.get_current_dir().unwrap());
    faked
}

const TEN_YEARS: i32 = 3650;

fn push_at(world: &World, days: i32, name: &str) {
    let mut push = world.command("git", &world.work());
    push.args(["push", "--quiet"]).arg(world.server()).arg(name);
    let output = at(days, &push).ends();
    assert!(output.status.success(), "{}", said(&output));
}

fn flush_at(world: &World, days: i32, options: &[&str]) -> String {
    said(&at(days, world.webhook_command().arg("flush").args(options)).ends())
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn the_first_push_of_a_later_day_removes_what_is_old() {
    let world = waiting(&[]);
    comes_back(&world, &Receiver::new());
    push_at(&world, 0, "main:a");
    let old = world.place(Place::LogOn("2020-01-01"));
    fs::write(&old, "").unwrap();
    push_at(&world, 0, "main:b");
    assert!(old.exists(), "not the second push of a day");
    push_at(&world, 2, "main:c");
    assert!(!old.exists(), "{}", world.log());
    // Nor is a spool new that was made at a time to come, when a clock was wrong.
    fs::write(&old, "").unwrap();
    push_at(&world, -2, "main:d");
    assert!(!old.exists(), "{}", world.log());
}

/// A delivery that failed at one time is delivered at another, though nobody says `--now`.
#[track_caller]
fn fails_then_is_delivered(failing: i32, then: i32) {
    let world = waiting(&[]);
    push_at(&world, failing, "main:a");
    assert_eq!(records(&world, QUEUE).len(), 1);
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    let said = flush_at(&world, then, &[]);
    assert_eq!(told(&receiver), ["a"], "{said} {}", world.log());
    assert_eq!(records(&world, QUEUE), [""; 0]);
    let log = self::said(&world.webhook(&["log", "--json"]));
    assert!(log.contains("\"state\": \"delivered\""), "{log}");
    assert!(!said.contains("panicked") && !world.log().contains("panicked"), "{said} {}", world.log());
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn a_clock_that_jumps_back_ten_years_between_failure_and_retry() {
    fails_then_is_delivered(0, -TEN_YEARS);
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn a_clock_that_was_ten_years_ahead_when_a_delivery_failed() {
    fails_then_is_delivered(TEN_YEARS, 0);
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn a_clock_that_jumps_ten_years_ahead_between_failure_and_retry() {
    fails_then_is_delivered(0, TEN_YEARS);
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn a_clock_that_began_anew_with_1970_when_a_delivery_failed() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    fails_then_is_delivered(-(now.as_secs() as i32 / 86_400), 0);
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn a_clock_that_jumps_ahead_ends_nothing_that_was_hardly_tried() {
    let world = waiting(&["a", "b"]);
    for _ in 0..2 {
        flush_at(&world, TEN_YEARS, &["--now"]);
        assert_eq!(records(&world, QUEUE).len(), 2, "{}", world.log());
    }
    assert_eq!(records(&world, DEAD), [""; 0]);
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    flush_at(&world, 0, &[]);
    assert_eq!(told(&receiver), ["a", "b"]);
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn pushes_keep_their_order_when_the_clock_jumps_back_between_them() {
    let world = waiting(&[]);
    let ids: Vec<_> = [TEN_YEARS, 0, -TEN_YEARS, 1]
        .map(|days| {
            let id = world.commit(&format!("c{days}"));
            push_at(&world, days, "main");
            id
        })
        .into();
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    flush(&world);
    let told = receiver.take();
    let told: Vec<_> = told.iter().map(|request| request.json()["after"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ids);
}

/// Such a push was lost without a word.
#[test]
#[ignore = "needs faketime: run tests/run"]
fn a_clock_before_1970_or_that_no_calendar_has_costs_no_event() {
    for time in ["@1969-12-31 23:00:00", "+9000y"] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        for hook in ["pre-receive", "post-receive"] {
            let path = world.server().join("hooks").join(hook);
            fs::remove_file(&path).unwrap();
            let program = env!("CARGO_BIN_EXE_post-receive");
            write_program(
                &path,
                format!("#!/bin/bash\nexec faketime -f '{time}' bash -c 'exec -a {hook} {program}'\n"),
            );
        }
        let said = world.push(&["main"]).said();
        assert!(said[0].starts_with("webhook ci: delivered main (200, "), "{time}: {said:?} {}", world.log());
        assert_eq!(told(&receiver), ["main"], "{time}");
        assert!(!world.log().contains("panicked"), "{time}: {}", world.log());
    }
}

/// A body that targets share lies in a file beside the record.
#[test]
fn a_body_that_is_missing_or_damaged_takes_its_record_along() {
    let damages: [Damage; 4] = [
        ("the file with its body is missing", |path| fs::remove_file(path).unwrap()),
        ("the file with its body is damaged", |path| fs::write(path, "{}").unwrap()),
        ("the file with its body is missing", |path| {
            fs::remove_file(path).unwrap();
            run("mkfifo", &[], path);
        }),
        // Without a look at its size it would be read into memory.
        ("it is larger than any record", |path| {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len((1 << 30) + 1).unwrap();
        }),
    ];
    for (why, damage) in damages {
        let world = World::new();
        for name in ["ci", "cd"] {
            world.configure(&format!("webhook.{name}.url"), NOWHERE);
            world.configure(&format!("webhook.{name}.format"), "gitlab");
        }
        world.commit("one");
        world.push(&["main"]);
        let body = world.bodies(QUEUE).remove(0);
        let shared = fs::metadata(&body).unwrap().nlink();
        assert_eq!(shared, 2, "the body is stored once for both targets");
        damage(&body);
        let receiver = Receiver::new();
        comes_back(&world, &receiver);
        let said = said(&world.webhook(&["flush", "--now", "--target", "ci"]));
        assert_eq!(told(&receiver), [""; 0], "{said}");
        assert!(said.contains(why), "{said}");
        assert_eq!(world.dead("ci").len(), 1, "{said}");
        assert!(!fs::symlink_metadata(&body).is_ok_and(|data| data.file_type().is_fifo()), "{said}");
    }
}
