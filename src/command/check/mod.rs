//! `git webhook check`: what is wrong with this set-up, and for each the command that mends it.

mod shell;

mod mend;

mod render;

mod finding;
mod compose;

mod git;

mod ways;
mod addresses;
mod backlog;
mod broker;
mod members;
mod names;
mod program;
mod configured_hooks;
mod hooks;
mod receivers;
mod templates;
mod refs;
mod secrets;
mod configuration;
mod shadowed;
mod sshd;
mod state;
mod timer;

use std::env;
use std::fs;
use std::io::{IsTerminal, stdout};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use finding::{CheckRow, Finding, Severity};
use render::Runner;

use super::as_owner::{Call, Found, Said, visit_each};
use super::failure::Failure;
use super::output::{self, Reach, Row, heading};
use super::place::{Place, find_any, git_dir, is_repository};
use super::screen::Screen;
use super::terminal::{self, Colour, page, print};
use crate::config::{self, Configuration, Entry, Unreadable};
use crate::message;
use crate::process::{self, Environment};
use crate::repository;
use crate::text::sanitise;

impl Row for Finding {
    const ROWS: &str = "findings";
}

impl Row for CheckRow {
    const ROWS: &str = "findings";
}

/// What to look at.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Look up and dial each receiver as well; no request is sent
    #[arg(long)]
    connect: bool,
    #[command(flatten)]
    reach: Reach,
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
        !configuration.targets.is_empty()
    }
}

/// Whether deliveries can work.
pub(super) fn run(options: &Options, call: &Call<'_>) -> Result<bool, Failure> {
    let root = options.reach.root.as_deref();
    let find = || match call.is_owners {
        // What is said of it names it in full.
        true => env::current_dir().map_err(|error| Failure::new(message::cannot_read(".", error))),
        false => find_one(),
    };
    let mut found = visit_each(call, root, find, |path| {
        let findings = look(path, options.connect, call.environment);
        let is_well = findings.iter().all(|finding| finding.severity != Severity::Error);
        Ok(Found::new(findings, is_well))
    })?;
    if call.is_owners {
        return Ok(output::tell(call, options.reach.json, found, |_| String::new()));
    }
    names::compare(&mut found, root);
    let mut said: Vec<_> = found.into_iter().map(rows).collect();
    look_at_machine(&mut said, root, call.environment);
    for one in &mut said {
        one.rows.sort_by_key(|row| (row.is_last, row.severity));
        one.is_well &= one.rows.iter().all(|row| row.severity != Severity::Error);
    }
    if options.reach.json {
        return Ok(output::tell(call, true, said, |_| String::new()));
    }
    tell(&said, options.connect);
    Ok(said.iter().all(|said| said.is_well))
}

/// The findings in one repository as whoever started this reads them.
fn rows(said: Said<Finding>) -> Said<CheckRow> {
    let Said { path, repository, owner, rows, is_well, is_seen } = said;
    let runner = owner.map_or(Runner::Finder, |owner| Runner::Root { owner, repository: &path });
    let rows = rows.into_iter().map(|finding| CheckRow::new(finding, &runner)).collect();
    Said { path, repository, owner, rows, is_well, is_seen }
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
    findings.extend(ways::look(&scene));
    findings.extend(receivers::look(&scene, connect));
    findings.extend(templates::look(&scene));
    findings.extend(refs::look(&scene));
    findings.extend(backlog::look(&scene));
    findings.extend(sshd::variables(&scene.place.configuration.settings.user_variables));
    findings.extend(names::look(&scene));
    // After all have looked.
    scene.place.look_over();
    findings.extend(state::unread(&scene));
    compose::compose(&mut findings);
    findings
}

fn open<'a>(path: &Path, environment: &'a Environment) -> Result<Scene<'a>, Unreadable> {
    let common_dir = repository::common_dir(path);
    let common_dir = fs::canonicalize(&common_dir).unwrap_or(common_dir);
    let configuration = Configuration::read(path, &common_dir, environment)?;
    let entries = config::entries(path, &common_dir, environment)?;
    Ok(Scene { place: Place::new(path.into(), common_dir, configuration), entries, environment })
}

/// Adds what no repository's owner can see: other users' timers, sshd.
fn look_at_machine(said: &mut Vec<Said<CheckRow>>, root: Option<&Path>, environment: &Environment) {
    let mut rows = timer::look(said, root, environment);
    let variables = sshd::take_variables(said);
    let of_machine = sshd::look(&variables).into_iter().chain(broker::look(environment));
    rows.extend(of_machine.map(|finding| CheckRow::new(finding, &Runner::Finder)));
    match (root, said.first_mut()) {
        (None, Some(only)) => only.rows.extend(rows),
        _ if rows.is_empty() => {}
        (root, _) => {
            let path = root.unwrap_or(Path::new(".")).into();
            said.insert(0, Said { path, repository: None, owner: None, rows, is_well: true, is_seen: true });
        }
    }
}

fn tell(said: &[Said<CheckRow>], connect: bool) {
    let coloured = Screen::of_this().in_colour;
    page();
    let mut text = String::new();
    for one in said.iter().filter(|one| !one.rows.is_empty()) {
        text += &heading(one);
        one.rows.iter().for_each(|row| text += &show(row, coloured));
    }
    let is_odd = |row: &CheckRow| row.severity != Severity::Fact;
    if !said.iter().flat_map(|one| &one.rows).any(is_odd) && said.iter().all(|one| one.is_well) {
        text += "all is well: hooks, configuration, secrets, state, targets, backlog, timer and sshd";
        text += if connect { "; every receiver was reached\n" } else { "; no receiver was dialled\n" };
    }
    print(&text);
    if !connect && stdout().is_terminal() {
        terminal::note(message::check_connect_hint());
    }
}

/// The fact in one line, and below it the commands.
fn show(row: &CheckRow, coloured: bool) -> String {
    let (word, colour) = match row.severity {
        Severity::Error => ("error", Colour::Red),
        Severity::Advice => ("advice", Colour::Yellow),
        Severity::Fact => ("reached", Colour::Green),
    };
    let (start, end) = if coloured { colour.codes() } else { ("", "") };
    let mut text = format!("{start}{word}{end}: {}\n", sanitise(&row.message));
    for command in &row.mend {
        text += &format!("    {}\n", sanitise(command));
    }
    text
}
