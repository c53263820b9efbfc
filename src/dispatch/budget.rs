//! The time that a run may take.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The time that deliveries may hold up the push, all together. Each connection may send for so long, and none after so
/// long since the last event was built: until then the push waits for us, not for the receivers.
pub(super) struct Budget {
    allowed: Option<Duration>,
    built: OnceLock<Instant>,
    /// When no attempt is begun any more.
    end: OnceLock<Instant>,
}

impl Budget {
    /// One of which nothing is spent.
    pub(super) fn new(allowed: Option<Duration>) -> Self {
        Self { allowed, built: OnceLock::new(), end: OnceLock::new() }
    }

    /// Notes that the last event is built.
    pub(super) fn start(&self) {
        self.built.get_or_init(Instant::now);
    }

    /// Has the run begin no attempt after so long. The first who says so decides.
    pub(super) fn end_within(&self, time: Duration) {
        self.end.get_or_init(|| Instant::now() + time);
    }

    /// What is left for a connection that has sent for so long.
    pub(super) fn left(&self, sent_for: Duration) -> Duration {
        let spent = self.built.get().map_or(Duration::ZERO, Instant::elapsed);
        self.allowed.map_or(Duration::MAX, |allowed| allowed.saturating_sub(spent.max(sent_for)))
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.end.get().is_some_and(|end| *end <= Instant::now())
    }

    pub(super) fn is_spent(&self) -> bool {
        self.is_at_end() || self.left(Duration::ZERO).is_zero()
    }
}
