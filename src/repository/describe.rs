//! How a repository presents itself: name, description, addresses, visibility, from the configuration and the files
//! beside it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Layout, Profile};
use crate::event::{Repository, Visibility};
use crate::identifier;
use crate::process::{self, Environment};
use crate::ref_update::Namespace;
use crate::urls::{fill_template, origin};

use super::head::Head;
use super::links;
use super::refs;

/// Describes the repository at `git_dir`, as far as a namespace goes, to those who are shown this profile of it; `root`
/// holds the repositories.
pub fn describe(
    git_dir: &Path,
    layout: Layout,
    profile: &Profile,
    root: Option<&Path>,
    environment: &Environment,
    namespace: &Namespace,
) -> Repository {
    let path = profile.repository_of(namespace).unwrap_or_else(|| path_of(git_dir, root, environment));
    let (owner, name) = owner_and_name(&path);
    let fill = |template: &str| fill_template(template, &path, &name);
    let homepage = fill(&profile.homepage);
    let addresses = clone_addresses(git_dir, profile);
    let address = |template: &Option<String>, is_kind: fn(&str) -> bool| match template {
        Some(template) => fill(template),
        None => addresses.iter().find(|url| is_kind(url)).cloned().unwrap_or_default(),
    };
    Repository {
        http_url: address(&profile.git_http_url, is_http),
        ssh_url: address(&profile.git_ssh_url, is_ssh),
        description: profile.description.clone().or_else(|| description_file(git_dir, profile)).unwrap_or_default(),
        commit_url: links::commit(profile, &homepage).unwrap_or_else(|| fill(&profile.commit_url)),
        links: links::of(profile, &homepage, fill),
        review_url: fill(&profile.review_url),
        visibility: profile.visibility.unwrap_or_else(|| {
            if profile.has_files && git_dir.join("git-daemon-export-ok").exists() {
                Visibility::Public
            } else {
                Visibility::Private
            }
        }),
        id: profile.project_id.unwrap_or_else(|| identifier::number("project", &path)),
        object_format: layout.object_format,
        default_branch: default_branch(&refs::common_dir(git_dir), layout, namespace),
        instance: origin(&homepage).unwrap_or_default(),
        host: process::host_name(),
        owner: profile.owner.clone().unwrap_or(owner),
        homepage,
        name,
        path: words(&path).collect::<Vec<_>>().join("/"),
    }
}

fn words(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|word| !word.is_empty())
}

/// The name, and whom the repository belongs to: the words before it as one, since most forges know no owner of several;
/// a repository that has none is its own.
fn owner_and_name(path: &str) -> (String, String) {
    let mut before: Vec<_> = words(path).collect();
    let name = before.pop().unwrap_or("repository");
    let owner = if before.is_empty() { name.to_owned() } else { before.join("-") };
    (owner, name.to_owned())
}

fn default_branch(common_dir: &Path, layout: Layout, namespace: &Namespace) -> Option<String> {
    let branch = Head::of(common_dir, layout, namespace).default_branch(common_dir, layout, namespace)?;
    Some(branch.short_text().into_owned())
}

/// What a repository is called where the configuration does not say: as gitolite calls it, else by where it lies.
pub fn path_of(git_dir: &Path, root: Option<&Path>, environment: &Environment) -> String {
    environment.text("GL_REPO").unwrap_or_else(|| path_below(git_dir, root, environment))
}

/// The path below `webhook.root` or `GIT_PROJECT_ROOT`, else the directory's own name.
fn path_below(git_dir: &Path, root: Option<&Path>, environment: &Environment) -> String {
    let directory = work_directory(&fs::canonicalize(git_dir).unwrap_or_else(|_| git_dir.into()));
    let root = root
        .map(Path::to_path_buf)
        .or_else(|| environment.get("GIT_PROJECT_ROOT").map(PathBuf::from))
        .and_then(|root| fs::canonicalize(root).ok());
    let below = root.and_then(|root| directory.strip_prefix(root).ok().map(Path::to_path_buf));
    let path = below
        .filter(|path| path.file_name().is_some())
        .or_else(|| directory.file_name().map(PathBuf::from))
        .unwrap_or_else(|| "repository".into());
    let text = path.to_string_lossy();
    text.strip_suffix(".git").unwrap_or(&text).to_owned()
}

/// The directory a person would name: of `project/.git` the one that holds it, of `project/.git/worktrees/x` too.
fn work_directory(git_dir: &Path) -> PathBuf {
    git_dir
        .ancestors()
        .find(|path| path.file_name().is_some_and(|name| name == ".git"))
        .and_then(Path::parent)
        .unwrap_or(git_dir)
        .to_path_buf()
}

/// `gitweb.url` and the file `cloneurl`, one address a line (gitweb.conf(5)).
fn clone_addresses(git_dir: &Path, profile: &Profile) -> Vec<String> {
    let file = profile.has_files.then(|| fs::read(git_dir.join("cloneurl")).ok()).flatten().unwrap_or_default();
    let file = String::from_utf8_lossy(&file);
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty());
    profile.gitweb_urls.iter().cloned().chain(lines.map(String::from)).collect()
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// `ssh://host/path`, or the short form `user@host:path`.
fn is_ssh(url: &str) -> bool {
    url.starts_with("ssh://") || (!url.contains("://") && url.contains(':'))
}

/// The file `description`, unless it is the text that `git init` puts there.
fn description_file(git_dir: &Path, profile: &Profile) -> Option<String> {
    if !profile.has_files {
        return None;
    }
    let text = fs::read(git_dir.join("description")).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty() && !text.starts_with("Unnamed repository")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_an_owner_and_a_name() {
        for (path, owner, name) in [
            ("group/project", "group", "project"),
            ("a/b/c", "a-b", "c"),
            ("project", "project", "project"),
            ("/group//project/", "group", "project"),
            ("/", "repository", "repository"),
        ] {
            assert_eq!(owner_and_name(path), (owner.into(), name.into()), "{path}");
        }
    }
}
