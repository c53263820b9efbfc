//! `git webhook payload`: the body a ref update would be told with, so that a receiver can be written before anything
//! is pushed.

use std::ffi::OsStr;
use std::io::{Write, stdout};
use std::os::unix::ffi::OsStrExt;

use super::place::{Place, resolve};
use super::{Failure, failure, known_format};
use crate::message;
use crate::process::Environment;
use crate::ref_update::{ObjectId, RefKind, RefName, RefUpdate};
use crate::repository::Wanted;

/// Prints the body, and a newline that is not part of it.
pub(super) fn run(
    format: &str,
    old: &str,
    new: &str,
    name: &OsStr,
    environment: &Environment,
) -> Result<bool, Failure> {
    let format = known_format(format)?;
    let name = RefName::new(name.as_bytes());
    if name.kind() == RefKind::Other {
        return failure(message::no_branch_or_tag(name.text()));
    }
    let mut place = Place::find(environment)?;
    place.enter()?;
    let update = RefUpdate {
        old: object(&place, old)?,
        new: object(&place, new)?,
        format: place.configuration.layout.object_format,
        name,
    };
    if update.old.is_none() && update.new.is_none() {
        return failure(message::both_nowhere());
    }
    let wanted = Wanted { commits: format.max_commits, changes: format.changes };
    let event = place.event(&place.objects()?, &update, wanted, environment);
    let Some(payload) = event.and_then(|event| (format.payload)(&event, format.max_commits)) else {
        return failure(message::no_event(format.name));
    };
    let mut out = stdout();
    // A reader that has gone is no failure.
    let _ = out.write_all(&payload.body).and_then(|()| out.write_all(b"\n"));
    Ok(true)
}

/// A full object id, be it here or not, whatever git can resolve, or zeros for nowhere.
fn object(place: &Place, text: &str) -> Result<Option<ObjectId>, Failure> {
    if !text.is_empty() && text.bytes().all(|byte| byte == b'0') {
        return Ok(None);
    }
    let width = place.configuration.layout.object_format.id_len() * 2;
    if text.len() == width
        && let Some(Some(id)) = ObjectId::from_hex(text.as_bytes())
    {
        return Ok(Some(id));
    }
    match resolve(text) {
        Some(id) => Ok(Some(id)),
        None => failure(message::no_object(text, width)),
    }
}
