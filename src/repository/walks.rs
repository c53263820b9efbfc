//! Walks over generated histories, compared with what can be reached by the plainest of means, with and without git's index.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::sample::Index;

use super::Objects;
use super::revwalk::{Hidden, Range, Revwalk};
use crate::ref_update::{ObjectFormat, ObjectId};

/// A history before its commits have ids: of each commit its time, and its parents among those before it.
type Shape = Vec<(i64, Vec<usize>)>;

/// How far clocks are wrong in a generated history.
#[derive(Clone, Copy, Debug)]
enum Clocks {
    Right,
    /// By so many commits at most.
    Skewed(i64),
    /// One commit of many is from 1970, or from the future.
    OneWild,
    /// No time means anything.
    Random,
}

fn clocks() -> impl Strategy<Value = Clocks> {
    prop_oneof![
        3 => Just(Clocks::Right),
        4 => (1_i64..40).prop_map(Clocks::Skewed),
        3 => Just(Clocks::OneWild),
        2 => Just(Clocks::Random),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let commit = (any::<u32>(), proptest::collection::vec(any::<prop::sample::Index>(), 0..4), any::<bool>());
    (clocks(), proptest::collection::vec(commit, 2..60)).prop_map(|(clocks, commits)| {
        let wild = commits[0].0 as usize % commits.len();
        let time = |at: usize, random: u32| {
            let right = 1_700_000_000 + 3600 * at as i64;
            match clocks {
                Clocks::Right => right,
                Clocks::Skewed(by) => right + 3600 * (i64::from(random) % (2 * by + 1) - by),
                Clocks::OneWild if at == wild => [0, 4_000_000_000][at % 2],
                Clocks::OneWild => right,
                Clocks::Random => i64::from(random),
            }
        };
        let parents = |at: usize, choice: &[prop::sample::Index], near: bool| {
            let window = if near { at.min(4) } else { at };
            let pick = |index: &prop::sample::Index| at - 1 - index.index(window);
            if at == 0 { Vec::new() } else { choice.iter().map(pick).collect() }
        };
        commits
            .iter()
            .enumerate()
            .map(|(at, (random, choice, near))| (time(at, *random), parents(at, choice, *near)))
            .collect()
    })
}

/// Writes the commits to a database.
fn store(odb: &git2::Odb<'_>, format: ObjectFormat, shape: &Shape) -> Vec<ObjectId> {
    let mut ids: Vec<ObjectId> = Vec::new();
    let digits = 2 * format.id_len();
    for (at, (time, parents)) in shape.iter().enumerate() {
        let mut text = format!("tree {}\n", "1".repeat(digits));
        for parent in parents {
            text += &format!("parent {}\n", ids[*parent]);
        }
        text += &format!("author A <a> 1 +0000\ncommitter C <c> {time} +0000\n\n{at}\n");
        let id = odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
        ids.push(ObjectId::from_bytes(id.as_bytes()).unwrap());
    }
    ids
}

fn in_memory() -> Objects {
    let odb = git2::Odb::new_ext(git2::ObjectFormat::Sha1).unwrap();
    odb.add_new_mempack_backend(1000).unwrap();
    Objects::of(odb)
}

fn reachable(shape: &Shape, from: &[usize]) -> BTreeSet<usize> {
    let (mut seen, mut stack) = (BTreeSet::new(), from.to_vec());
    while let Some(at) = stack.pop() {
        if seen.insert(at) {
            stack.extend(&shape[at].1);
        }
    }
    seen
}

/// Which ranges are asked for: tips, each with what it hides, and how many commits are listed.
type Asked = (Vec<(Index, Vec<Index>)>, usize);

fn asked() -> impl Strategy<Value = Asked> {
    let hidden = proptest::collection::vec(any::<Index>(), 0..5);
    (proptest::collection::vec((any::<Index>(), hidden), 1..4), 0_usize..70)
}

/// A range is what the tip leads to without what the hidden commits lead to, the newest of it in an order that git would take.
fn check(
    shape: &Shape,
    ids: &[ObjectId],
    tip: usize,
    hidden: &[usize],
    limit: usize,
    range: &Range,
) -> Result<(), TestCaseError> {
    let all = reachable(shape, &[tip]);
    let expected: BTreeSet<_> = all.difference(&reachable(shape, hidden)).copied().collect();
    prop_assert_eq!(range.total, expected.len() as u64);
    prop_assert_eq!(range.lacks, None);
    let listed: Vec<_> = range.newest.iter().map(|id| ids.iter().position(|other| other == id).unwrap()).collect();
    prop_assert_eq!(listed.len(), limit.min(expected.len()));
    prop_assert!(listed.iter().all(|at| expected.contains(at)));
    for (place, at) in listed.iter().enumerate() {
        let later = &listed[place..];
        prop_assert!(shape[*at].1.iter().all(|parent| !later.contains(parent)), "a parent after its child");
    }
    if let [hidden] = hidden[..] {
        prop_assert_eq!(range.builds_on_hidden, all.contains(&hidden));
    }
    Ok(())
}

/// Asks for ranges in turn, as for several refs of one push: each with what it hides itself, and then all with what the first
/// hides, looked at once.
fn ask(revwalk: &mut Revwalk<'_>, shape: &Shape, ids: &[ObjectId], asked: &Asked) -> Result<Vec<Range>, TestCaseError> {
    let (ranges, limit) = asked;
    let mut answers = Vec::new();
    let places = |hidden: &[Index]| hidden.iter().map(|index| index.index(ids.len())).collect::<Vec<_>>();
    let first = places(&ranges[0].1);
    let mut shared = Hidden::new(first.iter().map(|at| ids[*at]).collect());
    for (tip, hidden) in ranges {
        let (tip, hidden) = (tip.index(ids.len()), places(hidden));
        let hidden_ids: Vec<_> = hidden.iter().map(|at| ids[*at]).collect();
        let own = revwalk.range(ids[tip], &hidden_ids, *limit);
        check(shape, ids, tip, &hidden, *limit, &own)?;
        let common = revwalk.range_without(&mut shared, ids[tip], *limit);
        check(shape, ids, tip, &first, *limit, &common)?;
        answers.extend([own, common]);
    }
    Ok(answers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_range_is_the_set_difference(shape in shape(), asked in asked()) {
        let objects = in_memory();
        let ids = store(&objects.odb, ObjectFormat::Sha1, &shape);
        ask(&mut Revwalk::new(&objects, HashSet::new()), &shape, &ids, &asked)?;
    }
}

/// In which state git's index is.
#[derive(Clone, Debug)]
enum State {
    /// It has all commits.
    Whole,
    /// It has some, and what those lead to.
    Stale(Index),
    /// It has some in one file, more in the next, the rest in the third.
    Split(Index, Index),
    /// The first file of such a chain is gone, or the chain does not name it.
    SplitWithout(Index, bool),
    /// A byte of it is another one.
    Flipped(Index, u8),
    /// It ends too early.
    Cut(Index),
    /// Written by a git that knew no generations.
    WithoutGenerations,
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Whole),
        any::<Index>().prop_map(State::Stale),
        any::<(Index, Index)>().prop_map(|(first, second)| State::Split(first, second)),
        any::<(Index, bool)>().prop_map(|(first, named)| State::SplitWithout(first, named)),
        (any::<Index>(), 1_u8..).prop_map(|(at, by)| State::Flipped(at, by)),
        any::<Index>().prop_map(State::Cut),
        Just(State::WithoutGenerations),
    ]
}

fn git(repository: &Path, arguments: &[&str], input: &[u8]) {
    let mut command = Command::new("git");
    command.current_dir(repository).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    assert!(child.wait().unwrap().success(), "{arguments:?}");
}

/// A repository on the disk with these commits.
fn on_disk(directory: &Path, format: ObjectFormat, shape: &Shape) -> (Objects, Vec<ObjectId>) {
    let name = if format == ObjectFormat::Sha1 { "sha1" } else { "sha256" };
    git(directory, &["init", "--quiet", "--bare", "--object-format", name, "."], b"");
    let repository = git2::Repository::open_bare(directory).unwrap();
    let ids = store(&repository.odb().unwrap(), format, shape);
    (Objects::open(directory, format).unwrap(), ids)
}

/// Has git write its index of some commits and all that they lead to.
fn index(repository: &Path, ids: &[ObjectId], more: &[&str]) {
    let input: String = ids.iter().map(|id| format!("{id}\n")).collect();
    git(repository, &[&["commit-graph", "write", "--stdin-commits", "--no-progress"], more].concat(), input.as_bytes());
}

fn put_into(repository: &Path, state: &State, ids: &[ObjectId], format: ObjectFormat) {
    let info = repository.join("objects/info");
    let (single, chain) = (info.join("commit-graph"), info.join("commit-graphs/commit-graph-chain"));
    let split = |parts: &[usize]| {
        for part in parts {
            index(repository, &ids[..*part], &["--split=no-merge"]);
        }
    };
    match state {
        State::Stale(some) => index(repository, &ids[..=some.index(ids.len())], &[]),
        State::Split(first, second) => split(&[first.index(ids.len()) + 1, second.index(ids.len()) + 1, ids.len()]),
        State::SplitWithout(first, is_named) => {
            split(&[first.index(ids.len() - 1) + 1, ids.len()]);
            let names = fs::read_to_string(&chain).unwrap();
            if let Some((base, rest)) = names.split_once('\n').filter(|(_, rest)| !rest.is_empty()) {
                match is_named {
                    true => fs::remove_file(info.join(format!("commit-graphs/graph-{base}.graph"))).unwrap(),
                    false => write(&chain, rest.as_bytes()),
                }
            }
        }
        State::Whole | State::Flipped(..) | State::Cut(_) | State::WithoutGenerations => {
            index(repository, ids, &[]);
            let mut data = fs::read(&single).unwrap();
            match state {
                State::Flipped(at, by) => {
                    let at = at.index(data.len());
                    data[at] ^= by;
                }
                State::Cut(at) => data.truncate(at.index(data.len())),
                State::WithoutGenerations => without_generations(&mut data, format),
                _ => {}
            }
            write(&single, &data);
        }
    }
}

/// git makes its files read-only.
fn write(path: &Path, data: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, data).unwrap();
}

fn without_generations(data: &mut [u8], format: ObjectFormat) {
    let entry = (8..data.len()).step_by(12).find(|at| &data[*at..at + 4] == b"CDAT").unwrap();
    let offset = |at: usize| u64::from_be_bytes(data[at + 4..at + 12].try_into().unwrap()) as usize;
    let (start, end) = (offset(entry), offset(entry + 12));
    let id_len = format.id_len();
    for commit in (start..end).step_by(id_len + 16) {
        let time = commit + id_len + 8;
        data[time..time + 3].fill(0);
        data[time + 3] &= 3;
    }
    sum(data, format);
}

/// Makes the checksum right again.
fn sum(data: &mut [u8], format: ObjectFormat) {
    let kind = if format == ObjectFormat::Sha1 { gix_hash::Kind::Sha1 } else { gix_hash::Kind::Sha256 };
    let end = data.len() - format.id_len();
    let mut hasher = gix_hash::hasher(kind);
    hasher.update(&data[..end]);
    data[end..].copy_from_slice(hasher.try_finalize().unwrap().as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    /// And without the index the answers are the same, to the order of what is listed.
    #[test]
    fn so_it_is_by_gits_index(shape in shape(), state in state(), is_sha256: bool, asked in asked()) {
        let directory = tempfile::tempdir().unwrap();
        let format = if is_sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
        let (objects, ids) = on_disk(directory.path(), format, &shape);
        put_into(directory.path(), &state, &ids, format);
        let mut revwalk = Revwalk::new(&objects, HashSet::new()).impatient();
        let answers = ask(&mut revwalk, &shape, &ids, &asked)?;
        let is_whole = matches!(state, State::Whole | State::Stale(_) | State::Split(..));
        // Of one without generations a walk may ask nothing.
        prop_assert!(revwalk.is_by_graph() == is_whole || matches!(state, State::WithoutGenerations));
        fs::remove_dir_all(directory.path().join("objects/info")).unwrap();
        let plain = ask(&mut Revwalk::new(&objects, HashSet::new()), &shape, &ids, &asked)?;
        prop_assert_eq!(answers, plain);
    }

    /// What no checksum tells of a large file: whatever it holds, the walk ends.
    #[test]
    fn a_forged_index_ends_no_hook(shape in shape(), at: Index, by in 1_u8.., asked in asked()) {
        let directory = tempfile::tempdir().unwrap();
        let (objects, ids) = on_disk(directory.path(), ObjectFormat::Sha1, &shape);
        index(directory.path(), &ids, &[]);
        let path = directory.path().join("objects/info/commit-graph");
        let mut data = fs::read(&path).unwrap();
        let at = at.index(data.len() - 20);
        data[at] ^= by;
        sum(&mut data, ObjectFormat::Sha1);
        write(&path, &data);
        let mut revwalk = Revwalk::new(&objects, HashSet::new()).impatient();
        for (tip, hidden) in &asked.0 {
            let hidden: Vec<_> = hidden.iter().map(|index| *index.get(&ids)).collect();
            let range = revwalk.range(*tip.get(&ids), &hidden, asked.1);
            prop_assert!(range.total <= ids.len() as u64);
        }
    }

    /// Beside a file of grafts git goes by no index, and where `shallow` ends a history, the index does not.
    #[test]
    fn beside_grafts_and_shallow_boundaries_none_is_gone_by(shape in shape(), is_shallow: bool, end: Index, asked in asked()) {
        let directory = tempfile::tempdir().unwrap();
        let (objects, ids) = on_disk(directory.path(), ObjectFormat::Sha1, &shape);
        index(directory.path(), &ids, &[]);
        let mut shape = shape;
        let end = end.index(ids.len());
        let mut shallow = HashSet::new();
        if is_shallow {
            shape[end].1.clear();
            shallow.insert(ids[end]);
        } else {
            fs::write(directory.path().join("info/grafts"), format!("{}\n", ids[end])).unwrap();
        }
        let mut revwalk = Revwalk::new(&objects, shallow).impatient();
        ask(&mut revwalk, &shape, &ids, &asked)?;
        prop_assert!(!revwalk.is_by_graph());
    }

    /// git writes no index beside replacements, and one that was there before tells of the objects themselves, as we do.
    #[test]
    fn replacements_are_left_out_of_account(shape in shape(), of: Index, by: Index, asked in asked()) {
        let directory = tempfile::tempdir().unwrap();
        let (objects, ids) = on_disk(directory.path(), ObjectFormat::Sha1, &shape);
        index(directory.path(), &ids, &[]);
        let (of, by) = (of.get(&ids), by.get(&ids));
        if of != by {
            git(directory.path(), &["update-ref", &format!("refs/replace/{of}"), &by.to_string()], b"");
        }
        let mut revwalk = Revwalk::new(&objects, HashSet::new()).impatient();
        ask(&mut revwalk, &shape, &ids, &asked)?;
        prop_assert!(revwalk.is_by_graph());
    }
}

#[test]
fn the_index_of_a_repository_that_lends_its_objects() {
    let directory = tempfile::tempdir().unwrap();
    let [lender, borrower] = ["lender", "borrower"].map(|name| directory.path().join(name));
    [&lender, &borrower].into_iter().for_each(|path| fs::create_dir(path).unwrap());
    let shape: Shape = (0..50).map(|at| (at as i64, (at > 0).then(|| at - 1).into_iter().collect())).collect();
    let (_, ids) = on_disk(&lender, ObjectFormat::Sha1, &shape);
    index(&lender, &ids, &[]);
    git(&borrower, &["init", "--quiet", "--bare", "."], b"");
    fs::write(borrower.join("objects/info/alternates"), "../../lender/objects\n").unwrap();
    let objects = Objects::open(&borrower, ObjectFormat::Sha1).unwrap();
    let mut revwalk = Revwalk::new(&objects, HashSet::new()).impatient();
    assert_eq!(revwalk.range(ids[49], &[ids[9]], 0).total, 40);
    assert!(revwalk.is_by_graph());
}

#[test]
fn bad_99_what_is_missing_is_passed_over() {
    let objects = in_memory();
    let missing = ObjectId::from_bytes(&[7; 20]).unwrap();
    let text = format!("tree {missing}\nparent {missing}\ncommitter C <c> 5 +0000\n\nx\n");
    let id = objects.odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
    let id = ObjectId::from_bytes(id.as_bytes()).unwrap();
    let mut revwalk = Revwalk::new(&objects, HashSet::new());
    assert_eq!(revwalk.range(id, &[missing], 9).newest, [id]);
    assert_eq!(revwalk.range(missing, &[id], 9), Range::default());
}

#[test]
fn a_shallow_commit_is_a_root() {
    let objects = in_memory();
    let ids = store(&objects.odb, ObjectFormat::Sha1, &vec![(1, vec![]), (2, vec![0]), (3, vec![1])]);
    let mut revwalk = Revwalk::new(&objects, HashSet::from([ids[1]]));
    assert_eq!(revwalk.range(ids[2], &[], 9).newest, ids[1..]);
}
