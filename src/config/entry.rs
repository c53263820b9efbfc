//! What configuration files are made of: their lines, where each stands, and why a file cannot be read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::message;

/// The sections that mean something to us or to what is read; lines of others are looked at and dropped.
pub(super) const READ: [&str; 8] =
    ["webhook", "webhookuser", "gitweb", "core", "extensions", "include", "includeif", "remote"];

/// The sections that mean something to us.
pub(super) const SECTIONS: [&str; 4] = ["webhook", "webhookuser", "gitweb", "core"];

/// `key = value` at one place of a file.
#[derive(Clone)]
pub(super) struct Line {
    /// In lower case.
    pub section: &'static str,
    /// As it is written; in lower case where no quotes stand around it.
    pub subsection: Option<Rc<[u8]>>,
    /// In lower case.
    pub key: String,
    /// `None` without `=`.
    pub value: Option<Vec<u8>>,
    /// A `#` or `;` ends the value with no space before it.
    pub is_cut: bool,
}

/// Where a value was set; later ones win over earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `/etc/gitconfig` or where this git has it.
    System,
    /// The user's own file.
    Global,
    /// The repository's `config` or `config.worktree`.
    Repository,
}

/// One value of one key, in the order in which git sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The section, in lower case.
    pub section: &'static str,
    /// The subsection as it is written; in lower case for the old form `[section.sub]`.
    pub subsection: Option<Rc<[u8]>>,
    /// The key, in lower case.
    pub key: String,
    /// The value; `None` for a key without `=`, which is a boolean's `true`.
    pub value: Option<Vec<u8>>,
    /// Where the file that holds it, or that includes the file that holds it, belongs.
    pub scope: Scope,
    /// The file.
    pub file: Rc<Path>,
    /// A `#` or `;` with no space before it ends the value, which is most often meant to be part of it.
    pub is_cut: bool,
}

impl Entry {
    pub(super) fn new(line: Line, scope: Scope, file: Rc<Path>) -> Self {
        let Line { section, subsection, key, value, is_cut } = line;
        Self { section, subsection, key, value, scope, file, is_cut }
    }
}

/// Why the configuration as a whole cannot be used. None of these quotes a file's content: an include may name any file
/// there is.
#[derive(Debug)]
pub enum Unreadable {
    /// A file exists and cannot be read, is a directory or a fifo, or is too large.
    File(PathBuf, io::Error),
    /// A file is not git configuration, at this line.
    Syntax(PathBuf, usize),
    /// `include.path` in this file has no value, or begins with a home that is not there.
    Include(PathBuf),
    /// This file is included below ten others.
    Depth(PathBuf),
    /// This file sets `remote.*.url`, is included by `includeIf`, and another is included by
    /// `includeIf.hasconfig:remote.*.url`: git refuses that.
    RemoteUrl(PathBuf),
    /// `includeIf.onbranch` in a reftable repository, where only git can tell the branch.
    OnBranch(PathBuf),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::File(file, error) => message::cannot_read(file.display(), error),
            Self::Syntax(file, line) => message::bad_configuration_line(line, file.display()),
            Self::Include(file) => message::include_unclear(file.display()),
            Self::Depth(file) => message::include_too_deep(file.display()),
            Self::RemoteUrl(file) => message::remote_url_included(file.display()),
            Self::OnBranch(file) => message::on_branch_in_reftable(file.display()),
        })
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    pub(super) fn too_many(path: &Path) -> Self {
        Self::File(path.into(), io::Error::other(message::too_many_lines()))
    }
}
