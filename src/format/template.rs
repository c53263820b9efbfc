//! A body of one's own: what its template is given of an event, of which `docs/event.schema.json` has the schema.
//!
//! The value holds the event and nothing else: no secret, no environment, no configuration. Every key is there always, with null or
//! nothing in it where there is nothing to tell, so that a name that is misspelt is the only one that is not known.

use serde_json::{Value, json};

use super::chat::{self, Line, Markup, Room};
use super::{Changes, Format, Header, Ids, Limits, Payload, changes, compact, newest, ref_type};
use crate::event::{
    Commit, Context, Event, EventKind, EventName, MergeRequest, Note, Person, Push, Review, ReviewState, Tag, Utc,
    Visibility, Wanted,
};
use crate::pusher::Pusher;
use crate::ref_update::{Change, ObjectId};

const MOST_COMMITS: usize = 20;

pub(super) const FORMAT: Format = Format {
    name: "template",
    forge: "a body of one's own",
    wants: Wanted { commits: MOST_COMMITS, paths: usize::MAX, ..Wanted::NOTHING },
    is_chat: false,
    headers,
    ..chat::format(payload)
};

/// What `title` and `text` are written in: nothing is marked up, and each link stands behind its text.
const PLAIN: Markup = Markup { inert: str::to_owned, link: |_, text| text.to_owned(), quote: "> " };

/// Whoever has less room cuts it: ntfy takes 4,096 bytes, Telegram 4,096 characters.
const ROOM: Room = Room { most: 16 * 1024, size: |line| PLAIN.line(line).len() + 1, end: 40 };

/// The value alone, as `git webhook payload --format event` prints it.
fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let value = value(event, name, limits)?;
    Some(compact(chat::word(name)?, &value))
}

/// All that a template is told of an event; `None` of an event that it has no word for.
pub(super) fn value(event: &Event, name: EventName, limits: &Limits) -> Option<Value> {
    let message = chat::message(event, name, limits, &ROOM)?;
    let context = &event.context;
    let mut value = json!({
        "version": 1,
        "id": event.id,
        "event": message.event,
        "time": context.time.rfc3339(Utc::Letter),
        "title": message.lines.first().map(|line: &Line| PLAIN.line(line)),
        "text": PLAIN.text(&message.lines, "\n"),
        "url": page(event),
        "repository": repository(context),
        "pusher": person_of(&context.pusher),
        "push_options": context.push_options,
        "push": null,
        "action": null,
        "said": null,
        "review": null,
        "note": null,
    });
    match &event.kind {
        EventKind::Push(pushed) | EventKind::TagPush(pushed) => value["push"] = push(context, pushed, limits),
        EventKind::MergeRequest(request) => {
            value["action"] = request.action.word().into();
            value["said"] = request.said.as_str().into();
            value["review"] = review_of(context, request);
        }
        EventKind::Note(said) => {
            value["note"] = note(context, said);
            value["review"] = said.review.as_ref().map(|of| review(context, of)).into();
        }
    }
    Some(value)
}

/// Where a person reads more; empty where nobody has said what the pages are.
fn page(event: &Event) -> String {
    let repository = &event.context.repository;
    match &event.kind {
        EventKind::Push(push) | EventKind::TagPush(push) => push_page(&event.context, push),
        EventKind::MergeRequest(request) => repository.review_page(request.review.number, "/merge_requests/"),
        EventKind::Note(note) => match &note.review {
            Some(review) => repository.review_page(review.number, "/merge_requests/"),
            None => commit_page(&event.context, note.commit.id),
        },
    }
}

fn push_page(context: &Context, push: &Push) -> String {
    let repository = &context.repository;
    let of_commit = || push.update.new.or(push.update.old).map(|id| commit_page(context, id));
    repository.compare_link(push).or_else(of_commit).unwrap_or_default()
}

fn commit_page(context: &Context, id: ObjectId) -> String {
    context.repository.commit_page(id, "/commit/")
}

fn repository(context: &Context) -> Value {
    let repository = &context.repository;
    let visibility = match repository.visibility {
        Visibility::Private => "private",
        Visibility::Internal => "internal",
        Visibility::Public => "public",
    };
    json!({
        "id": repository.id,
        "name": repository.name,
        "path": repository.path,
        "owner": repository.owner,
        "description": repository.description,
        "url": repository.page(),
        "http_url": repository.http_url,
        "ssh_url": repository.ssh_url,
        "visibility": visibility,
        "default_branch": repository.default_branch,
    })
}

fn person_of(pusher: &Pusher) -> Value {
    json!({ "id": pusher.id, "login": pusher.login, "name": pusher.name, "email": pusher.email })
}

fn push(context: &Context, push: &Push, limits: &Limits) -> Value {
    let change = match push.change() {
        Change::Create => "create",
        Change::Update => "update",
        Change::Delete => "delete",
    };
    let wanted = newest(&push.commits, limits.commits.unwrap_or(MOST_COMMITS));
    let commit = |of: &Commit| commit(context, of, limits);
    json!({
        "ref": push.ref_text,
        "ref_name": push.short_name(),
        "ref_type": ref_type(push),
        "change": change,
        "forced": push.forced,
        "before": push.update.before(),
        "after": push.update.after(),
        "tag": push.after.tag.as_ref().map(tag),
        "head": push.head().map(|head| commit(head)),
        "commits": wanted.iter().map(|of| commit(of)).collect::<Vec<_>>(),
        "total": push.total,
    })
}

fn tag(tag: &Tag) -> Value {
    json!({ "message": tag.message, "tagger": tag.tagger.as_ref().map(person) })
}

fn commit(context: &Context, commit: &Commit, limits: &Limits) -> Value {
    let Changes { added, modified, removed, renamed } = changes(commit, limits);
    let renamed: Vec<_> = renamed.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect();
    json!({
        "id": commit.id.to_string(),
        "title": chat::subject(&commit.message),
        "message": commit.message,
        "url": commit_page(context, commit.id),
        "author": person(&commit.author),
        "committer": person(&commit.committer),
        "parents": commit.parents.iter().map(ObjectId::to_string).collect::<Vec<_>>(),
        "added": added,
        "modified": modified,
        "removed": removed,
        "renamed": renamed,
    })
}

fn person(person: &Person) -> Value {
    json!({ "name": person.name, "email": person.email, "time": person.time.rfc3339(Utc::Letter) })
}

fn review_of(context: &Context, request: &MergeRequest) -> Value {
    let mut value = review(context, &request.review);
    value["old_head"] = request.old_head().map(|id| id.to_string()).into();
    value
}

fn review(context: &Context, review: &Review) -> Value {
    let state = match review.state {
        ReviewState::Opened => "opened",
        ReviewState::Closed => "closed",
        ReviewState::Merged => "merged",
    };
    json!({
        "number": review.number,
        "title": review.title,
        "description": review.description,
        "url": context.repository.review_page(review.number, "/merge_requests/"),
        "source": review.source,
        "target": review.target,
        "state": state,
        "draft": review.is_draft(),
        "author": person_of(&review.author),
        "reviewers": review.reviewers.iter().map(person_of).collect::<Vec<_>>(),
        "created": review.created.rfc3339(Utc::Letter),
        "updated": review.updated.rfc3339(Utc::Letter),
        "head": commit(context, &review.head, &Limits { files: false, ..Limits::FULL }),
        "old_head": null,
        "base": review.base.map(|id| id.to_string()),
        "commits": review.commits,
        "merge_commit": review.merge_commit.map(|id| id.to_string()),
        "resolved": review.resolved,
    })
}

fn note(context: &Context, note: &Note) -> Value {
    let place = note.place.as_ref().map(|place| json!({ "path": place.path, "line": place.line }));
    json!({
        "number": note.number,
        "text": note.text,
        "replaces": note.replaces,
        "author": person_of(&note.author),
        "created": note.created.rfc3339(Utc::Letter),
        "updated": note.updated.rfc3339(Utc::Letter),
        "commit": commit(context, &note.commit, &Limits { files: false, ..Limits::FULL }),
        "place": place,
        "resolved": note.resolved,
    })
}

fn headers(_event: &str, ids: &Ids) -> Vec<Header> {
    vec![("Idempotency-Key", ids.delivery.to_string().into())]
}
