//! What must be documented: keys, verbs, the versions of receivers.

use std::collections::BTreeSet;

use git_webhook::config::KEYS;

use crate::{Tree, text};

/// A key has its row in `docs/config.md`, with its default, and its item in the manual.
pub fn keys(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    let rows: Vec<_> = text(tree, "docs/config.md").lines().filter(|line| line.starts_with("| `")).collect();
    let name_of = |row: &str| row[3..].split('`').next().unwrap_or_default().to_owned();
    for key in KEYS {
        let row = rows.iter().find(|row| name_of(row) == key.name);
        if row.is_none_or(|row| !row.contains(key.default)) {
            faults.push(format!("docs/config.md lacks {} with its default, '{}'", key.name, key.default));
        }
        if row.is_some_and(|row| row.contains("**protected**") != key.protected) {
            faults.push(format!("docs/config.md: is {} protected?", key.name));
        }
        let item = format!(".It Ic {}", key.name);
        if !text(tree, "man/git-webhook-config.5").lines().any(|line| line == item) {
            faults.push(format!("man/git-webhook-config.5 lacks '{item}'"));
        }
    }
    let unknown = rows.iter().map(|row| name_of(row)).filter(|name| !KEYS.iter().any(|key| key.name == name));
    faults.extend(unknown.map(|name| format!("docs/config.md documents {name}, which is no key")));
    faults
}

/// A verb has its item in the manual.
pub fn verbs(tree: &Tree) -> Vec<String> {
    let command = text(tree, "src/command/mod.rs");
    let verbs = command.split("enum Verb {").nth(1).and_then(|text| text.split("\n}").next()).unwrap_or_default();
    let verbs = verbs.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
    let items = verbs.map(|verb| format!(".It Cm {}", verb.to_lowercase()));
    let page = text(tree, "man/git-webhook.1");
    let lacking = items.filter(|item| !page.lines().any(|line| line.starts_with(item.as_str())));
    lacking.map(|item| format!("man/git-webhook.1 lacks '{item}'")).collect()
}

/// The receivers that judge formats are named with the versions that `tests/outside` pins.
pub fn receivers(tree: &Tree) -> Vec<String> {
    let pages: String =
        tree.iter().filter(|(path, _)| path.starts_with("docs/formats/")).map(|(_, text)| text.as_str()).collect();
    let pinned = text(tree, "tests/outside/requirements.in").lines().filter_map(|line| line.split_once("=="));
    let package = text(tree, "tests/outside/package.json").lines();
    let package = package.filter_map(|line| line.trim().strip_prefix("\"@octokit/")?.split_once("\": \""));
    let all = pinned.chain(package).map(|(name, version)| (name, version.trim_end_matches(['"', ','])));
    let lacking = all.filter(|(_, version)| !pages.contains(version));
    lacking.map(|(name, version)| format!("docs/formats names no version {version} of {name}")).collect()
}

/// Each test that `docs/security.md` names is there.
pub fn shown(tree: &Tree) -> Vec<String> {
    let page = text(tree, "docs/security.md").lines().filter(|line| line.starts_with('|'));
    let is_test = |word: &&str| {
        word.matches('_').count() > 1
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let named: BTreeSet<_> = page.flat_map(|line| line.split('`').skip(1).step_by(2)).filter(is_test).collect();
    let code: Vec<_> = tree.iter().filter(|(path, _)| path.ends_with(".rs")).map(|(_, code)| code).collect();
    let lacking = named.into_iter().filter(|name| !code.iter().any(|code| code.contains(&format!("fn {name}("))));
    lacking.map(|name| format!("docs/security.md names {name}, which is no test")).collect()
}

mod tests {
    use super::*;
    use crate::finds_changed;

    #[test]
    fn what_shows_a_promise_is_there() {
        let page = "docs/security.md";
        finds_changed(shown, (page, "`bad_372_a_hook", "`bad_372_the_hook"), "names bad_372_the_hook");
    }

    #[test]
    fn a_key_is_documented_with_its_default() {
        finds_changed(keys, ("docs/config.md", "| `maxWait` |", "| `maxwait` |"), "docs/config.md lacks maxWait");
        finds_changed(keys, ("docs/config.md", "| `maxWait` |", "| `maxwait` |"), "documents maxwait, which is no key");
        finds_changed(keys, ("docs/config.md", "**protected**", "kept"), "protected?");
        finds_changed(keys, ("man/git-webhook-config.5", ".It Ic maxWait\n", ""), "lacks '.It Ic maxWait'");
    }

    #[test]
    fn a_verb_is_in_the_manual() {
        finds_changed(verbs, ("man/git-webhook.1", ".It Cm reconcile", ".It Cm recon"), "lacks '.It Cm reconcile'");
    }

    #[test]
    fn a_receiver_is_named_with_its_version() {
        let pinned = "tests/outside/requirements.in";
        finds_changed(receivers, (pinned, "gidgethub==", "gidgethub==9"), "names no version 9");
    }
}
