//! How the refs went from push to push, and the steps in between that no hook saw: a merge by `git update-ref`, a fetch, an
//! import.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::Spool;
use super::newest::Newest;
use super::push::{Asked, Receipt};
use super::snapshot::RefSnapshot;
use crate::process::{self, Moment, Process};
use crate::ref_update::{Alias, ObjectId, RefName, RefUpdate};

/// A movement of a ref between two that are written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// From where the one before ended to where the one after began.
    pub update: RefUpdate,
    /// The number of the record before; 0 for the snapshot.
    pub after: u64,
    /// The number of the record after.
    pub next: u64,
    /// The targets that were asked before and after it, and wanted the ref.
    pub targets: Vec<String>,
    /// When the one after it was written down, in seconds since 1970 and on the other clock.
    pub before: (i64, Moment),
}

/// A movement that is written down.
#[derive(Clone, Copy)]
struct Line<'r> {
    sequence: u64,
    update: &'r RefUpdate,
    /// With the line's number in it; `None` for a push that was sent from memory.
    receipt: Option<(&'r Receipt, u32)>,
}

impl RefSnapshot {
    /// Moves the refs as these receipts say, and as the updates that were sent from memory with the numbers that they would
    /// have had. Returns the steps between them.
    ///
    /// Numbers are given as hooks come, and what is told late has a higher one than what followed on it: a ref is followed
    /// from where it stands.
    pub fn draw_in(&mut self, receipts: &[(u64, Receipt)], unkept: &[(u64, RefUpdate)]) -> Vec<Step> {
        let mut of_ref: BTreeMap<&RefName, Vec<Line<'_>>> = BTreeMap::new();
        // A step that was told late lies where it began, which may be before the snapshot.
        let start = self.sequence;
        let is_after = |receipt: &Receipt| !receipt.is_late || receipt.after >= start;
        for (sequence, receipt) in receipts.iter().filter(|(_, receipt)| is_after(receipt)) {
            for (number, line) in (0..).zip(&receipt.lines) {
                let line = Line { sequence: *sequence, update: &line.update, receipt: Some((receipt, number)) };
                of_ref.entry(&line.update.name).or_default().push(line);
            }
        }
        for (sequence, update) in unkept {
            let line = Line { sequence: *sequence, update, receipt: None };
            of_ref.entry(&update.name).or_default().push(line);
        }
        let mut steps = Vec::new();
        for (name, mut lines) in of_ref {
            in_order(&mut lines);
            let is_link = |line: &Line<'_>| matches!(line.update.alias.as_deref(), Some(Alias::Itself(_)));
            if self.links.contains_key(name) || lines.iter().any(is_link) {
                lines.iter().for_each(|line| self.apply(std::slice::from_ref(line.update)));
            } else {
                steps.extend(self.follow(name, lines.into()));
            }
        }
        self.sequence = receipts.iter().map(|(sequence, _)| *sequence).fold(self.sequence, u64::max);
        steps
    }

    fn follow(&mut self, name: &RefName, mut lines: VecDeque<Line<'_>>) -> Vec<Step> {
        let mut at = self.refs.get(name).copied();
        let mut last: Option<Line<'_>> = None;
        let mut steps = Vec::new();
        while let Some(first) = lines.front().copied() {
            let way = way(at, first, &lines);
            if way.is_none() && last.is_none() && forget_what_led_to(at, &mut lines) {
                continue;
            }
            // A step that was told is in the snapshot, and led to where a push began, not to where the ref stood then.
            let is_told = way.is_none() && first.receipt.is_some_and(|(receipt, _)| receipt.is_late);
            let taken: Vec<_> = way.unwrap_or_else(|| vec![0]).into_iter().filter_map(|at| lines.remove(at)).collect();
            if is_told {
                continue;
            }
            for line in taken {
                if line.update.old != at {
                    steps.extend(self.step(at, last, line));
                }
                at = line.update.new;
                last = Some(line);
            }
        }
        match at {
            Some(id) => self.refs.insert(name.clone(), id),
            None => self.refs.remove(name),
        };
        steps
    }

    /// The step that lies before `next`; `None` where nobody can tell who was to hear of it.
    fn step(&self, at: Option<ObjectId>, last: Option<Line<'_>>, next: Line<'_>) -> Option<Step> {
        let (receipt, number) = next.receipt?;
        let update = RefUpdate { old: at, new: next.update.old, alias: None, ..next.update.clone() };
        let had_asked = |target: &str| match last {
            Some(Line { receipt: Some((receipt, number)), .. }) => receipt.asks(target, number),
            Some(_) => false,
            None => self.asked.iter().any(|filter| filter.takes(target, &update.name)),
        };
        let asked = receipt.asked.iter().flatten().filter(|asked| asked.wanted(number));
        let targets: Vec<_> = asked.map(|asked| asked.target.clone()).filter(|target| had_asked(target)).collect();
        let (after, before) = (last.map_or(0, |last| last.sequence), (receipt.time, receipt.moment.clone()));
        (!targets.is_empty()).then_some(Step { update, after, next: next.sequence, targets, before })
    }
}

/// Sorts the oldest first. Hooks come in any order, and numbers with them; when a push was written down before its refs moved tells
/// more, where all are of one run of the machine.
fn in_order(lines: &mut [Line<'_>]) {
    lines.sort_by_key(|line| line.sequence);
    let moment = |line: &Line<'_>| line.receipt.map(|(receipt, _)| receipt.moment.clone());
    let moments: Option<Vec<_>> = lines.iter().map(moment).collect();
    if moments.is_some_and(|all| all.windows(2).all(|two| two[0].boot == two[1].boot)) {
        lines.sort_by_key(|line| moment(line).map(|moment| (moment.seconds, moment.nanoseconds)));
    }
}

/// How the ref gets from where it stands to the end of the first line, through others with higher numbers where it has to:
/// the places of these lines, each without those taken before. `None` where it does not.
fn way(at: Option<ObjectId>, first: Line<'_>, lines: &VecDeque<Line<'_>>) -> Option<Vec<usize>> {
    // Nearly always.
    if first.update.old == at {
        return Some(vec![0]);
    }
    let (mut at, mut left, mut way) = (at, lines.clone(), Vec::new());
    while first.update.old != at {
        let next = left.iter().skip(1).position(|line| line.update.old == at)? + 1;
        at = left.remove(next)?.update.new;
        way.push(next);
    }
    way.push(0);
    Some(way)
}

/// A snapshot is read while others push: what led to where it has a ref is in it already. Returns whether there was any.
fn forget_what_led_to(at: Option<ObjectId>, lines: &mut VecDeque<Line<'_>>) -> bool {
    let (mut at, all) = (at, lines.len());
    while let Some(place) = lines.iter().rposition(|line| line.update.new == at) {
        at = lines.remove(place).and_then(|line| line.update.old);
    }
    lines.len() < all
}

/// So many of the newest records are looked through for what a hook is to know.
const RECENT: usize = 20;

impl Spool {
    /// The updates of those that nobody has been told of: a hook that comes late finds its push announced by
    /// `git webhook reconcile`. `receive_pack` took it before that was done, and nothing has brought the ref back to where the
    /// update begins since.
    pub fn not_told_late(&self, updates: Vec<RefUpdate>, receive_pack: Process, today: &str) -> Untold {
        let (last, recent) = self.since(receive_pack, today);
        let is_told = |update: &RefUpdate| {
            let tells = |receipt: &Receipt| receipt.lines.iter().any(|line| line.update == *update);
            let mut late = recent.iter().filter(|(_, receipt)| receipt.is_late && tells(receipt));
            late.any(|(told, receipt)| {
                let mut since = recent.iter().filter(|(number, _)| number > told);
                receive_pack.ran_at(&receipt.moment) && !since.any(|(_, other)| ends_at(other, update))
            })
        };
        let updates: Vec<_> = updates.into_iter().filter(|update| !is_told(update)).collect();
        let is_known = |update: &RefUpdate| recent.iter().any(|(_, receipt)| ends_at(receipt, update));
        let follow = last == 0 || updates.iter().all(is_known);
        Untold { updates, last, follow }
    }

    /// The number given last, and the newest receipts without those that were numbered before this process began: a push knows the
    /// number given last when it was written down, and so how far back that was.
    fn since(&self, process: Process, today: &str) -> (u64, Vec<(u64, Receipt)>) {
        let (mut found, mut before) = (Vec::new(), 0);
        let mut newest = Newest::new(self, today, None);
        while found.len() < RECENT
            && let Some((number, receipt)) = newest.next_above(before)
        {
            // What is told late has the place of another in time; and of another machine's run nobody can tell.
            if !receipt.is_late && receipt.moment.boot == process::boot_id() && !process.ran_at(&receipt.moment) {
                before = before.max(receipt.after);
            }
            found.push((number, receipt));
        }
        (newest.last, found)
    }

    /// Where the refs of a push with this number stood by the newest records, if none of them ends where it begins: something
    /// has moved them that no hook saw.
    pub fn moved_before<'u>(
        &self,
        sequence: u64,
        updates: &'u [RefUpdate],
        today: &str,
    ) -> Vec<(&'u RefUpdate, Option<ObjectId>)> {
        let mut open: HashMap<&RefName, Vec<Unexplained<'_>>> = HashMap::new();
        updates
            .iter()
            .for_each(|update| open.entry(&update.name).or_default().push(Unexplained { update, last: None }));
        // From the newest back: mostly the push before is the one that it follows on.
        for (number, receipt) in Newest::new(self, today, Some(sequence)).take(RECENT) {
            for line in receipt.lines.iter().rev() {
                let Some(known) = open.get_mut(&line.update.name) else { continue };
                known.retain(|known| line.update.new != known.update.old);
                let before = known.iter_mut().filter(|known| known.last.is_none() && number < sequence);
                before.for_each(|known| known.last = Some(line.update.new));
            }
            open.retain(|_, known| !known.is_empty());
            if open.is_empty() {
                return Vec::new();
            }
        }
        let is_moved = |update: &'u RefUpdate| {
            let known = open.get(&update.name)?.iter().find(|known| std::ptr::eq(known.update, update))?;
            Some((update, known.last?))
        };
        let mut moved: Vec<_> = updates.iter().filter_map(is_moved).collect();
        // Nearly always there are none, and this is asked after each push.
        if !moved.is_empty() {
            let intents = self.intents();
            let under_way: HashSet<_> = intents.iter().flat_map(|it| &it.lines).map(|line| &line.update.name).collect();
            moved.retain(|(update, _)| !under_way.contains(&update.name));
        }
        moved
    }
}

/// What is left of a push once it is known what was told of it already.
pub struct Untold {
    /// Of these updates nobody was told.
    pub updates: Vec<RefUpdate>,
    /// The number given last when that was looked for.
    pub last: u64,
    /// Each begins where a record of the newest ends: nothing has moved its ref unseen.
    pub follow: bool,
}

/// An update that no record was found yet to end where it begins.
struct Unexplained<'u> {
    update: &'u RefUpdate,
    /// Where the newest record before it ended, once one was found.
    last: Option<Option<ObjectId>>,
}

/// Whether a push left the ref where another began.
fn ends_at(receipt: &Receipt, update: &RefUpdate) -> bool {
    receipt.lines.iter().any(|line| line.update.name == update.name && line.update.new == update.old)
}

impl Receipt {
    /// Whether a target was asked, and wanted the line of this number.
    pub fn asks(&self, target: &str, number: u32) -> bool {
        self.asked.iter().flatten().any(|asked| asked.target == target && asked.wanted(number))
    }

    /// One of a step, which its targets alone are told of. What was pushed since its end is later.
    pub fn of_step(self, step: &Step) -> Self {
        let (time, mut moment) = step.before.clone();
        moment.nanoseconds -= 1;
        let targets = step.targets.iter().map(|target| Asked::alone(target));
        Self { time, moment, after: step.after.max(1), asked: Some(targets.collect()), ..self.late() }
    }
}
