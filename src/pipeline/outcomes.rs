//! What came of the deliveries that the broker took: outcomes are drawn into the log, and what neither has one nor waits at the
//! broker any more is published again. So a broker that loses what it acknowledged makes deliveries late, and loses none.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Pipeline;
use crate::config::{Broker, Route};
use crate::delivery::Delivery;
use crate::dispatch;
use crate::files::Unfit;
use crate::history::{self, Entry, State};
use crate::message;
use crate::process;
use crate::schedule::Queued;
use crate::spool::Queue;
use crate::stream::{BrokerError, JetStream, Outcome, Role, Standing};
use crate::transport::Trust;

/// How long it has to answer what is asked in a row.
const TO_ANSWER: Duration = Duration::from_secs(5);

/// How many questions are asked in a row.
const MOST_IN_A_ROW: usize = 500;

/// How long a broker is believed that something waits of which no worker has told, in seconds: one that was killed may count what is
/// not there. Longer than it remembers ids, so that it takes what is published again then; what was there all the same is found to be
/// told of when its turn comes.
const BELIEVED: i64 = 86_400;

/// What may have to be published again.
#[derive(Default)]
struct Lost {
    /// What waits nowhere at the broker.
    gone: HashSet<Uuid>,
    /// What the broker says of is not believed, where nobody has told anything of it.
    silent: HashSet<Uuid>,
}

/// A delivery that was published and has no last outcome yet.
struct Published {
    queue: Queue,
    /// The name of the queue's directory.
    directory: String,
    queued: Queued,
}

impl Published {
    /// How many seconds ago it was published.
    fn age(&self) -> i64 {
        process::now() - self.queued.schedule.next
    }

    /// Whether a worker should have told of it. Each time it is published again the next is twice as far off: what waits for a
    /// receiver that is down for days must not fill the stream.
    fn is_silent(&self, delivery: &Delivery) -> bool {
        let is_told = self.queued.schedule.ambiguous > 0;
        !is_told && self.age() >= BELIEVED && 2 * self.age() >= process::now() - delivery.time
    }
}

impl Pipeline<'_> {
    /// Draws in what workers have told since somebody asked last. Returns how many deliveries are left of which nothing is known.
    ///
    /// # Errors
    /// Why the broker cannot be asked.
    pub fn draw_in_outcomes(&self) -> Result<usize, String> {
        self.ask(|_, _| Ok(Lost::default()))
    }

    /// The same, and has what the broker has lost published again, marked late: of which there is no outcome `webhook.viaPatience`
    /// after it was published, and nothing of its ref waits there; or of which nobody has told anything for a day. Where targets
    /// are not told through a broker any more, all that is older than that patience waits to be sent from here.
    ///
    /// # Errors
    /// Why the broker cannot be asked.
    pub fn draw_in_and_publish_again(&self) -> Result<usize, String> {
        match &self.configuration.settings.via {
            Route::Direct => Ok(self.take_back()),
            Route::Wrong(_) => Ok(0),
            Route::Through(_) => self.ask(|jetstream, published| self.lost(jetstream, published)),
        }
    }

    /// `lost` tells which of those that are published the broker has lost: it is asked first, for whoever works on one
    /// tells its outcome before he takes it out.
    fn ask(
        &self,
        lost: impl FnOnce(&mut JetStream, &[Published]) -> Result<Lost, BrokerError>,
    ) -> Result<usize, String> {
        let Some(broker) = self.configuration.settings.via.broker() else { return Ok(0) };
        if self.spool.published().is_empty() {
            return Ok(0);
        }
        // Somebody else asks at this moment, or nobody may write here.
        let Ok(Some(_lock)) = self.spool.lock_published() else { return Ok(0) };
        let published = self.published();
        let told = |error| message::outcomes_unknown(published.len(), broker.servers.origin(), error);
        let mut jetstream = open(broker).map_err(|error| told(error.to_string()))?;
        let lost = lost(&mut jetstream, &published).map_err(|error| told(error.to_string()))?;
        let spool = self.spool.identity().unwrap_or_default();
        let mut left = 0;
        for row in published.chunks(MOST_IN_A_ROW) {
            let ids: Vec<_> = row.iter().map(|published| published.queued.key.id).collect();
            let outcomes = jetstream.outcomes(spool, &ids, Instant::now() + TO_ANSWER);
            for (published, outcome) in row.iter().zip(outcomes.map_err(|error| told(error.to_string()))?) {
                let id = &published.queued.key.id;
                let is_lost = lost.gone.contains(id) || outcome.is_none() && lost.silent.contains(id);
                let is_over = self.take_outcome(published, outcome);
                left += usize::from(!is_over);
                if !is_over && is_lost {
                    self.publish_again(published);
                }
            }
        }
        Ok(left)
    }

    /// All that was published and has no last outcome, in order.
    fn published(&self) -> Vec<Published> {
        let of_queue = |directory: String| {
            let queue = self.spool.queue_in(&directory);
            let all = queue.published();
            all.into_iter().map(move |queued| Published { queue: queue.clone(), directory: directory.clone(), queued })
        };
        self.spool.published().into_iter().flat_map(of_queue).collect()
    }

    /// Which of those that were published long ago wait nowhere at the broker, or should have been told of.
    fn lost(&self, jetstream: &mut JetStream, published: &[Published]) -> Result<Lost, BrokerError> {
        let overdue = published.iter().filter(|published| self.is_overdue(published));
        let mut ids: BTreeMap<(String, String), Vec<Uuid>> = BTreeMap::new();
        let mut silent = HashSet::new();
        for published in overdue {
            let Some(delivery) = self.stored(published) else { continue };
            if published.is_silent(&delivery) {
                silent.insert(delivery.id());
            }
            let key = (published.directory.clone(), self.order_key(&delivery));
            ids.entry(key).or_default().push(delivery.id());
        }
        let keys: Vec<_> = ids.keys().map(|(target, order)| (target.as_str(), order.as_str())).collect();
        let mut waits = Vec::new();
        for row in keys.chunks(MOST_IN_A_ROW) {
            waits.extend(jetstream.are_waiting(row, Instant::now() + TO_ANSWER)?);
        }
        let gone = ids.values().zip(waits).filter(|(_, waits)| !waits);
        Ok(Lost { gone: gone.flat_map(|(ids, _)| ids.iter().copied()).collect(), silent })
    }

    fn is_overdue(&self, published: &Published) -> bool {
        let patience = self.configuration.settings.via_patience.as_secs() as i64;
        // Where the clock was set back, nobody knows.
        !(0..patience).contains(&published.age())
    }

    /// Writes down what a worker told of a delivery; whether nothing more is to come.
    ///
    /// Crash: the log first. Between the two the same line is written twice.
    fn take_outcome(&self, published: &Published, outcome: Option<Outcome>) -> bool {
        let Some((outcome, delivery)) = outcome.and_then(|outcome| Some((outcome, self.stored(published)?))) else {
            return false;
        };
        let Queued { schedule, .. } = &published.queued;
        let is_known = !outcome.state.is_last() && outcome.attempts <= schedule.ambiguous;
        if !outcome.is_of(delivery.redelivery) || is_known {
            return false;
        }
        let entry = entry(&published.directory, &delivery, schedule.attempts, &outcome);
        if let Err(error) = self.history.add(&entry) {
            log::error!("{}", message::log_lacks_line(error, &entry.target));
            return false;
        }
        match entry.state {
            State::Delivered => published.queue.forget_published(&published.queued),
            State::Dead => {
                let why = entry.reason.unwrap_or_default();
                published.queue.make_published_dead(&published.queued, &why);
            }
            _ => {
                published.queue.note_tried(&published.queued, outcome.attempts);
                return false;
            }
        }
        true
    }

    /// Has a delivery that the broker has lost wait for its turn once more.
    fn publish_again(&self, published: &Published) {
        let Some(delivery) = self.stored(published) else { return };
        let name = published.directory.as_str();
        log::warn!("{}", message::published_again(name, delivery.ref_text(), delivery.id()));
        let late = Delivery { is_late: true, ..delivery };
        if let Err(error) = published.queue.publish_again(&published.queued, &late) {
            log::error!("{}", message::about_target(name, error));
        }
    }

    /// Has what a broker took that there is no more wait to be sent from here. Returns how many are left.
    fn take_back(&self) -> usize {
        let published = self.published();
        let (overdue, young): (Vec<_>, Vec<_>) = published.into_iter().partition(|it| self.is_overdue(it));
        overdue.iter().for_each(|published| self.publish_again(published));
        young.len()
    }

    /// What was published, as it is kept; built again where a power cut took the file. What is left of one that cannot be had is a
    /// dead letter.
    fn stored(&self, published: &Published) -> Option<Delivery> {
        let (queue, id) = (&published.queue, published.queued.key.id);
        let loaded = queue.load_published(&published.queued);
        let why = match loaded {
            Ok((waiting, body)) => return waiting.delivery(published.queued.clone(), body),
            Err(Unfit::Unreadable(error)) => {
                // Somebody else was faster where it is gone.
                if error.kind() != std::io::ErrorKind::NotFound {
                    let name = queue.file_name(&published.queued);
                    log::error!("{}", message::owner_can_read_queued(&published.directory, name, error));
                }
                return None;
            }
            Err(Unfit::Unsound(why)) => why,
        };
        let target = self.targets.iter().find(|target| target.name.directory() == published.directory);
        let rebuilt = target.and_then(|target| self.rebuilt(target, id).ok());
        if rebuilt.is_none() {
            queue.make_published_dead(&published.queued, &why);
        }
        rebuilt.map(|(delivery, _)| delivery)
    }

    /// What keeps a delivery in order at the broker.
    fn order_key(&self, delivery: &Delivery) -> String {
        dispatch::order_at_broker(&self.spool, delivery)
    }
}

fn open(broker: &Broker) -> Result<JetStream, BrokerError> {
    let patience = dispatch::TO_CONNECT;
    JetStream::open(&broker.servers, &broker.credentials, &Trust::default(), Role::GitServer, patience)
}

/// The line of what a worker told. `published` is the attempt that it was published in, which is the worker's first.
fn entry(target: &str, delivery: &Delivery, published: u32, outcome: &Outcome) -> Entry {
    let (state, reason) = match outcome.state {
        Standing::Delivered => (State::Delivered, None),
        Standing::Failing => (State::Waiting, outcome.error.clone()),
        Standing::GivenUp | Standing::Refused => (State::Dead, outcome.error.clone()),
        Standing::Other => (State::Dead, Some(message::outcome_unknown(&outcome.worker))),
    };
    Entry {
        state,
        reason: reason.or_else(|| (state != State::Delivered).then(|| message::told_by_worker(&outcome.worker))),
        status: outcome.status,
        ms: outcome.ms,
        next: outcome.next.filter(|_| state == State::Waiting),
        answer: outcome.answer.clone(),
        worker: Some(outcome.worker.clone()),
        at: history::seconds_of(&outcome.at).map(history::timestamp_of),
        ..Entry::of(target, delivery, published.saturating_sub(1).saturating_add(outcome.attempts.max(1)))
    }
}
