//! A repository as its webhooks present it, and the addresses of what is in it.

use crate::ref_update::{ObjectFormat, ObjectId};
use crate::urls::encode;

/// A repository as its webhooks present it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The last part of the path.
    pub name: String,
    /// The path below the server's root, such as `group/project`; it may have no namespace.
    pub path: String,
    /// Whom it belongs to, one word: what is configured, else what stands before the name, else the name.
    pub owner: String,
    /// What people read; empty where there is none.
    pub description: String,
    /// The web page; empty where none is configured.
    pub homepage: String,
    /// The clone address for http; empty where none is known.
    pub http_url: String,
    /// The clone address for ssh; empty where none is known.
    pub ssh_url: String,
    /// Template of a commit's page with `{id}`; empty: the format's own, below the home page.
    pub commit_url: String,
    /// Template of a review's page with `{number}`; empty: the format's own, below the home page.
    pub review_url: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// A positive number below 2³¹.
    pub id: u32,
    /// The hash function that names its objects.
    pub object_format: ObjectFormat,
    /// The branch that a clone checks out, `main` say; `None` where it would have a detached HEAD.
    pub default_branch: Option<String>,
    /// The server's base address, such as `https://git.example.org`: that of the home page, else of this host.
    pub instance: String,
}

/// Who may see a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Members only.
    Private,
    /// Everybody who has logged in.
    Internal,
    /// Everybody.
    Public,
}

impl Repository {
    /// Owner and name, for forms that have one owner: `a-b/c` of `a/b/c`. Receivers take it apart at its one slash.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The part of the path before the name, `a/b` of `a/b/c`, for forms whose groups have groups; the owner where there
    /// is none.
    pub fn group(&self) -> &str {
        self.path.rsplit_once('/').map_or(&self.owner, |(group, _)| group)
    }

    /// Path with groups, for the same forms.
    pub fn path_with_group(&self) -> String {
        format!("{}/{}", self.group(), self.name)
    }

    /// The web page without a slash at its end, for forms that want a URL: the home page, else `http://<host>/<path>`,
    /// where perhaps nobody answers.
    pub fn page(&self) -> String {
        if self.homepage.is_empty() {
            return format!("{}/{}", self.instance, encode(&self.path));
        }
        self.homepage.trim_end_matches('/').to_owned()
    }

    /// The address of a commit's page: `webhook.commitUrl`, else the forge's own `below` the home page (`/commit/`,
    /// say), else empty.
    pub fn commit_page(&self, id: ObjectId, below: &str) -> String {
        if self.commit_url.is_empty() && self.homepage.is_empty() {
            return String::new();
        }
        self.commit_address(id, below)
    }

    /// The same for forms that want a URL, below [`Repository::page`].
    pub fn commit_address(&self, id: ObjectId, below: &str) -> String {
        if !self.commit_url.is_empty() {
            return self.commit_url.replace("{id}", &id.to_string());
        }
        format!("{}{below}{id}", self.page())
    }

    /// The address of a review's page: `webhook.reviewUrl`, else the forge's own `below` [`Repository::page`] (`/pull/`, say).
    pub fn review_address(&self, number: u32, below: &str) -> String {
        if !self.review_url.is_empty() {
            return self.review_url.replace("{number}", &number.to_string());
        }
        format!("{}{below}{number}", self.page())
    }

    /// The clone address for http, for forms that want a URL.
    pub fn clone_address(&self) -> String {
        if self.http_url.is_empty() { format!("{}.git", self.page()) } else { self.http_url.clone() }
    }

    /// The clone address for ssh, else that for http: it clones as well.
    pub fn ssh_address(&self) -> String {
        if self.ssh_url.is_empty() { self.clone_address() } else { self.ssh_url.clone() }
    }
}
