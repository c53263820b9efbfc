//! Programs that a test runs, of which one that hangs is a red test and not one that never ends, and those that it writes.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything takes that works, on however slow a machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Looks at what each program printed.
pub static JUDGE: OnceLock<fn(&Command, &Output)> = OnceLock::new();

/// One that ends with the test.
#[allow(dead_code, reason = "the tests of the installation start none")]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that has to end.
pub trait Ends: Sized {
    /// Waits for it, and returns what it printed.
    #[track_caller]
    fn ends(self) -> Output {
        self.ends_fed(&[])
    }

    /// The same, with this on its standard input.
    #[track_caller]
    fn ends_fed(self, input: &[u8]) -> Output;
}

impl Ends for &mut Command {
    #[track_caller]
    fn ends_fed(self, input: &[u8]) -> Output {
        let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
        let spawned = self.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let output = spawned.unwrap_or_else(|error| panic!("{self:?}: {error}")).ends_fed(input);
        if let Some(judge) = JUDGE.get() {
            judge(self, &output);
        }
        output
    }
}

impl Ends for Child {
    #[track_caller]
    fn ends_fed(mut self, input: &[u8]) -> Output {
        let id = self.id();
        if let Some(mut stdin) = self.stdin.take() {
            let input = input.to_vec();
            // A program that does not read its input to the end is no failure of the test.
            thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(self.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(PATIENCE) else {
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            end_family(id as i32);
            panic!("'{}' does not end", command.escape_ascii());
        };
        output.unwrap()
    }
}

/// Writes a program or a script.
///
/// Another process does: what this one has open for writing while a thread of it starts a program is busy until that
/// has begun, and cannot be run itself.
#[track_caller]
pub fn write_program(path: &Path, content: impl AsRef<[u8]>) {
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(path).ends_fed(content.as_ref());
    assert!(output.status.success(), "{}", output.stderr.escape_ascii());
}

/// Ends a process with all that it has started.
fn end_family(id: i32) {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    // It may have ended in the meantime.
    let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
    children.split(' ').filter_map(|child| child.parse().ok()).for_each(end_family);
}
