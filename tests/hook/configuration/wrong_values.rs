//! Values that cannot be: each stops its target alone, and is told with key, value and file.

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
    add(&world, "[webhook \"ci\"]\nurl = ftp://h/\nformat = x\nevent = x\ntimeout = x\nmaxCommits = x\nheader = x\n");
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
    add_globally(&world, "[webhook]\nreport = x\nmaxTargets = x\nroot = relative\n[webhookUser \"alice\"]\nid = x\n");
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
    assert!(said.contains("\\u{1b}]0;xxx") && !said.contains('\x1b') && said.len() < 400, "{said}");
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
    assert!(listed.error("ci").starts_with("webhook.ci.url: is not set: write a line url = https://"));
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
    for (at, value) in ["0", "-5s", "2h", "1d", "99999999999999999999", "18446744073709551615h"].iter().enumerate() {
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
    add(&world, format!("[webhook \"large\"]\nurl = http://h/\ndescription = {}\n", "x".repeat(20 << 20)));
    push(&world);
    receiver.take_one();
    let listed = list(&world);
    assert!(listed.error("large").contains("x…': is longer than 64 KiB"), "{:.300}", listed.error("large"));
    assert!(listed.error("large").len() < 500);
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
    let targets: String = (0..20_000).map(|at| format!("[webhook \"t{at}\"]\nenabled = false\n")).collect();
    add(&world, targets);
    push(&world);
    receiver.take_one();
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
        let expected = format!("webhook.{name}.signingSecret: is no Standard Webhooks key: write whsec_ and base64");
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
        ("X-A: canary\rX-B: canary", "holds a control character"),
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
    assert!(world.push(&[&format!("HEAD:refs/heads/{}", "a".repeat(200))]).accepted);
}
