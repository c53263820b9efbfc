//! Events that did not happen: what `git webhook test` sends of comments and reviews, and what `git webhook check` has templates
//! rendered for.

use std::sync::Arc;

use crate::event::{
    Changes, Commit, Context, Event, EventKind, MergeRequest, Note, Person, Push, Review, ReviewAction, ReviewState,
    Tag, Tip,
};
use crate::identifier;
use crate::ref_update::{ObjectId, RefName, RefUpdate};
use crate::signature::sha1_hex;

/// What its comment says, and its review.
const COMMENT: &str = "This comment tries the webhook out.";
const TITLE: &str = "This review tries the webhook out";

/// What a commit says that no event has: it ends what is not closed, and is of several lines.
const MESSAGE: &str = "Try \"it\" out: <b>, \\ and '\n\nin two lines\n";

/// A request to merge what a push brought.
pub(super) fn merge_request(push: &Event) -> Option<Event> {
    let EventKind::Push(pushed) = &push.kind else { return None };
    let (update, action) = (pushed.update.clone(), ReviewAction::Open);
    let review = review(&push.context, pushed, pushed.head()?);
    let request = MergeRequest { update, review, before: None, action, said: String::new(), size: None };
    Some(Event { kind: EventKind::MergeRequest(Box::new(request)), ..push.clone() })
}

/// A comment on what a push brought; for forges that have no comments on commits one on a request to merge that.
pub(super) fn notes(push: &Event) -> Vec<Event> {
    let EventKind::Push(pushed) = &push.kind else { return Vec::new() };
    let (Some(head), context) = (pushed.head(), &push.context) else { return Vec::new() };
    let note = Note {
        update: RefUpdate { name: RefName::new("refs/notes/commits"), ..pushed.update.clone() },
        number: 1,
        replaces: None,
        text: COMMENT.into(),
        author: context.pusher.clone(),
        created: context.time,
        updated: context.time,
        commit: Arc::clone(head),
        review: None,
        place: None,
        discussion: sha1_hex(COMMENT.as_bytes()),
        answers: None,
        resolved: None,
    };
    let on_review = Note { review: Some(review(context, pushed, head)), ..note.clone() };
    let told = |note: Note| Event { kind: EventKind::Note(Box::new(note)), ..push.clone() };
    vec![told(note), told(on_review)]
}

fn review(context: &Context, pushed: &Push, head: &Arc<Commit>) -> Review {
    Review {
        number: 1,
        title: TITLE.into(),
        description: String::new(),
        source: pushed.short_name().into_owned(),
        target: context.repository.default_branch.clone().unwrap_or_default(),
        author: context.pusher.clone(),
        reviewers: Vec::new(),
        created: context.time,
        updated: context.time,
        state: ReviewState::Opened,
        base: pushed.update.old,
        commits: pushed.total,
        head: Arc::clone(head),
        merge_commit: None,
        resolved: None,
        commenters: Vec::new(),
        reason: String::new(),
    }
}

/// One event of each kind that there is, as if it had happened in a repository.
pub(super) fn events(context: &Arc<Context>) -> Vec<Event> {
    let format = context.repository.object_format;
    let id = |digit: &str| ObjectId::from_hex(digit.repeat(format.id_len() * 2).as_bytes()).flatten();
    let (Some(old), Some(new)) = (id("1"), id("2")) else { return Vec::new() };
    let person = Person { name: "A U Thor".into(), email: "author@example.com".into(), time: context.time };
    let commit = Arc::new(Commit {
        id: new,
        tree: None,
        parents: vec![old],
        message: MESSAGE.into(),
        author: person.clone(),
        committer: person.clone(),
        changes: Changes { added: vec!["a".into()], ..Changes::default() },
    });
    let update = |old, new, name: &str| RefUpdate { old, new, format, name: RefName::new(name), alias: None };
    let pushed = |update: &RefUpdate, tag: Option<Tag>| {
        let commit = update.new.map(|_| Arc::clone(&commit));
        let commits: Vec<_> =
            commit.iter().filter(|_| !update.name.as_bytes().starts_with(b"refs/tags/")).cloned().collect();
        Push { total: commits.len() as u64, commits, after: Tip { tag, commit }, ..Push::new(update) }
    };
    let event = |kind| Event { id: identifier::event(), context: Arc::clone(context), kind };
    let changes = [(Some(old), Some(new)), (None, Some(new)), (Some(old), None)];
    let branches = changes.map(|(old, new)| EventKind::Push(pushed(&update(old, new, "refs/heads/topic"), None)));
    let tag = Tag { message: MESSAGE.into(), tagger: Some(person) };
    let tags = changes
        .map(|(old, new)| EventKind::TagPush(pushed(&update(old, new, "refs/tags/v1"), new.map(|_| tag.clone()))));
    let mut events: Vec<_> = branches.into_iter().chain(tags).map(event).collect();
    let beside: Vec<_> =
        events.iter().take(1).flat_map(|push| merge_request(push).into_iter().chain(notes(push))).collect();
    events.extend(beside);
    events
}
