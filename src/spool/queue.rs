//! What waits for one target: a directory with a file a delivery.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::move_aside;
use super::name::Name;
use super::receipt::Receipt;
use super::record;
use super::waiting::{Addition, Body, Record, Waiting};
use crate::files::{Dir, FileError, Folder, LEFT_BEHIND, Unfit};
use crate::format::Payload;
use crate::message;
use crate::process::Locked;
use crate::signature::sha256_hex;

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
}

/// When a target is tried again that failed last time. Missing where it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// How many runs have failed one after another.
    pub failures: u32,
    /// No push tries it before, in seconds since 1970.
    pub until: i64,
    /// It answered 410 and is left alone until `git webhook enable`.
    pub parked: bool,
}

/// Where each body was written first, so that targets that share one have one file with a name in each queue.
#[derive(Default)]
pub struct Bodies(Mutex<HashMap<usize, Written>>);

/// A body's first file; the payload is kept, so that no other gets its address.
struct Written {
    folder: Folder,
    name: String,
    _payload: Arc<Payload>,
}

impl Queue {
    pub(super) fn new(directory: Folder, dead: Folder) -> Self {
        Self { directory, dead }
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
        let written = self.directory.make().and_then(|directory| {
            let file = directory.open_to_append(LOCK)?;
            file.set_len(u64::from(busy)).map_err(directory.error(message::cannot_write, LOCK))
        });
        if let Err(error) = written {
            log::warn!("{error}");
        }
    }

    /// Whether whoever held the lock before died with deliveries under way.
    pub fn was_busy(&self) -> bool {
        self.directory.open().is_ok_and(|directory| directory.look(LOCK).is_some_and(|stat| stat.size() > 0))
    }

    /// Whether anything waits, found without reading the whole directory.
    pub fn is_empty(&self) -> bool {
        let mut is_empty = true;
        let listed = self.directory.open().and_then(|directory| {
            directory.each(|name| {
                is_empty = name.to_str().and_then(Name::parse).is_none();
                if is_empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        });
        match listed {
            Ok(()) => is_empty,
            // What cannot be read may hold older events of any ref.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// All that waits, in order. What has no name of a record is set aside.
    pub fn list(&self) -> Vec<Name> {
        let mut names = Vec::new();
        for name in self.directory.names().unwrap_or_default() {
            match Name::parse(&name) {
                Some(parsed) if parsed.to_string() == name => names.push(parsed),
                _ if name == LOCK || name == STATE || name == UNKNOWN => {}
                _ if name.ends_with(".body") => {}
                _ => self.set_aside_file(&name, message::no_record_name()),
            }
        }
        names.sort_unstable();
        names
    }

    /// Reads a record and its body.
    ///
    /// # Errors
    /// Where it cannot be read, or is no sound record.
    pub fn load(&self, name: &Name) -> Result<(Record, Vec<u8>), Unfit> {
        Self::load_from(&self.directory, name)
    }

    pub(super) fn load_from(folder: &Folder, name: &Name) -> Result<(Record, Vec<u8>), Unfit> {
        let directory = folder.open().map_err(Unfit::Unreadable)?;
        let bytes = directory.read(name.to_string())?;
        let record: Record = record::decode(&bytes).map_err(Unfit::Unsound)?;
        let body = match &record {
            Record::Delivery(Waiting { body: Body::Here(text), .. }) => text.clone().into_bytes(),
            Record::Delivery(Waiting { body: Body::Beside(sum), .. }) => {
                let body = read_body(&directory, name)?;
                if sha256_hex(&body) != *sum {
                    return Err(Unfit::Unsound(message::body_damaged().into()));
                }
                body
            }
            Record::Push(_) => Vec::new(),
        };
        Ok((record, body))
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
        let directory = self.directory.make()?;
        let at_once = additions.len() >= SYNC_ALL_FROM;
        let mut drafts = Vec::new();
        for Addition { name, waiting, payload, is_shared } in additions {
            let text = if *is_shared { None } else { String::from_utf8(payload.body.clone()).ok() };
            let body = match text {
                Some(text) => Body::Here(text),
                None => {
                    self.write_body(&directory, name, payload, bodies, !at_once)?;
                    Body::Beside(sha256_hex(&payload.body))
                }
            };
            let record = Record::Delivery(Waiting { body, ..waiting.clone() });
            drafts.push((name, directory.write_draft(&record::encode(&record), !at_once)?));
        }
        if at_once {
            directory.sync_file_system()?;
        }
        for (name, draft) in drafts {
            draft.place(name.to_string())?;
        }
        directory.sync()
    }

    fn write_body(
        &self,
        directory: &Dir,
        name: &Name,
        payload: &Arc<Payload>,
        bodies: &Bodies,
        sync: bool,
    ) -> Result<(), FileError> {
        let body = name.body();
        let mut written = bodies.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = Arc::as_ptr(payload).addr();
        // The first may have been delivered and removed, or the file system have no links: then there are two copies.
        let is_linked =
            |first: &Written| first.folder.open().is_ok_and(|from| from.link(&first.name, directory, &body).is_ok());
        if written.get(&address).is_some_and(is_linked) {
            if sync {
                // Whoever wrote it first may have failed before it was on the disk.
                let synced = directory.open_regular(&body).and_then(|(file, _)| file.sync_data());
                synced.map_err(directory.error(message::cannot_sync, &body))?;
            }
            return Ok(());
        }
        directory.write_draft(&payload.body, sync)?.place(&body)?;
        let first = Written { folder: self.directory.clone(), name: body, _payload: Arc::clone(payload) };
        written.insert(address, first);
        Ok(())
    }

    /// Writes down a push for a target that cannot tell yet what it wants of it.
    ///
    /// # Errors
    /// Where that cannot be made durable.
    pub fn put_push(&self, sequence: u64, receipt: &Receipt) -> Result<(), FileError> {
        let name = Name::of_push(sequence, receipt.id);
        let record = record::encode(&Record::Push(receipt.clone()));
        self.directory.make()?.write_durably(name.to_string(), &record)
    }

    /// Removes a delivery that was made.
    ///
    /// Crash: the log says before that it was made. Not synced: a power cut may bring it back, to be sent once more
    /// under its id. Returns whether it is gone.
    pub fn remove(&self, name: &Name) -> bool {
        let removed = self.directory.open().and_then(|directory| {
            directory.remove(name.to_string())?;
            // Few have one.
            let _ = directory.remove(name.body());
            Ok(())
        });
        if let Err(error) = &removed {
            let path = self.directory.path().join(name.to_string());
            log::error!("{}", message::cannot_remove_delivered(path.display(), error));
        }
        removed.is_ok()
    }

    /// Gives a record the name that carries its new attempts and next time.
    pub fn rename(&self, from: &Name, to: &Name) {
        let directory = self.directory.open();
        let renamed = directory.and_then(|directory| directory.rename(from.to_string(), &directory, to.to_string()));
        if let Err(error) = renamed {
            log::error!("{}", message::cannot_rename_in(from, self.directory.path().display(), error));
        }
    }

    /// Moves a record to `dead`, where it lies until a person removes it.
    pub fn set_aside(&self, name: &Name, why: &str) {
        self.set_aside_file(&name.to_string(), why);
        let body = name.body();
        if self.directory.open().is_ok_and(|directory| directory.look(&body).is_some())
            && let Err(error) = move_aside(&self.directory, &body, &self.dead)
        {
            log::error!("{error}");
        }
    }

    /// Moves a second record of a delivery to `dead`, without the body, which is that of the first as well.
    pub fn set_copy_aside(&self, name: &Name) {
        self.set_aside_file(&name.to_string(), message::two_records());
    }

    fn set_aside_file(&self, name: &str, why: &str) {
        match move_aside(&self.directory, name, &self.dead) {
            Ok(to) => {
                log::error!("{}", message::was_set_aside_from_queue(name, self.directory.name(), why, to.display()))
            }
            Err(error) => log::error!("{}", message::stays_in_queue(name, self.directory.name(), why, error)),
        }
    }

    /// The name of its directory.
    pub fn directory_name(&self) -> String {
        self.directory.name().into_owned()
    }

    /// When the target is tried again; the default where it did not fail last time.
    pub fn rest(&self) -> Rest {
        let bytes = self.directory.open().ok().and_then(|directory| directory.read(STATE).ok());
        // Where it cannot be read, the target is tried, which shows how it is.
        bytes.and_then(|bytes| record::decode(&bytes).ok()).unwrap_or_default()
    }

    /// Notes when the target is tried again. Whoever holds the lock does. That it is parked survives a power cut; when
    /// it is due may be lost, and the target is tried then.
    pub fn set_rest(&self, rest: Rest) {
        let written = if rest == Rest::default() {
            match self.directory.open().and_then(|directory| directory.remove(STATE)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(FileError::new(message::cannot_remove, &self.directory.path().join(STATE), error))
                }
                _ => Ok(()),
            }
        } else {
            let record = record::encode(&rest);
            self.directory.make().and_then(|directory| match rest.parked {
                true => directory.write_durably(STATE, &record),
                false => directory.write_loosely(STATE, &record),
            })
        };
        if let Err(error) = written {
            log::warn!("{error}");
        }
    }

    /// Notes that the target is configured.
    pub fn set_known(&self) {
        // It is hardly ever there.
        drop(self.directory.open().and_then(|directory| directory.remove(UNKNOWN)));
    }

    /// Whether the target has been configured no more for so long that what waits is set aside.
    fn is_unknown_for_long(&self) -> Result<bool, FileError> {
        let directory = self.directory.make()?;
        drop(directory.open_to_append(UNKNOWN)?);
        Ok(directory.age(UNKNOWN).is_some_and(|age| age > UNKNOWN_LIFE))
    }

    /// Removes what was half written when its process died, and bodies whose record is gone.
    pub fn tidy(&self) {
        // Whoever sends renames records meanwhile, and a listing may miss them.
        let Ok(Some(_lock)) = self.lock() else { return };
        let Ok(directory) = self.directory.open() else { return };
        directory.remove_leftovers();
        let names = directory.names().unwrap_or_default();
        let known: HashSet<_> = names.iter().filter_map(|name| Some(Name::parse(name)?.body())).collect();
        for body in names.iter().filter(|name| name.ends_with(".body") && !known.contains(*name)) {
            // A younger one may belong to a record that is being written.
            if directory.age(body).is_some_and(|age| age > LEFT_BEHIND) {
                let _ = directory.remove(body);
            }
        }
    }

    /// Sets all of it aside, for a target that is configured no more; `None` where somebody is sending.
    pub(super) fn bury(&self, at_once: bool) -> Result<Option<usize>, FileError> {
        if self.is_empty() {
            return Ok(Some(0));
        }
        let Some(_lock) = self.lock()? else { return Ok(None) };
        let names = self.list();
        if names.is_empty() || !(at_once || self.is_unknown_for_long()?) {
            return Ok(Some(0));
        }
        // One step, however many wait; where earlier ones lie there already, one after another.
        if !self.directory.move_to(&self.dead)? {
            for name in &names {
                self.set_aside(name, message::target_gone());
            }
        }
        Ok(Some(names.len()))
    }
}

/// A body's file has several names by design.
fn read_body(directory: &Dir, name: &Name) -> Result<Vec<u8>, Unfit> {
    if !directory.look(name.body()).is_some_and(|stat| stat.is_file()) {
        return Err(Unfit::Unsound(message::body_missing().into()));
    }
    directory.read_linked(name.body())
}
