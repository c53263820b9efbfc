//! GitLab: push and tag_push, one shape for both; note and merge_request.
//!
//! Source: <https://docs.gitlab.com/user/project/integrations/webhook_events/>, "Push events", "Tag events"; where the page is silent
//! (title, checkout_sha, the order of keys), what GitLab's `Gitlab::DataBuilder::Push` and `Commit#hook_attrs` do.

mod review;

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Author, EVENTS_OF_GITLAB, Exchange, Format, Header, Ids, Limits, Payload, RepositoryBody, changes, compact, newest,
    visibility_level,
};
use crate::event::{Changes, Commit, Context, Event, EventKind, EventName, Push, Repository, Utc, Wanted};
use crate::signature::Secret;

const MOST_COMMITS: usize = 20;

pub(super) const FORMAT: Format = Format {
    name: "gitlab",
    forge: "GitLab",
    hosts: &[],
    events: EVENTS_OF_GITLAB,
    wants: Wanted { commits: MOST_COMMITS, paths: usize::MAX, ..Wanted::NOTHING },
    each: payload,
    whole: None,
    ping: None,
    headers,
    forms: None,
    has_extras: false,
    is_stamped: true,
    is_chat: false,
    sign,
    exchange: Exchange::POST,
};

#[derive(Serialize)]
struct Body<'a> {
    object_kind: &'static str,
    event_name: &'static str,
    before: String,
    after: String,
    r#ref: &'a str,
    ref_protected: bool,
    checkout_sha: Option<String>,
    message: Option<&'a str>,
    user_id: u32,
    user_name: &'a str,
    user_username: &'a str,
    user_email: Option<&'a str>,
    user_avatar: Option<&'a str>,
    project_id: u32,
    project: ProjectBody<'a>,
    commits: Vec<CommitBody<'a>>,
    total_commits_count: u64,
    push_options: Map<String, Value>,
    repository: RepositoryBody<'a>,
}

#[derive(Serialize)]
struct ProjectBody<'a> {
    id: u32,
    name: &'a str,
    description: Option<&'a str>,
    web_url: &'a str,
    avatar_url: Option<&'a str>,
    git_ssh_url: &'a str,
    git_http_url: &'a str,
    namespace: &'a str,
    visibility_level: u8,
    path_with_namespace: String,
    default_branch: Option<&'a str>,
    ci_config_path: Option<&'a str>,
    homepage: &'a str,
    url: &'a str,
    ssh_url: &'a str,
    http_url: &'a str,
}

#[derive(Serialize)]
struct CommitBody<'a> {
    id: String,
    message: &'a str,
    title: String,
    timestamp: String,
    url: String,
    author: Author<'a>,
    added: &'a [String],
    modified: &'a [String],
    removed: Vec<&'a str>,
}

fn payload(event: &Event, _name: EventName, limits: &Limits) -> Option<Payload> {
    let context = &*event.context;
    match &event.kind {
        EventKind::Push(push) => {
            let commits = newest(&push.commits, limits.commits.unwrap_or(MOST_COMMITS));
            let mut body = body(context, push, "push", commits, limits);
            // The id from standard input, even where the commit cannot be read.
            body.checkout_sha = push.update.new.map(|id| id.to_string());
            body.total_commits_count = push.total;
            Some(compact("Push Hook", &body))
        }
        EventKind::TagPush(push) => {
            let all = push.after.commit.as_slice();
            let mut body = body(context, push, "tag_push", newest(all, limits.commits.unwrap_or(MOST_COMMITS)), limits);
            body.total_commits_count = all.len() as u64;
            body.checkout_sha = push.head().map(|commit| commit.id.to_string());
            // GitLab tells a tag's text without its final newline.
            body.message = push.after.tag.as_ref().map(|tag| tag.message.trim_end_matches('\n'));
            Some(compact("Tag Push Hook", &body))
        }
        EventKind::MergeRequest(request) => review::merge_request(context, request),
        EventKind::Note(note) => Some(review::note(context, note)),
    }
}

fn body<'a>(
    context: &'a Context,
    push: &'a Push,
    kind: &'static str,
    commits: &'a [impl AsRef<Commit>],
    limits: &Limits,
) -> Body<'a> {
    let pusher = &context.pusher;
    Body {
        object_kind: kind,
        event_name: kind,
        before: push.update.before(),
        after: push.update.after(),
        r#ref: &push.ref_text,
        // A bare repository protects refs with hooks, which nobody can ask.
        ref_protected: false,
        checkout_sha: None,
        message: None,
        user_id: pusher.id,
        user_name: &pusher.name,
        user_username: &pusher.login,
        user_email: (!pusher.email.is_empty()).then_some(&pusher.email),
        user_avatar: None,
        project_id: context.repository.id,
        project: project(&context.repository),
        total_commits_count: commits.len() as u64,
        commits: commits.iter().map(|commit| commit_body(commit.as_ref(), &context.repository, limits)).collect(),
        push_options: push_options(&context.push_options),
        repository: (&context.repository).into(),
    }
}

fn project(repository: &Repository) -> ProjectBody<'_> {
    ProjectBody {
        id: repository.id,
        name: &repository.name,
        description: (!repository.description.is_empty()).then_some(&repository.description),
        web_url: &repository.homepage,
        avatar_url: None,
        git_ssh_url: &repository.ssh_url,
        git_http_url: &repository.http_url,
        namespace: repository.group(),
        visibility_level: visibility_level(repository.visibility),
        path_with_namespace: repository.path_with_group(),
        default_branch: repository.default_branch.as_deref(),
        ci_config_path: None,
        homepage: &repository.homepage,
        url: &repository.ssh_url,
        ssh_url: &repository.ssh_url,
        http_url: &repository.http_url,
    }
}

fn commit_body<'a>(commit: &'a Commit, repository: &Repository, limits: &Limits) -> CommitBody<'a> {
    let changes = changes(commit, limits);
    CommitBody {
        id: commit.id.to_string(),
        message: &commit.message,
        title: title(&commit.message),
        timestamp: commit.committer.time.rfc3339(Utc::Zero),
        url: repository.commit_page(commit.id, "/-/commit/"),
        author: commit.into(),
        added: &changes.added,
        modified: &changes.modified,
        removed: removed(changes),
    }
}

/// Of a rename GitLab tells the new path alone, as added.
fn removed(changes: &Changes) -> Vec<&str> {
    let moved: HashSet<&str> = changes.renamed.iter().map(|(old, _)| old.as_str()).collect();
    changes.removed.iter().map(String::as_str).filter(|path| !moved.contains(path)).collect()
}

/// The first line; one of 100 characters or more is cut at the last space among its first 81, so that 80 and an
/// ellipsis remain.
fn title(message: &str) -> String {
    if message.trim().is_empty() {
        return "No commit message".into();
    }
    let line = message.split(['\r', '\n']).next().unwrap_or_default();
    if line.chars().count() < 100 {
        return line.into();
    }
    let end = |characters: usize| line.char_indices().nth(characters).map_or(line.len(), |(at, _)| at);
    let cut = line[..end(81)].rfind(' ').unwrap_or(end(80));
    format!("{}…", &line[..cut])
}

/// Options that may be given several times: each value is a key, with how often it was given
/// (`Gitlab::PushOptions::MULTI_VALUE_OPTIONS`).
const MULTI_VALUED: [(&str, &str); 6] = [
    ("ci", "variable"),
    ("ci", "input"),
    ("merge_request", "label"),
    ("merge_request", "unlabel"),
    ("merge_request", "assign"),
    ("merge_request", "unassign"),
];

/// `ci.skip=true` is `{"ci":{"skip":"true"}}`; an option without a value is `true`; of two with one name the last
/// counts, but for those that may be given several times. `mr` is short for `merge_request`.
fn push_options(options: &[String]) -> Map<String, Value> {
    let mut map = Map::new();
    for option in options.iter().filter(|option| !option.is_empty()) {
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Value::from(value)),
            None => (option.as_str(), Value::from(true)),
        };
        let Some((namespace, key)) = key.split_once('.') else {
            map.insert(key.into(), value);
            continue;
        };
        let namespace = if namespace == "mr" { "merge_request" } else { namespace };
        let inner = inner(&mut map, namespace);
        match value {
            Value::String(value) if MULTI_VALUED.contains(&(namespace, key)) => {
                let counts = self::inner(inner, key);
                let count = counts.get(&value).and_then(Value::as_u64).unwrap_or(0);
                counts.insert(value, (count + 1).into());
            }
            value => drop(inner.insert(key.into(), value)),
        }
    }
    map
}

/// The object below a key; what else stood there is gone.
fn inner<'m>(map: &'m mut Map<String, Value>, key: &str) -> &'m mut Map<String, Value> {
    let inner = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    inner.as_object_mut().expect("it is an object by now")
}

fn headers(event: &str, ids: &Ids) -> Vec<Header> {
    let mut headers = vec![
        ("Idempotency-Key", ids.delivery.to_string().into()),
        ("X-Gitlab-Event", event.into()),
        ("X-Gitlab-Webhook-UUID", ids.webhook.to_string().into()),
    ];
    if !ids.instance.is_empty() {
        headers.push(("X-Gitlab-Instance", ids.instance.clone().into()));
    }
    headers.push(("X-Gitlab-Event-UUID", ids.event.to_string().into()));
    headers
}

fn sign(secret: &Secret, _body: &[u8]) -> Vec<Header> {
    vec![("X-Gitlab-Token", secret.expose().into())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line() {
        assert_eq!(title("one\r\ntwo\n"), "one");
        assert_eq!(title("\n \n"), "No commit message");
        assert_eq!(title(&"x".repeat(99)), "x".repeat(99));
    }

    #[test]
    fn a_long_title_is_cut_at_a_space() {
        assert_eq!(title(&"x".repeat(100)), format!("{}…", "x".repeat(80)));
        let words = "word ".repeat(30);
        assert_eq!(title(&words), format!("{}…", "word ".repeat(16).trim_end()));
        let wide = "é".repeat(120);
        assert_eq!(title(&wide), format!("{}…", "é".repeat(80)));
    }

    #[test]
    fn push_options_become_an_object() {
        let options =
            ["ci.skip", "ci.variable=A=1", "ci.variable=B=2", "mr.create", "topic=x", "topic.y", ""].map(String::from);
        assert_eq!(
            Value::Object(push_options(&options)).to_string(),
            r#"{"ci":{"skip":true,"variable":{"A=1":1,"B=2":1}},"merge_request":{"create":true},"topic":{"y":true}}"#
        );
    }
}
