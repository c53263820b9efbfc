//! A watch over a process that must not take long: it ends it when nothing has gone on for a while.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often is looked. Looks are counted and not time: while the process is stopped, or the machine sleeps, nothing is to
/// be expected of it.
const PAUSE: Duration = Duration::from_millis(20);

/// The watch of this process.
pub struct Watch(Arc<State>);

#[derive(Default)]
struct State {
    steps: AtomicU64,
    undo: Mutex<Option<Undo>>,
}

type Undo = Box<dyn FnOnce() + Send>;

impl Watch {
    /// Ends the process with the exit status 0 once there was no step for `patience`. Where no thread can be had, nothing is
    /// watched.
    pub fn start(patience: Duration) -> Self {
        let state = Arc::new(State::default());
        let watched = Arc::clone(&state);
        let watch = move || {
            let (mut seen, mut looks) = (0, 0);
            while PAUSE * looks < patience {
                thread::sleep(PAUSE);
                let steps = watched.steps.load(Ordering::Relaxed);
                looks = if steps == seen { looks + 1 } else { 0 };
                seen = steps;
            }
            if let Some(undo) = watched.undo.lock().unwrap_or_else(PoisonError::into_inner).take() {
                undo();
            }
            process::exit(0);
        };
        // It needs next to no memory, which may be short.
        drop(thread::Builder::new().stack_size(64 * 1024).spawn(watch));
        Self(state)
    }

    /// Ends the process with the exit status 0 after `time`, whatever it is doing then. Returns whether that is so: where no
    /// thread can be had it is not.
    pub fn end_after(time: Duration) -> bool {
        let end = move || {
            thread::sleep(time);
            process::exit(0);
        };
        thread::Builder::new().stack_size(64 * 1024).spawn(end).is_ok()
    }

    /// Says that something went on.
    pub fn step(&self) {
        self.0.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// What is to be done before the process is ended, in place of what was.
    pub fn set_undo(&self, undo: impl FnOnce() + Send + 'static) {
        *self.0.undo.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(undo));
    }
}
