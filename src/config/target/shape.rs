//! How a target wants its payloads: how much they tell, how large they may be, how they are sent, in whose trace.

use super::TargetReader;
use crate::config::entry::Scope;
use crate::config::syntax;
use crate::config::value::{Wrong, count, size};
use crate::format::{Encoding, Format, Limits, Shape};
use crate::message;
use crate::trace::Tracing;

/// A body is larger only where nothing more can be left out, in bytes.
const MOST_BYTES: usize = 25 << 20;

/// A push of very many refs is told in parts of this size at most, in bytes: one is filled while another is sent, and both are
/// held in memory.
const PART_BYTES: usize = 8 << 20;

/// What `detail` leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    /// Lists of files.
    Commits,
    /// Commits too.
    Thin,
}

impl TargetReader<'_> {
    pub(super) fn shape(&mut self, format: Option<&Format>) -> Shape {
        let detail = self.value("detail", detail).unwrap_or(Detail::Full);
        let most = self.value("maxCommits", count).map(|number| number as usize);
        let commits = if detail == Detail::Thin { Some(0) } else { most };
        let limits =
            Limits { commits, files: detail == Detail::Full && commits != Some(0), extras: self.extras(format) };
        let most_bytes = self.value("maxBody", size).unwrap_or(MOST_BYTES);
        Shape { limits, most_bytes, part_bytes: most_bytes.min(PART_BYTES), encoding: self.encoding(format) }
    }

    /// What a pusher can set in the hook's environment (sshd's AcceptEnv) is believed where the server's administrator says so.
    pub(super) fn tracing(&mut self) -> Tracing {
        let Some(entry) = self.last("traceparent") else { return Tracing::Own };
        let value = entry.value.as_deref().unwrap_or(b"true");
        match syntax::boolean(value) {
            Some(true) => Tracing::Own,
            Some(false) => Tracing::Off,
            None if !value.eq_ignore_ascii_case(b"continue") => {
                self.problem("traceparent", entry, message::no_tracing());
                Tracing::Own
            }
            None if entry.scope < Scope::Repository => Tracing::Continued,
            None => {
                self.warn("traceparent", entry, message::continue_is_protected());
                Tracing::Own
            }
        }
    }

    fn extras(&mut self, format: Option<&Format>) -> bool {
        let is_wanted = self.boolean("codeupExtras", false);
        let has_use = format.is_none_or(|format| format.has_extras);
        if is_wanted
            && !has_use
            && let Some(entry) = self.last("codeupExtras").filter(|entry| entry.subsection.is_some())
            && let Some(format) = format
        {
            self.warn("codeupExtras", entry, message::unused_by_format(format.name));
        }
        is_wanted && has_use
    }

    /// What is the default of all targets is for those that have forms; what one target says has to be possible.
    fn encoding(&mut self, format: Option<&Format>) -> Encoding {
        if format.is_some_and(Format::takes_template) {
            return Encoding::Json;
        }
        let wanted = self.value("contentType", content_type).unwrap_or(Encoding::Json);
        if wanted == Encoding::Form
            && let Some(format) = format.filter(|format| format.forms.is_none())
        {
            if let Some(entry) = self.last("contentType").filter(|entry| entry.subsection.is_some()) {
                self.problem("contentType", entry, message::no_form_in_format(format.name));
            }
            return Encoding::Json;
        }
        wanted
    }
}

fn detail(value: &str) -> Result<Detail, Wrong> {
    match value {
        "full" => Ok(Detail::Full),
        "commits" => Ok(Detail::Commits),
        "thin" => Ok(Detail::Thin),
        _ => Err(message::no_detail()),
    }
}

fn content_type(value: &str) -> Result<Encoding, Wrong> {
    match value {
        "json" => Ok(Encoding::Json),
        "form" => Ok(Encoding::Form),
        _ => Err(message::no_content_type()),
    }
}
