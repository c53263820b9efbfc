//! The ways out: a request and an address in, an outcome out.

mod http;
mod wire;

pub use http::{HIDDEN, Http, Request, Trust, reach, shown_headers};
