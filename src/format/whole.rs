//! A payload that tells of a push as a whole: a piece for each of its events, and what stands around them.

use super::{Limits, Payload};
use crate::event::{Context, Event};

/// How a forge tells of a push as a whole.
pub struct Whole {
    /// The forge's own name of the event.
    pub event: &'static str,
    /// The JSON that one event is told in; `None` where it is no push.
    pub piece: fn(&Event, &Limits) -> Option<Vec<u8>>,
    /// What stands before all pieces and behind them.
    pub around: fn(&Context) -> [Vec<u8>; 2],
}

/// A payload that is being filled: a push of very many refs has several.
pub struct OpenPart {
    event: &'static str,
    body: Vec<u8>,
    end: Vec<u8>,
    is_empty: bool,
}

impl Whole {
    /// Begins a payload of a push that has this context.
    pub fn begin(&self, context: &Context) -> OpenPart {
        let [body, end] = (self.around)(context);
        OpenPart { event: self.event, body, end, is_empty: true }
    }

    /// The payload that tells of all these events; `None` where there are none.
    pub(super) fn payload(&self, events: &[&Event], limits: &Limits) -> Option<Payload> {
        let mut part = self.begin(&events.first()?.context);
        events.iter().filter_map(|event| (self.piece)(event, limits)).for_each(|piece| part.add(&piece));
        Some(part.close())
    }
}

impl OpenPart {
    /// How many bytes the body has once this piece is in it.
    pub fn len_with(&self, piece: &[u8]) -> usize {
        self.body.len() + usize::from(!self.is_empty) + piece.len() + self.end.len()
    }

    /// How many bytes the body has.
    pub fn len(&self) -> usize {
        self.body.len() + self.end.len()
    }

    /// Whether nothing is told in it yet.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Puts a piece behind the others.
    pub fn add(&mut self, piece: &[u8]) {
        if !std::mem::take(&mut self.is_empty) {
            self.body.push(b',');
        }
        self.body.extend_from_slice(piece);
    }

    /// Ends it.
    pub fn close(mut self) -> Payload {
        self.body.extend_from_slice(&self.end);
        self.body.shrink_to_fit();
        Payload::new(self.event, self.body)
    }
}
