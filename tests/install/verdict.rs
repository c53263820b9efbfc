//! A hook that may refuse pushes stays where it is and keeps its word, unless somebody asks for it to move.

use super::*;

/// Hooks of which each finds something by its own path or name, or may; each refuses a push.
const TIED: [(&str, &str); 21] = [
    ("sourced", "#!/bin/sh\n. ./lib.sh\nrefuse\n"),
    ("positional", "#!/bin/bash\nme=\"${@:0:1}\"; . \"${me%/*}/lib.sh\"; refuse\n"),
    ("indirect", "#!/bin/bash\nn=0; me=\"${!n}\"; [ -e \"${me%/*}/none\" ] || exit 1\n"),
    ("eval", "#!/bin/sh\neval \"exit 1\"\n"),
    ("runner", "#!/bin/sh -e /no/runner\nexit 1\n"),
    ("neighbours", "#!/bin/sh\nfor c in \"$(dirname \"$0\")\"/checks/*; do \"$c\" || exit 1; done\n"),
    ("name", "#!/bin/sh\ncase $0 in */pre-receive) exit 1 ;; esac\n"),
    ("braces", "#!/bin/sh\n. \"${0%/*}/lib.sh\"; refuse\n"),
    ("bash", "#!/bin/bash\n. \"${BASH_SOURCE%/*}/lib.sh\"; refuse\n"),
    ("env", "#!/usr/bin/env bash\n. \"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)/lib.sh\"; refuse\n"),
    ("proc", "#!/bin/sh\n. \"$(readlink -f /proc/$$/fd/255 || echo hooks)/../lib.sh\" || exit 1\n"),
    ("ps", "#!/bin/sh\nps -o args= $PPID | grep -q pre-receive || exit 1\nexit 1\n"),
    ("glob", "#!/bin/sh\nfor f in h*ks/p*; do grep -q MAGIC $f && [ ! -d $f ] && exit 1; done\nexit 0\n"),
    ("parent", "#!/bin/sh\ncase \"$(cat /pr*/$PPID/comm)\" in git*) exit 1 ;; esac\n"),
    ("hooks", "#!/bin/sh\n[ -x hooks/pre-receive ] || exit 0; exit 1\n"),
    ("python", "#!/usr/bin/env python3\nimport sys\nsys.exit(1)\n"),
    ("perl", "#!/usr/bin/perl\nuse FindBin; exit 1;\n"),
    ("ruby", "#!/usr/bin/env ruby\nrequire_relative 'lib'\n"),
    ("node", "#!/usr/bin/env node\nrequire('./lib')\n"),
    ("awk", "#!/usr/bin/awk -f\nBEGIN { exit 1 }\n"),
    ("nul", "#!/bin/sh\nexit 1\n\0"),
];

fn with_neighbours(world: &World, name: &str, hook: &str) {
    world.bare(name);
    world.verdict(name, hook);
    let hooks = world.path(name).join("hooks");
    fs::create_dir(hooks.join("checks")).unwrap();
    executable(&hooks.join("checks/no"), "#!/bin/sh\necho no; exit 1\n");
    fs::write(hooks.join("lib.sh"), "refuse() { exit 1; }\n").unwrap();
}

#[test]
fn a_verdict_is_left_alone() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", &format!("{OLD_VERDICT}exit 3"));
    let before = world.tree("a.git/hooks");

    let run = world.install("a.git");

    run.succeeds().prints("pre-receive' stays as it is, and ours is left out: a push whose client goes away");
    run.prints("in a shell script, have this as its second line: ");
    run.prints("note: --chain moves that hook to ");
    world.push("a.git").fails("remote: the verdict");
    assert!(!world.has("a.git/hooks/pre-receive.d"));
    fs::remove_file(world.path("a.git/hooks/post-receive")).unwrap();
    assert_eq!(before, world.tree("a.git/hooks"));
}

/// Not each program of that name is ours.
#[test]
fn a_verdict_that_is_called_as_our_command_is_left_alone() {
    let world = World::new();
    world.bare("a.git");
    fs::create_dir_all(world.path("opt/bin")).unwrap();
    let verdict = world.path("opt/bin/git-webhook");
    executable(&verdict, "#!/bin/sh\nexit 1\n");
    let hook = world.path("a.git/hooks/pre-receive");
    symlink(&verdict, &hook).unwrap();
    world.install("a.git").succeeds().prints("pre-receive' stays as it is, and ours is left out");
    assert_eq!(fs::read_link(&hook).unwrap(), verdict);
    world.push("a.git").fails("pre-receive hook declined");
}

#[test]
fn a_hook_that_may_know_where_it_is_is_moved_by_nothing() {
    for (name, hook) in TIED {
        let world = World::new();
        with_neighbours(&world, "a.git", hook);
        let before = world.tree("a.git");

        world.install("--chain a.git").fails("cannot move ").fails("hint: or link without it: --post-receive-only");
        assert_eq!(before, world.tree("a.git"), "{name}");
        world.push("a.git").fails("pre-receive hook declined");

        let run = world.install("a.git");
        run.succeeds().prints("pre-receive' stays as it is, and ours is left out");
        assert!(!run.stdout.contains("--chain moves"), "{name}: {run:?}");
        world.push("a.git").fails("pre-receive hook declined");
        world.uninstall("a.git").succeeds();
        world.push("a.git").fails("pre-receive hook declined");
    }
}

/// One of ours that has no verdict moves only where it finds what it needs.
#[test]
fn a_post_receive_that_may_know_where_it_is_is_not_moved() {
    let world = World::new();
    world.hook("a.git", "#!/bin/sh\n. \"${0%/*}/lib.sh\"\n", 0o755);
    let before = world.tree("a.git");

    let run = world.install("a.git");

    run.fails("by which it may find things beside itself");
    run.fails("hint: it can stay where it is: in a shell script, have this as its second line: ");
    assert_eq!(before, world.tree("a.git"));
}

#[test]
fn other_verdicts_are_not_touched() {
    let world = World::new();
    world.bare("a.git");
    for hook in ["update", "proc-receive", "reference-transaction"] {
        executable(&world.path("a.git/hooks").join(hook), "#!/bin/sh\nexit 0\n");
    }
    let before = world.tree("a.git/hooks");
    world.install("--chain a.git").succeeds();
    for hook in ["pre-receive", "post-receive"] {
        fs::remove_file(world.path("a.git/hooks").join(hook)).unwrap();
    }
    assert_eq!(before, world.tree("a.git/hooks"));
}

/// The line that is printed, in the hook's second line: both run, and the verdict is the hook's.
#[test]
fn the_printed_line_has_ours_run_before_the_hook() {
    for verdict in [0, 3] {
        let world = World::new();
        let hook = format!("{OLD_VERDICT}. \"${{0%/*}}/lib.sh\"\nexit {verdict}\n");
        with_neighbours(&world, "a.git", &hook);
        fs::write(world.path("a.git/hooks/lib.sh"), "").unwrap();
        let run = world.install("a.git");
        let line = run.stdout.split("its second line: ").nth(1).unwrap().lines().next().unwrap();
        let (first, rest) = hook.split_once('\n').unwrap();
        world.verdict("a.git", &format!("{first}\n{line}\n{rest}"));

        let push = world.push("a.git");

        if verdict == 0 {
            push.succeeds().warns("remote: the verdict");
        } else {
            push.fails("remote: the verdict");
        }
        // The stand-in does not know quarantine, by which ours tells what it is called as.
        assert!(world.text("a.git/ours").starts_with(&world.text("a.git/judged")));
        let is_judged = || {
            let push = world.push("a.git");
            if verdict == 0 {
                push.succeeds()
            } else {
                push.fails("pre-receive hook declined")
            };
        };
        // Whatever becomes of ours, it is nobody's verdict.
        for broken in ["#!/no/such/interpreter\n", "#!/bin/sh\nexit 7\n", "#!/bin/sh\nkill -9 $$\n"] {
            executable(&world.path("prefix/libexec/git-webhook/post-receive"), broken);
            is_judged();
        }
        fs::remove_dir_all(world.path("prefix")).unwrap();
        is_judged();
    }
}

/// The hook was moved, and cannot be asked: that is its refusal, and a line says so.
#[test]
fn a_driver_fails_closed() {
    type Break = fn(&Path);
    let breaks: [(&str, Break); 4] = [
        ("cannot run ", |kept| executable(kept, "#!/no/such/interpreter\n")),
        ("is a link that leads nowhere", |kept| {
            fs::remove_file(kept).unwrap();
            symlink("/nowhere", kept).unwrap();
        }),
        ("cannot look into ", |kept| fs::remove_dir_all(kept.parent().unwrap()).unwrap()),
        ("cannot run ", |kept| executable(kept, "#!/bin/sh\nexit 126\n")),
    ];
    for (why, break_it) in breaks {
        let world = World::new();
        world.bare("a.git");
        world.verdict("a.git", OLD_VERDICT);
        world.install("--chain a.git").succeeds();
        break_it(&world.path("a.git/hooks/pre-receive.d/50-local"));

        let push = world.push("a.git");
        push.fails(why).fails(": refused");
        assert!(!world.has("a.git/refs/heads/main"));
    }
}

/// What is pushed cannot be read to its end: nobody is asked about the half of it.
#[test]
fn a_driver_that_cannot_read_refuses() {
    let world = World::new();
    world.bare("a.git");
    world.verdict("a.git", OLD_VERDICT);
    world.install("--chain a.git").succeeds();
    fs::create_dir(world.path("bin")).unwrap();
    executable(&world.path("bin/cat"), "#!/bin/sh\nhead -c 10; exit 1\n");
    let mut hook = world.isolated("sh", "-c");
    let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());
    hook.arg("echo a long line of input | hooks/pre-receive").env("PATH", path);
    let run = Run::of(hook.current_dir(world.path("a.git")));
    run.fails("cannot read what is pushed: refused");
    assert!(!world.has("a.git/judged"));
}

#[test]
fn a_hook_goes_back_where_the_driver_cannot_be_placed() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    let before = world.tree("a.git/hooks");
    world.install("").succeeds();
    // The last step cannot be done.
    fs::create_dir(world.path("bin")).unwrap();
    let ln = "#!/bin/sh\ncase $* in -s*post-receive*git-webhook*) exit 1 ;; esac\nexec /bin/ln \"$@\"\n";
    executable(&world.path("bin/ln"), ln);
    let mut install = world.command("--prefix prefix --from from a.git");
    install.env("PATH", format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap()));

    Run::of(&mut install).fails("cannot link ");

    assert_eq!(before, world.tree("a.git/hooks"));
}

/// F12 of real servers: the command in place of the hook refuses every push.
#[test]
fn a_link_to_the_command_becomes_one_to_the_hook() {
    let world = World::new();
    world.bare("a.git");
    world.install("").succeeds();
    for hook in ["pre-receive", "post-receive"] {
        symlink(world.path("prefix/bin/git-webhook"), world.path("a.git/hooks").join(hook)).unwrap();
    }
    world.install("a.git").succeeds();
    world.push("a.git").succeeds();
    assert!(world.has("a.git/ours") && world.has("a.git/intended"));
}

/// The driver's own names are nobody else's: a pusher's environment reaches the hook as it is.
#[test]
fn the_driver_changes_no_variable_of_the_pusher() {
    let world = World::new();
    world.bare("a.git");
    let names = ["name", "status", "input", "hook", "program", "before", "answer"];
    let tell: String = names.iter().map(|name| format!("echo \"{name}=${name}\" >>told\n")).collect();
    world.verdict("a.git", &format!("#!/bin/sh\ncat >/dev/null\n{tell}"));
    world.install("--chain a.git").succeeds();
    let mut hook = world.isolated("hooks/pre-receive", "");
    hook.envs(names.map(|name| (name, "frozen")));
    Run::of(hook.current_dir(world.path("a.git"))).succeeds();
    let expected: String = names.iter().map(|name| format!("{name}=frozen\n")).collect();
    assert_eq!(world.text("a.git/told"), expected);
}

/// Whoever writes to a hook is killed, for want of memory say: the hook has judged a part of what is pushed.
#[test]
fn a_driver_whose_writer_dies_refuses() {
    let world = World::new();
    world.bare("a.git");
    let kill = "#!/bin/sh\nfor p in $(cat /proc/$PPID/task/*/children); do [ $p = $$ ] || kill -9 $p; done\nsleep 0.2\ncat >judged\n";
    world.verdict("a.git", OLD_VERDICT);
    world.install("--chain a.git").succeeds();
    let kept = world.path("a.git/hooks/pre-receive.d/50-local");
    executable(&kept, kill);
    let mut hook = world.isolated("sh", "-c");
    hook.arg("seq 100000 | hooks/pre-receive");
    Run::of(hook.current_dir(world.path("a.git"))).fails("not all that is pushed could be handed to ");
}

#[test]
fn a_hard_link_is_not_moved() {
    let world = World::new();
    world.hook("a.git", OLD, 0o755);
    fs::hard_link(world.path("a.git/hooks/post-receive"), world.path("elsewhere")).unwrap();
    let before = world.tree("a.git");
    world.install("a.git").fails("by a hard link");
    assert_eq!(before, world.tree("a.git"));
}
