//! The snapshot of all refs, which `git webhook reconcile` compares with what they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Spool;
use super::record::{self, Text};
use crate::files::{FileError, Unfit};
use crate::message;
use crate::ref_update::{Alias, ObjectId, RefName, RefUpdate};
use crate::target::{RefPatterns, Target};

/// Its file in our directory.
pub(super) const NAME: &str = "refs";

/// Where all refs stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefSnapshot {
    /// The number of the last push that is in it. Later ones may be too.
    pub sequence: u64,
    /// The refs.
    pub refs: BTreeMap<RefName, ObjectId>,
    /// The symbolic refs, with those that they lead to.
    pub links: BTreeMap<RefName, RefName>,
    /// The targets that were enabled when it was taken, with what they wanted.
    pub asked: Vec<Filter>,
    /// Whether refs of namespaces and symbolic ones are in it, which programs of before left out.
    pub is_whole: bool,
}

/// A target, with the patterns of the refs that it wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Its name.
    pub target: String,
    /// As in `webhook.<name>.ref`.
    pub refs: Vec<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Filter {
    /// That of a target.
    pub fn of(target: &Target) -> Self {
        Self { target: target.name.to_string(), refs: target.refs.words().collect(), unknown: Map::new() }
    }

    /// Whether it is this target's, and takes a ref.
    pub(super) fn takes(&self, target: &str, name: &RefName) -> bool {
        let patterns = RefPatterns::parse(self.refs.iter().map(String::as_str));
        self.target == target && patterns.is_ok_and(|patterns| patterns.include(name))
    }
}

#[derive(Serialize, Deserialize)]
struct SnapshotForm {
    sequence: u64,
    refs: Vec<(Text, String)>,
    /// `None` where a program of before wrote it.
    #[serde(default)]
    links: Option<Vec<(Text, Text)>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    asked: Vec<Filter>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl RefSnapshot {
    /// Moves the refs as the updates say.
    pub fn apply(&mut self, updates: &[RefUpdate]) {
        for update in updates {
            match update.alias.as_deref() {
                Some(Alias::Itself(Some(to))) => {
                    self.refs.remove(&update.name);
                    self.links.insert(update.name.clone(), to.clone());
                }
                // It is gone, or an ordinary ref has taken its place; or of which there is a line was none then.
                _ => {
                    self.links.remove(&update.name);
                    match update.new {
                        Some(new) => self.refs.insert(update.name.clone(), new),
                        None => self.refs.remove(&update.name),
                    };
                }
            }
        }
    }

    /// Where a ref stands, through the symbolic ones.
    pub fn resolve(&self, name: &RefName) -> Option<ObjectId> {
        let mut name = name;
        // No further than the eye can see: they may lead in a ring.
        for _ in 0..10 {
            match self.links.get(name) {
                Some(next) => name = next,
                None => return self.refs.get(name).copied(),
            }
        }
        None
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
        let name = |text: Text| Some(RefName::new(text.bytes()?.into_owned()));
        let is_whole = form.links.is_some();
        let link = |(from, to): (Text, Text)| Some((name(from)?, name(to)?));
        let links: Option<_> = form.links.unwrap_or_default().into_iter().map(link).collect();
        let links = links.ok_or_else(|| Unfit::Unsound(message::no_ref().into()))?;
        Ok(Some(RefSnapshot { sequence: form.sequence, refs, links, asked: form.asked, is_whole }))
    }

    /// Whether there is one, readable or not.
    pub fn has_snapshot(&self) -> bool {
        self.state.root().look(NAME).is_some()
    }

    fn snapshot_form(&self) -> Result<Option<SnapshotForm>, Unfit> {
        self.kept(NAME)
    }

    /// Keeps a snapshot in place of the one before.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn set_snapshot(&self, snapshot: &RefSnapshot) -> Result<(), FileError> {
        let refs = snapshot.refs.iter().map(|(name, id)| (Text::new(name.whole()), id.to_string())).collect();
        // What a damaged one held is lost with it.
        let unknown = self.snapshot_form().ok().flatten().map(|form| form.unknown).unwrap_or_default();
        let text = |name: &RefName| Text::new(name.whole());
        let links = snapshot.links.iter().map(|(from, to)| (text(from), text(to))).collect();
        let form = SnapshotForm {
            sequence: snapshot.sequence,
            refs,
            links: Some(links),
            asked: snapshot.asked.clone(),
            unknown,
        };
        self.state.root().make()?.write_durably(NAME, &record::encode(&form))
    }
}
