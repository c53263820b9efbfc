//! That no secret is shown, wherever it stands.

use super::*;

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
