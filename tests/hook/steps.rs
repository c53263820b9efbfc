//! Steps that no hook saw, with ordinary pushes on top of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Child;

use serde_json::Value;

use crate::support::{Receiver, World, ZERO, until, write_program};

/// A repository whose `main` was told and whose refs `reconcile` knows.
struct Site {
    world: World,
    receiver: Receiver,
}

impl Site {
    fn new(options: &[&str]) -> Self {
        let receiver = Receiver::new();
        let world = World::with(options);
        world.add_target("ci", &receiver, "gitlab");
        let site = Self { world, receiver };
        site.world.commit("one");
        site.world.push(&["main"]);
        assert!(site.reconcile().contains("from now on there is"));
        site.receiver.take();
        site
    }

    /// Moves the server's branch to a new commit, as a merge there would, and has the clone follow. Returns the two ids.
    fn merges(&self, branch: &str) -> (String, String) {
        let old = self.world.server_git(&["rev-parse", branch]);
        let tree = format!("{branch}^{{tree}}");
        let new = self.world.server_git(&["commit-tree", "-p", branch, "-m", "merged", &tree]);
        self.world.server_git(&["update-ref", &format!("refs/heads/{branch}"), &new]);
        self.follows(branch);
        (old, new)
    }

    fn follows(&self, branch: &str) {
        let server = self.world.server();
        self.world.git(&["fetch", "--quiet", server.to_str().unwrap(), branch]);
        self.world.git(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    }

    fn pushes(&self, branch: &str) -> String {
        let id = self.world.commit("on top");
        assert!(self.world.push(&[&format!("main:{branch}")]).accepted);
        id
    }

    #[track_caller]
    fn reconcile(&self) -> String {
        let output = self.world.webhook(&["reconcile"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// From where to where each event goes, in the order in which they came.
    fn told(&self) -> Vec<(String, String)> {
        let text = |json: &Value, key: &str| json[key].as_str().unwrap().to_owned();
        let step = |json: Value| (text(&json, "before"), text(&json, "after"));
        self.receiver.take().iter().map(|request| step(request.json())).collect()
    }

    fn log(&self) -> Vec<Value> {
        crate::support::rows(&self.world.webhook(&["log", "--json"]).stdout)
    }
}

#[test]
fn a_step_between_two_pushes_is_told_by_reconcile() {
    for options in [&[][..], &["--ref-format=reftable"]] {
        let site = Site::new(options);
        // From the snapshot on, and from a push on.
        for _ in 0..2 {
            let (old, new) = site.merges("main");
            let top = site.pushes("main");
            assert_eq!(site.told(), [(new.clone(), top.clone())]);
            let short = |id: &str| id[..12].to_owned();
            let said = site.reconcile();
            assert!(said.contains(&format!("{}  {}  delivered", short(&old), short(&new))), "{said}");
            assert_eq!(site.told(), [(old.clone(), new.clone())]);
            let late: Vec<_> = site.log().into_iter().filter(|row| row["late"] == true).collect();
            assert_eq!((&late[0]["old"], &late[0]["new"]), (&old.into(), &new.into()));
            assert_eq!(site.reconcile(), "nothing was missed\n");
        }
        assert_eq!(site.log().len(), 5);
    }
}

/// The hook says so in one line, and tells its own push.
#[test]
fn the_hook_says_that_there_was_a_step() {
    let site = Site::new(&[]);
    site.pushes("main");
    assert_eq!(site.world.log(), "");
    let (old, new) = site.merges("main");
    site.pushes("main");
    let log = site.world.log();
    let said = format!("main moved from {old} to {new} without a hook: git webhook reconcile tells it");
    assert_eq!((log.lines().count(), log.contains(&said)), (1, true), "{log}");
}

/// Until then it is said that there is more.
#[test]
fn so_it_is_said_of_a_push_whose_hook_never_came() {
    let site = Site::new(&[]);
    let (old, new) = site.merges("main");
    site.world.unheard(|| (site.pushes("main"), site.pushes("main")));
    let output = site.world.webhook(&["reconcile"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("warning: refs with a push under way, or cut off less than a minute ago"), "{said}");
    assert!(site.told().is_empty() && site.world.log().is_empty());
    site.world.machine_restarts();
    assert!(site.world.webhook(&["flush"]).status.success());
    assert_eq!(site.told().len(), 2);
    let log = site.world.log();
    let said = format!("main moved from {old} to {new} without a hook: git webhook reconcile tells it");
    assert_eq!((log.lines().count(), log.contains(&said)), (1, true), "{log}");
    assert!(site.reconcile().contains("delivered"));
    assert_eq!(site.told(), [(old, new)]);
}

#[test]
fn several_steps_deletions_and_creations_among_them() {
    let site = Site::new(&[]);
    let world = &site.world;
    world.configure("receive.denyDeleteCurrent", "ignore");
    let (one, two) = site.merges("main");
    let three = site.pushes("main");
    let (_, four) = site.merges("main");
    site.pushes("main");
    assert!(world.push(&["--delete", "main"]).accepted);
    // And made again on the server.
    world.server_git(&["update-ref", "refs/heads/main", &one]);
    site.follows("main");
    site.pushes("main");
    site.told();
    let said = site.reconcile();
    let zero = ZERO.to_owned();
    let mut told = site.told();
    told.sort();
    let mut expected = [(one.clone(), two), (three, four), (zero, one)];
    expected.sort();
    assert_eq!(told, expected, "{said}");
    assert_eq!(site.reconcile(), "nothing was missed\n");
}

/// Who was not asked then hears nothing of it.
#[test]
fn only_those_who_were_asked_are_told() {
    let site = Site::new(&[]);
    let world = &site.world;
    let other = Receiver::new();
    site.pushes("main");
    site.told();
    let (old, new) = site.merges("main");
    // It came after the step, and before the push.
    world.add_target("other", &other, "gitlab");
    let top = site.pushes("main");
    site.reconcile();
    assert_eq!(site.told(), [(new.clone(), top), (old, new)]);
    assert_eq!(other.take().len(), 1);
    // A branch that nobody wanted before: nothing proves that anybody missed anything.
    world.configure("webhook.ci.ref", "dev");
    world.configure("webhook.other.ref", "dev");
    site.reconcile();
    site.pushes("quiet");
    site.pushes("quiet");
    world.configure("webhook.ci.ref", "quiet");
    site.pushes("quiet");
    site.told();
    site.reconcile();
    assert!(site.told().is_empty());
}

/// While a push of the ref is under way, it may be its step.
#[test]
fn what_is_under_way_is_left_to_its_hook() {
    let site = Site::new(&[]);
    let hook = site.world.server().join("hooks/post-receive");
    let kept = hook.with_extension("off");
    fs::rename(&hook, &kept).unwrap();
    site.pushes("main");
    fs::rename(&kept, &hook).unwrap();
    // Told by the next push, in its order.
    let last = site.pushes("main");
    site.reconcile();
    site.world.machine_restarts();
    site.world.webhook(&["flush"]);
    site.reconcile();
    let told = site.told();
    assert_eq!((told.len(), &told[1].1), (2, &last), "{told:?}");
    assert!(site.log().iter().all(|row| row["late"].is_null()));
}

/// A push of main whose post-receive waits: another hook before ours takes its time.
struct SlowPush<'w> {
    world: &'w World,
    program: PathBuf,
    child: Child,
}

impl<'w> SlowPush<'w> {
    fn new(world: &'w World) -> Self {
        let ours = world.server().join("hooks/post-receive");
        let program = fs::read_link(&ours).unwrap();
        let script = format!(
            "#!/bin/sh\n: >reached; n=0; until [ -e go ] || [ $((n += 1)) -gt 6000 ]; do sleep 0.02; done\nexec '{}'\n",
            program.display()
        );
        fs::remove_file(&ours).unwrap();
        write_program(&ours, script);
        world.commit("slow");
        let mut push = world.command("git", &world.work());
        let child = push.args(["push", "--quiet"]).arg(world.server()).arg("main").spawn().unwrap();
        until("the hook runs", || world.server().join("reached").exists());
        Self { world, program, child }
    }

    /// The hooks of pushes that come now are not held up.
    fn lets_others_pass(&self) {
        let ours = self.world.server().join("hooks/post-receive");
        fs::remove_file(&ours).unwrap();
        symlink(&self.program, &ours).unwrap();
    }

    fn goes_on(mut self) {
        fs::write(self.world.server().join("go"), "").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// Without pre-receive nothing tells of a push before its hook does.
#[test]
fn a_hook_that_comes_after_reconcile_finds_its_push_told() {
    for on_top in [false, true] {
        let site = Site::new(&[]);
        let world = &site.world;
        fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        let slow = SlowPush::new(world);
        if on_top {
            slow.lets_others_pass();
            site.pushes("main");
        }
        site.reconcile();
        let expected = 1 + usize::from(on_top);
        assert_eq!(site.told().len(), expected);
        slow.goes_on();
        assert!(site.told().is_empty(), "{on_top}");
        assert_eq!(site.reconcile(), "nothing was missed\n");
        // A push that says the same later is one of its own.
        let ids = ["main~1", "main"].map(|name| world.id(name));
        world.server_git(&["update-ref", "refs/heads/main", &ids[0]]);
        if !on_top {
            world.push(&["main"]);
            assert_eq!(site.told(), [(ids[0].clone(), ids[1].clone())]);
        }
    }
}

/// Two receipts show it, whether a snapshot was ever taken or not.
#[test]
fn the_first_reconcile_tells_what_lies_between_pushes() {
    let site = Site::new(&[]);
    fs::remove_file(site.world.server().join("webhook/refs")).unwrap();
    site.pushes("main");
    let (old, new) = site.merges("main");
    site.pushes("main");
    site.receiver.take();
    let output = site.world.webhook(&["reconcile", "--dry-run"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("different"));
    assert!(site.reconcile().contains("delivered"));
    assert_eq!(site.told(), [(old, new)]);
    assert_eq!(site.reconcile(), "nothing was missed\n");
}

/// A hook that is late with an older push: what was written down before the refs moved says what came first.
#[test]
fn hooks_that_come_in_another_order_invent_no_rewind() {
    let site = Site::new(&[]);
    let slow = SlowPush::new(&site.world);
    slow.lets_others_pass();
    let (old, new) = site.merges("main");
    site.pushes("main");
    slow.goes_on();
    assert_eq!(site.told().len(), 2);
    site.reconcile();
    assert_eq!(site.told(), [(old, new)]);
    assert_eq!(site.reconcile(), "nothing was missed\n");
}

/// However many refs a push has, its log says that some had moved.
#[test]
fn of_many_refs_one_line_is_logged() {
    let site = Site::new(&[]);
    let names: Vec<_> = (0..25).map(|number| format!("main:b{number:02}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    site.world.push(&names);
    for number in 0..25 {
        let old = site.world.server_git(&["rev-parse", &format!("b{number:02}")]);
        let new = site.world.server_git(&["commit-tree", "-p", &old, "-m", "merged", &format!("{old}^{{tree}}")]);
        site.world.server_git(&["update-ref", &format!("refs/heads/b{number:02}"), &new]);
    }
    site.follows("b00");
    site.world.commit("on top");
    let forced: Vec<_> = names.iter().map(|name| format!("+{name}")).collect();
    site.world.push(&forced.iter().map(String::as_str).collect::<Vec<_>>());
    let log = site.world.log();
    let said = "25 refs, the first of them refs/heads/b00, moved without a hook before this push: git webhook reconcile tells it";
    assert_eq!((log.lines().count(), log.contains(said)), (1, true), "{log}");
}

/// A push that came while its target was disabled is nobody's once it is enabled, whether by `reconcile` or as a step.
#[test]
fn what_was_pushed_while_the_target_was_disabled_is_not_announced() {
    for with_other in [false, true] {
        let site = Site::new(&[]);
        if with_other {
            site.world.add_target("other", &Receiver::new(), "gitlab");
            site.world.configure("webhook.other.ref", "refs/tags/*");
            site.reconcile();
        }
        site.world.webhook(&["disable", "ci"]);
        site.pushes("main");
        site.pushes("topic");
        site.world.webhook(&["enable", "ci"]);
        assert_eq!(site.reconcile(), "nothing was missed\n", "{with_other}");
        site.pushes("topic");
        assert_eq!(site.told().len(), 1);
        // What moves without a hook is told as ever.
        site.merges("main");
        assert!(site.reconcile().contains("delivered"));
        assert_eq!(site.told().len(), 1);
        assert!(site.world.log().is_empty(), "{}", site.world.log());
    }
}
