//! A repository that is a copy of another: what was copied along, and what is its own.

use std::io;

use super::Spool;
use super::push::Receipt;
use super::queued::QueuedDelivery;
use crate::files::{FileError, Unfit};
use crate::message;

impl Spool {
    /// Whether it wrote this record where it lies now, and not where it was copied from.
    pub fn wrote(&self, receipt: &Receipt) -> bool {
        receipt.spool.is_some() && receipt.spool == self.writing_as()
    }

    /// Makes it a spool of its own, which it has become by being copied: what was copied along is the original's to tell, and
    /// becomes dead letters that somebody has seen. What was pushed to the copy since stays.
    ///
    /// # Errors
    /// Where something cannot be moved or written down, or somebody is sending it.
    pub fn begin_anew(&self) -> Result<(), FileError> {
        let before: Vec<_> = self.all_dead();
        self.set_copied_aside()?;
        let mut letters = self.all_dead();
        letters.retain(|letter| !before.contains(letter));
        self.mark_seen(&letters)?;
        self.renew()
    }

    /// Makes dead letters of all that waits and was not pushed to the copy itself.
    fn set_copied_aside(&self) -> Result<(), FileError> {
        let is_own = |receipt: &Receipt| self.wrote(receipt);
        let why = message::copied_along();
        let mut waiting = self.waiting();
        waiting.extend(self.published());
        for directory in waiting {
            let queue = self.queue_in(&directory);
            let path = self.place("queue").join(&directory).path();
            let busy = || FileError::new(message::cannot_make_dead, &path, io::Error::other(message::busy()));
            let _lock = queue.lock()?.ok_or_else(busy)?;
            let is_copied = |loaded: Result<(QueuedDelivery, Vec<u8>), Unfit>| {
                let receipt = loaded.ok().and_then(|(waiting, _)| self.settled(&waiting.receipt));
                !receipt.is_some_and(|receipt| is_own(&receipt))
            };
            let queued = queue.list().into_iter().filter(|queued| is_copied(queue.load(queued)));
            queued.for_each(|queued| queue.make_dead(&queued, why));
            let published =
                queue.published().into_iter().filter(|published| is_copied(queue.load_published(published)));
            published.for_each(|published| queue.make_published_dead(&published, why));
            let copied = queue.deferred().into_iter().filter(|push| !is_own(&push.receipt));
            copied.for_each(|push| queue.make_push_dead(&push, why));
        }
        for place in ["intents", "refused", "receipts", "stuck"] {
            for (name, _) in self.all_in(place).into_iter().filter(|(_, receipt)| !is_own(receipt)) {
                self.make_record_dead(place, &name, why);
            }
        }
        Ok(())
    }
}
