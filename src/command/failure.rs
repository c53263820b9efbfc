//! Why a verb could not do its work: words for whoever typed it, but for what a caller decides by.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::message;
use crate::text::sanitise;

/// Why nothing was done; a process of a repository's owner hands it to root's.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    /// In words.
    Said(String),
    /// The repository has no target of this name, but the others.
    NoTarget { name: String, others: Vec<String> },
}

impl Failure {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self::Said(why.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Said(why) => why.clone(),
            Self::NoTarget { name, others } if others.is_empty() => message::no_target_yet(name),
            Self::NoTarget { name, others } => message::other_targets(name, others.join(", ")),
        };
        f.write_str(&sanitise(&text))
    }
}

pub(super) fn failure<T>(why: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(why))
}
