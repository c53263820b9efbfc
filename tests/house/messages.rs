//! What is said of faults: in one table, each explained in `docs/messages.md`, each said by somebody.

use std::collections::BTreeSet;

use git_webhook::message::ALL;

use crate::rust::{code, literals, name};
use crate::{Tree, sources, text};

/// An error takes its words from `src/message.rs`. Two marks betray one that does not: words right behind what makes or
/// logs an error, and words at all in a module that has nothing else to say.
pub fn in_one_place(tree: &Tree) -> Vec<String> {
    const ERRORS: [&str; 10] = [
        "Failure(",
        "Failure::new(",
        "error!(",
        "warn!(",
        "eprintln!(",
        "Err(",
        "ok_or(",
        "ok_or_else(||",
        "Error::other(",
        "Unsound(",
    ];
    const FOR_DEVELOPERS: [&str; 3] = ["debug!(", "info!(", "expect("];
    // They have words of their own: what forges write, defaults as documented, what went well.
    const SPEAKERS: [&str; 6] =
        ["src/format/", "src/config/keys.rs", "src/report", "src/command/", "src/bin/", "src/appraise.rs"];
    // How a description begins that nobody wrote, and what a submodule's file says.
    const OF_OTHERS: [&str; 7] = [
        "Unnamed repository",
        "Subproject commit {id}\\n",
        "-----BEGIN NATS USER JWT-----",
        "NATS USER JWT",
        "USER NKEY SEED",
        "permissions violation",
        "maximum payload",
    ];
    let mut faults = Vec::new();
    for (path, text) in sources(tree, "src").filter(|(path, _)| *path != "src/message.rs") {
        for (before, literal) in literals(&code(text)) {
            let before = before.trim_end();
            let before = before.strip_suffix("format!(").map_or(before, str::trim_end);
            let is_behind = |words: &[&str]| words.iter().any(|word| before.ends_with(word));
            let may_speak = SPEAKERS.iter().any(|speaker| path.starts_with(speaker)) || is_behind(&FOR_DEVELOPERS);
            if words_in_a_row(&literal) > 1
                && !OF_OTHERS.contains(&literal.as_str())
                && (is_behind(&ERRORS) || !may_speak)
            {
                faults.push(format!("{path} words a message, which belongs into src/message.rs: '{literal}'"));
            }
        }
    }
    faults
}

/// How many words follow one another; `{path}`, `--option` and `name=` are none.
fn words_in_a_row(literal: &str) -> usize {
    let is_word =
        |word: &str| word.len() > 1 && word.trim_end_matches([',', ':', ';']).chars().all(char::is_alphabetic);
    let words: Vec<_> = literal.split([' ', '\n']).collect();
    words.split(|word| !is_word(word)).map(<[_]>::len).max().unwrap_or(0)
}

/// Somebody says each row of the table.
pub fn said(tree: &Tree) -> Vec<String> {
    let code: String = sources(tree, "src").map(|(_, text)| code(text)).collect();
    let said: BTreeSet<_> = code.split("message::").skip(1).map(name).collect();
    let table = text(tree, "src/message.rs").split("messages! {").last().unwrap_or_default();
    let rows: Vec<_> = table.lines().filter(|line| line.contains(") =")).map(|line| name(line.trim_start())).collect();
    let mute = rows.iter().filter(|row| !said.contains(*row));
    let mute = mute.map(|row| format!("nobody says {row} of src/message.rs: remove it there and in docs/messages.md"));
    let mut faults: Vec<_> = mute.collect();
    if rows.len() < ALL.len() {
        faults.push("src/message.rs has rows that tests/house cannot read".into());
    }
    faults
}

/// `docs/messages.md` has the messages, each with why it comes and what to do, in the order of the table.
pub fn explained(tree: &Tree) -> Vec<String> {
    let rows = text(tree, "docs/messages.md").lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: Vec<Vec<_>> = rows.map(|line| line.trim_end_matches('|').split(" | ").map(str::trim).collect()).collect();
    let is_whole = |cells: &&Vec<&str>| cells.len() == 3 && cells.iter().all(|cell| cell.len() > 2);
    let bare = rows.iter().filter(|cells| !is_whole(cells));
    let bare = bare.map(|cells| format!("docs/messages.md: '{}' lacks why or what to do", cells[0]));
    let explained: Vec<_> = rows.iter().map(|cells| cells[0].trim_end_matches('`').to_owned()).collect();
    let shown = |(text, places): &(&str, &[&str])| {
        let text = text.replace('\n', " ");
        places.iter().fold(text, |text, place| text.replace(&format!("{{{place}}}"), &format!("<{place}>")))
    };
    let known: Vec<_> = ALL.iter().map(shown).collect();
    let lacking = known.iter().filter(|text| !explained.contains(text));
    let lacking = lacking.map(|text| format!("docs/messages.md lacks '{text}'"));
    let stale = explained.iter().filter(|text| !known.contains(text));
    let stale = stale.map(|text| format!("docs/messages.md explains '{text}', which src/message.rs has not"));
    let mut faults: Vec<_> = bare.chain(lacking).chain(stale).collect();
    if known.iter().collect::<BTreeSet<_>>().len() < known.len() {
        faults.push("src/message.rs: a message stands twice".into());
    }
    let moved = known.iter().zip(&explained).find(|(known, explained)| known != explained);
    if let (true, Some((_, explained))) = (faults.is_empty(), moved) {
        faults.push(format!("docs/messages.md: '{explained}' is not where src/message.rs has it"));
    }
    faults
}

mod tests {
    use super::*;
    use crate::{finds, finds_changed};

    #[test]
    fn a_message_stands_in_one_place() {
        let fault = |literal: &str| format!("src/a.rs words a message, which belongs into src/message.rs: '{literal}'");
        for (code, literal) in [
            ("log::error!(\"not found\");", "not found"),
            ("return Err(format!(\n    \"cannot open {path}\",\n));", "cannot open {path}"),
            ("let why = \"is no number\";", "is no number"),
        ] {
            finds(in_one_place, &[("src/a.rs", code)], &fault(literal));
        }
        let fault = "src/command/x.rs words a message, which belongs into src/message.rs: 'no target'";
        finds(in_one_place, &[("src/command/x.rs", "println!(\"all is well\");\nErr(Failure(\"no target\"))")], fault);
    }

    #[test]
    fn a_message_is_said_and_explained() {
        let fault = "nobody says unheard of src/message.rs";
        finds_changed(said, ("src/message.rs", "messages! {\n", "messages! {\n    unheard() = \"x\";\n"), fault);
        let page = "docs/messages.md";
        let first = text(&crate::repository(), page).lines().find(|line| line.starts_with("| `")).unwrap().to_owned();
        let second =
            text(&crate::repository(), page).lines().filter(|line| line.starts_with("| `")).nth(1).unwrap().to_owned();
        finds_changed(explained, (page, &first, ""), "docs/messages.md lacks '");
        finds_changed(explained, (page, &first, "| `unheard` | why | what to do |"), "explains 'unheard'");
        finds_changed(explained, (page, &first, first.rsplit_once(" | ").unwrap().0), "lacks why or what to do");
        let (pair, turned) = (format!("{first}\n{second}"), format!("{second}\n{first}"));
        finds_changed(explained, (page, &pair, &turned), "is not where src/message.rs has it");
    }
}
