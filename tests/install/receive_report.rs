//! `--receive-report`: a hook whose output is git's report, so that it is linked only where git is seen to run it.

use super::*;

/// A git that knows the hook: with the programs of the one that is there, but for receive-pack. That has hooks of its own,
/// and the last of them does what git does once the refs have moved.
fn git_that_knows(world: &World, reports: &str) -> PathBuf {
    let own = Run::of(&mut world.isolated("git", "--exec-path")).succeeds().stdout.trim_end().to_owned();
    let directory = world.path("exec");
    fs::create_dir(&directory).unwrap();
    for entry in fs::read_dir(&own).unwrap().flatten() {
        if entry.file_name() != "git-receive-pack" {
            symlink(entry.path(), directory.join(entry.file_name())).unwrap();
        }
    }
    let hooks = world.path("exec-hooks");
    fs::create_dir(&hooks).unwrap();
    executable(&hooks.join("pre-receive"), "#!/bin/sh\n[ ! -x hooks/pre-receive ] || exec hooks/pre-receive\n");
    executable(&hooks.join("post-receive"), reports);
    let program = format!("{own}/git-receive-pack");
    let (path, hooks) = (directory.join("git-receive-pack"), hooks.display());
    executable(
        &path,
        &format!("#!/bin/sh\n# receive-report\nexec git -c core.hooksPath='{hooks}' receive-pack \"$@\"\n"),
    );
    assert!(Path::new(&program).exists());
    directory
}

/// Says of each ref that it is well, and takes what it is given back for the report.
const REPORTS: &str = "#!/bin/sh
while read -r old new name; do printf '%04xok %s\\n' $((${#name} + 8)) \"$name\"; done >report
printf 0000 >>report
[ ! -x hooks/receive-report ] || hooks/receive-report <report >returned || echo 'every ref is refused' >&2
";

fn install(world: &World, exec_path: Option<&Path>, words: &str) -> Run {
    let mut command = world.command(&format!("--prefix prefix --from {} {words}", built()));
    if let Some(path) = exec_path {
        command.env("GIT_EXEC_PATH", path);
    }
    Run::of(&mut command)
}

#[test]
fn it_is_linked_where_git_runs_it_and_a_trial_push_went_well() {
    let world = World::new();
    world.bare("a.git");
    let before = world.tree("a.git/hooks");
    let git = git_that_knows(&world, REPORTS);
    install(&world, Some(&git), "a.git").succeeds();
    assert!(!world.has("a.git/hooks/receive-report"), "nobody asked for it");
    let run = install(&world, Some(&git), "--receive-report a.git");
    assert!(run.succeeds().stdout.contains("installed the hooks"), "{run:?}");
    let link = world.path("a.git/hooks/receive-report");
    assert_eq!(fs::read_link(&link).unwrap(), world.path("prefix/libexec/git-webhook/post-receive"));
    install(&world, Some(&git), "--receive-report a.git").prints("already installed: the hooks");
    assert_eq!(fs::read_dir(world.path("tmp")).unwrap().count(), 0);

    // A later run takes it along to another prefix, though this git does not know the hook.
    Run::of(&mut world.command(&format!("--prefix other --from {} a.git", built()))).succeeds();
    assert_eq!(fs::read_link(&link).unwrap(), world.path("other/libexec/git-webhook/post-receive"));
    world.run("--prefix other --uninstall a.git").succeeds();
    assert_eq!(world.tree("a.git/hooks"), before);
}

#[test]
fn it_goes_with_pre_receive() {
    let world = World::new();
    world.bare("a.git");
    let git = git_that_knows(&world, REPORTS);
    install(&world, Some(&git), "--receive-report a.git").succeeds();
    install(&world, Some(&git), "--post-receive-only a.git").succeeds();
    assert!(!world.has("a.git/hooks/receive-report") && !world.has("a.git/hooks/pre-receive"));
    let run = install(&world, None, "--post-receive-only --receive-report a.git");
    assert_eq!(run.code, Some(2), "{run:?}");
}

#[test]
fn a_git_that_does_not_know_it_is_told_apart() {
    let world = World::new();
    world.bare("a.git");
    let before = world.tree("a.git/hooks");
    let run = install(&world, None, "--receive-report a.git");
    run.fails("does not know that hook").warns("leave out --receive-report");
    assert_eq!(world.tree("a.git/hooks"), before);
}

#[test]
fn where_the_trial_does_not_go_well_nothing_is_changed() {
    let refuses = "#!/bin/sh\ncat >/dev/null\nfalse\n";
    for reports in ["#!/bin/sh\ncat >/dev/null\n", refuses] {
        let world = World::new();
        world.bare("a.git");
        let before = world.tree("a.git/hooks");
        let git = git_that_knows(&world, reports);
        install(&world, Some(&git), "--receive-report a.git").fails("a trial push with it did not go well");
        assert_eq!(world.tree("a.git/hooks"), before);
        assert_eq!(fs::read_dir(world.path("tmp")).unwrap().count(), 0);
    }
}

#[test]
fn another_hook_of_that_name_stays() {
    let world = World::new();
    world.bare("a.git");
    let git = git_that_knows(&world, REPORTS);
    let hook = world.path("a.git/hooks/receive-report");
    executable(&hook, "#!/bin/sh\nexec cat\n");
    install(&world, Some(&git), "--receive-report a.git").fails("another hook has that name");
    install(&world, Some(&git), "a.git").succeeds();
    world.uninstall("a.git").succeeds();
    assert_eq!(world.text("a.git/hooks/receive-report"), "#!/bin/sh\nexec cat\n");
}

#[test]
fn a_dry_run_makes_no_trial() {
    let world = World::new();
    world.bare("a.git");
    let git = git_that_knows(&world, "#!/bin/sh\ntouch \"$HOME/ran\"\n");
    install(&world, Some(&git), "--dry-run --receive-report a.git").succeeds().prints("receive-report' to");
    assert!(!world.has("a.git/hooks/receive-report"));
}

/// A git that knows it, built and given by hand (CONTRIBUTING.md): `tests/run` says where none does.
#[test]
#[ignore = "needs a git with receive-report: run tests/run"]
fn a_git_that_knows_it_runs_it() {
    let world = World::new();
    world.bare("a.git");
    let run = |words: &str| {
        let words = format!("--prefix prefix --from {} {words} a.git", built());
        Run::of(&mut crate::servers::newer(&world.command(&words)))
    };
    run("").succeeds();
    let answer = run("--receive-report");
    if answer.code != Some(0) {
        answer.fails("does not know that hook");
        return;
    }
    world.git("a.git", "config webhook.ci.url http://127.0.0.1:9/").succeeds();
    fs::remove_file(world.path("a.git/hooks/post-receive")).unwrap();
    let clone = world.clone_with_commit();
    let mut push = world.isolated("git", "push");
    push.arg(world.path("a.git")).arg("HEAD:refs/heads/main").current_dir(clone.path());
    Run::of(&mut crate::servers::newer(&push)).succeeds();
    // What no post-receive has told has its receipt before the client was.
    assert_eq!(fs::read_dir(world.path("a.git/webhook/v1/receipts")).unwrap().count(), 1);
}
