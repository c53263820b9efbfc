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

    /// The patterns as they were written.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|pattern| pattern.signed(&pattern.text))
    }
}

/// What a pattern was to say that is written as elsewhere: as a list, for a shell, as a regular expression, or as git shows
/// a clone's refs.
fn guess(text: &str) -> Option<Vec<String>> {
    if let Some((start, rest)) = text.split_once('{')
        && let Some((choices, end)) = rest.split_once('}')
    {
        return Some(choices.split(',').map(|choice| format!("{start}{choice}{end}")).collect());
    }
    if text.contains([',', '|']) {
        let words = text.trim_matches(['(', ')']).split([',', '|']).filter(|word| !word.is_empty());
        return Some(words.map(str::to_owned).collect()).filter(|words: &Vec<_>| !words.is_empty());
    }
    let instead = [
        ("heads/", "refs/heads/"),
        ("tags/", "refs/tags/"),
        ("refs/head/", "refs/heads/"),
        ("refs/tag/", "refs/tags/"),
        ("ref/", "refs/"),
        ("refs/remotes/origin/", "refs/heads/"),
        ("remotes/origin/", "refs/heads/"),
        ("origin/", "refs/heads/"),
    ];
    let (rest, start) = instead.into_iter().find_map(|(wrong, right)| Some((text.strip_prefix(wrong)?, right)))?;
    Some(vec![format!("{start}{rest}")])
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
            ("release", "Release"),
            ("refs/heads/release", "refs/heads/Release"),
        ] {
            assert_eq!(mistaken(text), [meant], "{text}");
        }
        // What is there, and what may come to be.
        for text in ["main", "a,b", "dev", "feature/*", "refs/heads/next"] {
            assert!(mistaken(text).is_empty(), "{text}");
        }
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
