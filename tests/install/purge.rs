//! What `install.sh --uninstall` leaves in a repository, and what `--purge` removes.

use super::*;

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1/";

/// A repository with the real programs linked, and after a push one delivery that waits.
fn waiting() -> World {
    let world = World::new();
    world.bare("a.git");
    world.install(&format!("--from {} a.git", built())).succeeds();
    world.git("a.git", &format!("config webhook.ci.url {NOWHERE}")).succeeds();
    world.push("a.git").succeeds().warns("webhook ci: not delivered");
    world
}

/// As if at a terminal, where this is typed.
fn at_a_terminal(world: &World, words: &str, answer: &str) -> Run {
    let mut script = world.isolated("script", "--quiet --return --command");
    script.arg(format!("{CHECKOUT}/install.sh --prefix prefix {words}")).arg("/dev/null");
    feed(&mut script, answer.as_bytes())
}

#[test]
fn uninstall_says_what_stays() {
    let world = waiting();
    let before = world.tree("a.git/webhook");

    let run = world.uninstall("a.git");

    run.succeeds().prints("/a.git/webhook' stays, with what waits to be sent, ");
    assert_eq!(before, world.tree("a.git/webhook"));
}

#[test]
fn purge_removes_what_holds_no_delivery() {
    let world = World::new();
    world.bare("a.git");
    let before = world.tree("");
    world.install(&format!("--from {} a.git", built())).succeeds();
    assert!(world.path("a.git").join(SNAPSHOT).is_file());

    world.uninstall("--purge a.git").succeeds().prints("/a.git/webhook'\n");
    world.uninstall("--purge a.git").succeeds();
    fs::remove_dir_all(world.path("prefix")).unwrap();

    assert_eq!(before, world.tree(""));
}

#[test]
fn purge_loses_no_delivery_unasked() {
    let world = waiting();
    world.git("a.git", &format!("config webhook.cd.url {NOWHERE}")).succeeds();
    world.push("a.git").succeeds();
    Run::of(world.isolated(&format!("{}/git-webhook", built()), "remove ci").current_dir(world.path("a.git")))
        .succeeds();
    let before = world.tree("a.git");

    let run = world.uninstall("--purge a.git");
    run.fails("/a.git/webhook' without asking, which holds deliveries: 1 waiting, 2 dead\nhint: send what waits");
    world.uninstall("--purge --dry-run a.git").succeeds().prints("1 waiting, 2 dead\n");
    assert_eq!(before, world.tree("a.git"), "not even the hooks");

    world.uninstall("--purge --yes a.git").succeeds();
    assert!(!world.has("a.git/webhook"));
    assert!(!world.has("a.git/hooks/post-receive"));
}

#[test]
#[ignore = "needs script: run tests/run"]
fn purge_asks_at_a_terminal() {
    let world = waiting();
    let before = world.tree("a.git");

    for no in ["\n", "n\n", "yet\n"] {
        let run = at_a_terminal(&world, "--uninstall --purge a.git", no);
        assert!(run.stdout.contains("1 waiting, 0 dead\r\nremove it all the same? [y/N] "), "{run:?}");
        assert!(run.stdout.contains("error: nothing was changed in "), "{run:?}");
        assert_eq!(run.code, Some(1));
        assert_eq!(before, world.tree("a.git"));
    }
    at_a_terminal(&world, "--uninstall --purge a.git", "y\n").succeeds();
    assert!(!world.has("a.git/webhook"));
}

#[test]
fn what_cannot_be_counted_is_not_purged_unasked() {
    let world = waiting();
    fs::remove_file(world.path("prefix/bin/git-webhook")).unwrap();

    world.uninstall("--purge a.git").fails("and what waits there cannot be told: git webhook status fails");

    assert!(world.has("a.git/webhook"));
    assert!(world.has("a.git/hooks/post-receive"));
}

#[test]
fn purge_follows_no_link() {
    let world = World::new();
    world.bare("a.git");
    world.install("a.git").succeeds();
    fs::create_dir(world.path("elsewhere")).unwrap();
    fs::write(world.path("elsewhere/file"), "").unwrap();
    symlink("../elsewhere", world.path("a.git/webhook")).unwrap();
    let before = world.tree("");

    world.uninstall("--purge --yes a.git").fails("/a.git/webhook': it is not a directory of ours\nhint: ");

    assert_eq!(before, world.tree(""));
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn root_purges_as_the_owner() {
    const OWNER: u32 = 54_321;
    let world = waiting();
    fs::set_permissions(&world.root, fs::Permissions::from_mode(0o755)).unwrap();
    Run::of(&mut world.isolated("chown", &format!("-R {OWNER}:{OWNER} a.git"))).succeeds();
    // What the owner cannot remove, root must not remove for him.
    let shut = world.path("a.git/webhook/shut");
    fs::create_dir(&shut).unwrap();
    fs::write(shut.join("of-root"), "").unwrap();

    world.uninstall("--purge a.git").fails("1 waiting, 0 dead");
    world.uninstall("--purge --yes a.git").fails("error: cannot remove '");
    assert!(shut.join("of-root").exists());

    fs::remove_dir_all(shut).unwrap();
    world.uninstall("--purge a.git --yes").succeeds();
    assert!(!world.has("a.git/webhook"));
}
