//! `git webhook add`, `remove`, `enable` and `disable`: what they write, and what they leave as it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Output, Stdio};
use std::thread;

use crate::support::{Answer, Ends, Place, Receiver, World};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn config(world: &World) -> String {
    fs::read_to_string(world.server().join("config")).unwrap()
}

#[track_caller]
fn well(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", out(output), err(output));
    out(output)
}

#[test]
fn what_is_added_is_told_of_the_next_push() {
    let receiver = Receiver::new();
    let world = World::new();
    let said =
        well(&world.webhook(&["add", "ci", &receiver.url(), "--format", "gitlab", "--ref", "main", "--ref", "v*"]));
    assert!(said.starts_with("ci: added, told of push, tag_push on main v*\nin format gitlab\n"), "{said}");
    assert!(said.ends_with("\ntry it: git webhook test ci\n"), "{said}");
    world.commit("one");
    world.push(&["main", "main:other"]);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/main");
    let keys = world.server_git(&["config", "--get-regexp", "^webhook\\.ci\\."]);
    let expected =
        format!("webhook.ci.url {}\nwebhook.ci.format gitlab\nwebhook.ci.ref main\nwebhook.ci.ref v*", receiver.url());
    assert_eq!(keys, expected);
}

#[test]
fn add_has_an_option_for_each_key_of_a_target() {
    let world = World::new();
    let help = well(&world.webhook(&["add", "-h"]));
    let target = [git_webhook::config::Of::Target, git_webhook::config::Of::TargetAlone];
    for key in
        git_webhook::config::KEYS.iter().filter(|key| target.contains(&key.of) && !key.protected && key.name != "url")
    {
        let option: String = key
            .name
            .chars()
            .flat_map(|c| c.is_uppercase().then_some('-').into_iter().chain([c.to_ascii_lowercase()]))
            .collect();
        // ssl-c-a-info is written ssl-ca-info.
        let option = option.replace("-c-a-", "-ca-");
        assert!(help.contains(&format!(" --{option} ")), "no --{option} in {help}");
    }
}

#[test]
fn add_writes_the_format_it_chose() {
    let world = World::new();
    well(&world.webhook(&["add", "plain", "https://ci.example.org/"]));
    assert_eq!(world.server_git(&["config", "webhook.plain.format"]), "codeup");
    world.configure("webhook.format", "gitlab");
    let said = well(&world.webhook(&["add", "second", "https://ci.example.org/"]));
    assert_eq!(said.lines().next(), Some("second: added, told of push, tag_push on every ref"));
    assert_eq!(said.lines().nth(1), Some("in format gitlab"));
}

#[test]
fn what_is_wrong_writes_nothing() {
    let world = World::new();
    world.configure("webhook.there.url", "https://ci.example.org/");
    let before = config(&world);
    for (arguments, why) in [
        (&["ci", "ftp://x/canary"][..], "webhook.ci.url: does not begin with http:// or https://"),
        (&["ci", "https://x/", "--format", "githab"], "webhook.ci.format 'githab': is no known format"),
        (&["ci", "https://x/", "--event", "pull"], "webhook.ci.event 'pull': holds an unknown event"),
        (&["ci", "https://x/", "--timeout", "soon"], "webhook.ci.timeout 'soon': is no time"),
        (&["ci", "https://x/", "--header", "Host: canary"], "webhook.ci.header: names a header"),
        (&["ci", "https://x/", "--secret-file", "nowhere"], "webhook.ci.secretFile: cannot be read"),
        (
            &["ci", "https://x/", "--generate-secret", "--ref", "a b ["],
            "webhook.ci.ref 'a b [': holds what no ref name can",
        ),
        (&["../ci", "https://x/", "--generate-secret"], "is no target's name"),
        (&["there", "https://x/"], "target 'there' is there already"),
    ] {
        let output = world.webhook(&[&["add"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = err(&output);
        assert!(said.starts_with("error: ") && said.contains(why), "{arguments:?}: {said}");
        assert!(!said.contains("canary") && !said.contains("config'"), "{said}");
        assert_eq!(config(&world), before, "{arguments:?}");
        assert!(world.files("webhook/secret").is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_secret_comes_from_standard_input_or_is_made() {
    let receiver = Receiver::new();
    let world = World::new();
    let add = |name: &str, option: &str, input: &[u8]| {
        let mut command = world.webhook_command();
        world.feed(command.args(["add", name, &receiver.url(), "--format=gitlab", option]), input)
    };
    let said = well(&add("typed", "--secret", b"a secret of more than 24 bytes\nand more\n"));
    assert!(said.contains("the secret is in webhook/secret/typed: give it to the receiver\n"), "{said}");
    well(&add("made", "--generate-secret", b""));
    well(&add("signed", "--generate-signing-secret", b""));
    for name in ["typed", "made", "signed.signing"] {
        let metadata = fs::metadata(world.server().join("webhook/secret").join(name)).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o600, "{name}");
    }
    // Of a pair the receiver has one half.
    let said = well(&add("pair", "--generate-signing-key", b""));
    assert!(said.contains("the private key is in webhook/secret/pair.signing: it stays here\n"), "{said}");
    let public = well(&world.webhook(&["key", "pair"]));
    assert!(said.contains(&format!("the public key is {}: give it to the receiver", public.trim())), "{said}");
    assert!(public.starts_with("whpk_"), "{public}");
    let none = world.webhook(&["key", "signed"]);
    assert!(err(&none).starts_with("error: target 'signed' has no key of two halves"), "{}", err(&none));
    assert_eq!(none.status.code(), Some(1));
    // A target may be called as another one's key.
    let both = ["add", "x.signing", "https://x.example/", "--generate-secret", "--generate-signing-key"];
    let said = well(&world.webhook(&both));
    assert!(said.contains("the secret is in webhook/secret/x.signing: give it to the receiver\n"), "{said}");
    assert!(said.contains("the private key is in webhook/secret/x.signing.signing: it stays here\n"), "{said}");
    world.webhook(&["remove", "x.signing"]);
    world.webhook(&["remove", "pair"]);
    world.commit("one");
    world.push(&["main"]);
    let mut requests = receiver.take();
    requests.sort_by_key(|request| request.header("X-Gitlab-Token").len());
    let tokens: Vec<_> = requests.iter().map(|request| request.header("X-Gitlab-Token")).collect();
    assert_eq!(tokens[..2], ["", "a secret of more than 24 bytes"]);
    assert!(tokens[2].len() == 64 && tokens[2].bytes().all(|byte| byte.is_ascii_hexdigit()), "{tokens:?}");
    assert!(requests[0].header("webhook-signature").starts_with("v1,"));
    assert!(!config(&world).contains("a secret of"));
    let short = add("short", "--secret", b"short\n");
    assert!(err(&short).starts_with("warning: webhook.short.secretFile: may be guessed"), "{}", err(&short));
    let none = add("none", "--secret", b"");
    assert_eq!(err(&none), "error: no secret on standard input: type it, or use --generate-secret\n");
    assert_eq!(add("argument", "--secret=canary", b"").status.code(), Some(129));
    assert!(!config(&world).contains("none") && !config(&world).contains("argument"));
}

#[test]
fn a_secret_that_is_there_is_not_written_over() {
    let world = World::new();
    fs::create_dir_all(world.server().join("webhook/secret")).unwrap();
    fs::write(world.server().join("webhook/secret/ci"), "old").unwrap();
    let output = world.webhook(&["add", "ci", "https://x/", "--generate-secret"]);
    assert_eq!(err(&output), "error: 'webhook/secret/ci' is there already: use it with --secret-file, or remove it\n");
    assert_eq!(fs::read_to_string(world.server().join("webhook/secret/ci")).unwrap(), "old");
}

#[test]
fn there_are_at_most_so_many_targets() {
    let world = World::new();
    world.configure_globally("webhook.maxTargets", "2");
    well(&world.webhook(&["add", "a", "https://x/"]));
    well(&world.webhook(&["add", "b", "https://x/"]));
    let output = world.webhook(&["add", "c", "https://x/"]);
    assert!(err(&output).starts_with("error: webhook.maxTargets allows 2 targets"), "{}", err(&output));
}

#[test]
fn edits_keep_comments_mode_and_symbolic_link() {
    let world = World::new();
    let path = world.server().join("config");
    let real = world.path("real-config");
    let text =
        config(&world) + "# first\n[webhook \"old\"] ; second\n\turl = https://x/ # third\n[gc]\n\tauto = 0 # fourth";
    fs::write(&real, &text).unwrap();
    fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&real, &path).unwrap();
    well(&world.webhook(&["add", "ci", "https://x/y"]));
    well(&world.webhook(&["disable", "old"]));
    well(&world.webhook(&["enable", "old"]));
    well(&world.webhook(&["remove", "old"]));
    let now = fs::read_to_string(&real).unwrap();
    assert!(path.is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
    assert!(now.contains("# first\n") && now.contains("auto = 0 # fourth\n"), "{now}");
    assert!(now.starts_with(&text[..text.find("# first").unwrap()]), "{now}");
    assert!(now.ends_with("[webhook \"ci\"]\n\turl = https://x/y\n\tformat = codeup\n"), "{now}");
    assert!(!now.contains("old"), "{now}");
}

#[test]
fn edits_survive_a_concurrent_git_config() {
    let world = World::new();
    let (ours, theirs) = (12, 60);
    thread::scope(|scope| {
        let world = &world;
        for half in 0..2 {
            scope.spawn(move || {
                for number in 0..ours / 2 {
                    well(&world.webhook(&["add", &format!("t{half}-{number}"), "https://x/", "--event", "push"]));
                }
            });
        }
        scope.spawn(move || {
            for number in 0..theirs {
                // git does not wait for the lock.
                let set = || {
                    world
                        .command("git", &world.server())
                        .args(["config", &format!("other.k{number}"), "v"])
                        .stderr(Stdio::null())
                        .status()
                };
                while !set().unwrap().success() {}
            }
        });
    });
    let keys = world.server_git(&["config", "--local", "--list", "--name-only"]);
    let count =
        |start: &str, end: &str| keys.lines().filter(|key| key.starts_with(start) && key.ends_with(end)).count();
    assert_eq!([count("webhook.t", ".url"), count("webhook.t", ".format"), count("webhook.t", ".event")], [ours; 3]);
    assert_eq!(count("other.", ""), theirs);
}

#[test]
fn a_lock_that_was_left_is_named() {
    let world = World::new();
    let lock = world.server().canonicalize().unwrap().join("config.lock");
    fs::write(&lock, "").unwrap();
    let before = config(&world);
    let output = world.webhook(&["add", "ci", "https://x/", "--generate-secret"]);
    let said = err(&output);
    assert!(said.ends_with(&format!("if none runs, remove '{}'\n", lock.display())), "{said}");
    assert_eq!((config(&world), lock.exists()), (before, true));
    assert!(world.files("webhook/secret").is_empty());
}

#[test]
fn remove_takes_the_secret_along_and_sets_aside_what_waits() {
    let receiver = Receiver::answering(Answer::Busy);
    let world = World::new();
    for name in ["ci", "cd"] {
        well(&world.webhook(&["add", name, &receiver.url(), "--generate-secret"]));
    }
    world.configure("webhook.cd.signingSecretFile", "shared");
    world.configure("webhook.third.signingSecretFile", "shared");
    fs::write(world.server().join("webhook/secret/shared"), "x").unwrap();
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(
        well(&world.webhook(&["remove", "ci"])),
        format!("ci: removed; 1 waiting: dead letters now, in {}\n", Place::Dead("ci").path().display())
    );
    assert_eq!(world.dead("ci").len(), 1);
    well(&world.webhook(&["remove", "cd"]));
    let left: Vec<_> = world.files("webhook/secret").iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(left, ["shared"], "another target uses it");
    let output = world.webhook(&["remove", "ci"]);
    assert_eq!(err(&output), "error: no target 'ci': there is third\n");
}

#[test]
fn a_target_of_another_file_is_not_removed() {
    let world = World::new();
    world.configure_globally("webhook.ci.url", "https://x/");
    let output = world.webhook(&["remove", "ci"]);
    let file = world.path("home").join(".gitconfig");
    assert_eq!(
        err(&output),
        format!(
            "error: target 'ci' is set in '{0}', not in this repository's own configuration: \
             run git config --file '{0}' --remove-section webhook.ci\n",
            file.display()
        )
    );
    let output = world.webhook(&["disable", "ci"]);
    assert!(err(&output).contains("which does not leave it to repositories"), "{}", err(&output));
}

#[test]
fn disable_keeps_what_waits() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(
        well(&world.webhook(&["disable", "ci"])),
        "ci: disabled; 1 waiting: they stay until git webhook enable ci\n"
    );
    world.push(&["main:second"]);
    well(&world.webhook(&["flush", "--now"]));
    assert_eq!(receiver.take().len(), 1, "neither the new nor the old");
    assert_eq!(well(&world.webhook(&["enable", "ci"])), "ci: enabled; 1 waiting: git webhook flush --now sends them\n");
    well(&world.webhook(&["flush", "--now"]));
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/main");
}

#[test]
fn the_verbs_tell_programs_what_they_did() {
    let world = World::new();
    let row = |arguments: &[&str]| crate::support::rows(well(&world.webhook(arguments)).as_bytes())[0].clone();
    let added = row(&["add", "ci", "https://x.example/secret", "--generate-secret", "--json"]);
    let secrets = ["webhook/secret/ci"];
    let url = "https://x.example/…";
    assert_eq!(
        added,
        serde_json::json!({"name": "ci", "url": url, "format": "codeup", "format_by": "default",
            "told": "told of push, tag_push on every ref", "secrets": secrets, "public_keys": [],
            "missing": ["homepage", "gitSshUrl", "gitHttpUrl"]})
    );
    assert_eq!(row(&["disable", "ci", "--json"]), serde_json::json!({"name": "ci", "enabled": false, "waiting": 0}));
    assert_eq!(row(&["enable", "ci", "--json"])["enabled"], true);
    let removed = row(&["remove", "ci", "--json"]);
    assert_eq!(removed, serde_json::json!({"name": "ci", "dead": 0, "secrets": ["webhook/secret/ci"]}));
}

#[test]
fn of_two_that_add_one_name_at_once_one_is_told_so() {
    let world = World::new();
    let lock = world.server().join("config.lock");
    fs::write(&lock, "").unwrap();
    let start = |url: &str| world.webhook_command().args(["add", "ci", url]).stderr(Stdio::piped()).spawn().unwrap();
    let children = [start("https://one.example/"), start("https://two.example/")];
    thread::sleep(std::time::Duration::from_millis(500));
    fs::remove_file(&lock).unwrap();
    let codes: Vec<_> = children.into_iter().map(|child| child.ends().status.success()).collect();
    assert_eq!(codes.iter().filter(|is_well| **is_well).count(), 1, "{codes:?}");
    assert_eq!(config(&world).matches("url = ").count(), 1);
}

#[test]
fn a_section_in_capitals_is_not_half_removed() {
    let world = World::new();
    let text = config(&world) + "[WebHook \"ci\"]\n\turl = https://x/\n[webhook \"ci\"]\n\tformat = gitlab\n";
    fs::write(world.server().join("config"), &text).unwrap();
    let output = world.webhook(&["remove", "ci"]);
    assert!(
        err(&output).contains("spells the section of 'ci' in capitals, and nothing was changed"),
        "{}",
        err(&output)
    );
    assert_eq!(config(&world), text);
}

#[test]
fn remove_does_not_follow_a_link_to_what_is_not_ours() {
    let world = World::new();
    let elsewhere = world.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("keys"), "of somebody").unwrap();
    fs::create_dir(world.server().join("webhook")).unwrap();
    symlink(&elsewhere, world.server().join("webhook/secret")).unwrap();
    world.configure("webhook.ci.url", "https://x/");
    world.configure("webhook.ci.secretFile", "keys");
    well(&world.webhook(&["remove", "ci"]));
    assert!(elsewhere.join("keys").exists());
}

#[test]
fn a_secret_that_no_receiver_would_see_is_not_made() {
    let world = World::new();
    let output = world.webhook(&["add", "chat", "https://hooks.slack.com/services/T0/B0/x", "--generate-secret"]);
    assert!(err(&output).starts_with("error: format slack sends no secret: leave it out"), "{}", err(&output));
    assert!(world.files("webhook/secret").is_empty() && !config(&world).contains("chat"));
    well(&world.webhook(&["add", "chat", "https://hooks.slack.com/services/T0/B0/x"]));
    assert_eq!(world.server_git(&["config", "webhook.chat.format"]), "slack");
}

#[test]
fn names_with_a_dot_stand_beside_those_without() {
    let world = World::new();
    well(&world.webhook(&["add", "a.b", "https://x/", "--generate-secret"]));
    well(&world.webhook(&["add", "a", "https://x/", "--generate-secret", "--generate-signing-secret"]));
    for verb in ["disable", "enable"] {
        well(&world.webhook(&[verb, "a"]));
    }
    well(&world.webhook(&["flush", "--target", "a"]));
    assert_eq!(well(&world.webhook(&["remove", "a"])), "a: removed\n");
    assert!(config(&world).contains("[webhook \"a.b\"]") && !config(&world).contains("[webhook \"a\"]"));
    assert!(world.server().join("webhook/secret/a.b").exists());
    // The other way round, with the one that was added later at the front.
    well(&world.webhook(&["add", "a", "https://x/"]));
    well(&world.webhook(&["remove", "a.b"]));
    assert!(config(&world).contains("[webhook \"a\"]") && !config(&world).contains("[webhook \"a.b\"]"));
}

/// The signing key of `a` is in a file that a target could be called like.
#[test]
fn two_targets_never_share_a_secrets_file() {
    for names in [["a", "a.signing"], ["a.signing", "a"]] {
        let world = World::new();
        for name in names {
            well(&world.webhook(&["add", name, "https://x/", "--generate-secret", "--generate-signing-secret"]));
        }
        let files = fs::read_dir(world.server().join("webhook/secret")).unwrap().count();
        assert_eq!(files, 4, "{names:?}: {}", config(&world));
        well(&world.webhook(&["remove", "a"]));
        assert!(well(&world.webhook(&["list"])).contains("a.signing"));
    }
}

#[test]
fn remove_takes_a_secret_along_whose_name_holds_a_space() {
    let world = World::new();
    well(&world.webhook(&["add", "ci", "https://x/", "--generate-secret"]));
    let secrets = world.server().join("webhook/secret");
    fs::rename(secrets.join("ci"), secrets.join("my secret")).unwrap();
    world.server_git(&["config", "--unset-all", "webhook.ci.secretFile"]);
    world.configure("webhook.ci.secretFile", "my secret");
    well(&world.webhook(&["list"]));
    well(&world.webhook(&["remove", "ci"]));
    assert_eq!(fs::read_dir(&secrets).unwrap().count(), 0);
}
