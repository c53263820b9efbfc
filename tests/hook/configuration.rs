//! What each key does, and what is said of wrong ones, through real pushes and `git webhook list --json`.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Receiver, World};

/// Long enough to be no short secret, and to be found wherever it must not be.
const CANARY: &str = "canary-0123456789abcdefghij";

/// What `git webhook list --json` says.
struct Listed {
    code: Option<i32>,
    rows: Vec<Value>,
    said: String,
}

impl Listed {
    #[track_caller]
    fn target(&self, name: &str) -> &Value {
        let found = self.rows.iter().find(|row| row["name"] == name);
        found.unwrap_or_else(|| panic!("no target {name:?}: {:#?} {}", self.rows, self.said))
    }

    /// The one error of a target.
    #[track_caller]
    fn error(&self, name: &str) -> &str {
        let errors = self.target(name)["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{name}: {errors:#?}");
        errors[0].as_str().unwrap()
    }

    #[track_caller]
    fn is_well(&self) {
        assert_eq!((self.code, self.said.as_str()), (Some(0), ""), "{:#?}", self.rows);
    }
}

fn list(world: &World) -> Listed {
    let output = world.webhook(&["list", "--json"]);
    let rows = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Listed { code: output.status.code(), rows, said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// Adds lines to the repository's configuration as they are.
fn add(world: &World, text: impl AsRef<[u8]>) {
    append(&world.server().join("config"), text);
}

/// Adds lines to the user's own configuration as they are.
fn add_globally(world: &World, text: impl AsRef<[u8]>) {
    append(&world.path("home/.gitconfig"), text);
}

fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(b"\n").and_then(|()| file.write_all(text.as_ref())).unwrap();
}

/// Has a system's file read, which tests do without otherwise.
fn with_system_file(world: &mut World, text: &str) {
    let path = world.path("system");
    fs::write(&path, text).unwrap();
    world.set("GIT_CONFIG_NOSYSTEM", "0");
    world.set("GIT_CONFIG_SYSTEM", path.to_str().unwrap());
}

/// What a pusher saw: the lines of our hook, and everything.
struct Told {
    said: Vec<String>,
    output: String,
}

/// Pushes a new commit.
#[track_caller]
fn push(world: &World) -> Told {
    world.commit("one");
    let pushed = world.push(&["HEAD:main"]);
    assert!(pushed.accepted, "{}", pushed.output);
    Told { said: pushed.said(), output: pushed.output }
}

/// Runs the hook by itself with a branch for it to tell of, after whatever `change` does to the command.
fn run_hook(world: &World, change: impl FnOnce(&mut Command)) -> Output {
    let id = world.server_git(&["rev-parse", "main"]);
    let line = format!("{} {id} refs/heads/hook\n", "0".repeat(40));
    let mut command = world.hook();
    change(&mut command);
    let output = world.feed(&mut command, line.as_bytes());
    assert!(output.status.success(), "{output:?}");
    output
}

/// Whether the log says that a target's certificate is not verified.
fn is_unverified(log: &str, name: &str) -> bool {
    let name = format!("webhook {name}: ");
    log.lines().any(|line| line.contains(&name) && line.contains("certificate is not verified"))
}

fn secret_file(world: &World, name: &str, content: impl AsRef<[u8]>) {
    let path = world.server().join("webhook/secret").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

mod keys {
    use super::*;

    #[test]
    fn each_key_that_can_be_shown_is_listed() {
        let world = World::new();
        add(
            &world,
            r#"[webhook "ci"]
                url = https://user:pass@ci.example.org:8443/hook?x=y
                format = gitlab
                event = tag_push push
                ref = refs/heads/* !wip
                description = "the builds"
                enabled = off"#,
        );
        let listed = list(&world);
        listed.is_well();
        assert_eq!(
            listed.target("ci"),
            &json!({"name": "ci", "url": "https://ci.example.org:8443/…", "format": "gitlab", "event": ["push", "tag_push"],
                "ref": ["refs/heads/*", "!wip"], "enabled": false, "description": "the builds", "errors": []})
        );
    }

    #[test]
    fn without_further_keys_the_defaults_count() {
        let world = World::new();
        world.configure("webhook.ci.url", "http://ci.example.org");
        let listed = list(&world);
        listed.is_well();
        assert_eq!(
            listed.target("ci"),
            &json!({"name": "ci", "url": "http://ci.example.org/…", "format": "codeup", "event": ["push", "tag_push"],
                "ref": [], "enabled": true, "description": null, "errors": []})
        );
    }

    #[test]
    fn event_chooses_between_branches_and_tags() {
        let (branches, tags) = (Receiver::new(), Receiver::new());
        let world = World::told_to(&branches, "gitlab");
        world.add_target("tags", &tags, "gitlab");
        world.configure("webhook.ci.event", "push");
        world.configure("webhook.tags.event", "tag_push");
        world.commit("one");
        world.git(&["tag", "v1"]);
        world.push(&["main", "v1"]);
        assert_eq!(branches.take_one().json()["ref"], "refs/heads/main");
        assert_eq!(tags.take_one().json()["ref"], "refs/tags/v1");
    }

    #[test]
    fn ref_chooses_by_the_last_pattern_that_matches() {
        let (some, most) = (Receiver::new(), Receiver::new());
        let world = World::told_to(&some, "gitlab");
        world.add_target("most", &most, "gitlab");
        world.configure("webhook.ci.ref", "release !release/old release/old/but");
        world.configure("webhook.most.ref", "!wip/*");
        world.commit("one");
        let names = ["release/1", "release/old/x", "release/old/but", "wip/x", "released"];
        let refs: Vec<_> = names.iter().map(|name| format!("HEAD:refs/heads/{name}")).collect();
        world.push(&refs.iter().map(String::as_str).collect::<Vec<_>>());
        let told = |receiver: &Receiver| {
            let mut told: Vec<_> = receiver
                .take()
                .iter()
                .map(|request| request.json()["ref"].as_str().unwrap()[11..].to_owned())
                .collect();
            told.sort();
            told
        };
        assert_eq!(told(&some), ["release/1", "release/old/but"]);
        assert_eq!(told(&most), ["release/1", "release/old/but", "release/old/x", "released"]);
    }

    #[test]
    fn a_disabled_target_gets_nothing_and_is_not_told_of() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.ci.enabled", "no");
        assert!(push(&world).said.is_empty());
        assert!(receiver.take().is_empty());
    }

    #[test]
    fn a_disabled_target_that_is_wrong_does_not_bother_the_pusher() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "nonsense");
        add(&world, "[webhook \"ci\"]\nenabled = false\n[webhook \"empty\"]\nenabled = false\n");
        assert!(push(&world).said.is_empty());
        assert_eq!(world.log(), "");
        let listed = list(&world);
        assert_eq!((listed.code, &listed.target("ci")["enabled"]), (Some(1), &json!(false)));
        assert_eq!(listed.target("empty")["enabled"], false);
    }

    #[test]
    fn secret_is_the_token() {
        for (format, header) in [("gitlab", "X-Gitlab-Token"), ("codeup", "X-Codeup-Token")] {
            let receiver = Receiver::new();
            let world = World::told_to(&receiver, format);
            world.configure("webhook.ci.secret", CANARY);
            push(&world);
            assert_eq!(receiver.take_one().header(header), CANARY);
        }
    }

    #[test]
    fn signing_secrets_sign_side_by_side() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let key = |byte: char| format!("whsec_{}", byte.to_string().repeat(32));
        world.configure("webhook.ci.signingSecret", &format!("{} {}", key('A'), key('B')));
        world.configure("webhook.ci.signingSecret", &key('C'));
        secret_file(&world, "d", key('D') + "\n");
        secret_file(&world, "e", key('E'));
        world.configure("webhook.ci.signingSecretFile", "d e");
        list(&world).is_well();
        push(&world);
        let request = receiver.take_one();
        let mut signatures: Vec<_> = request.header("webhook-signature").split(' ').collect();
        signatures.dedup();
        assert_eq!(signatures.len(), 5, "{signatures:?}");
        assert!(signatures.iter().all(|signature| signature.starts_with("v1,")));
    }

    #[test]
    fn headers_are_sent_whole_and_several_times() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.ci.header", "X-Words: several words, one value");
        world.configure("webhook.ci.header", "x-other:  ü;#\"  ");
        world.configure("webhook.ci.header", "X-Empty:");
        list(&world).is_well();
        push(&world);
        let request = receiver.take_one();
        assert_eq!(request.header("X-Words"), "several words, one value");
        assert_eq!(request.header("X-Other"), "ü;#\"");
        assert!(request.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("x-empty") && value.is_empty()));
    }

    #[test]
    fn timeout_ends_an_attempt() {
        let receiver = Receiver::answering(Answer::Never);
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.ci.timeout", "1s");
        let start = Instant::now();
        assert_eq!(
            push(&world).said,
            ["webhook ci: not delivered: main (no answer in time); kept, and tried again later"]
        );
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    }

    #[test]
    fn max_commits_limits_the_list_and_not_the_count() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.ci.maxCommits", "2");
        world.commit("one");
        world.commit("two");
        let ids = [world.commit("three"), world.commit("four")];
        world.push(&["main"]);
        let request = receiver.take_one();
        assert_eq!((request.commits(), &request.json()["total_commits_count"]), (ids.to_vec(), &json!(4)));
    }

    #[test]
    fn ssl_verify_false_is_logged_at_each_push() {
        let receiver = Receiver::new();
        let world = World::new();
        let url = receiver.url().replace("http:", "https:");
        add(&world, format!("[webhook \"one\"]\nurl = {url}\n[webhook \"two\"]\nurl = {url}\nsslVerify = false\n"));
        push(&world);
        let log = world.log();
        assert!(is_unverified(&log, "two"), "{log}");
        assert!(!is_unverified(&log, "one"), "{log}");
    }

    #[test]
    fn numbers_and_booleans_are_spelled_as_for_git() {
        let world = World::new();
        for (at, (key, value)) in [
            ("enabled", "= yes"),
            ("enabled", "= 1"),
            ("enabled", ""),
            ("enabled", "= TRUE"),
            ("maxCommits", "= 1k"),
            ("maxCommits", "= 0x10"),
            ("maxCommits", "= \"+5\""),
            ("timeout", "= 90"),
            ("timeout", "= 90s"),
            ("timeout", "= 2m"),
            ("timeout", "= 1h"),
        ]
        .iter()
        .enumerate()
        {
            add(&world, format!("[webhook \"t{at}\"]\nurl = http://h/\n{key} {value}"));
        }
        for (at, value) in ["= no", "= 0", "= off", "= \"\"", "="].iter().enumerate() {
            add(&world, format!("[webhook \"f{at}\"]\nurl = http://h/\nenabled {value}"));
        }
        let listed = list(&world);
        listed.is_well();
        for row in listed.rows {
            assert_eq!(row["enabled"], row["name"].as_str().unwrap().starts_with('t'), "{row}");
        }
    }

    #[test]
    fn user_name_and_password_of_the_url_are_basic_authentication() {
        let receiver = Receiver::new();
        let world = World::new();
        world.configure("webhook.ci.url", &receiver.url().replace("://", "://us%40er:pa%3Ass@"));
        push(&world);
        let request = receiver.take_one();
        assert_eq!((request.path.as_str(), request.header("Authorization")), ("/hook", "Basic dXNAZXI6cGE6c3M="));
    }
}

mod defaults {
    use super::*;

    #[test]
    fn a_key_under_webhook_is_the_default_of_every_target() {
        let world = World::new();
        add(
            &world,
            r#"[webhook]
                format = gitlab
                event = tag_push
                ref = v*
                enabled = false
                timeout = 1s
                maxCommits = 1
            [webhook "takes"]
                url = http://h/
            [webhook "has"]
                url = http://h/
                format = codeup
                event = push
                ref = main
                enabled = true"#,
        );
        let listed = list(&world);
        listed.is_well();
        let of = |name| {
            let row = listed.target(name);
            ["format", "event", "ref", "enabled"].map(|key| row[key].clone())
        };
        assert_eq!(of("takes"), [json!("gitlab"), json!(["tag_push"]), json!(["v*"]), json!(false)]);
        assert_eq!(of("has"), [json!("codeup"), json!(["push"]), json!(["main"]), json!(true)]);
    }

    #[test]
    fn a_default_may_stand_behind_the_target_and_in_another_file() {
        let world = World::new();
        add(&world, "[webhook \"ci\"]\nurl = http://h/\n[webhook]\nformat = gitlab\n");
        add_globally(&world, "[webhook]\nformat = codeup\nevent = push\n");
        let listed = list(&world);
        assert_eq!(
            (&listed.target("ci")["format"], &listed.target("ci")["event"]),
            (&json!("gitlab"), &json!(["push"]))
        );
    }

    #[test]
    fn what_belongs_to_one_target_has_no_default() {
        let receiver = Receiver::new();
        for (key, value) in [
            ("url", receiver.url()),
            ("description", "x".into()),
            ("secret", CANARY.into()),
            ("secretFile", "x".into()),
            ("signingSecret", "whsec_".to_owned() + &"A".repeat(32)),
            ("signingSecretFile", "x".into()),
            ("header", "X-Secret: x".into()),
        ] {
            let world = World::told_to(&receiver, "gitlab");
            add(&world, format!("[webhook]\n{key} = {value}\n"));
            push(&world);
            let request = receiver.take_one();
            for header in ["X-Gitlab-Token", "webhook-signature", "X-Secret"] {
                assert_eq!(request.header(header), "", "{key}");
            }
            let listed = list(&world);
            assert_eq!((listed.code, &listed.target("ci")["description"]), (Some(0), &Value::Null));
            let warning = format!("warning: webhook.{key}: belongs to one target: write webhook.<name>.{key} (in '");
            assert!(listed.said.starts_with(&warning), "{}", listed.said);
        }
    }

    #[test]
    fn a_wrong_default_is_told_under_its_own_name_and_stops_those_that_take_it() {
        let world = World::new();
        add(
            &world,
            "[webhook]\ntimeout = soon\n[webhook \"a\"]\nurl = http://h/\n[webhook \"b\"]\nurl = http://h/\ntimeout = 5\n",
        );
        let listed = list(&world);
        assert!(listed.error("a").starts_with("webhook.timeout 'soon': is no time"), "{}", listed.error("a"));
        assert_eq!(listed.target("b")["errors"], json!([]));
    }
}

mod lists {
    use super::*;

    /// The refs that `ci` has with these lines in the user's and in the repository's file.
    fn refs(global: &str, local: &str) -> Value {
        let world = World::new();
        add_globally(&world, global);
        add(&world, format!("[webhook \"ci\"]\nurl = http://h/\n{local}"));
        let listed = list(&world);
        listed.is_well();
        listed.target("ci")["ref"].clone()
    }

    #[test]
    fn several_values_of_several_words_add_up() {
        assert_eq!(refs("", "ref = a b\nref = \" c\\td\\ne\"\n"), json!(["a", "b", "c", "d", "e"]));
    }

    #[test]
    fn values_of_several_files_add_up() {
        assert_eq!(refs("[webhook \"ci\"]\nref = a\n", "ref = b\n"), json!(["a", "b"]));
        assert_eq!(refs("[webhook]\nref = a\n", "[webhook]\nref = b\n"), json!(["a", "b"]));
    }

    #[test]
    fn an_empty_value_clears_what_came_before() {
        assert_eq!(refs("[webhook \"ci\"]\nref = a\n", "ref =\nref = b\n"), json!(["b"]));
        assert_eq!(refs("[webhook \"ci\"]\nref = a\n", "ref = \"\"\n"), json!([]));
    }

    #[test]
    fn a_target_s_own_list_replaces_the_default_list() {
        assert_eq!(refs("[webhook]\nref = a\n", "ref = b\n"), json!(["b"]));
        assert_eq!(refs("[webhook]\nref = a\n", "ref =\n"), json!([]));
    }

    #[test]
    fn a_list_key_without_value_is_an_error_and_clears_nothing() {
        let world = World::new();
        for key in ["ref", "event", "header", "signingSecret", "signingSecretFile"] {
            add(&world, format!("[webhook \"{key}\"]\nurl = http://h/\n{key}\n"));
        }
        let listed = list(&world);
        for key in ["ref", "event", "header", "signingSecret", "signingSecretFile"] {
            let expected = format!("webhook.{key}.{key}: has no value: write key = value (in '");
            assert!(listed.error(key).starts_with(&expected), "{}", listed.error(key));
        }
    }

    #[test]
    fn all_stands_for_every_event() {
        let world = World::new();
        world.configure("webhook.ci.url", "http://h/");
        world.configure("webhook.ci.event", "all");
        let every = json!(["push", "tag_push", "create", "delete", "note", "merge_request"]);
        assert_eq!(list(&world).target("ci")["event"], every);
    }
}

mod scopes {
    use super::*;

    const OWNED: [(&str, &str); 6] = [
        ("secret", CANARY),
        ("secretFile", "token"),
        ("signingSecret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("signingSecretFile", "key"),
        ("header", "X-Token: canary-0123456789abcdefghij"),
        ("sslVerify", "false"),
    ];

    #[test]
    fn a_secret_is_not_sent_to_a_url_of_another_scope() {
        for url_is_local in [false, true] {
            let (receiver, other) = (Receiver::new(), Receiver::new());
            let world = World::told_to(&other, "gitlab");
            secret_file(&world, "token", CANARY);
            secret_file(&world, "key", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
            for (key, value) in OWNED {
                let url = format!("[webhook \"{key}\"]\nurl = {}\n", receiver.url());
                let owned = format!("[webhook \"{key}\"]\n{key} = \"{value}\"\n");
                let (local, global) = if url_is_local { (url, owned) } else { (owned, url) };
                add(&world, local);
                add_globally(&world, global);
            }
            let told = push(&world);
            assert!(receiver.take().is_empty(), "{}", told.output);
            other.take_one();
            let listed = list(&world);
            for (key, _) in OWNED {
                let line = format!("webhook {key}: not configured rightly, the event is kept; see git webhook check");
                assert!(told.said.contains(&line), "{:?}", told.said);
                let error = listed.error(key);
                assert!(error.starts_with(&format!("webhook.{key}.{key}: counts only where")), "{error}");
                assert!(error.contains("/project.git/config'") && error.contains("/home/.gitconfig'"), "{error}");
            }
            assert!(!listed.said.contains("canary") && !world.log().contains("canary"));
        }
    }

    #[test]
    fn system_and_user_are_scopes_of_their_own() {
        let receiver = Receiver::new();
        let mut world = World::new();
        with_system_file(&mut world, &format!("[webhook \"ci\"]\nurl = {}\nformat = gitlab\n", receiver.url()));
        world.configure_globally("webhook.ci.secret", CANARY);
        push(&world);
        assert!(receiver.take().is_empty());
        assert!(list(&world).error("ci").contains("/system'"));
    }

    #[test]
    fn the_url_in_effect_decides_and_not_the_first() {
        let (theirs, ours) = (Receiver::new(), Receiver::new());
        let world = World::new();
        world.configure_globally("webhook.ci.url", &ours.url());
        world.configure_globally("webhook.ci.secret", CANARY);
        world.configure("webhook.ci.url", &theirs.url());
        push(&world);
        assert!(theirs.take().is_empty() && ours.take().is_empty());
        assert!(list(&world).error("ci").starts_with("webhook.ci.secret: counts only where"));
    }

    #[test]
    fn an_included_file_belongs_to_the_scope_that_includes_it() {
        let receiver = Receiver::new();
        let world = World::new();
        fs::write(world.path("shared"), format!("[webhook \"ci\"]\nsecret = {CANARY}\n")).unwrap();
        add_globally(&world, "[include]\npath = ../shared\n");
        world.configure("webhook.ci.url", &receiver.url());
        push(&world);
        assert!(receiver.take().is_empty());
        assert!(list(&world).error("ci").contains("/shared' and '"));
    }

    #[test]
    fn what_is_not_owned_may_be_set_in_a_repository() {
        let world = World::new();
        add_globally(&world, "[webhook \"ci\"]\nurl = http://h/\nevent = push\n");
        add(&world, "[webhook \"ci\"]\nevent =\nevent = tag_push\nenabled = false\nref = v*\ndescription = ours\n");
        let listed = list(&world);
        listed.is_well();
        let row = listed.target("ci");
        assert_eq!(
            (&row["event"], &row["enabled"], &row["description"]),
            (&json!(["tag_push"]), &json!(false), &json!("ours"))
        );
    }

    #[test]
    fn a_default_of_ssl_verify_counts_from_the_owner_s_scope_alone() {
        let receiver = Receiver::new();
        let world = World::new();
        let url = receiver.url().replace("http:", "https:");
        add_globally(&world, format!("[webhook]\nsslVerify = false\n[webhook \"server\"]\nurl = {url}\n"));
        add(&world, format!("[webhook]\nsslVerify = true\n[webhook \"own\"]\nurl = {url}\n"));
        push(&world);
        let log = world.log();
        assert!(is_unverified(&log, "server"), "{log}");
        assert!(!is_unverified(&log, "own"), "{log}");
    }

    #[test]
    fn bad_163_protected_keys_of_a_repository_are_ignored_with_a_warning() {
        let receiver = Receiver::new();
        let mut world = World::told_to(&receiver, "gitlab");
        world.server_git(&["config", "--unset-all", "webhook.repository"]);
        world.set("WHO", "mallory");
        let root = world.path("");
        add(
            &world,
            format!(
                "[webhook]\nreport = none\nroot = {}\nuserVariable = WHO\nmaxTargets = 0\n[webhookUser \"alice\"]\nname = Mallory\nemail = m@x\nid = 7\n",
                root.display()
            ),
        );
        let pushed = push(&world);
        assert!(pushed.said[0].starts_with("webhook ci: delivered main"), "{}", pushed.output);
        let body = receiver.take_one().json();
        assert_eq!((&body["user_username"], &body["user_name"]), (&json!("alice"), &json!("alice")));
        assert_ne!(body["user_email"], "m@x");
        assert_eq!(body["project"]["path_with_namespace"], "project");
        let listed = list(&world);
        assert_eq!(listed.code, Some(0));
        for key in ["report", "root", "userVariable", "maxTargets"] {
            assert!(listed.said.contains(&format!("warning: webhook.{key}: is ignored here")), "{}", listed.said);
        }
        for key in ["name", "email", "id"] {
            assert!(
                listed.said.contains(&format!("warning: webhookUser.alice.{key}: is ignored here")),
                "{}",
                listed.said
            );
        }
        assert!(world.log().contains("webhook.report: is ignored here"), "{}", world.log());
    }

    #[test]
    fn protected_keys_count_from_the_user_s_own_file_and_what_it_includes() {
        let receiver = Receiver::new();
        let mut world = World::told_to(&receiver, "gitlab");
        world.set("WHO", "bob");
        fs::write(world.path("users"), "[webhookUser \"bob\"]\nname = Bob Builder\nid = 7\n").unwrap();
        add_globally(&world, "[webhook]\nuserVariable = OTHER WHO\n[include]\npath = ../users\n");
        push(&world);
        let body = receiver.take_one().json();
        assert_eq!(
            (&body["user_username"], &body["user_name"], &body["user_id"]),
            (&json!("bob"), &json!("Bob Builder"), &json!(7))
        );
        list(&world).is_well();
    }

    #[test]
    fn bad_165_the_environment_sets_no_policy() {
        let (receiver, rogue) = (Receiver::new(), Receiver::new());
        let world = World::told_to(&receiver, "gitlab");
        push(&world);
        receiver.take();
        let output = run_hook(&world, |command| {
            command.env("GIT_CONFIG_COUNT", "2");
            command.env("GIT_CONFIG_KEY_0", "webhook.rogue.url").env("GIT_CONFIG_VALUE_0", rogue.url());
            command.env("GIT_CONFIG_KEY_1", "webhook.report").env("GIT_CONFIG_VALUE_1", "none");
            command
                .env("GIT_CONFIG_PARAMETERS", format!("'webhook.ci.url={}' 'webhook.ci.enabled=false'", rogue.url()));
            command.env("GIT_CONFIG", world.path("nothing"));
        });
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("webhook ci: delivered hook"), "{output:?}");
        assert!(rogue.take().is_empty());
        receiver.take_one();
    }
}

mod files {
    use super::*;

    fn url(name: &str) -> String {
        format!("[webhook \"{name}\"]\nurl = http://h/\n")
    }

    fn names(world: &World) -> Vec<String> {
        list(world).rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn system_xdg_user_and_repository_are_read_in_this_order() {
        let mut world = World::new();
        with_system_file(&mut world, &url("system"));
        fs::create_dir_all(world.path("home/.config/git")).unwrap();
        fs::write(world.path("home/.config/git/config"), url("xdg")).unwrap();
        add_globally(&world, url("user"));
        add(&world, url("repository"));
        assert_eq!(names(&world), ["system", "xdg", "user", "repository"]);
    }

    #[test]
    fn the_variables_of_git_choose_the_files() {
        let mut world = World::new();
        with_system_file(&mut world, &url("system"));
        add_globally(&world, url("user"));
        fs::write(world.path("other"), url("other")).unwrap();
        fs::create_dir_all(world.path("xdg/git")).unwrap();
        fs::write(world.path("xdg/git/config"), url("xdg")).unwrap();
        let (other, xdg) = (world.path("other"), world.path("xdg"));
        let (other, xdg) = (other.to_str().unwrap(), xdg.to_str().unwrap());
        for (variables, expected) in [
            (&[("GIT_CONFIG_SYSTEM", other)][..], &["other", "user"][..]),
            (&[("GIT_CONFIG_SYSTEM", "")], &["user"]),
            (&[("GIT_CONFIG_SYSTEM", "/dev/null")], &["user"]),
            (&[("GIT_CONFIG_NOSYSTEM", "true")], &["user"]),
            (&[("GIT_CONFIG_NOSYSTEM", "")], &["system", "user"]),
            (&[("GIT_CONFIG_GLOBAL", other)], &["system", "other"]),
            (&[("GIT_CONFIG_GLOBAL", "")], &["system"]),
            (&[("GIT_CONFIG_GLOBAL", "/dev/null")], &["system"]),
            (&[("XDG_CONFIG_HOME", xdg)], &["system", "xdg", "user"]),
            (&[("XDG_CONFIG_HOME", "")], &["system", "user"]),
            (&[("HOME", "/dev/null")], &["system"]),
            (&[("HOME", "/dev/null"), ("XDG_CONFIG_HOME", xdg)], &["system", "xdg"]),
        ] {
            let output =
                world.webhook_command().args(["list", "--json"]).envs(variables.iter().copied()).output().unwrap();
            let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
            assert_eq!(
                rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(),
                expected,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn the_system_s_file_lies_below_the_prefix_of_the_git_that_runs_the_hook() {
        let receiver = Receiver::new();
        let world = World::new();
        push(&world);
        fs::create_dir_all(world.path("prefix/etc")).unwrap();
        fs::write(world.path("prefix/etc/gitconfig"), format!("[webhook \"ci\"]\nurl = {}\n", receiver.url())).unwrap();
        for directory in ["libexec/git-core", "lib/git-core"] {
            run_hook(&world, |command| {
                command.env("GIT_EXEC_PATH", world.path("prefix").join(directory)).env_remove("GIT_CONFIG_NOSYSTEM");
            });
            receiver.take_one();
        }
        run_hook(&world, |command| {
            command.env("GIT_EXEC_PATH", world.path("prefix/libexec/git-core"));
        });
        assert!(receiver.take().is_empty(), "GIT_CONFIG_NOSYSTEM holds");
    }

    #[test]
    fn without_home_the_repository_s_own_file_is_enough() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        push(&world);
        receiver.take();
        run_hook(&world, |command| {
            command.env_remove("HOME");
        });
        receiver.take_one();
    }

    #[test]
    fn where_a_group_pushes_the_user_s_own_file_is_not_read() {
        let world = World::new();
        add_globally(&world, url("user"));
        for (value, is_shared) in [
            ("group", true),
            ("all", true),
            ("true", true),
            ("1", true),
            ("0660", true),
            ("umask", false),
            ("false", false),
            ("0640", false),
            ("0600", false),
        ] {
            world.server_git(&["config", "core.sharedRepository", value]);
            assert_eq!(names(&world).is_empty(), is_shared, "{value}");
        }
    }

    #[test]
    fn a_server_may_say_for_all_its_repositories_that_groups_push() {
        let mut world = World::new();
        with_system_file(&mut world, "[core]\nsharedRepository = group\n");
        add_globally(&world, url("user"));
        assert!(names(&world).is_empty());
        world.configure("core.sharedRepository", "false");
        assert_eq!(names(&world), ["user"]);
    }

    #[test]
    fn bad_146_names_of_sections_and_keys_have_no_case_but_names_of_targets_have() {
        let world = World::new();
        add(&world, "[WebHook \"CI\"]\nURL = http://upper/\n[WEBHOOK \"ci\"]\nuRl = http://lower/\nMAXCOMMITS = 3\n");
        let listed = list(&world);
        listed.is_well();
        assert_eq!(
            (&listed.target("CI")["url"], &listed.target("ci")["url"]),
            (&json!("http://upper/…"), &json!("http://lower/…"))
        );
    }

    #[test]
    fn the_old_form_of_a_section_is_read_in_lower_case() {
        let world = World::new();
        add(&world, "[webhook.CI]\nurl = http://h/\n");
        assert_eq!(names(&world), ["ci"]);
    }

    #[test]
    fn bad_139_lines_may_end_as_on_windows() {
        let receiver = Receiver::new();
        let world = World::new();
        add(
            &world,
            format!("[webhook \"ci\"]\r\n\turl = {}\r\n\tformat = gitlab\r\n\tsecret = {CANARY}\r\n", receiver.url()),
        );
        push(&world);
        assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
    }

    #[test]
    fn bad_140_a_file_may_begin_with_a_byte_order_mark() {
        let world = World::new();
        fs::write(world.path("home/.gitconfig"), format!("\u{feff}{}", url("ci"))).unwrap();
        assert_eq!(names(&world), ["ci"]);
    }

    #[test]
    fn bad_152_a_file_may_be_a_symbolic_link() {
        let world = World::new();
        fs::write(world.path("elsewhere"), url("ci")).unwrap();
        symlink(world.path("elsewhere"), world.path("home/.gitconfig")).unwrap();
        assert_eq!(names(&world), ["ci"]);
    }

    #[test]
    fn a_linked_worktree_reads_its_own_file_too() {
        let world = World::new();
        world.configure("extensions.worktreeConfig", "true");
        push(&world);
        let tree = world.path("tree");
        world.server_git(&["worktree", "add", "--quiet", tree.to_str().unwrap(), "main"]);
        add(&world, url("common"));
        fs::write(world.server().join("worktrees/tree/config.worktree"), url("linked")).unwrap();
        fs::write(world.server().join("config.worktree"), url("main")).unwrap();
        assert_eq!(names(&world), ["common", "main"]);
        let output = world.command(env!("CARGO_BIN_EXE_git-webhook"), &tree).args(["list", "--json"]).output().unwrap();
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&rows[0]["name"], &rows[1]["name"], &rows[2]), (&json!("common"), &json!("linked"), &Value::Null));
    }

    #[test]
    fn an_include_delivers_once() {
        let receiver = Receiver::new();
        let world = World::new();
        let text = format!("[webhook \"ci\"]\nurl = {}\nref = a\n", receiver.url());
        fs::write(world.path("shared"), text).unwrap();
        add_globally(&world, "[include]\npath = ../shared\n[includeIf \"gitdir:project.git\"]\npath = ../shared\n");
        assert_eq!(list(&world).target("ci")["ref"], json!(["a", "a"]));
        world.commit("one");
        world.push(&["HEAD:a"]);
        receiver.take_one();
    }

    #[test]
    fn an_include_can_depend_on_the_repository() {
        let receiver = Receiver::new();
        let world = World::new();
        fs::write(world.path("home/ci"), format!("[webhook \"ci\"]\nurl = {}\n", receiver.url())).unwrap();
        add_globally(
            &world,
            "[includeIf \"gitdir:**/project.git\"]\npath = ci\n[includeIf \"gitdir:other/\"]\npath = none\n",
        );
        push(&world);
        receiver.take_one();
    }
}

mod secret_files {
    use super::*;

    /// A world whose target reads its secret from the file that `value` names.
    fn world(receiver: &Receiver, value: &str) -> World {
        let world = World::told_to(receiver, "gitlab");
        world.configure("webhook.ci.secretFile", value);
        world
    }

    /// Nothing is sent, and the administrator learns why.
    #[track_caller]
    fn is_refused(world: &World, receiver: &Receiver, why: &str) {
        let start = Instant::now();
        let pushed = push(world);
        assert_eq!(pushed.said, ["webhook ci: not configured rightly, the event is kept; see git webhook check"]);
        assert!(start.elapsed() < Duration::from_secs(5), "it waited {:?}", start.elapsed());
        assert!(receiver.take().is_empty());
        let listed = list(world);
        assert_eq!(listed.code, Some(1));
        assert!(listed.error("ci").contains(why), "{}", listed.error("ci"));
        assert!(world.log().contains(why), "{}", world.log());
        assert!(!listed.said.contains("canary") && !world.log().contains("canary"));
    }

    #[test]
    fn a_relative_path_lies_below_webhook_secret() {
        let receiver = Receiver::new();
        for path in ["ci", "for/ci", "./ci"] {
            let world = world(&receiver, path);
            secret_file(&world, path, CANARY);
            if path == "./ci" {
                is_refused(&world, &receiver, "is no path below webhook/secret/");
                continue;
            }
            push(&world);
            assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
        }
    }

    #[test]
    fn one_newline_at_the_end_is_dropped() {
        let receiver = Receiver::new();
        let world = world(&receiver, "ci");
        secret_file(&world, "ci", format!(" {CANARY} \n"));
        push(&world);
        // The receiver trims; what matters is that neither space nor newline broke the header.
        assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
        secret_file(&world, "ci", format!("{CANARY}\n\n"));
        is_refused(&world, &receiver, "names a file that is empty or holds more than one line of text");
    }

    #[test]
    fn a_file_must_hold_one_line_of_text() {
        let receiver = Receiver::new();
        let world = world(&receiver, "ci");
        for content in [&b""[..], b"\n", b"canary\r\n", b"canary\nmore", b"canary\0", b"canary\xff", b"canary\x1b[m"] {
            secret_file(&world, "ci", content);
            is_refused(&world, &receiver, "names a file that is empty or holds more than one line of text");
        }
    }

    #[test]
    fn an_absolute_path_counts_from_protected_scope_alone() {
        let receiver = Receiver::new();
        let path = |world: &World| {
            let path = world.path("absolute");
            fs::write(&path, CANARY).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.ci.secretFile", &path(&world));
        is_refused(&world, &receiver, "is an absolute path, which a repository's own configuration cannot use");
        let world = World::new();
        world.configure_globally("webhook.ci.url", &receiver.url());
        world.configure_globally("webhook.ci.format", "gitlab");
        world.configure_globally("webhook.ci.secretFile", &path(&world));
        push(&world);
        assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
    }

    #[test]
    fn a_file_that_an_include_of_the_repository_names_is_no_more_trusted() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        fs::write(world.path("absolute"), CANARY).unwrap();
        fs::set_permissions(world.path("absolute"), Permissions::from_mode(0o600)).unwrap();
        let text = format!("[webhook \"ci\"]\nsecretFile = {}\n", world.path("absolute").display());
        fs::write(world.path("home/.gitconfig"), "").unwrap();
        fs::write(world.path("home/more"), text).unwrap();
        add(&world, format!("[include]\npath = {}\n", world.path("home/more").display()));
        is_refused(&world, &receiver, "is an absolute path");
    }

    #[test]
    fn a_path_cannot_climb_out() {
        let receiver = Receiver::new();
        for path in ["../outside", "x/../../outside", "..", "", "/"] {
            let world = world(&receiver, path);
            fs::create_dir_all(world.server().join("webhook/secret/x")).unwrap();
            fs::write(world.server().join("webhook/outside"), CANARY).unwrap();
            fs::set_permissions(world.server().join("webhook/outside"), Permissions::from_mode(0o600)).unwrap();
            let why = if path == "/" { "is an absolute path" } else { "is no path below webhook/secret/" };
            is_refused(&world, &receiver, why);
        }
    }

    #[test]
    fn a_symbolic_link_is_not_followed_wherever_it_stands_in_the_path() {
        let receiver = Receiver::new();
        for link in ["webhook/secret", "webhook/secret/for", "webhook/secret/for/ci"] {
            let world = world(&receiver, "for/ci");
            let rest = "webhook/secret/for/ci".strip_prefix(link).unwrap();
            let elsewhere = world.path("elsewhere");
            let file = elsewhere.join(rest.trim_start_matches('/'));
            let file = if rest.is_empty() { elsewhere.clone() } else { file };
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, CANARY).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            let link = world.server().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(&elsewhere, &link).unwrap();
            is_refused(&world, &receiver, "leads through the symbolic link");
        }
    }

    #[test]
    fn an_absolute_path_may_be_a_symbolic_link() {
        let receiver = Receiver::new();
        let world = World::new();
        fs::write(world.path("data"), CANARY).unwrap();
        fs::set_permissions(world.path("data"), Permissions::from_mode(0o400)).unwrap();
        symlink("data", world.path("link")).unwrap();
        let text = format!(
            "[webhook \"ci\"]\nformat = gitlab\nurl = {}\nsecretFile = {}\n",
            receiver.url(),
            world.path("link").display()
        );
        add_globally(&world, text);
        push(&world);
        assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let receiver = Receiver::new();
        let world = world(&receiver, "ci");
        secret_file(&world, "ci", CANARY);
        for mode in [0o644, 0o604, 0o602, 0o601] {
            fs::set_permissions(world.server().join("webhook/secret/ci"), Permissions::from_mode(mode)).unwrap();
            is_refused(&world, &receiver, "names a file that others can read or write: run chmod o= '");
        }
        fs::set_permissions(world.server().join("webhook/secret/ci"), Permissions::from_mode(0o600)).unwrap();
        let said = push(&world).said;
        assert_eq!(receiver.take().len(), 5, "what waited is delivered too: {said:?}");
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let receiver = Receiver::new();
        let fifo = world(&receiver, "ci");
        fs::create_dir_all(fifo.server().join("webhook/secret")).unwrap();
        let path = fifo.server().join("webhook/secret/ci");
        assert!(Command::new("mkfifo").arg("--mode=600").arg(&path).status().unwrap().success());
        is_refused(&fifo, &receiver, "names what is no regular file");
        let directory = world(&receiver, "ci");
        fs::create_dir_all(directory.server().join("webhook/secret/ci")).unwrap();
        is_refused(&directory, &receiver, "names what is no regular file");
        let missing = world(&receiver, "ci");
        is_refused(&missing, &receiver, "cannot be read below webhook/secret/: No such file or directory");
    }

    #[test]
    fn a_large_file_is_refused() {
        let receiver = Receiver::new();
        let world = world(&receiver, "ci");
        secret_file(&world, "ci", "canary".repeat((20 << 20) / 6));
        is_refused(&world, &receiver, "names a file of more than 64 KiB");
    }

    #[test]
    fn a_secret_in_place_of_its_file_is_not_shown() {
        let receiver = Receiver::new();
        let world = world(&receiver, CANARY);
        is_refused(&world, &receiver, "webhook.ci.secretFile: cannot be read below webhook/secret/");
    }

    #[test]
    fn secret_and_secret_file_together_are_an_error() {
        let receiver = Receiver::new();
        let world = world(&receiver, "ci");
        secret_file(&world, "ci", CANARY);
        world.configure("webhook.ci.secret", CANARY);
        is_refused(&world, &receiver, "stands beside secretFile: keep one of them");
    }

    #[test]
    fn bad_153_a_short_secret_is_a_warning() {
        let receiver = Receiver::new();
        let world = world(&receiver, "ci");
        secret_file(&world, "ci", "twenty-three characters");
        add(&world, "[webhook \"two\"]\nurl = http://h/\nsecret = twenty-four-characters--\n");
        push(&world);
        assert_eq!(receiver.take_one().header("X-Gitlab-Token"), "twenty-three characters");
        let listed = list(&world);
        assert_eq!((listed.code, listed.said.lines().count()), (Some(0), 1), "{}", listed.said);
        assert!(listed.said.starts_with("warning: webhook.ci.secretFile: may be guessed"), "{}", listed.said);
    }
}

mod wrong_values {
    use super::*;

    /// Values that are wrong, each for one target: key, value as it stands in the file, what the error holds.
    const WRONG: &[(&str, &str, &str)] = &[
        ("enabled", "= maybe", "webhook.NAME.enabled 'maybe': is no boolean: write true or false"),
        ("enabled", "= 1x", "'1x': is no boolean"),
        ("sslVerify", "= \" true\"", "' true': is no boolean"),
        ("timeout", "= soon", "webhook.NAME.timeout 'soon': is no time: write a whole number with s, m, h or d"),
        ("timeout", "= 5 s", "'5 s': is no time:"),
        ("timeout", "= 5S", "'5S': is no time:"),
        ("timeout", "= 1.5s", "'1.5s': is no time:"),
        ("timeout", "= +5", "'+5': is no time:"),
        ("timeout", "=", "'': is no time:"),
        ("timeout", "= s", "'s': is no time:"),
        ("timeout", "", "webhook.NAME.timeout: has no value"),
        ("maxCommits", "= 0", "'0': is no number from 1 to 2147483647"),
        ("maxCommits", "= -1", "'-1': is no number"),
        ("maxCommits", "= 3g", "'3g': is no number"),
        ("maxCommits", "= many", "'many': is no number"),
        ("maxCommits", "= 99999999999999999999", "'99999999999999999999': is no number"),
        ("event", "= psuh", "webhook.NAME.event 'psuh': holds an unknown event: write push, tag_push,"),
        ("event", "= push Tag_Push", "'push Tag_Push': holds an unknown event"),
        ("format", "= gitlba", "webhook.NAME.format 'gitlba': is no known format: write codeup, gitlab"),
        ("format", "= GitLab", "'GitLab': is no known format"),
        ("format", "=", "'': is no known format"),
        ("description", "= \"a\\nb\"", "'a\nb': holds a control character"),
        ("ref", "= main a..b[", "'main a..b[': holds what no ref name can"),
        ("ref", "= !", "'!': holds what no ref name can"),
        ("ref", "= a:b", "'a:b': holds what no ref name can"),
        ("secret", "=", "webhook.NAME.secret: is empty"),
        ("secret", "= \"canary\\nX-Injected: 1\"", "webhook.NAME.secret: holds a control character"),
        ("signingSecret", "= whsec_canary!", "webhook.NAME.signingSecret: is no Standard Webhooks key"),
        ("header", "= canary", "webhook.NAME.header: is no header: write Name: value"),
        ("header", "= \": canary\"", "webhook.NAME.header: has a name that no header can have"),
    ];

    #[test]
    fn a_wrong_value_stops_its_target_alone_and_is_told_with_key_value_and_file() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        for (at, (key, value, _)) in WRONG.iter().enumerate() {
            let url = if *key == "url" { String::new() } else { format!("url = {}\n", receiver.url()) };
            add(&world, format!("[webhook \"t{at}\"]\n{url}{key} {value}\n"));
        }
        let said = push(&world).said;
        receiver.take_one();
        assert!(said[0].starts_with("webhook ci: delivered main"), "{said:?}");
        assert_eq!(said.len(), WRONG.len() + 1);
        let listed = list(&world);
        assert_eq!(listed.code, Some(1));
        assert_eq!(listed.target("ci")["errors"], json!([]));
        for (at, (key, value, expected)) in WRONG.iter().enumerate() {
            let name = format!("t{at}");
            let error = listed.error(&name);
            assert!(error.contains(&expected.replace("NAME", &name)), "{key} {value}: {error}");
            assert!(error.ends_with("/project.git/config')") && !error.contains("canary"), "{error}");
            let line = format!("webhook {name}: not configured rightly, the event is kept; see git webhook check");
            assert_eq!(said[at + 1], line);
        }
        assert!(!world.log().contains("canary") && !listed.said.contains("canary"));
    }

    #[test]
    fn all_that_is_wrong_with_a_target_is_told_at_once() {
        let world = World::new();
        add(
            &world,
            "[webhook \"ci\"]\nurl = ftp://h/\nformat = x\nevent = x\ntimeout = x\nmaxCommits = x\nheader = x\n",
        );
        assert_eq!(list(&world).target("ci")["errors"].as_array().unwrap().len(), 6);
    }

    #[test]
    fn a_wrong_setting_is_told_and_its_default_counts() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        add(
            &world,
            "[webhook]\nmaxWait = x\nvisibility = x\nprojectId = 0\nlogLevel = x\nhomepage = \"http://u:canary@h/{x}\"\n",
        );
        add_globally(
            &world,
            "[webhook]\nreport = x\nmaxTargets = x\nroot = relative\n[webhookUser \"alice\"]\nid = x\n",
        );
        push(&world);
        assert_eq!(receiver.take_one().json()["project"]["visibility_level"], 0);
        let listed = list(&world);
        assert_eq!((listed.code, listed.said.lines().count()), (Some(1), 9), "{}", listed.said);
        assert!(listed.said.contains("error: webhook.maxWait 'x': is no time"), "{}", listed.said);
        assert!(listed.said.contains("error: webhookUser.alice.id 'x': is no number"), "{}", listed.said);
        assert!(world.log().contains("webhook.homepage: is no URL template"), "{}", world.log());
        assert!(!world.log().contains("canary") && !listed.said.contains("canary"));
    }

    #[test]
    fn a_value_is_shown_in_part_and_made_safe() {
        let world = World::new();
        add(&world, format!("[webhook \"ci\"]\nurl = http://h/\nformat = \"\x1b]0;{}\"\n", "x".repeat(500)));
        let said = list(&world).said;
        assert!(said.contains("\\u{1b}]0;xxx") && !said.contains('\x1b') && said.len() < 300, "{said}");
    }

    #[test]
    fn bad_128_without_targets_all_is_well() {
        let world = World::new();
        assert!(push(&world).said.is_empty());
        let listed = list(&world);
        listed.is_well();
        assert!(listed.rows.is_empty());
    }

    #[test]
    fn bad_129_a_target_without_url() {
        let world = World::new();
        world.configure("webhook.ci.format", "gitlab");
        let listed = list(&world);
        assert!(listed.error("ci").starts_with("webhook.ci.url: is not set: write git config webhook.ci.url https://"));
    }

    #[test]
    fn bad_130_an_empty_url() {
        let world = World::new();
        add(&world, "[webhook \"ci\"]\nurl =\n[webhook \"none\"]\nurl\n");
        let listed = list(&world);
        assert!(listed.error("ci").starts_with("webhook.ci.url: is empty"), "{}", listed.error("ci"));
        assert!(listed.error("none").starts_with("webhook.none.url: has no value"), "{}", listed.error("none"));
    }

    #[test]
    fn bad_132_of_two_urls_the_last_counts_with_a_warning() {
        let (first, last) = (Receiver::new(), Receiver::new());
        let world = World::told_to(&first, "gitlab");
        world.configure("webhook.ci.url", &last.url());
        push(&world);
        assert!(first.take().is_empty());
        last.take_one();
        let listed = list(&world);
        assert_eq!(listed.code, Some(0));
        assert!(
            listed.said.starts_with("warning: webhook.ci.url: is set twice, and the last one counts"),
            "{}",
            listed.said
        );
    }

    #[test]
    fn bad_133_an_unknown_key_is_a_warning_with_the_nearest_known_one() {
        let world = World::new();
        add(
            &world,
            "[webhook \"ci\"]\nurl = http://h/\nsecretfiel = canary\nsslverfy = 0\nhomepage = canary\nxyzzy = canary\n[webhook]\nmaxwiat = 3\n",
        );
        let listed = list(&world);
        assert_eq!((listed.code, listed.said.contains("canary")), (Some(0), false));
        for line in [
            "webhook.ci.secretfiel: is no known key; did you mean secretFile?",
            "webhook.ci.sslverfy: is no known key; did you mean sslVerify?",
            "webhook.ci.homepage: belongs to no target: write webhook.homepage",
            "webhook.ci.xyzzy: is no known key (in",
            "webhook.maxwiat: is no known key; did you mean maxWait?",
        ] {
            assert!(listed.said.contains(line), "{line}: {}", listed.said);
        }
    }

    #[test]
    fn bad_135_times_out_of_range() {
        let world = World::new();
        for (at, value) in ["0", "-5s", "2h", "1d", "99999999999999999999", "18446744073709551615h"].iter().enumerate()
        {
            add(&world, format!("[webhook \"t{at}\"]\nurl = http://h/\ntimeout = {value}\n"));
        }
        let listed = list(&world);
        for at in 0..6 {
            assert!(listed.error(&format!("t{at}")).contains("is no time"), "{}", listed.error(&format!("t{at}")));
        }
    }

    #[test]
    fn bad_138_a_nul_stops_the_target_whatever_the_key() {
        let receiver = Receiver::new();
        let keys =
            ["url", "format", "event", "ref", "description", "enabled", "timeout", "secret", "header", "signingSecret"];
        let world = World::told_to(&receiver, "gitlab");
        for key in keys {
            let url = if key == "url" { "" } else { "url = http://h/\n" };
            add(&world, format!("[webhook \"{key}\"]\n{url}{key} = push\0canary\n"));
        }
        push(&world);
        receiver.take_one();
        let listed = list(&world);
        for key in keys {
            assert!(listed.error(key).starts_with(&format!("webhook.{key}.{key}")), "{}", listed.error(key));
        }
    }

    #[test]
    fn bad_142_a_value_cut_by_a_comment_is_a_warning() {
        let world = World::new();
        add(
            &world,
            "[webhook \"ci\"]\nurl = http://h/a#canary\nsecret = abcdefghijklmnopqrstuvwxyz;canary\nref = a # fine\nevent = \"push\"#fine\n",
        );
        let listed = list(&world);
        assert_eq!((listed.code, listed.said.lines().count()), (Some(0), 2), "{}", listed.said);
        assert!(listed.said.contains("webhook.ci.url: is cut at '#' or ';'"), "{}", listed.said);
        assert!(listed.said.contains("webhook.ci.secret: is cut at '#' or ';'"), "{}", listed.said);
        assert!(!listed.said.contains("canary"));
    }

    #[test]
    fn bad_150_large_values() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let start = Instant::now();
        add(&world, format!("[webhook \"large\"]\nurl = http://h/\ndescription = {}\n", "x".repeat(20 << 20)));
        push(&world);
        receiver.take_one();
        let listed = list(&world);
        assert!(listed.error("large").contains("x…': is longer than 64 KiB"), "{:.300}", listed.error("large"));
        assert!(listed.error("large").len() < 500);
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    }

    #[test]
    fn bad_150_large_names() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let long = "x".repeat(20 << 20);
        add(&world, format!("[webhook \"ci\"]\n{long} = 1\n"));
        push(&world);
        receiver.take_one();
        let listed = list(&world);
        assert_eq!(listed.code, Some(0));
        assert!(listed.said.contains("…: is no known key (in") && listed.said.len() < 1000, "{:.1000}", listed.said);
    }

    #[test]
    fn bad_150_many_targets() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let start = Instant::now();
        let targets: String = (0..20_000).map(|at| format!("[webhook \"t{at}\"]\nenabled = false\n")).collect();
        add(&world, targets);
        push(&world);
        receiver.take_one();
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn bad_154_signing_keys_that_are_none() {
        let world = World::new();
        for (at, value) in ["whsec_", "whsec_canary*", "whsec_AAA", "sk_canary-canary"].iter().enumerate() {
            add(&world, format!("[webhook \"t{at}\"]\nurl = http://h/\nsigningSecret = {value}\n"));
        }
        let listed = list(&world);
        for at in 0..4 {
            let name = format!("t{at}");
            let expected =
                format!("webhook.{name}.signingSecret: is no Standard Webhooks key: write whsec_ and base64");
            assert!(listed.error(&name).starts_with(&expected), "{}", listed.error(&name));
        }
        assert!(!listed.said.contains("canary"));
    }

    #[test]
    fn bad_156_157_158_headers_that_cannot_be() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let wrong = [
            ("X Token: canary", "has a name that no header can have"),
            ("Tök: canary", "has a name that no header can have"),
            ("X-A(: canary", "has a name that no header can have"),
            ("X-A: canary\\nX-B: canary", "holds a control character"),
            ("X-A: canary\\b", "holds a control character"),
            ("Host: canary", "names a header that is set by git-webhook itself"),
            ("content-length: 5", "names a header that is set by git-webhook itself"),
            ("Transfer-Encoding : canary", "names a header that is set by git-webhook itself"),
            ("CONNECTION: canary", "names a header that is set by git-webhook itself"),
            ("Content-Type: canary", "names a header that is set by git-webhook itself"),
            ("User-Agent: canary", "names a header that is set by git-webhook itself"),
            ("Webhook-Signature: canary", "names a header that is set by git-webhook itself"),
            ("X-Gitlab-Token: canary", "names a header that the format sets itself"),
            ("x-gitlab-event: canary", "names a header that the format sets itself"),
        ];
        for (at, (value, _)) in wrong.iter().enumerate() {
            let url = receiver.url();
            add(&world, format!("[webhook \"t{at}\"]\nurl = {url}\nformat = gitlab\nheader = \"{value}\"\n"));
        }
        let user = receiver.url().replace("://", "://user:pass@");
        add(&world, format!("[webhook \"user\"]\nurl = {user}\nheader = Authorization: canary\n"));
        push(&world);
        receiver.take_one();
        let listed = list(&world);
        for (at, (value, expected)) in wrong.iter().enumerate() {
            let name = format!("t{at}");
            assert!(
                listed.error(&name).starts_with(&format!("webhook.{name}.header: {expected}")),
                "{value}: {}",
                listed.error(&name)
            );
        }
        assert!(listed.error("user").contains("is made of the url's user name and password"));
        assert!(!listed.said.contains("canary") && !world.log().contains("canary"));
    }

    #[test]
    fn bad_159_hostile_patterns_do_not_hang() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.ci.ref", &"a*".repeat(15_000));
        world.commit("one");
        let start = Instant::now();
        world.push(&[&format!("HEAD:refs/heads/{}", "a".repeat(200))]);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[test]
    fn bad_162_the_same_url_twice_is_two_targets() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.add_target("again", &receiver, "gitlab");
        push(&world);
        assert_eq!(receiver.take().len(), 2);
    }

    #[test]
    fn bad_166_to_195_urls_that_are_none_or_can_be_read_in_two_ways() {
        let long_label = format!("http://{}.example/", "x".repeat(64));
        let long_url = format!("http://example.org/{}", "x".repeat(9000));
        let urls = [
            "ftp://h/canary",
            "gopher://h/canary",
            "unix:/canary",
            "http+unix://canary/",
            "javascript:canary",
            "h/canary",
            "//h/canary",
            "http:canary",
            "http://",
            "http://:80/canary",
            "http://h:65536/canary",
            "http://h:-1/canary",
            "http://h:0/canary",
            "http://h/ canary",
            "http://h/\\tcanary",
            "http://h/canary\\n",
            "http://h\\\\canary",
            "http://canary@b@h/",
            "http://%6c%6f/canary",
            "http://[::1/canary",
            "http://[gggg::1]/canary",
            "http://[fe80::1%25lo]/canary",
            "http://[127.0.0.1]/canary",
            &long_label,
            &long_url,
            "http://1.1.1.1.1/canary",
            "http://256.1.1.1/canary",
            "http://\\u{a0}/canary",
            "https:/h/canary",
            " http://h/canary",
            "http://h\u{a0}/canary",
            "http://h/\u{2028}canary",
            "file:///canary",
            "http://?canary",
        ];
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        for (at, url) in urls.iter().enumerate() {
            let url = url.replace("\\u{a0}", "\u{a0}");
            add(&world, format!("[webhook \"t{at}\"]\nurl = \"{url}\"\n"));
        }
        let pushed = push(&world);
        receiver.take_one();
        assert_eq!(pushed.said.len(), urls.len() + 1);
        let listed = list(&world);
        for (at, url) in urls.iter().enumerate() {
            let error = listed.error(&format!("t{at}"));
            assert!(error.starts_with(&format!("webhook.t{at}.url: ")), "{url}: {error}");
        }
        for text in [&pushed.output, &listed.said, &world.log()] {
            assert!(!text.contains("canary") && !text.contains("xxxx"), "{text}");
        }
    }

    #[test]
    fn bad_193_what_stands_behind_a_number_sign_is_a_warning() {
        let receiver = Receiver::new();
        let world = World::new();
        world.configure("webhook.ci.url", &format!("{}?a=b#canary", receiver.url()));
        push(&world);
        assert_eq!(receiver.take_one().path, "/hook?a=b");
        let listed = list(&world);
        assert_eq!(listed.code, Some(0));
        assert!(listed.said.starts_with("warning: webhook.ci.url: has a part behind '#'"), "{}", listed.said);
        assert!(!listed.said.contains("canary"));
    }
}

mod names {
    use super::*;

    #[test]
    fn names_that_targets_can_have() {
        let world = World::new();
        let names = ["a", "0", "CI", "a.b", "a_b-c", "x".repeat(64).as_str()].map(String::from);
        for name in &names {
            world.configure(&format!("webhook.{name}.url"), "http://h/");
        }
        let listed = list(&world);
        listed.is_well();
        assert_eq!(listed.rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    }

    #[test]
    fn bad_144_145_names_that_targets_cannot_have() {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let names =
            ["", ".a", "-a", "_a", "a b", "a/b", "é", "a\u{1b}[31m", "\u{202e}a", "a:b", "$(id)", &"x".repeat(65)];
        for name in names {
            add(&world, format!("[webhook \"{name}\"]\nurl = {}\n", receiver.url()));
        }
        let pushed = push(&world);
        receiver.take_one();
        assert_eq!(pushed.said.len(), names.len() + 1);
        assert!(!pushed.output.contains("\u{1b}[31m") && !pushed.output.contains('\u{202e}'), "{}", pushed.output);
        let listed = list(&world);
        for name in names {
            let name = if name == "a/b" { "a…" } else { name };
            let expected = format!("webhook '{name}': is no target's name: write at most 64 letters");
            assert!(listed.error(name).starts_with(&expected), "{}", listed.error(name));
        }
        assert!(!listed.said.contains('\u{1b}') && !listed.said.contains('\u{202e}'), "{}", listed.said);
    }

    /// As one may write it, thinking of git's own `url.<base>.insteadOf`.
    #[test]
    fn a_url_in_place_of_a_name_is_not_shown() {
        let world = World::new();
        add(&world, "[webhook \"https://canary@hooks.example/T0/canary?canary\"]\nformat = codeup\nunknwon = x\n");
        add(&world, format!("[webhook \"{}\"]\nformat = codeup\n", "long".repeat(1 << 20)));
        let told = push(&world);
        let listed = list(&world);
        assert_eq!((listed.code, &listed.rows[0]["name"]), (Some(1), &json!("https:…")));
        for text in [&told.output, &world.log(), &listed.said, &format!("{:?}", listed.rows)] {
            assert!(!text.contains("canary") && text.len() < 4000, "{:.5000}", text);
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_or_has_a_nul_is_none() {
        let world = World::new();
        add(&world, b"[webhook \"a\xff\"]\nurl = http://h/\n[webhook \"a\0b\"]\nurl = http://h/\n");
        let listed = list(&world);
        assert!(listed.error("a\u{fffd}").contains("is no target's name"));
        assert!(listed.error("a\0b").contains("is no target's name"));
    }
}

mod unreadable {
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
        assert!(
            listed.said.trim_end().ends_with("/home/.gitconfig") && !listed.said.contains("canary"),
            "{}",
            listed.said
        );
        fs::write(world.path("home/.gitconfig"), "[includeIf \"onbranch:canary\"]\npath = canary\n").unwrap();
        let listed = list(&world);
        assert_eq!((listed.code, listed.rows.len()), (Some(1), 0));
        assert!(
            listed.said.starts_with("error: cannot tell the branch for includeIf.onbranch in '"),
            "{}",
            listed.said
        );
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
        assert!(!world.log().contains("cannot read"), "{}", world.log());
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
}

#[test]
fn no_secret_is_shown_wherever_it_stands() {
    let receiver = Receiver::answering(Answer::Status(500));
    let world = World::new();
    let url =
        receiver.url().replace("://", "://canary-user:canary-password@") + "/canary-path?token=canary-query#canary";
    secret_file(&world, "file", "canary-file-0123456789abcdef");
    let signing = "whsec_Y2FuYXJ5LXNpZ25pbmcta2V5LW9mLTMyLWJ5dGVz";
    add(
        &world,
        format!(
            "[webhook]\nlogLevel = debug\nsecret = canary-default\n[webhook \"right\"]\nurl = \"{url}\"\nsecret = {CANARY}\n\
             signingSecret = {signing}\nheader = X-Key: canary-header\n\
             [webhook \"filed\"]\nurl = \"{url}\"\nsecretFile = file\n\
             [webhook \"wrong\"]\nurl = \"{url} canary\"\nsecret = \"canary\\n\"\nsecret = \"canary\\t\"\nsigningSecret = {signing}=\n\
             header = canary\nsecrett = canary\nformat = x\ntimeout = x\n"
        ),
    );
    add_globally(
        &world,
        "[webhook \"right\"]\nsecret = canary-global\n[webhook \"mine\"]\nurl = ftp://canary/canary\n",
    );
    let pushed = push(&world);
    assert!(!receiver.take().is_empty());
    let plain = world.webhook(&["list"]);
    let json = world.webhook(&["list", "--json"]);
    let texts = [&plain.stdout, &plain.stderr, &json.stdout, &json.stderr].map(|text| String::from_utf8_lossy(text));
    for text in texts.iter().map(AsRef::as_ref).chain([pushed.output.as_str(), &world.log()]) {
        assert!(!text.contains("canary") && !text.contains("Y2Fu"), "{text}");
    }
    assert!(world.log().contains("filed"), "{}", world.log());
}
