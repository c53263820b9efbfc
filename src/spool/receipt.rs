//! The life of receipts and intents: written, claimed, taken over, settled.

use std::collections::{BTreeMap, HashSet};
use std::io;

use uuid::Uuid;

use super::Spool;
use super::name::{self, number};
use super::push::Receipt;
use super::record;
use crate::files::{Dir, Draft, FileError, Folder, Unfit};
use crate::message;
use crate::process::{Locked, Moment, Process, try_lock};
use crate::ref_update::{RefEvent, RefUpdate};

/// Where intents lie that look refused.
const REFUSED: &str = "refused";

/// How old such an intent is when the refs are asked about it a last time, in seconds.
const REFUSED_LIFE: u64 = 3600;

/// So many of the newest receipts are looked through for one of a hook.
const MOST_LOOKED_THROUGH: usize = 20;

/// A receipt that this process is to settle; nobody else can while it holds this.
#[derive(Debug)]
pub struct OwnedReceipt {
    /// The push.
    pub receipt: Receipt,
    /// Its place in the order of all pushes.
    pub sequence: u64,
    /// It is known that nothing has moved its refs before it that no hook saw.
    pub follows: bool,
    _lock: Option<Locked>,
}

impl OwnedReceipt {
    /// The same where it is known that nothing has moved its refs unseen.
    pub fn following(self, follows: bool) -> Self {
        Self { follows, ..self }
    }

    /// Its file's name.
    pub fn name(&self) -> String {
        self.receipt.name(self.sequence)
    }
}

/// A receipt that is written, and that nobody looks for yet.
struct ReceiptDraft<'d> {
    receipt: Receipt,
    draft: Draft<'d>,
    lock: Option<Locked>,
}

impl ReceiptDraft<'_> {
    fn place(self, sequence: u64) -> Result<OwnedReceipt, FileError> {
        self.draft.place(self.receipt.name(sequence))?;
        Ok(OwnedReceipt { receipt: self.receipt, sequence, follows: false, _lock: self.lock })
    }
}

/// An intent, claimed: nobody else turns it into a receipt while this is held.
#[derive(Debug)]
pub struct ClaimedIntent {
    /// What pre-receive wrote down.
    pub receipt: Receipt,
    /// The directory it lies in.
    place: &'static str,
    _lock: Option<Locked>,
}

/// The name that a receipt has in a directory by its own account, but for the number.
fn name_in(directory: &str, given: &str, receipt: &Receipt) -> String {
    match number(given) {
        Some(sequence) if directory == "receipts" => receipt.name(sequence),
        _ => receipt.id.to_string(),
    }
}

/// Reads one of a directory.
///
/// # Errors
/// Where it cannot be read, or is none.
fn read(directory: &Dir, name: &str) -> Result<Receipt, Unfit> {
    decoded(directory.read_with_owner(name)?)
}

/// Reads one of a directory that nothing else is read of.
///
/// # Errors
/// Where it cannot be read, or is none.
pub(super) fn read_in(folder: &Folder, name: &str) -> Result<Receipt, Unfit> {
    decoded(folder.read_with_owner(name)?)
}

fn decoded((bytes, owner): (Vec<u8>, u32)) -> Result<Receipt, Unfit> {
    Receipt::decode(&bytes, owner).map_err(Unfit::Unsound)
}

/// Makes the names of receipts durable. Where that fails the receipt is there all the same, and is not made a second
/// time: whoever comes next would find two.
fn make_durable(receipts: &Dir) {
    if let Err(error) = receipts.sync() {
        log::error!("{}", message::not_durable(error));
    }
}

impl Spool {
    /// All intents, oldest first, unclaimed. What is no intent becomes a dead letter.
    pub fn intents(&self) -> Vec<Receipt> {
        self.read_all("intents", |_| true).into_iter().map(|(_, receipt)| receipt).collect()
    }

    /// Claims an intent; `None` where another process has, or where it is gone.
    pub fn claim(&self, intent: &Receipt) -> Option<ClaimedIntent> {
        self.claim_in("intents", intent)
    }

    fn claim_in(&self, place: &'static str, intent: &Receipt) -> Option<ClaimedIntent> {
        let (bytes, owner, lock) = self.place(place).open().ok()?.claim(intent.id.to_string())?;
        Some(ClaimedIntent { receipt: Receipt::decode(&bytes, owner).ok()?, place, _lock: Some(lock) })
    }

    /// Removes an intent all of whose lines have a receipt.
    ///
    /// Crash: its receipts are durable before; one that comes back is found to have them.
    pub fn drop_intent(&self, intent: ClaimedIntent) {
        let intents = self.place(intent.place);
        let name = intent.receipt.id.to_string();
        if let Err(error) = intents.open().and_then(|intents| intents.remove(&name)) {
            log::warn!("{}", message::cannot_remove(intents.path().join(name).display(), error));
        }
    }

    /// Puts an intent away of which nothing is to be seen in the refs though its push is over: git refused it. In an hour
    /// the refs are asked once more, and then it goes.
    ///
    /// Crash: one rename, and both places are looked at.
    pub(super) fn set_refused(&self, intent: ClaimedIntent) {
        if intent.place == REFUSED {
            return self.drop_intent(intent);
        }
        if let Err(error) = self.move_record(&intent.receipt.id.to_string(), intent.place, REFUSED) {
            log::error!("{error}");
        }
    }

    /// What looked refused an hour ago, claimed.
    pub(super) fn refused_long_ago(&self) -> Vec<ClaimedIntent> {
        let Ok(refused) = self.place(REFUSED).open() else { return Vec::new() };
        // The files' times, of the file system's own clock: nothing needs to be opened but what is looked at.
        let is_old = |name: &str| refused.age(name).is_some_and(|age| age > REFUSED_LIFE);
        let intents = self.read_all(REFUSED, is_old);
        intents.into_iter().filter_map(|(_, intent)| self.claim_in(REFUSED, &intent)).collect()
    }

    /// Makes an intent the receipt of the push it announced, all of whose lines were accepted.
    ///
    /// Crash: one rename, so it is the one or the other; either way the events are found again under the same ids.
    ///
    /// # Errors
    /// Where it cannot be renamed; the intent is there still.
    pub fn promote(&self, intent: ClaimedIntent) -> Result<OwnedReceipt, Box<(FileError, ClaimedIntent)>> {
        let renamed = self.place("receipts").make().and_then(|receipts| {
            let name = intent.receipt.id.to_string();
            let from = self.place("intents");
            let sequence = self.with_next(
                |sequence| intent.receipt.name(sequence),
                |sequence| {
                    from.open()
                        .and_then(|intents| intents.rename(&name, &receipts, intent.receipt.name(sequence)))
                        .map_err(|error| FileError::new(message::cannot_rename, &from.path().join(&name), error))?;
                    Ok(sequence)
                },
            )?;
            Ok((sequence, receipts))
        });
        let (sequence, receipts) = match renamed {
            Ok(renamed) => renamed,
            Err(error) => return Err(Box::new((error, intent))),
        };
        // A power cut leaves the one name or the other, and both are found.
        if let Err(error) = receipts.sync() {
            log::warn!("{error}");
        }
        let ClaimedIntent { receipt, _lock, .. } = intent;
        self.mark(&receipt, sequence);
        Ok(OwnedReceipt { receipt, sequence, follows: false, _lock })
    }

    /// Writes a receipt.
    ///
    /// Crash: before the rename nobody sees it, and the push's intent, where there is one, is still there; when this
    /// returns it is on the disk, and whoever runs next delivers what this process does not.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn keep(&self, mut receipt: Receipt) -> Result<OwnedReceipt, FileError> {
        if receipt.after == 0 {
            receipt.after = self.last_sequence();
            // Whoever compares moments takes it that what has those numbers was there before.
            receipt.moment = Moment::now();
        }
        receipt.spool = receipt.spool.or_else(|| self.writing_as());
        let receipts = self.place("receipts").make()?;
        let draft = self.draft(receipt, &receipts)?;
        let id = draft.receipt.id;
        let owned = self.with_next(|sequence| name::of_receipt(sequence, id), |sequence| draft.place(sequence))?;
        Ok(self.placed(owned, &receipts))
    }

    /// The same of those lines whose events have no receipt yet; `None` where all have one.
    ///
    /// The ids of an intent are known to whoever has read it: the push's own hook, and all that announce it in its
    /// place. Whichever is given a number first tells of it.
    ///
    /// # Errors
    /// As for [`Self::keep`].
    pub fn keep_untold(&self, mut receipt: Receipt) -> Result<Option<OwnedReceipt>, FileError> {
        let receipts = self.place("receipts").make()?;
        while !receipt.lines.is_empty() {
            let draft = self.draft(receipt, &receipts)?;
            let is_told = |told: &HashSet<Uuid>, line: &RefEvent| told.contains(&line.event);
            let mut told = HashSet::new();
            let id = draft.receipt.id;
            let placed = self.with_next(
                |sequence| name::of_receipt(sequence, id),
                |sequence| {
                    told = self.events_since(draft.receipt.after);
                    if draft.receipt.lines.iter().any(|line| is_told(&told, line)) {
                        return Ok(Err(draft.receipt));
                    }
                    draft.place(sequence).map(Ok)
                },
            )?;
            receipt = match placed {
                Ok(owned) => return Ok(Some(self.placed(owned, &receipts))),
                Err(whole) => whole.with(whole.lines.iter().filter(|line| !is_told(&told, line)).cloned().collect()),
            };
        }
        Ok(None)
    }

    /// The ids of all events that have receipts with numbers above `after`.
    fn events_since(&self, after: u64) -> HashSet<Uuid> {
        let receipts = self.receipts_since(after);
        receipts.iter().flat_map(|(_, receipt)| &receipt.lines).map(|line| line.event).collect()
    }

    /// A receipt that is on the disk, and has no number yet.
    fn draft<'d>(&self, mut receipt: Receipt, receipts: &'d Dir) -> Result<ReceiptDraft<'d>, FileError> {
        receipt.spool = receipt.spool.or_else(|| self.writing_as());
        let draft = receipts.write_draft(&record::encode(&receipt), true)?;
        // Locked before it has a name that others look for: they would take it for one whose owner died.
        let lock = draft.file().try_clone().ok().and_then(try_lock);
        Ok(ReceiptDraft { receipt, draft, lock })
    }

    /// One that has its name now.
    fn placed(&self, owned: OwnedReceipt, receipts: &Dir) -> OwnedReceipt {
        make_durable(receipts);
        self.mark(&owned.receipt, owned.sequence);
        owned
    }

    /// All unsettled receipts but those with the numbers `own`, in order. What is no receipt becomes a dead letter.
    pub fn receipts(&self, own: &HashSet<u64>) -> Vec<(u64, Receipt)> {
        let is_other = |name: &str| number(name).is_none_or(|sequence| !own.contains(&sequence));
        let mut receipts: Vec<_> = self
            .read_all("receipts", is_other)
            .into_iter()
            .filter_map(|(name, receipt)| Some((number(&name)?, receipt)))
            .collect();
        receipts.sort_by_key(|(sequence, _)| *sequence);
        receipts
    }

    /// Becomes the owner of a receipt whose own process has died; `None` where it has not, or has settled it.
    pub fn take_over(&self, sequence: u64, receipt: &Receipt) -> Option<OwnedReceipt> {
        let (_, _, lock) = self.place("receipts").open().ok()?.claim(receipt.name(sequence))?;
        // Its owner may have died before it did this.
        self.mark(receipt, sequence);
        Some(OwnedReceipt { receipt: receipt.clone(), sequence, follows: false, _lock: Some(lock) })
    }

    /// Puts a receipt away, of which every delivery is made or waits in a queue.
    ///
    /// Crash: before the rename it is taken over, and the log and the queues say what was done already. The rename is
    /// not synced: a power cut can bring the receipt back, with the same outcome.
    pub fn settle(&self, owned: OwnedReceipt, day: &str) {
        let name = owned.name();
        let from = self.place("receipts");
        let moved = self.place("settled").join(day).make_loosely().and_then(|settled| {
            from.open()
                .and_then(|receipts| receipts.rename(&name, &settled, &name))
                .map_err(|error| FileError::new(message::cannot_settle, &from.path().join(&name), error))
        });
        if let Err(error) = moved {
            log::error!("{}", message::made_once_more(error));
        }
    }

    /// Puts a receipt whose events cannot be built where it holds up nothing, for a better program.
    ///
    /// Crash: one rename, so it lies here or there, and is looked for in both.
    ///
    /// # Errors
    /// Where it cannot be moved; it stays.
    pub fn set_stuck(&self, owned: &OwnedReceipt) -> Result<(), FileError> {
        self.move_record(&owned.name(), "receipts", "stuck")
    }

    /// Has the receipts that are stuck tried once more.
    pub fn retry_stuck(&self) {
        for name in self.place("stuck").names().unwrap_or_default() {
            if let Err(error) = self.move_record(&name, "stuck", "receipts") {
                log::error!("{error}");
            }
        }
    }

    /// The receipts that are stuck, in order.
    pub fn stuck(&self) -> Vec<Receipt> {
        let mut found = BTreeMap::new();
        self.read_since(&self.place("stuck"), 0, &mut found);
        found.into_values().collect()
    }

    fn move_record(&self, name: &str, from: &str, to: &str) -> Result<(), FileError> {
        let (from, to) = (self.place(from), self.place(to).make()?);
        let moved = from.open().and_then(|from| from.rename(name, &to, name));
        moved.map_err(|error| FileError::new(message::cannot_rename, &from.path().join(name), error))
    }

    /// A settled receipt; `None` where it was pruned.
    pub fn settled(&self, name: &str) -> Option<Receipt> {
        let settled = self.place("settled");
        let days = settled.names().ok()?;
        let mut folders =
            days.iter().map(|day| settled.join(day)).chain(["receipts", "stuck"].map(|name| self.place(name)));
        folders.find_map(|folder| read_in(&folder, name).ok())
    }

    /// The updates that have a receipt already, of the push that `receive_pack` took: another hook installed beside this
    /// one was first, or somebody who found its intent.
    pub fn with_receipt(&self, receive_pack: Process) -> HashSet<RefUpdate> {
        let unsettled = self.receipts(&HashSet::new()).into_iter().map(|(_, receipt)| receipt).chain(self.stuck());
        let unsettled = unsettled.filter(|receipt| receipt.receive_pack == Some(receive_pack));
        let settled = self.marked(receive_pack).into_iter().filter_map(|name| self.settled(&name));
        unsettled.chain(settled).flat_map(|receipt| receipt.updates()).collect()
    }

    /// Every receipt with a number above `after`, settled or not, in order.
    pub fn receipts_since(&self, after: u64) -> Vec<(u64, Receipt)> {
        let mut found = BTreeMap::new();
        for name in ["receipts", "stuck"] {
            self.read_since(&self.place(name), after, &mut found);
        }
        // The days after them: a receipt that is settled meanwhile is then found in both places rather than in none.
        let settled = self.place("settled");
        for day in settled.names().unwrap_or_default() {
            self.read_since(&settled.join(day), after, &mut found);
        }
        found.into_iter().map(|((sequence, _), receipt)| (sequence, receipt)).collect()
    }

    /// Reads the receipts in a directory that have a number above `after`; what is none is passed over.
    pub(super) fn read_since(&self, folder: &Folder, after: u64, found: &mut BTreeMap<(u64, String), Receipt>) {
        let Ok(directory) = folder.open() else { return };
        for name in directory.names().unwrap_or_default() {
            let Some(sequence) = number(&name).filter(|sequence| *sequence > after) else { continue };
            if let Ok(receipt) = read(&directory, &name) {
                found.insert((sequence, name), receipt);
            }
        }
    }

    /// The files of all receipts, each with its directory.
    pub(super) fn newest_receipts(&self) -> Vec<(Folder, String)> {
        let settled = self.place("settled");
        // The days in their order: the last two, for one that has just begun holds nothing yet.
        let mut days = settled.names().unwrap_or_default();
        days.sort();
        let days = days.iter().rev().take(2).map(|day| settled.join(day));
        let folders = ["receipts", "stuck"].map(|name| self.place(name)).into_iter().chain(days);
        folders
            .flat_map(|folder| folder.names().unwrap_or_default().into_iter().map(move |name| (folder.clone(), name)))
            .collect()
    }

    /// The receipt of a hook with the highest number, with that number; `None` where the newest that there are tell of what
    /// moved without one.
    pub fn newest_of_hooks(&self) -> Option<(u64, Receipt)> {
        let mut all = self.newest_receipts();
        all.sort_by_cached_key(|(_, file)| std::cmp::Reverse(number(file)));
        let read = |(folder, file): (Folder, String)| Some((number(&file)?, read_in(&folder, &file).ok()?));
        all.into_iter().take(MOST_LOOKED_THROUGH).filter_map(read).find(|(_, receipt)| !receipt.is_late)
    }

    /// Every record in a directory of pushes, with its name.
    pub(super) fn all_in(&self, directory: &str) -> Vec<(String, Receipt)> {
        self.read_all(directory, |_| true)
    }

    fn read_all(&self, directory: &str, wanted: impl Fn(&str) -> bool) -> Vec<(String, Receipt)> {
        let folder = self.place(directory);
        let cannot_read = |error: io::Error| log::error!("{}", message::cannot_read(folder.path().display(), error));
        let mut names = folder.names().unwrap_or_else(|error| {
            cannot_read(error);
            Vec::new()
        });
        names.retain(|name| wanted(name));
        if names.is_empty() {
            return Vec::new();
        }
        names.sort();
        let opened = match folder.open() {
            Ok(opened) => opened,
            Err(error) => {
                // All of it was moved aside meanwhile.
                if error.kind() != io::ErrorKind::NotFound {
                    cannot_read(error);
                }
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for name in names {
            match read(&opened, &name) {
                // A copy under another name is no push of its own, and nobody would ever settle it.
                Ok(receipt) if name != name_in(directory, &name, &receipt) => {
                    self.make_record_dead(directory, &name, message::not_its_name());
                }
                Ok(receipt) => found.push((name, receipt)),
                Err(Unfit::Unsound(why)) => self.make_record_dead(directory, &name, &why),
                Err(Unfit::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(Unfit::Unreadable(error)) => {
                    log::error!("{}", message::owner_can_read(opened.path_of(&name).display(), error));
                }
            }
        }
        found
    }
}
