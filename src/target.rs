//! One configured receiver, and whether it wants an event.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::event::{Event, EventName, Wanted};
use crate::format::Format;
use crate::message;
use crate::ref_update::{RefName, RefUpdate};
use crate::signature::{Secret, SigningSecret, sha256_hex};
use crate::text;

/// The name of a target, the word in `[webhook "<name>"]`, whole: two names that look alike to people are two targets.
///
/// A wrong one may be anything, a URL with a secret in it or megabytes; people are shown a part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetName {
    raw: Vec<u8>,
    shown: String,
}

/// What nobody is shown of a wrong name is behind one of these.
const SHOWN_UP_TO: [char; 3] = ['/', '@', '?'];

/// The most bytes of a wrong name, and of its part that is shown.
const LONGEST_NAME: usize = 64;
const LONGEST_SHOWN: usize = 100;

impl TargetName {
    /// Takes the bytes between the quotes.
    pub fn new(raw: impl Into<Vec<u8>>) -> Self {
        let raw = raw.into();
        let text = String::from_utf8_lossy(&raw);
        let shown = in_part(&text, text.find(SHOWN_UP_TO).unwrap_or(LONGEST_SHOWN));
        Self { raw, shown }
    }

    /// Whether a target can be called so. A name stands in file names, log lines and reports: few characters, none of
    /// them odd anywhere.
    pub fn is_valid(&self) -> bool {
        let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        self.raw.first().is_some_and(u8::is_ascii_alphanumeric)
            && self.raw.iter().all(is_good)
            && self.raw.len() <= LONGEST_NAME
    }

    /// What people are shown: all of a valid name, a part of a wrong one.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// All of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Whether the other has the same letters and digits, in their order: `team/ci` and `team-ci`.
    pub fn has_letters_of(&self, other: &Self) -> bool {
        let letters = |name: &Self| -> Vec<u8> {
            name.raw.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
        };
        let own = letters(self);
        !own.is_empty() && own == letters(other)
    }

    /// The name of its directories: its own where it is valid, else one made of its SHA-256, which no target has. That stands
    /// for itself, where nobody knows of what it was made.
    pub fn directory(&self) -> String {
        if self.is_valid() || is_of_wrong_name(&self.shown) {
            self.shown.clone()
        } else {
            directory_of_wrong(&self.raw)
        }
    }

    /// Whether programs before version 2 of the records used this directory for a target of this name, a wrong one; or for
    /// one whose name was mended to this.
    ///
    /// They made it of what people are shown: of `team/ci` that is `team…`. So a mended name begins as the wrong one did, or
    /// has an allowed character where that had another.
    pub fn may_have_had(&self, directory: &str) -> bool {
        if !self.is_valid() {
            return directory_of_wrong(self.shown.as_bytes()) == directory;
        }
        let cut = (1..=self.shown.len()).map(|end| format!("{}…", &self.shown[..end]));
        let odd = (' '..='~').filter(|c| !c.is_ascii_alphanumeric());
        let other = odd.map(|c| self.shown.replace(['-', '_', '.'], &c.to_string()));
        cut.chain(other).any(|shown| directory_of_wrong(shown.as_bytes()) == directory)
    }
}

/// How many letters of a SHA-256 name a directory.
const LETTERS_OF_WRONG: usize = 16;

fn directory_of_wrong(name: &[u8]) -> String {
    format!("_{}", &sha256_hex(name)[..LETTERS_OF_WRONG])
}

/// Whether a directory has such a name as [`TargetName::directory`] makes of a wrong one.
pub fn is_of_wrong_name(directory: &str) -> bool {
    let hash = directory.strip_prefix('_').unwrap_or_default();
    hash.len() == LETTERS_OF_WRONG && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, f)
    }
}

/// For people, and where only valid names are.
impl AsRef<str> for TargetName {
    fn as_ref(&self) -> &str {
        &self.shown
    }
}

impl PartialEq<str> for TargetName {
    fn eq(&self, other: &str) -> bool {
        self.raw == other.as_bytes()
    }
}

/// At most so many bytes of a text, and no more than a hundred.
pub fn in_part(text: &str, most: usize) -> String {
    let is_in = |(at, c): &(usize, char)| at + c.len_utf8() <= most.min(LONGEST_SHOWN);
    let start: String = text.char_indices().take_while(is_in).map(|(_, c)| c).collect();
    if start.len() < text.len() { start + "…" } else { start }
}

/// A receiver, its settings checked: what stands here can be used as it is.
#[derive(Clone)]
pub struct Target {
    /// The name in `[webhook "<name>"]`.
    pub name: TargetName,
    /// A title for people.
    pub description: Option<String>,
    /// Where to send.
    pub address: Address,
    /// How to tell.
    pub format: &'static Format,
    /// Which events it wants.
    pub events: Vec<EventName>,
    /// Which refs it wants.
    pub refs: RefPatterns,
    /// Whether anything is sent at all.
    pub enabled: bool,
    /// The format's token or HMAC key.
    pub secret: Option<Secret>,
    /// Keys of Standard Webhooks, which sign side by side.
    pub signing_secrets: Vec<SigningSecret>,
    /// Further request headers, name and value.
    pub headers: Vec<(String, String)>,
    /// Whether the receiver's certificate is verified.
    pub verify_certificate: bool,
    /// The time for one attempt, from name look-up to the answer's status line.
    pub timeout: Duration,
    /// How long a failing delivery is tried again.
    pub retry_for: Duration,
    /// How many commits a payload lists at most; `None` for as many as the forge does.
    pub max_commits: Option<usize>,
    /// How many bytes a body has at most, if leaving out lists can achieve it.
    pub max_body: usize,
}

impl Target {
    /// Whether an update may have to be told to this target, as far as its ref tells: what none may want is not even
    /// written down.
    pub fn may_want(&self, update: &RefUpdate) -> bool {
        self.may_be_told(update).next().is_some()
    }

    /// The events that an update may make for this target, as far as its ref tells.
    pub fn may_be_told(&self, update: &RefUpdate) -> impl Iterator<Item = EventName> {
        self.chosen(&update.name, EventName::of(update))
    }

    /// Whether an event is to be told to this target.
    pub fn wants(&self, event: &Event) -> bool {
        self.events_of(event).next().is_some()
    }

    /// The names under which this target is told of an event, in the order in which it is.
    pub fn events_of(&self, event: &Event) -> impl Iterator<Item = EventName> {
        self.chosen(event.ref_name(), event.names())
    }

    /// Of the names of what is about a ref those that this target is to be told.
    fn chosen<I: Iterator<Item = EventName>>(
        &self,
        name: &RefName,
        names: I,
    ) -> impl Iterator<Item = EventName> + use<'_, I> {
        let is_chosen = self.enabled && self.refs.include(name);
        names.filter(move |name| is_chosen && self.events.contains(name) && self.format.has(*name))
    }

    /// What the target's payloads need to know of a push.
    pub fn wanted(&self) -> Wanted {
        Wanted { commits: self.max_commits.unwrap_or(self.format.wants.commits), ..self.format.wants }
    }
}

/// The patterns of `webhook.<name>.ref`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefPatterns(Vec<RefPattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct RefPattern {
    text: String,
    excludes: bool,
}

impl RefPatterns {
    /// Reads patterns such as `refs/heads/*` and `!wip/*`.
    ///
    /// # Errors
    /// The pattern that holds nothing, or what no ref name can hold.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let pattern = |word: &'a str| {
            let text = word.strip_prefix('!').unwrap_or(word);
            let impossible = |c: char| c.is_ascii_control() || " ~^:?[\\".contains(c);
            if text.is_empty() || text.contains(impossible) {
                return Err(word);
            }
            Ok(RefPattern { text: text.into(), excludes: text.len() < word.len() })
        };
        words.into_iter().map(pattern).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `name` is wanted: the last pattern that matches decides; where none does, the name is wanted only if
    /// there are no patterns or the first one excludes.
    pub fn include(&self, name: &RefName) -> bool {
        let last = self.0.iter().rev().find(|pattern| pattern.matches(name));
        match last {
            Some(pattern) => !pattern.excludes,
            None => self.0.first().is_none_or(|first| first.excludes),
        }
    }

    /// The patterns as they were written.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|pattern| {
            let sign = if pattern.excludes { "!" } else { "" };
            format!("{sign}{}", pattern.text)
        })
    }
}

impl RefPattern {
    fn matches(&self, name: &RefName) -> bool {
        let subject = if self.text.starts_with("refs/") { name.as_bytes() } else { name.short() };
        let pattern = self.text.as_bytes();
        if pattern.contains(&b'*') {
            return text::glob(pattern, subject, None);
        }
        // As in transfer.hideRefs: a name also stands for everything below it.
        let pattern = pattern.strip_suffix(b"/").unwrap_or(pattern);
        subject.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// An http or https URL that two parsers read alike, its user name and password taken out.
#[derive(Clone)]
pub struct Address {
    /// Without user name, password and fragment.
    url: Url,
    /// User name and password, percent-decoded.
    credentials: Option<(Vec<u8>, Vec<u8>)>,
}

impl Address {
    /// Reads the value of `webhook.<name>.url`.
    ///
    /// URL parsers disagree about control characters, backslashes and numbers that are no addresses, and what one sees
    /// as the host another may not; such text is refused rather than read one way or the other.
    ///
    /// # Errors
    /// What is wrong, in words that do not repeat the URL: Slack and Jenkins put their secret into it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err(message::url_empty());
        }
        if text.len() > 8 * 1024 {
            return Err(message::url_too_long());
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(message::url_space());
        }
        let rest = strip_scheme(text).ok_or(message::url_scheme())?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.matches('@').count() > 1 {
            return Err(message::url_two_at());
        }
        let host = authority.rsplit('@').next().unwrap_or_default();
        if host.is_empty() || host.starts_with(':') {
            return Err(message::url_no_host());
        }
        if host.contains('%') {
            return Err(message::url_percent());
        }
        let mut url = Url::parse(text).map_err(|_| message::url_unreadable())?;
        if url.port() == Some(0) {
            return Err(message::url_port_0());
        }
        let too_long = |host: &str| host.split('.').any(|label| label.len() > 63);
        if url.domain().is_some_and(too_long) {
            return Err(message::url_label());
        }
        let credentials = credentials(&url);
        // Both fail only for URLs without a host, which this one has.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        Ok(Self { url, credentials })
    }

    /// The URL to dial, without user name and password. For the transport alone: people see [`Self::origin`].
    pub fn dial(&self) -> &str {
        self.url.as_str()
    }

    /// User name and password for HTTP Basic authentication.
    pub fn credentials(&self) -> Option<(&[u8], &[u8])> {
        let (user, password) = self.credentials.as_ref()?;
        Some((user, password))
    }

    /// `scheme://host:port`, all of an address that people are shown.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The host to dial, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port to dial, the scheme's own where the URL names none.
    pub fn port(&self) -> Option<u16> {
        self.url.port_or_known_default()
    }

    /// Whether TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

fn strip_scheme(text: &str) -> Option<&str> {
    let after = |scheme: &str| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    after("https://").or_else(|| after("http://"))
}

fn credentials(url: &Url) -> Option<(Vec<u8>, Vec<u8>)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect();
    Some((decode(url.username()), decode(url.password().unwrap_or_default())))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Context, EventKind, Push, Repository, Time, Visibility};
    use crate::format;
    use crate::identifier;
    use crate::pusher::Pusher;
    use crate::ref_update;

    pub(crate) fn target(events: &[EventName], refs: &str) -> Target {
        Target {
            name: TargetName::new("ci"),
            description: None,
            address: Address::parse("http://h/").unwrap(),
            format: format::find("github").unwrap(),
            events: events.into(),
            refs: RefPatterns::parse(refs.split_whitespace()).unwrap(),
            enabled: true,
            secret: None,
            signing_secrets: Vec::new(),
            headers: Vec::new(),
            verify_certificate: true,
            timeout: Duration::ZERO,
            retry_for: Duration::ZERO,
            max_commits: None,
            max_body: usize::MAX,
        }
    }

    pub(crate) fn update(old: char, new: char, name: &str) -> RefUpdate {
        let id = |digit: char| String::from(digit).repeat(40);
        ref_update::parse(format!("{} {} {name}\n", id(old), id(new)).as_bytes()).0.remove(0)
    }

    pub(crate) fn event(update: &RefUpdate) -> Event {
        let repository = Repository {
            name: String::new(),
            path: String::new(),
            description: String::new(),
            homepage: String::new(),
            http_url: String::new(),
            ssh_url: String::new(),
            commit_url: String::new(),
            visibility: Visibility::Private,
            id: 1,
            object_format: update.format,
            default_branch: None,
            instance: String::new(),
        };
        let pusher = Pusher { login: String::new(), name: String::new(), email: String::new(), id: 1 };
        let context = Context { repository, pusher, push_options: Vec::new(), time: Time::utc(0) };
        Event { id: identifier::event(), context: Arc::new(context), kind: EventKind::Push(Push::new(update)) }
    }

    /// What an event turns out to be is among what its ref promised, or a push would not have been written down.
    #[test]
    fn a_target_is_asked_of_the_ref_and_then_of_the_event() {
        let both = target(&[EventName::Push, EventName::Create], "!wip");
        let create = target(&[EventName::Create], "");
        let off = Target { enabled: false, ..both.clone() };
        for (old, new, name, of_both, of_create) in [
            ('0', '1', "refs/heads/a", &[EventName::Create, EventName::Push][..], true),
            ('1', '2', "refs/heads/a", &[EventName::Push], false),
            ('1', '0', "refs/heads/a", &[EventName::Push], false),
            ('0', '1', "refs/heads/wip", &[], true),
        ] {
            let update = update(old, new, name);
            let event = event(&update);
            assert_eq!(both.may_be_told(&update).collect::<Vec<_>>(), of_both, "{old}{new} {name}");
            assert_eq!(both.events_of(&event).collect::<Vec<_>>(), of_both, "{old}{new} {name}");
            assert_eq!((create.may_want(&update), create.wants(&event)), (of_create, of_create), "{old}{new} {name}");
            assert!(!off.may_want(&update) && !off.wants(&event));
        }
        assert!(!target(&EventName::ALL, "").may_want(&update('1', '2', "refs/notes/commits")));
        assert!(!target(&[EventName::Note], "").may_want(&update('1', '2', "refs/heads/a")));
    }

    fn include(patterns: &str, name: &str) -> bool {
        RefPatterns::parse(patterns.split_whitespace()).unwrap().include(&RefName::new(name))
    }

    #[test]
    fn a_wrong_name_is_shown_in_part_and_is_itself_all_the_same() {
        let [ci, chat] = ["team/ci", "team/chat"].map(TargetName::new);
        assert_eq!((ci.as_str(), chat.as_str()), ("team…", "team…"));
        assert_ne!(ci, chat);
        assert_ne!(ci.directory(), chat.directory());
        assert!(ci.directory().starts_with('_') && ci == *"team/ci" && ci != *"team…");
        let long = TargetName::new("é".repeat(80));
        assert_eq!(long.as_str(), "é".repeat(50) + "…");
    }

    #[test]
    fn a_valid_name_is_shown_whole_and_names_its_directory() {
        for name in ["ci", "a.b", "9_-", &"x".repeat(64)] {
            let valid = TargetName::new(name);
            assert!(valid.is_valid() && valid.as_str() == name && valid.directory() == name, "{name}");
        }
        for name in ["", ".ci", "_ci", "a b", "ä", "a\0", &"x".repeat(65)] {
            assert!(!TargetName::new(name).is_valid(), "{name}");
        }
    }

    #[test]
    fn the_last_matching_pattern_decides() {
        assert!(include("", "refs/heads/main"));
        assert!(include("refs/heads/* !refs/heads/wip/*", "refs/heads/main"));
        assert!(!include("refs/heads/* !refs/heads/wip/*", "refs/heads/wip/x"));
        assert!(!include("refs/heads/*", "refs/tags/v1"));
        assert!(include("!wip/* wip/keep", "refs/heads/wip/keep"));
        assert!(include("!wip/*", "refs/tags/v1"));
        assert!(!include("main", "refs/heads/topic"));
    }

    #[test]
    fn a_pattern_without_refs_is_a_branch_or_tag_name() {
        assert!(include("main", "refs/heads/main"));
        assert!(include("v*", "refs/tags/v1/rc"));
        assert!(!include("heads/main", "refs/heads/main"));
    }

    #[test]
    fn a_pattern_without_a_star_stands_for_all_below_it() {
        assert!(include("refs/heads/release", "refs/heads/release/1.0"));
        assert!(include("release/", "refs/heads/release/1.0"));
        assert!(!include("refs/heads/release", "refs/heads/released"));
    }

    #[test]
    fn impossible_patterns_are_named() {
        for word in ["!", "a[b", "a~", "a\\b", "a?"] {
            assert_eq!(RefPatterns::parse([word]), Err(word));
        }
    }

    /// Bad inputs 166 to 192.
    #[test]
    fn addresses_that_parsers_read_differently_are_refused() {
        let long_label = format!("http://{}.example/", "x".repeat(64));
        let long_url = format!("http://example.org/{}", "x".repeat(9000));
        for text in [
            "",
            "ftp://h/",
            "gopher://h/",
            "unix:/run/x",
            "http+unix://x/",
            "javascript:alert(1)",
            "h/x",
            "//h/",
            "http:h",
            "http:/h",
            "http://",
            "http:///h",
            "http://:80/",
            "http://h:65536/",
            "http://h:-1/",
            "http://h:0/",
            "http://h /",
            "http://h/\t",
            "http://h/\r\n",
            "http://h\\x",
            "http://a@b@h/",
            "http://%6c%6f/",
            "http://[::1",
            "http://[gggg::1]/",
            "http://[fe80::1%25lo]/",
            "http://[127.0.0.1]/",
            "http://1.1.1.1.1/",
            "http://256.1.1.1/",
            &long_label,
            &long_url,
        ] {
            assert!(Address::parse(text).is_err(), "{text:.60}");
        }
    }

    #[test]
    fn an_address_shows_scheme_and_host_only() {
        let address = Address::parse("HTTPS://user:p%40ss@Hooks.Example:8443/T0/B1?token=x#top").unwrap();
        assert_eq!(address.origin(), "https://hooks.example:8443");
        assert_eq!(address.dial(), "https://hooks.example:8443/T0/B1?token=x");
        assert_eq!(address.credentials(), Some((&b"user"[..], &b"p@ss"[..])));
        assert!(address.is_https());
    }

    #[test]
    fn international_names_become_ascii() {
        let address = Address::parse("http://例え.invalid/x").unwrap();
        assert_eq!(address.origin(), "http://xn--r8jz45g.invalid");
    }
}
