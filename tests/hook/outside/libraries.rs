//! The libraries that receivers are written with: their own signature checks and schemas, over a real connection.

use super::{Judge, replay, tour, world};

const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SIGNING_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
#[ignore = "needs standardwebhooks: run tests/run"]
fn standardwebhooks_verifies_every_push() {
    let judge = Judge::python(SIGNING_SECRET);
    for format in git_webhook::format::FORMATS {
        let world = world(&judge.url("/standardwebhooks"), format.name);
        // The first key is the one to come: whoever still has the old one must find the signature made with it.
        world.configure("webhook.ci.signingSecret", &format!("{OTHER_SIGNING_SECRET} {SIGNING_SECRET}"));
        tour(&world, |step| assert!(!judge.events().is_empty(), "{}: {}", format.name, step.name));
        let secrets = [SIGNING_SECRET, OTHER_SIGNING_SECRET];
        let answers = replay(&judge, "/standardwebhooks", format.name, "webhook.ci.signingSecret", secrets);
        assert_eq!(answers, [200, 400, 400], "{}", format.name);
        judge.events();
    }
}
