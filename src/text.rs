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

    #[test]
    fn foreign_text_is_made_safe() {
        assert_eq!(sanitise("a\x1b]0;x\x07"), "a\\u{1b}]0;x\\u{7}");
        assert_eq!(sanitise("\u{202e}\u{200b}\u{9b}e\u{301}"), "\\u{202e}\\u{200b}\\u{9b}e\\u{301}");
        assert_eq!(sanitise("a\r\nb\t"), "a\\r\\nb\\t");
        assert_eq!(sanitise(r#"$(id) `x` 'é' "日本" \n 🦀"#), r#"$(id) `x` 'é' "日本" \n 🦀"#);
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
}
