//! Bitbucket Cloud: one repo:push for a whole push, with a change for each branch and tag; pull requests and comments by themselves.
//!
//! Source: <https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/>, "Push", "Common entities for event payloads".

mod review;

use serde_json::{Value, json};

use super::{Exchange, Format, Header, Ids, Limits, Payload, Whole, append, behind, newest, ref_type};
use crate::event::{
    Commit, Context, Event, EventKind, EventName, Person, Push, Repository, Time, Tip, Utc, Visibility, Wanted,
};
use crate::identifier;
use crate::pusher::Pusher;
use crate::ref_update::{Change, ObjectId};
use crate::signature::Secret;
use crate::urls::encode;

const MOST_COMMITS: usize = 5;

const EVENTS: &[(EventName, &str)] = &[
    (EventName::Push, "repo:push"),
    (EventName::TagPush, "repo:push"),
    (EventName::Note, "repo:commit_comment_created"),
    (EventName::Note, "pullrequest:comment_created"),
    (EventName::Note, "pullrequest:comment_updated"),
    (EventName::MergeRequest, "pullrequest:created"),
    (EventName::MergeRequest, "pullrequest:updated"),
    (EventName::MergeRequest, "pullrequest:fulfilled"),
    (EventName::MergeRequest, "pullrequest:rejected"),
    (EventName::MergeRequest, "pullrequest:approved"),
    (EventName::MergeRequest, "pullrequest:unapproved"),
    (EventName::MergeRequest, "pullrequest:changes_request_created"),
    (EventName::MergeRequest, "pullrequest:changes_request_removed"),
];

pub(super) const FORMAT: Format = Format {
    name: "bitbucket",
    forge: "Bitbucket Cloud",
    hosts: &[],
    events: EVENTS,
    wants: Wanted { commits: MOST_COMMITS, before: true, ..Wanted::NOTHING },
    each: payload,
    whole: Some(Whole { event: "repo:push", piece, around }),
    ping: None,
    headers,
    forms: None,
    has_extras: false,
    is_stamped: false,
    is_chat: false,
    sign,
    exchange: Exchange::POST,
};

fn payload(event: &Event, _name: EventName, _limits: &Limits) -> Option<Payload> {
    match &event.kind {
        EventKind::MergeRequest(request) => Some(review::pull_request(&event.context, request)),
        EventKind::Note(note) => review::note(&event.context, note),
        // They are told as a whole.
        EventKind::Push(_) | EventKind::TagPush(_) => None,
    }
}

fn piece(event: &Event, limits: &Limits) -> Option<Vec<u8>> {
    match &event.kind {
        EventKind::Push(push) | EventKind::TagPush(push) => {
            Some(change(&event.context, push, limits).to_string().into())
        }
        EventKind::MergeRequest(_) | EventKind::Note(_) => None,
    }
}

fn around(context: &Context) -> [Vec<u8>; 2] {
    let rest = json!({ "actor": actor(&context.pusher, &context.repository), "repository": repository(context) });
    [b"{\"push\":{\"changes\":[".into(), format!("]}},{}", &rest.to_string()[1..]).into()]
}

fn change(context: &Context, push: &Push, limits: &Limits) -> Value {
    let update = &push.update;
    let mut body = json!({
        "old": update.old.map(|id| state(context, push, id, &push.before)),
        "new": update.new.map(|id| state(context, push, id, &push.after)),
    });
    if update.new.is_some() {
        body["links"] = links(context, push);
    }
    body["created"] = (push.change() == Change::Create).into();
    body["forced"] = push.forced.into();
    body["closed"] = (push.change() == Change::Delete).into();
    let listed = newest(&push.commits, limits.commits.unwrap_or(MOST_COMMITS));
    if update.new.is_some() && !push.is_tag() {
        let listed: Vec<_> = listed.iter().rev().map(|commit| commit_body(commit, context)).collect();
        body["commits"] = listed.into();
    }
    body["truncated"] = (push.total > listed.len() as u64).into();
    body
}

/// What can be seen of a change in a browser: the new commits, and the difference where there is an old state.
fn links(context: &Context, push: &Push) -> Value {
    let name = encode(&push.short_name());
    let link = |below: String| json!({ "href": context.repository.below(&below) });
    if let Some(all) = context.repository.compare_link(push) {
        let all = json!({ "href": all });
        return match push.update.old {
            Some(_) => json!({ "html": all, "diff": all, "commits": all }),
            None => json!({ "html": all, "commits": all }),
        };
    }
    match (push.update.old, push.update.new) {
        (Some(old), Some(new)) => json!({
            "html": link(format!("/branches/compare/{new}..{old}")),
            "diff": link(format!("/diff/{new}..{old}")),
            "commits": link(format!("/commits?include={new}&exclude={old}")),
        }),
        _ => json!({
            "html": link(ref_page(push, &name)),
            "commits": link(format!("/commits?include={}", push.update.after())),
        }),
    }
}

fn ref_page(push: &Push, name: &str) -> String {
    if push.is_tag() { format!("/commits/tag/{name}") } else { format!("/branch/{name}") }
}

/// A branch or tag as it was or is. `id` stands for a commit that cannot be read.
fn state(context: &Context, push: &Push, id: ObjectId, tip: &Tip) -> Value {
    let below = if push.is_tag() { "tags" } else { "branches" };
    let name = encode(&push.short_name());
    // What is shown of a ref by others: its history, and its files.
    let history = context.repository.ref_link(push).map(|href| json!({ "href": href }));
    let files = context.repository.tree_link(id).map(|href| json!({ "href": href }));
    let link = |below: String| json!({ "href": context.repository.below(&below) });
    let mut body = json!({
        "type": ref_type(push),
        "name": push.short_name(),
        "links": {
            "commits": history.clone().unwrap_or_else(|| link(format!("/commits/{name}"))),
            "self": files.unwrap_or_else(|| link(format!("/refs/{below}/{name}"))),
            "html": history.unwrap_or_else(|| link(ref_page(push, &name))),
        },
        "target": match &tip.commit {
            Some(commit) => commit_body(commit, context),
            None => json!({ "type": "commit", "hash": id.to_string(), "links": commit_links(id, &context.repository) }),
        },
    });
    if push.is_tag() {
        let tag = tip.tag.as_ref();
        let tagger = tag.and_then(|tag| tag.tagger.as_ref());
        append(
            &mut body,
            json!({
                "message": tag.map(|tag| &tag.message),
                "date": tagger.map(|tagger| utc(tagger.time)),
                "tagger": tagger.map(|tagger| person(tagger, context)),
            }),
        );
    }
    body
}

fn commit_body(commit: &Commit, context: &Context) -> Value {
    let parent = |id: &ObjectId| json!({ "type": "commit", "hash": id.to_string(), "links": commit_links(*id, &context.repository) });
    json!({
        "type": "commit",
        "hash": commit.id.to_string(),
        "author": person(&commit.author, context),
        "message": commit.message,
        "summary": {
            "raw": commit.message,
            "markup": "markdown",
            "html": html(&commit.message),
            "type": "rendered",
        },
        "date": utc(commit.committer.time),
        "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
        "links": commit_links(commit.id, &context.repository),
    })
}

/// There is no API beside the pages, so both links are one.
fn commit_links(id: ObjectId, repository: &Repository) -> Value {
    let address = repository.commit_page(id, "/commits/");
    json!({ "self": { "href": address }, "html": { "href": address } })
}

fn utc(time: Time) -> String {
    Time::utc(time.seconds).rfc3339(Utc::Zero)
}

fn person(person: &Person, context: &Context) -> Value {
    let mut body = json!({ "type": "author", "raw": format!("{} <{}>", person.name, person.email) });
    if context.pusher.has_address(&person.email) {
        body["user"] = actor(&context.pusher, &context.repository);
    }
    body
}

/// Text as paragraphs.
fn html(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        c => String::from(c),
    };
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let paragraphs =
        paragraphs.map(|paragraph| format!("<p>{}</p>", paragraph.chars().map(escape).collect::<String>()));
    paragraphs.collect::<Vec<_>>().join("\n")
}

fn actor(pusher: &Pusher, repository: &Repository) -> Value {
    json!({
        "display_name": pusher.name,
        "uuid": uuid("user", &pusher.login),
        "nickname": pusher.login,
        "account_id": pusher.id.to_string(),
        "type": "user",
        "links": account_links(&pusher.login, repository),
    })
}

/// UUIDs stand in braces there.
fn uuid(kind: &str, name: &str) -> String {
    format!("{{{}}}", identifier::uuid(kind, name))
}

fn account_links(login: &str, repository: &Repository) -> Value {
    page_links(&repository.account_page(login))
}

fn page_links(page: &str) -> Value {
    json!({ "self": { "href": page }, "html": { "href": page }, "avatar": { "href": behind(page, "/avatar") } })
}

fn repository(context: &Context) -> Value {
    let repository = &context.repository;
    let owner = repository.owner.as_str();
    let links = account_links(owner, repository);
    json!({
        "type": "repository",
        "full_name": repository.full_name(),
        "links": page_links(repository.page()),
        "name": repository.name,
        "scm": "git",
        "website": repository.homepage,
        "owner": { "display_name": owner, "uuid": uuid("user", owner), "type": "team", "links": links },
        "workspace": { "type": "workspace", "uuid": uuid("user", owner), "name": owner, "slug": owner, "links": links },
        "project": { "type": "project", "key": owner, "uuid": uuid("group", owner), "name": owner, "links": links },
        "is_private": repository.visibility != Visibility::Public,
        "uuid": uuid("project", &repository.path),
    })
}

fn headers(event: &str, ids: &Ids) -> Vec<Header> {
    vec![
        // What Jenkins' plugin for Bitbucket asks for.
        ("User-Agent", "Bitbucket-Webhooks/2.0".into()),
        ("X-Event-Key", event.into()),
        ("X-Hook-UUID", ids.webhook.to_string().into()),
        ("X-Request-UUID", ids.delivery.to_string().into()),
        ("X-Attempt-Number", ids.attempt.to_string().into()),
    ]
}

fn sign(secret: &Secret, body: &[u8]) -> Vec<Header> {
    vec![("X-Hub-Signature", format!("sha256={}", secret.hmac_sha256(body)).into())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_paragraphs() {
        assert_eq!(html("a <b> & \"c\"\n\n\n\nd\n"), "<p>a &lt;b&gt; &amp; &quot;c&quot;</p>\n<p>d</p>");
        assert_eq!(html("\n"), "");
    }
}
