//! The broker between git servers and workers, NATS JetStream: its wire, and what both sides ask of it.
//!
//! It knows no configuration and no spool. Another broker would be another file beside `jetstream`, with the same five operations:
//! publish, claim the first of its key, settle, tell an outcome, find those that are missing.

mod error;
mod servers;
mod credentials;
mod protocol;
mod nats;
mod names;
mod message;
mod outcome;
mod layout;
mod permissions;
mod jetstream;
mod survey;
mod claims;

pub use claims::{Claim, Turn};
pub use credentials::Credentials;
pub use error::{BrokerError, Trouble};
pub use jetstream::{JetStream, Stored};
pub use layout::{
    ACK_WAIT, DEAD, DELIVERIES, OUTCOMES, StreamLayout, consumer, consumer_name, raised, raised_consumer, streams,
};
#[cfg(test)]
pub use message::tests::sample;
pub use message::{Lane, Message, NotOurs, redelivery_of, sender};
pub use names::{order_key, target_token};
pub use nats::{Connection, Headers, Incoming, Role};
pub use outcome::{Outcome, Standing};
pub use permissions::{PERMISSIONS, Permissions};
pub use servers::Servers;
pub use survey::{ConsumerState, First, Progress, target_of};
