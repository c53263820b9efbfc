//! Every kind of repository git makes, each compared with git on the same repository.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use std::os::unix::process::CommandExt;

use crate::owners::bring_programs;
use crate::support::{Ends, Receiver, World, compare};

/// Pushes all there is to push: a first branch, an update, a new branch, a forced one, tags, deletions.
fn tour(world: &World, receiver: &Receiver) {
    world.commit("tour-one");
    compare(world, receiver, &["main"]);
    world.commit("tour-two");
    world.commit("tour-three");
    compare(world, receiver, &["main"]);
    world.git(&["switch", "--quiet", "--create", "topic", "main~1"]);
    world.commit("topic-one");
    compare(world, receiver, &["topic"]);
    world.git(&["reset", "--quiet", "--hard", "main~1"]);
    world.commit("topic-instead");
    compare(world, receiver, &["topic", "main:refs/heads/same"]);
    world.git(&["merge", "--quiet", "--no-ff", "--message", "merge", "main"]);
    compare(world, receiver, &["topic:main", ":refs/heads/same"]);
    world.git(&["tag", "--annotate", "--message", "x", "v1"]);
    world.push(&["v1"]);
    let tag = receiver.take_one().json();
    assert_eq!((&tag["after"], &tag["checkout_sha"]), (&world.id("v1").into(), &world.id("v1^{commit}").into()));
    assert_eq!(tag["commits"][0]["id"], world.id("v1^{commit}"));
}

fn told(options: &[&str]) -> (World, Receiver) {
    let receiver = Receiver::new();
    let world = World::with(options);
    world.add_target("ci", &receiver, "gitlab");
    (world, receiver)
}

#[test]
fn sha256() {
    let (world, receiver) = told(&["--object-format=sha256"]);
    tour(&world, &receiver);
    assert_eq!(world.id("HEAD").len(), 64);
}

#[test]
fn reftable() {
    let (world, receiver) = told(&["--ref-format=reftable"]);
    tour(&world, &receiver);
}

#[test]
fn sha256_and_reftable() {
    let (world, receiver) = told(&["--object-format=sha256", "--ref-format=reftable"]);
    tour(&world, &receiver);
}

#[test]
fn packed_objects_and_refs() {
    let (world, receiver) = told(&[]);
    world.commit("one");
    world.push(&["main", "main:refs/heads/other"]);
    world.server_git(&["gc", "--quiet"]);
    assert!(world.server().join("packed-refs").exists());
    tour(&world, &receiver);
}

#[test]
fn packed_refs_that_have_moved_since() {
    let (world, receiver) = told(&[]);
    world.commit("one");
    world.push(&["main"]);
    world.server_git(&["pack-refs", "--all"]);
    world.commit("two");
    world.push(&["main"]);
    world.git(&["switch", "--quiet", "--create", "next"]);
    world.commit("three");
    compare(&world, &receiver, &["next"]);
}

#[test]
fn objects_in_an_alternate() {
    let (world, receiver) = told(&[]);
    world.commit("one");
    world.push(&["main"]);
    fs::rename(world.server(), world.path("upstream.git")).unwrap();
    let upstream = world.path("upstream.git");
    let mut clone = world.command("git", &world.path(""));
    assert!(
        clone
            .args(["clone", "--quiet", "--bare", "--shared"])
            .args([&upstream, &world.server()])
            .ends()
            .status
            .success()
    );
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_post-receive"), world.server().join("hooks/post-receive")).unwrap();
    world.configure("webhook.repository", "group/project");
    world.add_target("ci", &receiver, "gitlab");
    assert!(world.server().join("objects/info/alternates").exists());
    tour(&world, &receiver);
}

/// Makes the server a clone of what the work tree holds, by further options of `git clone`.
fn recloned(options: &[&str]) -> (World, Receiver) {
    let (world, receiver) = told(&[]);
    for number in 0..5 {
        world.commit(&format!("before-{number}"));
    }
    let config = fs::read(world.server().join("config")).unwrap();
    fs::remove_dir_all(world.server()).unwrap();
    world.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", world.work().display());
    let mut clone = world.command("git", &world.path(""));
    clone.args(["clone", "--quiet", "--bare"]).args(options).arg(url).arg(world.server());
    assert!(clone.ends().status.success());
    let ours = String::from_utf8(config).unwrap();
    let webhook = &ours[ours.find("[webhook").unwrap()..];
    let own = fs::read_to_string(world.server().join("config")).unwrap();
    fs::write(world.server().join("config"), own + webhook).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_post-receive"), world.server().join("hooks/post-receive")).unwrap();
    (world, receiver)
}

#[test]
fn bad_99_shallow() {
    let (world, receiver) = recloned(&["--depth=2"]);
    assert!(world.server().join("shallow").exists());
    tour(&world, &receiver);
}

#[test]
fn bad_124_a_partial_clone_asks_nobody_for_blobs() {
    let (world, receiver) = recloned(&["--filter=blob:none"]);
    // git that asked the promisor would fail now.
    world.server_git(&["config", "remote.origin.url", "/nonexistent"]);
    tour(&world, &receiver);
}

#[test]
fn bad_98_and_124_a_partial_clone_without_trees_lists_commits_and_no_files() {
    let (world, receiver) = recloned(&["--filter=tree:0"]);
    world.server_git(&["config", "remote.origin.url", "/nonexistent"]);
    let (old, new) = (world.id("main~2"), world.id("main"));
    let line = format!("{old} {new} refs/heads/main\n");
    assert!(world.feed(&mut world.hook(), line.as_bytes()).status.success());
    let request = receiver.take_one();
    assert_eq!(request.commits(), [world.id("main~1"), new]);
    let commit = &request.json()["commits"][1];
    assert_eq!((commit["message"].as_str(), commit["added"].to_string().as_str()), (Some("before-4\n"), "[]"));
}

#[test]
fn a_repository_with_a_work_tree() {
    let receiver = Receiver::new();
    let world = World::new();
    let server = world.server();
    fs::remove_dir_all(&server).unwrap();
    let mut init = world.command("git", &world.path(""));
    assert!(init.args(["init", "--quiet", "--initial-branch=main"]).arg(&server).ends().status.success());
    link(&server.join(".git/hooks"));
    world.configure("receive.denyCurrentBranch", "ignore");
    world.add_target("ci", &receiver, "gitlab");
    tour(&world, &receiver);
    world.commit("more");
    world.push(&["HEAD:main"]);
    assert_eq!(receiver.take_one().json()["project"]["path_with_namespace"], "project/project");
}

fn link(hooks: &Path) {
    fs::create_dir_all(hooks).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_post-receive"), hooks.join("post-receive")).unwrap();
}

#[test]
fn a_linked_worktree() {
    let (world, receiver) = told(&[]);
    world.commit("one");
    world.push(&["main"]);
    world.server_git(&["worktree", "add", "--quiet", "-b", "tree", "../tree"]);
    world.server_git(&["config", "receive.denyCurrentBranch", "ignore"]);
    world.server_git(&["config", "extensions.worktreeConfig", "true"]);
    receiver.take();
    let new = world.commit("two");
    let mut push = world.command("git", &world.work());
    let output = push.arg("push").arg(world.path("tree")).arg("main").ends();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(receiver.take_one().commits(), [new]);
}

#[test]
fn bad_122_replacements_and_grafts_are_left_out_of_account() {
    let (world, receiver) = told(&[]);
    let ids: Vec<_> = ["one", "two", "three"].map(|message| world.commit(message)).into();
    world.push(&["main"]);
    world.server_git(&["replace", "--graft", &ids[2]]);
    fs::create_dir_all(world.server().join("info")).unwrap();
    fs::write(world.server().join("info/grafts"), format!("{}\n", ids[1])).unwrap();
    tour(&world, &receiver);
    let new = world.commit("last");
    world.push(&["HEAD:refs/heads/last"]);
    receiver.take();
    // git itself dies of a replacement that names itself, so the hook is run by hand.
    world.server_git(&["update-ref", &format!("refs/replace/{new}"), &new]);
    let line = format!("{} {new} refs/heads/last\n", world.id("HEAD~1"));
    assert!(world.feed(&mut world.hook(), line.as_bytes()).status.success());
    assert_eq!(receiver.take_one().commits(), [new]);
}

#[test]
fn heads_detached_unborn_and_dangling() {
    for head in ["ref: refs/heads/unborn\n", "ref: refs/heads/dangling\n", "detached", ""] {
        let (world, receiver) = told(&[]);
        let id = world.commit("one");
        world.push(&["main"]);
        receiver.take();
        let content = if head == "detached" { format!("{id}\n") } else { head.into() };
        let dangling = world.server().join("refs/heads/dangling");
        fs::write(&dangling, format!("{}\n", "1".repeat(40))).unwrap();
        if !head.is_empty() {
            fs::write(world.server().join("HEAD"), content).unwrap();
        }
        let new = world.commit("two");
        fs::remove_file(&dangling).unwrap();
        assert!(world.push(&["main:refs/heads/new"]).accepted);
        let request = receiver.take_one();
        assert_eq!(request.commits(), [new]);
        let branch = &request.json()["project"]["default_branch"];
        // Detached, it is at the commit of a branch.
        assert_eq!(*branch, head.strip_prefix("ref: refs/heads/").unwrap_or("main").trim_end(), "{head}");
    }
}

#[test]
fn a_detached_head_holds_its_commit() {
    let (world, receiver) = told(&[]);
    world.commit("one");
    world.push(&["main"]);
    let held = world.commit("held");
    world.push(&["main:refs/heads/other"]);
    world.server_git(&["update-ref", "--no-deref", "HEAD", &held]);
    world.server_git(&["update-ref", "-d", "refs/heads/other"]);
    receiver.take();
    world.push(&["main:refs/heads/again"]);
    assert!(receiver.take_one().commits().is_empty());
}

#[test]
fn hundreds_of_packs() {
    let (world, receiver) = told(&[]);
    world.configure("receive.unpackLimit", "1");
    world.configure("gc.auto", "0");
    for number in 0..200 {
        let id = world.commit(&format!("pack-{number}"));
        let range = if number == 0 { id } else { format!("{id}~1..{id}") };
        let list = world.git(&["rev-list", "--objects", &range]);
        let objects: String = list.lines().map(|line| format!("{}\n", line.split(' ').next().unwrap())).collect();
        let pack = world.server().join("objects/pack/pack");
        world.git_with_input(&["pack-objects", "--quiet", pack.to_str().unwrap()], objects.as_bytes());
    }
    let pushed = world.push(&["main~1:refs/heads/main"]);
    assert!(pushed.accepted, "{}", pushed.output);
    let packs = fs::read_dir(world.server().join("objects/pack")).unwrap();
    assert!(packs.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "pack")).count() >= 200);
    compare(&world, &receiver, &["main"]);
    tour(&world, &receiver);
}

#[test]
fn many_refs_loose_and_packed() {
    let (world, receiver) = told(&[]);
    for number in 0..10 {
        world.commit(&format!("c{number}"));
    }
    world.push(&["main"]);
    let ids: Vec<_> = (0..10).map(|n| world.id(&format!("main~{n}"))).collect();
    let lines =
        |prefix: &str| -> String { (0..1500).map(|n| format!("create refs/{prefix}/{n} {}\n", ids[n % 10])).collect() };
    let update = |input: String| {
        let output =
            world.feed(world.command("git", &world.server()).args(["update-ref", "--stdin"]), input.as_bytes());
        assert!(output.status.success());
    };
    update(lines("heads/packed"));
    world.server_git(&["pack-refs", "--all"]);
    update(lines("tags/loose"));
    receiver.take();
    tour(&world, &receiver);
}

#[test]
fn shared_by_a_group_our_files_are_the_groups_too() {
    let (world, _receiver) = told(&["--shared=group"]);
    world.configure("webhook.ci.timeout", "wrong");
    world.commit("one");
    let mut push = world.command("sh", &world.work());
    push.args(["-c", "umask 077; git push \"$1\" main", "-"]).arg(world.server());
    assert!(push.ends().status.success());
    let mode = |path: &str| fs::metadata(world.server().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("webhook"), mode("webhook/hook.log")), (0o770, 0o660));
}

#[test]
fn otherwise_our_files_are_their_owners_alone() {
    let (world, _receiver) = told(&[]);
    world.configure("webhook.ci.timeout", "wrong");
    world.commit("one");
    world.push(&["main"]);
    let mode = |path: &str| fs::metadata(world.server().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("webhook"), mode("webhook/hook.log")), (0o700, 0o600));
}

/// git has judged whose repository it is before it runs the hook; the command asks git, which refuses.
#[test]
#[ignore = "needs root: run tests/run"]
fn a_foreign_owner_stops_the_command_and_not_the_hook() {
    let (world, receiver) = told(&[]);
    let id = world.commit("one");
    world.push(&["main"]);
    receiver.take();
    bring_programs(&world);
    let chown = world.command("chown", &world.path("")).args(["-R", "1", "project.git"]).ends();
    assert!(chown.status.success());
    let line = format!("0000000000000000000000000000000000000000 {id} refs/heads/x\n");
    assert!(world.feed(&mut world.hook(), line.as_bytes()).status.success());
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/x");
    for verb in [&["list"][..], &["test", "ci"], &["payload", "--format", "gitlab", "0", &id, "refs/heads/x"]] {
        let mut webhook = world.command(world.path("git-webhook"), &world.server());
        let output = webhook.args(verb).uid(65534).gid(65534).ends();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("detected dubious ownership"), "{verb:?}");
    }
    assert!(receiver.take().is_empty());
}
