//! Sends what somebody asked for by name, be it due or not.

use std::thread;
use std::time::{Duration, Instant};

use super::Dispatcher;
use crate::files::FileError;
use crate::schedule::Queued;
use crate::spool::Queue;

/// How long whoever sends to the target is waited for: as long as an attempt takes by default.
const PATIENCE: Duration = Duration::from_secs(10);

impl Dispatcher<'_> {
    /// Sends deliveries of one target that `choose` finds in its queue or puts there; `false` where another process sends to
    /// the target all the time.
    ///
    /// What is in flight is not sent twice: `choose` looks when nobody else sends. Whether the target is in backoff or parked,
    /// and what is older, is left out of account, since a person asked.
    ///
    /// # Errors
    /// Where the lock's file cannot be made.
    pub fn redeliver(&self, at: usize, choose: impl FnOnce(&Queue) -> Vec<Queued>) -> Result<bool, FileError> {
        let queue = self.spool.queue(&self.targets[at].name);
        let start = Instant::now();
        let lock = loop {
            match queue.lock()? {
                Some(lock) => break lock,
                None if start.elapsed() > PATIENCE => return Ok(false),
                None => thread::sleep(Duration::from_millis(50)),
            }
        };
        let mut session = self.open_unlocked(at, queue);
        session.lock = Some(lock);
        self.list(&session);
        let mut chosen = choose(&session.queue);
        // Deliveries of one ref go out in the order of their pushes, in whatever order they were asked for.
        chosen.sort_unstable();
        self.send_queued(&session, chosen);
        self.close(session);
        Ok(true)
    }
}
