//! The servers that people have, with the built programs on them: each test is alone on a machine of its own, which it may set
//! up as an administrator would, with real ports, users and files.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a failed test")]

mod gitolite;
mod http;
mod machine;
mod pages;
mod plain;
mod way;

#[allow(dead_code, unused_imports, reason = "the tests of the hook itself use the rest")]
#[path = "../hook/support/mod.rs"]
mod support;
