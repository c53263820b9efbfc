//! Clocks: the one that people set, and the one that nobody does.

use std::sync::OnceLock;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::made;

/// A moment that no change of the clock moves: the id of this run of the machine, and the time since it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Seconds since the machine started, sleep included.
    pub seconds: i64,
    /// And the part of a second.
    pub nanoseconds: i64,
}

impl Moment {
    /// The present one.
    pub fn now() -> Self {
        let (seconds, nanoseconds) =
            clock_gettime(ClockId::CLOCK_BOOTTIME).map_or((0, 0), |time| (time.tv_sec(), time.tv_nsec()));
        Self { boot: boot_id(), seconds, nanoseconds }
    }

    /// Whether it came before `other`; `None` where the machine was started anew between them.
    pub fn is_before(&self, other: &Self) -> Option<bool> {
        let time = |moment: &Self| (moment.seconds, moment.nanoseconds);
        (self.boot == other.boot).then(|| time(self) < time(other))
    }

    /// The seconds gone by since; `None` where the machine was started anew meanwhile.
    pub fn age(&self) -> Option<i64> {
        let now = Self::now();
        (now.boot == self.boot).then_some(now.seconds - self.seconds)
    }
}

/// Seconds since 1970, 0 for a clock set before that.
pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs() as i64)
}

/// What tells one run of the machine from the next.
pub fn boot_id() -> String {
    static FOUND: OnceLock<String> = OnceLock::new();
    let read = || {
        let text = made::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    FOUND.get_or_init(read).clone()
}
