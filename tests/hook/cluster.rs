//! Three servers of NATS with three copies of each stream, and the one that leads is killed.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use git_webhook::stream::{Credentials, DELIVERIES, JetStream, Message, Role, Servers};
use git_webhook::transport::Trust;

use crate::support::{Answer, Broker, Fleet, Receiver, by_ref, until};
use crate::workers::push;

/// Three servers that know each other.
struct Cluster {
    servers: Vec<Broker>,
}

impl Cluster {
    fn new() -> Self {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|it| it.local_addr().unwrap().port());
        let routes: Vec<_> = ports.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let servers = ports.iter().enumerate().map(|(number, port)| {
            let cluster = format!("cluster {{ name: c, listen: 127.0.0.1:{port}, routes: [{}] }}", routes.join(", "));
            Broker::with(&format!("server_name: n{number}\n{cluster}"))
        });
        Self { servers: servers.collect() }
    }

    fn url(&self) -> String {
        let all: Vec<_> = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
        format!("nats://{}", all.join(","))
    }

    fn connect(&self) -> Option<JetStream> {
        let servers = Servers::parse(&self.url()).unwrap();
        let patience = Duration::from_secs(5);
        JetStream::open(&servers, &Credentials::default(), &Trust::default(), Role::Administrator, patience).ok()
    }

    /// Which of them leads the stream of deliveries, and how many lie there, where they say so.
    fn state(&self) -> Option<(String, u64)> {
        let info = self.connect()?.stream(DELIVERIES, Instant::now() + Duration::from_secs(5)).ok()??;
        Some((info["cluster"]["leader"].as_str()?.to_owned(), info["state"]["messages"].as_u64()?))
    }

    /// Publishes as a git server's queue does: again and again what was not acknowledged, before anything newer.
    fn publish(&self, messages: &[Message]) {
        let mut left = messages.to_vec();
        until("all are acknowledged", || {
            let end = Instant::now() + Duration::from_secs(2);
            let became = self.connect().and_then(|mut broker| broker.publish(&left, end).ok()).unwrap_or_default();
            let mut became = became.into_iter();
            left.retain(|_| became.next().is_none_or(|it| it.is_err()));
            left.is_empty()
        });
    }
}

#[test]
#[ignore = "needs nats-server: run tests/run"]
fn a_leader_of_three_that_is_killed_costs_nothing_but_time() {
    let receiver = Receiver::answering(Answer::After(Duration::from_millis(10)));
    let cluster = Cluster::new();
    let fleet = Fleet::of(Broker::with(""));
    fleet.configure("webhook.via", "");
    fleet.configure("webhook.via", &cluster.url());
    fleet.add_target("ci", &receiver, "gitlab");
    until("three copies of each stream are made", || {
        fleet.webhook(&["fleet", "init", "--replicas", "3"]).status.success()
    });
    fleet.hurry_at(&mut cluster.connect().unwrap(), "ci", 5);
    let round = |number| (0..10).map(|branch| push(&format!("b{branch}"), number, "ci")).collect::<Vec<_>>();
    (1..=5).for_each(|number| cluster.publish(&round(number)));
    let _workers = [(); 2].map(|()| fleet.worker(&[]));
    until("some are made", || receiver.requests().len() >= 15);
    let (leader, _) = cluster.state().unwrap();
    let at: usize = leader.trim_start_matches('n').parse().unwrap();
    cluster.servers[at].kill();
    (6..=10).for_each(|number| cluster.publish(&round(number)));
    until("all are settled", || cluster.state().is_some_and(|(_, left)| left == 0));
    let mut twice = 0;
    for (branch, numbers) in by_ref(&receiver) {
        let mut once = numbers.clone();
        once.dedup();
        twice += numbers.len() - once.len();
        assert_eq!(once, (1..=10).collect::<Vec<_>>(), "{branch}: lost, or out of order");
    }
    // An outcome that its leader had not handed on when it died.
    assert!(twice <= 16, "{twice}");
}
