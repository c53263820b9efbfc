//! The deliveries of a repository, as `log`, `show` and `redeliver` name and describe them.

use std::collections::HashMap;

use super::failure::{Failure, failure};
use super::place::{Place, resolve};
use super::table::length;
use crate::message;
use crate::overview::{self, DeliveryRow, NotFound};
use crate::ref_update::{ObjectId, RefName, RefUpdate};
use crate::repository::{Ancestry, Objects};

/// An id is named by so many of its first characters at least.
const SHORTEST: usize = 4;

/// The delivery whose id begins so.
pub(super) fn find(place: &Place, id: &str) -> Result<DeliveryRow, Failure> {
    if id.len() < SHORTEST {
        return failure(message::short_id(id));
    }
    overview::find(&place.pipeline(), id).or_else(|why| match why {
        NotFound::Unknown => failure(message::no_such_delivery(id)),
        NotFound::Several(ids) => {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            failure(message::several_deliveries(id, ids.join(", ")))
        }
    })
}

/// By what a person names deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A delivery's id, else a ref, else a commit.
    Any,
    Ref,
    Commit,
}

/// The one delivery of an id; or those, for each target one or more, of the newest push of a ref, or of the newest push that
/// brought a commit.
pub(super) fn named(place: &Place, text: &str, by: By) -> Result<Vec<DeliveryRow>, Failure> {
    let is_like_an_id = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if by == By::Any && is_like_an_id {
        match overview::find(&place.pipeline(), text) {
            Err(NotFound::Unknown) => {}
            Ok(row) => return Ok(vec![row]),
            Err(NotFound::Several(_)) => return find(place, text).map(|row| vec![row]),
        }
    }
    let mut rows = overview::deliveries(&place.pipeline());
    // Their ids are in the order of time, whenever a delivery was tried last.
    rows.sort_by_key(|row| std::cmp::Reverse(row.event_id));
    let found = match by {
        By::Commit => of_commit(place, &rows, text)?,
        By::Any | By::Ref => rows.iter().find(|row| is_of_ref(row, text)),
    };
    let found = match found {
        None if by == By::Any && resolve(&peeled(text)).is_some() => of_commit(place, &rows, text)?,
        found => found,
    };
    let Some(event) = found.map(|row| row.event_id) else {
        return failure(match by {
            By::Any if text.len() < SHORTEST => message::short_id(text),
            By::Any => message::no_such_delivery(text),
            By::Ref => message::no_delivery_of_ref(text),
            By::Commit => message::no_delivery_of_commit(text),
        });
    };
    rows.retain(|row| row.event_id == event);
    rows.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(rows)
}

fn of_commit<'r>(place: &Place, rows: &'r [DeliveryRow], text: &str) -> Result<Option<&'r DeliveryRow>, Failure> {
    let objects = place.objects()?;
    let mut commit = Commit::new(place, &objects, text)?;
    Ok(rows.iter().find(|row| commit.came_with(row)))
}

/// Whether a delivery is of the ref that a person calls so, whole or without what git lets him leave out.
pub(super) fn is_of_ref(row: &DeliveryRow, name: &str) -> bool {
    let shown = row.ref_shown();
    // Of a whole push the first one is named.
    let first = shown.split(" and ").next().unwrap_or_default();
    let is_short = |start: &str| first.strip_prefix(start) == Some(name);
    [&*shown, first].contains(&name) || ["refs/", "refs/heads/", "refs/tags/"].into_iter().any(is_short)
}

fn peeled(text: &str) -> String {
    format!("{text}^{{commit}}")
}

/// A commit, and which pushes brought it to their refs.
pub(super) struct Commit<'a> {
    id: ObjectId,
    ancestry: Ancestry<'a>,
    format: crate::ref_update::ObjectFormat,
    known: HashMap<(String, String), bool>,
}

impl<'a> Commit<'a> {
    /// The commit that git knows by this name.
    pub(super) fn new(place: &Place, objects: &'a Objects, text: &str) -> Result<Self, Failure> {
        let Some(id) = resolve(&peeled(text)) else { return failure(message::no_commit(text)) };
        let ancestry = Ancestry::new(&place.common_dir, objects);
        Ok(Self { id, ancestry, format: place.configuration.layout.object_format, known: HashMap::new() })
    }

    /// Whether the push of a delivery brought it.
    pub(super) fn came_with(&mut self, row: &DeliveryRow) -> bool {
        let key = (row.old.clone(), row.new.clone());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let tips = [&row.old, &row.new].map(|id| ObjectId::from_hex(id.as_bytes()).flatten());
        let [was_there, is_there] = tips.map(|tip| tip.is_some_and(|tip| self.is_in(tip)));
        self.known.insert(key, is_there && !was_there);
        is_there && !was_there
    }

    fn is_in(&mut self, tip: ObjectId) -> bool {
        let name = RefName::new("refs/heads/any");
        let update = RefUpdate { old: Some(self.id), new: Some(tip), format: self.format, name, alias: None };
        self.id == tip || self.ancestry.keeps_all(&update)
    }
}

/// What the receiver said, at which attempt where it was not the first, and what is next.
pub(super) fn answer(row: &DeliveryRow, now: i64) -> String {
    let said = match (&row.reason, row.status, row.ms) {
        (Some(reason), ..) => reason.clone(),
        (None, Some(status), Some(ms)) => format!("{status} in {ms} ms"),
        _ => match &row.waits_for {
            Some(what) => return what.clone(),
            None => "not tried yet".into(),
        },
    };
    let said = if row.attempts > 1 { format!("{said}, attempt {}", row.attempts) } else { said };
    match row.next {
        Some(next) if next > now => format!("{said}; next in {}", length(next - now)),
        Some(_) => format!("{said}; due"),
        None => row.waits_for.iter().fold(said, |said, what| format!("{said}; {what}")),
    }
}
