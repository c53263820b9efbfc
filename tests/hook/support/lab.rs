//! A repository in which a scene is played again and again: its state is made once, and copied each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{Journal, Place, Update, World, ZERO, line};

/// What is done while a system call fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scene {
    /// post-receive, to a receiver that is well.
    Accepted,
    /// The same, where there is an intent.
    Promoted,
    /// post-receive, to a receiver that is not.
    Refused,
    /// post-receive, behind a delivery that waits.
    Draining,
    /// `git webhook flush` with a delivery that waits.
    Flushing,
    /// `git webhook flush` with an intent whose hook never came.
    Settling,
    /// pre-receive.
    Announcing,
}

impl Scene {
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Promoted,
        Self::Refused,
        Self::Draining,
        Self::Flushing,
        Self::Settling,
        Self::Announcing,
    ];
}

/// A repository with one branch that moves along a chain of commits, and one receiver.
pub struct Lab {
    pub world: World,
    commits: Vec<String>,
    pub journal: Arc<Journal>,
    pub status: Arc<AtomicU16>,
}

impl Lab {
    pub fn new(journal: Arc<Journal>) -> Self {
        let world = World::new();
        let status = Arc::new(AtomicU16::new(200));
        let shared = Arc::clone(&status);
        world.add_target("ci", &journal.receiver(move || (shared.load(Ordering::SeqCst), Duration::ZERO)), "gitlab");
        let commits = chain(&world, 4);
        let lab = Self { world, commits, journal, status };
        for scene in Scene::ALL {
            lab.prepare(scene);
        }
        lab
    }

    /// The state in which a scene begins is made once, and copied for each case.
    fn prepare(&self, scene: Scene) {
        match scene {
            Scene::Promoted | Scene::Settling => {
                self.move_ref(0);
                self.run(pre_receive(&self.world), 0, &[]);
                self.move_ref(1);
                if scene == Scene::Settling {
                    self.world.machine_restarts();
                }
            }
            Scene::Draining | Scene::Flushing => {
                self.status.store(500, Ordering::SeqCst);
                self.run(self.world.hook(), 0, &[]);
                self.status.store(200, Ordering::SeqCst);
                assert_eq!(self.world.unfinished().len(), 1);
                self.world.backoff_ends("ci");
            }
            Scene::Accepted | Scene::Refused | Scene::Announcing => {}
        }
        let state = self.world.server().join("webhook");
        let copy = self.world.path(&format!("{scene:?}"));
        if state.exists() {
            fs::rename(state, copy).unwrap();
        } else {
            fs::create_dir(copy).unwrap();
        }
        self.journal.take();
    }

    /// Which update of the chain the scene is about.
    pub fn step(scene: Scene) -> usize {
        usize::from(scene == Scene::Draining)
    }

    pub fn update(&self, step: usize) -> Update {
        let old = step.checked_sub(1).map_or(ZERO, |before| &self.commits[before]);
        ("refs/heads/main".into(), old.into(), self.commits[step].clone())
    }

    /// Lets the branch stand where it is after so many steps.
    pub fn move_ref(&self, steps: usize) {
        let path = self.world.server().join("refs/heads/main");
        match steps.checked_sub(1) {
            Some(step) => fs::write(path, format!("{}\n", self.commits[step])).unwrap(),
            None => drop(fs::remove_file(path)),
        }
    }

    pub fn set(&self, scene: Scene) {
        let state = self.world.server().join("webhook");
        drop(fs::remove_dir_all(&state));
        copy(&self.world.path(&format!("{scene:?}")), &state);
        self.world.is_no_copy();
        let is_before = scene == Scene::Announcing;
        self.move_ref(Self::step(scene) + usize::from(!is_before));
        self.status.store(if scene == Scene::Refused { 500 } else { 200 }, Ordering::SeqCst);
        self.journal.take();
    }

    /// Runs a program, below strace where there are options for it, fed with the update of a step.
    pub fn run(&self, command: Command, step: usize, strace: &[&str]) -> Output {
        let input = line(&self.update(step));
        if strace.is_empty() {
            let mut command = command;
            return self.world.feed(&mut command, input.as_bytes());
        }
        let mut traced = self.world.command("strace", &self.world.server());
        traced.args(["-f", "-q", "-s", "0"]).args(strace).arg(command.get_program()).args(command.get_args());
        traced.env("GIT_DIR", ".");
        self.world.feed(&mut traced, input.as_bytes())
    }

    /// Plays a scene below strace.
    pub fn trace(&self, scene: Scene, trace: &Path, options: &[&str]) -> Output {
        let options = [&["-o", trace.to_str().unwrap()], options].concat();
        let command = match scene {
            Scene::Announcing => pre_receive(&self.world),
            Scene::Flushing | Scene::Settling => {
                let mut command = self.world.webhook_command();
                command.args(["flush", "--now"]);
                command
            }
            _ => self.world.hook(),
        };
        self.run(command, Self::step(scene), &options)
    }

    pub fn flush(&self) {
        for _ in 0..3 {
            let output = self.world.webhook(&["flush", "--now"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            if self.world.unfinished().is_empty() {
                break;
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

pub fn pre_receive(world: &World) -> Command {
    let mut command = world.command(world.server().join("hooks/pre-receive"), &world.server());
    command.env("GIT_DIR", ".");
    command
}

/// Makes a chain of commits in the bare repository and returns their ids.
pub fn chain(world: &World, length: usize) -> Vec<String> {
    let commit = |number| {
        format!("commit refs/heads/chain\ncommitter C <c@example.com> {} +0000\ndata 1\nx\n\n", 1_700_000_000 + number)
    };
    let stream: String = (0..length).map(commit).collect();
    let mut import = world.command("git", &world.server());
    let output = world.feed(import.args(["fast-import", "--quiet"]), stream.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.server_git(&["rev-list", "--reverse", "refs/heads/chain"]).lines().map(String::from).collect()
}

/// Dead letters, whatever they are.
pub fn dead(world: &World) -> Vec<PathBuf> {
    let targets = fs::read_dir(world.place(Place::AllDead)).into_iter().flatten().flatten();
    targets.flat_map(|target| fs::read_dir(target.path()).unwrap().flatten().map(|entry| entry.path())).collect()
}
