//! A repository as its webhooks present it, and the addresses of what is in it.

use super::Push;
use crate::ref_update::{ObjectFormat, ObjectId};
use crate::urls::{encode, encode_value};

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
    /// Templates of further pages, for servers that have them elsewhere than forges do.
    pub links: Links,
    /// Who may see it.
    pub visibility: Visibility,
    /// A positive number below 2³¹.
    pub id: u32,
    /// The hash function that names its objects.
    pub object_format: ObjectFormat,
    /// The branch that a clone checks out, `main` say; `None` where it would have a detached HEAD.
    pub default_branch: Option<String>,
    /// The server's base address, such as `https://git.example.org`: that of the home page; empty where none is known.
    pub instance: String,
    /// The name of this host.
    pub host: String,
}

/// Templates of pages; what is empty is the format's own, below the home page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// What lies between two commits, with `{old}` and `{new}`.
    pub compare: String,
    /// A branch, with `{branch}`.
    pub branch: String,
    /// A tag, with `{tag}`.
    pub tag: String,
    /// The files of a commit, with `{id}`.
    pub tree: String,
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

    /// The web page without a slash at its end; empty where none is known.
    pub fn page(&self) -> &str {
        self.homepage.trim_end_matches('/')
    }

    /// What lies `below` the web page; empty where none is known.
    pub fn below(&self, below: &str) -> String {
        if self.homepage.is_empty() { String::new() } else { format!("{}{below}", self.page()) }
    }

    /// The page of an account of the server's; empty where none is known.
    pub fn account_page(&self, login: &str) -> String {
        if self.instance.is_empty() { String::new() } else { format!("{}/{}", self.instance, encode(login)) }
    }

    /// The address of a commit's page: `webhook.commitUrl`, else the forge's own `below` the home page (`/commit/`,
    /// say), else empty.
    pub fn commit_page(&self, id: ObjectId, below: &str) -> String {
        if !self.commit_url.is_empty() {
            return self.commit_url.replace("{id}", &id.to_string());
        }
        self.below(&format!("{below}{id}"))
    }

    /// The address of a review's page: `webhook.reviewUrl`, else the forge's own `below` the home page (`/pull/`, say), else
    /// empty.
    pub fn review_page(&self, number: u32, below: &str) -> String {
        if !self.review_url.is_empty() {
            return self.review_url.replace("{number}", &number.to_string());
        }
        self.below(&format!("{below}{number}"))
    }

    /// The address of what lies between two commits, where `webhook.compareUrl` or the viewer has a page for it; of a branch or
    /// tag that is new or gone, that of what is left to see.
    pub fn compare_link(&self, push: &Push) -> Option<String> {
        if self.links.compare.is_empty() {
            return None;
        }
        Some(match (push.update.old, push.update.new) {
            (Some(old), Some(new)) => {
                self.links.compare.replace("{old}", &old.to_string()).replace("{new}", &new.to_string())
            }
            (None, Some(new)) => self.ref_link(push).unwrap_or_else(|| self.commit_page(new, "/commit/")),
            (Some(old), None) => self.commit_page(old, "/commit/"),
            (None, None) => self.page().to_owned(),
        })
    }

    /// The address of a branch or tag, where `webhook.branchUrl`, `tagUrl` or the viewer has a page for it.
    pub fn ref_link(&self, push: &Push) -> Option<String> {
        let (template, place) =
            if push.is_tag() { (&self.links.tag, "{tag}") } else { (&self.links.branch, "{branch}") };
        if template.is_empty() {
            return None;
        }
        // Of one that is gone there is nothing but what it pointed to.
        Some(match push.update.old.filter(|_| push.update.new.is_none()) {
            Some(old) => self.commit_page(old, "/commit/"),
            None => template.replace(place, &encode_value(&push.short_name())),
        })
    }

    /// The address of a commit's files, where `webhook.treeUrl` or the viewer has a page for it.
    pub fn tree_link(&self, id: ObjectId) -> Option<String> {
        (!self.links.tree.is_empty()).then(|| self.links.tree.replace("{id}", &id.to_string()))
    }

    /// The same with an address in place of each that is not known, for a form whose readers take nothing else: below
    /// `http://<host>`, where perhaps nobody answers. For ssh there is none to make up.
    pub fn with_assumed_addresses(&self) -> Self {
        let mut assumed = self.clone();
        if assumed.homepage.is_empty() {
            assumed.instance = format!("http://{}", self.host);
            assumed.homepage = format!("{}/{}", assumed.instance, encode(&self.path));
        }
        if assumed.http_url.is_empty() {
            assumed.http_url = format!("{}.git", assumed.page());
        }
        assumed
    }
}
