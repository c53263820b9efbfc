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
pub struct Locked(Lock);

#[derive(Debug)]
enum Lock {
    Held(Flock<File>),
    /// The file system has no locks (some network ones): going on without one risks a duplicate, waiting would lose.
    Unknown(File),
}

impl Locked {
    /// Whether the file system has locks.
    pub fn is_held(&self) -> bool {
        matches!(self.0, Lock::Held(_))
    }

    /// The file.
    pub fn file(&self) -> &File {
        match &self.0 {
            Lock::Held(lock) => lock,
            Lock::Unknown(file) => file,
        }
    }
}

/// Locks `file`, unless somebody else has.
///
/// Where the file system knows no locks, that is logged and taken for success.
pub fn try_lock(file: File) -> Option<Locked> {
    lock_now(file).ok()
}

/// The same; gives back the file that somebody else has locked.
fn lock_now(file: File) -> Result<Locked, File> {
    lock_unless(file, |error| log::warn!("{}", message::no_locks(error)))
}

fn lock_unless(file: File, told: impl FnOnce(Errno)) -> Result<Locked, File> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Locked(Lock::Held(lock))),
        // EWOULDBLOCK and EAGAIN are one number on Linux.
        Err((file, Errno::EWOULDBLOCK)) => Err(file),
        Err((file, error)) => {
            told(error);
            Ok(Locked(Lock::Unknown(file)))
        }
    }
}

/// The same without a word to the log: for the log's own file.
pub fn try_lock_silently(file: &File) -> Option<Locked> {
    lock_unless(file.try_clone().ok()?, drop).ok()
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
///
/// # Errors
/// Where somebody else has it still: the file.
pub fn lock_within(mut file: File, patience: Duration) -> Result<Locked, File> {
    let end = Instant::now() + patience;
    loop {
        file = match lock_now(file) {
            Err(file) if Instant::now() < end => file,
            other => return other,
        };
        thread::sleep(PAUSE);
    }
}
