//! In words, where a receiver's redirect leads.

use url::Url;

use super::Address;
use crate::message;

/// Where a redirect leads, without its query, and without its path where that has a part in common with ours: what
/// stands there can be the secret, as with Slack and Jenkins, and the commonest redirect is the same URL with https.
pub fn elsewhere(location: &[u8], address: &Address) -> String {
    let own = Url::parse(address.dial()).ok();
    let to = own.as_ref().zip(std::str::from_utf8(location).ok()).and_then(|(own, location)| own.join(location).ok());
    let (Some(own), Some(to)) = (own, to) else { return message::redirect_unreadable().into() };
    let origin = if to.origin() == own.origin() { String::new() } else { to.origin().ascii_serialization() };
    let is_ours = |part: &str| !part.is_empty() && own.path().split('/').any(|own| own == part);
    let path = if to.path().split('/').any(is_ours) { "/…" } else { to.path() };
    let address = origin + path;
    match difference(&to, &own) {
        Some(what) => message::redirect_to_as(address, what),
        None => message::redirect_to(address),
    }
}

/// What is different about the address that a redirect leads to, where that can be said in a few words.
fn difference(to: &Url, own: &Url) -> Option<String> {
    if to.host() != own.host() {
        return Some(message::another_host().into());
    }
    let mut with = Vec::new();
    if to.scheme() != own.scheme() {
        with.push(to.scheme().to_owned());
    }
    // The port of another scheme is another one, and needs no word where it is the usual one.
    if to.port() != own.port() && !(with.len() == 1 && to.port().is_none()) {
        with.push(message::with_port(to.port_or_known_default()?));
    }
    match (to.path().trim_end_matches('/'), own.path().trim_end_matches('/')) {
        _ if to.path() == own.path() => {}
        (to_bare, own_bare) if to_bare != own_bare => return None,
        _ if to.path().len() > own.path().len() => with.push(message::with_slash().into()),
        _ => with.push(message::with_no_slash().into()),
    }
    if to.query() != own.query() {
        with.push(message::with_another_query().into());
    }
    Some(if with.is_empty() { message::the_same().into() } else { message::the_same_with(with.join(" and ")) })
}
