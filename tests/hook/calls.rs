//! What a push asks the system for: little, and with nothing but its own files.

use std::fs;
use std::sync::Arc;

use crate::support::{Ends, Journal, Lab, Place, Receiver, Scene, World, ZERO, line};

/// Half of them are the start of the program, libgit2's look at the objects, and the request.
const MOST: usize = 360;

#[test]
#[ignore = "needs strace: run tests/run"]
fn a_push_of_one_commit_to_one_target_takes_few_system_calls() {
    let lab = Lab::new(Arc::new(Journal::default()));
    lab.set(Scene::Accepted);
    for step in 0..3 {
        assert!(lab.run(lab.world.hook(), step, &[]).status.success());
    }
    let trace = lab.world.path("trace");
    assert!(lab.run(lab.world.hook(), 3, &["-o", trace.to_str().unwrap()]).status.success());
    let text = fs::read_to_string(&trace).unwrap();
    let is_call = |line: &&str| !line.contains("resumed>") && !line.contains("+++") && !line.contains("---");
    let calls = text.lines().filter(is_call).count();
    assert!(calls > 100 && calls <= MOST, "{calls}: {text}");
    assert!(!text.contains(" clone(") && !text.contains(" clone3("), "no thread is started for one delivery: {text}");
    // Of a thousand pushes of a day each would look through those before it.
    let listed = |line: &&str| line.contains("settled") && line.contains("O_DIRECTORY") && !line.contains("O_PATH");
    assert_eq!(text.lines().find(listed), None, "the day's receipts are not listed");
    assert_eq!(lab.journal.take().len(), 4);
}

/// As on Linux before 5.6, and in containers of that time, which say that it is not permitted.
#[test]
#[ignore = "needs strace: run tests/run"]
fn without_openat2_all_is_as_with_it() {
    for error in ["ENOSYS", "EPERM"] {
        let lab = Lab::new(Arc::new(Journal::default()));
        lab.set(Scene::Accepted);
        let trace = lab.world.path("trace");
        let inject = format!("inject=openat2:error={error}");
        for step in 0..3 {
            let pushed = lab.run(lab.world.hook(), step, &["-o", trace.to_str().unwrap(), "-e", &inject]);
            assert!(pushed.status.success());
        }
        let text = fs::read_to_string(&trace).unwrap();
        assert!(text.contains("(INJECTED)"), "{text}");
        assert_eq!(lab.journal.take().len(), 3, "{error}");
        assert_eq!(lab.world.unfinished(), [""; 0].map(std::path::PathBuf::from));
        assert_eq!(lab.world.log(), "", "{error}");
    }
}

#[test]
fn what_is_opened_is_no_standard_descriptor_though_all_are_closed() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let update = ("refs/heads/main".into(), ZERO.into(), world.id("main"));
    fs::write(world.path("pushed"), line(&update)).unwrap();
    let mut shell = world.command("sh", &world.server());
    let hook = format!("hooks/post-receive < '{}' >&- 2>&-", world.path("pushed").display());
    let output = shell.args(["-c", &hook]).env("GIT_DIR", ".").ends();
    assert!(output.status.success());
    assert_eq!(receiver.take().len(), 1);
    let mut shell = world.command("sh", &world.server());
    assert!(shell.args(["-c", "hooks/post-receive <&- >&- 2>&-"]).env("GIT_DIR", ".").ends().status.success());
    for day in world.days(Place::Log) {
        for line in fs::read_to_string(world.place(Place::LogOn(&day))).unwrap().lines() {
            assert!(line.starts_with('{'), "{line}");
        }
    }
    assert_eq!(world.unfinished(), [""; 0].map(std::path::PathBuf::from));
}
