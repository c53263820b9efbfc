//! The names of refs, and the namespaces they lie in (gitnamespaces(7)).

use std::borrow::Cow;
use std::fmt;

/// What git puts before each word of a namespace.
const NAMESPACES: &[u8] = b"refs/namespaces/";

/// A full ref name: bytes, since git lets it be anything but a few characters. Two refs are one where their whole names
/// are; whoever works within a namespace speaks of them without what stands for that, and so does all that is told of them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName {
    whole: Vec<u8>,
    /// How long that is which stands for the namespace.
    start: usize,
}

/// What a ref is, told from the full prefix alone: `refs/tags/refs/heads/main` is a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefKind {
    /// Below `refs/heads/`.
    Branch,
    /// Below `refs/tags/`.
    Tag,
    /// Anything else: notes, reviews, replacements, a forge's own.
    Other,
}

/// A namespace as `GIT_NAMESPACE` says it, `team/project`; empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Vec<u8>);

impl RefName {
    /// Takes the bytes of a full ref name as the repository has it, whatever the namespace.
    pub fn new(whole: impl Into<Vec<u8>>) -> Self {
        let whole = whole.into();
        let mut start = 0;
        while let Some(rest) = whole[start..].strip_prefix(NAMESPACES) {
            match rest.iter().position(|byte| *byte == b'/') {
                Some(end) if end > 0 && end + 1 < rest.len() => start += NAMESPACES.len() + end + 1,
                _ => break,
            }
        }
        Self { whole, start }
    }

    /// Takes a name as it is spoken of within a namespace: so git gives it to its hooks.
    pub fn within(namespace: &Namespace, name: &[u8]) -> Self {
        if namespace.is_none() { Self::new(name) } else { Self::new([&namespace.prefix(), name].concat()) }
    }

    /// The bytes of the name that the repository has.
    pub fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// The namespace it lies in.
    pub fn namespace(&self) -> Namespace {
        let words = self.whole[..self.start].split(|byte| *byte == b'/').skip(2).step_by(3);
        Namespace(words.collect::<Vec<_>>().join(&b'/'))
    }

    /// Whether it lies in this namespace.
    pub fn is_in(&self, namespace: &Namespace) -> bool {
        if self.start == 0 { namespace.is_none() } else { self.namespace() == *namespace }
    }

    /// The full name's bytes within its namespace.
    pub fn as_bytes(&self) -> &[u8] {
        &self.whole[self.start..]
    }

    /// Branch, tag or other.
    pub fn kind(&self) -> RefKind {
        if self.as_bytes().starts_with(b"refs/heads/") {
            RefKind::Branch
        } else if self.as_bytes().starts_with(b"refs/tags/") {
            RefKind::Tag
        } else {
            RefKind::Other
        }
    }

    /// The name without `refs/heads/` or `refs/tags/`; the full name of any other ref.
    pub fn short(&self) -> &[u8] {
        match self.kind() {
            RefKind::Branch => &self.as_bytes()["refs/heads/".len()..],
            RefKind::Tag => &self.as_bytes()["refs/tags/".len()..],
            RefKind::Other => self.as_bytes(),
        }
    }

    /// The full name within its namespace as text, with U+FFFD in place of what is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// The short name as text, with U+FFFD in place of what is not UTF-8.
    pub fn short_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.short())
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.whole.escape_ascii())
    }
}

impl Namespace {
    /// From the value of `GIT_NAMESPACE`, in which empty words count for nothing.
    pub fn new(value: &[u8]) -> Self {
        let words = value.split(|byte| *byte == b'/').filter(|word| !word.is_empty());
        Self(words.collect::<Vec<_>>().join(&b'/'))
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// As `GIT_NAMESPACE` has it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as text, with U+FFFD in place of what is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Its words, each of which may stand in the path of a repository as gitolite and the forges have them; `None` where one
    /// may not.
    pub fn words(&self) -> Option<Vec<&str>> {
        let text = std::str::from_utf8(&self.0).ok()?;
        let is_word = |word: &&str| {
            word.starts_with(char::is_alphanumeric) && word.chars().all(|c| c.is_alphanumeric() || "-._@+".contains(c))
        };
        let words: Vec<_> = text.split('/').filter(|word| !word.is_empty()).collect();
        words.iter().all(is_word).then_some(words)
    }

    /// What stands before the names of its refs: `refs/namespaces/team/refs/namespaces/project/`.
    fn prefix(&self) -> Vec<u8> {
        let words = self.0.split(|byte| *byte == b'/');
        words.flat_map(|word| [NAMESPACES, word, b"/"].concat()).collect()
    }
}

/// A ref as people read it, with the namespace it lies in.
pub fn shown(name: &str, namespace: &str) -> String {
    if namespace.is_empty() { name.into() } else { format!("{name} in {namespace}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_52_the_kind_comes_from_the_full_prefix() {
        let kind = |name: &str| RefName::new(name).kind();
        assert_eq!(kind("refs/heads/HEAD"), RefKind::Branch);
        assert_eq!(kind("refs/tags/refs/heads/main"), RefKind::Tag);
        assert_eq!(kind("refs/notes/commits"), RefKind::Other);
        assert_eq!(kind("refs/heads"), RefKind::Other);
        assert_eq!(kind("HEAD"), RefKind::Other);
    }

    #[test]
    fn a_ref_of_a_namespace_is_known_by_its_whole_name_and_spoken_of_without() {
        for (value, namespace, whole) in [
            ("", "", "refs/heads/main"),
            ("team", "team", "refs/namespaces/team/refs/heads/main"),
            ("//team/a/", "team/a", "refs/namespaces/team/refs/namespaces/a/refs/heads/main"),
        ] {
            let name = RefName::within(&Namespace::new(value.as_bytes()), b"refs/heads/main");
            assert_eq!((name.whole(), name.text().as_ref()), (whole.as_bytes(), "refs/heads/main"));
            assert_eq!((name.kind(), name.short_text().as_ref()), (RefKind::Branch, "main"));
            assert_eq!((name.namespace().text().as_ref(), &name), (namespace, &RefName::new(whole)));
            assert!(name.is_in(&Namespace::new(value.as_bytes())) && !name.is_in(&Namespace::new(b"other")));
        }
        for plain in ["refs/namespaces", "refs/namespaces/a", "refs/namespaces//x", "refs/namespaces/a/"] {
            assert!(RefName::new(plain).namespace().is_none(), "{plain}");
        }
    }
}
