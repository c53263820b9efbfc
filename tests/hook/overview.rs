//! What the verbs see of targets that are wrong or removed, and of pushes that wait for one to be configured rightly.

use std::process::Output;

use serde_json::Value;

use crate::support::{Answer, Place, Receiver, World};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn rows(world: &World, arguments: &[&str]) -> Vec<Value> {
    let output = world.webhook(&[arguments, &["--json"]].concat());
    crate::support::rows(&output.stdout)
}

/// What some fields of the rows say, those of a row in a line.
#[track_caller]
fn fields(world: &World, arguments: &[&str], names: &[&str]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
    let line = |row: &Value| names.iter().map(|name| text(&row[*name])).collect::<Vec<_>>().join(" ");
    rows(world, arguments).iter().map(line).collect()
}

/// A target that is wrong, and one push of two refs that waits for it.
fn deferred() -> (World, Receiver) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.timeout", "soon");
    world.commit("one");
    world.push(&["main:a", "main:b"]);
    (world, receiver)
}

/// Two deliveries that wait after a failure.
fn failed() -> World {
    let world = World::told_to(&Receiver::answering(Answer::Busy), "gitlab");
    world.commit("one");
    world.push(&["main:a", "main:b"]);
    world
}

#[test]
fn the_deliveries_of_a_target_that_has_become_wrong_are_seen_by_every_verb() {
    let world = failed();
    let queue = world.records(Place::Queue("ci"));
    world.configure("webhook.ci.timeout", "soon");
    assert_eq!(fields(&world, &["log"], &["target", "state"]), ["ci waiting", "ci waiting"]);
    assert_eq!(fields(&world, &["flush"], &["target", "state", "waiting"]), ["ci wrong 2"]);
    assert_eq!(out(&world.webhook(&["flush"])), "ci: 2 waiting (wrong)\n");
    assert_eq!(fields(&world, &["redeliver", "--failed"], &["target", "status"]), ["ci null", "ci null"]);
    assert_eq!(world.records(Place::Queue("ci")), queue);
}

#[test]
fn the_deliveries_of_a_removed_target_are_seen_though_none_was_tried() {
    let world = failed();
    world.push(&["main:c"]);
    world.server_git(&["config", "--remove-section", "webhook.ci"]);
    let seen = |state: &str| {
        assert_eq!(
            fields(&world, &["log"], &["target", "state"]),
            [format!("ci {state}"), format!("ci {state}"), format!("ci {state}")]
        );
        let refs = fields(&world, &["log", "--target", "ci"], &["ref"]);
        assert!(refs.contains(&"refs/heads/c".into()), "{refs:?}");
        for id in fields(&world, &["log"], &["id"]) {
            let shown = rows(&world, &["show", &id]).remove(0);
            assert_eq!((&shown["state"], &shown["request"]), (&state.into(), &Value::Null));
        }
    };
    seen("waiting");
    assert_eq!(out(&world.webhook(&["flush"])), "ci: 3 waiting (removed)\n");
    world.a_day_without("ci");
    assert_eq!(out(&world.webhook(&["flush"])), "nothing waits\n");
    seen("dead");
}

#[test]
fn a_push_that_waits_for_its_target_is_a_row_a_ref_update() {
    let (world, _receiver) = deferred();
    let names = ["target", "state", "ref", "event", "attempts", "waits_for"];
    let mut log = fields(&world, &["log"], &names);
    log.sort();
    let row = |name: &str| format!("ci waiting refs/heads/{name} null 0 waits for the configuration of the target");
    assert_eq!(log, [row("a"), row("b")]);
    assert_eq!(fields(&world, &["status"], &["target", "state", "waiting"]), ["ci wrong 1"]);
    assert_eq!(out(&world.webhook(&["flush"])), "ci: 1 waiting (wrong)\n");
    let id = &fields(&world, &["log"], &["id"])[0];
    let shown = out(&world.webhook(&["show", &id[..12]]));
    assert!(
        shown.starts_with("state     waiting, waits for the configuration of the target\ntarget    ci\n")
            && shown.contains("\nrequest   there is none yet: "),
        "{shown}"
    );
}

/// The rows of one push for two targets are told apart, and so are two targets with wrong names.
#[test]
fn a_push_that_waits_for_two_targets_has_rows_of_its_own_for_each() {
    let (world, receiver) = deferred();
    for name in ["team/ci", "team/chat"] {
        world.add_target(name, &receiver, "gitlab");
    }
    world.push(&["main:c"]);
    let ids = fields(&world, &["log"], &["id"]);
    assert_eq!(ids.len(), 5);
    for id in ids {
        assert_eq!(rows(&world, &["show", &id]).len(), 1);
    }
    assert_eq!(fields(&world, &["log", "--target", "ci"], &["target"]), ["ci", "ci", "ci"]);
}

#[test]
fn a_push_kept_for_a_target_that_was_removed_is_redelivered_once_it_is_there_again() {
    let (world, receiver) = deferred();
    world.webhook(&["remove", "ci"]);
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len()), (0, 1));
    assert_eq!(fields(&world, &["log"], &["target", "state"]), ["ci dead", "ci dead"]);
    assert_eq!(out(&world.webhook(&["redeliver", "--failed"])), "nothing to redeliver\n");
    world.add_target("ci", &receiver, "gitlab");
    let found = rows(&world, &["check"]);
    let advice = found.iter().find(|row| row["message"] == "'ci' has dead letters: 1").unwrap();
    assert!(advice["mend"][0].as_str().unwrap().ends_with(" redeliver --failed --target ci"), "{advice}");
    let names = ["target", "ref", "event", "state", "attempts", "status"];
    let mut sent = fields(&world, &["redeliver", "--failed", "--target", "ci"], &names);
    sent.sort();
    assert_eq!(sent, ["ci refs/heads/a Push Hook delivered 1 200", "ci refs/heads/b Push Hook delivered 1 200"]);
    assert_eq!(receiver.take().len(), 2);
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len()), (0, 0));
    assert_eq!(fields(&world, &["log"], &["state"]), ["delivered", "delivered"]);
    assert_eq!(out(&world.webhook(&["redeliver", "--failed"])), "nothing to redeliver\n");
}

/// What is asked for by the id of one ref update sends its push.
#[test]
fn a_push_that_waited_is_redelivered_by_an_id_of_the_log() {
    let (world, receiver) = deferred();
    let id = &fields(&world, &["log"], &["id"])[0];
    let output = world.webhook(&["redeliver", id]);
    assert!(out(&output).contains("not delivered: no target 'ci' that can be used"), "{}", out(&output));
    assert_eq!(output.status.code(), Some(1));
    world.server_git(&["config", "--unset", "webhook.ci.timeout"]);
    let output = world.webhook(&["redeliver", id]);
    assert!(out(&output).ends_with("\n2 delivered, 0 not\n"), "{}", out(&output));
    assert_eq!(receiver.take().len(), 2);
}

/// One name is how the other begins.
#[test]
fn names_with_a_dot_are_names_of_their_own_in_every_verb() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    for name in ["ci.b", "ci.b.c"] {
        world.add_target(name, &Receiver::answering(Answer::Busy), "gitlab");
    }
    world.commit("one");
    world.push(&["main"]);
    let of = |name: &str| fields(&world, &["log", "--target", name], &["target", "state"]);
    for name in ["ci", "ci.b", "ci.b.c"] {
        assert_eq!(of(name), [format!("{name} waiting")]);
        let flushed = fields(&world, &["flush", "--target", name], &["target", "waiting"]);
        assert_eq!(flushed, [format!("{name} 1")]);
    }
    world.webhook(&["disable", "ci.b"]);
    let names = ["target", "state"];
    assert_eq!(fields(&world, &["status"], &names), ["ci failing", "ci.b disabled", "ci.b.c failing"]);
    world.webhook(&["remove", "ci.b"]);
    assert_eq!(of("ci.b"), ["ci.b dead"]);
    assert_eq!(fields(&world, &["status"], &names), ["ci failing", "ci.b.c failing", "ci.b removed"]);
    let sent = |name: &str| fields(&world, &["redeliver", "--failed", "--target", name], &["target"]);
    assert_eq!((sent("ci"), sent("ci.b.c")), (vec!["ci".to_owned()], vec!["ci.b.c".to_owned()]));
}

/// Both are shown as the part of their names that can be no secret, and what waits for one is asked for by its name.
#[test]
fn the_log_of_a_target_with_a_wrong_name_is_found_by_the_name() {
    let (world, receiver) = deferred();
    world.add_target("team/ci", &receiver, "gitlab");
    world.push(&["main:c"]);
    assert_eq!(fields(&world, &["log", "--target", "team/ci"], &["target", "ref"]), ["team… refs/heads/c"]);
    world.server_git(&["config", "--remove-section", "webhook.team/ci"]);
    let names = ["target", "state", "waiting"];
    assert_eq!(fields(&world, &["status"], &names), ["ci wrong 2", "team… removed 1"]);
}

/// Of a long log the end alone is read: what is told is what the whole of it says.
#[test]
fn the_newest_of_a_long_log_are_those_of_the_whole() {
    let world = failed();
    let line = world.attempts()[0].clone();
    let log = world.files("webhook/log").pop().unwrap();
    let mut text = String::new();
    for number in 0..900_u32 {
        let mut line = line.clone();
        // Each delivery is tried three times, with others between; some targets and states are rare.
        let (id, attempt) = (number % 300, number / 300 + 1);
        let state = if attempt < 3 { "waiting" } else { ["delivered", "dead"][usize::from(id % 50 == 7)] };
        line["time"] =
            format!("2026-11-{:02}T10:{:02}:{:02}.000Z", 20 + number / 600, number / 60 % 60, number % 60).into();
        line["id"] = format!("{id:08x}-0000-5000-8000-000000000000").into();
        line["target"] = ["ci", "rare"][usize::from(id == 3)].into();
        (line["attempt"], line["state"]) = (attempt.into(), state.into());
        text += &format!("{line}\n");
    }
    std::fs::write(log.with_file_name("2026-11-20"), text).unwrap();
    for filter in [&[][..], &["--state", "dead"], &["--state", "waiting"], &["--target", "rare"]] {
        let all = rows(&world, &[&["log"], filter].concat());
        for count in [1, 5, 70, 299, 1000] {
            let newest = rows(&world, &[&["log", "-n", &count.to_string()], filter].concat());
            assert_eq!(newest, all[..count.min(all.len())], "{filter:?} {count}");
        }
    }
}
