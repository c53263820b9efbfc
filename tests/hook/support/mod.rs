//! Builders for tests: a world with a bare repository and a clone, what it keeps, and a receiver that records.

mod compare;
mod fan;
mod journal;
mod lab;
mod receiver;
mod spool;
mod world;

pub use compare::compare;
pub use fan::Fan;
pub use journal::{Heard, Journal, Update, line, told};
pub use lab::{Lab, Scene, chain, dead, pre_receive};
pub use receiver::{Answer, Receiver, Request, ok, read_head};
pub use spool::{Place, copy_as_tried, name, read_record, rewrite_record};
pub use world::{World, ZERO, until};
