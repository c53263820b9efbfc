//! A format is its file, its row in the table, its golden payloads and its page. Every list of formats is made of the rows.

use std::fs;
use std::path::Path;

use git_webhook::event::EventName;
use git_webhook::format::{Carried, FORMATS, Format};
use git_webhook::signature::Secret;

use crate::{Tree, root, sources, text};

/// A format has all that belongs to it, and nothing of the kind belongs to none.
pub fn complete(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for Format { name, .. } in FORMATS {
        let needed = [format!("src/format/{name}.rs"), format!("tests/golden/{name}/push-update.json")];
        let lacking = needed.iter().filter(|path| !tree.contains_key(*path));
        faults.extend(lacking.map(|path| format!("format {name} lacks {path}")));
        let page = format!("docs/formats/{name}.md");
        if !text(tree, &page).contains("https://") {
            faults.push(format!("format {name} lacks {page} with a link to its specification"));
        }
    }
    let files = sources(tree, "src/format").filter(|(_, text)| text.contains(" const FORMAT: Format ="));
    let pages = tree.keys().filter(|path| path.starts_with("docs/formats/") && !path.ends_with("README.md"));
    let golden = tree.keys().filter(|path| path.starts_with("tests/golden/"));
    let golden = golden.filter_map(|path| Path::new(path).parent()?.to_str());
    let mut all: Vec<_> = files.map(|(path, _)| path).chain(pages.map(String::as_str)).chain(golden).collect();
    all.dedup();
    let is_known = |path: &&str| {
        let name = Path::new(path).file_stem().and_then(|name| name.to_str());
        FORMATS.iter().any(|format| Some(format.name) == name)
    };
    let unknown = all.iter().filter(|path| !is_known(path));
    faults.extend(unknown.map(|path| format!("{path} is of a format that has no row in src/format/mod.rs")));
    faults
}

/// The files that list formats stand with the lines that stand in them between these two.
const BEGIN: &str = "made of src/format/mod.rs by UPDATE_GOLDEN=1 cargo test --test house";
const END: &str = "end of what is made";

fn listings() -> [(&'static str, String); 3] {
    let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    [
        (
            "README.md",
            table("docs/formats/", &["format", "for receivers of", "events"], |format| {
                let mut events: Vec<_> = format.events.iter().map(|(event, _)| event.word()).collect();
                events.dedup();
                events.extend(format.ping.map(|_| "ping"));
                vec![format.forge.into(), events.join(", ")]
            }),
        ),
        ("docs/formats/README.md", overview()),
        ("completions/git-webhook.bash", format!("__git_webhook_formats=\"{}\"\n", names.join(" "))),
    ]
}

/// What each format tells, and by which names.
fn overview() -> String {
    let columns = ["format", "for receivers of", "told", "commits at most", "files", "the secret travels as"];
    let what = table("", &columns, |format| {
        let told = if format.is_whole() { "each push" } else { "each ref" };
        let files = if format.wants.paths > 0 { "yes" } else { "no" };
        vec![format.forge.into(), told.into(), format.wants.commits.to_string(), files.into(), secret(format)]
    });
    let columns: Vec<_> = ["format"].into_iter().chain(EventName::ALL.map(EventName::word)).chain(["ping"]).collect();
    let names = table("", &columns, |format| {
        let names = |event| {
            let names = format.events.iter().filter(move |(known, _)| *known == event).map(|(_, name)| *name);
            names.collect::<Vec<_>>().join(", ")
        };
        let ping = if format.ping.is_some() { "ping" } else { "" };
        EventName::ALL.map(names).into_iter().chain([ping.to_owned()]).collect()
    });
    format!("{what}\n{names}")
}

fn secret(format: &Format) -> String {
    let names: Vec<_> = format.secret_headers().iter().map(|name| format!("`{name}`")).collect();
    match format.exchange.secret {
        Carried::Token(place) => return place.into(),
        Carried::Signature(place) => return format!("a signature: {place}"),
        Carried::Nowhere => {}
    }
    let made_of = |body: &[u8]| (format.sign)(&Secret::new("secret"), body);
    match names.as_slice() {
        [] => "the address itself".into(),
        names if made_of(b"one") == made_of(b"two") => names.join(", "),
        names => format!("a signature: {}", names.join(", ")),
    }
}

fn table(pages: &str, columns: &[&str], cells: impl Fn(&Format) -> Vec<String>) -> String {
    let row = |format: &Format| {
        let name = format.name;
        format!("| [`{name}`]({pages}{name}.md) | {} |\n", cells(format).join(" | "))
    };
    let head = format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    head + &FORMATS.iter().map(row).collect::<String>()
}

/// The part of a file that is made, by its place in it.
fn made(text: &str) -> Option<std::ops::Range<usize>> {
    let begin = text.find(BEGIN)?;
    let begin = begin + text[begin..].find('\n')? + 1;
    let end = begin + text[begin..].find(END)?;
    Some(begin..text[..end].rfind('\n')? + 1)
}

/// Every list of formats is what is made of the rows.
pub fn listed(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, listing) in listings() {
        let stands = made(text(tree, path)).map_or("", |place| &text(tree, path)[place]);
        let lacking = listing.lines().filter(|line| !stands.lines().any(|other| other == *line));
        faults.extend(lacking.map(|line| format!("{path} lacks: {line}")));
        let other = stands.lines().filter(|line| !listing.lines().any(|other| other == *line));
        faults.extend(other.map(|line| format!("{path} has what no format says: {line}")));
        if faults.is_empty() && stands != listing {
            faults.push(format!("{path}: the formats do not stand in the order of src/format/mod.rs"));
        }
    }
    if !faults.is_empty() {
        faults.push("UPDATE_GOLDEN=1 cargo test --test house writes the lists of formats anew".into());
    }
    faults
}

/// Writes the lists of formats anew.
pub fn write_listings(tree: &Tree) {
    for (path, listing) in listings() {
        let text = text(tree, path);
        let place = made(text).unwrap_or_else(|| panic!("{path} has no line with '{BEGIN}', or none with '{END}'"));
        let text = format!("{}{listing}{}", &text[..place.start], &text[place.end..]);
        fs::write(root().join(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

mod tests {
    use super::*;
    use crate::finds_changed;

    #[test]
    fn a_format_is_complete() {
        let page = "docs/formats/gitea.md";
        finds_changed(complete, (page, "https://", ""), "format gitea lacks docs/formats/gitea.md with a link");
        let mut tree = crate::repository();
        let (was, is) = ("tests/golden/slack/push-update.json", "tests/golden/stack/push-update.json");
        let golden = tree.remove(was).unwrap();
        tree.insert(is.into(), golden);
        tree.insert("src/format/other.rs".into(), "pub(super) const FORMAT: Format = Format {};".into());
        let faults = [
            "format slack lacks tests/golden/slack/push-update.json",
            "src/format/other.rs is of a format that has no row in src/format/mod.rs",
            "tests/golden/stack is of a format that has no row in src/format/mod.rs",
        ];
        let found = complete(&tree);
        assert!(faults.iter().all(|fault| found.iter().any(|other| other == fault)), "found {found:#?}");
    }

    #[test]
    fn every_list_of_formats_has_each() {
        let row = "| [`gitea`](docs/formats/gitea.md)";
        finds_changed(listed, ("README.md", row, "| `gogs`"), "README.md lacks: | [`gitea`]");
        finds_changed(listed, ("README.md", row, "| `gogs`"), "README.md has what no format says: | `gogs`");
        finds_changed(
            listed,
            ("docs/formats/README.md", "[`gitea`]", "gitea"),
            "docs/formats/README.md lacks: | [`gitea`]",
        );
        let bash = "completions/git-webhook.bash";
        finds_changed(listed, (bash, "github gitea", "gitea github"), "git-webhook.bash lacks: __git_webhook_formats=");
    }
}
