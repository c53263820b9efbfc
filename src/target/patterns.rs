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

    /// The patterns as they were written.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|pattern| {
            let sign = if pattern.excludes { "!" } else { "" };
            format!("{sign}{}", pattern.text)
        })
    }
}

impl RefPattern {
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
