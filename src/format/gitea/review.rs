//! pull_request, and what is said of one: issue_comment, and reviews.
//!
//! Source: as for pushes; `modules/structs/pull.go`, `issue.go`, `issue_comment.go`, and `modules/webhook/type.go` for the names in the
//! headers. Comments on commits are nothing that Gitea has.

use serde_json::{Value, json};

use super::{pusher, repository, user};
use crate::event::{Context, MergeRequest, Note, Review, ReviewAction, ReviewState, Utc};
use crate::format::gogs::review::{page, state};
use crate::format::{Payload, append, behind, compact, gogs};
use crate::pusher::Pusher;

/// The name in the header for events, and the more exact one in that for their types.
pub(super) fn event_and_type(event: &str) -> (&str, &str) {
    match event {
        "pull_request_sync" => ("pull_request", event),
        "issue_comment" => (event, "pull_request_comment"),
        "pull_request_comment" => (event, "pull_request_review_comment"),
        "pull_request_approved" => (event, "pull_request_review_approved"),
        "pull_request_rejected" => (event, "pull_request_review_rejected"),
        _ => (event, event),
    }
}

fn account(account: &Pusher, context: &Context) -> Value {
    user(account.id, &account.login, &account.name, &account.email, &context.repository)
}

/// `None` of what Gitea tells nobody: that a verdict was taken back.
pub(super) fn pull_request(context: &Context, request: &MergeRequest) -> Option<Payload> {
    let is_moved = request.old_head().is_some();
    let (event, action) = match request.action {
        ReviewAction::Open => ("pull_request", "opened"),
        ReviewAction::Reopen => ("pull_request", "reopened"),
        ReviewAction::Merge | ReviewAction::Close => ("pull_request", "closed"),
        ReviewAction::Update if is_moved => ("pull_request_sync", "synchronized"),
        ReviewAction::Update => ("pull_request", "edited"),
        ReviewAction::Approve => ("pull_request_approved", "reviewed"),
        ReviewAction::RequestChanges => ("pull_request_rejected", "reviewed"),
        ReviewAction::Unapprove | ReviewAction::WithdrawChanges => return None,
    };
    let mut body = json!({ "action": action, "number": request.review.number });
    if action == "edited" {
        body["changes"] = changes(request);
    }
    let review = (action == "reviewed")
        .then(|| json!({ "type": event.replace("pull_request_", "pull_request_review_"), "content": request.said }));
    append(
        &mut body,
        json!({
            "pull_request": pull_request_body(context, &request.review),
            "requested_reviewer": null,
            "repository": repository(context),
            "sender": pusher(context),
            "commit_id": request.review.head.id.to_string(),
            "review": review,
        }),
    );
    Some(compact(event, &body))
}

/// Gogs's, and the branch that it is for.
fn changes(request: &MergeRequest) -> Value {
    let mut changes = gogs::review::changes(request);
    if let Some(before) = request.before.as_ref().filter(|before| before.target != request.review.target) {
        changes["ref"] = json!({ "from": before.target });
    }
    changes
}

/// When it ended: the push that did that is told here.
fn ended(context: &Context, review: &Review) -> Option<String> {
    (review.state != ReviewState::Opened).then(|| context.time.rfc3339(Utc::Letter))
}

fn pull_request_body(context: &Context, review: &Review) -> Value {
    let is_merged = review.state == ReviewState::Merged;
    let page = page(context, review);
    let side = |name: &str, id: Option<String>| {
        json!({
            "label": name,
            "ref": name,
            "sha": id.unwrap_or_default(),
            "repo_id": context.repository.id,
            "repo": repository(context),
        })
    };
    let base = review.base.map(|id| id.to_string());
    json!({
        "id": review.number,
        "url": page,
        "number": review.number,
        "user": account(&review.author, context),
        "title": review.title,
        "body": review.description,
        "labels": [],
        "milestone": null,
        "assignee": null,
        "assignees": null,
        "requested_reviewers": review.reviewers.iter().map(|it| account(it, context)).collect::<Vec<_>>(),
        "requested_reviewers_teams": [],
        "state": state(review),
        "draft": review.is_draft(),
        "is_locked": false,
        "comments": review.commenters.len(),
        "html_url": page,
        "diff_url": behind(&page, ".diff"),
        "patch_url": behind(&page, ".patch"),
        "mergeable": review.state == ReviewState::Opened,
        "merged": is_merged,
        "merged_at": ended(context, review).filter(|_| is_merged),
        "merge_commit_sha": is_merged.then(|| review.merge_commit.unwrap_or(review.head.id).to_string()),
        "merged_by": is_merged.then(|| pusher(context)),
        "allow_maintainer_edit": false,
        "base": side(&review.target, base.clone()),
        "head": side(&review.source, Some(review.head.id.to_string())),
        "merge_base": base.unwrap_or_default(),
        "due_date": null,
        "created_at": review.created.rfc3339(Utc::Letter),
        "updated_at": review.updated.rfc3339(Utc::Letter),
        "closed_at": ended(context, review),
        "pin_order": 0,
    })
}

/// `None` for a comment on a commit by itself.
pub(super) fn note(context: &Context, note: &Note) -> Option<Payload> {
    let review = note.review.as_ref()?;
    // That one on a line was changed is told as of any other.
    if note.place.is_some() && note.replaces.is_none() {
        return Some(review_comment(context, note, review));
    }
    let page = page(context, review);
    let mut body = json!({
        "action": if note.replaces.is_some() { "edited" } else { "created" },
        "issue": issue(context, review, &page),
        "pull_request": pull_request_body(context, review),
        "comment": {
            "id": note.number,
            "html_url": behind(&page, &format!("#issuecomment-{}", note.number)),
            "pull_request_url": page,
            "issue_url": "",
            "user": account(&note.author, context),
            "original_author": "",
            "original_author_id": 0,
            "body": note.text,
            "assets": [],
            "created_at": note.created.rfc3339(Utc::Letter),
            "updated_at": note.updated.rfc3339(Utc::Letter),
        },
        "repository": repository(context),
        "sender": account(&note.author, context),
        "is_pull": true,
    });
    if let Some(before) = &note.replaces {
        body["changes"] = json!({ "body": { "from": before } });
    }
    Some(compact("issue_comment", &body))
}

fn issue(context: &Context, review: &Review, page: &str) -> Value {
    let repository_ = &context.repository;
    json!({
        "id": review.number,
        "url": page,
        "html_url": page,
        "number": review.number,
        "user": account(&review.author, context),
        "original_author": "",
        "original_author_id": 0,
        "title": review.title,
        "body": review.description,
        "ref": "",
        "assets": [],
        "labels": [],
        "milestone": null,
        "assignee": null,
        "assignees": null,
        "state": state(review),
        "is_locked": false,
        "comments": review.commenters.len().max(1),
        "created_at": review.created.rfc3339(Utc::Letter),
        "updated_at": review.updated.rfc3339(Utc::Letter),
        "closed_at": ended(context, review),
        "due_date": null,
        "pull_request": {
            "merged": review.state == ReviewState::Merged,
            "merged_at": ended(context, review).filter(|_| review.state == ReviewState::Merged),
            "draft": review.is_draft(),
            "html_url": page,
        },
        "repository": {
            "id": repository_.id,
            "name": repository_.name,
            "owner": repository_.owner,
            "full_name": repository_.full_name(),
        },
        "pin_order": 0,
    })
}

/// A comment on a line is a review that says nothing else.
fn review_comment(context: &Context, note: &Note, review: &Review) -> Payload {
    let body = json!({
        "action": "reviewed",
        "number": review.number,
        "pull_request": pull_request_body(context, review),
        "requested_reviewer": null,
        "repository": repository(context),
        "sender": account(&note.author, context),
        "commit_id": note.place.as_ref().map(|place| place.head.to_string()),
        "review": { "type": "pull_request_review_comment", "content": note.text },
    });
    compact("pull_request_comment", &body)
}
