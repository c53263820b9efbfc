//! Receivers written by others judge what we send: their programs and libraries, our built hook, real pushes.
//!
//! What they need is installed by `tests/run` below the target directory; what drives them stands in `tests/outside`.

mod buildbot;
mod judge;
mod libraries;
mod spelling;
mod tour;
mod verify;
mod webhook;

pub use judge::{Judge, replay};
pub use tour::{Move, Step, TAG_DELETION, tour, tour_unseen, world};
