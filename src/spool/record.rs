//! The form of everything the spool keeps: a line with version, length and SHA-256, then JSON.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::message;
use crate::ref_update::{ObjectFormat, ObjectId, RefName, RefUpdate};
use crate::signature;
use crate::text;

/// What every record begins with; the number is the version, which a change of the JSON that older programs would
/// misread raises.
const MAGIC: &str = "git-webhook";
const VERSION: u32 = 1;

/// The bytes of a record that holds `value`.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(value).expect("structs of text, numbers and lists always serialise");
    let mut record = format!("{MAGIC} {VERSION} {} {}\n", json.len(), signature::sha256_hex(&json)).into_bytes();
    record.extend(json);
    record
}

/// Reads a record back.
///
/// # Errors
/// What is wrong with it: not ours, of another version, torn, or damaged.
pub(super) fn decode<T: DeserializeOwned>(record: &[u8]) -> Result<T, String> {
    if record.is_empty() {
        return Err(message::record_empty().into());
    }
    let end = record.iter().take(256).position(|byte| *byte == b'\n').ok_or(message::no_record())?;
    let header = std::str::from_utf8(&record[..end]).map_err(|_| message::no_record())?;
    let mut words = header.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(message::no_record().into());
    }
    match words.next().and_then(|word| word.parse::<u32>().ok()) {
        Some(VERSION) => {}
        Some(version) => return Err(message::other_version(version, VERSION)),
        None => return Err(message::no_version().into()),
    }
    let json = &record[end + 1..];
    if words.next().and_then(|word| word.parse().ok()) != Some(json.len()) {
        return Err(message::torn().into());
    }
    if words.next() != Some(&signature::sha256_hex(json)) {
        return Err(message::damaged().into());
    }
    serde_json::from_slice(json).map_err(message::bad_content)
}

/// Bytes as JSON text where they are UTF-8, which nearly all are, else in hexadecimal: ref names may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Plain(String),
    Bytes { hex: String },
}

impl Text {
    pub(super) fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Plain(text.into()),
            Err(_) => Self::Bytes { hex: text::hex(bytes) },
        }
    }

    /// The bytes; `None` where the hexadecimal form is none.
    pub(super) fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Plain(text) => Some(Cow::Borrowed(text.as_bytes())),
            Self::Bytes { hex } => {
                let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
                let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
                bytes.map(Cow::Owned)
            }
        }
    }

    pub(super) fn from_os(text: &OsStr) -> Self {
        Self::new(text.as_bytes())
    }

    pub(super) fn to_os(&self) -> Option<OsString> {
        Some(OsString::from_vec(self.bytes()?.into_owned()))
    }
}

/// A ref update with the id of its event, as receipts and logs write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What git said.
    pub update: RefUpdate,
    /// The event's id, made once when the update was first heard of.
    pub event: Uuid,
}

#[derive(Serialize, Deserialize)]
struct LineForm {
    old: String,
    new: String,
    r#ref: Text,
    event: Uuid,
}

impl Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (old, new) = (self.update.before(), self.update.after());
        LineForm { old, new, r#ref: Text::new(self.update.name.as_bytes()), event: self.event }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let form = LineForm::deserialize(deserializer)?;
        let update = update(&form).ok_or_else(|| D::Error::custom(message::no_ref_update()))?;
        Ok(Self { update, event: form.event })
    }
}

fn update(form: &LineForm) -> Option<RefUpdate> {
    if form.old.len() != form.new.len() {
        return None;
    }
    Some(RefUpdate {
        old: ObjectId::from_hex(form.old.as_bytes())?,
        new: ObjectId::from_hex(form.new.as_bytes())?,
        format: if form.old.len() == 40 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 },
        name: RefName::new(form.r#ref.bytes()?.into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &[u8]) -> Line {
        let update = RefUpdate {
            old: None,
            new: ObjectId::from_hex(&[b'1'; 40]).flatten(),
            format: ObjectFormat::Sha1,
            name: RefName::new(name),
        };
        Line { update, event: Uuid::nil() }
    }

    #[test]
    fn what_was_written_is_read_back() {
        for name in [b"refs/heads/main".as_slice(), b"refs/heads/\xff\xfe", "refs/heads/日本".as_bytes()] {
            let line = line(name);
            assert_eq!(decode::<Line>(&encode(&line)), Ok(line));
        }
    }

    #[test]
    fn no_damage_goes_unseen() {
        let whole = encode(&line(b"refs/heads/main"));
        for end in 0..whole.len() {
            assert!(decode::<Line>(&whole[..end]).is_err(), "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(decode::<Line>(&flipped).is_err(), "a bit of byte {at} flipped");
        }
        assert!(decode::<Line>(&vec![0; whole.len()]).is_err());
        let later = String::from_utf8_lossy(&whole).replacen("git-webhook 1 ", "git-webhook 2 ", 1);
        let why = decode::<Line>(later.as_bytes()).unwrap_err();
        assert_eq!(why, "it is of version 2, this program reads version 1");
    }
}
