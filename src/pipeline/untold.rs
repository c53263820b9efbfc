//! Events of which no record tells: those that were sent from memory, and those that only the refs show.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::Pipeline;
use crate::event;
use crate::history::{self, Entry, LoggedUpdate, State};
use crate::identifier;
use crate::log_file;
use crate::message;
use crate::process::Process;
use crate::ref_update::{ObjectId, RefEvent, RefName, RefUpdate};
use crate::repository;
use crate::spool::{Receipt, Step};
use crate::target::Target;

/// Where more refs of one push had moved, the log has one line for all of them.
const MOST_SAID: usize = 20;

impl Pipeline<'_> {
    /// A push that cannot be written down, with the ids that its events have as differences.
    pub fn as_difference(&self, receipt: Receipt) -> Receipt {
        match self.as_differences(&receipt.updates()) {
            Some(lines) => receipt.with(lines),
            None => receipt,
        }
    }

    /// The updates as events with ids that whoever finds the same differences makes again; `None` where the spool has no
    /// identity, and can be given none.
    pub fn as_differences(&self, updates: &[RefUpdate]) -> Option<Vec<RefEvent>> {
        self.differences_before(updates, u64::MAX)
    }

    /// The same as of when no record with the number `end` or a higher one was there.
    fn differences_before(&self, updates: &[RefUpdate], end: u64) -> Option<Vec<RefEvent>> {
        let spool = self.spool.identity()?;
        let last = self.last_records(updates, end);
        let event = |update: &RefUpdate| {
            let (old, new) = (update.before(), update.after());
            let after = last.get(&update.name).copied().unwrap_or(0);
            let namespace = update.name.namespace();
            let id = identifier::difference(spool, namespace.as_bytes(), update.name.as_bytes(), &old, &new, after);
            RefEvent::new(update.clone(), id)
        };
        Some(updates.iter().map(event).collect())
    }

    /// A step between two pushes as an event. If it was sent from memory, and not even the log had room, it was under this id.
    pub fn as_step(&self, step: &Step) -> RefEvent {
        let update = step.update.clone();
        let lines = self.differences_before(std::slice::from_ref(&update), step.next);
        lines.and_then(|mut lines| lines.pop()).unwrap_or_else(|| RefEvent::new(update, identifier::event()))
    }

    /// Says in the log which refs of a push something has moved before it that no hook saw.
    pub fn warn_of_steps(&self, sequence: u64, updates: &[RefUpdate]) {
        let moved = self.spool.moved_before(sequence, updates, &history::today());
        if let Some((first, _)) = moved.first().filter(|_| moved.len() > MOST_SAID) {
            let said = message::many_moved_without_hook(moved.len(), first.name.text());
            return log_file::warn(self.spool.state(), said);
        }
        for (update, from) in moved {
            let step = RefUpdate { old: from, new: update.old, ..update.clone() };
            let said = message::moved_without_hook(update.name.text(), step.before(), step.after());
            log_file::warn(self.spool.state(), said);
        }
    }

    /// The number of the last record of each ref that the updates name: a receipt, or a line in the log of a push that
    /// could not be written down, unless it tells of that very update. Those from `end` on do not count.
    ///
    /// A step that was told late, when records that followed on it were there, lies where it began: whoever asks before it is
    /// told and whoever asks after that must find the same.
    fn last_records(&self, updates: &[RefUpdate], end: u64) -> HashMap<RefName, u64> {
        let own: HashSet<_> = updates.iter().map(LoggedUpdate::from).collect();
        let wanted: HashSet<_> = updates.iter().map(|update| &update.name).collect();
        let names = Logged::new(wanted.iter().copied());
        let mut numbers: HashMap<RefName, Vec<u64>> = HashMap::new();
        let mut late = Vec::new();
        let mut note = |name: &RefName, sequence: u64| {
            if sequence < end {
                numbers.entry(name.clone()).or_default().push(sequence);
            }
        };
        for (sequence, receipt) in self.spool.receipts_since(0) {
            let of_wanted = receipt.lines.iter().filter(|line| wanted.contains(&line.update.name));
            for RefEvent { update, .. } in of_wanted {
                match receipt.is_late {
                    true => late.push((update.name.clone(), receipt.after, sequence)),
                    false => note(&update.name, sequence),
                }
            }
        }
        // Their receipts know where they lie.
        let known: HashSet<_> = late.iter().map(|(_, _, sequence)| *sequence).collect();
        for entry in self.history.of_refs(&names.texts()) {
            let Some(sequence) = entry.sequence().filter(|sequence| !known.contains(sequence)) else { continue };
            for update in entry.updates().filter(|update| !own.contains(update)) {
                if let Some(name) = names.of(&update) {
                    note(name, sequence);
                }
            }
        }
        // In the order of their numbers, so that one may follow on another.
        for (name, after, sequence) in late.into_iter().filter(|(_, _, sequence)| *sequence < end) {
            let known = numbers.entry(name).or_default();
            let was_followed = known.iter().any(|number| (after + 1..sequence).contains(number));
            known.push(if was_followed { after } else { sequence });
        }
        numbers.into_iter().filter_map(|(name, numbers)| Some((name, numbers.into_iter().max()?))).collect()
    }

    /// Moves `refs` as pushes did that were sent from memory, and returns those of which not every target was told that wanted
    /// them, with the ids that the others know; those of refs that are under way are left for later. `since` says of each
    /// ref from which number on no record tells of it.
    pub fn apply_told(
        &self,
        refs: &mut BTreeMap<RefName, ObjectId>,
        since: &HashMap<RefName, u64>,
        under_way: &HashSet<&RefName>,
    ) -> Vec<RefEvent> {
        let names = Logged::new(since.keys());
        let mut told: BTreeMap<(u64, LoggedUpdate), Told> = BTreeMap::new();
        for entry in self.history.of_refs(&names.texts()) {
            let Some(sequence) = entry.sequence() else { continue };
            for update in entry.updates() {
                if names.of(&update).is_some_and(|name| since[name] < sequence) {
                    told.entry((sequence, update)).or_default().note(&entry);
                }
            }
        }
        let mut partly = Vec::new();
        for ((_, logged), told) in told {
            let Some(update) = names.of(&logged).and_then(|name| self.update(&logged, name)) else { continue };
            if refs.get(&update.name).copied() != update.old {
                continue;
            }
            let is_told = |target: &Target| !target.may_want(&update) || told.has(target.name.as_str());
            if !self.targets.iter().all(|target| is_told(target)) {
                let Some(event) = told.event.filter(|_| !under_way.contains(&update.name)) else { continue };
                partly.push(RefEvent::new(update.clone(), event));
            }
            match update.new {
                Some(new) => refs.insert(update.name, new),
                None => refs.remove(&update.name),
            };
        }
        partly
    }

    /// What moved the refs since a time, in seconds since 1970, and was sent from memory, each update once.
    pub fn sent_from_memory(&self, since: i64) -> Vec<(u64, RefUpdate)> {
        let mut known = HashSet::new();
        let mut sent = Vec::new();
        for entry in self.history.from_memory(since) {
            let Some(sequence) = entry.sequence() else { continue };
            for logged in entry.updates().filter(|logged| known.insert((sequence, logged.clone()))) {
                sent.extend(self.update(&logged, &logged.name()).map(|update| (sequence, update)));
            }
        }
        sent
    }

    /// What moved the refs since a push, in order, as far as is known: the pushes after it, and of one that is told late also what
    /// no hook saw since the refs were compared last. That may have been before the push too, but nothing proves it.
    pub(super) fn moved_since(&self, sequence: u64, receipt: &Receipt) -> Vec<RefUpdate> {
        let mut moved = self.spool.pushed_since(sequence, receipt);
        if receipt.receive_pack.is_none() || receipt.receive_pack != Process::receive_pack() {
            moved.extend(self.unseen());
        }
        moved
    }

    /// From where the pushes that are known have led each ref to where it is. Of namespaces and refs that nobody is told of the
    /// snapshot of an earlier program knows nothing.
    fn unseen(&self) -> Vec<RefUpdate> {
        let Ok(Some(mut expected)) = self.spool.snapshot() else { return Vec::new() };
        let Ok(now) = repository::all(self.common_dir, self.configuration.layout) else { return Vec::new() };
        let receipts = self.spool.receipts_since(expected.sequence);
        expected.draw_in(&receipts, &self.sent_from_memory(0));
        let now: HashMap<_, _> = now.direct.into_iter().filter(|(name, _)| event::can_tell_of(name)).collect();
        let came = now.keys().filter(|name| !expected.refs.contains_key(*name));
        let names = expected.refs.keys().filter(|name| event::can_tell_of(name)).chain(came);
        let format = self.configuration.layout.object_format;
        let moved = names.map(|name| {
            let (old, new) = (expected.refs.get(name).copied(), now.get(name).copied());
            RefUpdate { old, new, format, name: name.clone(), alias: None }
        });
        moved.filter(|update| expected.is_whole && update.old != update.new).collect()
    }

    fn update(&self, logged: &LoggedUpdate, name: &RefName) -> Option<RefUpdate> {
        let id = |text: &str| ObjectId::from_hex(text.as_bytes());
        let format = self.configuration.layout.object_format;
        Some(RefUpdate { old: id(&logged.old)?, new: id(&logged.new)?, format, name: name.clone(), alias: None })
    }
}

/// Names of refs, found by what the log has of them, in which there is nothing but text.
struct Logged<'n>(HashMap<(String, String), &'n RefName>);

impl<'n> Logged<'n> {
    fn new(names: impl Iterator<Item = &'n RefName>) -> Self {
        let text = |name: &RefName| (name.namespace().text().into_owned(), name.text().into_owned());
        Self(names.map(|name| (text(name), name)).collect())
    }

    fn texts(&self) -> Vec<String> {
        self.0.keys().map(|(_, text)| text.clone()).collect()
    }

    fn of(&self, update: &LoggedUpdate) -> Option<&'n RefName> {
        self.0.get(&(update.namespace.clone(), update.r#ref.clone())).copied()
    }
}

/// Of which targets there is a line, and what came last of each delivery.
#[derive(Default)]
struct Told {
    event: Option<Uuid>,
    targets: HashMap<String, HashMap<Uuid, (u32, State)>>,
}

impl Told {
    fn note(&mut self, entry: &Entry) {
        self.event = Some(entry.event_id);
        let deliveries = self.targets.entry(entry.target.clone()).or_default();
        let last = deliveries.entry(entry.id).or_insert((entry.attempt, entry.state));
        if entry.attempt >= last.0 {
            *last = (entry.attempt, entry.state);
        }
    }

    /// Whether the target was told: all that is known of was delivered to it.
    fn has(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|made| made.values().all(|(_, state)| state.is_told()))
    }
}
