//! Deliveries that were made and dead letters, once more: found where they wait, or built again from what was pushed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::Pipeline;
use crate::delivery::Delivery;
use crate::event::EventName;
use crate::format::{self, Payload, Shape};
use crate::history::Entry;
use crate::message;
use crate::schedule::{Queued, Schedule};
use crate::signature::sha256_hex;
use crate::spool::{Addition, Bodies, Queue, QueueIndex, Receipt};
use crate::target::{RefPatterns, Switch, Target};

/// Where a body comes from that is shown or sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It lies in the target's queue, or is a dead letter.
    Stored,
    /// It was built again, and is the same as before.
    Rebuilt,
    /// It was built again, and differs: objects, refs or the configuration have changed since.
    Differs,
}

/// What became of a delivery that is to be made again.
pub enum PutBack {
    /// It waits in the target's queue so.
    Waits(Queued, Source),
    /// Somebody has tried it since it was chosen.
    Meanwhile,
    /// It cannot be had any more, and why.
    Gone(String),
}

/// What became of pushes that waited for one target as a whole.
#[derive(Default)]
pub struct PutBackPushes {
    /// Their deliveries, which wait in the target's queue now.
    pub queued: Vec<Queued>,
    /// The ids of the events that no delivery could be made of, and why.
    pub gone: HashMap<Uuid, String>,
}

impl Pipeline<'_> {
    /// A delivery as it would be sent next, and where its body comes from.
    ///
    /// # Errors
    /// Why it cannot be had any more.
    pub fn find(&self, target: &Target, id: Uuid) -> Result<(Delivery, Source), String> {
        let queue = self.spool.queue(&target.name);
        if let Some((queued, waiting, body)) = queue.find(&queue.index(), id)
            && let Some(delivery) = waiting.delivery(queued, body)
        {
            return Ok((delivery, Source::Stored));
        }
        self.rebuilt(target, id)
    }

    /// Has deliveries wait for their next attempt, each from wherever it is. Whoever calls this sends to the target at this
    /// moment, and nobody else. Each comes with the number of attempts it was seen to have when it was chosen.
    /// With `rebuild` bodies are built anew from the pushes, as targets and repository are configured now.
    pub fn put_back(
        &self,
        queue: &Queue,
        target: &Target,
        chosen: &[(Uuid, u32)],
        rebuild: bool,
    ) -> Vec<(Uuid, PutBack)> {
        let index = queue.index();
        let attempts = self.history.attempts(&chosen.iter().map(|(id, _)| *id).collect());
        let put_back = |(id, seen): &(Uuid, u32)| {
            let attempts = attempts.get(id).copied().unwrap_or(0);
            if attempts > *seen {
                return (*id, PutBack::Meanwhile);
            }
            let waits = match rebuild {
                true => self.have_wait_anew(queue, &index, target, *id, attempts),
                false => self.have_wait(queue, &index, target, *id, attempts),
            };
            (*id, waits.map_or_else(PutBack::Gone, |(queued, source)| PutBack::Waits(queued, source)))
        };
        chosen.iter().map(put_back).collect()
    }

    /// Makes the deliveries of pushes that waited for the target to be configured rightly, or became dead letters with it: of
    /// those that have one of `events`. Whoever calls this sends to the target at this moment, and nobody else.
    ///
    /// Crash: the deliveries are durable before a push is removed; made twice, they have the same ids.
    pub fn put_back_pushes(&self, queue: &Queue, target: &Target, events: &HashSet<Uuid>) -> PutBackPushes {
        let mut all = PutBackPushes::default();
        for push in queue.deferred().into_iter().chain(queue.dead_pushes()) {
            let lines = || push.receipt.lines.iter().map(|line| line.event);
            if !lines().any(|event| events.contains(&event)) {
                continue;
            }
            let made = self.build_for(target, push.sequence, &push.receipt);
            let made = made.ok_or_else(|| self.not_built(target, &push.receipt)).and_then(|deliveries| {
                let of = |delivery: &Delivery| {
                    let queued = Queued { key: delivery.key.clone(), schedule: delivery.schedule };
                    Addition::of(queued, delivery)
                };
                let additions: Vec<_> = deliveries.iter().map(of).collect();
                queue.put(&additions, &Bodies::default()).map_err(|error| error.to_string())?;
                Ok(additions.into_iter().map(|addition| addition.queued))
            });
            match made {
                Ok(queued) => {
                    all.queued.extend(queued);
                    queue.remove_deferred(&push);
                }
                Err(why) => all.gone.extend(lines().map(|event| (event, why.clone()))),
            }
        }
        all
    }

    /// The payload of a delivery once more, made to fit into so many bytes; `None` where it cannot be built.
    pub(super) fn shrunk(&self, target: &Target, delivery: &Delivery, max_body: usize) -> Option<Arc<Payload>> {
        let receipt = self.spool.settled(&delivery.receipt)?;
        // The target may want something else by now.
        let (events, refs) = (EventName::ALL.to_vec(), RefPatterns::default());
        let shape = Shape { most_bytes: max_body, ..target.shape };
        let target = Target { events, refs, shape, format: delivery.format, ..target.clone() };
        let built = self.build_for(&target, delivery.key.sequence, &receipt)?;
        built.into_iter().find(|made| made.id() == delivery.id()).map(|made| made.payload)
    }

    fn have_wait(
        &self,
        queue: &Queue,
        index: &QueueIndex,
        target: &Target,
        id: Uuid,
        attempts: u32,
    ) -> Result<(Queued, Source), String> {
        if let Some(queued) = index.waiting(id) {
            return Ok((queued.clone(), Source::Stored));
        }
        if target.is_published || index.published(id).is_some() {
            return self.ask_again(queue, index, target, id, attempts);
        }
        if let Some(queued) = queue.restore(index, id, attempts).map_err(|error| error.to_string())? {
            return Ok((queued, Source::Stored));
        }
        let (delivery, source) = self.rebuilt(target, id)?;
        let queued = Queued { key: delivery.key.clone(), schedule: delivery.schedule };
        let put = queue.put(&[Addition::of(queued.clone(), &delivery)], &Bodies::default());
        put.map(|()| (queued, source)).map_err(|error| error.to_string())
    }

    /// The same of a delivery that the broker has had: it would take it for the first one if nothing told that it was asked for.
    fn ask_again(
        &self,
        queue: &Queue,
        index: &QueueIndex,
        target: &Target,
        id: Uuid,
        attempts: u32,
    ) -> Result<(Queued, Source), String> {
        let (delivery, source) = self.find(target, id)?;
        // What became a dead letter before it was tried has none.
        let attempts = attempts.max(delivery.schedule.attempts).max(1);
        let delivery = Delivery { redelivery: attempts, ..delivery };
        let queued = Queued { key: delivery.key.clone(), schedule: Schedule::asked_for(attempts) };
        let asked = queue.ask_again(index, &Addition::of(queued.clone(), &delivery));
        asked.map(|()| (queued, source)).map_err(|error| error.to_string())
    }

    /// The same with a body that is built anew, in the place of one that is stored.
    ///
    /// Crash: the record is replaced in one step.
    fn have_wait_anew(
        &self,
        queue: &Queue,
        index: &QueueIndex,
        target: &Target,
        id: Uuid,
        attempts: u32,
    ) -> Result<(Queued, Source), String> {
        let stored = queue.find(index, id);
        let Some((old, waiting, body)) = stored else { return self.have_wait(queue, index, target, id, attempts) };
        let receipt = self.spool.settled(&waiting.receipt).ok_or_else(message::receipt_is_gone)?;
        let format = format::find(&waiting.format).ok_or_else(|| message::no_format_any_more(&waiting.format))?;
        let (events, refs) = (EventName::ALL.to_vec(), RefPatterns::default());
        let target = Target { switch: Switch::On, format, events, refs, ..target.clone() };
        let built = self.build_for(&target, old.key.sequence, &receipt);
        let built = built.ok_or_else(|| self.not_built(&target, &receipt))?;
        let found = built.into_iter().find(|delivery| delivery.id() == id);
        let delivery = found.ok_or_else(message::not_built_any_more)?;
        let source = if delivery.payload.body == body { Source::Rebuilt } else { Source::Differs };
        // It waits where it waited, or comes back from the dead letters first.
        let (waits, _) = self.have_wait(queue, index, &target, id, attempts)?;
        let redelivery = queue.load(&waits).map_or(0, |(waiting, _)| waiting.redelivery);
        let delivery = Delivery { redelivery, ..delivery };
        let put = queue.put(&[Addition::of(waits.clone(), &delivery)], &Bodies::default());
        put.map(|()| (waits, source)).map_err(|error| error.to_string())
    }

    /// Why nothing is built of a push.
    fn not_built(&self, target: &Target, receipt: &Receipt) -> String {
        let namespaces = receipt.lines.iter().map(|line| line.update.name.namespace());
        let mut withheld = namespaces.filter_map(|namespace| Some((self.withholds(target, &namespace)?, namespace)));
        match withheld.next() {
            Some((withheld, namespace)) => withheld.waits_for(&namespace.text()),
            None => message::no_objects_now().into(),
        }
    }

    pub(super) fn rebuilt(&self, target: &Target, id: Uuid) -> Result<(Delivery, Source), String> {
        let last = self.history.of(id).pop().ok_or_else(|| message::no_such_delivery(id))?;
        let mut delivery = self.rebuild(target, &last)?;
        delivery.schedule = Schedule::asked_for(last.attempt);
        let is_same = last.sha256.as_ref().is_none_or(|sum| *sum == sha256_hex(&delivery.payload.body));
        Ok((delivery, if is_same { Source::Rebuilt } else { Source::Differs }))
    }

    fn rebuild(&self, target: &Target, last: &Entry) -> Result<Delivery, String> {
        let receipt = self.spool.settled(&last.receipt).ok_or_else(message::receipt_is_gone)?;
        let sequence = last.receipt.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let format = format::find(&last.format).ok_or_else(|| message::no_format_any_more(&last.format))?;
        let most_bytes = last.max_body.unwrap_or(usize::MAX).min(target.shape.most_bytes);
        let shape = Shape { most_bytes, ..target.shape };
        let as_it_is = Target { switch: Switch::On, format, shape, ..target.clone() };
        // The target may want less now than it did then.
        let (events, refs) = (EventName::ALL.to_vec(), RefPatterns::default());
        let as_it_may_have_been = Target { events, refs, ..as_it_is.clone() };
        for target in [as_it_is, as_it_may_have_been] {
            let built = self.build_for(&target, sequence, &receipt);
            let built = built.ok_or_else(|| self.not_built(&target, &receipt))?;
            if let Some(delivery) = built.into_iter().find(|delivery| delivery.id() == last.id) {
                return Ok(delivery);
            }
        }
        Err(message::not_built_any_more().into())
    }
}
