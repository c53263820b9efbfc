//! A receiver that records what it gets and answers as the test wants, badly if need be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use git_webhook::format::{Format, Reads};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::Gate;

/// How to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status with an empty body.
    Status(u16),
    /// A status with a body.
    Body(u16, String),
    /// 503, and no more for an hour, so that nothing is due again while a test runs.
    Busy,
    /// 200 after a while.
    After(Duration),
    /// 200 once the gate is open.
    Behind(Gate),
    /// Nothing at all, the connection left open for as long as the other side does.
    Never,
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, one each time, with a pause between.
    Drip(Vec<u8>, Duration),
    /// The first bytes, then the second over and over.
    Flood(&'static [u8], &'static [u8]),
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body.escape_ascii()))
    }

    /// The ids in `commits`, in their order.
    pub fn commits(&self) -> Vec<String> {
        let json = self.json();
        let ids = json["commits"].as_array().unwrap().iter();
        ids.map(|commit| commit["id"].as_str().unwrap().to_owned()).collect()
    }
}

pub struct Receiver {
    origin: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
}

impl Receiver {
    /// Answers every request with 200.
    pub fn new() -> Self {
        Self::answering(Answer::Status(200))
    }

    /// Answers every request as receivers of a format do that take it: where the body decides, with one that says so in each of
    /// their words.
    pub fn taking(format: &Format) -> Self {
        match format.exchange.reads {
            Reads::Verdict(_) => Self::answering(Answer::Body(200, r#"{"code":0,"errcode":0}"#.into())),
            Reads::Nothing | Reads::Wait(_) => Self::new(),
        }
    }

    /// Answers every request in one way.
    pub fn answering(answer: Answer) -> Self {
        Self::in_turn([answer])
    }

    /// Answers the first request in the first way and so on, and all that follow in the last.
    pub fn in_turn(answers: impl Into<Vec<Answer>>) -> Self {
        let answers = Answers { list: answers.into(), next: AtomicUsize::new(0) };
        Self::listen("http://127.0.0.1", move |stream, seen| serve(stream, &answers, seen))
    }

    /// Answers every request with 200, over TLS; its name is `localhost`.
    pub fn secure(config: ServerConfig) -> Self {
        Self::secure_answering(config, Answer::Status(200))
    }

    /// Answers every request in one way, over TLS.
    pub fn secure_answering(config: ServerConfig, answer: Answer) -> Self {
        let (config, answers) = (Arc::new(config), Answers { list: vec![answer], next: AtomicUsize::new(0) });
        Self::listen("https://localhost", move |stream, seen| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            serve(StreamOwned::new(connection, stream), &answers, seen);
        })
    }

    /// Hands over each connection as it comes, unread; requests are not recorded.
    pub fn wild(speak: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::listen("http://127.0.0.1", move |stream, _| speak(stream))
    }

    /// The same, called by https all the same.
    pub fn over_https(mut self) -> Self {
        self.origin = self.origin.replace("http:", "https:");
        self
    }

    fn listen(origin: &str, speak: impl Fn(TcpStream, &Seen) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let origin = format!("{origin}:{}", listener.local_addr().unwrap().port());
        let seen = Arc::new(Seen::default());
        let (shared, speak) = (Arc::clone(&seen), Arc::new(speak));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, speak) = (Arc::clone(&shared), Arc::clone(&speak));
                thread::spawn(move || speak(stream, &seen));
            }
        });
        Self { origin, seen }
    }

    pub fn url(&self) -> String {
        format!("{}/hook", self.origin)
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How often it was called, whatever was said then.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// What came in so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// What came in since this was called last.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.seen.requests.lock().unwrap())
    }

    /// The one request that came in since this was called last.
    pub fn take_one(&self) -> Request {
        let mut requests = self.take();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }
}

struct Answers {
    list: Vec<Answer>,
    next: AtomicUsize,
}

impl Answers {
    fn next(&self) -> &Answer {
        let at = self.next.fetch_add(1, Ordering::SeqCst);
        &self.list[at.min(self.list.len() - 1)]
    }
}

fn serve(stream: impl Read + Write, answers: &Answers, seen: &Seen) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        seen.requests.lock().unwrap().push(request);
        if !reply(reader.get_mut(), answers.next()) {
            return;
        }
    }
}

/// Answers; whether the connection goes on.
fn reply(stream: &mut (impl Read + Write), answer: &Answer) -> bool {
    let mut status =
        |code: u16| stream.write_all(format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).is_ok();
    match answer {
        Answer::Status(code) => status(*code),
        Answer::Body(code, body) => {
            let length = body.len();
            stream.write_all(format!("HTTP/1.1 {code} X\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes()).is_ok()
        }
        Answer::Busy => stream.write_all(b"HTTP/1.1 503 X\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n").is_ok(),
        Answer::After(delay) => {
            thread::sleep(*delay);
            status(200)
        }
        Answer::Behind(gate) => gate.pass() && status(200),
        Answer::Never => {
            hold(stream);
            false
        }
        Answer::Raw(bytes) => {
            let _ = stream.write_all(bytes);
            false
        }
        Answer::Drip(bytes, pause) => {
            for byte in bytes {
                thread::sleep(*pause);
                if stream.write_all(&[*byte]).is_err() {
                    break;
                }
            }
            false
        }
        Answer::Flood(first, again) => {
            let mut all_is_well = stream.write_all(first).is_ok();
            while all_is_well {
                all_is_well = stream.write_all(again).is_ok();
            }
            false
        }
    }
}

/// Says nothing until the other side has hung up.
pub fn hold(stream: &mut impl Read) {
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(String::from);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: Vec::new() };
    request.body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// The header of an answer 200.
pub fn ok(header: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n")
}

/// Reads a request's header, a byte at a time so that the body stays unread.
pub fn read_head(stream: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
}
