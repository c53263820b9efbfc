//! The doors to standard output and standard error: whatever goes through is fit for a terminal.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::screen::start_pager;
use crate::text::{lines_for_terminal, sanitise};

/// The colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    None,
    Green,
    Yellow,
    Red,
}

impl Colour {
    /// All that is ever written to switch one on or off.
    pub(super) const CODES: [&str; 4] = ["\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"];

    /// What switches it on and off on a terminal.
    pub(super) fn codes(self) -> (&'static str, &'static str) {
        match self {
            Self::None => ("", ""),
            Self::Green => ("\x1b[32m", "\x1b[0m"),
            Self::Yellow => ("\x1b[33m", "\x1b[0m"),
            Self::Red => ("\x1b[31m", "\x1b[0m"),
        }
    }
}

/// The pager that what is printed goes through, from the first long answer on.
static PAGER: Mutex<Option<Child>> = Mutex::new(None);

static IS_UNWANTED: AtomicBool = AtomicBool::new(false);

/// Has nothing paged.
pub(super) fn never_page() {
    IS_UNWANTED.store(true, Ordering::Relaxed);
}

/// Has all that is printed from here on paged, where that is of use.
pub(super) fn page() {
    let mut pager = PAGER.lock().unwrap_or_else(PoisonError::into_inner);
    if pager.is_none() && !IS_UNWANTED.load(Ordering::Relaxed) {
        *pager = start_pager();
    }
}

/// Waits until whoever reads in the pager has read.
pub(super) fn finish() {
    let pager = PAGER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut pager) = pager {
        drop(pager.stdin.take());
        // How it ended is nothing to us.
        let _ = pager.wait();
    }
}

/// Prints lines. Whoever made them has made what is others' in them safe; this is the last door before a terminal.
pub(super) fn print(text: &str) {
    let text = lines_for_terminal(text, &Colour::CODES);
    let mut pager = PAGER.lock().unwrap_or_else(PoisonError::into_inner);
    // A reader that has gone (head, less) is no failure.
    let _ = match pager.as_mut().and_then(|pager| pager.stdin.as_mut()) {
        Some(pager) => pager.write_all(text.as_bytes()),
        None => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        }
    };
}

/// Says in one line of standard error what is wrong.
pub(super) fn error(text: impl Display) {
    note(format!("error: {text}"));
}

/// Says in one line of standard error what is odd.
pub(super) fn warning(text: impl Display) {
    note(format!("warning: {text}"));
}

/// Says one line on standard error.
pub(super) fn note(text: impl Display) {
    // Where it is closed nobody is told.
    let _ = writeln!(io::stderr(), "{}", sanitise(&text.to_string()));
}
