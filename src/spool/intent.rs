//! Which intent is whose, and what becomes of one whose post-receive never came.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use super::Spool;
use super::receipt::{Intent, Owned, Receipt};
use super::record::Line;
use crate::process::Process;
use crate::ref_update::{ObjectId, RefName, RefUpdate};

/// An intent is left to its own push for so long, in seconds: its hook may be on its way though receive-pack has died.
const OWN_TIME: i64 = 60;

/// The same where nobody can tell whether receive-pack lives.
const OWN_TIME_UNKNOWN: i64 = 3600;

/// How long a push waits for the receipt of the one before it on the same ref, or for another process to be done with
/// its intent.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(5);

/// How many pushes before an intent are looked through for what became of its refs.
const LOOK_BACK: u64 = 1000;

/// Reads where all refs stand now; `None` where that fails.
pub type ReadRefs<'a> = &'a dyn Fn() -> Option<HashMap<RefName, ObjectId>>;

/// What was told of each ref, in order.
#[derive(Default)]
struct Records(HashMap<RefName, Vec<RefUpdate>>);

impl Records {
    fn new(updates: impl IntoIterator<Item = RefUpdate>) -> Self {
        let mut records = Self::default();
        for update in updates {
            records.0.entry(update.name.clone()).or_default().push(update);
        }
        records
    }

    fn of(&self, name: &RefName) -> &[RefUpdate] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether an update happened that nobody told of yet. A ref enters an id as often as it leaves it, and once more
    /// where it stands there now; if the records have it enter less often, this update is the one that is missing.
    fn lack(&self, update: &RefUpdate, now: Option<ObjectId>) -> bool {
        self.leaves(update, now) > self.of(&update.name).iter().filter(|record| record.new == update.new).count()
    }

    /// How often the ref has left the id that the update sets, or stands there.
    fn leaves(&self, update: &RefUpdate, now: Option<ObjectId>) -> usize {
        let left = self.of(&update.name).iter().filter(|record| record.old == update.new).count();
        left + usize::from(now == update.new)
    }
}

impl Spool {
    /// The intent that a push with these updates was announced by, claimed.
    ///
    /// It is told by its lines: a driver may stand between receive-pack and the hook. Of several with the same lines
    /// it is that of the own receive-pack; one whose receive-pack lives and is another's is left alone. Fewer lines
    /// than the intent's are the rule where git refused some, and happen where receive-pack died while it wrote.
    pub fn own_intent(&self, updates: &[RefUpdate], own: Option<Process>) -> Option<Intent> {
        let is_own = |intent: &Receipt| intent.receive_pack == own || own.is_none();
        let mut candidates = self.intents();
        candidates.retain(|intent| is_own(intent) || !intent.receive_pack.is_some_and(Process::is_alive));
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
    /// Waits for them a moment; then they are announced from their intents, as the receipts returned.
    pub fn see_to_predecessors(&self, updates: &[RefUpdate], own: Option<Process>, refs: ReadRefs<'_>) -> Vec<Owned> {
        let starts: HashSet<(&RefName, ObjectId)> =
            updates.iter().filter_map(|update| Some((&update.name, update.old?))).collect();
        let precedes = |line: &&Line| line.update.new.is_some_and(|new| starts.contains(&(&line.update.name, new)));
        let waited_for = || {
            let mut intents = self.intents();
            intents.retain(|intent| own.is_none() || intent.receive_pack != own);
            intents.retain(|intent| {
                let mut before = intent.lines.iter().filter(precedes).peekable();
                before.peek().is_some() && {
                    let told: HashSet<_> = self.updates_since(intent.after).into_iter().collect();
                    before.any(|line| !told.contains(&line.update))
                }
            });
            intents
        };
        if within_patience(|| waited_for().is_empty().then_some(())).is_some() {
            return Vec::new();
        }
        let now = refs().unwrap_or_default();
        let announce = |intent: &Receipt| {
            let intent = self.claim(intent)?;
            let told = self.updates_since(intent.receipt.after.saturating_sub(LOOK_BACK));
            // Of ours there is no receipt yet.
            let records = Records::new(told.into_iter().chain(updates.iter().cloned()));
            let lines = intent.receipt.lines.iter().filter(precedes);
            let lacking = |line: &&Line| records.lack(&line.update, now.get(&line.update.name).copied());
            self.announce(&intent.receipt, lines.filter(lacking).cloned().collect())
        };
        waited_for().iter().filter_map(announce).collect()
    }

    /// Settles intents whose push is over and whose post-receive never came: updates that stand become receipts, which
    /// are returned; the others were refused. Where the refs cannot be read, all stay as they are.
    ///
    /// Crash: the receipt is durable before its intent is removed. An intent that is found again then has its updates
    /// among the receipts, and none of them stands a second time.
    pub fn settle_intents(&self, refs: ReadRefs<'_>) -> Vec<Owned> {
        let mut abandoned = self.intents();
        abandoned.retain(is_abandoned);
        if abandoned.is_empty() {
            return Vec::new();
        }
        let Some(now) = refs() else { return Vec::new() };
        abandoned.iter().filter_map(|intent| self.settle_intent(self.claim(intent)?, &now)).collect()
    }

    fn settle_intent(&self, intent: Intent, now: &HashMap<RefName, ObjectId>) -> Option<Owned> {
        let now_of = |line: &Line| now.get(&line.update.name).copied();
        let lines = &intent.receipt.lines;
        // Most were refused, which is plain without a look at what came long before.
        let records = Records::new(self.updates_since(intent.receipt.after));
        if lines.iter().all(|line| records.leaves(&line.update, now_of(line)) == 0) {
            self.drop_intent(intent);
            return None;
        }
        let records = Records::new(self.updates_since(intent.receipt.after.saturating_sub(LOOK_BACK)));
        let lacking = |line: &&Line| records.lack(&line.update, now_of(line));
        let lines: Vec<_> = lines.iter().filter(lacking).cloned().collect();
        let is_over = lines.is_empty();
        let announced = self.announce(&intent.receipt, lines);
        if is_over || announced.is_some() {
            self.drop_intent(intent);
        }
        announced
    }

    fn announce(&self, intent: &Receipt, lines: Vec<Line>) -> Option<Owned> {
        if lines.is_empty() {
            return None;
        }
        self.keep(intent.with(lines)).map_err(|error| log::error!("{error}")).ok()
    }
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
    use crate::ref_update::parse;

    fn updates(steps: &[(char, char)]) -> Vec<RefUpdate> {
        let id = |letter: char| letter.to_string().repeat(40);
        let lines: Vec<_> = steps.iter().map(|(old, new)| format!("{} {} refs/heads/r", id(*old), id(*new))).collect();
        parse(lines.join("\n").as_bytes()).0
    }

    fn at(letter: char) -> Option<ObjectId> {
        ObjectId::from_hex(letter.to_string().repeat(40).as_bytes()).flatten()
    }

    #[track_caller]
    fn check(step: (char, char), records: &[(char, char)], now: char, expected: bool) {
        assert_eq!(Records::new(updates(records)).lack(&updates(&[step])[0], at(now)), expected);
    }

    #[test]
    fn an_update_stands_where_the_ref_shows_it_and_nobody_told() {
        check(('0', 'a'), &[], 'a', true);
        check(('0', 'a'), &[], '0', false);
        check(('0', 'a'), &[('0', 'a')], 'a', false);
        check(('0', 'a'), &[('a', 'b')], 'b', true);
        check(('0', 'a'), &[('0', 'a'), ('a', 'b')], 'b', false);
    }

    #[test]
    fn a_ref_may_come_back_to_where_it_was() {
        check(('0', 'a'), &[('0', 'a'), ('a', '0')], 'a', true);
        check(('a', '0'), &[], '0', true);
        check(('a', '0'), &[('a', '0')], '0', false);
        check(('a', '0'), &[('0', 'b')], 'b', true);
    }
}
