//! What was pushed beside what was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::support::{git, run};

/// A ref update: the ref, where it was, where it is.
type Update = (String, String, String);

/// What a receiver took.
pub struct Heard {
    target: usize,
    id: String,
    update: Update,
    commits: Vec<String>,
    /// Whether nothing was written down of the push: the event's id is made of what it changed, of version 5.
    is_from_memory: bool,
}

impl Heard {
    /// From GitLab's body and the ids of delivery and event; `None` where it is none.
    pub fn new(target: usize, id: String, event: &str, body: &Value) -> Option<Self> {
        let text = |key: &str| Some(body[key].as_str()?.to_owned());
        let commits = body["commits"].as_array()?.iter();
        let commits = commits.filter_map(|commit| Some(commit["id"].as_str()?.to_owned())).collect();
        let is_from_memory = event.get(14..15) == Some("5");
        Some(Self { target, id, update: (text("ref")?, text("before")?, text("after")?), commits, is_from_memory })
    }
}

/// What is wrong, each with what it was.
#[derive(Default)]
pub struct Ledger {
    updates: usize,
    requests: usize,
    /// Differences of several updates that were told from memory, where not even the log had room for a line.
    summed_up: usize,
    lost: Vec<String>,
    ghosts: Vec<String>,
    doubled: Vec<String>,
    out_of_order: Vec<String>,
    two_ids: Vec<String>,
    wrong_commits: Vec<String>,
    /// Came behind newer ones of their ref, which wait for five attempts and no longer.
    let_pass: usize,
    /// Came behind newer ones of their ref that no disk had room for, which are sent out of their order rather than never.
    passed_from_memory: usize,
}

/// Branches that are pushed while the disk is full.
const FULL: &str = "refs/heads/full";

/// A delivery that failed so often holds up newer ones of its ref no longer.
const LETS_PASS: u64 = 5;

/// The ids of deliveries that newer ones may pass, from what `git webhook log --json` prints.
pub fn that_let_pass(log: &Value) -> BTreeSet<String> {
    let rows = log.as_array().into_iter().flatten();
    let rows = rows.filter(|row| row["attempts"].as_u64().is_some_and(|attempts| attempts > LETS_PASS));
    rows.filter_map(|row| Some(row["id"].as_str()?.to_owned())).collect()
}

impl Ledger {
    /// Compares what `targets` receivers heard with the reflogs of the server. Newer deliveries may pass those in `let_pass`.
    pub fn new(server: &Path, heard: &[Heard], targets: usize, let_pass: &BTreeSet<String>) -> Self {
        let updates = updates(server);
        let mut ledger = Self { updates: updates.len(), requests: heard.len(), ..Self::default() };
        let known: BTreeMap<&Update, usize> = updates.iter().zip(0..).collect();
        for target in 0..targets {
            let mut ids: BTreeMap<&Update, BTreeSet<&str>> = BTreeMap::new();
            let mut latest: BTreeMap<&str, usize> = BTreeMap::new();
            let mut latest_from_memory: BTreeMap<&str, usize> = BTreeMap::new();
            for one in heard.iter().filter(|one| one.target == target) {
                let Some(at) = known.get(&one.update) else {
                    match sums_up(&updates, &one.update) {
                        true => ledger.summed_up += 1,
                        false => ledger.ghosts.push(format!("{target}: {:?}", one.update)),
                    }
                    continue;
                };
                let seen = ids.entry(&one.update).or_default();
                let is_first = seen.is_empty();
                if !seen.insert(&one.id) {
                    ledger.doubled.push(format!("{target}: {:?}", one.update));
                }
                if !is_first {
                    continue;
                }
                let name = one.update.0.as_str();
                let newest = latest.entry(name).or_default();
                match *newest > *at {
                    true if let_pass.contains(&one.id) => ledger.let_pass += 1,
                    true => ledger.out_of_order.push(format!("{target}: {:?}", one.update)),
                    false if one.is_from_memory && name.starts_with(FULL) => {
                        let newest = latest_from_memory.entry(name).or_insert(*at);
                        *newest = (*newest).max(*at);
                    }
                    false => {
                        *newest = *at;
                        ledger.passed_from_memory += usize::from(latest_from_memory.get(name) > Some(at));
                    }
                }
            }
            ledger
                .two_ids
                .extend(ids.iter().filter(|(_, ids)| ids.len() > 1).map(|told| format!("{target}: {told:?}")));
            let untold = updates.iter().filter(|update| !ids.contains_key(update));
            ledger.lost.extend(untold.map(|update| format!("{target}: {update:?}")));
        }
        for one in heard.iter().filter(|one| !one.update.1.starts_with("0000")) {
            let range = format!("{}..{}", one.update.1, one.update.2);
            // GitLab lists twenty.
            let expected = run(git(server).args(["rev-list", "--reverse", &range]));
            let expected: Vec<_> = expected.lines().collect();
            if expected[expected.len().saturating_sub(20)..].iter().ne(one.commits.iter()) {
                ledger.wrong_commits.push(format!("{:?}: {:?}", one.update, one.commits));
            }
        }
        ledger
    }

    /// Whether nothing is wrong, but that a crash may double a delivery.
    pub fn is_clean(&self, crashes: usize) -> bool {
        let wrong = [&self.lost, &self.ghosts, &self.out_of_order, &self.two_ids, &self.wrong_commits];
        wrong.iter().all(|list| list.is_empty()) && self.doubled.len() <= crashes
    }
}

/// Whether `git webhook reconcile` may have found this on a full disk: from one place of such a branch to a later one.
fn sums_up(updates: &[Update], (name, old, new): &Update) -> bool {
    let of_ref = || updates.iter().filter(|update| update.0 == *name);
    let (from, to) = (of_ref().position(|update| update.1 == *old), of_ref().position(|update| update.2 == *new));
    name.starts_with(FULL) && from.zip(to).is_some_and(|(from, to)| from < to)
}

/// What moved each ref, in order. git writes a reflog before the ref: a line that the next one does not follow on, and on
/// which the ref does not stand, is of a push that was killed in between.
fn updates(server: &Path) -> Vec<Update> {
    let mut updates = Vec::new();
    for line in run(git(server).args(["for-each-ref", "--format=%(refname) %(objectname)"])).lines() {
        let Some((name, stands)) = line.split_once(' ') else { continue };
        let log = std::fs::read_to_string(server.join("logs").join(name)).unwrap_or_default();
        let moves: Vec<_> = log.lines().filter_map(|line| Some((line.get(..40)?, line.get(41..81)?))).collect();
        let mut end = stands;
        let mut of_ref = Vec::new();
        for (old, new) in moves.into_iter().rev().filter(|(old, new)| old != new) {
            if new == end {
                of_ref.push((name.to_owned(), old.to_owned(), new.to_owned()));
                end = old;
            }
        }
        updates.extend(of_ref.into_iter().rev());
    }
    updates
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ref updates, {} requests taken", self.updates, self.requests)?;
        writeln!(f, "{} of them sum up what was told from memory", self.summed_up)?;
        writeln!(f, "{} came behind newer ones after {LETS_PASS} attempts, as they may", self.let_pass)?;
        writeln!(f, "{} came behind newer ones that were told from memory, as they may", self.passed_from_memory)?;
        let lists = [
            ("lost", &self.lost),
            ("never happened", &self.ghosts),
            ("doubled", &self.doubled),
            ("out of order", &self.out_of_order),
            ("under two ids", &self.two_ids),
            ("wrong commits", &self.wrong_commits),
        ];
        for (what, list) in lists {
            writeln!(f, "{what:16} {:6}", list.len())?;
            for one in list.iter().take(if what == "doubled" { 0 } else { 5 }) {
                writeln!(f, "    {one}")?;
            }
        }
        Ok(())
    }
}
