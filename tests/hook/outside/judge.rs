//! A receiver written by others: starts its program, reads what it says, and ends it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Ends, Receiver, Request, until};

use super::world;

/// A running program that listens on a port of its own choice.
pub struct Judge {
    child: Child,
    port: u16,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Judge {
    /// Where `tests/run` installs what comes from npm and PyPI.
    pub fn installed(path: &str) -> PathBuf {
        // Cargo's directory for tests is `tmp` in the target directory.
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("outside").join(path);
        assert!(path.exists(), "{} is not there: run tests/run, which installs it", path.display());
        path
    }

    /// A command that ends with the thread it is started from, whatever becomes of the test.
    pub fn command(program: impl AsRef<OsStr>, secret: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).env("SECRET", secret);
        command
    }

    /// Starts a program and waits until it says on which port it listens.
    pub fn start(command: &mut Command, port_in: impl Fn(&str) -> Option<&str>) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Arc::default();
        collect(child.stdout.take().unwrap(), &lines);
        collect(child.stderr.take().unwrap(), &lines);
        let mut judge = Self { child, port: 0, lines };
        let end = Instant::now() + Duration::from_secs(120);
        while judge.port == 0 {
            let said = judge.said();
            let is_over = judge.child.try_wait().unwrap().is_some() || Instant::now() > end;
            assert!(!is_over, "{command:?} does not listen: {said:#?}");
            judge.port = said.iter().find_map(|line| port_in(line)?.trim().parse().ok()).unwrap_or(0);
            thread::sleep(Duration::from_millis(20));
        }
        judge
    }

    /// Starts `tests/outside/octokit.mjs`.
    pub fn octokit(secret: &str) -> Self {
        Self::node(include_str!("../../outside/octokit.mjs"), secret)
    }

    /// Starts a script whose libraries node finds from the directory it runs in.
    pub fn node(script: &str, secret: &str) -> Self {
        let mut command = Self::command("node", secret);
        command.args(["--input-type=module", "--eval", script]);
        command.current_dir(Self::installed("node_modules").parent().unwrap());
        Self::start(&mut command, |line| line.strip_prefix("listening on "))
    }

    /// Starts `tests/outside/receivers.py`.
    pub fn python(secret: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/receivers.py");
        let mut command = Self::command(Self::installed("venv/bin/python"), secret);
        Self::start(command.arg(script), |line| line.strip_prefix("listening on "))
    }

    /// Starts `tests/outside/receivers.go`, with the libraries that Debian packages.
    pub fn go(secret: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Each test has its own: what runs cannot be built again.
        let program = directory.join(format!("receivers-{}", std::process::id()));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/receivers.go");
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&program).arg(script).current_dir(directory);
        go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOCACHE", directory.join("go"));
        let output = go.ends();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let judge = Self::start(&mut Self::command(&program, secret), |line| line.strip_prefix("listening on "));
        std::fs::remove_file(program).unwrap();
        judge
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All it has written so far, on standard output and error.
    pub fn said(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The events it accepted since this was called last, as its driver prints them: one object a line. Waits until
    /// there are `count`, for an answer may be here before what was printed before it.
    pub fn events(&self, count: usize) -> Vec<Value> {
        let read = |line: &String| serde_json::from_str(line).ok().filter(Value::is_object);
        until("the receiver tells of its events", || {
            self.lines.lock().unwrap().iter().filter_map(read).count() >= count
        });
        self.lines.lock().unwrap().drain(..).filter_map(|line| read(&line)).collect()
    }

    /// Gets a resource that is JSON.
    pub fn get(&self, path: &str) -> Value {
        // HTTP/1.0, so that the answer ends with the connection and comes in one piece.
        let answer = self.exchange(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Sends a request once more, whole; returns the status of the answer.
    pub fn post(&self, path: &str, request: &Request) -> u16 {
        let mut bytes = format!("POST {path} HTTP/1.1\r\n");
        for (name, value) in &request.headers {
            bytes += &format!("{name}: {value}\r\n");
        }
        let bytes = [format!("{bytes}Connection: close\r\n\r\n").as_bytes(), &request.body].concat();
        let answer = self.exchange(&bytes);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no answer: {answer:?}, {:#?}", self.said()))
    }

    fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    });
}

/// What a receiver answers to a request of ours, to the same with one letter of the author's name changed, and to one
/// signed with another secret.
pub fn replay(judge: &Judge, path: &str, format: &str, key: &str, [secret, other]: [&str; 2]) -> [u16; 3] {
    let request = |secret| {
        let receiver = Receiver::new();
        let world = world(&receiver.url(), format);
        world.configure(key, secret);
        world.commit("one");
        world.push(&["main"]);
        receiver.take_one()
    };
    let ours = request(secret);
    let mut changed = ours.clone();
    let at = ours.body.windows(8).position(|bytes| bytes == b"A U Thor").unwrap();
    changed.body[at] = b'E';
    [&ours, &changed, &request(other)].map(|request| judge.post(path, request))
}
