//! Text made from the value of an event by what an administrator wrote, in a process of its own.
//!
//! A template sees the value and nothing else: no file, no environment, no other template.

mod engine;

mod renderer;

use std::fmt;

use serde::{Deserialize, Serialize};
pub use serde_json::Value;

pub use renderer::{ARGUMENT, Renderer, serve};

/// A template, as it was written. Whether it is of the language shows when it is rendered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Template {
    /// What it ends in says how values are written: as JSON for `.json`, with entities for `.html` and `.xml`, as they are for
    /// anything else.
    pub name: String,
    /// The text.
    pub source: String,
}

/// What is wrong with a template, by itself or for the value of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// What it is, and at which line and column, from 1.
    pub why: String,
    /// A value that tells less might do.
    pub is_of_size: bool,
}

impl Flaw {
    /// One that no smaller value mends.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_of_size: false }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Reads a value that came from elsewhere; `None` where it is none.
pub fn read_value(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().filter(Value::is_object)
}
