//! Feishu and Lark: a rich text to a custom bot, whose signature stands in the body.
//!
//! Source: <https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot>.

use serde_json::{Value, json};

use super::chat::inert::plain;
use super::chat::{self, Line, Room, Span, by_number};
use super::{Additions, Carried, Exchange, Format, Given, Limits, Payload, Reads, Verdict, compact};
use crate::event::{Event, EventName};
use crate::signature::{Secret, base64};

/// A request has 20 KB at most, and signature and title are of it.
const ROOM: Room = Room { most: 18 * 1024, size: |line| Value::from(elements(line)).to_string().len() + 1, end: 100 };

/// Answered where a bot is sent more than 100 messages a minute, or five a second.
const TOO_MANY: i64 = 11_232;

pub(super) const FORMAT: Format = Format {
    name: "feishu",
    forge: "Feishu, Lark",
    hosts: &["open.feishu.cn", "open.larksuite.com"],
    exchange: Exchange {
        finish: Some(finish),
        secret: Carried::Signature("`sign` in the body"),
        reads: Reads::Verdict(verdict),
        ..Exchange::POST
    },
    ..chat::format(payload)
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let message = chat::message(event, name, limits, &ROOM)?;
    let lines: Vec<_> = message.lines.iter().map(elements).collect();
    // One language is shown to everybody.
    let post = json!({ "en_us": { "title": "", "content": lines } });
    Some(compact(message.event, &json!({ "msg_type": "post", "content": { "post": post } })))
}

fn elements(line: &Line) -> Vec<Value> {
    let quote = line.is_quoted.then(|| json!({ "tag": "text", "text": "> " }));
    quote.into_iter().chain(line.spans.iter().filter_map(element)).collect()
}

/// What stands in an element of text marks nothing up.
fn element(span: &Span) -> Option<Value> {
    let text = span.ours.clone() + &plain(&span.theirs);
    match (text.is_empty(), span.page.is_empty()) {
        (true, _) => None,
        (false, true) => Some(json!({ "tag": "text", "text": text })),
        (false, false) => Some(json!({ "tag": "a", "text": text, "href": span.page })),
    }
}

/// Good for an hour. The time and the secret are the key, and what is signed is empty.
fn finish(given: &Given<'_>) -> Additions {
    let Some(secret) = given.secret else { return Additions::default() };
    let timestamp = given.time.to_string();
    let key = [timestamp.as_bytes(), b"\n", secret.expose()].concat();
    let sign = base64(&Secret::new(key).mac_sha256(b""));
    let mut body: Value = serde_json::from_slice(given.body).unwrap_or_default();
    if let Value::Object(body) = &mut body {
        body.insert("timestamp".into(), timestamp.into());
        body.insert("sign".into(), sign.into());
    }
    Additions { body: Some(body.to_string().into_bytes()), ..Additions::default() }
}

/// `{"code":0,"msg":"success"}`.
fn verdict(answer: &Value) -> Verdict {
    by_number(answer, "code", "msg", &[(TOO_MANY, None)])
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// Made by Python's hmac after the specification's own example.
    #[test]
    fn the_signature_is_of_time_and_secret() {
        let secret = Secret::new("a secret of the robot's");
        let given = Given { body: br#"{"a":1}"#, secret: Some(&secret), delivery: Uuid::nil(), time: 1599360473 };
        let body = finish(&given).body.unwrap();
        let expected = r#"{"a":1,"timestamp":"1599360473","sign":"ZoRFgBvOYdgLL5KLEAB7gstMo9oWKiC8FkoQFu0LEPk="}"#;
        assert_eq!(String::from_utf8_lossy(&body), expected);
        assert!(finish(&Given { secret: None, ..given }).body.is_none());
    }
}
