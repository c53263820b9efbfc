//! A way through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), for receivers of either scheme, so that a proxy sees of a
//! request over TLS no more than whom it is for.
//!
//! ureq's own speaks CONNECT too, but looks the proxy up as it looks up receivers, and reports its answers as the receiver's.

use std::fmt;
use std::io::{self, Read, Write};

use ureq::Error;

use super::stream::Tcp;
use super::wire::timeout;
use crate::message;
use crate::signature;
use crate::target::Address;

/// An answer of a proxy may be this large.
const ANSWER_LIMIT: usize = 16 * 1024;

/// What a proxy said, or that it cannot be reached; never a word of its own.
#[derive(Debug)]
pub(super) struct NoWay(String);

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoWay {}

/// What went wrong before the proxy had its say, as its matter and not the receiver's; that time is up stays that.
pub(super) fn of_proxy(error: Error) -> Error {
    match error {
        Error::Timeout(_) => error,
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => no_way(message::proxy_refused()),
        // EACCES and EPERM are this machine's own.
        Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => Error::Io(error),
        Error::Io(error) => no_way(message::of_proxy(error)),
        Error::Other(error) => no_way(message::of_proxy(error)),
        error => error,
    }
}

fn no_way(words: impl Into<String>) -> Error {
    Error::Other(Box::new(NoWay(words.into())))
}

/// Asks the proxy at the other end for a connection to a receiver.
pub(super) fn open(tcp: &mut Tcp, proxy: &Address, receiver: &Address) -> Result<(), Error> {
    let authority = receiver.authority();
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some((user, password)) = proxy.credentials() {
        request.extend(b"Proxy-Authorization: ");
        request.extend(signature::basic_authorization(user, password).as_bytes());
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    let status = exchange(tcp.socket(), &request).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => timeout(),
        io::ErrorKind::InvalidData => no_way(message::proxy_no_http()),
        _ => no_way(message::of_proxy(error)),
    })?;
    match status {
        200..=299 => Ok(()),
        407 if proxy.credentials().is_some() => Err(no_way(message::proxy_refuses_password())),
        407 => Err(no_way(message::proxy_wants_password())),
        status => Err(no_way(message::proxy_answered(status))),
    }
}

/// Sends the request and returns the status of the answer. The receiver says nothing before it is spoken to, so nothing that
/// is its own is read with it.
fn exchange(socket: &mut (impl Read + Write), request: &[u8]) -> io::Result<u16> {
    socket.write_all(request)?;
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let count = socket.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend(&piece[..count]);
        if let Some(status) = final_status(&mut answer)? {
            return Ok(status);
        }
    }
}

/// The status of the answer, once all of its head is there; those that only come before it are passed over (RFC 9110, section 15.2).
fn final_status(answer: &mut Vec<u8>) -> io::Result<Option<u16>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 256];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(answer).map(|head| (head, response.code)) {
            Ok((httparse::Status::Complete(length), Some(100 | 102..=199))) => drop(answer.drain(..length)),
            Ok((httparse::Status::Complete(_), Some(status))) => return Ok(Some(status)),
            Ok((httparse::Status::Partial, _)) if answer.len() < ANSWER_LIMIT => return Ok(None),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two ends of a connection to a proxy that answers this, in pieces of so many bytes.
    struct Proxy<'a>(&'a [u8], usize, Vec<u8>);

    impl Read for Proxy<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(to.len());
            to[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    impl Write for Proxy<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.2.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_status_is_read_in_whatever_pieces_it_comes() {
        let large = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; ANSWER_LIMIT]].concat();
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(300));
        let some = format!("HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(100));
        for (answer, status) in [
            (&b"HTTP/1.1 200 Connection established\r\n\r\n"[..], Some(200)),
            (b"HTTP/1.0 407 No\r\nProxy-Authenticate: Basic\r\n\r\n", Some(407)),
            (b"HTTP/1.1 200 OK\r\n", None),
            (b"SSH-2.0-OpenSSH\r\n", None),
            (b"", None),
            (&large, None),
            (many.as_bytes(), None),
            (some.as_bytes(), Some(200)),
            (b"HTTP/1.1 101 Switching\r\n\r\n", Some(101)),
        ] {
            for size in [1, 7, 4096] {
                let mut proxy = Proxy(answer, size, Vec::new());
                assert_eq!(exchange(&mut proxy, b"CONNECT").ok(), status, "{}", answer.escape_ascii());
                assert_eq!(proxy.2, b"CONNECT");
            }
        }
    }
}
