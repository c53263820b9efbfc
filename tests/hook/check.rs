//! `git webhook check`: each fault made for real, its command run in a shell, and the fault gone afterwards.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::owners::{as_root, nothing_is_roots, of_nobody, push_as_nobody};
use crate::support::{Answer, Ends, Place, Receiver, World, write_program};
use crate::tls::{Authority, self_signed};

/// A set-up with nothing wrong: hooks, a target, a timer.
pub struct SetUp {
    pub world: World,
    receiver: Receiver,
}

/// A stand-in for cron's own program, which keeps the lines in a file.
const CRONTAB: &str = "#!/bin/sh\ncase $* in -) cat >'FILE' ;; *) cat 'FILE' ;; esac\n";

impl SetUp {
    pub fn new() -> Self {
        Self::of(World::new())
    }

    fn of(mut world: World) -> Self {
        let receiver = Receiver::new();
        world.add_plain_target("ci", &receiver, "gitlab");
        world.configure_globally("webhook.gitSshUrl", "git@git.example.org:{repository}.git");
        world.configure_globally("webhook.homepage", "https://git.example.org/{repository}");
        let bin = world.path("bin");
        fs::create_dir(&bin).unwrap();
        let lines = world.path("crontab");
        write_program(&bin.join("crontab"), CRONTAB.replace("FILE", lines.to_str().unwrap()));
        write_program(&bin.join("systemctl"), "#!/bin/sh\nexit 3\n");
        fs::write(&lines, format!("* * * * * git webhook flush --root {}\n", world.path("").display())).unwrap();
        let ours = Path::new(env!("CARGO_BIN_EXE_git-webhook")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        world.set("PATH", &format!("{}:{}:{path}", bin.display(), ours.display()));
        Self { world, receiver }
    }

    /// The user's own file does not count where several users push.
    fn has_addresses_of_its_own(&self) {
        self.world.configure("webhook.gitSshUrl", "git@git.example.org:{repository}.git");
        self.world.configure("webhook.homepage", "https://git.example.org/{repository}");
    }

    pub fn server(&self) -> PathBuf {
        self.world.server()
    }

    pub fn config(&self) -> PathBuf {
        self.server().join("config")
    }

    pub fn check(&self, arguments: &[&str]) -> (i32, Vec<Value>) {
        let output = self.world.webhook(&[&["check", "--json"], arguments].concat());
        read(&output)
    }

    /// Sees a finding, runs its commands, and sees it gone.
    #[track_caller]
    pub fn mends(&self, severity: &str, part: &str) {
        self.finds(severity, part).iter().for_each(|command| self.run(command));
        let (_, findings) = self.check(&[]);
        let left: Vec<_> = findings.iter().filter(|finding| message(finding).contains(part)).collect();
        assert!(left.is_empty(), "{left:#?}");
    }

    /// Sees a finding; its commands.
    #[track_caller]
    fn finds(&self, severity: &str, part: &str) -> Vec<String> {
        let (code, findings) = self.check(&[]);
        let found: Vec<_> = findings.iter().filter(|finding| message(finding).contains(part)).collect();
        let [finding] = found.as_slice() else { panic!("'{part}' is not told once: {findings:#?}") };
        assert_eq!(finding["severity"], severity, "{finding:#?}");
        let has_errors = findings.iter().any(|finding| finding["severity"] == "error");
        assert_eq!(code, i32::from(has_errors), "{findings:#?}");
        // Where another finding's command mends this one too, it is printed there alone.
        let own = finding["mend"].as_array().unwrap();
        let all: Vec<_> = findings.iter().flat_map(|finding| finding["mend"].as_array().unwrap()).collect();
        let mend = if own.is_empty() { all } else { own.iter().collect() };
        let mend: Vec<_> = mend.into_iter().map(|one| one.as_str().unwrap().to_owned()).collect();
        assert!(!mend.is_empty(), "{finding:#?}");
        mend
    }

    /// Runs a command as an administrator would, from anywhere.
    #[track_caller]
    fn run(&self, command: &str) {
        let output = self.world.command("sh", Path::new("/")).args(["-c", command]).ends();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[track_caller]
    pub fn is_well(&self) {
        let output = self.world.webhook(&["check"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("all is well: ") && said.lines().count() == 1, "{said}");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

pub fn message(finding: &Value) -> &str {
    finding["message"].as_str().unwrap()
}

#[track_caller]
fn read(output: &Output) -> (i32, Vec<Value>) {
    let findings = crate::support::rows(&output.stdout);
    (output.status.code().unwrap(), findings)
}

#[test]
fn a_set_up_with_nothing_wrong_is_said_to_be_well() {
    let set_up = SetUp::new();
    set_up.is_well();
    set_up.world.commit("one");
    set_up.world.push(&["main"]);
    set_up.receiver.take_one();
    set_up.is_well();
    let output = set_up.world.webhook(&["check", "--connect"]);
    let expected = format!(
        "reached: target 'ci' at {}, from 127.0.0.1\n\
         all is well: hooks, configuration, secrets, state, targets, backlog, timer and sshd; every receiver was reached\n",
        set_up.receiver.origin()
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert!(set_up.receiver.take().is_empty(), "a request was sent");
    assert_eq!(set_up.check(&[]), (0, Vec::new()));
    assert!(set_up.world.place(Place::Spool).is_dir());
}

#[test]
fn a_finding_is_one_line_with_commands_below_it() {
    let set_up = SetUp::new();
    let hook = set_up.server().join("hooks/post-receive");
    fs::remove_file(&hook).unwrap();
    let output = set_up.world.webhook(&["check"]);
    let (program, hooks) = (env!("CARGO_BIN_EXE_post-receive"), hook.parent().unwrap().display());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("error: no post-receive hook in '{hooks}'\n    ln -sfn {program} {hooks}/post-receive\n")
    );
    assert_eq!(output.status.code(), Some(1));
    let (_, findings) = set_up.check(&[]);
    let keys: Vec<_> = findings[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["severity", "about", "message", "mend"]);
}

#[test]
fn hooks_that_git_does_not_run() {
    for (name, severity) in [("post-receive", "error"), ("pre-receive", "advice")] {
        let set_up = SetUp::new();
        let hook = set_up.server().join("hooks").join(name);
        let replace = |text: &str| {
            let _ = fs::remove_file(&hook);
            write_program(&hook, text);
        };
        fs::remove_file(&hook).unwrap();
        set_up.mends(severity, &format!("no {name} hook"));
        fs::remove_file(&hook).unwrap();
        symlink("/no/such/libexec/git-webhook/post-receive", &hook).unwrap();
        set_up.mends(severity, "is a link that leads nowhere");
        replace(&format!("#!/bin/sh\nexec {} --of git-webhook/post-receive\n", env!("CARGO_BIN_EXE_post-receive")));
        fs::set_permissions(&hook, Permissions::from_mode(0o644)).unwrap();
        set_up.mends(severity, "is not executable");
        set_up.is_well();
        replace("#!/bin/sh\ncat >/dev/null\n");
        set_up.mends(severity, "is another hook and does not run git-webhook");
        set_up.is_well();
        assert!(!set_up.world.server().join(format!("hooks/{name}.d")).exists(), "it was moved");
        // It would find nothing beside itself elsewhere, and no line can be put into it.
        replace("#!/usr/bin/env python3\nimport sys\n");
        let mend = set_up.finds(severity, "is another hook and does not run git-webhook");
        assert_eq!(mend, [format!("\"${{EDITOR:-vi}}\" {}", hook.display())]);
        fs::remove_file(&hook).unwrap();
        symlink(env!("CARGO_BIN_EXE_git-webhook"), &hook).unwrap();
        set_up.mends("error", "is the command git-webhook, which refuses every push there");
        set_up.is_well();
    }
    let set_up = SetUp::new();
    fs::remove_dir_all(set_up.server().join("hooks")).unwrap();
    set_up.mends("error", "no post-receive hook");
}

/// The driver has both run: what was there, and ours.
#[test]
fn the_command_keeps_a_hook_that_was_there() {
    let set_up = SetUp::new();
    let (hook, mark) = (set_up.server().join("hooks/post-receive"), set_up.world.path("mark"));
    fs::remove_file(&hook).unwrap();
    write_program(&hook, format!("#!/bin/sh\ncat >'{}'\n", mark.display()));
    set_up.mends("error", "is another hook");
    set_up.world.commit("one");
    set_up.world.push(&["main"]);
    set_up.receiver.take_one();
    assert!(fs::read_to_string(&mark).unwrap().contains("refs/heads/main"));
}

#[test]
fn layouts_of_drivers_and_gitolite_are_known() {
    let set_up = SetUp::new();
    let hooks = set_up.server().join("hooks");
    let ours = env!("CARGO_BIN_EXE_post-receive");
    for (name, driver) in [
        (
            "post-receive.d/00-git-webhook",
            fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/hooks/driver")).unwrap(),
        ),
        ("post-receive.h00-webhook", "#!/bin/sh\nfor h in $0.h*; do [ -x $h ] && $h $@; done\n".into()),
        // gitolite 3.6.12's.
        ("post-receive.webhook", "#!/bin/sh\nfor h in $0.*; do [ -x $h ] && $h \"$@\"; done\n".into()),
        ("post-receive.d/tell", "#!/bin/sh\nrun-parts \"$(dirname \"$0\")/post-receive.d\"\n".into()),
    ] {
        let _ = fs::remove_file(hooks.join("post-receive"));
        write_program(&hooks.join("post-receive"), &driver);
        fs::create_dir_all(hooks.join("post-receive.d")).unwrap();
        symlink(ours, hooks.join(name)).unwrap();
        set_up.is_well();
        fs::remove_file(hooks.join(name)).unwrap();
        set_up.finds("error", "is another hook and does not run git-webhook");
    }
    // Switched off, as the driver has it.
    symlink(ours, hooks.join("post-receive.d/tell.bak")).unwrap();
    set_up.finds("error", "is another hook and does not run git-webhook");
}

/// A2 of an administrator's day: installed below a home directory, ours is run by its owner alone.
#[test]
fn a_hook_that_other_members_of_the_group_cannot_run() {
    let set_up = SetUp::new();
    set_up.world.server_git(&["config", "core.sharedRepository", "group"]);
    set_up.world.server_git(&["config", "webhook.ci.enabled", "true"]);
    let home = set_up.world.path("closed");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(set_up.world.path(""), Permissions::from_mode(0o755)).unwrap();
    let program = home.join("post-receive");
    write_program(&program, fs::read(env!("CARGO_BIN_EXE_post-receive")).unwrap());
    for name in ["post-receive", "pre-receive"] {
        let hook = set_up.server().join("hooks").join(name);
        fs::remove_file(&hook).unwrap();
        symlink(&program, &hook).unwrap();
    }
    let closed = || {
        let (_, findings) = set_up.check(&[]);
        let findings = findings.into_iter().filter(|it| message(it).contains("cannot run '"));
        findings.map(|it| format!("{} {}", it["severity"].as_str().unwrap(), message(&it))).collect::<Vec<_>>()
    };
    assert_eq!(closed(), [""; 0]);
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    let told = closed();
    assert_eq!(told.len(), 2, "{told:?}");
    let place = format!("'{}' is closed to them", home.display());
    assert!(told.iter().all(|it| it.starts_with("error other members of ") && it.contains(&place)), "{told:?}");
    // The group of the repository may go in.
    fs::set_permissions(&home, Permissions::from_mode(0o750)).unwrap();
    assert_eq!(closed(), [""; 0]);
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    assert!(closed().iter().all(|it| it.contains("post-receive' is closed to them")) && closed().len() == 2);
}

#[test]
fn a_hook_that_runs_twice() {
    let set_up = SetUp::new();
    let hooks = set_up.server().join("hooks");
    let entries = hooks.join("post-receive.d");
    fs::create_dir(&entries).unwrap();
    fs::remove_file(hooks.join("post-receive")).unwrap();
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/hooks/driver"), hooks.join("post-receive")).unwrap();
    for name in ["00-git-webhook", "50-local"] {
        symlink(env!("CARGO_BIN_EXE_post-receive"), entries.join(name)).unwrap();
    }
    set_up.mends("advice", "git-webhook runs twice");
    assert!(entries.join("00-git-webhook").exists() && !entries.join("50-local").exists());
    set_up.is_well();
}

#[test]
fn a_program_of_another_version() {
    let set_up = SetUp::new();
    let old = set_up.world.path("old-program");
    fs::write(&old, "\x7fELF post-receive (git-webhook) 0.0.9\n").unwrap();
    fs::set_permissions(&old, Permissions::from_mode(0o755)).unwrap();
    let hook = set_up.server().join("hooks/post-receive");
    fs::remove_file(&hook).unwrap();
    symlink(&old, &hook).unwrap();
    set_up.mends("advice", "runs git-webhook 0.0.9, and this is ");
    set_up.is_well();
}

#[test]
fn core_hooks_path_leads_elsewhere() {
    for global in [false, true] {
        let set_up = SetUp::new();
        let elsewhere = set_up.world.path("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::remove_file(set_up.server().join("hooks/pre-receive")).unwrap();
        symlink(env!("CARGO_BIN_EXE_post-receive"), elsewhere.join("pre-receive")).unwrap();
        let set = |key: &str, value: &str| {
            if global { set_up.world.configure_globally(key, value) } else { set_up.world.configure(key, value) }
        };
        set("core.hooksPath", elsewhere.to_str().unwrap());
        set_up.mends("error", "where there is no post-receive of git-webhook");
        symlink(env!("CARGO_BIN_EXE_post-receive"), set_up.server().join("hooks/pre-receive")).unwrap();
        set_up.is_well();
        set_up.world.commit("one");
        assert!(set_up.world.push(&["main"]).said()[0].contains("delivered main"));
    }
    let set_up = SetUp::new();
    let hooks = set_up.server().join("hooks");
    set_up.run(&format!("cp -a '{0}' '{0}-two'", hooks.display()));
    set_up.world.configure("core.hooksPath", "hooks-two");
    for name in ["post-receive", "pre-receive"] {
        set_up.mends("advice", &format!("hooks/{name}' is never run"));
    }
    set_up.is_well();
}

/// Each value, what is said of it, and whether deliveries can go on.
#[test]
fn values_that_are_wrong_or_odd() {
    for (key, value, severity, part) in [
        ("webhook.ci.timeout", "soon", "error", "webhook.ci.timeout 'soon'"),
        ("webhook.ci.format", "x", "error", "webhook.ci.format 'x'"),
        ("webhook.ci.event", "psh", "error", "webhook.ci.event 'psh'"),
        ("webhook.ci.ref", "a[", "error", "webhook.ci.ref"),
        ("webhook.ci.enabled", "maybe", "error", "is no boolean"),
        ("webhook.ci.maxCommits", "x", "error", "is no number"),
        ("webhook.ci.secret", "", "error", "webhook.ci.secret"),
        ("webhook.ci.secretFile", "none", "error", "webhook.ci.secretFile"),
        ("webhook.ci.secretFile", "../x", "error", "is no path below webhook/secret/"),
        ("webhook.ci.signingSecretFile", "key", "error", "webhook.ci.signingSecretFile"),
        ("webhook.ci.url", "http://127.0.0.1:1/#part", "advice", "has a part behind '#'"),
        ("webhook.ci.url", "http://127.0.0.1:1/", "advice", "is set twice, and the last one counts: a target"),
        ("webhook.ci.secert", "a secret of more than 24 bytes", "advice", "is no known key; did you mean secret?"),
        ("webhook.ci.nonsense", "x", "advice", "is no known key"),
        ("webhook.ci.homepage", "https://example.org/", "advice", "belongs to no target"),
        ("webhook.secret", "a secret of more than 24 bytes", "advice", "belongs to one target"),
        ("webhook.report", "none", "advice", "is ignored here"),
        ("webhook.maxWait", "soon", "advice", "webhook.maxWait 'soon'"),
        ("webhook.projectId", "x", "advice", "webhook.projectId"),
    ] {
        let set_up = SetUp::new();
        fs::set_permissions(set_up.config(), Permissions::from_mode(0o600)).unwrap();
        set_up.world.configure(key, value);
        set_up.mends(severity, part);
        let (code, left) = set_up.check(&[]);
        assert_eq!(code, 0, "{key} '{value}': {left:#?}");
    }
    // A secret that is there has another end: nothing is made up in its place.
    for (key, value, severity, part) in [
        ("webhook.ci.signingSecret", "whsec_x", "error", "is no Standard Webhooks key"),
        ("webhook.ci.secret", "short", "advice", "may be guessed"),
    ] {
        let set_up = SetUp::new();
        fs::set_permissions(set_up.config(), Permissions::from_mode(0o600)).unwrap();
        set_up.world.configure(key, value);
        assert!(set_up.finds(severity, part)[0].starts_with("\"${EDITOR:-vi}\" /"), "{key}");
    }
}

#[test]
fn what_only_a_person_knows_is_left_to_an_editor_or_a_placeholder() {
    let set_up = SetUp::new();
    set_up.world.configure("webhook.ci.header", "no header");
    assert!(set_up.finds("error", "webhook.ci.header: is no header")[0].starts_with("\"${EDITOR:-vi}\" /"));
    fs::write(
        set_up.config(),
        "[webhook \"ci\"]\n\turl = https://user:canary@example.org/a#canary;b\n\tevent=push;x\n",
    )
    .unwrap();
    for key in ["url", "event"] {
        let finding = format!("webhook.ci.{key}: is cut at");
        let (_, findings) = set_up.check(&[]);
        assert!(findings.iter().any(|it| message(it).contains(&finding)), "{findings:#?}");
    }
    // One file, and one command for both.
    let mends: Vec<_> = set_up.check(&[]).1.iter().flat_map(|it| it["mend"].as_array().unwrap().clone()).collect();
    assert_eq!(mends.iter().filter(|mend| mend.as_str().unwrap().contains("EDITOR")).count(), 1, "{mends:#?}");
    let output = set_up.world.webhook(&["check"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("canary"));
}

#[test]
fn a_name_no_target_can_have_and_a_target_without_url() {
    let set_up = SetUp::new();
    set_up.world.configure("webhook.two words.url", "http://127.0.0.1:1/");
    set_up.mends("error", "is no target's name");
    assert_eq!(set_up.world.server_git(&["config", "webhook.two-words.url"]), "http://127.0.0.1:1/");
    set_up.world.configure("webhook.bare.format", "gitlab");
    set_up.mends("error", "webhook.bare.url: is not set");
    set_up.world.configure("webhook.https://canary@example.org/canary.format", "gitlab");
    let (_, findings) = set_up.check(&[]);
    assert!(!format!("{findings:?}").contains("canary"), "{findings:#?}");
}

/// The server's secret is never carried to where the repository's URL is set, nor the other way round.
#[test]
fn keys_of_another_owner() {
    let set_up = SetUp::new();
    set_up.world.configure_globally("webhook.ci.secret", "canary: more than 24 bytes of it");
    set_up.mends("error", "counts only where the target's url is set");
    assert!(!fs::read_to_string(set_up.config()).unwrap().contains("canary"));
    let set_up = SetUp::new();
    set_up.world.configure_globally("webhook.ci.url", "http://127.0.0.1:1/");
    set_up.world.configure_globally("webhook.ci.secret", "canary: more than 24 bytes of it");
    set_up.mends("error", "webhook.ci.url: is set in another configuration too");
    // Each is a target by a name of its own, and nothing of either is lost.
    assert!(set_up.world.server_git(&["config", "webhook.ci-2.url"]).starts_with("http://127.0.0.1:"));
    assert_eq!(set_up.world.server_git(&["config", "--global", "webhook.ci.url"]), "http://127.0.0.1:1/");
    set_up.world.configure("webhook.ci.header", "X-Key: value");
    set_up.mends("error", "counts only where the target's url is set");
}

#[test]
fn values_that_never_count() {
    let set_up = SetUp::new();
    set_up.world.configure("webhook.ci.timeout", "7s");
    set_up.world.configure("webhook.ci.timeout", "9s");
    set_up.mends("advice", "webhook.ci.timeout is set twice");
    assert_eq!(set_up.world.server_git(&["config", "--get-all", "webhook.ci.timeout"]), "9s");
    // Those that add up are no shadows, nor is a default that a target or a repository does not share.
    set_up.world.configure("webhook.ci.event", "push");
    set_up.world.configure("webhook.ci.event", "tag_push");
    for key in ["webhook.timeout", "webhook.retryFor"] {
        set_up.world.configure_globally(key, "5s");
        set_up.world.configure(key, "6s");
    }
    set_up.world.configure("webhook.homepage", "https://example.org/");
    set_up.is_well();
}

/// git and we read alike, so a git that says otherwise stands in for the one that would.
#[test]
fn what_git_reads_otherwise() {
    let set_up = SetUp::new();
    let git = String::from_utf8(Command::new("sh").args(["-c", "command -v git"]).ends().stdout).unwrap();
    let odd = format!(
        "#!/bin/sh\ncase $* in *--list*) {0} \"$@\" | sed 's/gitlab/codeup/' ;; *) exec {0} \"$@\" ;; esac\n",
        git.trim()
    );
    write_program(&set_up.world.path("bin/git"), &odd);
    let mend = set_up.finds("error", "webhook.ci.format in ");
    assert!(mend[0].contains("--show-origin"), "{mend:?}");
    fs::remove_file(set_up.world.path("bin/git")).unwrap();
    set_up.world.configure("core.sharedRepository", "group");
    set_up.world.configure_globally("webhook.timeout", "5s");
    set_up.has_addresses_of_its_own();
    set_up.world.webhook(&["reconcile"]);
    set_up.is_well();
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let set_up = SetUp::new();
    let config = fs::read_to_string(set_up.config()).unwrap();
    fs::write(set_up.config(), format!("{config}[webhook \"ci\n")).unwrap();
    let line = config.lines().count() + 1;
    let root = set_up.server();
    for arguments in [&[][..], &["--root", root.to_str().unwrap()]] {
        let (code, findings) = set_up.check(arguments);
        let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
        assert!(message(finding).starts_with(&format!("bad configuration line {line} in '/")), "{finding}");
        assert!(
            finding["mend"][0].as_str().unwrap().starts_with(&format!("\"${{EDITOR:-vi}}\" +{line} /")),
            "{finding}"
        );
        assert_eq!(code, 1);
    }
}

#[test]
fn secrets_that_others_can_read() {
    let set_up = SetUp::new();
    set_up.world.configure("webhook.ci.secret", "canary: more than 24 bytes of it");
    fs::set_permissions(set_up.config(), Permissions::from_mode(0o644)).unwrap();
    set_up.mends("advice", "which holds webhook.ci.secret");
    assert!(!fs::read_to_string(set_up.config()).unwrap().contains("canary"));
    set_up.world.configure("webhook.ci.signingSecret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    set_up.mends("advice", "which holds webhook.ci.signingSecret");
    set_up.is_well();
    set_up.world.commit("one");
    set_up.world.push(&["main"]);
    let request = set_up.receiver.take_one();
    assert_eq!(request.header("X-Gitlab-Token"), "canary: more than 24 bytes of it");
    assert!(request.header("webhook-signature").starts_with("v1,"));
    set_up.world.configure("webhook.ci.header", "X-Key: canary");
    set_up.mends("advice", "which holds webhook.ci.header");
    set_up.world.configure_globally("webhook.other.url", "http://user:canary@127.0.0.1:1/");
    set_up.mends("advice", "which holds webhook.other.url");
    for place in ["webhook", "webhook/secret"] {
        fs::set_permissions(set_up.server().join(place), Permissions::from_mode(0o755)).unwrap();
        set_up.mends("advice", &format!("others can enter '{}'", set_up.server().join(place).display()));
    }
    fs::set_permissions(set_up.server().join("webhook/secret/ci"), Permissions::from_mode(0o604)).unwrap();
    set_up.mends("error", "names a file that others can read");
    set_up.is_well();
}

#[test]
fn a_state_directory_that_is_none() {
    let set_up = SetUp::new();
    set_up.world.webhook(&["reconcile"]);
    let root = set_up.server().join("webhook");
    fs::rename(&root, set_up.world.path("away")).unwrap();
    symlink(set_up.world.path("away"), &root).unwrap();
    set_up.mends("error", "is a symbolic link");
    assert!(root.join("refs").is_file());
    fs::remove_dir_all(&root).unwrap();
    fs::write(&root, "").unwrap();
    set_up.mends("error", "is no directory");
    set_up.is_well();
}

#[test]
fn a_hook_whose_interpreter_is_not_there() {
    let set_up = SetUp::new();
    let hook = set_up.server().join("hooks/pre-receive");
    fs::remove_file(&hook).unwrap();
    write_program(&hook, "#!/opt/none/bin/python3 -u\n");
    set_up.finds("error", "is a script for '/opt/none/bin/python3', which is not there, so git cannot run it");
    set_up.world.commit("one");
    assert!(!set_up.world.push(&["main"]).accepted);
    for (text, lacks) in [
        ("#!/bin/sh\r\nexit 0\n", true),
        ("#!/usr/bin/env nosuchpython\n", true),
        ("#!/usr/bin/env -S X=1 nosuchpython -u\n", true),
        ("#!/usr/bin/env -S X=1 sh -u\n", false),
        ("#!/bin/sh -e\n", false),
        ("#! /bin/sh\n", false),
    ] {
        fs::remove_file(&hook).unwrap();
        write_program(&hook, text);
        let (_, findings) = set_up.check(&[]);
        assert_eq!(findings.iter().any(|finding| message(finding).contains("is a script for")), lacks, "{text}");
    }
    // Others refuse pushes as well.
    write_program(&set_up.server().join("hooks/update"), "#!/usr/bin/nosuch\n");
    set_up.finds("error", "hooks/update' is a script for '/usr/bin/nosuch'");
    fs::create_dir(set_up.server().join("hooks/pre-receive.d")).unwrap();
    write_program(&set_up.server().join("hooks/pre-receive.d/60-x"), "#!/nosuch/sh\n");
    set_up.finds("error", "hooks/pre-receive.d/60-x' is a script for '/nosuch/sh'");
}

/// F12 of real servers: the command in the place of a hook refuses every push, by a link or as a copy, as any hook.
#[test]
fn the_command_in_the_place_of_a_hook() {
    let command = env!("CARGO_BIN_EXE_git-webhook");
    for (name, is_copy) in [("pre-receive", false), ("pre-receive", true), ("update", false)] {
        let set_up = SetUp::new();
        let hook = set_up.server().join("hooks").join(name);
        let _ = fs::remove_file(&hook);
        if is_copy {
            write_program(&hook, fs::read(command).unwrap());
        } else {
            symlink(command, &hook).unwrap();
        }
        set_up.mends("error", "is the command git-webhook");
        set_up.world.commit("one");
        assert!(set_up.world.push(&["main"]).accepted, "{name} {is_copy}");
    }
}

/// `install.sh --hooks-path`: one script is every hook of every repository, and runs ours.
#[test]
fn a_hooks_path_of_ours_for_all_repositories() {
    let set_up = SetUp::new();
    let place = set_up.world.path("libexec/git-webhook");
    fs::create_dir_all(place.join("hooks")).unwrap();
    symlink(env!("CARGO_BIN_EXE_post-receive"), place.join("post-receive")).unwrap();
    for script in ["driver", "every"] {
        let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks").join(script)).unwrap();
        write_program(&place.join(script), text);
    }
    for name in ["post-receive", "pre-receive"] {
        symlink("../every", place.join("hooks").join(name)).unwrap();
    }
    set_up.world.configure_globally("core.hooksPath", place.join("hooks").to_str().unwrap());
    set_up.is_well();
    for name in ["post-receive", "pre-receive"] {
        fs::remove_file(set_up.server().join("hooks").join(name)).unwrap();
    }
    set_up.is_well();
    set_up.world.commit("one");
    set_up.world.push(&["main"]);
    set_up.receiver.take_one();
}

/// B4 and B10 of an administrator's day: who finds nothing by a payload, and who reads the token on the way.
#[test]
fn what_receivers_need_and_what_others_read() {
    let set_up = SetUp::new();
    for (url, secret, is_told) in [
        ("http://ci.example.org/", Some("secret"), true),
        ("http://user:password@ci.example.org/", None, true),
        ("http://ci.example.org/", None, false),
        ("http://ci.example.org/", Some("header"), true),
        ("http://localhost:8000/", Some("secret"), false),
        ("http://[::1]:8000/", Some("secret"), false),
        ("https://ci.example.org/", Some("secret"), false),
    ] {
        set_up.world.configure("webhook.far.url", url);
        match secret {
            Some("header") => set_up.world.configure("webhook.far.header", "Authorization: Bearer a-token"),
            Some(_) => set_up.world.configure("webhook.far.secret", "a token of some length, long enough"),
            None => {}
        }
        let (code, findings) = set_up.check(&[]);
        let part = "target 'far' sends what lets it in over http, where everybody on the way can read it";
        assert_eq!(findings.iter().any(|finding| message(finding).starts_with(part)), is_told, "{url}");
        assert_eq!(code, 0);
        set_up.world.server_git(&["config", "--remove-section", "webhook.far"]);
    }
    // A signature shows nothing of its key.
    set_up.world.configure("webhook.far.url", "http://ci.example.org/");
    set_up.world.configure("webhook.far.format", "github");
    set_up.world.configure("webhook.far.secret", "a token of some length, long enough");
    let (_, findings) = set_up.check(&[]);
    assert!(findings.iter().all(|finding| !message(finding).contains("over http")), "{findings:#?}");
    set_up.world.server_git(&["config", "--remove-section", "webhook.far"]);
    for key in ["webhook.gitSshUrl", "webhook.homepage"] {
        set_up.world.server_git(&["config", "--global", "--unset", key]);
    }
    set_up.mends("advice", "payloads of format gitlab have no clone address, by which its receivers find their job");
    set_up.mends("advice", "payloads of format gitlab have no links, for webhook.homepage is not set");
    set_up.is_well();
    // A chat shows what there is.
    set_up.world.server_git(&["config", "--remove-section", "webhook.ci"]);
    set_up.world.server_git(&["config", "--unset", "webhook.homepage"]);
    set_up.world.configure("webhook.chat.url", "http://127.0.0.1:9/");
    set_up.world.configure("webhook.chat.format", "slack");
    set_up.is_well();
}

#[test]
fn a_secret_that_other_members_cannot_read() {
    let set_up = SetUp::new();
    set_up.world.configure("core.sharedRepository", "group");
    set_up.has_addresses_of_its_own();
    set_up.world.webhook(&["add", "other", "http://127.0.0.1:9/", "--generate-secret"]);
    set_up.is_well();
    let secret = set_up.server().join("webhook/secret/other");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    set_up.mends("error", "other members of the repository's group cannot read '");
    set_up.is_well();
}

#[test]
fn a_shared_repository_whose_state_is_not_the_groups() {
    let set_up = SetUp::new();
    set_up.world.commit("one");
    set_up.world.push(&["main"]);
    set_up.world.configure("core.sharedRepository", "group");
    set_up.has_addresses_of_its_own();
    set_up.mends("error", "is not open to the group");
    set_up.is_well();
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn locks_that_do_not_hold() {
    for (inject, part) in [("error=ENOLCK", "cannot be locked: "), ("retval=0", "can be locked again")] {
        let set_up = SetUp::new();
        let mut strace = set_up.world.command("strace", &set_up.server());
        strace.args(["-f", "-q", "-o", "/dev/null", "-e", &format!("inject=flock:{inject}")]);
        let output = strace.args([env!("CARGO_BIN_EXE_git-webhook"), "check", "--json"]).ends();
        let (code, findings) = read(&output);
        assert!(findings.iter().any(|finding| message(finding).contains(part)), "{findings:#?}");
        assert_eq!(code, 1);
    }
    let set_up = SetUp::new();
    let mut strace = set_up.world.command("strace", &set_up.server());
    strace.args(["-f", "-q", "-o", "/dev/null", "-e", "inject=fdatasync:error=ENOSPC"]);
    let output = strace.args([env!("CARGO_BIN_EXE_git-webhook"), "check", "--json"]).ends();
    let (_, findings) = read(&output);
    assert!(message(&findings[0]).contains("No space left on device"), "{findings:#?}");
}

#[test]
fn targets_that_get_nothing() {
    let set_up = SetUp::new();
    // That is as somebody wants it.
    set_up.world.configure("webhook.ci.enabled", "false");
    set_up.is_well();
    set_up.world.server_git(&["config", "--unset-all", "webhook.ci.enabled"]);
    set_up.world.configure("webhook.ci.event", "push create");
    set_up.mends("advice", "format gitlab sends no create, which target 'ci' asks for");
    set_up.run(&format!("git config --file '{}' --replace-all webhook.ci.event delete", set_up.config().display()));
    set_up.mends("error", "asks for no event that is sent");
    set_up.world.server_git(&["config", "--replace-all", "webhook.ci.event", "all"]);
    set_up.world.server_git(&["config", "--unset-all", "receive.advertisePushOptions"]);
    set_up.mends("advice", "push options are not advertised, and target 'ci' asks for reviews");
    set_up.is_well();
    // Comments need none.
    set_up.world.server_git(&["config", "--unset-all", "receive.advertisePushOptions"]);
    set_up.world.server_git(&["config", "--replace-all", "webhook.ci.event", "push note"]);
    set_up.is_well();
    set_up.world.configure("webhook.more.url", "http://127.0.0.1:1/");
    set_up.world.configure_globally("webhook.maxTargets", "1");
    set_up.mends("advice", "2 targets are configured, and webhook.maxTargets allows 1");
    set_up.is_well();
}

#[test]
fn a_repository_without_targets_is_no_error() {
    let set_up = SetUp::new();
    set_up.world.server_git(&["config", "--remove-section", "webhook.ci"]);
    fs::remove_dir_all(set_up.server().join("hooks")).unwrap();
    fs::write(set_up.world.path("crontab"), "").unwrap();
    let (code, findings) = set_up.check(&[]);
    assert_eq!((code, findings.len()), (0, 1), "{findings:#?}");
    set_up.finds("advice", "no target is configured");
}

#[test]
fn a_backlog() {
    let set_up = SetUp::new();
    let gone = Receiver::answering(Answer::Status(410));
    let down = Receiver::answering(Answer::Status(500));
    set_up.world.add_plain_target("gone", &gone, "gitlab");
    set_up.world.add_plain_target("down", &down, "gitlab");
    set_up.world.commit("one");
    set_up.world.push(&["main"]);
    let commands = set_up.finds("error", "target 'gone' answered 410");
    assert!(commands[0].ends_with("webhook enable gone"), "{commands:?}");
    assert_eq!(set_up.check(&[]).1.len(), 1, "what waits for a moment is no backlog");
    set_up.run(&commands[0]);
    assert!(set_up.check(&[]).1.is_empty());
}

/// `git webhook check --json` as it runs in two hours.
fn in_two_hours(set_up: &SetUp) -> Vec<Value> {
    let mut faked = set_up.world.command("faketime", &set_up.server());
    faked.args(["-f", "+2h", env!("CARGO_BIN_EXE_git-webhook"), "check", "--json"]);
    read(&faked.ends()).1
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn a_backlog_of_hours() {
    let set_up = SetUp::new();
    let down = Receiver::answering(Answer::Status(500));
    set_up.world.add_plain_target("down", &down, "gitlab");
    set_up.world.commit("one");
    set_up.world.push(&["main"]);
    let findings = in_two_hours(&set_up);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    assert_eq!(message(finding), "target 'down' has 1 waiting, the oldest for 2h");
    set_up.world.server_git(&["config", "--remove-section", "webhook.down"]);
    set_up.mends("advice", "'down' is configured no more, and has 1 waiting");
    assert!(set_up.world.webhook(&["remove", "down"]).status.success());
    set_up.world.add_plain_target("down", &down, "gitlab");
    assert!(
        set_up.finds("advice", "'down' has dead letters: 1")[0].ends_with("webhook redeliver --failed --target down")
    );
}

#[test]
#[ignore = "needs faketime: run tests/run"]
fn a_push_that_nobody_told() {
    let set_up = SetUp::new();
    set_up.world.commit("one");
    let (hook, away) = (set_up.server().join("hooks/post-receive"), set_up.world.path("away"));
    fs::rename(&hook, &away).unwrap();
    set_up.world.push(&["main"]);
    fs::rename(&away, &hook).unwrap();
    let findings = in_two_hours(&set_up);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    assert_eq!(message(finding), "1 pushes are told to nobody yet, the oldest for 2h");
    // What was announced a moment ago may still be pushed.
    set_up.run(&format!("faketime -f +2h sh -c \"{}\"", finding["mend"][0].as_str().unwrap()));
    set_up.receiver.take_one();
    assert_eq!(in_two_hours(&set_up), Vec::<Value>::new());
}

#[test]
fn no_timer() {
    let set_up = SetUp::new();
    let crontab = set_up.world.path("crontab");
    for lines in ["", "# * * * * * git webhook flush --root /\n", "* * * * * git webhook flush --root /srv/other\n"] {
        fs::write(&crontab, lines).unwrap();
        set_up.mends("advice", "no timer runs git webhook flush for ");
        set_up.is_well();
    }
    fs::write(&crontab, format!("* * * * * cd {} && git webhook flush\n", set_up.server().display())).unwrap();
    set_up.is_well();
}

#[test]
fn a_timer_of_systemd() {
    let set_up = SetUp::new();
    fs::write(set_up.world.path("crontab"), "").unwrap();
    let units = set_up.world.path("home/.config/systemd/user");
    fs::create_dir_all(&units).unwrap();
    let root = set_up.world.path("");
    let service = format!("[Service]\nExecStart=/usr/local/bin/git-webhook flush --root \"{}\"\n", root.display());
    fs::write(units.join("git-webhook-flush.service"), service).unwrap();
    let marker = set_up.world.path("enabled");
    let systemctl = "#!/bin/sh\n[ \"$1\" = --user ] || exit 3\n\
        case $2 in enable) touch 'MARK' ;; is-active) [ -e 'MARK' ] && echo active || echo inactive ;; esac\n";
    write_program(&set_up.world.path("bin/systemctl"), systemctl.replace("MARK", marker.to_str().unwrap()));
    set_up.mends("advice", "the timer 'git-webhook-flush.timer' is not active");
    set_up.is_well();
}

/// What the system's own directories say, seen in a mount namespace of the test's own.
#[test]
#[ignore = "needs root or user namespaces: run tests/run"]
fn what_the_machine_runs_and_lets_in() {
    crate::disks::in_mounts("check::what_the_machine_runs_and_lets_in", || {
        let set_up = SetUp::new();
        fs::write(set_up.world.path("crontab"), "").unwrap();
        for place in ["/etc/cron.d", "/etc/ssh"] {
            fs::create_dir_all(place).unwrap();
            set_up.run(&format!("mount -t tmpfs tmpfs {place}"));
        }
        set_up.finds("advice", "no timer runs");
        fs::write(
            "/etc/cron.d/flush",
            format!("* * * * * git git webhook flush --root {}\n", set_up.world.path("").display()),
        )
        .unwrap();
        set_up.is_well();
        fs::write("/etc/ssh/sshd_config", "AcceptEnv LANG GIT_*\n").unwrap();
        let commands = set_up.finds("advice", "sshd takes GIT_* from clients (AcceptEnv in '/etc/ssh/sshd_config')");
        set_up.run(commands[0].strip_suffix(" && sshd -t").unwrap());
        set_up.is_well();
    });
}

#[test]
#[ignore = "needs root or user namespaces: run tests/run"]
fn a_disk_that_takes_no_more() {
    crate::disks::in_mounts("check::a_disk_that_takes_no_more", || {
        let set_up = SetUp::new();
        crate::disks::mount(&set_up.world, "size=64k,mode=0700");
        fs::create_dir(set_up.world.place(Place::Spool)).unwrap();
        let said = |part: &str| assert!(set_up.finds("error", part)[0].starts_with("df -hiT "));
        set_up
            .check(&[])
            .1
            .iter()
            .for_each(|finding| assert!(message(finding).contains("lies in memory"), "{finding}"));
        crate::disks::remount(&set_up.world, "ro");
        said("Read-only file system");
        crate::disks::remount(&set_up.world, "rw");
        let _ = fs::write(set_up.server().join("webhook/filler"), vec![0; 1 << 20]);
        said("No space left on device");
    });
}

#[test]
fn connect_dials_and_sends_nothing() {
    let authority = Authority::new();
    let set_up = SetUp::of(authority.world());
    let (good, bad) = (Receiver::secure(authority.server()), Receiver::secure(self_signed()));
    let silent = Receiver::answering(Answer::Never);
    for (name, receiver) in [("good", &good), ("bad", &bad), ("silent", &silent)] {
        set_up.world.add_plain_target(name, receiver, "gitlab");
    }
    let plain = Receiver::new().over_https();
    set_up.world.add_plain_target("plain", &plain, "gitlab");
    set_up.world.configure("webhook.closed.url", "http://127.0.0.1:1/canary");
    set_up.world.configure("webhook.nowhere.url", "http://user:canary@no-such-host.invalid/");
    set_up.world.configure("webhook.off.url", "http://127.0.0.1:1/");
    set_up.world.configure("webhook.off.enabled", "false");
    let (_, findings) = set_up.check(&[]);
    assert!(findings.iter().all(|finding| finding["severity"] == "advice"), "{findings:#?}");
    assert_eq!(good.connections() + bad.connections(), 0, "dialled though nobody asked for it");
    let (code, findings) = set_up.check(&["--connect"]);
    let errors: Vec<_> = findings.iter().filter(|finding| finding["severity"] == "error").collect();
    let names: Vec<_> = errors.iter().map(|finding| finding["target"].as_str().unwrap()).collect();
    assert_eq!((code, names.as_slice()), (1, &["bad", "closed", "nowhere", "plain"][..]), "{findings:#?}");
    for (finding, part) in errors.iter().zip(["set sslCAInfo", "refused", "cannot be looked up", "connection closed"]) {
        assert!(message(finding).contains(part), "{finding:#?}");
    }
    assert!(errors[0]["mend"][0].as_str().unwrap().starts_with("openssl s_client -connect localhost:"), "{errors:#?}");
    assert!(!format!("{findings:?}").contains("canary"), "{findings:#?}");
    assert_eq!((good.connections(), silent.connections(), set_up.receiver.connections()), (1, 1, 1));
    for receiver in [&good, &bad, &silent, &set_up.receiver] {
        assert!(receiver.take().is_empty(), "a request was sent");
    }
    assert!(set_up.world.log().is_empty());
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn root_looks_as_the_owner() {
    let world = of_nobody();
    push_as_nobody(&world, &["main:a"]);
    let root = world.path("");
    let check = || read(&as_root(&world, Path::new("/"), &["check", "--json", "--root", root.to_str().unwrap()]));
    let (code, findings) = check();
    assert_eq!(code, 0, "{findings:#?}");
    let timers: Vec<_> = findings.iter().filter(|finding| finding["about"] == "timer").collect();
    assert_eq!(timers.len(), 1, "{findings:#?}");
    assert_eq!(timers[0].get("repository"), None, "one timer is for all of them");
    nothing_is_roots(&world);
    let webhook = world.server().join("webhook");
    let find = |part: &str| {
        let (code, findings) = check();
        let found: Vec<_> = findings.iter().filter(|finding| message(finding).contains(part)).cloned().collect();
        let [finding] = found.as_slice() else { panic!("'{part}': {findings:#?}") };
        assert_eq!(finding["repository"], fs::canonicalize(world.server()).unwrap().to_str().unwrap());
        assert_eq!(code, 1);
        finding["mend"][0].as_str().unwrap().to_owned()
    };
    let run =
        |command: &str| assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
    fs::write(world.place(Place::Settled).join("stray"), "").unwrap();
    run(&find("1 files below "));
    nothing_is_roots(&world);
    run(&format!("chown root '{0}' && chmod 755 '{0}'", webhook.display()));
    run(&find("user nobody cannot write "));
    assert_eq!(check().0, 0);
    run(&format!("chmod 700 '{}'", webhook.display()));
    nothing_is_roots(&world);
}

/// What `git webhook check --json` says where git is newer than any stable release has.
fn with_newer_git(set_up: &SetUp, program: &str, arguments: &[&str]) -> Output {
    let newer = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("outside").join("newer-git/run");
    set_up.world.command(newer, &set_up.server()).arg(program).args(arguments).ends()
}

/// F13 of real servers: git runs hooks of its configuration too, beside those in the directory.
#[test]
#[ignore = "needs a newer git: run tests/run"]
fn hooks_of_the_configuration() {
    let set_up = SetUp::new();
    let look = || {
        let mut findings = read(&with_newer_git(&set_up, env!("CARGO_BIN_EXE_git-webhook"), &["check", "--json"])).1;
        // This machine's own crontab is asked for the timer.
        findings.retain(|finding| finding["about"] == "hooks");
        findings
    };
    let hooks = set_up.server().join("hooks");
    for name in ["post-receive", "pre-receive"] {
        fs::remove_file(hooks.join(name)).unwrap();
        write_program(&hooks.join(name), "#!/bin/sh\n. \"${0%/*}/lib.sh\"\n");
    }
    let before = [hooks.join("post-receive"), hooks.join("pre-receive")].map(|path| fs::read(path).unwrap());
    // Each is another hook, and stays where it is.
    let findings = look();
    assert_eq!(findings.len(), 2, "{findings:#?}");
    for finding in &findings {
        assert!(message(finding).ends_with("is another hook and does not run git-webhook"), "{finding:#?}");
        for command in finding["mend"].as_array().unwrap() {
            let output = with_newer_git(&set_up, "sh", &["-c", command.as_str().unwrap()]);
            assert!(output.status.success(), "{output:?}");
        }
    }
    assert_eq!(look(), [Value::Null; 0]);
    assert_eq!(before, [hooks.join("post-receive"), hooks.join("pre-receive")].map(|path| fs::read(path).unwrap()));
    // Switched off, and with other words around it.
    for off in ["false", "no", "off", "0", "FALSE"] {
        set_up.world.server_git(&["config", "hook.webhook.enabled", off]);
        assert_eq!(look().len(), 2, "{off}");
    }
    set_up.world.server_git(&["config", "--remove-section", "hook.webhook"]);
    set_up.world.configure_globally("hook.all.command", &format!("env X=1 '{}'", env!("CARGO_BIN_EXE_post-receive")));
    for event in ["post-receive", "pre-receive"] {
        set_up.world.configure_globally("hook.all.event", event);
    }
    assert_eq!(look(), [Value::Null; 0]);
    // Side by side with others it runs too; at an event that is switched off it does not.
    set_up.world.configure_globally("hook.jobs", "4");
    set_up.world.configure_globally("hook.all.parallel", "true");
    assert_eq!(look(), [Value::Null; 0]);
    set_up.world.configure("hook.post-receive.enabled", "false");
    let findings = look();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(message(&findings[0]).contains("hooks/post-receive' is another hook and does not run git-webhook"));
    set_up.world.server_git(&["config", "--unset", "hook.post-receive.enabled"]);
    // What git cannot read ends every push; which values these are, it says.
    let config = fs::read_to_string(set_up.config()).unwrap();
    fs::write(set_up.config(), format!("{config}[hook \"all\"]\n\tenabled\n")).unwrap();
    let refuses = with_newer_git(&set_up, "git", &["hook", "list", "post-receive"]).status.code() == Some(128);
    let part = "git cannot list its hooks, and refuses every push: ";
    assert_eq!(look().iter().any(|finding| message(finding).starts_with(part)), refuses);
    fs::write(set_up.config(), config).unwrap();
    // With a link it would run twice.
    fs::remove_file(hooks.join("post-receive")).unwrap();
    symlink(env!("CARGO_BIN_EXE_post-receive"), hooks.join("post-receive")).unwrap();
    let findings = look();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(
        message(&findings[0]).starts_with("git-webhook runs twice: as 'hook.all.command' and as '"),
        "{findings:#?}"
    );
    // It is run for real, and tells once all the same.
    set_up.world.commit("one");
    let work = set_up.world.work();
    let server = set_up.server();
    fs::write(hooks.join("lib.sh"), "").unwrap();
    let twice = ["-C", work.to_str().unwrap(), "push", "--quiet", server.to_str().unwrap(), "main:twice"];
    assert!(with_newer_git(&set_up, "git", &twice).status.success());
    set_up.receiver.take_one();
    let push = ["-C", work.to_str().unwrap(), "push", "--quiet", server.to_str().unwrap(), "main"];
    fs::remove_file(hooks.join("post-receive")).unwrap();
    assert!(with_newer_git(&set_up, "git", &push).status.success());
    set_up.receiver.take_one();
    assert!(set_up.world.intents().is_empty() && set_up.world.settled().len() == 2);
}
