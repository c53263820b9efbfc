//! Words of a shell command: written so that a shell reads them as they are, and read as a shell would.

/// One word of a shell command.
pub(super) fn quote(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The first word of a command, as sh, cron and systemd write words alike: quotes, backslashes, `%` doubled or escaped.
pub(super) fn first_word(text: &str) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if quote != Some('\'') => word.extend(rest.next()),
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            '%' => {
                rest.next_if_eq(&'%');
                word.push('%');
            }
            _ if quote.is_none() && (c.is_whitespace() || ";&|>".contains(c)) => break,
            _ => word.push(c),
        }
    }
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_more_into_it() {
        assert_eq!(
            ["a/b.git", "a b", "it's", "$(id)", ""].map(quote),
            ["a/b.git", "'a b'", r"'it'\''s'", "'$(id)'", "''"]
        );
    }

    #[test]
    fn what_is_quoted_is_read_as_it_was() {
        for word in ["a/b.git", "a b", "it's", "$(id)", "x;y", "\\"] {
            assert_eq!(first_word(&quote(word)).as_deref(), Some(word));
        }
    }
}
