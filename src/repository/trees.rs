//! Comparisons of generated trees, beside git's.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::Objects;
use super::changes::{Budget, compare};
use super::object::RawCommit;
use crate::ref_update::{ObjectFormat, ObjectId};

/// What a commit does to a path: it is there with this content and mode, or it is gone with all below it.
type Step = Vec<(usize, Option<(u8, u8)>)>;

/// Names that sort before and behind a directory of the same beginning, and names that are both a file and a directory in turn.
const PATHS: [&str; 14] =
    ["a", "a/b", "a/b/c", "a.b", "a-b", "a0", "b/c", "b/d", "b/e/f", "c", "c/d/e/f/g", "long/er", "long.er", "z"];

const MODES: [&str; 4] = ["100644", "100755", "120000", "100644"];

fn history() -> impl Strategy<Value = Vec<Step>> {
    let content = proptest::option::weighted(0.7, (0_u8..3, 0_u8..4));
    let flat = (0_usize..400, proptest::option::weighted(0.8, (0_u8..3, 0_u8..2)));
    let step = prop_oneof![
        proptest::collection::vec((0..PATHS.len(), content), 1..6),
        proptest::collection::vec(flat.prop_map(|(n, content)| (PATHS.len() + n, content)), 1..120),
    ];
    proptest::collection::vec(step, 2..30)
}

fn path(number: usize) -> String {
    PATHS.get(number).map_or_else(|| format!("flat/file{number}"), |path| (*path).to_owned())
}

fn git(directory: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("git");
    command.current_dir(directory).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn import(directory: &Path, history: &[Step]) {
    let mut stream = String::new();
    for (number, step) in history.iter().enumerate() {
        stream += &format!("commit refs/heads/main\ncommitter C <c@x> {} +0000\ndata 1\nx\n", 1_700_000_000 + number);
        for (at, content) in step {
            let path = path(*at);
            match content {
                Some((content, mode)) => {
                    let mode = MODES[usize::from(*mode)];
                    stream += &format!("M {mode} inline {path}\ndata 2\n{content}\n\n");
                }
                None => stream += &format!("D {path}\n"),
            }
        }
        stream.push('\n');
    }
    git(directory, &["init", "-q", "--bare", "-b", "main", "."], "");
    git(directory, &["fast-import", "--quiet"], &stream);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_of_generated_trees_are_those_that_git_tells(history in history()) {
        let directory = tempfile::tempdir().unwrap();
        import(directory.path(), &history);
        fs::write(directory.path().join("config"), "[core]\nbare = true\nrepositoryformatversion = 0\n").unwrap();
        let format = ["log", "--reverse", "--format=:%H", "--name-status", "--no-renames", "--root", "main"];
        let told = git(directory.path(), &format, "");
        let objects = Objects::open(directory.path(), ObjectFormat::Sha1).unwrap();
        let mut parent = None;
        for commit in told.split(':').skip(1) {
            let mut lines = commit.lines();
            let id = ObjectId::from_hex(lines.next().unwrap().as_bytes()).flatten().unwrap();
            let mut expected: Vec<_> = lines.filter(|line| !line.is_empty()).map(|line| line.replacen('T', "M", usize::from(line.starts_with('T')))).collect();
            expected.sort();
            let tree = RawCommit::parse(objects.read(id).unwrap().data()).tree;
            let changes = compare(&objects, parent, tree, &mut Budget::default());
            let lists = [("A", &changes.added), ("M", &changes.modified), ("D", &changes.removed)];
            let lines = lists.into_iter().flat_map(|(kind, paths)| paths.iter().map(move |path| format!("{kind}\t{path}")));
            let mut found: Vec<_> = lines.collect();
            found.sort();
            prop_assert_eq!(found, expected);
            parent = tree;
        }
    }
}
