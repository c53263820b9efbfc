//! Root's verbs while the owner of a repository exchanges it, or what is in it, for something else: what root does there
//! is what the owner could have done himself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::owners::{as_root, bring_programs, of_nobody};
use crate::support::{Answer, Ends, Place, Receiver, World};

/// A user and a group that are nobody else's here.
const MEMBER: u32 = 1501;

/// How long each race goes on: ten seconds, or as long as tests/run --long says.
fn is_on(start: Instant) -> bool {
    let seconds = std::env::var("GIT_WEBHOOK_RACE").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    start.elapsed() < Duration::from_secs(seconds)
}

/// Exchanges two names for one another, again and again, until it is dropped.
struct Exchange {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Exchange {
    fn of(one: &Path, other: &Path) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (one, other, seen) = (one.to_owned(), other.to_owned(), Arc::clone(&is_over));
        let exchange = move || {
            while !seen.load(Ordering::Relaxed) {
                // Where root has removed one of them meanwhile, the race is lost by what the test sees then.
                let _ = renameat2(AT_FDCWD, &one, AT_FDCWD, &other, RenameFlags::RENAME_EXCHANGE);
            }
        };
        Self { is_over, thread: Some(thread::spawn(exchange)) }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn chown(path: &Path, owner: &str) {
    assert!(Command::new("chown").args(["-hR", owner]).arg(path).ends().status.success());
}

/// A repository with a secret and with an event that waits, whose target does not answer.
fn victim() -> World {
    let world = World::told_to(&Receiver::answering(Answer::Status(503)), "gitlab");
    bring_programs(&world);
    let secrets = world.server().join("webhook/secret");
    fs::create_dir_all(&secrets).unwrap();
    fs::write(secrets.join("ci"), "the victim's own secret, which is long").unwrap();
    fs::set_permissions(secrets.join("ci"), fs::Permissions::from_mode(0o600)).unwrap();
    world.configure("webhook.ci.secretFile", "ci");
    world.commit("one");
    world.push(&["main:victims"]);
    assert_eq!(world.waiting("ci").len(), 1);
    world
}

/// Below one directory, the attacker exchanges his repository for a link to the victim's, while root looks after all.
fn exchanges_for_a_link(victim: &World) {
    let heard = Receiver::new();
    let attacker = of_nobody();
    let config = attacker.server().join("config");
    for (key, value) in [("url", heard.url().as_str()), ("secretFile", "ci")] {
        let file = config.to_str().unwrap();
        let key = format!("webhook.ci.{key}");
        assert!(Command::new("git").args(["config", "--file", file, &key, value]).ends().status.success());
    }
    fs::create_dir_all(attacker.server().join("webhook/secret")).unwrap();
    fs::write(attacker.server().join("webhook/secret/ci"), "the attacker's own secret, also long").unwrap();
    for (name, mode) in [("webhook", 0o700), ("webhook/secret", 0o700), ("webhook/secret/ci", 0o600)] {
        fs::set_permissions(attacker.server().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let link = attacker.path("link");
    symlink(victim.server(), &link).unwrap();
    chown(&attacker.server(), "65534:65534");
    let root = attacker.path("");
    let race = Exchange::of(&attacker.server(), &link);
    let start = Instant::now();
    let mut rounds = 0;
    while is_on(start) || rounds == 0 {
        as_root(&attacker, Path::new("/"), &["flush", "--now", "--root", root.to_str().unwrap()]);
        rounds += 1;
    }
    drop(race);
    for request in heard.take() {
        let token = request.header("X-Gitlab-Token").to_owned();
        assert!(!token.contains("victim"), "the attacker has the victim's secret after {rounds} rounds");
        assert_ne!(request.json()["ref"], "refs/heads/victims", "the attacker has the victim's event, token {token}");
    }
    assert_eq!(victim.waiting("ci").len(), 1, "after {rounds} rounds");
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn root_is_not_led_into_a_repository_of_his_own() {
    exchanges_for_a_link(&victim());
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn root_is_not_led_into_a_third_users_repository() {
    let victim = victim();
    chown(&victim.server(), &format!("{MEMBER}:{MEMBER}"));
    exchanges_for_a_link(&victim);
}

/// A repository of root's that a group may write is not root's alone: a member would have him remove what he likes.
#[test]
#[ignore = "needs two users: run tests/run"]
fn root_does_nothing_in_a_repository_of_his_that_a_group_may_write() {
    let world = victim();
    let precious = world.path("precious");
    fs::create_dir_all(precious.join("15/main")).unwrap();
    fs::write(precious.join("15/main/f"), "data").unwrap();
    let settled = world.place(Place::Settled);
    fs::create_dir_all(settled.join("15")).unwrap();
    let link = world.place(Place::Spool).join("x");
    symlink(&precious, &link).unwrap();
    fs::set_permissions(world.server(), fs::Permissions::from_mode(0o2775)).unwrap();
    let race = Exchange::of(&settled, &link);
    let start = Instant::now();
    while is_on(start) {
        let output = as_root(&world, Path::new("/"), &["flush", "--root", world.path("").to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("is root's, but others can write it"), "{said}");
    }
    drop(race);
    assert!(precious.join("15/main/f").exists());
}

/// What prunes goes by what it opened: a link in the place of a directory of ours leads it nowhere.
#[test]
#[ignore = "needs two users: run tests/run"]
fn nothing_is_removed_behind_a_link() {
    let world = victim();
    let precious = world.path("precious");
    fs::create_dir_all(precious.join("2001-01-01/main")).unwrap();
    fs::write(precious.join("2001-01-01/main/f"), "data").unwrap();
    let settled = world.place(Place::Settled);
    let link = world.place(Place::Spool).join("x");
    symlink(&precious, &link).unwrap();
    let race = Exchange::of(&settled, &link);
    let start = Instant::now();
    while is_on(start) {
        as_root(&world, &world.server(), &["flush"]);
    }
    drop(race);
    assert!(precious.join("2001-01-01/main/f").exists());
}
