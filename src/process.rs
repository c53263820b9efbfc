//! What the process is given by the system: environment variables, the user it runs as, the host's name, descriptors
//! that are ready.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{User, geteuid, gethostname};

/// Flags to open a file whose path others may have prepared: no symbolic link in its last place, no waiting for a fifo's writer.
pub const OPEN_CAREFULLY: i32 = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).bits();

/// A picture of the environment variables, taken once, so that everything below is a function of its arguments.
#[derive(Clone, Debug, Default)]
pub struct Environment(HashMap<OsString, OsString>);

impl Environment {
    /// Takes the variables, as `std::env::vars_os` gives them.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// The value of `name`; an empty value counts as none, as in most of git.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`, be it empty.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value of `name` as text, with U+FFFD in place of what is not UTF-8.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.to_string_lossy().into_owned())
    }
}

/// The login of the user this process runs as, or `uid <number>` for a user without a passwd entry, as in containers.
pub fn os_user() -> String {
    let uid = geteuid();
    match User::from_uid(uid) {
        Ok(Some(user)) if !user.name.is_empty() => user.name,
        _ => format!("uid {uid}"),
    }
}

/// The name of this host, `localhost` where it cannot be told.
pub fn host_name() -> String {
    gethostname()
        .ok()
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".into())
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

    #[test]
    fn an_empty_variable_counts_as_none() {
        let environment = Environment::new([("GL_USER".into(), "".into())]);
        assert_eq!(environment.get("GL_USER"), None);
    }
}
