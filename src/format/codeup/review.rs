//! Merge Request Hook and Note Hook, key for key in the order of Codeup's documentation.
//!
//! Source: as for pushes, "Code review events" and "Comment events". Of its examples a second `url` in `last_commit`, and a blank
//! within a time, are slips.

use serde::Serialize;
use serde_json::Value;

use super::{CommitBody, commit_body};
use crate::event::{Context, FileDiff, MergeRequest, Note, Repository, Review, Utc};
use crate::format::{Payload, action_of_gitlab, compact, state_of_gitlab, visibility_level};
use crate::pusher::Pusher;

const PAGES: &str = "/merge_requests/";

#[derive(Serialize)]
struct UserBody<'a> {
    name: &'a str,
    username: &'a str,
    avatar_url: &'static str,
}

impl<'a> From<&'a Pusher> for UserBody<'a> {
    fn from(user: &'a Pusher) -> Self {
        Self { name: &user.name, username: &user.login, avatar_url: "" }
    }
}

#[derive(Serialize)]
struct MergeRequestBody<'a> {
    object_kind: &'static str,
    user: UserBody<'a>,
    object_attributes: MergeRequestAttributes<'a>,
}

#[derive(Serialize)]
struct MergeRequestAttributes<'a> {
    id: u32,
    target_branch: &'a str,
    source_branch: &'a str,
    source_project_id: u32,
    author_id: u32,
    assignee_id: Option<u32>,
    title: &'a str,
    created_at: String,
    updated_at: String,
    /// Always null, as are the next two.
    st_commits: (),
    st_diffs: (),
    milestone_id: (),
    state: &'static str,
    merge_status: &'static str,
    target_project_id: u32,
    iid: u32,
    description: &'a str,
    source: ProjectBody<'a>,
    target: ProjectBody<'a>,
    last_commit: CommitBody<'a>,
    work_in_progress: bool,
    url: String,
    action: &'static str,
}

/// The repository, on both sides of a merge request: there are no forks here.
#[derive(Serialize)]
struct ProjectBody<'a> {
    name: &'a str,
    ssh_url: &'a str,
    http_url: &'a str,
    web_url: &'a str,
    namespace: &'a str,
    visibility_level: u8,
}

impl<'a> From<&'a Repository> for ProjectBody<'a> {
    fn from(repository: &'a Repository) -> Self {
        Self {
            name: &repository.name,
            ssh_url: &repository.ssh_url,
            http_url: &repository.http_url,
            web_url: repository.page(),
            namespace: repository.group(),
            visibility_level: visibility_level(repository.visibility),
        }
    }
}

pub(super) fn merge_request(context: &Context, request: &MergeRequest) -> Option<Payload> {
    let (repository, review) = (&context.repository, &request.review);
    let body = MergeRequestBody {
        object_kind: "merge_request",
        user: (&context.pusher).into(),
        object_attributes: MergeRequestAttributes {
            id: review.number,
            target_branch: &review.target,
            source_branch: &review.source,
            source_project_id: repository.id,
            author_id: review.author.id,
            assignee_id: review.reviewers.first().map(|reviewer| reviewer.id),
            title: &review.title,
            created_at: review.created.rfc3339(Utc::Letter),
            updated_at: review.updated.rfc3339(Utc::Letter),
            st_commits: (),
            st_diffs: (),
            milestone_id: (),
            state: state_of_gitlab(review.state).0,
            merge_status: MERGE_STATUS,
            target_project_id: repository.id,
            iid: review.number,
            description: &review.description,
            source: repository.into(),
            target: repository.into(),
            last_commit: commit_body(&review.head, repository),
            work_in_progress: review.is_draft(),
            url: repository.review_page(review.number, PAGES),
            action: action_of_gitlab(request.action)?,
        },
    };
    Some(compact("Merge Request Hook", &body))
}

/// Whether it could be merged nobody has tried.
const MERGE_STATUS: &str = "unchecked";

#[derive(Serialize)]
struct NoteBody<'a> {
    object_kind: &'static str,
    user: UserBody<'a>,
    project_id: u32,
    repository: RepositoryOfNote<'a>,
    object_attributes: NoteAttributes<'a>,
    /// Of a comment on a commit alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitBody<'a>>,
    /// Of a comment on a review alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_request: Option<ReviewOfNote<'a>>,
}

#[derive(Serialize)]
struct RepositoryOfNote<'a> {
    name: &'a str,
    url: &'a str,
    description: &'a str,
    homepage: &'a str,
}

#[derive(Serialize)]
struct NoteAttributes<'a> {
    id: u64,
    note: &'a str,
    noteable_type: &'static str,
    author_id: u32,
    created_at: String,
    updated_at: String,
    project_id: u32,
    attachment: (),
    line_code: Option<String>,
    commit_id: String,
    noteable_id: Option<u32>,
    system: bool,
    st_diff: Option<Value>,
    url: String,
}

/// A review beside its comment: in another order than by itself, with other times, and less of it.
#[derive(Serialize)]
struct ReviewOfNote<'a> {
    id: u32,
    target_branch: &'a str,
    source_branch: &'a str,
    source_project_id: u32,
    author_id: u32,
    assignee_id: Option<u32>,
    title: &'a str,
    created_at: String,
    updated_at: String,
    milestone_id: (),
    state: &'static str,
    merge_status: &'static str,
    target_project_id: u32,
    iid: u32,
    description: &'a str,
    position: u8,
    locked_at: (),
    source: ProjectBody<'a>,
    target: ProjectBody<'a>,
    last_commit: CommitBody<'a>,
    work_in_progress: bool,
}

pub(super) fn note(context: &Context, note: &Note) -> Payload {
    let repository = &context.repository;
    let review = note.review.as_ref();
    let page = match review {
        Some(review) => repository.review_page(review.number, PAGES),
        None => repository.commit_page(note.commit.id, "/commits/"),
    };
    let place = note.place.as_ref();
    let body = NoteBody {
        object_kind: "note",
        user: (&note.author).into(),
        project_id: repository.id,
        repository: RepositoryOfNote {
            name: &repository.name,
            url: if repository.http_url.is_empty() { &repository.ssh_url } else { &repository.http_url },
            description: &repository.description,
            homepage: &repository.homepage,
        },
        object_attributes: NoteAttributes {
            id: note.number,
            note: &note.text,
            noteable_type: if review.is_some() { "MergeRequest" } else { "Commit" },
            author_id: note.author.id,
            created_at: note.created.ruby(),
            updated_at: note.updated.ruby(),
            project_id: repository.id,
            attachment: (),
            line_code: place.and_then(crate::format::line_code),
            commit_id: if review.is_some() { String::new() } else { note.commit.id.to_string() },
            noteable_id: review.map(|review| review.number),
            system: false,
            st_diff: place
                .filter(|_| review.is_none())
                .and_then(|place| Some(st_diff(&place.path, place.diff.as_ref()?))),
            url: format!("{page}#note_{}", note.number),
        },
        commit: review.is_none().then(|| commit_body(&note.commit, repository)),
        merge_request: review.map(|review| review_of_note(repository, review)),
    };
    compact("Note Hook", &body)
}

fn st_diff(path: &str, diff: &FileDiff) -> Value {
    serde_json::json!({
        "diff": diff.text,
        "new_path": path,
        "old_path": path,
        "a_mode": format!("{:o}", diff.old_mode),
        "b_mode": format!("{:o}", diff.new_mode),
        "new_file": diff.old_mode == 0,
        "renamed_file": false,
        "deleted_file": diff.new_mode == 0,
    })
}

fn review_of_note<'a>(repository: &'a Repository, review: &'a Review) -> ReviewOfNote<'a> {
    ReviewOfNote {
        id: review.number,
        target_branch: &review.target,
        source_branch: &review.source,
        source_project_id: repository.id,
        author_id: review.author.id,
        assignee_id: review.reviewers.first().map(|reviewer| reviewer.id),
        title: &review.title,
        created_at: review.created.ruby(),
        updated_at: review.updated.ruby(),
        milestone_id: (),
        state: state_of_gitlab(review.state).0,
        merge_status: MERGE_STATUS,
        target_project_id: repository.id,
        iid: review.number,
        description: &review.description,
        position: 0,
        locked_at: (),
        source: repository.into(),
        target: repository.into(),
        last_commit: commit_body(&review.head, repository),
        work_in_progress: review.is_draft(),
    }
}
