//! Whether what a push tells of came with it, told from when files were written: to ask all refs takes a second where there are
//! 100,000 of them.
//!
//! A push of a few commits leaves each in a file of its own. Where these were born since git-receive-pack started, no ref that was
//! written before them can lead to them; so it is enough to know when refs were written last. Where any of it is not certain,
//! all refs are asked.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Objects, Reader};
use crate::event::Push;
use crate::ref_update::ObjectId;

impl Objects {
    /// When the file was made that holds an object by itself; `None` where there is none, or the file system does not tell.
    fn born(&self, id: ObjectId) -> Option<SystemTime> {
        let id = id.to_string();
        fs::metadata(self.directory.join(&id[..2]).join(&id[2..])).ok()?.created().ok()
    }
}

impl Reader<'_> {
    /// Whether it is certain that none of the commits that a push tells could be reached by a ref that it does not name itself.
    pub(super) fn came_with(&mut self, push: &Push) -> bool {
        let (Some(begun), Some(head)) = (self.begun, push.head()) else { return false };
        let told = std::iter::once(head.id).chain(push.commits.iter().map(|commit| commit.id));
        let births: Option<Vec<_>> = told.map(|id| self.objects.born(id).filter(|born| *born >= begun)).collect();
        let Some(first) = births.and_then(|births| births.into_iter().min()) else { return false };
        if push.commits.len() as u64 != push.total || self.layout.reftable {
            return false;
        }
        let last = *self.others_written.get_or_insert_with(|| {
            let own: HashSet<PathBuf> = self.updates.iter().map(|it| path(&self.common_dir, it.name.whole())).collect();
            last_written(&self.common_dir, &own).ok()
        });
        last.is_some_and(|last| last < first)
    }
}

fn path(common_dir: &Path, name: &[u8]) -> PathBuf {
    common_dir.join(std::ffi::OsStr::from_bytes(name))
}

/// When a ref was written last, those of some files left out.
fn last_written(common_dir: &Path, own: &HashSet<PathBuf>) -> io::Result<SystemTime> {
    let mut last = written(&common_dir.join("HEAD"))?;
    match written(&common_dir.join("packed-refs")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        packed => last = last.max(packed?),
    }
    let mut directories = vec![common_dir.join("refs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                directories.push(path);
            } else if !own.contains(&path) {
                last = last.max(written(&path)?);
            }
        }
    }
    Ok(last)
}

/// When a file was changed last in whatever way, which nobody can set back.
fn written(path: &Path) -> io::Result<SystemTime> {
    let data = fs::symlink_metadata(path)?;
    let since = Duration::new(u64::try_from(data.ctime()).unwrap_or(u64::MAX), data.ctime_nsec() as u32);
    SystemTime::UNIX_EPOCH.checked_add(since).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn a_ref_that_was_written_last_may_lead_to_what_came_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("refs/heads/a")).unwrap();
        let write = |name: &str| {
            // The clock of files ticks some hundred times a second.
            sleep(Duration::from_millis(30));
            fs::write(root.join(name), "x").unwrap();
            sleep(Duration::from_millis(30));
            SystemTime::now()
        };
        let first = write("HEAD");
        let own = HashSet::from([root.join("refs/heads/own")]);
        let last = || last_written(root, &own).unwrap();
        assert!(last() < first);
        write("refs/heads/own");
        assert!(last() < first, "its own ref");
        let second = write("refs/heads/a/b");
        assert!(first < last() && last() < second, "another one");
        let third = write("packed-refs");
        assert!(second < last() && last() < third, "the packed ones");
        sleep(Duration::from_millis(30));
        fs::File::open(root.join("refs/heads/a/b")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(third < last(), "whatever it is said to be as old as");
    }
}
