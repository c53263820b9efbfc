//! The ways out: a request and an address in, an outcome out.

mod secrets;
mod redact;
mod certificate;
mod tls;
mod wire;
mod stream;
mod proxy;
mod connect;
mod http;
#[cfg(fuzzing)]
pub mod fuzzing;

pub use certificate::ShownCertificate;
pub use connect::dial_server;
pub use http::{HIDDEN, Http, Reached, Request, Unreached, reach, shown_headers};
pub use stream::read_within;
pub use tls::{Trust, no_tls};
