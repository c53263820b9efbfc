//! `git webhook test`: a real event made from the repository's newest commits, sent to one target.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;

use clap::ValueEnum;
use uuid::Uuid;

use super::as_owner::{self, Call, hand_over};
use super::failure::{Failure, failure};
use super::place::Place;
use super::targets;
use super::terminal::{self, print};
use crate::delivery::Delivery;
use crate::dispatch;
use crate::event::{Event, EventKind, EventName, MergeRequest, Note, Review, ReviewAction, ReviewState, Wanted};
use crate::format::Webhook;
use crate::identifier;
use crate::message;
use crate::outcome::Outcome;
use crate::pipeline::{self, FanOut};
use crate::process::{self, Environment};
use crate::ref_update::{Namespace, ObjectId, RefEvent, RefKind, RefName, RefUpdate};
use crate::report::{Notice, Summary, Told};
use crate::repository::{self, Head};
use crate::signature::sha1_hex;
use crate::spool::Receipt;
use crate::target::{RefPatterns, Switch, Target};
use crate::text::sanitise;

/// How many commits a test tells: GitLab's test button sends three.
const COMMITS: usize = 3;

/// What its comment says, and its review.
const COMMENT: &str = "This comment tries the webhook out.";
const TITLE: &str = "This review tries the webhook out";

/// What a test sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum TestEvent {
    /// The newest commits of the branch HEAD names, or of the newest one
    Push,
    /// The last tag by name
    TagPush,
    /// That branch, as if it were new, in the forge's separate event
    Create,
    /// That branch, as if it were gone
    Delete,
    /// A comment on the newest commit
    Note,
    /// A request to merge that branch into the default branch
    MergeRequest,
    /// What the forge sends to try a receiver out
    Ping,
}

/// Whether the receiver took it.
pub(super) fn run(name: &str, event: TestEvent, call: &Call<'_>) -> Result<bool, Failure> {
    if let Some(is_well) = hand_over(call)? {
        return Ok(is_well);
    }
    let environment = call.environment;
    let mut place = as_owner::place(call)?;
    place.enter()?;
    let target = targets::usable(&place, name)?;
    let name = match event {
        TestEvent::Push => EventName::Push,
        TestEvent::TagPush => EventName::TagPush,
        TestEvent::Create => EventName::Create,
        TestEvent::Delete => EventName::Delete,
        TestEvent::Note => EventName::Note,
        TestEvent::MergeRequest => EventName::MergeRequest,
        TestEvent::Ping => {
            return Ok(send(&place, target, &ping(&place, target, environment)?));
        }
    };
    // What is tried out is sent, whatever the target is to get otherwise.
    // Of an event that its forge calls by several names, that which the target takes.
    let narrowed = target.narrowed.iter().filter(|(known, _)| *known == name).copied().collect();
    let events = vec![name];
    let target = &Target { switch: Switch::On, events, narrowed, refs: RefPatterns::default(), ..target.clone() };
    let delivery = delivery(&place, target, event, environment)?;
    let Some(delivery) = delivery else {
        return failure(message::no_event(target.format.name));
    };
    Ok(send(&place, target, &delivery))
}

fn delivery(
    place: &Place,
    target: &Target,
    event: TestEvent,
    environment: &Environment,
) -> Result<Option<Delivery>, Failure> {
    let objects = place.objects()?;
    // What it tells of reviews and comments is made here.
    let wanted = Wanted { reviews: false, notes: false, ..target.wanted() };
    let update = update(place, &objects, event)?;
    let line = RefEvent::new(update, identifier::event());
    let mut events = place.events(target.is_protected, line.event, &objects, &line.update, wanted, environment);
    if matches!(event, TestEvent::Note | TestEvent::MergeRequest) {
        events = events.iter().flat_map(|push| of_review(event, push)).collect();
    }
    let Some(first) = events.first() else {
        return failure(message::nothing_to_send());
    };
    let context = Arc::clone(&first.context);
    let receipt = Receipt::new(vec![line], environment, &place.configuration.settings.user_variables);
    let mut made = None;
    let mut take_first = |_, delivery| {
        made.get_or_insert(delivery);
    };
    let mut fan_out = FanOut::new(0, &receipt, &Namespace::default(), slice::from_ref(&target), &context);
    for event in events {
        fan_out.add(0, event, &mut take_first);
    }
    fan_out.finish(&mut take_first);
    Ok(made)
}

/// A comment on what a push brought, or a request to merge it; for forges that have no comments on commits one on that.
fn of_review(event: TestEvent, push: &Event) -> Vec<Event> {
    let EventKind::Push(pushed) = &push.kind else { return Vec::new() };
    let (Some(head), context) = (pushed.head(), &push.context) else { return Vec::new() };
    let time = context.time;
    let review = Review {
        number: 1,
        title: TITLE.into(),
        description: String::new(),
        source: pushed.short_name().into_owned(),
        target: context.repository.default_branch.clone().unwrap_or_default(),
        author: context.pusher.clone(),
        reviewers: Vec::new(),
        created: time,
        updated: time,
        state: ReviewState::Opened,
        base: pushed.update.old,
        commits: pushed.total,
        head: Arc::clone(head),
        merge_commit: None,
        resolved: None,
        commenters: Vec::new(),
        reason: String::new(),
    };
    let note = Note {
        update: RefUpdate { name: RefName::new("refs/notes/commits"), ..pushed.update.clone() },
        number: 1,
        replaces: None,
        text: COMMENT.into(),
        author: context.pusher.clone(),
        created: time,
        updated: time,
        commit: Arc::clone(head),
        review: None,
        place: None,
        discussion: sha1_hex(COMMENT.as_bytes()),
        answers: None,
        resolved: None,
    };
    let kinds = match event {
        TestEvent::Note => {
            let on_review = Note { review: Some(review), ..note.clone() };
            vec![EventKind::Note(Box::new(note)), EventKind::Note(Box::new(on_review))]
        }
        _ => {
            let (update, action) = (pushed.update.clone(), ReviewAction::Open);
            let request = MergeRequest { update, review, before: None, action, said: String::new(), size: None };
            vec![EventKind::MergeRequest(Box::new(request))]
        }
    };
    kinds.into_iter().map(|kind| Event { kind, ..push.clone() }).collect()
}

fn ping(place: &Place, target: &Target, environment: &Environment) -> Result<Delivery, Failure> {
    let Some(payload) = target.format.ping else {
        return failure(message::no_ping(target.format.name));
    };
    let context = place.context(target.is_protected, &place.objects()?, environment);
    let webhook = Webhook {
        id: identifier::webhook(&context.repository.path, target.name.as_str()),
        events: target.format.names(&target.events),
        origin: target.address.origin(),
        verify_certificate: target.verify_certificate,
        encoding: target.shape.encoding,
    };
    Ok(pipeline::alone(target, payload(&context, &webhook), &context))
}

fn send(place: &Place, target: &Target, delivery: &Delivery) -> bool {
    let outcome = dispatch::send_once(target, delivery).outcome;
    if let Outcome::Delivered { .. } = outcome {
        revive(place, target);
    }
    tell(target, &delivery.line.update.name, delivery.id(), &outcome)
}

/// Whatever waits for a target that has taken something is due. Where another process sends to it, that one sees for itself.
fn revive(place: &Place, target: &Target) {
    let queue = place.pipeline().spool.queue(&target.name);
    if queue.is_empty() {
        return;
    }
    if let Ok(Some(_lock)) = queue.lock() {
        let now = process::now();
        queue.hasten(now, &HashSet::new());
        queue.set_backoff(queue.backoff().mended(now));
    }
}

fn update(place: &Place, objects: &repository::Objects, event: TestEvent) -> Result<RefUpdate, Failure> {
    let layout = place.configuration.layout;
    let format = layout.object_format;
    if let TestEvent::TagPush = event {
        let (name, id) = last_tag(place)?;
        return Ok(RefUpdate { old: None, new: Some(id), format, name, alias: None });
    }
    let (name, tip) = branch(place, objects)?;
    let (old, new) = match event {
        TestEvent::Create => (None, Some(tip)),
        TestEvent::Delete => (Some(tip), None),
        _ => (repository::ancestor(objects, tip, COMMITS), Some(tip)),
    };
    Ok(RefUpdate { old, new, format, name, alias: None })
}

/// The branch that HEAD names, where it is there; else the newest, and says so.
fn branch(place: &Place, objects: &repository::Objects) -> Result<(RefName, ObjectId), Failure> {
    let (common_dir, layout) = (&place.common_dir, place.configuration.layout);
    let refs = repository::all(common_dir, layout).map_err(|why| Failure::new(why.to_string()))?;
    if let Head::Branch(name) = Head::of(common_dir, layout, &Namespace::default())
        && let Some(tip) = refs.id(&name)
    {
        return Ok((name, tip));
    }
    let newest = repository::newest_branch(&refs, objects).ok_or_else(|| Failure::new(message::no_commit_yet()))?;
    terminal::note(message::takes_newest_branch(newest.0.short_text()));
    Ok(newest)
}

fn last_tag(place: &Place) -> Result<(RefName, ObjectId), Failure> {
    let refs =
        repository::all(&place.common_dir, place.configuration.layout).map_err(|why| Failure::new(why.to_string()))?;
    let tags = refs.direct.into_iter().filter(|(name, _)| name.kind() == RefKind::Tag);
    tags.max().ok_or_else(|| Failure::new(message::no_tag_yet()))
}

/// Prints what the pusher would read, and to whom the failure's detail belongs: the administrator.
fn tell(target: &Target, name: &RefName, id: Uuid, outcome: &Outcome) -> bool {
    let summary = Summary { target: target.name.as_str(), outcomes: vec![Told { name, id, outcome }], is_kept: false };
    print(&(sanitise(&Notice::Target(summary).to_string()) + "\n"));
    if let Outcome::Failed(failure) = outcome {
        terminal::error(format!("{}: {failure}", target.address.origin()));
    }
    matches!(outcome, Outcome::Delivered { .. })
}
