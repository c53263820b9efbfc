//! `git webhook echo`: a receiver for trying things out, which prints each request readably and verifies its token or
//! signature.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::as_owner::{self, Call, hand_over};
use super::failure::{Failure, failure};
use super::known_format;
use super::targets;
use super::terminal::print;
use crate::config::{Change, Configuration, Configured, Scope};
use crate::format::{Encoding, FORMATS, Format, Header, Method, Reads};
use crate::message;
use crate::outcome::Outcome;
use crate::signature::{Secret, SigningSecret};
use crate::target::Target;
use crate::text::sanitise;
use crate::transport::{HIDDEN, Http, Request, Trust};

/// Where format and secrets come from, and what is answered.
#[derive(clap::Args)]
pub(super) struct Source {
    /// The format to verify; without it, the one whose header is there
    #[arg(long, value_name = "F")]
    format: Option<String>,
    /// The file that holds the secret, or the whsec_ or whsk_ key
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    secret_file: Option<PathBuf>,
    /// Take format and secrets from this target of the repository
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Answer this status, whatever comes
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..600))]
    answer: Option<u16>,
    /// Answer after so many s, m or h
    #[arg(long, value_name = "TIME", value_parser = super::seconds)]
    delay: Option<i64>,
    /// Hand each request on to this address, and answer what that answers
    #[arg(long, value_name = "URL", conflicts_with = "answer")]
    forward: Option<String>,
}

/// What a request is verified with.
#[derive(Default)]
struct Verifier {
    format: Option<&'static Format>,
    secret: Option<Secret>,
    signing_secrets: Vec<SigningSecret>,
}

/// Larger bodies are refused: a person is to read them.
const LARGEST_BODY: usize = 64 << 20;
const LARGEST_HEAD: u64 = 64 * 1024;

/// Listens until it is stopped.
pub(super) fn run(port: u16, source: &Source, call: &Call<'_>) -> Result<bool, Failure> {
    if source.target.is_some()
        && let Some(is_well) = hand_over(call)?
    {
        return Ok(is_well);
    }
    let verifier = Arc::new(verifier(source, call)?);
    let manner = Arc::new(Manner::new(source, call)?);
    let listener =
        TcpListener::bind(("127.0.0.1", port)).map_err(|error| Failure::new(message::cannot_listen(port, error)))?;
    let address = listener.local_addr().map_err(|error| Failure::new(message::no_address(error)))?;
    print(&format!("listening on http://{address}/\n"));
    for stream in listener.incoming().flatten() {
        let (verifier, manner) = (Arc::clone(&verifier), Arc::clone(&manner));
        // One thread a connection: a sender may keep one open and use another.
        thread::spawn(move || serve(&stream, &verifier, &manner));
    }
    Ok(true)
}

fn verifier(source: &Source, call: &Call<'_>) -> Result<Verifier, Failure> {
    let mut verifier = Verifier::default();
    if let Some(name) = &source.target {
        let place = as_owner::place(call)?;
        let target = targets::usable(&place, name)?.clone();
        verifier.format = Some(target.format);
        verifier.secret = target.secret;
        verifier.signing_secrets = target.signing_secrets;
    }
    if let Some(name) = &source.format {
        verifier.format = Some(known_format(name)?);
    }
    if let Some(path) = &source.secret_file {
        let text =
            fs::read_to_string(path).map_err(|error| Failure::new(message::cannot_read(path.display(), error)))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        match SigningSecret::parse(text).filter(|_| text.starts_with("whsec_") || text.starts_with("whsk_")) {
            Some(secret) => verifier.signing_secrets.push(secret),
            None => verifier.secret = Some(Secret::new(text)),
        }
    }
    if let Some(format) = verifier.format.filter(|format| format.secret_headers().is_empty())
        && verifier.secret.take().is_some()
        && source.secret_file.is_some()
    {
        return failure(match format.takes_secret() {
            true => message::secret_not_in_header(format.name),
            false => message::no_secret_in_format(format.name),
        });
    }
    Ok(verifier)
}

/// What is answered, and when.
struct Manner {
    answer: Option<u16>,
    delay: Duration,
    forward: Option<Target>,
}

/// No answer is waited for longer where a request is handed on.
const PATIENCE: Duration = Duration::from_secs(60);

impl Manner {
    fn new(source: &Source, call: &Call<'_>) -> Result<Self, Failure> {
        let forward = source.forward.as_ref().map(|url| receiver_at(url, call)).transpose()?;
        let delay = Duration::from_secs(source.delay.unwrap_or(0).unsigned_abs());
        Ok(Self { answer: source.answer, delay, forward })
    }

    /// Status and text for a request that was judged so.
    fn answer(&self, request: &Incoming, verdict: &Verdict) -> (u16, String) {
        match (verdict, &self.forward, self.answer) {
            _ if request.too_large => (413, "body too large\n".into()),
            (_, _, Some(status)) => (status, format!("{status}, as asked for\n")),
            (Verdict::Wrong(_), ..) => (401, "token or signature wrong or missing\n".into()),
            (_, Some(target), _) => hand_on(target, request),
            _ => (200, "ok\n".into()),
        }
    }
}

/// A target at an address, as your own configuration lets it be dialled.
fn receiver_at(url: &str, call: &Call<'_>) -> Result<Target, Failure> {
    let values = [("url", url.to_owned())];
    let nowhere = Path::new("");
    let change = Change { scope: Scope::Global, file: nowhere, name: "forward", values: &values, unset: &[] };
    let read = Configuration::read_protected(call.environment, Some(&change));
    let read = read.map_err(|why| Failure::new(why.to_string()))?;
    match read.targets.into_iter().find(|target| *target.name() == *"forward") {
        Some(Configured::Ready(target)) => Ok(Target { timeout: PATIENCE, ..*target }),
        Some(Configured::Broken(broken)) => {
            let why: Vec<_> = broken.problems.iter().map(|problem| problem.why.clone()).collect();
            failure(message::cannot_forward(why.join("; ")))
        }
        None => failure(message::cannot_forward("")),
    }
}

/// Hands a request on, and tells what came of it.
fn hand_on(target: &Target, request: &Incoming) -> (u16, String) {
    // Those are of the connection or of whoever sends, and the other one has its own.
    const OF_CONNECTION: [&str; 9] = [
        "host",
        "content-length",
        "content-type",
        "connection",
        "transfer-encoding",
        "expect",
        "accept",
        "accept-encoding",
        "user-agent",
    ];
    let is_told = |(name, _): &&(String, Vec<u8>)| !OF_CONNECTION.contains(&name.to_ascii_lowercase().as_str());
    let text = |(name, value): &(String, Vec<u8>)| (name.clone(), String::from_utf8_lossy(value).into_owned());
    let headers = request.headers.iter().filter(is_told).map(text).collect();
    let (target, trust) = (Target { headers, ..target.clone() }, Trust::default());
    let media_type = match request.text("content-type") {
        form if form.starts_with("application/x-www-form-urlencoded") => "application/x-www-form-urlencoded",
        _ => "application/json",
    };
    let method = match request.line.split(' ').next() {
        Some("GET") => Method::Get,
        Some("PUT") => Method::Put,
        _ => Method::Post,
    };
    // Whoever sent it reads the answer.
    let (url, reads) = (target.address.dial(), Reads::Nothing);
    let handed = Request { method, url, reads, headers: &[], rendered: &[], media_type, body: &request.body };
    let attempt = Http::new(&target, &trust).send(&handed, PATIENCE);
    let said = attempt.answer.map(|answer| answer.body).unwrap_or_default();
    match attempt.outcome {
        Outcome::Delivered { status, .. } => (status, said),
        Outcome::Published { .. } => (202, said),
        Outcome::Failed(failure) => match failure.kind.status() {
            Some(status) => (status, said),
            None => (502, format!("{failure}\n")),
        },
    }
}

fn serve(stream: &TcpStream, verifier: &Verifier, manner: &Manner) {
    let mut reader = BufReader::new(stream);
    // A connection that ends or breaks is the sender's affair.
    while let Ok(Some(request)) = Incoming::read(&mut reader, stream) {
        let verdict = verifier.judge(&request);
        print(&request.show(&verdict));
        thread::sleep(manner.delay);
        let (status, text) = manner.answer(&request, &verdict);
        if manner.answer.is_some() || manner.forward.is_some() {
            print(&format!("<= {status}\n"));
        }
        let reason = reason(status);
        let answer = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        if (&*stream).write_all(answer.as_bytes()).is_err() || request.too_large {
            return;
        }
    }
}

/// The words that stand beside a status, for people: programs pass over them.
fn reason(status: u16) -> &'static str {
    match status {
        200..300 => "OK",
        300..400 => "Elsewhere",
        401 => "Unauthorized",
        413 => "Content Too Large",
        400..500 => "Refused",
        _ => "Failed",
    }
}

/// A request as it came in.
struct Incoming {
    line: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    too_large: bool,
}

impl Incoming {
    /// Reads one request; `None` at the end of the connection.
    fn read(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> io::Result<Option<Self>> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let mut head = Vec::new();
        let mut lines = reader.by_ref().take(LARGEST_HEAD);
        while !head.ends_with(b"\r\n\r\n") {
            if lines.read_until(b'\n', &mut head)? == 0 {
                return Ok(None);
            }
        }
        let mut space = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Request::new(&mut space);
        parsed.parse(&head).map_err(|_| bad())?;
        let mut request = Self {
            line: format!("{} {}", parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default()),
            headers: parsed.headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect(),
            body: Vec::new(),
            too_large: false,
        };
        let length: usize = match request.header("content-length") {
            Some(value) => String::from_utf8_lossy(value).parse().map_err(|_| bad())?,
            None => 0,
        };
        if length > LARGEST_BODY {
            request.too_large = true;
            return Ok(Some(request));
        }
        if request.header("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = vec![0; length];
        reader.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.header(name).unwrap_or_default()).into_owned()
    }

    /// The request for a person: line, headers, verdict, body. Tokens and passwords stay out of the terminal.
    fn show(&self, verdict: &Verdict) -> String {
        let mut text = format!("\n{}\n", sanitise(&self.line));
        for (name, value) in &self.headers {
            let is_secret = name.eq_ignore_ascii_case("authorization") || name.to_ascii_lowercase().ends_with("-token");
            let shown = if is_secret { HIDDEN.into() } else { sanitise(&String::from_utf8_lossy(value)) };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}: {shown}", sanitise(name));
        }
        let _ = match verdict {
            Verdict::Right(what) => writeln!(text, "=> {what}: right"),
            Verdict::Wrong(what) => writeln!(text, "=> {what}"),
            Verdict::Unchecked => writeln!(text, "=> {}", message::not_verified()),
        };
        text.push('\n');
        let json = Encoding::decode(&self.body);
        match serde_json::from_slice::<Value>(json.as_deref().unwrap_or(&self.body)) {
            Ok(json) => {
                for line in format!("{json:#}").lines() {
                    text += &sanitise(line);
                    text.push('\n');
                }
            }
            Err(_) => {
                text += &sanitise(&String::from_utf8_lossy(&self.body));
                text.push('\n');
            }
        }
        text
    }
}

enum Verdict {
    Right(String),
    Wrong(String),
    Unchecked,
}

impl Verifier {
    /// Every secret given must be proved: the format's own, and Standard Webhooks.
    fn judge(&self, request: &Incoming) -> Verdict {
        let mut right = Vec::new();
        if let Some(secret) = &self.secret {
            match self.judge_secret(secret, request) {
                Ok(what) => right.push(what),
                Err(why) => return Verdict::Wrong(why),
            }
        }
        if !self.signing_secrets.is_empty() {
            match self.judge_signature(request) {
                Ok(what) => right.push(what),
                Err(why) => return Verdict::Wrong(why),
            }
        }
        if right.is_empty() { Verdict::Unchecked } else { Verdict::Right(right.join(", ")) }
    }

    fn judge_secret(&self, secret: &Secret, request: &Incoming) -> Result<String, String> {
        let formats = FORMATS.iter().filter(|format| self.format.is_none_or(|only| only.name == format.name));
        let json = Encoding::decode(&request.body);
        let json = json.as_deref().unwrap_or(&request.body);
        let expected: Vec<_> = formats.map(|format| format.proof(secret, json, &request.body)).collect();
        let expected: Vec<_> = expected.into_iter().filter(|headers| !headers.is_empty()).collect();
        let is_there = |headers: &&Vec<Header>| headers.iter().all(|(name, _)| request.header(name).is_some());
        // Of two forges with a header in common the one that has more of them.
        let Some(headers) = expected.iter().filter(is_there).max_by_key(|headers| headers.len()) else {
            let mut names: Vec<_> = expected.iter().flatten().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names.dedup();
            return Err(message::missing_header(names.join(" or ")));
        };
        for (name, value) in headers {
            let given = request.header(name).unwrap_or_default();
            if !Secret::new(value.as_slice()).matches(given) {
                return Err(message::wrong_header(name));
            }
        }
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        Ok(names.join(", "))
    }

    fn judge_signature(&self, request: &Incoming) -> Result<String, String> {
        const NAME: &str = "webhook-signature";
        if request.header(NAME).is_none() {
            return Err(message::missing_header(NAME));
        }
        let (signature, id) = (request.text(NAME), request.text("webhook-id"));
        let timestamp = request.text("webhook-timestamp").parse().unwrap_or(0);
        let verifies = |secret: &SigningSecret| secret.verifies(&signature, &id, timestamp, &request.body);
        if self.signing_secrets.iter().any(verifies) { Ok(NAME.into()) } else { Err(message::wrong_header(NAME)) }
    }
}
