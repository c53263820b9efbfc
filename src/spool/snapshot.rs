//! The snapshot of all refs, which `git webhook reconcile` compares with what they are.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Spool;
use super::record::{self, Text};
use crate::files::{FileError, Unfit};
use crate::message;
use crate::ref_update::{ObjectId, RefName, RefUpdate};

/// Its file in our directory.
pub(super) const NAME: &str = "refs";

/// Where all refs stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefSnapshot {
    /// The number of the last push that is in it. Later ones may be too.
    pub sequence: u64,
    /// The refs.
    pub refs: BTreeMap<RefName, ObjectId>,
    /// Whether refs of namespaces are among them, which programs of before left out.
    pub has_namespaces: bool,
}

#[derive(Serialize, Deserialize)]
struct SnapshotForm {
    sequence: u64,
    refs: Vec<(Text, String)>,
    #[serde(default)]
    has_namespaces: bool,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl RefSnapshot {
    /// Moves the refs as the updates say.
    pub fn apply(&mut self, updates: &[RefUpdate]) {
        for update in updates {
            match update.new {
                Some(new) => self.refs.insert(update.name.clone(), new),
                None => self.refs.remove(&update.name),
            };
        }
    }
}

impl Spool {
    /// The snapshot taken last; `None` where there is none yet.
    ///
    /// # Errors
    /// Where it cannot be read, or is damaged.
    pub fn snapshot(&self) -> Result<Option<RefSnapshot>, Unfit> {
        let Some(form) = self.snapshot_form()? else { return Ok(None) };
        let line = |(name, id): (Text, String)| {
            Some((RefName::new(name.bytes()?.into_owned()), ObjectId::from_hex(id.as_bytes())??))
        };
        let refs: Option<_> = form.refs.into_iter().map(line).collect();
        let refs = refs.ok_or_else(|| Unfit::Unsound(message::no_ref().into()))?;
        Ok(Some(RefSnapshot { sequence: form.sequence, refs, has_namespaces: form.has_namespaces }))
    }

    fn snapshot_form(&self) -> Result<Option<SnapshotForm>, Unfit> {
        let read = self.state.root().open().map_err(Unfit::Unreadable).and_then(|root| root.read(NAME));
        match read {
            Ok(bytes) => record::decode(&bytes).map(Some).map_err(Unfit::Unsound),
            Err(Unfit::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Keeps a snapshot in place of the one before.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn set_snapshot(&self, snapshot: &RefSnapshot) -> Result<(), FileError> {
        let refs = snapshot.refs.iter().map(|(name, id)| (Text::new(name.whole()), id.to_string())).collect();
        // What a damaged one held is lost with it.
        let unknown = self.snapshot_form().ok().flatten().map(|form| form.unknown).unwrap_or_default();
        let RefSnapshot { sequence, has_namespaces, .. } = *snapshot;
        let form = SnapshotForm { sequence, refs, has_namespaces, unknown };
        self.state.root().make()?.write_durably(NAME, &record::encode(&form))
    }
}
