//! The end of a log, as it grows: what `git webhook log --follow` shows.

use super::{Entry, History, today};

/// The end of a log.
pub struct Tail<'h> {
    history: &'h History,
    day: String,
    /// How many lines of the day's file were told.
    seen: usize,
    /// How many bytes the file had then.
    size: Option<u64>,
}

impl Tail<'_> {
    /// The lines that have come since this was asked last, oldest first; a line that is being written comes the next time.
    pub fn read(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        // What was written while the day ended comes before the new day's.
        let later = self.history.days().into_iter().find(|day| *day > self.day);
        let stat = self.history.directory.look(&self.day);
        let size = stat.map(|stat| stat.size());
        if size != self.size {
            let (mut count, seen) = (0, self.seen);
            self.history.read(&self.day, |line| {
                count += 1;
                if let Some(entry) = (count > seen).then(|| serde_json::from_slice(line).ok()).flatten() {
                    entries.push(entry);
                    self.seen = count;
                }
            });
            self.size = size;
        }
        if let Some(day) = later {
            (self.day, self.seen, self.size) = (day, 0, None);
            entries.extend(self.read());
        }
        entries
    }
}

impl History {
    /// Where the log ends, or so many lines before that.
    pub fn tail(&self, lines: usize) -> Tail<'_> {
        let day = self.days().pop().unwrap_or_else(today);
        let mut count: usize = 0;
        self.read(&day, |_| count += 1);
        Tail { history: self, day, seen: count.saturating_sub(lines), size: None }
    }
}
