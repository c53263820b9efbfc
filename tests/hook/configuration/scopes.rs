//! Whose word counts: what a repository's own file may say, and what the owner's alone.

use git_webhook::config::{KEYS, Of};

use super::*;

/// A value of each key of a target.
fn value_of(key: &str) -> String {
    match key {
        "url" => "http://127.0.0.1:1/".into(),
        "format" => "github".into(),
        "event" => "tag_push".into(),
        "ref" => "!refs/heads/*".into(),
        "description" => "theirs".into(),
        "enabled" | "sslVerify" => "false".into(),
        "optional" | "codeupExtras" => "true".into(),
        "detail" => "thin".into(),
        "contentType" => "form".into(),
        "template" => "theirs.txt".into(),
        "method" => "GET".into(),
        "traceparent" => "continue".into(),
        "secret" => CANARY.into(),
        "secretFile" => "token".into(),
        "signingSecret" => "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
        "signingSecretFile" => "key".into(),
        "header" => format!("X-Token: {CANARY}"),
        "headerFile" => "headers".into(),
        "proxy" => "http://127.0.0.1:2".into(),
        "sslCAInfo" | "sslCert" | "sslKey" => "pem".into(),
        "timeout" | "retryFor" | "maxCommits" => "7".into(),
        "maxBody" => "1m".into(),
        "success" => "404".into(),
        other => panic!("which value of {other}?"),
    }
}

/// Whoever sets the URL says all that there is to say of a target: neither its secret nor what it is told is another's.
#[test]
fn no_key_of_a_target_counts_from_another_scope() {
    for url_is_local in [false, true] {
        let (receiver, other) = (Receiver::new(), Receiver::new());
        let world = World::told_to(&other, "gitlab");
        secret_file(&world, "token", CANARY);
        secret_file(&world, "headers", format!("X-Token: {CANARY}"));
        secret_file(&world, "key", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let keys = KEYS.iter().filter(|key| matches!(key.of, Of::Target | Of::TargetAlone));
        let keys: Vec<_> = keys.map(|key| key.name).collect();
        for key in &keys {
            let url = format!("[webhook \"{key}\"]\nurl = {}\n", receiver.url());
            let foreign = format!("[webhook \"{key}\"]\n{key} = \"{}\"\n", value_of(key));
            let (local, global) = if url_is_local { (url, foreign) } else { (foreign, url) };
            add(&world, local);
            add_globally(&world, global);
        }
        let told = push(&world);
        assert!(receiver.take().is_empty(), "{}", told.output);
        other.take_one();
        let listed = list(&world);
        for key in keys {
            let line = format!("webhook {key}: not configured rightly, the event is kept; see git webhook check");
            assert!(told.said.contains(&line), "{:?}", told.said);
            let error = listed.error(key);
            let why = if key == "url" { "is set in another" } else { "counts only where" };
            assert!(error.starts_with(&format!("webhook.{key}.{key}: {why}")), "{error}");
            assert!(error.contains("/project.git/config'") && error.contains("/home/.gitconfig'"), "{error}");
        }
        assert!(!listed.said.contains("canary") && !world.log().contains("canary"));
    }
}

/// A default of the server's is one of the repository's targets too, and not the other way round: a repository would
/// silence and re-shape what the server is told.
#[test]
fn a_repository_s_defaults_are_those_of_its_own_targets() {
    let (theirs, ours) = (Receiver::new(), Receiver::new());
    let world = World::new();
    add_globally(&world, format!("[webhook]\nmaxCommits = 1\n[webhook \"server\"]\nurl = {}\n", theirs.url()));
    let defaults = "event = tag_push\nref = v*\nformat = gitlab\nenabled = false\nmaxCommits = 2";
    add(&world, format!("[webhook]\n{defaults}\n[webhook \"own\"]\nurl = {}\nenabled = true\n", ours.url()));
    world.commit("one");
    world.commit("two");
    world.commit("three");
    world.git(&["tag", "v1"]);
    world.push(&["main", "v1"]);
    let requests = theirs.take();
    let events: Vec<_> = requests.iter().map(|request| request.header("x-codeup-event")).collect();
    assert_eq!(events, ["Push Hook", "Tag Push Hook"]);
    assert_eq!(requests[0].commits().len(), 1);
    assert_eq!(ours.take_one().header("x-gitlab-event"), "Tag Push Hook");
    list(&world).is_well();
}

#[test]
fn a_target_that_is_optional_may_be_switched_off() {
    let receiver = Receiver::new();
    let world = World::new();
    let global = |optional: &str| {
        fs::write(world.path("home/.gitconfig"), "[user]\nname = A\nemail = a@example.org\n").unwrap();
        add_globally(&world, format!("[webhook \"ci\"]\nurl = {}\noptional = {optional}\n", receiver.url()));
    };
    global("true");
    push(&world);
    receiver.take_one();

    let run = |verb: &str| {
        let output = world.webhook(&[verb, "ci"]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr))
    };
    assert_eq!(run("disable"), (Some(0), "ci: disabled\n".into()));
    world.commit("not told");
    assert_eq!(world.push(&["main"]).said(), [""; 0]);
    assert!(receiver.take().is_empty());
    let listed = list(&world);
    listed.is_well();
    let row = listed.target("ci");
    assert_eq!((&row["enabled"], &row["state"]), (&json!(false), &json!("off_by_repository")));
    for verb in [&["list"][..], &["status"], &["status", "--json"], &["list", "--json"], &["log"]] {
        let output = world.webhook(verb);
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        let word = if verb.contains(&"--json") { "off_by_repository" } else { "switched off by the repository" };
        assert!(said.contains(word) && output.status.success(), "{verb:?} {said}");
    }

    assert_eq!(run("enable"), (Some(0), "ci: enabled\n".into()));
    world.commit("told");
    world.push(&["main"]);
    receiver.take_one();

    // Whoever owns it takes it back: what the repository says is an error then, and what is pushed waits.
    run("disable");
    global("false");
    world.commit("waits");
    let said = world.push(&["main"]).said();
    assert_eq!(said, ["webhook ci: not configured rightly, the event is kept; see git webhook check"]);
    world.server_git(&["config", "--unset-all", "webhook.ci.enabled"]);
    assert!(world.webhook(&["flush"]).status.success());
    receiver.take_one();
    let (code, said) = run("disable");
    assert_eq!(code, Some(1));
    assert!(said.contains("which does not leave it to repositories") && said.contains("webhook.ci.optional"), "{said}");
    world.configure_globally("webhook.ci.enabled", "false");
    let (code, said) = run("enable");
    assert!(code == Some(1) && said.contains("which does not leave it to repositories"), "{said}");
}

#[test]
fn the_log_says_that_a_delivery_waits_for_a_target_that_was_switched_off() {
    let receiver = Receiver::in_turn([Answer::Status(500)]);
    let world = World::new();
    add_globally(&world, format!("[webhook \"ci\"]\nurl = {}\noptional = true\n", receiver.url()));
    push(&world);
    world.webhook(&["disable", "ci"]);
    let output = world.webhook(&["log"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("answered 500; switched off by the repository; waits for git webhook enable ci"), "{said}");
    let rows: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    let what = "switched off by the repository; waits for git webhook enable ci";
    assert_eq!((&rows[0]["next"], &rows[0]["waits_for"]), (&json!(null), &json!(what)));
}

/// Attack 7b: the server's secret would vouch for what a repository says it is.
#[test]
fn a_repository_does_not_tell_the_server_s_targets_which_one_it_is() {
    let (theirs, ours) = (Receiver::new(), Receiver::new());
    let mut world = World::new();
    world.set("GL_REPO", "mallory/play");
    add_globally(&world, "[webhook]\nhomepage = https://git.example.org/{repository}\nprojectId = 7\n");
    for (name, format) in [("ci", "github"), ("whole", "bitbucket")] {
        add_globally(&world, format!("[webhook \"{name}\"]\nurl = {}\nformat = {format}\n", theirs.url()));
    }
    add(
        &world,
        "[webhook]\nrepository = prod/deploy\nhomepage = https://evil.example/{repository}\nprojectId = 42\n\
         commitUrl = https://evil.example/{id}\ngitHttpUrl = https://evil.example/x.git\ngitSshUrl = evil@example:x\n\
         repositoryDescription = evil\nvisibility = public\n[gitweb]\nurl = https://evil.example/y\n\
         description = evil\n",
    );
    add(&world, format!("[webhook \"own\"]\nurl = {}\nformat = github\n", ours.url()));
    for (file, text) in [("description", "evil"), ("cloneurl", "https://evil.example/z"), ("git-daemon-export-ok", "")]
    {
        fs::write(world.server().join(file), text).unwrap();
    }
    push(&world);
    let requests = theirs.take();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        let body = request.json().to_string();
        assert!(!body.contains("evil") && !body.contains("prod"), "{body}");
    }
    let github = requests.iter().find(|request| !request.header("x-github-event").is_empty()).unwrap();
    let repository = &github.json()["repository"];
    assert_eq!((&repository["full_name"], &repository["id"]), (&json!("mallory/play"), &json!(7)));
    assert_eq!(repository["html_url"], "https://git.example.org/mallory/play");
    assert_eq!((&repository["private"], &repository["description"]), (&json!(true), &json!(null)));
    // What it says of itself is told to its own.
    let repository = &ours.take_one().json()["repository"];
    assert_eq!((&repository["full_name"], &repository["id"]), (&json!("prod/deploy"), &json!(42)));
    assert_eq!(repository["clone_url"], "https://evil.example/x.git");

    let payload = || -> Value {
        serde_json::from_slice(
            &world.webhook(&["payload", "--format", "github", "0", "main", "refs/heads/main"]).stdout,
        )
        .unwrap()
    };
    assert_eq!(payload()["repository"]["full_name"], "prod/deploy");
    // And so it is when it is told later, and when it is tried out.
    for verb in [&["test", "ci"][..], &["redeliver", &delivery_of(&world, "ci")]] {
        assert!(world.webhook(verb).status.success(), "{verb:?}");
        assert_eq!(theirs.take_one().json()["repository"]["full_name"], "mallory/play", "{verb:?}");
    }
    world.server_git(&["config", "--remove-section", "webhook.own"]);
    assert_eq!(payload()["repository"]["full_name"], "mallory/play");
}

fn delivery_of(world: &World, target: &str) -> String {
    let rows: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    rows.iter().find(|row| row["target"] == target).unwrap()["id"].as_str().unwrap().into()
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

/// A repository that is shared does not read the user's own file, and could include it as if it were its own.
#[test]
fn a_secret_of_a_file_that_a_repository_includes_from_elsewhere_does_not_count() {
    let receiver = Receiver::new();
    let world = World::new();
    for (key, value) in [("secret", CANARY), ("signingSecret", "whsec_AAAAAAAA"), ("header", "X-Key: value")] {
        let file = world.path(&format!("server-{key}"));
        fs::write(&file, format!("[webhook \"{key}\"]\nurl = http://127.0.0.1:1/\n{key} = \"{value}\"\n")).unwrap();
        world.configure("include.path", file.to_str().unwrap());
        add(&world, format!("[webhook \"{key}\"]\nurl = {}\n", receiver.url()));
    }
    world.configure("core.sharedRepository", "group");
    push(&world);
    assert!(receiver.take().is_empty());
    let listed = list(&world);
    for key in ["secret", "signingSecret", "header"] {
        let error = listed.error(key);
        assert!(error.starts_with(&format!("webhook.{key}.{key}: lies outside the repository")), "{error}");
    }
    // One of its own is as good as its configuration.
    let world = World::told_plainly_to(&receiver, "gitlab");
    fs::write(world.server().join("more"), format!("[webhook \"ci\"]\nsecret = {CANARY}\n")).unwrap();
    world.configure("include.path", "more");
    push(&world);
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
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
    let listed = list(&world);
    let error = listed.error("ci");
    assert!(error.starts_with("webhook.ci.url: is set in another configuration too"), "{error}");
    assert!(error.contains("/project.git/config'") && error.contains("/home/.gitconfig'"), "{error}");
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
    assert_eq!(body["project"]["path_with_namespace"], "project/project");
    let listed = list(&world);
    assert_eq!(listed.code, Some(0));
    for key in ["report", "root", "userVariable", "maxTargets"] {
        assert!(listed.said.contains(&format!("warning: webhook.{key}: is ignored here")), "{}", listed.said);
    }
    for key in ["name", "email", "id"] {
        assert!(listed.said.contains(&format!("warning: webhookUser.alice.{key}: is ignored here")), "{}", listed.said);
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
        command.env("GIT_CONFIG_PARAMETERS", format!("'webhook.ci.url={}' 'webhook.ci.enabled=false'", rogue.url()));
        command.env("GIT_CONFIG", world.path("nothing"));
    });
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("webhook ci: delivered hook"), "{output:?}");
    assert!(rogue.take().is_empty());
    receiver.take_one();
}
