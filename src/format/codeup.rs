//! Alibaba Cloud Codeup: push, tag_push, note and merge_request, key for key in the order of its documentation.
//!
//! Source: <https://www.alibabacloud.com/help/en/yunxiao/user-guide/webhooks-settings>, "Push events", "Tag push events".

mod review;

use serde::Serialize;
use serde_json::json;

use super::{
    Author, EVENTS_OF_GITLAB, Exchange, Format, Header, Ids, Limits, Payload, RepositoryBody, Webhook, append, compact,
    newest,
};
use crate::event::{Commit, Context, Event, EventKind, EventName, Push, Repository, Utc, Wanted};
use crate::signature::Secret;

const MOST_COMMITS: usize = 20;

pub(super) const FORMAT: Format = Format {
    name: "codeup",
    forge: "Alibaba Cloud Codeup",
    hosts: &[],
    events: EVENTS_OF_GITLAB,
    wants: Wanted { commits: MOST_COMMITS, ..Wanted::NOTHING },
    each: payload,
    whole: None,
    ping: Some(ping),
    headers,
    forms: None,
    has_extras: true,
    is_stamped: false,
    is_chat: false,
    sign,
    exchange: Exchange::POST,
};

#[derive(Serialize)]
struct PushBody<'a> {
    object_kind: &'static str,
    before: String,
    after: String,
    r#ref: &'a str,
    user_id: u32,
    user_name: &'a str,
    user_email: &'a str,
    project_id: u32,
    repository: RepositoryBody<'a>,
    commits: Vec<CommitBody<'a>>,
    total_commits_count: u64,
}

/// What the forge's button sends to try an address out: two ids, as at the end of its documentation.
#[derive(Serialize)]
struct PingBody<'a> {
    before: &'a str,
    after: &'a str,
}

fn ping(_: &Context, webhook: &Webhook) -> Payload {
    let [before, after] = &webhook.newest;
    compact("Push Hook", &PingBody { before, after })
}

/// A tag push puts `ref` before the ids and has no `user_email`.
#[derive(Serialize)]
struct TagPushBody<'a> {
    object_kind: &'static str,
    r#ref: &'a str,
    before: String,
    after: String,
    user_id: u32,
    user_name: &'a str,
    project_id: u32,
    repository: RepositoryBody<'a>,
    /// Always empty: Codeup lists no commits for a tag.
    commits: [(); 0],
    total_commits_count: u64,
}

#[derive(Serialize)]
struct CommitBody<'a> {
    id: String,
    message: &'a str,
    timestamp: String,
    url: String,
    author: Author<'a>,
}

fn payload(event: &Event, _name: EventName, limits: &Limits) -> Option<Payload> {
    let context = &*event.context;
    match &event.kind {
        EventKind::Push(push) => {
            let body = push_body(context, push, limits.commits.unwrap_or(MOST_COMMITS));
            Some(told("Push Hook", &body, context, push, limits))
        }
        EventKind::TagPush(push) => Some(told("Tag Push Hook", &tag_push_body(context, push), context, push, limits)),
        EventKind::MergeRequest(request) => review::merge_request(context, request),
        EventKind::Note(note) => Some(review::note(context, note)),
    }
}

/// The body of the documentation, with what live Codeup sends beyond it where that is wanted: behind what it stands beside.
fn told(event: &'static str, body: &impl Serialize, context: &Context, push: &Push, limits: &Limits) -> Payload {
    if !limits.extras {
        return compact(event, body);
    }
    let repository = &context.repository;
    let mut body = serde_json::to_value(body).unwrap_or_default();
    append(
        &mut body["repository"],
        json!({ "git_secondary_http_url": repository.http_url, "git_secondary_ssh_url": repository.ssh_url }),
    );
    let head = push.head().map(|commit| commit.id).or(push.update.new);
    append(
        &mut body,
        json!({
            "checkout_sha": head.map(|id| id.to_string()),
            "user_extern_uid": context.pusher.login,
            "aliyun_pk": context.pusher.id.to_string(),
        }),
    );
    compact(event, &body)
}

fn push_body<'a>(context: &'a Context, push: &'a Push, max_commits: usize) -> PushBody<'a> {
    PushBody {
        object_kind: "push",
        before: push.update.before(),
        after: push.update.after(),
        r#ref: &push.ref_text,
        user_id: context.pusher.id,
        user_name: &context.pusher.name,
        user_email: &context.pusher.email,
        project_id: context.repository.id,
        repository: (&context.repository).into(),
        commits: newest(&push.commits, max_commits)
            .iter()
            .map(|commit| commit_body(commit, &context.repository))
            .collect(),
        total_commits_count: push.total,
    }
}

fn tag_push_body<'a>(context: &'a Context, push: &'a Push) -> TagPushBody<'a> {
    TagPushBody {
        object_kind: "tag_push",
        r#ref: &push.ref_text,
        before: push.update.before(),
        after: push.update.after(),
        user_id: context.pusher.id,
        user_name: &context.pusher.name,
        project_id: context.repository.id,
        repository: (&context.repository).into(),
        commits: [],
        total_commits_count: 0,
    }
}

fn commit_body<'a>(commit: &'a Commit, repository: &Repository) -> CommitBody<'a> {
    CommitBody {
        id: commit.id.to_string(),
        // The documentation's messages end without the newline that git keeps.
        message: commit.message.strip_suffix('\n').unwrap_or(&commit.message),
        timestamp: commit.author.time.rfc3339(Utc::Zero),
        url: repository.commit_page(commit.id, "/commits/"),
        author: commit.into(),
    }
}

fn headers(event: &str, ids: &Ids) -> Vec<Header> {
    vec![
        ("Codeup-Event", event.into()),
        // Not in the documentation, but the name that public receivers read.
        ("X-Codeup-Event", event.into()),
        // Codeup has no header for a delivery's id.
        ("Idempotency-Key", ids.delivery.to_string().into()),
    ]
}

fn sign(secret: &Secret, _body: &[u8]) -> Vec<Header> {
    vec![("X-Codeup-Token", secret.expose().into())]
}
