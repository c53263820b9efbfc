//! `git webhook reviews`: the reviews that are open, by push options and in notes.

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, Said, in_each};
use super::failure::Failure;
use super::output::{Reach, Row, one_table, tell_table};
use super::place::Place;
use super::terminal::Colour;
use crate::event::{Time, Utc};
use crate::ref_name;

/// One open review.
#[derive(Serialize, Deserialize)]
pub(super) struct ReviewRow {
    number: u32,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    namespace: String,
    source: String,
    target: String,
    title: String,
    /// The login of who opened it.
    author: String,
    /// The commit to be merged.
    head: String,
    commits: u64,
    /// When it was opened, and when something happened to it last, RFC 3339.
    created: String,
    updated: String,
}

impl Row for ReviewRow {
    const ROWS: &str = "reviews";
}

/// Always whether all could be looked at.
pub(super) fn run(reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    let said = in_each(call, reach.root.as_deref(), |place| Ok((open(place)?, true)))?;
    Ok(tell_table(call, reach.json, said, "no open reviews", table))
}

fn open(place: &Place) -> Result<Vec<ReviewRow>, Failure> {
    let pipeline = place.pipeline();
    let opened = pipeline.open_reviews().map_err(|error| Failure::new(error.to_string()))?;
    let mut rows: Vec<_> = opened
        .into_iter()
        .map(|review| ReviewRow {
            number: review.number,
            namespace: review.namespace,
            source: review.source,
            target: review.target,
            title: review.title,
            author: review.author.login,
            head: review.head,
            commits: review.commits,
            created: time(review.created),
            updated: time(review.updated),
        })
        .collect();
    if place.configuration.settings.notes.reviews {
        rows.extend(place.reviews_in_notes()?.into_iter().map(|review| ReviewRow {
            number: review.number,
            namespace: String::new(),
            source: review.source,
            target: review.target,
            title: review.title,
            author: review.author.login,
            head: review.head.id.to_string(),
            commits: review.commits,
            created: time(review.created.seconds),
            updated: time(review.updated.seconds),
        }));
    }
    Ok(rows)
}

fn time(seconds: i64) -> String {
    Time::utc(seconds).rfc3339(Utc::Letter)
}

fn table(said: &[&Said<ReviewRow>]) -> String {
    let line = |row: &ReviewRow| {
        let head = row.head.get(..12).unwrap_or_default().to_owned();
        let branches = ref_name::shown(&format!("{} <- {}", row.target, row.source), &row.namespace);
        (
            [row.number.to_string(), branches, row.commits.to_string(), head, row.author.clone(), row.title.clone()],
            Colour::None,
        )
    };
    one_table(said, ["NUMBER", "BRANCHES", "COMMITS", "HEAD", "AUTHOR", "TITLE"], 1, line)
}
