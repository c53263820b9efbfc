//! Where the broker is: `nats://user@host:4222,host2`.

use std::fmt;

use crate::message;
use crate::urls;

/// The port that NATS has.
const PORT: u16 = 4222;

/// The servers of a broker, in the order in which they are tried.
#[derive(Clone, PartialEq, Eq)]
pub struct Servers {
    all: Vec<Server>,
    /// Whether a server that speaks no TLS is none of ours.
    pub(super) is_secure: bool,
    login: Option<(String, Option<String>)>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// An IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Without user name and password.
impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl Servers {
    /// Reads a list of servers, parted by commas or blanks. Scheme and user may stand once, before the first.
    ///
    /// # Errors
    /// What is wrong, in words that do not repeat the text: a password may stand in it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut servers = Self { all: Vec::new(), is_secure: false, login: None };
        for word in text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()) {
            let rest = match word.split_once("://") {
                Some((scheme @ ("nats" | "tls"), rest)) => {
                    servers.is_secure |= scheme == "tls";
                    rest
                }
                Some(_) => return Err(message::via_scheme()),
                None if servers.all.is_empty() => return Err(message::via_scheme()),
                None => word,
            };
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
            if let Some(login) = login {
                let (user, password) = login.split_once(':').map_or((login, None), |(user, it)| (user, Some(it)));
                servers.login = Some((decoded(user)?, password.map(decoded).transpose()?));
            }
            servers.all.push(server(place)?);
        }
        if servers.all.is_empty() { Err(message::via_empty()) } else { Ok(servers) }
    }

    /// User name and, where it stands there too, password.
    pub fn login(&self) -> Option<(&str, Option<&str>)> {
        self.login.as_ref().map(|(user, password)| (user.as_str(), password.as_deref()))
    }

    /// Scheme, hosts and ports, all that people are shown.
    pub fn origin(&self) -> String {
        let scheme = if self.is_secure { "tls" } else { "nats" };
        let all: Vec<_> = self.all.iter().map(Server::to_string).collect();
        format!("{scheme}://{}", all.join(","))
    }

    pub(super) fn all(&self) -> &[Server] {
        &self.all
    }
}

fn server(place: &str) -> Result<Server, &'static str> {
    let (host, port) = match place.strip_prefix('[').map(|rest| rest.split_once(']').ok_or(message::via_host())) {
        Some(split) => {
            let (host, rest) = split?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(message::via_host());
            }
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(message::via_host())?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_of_host) {
        return Err(message::via_host());
    }
    let is_number = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        Some(text) => Some(text).filter(is_number).and_then(|text| text.parse().ok()).filter(|port| *port != 0),
        None => Some(PORT),
    };
    Ok(Server { host: host.to_owned(), port: port.ok_or(message::via_port())? })
}

/// What stands percent-encoded in a URL.
fn decoded(text: &str) -> Result<String, &'static str> {
    let bytes = urls::percent_decoded(text);
    String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control)).ok_or(message::via_login())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_user_stand_once() {
        let servers = Servers::parse("nats://git:p%40ss@a.example:4223,b,[::1]:9 tls://c/").unwrap();
        assert_eq!(servers.login(), Some(("git", Some("p@ss"))));
        assert_eq!(servers.origin(), "tls://a.example:4223,b:4222,[::1]:9,c:4222");
        assert_eq!(format!("{servers:?}"), servers.origin());
        assert_eq!(Servers::parse("nats://token@a").unwrap().login(), Some(("token", None)));
    }

    #[test]
    fn what_is_no_server_is_an_error() {
        for text in [
            "",
            " , ",
            "a",
            "http://a",
            "nats://",
            "nats://a,http://b",
            "nats://a:0",
            "nats://a:65536",
            "nats://a:+1",
            "nats://a:",
            "nats://[::1",
            "nats://[::1]x",
            "nats://[x]",
            "nats://a/b",
            "nats://a?b",
            "nats://a%00b",
            "nats://%ff@a",
            "nats://%0a@a",
            "nats://a:1:2",
            "nats://é",
        ] {
            assert!(Servers::parse(text).is_err(), "{text}");
        }
    }
}
