//! `git webhook worker`: takes deliveries from the broker, and sends them as a git server would.
//!
//! Each target has threads of its own, one at least, so that one that is slow or dead holds up no other. A thread has a connection to
//! the broker and one to the receiver. What is in a worker's memory can be lost at any moment: the broker hands it out again, and the
//! outcome says how far it came.

mod intake;
mod turn;
mod station;
mod lane;
mod settle;
mod unclaimed;
mod lost;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::config::Broker;
use crate::stream::{BrokerError, JetStream, Role};
use crate::target::Target;
use crate::transport::Trust;

use station::Station;

/// How long the broker has to take a connection.
const TO_CONNECT: Duration = Duration::from_secs(5);

/// How long it has to answer.
const TO_ANSWER: Duration = Duration::from_secs(10);

/// What a worker is.
pub struct Worker<'a> {
    broker: &'a Broker,
    /// What outcomes call it.
    name: String,
    trust: Trust,
    /// What nobody has a consumer for is set aside after so long.
    unclaimed: Duration,
    stop: AtomicBool,
    /// Takes each line of the log.
    log: Box<dyn Fn(&str) + Send + Sync + 'a>,
}

impl<'a> Worker<'a> {
    /// One that serves through this broker.
    pub fn new(broker: &'a Broker, name: String, unclaimed: Duration, log: impl Fn(&str) + Send + Sync + 'a) -> Self {
        Self { broker, name, trust: Trust::default(), unclaimed, stop: AtomicBool::new(false), log: Box::new(log) }
    }

    /// Connects to the broker.
    ///
    /// # Errors
    /// Why no server takes us.
    pub fn connect(&self) -> Result<JetStream, BrokerError> {
        let Broker { servers, credentials, .. } = self.broker;
        JetStream::open(servers, credentials, &self.trust, Role::Worker, TO_CONNECT)
    }

    /// Serves these targets until `wait` returns; then what is under way is brought to its end.
    pub fn run(&self, targets: &[&Target], wait: impl FnOnce()) {
        let stations: Vec<_> = targets.iter().map(|target| Station::new(target)).collect();
        thread::scope(|scope| {
            for station in &stations {
                self.open_lane(scope, station);
            }
            scope.spawn(|| self.watch_for_unclaimed());
            scope.spawn(|| self.watch_consumers(&stations));
            wait();
            self.stop.store(true, Ordering::Relaxed);
            stations.iter().for_each(Station::wake);
        });
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
