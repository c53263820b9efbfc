//! Sends one attempt over HTTP; the only door to ureq.
//!
//! What ureq does by itself and a webhook must not: follow redirects (as a GET, with the token, to whichever host),
//! take a proxy from the environment (under CGI a client's `Proxy:` header is `HTTP_PROXY`), unpack bodies (a bomb of
//! 64 KiB takes 104 MB).

use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use log::{debug, warn};
use ureq::http::{HeaderName, HeaderValue, Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Error, Timeout};

use crate::delivery::{Failure, FailureKind, Outcome};
use crate::signature;
use crate::target::{Address, Target};

/// How much of an answer's body is read, and how long it is waited for: it is of use to people only.
const BODY_LIMIT: u64 = 16 * 1024;
const BODY_PATIENCE: Duration = Duration::from_secs(1);

/// An answer's header may be this large.
const HEADER_LIMIT: usize = 64 * 1024;

/// One connection to one target, kept open between deliveries.
pub struct Http<'a> {
    target: &'a Target,
    trust: &'a Trust,
    agent: Option<Agent>,
    /// Whether the agent has got an answer before, so that its connection may be one the receiver has closed
    /// meanwhile.
    used: bool,
}

/// A request, but for what the transport adds.
pub struct Request<'a> {
    /// All headers of the format, signatures included.
    pub headers: &'a [(&'static str, Vec<u8>)],
    /// The body.
    pub body: &'a [u8],
}

/// The certificates of the system's trust store, read when the first https target asks for them: it takes 3 ms.
#[derive(Default)]
pub struct Trust(OnceLock<Arc<Vec<Certificate<'static>>>>);

impl Trust {
    fn roots(&self) -> Arc<Vec<Certificate<'static>>> {
        let load = || {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                warn!("trust store: {error}");
            }
            if found.certs.is_empty() {
                warn!(
                    "trust store: no certificate found, so no https receiver can be trusted: install ca-certificates"
                );
            }
            Arc::new(found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect())
        };
        Arc::clone(self.0.get_or_init(load))
    }
}

impl<'a> Http<'a> {
    /// Prepares to send to `target`; nothing is dialled yet.
    pub fn new(target: &'a Target, trust: &'a Trust) -> Self {
        Self { target, trust, agent: None, used: false }
    }

    /// Sends one request and waits at most `limit`, all phases together, for the answer's header.
    pub fn send(&mut self, request: &Request<'_>, limit: Duration) -> Outcome {
        let start = Instant::now();
        let was_used = self.used;
        let mut outcome = self.attempt(request, limit, start);
        // A receiver may close a connection it kept open just as we write to it. Nothing of an answer came, so this is
        // no attempt yet.
        if was_used && matches!(&outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Closed) {
            self.agent = None;
            let left = limit.saturating_sub(start.elapsed());
            outcome = self.attempt(request, left, start);
        }
        outcome
    }

    fn attempt(&mut self, request: &Request<'_>, limit: Duration, start: Instant) -> Outcome {
        let failed = |kind, detail: String| Outcome::Failed(Failure { kind, detail });
        if limit.is_zero() {
            return failed(FailureKind::NotTried, String::new());
        }
        if !agrees(&self.target.address) {
            return failed(FailureKind::Lookup, "the host is read in two ways".into());
        }
        match self.call(request, limit) {
            Ok(response) => {
                self.used = true;
                let outcome = judge(&response, start.elapsed());
                drain(response, &self.target.name);
                outcome
            }
            Err(error) => {
                self.agent = None;
                self.used = false;
                failed(kind_of(&error), describe(error))
            }
        }
    }

    fn call(&mut self, request: &Request<'_>, limit: Duration) -> Result<Response<Body>, Error> {
        let target = self.target;
        let limit = limit.min(target.timeout);
        let agent = self.agent.get_or_insert_with(|| agent(target, self.trust));
        let mut call = agent.post(target.address.dial());
        for (name, value) in custom_headers(target) {
            call = call.header(name, value);
        }
        if let Some((user, password)) = target.address.credentials() {
            call = call.header("Authorization", signature::basic_authorization(user, password));
        }
        call = call.header("Content-Type", "application/json");
        for (name, value) in request.headers {
            call = call.header(*name, value.as_slice());
        }
        // Settings of one request alone make ureq build its TLS configuration anew, so they are given only when time is
        // short.
        if limit < target.timeout {
            call = call.config().timeout_global(Some(limit)).build();
        }
        call.send(request.body)
    }
}

/// Headers of the configuration; those that are ours were refused there.
fn custom_headers(target: &Target) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
    target.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    })
}

fn agent(target: &Target, trust: &Trust) -> Agent {
    let mut tls = TlsConfig::builder();
    if target.address.is_https() {
        if target.verify_certificate {
            tls = tls.root_certs(RootCerts::Specific(trust.roots()));
        } else {
            warn!("webhook {}: its certificate is not verified (sslVerify is false)", target.name);
            tls = tls.disable_verification(true);
        }
    }
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(target.timeout))
        .timeout_recv_body(Some(BODY_PATIENCE))
        .user_agent(concat!("git-webhook/", env!("CARGO_PKG_VERSION")))
        .max_response_header_size(HEADER_LIMIT)
        // The defaults are 128 KiB each, for every target.
        .input_buffer_size(16 * 1024)
        .output_buffer_size(16 * 1024)
        .max_idle_connections_per_host(1)
        .tls_config(tls.build())
        .build()
        .new_agent()
}

/// Whether ureq's own parser sees the host and port that were judged.
fn agrees(address: &Address) -> bool {
    let Ok(uri) = address.dial().parse::<Uri>() else { return false };
    let port = uri.port_u16().or(match uri.scheme_str() {
        Some("https") => Some(443),
        _ => Some(80),
    });
    uri.host() == Some(address.host()) && port == address.port()
}

fn judge(response: &Response<Body>, elapsed: Duration) -> Outcome {
    let status = response.status().as_u16();
    let kind = match status {
        200..=299 => return Outcome::Delivered { status, elapsed },
        300..=399 => FailureKind::Redirect(status),
        _ => FailureKind::Status(status),
    };
    let location = response.headers().get("location").filter(|_| matches!(kind, FailureKind::Redirect(_)));
    let detail =
        location.map(|location| format!("to {}", String::from_utf8_lossy(location.as_bytes()))).unwrap_or_default();
    Outcome::Failed(Failure { kind, detail })
}

/// Reads what there is of the body, so that the connection can be used again. Whatever happens here, the outcome
/// stands.
fn drain(response: Response<Body>, name: &str) {
    let mut body = Vec::new();
    let mut reader = response.into_body().into_reader().take(BODY_LIMIT);
    let end = reader.read_to_end(&mut body);
    let shown: String = String::from_utf8_lossy(&body).chars().take(200).collect();
    debug!("webhook {name}: answered {} bytes ({end:?}): {shown}", body.len());
}

fn kind_of(error: &Error) -> FailureKind {
    match error {
        Error::HostNotFound => FailureKind::Lookup,
        Error::Timeout(phase) => {
            FailureKind::Timeout { sent: matches!(phase, Timeout::RecvResponse | Timeout::RecvBody) }
        }
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) => FailureKind::Tls,
        Error::Protocol(_) | Error::LargeResponseHeader(..) | Error::Http(_) => FailureKind::Garbled,
        Error::Io(error) => kind_of_io(error),
        _ => FailureKind::Connect,
    }
}

fn kind_of_io(error: &io::Error) -> FailureKind {
    use io::ErrorKind as Io;
    match error.kind() {
        Io::ConnectionRefused => FailureKind::Refused,
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => FailureKind::Closed,
        Io::TimedOut | Io::WouldBlock => FailureKind::Timeout { sent: false },
        // rustls hands its errors on as these while it shakes hands.
        Io::InvalidData => FailureKind::Tls,
        _ => FailureKind::Connect,
    }
}

/// The error in its own words, which hold the host at most, never the path or query.
fn describe(error: Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::BadUri(_) => "bad URL".into(),
        error => error.to_string(),
    }
}
