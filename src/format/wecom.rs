//! WeCom: Markdown to a group's robot.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/91770>; its numbers,
//! <https://developer.work.weixin.qq.com/document/path/90313>.

use serde_json::json;

use super::chat::inert::replaced;
use super::chat::{self, Markup, Room, by_number, markdown_link};
use super::{Exchange, Format, Limits, Payload, Reads, compact};
use crate::event::{Event, EventName};
use crate::text::shorten;

/// So many bytes a message has at most; the last line has no end.
const LONGEST: usize = 4096;
const ROOM: Room = Room { most: LONGEST + 1, size: |line| MARKUP.line(line).len() + 1, end: 40 };

const MARKUP: Markup = Markup { inert: replaced, link: markdown_link, quote: "> " };

/// More than 20 messages a minute; and a server that is busy.
const BUSY: &[(i64, Option<u64>)] = &[(45_009, Some(60)), (-1, None)];

pub(super) const FORMAT: Format = Format {
    name: "wecom",
    forge: "WeCom",
    hosts: &["qyapi.weixin.qq.com"],
    exchange: Exchange {
        reads: Reads::Verdict(|answer| by_number(answer, "errcode", "errmsg", BUSY)),
        ..Exchange::POST
    },
    ..chat::format(payload)
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let message = chat::message(event, name, limits, &ROOM)?;
    // Names of nothing but characters that are written longer.
    let text = shorten(MARKUP.text(&message.lines, "\n"), LONGEST - 3);
    Some(compact(message.event, &json!({ "msgtype": "markdown", "markdown": { "content": text } })))
}
