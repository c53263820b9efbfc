//! The receive-pack a hook runs for: which process it is, and whether it still lives.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, SysconfVar, getppid, sysconf};
use serde::{Deserialize, Serialize};

use super::clock::{Moment, boot_id};
use super::made;

/// A driver (`post-receive.d`), gitolite and a shell may stand between receive-pack and a hook, hardly more.
const MOST_ANCESTORS: usize = 16;

/// A process, told from any other by when it started: numbers are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub start: u64,
}

impl Process {
    /// The git-receive-pack above this process when this was first asked; `None` where there is none, or `/proc` does not
    /// tell.
    pub fn receive_pack() -> Option<Self> {
        static FOUND: OnceLock<Option<Process>> = OnceLock::new();
        *FOUND.get_or_init(Self::find_receive_pack)
    }

    fn find_receive_pack() -> Option<Self> {
        let mut pid = getppid();
        for _ in 0..MOST_ANCESTORS {
            if pid.as_raw() <= 1 {
                return None;
            }
            let stat = Stat::read(pid)?;
            if is_receive_pack(pid) {
                return Some(Self { pid: pid.as_raw(), start: stat.start });
            }
            pid = Pid::from_raw(stat.parent);
        }
        None
    }

    /// When it started by the clock that people set, to a tick; `None` where that cannot be said.
    pub fn began(self) -> Option<SystemTime> {
        let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1) as u64;
        let start = Duration::from_secs(self.start / a_second)
            + Duration::from_nanos(self.start % a_second * (1_000_000_000 / a_second));
        let now = Moment::now();
        let since_boot = Duration::new(u64::try_from(now.seconds).ok()?, u32::try_from(now.nanoseconds).ok()?);
        SystemTime::now().checked_sub(since_boot.checked_sub(start)?)
    }

    /// Whether it ran already at a moment of this run of the machine.
    pub fn ran_at(self, moment: &Moment) -> bool {
        // Linux has had no other (proc(5), USER_HZ).
        let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
        let ticks = moment.seconds * a_second + moment.nanoseconds * a_second / 1_000_000_000;
        moment.boot == boot_id() && (self.start as i64) < ticks
    }

    /// Whether it still runs. A zombie does not: it writes to nobody any more.
    pub fn life(self) -> Life {
        let pid = Pid::from_raw(self.pid);
        match Stat::read(pid) {
            Some(stat) if stat.start == self.start && !stat.is_zombie => Life::Running,
            Some(_) => Life::Gone,
            // `/proc` may hide what is another user's (`hidepid`, proc(5)), or not be there.
            None if kill(pid, None) == Err(Errno::ESRCH) => Life::Gone,
            None => Life::Unknown,
        }
    }
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Running,
    /// It does no more.
    Gone,
    /// Nobody can tell here.
    Unknown,
}

/// The number of the PID namespace that this process lives in, be it that of a container; `None` where `/proc` does not
/// tell.
pub fn pid_namespace() -> Option<u64> {
    // It reads `pid:[4026531836]` (namespaces(7)).
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// `git receive-pack …`, `git-receive-pack …`, either with a path before it.
fn is_receive_pack(pid: Pid) -> bool {
    let arguments = read(pid, "cmdline").unwrap_or_default();
    arguments.split(|byte| *byte == 0).take(8).any(|word| word.ends_with(b"receive-pack"))
}

/// The beginning of a file of a process.
fn read(pid: Pid, name: &str) -> io::Result<Vec<u8>> {
    made::read(&format!("/proc/{pid}/{name}"))
}

/// What `/proc/<pid>/stat` says (proc_pid_stat(5)).
pub(super) struct Stat {
    pub(super) parent: i32,
    start: u64,
    is_zombie: bool,
}

impl Stat {
    /// Accepts `1234 (git-receive-pac) S 1230 … 889432 …`: the name may hold spaces and parentheses, so fields are
    /// counted behind the last one.
    pub(super) fn read(pid: Pid) -> Option<Self> {
        let text = read(pid, "stat").ok()?;
        let text = String::from_utf8_lossy(&text);
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        // Field 22 of the line; the third and fourth were just taken.
        let start = fields.nth(17)?.parse().ok()?;
        Some(Self { parent, start, is_zombie: matches!(state, "Z" | "X") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::getpid;

    #[test]
    fn a_process_is_told_by_its_start() {
        let own = Process { pid: getpid().as_raw(), start: Stat::read(getpid()).unwrap().start };
        assert_eq!(own.life(), Life::Running);
        assert_eq!(Process { start: own.start + 1, ..own }.life(), Life::Gone);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        child.wait().unwrap();
        assert_eq!(Process { pid, ..own }.life(), Life::Gone);
    }

    #[test]
    fn there_is_no_receive_pack_above_a_test() {
        assert_eq!(Process::receive_pack(), None);
    }
}
