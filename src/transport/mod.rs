//! The ways out: a request and an address in, an outcome out.

mod secrets;
mod redact;
mod tls;
mod wire;
mod stream;
mod proxy;
mod connect;
mod http;

pub use http::{HIDDEN, Http, Request, reach, shown_headers};
pub use tls::Trust;
