//! Descriptors: ready in time, closed in programs that are started, a terminal that shows nothing.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, IntoRawFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{dup2_stdin, dup2_stdout};

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
///
/// # Errors
/// Where there is no memory for it ([`io::ErrorKind::OutOfMemory`]).
pub fn read_to_end<R: Read + AsFd>(mut input: R, limit: usize, patience: Duration) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while is_ready(&input, PollFlags::POLLIN, patience) {
        match input.read(&mut chunk) {
            Ok(0) => return Ok((bytes, true)),
            Ok(_) if bytes.len() >= limit => return Ok((bytes, false)),
            Ok(count) => {
                bytes.try_reserve(count)?;
                bytes.extend_from_slice(&chunk[..count]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Ok((bytes, false)),
        }
    }
    Ok((bytes, false))
}

/// Reads one line of a program that answers in lines, without its end, of at most `limit` bytes and within `patience` in all.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] where it does not come in time, [`io::ErrorKind::UnexpectedEof`] where the program has ended.
pub fn read_line<R: Read + AsFd>(input: &mut R, limit: usize, patience: Duration) -> io::Result<Vec<u8>> {
    let end = Instant::now() + patience;
    let mut line = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while !line.ends_with(b"\n") {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || line.len() > limit || !is_ready(&*input, PollFlags::POLLIN, left) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match input.read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => line.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    line.pop();
    Ok(line)
}

/// Opens `/dev/null` for each standard descriptor that is closed.
pub(super) fn open_standard_descriptors() {
    let (input, output, errors) = (io::stdin(), io::stdout(), io::stderr());
    let mut all = [input.as_fd(), output.as_fd(), errors.as_fd()].map(|one| PollFd::new(one, PollFlags::empty()));
    if matches!(poll(&mut all, PollTimeout::ZERO), Ok(0)) {
        return;
    }
    let is_closed = |one: &&PollFd<'_>| one.revents().is_some_and(|events| events.contains(PollFlags::POLLNVAL));
    for _ in all.iter().filter(is_closed) {
        // It gets the lowest number that is free, and keeps it.
        let _ = File::options().read(true).write(true).open("/dev/null").map(IntoRawFd::into_raw_fd);
    }
}

/// Lets go of standard input and output, in whose place comes what nobody writes to or reads.
///
/// # Errors
/// Where that cannot be opened or put there.
pub fn leave_input_and_output() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    Ok(dup2_stdout(&null)?)
}

/// Whether there is so much memory to be had, in bytes.
///
/// # Errors
/// Where there is not ([`io::ErrorKind::OutOfMemory`]).
pub fn has_memory(size: usize) -> io::Result<()> {
    // Asked for and given back: of a failure further on the program would die.
    Ok(Vec::<u8>::new().try_reserve_exact(size)?)
}

/// The lines of an input as they come, in no more memory than one of them takes.
pub struct Lines<R> {
    input: R,
    bounds: LineBounds,
    chunk: Vec<u8>,
    /// How much of the chunk was given out.
    at: usize,
    count: usize,
    line: Vec<u8>,
    is_whole: bool,
}

/// What is too much.
pub struct LineBounds {
    /// Bytes of a line; of a longer one so many are given out, and one more.
    pub longest: usize,
    /// Bytes of the whole input.
    pub limit: usize,
    /// How long a writer may be silent before he is taken to have finished.
    pub patience: Duration,
}

impl<R: Read + AsFd> Lines<R> {
    /// Those of `input`.
    pub fn new(input: R, bounds: LineBounds) -> Self {
        Self { input, bounds, chunk: Vec::new(), at: 0, count: 0, line: Vec::new(), is_whole: false }
    }

    /// The next line without its LF; `None` at the end.
    pub fn next_line(&mut self) -> Option<&[u8]> {
        self.line.clear();
        loop {
            if self.at == self.chunk.len() && !self.fill() {
                return Some(self.line.as_slice()).filter(|line| !line.is_empty());
            }
            let rest = &self.chunk[self.at..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let text = &rest[..end.unwrap_or(rest.len())];
            let room = (self.bounds.longest + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            self.at += end.map_or(rest.len(), |end| end + 1);
            if end.is_some() {
                return Some(&self.line);
            }
        }
    }

    /// Whether the input ended, with no more than the limit; asked once there are no more lines.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Reads on; whether there is more.
    fn fill(&mut self) -> bool {
        while is_ready(&self.input, PollFlags::POLLIN, self.bounds.patience) {
            self.chunk.resize(16 * 1024, 0);
            let read = self.input.read(&mut self.chunk);
            self.chunk.truncate(*read.as_ref().unwrap_or(&0));
            self.at = 0;
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => {
                    self.is_whole = self.count <= self.bounds.limit;
                    return false;
                }
                Ok(read) => {
                    self.count += read;
                    return self.count <= self.bounds.limit;
                }
                Err(_) => return false,
            }
        }
        false
    }
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
        let read = || read_to_end(&reader, 1 << 20, Duration::from_millis(20)).unwrap();
        assert_eq!(read(), (b"some".to_vec(), false));
        drop(writer);
        assert_eq!(read(), (Vec::new(), true));
    }

    #[test]
    fn lines_come_whole_whatever_they_are_read_in_and_long_ones_cut() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let text = [b"a\n".as_slice(), &[b'x'; 40_000], b"\n\n", &[b'y'; 20_000], b"\nend"].concat();
        let (fed, rest) = (text.clone(), text.len());
        let feed = std::thread::spawn(move || writer.write_all(&fed));
        let bounds = LineBounds { longest: 30_000, limit: rest, patience: Duration::from_secs(60) };
        let mut lines = Lines::new(&reader, bounds);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line() {
            seen.push((line.len(), line.first().copied()));
        }
        feed.join().unwrap().unwrap();
        assert_eq!(seen, [(1, Some(b'a')), (30_001, Some(b'x')), (0, None), (20_000, Some(b'y')), (3, Some(b'e'))]);
        assert!(lines.is_whole());
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
