//! The wire: one connection to a NATS server, synchronous, with a limit of time on everything.
//!
//! Source: the NATS documentation, "Client Protocol". An async client would bring a runtime, which costs a hook more than the
//! delivery does.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::credentials::{Credentials, Proof};
use super::error::{BrokerError, Trouble};
use super::protocol::{self, Said};
use super::servers::{Server, Servers};
use crate::identifier;
use crate::message;
use crate::outcome::FailureKind;
use crate::transport::{Trust, dial_server, no_tls, read_within};

pub use super::protocol::Incoming;

/// Name and value of each header of a message. A value is printable ASCII.
pub type Headers = [(String, String)];

/// What is written is held back up to so many bytes, for what follows.
const HELD_BACK: usize = 64 * 1024;

/// The least time for one of several servers.
const LEAST_OF_SERVER: Duration = Duration::from_millis(100);

/// Who connects: each kind gets its answers where the others may not listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A git server.
    GitServer,
    /// A worker.
    Worker,
    /// Whoever sets up the streams.
    Administrator,
}

impl Role {
    /// What the subjects of answers begin with.
    pub fn inbox(self) -> &'static str {
        match self {
            Self::GitServer => "_INBOX.gw-server",
            Self::Worker => "_INBOX.gw-worker",
            Self::Administrator => "_INBOX.gw-admin",
        }
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Info {
    /// The largest message it takes, headers included.
    pub max_payload: usize,
    /// Its version, 2.9.10 say.
    pub version: String,
    headers: bool,
    tls_required: bool,
    tls_available: bool,
    nonce: Option<String>,
}

/// A connection to one server.
pub struct Connection {
    socket: Io,
    input: Vec<u8>,
    /// How much of it was read.
    taken: usize,
    output: Vec<u8>,
    info: Info,
    inbox: String,
    next: u64,
    server: String,
}

impl Connection {
    /// Connects to the first server that takes us.
    ///
    /// # Errors
    /// Why the last of them did not; where one said that it does not know us, that.
    pub fn open(
        servers: &Servers,
        credentials: &Credentials,
        trust: &Trust,
        role: Role,
        patience: Duration,
    ) -> Result<Self, BrokerError> {
        let deadline = Instant::now() + patience;
        let mut failed: Option<BrokerError> = None;
        for (at, server) in servers.all().iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let is_last = at + 1 == servers.all().len();
            let patience = if is_last { left } else { (left / 2).max(LEAST_OF_SERVER).min(left) };
            match Self::to(server, servers.is_secure, credentials, trust, role, Instant::now() + patience) {
                Ok(connection) => return Ok(connection),
                Err(error) if failed.as_ref().is_some_and(|last| last.kind == Trouble::Denied) => drop(error),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| BrokerError::new(Trouble::Unreachable(FailureKind::Lookup))))
    }

    fn to(
        server: &Server,
        is_secure: bool,
        credentials: &Credentials,
        trust: &Trust,
        role: Role,
        deadline: Instant,
    ) -> Result<Self, BrokerError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let stream = dial_server(&server.host, server.port, left)?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let mut connection = Self {
            socket: Io::Plain(Socket { stream, deadline }),
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
            info: Info::default(),
            inbox: format!("{}.{}", role.inbox(), identifier::temporary().simple()),
            next: 0,
            server: server.to_string(),
        };
        let Some(Said::Info(info)) = connection.hear(deadline)? else { return Err(garbled()) };
        connection.info = serde_json::from_slice(&info).map_err(|_| garbled())?;
        if is_secure || connection.info.tls_required {
            connection = connection.secured(server, is_secure, credentials, trust)?;
        }
        connection.introduce(credentials, role, deadline)?;
        Ok(connection)
    }

    /// Speaks TLS from here on.
    fn secured(
        mut self,
        server: &Server,
        is_wanted: bool,
        credentials: &Credentials,
        trust: &Trust,
    ) -> Result<Self, BrokerError> {
        let no = |words: String| BrokerError { kind: Trouble::Unreachable(FailureKind::Tls), detail: words };
        if is_wanted && !self.info.tls_required && !self.info.tls_available {
            return Err(no(message::broker_no_tls().into()));
        }
        let configuration = trust.of_server(credentials.authorities.clone()).map_err(|error| no(error.to_string()))?;
        let name = ServerName::try_from(server.host.clone()).map_err(|_| no(message::bad_url().into()))?;
        let tls = ClientConnection::new(Arc::clone(&configuration), name).map_err(|error| no(error.to_string()))?;
        let Io::Plain(socket) = self.socket else { return Ok(self) };
        // What came in the clear behind INFO was put there by somebody on the way.
        if self.taken < self.input.len() {
            return Err(garbled());
        }
        let mut stream = StreamOwned::new(tls, socket);
        stream.conn.complete_io(&mut stream.sock).map_err(|error| failed(&error))?;
        self.socket = Io::Secure(Box::new(stream));
        Ok(self)
    }

    /// Says who we are, and waits until the server is content.
    fn introduce(&mut self, credentials: &Credentials, role: Role, deadline: Instant) -> Result<(), BrokerError> {
        if !self.info.headers {
            return Err(BrokerError::said(Trouble::Garbled, &self.info.version));
        }
        let mut words = Map::new();
        let mut say = |name: &str, value: Value| drop(words.insert(name.into(), value));
        for (name, value) in [("verbose", false), ("pedantic", false), ("headers", true), ("no_responders", true)] {
            say(name, value.into());
        }
        say("tls_required", matches!(self.socket, Io::Secure(_)).into());
        say("protocol", 1.into());
        say("lang", "rust".into());
        say("version", env!("CARGO_PKG_VERSION").into());
        say("name", format!("git-webhook {role:?}").into());
        let nonce = self.info.nonce.as_deref().unwrap_or_default();
        match &credentials.proof {
            Proof::Nothing => {}
            Proof::Password(user, password) => {
                say("user", user.as_str().into());
                say("pass", password.as_str().into());
            }
            Proof::Token(token) => say("auth_token", token.as_str().into()),
            Proof::Key(key) => {
                say("nkey", key.public().into());
                say("sig", key.sign(nonce).into());
            }
            Proof::Issued(token, key) => {
                say("jwt", token.as_str().into());
                say("sig", key.sign(nonce).into());
            }
        }
        let line = format!("CONNECT {}\r\nSUB {}.* 1\r\nPING\r\n", Value::Object(words), self.inbox);
        self.output.extend(line.as_bytes());
        self.flush(deadline)?;
        loop {
            match self.hear(deadline)? {
                Some(Said::Pong) => return Ok(()),
                Some(Said::Message(_)) | None => return Err(garbled()),
                Some(_) => {}
            }
        }
    }

    /// What the server says of itself.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Host and port of the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A subject for answers that nobody else has.
    pub fn new_inbox(&mut self) -> String {
        self.next += 1;
        format!("{}.{}", self.inbox, self.next)
    }

    /// Sends a message; it may leave only with the next [`Self::flush`] or [`Self::next`].
    ///
    /// # Errors
    /// Where it is too large, or cannot be written until the deadline.
    pub fn publish(
        &mut self,
        subject: &str,
        reply: Option<&str>,
        headers: &Headers,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<(), BrokerError> {
        let head = header_block(headers);
        let size = head.len() + payload.len();
        if size > self.info.max_payload {
            let detail = format!("{size} > {}", self.info.max_payload);
            return Err(BrokerError { kind: Trouble::TooLarge, detail });
        }
        let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
        let line = match headers.is_empty() {
            true => format!("PUB {subject} {reply}{size}\r\n"),
            false => format!("HPUB {subject} {reply}{} {size}\r\n", head.len()),
        };
        self.output.extend(line.as_bytes());
        self.output.extend(head.as_bytes());
        self.output.extend(payload);
        self.output.extend(b"\r\n");
        if self.output.len() > HELD_BACK { self.flush(deadline) } else { Ok(()) }
    }

    /// Sends what was held back.
    ///
    /// # Errors
    /// Where it cannot be written until the deadline.
    pub fn flush(&mut self, deadline: Instant) -> Result<(), BrokerError> {
        self.socket.set_deadline(deadline);
        let output = std::mem::take(&mut self.output);
        self.socket.write_all(&output).and_then(|()| self.socket.flush()).map_err(|error| failed(&error))
    }

    /// The next message; `None` where none comes until the deadline.
    ///
    /// # Errors
    /// Where the connection ended, or the server says that something went wrong.
    pub fn next(&mut self, deadline: Instant) -> Result<Option<Incoming>, BrokerError> {
        if !self.output.is_empty() {
            self.flush(deadline)?;
        }
        loop {
            match self.hear(deadline) {
                Ok(Some(Said::Message(message))) => return Ok(Some(message)),
                Ok(Some(_)) => {}
                Ok(None) => return Err(BrokerError::new(Trouble::Closed)),
                Err(error) if error.kind == Trouble::Silent => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next thing that the server says, but for what is answered or noted here; `None` at its end.
    fn hear(&mut self, deadline: Instant) -> Result<Option<Said>, BrokerError> {
        loop {
            match protocol::read(&self.input[self.taken..]).map_err(|_| garbled())? {
                None => {
                    self.input.drain(..self.taken);
                    self.taken = 0;
                    if !self.read_more(deadline)? {
                        return Ok(None);
                    }
                }
                Some((said, length)) => {
                    self.taken += length;
                    match said {
                        Said::Ping => {
                            self.output.extend(b"PONG\r\n");
                            self.flush(deadline)?;
                        }
                        Said::Error(words) => return Err(of_server(&words)),
                        Said::Info(info) if !self.info.version.is_empty() => {
                            // Servers came or went; what a client may send can change with it.
                            self.info = serde_json::from_slice(&info).map_err(|_| garbled())?;
                        }
                        said => return Ok(Some(said)),
                    }
                }
            }
        }
    }

    fn read_more(&mut self, deadline: Instant) -> Result<bool, BrokerError> {
        self.socket.set_deadline(deadline);
        let start = self.input.len();
        self.input.resize(start + HELD_BACK, 0);
        let outcome = self.socket.read(&mut self.input[start..]);
        self.input.truncate(start + outcome.as_ref().copied().unwrap_or(0));
        outcome.map(|count| count > 0).map_err(|error| failed(&error))
    }
}

fn header_block(headers: &Headers) -> String {
    if headers.is_empty() {
        return String::new();
    }
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("NATS/1.0\r\n{lines}\r\n")
}

fn garbled() -> BrokerError {
    BrokerError::new(Trouble::Garbled)
}

fn failed(error: &io::Error) -> BrokerError {
    use io::ErrorKind as Io;
    if let Some(words) = no_tls(error) {
        return BrokerError::said(Trouble::Unreachable(FailureKind::Tls), &words);
    }
    match error.kind() {
        Io::WouldBlock | Io::TimedOut => BrokerError::new(Trouble::Silent),
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => {
            BrokerError::new(Trouble::Closed)
        }
        _ => BrokerError { kind: Trouble::Unreachable(FailureKind::Connect), detail: error.to_string() },
    }
}

/// What a server says before it ends a connection, or refuses one subject.
fn of_server(words: &str) -> BrokerError {
    let lower = words.to_ascii_lowercase();
    let kind = if lower.contains("permissions violation") {
        Trouble::NotPermitted
    } else if lower.contains("authorization") || lower.contains("authentication") || lower.contains("account") {
        Trouble::Denied
    } else if lower.contains("maximum payload") {
        Trouble::TooLarge
    } else {
        Trouble::Said
    };
    BrokerError::said(kind, words)
}

enum Io {
    Plain(Socket),
    Secure(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Io {
    fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Self::Plain(socket) => socket.deadline = deadline,
            Self::Secure(stream) => stream.sock.deadline = deadline,
        }
    }
}

impl Read for Io {
    fn read(&mut self, input: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(input),
            Self::Secure(stream) => stream.read(input),
        }
    }
}

impl Write for Io {
    fn write(&mut self, output: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(output),
            Self::Secure(stream) => stream.write(output),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

/// A socket that is read and written until the deadline.
struct Socket {
    stream: TcpStream,
    deadline: Instant,
}

impl Socket {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Socket {
    fn read(&mut self, input: &mut [u8]) -> io::Result<usize> {
        read_within(&self.stream, input, || self.left())
    }
}

impl Write for Socket {
    fn write(&mut self, output: &[u8]) -> io::Result<usize> {
        loop {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(output) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
