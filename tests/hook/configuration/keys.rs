//! Each key by itself: what a push is like where it is set.

use git_webhook::signature::SigningSecret;

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
                "ref": ["refs/heads/*", "!wip"], "enabled": false, "state": "disabled", "description": "the builds", "errors": []})
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
                "ref": [], "enabled": true, "state": "enabled", "description": null, "errors": []})
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
        let mut told: Vec<_> =
            receiver.take().iter().map(|request| request.json()["ref"].as_str().unwrap()[11..].to_owned()).collect();
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
    let world = World::told_plainly_to(&receiver, "gitlab");
    let key = |byte: char| format!("whsec_{}", byte.to_string().repeat(32));
    world.configure("webhook.ci.signingSecret", &format!("{} {}", key('A'), key('B')));
    secret_file(&world, "d", key('D') + "\n");
    secret_file(&world, "e", key('E'));
    world.configure("webhook.ci.signingSecretFile", "d e");
    world.configure("webhook.ci.signingSecret", &key('C'));
    list(&world).is_well();
    push(&world);
    let request = receiver.take_one();
    let signatures: Vec<_> = request.header("webhook-signature").split(' ').collect();
    assert_eq!(signatures.len(), 5, "{signatures:?}");
    // In the order in which they are configured.
    for (signature, byte) in signatures.iter().zip("ABDEC".chars()) {
        let (secret, id) = (SigningSecret::parse(&key(byte)).unwrap(), request.header("webhook-id"));
        let time = request.header("webhook-timestamp").parse().unwrap();
        assert!(secret.verifies(signature, id, time, &request.body), "{byte}: {signature}");
    }
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
    // Given longer, it would be heard.
    let receiver = Receiver::answering(Answer::After(Duration::from_secs(20)));
    let world = World::told_to(&receiver, "gitlab");
    world.wait_long();
    world.configure("webhook.ci.timeout", "1s");
    assert_eq!(push(&world).said, ["webhook ci: not delivered: main (no answer in time); kept, and tried again later"]);
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
