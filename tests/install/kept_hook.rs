//! A hook that was there goes on running, and a verdict that was there still counts.

use super::*;

#[test]
fn the_hook_that_was_there_reads_the_same_input() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.verdict("a.git", "#!/bin/sh\ncat >judged");
    world.install("--chain a.git").succeeds();

    world.push_many("a.git", 3000).succeeds();

    let ours = fs::read(world.path("a.git/ours")).unwrap();
    assert_eq!(ours.split(|byte| *byte == b'\n').count(), 3000 + 2);
    assert!(ours.windows(5).any(|window| window == b"caf\xe9\n"));
    for other in ["old", "intended", "judged"] {
        assert!(ours == fs::read(world.path("a.git").join(other)).unwrap(), "{other}");
    }
}

#[test]
fn a_verdict_that_was_there_still_refuses() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", &format!("{OLD_VERDICT}exit 3"));
    world.install("--chain a.git").succeeds();

    let run = world.push("a.git");

    run.fails("remote: the verdict");
    run.fails("pre-receive hook declined");
    assert_eq!(world.text("a.git/intended"), world.text("a.git/judged"));
    assert!(!world.has("a.git/refs/heads/main"));
    assert!(!world.has("a.git/ours"));
}

#[test]
fn a_verdict_that_was_there_still_accepts() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", OLD_VERDICT);
    world.install("--chain a.git").succeeds();

    world.push("a.git").succeeds().warns("remote: the verdict");

    assert_eq!(world.text("a.git/intended"), world.text("a.git/judged"));
    assert_eq!(world.text("a.git/ours"), world.text("a.git/judged"));
}

#[test]
fn a_verdict_runs_on_when_ours_has_gone() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", &format!("{OLD_VERDICT}exit 3"));
    world.install("--chain a.git").succeeds();
    executable(&world.path("a.git/hooks/pre-receive.d/60-added"), "#!/bin/sh\n");

    world.install("--post-receive-only a.git").succeeds().prints("note: ");
    world.push("a.git").fails("remote: the verdict");
    world.uninstall("a.git").succeeds();
    world.uninstall("").succeeds();
    world.push("a.git").fails("remote: the verdict");

    assert!(!world.has("a.git/intended"));
}

#[test]
fn a_verdict_outlives_the_prefix() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.verdict("a.git", OLD_VERDICT);
    world.install("--chain a.git").succeeds();
    fs::remove_dir_all(world.path("prefix")).unwrap();

    world.push("a.git").succeeds().warns("remote: the verdict");
    assert_eq!(world.text("a.git/old"), world.text("a.git/judged"));

    let kept = world.path("a.git/hooks/pre-receive.d/50-local");
    executable(&kept, &format!("{OLD_VERDICT}exit 3"));
    world.push("a.git").fails("pre-receive hook declined");
    assert!(!world.has("a.git/intended"));
}

#[test]
fn a_verdict_stands_for_a_pusher_who_cannot_reach_the_prefix() {
    const PUSHER: u32 = 54_321;
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", &format!("{OLD_VERDICT}exit 3"));
    world.install("--chain a.git").succeeds();
    let mode = |name: &str, mode| fs::set_permissions(world.path(name), fs::Permissions::from_mode(mode)).unwrap();
    mode("prefix", 0);
    mode("", 0o755);
    let chown = format!("-R {PUSHER}:{PUSHER} a.git");
    let clone = world.clone_with_commit();
    let mut push = world.isolated("git", "push");
    // Nothing is shut to root, who alone can give files away: then another user takes the push.
    if Run::of(&mut world.isolated("chown", &chown)).code == Some(0) {
        push.arg(format!("--receive-pack=setpriv --reuid={PUSHER} --regid={PUSHER} --clear-groups git-receive-pack"));
    }
    push.arg(world.path("a.git")).arg("HEAD:refs/heads/main");
    Run::of(push.current_dir(clone.path())).fails("remote: the verdict");
    mode("prefix", 0o755);

    assert!(world.has("a.git/judged"));
    assert!(!world.has("a.git/intended"));
}

#[test]
fn a_broken_program_refuses_nothing_beside_a_verdict() {
    for broken in ["#!/no/such/interpreter\n", "#!/bin/sh\nexit 7\n", "#!/bin/sh\nkill -9 $$\n"] {
        let world = World::new();
        world.bare("a.git");
        world.verdict("a.git", OLD_VERDICT);
        world.install("--chain a.git").succeeds();
        executable(&world.path("prefix/libexec/git-webhook/post-receive"), broken);

        world.push("a.git").succeeds().warns("remote: the verdict");

        let kept = world.path("a.git/hooks/pre-receive.d/50-local");
        executable(&kept, &format!("{OLD_VERDICT}exit 3"));
        world.push("a.git").fails("pre-receive hook declined");
    }
}

#[test]
fn a_link_to_the_driver_becomes_a_copy() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.verdict("a.git", OLD_VERDICT);
    let before = world.tree("a.git/hooks");
    world.install("--chain a.git").succeeds();
    let installed = world.tree("");

    for prefix in [world.path("prefix"), world.path("gone")] {
        world.earlier("a.git", &prefix);
        let linked = world.tree("");
        let told = world.run("--prefix prefix --link-only --chain --dry-run a.git");
        assert_eq!(linked, world.tree(""));
        world.install("--chain a.git").succeeds().prints("installed the hooks of ");
        told.told_of(&linked, &world.tree(""));
        assert_eq!(installed, world.tree(""));
    }

    world.earlier("a.git", &world.path("gone"));
    world.uninstall("a.git").succeeds();
    assert_eq!(before, world.tree("a.git/hooks"));
}

#[test]
fn a_copy_of_another_version_is_updated() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", OLD_VERDICT);
    let before = world.tree("a.git/hooks");
    world.install("--chain a.git").succeeds();
    let newest = world.tree("");
    let driver = world.path("prefix/libexec/git-webhook/driver");
    let other = fs::read_to_string(&driver).unwrap() + "# another version\n";
    executable(&driver, &other);

    let link = || world.run("--prefix prefix --link-only a.git");
    link().succeeds().prints("installed the hooks of ");
    link().succeeds().prints("already installed");
    assert!(world.text("a.git/hooks/pre-receive").starts_with(&other));
    let outdated = world.tree("");
    let told = world.install("--chain --dry-run a.git");
    world.install("--chain a.git").succeeds().prints("\ninstalled the hooks of ");
    told.told_of(&outdated, &world.tree(""));
    assert_eq!(newest, world.tree(""));

    executable(&driver, &other);
    link().succeeds();
    world.uninstall("a.git").succeeds();
    assert_eq!(before, world.tree("a.git/hooks"));
}

#[test]
fn a_copy_that_was_edited_stays() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", &format!("{OLD_VERDICT}exit 3"));
    world.install("--chain a.git").succeeds();
    let hook = world.path("a.git/hooks/pre-receive");
    let edited = fs::read_to_string(&hook).unwrap().replace("status=0\n", "status=0\necho edited\n");
    executable(&hook, &edited);
    let before = world.tree("a.git/hooks");

    let again = world.install("--chain a.git");
    again.succeeds().prints("already installed: the hooks of ");
    again.prints("pre-receive' stays as it is: it is a copy of the driver that was edited\n");
    assert_eq!(before, world.tree("a.git/hooks"));
    world.uninstall("a.git").succeeds().prints("pre-receive' was edited and stays: it runs what is left in ");
    let run = world.push("a.git");

    run.fails("remote: edited");
    run.fails("remote: the verdict");
    assert_eq!(world.text("a.git/hooks/pre-receive"), edited);
    assert!(!world.has("a.git/intended"));
}

#[test]
fn a_hook_that_is_two_by_a_link_stays_both() {
    for (name, link) in [("pre-receive", "post-receive"), ("post-receive", "pre-receive")] {
        let world = World::new();
        world.bare("a.git");
        executable(&world.path("a.git/hooks").join(name), OLD);
        symlink(name, world.path("a.git/hooks").join(link)).unwrap();
        let before = world.tree("a.git");

        world.install("--chain a.git").fails(&format!("/hooks/{name}': it is another hook as well, by "));

        assert_eq!(before, world.tree("a.git"));
    }
}

#[test]
fn a_relative_link_still_leads_to_its_hook() {
    let world = World::new();
    world.bare("a.git");
    executable(&world.path("a.git/custom"), OLD);
    symlink("../custom", world.path("a.git/hooks/post-receive")).unwrap();

    world.install("a.git").succeeds();
    world.push("a.git").succeeds();

    assert_eq!(world.text("a.git/ours"), world.text("a.git/old"));
}

#[test]
fn a_hook_that_was_off_stays_off() {
    let world = World::new();
    world.hook("a.git", OLD, 0o644);

    world.install("a.git").succeeds();
    world.push("a.git").succeeds();

    assert!(world.has("a.git/ours"));
    assert!(!world.has("a.git/old"));
    assert_eq!(world.text("a.git/hooks/post-receive.d/50-local"), OLD);
}

#[test]
fn a_kept_hook_takes_a_free_name() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    let taken = world.entry("a.git", "50-local", "switched off", 0o644);
    let before = world.tree("a.git/hooks");

    world.install("a.git").succeeds();
    world.push("a.git").succeeds();
    assert_eq!(fs::read_to_string(taken).unwrap(), "switched off");
    assert_eq!(world.text("a.git/ours"), world.text("a.git/old"));

    world.uninstall("a.git").succeeds();
    assert_eq!(before, world.tree("a.git/hooks"));
}

/// Its files may read one after the other from one pipe: what ours read would be gone for theirs.
#[test]
fn somebody_elses_driver_is_left_alone() {
    let world = World::new();
    let policy = "#!/bin/sh\ngrep -q refs/heads/main && exit 1; exit 0\n";
    let driver = |name: &str| format!("#!/bin/sh\nfor f in hooks/{name}.d/*; do $f || exit 1; done\n");
    world.hook("a.git", &driver("post-receive"), 0o755);
    world.entry("a.git", "theirs", "#!/bin/sh\ncat >theirs", 0o755);
    world.install("a.git").fails("ours can be one of them: ln -s ");
    fs::remove_file(world.path("a.git/hooks/post-receive")).unwrap();
    world.verdict("a.git", &driver("pre-receive"));
    fs::create_dir(world.path("a.git/hooks/pre-receive.d")).unwrap();
    executable(&world.path("a.git/hooks/pre-receive.d/10-policy"), policy);
    world.install("a.git").succeeds().prints("ours is left out");
    world.push("a.git").fails("pre-receive hook declined");
    world.install("--chain a.git").fails("cannot move ");
    assert!(!world.has("a.git/hooks/pre-receive.d/00-git-webhook"));
}

#[test]
fn what_nothing_may_run_yet_is_not_switched_on() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.entry("a.git", "asleep", "#!/bin/sh\n", 0o755);
    let before = world.tree("a.git");

    world.install("a.git").fails("post-receive.d' is in use");

    assert_eq!(before, world.tree("a.git"));
}

#[test]
fn without_a_place_for_one_hook_neither_is_linked() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", OLD);
    fs::create_dir(world.path("a.git/hooks/pre-receive.d")).unwrap();
    executable(&world.path("a.git/hooks/pre-receive.d/asleep"), "#!/bin/sh\n");
    let before = world.tree("a.git");

    let run = world.install("--chain a.git");
    run.fails("pre-receive.d' is in use");
    run.fails("hint: or link without it: --post-receive-only\n");
    assert_eq!(before, world.tree("a.git"));

    world.install("--post-receive-only a.git").succeeds();
    assert!(world.has("a.git/hooks/post-receive"));
}

#[test]
fn another_file_under_our_name_is_not_lost() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.entry("a.git", "00-git-webhook", "mine", 0o644);
    let before = world.tree("a.git");

    world.install("a.git").fails("another file has that name");

    assert_eq!(before, world.tree("a.git"));
}

#[test]
fn a_hook_put_in_the_drivers_place_is_told_of() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.install("a.git").succeeds();
    fs::remove_file(world.path("a.git/hooks/post-receive")).unwrap();
    executable(&world.path("a.git/hooks/post-receive"), "#!/bin/sh\n");

    let run = world.install("a.git");

    run.succeeds().prints("note: ours runs only if ");
}
