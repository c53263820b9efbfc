//! The numbers that put receipts in order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::Spool;
use super::name::{HIGHEST, number};
use crate::files::{Dir, FileError, Folder};
use crate::message;
use crate::process;

/// Others hold the lock for a few microseconds; whoever holds it longer has been stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// The file that holds the number and is locked while one is taken.
const NAME: &str = "lock";

/// More than a boot id and a number.
const LONGEST: u64 = 256;

impl Spool {
    /// The number given last, as far as a look without lock tells.
    pub fn last_sequence(&self) -> u64 {
        let read = self.state.spool().open().and_then(|spool| spool.read_start(NAME, LONGEST));
        self.last(&read.unwrap_or_default())
    }

    /// A number for a push that cannot be written down, behind all that could.
    pub fn sequence_of_unkept(&self) -> u64 {
        self.with_next(Ok).unwrap_or_else(|_| self.last_sequence() + 1)
    }

    /// Takes the next number and runs `place` with it before anybody else can take one: who sees a number sees what
    /// was placed under every lower one.
    ///
    /// Crash: the number is written down before it is used, so a crash leaves a gap and never two of one number. The
    /// file is not synced. After the machine crashed it can hold an old number, so it counts only for the run of the
    /// machine that wrote it; else, or where it is torn, the highest number in any file name is taken.
    pub(super) fn with_next<T>(&self, place: impl FnOnce(u64) -> Result<T, FileError>) -> Result<T, FileError> {
        self.locked(|spool, file| {
            let next = self.next(file).map_err(spool.error(message::cannot_write_sequence, NAME))?;
            place(next)
        })
    }

    /// Runs `step`, which nobody else does at the same time, with the spool's directory and the file that is locked.
    pub(super) fn locked<T>(&self, step: impl FnOnce(&Dir, &mut File) -> Result<T, FileError>) -> Result<T, FileError> {
        let spool = self.state.spool().make()?;
        let (mut file, _lock) = Self::hold(&spool, NAME, PATIENCE)?;
        step(&spool, &mut file)
    }

    fn next(&self, file: &mut File) -> io::Result<u64> {
        let mut text = vec![0; LONGEST as usize];
        // Read at once what was written at once; what is cut is taken for torn.
        let read = file.read_at(&mut text, 0)?;
        text.truncate(read);
        // At the end of all numbers the last one is given again and again: the ids tell the receipts apart.
        let next = (self.last(&text) + 1).min(HIGHEST - 1);
        // Written over, all numbers having one width: a file that is cut first is written out when it is closed (ext4's
        // auto_da_alloc), which would cost each push a millisecond.
        let line = format!("{} {next:012}\n", process::boot_id());
        file.write_all_at(line.as_bytes(), 0)?;
        if text.len() > line.len() {
            file.set_len(line.len() as u64)?;
        }
        Ok(next)
    }

    /// The number given last, by the text of the file or else by the names of records.
    fn last(&self, text: &[u8]) -> u64 {
        match std::str::from_utf8(text).ok().and_then(parse) {
            Some((boot, last)) if boot == process::boot_id() => last,
            _ => self.highest(),
        }
    }

    /// The highest number in any file name.
    fn highest(&self) -> u64 {
        let of = |directory: &Folder| {
            let names = directory.names().unwrap_or_default();
            names.iter().filter_map(|name| number(name)).max().unwrap_or(0)
        };
        let below = |directory: &Folder| {
            let names = directory.names().unwrap_or_default();
            names.iter().map(|name| of(&directory.join(name))).max().unwrap_or(0)
        };
        let families = ["queue", "deferred", "settled", "dead"].map(|name| below(&self.place(name)));
        // Where all receipts were pruned, the snapshot knows what the last of them was.
        let in_snapshot = self.snapshot().ok().flatten().map_or(0, |snapshot| snapshot.sequence);
        let here = ["receipts", "stuck"].map(|name| of(&self.place(name)));
        families.into_iter().chain(here).max().unwrap_or(0).max(in_snapshot)
    }
}

/// `<boot id> <number>`.
fn parse(text: &str) -> Option<(&str, u64)> {
    let (boot, number) = text.strip_suffix('\n')?.split_once(' ')?;
    Some((boot, number.parse().ok().filter(|number: &u64| *number < HIGHEST)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Environment;
    use crate::spool::Receipt;
    use crate::state_dir::StateDir;

    #[test]
    fn after_a_restart_of_the_machine_the_number_of_a_stuck_receipt_is_not_given_again() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(StateDir::new(directory.path(), false));
        let keep = || spool.keep(Receipt::new(Vec::new(), &Environment::default(), &[])).unwrap();
        let stuck = keep();
        spool.set_stuck(&stuck).unwrap();
        spool.state.spool().open().unwrap().remove(NAME).unwrap();
        assert!(keep().sequence > stuck.sequence);
    }
}
