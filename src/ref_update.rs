//! One line of hook input: old object id, new object id, ref name; what kind of ref it is and what happened to it.

use std::fmt;
use std::hash::{Hash, Hasher};

use uuid::Uuid;

pub use crate::ref_name::{Namespace, RefKind, RefName};

/// The hash function that names a repository's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectFormat {
    /// 20 bytes, 40 hexadecimal digits.
    Sha1,
    /// 32 bytes, 64 hexadecimal digits.
    Sha256,
}

impl ObjectFormat {
    /// The length of an object id in bytes.
    pub fn id_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The zero id as git writes it, for "there is no object".
    pub fn zero_id(self) -> String {
        "0".repeat(self.id_len() * 2)
    }
}

/// What each byte is worth as a lower-case hexadecimal digit; more than any where it is none.
const DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// The name of an object; never the zero id, which is `None` wherever there may be no object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    bytes: [u8; 32],
    len: u8,
}

impl ObjectId {
    /// From 20 or 32 raw bytes; `None` for another length or the zero id.
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        if !matches!(raw.len(), 20 | 32) || raw.iter().all(|byte| *byte == 0) {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Self { bytes, len: raw.len() as u8 })
    }

    /// From 40 or 64 lower-case hexadecimal digits, the only spelling git writes; the inner `None` is the zero id.
    ///
    /// Returns `None` for anything else.
    pub fn from_hex(hex: &[u8]) -> Option<Option<Self>> {
        if !matches!(hex.len(), 40 | 64) {
            return None;
        }
        let mut bytes = [0; 32];
        let mut all = 0;
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
            all |= high | low;
            *byte = high << 4 | low;
        }
        (all <= 0xf).then(|| Self::from_bytes(&bytes[..hex.len() / 2]))
    }

    /// The raw bytes, 20 or 32.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The hash function this id was made with.
    pub fn format(&self) -> ObjectFormat {
        if self.len == 20 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What happened to a ref, as far as its two ids tell. Whether an update was forced, only the history knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The ref did not exist before.
    Create,
    /// The ref pointed elsewhere before.
    Update,
    /// The ref is gone.
    Delete,
}

/// What a symbolic ref has to do with an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alias {
    /// It was pushed by the name of this one, which leads to the ref that moved.
    By(RefName),
    /// It is one itself, which was created, re-pointed or deleted, and leads there now.
    Itself(Option<RefName>),
    /// It is the name by which this ref was moved, for whom that is told under it.
    Of(RefName),
}

/// That a ref moved from one object to another.
///
/// Two are the same where the same ref moved in the same way, by whatever name it was pushed.
#[derive(Clone, Debug)]
pub struct RefUpdate {
    /// Where it pointed before; `None` when it did not exist.
    pub old: Option<ObjectId>,
    /// Where it points now; `None` when it was deleted.
    pub new: Option<ObjectId>,
    /// How ids are written in this repository, the zero id included.
    pub format: ObjectFormat,
    /// The ref.
    pub name: RefName,
    /// The symbolic ref that it has to do with.
    pub alias: Option<Box<Alias>>,
}

impl PartialEq for RefUpdate {
    fn eq(&self, other: &Self) -> bool {
        let of = |update: &Self| (update.old, update.new, update.format);
        of(self) == of(other) && self.name == other.name
    }
}

impl Eq for RefUpdate {}

impl Hash for RefUpdate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.old, self.new, self.format, &self.name).hash(state);
    }
}

/// A ref update with the id of its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEvent {
    /// What git said.
    pub update: RefUpdate,
    /// The event's id, made once when the update was first heard of.
    pub event: Uuid,
    /// What a later program has written of it, as the text of a JSON object, which is handed on.
    pub unknown: Option<Box<str>>,
}

impl RefEvent {
    /// An update whose event has this id.
    pub fn new(update: RefUpdate, event: Uuid) -> Self {
        Self { update, event, unknown: None }
    }
}

impl RefUpdate {
    /// What git said of a symbolic ref, as an update of the ref that it leads to.
    pub fn behind(self, name: RefName) -> Self {
        Self { alias: Some(Box::new(Alias::By(self.name))), name, ..self }
    }

    /// The same under the symbolic ref's name by which it was pushed; `None` where that has not to be told: who deletes by
    /// such a name deletes the ref behind it.
    pub fn under_alias(&self) -> Option<Self> {
        match self.alias.as_deref() {
            Some(Alias::By(alias)) if self.new.is_some() => {
                let behind = Some(Box::new(Alias::Of(self.name.clone())));
                Some(Self { name: alias.clone(), alias: behind, ..self.clone() })
            }
            _ => None,
        }
    }

    /// Create, update or delete.
    pub fn change(&self) -> Change {
        match (self.old, self.new) {
            (None, _) => Change::Create,
            (_, None) => Change::Delete,
            (Some(_), Some(_)) => Change::Update,
        }
    }

    /// The old id in hexadecimal, zeros where there was none: every forge's `before`.
    pub fn before(&self) -> String {
        self.hex(self.old)
    }

    /// The new id in hexadecimal, zeros where there is none: every forge's `after`.
    pub fn after(&self) -> String {
        self.hex(self.new)
    }

    fn hex(&self, id: Option<ObjectId>) -> String {
        id.map_or_else(|| self.format.zero_id(), |id| id.to_string())
    }
}

/// Why a line was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Not `<old id> SP <new id> SP <ref name>`, with its number counted from 1.
    Malformed(usize),
    /// Both ids are zero: nothing was there and nothing is.
    NeverExisted(RefName),
    /// The ids are of the other object format than this repository's.
    ForeignFormat(RefName),
}

/// The longest line, in bytes. A ref name longer than this cannot be: files allow 4 KiB, a reftable block 64 KiB.
pub const LONGEST_LINE: usize = 64 * 1024 + 2 * 65;

/// Parses the standard input of a post-receive hook as [`parse_within`] does, where there is no namespace.
pub fn parse(input: &[u8]) -> (Vec<RefUpdate>, Vec<Skipped>) {
    parse_within(input, &Namespace::default())
}

/// Parses the standard input of a post-receive hook: `<old id> SP <new id> SP <ref name> LF` for each ref, whose name is
/// one within the namespace.
///
/// Lines that change nothing (old and new alike) are left out; what cannot be a ref update is returned beside the
/// others, so that one bad line costs only itself.
pub fn parse_within(input: &[u8], namespace: &Namespace) -> (Vec<RefUpdate>, Vec<Skipped>) {
    let mut updates = Vec::new();
    let mut skipped = Vec::new();
    let input = input.strip_suffix(b"\n").unwrap_or(input);
    if input.is_empty() {
        return (updates, skipped);
    }
    for (number, line) in (1..).zip(input.split(|byte| *byte == b'\n')) {
        match parse_line(line, namespace) {
            None => skipped.push(Skipped::Malformed(number)),
            Some(update) if update.old.is_none() && update.new.is_none() => {
                skipped.push(Skipped::NeverExisted(update.name));
            }
            Some(update) if update.old == update.new => {}
            Some(update) => updates.push(update),
        }
    }
    (updates, skipped)
}

/// The update that one line says, without its LF; `None` where it says none, or one that changes nothing.
pub fn parse_one(line: &[u8], namespace: &Namespace) -> Option<RefUpdate> {
    parse_line(line, namespace).filter(|update| update.old != update.new)
}

/// Accepts `0000…0000 9f2c…41aa refs/heads/main`. git's own rules leave no space, control character or backslash in a
/// ref name (git-check-ref-format), so a second space or a CR means that the line was not written by git.
fn parse_line(line: &[u8], namespace: &Namespace) -> Option<RefUpdate> {
    if line.len() > LONGEST_LINE {
        return None;
    }
    let mut fields = line.split(|byte| *byte == b' ');
    let (old, new, name) = (fields.next()?, fields.next()?, fields.next()?);
    let unlikely = |byte: &u8| *byte < b' ' || *byte == 0x7f;
    if fields.next().is_some() || name.is_empty() || name.iter().any(unlikely) || old.len() != new.len() {
        return None;
    }
    Some(RefUpdate {
        old: ObjectId::from_hex(old)?,
        new: ObjectId::from_hex(new)?,
        format: if old.len() == 40 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 },
        name: RefName::within(namespace, name),
        alias: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    fn changes(input: &str) -> Vec<Change> {
        parse(input.as_bytes()).0.iter().map(RefUpdate::change).collect()
    }

    #[test]
    fn create_update_and_delete() {
        let input = format!("{ZERO} {A} refs/heads/a\n{A} {B} refs/heads/b\n{B} {ZERO} refs/heads/c\n");
        assert_eq!(changes(&input), [Change::Create, Change::Update, Change::Delete]);
    }

    #[test]
    fn the_last_line_may_lack_its_newline() {
        assert_eq!(changes(&format!("{A} {B} refs/heads/a")), [Change::Update]);
    }

    #[test]
    fn a_line_that_changes_nothing_is_left_out() {
        assert_eq!(parse(format!("{A} {A} refs/heads/a\n").as_bytes()), (vec![], vec![]));
        assert_eq!(parse(b""), (vec![], vec![]));
    }

    #[test]
    fn both_zero_is_told() {
        let (updates, skipped) = parse(format!("{ZERO} {ZERO} refs/heads/a\n").as_bytes());
        assert!(updates.is_empty());
        assert_eq!(skipped, [Skipped::NeverExisted(RefName::new("refs/heads/a"))]);
    }

    #[test]
    fn bad_4_to_19_a_malformed_line_costs_only_itself() {
        let upper = A.replace('1', "A");
        let long = "x".repeat(1 << 20);
        let bad = [
            format!("{A} {B} refs/heads/a\r"),
            A.to_string(),
            format!("{A} {B} refs/heads/a b"),
            format!("{A}1 {B} refs/heads/a"),
            format!("{} {B} refs/heads/a", &A[1..]),
            format!("{upper} {B} refs/heads/a"),
            format!("{A} {B}{} refs/heads/a", &B[..24]),
            format!("{A} {B} refs/heads/{long}"),
            format!("{A} {B} refs/heads/a\0b"),
            format!("{A} {B} "),
            String::new(),
        ];
        for line in bad {
            let input = format!("{A} {B} refs/heads/a\n{line}\n{A} {B} refs/heads/b\n");
            let (updates, skipped) = parse(input.as_bytes());
            assert_eq!(updates.len(), 2, "{:.80}", line.escape_debug());
            assert_eq!(skipped, [Skipped::Malformed(2)], "{:.80}", line.escape_debug());
        }
    }

    #[test]
    fn the_same_ref_twice_is_two_updates_in_order() {
        let input = format!("{ZERO} {A} refs/heads/a\n{A} {B} refs/heads/a\n");
        assert_eq!(changes(&input), [Change::Create, Change::Update]);
    }

    #[test]
    fn a_branch_of_zeros_is_a_branch() {
        let (updates, _) = parse(format!("{A} {B} refs/heads/{ZERO}\n").as_bytes());
        assert_eq!(updates[0].name.short(), ZERO.as_bytes());
    }

    #[test]
    fn the_zero_id_has_the_width_of_the_repository() {
        let long = "3".repeat(64);
        let (updates, _) = parse(format!("{} {long} refs/heads/a\n", "0".repeat(64)).as_bytes());
        assert_eq!(updates[0].before(), "0".repeat(64));
        assert_eq!(updates[0].after(), long);
    }
}
