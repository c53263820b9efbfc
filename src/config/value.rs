//! Reads the text of a value as what its key asks for.

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::entry::Entry;
use super::syntax;
use crate::event::Visibility;
use crate::message;

/// How a wrong value is told: the words behind key and value.
pub(super) type Wrong = &'static str;

/// What the pusher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// One line a target.
    All,
    /// A line for each target that did not get everything.
    Failures,
    /// Nothing.
    None,
}

/// A value longer than this is a mistake or an attack, whatever the key.
const LONGEST_VALUE: usize = 64 * 1024;

pub(super) fn value_text(entry: &Entry) -> Result<&str, Wrong> {
    let value = entry.value.as_deref().ok_or(message::no_value())?;
    if value.len() > LONGEST_VALUE {
        return Err(message::value_too_long());
    }
    let text = std::str::from_utf8(value).map_err(|_| message::no_utf8())?;
    if text.contains('\0') {
        return Err(message::holds_nul());
    }
    Ok(text)
}

pub(super) fn text(value: &str) -> Result<String, Wrong> {
    Ok(value.into())
}

pub(super) fn one_line(value: &str) -> Result<String, Wrong> {
    if value.contains(char::is_control) {
        return Err(message::control_character());
    }
    Ok(value.into())
}

/// An owner is one word of a path.
pub(super) fn owner(value: &str) -> Result<String, Wrong> {
    let is_wrong = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if value.is_empty() || value.contains(is_wrong) { Err(message::no_owner()) } else { Ok(value.into()) }
}

/// Whether pushes by symbolic refs are told under both names.
pub(super) fn aliases(value: &str) -> Result<bool, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "branch" => Ok(false),
        "both" => Ok(true),
        _ => Err(message::no_aliases()),
    }
}

/// Whether copies of other servers' repositories announce.
pub(super) fn mirrors(value: &str) -> Result<bool, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(false),
        "tell" => Ok(true),
        _ => Err(message::no_mirrors()),
    }
}

/// Whether others may read files of secrets.
pub(super) fn secret_mode(value: &str) -> Result<bool, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "private" => Ok(false),
        "any" => Ok(true),
        _ => Err(message::no_secret_mode()),
    }
}

pub(super) fn absolute_path(value: &str) -> Result<PathBuf, Wrong> {
    let path = PathBuf::from(value);
    if path.is_absolute() { Ok(path) } else { Err(message::no_absolute_path()) }
}

pub(super) fn template(value: &str) -> Result<String, Wrong> {
    template_with(value, &["{repository}", "{name}"]).ok_or(message::no_template())
}

pub(super) fn commit_template(value: &str) -> Result<String, Wrong> {
    template_with(value, &["{repository}", "{name}", "{id}"]).ok_or(message::no_commit_template())
}

pub(super) fn review_template(value: &str) -> Result<String, Wrong> {
    template_with(value, &["{repository}", "{name}", "{number}"]).ok_or(message::no_review_template())
}

pub(super) fn compare_template(value: &str) -> Result<String, Wrong> {
    template_with(value, &["{repository}", "{name}", "{old}", "{new}"]).ok_or(message::no_compare_template())
}

pub(super) fn branch_template(value: &str) -> Result<String, Wrong> {
    template_with(value, &["{repository}", "{name}", "{branch}"]).ok_or(message::no_branch_template())
}

pub(super) fn tag_template(value: &str) -> Result<String, Wrong> {
    template_with(value, &["{repository}", "{name}", "{tag}"]).ok_or(message::no_tag_template())
}

pub(super) fn viewer(value: &str) -> Result<Viewer, Wrong> {
    match value {
        "cgit" => Ok(Viewer::Cgit),
        "gitweb" => Ok(Viewer::Gitweb),
        _ => Err(message::no_viewer()),
    }
}

fn template_with(value: &str, places: &[&str]) -> Option<String> {
    let rest = places.iter().fold(value.to_owned(), |rest, place| rest.replace(place, ""));
    let wrong = |c: char| c.is_control() || c.is_whitespace() || c == '{' || c == '}';
    (!rest.contains(wrong)).then(|| value.into())
}

/// A program that shows repositories, and has pages of its own for what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// cgit: <https://git.zx2c4.com/cgit/>.
    Cgit,
    /// gitweb(1), which git brings.
    Gitweb,
}

pub(super) fn visibility(value: &str) -> Result<Visibility, Wrong> {
    match value {
        "private" => Ok(Visibility::Private),
        "internal" => Ok(Visibility::Internal),
        "public" => Ok(Visibility::Public),
        _ => Err(message::no_visibility()),
    }
}

pub(super) fn report(value: &str) -> Result<Report, Wrong> {
    match value {
        "all" => Ok(Report::All),
        "failures" => Ok(Report::Failures),
        "none" => Ok(Report::None),
        _ => Err(message::no_report()),
    }
}

pub(super) fn log_level(value: &str) -> Result<LevelFilter, Wrong> {
    match value {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        _ => Err(message::no_log_level()),
    }
}

pub(super) fn positive_number(value: &str) -> Result<u32, Wrong> {
    syntax::integer(value.as_bytes())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (1..1 << 31).contains(number))
        .ok_or(message::no_number())
}

/// How many of something there are at most; none of them, too.
pub(super) fn count(value: &str) -> Result<u32, Wrong> {
    let number = syntax::integer(value.as_bytes()).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number < 1 << 31).ok_or(message::no_count())
}

/// A number of bytes, from one kibibyte to one gibibyte.
pub(super) fn size(value: &str) -> Result<usize, Wrong> {
    syntax::integer(value.as_bytes())
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| (1 << 10..=1 << 30).contains(number))
        .ok_or(message::no_size())
}

/// A time for one push, from one second to one hour.
pub(super) fn seconds(value: &str) -> Result<Duration, Wrong> {
    match time(value)? {
        Some(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(message::no_time_of_push()),
    }
}

/// A time for things that are kept or repeated, from one second to ten years.
pub(super) fn days(value: &str) -> Result<Duration, Wrong> {
    match time(value)? {
        Some(seconds @ 1..=TEN_YEARS) => Ok(Duration::from_secs(seconds)),
        _ => Err(message::no_time_of_keeping()),
    }
}

const TEN_YEARS: u64 = 3650 * 86_400;

/// Seconds: a whole number with `s`, `m`, `h` or `d`, seconds without; `None` for more than there can be.
pub fn time(value: &str) -> Result<Option<u64>, Wrong> {
    let digits = value.trim_end_matches(['s', 'm', 'h', 'd']);
    let factor = match &value[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(message::no_time()),
    };
    // u64's parser takes a leading plus.
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(message::no_time());
    }
    let number: u64 = digits.parse().map_err(|_| message::no_time())?;
    Ok(number.checked_mul(factor))
}

pub(super) fn boolean(value: &str) -> Result<bool, Wrong> {
    syntax::boolean(value.as_bytes()).ok_or(message::no_boolean())
}
