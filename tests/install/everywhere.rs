//! Many repositories at once: below a directory, made from now on, of the whole machine.

use super::*;
use crate::servers::newer;

/// A command whose git reads a system configuration of the test's own.
fn with_system(world: &World, command: &mut Command) -> Command {
    let mut with = Command::new(command.get_program());
    with.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => with.env(name, value),
            None => with.env_remove(name),
        };
    }
    with.env_remove("GIT_CONFIG_NOSYSTEM").env("GIT_CONFIG_SYSTEM", world.path("system"));
    with
}

fn run(world: &World, words: &str) -> Run {
    Run::of(&mut with_system(world, &mut world.command(&format!("--prefix prefix --from from {words}"))))
}

fn run_newer(world: &World, words: &str) -> Run {
    Run::of(&mut newer(&with_system(world, &mut world.command(&format!("--prefix prefix --from from {words}")))))
}

fn uninstall(world: &World, words: &str) -> Run {
    Run::of(&mut with_system(world, &mut world.command(&format!("--prefix prefix --uninstall {words}"))))
}

fn push(world: &World, repository: &str) -> Command {
    let clone = world.clone_with_commit();
    let mut push = world.isolated("git", "push --force");
    push.arg(world.path(repository)).arg("HEAD:refs/heads/main").current_dir(clone.keep());
    with_system(world, &mut push)
}

/// A prefix that every user can run programs from.
fn open(world: &World) {
    fs::set_permissions(&world.root, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
#[ignore = "needs a newer git: run tests/run"]
fn a_newer_git_runs_ours_in_every_repository() {
    let world = World::new();
    open(&world);
    fs::write(world.path("system"), "[core]\n\tbigFileThreshold = 1g\n").unwrap();
    world.bare("a.git");
    world.hook("b.git", OLD, 0o755);
    world.verdict("b.git", OLD_VERDICT);
    let before = world.tree("");
    run_newer(&world, "--system --dry-run").told_of(&before, &world.tree(""));
    assert_eq!(before, world.tree(""));

    run_newer(&world, "--system").succeeds().prints("installed the hooks of all repositories in '");
    let system = world.text("system");
    run_newer(&world, "--system").succeeds().prints("already installed: the hooks of all repositories in '");
    assert_eq!(system, world.text("system"));
    for repository in ["a.git", "b.git"] {
        Run::of(&mut newer(&push(&world, repository))).succeeds();
        // The stand-in cannot tell the one hook from the other here; ours can.
        assert_eq!(world.text(&format!("{repository}/ours")).lines().count(), 2);
    }
    assert_eq!(world.text("b.git/old"), world.text("b.git/judged"));
    // Switched off for one.
    world.git("a.git", "config hook.webhook.enabled false").succeeds();
    Run::of(&mut newer(&push(&world, "a.git"))).succeeds();
    assert_eq!(world.text("a.git/ours").lines().count(), 2);

    Run::of(&mut newer(&with_system(&world, &mut world.command("--prefix prefix --uninstall --system")))).succeeds();
    assert_eq!(world.text("system"), "[core]\n\tbigFileThreshold = 1g\n");
}

/// The program itself: where nobody is to be told, it leaves nothing.
#[test]
#[ignore = "needs a newer git: run tests/run"]
fn a_repository_without_targets_is_left_as_it_is() {
    let world = World::new();
    open(&world);
    let words = format!("--prefix prefix --from {} --system", built());
    Run::of(&mut newer(&with_system(&world, &mut world.command(&words)))).succeeds();
    world.bare("a.git");
    Run::of(&mut newer(&push(&world, "a.git"))).succeeds();
    assert!(!world.has("a.git/webhook"));
    world.git("a.git", "config webhook.ci.url http://127.0.0.1:9/").succeeds();
    Run::of(&mut newer(&push(&world, "a.git"))).succeeds().warns("remote: webhook ci: not delivered: main (");
}

/// What git would refuse would end everybody's git.
#[test]
#[ignore = "needs a newer git: run tests/run"]
fn a_system_configuration_that_git_cannot_read_stays() {
    let world = World::new();
    open(&world);
    let broken = "[hook \"other\"]\n\tevent = post-receive\n\tenabled\n";
    fs::write(world.path("system"), broken).unwrap();
    run_newer(&world, "--system").fails("git does not take them, and nothing was changed: ");
    assert_eq!(world.text("system"), broken);
    world.install("").succeeds();
    fs::set_permissions(world.path("prefix"), fs::Permissions::from_mode(0o700)).unwrap();
    run_newer(&world, "--system").fails("prefix' is closed to other users");
}

/// A git of another version.
fn an_older_git(world: &World) -> String {
    let real = Run::of(Command::new("sh").args(["-c", "command -v git"])).stdout;
    let script = format!(
        "#!/bin/sh\n[ \"$*\" != --version ] || {{ echo git version 2.47.3 && exit; }}\nexec {} \"$@\"\n",
        real.trim()
    );
    fs::create_dir(world.path("older")).unwrap();
    executable(&world.path("older/git"), &script);
    format!("{}:{}", world.path("older").display(), std::env::var("PATH").unwrap())
}

#[test]
fn an_older_git_is_told_what_it_can_do_instead() {
    let world = World::new();
    open(&world);
    let mut install = with_system(&world, &mut world.command("--prefix prefix --from from --system"));
    let run = Run::of(install.env("PATH", an_older_git(&world)));
    run.fails("error: cannot have git 2.47.3 run hooks of its system configuration: 2.54 or newer does");
    for way in ["--hooks-path", "--template", "--root DIR"] {
        run.warns(way);
    }
    assert!(!world.has("system"));
}

#[test]
fn by_core_hooks_path_each_repositorys_own_hooks_run_as_before() {
    let world = World::new();
    open(&world);
    world.bare("a.git");
    world.hook("b.git", OLD, 0o755);
    world.verdict("b.git", OLD_VERDICT);
    executable(&world.path("b.git/hooks/update"), "#!/bin/sh\n[ \"$1\" != refs/heads/forbidden ]\n");
    let before = world.tree("");
    run(&world, "--hooks-path --dry-run").told_of(&before, &world.tree(""));
    assert_eq!(before, world.tree(""));
    run(&world, "--hooks-path").succeeds().prints("installed the hooks of all repositories: core.hooksPath in '");
    run(&world, "--hooks-path").succeeds().prints("already installed");

    Run::of(&mut push(&world, "a.git")).succeeds();
    // The stand-in cannot tell the one hook from the other here; ours can.
    assert_eq!(world.text("a.git/ours").lines().count(), 2);
    Run::of(&mut push(&world, "b.git")).succeeds().warns("remote: the verdict");
    assert_eq!(world.text("b.git/ours"), world.text("b.git/old").repeat(2));
    let mut forbidden = push(&world, "b.git");
    Run::of(forbidden.arg("HEAD:refs/heads/forbidden")).fails("forbidden (hook declined)");
    world.verdict("b.git", "#!/bin/sh\nexit 1\n");
    Run::of(&mut push(&world, "b.git")).fails("pre-receive hook declined");
    // One that has ours by a link of its own has it once.
    for name in ["post-receive", "pre-receive"] {
        symlink(world.path("prefix/libexec/git-webhook/post-receive"), world.path("a.git/hooks").join(name)).unwrap();
    }
    Run::of(&mut push(&world, "a.git")).succeeds();
    assert_eq!((world.text("a.git/ours").lines().count(), world.text("a.git/intended").lines().count()), (3, 1));

    // Nothing to do for one: it is done, and the programs are in use.
    run(&world, "a.git").succeeds().prints("by core.hooksPath for all repositories");
    uninstall(&world, "a.git").fails("--uninstall --hooks-path");
    uninstall(&world, "").fails("first: ");
    // Below another prefix it is ours as well, and nothing of it stays.
    Run::of(&mut with_system(&world, &mut world.command("--prefix other --uninstall --hooks-path"))).succeeds();
    assert!(!world.text("system").contains("hooksPath"));
    assert!(!world.has("prefix/libexec/git-webhook/hooks") && !world.has("prefix/libexec/git-webhook/every"));
    uninstall(&world, "").succeeds();
    assert!(!world.has("prefix/libexec/git-webhook"));
    fs::write(world.path("system"), "[core]\n\thooksPath = /srv/hooks\n").unwrap();
    run(&world, "--hooks-path").fails("cannot set core.hooksPath: it is '/srv/hooks'");
}

/// Where a repository has no such hook, its being there is not to change what git does.
#[test]
fn by_core_hooks_path_a_push_updates_a_work_tree_as_git_does() {
    let world = World::new();
    open(&world);
    run(&world, "--hooks-path").succeeds();
    world.git("", "init -q work").succeeds();
    world.git("work", "symbolic-ref HEAD refs/heads/main").succeeds();
    world.git("work", "commit -q --allow-empty -m one").succeeds();
    world.git("work", "config receive.denyCurrentBranch updateInstead").succeeds();
    world.git("", "clone -q work clone").succeeds();
    let commit = |text: &str| {
        fs::write(world.path("clone/file"), text).unwrap();
        world.git("clone", "add file").succeeds();
        world.git("clone", "commit -q -m more").succeeds();
    };
    let push = || {
        Run::of(&mut with_system(&world, world.isolated("git", "push origin main").current_dir(world.path("clone"))))
    };
    commit("one");
    push().succeeds();
    assert_eq!(world.text("work/file"), "one");
    fs::write(world.path("work/file"), "somebody's own").unwrap();
    commit("two");
    assert_ne!(push().code, Some(0));
    assert_eq!(world.text("work/file"), "somebody's own");
}

#[test]
fn repositories_that_are_made_from_now_on_have_the_hooks() {
    for own in [false, true] {
        let world = World::new();
        if own {
            fs::create_dir_all(world.path("template/hooks")).unwrap();
            world.configure(&format!("[init] templateDir = {}", world.path("template").display()));
            fs::write(world.path("system"), format!("[init]\n\ttemplateDir = {}\n", world.path("template").display()))
                .unwrap();
        }
        let before = world.tree("");
        run(&world, "--template --dry-run").succeeds();
        assert_eq!(before, world.tree(""));
        run(&world, "--template").succeeds().prints("installed the hooks in the template of new repositories");
        run(&world, "--template").succeeds().prints("already installed: the hooks in '");
        let mut init = world.isolated("git", "init -q --bare new.git");
        Run::of(&mut with_system(&world, &mut init)).succeeds();
        Run::of(&mut push(&world, "new.git")).succeeds();
        assert_eq!(world.text("new.git/ours"), world.text("new.git/intended"));
        assert!(
            own || world.has("new.git/hooks/update.sample")
                == world.has("prefix/share/git-webhook/template/hooks/update.sample")
        );

        uninstall(&world, "--template").succeeds();
        assert!(!world.has("template/hooks/post-receive") && !world.has("prefix/share/git-webhook/template"));
        assert_eq!(world.text("system").contains("templateDir"), own);
    }
}

#[test]
fn every_repository_below_a_directory() {
    let world = World::new();
    for name in ["srv/a.git", "srv/group/b.git"] {
        world.bare(name);
    }
    fs::rename(world.path("srv/group/b.git"), world.path("srv/group/b c.git")).unwrap();
    world.git("srv", "init -q work").succeeds();
    world.bare("elsewhere.git");
    symlink(world.path("elsewhere.git"), world.path("srv/link.git")).unwrap();
    let before = world.tree("srv");
    world.install("--root srv --dry-run").succeeds();
    assert_eq!(before, world.tree("srv"));
    let said = world.install("--root srv");
    let said = said.succeeds();
    said.prints("installed the hooks of '");
    assert!(world.path("srv/a.git/hooks/post-receive").is_symlink());
    assert!(world.path("srv/work/.git/hooks/pre-receive").is_symlink());
    assert!(!world.has("elsewhere.git/hooks/post-receive"));
    world.install("--root srv").succeeds().prints("already installed: the hooks of '");
    world.uninstall("--root srv").succeeds();
    assert!(!world.path("srv/a.git/hooks/post-receive").is_symlink());
    fs::create_dir(world.path("none")).unwrap();
    world.install("--root none").fails("there is no repository below 'none'");
}

/// A hook that looks at how it is called is called as git calls it, and goes on where ours is gone.
#[test]
fn by_core_hooks_path_a_hook_has_the_name_that_git_gives_it() {
    let world = World::new();
    open(&world);
    world.bare("a.git");
    let refuses =
        "#!/bin/sh\n[ \"$0\" = hooks/pre-receive ] || { echo \"called $0\" >&2; exit 0; }\n! grep -q forbidden\n";
    world.verdict("a.git", refuses);
    let refused = || {
        let mut push = push(&world, "a.git");
        Run::of(push.arg("HEAD:refs/heads/forbidden")).fails("pre-receive hook declined");
    };
    refused();
    run(&world, "--hooks-path").succeeds();
    refused();
    // Whoever removes the programs by hand takes no verdict along.
    fs::remove_file(world.path("prefix/libexec/git-webhook/driver")).unwrap();
    refused();
    Run::of(&mut push(&world, "a.git")).succeeds();
}

/// What git does before a repository is one, in all of its forms, and into one without a commit.
#[test]
fn by_core_hooks_path_repositories_are_made_as_ever() {
    let world = World::new();
    open(&world);
    run(&world, "--hooks-path").succeeds();
    let git = |place: &str, words: &str| {
        let mut git = world.isolated("git", words);
        Run::of(&mut with_system(&world, git.current_dir(world.path(place))))
    };
    for words in ["init -q work", "init -q --bare bare.git", "init -q --bare --ref-format=reftable table.git"] {
        git("", words).succeeds();
    }
    // An older git knows no reftable.
    git("", "clone -q bare.git clone");
    git("work", "config receive.denyCurrentBranch updateInstead").succeeds();
    git("work", "symbolic-ref HEAD refs/heads/main").succeeds();
    Run::of(&mut push(&world, "work")).succeeds();
    let at = |name: &str| git("work", &format!("rev-parse {name}")).succeeds().stdout.clone();
    assert_eq!(at("HEAD"), at("main"));
}

/// What cannot be run shall not be called installed.
#[test]
fn programs_that_are_not_there_are_linked_from_nowhere() {
    let world = World::new();
    open(&world);
    for way in ["--hooks-path", "--template"] {
        let mut install = world.command(&format!("--prefix none --link-only {way}"));
        Run::of(&mut with_system(&world, &mut install)).fails("it is not there, or does not run");
    }
    assert!(!world.has("system") && !world.has("none"));
    // Half of it is not done either.
    fs::create_dir_all(world.path("template/hooks")).unwrap();
    executable(&world.path("template/hooks/pre-receive"), "#!/bin/sh\n");
    let template = format!("[init]\n\ttemplateDir = {}\n", world.path("template").display());
    fs::write(world.path("system"), &template).unwrap();
    world.configure(&template);
    run(&world, "--template").fails("the template has a hook of that name");
    assert!(!world.path("template/hooks/post-receive").is_symlink());
}

/// Whoever has switched it off does not want it by another name.
#[test]
#[ignore = "needs a newer git: run tests/run"]
fn what_is_switched_off_for_all_is_not_stepped_round() {
    let world = World::new();
    open(&world);
    fs::write(world.path("system"), "[hook \"webhook\"]\n\tenabled = false\n").unwrap();
    run_newer(&world, "--system")
        .fails("hook.webhook.enabled in '")
        .warns("git config --system --unset hook.webhook.enabled");
    assert_eq!(world.text("system"), "[hook \"webhook\"]\n\tenabled = false\n");
    fs::remove_file(world.path("system")).unwrap();
    run_newer(&world, "--system").succeeds();
    uninstall(&world, "").fails("first: ").warns("--uninstall --system");
}
