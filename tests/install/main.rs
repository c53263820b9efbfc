//! `install.sh`, its timer and `hooks/driver` on real repositories, with real pushes.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

mod purge;
mod timer;

const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

/// Stands in for our program: it keeps what it reads in the repository.
const STUB: &str = "#!/bin/sh
case $0:$1 in
*:--version) ;;
*pre-receive*) cat >>intended ;;
*) cat >>ours ;;
esac
";
/// The hook that was there before us.
const OLD: &str = "#!/bin/sh\ncat >>old\n";
/// A pre-receive hook that was there before us: it sees the objects that are pushed, and speaks.
const OLD_VERDICT: &str = "#!/bin/sh
while read -r old new ref; do
    git cat-file -e $new || exit 4
    echo $old $new $ref >>judged
done
echo the verdict
";

// --- linking -------------------------------------------------------------------------------

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
    world.install(all).succeeds();
    let both = world.tree("");
    assert!(world.has("kept.git/hooks/pre-receive.d/50-local"));

    world.install(&format!("--post-receive-only {all}")).succeeds();
    assert_eq!(one, world.tree(""));
    world.install(all).succeeds();
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

    assert!(world.path("a.git/webhook/refs").is_file(), "the refs as they were count as told");
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

// --- core.hooksPath ------------------------------------------------------------------------

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

// --- the hook that was there ---------------------------------------------------------------

#[test]
fn the_hook_that_was_there_reads_the_same_input() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    world.verdict("a.git", "#!/bin/sh\ncat >judged");
    world.install("a.git").succeeds();

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
    world.install("a.git").succeeds();

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
    world.install("a.git").succeeds();

    world.push("a.git").succeeds().warns("remote: the verdict");

    assert_eq!(world.text("a.git/intended"), world.text("a.git/judged"));
    assert_eq!(world.text("a.git/ours"), world.text("a.git/judged"));
}

#[test]
fn a_verdict_runs_on_when_ours_has_gone() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", &format!("{OLD_VERDICT}exit 3"));
    world.install("a.git").succeeds();
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
    world.install("a.git").succeeds();
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
    world.install("a.git").succeeds();
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
        world.install("a.git").succeeds();
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
    world.install("a.git").succeeds();
    let installed = world.tree("");

    for prefix in [world.path("prefix"), world.path("gone")] {
        world.earlier("a.git", &prefix);
        let linked = world.tree("");
        let told = world.run("--prefix prefix --link-only --dry-run a.git");
        assert_eq!(linked, world.tree(""));
        world.install("a.git").succeeds().prints("installed the hooks of ");
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
    world.install("a.git").succeeds();
    let newest = world.tree("");
    let driver = world.path("prefix/libexec/git-webhook/driver");
    let other = fs::read_to_string(&driver).unwrap() + "# another version\n";
    executable(&driver, &other);

    let link = || world.run("--prefix prefix --link-only a.git");
    link().succeeds().prints("installed the hooks of ");
    link().succeeds().prints("already installed");
    assert!(world.text("a.git/hooks/pre-receive").starts_with(&other));
    let outdated = world.tree("");
    let told = world.install("--dry-run a.git");
    world.install("a.git").succeeds().prints("\ninstalled the hooks of ");
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
    world.install("a.git").succeeds();
    let hook = world.path("a.git/hooks/pre-receive");
    let edited = fs::read_to_string(&hook).unwrap().replace("status=0\n", "status=0\necho edited\n");
    executable(&hook, &edited);
    let before = world.tree("a.git/hooks");

    let again = world.install("a.git");
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

        world.install("a.git").fails(&format!("/hooks/{name}': it is another hook as well, by "));

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

#[test]
fn somebody_elses_driver_stays_and_runs_ours() {
    let world = World::new();
    let driver = "#!/bin/sh\ntouch old; for f in hooks/post-receive.d/*; do $f; done";
    world.hook("a.git", driver, 0o755);
    world.entry("a.git", "theirs", "#!/bin/sh\ntouch theirs", 0o755);
    let before = world.tree("a.git/hooks");

    world.install("a.git").succeeds();
    world.push("a.git").succeeds();
    for trace in ["a.git/ours", "a.git/old", "a.git/theirs"] {
        assert!(world.has(trace), "no {trace}");
    }

    world.uninstall("a.git").succeeds();
    assert_eq!(before, world.tree("a.git/hooks"));
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

    let run = world.install("a.git");
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

// --- uninstall and dry run -----------------------------------------------------------------

#[test]
fn uninstall_restores_byte_for_byte_and_mode() {
    let world = World::new();
    world.bare("none");
    world.hook("script", "#!/bin/sh\n# no line end", 0o750);
    world.hook("off", OLD, 0o640);
    world.hook("both", OLD, 0o755);
    world.verdict("both", "#!/bin/sh\n# another");
    for (name, target) in [("up", "../custom"), ("beside", "custom"), ("gone", "/no")] {
        world.bare(name);
        executable(&world.path(name).join("custom"), OLD);
        for hook in ["post-receive", "pre-receive"] {
            symlink(target, world.path(name).join("hooks").join(hook)).unwrap();
        }
    }
    let all = "none script off both up beside gone";
    let before = world.tree("");

    world.install(all).succeeds();
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

    let told = world.install("plain.git kept.git --dry-run");
    assert_eq!(before, world.tree(""));
    world.install("plain.git kept.git").succeeds();
    let installed = world.tree("");
    told.told_of(&before, &installed);

    let told = world.run("--prefix prefix --link-only --post-receive-only plain.git kept.git --dry-run");
    assert_eq!(installed, world.tree(""));
    world.install("plain.git kept.git --post-receive-only").succeeds();
    told.told_of(&installed, &world.tree(""));
    world.install("plain.git kept.git").succeeds();

    let mut told = world.uninstall("plain.git kept.git --dry-run");
    told.stdout += &world.uninstall("--dry-run").stdout;
    assert_eq!(installed, world.tree(""));
    world.uninstall("plain.git kept.git").succeeds();
    world.uninstall("").succeeds();
    told.told_of(&installed, &world.tree(""));
}

// --- the driver ----------------------------------------------------------------------------

#[test]
fn a_verdict_is_kept_under_the_driver() {
    let world = World::new();
    world.driver(
        "a.git/hooks/pre-receive",
        &[("10-ours", STUB), ("50-local", "#!/bin/sh\ncat >>old; exit 3"), ("60-late", "#!/bin/sh\ntouch late")],
    );

    world.push("a.git").fails("pre-receive hook declined");

    assert_eq!(world.text("a.git/intended"), world.text("a.git/old"));
    assert!(!world.has("a.git/late"));
    assert!(!world.has("a.git/refs/heads/main"));
}

#[test]
fn without_objection_the_driver_lets_a_push_through() {
    let world = World::new();
    world.driver("a.git/hooks/pre-receive", &[("10-ours", STUB), ("50-local", OLD)]);

    world.push("a.git").succeeds();

    assert_eq!(world.text("a.git/intended"), world.text("a.git/old"));
    assert!(world.has("a.git/refs/heads/main"));
}

#[test]
fn the_driver_hands_on_the_arguments() {
    let world = World::new();
    world.driver("a.git/hooks/update", &[("one", "#!/bin/sh\necho \"$# $1\" >told")]);

    world.push("a.git").succeeds();

    assert_eq!(world.text("a.git/told"), "3 refs/heads/main\n");
}

#[test]
fn the_driver_runs_in_byte_order_what_is_on() {
    let world = World::new();
    let tell = "#!/bin/sh\necho \"${0##*/}\" >>told";
    let names = ["b", "a", "B", "10-x", "9-x", "é", "x~", "x.bak", "x.sample", ".x"];
    world.driver("a.git/hooks/post-receive", &names.map(|name| (name, tell)));
    world.entry("a.git", "off", tell, 0o644);
    fs::create_dir(world.path("a.git/hooks/post-receive.d/directory")).unwrap();

    let run = world.feed_hook("a.git", b"");

    assert_eq!(run.succeeds().stderr, "");
    assert_eq!(world.text("a.git/told"), "10-x\n9-x\nB\na\nb\né\n");
}

#[test]
fn after_a_push_all_hooks_run_and_the_first_failure_is_told() {
    let world = World::new();
    world.driver("a.git/hooks/post-receive", &[("10", "#!/bin/sh\nexit 3"), ("20", "#!/bin/sh\nexit 4"), ("30", STUB)]);

    let run = world.feed_hook("a.git", b"line\n");

    assert_eq!(run.code, Some(3));
    assert_eq!(world.text("a.git/ours"), "line\n");
}

#[test]
fn the_driver_hands_on_every_byte_and_bears_a_deaf_hook() {
    let world = World::new();
    world.driver("a.git/hooks/post-receive", &[("10-deaf", "#!/bin/sh\n"), ("20", STUB)]);
    let mut input: Vec<u8> = (1..=255).cycle().take(1 << 20).collect();
    input.extend(b"\n\n");

    let run = world.feed_hook("a.git", &input);

    assert_eq!(run.succeeds().stderr, "");
    assert!(input == fs::read(world.path("a.git/ours")).unwrap());
}

// --- the programs --------------------------------------------------------------------------

#[test]
fn a_running_program_is_not_written_over() {
    let world = World::new();
    world.install("").succeeds();
    let program = world.path("prefix/libexec/git-webhook/post-receive");
    let running = fs::metadata(&program).unwrap().ino();

    executable(&world.path("from/post-receive"), "#!/bin/sh\n# newer\n");
    world.install("").succeeds();

    assert_ne!(running, fs::metadata(&program).unwrap().ino());
    assert_eq!(world.tree("prefix/libexec/git-webhook").len(), 2);
}

#[test]
fn a_strict_umask_does_not_lock_out_the_hooks_user() {
    let world = World::new();
    let install = world.command("--prefix prefix --from from");
    let mut shell = world.isolated("sh", "-c");
    shell.arg("umask 077; exec \"$@\"").arg("sh");
    shell.arg(install.get_program()).args(install.get_args());
    Run::of(&mut shell).succeeds();

    for (path, (mode, _)) in world.tree("prefix/libexec") {
        assert_eq!(mode & 0o005, 0o005, "{}", path.display());
    }
}

#[test]
fn what_helps_the_administrator_comes_and_goes_with_the_programs() {
    let world = World::new();
    let files = ["man/man1/git-webhook.1", "man/man5/git-webhook-config.5", "bash-completion/completions/git-webhook"];
    let share = world.path("prefix/share");
    world.install("").succeeds();
    for file in files {
        let mode = fs::metadata(share.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{file}");
    }

    world.uninstall("").succeeds();
    for file in files {
        assert!(!share.join(file).exists(), "{file}");
    }
}

#[test]
fn a_prefix_that_is_not_on_path_is_warned_of() {
    let world = World::new();
    world.install("").warns("prefix/bin' is not on PATH");

    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", world.path("prefix/bin").display());
    let mut install = world.command("--prefix prefix --from from");
    assert_eq!(Run::of(install.env("PATH", path)).stderr, "");
}

#[test]
fn a_directory_without_the_programs_is_told() {
    let world = World::new();
    fs::remove_file(world.path("from/git-webhook")).unwrap();

    let run = world.install("");

    run.fails("error: cannot find the program 'git-webhook' in 'from'");
}

#[test]
fn missing_cargo_is_told() {
    let run = World::new().build(&[("cc", "")]);

    run.fails("error: cannot find 'cargo' and 'rustc' on PATH: ");
    run.fails("hint: see https://rustup.rs");
    assert!(!run.stderr.contains("'cc'"), "{run:?}");
}

#[test]
fn an_old_rust_is_told() {
    let old = ("rustc", "echo 'rustc 1.9.0 (e4e8b6668 2016-05-18)'");
    let run = World::new().build(&[("cargo", "exit 97"), old, ("cc", "")]);

    run.fails("error: cannot build with rustc '1.9.0': Rust 1.");
    run.fails("hint: rustup update stable");
}

#[test]
fn a_missing_compiler_is_told() {
    let run = World::new().build(&[("cargo", "exit 97"), ("rustc", "echo rustc 1.100.0")]);

    run.fails("error: cannot find 'cc' on PATH: building needs a C compiler");
    for packager in ["apt install", "dnf install", "apk add"] {
        run.warns(&format!("sudo {packager} gcc"));
    }
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let world = World::new();
    let run = world.build(&[]);

    run.fails("'cargo'");
    run.fails("'cc'");
    assert!(!world.has("prefix"));
}

#[test]
fn an_old_git_is_told() {
    let world = World::new();
    world.bare("a.git");
    let old = [("git", "test \"$1\" != --version || echo git version 2.9.5")];
    let mut install = world.command("--prefix prefix --from from a.git");

    let run = Run::of(install.env("PATH", world.tools(&old)));

    run.fails("error: cannot use git '2.9.5': 2.31 or newer is needed");
    assert!(!world.has("prefix"));
}

#[test]
fn what_cargo_builds_is_installed() {
    let world = World::new();
    let cargo = "test \"$1 $2 $3\" = 'build --release --locked' &&
        mkdir -p \"$CARGO_TARGET_DIR\" && cp -r ~/../from \"$CARGO_TARGET_DIR/release\"";
    let rustc = ("rustc", "echo rustc 1.100.0-nightly");

    let run = world.build(&[("cargo", cargo), rustc, ("cc", "")]);

    run.succeeds();

    assert_eq!(world.text("prefix/libexec/git-webhook/post-receive"), STUB);
}

#[test]
fn the_prefix_is_chosen_by_what_can_be_written() {
    let world = World::new();
    world.bare("a.git");

    let run = world.run("--link-only --dry-run a.git");

    let own = world.path("home/.local").display().to_string();
    let chosen = |prefix| run.stdout.contains(&format!("'{prefix}/libexec/"));
    assert!(chosen("/usr/local") || chosen(&own), "{run:?}");
}

#[test]
fn a_wrong_command_line_changes_nothing() {
    let world = World::new();
    world.bare("a.git");
    let before = world.tree("");

    for line in [
        "--no-such-option",
        "a.git --no-such-option",
        "a.git --prefix",
        "--prefix= a.git",
        "--link-only",
        "--link-only a.git",
        "--uninstall a.git",
        "--demo a.git",
        "--post-receive-only",
    ] {
        let run = world.install(line);
        assert_eq!(run.code, Some(2), "{line}: {run:?}");
        assert!(run.stderr.contains("usage: install.sh"), "{run:?}");
    }

    for line in ["--demo --post-receive-only", "--uninstall --post-receive-only a.git"] {
        assert_eq!(world.run(line).code, Some(2), "{line}");
    }

    assert_eq!(before, world.tree(""));
    world.run("--help").succeeds().prints("usage: install.sh");
}

// --- the owner -----------------------------------------------------------------------------

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

    world.install("a.git").succeeds();
    for made in ["", ".d", ".d/00-git-webhook", ".d/50-local"] {
        for hook in ["post-receive", "pre-receive"] {
            let path = world.path(&format!("a.git/hooks/{hook}{made}"));
            let owner = fs::symlink_metadata(path).unwrap();
            assert_eq!((owner.uid(), owner.gid()), (OWNER, OWNER), "{hook}{made}");
        }
    }
    world.install("a.git").succeeds().prints("already installed: the hooks of ");

    let driver = world.path("prefix/libexec/git-webhook/driver");
    executable(&driver, &(fs::read_to_string(&driver).unwrap() + "# another version\n"));
    world.run("--prefix prefix --link-only a.git").succeeds();
    world.install("--dry-run a.git").succeeds().prints("/hooks/pre-receive'\n");
    world.install("--post-receive-only a.git").succeeds();
    assert_eq!(world.text("a.git/hooks/pre-receive"), OLD_VERDICT);
    world.uninstall("a.git").succeeds();
    assert_eq!(world.text("a.git/hooks/post-receive"), OLD);

    fs::set_permissions(world.path("from"), fs::Permissions::from_mode(0o700)).unwrap();
    let run = world.install("--prefix from/shut a.git");
    run.fails("is not there for its owner to run");
}

// --- the demonstration ---------------------------------------------------------------------

#[test]
fn the_demonstration_shows_a_push_and_leaves_nothing() {
    let world = World::new();
    let before = world.tree("");

    let run = world.run(&format!("--demo --from {}", built()));

    run.succeeds();
    assert_eq!(run.stdout.matches("webhook demo: delivered main").count(), 1, "pre-receive delivers nothing");
    run.prints("webhook demo: delivered v1.0");
    run.prints("\"object_kind\": \"push\"");
    run.prints("\"object_kind\": \"tag_push\"");
    assert_eq!(before, world.tree(""));
}

#[test]
fn a_demonstration_that_fails_says_why_and_leaves_nothing() {
    let world = World::new();
    let receiver = world.path("from/git-webhook");
    executable(&receiver, "#!/bin/sh\necho no port >&2; exit 1");
    let before = world.tree("");

    let run = world.run("--demo --from from");

    run.fails("error: the demonstration failed: the receiver does not start");
    run.fails("no port");
    assert_eq!(before, world.tree(""));
}

#[test]
fn a_demonstration_without_delivery_fails() {
    let world = World::new();
    let receiver = world.path("from/git-webhook");
    executable(&receiver, "#!/bin/sh\necho listening on http://x; sleep 1");

    let run = world.run("--demo --from from");

    run.fails("error: the demonstration failed: no push event comes to the receiver");
}

// --- the scripts ---------------------------------------------------------------------------

#[test]
#[ignore = "needs shellcheck: run tests/run"]
fn shellcheck_finds_nothing() {
    let scripts =
        ["install.sh", "install/timer.sh", "hooks/driver", "tests/run", ".ci/run", "completions/git-webhook.bash"];
    let scripts = scripts.map(|script| Path::new(CHECKOUT).join(script));
    let present = scripts.iter().filter(|script| script.exists());
    Run::of(Command::new("shellcheck").arg("-x").args(present).current_dir(CHECKOUT)).succeeds();
}

// --- helpers -------------------------------------------------------------------------------

/// A directory with a home, stub programs in `from`, and repositories beside them. Command
/// lines are given as words between spaces.
struct World {
    root: PathBuf,
    #[expect(dead_code, reason = "held for its drop")]
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let world = Self { root, directory };
        for name in ["home", "from", "tmp"] {
            fs::create_dir(world.path(name)).unwrap();
        }
        executable(&world.path("from/post-receive"), STUB);
        executable(&world.path("from/git-webhook"), "#!/bin/sh\n");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn tree(&self, name: &str) -> Tree {
        tree(&self.path(name))
    }

    fn bare(&self, name: &str) {
        let mut init = self.isolated("git", "init -q --bare --");
        Run::of(init.arg(name)).succeeds();
    }

    /// A bare repository that has a post-receive hook.
    fn hook(&self, name: &str, script: &str, mode: u32) {
        self.bare(name);
        let hook = self.path(name).join("hooks/post-receive");
        executable(&hook, script);
        fs::set_permissions(&hook, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Gives a repository a pre-receive hook.
    fn verdict(&self, repository: &str, script: &str) {
        executable(&self.path(repository).join("hooks/pre-receive"), script);
    }

    /// Puts a link to the driver where its copies are, as earlier versions did.
    fn earlier(&self, repository: &str, prefix: &Path) {
        for name in ["post-receive", "pre-receive"] {
            let hook = self.path(repository).join("hooks").join(name);
            fs::remove_file(&hook).unwrap();
            symlink(prefix.join("libexec/git-webhook/driver"), hook).unwrap();
        }
    }

    /// A file in the repository's post-receive.d.
    fn entry(&self, repository: &str, name: &str, script: &str, mode: u32) -> PathBuf {
        let directory = self.path(repository).join("hooks/post-receive.d");
        fs::create_dir_all(&directory).unwrap();
        let entry = directory.join(name);
        executable(&entry, script);
        fs::set_permissions(&entry, fs::Permissions::from_mode(mode)).unwrap();
        entry
    }

    /// The repository a.git with the driver as this hook, linked by hand.
    fn driver(&self, hook: &str, entries: &[(&str, &str)]) {
        self.bare("a.git");
        let hook = self.path(hook);
        symlink(Path::new(CHECKOUT).join("hooks/driver"), &hook).unwrap();
        let directory = hook.with_extension("d");
        fs::create_dir(&directory).unwrap();
        for (name, script) in entries {
            executable(&directory.join(name), script);
        }
    }

    fn configure(&self, text: &str) {
        fs::write(self.path("home/.gitconfig"), text).unwrap();
    }

    /// With the stub programs, below `prefix`.
    fn install(&self, words: &str) -> Run {
        self.run(&format!("--prefix prefix --from from {words}"))
    }

    fn uninstall(&self, words: &str) -> Run {
        self.run(&format!("--prefix prefix --uninstall {words}"))
    }

    /// Builds on a machine that has these tools only.
    fn build(&self, stubs: &[(&str, &str)]) -> Run {
        let mut install = self.command("--prefix prefix");
        install.env("CARGO_TARGET_DIR", self.path("target"));
        Run::of(install.env("PATH", self.tools(stubs)))
    }

    fn run(&self, words: &str) -> Run {
        Run::of(&mut self.command(words))
    }

    fn command(&self, words: &str) -> Command {
        self.isolated(&format!("{CHECKOUT}/install.sh"), words)
    }

    fn git(&self, directory: &str, words: &str) -> Run {
        let mut git = self.isolated("git", words);
        Run::of(git.current_dir(self.path(directory)))
    }

    fn isolated(&self, program: &str, words: &str) -> Command {
        let mut command = Command::new(program);
        command.args(words.split_whitespace());
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"GIT_") || name == "XDG_CONFIG_HOME" {
                command.env_remove(name);
            }
        }
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("HOME", self.path("home"));
        command.env("TMPDIR", self.path("tmp"));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada");
            command.env(format!("GIT_{who}_EMAIL"), "ada@example.org");
        }
        command
    }

    /// Pushes a commit to main.
    fn push(&self, repository: &str) -> Run {
        let clone = self.clone_with_commit();
        let mut push = self.isolated("git", "push --force");
        push.arg(self.path(repository)).arg("HEAD:refs/heads/main");
        Run::of(push.current_dir(clone.path()))
    }

    /// Pushes that many new branches, and one whose name is no UTF-8.
    fn push_many(&self, repository: &str, count: usize) -> Run {
        let clone = self.clone_with_commit();
        let mut refs = b"create refs/heads/new/caf\xe9 HEAD\n".to_vec();
        for number in 0..count {
            writeln!(refs, "create refs/heads/new/{number} HEAD").unwrap();
        }
        let mut update_ref = self.isolated("git", "update-ref --stdin");
        feed(update_ref.current_dir(clone.path()), &refs).succeeds();
        let mut push = self.isolated("git", "push");
        push.arg(self.path(repository)).arg("refs/heads/new/*");
        Run::of(push.current_dir(clone.path()))
    }

    fn clone_with_commit(&self) -> TempDir {
        let clone = TempDir::new().unwrap();
        let path = clone.path().to_str().unwrap();
        self.git(path, "init -q").succeeds();
        // Its name makes the commit another one than that of the push before.
        let commit = format!("commit -q --allow-empty -m {path}");
        self.git(path, &commit).succeeds();
        clone
    }

    /// Starts the post-receive hook as git does.
    fn feed_hook(&self, repository: &str, input: &[u8]) -> Run {
        let mut hook = self.isolated("hooks/post-receive", "");
        feed(hook.current_dir(self.path(repository)), input)
    }

    /// A PATH with what install.sh needs, and of git, cargo, rustc and cc only these stubs.
    fn tools(&self, stubs: &[(&str, &str)]) -> PathBuf {
        let directory = self.path("tools");
        fs::create_dir(&directory).unwrap();
        for (name, script) in stubs {
            executable(&directory.join(name), &format!("#!/bin/sh\n{script}\n"));
        }
        let needed = "sh cat chmod cmp cp id mkdir mv readlink rm sed";
        for name in needed.split(' ') {
            let path = std::env::var_os("PATH").unwrap();
            let mut places = std::env::split_paths(&path).map(|place| place.join(name));
            let tool = places.find(|tool| tool.exists()).unwrap();
            symlink(tool, directory.join(name)).unwrap();
        }
        directory
    }
}

/// The directory of the programs that cargo built for this test.
fn built() -> &'static str {
    let program = env!("CARGO_BIN_EXE_post-receive");
    program.strip_suffix("/post-receive").unwrap()
}

fn executable(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// How a program ended and what it printed.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(command: &mut Command) -> Self {
        Self::from(command.stdin(Stdio::null()).output().unwrap())
    }

    fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    fn fails(&self, why: &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        self.warns(why);
    }

    fn prints(&self, what: &str) {
        assert!(self.stdout.contains(what), "no {what} in {self:?}");
    }

    fn warns(&self, what: &str) {
        assert!(self.stderr.contains(what), "no {what} in {self:?}");
    }

    /// That a dry run named every file that has changed, and printed nothing but changes.
    fn told_of(&self, before: &Tree, after: &Tree) {
        assert!(self.succeeds().stdout.lines().all(|line| line.starts_with("would ")), "{self:?}");
        let changed = |path: &&PathBuf| before.get(*path) != after.get(*path) && !path.is_dir();
        for path in before.keys().chain(after.keys()).filter(changed) {
            self.prints(&format!("'{}'", path.display()));
        }
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn feed(command: &mut Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Run::from(child.wait_with_output().unwrap())
}

/// Every path below a directory with its kind, mode and content.
type Tree = BTreeMap<PathBuf, (u32, String)>;

fn tree(directory: &Path) -> Tree {
    let mut tree = Tree::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            target.as_os_str().as_bytes().to_vec()
        } else if metadata.is_dir() {
            tree.extend(self::tree(&path));
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        tree.insert(path, (metadata.mode(), content.escape_ascii().to_string()));
    }
    tree
}
