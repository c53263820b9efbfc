//! `git webhook status`: what waits, for how long and for whom; what a monitoring system asks.

use super::as_owner::{Call, Said, in_each};
use super::failure::Failure;
use super::output::{Reach, tell};
use super::table::{lay_out, length};
use super::terminal::{Colour, in_colour};
use crate::overview::{self, TargetRow, TargetState as State};
use crate::process;

/// Whether nothing has waited for longer than `limit`, in seconds.
pub(super) fn run(limit: i64, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_each(call, reach.root.as_deref(), |place| {
        let rows = overview::targets(&place.pipeline());
        let is_in_time = |row: &TargetRow| row.oldest.is_none_or(|oldest| oldest <= limit);
        let is_well = rows.iter().all(|row| match row.state {
            // What waits for a target that somebody has switched off waits as he wants it.
            State::Disabled | State::OffByRepository => true,
            // A mistake of ours, which time does not mend.
            State::Stuck => false,
            _ => is_in_time(row),
        });
        Ok((rows, is_well))
    })?;
    Ok(tell(call, reach.json, said, |said| text(said, limit)))
}

fn text(said: &Said<TargetRow>, limit: i64) -> String {
    let now = process::now();
    let line = |row: &TargetRow| {
        let colour = match row.state {
            State::Ok | State::Disabled | State::OffByRepository => Colour::None,
            State::Failing if row.oldest.is_none_or(|oldest| oldest <= limit) => Colour::Yellow,
            _ => Colour::Red,
        };
        let name = if row.target.is_empty() { "(all)".into() } else { row.target.clone() };
        let oldest = row.oldest.map(length).unwrap_or_default();
        let next = match row.next {
            Some(next) if next > now => format!("in {}", length(next - now)),
            Some(_) => "due".into(),
            None => String::new(),
        };
        ([name, row.state.to_string(), row.waiting.to_string(), oldest, next, row.dead.to_string()], colour)
    };
    if said.rows.is_empty() {
        return "no targets\n".into();
    }
    let rows: Vec<_> = said.rows.iter().map(line).collect();
    lay_out(["TARGET", "STATE", "WAITING", "OLDEST", "NEXT TRY", "DEAD"], &rows, 1, in_colour())
}
