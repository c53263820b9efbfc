//! `git webhook key`: the public halves of a target's keys, which a receiver verifies signatures by.

use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, in_this};
use super::failure::{Failure, failure};
use super::output::{Row, tell};
use super::targets;
use crate::message;
use crate::signature::SigningSecret;

/// A key.
#[derive(Serialize, Deserialize)]
pub(super) struct KeyRow {
    target: String,
    /// `whpk_` and base64.
    public_key: String,
}

impl Row for KeyRow {
    const ROWS: &str = "keys";
}

/// Prints them in the order in which they sign.
pub(super) fn run(name: &str, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_this(call, Stdio::null(), |place| {
        let target = targets::usable(place, name)?;
        let keys = target.signing_secrets.iter().filter_map(SigningSecret::public);
        let rows: Vec<_> = keys.map(|public_key| KeyRow { target: name.into(), public_key }).collect();
        if rows.is_empty() { failure(message::no_public_key(name)) } else { Ok((rows, true)) }
    })?;
    Ok(tell(call, json, said, |said| said.rows.iter().map(|row| format!("{}\n", row.public_key)).collect()))
}
