//! The newest receipts, from the last one back, each read when it is asked for.

use super::Spool;
use super::name::number;
use super::push::Receipt;
use super::receipt;
use crate::files::Folder;

/// Goes through the receipts from the newest back.
pub struct Newest<'s> {
    spool: &'s Spool,
    /// The files known so far, the newest last.
    files: Vec<(u64, Folder, String)>,
    /// The number that comes next if none is missing, as long as only those places were looked into where the newest lie nearly
    /// always; `None` once all were.
    next: Option<u64>,
    /// The number of the last one that was given out.
    given: u64,
    /// The number of one that nobody asks for.
    but: Option<u64>,
}

impl<'s> Newest<'s> {
    /// Over a spool whose receipts of today are settled under this name, without the one that has the number `but`.
    pub fn new(spool: &'s Spool, today: &str, but: Option<u64>) -> Self {
        let next = Some(spool.last_sequence());
        let folders = [spool.place("receipts"), spool.place("settled").join(today)];
        let names =
            |folder: Folder| folder.names().unwrap_or_default().into_iter().map(move |name| (folder.clone(), name));
        Self { spool, files: sorted(folders.into_iter().flat_map(names)), next, given: u64::MAX, but }
    }

    /// The next file. As long as no number is missing, none lies elsewhere that is newer.
    fn file(&mut self) -> Option<(u64, Folder, String)> {
        if let Some(next) = self.next {
            match self.files.last() {
                // It came since.
                Some((number, ..)) if *number > next && *number < self.given => {}
                Some((number, ..)) if *number == next => self.next = next.checked_sub(1),
                _ => {
                    self.next = None;
                    self.files = sorted(self.spool.newest_receipts());
                    self.files.retain(|(number, ..)| *number < self.given);
                }
            }
        }
        let file = self.files.pop()?;
        self.given = file.0;
        Some(file)
    }
}

impl Iterator for Newest<'_> {
    type Item = (u64, Receipt);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, folder, name) = self.file()?;
            if Some(number) == self.but {
                continue;
            }
            // It may have been settled meanwhile, and nobody waits for it.
            let read = folder.open().ok().and_then(|directory| receipt::read(&directory, &name).ok());
            if let Some(receipt) = read {
                return Some((number, receipt));
            }
        }
    }
}

fn sorted(files: impl IntoIterator<Item = (Folder, String)>) -> Vec<(u64, Folder, String)> {
    let numbered = files.into_iter().filter_map(|(folder, name)| Some((number(&name)?, folder, name)));
    let mut files: Vec<_> = numbered.collect();
    files.sort_by_key(|(number, ..)| *number);
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Environment;
    use crate::state_dir::StateDir;

    #[test]
    fn they_come_from_the_newest_back_wherever_they_lie() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(StateDir::new(directory.path(), false));
        let keep = || spool.keep(Receipt::new(Vec::new(), &Environment::default(), &[])).unwrap();
        let numbers = |but| Newest::new(&spool, "2026-11-30", but).map(|(number, _)| number).collect::<Vec<_>>();
        spool.settle(keep(), "2026-11-29");
        spool.settle(keep(), "2026-11-30");
        // A number that nothing has.
        spool.sequence_of_unkept();
        spool.settle(keep(), "2026-11-29");
        spool.set_stuck(&keep()).unwrap();
        spool.settle(keep(), "2026-11-30");
        let last = keep();
        assert_eq!(numbers(None), [7, 6, 5, 4, 2, 1]);
        assert_eq!(numbers(Some(last.sequence)), [6, 5, 4, 2, 1]);
        drop(last);
        // The machine was started anew, and the number given last is not known.
        spool.state().spool().open().unwrap().remove("lock").unwrap();
        assert_eq!(numbers(Some(5)), [7, 6, 4, 2, 1]);
    }
}
