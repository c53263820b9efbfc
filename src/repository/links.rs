//! The pages that viewers of repositories have for what is in them, below the home page.

use crate::config::{Profile, Viewer};
use crate::event::Links;

/// The template of a commit's page, where the viewer's counts.
pub(super) fn commit(profile: &Profile, homepage: &str) -> Option<String> {
    let viewer = profile.viewer.filter(|_| profile.commit_url.is_empty() && !homepage.is_empty())?;
    Some(pages(viewer, homepage).0)
}

/// The templates of the other pages: those that are configured, else the viewer's.
pub(super) fn of(profile: &Profile, homepage: &str, fill: impl Fn(&str) -> String) -> Links {
    let viewer = profile.viewer.filter(|_| !homepage.is_empty());
    let usual = viewer.map(|viewer| pages(viewer, homepage).1).unwrap_or_default();
    let chosen = |own: &str, usual: String| if own.is_empty() { usual } else { fill(own) };
    Links {
        compare: chosen(&profile.links.compare, usual.compare),
        branch: chosen(&profile.links.branch, usual.branch),
        tag: chosen(&profile.links.tag, usual.tag),
        tree: chosen(&profile.links.tree, usual.tree),
    }
}

/// A viewer's page of a commit, and its others.
fn pages(viewer: Viewer, homepage: &str) -> (String, Links) {
    let home = homepage.trim_end_matches('/');
    let below = |end: &str| format!("{home}{end}");
    match viewer {
        Viewer::Cgit => (
            below("/commit/?id={id}"),
            Links {
                compare: below("/diff/?id={new}&id2={old}"),
                branch: below("/log/?h={branch}"),
                tag: below("/tag/?h={tag}"),
                tree: below("/tree/?id={id}"),
            },
        ),
        // `gitweb.cgi?p=project.git`, and `gitweb.cgi/project.git`.
        Viewer::Gitweb if home.contains('?') => (
            below(";a=commit;h={id}"),
            Links {
                compare: below(";a=commitdiff;h={new};hp={old}"),
                branch: below(";a=shortlog;h=refs/heads/{branch}"),
                tag: below(";a=shortlog;h=refs/tags/{tag}"),
                tree: below(";a=tree;hb={id}"),
            },
        ),
        Viewer::Gitweb => (
            below("/commit/{id}"),
            Links {
                compare: below("/commitdiff/{old}..{new}"),
                branch: below("/shortlog/refs/heads/{branch}"),
                tag: below("/shortlog/refs/tags/{tag}"),
                tree: below("/tree/{id}"),
            },
        ),
    }
}
