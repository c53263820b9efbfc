//! `safe.bareRepository = explicit`, git 3.0's default: a bare repository is one only where it is named.

use std::fs;
use std::path::Path;

use crate::check::SetUp;
use crate::support::{Ends, Receiver, World, ZERO};

/// From here on git itself goes into no bare repository.
fn becomes_explicit(world: &World) {
    let file = world.path("home/.gitconfig");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("{text}[safe]\n\tbareRepository = explicit\n")).unwrap();
    let output = world.command("git", &world.server()).args(["rev-parse", "--git-dir"]).ends();
    assert!(!output.status.success(), "git does not know the setting");
}

#[test]
fn every_verb_works_in_the_repositorys_directory() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    let id = world.commit("one");
    becomes_explicit(&world);
    assert!(world.push(&["main"]).accepted);
    let payload = format!("payload --format github {ZERO} {id} refs/heads/main");
    let verbs = "list, status, log, flush, reconcile, formats, dead, reviews, test ci, disable ci, enable ci, \
                 add other http://127.0.0.1:9/, remove other, check";
    let programs = Path::new(env!("CARGO_BIN_EXE_git-webhook")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    for as_gits_verb in [false, true] {
        for words in verbs.split(", ").chain([payload.as_str()]) {
            let words: Vec<_> = words.split(' ').collect();
            let mut git = world.command("git", &world.path(""));
            git.env("PATH", &path).arg("-C").arg(world.server()).arg("webhook").args(&words);
            let output = if as_gits_verb { git.ends() } else { world.webhook(&words) };
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// What it guards against: a repository that somebody has put into a work tree.
#[test]
fn one_in_a_work_tree_has_to_be_named() {
    let world = World::new();
    world.git(&["init", "--quiet", "--bare", "inner.git"]);
    becomes_explicit(&world);
    let output = world.command(env!("CARGO_BIN_EXE_git-webhook"), &world.work().join("inner.git")).arg("list").ends();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("safe.bareRepository"), "{said}");
}

#[test]
fn the_commands_of_check_run() {
    let set_up = SetUp::new();
    fs::remove_file(set_up.server().join("hooks/post-receive")).unwrap();
    let config = fs::read_to_string(set_up.config()).unwrap();
    fs::write(
        set_up.config(),
        config + "[webhook \"ci\"]\n\ttimeout = soon\n[webhook \"bare\"]\n\tformat = gitlab\n\tenabled = false\n",
    )
    .unwrap();
    becomes_explicit(&set_up.world);
    let (code, findings) = set_up.check(&[]);
    assert_eq!(code, 1);
    for command in findings.iter().flat_map(|finding| finding["mend"].as_array().unwrap()) {
        let output = set_up.world.command("sh", Path::new("/")).args(["-c", command.as_str().unwrap()]).ends();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    set_up.is_well();
}
