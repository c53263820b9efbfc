//! What a push does to reviews that are kept in git-appraise's notes: each as it was before and as it is since, by the notes
//! and by where the refs stand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Reader;
use crate::appraise::{self, Comment, Request};
use crate::config::Settings;
use crate::event::{Commit, MergeRequest, Review, ReviewAction, ReviewState, Time};
use crate::pusher::Pusher;
use crate::ref_update::{ObjectId, RefName, RefUpdate};

/// git-appraise's refs, within a namespace.
pub(super) const REQUESTS: &[u8] = b"refs/notes/devtools/reviews";
pub(super) const COMMENTS: &[u8] = b"refs/notes/devtools/discuss";

/// Where refs stand at one moment: those of today, less what a push moved.
pub(super) struct Tips {
    all: Arc<HashMap<RefName, ObjectId>>,
    moved: HashMap<RefName, Option<ObjectId>>,
}

impl Tips {
    pub(super) fn get(&self, name: &RefName) -> Option<ObjectId> {
        self.moved.get(name).copied().unwrap_or_else(|| self.all.get(name).copied())
    }
}

/// Where refs stood before a push, and where they stand since.
pub(super) struct Moves {
    pub(super) before: Tips,
    pub(super) after: Tips,
    /// What the push moved.
    moved: HashSet<RefName>,
}

/// A ref that a push moved, and the commits that came to it or went.
struct Exchanged {
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    commits: Option<HashSet<ObjectId>>,
}

/// What happened to a review.
struct Change {
    /// The ref whose movement did it.
    by: RefName,
    action: ReviewAction,
    before: Option<Review>,
    after: Review,
    /// With a verdict.
    said: String,
}

impl Reader<'_> {
    pub(super) fn moves(&mut self) -> Moves {
        if self.tips.is_none() {
            self.tips = Some(Arc::new(self.refs().direct.iter().cloned().collect()));
        }
        let all = self.tips.clone().unwrap_or_default();
        let with = |end: fn(&RefUpdate) -> Option<ObjectId>| Tips {
            all: Arc::clone(&all),
            moved: self.updates.iter().map(|update| (update.name.clone(), end(update))).collect(),
        };
        let moved = self.updates.iter().map(|update| update.name.clone()).collect();
        Moves { before: with(|update| update.old), after: with(|update| update.new), moved }
    }

    /// A ref's name in this push's namespace.
    pub(super) fn within(&self, name: &[u8]) -> RefName {
        RefName::within(&self.namespace, name)
    }

    /// What happened to reviews, each with the ref whose movement did it, as far as the push itself tells.
    /// `enough` are counted at most.
    pub(super) fn merge_requests(
        &mut self,
        moves: &Moves,
        settings: &Settings,
        enough: usize,
    ) -> Vec<(RefName, MergeRequest)> {
        let mut found = Vec::new();
        for (revision, before, after) in self.touched(moves) {
            if found.len() >= enough {
                break;
            }
            for Change { by, action, before, after, said } in
                self.changes_of(revision, [&before, &after], moves, settings)
            {
                let Some(update) = self.updates.iter().find(|update| update.name == by) else { continue };
                let update = update.clone();
                found.push((by, MergeRequest { update, review: after, before, action, said, size: None }));
            }
        }
        found
    }

    /// The reviews that are open as the refs stand.
    pub fn open_reviews(&mut self, settings: &Settings) -> Vec<Review> {
        let moves = self.moves();
        let name = self.within(REQUESTS);
        let notes = self.objects.changed_notes(None, moves.after.get(&name)).unwrap_or_default();
        let mut open = Vec::new();
        let mut known: HashMap<String, HashSet<ObjectId>> = HashMap::new();
        for note in notes {
            let Some(requests) = self.requests(&moves, note.object) else { continue };
            let Some(last) = requests.last().filter(|last| !last.target_ref.is_empty()) else { continue };
            // Most of them are merged: then their target has them, which is asked of all of one target at once.
            let merged = known.entry(last.target_ref.clone()).or_insert_with_key(|name| {
                let tip = self.commit_at(&moves.after, name);
                self.between(None, tip)
            });
            if merged.contains(&last.alias.unwrap_or(note.object)) {
                continue;
            }
            let review = self.review(note.object, &requests, &moves.after, None, settings);
            open.extend(review.filter(|review| review.state == ReviewState::Opened));
        }
        open
    }

    /// The reviews that a push may have done something to, with their notes before and since: those whose notes it changed, and
    /// those of its branches.
    fn touched(&mut self, moves: &Moves) -> Vec<(ObjectId, Vec<Request>, Vec<Request>)> {
        let name = self.within(REQUESTS);
        let (old, new) = (moves.before.get(&name), moves.after.get(&name));
        let objects = self.objects;
        let parse = |blob: Option<ObjectId>| {
            blob.and_then(|blob| objects.note_text(blob)).map(|note| Request::all(&note)).unwrap_or_default()
        };
        let changed = objects.changed_notes(old, new).unwrap_or_default();
        let mut touched: Vec<_> =
            changed.iter().map(|change| (change.object, parse(change.old), parse(change.new))).collect();
        let known: HashSet<_> = changed.iter().map(|change| change.object).collect();
        let mut exchanged = self.exchanged();
        // Only what is no note can be a review's branch; and where there are no reviews, there is nothing to be read.
        if !exchanged.is_empty() {
            let all = objects.changed_notes(None, new).unwrap_or_default();
            for note in all.into_iter().filter(|note| !known.contains(&note.object)) {
                let requests = parse(note.new);
                let Some(last) = requests.last() else { continue };
                let start = last.alias.unwrap_or(note.object);
                let has_moved = match exchanged.get_mut(last.target_ref.as_bytes()) {
                    Some(target) => self.exchanges(target, start),
                    None => false,
                };
                let of_source = exchanged.get(last.review_ref.as_bytes());
                if has_moved || of_source.is_some() {
                    let is_new = of_source.is_some_and(|source| source.old.is_none()) && self.is_brought(note.object);
                    // Nobody has seen it without its first commit.
                    let before = if is_new { Vec::new() } else { requests.clone() };
                    touched.push((note.object, before, requests));
                }
            }
        }
        let comments = self.within(COMMENTS);
        for change in self.changed_comments(moves, &comments) {
            if let Some(requests) = self.requests(moves, change)
                && !touched.iter().any(|(object, ..)| *object == change)
            {
                touched.push((change, requests.clone(), requests));
            }
        }
        touched
    }

    /// The refs of this push that may be branches of reviews, with what it brought to them and took from them, found when first
    /// asked for.
    fn exchanged(&self) -> HashMap<Vec<u8>, Exchanged> {
        let is_branch = |update: &&RefUpdate| !update.name.as_bytes().starts_with(b"refs/notes/");
        let exchanged = |update: &RefUpdate| Exchanged { old: update.old, new: update.new, commits: None };
        let updates = self.updates.iter().filter(is_branch);
        updates.map(|update| (update.name.as_bytes().to_vec(), exchanged(update))).collect()
    }

    /// Whether a commit came with this push: no ref had it before.
    fn is_brought(&mut self, commit: ObjectId) -> bool {
        self.objects.has(commit) && self.not_before(commit, 0).total > 0
    }

    /// Whether a push brought a commit to a branch, or took it from there.
    fn exchanges(&mut self, branch: &mut Exchanged, commit: ObjectId) -> bool {
        let mut find = || {
            let [old, new] = [branch.old, branch.new].map(|id| id.and_then(|id| self.objects.peel(id)));
            // To a target that was not there it brought all that it has.
            let mut commits = self.between(old, new);
            commits.extend(self.between(new, old));
            commits
        };
        if branch.commits.is_none() {
            branch.commits = Some(find());
        }
        branch.commits.as_ref().is_some_and(|commits| commits.contains(&commit))
    }

    /// The objects that something was said of.
    fn changed_comments(&self, moves: &Moves, name: &RefName) -> Vec<ObjectId> {
        let (old, new) = (moves.before.get(name), moves.after.get(name));
        let changed = if old == new { None } else { self.objects.changed_notes(old, new) };
        changed.unwrap_or_default().iter().map(|change| change.object).collect()
    }

    /// What was asked of a commit; `None` where nothing was.
    pub(super) fn requests(&self, moves: &Moves, revision: ObjectId) -> Option<Vec<Request>> {
        let notes = moves.after.get(&self.within(REQUESTS))?;
        let text = self.objects.note_text(self.objects.note_on(notes, revision)?)?;
        Some(Request::all(&text)).filter(|requests| !requests.is_empty())
    }

    /// What a push did to one review.
    fn changes_of(
        &mut self,
        revision: ObjectId,
        [old, new]: [&[Request]; 2],
        moves: &Moves,
        settings: &Settings,
    ) -> Vec<Change> {
        let before = self.review(revision, old, &moves.before, None, settings);
        let head_before = before.as_ref().map(|review| Arc::clone(&review.head));
        let Some(mut after) = self.review(revision, new, &moves.after, head_before, settings) else {
            return Vec::new();
        };
        let (Some(request), Some(into)) = (new.last(), target_ref(new)) else { return Vec::new() };
        let start = request.alias.unwrap_or(revision);
        let tip = self.commit_at(&moves.after, into);
        let state = before.as_ref().map(|before| before.state);
        // Who merges it and gives it up at once has merged it.
        if (state, after.state) == (Some(ReviewState::Opened), ReviewState::Closed)
            && let Some(tip) = tip.filter(|tip| self.is_ancestor(start, *tip))
        {
            after.state = ReviewState::Merged;
            after.merge_commit = self.merge_on_first_parents(start, tip);
        }
        let [source, target, notes] =
            [request.review_ref.as_bytes(), into.as_bytes(), REQUESTS].map(|name| self.within(name));
        let is_asked_anew = old != new;
        let by = |first: &RefName| match moves.moved.contains(first) {
            true => first.clone(),
            false if is_asked_anew => notes.clone(),
            false => source.clone(),
        };
        let (action, by) = match (state, after.state) {
            // Its branch alone, where it was asked for before that came.
            (None, ReviewState::Opened) => {
                (Some(ReviewAction::Open), if moves.moved.contains(&notes) { notes } else { source })
            }
            (Some(ReviewState::Closed | ReviewState::Merged), ReviewState::Opened) => {
                (Some(ReviewAction::Reopen), by(&target))
            }
            (Some(ReviewState::Merged), ReviewState::Merged) | (Some(ReviewState::Closed), ReviewState::Closed) => {
                (None, notes)
            }
            (_, ReviewState::Merged) => (Some(ReviewAction::Merge), by(&target)),
            (_, ReviewState::Closed) => (Some(ReviewAction::Close), notes),
            (Some(ReviewState::Opened), ReviewState::Opened) => {
                let is_same = before.as_ref().is_some_and(|before| says_the_same(before, &after));
                ((!is_same).then_some(ReviewAction::Update), by(&source))
            }
        };
        let change = |action, by, said| Change { by, action, before: before.clone(), after: after.clone(), said };
        let changed = action.map(|action| change(action, by, String::new()));
        let resolved = before.as_ref().and_then(|before| before.resolved);
        let verdicts = verdicts(resolved, after.resolved);
        let said = if verdicts.is_empty() { String::new() } else { self.said_with(after.resolved, revision, moves) };
        let comments = self.within(COMMENTS);
        // What else happened has its own event, before this.
        let then = changed.as_ref().map(|_| Review { resolved, ..after.clone() }).or(before.clone());
        let verdict = |action| Change { before: then.clone(), ..change(action, comments.clone(), said.clone()) };
        changed.into_iter().chain(verdicts.into_iter().map(verdict)).collect()
    }

    /// What a push says with the verdict that a review has since; empty for nothing.
    fn said_with(&self, verdict: Option<bool>, revision: ObjectId, moves: &Moves) -> String {
        let known: HashSet<_> =
            self.comments_on(&moves.before, revision).into_iter().map(|comment| comment.id).collect();
        let mut new = self.comments_on(&moves.after, revision);
        new.retain(|comment| !known.contains(&comment.id) && comment.resolved.is_some() && comment.resolved == verdict);
        new.pop().map(|comment| comment.text).unwrap_or_default()
    }

    /// A review at one moment; `None` where nobody had asked for it, or its commit cannot be read. Where its branch is gone
    /// it has the head that it had.
    pub(super) fn review(
        &mut self,
        revision: ObjectId,
        requests: &[Request],
        tips: &Tips,
        known_head: Option<Arc<Commit>>,
        settings: &Settings,
    ) -> Option<Review> {
        let (first, last) = (requests.first()?, requests.last()?);
        let start = last.alias.unwrap_or(revision);
        let target_ref = target_ref(requests)?;
        let target = self.commit_at(tips, target_ref);
        let source = self.commit_at(tips, &last.review_ref);
        let is_merged = target.is_some_and(|target| self.is_ancestor(start, target));
        let state = match last.target_ref.is_empty() {
            true => ReviewState::Closed,
            false if is_merged => ReviewState::Merged,
            false => ReviewState::Opened,
        };
        let on_branch = source.filter(|source| self.is_ancestor(start, *source));
        let head = match on_branch {
            Some(head) => self.commit(head),
            None => known_head.filter(|_| source.is_none()).or_else(|| self.commit(start)),
        }?;
        // What is merged is measured against what was there before it.
        let merge_commit = target.filter(|_| is_merged).and_then(|tip| self.merge_on_first_parents(start, tip));
        let hidden: Vec<_> = match (state, merge_commit) {
            (ReviewState::Merged, Some(merge)) => self.objects.parents(merge).into_iter().flatten().take(1).collect(),
            (ReviewState::Merged, None) => self.objects.parents(start).unwrap_or_default(),
            _ => target.into_iter().collect(),
        };
        let range = self.revwalk.range(head.id, &hidden, usize::MAX);
        let base = if hidden.is_empty() { None } else { self.base(head.id, &range.newest) };
        let comments = self.comments_on(tips, revision);
        let (title, description) = split(&last.description);
        let person = |word: &String| Pusher::claimed_by(word, &settings.users);
        let times = [last.timestamp, appraise::newest(&comments)];
        let commenters = comments.iter().filter(|it| it.original.is_none() && it.says_anything());
        let commenters = commenters.map(|comment| (person(&comment.author), comment.resolved)).collect();
        // git-appraise gives a review up with a comment that rejects it.
        let mut rejections = comments.iter().filter(|comment| comment.resolved == Some(false));
        let rejection = rejections.next_back().filter(|_| state == ReviewState::Closed);
        let created = first.timestamp.unwrap_or(head.committer.time.seconds);
        Some(Review {
            number: number(revision, &last.review_ref),
            title,
            description,
            source: short_branch(&last.review_ref),
            target: short_branch(target_ref),
            author: person(&first.requester),
            reviewers: last.reviewers.iter().map(person).collect(),
            created: Time::utc(created),
            updated: Time::utc(times.into_iter().flatten().max().unwrap_or(created)),
            state,
            base,
            commits: range.total,
            head,
            merge_commit: merge_commit.filter(|_| state == ReviewState::Merged),
            resolved: appraise::verdict(&comments),
            reason: rejection.map(|comment| comment.text.clone()).unwrap_or_default(),
            commenters,
        })
    }

    /// What was said of a review up to a moment.
    fn comments_on(&self, tips: &Tips, revision: ObjectId) -> Vec<Comment> {
        let note = tips.get(&self.within(COMMENTS)).and_then(|notes| self.objects.note_on(notes, revision));
        let text = note.and_then(|blob| self.objects.note_text(blob)).unwrap_or_default();
        appraise::lines(&text).filter_map(Comment::parse).collect()
    }

    /// The commit that a ref led to at one moment.
    pub(super) fn commit_at(&self, tips: &Tips, name: &str) -> Option<ObjectId> {
        self.objects.peel(tips.get(&self.within(name.as_bytes()))?)
    }
}

/// Whether nothing that is told of an open review has changed but what was said of it.
fn says_the_same(before: &Review, after: &Review) -> bool {
    let told = |review: &Review| {
        let Review { title, description, source, target, reviewers, .. } = review.clone();
        (title, description, source, target, reviewers)
    };
    before.head.id == after.head.id && told(before) == told(after)
}

/// What became of whether a review is accepted.
fn verdicts(before: Option<bool>, after: Option<bool>) -> Vec<ReviewAction> {
    if before == after {
        return Vec::new();
    }
    let withdrawn =
        before.map(|accepted| if accepted { ReviewAction::Unapprove } else { ReviewAction::WithdrawChanges });
    let given = after.map(|accepted| if accepted { ReviewAction::Approve } else { ReviewAction::RequestChanges });
    withdrawn.into_iter().chain(given).collect()
}

/// The first line, and what comes after it.
fn split(text: &str) -> (String, String) {
    let (title, rest) = text.trim_start().split_once('\n').unwrap_or((text.trim_start(), ""));
    (title.trim_end().to_owned(), rest.trim().to_owned())
}

/// The ref that a review is, or was last, to be merged into.
fn target_ref(requests: &[Request]) -> Option<&String> {
    requests.iter().rev().map(|request| &request.target_ref).find(|name| !name.is_empty())
}

/// A branch's name without what all branches have in front.
pub fn short_branch(name: &str) -> String {
    name.strip_prefix("refs/heads/").unwrap_or(name).to_owned()
}

/// The number of a review: that of the ref it came by, else one made of its first commit.
fn number(revision: ObjectId, review_ref: &str) -> u32 {
    let derived = || revision.as_bytes().iter().take(4).fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
    number_in(review_ref).unwrap_or_else(|| (derived() & 0x7fff_ffff).max(1))
}

/// The number that a review's ref has, as forges and proc-receive hooks name them; `None` of any other ref.
pub fn number_in(review_ref: &str) -> Option<u32> {
    let numbered = ["refs/pull/", "refs/merge-requests/"].iter().find_map(|start| review_ref.strip_prefix(start));
    let given = numbered.and_then(|rest| rest.strip_suffix("/head")?.parse().ok());
    given.filter(|number| (1..1 << 31).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_has_a_number_that_a_java_receiver_reads() {
        let id = |hex: &str| ObjectId::from_hex(hex.repeat(40).as_bytes()).flatten().unwrap();
        assert_eq!(number(id("f"), "refs/heads/x"), 0x7fff_ffff);
        assert_eq!(number(id("1"), "refs/heads/x"), 0x1111_1111);
        assert_eq!([number(id("1"), "refs/pull/7/head"), number(id("1"), "refs/merge-requests/8/head")], [7, 8]);
        assert_eq!(number(id("1"), "refs/pull/0/head"), 0x1111_1111);
    }

    #[test]
    fn a_title_is_the_first_line_of_what_was_written() {
        assert_eq!(split("one\n\ntwo\nthree\n"), ("one".into(), "two\nthree".into()));
        assert_eq!(split("one"), ("one".into(), String::new()));
    }

    #[test]
    fn whoever_takes_a_verdict_back_and_gives_another_does_both() {
        use ReviewAction::{Approve, RequestChanges, Unapprove, WithdrawChanges};
        assert_eq!(verdicts(None, Some(true)), [Approve]);
        assert_eq!(verdicts(Some(true), Some(false)), [Unapprove, RequestChanges]);
        assert_eq!(verdicts(Some(false), None), [WithdrawChanges]);
        assert_eq!(verdicts(Some(true), Some(true)), []);
    }
}
