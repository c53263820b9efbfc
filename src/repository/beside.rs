//! What a push tells beside its pushes: what happened to reviews, and what somebody said.

use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::Arc;

use uuid::Uuid;

use super::Reader;
use super::notes::{NoteChange, new_part};
use super::reviews::{COMMENTS, Moves};
use crate::appraise::{self, Comment};
use crate::config::Settings;
use crate::event::{Commit, Context, Event, EventKind, MergeRequest, Note, Review, ReviewRecord, ReviewState, Time};
use crate::identifier;
use crate::message;
use crate::pusher::Pusher;
use crate::ref_update::{ObjectId, RefEvent, RefKind, RefName, RefUpdate};
use crate::text::shorten;

/// What stands behind a note that was cut.
const MARK: &str = "…";

/// What is known elsewhere of reviews that push options opened.
pub struct Opened<'o> {
    /// What the push did to them, each with the number and the id of the line that did it.
    pub requests: Vec<(u32, Uuid, MergeRequest)>,
    /// The open ones that a comment on a commit may belong to, the likeliest first.
    pub beside: &'o dyn Fn(ObjectId) -> Vec<ReviewRecord>,
}

impl Reader<'_> {
    /// The events of these lines, which have their numbers in the receipt, that no push of a branch or tag tells: reviews first,
    /// then comments. Of more than are allowed none is told.
    pub fn events_beside(
        &mut self,
        lines: &[(u32, &RefEvent)],
        context: &Arc<Context>,
        settings: &Settings,
        opened: Opened<'_>,
    ) -> Vec<(u32, Event)> {
        let (reviews, notes) = (self.wanted.reviews && settings.notes.reviews, self.wanted.notes);
        if !reviews && !notes {
            return Vec::new();
        }
        // Tags are neither, and to know more than that all refs would have to be read.
        if lines.iter().all(|(_, line)| line.update.name.kind() == RefKind::Tag) {
            return Vec::new();
        }
        let of_names: HashMap<&RefName, &(u32, &RefEvent)> =
            lines.iter().map(|line| (&line.1.update.name, line)).collect();
        let mut events = Vec::new();
        let moves = self.moves();
        // Of more it need not be known how many.
        let enough = settings.notes.most_events + 1;
        if reviews {
            for (number, line, request) in opened.requests {
                let what = format!("opened\0{}\0{}", request.review.number, request.action.word());
                let id = identifier::derived(line, "merge_request", what.as_bytes());
                events.push((number, id, EventKind::MergeRequest(Box::new(request))));
            }
            for (name, request) in self.merge_requests(&moves, settings, enough) {
                let Some((number, line)) = of_names.get(&name) else { continue };
                let what = format!("{}\0{}", request.review.number, request.action.word());
                let id = identifier::derived(line.event, "merge_request", what.as_bytes());
                events.push((*number, id, EventKind::MergeRequest(Box::new(request))));
            }
            self.measure(events.iter_mut().map(|(_, _, kind)| kind));
        }
        if notes {
            for (number, line) in lines {
                let enough = enough.saturating_sub(events.len());
                let said = self.said(&line.update, &moves, settings, (opened.beside, enough));
                events.extend(said.into_iter().map(|(what, note)| {
                    let id = identifier::derived(line.event, "note", what.as_bytes());
                    (*number, id, EventKind::Note(Box::new(note)))
                }));
            }
        }
        if events.len() > settings.notes.most_events {
            log::warn!("{}", message::too_many_review_events(settings.notes.most_events));
            return Vec::new();
        }
        let event =
            |(number, id, kind): (u32, Uuid, EventKind)| (number, Event { id, context: Arc::clone(context), kind });
        events.into_iter().map(event).collect()
    }

    /// What was said by the movement of one ref, each with what tells it from the others.
    fn said(
        &mut self,
        update: &RefUpdate,
        moves: &Moves,
        settings: &Settings,
        (opened, enough): (&dyn Fn(ObjectId) -> Vec<ReviewRecord>, usize),
    ) -> Vec<(String, Note)> {
        let name = update.name.as_bytes();
        let is_of_reviews = name == COMMENTS && settings.notes.reviews;
        let is_of_commits = settings.notes.refs.iter().any(|known| known.as_bytes() == name);
        // A ref that is gone says nothing.
        let Some(new) = update.new.filter(|_| is_of_reviews || is_of_commits) else { return Vec::new() };
        let Some(changes) = self.objects.changed_notes(update.old, Some(new)) else {
            log::warn!("{}", message::notes_unreadable(update.name.text()));
            return Vec::new();
        };
        let writers = self.note_writers(update.old, new);
        let mut said = Vec::new();
        for change in changes {
            if said.len() >= enough {
                break;
            }
            let Some(commit) = self.commit(change.object) else {
                log::debug!("{}: {}: no commit, so its note is no comment", update.name.text(), change.object);
                continue;
            };
            let text = |blob: Option<ObjectId>| blob.and_then(|blob| self.objects.note_text(blob));
            let Some(now) = text(change.new) else {
                let is_large = change.new.is_some_and(|blob| self.objects.is_too_large_for_note(blob));
                match is_large {
                    true => log::warn!("{}", message::note_too_large(update.name.text(), change.object)),
                    false => log::debug!("{}: {}: the note is gone, or no text", update.name.text(), change.object),
                }
                continue;
            };
            let before = text(change.old);
            let about = About { update, change, commit, writer: writers.of(change.object).cloned() };
            if is_of_reviews {
                said.extend(self.said_of_review(&about, [before.as_deref(), Some(&now)], moves, settings, opened));
            } else if let Some((text, replaces)) = new_part(before.as_deref(), &now) {
                let what = change.object.to_string();
                let note = Note { replaces, ..about.comment(&text, settings) };
                said.push((what, note));
            }
        }
        said
    }

    /// What git-appraise's new lines on one object say.
    fn said_of_review(
        &mut self,
        about: &About<'_>,
        [before, now]: [Option<&str>; 2],
        moves: &Moves,
        settings: &Settings,
        opened: &dyn Fn(ObjectId) -> Vec<ReviewRecord>,
    ) -> Vec<(String, Note)> {
        let now = now.unwrap_or_default();
        let lines = appraise::new_lines(before, now);
        let comments: Vec<_> = lines.into_iter().filter_map(Comment::parse).filter(Comment::says_anything).collect();
        if comments.is_empty() {
            return Vec::new();
        }
        let review = self.review_of(about.change.object, moves, settings, opened);
        let all: Vec<_> = appraise::lines(now).filter_map(Comment::parse).collect();
        let tell = |comment: Comment| {
            let mut note = about.comment(comment.words(), settings);
            let time = comment.timestamp.map(Time::utc);
            let first = comment.original.as_ref().and_then(|id| all.iter().find(|other| other.id == *id));
            let before = || first.map(|first| first.words().to_owned()).unwrap_or_default();
            note.replaces = comment.original.as_ref().map(|_| before());
            note.updated = time.unwrap_or(note.updated);
            note.created = first.and_then(|first| first.timestamp).map_or(note.updated, Time::utc);
            if !comment.author.is_empty() {
                note.author = Pusher::claimed_by(&comment.author, &settings.users);
            }
            note.number = about.number(comment.original.as_ref().unwrap_or(&comment.id));
            note.answers = comment.parent.as_ref().map(|id| about.number(id));
            note.discussion = root_of(&comment, &all);
            note.resolved = comment.resolved;
            note.place = self.place_of(threaded(&comment, &all), about.change.object, review.as_ref());
            note.review = review.clone();
            (format!("{}\0{}", about.change.object, comment.id), note)
        };
        comments.into_iter().map(tell).collect()
    }

    fn place_of(&self, comment: &Comment, object: ObjectId, review: Option<&Review>) -> Option<crate::event::Place> {
        let (commit, path, line) = comment.place.clone()?;
        let head = commit.filter(|id| self.objects.has(*id)).unwrap_or(object);
        let of_review = review.and_then(|review| review.base);
        let base = of_review.or_else(|| self.objects.parents(head)?.first().copied());
        Some(self.objects.place(base, head, path, line))
    }

    /// The review that what is said of a commit belongs to: the one that begins there, or an open one that it is among the commits
    /// of.
    fn review_of(
        &mut self,
        object: ObjectId,
        moves: &Moves,
        settings: &Settings,
        opened: &dyn Fn(ObjectId) -> Vec<ReviewRecord>,
    ) -> Option<Review> {
        if let Some(requests) = self.requests(moves, object) {
            return self.review(object, &requests, &moves.after, None, settings);
        }
        let name = self.within(super::reviews::REQUESTS);
        let all = self.objects.changed_notes(None, moves.after.get(&name)).unwrap_or_default();
        let mut above: HashMap<String, HashSet<ObjectId>> = HashMap::new();
        for note in all {
            let Some(requests) = self.requests(moves, note.object) else { continue };
            let Some(last) = requests.last().filter(|last| !last.target_ref.is_empty()) else { continue };
            // It goes on from the first commit of its review, which its target has not.
            let above = above.entry(last.target_ref.clone()).or_insert_with_key(|name| {
                let target = self.commit_at(&moves.after, name);
                self.between(target, Some(object))
            });
            if !above.contains(&last.alias.unwrap_or(note.object)) {
                continue;
            }
            let Some(review) = self.review(note.object, &requests, &moves.after, None, settings) else { continue };
            if self.has_commit(&review, object) {
                return Some(review);
            }
        }
        let opened: Vec<_> = opened(object).iter().filter_map(|record| self.review_from(record)).collect();
        opened.into_iter().find(|review| self.has_commit(review, object))
    }

    /// Whether a commit is among those of an open review.
    fn has_commit(&mut self, review: &Review, commit: ObjectId) -> bool {
        let is_above = |base| !self.is_ancestor(commit, base);
        review.state == ReviewState::Opened
            && review.base.is_none_or(is_above)
            && self.is_ancestor(commit, review.head.id)
    }
}

/// A comment, and those that it answers or takes the place of, up to the first of the discussion.
fn thread<'c>(comment: &'c Comment, all: &'c [Comment]) -> impl Iterator<Item = &'c Comment> {
    let above = |comment: &&'c Comment| {
        let above = comment.parent.as_ref().or(comment.original.as_ref());
        above.and_then(|id| all.iter().find(|other| other.id == *id))
    };
    // Whoever writes two that answer each other gets no further than this.
    iter::successors(Some(comment), above).take(all.len() + 1)
}

/// The first comment of a discussion, by its id.
fn root_of(comment: &Comment, all: &[Comment]) -> String {
    thread(comment, all).last().map_or_else(String::new, |root| root.id.clone())
}

/// The one of a discussion that says which line it is about: an answer is about the same.
fn threaded<'c>(comment: &'c Comment, all: &'c [Comment]) -> &'c Comment {
    thread(comment, all).find(|comment| comment.place.is_some()).unwrap_or(comment)
}

/// The note that something was said in.
struct About<'u> {
    update: &'u RefUpdate,
    change: NoteChange,
    commit: Arc<Commit>,
    writer: Option<Arc<Commit>>,
}

impl About<'_> {
    /// A comment on the commit, by whoever committed the note.
    fn comment(&self, text: &str, settings: &Settings) -> Note {
        let longest = settings.notes.longest;
        let text = match text.len() > longest {
            true => shorten(text.to_owned(), longest - MARK.len()),
            false => text.to_owned(),
        };
        let writer = self.writer.as_deref();
        let time = writer.map_or_else(Time::default, |commit| Time::utc(commit.committer.time.seconds));
        let (name, email) = writer.map_or(("", ""), |commit| (&commit.author.name, &commit.author.email));
        Note {
            update: self.update.clone(),
            number: self.number(&text),
            replaces: None,
            author: Pusher::claimed(name, email, &settings.users),
            created: time,
            updated: time,
            commit: Arc::clone(&self.commit),
            review: None,
            place: None,
            discussion: appraise::id_of(&format!("{} {text}", self.change.object)),
            answers: None,
            resolved: None,
            text,
        }
    }

    /// The number of what says this about the object: two that say the same of two objects are two.
    fn number(&self, what: &str) -> u64 {
        let parts = [self.update.name.whole(), self.change.object.to_string().as_bytes(), what.as_bytes()].join(&0);
        identifier::long_number("note", &parts)
    }
}
