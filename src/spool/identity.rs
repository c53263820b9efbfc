//! Which spool this is: made once, so that what was written here is told from what a copy of the repository wrote.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Spool, record};
use crate::files::{Dir, FileError};
use crate::identifier;

/// The file's name.
const IDENTITY: &str = "identity";

#[derive(Serialize, Deserialize)]
struct IdentityForm {
    /// Random, made once.
    id: Uuid,
    /// Where the file was when it was made, by which a copy is noticed: a rename changes neither.
    device: u64,
    inode: u64,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Spool {
    /// The spool's own id; `None` where there is none, and none can be made now.
    pub fn identity(&self) -> Option<Uuid> {
        let known = self.state.spool().open().ok().and_then(|directory| read(&directory));
        known.or_else(|| self.make_identity().map_err(|error| log::warn!("{error}")).ok())
    }

    /// Makes the id, where nobody else has meanwhile.
    ///
    /// Crash: one rename of a file that is on the disk, so it is there whole or not at all.
    fn make_identity(&self) -> Result<Uuid, FileError> {
        self.locked(|directory, _| {
            if let Some(id) = read(directory) {
                return Ok(id);
            }
            let id = identifier::spool();
            let (device, inode) = directory.device_and_inode();
            let form = IdentityForm { id, device, inode, unknown: Map::new() };
            directory.write_durably(IDENTITY, &record::encode(&form))?;
            Ok(id)
        })
    }
}

fn read(directory: &Dir) -> Option<Uuid> {
    let form: IdentityForm = record::decode(&directory.read(IDENTITY).ok()?).ok()?;
    Some(form.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_dir::StateDir;

    #[test]
    fn it_is_made_once_however_many_find_none() {
        let directory = tempfile::tempdir().unwrap();
        let spool = || Spool::new(StateDir::new(directory.path(), false));
        let id = spool().identity();
        assert!(id.is_some());
        assert_eq!(spool().identity(), id);
        assert_eq!(spool().make_identity().ok(), id, "another was faster");
    }
}
