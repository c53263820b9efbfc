//! What was pushed since a push: one that is told late is told of the refs as they were then.

use super::Spool;
use super::push::Receipt;
use crate::process;
use crate::ref_update::RefUpdate;

impl Spool {
    /// The ref updates of the pushes that came after this one, in order, whether they have their receipts or were only
    /// announced yet.
    ///
    /// Receipts are numbered as they are written down, which of a push that nobody told may be long after others; when it
    /// came to pass, their moments say. Of several runs of the machine moments say nothing, and the clock has to do.
    pub fn pushed_since(&self, sequence: u64, receipt: &Receipt) -> Vec<RefUpdate> {
        let is_last = self.last_sequence() <= receipt.after.saturating_add(1);
        // Nearly always, and this is asked for each push.
        let receipts = if is_last { Vec::new() } else { self.receipts_since(receipt.after) };
        let announced = self.intents().into_iter().map(|intent| (u64::MAX, intent));
        let others = receipts.into_iter().filter(|(number, _)| *number != sequence).chain(announced);
        let mut later: Vec<_> = others.filter(|other| is_later(other, (sequence, receipt))).collect();
        later.sort_by_cached_key(|(number, other)| {
            let is_of_same_run = other.moment.boot == receipt.moment.boot;
            let moment = is_of_same_run.then_some((other.moment.seconds, other.moment.nanoseconds));
            (!is_of_same_run, moment, by_run(*number, other))
        });
        later.iter().flat_map(|(_, other)| other.updates()).collect()
    }
}

fn is_later((number, other): &(u64, Receipt), (sequence, receipt): (u64, &Receipt)) -> bool {
    // Parts of one push have one moment.
    let is_part = other.moment == receipt.moment;
    let is_later = receipt.moment.is_before(&other.moment);
    !is_part && is_later.unwrap_or_else(|| by_run(*number, other) > by_run(sequence, receipt))
}

/// What tells pushes of several runs of the machine apart: whether it is this one, then the clock.
fn by_run(number: u64, receipt: &Receipt) -> (bool, i64, u64) {
    (receipt.moment.boot == process::boot_id(), receipt.time, number)
}
