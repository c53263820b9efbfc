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

/// How often consumers are looked at, at most, and how soon again where the broker is away.
const EVERY: Duration = Duration::from_secs(15);
const BROKER_AWAY: Duration = Duration::from_secs(60);

/// So many messages are looked at: of what failed before, which may wait for days, fewer.
const MOST_LOOKED_AT: usize = 200;
const MOST_RETRIES: usize = 20;

/// What a consumer had come to at the last look.
struct Look {
    progress: Progress,
    /// Since when it has handed out nothing.
    still: Instant,
    /// Since when which message is due, by its number.
    due: HashMap<u64, Instant>,
}

impl Look {
    /// Whether something that is due so long is lost to the consumer: an attempt ends before these times are over, and what is not
    /// answered is handed out again within them. Where it hands out others, it is so if it says that nobody has anything.
    fn is_lost(&self) -> bool {
        let patience = self.progress.patience;
        let Some(longest) = self.due.values().map(Instant::elapsed).max() else { return false };
        let has_none = self.progress.waiting + self.progress.in_hand == 0;
        longest >= patience * 3 / 2 && (self.still.elapsed() >= patience * 3 / 2 || has_none && longest >= patience * 5)
    }
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
            let patience = looks.values().map(|look: &Look| look.progress.patience).min().unwrap_or(EVERY);
            next = Instant::now() + EVERY.min(patience);
            if let Err(error) = looked {
                warn!("{}", message::cannot_look_for_lost(error));
                next = Instant::now() + BROKER_AWAY;
            }
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
        let old = looks.remove(&key);
        let Some(progress) = broker.progress(lane, target, Instant::now() + TO_ANSWER)? else {
            return broker.find_consumer(lane, target, Instant::now() + TO_ANSWER);
        };
        // Who rests asks for nothing, and somebody else may have made it anew.
        if station.is_resting(process::now()) || self.is_stopping() {
            return Ok(());
        }
        let mut look = match old.filter(|old| old.progress.is_of(&progress)) {
            Some(old) => {
                let still = if old.progress.handed_out == progress.handed_out { old.still } else { Instant::now() };
                Look { progress, still, due: old.due }
            }
            None => Look { progress, still: Instant::now(), due: HashMap::new() },
        };
        // Who asks for nothing has enough. For what failed before nobody waits at the broker.
        if look.progress.asking > 0 || lane == Lane::Retries {
            let seen = self.due(broker, station, lane, look.progress.patience)?;
            look.due.retain(|sequence, _| seen.contains(sequence));
            seen.into_iter().for_each(|sequence| _ = look.due.entry(sequence).or_insert_with(Instant::now));
            if look.is_lost() {
                return self.replace(broker, station, lane, &look.progress);
            }
        }
        looks.insert(key, look);
        Ok(())
    }

    /// Makes a consumer anew, unless it has gone on or somebody else has made it anew meanwhile.
    fn replace(
        &self,
        broker: &mut JetStream,
        station: &Station<'_>,
        lane: Lane,
        lost: &Progress,
    ) -> Result<(), BrokerError> {
        let target = station.target.name.as_str();
        let now = broker.progress(lane, target, Instant::now() + TO_ANSWER)?;
        let Some(now) = now.filter(|now| now.is_of(lost) && now.handed_out == lost.handed_out) else { return Ok(()) };
        warn!("{}", message::consumer_lost(target));
        broker.replace_consumer(lane, target, &now, Instant::now() + TO_ANSWER)
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
        for _ in 0..if lane == Lane::Retries { MOST_RETRIES } else { MOST_LOOKED_AT } {
            let deadline = Instant::now() + TO_ANSWER;
            let next = broker.next_for(lane, station.target.name.as_str(), from, deadline)?;
            let Some(first) = next.filter(|_| !self.is_stopping()) else { break };
            from = first.sequence + 1;
            // In order one of a subject is due at a time.
            let is_behind = !subjects.insert(first.incoming.subject.clone()) && lane == Lane::Deliveries;
            if !is_behind && is_due(broker, (lane, &first), moment)? {
                due.insert(first.sequence);
            }
        }
        Ok(due)
    }
}

/// Whether the first message of a subject was to be seen to at that moment, in seconds since 1970.
fn is_due(broker: &mut JetStream, (lane, first): (Lane, &First), moment: i64) -> Result<bool, BrokerError> {
    let message = match Message::read(&first.incoming.subject, &first.incoming) {
        Ok(message) => message,
        Err(NotOurs::Newer(_)) => return Ok(false),
        Err(NotOurs::Unsound(_)) => return Ok(true),
    };
    let Some((spool, id)) = sender(&first.incoming) else { return Ok(true) };
    let (outcome, told) = broker.outcome(spool, id, Instant::now() + TO_ANSWER)?;
    let turn = Turn { first: Some(first.sequence), outcome, told };
    // What waits for another delivery to get through is nobody's for ten minutes after one has.
    Ok(!matches!(step((lane, first.sequence), &message, &turn, i64::MIN, moment), Step::HandBack(_)))
}
