//! How far a run is, for whoever waits at a terminal.

use std::io::{IsTerminal, Write, stderr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::dispatch::Dispatcher;

/// Runs `work` and tells how far it is, on a terminal, where there is much to do.
pub(super) fn with_progress(verb: &str, much: usize, total: usize, run: &Dispatcher<'_>, work: impl FnOnce()) {
    if total < much || !stderr().is_terminal() {
        return work();
    }
    thread::scope(|scope| {
        let (end, is_over) = mpsc::channel::<()>();
        let show = move || {
            // It ends when the sender is dropped.
            while is_over.recv_timeout(Duration::from_millis(200)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = write!(stderr(), "\r{verb}: {} of {total} tried", run.progress().min(total));
            }
            let _ = write!(stderr(), "\r\x1b[K");
        };
        // Without a thread there is no progress to be seen, and no harm.
        drop(thread::Builder::new().spawn_scoped(scope, show));
        work();
        drop(end);
    });
}
