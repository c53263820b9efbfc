//! `webhook.allowedHosts`: which addresses may be dialled.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::Host;

use super::AddressClass;
use crate::message;
use crate::text;

/// What may be dialled. What is [`AddressClass::Never`] may not, whatever this says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    what: What,
    /// Where it says so, one port alone.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Class(AddressClass),
    /// An address is a network of its own.
    Network(IpNet),
    /// A glob over the host's name as a URL has it: lower case, in ASCII.
    Name(String),
}

/// An address that may not be dialled, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    address: IpAddr,
    class: AddressClass,
}

impl Refused {
    /// Whether `allowedHosts` may allow it.
    pub fn may_be_allowed(&self) -> bool {
        !matches!(self.class, AddressClass::Never(_))
    }
}

impl Default for AllowedHosts {
    fn default() -> Self {
        let classes = [AddressClass::External, AddressClass::Private, AddressClass::Loopback];
        Self(classes.map(|class| Rule { what: What::Class(class), port: None }).into())
    }
}

impl AllowedHosts {
    /// From words such as `external`, `10.2.0.0/16`, `*.example.org:8443`, `[fd00::]/8`. A wrong word allows nothing, and the
    /// others count: what somebody wanted to restrict must not become open.
    ///
    /// Beside it the first wrong word.
    pub fn parse<'w>(words: impl Iterator<Item = &'w str>) -> (Self, Option<&'w str>) {
        let mut wrong = None;
        let rules = words.filter_map(|word| {
            let rule = rule(word);
            if rule.is_none() {
                wrong.get_or_insert(word);
            }
            rule
        });
        let allowed = Self(rules.collect());
        (allowed, wrong)
    }

    /// Judges an address that was found for `host`, the host of a URL.
    ///
    /// # Errors
    /// Where it may not be dialled.
    pub fn judge(&self, host: &str, address: SocketAddr) -> Result<(), Refused> {
        let class = AddressClass::of(address.ip());
        let is_never = matches!(class, AddressClass::Never(_));
        if !is_never && self.0.iter().any(|rule| rule.allows(host, address, class)) {
            return Ok(());
        }
        Err(Refused { address: address.ip(), class })
    }
}

impl Rule {
    fn allows(&self, host: &str, address: SocketAddr, class: AddressClass) -> bool {
        let is_it = match &self.what {
            What::Class(known) => *known == class,
            What::Network(network) => network.contains(&address.ip().to_canonical()),
            What::Name(pattern) => {
                // A trailing dot says only that the name is whole.
                let host = host.strip_suffix('.').unwrap_or(host);
                text::glob(pattern.as_bytes(), host.as_bytes(), None)
            }
        };
        is_it && self.port.is_none_or(|port| port == address.port())
    }
}

fn rule(word: &str) -> Option<Rule> {
    let (host, port) = split_port(word)?;
    let what = match host.to_ascii_lowercase().as_str() {
        "external" => What::Class(AddressClass::External),
        "private" => What::Class(AddressClass::Private),
        "loopback" => What::Class(AddressClass::Loopback),
        _ => network(host).map(What::Network).or_else(|| name(host).map(What::Name))?,
    };
    Some(Rule { what, port })
}

/// `host:port`, `[address]:port`, or without a port; an IPv6 address may stand without brackets then.
fn split_port(word: &str) -> Option<(&str, Option<u16>)> {
    let port =
        |text: &str| text.parse().ok().filter(|port| *port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()));
    if word.starts_with('[') {
        // `[fd00::]/8` is as good as `[fd00::/8]`.
        return match word.rsplit_once(':') {
            Some((host, text)) if host.contains(']') => Some((host, Some(port(text)?))),
            _ => Some((word, None)),
        };
    }
    match word.split_once(':') {
        Some((host, text)) if !text.contains(':') => Some((host, Some(port(text)?))),
        _ => Some((word, None)),
    }
}

fn network(text: &str) -> Option<IpNet> {
    let text = match text.strip_prefix('[') {
        Some(rest) if rest.contains(']') => rest.replacen(']', "", 1),
        Some(_) => return None,
        None => text.to_owned(),
    };
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse::<IpNet>()).ok()
}

/// As a URL's host is written, whatever way it was written here.
fn name(text: &str) -> Option<String> {
    if text.contains(['/', '[', ']']) {
        return None;
    }
    match Host::parse(text.strip_suffix('.').unwrap_or(text)).ok()? {
        Host::Domain(name) => Some(name),
        // 127.1, 0x7f.1: nobody means that.
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self.class {
            AddressClass::Never(_) => message::never_dialled(self.address, self.class),
            _ => message::not_allowed(self.address, self.class),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(words: &str) -> AllowedHosts {
        let (allowed, wrong) = AllowedHosts::parse(words.split_whitespace());
        assert_eq!(wrong, None);
        allowed
    }

    fn allows(words: &str, host: &str, address: &str) -> bool {
        allowed(words).judge(host, address.parse().unwrap()).is_ok()
    }

    #[test]
    fn classes_networks_names_and_ports() {
        for (words, host, address, wanted) in [
            ("external", "a.example", "8.8.8.8:80", true),
            ("external", "a.example", "10.0.0.1:80", false),
            ("External:443", "a.example", "8.8.8.8:443", true),
            ("external:443", "a.example", "8.8.8.8:80", false),
            ("private", "a.example", "192.168.0.1:80", true),
            ("private", "localhost", "127.0.0.1:80", false),
            ("loopback:8080", "localhost", "127.0.0.1:8080", true),
            ("10.2.0.0/16", "a.example", "10.2.255.1:80", true),
            ("10.2.0.0/16", "a.example", "10.3.0.1:80", false),
            ("10.2.0.7", "a.example", "10.2.0.7:80", true),
            ("10.2.0.7:81", "a.example", "10.2.0.7:80", false),
            ("10.2.0.7", "a.example", "[::ffff:10.2.0.7]:80", true),
            ("fd00::/8", "a.example", "[fd12::1]:80", true),
            ("[fd00::]/8:443", "a.example", "[fd12::1]:443", true),
            ("[fd00::/8]:443", "a.example", "[fd12::1]:80", false),
            ("[::1]", "a.example", "[::1]:80", true),
            ("::1", "a.example", "[::1]:80", true),
            ("*.example.org", "ci.example.org", "10.0.0.1:80", true),
            ("*.example.org", "example.org", "10.0.0.1:80", false),
            ("CI.Example.org.", "ci.example.org", "127.0.0.1:80", true),
            ("ci.example.org", "ci.example.org.", "127.0.0.1:80", true),
            ("ci.example.org:8443", "ci.example.org", "127.0.0.1:80", false),
            ("例え.example", "xn--r8jz45g.example", "10.0.0.1:80", true),
            ("external 10.0.0.5", "a.example", "10.0.0.5:80", true),
            ("", "a.example", "8.8.8.8:80", false),
        ] {
            assert_eq!(allows(words, host, address), wanted, "{words} {host} {address}");
        }
    }

    #[test]
    fn nothing_admits_what_is_never_dialled() {
        for words in ["*", "169.254.0.0/16 0.0.0.0/0 ::/0", "external private loopback", "169.254.169.254"] {
            for address in ["169.254.169.254:80", "[fd00:ec2::254]:80", "100.100.100.200:80", "[::ffff:169.254.1.1]:80"]
            {
                assert!(!allows(words, "169.254.169.254", address), "{words} {address}");
            }
        }
    }

    #[test]
    fn a_wrong_word_allows_nothing_and_the_others_count() {
        for word in ["a.example:0", "a.example:x", "a.example:+80", "10.0.0.0/33", "[::1", "a/b", "127.1", "a|b", ":80"]
        {
            let (allowed, wrong) = AllowedHosts::parse(["external", word].into_iter());
            assert_eq!((wrong, allowed), (Some(word), self::allowed("external")), "{word}");
        }
    }
}
