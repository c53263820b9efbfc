//! W3C Trace Context: the header by which the spans of a receiver's work belong to the push that it does it for.
//!
//! Source: <https://www.w3.org/TR/trace-context/>, "traceparent Header Field Values".

use uuid::Uuid;

use crate::identifier;

/// The variable by which a program is handed the trace that it belongs to.
pub const TRACEPARENT: &str = "TRACEPARENT";

/// A trace: what all requests have in common that tell of one event, or that somebody began before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Never zero.
    id: u128,
    /// The last bit says that it is recorded.
    flags: u8,
}

impl Trace {
    /// The one that an event begins.
    pub fn of(event: Uuid) -> Self {
        Self { id: event.as_u128().max(1), flags: 1 }
    }

    /// The one that a header's value continues; `None` where that is none, as its receivers have to judge it.
    pub fn parse(value: &str) -> Option<Self> {
        let is_lower_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut words = value.split('-');
        let (version, id, parent, flags) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let has_form = [(version, 2), (id, 32), (parent, 16), (flags, 2)]
            .into_iter()
            .all(|(word, length)| word.len() == length && is_lower_hex(word));
        // A later version may have more behind, this one has not.
        let has_more = words.next().is_some();
        if !has_form || version == "ff" || (version == "00" && has_more) {
            return None;
        }
        let id = u128::from_str_radix(id, 16).ok().filter(|id| *id != 0)?;
        u64::from_str_radix(parent, 16).ok().filter(|parent| *parent != 0)?;
        Some(Self { id, flags: u8::from_str_radix(flags, 16).ok()? })
    }

    /// The value of the header for one attempt: a span of its own.
    pub fn header(self, delivery: Uuid, attempt: u32) -> String {
        let span = identifier::span(delivery, attempt);
        format!("00-{:032x}-{span:016x}-{:02x}", self.id, self.flags)
    }
}

/// Whose trace the requests to a target belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// Nobody's.
    Off,
    /// The event's.
    #[default]
    Own,
    /// That of whoever pushed, where the hook was handed one; else the event's.
    Continued,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_one_is_continued() {
        for value in [
            format!("00-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-00"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later"),
        ] {
            let trace = Trace::parse(&value).unwrap_or_else(|| panic!("{value}"));
            let header = trace.header(Uuid::nil(), 1);
            assert_eq!(header[..36], format!("00-{TRACE}-"));
            assert_eq!(header[53..], value[53..55]);
            assert!(Trace::parse(&header).is_some(), "{header}");
        }
    }

    #[test]
    fn what_is_none_is_not() {
        let zero = "0".repeat(32);
        for value in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{zero}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-+{}-00f067aa0ba902b7-01", &TRACE[1..]),
            format!(" 00-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-01\r\nX-Evil: 1"),
        ] {
            assert_eq!(Trace::parse(&value), None, "{value}");
        }
    }

    #[test]
    fn each_attempt_has_a_span_of_its_own() {
        let trace = Trace::of(Uuid::from_u128(7));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let all = [trace.header(one, 1), trace.header(one, 2), trace.header(other, 1)];
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2], "{all:?}");
        assert_eq!(all[0], trace.header(one, 1));
        assert!(all.iter().all(|header| header.starts_with("00-00000000000000000000000000000007-")));
    }
}
