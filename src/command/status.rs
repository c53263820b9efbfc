//! `git webhook status`: what waits, for how long and for whom; what a monitoring system asks.

use super::as_owner::{Call, Said, in_each};
use super::failure::Failure;
use super::output::{Reach, Row, one_table, tell_table};
use super::table::length;
use super::terminal::Colour;
use crate::message;
use crate::overview::{self, TargetRow, TargetState as State};
use crate::process;
use crate::text::sanitise;

/// What the exit status says, as monitoring systems have it (Nagios Plugins Development Guidelines, "Plugin Return
/// Codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// All is delivered, or will be in time.
    Ok = 0,
    /// Something is late, and still tried.
    Warning = 1,
    /// Something will not be delivered before a person does something.
    Critical = 2,
    /// Not all could be seen.
    Unknown = 3,
}

impl Row for TargetRow {
    const ROWS: &str = "targets";
}

/// How loud it is to be, if something has waited for longer than `limit`, in seconds. Of many repositories a person is
/// shown what is not as it should be, unless he wants `all`.
pub(super) fn run(limit: i64, all: bool, reach: &Reach, call: &Call<'_>) -> Result<Alarm, Failure> {
    let mut said = in_each(call, reach.root.as_deref(), |place| {
        let mut rows = overview::targets(&place.pipeline_with_outcomes());
        if !place.unread().is_empty() {
            // Whether it is well nobody can tell.
            rows.iter_mut().filter(|row| row.state == State::Ok).for_each(|row| row.state = State::Unknown);
        }
        let is_well = rows.iter().all(|row| alarm(row, limit) == Alarm::Ok);
        Ok((rows, is_well))
    })?;
    let rows = said.iter().flat_map(|said| &said.rows);
    let loudest = rows.map(|row| alarm(row, limit)).max().unwrap_or(Alarm::Ok);
    let is_seen = said.iter().all(|said| said.is_seen);
    let is_summary = reach.root.is_some() && !all && !reach.json && !call.is_owners;
    if is_summary {
        let is_odd = |row: &TargetRow| row.state == State::Failing || alarm(row, limit) != Alarm::Ok;
        said.iter_mut().for_each(|said| said.rows.retain(is_odd));
    }
    let nothing = if is_summary { "nothing is wrong" } else { "no targets" };
    tell_table(call, reach.json, said, nothing, |said| table(said, limit));
    Ok(if is_seen { loudest } else { Alarm::Unknown })
}

fn alarm(row: &TargetRow, limit: i64) -> Alarm {
    let is_late = row.oldest.is_some_and(|oldest| oldest > limit);
    match row.state {
        _ if row.unseen > 0 => Alarm::Critical,
        // What waits for a target that somebody has switched off waits as he wants it.
        State::Disabled | State::OffByRepository => Alarm::Ok,
        State::Wrong | State::Parked | State::Stuck | State::Displaced | State::Stopped => Alarm::Critical,
        State::Unknown => Alarm::Unknown,
        State::Ok | State::Failing | State::Untold | State::Removed if is_late => Alarm::Warning,
        State::Ok | State::Failing | State::Untold | State::Removed => Alarm::Ok,
    }
}

fn table(said: &[&Said<TargetRow>], limit: i64) -> String {
    let now = process::now();
    let line = |row: &TargetRow| {
        let colour = match alarm(row, limit) {
            Alarm::Ok if row.state == State::Failing => Colour::Yellow,
            Alarm::Ok => Colour::None,
            Alarm::Warning => Colour::Yellow,
            Alarm::Critical | Alarm::Unknown => Colour::Red,
        };
        let name = if row.target.is_empty() { "(all)".into() } else { row.target.clone() };
        let oldest = row.oldest.map(length).unwrap_or_default();
        let next = match row.next {
            Some(next) if next > now => format!("in {}", length(next - now)),
            Some(_) => "due".into(),
            None => row.waits_for.clone().unwrap_or_default(),
        };
        let dead = match (row.dead, row.unseen) {
            (dead, 0) if dead > 0 => format!("{dead} (seen)"),
            (dead, unseen) if unseen < dead => format!("{dead} ({unseen} new)"),
            (dead, _) => dead.to_string(),
        };
        ([name, row.state.to_string(), row.waiting.to_string(), oldest, next, dead], colour)
    };
    let mut text = one_table(said, ["TARGET", "STATE", "WAITING", "OLDEST", "NEXT TRY", "DEAD"], 1, line);
    for row in said.iter().flat_map(|one| &one.rows) {
        if let Some(bytes) = row.max_body {
            text += &(sanitise(&message::takes_no_larger(&row.target, bytes)) + "\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: State, oldest: Option<i64>, unseen: usize) -> TargetRow {
        TargetRow { oldest, dead: unseen, unseen, ..TargetRow::new("ci".into(), state) }
    }

    #[test]
    fn what_needs_a_person_is_louder_than_what_is_late() {
        for (state, in_time, late, dead) in [
            (State::Ok, Alarm::Ok, Alarm::Warning, Alarm::Critical),
            (State::Failing, Alarm::Ok, Alarm::Warning, Alarm::Critical),
            (State::Untold, Alarm::Ok, Alarm::Warning, Alarm::Critical),
            (State::Removed, Alarm::Ok, Alarm::Warning, Alarm::Critical),
            (State::Disabled, Alarm::Ok, Alarm::Ok, Alarm::Critical),
            (State::OffByRepository, Alarm::Ok, Alarm::Ok, Alarm::Critical),
            (State::Wrong, Alarm::Critical, Alarm::Critical, Alarm::Critical),
            (State::Parked, Alarm::Critical, Alarm::Critical, Alarm::Critical),
            (State::Stuck, Alarm::Critical, Alarm::Critical, Alarm::Critical),
        ] {
            let alarms = [row(state, Some(60), 0), row(state, Some(61), 0), row(state, None, 1)];
            assert_eq!(alarms.map(|row| alarm(&row, 60)), [in_time, late, dead], "{state}");
        }
    }
}
