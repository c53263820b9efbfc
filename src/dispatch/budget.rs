//! The time that a run may take.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a push may wait for its receivers.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// When the hook started.
    pub since: Instant,
    /// What `webhook.maxWait` says. A request is begun in the first half of it, and then has its own time, or this one if that
    /// is less; so receivers hold a push for one and a half of it at most.
    pub max_wait: Duration,
}

/// What is spent of it.
pub(super) struct Budget {
    allowed: Option<Allowed>,
    /// When no attempt is begun any more.
    end: OnceLock<Instant>,
}

impl Budget {
    /// One that allows so much, or everything.
    pub(super) fn new(allowed: Option<Allowed>) -> Self {
        Self { allowed, end: OnceLock::new() }
    }

    /// Has the run begin no attempt after so long. The first who says so decides.
    pub(super) fn end_within(&self, time: Duration) {
        self.end.get_or_init(|| Instant::now() + time);
    }

    /// Whether somebody waits for the run.
    pub(super) fn has_end(&self) -> bool {
        self.allowed.is_some()
    }

    /// Whether no attempt is begun any more.
    pub(super) fn is_spent(&self) -> bool {
        self.is_past(1) || self.end.get().is_some_and(|end| *end <= Instant::now())
    }

    /// The longest that one attempt may take.
    pub(super) fn limit(&self) -> Duration {
        self.allowed.map_or(Duration::MAX, |allowed| allowed.max_wait)
    }

    /// Whether nothing more is built, nor written down that was not tried: it stays in the receipt.
    pub(super) fn is_over(&self) -> bool {
        self.is_past(2)
    }

    /// Whether nothing at all is written down any more but that a push is not settled.
    pub(super) fn is_long_over(&self) -> bool {
        self.is_past(3)
    }

    /// Whether so many halves of the time are gone.
    fn is_past(&self, halves: u32) -> bool {
        self.allowed.is_some_and(|allowed| allowed.since.elapsed() >= allowed.max_wait / 2 * halves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_begun_in_the_first_half_and_have_all_of_it() {
        let after = |seconds| {
            let since = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
            let budget = Budget::new(Some(Allowed { since, max_wait: Duration::from_secs(100) }));
            (budget.is_spent(), budget.is_over(), budget.is_long_over())
        };
        assert_eq!(after(40), (false, false, false));
        assert_eq!(after(50), (true, false, false));
        assert_eq!(after(100), (true, true, false));
        assert_eq!(after(150), (true, true, true));
        let endless = Budget::new(None);
        assert!(!endless.is_spent() && !endless.is_long_over());
        endless.end_within(Duration::ZERO);
        assert!(endless.is_spent());
    }
}
