//! A gate that answers wait at, so that a test says what comes before what without a clock.

use std::sync::{Arc, Condvar, Mutex};

use super::PATIENCE;

#[derive(Clone, Debug)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug)]
struct State {
    is_open: bool,
    /// How many have to wait for it to open by itself.
    missing: usize,
}

impl Gate {
    /// Opens when it is told to.
    pub fn new() -> Self {
        Self::for_many(usize::MAX)
    }

    /// Opens as soon as so many wait at once.
    pub fn for_many(missing: usize) -> Self {
        Self(Arc::new((Mutex::new(State { is_open: false, missing }), Condvar::new())))
    }

    pub fn open(&self) {
        let (state, opened) = &*self.0;
        state.lock().unwrap().is_open = true;
        opened.notify_all();
    }

    /// Waits until it is open; whether it is.
    pub fn wait(&self) -> bool {
        let (state, opened) = &*self.0;
        opened.wait_timeout_while(state.lock().unwrap(), PATIENCE, |state| !state.is_open).unwrap().0.is_open
    }

    /// The same, as one of those that it opens for.
    pub fn pass(&self) -> bool {
        let (state, opened) = &*self.0;
        let mut state = state.lock().unwrap();
        state.missing = state.missing.saturating_sub(1);
        if state.missing == 0 {
            state.is_open = true;
            opened.notify_all();
        }
        drop(state);
        self.wait()
    }
}
