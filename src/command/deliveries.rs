//! The deliveries of a repository, as `log`, `show` and `redeliver` name and describe them.

use super::failure::{Failure, failure};
use super::place::Place;
use super::table::length;
use crate::message;
use crate::overview::{self, DeliveryRow, NotFound};

/// The delivery whose id begins so.
pub(super) fn find(place: &Place, id: &str) -> Result<DeliveryRow, Failure> {
    if id.len() < 4 {
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
