//! Takes out of what a receiver says what is secret of its target, since it reaches the log and the terminal.

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::secrets::Secrets;
use crate::text::shorten;

/// How much of an answer's headers is kept: of each so many bytes, and so many of them.
const KEPT_OF_HEADER: usize = 256;
const KEPT_HEADERS: usize = 32;

pub(super) fn told_headers(headers: &HeaderMap, secrets: &Secrets) -> Vec<(String, String)> {
    let shown = |(name, value): (&HeaderName, &HeaderValue)| {
        // A session is the receiver's secret; where a redirect leads is told with the failure, less what is ours.
        let is_secret = ["set-cookie", "location"].contains(&name.as_str());
        let value = if is_secret { "…".into() } else { secrets.hide(&String::from_utf8_lossy(value.as_bytes())) };
        (secrets.hide(name.as_str()), shorten(value, KEPT_OF_HEADER))
    };
    headers.iter().take(KEPT_HEADERS).map(shown).collect()
}
