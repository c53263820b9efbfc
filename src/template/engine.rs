//! Renders one template: the only door to minijinja.
//!
//! Its fuel bounds most of what a template can cost. Its parser and what compares or prints lists of lists recurse without it, so all
//! this runs where nothing else does ([`super::renderer`]).

use std::io::{self, Write};

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::{Flaw, Template, Value};
use crate::message;
use crate::text::shorten;

/// What one rendering may cost, in minijinja's units: one for each step, and for each 64 bytes that are made.
const STEPS: u64 = 100_000;

/// How deep loops, conditions and macros may stand in each other; a macro counts as four.
const LEVELS: usize = 16;

/// So many bytes of what minijinja says are told: it may quote the event.
const LONGEST_REASON: usize = 200;

/// Jinja's own length.
const TRUNCATED: usize = 255;

/// The text of a value, in at most so many bytes.
///
/// # Errors
/// Where the template is none, or goes wrong for this value, and why.
pub(super) fn render(template: &Template, value: &Value, most: usize) -> Result<String, Flaw> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(STEPS));
    environment.set_recursion_limit(LEVELS);
    // Without it errors do not say where.
    environment.set_debug(true);
    environment.add_filter("truncate", truncate);
    // Values that hold themselves, and the engine's own state.
    ["namespace", "debug"].iter().for_each(|name| environment.remove_global(name));
    let mut output = Bounded { bytes: Vec::new(), most, is_full: false };
    let added = environment.add_template(&template.name, &template.source);
    let found = added.and_then(|()| environment.get_template(&template.name));
    let value = minijinja::Value::from(Serde(value));
    match found.and_then(|found| found.render_captured_to(value, &mut output).map(drop)) {
        Ok(()) => String::from_utf8(output.bytes).map_err(|_| Flaw::new(message::no_utf8())),
        Err(_) if output.is_full => Err(Flaw { why: message::template_too_large(most), is_of_size: true }),
        Err(error) => Err(flaw(&error)),
    }
}

fn flaw(error: &Error) -> Flaw {
    if error.kind() == ErrorKind::OutOfFuel {
        return Flaw { why: message::template_too_long(STEPS), is_of_size: true };
    }
    let kind = error.kind().to_string();
    let why = error.detail().map_or_else(|| kind.clone(), |detail| format!("{kind}: {detail}"));
    let why = shorten(why, LONGEST_REASON);
    let before = error.range().zip(error.template_source()).and_then(|(range, source)| source.get(..range.start));
    let column = before.map(|before| before.rsplit('\n').next().unwrap_or_default().chars().count() + 1);
    Flaw::new(match (error.line(), column) {
        (Some(line), Some(column)) => message::template_flaw(line, column, why),
        (Some(line), None) => message::template_flaw_in_line(line, why),
        _ => why,
    })
}

/// Templates can raise floats to a power. C's would have the dynamic linker load its mathematics at each push, and be another one on another
/// system.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
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
fn truncate(text: &str, most: Option<usize>) -> String {
    let most = most.unwrap_or(TRUNCATED);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let ellipsis = (most > 0).then_some('…');
    text.chars().take(most.saturating_sub(1)).chain(ellipsis).collect()
}
