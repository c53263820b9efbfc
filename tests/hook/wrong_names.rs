//! Targets whose names are wrong: their pushes wait, each for its own, and are told once the name is mended.

use crate::support::{Answer, Receiver, World};

/// A repository with targets of these names, each with a receiver of its own, and one push.
fn pushed<const N: usize>(names: [&str; N]) -> (World, [Receiver; N]) {
    let (world, receivers) = (World::new(), [(); N].map(|()| Receiver::new()));
    for (name, receiver) in names.iter().zip(&receivers) {
        world.add_target(name, receiver, "gitlab");
    }
    world.commit("one");
    assert!(world.push(&["main"]).accepted);
    (world, receivers)
}

/// The same with `team/ci` and `team/chat` at one receiver, told apart by their paths.
fn pushed_to_one_receiver() -> (World, Receiver) {
    let (world, receiver) = (World::new(), Receiver::new());
    for name in ["ci", "chat"] {
        world.configure(&format!("webhook.team/{name}.url"), &format!("{}/{name}", receiver.origin()));
        world.configure(&format!("webhook.team/{name}.format"), "gitlab");
    }
    world.commit("one");
    assert!(world.push(&["main"]).accepted);
    (world, receiver)
}

fn rename(world: &World, from: &str, to: &str) {
    world.server_git(&["config", "--rename-section", &format!("webhook.{from}"), &format!("webhook.{to}")]);
}

fn flush(world: &World) -> String {
    let output = world.webhook(&["flush", "--now"]);
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_push_is_told_once_the_name_is_mended() {
    let (world, [receiver]) = pushed(["team/ci"]);
    flush(&world);
    assert!(receiver.take().is_empty());
    rename(&world, "team/ci", "team-ci");
    let said = flush(&world);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/main", "{said}");
    assert!(
        said.contains("webhook team-ci: is told of the pushes that waited for 'team…', whose name was wrong"),
        "{said}"
    );
    flush(&world);
    assert!(receiver.take().is_empty());
}

#[test]
fn a_name_that_has_nothing_of_the_wrong_one_is_known_by_its_receiver() {
    let (world, [receiver]) = pushed(["team/ci"]);
    rename(&world, "team/ci", "builds");
    flush(&world);
    assert_eq!(receiver.take().len(), 1);
}

/// People are shown `team…` of both.
#[test]
fn two_wrong_names_share_nothing() {
    let (world, [ci, chat]) = pushed(["team/ci", "team/chat"]);
    rename(&world, "team/ci", "team-ci");
    flush(&world);
    assert_eq!((ci.take().len(), chat.take().len()), (1, 0));
    world.push(&["main:second"]);
    assert_eq!((ci.take().len(), chat.take().len()), (1, 0));
    rename(&world, "team/chat", "team-chat");
    flush(&world);
    assert_eq!((ci.take().len(), chat.take().len()), (0, 2));
}

#[test]
fn two_wrong_names_at_one_receiver_are_told_apart_by_their_letters() {
    let (world, receiver) = pushed_to_one_receiver();
    for name in ["chat", "ci"] {
        rename(&world, &format!("team/{name}"), &format!("team-{name}"));
        flush(&world);
        assert_eq!(receiver.take_one().path, format!("/{name}"));
    }
}

/// The one that came first has its own pushes by then, and is not there for those of the other.
#[test]
fn who_has_taken_over_a_push_takes_over_no_other_of_that_push() {
    let (world, receiver) = pushed_to_one_receiver();
    rename(&world, "team/ci", "team-ci");
    flush(&world);
    assert_eq!(receiver.take_one().path, "/ci");
    rename(&world, "team/chat", "alerts");
    flush(&world);
    assert_eq!(receiver.take_one().path, "/chat");
}

#[test]
fn a_push_for_a_wrong_name_that_is_removed_goes_to_no_other() {
    let (world, [receiver]) = pushed(["team/ci"]);
    world.server_git(&["config", "webhook.team/chat.url", &receiver.url()]);
    world.server_git(&["config", "webhook.team/chat.format", "gitlab"]);
    world.push(&["main:second"]);
    rename(&world, "team/ci", "team-ci");
    flush(&world);
    assert_eq!(receiver.take().len(), 2);
    world.server_git(&["config", "--remove-section", "webhook.team/chat"]);
    flush(&world);
    assert!(receiver.take().is_empty());
}

#[test]
fn where_the_address_was_wrong_too_the_letters_tell() {
    let (world, [ci, chat]) = pushed(["team/ci", "team/chat"]);
    for name in ["team/ci", "team/chat"] {
        world.server_git(&["config", &format!("webhook.{name}.url"), "nowhere"]);
    }
    world.push(&["main:second"]);
    for (name, receiver) in [("ci", &ci), ("chat", &chat)] {
        world.server_git(&["config", &format!("webhook.team/{name}.url"), &receiver.url()]);
        rename(&world, &format!("team/{name}"), &format!("Team.{name}"));
    }
    flush(&world);
    assert_eq!((ci.take().len(), chat.take().len()), (2, 2));
}

#[test]
fn a_target_that_was_there_already_gets_nothing_of_another() {
    let (world, [receiver, other]) = pushed(["team-ci", "team/ci"]);
    world.server_git(&["config", "webhook.beside.url", &other.url()]);
    world.server_git(&["config", "webhook.beside.format", "gitlab"]);
    world.push(&["main:second"]);
    assert_eq!((receiver.take().len(), other.take().len()), (2, 1));
    world.server_git(&["config", "--remove-section", "webhook.team/ci"]);
    let said = flush(&world);
    assert_eq!((receiver.take().len(), other.take().len()), (0, 0), "{said}");
    // It was pushed for a target at that receiver, and this one was not there.
    world.add_target("new", &other, "gitlab");
    flush(&world);
    assert_eq!((receiver.take().len(), other.take().len()), (0, 2));
}

#[test]
fn a_push_waits_on_while_its_new_target_fails() {
    let (world, [_receiver]) = pushed(["team/ci"]);
    let busy = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    rename(&world, "team/ci", "team-ci");
    world.server_git(&["config", "webhook.team-ci.url", &busy.url()]);
    flush(&world);
    assert_eq!(world.waiting("team-ci").len(), 1);
    flush(&world);
    let ids: Vec<_> = busy.take().iter().map(|request| request.header("Idempotency-Key").to_owned()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

/// People are shown `team…` of both, and ask for one.
#[test]
fn what_is_asked_of_one_wrong_name_tells_of_that_one() {
    let (world, _receivers) = pushed(["team/ci", "team/chat"]);
    let rows = |arguments: &[&str]| -> Vec<String> {
        let output = world.webhook(arguments);
        let rows: Vec<serde_json::Value> = crate::support::rows(&output.stdout);
        rows.iter().map(|row| row["id"].to_string()).collect()
    };
    let [ci, chat] = ["team/ci", "team/chat"].map(|name| rows(&["log", "--json", "--target", name]));
    assert_eq!((ci.len(), chat.len()), (1, 1));
    assert_ne!(ci, chat);
    for (name, ids) in [("team/ci", ci), ("team/chat", chat)] {
        assert_eq!(rows(&["redeliver", "--failed", "--json", "--target", name]), ids, "{name}");
    }
}
