//! Receipts: what git said of one push, safe on disk before anything else is done with it; and intents, the same before
//! the push is accepted.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Spool;
use super::record::{self, Text};
use super::sequence::number;
use crate::files::{Dir, FileError, Folder, Unfit};
use crate::identifier;
use crate::message;
use crate::process::{self, Environment, Locked, Moment, Process, try_lock};
use crate::ref_update::{RefEvent, RefKey, RefName, RefUpdate};
use crate::schedule::OrderKey;
use crate::target::TargetName;

/// What is kept of the environment: the variables that say who pushed what to where. Never all of it: behind a web
/// server it holds the pusher's password.
const VARIABLES: [&str; 8] = [
    "GL_USER",
    "GL_REPO",
    "REMOTE_USER",
    "GIT_COMMITTER_EMAIL",
    "GIT_PUSH_CERT_STATUS",
    "GIT_PUSH_CERT_SIGNER",
    "GIT_PROJECT_ROOT",
    "GIT_PUSH_OPTION_COUNT",
];

/// git itself passes on any number of push options, and each event holds them. What is beyond this is left out.
const MOST_OPTION_BYTES: usize = 64 * 1024;

/// A push has one receipt, or a few.
const LARGEST_MARKER: u64 = 4096;

/// How long a push's marker is kept after its receive-pack is gone, in seconds.
const MARKER_LIFE: u64 = 600;

/// One push, as git told of it: everything its events can be built from again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// Tells it from all others.
    pub id: Uuid,
    /// Seconds since 1970 when it was first written.
    pub time: i64,
    /// The same on a clock that nobody sets.
    pub moment: Moment,
    /// The receive-pack that took the push; `None` where it could not be told.
    pub receive_pack: Option<Process>,
    /// The sequence number given last when it was written.
    pub after: u64,
    /// The spool it was written in first; `None` in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<Uuid>,
    /// Where it was written: a process of another host or PID namespace cannot be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// The namespace of its refs; `None` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<Text>,
    /// Where the objects lay, where that was not the repository's own place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) objects: Option<ObjectDirectories>,
    /// The targets that were asked, those that wanted nothing of it too; `None` in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<Vec<Asked>>,
    pub(super) user: String,
    pub(super) variables: BTreeMap<String, Text>,
    /// What a later program has written, which is handed on.
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
    /// The ref updates, with the ids of their events. Last, so that a record can be written as they come.
    pub lines: Vec<RefEvent>,
}

/// A host, and the PID namespace of the process that wrote there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, for people: the boot id of `moment` tells it from others.
    pub name: String,
    /// The number of the PID namespace; `None` where `/proc` does not tell.
    pub pid_namespace: Option<u64>,
}

/// Directories of objects, absolute: `GIT_OBJECT_DIRECTORY` and `GIT_ALTERNATE_OBJECT_DIRECTORIES`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectDirectories {
    directory: Text,
    alternates: Vec<Text>,
}

/// A target that was asked whether it wants a push, enabled as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The target's name.
    pub target: String,
    /// The lines that it wanted: from each first number to each second, both included.
    pub lines: Vec<(u32, u32)>,
}

impl Receipt {
    /// What is known of a push now. `variables` are those of `webhook.userVariable`.
    pub fn new(lines: Vec<RefEvent>, environment: &Environment, variables: &[String]) -> Self {
        let options: usize =
            environment.text("GIT_PUSH_OPTION_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
        let mut bytes = 0;
        let mut fits = |name: &String| {
            bytes += name.len() + environment.raw(name).map_or(0, |value| value.len());
            bytes <= MOST_OPTION_BYTES
        };
        let names = (0..options).map(|number| format!("GIT_PUSH_OPTION_{number}"));
        let options: Vec<_> = names.take_while(|name| environment.raw(name).is_some() && fits(name)).collect();
        let names = VARIABLES.into_iter().chain(options.iter().chain(variables).map(String::as_str));
        let variables = environment.some(names);
        Self {
            id: identifier::receipt(),
            time: process::now(),
            moment: Moment::now(),
            receive_pack: Process::receive_pack(),
            after: 0,
            spool: None,
            host: Some(Host { name: process::host_name(), pid_namespace: process::pid_namespace() }),
            namespace: environment.get("GIT_NAMESPACE").map(Text::from_os),
            objects: ObjectDirectories::of(environment),
            asked: None,
            user: environment.os_user(),
            variables: variables.iter().map(|(name, value)| (name.clone(), Text::from_os(value))).collect(),
            unknown: Map::new(),
            lines,
        }
    }

    /// With the targets that are asked.
    pub fn asking(self, asked: Vec<Asked>) -> Self {
        Self { asked: Some(asked), ..self }
    }

    /// Whether the target existed and was enabled when the push was written down; `None` where nobody noted it.
    pub fn has_asked(&self, target: &str) -> Option<bool> {
        self.asked.as_ref().map(|asked| asked.iter().any(|asked| asked.target == target))
    }

    /// What keeps the deliveries of one of its refs in order.
    pub fn order(&self, name: &RefName) -> OrderKey {
        OrderKey::of(&self.ref_key(name))
    }

    /// One of its refs, with its namespace.
    pub fn ref_key(&self, name: &RefName) -> RefKey {
        let namespace = self.namespace.as_ref().and_then(Text::bytes).unwrap_or_default();
        RefKey { namespace: namespace.into_owned(), name: name.clone() }
    }

    /// The same push, told of these lines alone.
    pub fn with(&self, lines: Vec<RefEvent>) -> Self {
        let asked = self.asked.as_ref().map(|asked| asked.iter().map(|asked| self.asked_of(asked, &lines)).collect());
        Self { id: identifier::receipt(), asked, lines, ..self.clone() }
    }

    /// The same of these lines, by their numbers among them.
    fn asked_of(&self, asked: &Asked, lines: &[RefEvent]) -> Asked {
        let wanted = asked.lines.iter().flat_map(|(first, last)| self.lines.get(*first as usize..=*last as usize));
        let wanted: HashSet<&RefUpdate> = wanted.flatten().map(|line| &line.update).collect();
        Asked { lines: ranges(lines, |update| wanted.contains(update)), ..asked.clone() }
    }

    /// The environment as far as it tells who pushed what to where.
    pub fn environment(&self) -> Environment {
        let variables = self.variables.iter().filter_map(|(name, value)| Some((name.into(), value.to_os()?)));
        Environment::of_push(variables, self.user.clone())
    }

    /// `<sequence>.<id>`: its file's name, by which deliveries name the receipt they come from.
    pub fn name(&self, sequence: u64) -> String {
        format!("{sequence:012}.{}", self.id)
    }

    /// The ref updates.
    pub fn updates(&self) -> Vec<RefUpdate> {
        self.lines.iter().map(|line| line.update.clone()).collect()
    }
}

impl Asked {
    /// The target, which wants some of the lines.
    pub fn new(target: &TargetName, lines: &[RefEvent], wants: impl Fn(&RefUpdate) -> bool) -> Self {
        Self { target: target.to_string(), lines: ranges(lines, wants) }
    }
}

/// The numbers of the lines that are wanted, in ranges.
fn ranges(lines: &[RefEvent], wants: impl Fn(&RefUpdate) -> bool) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for (number, _) in (0..).zip(lines).filter(|(_, line)| wants(&line.update)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

impl ObjectDirectories {
    /// Those that receive-pack has set; `None` where it has not. In pre-receive they are git's quarantine, with what they
    /// were before it as the alternates (tmp-objdir.c): that is what counts once the refs have moved.
    fn of(environment: &Environment) -> Option<Self> {
        let alternates = environment.get("GIT_ALTERNATE_OBJECT_DIRECTORIES").map(split).unwrap_or_default();
        let mut directories = environment.get("GIT_OBJECT_DIRECTORY").map(PathBuf::from).into_iter().chain(alternates);
        if environment.get("GIT_QUARANTINE_PATH").is_some() {
            directories.next();
        }
        let mut directories =
            directories.filter_map(|path| Some(Text::from_os(std::path::absolute(path).ok()?.as_os_str())));
        let directory = directories.next()?;
        Some(Self { directory, alternates: directories.collect() })
    }
}

/// Takes a list of paths apart at its colons. git quotes a path that holds one; such a path is left out.
fn split(list: &OsStr) -> Vec<PathBuf> {
    let parts = list.as_bytes().split(|byte| *byte == b':').filter(|part| !part.is_empty() && !part.starts_with(b"\""));
    parts.map(|part| PathBuf::from(OsStr::from_bytes(part))).collect()
}

/// A receipt that this process is to settle; nobody else can while it holds this.
#[derive(Debug)]
pub struct Owned {
    /// The push.
    pub receipt: Receipt,
    /// Its place in the order of all pushes.
    pub sequence: u64,
    _lock: Option<Locked>,
}

impl Owned {
    /// Its file's name.
    pub fn name(&self) -> String {
        self.receipt.name(self.sequence)
    }
}

/// An intent, claimed: nobody else turns it into a receipt while this is held.
#[derive(Debug)]
pub struct Intent {
    /// What pre-receive was told.
    pub receipt: Receipt,
    _lock: Option<Locked>,
}

/// The name that a receipt has in a directory by its own account, but for the number.
fn name_in(directory: &str, given: &str, receipt: &Receipt) -> String {
    match number(given) {
        Some(sequence) if directory == "receipts" => receipt.name(sequence),
        _ => receipt.id.to_string(),
    }
}

/// Makes the names of receipts durable. Where that fails the receipt is there all the same, and is not made a second
/// time: whoever comes next would find two.
fn make_durable(receipts: &Dir) {
    if let Err(error) = receipts.sync() {
        log::error!("{}", message::not_durable(error));
    }
}

impl Spool {
    /// Writes down what is about to be pushed.
    ///
    /// Crash: before the rename nobody sees it, and pre-receive has not ended, so no ref has moved. When this returns
    /// it is on the disk, and only then can git move a ref.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn write_intent(&self, mut receipt: Receipt) -> Result<(), FileError> {
        let intents = self.place("intents").make()?;
        receipt.after = self.last_sequence();
        receipt.spool = self.identity();
        intents.write_durably(receipt.id.to_string(), &record::encode(&receipt))
    }

    /// All intents, oldest first, unclaimed. What is no intent is set aside.
    pub fn intents(&self) -> Vec<Receipt> {
        self.read_all("intents", |_| true).into_iter().map(|(_, receipt)| receipt).collect()
    }

    /// Claims an intent; `None` where another process has, or where it is gone.
    pub fn claim(&self, intent: &Receipt) -> Option<Intent> {
        let (bytes, lock) = self.place("intents").open().ok()?.claim(intent.id.to_string())?;
        Some(Intent { receipt: record::decode(&bytes).ok()?, _lock: Some(lock) })
    }

    /// Removes an intent all of whose lines are told or refused.
    ///
    /// Crash: its receipts are durable before; an intent that comes back is found told.
    pub fn drop_intent(&self, intent: Intent) {
        let intents = self.place("intents");
        let name = intent.receipt.id.to_string();
        if let Err(error) = intents.open().and_then(|intents| intents.remove(&name)) {
            log::warn!("{}", message::cannot_remove(intents.path().join(name).display(), error));
        }
    }

    /// Makes an intent the receipt of the push it announced, all of whose lines were accepted.
    ///
    /// Crash: one rename, so it is the one or the other; either way the events are found again under the same ids.
    ///
    /// # Errors
    /// Where it cannot be renamed; the intent is there still.
    pub fn promote(&self, intent: Intent) -> Result<Owned, Box<(FileError, Intent)>> {
        let renamed = self.place("receipts").make().and_then(|receipts| {
            let name = intent.receipt.id.to_string();
            let from = self.place("intents");
            let sequence = self.with_next(|sequence| {
                from.open()
                    .and_then(|intents| intents.rename(&name, &receipts, intent.receipt.name(sequence)))
                    .map_err(|error| FileError::new(message::cannot_rename, &from.path().join(&name), error))?;
                Ok(sequence)
            })?;
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
        let Intent { receipt, _lock } = intent;
        self.mark(&receipt, sequence);
        Ok(Owned { receipt, sequence, _lock })
    }

    /// Writes a receipt.
    ///
    /// Crash: before the rename nobody sees it, and the push's intent, where there is one, is still there; when this
    /// returns it is on the disk, and whoever runs next delivers what this process does not.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn keep(&self, receipt: Receipt) -> Result<Owned, FileError> {
        let receipts = self.place("receipts").make()?;
        let draft = receipts.write_draft(&record::encode(&receipt), true)?;
        // Locked before it has a name that others look for: they would take it for one whose owner died.
        let lock = draft.file().try_clone().ok().and_then(try_lock);
        let sequence = self.with_next(|sequence| {
            draft.place(receipt.name(sequence))?;
            Ok(sequence)
        })?;
        make_durable(&receipts);
        self.mark(&receipt, sequence);
        Ok(Owned { receipt, sequence, _lock: lock })
    }

    /// All unsettled receipts but those with the numbers `own`, in order. What is no receipt is set aside.
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
    pub fn take_over(&self, sequence: u64, receipt: &Receipt) -> Option<Owned> {
        let (_, lock) = self.place("receipts").open().ok()?.claim(receipt.name(sequence))?;
        // Its owner may have died before it did this.
        self.mark(receipt, sequence);
        Some(Owned { receipt: receipt.clone(), sequence, _lock: Some(lock) })
    }

    /// Puts a receipt away, of which every delivery is made or waits in a queue.
    ///
    /// Crash: before the rename it is taken over, and the log and the queues say what was done already. The rename is
    /// not synced: a power cut can bring the receipt back, with the same outcome.
    pub fn settle(&self, owned: Owned, day: &str) {
        let name = owned.name();
        let from = self.place("receipts");
        let moved = self.place("settled").join(day).make().and_then(|settled| {
            from.open()
                .and_then(|receipts| receipts.rename(&name, &settled, &name))
                .map_err(|error| FileError::new(message::cannot_settle, &from.path().join(&name), error))
        });
        if let Err(error) = moved {
            log::error!("{}", message::made_once_more(error));
        }
    }

    /// A settled receipt; `None` where it was pruned.
    pub fn settled(&self, name: &str) -> Option<Receipt> {
        let settled = self.place("settled");
        let days = settled.names().ok()?;
        let mut folders = days.iter().map(|day| settled.join(day)).chain([self.place("receipts")]);
        folders.find_map(|folder| record::decode(&folder.open().ok()?.read(name).ok()?).ok())
    }

    /// Every receipt with a number above `after`, settled or not, in order.
    pub fn receipts_since(&self, after: u64) -> Vec<(u64, Receipt)> {
        let mut found = BTreeMap::new();
        self.read_since(&self.place("receipts"), after, &mut found);
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
            let receipt = directory.read(&name).ok();
            if let Some(receipt) = receipt.and_then(|bytes| record::decode(&bytes).ok()) {
                found.insert((sequence, name), receipt);
            }
        }
    }

    /// The updates that were told of already for the push that `receive_pack` took: another hook installed beside this
    /// one was first, or somebody who found its intent.
    pub fn told(&self, receive_pack: Process) -> HashSet<RefUpdate> {
        let unsettled = self.receipts(&HashSet::new()).into_iter().map(|(_, receipt)| receipt);
        let unsettled = unsettled.filter(|receipt| receipt.receive_pack == Some(receive_pack));
        let pushes = self.place("pushes").open();
        let marker = pushes.and_then(|pushes| pushes.read_start(marker(receive_pack), LARGEST_MARKER));
        let marker = marker.unwrap_or_default();
        let marker = String::from_utf8_lossy(&marker);
        let settled = marker.lines().filter_map(|name| self.settled(name));
        unsettled.chain(settled).flat_map(|receipt| receipt.updates()).collect()
    }

    /// Notes which receipts a receive-pack's push has, for [`Spool::told`] once they are settled.
    ///
    /// Crash: until the receipt is settled it is found without this; and this comes before.
    fn mark(&self, receipt: &Receipt, sequence: u64) {
        let Some(process) = receipt.receive_pack else { return };
        let name = marker(process);
        let line = format!("{}\n", receipt.name(sequence));
        let pushes = self.place("pushes").make();
        let marked = pushes.as_ref().map_err(ToString::to_string).and_then(|pushes| {
            let marked = pushes.open_to_append(&name).and_then(|mut file| {
                file.write_all(line.as_bytes()).map_err(pushes.error(message::cannot_write, &name))
            });
            marked.map_err(|error| error.to_string())
        });
        if let Err(error) = marked {
            log::warn!("{}", message::delivers_twice(error));
        }
        if let Ok(pushes) = pushes {
            forget_markers(&pushes);
        }
    }

    fn read_all(&self, directory: &str, wanted: impl Fn(&str) -> bool) -> Vec<(String, Receipt)> {
        let folder = self.place(directory);
        let cannot_read = |error: io::Error| log::error!("{}", message::cannot_read(folder.path().display(), error));
        let opened = match folder.open() {
            Ok(opened) => opened,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Vec::new();
            }
            Err(error) => {
                cannot_read(error);
                return Vec::new();
            }
        };
        let mut names = opened.names().unwrap_or_else(|error| {
            cannot_read(error);
            Vec::new()
        });
        names.retain(|name| wanted(name));
        names.sort();
        let mut found = Vec::new();
        for name in names {
            let read = opened.read(&name).and_then(|bytes| record::decode(&bytes).map_err(Unfit::Unsound));
            match read {
                // A copy under another name is no push of its own, and nobody would ever settle it.
                Ok(receipt) if name != name_in(directory, &name, &receipt) => {
                    self.set_file_aside(directory, &name, message::not_its_name());
                }
                Ok(receipt) => found.push((name, receipt)),
                Err(Unfit::Unsound(why)) => self.set_file_aside(directory, &name, &why),
                Err(Unfit::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(Unfit::Unreadable(error)) => {
                    log::error!("{}", message::owner_can_read(opened.path_of(&name).display(), error));
                }
            }
        }
        found
    }
}

/// The name of the file that says which receipts a receive-pack's push has.
fn marker(process: Process) -> String {
    format!("{}.{}", process.pid, process.start)
}

fn forget_markers(pushes: &Dir) {
    for name in pushes.names().unwrap_or_default() {
        let process = name
            .split_once('.')
            .and_then(|(pid, start)| Some(Process { pid: pid.parse().ok()?, start: start.parse().ok()? }));
        if process.is_some_and(Process::is_alive) {
            continue;
        }
        // A time to come is no reason to keep it.
        if pushes.age(&name).is_none_or(|age| age > MARKER_LIFE) {
            // Somebody else may have been faster.
            let _ = pushes.remove(&name);
        }
    }
}
