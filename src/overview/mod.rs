//! What happened and what waits in one repository, as rows that nothing here prints: of deliveries, of targets, of pushes,
//! of targets that are wrong or configured no more too.
//!
//! The verbs are printers over it, for people and as JSON.

pub mod spelling;
mod pushes;
mod deliveries;
mod targets;

pub use deliveries::{DeliveryRow, NotFound, all as deliveries, find, newest, of_ids};
pub use pushes::{PushState, WaitingPush, all as pushes};
pub use targets::{TargetRow, TargetState, all as targets};
