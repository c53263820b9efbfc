//! The built hook and command, run as users run them: a real bare repository, a real `git push`, a real receiver.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test that called it")]

mod support;

mod commits;
mod output;
mod payloads;
mod pushers;
mod tags;
