//! W3C Trace Context: in whose trace receivers find their work.

use crate::support::{Answer, Receiver, Request, World};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn handed() -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-00")
}

/// Trace, span and flags.
fn taken_apart(request: &Request) -> [String; 3] {
    let words: Vec<_> = request.header("traceparent").split('-').map(String::from).collect();
    let [version, trace, span, flags] = words.try_into().unwrap_or_else(|words| panic!("{words:?}"));
    assert_eq!((version.as_str(), trace.len(), span.len()), ("00", 32, 16));
    [trace, span, flags]
}

fn push_one(world: &World, receiver: &Receiver) -> [String; 3] {
    world.commit("one");
    world.push(&["main"]);
    taken_apart(&receiver.take_one())
}

#[test]
fn the_trace_is_the_events_and_each_attempt_a_span() {
    let receiver = Receiver::in_turn([Answer::Status(503), Answer::Status(200)]);
    let world = World::told_plainly_to(&receiver, "gitlab");
    let other = Receiver::new();
    world.add_plain_target("other", &other, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    world.webhook(&["flush", "--now"]);
    let requests = receiver.take();
    let [first, second] = [0, 1].map(|at: usize| taken_apart(&requests[at]));
    let event = requests[0].header("X-Gitlab-Event-UUID").replace('-', "");
    assert_eq!((&first[0], &second[0], &first[2]), (&event, &event, &"01".to_owned()));
    assert_ne!(first[1], second[1], "of the attempt");
    let elsewhere = taken_apart(&other.take_one());
    assert_eq!(elsewhere[0], event);
    assert!(elsewhere[1] != first[1] && elsewhere[1] != second[1], "of the delivery");
}

#[test]
fn it_may_be_left_out() {
    let receiver = Receiver::new();
    let world = World::told_plainly_to(&receiver, "gitlab");
    world.configure("webhook.traceparent", "false");
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(receiver.take_one().header("traceparent"), "");
}

/// Whoever pushes may set what the hook finds: sshd's AcceptEnv.
#[test]
fn a_pushers_trace_is_continued_where_the_server_says_so() {
    let receiver = Receiver::in_turn([Answer::Status(503), Answer::Status(200)]);
    let mut world = World::new();
    world.configure_globally("webhook.all.url", &receiver.url());
    world.configure_globally("webhook.all.format", "gitlab");
    world.set("TRACEPARENT", &handed());
    let [trace, ..] = push_one(&world, &receiver);
    assert_ne!(trace, TRACE, "nobody asked for it");
    world.configure_globally("webhook.all.traceparent", "continue");
    // What waits is told in the trace of its own push.
    world.set("TRACEPARENT", "00-11111111111111111111111111111111-2222222222222222-01");
    world.webhook(&["flush", "--now"]);
    assert_eq!(taken_apart(&receiver.take_one())[0], TRACE);
    world.set("TRACEPARENT", &handed());
    let [trace, span, flags] = push_one(&world, &receiver);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "00"));
    assert_ne!(span, "00f067aa0ba902b7", "the hook's own span is another");
    world.set("TRACEPARENT", "00-00000000000000000000000000000000-00f067aa0ba902b7-01");
    assert_ne!(push_one(&world, &receiver)[0], "0".repeat(32), "none is not continued");
}

#[test]
fn a_repository_cannot_have_a_pushers_trace_continued() {
    let receiver = Receiver::new();
    let mut world = World::told_plainly_to(&receiver, "gitlab");
    world.configure("webhook.ci.traceparent", "continue");
    world.set("TRACEPARENT", &handed());
    assert_ne!(push_one(&world, &receiver)[0], TRACE);
    let said = String::from_utf8(world.webhook(&["list"]).stderr).unwrap();
    assert!(said.contains("webhook.ci.traceparent") && said.contains("the event's own trace is sent"), "{said}");
    world.server_git(&["config", "webhook.ci.traceparent", "perhaps"]);
    let said = String::from_utf8(world.webhook(&["list"]).stderr).unwrap();
    assert!(said.contains("is neither true, false nor continue"), "{said}");
    world.server_git(&["config", "webhook.ci.traceparent", "true"]);
    world.configure("webhook.ci.header", "Traceparent: 00-1-2-3");
    let said = String::from_utf8(world.webhook(&["list"]).stderr).unwrap();
    assert!(said.contains("webhook.ci.header"), "it is ours: {said}");
}
