//! What the configuration files say, compared with what `git config --list` says of the same files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use git_webhook::config::{self, Entry, Scope};
use git_webhook::process::Environment;

use crate::support::World;

/// The values of one key in git's order: value, scope, file.
type Values = Vec<(Option<Vec<u8>>, Scope, PathBuf)>;

/// All values by their full key, in git's spelling.
type Keys = BTreeMap<Vec<u8>, Values>;

/// Configuration files of every kind around one bare repository.
struct Files {
    world: World,
    variables: Vec<(&'static str, OsString)>,
}

impl Files {
    fn new() -> Self {
        let world = World::new();
        world.server_git(&["config", "--unset", "webhook.repository"]);
        let variables = vec![
            ("HOME", world.path("home").into()),
            ("PATH", std::env::var_os("PATH").unwrap()),
            ("GIT_CONFIG_SYSTEM", world.path("system").into()),
            ("GIT_DIR", world.server().into()),
            ("LC_ALL", "C".into()),
        ];
        fs::create_dir_all(world.path("home/.config/git")).unwrap();
        fs::create_dir_all(world.path("inc")).unwrap();
        fs::create_dir_all(world.server().join("inc")).unwrap();
        Self { world, variables }
    }

    /// Writes a file; `local` and `worktree` are the repository's, others lie below the world's directory.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = match name {
            "system" => self.world.path("system"),
            "xdg" => self.world.path("home/.config/git/config"),
            "user" => self.world.path("home/.gitconfig"),
            "local" => {
                let start: &[u8] = b"[core]\nrepositoryformatversion = 0\nbare = true\n";
                return fs::write(self.world.server().join("config"), [start, content.as_ref()].concat()).unwrap();
            }
            "worktree" => self.world.server().join("config.worktree"),
            _ => self.world.path(name),
        };
        fs::write(path, content).unwrap();
    }

    fn git(&self) -> Output {
        let mut command = Command::new("git");
        command.args(["config", "--list", "--show-scope", "--show-origin", "-z"]);
        command.current_dir(self.world.server()).env_clear().envs(self.variables.iter().cloned()).output().unwrap()
    }

    fn ours(&self) -> Result<Vec<Entry>, config::Unreadable> {
        let variables = self.variables.iter().map(|(name, value)| ((*name).into(), value.clone()));
        let directory =
            self.variables.iter().find(|(name, _)| *name == "GIT_DIR").map(|(_, value)| Path::new(value)).unwrap();
        config::entries(directory, directory, &Environment::new(variables))
    }

    /// Compares git with ours; what differs, in words.
    fn compare(&self) -> Result<Agreement, String> {
        let output = self.git();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match (output.status.success(), self.ours()) {
            (true, Ok(entries)) => {
                let (git, ours) = (from_git(&output.stdout, &self.world.server()), from_ours(&entries));
                if git == ours { Ok(Agreement::Read(git)) } else { Err(difference(&git, &ours)) }
            }
            (false, Err(why)) => Ok(Agreement::Refused(format!("{said}{why}"))),
            (true, Err(why)) => Err(format!("git reads the files, we do not: {why}")),
            (false, Ok(_)) => Err(format!("git dies, we do not: {said}")),
        }
    }

    /// What both read.
    #[track_caller]
    fn both_read(&self) -> Keys {
        match self.compare() {
            Ok(Agreement::Read(keys)) => keys,
            Ok(Agreement::Refused(why)) => panic!("both refuse: {why}"),
            Err(difference) => panic!("{difference}"),
        }
    }

    /// The values of `webhook.x.ref` that both read, in their order.
    #[track_caller]
    fn refs(&self) -> Vec<String> {
        let keys = self.both_read();
        let values = keys.get(&b"webhook.x.ref"[..]).into_iter().flatten();
        values.map(|(value, _, _)| String::from_utf8(value.clone().unwrap_or_default()).unwrap()).collect()
    }

    #[track_caller]
    fn both_refuse(&self) {
        match self.compare() {
            Ok(Agreement::Read(keys)) => panic!("both read {keys:?}"),
            Ok(Agreement::Refused(_)) => {}
            Err(difference) => panic!("{difference}"),
        }
    }

    fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.unset(name);
        self.variables.push((name, value.into()));
    }

    fn unset(&mut self, name: &str) {
        self.variables.retain(|(other, _)| *other != name);
    }
}

/// A file that sets `webhook.x.ref`.
fn sets(value: &str) -> String {
    format!("[webhook \"x\"]\nref = {value}\n")
}

enum Agreement {
    Read(Keys),
    /// What both say.
    Refused(String),
}

/// Whether the hook reads keys of this name.
fn is_ours(key: &[u8]) -> bool {
    key.starts_with(b"webhook.")
        || key.starts_with(b"webhookuser.")
        || key.starts_with(b"gitweb.")
        || key == b"core.sharedrepository"
}

/// Reads `scope NUL file:path NUL key [LF value] NUL …`.
fn from_git(output: &[u8], directory: &Path) -> Keys {
    let fields: Vec<_> = output.split(|byte| *byte == 0).collect();
    let mut keys = Keys::new();
    for field in fields.chunks_exact(3) {
        let (key, value) = match field[2].iter().position(|byte| *byte == b'\n') {
            Some(at) => (&field[2][..at], Some(field[2][at + 1..].to_vec())),
            None => (field[2], None),
        };
        if !is_ours(key) {
            continue;
        }
        let scope = match field[0] {
            b"system" => Scope::System,
            b"global" => Scope::Global,
            b"local" | b"worktree" => Scope::Repository,
            other => panic!("scope {:?}", other.escape_ascii()),
        };
        let path = Path::new(std::ffi::OsStr::from_bytes(field[1].strip_prefix(b"file:").unwrap()));
        keys.entry(key.to_vec()).or_default().push((value, scope, real(&directory.join(path))));
    }
    keys
}

fn from_ours(entries: &[Entry]) -> Keys {
    let mut keys = Keys::new();
    for entry in entries {
        let subsection = entry.subsection.as_ref().map(|name| [name, &b"."[..]].concat()).unwrap_or_default();
        let key = [entry.section.as_bytes(), b".", &subsection, entry.key.as_bytes()].concat();
        if is_ours(&key) {
            keys.entry(key).or_default().push((entry.value.clone(), entry.scope, real(&entry.file)));
        }
    }
    keys
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap()
}

fn difference(git: &Keys, ours: &Keys) -> String {
    let mut text = String::new();
    let names: std::collections::BTreeSet<_> = git.keys().chain(ours.keys()).collect();
    for name in names.into_iter().filter(|name| git.get(*name) != ours.get(*name)) {
        text += &format!("key {:?}\n", name.escape_ascii().to_string());
        for (who, keys) in [("git ", git), ("ours", ours)] {
            for (value, scope, file) in keys.get(name).into_iter().flatten() {
                let value = value.as_ref().map(|value| value.escape_ascii().to_string());
                text += &format!("  {who} {value:?} {scope:?} {}\n", file.display());
            }
        }
    }
    text
}

/// Numbers that are the same on every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True in so many of a thousand cases.
    fn chance(&mut self, permille: usize) -> bool {
        self.below(1000) < permille
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn case(&mut self, text: &str) -> String {
        if self.chance(600) {
            return text.into();
        }
        text.chars().map(|c| if self.chance(500) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
    }
}

/// Writes one random file, most often one that git reads.
struct Writer<'a> {
    random: &'a mut Random,
    /// Which files it may include.
    includes: Vec<String>,
    /// Mistakes in a thousand places where one can be made.
    wrong: usize,
}

impl Writer<'_> {
    fn file(&mut self) -> String {
        let mut text = String::new();
        if self.random.chance(30) {
            text += "\u{feff}";
        }
        if self.random.chance(50) {
            text += "stray = before any section\n";
        }
        for _ in 0..self.random.below(5) {
            text += &self.section();
        }
        if self.random.chance(self.wrong) {
            text +=
                self.random.pick(&["[", "[webhook", "]", "= x", "1a = x", "[webhook \"x]\n", "\"", "[webhook \"x\"y]"]);
        }
        if self.random.chance(100) {
            text = text.replace('\n', "\r\n");
        }
        if self.random.chance(100) {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    }

    fn section(&mut self) -> String {
        let random = &mut *self.random;
        let mut text = String::new();
        let (header, keys): (String, &[&str]) = match random.below(12) {
            0..=4 => (self.target_header(), &["url", "ref", "event", "header", "sslVerify", "x-y2"]),
            5 => (random.case("webhook"), &["ref", "homepage", "report"]),
            6 => (random.case("webhookUser") + " \"alice\"", &["name", "email", "id"]),
            7 => (random.case("gitweb"), &["url", "description"]),
            8 => (random.case("core"), &["sharedRepository", "other"]),
            9 => (random.case("remote") + " \"origin\"", &["url"]),
            _ => return self.include(),
        };
        text += &format!("[{header}]");
        for _ in 0..self.random.below(4) {
            text += &self.space();
            let key = self.random.pick(keys);
            let key = self.random.case(key);
            let value = match key.to_ascii_lowercase().as_str() {
                // Where others may write, the user's own file is not read; that is tested for itself.
                "sharedrepository" => self.random.pick(&["= umask", "= 0600", "= false", "= 0"]).into(),
                "url" if header.to_ascii_lowercase().starts_with("remote") => {
                    "= ".to_owned() + self.random.pick(&["https://example.org/a/b.git", "/srv/git/x", "git@host:a"])
                }
                _ => self.value(),
            };
            text += &format!("{key}{value}");
            text += self.random.pick(&["\n", "\n", "\n\n", " \n\t"]);
        }
        text += "\n";
        text
    }

    /// White space, new lines and comments between keys.
    fn space(&mut self) -> String {
        let pieces = ["", " ", "\t", "\n", "\n\n\t", "# comment\n", " ; \"comment\\\n", "#\n;\n"];
        (0..1 + self.random.below(2)).map(|_| self.random.pick(&pieces)).collect()
    }

    fn target_header(&mut self) -> String {
        let random = &mut *self.random;
        let name =
            random.pick(&["ci", "CI", "a b", "x.y", "q\\\"q", "b\\\\s", "\\e\\s", "", "é", "]", "#", "\u{1b}[1m"]);
        let section = random.case("webhook");
        match random.below(10) {
            0 => section + random.pick(&[".ci", ".Legacy", ".", ".a.B", ".9"]),
            1 => section + random.pick(&[".a \"B\"", ".A.b \"c.D\""]),
            2 => format!("{section}\t  \"{name}\""),
            _ => format!("{section} \"{name}\""),
        }
    }

    /// What stands behind a key up to the end of the line.
    fn value(&mut self) -> String {
        if self.random.chance(100) {
            let wrong = self.random.chance(self.wrong * 3);
            return if wrong { self.random.pick(&[" # x", " ; x", " other = 1", " [x]", "\"x\""]) } else { "" }.into();
        }
        let mut text = self.random.pick(&["=", " = ", "\t=\t", "= "]).to_owned();
        let mut in_quotes = false;
        for _ in 0..self.random.below(7) {
            let piece = match self.random.below(12) {
                0..=2 => self.random.pick(&[
                    "push",
                    "https://h/x?a=b",
                    "x y",
                    "é",
                    "\u{1}",
                    "[x]",
                    "=",
                    "'",
                    "true",
                    "\u{a0}",
                ]),
                3 | 4 => self.random.pick(&[" ", "\t", "  ", " \t "]),
                5 => self.random.pick(&["\\n", "\\t", "\\b", "\\\\", "\\\""]),
                6 => "\\\n",
                7 | 8 => {
                    in_quotes = !in_quotes;
                    "\""
                }
                9 if in_quotes => self.random.pick(&["#", ";", "# ; x"]),
                9 => continue,
                10 if self.random.chance(self.wrong) => self.random.pick(&["\\q", "\\ ", "\\0", "\\r"]),
                _ => "z",
            };
            text += piece;
        }
        if in_quotes && !self.random.chance(self.wrong) {
            text += "\"";
        }
        text + self.random.pick(&["", "", "", " ", "  \t", " # comment", "#comment", " ; \"x", "\\\n"])
    }

    fn include(&mut self) -> String {
        if self.includes.is_empty() {
            return String::new();
        }
        let random = &mut *self.random;
        let mut text = match random.below(10) {
            0..=3 => format!("[{}]\n", random.case("include")),
            4 => "[include \"x\"]\n".into(),
            5 => "[includeIf]\n".into(),
            _ => format!("[{} \"{}\"]\n", random.case("includeIf"), random.pick(CONDITIONS)),
        };
        for _ in 0..1 + self.random.below(2) {
            let key = self.random.case("path");
            let wrong = self.wrong;
            let random = &mut *self.random;
            let path = match random.below(20) {
                _ if random.chance(wrong) => random.pick(&["~nobody-of-that-name/x", "", "../inc"]).into(),
                0 => "missing".into(),
                1 => "/dev/null".into(),
                2 => "system/below-a-file".into(),
                3 => ":(optional)a".into(),
                _ => {
                    let at = random.below(self.includes.len());
                    self.includes[at].clone()
                }
            };
            if self.random.chance(self.wrong / 2) {
                text += &format!("{key}\n");
            } else {
                text += &format!("\t{key} = \"{path}\"\n");
            }
        }
        text
    }
}

const CONDITIONS: &[&str] = &[
    "gitdir:**",
    "gitdir:**/project.git",
    "gitdir:project.git",
    "gitdir:project.git/",
    "gitdir:PROJECT.git",
    "gitdir/i:PROJECT.git",
    "gitdir:~/",
    "gitdir:~/../project.git",
    "gitdir:./project.git",
    "gitdir:../*.git",
    "gitdir:/**/p[a-r]oject.g?t",
    "gitdir:/",
    "onbranch:main",
    "onbranch:ma*",
    "onbranch:**",
    "onbranch:other",
    "onbranch:main/",
    "hasconfig:remote.*.url:**",
    "hasconfig:remote.*.url:https://example.org/**",
    "hasconfig:remote.*.url:https://*/a/b.git",
    "hasconfig:remote.*.url:nothing",
    "hasconfig:user.name:x",
    "unknown:x",
    "",
];

/// Lets one set of files be made from a number.
fn generate(files: &Files, number: u64) -> Vec<(String, String)> {
    let mut random = Random(number);
    let wrong = if random.chance(300) { 40 } else { 0 };
    let base = files.world.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let count = 6;
    // Files with a lower number include those with a higher one, so that most sets have an end.
    let later = |from: usize| -> Vec<String> {
        (from..count)
            .flat_map(|at| [format!("../inc/{at}"), format!("{base}/inc/{at}"), format!("~/../inc/{at}")])
            .collect()
    };
    let mut written = Vec::new();
    for name in ["system", "xdg", "user", "local", "worktree"] {
        let includes = later(0).into_iter().filter(|path| !path.starts_with("..") || name == "local").collect();
        let mut text = Writer { random: &mut random, includes, wrong }.file();
        if name == "local" && random.chance(300) {
            text += "\n[extensions]\nworktreeConfig = true\n";
        }
        written.push((name.to_owned(), text));
    }
    for at in 0..count {
        let from = if wrong > 0 && random.chance(50) { 0 } else { at + 1 };
        let text = Writer { random: &mut random, includes: later(from), wrong: wrong / 4 }.file();
        written.push((format!("inc/{at}"), text));
    }
    for (name, text) in &written {
        files.write(name, text);
    }
    written
}

/// Puts a few bytes that mean something in place of others.
fn damage(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len() + 1);
        let until = (at + random.below(3)).min(bytes.len());
        let new = random.pick(&[
            "", "[", "]", "\"", "\\", "\n", "\r\n", "\r", "=", "#", ";", " ", "\t", ".", "x", "-", "1", "\u{b}",
        ]);
        bytes.splice(at..until, new.bytes());
    }
    bytes
}

/// Runs so many cases, or the one that `CONFIGURATION_CASE` names, or from `CONFIGURATION_CASES` on for long.
fn each_case(count: u64, mut case: impl FnMut(u64) -> Result<(), String>) {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let numbers = match (number("CONFIGURATION_CASE"), number("CONFIGURATION_CASES")) {
        (Some(one), _) => one..one + 1,
        (None, Some(start)) => start..start + 10 * count,
        (None, None) => 0..count,
    };
    let failures: Vec<_> =
        numbers.filter_map(|number| Some(format!("CONFIGURATION_CASE={number}: {}", case(number).err()?))).collect();
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures[..failures.len().min(10)].join("\n"));
}

fn print(written: &[(String, impl AsRef<[u8]>)]) {
    for (name, text) in written {
        println!("=== {name}\n{}", text.as_ref().escape_ascii().to_string().replace("\\n", "\\n\n"));
    }
}

#[test]
fn random_files_are_read_as_git_reads_them() {
    let files = Files::new();
    let (mut read, mut refused, mut values) = (0, 0, 0);
    each_case(300, |number| {
        let written = generate(&files, number);
        match files.compare() {
            Ok(Agreement::Read(keys)) => {
                read += 1;
                values += keys.values().map(Vec::len).sum::<usize>();
            }
            Ok(Agreement::Refused(_)) => refused += 1,
            Err(difference) => {
                print(&written);
                return Err(difference);
            }
        }
        Ok(())
    });
    println!("{read} sets read alike, {values} values; {refused} refused by both");
    assert!(read + refused == 1 || (read > 200 && refused > 30 && values > 1500), "the sets are too poor");
}

#[test]
fn damaged_files_are_read_as_git_reads_them_or_refused() {
    let files = Files::new();
    let (mut read, mut refused) = (0, 0);
    each_case(200, |number| {
        let mut random = Random(number);
        let text = Writer { random: &mut random, includes: Vec::new(), wrong: 0 }.file();
        let damaged = damage(&mut random, &text);
        files.write("user", &damaged);
        match files.compare() {
            Ok(Agreement::Read(_)) => read += 1,
            Ok(Agreement::Refused(_)) => refused += 1,
            // A carriage return that ends no line is white space to git, and an error to us.
            Err(difference) if difference.contains("we do not: bad") && has_lone_return(&damaged) => refused += 1,
            Err(difference) => {
                print(&[("user".into(), damaged)]);
                return Err(difference);
            }
        }
        Ok(())
    });
    println!("{read} files read alike; {refused} refused by both");
    assert!(read + refused <= 1 || (read > 50 && refused > 50), "the files are too poor");
}

fn has_lone_return(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n') || text.ends_with(b"\r")
}

mod syntax {
    use super::*;

    /// One file's text; what git makes of it, we make of it.
    #[track_caller]
    fn alike(text: impl AsRef<[u8]>) -> Keys {
        let files = Files::new();
        files.write("user", text);
        files.both_read()
    }

    #[track_caller]
    fn refused(texts: &[&[u8]]) {
        let files = Files::new();
        for text in texts {
            files.write("user", text);
            match files.compare() {
                Ok(Agreement::Refused(_)) => {}
                Ok(Agreement::Read(keys)) => panic!("{}: both read {keys:?}", text.escape_ascii()),
                Err(difference) => panic!("{}: {difference}", text.escape_ascii()),
            }
        }
    }

    fn value(keys: &Keys, key: &str) -> Vec<Option<String>> {
        let values = keys.get(key.as_bytes()).into_iter().flatten();
        values.map(|(value, _, _)| value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())).collect()
    }

    #[test]
    fn a_key_without_value_is_not_one_with_an_empty_value() {
        let keys = alike("[webhook]\nref\nref =\nref = x\nref\n");
        assert_eq!(value(&keys, "webhook.ref"), [None, Some("".into()), Some("x".into()), None]);
    }

    #[test]
    fn behind_a_key_without_value_nothing_may_stand() {
        refused(&[
            b"[webhook \"x\"]\nenabled url = http://h/\n",
            b"[webhook \"x\"]\nenabled # comment\n",
            b"[webhook \"x\"]\nenabled ; comment\n",
            b"[webhook \"x\"]\nenabled [webhook \"y\"]\n",
            b"key # before any section\n",
        ]);
    }

    #[test]
    fn a_section_with_a_dot_and_quotes_is_joined() {
        let keys = alike("[webhook.A \"B.c\"]\nref = x\n[WEBHOOK.ci]\nref = y\n[webhook.]\nref = z\n");
        let names: Vec<_> = keys.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        assert_eq!(names, ["webhook..ref", "webhook.a.B.c.ref", "webhook.ci.ref"]);
    }

    #[test]
    fn quotes_spaces_and_continuations() {
        let keys = alike(
            "[webhook]\nref = \" a \"  b\\\n   c \\\n\nref = \"\" x\nref = x \"\"\nref = \"a;\"#b\nref = \\\nref = y\\",
        );
        let expected = [" a   b   c ", "x", "x ", "a;", "ref = y"];
        assert_eq!(value(&keys, "webhook.ref"), expected.map(|text| Some(text.to_owned())));
    }

    #[test]
    fn bad_141_escapes() {
        let keys = alike("[webhook]\nref = \\n\\t\\b\\\\\\\"\n");
        assert_eq!(value(&keys, "webhook.ref"), [Some("\n\t\u{8}\\\"".into())]);
        refused(&[b"[webhook]\nref = \\q\n", b"[webhook]\nref = \\\r\r\nx\n"]);
    }

    #[test]
    fn what_no_file_may_hold() {
        refused(&[
            b"[webhook]\nref = \"x\n",
            b"[webhook\n",
            b"[webhook \"x]\n",
            b"[webhook \"x\"y]\n",
            b"[webhook_x]\n",
            b"[webhook x]\n",
            b"[]\n",
            b"1ref = x\n",
            b"[webhook]\nre_f = x\n",
            b"[webhook]\nref: x\n",
            b"[webhook]\n\0\n",
            b"\x00",
        ]);
    }

    #[test]
    fn bad_140_only_the_mark_of_utf_8_may_begin_a_file() {
        let keys = alike(b"\xef\xbb\xbf[webhook]\nref = x\n");
        assert_eq!(value(&keys, "webhook.ref"), [Some("x".into())]);
        let file = b"[webhook]\nref = x\n";
        for mark in [
            &b"\xff\xfe"[..],
            b"\xfe\xff",
            b"\0\0\xfe\xff",
            b"+/v8",
            b"\xf7\x64\x4c",
            b"\xdd\x73\x66\x73",
            b"\x0e\xfe\xff",
            b"\xfb\xee\x28",
            b"\x84\x31\x95\x33",
            b"\xef\xbb",
            b"\xef\xbb\xbf\xef\xbb\xbf",
        ] {
            refused(&[&[mark, file].concat()]);
        }
    }

    #[test]
    fn a_carriage_return_counts_in_a_value_alone() {
        let keys = alike("[webhook \"x\"]\r\nref = a\rb\r\n");
        assert_eq!(value(&keys, "webhook.x.ref"), [Some("a\rb".into())]);
        refused(&[b"[webhook]\nref\r = x\n", b"[\rwebhook]\n"]);
    }

    #[test]
    fn the_line_is_the_one_that_git_names() {
        let files = Files::new();
        for text in [
            "[webhook]\nref = x\n\n  ref = \\q\n",
            "\r\n\r\n[web_hook]\r\n",
            "[a]\nb = \\\n\\\nx\nc d\n",
            "=",
            "[a]\nb # c\n[d]\n",
        ] {
            files.write("user", text);
            let said = String::from_utf8(files.git().stderr).unwrap();
            let line = said.split("bad config line ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
            match files.ours() {
                Err(config::Unreadable::Syntax(_, number)) => assert_eq!(number.to_string(), line, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_nul_is_kept_where_git_stops_reading_the_value() {
        let files = Files::new();
        files.write("user", "[webhook]\nref = a\0b\n");
        assert!(files.git().status.success());
        let entries = files.ours().unwrap();
        assert!(entries.iter().any(|entry| entry.value.as_deref() == Some(b"a\0b")), "{entries:?}");
    }
}

mod includes {
    use super::*;

    #[test]
    fn several_paths_of_one_section_are_read_in_their_order() {
        let files = Files::new();
        for name in ["a", "b", "c"] {
            files.write(&format!("inc/{name}"), sets(name));
        }
        files.write("user", "[include]\npath = ../inc/a\npath = ../inc/b\n[INCLUDE]\nPATH = ../inc/c\n");
        assert_eq!(files.refs(), ["a", "b", "c"]);
    }

    #[test]
    fn values_around_an_include_keep_their_place() {
        let files = Files::new();
        files.write("inc/a", sets("a"));
        files.write("user", sets("before") + "[include]\npath = ../inc/a\n" + &sets("behind"));
        assert_eq!(files.refs(), ["before", "a", "behind"]);
        // `path` also stands in the middle of the section that is included into.
        files.write(
            "inc/webhook",
            "[webhook \"x\"]\nref = a\n[include]\nignored = 1\npath = b\n[webhook \"x\"]\nref = c\n",
        );
        files.write("inc/b", sets("b"));
        files.write("user", "[include]\npath = ../inc/webhook\n");
        assert_eq!(files.refs(), ["a", "b", "c"]);
    }

    #[test]
    fn paths_are_relative_to_the_file_or_to_a_home() {
        let mut files = Files::new();
        files.write("inc/a", sets("a") + "[include]\npath = below/b\n");
        fs::create_dir(files.world.path("inc/below")).unwrap();
        files.write("inc/below/b", sets("b"));
        for path in ["../inc/a", "~/../inc/a", "./../inc/./a", &files.world.path("inc/a").to_string_lossy()] {
            files.write("user", format!("[include]\npath = \"{path}\"\n"));
            assert_eq!(files.refs(), ["a", "b"], "{path}");
        }
        files.write("user", "");
        files.write("system", "[include]\npath = ~/../inc/a\n");
        files.set("GIT_CONFIG_GLOBAL", "");
        assert_eq!(files.refs(), ["a", "b"]);
        files.unset("HOME");
        files.both_refuse();
    }

    #[test]
    fn what_is_not_there_is_passed_over() {
        let files = Files::new();
        for path in [
            "missing",
            "/dev/null",
            "../inc/missing/file",
            "system/file",
            ":(optional)../inc/a",
            "%(prefix)/no/such/file",
        ] {
            files.write("system", "");
            files.write("inc/a", sets("a"));
            files.write("user", format!("[include]\npath = {path}\n"));
            assert!(files.refs().is_empty(), "{path}");
        }
    }

    #[test]
    fn what_git_dies_of_is_refused() {
        let files = Files::new();
        for line in
            ["path", "path = ../inc", "path = .", "path = ~nobody-of-this-name/x", "path = ~nobody-of-this-name"]
        {
            files.write("user", format!("[include]\n{line}\n"));
            files.both_refuse();
        }
        files.write("user", format!("[include]\npath = {}\n", "x".repeat(5000)));
        files.both_refuse();
    }

    #[test]
    fn bad_147_ten_files_deep_and_no_deeper() {
        let files = Files::new();
        for at in 1..=11 {
            files.write(&format!("inc/{at}"), sets(&at.to_string()) + &format!("[include]\npath = {}\n", at + 1));
        }
        files.write("user", "[include]\npath = ../inc/2\n");
        assert_eq!(files.refs().len(), 10);
        files.write("user", "[include]\npath = ../inc/1\n");
        files.both_refuse();
        files.write("user", "[include]\npath = .gitconfig\n");
        files.both_refuse();
    }

    #[test]
    fn a_name_below_include_is_no_include() {
        let files = Files::new();
        files.write("inc/a", sets("a"));
        for header in [
            "include \"x\"",
            "include.x",
            "includeIf",
            "includes",
            "includeIf \"\"",
            "includeIf \"gitdir\"",
            "includeIf \"GITDIR:**\"",
        ] {
            files.write("user", format!("[{header}]\npath = ../inc/a\n"));
            assert!(files.refs().is_empty(), "{header}");
        }
    }

    #[test]
    fn odd_spellings_count_at_any_depth() {
        let files = Files::new();
        files.write("inc/a", "[InClUdE]\npAtH = b\n");
        files.write("inc/b", "[iNcLuDeIf \"gitdir:**\"]\nPath = c\n");
        files.write("inc/c", sets("c"));
        files.write("user", "[INCLUDEIF \"onbranch:**\"]\nPATH = ../inc/a\n");
        assert_eq!(files.refs(), ["c"]);
    }

    #[test]
    fn the_scope_is_that_of_the_file_that_includes() {
        let files = Files::new();
        files.write("inc/a", sets("a"));
        let path = files.world.path("inc/a");
        for (name, scope) in [("system", Scope::System), ("xdg", Scope::Global), ("local", Scope::Repository)] {
            files.write(name, format!("[include]\npath = {}\n", path.display()));
            let keys = files.both_read();
            assert!(keys[&b"webhook.x.ref"[..]].iter().any(|(_, found, file)| (*found, file) == (scope, &real(&path))));
        }
    }
}

mod conditions {
    use super::*;

    /// Whether a file is included under a condition that stands in the file `name`; git's word is law.
    #[track_caller]
    fn holds(files: &Files, name: &str, condition: &str) -> bool {
        let path = files.world.path("inc/a");
        files.write("inc/a", sets("a"));
        files.write(name, format!("[includeIf \"{condition}\"]\npath = {}\n", path.display()));
        !files.refs().is_empty()
    }

    #[test]
    fn gitdir() {
        let files = Files::new();
        let base = real(&files.world.path("")).to_string_lossy().into_owned();
        for (condition, expected) in [
            ("gitdir:**", true),
            ("gitdir:project.git", true),
            ("gitdir:Project.git", false),
            ("gitdir/i:Project.GIT", true),
            ("gitdir:project", false),
            ("gitdir:project.git/", false),
            ("gitdir:~/", false),
            ("gitdir:~/../project.git", false),
            ("gitdir:./", false),
            ("gitdir:/**", true),
            ("gitdir:/*", false),
            ("gitdir:p[a-r]oject.g?t", true),
            ("gitdir:p[!a-r]oject.git", false),
            ("gitdir:[[:alpha:]]*.git", true),
            ("gitdir:%(prefix)/**", false),
            ("gitdir:", true),
            (&format!("gitdir:{}/project.git", "/*".repeat(base.matches('/').count())), true),
            (&format!("gitdir:{base}/"), true),
            (&format!("gitdir:{base}/**"), true),
            (&format!("gitdir:{base}/project.git"), true),
            (&format!("gitdir/i:{}/", base.to_uppercase()), true),
            (&format!("gitdir:{base}"), false),
        ] {
            assert_eq!(holds(&files, "user", condition), expected, "{condition}");
        }
        assert!(holds(&files, "system", "gitdir:./"), "relative to the file, which lies beside the repository");
        assert!(holds(&files, "system", "gitdir/i:./PROJECT.git"));
    }

    #[test]
    fn gitdir_takes_no_pattern_from_the_name_of_a_directory() {
        let mut files = Files::new();
        let odd = files.world.path("a[b]*");
        fs::create_dir(&odd).unwrap();
        let moved = odd.join("project.git");
        fs::rename(files.world.server(), &moved).unwrap();
        std::os::unix::fs::symlink(&moved, files.world.server()).unwrap();
        files.set("GIT_CONFIG_SYSTEM", odd.join("system"));
        let text = format!("[includeIf \"gitdir:./\"]\npath = {}\n", files.world.path("inc/a").display());
        fs::write(odd.join("system"), text).unwrap();
        files.write("inc/a", sets("a"));
        assert_eq!(files.refs(), ["a"]);
    }

    #[test]
    fn gitdir_with_and_without_symbolic_links() {
        let mut files = Files::new();
        let link = files.world.path("link.git");
        std::os::unix::fs::symlink(files.world.server(), &link).unwrap();
        files.set("GIT_DIR", &link);
        assert!(holds(&files, "user", "gitdir:link.git"));
        assert!(holds(&files, "user", "gitdir:project.git"));
        assert!(!holds(&files, "user", "gitdir:other.git"));
    }

    #[test]
    fn gitdir_of_a_linked_worktree_is_its_own() {
        let files = Files::new();
        files.write("inc/a", sets("a"));
        let id = files.world.commit("one");
        files.world.push(&["main"]);
        files.world.server_git(&["worktree", "add", "--quiet", "--detach", "../tree", &id]);
        let common = files.world.server();
        let own = common.join("worktrees/tree");
        let path = files.world.path("inc/a");
        for (condition, expected) in
            [("gitdir:./worktrees/", 1), ("gitdir:**/tree", 1), ("gitdir:project.git", 0), ("onbranch:**", 0)]
        {
            files.write("local", format!("[includeIf \"{condition}\"]\npath = {}\n", path.display()));
            let variables = files.variables.iter().map(|(name, value)| ((*name).into(), value.clone()));
            let entries = config::entries(&own, &common, &Environment::new(variables)).unwrap();
            let mut command = Command::new("git");
            command.args(["config", "--get-all", "webhook.x.ref"]).current_dir(files.world.path("tree")).env_clear();
            let variables = files.variables.iter().filter(|(name, _)| *name != "GIT_DIR").cloned();
            let git = command.envs(variables).output().unwrap().stdout;
            assert_eq!(git, b"a\n".repeat(expected), "{condition}");
            assert_eq!(entries.iter().filter(|entry| entry.key == "ref").count(), expected, "{condition}");
        }
    }

    #[test]
    fn onbranch() {
        let files = Files::new();
        let head = |text: &str| fs::write(files.world.server().join("HEAD"), text).unwrap();
        for (branch, condition, expected) in [
            ("main", "onbranch:main", true),
            ("main", "onbranch:mai?", true),
            ("main", "onbranch:Main", false),
            ("main", "onbranch:main/", false),
            ("feature/x/y", "onbranch:feature/", true),
            ("feature/x/y", "onbranch:feature/*", false),
            ("feature/x/y", "onbranch:feature/**", true),
            ("feature/x/y", "onbranch:**/y", true),
            ("feature/x/y", "onbranch:refs/heads/**", false),
            ("grün", "onbranch:gr*n", true),
        ] {
            head(&format!("ref: refs/heads/{branch}\n"));
            assert_eq!(holds(&files, "user", condition), expected, "{branch} {condition}");
        }
        head("ref:  \trefs/heads/main  \n\n");
        assert!(holds(&files, "user", "onbranch:main"));
        head("ref: refs/other/main\n");
        assert!(!holds(&files, "user", "onbranch:**"));
        head(&("1".repeat(40) + "\n"));
        assert!(!holds(&files, "user", "onbranch:**"));
    }

    #[test]
    fn onbranch_follows_symbolic_refs() {
        let files = Files::new();
        let server = files.world.server();
        fs::write(server.join("HEAD"), "ref: refs/heads/alias\n").unwrap();
        fs::write(server.join("refs/heads/alias"), "ref: refs/heads/main\n").unwrap();
        assert!(holds(&files, "user", "onbranch:main"));
        assert!(!holds(&files, "user", "onbranch:alias"));
        fs::remove_file(server.join("HEAD")).unwrap();
        std::os::unix::fs::symlink("refs/heads/alias", server.join("HEAD")).unwrap();
        assert!(holds(&files, "user", "onbranch:main"));
    }

    #[test]
    fn hasconfig_sees_remotes_of_all_files() {
        let files = Files::new();
        files.write("worktree", "");
        files.write("inc/remote", "[remote \"far\"]\nurl = https://far.example/x\n");
        files.write("local", "[remote \"o\"]\nurl = https://example.org/a/b\n[include]\npath = ../inc/remote\n");
        for (condition, expected) in [
            ("hasconfig:remote.*.url:https://example.org/**", true),
            ("hasconfig:remote.*.url:https://example.org/*", false),
            ("hasconfig:remote.*.url:https://far.example/x", true),
            ("hasconfig:remote.*.url:https://EXAMPLE.org/a/b", false),
            ("hasconfig:remote.*.url:https://example.org/a/", false),
            ("hasconfig:remote.*.url:", false),
            ("hasconfig:remote.o.url:**", false),
            ("hasconfig:user.name:**", false),
        ] {
            assert_eq!(holds(&files, "user", condition), expected, "{condition}");
        }
    }

    #[test]
    fn hasconfig_forbids_remotes_below_includeif() {
        let files = Files::new();
        files.write("inc/remote", "[remote \"far\"]\nurl = https://far.example/x\n");
        files.write("local", "[include]\npath = ../inc/remote\n");
        files.write("user", "[includeIf \"hasconfig:remote.*.url:nothing\"]\npath = ../inc/none\n");
        files.both_read();
        for condition in ["gitdir:**", "hasconfig:remote.*.url:other"] {
            files.write("local", format!("[includeIf \"{condition}\"]\npath = ../inc/remote\n"));
            files.both_refuse();
        }
        files.write("local", "[includeIf \"gitdir:**\"]\npath = ../inc/remote\n");
        files.write("user", "");
        files.both_read();
    }

    /// Hundreds of patterns in one file, each with a file of its own to include. `[:` without `:]` is left out: gix-glob
    /// and git differ there.
    #[test]
    fn random_patterns_match_as_in_git() {
        let files = Files::new();
        let seed = std::env::var("CONFIGURATION_CASE").ok().and_then(|number| number.parse().ok());
        let mut random = Random(seed.unwrap_or(7));
        let path = files.world.path("inc");
        let mut text = String::new();
        let pieces = [
            "*",
            "**",
            "**/",
            "/**",
            "?",
            "/",
            "a",
            "b",
            "[ab]",
            "[!a]",
            "[^-b]",
            "[a-c]",
            "[]a]",
            "[[:alpha:]]",
            "[",
            "]",
            "\\\\",
            "-",
            ".",
            "[/]",
            "[b\\\\-d]",
            "B",
        ];
        for number in 0..600 {
            let pattern: String = (0..1 + random.below(6)).map(|_| random.pick(&pieces)).collect();
            text += &format!("[includeIf \"onbranch:{pattern}\"]\npath = {}/p{number}\n", path.display());
            fs::write(path.join(format!("p{number}")), sets(&number.to_string())).unwrap();
        }
        files.write("user", &text);
        let mut matched = 0;
        for branch in ["a", "b", "ab", "a/b", "a/b/c", "a/ab/a.b", "-", "b/a-b", "aB"] {
            fs::write(files.world.server().join("HEAD"), format!("ref: refs/heads/{branch}\n")).unwrap();
            if let Err(difference) = files.compare() {
                panic!("{branch}: {difference}{text}");
            }
            matched += files.refs().len();
        }
        assert!(matched > 150, "{matched}");
    }
}

mod variables {
    use super::*;

    /// What is read with these variables set; `None` takes one away.
    #[track_caller]
    fn read(variables: &[(&'static str, Option<&str>)]) -> Vec<String> {
        let mut files = Files::new();
        for name in ["system", "xdg", "user", "inc/other"] {
            files.write(name, sets(name));
        }
        fs::create_dir_all(files.world.path("xdg/git")).unwrap();
        files.write("xdg/git/config", sets("elsewhere"));
        for (name, value) in variables {
            match value {
                Some(value) => files.set(name, value.replace("BASE", &files.world.path("").to_string_lossy())),
                None => files.unset(name),
            }
        }
        files.refs()
    }

    #[test]
    fn git_s_variables_choose_the_files_as_for_git() {
        assert_eq!(read(&[]), ["system", "xdg", "user"]);
        assert_eq!(read(&[("GIT_CONFIG_NOSYSTEM", Some("1"))]), ["xdg", "user"]);
        assert_eq!(read(&[("GIT_CONFIG_NOSYSTEM", Some("no"))]), ["system", "xdg", "user"]);
        assert_eq!(read(&[("GIT_CONFIG_NOSYSTEM", Some(""))]), ["system", "xdg", "user"]);
        assert_eq!(read(&[("GIT_CONFIG_SYSTEM", Some(""))]), ["xdg", "user"]);
        assert_eq!(read(&[("GIT_CONFIG_GLOBAL", Some("BASE/inc/other"))]), ["system", "inc/other"]);
        assert_eq!(read(&[("GIT_CONFIG_GLOBAL", Some(""))]), ["system"]);
        assert_eq!(read(&[("XDG_CONFIG_HOME", Some("BASE/xdg"))]), ["system", "elsewhere", "user"]);
        assert_eq!(read(&[("XDG_CONFIG_HOME", Some(""))]), ["system", "xdg", "user"]);
        assert_eq!(read(&[("HOME", None)]), ["system"]);
        assert_eq!(read(&[("HOME", None), ("XDG_CONFIG_HOME", Some("BASE/xdg"))]), ["system", "elsewhere"]);
        assert_eq!(read(&[("HOME", Some(""))]), ["system"]);
        assert_eq!(read(&[("HOME", Some("/dev/null"))]), ["system"]);
    }

    #[test]
    fn bad_165_what_git_takes_from_the_environment_is_left_out() {
        let mut files = Files::new();
        files.write("user", sets("user"));
        files.set("GIT_CONFIG_COUNT", "1");
        files.set("GIT_CONFIG_KEY_0", "webhook.x.ref");
        files.set("GIT_CONFIG_VALUE_0", "rogue");
        files.set("GIT_CONFIG_PARAMETERS", "'webhook.x.ref=rogue'");
        assert!(String::from_utf8_lossy(&files.git().stdout).contains("rogue"), "git takes it");
        let entries = files.ours().unwrap();
        let values: Vec<_> =
            entries.iter().filter(|entry| entry.key == "ref").map(|entry| entry.value.clone()).collect();
        assert_eq!(values, [Some(b"user".to_vec())]);
    }

    #[test]
    fn the_worktree_s_file_is_read_where_the_extension_says_so() {
        let files = Files::new();
        files.write("worktree", sets("worktree"));
        assert!(files.refs().is_empty());
        for extension in ["worktreeConfig", "WORKTREECONFIG = yes", "worktreeconfig = 1"] {
            files.write("local", format!("[extensions]\n{extension}\n"));
            assert_eq!(files.refs(), ["worktree"], "{extension}");
        }
        files.write("inc/extension", "[extensions]\nworktreeConfig = true\n");
        files.write("local", "[include]\npath = ../inc/extension\n");
        assert!(files.refs().is_empty(), "git asks the file itself, without what it includes");
    }
}
