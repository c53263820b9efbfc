//! One event has one id, whoever tells of it, and is told once.

use std::collections::BTreeSet;
use std::fs::{self, File};

use crate::support::{Answer, Place, Receiver, Request, World, line, pre_receive, read_record};

fn event(request: &Request) -> String {
    request.header("X-Gitlab-Event-UUID").into()
}

#[track_caller]
fn reconcile(world: &World) -> String {
    let output = world.webhook(&["reconcile"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Nothing can be written down of a push, but for what is in the log.
fn close_spool(world: &World) {
    for place in [Place::Intents, Place::Receipts, Place::Queues] {
        let place = world.place(place);
        if place.exists() {
            fs::rename(&place, place.with_extension("away")).unwrap();
        }
        fs::write(place, "").unwrap();
    }
}

fn open_spool(world: &World) {
    for place in [Place::Intents, Place::Receipts, Place::Queues] {
        let place = world.place(place);
        fs::remove_file(&place).unwrap();
        if place.with_extension("away").exists() {
            fs::rename(place.with_extension("away"), place).unwrap();
        }
    }
}

#[test]
fn an_intent_that_somebody_else_has_claimed_lends_its_ids() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let [one, other] = ["one", "other"].map(|name| world.commit(name));
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
    let zero = crate::support::ZERO;
    let [created, moved] =
        [(zero, &one), (&one, &other)].map(|(old, new)| line(&("refs/heads/main".into(), old.to_owned(), new.clone())));
    for (input, new) in [(created, &one), (moved, &other)] {
        assert!(world.feed(&mut pre_receive(&world), input.as_bytes()).status.success());
        let intents = world.intents();
        let intent = intents.last().unwrap();
        let id = read_record(intent)["lines"][0]["event"].as_str().unwrap().to_owned();
        // Somebody who announces it in the place of its own hook, and is slow.
        let claimed = File::open(intent).unwrap();
        claimed.lock().unwrap();
        world.server_git(&["update-ref", "refs/heads/main", new]);
        world.feed(&mut world.hook(), input.as_bytes());
        assert_eq!(event(&receiver.take_one()), id);
        // And dies, or is done with it.
        drop(claimed);
        world.machine_restarts();
        let output = world.webhook(&["flush", "--now"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(receiver.take().len(), 0);
        assert!(world.unfinished().is_empty());
    }
}

#[test]
fn what_was_told_from_memory_is_not_announced_again() {
    for format in ["gitlab", "bitbucket"] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, format);
        world.commit("one");
        reconcile(&world);
        close_spool(&world);
        assert!(world.push(&["main", "main:a"]).accepted);
        let second = world.commit("two");
        assert!(world.push(&["main"]).accepted);
        let heard = receiver.take();
        assert_eq!(heard.len(), if format == "gitlab" { 3 } else { 2 });
        open_spool(&world);
        assert_eq!(reconcile(&world), "nothing was missed\n", "{format}");
        assert!(receiver.take().is_empty(), "{format}");
        // And what comes after it is told as ever.
        let third = world.commit("three");
        world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
        world.server_git(&["update-ref", "refs/heads/main", &third]);
        reconcile(&world);
        let json = receiver.take_one().json();
        let moved = if format == "gitlab" {
            (json["before"].clone(), json["after"].clone())
        } else {
            let change = &json["push"]["changes"][0];
            (change["old"]["target"]["hash"].clone(), change["new"]["target"]["hash"].clone())
        };
        assert_eq!(moved, (second.into(), third.into()), "{format}");
    }
}

/// The record of the next push hides it from the refs.
#[test]
fn what_was_told_from_memory_before_another_push_is_not_announced_under_another_id() {
    for has_log in [true, false] {
        for has_records in [true, false] {
            let receiver = Receiver::new();
            let world = World::told_to(&receiver, "gitlab");
            world.commit("one");
            world.push(&["main"]);
            reconcile(&world);
            if has_records {
                world.commit("before");
                world.push(&["main"]);
            }
            close_spool(&world);
            receiver.take();
            world.commit("two");
            assert!(world.push(&["main"]).accepted);
            let told = receiver.take_one();
            open_spool(&world);
            if !has_log {
                world.forget_attempts();
            }
            world.commit("three");
            world.push(&["main"]);
            receiver.take();
            let said = reconcile(&world);
            let again = receiver.take();
            // Of what no record tells nobody can know that it was told; who was told knows it by its id.
            assert_eq!(again.len(), usize::from(!has_log), "{said}");
            assert!(again.iter().all(|request| event(request) == event(&told)), "{has_log} {has_records}");
            assert_eq!(reconcile(&world), "nothing was missed\n");
        }
    }
}

#[test]
fn what_was_told_from_memory_to_one_target_is_told_to_the_other_under_the_same_id() {
    let (well, ill) = (Receiver::new(), Receiver::in_turn([Answer::Busy, Answer::Status(200)]));
    let world = World::told_to(&well, "gitlab");
    world.add_target("ill", &ill, "gitlab");
    world.commit("one");
    reconcile(&world);
    close_spool(&world);
    assert!(world.push(&["main"]).accepted);
    let [told, failed] = [&well, &ill].map(Receiver::take_one);
    assert_eq!(event(&told), event(&failed));
    open_spool(&world);
    reconcile(&world);
    assert_eq!((well.take().len(), event(&ill.take_one())), (0, event(&told)));
    assert_eq!(reconcile(&world), "nothing was missed\n");
}

/// And what came after it is an event of its own.
#[test]
fn what_was_partly_told_from_memory_keeps_its_id_when_the_ref_went_on() {
    let (well, ill) = (Receiver::new(), Receiver::in_turn([Answer::Busy, Answer::Status(200)]));
    let world = World::told_to(&well, "gitlab");
    world.add_target("ill", &ill, "gitlab");
    let first = world.commit("one");
    reconcile(&world);
    close_spool(&world);
    assert!(world.push(&["main"]).accepted);
    let [told, _] = [&well, &ill].map(Receiver::take_one);
    open_spool(&world);
    let second = world.commit("two");
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
    world.server_git(&["update-ref", "refs/heads/main", &second]);
    let shown = world.webhook(&["reconcile", "--dry-run"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout).matches("refs/heads/main").count(), 2);
    reconcile(&world);
    let steps = |receiver: &Receiver| -> Vec<_> {
        let step =
            |request: &Request| (event(request), request.json()["before"].clone(), request.json()["after"].clone());
        receiver.take().iter().map(step).collect()
    };
    let (well, ill) = (steps(&well), steps(&ill));
    assert_eq!((&ill[0].0, &ill[0].2), (&event(&told), &first.clone().into()));
    assert_eq!((&ill[1].1, &ill[1].2), (&first.into(), &second.into()));
    assert_eq!((well.as_slice(), ill.len()), (&ill[1..], 2));
    assert_eq!(reconcile(&world), "nothing was missed\n");
}

/// The log may be lost with the rest.
#[test]
fn what_was_told_from_memory_and_is_told_again_has_the_same_id() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    reconcile(&world);
    close_spool(&world);
    assert!(world.push(&["main"]).accepted);
    let told = receiver.take_one();
    open_spool(&world);
    world.forget_attempts();
    // However the repository is reached then.
    world.configure("webhook.repository", "another/name");
    reconcile(&world);
    let again = receiver.take_one();
    assert_eq!((event(&again), again.header("Idempotency-Key")), (event(&told), told.header("Idempotency-Key")));
}

/// A step before it is told late, when it was sent already or before that.
#[test]
fn what_was_told_from_memory_has_the_same_id_though_an_older_step_was_told_meanwhile() {
    for is_told_before in [true, false] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        let from_memory = || {
            close_spool(&world);
            let new = world.commit("next");
            assert!(world.push(&["main"]).accepted);
            open_spool(&world);
            world.forget_attempts();
            (receiver.take_one(), new)
        };
        let kept = || {
            world.commit("kept");
            world.push(&["main"]);
            receiver.take_one();
        };
        kept();
        reconcile(&world);
        let (first, step) = from_memory();
        kept();
        let mut again = Vec::new();
        if is_told_before {
            reconcile(&world);
            again = receiver.take();
        }
        let (second, new) = from_memory();
        if is_told_before {
            kept();
        }
        reconcile(&world);
        again.extend(receiver.take());
        assert_eq!(again.len(), 2);
        assert_eq!((event(&again[0]), &again[0].json()["after"]), (event(&first), &step.into()));
        assert_eq!((event(&again[1]), &again[1].json()["after"]), (event(&second), &new.into()), "{is_told_before}");
    }
}

#[test]
fn a_ref_that_comes_back_to_where_it_was_is_told_under_three_ids() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let [a, b] = ["a", "b"].map(|name| world.commit(name));
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
    world.server_git(&["update-ref", "refs/heads/main", &a]);
    reconcile(&world);
    for to in [&b, &a, &b] {
        world.server_git(&["update-ref", "refs/heads/main", to]);
        reconcile(&world);
    }
    let ids: BTreeSet<_> = receiver.take().iter().map(event).collect();
    assert_eq!(ids.len(), 3);
    // Sent from memory too.
    close_spool(&world);
    for to in [&a, &b] {
        assert!(world.push(&[&format!("{to}:refs/heads/main")]).accepted);
    }
    let more: BTreeSet<_> = receiver.take().iter().map(event).collect();
    assert_eq!((more.len(), more.intersection(&ids).count()), (2, 0));
    open_spool(&world);
    assert_eq!(reconcile(&world), "nothing was missed\n");
}

/// It is pushed again after it was taken back on the server: one step was missed, and nothing else.
#[test]
fn a_step_back_between_two_alike_pushes_is_told_once() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let first = world.commit("one");
    world.push(&["main"]);
    reconcile(&world);
    let second = world.commit("two");
    world.push(&["main"]);
    world.server_git(&["update-ref", "refs/heads/main", &first]);
    world.git(&["fetch", "-q", world.server().to_str().unwrap(), "+refs/heads/main:refs/remotes/origin/main"]);
    world.push(&["main"]);
    receiver.take();
    reconcile(&world);
    let body = receiver.take_one().json();
    assert_eq!((&body["before"], &body["after"]), (&second.into(), &first.into()));
    for _ in 0..2 {
        assert_eq!(reconcile(&world), "nothing was missed\n");
    }
    assert!(receiver.take().is_empty());
}

/// The push after it is told from its intent, which stays for a while: nobody knows yet that its hook never comes.
#[test]
fn a_step_before_a_push_whose_hook_never_came_is_told() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let first = world.commit("one");
    world.push(&["main"]);
    reconcile(&world);
    let second = world.commit("two");
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
    world.server_git(&["update-ref", "refs/heads/main", &second]);
    world.commit("three");
    world.unheard(|| world.push(&["main"]));
    world.commit("four");
    world.push(&["main"]);
    receiver.take();
    reconcile(&world);
    assert!(receiver.take().is_empty());
    world.age(61);
    world.webhook(&["flush"]);
    assert!(world.intents().is_empty());
    receiver.take();
    reconcile(&world);
    let body = receiver.take_one().json();
    assert_eq!((&body["before"], &body["after"]), (&first.into(), &second.into()));
    assert_eq!(reconcile(&world), "nothing was missed\n");
}

/// The push before it was killed, and its intent is judged when the ref stands further on: by what only the log knows.
#[test]
fn what_was_told_from_memory_shows_that_the_push_before_it_happened() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    reconcile(&world);
    let second = world.commit("two");
    world.unheard(|| world.push(&["main"]));
    receiver.take();
    // Nothing new can be written down, but what is there stays.
    let receipts = world.place(Place::Receipts);
    fs::rename(&receipts, receipts.with_extension("away")).unwrap();
    fs::write(&receipts, "").unwrap();
    fs::rename(world.server().join("hooks/pre-receive"), world.path("away")).unwrap();
    let third = world.commit("three");
    assert!(world.push(&["main"]).accepted);
    assert_eq!(receiver.take_one().json()["after"], third);
    fs::remove_file(&receipts).unwrap();
    fs::rename(receipts.with_extension("away"), receipts).unwrap();
    world.age(61);
    let output = world.webhook(&["flush", "--now"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(receiver.take_one().json()["after"], second);
    assert!(world.intents().is_empty() && world.kept(Place::Refused).is_empty());
}
