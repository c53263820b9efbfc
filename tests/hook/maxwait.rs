//! How long a push waits for its receivers: requests are begun in the first half of `webhook.maxWait`, and have their own time
//! then.

use std::fs;
use std::time::Duration;

use crate::support::{Answer, Ends, Place, Receiver, World, read_record};

fn after(seconds: u64) -> Answer {
    Answer::After(Duration::from_secs(seconds))
}

/// Two events of one push, told one after another over one connection, with the default of each time.
fn two_events(receiver: &Receiver) -> (World, Vec<String>) {
    let world = World::told_to(receiver, "gitlab");
    fs::remove_file(world.path("home/.gitconfig")).unwrap();
    world.commit("one");
    world.git(&["tag", "-m", "v", "v1"]);
    let said = world.push(&["main", "v1"]).said();
    (world, said)
}

#[test]
fn of_two_events_of_which_the_first_takes_four_seconds_both_are_told() {
    let receiver = Receiver::in_turn([after(4), Answer::Status(200)]);
    let (world, said) = two_events(&receiver);
    assert!(said[0].starts_with("webhook ci: delivered main, v1 (200, "), "{said:?}");
    assert!(world.waiting("ci").is_empty());
}

/// Public bug report 61: the second was sent whole, cut off, and sent again.
#[test]
fn a_request_that_was_begun_is_not_cut_off_and_one_that_was_not_counts_as_no_attempt() {
    let receiver = Receiver::answering(after(8));
    let (world, said) = two_events(&receiver);
    let expected = "webhook ci: delivered 1 of 2 refs, not v1 (no time left to try); kept, and tried again later";
    assert_eq!(said, [expected]);
    assert_eq!(receiver.take().len(), 1);
    let waiting = world.waiting("ci");
    assert!(waiting[0].to_str().unwrap().ends_with(".0-0.0"), "{waiting:?}");
}

/// The hook's own start counts, whatever it does first.
#[test]
fn time_counts_from_the_hooks_start() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.maxWait", "15s");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    // An older push of the ref, whose own hook is at work, is waited for.
    let second = world.commit("two");
    let input = format!("{} {second} refs/heads/main\n", world.id("HEAD~1"));
    assert!(world.feed(&mut crate::support::pre_receive(&world), input.as_bytes()).status.success());
    let claimed = fs::File::open(&world.intents()[0]).unwrap();
    claimed.lock().unwrap();
    let third = world.commit("three");
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
    world.server_git(&["update-ref", "refs/heads/main", &second]);
    let next = format!("{second} {third} refs/heads/main\n");
    assert!(world.feed(&mut crate::support::pre_receive(&world), next.as_bytes()).status.success());
    let output = world.feed(&mut world.hook(), next.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "webhook ci: not delivered: main (no time left to try); kept, and tried again later [";
    assert!(said.starts_with(expected) && said.lines().count() == 1, "{said}");
    assert!(receiver.take().is_empty());
}

/// Writing each of them down takes milliseconds.
#[test]
fn what_cannot_be_queued_in_time_stays_in_the_receipt() {
    let receiver = Receiver::answering(Answer::Busy);
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    world.push(&["main:first"]);
    world.configure("webhook.maxWait", "1s");
    let count = 4_000;
    let refs: String = (0..count).map(|number| format!("create refs/heads/n{number} {id}\n")).collect();
    let mut update = world.command("git", &world.server());
    assert!(world.feed(update.args(["update-ref", "--stdin"]), refs.as_bytes()).status.success());
    let zero = crate::support::ZERO;
    let input: String = (0..count).map(|number| format!("{zero} {id} refs/heads/n{number}\n")).collect();
    let output = world.feed(&mut world.hook(), input.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("webhook: webhook.maxWait is up: what is not told yet is kept, and told later"), "{said}");
    assert!(world.waiting("ci").len() < count);
    let receipt = &world.receipts()[0];
    assert_eq!(read_record(receipt)["lines"].as_array().unwrap().len(), count);
    // And is settled by whoever has the time.
    let output = world.webhook_command().arg("flush").ends();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((world.receipts().len(), world.waiting("ci").len()), (0, count + 1));
    assert!(world.kept(Place::DeadReceipts).is_empty());
}
