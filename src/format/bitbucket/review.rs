//! Pull requests and comments.
//!
//! Source: as for pushes, "Pull request events" and "Commit comment created".

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{actor, commit_links, html, repository, utc};
use crate::event::{Context, MergeRequest, Note, Review, ReviewAction, ReviewState};
use crate::format::{Payload, behind, compact};
use crate::pusher::Pusher;

const PAGES: &str = "/pull-requests/";

fn links(page: &str) -> Value {
    json!({ "self": { "href": page }, "html": { "href": page } })
}

pub(super) fn pull_request(context: &Context, request: &MergeRequest) -> Payload {
    let review = &request.review;
    let mut body = json!({
        "pullrequest": pull_request_body(context, review),
        "actor": actor(&context.pusher, &context.repository),
        "repository": repository(context),
    });
    let verdict = json!({
        "date": utc(context.time),
        "user": actor(&context.pusher, &context.repository),
    });
    let event = match request.action {
        // Bitbucket opens none again, but makes another.
        ReviewAction::Open | ReviewAction::Reopen => "pullrequest:created",
        ReviewAction::Update => "pullrequest:updated",
        ReviewAction::Merge => "pullrequest:fulfilled",
        ReviewAction::Close => "pullrequest:rejected",
        ReviewAction::Approve => "pullrequest:approved",
        ReviewAction::Unapprove => "pullrequest:unapproved",
        ReviewAction::RequestChanges => "pullrequest:changes_request_created",
        ReviewAction::WithdrawChanges => "pullrequest:changes_request_removed",
    };
    match request.action {
        ReviewAction::Approve | ReviewAction::Unapprove => body["approval"] = verdict,
        ReviewAction::RequestChanges | ReviewAction::WithdrawChanges => body["changes_request"] = verdict,
        _ => {}
    }
    compact(event, &body)
}

fn pull_request_body(context: &Context, review: &Review) -> Value {
    let page = context.repository.review_page(review.number, PAGES);
    let is_over = review.state != ReviewState::Opened;
    let side = |name: &str, id: Option<String>| {
        json!({
            "branch": { "name": name },
            "commit": id.map(|id| json!({ "type": "commit", "hash": id.get(..12) })),
            "repository": repository(context),
        })
    };
    json!({
        "type": "pullrequest",
        "id": review.number,
        "title": review.title,
        "description": review.description,
        "summary": { "raw": review.description, "markup": "markdown", "html": html(&review.description), "type": "rendered" },
        "state": match review.state {
            ReviewState::Opened => "OPEN",
            ReviewState::Closed => "DECLINED",
            ReviewState::Merged => "MERGED",
        },
        "draft": review.is_draft(),
        "author": actor(&review.author, &context.repository),
        "source": side(&review.source, Some(review.head.id.to_string())),
        "destination": side(&review.target, review.base.map(|id| id.to_string())),
        "merge_commit": review.merge_commit.map(|id| json!({
            "type": "commit",
            "hash": id.to_string().get(..12),
            "links": commit_links(id, &context.repository),
        })),
        "participants": participants(context, review),
        "reviewers": review.reviewers.iter().map(|it| actor(it, &context.repository)).collect::<Vec<_>>(),
        "close_source_branch": false,
        "closed_by": is_over.then(|| actor(&context.pusher, &context.repository)),
        "reason": review.reason,
        "comment_count": review.commenters.len(),
        "task_count": 0,
        "created_on": utc(review.created),
        "updated_on": utc(review.updated),
        "links": links(&page),
    })
}

/// Whoever had a part in it: those who were asked, and those who said something.
fn participants(context: &Context, review: &Review) -> Vec<Value> {
    let mut known = HashSet::new();
    let people = review.reviewers.iter().map(|person| ("REVIEWER", person));
    let people = people.chain(review.commenters.iter().map(|(person, _)| ("PARTICIPANT", person)));
    let people = people.filter(|(_, person)| person.id != review.author.id && known.insert(person.id));
    let body = |(role, person): (&str, &Pusher)| {
        let own = review.commenters.iter().filter(|(other, _)| other.id == person.id);
        let verdict = own.filter_map(|(_, verdict)| *verdict).next_back();
        json!({
            "type": "participant",
            "user": actor(person, &context.repository),
            "role": role,
            "approved": verdict == Some(true),
            "state": verdict.map(|accepts| if accepts { "approved" } else { "changes_requested" }),
            "participated_on": null,
        })
    };
    people.map(body).collect()
}

/// `None` of what Bitbucket tells nobody: that a comment on a commit was changed.
pub(super) fn note(context: &Context, note: &Note) -> Option<Payload> {
    let Some(review) = &note.review else {
        return note.replaces.is_none().then(|| commit_comment(context, note));
    };
    let event = if note.replaces.is_some() { "pullrequest:comment_updated" } else { "pullrequest:comment_created" };
    let page = context.repository.review_page(review.number, PAGES);
    let body = json!({
        "comment": comment(context, note, &page),
        "pullrequest": pull_request_body(context, review),
        "actor": actor(&note.author, &context.repository),
        "repository": repository(context),
    });
    Some(compact(event, &body))
}

fn commit_comment(context: &Context, note: &Note) -> Payload {
    let page = context.repository.commit_page(note.commit.id, "/commits/");
    let body = json!({
        "comment": comment(context, note, &page),
        "commit": {
            "type": "commit",
            "hash": note.commit.id.to_string(),
            "links": commit_links(note.commit.id, &context.repository),
        },
        "actor": actor(&note.author, &context.repository),
        "repository": repository(context),
    });
    compact("repo:commit_comment_created", &body)
}

fn comment(context: &Context, note: &Note, page: &str) -> Value {
    let mut body = json!({
        "type": if note.review.is_some() { "pullrequest_comment" } else { "commit_comment" },
        "id": note.number,
        "content": { "raw": note.text, "markup": "markdown", "html": html(&note.text), "type": "rendered" },
        "user": actor(&note.author, &context.repository),
        "deleted": false,
        "created_on": utc(note.created),
        "updated_on": utc(note.updated),
        "links": links(&behind(page, &format!("#comment-{}", note.number))),
    });
    if let Some(answers) = note.answers {
        body["parent"] = json!({ "id": answers });
    }
    if let Some(place) = &note.place {
        body["inline"] = json!({ "path": place.path, "from": null, "to": place.line });
    }
    body
}
