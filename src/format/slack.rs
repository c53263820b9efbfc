//! Slack, and what reads the same: Mattermost, Rocket.Chat, Discord below `/slack`. One message for each event.
//!
//! Source: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>; for links and escapes
//! <https://docs.slack.dev/messaging/formatting-message-text/>.

use serde_json::json;

use super::chat::inert::coded_entities;
use super::chat::{self, Line, Markup, Room};
use super::{Format, Limits, Payload, Signed, compact};
use crate::event::{Event, EventName};

/// What the strictest of them takes, Discord: 2,000 characters. Mattermost takes 16,383, Slack 40,000.
const LONGEST: usize = 2000;

/// The last line has no end.
const ROOM: Room = Room { most: LONGEST + 1, size: |line| length(&MARKUP.line(line)) + 1, end: 40 };

const MARKUP: Markup = Markup { inert: coded_entities, link: |page, text| format!("<{page}|{text}>"), quote: "> " };

pub(super) const FORMAT: Format = Format {
    name: "slack",
    forge: "Slack, Mattermost, Rocket.Chat, Discord",
    hosts: &["hooks.slack.com", "discord.com/*/slack", "discordapp.com/*/slack"],
    forms: Some(Signed::Form),
    ..chat::format(payload)
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let message = chat::message(event, name, limits, &ROOM)?;
    Some(compact(message.event, &json!({ "text": text(&message.lines) })))
}

/// Cut where it would be longer even without links.
fn text(lines: &[Line]) -> String {
    let text = MARKUP.text(lines, "\n");
    if length(&text) <= LONGEST { text } else { cut(&text) }
}

/// In the units that the strictest of them may count in.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The beginning of a text without links, which ends within no escape.
fn cut(text: &str) -> String {
    let mut kept = String::new();
    let mut left = LONGEST - 1;
    for c in text.chars().take_while(|c| left.checked_sub(c.len_utf16()).map(|rest| left = rest).is_some()) {
        kept.push(c);
    }
    if kept.len() == text.len() {
        return kept;
    }
    if let Some(at) = kept.rfind('&').filter(|at| !kept[*at..].contains(';')) {
        kept.truncate(at);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_ends_in_no_escape_and_no_half_of_a_character() {
        let long = |text: &str| text.repeat(LONGEST);
        for text in [long("x"), long("&amp;"), long("\u{1f600}"), long("é")] {
            let cut = cut(&text);
            assert!(length(&cut) <= LONGEST && length(&cut) > LONGEST - 8, "{}", length(&cut));
            assert!(cut.trim_end_matches('…').replace("&amp;", "").matches('&').count() == 0, "{cut}");
        }
        assert_eq!(cut("short"), "short");
    }
}
