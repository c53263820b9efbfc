//! No push is refused for what pre-receive lacks: memory, time, descriptors.

use std::fs;
use std::io::Write;

use crate::support::{Ends, Place, Receiver, World, ZERO, pre_receive, read_record, until, write_program};

/// Has a hook run below a shell that prepares it.
fn run_below(world: &World, hook: &str, preparation: &str) {
    let path = world.server().join("hooks").join(hook);
    fs::remove_file(&path).unwrap();
    let program = env!("CARGO_BIN_EXE_post-receive");
    write_program(&path, format!("#!/bin/bash\n{preparation} exec -a {hook} {program}\n"));
}

/// Makes so many branches in the clone.
fn branches(world: &World, count: usize) {
    let id = world.id("HEAD");
    let lines: String = (0..count).map(|number| format!("create refs/heads/n{number} {id}\n")).collect();
    world.git_with_input(&["update-ref", "--stdin"], lines.as_bytes());
}

#[test]
fn however_many_refs_are_pushed_they_take_no_more_memory() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    run_below(&world, "pre-receive", "ulimit -v 65536;");
    let count = 200_000;
    let input: String = (0..count).map(|number| format!("{ZERO} {id} refs/heads/n{number}\n")).collect();
    let mut hook = world.command(world.server().join("hooks/pre-receive"), &world.server());
    let output = world.feed(hook.env("GIT_DIR", "."), input.as_bytes());
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
    let intent = read_record(&world.intents()[0]);
    assert_eq!(intent["lines"].as_array().unwrap().len(), count);
    assert_eq!(intent["asked"][0]["lines"], serde_json::json!([[0, count - 1]]));
}

/// With so much more than the program needs to begin, in KiB, it can read a large push and not tell it.
const MARGIN: u32 = 3000;

/// How much address space the hook needs to begin, in KiB: the larger the program the more.
fn least_memory(world: &World) -> u32 {
    let begins = |limit: &u32| {
        let mut shell = world.command("sh", &world.path("."));
        let hook = env!("CARGO_BIN_EXE_post-receive");
        shell.args(["-c", &format!("ulimit -v {limit}; exec '{hook}' --version")]).ends().status.success()
    };
    (16_000..1_000_000).step_by(1000).find(begins).unwrap()
}

#[test]
fn where_post_receive_lacks_memory_the_event_is_kept_and_told_later() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    branches(&world, 3_000);
    run_below(&world, "post-receive", &format!("ulimit -v {};", least_memory(&world) + MARGIN));
    let pushed = world.push(&["refs/heads/n*:refs/heads/n*"]);
    assert!(pushed.accepted, "{}", pushed.output);
    assert_eq!(pushed.said(), ["webhook: the event cannot be sent now (out of memory), it is kept"]);
    assert!(receiver.take().is_empty());
    world.age(61);
    // Its receive-pack may be about to end.
    until("it is told", || {
        let output = world.webhook(&["flush", "--now"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        world.intents().is_empty()
    });
    assert_eq!(
        receiver.take().len(),
        3_000,
        "{:?} {:?} {}",
        world.kept(Place::Refused),
        world.unfinished().len(),
        world.log()
    );
    // Without an intent that would not be so.
    fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.push(&["--delete", "refs/heads/n1"]);
    assert_eq!(receiver.take().len(), 1);
    let pushed = world.push(&["refs/heads/n*:refs/heads/m*"]);
    assert!(pushed.accepted, "{}", pushed.output);
    assert!(pushed.said()[0].starts_with("webhook: the event can be neither sent now nor written down (out of"));
}

/// What a call does on a disk that takes nothing any more.
const STUCK: &str = "#include <sys/stat.h>\nint pause(void);\n\
    static int is_file(int fd) { struct stat s; return fstat(fd, &s) == 0 && S_ISREG(s.st_mode); }\n\
    long CALL(int fd, const void *a, long b, const void *c) { while (is_file(fd) || ALWAYS) pause(); return b; }\n";

#[test]
fn where_nothing_goes_on_it_gives_up_and_leaves_nothing() {
    for (call, always) in [("fdatasync", "0"), ("write", "0"), ("renameat", "1")] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("one");
        world.push(&["main:first"]);
        branches(&world, 5_000);
        receiver.take();
        let library = world.path("stuck.so");
        let mut compiler = world.command("cc", &world.server());
        compiler.args(["-shared", "-fPIC", "-w", "-x", "c", "-o"]).arg(&library).arg("-");
        let compiled = world.feed(&mut compiler, STUCK.replace("CALL", call).replace("ALWAYS", always).as_bytes());
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        run_below(&world, "pre-receive", &format!("export LD_PRELOAD={};", library.display()));
        let pushed = world.push(&["refs/heads/n1*:refs/heads/n1*"]);
        assert!(pushed.accepted, "{call}: {}", pushed.output);
        assert!(world.intents().is_empty(), "{call}");
        let left = fs::read_dir(world.place(Place::Intents)).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{call}: {left:?}");
        assert_eq!(receiver.take().len(), 1_111, "{call}");
    }
}

/// A pre-receive, and what it reads from.
fn start(world: &World) -> (std::process::Child, std::io::PipeWriter) {
    let mut hook = pre_receive(world);
    let (reader, writer) = std::io::pipe().unwrap();
    (hook.stdin(reader).spawn().unwrap(), writer)
}

/// What comes slowly comes: each line is progress.
#[test]
fn a_slow_receive_pack_is_waited_for() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    let (mut running, mut writer) = start(&world);
    for number in 0..5 {
        std::thread::sleep(std::time::Duration::from_millis(700));
        writeln!(writer, "{ZERO} {id} refs/heads/n{number}").unwrap();
    }
    drop(writer);
    assert!(running.wait().unwrap().success());
    assert_eq!(read_record(&world.intents()[0])["lines"].as_array().unwrap().len(), 5);
}

/// A push whose receive-pack is stopped while it feeds the hook.
#[test]
fn a_silent_receive_pack_is_not_waited_for() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    let (mut running, mut writer) = start(&world);
    writeln!(writer, "{ZERO} {id} refs/heads/main").unwrap();
    assert!(running.wait().unwrap().success(), "it ends though nobody has closed its input");
    drop(writer);
    assert!(world.intents().is_empty());
}
