//! One delivery for a whole push, as Bitbucket makes it: what is in it, its order, its retries, its crashes.

use serde_json::Value;

use crate::support::{Answer, Receiver, Request, World};

/// The refs that a body tells of, as `branch main`.
fn changed(request: &Request) -> Vec<String> {
    let body = request.json();
    let of = |change: &Value| {
        let state = if change["new"].is_null() { &change["old"] } else { &change["new"] };
        format!("{} {}", state["type"].as_str().unwrap(), state["name"].as_str().unwrap())
    };
    body["push"]["changes"].as_array().unwrap().iter().map(of).collect()
}

/// A world with a commit on main and topic and a tag v1, nothing pushed yet.
fn three_refs(receiver: &Receiver) -> World {
    let world = World::told_to(receiver, "bitbucket");
    world.commit("one");
    world.git(&["branch", "topic"]);
    world.git(&["tag", "v1"]);
    world
}

#[test]
fn all_refs_of_a_push_are_in_one_body() {
    let receiver = Receiver::new();
    let world = three_refs(&receiver);
    let pushed = world.push(&["main", "topic", "v1"]);
    let request = receiver.take_one();
    assert_eq!(changed(&request), ["branch main", "branch topic", "tag v1"]);
    assert_eq!(request.header("X-Event-Key"), "repo:push");
    let [line] = pushed.said().try_into().unwrap();
    assert!(line.starts_with("webhook ci: delivered main, topic, v1 (200, "), "{line}");
    assert!(world.receipts().is_empty(), "settled");
}

#[test]
fn only_the_refs_that_the_target_wants_are_in_it() {
    let [all, some, none] = [0; 3].map(|_| Receiver::new());
    let world = three_refs(&all);
    world.add_target("some", &some, "bitbucket");
    world.configure("webhook.some.ref", "!topic");
    world.configure("webhook.some.event", "push");
    world.add_target("none", &none, "bitbucket");
    world.configure("webhook.none.ref", "release/*");
    world.push(&["main", "topic", "v1"]);
    assert_eq!(changed(&all.take_one()).len(), 3);
    assert_eq!(changed(&some.take_one()), ["branch main"]);
    assert!(none.take().is_empty());
}

#[test]
fn targets_told_by_ref_and_as_a_whole_stand_side_by_side() {
    let [whole, single] = [0; 2].map(|_| Receiver::new());
    let world = three_refs(&whole);
    world.add_target("single", &single, "gitlab");
    let pushed = world.push(&["main", "topic", "v1"]);
    assert_eq!((whole.take().len(), single.take().len()), (1, 3));
    assert_eq!(pushed.said().len(), 2);
}

#[test]
fn a_retry_has_the_same_id_and_counts_its_attempts() {
    let receiver = Receiver::in_turn([Answer::Status(500), Answer::Status(500), Answer::Status(200)]);
    let world = three_refs(&receiver);
    world.configure("webhook.ci.secret", "a secret of more than 24 bytes");
    let pushed = world.push(&["main", "topic", "v1"]);
    let [line] = pushed.said().try_into().unwrap();
    assert_eq!(line, "webhook ci: not delivered: main, topic, v1 (answered 500); kept, and tried again later");
    let log = world.webhook(&["log", "--json"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("refs/heads/main and 2 more"));
    world.webhook(&["flush", "--now"]);
    world.webhook(&["flush", "--now"]);
    let sent = receiver.take();
    let values = |name: &str| -> Vec<&str> { sent.iter().map(|request| request.header(name)).collect() };
    assert_eq!(values("X-Attempt-Number"), ["1", "2", "3"]);
    assert!(values("X-Request-UUID").windows(2).all(|pair| pair[0] == pair[1]));
    let secret = git_webhook::signature::Secret::new("a secret of more than 24 bytes");
    for request in &sent {
        assert_eq!(request.body, sent[0].body);
        assert_eq!(request.header("X-Hub-Signature"), format!("sha256={}", secret.hmac_sha256(&request.body)));
    }
}

/// A later push of another ref waits for an earlier one that failed: the receiver reads one history.
#[test]
fn whole_pushes_stay_in_order_whatever_their_refs() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Busy, Answer::Status(200)]);
    let world = three_refs(&receiver);
    world.push(&["main"]);
    world.push(&["v1"]);
    world.webhook(&["flush", "--now"]);
    world.webhook(&["flush", "--now"]);
    let sent: Vec<_> = receiver.take().iter().map(changed).collect();
    assert_eq!(sent, [["branch main"], ["branch main"], ["branch main"], ["tag v1"]]);
}

/// The receipt is there, its hook is not: the delivery is made under the id it would have had, and is not made twice.
#[test]
fn a_receipt_that_is_taken_over_comes_to_the_same_delivery() {
    let receiver = Receiver::new();
    let world = three_refs(&receiver);
    world.push(&["main", "topic", "v1"]);
    let first = receiver.take_one();
    world.unsettle();
    world.webhook(&["flush"]);
    assert!(receiver.take().is_empty(), "the log says that it was delivered");
    world.unsettle();
    world.forget_attempts();
    world.webhook(&["flush"]);
    let again = receiver.take_one();
    assert_eq!(again.header("X-Request-UUID"), first.header("X-Request-UUID"));
    assert_eq!(changed(&again), changed(&first));
}

/// Where git refuses a part, what it accepts is another delivery than the whole would have been.
#[test]
fn a_part_of_a_push_has_an_id_of_its_own() {
    let receiver = Receiver::new();
    let world = three_refs(&receiver);
    world.configure("receive.denyDeletes", "true");
    world.push(&["main", "topic"]);
    let first = receiver.take_one();
    world.commit("two");
    assert!(!world.push(&["main", ":topic"]).accepted);
    let second = receiver.take_one();
    assert_eq!(changed(&second), ["branch main"]);
    assert_ne!(first.header("X-Request-UUID"), second.header("X-Request-UUID"));
}

#[test]
fn a_push_for_a_wrong_target_is_told_as_a_whole_when_the_target_is_mended() {
    let receiver = Receiver::new();
    let world = three_refs(&receiver);
    world.configure("webhook.ci.timeout", "soon");
    world.push(&["main", "topic", "v1"]);
    assert!(receiver.take().is_empty());
    world.server_git(&["config", "--unset", "webhook.ci.timeout"]);
    world.webhook(&["flush", "--now"]);
    assert_eq!(changed(&receiver.take_one()).len(), 3);
}

#[test]
fn a_thousand_refs_are_one_body() {
    let receiver = Receiver::new();
    let world = three_refs(&receiver);
    let id = world.id("HEAD");
    let refs: String = (0..1000).map(|number| format!("create refs/heads/b{number:04} {id}\n")).collect();
    world.git_with_input(&["update-ref", "--stdin"], refs.as_bytes());
    let pushed = world.push(&["refs/heads/b*:refs/heads/b*"]);
    assert_eq!(changed(&receiver.take_one()).len(), 1000);
    assert!(pushed.said()[0].starts_with("webhook ci: delivered 1000 refs (200, "), "{:?}", pushed.said());
}

/// The body of a part and the refs that it tells of.
fn parts(receiver: &Receiver) -> Vec<Vec<String>> {
    let requests = receiver.take();
    assert!(requests.iter().all(|request| request.body.len() <= 8 << 10), "no part is larger than maxBody");
    requests.iter().map(changed).collect()
}

fn push_forty(world: &World) -> Vec<String> {
    world.configure("webhook.ci.maxBody", "8k");
    world.commit("one");
    let refs: Vec<_> = (10..50).map(|number| format!("main:refs/heads/b{number}")).collect();
    world.push(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    (10..50).map(|number| format!("branch b{number}")).collect()
}

#[test]
fn a_push_of_very_many_refs_comes_in_parts_and_each_ref_in_one() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "bitbucket");
    let all = push_forty(&world);
    let requests = receiver.requests();
    let told = parts(&receiver);
    assert!(told.len() > 3, "{}", told.len());
    assert_eq!(told.concat(), all, "in their order");
    let mut ids: Vec<_> = requests.iter().map(|request| request.header("X-Request-UUID").to_owned()).collect();
    assert!(requests.iter().all(|request| request.json()["repository"]["full_name"] == "group/project"));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), told.len(), "each part has an id of its own");
    // Once more, it is told in the same way.
    let id = requests[1].header("X-Request-UUID");
    assert!(world.webhook(&["redeliver", id]).status.success());
    let again = receiver.take_one();
    assert_eq!((again.header("X-Request-UUID"), changed(&again)), (id, told[1].clone()));
}

/// What failed in the midst of them waits, and those behind it wait for it.
#[test]
fn parts_are_told_in_their_order_through_a_failure() {
    let receiver = Receiver::in_turn([Answer::Status(200), Answer::Status(503), Answer::Status(200)]);
    let world = World::told_to(&receiver, "bitbucket");
    let all = push_forty(&world);
    let first = parts(&receiver);
    assert_eq!(first.len(), 2, "{first:?}");
    world.webhook(&["flush", "--now"]);
    let rest = parts(&receiver);
    assert_eq!(rest[0], first[1]);
    assert_eq!([first[0].clone(), rest.concat()].concat(), all);
}

/// A receiver that takes no part so large is told of the same refs in less, and the next part has its own.
#[test]
fn a_part_that_is_too_large_loses_commits_and_no_ref() {
    let receiver = Receiver::in_turn([Answer::Status(413), Answer::Status(200)]);
    let world = World::told_to(&receiver, "bitbucket");
    let all = push_forty(&world);
    let told = parts(&receiver);
    assert_eq!(told[0], told[1], "the same in less");
    let mut refs = told[1..].concat();
    refs.sort();
    assert_eq!(refs, all);
}
