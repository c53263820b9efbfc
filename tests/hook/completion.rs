//! `completions/git-webhook.bash` in a real bash, by itself and from git's own completion.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use git_webhook::format::FORMATS;

use crate::support::{Ends, Place, Receiver, World};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/completions/git-webhook.bash");
/// Where Debian's git has its completion, and bash-completion its loader.
const GITS: &str = "/usr/share/bash-completion/completions/git";
const LOADER: &str = "/usr/share/bash-completion/bash_completion";

/// Options of the shell that change what an unquoted word is, and make an unset variable an error.
const STRICT: &str = "set -u; shopt -s failglob;";

/// What a shell offers for the end of a line, as it would be inserted.
struct Shell<'a> {
    world: &'a World,
    directory: PathBuf,
    /// Stands before the name of the program: `git` or nothing.
    git: bool,
}

impl Shell<'_> {
    #[track_caller]
    fn inserts(&self, line: &str) -> Vec<String> {
        let (start, run) = match self.git {
            true => (format!(". {GITS}; . {SCRIPT}"), "__git_wrap__git_main"),
            false => (format!("{STRICT} . {SCRIPT}"), "__git_webhook_alone"),
        };
        let script = format!(
            r#"{start}; COMP_LINE=$1 COMP_POINT=${{#1}}; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            {run}; printf '%s\n' ${{COMPREPLY[@]+"${{COMPREPLY[@]}}"}}"#
        );
        let mut bash = self.world.command("bash", &self.directory);
        bash.args(["--norc", "-c", &script, "bash", line]).args(broken(line));
        let output = bash.ends();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        let offered = String::from_utf8(output.stdout).unwrap();
        offered.lines().filter(|word| !word.is_empty()).map(String::from).collect()
    }

    /// The same for `git webhook` or `git-webhook` with these arguments, without the spaces that go on to the next word.
    #[track_caller]
    fn offers(&self, arguments: &str) -> Vec<String> {
        let program = if self.git { "git webhook" } else { "git-webhook" };
        let offered = self.inserts(&format!("{program} {arguments}"));
        offered.iter().map(|word| word.trim_end().to_owned()).collect()
    }
}

fn alone(world: &World) -> Shell<'_> {
    Shell { world, directory: world.server(), git: false }
}

/// A line as readline breaks it into words.
fn broken(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in line.split(' ') {
        let mut rest = word;
        while let Some(at) = rest.find(['=', ':']) {
            let end = rest[at..].find(|c| !"=:".contains(c)).map_or(rest.len(), |length| at + length);
            words.extend([&rest[..at], &rest[at..end]].iter().filter(|word| !word.is_empty()).map(|&word| word.into()));
            rest = &rest[end..];
        }
        if !rest.is_empty() || word.is_empty() {
            words.push(rest.to_owned());
        }
    }
    words
}

fn help(world: &World, arguments: &[&str]) -> String {
    String::from_utf8(world.webhook(arguments).stdout).unwrap()
}

fn verbs(world: &World) -> Vec<String> {
    let help = help(world, &["-h"]);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // What goes on is indented further.
    let verbs = commands.lines().filter(|line| !line.starts_with("   "));
    verbs.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// The long options in the help of a verb, those that take a value with `=`.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().filter(|line| !line.starts_with("       "));
    let lines = lines.map(str::trim_start).filter(|line| line.starts_with('-'));
    let option = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let at = words.iter().position(|word| word.starts_with("--")).unwrap();
        let takes_value = words.get(at + 1).is_some_and(|next| next.starts_with('<'));
        format!("{}{}", words[at], if takes_value { "=" } else { "" })
    };
    lines.map(option).collect()
}

/// What the help of a verb says an option can be.
fn possible(help: &str, option: &str) -> Vec<String> {
    let words: Vec<_> = help.split_whitespace().collect();
    let (_, behind) = words.split_at(words.iter().position(|word| *word == option).unwrap());
    let behind = behind.join(" ");
    let values = behind.split("[possible values: ").nth(1).unwrap().split(']').next().unwrap();
    values.split(", ").map(String::from).collect()
}

#[track_caller]
fn offers_what_the_help_lists(shell: &Shell) {
    let world = shell.world;
    let verbs = verbs(world);
    assert!(verbs.contains(&"help".to_owned()), "{verbs:?}");
    assert_eq!(shell.offers(""), verbs);
    assert_eq!(shell.offers("help "), verbs);
    assert_eq!(shell.offers("-").into_iter().collect::<BTreeSet<_>>(), options(&help(world, &["-h"])));
    for verb in verbs.iter().filter(|verb| *verb != "help") {
        let offered: BTreeSet<_> = shell.offers(&format!("{verb} --")).into_iter().collect();
        let listed = options(&help(world, &[verb, "-h"]));
        assert!(listed.contains("--help"), "{verb}: {listed:?}");
        assert_eq!(offered, listed, "{verb}");
    }
    for (verb, option) in [("test", "--event"), ("payload", "--event"), ("log", "--state")] {
        let help = help(world, &[verb, "-h"]);
        assert_eq!(shell.offers(&format!("{verb} {option}=")), possible(&help, option), "{verb}");
        assert_eq!(shell.offers(&format!("{verb} {option} ")), possible(&help, option), "{verb}");
    }
    let formats: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    for verb in ["add", "echo"] {
        assert_eq!(shell.offers(&format!("{verb} --format ")), formats, "{verb}");
    }
    // What templates are given is no format.
    assert_eq!(shell.offers("payload --format "), [formats, vec!["event"]].concat());
    let told = FORMATS.iter().flat_map(|format| format.events).map(|(event, _)| event.word());
    let told: BTreeSet<_> = told.chain(["all"]).map(String::from).collect();
    assert_eq!(shell.offers("add --event ").into_iter().collect::<BTreeSet<_>>(), told);
}

#[test]
fn git_dash_webhook_offers_what_the_help_lists() {
    offers_what_the_help_lists(&alone(&World::new()));
}

#[test]
#[ignore = "needs git's completion: run tests/run"]
fn git_webhook_offers_what_the_help_lists() {
    offers_what_the_help_lists(&Shell { git: true, ..alone(&World::new()) });
}

#[test]
fn what_is_typed_is_gone_on_with() {
    let world = World::new();
    let shell = alone(&world);
    for (typed, inserted) in [
        ("git-webhook sta", vec!["status "]),
        ("git-webhook re", vec!["rename ", "remove ", "redeliver ", "reviews ", "reconcile "]),
        ("git-webhook log --sta", vec!["--state=", "--status="]),
        ("git-webhook log --state=de", vec!["delivered ", "dead "]),
        ("git-webhook log --state de", vec!["delivered ", "dead "]),
        ("git-webhook log --state dead --js", vec!["--json "]),
        ("git-webhook log -n 5 --js", vec!["--json "]),
        ("git-webhook log -n ", vec![]),
        ("git-webhook add ci https://ci.example.org/x --format=gitl", vec!["gitlab "]),
        ("git-webhook add ci ", vec![]),
        ("git-webhook add --ssl-verify=f", vec!["false "]),
        ("git-webhook list ", vec![]),
        ("git-webhook list -- --", vec![]),
        ("git-webhook nonsense --", vec![]),
        ("git-webhook help sh", vec!["show "]),
    ] {
        assert_eq!(shell.inserts(typed), inserted, "{typed}");
    }
}

#[test]
fn targets_are_offered_by_name_alone() {
    let world = World::new();
    for name in ["ci", "a.b-c_d", "$(touch x)", "-x y"] {
        world.configure(&format!("webhook.{name}.url"), "https://user:password@example.org/");
        world.configure(&format!("webhook.{name}.format"), "gitlab");
    }
    world.configure_globally("webhook.everywhere.enabled", "false");
    let shell = alone(&world);
    let places = [
        "remove ",
        "test ",
        "enable ",
        "disable --json ",
        "log --target ",
        "log --target=",
        "flush --now --target ",
        "redeliver --failed --target ",
        "echo 8000 --target=",
    ];
    for place in places {
        assert_eq!(shell.offers(place), ["everywhere", "ci", "a.b-c_d"], "{place}");
    }
    assert_eq!(shell.offers("remove ci "), [""; 0]);
    assert_eq!(shell.offers("list "), [""; 0]);
}

#[test]
#[ignore = "needs git's completion: run tests/run"]
fn the_repository_is_the_one_that_git_is_told() {
    let world = World::new();
    world.configure("webhook.ci.url", "https://example.org/");
    let shell = Shell { world: &world, directory: "/".into(), git: true };
    let server = world.server();
    let server = server.to_str().unwrap();
    assert_eq!(shell.inserts(&format!("git -C {server} webhook enable ")), ["ci "]);
    assert_eq!(shell.inserts(&format!("git --git-dir={server} webhook enable ")), ["ci "]);
    assert_eq!(shell.inserts("git webhook enable "), [""; 0]);
    world.configure_globally("alias.wh", "webhook");
    assert_eq!(shell.inserts("git wh stat"), ["status "]);
    // Below git 2.32 the place of the subcommand is not told.
    let old = format!(". {SCRIPT}; words=(git -C {server} webhook sta) cword=4 cur=sta; _git_webhook; echo $COMPREPLY");
    let output = world.command("bash", Path::new("/")).args(["--norc", "-c", &old]).ends();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "status\n");
}

#[test]
fn deliveries_are_offered_newest_first() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let branch = |number: usize| format!("main:refs/heads/b{number}");
    let refs: Vec<_> = (0..60).map(branch).collect();
    world.push(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    world.push(&["main:newest"]);
    let log = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    let ids: Vec<_> = log.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 61);
    let shell = alone(&world);
    let offered = shell.offers("show ");
    assert_eq!((offered.len(), offered[0].as_str()), (50, ids[0]));
    assert_eq!(BTreeSet::from_iter(offered.iter()).len(), 50, "each once");
    assert!(offered.iter().all(|id| ids.contains(&id.as_str())), "{offered:?}");
    assert_eq!(shell.offers("redeliver --json "), offered);
    assert_eq!(shell.offers(&format!("redeliver {} {}", ids[0], &offered[7][..8])), offered[7..8]);
    assert_eq!(shell.offers("redeliver --failed "), [""; 0]);
    assert_eq!(shell.offers(&format!("show {} ", ids[0])), [""; 0]);
    // The last attempt of a delivery is the newest, and it is offered once.
    world.webhook(&["redeliver", &offered[9]]);
    let again = shell.offers("show ");
    assert_eq!((again[0].as_str(), again.len()), (offered[9].as_str(), 50));
    assert_eq!(BTreeSet::from_iter(again).len(), 50);
}

#[test]
fn places_are_offered_as_each_option_takes_them() {
    let world = World::new();
    let place = world.path("place");
    for directory in ["some dir", "other"] {
        fs::create_dir_all(place.join(directory)).unwrap();
    }
    fs::write(place.join("some file"), "").unwrap();
    let secrets = world.server().join("webhook/secret");
    fs::create_dir_all(&secrets).unwrap();
    for name in ["ci", "ci.signing", "a b", "$x"] {
        fs::write(secrets.join(name), "").unwrap();
    }
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words
    };
    let shell = alone(&world);
    let in_place = Shell { directory: place.clone(), ..alone(&world) };
    for verb in ["list", "check", "log", "redeliver", "flush", "status", "reconcile"] {
        assert_eq!(sorted(in_place.inserts(&format!("git-webhook {verb} --root "))), ["other", "some dir"], "{verb}");
    }
    assert_eq!(in_place.inserts("git-webhook list --root=s"), ["some dir"]);
    assert_eq!(sorted(in_place.inserts("git-webhook echo --secret-file=s")), ["some dir", "some file"]);
    // These name a file below webhook/secret of the repository.
    for option in ["--secret-file", "--signing-secret-file"] {
        assert_eq!(sorted(shell.offers(&format!("add x y {option} "))), ["ci", "ci.signing"]);
    }
    assert_eq!(in_place.offers("add x y --secret-file "), [""; 0]);
}

#[test]
fn refs_are_offered_where_a_payload_takes_them() {
    let world = World::new();
    world.commit("one");
    world.git(&["tag", "v1"]);
    world.push(&["main", "main:refs/heads/topic/a", "v1", "main:refs/heads/$(touch${IFS}x)", "main:refs/heads/a;b"]);
    let shell = alone(&world);
    let names = ["HEAD", "main", "topic/a", "v1"];
    assert_eq!(shell.offers("payload --format gitlab "), names);
    assert_eq!(shell.offers("payload --format gitlab HEAD "), names);
    assert_eq!(shell.offers("payload to"), ["topic/a"]);
    assert_eq!(
        shell.offers("payload --event push main main "),
        ["refs/heads/main", "refs/heads/topic/a", "refs/tags/v1"]
    );
    assert_eq!(shell.offers("payload 0 main refs/heads/top"), ["refs/heads/topic/a"]);
    assert_eq!(shell.offers("payload 0 main refs/heads/main "), [""; 0]);
}

#[test]
fn nothing_is_said_where_there_is_nothing() {
    let world = World::new();
    let outside = Shell { directory: "/".into(), ..alone(&world) };
    let torn = alone(&world);
    fs::create_dir_all(world.server().join("webhook")).unwrap();
    fs::write(world.place(Place::Log), "a file").unwrap();
    for shell in [outside, torn] {
        for line in ["show ", "redeliver ", "enable ", "add a b --secret-file ", "list --root /no/such/", "payload x"] {
            assert_eq!(shell.offers(line), [""; 0], "{line}");
        }
    }
    fs::write(world.server().join("config"), "[torn").unwrap();
    assert_eq!(alone(&world).offers("enable "), [""; 0]);
}

/// A line that is typed at a terminal, up to the tabs in it, and what stands there then.
#[track_caller]
fn becomes(bash: &mut Command, typed: &str, expected: &str) {
    // Ctrl-A goes to the line's beginning: it is printed and not run.
    let keys = format!("{typed}\x01printf 'it is <%s>\\n' '\x05'\nexit\n");
    let mut child = bash.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), keys.as_bytes()).unwrap();
    let output = child.ends();
    let screen = String::from_utf8_lossy(&output.stdout);
    assert!(screen.contains(&format!("\nit is <{expected}>")), "{typed:?}: {screen}");
}

#[test]
#[ignore = "needs bash-completion: run tests/run"]
fn at_a_terminal_it_is_loaded_when_it_is_needed() {
    let world = World::new();
    world.configure("webhook.ci.url", "https://example.org/");
    let place = world.path("home/.local/share/bash-completion/completions");
    fs::create_dir_all(&place).unwrap();
    symlink(SCRIPT, place.join("git-webhook")).unwrap();
    fs::create_dir(world.server().join("a dir")).unwrap();
    fs::write(world.path("rc"), format!("PS1=; HISTFILE=; . {LOADER}\n")).unwrap();
    for (typed, expected) in [
        ("git webhook stat\t", "git webhook status "),
        ("git-webhook stat\t", "git-webhook status "),
        ("git webhook add a http://b --form\tgitl\t", "git webhook add a http://b --format=gitlab "),
        ("git-webhook add a http://b --form\tgitl\t", "git-webhook add a http://b --format=gitlab "),
        ("git webhook enable \t", "git webhook enable ci "),
        ("git -C . webhook log --tar\t\t--js\t", "git -C . webhook log --target=ci --json "),
        ("git webhook list --root a\t", "git webhook list --root a\\ dir/"),
        ("git-webhook list --root=a\t", "git-webhook list --root=a\\ dir/"),
        // No file name where none belongs.
        ("git webhook list conf\t", "git webhook list conf"),
        ("git-webhook list conf\t", "git-webhook list conf"),
    ] {
        let mut script = world.command("script", &world.server());
        let bash = format!("bash --noprofile --rcfile {} -i", world.path("rc").display());
        becomes(script.env("TERM", "dumb").args(["-qec", &bash, "/dev/null"]), typed, expected);
    }
}

/// zsh and fish ask the completion for bash, laid out as it is installed.
fn installed(world: &World) -> PathBuf {
    let share = world.path("share");
    for (file, place) in [
        ("bash", "bash-completion/completions/git-webhook"),
        ("zsh", "zsh/site-functions/_git-webhook"),
        ("fish", "fish/vendor_completions.d/git-webhook.fish"),
    ] {
        let place = share.join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(format!("{}/completions/git-webhook.{file}", env!("CARGO_MANIFEST_DIR")), place).unwrap();
    }
    share
}

#[test]
#[ignore = "needs fish: run tests/run"]
fn fish_offers_what_bash_offers() {
    let world = World::new();
    world.configure("webhook.builds.url", "http://x.invalid/");
    let file = installed(&world).join("fish/vendor_completions.d/git-webhook.fish");
    let shell = alone(&world);
    let offers = |line: &str| {
        let mut fish = world.command("fish", &world.server());
        let script = format!("source '{}'; complete -C '{line}'", file.display());
        let offered = String::from_utf8(fish.args(["--no-config", "-c", &script]).ends().stdout).unwrap();
        offered.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    for arguments in ["", "re", "log --", "log --state ", "payload --format ", "test ", "set bu", "add --event "] {
        let expected: BTreeSet<_> = shell.offers(arguments).into_iter().collect();
        assert!(!expected.is_empty(), "{arguments}");
        assert_eq!(offers(&format!("git-webhook {arguments}")), expected, "{arguments}");
    }
    assert_eq!(offers("git-webhook log --state=d"), ["--state=dead", "--state=delivered"].map(String::from).into());
    assert!(offers("git webhook flu").contains("flush"));
}

#[test]
#[ignore = "needs zsh: run tests/run"]
fn zsh_completes_as_bash_does() {
    let world = World::new();
    world.configure("webhook.builds.url", "http://x.invalid/");
    let functions = installed(&world).join("zsh/site-functions");
    let rc = format!(
        "fpath=('{}' $fpath)\nautoload -Uz compinit; compinit -u -D\nunsetopt beep\ngit-webhook() {{ print \"RAN:$*:\" }}\n\
         git() {{ print \"GIT:$*:\" }}\n",
        functions.display()
    );
    fs::write(world.path("home/.zshrc"), rc).unwrap();
    for (typed, ran) in [
        ("git-webhook stat\t", "RAN:status:"),
        ("git-webhook log --foll\t", "RAN:log --follow:"),
        ("git-webhook log --state=wa\t", "RAN:log --state=waiting:"),
        ("git-webhook disable bu\t", "RAN:disable builds:"),
    ] {
        let mut script = world.command("script", &world.server());
        script.env("TERM", "dumb").args(["-qec", "zsh -i", "/dev/null"]);
        let output = world.feed(&mut script, format!("{typed}\nexit\n").as_bytes());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(ran), "{typed:?}: {said}");
    }
}
