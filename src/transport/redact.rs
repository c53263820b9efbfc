//! Takes out of what a receiver says what is secret of its target, since it reaches the log and the terminal.

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::secrets::Secrets;
use crate::message;
use crate::target::Address;
use crate::text::shorten;

/// How much of an answer's headers is kept: of each so many bytes, and so many of them.
const KEPT_OF_HEADER: usize = 256;
const KEPT_HEADERS: usize = 32;

/// Where a redirect leads, without its query, and without its path where that has a part in common with ours: what
/// stands there can be the secret, as with Slack and Jenkins, and the commonest redirect is the same URL with https.
pub(super) fn elsewhere(location: &HeaderValue, address: &Address) -> String {
    let (Ok(to), Ok(own)) = (Uri::try_from(location.as_bytes()), address.dial().parse::<Uri>()) else {
        return message::redirect_unreadable().into();
    };
    let port = to.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let origin = match (to.scheme_str(), to.host()) {
        (Some(scheme), Some(host)) => format!("{scheme}://{host}{port}"),
        _ => String::new(),
    };
    let is_ours = |part: &str| !part.is_empty() && own.path().split('/').any(|own| own == part);
    let path = if to.path().split('/').any(is_ours) { "/…" } else { to.path() };
    let address = origin + path;
    match difference(&to, &own) {
        Some(what) => message::redirect_to_as(address, what),
        None => message::redirect_to(address),
    }
}

/// What is different about the address that a redirect leads to, where that can be said in a few words.
fn difference(to: &Uri, own: &Uri) -> Option<&'static str> {
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    let is_https = |uri: &Uri| uri.scheme_str() == Some("https");
    if to.host().is_some() && host(to) != host(own) {
        return Some(message::another_host());
    }
    let is_alike = to.path() == own.path() && to.query() == own.query();
    if to.host().is_some() && is_https(to) && !is_https(own) {
        return is_alike.then(message::with_https);
    }
    let has_slash = to.path().strip_suffix('/') == Some(own.path()) && to.query() == own.query();
    has_slash.then(message::with_slash)
}

pub(super) fn told_headers(headers: &HeaderMap, secrets: &Secrets) -> Vec<(String, String)> {
    let shown = |(name, value): (&HeaderName, &HeaderValue)| {
        // A session is the receiver's secret; where a redirect leads is told with the failure, less what is ours.
        let is_secret = ["set-cookie", "location"].contains(&name.as_str());
        let value = if is_secret { "…".into() } else { secrets.hide(&String::from_utf8_lossy(value.as_bytes())) };
        (secrets.hide(name.as_str()), shorten(value, KEPT_OF_HEADER))
    };
    headers.iter().take(KEPT_HEADERS).map(shown).collect()
}
