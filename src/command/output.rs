//! What a verb prints: rows for people or for programs, of one repository or of several.

use std::path::PathBuf;

use serde::Serialize;

use super::as_owner::{Call, Said};
use super::screen::Screen;
use super::table::lay_out;
use super::terminal::{Colour, page, print};
use crate::text::{json_for_terminal, sanitise};

/// How far a verb goes, and for whom it prints.
#[derive(clap::Args)]
pub(super) struct Reach {
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Go to every repository below DIR
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
}

/// Prints what is said of each repository, and returns whether all is well. A process of the owner leaves that to root.
pub(super) fn tell<T: Row>(call: &Call<'_>, json: bool, said: Vec<Said<T>>, text: impl Fn(&Said<T>) -> String) -> bool {
    let is_well = said.iter().all(|said| said.is_well);
    if call.is_owners {
        call.answer(said);
    } else if json {
        print_json(&said);
    } else {
        // Where nothing could be seen there is nothing to say, least of all that there is nothing.
        let has_words = |said: &&Said<T>| said.is_seen || !said.rows.is_empty();
        said.iter().filter(has_words).for_each(|said| print(&(heading(said) + &text(said))));
    }
    is_well
}

/// The same of a verb that goes to each repository and says little or nothing in most: those in which there is nothing are
/// counted where there are several. `text` is empty there.
pub(super) fn tell_each<T: Row>(
    call: &Call<'_>,
    json: bool,
    said: Vec<Said<T>>,
    nothing: &str,
    text: impl Fn(&Said<T>) -> String,
) -> bool {
    if call.is_owners || json {
        return tell(call, json, said, text);
    }
    let words: Vec<_> =
        said.iter().filter(|one| one.is_seen || !one.rows.is_empty()).map(|one| (one, text(one))).collect();
    for (one, text) in words.iter().filter(|(_, text)| !text.is_empty()) {
        print(&(heading(one) + text));
    }
    print(&nothing_in(words.iter().filter(|(one, text)| text.is_empty() && one.is_seen).count(), &said, nothing));
    said.iter().all(|said| said.is_well)
}

/// The same of a verb that lists: one table for all repositories, in a pager where it is long.
pub(super) fn tell_table<T: Row>(
    call: &Call<'_>,
    json: bool,
    said: Vec<Said<T>>,
    nothing: &str,
    table: impl FnOnce(&[&Said<T>]) -> String,
) -> bool {
    if call.is_owners || json {
        return tell(call, json, said, |_| String::new());
    }
    let listed: Vec<_> = said.iter().filter(|one| !one.rows.is_empty()).collect();
    let quiet = said.iter().filter(|one| one.is_seen && one.rows.is_empty()).count();
    page();
    if !listed.is_empty() {
        print(&table(&listed));
    }
    print(&nothing_in(quiet, &said, nothing));
    said.iter().all(|said| said.is_well)
}

/// That there is nothing in so many of all repositories.
fn nothing_in<T>(quiet: usize, all: &[Said<T>], nothing: &str) -> String {
    match all {
        _ if quiet == 0 => String::new(),
        [only] if only.repository.is_none() => format!("{nothing}\n"),
        _ => format!("{quiet} of {} repositories: {nothing}\n", all.len()),
    }
}

/// One table for all repositories, each named above its rows where there are several.
pub(super) fn one_table<T, const N: usize>(
    said: &[&Said<T>],
    headings: [&str; N],
    coloured: usize,
    cells: impl Fn(&T) -> ([String; N], Colour),
) -> String {
    let rows: Vec<_> = said.iter().flat_map(|one| &one.rows).map(cells).collect();
    let table = lay_out(headings, &rows, coloured, Screen::of_this());
    let mut lines = table.split_inclusive('\n');
    let mut text: String = lines.next().into_iter().collect();
    for one in said {
        text += &heading(one);
        text.extend(lines.by_ref().take(one.rows.len()));
    }
    text
}

/// What a verb answers with, for programs as for people.
pub(super) trait Row: Serialize {
    /// What an answer calls its rows; `docs/json` has the schema of each verb's.
    const ROWS: &str;
}

/// The version of what programs are told: it is raised where something is no more, or means something else.
const VERSION: u32 = 1;

/// Prints rows as one JSON object, each with its repository where there are several.
pub(super) fn print_json<T: Row>(said: &[Said<T>]) {
    let mut all = Vec::new();
    for said in said {
        for row in &said.rows {
            let mut value = serde_json::to_value(row).unwrap_or_default();
            if let (Some(path), Some(object)) = (&said.repository, value.as_object_mut()) {
                object.shift_insert(0, "repository".into(), path.to_string_lossy().into());
            }
            all.push(value);
        }
    }
    print_answer(T::ROWS, &all);
}

/// Prints an answer that is made of these rows.
pub(super) fn print_answer(rows: &str, all: &[impl Serialize]) {
    let answer = serde_json::json!({ "version": VERSION, rows: all });
    print(&(json_for_terminal(&serde_json::to_string_pretty(&answer).unwrap_or_default()) + "\n"));
}

/// Prints an answer that is made of rows of several kinds.
pub(super) fn print_answers(all: &[(&str, serde_json::Value)]) {
    let mut answer = serde_json::json!({ "version": VERSION });
    for (name, rows) in all {
        answer[*name] = rows.clone();
    }
    print(&(json_for_terminal(&serde_json::to_string_pretty(&answer).unwrap_or_default()) + "\n"));
}

/// Prints one row as one line: whoever reads a stream cannot wait for its end.
pub(super) fn print_line(row: &impl Row) {
    let mut line = serde_json::to_value(row).unwrap_or_default();
    if let Some(object) = line.as_object_mut() {
        object.shift_insert(0, "version".into(), VERSION.into());
    }
    print(&(json_for_terminal(&line.to_string()) + "\n"));
}

/// The heading above what is said of one repository of several.
pub(super) fn heading<T>(said: &Said<T>) -> String {
    said.repository.as_ref().map_or_else(String::new, |path| format!("{}:\n", sanitise(&path.to_string_lossy())))
}

/// The text of a verb that says something of each row by itself.
pub(super) fn by_row<T>(text: impl Fn(&T) -> String) -> impl Fn(&Said<T>) -> String {
    move |said| said.rows.iter().map(&text).collect()
}
