//! A disk that is full, read-only or somebody else's: pushes go on being accepted, and what cannot be kept is sent from
//! memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::{Answer, Ends, Place, Receiver, Request, World, ZERO, write_program};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1/";

/// The user `nobody`, whom modes bind.
const NOBODY: u32 = 65534;

/// What begins the line that a pusher must not miss.
const LOUD: &str = "webhook: the event cannot be written down (";

/// Runs a test once more in a mount namespace of its own, which takes all mounts along when it ends.
fn with_mounts(name: &str, test: impl FnOnce()) {
    let (_, module) = module_path!().split_once("::").unwrap();
    in_mounts(&format!("{module}::{name}"), test);
}

/// The same for a test of any module, by its whole name.
pub fn in_mounts(name: &str, test: impl FnOnce()) {
    const INSIDE: &str = "GIT_WEBHOOK_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut unshare = Command::new("unshare");
    unshare.arg(if is_root { "-m" } else { "-rm" }).arg(std::env::current_exe().unwrap());
    unshare.args(["--exact", name, "--include-ignored", "--nocapture"]).env(INSIDE, "1");
    let output = unshare.ends();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Puts a file system of its own over the repository's `webhook` directory, or changes it.
pub fn mount(world: &World, options: &str) {
    let place = world.server().join("webhook");
    fs::create_dir_all(&place).unwrap();
    let output = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place).ends();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub fn remount(world: &World, options: &str) {
    mount(world, &format!("remount,{options}"));
}

/// What pre-receive says of a push that is about to come, and whether it lets it through.
fn pre_receive_is_silent(world: &World, prepare: impl FnOnce(&mut Command)) {
    let id = world.id("HEAD");
    let mut command = world.command(world.server().join("hooks/pre-receive"), &world.server());
    command.env("GIT_DIR", ".");
    prepare(&mut command);
    let output = world.feed(&mut command, format!("{ZERO} {id} refs/heads/announced\n").as_bytes());
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
}

/// Pushes a branch whose event can be kept nowhere, and sees it delivered all the same, once, with a word about it.
fn is_told_from_memory(world: &World, receiver: &Receiver, branch: &str) {
    receiver.take();
    pre_receive_is_silent(world, |_| {});
    let pushed = world.push(&[&format!("main:{branch}")]);
    assert!(pushed.accepted, "{}", pushed.output);
    let said = pushed.said();
    assert!(said[0].starts_with(LOUD), "{said:?}");
    assert_eq!(said[1], "webhook: tell the administrator, who can run git webhook reconcile later");
    assert!(said[2].starts_with(&format!("webhook ci: delivered {branch} (200, ")), "{said:?}");
    assert_eq!(receiver.take_one().json()["ref"], format!("refs/heads/{branch}"));
}

/// Pushes a branch whose event is kept as usual.
fn is_kept(world: &World, receiver: &Receiver, branch: &str) {
    receiver.take();
    let said = world.push(&[&format!("main:{branch}")]).said();
    assert!(said[0].starts_with(&format!("webhook ci: delivered {branch} (200, ")), "{said:?}");
    assert_eq!(receiver.take_one().json()["ref"], format!("refs/heads/{branch}"));
    assert!(!world.settled().is_empty());
}

/// The ids that each ref was delivered under.
fn ids(receiver: &Receiver) -> BTreeMap<String, BTreeSet<String>> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in receiver.requests() {
        let name = request.json()["ref"].as_str().unwrap().to_owned();
        ids.entry(name).or_default().insert(request.header("Idempotency-Key").to_owned());
    }
    ids
}

/// Fills the disk with what waits for one target, while the other goes on being told.
fn a_disk_fills(options: &str) {
    let (live, back) = (Receiver::new(), Receiver::new());
    let world = World::told_to(&live, "gitlab");
    world.configure("webhook.dead.url", NOWHERE);
    world.configure("webhook.dead.format", "gitlab");
    world.commit("one");
    mount(&world, options);
    let (mut kept, mut pushes, mut when_full) = (0, 0, 0);
    while when_full < 3 {
        pushes += 1;
        assert!(pushes < 100, "the disk does not fill");
        let pushed = world.push(&[&format!("main:b{pushes}")]);
        assert!(pushed.accepted, "{}", pushed.output);
        let said = pushed.said();
        assert!(said.iter().any(|line| line.starts_with(&format!("webhook ci: delivered b{pushes} "))), "{said:?}");
        when_full += i32::from(said[0].starts_with(LOUD));
        kept += i32::from(said.iter().any(|line| line.starts_with("webhook dead: ") && line.contains("; kept, ")));
        pre_receive_is_silent(&world, |_| {});
    }
    assert!(kept > 0, "nothing was kept before the disk was full");

    remount(&world, "size=4m,nr_inodes=4000");
    world.server_git(&["config", "webhook.dead.url", &back.url()]);
    let flushed = world.webhook(&["flush", "--now"]);
    assert!(flushed.status.success(), "{flushed:?}");
    assert!(back.requests().len() >= kept as usize, "{} of {kept}", back.requests().len());
    let last = world.push(&["main:last"]).said();
    assert_eq!(last.iter().filter(|line| line.contains(": delivered last (200, ")).count(), 2, "{last:?}");
    assert_eq!(world.webhook(&["status"]).status.code(), Some(0));
    let mut told = ids(&live);
    assert_eq!(told.len(), pushes + 1, "{told:?}");
    told.append(&mut ids(&back));
    assert!(told.values().all(|ids| ids.len() == 1), "told under two ids: {told:?}");
    assert!(!world.log().contains("panicked"), "{}", world.log());
}

#[test]
#[ignore = "needs mount: run tests/run"]
fn pushes_go_on_while_the_disk_fills() {
    with_mounts("pushes_go_on_while_the_disk_fills", || a_disk_fills("size=64k,nr_inodes=40"));
}

#[test]
#[ignore = "needs mount: run tests/run"]
fn pushes_go_on_while_inodes_run_out() {
    with_mounts("pushes_go_on_while_inodes_run_out", || a_disk_fills("size=4m,nr_inodes=24"));
}

#[test]
#[ignore = "needs mount: run tests/run"]
fn on_a_full_disk_there_is_neither_directory_nor_record() {
    with_mounts("on_a_full_disk_there_is_neither_directory_nor_record", || {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        // The root itself takes the one there is.
        mount(&world, "size=64k,nr_inodes=1");
        is_told_from_memory(&world, &receiver, "a");
        is_told_from_memory(&world, &receiver, "b");
        remount(&world, "nr_inodes=100");
        is_kept(&world, &receiver, "c");
    });
}

#[test]
#[ignore = "needs mount: run tests/run"]
fn a_read_only_disk() {
    with_mounts("a_read_only_disk", || {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        mount(&world, "size=1m");
        is_kept(&world, &receiver, "a");
        remount(&world, "ro");
        is_told_from_memory(&world, &receiver, "b");
        is_told_from_memory(&world, &receiver, "c");
        remount(&world, "rw");
        is_kept(&world, &receiver, "d");
    });
}

#[test]
#[ignore = "needs mount: run tests/run"]
fn on_a_read_only_disk_what_waits_does_not_hold_up_what_cannot_wait() {
    with_mounts("on_a_read_only_disk_what_waits_does_not_hold_up_what_cannot_wait", || {
        let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        mount(&world, "size=1m");
        world.push(&["main:waits"]);
        remount(&world, "ro");
        is_told_from_memory(&world, &receiver, "b");
        remount(&world, "rw");
        receiver.take();
        world.webhook(&["flush", "--now"]);
        assert_eq!(receiver.take_one().json()["ref"], "refs/heads/waits");
    });
}

#[test]
#[ignore = "needs mount: run tests/run"]
fn on_a_full_disk_what_waits_of_a_ref_is_sent_before_what_cannot_wait() {
    with_mounts("on_a_full_disk_what_waits_of_a_ref_is_sent_before_what_cannot_wait", || {
        let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        mount(&world, "size=128k");
        world.push(&["main:b", "main:other"]);
        let waiting = world.waiting("ci").len();
        assert!(waiting > 0);
        let one = world.id("main");
        receiver.take();
        let mut ballast = fs::File::create(world.server().join("webhook/ballast")).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
        world.commit("two");
        let said = world.push(&["main:b"]).said();
        assert!(said[0].starts_with(LOUD) && said[2].starts_with("webhook ci: delivered b (200, "), "{said:?}");
        let after: Vec<_> = receiver.take().iter().map(|it| it.json()["after"].as_str().unwrap().to_owned()).collect();
        assert_eq!(after, [one, world.id("main")]);
        assert_eq!(world.waiting("ci").len(), waiting - 1);
    });
}

#[test]
fn a_file_in_the_place_of_our_directory() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let place = world.server().join("webhook");
    fs::write(&place, "mine\n").unwrap();
    is_told_from_memory(&world, &receiver, "a");
    assert_eq!(fs::read(&place).unwrap(), b"mine\n");
    fs::remove_file(&place).unwrap();
    is_kept(&world, &receiver, "b");
}

#[test]
fn a_link_in_the_place_of_our_directory_leads_nowhere() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let (place, elsewhere) = (world.server().join("webhook"), world.path("elsewhere"));
    symlink(&elsewhere, &place).unwrap();
    is_told_from_memory(&world, &receiver, "dangling");
    fs::create_dir(&elsewhere).unwrap();
    is_told_from_memory(&world, &receiver, "a");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "something was written through the link");
    fs::remove_file(&place).unwrap();
    is_kept(&world, &receiver, "b");
}

#[test]
fn a_link_further_down_leads_nowhere() {
    for link in [Place::Spool, Place::Intents, Place::Receipts] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        let (place, elsewhere) = (world.place(link), world.path("elsewhere"));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &place).unwrap();
        let pushed = world.push(&["main"]);
        assert!(pushed.accepted && pushed.output.contains("webhook ci: delivered main"), "{link:?}: {}", pushed.output);
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{link:?}: something was written through the link");
        assert_eq!(receiver.take().len(), 1);
    }
}

/// What pre-receive wrote down names the event that post-receive could not write down: it is one event.
#[test]
fn what_was_told_from_memory_is_not_told_again_from_its_intent() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let receipts = world.place(Place::Receipts);
    fs::create_dir_all(receipts.parent().unwrap()).unwrap();
    fs::write(&receipts, "in the way").unwrap();
    // Not loudly: had it not been delivered, the intent would be there still.
    let said = world.push(&["main"]).said();
    assert!(said.len() == 1 && said[0].starts_with("webhook ci: delivered main"), "{said:?}");
    fs::remove_file(receipts).unwrap();
    world.machine_restarts();
    world.webhook(&["flush", "--now"]);
    world.push(&["main:next"]);
    let main = |request: &&Request| request.json()["ref"] == "refs/heads/main";
    assert_eq!(receiver.requests().iter().filter(main).count(), 1, "told twice: {:?}", ids(&receiver));
}

/// An event that could not get its number keeps its place in the order of its ref all the same.
#[test]
fn what_could_not_be_written_down_waits_in_its_place() {
    let world = World::new();
    world.configure("webhook.ci.url", NOWHERE);
    world.configure("webhook.ci.format", "gitlab");
    let ids = ["one", "two", "three"].map(|message| {
        let id = world.commit(message);
        let receipts = world.place(Place::Receipts);
        if message == "two" {
            fs::rename(&receipts, world.path("away")).unwrap();
            fs::write(&receipts, "in the way").unwrap();
        }
        world.push(&["main"]);
        if message == "two" {
            fs::remove_file(&receipts).unwrap();
            fs::rename(world.path("away"), &receipts).unwrap();
            // The next number is found from the names of records.
            fs::remove_file(world.place(Place::Sequence)).unwrap();
        }
        id
    });
    let back = Receiver::new();
    world.server_git(&["config", "webhook.ci.url", &back.url()]);
    world.webhook(&["flush", "--now"]);
    let told: Vec<_> = back.take().iter().map(|request| request.json()["after"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ids, "{}", world.log());
    assert!(!world.log().contains("panicked"), "{}", world.log());
}

/// Runs post-receive with a limit on the size of files, in blocks of 1024 bytes.
fn push_with_limit(world: &World, limit: u32, branch: &str) -> String {
    let id = world.id("HEAD");
    let limited = |hook: &str| {
        let mut command = world.command("bash", &world.server());
        command.env("GIT_DIR", ".").args(["-c", &format!("ulimit -f {limit}; exec hooks/{hook}")]);
        world.feed(&mut command, format!("{ZERO} {id} refs/heads/{branch}\n").as_bytes())
    };
    let output = limited("pre-receive");
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
    let output = limited("post-receive");
    assert_eq!(output.status.code(), Some(0), "limit {limit}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_limit_on_the_size_of_files_kills_no_hook() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    for limit in [0, 1] {
        let said = push_with_limit(&world, limit, &format!("x{limit}"));
        assert!(said.contains(&format!("webhook ci: delivered x{limit} (200, ")), "{limit}: {said}");
        assert_eq!(said.contains(LOUD), limit == 0, "{limit}: {said}");
        receiver.take_one();
    }
    is_kept(&world, &receiver, "last");
}

#[test]
fn what_cannot_be_kept_is_sent_though_others_wait() {
    let back = Receiver::new();
    let world = World::new();
    world.configure("webhook.ci.url", NOWHERE);
    world.configure("webhook.ci.format", "gitlab");
    world.commit("one");
    world.push(&["main:waits"]);
    world.server_git(&["config", "webhook.ci.url", &back.url()]);
    let said = push_with_limit(&world, 0, "x");
    assert!(said.starts_with(LOUD), "{said}");
    let told = ids(&back);
    assert!(told.contains_key("refs/heads/x"), "the event is lost: {said}");
    world.webhook(&["flush", "--now"]);
    assert!(ids(&back).contains_key("refs/heads/waits"));
    assert!(ids(&back).values().all(|ids| ids.len() == 1));
}

/// Gives all of the world to `user` but what lies in `webhook`, programs included: their own place may be closed to others.
fn give_to(world: &World, user: u32) {
    let hooks = world.server().join("hooks");
    for name in ["post-receive", "pre-receive"] {
        fs::remove_file(hooks.join(name)).unwrap();
        write_program(&hooks.join(name), fs::read(env!("CARGO_BIN_EXE_post-receive")).unwrap());
    }
    let all = Command::new("chown").args(["-hR", &format!("{user}:{user}")]).arg(world.path("")).status().unwrap();
    assert!(all.success());
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn a_directory_of_another_user() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    // For what the test itself asks of git.
    world.configure_globally("safe.directory", "*");
    give_to(&world, NOBODY);
    let place = world.server().join("webhook");
    chown(&place, Some(0), Some(0)).unwrap();
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
    pre_receive_is_silent(&world, |command| {
        command.uid(NOBODY).gid(NOBODY);
    });
    for branch in ["a", "b"] {
        let mut command = world.command("git", &world.path("work"));
        command.arg("push").arg(world.server()).arg(format!("main:{branch}")).uid(NOBODY).gid(NOBODY);
        let output = command.ends();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains(LOUD), "{said}");
        assert!(said.contains(&format!("webhook ci: delivered {branch} (200, ")), "{said}");
        receiver.take_one();
    }
}
