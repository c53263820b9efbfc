//! Malformed and hostile objects, each by its number in the list of bad inputs: the event comes, with what can be read.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Receiver, Request, World, ZERO};

struct Crafted {
    world: World,
    receiver: Receiver,
    /// A commit to build on, and its tree.
    base: String,
    tree: String,
}

impl Crafted {
    fn new() -> Self {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.commit("base");
        assert!(world.push(&["main"]).accepted);
        receiver.take();
        let (base, tree) = (world.id("HEAD"), world.id("HEAD^{tree}"));
        Self { world, receiver, base, tree }
    }

    /// Puts an object into the bare repository as it is.
    fn object(&self, kind: &str, data: &[u8]) -> String {
        let mut command = self.world.command("git", &self.world.server());
        let output = self.world.feed(command.args(["hash-object", "-w", "--literally", "-t", kind, "--stdin"]), data);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A commit on the base with this header after its parent, and this message.
    fn commit(&self, header: &[u8], message: &[u8]) -> String {
        let start = format!("tree {}\nparent {}\n", self.tree, self.base);
        self.object("commit", &[start.as_bytes(), header, b"\n", message].concat())
    }

    /// Tells the hook of a ref update, as receive-pack would, and returns the one request that came of it.
    fn told(&self, old: &str, new: &str, name: &str) -> Request {
        let line = format!("{old} {new} {name}\n");
        let output = self.world.feed(&mut self.world.hook(), line.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!self.world.log().contains("panicked"), "{}", self.world.log());
        self.receiver.take_one()
    }

    /// The one commit that a branch at `id` brings.
    fn brought(&self, id: &str) -> Value {
        let json = self.told(ZERO, id, "refs/heads/x").json();
        assert_eq!(json["checkout_sha"], id);
        assert_eq!(json["total_commits_count"], 1, "{json:#}");
        json["commits"][0].clone()
    }
}

const WHO: &str = "author A <a@x> 1700000000 +0100\ncommitter C <c@x> 1700000000 +0100\n";

#[test]
fn bad_66_and_67_a_nul_and_escapes_in_a_message() {
    let crafted = Crafted::new();
    let id = crafted.commit(WHO.as_bytes(), b"one\0two \x1b]0;x\x07\n");
    assert_eq!(crafted.brought(&id)["message"], "one\0two \x1b]0;x\x07\n");
}

#[test]
fn bad_68_to_70_encodings() {
    let crafted = Crafted::new();
    for (encoding, expected) in [
        ("", "Gr\u{fffd}\u{fffd}e\n"),
        ("encoding ISO-8859-1\n", "Grüße\n"),
        ("encoding x-evil\r\n", "Gr\u{fffd}\u{fffd}e\n"),
    ] {
        let id = crafted.commit(format!("{WHO}{encoding}").as_bytes(), b"Gr\xfc\xdfe\n");
        assert_eq!(crafted.brought(&id)["message"], expected, "{encoding}");
    }
    for (encoding, bytes, expected) in [
        ("Shift_JIS", &b"\x93\xfa\x96\x7b\n"[..], "日本\n"),
        ("CP936", b"\xd6\xd0\n", "中\n"),
        ("latin-1", b"\xfc\n", "ü\n"),
        ("ISO-2022-KR", b"plain\n", "plain\n"),
        ("UTF-16", b"plain\n", "plain\n"),
    ] {
        let id = crafted.commit(format!("{WHO}encoding {encoding}\n").as_bytes(), bytes);
        let commit = crafted.brought(&id);
        assert_eq!((&commit["message"], &commit["author"]["email"]), (&json!(expected), &json!("a@x")), "{encoding}");
    }
}

#[test]
fn bad_72_an_empty_message() {
    let crafted = Crafted::new();
    let commit = crafted.brought(&crafted.commit(WHO.as_bytes(), b""));
    assert_eq!((&commit["message"], &commit["title"]), (&json!(""), &json!("No commit message")));
}

#[test]
fn bad_73_a_commit_that_is_all_header() {
    let crafted = Crafted::new();
    let id = crafted
        .object("commit", format!("tree {}\nparent {}\n{}", crafted.tree, crafted.base, WHO.trim_end()).as_bytes());
    let commit = crafted.brought(&id);
    assert_eq!((&commit["message"], &commit["author"]["name"]), (&json!(""), &json!("A")));
}

#[test]
fn bad_74_to_76_people_may_be_missing() {
    let crafted = Crafted::new();
    for (header, name, email) in [
        ("committer C <c@x> 1 +0000\n", "", ""),
        ("author A <a@x> 1 +0000\n", "A", "a@x"),
        ("author no brackets 1 +0000\ncommitter C <c@x> 1 +0000\n", "no brackets 1 +0000", ""),
        ("", "", ""),
    ] {
        let commit = crafted.brought(&crafted.commit(header.as_bytes(), b"m\n"));
        assert_eq!(commit["author"], json!({"name": name, "email": email}), "{header}");
        assert_eq!(commit["message"], "m\n");
    }
}

#[test]
fn bad_78_to_80_odd_names() {
    let crafted = Crafted::new();
    for (name, expected) in [(&b"a\rb"[..], "a\rb"), (b"a\0b", "a\0b"), (b"a <b", "a"), (b"\xff", "\u{fffd}")] {
        let header = [b"author ", name, b" <a@x> 1 +0000\ncommitter C <c@x> 1 +0000\n"].concat();
        assert_eq!(crafted.brought(&crafted.commit(&header, b"m\n"))["author"]["name"], expected);
    }
}

#[test]
fn bad_81_to_87_odd_times() {
    let crafted = Crafted::new();
    for (time, expected) in [
        ("-1 +0000", "1969-12-31T23:59:59+00:00"),
        ("99999999999999999999 +0000", "9999-12-29T22:00:00+00:00"),
        ("", "1970-01-01T00:00:00+00:00"),
        ("7 +9999", "1970-01-01T00:00:07+00:00"),
        ("7 -9999", "1970-01-01T00:00:07+00:00"),
        ("7 +051800", "1970-01-01T00:00:07+00:00"),
        ("7 junk", "1970-01-01T00:00:07+00:00"),
    ] {
        let header = format!("author A <a@x> 1 +0000\ncommitter C <c@x> {time}\n");
        assert_eq!(crafted.brought(&crafted.commit(header.as_bytes(), b"m\n"))["timestamp"], expected, "{time}");
    }
}

#[test]
fn bad_88_and_90_two_authors_and_unknown_headers() {
    let crafted = Crafted::new();
    let header = format!(
        "author First <f@x> 1 +0000\n{WHO}x-unknown a\rb\ngpgsig -----BEGIN\n author Z <z@x> 1 +0000\n -----END\n"
    );
    assert_eq!(crafted.brought(&crafted.commit(header.as_bytes(), b"m\n"))["author"]["name"], "First");
}

#[test]
fn bad_91_and_92_duplicate_and_sixty_four_parents() {
    let crafted = Crafted::new();
    let parent = |id: &str| format!("parent {id}\n");
    let sides: Vec<_> = (0..64).map(|n| crafted.commit(WHO.as_bytes(), format!("side {n}\n").as_bytes())).collect();
    let parents: String = sides.iter().map(|id| parent(id)).collect();
    let octopus = crafted.object("commit", format!("tree {}\n{parents}{WHO}\nm\n", crafted.tree).as_bytes());
    let request = crafted.told(&crafted.base, &octopus, "refs/heads/x");
    assert_eq!(request.json()["total_commits_count"], 65);
    assert_eq!(crafted.world.rev_list(&[&format!("{}..{octopus}", crafted.base)]).len(), 65);
    let twice = crafted.commit(format!("{}{WHO}", parent(&crafted.base)).as_bytes(), b"m\n");
    assert_eq!(crafted.told(&crafted.base, &twice, "refs/heads/x").commits(), [twice]);
}

#[test]
fn bad_93_and_94_huge_names_and_messages_are_cut_and_memory_is_bounded() {
    let crafted = Crafted::new();
    let header = format!("author {} <a@x> 1 +0000\ncommitter C <c@x> 1 +0000\n", "n".repeat(1 << 20));
    let id = crafted.commit(header.as_bytes(), &vec![b'm'; 50 << 20]);
    let line = format!("{ZERO} {id} refs/heads/x\n");
    let mut child = crafted.world.hook().stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), line.as_bytes()).unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let kib =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let commit = crafted.receiver.take_one().json()["commits"][0].clone();
    assert!(commit["message"].as_str().unwrap().len() < 70 << 10);
    assert!(commit["author"]["name"].as_str().unwrap().ends_with('…'));
    assert!(peak < 250 << 10, "{peak} KiB");
}

#[test]
fn bad_96_and_97_a_lone_cr_and_broken_utf8() {
    let crafted = Crafted::new();
    let id = crafted.commit(WHO.as_bytes(), b"fake\rremote: \xed\xa0\x80 \xc0\xaf\n");
    let message = crafted.brought(&id)["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("fake\rremote: \u{fffd}") && message.ends_with("\u{fffd}\n"), "{message:?}");
}

#[test]
fn bad_98_a_missing_tree_lists_no_files() {
    let crafted = Crafted::new();
    let missing = "1".repeat(40);
    let id = crafted.object("commit", format!("tree {missing}\nparent {}\n{WHO}\nm\n", crafted.base).as_bytes());
    let commit = crafted.brought(&id);
    assert_eq!((&commit["added"], &commit["removed"], &commit["message"]), (&json!([]), &json!([]), &json!("m\n")));
}

#[test]
fn bad_99_a_missing_parent_ends_the_history() {
    let crafted = Crafted::new();
    let missing = "1".repeat(40);
    let id = crafted.object("commit", format!("tree {}\nparent {missing}\n{WHO}\nm\n", crafted.tree).as_bytes());
    assert_eq!(crafted.brought(&id)["added"], json!([]));
}

/// A tree of entries `(mode, name, id)`.
fn tree(entries: &[(&str, &[u8], &str)]) -> Vec<u8> {
    let hex =
        |id: &str| -> Vec<u8> { (0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect() };
    entries.iter().flat_map(|(mode, name, id)| [mode.as_bytes(), b" ", name, b"\0", &hex(id)].concat()).collect()
}

#[test]
fn bad_100_to_111_paths_of_every_kind_are_listed() {
    let crafted = Crafted::new();
    let blob = crafted.object("blob", b"x");
    let names: [&[u8]; 9] =
        [b"new\nline", b"caf\xff", b"\"q\\", b".git", b"..", b"a/b", b"dup", b"dup", b"aaa-unsorted"];
    let mut entries: Vec<_> = names.iter().map(|name| ("100644", *name, blob.as_str())).collect();
    entries.extend([
        ("0", &b"zero-mode"[..], blob.as_str()),
        ("120000", b"link", &blob),
        ("160000", b"module", &crafted.base),
    ]);
    let tree = crafted.object("tree", &tree(&entries));
    let id = crafted.object("commit", format!("tree {tree}\nparent {}\n{WHO}\nm\n", crafted.base).as_bytes());
    let commit = crafted.brought(&id);
    let added: Vec<_> = commit["added"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    for path in
        ["new\nline", "caf\u{fffd}", "\"q\\", ".git", "..", "a/b", "dup", "aaa-unsorted", "zero-mode", "link", "module"]
    {
        assert!(added.contains(&path), "{path:?}: {added:?}");
    }
    assert_eq!(commit["removed"], json!(["base.txt"]));
}

#[test]
fn bad_112_a_tree_1500_directories_deep() {
    let crafted = Crafted::new();
    let mut id = crafted.object("blob", b"x");
    let mut mode = "100644";
    for _ in 0..1500 {
        id = crafted.object("tree", &tree(&[(mode, b"d", &id)]));
        mode = "40000";
    }
    let commit = crafted.object("commit", format!("tree {id}\nparent {}\n{WHO}\nm\n", crafted.base).as_bytes());
    let added = crafted.brought(&commit)["added"].clone();
    assert_eq!(added[0].as_str().unwrap().len(), 1500 * 2 - 1);
}

#[test]
fn a_tree_that_unfolds_to_ten_billion_files_is_listed_in_part() {
    let crafted = Crafted::new();
    let mut id = crafted.object("blob", b"x");
    let mut mode = "100644";
    for _ in 0..10 {
        let names: Vec<Vec<u8>> = (0..10).map(|n| vec![b'0' + n]).collect();
        let entries: Vec<_> = names.iter().map(|name| (mode, name.as_slice(), id.as_str())).collect();
        id = crafted.object("tree", &tree(&entries));
        mode = "40000";
    }
    let commit = crafted.object("commit", format!("tree {id}\nparent {}\n{WHO}\nm\n", crafted.base).as_bytes());
    assert_eq!(crafted.brought(&commit)["added"].as_array().unwrap().len(), 100_000);
    assert!(crafted.world.log().contains("changed files are listed in part"), "{}", crafted.world.log());
}

#[test]
fn paths_that_unfold_to_gigabytes_are_listed_in_part() {
    let crafted = Crafted::new();
    let blob = crafted.object("blob", b"x");
    let names: Vec<Vec<u8>> = (0..20_000).map(|n| format!("{n:05}").into_bytes()).collect();
    let entries: Vec<_> = names.iter().map(|name| ("100644", name.as_slice(), blob.as_str())).collect();
    let mut id = crafted.object("tree", &tree(&entries));
    for _ in 0..100 {
        id = crafted.object("tree", &tree(&[("40000", &[b'd'; 240], &id)]));
    }
    let commit = crafted.object("commit", format!("tree {id}\nparent {}\n{WHO}\nm\n", crafted.base).as_bytes());
    let request = crafted.told(ZERO, &commit, "refs/heads/x");
    assert!(request.body.len() < 20 << 20, "{}", request.body.len());
    assert!(request.json()["commits"][0]["added"].as_array().unwrap().len() > 100);
}

#[test]
fn bad_114_a_hundred_thousand_commits() {
    let crafted = Crafted::new();
    let mut stream = String::new();
    for number in 0..100_000 {
        stream += &format!("commit refs/heads/many\ncommitter C <c@x> {} +0000\ndata 2\nm\n\n", 1_700_000_000 + number);
    }
    let mut import = crafted.world.command("git", &crafted.world.server());
    assert!(crafted.world.feed(import.args(["fast-import", "--quiet"]), stream.as_bytes()).status.success());
    let tip = crafted.world.server_git(&["rev-parse", "many"]);
    let request = crafted.told(ZERO, &tip, "refs/heads/many");
    assert_eq!(request.json()["total_commits_count"], 100_000);
    assert_eq!(request.commits().len(), 20);
}

#[test]
fn bad_24_and_25_missing_ids_still_make_an_event() {
    let crafted = Crafted::new();
    let missing = "1".repeat(40);
    let gone = crafted.told(&crafted.base, &missing, "refs/heads/x").json();
    assert_eq!(
        (&gone["after"], &gone["commits"], &gone["total_commits_count"]),
        (&json!(missing), &json!([]), &json!(0))
    );
    let new = crafted.commit(WHO.as_bytes(), b"m\n");
    let from_nowhere = crafted.told(&missing, &new, "refs/heads/x");
    assert_eq!(from_nowhere.commits(), [new.as_str()], "what no other ref holds");
    assert_eq!(from_nowhere.json()["before"], missing);
    let tag = crafted.told(ZERO, &missing, "refs/tags/v1").json();
    assert_eq!((&tag["after"], &tag["checkout_sha"]), (&json!(missing), &Value::Null));
}

#[test]
fn bad_115_to_121_odd_tags() {
    let crafted = Crafted::new();
    let base = &crafted.base;
    let told = |text: String| {
        let id = crafted.object("tag", text.as_bytes());
        let json = crafted.told(ZERO, &id, "refs/tags/t").json();
        assert_eq!(json["after"], id);
        (json["checkout_sha"].clone(), json["message"].clone())
    };
    let of = |rest: &str| format!("object {base}\ntype commit\n{rest}");
    assert_eq!(told(of("tag old\n\nvery old\n")), (json!(base), json!("very old")));
    assert_eq!(told(of("tag t\ntagger nobody\n\nm\n")), (json!(base), json!("m")));
    assert_eq!(told(of("tag another-name\ntagger T <t@x> 1 +0000\n\nm\n")), (json!(base), json!("m")));
    assert_eq!(told("type commit\n\nno object\n".into()), (Value::Null, json!("no object")));
    assert_eq!(told(String::new()), (Value::Null, json!("")));
    // It claims to be a tag of a commit, and is of itself: a hash cannot be, so of a chain that is too long.
    let mut id = base.clone();
    for _ in 0..150 {
        id = crafted.object("tag", format!("object {id}\ntype tag\ntag t\n\nm\n").as_bytes());
    }
    assert_eq!(crafted.told(ZERO, &id, "refs/tags/t").json()["checkout_sha"], Value::Null);
}

#[test]
fn bad_123_a_damaged_object_is_left_out() {
    let crafted = Crafted::new();
    let first = crafted.commit(WHO.as_bytes(), b"first\n");
    let second = crafted.object("commit", format!("tree {}\nparent {first}\n{WHO}\nsecond\n", crafted.tree).as_bytes());
    let path = crafted.world.server().join("objects").join(&first[..2]).join(&first[2..]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let request = crafted.told(&crafted.base, &second, "refs/heads/x");
    assert_eq!(request.commits(), [second]);
}

/// What cannot be read of a pack is left out, and what can is told.
#[test]
fn bad_123_a_damaged_pack_costs_no_event() {
    let crafted = Crafted::new();
    let id = crafted.commit(WHO.as_bytes(), b"first\n");
    crafted.world.server_git(&["update-ref", "refs/heads/packed", &id]);
    crafted.world.server_git(&["gc", "--quiet"]);
    let pack =
        crafted.world.files("objects/pack").into_iter().find(|path| path.extension().is_some_and(|it| it == "pack"));
    let pack = pack.unwrap();
    let whole = fs::read(&pack).unwrap();
    for at in [12, whole.len() / 3, whole.len() / 2, whole.len() - 30] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::remove_file(&pack).unwrap();
        fs::write(&pack, bytes).unwrap();
        assert_eq!(crafted.told(&crafted.base, &id, &format!("refs/heads/x{at}")).json()["after"], id.as_str());
    }
}

/// Whose content nobody unpacks here.
#[test]
fn bad_104_files_of_a_directory_of_gits_are_listed() {
    let crafted = Crafted::new();
    let blob = crafted.object("blob", b"x");
    let inner = crafted.object("tree", &tree(&[("100644", b"config", &blob)]));
    let outer = crafted.object("tree", &tree(&[("40000", b".git", &inner)]));
    let id = crafted.object("commit", format!("tree {outer}\nparent {}\n{WHO}\nm\n", crafted.base).as_bytes());
    assert_eq!(crafted.brought(&id)["added"], json!([".git/config"]));
}

#[test]
fn a_branch_that_holds_no_commit_is_told_with_its_ids() {
    let crafted = Crafted::new();
    let blob = crafted.object("blob", b"x");
    for id in [&blob, &crafted.tree] {
        let json = crafted.told(ZERO, id, "refs/heads/odd").json();
        assert_eq!(
            (&json["after"], &json["commits"], &json["total_commits_count"]),
            (&json!(id), &json!([]), &json!(0))
        );
    }
}
