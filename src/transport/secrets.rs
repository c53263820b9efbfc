//! What is secret of a target, found again in what its receiver says: as it is, and as programs write it.

use std::cell::Cell;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use ureq::http::Uri;

use crate::signature;
use crate::target::{Address, Target};
use crate::text::hex;

/// Shorter ones stand in half of all texts; taking them out would leave nothing to read.
const SHORTEST: usize = 4;

/// A word of a header or a part of a URL's path is one from this length on.
const LONG: usize = 8;

/// `\ud834\udd1e`.
const LONGEST_ESCAPE: usize = 12;

/// So many characters are compared with those of secrets in all texts of one answer; each takes some hundred nanoseconds.
const MOST_STEPS: usize = 1_000_000;

/// What must not reach the log.
pub(super) struct Secrets {
    forms: Vec<Form>,
    /// The places of those that begin with a character, in small letters.
    by_first: HashMap<char, Vec<usize>>,
    /// Of [`MOST_STEPS`].
    left: Cell<usize>,
}

/// One form of one secret, each character of which may be written as it is or escaped.
struct Form {
    chars: Vec<char>,
    /// Whether it is an encoding, which programs wrap into lines and set in groups.
    is_wrapped: bool,
    /// Whether capitals make no difference: names of headers come without.
    is_caseless: bool,
}

impl Secrets {
    /// The secrets of a target: its token, keys and headers, and of its URL user name, password and each part of path and
    /// query, which are the secret of Slack's and Jenkins' URLs.
    pub(super) fn of(target: &Target) -> Self {
        let mut secrets: Vec<Vec<u8>> = Vec::new();
        for (_, value) in &target.headers {
            secrets.push(value.clone().into());
            // The token of `Bearer <token>`.
            secrets.extend(value.split_whitespace().skip(1).map(Into::into));
            secrets.extend(long_parts(value, " ;,=\""));
            if let Some((user, password)) = signature::basic_credentials(value) {
                secrets.extend([user, password]);
            }
        }
        secrets.extend(target.secret.iter().map(|secret| secret.expose().to_owned()));
        for secret in &target.signing_secrets {
            secrets.push(secret.expose().to_owned());
            secrets.push(secret.encoded().into());
        }
        let proxy = target.proxy.as_ref().and_then(Address::credentials);
        for (user, password) in target.address.credentials().into_iter().chain(proxy) {
            secrets.extend([user.to_owned(), password.to_owned()]);
            let authorization = signature::basic_authorization(user, password);
            secrets.extend(authorization.split_whitespace().skip(1).map(Into::into));
        }
        if let Ok(uri) = target.address.dial().parse::<Uri>() {
            let query = uri.query().unwrap_or_default();
            let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |pair| pair.1));
            for part in uri.path().split('/').chain([query]).chain(values) {
                secrets.push(percent_decode_str(part).collect());
                secrets.push(part.into());
                secrets.extend(long_parts(part, ";,="));
            }
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        secrets.sort();
        secrets.dedup();
        Self::of_forms(secrets.iter().flat_map(|secret| forms(secret)).collect())
    }

    fn of_forms(forms: Vec<Form>) -> Self {
        let mut by_first: HashMap<char, Vec<usize>> = HashMap::new();
        for (at, form) in forms.iter().enumerate() {
            let Some(first) = form.chars.first() else { continue };
            by_first.entry(in_small(*first)).or_default().push(at);
        }
        Self { forms, by_first, left: Cell::new(MOST_STEPS) }
    }

    /// The text with `…` in place of each secret.
    pub(super) fn hide(&self, text: &str) -> String {
        self.hide_in(text, false)
    }

    /// The same for a text that ends anywhere: the beginning of a secret at its end is hidden too.
    pub(super) fn hide_cut(&self, text: &str) -> String {
        self.hide_in(text, true)
    }

    /// Who has chosen the secrets may have chosen the text as well, so that each place of it begins many that go on for long: what
    /// takes too much of the push's time is hidden whole.
    fn hide_in(&self, text: &str, is_cut: bool) -> String {
        let mut hidden = String::with_capacity(text.len());
        let (mut at, mut left) = (0, self.left.get());
        while let Some(next) = text[at..].chars().next() {
            // Most places begin no secret.
            let read = readings(&text[at..]);
            let begun = read.iter().flatten().filter_map(|(read, _)| self.by_first.get(&in_small(*read))).flatten();
            let begun = begun.map(|at| &self.forms[*at]).filter(|form| form.begins_with(&read));
            let end = begun.filter_map(|form| form.end(text, at, is_cut, &mut left)).max();
            self.left.set(left);
            if left == 0 {
                return "…".into();
            }
            match end {
                Some(end) => {
                    hidden.push('…');
                    at = end;
                }
                None => {
                    hidden.push(next);
                    at += next.len_utf8();
                }
            }
        }
        hidden
    }
}

/// By what forms are found that do not look at capitals.
fn in_small(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// As it is, backwards, in hexadecimal, and what of it stands in any base64 that holds it.
fn forms(secret: &[u8]) -> impl Iterator<Item = Form> {
    let text = String::from_utf8_lossy(secret).into_owned();
    let backwards = text.chars().rev().collect();
    let plain = [text, backwards].into_iter().map(|text| (text, true, false));
    let encoded = std::iter::once((hex(secret), true, true));
    let encoded = encoded.chain(signature::base64_pieces(secret).into_iter().map(|text| (text, false, true)));
    let form = |(text, is_caseless, is_wrapped): (String, bool, bool)| Form {
        chars: text.chars().collect(),
        is_caseless,
        is_wrapped,
    };
    plain.chain(encoded).map(form).filter(|form| form.chars.len() >= SHORTEST)
}

impl Form {
    /// Where this form ends that begins at a place of the text; `None` where it does not begin there.
    ///
    /// A character has few readings, and places that were reached in two ways are one: the time is at most the product of
    /// both lengths.
    fn end(&self, text: &str, at: usize, is_cut: bool, left: &mut usize) -> Option<usize> {
        let mut places = vec![at];
        for (number, wanted) in self.chars.iter().enumerate() {
            *left = left.saturating_sub(places.len());
            if *left == 0 {
                return None;
            }
            if is_cut && number >= SHORTEST && places.last() == Some(&text.len()) {
                break;
            }
            if self.is_wrapped && number > 0 {
                places.iter_mut().for_each(|place| *place += gap(&text[*place..]));
            }
            // What is left begins an escape that is cut.
            if is_cut && number >= SHORTEST && places.iter().any(|place| is_cut_escape(&text[*place..])) {
                return Some(text.len());
            }
            let next = places.iter().flat_map(|place| {
                let readings = readings(&text[*place..]).into_iter().flatten();
                readings.filter(|(read, _)| self.is_alike(*read, *wanted)).map(|(_, length)| *place + length)
            });
            places = next.collect();
            places.sort_unstable();
            places.dedup();
            if places.is_empty() {
                return None;
            }
        }
        places.pop()
    }

    fn begins_with(&self, read: &[Option<(char, usize)>]) -> bool {
        let first = self.chars.first();
        first.is_some_and(|first| read.iter().flatten().any(|(read, _)| self.is_alike(*read, *first)))
    }

    fn is_alike(&self, one: char, other: char) -> bool {
        one == other || self.is_caseless && one.to_lowercase().eq(other.to_lowercase())
    }
}

/// Parts of a secret that are long enough to be one: `session=<secret>`, `Token token="<secret>"`.
fn long_parts<'t>(text: &'t str, between: &'t str) -> impl Iterator<Item = Vec<u8>> + 't {
    text.split(|c| between.contains(c)).filter(|part| part.len() >= LONG).map(Into::into)
}

/// The white space that wraps an encoding, be it written as JSON writes it.
fn gap(text: &str) -> usize {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let rest = ["\\r\\n", "\\n"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
    text.len() - rest.len()
}

/// Whether this is the beginning of an escape, and no more of it is there.
fn is_cut_escape(text: &str) -> bool {
    let is_begun = text.starts_with(['%', '\\', '&']) && text.len() < LONGEST_ESCAPE;
    is_begun
        && readings(text)[1].is_none()
        && text.chars().skip(1).all(|c| c.is_ascii_alphanumeric() || "#\\%".contains(c))
}

/// What the beginning of a text may stand for, and how many bytes of it do: the character itself, and what an escape of
/// URLs, forms, JSON or HTML means.
fn readings(text: &str) -> [Option<(char, usize)>; 2] {
    let first = text.chars().next();
    let escaped = match first {
        Some('%') => percent_encoded(text),
        Some('+') => Some((' ', 1)),
        Some('\\') => backslashed(text),
        Some('&') => entity(text),
        _ => None,
    };
    [first.map(|first| (first, first.len_utf8())), escaped]
}

/// `%2F`, and as many of them as the character has bytes.
fn percent_encoded(text: &str) -> Option<(char, usize)> {
    let bytes = text.as_bytes().chunks(3).map_while(|chunk| match chunk {
        [b'%', digits @ ..] => number(std::str::from_utf8(digits).ok()?, 2, 16).and_then(|byte| byte.try_into().ok()),
        _ => None,
    });
    let bytes: Vec<u8> = bytes.take(4).collect();
    let length = (1..=bytes.len()).find(|length| std::str::from_utf8(&bytes[..*length]).is_ok())?;
    let read = std::str::from_utf8(&bytes[..length]).ok()?.chars().next()?;
    Some((read, 3 * length))
}

/// `\/`, `\x2f`, `\u002f`, and two of those for what has more than 16 bits (RFC 8259, section 7).
fn backslashed(text: &str) -> Option<(char, usize)> {
    let escape = text.get(1..2)?;
    let unit = |at: usize| text.get(at..at + 6)?.strip_prefix("\\u").and_then(|digits| number(digits, 4, 16));
    match escape {
        "x" => Some((char::from_u32(number(text.get(2..4)?, 2, 16)?)?, 4)),
        "u" => match (unit(0)?, unit(6)) {
            (high @ 0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) => {
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).map(|read| (read, 12))
            }
            (unit, _) => char::from_u32(unit).map(|read| (read, 6)),
        },
        "n" | "r" | "t" => None,
        other => other.chars().next().map(|read| (read, 2)),
    }
}

/// `&amp;`, `&#38;`, `&#x26;`.
fn entity(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let name = &text[1..end];
    let read = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => number(digits, digits.len(), 16),
                None => number(digits, digits.len(), 10),
            };
            char::from_u32(number?)?
        }
    };
    Some((read, end + 1))
}

/// So many digits; `from_str_radix` takes a sign too.
fn number(digits: &str, count: usize, radix: u32) -> Option<u32> {
    let is_plain = digits.len() == count && digits.chars().all(|digit| digit.is_digit(radix));
    is_plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a/b+c=d \"e&f<g'h\\é𝄞%ij";

    fn hidden(secret: &str, text: &str) -> String {
        Secrets::of_forms(forms(secret.as_bytes()).collect()).hide(text)
    }

    fn each(escape: impl Fn(char) -> String) -> String {
        SECRET.chars().map(escape).collect()
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let bytes = |c: char| c.to_string().into_bytes();
        let escaped = |c: char| c.to_string().encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
        for text in [
            SECRET.to_owned(),
            SECRET.to_uppercase(),
            SECRET.chars().rev().collect(),
            each(|c| bytes(c).iter().map(|byte| format!("%{byte:02X}")).collect()),
            each(|c| bytes(c).iter().map(|byte| format!("%{byte:02x}")).collect()),
            each(|c| if c == ' ' { "+".into() } else { bytes(c).iter().map(|byte| format!("%{byte:02X}")).collect() }),
            serde_json::to_string(SECRET).unwrap().trim_matches('"').to_owned(),
            serde_json::to_string(SECRET).unwrap().trim_matches('"').replace('/', "\\/"),
            each(escaped),
            each(|c| format!("&#{};", c as u32)),
            each(|c| format!("&#x{:X};", c as u32)),
            SECRET.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&apos;"),
            hex(SECRET.as_bytes()),
            hex(SECRET.as_bytes()).to_uppercase(),
        ] {
            assert_eq!(hidden(SECRET, &format!("<{text}>")), "<…>", "{text}");
        }
        // What the characters around it share with it says less than one of them.
        for before in ["", "x", "xy", "xyz"] {
            let text = signature::base64(format!("{before}{SECRET}z").as_bytes());
            let left = hidden(SECRET, &text);
            assert!(left.contains('…') && left.chars().count() < 12, "{left}");
            let left = hidden(SECRET, &text.replace('+', "-").replace('/', "_"));
            assert!(left.contains('…') && left.chars().count() < 12, "{left}");
        }
    }

    #[test]
    fn a_secret_that_is_wrapped_or_cut_is_found() {
        let long = "a-secret-that-is-longer-than-a-line-of-base64-or-of-hexadecimal-has-room-for-it";
        for (text, width) in [(signature::base64(long.as_bytes()), 76), (hex(long.as_bytes()), 60)] {
            for end in ["\n", "\r\n", "\\n", " "] {
                let lines: Vec<_> =
                    text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
                let left = hidden(long, &lines.join(end));
                assert!(left.contains('…') && left.chars().count() < 12, "{left}");
            }
        }
        for cut in ["tok%65%6", "tok%65%", "&#116;&#111;&#107;&#101;&#110", "tok\\u0065\\u006", "tok\\u0065\\"] {
            assert_eq!(Secrets::of_forms(forms(b"token").collect()).hide_cut(cut), "…", "{cut}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        assert_eq!(hidden("token", "no such tok, \\u00 %4 &#; &x; % & \\"), "no such tok, \\u00 %4 &#; &x; % & \\");
        assert_eq!(hidden("token", "tok%65n; TOKEN\ntoke"), "…; …\ntoke");
        let cut = Secrets::of_forms(forms(b"token").collect());
        assert_eq!(cut.hide_cut("tok%65n; TOKEN\ntoke"), "…; …\n…");
        assert_eq!(hidden("%25%41", "%25%41 %2525%2541"), "… …");
    }

    /// Where looking takes too long nothing is shown.
    #[test]
    fn what_would_take_too_long_is_hidden_whole() {
        let secret = "a".repeat(7000) + "b";
        assert_eq!(hidden(&secret, &"a".repeat(16 * 1024)), "…");
        // All texts of an answer have one amount of time.
        let secrets = Secrets::of_forms(forms(secret.as_bytes()).collect());
        assert_eq!(secrets.hide("200 OK"), "200 OK");
        assert_eq!([secrets.hide(&"a".repeat(16 * 1024)), secrets.hide("200 OK")], ["…", "…"]);
        let few = "a".repeat(20) + "b";
        assert_eq!(hidden(&few, &format!("{few} {}", "a".repeat(1024))), format!("… {}", "a".repeat(1024)));
    }

    /// Both the secret and the answer may be anybody's.
    #[test]
    fn many_readings_do_not_add_up() {
        let text = "\\".repeat(16 * 1024);
        assert_eq!(hidden(&"\\".repeat(200), &text).trim_matches('…').len(), 0);
    }
}
