//! From the ref updates that git gave a hook to a receipt, safe on the disk.

use std::collections::{HashMap, HashSet};

use crate::files::FileError;
use crate::history;
use crate::identifier;
use crate::process::Process;
use crate::ref_update::{RefEvent, RefUpdate};
use crate::spool::{OwnIntent, OwnedReceipt, ReadRefs, Receipt, Spool, Untold};

/// What became of a push that git gave a hook.
pub enum Accepted {
    /// It has its receipt, which this process is to settle.
    Kept(Box<OwnedReceipt>),
    /// It had one that nobody was at work on, which this process is to settle.
    Left(Box<OwnedReceipt>),
    /// It has one already: this hook is installed twice, or somebody found the intent meanwhile.
    Already,
    /// It could not be written down.
    Unkept(Box<Unkept>),
}

/// A push that could not be written down.
pub struct Unkept {
    /// Why.
    pub error: FileError,
    /// What would have been written.
    pub receipt: Receipt,
    /// What pre-receive wrote down of it; nobody else announces it while this is held, unless somebody else has claimed it.
    pub intent: Option<OwnIntent>,
}

/// Makes the receipt of this push: from here on nothing is lost, whatever happens to this process. `write` makes what is
/// to be written where no intent has it.
pub fn accept(
    spool: &Spool,
    mut updates: Vec<RefUpdate>,
    write: &dyn Fn(Vec<RefEvent>) -> Receipt,
    refs: ReadRefs<'_>,
) -> Accepted {
    let asked = updates.len();
    let own = Process::receive_pack();
    let intent = spool.own_intent(&updates, own);
    if let Some(own) = own {
        let known = spool.with_receipt(own);
        if !updates.is_empty() && updates.iter().all(|update| known.contains(update)) {
            return spool.left_for(own, &updates).map_or(Accepted::Already, |owned| Accepted::Left(Box::new(owned)));
        }
        updates.retain(|update| !known.contains(update));
    }
    let (mut last, mut follow) = (0, false);
    if let Some(own) = own.filter(|_| intent.is_none()) {
        Untold { updates, last, follow } = spool.not_told_late(updates, own, &history::today());
    }
    if updates.is_empty() {
        return Accepted::Already;
    }
    let Some(intent) = intent else {
        let follow = follow && updates.len() == asked;
        let mut receipt = write(fresh(updates));
        receipt.after = last;
        return match spool.keep(receipt.clone()) {
            Ok(owned) => Accepted::Kept(Box::new(owned.following(follow))),
            Err(error) => Accepted::unkept(error, receipt, None),
        };
    };
    // What this announces is taken over with everything else that has no owner.
    drop(spool.see_to_predecessors(&updates, intent.receipt(), refs));
    match intent {
        OwnIntent::Claimed(whole) if whole.receipt.lines.len() == updates.len() => match spool.promote(whole) {
            Ok(owned) => Accepted::Kept(Box::new(owned)),
            Err(failed) => {
                let (error, intent) = *failed;
                Accepted::unkept(error, intent.receipt.clone(), Some(OwnIntent::Claimed(intent)))
            }
        },
        // The intent stays: git may have refused the other lines, or have died while it wrote them; or it is somebody
        // else's who is slow with it, and whose receipt may come before this one.
        intent => {
            let receipt = part_of(intent.receipt(), updates, refs);
            match spool.keep_untold(receipt.clone()) {
                Ok(Some(owned)) => Accepted::Kept(Box::new(owned)),
                Ok(None) => Accepted::Already,
                Err(error) => Accepted::unkept(error, receipt, Some(intent)),
            }
        }
    }
}

impl Accepted {
    fn unkept(error: FileError, receipt: Receipt, intent: Option<OwnIntent>) -> Self {
        Self::Unkept(Box::new(Unkept { error, receipt, intent }))
    }
}

/// Of the push that was announced these updates. A wrapper may hand each line to the hook by itself: what the others
/// brought, as far as their refs show it, was not there before this one either.
fn part_of(intent: &Receipt, updates: Vec<RefUpdate>, refs: ReadRefs<'_>) -> Receipt {
    let own: HashSet<_> = updates.iter().cloned().collect();
    let others: Vec<_> = intent.lines.iter().filter(|line| !own.contains(&line.update)).collect();
    let now = if others.is_empty() { None } else { refs() }.unwrap_or_default();
    let is_shown = |line: &&&RefEvent| now.get(&line.update.name).copied() == line.update.new;
    let beside = others.iter().filter(is_shown).map(|line| RefEvent::clone(line)).collect();
    intent.with(as_announced(updates, intent)).beside(beside)
}

/// The updates with the ids that the intent has for them.
fn as_announced(updates: Vec<RefUpdate>, intent: &Receipt) -> Vec<RefEvent> {
    let known: HashMap<_, _> = intent.lines.iter().map(|line| (&line.update, line)).collect();
    let line = |update: RefUpdate| match known.get(&update) {
        Some(line) => RefEvent { update, ..RefEvent::clone(line) },
        None => RefEvent::new(update, identifier::event()),
    };
    updates.into_iter().map(line).collect()
}

/// The updates as events that nobody has heard of.
pub fn fresh(updates: Vec<RefUpdate>) -> Vec<RefEvent> {
    updates.into_iter().map(|update| RefEvent::new(update, identifier::event())).collect()
}
