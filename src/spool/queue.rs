//! What waits for one target: a directory with a file a delivery.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::file::{self, FileError, Modes, Unfit};
use super::name::Name;
use super::receipt::Receipt;
use super::record;
use super::waiting::{Addition, Body, Record, Waiting};
use crate::format::Payload;
use crate::message;
use crate::process::{self, Locked, try_lock};
use crate::signature::sha256_hex;

/// The file that says since when no target of the queue's name is configured.
const UNKNOWN: &str = "unknown";

/// How long a queue whose target is configured no more is left, in seconds. The target may be out of sight only: a command
/// that runs with another HOME, an include that is not there for a moment.
const UNKNOWN_LIFE: u64 = 86_400;

/// From so many records on the whole file system is synced once, which is faster than one file after another.
const SYNC_ALL_FROM: usize = 16;

/// The directory of one target.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) directory: PathBuf,
    pub(super) dead: PathBuf,
    pub(super) modes: Modes,
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
pub struct Bodies(Mutex<HashMap<usize, (PathBuf, Arc<Payload>)>>);

impl Queue {
    pub(super) fn new(directory: PathBuf, dead: PathBuf, modes: Modes) -> Self {
        Self { directory, dead, modes }
    }

    /// Becomes the one that sends to the target; `None` where somebody else is, who looks into the queue once more when
    /// done.
    ///
    /// # Errors
    /// Where the directory or the file cannot be made.
    pub fn lock(&self) -> Result<Option<Locked>, FileError> {
        self.modes.make_directory(&self.directory)?;
        Ok(try_lock(self.modes.open(&self.directory.join("lock"))?))
    }

    /// Notes in the lock's file that deliveries from this queue are under way, or are over.
    ///
    /// Crash: between a log line and the removal of its record the delivery is made, and the record says that it is
    /// not. Whoever finds this note looks into the log before it sends.
    pub fn set_busy(&self, busy: bool) {
        let path = self.directory.join("lock");
        let written = self.modes.open(&path).and_then(|file| {
            file.set_len(u64::from(busy)).map_err(|error| FileError::new(message::cannot_write, &path, error))
        });
        if let Err(error) = written {
            log::warn!("{error}");
        }
    }

    /// Whether whoever held the lock before died with deliveries under way.
    pub fn was_busy(&self) -> bool {
        fs::symlink_metadata(self.directory.join("lock")).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Whether anything waits, found without reading the whole directory.
    pub fn is_empty(&self) -> bool {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            // What cannot be read may hold older events of any ref.
            Err(error) => return error.kind() == io::ErrorKind::NotFound,
        };
        !entries.flatten().any(|entry| entry.file_name().to_str().and_then(Name::parse).is_some())
    }

    /// All that waits, in order. What has no name of a record is set aside.
    pub fn list(&self) -> Vec<Name> {
        let mut names = Vec::new();
        for name in file::names(&self.directory).unwrap_or_default() {
            match Name::parse(&name) {
                Some(parsed) if parsed.to_string() == name => names.push(parsed),
                _ if name == "lock" || name == "state" || name == UNKNOWN => {}
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
        let bytes = self.modes.read(&self.directory.join(name.to_string()))?;
        let record: Record = record::decode(&bytes).map_err(Unfit::Unsound)?;
        let body = match &record {
            Record::Delivery(Waiting { body: Body::Here(text), .. }) => text.clone().into_bytes(),
            Record::Delivery(Waiting { body: Body::Beside(sum), .. }) => {
                let body = self.read_body(name)?;
                if sha256_hex(&body) != *sum {
                    return Err(Unfit::Unsound(message::body_damaged().into()));
                }
                body
            }
            Record::Push(_) => Vec::new(),
        };
        Ok((record, body))
    }

    /// A body's file has several names by design, so it is checked by its SHA-256 alone.
    fn read_body(&self, name: &Name) -> Result<Vec<u8>, Unfit> {
        let path = self.directory.join(name.body());
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return Err(Unfit::Unsound(message::body_missing().into()));
        }
        fs::read(&path).map_err(Unfit::Unreadable)
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
        self.modes.make_directory(&self.directory)?;
        let at_once = additions.len() >= SYNC_ALL_FROM;
        let mut drafts = Vec::new();
        for Addition { name, waiting, payload, is_shared } in additions {
            let text = if *is_shared { None } else { String::from_utf8(payload.body.clone()).ok() };
            let body = match text {
                Some(text) => Body::Here(text),
                None => {
                    self.write_body(name, payload, bodies, !at_once)?;
                    Body::Beside(sha256_hex(&payload.body))
                }
            };
            let record = Record::Delivery(Waiting { body, ..waiting.clone() });
            drafts.push((name, self.modes.write_temporary(&self.directory, &record::encode(&record), !at_once)?));
        }
        if at_once {
            self.sync_all()?;
        }
        for (name, draft) in drafts {
            draft.place(&self.directory.join(name.to_string()))?;
        }
        file::sync_directory(&self.directory)
    }

    fn sync_all(&self) -> Result<(), FileError> {
        let directory = fs::File::open(&self.directory);
        directory
            .and_then(process::sync_file_system)
            .map_err(|error| FileError::new(message::cannot_sync_file_system, &self.directory, error))
    }

    fn write_body(&self, name: &Name, payload: &Arc<Payload>, bodies: &Bodies, sync: bool) -> Result<(), FileError> {
        let path = self.directory.join(name.body());
        let mut written = bodies.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Each entry keeps its payload alive, so that no other gets the same address.
        let address = Arc::as_ptr(payload).addr();
        let first = written.get(&address).map(|(path, _)| path.clone());
        // The first may have been delivered and removed, or the file system have no links: then there are two copies.
        if first.is_some_and(|first| fs::hard_link(first, &path).is_ok()) {
            if sync {
                // Whoever wrote it first may have failed before it was on the disk.
                let synced = fs::File::open(&path).and_then(|body| body.sync_data());
                synced.map_err(|error| FileError::new(message::cannot_sync, &path, error))?;
            }
            return Ok(());
        }
        self.modes.write_temporary(&self.directory, &payload.body, sync)?.place(&path)?;
        written.insert(address, (path, Arc::clone(payload)));
        Ok(())
    }

    /// Writes down a push for a target that cannot tell yet what it wants of it.
    ///
    /// # Errors
    /// Where that cannot be made durable.
    pub fn put_push(&self, sequence: u64, receipt: &Receipt) -> Result<(), FileError> {
        self.modes.make_directory(&self.directory)?;
        let name = Name::of_push(sequence, receipt.id);
        let record = record::encode(&Record::Push(receipt.clone()));
        self.modes.write_durably(&self.directory, &name.to_string(), &record)
    }

    /// Removes a delivery that was made.
    ///
    /// Crash: the log says before that it was made. Not synced: a power cut may bring it back, to be sent once more
    /// under its id. Returns whether it is gone.
    pub fn remove(&self, name: &Name) -> bool {
        let path = self.directory.join(name.to_string());
        if let Err(error) = fs::remove_file(&path) {
            log::error!("{}", message::cannot_remove_delivered(path.display(), error));
            return false;
        }
        // Few have one.
        let _ = fs::remove_file(self.directory.join(name.body()));
        true
    }

    /// Gives a record the name that carries its new attempts and next time.
    pub fn rename(&self, from: &Name, to: &Name) {
        let renamed = fs::rename(self.directory.join(from.to_string()), self.directory.join(to.to_string()));
        if let Err(error) = renamed {
            log::error!("{}", message::cannot_rename_in(from, self.directory.display(), error));
        }
    }

    /// Moves a record to `dead`, where it lies until a person removes it.
    pub fn set_aside(&self, name: &Name, why: &str) {
        self.set_aside_file(&name.to_string(), why);
        let body = self.directory.join(name.body());
        if body.exists()
            && let Err(error) = file::set_aside(&body, &self.dead, self.modes)
        {
            log::error!("{error}");
        }
    }

    /// Moves a second record of a delivery to `dead`, without the body, which is that of the first as well.
    pub fn set_copy_aside(&self, name: &Name) {
        self.set_aside_file(&name.to_string(), message::two_records());
    }

    fn set_aside_file(&self, name: &str, why: &str) {
        match file::set_aside(&self.directory.join(name), &self.dead, self.modes) {
            Ok(to) => log::error!("{}", message::was_set_aside_from_queue(name, self.title(), why, to.display())),
            Err(error) => log::error!("{}", message::stays_in_queue(name, self.title(), why, error)),
        }
    }

    /// The name of its directory.
    pub fn directory_name(&self) -> String {
        self.title().into_owned()
    }

    fn title(&self) -> std::borrow::Cow<'_, str> {
        self.directory.file_name().map(|name| name.to_string_lossy()).unwrap_or_default()
    }

    /// When the target is tried again; the default where it did not fail last time.
    pub fn rest(&self) -> Rest {
        let bytes = self.modes.read(&self.directory.join("state"));
        // Where it cannot be read, the target is tried, which shows how it is.
        bytes.ok().and_then(|bytes| record::decode(&bytes).ok()).unwrap_or_default()
    }

    /// Notes when the target is tried again. Whoever holds the lock does. That it is parked survives a power cut; when
    /// it is due may be lost, and the target is tried then.
    pub fn set_rest(&self, rest: Rest) {
        let written = if rest == Rest::default() {
            match fs::remove_file(self.directory.join("state")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(FileError::new(message::cannot_remove, &self.directory.join("state"), error))
                }
                _ => Ok(()),
            }
        } else if rest.parked {
            self.modes.write_durably(&self.directory, "state", &record::encode(&rest))
        } else {
            self.modes.write_loosely(&self.directory, "state", &record::encode(&rest))
        };
        if let Err(error) = written {
            log::warn!("{error}");
        }
    }

    /// Notes that the target is configured.
    pub fn set_known(&self) {
        // It is hardly ever there.
        let _ = fs::remove_file(self.directory.join(UNKNOWN));
    }

    /// Whether the target has been configured no more for so long that what waits is set aside.
    fn is_unknown_for_long(&self) -> Result<bool, FileError> {
        let path = self.directory.join(UNKNOWN);
        drop(self.modes.open(&path)?);
        Ok(file::age(&path).is_some_and(|age| age > UNKNOWN_LIFE))
    }

    /// Removes what was half written when its process died, and bodies whose record is gone.
    pub fn tidy(&self) {
        // Whoever sends renames records meanwhile, and a listing may miss them.
        let Ok(Some(_lock)) = self.lock() else { return };
        file::remove_leftovers(&self.directory);
        let names = file::names(&self.directory).unwrap_or_default();
        let known: HashSet<_> = names.iter().filter_map(|name| Some(Name::parse(name)?.body())).collect();
        for body in names.iter().filter(|name| name.ends_with(".body") && !known.contains(*name)) {
            let path = self.directory.join(body);
            // A younger one may belong to a record that is being written.
            if file::age(&path).is_some_and(|age| age > file::LEFT_BEHIND) {
                let _ = fs::remove_file(path);
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
        self.modes.make_directory(self.dead.parent().unwrap_or(Path::new(".")))?;
        // One step, however many wait; where earlier ones lie there already, one after another.
        if fs::rename(&self.directory, &self.dead).is_err() {
            for name in &names {
                self.set_aside(name, message::target_gone());
            }
        }
        Ok(Some(names.len()))
    }
}
