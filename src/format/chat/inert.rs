//! Text of others in a chat message: it calls nobody, links nowhere and marks nothing up.
//!
//! Those that read Slack's form do not agree on a way to escape: Slack shows the backslash that Markdown wants, and Discord and
//! Mattermost read Markdown. All of them show what stands between backticks as it is. Others know no code, and no escape either:
//! there a character that marks up is another one that looks like it.

/// Shown as nothing, and the end of a word: what begins like a mention or an address is none with this in it.
const BREAK: char = '\u{200b}';

/// For those that read Slack's form: its three characters are entities.
pub(in crate::format) fn coded_entities(text: &str) -> String {
    in_code(text, broken(text, entity))
}

/// For Discord: what begins with `<` and would be a person, a channel, an emoji or a time is none.
pub(in crate::format) fn coded(text: &str) -> String {
    in_code(text, broken(text, apart))
}

/// For a chat that marks up some of Markdown, and has a `<font>` and a `<@user>` of its own.
pub(in crate::format) fn replaced(text: &str) -> String {
    let alike = |c| match c {
        '*' => '\u{2217}',
        '`' => '\u{2cb}',
        '_' => '\u{2017}',
        '~' => '\u{223c}',
        c => c,
    };
    let text: String = broken(text, apart).replace("](", "]\u{200b}(").chars().map(alike).collect();
    if text.starts_with(['#', '-', '+', '>', '!']) || begins_list(&text) { format!("{BREAK}{text}") } else { text }
}

/// For HTML.
pub(in crate::format) fn html(text: &str) -> String {
    broken(text, entity).replace('"', "&quot;")
}

/// For text that nothing marks up.
pub(in crate::format) fn plain(text: &str) -> String {
    broken(text, |_| None)
}

fn in_code(text: &str, safe: String) -> String {
    // An apostrophe that looks like a backtick, which would end the code.
    if is_marked_up(text) { format!("`{}`", safe.replace('`', "\u{2cb}")) } else { safe }
}

fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

fn apart(c: char) -> Option<&'static str> {
    (c == '<').then_some("<\u{200b}")
}

/// Without mentions and addresses, and what one chat reads as its own written as it wants it.
fn broken(text: &str, escape: fn(char) -> Option<&'static str>) -> String {
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let before = &text[..at];
        if c == '/' && before.ends_with(':') {
            safe.push(BREAK);
        }
        if c == '.' && before.to_ascii_lowercase().ends_with("www") {
            safe.push(BREAK);
        }
        match escape(c) {
            Some(escaped) => safe += escaped,
            None if c == '@' => safe.extend(['@', BREAK]),
            None => safe.push(c),
        }
    }
    safe
}

/// `1. item`.
fn begins_list(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < text.len() && rest.starts_with(['.', ')'])
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
        coded_entities(text).replace(BREAK, "^")
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
    fn each_chat_has_its_own_way() {
        let shown = |way: fn(&str) -> String, text: &str| way(text).replace(BREAK, "^");
        assert_eq!(shown(coded, "<@1> <#2> & *x*"), "`<^@^1> <^#2> & *x*`");
        assert_eq!(shown(coded, "a & b"), "a & b");
        assert_eq!(
            shown(replaced, "**x** [a](b) <@all> <font color=\"info\">"),
            "∗∗x∗∗ [a]^(b) <^@^all> <^font color=\"info\">"
        );
        for text in ["# x", "- x", "1. x", "> x"] {
            assert_eq!(shown(replaced, text), format!("^{text}"));
        }
        assert_eq!(shown(html, "<a href=\"x\"> & @room"), "&lt;a href=&quot;x&quot;&gt; &amp; @^room");
        assert_eq!(shown(plain, "<b> @room https://x"), "<b> @^room https:^//x");
    }
}
