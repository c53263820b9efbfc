//! The receive-report hook: git runs it once the refs have moved, and before the client is told. It hands the report on
//! to git as it is, and writes the receipt then: a client that goes away now stops post-receive, and not this.
//!
//! A report that does not come back whole, or any exit status but 0, has the pusher read that all was refused. So the copy
//! comes before everything else, and nothing after it can hold up the push or fail it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::panic;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::{LevelFilter, error};

use super::namespace;
use crate::log_file;
use crate::process::{self, Environment, Process, Watch};
use crate::ref_update::{Namespace, RefName};
use crate::repository;
use crate::spool::Spool;
use crate::state_dir::StateDir;

/// What is copied at a time, in bytes.
const PIECE: usize = 8 * 1024;

/// The most of a report that is kept, in bytes: a million refs with names of any usual length.
const MOST_KEPT: usize = 64 << 20;

/// How much memory a byte of the report comes to, its intent included.
const MEMORY_A_BYTE: usize = 64;

/// How long the client may be held up once the report is with git. 10 ms more are for the end of the process.
const PATIENCE: Duration = Duration::from_millis(40);

/// Whether the program was called by this hook's name.
pub fn is_called(name: &OsStr) -> bool {
    Path::new(name).file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"receive-report"))
}

/// Runs the hook, from standard input to standard output.
pub fn run() {
    let report = copy();
    if process::leave_input_and_output().is_err() || !Watch::end_after(PATIENCE) {
        return;
    }
    if let Ok(Some(report)) = report {
        // The panic hook has logged whatever there was, and git has its report.
        drop(panic::catch_unwind(|| keep(&report)));
    }
}

/// Copies the report to git, and returns it; `None` where it is too large to be kept.
///
/// # Errors
/// Where it did not come whole, or git does not take it: then nobody knows what it says.
fn copy() -> io::Result<Option<Vec<u8>>> {
    let mut input = File::from(stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(stdout().as_fd().try_clone_to_owned()?);
    let mut piece = [0; PIECE];
    let mut kept = Some(Vec::new());
    loop {
        let count = match input.read(&mut piece) {
            Ok(0) => return Ok(kept),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        output.write_all(&piece[..count])?;
        kept = kept.filter(|kept: &Vec<u8>| kept.len() + count <= MOST_KEPT).and_then(|mut kept| {
            kept.try_reserve(count).ok()?;
            kept.extend_from_slice(&piece[..count]);
            Some(kept)
        });
    }
}

/// Writes the receipt of what the report says.
fn keep(report: &[u8]) {
    process::hold_back_signals();
    let environment = Environment::new(std::env::vars_os());
    let (Some(git_dir), Some(own)) = (environment.get("GIT_DIR").map(PathBuf::from), Process::receive_pack()) else {
        return;
    };
    if process::has_memory(report.len().saturating_mul(MEMORY_A_BYTE)).is_err() {
        return;
    }
    let state = StateDir::found(&repository::common_dir(&git_dir));
    log_file::start(&state, LevelFilter::Warn);
    let Some(accepted) = accepted(report, &namespace(&environment)) else { return };
    if let Err(error) = Spool::new(state).keep_reported(own, &accepted) {
        error!("{error}");
    }
}

/// The refs that a report says were updated; `None` where it is none. It is git's to its clients (gitprotocol-pack(5), "Report
/// Status"): pkt-lines `ok <ref>`, of which options may follow, and `ng <ref> <why>`.
fn accepted(mut report: &[u8], namespace: &Namespace) -> Option<HashSet<RefName>> {
    let mut accepted = HashSet::new();
    let mut last = None;
    while !report.is_empty() {
        let digits = std::str::from_utf8(report.get(..4)?).ok().filter(|digits| !digits.starts_with('+'))?;
        let length = usize::from_str_radix(digits, 16).ok()?;
        // A flush packet, and those of version 2 of the protocol, are of their length alone.
        let line = if length < 4 { &[][..] } else { report.get(4..length)? };
        report = &report[length.max(4)..];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if let Some(name) = line.strip_prefix(b"ok ") {
            let name = RefName::within(namespace, name);
            accepted.insert(name.clone());
            last = Some(name);
        } else if line.starts_with(b"option ") {
            let is_as_pushed = [&b"option fall-through"[..], b"option forced-update"].contains(&line);
            // A proc-receive hook has updated another ref in its place, or to another commit.
            if let Some(name) = last.as_ref().filter(|_| !is_as_pushed) {
                accepted.remove(name);
            }
        } else {
            last = None;
        }
    }
    Some(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pkt(lines: &[&str]) -> Vec<u8> {
        let lines = lines.iter().map(|line| format!("{:04x}{line}", line.len() + 4));
        (lines.collect::<String>() + "0000").into_bytes()
    }

    fn names(lines: &[&str], namespace: &str) -> Option<Vec<String>> {
        let accepted = accepted(&pkt(lines), &Namespace::new(namespace.as_bytes()))?;
        let mut names: Vec<_> = accepted.iter().map(|name| String::from_utf8_lossy(name.whole()).into()).collect();
        names.sort();
        Some(names)
    }

    #[test]
    fn a_report_says_which_refs_were_updated() {
        let lines = ["unpack ok\n", "ok refs/heads/a\n", "ng refs/heads/b non-fast-forward\n", "ok refs/heads/c"];
        assert_eq!(names(&lines, "").unwrap(), ["refs/heads/a", "refs/heads/c"]);
        assert_eq!(names(&lines[1..2], "x").unwrap(), ["refs/namespaces/x/refs/heads/a"]);
    }

    #[test]
    fn what_another_hook_has_updated_in_its_place_is_not_what_was_pushed() {
        let elsewhere = ["ok refs/for/main", "option refname refs/pull/1/head", "option forced-update"];
        assert_eq!(names(&elsewhere, "").unwrap(), [""; 0]);
        assert_eq!(names(&["ok refs/heads/a", "option fall-through"], "").unwrap(), ["refs/heads/a"]);
    }

    #[test]
    fn what_is_no_report_says_nothing() {
        for bytes in
            [&b"ok refs/heads/a\n"[..], b"0020ok refs/heads/a", b"zzzz", b"00", b"+004", "00\u{e9}4".as_bytes()]
        {
            assert_eq!(accepted(bytes, &Namespace::default()), None, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
