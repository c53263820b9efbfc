//! git-appraise's lines in notes: requests for reviews in `refs/notes/devtools/reviews`, comments in `discuss`, each on the first
//! commit of a review.
//!
//! Source: <https://github.com/google/git-appraise/tree/master/schema>, format 0; what its program does with them, and what is in
//! git-appraise's own notes: times that are missing, keys in capitals, empty lines.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::ref_update::ObjectId;
use crate::signature::sha1_hex;

/// The last second that the forges can write: of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// Answers to answers are followed so far.
const DEEPEST_THREAD: usize = 64;

/// A line that asks for a review, or changes what was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Seconds since 1970; `None` where the line has none.
    pub timestamp: Option<i64>,
    /// Who asks: an address, or a login.
    pub requester: String,
    /// Who is asked.
    pub reviewers: Vec<String>,
    /// The ref to be merged, in full; may be empty.
    pub review_ref: String,
    /// The ref it is to be merged into, in full; empty: the review is given up.
    pub target_ref: String,
    /// Title and text.
    pub description: String,
    /// The commit that the first one became when the review was rebased.
    pub alias: Option<ObjectId>,
}

/// A line that says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment {
    /// By which others answer it: the SHA-1 of the line, 40 hexadecimal digits.
    pub id: String,
    /// Seconds since 1970; `None` where the line has none.
    pub timestamp: Option<i64>,
    /// Who says it: an address, or a login.
    pub author: String,
    /// The id of the comment that it answers.
    pub parent: Option<String>,
    /// The id of the comment that it takes the place of.
    pub original: Option<String>,
    /// The commit, file and line that it is about.
    pub place: Option<(Option<ObjectId>, String, Option<u32>)>,
    /// What it says; may be empty.
    pub text: String,
    /// Whether it accepts or rejects.
    pub resolved: Option<bool>,
}

/// The lines of a note that hold something.
pub fn lines(note: &str) -> impl Iterator<Item = &str> {
    note.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The lines of a note that were not there before, wherever they stand: a merge of notes sorts them.
pub fn new_lines<'n>(old: Option<&str>, new: &'n str) -> Vec<&'n str> {
    let before: HashSet<&str> = old.into_iter().flat_map(lines).collect();
    let mut seen = HashSet::new();
    lines(new).filter(|line| !before.contains(line) && seen.insert(*line)).collect()
}

impl Request {
    /// From a line; `None` where it is no request: one that gives a review up says so by an empty target.
    pub fn parse(line: &str) -> Option<Self> {
        let object = of_known_format(line)?;
        if !["targetRef", "TargetRef"].iter().any(|key| object.get(*key).is_some_and(Value::is_string)) {
            return None;
        }
        let reviewers = object.get("reviewers").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            timestamp: time(&object),
            requester: text(&object, "requester"),
            reviewers: reviewers.filter_map(|name| name.as_str()).map(String::from).collect(),
            review_ref: text(&object, "reviewRef"),
            target_ref: text(&object, "targetRef"),
            description: text(&object, "description"),
            alias: ObjectId::from_hex(text(&object, "alias").as_bytes()).flatten(),
        })
    }

    /// All of a note, oldest first. Of those of one time the one that gives the review up comes last: it has the time of the
    /// one before it, and a merge of notes sorts it to the front.
    pub fn all(note: &str) -> Vec<Self> {
        let mut all: Vec<_> = lines(note).filter_map(Self::parse).collect();
        all.sort_by_key(|request| (request.timestamp.unwrap_or(0), request.target_ref.is_empty()));
        all
    }
}

impl Comment {
    /// From a line; `None` where it is no comment.
    pub fn parse(line: &str) -> Option<Self> {
        let object = of_known_format(line)?;
        let some = |key: &str| Some(text(&object, key)).filter(|text| !text.is_empty());
        Some(Self {
            id: id_of(line),
            timestamp: time(&object),
            author: text(&object, "author"),
            parent: some("parent"),
            original: some("original"),
            place: object.get("location").and_then(place),
            text: text(&object, "description"),
            resolved: object.get("resolved").and_then(Value::as_bool),
        })
    }

    /// Whether it says anything: what is something else in a note does not.
    pub fn says_anything(&self) -> bool {
        !self.words().is_empty()
    }

    /// What it says; of a bare verdict the words for it.
    pub fn words(&self) -> &str {
        match (self.text.trim(), self.resolved) {
            ("", Some(true)) => "LGTM",
            ("", Some(false)) => "Needs more work",
            (text, _) => text,
        }
    }
}

/// Whether a review is accepted or rejected by what is said of it: every discussion that has a verdict has to accept it, and a
/// rejection is undone by its own answers alone.
pub fn verdict(comments: &[Comment]) -> Option<bool> {
    // The newest edit stands in the place of what was said first.
    let mut edits: HashMap<&str, &Comment> = HashMap::new();
    for edit in comments.iter().filter(|comment| comment.original.is_some()) {
        let of = edit.original.as_deref().unwrap_or_default();
        let last = edits.entry(of).or_insert(edit);
        if edit.timestamp.unwrap_or(0) >= last.timestamp.unwrap_or(0) {
            *last = edit;
        }
    }
    let firsts = || comments.iter().filter(|comment| comment.original.is_none());
    let known: HashSet<&str> = firsts().map(|comment| comment.id.as_str()).collect();
    let mut answers: HashMap<&str, Vec<Said<'_>>> = HashMap::new();
    let mut roots = Vec::new();
    for comment in firsts() {
        let resolved = edits.get(comment.id.as_str()).unwrap_or(&comment).resolved;
        let said = Said { id: &comment.id, resolved };
        match comment.parent.as_deref().filter(|parent| known.contains(parent)) {
            Some(parent) => answers.entry(parent).or_default().push(said),
            None => roots.push(said),
        }
    }
    all_of(&roots, &answers, 0)
}

/// A comment as it was edited last.
struct Said<'c> {
    id: &'c str,
    resolved: Option<bool>,
}

fn all_of(said: &[Said<'_>], answers: &HashMap<&str, Vec<Said<'_>>>, depth: usize) -> Option<bool> {
    let verdicts = said.iter().filter_map(|said| of_thread(said, answers, depth));
    verdicts.reduce(|all, one| all && one)
}

fn of_thread(said: &Said<'_>, answers: &HashMap<&str, Vec<Said<'_>>>, depth: usize) -> Option<bool> {
    let below = answers.get(said.id).filter(|_| depth < DEEPEST_THREAD);
    match below.and_then(|below| all_of(below, answers, depth + 1)) {
        None => said.resolved,
        Some(false) => Some(false),
        // What accepts a rejection takes it back, and no more.
        Some(true) => said.resolved.filter(|resolved| *resolved),
    }
}

/// The newest time of some comments.
pub fn newest(comments: &[Comment]) -> Option<i64> {
    comments.iter().filter_map(|comment| comment.timestamp).max()
}

/// The SHA-1 of a line, in a repository of any object format.
pub fn id_of(line: &str) -> String {
    sha1_hex(line.as_bytes())
}

/// A line of format 0; git-appraise too passes over what is of another.
fn of_known_format(line: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(line).ok()? {
        Value::Object(object) => Some(object).filter(|object| object.get("v").is_none_or(|v| *v == 0)),
        _ => None,
    }
}

/// A text; older programs began a key with a capital.
fn text(object: &Map<String, Value>, key: &str) -> String {
    let capital = || object.get(&(key[..1].to_uppercase() + &key[1..]));
    object.get(key).or_else(capital).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A time, which is written as text.
fn time(object: &Map<String, Value>) -> Option<i64> {
    let time = match object.get("timestamp")? {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_i64(),
    };
    time.filter(|time| (0..=LATEST).contains(time))
}

fn place(location: &Value) -> Option<(Option<ObjectId>, String, Option<u32>)> {
    let path = location["path"].as_str().filter(|path| !path.is_empty())?;
    let commit = location["commit"].as_str().and_then(|id| ObjectId::from_hex(id.as_bytes()).flatten());
    let line =
        location["range"]["startLine"].as_u64().and_then(|line| u32::try_from(line).ok()).filter(|line| *line > 0);
    Some((commit, path.to_owned(), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_new_by_what_they_say_and_not_by_where_they_stand() {
        let old = "{\"b\":1}\n";
        assert_eq!(new_lines(Some(old), "{\"a\":1}\n\n{\"b\":1}\n{\"a\":1}\n"), ["{\"a\":1}"]);
        assert_eq!(new_lines(None, "\n\n"), [""; 0]);
    }

    #[test]
    fn of_two_requests_of_one_time_the_one_that_gives_up_counts() {
        let line = |target: &str| format!(r#"{{"timestamp":"10","targetRef":"{target}","description":"x"}}"#);
        let note = format!("{}\n\n{}\n", line(""), line("refs/heads/main"));
        assert_eq!(Request::all(&note).last().unwrap().target_ref, "");
        let reopened = format!("{note}{}", line("refs/heads/main").replace("10", "11"));
        assert_eq!(Request::all(&reopened).last().unwrap().target_ref, "refs/heads/main");
    }

    #[test]
    fn what_is_odd_is_read_as_far_as_it_goes() {
        let request =
            Request::parse(r#"{"timestamp":10,"targetRef":"","reviewers":["a",1,null],"v":0,"alias":"x","new":{}}"#)
                .unwrap();
        assert_eq!(Request::parse(r#"{"timestamp":10,"description":"stray"}"#), None);
        assert_eq!((request.timestamp, request.reviewers, request.alias), (Some(10), vec!["a".into()], None));
        let comment = Comment::parse(r#"{"author":"a","Parent":"p","location":{"path":"f","range":{"startLine":3}}}"#);
        let comment = comment.unwrap();
        assert_eq!((comment.parent, comment.place), (Some("p".into()), Some((None, "f".into(), Some(3)))));
        for line in ["", "[]", "1", "{", "{\"a\":}", "no", r#"{"targetRef":"","description":"x","v":1}"#] {
            assert_eq!((Request::parse(line), Comment::parse(line)), (None, None), "{line}");
        }
        let words = |line: &str| Comment::parse(line).unwrap().words().to_owned();
        assert_eq!(words(r#"{"resolved":true}"#), "LGTM");
        assert_eq!(words(r#"{"resolved":false,"description":"why"}"#), "why");
    }

    #[test]
    fn a_rejection_is_undone_by_its_own_answers_alone() {
        let line = |text: &str, parent: Option<&str>, resolved: Option<bool>| {
            let parent = parent.map(id_of);
            serde_json::json!({ "description": text, "parent": parent, "resolved": resolved }).to_string()
        };
        let of = |lines: &[&String]| verdict(&lines.iter().filter_map(|line| Comment::parse(line)).collect::<Vec<_>>());
        let (yes, no) = (line("yes", None, Some(true)), line("no", None, Some(false)));
        let says_nothing = line("?", None, None);
        assert_eq!(of(&[&says_nothing]), None);
        assert_eq!(of(&[&yes, &says_nothing]), Some(true));
        assert_eq!(of(&[&no, &yes]), Some(false));
        let taken_back = line("well", Some(&no), Some(true));
        assert_eq!(of(&[&no, &taken_back]), None);
        assert_eq!(of(&[&no, &taken_back, &yes]), Some(true));
        let against = line("but", Some(&yes), Some(false));
        assert_eq!(of(&[&yes, &against]), Some(false));
        let edit = |time: i64, resolved: Option<bool>| {
            serde_json::json!({ "original": id_of(&no), "timestamp": time, "resolved": resolved }).to_string()
        };
        let (better, worse) = (edit(10, Some(true)), edit(20, Some(false)));
        assert_eq!([of(&[&no, &better]), of(&[&worse, &no, &better])], [Some(true), Some(false)]);
    }
}
