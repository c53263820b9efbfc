//! What a timer announces of repositories that `git fetch` moves.

use std::fs;

use crate::check::SetUp;
use crate::support::{Receiver, World, read_record, rewrite_record, until};

/// A mirror of the clone's repository that was fetched and is known.
struct Mirror {
    world: World,
    receiver: Receiver,
}

impl Mirror {
    /// With these branches beside `main`.
    fn new(branches: usize) -> Self {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.reconcile", "true");
        let mirror = Self { world, receiver };
        mirror.world.commit("one");
        (0..branches).for_each(|number| drop(mirror.world.git(&["branch", &format!("b{number:02}")])));
        mirror.fetch();
        mirror.look();
        mirror
    }

    fn fetch(&self) {
        let from = self.world.work();
        let refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        self.world.server_git(&["fetch", "--quiet", "--prune", from.to_str().unwrap(), refs[0], refs[1]]);
    }

    /// What the timer runs; returns what it says.
    #[track_caller]
    fn look(&self) -> String {
        let output = self.world.webhook(&["flush"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// What was seen was seen so many seconds earlier.
    fn time_passes(&self, seconds: i64) {
        rewrite_record(&self.world.server().join("webhook/looks"), |json| {
            for seen in json["seen"].as_array_mut().unwrap() {
                seen[3]["seconds"] = (seen[3]["seconds"].as_i64().unwrap() - seconds).into();
            }
        });
    }

    /// Looks twice, a minute apart, and returns the refs that were told.
    fn look_twice(&self) -> Vec<String> {
        self.look();
        assert!(self.receiver.take().is_empty(), "one look announces nothing");
        self.time_passes(60);
        self.look();
        self.told()
    }

    fn told(&self) -> Vec<String> {
        let name = |json: serde_json::Value| json["ref"].as_str().unwrap().trim_start_matches("refs/heads/").to_owned();
        let mut told: Vec<_> = self.receiver.take().iter().map(|request| name(request.json())).collect();
        told.sort();
        told
    }

    fn alarm(&self) -> Option<i32> {
        self.world.webhook(&["status"]).status.code()
    }
}

/// What lies between two pushes is seen twice as well, and no look before that forgets it.
#[test]
fn a_step_before_a_push_is_told_once_two_looks_have_shown_it() {
    let mirror = Mirror::new(0);
    let world = &mirror.world;
    world.commit("merged on the server");
    mirror.fetch();
    world.commit("pushed");
    world.push(&["main"]);
    mirror.receiver.take();
    assert_eq!(mirror.look_twice(), ["main"]);
    mirror.time_passes(60);
    mirror.look();
    assert!(mirror.told().is_empty());
}

/// Two steps of one ref are two differences.
#[test]
fn two_steps_of_one_ref_are_told_both() {
    let mirror = Mirror::new(0);
    let world = &mirror.world;
    for _ in 0..2 {
        world.commit("merged on the server");
        mirror.fetch();
        world.commit("pushed");
        world.push(&["main"]);
    }
    mirror.receiver.take();
    assert_eq!(mirror.look_twice(), ["main", "main"]);
    mirror.time_passes(60);
    mirror.look();
    assert!(mirror.told().is_empty());
}

/// What git has thrown away since was told: nothing of it says that a backup was restored.
#[test]
fn a_branch_that_is_gone_with_its_objects_is_told_as_gone() {
    let mirror = Mirror::new(12);
    let world = &mirror.world;
    world.git(&["checkout", "-q", "-b", "short"]);
    world.commit("lived");
    mirror.fetch();
    assert_eq!(mirror.look_twice(), ["short"]);
    world.git(&["checkout", "-q", "main"]);
    world.git(&["branch", "-q", "-D", "short"]);
    mirror.fetch();
    world.server_git(&["reflog", "expire", "--expire=now", "--all"]);
    world.server_git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(mirror.look_twice(), ["short"]);
}

#[test]
fn what_a_fetch_brought_is_told_once_two_looks_have_shown_it() {
    let mirror = Mirror::new(0);
    let world = &mirror.world;
    world.commit("two");
    world.git(&["branch", "new"]);
    world.git(&["tag", "v1"]);
    mirror.fetch();
    mirror.look();
    mirror.time_passes(60);
    assert_eq!(String::from_utf8_lossy(&world.webhook(&["flush"]).stdout), "ci: 3 delivered\n");
    assert_eq!(mirror.told(), ["main", "new", "refs/tags/v1"]);
    assert!(mirror.look_twice_of_nothing());
    // What moves on is told when it rests, as one movement.
    let two = world.id("main");
    for message in ["three", "four"] {
        world.commit(message);
        mirror.fetch();
        mirror.look();
        mirror.time_passes(30);
        mirror.look();
        assert!(mirror.receiver.take().is_empty());
    }
    mirror.time_passes(30);
    mirror.look();
    let json = mirror.receiver.take_one().json();
    assert_eq!(
        (json["before"].as_str(), json["after"].as_str()),
        (Some(two.as_str()), Some(world.id("main").as_str()))
    );
    assert_eq!(json["total_commits_count"], 2);
}

impl Mirror {
    fn look_twice_of_nothing(&self) -> bool {
        self.look();
        self.look();
        self.receiver.take().is_empty()
    }
}

#[test]
fn a_mirror_gets_any_number_of_branches() {
    let mirror = Mirror::new(0);
    (0..50).for_each(|number| drop(mirror.world.git(&["branch", &format!("n{number}")])));
    mirror.fetch();
    assert_eq!(mirror.look_twice().len(), 50);
    mirror.world.commit("two");
    (0..50).for_each(|number| drop(mirror.world.git(&["branch", "--force", &format!("n{number}"), "main"])));
    mirror.fetch();
    assert_eq!(mirror.look_twice().len(), 51);
    assert_eq!(mirror.alarm(), Some(0));
}

#[test]
fn many_refs_that_went_stop_it_until_somebody_has_looked() {
    // More than 20 of many, and more than a tenth of few.
    for (branches, gone) in [(300, 21), (15, 2)] {
        for way_out in ["--all", "--baseline"] {
            let mirror = Mirror::new(branches);
            let world = &mirror.world;
            (0..gone).for_each(|number| drop(world.git(&["branch", "--delete", &format!("b{number:02}")])));
            mirror.fetch();
            let said = mirror.look();
            assert!(said.contains(&format!("warning: {gone} refs were rewound or deleted without a hook")), "{said}");
            assert_eq!(mirror.alarm(), Some(2));
            // It says so once, and nothing else moves it.
            world.commit("two");
            mirror.fetch();
            for _ in 0..2 {
                assert_eq!(mirror.look(), "");
                mirror.time_passes(60);
            }
            // Nor does a person who does not say that he means it.
            assert_eq!(world.webhook(&["reconcile"]).status.code(), Some(1));
            assert!(mirror.told().is_empty());
            assert_eq!(mirror.alarm(), Some(2));
            assert!(world.webhook(&["reconcile", way_out]).status.success());
            assert_eq!(mirror.told().len(), if way_out == "--all" { gone + 1 } else { 0 });
            assert_eq!(mirror.alarm(), Some(0));
            world.commit("three");
            mirror.fetch();
            assert_eq!(mirror.look_twice(), ["main"]);
        }
    }
    // As many as that are told.
    let mirror = Mirror::new(300);
    (0..20).for_each(|number| drop(mirror.world.git(&["branch", "--delete", &format!("b{number:02}")])));
    mirror.fetch();
    assert_eq!(mirror.look_twice().len(), 20);
}

#[test]
fn without_the_key_it_looks_only_when_told_so() {
    let mirror = Mirror::new(0);
    let world = &mirror.world;
    world.configure("webhook.reconcile", "false");
    world.commit("two");
    mirror.fetch();
    mirror.look();
    assert!(!world.server().join("webhook/looks").exists());
    assert!(world.webhook(&["flush", "--reconcile"]).status.success());
    mirror.time_passes(60);
    assert!(world.webhook(&["flush", "--reconcile"]).status.success());
    assert_eq!(mirror.told(), ["main"]);
    assert_eq!(read_record(&world.server().join("webhook/looks"))["stopped"], serde_json::Value::Null);
}

#[test]
fn check_says_what_it_means_that_pre_receive_is_not_linked() {
    let set_up = SetUp::new();
    let hook = set_up.server().join("hooks/pre-receive");
    std::fs::remove_file(&hook).unwrap();
    let said = "a push whose hook comes a minute after it is announced as what a mirror brought";
    let says = || set_up.check(&[]).1.iter().any(|finding| finding["message"].as_str().unwrap().contains(said));
    assert!(!says());
    set_up.world.configure("webhook.reconcile", "true");
    set_up.mends("advice", said);
    assert!(hook.exists());
    set_up.is_well();
}

/// A look at files that say that nothing moved reads neither the refs nor what is known of them.
#[test]
fn where_the_files_show_that_nothing_moved_nothing_is_read() {
    let mirror = Mirror::new(3);
    let world = &mirror.world;
    // What was written a moment ago may change in the same tick.
    mirror.look();
    let looks = world.server().join("webhook/looks");
    until("the files are old enough", || {
        mirror.look();
        looks.exists() && read_record(&looks)["unmoved"].is_array()
    });
    let snapshot = world.server().join("webhook/refs");
    let kept = fs::read(&snapshot).unwrap();
    let is_read = || {
        fs::write(&snapshot, "damaged").unwrap();
        let is_well = world.webhook(&["flush"]).status.success();
        fs::write(&snapshot, &kept).unwrap();
        !is_well
    };
    assert!(!is_read());
    // Somebody may have written into a ref's file by hand.
    rewrite_record(&looks, |json| json["unmoved"][1] = (json["unmoved"][1].as_i64().unwrap() - 3600).into());
    assert!(is_read());
    mirror.look();
    // Who wants what is in the snapshot too.
    world.configure("webhook.ci.ref", "main");
    assert!(is_read());
    world.server_git(&["config", "--unset", "webhook.ci.ref"]);
    assert!(!is_read());
    world.commit("two");
    mirror.fetch();
    assert!(is_read());
    assert_eq!(mirror.look_twice(), ["main"]);
    mirror.look();
    world.push(&["main:pushed"]);
    assert!(is_read());
}
