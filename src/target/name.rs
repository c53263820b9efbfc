//! The name of a target, whole, and what people are shown of it.

use std::fmt;

use crate::signature::sha256_hex;

/// The name of a target, the word in `[webhook "<name>"]`, whole: two names that look alike to people are two targets.
///
/// A wrong one may be anything, a URL with a secret in it or megabytes; people are shown a part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetName {
    raw: Vec<u8>,
    shown: String,
}

/// What nobody is shown of a wrong name is behind one of these.
const SHOWN_UP_TO: [char; 3] = ['/', '@', '?'];

/// The most bytes of a wrong name, and of its part that is shown.
const LONGEST_NAME: usize = 64;
const LONGEST_SHOWN: usize = 100;

impl TargetName {
    /// Takes the bytes between the quotes.
    pub fn new(raw: impl Into<Vec<u8>>) -> Self {
        let raw = raw.into();
        let text = String::from_utf8_lossy(&raw);
        let shown = in_part(&text, text.find(SHOWN_UP_TO).unwrap_or(LONGEST_SHOWN));
        Self { raw, shown }
    }

    /// Whether a target can be called so. A name stands in file names, log lines and reports: few characters, none of
    /// them odd anywhere.
    pub fn is_valid(&self) -> bool {
        let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        self.raw.first().is_some_and(u8::is_ascii_alphanumeric)
            && self.raw.iter().all(is_good)
            && self.raw.len() <= LONGEST_NAME
    }

    /// What people are shown: all of a valid name, a part of a wrong one.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// All of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Whether the other has the same letters and digits, in their order: `team/ci` and `team-ci`.
    pub fn has_letters_of(&self, other: &Self) -> bool {
        let letters = |name: &Self| -> Vec<u8> {
            name.raw.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
        };
        let own = letters(self);
        !own.is_empty() && own == letters(other)
    }

    /// The name of its directories: its own where it is valid, else one made of its SHA-256, which no target has. That stands
    /// for itself, where nobody knows of what it was made.
    pub fn directory(&self) -> String {
        if self.is_valid() || is_of_wrong_name(&self.shown) {
            self.shown.clone()
        } else {
            directory_of_wrong(&self.raw)
        }
    }

    /// Whether programs before version 2 of the records used this directory for a target of this name, a wrong one; or for
    /// one whose name was mended to this.
    ///
    /// They made it of what people are shown: of `team/ci` that is `team…`. So a mended name begins as the wrong one did, or
    /// has an allowed character where that had another.
    pub fn may_have_had(&self, directory: &str) -> bool {
        if !self.is_valid() {
            return directory_of_wrong(self.shown.as_bytes()) == directory;
        }
        let cut = (1..=self.shown.len()).map(|end| format!("{}…", &self.shown[..end]));
        let odd = (' '..='~').filter(|c| !c.is_ascii_alphanumeric());
        let other = odd.map(|c| self.shown.replace(['-', '_', '.'], &c.to_string()));
        cut.chain(other).any(|shown| directory_of_wrong(shown.as_bytes()) == directory)
    }
}

/// How many letters of a SHA-256 name a directory.
const LETTERS_OF_WRONG: usize = 16;

fn directory_of_wrong(name: &[u8]) -> String {
    format!("_{}", &sha256_hex(name)[..LETTERS_OF_WRONG])
}

/// Whether a directory has such a name as [`TargetName::directory`] makes of a wrong one.
pub fn is_of_wrong_name(directory: &str) -> bool {
    let hash = directory.strip_prefix('_').unwrap_or_default();
    hash.len() == LETTERS_OF_WRONG && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, f)
    }
}

/// For people, and where only valid names are.
impl AsRef<str> for TargetName {
    fn as_ref(&self) -> &str {
        &self.shown
    }
}

impl PartialEq<str> for TargetName {
    fn eq(&self, other: &str) -> bool {
        self.raw == other.as_bytes()
    }
}

/// At most so many bytes of a text, and no more than a hundred.
pub fn in_part(text: &str, most: usize) -> String {
    let is_in = |(at, c): &(usize, char)| at + c.len_utf8() <= most.min(LONGEST_SHOWN);
    let start: String = text.char_indices().take_while(is_in).map(|(_, c)| c).collect();
    if start.len() < text.len() { start + "…" } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_is_shown_in_part_and_is_itself_all_the_same() {
        let [ci, chat] = ["team/ci", "team/chat"].map(TargetName::new);
        assert_eq!((ci.as_str(), chat.as_str()), ("team…", "team…"));
        assert_ne!(ci, chat);
        assert_ne!(ci.directory(), chat.directory());
        assert!(ci.directory().starts_with('_') && ci == *"team/ci" && ci != *"team…");
        let long = TargetName::new("é".repeat(80));
        assert_eq!(long.as_str(), "é".repeat(50) + "…");
    }

    #[test]
    fn a_valid_name_is_shown_whole_and_names_its_directory() {
        for name in ["ci", "a.b", "9_-", &"x".repeat(64)] {
            let valid = TargetName::new(name);
            assert!(valid.is_valid() && valid.as_str() == name && valid.directory() == name, "{name}");
        }
        for name in ["", ".ci", "_ci", "a b", "ä", "a\0", &"x".repeat(65)] {
            assert!(!TargetName::new(name).is_valid(), "{name}");
        }
    }
}
