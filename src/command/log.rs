//! `git webhook log`: each delivery and what came of it, newest first.

use clap::ValueEnum;

use super::as_owner::{Call, Said, in_each};
use super::deliveries;
use super::failure::Failure;
use super::output::{Reach, one_table, tell_table};
use super::place::Place;
use super::screen::Screen;
use super::table::{id, short_ref, time};
use super::targets;
use super::terminal::{self, Colour, print};
use crate::config::Configured;
use crate::history::State;
use crate::message;
use crate::overview::{self, DeliveryRow};
use crate::process;
use crate::target::{Switch, TargetName};

/// Which deliveries to show.
#[derive(clap::Args)]
pub(super) struct Filter {
    /// Only those of this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only those that are in this state
    #[arg(long, value_enum)]
    state: Option<StateName>,
    /// Only those of the last so many s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = super::seconds)]
    since: Option<i64>,
    /// At most so many, the newest [default: 50 on a terminal, else all]
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// The states a person asks for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateName {
    Delivered,
    Waiting,
    Dead,
}

pub(super) fn run(filter: &Filter, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    let mut said = in_each(call, reach.root.as_deref(), |place| Ok((choose(place, filter)?, true)))?;
    // What the owner's process answers is cut where it is printed, which alone knows the terminal.
    let is_table = !reach.json && !call.is_owners && Screen::of_this().is_terminal();
    let limit = filter.limit.unwrap_or(if is_table { USUAL } else { usize::MAX });
    let most = said.iter().map(|said| said.rows.len()).max().unwrap_or(0);
    let more: usize = said.iter().map(|said| said.rows.len().saturating_sub(limit)).sum();
    said.iter_mut().for_each(|said| said.rows.truncate(limit));
    let is_well = tell_table(call, reach.json, said, "no deliveries", table);
    if is_table && more > 0 {
        print(&format!("{more} more: git webhook log -n {most}\n"));
    }
    Ok(is_well)
}

/// So many a person is shown who has not said how many.
const USUAL: usize = 50;

fn choose(place: &Place, filter: &Filter) -> Result<Vec<DeliveryRow>, Failure> {
    let mut rows = overview::deliveries(&place.pipeline());
    if let Some(name) = &filter.target {
        let wanted = TargetName::new(name.as_str());
        rows.retain(|row| row.is_for(&wanted));
        // What a target that is no more was sent is still told of.
        if rows.is_empty() {
            targets::known(place, name)?;
        }
    }
    // Of what was pushed meanwhile there is no delivery.
    let is_off = |target: &&Configured| target.switch() == Switch::OffByRepository;
    for target in place.configuration.targets.iter().filter(is_off) {
        if filter.target.as_ref().is_none_or(|name| *target.name() == **name) {
            terminal::note(message::about_target(target.name(), message::switched_off_by_repository()));
        }
    }
    let since = filter.since.map(|seconds| process::now().saturating_sub(seconds));
    let is_state = |state: State| match filter.state {
        None => true,
        Some(StateName::Delivered) => state == State::Delivered,
        Some(StateName::Waiting) => state == State::Waiting,
        Some(StateName::Dead) => state == State::Dead,
    };
    rows.retain(|row| is_state(row.state) && since.as_ref().is_none_or(|since| row.time >= *since));
    Ok(rows)
}

fn table(said: &[&Said<DeliveryRow>]) -> String {
    let (now, screen) = (process::now(), Screen::of_this());
    let line = |row: &DeliveryRow| {
        let colour = match row.state {
            State::Delivered => Colour::Green,
            State::Waiting => Colour::Yellow,
            State::Dead => Colour::Red,
        };
        let when = row.time.parse::<jiff::Timestamp>();
        let cells = [
            when.map_or_else(|_| row.time.clone(), |when| time(when.as_second(), screen)),
            row.state.word().into(),
            row.target.clone(),
            short_ref(&row.ref_shown(), screen),
            row.event.clone().unwrap_or_default(),
            id(&row.id, screen),
            deliveries::answer(row, now),
        ];
        (cells, colour)
    };
    one_table(said, ["TIME", "STATE", "TARGET", "REF", "EVENT", "ID", "ANSWER"], 1, line)
}
