//! What a process has started: waited for, and ended with all that it has started itself.

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::ancestry::Stat;

/// How often is looked whether there is any left.
const PAUSE: Duration = Duration::from_millis(20);

/// A process may start another while it is being ended; one that starts them faster than this ends them is left.
const MOST_ROUNDS: usize = 100;

/// All that this process has started, by the one that it started itself.
#[derive(Debug)]
pub struct Offspring {
    first: Pid,
    /// With what that one exited.
    status: Option<i32>,
}

/// Has whatever is started from here on stay below this process, though its parent ends.
pub fn keep_offspring() {
    // A kernel that has none is older than any that git runs on.
    let _ = set_child_subreaper(true);
}

impl Offspring {
    /// That of a process which was started, by its number.
    pub fn new(pid: u32) -> Self {
        Self { first: Pid::from_raw(pid as i32), status: None }
    }

    /// Waits until none is left, at most so long; returns whether none is.
    pub fn wait(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) if Instant::now() >= end => return false,
                Ok(WaitStatus::StillAlive) => thread::sleep(PAUSE),
                Ok(WaitStatus::Exited(pid, status)) if pid == self.first => self.status = Some(status),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return true,
            }
        }
    }

    /// Ends all that is left, whatever session or group it has gone to.
    pub fn end(&mut self) {
        for _ in 0..MOST_ROUNDS {
            for pid in below(getpid()) {
                // It may have ended by itself.
                let _ = kill(pid, Signal::SIGKILL);
            }
            if self.wait(PAUSE) {
                return;
            }
        }
    }

    /// With what the first of them exited; `None` where a signal ended it, or nothing has yet.
    pub fn status(&self) -> Option<i32> {
        self.status
    }
}

/// The processes below one, its children's children too.
fn below(ancestor: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw);
    let mut children: HashMap<i32, Vec<Pid>> = HashMap::new();
    for (pid, stat) in pids.filter_map(|pid| Some((pid, Stat::read(pid)?))) {
        children.entry(stat.parent).or_default().push(pid);
    }
    let mut found = children.remove(&ancestor.as_raw()).unwrap_or_default();
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        let further = children.remove(&pid.as_raw()).unwrap_or_default();
        found.extend(further);
        at += 1;
    }
    found
}
