//! Takes out of what a receiver says what is secret of its target, since it reaches the log and the terminal.

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::message;
use crate::signature;
use crate::target::{Address, Target};
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
    message::redirect_to(origin + path)
}

pub(super) fn told_headers(headers: &HeaderMap, secrets: &[String]) -> Vec<(String, String)> {
    let shown = |(name, value): (&HeaderName, &HeaderValue)| {
        // A session is the receiver's secret; where a redirect leads is told with the failure, less what is ours.
        let is_secret = ["set-cookie", "location"].contains(&name.as_str());
        let value = if is_secret { "…".into() } else { without(&String::from_utf8_lossy(value.as_bytes()), secrets) };
        (without(name.as_str(), secrets), shorten(value, KEPT_OF_HEADER))
    };
    headers.iter().take(KEPT_HEADERS).map(shown).collect()
}

/// What must not reach the log, in the forms in which receivers repeat it.
pub(super) fn secrets(target: &Target) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut secrets = Vec::new();
    for (_, value) in &target.headers {
        secrets.push(value.clone());
        // The token of `Bearer <token>`.
        secrets.extend(value.split_whitespace().skip(1).map(String::from));
    }
    secrets.extend(target.secret.iter().map(|secret| text(secret.expose())));
    if let Some((user, password)) = target.address.credentials() {
        let authorization = signature::basic_authorization(user, password);
        secrets.push(text(password));
        secrets.extend(authorization.split_whitespace().map(String::from));
    }
    if let Ok(uri) = target.address.dial().parse::<Uri>() {
        let values =
            uri.query().unwrap_or_default().split('&').map(|pair| pair.split_once('=').map_or(pair, |it| it.1));
        let parts: Vec<_> = uri.path().split('/').chain(uri.query()).chain(values).map(String::from).collect();
        let decoded = parts.iter().map(|part| text(&percent_encoding::percent_decode_str(part).collect::<Vec<_>>()));
        secrets.extend(decoded);
        secrets.extend(parts);
    }
    // `Basic` is no secret, and neither is what is in every other word.
    secrets.retain(|secret| secret.len() >= SHORTEST_SECRET && secret != "Basic");
    // The whole before its parts.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

/// Shorter ones stand in half of all texts; taking them out would leave nothing to read.
const SHORTEST_SECRET: usize = 4;

/// The text with `…` in place of each secret, be it in capitals or not: names of headers come without.
pub(super) fn without(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        let mut rest = String::with_capacity(text.len());
        let mut end = 0;
        for (start, found) in text.to_ascii_lowercase().match_indices(&secret.to_ascii_lowercase()) {
            rest += &text[end..start];
            rest.push('…');
            end = start + found.len();
        }
        rest += &text[end..];
        text = rest;
    }
    text
}
