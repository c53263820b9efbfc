//! One push as it is written down: everything its events can be built from again.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::name;
use super::record::{self, Text};
use crate::identifier;
use crate::process::{self, Environment, Life, Moment, Process};
use crate::pusher;
use crate::ref_update::{RefEvent, RefName, RefUpdate};
use crate::schedule::OrderKey;
use crate::target::TargetName;
use crate::trace::TRACEPARENT;

/// What is kept of the environment: the variables that say who pushed what to where. Never all of it: behind a web
/// server it holds the pusher's password.
const VARIABLES: [&str; 10] = [
    "GL_USER",
    "GL_REPO",
    "REMOTE_USER",
    "GIT_COMMITTER_EMAIL",
    "GIT_PUSH_CERT_STATUS",
    "GIT_PUSH_CERT_SIGNER",
    "GIT_PUSH_CERT_NONCE_STATUS",
    "GIT_PROJECT_ROOT",
    "GIT_PUSH_OPTION_COUNT",
    TRACEPARENT,
];

/// Who pushes a million refs is not to fill our memory with what is wanted of them.
const MOST_RANGES: usize = 1000;

/// So many further lines of a push are noted with those that are told.
const MOST_BESIDE: usize = 1000;

/// Clocks of hosts that share a repository differ by less, in seconds.
const FAR_AHEAD: i64 = 3600;

/// git itself passes on any number of push options, and each event holds them. What is beyond this is left out.
const MOST_OPTION_BYTES: usize = 64 * 1024;

/// One push, as git told of it: everything its events can be built from again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// Tells it from all others.
    pub id: Uuid,
    /// Seconds since 1970 when it was first written.
    pub time: i64,
    /// The same on a clock that nobody sets.
    pub moment: Moment,
    /// The receive-pack that took the push; `None` where it could not be told.
    pub receive_pack: Option<Process>,
    /// The sequence number given last when it was written.
    pub after: u64,
    /// The spool it was written in first; `None` in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<Uuid>,
    /// Where it was written: a process of another host or PID namespace cannot be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Where the objects lay, where that was not the repository's own place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) objects: Option<ObjectDirectories>,
    /// They lay where only another user's processes are to look.
    #[serde(skip)]
    pub(super) lies_elsewhere: bool,
    /// The targets that were asked, those that wanted nothing of it too; `None` in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<Vec<Asked>>,
    /// Nobody's hook saw it: it was found in the refs afterwards. Those who were asked then are told, and nobody else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_late: bool,
    /// Further lines of the same push, which others tell, or have told: what they brought is as new as what these did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) beside: Vec<RefEvent>,
    /// The OS user; empty where one of the variables says who it was, whatever is configured.
    pub(super) user: String,
    pub(super) variables: BTreeMap<String, Text>,
    /// What a later program has written, which is handed on.
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
    /// The ref updates, with the ids of their events. Last, so that a record can be written as they come.
    pub lines: Vec<RefEvent>,
}

/// A host, and the PID namespace of the process that wrote there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, for people: the boot id of `moment` tells it from others.
    pub name: String,
    /// The number of the PID namespace; `None` where `/proc` does not tell.
    pub pid_namespace: Option<u64>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Directories of objects, absolute: `GIT_OBJECT_DIRECTORY` and `GIT_ALTERNATE_OBJECT_DIRECTORIES`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectDirectories {
    directory: Text,
    alternates: Vec<Text>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// A target that was asked whether it wants a push, enabled as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The target's name.
    pub target: String,
    /// The lines that it wanted: from each first number to each second, both included. Of very many such ranges the last
    /// one reaches over what was not wanted too.
    pub lines: Vec<(u32, u32)>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Receipt {
    /// What is known of a push now. `variables` are those of `webhook.userVariable`.
    pub fn new(lines: Vec<RefEvent>, environment: &Environment, variables: &[String]) -> Self {
        let options: usize =
            environment.text("GIT_PUSH_OPTION_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
        let mut bytes = 0;
        let mut fits = |name: &String| {
            bytes += name.len() + environment.raw(name).map_or(0, |value| value.len());
            bytes <= MOST_OPTION_BYTES
        };
        let names = (0..options).map(|number| format!("GIT_PUSH_OPTION_{number}"));
        let options: Vec<_> = names.take_while(|name| environment.raw(name).is_some() && fits(name)).collect();
        let names = VARIABLES.into_iter().chain(options.iter().chain(variables).map(String::as_str));
        let variables = environment.some(names);
        Self {
            id: identifier::receipt(),
            time: process::now(),
            moment: Moment::now(),
            receive_pack: Process::receive_pack(),
            after: 0,
            spool: None,
            host: Some(Host::this()),
            objects: ObjectDirectories::of(environment),
            lies_elsewhere: false,
            asked: None,
            is_late: false,
            beside: Vec::new(),
            user: if pusher::is_named(environment) { String::new() } else { environment.os_user() },
            variables: variables.iter().map(|(name, value)| (name.clone(), Text::from_os(value))).collect(),
            unknown: Map::new(),
            lines,
        }
    }

    /// Reads one from the record that the user of this id wrote.
    ///
    /// # Errors
    /// What is wrong with it, as of any record.
    pub(super) fn decode(record: &[u8], owner: u32) -> Result<Self, String> {
        record::decode(record).map(|receipt: Self| receipt.written_by(owner))
    }

    /// As far as a record of that user's counts: directories of objects do in his own processes. Else one member of a group
    /// had another's hook read, and send, what he may not read himself.
    pub(super) fn written_by(self, owner: u32) -> Self {
        let is_own = owner == process::user_id();
        let lies_elsewhere = self.objects.is_some() && !is_own;
        Self { objects: self.objects.filter(|_| is_own), lies_elsewhere, ..self }
    }

    /// One of a push of which only the order is known: its number says what came before it.
    pub(super) fn unkept(lines: Vec<RefEvent>) -> Self {
        let known = Self::new(lines, &Environment::default(), &[]);
        Self { moment: Moment { boot: String::new(), ..known.moment }, ..known }
    }

    /// With the targets that are asked.
    pub fn asking(self, asked: Vec<Asked>) -> Self {
        Self { asked: Some(asked), ..self }
    }

    /// As found in the refs afterwards.
    pub fn late(self) -> Self {
        Self { is_late: true, ..self }
    }

    /// Whether the target existed and was enabled when the push was written down; `None` where nobody noted it.
    pub fn has_asked(&self, target: &str) -> Option<bool> {
        self.asked.as_ref().map(|asked| asked.iter().any(|asked| asked.target == target))
    }

    /// What keeps the deliveries of one of its refs in order.
    pub fn order(&self, name: &RefName) -> OrderKey {
        OrderKey::of(name)
    }

    /// The same push, of these lines alone.
    pub fn with(&self, lines: Vec<RefEvent>) -> Self {
        let asked = self.asked.as_ref().map(|asked| asked.iter().map(|asked| self.asked_of(asked, &lines)).collect());
        Self { id: identifier::receipt(), asked, lines, ..self.clone() }
    }

    /// The same of these lines, by their numbers among them.
    fn asked_of(&self, asked: &Asked, lines: &[RefEvent]) -> Asked {
        let wanted = asked.lines.iter().flat_map(|(first, last)| self.lines.get(*first as usize..=*last as usize));
        let wanted: HashSet<&RefUpdate> = wanted.flatten().map(|line| &line.update).collect();
        Asked { lines: ranges(lines, |update| wanted.contains(update)), ..asked.clone() }
    }

    /// Whether the receive-pack that took it still runs, as far as that can be told here: another host, another run of this
    /// one and another container have processes of their own.
    pub fn receive_pack_life(&self) -> Life {
        self.receive_pack.filter(|_| self.is_from_here()).map_or(Life::Unknown, Process::life)
    }

    /// Whether it was written down in this run of this host, and in this PID namespace.
    pub fn is_from_here(&self) -> bool {
        let namespace = self.host.as_ref().map(|host| host.pid_namespace);
        self.moment.boot == process::boot_id() && namespace.is_none_or(|its| its == process::pid_namespace())
    }

    /// How long ago it was written down, in seconds.
    pub fn age(&self) -> i64 {
        // By the clock that people set, elsewhere than in the same run of the machine. One that was far ahead then says
        // nothing, and so that nothing waits for it, it counts as long ago.
        let by_clock = || Some(process::now() - self.time).filter(|age| *age > -FAR_AHEAD).unwrap_or(i64::MAX);
        self.moment.age().unwrap_or_else(by_clock)
    }

    /// Whether its objects may be where this process is not to look.
    pub fn lies_elsewhere(&self) -> bool {
        self.lies_elsewhere
    }

    /// The directories that its objects lie in, where receive-pack was told of them.
    pub fn object_directories(&self) -> Vec<PathBuf> {
        let all =
            self.objects.iter().flat_map(|objects| std::iter::once(&objects.directory).chain(&objects.alternates));
        all.filter_map(|path| Some(path.to_os()?.into())).collect()
    }

    /// The environment as far as it tells who pushed what to where.
    pub fn environment(&self) -> Environment {
        let variables = self.variables.iter().filter_map(|(name, value)| Some((name.into(), value.to_os()?)));
        Environment::of_push(variables, self.user.clone())
    }

    /// `<sequence>.<id>`: its file's name, by which deliveries name the receipt they come from.
    pub fn name(&self, sequence: u64) -> String {
        name::of_receipt(sequence, self.id)
    }

    /// The same beside these lines of the push, which moved their refs as well. Of very many nobody is helped by a list in
    /// each of their receipts.
    pub fn beside(self, lines: Vec<RefEvent>) -> Self {
        if lines.len() > MOST_BESIDE {
            return self;
        }
        Self { beside: lines, ..self }
    }

    /// The ref updates of the whole push, as far as it is known that they came to pass.
    pub fn all_updates(&self) -> Vec<RefUpdate> {
        self.lines.iter().chain(&self.beside).map(|line| line.update.clone()).collect()
    }

    /// The ref updates.
    pub fn updates(&self) -> Vec<RefUpdate> {
        self.lines.iter().map(|line| line.update.clone()).collect()
    }
}

impl Host {
    /// The one that this process runs on.
    fn this() -> Self {
        Self { name: process::host_name(), pid_namespace: process::pid_namespace(), unknown: Map::new() }
    }
}

impl Asked {
    /// The target, which wants some of the lines.
    pub fn new(target: &TargetName, lines: &[RefEvent], wants: impl Fn(&RefUpdate) -> bool) -> Self {
        Self { target: target.to_string(), lines: ranges(lines, wants), unknown: Map::new() }
    }

    /// One that wanted the only line.
    pub(super) fn alone(target: &str) -> Self {
        Self { target: target.into(), lines: vec![(0, 0)], unknown: Map::new() }
    }

    /// Whether it wanted the line of this number.
    pub(super) fn wanted(&self, number: u32) -> bool {
        self.lines.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// Notes that it wanted the line of this number, which is higher than those before.
    pub fn add(&mut self, number: u32) {
        add(&mut self.lines, number);
    }
}

/// The numbers of the lines that are wanted, in ranges.
fn ranges(lines: &[RefEvent], wants: impl Fn(&RefUpdate) -> bool) -> Vec<(u32, u32)> {
    let mut ranges = Vec::new();
    for (number, _) in (0..).zip(lines).filter(|(_, line)| wants(&line.update)) {
        add(&mut ranges, number);
    }
    ranges
}

fn add(ranges: &mut Vec<(u32, u32)>, number: u32) {
    let is_last_of_many = ranges.len() == MOST_RANGES;
    match ranges.last_mut() {
        Some((_, last)) if *last + 1 == number || is_last_of_many => *last = number,
        _ => ranges.push((number, number)),
    }
}

impl ObjectDirectories {
    /// Those that receive-pack has set; `None` where it has not. In pre-receive they are git's quarantine, with what they
    /// were before it as the alternates (tmp-objdir.c): that is what counts once the refs have moved.
    fn of(environment: &Environment) -> Option<Self> {
        let alternates = environment.get("GIT_ALTERNATE_OBJECT_DIRECTORIES").map(split).unwrap_or_default();
        let mut directories: VecDeque<_> =
            environment.get("GIT_OBJECT_DIRECTORY").map(PathBuf::from).into_iter().chain(alternates).collect();
        if environment.get("GIT_QUARANTINE_PATH").is_some() {
            directories.pop_front();
            // git adds its own directory behind the others.
            directories.rotate_right(directories.len().min(1));
        }
        let mut directories =
            directories.into_iter().filter_map(|path| Some(Text::from_os(std::path::absolute(path).ok()?.as_os_str())));
        let directory = directories.next()?;
        Some(Self { directory, alternates: directories.collect(), unknown: Map::new() })
    }
}

/// Takes a list of paths apart at its colons. git quotes a path that holds one, or begins with a quote (quote.c).
fn split(list: &OsStr) -> Vec<PathBuf> {
    let mut rest = list.as_bytes();
    let mut paths = Vec::new();
    while !rest.is_empty() {
        let (path, after) = match rest.strip_prefix(b"\"").and_then(unquoted) {
            Some(quoted) => quoted,
            None => {
                let end = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        rest = after.strip_prefix(b":").unwrap_or(&[]);
        if !path.is_empty() {
            paths.push(PathBuf::from(OsStr::from_bytes(&path)));
        }
    }
    paths
}

/// What stands up to the closing quote, and what comes after it; `None` where there is none, or what is quoted wrongly.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut path = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((path, &text[at + 1..])),
            b'\\' => {
                let (_, escaped) = bytes.next()?;
                path.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'v' => 11,
                    b'0'..=b'3' => {
                        let digits = [*escaped, *bytes.next()?.1, *bytes.next()?.1];
                        u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
                    }
                    other => *other,
                });
            }
            other => path.push(*other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ref_update::ObjectFormat;

    fn receipt(names: &[&str], variables: &[(&str, &str)]) -> Receipt {
        let environment = Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())));
        Receipt::new(lines(names), &environment, &[])
    }

    fn lines(names: &[&str]) -> Vec<RefEvent> {
        let update = |name: &&str| RefUpdate {
            old: None,
            new: None,
            format: ObjectFormat::Sha1,
            name: RefName::new(*name),
            alias: None,
        };
        names.iter().map(|name| RefEvent::new(update(name), Uuid::nil())).collect()
    }

    #[test]
    fn who_was_asked_and_wanted_what_follows_the_lines_of_a_part() {
        let names = ["a", "b", "c", "d"];
        let wants = |update: &RefUpdate| update.name.as_bytes() != b"b";
        let asked = Asked::new(&TargetName::new("ci"), &lines(&names), wants);
        assert_eq!(asked.lines, [(0, 0), (2, 3)]);
        let whole = receipt(&names, &[]).asking(vec![asked]);
        let part = whole.with(lines(&["b", "d", "a"]));
        assert_eq!(part.asked.as_ref().unwrap()[0].lines, [(1, 2)]);
        assert_eq!([part.has_asked("ci"), part.has_asked("other")], [Some(true), Some(false)]);
        assert_eq!(receipt(&names, &[]).has_asked("ci"), None);
    }

    fn objects(variables: &[(&str, &str)]) -> Option<Vec<String>> {
        let objects = receipt(&[], variables).objects?;
        let all = std::iter::once(&objects.directory).chain(&objects.alternates);
        Some(all.map(|path| path.to_os().unwrap().into_string().unwrap()).collect())
    }

    #[test]
    fn object_directories_are_absolute_and_in_order() {
        let own = std::path::absolute("objects").unwrap().into_os_string().into_string().unwrap();
        let variables = [
            ("GIT_OBJECT_DIRECTORY", "objects"),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "/a::\"/b:c\\\"\\303\\244\":/d"),
        ];
        assert_eq!(objects(&variables), Some(vec![own, "/a".into(), "/b:c\"ä".into(), "/d".into()]));
        assert_eq!(objects(&[]), None);
    }

    #[test]
    fn a_quarantine_is_no_place_that_lasts() {
        let quarantine = ("GIT_QUARANTINE_PATH", "/q");
        let directory = ("GIT_OBJECT_DIRECTORY", "/q");
        let alternates = ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "/a:/b:/own");
        let all = ["/own", "/a", "/b"].map(String::from).to_vec();
        assert_eq!(objects(&[quarantine, directory, alternates]), Some(all));
        assert_eq!(objects(&[quarantine, directory]), None);
    }
}
