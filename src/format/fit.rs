//! Makes the payloads of a format, and makes one that is too large smaller: file lists go first, then the oldest commits.

use std::fmt;

use super::{Format, Limits, Payload, Telling};
use crate::event::{Event, EventName};

/// A payload, and what had to be left out of it.
#[derive(Clone, Debug)]
pub struct Told {
    /// What is sent.
    pub payload: Payload,
    /// Where it would have been larger than allowed.
    pub reduced: Option<Reduced>,
}

/// Why a payload does not tell everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduced {
    /// How many bytes it would have had.
    from: usize,
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
        write!(f, "a body of {from} bytes is larger than maxBody ({allowed}): told without lists of files")?;
        if let Some(commits) = commits {
            write!(f, " and with at most {commits} commits")?;
        }
        if to > allowed { write!(f, "; {to} bytes are left all the same") } else { Ok(()) }
    }
}

impl Format {
    /// The payload of one event; `None` where the forge has no such event, or tells of pushes as a whole.
    pub fn tell(&self, event: &Event, name: EventName, commits: Option<usize>, allowed: usize) -> Option<Told> {
        let Telling::Each(payload) = self.telling else { return None };
        self.fit(commits, allowed, |limits| payload(event, name, limits))
    }

    /// The payload of a whole push, of which these are the events; `None` where the forge tells of each by itself.
    pub fn tell_whole(&self, events: &[&Event], commits: Option<usize>, allowed: usize) -> Option<Told> {
        let Telling::Whole(payload) = self.telling else { return None };
        self.fit(commits, allowed, |limits| payload(events, limits))
    }

    fn fit(&self, commits: Option<usize>, allowed: usize, build: impl Fn(&Limits) -> Option<Payload>) -> Option<Told> {
        let whole = build(&Limits { commits, files: true })?;
        if whole.body.len() <= allowed {
            return Some(Told { payload: whole, reduced: None });
        }
        let reduced = |payload: Payload, commits| {
            let reduced = Reduced { from: whole.body.len(), to: payload.body.len(), allowed, commits };
            Some(Told { payload, reduced: Some(reduced) })
        };
        let bare = build(&Limits { commits, files: false })?;
        if bare.body.len() <= allowed {
            return reduced(bare, None);
        }
        // The largest number of commits that fits; none where not even that does.
        let (mut fits, mut is_too_much) = (0, commits.unwrap_or(self.wants.commits));
        let mut best = build(&Limits { commits: Some(0), files: false })?;
        while fits + 1 < is_too_much {
            let middle = fits.midpoint(is_too_much);
            let payload = build(&Limits { commits: Some(middle), files: false })?;
            if payload.body.len() <= allowed {
                (fits, best) = (middle, payload);
            } else {
                is_too_much = middle;
            }
        }
        reduced(best, Some(fits))
    }
}
