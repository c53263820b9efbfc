//! Who may use whom: the order of modules, the doors of libraries, the duty of each file.

use std::collections::{BTreeMap, BTreeSet};

use crate::rust::{ModulePath, children, code, is_of_name, module, modules, paths, stands};
use crate::{Tree, sources, text};

/// A module uses only those above it in the list of `mod` lines, in `lib.rs` and inside each folder. So there are no
/// circles.
///
/// A folder's `mod.rs` may use all that is in the folder. What a file takes from the `mod.rs` above it counts as what that
/// item is made of: a name that is handed on, or an item whose text names a neighbour, is a use of the neighbour.
pub fn order(tree: &Tree) -> Vec<String> {
    let modules = modules(tree);
    let listed: BTreeMap<_, _> = modules.iter().map(|(module, (_, code))| (module, children(code))).collect();
    let mut faults = BTreeSet::new();
    for (own, (path, code)) in &modules {
        for used in paths(code, &["crate", "super", "self"]).iter().filter_map(|path| absolute(own, path)) {
            // The module, and what of it: a path may go on to an item, a variant, a function.
            let depth = (0..=used.len()).rev().find(|depth| modules.contains_key(&used[..*depth])).unwrap_or(0);
            let (target, item) = (used[..depth].to_vec(), used.get(depth));
            let mut targets = vec![target.clone()];
            if let (true, Some(item)) = (own.starts_with(&target) && *own != target, item) {
                let neighbours = made_of(&modules[&target].1, &listed[&target], item);
                targets = neighbours.into_iter().map(|name| [target.clone(), vec![name]].concat()).collect();
            }
            for target in targets {
                let common = own.iter().zip(&target).take_while(|(own, target)| own == target).count();
                let (Some(here), Some(there)) = (own.get(common), target.get(common)) else { continue };
                let order = &listed[&own[..common].to_vec()];
                let place = |name| order.iter().position(|other| other == name);
                if place(there).is_none_or(|there| place(here).is_none_or(|here| there > here)) {
                    faults.insert(format!("{path} uses {}, which does not stand above it", target.join("::")));
                }
            }
        }
    }
    faults.into_iter().collect()
}

/// A path from the root, for one that was read in a module; `None` where it leads out of the library.
fn absolute(own: &[String], path: &[String]) -> Option<ModulePath> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    match path[0].as_str() {
        "super" => Some([&own[..own.len().checked_sub(ups)?], &path[ups..]].concat()),
        "self" => Some([own, &path[1..]].concat()),
        _ => Some(path[1..].to_vec()),
    }
}

/// The neighbours that an item of a folder's `mod.rs` is made of, itself or by other items there.
fn made_of(code: &str, children: &[String], item: &str) -> BTreeSet<String> {
    let mut items: BTreeMap<&str, String> = BTreeMap::new();
    let mut handed_on: BTreeMap<String, String> = BTreeMap::new();
    let mut current = "";
    for line in code.lines() {
        if line.starts_with(|c: char| c.is_alphabetic()) {
            let words: Vec<_> = line.split(|c| !is_of_name(c)).collect();
            let kind = words.iter().position(|word| ["fn", "struct", "enum", "const", "static", "type"].contains(word));
            current = kind.and_then(|kind| words.get(kind + 1)).copied().unwrap_or_default();
        }
        *items.entry(current).or_default() += line;
    }
    let starts: Vec<_> = children.iter().map(String::as_str).collect();
    for path in code.split(';').filter(|line| line.contains("use ")).flat_map(|line| paths(line, &starts)) {
        handed_on.insert(path.last().cloned().unwrap_or_default(), path[0].clone());
    }
    let mut found = BTreeSet::new();
    let (mut waiting, mut seen) = (vec![item], BTreeSet::new());
    while let Some(item) = waiting.pop().filter(|item| !item.is_empty()) {
        if !seen.insert(item) {
            continue;
        }
        found.extend(handed_on.get(item).cloned());
        let Some(body) = items.get(item) else { continue };
        found.extend(paths(body, &starts).iter().map(|path| path[0].clone()));
        let words: BTreeSet<_> = body.split(|c| !is_of_name(c)).filter(|word| !word.is_empty()).collect();
        found.extend(words.iter().filter_map(|word| handed_on.get(*word).cloned()));
        waiting.extend(items.keys().filter(|name| words.contains(*name)));
    }
    found
}

/// What stands behind one door, the words that betray it, and the rooms that may say them.
const DOORS: [(&str, &[&str], &[&str]); 40] = [
    ("nix", &["nix::"], &["process", "files"]),
    ("rustix", &["rustix::"], &["files"]),
    ("close_fds", &["close_fds::"], &["process"]),
    ("making UUIDs", &["now_v7(", "new_v4(", "new_v5("], &["identifier"]),
    ("hmac", &["hmac::"], &["signature"]),
    ("ring", &["ring::signature::"], &["signature"]),
    ("sha1", &["sha1::"], &["signature"]),
    ("sha2", &["sha2::"], &["signature"]),
    ("base64", &["base64::"], &["signature"]),
    ("jiff", &["jiff::"], &["event", "history", "transport", "log_file", "command"]),
    ("ipnet", &["ipnet::"], &["target"]),
    ("percent-encoding", &["percent_encoding::"], &["urls", "target", "transport"]),
    (
        "serde_json",
        &["serde_json::"],
        &["appraise", "template", "format", "spool", "history", "stream", "alarm", "command"],
    ),
    ("minijinja", &["minijinja::"], &["template"]),
    ("url", &["url::"], &["urls", "target"]),
    ("gix-config", &["gix_config::"], &["config"]),
    ("gix-glob", &["gix_glob::"], &["config"]),
    ("strsim", &["strsim::"], &["config"]),
    ("bstr", &["bstr::"], &["config", "history", "command"]),
    ("git2", &["git2::"], &["repository"]),
    ("gix-commitgraph", &["gix_commitgraph::"], &["repository"]),
    ("gix-hash", &["gix_hash::"], &["repository"]),
    ("encoding_rs", &["encoding_rs::"], &["repository"]),
    (
        "the files below `webhook/v1`",
        &[
            "\"v1\"",
            "\"v1/",
            "\"intents\"",
            "\"receipts\"",
            "\"settled\"",
            "\"pushes\"",
            "\"queue\"",
            "place(\"stuck\")",
            "\"deferred\"",
            "join(\"dead\")",
        ],
        &["spool", "state_dir"],
    ),
    ("the files below `webhook/log`", &["join(\"log\")"], &["history", "state_dir"]),
    ("ureq", &["ureq::"], &["transport"]),
    ("rustls", &["rustls::"], &["target", "transport", "stream"]),
    ("x509-cert", &["x509_cert::"], &["transport"]),
    ("openssl-probe", &["openssl_probe::"], &["transport"]),
    ("rustls-native-certs", &["rustls_native_certs::"], &["transport"]),
    (
        "threads",
        &["thread::spawn", "thread::scope", "thread::Builder"],
        &["process", "transport", "dispatch", "worker", "command"],
    ),
    ("env_logger", &["env_logger::"], &["log_file"]),
    ("httparse", &["httparse::"], &["command", "transport"]),
    ("clap", &["clap::"], &["command"]),
    ("unicode-width", &["unicode_width::"], &["command"]),
    ("terminal_size", &["terminal_size::"], &["command"]),
    // It is there to be part of the program, and libgit2 calls it.
    ("libz-sys", &[], &[]),
    ("libm", &["libm::"], &["template"]),
    ("log", &[], &[]),
    ("serde", &[], &[]),
];

/// A library, a kind of file and the like is used in the rooms of its door alone, and a library has a door, though it be
/// one that stands open everywhere.
pub fn doors(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in sources(tree, "src") {
        let (code, room) = (code(text), module(path).and_then(|module| module.into_iter().next()).unwrap_or_default());
        for (name, words, rooms) in DOORS {
            if words.iter().any(|word| stands(&code, word)) && !rooms.contains(&room.as_str()) {
                faults.push(format!("{path} uses {name}, whose door is {}", rooms.join(", ")));
            }
        }
    }
    let libraries = text(tree, "Cargo.toml").split("[dependencies]\n").nth(1).unwrap_or_default();
    let lines = libraries.lines().take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    for library in lines.filter_map(|line| Some(line.split_once(" = ")?.0)) {
        // Its type is used everywhere; who makes one stands above.
        if library != "uuid" && !DOORS.iter().any(|(name, ..)| *name == library) {
            faults.push(format!("Cargo.toml has {library}, to which tests/house/walls.rs knows no door"));
        }
    }
    faults
}

/// The table of `docs/architecture.md` has the doors, all of them and no other, and the modules in their order.
pub fn claims(tree: &Tree) -> Vec<String> {
    let page = text(tree, "docs/architecture.md");
    let table = page.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    let rows = table.map_while(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let mut claimed = Vec::new();
    let mut rooms = Vec::new();
    for cells in rows.map(|line| line.split(" | ").map(str::trim).collect::<Vec<_>>()) {
        let room = cells[0].trim_end_matches('/');
        rooms.push(room.to_owned());
        let things = cells.get(2).into_iter().flat_map(|cell| cell.split(", ")).filter(|thing| !thing.is_empty());
        claimed.extend(things.map(|thing| (thing.to_owned(), room.to_owned())));
    }
    let kept =
        DOORS.iter().flat_map(|(name, _, rooms)| rooms.iter().map(|room| ((*name).to_owned(), (*room).to_owned())));
    let kept: Vec<_> = kept.collect();
    let lacking = kept.iter().filter(|door| !claimed.contains(door));
    let lacking =
        lacking.map(|(thing, room)| format!("docs/architecture.md: the row of {room} lacks its door, {thing}"));
    let unkept = claimed.iter().filter(|door| !kept.contains(door));
    let unkept = unkept.map(|(thing, room)| format!("docs/architecture.md: no rule keeps the door of {room}, {thing}"));
    let mut faults: Vec<_> = lacking.chain(unkept).collect();
    if rooms != children(text(tree, "src/lib.rs")) {
        faults.push("docs/architecture.md: the modules are not those of src/lib.rs, in their order".into());
    }
    faults
}

/// A file opens with one sentence that says what it is for.
pub fn duty(tree: &Tree) -> Vec<String> {
    let files = ["src", "tests", "benches"].into_iter().flat_map(|directory| sources(tree, directory));
    let is_mute = |text: &str| !text.starts_with("//! ") || text.lines().next().is_none_or(|line| line.len() <= 20);
    let mute = files.filter(|(_, text)| is_mute(text));
    mute.map(|(path, _)| format!("{path} does not open with one sentence on what it is for")).collect()
}

mod tests {
    use super::*;
    use crate::{finds, finds_changed};

    const LIB: (&str, &str) = ("src/lib.rs", "pub mod a;\n\npub mod b;\n");

    #[test]
    fn a_module_uses_only_those_above_it() {
        let fault = "src/a.rs uses b, which does not stand above it";
        finds(order, &[LIB, ("src/a.rs", "use crate::{b::X};\n"), ("src/b.rs", "use crate::a::Y;\n")], fault);
        finds(order, &[LIB, ("src/a.rs", "fn f() {\n    super::b::x();\n}\n"), ("src/b.rs", "")], fault);
        let behind_a_test = "#[cfg(test)]\nuse crate::b::T;\n\nfn f(b: crate::b::X) {}\n";
        finds(order, &[LIB, ("src/a.rs", behind_a_test), ("src/b.rs", "")], fault);
    }

    #[test]
    fn a_module_that_is_listed_nowhere_is_above_nothing() {
        let fault = "src/b.rs uses c, which does not stand above it";
        finds(order, &[LIB, ("src/b.rs", "use crate::c::X;\n"), ("src/c.rs", "")], fault);
    }

    #[test]
    fn a_file_uses_only_those_above_it_in_its_folder() {
        let folder = ("src/a/mod.rs", "mod one;\npub(crate) mod two;\n\nuse two::X;\n");
        let fault = "src/a/one.rs uses a::two, which does not stand above it";
        let two = ("src/a/two.rs", "use super::one::Y;\n");
        finds(order, &[LIB, folder, ("src/a/one.rs", "use super::two::X;\n"), two], fault);
        finds(order, &[LIB, folder, ("src/a/one.rs", "use crate::a::two::X;\n"), two], fault);
    }

    #[test]
    fn a_neighbour_is_one_by_way_of_the_folder_too() {
        let fault = "src/a/one.rs uses a::two, which does not stand above it";
        let through = |face: &str, one: &str| {
            let face = format!("mod one;\nmod two;\n\n{face}");
            finds(order, &[LIB, ("src/a/mod.rs", &face), ("src/a/one.rs", one), ("src/a/two.rs", "")], fault);
        };
        through("pub use two::X;\n", "use super::X;\n");
        through("use two::X;\n\nstruct Y {\n    x: X,\n}\n", "fn f(y: &super::Y) {}\n");
        through("pub fn y() {\n    z();\n}\n\nfn z() {\n    two::x();\n}\n", "fn f() {\n    crate::a::y();\n}\n");
    }

    #[test]
    fn a_library_has_a_door() {
        let fault = "src/b.rs uses git2, whose door is repository";
        finds(doors, &[("src/b.rs", "use git2::Odb;\n")], fault);
        finds(
            doors,
            &[("src/spool/x.rs", "Uuid::now_v7()")],
            "src/spool/x.rs uses making UUIDs, whose door is identifier",
        );
        let fault = "src/command/x.rs uses the files below `webhook/v1`, whose door is spool, state_dir";
        finds(doors, &[("src/command/x.rs", "root.join(\"v1/queue\")")], fault);
        let fault = "src/spool/x.rs uses threads, whose door is process, transport, dispatch, worker, command";
        finds(doors, &[("src/spool/x.rs", "std::thread::spawn(f)")], fault);
        let fault = "Cargo.toml has tabled, to which tests/house/walls.rs knows no door";
        finds(doors, &[("Cargo.toml", "[dependencies]\nlog = \"1\"\ntabled = \"2\"\n\n[lints]\nx = 1\n")], fault);
    }

    #[test]
    fn a_door_is_claimed_and_kept() {
        let page = "docs/architecture.md";
        finds_changed(claims, (page, "| git2,", "|"), "the row of repository lacks its door, git2");
        finds_changed(claims, (page, "| git2,", "| git2, libc,"), "no rule keeps the door of repository, libc");
        finds_changed(claims, ("src/lib.rs", "pub mod spool;", ""), "the modules are not those of src/lib.rs");
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        let fault = "tests/x.rs does not open with one sentence on what it is for";
        finds(duty, &[("tests/x.rs", "use std::fs;\n"), ("src/a.rs", "//! Guards the walls of the house.\n")], fault);
    }
}
