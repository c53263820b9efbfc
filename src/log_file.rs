//! Where our own log lines go: the hook's to `webhook/hook.log` in the repository, for the administrator, since the
//! pusher must not read them; the command's to standard error.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::process;
use crate::report::sanitise;

/// At this size the file becomes `hook.log.1`, and the one before it is gone.
const LARGEST: u64 = 1 << 20;

/// Logs to `webhook/hook.log` below `git_dir` from now on, lines of `level` and above and of this program alone: what
/// libraries log may hold headers. Nothing is created before the first line. `RUST_LOG` is not read.
///
/// With `shared`, the file is made for the group too, whatever the umask, as git makes its own.
pub fn start(git_dir: &Path, level: LevelFilter, shared: bool) {
    let writer = LogFile { directory: git_dir.join("webhook"), shared, file: None };
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
    directory: PathBuf,
    shared: bool,
    file: Option<File>,
}

impl LogFile {
    fn open(&self) -> io::Result<File> {
        // The group's bit makes what is made below the group's, as in the spool.
        let (directory_mode, file_mode) = if self.shared { (0o2770, 0o660) } else { (0o700, 0o600) };
        if DirBuilder::new().mode(directory_mode).create(&self.directory).is_ok() {
            // The umask took bits from the mode given.
            fs::set_permissions(&self.directory, Permissions::from_mode(directory_mode))?;
        }
        // A link would lead what we write to wherever somebody wanted it.
        if !fs::symlink_metadata(&self.directory)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let path = self.directory.join("hook.log");
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.len() > LARGEST) {
            fs::rename(&path, self.directory.join("hook.log.1"))?;
        }
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(file_mode)
            .custom_flags(process::OPEN_CAREFULLY)
            .open(path)?;
        if is_new {
            file.set_permissions(Permissions::from_mode(file_mode))?;
        }
        Ok(file)
    }
}

/// env_logger writes each record whole, and an append is not torn by another process's.
impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = Some(self.open()?);
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
