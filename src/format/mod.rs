//! The payload formats: one file a forge, each a set of pure functions of an event, and the table that lists them.
//!
//! Pure: no clock, no input or output, no configuration. The same event gives the same bytes, so golden files are
//! exact.

mod codeup;
mod gitlab;

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use crate::event::{Commit, Event, Repository, Visibility};
use crate::signature::Secret;

/// The formats there are; adding one is one file, one row here, its golden payloads and one page under `docs/formats/`.
pub const FORMATS: &[Format] = &[codeup::FORMAT, gitlab::FORMAT];

/// One forge's way to tell of an event.
pub struct Format {
    /// The word in `webhook.<name>.format`.
    pub name: &'static str,
    /// How many commits the forge lists at most.
    pub max_commits: usize,
    /// Whether a commit lists the files it changed, which costs a comparison of trees for each.
    pub changes: bool,
    /// The payload with at most so many commits; `None` where the forge has no such event, never an empty payload.
    pub payload: fn(&Event, usize) -> Option<Payload>,
    /// The forge's own headers but the secret's, for the forge's event name.
    pub headers: fn(&str, &Ids) -> Vec<Header>,
    /// The headers that prove knowledge of the secret, made at each attempt and never stored.
    pub sign: fn(&Secret, &[u8]) -> Vec<Header>,
}

impl Format {
    /// Whether this format sends a header of that name itself.
    pub fn sets_header(&self, name: &str) -> bool {
        let ids = Ids { delivery: Uuid::nil(), event: Uuid::nil(), webhook: Uuid::nil(), instance: String::new() };
        let own = (self.headers)("", &ids);
        let signed = (self.sign)(&Secret::new(""), b"");
        own.iter().chain(&signed).any(|(own, _)| own.eq_ignore_ascii_case(name))
    }
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
}

/// The identifiers that headers carry.
#[derive(Clone, Debug)]
pub struct Ids {
    /// Of the delivery: the same over retries and redeliveries.
    pub delivery: Uuid,
    /// Of the event: the same for all targets.
    pub event: Uuid,
    /// Of the target in this repository.
    pub webhook: Uuid,
    /// The server's base address.
    pub instance: String,
}

/// Looks a format up by its name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The newest `limit` of `commits`, which are oldest first.
fn newest<T>(commits: &[T], limit: usize) -> &[T] {
    &commits[commits.len().saturating_sub(limit)..]
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

fn json(event: &'static str, value: &impl Serialize) -> Payload {
    let body = serde_json::to_vec(value).expect("structs and maps of text, numbers and booleans always serialise");
    Payload { event: event.into(), body }
}
