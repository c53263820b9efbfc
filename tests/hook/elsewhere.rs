//! Objects outside the repository's own directory: `GIT_OBJECT_DIRECTORY` and `GIT_ALTERNATE_OBJECT_DIRECTORIES` of
//! receive-pack, as hosting software sets them.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use crate::support::{Receiver, World};

/// A world whose git serves pushes with this in its environment, `$store` and `$work` being the two other places.
struct Hosted {
    world: World,
    receiver: Receiver,
    receive_pack: String,
}

const OWN: &str = "GIT_OBJECT_DIRECTORY=$store";
const ALTERNATE: &str = "GIT_ALTERNATE_OBJECT_DIRECTORIES=$work";
const BOTH: &str = "GIT_OBJECT_DIRECTORY=$store GIT_ALTERNATE_OBJECT_DIRECTORIES=$work:/nowhere";
// As of the repository, where receive-pack stands.
const RELATIVE: &str = "GIT_OBJECT_DIRECTORY=../store";

impl Hosted {
    fn new(environment: &str) -> Self {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let store = world.path("store");
        fs::create_dir(&store).unwrap();
        let work = world.work().join(".git/objects");
        let environment =
            environment.replace("$store", store.to_str().unwrap()).replace("$work", work.to_str().unwrap());
        let receive_pack = format!("--receive-pack=env {environment} git-receive-pack");
        let hosted = Self { world, receiver, receive_pack };
        hosted.world.commit("one");
        hosted
    }

    fn push(&self, refs: &[&str]) {
        let pushed = self.world.push_with(&[&self.receive_pack], refs);
        assert!(pushed.accepted, "{}", pushed.output);
    }

    /// The subjects of the commits that one event lists.
    fn told(&self) -> Vec<String> {
        let json = self.receiver.take_one().json();
        let commits = json["commits"].as_array().unwrap();
        assert_eq!(json["total_commits_count"], commits.len());
        commits.iter().map(|commit| commit["message"].as_str().unwrap().trim_end().to_owned()).collect()
    }

    fn post_receive(&self) -> PathBuf {
        self.world.server().join("hooks/post-receive")
    }

    /// Pushes with no post-receive to come, and has it be over.
    fn push_untold(&self) {
        let hook = self.post_receive();
        let kept = hook.with_extension("off");
        fs::rename(&hook, &kept).unwrap();
        self.push(&["main"]);
        fs::rename(&kept, &hook).unwrap();
        self.world.machine_restarts();
    }
}

#[test]
fn objects_are_read_where_receive_pack_has_them() {
    for environment in [OWN, ALTERNATE, BOTH, RELATIVE] {
        let hosted = Hosted::new(environment);
        hosted.push(&["main"]);
        assert_eq!(hosted.told(), ["one"], "{environment}");
        hosted.world.commit("two");
        hosted.push(&["main:topic"]);
        assert_eq!(hosted.told(), ["two"], "{environment}");
        assert_eq!(hosted.world.log(), "");
    }
}

/// What pre-receive finds is git's quarantine, and is gone afterwards.
#[test]
fn what_pre_receive_wrote_down_is_where_they_are_after_it() {
    for environment in [OWN, ALTERNATE, BOTH, RELATIVE] {
        let hosted = Hosted::new(environment);
        hosted.push_untold();
        // Here nothing of that environment is set.
        hosted.world.webhook(&["flush"]);
        assert_eq!(hosted.told(), ["one"], "{environment}");
    }
}

#[test]
#[ignore = "needs root: run tests/run"]
fn what_another_user_wrote_down_leads_nowhere() {
    let hosted = Hosted::new(OWN);
    hosted.world.configure("core.sharedRepository", "group");
    hosted.push_untold();
    chown(&hosted.world.intents()[0], Some(1), None).unwrap();
    hosted.world.webhook(&["flush"]);
    assert!(hosted.told().is_empty());
}

#[test]
fn a_new_commit_that_is_not_found_is_named() {
    let hosted = Hosted::new(OWN);
    hosted.push_untold();
    fs::remove_dir_all(hosted.world.path("store")).unwrap();
    let id = hosted.world.id("main");
    let output = hosted.world.webhook(&["flush"]);
    assert_eq!(hosted.receiver.requests()[0].json()["after"], id.as_str());
    assert!(hosted.told().is_empty());
    let said = format!("main: {id}, where it points now, is not among the repository's objects or cannot be read");
    for log in [String::from_utf8_lossy(&output.stderr).into_owned(), hosted.world.log()] {
        assert!(log.contains(&said), "{log}");
    }
}

/// What lies elsewhere is no sign of a restored backup: a timer goes on.
#[test]
fn a_push_to_elsewhere_is_no_restored_backup() {
    for environment in [OWN, ALTERNATE, BOTH, "GIT_OBJECT_DIRECTORY=$store:x"] {
        let hosted = Hosted::new(environment);
        fs::create_dir_all(hosted.world.path("store:x")).unwrap();
        hosted.push(&["main"]);
        assert_eq!(hosted.told(), ["one"], "{environment}");
        let output = hosted.world.webhook(&["flush"]);
        assert!(output.status.success(), "{environment}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(hosted.world.webhook(&["status"]).status.code(), Some(0), "{environment}");
    }
}

/// The total is short then, and the log says of what.
#[test]
fn an_ancestor_that_is_not_found_is_named() {
    let hosted = Hosted::new(OWN);
    let base = hosted.world.id("main");
    hosted.world.commit("two");
    hosted.push_untold();
    let store = hosted.world.path("store");
    let tip = hosted.world.git(&["cat-file", "commit", "main"]);
    fs::remove_dir_all(store).unwrap();
    let mut keep = hosted.world.command("git", &hosted.world.server());
    let output = hosted.world.feed(
        keep.args(["hash-object", "-t", "commit", "-w", "--literally", "--stdin"]),
        format!("{tip}\n").as_bytes(),
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), hosted.world.id("main"));
    hosted.world.webhook(&["flush"]);
    assert_eq!(hosted.told(), ["two"]);
    let log = hosted.world.log();
    assert!(
        log.contains(&format!("main: {base}, which its new commits build on, is not among the repository's objects")),
        "{log}"
    );
}
