//! Guards the walls of the house: who may use whom, which library has which door, what must be documented.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file below a directory, by its path from the root.
fn sources(directory: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("the directory is part of the repository") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("it lies below").to_string_lossy().into_owned();
                found.insert(name, read(&path));
            }
        }
    }
    found
}

/// The text without comments and tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The string literals of code, each with where it begins. Raw strings are passed over.
fn literals(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        let after =
            |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |place| from + place + end.len());
        at += if rest.starts_with("//") {
            after("\n", 2)
        } else if rest.starts_with("r#\"") {
            after("\"#", 3)
        } else if rest.starts_with("'\\") {
            after("'", 3)
        } else if rest.starts_with("'\"'") {
            3
        } else if let Some(text) = rest.strip_prefix('"') {
            let mut is_escaped = false;
            let end = text.find(|c| {
                let is_end = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            });
            let end = end.unwrap_or(text.len());
            found.push((at, &text[..end]));
            end + 2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
    }
    found
}

/// How many words a literal has that are no names of places.
fn words(literal: &str) -> usize {
    let text: String = literal.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
    text.split([' ', '\n']).filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 1).count()
}

/// The module a file belongs to: `format` for `src/format/gitlab.rs`.
fn module(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap_or(path);
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

#[test]
fn a_module_uses_only_those_above_it() {
    let lib = read("src/lib.rs");
    let order: Vec<_> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let place = |name: &str| order.iter().position(|other| *other == name);
    for (path, text) in sources("src") {
        let Some(own) = place(module(&path)) else { continue };
        for used in code(&text).split("crate::").skip(1) {
            let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let other = place(&name).unwrap_or_else(|| panic!("{path} uses crate::{name}, which lib.rs does not list"));
            assert!(other <= own, "{path} uses {name}, which stands below it in lib.rs");
        }
    }
}

#[test]
fn a_library_is_used_behind_its_door() {
    let doors: [(&str, &[&str]); 17] = [
        ("git2", &["repository"]),
        ("encoding_rs", &["repository"]),
        ("gix_config", &["config"]),
        ("gix_glob", &["config"]),
        ("strsim", &["config"]),
        ("ureq", &["transport"]),
        ("rustls_native_certs", &["transport"]),
        ("hmac", &["signature"]),
        ("sha1", &["signature"]),
        ("sha2", &["signature"]),
        ("base64", &["signature"]),
        ("nix", &["process", "files"]),
        ("close_fds", &["process"]),
        ("url", &["target", "urls"]),
        ("clap", &["command"]),
        ("env_logger", &["log_file"]),
        ("serde_json", &["format", "spool", "history", "command"]),
    ];
    for (path, text) in sources("src") {
        let text = code(&text);
        for (library, allowed) in doors {
            let used = [format!("use {library}::"), format!("{library}::")].iter().any(|call| {
                text.match_indices(call)
                    .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
            });
            assert!(!used || allowed.contains(&module(&path)), "{path} uses {library}, whose door is {allowed:?}");
        }
    }
}

#[test]
fn a_file_says_what_it_is_for() {
    for (path, text) in sources("src").into_iter().chain(sources("tests")).chain(sources("benches")) {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 20, "{path} does not open with one sentence of duty");
    }
}

#[test]
fn a_format_has_row_golden_payloads_and_page() {
    let table = read("src/format/mod.rs");
    let overview = read("docs/formats/README.md");
    for path in sources("src/format").keys().filter(|path| !path.ends_with("mod.rs")) {
        let name = Path::new(path).file_stem().expect("it is a file").to_string_lossy().into_owned();
        assert!(table.contains(&format!("{name}::FORMAT")), "{name} is not in the table of formats");
        assert!(overview.contains(&format!("{name}.md")), "docs/formats/README.md does not name {name}");
        assert!(read(format!("docs/formats/{name}.md")).contains("https://"), "docs/formats/{name}.md links no source");
        for event in ["push-update", "push-delete", "tag-annotated", "tag-lightweight"] {
            read(format!("tests/golden/{name}/{event}.json"));
        }
    }
}

#[test]
fn the_receivers_run_against_are_named_with_their_versions() {
    let overview = read("docs/formats/README.md");
    let pinned = read("tests/outside/requirements.in");
    let from_pypi = pinned.lines().filter_map(|line| line.split_once("=="));
    let package = read("tests/outside/package.json");
    let from_npm = package.lines().filter_map(|line| line.trim().strip_prefix("\"@octokit/")?.split_once("\": \""));
    for (name, version) in from_pypi.chain(from_npm) {
        let version = version.trim_end_matches(['"', ',']);
        assert!(overview.contains(version), "docs/formats/README.md does not name version {version} of {name}");
    }
}

#[test]
fn a_key_is_documented_with_its_default() {
    let pages = [read("docs/config.md"), read("man/git-webhook-config.5")];
    for key in git_webhook::config::KEYS {
        let row = format!("| `{}` |", key.name);
        let line = pages[0].lines().find(|line| line.starts_with(&row));
        let line = line.unwrap_or_else(|| panic!("docs/config.md has no row {row}"));
        assert!(line.contains(key.default), "docs/config.md: the default of {} is '{}'", key.name, key.default);
        assert_eq!(line.contains("**protected**"), key.protected, "docs/config.md: is {} protected?", key.name);
        let item = format!(".It Ic {}", key.name);
        assert!(pages[1].lines().any(|line| line == item), "man/git-webhook-config.5 has no '{item}'");
    }
    let rows = pages[0].lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, git_webhook::config::KEYS.len(), "docs/config.md documents a key that is not there");
}

#[test]
fn a_verb_is_in_the_man_page() {
    let page = read("man/git-webhook.1");
    let command = read("src/command/mod.rs");
    let verbs = command.split("enum Verb {").nth(1).and_then(|text| text.split("\n}").next()).unwrap_or_default();
    for verb in verbs.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {")) {
        let item = format!(".It Cm {}", verb.to_lowercase());
        assert!(page.lines().any(|line| line.starts_with(&item)), "man/git-webhook.1 has no '{item}'");
    }
}

#[test]
fn a_message_is_explained() {
    let page = read("docs/messages.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| line.trim_end_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    for cells in &rows {
        assert!(
            cells.len() == 3 && cells.iter().all(|cell| cell.len() > 2),
            "docs/messages.md: '{}' lacks why or what to do",
            cells[0]
        );
    }
    let explained: Vec<_> = rows.iter().map(|cells| cells[0].trim_end_matches('`').to_owned()).collect();
    let shown = |(text, places): &(&str, &[&str])| {
        let text = text.replace('\n', " ");
        places.iter().fold(text, |text, place| text.replace(&format!("{{{place}}}"), &format!("<{place}>")))
    };
    let known: Vec<_> = git_webhook::message::ALL.iter().map(shown).collect();
    let missing: Vec<_> = known.iter().filter(|text| !explained.contains(text)).collect();
    let stale: Vec<_> = explained.iter().filter(|text| !known.contains(text)).collect();
    assert!(missing.is_empty() && stale.is_empty(), "docs/messages.md lacks {missing:#?} and has {stale:#?}");
    let moved = known.iter().zip(&explained).find(|(known, explained)| known != explained);
    assert!(moved.is_none() && known.len() == explained.len(), "other order, or twice in one of them: {moved:#?}");
    let different: BTreeSet<_> = known.iter().collect();
    assert!(different.len() == known.len(), "a message stands twice");
}

/// A verb also prints what went well, so that there only what takes a message is looked at; elsewhere words in a literal
/// are a message, unless they are listed here.
#[test]
fn a_message_stands_in_one_place() {
    const TAKERS: [&str; 12] = [
        "failure(",
        "Failure(",
        "error!(",
        "warn!(",
        "eprintln!(",
        "Err(",
        "ok_or(",
        "ok_or_else(",
        "map_err(",
        "Unsound(",
        "io::Error::other(",
        "Failure::new(",
    ];
    const BEFORE_OTHER_WORDS: [&str; 4] = ["debug!(", "info!(", "expect(", "println!("];
    const OTHER_WORDS: [&str; 10] = [
        "post-receive (git-webhook) ",
        "(not shown)",
        "up to ",
        "webhook: the event is kept, and is delivered in the background",
        "webhook: {count} events are kept, and are delivered in the background",
        "webhook {}: delivered {} ({})",
        " (os error",
        "{name} and {} more",
        "Unnamed repository",
        "--format=%(objectname) %(refname)%00%(symref)",
    ];
    // Defaults in the words of the documentation, and what forges write.
    let is_forge = |path: &str| module(path) == "format" && !path.ends_with("/fit.rs");
    let is_looked_at = |path: &str| path != "src/message.rs" && path != "src/config/keys.rs" && !is_forge(path);
    for (path, text) in sources("src").into_iter().filter(|(path, _)| is_looked_at(path)) {
        let text = code(&text);
        let is_verb = path.starts_with("src/command/");
        for (at, literal) in literals(&text) {
            let before = text[..at].trim_end();
            let before = before.strip_suffix("format!(").map_or(before, str::trim_end);
            let ends_in = |takers: &[&str]| takers.iter().any(|taker| before.ends_with(taker));
            if ends_in(&BEFORE_OTHER_WORDS) && !before.ends_with("eprintln!(") || OTHER_WORDS.contains(&literal) {
                continue;
            }
            // The statement as far as the literal: whatever function it begins with takes it in the end.
            let statement = before.rsplit([';', '{', '}']).next().unwrap_or_default();
            let is_taken = TAKERS.iter().any(|taker| statement.contains(taker)) || statement.contains("let why =");
            let told = ["error: ", "warning: "].iter().fold(literal, |text, start| text.trim_start_matches(start));
            let most = if ends_in(&TAKERS) { 0 } else { 1 };
            assert!(
                words(told) <= most || (is_verb && !is_taken),
                "{path} words a message: '{literal}' belongs into src/message.rs"
            );
        }
    }
}

#[test]
fn a_message_is_said() {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let name = |text: &str| text.split(|c| !is_name(c)).next().unwrap_or_default().to_owned();
    let code: String = sources("src").values().map(|text| self::code(text)).collect();
    let said: BTreeSet<_> = code.split("message::").skip(1).map(name).collect();
    let table = read("src/message.rs");
    let rows = table.split("messages! {").last().unwrap_or_default().lines();
    let rows: Vec<_> = rows.filter(|line| line.contains(") =")).map(|line| name(line.trim_start())).collect();
    assert_eq!(rows.len(), git_webhook::message::ALL.len(), "a row of src/message.rs is not read here");
    let unsaid: Vec<_> = rows.iter().filter(|name| !said.contains(*name)).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}: remove them from src/message.rs and docs/messages.md");
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
