//! The payload formats: one file a forge, each a set of pure functions of an event, and the table that lists them.
//!
//! Pure: no clock, no input or output, no configuration. The same event gives the same bytes, so golden files are
//! exact.

mod shape;
mod reduce;
mod whole;
mod exchange;

mod bitbucket;
mod codeup;
mod gogs;
mod gitea;
mod forgejo;
mod github;
mod gitlab;
mod chat;
mod slack;
mod jenkins;
mod discord;
mod teams;
mod matrix;
mod feishu;
mod dingtalk;
mod wecom;
mod template;

mod address;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub use address::for_address;
pub use exchange::{Additions, Carried, Exchange, Finish, Given, Method, Reads, Verdict};
pub use reduce::{Reduced, Rendered, fit};
pub use shape::{Encoding, Limits, Shape};
pub use whole::{OpenPart, Whole};

use crate::event::{
    Changes, Commit, Context, Event, EventName, Place, Push, Repository, ReviewAction, ReviewState, Visibility, Wanted,
};
use crate::signature::{Secret, sha1_hex};
use crate::template::Flaw;

/// The formats there are; adding one is one file, one row here, its golden payloads and one page under `docs/formats/`.
pub const FORMATS: &[Format] = &[
    codeup::FORMAT,
    gitlab::FORMAT,
    github::FORMAT,
    gitea::FORMAT,
    forgejo::FORMAT,
    gogs::FORMAT,
    bitbucket::FORMAT,
    slack::FORMAT,
    jenkins::FORMAT,
    discord::FORMAT,
    teams::FORMAT,
    matrix::FORMAT,
    feishu::FORMAT,
    dingtalk::FORMAT,
    wecom::FORMAT,
    template::FORMAT,
];

/// One forge's way to tell of an event.
pub struct Format {
    /// The word in `webhook.<name>.format`.
    pub name: &'static str,
    /// Whose receivers understand it.
    pub forge: &'static str,
    /// The addresses whose receivers understand it and no other: a host and perhaps a path, `*` for anything.
    pub hosts: &'static [&'static str],
    /// The events it can tell, and the forge's own name of each.
    pub events: &'static [(EventName, &'static str)],
    /// What its payloads need to know of a push; of commits as many as the forge lists at most.
    pub wants: Wanted,
    /// The payload of one event; `None` where the forge has no such event, never an empty payload.
    pub each: fn(&Event, EventName, &Limits) -> Option<Payload>,
    /// That of a push as a whole, with all of its updates that a target wants, where the forge tells pushes so.
    pub whole: Option<Whole>,
    /// The payload that tells of nothing, to try a receiver out; `None` where the forge has no such thing.
    pub ping: Option<fn(&Context, &Webhook) -> Payload>,
    /// The forge's own headers but the secret's, for the forge's event name.
    pub headers: fn(&str, &Ids) -> Vec<Header>,
    /// What the secret's headers sign of a form; `None` where the forge sends none.
    pub forms: Option<Signed>,
    /// Whether it has keys that its documentation does not have.
    pub has_extras: bool,
    /// Whether identifier and time of Standard Webhooks are sent though nothing is signed, as this forge does.
    pub is_stamped: bool,
    /// Whether people read what it tells: nobody looks for a job of theirs in it.
    pub is_chat: bool,
    /// The headers that prove knowledge of the secret, made at each attempt and never stored.
    pub sign: fn(&Secret, &[u8]) -> Vec<Header>,
    /// How its requests are made and answers read, where that is more than a POST and a status.
    pub exchange: Exchange,
}

/// What a ping tells of the target.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its identifier.
    pub id: Uuid,
    /// The forge's names of the events it gets.
    pub events: Vec<&'static str>,
    /// Scheme and host of its address.
    pub origin: String,
    /// Whether its certificate is verified.
    pub verify_certificate: bool,
    /// How bodies are sent to it.
    pub encoding: Encoding,
    /// The newest commit but one and the newest of the default branch, in hexadecimal.
    pub newest: [String; 2],
}

impl Format {
    /// Whether the forge has such an event.
    pub fn has(&self, event: EventName) -> bool {
        self.events.iter().any(|(name, _)| *name == event)
    }

    /// Whether one payload tells of a whole push.
    pub fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// Whether an event is told with all of its push, and not by itself.
    pub fn tells_in_whole(&self, event: &Event) -> bool {
        self.is_whole() && event.is_push()
    }

    /// The forge's names of some events, each once.
    pub fn names(&self, events: &[EventName]) -> Vec<&'static str> {
        let mut names: Vec<_> =
            self.events.iter().filter(|(event, _)| events.contains(event)).map(|(_, name)| *name).collect();
        names.dedup();
        names
    }

    /// The forge's names of what happens to reviews and of comments: there may be several of an event, which targets may
    /// choose from.
    pub fn names_of_reviews(&'static self) -> &'static [(EventName, &'static str)] {
        let is_push = |(event, _): &&(EventName, &str)| !matches!(event, EventName::Note | EventName::MergeRequest);
        &self.events[self.events.iter().take_while(is_push).count()..]
    }

    /// The names of the headers that a secret travels in; none where the forge has no such thing.
    pub fn secret_headers(&self) -> Vec<&'static str> {
        (self.sign)(&Secret::new(""), b"").iter().map(|(name, _)| *name).collect()
    }

    /// Whether bodies are made by a template of the target's own.
    pub fn takes_template(&self) -> bool {
        self.name == template::FORMAT.name
    }

    /// Whether it has a use for a secret.
    pub fn takes_secret(&self) -> bool {
        self.exchange.secret != Carried::Nowhere || !self.secret_headers().is_empty()
    }

    /// By what a secret travels: names of headers, or the words for what is no header; none where the address is the secret.
    pub fn secret_places(&self) -> Vec<&'static str> {
        let beside = match self.exchange.secret {
            Carried::Nowhere => None,
            Carried::Token(place) | Carried::Signature(place) => Some(place),
        };
        self.secret_headers().into_iter().chain(beside).collect()
    }

    /// Whether a secret travels as it is.
    pub fn sends_token(&self, secret: &Secret) -> bool {
        let shows = |value: &[u8]| !secret.expose().is_empty() && value.ends_with(secret.expose());
        let is_token = |(_, value): &Header| shows(value);
        matches!(self.exchange.secret, Carried::Token(_)) || (self.sign)(secret, b"").iter().any(is_token)
    }

    /// How a body of this format is sent to a target that wants it so.
    pub fn encoding(&self, wanted: Encoding) -> Encoding {
        if self.forms.is_some() { wanted } else { Encoding::Json }
    }

    /// The headers that prove knowledge of the secret, for a body that is sent so.
    pub fn proof(&self, secret: &Secret, json: &[u8], sent: &[u8]) -> Vec<Header> {
        (self.sign)(secret, if self.forms == Some(Signed::Json) { json } else { sent })
    }

    /// Whether this format sends a header of that name itself.
    pub fn sets_header(&self, name: &str) -> bool {
        let own = (self.headers)("", &Ids::default());
        let own = own.iter().map(|(name, _)| *name).chain(self.secret_headers());
        own.into_iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

impl Format {
    /// The payload of one event; `None` where the forge has no such event, or tells it with all of its push.
    pub fn render(&self, event: &Event, name: EventName, shape: &Shape) -> Option<Rendered> {
        reduce::fit(shape, self.wants.commits, |limits| (self.each)(event, name, limits))
    }

    /// The payload of a whole push, of which these are the events; `None` where the forge tells of each by itself.
    pub fn render_whole(&self, events: &[&Event], shape: &Shape) -> Option<Rendered> {
        let whole = self.whole.as_ref()?;
        reduce::fit(shape, self.wants.commits, |limits| whole.payload(events, limits))
    }
}

/// The documented value of an event, which templates see; `None` where there is no word for it.
pub fn event_value(event: &Event, name: EventName, limits: &Limits) -> Option<Value> {
    template::value(event, name, limits)
}

/// What is signed of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The form as it is sent.
    Form,
    /// The JSON in it.
    Json,
}

/// A request header, name and value.
pub type Header = (&'static str, Vec<u8>);

/// What a request carries: compact UTF-8 JSON without a trailing newline, and the forge's name of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The forge's name of the event, `Push Hook` say.
    pub event: Cow<'static, str>,
    /// The body.
    pub body: Vec<u8>,
    /// The event's documented value, where body, URL or headers are made of that.
    pub value: Option<Value>,
    /// Why there is no body: it is made before the next attempt.
    pub flaw: Option<Flaw>,
}

impl Payload {
    /// One whose body is all there is to it.
    pub fn new(event: impl Into<Cow<'static, str>>, body: Vec<u8>) -> Self {
        Self { event: event.into(), body, value: None, flaw: None }
    }

    /// What whoever sends it elsewhere is given: the event's value where he makes the body of that.
    pub fn carried(&self) -> Cow<'_, [u8]> {
        // Text, numbers and booleans in maps always serialise.
        let written = self.value.as_ref().and_then(|value| serde_json::to_vec(value).ok());
        written.map_or(Cow::Borrowed(&self.body), Cow::Owned)
    }
}

/// The identifiers that headers carry.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    /// Of the delivery: the same over retries and redeliveries.
    pub delivery: Uuid,
    /// Of the event: the same for all targets.
    pub event: Uuid,
    /// Of the target in this repository.
    pub webhook: Uuid,
    /// The repository's number.
    pub project: u32,
    /// The server's base address.
    pub instance: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// Looks a format up by its name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The newest `limit` of `commits`, which are oldest first.
fn newest<T>(commits: &[T], limit: usize) -> &[T] {
    &commits[commits.len().saturating_sub(limit)..]
}

/// The word of most forges for the kind of ref.
fn ref_type(push: &Push) -> &'static str {
    if push.is_tag() { "tag" } else { "branch" }
}

/// GitLab's events, which Codeup took over.
const EVENTS_OF_GITLAB: &[(EventName, &str)] = &[
    (EventName::Push, "Push Hook"),
    (EventName::TagPush, "Tag Push Hook"),
    (EventName::Note, "Note Hook"),
    (EventName::MergeRequest, "Merge Request Hook"),
];

/// GitLab's words for what happens to a review, which Codeup took over; it has none for a rejection.
fn action_of_gitlab(action: ReviewAction) -> Option<&'static str> {
    Some(match action {
        ReviewAction::Open => "open",
        ReviewAction::Update => "update",
        ReviewAction::Merge => "merge",
        ReviewAction::Close => "close",
        ReviewAction::Reopen => "reopen",
        ReviewAction::Approve => "approved",
        ReviewAction::Unapprove => "unapproved",
        ReviewAction::RequestChanges | ReviewAction::WithdrawChanges => return None,
    })
}

/// What became of a review in GitLab's words and numbers (`MergeRequest.available_states`); Codeup took over the words.
fn state_of_gitlab(state: ReviewState) -> (&'static str, u8) {
    match state {
        ReviewState::Opened => ("opened", 1),
        ReviewState::Closed => ("closed", 2),
        ReviewState::Merged => ("merged", 3),
    }
}

/// GitHub's `delete`, which Gogs and Gitea took over, with where it happened and who did it behind.
fn delete_of_github(push: &Push, rest: Value) -> Payload {
    let mut body = json!({ "ref": push.short_name(), "ref_type": ref_type(push), "pusher_type": "user" });
    append(&mut body, rest);
    compact("delete", &body)
}

/// The files a commit changed, as far as they are to be listed.
fn changes<'a>(commit: &'a Commit, limits: &Limits) -> &'a Changes {
    static NONE: Changes =
        Changes { added: Vec::new(), modified: Vec::new(), removed: Vec::new(), renamed: Vec::new() };
    if limits.files { &commit.changes } else { &NONE }
}

/// The name and address that every forge calls a commit's author.
#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
    email: &'a str,
}

impl<'a> From<&'a Commit> for Author<'a> {
    fn from(commit: &'a Commit) -> Self {
        Self { name: &commit.author.name, email: &commit.author.email }
    }
}

/// The `repository` of GitLab's older events, which Codeup kept as its only one.
#[derive(Serialize)]
struct RepositoryBody<'a> {
    name: &'a str,
    url: &'a str,
    description: &'a str,
    homepage: &'a str,
    git_http_url: &'a str,
    git_ssh_url: &'a str,
    visibility_level: u8,
}

impl<'a> From<&'a Repository> for RepositoryBody<'a> {
    fn from(repository: &'a Repository) -> Self {
        Self {
            name: &repository.name,
            url: if repository.ssh_url.is_empty() { &repository.http_url } else { &repository.ssh_url },
            description: &repository.description,
            homepage: &repository.homepage,
            git_http_url: &repository.http_url,
            git_ssh_url: &repository.ssh_url,
            visibility_level: visibility_level(repository.visibility),
        }
    }
}

/// GitLab's numbers (`Gitlab::VisibilityLevel`), which Codeup took over.
fn visibility_level(visibility: Visibility) -> u8 {
    match visibility {
        Visibility::Private => 0,
        Visibility::Internal => 10,
        Visibility::Public => 20,
    }
}

/// How GitLab names a line of a difference (`Gitlab::Git.diff_line_code`); `None` where the difference does not show it.
fn line_code(place: &Place) -> Option<String> {
    let line = place.in_diff.as_ref()?;
    let path = sha1_hex(place.path.as_bytes());
    Some(format!("{path}_{}_{}", line.old, line.new))
}

/// An address that another one begins; empty where that is.
fn behind(address: &str, end: &str) -> String {
    if address.is_empty() { String::new() } else { format!("{address}{end}") }
}

/// Puts the keys of one object behind those of another.
fn append(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

fn compact(event: &'static str, value: &impl Serialize) -> Payload {
    let body = serde_json::to_vec(value).expect("structs and maps of text, numbers and booleans always serialise");
    Payload::new(event, body)
}
