//! Consumers that their broker has lost track of: something is due, workers ask, and it is handed to nobody.
//!
//! A broker that is killed can come back with the messages of one moment and its consumers of another. A consumer may wait then for
//! answers about messages that are gone, until it has room for no more; or take for answered what still lies there. nats-server
//! (2.9.10, seen after some hundred kills) never ends that by itself. A new consumer does: it begins with the first message there is.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use log::warn;

use super::station::Station;
use super::turn::{Step, step};
use super::{TO_ANSWER, Worker};
use crate::message;
use crate::process;
use crate::stream::{BrokerError, First, JetStream, Lane, Message, NotOurs, Progress, Turn, sender};

/// How often consumers are looked at, at most.
const EVERY: Duration = Duration::from_secs(15);

/// So many messages of a lane are looked at.
const MOST_LOOKED_AT: usize = 200;

/// What a consumer had come to at the last look, and since when which message is due, by its number, with what was handed out by then.
struct Look {
    progress: Progress,
    due: HashMap<u64, (Instant, u64)>,
}

impl Worker<'_> {
    /// Looks at the consumers of its targets now and then, until the worker is to end.
    pub(super) fn watch_consumers(&self, stations: &[Station<'_>]) {
        let mut looks = HashMap::new();
        let mut next = Instant::now();
        while !self.is_stopping() {
            thread::sleep(Duration::from_millis(200));
            if Instant::now() < next {
                continue;
            }
            let looked = self.connect().and_then(|mut broker| {
                for (station, lane) in stations.iter().flat_map(|it| [(it, Lane::Deliveries), (it, Lane::Retries)]) {
                    self.look_at(&mut broker, station, lane, &mut looks)?;
                }
                Ok(())
            });
            if let Err(error) = looked {
                warn!("{}", message::cannot_look_for_lost(error));
            }
            let patience = looks.values().map(|look: &Look| look.progress.patience).min().unwrap_or(EVERY);
            next = Instant::now() + EVERY.min(patience);
        }
    }

    fn look_at(
        &self,
        broker: &mut JetStream,
        station: &Station<'_>,
        lane: Lane,
        looks: &mut HashMap<(String, &'static str), Look>,
    ) -> Result<(), BrokerError> {
        let target = station.target.name.as_str();
        let key = (target.to_owned(), lane.prefix());
        let Some(progress) = broker.progress(lane, target, Instant::now() + TO_ANSWER)? else { return Ok(()) };
        let old = looks.remove(&key).filter(|old| old.progress.is_of(&progress));
        // Who rests asks for nothing; who asks for nothing has enough. For what failed before nobody waits at the broker.
        if station.is_resting(process::now()) {
            return Ok(());
        }
        let mut due = old.map_or_else(HashMap::new, |old| old.due);
        if progress.asking > 0 || lane == Lane::Retries {
            let seen = self.due(broker, station, lane, progress.patience)?;
            due.retain(|sequence, _| seen.contains(sequence));
            seen.iter().for_each(|sequence| {
                due.entry(*sequence).or_insert((Instant::now(), progress.handed_out));
            });
            if due.values().any(|since| is_lost(&progress, *since)) {
                warn!("{}", message::consumer_lost(target));
                return broker.replace_consumer(lane, target, &progress, Instant::now() + TO_ANSWER);
            }
        }
        looks.insert(key, Look { progress, due });
        Ok(())
    }

    /// The numbers of the first messages of a lane that should be in somebody's hands, or should have been for a while.
    fn due(
        &self,
        broker: &mut JetStream,
        station: &Station<'_>,
        lane: Lane,
        patience: Duration,
    ) -> Result<HashSet<u64>, BrokerError> {
        let moment = process::now() - i64::try_from(patience.as_secs()).unwrap_or(0);
        let (mut due, mut subjects, mut from) = (HashSet::new(), HashSet::new(), 0);
        for _ in 0..MOST_LOOKED_AT {
            let deadline = Instant::now() + TO_ANSWER;
            let Some(first) = broker.next_for(lane, station.target.name.as_str(), from, deadline)? else { break };
            from = first.sequence + 1;
            // In order one of a subject is due at a time.
            let is_behind = !subjects.insert(first.incoming.subject.clone()) && lane == Lane::Deliveries;
            if !is_behind && is_due(broker, (lane, &first), station.delivered(), moment)? {
                due.insert(first.sequence);
            }
        }
        Ok(due)
    }
}

/// Whether a message that was first of its subject so long, since when so much was handed out, is lost to its consumer: an attempt ends
/// before the first of these times is over, and what is not answered is handed out again within it.
fn is_lost(progress: &Progress, (since, handed_out): (Instant, u64)) -> bool {
    let waited = since.elapsed();
    let stands_still = handed_out == progress.handed_out && waited >= progress.patience * 3 / 2;
    stands_still || progress.waiting == 0 && waited >= progress.patience * 5
}

/// Whether the first message of a subject was to be seen to at that moment, in seconds since 1970.
fn is_due(
    broker: &mut JetStream,
    (lane, first): (Lane, &First),
    delivered: i64,
    moment: i64,
) -> Result<bool, BrokerError> {
    let message = match Message::read(&first.incoming.subject, &first.incoming) {
        Ok(message) => message,
        Err(NotOurs::Newer(_)) => return Ok(false),
        Err(NotOurs::Unsound(_)) => return Ok(true),
    };
    let Some((spool, id)) = sender(&first.incoming) else { return Ok(true) };
    let (outcome, told) = broker.outcome(spool, id, Instant::now() + TO_ANSWER)?;
    let turn = Turn { first: Some(first.sequence), outcome, told };
    Ok(!matches!(step((lane, first.sequence), &message, &turn, delivered, moment), Step::HandBack(_)))
}
