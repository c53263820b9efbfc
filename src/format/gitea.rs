//! Gitea: push, create and delete, pull requests and what is said of them, in the order in which Gitea writes them.
//!
//! Source: <https://docs.gitea.com/usage/webhooks>; keys, their order and what is sent when from Gitea's own `modules/structs/hook.go`,
//! `modules/structs/repo.go`, `services/repository/push.go` and `services/webhook/deliver.go`.

mod review;

use serde::Serialize;
use serde_json::{Value, json};

use super::gogs::{PersonBody, person};
use super::{
    Exchange, Format, Header, Ids, Limits, Payload, Signed, append, behind, changes, compact, delete_of_github, newest,
    ref_type,
};
use crate::event::{Commit, Context, Event, EventKind, EventName, Push, Repository, Time, Utc, Visibility, Wanted};
use crate::identifier;
use crate::pusher::Pusher;
use crate::ref_update::{Change, ObjectFormat};
use crate::signature::Secret;
use crate::urls::encode;

const MOST_COMMITS: usize = 5;
const MOST_COMMITS_OF_NEW_BRANCH: usize = 10;

const EVENTS: &[(EventName, &str)] = &[
    (EventName::Push, "push"),
    (EventName::TagPush, "push"),
    (EventName::Create, "create"),
    (EventName::Delete, "delete"),
    (EventName::Note, "issue_comment"),
    (EventName::Note, "pull_request_comment"),
    (EventName::MergeRequest, "pull_request"),
    (EventName::MergeRequest, "pull_request_sync"),
    (EventName::MergeRequest, "pull_request_approved"),
    (EventName::MergeRequest, "pull_request_rejected"),
];

pub(super) const FORMAT: Format = Format {
    name: "gitea",
    forge: "Gitea",
    hosts: &[],
    events: EVENTS,
    wants: Wanted { commits: MOST_COMMITS_OF_NEW_BRANCH, paths: usize::MAX, ..Wanted::NOTHING },
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
    total_commits: u64,
    head_commit: Option<CommitBody<'a>>,
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
    /// Always null: the hook has no keys to verify a signature with.
    verification: (),
    timestamp: String,
    added: &'a [String],
    removed: &'a [String],
    modified: &'a [String],
}

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let context = &*event.context;
    match &event.kind {
        EventKind::Push(push) | EventKind::TagPush(push) => match name {
            // A branch that is gone has no push at Gitea's, a tag has.
            EventName::Push if push.change() == Change::Delete => Some(delete(context, push)),
            EventName::Push | EventName::TagPush => Some(compact("push", &push_body(context, push, limits))),
            EventName::Create => Some(compact("create", &create_body(context, push))),
            EventName::Delete => Some(delete(context, push)),
            EventName::Note | EventName::MergeRequest => None,
        },
        EventKind::MergeRequest(request) => review::pull_request(context, request),
        EventKind::Note(note) => review::note(context, note),
    }
}

fn push_body<'a>(context: &'a Context, push: &'a Push, limits: &Limits) -> PushBody<'a> {
    let is_new = push.change() == Change::Create;
    let most = limits.commits.unwrap_or(if is_new { MOST_COMMITS_OF_NEW_BRANCH } else { MOST_COMMITS });
    let commits = newest(&push.commits, most);
    let pusher = pusher(context);
    PushBody {
        r#ref: &push.ref_text,
        before: push.update.before(),
        after: push.update.after(),
        compare_url: compare(context, push, commits.first().map(|oldest| &**oldest)),
        commits: commits.iter().rev().map(|commit| commit_body(commit, context, limits)).collect(),
        total_commits: push.total,
        head_commit: push.head().map(|commit| commit_body(commit, context, limits)),
        repository: repository(context),
        pusher: pusher.clone(),
        sender: pusher,
    }
}

/// From the old id to the new one. Of a new branch from the parent of the oldest commit that is listed, else from the default
/// branch, empty where it is that one; a new tag has nothing before it, and of one that is gone the server itself is left.
fn compare(context: &Context, push: &Push, oldest: Option<&Commit>) -> String {
    if let Some(link) = context.repository.compare_link(push) {
        return link;
    }
    let repository = &context.repository;
    let Some(new) = push.update.new else { return behind(&repository.instance, "/") };
    let old = match push.update.old {
        Some(old) => old.to_string(),
        None if push.is_tag() => push.update.before(),
        None => {
            let parent = oldest.and_then(|oldest| oldest.parents.first()).map(ToString::to_string);
            let default = repository.default_branch.as_deref().filter(|branch| *branch != push.short_name());
            match parent.or_else(|| default.map(encode)) {
                Some(old) => old,
                None => return String::new(),
            }
        }
    };
    repository.below(&format!("/compare/{old}...{new}"))
}

fn commit_body<'a>(commit: &'a Commit, context: &'a Context, limits: &Limits) -> CommitBody<'a> {
    let changes = changes(commit, limits);
    CommitBody {
        id: commit.id.to_string(),
        message: &commit.message,
        url: context.repository.commit_page(commit.id, "/commit/"),
        author: person(&commit.author, &context.pusher),
        committer: person(&commit.committer, &context.pusher),
        verification: (),
        timestamp: commit.author.time.rfc3339(Utc::Letter),
        added: &changes.added,
        removed: &changes.removed,
        modified: &changes.modified,
    }
}

fn create_body(context: &Context, push: &Push) -> Value {
    json!({
        "sha": push.update.after(),
        "ref": push.short_name(),
        "ref_type": ref_type(push),
        "repository": repository(context),
        "sender": pusher(context),
    })
}

fn delete(context: &Context, push: &Push) -> Payload {
    delete_of_github(push, json!({ "repository": repository(context), "sender": pusher(context) }))
}

fn pusher(context: &Context) -> Value {
    let Pusher { login, name, email, id } = &context.pusher;
    user(*id, login, name, email, &context.repository)
}

/// How Go writes the time that was never set.
const NEVER: &str = "0001-01-01T00:00:00Z";

fn user(id: u32, login: &str, name: &str, email: &str, repository: &Repository) -> Value {
    let page = repository.account_page(login);
    json!({
        "id": id,
        "login": login,
        "login_name": "",
        "source_id": 0,
        "full_name": name,
        "email": email,
        "avatar_url": behind(&page, ".png"),
        "html_url": page,
        "language": "",
        "is_admin": false,
        "last_login": NEVER,
        "created": NEVER,
        "restricted": false,
        "active": true,
        "prohibit_login": false,
        "location": "",
        "website": "",
        "description": "",
        "visibility": "public",
        "followers_count": 0,
        "following_count": 0,
        "starred_repos_count": 0,
        "username": login,
    })
}

fn repository(context: &Context) -> Value {
    let repository = &context.repository;
    let owner = repository.owner.as_str();
    let page = repository.page();
    let mut body = json!({
        "id": repository.id,
        "owner": user(identifier::number("user", owner), owner, owner, "", repository),
        "name": repository.name,
        "full_name": repository.full_name(),
        "description": repository.description,
        "empty": false,
        "private": repository.visibility == Visibility::Private,
        "fork": false,
        "template": false,
        "mirror": false,
        "size": 0,
        "language": "",
        "languages_url": repository.below("/languages"),
        "html_url": page,
        "url": page,
        "link": "",
        "ssh_url": repository.ssh_url,
        "clone_url": repository.http_url,
        "original_url": "",
        "website": "",
        "stars_count": 0,
        "forks_count": 0,
        "watchers_count": 0,
        "open_issues_count": 0,
        "open_pr_counter": 0,
        "release_counter": 0,
    });
    append(&mut body, state(context));
    body
}

/// The second half of the repository: what has been done to it and what can be.
fn state(context: &Context) -> Value {
    let repository = &context.repository;
    let object_format = match repository.object_format {
        ObjectFormat::Sha1 => "sha1",
        ObjectFormat::Sha256 => "sha256",
    };
    json!({
        "default_branch": repository.default_branch.as_deref().unwrap_or_default(),
        "archived": false,
        // When it was made nobody knows.
        "created_at": Time::default().rfc3339(Utc::Letter),
        "updated_at": context.time.rfc3339(Utc::Letter),
        "archived_at": Time::default().rfc3339(Utc::Letter),
        "permissions": { "admin": false, "push": true, "pull": true },
        "has_issues": false,
        "has_wiki": false,
        "has_pull_requests": false,
        "has_projects": false,
        "projects_mode": "all",
        "has_releases": false,
        "has_packages": false,
        "has_actions": false,
        "ignore_whitespace_conflicts": false,
        "allow_merge_commits": false,
        "allow_rebase": false,
        "allow_rebase_explicit": false,
        "allow_squash_merge": false,
        "allow_fast_forward_only_merge": false,
        "allow_rebase_update": false,
        "allow_manual_merge": false,
        "autodetect_manual_merge": false,
        "default_delete_branch_after_merge": false,
        "default_merge_style": "merge",
        "default_allow_maintainer_edit": false,
        "avatar_url": "",
        "internal": repository.visibility == Visibility::Internal,
        "mirror_interval": "",
        "object_format_name": object_format,
        "mirror_updated": NEVER,
        "topics": [],
        "licenses": [],
    })
}

/// The delivery and the event under the names that one forge has for them.
pub(super) fn named(names: [&'static str; 3], event: &str, ids: &Ids) -> Vec<Header> {
    let (event, kind) = review::event_and_type(event);
    let values = [ids.delivery.to_string(), event.into(), kind.into()];
    names.into_iter().zip(values).map(|(name, value)| (name, value.into())).collect()
}

/// The same under the names of Gitea, of Gogs, which it came out of, and of GitHub.
pub(super) fn headers(event: &str, ids: &Ids) -> Vec<Header> {
    let mut headers = named(["X-Gitea-Delivery", "X-Gitea-Event", "X-Gitea-Event-Type"], event, ids);
    headers.push(("X-Gitea-Hook-Installation-Target-Type", "repository".into()));
    headers.extend(named(["X-Gogs-Delivery", "X-Gogs-Event", "X-Gogs-Event-Type"], event, ids));
    headers.extend(named(["X-GitHub-Delivery", "X-GitHub-Event", "X-GitHub-Event-Type"], event, ids));
    headers.push(("X-GitHub-Hook-Installation-Target-Type", "repository".into()));
    headers
}

pub(super) fn sign(secret: &Secret, body: &[u8]) -> Vec<Header> {
    let signature = secret.hmac_sha256(body);
    vec![
        ("X-Gitea-Signature", signature.clone().into()),
        ("X-Gogs-Signature", signature.clone().into()),
        ("X-Hub-Signature", format!("sha1={}", secret.hmac_sha1(body)).into()),
        ("X-Hub-Signature-256", format!("sha256={signature}").into()),
    ]
}
