//! Builders for tests: a world with a bare repository and a clone, and a receiver that records.

mod compare;
mod fan;
mod receiver;
mod world;

pub use compare::compare;
pub use fan::Fan;
pub use receiver::{Answer, Receiver, Request, ok, read_head};
pub use world::{World, ZERO, until};
