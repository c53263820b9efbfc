//! `git webhook dead`: the dead letters, which a person has seen from then on, or drops for good.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::as_owner::{Call, Said, in_each};
use super::failure::{Failure, failure};
use super::output::{Reach, Row, one_table, tell_each, tell_table};
use super::place::Place;
use super::screen::Screen;
use super::table::{id, short_ref, time};
use super::targets;
use super::terminal::Colour;
use crate::files::FileError;
use crate::message;
use crate::overview::{self, DeliveryRow};
use crate::process;
use crate::spool::{DeadLetter, Spool};
use crate::target::TargetName;
use crate::text::sanitise;

/// What is to become of which dead letters.
#[derive(clap::Args)]
pub(super) struct Choice {
    /// With --drop: their ids or the names of their files, or how these begin
    #[arg(value_name = "ID", requires = "drop", conflicts_with = "root")]
    ids: Vec<String>,
    /// Have status alarm for new ones alone
    #[arg(long, conflicts_with = "drop")]
    seen: bool,
    /// Remove them for good: they are never sent
    #[arg(long)]
    drop: bool,
    /// With --drop: all of them
    #[arg(long, requires = "drop", conflicts_with = "ids")]
    all: bool,
    /// Only those of this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

/// One dead letter.
#[derive(Serialize, Deserialize)]
pub(super) struct DeadRow {
    /// The target's name; of what none had yet `_intents` or `_receipts`.
    target: String,
    /// The delivery's id; `None` of what is none.
    id: Option<Uuid>,
    /// Where it lies, below the repository's directory.
    file: String,
    r#ref: Option<String>,
    /// When it was tried last.
    time: Option<String>,
    /// Why it was not delivered.
    reason: Option<String>,
    state: DeadState,
}

impl Row for DeadRow {
    const ROWS: &str = "dead_letters";
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DeadState {
    New,
    Seen,
    Dropped,
}

const NONE: &str = "no dead letters";

/// Whether all could be done.
pub(super) fn run(choice: &Choice, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    if choice.drop && choice.ids.is_empty() && !choice.all {
        return failure(message::drop_which());
    }
    let said = in_each(call, reach.root.as_deref(), |place| Ok((act(choice, place)?, true)))?;
    if choice.drop || choice.seen {
        return Ok(tell_each(call, reach.json, said, NONE, |said| done(said, choice)));
    }
    Ok(tell_table(call, reach.json, said, NONE, table))
}

fn act(choice: &Choice, place: &Place) -> Result<Vec<DeadRow>, Failure> {
    process::hold_back_signals();
    let pipeline = place.pipeline_with_outcomes();
    let spool = &pipeline.spool;
    let letters = chosen(choice, place, spool)?;
    let ids: HashSet<Uuid> = letters.iter().filter_map(|letter| letter.id).collect();
    let known: HashMap<_, _> = overview::of_ids(&pipeline, &ids).into_iter().map(|row| (row.id, row)).collect();
    let known = |letter: &DeadLetter| letter.id.and_then(|id| known.get(&id));
    let cannot = |error: FileError| Failure::new(error.to_string());
    let state = if choice.drop {
        letters.iter().try_for_each(|letter| spool.drop_dead(letter)).map_err(cannot)?;
        Some(DeadState::Dropped)
    } else if choice.seen {
        spool.mark_seen(&letters).map_err(cannot)?;
        Some(DeadState::Seen)
    } else {
        None
    };
    Ok(letters.iter().map(|letter| row(letter, known(letter), state)).collect())
}

fn chosen(choice: &Choice, place: &Place, spool: &Spool) -> Result<Vec<DeadLetter>, Failure> {
    let mut letters = spool.all_dead();
    if let Some(name) = &choice.target {
        let directory = TargetName::new(name.as_str()).directory();
        letters.retain(|letter| letter.directory == directory);
        // Those of a target that is no more are still there.
        if letters.is_empty() {
            targets::known(place, name)?;
        }
    }
    let is_named = |letter: &DeadLetter, start: &str| {
        letter.file.starts_with(start) || letter.id.is_some_and(|id| id.to_string().starts_with(start))
    };
    for start in &choice.ids {
        if start.len() < 4 {
            return failure(message::short_id(start));
        }
        let ids: HashSet<_> = letters.iter().filter(|letter| is_named(letter, start)).map(|it| &it.file).collect();
        match ids.len() {
            0 => return failure(message::no_dead_letter(start)),
            1 => {}
            _ => return failure(message::several_dead_letters(start, ids.len())),
        }
    }
    if !choice.ids.is_empty() {
        letters.retain(|letter| choice.ids.iter().any(|start| is_named(letter, start)));
    }
    Ok(letters)
}

fn row(letter: &DeadLetter, known: Option<&DeliveryRow>, state: Option<DeadState>) -> DeadRow {
    let as_it_was = if letter.is_seen { DeadState::Seen } else { DeadState::New };
    DeadRow {
        target: known.map_or_else(|| letter.directory.clone(), |row| row.target.clone()),
        id: letter.id,
        file: format!("webhook/v1/dead/{}/{}", letter.directory, letter.file),
        r#ref: known.map(|row| row.r#ref.clone()),
        time: known.map(|row| row.time.clone()),
        reason: known.and_then(|row| row.reason.clone()),
        state: state.unwrap_or(as_it_was),
    }
}

fn done(said: &Said<DeadRow>, choice: &Choice) -> String {
    let count = said.rows.len();
    let letters = if count == 1 { "dead letter" } else { "dead letters" };
    match () {
        () if count == 0 => String::new(),
        () if choice.drop => format!("{count} {letters} dropped\n"),
        () => format!("{count} {letters} seen: git webhook status alarms for new ones\n"),
    }
}

fn table(said: &[&Said<DeadRow>]) -> String {
    let screen = Screen::of_this();
    one_table(said, ["TIME", "TARGET", "REF", "ID", "STATE", "REASON"], 4, |row| line(row, screen))
}

fn line(row: &DeadRow, screen: Screen) -> ([String; 6], Colour) {
    let when = row.time.as_ref().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let (state, colour) = match row.state {
        DeadState::New => ("new", Colour::Red),
        DeadState::Seen => ("seen", Colour::None),
        DeadState::Dropped => ("dropped", Colour::None),
    };
    let cells = [
        when.map(|when| time(when.as_second(), screen)).unwrap_or_default(),
        sanitise(&row.target),
        short_ref(row.r#ref.as_deref().unwrap_or_default(), screen),
        row.id.map_or_else(|| row.file.clone(), |known| id(&known, screen)),
        state.into(),
        row.reason.clone().unwrap_or_default(),
    ];
    (cells, colour)
}
