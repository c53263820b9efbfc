//! Builders for tests: a world with a bare repository and a clone, what it keeps, and a receiver that records.

mod broker;
pub mod canary;
mod compare;
mod fan;
mod fleet;
mod gate;
pub mod judge;
mod journal;
mod json;
mod lab;
mod program;
mod receiver;
mod spool;
mod world;

pub use broker::{Broker, soon};
pub use compare::compare;
pub use fan::Fan;
pub use fleet::{Fleet, by_ref};
pub use gate::Gate;
pub use journal::{Heard, Journal, Update, line, told};
pub use json::{is_as_its_schema, rows};
pub use lab::{Lab, Scene, chain, dead, pre_receive};
pub use program::{Ends, PATIENCE, Running, write_program};
pub use receiver::{Answer, Receiver, Request, hold, ok, read_head};
pub use spool::{Place, copy_as_tried, name, read_record, rewrite_record};
pub use world::{World, ZERO, until};
