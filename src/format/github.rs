//! GitHub: push, the separate create and delete, pull requests and comments, and ping, in the order in which GitHub writes them.
//!
//! Source: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>, "push", "create", "delete", "ping"; the order of
//! keys and the constants from the examples and schemas of <https://github.com/octokit/webhooks>.

mod place;

mod review;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use self::place::{description, organization, place_and_sender, repository, sender};
use super::{
    Encoding, Exchange, Format, Header, Ids, Limits, Payload, Signed, Webhook, append, changes, compact,
    delete_of_github, newest, ref_type,
};
use crate::event::{Commit, Context, Event, EventKind, EventName, Person, Push, Utc, Wanted};
use crate::identifier;
use crate::pusher::Pusher;
use crate::ref_update::Change;
use crate::signature::Secret;
use crate::urls::encode;

/// So many commits GitHub lists at most, and so many changed files of each.
const MOST_COMMITS: usize = 2048;
const MOST_PATHS: usize = 3000;

const EVENTS: &[(EventName, &str)] = &[
    (EventName::Push, "push"),
    (EventName::TagPush, "push"),
    (EventName::Create, "create"),
    (EventName::Delete, "delete"),
    (EventName::Note, "commit_comment"),
    (EventName::Note, "issue_comment"),
    (EventName::Note, "pull_request_review_comment"),
    (EventName::MergeRequest, "pull_request"),
    (EventName::MergeRequest, "pull_request_review"),
];

pub(super) const FORMAT: Format = Format {
    name: "github",
    forge: "GitHub",
    hosts: &["discord.com/*/github", "discordapp.com/*/github"],
    events: EVENTS,
    wants: Wanted { commits: MOST_COMMITS, paths: MOST_PATHS, known: true, review_sizes: true, ..Wanted::NOTHING },
    each: payload,
    whole: None,
    ping: Some(ping),
    headers,
    forms: Some(Signed::Form),
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
    repository: Value,
    pusher: PusherBody<'a>,
    organization: Value,
    sender: Value,
    created: bool,
    deleted: bool,
    forced: bool,
    base_ref: Option<&'a str>,
    compare: String,
    commits: Vec<CommitBody<'a>>,
    head_commit: Option<CommitBody<'a>>,
}

#[derive(Serialize)]
struct PusherBody<'a> {
    name: &'a str,
    email: Option<&'a str>,
}

#[derive(Serialize)]
struct CommitBody<'a> {
    id: String,
    tree_id: String,
    distinct: bool,
    message: &'a str,
    timestamp: String,
    url: String,
    author: PersonBody<'a>,
    committer: PersonBody<'a>,
    added: &'a [String],
    removed: &'a [String],
    modified: &'a [String],
}

#[derive(Serialize)]
struct PersonBody<'a> {
    name: &'a str,
    email: Option<&'a str>,
    date: String,
    /// The account, where the address tells that it is the pusher's.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

/// What the schemas of GitHub's payloads take no empty text for.
fn with_addresses(context: &Context) -> Cow<'_, Context> {
    let repository = &context.repository;
    if !repository.homepage.is_empty() && !repository.http_url.is_empty() {
        return Cow::Borrowed(context);
    }
    Cow::Owned(Context { repository: repository.with_assumed_addresses(), ..context.clone() })
}

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let context = &*with_addresses(&event.context);
    match &event.kind {
        EventKind::Push(push) | EventKind::TagPush(push) => match name {
            EventName::Push | EventName::TagPush => Some(compact("push", &push_body(context, push, limits))),
            EventName::Create => Some(compact("create", &create_body(context, push))),
            EventName::Delete => Some(delete_of_github(push, place_and_sender(context, sender(context)))),
            EventName::Note | EventName::MergeRequest => None,
        },
        EventKind::MergeRequest(request) => Some(review::pull_request(context, request)),
        EventKind::Note(note) => review::note(context, note),
    }
}

fn push_body<'a>(context: &'a Context, push: &'a Push, limits: &Limits) -> PushBody<'a> {
    let pusher = &context.pusher;
    let change = push.change();
    let commits = newest(&push.commits, limits.commits.unwrap_or(MOST_COMMITS));
    PushBody {
        r#ref: &push.ref_text,
        before: push.update.before(),
        after: push.update.after(),
        repository: repository(context, true),
        pusher: PusherBody { name: &pusher.login, email: address(&pusher.email) },
        organization: organization(&context.repository),
        sender: sender(context),
        created: change == Change::Create,
        deleted: change == Change::Delete,
        forced: push.forced,
        base_ref: push.same_tip.as_deref(),
        compare: compare(context, push),
        commits: commits.iter().map(|commit| commit_body(commit, context, push, limits)).collect(),
        head_commit: push.head().map(|commit| commit_body(commit, context, push, limits)),
    }
}

/// From the old id to the new one; of a creation what is new, of a deletion what was there.
fn compare(context: &Context, push: &Push) -> String {
    if let Some(link) = context.repository.compare_link(push) {
        return link;
    }
    let page = context.repository.page();
    let short = |id: &str| id[..12].to_owned();
    let (before, after) = (short(&push.update.before()), short(&push.update.after()));
    match (push.change(), push.commits.as_slice()) {
        (Change::Update | Change::Delete, _) => format!("{page}/compare/{before}...{after}"),
        (Change::Create, []) if push.total == 0 => format!("{page}/compare/{}", encode(&push.short_name())),
        // Where none is listed the newest stands for all.
        (Change::Create, []) => format!("{page}/commit/{}", push.update.after()),
        (Change::Create, [only]) if push.total == 1 => format!("{page}/commit/{}", only.id),
        (Change::Create, [oldest, ..]) => format!("{page}/compare/{}^...{after}", short(&oldest.id.to_string())),
    }
}

fn commit_body<'a>(commit: &'a Commit, context: &'a Context, push: &Push, limits: &Limits) -> CommitBody<'a> {
    let changes = changes(commit, limits);
    let mut left = MOST_PATHS;
    let mut most = |paths: &'a [String]| {
        let count = paths.len().min(left);
        left -= count;
        &paths[..count]
    };
    CommitBody {
        id: commit.id.to_string(),
        tree_id: commit.tree.map_or_else(|| context.repository.object_format.zero_id(), |tree| tree.to_string()),
        distinct: !push.known.contains(&commit.id),
        message: &commit.message,
        timestamp: commit.committer.time.rfc3339(Utc::Letter),
        url: context.repository.commit_page(commit.id, "/commit/"),
        author: person(&commit.author, &context.pusher),
        committer: person(&commit.committer, &context.pusher),
        added: most(&changes.added),
        removed: most(&changes.removed),
        modified: most(&changes.modified),
    }
}

fn person<'a>(person: &'a Person, pusher: &'a Pusher) -> PersonBody<'a> {
    PersonBody {
        name: &person.name,
        email: address(&person.email),
        date: person.time.rfc3339(Utc::Letter),
        username: pusher.has_address(&person.email).then_some(&pusher.login),
    }
}

fn address(email: &str) -> Option<&str> {
    (!email.is_empty()).then_some(email)
}

fn create_body(context: &Context, push: &Push) -> Value {
    let mut body = json!({
        "ref": push.short_name(),
        "ref_type": ref_type(push),
        "master_branch": context.repository.default_branch.as_deref().unwrap_or_default(),
        "description": description(&context.repository),
        "pusher_type": "user",
    });
    append(&mut body, place_and_sender(context, sender(context)));
    body
}

fn ping(context: &Context, webhook: &Webhook) -> Payload {
    let context = &*with_addresses(context);
    let id = identifier::number_of(webhook.id);
    let time = context.time.rfc3339(Utc::Letter);
    let page = format!("{}/hooks/{id}", context.repository.page());
    let mut body = json!({
        "zen": "What was pushed is told.",
        "hook_id": id,
        "hook": {
            "type": "Repository",
            "id": id,
            "name": "web",
            "active": true,
            "events": webhook.events,
            "config": {
                "content_type": if webhook.encoding == Encoding::Form { "form" } else { "json" },
                "insecure_ssl": if webhook.verify_certificate { "0" } else { "1" },
                "url": webhook.origin,
            },
            "updated_at": time,
            "created_at": time,
            "url": page,
            "test_url": format!("{page}/test"),
            "ping_url": format!("{page}/pings"),
            "deliveries_url": format!("{page}/deliveries"),
            "last_response": { "code": null, "status": "unused", "message": null },
        },
    });
    append(&mut body, place_and_sender(context, sender(context)));
    compact("ping", &body)
}

fn headers(event: &str, ids: &Ids) -> Vec<Header> {
    vec![
        // Some receivers ask for the beginning.
        ("User-Agent", concat!("GitHub-Hookshot/git-webhook-", env!("CARGO_PKG_VERSION")).into()),
        ("X-GitHub-Delivery", ids.delivery.to_string().into()),
        ("X-GitHub-Event", event.into()),
        ("X-GitHub-Hook-ID", identifier::number_of(ids.webhook).to_string().into()),
        ("X-GitHub-Hook-Installation-Target-ID", ids.project.to_string().into()),
        ("X-GitHub-Hook-Installation-Target-Type", "repository".into()),
    ]
}

/// Both, as GitHub does: some receivers know the one alone, some refuse without the other.
fn sign(secret: &Secret, body: &[u8]) -> Vec<Header> {
    vec![
        ("X-Hub-Signature", format!("sha1={}", secret.hmac_sha1(body)).into()),
        ("X-Hub-Signature-256", format!("sha256={}", secret.hmac_sha256(body)).into()),
    ]
}
