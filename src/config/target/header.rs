//! Headers that a target adds to its requests.

use crate::config::value::Wrong;
use crate::message;

/// Headers that frame the message (RFC 9112), and ours that no format names.
const RESERVED: [&str; 15] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "content-type",
    "user-agent",
    "traceparent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// RFC 9110, section 5.6.2: the characters of a token.
pub(super) fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// Reads `Name: value`.
pub(super) fn parse(value: &str) -> Result<(String, String), Wrong> {
    let (name, value) = value.split_once(':').ok_or(message::no_header())?;
    let (name, value) = (name.trim_end(), value.trim());
    if name.is_empty() || !name.chars().all(is_of_token) {
        return Err(message::no_header_name());
    }
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err(message::control_character());
    }
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(message::reserved_header());
    }
    Ok((name.into(), value.into()))
}
