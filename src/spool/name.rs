//! The name of a record in a queue, which says all that is needed to choose the next.

use std::fmt;

use uuid::Uuid;

use crate::ref_update::RefName;
use crate::signature::sha256_hex;

/// A record's name: `<sequence>-<number>.<ref>.<id>.<attempts><h or -><cut-offs>.<next>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// That of the receipt.
    pub sequence: u64,
    /// The place among the deliveries of the receipt.
    pub number: u32,
    /// Stands for the ref: two names of one ref have one, and rarely those of two. [`WHOLE`] for a delivery that tells
    /// of a whole push.
    pub ref_key: u64,
    /// The delivery's id; of a push that waits as a whole, the receipt's.
    pub id: Uuid,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether the last failure holds newer deliveries of the ref.
    pub holds: bool,
    /// How often the connection ended after the whole request was sent.
    pub cut_offs: u32,
    /// When it is tried next, in seconds since 1970; 0 for one that was never tried.
    pub next: i64,
}

impl Name {
    /// The name of a delivery that was not tried yet.
    pub fn new(sequence: u64, number: u32, name: &RefName, id: Uuid) -> Self {
        Self { sequence, number, ref_key: ref_key(name), id, attempts: 0, holds: false, cut_offs: 0, next: 0 }
    }

    /// The name of a delivery that tells of a whole push and was not tried yet.
    pub fn of_whole(sequence: u64, number: u32, id: Uuid) -> Self {
        Self { ref_key: WHOLE, ..Self::new(sequence, number, &RefName::new(""), id) }
    }

    /// Accepts `000000000042-00003.9f2c41aa0b3d5e7f.1b4e28ba-….2h0.1763820000`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (sequence, number) = parts.next()?.split_once('-')?;
        let key = parts.next()?;
        let id = parts.next()?;
        let tries = parts.next()?;
        let next = parts.next()?.parse().ok()?;
        let end = tries.find(['h', '-'])?;
        let name = Self {
            sequence: sequence.parse().ok()?,
            number: number.parse().ok()?,
            ref_key: u64::from_str_radix(key, 16).ok()?,
            id: Uuid::try_parse(id).ok()?,
            attempts: tries[..end].parse().ok()?,
            holds: tries[end..].starts_with('h'),
            cut_offs: tries[end + 1..].parse().ok()?,
            next,
        };
        parts.next().is_none().then_some(name)
    }

    /// The name of a push that waits as a whole, whose receipt has this id.
    pub(super) fn of_push(sequence: u64, id: Uuid) -> Self {
        Self { ref_key: PUSH, ..Self::new(sequence, 0, &RefName::new(""), id) }
    }

    /// Whether the record is a push that waits as a whole.
    pub fn is_push(&self) -> bool {
        self.ref_key == PUSH
    }

    /// The name of the file with its body, where that is not in the record; it says nothing that an attempt changes.
    pub(super) fn body(&self) -> String {
        format!("{:012}-{:05}.{}.body", self.sequence, self.number, self.id)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, number, ref_key, id, attempts, cut_offs, next, .. } = self;
        let holds = if self.holds { 'h' } else { '-' };
        write!(f, "{sequence:012}-{number:05}.{ref_key:016x}.{id}.{attempts}{holds}{cut_offs}.{next}")
    }
}

/// What stands for all refs in the name of a push that waits as a whole.
const PUSH: u64 = 0;

/// What stands for all refs in the name of a delivery that tells of a whole push: such deliveries reach a target in the
/// order of the pushes.
pub const WHOLE: u64 = 1;

/// What stands for a ref in names.
pub fn ref_key(name: &RefName) -> u64 {
    u64::from_str_radix(&sha256_hex(name.as_bytes())[..16], 16).unwrap_or_default().max(WHOLE + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_all() {
        let name = Name {
            attempts: 3,
            holds: true,
            cut_offs: 1,
            next: 1_763_820_000,
            ..Name::new(42, 3, &RefName::new("refs/heads/main"), Uuid::nil())
        };
        let text = name.to_string();
        assert_eq!(text, "000000000042-00003.f921bd05e68b0374.00000000-0000-0000-0000-000000000000.3h1.1763820000");
        assert_eq!(Name::parse(&text), Some(name));
    }

    #[test]
    fn other_names_are_none() {
        for name in ["lock", "state", "", "1-2.3", "1-2.zz.x.1h0.5", "000000000042-00003.9f2c41aa.x.body"] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }
}
