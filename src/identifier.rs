//! Identifiers: fresh ones that sort by time, and stable ones derived from names, since a bare repository has no
//! database to number things.

use std::sync::Mutex;
use std::time::SystemTime;

use uuid::timestamp::context::ContextV7;
use uuid::{Timestamp, Uuid};

/// The name space of every derived identifier; made once with `uuidgen`, never to change, or all derived identifiers
/// would.
const NAMESPACE: Uuid = Uuid::from_u128(0x7c380242_37a7_4600_8bdf_0e69c6d78466);

/// The id of an event: one for each ref update, UUIDv7, so that ids sort by time.
pub fn event() -> Uuid {
    at(SystemTime::now())
}

/// What tells a temporary file's name from every other.
pub fn temporary() -> Uuid {
    event()
}

/// The id of a receipt: UUIDv7, so that ids sort by time.
pub fn receipt() -> Uuid {
    event()
}

/// A UUIDv7 of this time; `Uuid::now_v7` panics for a clock that is set to a time before 1970.
fn at(time: SystemTime) -> Uuid {
    // A counter of its own keeps ids of one millisecond in order.
    static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(&CONTEXT, time.as_secs(), time.subsec_nanos()))
}

/// The id of a spool, which tells it from every other: random, made once.
pub fn spool() -> Uuid {
    Uuid::new_v4()
}

/// The same of one whose directory is told from every other by its number and when it was made, in nanoseconds since 1970: however
/// often it is made, it is the same.
pub fn spool_of(inode: u64, born: i64) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("spool\0{inode} {born}").as_bytes())
}

/// The id of an event that a ref update makes beside its push, whose line in the receipt has the id `line`: of a kind
/// (`note`, say), about an object (a comment, say). The same however often it is built.
pub fn derived(line: Uuid, kind: &str, object: &[u8]) -> Uuid {
    let mut text = format!("event\0{kind}\0").into_bytes();
    text.extend_from_slice(object);
    Uuid::new_v5(&line, &text)
}

/// The id of the delivery of `event` to `target` under the forge's event name: the same over retries, redeliveries and
/// crashes.
///
/// A forge may send several events for one ref update (GitHub: push and create), so its name takes part.
pub fn delivery(event: Uuid, target: &str, name: &str) -> Uuid {
    Uuid::new_v5(&event, format!("{target}\0{name}").as_bytes())
}

/// The id of an event that is known by what it changed alone: its push could not be written down, or nobody told it and
/// the refs show it. Whoever finds it makes the same of it: in the spool `spool`, behind the record with the number `after`,
/// the last one that names the ref. Names of the repository play no part, for they depend on the way it is reached.
pub fn difference(spool: Uuid, namespace: &[u8], name: &[u8], old: &str, new: &str, after: u64) -> Uuid {
    let text = format!("difference\0{old}\0{new}\0{after}\0");
    // No name of a namespace or a ref holds a NUL.
    Uuid::new_v5(&spool, &[text.as_bytes(), namespace, b"\0", name].concat())
}

/// The id of a target in a repository, which forges call the webhook's UUID.
pub fn webhook(repository: &str, target: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("webhook\0{repository}\0{target}").as_bytes())
}

/// The number of one attempt of a delivery, never 0, by which traces tell it from all others.
pub fn span(delivery: Uuid, attempt: u32) -> u64 {
    Uuid::new_v5(&delivery, format!("span\0{attempt}").as_bytes()).as_u64_pair().1.max(1)
}

/// A number for `name` among things of one `kind` ("project", "user"): stable, from 1 to 2³¹-1, since Java receivers
/// read an `int`.
pub fn number(kind: &str, name: &str) -> u32 {
    number_of(uuid(kind, name))
}

/// The number of what has a UUID, where a forge has numbers alone.
pub fn number_of(id: Uuid) -> u32 {
    let (high, ..) = id.as_fields();
    (high & 0x7fff_ffff).max(1)
}

/// A number for what is called so among things of one `kind`: stable, from 1 to 2⁵³-1, since any JSON parser reads that.
pub fn long_number(kind: &str, name: &[u8]) -> u64 {
    let id = Uuid::new_v5(&NAMESPACE, &[kind.as_bytes(), b"\0", name].concat());
    (id.as_u64_pair().0 >> 11).max(1)
}

/// The id that stands for several events together, made of all of theirs: of one event it is that event's own.
pub fn together(events: impl IntoIterator<Item = Uuid>) -> Option<Uuid> {
    events.into_iter().reduce(|all, next| Uuid::new_v5(&all, next.as_bytes()))
}

/// The id of a part of what has an id together: of the first it is that.
pub fn part(whole: Uuid, number: u16) -> Uuid {
    if number == 0 { whole } else { Uuid::new_v5(&whole, format!("part\0{number}").as_bytes()) }
}

/// The id of a user or repository, where a forge has UUIDs alone.
pub fn uuid(kind: &str, name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{kind}\0{name}").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn no_clock_is_too_wrong() {
        let times = [i64::MIN / 2, -1, 0, 1, 1 << 31, 1 << 40, 253_402_300_800].map(|seconds: i64| {
            let far = Duration::from_secs(seconds.unsigned_abs());
            let time = if seconds < 0 { UNIX_EPOCH.checked_sub(far) } else { UNIX_EPOCH.checked_add(far) };
            time.map(at)
        });
        let ids: HashSet<_> = times.iter().flatten().collect();
        assert_eq!(ids.len(), times.iter().flatten().count());
        assert!(times[1].is_some() && times[5].is_some());
        let ids = [(); 1000].map(|()| event());
        assert!(ids.is_sorted());
    }

    #[test]
    fn a_delivery_keeps_its_id() {
        let event = event();
        assert_eq!(delivery(event, "ci", "Push Hook"), delivery(event, "ci", "Push Hook"));
        assert_ne!(delivery(event, "ci", "Push Hook"), delivery(event, "chat", "Push Hook"));
    }

    #[test]
    fn an_event_beside_its_push_has_an_id_of_its_own() {
        let line = Uuid::from_u128(1);
        let of = |kind, object: &[u8]| derived(line, kind, object);
        assert_eq!(of("note", b"a").to_string(), "b2ba89e0-e53b-5c2e-a349-394110639ce9");
        assert_ne!(of("note", b"a"), of("note", b"b"));
        assert_ne!(of("note", b"a"), of("merge_request", b"a"));
        assert_ne!(of("note", b"a"), derived(Uuid::from_u128(2), "note", b"a"));
        assert_ne!(of("note", b"a"), delivery(line, "note", "a"), "not even with a target of the same name");
    }

    #[test]
    fn events_together_have_an_id_of_their_own() {
        let [one, two] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        assert_eq!(together([one]), Some(one));
        assert_ne!(together([one, two]), together([one]));
        assert_ne!(together([one, two]), together([two, one]));
    }

    #[test]
    fn a_ref_that_comes_back_to_where_it_was_has_three_differences() {
        let [this, copy] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let of = |old, new, after| difference(this, b"", b"refs/heads/a", old, new, after);
        let ids: HashSet<_> = [of("a", "b", 1), of("b", "a", 2), of("a", "b", 3)].into();
        assert_eq!(ids.len(), 3);
        assert_eq!(of("a", "b", 1), of("a", "b", 1));
        assert_ne!(difference(this, b"team", b"refs/heads/a", "a", "b", 1), of("a", "b", 1));
        assert_ne!(difference(copy, b"", b"refs/heads/a", "a", "b", 1), of("a", "b", 1));
    }

    #[test]
    fn derived_identifiers_never_change() {
        let difference = difference(Uuid::from_u128(1), b"", b"refs/heads/a", "a", "b", 1);
        assert_eq!(difference.to_string(), "095fb9ca-3b05-5e2d-b5f2-322729ed04ed");
        assert_eq!(number("project", "group/project"), 1_436_225_262);
        assert_eq!(webhook("group/project", "ci").to_string(), "ad2fb2ea-4321-5fd0-9d46-a8f818492417");
    }
}
