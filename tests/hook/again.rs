//! `git webhook show` and `redeliver`: what was sent, what was answered, and sending it once more.

use std::fs;
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Answer, Ends, Place, Receiver, World, until};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn json(output: &Output) -> Value {
    crate::support::rows(&output.stdout).into()
}

/// The id of the newest delivery.
fn newest(world: &World) -> String {
    json(&world.webhook(&["log", "--json"]))[0]["id"].as_str().unwrap().to_owned()
}

/// One push, answered in turn.
fn pushed(answers: impl Into<Vec<Answer>>) -> (World, Receiver) {
    let receiver = Receiver::in_turn(answers);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.secret", "canary-0123456789-0123456789");
    world.commit("one");
    world.push(&["main"]);
    (world, receiver)
}

#[test]
fn a_delivery_that_was_made_is_made_again() {
    let (world, receiver) = pushed([Answer::Status(200)]);
    let first = receiver.take_one();
    let id = newest(&world);
    let output = world.webhook(&["redeliver", &id[..8]]);
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    let lines: Vec<_> = out(&output).lines().map(String::from).collect();
    assert!(lines[0].starts_with(&format!("{id} ci refs/heads/main: delivered (200, ")), "{lines:?}");
    assert!(lines[0].ends_with("), attempt 2"), "{lines:?}");
    assert_eq!(lines[1], "1 delivered, 0 not");
    let again = receiver.take_one();
    assert_eq!((&again.body, again.header("Idempotency-Key")), (&first.body, id.as_str()));
    let row = &json(&world.webhook(&["log", "--json"]))[0];
    assert_eq!((&row["attempts"], &row["state"]), (&2.into(), &"delivered".into()));
    assert_eq!(out(&world.webhook(&["flush", "--now"])), "nothing waits\n");
    assert!(receiver.take().is_empty());
}

/// What a creation brought is told from the refs of that time, not of today.
#[test]
fn what_others_pushed_since_changes_nothing() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.git(&["checkout", "--quiet", "-b", "topic"]);
    world.commit("two");
    world.push(&["topic"]);
    let id = newest(&world);
    world.git(&["checkout", "--quiet", "main"]);
    world.git(&["merge", "--quiet", "topic"]);
    world.commit("three");
    world.push(&["main", "main:other", ":topic"]);
    let first = receiver.take().into_iter().find(|request| request.header("Idempotency-Key") == id).unwrap();
    assert_eq!(first.json()["total_commits_count"], 1);
    assert!(out(&world.webhook(&["show", &id])).contains("built again, the same as was sent"));
    world.webhook(&["redeliver", &id]);
    assert_eq!(receiver.take_one().body, first.body);
}

#[test]
fn a_body_that_differs_is_told() {
    let (world, receiver) = pushed([Answer::Status(200)]);
    world.configure("webhook.homepage", "https://git.example.org/{repository}");
    let id = newest(&world);
    let shown = out(&world.webhook(&["show", &id]));
    assert!(
        shown.contains("built again, and not what was sent: objects, refs or configuration have changed"),
        "{shown}"
    );
    let said = out(&world.webhook(&["redeliver", &id]));
    assert!(said.contains("attempt 2; the body was built again, and differs from the one sent before\n"), "{said}");
    assert_eq!(receiver.take().len(), 2);
}

#[test]
fn what_failed_is_redelivered_all_together() {
    let (world, receiver) = pushed([Answer::Busy, Answer::Status(404), Answer::Status(200)]);
    let other = Receiver::answering(Answer::Status(500));
    world.add_target("other", &other, "codeup");
    world.push(&["main:second"]);
    world.webhook(&["flush", "--now"]);
    // The configuration was changed: what had failed was tried with the second push.
    assert_eq!((receiver.take().len(), other.take().len()), (4, 2));
    world.webhook(&["disable", "other"]);
    let rows = json(&world.webhook(&["redeliver", "--failed", "--json"]));
    let row = rows.as_array().unwrap().iter().find(|row| row["target"] == "other").unwrap();
    assert_eq!(row["reason"], "target 'other' is disabled: run git webhook enable other first");
    world.webhook(&["enable", "other"]);
    assert_eq!(out(&world.webhook(&["redeliver", "--failed", "--target", "ci"])), "nothing to redeliver\n");
    assert_eq!(
        out(&world.webhook(&["redeliver", "--failed", "--since", "1s", "--target", "ci"])),
        "nothing to redeliver\n"
    );
    let output = world.webhook(&["redeliver", "--failed"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).ends_with("other refs/heads/second: not delivered: answered 500\n0 delivered, 1 not\n"),
        "{}",
        out(&output)
    );
    assert_eq!(other.take().len(), 1);
    let nobody = world.webhook(&["redeliver", "--failed", "--target", "nobody"]);
    assert!(err(&nobody).starts_with("error: no target 'nobody'"), "{}", err(&nobody));
}

#[test]
fn what_was_given_up_goes_on_where_it_was() {
    let (world, receiver) = pushed([
        Answer::Status(404),
        Answer::Status(404),
        Answer::Status(404),
        Answer::Status(404),
        Answer::Status(404),
        Answer::Status(200),
    ]);
    world.configure("webhook.ci.retryFor", "1s");
    thread::sleep(Duration::from_millis(2100));
    (0..4).for_each(|_| drop(world.webhook(&["flush", "--now"])));
    let row = json(&world.webhook(&["log", "--json"]))[0].clone();
    assert_eq!((&row["state"], &row["attempts"]), (&"dead".into(), &5.into()));
    let shown = json(&world.webhook(&["show", "--json", row["id"].as_str().unwrap()]))[0].clone();
    assert_eq!(shown["request"]["body_is"], "stored");
    let bodies: Vec<_> = receiver.take().into_iter().map(|request| request.body).collect();
    let output = world.webhook(&["redeliver", "--failed"]);
    assert!(out(&output).ends_with("), attempt 6\n1 delivered, 0 not\n"), "{}", out(&output));
    assert_eq!(receiver.take_one().body, bodies[0]);
    let left = world.kept(Place::Dead("ci"));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_body_beside_its_record_comes_back_with_it() {
    let receiver = Receiver::in_turn([Answer::Status(404), Answer::Status(404), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    // Targets of one format share the body's file.
    world.add_target("cd", &receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let text = fs::read_to_string(world.server().join("config")).unwrap();
    world.webhook(&["remove", "ci"]);
    fs::write(world.server().join("config"), text).unwrap();
    assert!(!world.bodies(Place::Dead("ci")).is_empty());
    let output = world.webhook(&["redeliver", "--failed", "--target", "ci"]);
    assert!(out(&output).ends_with("1 delivered, 0 not\n"), "{}{}", out(&output), err(&output));
    let requests = receiver.take();
    assert_eq!((requests.len(), &requests[0].body), (3, &requests[2].body));
}

#[test]
fn a_dead_letter_that_is_damaged_is_built_again() {
    let (world, receiver) = pushed([Answer::Status(404), Answer::Status(200)]);
    let text = fs::read_to_string(world.server().join("config")).unwrap();
    world.webhook(&["remove", "ci"]);
    assert_eq!(out(&world.webhook(&["redeliver", "--failed"])), "nothing to redeliver\n", "while it is no more");
    fs::write(world.server().join("config"), text).unwrap();
    let record = world.dead("ci").remove(0);
    fs::write(&record, "torn").unwrap();
    let output = world.webhook(&["redeliver", "--failed"]);
    assert!(out(&output).ends_with("), attempt 2\n1 delivered, 0 not\n"), "{}{}", out(&output), err(&output));
    let requests = receiver.take();
    assert_eq!(requests[0].body, requests[1].body);
    assert!(record.exists(), "for whoever wants to know what happened");
}

#[test]
fn what_was_never_tried_is_redelivered_too() {
    let (world, receiver) = pushed([Answer::Busy, Answer::Busy, Answer::Status(200)]);
    world.push(&["main:second", "main:third"]);
    let text = fs::read_to_string(world.server().join("config")).unwrap();
    world.webhook(&["remove", "ci"]);
    fs::write(world.server().join("config"), text).unwrap();
    let rows = json(&world.webhook(&["log", "--json", "--state", "dead"]));
    assert_eq!(rows.as_array().unwrap().len(), 3, "the log has all dead letters: {rows}");
    let tries: u64 = rows.as_array().unwrap().iter().map(|row| row["attempts"].as_u64().unwrap()).sum();
    assert_eq!(tries, 1, "two of them were never tried");
    assert!(out(&world.webhook(&["redeliver", "--failed"])).ends_with("2 delivered, 1 not\n"));
    assert!(out(&world.webhook(&["redeliver", "--failed"])).ends_with("1 delivered, 0 not\n"));
    assert_eq!(receiver.take().len(), 5);
}

#[test]
fn a_redelivery_that_fails_is_tried_again() {
    let (world, receiver) = pushed([Answer::Status(200), Answer::Busy, Answer::Status(200)]);
    let output = world.webhook(&["redeliver", &newest(&world)]);
    assert!(out(&output).contains("main: not delivered: answered 503\n0 delivered, 1 not\n"), "{}", out(&output));
    let row = json(&world.webhook(&["log", "--json"]))[0].clone();
    assert_eq!((&row["state"], &row["attempts"]), (&"waiting".into(), &2.into()));
    assert_eq!(out(&world.webhook(&["flush", "--now"])), "ci: 1 delivered\n");
    assert_eq!(receiver.take().len(), 3);
}

#[test]
fn a_parked_target_gets_what_is_asked_for() {
    let (world, receiver) = pushed([Answer::Status(410), Answer::Status(200)]);
    assert!(out(&world.webhook(&["status"])).contains("parked"));
    assert_eq!(world.webhook(&["redeliver", "--failed"]).status.code(), Some(0));
    assert!(out(&world.webhook(&["status"])).contains("ci      ok "), "it took something, so it is used again");
    assert_eq!(receiver.take().len(), 2);
}

#[test]
fn bad_362_363_what_is_in_flight_is_not_sent_twice() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::After(Duration::from_secs(4))]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let id = newest(&world);
    let start = |arguments: &[&str]| world.webhook_command().args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let flush = start(&["flush", "--now"]);
    until("the flush sends", || receiver.connections() == 2);
    let children = [start(&["redeliver", &id]), start(&["redeliver", "--failed"])];
    for child in children {
        let output = child.ends();
        assert!(out(&output).ends_with("1 delivered, 0 not\n"), "{}", out(&output));
    }
    flush.ends();
    assert_eq!(receiver.requests().len(), 2, "the push and the flush");
    let twice = [start(&["redeliver", &id]), start(&["redeliver", &id])];
    twice.into_iter().for_each(|child| drop(child.ends()));
    assert_eq!(receiver.requests().len(), 3, "the second saw that the first had done it");
}

/// What a crash leaves: the queue's lock says that deliveries were under way, and the log that this one was made once.
#[test]
fn what_was_put_back_survives_a_crash() {
    let (world, receiver) = pushed([Answer::Status(200), Answer::Busy, Answer::Status(200)]);
    world.webhook(&["redeliver", &newest(&world)]);
    world.sender_died("ci");
    assert_eq!(out(&world.webhook(&["flush", "--now"])), "ci: 1 delivered\n");
    assert_eq!(receiver.take().len(), 3);
}

#[test]
fn an_id_is_told_from_others() {
    let (world, _receiver) = pushed([Answer::Status(200)]);
    for (id, why) in [("abc", "'abc' is no delivery's id"), ("ffffffff-0000", "no delivery 'ffffffff-0000' in the log")]
    {
        for verb in ["show", "redeliver"] {
            let output = world.webhook(&[verb, id]);
            assert_eq!(output.status.code(), Some(1));
            assert!(err(&output).contains(why), "{}", err(&output));
        }
    }
    for arguments in
        [&["redeliver"][..], &["show"], &["redeliver", "x", "--failed"], &["redeliver", "x", "--since", "1h"]]
    {
        assert_eq!(world.webhook(arguments).status.code(), Some(129), "{arguments:?}");
    }
}

#[test]
fn show_tells_all_but_secrets() {
    let body = "no such job: canary-0123456789-0123456789";
    let answer = format!("HTTP/1.1 404 X\r\nX-Job: none\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let receiver = Receiver::in_turn([Answer::Raw(answer.into_bytes()), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.server_git(&[
        "config",
        "webhook.ci.url",
        &receiver.url().replace("127.0.0.1", "me:canary@127.0.0.1").replace("/hook", "/canary-path"),
    ]);
    world.configure("webhook.ci.secret", "canary-0123456789-0123456789");
    world.configure("webhook.ci.header", "X-Extra: canary");
    world.configure("webhook.ci.signingSecret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    world.commit("one");
    world.push(&["main"]);
    world.webhook(&["flush", "--now"]);
    let id = newest(&world);
    let shown = out(&world.webhook(&["show", &id]));
    for part in [
        &format!("delivery  {id}\n"),
        "target    ci (http://127.0.0.1:",
        "state     delivered\n",
        "  X-Extra: (not shown)\n  Authorization: (not shown)\n  Content-Type: application/json\n  User-Agent: git-webhook/",
        "  X-Gitlab-Token: (not shown)\n",
        &format!("  Idempotency-Key: {id}\n"),
        " bytes, built again, the same as was sent\n  {\n    \"object_kind\": \"push\",\n",
        "  x-job: none\n",
        "\n  no such job: …\n",
        "\nattempt 2, 20",
    ] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    assert!(!shown.contains("canary"), "{shown}");
    let json = json(&world.webhook(&["show", &id, "--json"]))[0].clone();
    assert!(!json.to_string().contains("canary"));
    let sent = &receiver.take()[1];
    let framing = ["Host", "Content-Length"];
    let names = sent.headers.iter().map(|(name, _)| name.clone());
    let mut names: Vec<_> = names.filter(|name| !framing.contains(&name.as_str())).collect();
    let told = json["request"]["headers"].as_array().unwrap();
    let mut told: Vec<_> = told.iter().map(|header| header[0].as_str().unwrap().to_owned()).collect();
    names.sort();
    told.sort();
    assert_eq!(told, names, "what is shown is what is sent, letter for letter");
    assert_eq!(json["request"]["body"].as_str().unwrap().as_bytes(), sent.body);
    assert_eq!(json["tries"].as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_built_again_is_told() {
    let (world, _receiver) = pushed([Answer::Status(200)]);
    let id = newest(&world);
    fs::remove_dir_all(world.place(Place::Settled)).unwrap();
    let why = "the push it comes from is older than webhook.keepLog, so its body cannot be built again";
    assert!(out(&world.webhook(&["show", &id])).contains(&format!("request   {why}\n")));
    let output = world.webhook(&["redeliver", &id]);
    assert_eq!((out(&output).contains(why), output.status.code()), (true, Some(1)));
    world.webhook(&["remove", "ci"]);
    assert!(out(&world.webhook(&["show", &id])).contains("no target 'ci' that can be used: add it again"));
}

/// Those that were never tried have whole seconds in the log, and three pushes may be in one; ids are in no order.
#[test]
fn what_is_redelivered_of_one_ref_is_told_in_the_order_of_the_pushes() {
    const PUSHES: usize = 6;
    let (world, receiver) = (World::new(), Receiver::new());
    world.configure("webhook.ci.url", "http://127.0.0.1:1/");
    world.configure("webhook.ci.format", "gitlab");
    let pushed: Vec<_> = (0..PUSHES)
        .map(|number| {
            let commit = world.commit(&number.to_string());
            assert!(world.push(&["main"]).accepted);
            commit
        })
        .collect();
    let text = fs::read_to_string(world.server().join("config")).unwrap();
    world.webhook(&["remove", "ci"]);
    fs::write(world.server().join("config"), text).unwrap();
    world.configure("webhook.ci.url", &receiver.url());
    let output = world.webhook(&["redeliver", "--failed"]);
    assert!(out(&output).ends_with(&format!("{PUSHES} delivered, 0 not\n")), "{}{}", out(&output), err(&output));
    let told: Vec<_> =
        receiver.take().iter().map(|request| request.json()["after"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, pushed);
}

/// The record says when it is tried next, which it will not be; what is told to do brings it back.
#[test]
fn show_says_what_brings_back_what_waits_for_a_target_that_is_no_more() {
    let (world, receiver) = pushed([Answer::Busy, Answer::Status(200)]);
    let id = newest(&world);
    assert!(out(&world.webhook(&["show", &id])).starts_with("state     waiting, tried again at "));
    world.server_git(&["config", "--remove-section", "webhook.ci"]);
    let shown = out(&world.webhook(&["show", &id]));
    let way_out = "its target is configured no more; run git webhook add ci, then git webhook flush --now";
    assert!(shown.starts_with(&format!("state     waiting, {way_out}\n")), "{shown}");
    let row = &json(&world.webhook(&["show", "--json", &id]))[0];
    assert_eq!((&row["waits_for"], &row["next"]), (&way_out.into(), &Value::Null));
    world.webhook(&["add", "ci", &receiver.url(), "--format", "gitlab"]);
    world.webhook(&["flush", "--now"]);
    assert!(out(&world.webhook(&["show", &id])).starts_with("state     delivered\n"));
    assert_eq!(receiver.take().len(), 2);
}
