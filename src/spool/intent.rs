//! Which intent is whose, and what becomes of one whose post-receive never came.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Spool;
use super::push::Receipt;
use super::receipt::{ClaimedIntent, OwnedReceipt};
use super::recovery::{Lines, as_lines, missed, once, starts_from, undecided};
use crate::files::FileError;
use crate::process::{self, Life, Process};
use crate::ref_update::{ObjectId, RefEvent, RefName, RefUpdate};

/// An intent is left to its own push for so long, in seconds: its hook may be on its way though receive-pack has died.
const OWN_TIME: i64 = 60;

/// The same where nobody can tell whether receive-pack lives: it has another host, another container, or is unknown.
const OWN_TIME_UNKNOWN: i64 = 3600;

/// How long a push waits for the receipt of the one before it on the same ref, or for another process to be done with
/// its intent.
const PATIENCE: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// How many pushes before an intent are looked through for what became of its refs.
const LOOK_BACK: u64 = 1000;

/// Reads where all refs stand now; `None` where that fails.
pub type ReadRefs<'a> = &'a dyn Fn() -> Option<HashMap<RefName, ObjectId>>;

/// Tells what moved the refs since a time, in seconds since 1970, and has no receipt: pushes that were sent from memory, each
/// with the number that it would have had.
pub type ReadUnkept<'a> = &'a dyn Fn(i64) -> Vec<(u64, RefUpdate)>;

/// The intent that a push was announced by.
#[derive(Debug)]
pub enum OwnIntent {
    /// Nobody else turns it into a receipt.
    Claimed(ClaimedIntent),
    /// Somebody else has claimed it, and is slow with it. Its ids are lent: under whatever name the push is written down
    /// first, its events have these.
    Lent(Receipt),
}

impl OwnIntent {
    /// What pre-receive wrote down.
    pub fn receipt(&self) -> &Receipt {
        match self {
            Self::Claimed(claimed) => &claimed.receipt,
            Self::Lent(receipt) => receipt,
        }
    }
}

impl Spool {
    /// The intent that a push with these updates was announced by.
    ///
    /// It is that of the own receive-pack, with all of the lines. Where one of the two could not tell its receive-pack,
    /// the lines alone decide. Fewer lines than the intent's are the rule where git refused some, and happen where
    /// receive-pack died while it wrote.
    pub fn own_intent(&self, updates: &[RefUpdate], own: Option<Process>) -> Option<OwnIntent> {
        let mut candidates = self.intents();
        candidates.retain(|intent| match (intent.receive_pack, own) {
            (Some(its), Some(own)) => its == own,
            _ => true,
        });
        // Numbers of processes mean nothing elsewhere.
        candidates.retain(|intent| intent.is_from_here() && covers(intent, updates));
        candidates.sort_by_key(|intent| intent.receive_pack != own);
        candidates.into_iter().find_map(|intent| {
            // Whoever has claimed it is turning it into a receipt, which `with_receipt` finds then.
            let claimed = within_patience(|| match self.claim(&intent) {
                Some(claimed) => Some(Some(OwnIntent::Claimed(claimed))),
                None if self.intents().iter().any(|other| other.id == intent.id) => None,
                None => Some(None),
            });
            claimed.unwrap_or(Some(OwnIntent::Lent(intent)))
        })
    }

    /// Sees to it that the updates of other pushes that these follow on have their receipts, and so their numbers,
    /// first: two hooks may start in another order than git moved the refs.
    ///
    /// `own` is the intent of these updates: what they follow on was written down before it. Waits a moment for the
    /// others; then they are announced from their intents, as the receipts returned.
    pub fn see_to_predecessors(&self, updates: &[RefUpdate], own: &Receipt, refs: ReadRefs<'_>) -> Vec<OwnedReceipt> {
        let start = Instant::now();
        let mut announced = Vec::new();
        let mut judged = HashSet::new();
        let mut pause = PAUSE;
        loop {
            let mut predecessors = self.predecessors(updates, own);
            predecessors.retain(|(intent, _)| !judged.contains(&intent.id));
            // Longer for one that somebody has claimed: its own hook is at work, and may wait for others itself.
            if predecessors.is_empty() || start.elapsed() >= LONGEST_WAIT {
                return announced;
            }
            if start.elapsed() >= PATIENCE {
                self.announce_for(&predecessors, updates, own, refs, &mut judged, &mut announced);
            }
            thread::sleep(pause);
            // Each look reads receipts.
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Announces what is missed of the intents, oldest first, up to one that somebody else has claimed.
    fn announce_for(
        &self,
        predecessors: &[Lines],
        updates: &[RefUpdate],
        own: &Receipt,
        refs: ReadRefs<'_>,
        judged: &mut HashSet<Uuid>,
        announced: &mut Vec<OwnedReceipt>,
    ) {
        let now = refs().unwrap_or_default();
        let oldest = predecessors.iter().map(|(intent, _)| intent.after).min().unwrap_or(0);
        let mut records = self.receipts_since(oldest.saturating_sub(LOOK_BACK));
        // Of ours there is no receipt yet.
        records.push((u64::MAX, own.with(as_lines(updates))));
        for ((intent, _), lines) in predecessors.iter().zip(missed(predecessors, records, &now)) {
            let Some(owned) = self.announce(intent, lines) else { return };
            judged.insert(intent.id);
            announced.extend(owned);
        }
    }

    /// Makes a receipt of an intent's lines as far as they have none yet; `None` where somebody else has claimed it.
    fn announce(&self, intent: &Receipt, lines: Vec<RefEvent>) -> Option<Option<OwnedReceipt>> {
        let claimed = self.claim(intent)?;
        // Only now: another push that follows on it may have announced it and let go of it since its lines were chosen.
        let lines = self.without_receipt(intent, lines);
        if lines.is_empty() {
            return Some(None);
        }
        Some(self.keep_untold(claimed.receipt.with(lines)).map_err(|error| log::error!("{error}")).ok().flatten())
    }

    /// The lines of older intents that have no receipt yet and that the updates follow on, directly or through others,
    /// oldest first.
    pub(super) fn predecessors(&self, updates: &[RefUpdate], own: &Receipt) -> Vec<Lines> {
        let mut intents = self.intents();
        intents.retain(|intent| intent.moment.is_before(&own.moment).unwrap_or(true));
        intents.sort_by_key(|intent| (intent.moment.seconds, intent.moment.nanoseconds));
        let mut starts: HashSet<_> = updates.iter().map(|update| (update.name.clone(), update.old)).collect();
        let mut found = Vec::new();
        // From the newest on: what a push follows on was written down before it.
        for intent in intents.into_iter().rev() {
            let precedes = |line: &&RefEvent| starts.contains(&(line.update.name.clone(), line.update.new));
            let lines = once(intent.lines.iter().filter(precedes).cloned());
            if lines.is_empty() {
                continue;
            }
            starts.extend(lines.iter().map(|line| (line.update.name.clone(), line.update.old)));
            let lines = self.without_receipt(&intent, lines);
            if !lines.is_empty() {
                found.push((intent, lines));
            }
        }
        found.reverse();
        found
    }

    /// The lines of an intent that no receipt has.
    fn without_receipt(&self, intent: &Receipt, mut lines: Vec<RefEvent>) -> Vec<RefEvent> {
        let receipts = self.receipts_since(intent.after);
        let known: HashSet<_> =
            receipts.iter().flat_map(|(_, receipt)| &receipt.lines).map(|line| &line.update).collect();
        lines.retain(|line| !known.contains(&line.update));
        lines
    }

    /// The pushes that are over and of which nobody has told yet, as the refs show it, with what is missed of each: a hook
    /// or a flush will settle them. Git refused the others.
    pub fn abandoned(&self, refs: ReadRefs<'_>, unkept: ReadUnkept<'_>) -> Vec<Receipt> {
        let mut intents = self.intents();
        intents.retain(is_abandoned);
        if intents.is_empty() {
            return intents;
        }
        let Some(now) = refs() else { return intents };
        intents.sort_by_cached_key(age_key);
        let lines: Vec<Lines> = intents.into_iter().map(|intent| (intent.clone(), intent.lines)).collect();
        let missed = missed(&lines, self.records_with(&lines, &now, unkept), &now);
        let untold = lines.iter().zip(missed).filter(|(_, missed)| !missed.is_empty());
        untold.map(|((intent, _), missed)| intent.with(missed)).collect()
    }

    /// Settles intents whose push is over and whose post-receive never came: updates that were applied become receipts, which
    /// are returned; the others look refused. Where the refs cannot be read, all stay as they are; so does an intent
    /// while an older one of its refs is under way, or they would be delivered in the wrong order.
    ///
    /// Crash: the receipt is durable before its intent is removed. An intent that is found again then has its updates
    /// among the receipts, and none of them is missed a second time.
    pub fn settle_intents(&self, refs: ReadRefs<'_>, unkept: ReadUnkept<'_>) -> Vec<OwnedReceipt> {
        let refused = self.refused_long_ago();
        let intents = self.intents();
        if refused.is_empty() && !intents.iter().any(is_abandoned) {
            return Vec::new();
        }
        // Before the receipts: a push between the two is then seen by its receipt alone.
        let Some(now) = refs() else { return Vec::new() };
        let mut judged: Vec<_> = refused.into_iter().map(|claim| (claim.receipt.clone(), Some(claim))).collect();
        let mut under_way = Vec::new();
        for intent in intents {
            if is_abandoned(&intent) {
                match self.claim(&intent) {
                    Some(claim) => judged.push((intent, Some(claim))),
                    // Somebody else is at it.
                    None => under_way.push(intent),
                }
            } else if intent.receive_pack_life() == Life::Unknown {
                // It may be over long ago, and holds up nothing; but what it shows counts.
                judged.push((intent, None));
            } else {
                under_way.push(intent);
            }
        }
        judged.sort_by_cached_key(|(intent, _)| age_key(intent));
        self.settle_judged(judged, &under_way, &now, unkept)
    }

    /// Settles those of the intents that are claimed, oldest first.
    fn settle_judged(
        &self,
        judged: Vec<(Receipt, Option<ClaimedIntent>)>,
        under_way: &[Receipt],
        now: &HashMap<RefName, ObjectId>,
        unkept: ReadUnkept<'_>,
    ) -> Vec<OwnedReceipt> {
        let lines: Vec<Lines> = judged.iter().map(|(intent, _)| (intent.clone(), intent.lines.clone())).collect();
        let missed = missed(&lines, self.records_with(&lines, now, unkept), now);
        let undecided = undecided(&lines, &missed, under_way);
        let mut left: HashSet<RefName> = HashSet::new();
        let mut announced = Vec::new();
        for (((intent, claim), missed), is_undecided) in judged.into_iter().zip(missed).zip(undecided) {
            let Some(claim) = claim else { continue };
            // An older push of the ref is under way, and comes first.
            let is_older_of = |line: &RefEvent| {
                let mut older = under_way.iter().filter(|other| is_older(other, &intent));
                older.any(|other| names(other, &line.update)) || left.contains(&line.update.name)
            };
            let is_left = is_undecided || intent.lines.iter().any(is_older_of);
            if is_left || self.settle_claimed(claim, missed, &mut announced).is_err() {
                left.extend(intent.lines.into_iter().map(|line| line.update.name));
            }
        }
        announced
    }

    /// Announces what is missed of an intent, and puts it away.
    fn settle_claimed(
        &self,
        claim: ClaimedIntent,
        missed: Vec<RefEvent>,
        announced: &mut Vec<OwnedReceipt>,
    ) -> Result<(), FileError> {
        if missed.is_empty() {
            match self.without_receipt(&claim.receipt, claim.receipt.lines.clone()).is_empty() {
                true => self.drop_intent(claim),
                false => self.set_refused(claim),
            }
            return Ok(());
        }
        let named: HashSet<_> = missed.iter().map(|line| &line.update).collect();
        let others = claim.receipt.lines.iter().filter(|line| !named.contains(&line.update)).cloned();
        let mut beside: Vec<_> = others.collect();
        let refused = self.without_receipt(&claim.receipt, beside.clone());
        let refused: HashSet<_> = refused.iter().map(|line| &line.update).collect();
        beside.retain(|line| !refused.contains(&line.update));
        let kept = self.keep_untold(claim.receipt.with(missed).beside(beside));
        announced.extend(kept.inspect_err(|error| log::error!("{error}"))?);
        self.drop_intent(claim);
        Ok(())
    }

    /// The same with what has no receipt: a push that was sent from memory began where the one before it ended.
    fn records_with(
        &self,
        intents: &[Lines],
        now: &HashMap<RefName, ObjectId>,
        unkept: ReadUnkept<'_>,
    ) -> Vec<(u64, Receipt)> {
        let oldest = intents.iter().map(|(intent, _)| intent.time).min().unwrap_or(i64::MAX);
        let mut unkept: Vec<_> = unkept(oldest);
        let named: HashSet<_> = intents.iter().flat_map(|(_, lines)| lines).map(|line| &line.update.name).collect();
        unkept.retain(|(_, update)| named.contains(&update.name));
        if unkept.is_empty() {
            return self.records(intents, now);
        }
        let after = intents.iter().map(|(intent, _)| intent.after).min().unwrap_or(0);
        let mut records = self.receipts_since(after.saturating_sub(LOOK_BACK));
        let pushed = |(sequence, update): (u64, RefUpdate)| (sequence, Receipt::unkept(as_lines(&[update])));
        records.extend(unkept.into_iter().map(pushed));
        records.sort_by_key(|(sequence, _)| *sequence);
        records
    }

    /// The receipts that say which of the lines are missed. Most were refused, and no ref shows them: then there is no need
    /// to look at what came long before.
    fn records(&self, intents: &[Lines], now: &HashMap<RefName, ObjectId>) -> Vec<(u64, Receipt)> {
        let oldest = intents.iter().map(|(intent, _)| intent.after).min().unwrap_or(0);
        let records = self.receipts_since(oldest);
        let mut lines = intents.iter().flat_map(|(_, lines)| lines);
        let is_shown = |line: &RefEvent| {
            now.get(&line.update.name).copied() == line.update.new
                || records.iter().any(|(_, record)| starts_from(record, &line.update))
        };
        if lines.any(is_shown) { self.receipts_since(oldest.saturating_sub(LOOK_BACK)) } else { records }
    }
}

/// Sorts the oldest first; those of another run of the machine before those of this one.
fn age_key(intent: &Receipt) -> (bool, i64, i64) {
    (intent.moment.boot == process::boot_id(), intent.moment.seconds, intent.moment.nanoseconds)
}

/// Whether one was written down before the other.
fn is_older(one: &Receipt, other: &Receipt) -> bool {
    one.moment.is_before(&other.moment).unwrap_or(one.after <= other.after)
}

fn names(receipt: &Receipt, update: &RefUpdate) -> bool {
    receipt.lines.iter().any(|line| line.update.name == update.name)
}

fn covers(intent: &Receipt, updates: &[RefUpdate]) -> bool {
    let lines: HashSet<&RefUpdate> = intent.lines.iter().map(|line| &line.update).collect();
    !updates.is_empty() && updates.iter().all(|update| lines.contains(update))
}

/// Whether a push is over, and its own hook had its time.
fn is_abandoned(intent: &Receipt) -> bool {
    match intent.receive_pack_life() {
        Life::Running => false,
        Life::Gone => intent.age() >= OWN_TIME,
        Life::Unknown => intent.age() >= OWN_TIME_UNKNOWN,
    }
}

/// Asks again and again until there is an answer or patience is at its end.
fn within_patience<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= end {
            return answer;
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identifier;
    use crate::process::Environment;
    use crate::process::Moment;
    use crate::ref_update::ObjectFormat;

    #[test]
    fn an_intent_is_its_own_hooks_for_a_while() {
        let is_abandoned = |receive_pack, age| {
            let now = Moment::now();
            let moment = Moment { seconds: now.seconds - age, ..now };
            let receipt = Receipt::new(Vec::new(), &Environment::default(), &[]);
            super::is_abandoned(&Receipt { receive_pack, moment, ..receipt })
        };
        let dead = Some(Process { pid: i32::MAX, start: 1 });
        assert_eq!([50, 60].map(|age| is_abandoned(dead, age)), [false, true]);
        assert_eq!([3590, 3600].map(|age| is_abandoned(None, age)), [false, true]);
        let elsewhere = |change: &dyn Fn(&mut Receipt), age: i64| {
            let mut intent = Receipt::new(Vec::new(), &Environment::default(), &[]);
            (intent.receive_pack, intent.time) = (dead, process::now() - age);
            intent.moment.seconds -= age;
            change(&mut intent);
            super::is_abandoned(&intent)
        };
        let on_another_host = |intent: &mut Receipt| intent.moment.boot = "another".into();
        let in_a_container = |intent: &mut Receipt| intent.host.as_mut().unwrap().pid_namespace = Some(1);
        for change in [&on_another_host as &dyn Fn(&mut Receipt), &in_a_container] {
            assert_eq!([60, 3590, 3600].map(|age| elsewhere(change, age)), [false, false, true]);
        }
        assert!(elsewhere(&on_another_host, -7200), "its clock was far ahead, and nobody waits for that");
    }

    /// Seen by killing hooks at random moments: two pushes that followed on one whose hook had died each announced it.
    #[test]
    fn an_intent_is_announced_once_however_many_follow_on_it() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(crate::state_dir::StateDir::new(directory.path(), false));
        let new = ObjectId::from_hex(&[b'1'; 40]).flatten();
        let update = RefUpdate {
            old: None,
            new,
            format: ObjectFormat::Sha1,
            name: RefName::new("refs/heads/main"),
            alias: None,
        };
        let intent = Receipt::new(vec![RefEvent::new(update, identifier::event())], &Environment::default(), &[]);
        let watch = crate::process::Watch::start(Duration::from_secs(3600));
        let head = Receipt { lines: Vec::new(), ..intent.clone() };
        let add = |lines: &mut crate::spool::IntentLines<'_>| lines.add(&intent.lines[0]).map(|_| Some(Vec::new()));
        spool.write_intent(head, &watch, add).unwrap();
        // Both chose its lines before either had announced them.
        assert!(spool.announce(&intent, intent.lines.clone()).unwrap().is_some());
        assert!(spool.announce(&intent, intent.lines.clone()).unwrap().is_none());
        assert_eq!(spool.receipts_since(0).len(), 1);
    }

    #[test]
    fn of_those_who_write_down_the_same_events_the_first_tells() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(crate::state_dir::StateDir::new(directory.path(), false));
        let line = |name: &str| {
            let new = ObjectId::from_hex(&[b'1'; 40]).flatten();
            let update =
                RefUpdate { old: None, new, format: ObjectFormat::Sha1, name: RefName::new(name), alias: None };
            RefEvent::new(update, identifier::event())
        };
        let lines = vec![line("refs/heads/a"), line("refs/heads/b")];
        let intent = Receipt::new(lines.clone(), &Environment::default(), &[]);
        assert!(spool.keep_untold(intent.with(lines[..1].to_vec())).unwrap().is_some());
        assert!(spool.keep_untold(intent.with(lines[..1].to_vec())).unwrap().is_none());
        assert_eq!(spool.keep_untold(intent.clone()).unwrap().unwrap().receipt.lines, lines[1..]);
        assert!(spool.keep_untold(intent).unwrap().is_none());
    }
}
