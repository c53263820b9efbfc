//! Notes (git-notes(1)): which of them differ between two tips of their ref, by the trees alone.
//!
//! git moves a note to another path whenever their number asks for more directories, so notes are compared by the object they
//! are on and not by path. And the history of a notes ref says nothing of its content: `git notes merge` makes the pusher's
//! side the first parent, and roots of their own are usual.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::object::{RawCommit, tree_entries};
use super::{Kind, Objects, Reader};
use crate::event::Commit;
use crate::ref_update::ObjectId;

/// More entries of trees than this are not looked at.
const MOST_ENTRIES: usize = 2_000_000;

/// git makes a directory of each two digits at most.
const DEEPEST: usize = 32;

/// A larger note is no comment.
const LONGEST_NOTE: usize = 8 << 20;

/// So many commits of a push to a notes ref are looked through for who wrote what.
const MOST_COMMITS: usize = 200;

/// A note that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoteChange {
    /// What it is on.
    pub object: ObjectId,
    /// Its blob before.
    pub old: Option<ObjectId>,
    /// Its blob since.
    pub new: Option<ObjectId>,
}

/// The notes of one of two trees that are not the same in the other, by the object they are on.
type Notes = BTreeMap<Vec<u8>, ObjectId>;

impl Objects {
    /// The notes that differ between two tips of a notes ref; `None` where a tree cannot be read.
    pub(super) fn changed_notes(&self, old: Option<ObjectId>, new: Option<ObjectId>) -> Option<Vec<NoteChange>> {
        let [old, new] = [self.tree_of(old)?, self.tree_of(new)?];
        let (mut before, mut after) = (Notes::new(), Notes::new());
        let mut left = MOST_ENTRIES;
        let mut stack = vec![(old, new, Vec::new())];
        while let Some((old, new, path)) = stack.pop() {
            let [old, new] = [self.entries(old, &mut left)?, self.entries(new, &mut left)?];
            let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names.filter(|name| old.get(*name) != new.get(*name)) {
                let path = [path.as_slice(), name].concat();
                let tree = |entry: Option<&(bool, ObjectId)>| entry.filter(|(is_tree, _)| *is_tree).map(|(_, id)| *id);
                let (before_it, after_it) = (old.get(name), new.get(name));
                for (entry, notes) in [(before_it, &mut before), (after_it, &mut after)] {
                    notes.extend(entry.filter(|(is_tree, _)| !is_tree).map(|(_, id)| (path.clone(), *id)));
                }
                let trees = (tree(before_it), tree(after_it));
                if (trees.0.is_some() || trees.1.is_some()) && path.len() < 2 * DEEPEST {
                    stack.push((trees.0, trees.1, path));
                }
            }
        }
        let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        let change = |name: &Vec<u8>| {
            let object = ObjectId::from_hex(name).flatten()?;
            let (old, new) = (before.get(name).copied(), after.get(name).copied());
            (old != new).then_some(NoteChange { object, old, new })
        };
        Some(names.filter_map(change).collect())
    }

    /// The blob of the note on one object, wherever among the directories it lies; `None` where there is none.
    pub(super) fn note_on(&self, notes: ObjectId, object: ObjectId) -> Option<ObjectId> {
        let mut tree = self.tree_of(Some(notes))??;
        let name = object.to_string();
        let mut rest = name.as_bytes();
        for _ in 0..DEEPEST {
            let entries = self.entries(Some(tree), &mut { MOST_ENTRIES })?;
            if let Some((false, blob)) = entries.get(rest) {
                return Some(*blob);
            }
            let (start, below) = rest.split_at_checked(2)?;
            match entries.get(start) {
                Some((true, id)) => (tree, rest) = (*id, below),
                _ => return None,
            }
        }
        None
    }

    /// The parents of a commit; `None` where it cannot be read.
    pub(super) fn parents(&self, commit: ObjectId) -> Option<Vec<ObjectId>> {
        let object = self.read(commit).filter(|object| object.kind() == Kind::Commit)?;
        Some(RawCommit::parse(object.data()).parents)
    }

    /// The tree of a tip, which is a commit or, by hand, a tree; the first `None` where that cannot be read.
    fn tree_of(&self, tip: Option<ObjectId>) -> Option<Option<ObjectId>> {
        let Some(tip) = tip else { return Some(None) };
        let object = self.read(tip)?;
        match object.kind() {
            Kind::Commit => RawCommit::parse(object.data()).tree.map(Some),
            Kind::Tree => Some(Some(tip)),
            Kind::Blob | Kind::Tag => None,
        }
    }

    /// The entries of a tree by name, each with whether it is a directory.
    fn entries(&self, tree: Option<ObjectId>, left: &mut usize) -> Option<HashMap<Vec<u8>, (bool, ObjectId)>> {
        let Some(tree) = tree else { return Some(HashMap::new()) };
        let object = self.read(tree).filter(|object| object.kind() == Kind::Tree)?;
        let entries = tree_entries(object.data(), self.format().id_len());
        let entries: HashMap<_, _> = entries.map(|entry| (entry.name.to_vec(), (entry.is_tree(), entry.id))).collect();
        *left = left.checked_sub(entries.len())?;
        Some(entries)
    }

    /// Whether a note has more text than anybody says.
    pub(super) fn is_too_large_for_note(&self, blob: ObjectId) -> bool {
        self.size(blob).is_some_and(|size| size > LONGEST_NOTE)
    }

    /// What a note says, as git shows it: what is not UTF-8 as U+FFFD. `None` where it is no text, or no note.
    pub(super) fn note_text(&self, blob: ObjectId) -> Option<String> {
        if self.size(blob)? > LONGEST_NOTE {
            return None;
        }
        let object = self.read(blob).filter(|object| object.kind() == Kind::Blob)?;
        let is_text = !object.data().contains(&0);
        is_text.then(|| String::from_utf8_lossy(object.data()).into_owned())
    }
}

/// Who wrote which note of a push, as far as its commits tell.
pub(super) struct NoteWriters {
    by_object: HashMap<ObjectId, Arc<Commit>>,
    tip: Option<Arc<Commit>>,
}

impl NoteWriters {
    /// The commit that brought a note its text.
    pub(super) fn of(&self, object: ObjectId) -> Option<&Arc<Commit>> {
        self.by_object.get(&object).or(self.tip.as_ref())
    }
}

impl Reader<'_> {
    /// Looks through the commits of a push to a notes ref. What came in by a merge is whoever's wrote it.
    pub(super) fn note_writers(&mut self, old: Option<ObjectId>, new: ObjectId) -> NoteWriters {
        let hidden: Vec<_> = old.into_iter().collect();
        let range = self.revwalk.range(new, &hidden, MOST_COMMITS);
        let mut by_object = HashMap::new();
        for id in range.newest {
            let Some(commit) = self.commit(id) else { continue };
            let parent = match commit.parents.as_slice() {
                [] => None,
                [parent] => Some(*parent),
                _ => continue,
            };
            for change in self.objects.changed_notes(parent, Some(commit.id)).unwrap_or_default() {
                by_object.insert(change.object, Arc::clone(&commit));
            }
        }
        NoteWriters { by_object, tip: self.commit(new) }
    }
}

/// The new part of a note: of one that was appended to what came behind, of a new or rewritten one all of it. With it what a
/// rewritten one said before; `None` where it says nothing new.
pub(super) fn new_part(old: Option<&str>, new: &str) -> Option<(String, Option<String>)> {
    let (part, replaced) = match old.map(str::trim_end) {
        None | Some("") => (new.to_owned(), None),
        Some(old) => match new.strip_prefix(old) {
            // `git notes append` puts an empty line in between.
            Some(rest) if rest.trim().is_empty() => return None,
            Some(rest) if rest.starts_with('\n') => (rest.to_owned(), None),
            _ => match added_lines(old, new) {
                Some(added) => (added, None),
                None => (new.to_owned(), Some(old.to_owned())),
            },
        },
    };
    let part = part.trim_matches('\n');
    (!part.trim().is_empty()).then(|| (part.to_owned(), replaced))
}

/// What stands between the old lines, where all of them are there still: a merge of two notes puts the others' lines anywhere
/// among them. `None` where one is gone.
fn added_lines(old: &str, new: &str) -> Option<String> {
    let mut left: HashMap<&str, usize> = HashMap::new();
    old.lines().filter(|line| !line.trim().is_empty()).for_each(|line| *left.entry(line).or_default() += 1);
    let mut added = String::new();
    for line in new.lines() {
        match left.get_mut(line) {
            Some(count) if *count > 0 => *count -= 1,
            // One empty line is as good as two.
            _ if line.trim().is_empty() && (added.is_empty() || added.ends_with("\n\n")) => {}
            _ => added.extend([line, "\n"]),
        }
    }
    left.values().all(|count| *count == 0).then_some(added)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_note_that_was_appended_to_the_new_part_is_told() {
        let told = |text: &str, replaced: Option<&str>| Some((text.to_owned(), replaced.map(String::from)));
        assert_eq!(new_part(None, "one\n"), told("one", None));
        assert_eq!(new_part(Some("one\n"), "one\n\ntwo\nthree\n"), told("two\nthree", None));
        assert_eq!(new_part(Some("one\n"), "one and a half\n"), told("one and a half", Some("one")));
        assert_eq!(new_part(Some("one\n"), "two\n"), told("two", Some("one")));
        assert_eq!(new_part(Some("one\n"), "one\n\n"), None);
        assert_eq!(new_part(Some("one\n"), ""), None);
        assert_eq!(new_part(None, "\n"), None);
        // As a union merge, and cat_sort_uniq, leave them.
        assert_eq!(new_part(Some("one\n\nmine\n"), "one\n\nyours\n\nmine\n"), told("yours", None));
        assert_eq!(new_part(Some("one\nmine\n"), "a\nb\nmine\none\n"), told("a\nb", None));
        assert_eq!(new_part(Some("one\ntwo\n"), "two\none\n"), None);
        assert_eq!(new_part(Some("one\none\n"), "zero\none\n"), told("zero\none", Some("one\none")));
    }
}
