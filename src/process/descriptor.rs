//! Descriptors: ready in time, closed in programs that are started, a terminal that shows nothing.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

/// Reads a line that must not be seen: on a terminal it is not shown.
///
/// # Errors
/// Where `input` cannot be read.
pub fn read_secret_line<R: Read + AsFd>(mut input: R) -> std::io::Result<Vec<u8>> {
    // It fails for what is no terminal, which shows nothing anyway.
    let shown = tcgetattr(&input).ok();
    if let Some(mut hidden) = shown.clone() {
        hidden.local_flags.remove(LocalFlags::ECHO);
        let _ = tcsetattr(&input, SetArg::TCSANOW, &hidden);
    }
    let mut line = Vec::new();
    let mut byte = [0];
    let outcome = loop {
        match input.read(&mut byte) {
            Ok(0) => break Ok(line),
            Ok(_) if byte == *b"\n" => break Ok(line),
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    if let Some(shown) = shown {
        let _ = tcsetattr(&input, SetArg::TCSANOW, &shown);
    }
    outcome
}

/// Leaves a descriptor open in programs that are started, under its number.
///
/// # Errors
/// Where the system says no.
pub fn hand_on(descriptor: impl AsFd) -> std::io::Result<()> {
    fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// Has every descriptor but the three standard ones closed in programs started from here: a web server's socket or
/// ssh's pipe, kept open, would hold up the push.
pub fn close_descriptors_on_exec() {
    close_fds::set_fds_cloexec(3, &[]);
}

/// Waits until `descriptor` can be written without blocking, at most `patience`.
pub fn is_writable(descriptor: impl AsFd, patience: Duration) -> bool {
    is_ready(descriptor, PollFlags::POLLOUT, patience)
}

/// Reads `input` to its end, up to `limit` bytes; a writer that is silent for `patience` is taken to have finished.
///
/// Returns what arrived and whether that is the whole input.
pub fn read_to_end<R: Read + AsFd>(mut input: R, limit: usize, patience: Duration) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while is_ready(&input, PollFlags::POLLIN, patience) {
        match input.read(&mut chunk) {
            Ok(0) => return (bytes, true),
            Ok(_) if bytes.len() >= limit => return (bytes, false),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return (bytes, false),
        }
    }
    (bytes, false)
}

fn is_ready(descriptor: impl AsFd, flags: PollFlags, patience: Duration) -> bool {
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let mut descriptors = [PollFd::new(descriptor.as_fd(), flags)];
    // A hang-up counts as ready: the read or write that follows tells what it is.
    matches!(poll(&mut descriptors, timeout), Ok(count) if count > 0)
        && !descriptors[0].revents().is_some_and(|events| events.contains(PollFlags::POLLNVAL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_silent_writer_is_taken_to_have_finished() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"some").unwrap();
        assert_eq!(read_to_end(&reader, 1 << 20, Duration::from_millis(20)), (b"some".to_vec(), false));
        drop(writer);
        assert_eq!(read_to_end(&reader, 1 << 20, Duration::from_millis(20)), (Vec::new(), true));
    }

    #[test]
    fn a_full_pipe_is_not_writable() {
        let (_reader, mut writer) = std::io::pipe().unwrap();
        assert!(is_writable(&writer, Duration::ZERO));
        while is_writable(&writer, Duration::ZERO) {
            writer.write_all(&[0; 4096]).unwrap();
        }
        assert!(!is_writable(&writer, Duration::from_millis(5)));
    }
}
