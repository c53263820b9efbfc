//! The files a commit changed, compared with `git log --name-status --no-renames` on the same repository.

use std::collections::BTreeMap;
use std::path::Path;

use git_webhook::config::Configuration;
use git_webhook::event::{Changes, Context, EventKind};
use git_webhook::pipeline::Scene;
use git_webhook::process::Environment;
use git_webhook::ref_update::{ObjectFormat, ObjectId, RefName, RefUpdate};
use git_webhook::repository::{self, Reader, Wanted};

use crate::support::{Ends, World};

/// A stream for fast-import that does to a tree all that can be done, by numbers from a generator with a fixed seed.
struct Import {
    stream: Vec<u8>,
    state: u64,
}

impl Import {
    fn random(&mut self, below: u64) -> u64 {
        // xorshift64: any numbers will do, as long as they are the same each time.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }

    fn say(&mut self, line: &str) {
        self.stream.extend(line.as_bytes());
        self.stream.push(b'\n');
    }

    fn commit(&mut self, number: usize) {
        let who = format!("A <a@x> {} +0000", 1_700_000_000 + number);
        self.say(&format!("commit refs/heads/main\nmark :{number}\nauthor {who}\ncommitter {who}\ndata 2\nm\n"));
        // A merge now and then: it is compared with its first parent.
        if number > 30 && self.random(12) == 0 {
            self.say(&format!("from :{}\nmerge :{}", number - 1, number - 20));
        }
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.random(4);
        let names = ["a", "a.b", "a-b", "ab", "b c", "ü", "\"q\"", "new\\nline", "zz"];
        let parts: Vec<_> = (0..depth).map(|_| names[self.random(names.len() as u64) as usize]).collect();
        format!("\"{}\"", parts.join("/").replace('"', "\\\""))
    }

    fn change(&mut self) {
        let path = self.path();
        let content = self.random(6);
        match self.random(10) {
            0..=1 => self.say(&format!("D {path}")),
            2 => self.say(&format!("M 100755 inline {path}\ndata 2\n{content}")),
            3 => self.say(&format!("M 120000 inline {path}\ndata 2\n{content}")),
            4 => self.say(&format!("M 160000 {:040} {path}", content + 1)),
            _ => self.say(&format!("M 100644 inline {path}\ndata 2\n{content}")),
        }
    }
}

/// What git says each commit changed, by its id.
fn git_says(world: &World) -> BTreeMap<String, Changes> {
    let arguments = ["log", "--format=%x01%H", "--first-parent", "-m", "--name-status", "--no-renames", "-z", "main"];
    let mut command = world.command("git", &world.server());
    let output = command.args(arguments).ends();
    assert!(output.status.success());
    let mut all = BTreeMap::new();
    for commit in output.stdout.split(|byte| *byte == 1).filter(|part| !part.is_empty()) {
        let text = String::from_utf8_lossy(commit);
        let mut words = text.split('\0').map(|word| word.trim_start_matches('\n')).filter(|word| !word.is_empty());
        let id = words.next().unwrap().to_owned();
        let mut changes = Changes::default();
        while let (Some(status), Some(path)) = (words.next(), words.next()) {
            let list = match status {
                "A" => &mut changes.added,
                "D" => &mut changes.removed,
                _ => &mut changes.modified,
            };
            list.push(path.to_owned());
        }
        all.insert(id, changes);
    }
    all
}

/// What we say of every commit of main.
fn we_say(world: &World) -> BTreeMap<String, Changes> {
    let server = world.server();
    let environment = Environment::new([("GIT_CONFIG_NOSYSTEM".into(), "1".into())]);
    let configuration = Configuration::read(&server, &server, &environment).unwrap();
    let objects = repository::open(&server, configuration.layout).unwrap();
    let updates = [update(world, &server)];
    let wanted = Wanted { commits: usize::MAX, paths: usize::MAX, ..Wanted::default() };
    let mut reader = Reader::new(&server, configuration.layout, &objects, &updates, wanted);
    let (git_dir, namespace) = (server.as_path(), Default::default());
    let scene = Scene { git_dir, configuration: &configuration, environment: &environment, namespace };
    let context: Context = scene.context(false, 0, &mut reader);
    let mut events = reader.events(git_webhook::identifier::event(), &updates[0], &context.into());
    let EventKind::Push(push) = events.remove(0).kind else { panic!("a branch") };
    let changes = |commit: &git_webhook::event::Commit| Changes { renamed: Vec::new(), ..commit.changes.clone() };
    push.commits.iter().map(|commit| (commit.id.to_string(), changes(commit))).collect()
}

fn update(world: &World, _server: &Path) -> RefUpdate {
    let tip = world.server_git(&["rev-parse", "main"]);
    RefUpdate {
        old: None,
        new: ObjectId::from_hex(tip.as_bytes()).unwrap(),
        format: ObjectFormat::Sha1,
        name: RefName::new("refs/heads/main"),
        alias: None,
    }
}

fn import(world: &World, import: &Import) {
    let mut command = world.command("git", &world.server());
    let output = world.feed(command.args(["fast-import", "--quiet", "--force"]), &import.stream);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn compare(world: &World, commits: usize) {
    let (git, we) = (git_says(world), we_say(world));
    assert_eq!((git.len(), we.len()), (commits, commits));
    for (id, changes) in git {
        assert_eq!(we[&id], changes, "{id}");
    }
}

#[test]
fn generated_trees_of_every_kind_of_entry() {
    let world = World::new();
    let mut stream = Import { stream: Vec::new(), state: 0x2545_f491_4f6c_dd1d };
    for number in 1..=600 {
        stream.commit(number);
        for _ in 0..=stream.random(8) {
            stream.change();
        }
        stream.say("");
    }
    import(&world, &stream);
    compare(&world, 600);
}

#[test]
fn fifty_thousand_files() {
    let world = World::new();
    let mut stream = Import { stream: Vec::new(), state: 1 };
    stream.commit(1);
    for number in 0..50_000 {
        let path = format!("d{}/e{}/f{}/file{number}", number % 20, number % 17, number % 13);
        stream.say(&format!("M 100644 inline {path}\ndata 2\nx\n"));
    }
    for commit in 2..=120 {
        stream.commit(commit);
        for _ in 0..3 {
            let number = stream.random(50_000);
            let path = format!("d{}/e{}/f{}/file{number}", number % 20, number % 17, number % 13);
            let content = stream.random(9);
            stream.say(&format!("M 100644 inline {path}\ndata 2\n{content}\n"));
        }
    }
    import(&world, &stream);
    compare(&world, 120);
}

#[test]
fn a_file_that_moved_unchanged_is_a_rename_to_gitlab() {
    let receiver = crate::support::Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.write("a/one.txt", "same\n");
    world.write("a/two.txt", "same\n");
    world.commit_all("first");
    world.push(&["main"]);
    receiver.take();
    world.git(&["mv", "a", "b"]);
    world.write("b/two.txt", "other\n");
    world.commit_all("second");
    world.push(&["main"]);
    let commit = &receiver.take_one().json()["commits"][0];
    assert_eq!(commit["added"].to_string(), r#"["b/one.txt","b/two.txt"]"#);
    assert_eq!(commit["removed"].to_string(), r#"["a/two.txt"]"#);
}
