//! The ways out: a request and an address in, an outcome out.

mod http;

pub use http::{Http, Request, Trust};
