//! One file, key by key, as git reads it; the only door to gix-config.
//!
//! gix-config's parser takes more than git: `key other = 1` and `key # comment` without a value, and byte order marks of
//! encodings that git does not know. A file of which git reads nothing must not be half read here, so those are errors
//! too. It takes less in one point: a carriage return that ends no line is white space to git, to us it is an error
//! unless it stands in a value.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use bstr::{BStr, ByteSlice};
use gix_config::parse::{EventRef, Events, SectionRef};

use super::entry::{Line, READ, Unreadable};

/// No sane configuration holds more. gix-config keeps every token: without a limit, 6 GB for a file of 32 MiB.
pub(super) const MOST_LINES: usize = 500_000;

/// Reads the whole file at `path`, which holds `bytes`.
///
/// # Errors
/// Where git dies of it, and where it holds too much.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Line>, Unreadable> {
    let bad = |line| Unreadable::Syntax(path.into(), line);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let begins = |byte: u8| byte.is_ascii_alphabetic() || b" \t\r\n#;[".contains(&byte);
    if !bytes.first().is_none_or(|first| begins(*first)) {
        return Err(bad(1));
    }
    if bytes.iter().filter(|byte| b"\n[=#;".contains(byte)).count() > MOST_LINES {
        return Err(Unreadable::too_many(path));
    }
    let events = Events::from_bytes(bytes, None).map_err(|error| bad(error.line_number()))?;
    let mut reader = LineReader { lines: Vec::new(), number: 1, is_bare: false };
    // Keys before any section have names that nobody reads, but git dies of what is wrong with them.
    reader.read(&Header::default(), events.frontmatter()).map_err(bad)?;
    for section in events.sections() {
        reader.read(&Header::new(section), section.body()).map_err(bad)?;
    }
    Ok(reader.lines)
}

/// A section of ours; `None` for any other.
#[derive(Default)]
struct Header {
    section: Option<&'static str>,
    subsection: Option<Rc<[u8]>>,
}

impl Header {
    fn new(section: SectionRef<'_>) -> Self {
        let EventRef::SectionHeader { name, separator, subsection_name } = section.header() else {
            return Self::default();
        };
        let name = name.to_ascii_lowercase();
        let legacy = separator.is_some_and(|separator| separator == ".");
        let subsection = subsection_name.map(|name| {
            // `[section.Sub]` is read in lower case (git-config(1), "deprecated syntax").
            if legacy { name.to_ascii_lowercase() } else { name.to_vec() }
        });
        // `[section.Sub "Rest"]`: git only joins the two.
        let (name, subsection) = match (name.split_once_str("."), subsection) {
            (Some((section, first)), Some(rest)) => (section.to_vec(), Some([first, b".", &rest].concat())),
            (_, subsection) => (name, subsection),
        };
        Self { section: READ.into_iter().find(|known| known.as_bytes() == name), subsection: subsection.map(Rc::from) }
    }
}

struct LineReader {
    lines: Vec<Line>,
    number: usize,
    /// A key without `=` stands before this place, behind which git wants the end of the line.
    is_bare: bool,
}

impl LineReader {
    fn read<'a>(&mut self, header: &Header, events: impl Iterator<Item = EventRef<'a>>) -> Result<(), usize> {
        if self.is_bare {
            return Err(self.number);
        }
        let mut key = None;
        let mut raw = Vec::new();
        let mut has_separator = false;
        let mut is_behind_value = false;
        for event in events {
            let was_behind_value = std::mem::take(&mut is_behind_value);
            match event {
                EventRef::SectionValueName(_) | EventRef::Comment { .. } if self.is_bare => return Err(self.number),
                EventRef::SectionValueName(name) => {
                    key = Some(name);
                    has_separator = false;
                    raw.clear();
                }
                EventRef::KeyValueSeparator => has_separator = true,
                EventRef::ValueNotDone(part) => raw.extend_from_slice(part),
                EventRef::Value(part) | EventRef::ValueDone(part) => {
                    raw.extend_from_slice(part);
                    self.is_bare = !has_separator;
                    is_behind_value = !part.is_empty() && !part.ends_with(b"\"");
                    let key = key.take().unwrap_or_default();
                    self.lines.extend(header.line(key, has_separator.then_some(raw.as_slice())));
                }
                EventRef::Newline(text) => {
                    self.number += text.iter().filter(|byte| **byte == b'\n').count();
                    self.is_bare = false;
                }
                EventRef::Comment { .. } if was_behind_value && header.section.is_some() => {
                    if let Some(line) = self.lines.last_mut() {
                        line.is_cut = true;
                    }
                }
                EventRef::Comment { .. } | EventRef::Whitespace(_) | EventRef::SectionHeader { .. } => {}
            }
        }
        Ok(())
    }
}

impl Header {
    fn line(&self, key: &BStr, raw: Option<&[u8]>) -> Option<Line> {
        Some(Line {
            section: self.section?,
            subsection: self.subsection.clone(),
            key: key.to_str_lossy().to_ascii_lowercase(),
            value: raw.map(|raw| gix_config::value::normalize(raw.as_bstr()).to_vec()),
            is_cut: false,
        })
    }
}

/// Reads a value the way git reads a boolean; `None` where it is none.
pub fn boolean(value: &[u8]) -> Option<bool> {
    gix_config::Boolean::try_from(BStr::new(value)).ok().map(|value| value.0)
}

/// Reads a value the way git reads a number, with `k`, `m` and `g`; `None` where it is none.
pub(super) fn integer(value: &[u8]) -> Option<i64> {
    gix_config::Integer::try_from(BStr::new(value)).ok()?.to_decimal()
}

/// The home of a user, from the passwd database.
pub(super) fn home_of(user: &str) -> Option<PathBuf> {
    gix_config::path::interpolate::home_for_user(user)
}
