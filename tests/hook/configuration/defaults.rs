//! Keys under `[webhook]`, which count for every target.

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
    assert_eq!((&listed.target("ci")["format"], &listed.target("ci")["event"]), (&json!("gitlab"), &json!(["push"])));
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
        ("headerFile", "x".into()),
        ("sslCAInfo", "x".into()),
        ("sslCert", "x".into()),
        ("sslKey", "x".into()),
    ] {
        let world = World::told_plainly_to(&receiver, "gitlab");
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
