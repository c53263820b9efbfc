//! Bodies that would be too large: built again with less in them, until they fit.
//!
//! A format needs to know nothing of this but the two [`Limits`].

use std::fmt;

use super::{Limits, Payload, Shape};
use crate::message;

/// A payload, and what had to be left out of it.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// What is sent.
    pub payload: Payload,
    /// Where it would have been larger than allowed.
    pub reduced: Option<Reduced>,
}

/// Why a payload does not tell everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduced {
    /// How many bytes it would have had; `None` where a template was not rendered to the end.
    from: Option<usize>,
    /// How many bytes it has.
    to: usize,
    /// How many bytes were allowed.
    allowed: usize,
    /// How many commits it lists at most; `None` where only file lists were left out.
    commits: Option<usize>,
}

impl fmt::Display for Reduced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, allowed, commits } = self;
        let mut text = match from {
            Some(from) => message::reduced_body(from, allowed),
            None => message::reduced_template(allowed),
        };
        if let Some(commits) = commits {
            text = message::fewer_commits(text, commits);
        }
        f.write_str(&if to > allowed { message::still_too_large(text, to) } else { text })
    }
}

/// Builds a payload of at most as many bytes as the shape allows: without lists of files where it would be larger, then with as
/// many commits as fit, found by halving. `most` is how many the forge lists, for a target that sets no limit of its own.
pub fn fit(shape: &Shape, most: usize, build: impl Fn(&Limits) -> Option<Payload>) -> Option<Rendered> {
    let (limits, allowed) = (shape.limits, shape.most_bytes);
    let is_endless = |payload: &Payload| payload.flaw.as_ref().is_some_and(|flaw| flaw.is_of_size);
    let size = |payload: &Payload| match is_endless(payload) {
        true => usize::MAX,
        false => shape.encoding.len(&payload.body),
    };
    let whole = build(&limits)?;
    if size(&whole) <= allowed {
        return Some(Rendered { payload: whole, reduced: None });
    }
    let reduced = |payload: Payload, commits| {
        let from = (!is_endless(&whole)).then(|| size(&whole));
        let reduced = Reduced { from, to: size(&payload), allowed, commits };
        // What has no end at all is not sent.
        let reduced = (!is_endless(&payload)).then_some(reduced);
        Some(Rendered { payload, reduced })
    };
    let bare = Limits { files: false, ..limits };
    if limits.files {
        let without_files = build(&bare)?;
        if size(&without_files) <= allowed {
            return reduced(without_files, None);
        }
    }
    // The largest number of commits that fits; none where not even that does.
    let (mut fits, mut is_too_much) = (0, limits.commits.unwrap_or(most));
    let mut best = build(&Limits { commits: Some(0), ..bare })?;
    while fits + 1 < is_too_much {
        let middle = fits.midpoint(is_too_much);
        let payload = build(&Limits { commits: Some(middle), ..bare })?;
        if size(&payload) <= allowed {
            (fits, best) = (middle, payload);
        } else {
            is_too_much = middle;
        }
    }
    reduced(best, Some(fits))
}
