//! How long a push waits for receivers that are slow, and that none waits for another.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Answer, Fan, Receiver, World, ZERO, ok, read_head};

const A_MINUTE: Duration = Duration::from_secs(60);

#[test]
fn bad_268_290_291_no_answer_in_time() {
    let fan = Fan::new(&[
        Receiver::answering(Answer::Drip(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(99), Duration::from_millis(5))),
        Receiver::answering(Answer::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Duration::from_millis(300))),
        Receiver::answering(Answer::Drip(b"\r\n".repeat(500), Duration::from_millis(100))),
        Receiver::answering(Answer::Never),
        Receiver::wild(|_stream| thread::sleep(A_MINUTE)),
    ]);
    assert!(fan.took < Duration::from_millis(2500), "{:?}", fan.took);
    fan.fails("no answer in time");
}

#[test]
fn bad_268_a_flood_of_100s_ends() {
    let flood = |answer| Receiver::answering(Answer::Flood(b"", answer));
    let fan = Fan::new(&[flood(b"HTTP/1.1 100 Continue\r\n\r\n"), flood(b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n")]);
    assert!(fan.took < Duration::from_millis(2500), "{:?}", fan.took);
    // A buffer that holds nothing else is taken for a header that is too large.
    let ends = ["no answer in time", "the answer is not HTTP"].map(Fan::failure);
    assert!(fan.said.iter().all(|line| ends.contains(line)), "{:?}", fan.said);
}

#[test]
fn bad_288_a_body_without_end_is_waited_for_one_second_at_most() {
    let dripping = Receiver::wild(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(ok("Content-Length: 100000").as_bytes());
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let world = World::told_to(&dripping, "gitlab");
    world.commit("one");
    let start = Instant::now();
    let said = world.push(&["main"]).said();
    let took = start.elapsed().as_millis();
    assert!((1000..2000).contains(&took), "{took} ms");
    // The time told is that of the header.
    assert!(said[0].starts_with("webhook ci: delivered main (200, ") && said[0].ends_with(" ms)"), "{said:?}");
}

#[test]
fn one_that_hangs_holds_up_no_other() {
    let hanging = Receiver::answering(Answer::Never);
    let good = Receiver::new();
    let fan = Fan::new([&hanging; 20].into_iter().chain([&good; 20]));
    assert!(fan.took < Duration::from_secs(3), "{:?}", fan.took);
    assert_eq!(fan.said[..20], vec![Fan::failure("no answer in time"); 20]);
    assert!(fan.said[20..].iter().all(|line| line.starts_with("delivered main (200, ") && line.ends_with(" ms)")));
    assert_eq!(good.take().len(), 20);
}

#[test]
fn seventy_targets_at_once() {
    let slow = Receiver::answering(Answer::After(Duration::from_millis(400)));
    let world = World::new();
    world.commit("one");
    let fan = Fan::of(world, [&slow; 70]);
    assert!(fan.took < Duration::from_secs(2), "{:?}", fan.took);
    assert_eq!(slow.take().len(), 70);
    fan.delivers();
}

#[test]
fn max_wait_is_over_all_deliveries_of_a_push() {
    let slow = Receiver::answering(Answer::After(Duration::from_millis(300)));
    let good = Receiver::new();
    let world = World::told_to(&slow, "gitlab");
    world.add_target("good", &good, "gitlab");
    world.configure("webhook.maxWait", "1s");
    world.commit("one");
    let refs: Vec<_> = (0..30).map(|number| format!("HEAD:refs/heads/b{number}")).collect();
    let refs: Vec<_> = refs.iter().map(String::as_str).collect();
    let start = Instant::now();
    let said = world.push(&refs).said();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(said[0].starts_with("webhook ci: delivered "), "{said:?}");
    assert!(said[0].contains(" of 30 refs, not "), "{said:?}");
    assert!(said[1].starts_with("webhook good: delivered 30 refs (200, "), "{said:?}");
    let log = world.log();
    // What was cut off was sent; what is told as not tried was not.
    let untried = log.matches("no time left to try").count();
    assert!(untried > 0, "{log}");
    assert_eq!(slow.requests().len() + untried, 30, "{log}");
}

#[test]
fn max_wait_is_the_limit_of_a_longer_timeout() {
    let receivers = [Receiver::answering(Answer::Never), Receiver::answering(Answer::Never)];
    let world = World::told_to(&receivers[0], "gitlab");
    world.add_target("other", &receivers[1], "gitlab");
    world.configure("webhook.maxWait", "1s");
    world.configure("webhook.timeout", "30s");
    world.commit("one");
    let start = Instant::now();
    let said = world.push(&["main"]).said();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(said, ["ci", "other"].map(|name| format!("webhook {name}: {}", Fan::failure("no answer in time"))));
}

#[test]
fn a_slow_receiver_with_a_backlog_has_its_own_time() {
    let receiver = Receiver::in_turn([Answer::Status(503), Answer::After(Duration::from_millis(2500))]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.backoff_ends("ci");
    let said = world.push(&["main:other"]).said();
    assert!(said[0].starts_with("webhook ci: delivered other (200, 2.5 s)"), "{said:?}");
}

/// For root no such limit holds, and the test shows nothing.
#[test]
fn bad_369_where_no_thread_can_be_started_all_is_delivered_in_turn() {
    let receiver = Receiver::new();
    let world = World::new();
    let id = world.commit("one");
    world.push(&["main"]);
    for name in ["one", "two", "three"] {
        world.configure(&format!("webhook.{name}.url"), &receiver.url().replace("127.0.0.1", "localhost"));
    }
    let mut shell = world.command("bash", &world.server());
    shell.env("GIT_DIR", ".").args(["-c", "ulimit -u 1; exec hooks/post-receive"]);
    let output = world.feed(&mut shell, format!("{ZERO} {id} refs/heads/x\n").as_bytes());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches(": delivered x (200, ").count(), 3, "{said}");
    assert_eq!(receiver.take().len(), 3);
}
