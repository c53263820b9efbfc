//! `git webhook payload`: the body a ref update would be told with, so that a receiver can be written before anything
//! is pushed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::as_owner::{self, Call, hand_over};
use super::failure::{Failure, failure};
use super::known_format;
use super::place::{Place, resolve};
use super::terminal::print;
use crate::config::Configured;
use crate::event::{self, Event, EventName, Wanted};
use crate::format::{Format, Shape};
use crate::identifier;
use crate::message;
use crate::ref_update::{ObjectId, RefName, RefUpdate};
use crate::text::json_for_terminal;

/// The word for what templates see.
const EVENT: &str = "event";

/// Prints each body, and behind it a newline that is not part of it.
pub(super) fn run(
    format: &str,
    only: Option<&str>,
    old: &str,
    new: &str,
    name: &OsStr,
    call: &Call<'_>,
) -> Result<bool, Failure> {
    // What a template is given is the payload of the format that has no other.
    let format = known_format(if format == EVENT { "template" } else { format })?;
    let name = RefName::new(name.as_bytes());
    if !event::can_tell_of(&name) {
        return failure(message::no_branch_or_tag(name.text()));
    }
    if let Some(is_well) = hand_over(call)? {
        return Ok(is_well);
    }
    let mut place = as_owner::place(call)?;
    place.enter()?;
    let update = RefUpdate {
        old: object(&place, old)?,
        new: object(&place, new)?,
        format: place.configuration.layout.object_format,
        name,
        alias: None,
    };
    if update.old.is_none() && update.new.is_none() {
        return failure(message::both_nowhere());
    }
    // As the targets here are told of it; where a repository has its own, those are whom it can speak to.
    let mut targets = place.configuration.targets.iter().filter_map(Configured::as_far_as_read).peekable();
    let is_the_servers = targets.peek().is_some() && targets.all(|target| target.is_protected);
    let wanted = Wanted { reviews: true, notes: true, ..format.wants };
    let events =
        place.events(is_the_servers, identifier::event(), &place.objects()?, &update, wanted, call.environment);
    // What a target is sent by default; a forge that has no such word for it tells it by another.
    let is_default = |name: EventName| matches!(name, EventName::Push | EventName::TagPush);
    let bodies = match only {
        Some(only) => bodies(format, &events, |name| name.word() == only),
        None => match bodies(format, &events, is_default) {
            none if none.is_empty() => bodies(format, &events, |_| true),
            bodies => bodies,
        },
    };
    if bodies.is_empty() {
        return failure(message::no_event(format.name));
    }
    for body in bodies {
        print(&(json_for_terminal(&String::from_utf8_lossy(&body)) + "\n"));
    }
    Ok(true)
}

/// The bodies of the chosen events, as far as the format has them.
fn bodies(format: &Format, events: &[Event], is_wanted: impl Fn(EventName) -> bool) -> Vec<Vec<u8>> {
    let is_chosen = |name: &EventName| format.has(*name) && is_wanted(*name);
    let chosen = |event: &&Event| event.names().any(|name| is_chosen(&name));
    let events: Vec<&Event> = events.iter().filter(chosen).collect();
    let (in_whole, alone): (Vec<&Event>, Vec<&Event>) = events.iter().partition(|event| format.tells_in_whole(event));
    let names = alone.iter().flat_map(|event| event.names().filter(is_chosen).map(move |name| (event, name)));
    let mut rendered: Vec<_> = names.filter_map(|(event, name)| format.render(event, name, &Shape::FULL)).collect();
    if !in_whole.is_empty() {
        rendered.extend(format.render_whole(&in_whole, &Shape::FULL));
    }
    rendered.dedup_by(|a, b| a.payload == b.payload);
    rendered.into_iter().map(|rendered| rendered.payload.body).collect()
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
