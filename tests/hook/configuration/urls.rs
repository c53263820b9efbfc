//! URLs that are none, that two read in two ways, or that stand there twice.

use super::*;

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
