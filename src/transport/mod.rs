//! The ways out: a request and an address in, an outcome out.

mod wire;
mod http;

pub use http::{HIDDEN, Http, Request, Trust, reach, shown_headers};
