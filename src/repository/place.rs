//! A line of a file within what a commit, or a review up to it, has changed.

use super::object::{RawCommit, tree_entries};
use super::{Kind, Objects};
use crate::event::{FileDiff, LineInDiff, Place};
use crate::ref_update::ObjectId;

/// A larger file is not compared.
const LONGEST_FILE: usize = 4 << 20;

/// A file in a commit.
struct FileAt {
    mode: u32,
    content: Vec<u8>,
}

impl Objects {
    /// A line of a file as `head` has it, compared with `base`.
    pub(super) fn place(&self, base: Option<ObjectId>, head: ObjectId, path: String, line: Option<u32>) -> Place {
        let old = base.and_then(|base| self.file(base, &path));
        let new = self.file(head, &path);
        let (in_diff, diff) = compare(&path, old.as_ref(), new.as_ref(), line).unwrap_or_default();
        Place { path, line, head, base, in_diff, diff }
    }

    /// How many lines of a file are new and how many are gone, between two commits; `None` where it is no text.
    pub(super) fn lines_between(&self, base: ObjectId, head: ObjectId, path: &str) -> Option<[usize; 2]> {
        let [before, after] =
            [base, head].map(|commit| self.file(commit, path).map(|file| file.content).unwrap_or_default());
        let patch = git2::Patch::from_buffers(&before, None, &after, None, None).ok()?;
        let (_, added, removed) = patch.line_stats().ok()?;
        Some([added, removed])
    }

    /// The file of this path in a commit; `None` where there is none, or it is too large.
    fn file(&self, commit: ObjectId, path: &str) -> Option<FileAt> {
        let object = self.read(commit).filter(|object| object.kind() == Kind::Commit)?;
        let mut id = RawCommit::parse(object.data()).tree?;
        let mut mode = 0;
        for name in path.split('/') {
            let tree = self.read(id).filter(|object| object.kind() == Kind::Tree)?;
            let entry =
                tree_entries(tree.data(), self.format().id_len()).find(|entry| entry.name == name.as_bytes())?;
            (id, mode) = (entry.id, entry.mode);
        }
        if self.size(id).is_none_or(|size| size > LONGEST_FILE) {
            // A submodule has no file, and git shows its commit instead.
            let content = (mode == 0o160_000).then(|| format!("Subproject commit {id}\n").into_bytes())?;
            return Some(FileAt { mode, content });
        }
        let blob = self.read(id).filter(|object| object.kind() == Kind::Blob)?;
        Some(FileAt { mode, content: blob.data().to_vec() })
    }
}

/// How a file differs, and where a line of the new one stands in that.
fn compare(
    path: &str,
    old: Option<&FileAt>,
    new: Option<&FileAt>,
    line: Option<u32>,
) -> Option<(Option<LineInDiff>, Option<FileDiff>)> {
    let content = |file: Option<&FileAt>| file.map_or(Vec::new(), |file| file.content.clone());
    let (before, after) = (content(old), content(new));
    let mut patch = git2::Patch::from_buffers(&before, None, &after, None, None).ok()?;
    let in_diff = line.and_then(|line| find(&patch, line));
    let text = patch.to_buf().ok()?;
    let text = text.as_str().ok()?;
    // What git writes above it names files that have no name here.
    let hunks = &text[text.find("@@ ")?..];
    let name = |side: &str, file: Option<&FileAt>| match file {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".into(),
    };
    let text = format!("--- {}\n+++ {}\n{hunks}", name("a", old), name("b", new));
    let mode = |file: Option<&FileAt>| file.map_or(0, |file| file.mode);
    Some((in_diff, Some(FileDiff { text, old_mode: mode(old), new_mode: mode(new) })))
}

/// The line of the new file with this number, where a hunk shows it: as GitLab counts, the old line is the one that an added
/// line stands before.
fn find(patch: &git2::Patch<'_>, line: u32) -> Option<LineInDiff> {
    let mut position = 0;
    for hunk in 0..patch.num_hunks() {
        let (head, count) = patch.hunk(hunk).ok()?;
        // Of a file that was not there git begins at line 0, GitLab too.
        let (mut old, mut new) = (head.old_start(), head.new_start());
        let mut text = String::from_utf8_lossy(head.header()).trim_end().to_owned();
        for at in 0..count {
            let shown = patch.line_in_hunk(hunk, at).ok()?;
            let origin = shown.origin();
            if !matches!(origin, ' ' | '+' | '-') {
                continue;
            }
            position += 1;
            text += &format!("\n{origin}{}", String::from_utf8_lossy(shown.content()).trim_end_matches('\n'));
            if origin != '-' && new == line {
                return Some(LineInDiff { old, new, is_context: origin == ' ', position, hunk: text });
            }
            old += u32::from(origin != '+');
            new += u32::from(origin != '-');
        }
        // The next one's head counts as a line.
        position += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> FileAt {
        FileAt { mode: 0o100_644, content: content.into() }
    }

    #[test]
    fn a_line_is_found_as_gitlab_counts() {
        let lines =
            |changed: &str| (1..=9).map(|n| if n == 5 { changed.into() } else { format!("{n}\n") }).collect::<String>();
        let (old, new) = (file(&lines("5\n")), file(&lines("five\nand a half\n")));
        let at = |line| {
            compare("f", Some(&old), Some(&new), Some(line)).unwrap().0.map(|it| (it.old, it.new, it.is_context))
        };
        // The line that was replaced counts as gone before the new one comes.
        assert_eq!(
            [at(4), at(5), at(6), at(7)],
            [Some((4, 4, true)), Some((6, 5, false)), Some((6, 6, false)), Some((6, 7, true))]
        );
        assert_eq!(at(1), None, "no hunk shows it");
    }

    #[test]
    fn a_file_that_is_new_begins_at_line_0() {
        let new = FileAt {
            mode: 0o160_000,
            content: b"Subproject commit 409f37c4f05865e4fb208c771485f211a22c4c2d\n".to_vec(),
        };
        let (in_diff, diff) = compare("six", None, Some(&new), Some(1)).unwrap();
        assert_eq!(in_diff.map(|line| (line.old, line.new)), Some((0, 1)));
        let diff = diff.unwrap();
        let expected =
            "--- /dev/null\n+++ b/six\n@@ -0,0 +1 @@\n+Subproject commit 409f37c4f05865e4fb208c771485f211a22c4c2d\n";
        assert_eq!((diff.text.as_str(), diff.old_mode, diff.new_mode), (expected, 0, 0o160_000));
    }

    #[test]
    fn what_is_the_same_or_no_text_has_no_difference() {
        let same = file("1\n");
        assert_eq!(compare("f", Some(&same), Some(&same), Some(1)), None);
        assert_eq!(compare("f", Some(&same), Some(&file("\0\n")), Some(1)), None);
    }
}
