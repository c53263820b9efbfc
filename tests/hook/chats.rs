//! What a chat is sent: no more than it takes, and nothing that calls people or leads elsewhere.

use serde_json::Value;

use crate::support::{Receiver, World};

/// Discord's, in the units that it may count in.
const LONGEST: usize = 2000;

/// As long as anybody's: deep paths, a home page of a viewer's.
fn world(receiver: &Receiver) -> World {
    let world = World::told_plainly_to(receiver, "slack");
    let path = "infrastructure/deployment-tools/configuration-management";
    world.server_git(&["config", "webhook.repository", path]);
    world.configure("webhook.homepage", "https://git.example.org/cgit/{repository}");
    world
}

fn text(receiver: &Receiver) -> String {
    let json = receiver.take_one().json();
    assert_eq!(json.as_object().unwrap().len(), 1);
    let Value::String(text) = &json["text"] else { panic!("{json}") };
    assert!(text.encode_utf16().count() <= LONGEST, "{}: {text}", text.encode_utf16().count());
    text.clone()
}

#[test]
fn six_commits_of_long_subjects_are_taken_by_discord() {
    let receiver = Receiver::new();
    let world = world(&receiver);
    for number in 0..6 {
        world.commit(&format!("{number} {}", "long ".repeat(45)));
    }
    world.push(&["main"]);
    let text = text(&receiver);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 6, "the oldest that has no room is left out: {text}");
    assert!(lines[4].contains(&world.id("main")[..7]), "{text}");
    assert_eq!(lines[5], "… and 2 older");
}

#[test]
fn a_hundred_commits_are_cut_to_what_has_room() {
    let receiver = Receiver::new();
    let world = world(&receiver);
    world.configure("webhook.ci.maxCommits", "100");
    let mut script = String::new();
    for number in 0..100 {
        script += &format!(
            "commit refs/heads/main\ncommitter C <c@x> {} +0000\ndata 4\n{number:04}\n",
            1_700_000_000 + number
        );
    }
    world.git_with_input(&["fast-import", "--quiet"], script.as_bytes());
    world.push(&["main"]);
    let text = text(&receiver);
    let listed = text.lines().count() - 2;
    assert!(listed > 10, "{text}");
    assert!(text.ends_with(&format!("\n… and {} older", 100 - listed)), "{text}");
}

/// Names and addresses of which nothing can be left out but themselves.
#[test]
fn whatever_is_long_the_message_is_not() {
    let receiver = Receiver::new();
    let mut world = world(&receiver);
    let long = "&<@everyone> ".repeat(60);
    world.configure("webhook.homepage", &format!("https://git.example.org/{}", "x".repeat(1900)));
    world.configure_globally("webhookUser.alice.name", long.trim());
    world.set("GIT_AUTHOR_NAME", long.trim());
    world.server_git(&["config", "webhook.repository", &"&&&&/".repeat(80)]);
    world.configure("webhook.ci.event", "all");
    world.commit(&long);
    let branch = format!("refs/heads/{}", ["&".repeat(200), "&".repeat(200)].join("/"));
    world.push(&[&format!("main:{branch}")]);
    let told = text(&receiver);
    assert!(!told.contains("@everyone") && !told.contains("https://"), "{told}");
    for event in ["note", "merge_request"] {
        world.webhook(&["test", "ci", "--event", event]);
        text(&receiver);
    }
}

#[test]
fn nobody_is_called_and_nothing_is_a_link() {
    let receiver = Receiver::new();
    let mut world = World::told_plainly_to(&receiver, "slack");
    world.set("GIT_AUTHOR_NAME", "@bob *the* <!here>");
    let subject = "@everyone @channel @here <!channel> *bold* [click](https://evil.example)";
    world.commit(&format!("\n\n{subject}\ngoes on\n\n@all in the body"));
    world.push(&["main:refs/heads/@all"]);
    let text = text(&receiver);
    for part in ["@everyone", "@channel", "@here", "@all", "@bob", "<!", "https://evil", "@alice"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    let told = text.replace('\u{200b}', "");
    let expected = format!(
        "alice created branch @all in group/project, with 1 commit\n\
         {} `@everyone @channel @here &lt;!channel&gt; *bold* [click](https://evil.example) goes on` - `@bob *the* !here`",
        &world.id("main")[..7]
    );
    assert_eq!(told, expected, "all of it can be read all the same");
}
