//! Refs of namespaces (gitnamespaces(7)): each has a repository of its own, as far as its events tell.

use serde_json::Value;

use crate::support::{Answer, Ends, Receiver, Request, World, pre_receive};

/// What `git push` within a namespace does.
#[track_caller]
fn push(world: &World, namespace: &str, refs: &[&str]) {
    let mut push = world.command("git", &world.work());
    push.args(["push", "--quiet"]).arg(world.server()).args(refs).env("GIT_NAMESPACE", namespace);
    let output = push.ends();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn step(request: &Request) -> (String, Value, Value, u64) {
    let json = request.json();
    let total = json["total_commits_count"].as_u64().unwrap_or_default();
    (json["ref"].as_str().unwrap().into(), json["before"].clone(), json["after"].clone(), total)
}

#[track_caller]
fn reconcile(world: &World, options: &[&str]) -> String {
    let output = world.webhook(&[&["reconcile"], options].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A repository with a branch outside of all namespaces, one commit long.
fn world(options: &[&str]) -> (Receiver, World) {
    let receiver = Receiver::new();
    let world = World::with(options);
    world.add_target("ci", &receiver, "gitlab");
    world.commit("base");
    world.push(&["main"]);
    reconcile(&world, &[]);
    receiver.take();
    (receiver, world)
}

#[test]
fn what_is_new_is_new_within_the_namespace() {
    for options in [&[][..], &["--ref-format=reftable"]] {
        let (receiver, world) = world(options);
        let first = world.commit("one");
        let zero = crate::support::ZERO;
        push(&world, "tenant", &["main"]);
        let of_tenant = |name: &str| format!("refs/namespaces/tenant/refs/{name}");
        let expected = world.rev_list(&[&of_tenant("heads/main")]);
        let told = receiver.take_one();
        assert_eq!(step(&told), ("refs/heads/main".into(), zero.into(), first.clone().into(), 2));
        assert_eq!((told.commits().len(), expected.len()), (2, 2));
        // Another branch has what main has not.
        world.git(&["checkout", "--quiet", "-b", "side"]);
        let side = world.commit("two");
        push(&world, "tenant", &["side"]);
        assert_eq!(step(&receiver.take_one()).3, 1);
        world.server_git(&["symbolic-ref", "refs/namespaces/tenant/HEAD", &of_tenant("heads/side")]);
        push(&world, "tenant/inner", &["side", "side:other"]);
        let told = receiver.take();
        assert_eq!(told.iter().map(|request| step(request).3).collect::<Vec<_>>(), [3, 3]);
        push(&world, "tenant", &["--delete", "main"]);
        let told = receiver.take_one();
        assert_eq!(step(&told).2, zero);
        assert_eq!(told.json()["project"]["default_branch"], "side");
        // Neither has the plain repository what namespaces hold.
        world.push(&["side"]);
        let told = receiver.take_one();
        assert_eq!((step(&told).2, step(&told).3), (side.into(), 2));
        assert_eq!(told.json()["project"]["default_branch"], "main");
        assert_eq!(reconcile(&world, &[]), "nothing was missed\n");
        assert!(receiver.take().is_empty());
    }
}

#[test]
fn each_namespace_is_a_repository_where_the_configuration_says_so() {
    let (receiver, world) = world(&[]);
    world.configure("webhook.repository", "pool/{namespace}");
    for (namespace, path) in [("", "pool/pool"), ("team", "pool/team"), ("team//a", "pool/team/a")] {
        push(&world, namespace, &["main:other"]);
        assert_eq!(receiver.take_one().json()["project"]["path_with_namespace"], path);
    }
    // Of a name that is no path the receiver could not tell the repository.
    push(&world, "a%2Fb", &["main:other"]);
    assert_eq!((receiver.take().len(), world.kept(crate::support::Place::Deferred("ci")).len()), (0, 1));
}

#[test]
fn a_push_whose_hook_never_came_is_told_in_its_namespace() {
    let (receiver, world) = world(&[]);
    let id = world.commit("lost");
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
    let line = format!("{} {id} refs/heads/lost\n", crate::support::ZERO);
    let mut hook = pre_receive(&world);
    hook.env("GIT_NAMESPACE", "tenant");
    assert!(world.feed(&mut hook, line.as_bytes()).status.success());
    world.server_git(&["update-ref", "refs/namespaces/tenant/refs/heads/lost", &id]);
    world.age(61);
    world.machine_restarts();
    assert!(world.webhook(&["flush"]).status.success());
    let told = receiver.take_one();
    assert_eq!((step(&told).0.as_str(), step(&told).3), ("refs/heads/lost", 2));
    let log: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    assert_eq!((&log[0]["ref"], &log[0]["namespace"]), (&"refs/heads/lost".into(), &"tenant".into()));
    assert_eq!(reconcile(&world, &[]), "nothing was missed\n");
}

#[test]
fn reconcile_tells_what_the_hook_would_have_told() {
    let (receiver, world) = world(&[]);
    push(&world, "tenant", &["main"]);
    receiver.take();
    let id = world.commit("moved");
    world.git(&["push", "--quiet", world.server().to_str().unwrap(), "HEAD:refs/keep/all"]);
    world.server_git(&["update-ref", "refs/namespaces/tenant/refs/heads/main", &id]);
    assert!(reconcile(&world, &["--dry-run"]).contains("refs/heads/main in tenant"));
    reconcile(&world, &[]);
    assert_eq!(step(&receiver.take_one()).2, id);
    // Whoever pushes by the whole name moves the same ref.
    let next = world.commit("next");
    world.push(&["HEAD:refs/namespaces/tenant/refs/heads/main"]);
    assert_eq!(step(&receiver.take_one()), ("refs/heads/main".into(), id.into(), next.into(), 1));
    assert_eq!(reconcile(&world, &[]), "nothing was missed\n");
    // A snapshot of a program that knew nothing of namespaces.
    let snapshot = world.server().join("webhook/refs");
    crate::support::rewrite_record(&snapshot, |json| {
        json.as_object_mut().unwrap().remove("links");
        let refs = json["refs"].as_array_mut().unwrap();
        refs.retain(|line| !line[0].as_str().unwrap().starts_with("refs/namespaces/"));
    });
    assert_eq!(reconcile(&world, &[]), "nothing was missed\n");
}

/// Its receiver trusts the server's secret, and could not tell the tenant's main from the repository's.
#[test]
fn a_target_of_the_server_is_told_of_namespaces_only_where_the_server_tells_them_apart() {
    let receiver = Receiver::new();
    let world = World::new();
    world.commit("base");
    world.configure_globally("webhook.ci.url", &receiver.url());
    world.configure_globally("webhook.ci.format", "gitlab");
    world.configure("webhook.repository", "mine/{namespace}");
    push(&world, "tenant", &["main"]);
    assert!(receiver.take().is_empty());
    world.push(&["main"]);
    assert_eq!(receiver.take_one().json()["project"]["path_with_namespace"], "project/project");
    let waiting: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    let waiting = waiting.iter().find(|row| row["state"] == "waiting").unwrap();
    assert_eq!(waiting["waits_for"], "waits until the server's webhook.repository tells namespaces apart");
    let found = world.webhook(&["check"]);
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(said.contains("is told nothing of pushes in namespaces"), "{said}");
    let again = world.webhook(&["redeliver", "--failed"]);
    let again = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(again.contains("waits until the server's webhook.repository tells namespaces apart"), "{again}");
    assert_eq!(found.status.code(), Some(1));
    world.configure_globally("webhook.repository", "pool/{namespace}");
    assert!(world.webhook(&["flush"]).status.success());
    assert_eq!(receiver.take_one().json()["project"]["path_with_namespace"], "pool/tenant");
    // Its path would be another repository's.
    push(&world, "-x", &["main"]);
    assert!(receiver.take().is_empty());
    let waiting: Vec<Value> = crate::support::rows(&world.webhook(&["log", "--json"]).stdout);
    let waiting = waiting.iter().find(|row| row["state"] == "waiting").unwrap();
    let why = "waits: the namespace '-x' cannot be part of a repository's path, as webhook.repository would have it";
    assert_eq!(waiting["waits_for"], why);
    let said = String::from_utf8_lossy(&world.webhook(&["check"]).stdout).into_owned();
    assert!(said.contains("is not told of a push in the namespace '-x', which cannot be part of"), "{said}");
}

/// What waits for a receiver does so for each namespace by itself.
#[test]
fn refs_of_two_namespaces_do_not_wait_for_each_other() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.commit("base");
    push(&world, "a", &["main"]);
    push(&world, "b", &["main"]);
    let names: Vec<_> = world.waiting("ci").iter().map(|path| crate::support::name(path)).collect();
    let orders: std::collections::BTreeSet<_> =
        names.iter().map(|name| name.split('.').nth(2).map(String::from)).collect();
    assert_eq!((names.len(), orders.len()), (2, 2), "{names:?}");
}
