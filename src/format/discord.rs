//! Discord's own form: one embed, in which nobody is called.
//!
//! Source: <https://discord.com/developers/docs/resources/webhook#execute-webhook>; what an embed takes,
//! <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>; its rate limits,
//! <https://discord.com/developers/docs/topics/rate-limits#exceeding-a-rate-limit>.

use std::time::Duration;

use serde_json::{Value, json};

use super::chat::inert::coded;
use super::chat::{self, Markup, Room, markdown_link};
use super::{Exchange, Format, Limits, Payload, Reads, compact};
use crate::event::{Event, EventKind, EventName, ReviewAction};
use crate::ref_update::Change;

/// So many characters a description has at most; the last line has no end.
const ROOM: Room = Room { most: 4096 + 1, size: |line| MARKUP.line(line).encode_utf16().count() + 1, end: 40 };

const MARKUP: Markup = Markup { inert: coded, link: markdown_link, quote: "> " };

/// The bar beside a message: what came, what went, what was written anew, all else.
const GREEN: u32 = 0x2d_a4_4e;
const RED: u32 = 0xcf_22_2e;
const YELLOW: u32 = 0xbf_87_00;
const BLUE: u32 = 0x09_69_da;

pub(super) const FORMAT: Format = Format {
    name: "discord",
    forge: "Discord",
    hosts: &["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"],
    exchange: Exchange { reads: Reads::Wait(wait), ..Exchange::POST },
    ..chat::format(payload)
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let message = chat::message(event, name, limits, &ROOM)?;
    let embed = json!({ "description": MARKUP.text(&message.lines, "\n"), "color": colour(event) });
    Some(compact(message.event, &json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })))
}

fn colour(event: &Event) -> u32 {
    match &event.kind {
        EventKind::Push(push) | EventKind::TagPush(push) => match push.change() {
            Change::Create => GREEN,
            Change::Delete => RED,
            Change::Update if push.forced => YELLOW,
            Change::Update => BLUE,
        },
        EventKind::MergeRequest(request) => match request.action {
            ReviewAction::Open | ReviewAction::Reopen | ReviewAction::Approve | ReviewAction::Merge => GREEN,
            ReviewAction::Close | ReviewAction::RequestChanges => RED,
            ReviewAction::Update | ReviewAction::Unapprove | ReviewAction::WithdrawChanges => BLUE,
        },
        EventKind::Note(_) => BLUE,
    }
}

/// `{"retry_after": 0.65}`, in seconds.
fn wait(answer: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(answer["retry_after"].as_f64()?.ceil()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_it_wants_to_be_left_alone() {
        let asked = |text: &str| wait(&serde_json::from_str(text).unwrap()).map(|time| time.as_secs());
        assert_eq!(asked(r#"{"message":"You are being rate limited.","retry_after":64.57,"global":false}"#), Some(65));
        assert_eq!(["{}", r#"{"retry_after":-1}"#, r#"{"retry_after":1e99}"#, "[]"].map(asked), [None; 4]);
    }
}
