//! How programs are told times and durations: RFC 3339 and seconds, whatever we count in.

/// A time in seconds since 1970, told as `2026-11-22T22:30:36.000Z`.
pub mod time {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::history;

    /// Told as text.
    ///
    /// # Errors
    /// Where the text cannot be written.
    pub fn serialize<S: Serializer>(seconds: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        seconds.map(history::timestamp_of).serialize(serializer)
    }

    /// Read from text.
    ///
    /// # Errors
    /// Where it is no time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        history::seconds_of(&text).map(Some).ok_or_else(|| D::Error::custom(text))
    }
}

/// A duration in milliseconds, told in seconds: `0.012`.
pub mod duration {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Told in seconds.
    ///
    /// # Errors
    /// Where the number cannot be written.
    pub fn serialize<S: Serializer>(ms: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        ms.map(|ms| ms as f64 / 1000.0).serialize(serializer)
    }

    /// Read in seconds.
    ///
    /// # Errors
    /// Where it is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        Ok(seconds.map(|seconds| (seconds * 1000.0).round() as u64))
    }
}
