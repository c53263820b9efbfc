//! Which intent is whose, and what becomes of one whose post-receive never came.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Spool;
use super::receipt::{Intent, Owned, Receipt};
use super::record::Line;
use crate::process::{self, Process};
use crate::ref_update::{ObjectId, RefName, RefUpdate};

/// An intent is left to its own push for so long, in seconds: its hook may be on its way though receive-pack has died.
const OWN_TIME: i64 = 60;

/// The same where nobody can tell whether receive-pack lives.
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

/// An intent and those of its lines that something is to be done about.
type Lines = (Receipt, Vec<Line>);

impl Spool {
    /// The intent that a push with these updates was announced by, claimed.
    ///
    /// It is that of the own receive-pack, with all of the lines. Where one of the two could not tell its receive-pack,
    /// the lines alone decide. Fewer lines than the intent's are the rule where git refused some, and happen where
    /// receive-pack died while it wrote.
    pub fn own_intent(&self, updates: &[RefUpdate], own: Option<Process>) -> Option<Intent> {
        let mut candidates = self.intents();
        candidates.retain(|intent| match (intent.receive_pack, own) {
            (Some(its), Some(own)) => its == own,
            _ => true,
        });
        candidates.retain(|intent| covers(intent, updates));
        candidates.sort_by_key(|intent| intent.receive_pack != own);
        candidates.iter().find_map(|intent| {
            // Whoever has claimed it is turning it into a receipt, which `told` finds then.
            within_patience(|| match self.claim(intent) {
                Some(claimed) => Some(Some(claimed)),
                None if self.intents().iter().any(|other| other.id == intent.id) => None,
                None => Some(None),
            })
            .flatten()
        })
    }

    /// Sees to it that the updates of other pushes that these follow on have their receipts, and so their numbers,
    /// first: two hooks may start in another order than git moved the refs.
    ///
    /// `own` is the intent of these updates: what they follow on was written down before it. Waits a moment for the
    /// others; then they are announced from their intents, as the receipts returned.
    pub fn see_to_predecessors(&self, updates: &[RefUpdate], own: &Receipt, refs: ReadRefs<'_>) -> Vec<Owned> {
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

    /// Announces what stands of the intents, oldest first, up to one that somebody else has claimed.
    fn announce_for(
        &self,
        predecessors: &[Lines],
        updates: &[RefUpdate],
        own: &Receipt,
        refs: ReadRefs<'_>,
        judged: &mut HashSet<Uuid>,
        announced: &mut Vec<Owned>,
    ) {
        let now = refs().unwrap_or_default();
        let oldest = predecessors.iter().map(|(intent, _)| intent.after).min().unwrap_or(0);
        let mut records = self.receipts_since(oldest.saturating_sub(LOOK_BACK));
        // Of ours there is no receipt yet.
        records.push((u64::MAX, own.with(as_lines(updates))));
        for ((intent, _), lines) in predecessors.iter().zip(standing(predecessors, records, &now)) {
            let Some(claimed) = self.claim(intent) else { return };
            judged.insert(intent.id);
            if !lines.is_empty() {
                match self.keep(claimed.receipt.with(lines)) {
                    Ok(owned) => announced.push(owned),
                    Err(error) => log::error!("{error}"),
                }
            }
        }
    }

    /// The lines of older intents that have no receipt yet and that the updates follow on, directly or through others,
    /// oldest first.
    fn predecessors(&self, updates: &[RefUpdate], own: &Receipt) -> Vec<Lines> {
        let mut intents = self.intents();
        intents.retain(|intent| intent.moment.is_before(&own.moment).unwrap_or(true));
        intents.sort_by_key(|intent| (intent.moment.seconds, intent.moment.nanoseconds));
        let mut starts: HashSet<_> = updates.iter().map(|update| (update.name.clone(), update.old)).collect();
        let mut found = Vec::new();
        // From the newest on: what a push follows on was written down before it.
        for intent in intents.into_iter().rev() {
            let precedes = |line: &&Line| starts.contains(&(line.update.name.clone(), line.update.new));
            let mut lines: Vec<_> = intent.lines.iter().filter(precedes).cloned().collect();
            if lines.is_empty() {
                continue;
            }
            starts.extend(lines.iter().map(|line| (line.update.name.clone(), line.update.old)));
            let told = self.receipts_since(intent.after);
            let told: HashSet<_> =
                told.iter().flat_map(|(_, receipt)| &receipt.lines).map(|line| &line.update).collect();
            lines.retain(|line| !told.contains(&line.update));
            if !lines.is_empty() {
                found.push((intent, lines));
            }
        }
        found.reverse();
        found
    }

    /// The intents of pushes that are over, which a hook or a flush will settle.
    pub fn abandoned(&self) -> Vec<Receipt> {
        let mut intents = self.intents();
        intents.retain(is_abandoned);
        intents
    }

    /// Settles intents whose push is over and whose post-receive never came: updates that stand become receipts, which
    /// are returned; the others were refused. Where the refs cannot be read, all stay as they are; so does an intent
    /// while an older one of its refs is not settled, or they would be told in the wrong order.
    ///
    /// Crash: the receipt is durable before its intent is removed. An intent that is found again then has its updates
    /// among the receipts, and none of them stands a second time.
    pub fn settle_intents(&self, refs: ReadRefs<'_>) -> Vec<Owned> {
        let mut intents = self.intents();
        if !intents.iter().any(is_abandoned) {
            return Vec::new();
        }
        // Before the receipts: a push between the two is then seen by its receipt alone, and counts as told.
        let Some(now) = refs() else { return Vec::new() };
        let run = process::boot_id();
        intents.sort_by_key(|intent| (intent.moment.boot == run, intent.moment.seconds, intent.moment.nanoseconds));
        let (abandoned, mut others): (Vec<_>, Vec<_>) = intents.into_iter().partition(is_abandoned);
        let mut claims = Vec::new();
        for intent in abandoned {
            match self.claim(&intent) {
                Some(claim) => claims.push(claim),
                // Somebody else is at it.
                None => others.push(intent),
            }
        }
        let lines: Vec<Lines> =
            claims.iter().map(|claim| (claim.receipt.clone(), claim.receipt.lines.clone())).collect();
        let standing = standing(&lines, self.records(&lines, &now), &now);
        let undecided = undecided(&lines, &standing, &others);

        let mut left: HashSet<RefName> = HashSet::new();
        let mut announced = Vec::new();
        for (((claim, (_, lines)), standing), is_undecided) in
            claims.into_iter().zip(&lines).zip(standing).zip(undecided)
        {
            // An older push of the ref is under way, and is told first.
            let is_older_of = |line: &Line| {
                let mut older = others.iter().filter(|other| is_older(other, &claim.receipt));
                older.any(|other| names(other, &line.update)) || left.contains(&line.update.name)
            };
            if is_undecided || lines.iter().any(is_older_of) {
                left.extend(lines.iter().map(|line| line.update.name.clone()));
            } else if standing.is_empty() {
                self.drop_intent(claim);
            } else {
                match self.keep(claim.receipt.with(standing)) {
                    Ok(owned) => {
                        announced.push(owned);
                        self.drop_intent(claim);
                    }
                    Err(error) => {
                        log::error!("{error}");
                        left.extend(lines.iter().map(|line| line.update.name.clone()));
                    }
                }
            }
        }
        announced
    }

    /// The receipts that tell which of the lines stand. Most were refused, and no ref shows them: then there is no need
    /// to look at what came long before.
    fn records(&self, intents: &[Lines], now: &HashMap<RefName, ObjectId>) -> Vec<(u64, Receipt)> {
        let oldest = intents.iter().map(|(intent, _)| intent.after).min().unwrap_or(0);
        let records = self.receipts_since(oldest);
        let mut lines = intents.iter().flat_map(|(_, lines)| lines);
        let is_shown = |line: &Line| {
            now.get(&line.update.name).copied() == line.update.new
                || records.iter().any(|(_, record)| starts_from(record, &line.update))
        };
        if lines.any(is_shown) { self.receipts_since(oldest.saturating_sub(LOOK_BACK)) } else { records }
    }
}

/// Which of the intents, oldest first, hold a line that a newer intent shows which is not settled either: that one
/// begins where the line ended. If it was accepted, the line was; nobody can tell yet.
fn undecided(intents: &[Lines], standing: &[Vec<Line>], others: &[Receipt]) -> Vec<bool> {
    let mut open: Vec<&Receipt> = others.iter().collect();
    let mut undecided: Vec<_> = intents
        .iter()
        .zip(standing)
        .rev()
        .map(|((intent, lines), standing)| {
            let is_shown = |line: &Line| open.iter().any(|other| starts_from(other, &line.update));
            let is_open = lines.iter().any(|line| !standing.contains(line) && is_shown(line));
            if is_open {
                open.push(intent);
            }
            is_open
        })
        .collect();
    undecided.reverse();
    undecided
}

/// Whether one was written down before the other.
fn is_older(one: &Receipt, other: &Receipt) -> bool {
    one.moment.is_before(&other.moment).unwrap_or(one.after <= other.after)
}

fn names(receipt: &Receipt, update: &RefUpdate) -> bool {
    receipt.lines.iter().any(|line| line.update.name == update.name)
}

/// Whether a line begins where the update ended.
fn starts_from(receipt: &Receipt, update: &RefUpdate) -> bool {
    receipt.lines.iter().any(|line| line.update.name == update.name && line.update.old == update.new)
}

fn covers(intent: &Receipt, updates: &[RefUpdate]) -> bool {
    let lines: HashSet<&RefUpdate> = intent.lines.iter().map(|line| &line.update).collect();
    !updates.is_empty() && updates.iter().all(|update| lines.contains(update))
}

fn is_abandoned(intent: &Receipt) -> bool {
    // A machine that was started anew has none of the processes it had.
    let Some(age) = intent.moment.age() else { return true };
    match intent.receive_pack {
        Some(process) => !process.is_alive() && age >= OWN_TIME,
        None => age >= OWN_TIME_UNKNOWN,
    }
}

/// Of each intent the lines that happened though nobody told of them. The intents are oldest first; what stands of a
/// newer one counts as told when an older one is judged, which it may follow on.
fn standing(intents: &[Lines], mut records: Vec<(u64, Receipt)>, now: &HashMap<RefName, ObjectId>) -> Vec<Vec<Line>> {
    let mut standing: Vec<_> = intents
        .iter()
        .enumerate()
        .rev()
        .map(|(at, (intent, lines))| {
            let lines = lacking(intent, lines, &intents[..at], &records, now);
            records.push((u64::MAX, intent.with(lines.clone())));
            lines
        })
        .collect();
    standing.reverse();
    standing
}

/// Those of an intent's lines that happened though nobody told of them.
///
/// A ref enters an id as often as it leaves it, and once more where it stands there now. If from the intent on the
/// records have it enter the id of a line less often, then this line is the one that is missing. `records` are in order;
/// `older` are the intents before this one, which may have stood as well.
fn lacking(
    intent: &Receipt,
    lines: &[Line],
    older: &[Lines],
    records: &[(u64, Receipt)],
    now: &HashMap<RefName, ObjectId>,
) -> Vec<Line> {
    let names: HashSet<_> = lines.iter().map(|line| &line.update.name).collect();
    let mut of_ref: HashMap<&RefName, Vec<(bool, &RefUpdate)>> = HashMap::new();
    for (sequence, record) in records {
        let is_before = record.moment.is_before(&intent.moment).unwrap_or(*sequence <= intent.after);
        for line in record.lines.iter().filter(|line| names.contains(&line.update.name)) {
            of_ref.entry(&line.update.name).or_default().push((is_before, &line.update));
        }
    }
    let is_lacking = |line: &&Line| {
        let records = of_ref.get(&line.update.name).map_or([].as_slice(), Vec::as_slice);
        let ends_there = |other: &Line| other.update.name == line.update.name && other.update.new == line.update.old;
        let is_explained = older.iter().any(|(_, lines)| lines.iter().any(ends_there));
        let since = since(&line.update, is_explained, records);
        let entered = since.iter().filter(|record| record.new == line.update.new).count();
        let left = since.iter().filter(|record| record.old == line.update.new).count();
        left + usize::from(now.get(&line.update.name).copied() == line.update.new) > entered
    };
    lines.iter().filter(is_lacking).cloned().collect()
}

/// The records of a ref from the moment on in which the push of `update` saw it: those written down after its intent,
/// and of those before it what moved the ref away from where the push saw it.
///
/// `is_explained`: an older intent would have put the ref where the push saw it.
fn since<'r>(update: &RefUpdate, is_explained: bool, records: &[(bool, &'r RefUpdate)]) -> Vec<&'r RefUpdate> {
    let before: Vec<_> = records.iter().filter(|(is_before, _)| *is_before).map(|(_, record)| *record).collect();
    let seen = match before.iter().rposition(|record| record.new == update.old) {
        Some(at) => at + 1,
        // Nothing is known of how it came there. If the last record put it where this update would, it stands there for
        // that.
        None => before.iter().position(|record| record.old == update.old).unwrap_or_else(|| {
            let is_there = before.last().is_some_and(|record| record.new == update.new);
            before.len() - usize::from(is_there && !is_explained)
        }),
    };
    let after = records.iter().filter(|(is_before, _)| !*is_before).map(|(_, record)| *record);
    before[seen..].iter().copied().chain(after).collect()
}

/// Updates of which only what they say counts.
fn as_lines(updates: &[RefUpdate]) -> Vec<Line> {
    updates.iter().map(|update| Line { update: update.clone(), event: Uuid::nil() }).collect()
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
    use crate::process::{Environment, Moment};
    use crate::ref_update::parse;

    fn receipt(second: i64, step: (char, char)) -> Receipt {
        let id = |letter: char| letter.to_string().repeat(40);
        let line = format!("{} {} refs/heads/r", id(step.0), id(step.1));
        let receipt = Receipt::new(as_lines(&parse(line.as_bytes()).0), &Environment::default(), &[]);
        Receipt { moment: Moment { seconds: second, ..receipt.moment }, ..receipt }
    }

    /// An intent of second 10 beside pushes that were written down at the seconds given.
    #[track_caller]
    fn check(step: (char, char), records: &[(i64, (char, char))], now: char, expected: bool) {
        let intent = receipt(10, step);
        let records: Vec<_> = (1..).zip(records).map(|(number, (at, step))| (number, receipt(*at, *step))).collect();
        let now = ObjectId::from_hex(now.to_string().repeat(40).as_bytes()).flatten();
        let refs = now.map(|now| (RefName::new("refs/heads/r"), now)).into_iter().collect();
        assert_eq!(!lacking(&intent, &intent.lines, &[], &records, &refs).is_empty(), expected);
    }

    #[test]
    fn an_update_stands_where_the_ref_shows_it_and_nobody_told() {
        check(('0', 'a'), &[], 'a', true);
        check(('0', 'a'), &[], '0', false);
        check(('0', 'a'), &[(11, ('a', 'b'))], 'b', true);
        check(('a', '0'), &[(11, ('0', 'b'))], 'b', true);
        check(('a', '0'), &[], '0', true);
    }

    #[test]
    fn one_that_was_told_does_not_stand_again() {
        check(('0', 'a'), &[(10, ('0', 'a'))], 'a', false);
        check(('0', 'a'), &[(10, ('0', 'a')), (11, ('a', 'b'))], 'b', false);
        check(('a', '0'), &[(10, ('a', '0'))], '0', false);
    }

    #[test]
    fn a_ref_may_come_back_to_where_it_was() {
        check(('0', 'a'), &[(7, ('0', 'a')), (8, ('a', '0'))], 'a', true);
        check(('0', 'a'), &[(11, ('0', 'a')), (12, ('a', '0'))], '0', false);
    }

    #[test]
    fn a_refused_way_back_does_not_stand() {
        check(('b', 'a'), &[(9, ('a', 'b'))], 'b', false);
    }

    #[test]
    fn what_was_refused_for_an_old_value_the_ref_never_had_does_not_stand() {
        check(('0', 'b'), &[(9, ('a', 'b'))], 'b', false);
    }

    #[test]
    fn of_two_alike_the_one_that_was_told_counts() {
        check(('0', 'a'), &[(9, ('0', 'a'))], 'a', false);
        check(('0', 'a'), &[(8, ('c', '0')), (9, ('0', 'a'))], 'a', false);
    }
}
