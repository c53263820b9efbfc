//! How a target wants its payloads: how much they tell, how large they may be, how they are encoded.

use std::borrow::Cow;

use crate::urls::{form_decode, form_encode, form_len};

/// What a payload is made by, beside what it tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How much it tells.
    pub limits: Limits,
    /// How many bytes it has at most, as it is sent, if leaving out lists can achieve it.
    pub most_bytes: usize,
    /// How many bytes a payload of a push as a whole has at most before the next one begins: the same whatever a receiver takes,
    /// so that each tells of the same refs always.
    pub part_bytes: usize,
    /// How it is sent.
    pub encoding: Encoding,
}

impl Shape {
    /// All that the forge tells, however large.
    pub const FULL: Self =
        Self { limits: Limits::FULL, most_bytes: usize::MAX, part_bytes: usize::MAX, encoding: Encoding::Json };
}

/// How much a payload tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Commits listed at most; `None` for as many as the forge lists.
    pub commits: Option<usize>,
    /// Whether commits list the files they changed.
    pub files: bool,
    /// Whether the keys stand in it that the forge sends beyond its documentation.
    pub extras: bool,
}

impl Limits {
    /// All that the forge tells.
    pub const FULL: Self = Self { commits: None, files: true, extras: false };
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The JSON itself.
    Json,
    /// A form whose only field, `payload`, is the JSON.
    Form,
}

/// The field, as it stands in the form.
const FIELD: &str = "payload=";

impl Encoding {
    /// The media type, as the header has it.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }

    /// The JSON as it is sent.
    pub fn encode(self, json: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Json => Cow::Borrowed(json),
            Self::Form => Cow::Owned((FIELD.to_owned() + &form_encode(json)).into_bytes()),
        }
    }

    /// How many bytes the JSON has as it is sent.
    pub fn len(self, json: &[u8]) -> usize {
        match self {
            Self::Json => json.len(),
            Self::Form => FIELD.len() + form_len(json),
        }
    }

    /// The JSON in what was sent; `None` where that is no such form.
    pub fn decode(sent: &[u8]) -> Option<Vec<u8>> {
        let value = sent.strip_prefix(FIELD.as_bytes()).filter(|value| !value.contains(&b'&'))?;
        Some(form_decode(value))
    }
}
