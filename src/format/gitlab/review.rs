//! Merge request events and comment events.
//!
//! Source: as for pushes, "Merge request events" and "Comment events"; what is sent when, and the order of keys, as
//! `Gitlab::HookData::MergeRequestBuilder` and `Gitlab::DataBuilder::Note` do. A key that Jenkins' gitlab-plugin dereferences is
//! never null: both projects, the last commit, ids.

use serde_json::{Map, Value, json};

use super::{commit_body, project};
use crate::event::{Context, MergeRequest, Note, Place, Repository, Review, ReviewAction};
use crate::format::{Limits, Payload, action_of_gitlab, append, compact, line_code, state_of_gitlab};
use crate::pusher::Pusher;

const PAGES: &str = "/-/merge_requests/";

fn user(user: &Pusher) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "username": user.login,
        "avatar_url": null,
        "email": if user.email.is_empty() { "[REDACTED]" } else { &user.email },
    })
}

/// The repository as GitLab's older events have it.
fn repository_of(repository: &Repository) -> Value {
    json!({
        "name": repository.name,
        "url": repository.ssh_url,
        "description": repository.description,
        "homepage": repository.homepage,
    })
}

/// One side of a merge request.
fn side(repository: &Repository) -> Value {
    serde_json::to_value(project(repository)).unwrap_or_default()
}

fn last_commit(repository: &Repository, review: &Review) -> Value {
    let commit = commit_body(&review.head, repository, &Limits { files: false, ..Limits::FULL });
    json!({
        "id": commit.id,
        "message": commit.message,
        "title": commit.title,
        "timestamp": commit.timestamp,
        "url": repository.commit_page(review.head.id, "/-/commit/"),
        "author": commit.author,
    })
}

pub(super) fn merge_request(context: &Context, request: &MergeRequest) -> Option<Payload> {
    let action = action_of_gitlab(request.action)?;
    let (repository, review) = (&context.repository, &request.review);
    let mut attributes = attributes(repository, review);
    append(&mut attributes, json!({ "action": action }));
    if request.action == ReviewAction::Update
        && let Some(old) = request.old_head()
    {
        attributes["oldrev"] = old.to_string().into();
    }
    let mut body = json!({
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": user(&context.pusher),
        "project": project(repository),
        "repository": repository_of(repository),
        "object_attributes": attributes,
        "labels": [],
        "changes": changes(request),
    });
    let reviewers: Vec<_> = review.reviewers.iter().map(user).collect();
    if let Some(first) = reviewers.first() {
        body["assignees"] = json!([first]);
        body["reviewers"] = reviewers.into();
    }
    Some(compact("Merge Request Hook", &body))
}

/// What is another than before, by GitLab's names.
fn changes(request: &MergeRequest) -> Value {
    let mut changes = Map::new();
    let Some(before) = request.before.as_ref().filter(|_| request.action != ReviewAction::Open) else {
        return changes.into();
    };
    let now = &request.review;
    let draft = (json!(before.is_draft()), json!(now.is_draft()));
    let texts = [
        ("title", (json!(before.title), json!(now.title))),
        ("description", (json!(before.description), json!(now.description))),
        ("source_branch", (json!(before.source), json!(now.source))),
        ("target_branch", (json!(before.target), json!(now.target))),
        ("state_id", (json!(state_of_gitlab(before.state).1), json!(state_of_gitlab(now.state).1))),
        ("draft", draft),
        ("updated_at", (json!(before.updated.ruby()), json!(now.updated.ruby()))),
    ];
    let people = |review: &Review| json!(review.reviewers.iter().map(user).collect::<Vec<_>>());
    let all = texts.into_iter().chain([("reviewers", (people(before), people(now)))]);
    for (name, (previous, current)) in all.filter(|(_, (previous, current))| previous != current) {
        changes.insert(name.into(), json!({ "previous": previous, "current": current }));
    }
    changes.into()
}

fn attributes(repository: &Repository, review: &Review) -> Value {
    let ids: Vec<_> = review.reviewers.iter().map(|reviewer| reviewer.id).collect();
    let (state, state_id) = state_of_gitlab(review.state);
    let mut body = json!({
        "assignee_id": ids.first(),
        "author_id": review.author.id,
        "created_at": review.created.ruby(),
        "description": review.description,
        "draft": review.is_draft(),
        "head_pipeline_id": null,
        "id": review.number,
        "iid": review.number,
        "last_edited_at": null,
        "last_edited_by_id": null,
        "merge_commit_sha": review.merge_commit.map(|id| id.to_string()),
        "merge_error": null,
        "merge_params": {},
        "merge_status": "unchecked",
        "merge_user_id": null,
        "merge_when_pipeline_succeeds": false,
        "milestone_id": null,
        "source_branch": review.source,
        "source_project_id": repository.id,
        "state_id": state_id,
        "target_branch": review.target,
        "target_project_id": repository.id,
        "time_estimate": 0,
        "title": review.title,
        "updated_at": review.updated.ruby(),
        "updated_by_id": null,
        "prepared_at": review.created.ruby(),
    });
    append(
        &mut body,
        json!({
            "assignee_ids": ids.first().into_iter().collect::<Vec<_>>(),
            "blocking_discussions_resolved": review.resolved != Some(false),
            "detailed_merge_status": "unchecked",
            "first_contribution": false,
            "human_time_change": null,
            "human_time_estimate": null,
            "human_total_time_spent": null,
            "labels": [],
            "last_commit": last_commit(repository, review),
            "reviewer_ids": ids,
            "source": side(repository),
            "state": state,
            "system": false,
            "target": side(repository),
            "time_change": 0,
            "total_time_spent": 0,
            "url": repository.review_page(review.number, PAGES),
            "work_in_progress": review.is_draft(),
        }),
    );
    body
}

pub(super) fn note(context: &Context, note: &Note) -> Payload {
    let repository = &context.repository;
    let review = note.review.as_ref();
    let page = match review {
        Some(review) => repository.review_page(review.number, PAGES),
        None => repository.commit_page(note.commit.id, "/-/commit/"),
    };
    let place = note.place.as_ref();
    let position = place.map(|place| position(place, review));
    let diff = place.filter(|_| review.is_none()).and_then(|place| place.diff.as_ref().map(|diff| (place, diff)));
    let mut body = json!({
        "object_kind": "note",
        "event_type": "note",
        "user": user(&note.author),
        "project_id": repository.id,
        "project": project(repository),
        "repository": repository_of(repository),
        "object_attributes": {
            "attachment": null,
            "author_id": note.author.id,
            "change_position": null,
            "commit_id": if review.is_some() { Value::Null } else { note.commit.id.to_string().into() },
            "created_at": note.created.ruby(),
            "discussion_id": note.discussion,
            "id": note.number,
            "internal": false,
            "line_code": place.and_then(line_code),
            "note": note.text,
            "noteable_id": review.map(|review| review.number),
            "noteable_type": if review.is_some() { "MergeRequest" } else { "Commit" },
            "original_position": position,
            "position": position,
            "project_id": repository.id,
            "resolved_at": null,
            "resolved_by_id": null,
            "resolved_by_push": null,
            "st_diff": diff.map(|(place, diff)| json!({
                "diff": diff.text,
                "new_path": place.path,
                "old_path": place.path,
                "a_mode": format!("{:o}", diff.old_mode),
                "b_mode": format!("{:o}", diff.new_mode),
                "new_file": diff.old_mode == 0,
                "renamed_file": false,
                "deleted_file": diff.new_mode == 0,
            })),
            "system": false,
            "type": place.map(|_| "DiffNote"),
            "updated_at": note.updated.ruby(),
            "updated_by_id": null,
            "description": note.text,
            "url": format!("{page}#note_{}", note.number),
            "action": if note.replaces.is_some() { "update" } else { "create" },
        },
    });
    match review {
        Some(review) => body["merge_request"] = attributes(repository, review),
        None => {
            let commit = commit_body(&note.commit, repository, &Limits { files: false, ..Limits::FULL });
            body["commit"] = json!({
                "id": commit.id,
                "message": commit.message,
                "title": commit.title,
                "timestamp": commit.timestamp,
                "url": repository.commit_page(note.commit.id, "/-/commit/"),
                "author": commit.author,
            });
        }
    }
    compact("Note Hook", &body)
}

fn position(place: &Place, review: Option<&Review>) -> Value {
    let base = review.and_then(|review| review.base).or(place.base).map(|id| id.to_string());
    let line = place.in_diff.as_ref();
    json!({
        "base_sha": base,
        "start_sha": base,
        "head_sha": place.head.to_string(),
        "old_path": place.path,
        "new_path": place.path,
        "position_type": "text",
        "old_line": line.filter(|line| line.is_context).map(|line| line.old),
        "new_line": place.line,
        "line_range": null,
    })
}
