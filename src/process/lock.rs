//! Advisory locks (flock(2)): they close with the file and die with the process.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::message;

/// How often a lock that is waited for is tried.
const PAUSE: Duration = Duration::from_millis(2);

/// A file that this process alone has locked, until it is dropped.
#[derive(Debug)]
pub struct Locked {
    /// `None` where the file system has no locks (some network ones): going on without one risks a duplicate, waiting
    /// would lose.
    _lock: Option<Flock<File>>,
}

/// Locks `file`, unless somebody else has.
///
/// Where the file system knows no locks, that is logged and taken for success.
pub fn try_lock(file: File) -> Option<Locked> {
    lock_now(file).unwrap_or_else(|error| {
        log::warn!("{}", message::no_locks(error));
        Some(Locked { _lock: None })
    })
}

fn lock_now(file: File) -> Result<Option<Locked>, Errno> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(Locked { _lock: Some(lock) })),
        // EWOULDBLOCK and EAGAIN are one number on Linux.
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error),
    }
}

/// The same without a word to the log: for the log's own file.
pub fn try_lock_silently(file: &File) -> Option<Locked> {
    lock_now(file.try_clone().ok()?).unwrap_or(Some(Locked { _lock: None }))
}

/// Whether a lock on `first` keeps the same file, opened once more as `second`, from being locked.
///
/// # Errors
/// Where the file system knows no locks.
pub fn keeps_out(first: File, second: File) -> std::io::Result<bool> {
    let locked = Flock::lock(first, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)?;
    let again = Flock::lock(second, FlockArg::LockExclusiveNonblock);
    drop(locked);
    match again {
        Ok(_) => Ok(false),
        Err((_, Errno::EWOULDBLOCK)) => Ok(true),
        Err((_, error)) => Err(error.into()),
    }
}

/// Locks `file`, waiting at most `patience`: whoever holds it may have been stopped.
pub fn lock_within(file: &File, patience: Duration) -> Option<Locked> {
    let end = Instant::now() + patience;
    loop {
        if let Some(lock) = try_lock(file.try_clone().ok()?) {
            return Some(lock);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(PAUSE);
    }
}
