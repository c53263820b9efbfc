//! The wire to NATS and what is asked of JetStream, against a real server.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use git_webhook::outcome::FailureKind;
use git_webhook::stream::{
    Connection, Credentials, JetStream, Lane, Message, OUTCOMES, Outcome, Role, Servers, Standing, Trouble, order_key,
};
use git_webhook::transport::Trust;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Answer, Broker, Receiver, soon};

/// A delivery with this number for a target.
pub fn delivery(number: u128, target: &str, body: &[u8]) -> Message {
    let spool = Uuid::from_u128(7);
    Message {
        id: Uuid::from_u128(number),
        redelivery: 0,
        target: target.into(),
        order: order_key(spool, b"", Some(b"refs/heads/main")),
        format: "gitlab".into(),
        event: "Push Hook".into(),
        event_id: Uuid::from_u128(number << 64),
        spool,
        repository: "group/project".into(),
        project: 12,
        instance: "https://git.example.org".into(),
        namespace: Vec::new(),
        ref_name: b"refs/heads/main".to_vec(),
        old: "0".repeat(40),
        new: "1".repeat(40),
        more: 0,
        time: 1_700_000_000,
        is_late: false,
        trace: None,
        body: body.to_vec(),
    }
}

fn open(url: &str, file: Option<&str>) -> Result<Connection, Trouble> {
    let servers = Servers::parse(url).unwrap();
    let credentials = Credentials::new(servers.login(), file.map(str::as_bytes)).unwrap();
    let patience = Duration::from_secs(60);
    Connection::open(&servers, &credentials, &Trust::default(), Role::GitServer, patience).map_err(|error| error.kind)
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn many_are_published_before_the_first_answer_and_none_twice() {
    let broker = Broker::new();
    let mut connection = broker.connect(Role::GitServer);
    let messages: Vec<_> = (1..=500).map(|number| delivery(number, "ci", &vec![b'x'; 4000])).collect();
    let first = connection.publish(&messages, soon()).unwrap();
    let sequences: Vec<_> =
        first.iter().map(|it| it.as_ref().map(|it| (it.sequence, it.is_duplicate)).unwrap()).collect();
    assert_eq!(sequences, (1..=500).map(|number| (number, false)).collect::<Vec<_>>());
    broker.kill();
    broker.start();
    let mut connection = broker.connect(Role::GitServer);
    let again = connection.publish(&messages[..10], soon()).unwrap();
    assert!(again.iter().all(|it| it.as_ref().unwrap().is_duplicate), "{again:?}");
    let asked_for = Message { redelivery: 1, ..messages[0].clone() };
    assert!(!connection.publish(&[asked_for], soon()).unwrap()[0].as_ref().unwrap().is_duplicate);
    let other = order_key(Uuid::from_u128(7), b"", Some(b"refs/heads/other"));
    let keys = [("ci", messages[0].order.as_str()), ("ci", &other), ("chat", &messages[0].order)];
    assert_eq!(connection.are_waiting(&keys, soon()).unwrap(), [true, false, false]);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn what_cannot_be_published_says_why_and_takes_nothing_else_along() {
    let broker = Broker::with("");
    let mut connection = broker.connect(Role::GitServer);
    let kinds = |connection: &mut JetStream, messages: &[Message]| -> Vec<_> {
        let became = connection.publish(messages, soon()).unwrap();
        became.into_iter().map(|it| it.map(|_| ()).map_err(|error| error.kind)).collect()
    };
    assert_eq!(kinds(&mut connection, &[delivery(1, "ci", b"")]), [Err(Trouble::NoStream)]);
    broker.set_up();
    let large = delivery(2, "ci", &vec![0; connection.max_payload()]);
    assert_eq!(kinds(&mut connection, &[large, delivery(3, "ci", b"")]), [Err(Trouble::TooLarge), Ok(())]);
    let mut small = git_webhook::stream::streams(1)[0].config.clone();
    small["max_bytes"] = json!(3000);
    broker.connect(Role::Administrator).call("$JS.API.STREAM.UPDATE.GW", &small, soon()).unwrap();
    let full = delivery(4, "ci", &[b'x'; 2500]);
    assert_eq!(kinds(&mut connection, &[full, delivery(5, "ci", b"")]), [Err(Trouble::Full), Ok(())]);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn an_outcome_is_read_by_the_id_of_its_delivery_and_the_last_counts() {
    let broker = Broker::new();
    let (spool, id) = (Uuid::from_u128(7), Uuid::from_u128(1));
    let outcome = |state, attempts| Outcome {
        version: 1,
        id,
        redelivery: 0,
        target: "ci".into(),
        state,
        status: Some(500),
        attempts,
        ambiguous: 0,
        at: "2026-11-30T12:00:00Z".into(),
        worker: "w".into(),
        ms: None,
        error: None,
        failure: Some(FailureKind::Status(500)),
        next: None,
        blocks_ref: false,
        answer: None,
    };
    let mut connection = broker.connect(Role::Worker);
    for told in [outcome(Standing::Failing, 1), outcome(Standing::GivenUp, 2)] {
        let told: serde_json::Value = serde_json::from_slice(&told.to_json()).unwrap();
        connection.call(&Outcome::subject(spool, id), &told, soon()).unwrap();
    }
    let read = connection.outcomes(spool, &[Uuid::from_u128(2), id], soon()).unwrap();
    assert_eq!(read, [None, Some(outcome(Standing::GivenUp, 2))]);
    let info = connection.call(&format!("$JS.API.STREAM.INFO.{OUTCOMES}"), &json!({}), soon()).unwrap();
    assert_eq!(info["state"]["messages"], 1);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn who_shows_what_the_server_asks_for_is_let_in() {
    const SEED: &str = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU";
    const PUBLIC: &str = "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L";
    let broker = Broker::with(&format!(
        "authorization {{ users: [ {{ user: git, password: \"p@ss:word\", permissions: {{ publish: [\"gw.d.>\"] }} }}, {{ nkey: {PUBLIC} }} ] }}"
    ));
    let with = |login: &str| format!("nats://{login}127.0.0.1:{}", broker.port());
    for (login, file) in
        [("git:p%40ss%3Aword@", None), ("git@", Some("p@ss:word\n")), ("", Some("git:p@ss:word")), ("", Some(SEED))]
    {
        assert!(open(&with(login), file).is_ok(), "{login} {file:?}");
    }
    for (login, file) in [("", None), ("git:wrong@", None), ("git@", None), ("", Some("git:x"))] {
        assert_eq!(open(&with(login), file).err(), Some(Trouble::Denied), "{login} {file:?}");
    }
    let mut connection = open(&with("git:p%40ss%3Aword@"), None).unwrap();
    connection.publish("gw.x.a.b", None, &[], b"", soon()).unwrap();
    assert_eq!(connection.next(soon()).err().map(|error| error.kind), Some(Trouble::NotPermitted));

    let broker = Broker::with("authorization { token: \"s3cret\" }");
    assert!(open(&format!("nats://s3cret@127.0.0.1:{}", broker.port()), None).is_ok());
    assert!(open(&broker.url(), Some("s3cret")).is_ok());
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_server_is_spoken_to_over_tls_where_it_or_we_want_that() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(place("cert"), certified.cert.pem()).unwrap();
    fs::write(place("key"), certified.signing_key.serialize_pem()).unwrap();
    let broker = Broker::with(&format!("tls {{ cert_file: '{}', key_file: '{}' }}", place("cert"), place("key")));
    let trusted = certified.cert.pem();
    for scheme in ["tls", "nats"] {
        let url = format!("{scheme}://localhost:{}", broker.port());
        assert!(open(&url, Some(&trusted)).is_ok(), "{scheme}");
        assert_eq!(open(&url, None).err(), Some(Trouble::Unreachable(FailureKind::Tls)), "{scheme}");
    }
    let plain = Broker::with("");
    let url = format!("tls://localhost:{}", plain.port());
    assert_eq!(open(&url, Some(&trusted)).err(), Some(Trouble::Unreachable(FailureKind::Tls)));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn the_next_server_is_tried_where_one_is_away_silent_or_no_broker() {
    let broker = Broker::with("");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let web = Receiver::answering(Answer::Raw(b"HTTP/1.1 400 X\r\n\r\n".to_vec()));
    let web = web.origin().trim_start_matches("http://").to_owned();
    let url = format!("nats://127.0.0.1:1,{web},{silent},127.0.0.1:{}", broker.port());
    let servers = Servers::parse(&url).unwrap();
    let open = |servers: &Servers, patience| {
        Connection::open(servers, &Credentials::default(), &Trust::default(), Role::Worker, patience)
    };
    let connection = open(&servers, Duration::from_secs(8)).unwrap();
    assert_eq!(connection.server(), format!("127.0.0.1:{}", broker.port()));
    let kind =
        |url: String| open(&Servers::parse(&url).unwrap(), Duration::from_millis(300)).err().map(|error| error.kind);
    assert_eq!(kind("nats://127.0.0.1:1".into()), Some(Trouble::Unreachable(FailureKind::Refused)));
    assert_eq!(kind(format!("nats://{silent}")), Some(Trouble::Silent));
    assert_eq!(kind("nats://nowhere.invalid".into()), Some(Trouble::Unreachable(FailureKind::Lookup)));
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_broker_that_stops_in_the_midst_costs_the_time_there_is() {
    let broker = Broker::new();
    let mut connection = broker.connect(Role::GitServer);
    broker.freeze();
    let before = Instant::now();
    let became = connection.publish(&[delivery(1, "ci", b"{}")], before + Duration::from_millis(200)).unwrap();
    assert_eq!(became[0].as_ref().err().map(|error| error.kind), Some(Trouble::Silent));
    assert!(before.elapsed() >= Duration::from_millis(200));
    broker.wake();
    // It was stored all the same, and is not taken twice; what is answered late is nobody's.
    let again = connection.publish(&[delivery(1, "ci", b"{}"), delivery(2, "ci", b"{}")], soon()).unwrap();
    let again: Vec<_> = again.into_iter().map(|it| it.unwrap().is_duplicate).collect();
    assert_eq!(again, [true, false]);
    broker.kill();
    let error = connection.publish(&[delivery(3, "ci", b"{}")], soon()).unwrap_err();
    assert_eq!(error.kind, Trouble::Closed);
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_message_leaves_as_it_came_over_a_real_server() {
    let broker = Broker::new();
    let message =
        Message { ref_name: b"refs/heads/\xff caf\xc3\xa9 ".to_vec(), ..delivery(1, "a.b", b"{\"a\":\"\xff\"}") };
    broker.connect(Role::GitServer).publish(std::slice::from_ref(&message), soon()).unwrap();
    let mut connection = broker.connect(Role::Worker);
    let subject = message.subject(Lane::Deliveries);
    let inbox = connection.connection().new_inbox();
    let question = json!({ "next_by_subj": subject }).to_string();
    connection.connection().publish("$JS.API.DIRECT.GET.GW", Some(&inbox), &[], question.as_bytes(), soon()).unwrap();
    let came = connection.connection().next(soon()).unwrap().unwrap();
    assert_eq!(Message::read(&subject, &came), Ok(message));
}

/// The version that the tests ran against stands in what tests/run prints.
#[test]
#[ignore = "needs nats-server: run tests/run"]
fn the_server_is_one_that_has_what_is_asked_of_it() {
    let said = Command::new("nats-server").arg("--version").output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = Broker::with("").connect(Role::Worker).connection().info().version.clone();
    assert!(said.contains(&version), "{said} {version}");
}
