//! The patterns of `webhook.<name>.ref`, and which refs they take.

use crate::ref_update::RefName;
use crate::text;

/// The patterns of `webhook.<name>.ref`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefPatterns(Vec<RefPattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct RefPattern {
    text: String,
    excludes: bool,
}

impl RefPatterns {
    /// Reads patterns such as `refs/heads/*` and `!wip/*`.
    ///
    /// # Errors
    /// The pattern that holds nothing, or what no ref name can hold.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let pattern = |word: &'a str| {
            let text = word.strip_prefix('!').unwrap_or(word);
            let impossible = |c: char| c.is_ascii_control() || " ~^:?[\\".contains(c);
            if text.is_empty() || text.contains(impossible) {
                return Err(word);
            }
            Ok(RefPattern { text: text.into(), excludes: text.len() < word.len() })
        };
        words.into_iter().map(pattern).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `name` is wanted: the last pattern that matches decides; where none does, the name is wanted only if
    /// there are no patterns or the first one excludes.
    pub fn include(&self, name: &RefName) -> bool {
        let last = self.0.iter().rev().find(|pattern| pattern.matches(name));
        match last {
            Some(pattern) => !pattern.excludes,
            None => self.0.first().is_none_or(|first| first.excludes),
        }
    }

    /// The patterns that look like something else and match none of these refs, as they were written, each with what was
    /// probably meant.
    pub fn mistaken(&self, refs: &[RefName]) -> Vec<(String, String)> {
        let unmatched = self.0.iter().filter(|pattern| !refs.iter().any(|name| pattern.matches(name)));
        let guess = |pattern: &RefPattern| {
            let meant = guess(&pattern.text).or_else(|| in_other_case(&pattern.text, refs))?;
            let signed = |text: &str| pattern.signed(text);
            Some((pattern.signed(&pattern.text), meant.iter().map(|text| signed(text)).collect::<Vec<_>>().join(" ")))
        };
        unmatched.filter_map(guess).collect()
    }

    /// What was probably meant by the words of a value with one that no ref name can match; `None` where that is not plain.
    pub fn meant<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<String> {
        let right = |word: &'a str| {
            if Self::parse([word]).is_ok() {
                return Some(word.to_owned());
            }
            let (sign, text) = word.strip_prefix('!').map_or(("", word), |text| ("!", text));
            let meant = guess(text)?.iter().map(|text| format!("{sign}{text}")).collect::<Vec<_>>().join(" ");
            Self::parse(meant.split(' ')).is_ok().then_some(meant)
        };
        words.into_iter().map(right).collect::<Option<Vec<_>>>().map(|words| words.join(" "))
    }

    /// The patterns as they were written.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|pattern| pattern.signed(&pattern.text))
    }
}

/// What a pattern was to say that is written as elsewhere: as a list, for a shell, as a regular expression, as a path, or as
/// git shows a clone's refs.
fn guess(text: &str) -> Option<Vec<String>> {
    let anchored = text.trim_matches(['"', '\'']);
    let anchored = anchored.strip_prefix(['^', '+']).unwrap_or(anchored);
    let anchored = anchored.strip_suffix('$').unwrap_or(anchored);
    let anchored = anchored.split_once(':').map_or(anchored, |(source, _)| source);
    let words = choices(anchored).into_iter();
    let words = words.map(|word| in_full(without_classes(&word).trim_start_matches('/')));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    (!words.is_empty() && words != [text]).then_some(words)
}

/// `a/{b,c}`, `a/(b|c)` and `b;c`, one by one.
fn choices(text: &str) -> Vec<String> {
    const BETWEEN: [char; 3] = [',', '|', ';'];
    for [open, close] in [['{', '}'], ['(', ')'], ['[', ']']] {
        if let Some((start, rest)) = text.split_once(open)
            && let Some((choices, end)) = rest.split_once(close)
            // `[0-9]` is a class, `[main,dev]` a list.
            && (open != '[' || choices.contains(BETWEEN))
        {
            return choices.split(BETWEEN).map(|choice| format!("{start}{choice}{end}")).collect();
        }
    }
    text.split(BETWEEN).map(str::to_owned).collect()
}

/// With `*` for what a regular expression or a shell's pattern has in place of some characters.
fn without_classes(word: &str) -> String {
    let mut plain = String::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let class = match c {
            '[' => rest.find(']').map(|end| end + 1),
            '\\' => rest[1..].chars().next().filter(|next| "dwsDWS".contains(*next)).map(|next| 1 + next.len_utf8()),
            '.' if rest[1..].starts_with(['*', '+']) => Some(1),
            '?' => Some(1),
            _ => None,
        };
        match class {
            Some(length) => {
                rest = rest[length..].trim_start_matches(['*', '+', '?']);
                if !plain.ends_with('*') {
                    plain.push('*');
                }
            }
            // An escaped character is that.
            None if c == '\\' => rest = &rest[1..],
            None => {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    plain
}

/// The ref that is named as in a clone, in a hurry, or in the address of a forge's page.
fn in_full(word: &str) -> String {
    let instead = [
        ("heads/", "refs/heads/"),
        ("tags/", "refs/tags/"),
        ("refs/head/", "refs/heads/"),
        ("refs/tag/", "refs/tags/"),
        ("refs/branches/", "refs/heads/"),
        ("branches/", "refs/heads/"),
        ("branch/", "refs/heads/"),
        ("tree/", "refs/heads/"),
        ("ref/", "refs/"),
        ("refs/remotes/origin/", "refs/heads/"),
        ("remotes/origin/", "refs/heads/"),
        ("origin/", "refs/heads/"),
    ];
    let found = instead.into_iter().find_map(|(wrong, right)| Some((right, word.strip_prefix(wrong)?)));
    // git has nothing right below refs/ but the stash.
    let bare = || word.strip_prefix("refs/").filter(|rest| !rest.is_empty() && !rest.contains('/') && *rest != "stash");
    let found = found.or_else(|| Some(("refs/heads/", bare()?)));
    found.map_or_else(|| word.to_owned(), |(start, rest)| format!("{start}{rest}"))
}

/// The ref whose name differs in capitals alone.
fn in_other_case(text: &str, refs: &[RefName]) -> Option<Vec<String>> {
    let alike = |name: &&RefName| {
        let name = if text.starts_with("refs/") { name.as_bytes() } else { name.short() };
        name.eq_ignore_ascii_case(text.as_bytes())
    };
    let name = refs.iter().find(alike)?;
    let name = if text.starts_with("refs/") { name.text() } else { name.short_text() };
    Some(vec![name.into_owned()])
}

impl RefPattern {
    fn signed(&self, text: &str) -> String {
        let sign = if self.excludes { "!" } else { "" };
        format!("{sign}{text}")
    }

    fn matches(&self, name: &RefName) -> bool {
        let subject = if self.text.starts_with("refs/") { name.as_bytes() } else { name.short() };
        let pattern = self.text.as_bytes();
        if pattern.contains(&b'*') {
            return text::glob(pattern, subject, None);
        }
        // As in transfer.hideRefs: a name also stands for everything below it.
        let pattern = pattern.strip_suffix(b"/").unwrap_or(pattern);
        subject.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn include(patterns: &str, name: &str) -> bool {
        RefPatterns::parse(patterns.split_whitespace()).unwrap().include(&RefName::new(name))
    }

    #[test]
    fn the_last_matching_pattern_decides() {
        assert!(include("", "refs/heads/main"));
        assert!(include("refs/heads/* !refs/heads/wip/*", "refs/heads/main"));
        assert!(!include("refs/heads/* !refs/heads/wip/*", "refs/heads/wip/x"));
        assert!(!include("refs/heads/*", "refs/tags/v1"));
        assert!(include("!wip/* wip/keep", "refs/heads/wip/keep"));
        assert!(include("!wip/*", "refs/tags/v1"));
        assert!(!include("main", "refs/heads/topic"));
    }

    #[test]
    fn a_pattern_without_refs_is_a_branch_or_tag_name() {
        assert!(include("main", "refs/heads/main"));
        assert!(include("v*", "refs/tags/v1/rc"));
        assert!(!include("heads/main", "refs/heads/main"));
    }

    #[test]
    fn what_was_probably_meant() {
        let refs = ["refs/heads/main", "refs/heads/Release", "refs/heads/a,b"].map(RefName::new);
        let mistaken = |text: &str| {
            let mistaken = RefPatterns::parse(text.split_whitespace()).unwrap().mistaken(&refs);
            mistaken.into_iter().map(|(_, meant)| meant).collect::<Vec<_>>()
        };
        for (text, meant) in [
            ("main,dev", "main dev"),
            ("main, dev", "main"),
            ("refs/heads/{main,dev}", "refs/heads/main refs/heads/dev"),
            ("!{wip,tmp}/*", "!wip/* !tmp/*"),
            ("(main|dev)", "main dev"),
            ("heads/main", "refs/heads/main"),
            ("origin/main", "refs/heads/main"),
            ("refs/head/x", "refs/heads/x"),
            ("refs/heads/(a|b)", "refs/heads/a refs/heads/b"),
            ("dev;next", "dev next"),
            ("branches/dev", "refs/heads/dev"),
            ("/dev", "dev"),
            ("refs/heads/release-.*", "refs/heads/release-*"),
            ("(heads/a|origin/b)", "refs/heads/a refs/heads/b"),
            ("refs/next", "refs/heads/next"),
            ("+refs/heads/next", "refs/heads/next"),
            ("\"next\"", "next"),
            ("release", "Release"),
            ("refs/heads/release", "refs/heads/Release"),
        ] {
            assert_eq!(mistaken(text), [meant], "{text}");
        }
        // What is there, and what may come to be.
        for text in ["main", "a,b", "dev", "feature/*", "refs/heads/next", "dev/"] {
            assert!(mistaken(text).is_empty(), "{text}");
        }
        let meant = |text: &str| RefPatterns::meant(text.split_whitespace());
        assert_eq!(meant("dev ^refs/heads/(main|next)$").as_deref(), Some("dev refs/heads/main refs/heads/next"));
        assert_eq!(meant("!^wip/.*"), Some("!wip/*".into()));
        assert_eq!(meant("feature-[0-9]+").as_deref(), Some("feature-*"));
        assert_eq!(meant("v[0-9]* v\\d+\\.\\d+$").as_deref(), Some("v* v*.*"));
        assert_eq!(meant("[main,dev]").as_deref(), Some("main dev"));
        assert_eq!(meant("+refs/heads/next:refs/remotes/x/next").as_deref(), Some("refs/heads/next"));
        assert_eq!(meant("a~1"), None);
    }

    #[test]
    fn a_pattern_without_a_star_stands_for_all_below_it() {
        assert!(include("refs/heads/release", "refs/heads/release/1.0"));
        assert!(include("release/", "refs/heads/release/1.0"));
        assert!(!include("refs/heads/release", "refs/heads/released"));
    }

    #[test]
    fn impossible_patterns_are_named() {
        for word in ["!", "a[b", "a~", "a\\b", "a?"] {
            assert_eq!(RefPatterns::parse([word]), Err(word));
        }
    }
}
