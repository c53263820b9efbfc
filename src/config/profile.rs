//! How a repository presents itself, as far as the configuration says: which one it is, and where it lies.

use super::entry::Scope;
use super::setting::SettingReader;
use super::value::{
    Viewer, branch_template, commit_template, compare_template, one_line, owner, positive_number, review_template,
    tag_template, template, text, viewer, visibility,
};
use crate::event::{Links, Visibility};
use crate::ref_update::Namespace;

/// How a repository presents itself to the targets of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `webhook.repository`, in which `{namespace}` may stand.
    pub repository: Option<String>,
    /// `webhook.owner`.
    pub owner: Option<String>,
    /// `webhook.homepage`, a template.
    pub homepage: String,
    /// `webhook.commitUrl`, a template.
    pub commit_url: String,
    /// `webhook.reviewUrl`, a template.
    pub review_url: String,
    /// `webhook.viewer`.
    pub viewer: Option<Viewer>,
    /// `webhook.compareUrl`, `branchUrl`, `tagUrl` and `treeUrl`, templates.
    pub links: Links,
    /// `webhook.gitHttpUrl`, a template.
    pub git_http_url: Option<String>,
    /// `webhook.gitSshUrl`, a template.
    pub git_ssh_url: Option<String>,
    /// `gitweb.url`: clone addresses of any kind.
    pub gitweb_urls: Vec<String>,
    /// `webhook.repositoryDescription`, else `gitweb.description`.
    pub description: Option<String>,
    /// `webhook.visibility`.
    pub visibility: Option<Visibility>,
    /// `webhook.projectId`.
    pub project_id: Option<u32>,
    /// Whether the files count that lie beside the repository's configuration: `description`, `cloneurl`,
    /// `git-daemon-export-ok`.
    pub has_files: bool,
}

/// What stands for the namespace of refs in `webhook.repository`.
const NAMESPACE: &str = "{namespace}";

impl Profile {
    /// Whether it tells a namespace's repository from the others.
    pub fn tells_namespaces(&self) -> bool {
        self.repository.as_deref().is_some_and(|path| path.contains(NAMESPACE))
    }

    /// `webhook.repository` of a namespace; without one the place for it falls away, and a slash beside it.
    pub fn repository_of(&self, namespace: &Namespace) -> Option<String> {
        let path = self.repository.as_ref()?;
        let words = namespace.words().unwrap_or_default();
        if !words.is_empty() {
            return Some(path.replace(NAMESPACE, &words.join("/")));
        }
        let path = path.replace("{namespace}/", "").replace("/{namespace}", "").replace(NAMESPACE, "");
        Some(path).filter(|path| !path.is_empty())
    }

    /// For the repository's own targets, where `up_to` is its scope, or for those of protected scope: a receiver that
    /// trusts the server's secret believes what it signs, so a repository does not say there which one it is.
    pub(super) fn read(reader: &mut SettingReader<'_>, up_to: Scope) -> Self {
        reader.up_to = up_to;
        Self {
            repository: reader.setting("repository", one_line),
            owner: reader.setting("owner", owner),
            homepage: reader.setting("homepage", template).unwrap_or_default(),
            commit_url: reader.setting("commitUrl", commit_template).unwrap_or_default(),
            review_url: reader.setting("reviewUrl", review_template).unwrap_or_default(),
            viewer: reader.setting("viewer", viewer),
            links: Links {
                compare: reader.setting("compareUrl", compare_template).unwrap_or_default(),
                branch: reader.setting("branchUrl", branch_template).unwrap_or_default(),
                tag: reader.setting("tagUrl", tag_template).unwrap_or_default(),
                tree: reader.setting("treeUrl", commit_template).unwrap_or_default(),
            },
            git_http_url: reader.setting("gitHttpUrl", template),
            git_ssh_url: reader.setting("gitSshUrl", template),
            gitweb_urls: reader.texts("gitweb", "url"),
            description: reader
                .setting("repositoryDescription", text)
                .or_else(|| reader.texts("gitweb", "description").pop()),
            visibility: reader.setting("visibility", visibility),
            project_id: reader.setting("projectId", positive_number),
            has_files: up_to == Scope::Repository,
        }
    }
}
