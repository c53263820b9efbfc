//! One target's section: its own values over the defaults, what counts from where, and everything that is wrong with
//! it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::keys::{self, Key, Of};
use super::{BrokenTarget, Entry, Problem, Scope, Wrong, files, one_line, positive_number, seconds, value_text};
use crate::format::{self, FORMATS, Format};
use crate::signature::{Secret, SigningSecret};
use crate::target::{Address, EventName, RefPatterns, Target};

/// Reads the target called `name`.
///
/// # Errors
/// Everything that is wrong with it; it cannot be used then.
pub(super) fn read(
    name: &[u8],
    entries: &[Entry],
    git_dir: &Path,
    warnings: &mut Vec<Problem>,
) -> Result<Target, BrokenTarget> {
    let mut reader = TargetReader::new(name, entries, git_dir);
    match reader.target(warnings) {
        Some(target) if reader.problems.is_empty() => Ok(target),
        target => Err(BrokenTarget {
            name: reader.name,
            enabled: target.is_none_or(|target| target.enabled),
            problems: reader.problems,
        }),
    }
}

struct TargetReader<'a> {
    name: String,
    git_dir: &'a Path,
    /// `webhook.<name>.*`.
    own: Vec<&'a Entry>,
    /// `webhook.*`.
    defaults: Vec<&'a Entry>,
    problems: Vec<Problem>,
}

impl<'a> TargetReader<'a> {
    fn new(name: &[u8], entries: &'a [Entry], git_dir: &'a Path) -> Self {
        let of = |subsection: Option<&[u8]>| {
            entries.iter().filter(|e| e.section == "webhook" && e.subsection.as_deref() == subsection).collect()
        };
        Self {
            name: String::from_utf8_lossy(name).into_owned(),
            git_dir,
            own: of(Some(name)),
            defaults: of(None),
            problems: Vec::new(),
        }
    }

    fn target(&mut self, warnings: &mut Vec<Problem>) -> Option<Target> {
        self.check_name();
        let url = self.url(warnings);
        if let Some(entry) = url {
            self.check_owner(entry);
        }
        let address = url.and_then(|entry| self.parse("url", entry, Address::parse));
        let format = match self.last("format") {
            Some(entry) => self.parse("format", entry, known_format),
            None => FORMATS.first(),
        };
        let target = Target {
            name: self.name.clone(),
            description: self.value("description", one_line),
            events: self.events(),
            refs: self.refs(),
            enabled: self.boolean("enabled", None),
            secret: self.secret(),
            signing_secrets: self.signing_secrets(),
            headers: self.headers(format?),
            verify_certificate: self.boolean("sslVerify", url.map(|entry| entry.scope)),
            timeout: self.value("timeout", seconds).unwrap_or(Duration::from_secs(10)),
            max_commits: self
                .value("maxCommits", positive_number)
                .map_or(format?.max_commits, |number| number as usize),
            address: address?,
            format: format?,
        };
        Some(target)
    }

    fn key(&self, name: &str) -> String {
        format!("webhook.{}.{name}", self.name)
    }

    fn problem(&mut self, name: &str, entry: &Entry, why: impl Into<String>) {
        let shown = keys::find(name, &[Of::Target]).is_some() || name == "description";
        let key = self.key(name);
        self.problems.push(if shown { Problem::with_value(&key, entry, why) } else { Problem::new(&key, entry, why) });
    }

    /// A name stands in file names, log lines and reports: few characters, none of them odd anywhere.
    fn check_name(&mut self) {
        let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let fits = self.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.name.chars().all(good)
            && self.name.len() <= 64;
        if !fits && let Some(entry) = self.own.first().copied() {
            let why =
                "is no target's name: write at most 64 letters, digits, '_', '.' and '-', a letter or digit first";
            let mut problem = Problem::new("webhook", entry, why);
            problem.value = Some(self.name.chars().take(80).collect());
            self.problems.push(problem);
        }
    }

    /// The entry whose URL is in effect.
    fn url(&mut self, warnings: &mut Vec<Problem>) -> Option<&'a Entry> {
        let urls: Vec<_> = self.own.iter().filter(|e| e.key == "url").copied().collect();
        let Some(last) = urls.last().copied() else {
            if let Some(entry) = self.own.first().copied() {
                let why = format!("is not set: write git config {} https://…", self.key("url"));
                self.problem("url", entry, why);
            }
            return None;
        };
        if urls.iter().filter(|entry| entry.file == last.file).count() > 1 {
            let why =
                "is set twice, and the last one counts: a target has one URL, a second receiver is a second target";
            warnings.push(Problem::new(&self.key("url"), last, why));
        }
        Some(last)
    }

    /// Secrets and what else belongs to the owner count only from the scope whose URL is in effect.
    fn check_owner(&mut self, url: &Entry) {
        let foreign: Vec<(&Key, &Entry)> = self
            .own
            .iter()
            .filter(|entry| entry.scope != url.scope)
            .filter_map(|entry| Some((keys::find(&entry.key, &[Of::Target, Of::TargetAlone])?, *entry)))
            .filter(|(key, _)| key.owned)
            .collect();
        for (key, entry) in foreign {
            let why = "counts only where the target's url is set, and that is not the same configuration:";
            let mut problem = Problem::new(&self.key(key.name), entry, why);
            problem.files.push(url.file.clone());
            self.problems.push(problem);
        }
    }

    /// The value in effect: the target's last, else the default's last where the key has one.
    fn last(&self, name: &str) -> Option<&'a Entry> {
        let last = |entries: &[&'a Entry]| entries.iter().rev().find(|e| e.key.eq_ignore_ascii_case(name)).copied();
        last(&self.own).or_else(|| {
            keys::find(name, &[Of::Target])?;
            last(&self.defaults)
        })
    }

    fn parse<T>(&mut self, name: &str, entry: &Entry, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        match value_text(entry).and_then(parse) {
            Ok(value) => Some(value),
            Err(why) if name == "format" => {
                let known: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
                self.problem(name, entry, format!("{why}: write {}", known.join(", ")));
                None
            }
            Err(why) => {
                self.problem(name, entry, why);
                None
            }
        }
    }

    fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let entry = self.last(name)?;
        self.parse(name, entry, parse)
    }

    /// A boolean that is true unless it says otherwise; with an `owner`, a default from another scope does not count.
    fn boolean(&mut self, name: &str, owner: Option<Scope>) -> bool {
        let Some(entry) = self.last(name) else { return true };
        let is_foreign_default = entry.subsection.is_none() && owner.is_some_and(|owner| owner != entry.scope);
        let Some(value) = entry.value.as_deref().filter(|_| !is_foreign_default) else {
            return true;
        };
        files::boolean(value).unwrap_or_else(|| {
            self.problem(name, entry, "is no boolean: write true or false");
            true
        })
    }

    /// The values of a list key: the target's own, or else the defaults'; an empty value clears what came before.
    fn list(&self, name: &str) -> Vec<&'a Entry> {
        let of = |entries: &[&'a Entry]| -> Vec<&'a Entry> {
            entries.iter().filter(|e| e.key.eq_ignore_ascii_case(name)).copied().collect()
        };
        let own = of(&self.own);
        let all = if own.is_empty() && keys::find(name, &[Of::Target]).is_some() { of(&self.defaults) } else { own };
        let is_empty = |entry: &&Entry| entry.value.as_deref().is_none_or(<[u8]>::is_empty);
        let start = all.iter().rposition(is_empty).map_or(0, |at| at + 1);
        all[start..].to_vec()
    }

    fn events(&mut self) -> Vec<EventName> {
        let mut events = Vec::new();
        for entry in self.list("event") {
            for word in value_text(entry).unwrap_or_default().split_whitespace() {
                match EventName::ALL.into_iter().find(|event| event.word() == word) {
                    Some(event) => events.push(event),
                    None if word == "all" => events.extend(EventName::ALL),
                    None => {
                        let known = EventName::ALL.map(EventName::word).join(", ");
                        self.problem("event", entry, format!("holds an unknown event: write {known} or all"));
                    }
                }
            }
        }
        if events.is_empty() {
            events = vec![EventName::Push, EventName::TagPush];
        }
        EventName::ALL.into_iter().filter(|event| events.contains(event)).collect()
    }

    fn refs(&mut self) -> RefPatterns {
        let mut words = Vec::new();
        for entry in self.list("ref") {
            match value_text(entry) {
                Ok(value) => match RefPatterns::parse(value.split_whitespace()) {
                    Ok(_) => words.extend(value.split_whitespace()),
                    Err(_) => self.problem(
                        "ref",
                        entry,
                        "holds what no ref name can: write patterns such as refs/heads/* or !wip/*",
                    ),
                },
                Err(why) => self.problem("ref", entry, why),
            }
        }
        RefPatterns::parse(words).unwrap_or_default()
    }

    fn secret(&mut self) -> Option<Secret> {
        let direct = self.last("secret");
        let file = self.last("secretFile");
        if let (Some(entry), Some(_)) = (direct, file) {
            self.problem("secret", entry, "stands beside secretFile: keep one of them");
        }
        if let Some(entry) = direct {
            let value = self.parse("secret", entry, token)?;
            return Some(Secret::new(value));
        }
        let entry = file?;
        let bytes = self.secret_file("secretFile", entry)?;
        match std::str::from_utf8(&bytes).map_err(|_| "").and_then(token) {
            Ok(_) => Some(Secret::new(bytes)),
            Err(_) => {
                self.problem("secretFile", entry, "names a file that is empty or holds more than one line of text");
                None
            }
        }
    }

    fn signing_secrets(&mut self) -> Vec<SigningSecret> {
        const WRONG: Wrong = "is no Standard Webhooks key: write whsec_ and base64";
        let parse = |text: &str| SigningSecret::parse(text).ok_or(WRONG);
        let mut secrets = Vec::new();
        for entry in self.list("signingSecret") {
            for word in value_text(entry).unwrap_or_default().split_whitespace() {
                match parse(word) {
                    Ok(secret) => secrets.push(secret),
                    Err(why) => self.problem("signingSecret", entry, why),
                }
            }
        }
        for entry in self.list("signingSecretFile") {
            let Some(bytes) = self.secret_file("signingSecretFile", entry) else { continue };
            match std::str::from_utf8(&bytes).map_err(|_| WRONG).and_then(parse) {
                Ok(secret) => secrets.push(secret),
                Err(why) => self.problem("signingSecretFile", entry, why),
            }
        }
        secrets
    }

    /// Reads a file that holds a secret, one trailing newline dropped.
    fn secret_file(&mut self, name: &str, entry: &Entry) -> Option<Vec<u8>> {
        let outcome = value_text(entry)
            .map_err(String::from)
            .and_then(|value| self.secret_path(value, entry.scope).map_err(String::from))
            .and_then(|path| read_secret(&path));
        match outcome {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                let key = self.key(name);
                self.problems.push(Problem::with_value(&key, entry, why));
                None
            }
        }
    }

    /// A relative path lies below `webhook/secret/` of the repository; an absolute one counts only from protected
    /// scope: a repository's configuration must not have the server user's files read and sent.
    fn secret_path(&self, value: &str, scope: Scope) -> Result<PathBuf, Wrong> {
        let path = Path::new(value);
        if path.is_absolute() {
            return if scope == Scope::Repository {
                Err(
                    "is an absolute path, which a repository's own configuration cannot use: put the file below webhook/secret/ and write its name",
                )
            } else {
                Ok(path.into())
            };
        }
        if path.components().all(|part| matches!(part, Component::Normal(_))) && !value.is_empty() {
            Ok(self.git_dir.join("webhook/secret").join(path))
        } else {
            Err("is no path below webhook/secret/")
        }
    }

    fn headers(&mut self, format: &Format) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for entry in self.list("header") {
            match value_text(entry).and_then(header) {
                Ok((name, _)) if format.sets_header(&name) => {
                    self.problem("header", entry, "names a header that the format sets itself");
                }
                Ok(header) => headers.push(header),
                Err(why) => self.problem("header", entry, why),
            }
        }
        headers
    }
}

fn known_format(value: &str) -> Result<&'static Format, Wrong> {
    format::find(value).ok_or("is no known format")
}

/// A token stands in a header: one line of visible characters.
fn token(value: &str) -> Result<String, Wrong> {
    if value.is_empty() {
        return Err("is empty");
    }
    one_line(value)
}

/// No secret is longer, and `secretFile` may name any file.
const LARGEST_SECRET: u64 = 64 * 1024;

fn read_secret(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    // O_NOFOLLOW: below webhook/secret/ whoever may write the directory could point elsewhere. O_NONBLOCK: a fifo would
    // wait for ever.
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err("is no regular file".into());
    }
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(format!("can be read by others: run chmod o= '{}'", path.display()));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_SECRET + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST_SECRET {
        return Err("is larger than 64 KiB".into());
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

/// Headers that frame the message (RFC 9112), and ours that no format names.
const RESERVED: [&str; 13] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "content-type",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Reads `Name: value`.
fn header(value: &str) -> Result<(String, String), Wrong> {
    let (name, value) = value.split_once(':').ok_or("is no header: write Name: value")?;
    let (name, value) = (name.trim_end(), value.trim());
    // RFC 9110, section 5.6.2: the characters of a token.
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err("has a name that no header can have");
    }
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err("holds a control character");
    }
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("names a header that is set by git-webhook itself");
    }
    Ok((name.into(), value.into()))
}
