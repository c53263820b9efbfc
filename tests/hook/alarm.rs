//! `webhook.onFailure`: of what a command is told, how often, with what, and for how long it may run.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use git_webhook::process::try_lock;
use serde_json::Value;

use crate::owners::{as_root, nothing_is_roots, of_nobody, push_as_nobody};
use crate::support::{Answer, Ends, Place, Receiver, World, is_as_its_schema, rewrite_record, until};

/// Writes down what it is told, an object a line.
const WRITES: &str = r#"{ cat; echo; } >>"$HOME/said""#;

fn world(answers: &[u16], command: &str) -> (World, Receiver) {
    let receiver = Receiver::in_turn(answers.iter().map(|status| Answer::Status(*status)).collect::<Vec<_>>());
    let world = World::told_to(&receiver, "gitlab");
    world.configure_globally("webhook.onFailure", command);
    world.commit("one");
    (world, receiver)
}

fn lines(world: &World) -> Vec<String> {
    let said = fs::read_to_string(world.path("home/said")).unwrap_or_default();
    said.lines().map(String::from).collect()
}

/// Waits for so many lines, and for the process that has them written.
#[track_caller]
fn told(world: &World, count: usize) -> Vec<Value> {
    until("somebody is told", || lines(world).len() >= count);
    is_over(world);
    let read = |line: String| {
        let notice = serde_json::from_str(&line).unwrap();
        is_as_its_schema("on-failure", &notice);
        notice
    };
    let notices: Vec<_> = lines(world).into_iter().map(read).collect();
    assert_eq!(notices.len(), count, "{notices:#?}");
    notices
}

/// Waits until nobody is being told.
fn is_over(world: &World) {
    let open = || fs::File::options().append(true).open(world.place(Place::Spool).join("telling"));
    until("all is told", || open().is_ok_and(|file| try_lock(file).is_some()));
}

fn an_hour_passes(world: &World) {
    rewrite_record(&world.place(Place::Queue("ci")).join("told"), |json| {
        json["at"] = (json["at"].as_i64().unwrap() - 3600).into();
    });
}

fn push(world: &World, branches: &[&str]) {
    for branch in branches {
        assert!(world.push(&[&format!("main:{branch}")]).accepted);
    }
}

#[track_caller]
fn is_of(notice: &Value, occasions: &[&str], state: &str) {
    assert_eq!((&notice["occasions"], &notice["state"]), (&occasions.into(), &state.into()), "{notice:#}");
}

#[test]
fn the_third_failure_in_a_row_is_told_and_that_the_target_is_back() {
    // It is no failure that passes, and the target is in no backoff.
    let (world, _receiver) = world(&[404, 200, 404, 404, 404, 200], WRITES);
    push(&world, &["a", "b", "c", "d"]);
    assert!(lines(&world).is_empty() && !world.place(Place::Spool).join("telling").exists());
    push(&world, &["e"]);
    let first = &told(&world, 1)[0];
    is_of(first, &["failing"], "failing");
    assert_eq!((&first["target"], &first["failures"], &first["waiting"]), (&"ci".into(), &3.into(), &4.into()));
    assert_eq!(first["why"], "answered 404");
    assert_eq!(first["repository"], fs::canonicalize(world.server()).unwrap().to_str().unwrap());
    push(&world, &["f"]);
    an_hour_passes(&world);
    world.webhook(&["flush"]);
    let second = &told(&world, 2)[1];
    is_of(second, &["recovered"], "ok");
    assert_eq!((&second["failures"], &second["why"]), (&0.into(), &Value::Null));
}

#[test]
fn what_an_hour_held_back_is_told_at_its_end_by_whoever_runs_next() {
    let (world, receiver) = world(&[404, 404, 404, 200, 410], WRITES);
    push(&world, &["a", "b", "c"]);
    is_of(&told(&world, 1)[0], &["failing"], "failing");
    push(&world, &["d", "e", "f"]);
    an_hour_passes(&world);
    // Nothing is sent to it any more, and no target wants this.
    world.configure("webhook.ci.ref", "!refs/heads/g");
    let sent = receiver.requests().len();
    push(&world, &["g"]);
    let told = told(&world, 2);
    is_of(&told[1], &["parked"], "parked");
    assert_eq!(receiver.requests().len(), sent);
}

#[test]
fn each_410_is_told_though_somebody_enabled_the_target_in_between() {
    let (world, _receiver) = world(&[410, 410, 200], WRITES);
    push(&world, &["a"]);
    is_of(&told(&world, 1)[0], &["parked"], "parked");
    an_hour_passes(&world);
    world.webhook(&["enable", "ci"]);
    world.webhook(&["flush", "--now"]);
    is_of(&told(&world, 2)[1], &["parked"], "parked");
    an_hour_passes(&world);
    world.webhook(&["enable", "ci"]);
    world.webhook(&["flush", "--now"]);
    is_of(&told(&world, 3)[2], &["recovered"], "ok");
}

#[test]
fn dead_letters_are_told_once() {
    let (world, _receiver) = world(&[200, 404], WRITES);
    push(&world, &["a"]);
    let strays = ["one", "two"].map(|name| world.place(Place::Queue("ci")).join(format!("9{name}")));
    fs::create_dir_all(world.place(Place::Queue("ci"))).unwrap();
    // What has no name of a record becomes a dead letter.
    fs::write(&strays[0], "").unwrap();
    world.webhook(&["flush"]);
    let first = &told(&world, 1)[0];
    is_of(first, &["dead_letters"], "ok");
    assert_eq!((&first["dead"], &first["since"]), (&1.into(), &Value::Null));
    an_hour_passes(&world);
    world.webhook(&["flush"]);
    fs::write(&strays[1], "").unwrap();
    world.webhook(&["flush"]);
    let second = &told(&world, 2)[1];
    is_of(second, &["dead_letters"], "ok");
    assert_eq!(second["dead"], 2);
    // Those that a person has seen are no news.
    an_hour_passes(&world);
    fs::write(&strays[0], "").unwrap();
    world.webhook(&["dead", "--seen"]);
    push(&world, &["b", "c", "d"]);
    let third = &told(&world, 3)[2];
    assert_eq!(third["dead"], 1, "{third:#}");
}

#[test]
fn the_command_gets_three_variables_three_descriptors_and_the_log() {
    let looks = r#"cat >"$HOME/input"; tr '\0' '\n' </proc/$$/environ | sort >"$HOME/env"
        pwd >"$HOME/pwd"; echo >>"$HOME/said"; echo out; echo err >&2; exec ls /proc/self/fd"#;
    let (mut world, _receiver) = world(&[410], looks);
    world.set("LANG", "C.UTF-8");
    world.set("GIT_TRACE2_PARENT_SID", "x");
    let mut shell = world.command("sh", &world.work());
    shell.args(["-c", r#"exec 7</dev/null 8>/dev/null; exec git push --quiet "$0" main"#]).arg(world.server());
    assert!(shell.ends().status.success());
    until("the command has run", || lines(&world).len() == 1);
    is_over(&world);
    let read = |name: &str| fs::read_to_string(world.path("home").join(name)).unwrap();
    is_of(&serde_json::from_str(&read("input")).unwrap(), &["parked"], "parked");
    let names: Vec<_> = read("env").lines().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["HOME", "LANG", "PATH"]);
    assert_eq!(read("pwd").trim(), fs::canonicalize(world.server()).unwrap().to_str().unwrap());
    let log = world.log();
    let is_number = |line: &&str| line.parse::<u32>().is_ok();
    // The last is the directory that is being listed.
    assert_eq!(log.lines().filter(is_number).collect::<Vec<_>>(), ["0", "1", "2", "3"], "{log}");
    assert!(["out", "err"].iter().all(|word| log.lines().any(|line| line == *word)), "{log}");
}

#[test]
fn a_repository_cannot_name_the_command() {
    let (world, _receiver) = world(&[410], "");
    world.configure("webhook.onFailure", WRITES);
    push(&world, &["a"]);
    assert!(!world.place(Place::Queue("ci")).join("standing").exists());
    let listed = world.webhook(&["list"]);
    let said = String::from_utf8_lossy(&listed.stderr);
    assert!(said.contains("warning: webhook.onFailure: is ignored here"), "{said}");
}

#[test]
fn a_command_that_fails_has_told_nobody_and_is_run_again_after_an_hour() {
    let (world, _receiver) = world(&[410], &format!("{WRITES}; exit 3"));
    push(&world, &["a", "b"]);
    told(&world, 1);
    let log = world.log();
    assert!(log.contains("webhook ci: webhook.onFailure exited with status 3: it is run again in an hour"), "{log}");
    an_hour_passes(&world);
    push(&world, &["c"]);
    is_of(&told(&world, 2)[1], &["parked"], "parked");
}

#[test]
fn the_push_does_not_wait_and_what_takes_long_is_killed_with_all_that_it_started() {
    let command = r#"setsid sh -c 'setsid sleep 600 & echo $! >>"$HOME/said"; echo $$ >>"$HOME/said"; wait' &
        echo $$ >>"$HOME/said"; sleep 600"#;
    let (world, _receiver) = world(&[410], command);
    push(&world, &["a"]);
    until("it runs", || lines(&world).len() == 3);
    let lives = |pid: &String| Path::new("/proc").join(pid).exists();
    assert!(lines(&world).iter().all(lives), "the push has ended before");
    is_over(&world);
    assert!(!lines(&world).iter().any(lives));
    let log = world.log();
    assert!(log.contains("webhook ci: webhook.onFailure took longer than 30 seconds and was killed"), "{log}");
}

#[test]
fn a_detached_delivery_tells_too() {
    let (world, _receiver) = world(&[410], WRITES);
    world.configure("webhook.detach", "true");
    push(&world, &["a"]);
    is_of(&told(&world, 1)[0], &["parked"], "parked");
}

/// Shows as whom it runs, where the repository's log is.
const SHOWS: &str = r#"echo "runs as $(id -u):$(id -G), at home in $HOME, told of $(wc -l) lines""#;

#[test]
#[ignore = "needs two users: run tests/run"]
fn root_runs_it_as_the_owner_of_a_repository_that_is_somebody_elses() {
    // By a verb, which is the owner's process; and by a push of root's own.
    for by_push in [false, true] {
        let mut world = of_nobody();
        // Else each would have his own.
        world.set("GIT_CONFIG_GLOBAL", world.path("home/.gitconfig").to_str().unwrap());
        world.configure_globally("safe.directory", "*");
        push_as_nobody(&world, &["main:a"]);
        world.configure_globally("webhook.onFailure", SHOWS);
        // It becomes a dead letter.
        let stray = world.place(Place::Queue("ci")).join("9stray");
        fs::write(&stray, "").unwrap();
        chown(&stray, Some(65534), Some(65534)).unwrap();
        world.backoff_ends("ci");
        match by_push {
            true => push(&world, &["b"]),
            false => drop(as_root(&world, &world.server(), &["flush"])),
        }
        until("it has run", || world.log().contains("runs as "));
        is_over(&world);
        let log = world.log();
        assert!(log.contains("runs as 65534:65534, at home in /nonexistent"), "{by_push}: {log}");
        if !by_push {
            nothing_is_roots(&world);
        }
    }
}
