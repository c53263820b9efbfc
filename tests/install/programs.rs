//! Where the programs come from and go to: built, copied, or there already.

use super::*;

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
    let files = [
        "man/man1/git-webhook.1",
        "man/man5/git-webhook-config.5",
        "man/man5/git-webhook-json.5",
        "bash-completion/completions/git-webhook",
        "zsh/site-functions/_git-webhook",
        "fish/vendor_completions.d/git-webhook.fish",
    ];
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

/// Without a network, say. What cargo says stands above it.
#[test]
fn a_build_that_fails_is_no_dead_end() {
    let rustc = ("rustc", "echo rustc 1.100.0");
    let run = World::new().build(&[("cargo", "echo 'error: failed to get base64' >&2; exit 101"), rustc, ("cc", "")]);
    run.fails("error: cannot run 'cargo build --release --locked' in '");
    let last = run.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("hint: ") && last.contains("use --from DIR with the programs from target/release"),
        "{run:?}"
    );
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
fn what_is_built_sooner_is_installed_too() {
    let world = World::new();
    world.bare("a.git");
    let cargo = "test \"$1 $2 $3\" = 'build --profile=quick --locked' &&
        mkdir -p \"$CARGO_TARGET_DIR\" && cp -r ~/../from \"$CARGO_TARGET_DIR/quick\"";
    let tools = [("cargo", cargo), ("rustc", "echo rustc 1.100.0"), ("cc", "")];
    let mut install = world.command("--prefix prefix --quick");
    let target = world.path("target");

    let run = Run::of(install.env("PATH", world.tools(&tools)).env("CARGO_TARGET_DIR", target));

    run.succeeds();
    assert!(run.stdout.contains("built in "), "{run:?}");
    assert_eq!(world.text("prefix/libexec/git-webhook/post-receive"), STUB);
    assert!(world.run("--quick --from from a.git").stderr.contains("'--quick' is about building"));
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
        // Where a page of usage would push it off the screen it stands alone.
        assert!(run.stderr.starts_with("error: ") && run.stderr.lines().count() < 4, "{run:?}");
        run.warns("install.sh --help shows what there is");
    }

    for line in ["--demo --post-receive-only", "--uninstall --post-receive-only a.git"] {
        assert_eq!(world.run(line).code, Some(2), "{line}");
    }

    assert_eq!(before, world.tree(""));
    world.run("--help").succeeds().prints("usage: install.sh");
}
