//! Which spool this is, and where it was made: so that what was written here is told from what a copy of the repository
//! wrote, and a copy knows that it is one.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::origin::{IDENTITY, IdentityForm, read};
use super::record::{self, Text};
use super::{Spool, name};
use crate::files::{Dir, FileError, Mark};
use crate::identifier;
use crate::state_dir::StateDir;

/// Whether a spool lies where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// It does, as far as anything tells.
    Here,
    /// It is a copy: the one that it was copied from lies there.
    CopyOf(PathBuf),
    /// It was made elsewhere, where it is no more: it was moved, copied or restored.
    Elsewhere,
}

impl Spool {
    /// The id that records written now have: the spool's own, or while it lies where it was not made one of that place, by
    /// which they are told from what was copied along.
    pub(super) fn writing_as(&self) -> Option<Uuid> {
        // What is made now lies where it was made.
        let Some((form, directory)) = self.found() else { return self.identity() };
        if home_of(&form, &directory) == Home::Here {
            return Some(form.id);
        }
        let Mark { device, inode, .. } = directory;
        Some(identifier::derived(form.id, "copy", format!("{device} {inode}").as_bytes()))
    }

    fn found(&self) -> Option<(IdentityForm, Mark)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            let directory = self.state.spool().open().ok()?;
            *known = Some((read(&directory)?, directory.mark()));
        }
        known.clone()
    }

    /// The spool's own id; `None` where there is none, and none can be made now.
    pub fn identity(&self) -> Option<Uuid> {
        let known = self.found().map(|(form, _)| form.id);
        known.or_else(|| self.make_identity().map_err(|error| log::warn!("{error}")).ok())
    }

    /// Makes the id, where nobody else has meanwhile.
    ///
    /// Crash: where the directory tells when it was made, the id follows from that, so one that a power cut takes away or tears is
    /// made again as it was, and nothing is synced for it. Any other is on the disk before its first use.
    fn make_identity(&self) -> Result<Uuid, FileError> {
        self.alone(|directory| {
            if let Some(form) = read(directory) {
                return Ok(form.id);
            }
            let Mark { inode, born, .. } = directory.mark();
            match born {
                Some(born) => {
                    let form = self.form(directory, identifier::spool_of(inode, born), None, Map::new());
                    directory.write_loosely(IDENTITY, &record::encode(&form))?;
                    Ok(form.id)
                }
                None => self.write_identity(directory, identifier::spool(), None, Map::new()),
            }
        })
    }

    /// Runs `step`, which nobody else does at the same time, on the spool's directory; what is known of it is then read anew.
    fn alone<T>(&self, step: impl FnOnce(&Dir) -> Result<T, FileError>) -> Result<T, FileError> {
        self.locked(|_, _| {
            let done = step(&self.state.spool().make()?);
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
            done
        })
    }

    /// Crash: one rename of a file that is on the disk, so it is there whole or not at all.
    fn write_identity(
        &self,
        directory: &Dir,
        id: Uuid,
        accepted: Option<u64>,
        unknown: Map<String, Value>,
    ) -> Result<Uuid, FileError> {
        let form = self.form(directory, id, accepted, unknown);
        directory.write_durably(IDENTITY, &record::encode(&form))?;
        Ok(id)
    }

    fn form(&self, directory: &Dir, id: Uuid, accepted: Option<u64>, unknown: Map<String, Value>) -> IdentityForm {
        let Mark { device, inode, born } = directory.mark();
        let path = self.repository().map(|path| Text::from_os(path.as_os_str()));
        IdentityForm { id, device, inode, born, path, accepted, unknown }
    }

    /// The path of the repository that it lies in.
    fn repository(&self) -> Option<PathBuf> {
        Some(std::path::absolute(self.state.root().path()).ok()?.parent()?.components().collect())
    }

    /// Whether it was surely made in the last hour, so that nothing in it is old, unless it is a copy.
    pub fn is_new(&self) -> bool {
        self.found().and_then(|(_, directory)| directory.age()).is_some_and(|age| (0..3600).contains(&age))
    }

    /// Whether it lies where it was made.
    ///
    /// A copy lies in another directory. Another device alone is none: numbers of devices change when a file system is
    /// mounted anew; but a snapshot of a whole file system has a number of its own, and the original is still there.
    pub fn home(&self) -> Home {
        self.found().map_or(Home::Here, |(form, directory)| home_of(&form, &directory))
    }

    /// The number of the newest receipt that somebody has said counts, whatever the refs show; 0 for none.
    pub fn accepted(&self) -> u64 {
        self.found().and_then(|(form, _)| form.accepted).unwrap_or(0)
    }

    /// Says that this is where the spool lies from now on, and that all that waits in it is told here.
    ///
    /// # Errors
    /// Where that cannot be written down.
    pub fn adopt(&self) -> Result<(), FileError> {
        self.alone(|directory| {
            let known = read(directory);
            let id = known.as_ref().map_or_else(identifier::spool, |form| form.id);
            let unknown = known.map(|form| form.unknown).unwrap_or_default();
            self.write_identity(directory, id, Some(self.newest_number()), unknown).map(drop)
        })
    }

    /// Gives it another id, as one that was made where it lies.
    ///
    /// # Errors
    /// Where that cannot be written down.
    pub(super) fn renew(&self) -> Result<(), FileError> {
        let accepted = Some(self.newest_number());
        self.alone(|directory| self.write_identity(directory, identifier::spool(), accepted, Map::new()).map(drop))
    }

    /// The number of the newest receipt there is.
    fn newest_number(&self) -> u64 {
        self.newest_receipts().into_iter().filter_map(|(_, file)| name::number(&file)).max().unwrap_or(0)
    }
}

fn home_of(form: &IdentityForm, directory: &Mark) -> Home {
    let is_same = form.was_made_in(directory);
    if is_same && directory.device == form.device {
        return Home::Here;
    }
    let path = form.path.as_ref().and_then(Text::to_os).map(PathBuf::from);
    match path.filter(|path| is_original(path, form)) {
        Some(original) => Home::CopyOf(original),
        None if is_same => Home::Here,
        None => Home::Elsewhere,
    }
}

/// Whether the spool of this form still lies at the path where it was made.
fn is_original(path: &Path, form: &IdentityForm) -> bool {
    let found = Spool::new(StateDir::found(path)).found();
    found.is_some_and(|(known, directory)| {
        (known.id, directory.device) == (form.id, form.device) && form.was_made_in(&directory)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_however_many_find_none() {
        let directory = tempfile::tempdir().unwrap();
        let spool = || Spool::new(StateDir::new(directory.path(), false));
        let id = spool().identity();
        assert!(id.is_some());
        assert_eq!(spool().identity(), id);
        assert_eq!(spool().make_identity().ok(), id, "another was faster");
    }

    #[test]
    fn what_a_power_cut_takes_or_tears_is_made_again_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let spool = || Spool::new(StateDir::new(directory.path(), false));
        let id = spool().identity();
        let v1 = spool().state.spool().open().unwrap();
        if v1.mark().born.is_none() {
            return;
        }
        v1.remove(IDENTITY).unwrap();
        assert_eq!(spool().identity(), id);
        for torn in [&b""[..], b"git-web"] {
            v1.write_loosely(IDENTITY, torn).unwrap();
            assert_eq!(spool().identity(), id);
        }
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Spool::new(StateDir::new(other.path(), false)).identity(), id);
    }

    #[test]
    fn another_device_is_a_copy_where_the_original_is_still_there() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
        std::fs::create_dir(&one).unwrap();
        let spool = Spool::new(StateDir::new(&one, false));
        spool.identity().unwrap();
        std::fs::rename(&one, &other).unwrap();
        let spool = Spool::new(StateDir::new(&other, false));
        assert_eq!(spool.home(), Home::Here, "renamed");
        let held = spool.state.spool().open().unwrap();
        let form = read(&held).unwrap();
        let remounted = IdentityForm { device: form.device + 1, ..form };
        held.write_durably(IDENTITY, &record::encode(&remounted)).unwrap();
        let spool = Spool::new(StateDir::new(&other, false));
        assert_eq!(spool.home(), Home::Here, "mounted anew");
        spool.adopt().unwrap();
        assert_eq!(read(&held).unwrap().device, remounted.device - 1);
    }
}
