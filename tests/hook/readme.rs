//! What the README shows is what the programs print.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Answer, Receiver, World};

/// The blocks of one kind in the README, without their fences.
fn blocks(kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let fence = format!("```{kind}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// What the README shows below a command.
fn shown(command: &str) -> String {
    let block =
        blocks("console").into_iter().find_map(|block| block.strip_prefix(&format!("$ {command}\n")).map(String::from));
    block.unwrap_or_else(|| panic!("the README does not show '{command}'"))
}

#[test]
fn the_pusher_sees_what_the_readme_shows() {
    let (good, bad) = (Receiver::new(), Receiver::answering(Answer::Status(500)));
    let world = World::told_to(&good, "gitlab");
    world.add_target("chat", &bad, "gitlab");
    world.commit("one");
    world.git(&["tag", "v1.0"]);
    let said = world.push(&["main", "v1.0"]).said();
    let without_time = |line: &str| {
        let (head, rest) = line.split_once("up to ").unwrap_or((line, ""));
        (head.to_owned(), rest.ends_with("s)"))
    };
    let shown = shown("git push origin main v1.0").replace("remote: ", "");
    let shown = shown.lines().map(|line| line.rsplit_once(" [").unwrap().0).collect::<Vec<_>>();
    assert_eq!(
        said.iter().map(|line| without_time(line)).collect::<Vec<_>>(),
        shown.into_iter().map(without_time).collect::<Vec<_>>()
    );
}

#[test]
fn the_example_configuration_lists_as_the_readme_shows() {
    let world = World::new();
    let secret = world.server().join("webhook/secret/ci");
    std::fs::create_dir_all(secret.parent().unwrap()).unwrap();
    std::fs::write(&secret, "a secret of more than 24 bytes\n").unwrap();
    world.server_git(&["config", "--add", "include.path", "example"]);
    std::fs::write(world.server().join("example"), &blocks("ini")[0]).unwrap();
    std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let output = world.webhook(&["list"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown("git webhook list"));
}
