//! What is written to and read from: a TCP connection until the deadline, and TLS over it.
//!
//! ureq's own gives up on an answer that came while it still wrote.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::tls::NoTls;
use super::wire::{Wire, failed};

/// How long a receiver has to object to a client certificate.
const TIME_TO_OBJECT: Duration = Duration::from_millis(300);

/// A TCP connection.
#[derive(Debug)]
pub(super) struct Tcp {
    socket: Socket,
    buffers: LazyBuffers,
}

impl Tcp {
    pub(super) fn new(stream: TcpStream, wire: Wire, buffers: LazyBuffers) -> Self {
        Self { socket: Socket { stream, wire, is_broken: false }, buffers }
    }

    /// What it is written to and read from before ureq does.
    pub(super) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }
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
pub(super) struct Socket {
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
        read_within(&self.stream, input, || self.left())
    }
}

/// Reads what comes first, for as long as `left` tells each time it is asked.
///
/// # Errors
/// Where it fails, or `left` says that there is no time.
pub fn read_within(
    mut stream: &TcpStream,
    input: &mut [u8],
    left: impl Fn() -> io::Result<Duration>,
) -> io::Result<usize> {
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(input) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
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

/// TLS over a TCP connection.
#[derive(Debug)]
pub(super) struct Tls {
    stream: StreamOwned<ClientConnection, Socket>,
    buffers: LazyBuffers,
    secure: Secure,
}

impl Tls {
    /// Shakes hands.
    pub(super) fn begin(tcp: Tcp, secure: Secure) -> Result<Self, Error> {
        let connection = ClientConnection::new(Arc::clone(&secure.configuration), secure.host.clone())
            .map_err(|error| Error::Other(Box::new(NoTls::from(error))))?;
        let mut tls = Self { stream: StreamOwned::new(connection, tcp.socket), buffers: tcp.buffers, secure };
        let StreamOwned { conn, sock } = &mut tls.stream;
        match conn.complete_io(sock) {
            Ok(_) => {
                let chain = conn.peer_certificates().unwrap_or_default().to_vec();
                let is_looked_at = sock.wire.state().chain.as_mut().map(|kept| *kept = chain).is_some();
                if is_looked_at {
                    tls.hear()?;
                }
                Ok(tls)
            }
            Err(error) => Err(tls.failed(error)),
        }
    }

    /// Waits for what a receiver has against the client certificate: from TLS 1.3 on it says so only after the handshake (RFC 8446,
    /// section 4.4.2.4), and without a request nobody would hear of it. Silence is consent.
    fn hear(&mut self) -> Result<(), Error> {
        self.stream.sock.wire.end_by(Instant::now() + TIME_TO_OBJECT);
        match self.stream.read(&mut [0]) {
            Err(error) if NoTls::of(&error, self.secure.shows_itself).is_some() => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A connection with little time, and its other end.
    fn connection() -> (Tcp, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let wire = Wire::new();
        wire.begin(Instant::now() + Duration::from_millis(300));
        let buffers = LazyBuffers::new(16 * 1024, 16 * 1024);
        (Tcp::new(stream, wire, buffers), listener.accept().unwrap().0)
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
}
