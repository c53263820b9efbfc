//! Wrappers: scripts that read what git says and hand each line to the hook by itself.

use std::fs::{read_link, remove_file};

use serde_json::Value;

use crate::support::{Place, Receiver, World, pre_receive, write_program};

/// A repository with `main`, and then as `post-receive` this script, with `$hook` for our program.
fn wrapped(script: &str) -> (Receiver, World) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    let hook = world.server().join("hooks/post-receive");
    let program = read_link(&hook).unwrap();
    remove_file(&hook).unwrap();
    write_program(&hook, format!("#!/bin/sh\nhook='{}'\n{script}\n", program.display()));
    (receiver, world)
}

fn by_line(each: &str) -> (Receiver, World) {
    wrapped(&format!("while read old new ref; do {each}; done"))
}

/// Each ref, sorted, with the subjects of its commits.
fn told(receiver: &Receiver) -> Vec<(String, Vec<String>)> {
    let subjects = |json: &Value| {
        let commits = json["commits"].as_array().unwrap().iter();
        commits.map(|commit| commit["message"].as_str().unwrap().trim_end().to_owned()).collect()
    };
    let json = receiver.take().into_iter().map(|request| request.json());
    let mut told: Vec<_> = json.map(|json| (json["ref"].as_str().unwrap().to_owned(), subjects(&json))).collect();
    told.sort();
    told
}

/// The same of what a flush tells once no hook is awaited any more.
fn told_by_flush(world: &World, receiver: &Receiver) -> Vec<(String, Vec<String>)> {
    world.machine_restarts();
    world.webhook(&["flush"]);
    told(receiver)
}

fn of(name: &str, subjects: &[&str]) -> (String, Vec<String>) {
    (format!("refs/heads/{name}"), subjects.iter().map(ToString::to_string).collect())
}

const WAYS: [&str; 3] = [
    "echo $old $new $ref | \"$hook\"",
    "\"$hook\" $old $new $ref < /dev/null",
    // As words, and once more as the input: one event all the same.
    "echo $old $new $ref | \"$hook\" $old $new $ref",
];

#[test]
fn a_line_that_comes_alone_is_told_as_with_the_others() {
    for way in WAYS {
        let (receiver, world) = by_line(way);
        world.commit("two");
        world.git(&["branch", "a"]);
        world.commit("three");
        world.git(&["branch", "b"]);
        world.push(&["a", "b", "main"]);
        // New to the repository is what the whole push brought.
        let expected = [of("a", &["two"]), of("b", &["two", "three"]), of("main", &["two", "three"])];
        assert_eq!(told(&receiver), expected, "{way}");
        world.machine_restarts();
        world.webhook(&["flush"]);
        world.webhook(&["reconcile"]);
        assert!(told(&receiver).is_empty(), "{way}");
        assert!(world.place(Place::Intents).read_dir().unwrap().next().is_none(), "{way}");
    }
}

/// git refuses one of the lines, and post-receive gets the others alone.
#[test]
fn a_line_that_git_refused_ends_as_refused() {
    let (receiver, world) = by_line(WAYS[0]);
    write_program(&world.server().join("hooks/update"), "#!/bin/sh\n[ $1 != refs/heads/b ]\n");
    world.commit("two");
    for branch in ["a", "b", "c"] {
        world.git(&["branch", branch]);
    }
    assert!(!world.push(&["a", "b", "c"]).accepted);
    assert_eq!(told(&receiver), [of("a", &["two"]), of("c", &["two"])]);
    world.machine_restarts();
    world.webhook(&["flush"]);
    world.webhook(&["reconcile"]);
    assert!(told(&receiver).is_empty());
    assert!(world.place(Place::Intents).read_dir().unwrap().next().is_none());
}

/// The wrapper dies between two lines: the one that it kept back is told as the first was.
#[test]
fn a_line_that_the_wrapper_lost_is_told_from_the_intent() {
    let (receiver, world) = by_line(&format!("{}; exit", WAYS[0]));
    world.commit("two");
    world.git(&["branch", "a"]);
    world.git(&["branch", "b"]);
    world.push(&["a", "b"]);
    assert_eq!(told(&receiver), [of("a", &["two"])]);
    assert_eq!(told_by_flush(&world, &receiver), [of("b", &["two"])]);
}

#[test]
fn pre_receive_takes_words_too() {
    let (receiver, world) = wrapped("");
    let commit = world.commit("two");
    let mut hook = pre_receive(&world);
    let first = world.server_git(&["rev-parse", "main"]);
    hook.args([first.as_str(), commit.as_str(), "refs/heads/main"]).stdin(std::process::Stdio::null());
    assert!(hook.status().unwrap().success());
    let intents = world.place(Place::Intents);
    assert_eq!(intents.read_dir().unwrap().count(), 1);
    remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.push(&["main"]);
    assert_eq!(told_by_flush(&world, &receiver), [of("main", &["two"])]);
}

/// A hook before ours in a chain took the input.
#[test]
fn no_input_though_an_intent_waits_is_one_line_in_the_log() {
    let (receiver, world) = wrapped("cat > /dev/null; \"$hook\"");
    world.commit("two");
    world.push(&["main"]);
    let log = world.log();
    let said = "post-receive was given no refs though pre-receive was: does a hook before it read its standard input?";
    assert_eq!(log.matches(said).count(), 1, "{log}");
    assert_eq!(told_by_flush(&world, &receiver), [of("main", &["two"])]);
}
