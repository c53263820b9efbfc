//! One configured receiver, and whether it wants an event.

use std::time::Duration;

use url::Url;

use crate::event::{EventName, Wanted};
use crate::format::Format;
use crate::message;
use crate::ref_update::{RefName, RefUpdate};
use crate::signature::{Secret, SigningSecret};
use crate::text;

/// A receiver, its settings checked: what stands here can be used as it is.
#[derive(Clone)]
pub struct Target {
    /// The name in `[webhook "<name>"]`.
    pub name: String,
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
    /// Whether an update is to be told to this target.
    pub fn wants(&self, update: &RefUpdate) -> bool {
        self.events_of(update).next().is_some()
    }

    /// The events that tell this target of an update, in the order in which they are told.
    pub fn events_of(&self, update: &RefUpdate) -> impl Iterator<Item = EventName> {
        let is_wanted = self.enabled && self.refs.include(&update.name);
        EventName::of(update).filter(move |event| is_wanted && self.events.contains(event) && self.format.has(*event))
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
mod tests {
    use super::*;

    fn include(patterns: &str, name: &str) -> bool {
        RefPatterns::parse(patterns.split_whitespace()).unwrap().include(&RefName::new(name))
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
