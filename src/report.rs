//! Everything the pusher is told: one enum, one `Display`, escaped for terminals, in few words and without ever
//! blocking.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::io::{self, Write, stderr};
use std::time::Duration;

use uuid::Uuid;

use crate::event::ReviewAction;
use crate::message;
use crate::outcome::{Failure, FailureKind, GONE, Outcome};
use crate::process;
use crate::ref_update::{RefName, Skipped};
use crate::text::{sanitise, shorten};

/// One line to the pusher.
#[derive(Debug)]
pub enum Notice<'a> {
    /// What became of one target's deliveries.
    Target(Summary<'a>),
    /// A target whose configuration is wrong, and whether its events are kept. The pusher cannot mend it, so the line is
    /// short.
    Misconfigured(&'a str, bool),
    /// The configuration as a whole cannot be read.
    Unreadable,
    /// The object database cannot be opened.
    NoObjects,
    /// The push could not be written down, so what is not delivered now is lost.
    NotKept(&'a str),
    /// There was no time for all of it.
    Unfinished,
    /// So many refs are delivered by a process of its own.
    Detached(usize),
    /// The push could be neither written down nor sent.
    NotTold(&'a str),
    /// Nothing could be sent, but the push is written down.
    KeptThough(&'a str),
    /// What a push did to a review.
    Review(&'a ReviewLine),
    /// A push option that did nothing, with the reason.
    OptionPassedOver(&'a str),
    /// Standard input held something that is no ref update.
    Skipped(&'a Skipped),
    /// Standard input ended in silence; what arrived was told.
    CutShort,
    /// Not called as a hook.
    Usage,
}

/// A review that a push did something to.
#[derive(Clone, Debug)]
pub struct ReviewLine {
    /// Its number.
    pub number: u32,
    /// What happened.
    pub action: ReviewAction,
    /// Source and target.
    pub branches: (String, String),
    /// Its web page; empty where none is known.
    pub page: String,
}

/// What became of one target's deliveries.
#[derive(Debug)]
pub struct Summary<'a> {
    /// The target's name.
    pub target: &'a str,
    /// Each ref with what came of it, in the order in which they were sent.
    pub outcomes: Vec<Told<'a>>,
    /// Whether what was not delivered waits to be tried again.
    pub is_kept: bool,
}

/// What came of telling a target of one ref.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The ref.
    pub name: &'a RefName,
    /// The delivery.
    pub id: Uuid,
    /// What came of it.
    pub outcome: &'a Outcome,
}

impl<'a> Summary<'a> {
    /// Whether anything was not delivered.
    pub fn has_failures(&self) -> bool {
        self.failures().next().is_some()
    }

    fn failures(&self) -> impl Iterator<Item = (Told<'a>, &'a Failure)> {
        self.outcomes.iter().filter_map(|told| match told.outcome {
            Outcome::Failed(failure) => Some((*told, failure)),
            Outcome::Delivered { .. } | Outcome::Published { .. } => None,
        })
    }

    /// `200, 12 ms` or `200 and 202, up to 31 ms`; of what was published the time alone.
    fn answers(&self) -> String {
        let mut statuses = BTreeSet::new();
        let mut longest = Duration::ZERO;
        for told in &self.outcomes {
            match told.outcome {
                Outcome::Delivered { status, elapsed } => {
                    statuses.insert(status.to_string());
                    longest = longest.max(*elapsed);
                }
                Outcome::Published { elapsed } => longest = longest.max(*elapsed),
                Outcome::Failed(_) => {}
            }
        }
        let statuses: Vec<_> = statuses.into_iter().collect();
        let up_to = if self.outcomes.len() > 1 { "up to " } else { "" };
        let comma = if statuses.is_empty() { "" } else { ", " };
        format!("{}{comma}{up_to}{}", statuses.join(" and "), duration(longest))
    }

    /// What is said of those that were taken: of a target that is told through the broker nobody here knows more yet.
    fn verb(&self) -> &'static str {
        let is_published = |told: &Told<'_>| matches!(told.outcome, Outcome::Published { .. });
        if self.outcomes.iter().any(is_published) { "published" } else { "delivered" }
    }
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(summary) => summary.fmt(f),
            Self::Misconfigured(name, is_kept) => {
                let text = if *is_kept { message::misconfigured(name) } else { message::misconfigured_unkept(name) };
                f.write_str(&text)
            }
            Self::Unreadable => f.write_str(message::unreadable()),
            Self::NoObjects => f.write_str(message::no_objects()),
            Self::NotKept(why) => f.write_str(&message::not_kept(why)),
            Self::Unfinished => f.write_str(message::unfinished()),
            Self::NotTold(why) => f.write_str(&message::not_told(why)),
            Self::KeptThough(why) => f.write_str(&message::kept_though(why)),
            Self::Detached(1) => f.write_str("webhook: the event is kept, and is delivered in the background"),
            Self::Detached(count) => {
                write!(f, "webhook: {count} events are kept, and are delivered in the background")
            }
            Self::Review(review) => review.fmt(f),
            Self::OptionPassedOver(why) => f.write_str(why),
            Self::Skipped(Skipped::Malformed(line)) => f.write_str(&message::malformed_line(line)),
            Self::Skipped(Skipped::NeverExisted(name)) => f.write_str(&message::never_existed(name.short_text())),
            Self::Skipped(Skipped::ForeignFormat(name)) => f.write_str(&message::foreign_ids(name.short_text())),
            Self::CutShort => f.write_str(message::input_cut_short()),
            Self::Usage => f.write_str(message::usage()),
        }
    }
}

impl fmt::Display for ReviewLine {
    /// `webhook: review 3 opened, main <- topic`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.action {
            ReviewAction::Open => "opened",
            ReviewAction::Reopen => "opened again",
            ReviewAction::Merge => "merged",
            ReviewAction::Close => "closed",
            _ => "updated",
        };
        let (source, target) = &self.branches;
        write!(f, "webhook: review {} {what}, {target} <- {source}", self.number)?;
        if self.page.is_empty() { Ok(()) } else { write!(f, ", {}", self.page) }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A ref may have had several events; it is named once.
        let mut seen = HashSet::new();
        let named: Vec<_> = self.outcomes.iter().map(|told| told.name).filter(|name| seen.insert(*name)).collect();
        let mut seen = HashSet::new();
        let failed: Vec<_> = self.failures().filter(|(told, _)| seen.insert(told.name)).collect();
        let all = named.len();
        let names = |refs: &[&RefName]| -> String {
            if refs.len() > 3 {
                return format!("{} refs", refs.len());
            }
            let names: Vec<_> = refs.iter().map(|name| name.short_text()).collect();
            names.join(", ")
        };
        // What came of the receiver says more than that others were not tried after it.
        let Some((first, failure)) = failed.iter().find(|(_, failure)| failure.kind.was_tried()).or(failed.first())
        else {
            let (refs, ids) = (names(&named), ids(self.outcomes.iter().map(|told| told.id), None));
            return write!(f, "webhook {}: {} {refs} ({}) {ids}", self.target, self.verb(), self.answers());
        };
        let refs: Vec<_> = failed.iter().map(|(told, _)| told.name).collect();
        let ids = ids(self.failures().map(|(told, _)| told.id), Some(first.id));
        let reason = failure.plain();
        let not = if refs.len() > 3 {
            message::one_of(names(&refs), first.name.short_text(), reason)
        } else {
            format!("{} ({reason})", names(&refs))
        };
        let said = if failed.len() == all {
            message::none_delivered(self.target, not)
        } else {
            message::some_delivered(self.target, all - failed.len(), all, not)
        };
        // One such answer parks the target, whatever came of the others.
        let is_gone =
            |(_, failure): (_, &Failure)| matches!(failure.kind, FailureKind::Status(GONE) | FailureKind::Parked);
        let said = match self.is_kept {
            true if self.failures().any(is_gone) => message::kept_until_enabled(said),
            true => message::kept(said),
            false => said,
        };
        write!(f, "{said} {ids}")
    }
}

/// `[2c9245ed]`, as `git webhook show` takes it; of many the one that is spoken of, or else the first.
fn ids(ids: impl Iterator<Item = Uuid>, spoken_of: Option<Uuid>) -> String {
    let mut seen = HashSet::new();
    let all: Vec<_> = ids.filter(|id| seen.insert(*id)).collect();
    let short = |id: &Uuid| id.to_string().split('-').next().unwrap_or_default().to_owned();
    match all.as_slice() {
        [first, _, _, _, ..] => format!("[{} and {} more]", short(spoken_of.as_ref().unwrap_or(first)), all.len() - 1),
        few => format!("[{}]", few.iter().map(short).collect::<Vec<_>>().join(", ")),
    }
}

/// What the system said, without a path: the pusher is not to know where things lie.
pub fn kind(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// `12 ms`, or `1.2 s` from a second on.
fn duration(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// The most that one run prints.
const MOST_BYTES: usize = 8 * 1024;

/// The longest line. A pipe that is ready takes this much at once (PIPE_BUF), so a write cannot block in its midst.
const LONGEST_LINE: usize = 1024;

/// How long a write may wait. Once the pusher is gone, a full pipe stays full for ever.
const PATIENCE: Duration = Duration::from_millis(200);

/// Prints lines to standard error, which git shows to the pusher, as long as somebody reads them.
pub struct Printer {
    left: usize,
}

impl Default for Printer {
    fn default() -> Self {
        Self { left: MOST_BYTES }
    }
}

impl Printer {
    /// Prints the lines of a notice, unless that would block or be too much.
    pub fn print(&mut self, notice: &Notice<'_>) {
        for line in notice.to_string().split('\n') {
            let mut line = shorten(sanitise(line), LONGEST_LINE - 4);
            line.push('\n');
            let mut out = stderr();
            if line.len() > self.left
                || !process::is_writable(&out, PATIENCE)
                || out.write_all(line.as_bytes()).is_err()
            {
                self.left = 0;
                return;
            }
            self.left -= line.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(millis: u64) -> Outcome {
        Outcome::Delivered { status: 200, elapsed: Duration::from_millis(millis) }
    }

    fn refused() -> Outcome {
        Outcome::Failed(Failure::new(FailureKind::Refused, "http://secret.example/x"))
    }

    fn line(outcomes: &[(&str, Outcome)]) -> String {
        let names: Vec<_> = outcomes.iter().map(|(name, _)| RefName::new(*name)).collect();
        let told =
            |(at, (name, outcome)): (usize, (_, _))| Told { name, id: Uuid::from_u128((at as u128) << 96), outcome };
        let outcomes = names.iter().zip(outcomes.iter().map(|(_, outcome)| outcome)).enumerate().map(told).collect();
        Notice::Target(Summary { target: "ci", outcomes, is_kept: true }).to_string()
    }

    #[test]
    fn one_line_a_target() {
        assert_eq!(line(&[("refs/heads/main", delivered(12))]), "webhook ci: delivered main (200, 12 ms) [00000000]");
        assert_eq!(
            line(&[("refs/heads/main", delivered(12)), ("refs/tags/v1", delivered(1234))]),
            "webhook ci: delivered main, v1 (200, up to 1.2 s) [00000000, 00000001]"
        );
        assert_eq!(
            line(&[("refs/heads/main", refused())]),
            "webhook ci: not delivered: main (connection refused); kept, and tried again later [00000000]"
        );
        assert_eq!(
            line(&[("refs/heads/main", refused()), ("refs/tags/v1", delivered(3))]),
            "webhook ci: delivered 1 of 2 refs, not main (connection refused); kept, and tried again later [00000000]"
        );
    }

    #[test]
    fn a_ref_of_two_events_is_named_once() {
        let twice = |second| [("refs/heads/main", delivered(12)), ("refs/heads/main", second)];
        assert_eq!(line(&twice(delivered(5))), "webhook ci: delivered main (200, up to 12 ms) [00000000, 00000001]");
        assert_eq!(
            line(&twice(refused())),
            "webhook ci: not delivered: main (connection refused); kept, and tried again later [00000001]"
        );
    }

    #[test]
    fn no_retry_is_promised_where_there_is_none() {
        let failed = |kind| Outcome::Failed(Failure::new(kind, ""));
        assert_eq!(
            line(&[("refs/heads/main", failed(FailureKind::Status(410)))]),
            "webhook ci: not delivered: main (answered 410: gone for good); kept until the administrator enables it again [00000000]"
        );
        assert_eq!(
            line(&[("refs/heads/main", delivered(1)), ("refs/heads/b", failed(FailureKind::Parked))]),
            "webhook ci: delivered 1 of 2 refs, not b (the receiver answered 410 before); kept until the administrator \
             enables it again [00000001]"
        );
    }

    #[test]
    fn many_refs_are_summed_up() {
        let names: Vec<_> = (0..5).map(|number| format!("refs/heads/b{number}")).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), refused())).collect();
        assert_eq!(
            line(&all),
            "webhook ci: not delivered: 5 refs, among them b0 (connection refused); kept, and tried again later \
             [00000000 and 4 more]"
        );
        // That which was tried tells why the others were not.
        let waits = Outcome::Failed(Failure::not_tried(FailureKind::Backoff, Some(FailureKind::Refused)));
        let mut all: Vec<_> = names.iter().map(|name| (name.as_str(), waits.clone())).collect();
        assert!(line(&all).contains("5 refs, among them b0 (the receiver failed before: connection refused)"));
        all[3].1 = Outcome::Failed(Failure::new(FailureKind::Status(500), ""));
        assert_eq!(
            line(&all),
            "webhook ci: not delivered: 5 refs, among them b3 (answered 500); kept, and tried again later [00000003 and 4 more]"
        );
    }
}
