//! pull_request, pull_request_review, and comments: issue_comment, pull_request_review_comment, commit_comment.
//!
//! Source: as for pushes; keys, constants and what may be null from the schemas of <https://github.com/octokit/webhooks>.

use serde_json::{Value, json};

use super::place::{account_of_owner, place_and_sender, repository, sender, user};
use crate::event::{Context, LineInDiff, MergeRequest, Note, Place, Review, ReviewAction, ReviewState, Utc};
use crate::format::{Payload, append, compact};
use crate::identifier;
use crate::pusher::Pusher;

const PAGES: &str = "/pull/";

/// Nobody knows who belongs to a project.
const ASSOCIATION: &str = "NONE";

fn account(user_: &Pusher, context: &Context) -> Value {
    user(&user_.login, user_.id, "User", &context.repository)
}

/// The address of something below the pull request's own.
fn page(context: &Context, review: &Review, below: &str) -> String {
    context.repository.review_page(review.number, PAGES) + below
}

pub(super) fn pull_request(context: &Context, request: &MergeRequest) -> Payload {
    let review = &request.review;
    let verdict = match request.action {
        ReviewAction::Approve => Some(("submitted", "approved")),
        ReviewAction::RequestChanges => Some(("submitted", "changes_requested")),
        ReviewAction::Unapprove | ReviewAction::WithdrawChanges => Some(("dismissed", "dismissed")),
        _ => None,
    };
    if let Some((action, state)) = verdict {
        return pull_request_review(context, request, action, state);
    }
    let old_head = request.old_head();
    let action = match request.action {
        ReviewAction::Open => "opened",
        ReviewAction::Reopen => "reopened",
        ReviewAction::Merge | ReviewAction::Close => "closed",
        _ if old_head.is_some() => "synchronize",
        _ => "edited",
    };
    let mut body = json!({ "action": action, "number": review.number });
    match action {
        "synchronize" => {
            body["before"] = old_head.map(|id| id.to_string()).into();
            body["after"] = review.head.id.to_string().into();
        }
        "edited" => body["changes"] = changes(request),
        _ => {}
    }
    body["pull_request"] = whole(context, request);
    append(&mut body, place_and_sender(context, sender(context)));
    compact("pull_request", &body)
}

/// What was another before.
fn changes(request: &MergeRequest) -> Value {
    let mut changes = json!({});
    let now = &request.review;
    let Some(before) = &request.before else { return changes };
    if before.title != now.title {
        changes["title"] = json!({ "from": before.title });
    }
    if before.description != now.description {
        changes["body"] = json!({ "from": before.description });
    }
    if before.target != now.target {
        let sha = before.base.map(|id| id.to_string()).unwrap_or_default();
        changes["base"] = json!({ "ref": { "from": before.target }, "sha": { "from": sha } });
    }
    changes
}

/// A pull request as it stands beside something else.
fn simple(context: &Context, review: &Review) -> Value {
    let repository_ = &context.repository;
    let at = |below: &str| page(context, review, below);
    let is_merged = review.state == ReviewState::Merged;
    let is_open = review.state == ReviewState::Opened;
    let ended = (!is_open).then(|| context.time.rfc3339(Utc::Letter));
    let side = |name: &str, id: String| {
        json!({
            "label": format!("{}:{name}", repository_.owner),
            "ref": name,
            "sha": id,
            "user": account_of_owner(repository_),
            "repo": repository(context, false),
        })
    };
    let zero = repository_.object_format.zero_id();
    let mut body = json!({
        "url": at(""),
        "id": review.number,
        "node_id": format!("PR_{}", review.number),
        "html_url": at(""),
        "diff_url": at(".diff"),
        "patch_url": at(".patch"),
        "issue_url": at(""),
        "number": review.number,
        "state": if is_open { "open" } else { "closed" },
        "locked": false,
        "title": review.title,
        "user": account(&review.author, context),
        "body": (!review.description.is_empty()).then_some(&review.description),
        "created_at": review.created.rfc3339(Utc::Letter),
        "updated_at": review.updated.rfc3339(Utc::Letter),
        "closed_at": ended,
        "merged_at": ended.as_ref().filter(|_| is_merged),
        "merge_commit_sha": is_merged.then(|| review.merge_commit.unwrap_or(review.head.id).to_string()),
        "assignee": null,
        "assignees": [],
        "requested_reviewers": review.reviewers.iter().map(|reviewer| account(reviewer, context)).collect::<Vec<_>>(),
        "requested_teams": [],
        "labels": [],
        "milestone": null,
        "draft": review.is_draft(),
    });
    let pages = [
        ("commits", "commits_url", at("/commits")),
        ("review_comments", "review_comments_url", at("/comments")),
        ("review_comment", "review_comment_url", at("/comments{/number}")),
        ("comments", "comments_url", at("/comments")),
        ("statuses", "statuses_url", format!("{}/statuses/{}", repository_.page(), review.head.id)),
    ];
    for (_, key, address) in &pages {
        body[*key] = address.as_str().into();
    }
    body["head"] = side(&review.source, review.head.id.to_string());
    body["base"] = side(&review.target, review.base.map_or(zero, |id| id.to_string()));
    let mut links = json!({});
    for key in ["self", "html", "issue"] {
        links[key] = json!({ "href": at("") });
    }
    for (key, _, address) in &pages {
        links[*key] = json!({ "href": address });
    }
    body["_links"] = links;
    append(&mut body, json!({ "author_association": ASSOCIATION, "auto_merge": null, "active_lock_reason": null }));
    body
}

/// A pull request as its own event has it.
fn whole(context: &Context, request: &MergeRequest) -> Value {
    let review = &request.review;
    let size = request.size.unwrap_or_default();
    let is_merged = review.state == ReviewState::Merged;
    let mut body = simple(context, review);
    append(
        &mut body,
        json!({
            "merged": is_merged,
            "mergeable": null,
            "rebaseable": null,
            "mergeable_state": "unknown",
            "merged_by": is_merged.then(|| sender(context)),
            "comments": review.commenters.len(),
            "review_comments": 0,
            "maintainer_can_modify": false,
            "commits": review.commits,
            "additions": size.added,
            "deletions": size.removed,
            "changed_files": size.files,
        }),
    );
    body
}

fn pull_request_review(context: &Context, request: &MergeRequest, action: &str, state: &str) -> Payload {
    let review = &request.review;
    let id = identifier::number("review", &format!("{}\0{}\0{state}", review.number, review.head.id));
    let own = page(context, review, &format!("#pullrequestreview-{id}"));
    let mut body = json!({
        "action": action,
        "review": {
            "id": id,
            "node_id": format!("PRR_{id}"),
            "user": sender(context),
            "body": (!request.said.is_empty()).then_some(&request.said),
            "commit_id": review.head.id.to_string(),
            "submitted_at": context.time.rfc3339(Utc::Letter),
            "state": state,
            "html_url": own,
            "pull_request_url": page(context, review, ""),
            "author_association": ASSOCIATION,
            "_links": { "html": { "href": own }, "pull_request": { "href": page(context, review, "") } },
        },
        "pull_request": simple(context, review),
    });
    append(&mut body, place_and_sender(context, sender(context)));
    compact("pull_request_review", &body)
}

/// `None` of what GitHub tells nobody: that a comment on a commit was changed.
pub(super) fn note(context: &Context, note: &Note) -> Option<Payload> {
    let Some(review) = &note.review else {
        return note.replaces.is_none().then(|| commit_comment(context, note));
    };
    let in_diff = note.place.as_ref().and_then(|place| Some((place, place.in_diff.as_ref()?)));
    Some(match in_diff {
        Some((place, line)) => review_comment(context, note, review, place, line),
        None => issue_comment(context, note, review),
    })
}

/// What all comments have in common.
fn comment(context: &Context, note: &Note, page: String) -> Value {
    json!({
        "url": page,
        "html_url": page,
        "id": note.number,
        "node_id": format!("C_{}", note.number),
        "user": account(&note.author, context),
        "created_at": note.created.rfc3339(Utc::Letter),
        "updated_at": note.updated.rfc3339(Utc::Letter),
        "author_association": ASSOCIATION,
        "body": note.text,
    })
}

/// Whoever has said something has done what is told.
fn told(context: &Context, note: &Note, between: Value) -> Value {
    let mut body = json!({ "action": if note.replaces.is_some() { "edited" } else { "created" } });
    if let Some(before) = &note.replaces {
        body["changes"] = json!({ "body": { "from": before } });
    }
    append(&mut body, between);
    append(&mut body, place_and_sender(context, account(&note.author, context)));
    body
}

fn commit_comment(context: &Context, note: &Note) -> Payload {
    let page = context.repository.commit_page(note.commit.id, "/commit/");
    let mut comment = comment(context, note, format!("{page}#commitcomment-{}", note.number));
    let line = note.place.as_ref().and_then(|place| place.in_diff.as_ref());
    append(
        &mut comment,
        json!({
            "position": line.map(|line| line.position),
            "line": line.map(|line| line.new),
            "path": note.place.as_ref().map(|place| &place.path),
            "commit_id": note.commit.id.to_string(),
        }),
    );
    compact("commit_comment", &told(context, note, json!({ "comment": comment })))
}

fn reactions(page: &str) -> Value {
    let kinds = ["+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"];
    let mut body = json!({ "url": format!("{page}/reactions"), "total_count": 0 });
    for kind in kinds {
        body[kind] = 0.into();
    }
    body
}

fn issue_comment(context: &Context, note: &Note, review: &Review) -> Payload {
    let at = |below: &str| page(context, review, below);
    let own = at(&format!("#issuecomment-{}", note.number));
    let mut comment = comment(context, note, own);
    let more = json!({ "issue_url": at(""), "reactions": reactions(&at("")), "performed_via_github_app": null });
    append(&mut comment, more);
    let issue = json!({
        "url": at(""),
        "repository_url": context.repository.page(),
        "labels_url": at("/labels{/name}"),
        "comments_url": at("/comments"),
        "events_url": at("/events"),
        "html_url": at(""),
        "id": review.number,
        "node_id": format!("PR_{}", review.number),
        "number": review.number,
        "title": review.title,
        "user": account(&review.author, context),
        "labels": [],
        "state": if review.state == ReviewState::Opened { "open" } else { "closed" },
        "locked": false,
        "assignee": null,
        "assignees": [],
        "milestone": null,
        "comments": review.commenters.len().max(1),
        "created_at": review.created.rfc3339(Utc::Letter),
        "updated_at": review.updated.rfc3339(Utc::Letter),
        "closed_at": (review.state != ReviewState::Opened).then(|| context.time.rfc3339(Utc::Letter)),
        "author_association": ASSOCIATION,
        "active_lock_reason": null,
        "draft": review.is_draft(),
        "pull_request": {
            "url": at(""),
            "html_url": at(""),
            "diff_url": at(".diff"),
            "patch_url": at(".patch"),
            "merged_at": (review.state == ReviewState::Merged).then(|| context.time.rfc3339(Utc::Letter)),
        },
        "body": (!review.description.is_empty()).then_some(&review.description),
        "reactions": reactions(&at("")),
    });
    compact("issue_comment", &told(context, note, json!({ "issue": issue, "comment": comment })))
}

fn review_comment(context: &Context, note: &Note, review: &Review, place: &Place, line: &LineInDiff) -> Payload {
    let at = |below: &str| page(context, review, below);
    let own = at(&format!("#discussion_r{}", note.number));
    let mut comment = comment(context, note, own.clone());
    append(
        &mut comment,
        json!({
            "pull_request_review_id": identifier::number("review", &note.discussion),
            "diff_hunk": line.hunk,
            "path": place.path,
            "position": line.position,
            "original_position": line.position,
            "commit_id": place.head.to_string(),
            "original_commit_id": place.head.to_string(),
            "pull_request_url": at(""),
            "_links": { "self": { "href": own }, "html": { "href": own }, "pull_request": { "href": at("") } },
            "reactions": reactions(&at("")),
            "start_line": null,
            "original_start_line": null,
            "start_side": null,
            "line": line.new,
            "original_line": line.new,
            "side": "RIGHT",
            "subject_type": "line",
        }),
    );
    if let Some(answers) = note.answers {
        comment["in_reply_to_id"] = answers.into();
    }
    let between = json!({ "comment": comment, "pull_request": simple(context, review) });
    compact("pull_request_review_comment", &told(context, note, between))
}
