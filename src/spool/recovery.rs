//! Which updates of intents were applied and have no receipt, judged by what is known of their refs.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::push::Receipt;
use crate::ref_update::{ObjectId, RefEvent, RefName, RefUpdate};

/// An intent and those of its lines that something is to be done about.
pub(super) type Lines = (Receipt, Vec<RefEvent>);

/// Of each intent the lines that were applied and have no receipt. The intents are oldest first; what is missed of a
/// newer one counts as known when an older one is judged, which it may follow on.
pub(super) fn missed(
    intents: &[Lines],
    mut records: Vec<(u64, Receipt)>,
    now: &HashMap<RefName, ObjectId>,
) -> Vec<Vec<RefEvent>> {
    let mut missed: Vec<_> = intents
        .iter()
        .enumerate()
        .rev()
        .map(|(at, (intent, lines))| {
            let lines = missed_of(intent, lines, &intents[..at], &records, now);
            records.push((u64::MAX, intent.with(lines.clone())));
            lines
        })
        .collect();
    missed.reverse();
    missed
}

/// Those of an intent's lines that were applied and have no receipt.
///
/// A ref enters an id as often as it leaves it, and once more where it stands there now. If from the intent on the
/// records have it enter the id of a line less often, then this line is the one that is missing. `records` are in order;
/// `older` are the intents before this one, which may have been applied as well.
fn missed_of(
    intent: &Receipt,
    lines: &[RefEvent],
    older: &[Lines],
    records: &[(u64, Receipt)],
    now: &HashMap<RefName, ObjectId>,
) -> Vec<RefEvent> {
    let names: HashSet<_> = lines.iter().map(|line| &line.update.name).collect();
    let mut of_ref: HashMap<&RefName, Vec<(bool, &RefUpdate)>> = HashMap::new();
    for (sequence, record) in records {
        let is_before = record.moment.is_before(&intent.moment).unwrap_or(*sequence <= intent.after);
        for line in record.lines.iter().filter(|line| names.contains(&line.update.name)) {
            of_ref.entry(&line.update.name).or_default().push((is_before, &line.update));
        }
    }
    let is_missed = |line: &&RefEvent| {
        let records = of_ref.get(&line.update.name).map_or([].as_slice(), Vec::as_slice);
        let ends_there =
            |other: &RefEvent| other.update.name == line.update.name && other.update.new == line.update.old;
        let is_explained = older.iter().any(|(_, lines)| lines.iter().any(ends_there));
        let since = since(&line.update, is_explained, records);
        let entered = since.iter().filter(|record| record.new == line.update.new).count();
        let left = since.iter().filter(|record| record.old == line.update.new).count();
        left + usize::from(now.get(&line.update.name).copied() == line.update.new) > entered
    };
    once(lines.iter().filter(is_missed).cloned())
}

/// Of lines that say the same, one pushed by a symbolic ref and one by the name it leads to, the one that knows both.
pub(super) fn once(lines: impl Iterator<Item = RefEvent>) -> Vec<RefEvent> {
    let lines: Vec<_> = lines.collect();
    let by_alias: HashSet<_> =
        lines.iter().filter(|line| line.update.alias.is_some()).map(|line| line.update.clone()).collect();
    let mut seen = HashSet::new();
    let mut is_first = |line: &RefEvent| match line.update.alias {
        Some(_) => seen.insert(line.update.clone()),
        None => !by_alias.contains(&line.update),
    };
    lines.into_iter().filter(|line| is_first(line)).collect()
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

/// Which of the intents, oldest first, hold a line that a newer intent shows which is not settled either: that one
/// begins where the line ended. If it was accepted, the line was; nobody can tell yet.
pub(super) fn undecided(intents: &[Lines], missed: &[Vec<RefEvent>], others: &[Receipt]) -> Vec<bool> {
    let mut open: Vec<&Receipt> = others.iter().collect();
    let mut undecided: Vec<_> = intents
        .iter()
        .zip(missed)
        .rev()
        .map(|((intent, lines), missed)| {
            let is_shown = |line: &RefEvent| open.iter().any(|other| starts_from(other, &line.update));
            let is_open = lines.iter().any(|line| !missed.contains(line) && is_shown(line));
            if is_open {
                open.push(intent);
            }
            is_open
        })
        .collect();
    undecided.reverse();
    undecided
}

/// Whether a line begins where the update ended.
pub(super) fn starts_from(receipt: &Receipt, update: &RefUpdate) -> bool {
    receipt.lines.iter().any(|line| line.update.name == update.name && line.update.old == update.new)
}

/// Updates of which only what they say counts.
pub(super) fn as_lines(updates: &[RefUpdate]) -> Vec<RefEvent> {
    updates.iter().map(|update| RefEvent::new(update.clone(), Uuid::nil())).collect()
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
        assert_eq!(!missed_of(&intent, &intent.lines, &[], &records, &refs).is_empty(), expected);
    }

    #[test]
    fn an_update_is_missed_where_the_ref_shows_it_and_no_receipt_does() {
        check(('0', 'a'), &[], 'a', true);
        check(('0', 'a'), &[], '0', false);
        check(('0', 'a'), &[(11, ('a', 'b'))], 'b', true);
        check(('a', '0'), &[(11, ('0', 'b'))], 'b', true);
        check(('a', '0'), &[], '0', true);
    }

    #[test]
    fn one_that_has_a_receipt_is_not_missed_again() {
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
    fn a_refused_way_back_is_not_missed() {
        check(('b', 'a'), &[(9, ('a', 'b'))], 'b', false);
    }

    #[test]
    fn what_was_refused_for_an_old_value_the_ref_never_had_is_not_missed() {
        check(('0', 'b'), &[(9, ('a', 'b'))], 'b', false);
    }

    #[test]
    fn of_two_alike_the_one_that_has_a_receipt_counts() {
        check(('0', 'a'), &[(9, ('0', 'a'))], 'a', false);
        check(('0', 'a'), &[(8, ('c', '0')), (9, ('0', 'a'))], 'a', false);
    }
}
