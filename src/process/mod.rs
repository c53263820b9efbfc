//! What the process is given by the system: environment variables, the user it runs as, the host's name, descriptors
//! that are ready, locks, clocks, the process it runs for.

mod ancestry;
mod lock;

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::statfs::statfs;
use nix::sys::statvfs::FsFlags;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{AccessFlags, User, eaccess, geteuid, gethostname, setsid, syncfs};
use serde::{Deserialize, Serialize};

pub use ancestry::Process;
pub use lock::{Locked, keeps_out, lock_within, try_lock, try_lock_silently};

/// Flags to open a file whose path others may have prepared: no symbolic link in its last place, no waiting for a fifo's writer.
pub const OPEN_CAREFULLY: i32 = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).bits();

/// A snapshot of the environment variables, taken once, so that everything below is a function of its arguments.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: HashMap<OsString, OsString>,
    /// The OS user, where it is not the one of this process but of the one that the snapshot was taken of.
    user: Option<String>,
}

impl Environment {
    /// Takes the variables, as `std::env::vars_os` gives them.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { variables: variables.into_iter().collect(), user: None }
    }

    /// The same with the variables and the OS user of another process: what a push was made with, when it is told later.
    pub fn of_push(variables: impl IntoIterator<Item = (OsString, OsString)>, user: String) -> Self {
        Self { user: Some(user), ..Self::new(variables) }
    }

    /// The values of those of `names` that are set, sorted.
    pub fn some<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, OsString> {
        names.into_iter().filter_map(|name| Some((name.to_owned(), self.raw(name)?.to_owned()))).collect()
    }

    /// The login of the user who pushed, as far as the system tells.
    pub fn os_user(&self) -> String {
        self.user.clone().unwrap_or_else(os_user)
    }

    /// The value of `name`; an empty value counts as none, as in most of git.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`, be it empty.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value of `name` as text, with U+FFFD in place of what is not UTF-8.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.to_string_lossy().into_owned())
    }
}

/// The login of the user this process runs as, or `uid <number>` for a user without a passwd entry, as in containers.
pub fn os_user() -> String {
    let uid = geteuid();
    match User::from_uid(uid) {
        Ok(Some(user)) if !user.name.is_empty() => user.name,
        _ => format!("uid {uid}"),
    }
}

/// The name of this host, `localhost` where it cannot be told.
pub fn host_name() -> String {
    gethostname()
        .ok()
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".into())
}

/// A user's entry in the passwd database.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name.
    pub login: String,
    /// The number of the main group.
    pub group: u32,
    /// The home directory.
    pub home: std::path::PathBuf,
}

/// The account of a user; `None` for one without a passwd entry.
pub fn account(uid: u32) -> Option<Account> {
    let user = User::from_uid(uid.into()).ok().flatten()?;
    Some(Account { login: user.name, group: user.gid.as_raw(), home: user.dir })
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The number of the user this process acts as.
pub fn user_id() -> u32 {
    geteuid().as_raw()
}

/// Whether this process may write the file, or make files in the directory, at `path`.
pub fn may_write(path: &std::path::Path) -> bool {
    eaccess(path, AccessFlags::W_OK).is_ok()
}

/// Whether this process may run the file at `path`, by which git decides whether a hook is on.
pub fn may_execute(path: &std::path::Path) -> bool {
    eaccess(path, AccessFlags::X_OK).is_ok()
}

/// What matters of the file system that a path lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Shared by several machines, and what it is called.
    Network(&'static str),
    /// Gone when the machine stops, and what it is called.
    Memory(&'static str),
    /// Any other.
    Other,
}

impl FileSystem {
    /// Whether that of `path` is mounted so that nobody writes to it.
    pub fn is_read_only(path: &std::path::Path) -> bool {
        statfs(path).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
    }

    /// That of `path`; `Other` where it cannot be told.
    pub fn of(path: &std::path::Path) -> Self {
        // The numbers of statfs(2).
        match statfs(path).map_or(0, |found| found.filesystem_type().0 as u32) {
            0x6969 => Self::Network("nfs"),
            0x517b | 0xff53_4d42 | 0xfe53_4d42 => Self::Network("cifs"),
            0x0102_1997 => Self::Network("9p"),
            0x00c3_6400 => Self::Network("ceph"),
            0x0102_1994 => Self::Memory("tmpfs"),
            0x8584_58f6 => Self::Memory("ramfs"),
            _ => Self::Other,
        }
    }
}

/// A moment that no change of the clock moves: the id of this run of the machine, and the time since it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Seconds since the machine started, sleep included.
    pub seconds: i64,
    /// And the part of a second.
    pub nanoseconds: i64,
}

impl Moment {
    /// The present one.
    pub fn now() -> Self {
        let (seconds, nanoseconds) =
            clock_gettime(ClockId::CLOCK_BOOTTIME).map_or((0, 0), |time| (time.tv_sec(), time.tv_nsec()));
        Self { boot: boot_id(), seconds, nanoseconds }
    }

    /// Whether it came before `other`; `None` where the machine was started anew between them.
    pub fn is_before(&self, other: &Self) -> Option<bool> {
        let time = |moment: &Self| (moment.seconds, moment.nanoseconds);
        (self.boot == other.boot).then(|| time(self) < time(other))
    }

    /// The seconds gone by since; `None` where the machine was started anew meanwhile.
    pub fn age(&self) -> Option<i64> {
        let now = Self::now();
        (now.boot == self.boot).then_some(now.seconds - self.seconds)
    }
}

/// Seconds since 1970, 0 for a clock set before that.
pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs() as i64)
}

/// The number of the PID namespace that this process lives in, be it that of a container; `None` where `/proc` does not
/// tell.
pub fn pid_namespace() -> Option<u64> {
    // It reads `pid:[4026531836]` (namespaces(7)).
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// What tells one run of the machine from the next.
pub fn boot_id() -> String {
    static FOUND: OnceLock<String> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    FOUND.get_or_init(read).clone()
}

/// Keeps signals away that would stop or kill this process with a lock held or a record half written: a terminal's stop
/// key, and the limit on the size of files, which an error tells as well.
///
/// Threads inherit it, so it comes first.
pub fn hold_back_signals() {
    let signals: SigSet = [Signal::SIGTSTP, Signal::SIGXFSZ].into_iter().collect();
    // It fails for no signal that exists.
    let _ = signals.thread_block();
}

/// Keeps signals away with which a person or the system ends a program, from here to its end: for a step that must not be
/// left half done, and programs started for it.
pub fn hold_back_interrupts() {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
    // It fails for no signal that exists.
    let _ = signals.thread_block();
}

/// Reads a line that must not be seen: on a terminal it is not shown.
///
/// # Errors
/// Where `input` cannot be read.
pub fn read_secret_line<R: Read + AsFd>(mut input: R) -> std::io::Result<Vec<u8>> {
    // It fails for what is no terminal, which shows nothing anyway.
    let shown = tcgetattr(&input).ok();
    if let Some(mut hidden) = shown.clone() {
        hidden.local_flags.remove(LocalFlags::ECHO);
        let _ = tcsetattr(&input, SetArg::TCSANOW, &hidden);
    }
    let mut line = Vec::new();
    let mut byte = [0];
    let outcome = loop {
        match input.read(&mut byte) {
            Ok(0) => break Ok(line),
            Ok(_) if byte == *b"\n" => break Ok(line),
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    if let Some(shown) = shown {
        let _ = tcsetattr(&input, SetArg::TCSANOW, &shown);
    }
    outcome
}

/// Leaves the session of whoever started this process, so that its end does not reach us.
pub fn leave_session() {
    // It fails for the leader of a process group alone, which a child is not.
    let _ = setsid();
}

/// Has every descriptor but the three standard ones closed in programs started from here: a web server's socket or
/// ssh's pipe, kept open, would hold up the push.
pub fn close_descriptors_on_exec() {
    close_fds::set_fds_cloexec(3, &[]);
}

/// Writes out everything that the file system of `descriptor` has in memory.
///
/// # Errors
/// Where a write failed.
pub fn sync_file_system(descriptor: impl AsFd) -> std::io::Result<()> {
    Ok(syncfs(descriptor)?)
}

/// Waits until `descriptor` can be written without blocking, at most `patience`.
pub fn is_writable(descriptor: impl AsFd, patience: Duration) -> bool {
    is_ready(descriptor, PollFlags::POLLOUT, patience)
}

/// Reads `input` to its end, up to `limit` bytes; a writer that is silent for `patience` is taken to have finished.
///
/// Returns what arrived and whether that is the whole input.
pub fn read_to_end<R: Read + AsFd>(mut input: R, limit: usize, patience: Duration) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while is_ready(&input, PollFlags::POLLIN, patience) {
        match input.read(&mut chunk) {
            Ok(0) => return (bytes, true),
            Ok(_) if bytes.len() >= limit => return (bytes, false),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return (bytes, false),
        }
    }
    (bytes, false)
}

fn is_ready(descriptor: impl AsFd, flags: PollFlags, patience: Duration) -> bool {
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let mut descriptors = [PollFd::new(descriptor.as_fd(), flags)];
    // A hang-up counts as ready: the read or write that follows tells what it is.
    matches!(poll(&mut descriptors, timeout), Ok(count) if count > 0)
        && !descriptors[0].revents().is_some_and(|events| events.contains(PollFlags::POLLNVAL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_silent_writer_is_taken_to_have_finished() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"some").unwrap();
        assert_eq!(read_to_end(&reader, 1 << 20, Duration::from_millis(20)), (b"some".to_vec(), false));
        drop(writer);
        assert_eq!(read_to_end(&reader, 1 << 20, Duration::from_millis(20)), (Vec::new(), true));
    }

    #[test]
    fn a_full_pipe_is_not_writable() {
        let (_reader, mut writer) = std::io::pipe().unwrap();
        assert!(is_writable(&writer, Duration::ZERO));
        while is_writable(&writer, Duration::ZERO) {
            writer.write_all(&[0; 4096]).unwrap();
        }
        assert!(!is_writable(&writer, Duration::from_millis(5)));
    }

    #[test]
    fn an_empty_variable_counts_as_none() {
        let environment = Environment::new([("GL_USER".into(), "".into())]);
        assert_eq!(environment.get("GL_USER"), None);
    }
}
