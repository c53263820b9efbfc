//! A delivery on its way through the broker: what both sides agree on.
//!
//! There is no URL in it, no secret, no signature and no header of a request: those are the worker's, who makes them of its own
//! configuration and the format's row. What a message says is facts, each checked when it is read: whoever can publish is not
//! thereby trusted.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::names::{LETTERS_OF_KEY, target_of_token, target_token};
use super::protocol::Incoming;
use crate::message;
use crate::signature::sha256_hex;
use crate::target::TargetName;
use crate::trace::Trace;
use crate::urls::{percent_decoded, printable};

/// The version of what is written here. One that is newer is handed back to the broker, for a newer worker.
const VERSION: u32 = 1;

/// The longest value of a header that is taken.
const LONGEST: usize = 16 * 1024;

/// Where among the subjects a message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// In order: sent only if nothing older of its key is there.
    Deliveries,
    /// Those that failed and hold up nothing.
    Retries,
    /// Dead letters.
    Dead,
}

impl Lane {
    /// What their subjects begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Deliveries => "gw.d",
            Self::Retries => "gw.r",
            Self::Dead => "gw.x",
        }
    }
}

/// A delivery.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The delivery's id: the same over retries and redeliveries.
    pub id: Uuid,
    /// How often somebody asked for it once more.
    pub redelivery: u32,
    /// The target's name, a valid one.
    pub target: String,
    /// What keeps it in order, see [`super::order_key`].
    pub order: String,
    /// The format of the body.
    pub format: String,
    /// The forge's name of the event.
    pub event: String,
    /// The event's id: the same for all targets.
    pub event_id: Uuid,
    /// The spool that it comes from.
    pub spool: Uuid,
    /// The repository's path with namespace.
    pub repository: String,
    /// The repository's number.
    pub project: u32,
    /// The git server's base address.
    pub instance: String,
    /// The namespace of the ref; empty for none.
    pub namespace: Vec<u8>,
    /// The ref within it.
    pub ref_name: Vec<u8>,
    /// Where it pointed before, in hexadecimal; zeros for a creation.
    pub old: String,
    /// Where it points since.
    pub new: String,
    /// How many further refs it tells of.
    pub more: u32,
    /// When the event happened, in seconds since 1970.
    pub time: i64,
    /// Whether it comes later than what was pushed after it may have: found in the refs afterwards, or published once more.
    pub is_late: bool,
    /// `TRACEPARENT` of the hook, where there was one.
    pub trace: Option<String>,
    /// The payload, or what the format makes it of at each attempt.
    pub body: Vec<u8>,
}

/// Without what was pushed.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("id", &self.id).field("target", &self.target).finish_non_exhaustive()
    }
}

/// Why a message is not taken for a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// It is of this version, which a newer worker may know.
    Newer(u32),
    /// It is none: what is wrong.
    Unsound(String),
}

impl Message {
    /// The subject that it has there.
    pub fn subject(&self, lane: Lane) -> String {
        format!("{}.{}.{}", lane.prefix(), target_token(&self.target), self.order)
    }

    /// By what the broker knows it again: the same however often a delivery is published, another for each redelivery.
    pub fn message_id(&self) -> String {
        match self.redelivery {
            0 => self.id.to_string(),
            number => format!("{}/r{number}", self.id),
        }
    }

    /// The headers, but for the broker's own.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("Webhook-Version", VERSION.to_string()),
            ("Webhook-Target", self.target.clone()),
            ("Webhook-Format", printable(self.format.as_bytes())),
            ("Webhook-Event", printable(self.event.as_bytes())),
            ("Webhook-Event-Id", self.event_id.to_string()),
            ("Webhook-Delivery-Id", self.id.to_string()),
            ("Webhook-Spool", self.spool.to_string()),
            ("Webhook-Repository", printable(self.repository.as_bytes())),
            ("Webhook-Project", self.project.to_string()),
            ("Webhook-Instance", printable(self.instance.as_bytes())),
            ("Webhook-Ref", printable(&self.ref_name)),
            ("Webhook-Old", self.old.clone()),
            ("Webhook-New", self.new.clone()),
            ("Webhook-Time", self.time.to_string()),
            ("Webhook-Sha256", sha256_hex(&self.body)),
        ];
        let mut also = |is_there: bool, name, value| headers.extend(is_there.then_some((name, value)));
        also(self.redelivery > 0, "Webhook-Redelivery", self.redelivery.to_string());
        also(!self.namespace.is_empty(), "Webhook-Namespace", printable(&self.namespace));
        also(self.more > 0, "Webhook-More", self.more.to_string());
        also(self.is_late, "Webhook-Late", "1".into());
        headers.extend(self.trace.iter().map(|trace| ("traceparent", printable(trace.as_bytes()))));
        headers
    }

    /// How many bytes a server counts of it, at most.
    pub fn size(&self) -> usize {
        const OF_BROKER: usize = 256;
        let headers: usize = self.headers().iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        OF_BROKER + headers + self.body.len()
    }

    /// Reads what came on a subject.
    ///
    /// # Errors
    /// Where it is not a delivery that this program knows how to make.
    pub fn read(subject: &str, incoming: &Incoming) -> Result<Self, NotOurs> {
        let fields = Fields(incoming);
        let version: u32 = fields.parsed("Webhook-Version")?;
        if version > VERSION {
            return Err(NotOurs::Newer(version));
        }
        let mut tokens = subject.split('.').skip(2);
        let (Some(token), Some(order), None) = (tokens.next(), tokens.next(), tokens.next()) else {
            return Err(unsound("subject"));
        };
        let target = fields.text("Webhook-Target")?;
        let is_of_key = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        if !TargetName::new(target.as_bytes()).is_valid() || target_of_token(token) != target {
            return Err(unsound("Webhook-Target"));
        }
        if order.len() != LETTERS_OF_KEY || !order.bytes().all(is_of_key) {
            return Err(unsound("subject"));
        }
        if fields.text("Webhook-Sha256")? != sha256_hex(&incoming.payload) {
            return Err(unsound("Webhook-Sha256"));
        }
        Ok(Self {
            id: fields.parsed("Webhook-Delivery-Id")?,
            redelivery: fields.parsed_or_none("Webhook-Redelivery")?.unwrap_or(0),
            target,
            order: order.to_owned(),
            format: fields.text("Webhook-Format")?,
            event: fields.text("Webhook-Event")?,
            event_id: fields.parsed("Webhook-Event-Id")?,
            spool: fields.parsed("Webhook-Spool")?,
            repository: fields.text("Webhook-Repository")?,
            project: fields.parsed("Webhook-Project")?,
            instance: fields.text("Webhook-Instance")?,
            namespace: fields.bytes("Webhook-Namespace")?.unwrap_or_default(),
            ref_name: fields.bytes("Webhook-Ref")?.ok_or_else(|| unsound("Webhook-Ref"))?,
            old: fields.object_id("Webhook-Old")?,
            new: fields.object_id("Webhook-New")?,
            more: fields.parsed_or_none("Webhook-More")?.unwrap_or(0),
            time: fields.parsed("Webhook-Time")?,
            is_late: incoming.header("Webhook-Late").is_some(),
            trace: fields
                .bytes("traceparent")?
                .and_then(|value| String::from_utf8(value).ok())
                .filter(|it| is_trace(it)),
            body: incoming.payload.clone(),
        })
    }
}

/// Of what cannot be read as a delivery, the spool and the delivery that it is of, as far as it says so.
pub fn sender(incoming: &Incoming) -> Option<(Uuid, Uuid)> {
    let fields = Fields(incoming);
    Some((fields.parsed("Webhook-Spool").ok()?, fields.parsed("Webhook-Delivery-Id").ok()?))
}

/// Which redelivery it is of, 0 for none; of what does not say so, none.
pub fn redelivery_of(incoming: &Incoming) -> u32 {
    Fields(incoming).parsed("Webhook-Redelivery").unwrap_or(0)
}

fn is_trace(value: &str) -> bool {
    Trace::parse(value).is_some()
}

fn unsound(name: &str) -> NotOurs {
    NotOurs::Unsound(message::unsound_message(name))
}

/// The headers of a message, as they are read.
struct Fields<'a>(&'a Incoming);

impl Fields<'_> {
    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, NotOurs> {
        match self.0.header(name) {
            Some(value) if value.len() > LONGEST => Err(unsound(name)),
            Some(value) => Ok(Some(percent_decoded(value))),
            None => Ok(None),
        }
    }

    /// Text that may become the value of a header of a request.
    fn text(&self, name: &str) -> Result<String, NotOurs> {
        let text = self.bytes(name)?.and_then(|bytes| String::from_utf8(bytes).ok());
        text.filter(|text| !text.contains(char::is_control)).ok_or_else(|| unsound(name))
    }

    fn parsed_or_none<T: FromStr>(&self, name: &str) -> Result<Option<T>, NotOurs> {
        self.0.header(name).map(|value| value.parse().map_err(|_| unsound(name))).transpose()
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Result<T, NotOurs> {
        self.parsed_or_none(name)?.ok_or_else(|| unsound(name))
    }

    fn object_id(&self, name: &str) -> Result<String, NotOurs> {
        let is_one = |text: &&str| matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.0.header(name).filter(is_one).map(str::to_ascii_lowercase).ok_or_else(|| unsound(name))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::names::order_key;
    use super::super::protocol::{self, Said};
    use super::*;
    use proptest::prelude::*;

    /// A delivery of a push to a branch, with this number and body.
    pub fn sample(number: u128, target: &str, body: &[u8]) -> Message {
        let spool = Uuid::from_u128(7);
        Message {
            id: Uuid::from_u128(number),
            redelivery: 0,
            target: target.into(),
            order: order_key(spool, b"", Some(b"refs/heads/main")),
            format: "gitlab".into(),
            event: "Push Hook".into(),
            event_id: Uuid::from_u128(number + 1),
            spool,
            repository: "group/project".into(),
            project: 12,
            instance: "https://git.example.org".into(),
            namespace: Vec::new(),
            ref_name: b"refs/heads/main".to_vec(),
            old: "0".repeat(40),
            new: "1".repeat(40),
            more: 0,
            time: 1_700_000_000,
            is_late: false,
            trace: None,
            body: body.to_vec(),
        }
    }

    /// What a server hands on of it.
    fn handed_on(message: &Message) -> Incoming {
        let lines: String = message.headers().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("NATS/1.0\r\n{lines}\r\n");
        let sizes = format!("{} {}", head.len(), head.len() + message.body.len());
        let line = format!("HMSG {} 1 {sizes}\r\n{head}", message.subject(Lane::Deliveries));
        let bytes = [line.as_bytes(), &message.body, b"\r\n"].concat();
        let Ok(Some((Said::Message(incoming), _))) = protocol::read(&bytes) else { panic!("{line}") };
        incoming
    }

    fn changed(name: &str, value: Option<&str>) -> Result<Message, NotOurs> {
        let mut incoming = handed_on(&sample(1, "ci.a", b"{}"));
        incoming.headers.retain(|(other, _)| other != name);
        incoming.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Message::read(&incoming.subject.clone(), &incoming)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a delivery holds comes out as it went in, and no value ends its line.
        #[test]
        fn a_delivery_comes_out_as_it_went_in(
            target in "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
            words in "\\PC{0,40}",
            event in "[A-Za-z_: ]{1,20}",
            ref_name in proptest::collection::vec(1_u8.., 1..60),
            namespace in proptest::collection::vec(1_u8.., 0..9),
            body in proptest::collection::vec(any::<u8>(), 0..200),
            numbers in any::<(u32, u32, u32, i64, bool, bool)>(),
        ) {
            let (redelivery, more, project, time, is_late, has_trace) = numbers;
            let trace = has_trace.then(|| Trace::of(Uuid::from_u128(5)).header(Uuid::from_u128(6), 1));
            let event = event.trim().to_owned() + ".";
            let (repository, instance) = (format!("a{words}b"), format!("c{words}d"));
            let message = Message {
                redelivery, more, project, time, is_late, trace, repository, instance, event, ref_name, namespace,
                ..sample(3, &target, &body)
            };
            let incoming = handed_on(&message);
            prop_assert!(message.headers().iter().all(|(_, value)| value.bytes().all(|byte| (b' '..=b'~').contains(&byte))));
            let read = Message::read(&incoming.subject, &incoming);
            prop_assert_eq!(read.as_ref(), Ok(&message));
            let sent: usize = incoming.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
            prop_assert!(message.size() > sent + body.len());
        }
    }

    #[test]
    fn what_is_no_delivery_is_not_taken_for_one() {
        assert!(changed("X-Other", Some("1")).is_ok());
        for (name, value) in [
            ("Webhook-Version", None),
            ("Webhook-Version", Some("one")),
            ("Webhook-Target", Some("other")),
            ("Webhook-Target", Some("../ci")),
            ("Webhook-Sha256", Some("00")),
            ("Webhook-Delivery-Id", Some("1")),
            ("Webhook-Spool", None),
            ("Webhook-Old", Some("main")),
            ("Webhook-Event", Some("Push%0d%0aHost: evil")),
            ("Webhook-Instance", Some("%00")),
            ("Webhook-Instance", Some("%ff")),
            ("Webhook-Repository", None),
            ("Webhook-Redelivery", Some("-1")),
            ("Webhook-Time", Some("yesterday")),
        ] {
            assert!(
                matches!(changed(name, value), Err(NotOurs::Unsound(why)) if why.contains(name)),
                "{name} {value:?}"
            );
        }
        let long = "x".repeat(LONGEST + 1);
        assert!(changed("Webhook-Repository", Some(&long)).is_err());
        assert_eq!(changed("Webhook-Version", Some("2")), Err(NotOurs::Newer(2)));
        let incoming = handed_on(&sample(1, "ci", b"{}"));
        for subject in ["gw.d.ci", "gw.d.ci.x", "gw.d.other.aaaaaaaaaaaaaaaaaaaaaaaaaa", "", "gw.d.ci.A.b"] {
            assert!(matches!(Message::read(subject, &incoming), Err(NotOurs::Unsound(_))), "{subject}");
        }
    }

    #[test]
    fn a_trace_that_is_none_is_left_out() {
        assert_eq!(changed("traceparent", Some("00-x")).unwrap().trace, None);
    }

    #[test]
    fn a_redelivery_is_another_message() {
        let first = sample(1, "ci", b"");
        let again = Message { redelivery: 2, ..first.clone() };
        assert_eq!(first.message_id(), first.id.to_string());
        assert_eq!(again.message_id(), format!("{}/r2", first.id));
        assert_eq!(again.subject(Lane::Retries), format!("gw.r.ci.{}", first.order));
    }
}
