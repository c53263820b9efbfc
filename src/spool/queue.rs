//! What waits for one target: a directory with a file a delivery.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::name::{body_name, file_name, is_whole_push_of_version_1, parse, renamed};
use super::queued::{Addition, Body, QueuedDelivery, Record};
use super::{move_to_dead, record};
use crate::files::{Dir, Draft, FileError, Folder, LEFT_BEHIND, Unfit};
use crate::message;
use crate::process::Locked;
use crate::schedule::{Backoff, Queued};
use crate::signature::sha256_hex;

/// The file that says how the target stands, for whoever tells of it. Whoever holds the lock writes it.
pub(super) const STANDING: &str = "standing";

/// The file that says what was told of it last.
pub(super) const TOLD: &str = "told";

/// The file that says since when no target of the queue's name is configured.
const UNKNOWN: &str = "unknown";

/// The file that whoever sends to the target has locked.
const LOCK: &str = "lock";

/// The file that says when the target is tried again.
const STATE: &str = "state";

/// How long a queue whose target is configured no more is left, in seconds. The target may be out of sight only: a command
/// that runs with another HOME, an include that is not there for a moment.
const UNKNOWN_LIFE: u64 = 86_400;

/// From so many records on the whole file system is synced once, which is faster than one file after another.
const SYNC_ALL_FROM: usize = 16;

/// The directory of one target.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) directory: Folder,
    pub(super) dead: Folder,
    /// Where deliveries are that the broker took, until their outcomes come.
    pub(super) published: Folder,
    /// Where pushes wait for the target to be configured rightly.
    pub(super) deferred: Folder,
}

/// What is kept of how a target stands.
#[derive(Default, Serialize, Deserialize)]
struct State {
    #[serde(flatten)]
    backoff: Backoff,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Where each body was written first, by its SHA-256, so that targets that share one have one file with a name in each
/// queue.
#[derive(Default)]
pub struct Bodies(Mutex<HashMap<String, (Folder, String)>>);

impl Queue {
    /// Whether a file of its directories tells of something that waits or died, and not of the target itself.
    pub(super) fn is_record(name: &str) -> bool {
        ![LOCK, STATE, UNKNOWN, STANDING, TOLD].contains(&name)
    }

    /// Becomes the one that sends to the target; `None` where somebody else is, who looks into the queue once more when
    /// done.
    ///
    /// # Errors
    /// Where the directory or the file cannot be made.
    pub fn lock(&self) -> Result<Option<Locked>, FileError> {
        self.directory.lock(LOCK)
    }

    /// Notes in the lock's file that deliveries from this queue are under way, or are over.
    ///
    /// Crash: between a log line and the removal of its record the delivery is made, and the record says that it is
    /// not. Whoever finds this note looks into the log before it sends.
    pub fn set_busy(&self, busy: bool) {
        let written = self.directory.open_to_append(LOCK).and_then(|(file, _)| {
            let written = file.set_len(u64::from(busy));
            written.map_err(|error| FileError::new(message::cannot_write, &self.directory.path().join(LOCK), error))
        });
        if let Err(error) = written {
            log::warn!("{error}");
        }
    }

    /// Whether whoever held the lock before died with deliveries under way.
    pub fn was_busy(&self) -> bool {
        self.directory.look(LOCK).is_some_and(|stat| stat.size() > 0)
    }

    /// Whether the queue itself is empty, found without reading the whole directory.
    pub(super) fn is_empty_but_for_deferred(&self) -> bool {
        let mut is_empty = true;
        // A whole push of version 1 has such a name too.
        let listed = self.directory.each(|name| {
            is_empty = name.to_str().and_then(parse).is_none();
            if is_empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match listed {
            Ok(()) => is_empty,
            // What cannot be read may hold older events of any ref.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// All that waits, in order. What has no name of a record becomes a dead letter.
    pub fn list(&self) -> Vec<Queued> {
        let mut queue = Vec::new();
        for name in names_of_today(&self.directory) {
            match parse(&name) {
                // They have their turn by `deferred`.
                Some(queued) if is_whole_push_of_version_1(&queued) => {}
                Some(queued) if file_name(&queued) == name => queue.push(queued),
                _ if !Self::is_record(&name) => {}
                _ if name.ends_with(".body") => {}
                _ => self.make_file_dead(&name, message::no_record_name()),
            }
        }
        queue.sort_unstable();
        queue
    }

    /// The name of a record's file, for messages.
    pub fn file_name(&self, queued: &Queued) -> String {
        file_name(queued)
    }

    /// Reads a record and its body.
    ///
    /// # Errors
    /// Where it cannot be read, or is no sound record.
    pub fn load(&self, queued: &Queued) -> Result<(QueuedDelivery, Vec<u8>), Unfit> {
        Self::load_from(&self.directory, queued)
    }

    pub(super) fn load_from(folder: &Folder, queued: &Queued) -> Result<(QueuedDelivery, Vec<u8>), Unfit> {
        let directory = folder.open().map_err(Unfit::Unreadable)?;
        let bytes = directory.read(file_name(queued))?;
        let Record::Delivery(waiting) = record::decode(&bytes).map_err(Unfit::Unsound)? else {
            return Err(Unfit::Unsound(message::not_its_name().into()));
        };
        let body = match &waiting.body {
            Body::Here(text) => text.clone().into_bytes(),
            Body::Beside(sum) => {
                let body = read_body(&directory, queued)?;
                if sha256_hex(&body) != *sum {
                    return Err(Unfit::Unsound(message::body_damaged().into()));
                }
                body
            }
        };
        Ok((waiting, body))
    }

    /// Writes deliveries down, all of them durably or an error.
    ///
    /// Crash: until the last step the receipt is not settled, so what is missing is built again under the same id, and
    /// what is here already is found by it. A body is on the disk before the record that names it.
    ///
    /// # Errors
    /// Where any of them cannot be made durable; some may be there then.
    pub fn put(&self, additions: &[Addition], bodies: &Bodies) -> Result<(), FileError> {
        if additions.is_empty() {
            return Ok(());
        }
        let directory = self.directory.make_sure()?;
        let at_once = additions.len() >= SYNC_ALL_FROM;
        let drafts = self.drafts(&self.directory, &directory, additions, bodies, !at_once)?;
        if at_once {
            directory.sync_file_system()?;
        }
        for (queued, draft) in drafts {
            draft.place(file_name(queued))?;
        }
        directory.sync()
    }

    /// Writes records that have no names yet, each with its body, which has: synced one by one, or not.
    pub(super) fn drafts<'d, 'q>(
        &self,
        folder: &Folder,
        directory: &'d Dir,
        additions: &'q [Addition],
        bodies: &Bodies,
        sync: bool,
    ) -> Result<Vec<(&'q Queued, Draft<'d>)>, FileError> {
        let mut drafts = Vec::new();
        for Addition { queued, waiting, payload, is_shared } in additions {
            let text = if *is_shared { None } else { std::str::from_utf8(&payload.body).ok() };
            let body = match text {
                Some(text) => Body::Here(text.into()),
                None => {
                    let sum = sha256_hex(&payload.body);
                    write_body((folder, directory), &body_name(&queued.key), &payload.body, &sum, bodies, sync)?;
                    Body::Beside(sum)
                }
            };
            let record = Record::Delivery(QueuedDelivery { body, ..waiting.clone() });
            drafts.push((queued, directory.write_draft(&record::encode(&record), sync)?));
        }
        Ok(drafts)
    }

    /// Removes a delivery that was made.
    ///
    /// Crash: the log says before that it was made. Not synced: a power cut may bring it back, to be sent once more
    /// under its id. Returns whether it is gone.
    pub fn remove(&self, queued: &Queued) -> bool {
        let name = file_name(queued);
        let removed = self.directory.open().and_then(|directory| {
            directory.remove(&name)?;
            // Few have one.
            let _ = directory.remove(body_name(&queued.key));
            Ok(())
        });
        if let Err(error) = &removed {
            let path = self.directory.path().join(&name);
            log::error!("{}", message::cannot_remove_delivered(path.display(), error));
        }
        removed.is_ok()
    }

    /// Gives a record the name that carries its new attempts and next time.
    pub fn rename(&self, from: &Queued, to: &Queued) {
        let (from, to) = (file_name(from), file_name(to));
        let renamed = self.directory.open().and_then(|directory| directory.rename(&from, &directory, &to));
        if let Err(error) = renamed {
            log::error!("{}", message::cannot_rename_in(from, self.directory.path().display(), error));
        }
    }

    /// Has all that failed tried at once, but for these: the target is back, or was mended. Whoever holds the lock does.
    pub fn hasten(&self, now: i64, but: &HashSet<Uuid>) {
        for queued in self.list().into_iter().filter(|queued| !but.contains(&queued.key.id)) {
            let hastened = Queued { schedule: queued.schedule.hastened(now), ..queued.clone() };
            if hastened != queued {
                self.rename(&queued, &hastened);
            }
        }
    }

    /// Moves a record to `dead`, where it lies until a person removes it.
    pub fn make_dead(&self, queued: &Queued, why: &str) {
        self.make_file_dead(&file_name(queued), why);
        let body = body_name(&queued.key);
        if self.directory.look(&body).is_some()
            && let Err(error) = move_to_dead(&self.directory, &body, &self.dead)
        {
            log::error!("{error}");
        }
    }

    /// Moves a second record of a delivery to `dead`, without the body, which is that of the first as well.
    pub fn make_copy_dead(&self, queued: &Queued) {
        self.make_file_dead(&file_name(queued), message::two_records());
    }

    fn make_file_dead(&self, name: &str, why: &str) {
        match move_to_dead(&self.directory, name, &self.dead) {
            Ok(to) => {
                log::error!("{}", message::was_made_dead_in_queue(name, self.directory.name(), why, to.display()))
            }
            Err(error) => log::error!("{}", message::stays_in_queue(name, self.directory.name(), why, error)),
        }
    }

    /// The name of its directory.
    pub fn directory_name(&self) -> String {
        self.directory.name().into_owned()
    }

    /// When the target is tried again; the default where it did not fail last time.
    pub fn backoff(&self) -> Backoff {
        self.state().backoff
    }

    fn state(&self) -> State {
        // Where it cannot be read, the target is tried, which shows how it is.
        self.directory.read(STATE).ok().and_then(|bytes| record::decode(&bytes).ok()).unwrap_or_default()
    }

    /// Notes when the target is tried again. Whoever holds the lock does. That it is parked survives a power cut; when
    /// it is due may be lost, and the target is tried then.
    pub fn set_backoff(&self, backoff: Backoff) {
        let State { unknown, .. } = self.state();
        let written = if backoff == Backoff::default() && unknown.is_empty() {
            match self.directory.open().and_then(|directory| directory.remove(STATE)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(FileError::new(message::cannot_remove, &self.directory.path().join(STATE), error))
                }
                _ => Ok(()),
            }
        } else {
            let record = record::encode(&State { backoff, unknown });
            match backoff.parked {
                true => self.directory.make_sure().and_then(|directory| directory.write_durably(STATE, &record)),
                false => self.directory.make_loosely().and_then(|directory| directory.write_loosely(STATE, &record)),
            }
        };
        if let Err(error) = written {
            log::warn!("{error}");
        }
    }

    /// Notes that the target is configured.
    pub fn set_known(&self) {
        // Nearly always it is not there.
        if self.directory.look(UNKNOWN).is_some() {
            drop(self.directory.open().and_then(|directory| directory.remove(UNKNOWN)));
        }
    }

    /// Whether the target has been configured no more for so long that what waits becomes dead letters.
    pub(super) fn is_unknown_for_long(&self) -> Result<bool, FileError> {
        drop(self.directory.open_to_append(UNKNOWN)?);
        Ok(self.directory.look(UNKNOWN).and_then(|stat| stat.age()).is_some_and(|age| age > UNKNOWN_LIFE))
    }

    /// Removes what was half written when its process died, and bodies whose record is gone.
    pub fn tidy(&self) {
        // Whoever sends renames records meanwhile, and a listing may miss them.
        let Ok(Some(_lock)) = self.lock() else { return };
        let Ok(directory) = self.directory.open() else { return };
        directory.remove_leftovers();
        let names = names_of_today(&self.directory);
        let known: HashSet<_> = names.iter().filter_map(|name| Some(body_name(&parse(name)?.key))).collect();
        for body in names.iter().filter(|name| name.ends_with(".body") && !known.contains(*name)) {
            // A younger one may belong to a record that is being written.
            if directory.age(body).is_some_and(|age| age > LEFT_BEHIND) {
                let _ = directory.remove(body);
            }
        }
    }
}

/// The names in a directory of records, each as this program writes it.
///
/// Crash: a body before the record that names it, which is found under either name.
pub(super) fn names_of_today(folder: &Folder) -> Vec<String> {
    let mut names = folder.names().unwrap_or_default();
    let mut old: Vec<_> = names.iter_mut().filter_map(|name| Some((renamed(name)?, name))).collect();
    old.sort_by_key(|(_, name)| !name.ends_with(".body"));
    for (new, name) in old {
        if folder.open().and_then(|directory| directory.rename(name.as_str(), &directory, &new)).is_ok() {
            *name = new;
        }
    }
    names
}

fn write_body(
    (folder, directory): (&Folder, &Dir),
    name: &str,
    body: &[u8],
    sum: &str,
    bodies: &Bodies,
    sync: bool,
) -> Result<(), FileError> {
    let mut written = bodies.0.lock().unwrap_or_else(PoisonError::into_inner);
    // The first may have been delivered and removed, or the file system have no links: then there are two copies.
    let is_linked =
        |(folder, first): &(Folder, String)| folder.open().is_ok_and(|from| from.link(first, directory, name).is_ok());
    if written.get(sum).is_some_and(is_linked) {
        if sync {
            // Whoever wrote it first may have failed before it was on the disk.
            let synced = directory.open_regular(name).and_then(|(file, _)| file.sync_data());
            synced.map_err(directory.error(message::cannot_sync, name))?;
        }
        return Ok(());
    }
    directory.write_draft(body, sync)?.place(name)?;
    written.insert(sum.into(), (folder.clone(), name.into()));
    Ok(())
}

/// A body's file has several names by design.
fn read_body(directory: &Dir, queued: &Queued) -> Result<Vec<u8>, Unfit> {
    if !directory.look(body_name(&queued.key)).is_some_and(|stat| stat.is_file()) {
        return Err(Unfit::Unsound(message::body_missing().into()));
    }
    directory.read_linked(body_name(&queued.key))
}
