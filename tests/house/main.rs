//! Guards the walls of the house: who may use whom, which library has which door, what must be documented.
//!
//! A rule is a function from the repository's files to its faults. `the_house_stands` asks them all and tells of all that
//! is wrong at once; beside each rule a test breaks it once.

mod answers;
mod documents;
mod formats;
mod messages;
mod rust;
mod walls;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What lies in the repository: the text of each file, by its path from the root.
type Tree = BTreeMap<String, String>;

/// From the files to a line for each fault.
type Rule = fn(&Tree) -> Vec<String>;

const RULES: [Rule; 14] = [
    walls::order,
    walls::doors,
    walls::claims,
    walls::duty,
    messages::in_one_place,
    messages::said,
    messages::explained,
    formats::complete,
    formats::listed,
    answers::documented,
    documents::keys,
    documents::verbs,
    documents::receivers,
    documents::shown,
];

/// Faults that are known and not yet mended, in the words of the rule that finds them. Nothing is added here, and what is
/// mended goes: an entry that no rule finds is itself a fault.
const NOT_YET: &[&str] = &[];

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// The files that rules read.
fn repository() -> Tree {
    let mut tree = Tree::new();
    let places = ["src", "tests", "benches", "docs", "man", "completions", "README.md", "Cargo.toml"];
    let mut paths: Vec<_> = places.map(|name| root().join(name)).into();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("the directory is part of the repository");
            paths.extend(entries.map(|entry| entry.expect("it can be listed").path()));
        } else {
            let name = path.strip_prefix(root()).expect("it lies below").to_string_lossy().into_owned();
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            tree.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    tree
}

/// The text of a file that a rule needs; without it, there is none.
fn text<'a>(tree: &'a Tree, path: &str) -> &'a str {
    tree.get(path).map_or("", String::as_str)
}

/// The Rust files of a directory, but for those that are tests and nothing else.
fn sources<'a>(tree: &'a Tree, directory: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let is_test = |path: &Path| {
        let above = path.parent().map(|folder| folder.join("mod.rs"));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let listed = above.and_then(|above| tree.get(above.to_str()?));
        listed.is_some_and(|text| text.contains(&format!("#[cfg(test)]\nmod {name};\n")))
    };
    let is_source =
        move |path: &str| Path::new(path).starts_with(directory) && path.ends_with(".rs") && !is_test(Path::new(path));
    tree.iter().map(|(path, text)| (path.as_str(), text.as_str())).filter(move |(path, _)| is_source(path))
}

#[test]
fn the_house_stands() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        formats::write_listings(&repository());
        answers::write_page(&repository());
    }
    let tree = repository();
    let found: Vec<_> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    let stale = NOT_YET.iter().filter(|known| !found.iter().any(|fault| fault == *known));
    let stale = stale.map(|known| format!("tests/house/main.rs excuses what is mended: {known}"));
    let faults: Vec<_> =
        found.iter().filter(|fault| !NOT_YET.contains(&fault.as_str())).cloned().chain(stale).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A rule finds this fault in these few files, and in them no other.
#[track_caller]
fn finds(rule: Rule, files: &[(&str, &str)], fault: &str) {
    let tree = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    assert_eq!(rule(&tree), [fault]);
}

/// A rule finds this fault among others in the repository, once a text in one file of it is another.
#[track_caller]
fn finds_changed(rule: Rule, (path, from, to): (&str, &str, &str), fault: &str) {
    let mut tree = repository();
    let text = tree.get_mut(path).unwrap_or_else(|| panic!("there is no {path}"));
    assert!(text.contains(from), "{path} does not say '{from}'");
    *text = text.replace(from, to);
    let found = rule(&tree);
    assert!(found.iter().any(|found| found.contains(fault)), "found {found:#?}");
}

#[test]
#[ignore = "needs mandoc: run tests/run"]
fn man_pages_are_clean() {
    for page in ["man/git-webhook.1", "man/git-webhook-config.5"] {
        let output =
            std::process::Command::new("mandoc").args(["-Tlint", "-Wwarning", page]).current_dir(root()).output();
        let output = output.expect("mandoc is installed");
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
