//! The ways out: a request and an address in, an outcome out.

mod secrets;
mod redact;
mod wire;
mod http;

pub use http::{HIDDEN, Http, Request, Trust, reach, shown_headers};
