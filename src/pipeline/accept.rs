//! From the ref updates that git gave a hook to a receipt, safe on the disk.

use std::collections::HashMap;

use crate::files::FileError;
use crate::identifier;
use crate::process::Process;
use crate::ref_update::{RefEvent, RefUpdate};
use crate::spool::{ClaimedIntent, OwnedReceipt, ReadRefs, Receipt, Spool};

/// What became of a push that git gave a hook.
pub enum Accepted {
    /// It has its receipt, which this process is to settle.
    Kept(Box<OwnedReceipt>),
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
    /// What pre-receive wrote down of it; nobody else announces it while this is held.
    pub intent: Option<ClaimedIntent>,
}

/// Makes the receipt of this push: from here on nothing is lost, whatever happens to this process. `write` makes what is
/// to be written where no intent has it.
pub fn accept(
    spool: &Spool,
    mut updates: Vec<RefUpdate>,
    write: &dyn Fn(Vec<RefEvent>) -> Receipt,
    refs: ReadRefs<'_>,
) -> Accepted {
    let own = Process::receive_pack();
    let intent = spool.own_intent(&updates, own);
    if let Some(own) = own {
        let known = spool.with_receipt(own);
        updates.retain(|update| !known.contains(update));
    }
    if updates.is_empty() {
        return Accepted::Already;
    }
    if let Some(intent) = &intent {
        // What this announces is taken over with everything else that has no owner.
        drop(spool.see_to_predecessors(&updates, &intent.receipt, refs));
    }
    let receipt = match &intent {
        Some(whole) if whole.receipt.lines.len() == updates.len() => None,
        Some(intent) => {
            let known: HashMap<_, _> = intent.receipt.lines.iter().map(|line| (&line.update, line)).collect();
            let line = |update: RefUpdate| match known.get(&update) {
                Some(line) => RefEvent::clone(line),
                None => RefEvent::new(update, identifier::event()),
            };
            // The intent stays: git may have refused the other lines, or have died while it wrote them.
            Some(intent.receipt.with(updates.into_iter().map(line).collect()))
        }
        None => Some(write(fresh(updates))),
    };
    match (receipt, intent) {
        (None, Some(whole)) => match spool.promote(whole) {
            Ok(owned) => Accepted::Kept(Box::new(owned)),
            Err(failed) => {
                let (error, intent) = *failed;
                let receipt = intent.receipt.clone();
                Accepted::Unkept(Box::new(Unkept { error, receipt, intent: Some(intent) }))
            }
        },
        (Some(receipt), intent) => match spool.keep(receipt.clone()) {
            Ok(owned) => Accepted::Kept(Box::new(owned)),
            Err(error) => Accepted::Unkept(Box::new(Unkept { error, receipt, intent })),
        },
        (None, None) => Accepted::Already,
    }
}

/// The updates as events that nobody has heard of.
pub fn fresh(updates: Vec<RefUpdate>) -> Vec<RefEvent> {
    updates.into_iter().map(|update| RefEvent::new(update, identifier::event())).collect()
}
