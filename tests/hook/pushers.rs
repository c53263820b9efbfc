//! Who pushed, as a receiver reads it.

use serde_json::Value;

use crate::support::{Ends, Receiver, World};

/// The body of a first push with these variables in the environment, `GL_USER` unset unless it is among them.
fn body(variables: &[(&str, &str)], prepare: impl FnOnce(&World)) -> Value {
    let receiver = Receiver::new();
    let mut world = World::told_to(&receiver, "gitlab");
    prepare(&world);
    world.set("GL_USER", "");
    for (name, value) in variables {
        world.set(name, value);
    }
    world.commit("one");
    assert!(world.push(&["main"]).accepted);
    receiver.take_one().json()
}

#[test]
fn gitolite() {
    let body = body(&[("GL_USER", "bob"), ("REMOTE_USER", "www")], |_| {});
    assert_eq!(
        (&body["user_username"], &body["user_name"], &body["user_email"]),
        (&"bob".into(), &"bob".into(), &Value::Null)
    );
    assert!(body["user_id"].as_u64().is_some_and(|id| id > 0));
}

#[test]
fn git_http_backend() {
    let body = body(&[("REMOTE_USER", "carol")], |_| {});
    assert_eq!(body["user_username"], "carol");
    assert_eq!(body["user_email"], "committer@example.com", "GIT_COMMITTER_EMAIL counts beside REMOTE_USER");
}

#[test]
fn a_variable_of_the_configuration_comes_first() {
    let variables = [("SSO_LOGIN", "dave"), ("GL_USER", "bob")];
    let known = body(&variables, |world| world.configure_globally("webhook.userVariable", "NONE SSO_LOGIN"));
    assert_eq!(known["user_username"], "dave");
    let ignored = body(&variables, |world| world.configure("webhook.userVariable", "SSO_LOGIN"));
    assert_eq!(ignored["user_username"], "bob", "a repository cannot say who its pushers are");
}

#[test]
fn what_the_configuration_knows_of_a_login() {
    let body = body(&[("GL_USER", "bob")], |world| {
        world.configure_globally("webhookUser.bob.name", "Bob Builder");
        world.configure_globally("webhookUser.bob.email", "bob@example.org");
        world.configure_globally("webhookUser.bob.id", "42");
        world.configure("webhookUser.bob.name", "Mallory");
    });
    assert_eq!(
        (&body["user_name"], &body["user_email"], &body["user_id"]),
        (&"Bob Builder".into(), &"bob@example.org".into(), &42.into())
    );
}

#[test]
fn the_committers_address_where_the_committer_is_the_pusher() {
    let by_name = body(&[("GL_USER", "C O Mitter")], |_| {});
    assert_eq!(by_name["user_email"], "committer@example.com");
    let by_address = body(&[("GL_USER", "committer")], |_| {});
    assert_eq!(by_address["user_email"], "committer@example.com");
}

#[test]
fn the_system_user_where_nobody_else_is_named() {
    let body = body(&[], |_| {});
    let user = String::from_utf8(std::process::Command::new("id").arg("-un").ends().stdout).unwrap();
    assert_eq!(body["user_username"], user.trim_end());
}

#[test]
#[ignore = "needs ssh-keygen: run tests/run"]
fn the_signer_of_a_push() {
    let receiver = Receiver::new();
    let mut world = World::told_to(&receiver, "gitlab");
    world.set("GL_USER", "");
    let key = world.path("key").into_os_string().into_string().unwrap();
    let mut keygen = world.command("ssh-keygen", &world.work());
    assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &key]).ends().status.success());
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    std::fs::write(world.path("signers"), format!("erin@example.org {public}")).unwrap();
    world.configure_globally("gpg.format", "ssh");
    world.configure_globally("gpg.ssh.allowedSignersFile", world.path("signers").to_str().unwrap());
    world.configure_globally("user.signingKey", &key);
    world.configure("receive.certNonceSeed", "seed");
    world.commit("one");
    let pushed = world.push_with(&["--signed"], &["main"]);
    assert!(pushed.accepted, "{}", pushed.output);
    assert_eq!(receiver.take_one().json()["user_username"], "erin@example.org");
}

#[test]
fn push_options_are_told() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    assert!(world.push_with(&["-o", "ci.skip", "-o", "ci.variable=A=1"], &["main"]).accepted);
    assert_eq!(receiver.take_one().json()["push_options"].to_string(), r#"{"ci":{"skip":true,"variable":{"A=1":1}}}"#);
}
