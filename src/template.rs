//! Text made from the value of an event by what an administrator wrote: the only door to minijinja.
//!
//! A template sees the value and nothing else: no file, no environment, no other template. Its steps bound time and memory
//! alike, since minijinja charges one for each 64 bytes that it makes.

use std::fmt;
use std::io::{self, Write};

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
pub use serde_json::Value;

use crate::message;
use crate::text::shorten;

/// What one rendering may cost, in minijinja's units.
const STEPS: u64 = 100_000;

/// How deep loops, conditions and macros may stand in each other; a macro counts as four.
const LEVELS: usize = 16;

/// So many bytes of what minijinja says are told: it may quote the event.
const LONGEST_REASON: usize = 200;

/// Reads a value that came from elsewhere; `None` where it is none.
pub fn read_value(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().filter(Value::is_object)
}

/// A template that is of the language, ready to be rendered.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    name: String,
}

impl Template {
    /// Reads a template. What its name ends in says how values are written: as JSON for `.json`, with entities for `.html` and
    /// `.xml`, as they are for anything else.
    ///
    /// # Errors
    /// Where and why it is none.
    pub fn parse(name: &str, source: &str) -> Result<Self, Flaw> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(STEPS));
        environment.set_recursion_limit(LEVELS);
        // Without it errors do not say where.
        environment.set_debug(true);
        environment.add_filter("truncate", truncate);
        // It shows the engine's own state.
        environment.remove_global("debug");
        environment.add_template_owned(name.to_owned(), source.to_owned()).map_err(|error| Flaw::of(&error))?;
        Ok(Self { environment, name: name.into() })
    }

    /// The text of a value, in at most so many bytes.
    ///
    /// # Errors
    /// Where it goes wrong for this value, and why.
    pub fn render(&self, value: &Value, most: usize) -> Result<Vec<u8>, Flaw> {
        let mut output = Bounded { bytes: Vec::new(), most, is_full: false };
        let value = minijinja::Value::from(Serde(value));
        let template = self.environment.get_template(&self.name);
        let rendered = template.and_then(|template| template.render_captured_to(value, &mut output).map(drop));
        match rendered {
            Ok(()) => Ok(output.bytes),
            Err(_) if output.is_full => Err(Flaw::too_large(most)),
            Err(error) => Err(Flaw::of(&error)),
        }
    }
}

/// What is wrong with a template, by itself or for the value of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What it is, and at which line and column, from 1.
    pub why: String,
    /// A value that tells less might do.
    pub is_of_size: bool,
}

impl Flaw {
    /// One that is found without minijinja.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_of_size: false }
    }

    fn too_large(most: usize) -> Self {
        Self { why: message::template_too_large(most), is_of_size: true }
    }

    fn of(error: &Error) -> Self {
        if error.kind() == ErrorKind::OutOfFuel {
            return Self { why: message::template_too_long(STEPS), is_of_size: true };
        }
        let kind = error.kind().to_string();
        let why = error.detail().map_or_else(|| kind.clone(), |detail| format!("{kind}: {detail}"));
        let why = shorten(why, LONGEST_REASON);
        let before = error.range().zip(error.template_source()).and_then(|(range, source)| source.get(..range.start));
        let column = before.map(|before| before.rsplit('\n').next().unwrap_or_default().chars().count() + 1);
        let why = match (error.line(), column) {
            (Some(line), Some(column)) => message::template_flaw(line, column, why),
            (Some(line), None) => message::template_flaw_in_line(line, why),
            _ => why,
        };
        Self::new(why)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most - self.bytes.len() {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Jinja's filter of that name, in its shortest form: at most so many characters, the last an ellipsis where some are left out.
fn truncate(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
