//! Root works as the owner of a repository.

use super::*;

#[test]
fn root_works_as_the_repositorys_owner() {
    const OWNER: u32 = 54_321;
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.verdict("a.git", OLD_VERDICT);
    fs::set_permissions(&world.root, fs::Permissions::from_mode(0o755)).unwrap();
    let chown = format!("-R {OWNER}:{OWNER} a.git");
    if Run::of(&mut world.isolated("chown", &chown)).code != Some(0) {
        // Only root can give files away; nobody else has this case.
        return;
    }

    world.install("--chain a.git").succeeds();
    for made in ["", ".d", ".d/00-git-webhook", ".d/50-local"] {
        for hook in ["post-receive", "pre-receive"] {
            let path = world.path(&format!("a.git/hooks/{hook}{made}"));
            let owner = fs::symlink_metadata(path).unwrap();
            assert_eq!((owner.uid(), owner.gid()), (OWNER, OWNER), "{hook}{made}");
        }
    }
    world.install("--chain a.git").succeeds().prints("already installed: the hooks of ");

    let driver = world.path("prefix/libexec/git-webhook/driver");
    executable(&driver, &(fs::read_to_string(&driver).unwrap() + "# another version\n"));
    world.run("--prefix prefix --link-only a.git").succeeds();
    world.install("--chain --dry-run a.git").succeeds().prints("/hooks/pre-receive'\n");
    world.install("--post-receive-only a.git").succeeds();
    assert_eq!(world.text("a.git/hooks/pre-receive"), OLD_VERDICT);
    world.uninstall("a.git").succeeds();
    assert_eq!(world.text("a.git/hooks/post-receive"), OLD);

    fs::set_permissions(world.path("from"), fs::Permissions::from_mode(0o700)).unwrap();
    let run = world.install("--prefix from/shut a.git");
    run.fails("is not there for its owner to run");
}

/// A2 of an administrator's day: below a home directory the other members of the group cannot run it, and git says nothing.
#[test]
fn a_shared_repository_is_not_linked_to_what_its_members_cannot_run() {
    let world = World::new();
    world.bare("a.git");
    world.git("a.git", "config core.sharedRepository group").succeeds();
    world.install("").succeeds();
    let mode = |name: &str, mode| fs::set_permissions(world.path(name), fs::Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("prefix", 0o700);
    let before = world.tree("a.git");

    let run = world.install("a.git");
    run.fails("other members of its group cannot run ").fails("/prefix' is closed to them");
    assert_eq!(before, world.tree("a.git"));

    mode("prefix", 0o755);
    world.install("a.git").succeeds();
    world.push("a.git").succeeds();
}

/// To become somebody takes longer than to link: those of one owner that come after each other are visited in one go.
#[test]
#[ignore = "needs root: run tests/run"]
fn many_of_one_owner_are_visited_at_once() {
    let world = World::new();
    for path in [world.root.clone(), world.path("home")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let nobody =
        |name: &str| Run::of(Command::new("chown").args(["-R", "nobody"]).arg(world.path(name))).succeeds().code;
    for name in ["a.git", "b.git", "c d.git", "own.git", "e.git"] {
        let mut init = world.isolated("git", "init -q --bare --");
        Run::of(init.arg(name)).succeeds();
        if name != "own.git" {
            nobody(name);
        }
    }
    let mut install = world.command("--prefix prefix --from from");
    let run = Run::of(install.args(["a.git", "b.git", "none.git", "c d.git", "own.git", "e.git"]));
    run.fails("not a git repository: 'none.git'");
    for name in ["a.git", "b.git", "c d.git", "own.git", "e.git"] {
        run.prints(&format!("installed the hooks of '{}'", world.path(name).display()));
        let link = fs::symlink_metadata(world.path(name).join("hooks/post-receive")).unwrap();
        assert_eq!(link.uid() == 0, name == "own.git", "{name}");
    }
}
