//! Where our own log lines go: the hook's to `webhook/hook.log` in the repository, for the administrator, since the
//! pusher must not read them; the command's to standard error.

use std::fs::File;
use std::io::{self, Write};

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::files::{FileError, Folder};
use crate::message;
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
        .format(|buffer, record| {
            let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
            let level = record.level().as_str().to_ascii_lowercase();
            let line = sanitise(&record.args().to_string());
            writeln!(buffer, "{time} [{}] {level}: {line}", std::process::id())
        })
        .try_init();
    // Only a second start could fail, and the first goes on then.
    drop(outcome);
}

/// Logs warnings and errors to standard error: for the command, whose user is the administrator.
pub fn start_on_stderr() {
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
    fn open(&self) -> Result<File, FileError> {
        let directory = self.directory.make()?;
        if directory.look(NAME).is_some_and(|stat| stat.size() > LARGEST) {
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
