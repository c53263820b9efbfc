//! What becomes of a delivery after an attempt: logged, removed, put off, a dead letter.

use std::time::Duration;

use super::session::Buffered;
use super::{BuildDeferred, Dispatcher, Done, TargetSession, lock};
use crate::delivery::Delivery;
use crate::files::Unfit;
use crate::history::{Entry, LoggedUpdate, State};
use crate::message;
use crate::outcome::{Attempt, Failure, FailureKind, GONE, Outcome};
use crate::process;
use crate::schedule::{Next, Queued, Schedule};
use crate::spool::Addition;
use crate::text::shorten;

/// Names are of 4 KiB at most and nearly always short, a line of the log is of 1 MiB.
const MOST_LOGGED: usize = 1000;

/// A receiver may take 32 KiB to say where it redirects to.
const LONGEST_REASON: usize = 1024;

impl Dispatcher<'_> {
    /// Writes down what came of an attempt. Returns whether newer deliveries of the ref have to wait.
    ///
    /// Crash: the log comes first. Between an answer and the log's line nobody knows of the answer, and the delivery is
    /// made once more under its id: that is the one gap in which an event is delivered twice.
    pub(super) fn settle(
        &self,
        session: &TargetSession<'_>,
        delivery: &Delivery,
        (attempt, took): (&Attempt, Duration),
        was_queued: bool,
    ) -> bool {
        let mut entry = self.entry(session, delivery, delivery.schedule.attempts + u32::from(was_made(attempt)));
        entry.answer = attempt.answer.clone();
        match &attempt.outcome {
            Outcome::Delivered { status, elapsed } => {
                entry.status = Some(*status);
                entry.ms = Some(elapsed.as_millis() as u64);
                self.settle_delivered(session, delivery, &entry, was_queued);
                false
            }
            Outcome::Published { elapsed } => {
                entry.state = State::Published;
                entry.ms = Some(elapsed.as_millis() as u64);
                self.settle_published(session, delivery, &entry, was_queued);
                false
            }
            Outcome::Failed(failure) => {
                entry.reason = Some(shorten(failure.to_string(), LONGEST_REASON));
                entry.status = failure.kind.status();
                entry.ms = was_made(attempt).then_some(took.as_millis() as u64);
                self.settle_failed(session, delivery, failure, entry, was_queued)
            }
        }
    }

    fn settle_delivered(&self, session: &TargetSession<'_>, delivery: &Delivery, entry: &Entry, was_queued: bool) {
        self.log(entry);
        let is_gone = !was_queued || session.queue.remove(&queued(delivery));
        let mut notes = lock(&session.notes);
        notes.is_left_behind |= !is_gone;
        notes.learned.was_tried = true;
        notes.learned.was_delivered = true;
    }

    /// Crash: what is kept of the delivery comes first, then the log. Between acknowledgement and log nobody knows of it, and it
    /// is published once more under its id, by which the broker knows it.
    fn settle_published(&self, session: &TargetSession<'_>, delivery: &Delivery, entry: &Entry, was_queued: bool) {
        let schedule = Schedule { next: process::now(), ..Schedule::asked_for(entry.attempt) };
        let kept = Queued { key: delivery.key.clone(), schedule };
        let is_gone = !was_queued || session.queue.move_published(&queued(delivery), &kept);
        if !was_queued && let Err(error) = session.queue.keep_published(&[Addition::of(kept, delivery)], &self.bodies) {
            // It can be built again as long as its receipt is there.
            log::error!("{}", message::about_target(&session.target.name, error));
        }
        self.log(entry);
        let mut notes = lock(&session.notes);
        notes.is_left_behind |= !is_gone;
        notes.learned.was_tried = true;
        notes.learned.was_delivered = true;
    }

    fn settle_failed(
        &self,
        session: &TargetSession<'_>,
        delivery: &Delivery,
        failure: &Failure,
        mut entry: Entry,
        was_queued: bool,
    ) -> bool {
        let now = process::now();
        let (age, retry_for) = (now - delivery.time, session.target.retry_for);
        let schedule = match delivery.schedule.after(failure, delivery.id(), age, retry_for, now) {
            Next::Again(schedule) => schedule,
            Next::Dead(why) => {
                entry.state = State::Dead;
                entry.reason = entry.reason.map(|reason| format!("{reason}; {why}"));
                self.log(&entry);
                self.make_dead(session, delivery, was_queued, why);
                return false;
            }
        };
        entry.state = State::Waiting;
        entry.next = (!schedule.is_held()).then_some(schedule.next);
        if failure.kind.is_ambiguous() {
            let said = message::may_have_acted(schedule.ambiguous);
            entry.reason = entry.reason.map(|reason| format!("{reason}; {said}"));
        }
        self.log(&entry);
        lock(&session.notes).learned.failed(failure.kind, schedule.next);
        let later = Queued { key: delivery.key.clone(), schedule };
        if was_queued {
            session.queue.rename(&queued(delivery), &later);
        } else {
            self.buffer(session, later, delivery);
        }
        schedule.blocks_ref
    }

    /// Writes down what came of a request that was sent before its time, to see whether the target is back: where it is
    /// not, nothing is counted.
    pub(super) fn settle_probe(
        &self,
        session: &TargetSession<'_>,
        delivery: &Delivery,
        (attempt, took): (&Attempt, Duration),
    ) {
        match &attempt.outcome {
            // It is looked at when its time comes.
            Outcome::Failed(failure) if failure.kind.is_of_this_side() => {
                lock(&session.notes).learned.was_tried = true;
            }
            Outcome::Failed(failure) if failure.kind != FailureKind::Status(GONE) => {
                let mut entry = self.entry(session, delivery, delivery.schedule.attempts + 1);
                entry.answer = attempt.answer.clone();
                entry.state = State::Waiting;
                entry.next = Some(delivery.schedule.next);
                entry.reason = Some(message::probed(shorten(failure.to_string(), LONGEST_REASON)));
                entry.status = failure.kind.status();
                entry.ms = Some(took.as_millis() as u64);
                self.log(&entry);
                lock(&session.notes).learned.was_tried = true;
            }
            _ => drop(self.settle(session, delivery, (attempt, took), true)),
        }
    }

    /// Makes a delivery a dead letter, with its body, though it was never in the queue.
    fn make_dead(&self, session: &TargetSession<'_>, delivery: &Delivery, was_queued: bool, why: &str) {
        let queued = queued(delivery);
        if !was_queued && let Err(error) = session.queue.put(&[Addition::of(queued.clone(), delivery)], &self.bodies) {
            log::error!("{}", message::about_target(&session.target.name, error));
            return self.lose();
        }
        session.queue.make_dead(&queued, why);
    }

    /// A log line of a delivery that was made, until something else is said.
    pub(super) fn entry(&self, session: &TargetSession<'_>, delivery: &Delivery, attempt: u32) -> Entry {
        let from_memory = self.unkept == Some(delivery.key.sequence);
        let more = self.logged_with(delivery);
        Entry { from_memory, more, ..Entry::of(session.target.name.as_str(), delivery, attempt) }
    }

    /// The further updates that the log has to know: of a push that is written down nowhere, as many as a line has room
    /// for.
    fn logged_with(&self, delivery: &Delivery) -> Vec<LoggedUpdate> {
        let is_kept = self.unkept != Some(delivery.key.sequence);
        let of_it = delivery.more.iter().filter(|_| !is_kept).take(MOST_LOGGED).map(|line| &line.update);
        of_it.map(LoggedUpdate::from).collect()
    }

    pub(super) fn log(&self, entry: &Entry) {
        if let Err(error) = self.history.add(entry) {
            log::error!("{}", message::log_lacks_line(error, &entry.target));
        }
    }

    /// Puts a delivery that was not tried into the queue.
    pub(super) fn enqueue(&self, session: &TargetSession<'_>, delivery: &Delivery, why: FailureKind) {
        self.buffer(session, queued(delivery), delivery);
        self.note(session, delivery, Outcome::Failed(Failure::not_tried(why, session.last_failure())));
    }

    fn buffer(&self, session: &TargetSession<'_>, queued: Queued, delivery: &Delivery) {
        if session.buffer(queued, delivery) == Buffered::Full {
            self.write_buffered(session);
        }
    }

    /// Writes what is buffered to the queue. Returns whether that is all on the disk.
    pub(super) fn write_buffered(&self, session: &TargetSession<'_>) -> bool {
        let mut additions = session.take_buffered();
        // A write takes milliseconds, and there may be thousands.
        if self.is_over() {
            let is_too_late = self.budget.is_long_over();
            additions.retain(|addition| {
                let is_worth_it = addition.queued.schedule.attempts > 0 && !is_too_late;
                is_worth_it || !self.leaves()
            });
        }
        match session.queue.put(&additions, &self.bodies) {
            Ok(()) => true,
            Err(error) => {
                log::error!("{}", message::about_target(&session.target.name, error));
                self.lose();
                false
            }
        }
    }

    pub(super) fn note(&self, session: &TargetSession<'_>, delivery: &Delivery, outcome: Outcome) {
        let name = delivery.line.update.name.clone();
        let more = delivery.more.iter().map(|line| line.update.name.clone()).collect();
        let sequence = delivery.key.sequence;
        lock(&self.done).push(Done { target: session.at, sequence, id: delivery.id(), name, more, outcome });
    }

    /// Reads a delivery from the queue; one that is not sound becomes a dead letter.
    pub(super) fn load(&self, session: &TargetSession<'_>, queued: &Queued) -> Option<Delivery> {
        match session.queue.load(queued) {
            Ok((waiting, body)) => {
                let format = waiting.format.clone();
                let delivery = waiting.delivery(queued.clone(), body);
                if delivery.is_none() {
                    session.queue.make_dead(queued, &message::unknown_record_format(&format));
                }
                delivery
            }
            Err(Unfit::Unsound(why)) => {
                session.queue.make_dead(queued, &why);
                None
            }
            Err(Unfit::Unreadable(error)) => {
                // Somebody else was faster where it is gone.
                if error.kind() != std::io::ErrorKind::NotFound {
                    let name = session.queue.file_name(queued);
                    log::error!("{}", message::owner_can_read_queued(&session.target.name, name, error));
                }
                None
            }
        }
    }

    /// Turns pushes that waited for the target to be configured rightly into deliveries.
    ///
    /// Crash: the deliveries are durable before the push is removed; made twice, they have the same keys.
    pub(super) fn queue_deferred(&self, session: &TargetSession<'_>, build: BuildDeferred<'_>) {
        for deferred in session.queue.deferred() {
            let Some(deliveries) = build(session.target, deferred.sequence, &deferred.receipt) else { continue };
            for delivery in deliveries {
                self.buffer(session, queued(&delivery), &delivery);
            }
            if self.write_buffered(session) {
                session.queue.remove_deferred(&deferred);
            }
        }
    }
}

fn was_made(attempt: &Attempt) -> bool {
    !matches!(&attempt.outcome, Outcome::Failed(failure) if failure.kind.is_of_this_side())
}

fn queued(delivery: &Delivery) -> Queued {
    Queued { key: delivery.key.clone(), schedule: delivery.schedule }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::delivery::Origin;
    use crate::event::EventName;
    use crate::format::Payload;
    use crate::history::History;
    use crate::identifier;
    use crate::ref_update::RefEvent;
    use crate::schedule::{OrderKey, QueueKey, Schedule, Unsettled};
    use crate::spool::Spool;
    use crate::state_dir::StateDir;
    use crate::target::tests::{target, update};
    use crate::target::{Address, Target};

    /// Takes whole requests and hangs up without a word.
    fn silent() -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut seen = Vec::new();
                let mut byte = [0];
                while !seen.ends_with(b"the body") && stream.read_exact(&mut byte).is_ok() {
                    seen.extend(byte);
                }
            }
        });
        url
    }

    #[test]
    fn what_is_given_up_before_it_was_on_the_disk_is_a_dead_letter_with_its_body() {
        for is_shared in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let state = StateDir::new(directory.path(), false);
            let (spool, history) = (Spool::new(state.clone()), History::new(&state));
            let (address, timeout) = (Address::parse(&silent()).unwrap(), Duration::from_secs(60));
            let ci = Target { address, timeout, ..target(&[EventName::Push], "") };
            let targets = [&ci];
            let run = Dispatcher::new(&spool, &history, &targets, None);
            let line = RefEvent::new(update('0', '1', "refs/heads/a"), identifier::event());
            let id = identifier::delivery(line.event, "ci", "push");
            let order = OrderKey::of(&line.update.name);
            let origin = Origin { repository: "r".into(), instance: "http://x".into(), project: 1, trace: None };
            let delivery = Delivery {
                key: QueueKey { sequence: 1, number: 0, order, id },
                // The target is not to be tried for long.
                schedule: Schedule { attempts: 4, ..Schedule::default() },
                line,
                more: Vec::new(),
                format: ci.format,
                payload: Arc::new(Payload::new("push", b"the body".to_vec())),
                is_shared,
                time: process::now(),
                receipt: "".into(),
                origin: Arc::new(origin),
                is_late: false,
                redelivery: 0,
                reduced: None,
            };
            let mut sessions = [run.open(0)];
            run.deliver(&mut sessions, false, Unsettled::default, |send| send(0, delivery));
            assert!(run.is_safe());
            let queue = spool.queue(&ci.name);
            assert!(queue.is_empty());
            let index = queue.index();
            assert_eq!(index.dead().collect::<Vec<_>>(), [id]);
            let (_, _, body) = queue.find(&index, id).unwrap();
            assert_eq!(body, b"the body");
            assert_eq!(history.of(id).pop().map(|entry| entry.state), Some(State::Dead));
            assert!(queue.restore(&index, id, 3).unwrap().is_some());
        }
    }
}
