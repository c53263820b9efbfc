//! Receivers written by others judge what we send: their programs and libraries, our built hook, real pushes.
//!
//! What they need is installed by `tests/run` below the target directory; what drives them stands in `tests/outside`.

mod buildbot;
mod judge;
mod libraries;
mod matrix;
mod spelling;
mod tour;
mod verify;
mod webhook;

use git_webhook::format::{Format, Method, Reads};

/// Whether a format's deliveries are posted, and taken by whoever answers 200.
pub fn is_posted(format: &Format) -> bool {
    format.exchange.method == Method::Post && !matches!(format.exchange.reads, Reads::Verdict(_))
}

pub use judge::{Judge, replay};
pub use tour::{Move, Step, TAG_DELETION, tour, tour_unseen, world};
