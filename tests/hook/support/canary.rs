//! Secrets that every test's target has, and that may be found nowhere: on no terminal, in no log, in no state.

use std::fs;
use std::path::Path;

use git_webhook::format::{self, Format};
use git_webhook::signature::{SigningSecret, base64, base64_pieces, sha256_hex};
use git_webhook::text::hex;

/// What each canary begins with, and nothing else does.
const MARK: &str = "leak-of-";

const HEADER: &str = "leak-of-the-header-0123456789";
const PASSWORD: &str = "leak-of-the-password-0123456789";
const PATH: &str = "leak-of-the-path-0123456789";
const QUERY: &str = "leak-of-the-query-0123456789";
const SECRET: &str = "leak-of-the-secret-0123456789";
const SIGNING: &str = "leak-of-the-signing-secret-01234";
const USER: &str = "leak-of-the-user-0123456789";

/// All of them.
pub const ALL: [&str; 7] = [HEADER, PASSWORD, PATH, QUERY, SECRET, SIGNING, USER];

/// An address with all that can be secret in one.
pub fn url(plain: &str) -> String {
    let url = plain.replacen("://", &format!("://{USER}:{PASSWORD}@"), 1);
    format!("{url}/{PATH}?token={QUERY}")
}

/// The other keys of a target that may be secret, where its format knows them.
pub fn keys(format: &str) -> Vec<(&'static str, String)> {
    let mut keys = vec![
        ("header", format!("X-Canary: {HEADER}")),
        ("signingSecret", format!("whsec_{}", base64(SIGNING.as_bytes()))),
    ];
    if format::find(format).is_some_and(Format::takes_secret) {
        keys.push(("secret", SECRET.into()));
    }
    debug_assert!(SigningSecret::parse(&keys[1].1).is_some());
    keys
}

/// Fails where a text holds a canary: as it is, in hexadecimal, in base64, or its digest.
#[track_caller]
pub fn is_nowhere_in(text: &[u8], place: &str) {
    let text = String::from_utf8_lossy(text).to_lowercase();
    let forms = [MARK.to_owned(), MARK.chars().rev().collect(), hex(MARK.as_bytes())];
    // A piece of base64 begins in the middle of a group.
    let forms = forms.into_iter().chain(base64_pieces(MARK.as_bytes()).into_iter().map(|piece| piece.to_lowercase()));
    let digests = ALL.iter().map(|canary| sha256_hex(canary.as_bytes()));
    for form in forms.chain(digests) {
        if let Some(at) = text.find(&form) {
            let start = (0..=at.saturating_sub(100)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            panic!("{place} holds a secret: …{}", text[start..].chars().take(300).collect::<String>());
        }
    }
}

/// Fails where a file below a directory holds a canary, but for those that are made to hold secrets.
pub fn is_nowhere_below(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !path.ends_with("webhook/secret") => is_nowhere_below(&path),
            Ok(kind) if kind.is_file() => is_nowhere_in(&fs::read(&path).unwrap_or_default(), &path.to_string_lossy()),
            _ => {}
        }
    }
}
