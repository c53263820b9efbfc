//! The delivery log: one line for each attempt, a file for each day, which `git webhook log` reads.

mod entry;
mod lines;
mod ids;
mod tail;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bstr::Finder;
use jiff::Timestamp;
use uuid::Uuid;

use crate::event;
use crate::files::{Dir, FileError, Folder};
use crate::message;
use crate::process;
use crate::state_dir::StateDir;

pub use entry::{Entry, LoggedUpdate, State};
pub use tail::Tail;

use entry::id_of;

/// The log of one repository.
pub struct History {
    directory: Folder,
    /// The file of a day, opened at the first line.
    file: Mutex<Option<(String, File)>>,
    began_day: AtomicBool,
    /// What was asked for last of one delivery: whoever shows it asks for it three times.
    last: Mutex<Option<Vec<Entry>>>,
}

impl History {
    /// The log in a repository's state. Nothing is created before the first line.
    pub fn new(state: &StateDir) -> Self {
        Self {
            directory: state.log(),
            file: Mutex::new(None),
            began_day: AtomicBool::new(false),
            last: Mutex::default(),
        }
    }

    /// Adds a line.
    ///
    /// Crash: one write, so the line is there whole or torn, never between the halves of another; the next line begins
    /// anew behind a torn one. It is not synced: what a power cut takes from the log was delivered, and is delivered
    /// once more.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add(&self, entry: &Entry) -> Result<(), FileError> {
        let day = today();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.as_ref().is_none_or(|(open, _)| *open != day) {
            let (opened, metadata) = self.directory.open_to_append(&day)?;
            self.began_day.fetch_or(metadata.len() == 0, Ordering::Relaxed);
            *file = Some((day.clone(), opened));
        }
        let Some((_, file)) = file.as_mut() else { return Ok(()) };
        let mut line = entry.line().into_bytes();
        line.push(b'\n');
        let path = || self.directory.path().join(&day);
        write_line(file, line).map_err(|error| FileError::new(message::cannot_write, &path(), error))
    }

    /// The ids of a receipt's deliveries that need no sending any more; `since` is when it was written.
    pub fn done(&self, receipt: &str, since: i64) -> HashSet<Uuid> {
        let mut done = HashSet::new();
        self.each_of(receipt, since, |entry| {
            if entry.state != State::Waiting {
                done.insert(entry.id);
            }
        });
        done
    }

    /// Whether the target was told of anything of a receipt that was written at `since`, or was to be told.
    pub fn knows(&self, receipt: &str, since: i64, target: &str) -> bool {
        let mut is_known = false;
        self.each_of(receipt, since, |entry| is_known |= entry.target == target);
        is_known
    }

    /// Sees every line of one receipt.
    fn each_of(&self, receipt: &str, since: i64, mut see: impl FnMut(Entry)) {
        let first = day_of(since - 86_400);
        for day in self.days().iter().filter(|day| **day >= first || since > process::now()) {
            self.read_holding(day, receipt, |line| {
                if let Ok(entry) = serde_json::from_slice::<Entry>(line)
                    && entry.receipt == receipt
                {
                    see(entry);
                }
            });
        }
    }

    /// What came in the end of those of `ids` that were delivered or are dead letters, and at which attempt.
    pub fn over(&self, ids: &HashSet<Uuid>) -> HashMap<Uuid, (State, u32)> {
        let mut over: HashMap<Uuid, (State, u32)> = HashMap::new();
        self.each_of_ids(ids, |entry| {
            if entry.state != State::Waiting {
                let last = over.entry(entry.id).or_insert((entry.state, entry.attempt));
                if entry.attempt >= last.1 {
                    *last = (entry.state, entry.attempt);
                }
            }
        });
        over
    }

    /// Of the deliveries of these events those that were made.
    pub fn delivered_of(&self, events: &HashSet<Uuid>) -> HashSet<Uuid> {
        let texts: Vec<_> = events.iter().map(Uuid::to_string).collect();
        let entries = self.days().into_iter().flat_map(|day| self.entries_with(&day, few(&texts)));
        let made = entries.filter(|entry| entry.state.is_told() && events.contains(&entry.event_id));
        made.map(|entry| entry.id).collect()
    }

    /// Every line about one of these refs, oldest first.
    pub fn of_refs(&self, names: &[String]) -> Vec<Entry> {
        self.days().into_iter().flat_map(|day| self.entries_with(&day, few(names))).collect()
    }

    /// What was sent from memory since the time `since`, in seconds since 1970.
    pub fn from_memory(&self, since: i64) -> Vec<Entry> {
        let first = day_of(since - 86_400);
        let days = self.days().into_iter().filter(|day| *day >= first);
        days.flat_map(|day| self.entries_with(&day, &["\"from_memory\":true".into()])).collect()
    }

    /// How often each of `ids` was tried, as far as the log goes.
    pub fn attempts(&self, ids: &HashSet<Uuid>) -> HashMap<Uuid, u32> {
        let mut attempts: HashMap<Uuid, u32> = HashMap::new();
        self.each_of_ids(ids, |entry| {
            let most = attempts.entry(entry.id).or_default();
            *most = entry.attempt.max(*most);
        });
        attempts
    }

    /// Sees every line of these deliveries.
    fn each_of_ids(&self, ids: &HashSet<Uuid>, mut see: impl FnMut(Entry)) {
        let mut see_line = |line: &[u8]| {
            if id_of(line).is_none_or(|id| ids.contains(&id))
                && let Ok(entry) = serde_json::from_slice::<Entry>(line)
                && ids.contains(&entry.id)
            {
                see(entry);
            }
        };
        for day in self.days() {
            match only(ids) {
                Some(id) => self.read_beginning(&day, &id.to_string(), &mut see_line),
                None => self.read(&day, &mut see_line),
            }
        }
    }

    /// Sees the entries from the newest back, as far as they are in the order of time, until somebody has seen enough.
    pub fn from_the_newest(&self, mut see: impl FnMut(Entry) -> ControlFlow<()>) {
        for day in self.days().iter().rev() {
            let Ok(directory) = self.directory.open() else { return };
            let Ok((file, _)) = directory.open_regular(day) else { continue };
            let read = lines::backwards(&file, &mut |line| match serde_json::from_slice(line) {
                Ok(entry) => see(entry),
                Err(_) => ControlFlow::Continue(()),
            });
            if matches!(directory.noted(day, read), Ok(ControlFlow::Break(()))) {
                return;
            }
        }
    }

    /// Every line there is of one delivery, in the order of its attempts.
    pub fn of(&self, id: Uuid) -> Vec<Entry> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = last.as_ref().filter(|entries| entries.first().is_some_and(|entry| entry.id == id)) {
            return entries.clone();
        }
        let mut entries: Vec<Entry> = Vec::new();
        self.each_of_ids(&HashSet::from([id]), |entry| entries.push(entry));
        entries.sort_by_key(|entry| entry.attempt);
        *last = Some(entries.clone());
        entries
    }

    /// The days there are lines of, oldest first.
    pub fn days(&self) -> Vec<String> {
        let mut days = self.directory.names().unwrap_or_default();
        days.retain(|name| name.parse::<jiff::civil::Date>().is_ok());
        days.sort();
        days
    }

    /// The entries of a day in their order, but for tests; what is torn is passed over.
    pub fn entries(&self, day: &str) -> Vec<Entry> {
        self.entries_with(day, &[])
    }

    /// The same of the lines that hold one of `texts`, which is faster than to read what each line says; with no texts
    /// all of them.
    pub fn entries_with(&self, day: &str, texts: &[String]) -> Vec<Entry> {
        let mut entries = self.all_with(day, texts);
        entries.retain(|entry| !entry.test);
        entries
    }

    /// The same with tests.
    pub fn all_with(&self, day: &str, texts: &[String]) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut take = |line: &[u8]| entries.extend(serde_json::from_slice(line).ok());
        match texts {
            [] => self.read(day, take),
            [text] => self.read_holding(day, text, take),
            texts => {
                let texts: Vec<_> = texts.iter().map(Finder::new).collect();
                self.read(day, |line| {
                    if texts.iter().any(|text| text.find(line).is_some()) {
                        take(line);
                    }
                });
            }
        }
        entries
    }

    fn read(&self, day: &str, mut take: impl FnMut(&[u8])) {
        self.look_through(day, |_, file| lines::forwards(file, &mut take));
    }

    /// The same of the lines that hold a text.
    fn read_holding(&self, day: &str, text: &str, mut take: impl FnMut(&[u8])) {
        self.look_through(day, |_, file| lines::holding(file, &Finder::new(text), &mut take));
    }

    /// The entries of deliveries of a day whose ids begin so, and perhaps others, with tests.
    pub fn beginning(&self, day: &str, start: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.read_beginning(day, start, |line| entries.extend(serde_json::from_slice(line).ok()));
        entries
    }

    fn read_beginning(&self, day: &str, start: &str, mut take: impl FnMut(&[u8])) {
        self.look_through(day, |directory, file| ids::beginning(directory, day, file, start, &mut take));
    }

    fn look_through(&self, day: &str, read: impl FnOnce(&Dir, File) -> io::Result<()>) {
        let Ok(directory) = self.directory.open() else { return };
        let Ok((file, _)) = directory.open_regular(day) else { return };
        // What cannot be read has been noted.
        let _ = directory.noted(day, read(&directory, file));
    }

    /// Removes the files of days before `day`.
    pub fn prune(&self, day: &str) {
        let Ok(directory) = self.directory.open() else { return };
        for old in self.days().iter().filter(|old| old.as_str() < day) {
            if let Err(error) = directory.remove(old) {
                log::warn!("{}", message::cannot_remove(directory.path_of(old).display(), error));
            }
            // Most days have none.
            let _ = directory.remove(ids::name(old));
        }
    }

    /// Whether this process wrote the first line of the day, which is when the hook prunes.
    pub fn is_first_of_day(&self) -> bool {
        self.began_day.load(Ordering::Relaxed)
    }
}

/// The only one of these ids.
fn only(ids: &HashSet<Uuid>) -> Option<Uuid> {
    let mut all = ids.iter().copied();
    all.next().filter(|_| all.next().is_none())
}

/// What is worth looking for in each line before it is parsed: of many texts none.
fn few(texts: &[String]) -> &[String] {
    if texts.len() > 32 { &[] } else { texts }
}

fn write_line(file: &mut File, mut line: Vec<u8>) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last != *b"\n" {
        line.insert(0, b'\n');
    }
    file.write_all(&line)
}

/// The present day in UTC, `2026-11-22`.
pub fn today() -> String {
    day_of(process::now())
}

/// The day of a time in seconds since 1970.
pub fn day_of(time: i64) -> String {
    let time = Timestamp::from_second(time).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

/// The present time as the log writes it.
pub fn timestamp() -> String {
    written(event::present())
}

/// A time in seconds since 1970 as the log writes it; later times are later in the order of text.
pub fn timestamp_of(time: i64) -> String {
    written(Timestamp::from_second(time).unwrap_or_default())
}

/// The seconds since 1970 of a time as the log writes it; `None` where it is none.
pub fn seconds_of(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
