//! Files in the spool that are torn, damaged, foreign or none of ours, and clocks that jump: what is sound is delivered,
//! what is not is set aside and named, and nothing hangs.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Receiver, World};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1/";

/// The user `nobody`.
const NOBODY: u32 = 65534;

/// A repository where pushes wait for `ci`, which is nowhere.
fn waiting(refs: &[&str]) -> World {
    let world = World::new();
    world.configure("webhook.ci.url", NOWHERE);
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

fn state(world: &World, place: &str) -> PathBuf {
    world.server().join("webhook").join(place)
}

/// The names in a directory of the spool, sorted, without those that are no records.
fn records(world: &World, place: &str) -> Vec<String> {
    let entries = fs::read_dir(state(world, place)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).collect();
    names.sort();
    names
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
    let output = Command::new(program).args(arguments).arg(path).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Ends the tests where this one still runs after a minute: a program that waits for a fifo waits for ever.
struct NothingHangs(Arc<AtomicBool>);

impl NothingHangs {
    fn new(test: &'static str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(60));
            if !seen.load(Ordering::Relaxed) {
                eprintln!("{test} hangs");
                std::process::exit(101);
            }
        });
        Self(is_over)
    }
}

impl Drop for NothingHangs {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A way to spoil a record, and what is said of it then.
type Damage = (&'static str, fn(&Path));

/// Damages that need no privilege.
const DAMAGES: [Damage; 14] = [
    ("it is no record of git-webhook", |path| overwrite(path, |bytes| bytes.truncate(1))),
    ("it is no record of git-webhook", |path| overwrite(path, |bytes| bytes.truncate(30))),
    ("it is torn", |path| {
        overwrite(path, |bytes| bytes.truncate(1 + bytes.iter().position(|byte| *byte == b'\n').unwrap()));
    }),
    ("it is torn", |path| overwrite(path, |bytes| bytes.truncate(bytes.len() / 2))),
    ("it is torn", |path| overwrite(path, |bytes| bytes.truncate(bytes.len() - 1))),
    ("it is empty", |path| overwrite(path, Vec::clear)),
    ("it is no record of git-webhook", |path| overwrite(path, |bytes| bytes.fill(0))),
    ("its checksum is wrong", |path| overwrite(path, |bytes| *bytes.last_mut().unwrap() ^= 1)),
    ("it is of version 2", |path| overwrite(path, |bytes| bytes[12] = b'2')),
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
    ("it is linked from elsewhere too", |path| fs::hard_link(path, path.with_file_name(".linked")).unwrap()),
];

/// Damages that root alone can do.
const FOREIGN: [Damage; 2] = [
    ("it belongs to user 65534, who has no part in this repository", |path| {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }),
    ("it is no regular file", |path| {
        fs::remove_file(path).unwrap();
        let output = Command::new("mknod").arg(path).args(["c", "1", "5"]).output().unwrap();
        assert!(output.status.success());
    }),
];

/// Damages all records of a queue but the first and the last, one in each way, and has the rest delivered.
fn a_queue_survives(damages: &[Damage], deliver: impl FnOnce(&World) -> String) {
    let _watch = NothingHangs::new("a queue");
    let refs: Vec<_> = (0..damages.len() + 2).map(|number| format!("b{number:02}")).collect();
    let world = waiting(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    let waits = records(&world, "v1/queue/ci");
    assert_eq!(waits.len(), refs.len());
    let spoilt = &waits[1..=damages.len()];
    for ((_, damage), name) in damages.iter().zip(spoilt) {
        damage(&state(&world, "v1/queue/ci").join(name));
    }
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    let said = deliver(&world);
    // Different refs go over different connections.
    let mut delivered = told(&receiver);
    delivered.sort();
    assert_eq!(delivered, [refs.first().unwrap().as_str(), refs.last().unwrap()], "{said}");
    assert_eq!(records(&world, "v1/dead/ci"), spoilt, "{said}");
    assert_eq!(records(&world, "v1/queue/ci"), [""; 0]);
    for ((why, _), name) in damages.iter().zip(spoilt) {
        let line = said.lines().find(|line| line.contains(&format!("'{name}' for ci: "))).unwrap_or_default();
        assert!(line.contains(why), "{name}, {why}: {said}");
    }
    assert!(receiver.requests().is_empty());
    flush(&world);
    assert_eq!(told(&receiver), [""; 0], "what was set aside is not tried again");
}

#[test]
fn what_is_damaged_in_a_queue_is_set_aside_and_the_rest_delivered() {
    a_queue_survives(&DAMAGES, flush);
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn what_is_foreign_in_a_queue_is_set_aside_and_the_rest_delivered() {
    a_queue_survives(&FOREIGN, flush);
}

#[test]
fn a_push_that_finds_damage_in_a_queue_says_so_in_its_log() {
    let world = waiting(&["a", "b", "c"]);
    let queue = state(&world, "v1/queue/ci");
    let waits = records(&world, "v1/queue/ci");
    fs::write(queue.join(&waits[1]), "").unwrap();
    // The time of the target and of the first, which alone was tried, has come.
    fs::remove_file(queue.join("state")).unwrap();
    let (start, _) = waits[0].rsplit_once('.').unwrap();
    fs::rename(queue.join(&waits[0]), queue.join(format!("{start}.1"))).unwrap();
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    world.push(&["main:d"]);
    let log = world.log();
    assert_eq!(told(&receiver), ["a", "c", "d"], "{log}");
    assert!(log.contains(&format!("error: '{}' for ci: it is empty; it was set aside as ", waits[1])), "{log}");
}

#[test]
fn a_record_torn_anywhere_is_set_aside() {
    let refs: Vec<_> = (0..40).map(|number| format!("b{number:02}")).collect();
    let world = waiting(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    let waits = records(&world, "v1/queue/ci");
    for (number, name) in (0..).zip(&waits) {
        overwrite(&state(&world, "v1/queue/ci").join(name), |bytes| {
            let length = bytes.len();
            bytes.truncate(length * number / waits.len());
        });
    }
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    flush(&world);
    assert_eq!(told(&receiver), [""; 0]);
    assert_eq!(records(&world, "v1/dead/ci"), waits);
}

#[test]
fn damaged_receipts_and_intents_are_set_aside() {
    let _watch = NothingHangs::new("receipts and intents");
    for (place, dead) in [("v1/receipts", "v1/dead/_receipts"), ("v1/intents", "v1/dead/_intents")] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        world.push(&["main"]);
        let day = names(&state(&world, "v1/settled")).remove(0);
        let sound = records(&world, &format!("v1/settled/{day}")).remove(0);
        let sound = state(&world, "v1/settled").join(day).join(sound);
        let mut expected = Vec::new();
        for (number, (_, damage)) in DAMAGES.iter().enumerate() {
            let id = format!("0000{number:04}-0000-7000-8000-000000000000");
            let name = if place == "v1/receipts" { format!("{:012}.{id}", number + 100) } else { id };
            let path = state(&world, place).join(&name);
            fs::copy(&sound, &path).unwrap();
            damage(&path);
            expected.push((name, path));
        }
        let said = world.push(&["main:b"]).said();
        assert!(said[0].starts_with("webhook ci: delivered b ("), "{said:?}");
        assert_eq!(told(&receiver), ["main", "b"]);
        let names: Vec<_> = expected.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(records(&world, dead), names, "{}", world.log());
        for ((_, path), (why, _)) in expected.iter().zip(DAMAGES) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let log = world.log();
            let line = log.lines().find(|line| line.contains(&format!("{place}/{name}'"))).unwrap_or_default();
            assert!(line.contains(why) && line.contains("set aside"), "{name}, {why}: {log}");
        }
    }
}

/// Names that an editor, NFS, a backup or a person leaves.
const HIDDEN: [&str; 5] = [".nfs000000000123", ".x.swp", "x~", "000000000001.x~", ".tmp-1-2"];

#[test]
fn names_of_editors_and_nfs_stay_where_they_are() {
    let world = waiting(&["a", "b"]);
    for place in ["v1/queue/ci", "v1/receipts", "v1/intents", "v1/settled", "log", "v1/dead"] {
        fs::create_dir_all(state(&world, place)).unwrap();
        HIDDEN.iter().for_each(|name| fs::write(state(&world, place).join(name), "x").unwrap());
    }
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    let said = flush(&world);
    assert_eq!(told(&receiver), ["a", "b"], "{said}");
    assert!(!said.contains("error"), "{said}");
    for place in ["v1/queue/ci", "v1/receipts", "v1/intents"] {
        let left = names(&state(&world, place));
        assert!(HIDDEN.iter().all(|name| left.contains(&(*name).into())), "{place}: {left:?}");
    }
    assert_eq!(names(&state(&world, "v1/dead")).len(), HIDDEN.len());
    assert_eq!(world.webhook(&["status"]).status.code(), Some(0));
}

/// What a program that was killed had half written.
#[test]
fn leftovers_go_from_every_directory_that_is_written_to() {
    let world = waiting(&["a"]);
    let places = ["", "v1", "v1/queue/ci", "v1/receipts", "v1/intents"];
    let left = |age: &str| {
        for place in places {
            fs::create_dir_all(state(&world, place)).unwrap();
            let file = state(&world, place).join(format!(".tmp-1-{}", age.len()));
            fs::write(&file, "half").unwrap();
            run("touch", &["-d", age], &file);
        }
    };
    left("3 hours ago");
    left("now");
    flush(&world);
    for place in places {
        let left = names(&state(&world, place));
        let left: Vec<_> = left.iter().filter(|name| name.starts_with(".tmp-")).collect();
        assert_eq!(left, [".tmp-1-3"], "{place}");
    }
}

#[test]
fn other_names_in_a_queue_are_set_aside() {
    let _watch = NothingHangs::new("other names");
    let world = waiting(&["a", "b"]);
    let queue = state(&world, "v1/queue/ci");
    let copy = format!("{}.orig", records(&world, "v1/queue/ci")[0]);
    fs::copy(queue.join(copy.trim_end_matches(".orig")), queue.join(&copy)).unwrap();
    fs::write(queue.join("4913"), "").unwrap();
    fs::write(queue.join("#notes#"), "").unwrap();
    fs::create_dir(queue.join("old")).unwrap();
    run("mkfifo", &[], &queue.join("pipe"));
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    let said = flush(&world);
    assert_eq!(told(&receiver), ["a", "b"], "{said}");
    assert_eq!(names(&state(&world, "v1/dead/ci")), ["#notes#", &copy, "4913", "old", "pipe"], "{said}");
    assert!(said.contains("'4913' for ci: it has no name of a record; it was set aside as"), "{said}");
}

/// A copy of a receipt under another name is no push of its own: it must neither be told nor be waited for.
#[test]
fn a_copy_of_a_receipt_holds_up_nothing() {
    for suffix in [".orig", ".1"] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        world.push(&["main"]);
        let day = names(&state(&world, "v1/settled")).remove(0);
        let name = records(&world, &format!("v1/settled/{day}")).remove(0);
        let copy = state(&world, "v1/receipts").join(format!("{name}{suffix}"));
        fs::copy(state(&world, "v1/settled").join(day).join(&name), copy).unwrap();
        world.commit("two");
        let said = world.push(&["main"]).said();
        assert!(said[0].starts_with("webhook ci: delivered main ("), "{suffix}: {said:?}");
        assert_eq!(told(&receiver), ["main", "main"]);
        assert_eq!(records(&world, "v1/receipts"), [""; 0]);
        assert_eq!(records(&world, "v1/dead/_receipts"), [format!("{name}{suffix}")]);
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
    let intents = state(&world, "v1/intents");
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
    let _watch = NothingHangs::new("a spoilt state");
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
        let world = waiting(&["a", "b"]);
        spoil(&state(&world, "v1/queue/ci/state"));
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
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        rows.as_array().unwrap().len()
    };
    for spoilt in [&b"{\"time\":\"2026-"[..], b"\0\0\0\0\0\0\0\0", b"\xff\xfe\n\n\n{}\n[]\nnull\n", &[b'x'; 3 << 20]] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        world.push(&["main:a"]);
        let day = names(&state(&world, "log")).remove(0);
        let mut log = File::options().append(true).open(state(&world, "log").join(day)).unwrap();
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
    let _watch = NothingHangs::new("what is no log");
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
        let output = Command::new("date").args(["-u", "+%F"]).output().unwrap();
        let day = String::from_utf8(output.stdout).unwrap();
        let log = state(&world, "log");
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
                fs::write(state(&world, "v1/lock"), &spoilt).unwrap();
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

#[test]
fn a_spoilt_picture_of_the_refs_is_told_with_what_to_do() {
    let _watch = NothingHangs::new("a spoilt picture");
    let world = waiting(&["a"]);
    assert_eq!(world.webhook(&["reconcile"]).status.code(), Some(0));
    for (why, damage) in DAMAGES {
        let path = state(&world, "refs");
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
        let _ = fs::remove_file(state(&world, ".elsewhere"));
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
        let queue = state(&world, "v1/queue/ci");
        assert_eq!(names(&queue).iter().any(|name| name.ends_with(".body")), is_shared);
        let second = records(&world, "v1/queue/ci").into_iter().rfind(|name| name.ends_with(".0-0.0")).unwrap();
        fs::copy(queue.join(&second), queue.join(second.replace(".0-0.0", ".1h0.1"))).unwrap();
        let receiver = Receiver::new();
        comes_back(&world, &receiver);
        let said = flush(&world);
        assert_eq!(told(&receiver), ["a", "b"], "{said}");
        assert_eq!(records(&world, "v1/queue/ci"), [""; 0]);
        assert_eq!(records(&world, "v1/dead/ci"), [second], "{said}");
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
    let foreign = records(&world, "v1/queue/ci").remove(1);
    run("chown", &["-hR", "65534:65534"], &world.path(""));
    chown(state(&world, "v1/queue/ci").join(&foreign), Some(0), Some(0)).unwrap();
    let mut command = world.webhook_command();
    let program = world.path("git-webhook");
    fs::copy(command.get_program(), &program).unwrap();
    command = world.command(program, &world.server());
    let said = said(&command.args(["flush", "--now"]).uid(NOBODY).gid(NOBODY).output().unwrap());
    assert_eq!(told(&receiver), ["a", "c"], "{said}");
    assert!(said.contains(&format!("cannot read '{foreign}' in its queue: Permission denied")), "{said}");
    assert!(said.contains("its owner can: run git webhook flush as that user"), "{said}");
    assert_eq!(records(&world, "v1/queue/ci"), [foreign.as_str()]);
    chown(state(&world, "v1/queue/ci").join(&foreign), Some(NOBODY), Some(NOBODY)).unwrap();
    command.output().unwrap();
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
    let output = at(days, &push).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

fn flush_at(world: &World, days: i32, options: &[&str]) -> String {
    said(&at(days, world.webhook_command().arg("flush").args(options)).output().unwrap())
}

/// A delivery that failed at one time is delivered at another, though nobody says `--now`.
#[track_caller]
fn fails_then_is_delivered(failing: i32, then: i32) {
    let world = waiting(&[]);
    push_at(&world, failing, "main:a");
    assert_eq!(records(&world, "v1/queue/ci").len(), 1);
    let receiver = Receiver::new();
    comes_back(&world, &receiver);
    let said = flush_at(&world, then, &[]);
    assert_eq!(told(&receiver), ["a"], "{said} {}", world.log());
    assert_eq!(records(&world, "v1/queue/ci"), [""; 0]);
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
        assert_eq!(records(&world, "v1/queue/ci").len(), 2, "{}", world.log());
    }
    assert_eq!(records(&world, "v1/dead/ci"), [""; 0]);
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

/// A body that targets share lies in a file beside the record.
#[test]
fn a_body_that_is_missing_or_damaged_takes_its_record_along() {
    let _watch = NothingHangs::new("a missing body");
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
        let queue = state(&world, "v1/queue/ci");
        let body = names(&queue).into_iter().find(|name| name.ends_with(".body")).unwrap();
        let shared = fs::metadata(queue.join(&body)).unwrap().nlink();
        assert_eq!(shared, 2, "the body is stored once for both targets");
        damage(&queue.join(&body));
        let receiver = Receiver::new();
        comes_back(&world, &receiver);
        let said = said(&world.webhook(&["flush", "--now", "--target", "ci"]));
        assert_eq!(told(&receiver), [""; 0], "{said}");
        assert!(said.contains(why), "{said}");
        assert_eq!(records(&world, "v1/dead/ci").iter().filter(|name| !name.ends_with(".body")).count(), 1, "{said}");
        assert!(!fs::symlink_metadata(queue.join(&body)).is_ok_and(|data| data.file_type().is_fifo()), "{said}");
    }
}
