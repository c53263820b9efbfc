//! What stands behind standard output: how wide it is, whether in colour, and the pager that long output goes through, all
//! as git decides it.

use std::env;
use std::io::{self, IsTerminal};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::process;

/// How wide a terminal is taken to be that does not say.
const USUAL_WIDTH: usize = 80;

/// Whether a person looks, and through what.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Screen {
    /// The columns of the terminal; `None` where the output goes to a file or a program.
    pub(super) width: Option<usize>,
    /// Whether to write in colour.
    pub(super) in_colour: bool,
}

impl Screen {
    /// That of this process, looked at once: what is paged goes into a pipe later.
    pub(super) fn of_this() -> Self {
        static THIS: OnceLock<Screen> = OnceLock::new();
        *THIS.get_or_init(|| {
            let is_terminal = io::stdout().is_terminal() || is_paged_by_git();
            Self { width: is_terminal.then(width), in_colour: in_colour(is_terminal) }
        })
    }

    /// Whether a person reads it at a terminal.
    pub(super) fn is_terminal(self) -> bool {
        self.width.is_some()
    }
}

/// `git --paginate` and `pager.webhook` have git page: the terminal is behind a pipe.
fn is_paged_by_git() -> bool {
    env::var_os("GIT_PAGER_IN_USE").is_some_and(|value| ["true", "yes", "on", "1"].iter().any(|yes| value == *yes))
}

/// As git counts: `COLUMNS` before what the terminal says.
fn width() -> usize {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let asked = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
    told.or_else(asked).unwrap_or(USUAL_WIDTH)
}

/// By `color.webhook`, else `color.ui`, unless `NO_COLOR` objects (https://no-color.org).
fn in_colour(is_terminal: bool) -> bool {
    if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return false;
    }
    // A terminal that knows no colour is git's affair as well.
    let mut git = Command::new("git");
    git.args(["config", "--get-colorbool", "color.webhook"]).arg(is_terminal.to_string()).stderr(Stdio::null());
    match git.output() {
        Ok(said) => said.stdout.trim_ascii() == b"true",
        Err(_) => is_terminal,
    }
}

/// Starts the pager that git would (`GIT_PAGER`, `core.pager`, `PAGER`); `None` where nothing is to be paged.
///
/// git decides whose configuration counts: in somebody else's repository, which root may be in, not that one's.
pub(super) fn start_pager() -> Option<Child> {
    if !io::stdout().is_terminal() {
        return None;
    }
    Screen::of_this();
    let asked = Command::new("git").args(["var", "GIT_PAGER"]).stderr(Stdio::null()).output().ok()?;
    let pager = String::from_utf8(asked.stdout).ok()?;
    let pager = pager.trim_end_matches('\n');
    if pager.is_empty() || pager == "cat" {
        return None;
    }
    let mut command = Command::new("sh");
    command.args(["-c", pager]).stdin(Stdio::piped()).env("GIT_PAGER_IN_USE", "true");
    // git's own: leave where all fits the screen, show colours, keep the screen.
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    let pager = command.spawn().ok()?;
    // A key that interrupts is the pager's: without us it would fight the shell for the terminal.
    process::hold_back_interrupts();
    Some(pager)
}
