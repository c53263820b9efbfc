//! Receivers that look headers up by the spelling of their forge, as many do.

use std::net::TcpListener;
use std::path::Path;

use git_webhook::format::FORMATS;

use super::{Judge, is_posted, world};

const SECRET: &str = "a secret of sufficient length";

/// Each format's push is taken at the path of its name.
fn takes_every_format(judge: &Judge) {
    // The others go by what the receiver says in its answer, or have no body.
    for format in FORMATS.iter().filter(|format| is_posted(format)) {
        let world = world(&judge.url(&format!("/{}", format.name)), format.name);
        if !format.secret_headers().is_empty() {
            world.configure("webhook.ci.secret", SECRET);
        }
        world.configure("webhook.ci.header", "X-My-Own: x");
        world.configure("webhook.ci.signingSecret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        world.commit("one");
        let said = world.push(&["main"]).said();
        let shown = world.webhook(&["show", "main"]);
        let shown = String::from_utf8_lossy(&shown.stdout);
        assert!(said[0].starts_with("webhook ci: delivered main ("), "{}: {said:?}\n{shown}", format.name);
    }
}

#[test]
#[ignore = "needs PHP: run tests/run"]
fn what_phps_getallheaders_hands_over_is_spelled_as_the_forge_does() {
    // It takes no port 0; the one found is free again when it starts.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/spelling.php");
    let mut command = Judge::command("php", SECRET);
    command.args(["-S", &format!("127.0.0.1:{port}")]).arg(script);
    let judge = Judge::start(&mut command, |line| line.split_once("(http://127.0.0.1:")?.1.strip_suffix(") started"));
    takes_every_format(&judge);
}

#[test]
#[ignore = "needs node: run tests/run"]
fn headers_that_are_looked_up_exactly_are_found() {
    let mut command = Judge::command("node", SECRET);
    command.args(["--input-type=module", "--eval", include_str!("../../outside/spelling.mjs")]);
    takes_every_format(&Judge::start(&mut command, |line| line.strip_prefix("listening on ")));
}
