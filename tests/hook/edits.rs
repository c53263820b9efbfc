//! Targets that are changed, renamed and added for all repositories; what `add` and `list` say of them.

use std::fs;
use std::process::Output;

use crate::support::{Answer, Place, Receiver, World, rows};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", out(output), err(output));
    out(output)
}

#[track_caller]
fn refused(world: &World, arguments: &[&str], why: &str) {
    let config = || fs::read_to_string(world.server().join("config")).unwrap();
    let before = config();
    let output = world.webhook(arguments);
    assert!(output.status.code() == Some(1) && err(&output).contains(why), "{arguments:?}: {}", err(&output));
    assert_eq!(config(), before, "{arguments:?}");
}

#[test]
fn add_says_what_it_chose_and_what_the_target_is_told() {
    let world = World::new();
    let said = done(&world.webhook(&["add", "ci", "https://ci.example.org/hook"]));
    let chosen =
        "ci: added, told of push, tag_push on every ref\nin format codeup, the default: --format takes another";
    assert!(said.starts_with(chosen), "{said}");
    // Once, and only as far as it is so.
    assert!(said.contains("git config webhook.homepage 'https://HOST/{repository}'"), "{said}");
    assert!(said.contains("git config webhook.gitSshUrl 'git@HOST:{repository}.git'"), "{said}");
    let said = done(&world.webhook(&["add", "chat", "https://hooks.slack.com/services/T0/B0/x", "--enabled", "false"]));
    assert!(said.starts_with("chat: added, disabled; once it is enabled told of push, tag_push"), "{said}");
    assert!(said.contains("in format slack, as its address tells\n") && !said.contains("git config"), "{said}");
    let jenkins = "https://jenkins.example.org/project/build";
    let said = done(&world.webhook(&["add", "jenkins", jenkins, "--event", "tag_push", "--ref", "v*"]));
    assert!(said.starts_with("jenkins: added, told of tag_push on v*\nin format gitlab, as its address"), "{said}");
    let discord = world.webhook(&["add", "discord", "https://discord.com/api/webhooks/1/x"]);
    assert!(done(&discord).contains("in format discord, as its address tells"));
    let slack = ["add", "other", "https://discord.com/api/webhooks/1/x", "--format", "slack"];
    let discord = world.webhook(&slack);
    assert!(err(&discord).contains("with /slack behind it"), "{}", err(&discord));
    world.server_git(&["config", "webhook.homepage", "https://git.example.org/{repository}"]);
    let other = World::new();
    fs::write(other.server().join("cloneurl"), "git@git.example.org:project.git\n").unwrap();
    let said = done(&other.webhook(&["add", "ci", "https://ci.example.org/", "--format", "github"]));
    assert!(said.contains("webhook.homepage") && !said.contains("gitSshUrl"), "{said}");
    let help = out(&world.webhook(&["add", "-h"]));
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("How long one attempt may take, in s, m, h or d [default: 10s]"), "{help}");
}

#[test]
fn keys_of_a_target_are_set_and_unset() {
    let (first, second) = (Receiver::new(), Receiver::new());
    let world = World::told_plainly_to(&first, "gitlab");
    world.configure("webhook.ci.ref", "nothing");
    world.configure("webhook.ci.ref", "else");
    let said = done(&world.webhook(&[
        "set",
        "ci",
        "--url",
        &second.url(),
        "--format",
        "github",
        "--ref",
        "main",
        "--ref",
        "v*",
    ]));
    assert!(said.starts_with("ci: url set, format set, ref set; told of push, tag_push on main v*\nin format github, at http://127.0.0.1:"), "{said}");
    assert_eq!(world.server_git(&["config", "--get-all", "webhook.ci.ref"]), "main\nv*");
    world.commit("one");
    world.push(&["main"]);
    assert!(first.take().is_empty());
    assert_eq!(
        second.take_one().headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-github-event")).count(),
        1
    );
    let said = done(&world.webhook(&["set", "ci", "--unset", "ref", "--unset", "max-commits"]));
    assert!(said.contains("ref unset, maxCommits unset; told of push, tag_push on every ref"), "{said}");
    let row = &rows(&world.webhook(&["set", "ci", "--timeout", "3s", "--json"]).stdout)[0];
    assert_eq!((&row["set"][0], &row["format"]), (&"timeout".into(), &"github".into()));
    for (arguments, why) in [
        (&["set", "ci", "--format", "gitlob"][..], "nothing was changed: "),
        (&["set", "ci", "--url", "ftp://x/"], "nothing was changed: "),
        (&["set", "ci", "--unset", "url"], "a target is nothing without its url"),
        (&["set", "ci", "--unset", "formt"], "do you mean format?"),
        (&["set", "ci", "--unset", "xyzzy"], "is no key of a target"),
        (&["set", "ci", "--ref", "x", "--unset", "ref"], "ref cannot be set and unset"),
        (&["set", "ci"], "nothing to change"),
        (&["set", "cd", "--ref", "x"], "no target 'cd': there is ci"),
    ] {
        refused(&world, arguments, why);
    }
}

#[test]
fn what_waits_and_its_secret_go_with_a_renamed_target() {
    let receiver = Receiver::in_turn([Answer::Status(404), Answer::Status(404), Answer::Status(200)]);
    let world = World::new();
    done(&world.webhook(&["add", "ci", &receiver.url(), "--format", "gitlab", "--generate-secret"]));
    world.commit("one");
    world.push(&["main:a"]);
    // What was given up, and what waits, and what waits as a whole.
    world.webhook(&["remove", "ci"]);
    done(&world.webhook(&["add", "ci", &receiver.url(), "--format", "gitlab", "--generate-secret"]));
    let secret = fs::read(world.server().join("webhook/secret/ci")).unwrap();
    world.push(&["main:b"]);
    world.configure("webhook.ci.timeout", "soon");
    world.push(&["main:c"]);
    world.server_git(&["config", "--unset", "webhook.ci.timeout"]);
    refused(&world, &["rename", "ci", "no/name"], "nothing was renamed: 'no/name' is no target's name");
    refused(&world, &["rename", "cd", "x"], "no target 'cd'");
    world.configure("webhook.other.url", "http://127.0.0.1:9/");
    refused(&world, &["rename", "ci", "other"], "target 'other' is there already");
    let said = done(&world.webhook(&["rename", "ci", "builds"]));
    assert_eq!(said, "ci: called builds now; 2 waiting went with it; 1 dead\n");
    assert_eq!(fs::read(world.server().join("webhook/secret/builds")).unwrap(), secret);
    assert!(!world.server().join("webhook/secret/ci").exists());
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len(), world.dead("builds").len()), (0, 0, 1));
    assert!(world.kept(Place::Dead("ci")).is_empty());
    let status = rows(&world.webhook(&["status", "--json"]).stdout);
    assert!(status.iter().all(|row| row["target"] != "ci"), "{status:?}");
    assert!(done(&world.webhook(&["flush", "--now"])).contains("builds: 2 delivered"));
    assert!(done(&world.webhook(&["redeliver", "--failed"])).contains("1 delivered"));
    let token = String::from_utf8(secret).unwrap();
    let requests = receiver.take();
    let is_signed = |request: &crate::support::Request| {
        request
            .headers
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("x-gitlab-token") && value == token.trim_end())
    };
    assert_eq!(requests.iter().rev().take(3).filter(|request| is_signed(request)).count(), 3);
}

#[test]
fn a_target_for_all_repositories() {
    let receiver = Receiver::new();
    let world = World::new();
    let said = done(&world.webhook(&["add", "all", &receiver.url(), "--global", "--format", "gitlab"]));
    assert!(said.starts_with("all: added, told of push, tag_push"), "{said}");
    assert_eq!(world.server_git(&["config", "--global", "webhook.all.url"]), receiver.url());
    assert!(!fs::read_to_string(world.server().join("config")).unwrap().contains("\"all\""));
    world.commit("one");
    world.push(&["main"]);
    receiver.take_one();
    // From anywhere.
    let mut command = world.command(env!("CARGO_BIN_EXE_git-webhook"), &world.path("home"));
    let output = crate::support::Ends::ends(command.args(["set", "all", "--global", "--ref", "release"]));
    assert!(done(&output).contains("on release"));
    world.push(&["main:other"]);
    assert!(receiver.take().is_empty());
    refused(&world, &["set", "all", "--ref", "x"], "--system and --global change those files");
    refused(&world, &["add", "all", "http://127.0.0.1:9/"], "target 'all' is there already");
    refused(
        &world,
        &["add", "x", "http://127.0.0.1:9/", "--global", "--generate-secret"],
        "name it with --secret-file /path",
    );
    refused(&world, &["add", "x", "http://127.0.0.1:9/", "--global", "--secret-file", "x"], "nothing was written: ");
    // A file that is not there yet, and one that must not be read.
    let system = world.path("system");
    let mut command = world.webhook_command();
    command.env_remove("GIT_CONFIG_NOSYSTEM").env("GIT_CONFIG_SYSTEM", &system);
    let output = crate::support::Ends::ends(command.args(["add", "sys", "http://127.0.0.1:9/", "--system"]));
    done(&output);
    assert!(fs::read_to_string(&system).unwrap().contains("[webhook \"sys\"]"));
    refused(&world, &["add", "sys", "http://127.0.0.1:9/", "--system"], "there is no such file: GIT_CONFIG_NOSYSTEM");
}

#[test]
fn list_shows_descriptions_and_whole_addresses_to_who_asks() {
    let world = World::new();
    world.configure("webhook.ci.url", "https://me:word@ci.example.org/hook?token=x");
    let plain = out(&world.webhook(&["list"]));
    assert!(plain.contains("https://ci.example.org/…") && !plain.contains("token") && !plain.contains("DESCRIPTION"));
    world.configure("webhook.ci.description", "the builds");
    let whole = out(&world.webhook(&["list", "--urls"]));
    assert!(whole.contains("https://me:word@ci.example.org/hook?token=x  enabled  the builds\n"), "{whole}");
    assert!(whole.lines().next().unwrap().ends_with("STATE    DESCRIPTION"), "{whole}");
    let row = &rows(&world.webhook(&["list", "--urls", "--json"]).stdout)[0];
    assert_eq!(row["url"], "https://me:word@ci.example.org/hook?token=x");
}
