//! Addresses events: from the events of one push to the deliveries that tell each target what it wants of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use log::warn;

use crate::delivery::{Delivery, Origin};
use crate::event::{Context, Event, EventName};
use crate::format::{Payload, Told};
use crate::identifier;
use crate::message;
use crate::ref_update::{ObjectFormat, RefEvent, RefKey, RefName, RefUpdate};
use crate::schedule::{OrderKey, QueueKey, Schedule};
use crate::spool::Receipt;
use crate::target::Target;

/// Payloads by format, by what they tell, and by how much; targets that are alike in this share one. `None` where the
/// forge has no such event.
type Bodies<K> = HashMap<(&'static str, K, Option<usize>, usize), Option<Arc<Payload>>>;

/// Makes the deliveries of one push. Each is handed to a function with its target's place.
pub struct Addresser<'a> {
    sequence: u64,
    receipt: &'a Receipt,
    targets: &'a [&'a Target],
    name: Arc<str>,
    origin: Option<Arc<Origin>>,
    /// The events for targets that are told of a push as a whole, with the numbers of their lines.
    kept: Vec<(u32, Event)>,
}

impl<'a> Addresser<'a> {
    /// For the push of this number.
    pub fn new(sequence: u64, receipt: &'a Receipt, targets: &'a [&'a Target]) -> Self {
        let name = receipt.name(sequence).into();
        Self { sequence, receipt, targets, name, origin: None, kept: Vec::new() }
    }

    /// Takes the event of the receipt's line that has this number.
    pub fn add(&mut self, number: u32, event: Event, send: &mut dyn FnMut(usize, Delivery)) {
        self.origin.get_or_insert_with(|| Arc::new(origin(&event.context)));
        let mut told = Bodies::<EventName>::new();
        let mut deliveries = Vec::new();
        for (at, target) in self.told(false) {
            let mut ids = HashSet::new();
            for (place, name) in (0..).zip(target.events_of(&event.update)) {
                let key = (target.format.name, name, target.max_commits, target.max_body);
                let tell = || target.format.tell(&event, name, target.max_commits, target.max_body);
                let payload = told.entry(key).or_insert_with(|| tell().map(|told| payload(told, target, &event)));
                let Some(payload) = payload else { continue };
                let id = identifier::delivery(event.id, target.name.as_str(), &payload.event);
                // Two events may be one at the forge: a branch's deletion is Gitea's delete either way.
                if ids.insert(id) {
                    let order = self.receipt.order(&event.update.name);
                    let key = QueueKey { sequence: self.sequence, number: QueueKey::number(number, place), order, id };
                    deliveries.extend(self.delivery(target, key, &[number], payload).map(|delivery| (at, delivery)));
                }
            }
        }
        drop(told);
        hand_over(deliveries, send);
        if self.told(true).any(|(_, target)| target.wants(&event.update)) {
            self.kept.push((number, event));
        }
    }

    /// Makes the deliveries that tell of the push as a whole, once all its events were taken.
    ///
    /// Crash: their id is made of those of all the receipt's lines, so it comes out the same when the receipt is taken
    /// over, and is another for another part of the push, which has a receipt of its own.
    pub fn finish(self, send: &mut dyn FnMut(usize, Delivery)) {
        let Some(whole) = identifier::together(self.receipt.lines.iter().map(|line| line.event)) else { return };
        let mut told = Bodies::<Vec<u32>>::new();
        let mut deliveries = Vec::new();
        for (at, target) in self.told(true) {
            let wanted: Vec<_> = self.kept.iter().filter(|(_, event)| target.wants(&event.update)).collect();
            let numbers: Vec<u32> = wanted.iter().map(|(number, _)| *number).collect();
            let events: Vec<&Event> = wanted.iter().map(|(_, event)| event).collect();
            let Some(first) = events.first() else { continue };
            let key = (target.format.name, numbers.clone(), target.max_commits, target.max_body);
            let tell = || target.format.tell_whole(&events, target.max_commits, target.max_body);
            let payload = told.entry(key).or_insert_with(|| tell().map(|told| payload(told, target, first)));
            let Some(payload) = payload else { continue };
            let id = identifier::delivery(whole, target.name.as_str(), &payload.event);
            let (sequence, number) = (self.sequence, QueueKey::number(numbers[0], 0));
            let key = QueueKey { sequence, number, order: OrderKey::WHOLE_PUSH, id };
            deliveries.extend(self.delivery(target, key, &numbers, payload).map(|delivery| (at, delivery)));
        }
        drop(told);
        hand_over(deliveries, send);
    }

    /// The targets that are told of each event by itself, or of the push as a whole.
    fn told(&self, as_whole: bool) -> impl Iterator<Item = (usize, &'a Target)> + use<'a> {
        let targets = self.targets.iter().copied().enumerate();
        targets.filter(move |(_, target)| target.format.is_whole() == as_whole)
    }

    fn delivery(&self, target: &Target, key: QueueKey, numbers: &[u32], payload: &Arc<Payload>) -> Option<Delivery> {
        let mut lines = numbers.iter().filter_map(|number| self.receipt.lines.get(*number as usize).cloned());
        let line: RefEvent = lines.next()?;
        Some(Delivery {
            key,
            schedule: Schedule::default(),
            line,
            more: lines.collect(),
            format: target.format,
            payload: Arc::clone(payload),
            is_shared: false,
            time: self.receipt.time,
            receipt: Arc::clone(&self.name),
            origin: Arc::clone(self.origin.as_ref()?),
        })
    }
}

/// The delivery of a payload that tells of no push.
pub fn alone(target: &Target, payload: Payload, context: &Context) -> Delivery {
    let name = RefName::new(payload.event.as_bytes());
    let update = RefUpdate { old: None, new: None, format: ObjectFormat::Sha1, name };
    let line = RefEvent { update, event: identifier::event() };
    let id = identifier::delivery(line.event, target.name.as_str(), &payload.event);
    let order = OrderKey::of(&RefKey::plain(line.update.name.clone()));
    Delivery {
        key: QueueKey { sequence: 0, number: 0, order, id },
        schedule: Schedule::default(),
        more: Vec::new(),
        format: target.format,
        is_shared: false,
        time: context.time.seconds,
        receipt: "".into(),
        origin: Arc::new(origin(context)),
        payload: Arc::new(payload),
        line,
    }
}

fn origin(context: &Context) -> Origin {
    let repository = &context.repository;
    Origin { repository: repository.path.clone(), instance: repository.instance.clone(), project: repository.id }
}

fn payload(told: Told, target: &Target, event: &Event) -> Arc<Payload> {
    if let Some(reduced) = told.reduced {
        warn!("{}", message::about_target(&target.name, format!("{}: {reduced}", event.ref_text)));
    }
    Arc::new(told.payload)
}

fn hand_over(mut deliveries: Vec<(usize, Delivery)>, send: &mut dyn FnMut(usize, Delivery)) {
    for (_, delivery) in &mut deliveries {
        delivery.is_shared = Arc::strong_count(&delivery.payload) > 1;
    }
    deliveries.into_iter().for_each(|(at, delivery)| send(at, delivery));
}
