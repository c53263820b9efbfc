//! Workers against a real broker: what they send, in which order, what they do not, and what is so when one dies.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use git_webhook::stream::{DELIVERIES, JetStream, Lane, Message, Outcome, Role, Standing, consumer, order_key};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::broker::delivery;
use crate::support::{Answer, Fleet, Gate, Receiver, by_ref, soon, until};

/// The push with this number, from 1, to this branch.
pub fn push(branch: &str, number: u64, target: &str) -> Message {
    let ref_name = format!("refs/heads/{branch}");
    let body = json!({ "ref": ref_name, "number": number }).to_string().into_bytes();
    let id = Uuid::new_v5(&Uuid::from_u128(9), format!("{target} {branch} {number}").as_bytes());
    let order = order_key(Uuid::from_u128(7), b"", Some(ref_name.as_bytes()));
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    Message { id, order, time, ref_name: ref_name.into_bytes(), ..delivery(1, target, &body) }
}

/// So many pushes to each of so many branches, in the order in which a server would have them.
fn pushes(branches: u64, each: u64) -> Vec<Message> {
    let of = |number| (0..branches).map(move |branch| push(&format!("b{branch}"), number, "ci"));
    (1..=each).flat_map(of).collect()
}

fn states(fleet: &Fleet, messages: &[Message]) -> Vec<Option<Standing>> {
    messages.iter().map(|message| fleet.outcome(message).map(|outcome| outcome.state)).collect()
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_delivery_is_sent_as_its_git_server_would_send_it() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "github");
    fleet.configure("webhook.ci.secret", "sesame");
    fleet.configure("webhook.ci.header", "X-Own: mine");
    let message = Message { format: "github".into(), event: "push".into(), ..push("main", 1, "ci") };
    fleet.publish(std::slice::from_ref(&message));
    let worker = fleet.worker(&["--name", "w1"]);
    fleet.settle();
    let request = receiver.take_one();
    assert_eq!(request.body, message.body);
    assert_eq!(request.header("X-GitHub-Event"), "push");
    assert_eq!(request.header("X-GitHub-Delivery"), message.id.to_string());
    assert_eq!(request.header("X-Own"), "mine");
    let secret = git_webhook::signature::Secret::new("sesame");
    assert_eq!(request.header("X-Hub-Signature-256"), format!("sha256={}", secret.hmac_sha256(&message.body)));
    let outcome = fleet.outcome(&message).unwrap();
    assert_eq!((outcome.state, outcome.status, outcome.attempts), (Standing::Delivered, Some(200), 1));
    assert_eq!((outcome.worker.as_str(), outcome.target.as_str()), ("w1", "ci"));
    let lines = worker.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["id"], &lines[0]["state"]), (&json!(message.id.to_string()), &json!("delivered")));
    assert!(worker.end().success());
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn any_number_of_workers_keeps_the_order_of_each_ref() {
    let mut answers: Vec<_> = (0..150).map(|number| Answer::Status(if number % 30 == 7 { 503 } else { 200 })).collect();
    answers.push(Answer::Status(200));
    let receiver = Receiver::in_turn(answers);
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let messages = pushes(20, 20);
    fleet.publish(&messages);
    // Two of them have one name, which makes no difference.
    let workers = ["one", "one", "two"].map(|name| fleet.worker(&["--name", name]));
    fleet.settle();
    let mut failed = 0;
    for (branch, numbers) in by_ref(&receiver) {
        let mut once = numbers.clone();
        once.dedup();
        failed += numbers.len() - once.len();
        assert_eq!(once, (1..=20).collect::<Vec<_>>(), "{branch}: {numbers:?}");
    }
    assert_eq!(failed, 5, "only what failed was sent twice");
    assert!(states(&fleet, &messages).iter().all(|state| *state == Some(Standing::Delivered)));
    assert_eq!(fleet.dead(), 0);
    let shares: Vec<_> = workers.iter().map(|worker| worker.lines().len()).collect();
    assert!(shares.iter().all(|share| *share > 0), "each had a share: {shares:?}");
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_hostile_message_is_set_aside_and_holds_up_nothing() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    fleet.configure("webhook.ci.secret", "sesame");
    fleet.configure("webhook.ci.maxBody", "1k");
    let change = |number, change: &dyn Fn(&mut Message)| {
        let mut message = push("main", number, "ci");
        change(&mut message);
        message
    };
    let hostile = [
        change(1, &|it| (it.format, it.event) = ("github".into(), "push".into())),
        change(2, &|it| it.event = "X\u{7f}".into()),
        change(3, &|it| it.event = "Pipeline Hook".into()),
        change(4, &|it| it.instance = "https://a\r\nHost: evil.example".into()),
        change(5, &|it| it.body = vec![b'x'; 1025]),
        change(6, &|it| it.ref_name = b"no ref".to_vec()),
        change(7, &|it| it.repository = "a\u{0}b".into()),
        change(13, &|it| it.time = i64::MAX),
    ];
    fleet.publish(&hostile);
    // What one that can publish says beside: of a request it is nothing.
    let good = push("main", 8, "ci");
    let mut broker = fleet.broker.connect(Role::GitServer);
    let mut publish = |message: &Message, more: &[(&str, &str)]| {
        let mut headers: Vec<_> = message.headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        headers.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let inbox = broker.connection().new_inbox();
        let subject = message.subject(Lane::Deliveries);
        broker.connection().publish(&subject, Some(&inbox), &headers, &message.body, soon()).unwrap();
        assert!(broker.connection().next(soon()).unwrap().unwrap().payload.starts_with(b"{\"stream\""));
    };
    let forged = [("Authorization", "Bearer x"), ("Host", "evil.example"), ("X-Gitlab-Token", "forged")];
    publish(&good, &[&forged[..], &[("Webhook-Header", "Authorization: Bearer x")]].concat());
    // Of one that says neither spool nor delivery, and one with another body than it was made for.
    publish(&push("main", 9, "ci"), &[("Webhook-Delivery-Id", "x")]);
    publish(&push("main", 10, "ci"), &[("Webhook-Sha256", "00")]);
    publish(&push("main", 11, "ci"), &[("Webhook-Target", "other")]);
    // One that says it is another that was made already, and is not.
    let made = push("main", 12, "ci");
    tell(&mut fleet.broker.connect(Role::Worker), &made, "delivered", 0);
    publish(&made, &[("Webhook-Sha256", "00")]);
    let worker = fleet.worker(&[]);
    fleet.settle();
    let request = receiver.take_one();
    assert_eq!(fleet.outcome(&made).map(|outcome| outcome.state), Some(Standing::Delivered));
    assert_eq!((&request.body, request.header("X-Gitlab-Token")), (&good.body, "sesame"));
    assert_eq!((request.header("Authorization"), request.header("X-Gitlab-Event")), ("", "Push Hook"));
    assert!(request.header("Host").starts_with("127.0.0.1"));
    assert!(states(&fleet, &hostile).iter().all(|state| *state == Some(Standing::Refused)), "{}", worker.said());
    assert_eq!(fleet.outcome(&good).map(|outcome| outcome.state), Some(Standing::Delivered));
    assert_eq!(fleet.dead(), 12);
    assert!(fleet.outcome(&hostile[0]).unwrap().error.unwrap().contains("github"));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_a_newer_worker_has_to_make_is_handed_back_and_holds_up_its_own_ref_alone() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let newer = push("main", 1, "ci");
    let mut broker = fleet.broker.connect(Role::GitServer);
    let mut headers: Vec<_> = newer.headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    headers[0].1 = "2".into();
    let inbox = broker.connection().new_inbox();
    broker.connection().publish(&newer.subject(Lane::Deliveries), Some(&inbox), &headers, &newer.body, soon()).unwrap();
    broker.connection().next(soon()).unwrap().unwrap();
    fleet.publish(&[push("main", 2, "ci"), push("other", 1, "ci")]);
    let worker = fleet.worker(&[]);
    until("it says that one is newer", || worker.said().contains("version 2"));
    until("the other ref is told", || receiver.requests().len() == 1);
    assert_eq!(receiver.requests()[0].json()["ref"], "refs/heads/other");
    until("the other is settled", || fleet.count(DELIVERIES) == 2);
    assert!(worker.end().success());
    assert_eq!((receiver.requests().len(), fleet.count(DELIVERIES), fleet.dead()), (1, 2, 0));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_is_for_a_target_that_no_worker_has_is_set_aside_after_a_while() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let of_nobody = push("main", 1, "gone.example");
    fleet.publish(&[of_nobody.clone(), push("main", 1, "ci")]);
    let _worker = fleet.worker(&["--unclaimed", "1s"]);
    fleet.settle();
    let outcome = fleet.outcome(&of_nobody).unwrap();
    assert_eq!((outcome.state, outcome.target.as_str()), (Standing::Refused, "gone.example"));
    assert_eq!((fleet.dead(), receiver.requests().len()), (1, 1));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn one_target_that_is_silent_holds_up_no_other() {
    let (silent, well) = (Receiver::answering(Answer::Never), Receiver::new());
    let fleet = Fleet::told_to(&silent, "gitlab");
    fleet.add_target("chat", &well, "gitlab");
    let silent_ones: Vec<_> = (0..30).map(|branch| push(&format!("b{branch}"), 1, "ci")).collect();
    fleet.publish(&silent_ones);
    let _worker = fleet.worker(&[]);
    until("the silent one is called", || silent.connections() > 0);
    let others: Vec<_> = (1..=30).map(|number| push("main", number, "chat")).collect();
    fleet.publish(&others);
    until("the other target has all", || well.requests().len() == 30);
    assert!(states(&fleet, &silent_ones).iter().all(|state| *state != Some(Standing::Delivered)));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_target_that_is_down_is_probed_and_has_all_once_it_is_back() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let fleet = Fleet::new();
    fleet.configure("webhook.ci.url", &format!("http://{address}/hook"));
    fleet.configure("webhook.ci.format", "gitlab");
    let messages = pushes(10, 3);
    fleet.publish(&messages);
    let worker = fleet.worker(&[]);
    until("it was tried", || !worker.lines().is_empty());
    let tried: BTreeSet<_> = worker.lines().iter().map(|line| line["id"].to_string()).collect();
    // Those of the eight connections that were out when the first was refused.
    assert!(tried.len() <= 8, "{tried:?}");
    let failing = states(&fleet, &messages).into_iter().flatten().collect::<Vec<_>>();
    assert!(failing.iter().all(|state| *state == Standing::Failing) && failing.len() <= 8);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_fails_and_holds_up_nothing_is_passed_by_the_next_of_its_ref() {
    let receiver = Receiver::in_turn([Answer::Status(404), Answer::Status(200)]);
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let messages = pushes(1, 3);
    fleet.publish(&messages);
    let worker = fleet.worker(&[]);
    until("the others are told", || receiver.requests().len() == 3);
    until("the first is the only one that waits", || fleet.count(DELIVERIES) == 1);
    let outcome = fleet.outcome(&messages[0]).unwrap();
    assert_eq!((outcome.state, outcome.status, outcome.blocks_ref), (Standing::Failing, Some(404), false));
    assert!(outcome.next.is_some() && outcome.error.unwrap().contains("404"));
    let mut broker = fleet.broker.connect(Role::GitServer);
    assert_eq!(broker.are_waiting(&[("ci", &messages[0].order)], soon()).unwrap(), [true]);
    assert!(worker.end().success());
}

/// Puts a delivery's outcome there, as a worker does that dies then.
fn tell(broker: &mut JetStream, message: &Message, state: &str, redelivery: u32) {
    let outcome = json!({
        "version": 1, "id": message.id, "redelivery": redelivery, "target": "ci", "state": state, "attempts": 1,
        "at": "2026-11-30T00:00:00Z", "worker": "dead",
    });
    broker.call(&Outcome::subject(message.spool, message.id), &outcome, soon()).unwrap();
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_worker_that_dies_before_it_sends_costs_nothing() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    fleet.hurry("ci", 2);
    let messages = pushes(1, 2);
    fleet.publish(&messages);
    let mut dying = fleet.broker.connect(Role::Worker);
    assert_eq!(fleet.claim(&mut dying, "ci").sequence, 1);
    drop(dying);
    let _worker = fleet.worker(&[]);
    fleet.settle();
    assert_eq!(by_ref(&receiver)["refs/heads/b0"], [1, 2], "the second waits for the first, whoever has that");
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_worker_that_dies_between_outcome_and_settling_costs_nothing() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let messages = pushes(1, 2);
    fleet.publish(&messages);
    tell(&mut fleet.broker.connect(Role::Worker), &messages[0], "delivered", 0);
    let _worker = fleet.worker(&[]);
    fleet.settle();
    assert_eq!(by_ref(&receiver)["refs/heads/b0"], [2]);
    assert_eq!(fleet.outcome(&messages[0]).unwrap().worker, "dead");
}

/// A broker that was killed may have what it had noted as settled: it hands that out to nobody, and it is the first of its subject.
#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_is_settled_and_there_all_the_same_holds_up_nothing() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let messages = pushes(1, 3);
    fleet.publish(&messages[..1]);
    // One that hands each message out once.
    let mut broker = fleet.broker.connect(Role::Worker);
    let mut once = consumer(Lane::Deliveries, "ci");
    (once["max_deliver"], once["ack_wait"]) = (json!(1), json!(1_000_000_000));
    let words = json!({ "stream_name": DELIVERIES, "config": once });
    broker.call("$JS.API.CONSUMER.DURABLE.CREATE.GW.d-ci", &words, soon()).unwrap();
    fleet.claim(&mut broker, "ci");
    tell(&mut broker, &messages[0], "delivered", 0);
    thread::sleep(Duration::from_secs(2));
    fleet.publish(&messages[1..]);
    let _worker = fleet.worker(&[]);
    fleet.settle();
    assert_eq!(by_ref(&receiver)["refs/heads/b0"], [2, 3]);
}

/// Somebody at the worker has to mend it, and whoever pushed reads why.
#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_comes_to_no_request_at_the_worker_is_told_to_the_git_server() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    fleet.configure("webhook.allowedHosts", "external");
    let messages = pushes(1, 1);
    fleet.publish(&messages);
    let _worker = fleet.worker(&[]);
    let mut outcome = None;
    until("it is told", || {
        outcome = fleet.outcome(&messages[0]);
        outcome.is_some()
    });
    let outcome = outcome.unwrap();
    assert_eq!((outcome.state, outcome.attempts), (Standing::Failing, 1));
    assert!(outcome.error.unwrap().contains("loopback"));
    assert_eq!(receiver.connections(), 0);
}

/// A broker that was killed may take for handed out what nobody has: its consumer is made anew, and begins with the first message.
#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_the_broker_has_lost_track_of_is_handed_out_once_more() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let messages = pushes(2, 3);
    fleet.publish(&messages[..4]);
    // One that hands each message out once.
    let mut broker = fleet.broker.connect(Role::Worker);
    let mut once = consumer(Lane::Deliveries, "ci");
    (once["max_deliver"], once["ack_wait"]) = (json!(1), json!(1_000_000_000));
    let words = json!({ "stream_name": DELIVERIES, "config": once });
    broker.call("$JS.API.CONSUMER.DURABLE.CREATE.GW.d-ci", &words, soon()).unwrap();
    (0..4).for_each(|_| drop(fleet.claim(&mut broker, "ci")));
    thread::sleep(Duration::from_secs(2));
    let worker = fleet.worker(&[]);
    until("they are sent", || receiver.requests().len() == 4);
    fleet.publish(&messages[4..]);
    fleet.settle();
    let all = by_ref(&receiver);
    assert_eq!(["refs/heads/b0", "refs/heads/b1"].map(|name| all[name].clone()), [[1, 2, 3], [1, 2, 3]]);
    assert!(worker.said().contains("lost track of what waits for target 'ci'"), "{}", worker.said());
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_worker_that_dies_between_answer_and_outcome_has_it_sent_twice_under_one_id() {
    let gate = Gate::new();
    let receiver = Receiver::answering(Answer::Behind(gate.clone()));
    let fleet = Fleet::told_to(&receiver, "github");
    fleet.hurry("ci", 2);
    let messages =
        [1, 2].map(|number| Message { format: "github".into(), event: "push".into(), ..push("main", number, "ci") });
    fleet.publish(&messages);
    let worker = fleet.worker(&[]);
    until("the receiver has it", || receiver.requests().len() == 1);
    fleet.broker.kill();
    gate.open();
    // The receiver has answered, and nobody can be told.
    until("the worker has the answer", || worker.lines().len() == 1);
    worker.kill();
    fleet.broker.start();
    let _other = fleet.worker(&[]);
    fleet.settle();
    let ids: Vec<_> = receiver.requests().iter().map(|it| it.header("X-GitHub-Delivery").to_owned()).collect();
    let [first, second] = messages.map(|message| message.id.to_string());
    assert_eq!(ids, [first.clone(), first, second]);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_broker_that_dies_between_answer_and_outcome_costs_a_worker_that_lives_nothing() {
    let gate = Gate::new();
    let receiver = Receiver::answering(Answer::Behind(gate.clone()));
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let messages = pushes(1, 3);
    fleet.publish(&messages);
    let _worker = fleet.worker(&[]);
    until("the receiver has one", || receiver.requests().len() == 1);
    fleet.broker.kill();
    gate.open();
    thread::sleep(Duration::from_millis(500));
    fleet.broker.start();
    fleet.settle();
    assert_eq!(by_ref(&receiver)["refs/heads/b0"], [1, 2, 3]);
    assert!(states(&fleet, &messages).iter().all(|state| *state == Some(Standing::Delivered)));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_worker_that_is_told_to_end_brings_to_its_end_what_is_under_way() {
    let receiver = Receiver::answering(Answer::After(Duration::from_secs(2)));
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let messages = pushes(1, 5);
    fleet.publish(&messages);
    let worker = fleet.worker(&[]);
    until("one is under way", || receiver.requests().len() == 1);
    assert!(worker.end().success());
    assert_eq!(states(&fleet, &messages), [Some(Standing::Delivered), None, None, None, None]);
    assert_eq!(fleet.count(DELIVERIES), 4);
    // They are nobody's at once: the next worker need not wait until the first one's time is up.
    let _next = fleet.worker(&[]);
    fleet.settle();
    assert_eq!(by_ref(&receiver)["refs/heads/b0"], [1, 2, 3, 4, 5]);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_redelivery_is_sent_and_what_is_published_once_more_is_not() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "gitlab");
    let message = push("main", 1, "ci");
    tell(&mut fleet.broker.connect(Role::Worker), &message, "delivered", 0);
    fleet.publish(&[Message { is_late: true, ..message.clone() }]);
    let _worker = fleet.worker(&[]);
    fleet.settle();
    assert!(receiver.requests().is_empty());
    fleet.publish(&[Message { redelivery: 1, ..message.clone() }]);
    fleet.settle();
    assert_eq!(receiver.requests().len(), 1);
    let outcome = fleet.outcome(&message).unwrap();
    assert_eq!((outcome.redelivery, outcome.attempts), (1, 2));
}

/// Workers that are killed at any moment, as often as there is time, and started anew: the ledger.
#[test]
#[ignore = "needs nats-server: run tests/run"]
fn workers_that_are_killed_lose_nothing_and_keep_the_order() {
    let receiver = Receiver::answering(Answer::After(Duration::from_millis(3)));
    let fleet = Fleet::told_to(&receiver, "gitlab");
    fleet.hurry("ci", 3);
    let messages = pushes(25, 40);
    fleet.publish(&messages);
    let mut workers: Vec<_> = (0..3).map(|_| fleet.worker(&[])).collect();
    let mut kills = 0;
    for round in 0..6_u64 {
        // No two rounds last alike, so that none is always killed at the same step.
        thread::sleep(Duration::from_millis(150 + round * 37 % 100));
        workers.remove(0).kill();
        kills += 1;
        workers.push(fleet.worker(&[]));
    }
    fleet.settle();
    let mut twice = 0;
    for (branch, numbers) in by_ref(&receiver) {
        let mut once = numbers.clone();
        once.dedup();
        twice += numbers.len() - once.len();
        assert_eq!(once, (1..=40).collect::<Vec<_>>(), "{branch}: lost, or out of order");
    }
    // One for each delivery that was out when its worker was killed.
    assert!(twice <= kills * 8, "{twice}");
    let ids: BTreeMap<String, BTreeSet<String>> =
        receiver.requests().iter().fold(BTreeMap::new(), |mut all, request| {
            let ids: &mut BTreeSet<_> = all.entry(String::from_utf8(request.body.clone()).unwrap()).or_default();
            ids.insert(request.header("X-Gitlab-Event-UUID").to_owned());
            all
        });
    assert!(ids.values().all(|ids| ids.len() == 1), "always under one id");
    assert!(states(&fleet, &messages).iter().all(|state| *state == Some(Standing::Delivered)));
    let lines: Vec<Value> = workers.iter().flat_map(|worker| worker.lines()).collect();
    assert!(!lines.is_empty());
}

/// What the broker holds is the event; what is made of it is the worker's.
#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_workers_template_makes_the_body() {
    let receiver = Receiver::new();
    let fleet = Fleet::told_to(&receiver, "template");
    let templates = fleet.path("templates");
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(templates.join("own.json"), r#"{"ref": {{ push.ref }}}"#).unwrap();
    fleet.configure("webhook.templateDir", templates.to_str().unwrap());
    fleet.configure("webhook.ci.template", "own.json");
    fleet.configure("webhook.ci.header", "X-Event: {{ event }}");
    let of = |number, value: Value| Message {
        format: "template".into(),
        event: "push".into(),
        body: value.to_string().into_bytes(),
        ..push("main", number, "ci")
    };
    let messages = [
        of(1, json!({ "event": "push", "push": { "ref": "refs/heads/main" } })),
        of(2, json!(["no value"])),
        of(3, json!({ "event": "a\r\nHost: evil.example", "push": { "ref": "refs/heads/other" } })),
        of(4, json!({ "event": "push" })),
        of(5, json!({ "event": "push", "push": { "ref": "refs/heads/last" } })),
    ];
    fleet.publish(&messages);
    let _worker = fleet.worker(&["--name", "w1"]);
    until("both are told", || receiver.requests().len() == 2);
    until("the others are known", || {
        let states = states(&fleet, &messages);
        states[1..4].iter().all(Option::is_some)
    });
    let told: Vec<_> =
        receiver.take().iter().map(|request| (request.json(), request.header("X-Event").to_owned())).collect();
    assert_eq!(told[0], (json!({ "ref": "refs/heads/main" }), "push".into()));
    assert_eq!(told[1], (json!({ "ref": "refs/heads/last" }), "push".into()));
    let states = states(&fleet, &messages);
    assert_eq!(states[1..4], [Some(Standing::Refused), Some(Standing::Failing), Some(Standing::Failing)]);
}
