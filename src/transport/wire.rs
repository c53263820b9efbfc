//! The wire below ureq: looks up, dials, writes and reads against one deadline, and tells how far an attempt came. All
//! that is used of ureq's unversioned interfaces is here.
//!
//! ureq's own wire does not tell whether a byte of an answer came before the connection ended, on which it depends
//! whether to send again; gives up on an answer that came while it still wrote; looks the host up for every request,
//! on a thread whose failure to start is a panic.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, Either, LazyBuffers, NextTimeout, Transport};
use ureq::unversioned::transport::{ConnectionDetails, Connector};
use ureq::{Agent, Error, Timeout};

use super::tls::NoTls;
use crate::target::{AllowedHosts, Refused};

/// What an agent's one connection and the code that sends over it tell each other.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    deadline: Instant,
    progress: Progress,
    /// What the look-up found, so that it is made once and what is dialled stays what was found.
    addresses: Vec<SocketAddr>,
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// A connection of its own was opened for it.
    pub(super) dialled: bool,
    /// When the last byte of the request was written, once all of it was.
    pub(super) sent: Option<Instant>,
    /// At least a byte of an answer was read.
    pub(super) answered: bool,
}

impl Wire {
    pub(super) fn new() -> Self {
        let state = State { deadline: Instant::now(), progress: Progress::default(), addresses: Vec::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// An agent whose connections are made here, to what is allowed alone, over TLS where there is a configuration for it.
    pub(super) fn agent(&self, config: Config, allowed: &Arc<AllowedHosts>, secure: Option<Secure>) -> Agent {
        let connector = Dial(self.clone()).chain(Wrap(secure)).chain(Watch(self.clone()));
        Agent::with_parts(config, connector, self.look_up(allowed))
    }

    /// The same, but each connection ends as [`Reached`] once it is made, so that no request is sent.
    pub(super) fn agent_that_stops(
        &self,
        config: Config,
        allowed: &Arc<AllowedHosts>,
        secure: Option<Secure>,
    ) -> Agent {
        let connector = Dial(self.clone()).chain(Wrap(secure)).chain(Stop);
        Agent::with_parts(config, connector, self.look_up(allowed))
    }

    fn look_up(&self, allowed: &Arc<AllowedHosts>) -> LookUp {
        LookUp { wire: self.clone(), allowed: Arc::clone(allowed) }
    }

    /// Begins an attempt.
    pub(super) fn begin(&self, deadline: Instant) {
        let mut state = self.state();
        state.progress = Progress::default();
        state.deadline = deadline;
    }

    /// Sets another deadline for what is left of an attempt.
    pub(super) fn end_by(&self, deadline: Instant) {
        self.state().deadline = deadline;
    }

    pub(super) fn progress(&self) -> Progress {
        self.state().progress
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single assignment, so what a panic left behind is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that is left, or that it is up.
    fn left(&self) -> Result<Duration, Error> {
        let left = self.state().deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(timeout()) } else { Ok(left) }
    }
}

/// Which phase it was is told by [`Progress`].
fn timeout() -> Error {
    Error::Timeout(Timeout::Global)
}

/// A read or write that failed; the system has two names for a time that is up.
fn failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => timeout(),
        _ => error.into(),
    }
}

/// A name has no address, in the system's words.
#[derive(Debug)]
pub(super) struct NoAddress(io::Error);

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for NoAddress {}

/// A connection was made, TLS included.
#[derive(Debug)]
pub(super) struct Reached;

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reached")
    }
}

impl std::error::Error for Reached {}

/// Ends a connection that is made: ureq asks for one before it writes anything, and [`Wrap`] hands one on only after the
/// handshake.
#[derive(Debug)]
struct Stop;

impl<T: Transport> Connector<T> for Stop {
    type Out = T;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<T>) -> Result<Option<T>, Error> {
        Err(Error::Other(Box::new(Reached)))
    }
}

/// An address that was found may not be dialled.
#[derive(Debug)]
pub(super) struct Forbidden(Refused);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Forbidden {}

/// Looks names up, and judges what is found: what is dialled is what was judged.
#[derive(Debug)]
struct LookUp {
    wire: Wire,
    allowed: Arc<AllowedHosts>,
}

impl Resolver for LookUp {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        if self.wire.state().addresses.is_empty() {
            let host = uri.host().unwrap_or_default();
            let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
            let found = look_up(host, uri.port_u16().unwrap_or(default), self.wire.left()?)?;
            // Whoever answers with one that is allowed beside one that is not would have us try both.
            found
                .iter()
                .try_for_each(|address| self.allowed.judge(host, *address))
                .map_err(|refused| Error::Other(Box::new(Forbidden(refused))))?;
            self.wire.state().addresses = found;
        }
        let mut addresses = self.empty();
        for address in &self.wire.state().addresses {
            // There is room for 16, far more than are tried in the time there is.
            let _ = addresses.try_push(*address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

fn look_up(host: &str, port: u16, patience: Duration) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // The system's look-up knows no deadline of ours: where it is passed, the thread is left behind.
    let (sender, found) = mpsc::channel();
    let name = host.to_owned();
    let work = move || drop(sender.send(addresses(&name, port)));
    if thread::Builder::new().stack_size(512 * 1024).spawn(work).is_err() {
        // No thread to be had: late is better than not at all.
        return addresses(host, port);
    }
    found.recv_timeout(patience).unwrap_or_else(|_| Err(timeout()))
}

fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let found = (host, port).to_socket_addrs().map_err(|error| Error::Other(Box::new(NoAddress(error))))?;
    Ok(found.collect())
}

/// Opens TCP connections.
#[derive(Debug)]
struct Dial(Wire);

impl Connector<()> for Dial {
    type Out = Tcp;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Tcp>, Error> {
        self.0.state().progress.dialled = true;
        let stream = dial(&self.0, &details.addrs, TcpStream::connect_timeout)?;
        stream.set_nodelay(true)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        let socket = Socket { stream, wire: self.0.clone(), is_broken: false };
        Ok(Some(Tcp { socket, buffers }))
    }
}

/// The least time for one of several addresses: in less a far one cannot answer.
const LEAST_OF_ADDRESS: Duration = Duration::from_millis(250);

/// Tries one address after another. One that is silent must leave time to try the others.
fn dial<T>(
    wire: &Wire,
    addresses: &[SocketAddr],
    connect: impl Fn(&SocketAddr, Duration) -> io::Result<T>,
) -> Result<T, Error> {
    let mut outcome = Err(Error::HostNotFound);
    for (at, address) in addresses.iter().enumerate() {
        let left = wire.left()?;
        let is_last = at + 1 == addresses.len();
        let patience = if is_last { left } else { (left / 2).max(LEAST_OF_ADDRESS).min(left) };
        outcome = connect(address, patience).map_err(failed);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// A TCP connection.
#[derive(Debug)]
struct Tcp {
    socket: Socket,
    buffers: LazyBuffers,
}

impl Transport for Tcp {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        self.socket.write_all(&self.buffers.output()[..amount]).map_err(failed)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let count = self.socket.read(self.buffers.input_append_buf()).map_err(failed)?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.socket.is_open()
    }
}

/// A socket that is read and written until the deadline.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    wire: Wire,
    /// The receiver takes no more.
    is_broken: bool,
}

impl Socket {
    fn left(&self) -> io::Result<Duration> {
        self.wire.left().map_err(|_| io::ErrorKind::TimedOut.into())
    }

    /// Whether another request can be sent: nothing is left to read, not even the end.
    fn is_open(&self) -> bool {
        let is_silent = || {
            self.stream.set_nonblocking(true)?;
            let outcome = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            Ok::<_, io::Error>(outcome.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock))
        };
        !self.is_broken && is_silent().unwrap_or(false)
    }
}

impl Read for Socket {
    fn read(&mut self, input: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

impl Write for Socket {
    /// What a receiver takes no more counts as written.
    fn write(&mut self, output: &[u8]) -> io::Result<usize> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, Interrupted};
        while !self.is_broken && !output.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(output) {
                Ok(0) => self.is_broken = true,
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == Interrupted => {}
                // A receiver that does not want a large body answers 413 and closes. The answer can still be read;
                // where there is none, reading fails in its turn.
                Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => self.is_broken = true,
                Err(error) => return Err(error),
            }
        }
        Ok(output.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What TLS is made with.
#[derive(Clone, Debug)]
pub(super) struct Secure {
    pub(super) configuration: Arc<ClientConfig>,
    /// The host in the URL, for which the certificate must be.
    pub(super) host: ServerName<'static>,
    /// A client certificate is set.
    pub(super) shows_itself: bool,
}

/// Speaks TLS over a connection, where that is wanted.
#[derive(Debug)]
struct Wrap(Option<Secure>);

impl Connector<Tcp> for Wrap {
    type Out = Either<Tcp, Tls>;

    fn connect(&self, _: &ConnectionDetails<'_>, tcp: Option<Tcp>) -> Result<Option<Self::Out>, Error> {
        let Some(tcp) = tcp else { return Ok(None) };
        let Some(secure) = self.0.clone() else { return Ok(Some(Either::A(tcp))) };
        let connection = ClientConnection::new(Arc::clone(&secure.configuration), secure.host.clone())
            .map_err(|error| Error::Other(Box::new(NoTls::from(error))))?;
        let mut tls = Tls { stream: StreamOwned::new(connection, tcp.socket), buffers: tcp.buffers, secure };
        let Tls { stream, .. } = &mut tls;
        match stream.conn.complete_io(&mut stream.sock) {
            Ok(_) => Ok(Some(Either::B(tls))),
            Err(error) => Err(tls.failed(error)),
        }
    }
}

/// TLS over a TCP connection.
#[derive(Debug)]
struct Tls {
    stream: StreamOwned<ClientConnection, Socket>,
    buffers: LazyBuffers,
    secure: Secure,
}

impl Tls {
    fn failed(&self, error: io::Error) -> Error {
        match NoTls::of(&error, self.secure.shows_itself) {
            Some(why) => Error::Other(Box::new(why)),
            None => failed(error),
        }
    }
}

impl Transport for Tls {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        let written = self.stream.write_all(&self.buffers.output()[..amount]);
        written.and_then(|()| self.stream.flush()).map_err(|error| self.failed(error))
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        match self.stream.read(self.buffers.input_append_buf()) {
            Ok(count) => {
                self.buffers.input_appended(count);
                Ok(count > 0)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// Stands between ureq and whatever it speaks over, TLS or not, and sees when the request was out and the answer began.
#[derive(Debug)]
struct Watch(Wire);

impl<T: Transport> Connector<T> for Watch {
    type Out = Watched<T>;

    fn connect(&self, _: &ConnectionDetails<'_>, inner: Option<T>) -> Result<Option<Watched<T>>, Error> {
        Ok(inner.map(|inner| Watched { inner, wire: self.0.clone() }))
    }
}

#[derive(Debug)]
struct Watched<T> {
    inner: T,
    wire: Wire,
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.wire.state().progress.sent = None;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        // ureq asks for input only after all its output.
        self.wire.state().progress.sent.get_or_insert_with(Instant::now);
        let has_come = self.inner.await_input(timeout)?;
        self.wire.state().progress.answered |= has_come;
        Ok(has_come)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A connection with little time, and its other end.
    fn connection() -> (Tcp, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let wire = Wire::new();
        wire.begin(Instant::now() + Duration::from_millis(300));
        let buffers = LazyBuffers::new(16 * 1024, 16 * 1024);
        (Tcp { socket: Socket { stream, wire, is_broken: false }, buffers }, listener.accept().unwrap().0)
    }

    fn write_until_it_fails(tcp: &mut Tcp) -> Option<Error> {
        while !tcp.socket.is_broken {
            if let Err(error) = tcp.transmit_output(16 * 1024, NextTimeout::default()) {
                return Some(error);
            }
        }
        None
    }

    #[test]
    fn writing_ends_at_the_deadline_however_slowly_it_is_read() {
        for pause in [20, 5000].map(Duration::from_millis) {
            let (mut tcp, mut other) = connection();
            thread::spawn(move || {
                while other.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                    thread::sleep(pause);
                }
            });
            let start = Instant::now();
            let error = write_until_it_fails(&mut tcp);
            assert!(matches!(error, Some(Error::Timeout(_))), "{error:?}");
            assert!((250..900).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        }
    }

    #[test]
    fn an_answer_that_came_before_the_end_can_be_read() {
        let (mut tcp, mut other) = connection();
        thread::spawn(move || {
            let _ = other.read(&mut [0; 10]);
            let _ = other.write_all(b"413");
        });
        assert!(write_until_it_fails(&mut tcp).is_none());
        assert!(tcp.await_input(NextTimeout::default()).unwrap());
        assert_eq!(tcp.buffers().input(), b"413");
        assert!(!tcp.is_open());
    }

    /// How long each of so many addresses is given that all refuse, and none of which takes its time.
    fn patience(addresses: usize, time: Duration) -> Vec<Duration> {
        let wire = Wire::new();
        wire.begin(Instant::now() + time);
        let given = Mutex::new(Vec::new());
        let refuse = |_: &SocketAddr, patience: Duration| -> io::Result<()> {
            given.lock().unwrap().push(patience);
            Err(io::ErrorKind::ConnectionRefused.into())
        };
        assert!(dial(&wire, &vec![SocketAddr::from(([192, 0, 2, 1], 80)); addresses], refuse).is_err());
        given.into_inner().unwrap()
    }

    #[test]
    fn a_silent_address_leaves_time_for_the_others_and_each_has_enough() {
        let hour = Duration::from_secs(3600);
        let long = patience(2, hour);
        assert!(long[0] <= hour / 2 && long[1] > hour / 2, "{long:?}");
        assert!(patience(1, hour)[0] > hour / 2);
        let short = patience(3, LEAST_OF_ADDRESS + LEAST_OF_ADDRESS / 2);
        assert_eq!(short[0], LEAST_OF_ADDRESS);
    }

    #[test]
    fn the_first_address_that_answers_is_taken() {
        let wire = Wire::new();
        wire.begin(Instant::now() + Duration::from_secs(3600));
        let addresses = [1, 2, 3].map(|last| SocketAddr::from(([192, 0, 2, last], 80)));
        let connect = |address: &SocketAddr, _| match *address == addresses[0] {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(*address),
        };
        assert_eq!(dial(&wire, &addresses, connect).unwrap(), addresses[1]);
    }

    #[test]
    fn an_address_needs_no_look_up() {
        let none = Duration::ZERO;
        assert_eq!(look_up("192.0.2.1", 80, none).unwrap(), ["192.0.2.1:80".parse().unwrap()]);
        assert_eq!(look_up("[::1]", 443, none).unwrap(), ["[::1]:443".parse().unwrap()]);
    }
}
