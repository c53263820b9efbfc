//! Buildbot's change hooks: the changes that a master records are the commits that were pushed.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::reviews::Reviews;
use crate::support::{Ends, Receiver, World};

use super::{Judge, Move, Step, TAG_DELETION, replay, tour_unseen, world};

const SECRET: &str = "a secret of sufficient length";

/// A master with a directory of its own.
struct Master {
    judge: Judge,
    seen: usize,
    _directory: TempDir,
}

/// A change, as far as a push decides it.
#[derive(Debug, PartialEq)]
struct Change {
    branch: String,
    revision: String,
    author: String,
    comments: String,
    /// Seconds since 1970; none where Buildbot sets the time of its own clock.
    time: Option<u64>,
    /// Sorted.
    files: Vec<String>,
    revlink: String,
}

impl Master {
    fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("git-webhook-buildbot").tempdir().unwrap();
        let config = concat!("--config=", env!("CARGO_MANIFEST_DIR"), "/tests/outside/master.cfg");
        let mut create = Command::new(Judge::installed("venv/bin/buildbot"));
        create.args(["create-master", "--quiet", "--no-logrotate", config]).arg(directory.path()).env("SECRET", SECRET);
        let created = create.ends();
        assert!(created.status.success(), "{created:?}");
        let mut command = Judge::command(Judge::installed("venv/bin/twistd"), SECRET);
        command
            .args(["--nodaemon", "--no_save", "--pidfile=", "--python", "buildbot.tac"])
            .current_dir(directory.path());
        let judge = Judge::start(&mut command, |line| Some(line.split_once("BuildbotSite starting on ")?.1));
        Self { judge, seen: 0, _directory: directory }
    }

    /// The changes recorded since this was called last, in the order in which they were recorded.
    fn changes(&mut self) -> Vec<Change> {
        let mut all = self.judge.get(&format!("/api/v2/changes?changeid__gt={}", self.seen));
        let changes = all["changes"].as_array_mut().unwrap();
        changes.sort_by_key(|change| change["changeid"].as_u64());
        self.seen += changes.len();
        changes.iter().map(read).collect()
    }
}

/// A change, as the interface tells it; the test's commits are of 2023 and 2024.
fn read(change: &Value) -> Change {
    let text = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
    let files = change["files"].as_array().unwrap().iter();
    let mut files: Vec<_> = files.map(|file| file.as_str().unwrap().to_owned()).collect();
    files.sort();
    let time = change["when_timestamp"].as_u64().filter(|time| *time < 1_710_000_000);
    let (branch, revision, author) = (text("branch"), text("revision"), text("author"));
    Change { branch, revision, author, comments: text("comments"), time, files, revlink: text("revlink") }
}

/// What git says of a commit; a file that moved is told by its new path alone where `moved` is set.
fn commit(world: &World, id: &str, branch: &str, page: &str, moved: bool) -> Change {
    let show = |format: &str| world.server_git(&["log", "-1", &format!("--format={format}"), id]);
    let renames = if moved { "--find-renames=100%" } else { "--no-renames" };
    let list = ["log", "-1", "--format=", "--name-only", "--diff-merges=first-parent", "-z", renames, id];
    let mut files: Vec<_> =
        world.server_git(&list).split('\0').filter(|file| !file.is_empty()).map(String::from).collect();
    files.sort();
    Change {
        branch: branch.into(),
        revision: id.into(),
        author: show("%an <%ae>"),
        comments: show("%B") + "\n",
        time: Some(show("%ct").parse().unwrap()),
        files,
        revlink: format!("https://git.example.org/group/project{page}{id}"),
    }
}

/// The commits a ref update brought, oldest first.
fn range(world: &World, step: &Step, moved: &Move) -> Vec<String> {
    if moved.is_deletion() {
        return Vec::new();
    }
    let mut arguments = vec![moved.new.clone()];
    match moved.is_creation() {
        true => arguments.extend(step.hidden.iter().cloned()),
        false => arguments.push(format!("^{}", moved.old)),
    }
    let mut list = world.rev_list(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    list.reverse();
    list
}

fn newest(mut list: Vec<String>, limit: usize) -> Vec<String> {
    list.split_off(list.len().saturating_sub(limit))
}

fn peeled(world: &World, id: &str) -> String {
    world.server_git(&["rev-parse", &format!("{id}^{{commit}}")])
}

/// Takes a dialect through the tour and compares what is recorded with what `expected` says of each ref update. The step
/// `refused` is one that Buildbot cannot take from the forge either.
fn judge(format: &str, dialect: &str, refused: Option<&str>, expected: impl Fn(&World, &Step, &Move) -> Vec<Change>) {
    let mut master = Master::start();
    let path = format!("/change_hook/{dialect}");
    let world = world(&master.judge.url(&path), format);
    world.configure("webhook.ci.secret", SECRET);
    tour_unseen(&world, |step| {
        match refused == Some(step.name) {
            true => assert!(step.said[0].contains("(answered 500)"), "{:?}", step.said),
            false => step.is_taken(&world),
        }
        let changes = master.changes();
        let mut count = 0;
        for moved in &step.moves {
            let expected = expected(&world, step, moved);
            let recorded: Vec<_> = changes.iter().filter(|change| is_of(change, moved)).collect();
            assert_eq!(recorded, expected.iter().collect::<Vec<_>>(), "{}: {}", step.name, moved.name);
            count += expected.len();
        }
        assert_eq!(changes.len(), count, "{}", step.name);
    });
}

fn is_of(change: &Change, moved: &Move) -> bool {
    change.branch == moved.name || change.branch == moved.short()
}

#[test]
#[ignore = "needs buildbot: run tests/run"]
fn buildbot_records_what_gitlab_would_tell() {
    judge("gitlab", "gitlab", None, |world, step, moved| {
        let ids = match (moved.is_tag(), moved.is_deletion()) {
            (_, true) => Vec::new(),
            (true, false) => vec![peeled(world, &moved.new)],
            (false, false) => newest(range(world, step, moved), 20),
        };
        ids.iter().map(|id| commit(world, id, moved.short(), "/-/commit/", true)).collect()
    });
}

#[test]
#[ignore = "needs buildbot: run tests/run"]
fn buildbot_records_what_github_would_tell() {
    judge("github", "github", None, |world, step, moved| {
        // Of a creation it takes the head alone, of a tag that moved nothing.
        let ids = match (moved.is_creation(), moved.is_tag() || moved.is_deletion()) {
            (true, _) => vec![peeled(world, &moved.new)],
            (false, true) => Vec::new(),
            (false, false) => range(world, step, moved),
        };
        ids.iter().map(|id| commit(world, id, moved.short(), "/commit/", false)).collect()
    });
}

#[test]
#[ignore = "needs buildbot: run tests/run"]
fn buildbot_records_what_gitea_would_tell() {
    // Of a deleted tag it wants a commit, and Gitea has none to send (services/repository/push.go).
    judge("gitea", "gitea", Some(TAG_DELETION), |world, step, moved| {
        let ids = match (moved.is_tag(), moved.is_deletion()) {
            (_, true) => Vec::new(),
            (true, false) => vec![peeled(world, &moved.new)],
            (false, false) => newest(range(world, step, moved), if moved.is_creation() { 10 } else { 5 }),
        };
        ids.iter().map(|id| commit(world, id, moved.short(), "/commit/", false)).collect()
    });
}

#[test]
#[ignore = "needs buildbot: run tests/run"]
fn buildbot_records_what_bitbucket_would_tell() {
    // It records a change for each ref, by whoever pushed, without commits and files.
    judge("bitbucket", "bitbucketcloud", None, |world, _, moved| {
        let id = peeled(world, if moved.is_deletion() { &moved.old } else { &moved.new });
        vec![Change {
            branch: moved.name.clone(),
            author: "alice <alice>".into(),
            comments: format!("Bitbucket Cloud commit {id}"),
            time: None,
            files: Vec::new(),
            revlink: format!("https://git.example.org/group/project/commits/{id}"),
            revision: id,
        }]
    });
}

#[test]
#[ignore = "needs buildbot: run tests/run"]
fn buildbot_refuses_a_wrong_secret() {
    let master = Master::start();
    let answers = |format, dialect: &str| {
        let secrets = [SECRET, "another secret, as long as it"];
        replay(&master.judge, &format!("/change_hook/{dialect}"), format, "webhook.ci.secret", secrets)
    };
    // GitLab's token says nothing of the body.
    assert_eq!(answers("gitlab", "gitlab"), [200, 200, 400]);
    assert_eq!(answers("github", "github"), [200, 400, 400]);
    assert_eq!(answers("gitea", "gitea"), [200, 400, 400]);
}

/// Of merge requests Buildbot records the head of each event, and of comments on them too.
#[test]
#[ignore = "needs buildbot: run tests/run"]
fn buildbot_takes_gitlabs_merge_requests_and_comments() {
    let mut master = Master::start();
    let world = world(&master.judge.url("/change_hook/gitlab"), "gitlab");
    world.configure("webhook.ci.secret", SECRET);
    let reviews = Reviews::of(world, Receiver::new());
    master.changes();
    let mut recorded = 0;
    reviews.tour(|what| {
        let attempts = reviews.world.attempts();
        let failed: Vec<_> = attempts.iter().filter(|attempt| attempt["state"] != "delivered").collect();
        assert!(failed.is_empty(), "{what}: {failed:#?}\n{:#?}", master.judge.said());
        let changes = master.changes();
        if matches!(what, "open" | "update" | "reopen") {
            assert_eq!(changes.len(), 1, "{what}");
            assert_eq!(changes[0].revision, reviews.world.id("topic"), "{what}");
        }
        recorded += changes.len();
    });
    assert!(recorded >= 3, "{recorded}");
}
