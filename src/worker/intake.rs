//! Whether a message is a delivery that this worker makes. It may come from anybody who can publish, so it is judged like an
//! address or a header in a configuration, and against the worker's own.

use std::sync::Arc;

use crate::delivery::{Delivery, Origin};
use crate::format::{self, Format, Payload};
use crate::message;
use crate::ref_name::Namespace;
use crate::ref_update::{RefEvent, parse_one};
use crate::schedule::{OrderKey, QueueKey, Schedule};
use crate::stream::Message;
use crate::target::Target;
use crate::template::{self, Flaw};

/// How far a git server's clock may be ahead of ours, in seconds: what is not to happen for years would be tried for as long.
const MOST_AHEAD: i64 = 86_400;

/// The delivery that a message asks for, with no more known of it than that; `now` in seconds since 1970.
///
/// # Errors
/// Why it is not made: it is set aside.
pub(super) fn delivery(message: &Message, target: &Target, now: i64) -> Result<Delivery, String> {
    let format = format::find(&message.format).filter(|format| format.name == target.format.name);
    let format = format.ok_or_else(|| message::other_format(&message.format, target.format.name))?;
    if !format.events.iter().any(|(_, name)| *name == message.event) {
        return Err(message::no_event_of_format(&message.event, format.name));
    }
    if message.time > now.saturating_add(MOST_AHEAD) {
        return Err(message::unsound_message("Webhook-Time"));
    }
    let size = message.body.len();
    if size > target.shape.most_bytes {
        return Err(message::larger_than_max_body(size, target.shape.most_bytes));
    }
    let line = [message.old.as_bytes(), b" ", message.new.as_bytes(), b" ", &message.ref_name].concat();
    let update = parse_one(&line, &Namespace::new(&message.namespace));
    let update = update.ok_or_else(|| message::unsound_message("Webhook-Ref"))?;
    Ok(Delivery {
        key: QueueKey { sequence: 0, number: 0, order: OrderKey::of(&update.name), id: message.id },
        schedule: Schedule::default(),
        redelivery: message.redelivery,
        line: RefEvent::new(update, message.event_id),
        more: Vec::new(),
        format,
        payload: Arc::new(payload(message, format)?),
        is_shared: false,
        time: message.time,
        receipt: "".into(),
        origin: Arc::new(Origin {
            repository: message.repository.clone(),
            instance: message.instance.clone(),
            project: message.project,
            trace: message.trace.clone(),
        }),
        is_late: message.is_late,
        reduced: None,
    })
}

/// What is sent; what the target's template makes of it is made at each attempt.
fn payload(message: &Message, format: &Format) -> Result<Payload, String> {
    let event = message.event.clone();
    if !format.takes_template() {
        return Ok(Payload::new(event, message.body.clone()));
    }
    let value = template::read_value(&message.body).ok_or_else(|| message::unsound_message("body"))?;
    Ok(Payload { value: Some(value), flaw: Some(Flaw::new(message::unmade())), ..Payload::new(event, Vec::new()) })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::stream;
    use crate::target;

    /// A push to a branch, for a target of the format gitlab.
    pub fn sample() -> Message {
        stream::sample(1, "ci", b"{}")
    }

    #[test]
    fn only_what_this_worker_is_configured_for_is_taken() {
        let mut target = target::tests::target(&[], "");
        target.format = format::find("gitlab").unwrap();
        target.shape.most_bytes = 10;
        let refused = |message: &Message| delivery(message, &target, 1_700_000_000).err().unwrap_or_default();
        assert_eq!(refused(&sample()), "");
        let refused = |change: fn(&mut Message)| {
            let mut message = sample();
            change(&mut message);
            refused(&message)
        };
        assert!(refused(|it| (it.format, it.event) = ("github".into(), "push".into())).contains("github"));
        assert!(refused(|it| it.format = "none".into()).contains("none"));
        assert!(refused(|it| it.event = "push".into()).contains("push"));
        assert!(refused(|it| it.body = vec![b'x'; 11]).contains("11"));
        assert!(refused(|it| it.time = i64::MAX).contains("Webhook-Time"));
        assert_eq!(refused(|it| it.time = i64::MIN), "", "it is given up after its first failures");
        assert!(refused(|it| it.new = it.old.clone()).contains("Webhook-Ref"));
        assert!(refused(|it| it.ref_name = b"a b".to_vec()).contains("Webhook-Ref"));
    }
}
