//! Where it happened and who did it: the repository, its owner, accounts.

use serde_json::{Value, json};

use crate::event::{Context, Repository, Time, Utc, Visibility};
use crate::format::append;
use crate::identifier;

/// With what every event but a push ends.
pub(super) fn place_and_sender(context: &Context, sender: Value) -> Value {
    json!({
        "repository": repository(context, false),
        "organization": organization(&context.repository),
        "sender": sender,
    })
}

pub(super) fn sender(context: &Context) -> Value {
    user(&context.pusher.login, context.pusher.id, "User", &context.repository)
}

pub(super) fn description(repository: &Repository) -> Option<&str> {
    (!repository.description.is_empty()).then_some(&repository.description)
}

/// The repository. In a push two of its times are numbers, and it tells a little more of its owner.
pub(super) fn repository(context: &Context, in_push: bool) -> Value {
    let repository = &context.repository;
    let page = repository.page();
    let at = |below: &str| format!("{page}{below}");
    let time = |time: Time| if in_push { json!(time.seconds) } else { json!(time.rfc3339(Utc::Letter)) };
    let default_branch = repository.default_branch.as_deref().unwrap_or_default();
    let mut owner = json!({});
    if in_push {
        owner = json!({ "name": repository.owner, "email": null });
    }
    append(&mut owner, account_of_owner(repository));
    let mut body = json!({
        "id": repository.id,
        "node_id": format!("R_{}", repository.id),
        "name": repository.name,
        "full_name": repository.full_name(),
        "private": repository.visibility != Visibility::Public,
        "owner": owner,
        "html_url": page,
        "description": description(repository),
        "fork": false,
        "url": page,
    });
    for (key, below) in PAGES {
        body[*key] = at(below).into();
    }
    append(
        &mut body,
        json!({
            // When it was made nobody knows.
            "created_at": time(Time::default()),
            "updated_at": context.time.rfc3339(Utc::Letter),
            "pushed_at": time(context.time),
            "git_url": repository.http_url,
            "ssh_url": repository.ssh_url,
            "clone_url": repository.http_url,
            "svn_url": page,
            "homepage": null,
            "size": 0,
            "stargazers_count": 0,
            "watchers_count": 0,
            "language": null,
            "has_issues": false,
            "has_projects": false,
            "has_downloads": false,
            "has_wiki": false,
            "has_pages": false,
            "has_discussions": false,
            "forks_count": 0,
            "mirror_url": null,
            "archived": false,
            "disabled": false,
            "open_issues_count": 0,
            "license": null,
            "allow_forking": true,
            "is_template": false,
            "web_commit_signoff_required": false,
            "has_pull_requests": false,
            "pull_request_creation_policy": "all",
            "topics": [],
            "visibility": visibility(repository.visibility),
            "forks": 0,
            "open_issues": 0,
            "watchers": 0,
            "default_branch": default_branch,
        }),
    );
    if in_push {
        append(&mut body, json!({ "stargazers": 0, "master_branch": default_branch }));
    }
    body["custom_properties"] = json!({});
    body
}

fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Private => "private",
        Visibility::Internal => "internal",
        Visibility::Public => "public",
    }
}

/// What lies below a repository's address at GitHub, in the order of its keys.
const PAGES: &[(&str, &str)] = &[
    ("forks_url", "/forks"),
    ("keys_url", "/keys{/key_id}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("teams_url", "/teams"),
    ("hooks_url", "/hooks"),
    ("issue_events_url", "/issues/events{/number}"),
    ("events_url", "/events"),
    ("assignees_url", "/assignees{/user}"),
    ("branches_url", "/branches{/branch}"),
    ("tags_url", "/tags"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("trees_url", "/git/trees{/sha}"),
    ("statuses_url", "/statuses/{sha}"),
    ("languages_url", "/languages"),
    ("stargazers_url", "/stargazers"),
    ("contributors_url", "/contributors"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("commits_url", "/commits{/sha}"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("comments_url", "/comments{/number}"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("contents_url", "/contents/{+path}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("merges_url", "/merges"),
    ("archive_url", "/{archive_format}{/ref}"),
    ("downloads_url", "/downloads"),
    ("issues_url", "/issues{/number}"),
    ("pulls_url", "/pulls{/number}"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("labels_url", "/labels{/name}"),
    ("releases_url", "/releases{/id}"),
    ("deployments_url", "/deployments"),
];

/// The same below a user's.
const USER_PAGES: &[(&str, &str)] = &[
    ("url", ""),
    ("html_url", ""),
    ("followers_url", "/followers"),
    ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"),
    ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"),
    ("organizations_url", "/orgs"),
    ("repos_url", "/repos"),
    ("events_url", "/events{/privacy}"),
    ("received_events_url", "/received_events"),
];

pub(super) fn user(login: &str, id: u32, kind: &str, repository: &Repository) -> Value {
    let page = repository.account_page(login);
    let mut body = json!({
        "login": login,
        "id": id,
        "node_id": format!("U_{id}"),
        "avatar_url": format!("{page}.png"),
        "gravatar_id": "",
    });
    for (key, below) in USER_PAGES {
        body[*key] = format!("{page}{below}").into();
    }
    append(&mut body, json!({ "type": kind, "user_view_type": "public", "site_admin": false }));
    body
}

/// Whom the repository belongs to, told once as its owner and once by itself.
pub(super) fn account_of_owner(repository: &Repository) -> Value {
    user(&repository.owner, identifier::number("user", &repository.owner), "Organization", repository)
}

pub(super) fn organization(repository: &Repository) -> Value {
    let page = repository.account_page(&repository.owner);
    let id = identifier::number("user", &repository.owner);
    json!({
        "login": repository.owner,
        "id": id,
        "node_id": format!("U_{id}"),
        "url": page,
        "repos_url": format!("{page}/repos"),
        "events_url": format!("{page}/events"),
        "hooks_url": format!("{page}/hooks"),
        "issues_url": format!("{page}/issues"),
        "members_url": format!("{page}/members{{/member}}"),
        "public_members_url": format!("{page}/public_members{{/member}}"),
        "avatar_url": format!("{page}.png"),
        "description": null,
    })
}
