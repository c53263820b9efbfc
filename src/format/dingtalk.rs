//! DingTalk: Markdown to a custom robot, whose signature stands in the query.
//!
//! Source: <https://open.dingtalk.com/document/orgapp/custom-robot-access>; its signature,
//! <https://open.dingtalk.com/document/orgapp/customize-robot-security-settings>.

use serde_json::json;

use super::chat::inert::{plain, replaced};
use super::chat::{self, Line, Markup, Room, by_number, markdown_link};
use super::{Additions, Carried, Exchange, Format, Given, Limits, Payload, Reads, compact};
use crate::event::{Event, EventName};
use crate::signature::base64;
use crate::text::shorten;

/// What the robot takes, 20,000 bytes, and no more than people read.
const ROOM: Room = Room { most: 12_000, size: |line| MARKUP.line(line).len() + BETWEEN.len(), end: 60 };

/// One line break is none.
const BETWEEN: &str = "\n\n";

const MARKUP: Markup = Markup { inert: replaced, link: markdown_link, quote: "> " };

/// What a phone shows of a message before it is opened, and the title has to have.
const LONGEST_TITLE: usize = 100;

/// More than 20 messages a minute, upon which the robot is closed for ten; and a server that is busy.
const BUSY: &[(i64, Option<u64>)] = &[(130_101, Some(600)), (-1, None)];

pub(super) const FORMAT: Format = Format {
    name: "dingtalk",
    forge: "DingTalk",
    hosts: &["oapi.dingtalk.com"],
    exchange: Exchange {
        finish: Some(finish),
        secret: Carried::Signature("`sign` in the query"),
        reads: Reads::Verdict(|answer| by_number(answer, "errcode", "errmsg", BUSY)),
        ..Exchange::POST
    },
    ..chat::format(payload)
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let message = chat::message(event, name, limits, &ROOM)?;
    let title = message.lines.first().map(title).unwrap_or_default();
    let markdown = json!({ "title": title, "text": MARKUP.text(&message.lines, BETWEEN) });
    Some(compact(message.event, &json!({ "msgtype": "markdown", "markdown": markdown })))
}

/// The first line, without any markup.
fn title(line: &Line) -> String {
    let text: String = line.spans.iter().map(|span| span.ours.clone() + &plain(&span.theirs)).collect();
    shorten(text, LONGEST_TITLE)
}

/// Good for an hour; the time is in milliseconds.
fn finish(given: &Given<'_>) -> Additions {
    let Some(secret) = given.secret else { return Additions::default() };
    let timestamp = given.time.saturating_mul(1000).to_string();
    let signed = [timestamp.as_bytes(), b"\n", secret.expose()].concat();
    let sign = base64(&secret.mac_sha256(&signed));
    Additions { query: vec![("timestamp", timestamp), ("sign", sign)], ..Additions::default() }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::signature::Secret;

    /// Made by Python's hmac after the specification's own example.
    #[test]
    fn the_signature_is_of_time_and_secret() {
        let secret = Secret::new("a secret of the robot's");
        let given = Given { body: b"{}", secret: Some(&secret), delivery: Uuid::nil(), time: 1599360473 };
        let expected =
            [("timestamp", "1599360473000".into()), ("sign", "KYUkPQ8wzTKwUleWKjQnfVRlegy33nZ0pXMq5z6kcUE=".into())];
        assert_eq!(finish(&given).query, expected);
        assert!(finish(&Given { secret: None, ..given }).query.is_empty());
    }
}
