//! Where hooks lie elsewhere than git puts them.

use super::*;

#[test]
fn hooks_outside_the_repository_are_left_alone() {
    let world = World::new();
    world.bare("a.git");
    let shared = world.path("shared");
    world.configure(&format!("[core] hooksPath = {}", shared.display()));

    let run = world.install("a.git");

    run.fails("core.hooksPath (global) puts them outside of it, in ");
    run.fails("config core.hooksPath");
    run.fails("/shared/post-receive'\n");
    run.fails("/shared/pre-receive'\n");
    assert!(!shared.exists());
    assert!(!world.has("a.git/hooks/post-receive"));

    let run = world.install("--post-receive-only a.git");
    run.fails("/shared/post-receive'\n");
    assert!(!run.stderr.contains("pre-receive"), "{run:?}");
}

#[test]
fn a_hooks_directory_that_leads_outside_is_left_alone() {
    let world = World::new();
    world.bare("a.git");
    fs::rename(world.path("a.git/hooks"), world.path("shared")).unwrap();
    symlink("../shared", world.path("a.git/hooks")).unwrap();

    let run = world.install("a.git");

    run.fails("a symbolic link puts them outside of it");

    assert!(!world.has("shared/post-receive"));
}

#[test]
fn a_hooks_path_inside_the_repository_is_followed() {
    let world = World::new();
    world.bare("a.git");
    world.configure("[core] hooksPath = own/hooks");

    world.install("a.git").succeeds();
    world.push("a.git").succeeds();

    assert!(world.has("a.git/own/hooks/post-receive"));
    assert!(world.has("a.git/ours"));
}
