//! Microsoft Teams: an Adaptive Card to the address of a workflow.
//!
//! Source: <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>; the card,
//! <https://adaptivecards.io/explorer/RichTextBlock.html>, whose runs of text mark nothing up.

use serde_json::{Value, json};

use super::chat::inert::plain;
use super::chat::{self, Line, Room, Span};
use super::{Format, Limits, Payload, compact};
use crate::event::{Event, EventName};

/// A message has 28 KB at most, and what stands around the lines is of it.
const ROOM: Room = Room { most: 24 * 1024, size: |line| block(line).to_string().len() + 1, end: 200 };

pub(super) const FORMAT: Format = Format {
    name: "teams",
    forge: "Microsoft Teams, Workflows",
    hosts: &["*.logic.azure.com", "*.powerplatform.com"],
    ..chat::format(payload)
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let message = chat::message(event, name, limits, &ROOM)?;
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": message.lines.iter().map(block).collect::<Vec<_>>(),
        "msteams": { "width": "Full" },
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    Some(compact(message.event, &json!({ "type": "message", "attachments": [attachment] })))
}

fn block(line: &Line) -> Value {
    let runs: Vec<_> = line.spans.iter().filter_map(|span| run(span, line.is_quoted)).collect();
    json!({ "type": "RichTextBlock", "inlines": runs })
}

/// What somebody said is set apart by how it is written; of no text there is no run.
fn run(span: &Span, is_quoted: bool) -> Option<Value> {
    let text = span.ours.clone() + &plain(&span.theirs);
    let mut run = json!({ "type": "TextRun", "text": text });
    if is_quoted {
        run["italic"] = true.into();
    }
    if !span.page.is_empty() {
        run["selectAction"] = json!({ "type": "Action.OpenUrl", "url": span.page });
    }
    (!text.is_empty()).then_some(run)
}
