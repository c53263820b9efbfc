//! `git webhook log`: each delivery and what came of it, newest first.

use std::cell::RefCell;

use clap::ValueEnum;

use super::as_owner::{Call, Said, in_each};
use super::deliveries::{self, Commit};
use super::failure::Failure;
use super::output::{Reach, Row, one_table, tell_table};
use super::place::Place;
use super::screen::Screen;
use super::table::{id, short_ref, time};
use super::targets;
use super::terminal::{self, Colour, print};
use crate::config::Configured;
use crate::format;
use crate::history::{self, State};
use crate::message;
use crate::overview::{self, DeliveryRow};
use crate::process;
use crate::repository::Objects;
use crate::target::{Switch, TargetName};

/// Which deliveries to show.
#[derive(clap::Args)]
pub(super) struct Filter {
    /// Only those of this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only those of this ref, whole or short
    #[arg(long, value_name = "REF")]
    r#ref: Option<String>,
    /// Only those of this event, by the forge's name or ours
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Only those that are in this state
    #[arg(long, value_enum)]
    state: Option<StateName>,
    /// Only those that were answered so last: 404, or 5xx
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<String>,
    /// Only those of pushes that brought this commit
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// Only those of the last so many s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = super::seconds)]
    since: Option<i64>,
    /// None of the last so many s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = super::seconds)]
    until: Option<i64>,
}

impl Row for DeliveryRow {
    const ROWS: &str = "deliveries";
}

/// What of them.
#[derive(clap::Args)]
pub(super) struct Amount {
    /// At most so many, the newest [default: 50 on a terminal, else all; 10 before those that --follow shows]
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub(super) limit: Option<usize>,
    /// Show each attempt as it is made, oldest first, until stopped
    #[arg(short, long)]
    pub(super) follow: bool,
}

/// A status or a class of them: `404`, `5xx`.
fn status(text: &str) -> Result<String, String> {
    let is_status = text.len() == 3
        && text.starts_with(|c: char| ('1'..='5').contains(&c))
        && (text[1..].bytes().all(|byte| byte.is_ascii_digit()) || text.ends_with("xx"));
    if is_status { Ok(text.into()) } else { Err(message::no_such_status().into()) }
}

/// The states a person asks for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateName {
    Delivered,
    Published,
    Waiting,
    Dead,
    Failed,
}

/// So many a person is shown who has not said how many.
const USUAL: usize = 50;

pub(super) fn run(filter: &Filter, amount: &Amount, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    // What the owner's process answers is cut where it is printed, which alone knows the terminal.
    let is_table = !reach.json && !call.is_owners && Screen::of_this().is_terminal();
    let limit = amount.limit.unwrap_or(if is_table { USUAL } else { usize::MAX });
    // One more shows that there are more.
    let asked = limit.saturating_add(1);
    let mut said = in_each(call, reach.root.as_deref(), |place| Ok((choose(place, filter, asked)?, true)))?;
    let is_more = said.iter().any(|said| said.rows.len() > limit);
    if !call.is_owners {
        said.iter_mut().for_each(|said| said.rows.truncate(limit));
    }
    let is_well = tell_table(call, reach.json, said, "no deliveries", table);
    if is_table && is_more {
        print(&format!("there are more: git webhook log -n {}\n", limit.saturating_mul(10)));
    }
    Ok(is_well)
}

/// A filter with all that it needs to know of a repository.
pub(super) struct Chooser<'f> {
    filter: &'f Filter,
    target: Option<TargetName>,
    commit: Option<Commit<'f>>,
    since: Option<String>,
    until: Option<String>,
}

impl<'f> Chooser<'f> {
    pub(super) fn new(filter: &'f Filter, place: &Place, objects: &'f Objects) -> Result<Self, Failure> {
        let before = |seconds: i64| history::timestamp_of(process::now().saturating_sub(seconds));
        let commit = filter.commit.as_ref().map(|name| Commit::new(place, objects, name)).transpose()?;
        Ok(Self {
            filter,
            target: filter.target.as_deref().map(TargetName::new),
            commit,
            since: filter.since.map(before),
            // The whole of that second: it was so long ago in whole seconds.
            until: filter.until.map(|ago| before(ago - 1)),
        })
    }

    pub(super) fn wants(&mut self, row: &DeliveryRow) -> bool {
        let Filter { r#ref, event, state, status, .. } = self.filter;
        self.target.as_ref().is_none_or(|name| row.is_for(name))
            && r#ref.as_ref().is_none_or(|name| deliveries::is_of_ref(row, name))
            && event.as_ref().is_none_or(|name| is_of_event(row, name))
            && state.is_none_or(|state| state.is(row.state))
            && status.as_ref().is_none_or(|wanted| is_of_status(row, wanted))
            && self.since.as_ref().is_none_or(|since| row.time >= *since)
            && self.until.as_ref().is_none_or(|until| row.time <= *until)
            // It takes longest.
            && self.commit.as_mut().is_none_or(|commit| commit.came_with(row))
    }
}

impl StateName {
    fn is(self, state: State) -> bool {
        matches!(
            (self, state),
            (Self::Delivered, State::Delivered)
                | (Self::Published, State::Published)
                | (Self::Waiting, State::Waiting)
                | (Self::Dead, State::Dead)
                | (Self::Failed, State::Failed)
        )
    }
}

/// By the forge's own name, or by the word of the configuration that stands for it.
fn is_of_event(row: &DeliveryRow, name: &str) -> bool {
    let Some(event) = &row.event else { return false };
    let known = row.format.as_deref().and_then(format::find).map_or(&[][..], |format| format.events);
    let is_word = || known.iter().any(|(word, own)| word.word() == name && own == event);
    event.eq_ignore_ascii_case(name) || is_word()
}

fn is_of_status(row: &DeliveryRow, wanted: &str) -> bool {
    let Some(status) = row.status.map(|status| status.to_string()) else { return false };
    match wanted.strip_suffix("xx") {
        Some(class) => status.starts_with(class),
        None => status == wanted,
    }
}

fn choose(place: &Place, filter: &Filter, limit: usize) -> Result<Vec<DeliveryRow>, Failure> {
    // Of what was pushed meanwhile there is no delivery.
    let is_off = |target: &&Configured| target.switch() == Switch::OffByRepository;
    for target in place.configuration.targets.iter().filter(is_off) {
        if filter.target.as_ref().is_none_or(|name| *target.name() == **name) {
            terminal::note(message::about_target(target.name(), message::switched_off_by_repository()));
        }
    }
    let objects = place.objects()?;
    let chooser = RefCell::new(Chooser::new(filter, place, &objects)?);
    let pipeline = place.pipeline_with_outcomes();
    let since = filter.since.map(|seconds| process::now().saturating_sub(seconds));
    let rows = overview::newest(&pipeline, limit, since, &|row| chooser.borrow_mut().wants(row));
    // What a target that is no more was sent is still told of.
    if let Some(name) = filter.target.as_ref().filter(|_| rows.is_empty()) {
        let wanted = TargetName::new(name.as_str());
        if overview::newest(&pipeline, 1, None, &|row| row.is_for(&wanted)).is_empty() {
            targets::known(place, name)?;
        }
    }
    Ok(rows)
}

/// The columns, of `log --follow` too.
pub(super) const HEADINGS: [&str; 7] = ["TIME", "STATE", "TARGET", "REF", "EVENT", "ID", "ANSWER"];

pub(super) fn cells(row: &DeliveryRow, screen: Screen) -> ([String; HEADINGS.len()], Colour) {
    let colour = match row.state {
        State::Delivered => Colour::Green,
        State::Published | State::Waiting => Colour::Yellow,
        State::Dead | State::Failed => Colour::Red,
    };
    let when = row.time.parse::<jiff::Timestamp>();
    let cells = [
        when.map_or_else(|_| row.time.clone(), |when| time(when.as_second(), screen)),
        row.state.word().into(),
        row.target.clone(),
        short_ref(&row.ref_shown(), screen),
        row.event
            .as_ref()
            .map(|event| if row.test { format!("{event} (test)") } else { event.clone() })
            .unwrap_or_default(),
        id(&row.id, screen),
        deliveries::answer(row, process::now()),
    ];
    (cells, colour)
}

fn table(said: &[&Said<DeliveryRow>]) -> String {
    let screen = Screen::of_this();
    one_table(said, HEADINGS, 1, |row| cells(row, screen))
}
