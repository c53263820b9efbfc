//! Runs the command of `webhook.onFailure`: as whom, with what, and for how long.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::log_file;
use crate::process::{self, Environment, Offspring};
use crate::spool::Spool;

/// How long the command may take, with all that it starts.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// Runs the command of one repository.
pub(super) struct Runner<'a> {
    pub(super) text: &'a str,
    pub(super) git_dir: &'a Path,
    pub(super) common_dir: &'a Path,
    pub(super) spool: &'a Spool,
    pub(super) environment: &'a Environment,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// With an exit status that is not 0.
    Badly(i32),
    BySignal,
    /// It was killed after [`LONGEST`].
    TooLate,
}

impl Runner<'_> {
    /// The repository's directory, as it is told.
    pub(super) fn repository(&self) -> String {
        let path = fs::canonicalize(self.common_dir).unwrap_or_else(|_| self.common_dir.into());
        path.to_string_lossy().into_owned()
    }

    /// Runs it with this as its standard input.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(super) fn run(&self, input: &[u8]) -> io::Result<Ended> {
        let log = log_file::open(self.spool.state()).map_err(io::Error::other)?;
        let mut command = Command::new("sh");
        command.args(["-c", self.text]).current_dir(self.git_dir).env_clear();
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let kept = ["PATH", "HOME", "LANG"].into_iter();
        command.envs(kept.filter_map(|name| Some((name, self.environment.raw(name)?))));
        self.never_as_root(&mut command)?;
        let mut child = command.spawn()?;
        let mut offspring = Offspring::new(child.id());
        if let Some(mut pipe) = child.stdin.take() {
            // A command need not read it; it is far smaller than what a pipe holds.
            let _ = pipe.write_all(input);
        }
        if !offspring.wait(LONGEST) {
            offspring.end();
            return Ok(Ended::TooLate);
        }
        Ok(match offspring.status() {
            Some(0) => Ended::Well,
            Some(status) => Ended::Badly(status),
            None => Ended::BySignal,
        })
    }

    /// In a repository of somebody else's root runs it as that user, without any further group.
    fn never_as_root(&self, command: &mut Command) -> io::Result<()> {
        let metadata = fs::metadata(self.common_dir)?;
        if process::is_root() && metadata.uid() != process::user_id() {
            let account = process::account(metadata.uid());
            let group = account.as_ref().map_or(metadata.gid(), |account| account.group);
            let home = account.map_or_else(|| PathBuf::from("/"), |account| account.home);
            command.uid(metadata.uid()).gid(group).env("HOME", home);
        }
        Ok(())
    }
}
