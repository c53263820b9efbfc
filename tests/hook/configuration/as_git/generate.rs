//! Sets of configuration files made from a number: most of them git reads, and some are spoilt.

use super::Files;

/// Numbers that are the same on every run (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True in so many of a thousand cases.
    fn chance(&mut self, permille: usize) -> bool {
        self.below(1000) < permille
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
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
pub(super) struct Writer<'a> {
    pub(super) random: &'a mut Random,
    /// Which files it may include.
    pub(super) includes: Vec<String>,
    /// Mistakes in a thousand places where one can be made.
    pub(super) wrong: usize,
}

impl Writer<'_> {
    pub(super) fn file(&mut self) -> String {
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
pub(super) fn generate(files: &Files, number: u64) -> Vec<(String, String)> {
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
pub(super) fn damage(random: &mut Random, text: &str) -> Vec<u8> {
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
