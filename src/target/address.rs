//! Where a target's receiver is: a URL that two parsers read alike.

use std::net::IpAddr;

use url::{Position, Url};

use crate::message;

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
        if is_cut_in_password(authority, &rest[authority.len()..]) {
            return Err(message::url_password());
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
        // What other parsers take for the end of a host, or for none at all.
        let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if url.domain().is_some_and(|host| !host.bytes().all(is_of_host)) {
            return Err(message::url_unreadable());
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

    /// Reads the value of `webhook.<name>.proxy`, where a user name and password may stand too.
    ///
    /// # Errors
    /// As for a receiver's, and where it is not that of an HTTP proxy.
    pub fn parse_proxy(text: &str) -> Result<Self, &'static str> {
        let address = Self::parse(text)?;
        let is_bare = address.url.path() == "/" && address.url.query().is_none();
        if address.is_https() || !is_bare { Err(message::no_proxy()) } else { Ok(address) }
    }

    /// Host and port, as `CONNECT` and `webhook.allowedHosts` have them.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host(), self.port().unwrap_or_default())
    }

    /// Host and port as the `Host` header has them: without a port that is the scheme's own.
    pub fn host_and_port(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// The URL to dial, without user name and password. For the transport alone: people see [`Self::origin`].
    pub fn dial(&self) -> &str {
        self.url.as_str()
    }

    /// What of that stands behind host and port.
    pub fn behind_authority(&self) -> &str {
        &self.url[Position::AfterPort..]
    }

    /// The URL with user name and password, for who may read the configuration that it stands in.
    pub fn whole(&self) -> String {
        let Some((user, password)) = self.credentials() else { return self.url.to_string() };
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        let mut url = self.url.clone();
        // Both fail only for URLs without a host, which this one has.
        let _ = url.set_username(&text(user));
        let _ = url.set_password(Some(&text(password)).filter(|password| !password.is_empty()).map(String::as_str));
        url.to_string()
    }

    /// The same with further segments behind the path, and pairs behind the query but for those that it has already; all of them
    /// are encoded, so that server and what stands there stay what was judged.
    pub fn dial_with(&self, segments: &[String], query: &[(&str, String)]) -> String {
        let mut url = self.url.clone();
        if !segments.is_empty()
            && let Ok(mut path) = url.path_segments_mut()
        {
            path.pop_if_empty().extend(segments);
        }
        let known: Vec<String> = self.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        for (name, value) in query.iter().filter(|(name, _)| !known.iter().any(|other| other == name)) {
            url.query_pairs_mut().append_pair(name, value);
        }
        url.into()
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

    /// The path, percent-encoded. It may be a secret.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The host to dial, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port to dial, the scheme's own where the URL names none.
    pub fn port(&self) -> Option<u16> {
        self.url.port_or_known_default()
    }

    /// Whether it is this machine itself, as far as the name tells.
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// Whether TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// Whether `user:password@` or `token@` seems to go on behind the character that ends the authority: an `@` in what follows a `?` or
/// `#` right behind it, or behind a `/` where what stands before is no port.
fn is_cut_in_password(authority: &str, rest: &str) -> bool {
    if authority.contains('@') || !rest.contains('@') {
        return false;
    }
    let port = authority.rsplit_once(':').filter(|_| !authority.ends_with(']')).map(|(_, port)| port);
    rest.starts_with(['?', '#']) || port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()))
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
            "http://a`b/",
            "http://a'b/",
            "http://a!b/",
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
    fn a_password_that_ends_the_authority_is_named() {
        for text in [
            "http://u:p#s@h/",
            "http://u:p?s@h/x",
            "https://u:p/s@h/",
            "http://u:12#3@h/",
            "http://u:12?3@h/",
            "http://alice:2024?x=S@h/",
            "http://token?x@h/",
            "http://token#e@h/",
            "http://h:80?mail=a@b",
        ] {
            assert_eq!(Address::parse(text).err(), Some(message::url_password()), "{text}");
        }
        for text in
            ["http://h:80/a@b", "http://h:80/?mail=a@b", "http://h/?a@b", "http://u:p@h/#x@y", "http://[::1]:80/@"]
        {
            assert!(Address::parse(text).is_ok(), "{text}");
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
    fn bad_255_international_names_become_ascii() {
        let address = Address::parse("http://例え.invalid/x").unwrap();
        assert_eq!(address.origin(), "http://xn--r8jz45g.invalid");
    }
}
