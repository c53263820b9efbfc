//! Fans out: from the events of one push to the deliveries that tell each target what it wants of them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use log::warn;
use uuid::Uuid;

use crate::delivery::{Delivery, Origin};
use crate::event::{Context, Event, EventName, Repository};
use crate::format::{Limits, OpenPart, Payload, Rendered, Shape};
use crate::identifier;
use crate::message;
use crate::ref_update::{Namespace, ObjectFormat, RefEvent, RefName, RefUpdate};
use crate::schedule::{OrderKey, QueueKey, Schedule};
use crate::spool::Receipt;
use crate::target::Target;
use crate::trace::{TRACEPARENT, Trace};

/// What a payload is made of: its format, what it tells, in which shape, and in which repository it is said to have
/// happened. Targets that are alike in this share one.
/// The last is the place of a target with a template of its own, which nobody else's is like.
type Key<K> = (&'static str, K, Shape, bool, Option<usize>);

/// Deliveries that are made together, each with its target's place, and their payloads; `None` where the forge has no
/// such event.
struct Batch<K> {
    payloads: HashMap<Key<K>, Option<Arc<Payload>>>,
    deliveries: Vec<(usize, Key<K>, Delivery)>,
}

impl<K: Clone + Eq + Hash> Batch<K> {
    fn new() -> Self {
        Self { payloads: HashMap::new(), deliveries: Vec::new() }
    }

    /// The payload for this key, made by whoever asks for it first.
    fn payload(&mut self, key: &Key<K>, make: impl FnOnce() -> Option<Arc<Payload>>) -> Option<Arc<Payload>> {
        self.payloads.entry(key.clone()).or_insert_with(make).clone()
    }

    /// Hands the deliveries over in the order in which they were made. A payload that several have is stored beside them.
    fn hand_over(self, send: &mut dyn FnMut(usize, Delivery)) {
        let mut users: HashMap<Key<K>, usize> = HashMap::new();
        for (_, key, _) in &self.deliveries {
            *users.entry(key.clone()).or_default() += 1;
        }
        for (at, key, mut delivery) in self.deliveries {
            delivery.is_shared = users.get(&key).is_some_and(|users| *users > 1);
            send(at, delivery);
        }
    }
}

/// In which repository targets are told that events happened.
struct Shown {
    context: Arc<Context>,
    origin: Arc<Origin>,
}

impl Shown {
    fn new(context: Arc<Context>, trace: Option<&str>) -> Self {
        Self { origin: Arc::new(origin(&context, trace)), context }
    }
}

/// What one event's piece of a push as a whole is made of: the format, how much it tells, and in which repository it is said to
/// have happened.
type PieceKey = (&'static str, Limits, bool);

/// A payload that tells one target of a push as a whole, or of as much of it as has room in one.
struct Part {
    /// How many came before it.
    number: u16,
    open: OpenPart,
    /// What it tells of, with the numbers of their lines.
    events: Vec<(u32, Arc<Event>)>,
}

/// Makes the deliveries of one push. Each is handed to a function with its target's place.
pub struct FanOut<'a> {
    sequence: u64,
    receipt: &'a Receipt,
    targets: &'a [&'a Target],
    name: Arc<str>,
    shown: Shown,
    /// What the targets are shown that are not owned as the first one is, where that is something else.
    others: Option<Shown>,
    /// The id of the push as a whole, as far as it was one of the namespace.
    whole: Option<Uuid>,
    /// What is being filled for targets that get a push as a whole, by their places.
    parts: Vec<Option<Part>>,
    /// What such targets are told beside: it comes behind the push that it belongs to.
    beside: Vec<(usize, Delivery)>,
    /// How many events of each line there were.
    of_line: HashMap<u32, u16>,
}

impl<'a> FanOut<'a> {
    /// For the push of this number, as far as it was one of this namespace, whose events share the context: that of the first
    /// target.
    ///
    /// Crash: the id of the whole is made of those of all the receipt's lines there, so it comes out the same when the receipt is
    /// taken over, and is another for another part of the push, which has a receipt of its own.
    pub fn new(
        sequence: u64,
        receipt: &'a Receipt,
        namespace: &Namespace,
        targets: &'a [&'a Target],
        context: &Arc<Context>,
    ) -> Self {
        let lines = receipt.lines.iter().filter(|line| line.update.name.is_in(namespace));
        let name = receipt.name(sequence).into();
        // What is none is not handed on: it comes from whoever pushed.
        let trace = receipt.environment().text(TRACEPARENT).filter(|trace| Trace::parse(trace).is_some());
        let shown = Shown::new(Arc::clone(context), trace.as_deref());
        Self {
            sequence,
            receipt,
            targets,
            name,
            shown,
            others: None,
            whole: identifier::together(lines.map(|line| line.event)),
            parts: targets.iter().map(|_| None).collect(),
            beside: Vec::new(),
            of_line: HashMap::new(),
        }
    }

    /// Those targets are shown this repository that are not owned as the first one is: by protected configuration, or
    /// by the repository's own.
    pub fn showing_others(mut self, repository: Repository) -> Self {
        if repository != self.shown.context.repository {
            let context = Context { repository, ..Context::clone(&self.shown.context) };
            let trace = self.shown.origin.trace.clone();
            self.others = Some(Shown::new(Arc::new(context), trace.as_deref()));
        }
        self
    }

    /// What a target is shown, and whether that is what others are.
    fn shown_to(&self, target: &Target) -> (&Shown, bool) {
        let is_other = self.targets.first().is_some_and(|first| first.is_protected != target.is_protected);
        match &self.others {
            Some(others) if is_other => (others, true),
            _ => (&self.shown, false),
        }
    }

    /// Takes an event of the receipt's line that has this number.
    pub fn add(&mut self, number: u32, event: Event, send: &mut dyn FnMut(usize, Delivery)) {
        // Of one push branches and tags come first, then reviews, then comments, whatever their lines.
        let lines = self.receipt.lines.len() as u32;
        let rank = lines.saturating_mul(event.rank()).saturating_add(number);
        let at_line = self.count_of_line(rank);
        let mut batch = Batch::new();
        for (at, target) in self.receiving(|target| !target.format.tells_in_whole(&event)) {
            let mut ids = HashSet::new();
            for (place, name) in (0..).zip(target.events_of(&event)) {
                let (shown, is_other) = self.shown_to(target);
                let own = target.recipe.as_ref().map(|_| at);
                let key = (target.format.name, name, target.shape, is_other, own);
                let told = || if is_other { Cow::Owned(event.within(&shown.context)) } else { Cow::Borrowed(&event) };
                let render = || target.render(&told(), name);
                let payload = batch.payload(&key, || render().map(|rendered| payload(rendered, target, &event)));
                let Some(payload) = payload.filter(|payload| target.takes(name, &payload.event)) else { continue };
                let id = identifier::delivery(event.id, target.name.as_str(), &payload.event);
                // Two events may be one at the forge: a branch's deletion is Gitea's delete either way.
                if ids.insert(id) {
                    // Where the push is told as a whole, that has the place before all of them.
                    let (order, first) = match target.format.is_whole() {
                        true => (OrderKey::WHOLE_PUSH, 1),
                        false => (self.receipt.order(event.ref_name()), 0),
                    };
                    let place = at_line.saturating_mul(EventName::ALL.len() as u16).saturating_add(first + place);
                    let queue_key =
                        QueueKey { sequence: self.sequence, number: QueueKey::number(rank, place), order, id };
                    let Some(mut delivery) = self.delivery(target, queue_key, &[number], payload) else { continue };
                    // What receivers and the log call the event: a line may have made several.
                    delivery.line.event = event.id;
                    delivery.line.update = event.update().clone();
                    batch.deliveries.push((at, key, delivery));
                }
            }
        }
        let targets = self.targets;
        batch.hand_over(&mut |at, delivery| match targets[at].format.is_whole() {
            true => self.beside.push((at, delivery)),
            false => send(at, delivery),
        });
        self.add_to_parts(number, event, send);
    }

    /// Puts an event into what each target that wants it is told of the push as a whole; what is full by that is handed over.
    fn add_to_parts(&mut self, number: u32, event: Event, send: &mut dyn FnMut(usize, Delivery)) {
        let event = Arc::new(event);
        let mut pieces: Vec<(PieceKey, Vec<u8>)> = Vec::new();
        let mut full = Vec::new();
        let mut parts = std::mem::take(&mut self.parts);
        for (at, target) in self.receiving(|target| target.format.tells_in_whole(&event) && target.wants(&event)) {
            let Some(whole) = &target.format.whole else { continue };
            let (shown, is_other) = self.shown_to(target);
            let key = (target.format.name, target.shape.limits, is_other);
            let place = pieces.iter().position(|(known, _)| *known == key).or_else(|| {
                let told = if is_other { Cow::Owned(event.within(&shown.context)) } else { Cow::Borrowed(&*event) };
                pieces.push((key, (whole.piece)(&told, &target.shape.limits)?));
                Some(pieces.len() - 1)
            });
            let Some((_, piece)) = place.map(|place| &pieces[place]) else { continue };
            let begin = |number| Part { number, open: whole.begin(&shown.context), events: Vec::new() };
            let mut part = parts[at].take().unwrap_or_else(|| begin(0));
            if !part.open.is_empty() && part.open.len_with(piece) > target.shape.part_bytes {
                let next = begin(part.number.saturating_add(1));
                full.push((at, std::mem::replace(&mut part, next)));
            }
            part.open.add(piece);
            part.events.push((number, Arc::clone(&event)));
            parts[at] = Some(part);
        }
        self.parts = parts;
        self.close_parts(full, send);
    }

    /// How many events of the line with this number came before.
    fn count_of_line(&mut self, number: u32) -> u16 {
        let count = self.of_line.entry(number).or_default();
        *count = count.saturating_add(1);
        *count - 1
    }

    /// Makes the deliveries that tell of the push as a whole, once all its events were taken.
    pub fn finish(mut self, send: &mut dyn FnMut(usize, Delivery)) {
        let parts = std::mem::take(&mut self.parts);
        let last = parts.into_iter().enumerate().filter_map(|(at, part)| Some((at, part?)));
        self.close_parts(last.collect(), send);
        self.beside.into_iter().for_each(|(at, delivery)| send(at, delivery));
    }

    /// Hands over what is full, of targets that are alike in one piece.
    fn close_parts(&self, parts: Vec<(usize, Part)>, send: &mut dyn FnMut(usize, Delivery)) {
        let Some(whole) = self.whole else { return };
        let mut batch = Batch::new();
        for (at, Part { number, open, events }) in parts {
            let target = self.targets[at];
            let mut numbers: Vec<u32> = events.iter().map(|(number, _)| *number).collect();
            numbers.dedup();
            let Some((_, first)) = events.first() else { continue };
            let ids: Vec<Uuid> = events.iter().map(|(_, event)| event.id).collect();
            let (shown, is_other) = self.shown_to(target);
            let key = (target.format.name, ids, target.shape, is_other, None);
            let render = || match open.len() <= target.shape.most_bytes {
                true => Some(Rendered { payload: open.close(), reduced: None }),
                false => reduced(target, &events, is_other.then_some(&shown.context)),
            };
            let payload = batch.payload(&key, || render().map(|rendered| payload(rendered, target, first)));
            let Some(payload) = payload else { continue };
            let id = identifier::delivery(identifier::part(whole, number), target.name.as_str(), &payload.event);
            let place = QueueKey::number(0, number);
            let queue_key = QueueKey { sequence: self.sequence, number: place, order: OrderKey::WHOLE_PUSH, id };
            let delivery = self.delivery(target, queue_key, &numbers, payload);
            batch.deliveries.extend(delivery.map(|delivery| (at, key, delivery)));
        }
        batch.hand_over(send);
    }

    /// Some of the targets, with their places.
    fn receiving<W: Fn(&Target) -> bool>(&self, which: W) -> impl Iterator<Item = (usize, &'a Target)> + use<'a, W> {
        self.targets.iter().copied().enumerate().filter(move |(_, target)| which(target))
    }

    fn delivery(&self, target: &Target, key: QueueKey, numbers: &[u32], payload: Arc<Payload>) -> Option<Delivery> {
        let mut lines = numbers.iter().filter_map(|number| self.receipt.lines.get(*number as usize).cloned());
        let line: RefEvent = lines.next()?;
        Some(Delivery {
            key,
            schedule: Schedule::default(),
            line,
            more: lines.collect(),
            format: target.format,
            payload,
            is_shared: false,
            time: self.receipt.time,
            receipt: Arc::clone(&self.name),
            origin: Arc::clone(&self.shown_to(target).0.origin),
            is_late: self.receipt.is_late,
            redelivery: 0,
            reduced: None,
        })
    }
}

/// What tells of the push as a whole, made smaller than it is; shown another context than the events have, where there is one.
fn reduced(target: &Target, events: &[(u32, Arc<Event>)], context: Option<&Arc<Context>>) -> Option<Rendered> {
    let told: Vec<Cow<'_, Event>> = events
        .iter()
        .map(|(_, event)| context.map_or(Cow::Borrowed(&**event), |context| Cow::Owned(event.within(context))))
        .collect();
    target.format.render_whole(&told.iter().map(|event| &**event).collect::<Vec<_>>(), &target.shape)
}

/// The delivery of a payload that tells of no push.
pub fn alone(target: &Target, payload: Payload, context: &Context) -> Delivery {
    let name = RefName::new(payload.event.as_bytes());
    let update = RefUpdate { old: None, new: None, format: ObjectFormat::Sha1, name, alias: None };
    let line = RefEvent::new(update, identifier::event());
    let id = identifier::delivery(line.event, target.name.as_str(), &payload.event);
    let order = OrderKey::of(&line.update.name);
    Delivery {
        key: QueueKey { sequence: 0, number: 0, order, id },
        schedule: Schedule::default(),
        more: Vec::new(),
        format: target.format,
        is_shared: false,
        time: context.time.seconds,
        receipt: "".into(),
        origin: Arc::new(origin(context, None)),
        is_late: false,
        redelivery: 0,
        reduced: None,
        payload: Arc::new(payload),
        line,
    }
}

fn origin(context: &Context, trace: Option<&str>) -> Origin {
    let repository = &context.repository;
    Origin {
        repository: repository.path.clone(),
        instance: repository.instance.clone(),
        project: repository.id,
        trace: trace.map(String::from),
    }
}

fn payload(rendered: Rendered, target: &Target, event: &Event) -> Arc<Payload> {
    if let Some(reduced) = rendered.reduced {
        warn!("{}", message::about_target(&target.name, format!("{}: {reduced}", event.ref_name().text())));
    }
    Arc::new(rendered.payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventName;
    use crate::process::Environment;
    use crate::target::TargetName;
    use crate::target::tests::{event, target, update};

    fn deliveries(targets: &[&Target], update: RefUpdate, events: Vec<Event>) -> Vec<Delivery> {
        let line = RefEvent::new(update, identifier::event());
        let receipt = Receipt::new(vec![line], &Environment::new([]), &[]);
        let mut made = Vec::new();
        let mut fan_out = FanOut::new(1, &receipt, &Namespace::default(), targets, &events[0].context);
        for event in events {
            fan_out.add(0, event, &mut |_, delivery| made.push(delivery));
        }
        fan_out.finish(&mut |_, delivery| made.push(delivery));
        made
    }

    #[test]
    fn of_several_events_of_one_line_each_has_its_own_delivery() {
        let update = update('1', '2', "refs/heads/a");
        let events = vec![event(&update), event(&update)];
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        let made = deliveries(&[&target(&[EventName::Push], "")], update, events);
        assert_eq!(made.iter().map(|delivery| delivery.line.event).collect::<Vec<_>>(), ids);
        assert_ne!(made[0].id(), made[1].id());
    }

    #[test]
    fn a_payload_is_shared_by_targets_that_are_alike() {
        let one = target(&[EventName::Push], "");
        let alike = Target { name: TargetName::new("chat"), ..one.clone() };
        let limits = Limits { commits: Some(1), ..Limits::FULL };
        let shorter = Target { shape: Shape { limits, ..alike.shape }, ..alike.clone() };
        let update = update('1', '2', "refs/heads/a");
        let shared = |targets: &[&Target]| {
            let made = deliveries(targets, update.clone(), vec![event(&update)]);
            made.iter().map(|delivery| delivery.is_shared).collect::<Vec<_>>()
        };
        assert_eq!(shared(&[&one]), [false]);
        assert_eq!(shared(&[&one, &alike]), [true, true]);
        assert_eq!(shared(&[&one, &shorter]), [false, false]);
    }
}
