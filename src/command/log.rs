//! `git webhook log`: each delivery and what came of it, newest first.

use clap::ValueEnum;

use super::as_owner::{Call, Said, in_each};
use super::deliveries;
use super::failure::Failure;
use super::output::{Reach, tell};
use super::place::Place;
use super::table::{lay_out, moment};
use super::targets;
use super::terminal::{self, Colour, in_colour};
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
    let is_table = !reach.json && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let limit = filter.limit.unwrap_or(if is_table { 50 } else { usize::MAX });
    let said = in_each(call, reach.root.as_deref(), |place| Ok((choose(place, filter, limit)?, true)))?;
    Ok(tell(call, reach.json, said, text))
}

fn choose(place: &Place, filter: &Filter, limit: usize) -> Result<Vec<DeliveryRow>, Failure> {
    let pipeline = place.pipeline();
    let wanted = filter.target.as_ref().map(|name| TargetName::new(name.as_str()));
    let is_of_target = |row: &DeliveryRow| wanted.as_ref().is_none_or(|wanted| row.is_for(wanted));
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
    let is_wanted = |row: &DeliveryRow| is_of_target(row) && is_state(row.state);
    let rows = overview::newest(&pipeline, limit, since, &is_wanted);
    // What a target that is no more was sent is still told of.
    if let Some(name) = filter.target.as_ref().filter(|_| rows.is_empty())
        && overview::newest(&pipeline, 1, None, &is_of_target).is_empty()
    {
        targets::known(place, name)?;
    }
    Ok(rows)
}

fn text(said: &Said<DeliveryRow>) -> String {
    if said.rows.is_empty() {
        return "no deliveries\n".into();
    }
    let now = process::now();
    let line = |row: &DeliveryRow| {
        let colour = match row.state {
            State::Delivered => Colour::Green,
            State::Waiting => Colour::Yellow,
            State::Dead => Colour::Red,
        };
        let time =
            row.time.parse::<jiff::Timestamp>().map_or_else(|_| row.time.clone(), |time| moment(time.as_second()));
        let cells = [
            time,
            row.state.word().into(),
            row.target.clone(),
            row.ref_shown(),
            row.event.clone().unwrap_or_default(),
            row.attempts.to_string(),
            row.id.to_string(),
            deliveries::answer(row, now),
        ];
        (cells, colour)
    };
    let rows: Vec<_> = said.rows.iter().map(line).collect();
    lay_out(["TIME", "STATE", "TARGET", "REF", "EVENT", "TRIES", "ID", "ANSWER"], &rows, 1, in_colour())
}
