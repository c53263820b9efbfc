//! One thread of a worker: takes messages of one target, sees to one after another.

use std::panic::{self, AssertUnwindSafe};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use log::warn;

use super::station::{Held, Said, Station, Work, is_fresh};
use super::turn::{Seen, Step, not_yet, step};
use super::{TO_ANSWER, Worker, intake};
use crate::delivery::Delivery;
use crate::dispatch;
use crate::message;
use crate::process;
use crate::stream::{self, ACK_WAIT, BrokerError, Claim, JetStream, Message, NotOurs, Turn, redelivery_of, sender};
use crate::transport::Http;

/// How long the broker is asked to wait for a message to come; a worker that is to end waits as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long one without work waits before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Those that failed before are looked for this often.
const RETRIES_EVERY: Duration = Duration::from_secs(2);

/// How many of those are taken at once.
const MOST_RETRIES: usize = 8;

/// How often it is told that the broker is away.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(60);

/// How long one waits whose broker is away.
const BROKER_AWAY: Duration = Duration::from_secs(1);

/// What a newer worker has to make is handed back for so long.
const FOR_A_NEWER_ONE: Duration = Duration::from_secs(60);

/// So often it is not a message's turn before it is asked why.
const LOOKS_BEFORE_CLEARING: u32 = 4;

/// An attempt ends within what is left of the time in which nobody else is given the message, less this.
const MARGIN: Duration = Duration::from_secs(10);

/// One thread's way from the broker to the receiver.
pub(super) struct Lane<'w> {
    pub(super) worker: &'w Worker<'w>,
    pub(super) station: &'w Station<'w>,
    pub(super) broker: Option<JetStream>,
    /// Whether the broker was asked for the target's consumers over this connection.
    has_consumers: bool,
    http: Http<'w>,
    looked_for_retries: Option<Instant>,
    complained: Option<Instant>,
    idle_since: Instant,
}

impl Worker<'_> {
    /// Opens a further lane to a target where that is of use.
    pub(super) fn open_lane<'s>(&'s self, scope: &'s Scope<'s, '_>, station: &'s Station<'s>) {
        if !station.begin_lane() {
            return;
        }
        let run = move || {
            let http = Http::new(station.target, &self.trust);
            let mut lane = Lane {
                worker: self,
                station,
                broker: None,
                has_consumers: false,
                http,
                looked_for_retries: None,
                complained: None,
                idle_since: Instant::now(),
            };
            lane.run(scope);
        };
        if thread::Builder::new().stack_size(1 << 20).spawn_scoped(scope, run).is_err() {
            // Another one, or a later time, does its work.
            station.end_lane(true);
        }
    }
}

impl<'w> Lane<'w> {
    fn run(&mut self, scope: &'w Scope<'w, '_>) {
        loop {
            if self.worker.is_stopping() {
                self.give_back(self.station.empty(), Duration::ZERO);
                self.station.end_lane(true);
                return;
            }
            match self.station.next(process::now()) {
                Work::See(held) => self.see_to(held),
                Work::Take(most, may_wait) => {
                    let taken = self.take(most, may_wait);
                    if let Err(error) = &taken {
                        self.lose_broker(error);
                    }
                    self.station.end_taking();
                    self.worker.open_lane(scope, self.station);
                    if taken.is_err() {
                        self.station.wait(BROKER_AWAY);
                    }
                }
                Work::Rest(claims, rest) => {
                    self.give_back(claims, rest);
                    self.station.wait(rest.min(PATIENCE));
                }
                Work::Nothing(patience) => {
                    self.station.wait(patience);
                    if self.idle_since.elapsed() > IDLE && self.station.end_lane(false) {
                        return;
                    }
                    continue;
                }
            }
            self.idle_since = Instant::now();
        }
    }

    /// Takes what is there; where nothing is, waits a while for the next if it may.
    fn take(&mut self, most: usize, may_wait: bool) -> Result<(), BrokerError> {
        let station = self.station;
        let target = station.target.name.as_str();
        let looks = self.looked_for_retries.is_none_or(|last| last.elapsed() >= RETRIES_EVERY);
        let is_new = !std::mem::replace(&mut self.has_consumers, true);
        let broker = self.broker()?;
        let lane = stream::Lane::Deliveries;
        if is_new {
            // The target may be new, or the broker may have lost its disk.
            for lane in [stream::Lane::Deliveries, stream::Lane::Retries] {
                broker.find_consumer(lane, target, Instant::now() + TO_ANSWER)?;
            }
        }
        let mut claims = broker.claim(lane, target, most, None)?;
        if looks && (most > 1 || claims.is_empty()) {
            let retries = broker.claim(stream::Lane::Retries, target, MOST_RETRIES.min(most), None)?;
            claims.extend(retries);
        }
        if claims.is_empty() && may_wait {
            claims = broker.claim(lane, target, 1, Some(PATIENCE))?;
        }
        if looks {
            self.looked_for_retries = Some(Instant::now());
        }
        let surplus = station.offer(claims);
        self.give_back(surplus, not_yet(3));
        Ok(())
    }

    /// The connection to the broker, opened where there is none.
    pub(super) fn broker(&mut self) -> Result<&mut JetStream, BrokerError> {
        let broker = match self.broker.take() {
            Some(broker) => broker,
            None => self.worker.connect()?,
        };
        Ok(self.broker.insert(broker))
    }

    /// What is asked of it next is asked over another connection.
    pub(super) fn lose_broker(&mut self, error: &BrokerError) {
        // One that is away for an hour is told of sixty times, not 3,600.
        if self.complained.is_none_or(|last| last.elapsed() > BETWEEN_COMPLAINTS) {
            warn!("{}", message::broker_lost(&self.station.target.name, error));
            self.complained = Some(Instant::now());
        }
        self.broker = None;
        self.has_consumers = false;
    }

    /// Hands messages back for so long. Where that fails, they are handed out again all the same.
    pub(super) fn give_back(&mut self, claims: Vec<Claim>, delay: Duration) {
        for claim in claims {
            let deadline = Instant::now() + TO_ANSWER;
            let outcome = self.broker().and_then(|broker| broker.hand_back(&claim, delay, deadline));
            if let Err(error) = outcome {
                return self.lose_broker(&error);
            }
        }
    }

    /// Sees to one message.
    fn see_to(&mut self, mut held: Held) {
        let subject = held.claim.subject().to_owned();
        let seen = match is_fresh(&held.claim) {
            true => self.guarded(&mut held.claim),
            // It is handed out again.
            false => Ok(Seen::Done),
        };
        let (stays, delay) = match seen {
            Ok(Seen::Done) => (false, Duration::ZERO),
            Ok(Seen::Stays(delay)) => (true, delay),
            Ok(Seen::NotYet) => match self.kept(held) {
                None => return,
                Some(claim) => {
                    let delay = not_yet(claim.handed_out);
                    self.give_back(vec![claim], delay);
                    (true, delay)
                }
            },
            Err(error) => {
                self.lose_broker(&error);
                (true, BROKER_AWAY)
            }
        };
        let behind = self.station.done(&subject, stays);
        self.give_back(behind, delay);
    }

    /// Keeps a message whose turn it is not yet; it comes back where that was in vain for too long.
    fn kept(&mut self, held: Held) -> Option<Claim> {
        if held.looks == LOOKS_BEFORE_CLEARING
            && let Err(error) = self.clear_before(&held.claim)
        {
            self.lose_broker(&error);
        }
        self.station.keep(held)
    }

    /// Removes what is before a message though its last outcome is told. A broker that is killed may have noted that a message was
    /// settled, and have it all the same when it is back: it would hand it out to nobody, and nothing would ever pass it.
    fn clear_before(&mut self, claim: &Claim) -> Result<(), BrokerError> {
        let deadline = Instant::now() + TO_ANSWER;
        let broker = self.broker()?;
        let first = broker.first_of(claim.subject(), deadline)?.filter(|first| first.sequence < claim.sequence);
        let Some(first) = first else { return Ok(()) };
        let Some((spool, id)) = sender(&first.incoming) else { return Ok(()) };
        let redelivery = redelivery_of(&first.incoming);
        let (known, _) = broker.outcome(spool, id, deadline)?;
        match known.is_some_and(|known| known.state.is_last() && known.is_of(redelivery)) {
            true => broker.remove(first.sequence, deadline),
            false => Ok(()),
        }
    }

    /// A panic is a mistake of ours, and must not take the thread along: nobody else may be there for the target. The message is handed
    /// out again in its time, and holds up no more than what is behind it. The panic hook tells of it.
    fn guarded(&mut self, claim: &mut Claim) -> Result<Seen, BrokerError> {
        panic::catch_unwind(AssertUnwindSafe(|| self.seen(claim))).unwrap_or_else(|_| {
            self.broker = None;
            self.has_consumers = false;
            self.http = Http::new(self.station.target, &self.worker.trust);
            Ok(Seen::Stays(Duration::from_secs(ACK_WAIT)))
        })
    }

    fn seen(&mut self, claim: &mut Claim) -> Result<Seen, BrokerError> {
        let deadline = Instant::now() + TO_ANSWER;
        let read = match Message::read(claim.subject(), &claim.incoming) {
            Ok(message) if message.target != self.station.target.name.as_str() => {
                Err(NotOurs::Unsound(message::unsound_message("Webhook-Target")))
            }
            read => read,
        };
        let message = match read {
            Ok(message) => message,
            Err(NotOurs::Newer(version)) => {
                warn!("{}", message::newer_message(&self.station.target.name, version));
                self.broker()?.hand_back(claim, FOR_A_NEWER_ONE, deadline)?;
                return Ok(Seen::Stays(FOR_A_NEWER_ONE));
            }
            Err(NotOurs::Unsound(why)) => {
                let delivery = sender(&claim.incoming);
                let turn = self.broker()?.turn(claim, delivery, deadline)?;
                return self.refuse(claim, delivery, &turn, &why);
            }
        };
        let turn = self.broker()?.turn(claim, Some((message.spool, message.id)), deadline)?;
        let place = (claim.lane, claim.sequence);
        match step(place, &message, &turn, self.station.delivered(), process::now()) {
            Step::NotYet => Ok(Seen::NotYet),
            Step::Forget => Ok(Seen::Done),
            Step::Settle => self.broker()?.settle(claim, deadline).map(|()| Seen::Done),
            Step::HandBack(delay) => {
                self.broker()?.hand_back(claim, delay, deadline)?;
                Ok(Seen::Stays(delay))
            }
            Step::Move => self.put_off(claim, &message).map(|()| Seen::Done),
            Step::Send(schedule) => match intake::delivery(&message, self.station.target, process::now()) {
                Ok(mut delivery) => {
                    delivery.schedule = schedule;
                    self.attempt(claim, &message, &turn, delivery)
                }
                Err(why) => self.refuse(claim, Some((message.spool, message.id)), &turn, &why),
            },
        }
    }

    /// Makes one attempt and settles it.
    fn attempt(
        &mut self,
        claim: &mut Claim,
        message: &Message,
        turn: &Turn,
        delivery: Delivery,
    ) -> Result<Seen, BrokerError> {
        let target = self.station.target;
        let ours = |claim: &Claim| Duration::from_secs(ACK_WAIT).saturating_sub(claim.since.elapsed() + MARGIN);
        if ours(claim) < target.timeout {
            self.broker()?.work_on(claim, Instant::now() + TO_ANSWER)?;
        }
        let attempt = dispatch::send_over(&mut self.http, target, &delivery, ours(claim));
        self.settle_attempt(claim, message, turn, &delivery, attempt)
    }

    /// Notes what an attempt says of the target.
    pub(super) fn learn(&self, said: &Said) {
        self.station.learn(said, process::now());
    }
}
