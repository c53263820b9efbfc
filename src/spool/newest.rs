//! The newest receipts, from the last one back, each read when it is asked for.

use std::vec;

use super::Spool;
use super::name::number;
use super::push::Receipt;
use super::receipt;
use super::sequence::Given;
use crate::files::Folder;

/// Goes through the receipts from the newest back.
pub struct Newest<'s> {
    spool: &'s Spool,
    /// Where those of today are settled.
    today: Folder,
    /// The names of the newest, as long as each is found where the newest lie nearly always: unsettled, or settled today.
    names: vec::IntoIter<String>,
    /// No receipt is older than these.
    are_all: bool,
    /// All files, the newest last, once they were looked for.
    files: Option<Vec<(u64, Folder, String)>>,
    /// The number of the last one that was passed.
    passed: u64,
    /// The number of one that nobody asks for.
    but: Option<u64>,
    /// The number given last when this began.
    pub last: u64,
}

impl<'s> Newest<'s> {
    /// Over a spool whose receipts of today are settled under this name, without the one that has the number `but`.
    pub fn new(spool: &'s Spool, today: &str, but: Option<u64>) -> Self {
        let Given { names, from, last } = spool.given();
        let (today, names) = (spool.place("settled").join(today), names.into_iter());
        Self { spool, today, names, are_all: from == 1, files: None, passed: u64::MAX, but, last }
    }

    /// The next one, if its number is above `least`.
    pub fn next_above(&mut self, least: u64) -> Option<(u64, Receipt)> {
        while let Some(name) = self.names.next() {
            let number = number(&name).filter(|number| *number > least)?;
            if Some(number) == self.but {
                self.passed = number;
                continue;
            }
            // It may be on its way from the one place to the other.
            let places = [self.spool.place("receipts"), self.today.clone()];
            match places.iter().find_map(|folder| receipt::read_in(folder, &name).ok()) {
                Some(receipt) => {
                    self.passed = number;
                    return Some((number, receipt));
                }
                None => (self.names, self.are_all) = (Vec::new().into_iter(), false),
            }
        }
        if self.are_all { None } else { self.next_of_all(least) }
    }

    fn next_of_all(&mut self, least: u64) -> Option<(u64, Receipt)> {
        let passed = self.passed;
        let files = self.files.get_or_insert_with(|| {
            let mut files = sorted(self.spool.newest_receipts());
            files.retain(|(number, ..)| *number < passed);
            files
        });
        while let Some((number, folder, name)) = files.pop_if(|(number, ..)| *number > least) {
            self.passed = number;
            // It may have been settled meanwhile, and nobody waits for it.
            let read = receipt::read_in(&folder, &name).ok().filter(|_| Some(number) != self.but);
            if let Some(receipt) = read {
                return Some((number, receipt));
            }
        }
        None
    }
}

impl Iterator for Newest<'_> {
    type Item = (u64, Receipt);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_above(0)
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
