//! Reviews that push options open: what each push does to them is worked out from the receipts in their order, written down, and
//! told from there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::os::unix::ffi::OsStrExt;

use uuid::Uuid;

use super::review_options::ReviewOptions;
use super::reviewed_push::ReviewedPush;
use super::{Pipeline, Scene, wanted_by};
use crate::event::{MergeRequest, ReviewRecord, ReviewState};
use crate::files::{FileError, Unfit};
use crate::message;
use crate::process::Environment;
use crate::pusher;
use crate::ref_update::{Namespace, ObjectId, RefEvent, RefKind, RefName};
use crate::report::ReviewLine;
use crate::repository::{Head, Objects, Reader, short_branch};
use crate::spool::{Receipt, ReviewChange, ReviewFile, Reviews, ReviewsState, branch_of};
use crate::target::Target;

/// So many open reviews are looked through for the one that a comment on a commit belongs to.
const MOST_SEARCHED: usize = 1000;

/// A pusher reads of so many.
const MOST_SAID: usize = 10;

/// So many pushes of a time in which nobody wanted to hear of reviews are drawn in.
const MOST_DRAWN_IN: u64 = 1000;

impl Pipeline<'_> {
    /// Whether anybody wants to hear of reviews, or of comments, which may be a review's.
    pub fn tells_reviews(&self) -> bool {
        let wants = |target: &&Target| target.switch.is_on() && (target.wanted().reviews || target.wanted().notes);
        self.configuration.settings.notes.reviews && self.targets.iter().any(wants)
    }

    /// Draws in what all pushes up to this number did to reviews, and returns what that one did. Where its whole receipt is at
    /// hand, hardly any other has to be looked for.
    ///
    /// # Errors
    /// Where it cannot be kept or read: then nothing of it can be told yet.
    pub fn draw_in_reviews(
        &self,
        objects: &Objects,
        sequence: u64,
        whole: Option<&Receipt>,
    ) -> Result<Vec<ReviewChange>, FileError> {
        if !self.tells_reviews() || (!self.spool.has_reviews() && !self.opens_any(whole)) {
            return Ok(Vec::new());
        }
        let held = self.spool.hold_reviews()?;
        let mut state = match held.state() {
            Some(state) => state,
            None => self.first_state(sequence)?,
        };
        if state.sequence < sequence {
            let from = state.sequence.max(sequence.saturating_sub(MOST_DRAWN_IN));
            let receipts = match whole {
                Some(whole) if from + 1 == sequence => vec![(sequence, whole.clone())],
                _ => self.spool.receipts_since(from),
            };
            for (number, receipt) in receipts.iter().filter(|(number, _)| *number <= sequence) {
                self.draw_in(&held, &mut state, objects, (*number, receipt))?;
            }
            state.sequence = sequence;
            held.set_state(&state)?;
        }
        self.spool.review_changes(sequence).map_err(|why| self.unread(&why))
    }

    /// Whether this push opens a review, or any that is not settled.
    fn opens_any(&self, whole: Option<&Receipt>) -> bool {
        let opens = |receipt: &Receipt| self.opens(receipt);
        whole.is_none_or(opens) || self.spool.receipts(&HashSet::new()).iter().any(|(_, receipt)| opens(receipt))
    }

    fn opens(&self, receipt: &Receipt) -> bool {
        ReviewOptions::of(&pusher::push_options(&receipt.environment())).creates
            || receipt.lines.iter().any(|line| self.is_review_ref(&line.update.name))
    }

    /// Whether a ref is a review's head, by which somebody else's proc-receive hook asks for it.
    pub(super) fn is_review_ref(&self, name: &RefName) -> bool {
        let patterns = &self.configuration.settings.notes.review_refs;
        patterns.as_ref().is_some_and(|patterns| name.kind() == RefKind::Other && patterns.include(name))
    }

    /// Where nothing is known of what was drawn in: what is settled is, and numbers go on above those that were given.
    fn first_state(&self, sequence: u64) -> Result<ReviewsState, FileError> {
        let files = self.spool.review_files()?;
        let floor =
            files.iter().filter_map(|file| self.spool.review(file)).map(|review| review.number).max().unwrap_or(0);
        let first = sequence.min(self.spool.lowest_unsettled().unwrap_or(u64::MAX));
        Ok(ReviewsState { sequence: first.saturating_sub(1), floor, ..ReviewsState::default() })
    }

    fn draw_in(
        &self,
        held: &Reviews,
        state: &mut ReviewsState,
        objects: &Objects,
        (sequence, receipt): (u64, &Receipt),
    ) -> Result<(), FileError> {
        // What whoever began to draw it in has kept is not worked out a second time: reviews may have changed since.
        let mut changes = self.spool.review_changes(sequence).map_err(|why| self.unread(&why))?;
        if changes.is_empty() {
            changes = self.done_to_reviews(state, objects, (sequence, receipt))?;
            if changes.is_empty() {
                return Ok(());
            }
            held.keep(sequence, &changes)?;
        }
        for ReviewChange { namespace, after, .. } in &changes {
            let last = state.last.entry(namespace.clone()).or_insert(state.floor);
            *last = after.number.max(*last);
        }
        held.draw_in(&changes)
    }

    fn unread(&self, why: &Unfit) -> FileError {
        let path = self.spool.state().spool().path().join("reviews");
        FileError::new(message::cannot_read, &path, io::Error::other(why.to_string()))
    }

    /// What a push does to the reviews as they are.
    fn done_to_reviews(
        &self,
        state: &ReviewsState,
        objects: &Objects,
        (sequence, receipt): (u64, &Receipt),
    ) -> Result<Vec<ReviewChange>, FileError> {
        let is_head =
            |line: &&RefEvent| line.update.name.kind() == RefKind::Branch || self.is_review_ref(&line.update.name);
        let namespaces: BTreeSet<_> =
            receipt.lines.iter().filter(is_head).map(|line| line.update.name.namespace()).collect();
        let files = self.spool.review_files()?;
        let options = ReviewOptions::of(&pusher::push_options(&receipt.environment()));
        let mut changes = Vec::new();
        if files.is_empty() && !self.opens(receipt) {
            return Ok(changes);
        }
        for namespace in namespaces {
            let mut updates = receipt.all_updates();
            updates.retain(|update| update.name.is_in(&namespace));
            let later = || self.moved_since(sequence, receipt);
            let wanted = wanted_by(std::iter::empty());
            let reader = Reader::new(self.common_dir, self.configuration.layout, objects, &updates, wanted);
            let mut reader = reader.rewound(&later);
            let lines = receipt.lines.iter().filter(|line| line.update.name.is_in(&namespace)).filter(is_head);
            let lines: Vec<&RefEvent> = lines.collect();
            let last = state.last.get(&*namespace.text()).copied().unwrap_or(state.floor);
            let push =
                ReviewedPush { pipeline: self, files: &files, receipt, namespace: &namespace, options: &options };
            changes.extend(push.changes(&mut reader, &lines, last));
        }
        Ok(changes)
    }

    /// What a push did to reviews, as far as it was one of these lines, each with that line's number and id.
    pub(super) fn told_of_reviews(
        reader: &mut Reader<'_>,
        lines: &[(u32, &RefEvent)],
        changes: &[ReviewChange],
    ) -> Vec<(u32, Uuid, MergeRequest)> {
        let of_ids: HashMap<_, _> = lines.iter().map(|(number, line)| (line.event, (*number, *line))).collect();
        let tell = |change: &ReviewChange| {
            let (number, line) = of_ids.get(&change.line)?;
            let review = reader.review_from(&change.after)?;
            let before = change.before.as_ref().and_then(|before| reader.review_from(before));
            Some((
                *number,
                line.event,
                MergeRequest {
                    update: line.update.clone(),
                    review,
                    before,
                    action: change.action,
                    said: String::new(),
                    size: None,
                },
            ))
        };
        changes.iter().filter_map(tell).collect()
    }

    /// The reviews of a namespace that a comment on a commit may belong to, those first whose head it is: those that were open when
    /// the push of this number was over, as they were then.
    pub fn reviews_beside(&self, namespace: &Namespace, sequence: u64, commit: ObjectId) -> Vec<ReviewRecord> {
        let key = |review: &ReviewRecord| (review.namespace.clone(), review.source.clone(), review.number);
        // What came later is taken back, from the newest on, so that the oldest has the last word.
        let mut then = HashMap::new();
        for change in self.spool.review_changes_since(sequence).unwrap_or_default().into_iter().rev() {
            then.insert(key(&change.after), change.before);
        }
        let head = ReviewFile::head_of(&commit);
        let mut files = self.spool.review_files().unwrap_or_default();
        files.retain(ReviewFile::is_open);
        files.sort_by_key(|file| file.head() != head);
        files.truncate(MOST_SEARCHED);
        let kept = files.iter().filter_map(|file| self.spool.review(file));
        let mut open: Vec<_> = kept.filter(|review| !then.contains_key(&key(review))).collect();
        open.extend(then.into_values().flatten());
        open.retain(|review| review.state == ReviewState::Opened && review.namespace == namespace.text());
        open.sort_by_cached_key(|review| (!review.head.starts_with(&head), review.number));
        open
    }

    /// What the pusher reads of what this push did to reviews, and of options that ask for what there is not.
    pub fn said_of_reviews(&self, sequence: u64, environment: &Environment) -> (Vec<ReviewLine>, Vec<String>) {
        if !self.tells_reviews() {
            return (Vec::new(), Vec::new());
        }
        let options = ReviewOptions::of(&pusher::push_options(environment));
        let changes = self.spool.review_changes(sequence).unwrap_or_default();
        let mut refused: Vec<_> = options.unknown.iter().map(message::unknown_push_option).collect();
        refused.extend(self.not_opened(&options, &changes, environment));
        let line = |change: ReviewChange| {
            let namespace = Namespace::new(change.namespace.as_bytes());
            let (git_dir, configuration) = (self.git_dir, self.configuration);
            let shown = Scene { git_dir, configuration, environment, namespace }.repository(false);
            let number = change.after.number;
            let page = if shown.review_url.is_empty() { String::new() } else { shown.review_page(number, "") };
            ReviewLine { number, action: change.action, branches: (change.after.source, change.after.target), page }
        };
        (changes.into_iter().take(MOST_SAID).map(line).collect(), refused)
    }

    /// Why a push has no review though its options speak of one; `None` where it has.
    fn not_opened(
        &self,
        options: &ReviewOptions,
        changes: &[ReviewChange],
        environment: &Environment,
    ) -> Option<String> {
        let has_one = changes.iter().any(|change| change.after.state == ReviewState::Opened);
        if has_one || !(options.creates || options.have_text()) {
            return None;
        }
        if !options.creates {
            return Some(message::no_review_to_change().into());
        }
        let namespace = Namespace::new(environment.get("GIT_NAMESPACE").map_or(b"", OsStrExt::as_bytes));
        let Some(target) = self.target_of(options, &namespace) else {
            return Some(message::no_default_branch().into());
        };
        let name = RefName::within(&namespace, format!("refs/heads/{target}").as_bytes());
        let is_there = self.refs().is_none_or(|refs| refs.contains_key(&name));
        Some(if is_there { message::nothing_to_review(target) } else { message::no_branch_to_merge_into(target) })
    }

    /// The branch that a review is asked to be merged into.
    pub(super) fn target_of(&self, options: &ReviewOptions, namespace: &Namespace) -> Option<String> {
        let default = || {
            let (common_dir, layout) = (self.common_dir, self.configuration.layout);
            let head = Head::of(common_dir, layout, namespace);
            head.default_branch(common_dir, layout, namespace).map(|name| branch_of(&name))
        };
        options.target.as_deref().map(short_branch).or_else(default)
    }

    /// All open reviews that push options opened, by their numbers.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn open_reviews(&self) -> Result<Vec<ReviewRecord>, FileError> {
        let files = self.spool.review_files()?;
        let mut open: Vec<_> =
            files.iter().filter(|file| file.is_open()).filter_map(|file| self.spool.review(file)).collect();
        open.sort_by_key(|review| review.number);
        Ok(open)
    }
}
