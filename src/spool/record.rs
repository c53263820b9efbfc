//! The form of everything the spool keeps: a line with the version, JSON, and a line with its length and SHA-256, so that
//! a record can be written as it comes.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::message;
use crate::ref_update::{Alias, ObjectFormat, ObjectId, RefEvent, RefName, RefUpdate};
use crate::signature::{self, RunningSha256};
use crate::text;

/// What every record begins with; the number is the version, which a change of the JSON that older programs would
/// misread raises. Unknown fields are kept and handed on, so a new field raises nothing.
const MAGIC: &str = "git-webhook";
const VERSION: u32 = 2;

/// A record that is written as it comes: `git-webhook 2`, the JSON, `<length> <SHA-256 of all before>`.
pub(super) struct RecordWriter<W> {
    out: W,
    sum: RunningSha256,
    length: usize,
}

impl<W: Write> RecordWriter<W> {
    /// Begins one.
    pub(super) fn begin(out: W) -> io::Result<Self> {
        let mut record = Self { out, sum: RunningSha256::default(), length: 0 };
        record.put(format!("{MAGIC} {VERSION}\n").as_bytes())?;
        Ok(record)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.add(bytes);
        self.out.write_all(bytes)
    }

    /// Ends it, and gives back what it was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.put(b"\n")?;
        let end = format!("{} {}\n", self.length, self.sum.hex());
        self.out.write_all(end.as_bytes())?;
        Ok(self.out)
    }
}

impl<W: Write> Write for RecordWriter<W> {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        self.put(json)?;
        self.length += json.len();
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The bytes of a record that holds `value`.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    let written = RecordWriter::begin(Vec::new()).and_then(|mut record| {
        serde_json::to_writer(&mut record, value)?;
        record.finish()
    });
    written.expect("structs of text, numbers and lists always serialise, and memory takes all")
}

/// Reads a record back, of this version or an older one.
///
/// # Errors
/// What is wrong with it: not ours, of a later version, torn, or damaged.
pub(super) fn decode<T: DeserializeOwned>(record: &[u8]) -> Result<T, String> {
    if record.is_empty() {
        return Err(message::record_empty().into());
    }
    let end = record.iter().take(256).position(|byte| *byte == b'\n').ok_or(message::no_record())?;
    let header = std::str::from_utf8(&record[..end]).map_err(|_| message::no_record())?;
    let words: Vec<_> = header.split(' ').collect();
    let json = match words.as_slice() {
        [MAGIC, "1", length, sum] => sound(&record[end + 1..], length, sum, &record[end + 1..])?,
        [MAGIC, "2"] => {
            let ends = record.strip_suffix(b"\n").and_then(|whole| whole.rsplit(|byte| *byte == b'\n').next());
            let trailer = ends.and_then(|line| std::str::from_utf8(line).ok()).ok_or(message::torn())?;
            let (length, sum) = trailer.split_once(' ').ok_or(message::torn())?;
            let body = &record[..record.len() - trailer.len() - 1];
            sound(body.get(end + 1..body.len().saturating_sub(1)).unwrap_or_default(), length, sum, body)?
        }
        [MAGIC, version, ..] => {
            let version: u32 = version.parse().map_err(|_| message::no_version())?;
            return Err(message::other_version(version, VERSION));
        }
        _ => return Err(message::no_record().into()),
    };
    serde_json::from_slice(json).map_err(message::bad_content)
}

/// The JSON, where it is as long as it should be and nothing of what was summed up has changed.
fn sound<'r>(json: &'r [u8], length: &str, sum: &str, summed: &[u8]) -> Result<&'r [u8], String> {
    if length.parse() != Ok(json.len()) {
        return Err(message::torn().into());
    }
    if signature::sha256_hex(summed) != *sum {
        return Err(message::damaged().into());
    }
    Ok(json)
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

#[derive(Serialize, Deserialize)]
struct RefEventForm {
    old: String,
    new: String,
    r#ref: Text,
    event: Uuid,
    /// The symbolic ref by which it was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Text>,
    /// Of a symbolic ref itself: where it leads to now; null where it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whether_null_or_not")]
    leads_to: Option<Option<Text>>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Serialize for RefEvent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (old, new) = (self.update.before(), self.update.after());
        let unknown = self.unknown.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let r#ref = Text::new(self.update.name.whole());
        let text = |name: &RefName| Text::new(name.whole());
        let (by, leads_to) = match self.update.alias.as_deref() {
            Some(Alias::By(alias)) => (Some(text(alias)), None),
            Some(Alias::Itself(to)) => (None, Some(to.as_ref().map(text))),
            Some(Alias::Of(_)) | None => (None, None),
        };
        RefEventForm { old, new, r#ref, event: self.event, by, leads_to, unknown }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RefEvent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let form = RefEventForm::deserialize(deserializer)?;
        let update = update(&form).ok_or_else(|| D::Error::custom(message::no_ref_update()))?;
        let unknown = (!form.unknown.is_empty()).then(|| Value::Object(form.unknown).to_string().into());
        Ok(Self { update, event: form.event, unknown })
    }
}

/// A field that is there, be it null.
fn whether_null_or_not<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Text>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn update(form: &RefEventForm) -> Option<RefUpdate> {
    if form.old.len() != form.new.len() {
        return None;
    }
    let name = |text: &Text| Some(RefName::new(text.bytes()?.into_owned()));
    let alias = match (&form.by, &form.leads_to) {
        (Some(by), _) => Some(Alias::By(name(by)?)),
        (None, Some(to)) => Some(Alias::Itself(to.as_ref().and_then(name))),
        (None, None) => None,
    };
    Some(RefUpdate {
        old: ObjectId::from_hex(form.old.as_bytes())?,
        new: ObjectId::from_hex(form.new.as_bytes())?,
        format: if form.old.len() == 40 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 },
        name: name(&form.r#ref)?,
        alias: alias.map(Box::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &[u8]) -> RefEvent {
        let update = RefUpdate {
            old: None,
            new: ObjectId::from_hex(&[b'1'; 40]).flatten(),
            format: ObjectFormat::Sha1,
            name: RefName::new(name),
            alias: None,
        };
        RefEvent::new(update, Uuid::nil())
    }

    #[test]
    fn what_was_written_is_read_back() {
        for name in [b"refs/heads/main".as_slice(), b"refs/heads/\xff\xfe", "refs/heads/日本".as_bytes()] {
            let line = line(name);
            assert_eq!(decode::<RefEvent>(&encode(&line)), Ok(line));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Of names and texts of any bytes; and nothing but what was written is read.
        #[test]
        fn any_line_is_read_back_and_no_change_of_it(
            name in proptest::collection::vec(1_u8.., 0..40),
            namespace in "([a-z]{1,5}/)?",
            ids in any::<[[u8; 32]; 2]>(),
            is_short in any::<bool>(),
            change in any::<(proptest::sample::Index, u8)>(),
        ) {
            let length = if is_short { 20 } else { 32 };
            let [old, new] = ids.map(|id| ObjectId::from_bytes(&id[..length]));
            let format = if is_short { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 };
            let name = RefName::new([b"refs/namespaces/".as_slice(), namespace.as_bytes(), &name].concat());
            let line = RefEvent::new(RefUpdate { old, new, format, name, alias: None }, Uuid::from_bytes([7; 16]));
            let whole = encode(&line);
            prop_assert_eq!(decode::<RefEvent>(&whole), Ok(line));
            let mut other = whole.clone();
            other[change.0.index(whole.len())] = change.1;
            prop_assert!(other == whole || decode::<RefEvent>(&other).is_err());
        }
    }

    #[test]
    fn what_is_unknown_of_a_line_is_handed_on() {
        let mut json = serde_json::to_value(line(b"refs/heads/main")).unwrap();
        json["later"] = "x".into();
        let line: RefEvent = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(line.clone()).unwrap(), json);
    }

    #[test]
    fn symbolic_refs_of_a_line_are_read_back() {
        let name = || RefName::new("refs/namespaces/a/refs/heads/master");
        for alias in [Alias::By(name()), Alias::Itself(Some(name())), Alias::Itself(None)] {
            let mut line = line(b"refs/heads/main");
            line.update.alias = Some(Box::new(alias));
            let read = decode::<RefEvent>(&encode(&line)).unwrap();
            assert_eq!((read.update.alias.clone(), read), (line.update.alias.clone(), line));
        }
    }

    #[test]
    fn no_damage_goes_unseen() {
        let whole = encode(&line(b"refs/heads/main"));
        for end in 0..whole.len() {
            assert!(decode::<RefEvent>(&whole[..end]).is_err(), "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(decode::<RefEvent>(&flipped).is_err(), "a bit of byte {at} flipped");
        }
        assert!(decode::<RefEvent>(&vec![0; whole.len()]).is_err());
        let later = String::from_utf8_lossy(&whole).replacen("git-webhook 2", "git-webhook 3", 1);
        let why = decode::<RefEvent>(later.as_bytes()).unwrap_err();
        assert_eq!(why, "it is of version 3, this program reads version 2");
    }

    #[test]
    fn records_of_version_1_are_read() {
        let line = line(b"refs/heads/main");
        let json = serde_json::to_vec(&line).unwrap();
        let header = format!("git-webhook 1 {} {}\n", json.len(), signature::sha256_hex(&json));
        let mut whole = header.into_bytes();
        whole.extend(json);
        assert_eq!(decode::<RefEvent>(&whole), Ok(line));
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(decode::<RefEvent>(&flipped).is_err(), "a bit of byte {at} flipped");
        }
    }
}
