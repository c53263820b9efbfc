//! Which statuses of an answer count as delivered.

use crate::message;

/// Statuses and classes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success(Vec<(u16, u16)>);

impl Default for Success {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl Success {
    /// From words such as `2xx` and `302`; of 5xx none is a success.
    ///
    /// # Errors
    /// Where a word is neither a status nor a class.
    pub fn parse<'w>(words: impl Iterator<Item = &'w str>) -> Result<Self, &'static str> {
        let ranges: Option<Vec<_>> = words.map(range).collect();
        ranges.filter(|ranges| !ranges.is_empty()).map(Self).ok_or(message::no_status())
    }

    /// Whether an answer with this status is one.
    pub fn has(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

fn range(word: &str) -> Option<(u16, u16)> {
    if let Some(class) = word.strip_suffix("xx") {
        let class: u16 = class.parse().ok().filter(|class| (2..=4).contains(class))?;
        return Some((class * 100, class * 100 + 99));
    }
    let status = word.parse().ok().filter(|status| word.len() == 3 && (200..=499).contains(status))?;
    Some((status, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_classes() {
        let success = Success::parse("2xx 302".split(' ')).unwrap();
        assert_eq!([200, 299, 300, 302, 404].map(|status| success.has(status)), [true, true, false, true, false]);
        for wrong in ["", "5xx", "1xx", "200x", "2x", "99", "500", "+200", "2xx;302"] {
            assert!(Success::parse(wrong.split_whitespace()).is_err(), "{wrong}");
        }
        assert!(!Success::parse(["302"].into_iter()).unwrap().has(200), "it says all");
    }
}
