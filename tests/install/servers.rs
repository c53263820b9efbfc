//! Hooks that somebody else's server looks after: gitolite's own drivers, and a git that runs hooks of its configuration.

use super::*;

/// What gitolite puts in the place of a hook that has several (`LOCAL_CODE/hooks/repo-specific`), as its package has it.
fn gitolites_driver() -> String {
    let trigger = fs::read_to_string("/usr/share/gitolite3/triggers/repo-specific-hooks").unwrap();
    trigger.split("__DATA__\n").nth(1).unwrap().to_owned()
}

/// F1 and F2 of real servers: gitolite's driver finds its hooks by its own path, and runs whatever begins like it.
#[test]
#[ignore = "needs gitolite3: run tests/run"]
fn gitolites_hooks_go_on_refusing() {
    let world = World::new();
    world.bare("a.git");
    let hooks = world.path("a.git/hooks");
    executable(&world.path("driver"), &gitolites_driver());
    symlink(world.path("driver"), hooks.join("pre-receive")).unwrap();
    executable(&hooks.join("pre-receive.h00-refuse"), "#!/bin/sh\ngrep -q refs/heads/main && exit 1; exit 0\n");
    world.push("a.git").fails("pre-receive hook declined");

    let run = world.install("a.git");
    run.succeeds().prints("ours is left out");
    run.prints("gitolite writes that hook: put ours among its repo-specific hooks");
    world.install("--chain a.git").fails("cannot move ");
    assert!(!world.has("a.git/hooks/pre-receive.d"));
    world.push("a.git").fails("pre-receive hook declined");

    // It lets the others through, and both of ours may be among its hooks.
    for hook in ["pre-receive", "post-receive"] {
        let ours = hooks.join(format!("{hook}.h01-webhook"));
        symlink(world.path("prefix/libexec/git-webhook/post-receive"), ours).unwrap();
    }
    fs::remove_file(hooks.join("post-receive")).unwrap();
    symlink(world.path("driver"), hooks.join("post-receive")).unwrap();
    world.push("a.git").fails("pre-receive hook declined");
    fs::remove_file(hooks.join("pre-receive.h00-refuse")).unwrap();
    world.push("a.git").succeeds();
    assert!(world.has("a.git/ours") && world.has("a.git/intended"));
    // Once gitolite has taken over, a post-receive is its own too.
    world.install("a.git").fails("put ours among its repo-specific hooks");
}

/// The same command with the git that `tests/run` has fetched.
pub fn newer(command: &Command) -> Command {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("outside").join("newer-git/run");
    let mut newer = Command::new(program);
    newer.arg(command.get_program()).args(command.get_args());
    newer.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => newer.env(name, value),
            None => newer.env_remove(name),
        };
    }
    newer
}

fn push(world: &World) -> Run {
    let clone = world.clone_with_commit();
    let mut push = world.isolated("git", "push");
    push.arg("--force").arg(world.path("a.git")).arg("HEAD:refs/heads/main").current_dir(clone.path());
    Run::of(&mut newer(&push))
}

#[test]
#[ignore = "needs a newer git: run tests/run"]
fn a_newer_git_runs_ours_beside_a_hook() {
    for verdict in [0, 3] {
        let world = World::new();
        world.hook("a.git", "#!/bin/sh\n. \"${0%/*}/lib.sh\"\ncat >old\n", 0o755);
        world.verdict("a.git", &format!("{OLD_VERDICT}. \"${{0%/*}}/lib.sh\"\nexit {verdict}\n"));
        fs::write(world.path("a.git/hooks/lib.sh"), "").unwrap();
        let (before, hooks) = (world.tree("a.git"), world.tree("a.git/hooks"));

        let told = Run::of(&mut newer(&world.command("--prefix prefix --from from --dry-run a.git")));
        assert_eq!(before, world.tree("a.git"));
        told.succeeds().prints("would set hook.webhook.command in ");
        let install = || Run::of(&mut newer(&world.command("--prefix prefix --from from a.git")));
        install().succeeds().prints("stays as it is: git runs ours beside it, by hook.webhook.command");
        assert_eq!(hooks, world.tree("a.git/hooks"));
        let config = world.text("a.git/config");
        install().succeeds().prints("already installed");
        assert_eq!(config, world.text("a.git/config"));

        let pushed = push(&world);
        if verdict == 0 {
            pushed.succeeds().warns("remote: the verdict");
            assert_eq!(world.text("a.git/old"), world.text("a.git/judged"));
            // The stand-in cannot tell the one from the other here; ours can.
            assert_eq!(world.text("a.git/ours"), world.text("a.git/judged").repeat(2));
        } else {
            pushed.fails("pre-receive hook declined");
        }
        // Whatever becomes of ours, it is nobody's verdict.
        let program = world.path("prefix/libexec/git-webhook/post-receive");
        for broken in ["#!/no/such/interpreter\n", "#!/bin/sh\nexit 7\n", "#!/bin/sh\nkill -9 $$\n", ""] {
            executable(&program, broken);
            if broken.is_empty() {
                fs::remove_file(&program).unwrap();
            }
            let pushed = push(&world);
            if verdict == 0 {
                pushed.succeeds()
            } else {
                pushed.fails("pre-receive hook declined")
            };
        }

        Run::of(&mut newer(&world.command("--prefix prefix --uninstall a.git"))).succeeds();
        assert!(!world.text("a.git/config").contains("webhook"));
        let pushed = push(&world);
        if verdict == 0 {
            pushed.succeeds()
        } else {
            pushed.fails("pre-receive hook declined")
        };
    }
}

/// Of both hooks one may be there already.
#[test]
#[ignore = "needs a newer git: run tests/run"]
fn a_newer_git_runs_ours_beside_one_and_as_the_other() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", OLD_VERDICT);
    let before = world.text("a.git/config");
    let run = |words: &str| Run::of(&mut newer(&world.command(&format!("--prefix prefix {words} a.git"))));
    run("--from from").succeeds();
    push(&world).succeeds().warns("remote: the verdict");
    assert!(world.path("a.git/hooks/post-receive").is_symlink());
    assert_eq!(world.text("a.git/ours"), world.text("a.git/judged").repeat(2));
    run("--link-only --post-receive-only").succeeds();
    assert_eq!(world.text("a.git/config"), before);
    run("--uninstall").succeeds();
    assert!(!world.has("a.git/hooks/post-receive"));
}

/// hook.webhook may be somebody's own, in whatever file.
#[test]
#[ignore = "needs a newer git: run tests/run"]
fn a_configured_hook_of_that_name_stays() {
    for scope in ["--local", "--global"] {
        let world = World::new();
        world.bare("a.git");
        world.verdict("a.git", "#!/bin/sh\nexit 0\n");
        executable(&world.path("policy"), "#!/bin/sh\nexit 1\n");
        let policy = world.path("policy").display().to_string();
        world.git("a.git", &format!("config {scope} hook.webhook.command {policy}")).succeeds();
        world.git("a.git", &format!("config {scope} hook.webhook.event pre-receive")).succeeds();
        push(&world).fails("pre-receive hook declined");
        let before = world.text("a.git/config");
        let run = |words: &str| Run::of(&mut newer(&world.command(&format!("--prefix prefix {words} a.git"))));
        run("--from from").succeeds().prints("by hook.git-webhook.command");
        push(&world).fails("pre-receive hook declined");
        run("--uninstall").succeeds();
        assert_eq!(before, world.text("a.git/config"));
    }
}
