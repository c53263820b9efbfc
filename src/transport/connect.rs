//! Makes connections for ureq: looks up, judges, dials and shakes hands against one deadline, and notes how far an attempt came.
//!
//! ureq's own wire does not tell whether a byte of an answer came before the connection ended, on which it depends
//! whether to send again; gives up on an answer that came while it still wrote; looks the host up for every request,
//! on a thread whose failure to start is a panic.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, Either, LazyBuffers, NextTimeout, Transport};
use ureq::unversioned::transport::{ConnectionDetails, Connector};
use ureq::{Agent, Error};

use super::proxy::{self, of_proxy};
use super::stream::{Secure, Tcp, Tls};
use super::wire::{Wire, failed, timeout};
use crate::message;
use crate::outcome::{Failure, FailureKind};
use crate::target::{Address, AllowedHosts, Refused, Target};

/// An agent whose connections are made here, to what is allowed alone, over TLS where there is a configuration for it.
pub(super) fn agent(wire: &Wire, config: Config, target: &Target, secure: Option<Secure>) -> Agent {
    let way = Way::of(wire, target);
    let connector = Dial(way.clone()).chain(Wrap(secure)).chain(Watch(wire.clone()));
    Agent::with_parts(config, connector, LookUp(way))
}

/// The same, but each connection ends as [`Made`] once it is made, so that no request is sent.
pub(super) fn agent_that_stops(wire: &Wire, config: Config, target: &Target, secure: Option<Secure>) -> Agent {
    let way = Way::of(wire, target);
    let connector = Dial(way.clone()).chain(Wrap(secure)).chain(Stop);
    Agent::with_parts(config, connector, LookUp(way))
}

/// The way to a receiver.
#[derive(Clone)]
struct Way {
    wire: Wire,
    receiver: Address,
    proxy: Option<Address>,
    allowed: Arc<AllowedHosts>,
}

/// Without an address, which may hold a secret.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("wire", &self.wire).field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Way {
    fn of(wire: &Wire, target: &Target) -> Self {
        Self {
            wire: wire.clone(),
            receiver: target.address.clone(),
            proxy: target.proxy.clone(),
            allowed: Arc::clone(&target.allowed_hosts),
        }
    }

    /// The addresses to dial, all of them allowed.
    fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let judge = |host: &str, address, is_proxy| {
            let judged = self.allowed.judge(host, address);
            judged.map_err(|refused| Error::Other(Box::new(Forbidden { refused, is_proxy })))
        };
        let own = self.receiver.host();
        if self.proxy.is_some()
            && let Some(literal) = literal(own, self.receiver.port().unwrap_or_default())
        {
            // A name is the proxy's to look up.
            judge(own, literal, false)?;
        }
        let first = self.proxy.as_ref().unwrap_or(&self.receiver);
        let (host, port) = (first.host(), first.port().unwrap_or_default());
        let found = look_up(host, port, self.wire.left()?)?;
        // Whoever answers with one that is allowed beside one that is not would have us try both.
        found.iter().try_for_each(|address| judge(host, *address, self.proxy.is_some()))?;
        Ok(found)
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
pub(super) struct Made;

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("made")
    }
}

impl std::error::Error for Made {}

/// Ends a connection that is made: ureq asks for one before it writes anything, and [`Wrap`] hands one on only after the
/// handshake.
#[derive(Debug)]
struct Stop;

impl<T: Transport> Connector<T> for Stop {
    type Out = T;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<T>) -> Result<Option<T>, Error> {
        Err(Error::Other(Box::new(Made)))
    }
}

/// An address that was found may not be dialled.
#[derive(Debug)]
pub(super) struct Forbidden {
    pub(super) refused: Refused,
    /// It is the proxy's.
    pub(super) is_proxy: bool,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_proxy {
            true => f.write_str(&message::of_proxy(&self.refused)),
            false => self.refused.fmt(f),
        }
    }
}

impl std::error::Error for Forbidden {}

/// Looks names up, and judges what is found: what is dialled is what was judged.
#[derive(Debug)]
struct LookUp(Way);

impl Resolver for LookUp {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let Self(way) = self;
        if way.wire.state().addresses.is_empty() {
            let found = way.addresses();
            let is_judged = |error: &Error| matches!(error, Error::Other(cause) if cause.is::<Forbidden>());
            let found = match found {
                Err(error) if way.proxy.is_some() && !is_judged(&error) => Err(of_proxy(error)),
                found => found,
            }?;
            way.wire.state().addresses = found;
        }
        let mut addresses = self.empty();
        for address in &way.wire.state().addresses {
            // There is room for 16, far more than are tried in the time there is.
            let _ = addresses.try_push(*address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// An address that needs no look-up.
fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    host.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port))
}

fn look_up(host: &str, port: u16, patience: Duration) -> Result<Vec<SocketAddr>, Error> {
    if let Some(address) = literal(host, port) {
        return Ok(vec![address]);
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

/// Opens TCP connections, through a proxy where there is one.
#[derive(Debug)]
struct Dial(Way);

impl Connector<()> for Dial {
    type Out = Tcp;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Tcp>, Error> {
        let Self(Way { wire, receiver, proxy, .. }) = self;
        wire.state().progress.dialled = true;
        let stream = dial(wire, &details.addrs, TcpStream::connect_timeout);
        let stream = if proxy.is_some() { stream.map_err(of_proxy) } else { stream }?;
        stream.set_nodelay(true)?;
        wire.state().ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        let mut tcp = Tcp::new(stream, wire.clone(), buffers);
        if let Some(proxy) = proxy {
            proxy::open(&mut tcp, proxy, receiver)?;
        }
        Ok(Some(tcp))
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

/// Dials a server that is no receiver, within the time there is.
///
/// # Errors
/// Why there is no connection.
pub fn dial_server(host: &str, port: u16, patience: Duration) -> Result<TcpStream, Failure> {
    let wire = Wire::new();
    wire.begin(Instant::now() + patience);
    let found = wire.left().and_then(|left| look_up(host, port, left));
    found.and_then(|found| dial(&wire, &found, TcpStream::connect_timeout)).map_err(|error| match error {
        Error::HostNotFound => Failure::new(FailureKind::Lookup, ""),
        Error::Other(cause) if cause.is::<NoAddress>() => Failure::new(FailureKind::Lookup, cause.to_string()),
        Error::Timeout(_) => Failure::new(FailureKind::Timeout { sent: false }, ""),
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => Failure::new(FailureKind::Refused, ""),
        error => Failure::new(FailureKind::Connect, error.to_string()),
    })
}

/// Speaks TLS over a connection, where that is wanted.
#[derive(Debug)]
struct Wrap(Option<Secure>);

impl Connector<Tcp> for Wrap {
    type Out = Either<Tcp, Tls>;

    fn connect(&self, _: &ConnectionDetails<'_>, tcp: Option<Tcp>) -> Result<Option<Self::Out>, Error> {
        let Some(tcp) = tcp else { return Ok(None) };
        match self.0.clone() {
            Some(secure) => Tls::begin(tcp, secure).map(|tls| Some(Either::B(tls))),
            None => Ok(Some(Either::A(tcp))),
        }
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
    use std::sync::Mutex;

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
