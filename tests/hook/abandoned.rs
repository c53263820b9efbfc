//! Pushes whose post-receive never came: what the refs show of them is told, whoever knows of their receive-pack.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{Place, Receiver, World, ZERO, line, name, pre_receive, read_record, rewrite_record};

fn flush(world: &World) {
    let output = world.webhook(&["flush", "--now"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What monitoring reads.
fn status(world: &World) -> (Option<i32>, Value) {
    let output = world.webhook(&["status", "--json"]);
    (output.status.code(), crate::support::rows(&output.stdout).into())
}

fn world() -> (Receiver, World) {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    (receiver, world)
}

#[test]
fn an_intent_of_which_nobody_knows_the_receive_pack_holds_up_no_other_push() {
    let (receiver, world) = world();
    world.push(&["main"]);
    let first = world.id("HEAD");
    // Not below any receive-pack.
    let never = line(&("refs/heads/main".into(), first, "2".repeat(40)));
    assert!(world.feed(&mut pre_receive(&world), never.as_bytes()).status.success());
    let second = world.commit("two");
    world.unheard(|| world.push(&["main"]));
    world.age(61);
    receiver.take();
    flush(&world);
    assert_eq!(receiver.take_one().json()["after"], second);
    assert_eq!(world.intents().len(), 1);
    assert!(read_record(&world.intents()[0])["receive_pack"].is_null());
    assert_eq!(status(&world).0, Some(0));
}

/// It went before the push that nobody heard of: the ref stands where it put it, and came from where the other had.
#[test]
fn what_such_an_intent_shows_counts() {
    let (receiver, world) = world();
    let first = world.id("HEAD");
    world.unheard(|| world.push(&["main"]));
    let second = world.commit("two");
    // Of the push that put it there pre-receive was not below its receive-pack.
    let next = line(&("refs/heads/main".into(), first.clone(), second.clone()));
    assert!(world.feed(&mut pre_receive(&world), next.as_bytes()).status.success());
    fs::rename(world.server().join("hooks/pre-receive"), world.path("away")).unwrap();
    world.unheard(|| world.push(&["main"]));
    world.age(61);
    flush(&world);
    assert_eq!(receiver.take_one().json()["after"], first);
    world.age(3600);
    flush(&world);
    assert_eq!(receiver.take_one().json()["after"], second);
    assert!(world.unfinished().is_empty());
}

#[test]
fn another_host_or_container_waits_for_an_hour() {
    let elsewhere: [fn(&mut Value); 2] =
        [|json| json["moment"]["boot"] = "another".into(), |json| json["host"]["pid_namespace"] = 1.into()];
    for change in elsewhere {
        let (receiver, world) = world();
        let new = world.id("HEAD");
        world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
        let input = line(&("refs/heads/main".into(), ZERO.into(), new.clone()));
        assert!(world.feed(&mut pre_receive(&world), input.as_bytes()).status.success());
        let grows_old = |seconds: i64| {
            rewrite_record(&world.intents()[0], |json| {
                change(json);
                json["receive_pack"] = serde_json::json!({ "pid": i32::MAX, "start": 1 });
                json["time"] = (json["time"].as_i64().unwrap() - seconds).into();
                let moment = json["moment"]["seconds"].as_i64().unwrap() - seconds;
                json["moment"]["seconds"] = moment.into();
            });
        };
        grows_old(120);
        flush(&world);
        assert_eq!((receiver.take().len(), world.intents().len()), (0, 1), "it may be under way");
        // And it was.
        world.server_git(&["update-ref", "refs/heads/main", &new]);
        grows_old(3500);
        flush(&world);
        assert_eq!(receiver.take_one().json()["after"], new);
        assert!(world.unfinished().is_empty());
    }
}

#[test]
fn what_looks_refused_counts_as_nothing_and_the_refs_are_asked_about_it_once_more() {
    let (receiver, world) = world();
    world.push(&["main"]);
    let old = world.id("HEAD");
    world.configure("receive.denyNonFastForwards", "true");
    world.git(&["commit", "--quiet", "--amend", "-m", "another"]);
    let new = world.id("HEAD");
    for (is_late, told) in [(true, 1), (false, 0)] {
        assert!(!world.push(&["main"]).accepted);
        receiver.take();
        assert_eq!(status(&world).0, Some(0));
        world.age(61);
        flush(&world);
        assert_eq!(world.intents().len(), 0);
        let refused = world.kept(Place::Refused);
        let id = read_record(&refused[0])["lines"][0]["event"].clone();
        assert_eq!((refused.len(), status(&world).0), (1, Some(0)), "{}", name(&refused[0]));
        if is_late {
            world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
            world.server_git(&["update-ref", "refs/heads/main", &new]);
        }
        flush(&world);
        assert_eq!((receiver.take().len(), world.kept(Place::Refused).len()), (0, 1), "not yet");
        let long_ago = SystemTime::now() - Duration::from_secs(3601);
        File::options().append(true).open(&refused[0]).unwrap().set_modified(long_ago).unwrap();
        flush(&world);
        let heard = receiver.take();
        assert_eq!((heard.len(), world.kept(Place::Refused).len()), (told, 0));
        assert!(heard.iter().all(|request| id == request.header("X-Gitlab-Event-UUID")));
        world.server_git(&["update-ref", "refs/heads/main", &old]);
    }
}
