//! `git webhook check`: what is wrong with this set-up, and for each the command that mends it.

mod backlog;
mod configuration;
mod hooks;
mod mend;
mod receivers;
mod secrets;
mod shadowed;
mod sshd;
mod state;
mod timer;

use std::env;
use std::fs;
use std::io::{IsTerminal, stdout};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Failure;
use super::owner::{Said, heading, print, print_json, visit_each};
use super::place::{Place, find_any, git_dir, is_repository};
use super::table::{Colour, in_colour};
use crate::config::{self, Configuration, Entry, Unreadable};
use crate::message;
use crate::process::{self, Environment};
use crate::repository;
use crate::text::sanitise;

/// What to look at.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Look up and dial each receiver as well; no request is sent
    #[arg(long)]
    connect: bool,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
    /// Look at every repository below DIR
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Leave out the machine, which whoever starts this looks at himself
    #[arg(long, hide = true)]
    repository_alone: bool,
}

/// Whether a delivery can work in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// It cannot.
    Error,
    /// It can.
    Advice,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum About {
    Hooks,
    Configuration,
    Secrets,
    State,
    Receivers,
    Backlog,
    Timer,
    Sshd,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, Deserialize)]
struct Finding {
    severity: Severity,
    about: About,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    target: Option<String>,
    message: String,
    /// Shell commands, one after the other.
    mend: Vec<String>,
}

impl Finding {
    fn new(severity: Severity, about: About, message: impl Into<String>) -> Self {
        Self { severity, about, target: None, message: message.into(), mend: Vec::new() }
    }

    fn error(about: About, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, about, message)
    }

    fn advice(about: About, message: impl Into<String>) -> Self {
        Self::new(Severity::Advice, about, message)
    }

    fn of(self, target: &str) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend.push(command.into());
        self
    }
}

/// A repository as it is looked at. Its paths are absolute, for they stand in commands.
struct Scene<'a> {
    place: Place,
    entries: Vec<Entry>,
    environment: &'a Environment,
}

impl Scene<'_> {
    /// Where our state lies.
    fn root(&self) -> PathBuf {
        self.place.common_dir.join("webhook")
    }

    fn is_shared(&self) -> bool {
        self.place.configuration.settings.shared
    }

    /// Whether webhooks are meant to be here at all.
    fn has_targets(&self) -> bool {
        let configuration = &self.place.configuration;
        !configuration.targets.is_empty() || !configuration.broken.is_empty()
    }
}

/// Whether deliveries can work.
pub(super) fn run(options: &Options, environment: &Environment) -> Result<bool, Failure> {
    let mut arguments = vec!["check", "--repository-alone"];
    if options.connect {
        arguments.push("--connect");
    }
    let root = options.root.as_deref();
    let mut said = visit_each(root, find_one, &arguments, |path| {
        let findings = look(path, options.connect, environment);
        let is_well = is_well(&findings);
        Ok((findings, is_well))
    })?;
    if process::is_root() {
        said.iter_mut().for_each(as_owner);
    }
    if !options.repository_alone {
        look_at_machine(&mut said, root, environment);
    }
    for one in &mut said {
        one.rows.sort_by_key(|finding| finding.severity);
    }
    if options.json {
        print_json(&said);
    } else {
        tell(&said, options.connect);
    }
    Ok(said.iter().all(|said| said.is_well && is_well(&said.rows)))
}

/// What stands in a command comes from the owner's files: root is not to run it as root.
fn as_owner(said: &mut Said<Finding>) {
    let Ok(metadata) = fs::metadata(&said.path) else { return };
    if metadata.uid() == 0 {
        return;
    }
    let (uid, gid) = (metadata.uid(), process::account(metadata.uid()).map_or(metadata.gid(), |it| it.group));
    // These take our own numbers and the repository's own path, and only root can.
    let is_roots = |command: &String| command.starts_with("chown -hR ") || command.starts_with("chgrp -hR ");
    let mends = said.rows.iter_mut().flat_map(|finding| &mut finding.mend);
    for command in mends.filter(|command| !is_roots(command)) {
        let quoted = mend::quote(command);
        *command = format!("setpriv --reuid={uid} --regid={gid} --clear-groups sh -c {quoted}");
    }
}

fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity == Severity::Advice)
}

/// The repository that git finds; where git dies of its configuration, the one around us, so that this can be told.
fn find_one() -> Result<PathBuf, Failure> {
    let found = if process::is_root() { find_any() } else { git_dir(&[]) };
    found.or_else(|why| unreadable_one().ok_or(why))
}

fn unreadable_one() -> Option<PathBuf> {
    let named = env::var_os("GIT_DIR").map(PathBuf::from);
    let here = fs::canonicalize(named.unwrap_or_else(|| ".".into())).ok()?;
    let around = here.ancestors().flat_map(|path| [path.to_path_buf(), path.join(".git")]);
    let path = around.into_iter().find(|path| is_repository(path))?;
    let owner = fs::metadata(&path).ok()?.uid();
    (process::is_root() || owner == process::user_id()).then_some(path)
}

fn look(path: &Path, connect: bool, environment: &Environment) -> Vec<Finding> {
    let scene = match open(path, environment) {
        Ok(scene) => scene,
        Err(why) => return vec![configuration::unreadable(&why, environment)],
    };
    let mut findings = hooks::look(&scene);
    findings.extend(configuration::look(&scene));
    findings.extend(shadowed::look(&scene));
    findings.extend(secrets::look(&scene));
    findings.extend(state::look(&scene));
    findings.extend(receivers::look(&scene, connect));
    findings.extend(backlog::look(&scene));
    findings
}

fn open<'a>(path: &Path, environment: &'a Environment) -> Result<Scene<'a>, Unreadable> {
    let common_dir = repository::common_dir(path);
    let common_dir = fs::canonicalize(&common_dir).unwrap_or(common_dir);
    let configuration = Configuration::read(path, &common_dir, environment)?;
    let entries = config::entries(path, &common_dir, environment)?;
    Ok(Scene { place: Place { git_dir: path.into(), common_dir, configuration }, entries, environment })
}

/// Adds what no repository's owner can see: other users' timers, sshd.
fn look_at_machine(said: &mut Vec<Said<Finding>>, root: Option<&Path>, environment: &Environment) {
    let mut rows = timer::look(said, root, environment);
    rows.extend(sshd::look());
    match (root, said.first_mut()) {
        (None, Some(only)) => only.rows.extend(rows),
        _ if rows.is_empty() => {}
        (root, _) => {
            let path = root.unwrap_or(Path::new(".")).into();
            said.insert(0, Said { path, repository: None, rows, is_well: true });
        }
    }
}

fn tell(said: &[Said<Finding>], connect: bool) {
    let coloured = in_colour();
    let mut text = String::new();
    for one in said.iter().filter(|one| !one.rows.is_empty()) {
        text += &heading(one);
        one.rows.iter().for_each(|finding| text += &show(finding, coloured));
    }
    if text.is_empty() && said.iter().all(|one| one.is_well) {
        text = "all is well: hooks, configuration, secrets, state, targets, backlog, timer and sshd".into();
        text += if connect { "; every receiver was reached\n" } else { "; no receiver was dialled\n" };
    }
    print(&text);
    if !connect && stdout().is_terminal() {
        eprintln!("{}", message::check_connect_hint());
    }
}

/// The fact in one line, and below it the commands.
fn show(finding: &Finding, coloured: bool) -> String {
    let (word, colour) = match finding.severity {
        Severity::Error => ("error", Colour::Red),
        Severity::Advice => ("advice", Colour::Yellow),
    };
    let (start, end) = if coloured { colour.codes() } else { ("", "") };
    let mut text = format!("{start}{word}{end}: {}\n", sanitise(&finding.message));
    for command in &finding.mend {
        text += &format!("    {}\n", sanitise(command));
    }
    text
}

/// Whether nobody has set up a webhook there: it needs no timer.
fn is_unused(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.message == message::check_no_target())
}
