//! Files that cannot be read or make no sense: the push is accepted, and nothing is sent.

use super::*;

const LINE: &str = "webhook: the configuration cannot be read, the event is kept; see git webhook check";

/// The hook says so, the log names the file, nothing is sent, and nothing of the file is shown anywhere.
#[track_caller]
fn nothing_is_sent(world: &World, receiver: &Receiver, why: &str) {
    receiver.take();
    let _ = fs::remove_file(world.server().join("webhook/hook.log"));
    let line = format!("{} {} refs/heads/hook\n", "0".repeat(40), "1".repeat(40));
    let output = world.feed(&mut world.hook(), line.as_bytes());
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), LINE);
    assert!(receiver.take().is_empty());
    assert!(world.log().contains(why), "{}", world.log());
    assert!(!world.log().contains("canary"), "{}", world.log());
}

/// git dies of a malformed file before it runs the hook, but the file may be written just then.
#[test]
fn bad_136_a_malformed_file_is_told_by_file_and_line() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let lines = fs::read_to_string(world.server().join("config")).unwrap().lines().count();
    add(&world, "# a comment\nsecret = \"canary\n");
    nothing_is_sent(&world, &receiver, &format!("bad configuration line {} in './config'", lines + 3));
}

#[test]
fn bad_136_a_malformed_file_of_the_user_too() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    fs::write(world.path("home/.gitconfig"), "canary 1\n").unwrap();
    nothing_is_sent(&world, &receiver, "bad configuration line 1 in '");
}

#[test]
fn bad_141_an_escape_that_git_does_not_know() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    fs::write(world.path("home/.gitconfig"), "[webhook \"ci\"]\nsecret = canary\\q\n").unwrap();
    nothing_is_sent(&world, &receiver, "bad configuration line 2 in '");
}

/// Whoever may write a repository's configuration could have `include.path` name any file the server can read.
#[test]
fn a_file_that_is_no_configuration_is_not_shown_when_it_is_included() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    fs::write(world.path("shadow"), "root:$6$canary:19000:0:99999:7:::\n").unwrap();
    add(&world, format!("[include]\npath = {}\n", world.path("shadow").display()));
    nothing_is_sent(&world, &receiver, "bad configuration line 1 in '");
}

/// git itself refuses the push for most of what we cannot read, but not for this.
#[test]
fn the_push_is_accepted_all_the_same() {
    let receiver = Receiver::new();
    let world = World::with(&["--ref-format=reftable"]);
    world.add_target("ci", &receiver, "gitlab");
    add(&world, "[includeIf \"onbranch:main\"]\npath = none\n");
    world.commit("one");
    let pushed = world.push(&["main"]);
    assert!(pushed.accepted, "{}", pushed.output);
    assert_eq!(pushed.said(), [LINE]);
    assert!(receiver.take().is_empty());
    world.server_git(&["config", "--remove-section", "includeIf.onbranch:main"]);
    push(&world);
    assert_eq!(receiver.take().len(), 2, "what was kept is delivered once it can be read");
}

#[test]
fn list_says_why_and_fails() {
    let world = World::with(&["--ref-format=reftable"]);
    fs::write(world.path("home/.gitconfig"), "[webhook\ncanary\n").unwrap();
    let listed = list(&world);
    assert_eq!((listed.code, listed.rows.len()), (Some(1), 0));
    assert!(listed.said.starts_with("error: bad config line 1 in file "), "{}", listed.said);
    assert!(listed.said.trim_end().ends_with("/home/.gitconfig") && !listed.said.contains("canary"), "{}", listed.said);
    fs::write(world.path("home/.gitconfig"), "[includeIf \"onbranch:canary\"]\npath = canary\n").unwrap();
    let listed = list(&world);
    assert_eq!((listed.code, listed.rows.len()), (Some(1), 0));
    assert!(listed.said.starts_with("error: cannot tell the branch for includeIf.onbranch in '"), "{}", listed.said);
    assert!(listed.said.ends_with("/home/.gitconfig': the refs are in a reftable\n"), "{}", listed.said);
    assert!(!listed.said.contains("canary"));
}

#[test]
fn bad_147_files_that_include_each_other() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    fs::write(world.server().join("a"), "[include]\npath = b\n").unwrap();
    fs::write(world.server().join("b"), "[include]\npath = a\n").unwrap();
    add(&world, "[include]\npath = a\n");
    nothing_is_sent(&world, &receiver, "is included more than ten files deep: do files include each other?");
}

#[test]
fn an_include_that_names_a_directory_or_nothing() {
    for (lines, why) in [
        ("path = refs", "cannot read './refs': Is a directory"),
        ("path", "cannot tell which file './config' includes: write path = and a file's name"),
        ("path = ~nobody-of-this-name/x", "cannot tell which file './config' includes"),
    ] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        add(&world, format!("[include]\n{lines}\n"));
        nothing_is_sent(&world, &receiver, why);
    }
}

#[test]
fn a_file_without_end_is_not_read_for_ever() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    fs::write(world.path("home/.gitconfig"), "[include]\npath = /dev/zero\n").unwrap();
    nothing_is_sent(&world, &receiver, "cannot read '/dev/zero': larger than 32 MiB");
    fs::remove_file(world.path("home/.gitconfig")).unwrap();
    assert!(Command::new("mkfifo").arg(world.path("home/.gitconfig")).status().unwrap().success());
    nothing_is_sent(&world, &receiver, "is a fifo, which may wait for ever");
}

/// Runs the hook as somebody whom file modes bind, which root is not; `None` where that cannot be done.
fn run_bound_by_modes(world: &World) -> Option<Output> {
    let closed = world.path("closed");
    fs::write(&closed, "").unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let mut options = vec!["--bounding-set=-all", "--inh-caps=-all", "--"];
    let is_bound = |options: &[&str]| {
        let mut command = if options.is_empty() { Command::new("cat") } else { Command::new("setpriv") };
        let arguments = options.iter().copied().chain((!options.is_empty()).then_some("cat"));
        command.args(arguments).arg(&closed).output().is_ok_and(|output| !output.status.success())
    };
    if is_bound(&[]) {
        options.clear();
    } else if !is_bound(&options) {
        eprintln!("left out: file modes do not bind root, and setpriv is missing or cannot take its powers away");
        return None;
    }
    let line = format!("{} {} refs/heads/hook\n", "0".repeat(40), "1".repeat(40));
    let hook = world.server().join("hooks/post-receive");
    let mut command = match options.is_empty() {
        true => world.hook(),
        false => world.command("setpriv", &world.server()),
    };
    if !options.is_empty() {
        command.args(options).arg(hook);
    }
    Some(world.feed(command.env("GIT_DIR", "."), line.as_bytes()))
}

fn close(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
}

#[test]
fn bad_148_an_include_that_cannot_be_read() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    fs::write(world.path("home/closed"), "").unwrap();
    close(&world.path("home/closed"));
    add_globally(&world, "[include]\npath = closed\n");
    let Some(output) = run_bound_by_modes(&world) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), LINE);
    assert!(world.log().contains("/home/closed': Permission denied"), "{}", world.log());
    assert!(receiver.take().is_empty());
}

#[test]
fn bad_151_a_repository_s_own_file_that_cannot_be_read() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    close(&world.server().join("config"));
    let Some(output) = run_bound_by_modes(&world) else { return };
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), LINE);
    assert!(world.log().contains("cannot read './config': Permission denied"), "{}", world.log());
}

/// As git: a daemon may have been started with another's HOME.
#[test]
fn a_user_s_own_file_that_cannot_be_read_is_passed_over() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    add_globally(&world, "[webhook]\nreport = none\n");
    close(&world.path("home/.gitconfig"));
    let Some(output) = run_bound_by_modes(&world) else { return };
    // The commit does not exist; what counts is that the target was known and spoken of.
    assert_ne!(String::from_utf8_lossy(&output.stderr).trim_end(), LINE);
    // But not silently.
    assert!(world.log().contains("home/.gitconfig': Permission denied"), "{}", world.log());
    receiver.take_one();
}

#[test]
fn the_branch_of_a_reftable_repository_is_not_guessed() {
    let receiver = Receiver::new();
    let world = World::with(&["--ref-format=reftable"]);
    world.add_target("ci", &receiver, "gitlab");
    add(&world, "[includeIf \"onbranch:main\"]\npath = none\n");
    nothing_is_sent(&world, &receiver, "cannot tell the branch for includeIf.onbranch in './config'");
}
