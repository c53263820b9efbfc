//! One repository taken through all that can happen to branches and tags, each push delivered to a receiver.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{World, ZERO};

/// The name of the last step.
pub const TAG_DELETION: &str = "tag deletion";

/// A push of the tour.
pub struct Step {
    pub name: &'static str,
    pub moves: Vec<Move>,
    /// What all refs held before, each behind `^`, for `git rev-list`.
    pub hidden: Vec<String>,
    /// What the pusher read.
    pub said: Vec<String>,
}

impl Step {
    /// Sees that the receiver took all of it.
    pub fn is_taken(&self, world: &World) {
        for line in &self.said {
            let is_taken = line.starts_with("webhook ci: delivered ") && !line.contains("not ");
            assert!(is_taken, "{}: {line}\n{}", self.name, world.log());
        }
    }
}

/// What a push did to one ref.
pub struct Move {
    /// The full ref name.
    pub name: String,
    /// The object ids, zero where there was or is none.
    pub old: String,
    pub new: String,
}

impl Move {
    pub fn is_tag(&self) -> bool {
        self.name.starts_with("refs/tags/")
    }

    pub fn is_creation(&self) -> bool {
        self.old == ZERO
    }

    pub fn is_deletion(&self) -> bool {
        self.new == ZERO
    }

    /// The branch's or tag's own name.
    pub fn short(&self) -> &str {
        self.name.splitn(3, '/').nth(2).unwrap()
    }
}

/// A world whose one target, `ci`, is at `url`, with addresses as a server would have them.
pub fn world(url: &str, format: &str) -> World {
    let world = World::new();
    for (key, value) in [
        ("webhook.homepage", "https://git.example.org/{repository}"),
        ("webhook.gitHttpUrl", "https://git.example.org/{repository}.git"),
        ("webhook.gitSshUrl", "git@git.example.org:{repository}.git"),
        ("webhook.repositoryDescription", "a project"),
        ("webhook.ci.url", url),
        ("webhook.ci.format", format),
        ("receive.denyDeleteCurrent", "ignore"),
    ] {
        world.configure(key, value);
    }
    world.give_template("ci", format);
    world
}

/// Takes a world through the tour, sees each push delivered and hands it to `look`.
pub fn tour(world: &World, mut look: impl FnMut(&Step)) {
    tour_unseen(world, |step| {
        step.is_taken(world);
        look(step);
    });
}

/// Takes a world through the tour, whatever the receiver answers.
pub fn tour_unseen(world: &World, mut look: impl FnMut(&Step)) {
    let mut push = |name, refs: &[&str]| look(&step(world, name, refs));

    world.write("README", "hello\n");
    world.write("src/main.c", "int main;\n");
    world.commit_all("Begin\n\nWith a body.\n");
    world.commit("second");
    push("first push", &["main"]);

    world.write("README", "hello, world\n");
    world.commit_all("Grüße — <say> \"hello\" & more");
    world.git(&["mv", "src/main.c", "src/start.c"]);
    world.commit_all("Rename");
    world.git(&["rm", "--quiet", "second.txt"]);
    world.commit_all("Remove");
    push("update", &["main"]);

    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    world.commit("instead");
    push("forced", &["main"]);

    world.git(&["switch", "--quiet", "--create", "side"]);
    world.commit("aside");
    world.git(&["switch", "--quiet", "main"]);
    world.commit("main-goes-on");
    world.git(&["merge", "--quiet", "--no-ff", "--message", "Merge side", "side"]);
    push("merge", &["main"]);

    for branch in ["feature/one", "feature/two", "größe"] {
        world.git(&["switch", "--quiet", "--create", branch, "main"]);
        world.commit(&format!("on {branch}"));
    }
    world.git(&["switch", "--quiet", "--create", "long", "main"]);
    (0..23).for_each(|number| drop(world.commit(&format!("n{number}"))));
    ["t1", "t2", "t3"].iter().for_each(|tag| drop(world.git(&["tag", tag, "main"])));
    push("many refs", &["feature/one", "feature/two", "größe", "long", "side", "t1", "t2", "t3"]);

    world.git(&["switch", "--quiet", "main"]);
    world.git(&["tag", "v1.0"]);
    push("lightweight tag", &["v1.0"]);
    world.git(&["tag", "--annotate", "--message", "Version 1.1\n\nWith notes.\n", "v1.1"]);
    push("annotated tag", &["v1.1"]);
    world.commit("more");
    world.git(&["tag", "--force", "v1.0"]);
    push("moved tag", &["v1.0"]);
    push("branch deletion", &[":feature/one", ":main"]);
    push(TAG_DELETION, &[":v1.0", ":v1.1"]);
}

/// Pushes, and sees that something was sent.
fn step(world: &World, name: &'static str, refs: &[&str]) -> Step {
    let (hidden, before) = (world.hidden(), refs_of(world));
    let pushed = world.push(refs);
    assert!(pushed.accepted, "{}", pushed.output);
    let after = refs_of(world);
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let id = |refs: &BTreeMap<String, String>, name| refs.get(name).cloned().unwrap_or_else(|| ZERO.into());
    let moves =
        names.into_iter().map(|name| Move { old: id(&before, name), new: id(&after, name), name: name.clone() });
    let moves: Vec<_> = moves.filter(|moved| moved.old != moved.new).collect();
    assert_eq!(moves.len(), refs.len(), "{name}");
    let said = pushed.said();
    assert!(!said.is_empty(), "{name}: nothing was delivered");
    Step { name, moves, hidden, said }
}

fn refs_of(world: &World) -> BTreeMap<String, String> {
    let refs = world.server_git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    let refs = refs.lines().map(|line| line.split_once(' ').unwrap());
    refs.map(|(name, id)| (name.to_owned(), id.to_owned())).collect()
}
