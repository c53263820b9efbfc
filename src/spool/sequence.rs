//! The numbers that put receipts in order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::Spool;
use super::name::{HIGHEST, number};
use crate::files::{FileError, Folder};
use crate::message;
use crate::process;

/// Others hold the lock for a few microseconds; whoever holds it longer has been stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// The file that holds the number and is locked while one is taken.
const NAME: &str = "lock";

/// More than a boot id, a number and the names.
const LONGEST: u64 = 4096;

/// So many of the numbers that were given last are kept with what they were given to: more than anybody looks through.
const KEPT: usize = 24;

/// What the file holds.
pub(super) struct Given {
    /// The number given last.
    pub(super) last: u64,
    /// The names of the receipts that the last numbers were given to, the newest first. A process may have died before it
    /// placed one.
    pub(super) names: Vec<String>,
    /// From this number on these are all.
    pub(super) from: u64,
}

impl Spool {
    /// The number given last, as far as a look without lock tells.
    pub fn last_sequence(&self) -> u64 {
        self.given().last
    }

    /// The same with the names of the newest receipts, so that nobody has to look for them among all of a day.
    pub(super) fn given(&self) -> Given {
        let read = self.state.spool().read_start(NAME, LONGEST).unwrap_or_default();
        let Some(known) = known(&read) else {
            return Given { last: self.highest(), names: Vec::new(), from: u64::MAX };
        };
        // Whoever reads while another writes may find a part of each.
        let in_order = (1..=known.last).rev().zip(known.names.lines());
        let in_order = in_order.take_while(|(sequence, name)| number(name) == Some(*sequence));
        let (numbers, mut names): (Vec<_>, Vec<_>) = in_order.map(|(sequence, name)| (sequence, name.into())).unzip();
        names.retain(|name: &String| !name.ends_with('-'));
        Given { last: known.last, names, from: numbers.last().copied().unwrap_or(u64::MAX) }
    }

    /// A number for a push that cannot be written down, behind all that could.
    pub fn sequence_of_unkept(&self) -> u64 {
        self.with_next(|sequence| format!("{sequence:012}-"), Ok).unwrap_or_else(|_| self.last_sequence() + 1)
    }

    /// Takes the next number and runs `place` with it before anybody else can take one: who sees a number sees what
    /// was placed under every lower one. `name` makes of it what it is given to.
    ///
    /// Crash: the number is written down before it is used, so a crash leaves a gap and never two of one number. The
    /// file is not synced. After the machine crashed it can hold an old number, so it counts only for the run of the
    /// machine that wrote it; else, or where it is torn, the highest number in any file name is taken.
    pub(super) fn with_next<T>(
        &self,
        name: impl FnOnce(u64) -> String,
        place: impl FnOnce(u64) -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        self.locked(|file, is_alone| {
            let path = || self.state.spool().path().join(NAME);
            let next = self.next(file, name, is_alone);
            place(next.map_err(|error| FileError::new(message::cannot_write_sequence, &path(), error))?)
        })
    }

    /// Runs `step`, which nobody else does at the same time, with the file that is locked, and whether it surely is.
    pub(super) fn locked<T>(&self, step: impl FnOnce(&File, bool) -> Result<T, FileError>) -> Result<T, FileError> {
        match Self::hold(&self.state.spool(), NAME, PATIENCE)? {
            Ok(lock) => step(lock.file(), lock.is_held()),
            Err(file) => step(&file, false),
        }
    }

    fn next(&self, file: &File, name: impl FnOnce(u64) -> String, is_alone: bool) -> io::Result<u64> {
        let mut bytes = vec![0; LONGEST as usize];
        // Read at once what was written at once; what is cut is taken for torn.
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        let known = known(&bytes);
        let last = known.as_ref().map_or_else(|| self.highest(), |known| known.last);
        // At the end of all numbers the last one is given again and again: the ids tell the receipts apart.
        let next = (last + 1).min(HIGHEST - 1);
        // Written over, all lines having one width: a file that is cut first is written out when it is closed (ext4's
        // auto_da_alloc), which would cost each push a millisecond.
        let mut text = format!("{} {next:012}\n", process::boot_id());
        // Of two who are at it at once one would leave out what the other was given.
        if is_alone {
            let names = known.map_or("", |known| known.names).lines().take(KEPT - 1);
            [name(next).as_str()].into_iter().chain(names).for_each(|name| text.extend([name, "\n"]));
        }
        file.write_all_at(text.as_bytes(), 0)?;
        if read > text.len() {
            file.set_len(text.len() as u64)?;
        }
        Ok(next)
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
        // Where all receipts were pruned, the snapshot knows what the last of them was.
        let in_snapshot = self.snapshot().ok().flatten().map_or(0, |snapshot| snapshot.sequence);
        if !self.is_there() {
            return in_snapshot;
        }
        let families = ["queue", "deferred", "settled", "dead"].map(|name| below(&self.place(name)));
        let here = ["receipts", "stuck"].map(|name| of(&self.place(name)));
        families.into_iter().chain(here).max().unwrap_or(0).max(in_snapshot)
    }
}

/// What the file holds, where it is of this run of the machine.
struct Known<'t> {
    last: u64,
    names: &'t str,
}

/// The first line is `<boot id> <number>`, and after it comes one for each of the receipts that the last numbers were given to. A
/// program of before wrote the first line alone, and takes any other file for torn.
fn known(bytes: &[u8]) -> Option<Known<'_>> {
    let (line, names) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    let (boot, number) = line.split_once(' ')?;
    let last = number.parse().ok().filter(|number: &u64| *number < HIGHEST)?;
    (boot == process::boot_id()).then_some(Known { last, names })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Environment;
    use crate::spool::Receipt;
    use crate::state_dir::StateDir;
    use std::fs;

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

    #[test]
    fn the_names_of_the_newest_are_known_whatever_a_program_of_before_wrote() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(StateDir::new(directory.path(), false));
        let keep = || spool.keep(Receipt::new(Vec::new(), &Environment::default(), &[])).unwrap();
        let given = || {
            let Given { last, names, from } = spool.given();
            (last, names, from)
        };
        let mut names: Vec<_> = (0..3).map(|_| keep().name()).collect();
        names.reverse();
        assert_eq!(given(), (3, names.clone(), 1));
        assert_eq!(spool.sequence_of_unkept(), 4);
        names.insert(0, keep().name());
        assert_eq!(given(), (5, names, 1));
        let file = directory.path().join("webhook/v1").join(NAME);
        let first = fs::read_to_string(&file).unwrap().lines().next().unwrap().to_owned();
        for (torn, known) in [("", 0), ("\nnonsense\n", 0), ("\n000000000004.x\n", 0), ("\n000000000005.x\n1", 1)] {
            fs::write(&file, format!("{first}{torn}\n")).unwrap();
            assert_eq!((spool.given().last, spool.given().names.len()), (5, known), "{torn}");
        }
        fs::write(&file, format!("{first}\n")).unwrap();
        let name = keep().name();
        assert_eq!(given(), (6, vec![name], 6));
        let all: Vec<_> = (0..2 * KEPT).map(|_| keep().name()).collect();
        assert_eq!(given().1, all.into_iter().rev().take(KEPT).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_goes_on_beside_another_leaves_no_names_behind() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(StateDir::new(directory.path(), false));
        let keep = || spool.keep(Receipt::new(Vec::new(), &Environment::default(), &[])).unwrap();
        keep();
        let file = fs::File::open(directory.path().join("webhook/v1").join(NAME)).unwrap();
        let stopped = process::try_lock(file).unwrap();
        keep();
        assert_eq!((spool.given().last, spool.given().names.len()), (2, 0));
        drop(stopped);
        let name = keep().name();
        assert_eq!(spool.given().names, [name]);
        assert_eq!(spool.given().from, 3);
    }
}
