//! Connections to targets: when one is opened, what goes over it, and one attempt, signed and sent.

use std::borrow::Cow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::body::encoding;
use super::channel::Task;
use super::pipe::Pipe;
use super::session::MOST_CONNECTIONS_OF_TARGET;
use super::shrink::is_too_large;
use super::{Dispatcher, TargetSession, lock};
use crate::delivery::Delivery;
use crate::format::{Given, Header, Ids, Payload};
use crate::identifier;
use crate::message;
use crate::outcome::{Attempt, FailureKind, Outcome};
use crate::process;
use crate::schedule::Queued;
use crate::signature;
use crate::target::{RequestParts, Target};
use crate::template::Flaw;
use crate::trace::{Trace, Tracing};
use crate::transport::{self, Http, Request, Trust};

/// How many connections there are at most over all targets, but for one that each target has.
const MOST_CONNECTIONS: usize = 64;

/// How many deliveries that wait make a further connection worth its handshake.
const DELIVERIES_A_CONNECTION: usize = 8;

impl<'a> Dispatcher<'a> {
    /// Runs `feed` with a function that takes a session's place and a task, and sends side by side what comes; returns
    /// when all is seen to. What there is no room for is handed to `overflow`. Where one task is expected (`is_alone`) and no other
    /// comes, it needs no thread, and is sent by this one.
    pub(super) fn send_all(
        &self,
        sessions: &[TargetSession<'a>],
        is_alone: bool,
        feed: impl FnOnce(&mut dyn FnMut(usize, Task)),
        overflow: impl Fn(&TargetSession<'a>, Task),
    ) {
        let pipes: Vec<_> = sessions.iter().map(|_| Pipe::new(sessions.len())).collect();
        // All targets that are told through the broker share one way to it.
        let broker = Pipe::new(1);
        let mut is_publishing = false;
        let mut connections = vec![0; sessions.len()];
        let targets = sessions.len().max(self.beside.load(Ordering::Relaxed));
        thread::scope(|scope| {
            feed(&mut |at, task| {
                let is_published = sessions[at].target.is_published;
                let pipe = if is_published { &broker } else { &pipes[at] };
                let run = move || self.run_connection(&sessions[at], pipe);
                let connect = |open: &mut usize| *open += usize::from(start(scope, run));
                let is_first = is_alone && !is_published && connections[at] == 0;
                let is_only = is_first && pipe.channel.is_empty();
                if is_first && !is_only {
                    connect(&mut connections[at]);
                }
                match pipe.channel.send(at, task) {
                    Ok(_) if is_published && !is_publishing => {
                        is_publishing = start(scope, || self.run_publisher(sessions, &broker));
                    }
                    Ok(_) if is_published || is_only => {}
                    Ok(waiting) if is_worth_one(connections[at], waiting, targets) => connect(&mut connections[at]),
                    Ok(_) => {}
                    Err(task) => overflow(&sessions[at], task),
                }
            });
            pipes.iter().chain([&broker]).for_each(|pipe| pipe.channel.close());
        });
        // No thread was started for these, or none could be: they are sent here, one after another.
        for (session, pipe) in sessions.iter().zip(&pipes).filter(|(_, pipe)| !pipe.channel.is_empty()) {
            self.run_connection(session, pipe);
        }
        self.run_publisher(sessions, &broker);
    }

    /// Sends one task by itself.
    pub(super) fn send_alone(&self, session: &TargetSession<'a>, task: Task) {
        let pipe = Pipe::new(1);
        // An empty channel takes whatever comes.
        drop(pipe.channel.send(0, task));
        pipe.channel.close();
        match session.target.is_published {
            true => self.run_publisher(std::slice::from_ref(session), &pipe),
            false => self.run_connection(session, &pipe),
        }
    }

    /// One connection to one target, for as long as there is anything to send.
    fn run_connection(&self, session: &TargetSession<'a>, pipe: &Pipe) {
        let mut http = Http::new(session.target, &self.trust);
        while let Some((lane, task)) = pipe.channel.take(|| session.window()) {
            if let Some((mut delivery, was_queued)) = self.to_send(session, pipe, (lane, task))
                && self.attempt(session, &mut http, &mut delivery, was_queued)
            {
                lock(&pipe.blocked).insert(lane);
            }
            pipe.channel.done(lane);
        }
    }

    /// Makes one attempt and settles the delivery; whether newer deliveries of the ref have to wait.
    fn attempt<'t>(
        &'t self,
        session: &TargetSession<'t>,
        http: &mut Http<'t>,
        delivery: &mut Delivery,
        was_queued: bool,
    ) -> bool {
        let left = self.budget.limit();
        let start = Instant::now();
        let end = start + left.min(session.target.timeout);
        let smaller = self.as_taken(session, delivery);
        let mut attempt = guarded(|| send(http, session.target, smaller.as_ref().unwrap_or(delivery), left));
        if is_too_large(&attempt) {
            let first = smaller.as_ref().unwrap_or(delivery);
            let again = |smaller: &Delivery| {
                let left = end.saturating_duration_since(Instant::now());
                guarded(|| send(http, session.target, smaller, left))
            };
            if let Some((taken, last)) = self.send_smaller(session, first, end, again) {
                attempt = last;
                *delivery = taken.unwrap_or_else(|| delivery.clone());
            }
        } else if let (Outcome::Delivered { .. }, Some(taken)) = (&attempt.outcome, smaller) {
            *delivery = taken;
        }
        if let Outcome::Failed(failure) = &mut attempt.outcome {
            // A little less than the target's own time is as good as that: maxWait and timeout are often the same.
            if let FailureKind::Timeout { sent } = failure.kind
                && left < session.target.timeout.mul_f32(0.9)
            {
                failure.kind = FailureKind::CutShort { sent };
            }
            if failure.kind == FailureKind::Fault {
                *http = Http::new(session.target, &self.trust);
            }
            if failure.kind.is_unreachable() {
                session.set_unreachable();
            }
        }
        session.learn(&attempt.outcome);
        let blocks = self.settle(session, delivery, (&attempt, start.elapsed()), was_queued);
        self.note(session, delivery, attempt.outcome);
        blocks
    }
}

impl<'a> Dispatcher<'a> {
    /// Sends one delivery before its time, to see whether the target is back.
    pub(super) fn probe(&self, session: &TargetSession<'a>, queued: &Queued) {
        let Some(delivery) = self.load(session, queued) else { return };
        session.queue.set_busy(true);
        let start = Instant::now();
        let attempt = match session.target.is_published {
            true => self.publish_one(session, &delivery),
            false => {
                let mut http = Http::new(session.target, &self.trust);
                guarded(|| send(&mut http, session.target, &delivery, session.target.timeout))
            }
        };
        self.settle_probe(session, &delivery, (&attempt, start.elapsed()));
        session.queue.set_busy(lock(&session.notes).is_left_behind);
        self.note(session, &delivery, attempt.outcome);
    }
}

/// Starts a thread that sends; whether there is one now.
fn start<'scope>(scope: &'scope Scope<'scope, '_>, run: impl FnOnce() + Send + 'scope) -> bool {
    thread::Builder::new().stack_size(512 * 1024).spawn_scoped(scope, run).is_ok()
}

/// Whether a further connection is worth its handshake for so many deliveries that wait.
fn is_worth_one(connections: usize, waiting: usize, targets: usize) -> bool {
    let most = (MOST_CONNECTIONS / targets.max(1)).clamp(1, MOST_CONNECTIONS_OF_TARGET);
    connections < most && waiting > connections * DELIVERIES_A_CONNECTION
}

/// Sends one delivery and keeps nothing of it.
pub fn send_once(target: &Target, delivery: &Delivery) -> Attempt {
    let trust = Trust::default();
    guarded(|| send(&mut Http::new(target, &trust), target, delivery, target.timeout))
}

/// Makes one attempt over a connection, within so much time at most.
pub fn send_over(http: &mut Http<'_>, target: &Target, delivery: &Delivery, limit: Duration) -> Attempt {
    guarded(|| send(http, target, delivery, limit))
}

/// The headers of a delivery's next attempt as people are shown them.
///
/// # Errors
/// Where a template or an expression goes wrong for its event.
pub fn shown_headers(target: &Target, delivery: &Delivery) -> Result<Vec<(String, String)>, Flaw> {
    made(target, delivery, |request| transport::shown_headers(target, &request))
}

/// Signs and sends one attempt.
fn send(http: &mut Http<'_>, target: &Target, delivery: &Delivery, left: Duration) -> Attempt {
    let sent = made(target, delivery, |request| http.send(&request, left));
    let is_of_today = target.format.takes_template() == delivery.format.takes_template();
    let kind = if is_of_today { FailureKind::Unmade } else { FailureKind::OtherFormat };
    sent.unwrap_or_else(|flaw| Attempt::failed(kind, flaw.why))
}

/// The body that a delivery was made with, or is made with now where the target's template went wrong for its event.
///
/// # Errors
/// Where it still does.
pub fn body<'d>(target: &Target, delivery: &'d Delivery) -> Result<Cow<'d, [u8]>, Flaw> {
    let Payload { body, value, flaw, .. } = &*delivery.payload;
    let Some(flaw) = flaw else { return Ok(Cow::Borrowed(body)) };
    match (&target.recipe, value) {
        (Some(recipe), Some(value)) => recipe.body(value, target.shape.most_bytes).map(Cow::Owned),
        (None, _) => Err(Flaw::new(message::made_for_template())),
        _ => Err(flaw.clone()),
    }
}

/// Makes the request of an attempt: what the format adds first, since all of it is signed.
fn made<T>(target: &Target, delivery: &Delivery, send: impl FnOnce(Request<'_>) -> T) -> Result<T, Flaw> {
    let exchange = &delivery.format.exchange;
    let body = &*body(target, delivery)?;
    let recipe = target.recipe.as_deref().zip(delivery.payload.value.as_ref());
    let rendered = match recipe {
        Some((recipe, value)) => recipe.request_parts(value)?,
        // What waits since the target had another format says nothing to fill its URL with.
        None if target.recipe.as_deref().is_some_and(|recipe| recipe.url.is_some()) => {
            return Err(Flaw::new(message::made_for_another_format(delivery.format.name)));
        }
        None => RequestParts::default(),
    };
    let given = Given { body, secret: target.secret.as_ref(), delivery: delivery.id(), time: process::now() };
    let added = exchange.finish.map(|finish| finish(&given)).unwrap_or_default();
    let json = added.body.as_deref().unwrap_or(body);
    let encoding = encoding(target, delivery);
    let sent = encoding.encode(json);
    let headers = headers(target, delivery, json, &sent, added.headers);
    let url = rendered.url.unwrap_or_else(|| target.address.dial_with(&added.segments, &added.query));
    Ok(send(Request {
        method: recipe.map_or(exchange.method, |(recipe, _)| recipe.method),
        url: &url,
        reads: exchange.reads,
        media_type: recipe.map_or(encoding.media_type(), |(recipe, _)| &recipe.media_type),
        headers: &headers,
        rendered: &rendered.headers,
        body: &sent,
    }))
}

/// The headers of the format and the signatures, made for each attempt.
fn headers(target: &Target, delivery: &Delivery, json: &[u8], sent: &[u8], added: Vec<Header>) -> Vec<Header> {
    let ids = Ids {
        delivery: delivery.id(),
        event: delivery.line.event,
        webhook: identifier::webhook(&delivery.origin.repository, target.name.as_str()),
        project: delivery.origin.project,
        instance: delivery.origin.instance.clone(),
        attempt: delivery.schedule.attempts + 1,
    };
    let mut headers = (delivery.format.headers)(&delivery.payload.event, &ids);
    headers.extend(added);
    if let Some(secret) = &target.secret {
        headers.extend(delivery.format.proof(secret, json, sent));
    }
    if delivery.format.is_stamped || !target.signing_secrets.is_empty() {
        let id = delivery.id().to_string();
        let signed = signature::standard_webhooks(&target.signing_secrets, &id, process::now(), sent);
        headers.extend(signed.into_iter().map(|(name, value)| (name, value.into_bytes())));
    }
    headers.extend(
        trace(target, delivery).map(|trace| ("traceparent", trace.header(ids.delivery, ids.attempt).into_bytes())),
    );
    headers
}

/// The trace that a request belongs to.
fn trace(target: &Target, delivery: &Delivery) -> Option<Trace> {
    let own = Trace::of(delivery.line.event);
    match target.tracing {
        Tracing::Off => None,
        Tracing::Own => Some(own),
        Tracing::Continued => delivery.origin.trace.as_deref().and_then(Trace::parse).or(Some(own)),
    }
}

/// A panic in a library, on what a receiver sent perhaps, must not take along what came of the other deliveries. The
/// panic hook logs it.
fn guarded(attempt: impl FnOnce() -> Attempt) -> Attempt {
    panic::catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| Attempt::failed(FailureKind::Fault, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_of_one_delivery() {
        let outcome = guarded(|| panic!("on purpose"));
        assert_eq!(outcome, Attempt::failed(FailureKind::Fault, ""));
    }

    #[test]
    fn connections_come_with_the_deliveries_that_wait_within_limits() {
        assert!(is_worth_one(0, 1, 1));
        assert!(!is_worth_one(1, 8, 1));
        assert!(is_worth_one(1, 9, 1));
        assert!(!is_worth_one(MOST_CONNECTIONS_OF_TARGET, 100_000, 1));
        assert!(is_worth_one(2, 100_000, 20) && !is_worth_one(3, 100_000, 20));
        assert!(is_worth_one(0, 1, 1000), "each has one, however many there are");
        assert!(!is_worth_one(1, 100_000, 1000));
    }
}
