//! Reads raw commits, tags and trees as they are, however malformed: receive-pack accepts nearly anything, and one bad
//! object must not cost an event.
//!
//! libgit2's own parser refuses a commit without author, an author without address and a time too large, and cuts a
//! message at a NUL.

use encoding_rs::Encoding;

use crate::event::{Person, Time};
use crate::ref_update::ObjectId;
use crate::text::shorten;

/// The parts of a raw commit; what is missing or unreadable is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RawCommit<'a> {
    /// The top tree.
    pub tree: Option<ObjectId>,
    /// The parents in their order, repeated ones included.
    pub parents: Vec<ObjectId>,
    author: &'a [u8],
    committer: &'a [u8],
    encoding: &'a [u8],
    message: &'a [u8],
}

impl<'a> RawCommit<'a> {
    /// Takes a commit apart.
    pub fn parse(data: &'a [u8]) -> Self {
        let mut commit = Self::default();
        let (header, message) = split_header(data);
        commit.message = message;
        let mut in_parents = true;
        for line in header.split(|byte| *byte == b'\n') {
            let (name, value) = split_at_space(line);
            match name {
                b"tree" if commit.tree.is_none() => commit.tree = object_id(value),
                // As git: parents stand right after the tree, and nowhere else.
                b"parent" if in_parents => commit.parents.extend(object_id(value)),
                // Of two such lines git takes the first.
                b"author" if commit.author.is_empty() => commit.author = value,
                b"committer" if commit.committer.is_empty() => commit.committer = value,
                b"encoding" if commit.encoding.is_empty() => commit.encoding = value,
                // A continuation of gpgsig or mergetag begins with a space, so its name is empty.
                _ => {}
            }
            in_parents &= matches!(name, b"tree" | b"parent");
        }
        commit
    }

    /// The author, converted to UTF-8.
    pub fn author(&self) -> Person {
        parse_person(self.author, self.encoding())
    }

    /// The committer, converted to UTF-8.
    pub fn committer(&self) -> Person {
        parse_person(self.committer, self.encoding())
    }

    /// The message, converted to UTF-8.
    pub fn message(&self) -> String {
        shorten(to_utf8(self.message, self.encoding()), LONGEST_MESSAGE)
    }

    fn encoding(&self) -> Option<&'static Encoding> {
        encoding(self.encoding)
    }
}

/// What a walk needs of a raw commit, as [`RawCommit::parse`] would have it: its parents, added to a list, and the commit time
/// in seconds since 1970, 0 where there is none.
pub fn links(mut data: &[u8], parents: &mut Vec<ObjectId>) -> i64 {
    let mut in_parents = true;
    loop {
        let end = data.iter().position(|byte| *byte == b'\n');
        let line = &data[..end.unwrap_or(data.len())];
        // The header ends at the first empty line, which is none where the object begins with it.
        match split_at_space(line) {
            (b"tree", _) => {}
            (b"parent", value) if in_parents => parents.extend(object_id(value)),
            (b"committer", value) if !value.is_empty() => return parse_time(value).seconds,
            _ => in_parents = false,
        }
        match end {
            Some(end) if data.get(end + 1) != Some(&b'\n') => data = &data[end + 1..],
            _ => return 0,
        }
    }
}

/// The parts of a raw tag object; what is missing or unreadable is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RawTag<'a> {
    /// What it tags: a commit, tree, blob or another tag.
    pub object: Option<ObjectId>,
    tagger: Option<&'a [u8]>,
    encoding: &'a [u8],
    message: &'a [u8],
}

impl<'a> RawTag<'a> {
    /// Takes a tag object apart.
    pub fn parse(data: &'a [u8]) -> Self {
        let mut tag = Self::default();
        let (header, message) = split_header(data);
        tag.message = message;
        for line in header.split(|byte| *byte == b'\n') {
            let (name, value) = split_at_space(line);
            match name {
                b"object" if tag.object.is_none() => tag.object = object_id(value),
                b"tagger" if tag.tagger.is_none() => tag.tagger = Some(value),
                b"encoding" if tag.encoding.is_empty() => tag.encoding = value,
                _ => {}
            }
        }
        tag
    }

    /// Who made it, converted to UTF-8.
    pub fn tagger(&self) -> Option<Person> {
        let line = self.tagger?;
        Some(parse_person(line, encoding(self.encoding)))
    }

    /// The message, converted to UTF-8.
    pub fn message(&self) -> String {
        shorten(to_utf8(self.message, encoding(self.encoding)), LONGEST_MESSAGE)
    }
}

/// One entry of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeEntry<'a> {
    /// The mode, in git's canonical form.
    pub mode: u32,
    /// The name: bytes without `/` or NUL, unless the tree is malformed.
    pub name: &'a [u8],
    /// The object.
    pub id: ObjectId,
}

impl TreeEntry<'_> {
    /// Whether the entry is a directory.
    pub fn is_tree(&self) -> bool {
        self.mode == TREE
    }
}

const TREE: u32 = 0o040_000;

/// The entries of a raw tree with ids of `id_len` bytes, as they stand; ends early where the tree is cut or garbled.
pub fn tree_entries(mut data: &[u8], id_len: usize) -> impl Iterator<Item = TreeEntry<'_>> {
    std::iter::from_fn(move || {
        let (entry, rest) = first_entry(data, id_len)?;
        data = rest;
        Some(entry)
    })
}

/// The first entry of such a tree, and what is behind it.
pub fn first_entry(mut data: &[u8], id_len: usize) -> Option<(TreeEntry<'_>, &[u8])> {
    loop {
        let (entry, rest) = data.split_at(entry_len(data, id_len)?);
        let (head, id) = entry.split_at(entry.len() - id_len);
        let (mode, name) = head.split_at(head.iter().position(|byte| *byte == b' ')?);
        if let Some(id) = ObjectId::from_bytes(id) {
            return Some((TreeEntry { mode: canonical_mode(mode), name: &name[1..name.len() - 1], id }, rest));
        }
        data = rest;
    }
}

/// How many bytes the first entry of such a tree has: `100644 name NUL id`.
pub fn entry_len(data: &[u8], id_len: usize) -> Option<usize> {
    let len = data.iter().position(|byte| *byte == 0)? + 1 + id_len;
    (len <= data.len()).then_some(len)
}

/// As git's `canon_mode`: only the kind and the owner's execute bit count; what is no kind of file is a gitlink.
fn canonical_mode(digits: &[u8]) -> u32 {
    let mode = digits.iter().fold(0_u32, |mode, digit| (mode << 3) | u32::from(digit & 7));
    match mode & 0o170_000 {
        0o100_000 if mode & 0o100 != 0 => 0o100_755,
        0o100_000 => 0o100_644,
        0o120_000 => 0o120_000,
        TREE => TREE,
        _ => 0o160_000,
    }
}

/// The header ends at the first empty line; an object without one is all header.
fn split_header(data: &[u8]) -> (&[u8], &[u8]) {
    match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[]),
    }
}

fn split_at_space(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

/// git reads capitals in an object, though it never writes them.
fn object_id(hex: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex(hex).or_else(|| ObjectId::from_hex(&hex.to_ascii_lowercase())).flatten()
}

/// Longer text is cut: nobody reads it, and each receiver would get all of it.
const LONGEST_MESSAGE: usize = 64 * 1024;
const LONGEST_NAME: usize = 4 * 1024;

/// The encoding of a header's name. The labels are those of the web, to which git's own aliases and the code pages of
/// Windows are added. Left out are those the web replaces or that no commit can be in, as its header is ASCII.
fn encoding(label: &[u8]) -> Option<&'static Encoding> {
    let label = label.trim_ascii().to_ascii_lowercase();
    let label = match label.as_slice() {
        b"cp932" => b"shift_jis".as_slice(),
        b"cp936" => b"gbk",
        b"cp949" => b"euc-kr",
        b"cp950" => b"big5",
        b"latin-1" => b"iso-8859-1",
        label => label,
    };
    let known = Encoding::for_label(label)?;
    let is_of_use = ![encoding_rs::REPLACEMENT, encoding_rs::UTF_16BE, encoding_rs::UTF_16LE].contains(&known);
    is_of_use.then_some(known)
}

/// Converts by the object's `encoding` where it names a known one, else from UTF-8, with U+FFFD in place of what is
/// not.
fn to_utf8(bytes: &[u8], encoding: Option<&'static Encoding>) -> String {
    match encoding {
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Reads `A U Thor <author@example.com> 1700000000 +0100`, any part of which may be missing or wrong.
fn parse_person(line: &[u8], encoding: Option<&'static Encoding>) -> Person {
    let text = |bytes: &[u8]| {
        let text = to_utf8(bytes.trim_ascii(), encoding);
        shorten(text, LONGEST_NAME)
    };
    let (name, email) = match line.iter().position(|byte| *byte == b'<') {
        Some(start) => {
            let rest = &line[start + 1..];
            let end = rest.iter().position(|byte| *byte == b'>').unwrap_or(rest.len());
            (&line[..start], &rest[..end])
        }
        None => (line, &[][..]),
    };
    Person { name: text(name), email: text(email), time: parse_time(line) }
}

/// Reads the time and offset behind the last `>`. Numbers out of range are clamped, anything else is the epoch or UTC.
fn parse_time(line: &[u8]) -> Time {
    let Some(end) = line.iter().rposition(|byte| *byte == b'>') else {
        return Time::default();
    };
    let mut fields =
        line[end + 1..].split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).map(signed_number);
    let seconds = fields.next().flatten().unwrap_or(0);
    let hours_minutes = fields.next().flatten().unwrap_or(0);
    let minutes = (hours_minutes / 100) * 60 + hours_minutes % 100;
    Time {
        seconds,
        // RFC 3339 has no offset of a day or more.
        offset: if minutes.abs() < 24 * 60 { minutes as i32 } else { 0 },
    }
}

fn signed_number(field: &[u8]) -> Option<i64> {
    let (negative, digits) = match field {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number =
        digits.iter().fold(0_i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1111111111111111111111111111111111111111";

    fn author(line: &str) -> Person {
        let data = format!("tree {ID}\nauthor {line}\ncommitter C <c@x> 5 +0000\n\nm\n");
        RawCommit::parse(data.as_bytes()).author()
    }

    fn time(line: &str) -> Time {
        author(&format!("A <a@x> {line}")).time
    }

    #[test]
    fn a_commit_as_git_writes_it() {
        let data = format!(
            "tree {ID}\nparent {ID}\nauthor A U Thor <a@x> 1700000000 +0530\ncommitter C <c@x> 1700000001 -0800\n\
             gpgsig -----BEGIN\n parent {ID}\n -----END\n\nsubject\n\nbody\n"
        );
        let commit = RawCommit::parse(data.as_bytes());
        assert_eq!(commit.parents.len(), 1);
        assert_eq!(commit.committer().time.seconds, 1_700_000_001);
        assert_eq!(commit.message(), "subject\n\nbody\n");
        let author = commit.author();
        assert_eq!((author.name.as_str(), author.email.as_str()), ("A U Thor", "a@x"));
        assert_eq!(author.time, Time { seconds: 1_700_000_000, offset: 330 });
    }

    #[test]
    fn bad_66_a_nul_does_not_cut_the_message() {
        let data = format!("tree {ID}\n\none\0two\n");
        assert_eq!(RawCommit::parse(data.as_bytes()).message(), "one\0two\n");
    }

    #[test]
    fn bad_68_to_70_encodings() {
        let message = |encoding: &str| {
            let mut data = format!("tree {ID}\n{encoding}\n").into_bytes();
            data.extend(b"Gr\xfc\xdfe\n");
            RawCommit::parse(&data).message()
        };
        assert_eq!(message(""), "Gr\u{fffd}\u{fffd}e\n");
        assert_eq!(message("encoding ISO-8859-1\n"), "Grüße\n");
        assert_eq!(message("encoding x-evil\r\n"), "Gr\u{fffd}\u{fffd}e\n");
    }

    #[test]
    fn bad_73_to_76_parts_may_be_missing() {
        let commit = RawCommit::parse(b"tree 11");
        assert_eq!((commit.tree, commit.message()), (None, String::new()));
        assert_eq!(commit.author(), Person::default());
        assert_eq!(author("no brackets 1700000000 +0000").name, "no brackets 1700000000 +0000");
        assert_eq!(RawCommit::parse(b"").parents, []);
    }

    #[test]
    fn bad_78_to_80_names() {
        assert_eq!(author("a\rb <x> 1 +0000").name, "a\rb");
        assert_eq!(author("a\0b <x> 1 +0000").name, "a\0b");
        let nested = author("a <b <c> d> 1 +0000");
        assert_eq!((nested.name.as_str(), nested.email.as_str()), ("a", "b <c"));
        assert_eq!(nested.time.seconds, 1);
    }

    #[test]
    fn bad_81_to_87_times() {
        assert_eq!(time("-1 +0000").seconds, -1);
        assert_eq!(time("99999999999999999999 +0000").seconds, i64::MAX);
        assert_eq!(time("-99999999999999999999 +0000").seconds, -i64::MAX);
        assert_eq!(time(""), Time::default());
        for offset in ["+9999", "-9999", "+051800", "junk", "+"] {
            assert_eq!(time(&format!("7 {offset}")), Time { seconds: 7, offset: 0 }, "{offset}");
        }
    }

    #[test]
    fn bad_88_to_91_the_first_author_and_every_parent() {
        let data = format!(
            "tree {ID}\nparent {ID}\nparent {ID}\nauthor A <a> 1 +0000\nauthor B <b> 2 +0000\nx-y z\r\nparent {ID}\n\n"
        );
        let commit = RawCommit::parse(data.as_bytes());
        assert_eq!(commit.author().name, "A");
        assert_eq!(commit.parents.len(), 2);
    }

    #[test]
    fn bad_93_and_94_long_text_is_cut() {
        assert_eq!(author(&format!("{} <x> 1 +0000", "é".repeat(1 << 20))).name.len(), LONGEST_NAME + 3);
        let data = format!("tree {ID}\n\n{}", "m".repeat(1 << 20));
        assert_eq!(RawCommit::parse(data.as_bytes()).message().len(), LONGEST_MESSAGE + 3);
    }

    #[test]
    fn a_tag_may_lack_its_tagger() {
        let tag = format!("object {ID}\ntype commit\ntag v1\n\nold\n");
        let tag = RawTag::parse(tag.as_bytes());
        assert_eq!((tag.tagger(), tag.message().as_str()), (None, "old\n"));
        assert!(tag.object.is_some());
    }

    #[test]
    fn a_tree_ends_where_it_is_cut() {
        let mut data = b"100644 a\0".to_vec();
        data.extend([1; 20]);
        data.extend(b"40000 b\0");
        data.extend([2; 20]);
        assert_eq!(tree_entries(&data, 20).count(), 2);
        for cut in 1..data.len() {
            assert!(tree_entries(&data[..cut], 20).count() < 2);
        }
    }

    #[test]
    fn bad_109_odd_modes_are_made_canonical() {
        let mode = |digits: &[u8]| canonical_mode(digits);
        assert_eq!(mode(b"100664"), 0o100_644);
        assert_eq!(mode(b"100777"), 0o100_755);
        assert_eq!(mode(b"040000"), TREE);
        assert_eq!(mode(b"0"), 0o160_000);
        assert_eq!(mode(b"777777777777777777777777"), 0o160_000);
    }
}
