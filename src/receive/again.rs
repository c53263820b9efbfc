//! Deliveries that were made or given up, once more: found where they wait, or built again from what was pushed.

use uuid::Uuid;

use super::Post;
use crate::delivery::Delivery;
use crate::event::EventName;
use crate::format;
use crate::history::Entry;
use crate::message;
use crate::signature::sha256_hex;
use crate::spool::{Bodies, Name, Queue, Record};
use crate::target::{RefPatterns, Target};

/// Where a body comes from that is shown or sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It lies in the target's queue, or where it was set aside.
    Stored,
    /// It was built again, and is the same as before.
    Rebuilt,
    /// It was built again, and differs: objects, refs or the configuration have changed since.
    Differs,
}

impl Post<'_> {
    /// A delivery as it would be sent next, and where its body comes from.
    ///
    /// # Errors
    /// Why it cannot be had any more.
    pub fn find(&self, target: &Target, id: Uuid) -> Result<(Delivery, Source), String> {
        if let Some((name, Record::Delivery(waiting), body)) = self.spool.queue(&target.name).find(id)
            && let Some(delivery) = Delivery::waiting(name, waiting, body)
        {
            return Ok((delivery, Source::Stored));
        }
        let last = self.history.of(id).pop().ok_or_else(|| message::no_such_delivery(id))?;
        let mut delivery = self.rebuild(target, &last)?;
        delivery.name.attempts = last.attempt;
        let is_same = last.sha256.as_ref().is_none_or(|sum| *sum == sha256_hex(&delivery.payload.body));
        Ok((delivery, if is_same { Source::Rebuilt } else { Source::Differs }))
    }

    /// Has a delivery wait for its next attempt, from wherever it is, and returns its name; `None` where somebody has tried
    /// it since it was `seen` to have so many attempts. Whoever calls this sends to the target at this moment, and nobody
    /// else.
    ///
    /// # Errors
    /// Why it cannot be had any more.
    pub fn put_back(
        &self,
        queue: &Queue,
        target: &Target,
        id: Uuid,
        seen: u32,
    ) -> Result<Option<(Name, Source)>, String> {
        let attempts = self.history.of(id).last().map_or(0, |last| last.attempt);
        if attempts > seen {
            return Ok(None);
        }
        if let Some(name) = queue.list().into_iter().find(|name| name.id == id) {
            return Ok(Some((name, Source::Stored)));
        }
        // A record that is damaged stays where it is, and is built again.
        if queue.find(id).is_some()
            && let Some(name) = queue.restore(id, attempts).map_err(|error| error.to_string())?
        {
            return Ok(Some((name, Source::Stored)));
        }
        let (delivery, source) = self.find(target, id)?;
        let put = queue.put(&[delivery.addition(delivery.name.clone())], &Bodies::default());
        put.map(|()| Some((delivery.name, source))).map_err(|error| error.to_string())
    }

    fn rebuild(&self, target: &Target, last: &Entry) -> Result<Delivery, String> {
        let receipt = self.spool.settled(&last.receipt).ok_or_else(message::receipt_is_gone)?;
        let sequence = last.receipt.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let format = format::find(&last.format).ok_or_else(|| message::no_format_any_more(&last.format))?;
        let as_it_is = Target { enabled: true, format, ..target.clone() };
        // The target may want less now than it did then.
        let (events, refs) = (EventName::ALL.to_vec(), RefPatterns::default());
        let as_it_may_have_been = Target { events, refs, ..as_it_is.clone() };
        for target in [as_it_is, as_it_may_have_been] {
            let built = self.build_for(&target, sequence, &receipt).ok_or_else(message::no_objects_now)?;
            if let Some(delivery) = built.into_iter().find(|delivery| delivery.id == last.id) {
                return Ok(delivery);
            }
        }
        Err(message::not_built_any_more().into())
    }
}
