//! What becomes of a delivery after an attempt: logged, removed, put off, set aside.

use super::station::Station;
use super::{Build, Done, Run, lock};
use crate::delivery::{self, Attempt, Delivery, Failure, FailureKind, Next, Outcome};
use crate::files::Unfit;
use crate::history::{self, Entry, State};
use crate::message;
use crate::process;
use crate::signature;
use crate::spool::{Name, Record, ref_text};
use crate::text::shorten;

/// A receiver may take 32 KiB to say where it redirects to.
const LONGEST_REASON: usize = 1024;

/// So many deliveries for a queue are held in memory before they are written down together.
const MOST_HELD: usize = 256;

impl Run<'_> {
    /// Writes down what came of an attempt. Returns whether newer deliveries of the ref have to wait.
    ///
    /// Crash: the log comes first. Between an answer and the log's line nobody knows of the answer, and the delivery is
    /// made once more under its id: that is the one gap in which an event is told twice.
    pub(super) fn settle(
        &self,
        station: &Station<'_>,
        delivery: &Delivery,
        attempt: &Attempt,
        was_queued: bool,
    ) -> bool {
        let now = process::now();
        let mut name = Name { attempts: delivery.name.attempts + 1, ..delivery.name.clone() };
        let mut entry = self.entry(station, delivery, name.attempts);
        entry.answer = attempt.answer.clone();
        let failure = match &attempt.outcome {
            Outcome::Delivered { status, elapsed } => {
                entry.status = Some(*status);
                entry.ms = Some(elapsed.as_millis() as u64);
                self.log(&entry);
                let is_gone = !was_queued || station.queue.remove(&delivery.name);
                let mut state = lock(&station.state);
                state.is_left_behind |= !is_gone;
                state.was_delivered = true;
                return false;
            }
            Outcome::Failed(failure) => failure,
        };
        name.cut_offs += u32::from(failure.kind.is_cut_off());
        entry.reason = Some(shorten(failure.to_string(), LONGEST_REASON));
        if let FailureKind::Status(status) | FailureKind::Redirect(status) = failure.kind {
            entry.status = Some(status);
        }
        match delivery::next(failure, &name, now - delivery.time, station.target.retry_for, now) {
            Next::Again { at, holds } => (name.next, name.holds) = (at, holds),
            Next::GivenUp(why) => {
                entry.state = State::Dead;
                entry.reason = entry.reason.map(|reason| format!("{reason}; {why}"));
                self.log(&entry);
                station.queue.set_aside(&delivery.name, why);
                return false;
            }
        }
        entry.state = State::Waiting;
        entry.next = Some(name.next);
        self.log(&entry);
        let mut state = lock(&station.state);
        if failure.kind == FailureKind::Status(410) {
            state.is_parked = true;
        }
        if failure.kind.is_passing() && failure.kind != FailureKind::CutShort {
            state.again = Some(state.again.map_or(name.next, |again| again.min(name.next)));
        }
        drop(state);
        let holds = name.holds;
        if was_queued {
            station.queue.rename(&delivery.name, &name);
        } else {
            self.hold(station, name, delivery);
        }
        holds
    }

    /// A log line of a delivery that was made, until something else is said.
    pub(super) fn entry(&self, station: &Station<'_>, delivery: &Delivery, attempt: u32) -> Entry {
        let body = &delivery.payload.body;
        Entry {
            time: history::timestamp(),
            id: delivery.id,
            event_id: delivery.line.event,
            target: station.target.name.clone(),
            event: delivery.payload.event.to_string(),
            format: delivery.format.name.into(),
            r#ref: ref_text(&delivery.line, &delivery.more),
            old: delivery.line.update.before(),
            new: delivery.line.update.after(),
            receipt: delivery.receipt.to_string(),
            attempt,
            state: State::Delivered,
            status: None,
            ms: None,
            reason: None,
            next: None,
            sha256: Some(signature::sha256_hex(body)),
            size: Some(body.len() as u64),
            answer: None,
        }
    }

    pub(super) fn log(&self, entry: &Entry) {
        if let Err(error) = self.history.add(entry) {
            log::error!("{}", message::log_lacks_line(error, &entry.target));
        }
    }

    /// Puts a delivery that was not tried into the queue.
    pub(super) fn enqueue(&self, station: &Station<'_>, delivery: Delivery, why: FailureKind) {
        self.hold(station, delivery.name.clone(), &delivery);
        self.note(station, &delivery, Outcome::Failed(Failure::new(why, "")));
    }

    pub(super) fn hold(&self, station: &Station<'_>, name: Name, delivery: &Delivery) {
        let mut state = lock(&station.state);
        state.held.push(delivery.addition(name));
        if state.held.len() >= MOST_HELD {
            drop(state);
            self.write_held(station);
        }
    }

    /// Writes down what is held for a queue. Returns whether that is all on the disk.
    pub(super) fn write_held(&self, station: &Station<'_>) -> bool {
        let held = std::mem::take(&mut lock(&station.state).held);
        match station.queue.put(&held, &self.bodies) {
            Ok(()) => true,
            Err(error) => {
                log::error!("{}", message::about_target(&station.target.name, error));
                self.lose();
                false
            }
        }
    }

    pub(super) fn note(&self, station: &Station<'_>, delivery: &Delivery, outcome: Outcome) {
        let name = delivery.line.update.name.clone();
        let more = delivery.more.iter().map(|line| line.update.name.clone()).collect();
        let sequence = delivery.name.sequence;
        lock(&self.done).push(Done { target: station.at, sequence, id: delivery.id, name, more, outcome });
    }

    /// Reads a delivery from the queue; one that is not sound is set aside.
    pub(super) fn load(&self, station: &Station<'_>, name: &Name) -> Option<Delivery> {
        let (waiting, body) = match station.queue.load(name) {
            Ok((Record::Delivery(waiting), body)) => (waiting, body),
            Ok((Record::Push(_), _)) => {
                station.queue.set_aside(name, message::not_its_name());
                return None;
            }
            Err(why) => {
                self.unfit(station, name, &why);
                return None;
            }
        };
        let format = waiting.format.clone();
        let delivery = Delivery::waiting(name.clone(), waiting, body);
        if delivery.is_none() {
            station.queue.set_aside(name, &message::unknown_record_format(&format));
        }
        delivery
    }

    fn unfit(&self, station: &Station<'_>, name: &Name, why: &Unfit) {
        match why {
            Unfit::Unsound(why) => station.queue.set_aside(name, why),
            // Somebody else was faster.
            Unfit::Unreadable(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Unfit::Unreadable(error) => {
                log::error!("{}", message::owner_can_read_queued(&station.target.name, name, error));
            }
        }
    }

    /// Turns pushes that waited as a whole, while their target was not configured rightly, into deliveries.
    ///
    /// Crash: the deliveries are durable before the push is removed; made twice, they have the same names.
    pub(super) fn unfold(&self, station: &Station<'_>, names: &[Name], build: Build<'_>) {
        for name in names.iter().filter(|name| name.is_push()) {
            match station.queue.load(name) {
                Ok((Record::Push(receipt), _)) => {
                    let Some(deliveries) = build(station.target, name.sequence, &receipt) else { continue };
                    for delivery in deliveries {
                        self.hold(station, delivery.name.clone(), &delivery);
                    }
                    if self.write_held(station) {
                        station.queue.remove(name);
                    }
                }
                Ok((Record::Delivery(_), _)) => station.queue.set_aside(name, message::not_its_name()),
                Err(why) => self.unfit(station, name, &why),
            }
        }
    }
}
