//! Commits and tag objects as payloads tell them: text is UTF-8, whatever git has.

use super::Time;
use crate::ref_update::ObjectId;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its object id.
    pub id: ObjectId,
    /// Its top tree; `None` where the object lacks it.
    pub tree: Option<ObjectId>,
    /// Its parents, in their order.
    pub parents: Vec<ObjectId>,
    /// The whole message with its final newline, as git has it.
    pub message: String,
    /// Who wrote it, and when.
    pub author: Person,
    /// Who committed it, and when.
    pub committer: Person,
    /// The files it changed against its first parent; empty where no target asked for them.
    pub changes: Changes,
}

/// Name, address and time of an author, committer or tagger; empty where the object lacks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The e-mail address, without angle brackets.
    pub email: String,
    /// The time.
    pub time: Time,
}

/// Paths a commit added, modified and removed, each list in git's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths that are new.
    pub added: Vec<String>,
    /// Paths whose content or mode differs.
    pub modified: Vec<String>,
    /// Paths that are gone.
    pub removed: Vec<String>,
    /// Old and new path of files that moved as they are; both stand in the lists above too, for forges that know no renames.
    pub renamed: Vec<(String, String)>,
}

/// The tag object of an annotated tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The whole message with its final newline, signature included, as git has it.
    pub message: String,
    /// Who made it; `None` in tags older than git 0.99.
    pub tagger: Option<Person>,
}
