//! Whose word counts: what a repository's own file may say, and what the owner's alone.

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
