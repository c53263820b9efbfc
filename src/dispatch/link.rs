//! A run's way to the broker: opened at its first use, and tried once, since a second look at one that is down would hold up the others.

use std::time::Duration;

use crate::config::Broker;
use crate::outcome::{Failure, FailureKind};
use crate::stream::{BrokerError, JetStream, Role, Trouble};
use crate::transport::Trust;

/// How long the broker has to take a connection.
pub const TO_CONNECT: Duration = Duration::from_millis(250);

/// The way to the broker.
#[derive(Default)]
pub(super) enum Link {
    #[default]
    Unopened,
    Open(Box<JetStream>),
    Down(Failure),
}

impl Link {
    /// The broker, where it can be reached; there is one where a target is told through it.
    pub(super) fn open(
        &mut self,
        broker: Option<&Broker>,
        trust: &Trust,
        patience: Duration,
    ) -> Result<&mut JetStream, Failure> {
        if matches!(self, Self::Unopened) {
            *self = connected(broker, trust, patience.min(TO_CONNECT));
        }
        match self {
            Self::Open(jetstream) => Ok(jetstream),
            Self::Down(failure) => Err(failure.clone()),
            Self::Unopened => Err(Failure::new(FailureKind::NoBroker, "")),
        }
    }

    /// Notes that nothing more is sent in this run, and why.
    pub(super) fn close(&mut self, failure: Failure) {
        *self = Self::Down(failure);
    }
}

fn connected(broker: Option<&Broker>, trust: &Trust, patience: Duration) -> Link {
    let Some(broker) = broker else { return Link::Down(Failure::new(FailureKind::NoBroker, "")) };
    match JetStream::open(&broker.servers, &broker.credentials, trust, Role::GitServer, patience) {
        Ok(jetstream) => Link::Open(Box::new(jetstream)),
        Err(error) => Link::Down(Failure { kind: FailureKind::NoBroker, ..failed(&error, &broker.servers.origin()) }),
    }
}

/// The words for what the broker said.
pub(super) fn failed(error: &BrokerError, server: &str) -> Failure {
    let kind = match error.kind {
        Trouble::Unreachable(_) | Trouble::Garbled | Trouble::Denied => FailureKind::NoBroker,
        Trouble::Silent | Trouble::Closed => FailureKind::NotAcknowledged,
        Trouble::TooLarge => FailureKind::TooLarge,
        Trouble::NotPermitted | Trouble::NoStream | Trouble::Full | Trouble::Overtaken | Trouble::Said => {
            FailureKind::NotTaken
        }
    };
    Failure::new(kind, format!("{server}: {error}"))
}
