//! pull_request, and issue_comment for what is said of one: Gogs has neither verdicts nor comments on lines.
//!
//! Source: as for pushes; `pull_request.go` and `issue.go` beside the webhooks' types.

use serde_json::{Value, json};

use super::{pusher, repository, user};
use crate::event::{Context, MergeRequest, Note, Review, ReviewAction, ReviewState, Utc};
use crate::format::{Payload, append, behind, compact};
use crate::pusher::Pusher;

const PAGES: &str = "/pulls/";

fn account(account: &Pusher, context: &Context) -> Value {
    user(account.id, &account.login, &account.name, &account.email, &context.repository)
}

pub(in crate::format) fn page(context: &Context, review: &Review) -> String {
    context.repository.review_page(review.number, PAGES)
}

/// `None` of verdicts.
pub(super) fn pull_request(context: &Context, request: &MergeRequest) -> Option<Payload> {
    let action = match request.action {
        ReviewAction::Open => "opened",
        ReviewAction::Reopen => "reopened",
        ReviewAction::Merge | ReviewAction::Close => "closed",
        ReviewAction::Update if request.old_head().is_some() => "synchronized",
        ReviewAction::Update => "edited",
        ReviewAction::Approve
        | ReviewAction::Unapprove
        | ReviewAction::RequestChanges
        | ReviewAction::WithdrawChanges => return None,
    };
    let mut body = json!({
        "action": action,
        "number": request.review.number,
        "pull_request": pull_request_body(context, &request.review),
    });
    if action == "edited" {
        body["changes"] = changes(request);
    }
    append(&mut body, json!({ "repository": repository(context), "sender": pusher(context) }));
    Some(compact("pull_request", &body))
}

/// What its texts were before, of those that changed.
pub(in crate::format) fn changes(request: &MergeRequest) -> Value {
    let mut changes = json!({});
    let now = &request.review;
    let Some(before) = &request.before else { return changes };
    let texts = [("title", &before.title, &now.title), ("body", &before.description, &now.description)];
    for (key, from, _) in texts.into_iter().filter(|(_, from, to)| from != to) {
        changes[key] = json!({ "from": from });
    }
    changes
}

pub(in crate::format) fn state(review: &Review) -> &'static str {
    if review.state == ReviewState::Opened { "open" } else { "closed" }
}

/// When it was merged: the push that did that is told here.
fn merged_at(context: &Context, review: &Review) -> Option<String> {
    (review.state == ReviewState::Merged).then(|| context.time.rfc3339(Utc::Letter))
}

fn pull_request_body(context: &Context, review: &Review) -> Value {
    let is_merged = review.state == ReviewState::Merged;
    json!({
        "id": review.number,
        "number": review.number,
        "user": account(&review.author, context),
        "title": review.title,
        "body": review.description,
        "labels": [],
        "milestone": null,
        "assignee": review.reviewers.first().map(|reviewer| account(reviewer, context)),
        "state": state(review),
        "comments": review.commenters.len(),
        "head_branch": review.source,
        "head_repo": repository(context),
        "base_branch": review.target,
        "base_repo": repository(context),
        "html_url": page(context, review),
        "mergeable": review.state == ReviewState::Opened,
        "merged": is_merged,
        "merged_at": merged_at(context, review),
        "merge_commit_sha": is_merged.then(|| review.merge_commit.unwrap_or(review.head.id).to_string()),
        "merged_by": is_merged.then(|| pusher(context)),
    })
}

/// `None` for a comment on a commit by itself.
pub(super) fn note(context: &Context, note: &Note) -> Option<Payload> {
    let review = note.review.as_ref()?;
    let mut body = json!({
        "action": if note.replaces.is_some() { "edited" } else { "created" },
        "issue": issue(context, review),
        "comment": {
            "id": note.number,
            "html_url": behind(&page(context, review), &format!("#issuecomment-{}", note.number)),
            "user": account(&note.author, context),
            "body": note.text,
            "created_at": note.created.rfc3339(Utc::Letter),
            "updated_at": note.updated.rfc3339(Utc::Letter),
        },
    });
    if let Some(before) = &note.replaces {
        body["changes"] = json!({ "body": { "from": before } });
    }
    append(&mut body, json!({ "repository": repository(context), "sender": account(&note.author, context) }));
    Some(compact("issue_comment", &body))
}

fn issue(context: &Context, review: &Review) -> Value {
    json!({
        "id": review.number,
        "number": review.number,
        "user": account(&review.author, context),
        "title": review.title,
        "body": review.description,
        "labels": [],
        "milestone": null,
        "assignee": null,
        "state": state(review),
        "comments": review.commenters.len().max(1),
        "created_at": review.created.rfc3339(Utc::Letter),
        "updated_at": review.updated.rfc3339(Utc::Letter),
        "pull_request": {
            "merged": review.state == ReviewState::Merged,
            "merged_at": merged_at(context, review),
        },
    })
}
