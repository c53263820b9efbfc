//! HEAD, and which branch a clone has checked out for it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Objects;
use super::object::links;
use super::refs::{self, Links, Refs};
use crate::config::Layout;
use crate::ref_update::{Namespace, ObjectId, RefKind, RefName};

/// What HEAD of a namespace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// The branch that it leads to, be it born or not.
    Branch(RefName),
    /// A ref that is no branch of the namespace.
    Other(RefName),
    /// The id of a commit; `None` where it cannot be read.
    Detached(Option<ObjectId>),
}

impl Head {
    /// Reads it.
    pub fn of(common_dir: &Path, layout: Layout, namespace: &Namespace) -> Self {
        let name = RefName::within(namespace, b"HEAD");
        match symbolic(common_dir, layout, &name) {
            Some(target) if target.kind() == RefKind::Branch && target.is_in(namespace) => Self::Branch(target),
            Some(target) => Self::Other(target),
            None => Self::Detached(refs::held(common_dir, layout, &name)),
        }
    }

    /// The branch that a clone checks out, as `git clone` guesses it: the one that HEAD leads to, though it is not there;
    /// else one at the same commit, `main` before `master` before others by name (remote.c, `guess_remote_head`). `None`
    /// where there is none, and a clone has a detached HEAD or nothing.
    pub fn default_branch(self, common_dir: &Path, layout: Layout, namespace: &Namespace) -> Option<RefName> {
        let branch = match self {
            Self::Branch(name) => return Some(name),
            other => other,
        };
        let refs = refs::all(common_dir, layout).ok()?;
        let id = match branch {
            Self::Other(target) => refs.id(&target),
            Self::Detached(id) => id,
            Self::Branch(_) => None,
        }?;
        let branches = refs.direct.into_iter().filter(|(name, _)| name.kind() == RefKind::Branch);
        let same = branches.filter(|(name, tip)| name.is_in(namespace) && *tip == id).map(|(name, _)| name);
        same.min_by_key(|name| {
            let short = name.short_text();
            (short != "main", short != "master", name.clone())
        })
    }
}

/// The branch with the newest commit, and that commit; `None` where no branch of the repository itself has one.
pub fn newest_branch(refs: &Refs, objects: &Objects) -> Option<(RefName, ObjectId)> {
    let time = |id: ObjectId| {
        let object = objects.recall(objects.peel(id)?)?;
        Some(links(object.data(), &mut Vec::new()))
    };
    let branches = refs.direct.iter().filter(|(name, _)| name.kind() == RefKind::Branch && name.namespace().is_none());
    let dated = branches.filter_map(|(name, id)| Some((time(*id)?, std::cmp::Reverse(name), *id)));
    dated.max().map(|(_, std::cmp::Reverse(name), id)| (name.clone(), id))
}

/// What a symbolic ref leads to, be it there or not; `None` where it is none.
fn symbolic(common_dir: &Path, layout: Layout, name: &RefName) -> Option<RefName> {
    let path = OsStr::from_bytes(name.whole());
    if layout.reftable {
        let target = refs::git(common_dir, &["symbolic-ref", "--quiet", path.to_str()?]).ok()?;
        return Some(RefName::new(target.trim_ascii_end()));
    }
    let target = refs::symbolic_ref(&fs::read(common_dir.join(path)).ok()?)?;
    Some(Links::new(common_dir, layout).behind(&target, true).unwrap_or(target))
}
