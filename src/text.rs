//! Text of others, made fit to be shown, compared and cut.

/// Makes text safe for a terminal: control characters, escapes, characters that turn the writing direction or cannot be
/// seen, and combining ones (two names may look alike) become `\u{…}`. git passes hook output on unfiltered.
pub fn sanitise(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\'' | '"' | '\\') {
            safe.push(c);
        } else {
            safe.extend(c.escape_debug());
        }
    }
    safe
}

/// Whether a terminal does something on reading this character or shows nothing of it, U+009B or U+202E say.
fn is_obeyed(c: char) -> bool {
    // Behind a letter only those are escaped, and no combining ones.
    !matches!(c, ' '..='~') && ['a', c].iter().collect::<String>().escape_debug().count() > 2
}

/// JSON without characters that a terminal obeys: they can stand in strings alone, and there as an escape.
pub fn json_for_terminal(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_obeyed(c) {
            safe.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Lines of which each part was made safe, with these codes for a terminal in them. What was forgotten becomes safe here.
pub fn lines_for_terminal(text: &str, codes: &[&str]) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let code = codes.iter().find(|code| !code.is_empty() && rest.starts_with(**code));
        let length = code.map_or(c.len_utf8(), |code| code.len());
        if code.is_some() || c == '\n' || !is_obeyed(c) {
            safe += &rest[..length];
        } else {
            safe.extend(c.escape_debug());
        }
        rest = &rest[length..];
    }
    safe
}

/// Cuts text that is longer than `longest` bytes, between two characters, and marks the cut with `…`.
pub fn shorten(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Bytes in hexadecimal, in small letters.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The letters of base32 (RFC 4648, section 6).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Bytes in base32, in capitals and without padding.
pub fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((8 * bytes.len()).div_ceil(5));
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(held >> bits & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(BASE32[(held << (5 - bits) & 31) as usize]));
    }
    text
}

/// What stands there in base32, in capitals and without padding; `None` where that is none.
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.bytes() {
        held = held << 5 | u32::try_from(BASE32.iter().position(|known| *known == letter)?).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
        held &= (1 << bits) - 1;
    }
    (bits < 5 && held == 0).then_some(bytes)
}

/// Whether `subject` matches `pattern`, in which `*` is any run of bytes and `one`, where there is one, any single byte.
///
/// On a mismatch only the last `*` is widened, so the time is at most the product of the lengths: a pattern cannot be
/// made to hang.
pub fn glob(pattern: &[u8], subject: &[u8], one: Option<u8>) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while from < subject.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == subject[from] || Some(*byte) == one => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((star_at, star_from)) = star else { return false };
                star = Some((star_at, star_from + 1));
                at = star_at + 1;
                from = star_from + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever text it is, a terminal obeys nothing of what is shown of it, and JSON says the same as before.
        #[test]
        fn nothing_that_a_terminal_obeys_is_left(text in any::<String>(), odd in "[\\x00-\\x1f\\x7f-\\u{9f}\\u{200b}-\\u{202e}\\u{300}-\\u{310}a]{0,12}") {
            let text = text + &odd;
            prop_assert!(!sanitise(&text).chars().any(is_obeyed));
            let json = serde_json::to_string(&text).unwrap();
            let safe = json_for_terminal(&json);
            prop_assert!(!safe.chars().any(|c| c != '\n' && is_obeyed(c)), "{safe:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text.clone());
            prop_assert!(!lines_for_terminal(&text, &[]).chars().any(|c| c != '\n' && is_obeyed(c)));
        }
    }

    #[test]
    fn foreign_text_is_made_safe() {
        assert_eq!(sanitise("a\x1b]0;x\x07"), "a\\u{1b}]0;x\\u{7}");
        assert_eq!(sanitise("\u{202e}\u{200b}\u{9b}e\u{301}"), "\\u{202e}\\u{200b}\\u{9b}e\\u{301}");
        assert_eq!(sanitise("a\r\nb\t"), "a\\r\\nb\\t");
        assert_eq!(sanitise(r#"$(id) `x` 'é' "日本" \n 🦀"#), r#"$(id) `x` 'é' "日本" \n 🦀"#);
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped_at_the_door() {
        let text = "e\u{301} 日本 🦀 \u{9b}31m\u{202e}\u{200b}\u{7f}\u{2028}\u{e0041}\x1b[31mred\x1b[0m";
        assert_eq!(
            json_for_terminal(&serde_json::to_string(text).unwrap()),
            "\"e\u{301} 日本 🦀 \\u009b31m\\u202e\\u200b\\u007f\\u2028\\udb40\\udc41\\u001b[31mred\\u001b[0m\""
        );
        assert_eq!(
            lines_for_terminal("a\n\x1b[31mb\x1b[0m\x1b[2Jc\rd\u{9b}", &["", "\x1b[31m", "\x1b[0m"]),
            "a\n\x1b[31mb\x1b[0m\\u{1b}[2Jc\\rd\\u{9b}"
        );
        for c in '\0'..=char::MAX {
            let json = serde_json::to_string(&c).unwrap();
            let safe = json_for_terminal(&json);
            assert_eq!(serde_json::from_str::<char>(&safe).unwrap(), c);
            assert!(safe.chars().all(|c| !c.is_control() && !is_obeyed(c)), "{safe}");
        }
    }

    #[test]
    fn a_pattern_is_any_run_and_any_one() {
        let matches = |pattern: &str, subject: &str| glob(pattern.as_bytes(), subject.as_bytes(), Some(b'?'));
        assert!(matches("GIT_*", "GIT_DIR") && matches("*", "HOME") && matches("H?ME", "HOME") && matches("", ""));
        assert!(!matches("GIT_PROTOCOL", "GIT_DIR") && !matches("LC_*", "HOME") && !matches("HOM", "HOME"));
        assert!(!glob(b"H?ME", b"HOME", None) && glob(b"a*b*c", b"abxbc", None) && !glob(b"a*b*c", b"acb", None));
        // One that tries all ways would need years.
        assert!(!glob("*a".repeat(40).as_bytes(), "a".repeat(39).as_bytes(), None));
    }

    #[test]
    fn stars_match_any_run_and_never_hang() {
        assert!(glob(b"a*b*c", b"aXXbYYbc", None));
        assert!(glob(b"**", b"", None));
        assert!(!glob(b"a*", b"ba", None));
        assert!(!glob(b"", b"a", None));
        let hostile = "a*".repeat(40) + "b";
        assert!(!glob(hostile.as_bytes(), "a".repeat(60_000).as_bytes(), None));
    }

    /// RFC 4648, section 10.
    #[test]
    fn the_vectors_of_base32() {
        for (text, encoded) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ")] {
            assert_eq!(base32(text.as_bytes()), encoded);
            assert_eq!(from_base32(encoded), Some(text.into()));
        }
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
        for wrong in ["my", "M", "MY=", "MZ", "0"] {
            assert_eq!(from_base32(wrong), None, "{wrong}");
        }
    }
}
