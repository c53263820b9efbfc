//! Sends one attempt over HTTP; the only door to ureq.
//!
//! What ureq does by itself and a webhook must not: follow redirects (as a GET, with the token, to whichever host),
//! take a proxy from the environment (under CGI a client's `Proxy:` header is `HTTP_PROXY`), unpack bodies (a bomb of
//! 64 KiB takes 104 MB).

use std::io::{self, Read};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use log::warn;
use rustls::pki_types::ServerName;
use ureq::config::Config;
use ureq::http::{HeaderValue, Response, Uri};
use ureq::{Agent, Body, Error, RequestBuilder};

use super::certificate::ShownCertificate;
use super::connect::{Forbidden, Made, NoAddress, agent, agent_that_stops};
use super::proxy::NoWay;
use super::redact::told_headers;
use super::secrets::Secrets;
use super::stream::Secure;
use super::tls::{NoTls, Trust};
use super::wire::{Progress, Wire};
use crate::event;
use crate::format::{Method, Reads, Verdict};
use crate::message;
use crate::outcome::{Answer, Attempt, Failure, FailureKind, Outcome};
use crate::signature;
use crate::target::{Address, Recipe, Target, elsewhere};
use crate::text::shorten;

/// How much of an answer's body is read, and how long it is waited for where it is of use to people only.
const BODY_LIMIT: u64 = 16 * 1024;
const BODY_PATIENCE: Duration = Duration::from_secs(1);

/// How much of an answer's body is kept, in bytes.
const KEPT_OF_BODY: usize = 4 * 1024;

/// An answer's header may be this large.
const HEADER_LIMIT: usize = 32 * 1024;

/// A format adds about so many bytes to a URL at most: a clone address and a ref's name, of 4 KiB each, percent-encoded.
const MOST_ADDED: usize = 24 * 1024;

const USER_AGENT: &str = concat!("git-webhook/", env!("CARGO_PKG_VERSION"));

/// What people see in place of a secret.
pub const HIDDEN: &str = "(not shown)";

/// One connection to one target, kept open between deliveries.
pub struct Http<'a> {
    target: &'a Target,
    trust: &'a Trust,
    line: Option<Line>,
    /// The target's address was refused: whatever else is for it in this run is too.
    refused: Option<Failure>,
}

/// An agent, which has one connection at most, and the wire it speaks over.
struct Line {
    agent: Agent,
    wire: Wire,
}

/// A request, but for what the transport adds.
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The target's URL, with what the format adds to it.
    pub url: &'a str,
    /// What the answer's body decides.
    pub reads: Reads,
    /// The media type of the body.
    pub media_type: &'a str,
    /// All headers of the format, signatures included.
    pub headers: &'a [(&'static str, Vec<u8>)],
    /// Those that the target's own expressions made.
    pub rendered: &'a [(String, Vec<u8>)],
    /// The body.
    pub body: &'a [u8],
}

/// Whoever closes the connection within so long after the request, without a byte of an answer, has most likely not read it: so
/// a service that is stopped looks behind what accepts in its place (docker-proxy, ssh -L, a load balancer).
const AT_ONCE: Duration = Duration::from_secs(1);

impl<'a> Http<'a> {
    /// Prepares to send to `target`; nothing is dialled yet.
    pub fn new(target: &'a Target, trust: &'a Trust) -> Self {
        Self { target, trust, line: None, refused: None }
    }

    /// Sends one request and waits at most `limit`, all phases together, for the answer's header.
    pub fn send(&mut self, request: &Request<'_>, limit: Duration) -> Attempt {
        let target = self.target;
        if target.address.is_https() && !target.verify_certificate {
            warn!("{}", message::unverified(&target.name));
        }
        if let Some(failure) = agree(&target.address).err().or_else(|| self.refused.clone()) {
            return Attempt { outcome: Outcome::Failed(failure), answer: None };
        }
        let start = Instant::now();
        let deadline = start + limit.min(target.timeout);
        let (mut attempt, progress) = self.attempt(request, start, deadline);
        // A receiver may close a connection it kept open just as we write to it. Where nothing of an answer came, this
        // is no attempt yet.
        let is_end = |kind| matches!(kind, FailureKind::Closed { .. } | FailureKind::HungUp);
        let is_closed = matches!(&attempt.outcome, Outcome::Failed(failure) if is_end(failure.kind));
        if is_closed && !progress.dialled && !progress.answered {
            (attempt, _) = self.attempt(request, start, deadline);
        }
        if let Outcome::Failed(failure) = &attempt.outcome
            && failure.kind == FailureKind::Forbidden
        {
            self.refused = Some(failure.clone());
        }
        attempt
    }

    fn attempt(&mut self, request: &Request<'_>, start: Instant, deadline: Instant) -> (Attempt, Progress) {
        let line = match open_once(&mut self.line, self.target, self.trust) {
            Ok(line) => line,
            Err(failure) => return (Attempt { outcome: Outcome::Failed(failure), answer: None }, Progress::default()),
        };
        line.wire.begin(deadline);
        match call(&line.agent, self.target, request) {
            Ok(response) => {
                let outcome = judge(&response, start.elapsed(), self.target);
                let progress = line.wire.progress();
                if !matches!(request.reads, Reads::Verdict(_)) {
                    line.wire.end_by(Instant::now() + BODY_PATIENCE);
                }
                let (answer, received) = read(response, self.target);
                let outcome = decided(outcome, request.reads, received.as_deref(), self.target);
                (Attempt { outcome, answer: Some(answer) }, progress)
            }
            Err(error) => {
                let progress = line.wire.progress();
                self.line = None;
                let kind = kind_of(&error, progress);
                let is_receivers = quotes_receiver(&error);
                let detail = describe(error, progress);
                // What is not our own or the system's may quote what the receiver sent.
                let detail = if is_receivers { Secrets::of(self.target).hide(&detail) } else { detail };
                (Attempt::failed(kind, detail), progress)
            }
        }
    }
}

/// Names leave as they are written here, those of the forge and those that frame the message: whatever hands them on as they
/// came (PHP's `getallheaders()`, gateways before a function) looks them up by the forge's own spelling.
fn call(agent: &Agent, target: &Target, request: &Request<'_>) -> Result<Response<Body>, Error> {
    let call = match request.method {
        Method::Get => return with_headers(agent.get(request.url), target, request).call(),
        Method::Post => agent.post(request.url),
        Method::Put => agent.put(request.url),
    };
    let call = with_headers(call, target, request).header_raw("Content-Type", request.media_type.as_bytes());
    let length = request.body.len().to_string();
    call.header_raw("Content-Length", length.as_bytes()).send(request.body)
}

fn with_headers<B>(call: RequestBuilder<B>, target: &Target, request: &Request<'_>) -> RequestBuilder<B> {
    let mut call = call.header_raw("Host", target.address.host_and_port().as_bytes());
    for (name, value) in &target.headers {
        call = call.header_raw(name, value.as_bytes());
    }
    let is_of_format = |name: &str| request.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if let Some((user, password)) = target.address.credentials().filter(|_| !is_of_format("Authorization")) {
        let authorization = signature::basic_authorization(user, password);
        call = call.header_raw("Authorization", authorization.as_bytes());
    }
    for (name, value) in request.rendered {
        call = call.header_raw(name, value);
    }
    for (name, value) in own_headers(target, request) {
        call = call.header_raw(name, value.as_bytes());
    }
    for (name, value) in request.headers {
        call = call.header_raw(name, value);
    }
    call
}

/// What every request has, unless the format or the configuration says it otherwise.
fn own_headers<'a>(
    target: &'a Target,
    request: &'a Request<'_>,
) -> impl Iterator<Item = (&'static str, &'static str)> + 'a {
    let is_set = |name: &str| {
        let configured = target.headers.iter().map(|(other, _)| other.as_str());
        let configured = configured.chain(request.rendered.iter().map(|(other, _)| other.as_str()));
        configured.chain(request.headers.iter().map(|(other, _)| *other)).any(|other| other.eq_ignore_ascii_case(name))
    };
    [("User-Agent", USER_AGENT), ("Accept", "*/*")].into_iter().filter(move |(name, _)| !is_set(name))
}

/// The headers of a request as people are shown them, secrets left out, without those that frame the message.
pub fn shown_headers(target: &Target, request: &Request<'_>) -> Vec<(String, String)> {
    let headers = request.headers;
    let shown = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all: Vec<_> = target.headers.iter().map(|(name, _)| shown(name, HIDDEN)).collect();
    all.extend(target.address.credentials().map(|_| shown("Authorization", HIDDEN)));
    if request.method != Method::Get {
        all.push(shown("Content-Type", request.media_type));
    }
    let rendered = request.rendered.iter();
    all.extend(rendered.map(|(name, value)| shown(name, &String::from_utf8_lossy(value))));
    all.extend(own_headers(target, request).map(|(name, value)| shown(name, value)));
    // Some send it behind a word: `Bearer <token>`.
    let is_secret = |value: &[u8]| {
        target.secret.as_ref().is_some_and(|secret| !secret.expose().is_empty() && value.ends_with(secret.expose()))
    };
    all.extend(headers.iter().map(|(name, value)| match is_secret(value) {
        true => shown(name, HIDDEN),
        false => shown(name, &String::from_utf8_lossy(value)),
    }));
    all
}

/// A receiver, as it was reached.
#[derive(Clone, Debug)]
pub struct Reached {
    /// This machine's address on the way there, which receivers put into their lists; that on the way to the proxy where
    /// there is one.
    pub from: IpAddr,
    /// The address that was dialled.
    pub to: IpAddr,
    /// What it showed, its own certificate first; none over http. One that cannot be read is left out.
    pub chain: Vec<ShownCertificate>,
}

/// Why a receiver could not be reached.
#[derive(Clone, Debug)]
pub struct Unreached {
    /// What failed.
    pub failure: Failure,
    /// Host and port of the receiver, or the proxy, if it could be allowed and is not.
    pub to_allow: Option<String>,
}

impl From<Failure> for Unreached {
    fn from(failure: Failure) -> Self {
        Self { failure, to_allow: None }
    }
}

/// Looks the receiver up, dials it and, for https, shakes hands with it as for a delivery. Nothing is sent.
///
/// # Errors
/// Why no request could be sent.
pub fn reach(target: &Target, trust: &Trust) -> Result<Reached, Unreached> {
    agree(&target.address)?;
    let wire = Wire::new();
    wire.state().chain = Some(Vec::new());
    let agent = agent_that_stops(&wire, configure(head_of(target)), target, secure(target, trust)?);
    wire.begin(Instant::now() + target.timeout);
    // The connection ends before there is a request, so there is no answer.
    let error = agent.get(target.address.dial()).call().err().unwrap_or(Error::ConnectionFailed);
    let mut state = wire.state();
    match (error, state.ends) {
        (Error::Other(cause), Some((from, to))) if cause.is::<Made>() => {
            let chain = state.chain.take().unwrap_or_default();
            let chain = chain.iter().filter_map(|certificate| ShownCertificate::read(certificate)).collect();
            Ok(Reached { from: from.ip().to_canonical(), to: to.ip().to_canonical(), chain })
        }
        (error, _) => {
            let to_allow = to_allow(&error, target);
            let failure = Failure::new(kind_of(&error, state.progress), describe(error, state.progress));
            Err(Unreached { failure, to_allow })
        }
    }
}

fn to_allow(error: &Error, target: &Target) -> Option<String> {
    let Error::Other(cause) = error else { return None };
    let Forbidden { refused, is_proxy } = cause.downcast_ref()?;
    let proxy = target.proxy.as_ref().filter(|_| *is_proxy);
    refused.may_be_allowed().then(|| proxy.unwrap_or(&target.address).authority())
}

fn open_once<'l>(line: &'l mut Option<Line>, target: &Target, trust: &Trust) -> Result<&'l Line, Failure> {
    let opened = match line.take() {
        Some(opened) => opened,
        None => {
            let wire = Wire::new();
            Line { agent: agent(&wire, configure(head_of(target)), target, secure(target, trust)?), wire }
        }
    };
    Ok(line.insert(opened))
}

/// What TLS is made with; `None` for http.
fn secure(target: &Target, trust: &Trust) -> Result<Option<Secure>, Failure> {
    if !target.address.is_https() {
        return Ok(None);
    }
    let failed = |why: NoTls| Failure::new(FailureKind::Tls, why.to_string());
    let configuration = trust.configuration(target).map_err(|error| failed(error.into()))?;
    let host = target.address.host().trim_matches(['[', ']']).to_owned();
    let host = ServerName::try_from(host).map_err(|_| Failure::new(FailureKind::Tls, message::bad_url()))?;
    Ok(Some(Secure { configuration, host, shows_itself: target.identity.is_some() }))
}

/// About how many bytes the head of a request has: ureq writes one only where all of it has room in its buffer.
fn head_of(target: &Target) -> usize {
    let headers = target.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let secret = target.secret.as_ref().map_or(0, |secret| secret.expose().len());
    let credentials = target.address.credentials().map_or(0, |(user, password)| 2 * (user.len() + password.len()));
    let added = if target.format.exchange.finish.is_some() { MOST_ADDED + secret } else { 0 };
    let added = added + target.recipe.as_deref().map_or(0, Recipe::most_added);
    headers + secret + credentials + target.address.dial().len() + added + 128 * target.signing_secrets.len()
}

pub(super) fn configure(head: usize) -> Config {
    // Time limits are the wire's.
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(USER_AGENT)
        .max_response_header_size(HEADER_LIMIT)
        // The defaults are 128 KiB each, for every target. A buffer that is full is taken for the connection's end, so
        // the limit must be reached before.
        .input_buffer_size(HEADER_LIMIT + 1024)
        .output_buffer_size(16 * 1024 + head)
        .max_idle_connections_per_host(1)
        .build()
}

/// Sees to it that ureq's own parser finds the host and port that were judged.
pub(super) fn agree(address: &Address) -> Result<(), Failure> {
    let is_alike = |uri: Uri| {
        let port = uri.port_u16().or(match uri.scheme_str() {
            Some("https") => Some(443),
            _ => Some(80),
        });
        uri.host() == Some(address.host()) && port == address.port()
    };
    if address.dial().parse().is_ok_and(is_alike) {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Lookup, message::two_hosts()))
}

pub(super) fn judge(response: &Response<Body>, elapsed: Duration, target: &Target) -> Outcome {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(retry_after);
    let failed = |kind, detail| Outcome::Failed(Failure { kind, detail, retry_after });
    match status {
        _ if target.success.has(status) => Outcome::Delivered { status, elapsed },
        300..=399 => {
            let location = response.headers().get("location");
            let detail = location.map(|location| elsewhere(location.as_bytes(), &target.address)).unwrap_or_default();
            let detail = Secrets::of(target).hide(&detail);
            failed(FailureKind::Redirect(status), detail)
        }
        _ => failed(FailureKind::Status(status), String::new()),
    }
}

/// `Retry-After: 120`, or a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Duration::try_from(date.timestamp().duration_since(event::present())).ok()
}

/// What the body of the answer makes of an outcome, in formats where it has a say; `None` where not all of it came.
fn decided(outcome: Outcome, reads: Reads, body: Option<&[u8]>, target: &Target) -> Outcome {
    match outcome {
        Outcome::Delivered { status, elapsed } => {
            let failed = |kind, why: String, retry_after| {
                Outcome::Failed(Failure { kind, detail: Secrets::of(target).hide(&why), retry_after })
            };
            match reads.verdict(body) {
                Verdict::Taken => Outcome::Delivered { status, elapsed },
                Verdict::Refused(why) => failed(FailureKind::Declined { status, passes: false }, why, None),
                Verdict::TooMany(why, wait) => failed(FailureKind::Declined { status, passes: true }, why, wait),
                Verdict::Unclear => failed(FailureKind::Unclear(status), String::new(), None),
            }
        }
        published @ Outcome::Published { .. } => published,
        Outcome::Failed(failure) => {
            Outcome::Failed(Failure { retry_after: failure.retry_after.or_else(|| reads.wait(body)), ..failure })
        }
    }
}

/// Reads what there is of the body: for people, and so that the connection can be used again. For a format that goes by it, the
/// bytes too; none where not all of them came.
pub(super) fn read(response: Response<Body>, target: &Target) -> (Answer, Option<Vec<u8>>) {
    let secrets = Secrets::of(target);
    let headers = told_headers(response.headers(), &secrets);
    let mut body = Vec::new();
    // What came before an error is as good as what comes before the limit.
    let outcome = response.into_body().into_reader().take(BODY_LIMIT).read_to_end(&mut body);
    let is_cut = outcome.is_err() || body.len() as u64 == BODY_LIMIT;
    let text = String::from_utf8_lossy(if is_cut { without_cut_character(&body) } else { &body });
    let text = if is_cut { secrets.hide_cut(&text) } else { secrets.hide(&text) };
    let answer = Answer { headers, size: body.len(), body: shorten(text, KEPT_OF_BODY) };
    (answer, (!is_cut).then_some(body))
}

/// Less the beginning of a character at its end, behind which the beginning of a secret would not be at the end.
fn without_cut_character(body: &[u8]) -> &[u8] {
    let tail = body.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let is_begun = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
    &body[..body.len() - if is_begun { tail.len() } else { 0 }]
}

fn kind_of(error: &Error, progress: Progress) -> FailureKind {
    match error {
        Error::HostNotFound => FailureKind::Lookup,
        Error::Other(cause) if cause.is::<NoAddress>() => FailureKind::Lookup,
        Error::Other(cause) if cause.is::<Forbidden>() => FailureKind::Forbidden,
        Error::Timeout(_) => FailureKind::Timeout { sent: progress.sent.is_some() },
        Error::Other(cause) if cause.is::<NoTls>() => FailureKind::Tls,
        Error::Protocol(_) | Error::LargeResponseHeader(..) | Error::Http(_) => FailureKind::Garbled,
        Error::Io(error) => kind_of_io(error, progress),
        _ => FailureKind::Connect,
    }
}

/// Whether what an error says may be the receiver's words rather than our own or the system's.
fn quotes_receiver(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.raw_os_error().is_none(),
        Error::Other(cause) if cause.is::<Forbidden>() || cause.is::<NoWay>() => false,
        Error::Other(cause) => cause.downcast_ref::<NoTls>().is_none_or(|why| why.quotes_receiver),
        _ => true,
    }
}

fn kind_of_io(error: &io::Error, progress: Progress) -> FailureKind {
    use io::ErrorKind as Io;
    match error.kind() {
        Io::ConnectionRefused => FailureKind::Refused,
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => {
            let is_at_once = |sent: Instant| !progress.answered && sent.elapsed() <= AT_ONCE;
            match progress.sent {
                Some(sent) if is_at_once(sent) => FailureKind::HungUp,
                sent => FailureKind::Closed { sent: sent.is_some() },
            }
        }
        _ => FailureKind::Connect,
    }
}

/// The error in its own words, which hold the host at most, never the path or query; or how far the attempt came, where
/// the library has no better words.
fn describe(error: Error, progress: Progress) -> String {
    let phase = match progress {
        Progress { answered: true, .. } => message::within_header(),
        Progress { sent: Some(_), .. } => message::request_sent(),
        _ => message::before_request(),
    };
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => phase.into(),
        // The kind says it already.
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => String::new(),
        // EACCES and EPERM: no receiver makes them.
        Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => message::policy(error),
        Error::Io(error) => error.to_string(),
        Error::Timeout(_) => phase.into(),
        Error::Protocol(error) => error.to_string(),
        Error::Other(error) => error.to_string(),
        Error::BadUri(_) => message::bad_url().into(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target;
    use proptest::prelude::*;

    const BY_NUMBER: Reads = Reads::Verdict(|json| match json["code"].as_i64() {
        Some(0) => Verdict::Taken,
        Some(11) => Verdict::TooMany("slowly".into(), Some(Duration::from_secs(60))),
        Some(code) => Verdict::Refused(format!("code {code}")),
        None => Verdict::Unclear,
    });

    #[test]
    fn what_the_body_decides_is_decided_by_all_of_it() {
        let target = target::tests::target(&[], "");
        let delivered = || Outcome::Delivered { status: 200, elapsed: Duration::ZERO };
        let kind = |body: Option<&[u8]>| match decided(delivered(), BY_NUMBER, body, &target) {
            Outcome::Delivered { .. } | Outcome::Published { .. } => None,
            Outcome::Failed(failure) => Some((failure.kind, failure.retry_after.map(|time| time.as_secs()))),
        };
        let declined = |passes| FailureKind::Declined { status: 200, passes };
        assert_eq!(kind(Some(br#"{"code":0}"#)), None);
        assert_eq!(kind(Some(br#"{"code":7}"#)), Some((declined(false), None)));
        assert_eq!(kind(Some(br#"{"code":11}"#)), Some((declined(true), Some(60))));
        for body in [None, Some(&b""[..]), Some(b"<html>"), Some(b"{}"), Some(br#"{"code":0"#)] {
            assert_eq!(kind(body), Some((FailureKind::Unclear(200), None)), "{body:?}");
        }
        assert!(
            FailureKind::Unclear(200).is_ambiguous() && !declined(false).is_passing() && declined(true).is_passing()
        );
    }

    #[test]
    fn a_status_that_is_none_of_success_stands_whatever_the_body_says() {
        let target = target::tests::target(&[], "");
        let failed = || Outcome::Failed(Failure::new(FailureKind::Status(429), ""));
        assert_eq!(decided(failed(), BY_NUMBER, Some(br#"{"code":0}"#), &target), failed());
        let wait = Reads::Wait(|json| json["retry_after"].as_f64().map(Duration::from_secs_f64));
        let asked = |failure: Failure| match decided(
            Outcome::Failed(failure),
            wait,
            Some(br#"{"retry_after":5.0}"#),
            &target,
        ) {
            Outcome::Failed(failure) => failure.retry_after,
            Outcome::Delivered { .. } | Outcome::Published { .. } => None,
        };
        let minute = Some(Duration::from_secs(60));
        assert_eq!(asked(Failure::new(FailureKind::Status(429), "")), Some(Duration::from_secs(5)));
        let header = Failure { retry_after: minute, ..Failure::new(FailureKind::Status(429), "") };
        assert_eq!(asked(header), minute, "the header's word is the protocol's");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is taken for a URL, two parsers find one host and port in, and user name and password are taken out of it.
        #[test]
        fn parsers_agree_on_what_is_taken_for_a_url(
            scheme in "(https?|HTTPS?|ftp)?",
            between in "(://|:/|:|//|:///)",
            user in "([a-z%@:#?/]{0,8}@)?",
            host in r"([a-z0-9.\-_~!$&'()*+,;=%`{}|^<>äß。０１]{0,20}|\[[0-9a-f:.%]{0,20}\]|[0-9a-fx.]{1,16})",
            port in "(:[0-9a-z]{0,6})?",
            rest in r"([/?#\\][a-zA-Z0-9/?#@:%.\\]{0,12})?",
        ) {
            let text = format!("{scheme}{between}{user}{host}{port}{rest}");
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(agree(&address).is_ok(), "{text}: {}", address.dial());
                let authority = address.dial().split("://").nth(1).unwrap().split(['/', '?']).next().unwrap().to_owned();
                prop_assert!(!authority.contains('@') && !address.origin().contains('@'), "{text}");
            }
        }
    }
}
