//! `git webhook formats`: the payload formats there are, with their events and what a secret travels in.

use serde::Serialize;

use super::failure::Failure;
use super::output::print_answer;
use super::screen::Screen;
use super::table::{fill, lay_out};
use super::terminal::{Colour, page, print};
use crate::event::EventName;
use crate::format::{FORMATS, Format};

/// One format, for programs.
#[derive(Serialize)]
struct FormatRow {
    name: &'static str,
    forge: &'static str,
    /// `ref` or `push`: what one delivery tells of.
    told: &'static str,
    events: Vec<EventRow>,
    ping: bool,
    commits: usize,
    files: bool,
    secret_headers: Vec<&'static str>,
}

#[derive(Serialize)]
struct EventRow {
    /// The word in the configuration.
    event: &'static str,
    /// The forge's own.
    name: &'static str,
}

pub(super) fn run(json: bool) -> Result<bool, Failure> {
    if json {
        let rows: Vec<_> = FORMATS.iter().map(row).collect();
        print_answer("formats", &rows);
        return Ok(true);
    }
    page();
    let cells = |format: &Format| {
        let row = row(format);
        let mut events: Vec<_> = row.events.iter().map(|event| event.event).collect();
        events.dedup();
        events.extend(row.ping.then_some("ping"));
        let secret = if format.takes_secret() { format.secret_places().join(" ") } else { "the address".into() };
        [row.name.into(), row.forge.into(), format!("each {}", row.told), events.join(" "), secret]
    };
    let rows: Vec<_> = FORMATS.iter().map(|format| (cells(format), Colour::None)).collect();
    print(&lay_out(["NAME", "FOR", "TOLD", "EVENTS", "SECRET"], &rows, 0, Screen::of_this()));
    for format in FORMATS {
        let narrower: Vec<_> = EventName::ALL.iter().filter_map(|event| narrower(format, *event)).collect();
        if !narrower.is_empty() {
            print(&fill(&format!("{}: {}", format.name, narrower.join("; ")), Screen::of_this()));
        }
    }
    Ok(true)
}

/// By which events of its own a forge tells one of ours, where they are several: what is not among them it does not have.
fn narrower(format: &Format, event: EventName) -> Option<String> {
    let names = format.events.iter().filter(|(known, _)| *known == event).map(|(_, name)| *name);
    let names: Vec<_> = names.collect();
    (names.len() > 1).then(|| format!("{} is {}", event.word(), names.join(", ")))
}

fn row(format: &Format) -> FormatRow {
    let event = |(event, name): &(EventName, &'static str)| EventRow { event: event.word(), name };
    FormatRow {
        name: format.name,
        forge: format.forge,
        told: if format.is_whole() { "push" } else { "ref" },
        events: format.events.iter().map(event).collect(),
        ping: format.ping.is_some(),
        commits: format.wants.commits,
        files: format.wants.paths > 0,
        secret_headers: format.secret_headers(),
    }
}
