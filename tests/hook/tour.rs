//! The documentation's tour is walked: every command of it is run, in order, and must print what the page shows.
//!
//! A block ```` ```console ```` is one terminal; ```` ```console second ```` is the other, whose program goes on while the
//! first is used. There `^C` ends the program, and a block without a command shows what came in the meantime.
//!
//! What a line shows is what is printed, but that
//! * `…` stands for anything within a line, and alone in one for any number of lines;
//! * a time of day, a length of time and milliseconds stand for any other, and one space for any number of them;
//! * an id, of a delivery or a commit, stands for the one it is this time: the same wherever the page shows it, and the
//!   one that a command means which names it or how it begins.
//!
//! A command must exit 0, or `echo $?` come next.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::support::{Ends, PATIENCE, World};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What separates a command's output from where it ended up, and how.
const END: char = '\x01';

#[test]
fn the_tour_prints_what_it_shows() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/tour.md")).unwrap();
    let mut walk = Walk::new();
    let mut count = 0;
    for rest in page.split("\n```console").skip(1) {
        let (head, rest) = rest.split_once('\n').unwrap();
        let block = rest.split("\n```").next().unwrap();
        match head.trim() {
            "" => walk.first(block),
            "second" => walk.second(block),
            other => panic!("a block of kind '{other}'"),
        }
        count += 1;
    }
    assert!(count >= 10, "only {count} blocks");
}

/// Somebody who follows the page.
struct Walk {
    world: World,
    /// Where the first terminal is, and how its last command ended.
    place: PathBuf,
    code: i32,
    program: Option<Program>,
    port: u16,
    ids: Ids,
}

/// What runs in the second terminal.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Walk {
    fn new() -> Self {
        let mut world = World::new();
        let place = world.path("home");
        fs::create_dir_all(world.path("srv/git")).unwrap();
        let path = std::env::var("PATH").unwrap();
        world.set("PATH", &format!("{}:{path}", world.path("usr/local/bin").display()));
        // Where nothing is built, and what is installed is thrown away.
        let script = format!(
            "#!/bin/sh\ncase $1 in --uninstall) ;; *) set -- --from '{}' \"$@\" ;; esac\n\
             exec '{ROOT}/install.sh' --prefix '{}' \"$@\"\n",
            Path::new(env!("CARGO_BIN_EXE_git-webhook")).parent().unwrap().display(),
            world.path("usr/local").display(),
        );
        let source = place.join("git-webhook");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("install.sh"), script).unwrap();
        fs::set_permissions(source.join("install.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { world, place, code: 0, program: None, port: free_port(), ids: Ids::default() }
    }

    /// The page's text as it must be here.
    fn here(&self, text: &str) -> String {
        let scratch = |path: &str| self.world.path(path).display().to_string();
        let text = text.replace("/srv/git", &scratch("srv/git")).replace("/usr/local", &scratch("usr/local"));
        text.replace("8000", &self.port.to_string())
    }

    fn first(&mut self, block: &str) {
        let mut commands = commands(block).into_iter().peekable();
        while let Some((command, shown)) = commands.next() {
            let printed = self.run(&command);
            println!("$ {command}\n{}", printed.join("\n"));
            let shown: Vec<_> = shown.iter().map(|line| self.here(line)).collect();
            if let Err(line) = self.ids.compare(&shown, &printed) {
                panic!("'{command}' is to print: {line}");
            }
            let is_told = commands.peek().is_some_and(|(next, _)| next == "echo $?");
            assert!(is_told || self.code == 0, "'{command}' exits {}", self.code);
        }
    }

    /// Runs a command where the last one ended up.
    fn run(&mut self, command: &str) -> Vec<String> {
        let command = self.here(&self.ids.in_command(command));
        let script = format!("exec 2>&1\n(exit {})\n{command}\nprintf '\\001%s\\001%s' $? \"$PWD\"", self.code);
        let mut bash = self.world.command("bash", &self.place);
        let output = bash.args(["-c", &script]).ends();
        let output = String::from_utf8(output.stdout).unwrap();
        let mut parts = output.split(END);
        let printed = parts.next().unwrap().lines().map(String::from).collect();
        let told: Option<(i32, PathBuf)> = parts.next().zip(parts.next()).map(|(c, p)| (c.parse().unwrap(), p.into()));
        (self.code, self.place) = told.unwrap_or_else(|| panic!("$ {command}: does not end well: {output}"));
        printed
    }

    fn second(&mut self, block: &str) {
        let rest = block.strip_prefix("^C\n").or_else(|| block.strip_prefix("^C"));
        if rest.is_some() {
            self.program = None;
        }
        let block = rest.unwrap_or(block);
        let (command, shown) = match block.strip_prefix("$ ") {
            Some(rest) => {
                let (command, shown) = rest.split_once('\n').unwrap_or((rest, ""));
                (Some(command), shown)
            }
            None => (None, block),
        };
        if let Some(command) = command {
            assert!(self.program.is_none(), "$ {command}: something runs in the second terminal");
            self.program = Some(self.start(command));
        }
        let mut passes_over = command.is_none();
        for line in shown.lines() {
            match line {
                "…" => passes_over = true,
                line => self.expect(line, std::mem::take(&mut passes_over)),
            }
        }
    }

    fn start(&self, command: &str) -> Program {
        let mut bash = self.world.command("bash", &self.world.path("home"));
        let bash = bash.args(["-c", &format!("exec 2>&1\n{}", self.here(command))]);
        let mut child = bash.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Program { child, lines }
    }

    /// Waits for a line of the second terminal: the next one, or one further down.
    fn expect(&mut self, line: &str, passes_over: bool) {
        let shown = self.here(line);
        let program = self.program.as_ref().expect("something runs in the second terminal");
        loop {
            let printed = program.lines.recv_timeout(PATIENCE);
            let printed = printed.unwrap_or_else(|_| panic!("the second terminal does not print: {line}"));
            println!("(second) {printed}");
            if self.ids.is_alike(&shown, &printed) {
                return;
            }
            assert!(passes_over, "the second terminal prints '{printed}', and is to print '{line}'");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // As a terminal does: git and what it runs.
        let _ = Command::new("kill").args(["-INT", "--", &format!("-{}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}

/// The commands of a block, each with the lines below it.
fn commands(block: &str) -> Vec<(String, Vec<&str>)> {
    let mut commands: Vec<(String, Vec<&str>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.into(), Vec::new())),
            (None, Some((_, shown))) => shown.push(line),
            (None, None) => panic!("a block begins with a command, not with '{line}'"),
        }
    }
    commands
}

/// A port where nobody listens. Connections and listeners that take any get higher ones.
fn free_port() -> u16 {
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    (first..first + 1000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port is free")
}

/// Which id each one on the page is this time.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Compares all that a command printed; which line was not, or that one was too much.
    fn compare(&mut self, shown: &[String], printed: &[String]) -> Result<(), String> {
        let mut printed = printed.iter();
        let mut passes_over = false;
        for line in shown {
            if line == "…" {
                passes_over = true;
                continue;
            }
            let found = match std::mem::take(&mut passes_over) {
                true => printed.any(|printed| self.is_alike(line, printed)),
                false => printed.next().is_some_and(|printed| self.is_alike(line, printed)),
            };
            if !found {
                return Err(line.clone());
            }
        }
        match printed.next() {
            Some(line) if !passes_over => Err(format!("nothing but that, and not '{line}'")),
            _ => Ok(()),
        }
    }

    /// Whether a line is the one that is shown; remembers its ids.
    fn is_alike(&mut self, shown: &str, printed: &str) -> bool {
        let ((shown, ids), (printed, ids_here)) = (plain(shown), plain(printed));
        if !matches(&shown, &printed) {
            return false;
        }
        // Beside `…` nobody can tell which is which.
        if shown.contains('…') {
            return true;
        }
        ids.into_iter().zip(ids_here).all(|(shown, here)| match self.meant(&shown) {
            Some(known) => known == here,
            None => {
                self.0.insert(shown, here);
                true
            }
        })
    }

    /// The id that one on the page stands for, or the beginning of one.
    fn meant(&self, shown: &str) -> Option<&str> {
        let (_, here) = self.0.iter().find(|(known, _)| known.starts_with(shown))?;
        Some(here.get(..shown.len()).unwrap_or(here))
    }

    fn in_command(&self, command: &str) -> String {
        let words = command.split(' ').map(|word| match is_id(word) {
            true => self.meant(word).unwrap_or_else(|| panic!("$ {command}: '{word}' was never shown")),
            false => word,
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Whether something is an id or the beginning of one.
fn is_id(word: &str) -> bool {
    let is_of_id = |c: char| matches!(c, '0'..='9' | 'a'..='f' | '-');
    word.len() >= 7 && word.chars().all(is_of_id) && word.contains(|c| matches!(c, '1'..='9'))
}

/// A line without what is different each time, and its ids.
fn plain(line: &str) -> (String, Vec<String>) {
    let mut ids = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let all: Vec<_> = line.split_whitespace().collect();
    for (at, word) in all.iter().enumerate() {
        let bare = word.trim_end_matches([',', ';', ':', ')']);
        let digits = bare.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_number = digits.len() < bare.len();
        let is_time = word.starts_with("20") && word.len() == 10 && word.matches('-').count() == 2
            || is_number && digits.ends_with('Z') && digits.starts_with(':')
            || is_number && matches!(digits, "s" | "m" | "h" | "d")
            || is_number && digits.is_empty() && all.get(at + 1).is_some_and(|next| next.starts_with("ms"));
        words.push(match is_time {
            true => "(time)".into(),
            false => without_ids(word, &mut ids),
        });
    }
    (words.join(" "), ids)
}

fn without_ids(word: &str, ids: &mut Vec<String>) -> String {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let parts = word.split_inclusive(|c| !is_of_word(c)).map(|part| {
        let id = part.trim_end_matches(|c| !is_of_word(c));
        if !is_id(id) {
            return part.to_owned();
        }
        ids.push(id.to_owned());
        part.replace(id, "(id)")
    });
    parts.collect()
}

/// Whether a text is the pattern's, in which `…` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('…') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    while let Some((part, more)) = rest.split_once('…') {
        let Some(at) = text.find(part) else { return false };
        (text, rest) = (&text[at + part.len()..], more);
    }
    text.ends_with(rest)
}
