//! What waits is sent side by side, for all targets and in all repositories: one that does not answer holds up none.

use std::fs;

use crate::support::{Answer, Ends, Gate, Place, Receiver, World};

#[test]
fn targets_do_not_wait_for_each_other() {
    // None is answered before all have been asked.
    let gate = Gate::for_many(10);
    let receivers: Vec<_> =
        (0..10).map(|_| Receiver::in_turn([Answer::Status(503), Answer::Behind(gate.clone())])).collect();
    let world = World::new();
    for (number, receiver) in receivers.iter().enumerate() {
        world.add_target(&format!("t{number}"), receiver, "gitlab");
    }
    world.wait_long();
    world.commit("one");
    world.push(&["main"]);
    let output = world.webhook(&["flush", "--now"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (number, receiver) in receivers.iter().enumerate() {
        assert_eq!(receiver.take().len(), 2);
        assert!(world.waiting(&format!("t{number}")).is_empty());
    }
}

#[test]
fn repositories_do_not_wait_for_each_other() {
    let gate = Gate::for_many(5);
    let receiver = Receiver::in_turn([vec![Answer::Status(503); 5], vec![Answer::Behind(gate)]].concat());
    let world = World::told_to(&receiver, "gitlab");
    world.wait_long();
    world.commit("one");
    let root = world.path("root");
    fs::create_dir(&root).unwrap();
    let paths: Vec<_> = ["a.git", "b.git", "deep/c.git", "d.git", "e.git"].map(|name| root.join(name)).into();
    for path in &paths {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut cp = world.command("cp", &root);
        assert!(cp.arg("-a").arg(world.server()).arg(path).ends().status.success());
        let mut push = world.command("git", &world.work());
        assert!(push.args(["push", "--quiet"]).arg(path).arg("main").ends().status.success());
    }
    assert_eq!(receiver.take().len(), 5);
    let output = world.webhook(&["flush", "--now", "--root", root.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(receiver.take().len(), 5);
    for path in paths {
        let waiting = fs::read_dir(path.join(Place::Queue("ci").path())).unwrap();
        let names: Vec<_> = waiting.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().all(|name| !name.starts_with('0')), "{names:?}");
    }
}
