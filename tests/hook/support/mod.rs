//! Builders for tests: a world with a bare repository and a clone, and a receiver that records.

mod compare;
mod receiver;
mod world;

pub use compare::compare;
pub use receiver::{Answer, Receiver, Request};
pub use world::{World, ZERO};
