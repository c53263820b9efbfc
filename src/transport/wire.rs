//! What one connection and the code that sends over it tell each other: how long there is, and how far an attempt came.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use ureq::{Error, Timeout};

/// What an agent's one connection and the code that sends over it tell each other.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct State {
    deadline: Instant,
    pub(super) progress: Progress,
    /// What the look-up found, so that it is made once and what is dialled stays what was found.
    pub(super) addresses: Vec<SocketAddr>,
    /// This end of the connection made last, and the other.
    pub(super) ends: Option<(SocketAddr, SocketAddr)>,
    /// The certificates that the receiver showed, where somebody wants to see them.
    pub(super) chain: Option<Vec<CertificateDer<'static>>>,
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// A connection of its own was opened for it.
    pub(super) dialled: bool,
    /// When the last byte of the request was written, once all of it was.
    pub(super) sent: Option<Instant>,
    /// At least a byte of an answer was read.
    pub(super) answered: bool,
}

impl Wire {
    pub(super) fn new() -> Self {
        let state = State {
            deadline: Instant::now(),
            progress: Progress::default(),
            addresses: Vec::new(),
            ends: None,
            chain: None,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Begins an attempt.
    pub(super) fn begin(&self, deadline: Instant) {
        let mut state = self.state();
        state.progress = Progress::default();
        state.deadline = deadline;
    }

    /// Sets another deadline for what is left of an attempt.
    pub(super) fn end_by(&self, deadline: Instant) {
        self.state().deadline = deadline;
    }

    pub(super) fn progress(&self) -> Progress {
        self.state().progress
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single assignment, so what a panic left behind is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that is left, or that it is up.
    pub(super) fn left(&self) -> Result<Duration, Error> {
        let left = self.state().deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(timeout()) } else { Ok(left) }
    }
}

/// Which phase it was is told by [`Progress`].
pub(super) fn timeout() -> Error {
    Error::Timeout(Timeout::Global)
}

/// A read or write that failed; the system has two names for a time that is up.
pub(super) fn failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => timeout(),
        _ => error.into(),
    }
}
