//! Gogs: push, create and delete, pull requests and comments on them, in the order in which Gogs writes them.
//!
//! Source: <https://gogs.io/docs/features/webhook>; keys and their order from `internal/route/api/v1/types`, what is sent when from
//! `internal/database/actions.go`, headers from `internal/database/webhook.go` of <https://github.com/gogs/gogs>.

pub(super) mod review;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Exchange, Format, Header, Ids, Limits, Payload, Signed, behind, changes, compact, delete_of_github, newest,
    ref_type,
};
use crate::event::{
    Commit, Context, Event, EventKind, EventName, Person, Push, Repository, Time, Utc, Visibility, Wanted,
};
use crate::identifier;
use crate::pusher::Pusher;
use crate::ref_update::Change;
use crate::signature::Secret;

const MOST_COMMITS: usize = 5;

const EVENTS: &[(EventName, &str)] = &[
    (EventName::Push, "push"),
    (EventName::TagPush, "create"),
    (EventName::Create, "create"),
    (EventName::Delete, "delete"),
    (EventName::Note, "issue_comment"),
    (EventName::MergeRequest, "pull_request"),
];

pub(super) const FORMAT: Format = Format {
    name: "gogs",
    forge: "Gogs",
    hosts: &[],
    events: EVENTS,
    wants: Wanted { commits: MOST_COMMITS, paths: usize::MAX, ..Wanted::NOTHING },
    each: payload,
    whole: None,
    ping: None,
    headers,
    forms: Some(Signed::Json),
    has_extras: false,
    is_stamped: false,
    is_chat: false,
    sign,
    exchange: Exchange::POST,
};

#[derive(Serialize)]
struct PushBody<'a> {
    r#ref: &'a str,
    before: String,
    after: String,
    compare_url: String,
    commits: Vec<CommitBody<'a>>,
    repository: Value,
    pusher: Value,
    sender: Value,
}

#[derive(Serialize)]
struct CommitBody<'a> {
    id: String,
    message: &'a str,
    url: String,
    author: PersonBody<'a>,
    committer: PersonBody<'a>,
    added: &'a [String],
    removed: &'a [String],
    modified: &'a [String],
    timestamp: String,
}

/// An author or a committer, with the login where it is who pushes.
#[derive(Serialize)]
pub(super) struct PersonBody<'a> {
    name: &'a str,
    email: &'a str,
    username: &'a str,
}

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let context = &*event.context;
    match &event.kind {
        // What is gone has no push, and a tag has none at all.
        EventKind::Push(push) | EventKind::TagPush(push) if push.change() == Change::Delete => {
            Some(delete_of_github(push, json!({ "repository": repository(context), "sender": pusher(context) })))
        }
        EventKind::TagPush(push) => Some(compact("create", &create_body(context, push))),
        EventKind::Push(push) if name == EventName::Create => Some(compact("create", &create_body(context, push))),
        EventKind::Push(push) => Some(compact("push", &push_body(context, push, limits))),
        EventKind::MergeRequest(request) => review::pull_request(context, request),
        EventKind::Note(note) => review::note(context, note),
    }
}

fn push_body<'a>(context: &'a Context, push: &'a Push, limits: &Limits) -> PushBody<'a> {
    // A push has a commit: receivers take the first without a look whether there is one. Gogs lists what a branch leads to
    // where nothing in it is new, too.
    let most = limits.commits.unwrap_or(MOST_COMMITS).max(1);
    let listed: Vec<&Commit> = newest(&push.commits, most).iter().rev().map(|commit| &**commit).collect();
    let listed = if listed.is_empty() { push.head().into_iter().map(|commit| &**commit).collect() } else { listed };
    let pusher = pusher(context);
    PushBody {
        r#ref: &push.ref_text,
        before: push.update.before(),
        after: push.update.after(),
        compare_url: match (push.update.old, push.update.new) {
            (Some(old), Some(new)) => context.repository.below(&format!("/compare/{old}...{new}")),
            _ => String::new(),
        },
        commits: listed.into_iter().map(|commit| commit_body(commit, context, limits)).collect(),
        repository: repository(context),
        pusher: pusher.clone(),
        sender: pusher,
    }
}

fn commit_body<'a>(commit: &'a Commit, context: &'a Context, limits: &Limits) -> CommitBody<'a> {
    let changes = changes(commit, limits);
    CommitBody {
        id: commit.id.to_string(),
        message: &commit.message,
        url: context.repository.commit_page(commit.id, "/commit/"),
        author: person(&commit.author, &context.pusher),
        committer: person(&commit.committer, &context.pusher),
        added: &changes.added,
        removed: &changes.removed,
        modified: &changes.modified,
        timestamp: commit.author.time.rfc3339(Utc::Letter),
    }
}

pub(super) fn person<'a>(person: &'a Person, pusher: &'a Pusher) -> PersonBody<'a> {
    let username = if pusher.has_address(&person.email) { &pusher.login } else { "" };
    PersonBody { name: &person.name, email: &person.email, username }
}

fn create_body(context: &Context, push: &Push) -> Value {
    json!({
        "ref": push.short_name(),
        "ref_type": ref_type(push),
        "sha": push.update.after(),
        "default_branch": context.repository.default_branch.as_deref().unwrap_or_default(),
        "repository": repository(context),
        "sender": pusher(context),
    })
}

fn pusher(context: &Context) -> Value {
    let Pusher { login, name, email, id } = &context.pusher;
    user(*id, login, name, email, &context.repository)
}

fn user(id: u32, login: &str, name: &str, email: &str, repository: &Repository) -> Value {
    json!({
        "id": id,
        "username": login,
        "login": login,
        "full_name": name,
        "email": email,
        "avatar_url": behind(&repository.account_page(login), ".png"),
    })
}

fn repository(context: &Context) -> Value {
    let repository = &context.repository;
    let owner = repository.owner.as_str();
    json!({
        "id": repository.id,
        "owner": user(identifier::number("user", owner), owner, owner, "", repository),
        "name": repository.name,
        "full_name": repository.full_name(),
        "description": repository.description,
        "private": repository.visibility == Visibility::Private,
        "fork": false,
        "parent": null,
        "empty": false,
        "mirror": false,
        "size": 0,
        "html_url": repository.page(),
        "ssh_url": repository.ssh_url,
        "clone_url": repository.http_url,
        "website": "",
        "stars_count": 0,
        "forks_count": 0,
        "watchers_count": 0,
        "open_issues_count": 0,
        "default_branch": repository.default_branch.as_deref().unwrap_or_default(),
        // When it was made nobody knows.
        "created_at": Time::default().rfc3339(Utc::Letter),
        "updated_at": context.time.rfc3339(Utc::Letter),
        "permissions": { "admin": false, "push": true, "pull": true },
    })
}

fn headers(event: &str, ids: &Ids) -> Vec<Header> {
    vec![("X-Gogs-Delivery", ids.delivery.to_string().into()), ("X-Gogs-Event", event.into())]
}

fn sign(secret: &Secret, body: &[u8]) -> Vec<Header> {
    vec![("X-Gogs-Signature", secret.hmac_sha256(body).into())]
}
