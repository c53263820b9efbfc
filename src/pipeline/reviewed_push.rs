//! What one push does to the reviews that push options opened.

use std::collections::HashSet;

use log::debug;

use super::review_options::ReviewOptions;
use super::{Pipeline, Scene};
use crate::event::{ReviewAction, ReviewRecord, ReviewState};
use crate::pusher::Pusher;
use crate::ref_update::{Namespace, ObjectId, RefEvent};
use crate::repository::{Reader, number_in, short_branch};
use crate::spool::{BranchKey, Receipt, ReviewChange, ReviewFile, branch_of};

/// A push, as far as it may do something to reviews.
pub(super) struct ReviewedPush<'p> {
    pub(super) pipeline: &'p Pipeline<'p>,
    pub(super) files: &'p [ReviewFile],
    pub(super) receipt: &'p Receipt,
    pub(super) namespace: &'p Namespace,
    pub(super) options: &'p ReviewOptions,
}

impl ReviewedPush<'_> {
    /// What it did: sources first, then what targets have, then what is given up. So what is merged and goes in one push is
    /// merged.
    pub(super) fn changes(&self, reader: &mut Reader<'_>, lines: &[&RefEvent], last: u32) -> Vec<ReviewChange> {
        let mut changes = Vec::new();
        let mut next = last;
        for line in lines {
            if let Some(new) = line.update.new {
                self.moved(reader, line, new, &mut next, &mut changes);
            }
        }
        for line in lines {
            self.merged(reader, line, &mut changes);
        }
        for line in lines.iter().filter(|line| line.update.new.is_none() || self.options.closes) {
            self.closed(line, &mut changes);
        }
        changes
    }

    /// A review as it is by what this push has done so far.
    fn now(&self, file: &ReviewFile, changes: &[ReviewChange]) -> Option<ReviewRecord> {
        let kept = self.pipeline.spool.review(file)?;
        // From one branch into another there were others before, which are merged.
        let name = |review: &ReviewRecord| (review.number, review.source.clone(), review.target.clone());
        let is_same = |change: &&ReviewChange| name(&change.after) == name(&kept);
        Some(changes.iter().rev().find(is_same).map(|change| change.after.clone()).unwrap_or(kept))
    }

    /// The reviews of a branch.
    fn known(&self, source: &str, changes: &[ReviewChange]) -> Vec<ReviewRecord> {
        let key = BranchKey::of(&self.namespace.text(), source);
        let known = self.files.iter().filter(|file| file.is_from(&key)).filter_map(|file| self.now(file, changes));
        // Two branches may have one key.
        known.filter(|review| review.source == source).collect()
    }

    /// Its source stands elsewhere, or is asked to be merged.
    fn moved(
        &self,
        reader: &mut Reader<'_>,
        line: &RefEvent,
        new: ObjectId,
        next: &mut u32,
        changes: &mut Vec<ReviewChange>,
    ) {
        let source = branch_of(&line.update.name);
        let known = self.known(&source, changes);
        let is_of_reviews = self.pipeline.is_review_ref(&line.update.name);
        // That it moved asks for nothing new: it has its review.
        let asks = (self.options.creates && !is_of_reviews) || (is_of_reviews && known.is_empty());
        let asked = asks
            .then(|| self.pipeline.target_of(self.options, self.namespace))
            .flatten()
            .filter(|target| *target != source);
        for before in
            known.iter().filter(|review| review.state == ReviewState::Opened && Some(&review.target) != asked.as_ref())
        {
            let Some(mut after) = self.with_head(reader, before, new) else { continue };
            // As at GitLab, what is said without asking for another review is said of the one that there is.
            if !self.options.creates && self.is_meant(before) {
                after.title = self.options.titled(after.title);
                after.description = self.options.description.clone().unwrap_or(after.description);
            }
            let told = |review: &ReviewRecord| [&review.head, &review.title, &review.description].map(String::clone);
            let is_changed = told(&after) != told(before);
            changes.extend(is_changed.then(|| self.change(line, ReviewAction::Update, Some(before), after)));
        }
        if let Some(target) = asked.filter(|target| reader.branch_after(target).is_some()) {
            changes.extend(self.asked(reader, line, (new, source, target), &known, next));
        }
    }

    /// It is asked to have a branch that stands there merged into another: one that is known goes on, or it is the next.
    fn asked(
        &self,
        reader: &mut Reader<'_>,
        line: &RefEvent,
        (new, source, target): (ObjectId, String, String),
        known: &[ReviewRecord],
        next: &mut u32,
    ) -> Option<ReviewChange> {
        let of_both = known.iter().filter(|review| review.target == target);
        let before = of_both.max_by_key(|review| (review.state == ReviewState::Opened, review.number));
        let standing = reader.standing(new, &target)?;
        if standing.commits == 0 {
            debug!("{source}: {target} has all of it, so there is nothing to be reviewed");
            return None;
        }
        // A review that is merged is over: what is asked for now is another.
        let continued = before.filter(|before| before.state != ReviewState::Merged);
        let given = number_in(&source)
            .filter(|number| self.pipeline.is_review_ref(&line.update.name) && !self.is_taken(*number, *next));
        let number = continued.map(|before| before.number).or(given).unwrap_or(*next + 1);
        *next = number.max(*next);
        let (title, description) = match continued {
            Some(before) => (before.title.clone(), before.description.clone()),
            None => standing.message,
        };
        let author = continued.map(|before| before.author.clone()).unwrap_or_else(|| self.author(reader));
        let after = ReviewRecord {
            number,
            namespace: self.namespace.text().into_owned(),
            title: self.options.titled(title),
            description: self.options.description.clone().unwrap_or(description),
            source,
            target,
            author,
            created: continued.map_or(self.receipt.time, |before| before.created),
            updated: self.receipt.time,
            state: ReviewState::Opened,
            head: standing.head.to_string(),
            base: standing.base.map(|id| id.to_string()).unwrap_or_default(),
            commits: standing.commits,
            merge_commit: String::new(),
        };
        let action = match continued.map(|before| before.state) {
            None => ReviewAction::Open,
            Some(ReviewState::Opened) => ReviewAction::Update,
            Some(_) => ReviewAction::Reopen,
        };
        Some(self.change(line, action, continued, after))
    }

    /// Whether another review of the namespace has a number; above the last one that was given none has.
    fn is_taken(&self, number: u32, last: u32) -> bool {
        let namespace = self.namespace.text();
        let has_it = |review: ReviewRecord| review.number == number && review.namespace == namespace;
        number <= last && self.files.iter().filter_map(|file| self.pipeline.spool.review(file)).any(has_it)
    }

    /// Its target has its head now, or has it no more.
    fn merged(&self, reader: &mut Reader<'_>, line: &RefEvent, changes: &mut Vec<ReviewChange>) {
        let target = branch_of(&line.update.name);
        let key = BranchKey::of(&self.namespace.text(), &target);
        let mut files: Vec<_> = self.files.iter().filter(|file| file.is_into(&key)).cloned().collect();
        // What this very push has opened or moved is in no file yet.
        let mut fresh: Vec<_> = changes.iter().map(|change| change.after.clone()).collect();
        fresh.retain(|review| review.target == target);
        if files.is_empty() && fresh.is_empty() {
            return;
        }
        let exchanged = reader.exchange(&line.update);
        let heads =
            [&exchanged[0], &exchanged[1]].map(|ids| ids.iter().map(ReviewFile::head_of).collect::<HashSet<_>>());
        files.retain(|file| {
            let commits = if file.is_open() { &heads[0] } else { &heads[1] };
            (file.is_open() || file.is_merged()) && commits.contains(file.head())
        });
        let kept: Vec<_> = files.iter().filter_map(|file| self.now(file, changes)).collect();
        for before in kept.into_iter().chain(fresh) {
            let Some(head) = ObjectId::from_hex(before.head.as_bytes()).flatten() else { continue };
            let (action, state) = match before.state {
                ReviewState::Opened if exchanged[0].contains(&head) => (ReviewAction::Merge, ReviewState::Merged),
                ReviewState::Merged if exchanged[1].contains(&head) => (ReviewAction::Reopen, ReviewState::Opened),
                _ => continue,
            };
            let is_in_place = |other: &ReviewRecord| other.state == ReviewState::Opened && other.target == target;
            // From one branch into another there is one review at a time.
            if state == ReviewState::Opened && self.known(&before.source, changes).iter().any(is_in_place) {
                continue;
            }
            if before.target != target || changes.iter().any(|change| change.before.as_ref() == Some(&before)) {
                continue;
            }
            let merge_commit = match state {
                ReviewState::Merged => reader.merge_of(head, &target).map(|id| id.to_string()).unwrap_or_default(),
                _ => String::new(),
            };
            let after = ReviewRecord { state, merge_commit, updated: self.receipt.time, ..before.clone() };
            changes.push(self.change(line, action, Some(&before), after));
        }
    }

    /// Its source is gone, or it is given up.
    fn closed(&self, line: &RefEvent, changes: &mut Vec<ReviewChange>) {
        let source = branch_of(&line.update.name);
        for before in self.known(&source, changes) {
            let is_meant = line.update.new.is_none() || self.is_meant(&before);
            if before.state == ReviewState::Opened && is_meant {
                let after = ReviewRecord { state: ReviewState::Closed, updated: self.receipt.time, ..before.clone() };
                changes.push(self.change(line, ReviewAction::Close, Some(&before), after));
            }
        }
    }

    /// Whether the options speak of this review: of all of a branch, unless they name a target.
    fn is_meant(&self, review: &ReviewRecord) -> bool {
        self.options.target.as_deref().map(short_branch).is_none_or(|target| target == review.target)
    }

    fn with_head(&self, reader: &mut Reader<'_>, before: &ReviewRecord, new: ObjectId) -> Option<ReviewRecord> {
        let standing = reader.standing(new, &before.target)?;
        Some(ReviewRecord {
            head: standing.head.to_string(),
            base: standing.base.map(|id| id.to_string()).unwrap_or_default(),
            commits: standing.commits,
            updated: self.receipt.time,
            ..before.clone()
        })
    }

    /// Who pushed.
    fn author(&self, reader: &mut Reader<'_>) -> Pusher {
        let (environment, namespace) = (self.receipt.environment(), self.namespace.clone());
        let Pipeline { git_dir, configuration, .. } = *self.pipeline;
        let scene = Scene { git_dir, configuration, environment: &environment, namespace };
        scene.context(false, self.receipt.time, reader).pusher
    }

    fn change(
        &self,
        line: &RefEvent,
        action: ReviewAction,
        before: Option<&ReviewRecord>,
        after: ReviewRecord,
    ) -> ReviewChange {
        let namespace = self.namespace.text().into_owned();
        ReviewChange { namespace, line: line.event, action, before: before.cloned(), after }
    }
}
