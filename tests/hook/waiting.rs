//! How long a push waits for receivers that are slow, and that none waits for another.

use std::collections::HashSet;
use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Answer, Fan, Gate, Place, Receiver, World, ZERO, ok, read_head, read_record, until};

const A_MINUTE: Duration = Duration::from_secs(60);

#[test]
fn bad_268_290_291_no_answer_in_time() {
    let world = World::new();
    world.commit("one");
    // Each would end in another way if it were given longer.
    let receivers = [
        Receiver::answering(Answer::Drip(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(99), Duration::from_millis(5))),
        Receiver::answering(Answer::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Duration::from_millis(300))),
        Receiver::answering(Answer::Drip(b"\r\n".repeat(500), Duration::from_millis(100))),
        Receiver::answering(Answer::Never),
        Receiver::wild(|_stream| thread::sleep(A_MINUTE)),
    ];
    Fan::waiting("1s", world, &receivers).fails("no answer in time");
}

#[test]
fn bad_268_a_flood_of_100s_ends() {
    let flood = |answer| Receiver::answering(Answer::Flood(b"", answer));
    let world = World::new();
    world.commit("one");
    let floods = [flood(b"HTTP/1.1 100 Continue\r\n\r\n"), flood(b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n")];
    let fan = Fan::waiting("1s", world, &floods);
    // A buffer that holds nothing else is taken for a header that is too large.
    let ends = ["no answer in time", "the answer is not HTTP"].map(Fan::failure);
    assert!(fan.said.iter().all(|line| ends.contains(line)), "{:?}", fan.said);
}

#[test]
fn bad_288_a_body_without_end_is_waited_for_a_second_and_no_longer() {
    let is_left_early = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&is_left_early);
    // A minute's body, in a time that would do for it.
    let dripping = Receiver::wild(move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(ok("Content-Length: 600").as_bytes());
        let is_left = (0..600).any(|_| {
            thread::sleep(Duration::from_millis(100));
            stream.write_all(b"x").is_err()
        });
        *seen.lock().unwrap() = Some(is_left);
    });
    let world = World::told_to(&dripping, "gitlab");
    world.wait_long();
    world.configure("webhook.timeout", "120s");
    world.commit("one");
    let start = Instant::now();
    let said = world.push(&["main"]).said();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(said[0].starts_with("webhook ci: delivered main (200, "), "{said:?}");
    until("the receiver is through", || is_left_early.lock().unwrap().is_some());
    assert_eq!(*is_left_early.lock().unwrap(), Some(true), "it was heard to the end");
}

#[test]
fn one_that_hangs_holds_up_no_other() {
    // Those that hang do so until all others have been told.
    let all_are_told = Gate::for_many(20);
    let passing = all_are_told.clone();
    let hanging = Receiver::wild(move |mut stream| {
        read_head(&mut stream);
        passing.wait();
        let _ = stream.write_all(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n");
    });
    let good = Receiver::answering(Answer::Behind(all_are_told));
    let fan = Fan::new([&hanging; 20].into_iter().chain([&good; 20]));
    assert_eq!(fan.said[..20], vec![Fan::failure("answered 503"); 20]);
    assert!(fan.said[20..].iter().all(|line| line.starts_with("delivered main (200, ")), "{:?}", fan.said);
    assert_eq!(good.take().len(), 20);
}

#[test]
fn seventy_targets_at_once() {
    // None is answered before all have been asked.
    let receiver = Receiver::answering(Answer::Behind(Gate::for_many(70)));
    let fan = Fan::new([&receiver; 70]);
    assert_eq!(receiver.take().len(), 70);
    fan.delivers();
}

#[test]
fn max_wait_is_over_all_deliveries_of_a_push() {
    let slow = Receiver::answering(Answer::After(Duration::from_millis(1500)));
    let good = Receiver::new();
    let world = World::told_to(&slow, "gitlab");
    world.add_target("good", &good, "gitlab");
    world.configure("webhook.maxWait", "4s");
    world.commit("one");
    let refs: Vec<_> = (0..30).map(|number| format!("HEAD:refs/heads/b{number}")).collect();
    let refs: Vec<_> = refs.iter().map(String::as_str).collect();
    let said = world.push(&refs).said();
    assert!(said[0].starts_with("webhook ci: delivered "), "{said:?}");
    assert!(said[0].contains(" of 30 refs, not "), "{said:?}");
    assert!(said[1].starts_with("webhook good: delivered 30 refs (200, "), "{said:?}");
    let log = world.log();
    // What was cut off was sent; what is told as not tried was not.
    let more = log.split(" more not delivered").next().and_then(|text| text.rsplit(' ').next()?.parse::<usize>().ok());
    let untried = log.matches("no time left to try").count() + more.unwrap_or(0);
    assert!(untried > 0, "{log}");
    assert_eq!(slow.requests().len() + untried, 30, "{log}");
}

#[test]
fn max_wait_is_the_limit_of_a_longer_timeout() {
    // Both would be heard within their own timeout.
    let late = Answer::After(Duration::from_secs(20));
    let receivers = [Receiver::answering(late.clone()), Receiver::answering(late)];
    let world = World::told_to(&receivers[0], "gitlab");
    world.add_target("other", &receivers[1], "gitlab");
    world.configure("webhook.maxWait", "1s");
    world.configure("webhook.timeout", "60s");
    world.commit("one");
    let said = world.push(&["main"]).said();
    assert_eq!(
        said,
        ["ci", "other"].map(|name| format!("webhook {name}: {}", Fan::failure("the push waits no longer")))
    );
}

/// Whether a receiver that does not answer in time is left alone by the pushes that follow.
fn is_left_alone(timeout: &str, max_wait: &str) -> bool {
    let world = World::told_to(&Receiver::answering(Answer::Never), "gitlab");
    world.configure("webhook.timeout", timeout);
    world.configure("webhook.maxWait", max_wait);
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(world.waiting("ci").len(), 1);
    read_record(&world.place(Place::Backoff("ci")))["failures"] != 0
}

#[test]
fn a_push_that_gives_no_time_says_nothing_about_the_receiver() {
    assert!(!is_left_alone("60s", "1s"));
    assert!(is_left_alone("1s", "60s"));
}

#[test]
fn a_slow_receiver_with_a_backlog_has_its_own_time() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::After(Duration::from_millis(2500))]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.backoff_ends("ci");
    let said = world.push(&["main:other"]).said();
    assert!(said[0].starts_with("webhook ci: delivered other (200, "), "{said:?}");
}

#[test]
fn one_that_does_not_answer_is_tried_no_more_in_a_push() {
    let silent = Receiver::answering(Answer::Never);
    let world = World::told_to(&silent, "gitlab");
    world.wait_long();
    world.configure("webhook.timeout", "1s");
    world.commit("one");
    let refs: Vec<_> = (0..30).map(|number| format!("main:refs/heads/b{number}")).collect();
    world.push(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(world.waiting("ci").len(), 30);
    // Side by side before the first was given up.
    assert!(silent.connections() <= 8, "{}", silent.connections());
}

/// Eight megabytes wait in memory at most, and a receiver has a quarter of a second to make room.
#[test]
fn what_there_is_no_room_for_in_memory_waits_in_the_queue_and_is_delivered() {
    let gate = Gate::new();
    let receiver = Receiver::answering(Answer::Behind(gate.clone()));
    let world = World::told_to(&receiver, "gitlab");
    world.wait_long();
    let message = "x".repeat(60_000);
    let commit = |number| {
        let time = 1_700_000_000 + number;
        format!("commit refs/heads/b{number}\ncommitter C <c@example.com> {time} +0000\ndata 60000\n{message}\n\n")
    };
    world.git_with_input(&["fast-import", "--quiet"], (0..200).map(commit).collect::<String>().as_bytes());
    thread::scope(|scope| {
        scope.spawn(|| world.push(&["refs/heads/b*:refs/heads/b*"]));
        until("some wait in the queue", || !world.waiting("ci").is_empty());
        gate.open();
    });
    world.webhook(&["flush", "--now"]);
    let told: Vec<_> = receiver.take().iter().map(|request| request.json()["ref"].to_string()).collect();
    assert_eq!((told.len(), told.iter().collect::<HashSet<_>>().len()), (200, 200));
}

/// Three targets are told of a push by a hook that is run so.
fn delivers_without_threads(hook: impl FnOnce(&World) -> Command) {
    let receiver = Receiver::new();
    let world = World::new();
    let id = world.commit("one");
    world.push(&["main"]);
    for name in ["one", "two", "three"] {
        world.configure(&format!("webhook.{name}.url"), &receiver.url().replace("127.0.0.1", "localhost"));
    }
    let output = world.feed(&mut hook(&world), format!("{ZERO} {id} refs/heads/x\n").as_bytes());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches(": delivered x (200, ").count(), 3, "{said}");
    assert_eq!(receiver.take().len(), 3);
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn bad_369_not_even_root_needs_threads() {
    delivers_without_threads(|world| {
        let mut strace = world.command("strace", &world.server());
        strace.env("GIT_DIR", ".").args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=clone,clone3"]);
        strace.args(["-e", "inject=clone,clone3:error=EAGAIN"]).arg(world.server().join("hooks/post-receive"));
        strace
    });
}

/// For root no such limit holds, and the test shows nothing.
#[test]
fn bad_369_where_no_thread_can_be_started_all_is_delivered_in_turn() {
    delivers_without_threads(|world| {
        let mut shell = world.command("bash", &world.server());
        shell.env("GIT_DIR", ".").args(["-c", "ulimit -u 1; exec hooks/post-receive"]);
        shell
    });
}
