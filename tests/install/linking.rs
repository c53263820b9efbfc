//! Hooks are put in place, once and for all, and only where they can run.

use super::*;

#[test]
fn a_linked_hook_runs_at_a_push() {
    let world = World::new();
    world.bare("a.git");
    let before = world.tree("a.git/hooks");

    world.install("a.git").succeeds();
    world.push("a.git").succeeds();

    assert!(world.text("a.git/ours").ends_with(" refs/heads/main\n"));
    assert_eq!(world.text("a.git/ours"), world.text("a.git/intended"));
    let program = world.path("prefix/libexec/git-webhook/post-receive");
    for name in ["post-receive", "pre-receive"] {
        let hook = world.path("a.git/hooks").join(name);
        assert_eq!(fs::read_link(&hook).unwrap(), program, "{name}");
        fs::remove_file(hook).unwrap();
    }
    assert_eq!(before, world.tree("a.git/hooks"), "nothing else changed");
}

#[test]
fn a_repository_has_one_line() {
    let world = World::new();
    world.bare("a.git");
    world.install("").succeeds();
    let says = |options: &str, words: &str| {
        let run = world.run(&format!("--prefix prefix {options} a.git"));
        let line = format!("{words} of '{}'\n", world.path("a.git").display());
        assert_eq!(run.succeeds().stdout, line);
    };

    says("--link-only", "installed the hooks");
    says("--link-only", "already installed: the hooks");
    says("--link-only --post-receive-only", "installed the post-receive hook");
    says("--link-only --post-receive-only", "already installed: the post-receive hook");
    says("--uninstall", "removed the hooks");
    says("--uninstall", "not installed: the hooks");
}

#[test]
fn post_receive_alone_leaves_pre_receive_out() {
    let world = World::new();
    world.bare("a.git");

    world.install("a.git --post-receive-only").succeeds();
    world.push("a.git").succeeds();

    assert!(world.has("a.git/ours"));
    assert!(!world.has("a.git/intended"));
    assert!(!world.has("a.git/hooks/pre-receive"));
}

#[test]
fn between_both_hooks_and_one_there_is_a_way_back() {
    let world = World::new();
    world.bare("plain.git");
    world.hook("kept.git", OLD, 0o755);
    world.verdict("kept.git", OLD_VERDICT);
    let all = "plain.git kept.git";
    let before = world.tree("");
    world.install(&format!("--post-receive-only {all}")).succeeds();
    let one = world.tree("");
    let chain = format!("--chain {all}");
    world.install(&chain).succeeds();
    let both = world.tree("");
    assert!(world.has("kept.git/hooks/pre-receive.d/50-local"));

    world.install(&format!("--post-receive-only {all}")).succeeds();
    assert_eq!(one, world.tree(""));
    world.install(&chain).succeeds();
    assert_eq!(both, world.tree(""));
    world.uninstall(all).succeeds();
    fs::remove_dir_all(world.path("prefix")).unwrap();
    assert_eq!(before, world.tree(""));
}

#[test]
fn the_real_programs_let_a_push_through() {
    let world = World::new();
    world.bare("a.git");

    let arguments = format!("--from {} a.git", built());
    world.install(&arguments).succeeds();
    world.push("a.git").succeeds();

    assert!(world.path("a.git").join(SNAPSHOT).is_file(), "the refs as they were count as told");
    let installed = fs::read(world.path("prefix/bin/git-webhook")).unwrap();
    assert!(installed == fs::read(env!("CARGO_BIN_EXE_git-webhook")).unwrap());
}

#[test]
fn a_work_tree_has_its_hook_in_its_git_directory() {
    let world = World::new();
    world.git(".", "init -q work").succeeds();

    world.install("work").succeeds();
    world.push("work").succeeds();

    assert!(world.has("work/.git/ours"));
}

#[test]
fn twice_is_once() {
    let world = World::new();
    world.bare("plain.git");
    world.hook("kept.git", OLD, 0o755);
    world.install("plain.git kept.git").succeeds();
    let once = world.tree("");

    let again = world.install("plain.git kept.git");

    let told = again.succeeds().stdout.matches("already installed");
    assert_eq!(told.count(), 3, "{again:?}");
    assert_eq!(once, world.tree(""));
}

#[test]
fn another_prefix_moves_the_links() {
    let world = World::new();
    world.bare("plain.git");
    world.hook("kept.git", OLD, 0o755);
    world.install("plain.git kept.git").succeeds();

    world.install("--prefix=new plain.git kept.git").succeeds();
    fs::remove_dir_all(world.path("prefix")).unwrap();
    world.push("plain.git").succeeds();
    world.push("kept.git").succeeds();

    assert_eq!(world.text("plain.git/ours"), world.text("plain.git/intended"));
    assert_eq!(world.text("kept.git/ours"), world.text("kept.git/old"));
}

#[test]
fn link_only_needs_programs_that_are_there() {
    let world = World::new();
    world.bare("a.git");
    let link = || world.run("--link-only --prefix prefix a.git");
    link().fails("is not there for its owner to run");

    world.install("").succeeds();
    link().succeeds();

    assert!(world.has("a.git/hooks/post-receive"));
}

#[test]
fn a_program_that_does_not_run_is_not_linked() {
    let world = World::new();
    world.bare("a.git");
    executable(&world.path("from/post-receive"), "#!/no/such/interpreter\n");
    let before = world.tree("a.git");

    world.install("a.git").fails("/post-receive' does not run\nhint: ");

    assert_eq!(before, world.tree("a.git"));
}

#[test]
fn odd_names_are_only_names() {
    let world = World::new();
    let names = ["a b.git", "it's \"$(so)\".git", "*.git", "-x.git", "\\.git"];
    for name in names {
        world.bare(name);
    }

    let mut install = world.command("--prefix prefix --from from --");
    Run::of(install.args(names)).succeeds();

    for name in names {
        world.push(name).succeeds();
        assert!(world.has(&format!("{name}/ours")), "{name}");
    }
}

#[test]
fn a_line_break_in_a_name_is_refused() {
    let world = World::new();
    world.bare("a.git");
    world.bare("a.git\n");
    let before = world.tree("");

    let mut install = world.command("--prefix prefix --link-only");
    Run::of(install.arg("a.git\n")).fails("its name holds a line break");

    assert_eq!(before, world.tree(""));
}

#[test]
fn what_is_no_repository_stops_only_itself() {
    let world = World::new();
    world.bare("a.git");
    fs::create_dir(world.path("empty")).unwrap();

    let run = world.install("missing empty a.git");

    run.fails("error: not a git repository: 'missing'");
    run.fails("/empty': not a git repository: ");
    assert!(world.has("a.git/hooks/post-receive"));
}

#[test]
fn a_directory_inside_a_repository_is_not_that_repository() {
    let world = World::new();
    world.git(".", "init -q work").succeeds();
    fs::create_dir(world.path("work/below")).unwrap();

    world.install("work/below").fails("not a git repository");

    assert!(!world.has("work/.git/hooks/post-receive"));
}

#[test]
fn the_callers_repository_is_not_meant() {
    let world = World::new();
    world.bare("a.git");
    world.bare("b.git");

    let mut install = world.command("--prefix prefix --from from a.git");
    Run::of(install.env("GIT_DIR", world.path("b.git"))).succeeds();

    assert!(world.has("a.git/hooks/post-receive"));
    assert!(!world.has("b.git/hooks/post-receive"));
}
