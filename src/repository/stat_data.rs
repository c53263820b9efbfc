//! Whether git may have moved any ref, by what the file system says of packed-refs and of the directories with loose refs: git
//! writes a ref to a new file and gives it the name, which leaves a trace in the directory. So no ref's file is looked at.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::Layout;
use crate::signature::sha256_hex;

/// What changes in the same moment as it is looked at may look the same afterwards: file systems count in ticks of a
/// hundredth of a second or two seconds. git's index has the same rule ("racy git").
const TICK: i64 = 2;

/// What the file system says of where the refs are.
#[derive(Clone, Debug)]
pub struct StatData {
    bytes: Vec<u8>,
    newest: i64,
}

impl StatData {
    /// Whether nothing has changed for so long before `now`, in seconds since 1970, that the next change is seen.
    pub fn is_settled(&self, now: i64) -> bool {
        self.newest < now - TICK
    }

    /// By what it is compared, together with what else plays a part.
    pub fn digest(&self, with: &[u8]) -> String {
        sha256_hex(&[self.bytes.as_slice(), with].concat())
    }

    fn add(&mut self, name: &[u8], stat: &Metadata) {
        self.newest = self.newest.max(stat.mtime()).max(stat.ctime());
        self.bytes.extend_from_slice(name);
        let times = [stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec()];
        let numbers = times.into_iter().chain([stat.ino() as i64, stat.size() as i64]);
        // No name holds a zero.
        self.bytes.push(0);
        numbers.for_each(|number| self.bytes.extend_from_slice(&number.to_le_bytes()));
    }

    /// Adds a file; one that is not there adds nothing.
    fn add_file(&mut self, path: &Path) -> Option<()> {
        match fs::symlink_metadata(path) {
            Ok(stat) if stat.is_symlink() => None,
            Ok(stat) => {
                self.add(path.file_name()?.as_bytes(), &stat);
                Some(())
            }
            Err(error) => (error.kind() == std::io::ErrorKind::NotFound).then_some(()),
        }
    }

    /// Adds a directory and all below it.
    fn add_directory(&mut self, directory: &Path) -> Option<()> {
        self.add(directory.as_os_str().as_bytes(), &fs::symlink_metadata(directory).ok()?);
        let mut directories = Vec::new();
        for entry in fs::read_dir(directory).ok()? {
            let entry = entry.ok()?;
            let kind = entry.file_type().ok()?;
            if kind.is_symlink() {
                return None;
            } else if kind.is_dir() {
                directories.push(entry.path());
            }
        }
        directories.sort();
        directories.iter().try_for_each(|directory| self.add_directory(directory))
    }
}

/// Looks at them; `None` where that says nothing: something cannot be looked at, or is a link to elsewhere. What somebody writes
/// into the file of a loose ref by hand is not seen.
pub fn stat_data(common_dir: &Path, layout: Layout) -> Option<StatData> {
    let mut data = StatData { bytes: Vec::new(), newest: i64::MIN };
    data.add_file(&common_dir.join("HEAD"))?;
    if layout.reftable {
        // Written anew whenever a table comes or goes, and with each change one comes (gitformat-reftable(5)).
        data.add_file(&common_dir.join("reftable/tables.list"))?;
    } else {
        data.add_file(&common_dir.join("packed-refs"))?;
        data.add_directory(&common_dir.join("refs"))?;
    }
    Some(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ref_update::ObjectFormat;
    use std::os::unix::fs::symlink;

    #[test]
    fn whatever_changes_is_seen_and_what_is_a_link_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("refs/heads/deep")).unwrap();
        for name in ["HEAD", "packed-refs", "refs/heads/deep/a"] {
            fs::write(path(name), "1").unwrap();
        }
        let layout = Layout { object_format: ObjectFormat::Sha1, reftable: false };
        let look = || stat_data(directory.path(), layout).map(|data| data.digest(b""));
        let mut before = look();
        assert_eq!(look(), before);
        // As git does.
        let update = |name: &str| {
            fs::write(path(&format!("{name}.lock")), "22")?;
            fs::rename(path(&format!("{name}.lock")), path(name))
        };
        let changes: [&dyn Fn() -> std::io::Result<()>; 6] = [
            &|| update("refs/heads/deep/a"),
            &|| fs::write(path("HEAD"), "22"),
            &|| fs::write(path("packed-refs"), "22"),
            &|| fs::write(path("refs/heads/b"), ""),
            &|| fs::rename(path("refs/heads/deep/a"), path("refs/heads/deep/c")),
            &|| fs::remove_file(path("packed-refs")),
        ];
        for change in changes {
            change().unwrap();
            assert_ne!(look(), before);
            before = look();
        }
        let data = stat_data(directory.path(), layout).unwrap();
        assert_eq!([0, 2, 3].map(|later| data.is_settled(data.newest + later)), [false, false, true]);
        assert_ne!(data.digest(b"1"), data.digest(b"2"));
        fs::create_dir(path("reftable")).unwrap();
        let tables = Layout { reftable: true, ..layout };
        let look_at_tables = || stat_data(directory.path(), tables).map(|data| data.digest(b""));
        let before = look_at_tables();
        fs::write(path("reftable/tables.list"), "").unwrap();
        assert_ne!(look_at_tables(), before);
        symlink("b", path("refs/heads/link")).unwrap();
        assert_eq!(look(), None);
    }
}
