//! Moments as commits hold them and forges write them.

use std::time::SystemTime;

use jiff::tz::Offset;
use jiff::{Timestamp, Zoned};

/// A moment with the offset of whoever wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01 UTC.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub offset: i32,
}

/// How a forge writes the offset of UTC itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utc {
    /// `+00:00`.
    Zero,
    /// `Z`.
    Letter,
}

/// The present moment; the nearest one that a calendar has, where the clock is set to none.
pub fn present() -> Timestamp {
    let now = SystemTime::now();
    let end = if now < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(now).unwrap_or(end)
}

impl Time {
    /// A moment in UTC, in seconds since 1970.
    pub fn utc(seconds: i64) -> Self {
        Self { seconds, offset: 0 }
    }

    /// From RFC 3339, in UTC; `None` where it is none.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(|time| Self::utc(time.as_second()))
    }

    /// RFC 3339 with the writer's own offset, `2019-01-01T00:08:00+08:00`.
    ///
    /// A time or an offset that no calendar has is clamped: git accepts any number there.
    pub fn rfc3339(self, utc: Utc) -> String {
        let offset = Offset::from_seconds(self.offset.saturating_mul(60)).unwrap_or(Offset::UTC);
        let moment = self.zoned(offset);
        if offset == Offset::UTC && utc == Utc::Letter {
            moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        } else {
            moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        }
    }

    /// As Ruby writes a moment, `2019-05-17 18:08:09 UTC`.
    pub fn ruby(self) -> String {
        self.zoned(Offset::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    fn zoned(self, offset: Offset) -> Zoned {
        // One day inside jiff's limits, so that no offset can lead out of them.
        let day = 86_400;
        let seconds = self.seconds.clamp(Timestamp::MIN.as_second() + day, Timestamp::MAX.as_second() - day);
        Timestamp::from_second(seconds).unwrap_or_default().to_zoned(offset.to_time_zone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64, offset: i32) -> Time {
        Time { seconds, offset }
    }

    #[test]
    fn times_keep_their_offset() {
        assert_eq!(time(1_546_272_480, 480).rfc3339(Utc::Zero), "2019-01-01T00:08:00+08:00");
        assert_eq!(time(0, 0).rfc3339(Utc::Zero), "1970-01-01T00:00:00+00:00");
        assert_eq!(time(0, 0).rfc3339(Utc::Letter), "1970-01-01T00:00:00Z");
        assert_eq!(time(1_558_116_489, 480).ruby(), "2019-05-17 18:08:09 UTC");
        assert_eq!(time(-1, -210).rfc3339(Utc::Letter), "1969-12-31T20:29:59-03:30");
    }

    #[test]
    fn times_no_calendar_has_are_clamped() {
        assert_eq!(time(i64::MAX, 0).rfc3339(Utc::Letter), "9999-12-29T22:00:00Z");
        assert!(time(i64::MIN, i32::MIN).rfc3339(Utc::Letter).ends_with("Z"));
        assert_eq!(time(0, 99 * 60 + 99).rfc3339(Utc::Letter), "1970-01-01T00:00:00Z");
    }
}
