//! Whether anything runs `git webhook flush` from time to time: a systemd timer or a cron line. Pushes do much of what
//! it does, but a repository that nobody pushes to has nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::finding::{CheckRow, Finding, Kind};
use super::mend::{Mend, shown};
use super::render::{MARK, Runner};
use super::shell;
use crate::command::as_owner::Said;
use crate::message;
use crate::process::{self, Environment};

/// Where systemd.unit(5) has it look for the system's units.
const SYSTEM_UNITS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Something that runs `flush`.
struct Job {
    /// All that is said of what it runs and where.
    text: String,
    /// The timer's unit; `None` for cron.
    unit: Option<(String, Whose)>,
}

/// Whose systemd runs a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    System,
    User,
}

/// Adds a finding to each repository that no timer looks after; returns one for the machine where that is true of all
/// of them.
pub(super) fn look(said: &mut [Said<CheckRow>], root: Option<&Path>, environment: &Environment) -> Vec<CheckRow> {
    let jobs = jobs(said, environment);
    let used: Vec<_> = said.iter_mut().filter(|one| !is_unused(&one.rows)).collect();
    let is_seen_to = |path: &Path| jobs.iter().any(|job| job.covers(path) && job.is_active());
    let count = used.len();
    let needy: Vec<_> = used.into_iter().filter(|one| !is_seen_to(&one.path)).collect();
    let cover = |path: &Path| jobs.iter().find(|job| job.covers(path)).and_then(|job| job.unit.as_ref());
    if let Some(root) = root
        && count > 0
        && needy.len() == count
        && needy.iter().all(|one| cover(&one.path).is_none())
    {
        return vec![CheckRow::new(missing(root, &absolute(root)), &Runner::Finder)];
    }
    for one in needy {
        let finding = match cover(&one.path) {
            Some((unit, whose)) => {
                let finding = Finding::advice(Kind::TimerInactive, message::check_timer_inactive(unit));
                finding.mend(Mend::StartTimer { unit: unit.clone(), is_users: *whose == Whose::User })
            }
            None => missing(&one.path, one.path.parent().unwrap_or(&one.path)),
        };
        one.rows.push(CheckRow::new(finding, &Runner::Finder));
    }
    Vec::new()
}

/// Whether nobody has set up a webhook there: it needs no timer.
fn is_unused(rows: &[CheckRow]) -> bool {
    rows.iter().any(|row| row.kind == Kind::NoTarget)
}

fn missing(path: &Path, below: &Path) -> Finding {
    let finding = Finding::advice(Kind::NoTimer, message::check_no_timer(path.display()));
    finding.mend(Mend::AddCronLine { below: shown(below) })
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.into())
}

impl Job {
    /// Whether it goes to the repository at `path`: by the directory it is for, or by naming it.
    fn covers(&self, path: &Path) -> bool {
        match self.root() {
            Some(root) => path.starts_with(absolute(&root)),
            None => self.text.contains(&*path.to_string_lossy()),
        }
    }

    fn root(&self) -> Option<PathBuf> {
        if let Some((_, rest)) = self.text.split_once(MARK) {
            return rest.lines().next().map(PathBuf::from);
        }
        let (before, rest) = self.text.split_once("--root")?;
        let word = shell::first_word(rest.trim_start_matches(['=', ' ', '\t']))?;
        let directory = before.lines().chain(rest.lines()).find_map(|line| line.strip_prefix("WorkingDirectory="));
        Some(directory.map_or_else(PathBuf::new, PathBuf::from).join(word))
    }

    fn is_active(&self) -> bool {
        let Some((unit, whose)) = &self.unit else { return true };
        let mut command = Command::new("systemctl");
        command.args((*whose == Whose::User).then_some("--user")).args(["is-active", unit]).stdin(Stdio::null());
        command.output().is_ok_and(|output| output.stdout.starts_with(b"active"))
    }
}

/// Root looks into the owners' timers too.
fn jobs(said: &[Said<CheckRow>], environment: &Environment) -> Vec<Job> {
    let owner = |one: &Said<CheckRow>| fs::metadata(&one.path).ok().map(|metadata| metadata.uid());
    let mut owners: BTreeSet<u32> = said.iter().filter_map(owner).filter(|_| process::is_root()).collect();
    owners.remove(&process::user_id());
    let mut jobs = Vec::new();
    for directory in SYSTEM_UNITS {
        units(Path::new(directory), Whose::System, &mut jobs);
    }
    let home = environment.get("HOME").map(|home| Path::new(home).join(".config"));
    let own = environment.get("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
    for directory in own.into_iter().map(|own| own.join("systemd/user")).chain(["/etc/systemd/user".into()]) {
        units(&directory, Whose::User, &mut jobs);
    }
    cron(&fs::read_to_string("/etc/crontab").unwrap_or_default(), &mut jobs);
    for entry in fs::read_dir("/etc/cron.d").into_iter().flatten().flatten() {
        cron(&fs::read_to_string(entry.path()).unwrap_or_default(), &mut jobs);
    }
    crontab(&[], &mut jobs);
    for process::Account { login, .. } in owners.into_iter().filter_map(process::account) {
        crontab(&["-u", &login], &mut jobs);
    }
    jobs
}

fn is_flush(line: &str) -> bool {
    line.contains("webhook") && line.contains("flush")
}

fn crontab(arguments: &[&str], jobs: &mut Vec<Job>) {
    let output = Command::new("crontab").args(arguments).arg("-l").stdin(Stdio::null()).output();
    if let Ok(output) = output {
        cron(&String::from_utf8_lossy(&output.stdout), jobs);
    }
}

fn cron(text: &str, jobs: &mut Vec<Job>) {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#') && is_flush(line));
    jobs.extend(lines.map(|line| Job { text: line.into(), unit: None }));
}

/// Services that run it, each by the timer of its name; `name@.service` is any instance's.
fn units(directory: &Path, whose: Whose, jobs: &mut Vec<Job>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".service") else { continue };
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let starts = ["ExecStart=", "WorkingDirectory=", MARK];
        let says = |line: &&str| starts.iter().any(|start| line.starts_with(start));
        let text: Vec<_> = text.lines().filter(says).collect();
        if text.iter().any(|line| line.starts_with("ExecStart=") && is_flush(line)) {
            let instances = if stem.ends_with('@') { "*" } else { "" };
            jobs.push(Job { text: text.join("\n"), unit: Some((format!("{stem}{instances}.timer"), whose)) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(text: &str, path: &str) -> bool {
        Job { text: text.into(), unit: None }.covers(Path::new(path))
    }

    #[test]
    fn a_timer_looks_after_what_lies_below_its_root() {
        let nowhere = "/no such/git";
        for word in ["'/no such/git'", "\"/no such/git\"", "/no\\ such/git", "'/no such/git/'"] {
            assert!(
                covers(&format!("* * * * * git webhook flush --root {word} >/dev/null"), &format!("{nowhere}/a.git")),
                "{word}"
            );
        }
        assert!(covers("ExecStart=/usr/bin/git-webhook flush --root=/no/100%%", "/no/100%/a.git"));
        assert!(!covers("git webhook flush --root /no/git", "/no/gits/a.git"));
        let unit = "WorkingDirectory=%f\nExecStart=/bin/git-webhook flush --root .\n# git-webhook-flush: /no/it's git";
        assert!(covers(unit, "/no/it's git/a.git") && !covers(unit, "/no/git/a.git"));
        assert!(covers("WorkingDirectory=/no/git\nExecStart=/bin/git-webhook flush --root .", "/no/git/a.git"));
        assert!(covers("cd /no/a.git && git webhook flush", "/no/a.git"));
        assert!(!covers("cd /no/a.git && git webhook flush", "/no/b.git"));
    }

    #[test]
    fn a_cron_line_that_is_switched_off_is_none() {
        let mut jobs = Vec::new();
        cron("# * * * * * git webhook flush --root /\n* * * * * git gc\n", &mut jobs);
        assert!(jobs.is_empty());
    }
}
