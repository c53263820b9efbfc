//! What is taken away again, and what a dry run says of all of it.

use super::*;

#[test]
fn uninstall_restores_byte_for_byte_and_mode() {
    let world = World::new();
    world.bare("none");
    world.hook("script", "#!/bin/sh\n# no line end", 0o750);
    world.hook("off", OLD, 0o640);
    world.hook("both", OLD, 0o755);
    world.verdict("both", "#!/bin/sh\n# another");
    for (name, target) in [("up", "../custom"), ("beside", "custom")] {
        world.bare(name);
        executable(&world.path(name).join("custom"), OLD);
        executable(&world.path(name).join("hooks/custom"), OLD);
        for hook in ["post-receive", "pre-receive"] {
            symlink(target, world.path(name).join("hooks").join(hook)).unwrap();
        }
    }
    let all = "none script off both up beside";
    let before = world.tree("");

    world.install(&format!("--chain {all}")).succeeds();
    for repository in ["both", "up"] {
        assert!(world.has(&format!("{repository}/hooks/post-receive.d/50-local")));
        assert!(world.has(&format!("{repository}/hooks/pre-receive.d/50-local")));
    }
    world.uninstall(all).succeeds();
    fs::remove_dir_all(world.path("prefix")).unwrap();

    assert_eq!(before, world.tree(""));
}

#[test]
fn uninstall_twice_is_once() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.install("a.git").succeeds();
    world.uninstall("a.git").succeeds();
    let once = world.tree("");

    let again = world.uninstall("a.git");

    again.succeeds().prints("not installed");
    assert_eq!(once, world.tree(""));
}

#[test]
fn hooks_added_since_run_on_when_all_of_ours_is_gone() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.install("a.git").succeeds();
    world.entry("a.git", "60-added", "#!/bin/sh\ncat >>added", 0o755);

    world.uninstall("a.git").succeeds().prints("post-receive' is a plain copy of the driver and runs ");
    world.uninstall("").succeeds();
    world.push("a.git").succeeds();
    assert!(!world.has("a.git/ours"));
    assert_eq!(world.text("a.git/old"), world.text("a.git/added"));

    world.install("a.git").succeeds();
    world.push("a.git").succeeds();
    assert!(world.has("a.git/ours"));

    fs::remove_file(world.path("a.git/hooks/post-receive.d/60-added")).unwrap();
    world.uninstall("a.git").succeeds();
    assert_eq!(world.text("a.git/hooks/post-receive"), OLD);
}

#[test]
fn uninstall_keeps_the_state_and_other_hooks() {
    let world = World::new();
    world.bare("a.git");
    executable(&world.path("a.git/hooks/update"), "#!/bin/sh\n");
    fs::create_dir(world.path("a.git/webhook")).unwrap();
    let before = world.tree("a.git");

    world.install("a.git").succeeds();
    world.uninstall("a.git").succeeds();

    assert_eq!(before, world.tree("a.git"));
}

#[test]
fn removing_the_programs_tells_how_to_find_what_still_links_to_them() {
    let world = World::new();
    world.bare("a.git");
    world.install("a.git").succeeds();

    let run = world.uninstall("");

    run.succeeds().warns("git does not say so");
    assert!(!world.has("prefix/bin/git-webhook"));
    assert!(!world.has("prefix/libexec/git-webhook"));
    let (_, find) = run.stderr.split_once("hint: find them: ").unwrap();
    let find = find.lines().next().unwrap().replace("/srv/git", ".");
    let found = Run::of(world.isolated("sh", "-c").arg(find));
    found.prints("./a.git/hooks/post-receive -> ");
    found.prints("./a.git/hooks/pre-receive -> ");
}

#[test]
fn a_dry_run_tells_everything_and_changes_nothing() {
    let world = World::new();
    world.bare("plain.git");
    world.hook("kept.git", OLD, 0o755);
    world.verdict("kept.git", OLD_VERDICT);
    let before = world.tree("");

    let told = world.install("plain.git kept.git --chain --dry-run");
    assert_eq!(before, world.tree(""));
    world.install("plain.git kept.git --chain").succeeds();
    let installed = world.tree("");
    told.told_of(&before, &installed);

    let told = world.run("--prefix prefix --link-only --post-receive-only plain.git kept.git --dry-run");
    assert_eq!(installed, world.tree(""));
    world.install("plain.git kept.git --post-receive-only").succeeds();
    told.told_of(&installed, &world.tree(""));
    world.install("plain.git kept.git --chain").succeeds();

    let mut told = world.uninstall("plain.git kept.git --dry-run");
    told.stdout += &world.uninstall("--dry-run").stdout;
    assert_eq!(installed, world.tree(""));
    world.uninstall("plain.git kept.git").succeeds();
    world.uninstall("").succeeds();
    told.told_of(&installed, &world.tree(""));
}
