//! As much of Rust as the rules need to read: code without comments and tests, modules, paths, literals.
//!
//! Each relies on the format of `cargo fmt`, which `tests/run` checks.

use std::collections::BTreeMap;

use crate::{Tree, sources};

/// A module or an item by the names that lead to it from the root of the library.
pub type ModulePath = Vec<String>;

/// The text without comments, and without what is compiled for tests alone.
pub fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let indent = &line[..line.len() - line.trim_start().len()];
        match line.trim_start() {
            "#[cfg(test)]" => {
                let end = format!("{indent}}}");
                let is_last = |line: &&str| *line == end || line.ends_with(';') && line.starts_with(indent);
                let first = lines.by_ref().find(|line| !line.trim_start().starts_with("#["));
                if first.is_some_and(|first| !is_last(&first)) {
                    lines.by_ref().find(|line| *line == end);
                }
            }
            comment if comment.starts_with("//") => {}
            _ => {
                code += line;
                code.push('\n');
            }
        }
    }
    code
}

/// The string literals of code, each with the code before it.
pub fn literals(code: &str) -> Vec<(String, String)> {
    let plain = code.replace("\\\\", "").replace("\\\"", "").replace("'\"'", "");
    let mut parts = plain.split('"');
    let mut before = String::new();
    let mut found = Vec::new();
    while let (Some(code), Some(literal)) = (parts.next(), parts.next()) {
        before += code;
        found.push((before.clone(), literal.to_owned()));
    }
    found
}

/// The module of a file: `format`, `slack` for `src/format/slack.rs`, nothing for `src/lib.rs`. A program is none.
pub fn module(path: &str) -> Option<ModulePath> {
    let names = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut names: Vec<_> = names.split('/').map(str::to_owned).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib")) {
        names.pop();
    }
    (names.first().map(String::as_str) != Some("bin")).then_some(names)
}

/// The code of each module of the library.
pub fn modules(tree: &Tree) -> BTreeMap<ModulePath, (&str, String)> {
    sources(tree, "src").filter_map(|(path, text)| Some((module(path)?, (path, code(text))))).collect()
}

/// The modules that a file lists, in their order.
pub fn children(code: &str) -> Vec<String> {
    let name = |line: &str| Some(line.split_once("mod ")?.1.strip_suffix(';')?.to_owned());
    code.lines().filter(|line| line.starts_with("mod ") || line.starts_with("pub")).filter_map(name).collect()
}

/// The name that a text begins with.
pub fn name(text: &str) -> &str {
    text.split(|c: char| !is_of_name(c)).next().unwrap_or_default()
}

pub fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where a word stands by itself; one that ends in `::` not behind other names of a path either.
pub fn stands(code: &str, word: &str) -> bool {
    let is_first = |c: char| !(is_of_name(c) || c == ':' && word.ends_with("::"));
    code.match_indices(word).any(|(at, _)| code[..at].chars().next_back().is_none_or(is_first))
}

/// Every path in the code that begins with one of these words, those in braces written out.
pub fn paths(code: &str, starts: &[&str]) -> Vec<ModulePath> {
    let mut found = Vec::new();
    for start in starts {
        for (at, _) in code.match_indices(&format!("{start}::")) {
            if code[..at].chars().next_back().is_none_or(|c| !is_of_name(c) && c != ':') {
                unfold(&code[at..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Reads one path, or several in braces, behind what leads to it. How many bytes were read comes back.
fn unfold(text: &str, before: &mut ModulePath, found: &mut Vec<ModulePath>) -> usize {
    let first = name(text);
    let mut read = first.len();
    if text.starts_with('{') {
        read = 1;
        loop {
            let rest = &text[read..];
            let next = rest.find(|c: char| is_of_name(c) || c == '}').unwrap_or(rest.len());
            read += next;
            if text[read..].is_empty() || text[read..].starts_with('}') {
                return read + 1;
            }
            read += unfold(&text[read..], before, found);
            // `as other`
            read += text[read..].find([',', '}']).unwrap_or(0);
        }
    }
    if first.is_empty() {
        found.push(before.clone());
        return 0;
    }
    before.push(first.to_owned());
    if text[read..].starts_with("::") {
        read += 2 + unfold(&text[read + 2..], before, found);
    } else {
        found.push(before.clone());
    }
    before.pop();
    read
}

#[test]
fn code_is_what_is_neither_comment_nor_test() {
    let text =
        "a();\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\n    // c();\nd();\n#[cfg(test)]\nuse e;\nf();\n";
    assert_eq!(code(text), "a();\nd();\nf();\n");
}

#[test]
fn literals_are_found_whatever_is_escaped() {
    let found = literals(r#"a("b", 'x', '"', "c\"d\\") e"#);
    let texts: Vec<_> = found.iter().map(|(_, literal)| literal.as_str()).collect();
    assert_eq!(texts, ["b", "cd"]);
    assert_eq!(found[1].0, "a(, 'x', , ");
}

#[test]
fn paths_are_written_out() {
    let found = paths("use crate::{a::{B, c as d}, e};\nmycrate::x; super::f::<G>(crate::h)", &["crate", "super"]);
    let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::B", "crate::a::c", "crate::e", "crate::h", "super::f"]);
}
