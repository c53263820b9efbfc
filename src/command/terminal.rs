//! The doors to standard output and standard error: whatever goes through is fit for a terminal.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use crate::text::{lines_for_terminal, sanitise};

/// The colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    None,
    Green,
    Yellow,
    Red,
}

/// Whether to write in colour: on a terminal, unless somebody objects (https://no-color.org).
pub(super) fn in_colour() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
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

/// Prints lines. Whoever made them has made what is others' in them safe; this is the last door before a terminal.
pub(super) fn print(text: &str) {
    let text = lines_for_terminal(text, &Colour::CODES);
    // A reader that has gone (head, less) is no failure.
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
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
