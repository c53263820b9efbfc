//! One system call after another fails, or is the last of its process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Ends, Journal, Lab, Place, Scene, Update, dead, line, pre_receive, told};

#[test]
fn of_two_pushes_in_a_row_whose_hooks_died_both_are_told() {
    let journal = Arc::new(Journal::default());
    let lab = Lab::new(Arc::clone(&journal));
    for step in 0..2 {
        assert!(lab.run(pre_receive(&lab.world), step, &[]).status.success());
        lab.move_ref(step + 1);
    }
    lab.world.machine_restarts();
    lab.flush();
    let heard: Vec<_> = journal.take().into_iter().map(|heard| heard.update).collect();
    assert_eq!(heard, [lab.update(0), lab.update(1)]);
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn bad_314_to_355_whatever_system_call_fails_or_is_the_last_no_event_is_lost_or_doubled() {
    let lab = || Lab::new(Arc::new(Journal::default()));
    let labs: Vec<_> = thread::scope(|scope| {
        let labs: Vec<_> = (0..3).map(|_| scope.spawn(lab)).collect();
        labs.into_iter().map(|lab| lab.join().unwrap()).collect()
    });
    let cases: Vec<_> = Scene::ALL.into_iter().flat_map(|scene| labs[0].cases(scene)).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for lab in &labs {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = lab.examine(case);
                    failures.lock().unwrap().extend(wrong.into_iter().map(|wrong| format!("{case:?}: {wrong}")));
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    eprintln!("{} cases, {} failures", cases.len(), failures.len());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// After a failed fdatasync nobody knows what is on the disk, and a second one says that all is well.
#[test]
#[ignore = "needs strace: run tests/run"]
fn an_fdatasync_that_fails_is_not_tried_again() {
    for scene in [Scene::Accepted, Scene::Refused, Scene::Announcing] {
        let lab = Lab::new(Arc::new(Journal::default()));
        lab.set(scene);
        let trace = lab.world.path("trace");
        let options = ["-y", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"];
        lab.trace(scene, &trace, &options);
        let text = fs::read_to_string(&trace).unwrap();
        let paths: Vec<_> = text.lines().filter_map(|line| Some(line.split_once('<')?.1.split_once('>')?.0)).collect();
        assert_eq!(paths.len(), paths.iter().collect::<BTreeSet<_>>().len(), "{scene:?}: {text}");
        assert!(!paths.is_empty(), "{scene:?}: {text}");
    }
}

/// After a power cut a name leads to what was on the disk when it was given.
#[test]
#[ignore = "needs strace: run tests/run"]
fn records_are_on_the_disk_before_they_have_their_names() {
    for (scene, place) in
        [(Scene::Announcing, Place::Intents), (Scene::Accepted, Place::Receipts), (Scene::Refused, Place::Queue("ci"))]
    {
        let lab = Lab::new(Arc::new(Journal::default()));
        lab.set(scene);
        let trace = lab.world.path("trace");
        lab.trace(scene, &trace, &["-y", "-e", "trace=fdatasync,fsync,?rename,?renameat,?renameat2,?linkat"]);
        let text = fs::read_to_string(&trace).unwrap();
        let directory = lab.world.place(place).into_os_string().into_string().unwrap();
        assert_eq!(unsynced(&text, &directory), (1, vec![]), "{scene:?}: {text}");
    }
}

/// How many records a trace places in a directory, and those of them that were not on the disk before, or whose name
/// was not after.
fn unsynced<'t>(trace: &'t str, directory: &str) -> (usize, Vec<&'t str>) {
    let paths = |line: &'t str| line.split('<').skip(1).filter_map(|part| Some(part.split_once('>')?.0));
    let lines: Vec<_> = trace.lines().collect();
    let is_placed = |line: &str| {
        let is_record = line.rsplit('"').nth(1).is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()));
        line.contains(" renameat") && is_record
    };
    let placed = lines.iter().enumerate().filter(|(_, line)| is_placed(line) && paths(line).nth(1) == Some(directory));
    let placed: Vec<_> = placed.collect();
    let is_durable = |at: usize, line: &'t str| {
        let draft = format!("{}/{}", paths(line).next().unwrap(), line.split('"').nth(1).unwrap());
        let is_synced = |lines: &[&'t str], path: &str| {
            lines.iter().any(|line| line.contains("sync(") && paths(line).any(|synced| synced == path))
        };
        is_synced(&lines[..at], &draft) && is_synced(&lines[at..], directory)
    };
    let unsynced = placed.iter().filter(|(at, line)| !is_durable(*at, line)).map(|(_, line)| **line);
    (placed.len(), unsynced.collect())
}

/// What happens at a system call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Kill,
    Error(&'static str),
}

/// One system call, by its name and its number among those of a thread, goes wrong.
#[derive(Clone, Copy, Debug)]
struct Case {
    scene: Scene,
    call: &'static str,
    when: usize,
    fault: Fault,
    /// Only calls on the delivery log count, which a thread of its own writes.
    of_log: bool,
}

/// What changes files. `?`: not every machine has them all.
const CALLS: [&str; 7] =
    ["write", "fdatasync", "fsync", "?rename,?renameat,?renameat2", "?unlink,?unlinkat", "ftruncate", "openat"];

impl Lab {
    /// All that can go wrong in a scene.
    fn cases(&self, scene: Scene) -> Vec<Case> {
        self.set(scene);
        let trace = self.world.path("trace");
        let calls = format!("trace={}", CALLS.join(","));
        let output = self.trace(scene, &trace, &["-e", &calls]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(&trace).unwrap();
        let mut cases = Vec::new();
        for call in CALLS {
            for name in call.split(',').map(|name| name.trim_start_matches('?')) {
                let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
                let mut numbers = BTreeSet::new();
                for line in text.lines() {
                    let Some((pid, rest)) = line.split_once(' ') else { continue };
                    if rest.trim_start().starts_with(&format!("{name}(")) {
                        let count = counts.entry(pid).or_default();
                        *count += 1;
                        if name != "openat" || ["webhook/", "refs"].iter().any(|part| rest.contains(part)) {
                            numbers.insert(*count);
                        }
                    }
                }
                let faults = [Fault::Kill, Fault::Error("EIO"), Fault::Error("ENOSPC")];
                let faults = faults.into_iter().filter(|fault| name != "openat" || *fault != Fault::Kill);
                for fault in faults {
                    let name = CALLS.iter().flat_map(|call| call.split(',')).find(|it| it.ends_with(name)).unwrap();
                    let case = |when| Case { scene, call: name, when, fault, of_log: false };
                    cases.extend(numbers.iter().map(|number| case(*number)));
                    if name == "write" && scene != Scene::Announcing {
                        cases.push(Case { of_log: true, ..case(1) });
                    }
                }
            }
        }
        cases
    }

    /// What is wrong after a case: with the push itself, one that follows on it and a flush.
    fn examine(&self, case: &Case) -> Vec<String> {
        let Case { scene, call, when, fault, of_log } = *case;
        self.set(scene);
        let fault_option = match fault {
            Fault::Kill => "signal=KILL".into(),
            Fault::Error(error) => format!("error={error}"),
        };
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:{fault_option}:when={when}");
        let mut options = vec!["-e", &trace, "-e", &inject];
        let log = self.world.place(Place::LogOn(&day()));
        if of_log {
            options.extend(["-P", log.to_str().unwrap()]);
        }
        let output = self.trace(scene, &self.world.path("trace"), &options);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut wrong = Vec::new();
        let was_killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
        let is_flush = matches!(scene, Scene::Flushing | Scene::Settling);
        if fault != Fault::Kill && !is_flush && !output.status.success() {
            wrong.push(format!("{}: {said}", output.status));
        }
        let update = self.update(Self::step(scene));
        let mut next = Self::step(scene) + 1;
        let mut expected = vec![];
        if scene == Scene::Draining {
            expected.push(self.update(0));
        }
        if scene == Scene::Announcing {
            if was_killed {
                // git refuses the push, and the next one begins where this one did.
                next = 0;
            } else {
                self.move_ref(1);
                self.run(self.world.hook(), 0, &[]);
                expected.push(update.clone());
            }
        } else {
            let records = [self.world.intents(), self.world.receipts(), self.world.settled()].concat();
            let is_kept = told(&records).contains_key(&update);
            if is_kept || !was_killed {
                expected.push(update.clone());
            }
        }
        let is_loud = said.contains("cannot be written down");
        self.status.store(200, Ordering::SeqCst);
        if matches!(scene, Scene::Promoted | Scene::Settling | Scene::Announcing) {
            self.run(pre_receive(&self.world), next, &[]);
        }
        self.move_ref(next + 1);
        let second = self.run(self.world.hook(), next, &[]);
        expected.push(self.update(next));
        if !second.status.success() || String::from_utf8_lossy(&second.stderr).contains("cannot") {
            wrong.push(format!("the second push: {}", String::from_utf8_lossy(&second.stderr)));
        }
        self.world.machine_restarts();
        self.flush();
        let waiting = self.world.unfinished();
        if !waiting.is_empty() {
            wrong.push(format!("still waits: {waiting:?}"));
        }
        let dead = dead(&self.world);
        if !dead.is_empty() {
            wrong.push(format!("dead letters: {dead:?}"));
        }
        let heard = self.journal.take();
        let taken: Vec<_> = heard.iter().filter(|heard| heard.status == 200).collect();
        let mut first: Vec<Update> = Vec::new();
        for heard in &taken {
            if !first.contains(&heard.update) {
                first.push(heard.update.clone());
            }
        }
        for update in &first {
            let ids: BTreeSet<_> =
                heard.iter().filter(|heard| heard.update == *update).map(|heard| &heard.id).collect();
            if ids.len() > 1 {
                wrong.push(format!("{} has the ids {ids:?}", line(update).trim_end()));
            }
            let count = taken.iter().filter(|heard| heard.update == *update).count();
            if count > 1 && !was_killed && !said.contains("it will be delivered once more") {
                wrong.push(format!("{} was told {count} times", line(update).trim_end()));
            }
        }
        first.retain(|it| was_killed || expected.contains(it));
        let lost: Vec<_> = expected.iter().filter(|update| !first.contains(update)).collect();
        let is_told_loudly = is_loud && lost == [&update];
        if !lost.is_empty() && !is_told_loudly {
            wrong.push(format!("lost: {lost:?}"));
        }
        first.retain(|it| expected.contains(it));
        let in_order: Vec<_> = expected.iter().filter(|it| first.contains(it)).collect();
        if first.iter().collect::<Vec<_>>() != in_order && !is_loud {
            wrong.push(format!("out of order: {first:?}"));
        }
        if self.world.log().contains("panic") {
            wrong.push(format!("panicked: {}", self.world.log()));
        }
        if !wrong.is_empty() {
            wrong.push(format!("said {said:?}, logged {:?}", self.world.log()));
        }
        wrong
    }
}

/// Today's file of the delivery log.
fn day() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).ends();
    String::from_utf8(output.stdout).unwrap().trim().into()
}
