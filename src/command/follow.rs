//! `git webhook log --follow`: attempts as they are made.

use std::thread;
use std::time::Duration;

use super::as_owner::{self, Call, hand_over};
use super::failure::{Failure, failure};
use super::log::{Chooser, Filter, HEADINGS, cells};
use super::output::{Reach, print_line};
use super::screen::Screen;
use super::table::lay_out;
use super::terminal::{self, Colour, print};
use crate::message;
use crate::overview::DeliveryRow;

/// How often the log is looked at.
const EACH: Duration = Duration::from_millis(500);

/// The broker is asked what came of deliveries once in so many looks.
const ROUNDS_A_QUESTION: u64 = 10;

/// So many attempts of before stand above those that come.
const BEFORE: usize = 10;

/// Prints until it is stopped.
pub(super) fn run(filter: &Filter, limit: Option<usize>, reach: &Reach, call: &Call<'_>) -> Result<bool, Failure> {
    if reach.root.is_some() {
        return failure(message::follows_alone("--root"));
    }
    if let Some(is_well) = hand_over(call)? {
        return Ok(is_well);
    }
    let mut place = as_owner::place(call)?;
    place.enter()?;
    let objects = place.objects()?;
    let pipeline = place.pipeline();
    let mut chooser = Chooser::new(filter, &place, &objects)?;
    let mut tail = pipeline.history.tail(limit.unwrap_or(BEFORE));
    let mut widths = Widths::default();
    for round in 0_u64.. {
        if round % ROUNDS_A_QUESTION == 0
            && let Err(why) = pipeline.draw_in_outcomes()
        {
            terminal::warning(why);
        }
        for row in tail.read().into_iter().map(DeliveryRow::from).filter(|row| chooser.wants(row)) {
            match reach.json {
                true => print_line(&row),
                false => widths.print(&row),
            }
        }
        if let Some((_, why)) = place.unread().into_iter().next() {
            return failure(why);
        }
        thread::sleep(EACH);
    }
    Ok(true)
}

/// How wide the columns are so far: what comes is not known beforehand.
#[derive(Default)]
struct Widths {
    are_headings_told: bool,
    rows: Vec<([String; HEADINGS.len()], Colour)>,
}

impl Widths {
    /// Laid out with those before, of which the widest counts.
    fn print(&mut self, row: &DeliveryRow) {
        let screen = Screen::of_this();
        self.rows.push(cells(row, screen));
        if self.rows.len() > 100 {
            self.rows.remove(0);
        }
        let table = lay_out(HEADINGS, &self.rows, 1, screen);
        let mut lines = table.lines();
        if let Some(headings) = lines.next().filter(|_| !self.are_headings_told) {
            print(&format!("{headings}\n"));
            self.are_headings_told = true;
        }
        if let Some(last) = lines.next_back() {
            print(&format!("{last}\n"));
        }
    }
}
