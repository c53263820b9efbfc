//! How a target stands over its runs, and what of that is news to whoever `webhook.onFailure` tells: pure functions of what
//! is known.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::schedule::Learned;

/// So many runs one after another in which a target took nothing make it one that goes bad.
const FAILURES_THAT_COUNT: u32 = 3;

/// A target is told of so often at most, in seconds.
const HOLD: i64 = 3600;

/// How a target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It takes what it is sent, after it had gone bad.
    Ok,
    /// It took nothing three times in a row.
    Failing,
    /// It answered 410.
    Parked,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Three failures in a row.
    Failing,
    /// A 410.
    Parked,
    /// Deliveries that are tried no more.
    DeadLetters,
    /// It takes what it is sent again.
    Recovered,
}

/// How a target stands after its runs; whoever sends to it writes it down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// In how many runs, one after another, it took nothing.
    pub failures: u32,
    /// How it stands; `None` as long as it never went bad, and after somebody has enabled it.
    pub condition: Option<Condition>,
    /// How often that has changed.
    pub changes: u64,
    /// When it did last, in seconds since 1970.
    pub since: i64,
    /// Why it failed last, for somebody who can neither see nor change the configuration.
    pub why: Option<String>,
}

/// What was told of a target last; whoever tells writes it down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How it stood.
    pub condition: Option<Condition>,
    /// How often that had changed.
    pub changes: u64,
    /// The names of its dead letters.
    pub dead: HashSet<String>,
    /// When somebody was last told, or was to be, in seconds since 1970.
    pub at: i64,
}

impl Standing {
    /// How the target stands after a run that learned this.
    pub fn after(&self, learned: &Learned, now: i64) -> Self {
        let has_failed = learned.failed.is_some();
        let failures = match learned.was_delivered {
            true => 0,
            false => self.failures.saturating_add(u32::from(has_failed)),
        };
        let condition = if learned.is_parked {
            Some(Condition::Parked)
        } else if learned.was_delivered {
            // One that never went bad has nothing to recover from.
            Some(Condition::Ok).filter(|_| self.changes > 0)
        } else if has_failed && failures >= FAILURES_THAT_COUNT {
            Some(Condition::Failing)
        } else {
            self.condition
        };
        let is_change = condition.is_some() && condition != self.condition;
        Self {
            failures,
            condition,
            changes: self.changes + u64::from(is_change),
            since: if is_change { now } else { self.since },
            why: learned.failed.map(|kind| kind.plain()).or_else(|| self.why.clone()),
        }
    }

    /// The same once somebody has enabled the target: whether it is well shows when it is tried.
    pub fn enabled(self) -> Self {
        Self { failures: 0, condition: None, ..self }
    }

    /// What of this is not told yet, with these dead letters of which no person knows.
    pub fn news(&self, told: &Told, dead: &HashSet<String>) -> Vec<Occasion> {
        let occasion = self.condition.filter(|_| self.changes != told.changes).and_then(|condition| match condition {
            // That it went bad in between was told to nobody.
            Condition::Ok => {
                matches!(told.condition, Some(Condition::Failing | Condition::Parked)).then_some(Occasion::Recovered)
            }
            Condition::Failing => Some(Occasion::Failing),
            Condition::Parked => Some(Occasion::Parked),
        });
        let has_new_dead = dead.iter().any(|name| !told.dead.contains(name));
        occasion.into_iter().chain(has_new_dead.then_some(Occasion::DeadLetters)).collect()
    }
}

impl Told {
    /// Whether it is too early to tell more.
    pub fn is_recent(&self, now: i64) -> bool {
        // What was told in a time to come was told by another clock.
        self.at <= now && now - self.at < HOLD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailureKind;

    fn failed() -> Learned {
        Learned { was_tried: true, failed: Some(FailureKind::Status(404)), ..Learned::default() }
    }

    fn delivered() -> Learned {
        Learned { was_delivered: true, ..failed() }
    }

    fn parked() -> Learned {
        Learned { is_parked: true, ..failed() }
    }

    fn after(runs: &[Learned]) -> Standing {
        (1..).zip(runs).fold(Standing::default(), |standing, (now, learned)| standing.after(learned, now))
    }

    fn told(standing: &Standing) -> Told {
        Told { condition: standing.condition, changes: standing.changes, ..Told::default() }
    }

    #[test]
    fn the_third_failure_in_a_row_counts_whatever_it_is() {
        let none = (Told::default(), HashSet::new());
        assert_eq!(after(&[failed(), failed()]).news(&none.0, &none.1), []);
        assert_eq!(after(&[failed(), failed(), failed()]).news(&none.0, &none.1), [Occasion::Failing]);
        assert_eq!(after(&[failed(), failed(), delivered(), failed()]).news(&none.0, &none.1), []);
        assert_eq!(
            after(&[delivered()]),
            Standing { why: delivered().failed.map(FailureKind::plain), ..Standing::default() }
        );
        assert_eq!(after(&[Learned::default(); 5]), Standing::default(), "a run that tried nothing says nothing");
    }

    #[test]
    fn what_came_and_went_is_no_news_and_what_came_again_is() {
        let bad = after(&[failed(), failed(), failed()]);
        let (known, none) = (told(&bad), HashSet::new());
        assert_eq!(bad.news(&known, &none), []);
        let back = bad.after(&delivered(), 9);
        assert_eq!(back.news(&known, &none), [Occasion::Recovered]);
        assert_eq!(back.news(&Told::default(), &none), [], "nobody was told that it had gone bad");
        let again = [failed(), failed(), failed()].iter().fold(back, |standing, learned| standing.after(learned, 10));
        assert_eq!(again.news(&known, &none), [Occasion::Failing]);
        assert_eq!(again.after(&parked(), 11).news(&known, &none), [Occasion::Parked]);
    }

    #[test]
    fn one_that_was_enabled_has_recovered_when_it_takes_something_and_is_parked_anew_by_another_410() {
        let first = after(&[parked()]);
        let (known, none) = (told(&first), HashSet::new());
        let enabled = first.enabled();
        assert_eq!(enabled.news(&known, &none), []);
        assert_eq!(enabled.after(&delivered(), 9).news(&known, &none), [Occasion::Recovered]);
        assert_eq!(enabled.after(&parked(), 9).news(&known, &none), [Occasion::Parked]);
    }

    #[test]
    fn a_dead_letter_is_news_once() {
        let [one, both] = [vec!["a"], vec!["a", "b"]].map(|names| names.into_iter().map(String::from).collect());
        let known = Told { dead: one, ..Told::default() };
        assert_eq!(Standing::default().news(&known, &known.dead), []);
        assert_eq!(Standing::default().news(&known, &both), [Occasion::DeadLetters]);
        assert_eq!(Standing::default().news(&known, &HashSet::new()), []);
    }

    #[test]
    fn an_hour_passes_between_two_and_a_clock_that_went_back_holds_up_nothing() {
        let told = Told { at: 1000, ..Told::default() };
        assert_eq!([999, 1000, 4599, 4600].map(|now| told.is_recent(now)), [false, true, true, false]);
        assert!(!Told::default().is_recent(4000));
    }
}
