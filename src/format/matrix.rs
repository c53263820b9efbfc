//! Matrix: a notice to a room, by a PUT whose transaction is the delivery, so that it is there once however often it is sent.
//!
//! Source: <https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid>; what a message
//! holds, <https://spec.matrix.org/latest/client-server-api/#mnotice>.

use std::time::Duration;

use serde_json::{Value, json};

use super::chat::inert::{html, plain};
use super::chat::{self, Markup, Room};
use super::{Additions, Carried, Exchange, Format, Given, Header, Limits, Method, Payload, Reads, compact};
use crate::event::{Event, EventName};
use crate::signature::Secret;

/// An event has 64 KiB at most; each line stands in it twice, and the server adds its own.
const ROOM: Room = Room { most: 24 * 1024, size: |line| HTML.line(line).len() + BETWEEN.len(), end: 60 };

const BETWEEN: &str = "<br>";

const HTML: Markup = Markup {
    inert: html,
    link: |page, text| format!("<a href=\"{}\">{text}</a>", html_attribute(page)),
    quote: "&gt; ",
};

/// For programs that show no HTML.
const PLAIN: Markup = Markup { inert: plain, link: |_, text| text.to_owned(), quote: "> " };

pub(super) const FORMAT: Format = Format {
    name: "matrix",
    forge: "Matrix",
    hosts: &["*/_matrix/client/*"],
    sign,
    exchange: Exchange {
        method: Method::Put,
        finish: Some(finish),
        secret: Carried::Nowhere,
        reads: Reads::Wait(wait),
    },
    ..chat::format(payload)
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let message = chat::message(event, name, limits, &ROOM)?;
    let body = json!({
        "msgtype": "m.notice",
        "body": PLAIN.text(&message.lines, "\n"),
        "format": "org.matrix.custom.html",
        "formatted_body": HTML.text(&message.lines, BETWEEN),
        "m.mentions": {},
    });
    Some(compact(message.event, &body))
}

fn html_attribute(page: &str) -> String {
    page.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// The target's address is that of the room.
fn finish(given: &Given<'_>) -> Additions {
    let segments = ["send".into(), "m.room.message".into(), given.delivery.to_string()];
    Additions { segments: segments.into(), ..Additions::default() }
}

fn sign(secret: &Secret, _body: &[u8]) -> Vec<Header> {
    vec![("Authorization", [b"Bearer ", secret.expose()].concat())]
}

/// `M_LIMIT_EXCEEDED`, as servers say it that are older than the header.
fn wait(answer: &Value) -> Option<Duration> {
    Some(Duration::from_secs(answer["retry_after_ms"].as_u64()?.div_ceil(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_it_wants_to_be_left_alone() {
        let asked = |text: &str| wait(&serde_json::from_str(text).unwrap()).map(|time| time.as_secs());
        assert_eq!(
            asked(r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":2001}"#),
            Some(3)
        );
        assert_eq!(["{}", r#"{"retry_after_ms":-1}"#, "[]"].map(asked), [None; 3]);
    }
}
