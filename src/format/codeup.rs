//! Alibaba Cloud Codeup: push, tag_push, note and merge_request, key for key in the order of its documentation.
//!
//! Source: <https://www.alibabacloud.com/help/en/yunxiao/user-guide/webhooks-settings>, "Push events", "Tag push events".

mod review;

use serde::Serialize;

use super::{Author, EVENTS_OF_GITLAB, Format, Header, Ids, Limits, Payload, RepositoryBody, compact, newest};
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
    ping: None,
    headers,
    is_stamped: false,
    sign,
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
            Some(compact("Push Hook", &push_body(context, push, limits.commits.unwrap_or(MOST_COMMITS))))
        }
        EventKind::TagPush(push) => Some(compact("Tag Push Hook", &tag_push_body(context, push))),
        EventKind::MergeRequest(request) => review::merge_request(context, request),
        EventKind::Note(note) => Some(review::note(context, note)),
    }
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
