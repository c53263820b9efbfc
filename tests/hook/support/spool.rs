//! What we keep below `webhook/` of the bare repository: the one place in these tests that knows how its directories and
//! records are called, and how a record is written.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use git_webhook::signature::sha256_hex;
use serde_json::Value;

use super::World;

/// A directory or a file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// All of it.
    State,
    /// All that waits or has waited.
    Spool,
    /// What pre-receive announced.
    Intents,
    /// What of it looks refused.
    Refused,
    /// Pushes that are not settled.
    Receipts,
    /// Pushes whose events cannot be built, by a mistake of ours.
    Stuck,
    /// Pushes that are, a directory a day.
    Settled,
    SettledOn(&'a str),
    /// Who is pushing.
    Pushes,
    /// The queues of all targets.
    Queues,
    /// What waits for one target.
    Queue(&'a str),
    /// What the broker took for one target, and of which no outcome has come.
    Published(&'a str),
    /// Pushes that wait for one target to be configured rightly.
    Deferred(&'a str),
    /// Until when a target is left alone.
    Backoff(&'a str),
    /// Blocked by whoever sends to a target.
    Lock(&'a str),
    /// Dead letters, of all kinds.
    AllDead,
    /// Of one target's queue.
    Dead(&'a str),
    DeadIntents,
    DeadReceipts,
    /// The last number of a push.
    Sequence,
    /// The refs as they were told last.
    Snapshot,
    /// The delivery log, a file a day.
    Log,
    LogOn(&'a str),
}

impl Place<'_> {
    /// Its path below the repository.
    pub fn path(self) -> PathBuf {
        let name = match self {
            Self::State => "",
            Self::Spool => "v1",
            Self::Intents => "v1/intents",
            Self::Refused => "v1/refused",
            Self::Receipts => "v1/receipts",
            Self::Stuck => "v1/stuck",
            Self::Settled => "v1/settled",
            Self::SettledOn(day) => &format!("v1/settled/{day}"),
            Self::Pushes => "v1/pushes",
            Self::Queues => "v1/queue",
            Self::Queue(target) => &format!("v1/queue/{target}"),
            Self::Published(target) => &format!("v1/published/{target}"),
            Self::Deferred(target) => &format!("v1/deferred/{target}"),
            Self::Backoff(target) => &format!("v1/queue/{target}/state"),
            Self::Lock(target) => &format!("v1/queue/{target}/lock"),
            Self::AllDead => "v1/dead",
            Self::Dead(target) => &format!("v1/dead/{target}"),
            Self::DeadIntents => "v1/dead/_intents",
            Self::DeadReceipts => "v1/dead/_receipts",
            Self::Sequence => "v1/lock",
            Self::Snapshot => "refs",
            Self::Log => "log",
            Self::LogOn(day) => &format!("log/{day}"),
        };
        // Without a slash at the end, which follows a link.
        Path::new("webhook").join(name).components().collect()
    }
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn is_body(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "body")
}

/// What stands in a record.
pub fn read_record(path: &Path) -> Value {
    let record = fs::read_to_string(path).unwrap();
    serde_json::from_str(record.lines().nth(1).unwrap()).unwrap()
}

/// Writes a sound record that says something else.
pub fn rewrite_record(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut json = read_record(path);
    change(&mut json);
    let json = json.to_string();
    let body = format!("git-webhook 2\n{json}\n");
    fs::write(path, format!("{body}{} {}\n", json.len(), sha256_hex(body.as_bytes()))).unwrap();
}

/// Copies the record of a delivery that was never tried, as if it had been tried and had failed long ago.
pub fn copy_as_tried(record: &Path) {
    let tried = name(record).replace(".0-0.0", ".1h0.1");
    assert_ne!(tried, name(record), "it was tried");
    fs::copy(record, record.with_file_name(tried)).unwrap();
}

impl World {
    pub fn place(&self, place: Place) -> PathBuf {
        self.server().join(place.path())
    }

    /// Records and the bodies beside them, in their order; in `Settled` those of all days.
    pub fn kept(&self, place: Place) -> Vec<PathBuf> {
        let mut paths = self.files(place.path().to_str().unwrap());
        if place == Place::Settled {
            paths = paths.iter().flat_map(|day| self.kept(Place::SettledOn(&name(day)))).collect();
        }
        paths.retain(|path| name(path).starts_with(|c: char| c.is_ascii_digit()));
        paths
    }

    pub fn records(&self, place: Place) -> Vec<PathBuf> {
        self.kept(place).into_iter().filter(|path| !is_body(path)).collect()
    }

    /// The files with the bodies that targets share.
    pub fn bodies(&self, place: Place) -> Vec<PathBuf> {
        self.kept(place).into_iter().filter(|path| is_body(path)).collect()
    }

    /// What waits for a target: deliveries, and pushes where it is not configured rightly.
    pub fn waiting(&self, target: &str) -> Vec<PathBuf> {
        [self.records(Place::Queue(target)), self.records(Place::Deferred(target))].concat()
    }

    /// What the broker took, and of which no outcome has come.
    pub fn published(&self, target: &str) -> Vec<PathBuf> {
        self.records(Place::Published(target))
    }

    /// Dead letters to a target.
    pub fn dead(&self, target: &str) -> Vec<PathBuf> {
        self.records(Place::Dead(target))
    }

    pub fn intents(&self) -> Vec<PathBuf> {
        self.records(Place::Intents)
    }

    pub fn receipts(&self) -> Vec<PathBuf> {
        self.records(Place::Receipts)
    }

    pub fn settled(&self) -> Vec<PathBuf> {
        self.records(Place::Settled)
    }

    /// Everything that still has to happen: intents, receipts and the deliveries of all targets.
    pub fn unfinished(&self) -> Vec<PathBuf> {
        let queues = self.files(Place::Queues.path().to_str().unwrap());
        let waiting = queues.iter().flat_map(|queue| self.waiting(&name(queue)));
        self.intents().into_iter().chain(self.receipts()).chain(waiting).collect()
    }

    /// The days that there are, in the log or among what is settled.
    pub fn days(&self, place: Place) -> Vec<String> {
        self.files(place.path().to_str().unwrap()).iter().map(|path| name(path)).collect()
    }

    /// A name for one more receipt or intent; later numbers come later in their order.
    pub fn new_record(&self, place: Place, number: usize) -> PathBuf {
        let id = format!("0000{number:04}-0000-7000-8000-000000000000");
        match place {
            Place::Receipts => self.place(place).join(format!("{:012}.{id}", number + 100)),
            Place::Intents => self.place(place).join(id),
            _ => panic!("{place:?} has other names"),
        }
    }

    /// A target is left alone no longer; what failed has its own time all the same.
    pub fn backoff_ends(&self, target: &str) {
        fs::remove_file(self.place(Place::Backoff(target))).unwrap();
    }

    /// What the broker took for a target it took long ago.
    pub fn published_long_ago(&self, target: &str) {
        self.published_before(target, Duration::from_secs(3600));
    }

    /// What is published was so that long ago.
    pub fn published_before(&self, target: &str, time: Duration) {
        let then = (SystemTime::now() - time).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        for record in self.records(Place::Published(target)) {
            let before = name(&record);
            let (start, _) = before.rsplit_once('.').unwrap();
            fs::rename(&record, record.with_file_name(format!("{start}.{then}"))).unwrap();
        }
    }

    /// So much time that whatever waits for a target is due.
    pub fn time_passes(&self, target: &str) {
        self.backoff_ends(target);
        for record in self.waiting(target) {
            let before = name(&record);
            let (start, next) = before.rsplit_once('.').unwrap();
            if next != "0" {
                fs::rename(&record, record.with_file_name(format!("{start}.1"))).unwrap();
            }
        }
    }

    /// A target that is configured no more has been so for a day.
    pub fn a_day_without(&self, target: &str) {
        let since = self.place(Place::Queue(target)).join("unknown");
        let yesterday = SystemTime::now() - Duration::from_secs(86_401);
        fs::File::options().append(true).open(since).unwrap().set_modified(yesterday).unwrap();
    }

    /// Has all that was written down of pushes happen so many seconds earlier.
    pub fn age(&self, seconds: i64) {
        for record in [self.settled(), self.intents(), self.receipts()].concat() {
            rewrite_record(&record, |json| {
                json["moment"]["seconds"] = (json["moment"]["seconds"].as_i64().unwrap() - seconds).into();
            });
        }
    }

    /// What was announced was so an hour ago, in a run of the machine that is over: nobody waits for its hooks any more.
    pub fn machine_restarts(&self) {
        for intent in self.intents() {
            rewrite_record(&intent, |json| {
                json["moment"]["boot"] = "another".into();
                json["time"] = (json["time"].as_i64().unwrap() - 3600).into();
            });
        }
    }

    /// What was copied here counts as made here.
    pub fn is_no_copy(&self) {
        let identity = self.place(Place::Spool).join("identity");
        if let Ok(directory) = fs::metadata(self.place(Place::Spool))
            && identity.exists()
        {
            rewrite_record(&identity, |json| {
                json["inode"] = directory.ino().into();
                json.as_object_mut().unwrap().remove("born");
            });
        }
    }

    /// Pushes lie there as their hooks left them when they died before the first delivery.
    pub fn unsettle(&self) {
        for receipt in self.settled() {
            fs::rename(&receipt, self.place(Place::Receipts).join(name(&receipt))).unwrap();
        }
    }

    /// No attempt is known any more.
    pub fn forget_attempts(&self) {
        fs::remove_dir_all(self.place(Place::Log)).unwrap();
    }

    /// Whoever sent to a target died at it.
    pub fn sender_died(&self, target: &str) {
        fs::write(self.place(Place::Lock(target)), "x").unwrap();
    }
}
