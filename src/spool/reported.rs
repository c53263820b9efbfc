//! A push of which git says what came of it, before its client hears of that: its receipt is written then.

use std::collections::HashSet;

use super::Spool;
use super::push::Receipt;
use super::receipt::OwnedReceipt;
use super::recovery::once;
use crate::files::FileError;
use crate::process::Process;
use crate::ref_update::{Alias, RefEvent, RefName, RefUpdate};

impl Spool {
    /// Makes a receipt of those lines of this receive-pack's intent that were accepted, by the names they were pushed by.
    /// Without such an intent, or where somebody else has claimed it, nothing is done; nor where a push that they follow on
    /// has no receipt yet: post-receive has the time to wait for that.
    ///
    /// Nobody owns it afterwards: it is post-receive's to take over, or whoever's comes next.
    ///
    /// Crash: as for any other intent that becomes a receipt.
    ///
    /// # Errors
    /// Where it cannot be made durable; the intent is there still.
    pub fn keep_reported(&self, own: Process, accepted: &HashSet<RefName>) -> Result<(), FileError> {
        let Some(intent) = self.intent_of(own) else { return Ok(()) };
        let is_accepted = |line: &&RefEvent| accepted.contains(pushed_name(&line.update));
        let lines = once(intent.lines.iter().filter(is_accepted).cloned());
        let updates: Vec<_> = lines.iter().map(|line| line.update.clone()).collect();
        if lines.is_empty() || !self.predecessors(&updates, &intent).is_empty() {
            return Ok(());
        }
        let Some(claimed) = self.claim(&intent) else { return Ok(()) };
        if lines.len() == claimed.receipt.lines.len() {
            return self.promote(claimed).map(drop).map_err(|failed| failed.0);
        }
        // Of the others git has just said that they are refused.
        self.keep_untold(claimed.receipt.with(lines))?;
        self.drop_intent(claimed);
        Ok(())
    }

    /// The receipt of a push by this receive-pack that names all these updates and that nobody is at work on, though they
    /// have their numbers: receive-report has written it, or whoever did has died.
    pub fn left_for(&self, own: Process, updates: &[RefUpdate]) -> Option<OwnedReceipt> {
        let names_all = |receipt: &Receipt| {
            let lines: HashSet<_> = receipt.lines.iter().map(|line| &line.update).collect();
            receipt.receive_pack == Some(own) && receipt.is_from_here() && updates.iter().all(|it| lines.contains(it))
        };
        let receipts = self.receipts(&HashSet::new());
        let (sequence, receipt) = receipts.into_iter().find(|(_, receipt)| names_all(receipt))?;
        self.take_over(sequence, &receipt)
    }
}

/// The name that the pusher gave, by which git reports.
fn pushed_name(update: &RefUpdate) -> &RefName {
    match update.alias.as_deref() {
        Some(Alias::By(alias)) => alias,
        _ => &update.name,
    }
}
