//! The name of a record in a queue, which says all that is needed to choose the next.

use uuid::Uuid;

use crate::schedule::{OrderKey, QueueKey, Queued, Schedule};

/// `<sequence>-<number>.<ref>.<id>.<attempts><h or -><ambiguous>.<next>`: `h` where newer deliveries of the ref wait.
pub(super) fn file_name(queued: &Queued) -> String {
    let QueueKey { sequence, number, order, id } = &queued.key;
    let Schedule { attempts, blocks_ref, ambiguous, next } = &queued.schedule;
    let blocks = if *blocks_ref { 'h' } else { '-' };
    let (number, order) = (numbered(*number), order.number());
    format!("{sequence:012}-{number}.{order:016x}.{id}.{attempts}{blocks}{ambiguous}.{next}")
}

/// What comes of a push's first update has the width that all numbers had in version 1, which are found by it.
fn numbered(number: u64) -> String {
    if number >> 16 == 0 { format!("{number:05}") } else { format!("{number:012}") }
}

/// Accepts `000000000042-00003.9f2c41aa0b3d5e7f.1b4e28ba-….2h0.1763820000`.
pub(super) fn parse(name: &str) -> Option<Queued> {
    let mut parts = name.split('.');
    let (sequence, number) = parts.next()?.split_once('-')?;
    let order = parts.next()?;
    let id = parts.next()?;
    let tries = parts.next()?;
    let next = parts.next()?.parse().ok()?;
    let end = tries.find(['h', '-'])?;
    let key = QueueKey {
        sequence: sequence.parse().ok()?,
        number: number.parse().ok()?,
        order: OrderKey::from_number(u64::from_str_radix(order, 16).ok()?),
        id: Uuid::try_parse(id).ok()?,
    };
    let schedule = Schedule {
        attempts: tries[..end].parse().ok()?,
        blocks_ref: tries[end..].starts_with('h'),
        ambiguous: tries[end + 1..].parse().ok()?,
        next,
    };
    parts.next().is_none().then_some(Queued { key, schedule })
}

/// The name of the file with a delivery's body, where that is not in the record; it says nothing that an attempt
/// changes.
pub(super) fn body_name(key: &QueueKey) -> String {
    format!("{:012}-{}.{}.body", key.sequence, numbered(key.number), key.id)
}

/// The name of today of a record or a body that a program before version 2 of the records wrote: it gave every number five
/// digits, and more where they were not enough.
pub(super) fn renamed(name: &str) -> Option<String> {
    let (sequence, rest) = name.split_once('-')?;
    let (number, rest) = rest.split_once('.')?;
    let wide = numbered(number.parse().ok()?);
    (sequence.len() == 12 && number.len() < wide.len()).then(|| format!("{sequence}-{wide}.{rest}"))
}

/// Programs before version 2 of the records kept a push for a target that was not configured rightly in its queue, with
/// this in place of a ref.
pub(super) fn is_whole_push_of_version_1(queued: &Queued) -> bool {
    queued.key.order.number() == 0
}

/// What has no room in a name's twelve digits is no number of ours.
pub(super) const HIGHEST: u64 = 999_999_999_999;

/// The name of a receipt.
pub(super) fn of_receipt(sequence: u64, id: Uuid) -> String {
    format!("{sequence:012}.{id}")
}

/// The number a record's name begins with.
pub(super) fn number(name: &str) -> Option<u64> {
    name.split(['.', '-']).next()?.parse().ok().filter(|number: &u64| *number < HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ref_update::RefName;

    #[test]
    fn a_name_says_all() {
        let order = OrderKey::of(&RefName::new("refs/heads/main"));
        let key = QueueKey { sequence: 42, number: 3, order, id: Uuid::nil() };
        let schedule = Schedule { attempts: 3, blocks_ref: true, ambiguous: 1, next: 1_763_820_000 };
        let queued = Queued { key, schedule };
        let text = file_name(&queued);
        assert_eq!(text, "000000000042-00003.f921bd05e68b0374.00000000-0000-0000-0000-000000000000.3h1.1763820000");
        assert_eq!(parse(&text), Some(queued));
    }

    #[test]
    fn a_number_of_version_1_that_is_too_large_for_five_digits_gets_the_width_of_today() {
        let rest = "f921bd05e68b0374.00000000-0000-0000-0000-000000000000.3h1.1763820000";
        let old = format!("000000000042-65540.{rest}");
        let new = renamed(&old).unwrap();
        assert_eq!(new, format!("000000000042-000000065540.{rest}"));
        assert_eq!(parse(&new).map(|queued| file_name(&queued)), Some(new.clone()));
        assert_eq!(parse(&old), parse(&new));
        for name in [new.as_str(), &format!("000000000042-65535.{rest}"), "4913", "1-65540.x", "lock"] {
            assert_eq!(renamed(name), None, "{name}");
        }
    }

    #[test]
    fn other_names_are_none() {
        for name in ["lock", "state", "", "1-2.3", "1-2.zz.x.1h0.5", "000000000042-00003.9f2c41aa.x.body"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
