//! Text of others in a chat message: it calls nobody, links nowhere and marks nothing up, in any of the chats that read Slack's
//! form.
//!
//! They do not agree on a way to escape: Slack shows the backslash that Markdown wants, and Discord and Mattermost read
//! Markdown. All of them show what stands between backticks as it is.

use crate::text::shorten;

/// Shown as nothing, and the end of a word: what begins like a mention or an address is none with this in it.
const BREAK: char = '\u{200b}';

/// At most so many bytes of a text, in one line.
pub(super) fn inert(text: &str, longest: usize) -> String {
    let text = text.replace(['\r', '\n', '\t'], " ");
    let text = shorten(text.trim().to_owned(), longest);
    let safe = broken(&text);
    // An apostrophe that looks like a backtick, which would end the code.
    if is_marked_up(&text) { format!("`{}`", safe.replace('`', "\u{2cb}")) } else { safe }
}

/// Without mentions and addresses, and without the three characters that Slack reads as its own (`<!channel>`, `<@U1>`).
fn broken(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let before = &text[..at];
        if c == '/' && before.ends_with(':') {
            safe.push(BREAK);
        }
        if c == '.' && before.to_ascii_lowercase().ends_with("www") {
            safe.push(BREAK);
        }
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '@' => safe.extend(['@', BREAK]),
            c => safe.push(c),
        }
    }
    safe
}

/// Whether one of the chats would mark something up: emphasis, code, links, headings, lists, hidden text, emoji.
fn is_marked_up(text: &str) -> bool {
    text.contains(['*', '`', '~'])
        || text.contains("](")
        || text.contains("||")
        || text.starts_with(['#', '-', '+'])
        || has_emphasis(text)
        || has_emoji(text)
}

/// An underscore within a word is none: `snake_case`.
fn has_emphasis(text: &str) -> bool {
    let is_inner = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices('_')
        .any(|(at, _)| !is_inner(text[..at].chars().next_back()) || !is_inner(text[at + 1..].chars().next()))
}

/// `:name:`, which every chat has pictures for.
fn has_emoji(text: &str) -> bool {
    let mut words = text.split(':').skip(1).peekable();
    let is_name = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c));
    while let Some(word) = words.next() {
        if is_name(word) && words.peek().is_some() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        inert(text, 200).replace(BREAK, "^")
    }

    #[test]
    fn nobody_is_called() {
        assert_eq!(told("@everyone @here @all @channel @bob a@b.c"), "@^everyone @^here @^all @^channel @^bob a@^b.c");
        assert_eq!(told("<!channel> <@U1|x> & <#C1>"), "&lt;!channel&gt; &lt;@^U1|x&gt; &amp; &lt;#C1&gt;");
    }

    #[test]
    fn nothing_is_a_link() {
        assert_eq!(told("see https://evil.example www.evil.example"), "see https:^//evil.example www^.evil.example");
        assert_eq!(told("[click](https://evil.example)"), "`[click](https:^//evil.example)`");
        assert_eq!(told("WWW.x"), "WWW^.x");
    }

    #[test]
    fn nothing_is_marked_up() {
        for text in ["*bold*", "a ~~b~~", "_x_", "__init__", "||hidden||", "# big", "- item", "+1", ":tada: done"] {
            assert_eq!(told(text), format!("`{text}`"));
        }
        assert_eq!(told("use `x` ``y``"), "`use ˋxˋ ˋˋyˋˋ`");
        for text in ["snake_case is left", "fix: a thing", "C:\\x", "a|b", "x #3", "1 - 2", "it's"] {
            assert_eq!(told(text), text);
        }
    }

    #[test]
    fn a_text_is_one_line_of_so_many_bytes() {
        assert_eq!(told(" a\r\nb\tc "), "a  b c");
        assert_eq!(inert(&"x".repeat(300), 10), format!("{}…", "x".repeat(10)));
    }
}
