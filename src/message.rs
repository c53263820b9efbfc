//! Every error message of the hook and the verbs, in one place; `docs/messages.md` says of each why it comes and what to
//! do, and a test compares the two.
//!
//! Written as git writes them: lower case, no full stop, what happened first, the subject in quotes, and the way out.

use std::fmt::Display;

/// One function for each message: of its places, or without any, text that needs no memory.
macro_rules! messages {
    ($($name:ident ( $($place:ident),* ) = $text:literal;)*) => {
        $(messages! { @one $name ($($place),*) $text })*

        /// The text of every message, each place in braces.
        pub const ALL: &[&str] = &[$($text),*];
    };
    (@one $name:ident () $text:literal) => {
        #[doc = $text]
        pub const fn $name() -> &'static str {
            $text
        }
    };
    (@one $name:ident ($($place:ident),+) $text:literal) => {
        #[doc = $text]
        pub fn $name($($place: impl Display),+) -> String {
            format!($text)
        }
    };
}

messages! {
    // The verbs.
    unknown_format(name, known) = "unknown format '{name}': choose {known}";
    no_length_of_time() = "write a whole number with s, m, h or d";
}
