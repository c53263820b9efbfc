//! Where our own log lines go: the hook's to `webhook/hook.log` in the repository, for the administrator, since the
//! pusher must not read them; the command's to standard error.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use env_logger::{Builder, Target};
use log::{Level, LevelFilter};

use crate::event;
use crate::files::{FileError, Folder};
use crate::message;
use crate::process::try_lock_silently;
use crate::state_dir::StateDir;
use crate::text::sanitise;

/// At this size the file becomes `hook.log.1`, and the one before it is gone.
const LARGEST: u64 = 1 << 20;

const NAME: &str = "hook.log";
const OLD: &str = "hook.log.1";

/// Logs to `webhook/hook.log` in the repository from now on, lines of `level` and above and of this program alone: what
/// libraries log may hold headers. Nothing is created before the first line. `RUST_LOG` is not read.
pub fn start(state: &StateDir, level: LevelFilter) {
    let writer = LogFile { directory: state.root().clone(), file: None };
    let outcome = Builder::new()
        .filter_module("git_webhook", level)
        .target(Target::Pipe(Box::new(writer)))
        .format(|buffer, record| buffer.write_all(line(record.level(), record.args()).as_bytes()))
        .try_init();
    // Only a second start could fail, and the first goes on then.
    drop(outcome);
}

/// The file, to be written to by a program that is started.
///
/// # Errors
/// Where it cannot be opened.
pub fn open(state: &StateDir) -> Result<File, FileError> {
    LogFile { directory: state.root().clone(), file: None }.open()
}

fn line(level: Level, what: impl Display) -> String {
    let time = event::present().strftime("%Y-%m-%dT%H:%M:%SZ");
    let level = level.as_str().to_ascii_lowercase();
    format!("{time} [{}] {level}: {}\n", std::process::id(), sanitise(&what.to_string()))
}

/// Logs what whoever asks later why an event is as it is must find in the repository's own log, whichever program built it.
pub fn warn(state: &StateDir, what: impl Display) {
    log::warn!("{what}");
    if ON_STDERR.load(Ordering::Relaxed) {
        let mut file = LogFile { directory: state.root().clone(), file: None };
        if let Err(error) = file.write_all(line(Level::Warn, what).as_bytes()) {
            log::warn!("{error}");
        }
    }
}

/// Whether the process logs for its user instead of the repository.
static ON_STDERR: AtomicBool = AtomicBool::new(false);

/// Logs warnings and errors to standard error: for the command, whose user is the administrator.
pub fn start_on_stderr() {
    ON_STDERR.store(true, Ordering::Relaxed);
    let outcome = Builder::new()
        .filter_module("git_webhook", LevelFilter::Warn)
        .format(|buffer, record| {
            let level = match record.level() {
                log::Level::Error => "error",
                _ => "warning",
            };
            writeln!(buffer, "{level}: {}", sanitise(&record.args().to_string()))
        })
        .try_init();
    // Only a second start could fail, and the first goes on then.
    drop(outcome);
}

struct LogFile {
    directory: Folder,
    file: Option<File>,
}

impl LogFile {
    /// Opens the file, and moves it aside first where it is full. Whoever does holds its lock, and then looks whether it is
    /// still the one of the name: of two processes the second would move the first one's new file over all the old lines.
    fn open(&self) -> Result<File, FileError> {
        let directory = self.directory.make()?;
        let file = directory.open_to_append(NAME)?;
        let Ok(metadata) = file.metadata() else { return Ok(file) };
        if metadata.len() <= LARGEST {
            return Ok(file);
        }
        // Where another process is at it, the lines go into the old file, which is kept.
        let Some(_lock) = try_lock_silently(&file) else { return Ok(file) };
        if directory.look(NAME).is_some_and(|stat| stat.is_of(&metadata)) {
            directory.rename(NAME, &directory, OLD).map_err(directory.error(message::cannot_rename, NAME))?;
        }
        directory.open_to_append(NAME)
    }
}

/// env_logger writes each record whole, and an append is not torn by another process's.
impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = Some(self.open().map_err(io::Error::other)?);
        }
        match &mut self.file {
            Some(file) => file.write(line),
            None => Ok(line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::Barrier;
    use std::thread;

    #[test]
    fn a_full_log_is_moved_aside_once_however_many_come() {
        const WRITERS: usize = 8;
        for _ in 0..50 {
            let directory = tempfile::tempdir().unwrap();
            let state = StateDir::new(directory.path(), false);
            let place = state.root().make().unwrap().path_of(NAME);
            fs::write(&place, vec![b'x'; LARGEST as usize + 1]).unwrap();
            let barrier = Barrier::new(WRITERS);
            thread::scope(|scope| {
                for _ in 0..WRITERS {
                    scope.spawn(|| {
                        barrier.wait();
                        LogFile { directory: state.root().clone(), file: None }.write_all(b"a line\n").unwrap();
                    });
                }
            });
            let [new, old] = [NAME, OLD].map(|name| fs::read(place.with_file_name(name)).unwrap());
            assert!(old.len() as u64 > LARGEST, "{}", old.len());
            let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(lines(&new) + lines(&old), WRITERS);
        }
    }
}
