//! Targets of protected scope are told through the broker: what a push hands to it, what waits where it cannot, and what comes of
//! it. The broker is a real nats-server.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use git_webhook::signature::{from_base64, sha256_hex};
use git_webhook::stream::{Credentials, DELIVERIES, JetStream, Outcome, Role, Servers, Standing, streams};
use git_webhook::transport::Trust;
use serde_json::{Value, json};

use crate::support::{Broker, Ends, Place, Receiver, World, read_record, rewrite_record, rows, soon};

/// A message as it lies at the broker.
pub struct Message {
    number: u64,
    subject: String,
    head: String,
    body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default()
    }

    pub fn of_ref(&self) -> (&str, &str) {
        (self.header("Webhook-Ref"), self.header("Webhook-New"))
    }
}

/// All that waits at the broker, in its order.
pub fn waiting(broker: &Broker) -> Vec<Message> {
    let mut jetstream = broker.connect(Role::Administrator);
    let mut all = Vec::new();
    let mut next = 1;
    loop {
        let words = json!({ "seq": next, "next_by_subj": "gw.d.>" });
        let Ok(found) = jetstream.call(&format!("$JS.API.STREAM.MSG.GET.{DELIVERIES}"), &words, soon()) else {
            return all;
        };
        let message = &found["message"];
        let bytes = |name: &str| from_base64(message[name].as_str().unwrap_or_default()).unwrap();
        next = message["seq"].as_u64().unwrap() + 1;
        all.push(Message {
            number: next - 1,
            subject: message["subject"].as_str().unwrap().into(),
            head: String::from_utf8(bytes("hdrs")).unwrap(),
            body: bytes("data"),
        });
    }
}

/// What a worker tells of a delivery, which it takes out then.
pub fn tell(broker: &Broker, message: &Message, change: impl FnOnce(&mut Outcome)) {
    let id = message.header("Webhook-Delivery-Id").parse().unwrap();
    let mut outcome = Outcome {
        version: 1,
        id,
        redelivery: message.header("Webhook-Redelivery").parse().unwrap_or(0),
        target: message.header("Webhook-Target").into(),
        state: Standing::Delivered,
        status: Some(200),
        attempts: 1,
        ambiguous: 0,
        at: "2026-11-30T12:00:00Z".into(),
        worker: "w1".into(),
        ms: Some(12),
        error: None,
        failure: None,
        next: None,
        blocks_ref: false,
        answer: None,
    };
    change(&mut outcome);
    let mut jetstream = broker.connect(Role::Administrator);
    let subject = Outcome::subject(message.header("Webhook-Spool").parse().unwrap(), id);
    jetstream.call(&subject, &serde_json::to_value(&outcome).unwrap(), soon()).unwrap();
    if outcome.state.is_last() {
        let delete = format!("$JS.API.STREAM.MSG.DELETE.{DELIVERIES}");
        jetstream.call(&delete, &json!({ "seq": message.number }), soon()).unwrap();
    }
}

/// A world whose target `ci` belongs to the server, and is told through the broker.
pub fn world(broker: &Broker, receiver: &Receiver) -> World {
    let world = World::new();
    world.configure_globally("webhook.ci.url", &receiver.url());
    world.configure_globally("webhook.ci.format", "gitlab");
    world.configure_globally("webhook.via", &broker.url());
    world
}

/// Such a world, and the message of the one push that there was.
fn one_published() -> (Broker, Receiver, World, Message) {
    let (broker, receiver) = (Broker::new(), Receiver::new());
    let world = world(&broker, &receiver);
    push(&world, "one");
    let message = waiting(&broker).remove(0);
    (broker, receiver, world, message)
}

fn push(world: &World, name: &str) -> Vec<String> {
    world.commit(name);
    world.push(&["main"]).said()
}

/// What it says of what is odd.
pub fn flush(world: &World) -> String {
    let output = world.webhook(&["flush", "--now"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

fn log(world: &World) -> Vec<Value> {
    rows(&world.webhook(&["log", "--json"]).stdout)
}

fn published(world: &World) -> usize {
    world.published("ci").len()
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_push_is_published_in_place_of_being_sent() {
    let (broker, receiver, own) = (Broker::new(), Receiver::new(), Receiver::new());
    let world = world(&broker, &receiver);
    world.add_target("own", &own, "gitlab");
    let said = push(&world, "one");
    assert!(said[0].starts_with("webhook ci: published main (") && said[0].ends_with(" ms)"), "{said:?}");
    assert!(said[1].starts_with("webhook own: delivered main (200, "), "{said:?}");
    assert_eq!(receiver.connections(), 0, "nothing is sent past the broker");
    let waiting = waiting(&broker);
    assert_eq!(waiting.len(), 1);
    let message = &waiting[0];
    assert!(message.subject.starts_with("gw.d.ci."), "{}", message.subject);
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(body["checkout_sha"], own.take_one().json()["checkout_sha"]);
    assert_eq!(message.header("Webhook-Sha256"), sha256_hex(&message.body));
    let log = log(&world);
    let row = log.iter().find(|row| row["target"] == "ci").unwrap();
    assert_eq!((&row["state"], &row["attempts"]), (&json!("published"), &json!(1)));
    assert_eq!(row["id"], message.header("Webhook-Delivery-Id"));
    assert_eq!(row["id"], message.header("Nats-Msg-Id"));
    assert_eq!(message.of_ref(), ("refs/heads/main", world.id("main").as_str()));
    let text = message.head.clone() + &String::from_utf8_lossy(&message.body);
    assert!(!text.contains(&receiver.url()), "a message holds no address: {text}");
    assert_eq!(published(&world), 1, "it is kept until its outcome is there");
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_the_broker_does_not_take_waits_in_its_order_under_its_id() {
    for case in ["down", "silent", "no stream", "full", "stranger"] {
        let (broker, receiver) = match case {
            "no stream" => (Broker::with(""), Receiver::new()),
            "stranger" => (Broker::with("authorization { token: secret }"), Receiver::new()),
            _ => (Broker::new(), Receiver::new()),
        };
        let world = world(&broker, &receiver);
        let why = match case {
            "down" => {
                broker.kill();
                "no connection to the broker"
            }
            "silent" => {
                broker.freeze();
                "no connection to the broker"
            }
            "full" => {
                resize(&broker, 10);
                "the broker did not take it"
            }
            "stranger" => "no connection to the broker",
            _ => "the broker did not take it",
        };
        let said = push(&world, "one");
        assert_eq!(said, [format!("webhook ci: not delivered: main ({why}); kept, and tried again later")], "{case}");
        push(&world, "two");
        assert_eq!((world.waiting("ci").len(), published(&world)), (2, 0), "{case}");
        match case {
            "down" => broker.start(),
            "silent" => broker.wake(),
            "no stream" => broker.set_up(),
            "full" => resize(&broker, -1),
            _ => {
                let servers = Servers::parse(&broker.url()).unwrap();
                let token = Credentials::new(Some(("secret", None)), None).unwrap();
                let administrator = Role::Administrator;
                set_up(
                    JetStream::open(&servers, &token, &Trust::default(), administrator, Duration::from_secs(60))
                        .unwrap(),
                );
                let file = world.path("token");
                fs::write(&file, "secret\n").unwrap();
                fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
                world.configure_globally("webhook.viaCredentials", file.to_str().unwrap());
            }
        }
        let said = flush(&world);
        assert_eq!(
            (world.waiting("ci").len(), published(&world)),
            (0, 2),
            "{case}: {said} {:?}",
            world.attempts().last()
        );
        if case != "stranger" {
            let waiting = waiting(&broker);
            let told: Vec<_> = waiting.iter().map(|message| message.header("Webhook-New")).collect();
            assert_eq!(told, [world.id("main~"), world.id("main")], "{case}");
            let logged: Vec<_> = log(&world).iter().rev().map(|row| row["id"].clone()).collect();
            assert_eq!(waiting.iter().map(|it| it.header("Nats-Msg-Id")).collect::<Vec<_>>(), logged, "{case}");
        }
        assert_eq!(receiver.connections(), 0, "{case}: nothing is sent past the broker");
    }
}

fn set_up(mut broker: JetStream) {
    for stream in streams(1) {
        broker.call(&format!("$JS.API.STREAM.CREATE.{}", stream.name), &stream.config, soon()).unwrap();
    }
}

/// Has the stream take so many bytes; less than none: as many as come.
fn resize(broker: &Broker, bytes: i64) {
    reconfigure(broker, "max_bytes", bytes);
}

fn reconfigure(broker: &Broker, key: &str, value: i64) {
    let mut jetstream = broker.connect(Role::Administrator);
    let info = jetstream.call(&format!("$JS.API.STREAM.INFO.{DELIVERIES}"), &json!({}), soon()).unwrap();
    let mut config = info["config"].clone();
    config[key] = value.into();
    jetstream.call(&format!("$JS.API.STREAM.UPDATE.{DELIVERIES}"), &config, soon()).unwrap();
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_is_published_twice_is_there_once() {
    let (broker, receiver) = (Broker::new(), Receiver::new());
    let world = world(&broker, &receiver);
    push(&world, "one");
    // Its hook died between the acknowledgement and all that it would have written.
    world.forget_attempts();
    fs::remove_dir_all(world.place(Place::Published("ci"))).unwrap();
    world.unsettle();
    flush(&world);
    assert_eq!((waiting(&broker).len(), published(&world)), (1, 1));
    assert_eq!(log(&world)[0]["state"], "published");
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_body_that_is_too_large_for_the_broker_is_made_smaller_or_is_a_dead_letter() {
    for (most, is_taken) in [(4_000, true), (1_500, false)] {
        let broker = Broker::with(&format!("max_payload: {most}"));
        broker.set_up();
        let receiver = Receiver::new();
        let world = world(&broker, &receiver);
        for number in 0..30 {
            world.commit(&format!("commit-{number}"));
        }
        let said = world.push(&["main"]).said();
        let row = &world.attempts()[0];
        if is_taken {
            assert!(said[0].starts_with("webhook ci: published main"), "{said:?}");
            let waiting = waiting(&broker);
            let body: Value = serde_json::from_slice(&waiting[0].body).unwrap();
            let listed = body["commits"].as_array().unwrap().len();
            assert!(body["total_commits_count"] == 30 && (1..30).contains(&listed), "{listed}");
            assert!(row["max_body"].as_u64().is_some_and(|bytes| bytes < most), "{row}");
        } else {
            assert!(said[0].starts_with("webhook ci: not delivered: main (too large for the broker)"), "{said:?}");
            let why = row["reason"].as_str().unwrap();
            assert!(row["state"] == "dead" && why.contains(" 1500 bytes (max_payload)"), "{why}");
            assert!(why.contains(" 26214400 (maxBody)"), "{why}");
            assert_eq!(rows(&world.webhook(&["dead", "--json"]).stdout).len(), 1);
        }
        assert_eq!(receiver.connections(), 0);
    }
}

#[test]
fn a_broker_that_is_not_configured_rightly_stops_what_would_pass_it_by() {
    for (key, value, why) in [
        ("via", "http://broker.example.org", "webhook.via: "),
        ("via", "", ""),
        ("viaCredentials", "/nonexistent/file", "webhook.viaCredentials: cannot be read"),
        ("viaCredentials", "relative", "webhook.viaCredentials: is not an absolute path"),
    ] {
        let (receiver, own) = (Receiver::new(), Receiver::new());
        let world = World::new();
        world.add_target("own", &own, "gitlab");
        world.configure_globally("webhook.ci.url", &receiver.url());
        world.configure_globally("webhook.via", if value.is_empty() { "nats://[" } else { "nats://127.0.0.1:1" });
        world.configure_globally(&format!("webhook.{key}"), value);
        let said = push(&world, "one");
        own.take_one();
        if value.is_empty() {
            // An empty value takes back what came before.
            receiver.take_one();
            continue;
        }
        let line = "webhook ci: not configured rightly, the event is kept; see git webhook check";
        assert!(said.contains(&line.to_owned()), "{said:?}");
        assert_eq!(receiver.connections(), 0, "{key} {value}");
        let output = world.webhook(&["check"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(why) && output.status.code() == Some(1), "{text}");
    }
}

#[test]
fn a_repository_has_no_say_in_how_the_servers_targets_are_told() {
    let receiver = Receiver::new();
    let world = World::new();
    world.configure_globally("webhook.ci.url", &receiver.url());
    world.configure("webhook.via", "nats://127.0.0.1:1");
    push(&world, "one");
    receiver.take_one();
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn an_outcome_is_shown_as_if_it_had_been_made_here() {
    let (broker, _receiver, world, message) = one_published();
    let id = message.header("Webhook-Delivery-Id").to_owned();
    tell(&broker, &message, |outcome| {
        (outcome.state, outcome.status, outcome.attempts) = (Standing::Failing, Some(503), 2);
        (outcome.error, outcome.next) = (Some("answered 503".into()), Some(1_900_000_000));
    });
    let row = &log(&world)[0];
    assert_eq!((&row["state"], &row["attempts"], &row["status"]), (&json!("waiting"), &json!(2), &json!(503)));
    let status = rows(&world.webhook(&["status", "--json"]).stdout);
    assert_eq!((&status[0]["published"], &status[0]["state"]), (&json!(1), &json!("failing")));
    let output = world.webhook(&["redeliver", "--failed"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing to redeliver\n", "a worker tries it again");
    assert_eq!((&row["reason"], &row["next"]), (&json!("answered 503"), &json!("2030-03-17T17:46:40.000Z")));
    let count = world.attempts().len();
    log(&world);
    assert_eq!((world.attempts().len(), published(&world)), (count, 1), "it is written down once");
    tell(&broker, &message, |outcome| outcome.attempts = 3);
    let row = &log(&world)[0];
    assert_eq!((&row["state"], &row["attempts"], &row["status"]), (&json!("delivered"), &json!(3), &json!(200)));
    assert_eq!(published(&world), 0, "it goes with the outcome");
    let shown = rows(&world.webhook(&["show", "--json", &id]).stdout);
    let last = shown[0]["tries"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["worker"], &last["time"]), (&json!("w1"), &json!("2026-11-30T12:00:00.000Z")));
    let status = rows(&world.webhook(&["status", "--json"]).stdout);
    assert_eq!((&status[0]["published"], &status[0]["state"]), (&json!(0), &json!("ok")));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_a_worker_gave_up_is_a_dead_letter_here_and_can_be_asked_for_again() {
    let (broker, _receiver, world, message) = one_published();
    let id = message.header("Webhook-Delivery-Id").to_owned();
    tell(&broker, &message, |outcome| {
        (outcome.state, outcome.attempts) = (Standing::GivenUp, 7);
        outcome.error = Some("answered 500".into());
    });
    let dead = rows(&world.webhook(&["dead", "--json"]).stdout);
    assert_eq!((dead.len(), &dead[0]["reason"]), (1, &json!("answered 500")));
    assert_eq!(published(&world), 0);
    let output = world.webhook(&["redeliver", &id]);
    assert!(output.status.success(), "{output:?}");
    assert!(rows(&world.webhook(&["dead", "--json"]).stdout).is_empty());
    let again = waiting(&broker).remove(0);
    assert_eq!((again.header("Nats-Msg-Id"), again.header("Webhook-Delivery-Id")), (format!("{id}/r7").as_str(), &*id));
    assert_eq!(again.body, message.body);
    // The outcome that is there is the first one's.
    assert_eq!((&log(&world)[0]["state"], published(&world)), (&json!("published"), 1));
    tell(&broker, &again, |_| {});
    assert_eq!((&log(&world)[0]["state"], published(&world)), (&json!("delivered"), 0));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_the_broker_has_lost_is_published_again_and_late() {
    let (broker, receiver) = (Broker::new(), Receiver::new());
    let world = world(&broker, &receiver);
    world.configure_globally("webhook.viaPatience", "1s");
    push(&world, "one");
    push(&world, "two");
    let before: Vec<String> = waiting(&broker).iter().map(|it| it.header("Nats-Msg-Id").to_owned()).collect();
    world.published_long_ago("ci");
    flush(&world);
    assert_eq!(waiting(&broker).len(), 2, "what waits there is not published again");
    assert!(world.attempts().iter().all(|attempt| attempt["late"].is_null()));
    broker.kill();
    broker.forget();
    broker.start();
    broker.set_up();
    let said = flush(&world);
    assert!(said.contains("which it had acknowledged: published again, late"), "{said}");
    let messages = waiting(&broker);
    assert_eq!(messages.iter().map(|it| it.header("Nats-Msg-Id").to_owned()).collect::<Vec<_>>(), before);
    assert_eq!(messages.iter().map(|it| it.header("Webhook-Late")).collect::<Vec<_>>(), ["1", "1"]);
    assert!(log(&world).iter().all(|row| row["late"] == true && row["state"] == "published"));
    assert_eq!((published(&world), world.waiting("ci").len()), (2, 0));
    assert_eq!(receiver.connections(), 0);
}

/// A broker that was killed may count what is not there; and where newer pushes of the ref wait, they hide what was lost.
#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_nobody_tells_of_for_a_day_is_published_again_whatever_the_broker_says() {
    let (broker, receiver) = (Broker::new(), Receiver::new());
    let world = world(&broker, &receiver);
    // A day is longer than it knows ids.
    reconfigure(&broker, "duplicate_window", 1_000_000_000);
    push(&world, "one");
    push(&world, "two");
    let first = waiting(&broker).remove(0);
    let delete = format!("$JS.API.STREAM.MSG.DELETE.{DELIVERIES}");
    let mut jetstream = broker.connect(Role::Administrator);
    jetstream.call(&delete, &json!({ "seq": first.number }), soon()).unwrap();
    world.published_long_ago("ci");
    flush(&world);
    assert_eq!((published(&world), waiting(&broker).len()), (2, 1));
    // One of them failed at a worker, which tells when it is tried next.
    tell(&broker, &waiting(&broker)[0], |outcome| {
        (outcome.state, outcome.status, outcome.next) = (Standing::Failing, Some(500), Some(4_000_000_000));
    });
    flush(&world);
    world.published_before("ci", Duration::from_secs(86_401));
    thread::sleep(Duration::from_secs(2));
    flush(&world);
    let late: Vec<_> =
        waiting(&broker).iter().map(|it| (it.of_ref().1.to_owned(), it.header("Webhook-Late").to_owned())).collect();
    assert_eq!(late, [(world.id("main"), String::new()), (world.id("main~1"), "1".into())]);
    assert_eq!(published(&world), 2);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn on_the_way_back_to_one_machine_what_has_no_outcome_is_sent_from_here() {
    let (broker, receiver) = (Broker::new(), Receiver::new());
    let world = world(&broker, &receiver);
    push(&world, "one");
    world.configure_globally("webhook.via", "");
    flush(&world);
    assert_eq!(receiver.connections(), 0, "a worker may still have it");
    world.published_long_ago("ci");
    flush(&world);
    assert_eq!(receiver.take_one().json()["checkout_sha"], world.id("main"));
    assert_eq!((published(&world), &log(&world)[0]["state"]), (0, &json!("delivered")));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_record_that_a_power_cut_emptied_is_built_again() {
    let (broker, receiver) = (Broker::new(), Receiver::new());
    let world = world(&broker, &receiver);
    push(&world, "one");
    let record = world.published("ci").remove(0);
    assert_eq!(read_record(&record)["delivery"]["format"], "gitlab");
    fs::write(&record, "").unwrap();
    tell(&broker, &waiting(&broker)[0], |_| {});
    assert_eq!((&log(&world)[0]["state"], published(&world)), (&json!("delivered"), 0));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn check_sees_what_is_wrong_with_the_broker() {
    let (broker, receiver) = (Broker::with(""), Receiver::new());
    let world = world(&broker, &receiver);
    let check = |world: &World| {
        let output = world.webhook(&["check", "--json", "--connect"]);
        let about =
            |row: &Value| row["about"] == "broker" || row["message"].as_str().unwrap().contains("the broker has");
        let rows: Vec<_> = rows(&output.stdout).into_iter().filter(about).collect();
        let texts: Vec<_> = rows.iter().map(|row| format!("{}: {}", row["severity"], row["message"])).collect();
        (texts.join("\n"), rows)
    };
    let (said, rows) = check(&world);
    assert!(
        said.starts_with("\"error\": \"the broker at nats://127.0.0.1:") && said.contains("has no stream GW,"),
        "{said}"
    );
    assert_eq!(rows[0]["mend"], json!(["git webhook fleet init"]));
    broker.set_up();
    assert_eq!(check(&world).0, "");
    push(&world, "one");
    resize(&broker, 2_000);
    let (said, _) = check(&world);
    assert!(said.starts_with("\"advice\": \"stream GW of the broker has taken "), "{said}");
    resize(&broker, -1);
    rewrite_record(&world.published("ci")[0], |json| {
        json["delivery"]["time"] = (json["delivery"]["time"].as_i64().unwrap() - 7_300).into();
    });
    let (said, _) = check(&world);
    assert!(said.contains("the broker has 1 for target 'ci', the oldest for 2h"), "{said}");
    assert_eq!(receiver.connections(), 0, "nobody is dialled from here");
    broker.kill();
    let (said, _) = check(&world);
    assert!(said.contains("\"error\": \"cannot reach the broker at nats://127.0.0.1:"), "{said}");
}

#[test]
#[ignore = "needs nats-server and faketime: run tests/run"]
fn check_sees_that_the_broker_has_another_time() {
    let (broker, receiver) = (Broker::new(), Receiver::new());
    let world = world(&broker, &receiver);
    push(&world, "one");
    let mut command = world.command("faketime", &world.server());
    command.args(["-f", "-10m", env!("CARGO_BIN_EXE_git-webhook"), "check"]);
    let output = command.ends();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("advice: the broker's clock is 60") || said.contains("advice: the broker's clock is 59"),
        "{said}"
    );
}
