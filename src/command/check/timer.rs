//! Whether anything runs `git webhook flush` from time to time: a systemd timer or a cron line. Pushes do much of what
//! it does, but a repository that nobody pushes to has nobody else.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::mend;
use super::{About, Finding, Said, is_unused};
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
    /// The timer's unit and systemctl's words before it; `None` for cron.
    unit: Option<(String, &'static str)>,
}

/// Adds a finding to each repository that no timer looks after; returns one for the machine where that is true of all
/// of them.
pub(super) fn look(said: &mut [Said<Finding>], root: Option<&Path>, environment: &Environment) -> Vec<Finding> {
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
        return vec![missing(root, &absolute(root))];
    }
    for one in needy {
        let finding = match cover(&one.path) {
            Some((unit, words)) => {
                let finding = Finding::advice(About::Timer, message::check_timer_inactive(unit));
                finding.mend(format!("systemctl {words}enable --now {}", mend::quote(unit)))
            }
            None => missing(&one.path, one.path.parent().unwrap_or(&one.path)),
        };
        one.rows.push(finding);
    }
    Vec::new()
}

fn missing(path: &Path, below: &Path) -> Finding {
    Finding::advice(About::Timer, message::check_no_timer(path.display())).mend(cron_line(below))
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.into())
}

/// As install.sh writes it, so that it finds the line again. In a crontab `%` begins the command's input.
fn cron_line(below: &Path) -> String {
    // cron's PATH has neither /usr/local/bin nor a user's own.
    let program = env::current_exe().unwrap_or_else(|_| "git-webhook".into());
    let flush = format!("{} flush --root {} >/dev/null", mend::path(&program), mend::path(below));
    let line = format!("* * * * * {flush} {MARK}{}", below.display()).replace('%', "\\%");
    format!("(crontab -l; printf '%s\\n' {}) | crontab -", mend::quote(&line))
}

/// Behind it install.sh writes the directory into units and cron lines, as it is.
const MARK: &str = "# git-webhook-flush: ";

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
        let word = first_word(rest.trim_start_matches(['=', ' ', '\t']))?;
        let directory = before.lines().chain(rest.lines()).find_map(|line| line.strip_prefix("WorkingDirectory="));
        Some(directory.map_or_else(PathBuf::new, PathBuf::from).join(word))
    }

    fn is_active(&self) -> bool {
        let Some((unit, words)) = &self.unit else { return true };
        let mut command = Command::new("systemctl");
        command.args(words.split_whitespace()).args(["is-active", unit]).stdin(Stdio::null());
        command.output().is_ok_and(|output| output.stdout.starts_with(b"active"))
    }
}

/// The directory that a command's next word names, as sh, cron and systemd write words alike: quotes, backslashes, `%`
/// doubled or escaped.
fn first_word(text: &str) -> Option<PathBuf> {
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if quote != Some('\'') => word.extend(rest.next()),
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            '%' => {
                rest.next_if_eq(&'%');
                word.push('%');
            }
            _ if quote.is_none() && (c.is_whitespace() || ";&|>".contains(c)) => break,
            _ => word.push(c),
        }
    }
    (!word.is_empty()).then(|| word.into())
}

/// Root looks into the owners' timers too.
fn jobs(said: &[Said<Finding>], environment: &Environment) -> Vec<Job> {
    let owner = |one: &Said<Finding>| fs::metadata(&one.path).ok().map(|metadata| metadata.uid());
    let mut owners: BTreeSet<u32> = said.iter().filter_map(owner).filter(|_| process::is_root()).collect();
    owners.remove(&process::user_id());
    let mut jobs = Vec::new();
    for directory in SYSTEM_UNITS {
        units(Path::new(directory), "", &mut jobs);
    }
    let home = environment.get("HOME").map(|home| Path::new(home).join(".config"));
    let own = environment.get("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
    for directory in own.into_iter().map(|own| own.join("systemd/user")).chain(["/etc/systemd/user".into()]) {
        units(&directory, "--user ", &mut jobs);
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
fn units(directory: &Path, words: &'static str, jobs: &mut Vec<Job>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".service") else { continue };
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let starts = ["ExecStart=", "WorkingDirectory=", MARK];
        let says = |line: &&str| starts.iter().any(|start| line.starts_with(start));
        let text: Vec<_> = text.lines().filter(says).collect();
        if text.iter().any(|line| line.starts_with("ExecStart=") && is_flush(line)) {
            let instances = if stem.ends_with('@') { "*" } else { "" };
            jobs.push(Job { text: text.join("\n"), unit: Some((format!("{stem}{instances}.timer"), words)) });
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

    #[test]
    fn a_percent_sign_is_kept_from_cron() {
        let line = cron_line(Path::new("/srv/100%/it's"));
        assert!(line.contains(r"100\%"), "{line}");
    }
}
