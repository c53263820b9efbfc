//! A nats-server of a test's own.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use git_webhook::stream::{Credentials, JetStream, Role, Servers, streams};
use git_webhook::transport::Trust;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::until;

pub struct Broker {
    directory: TempDir,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Broker {
    /// One that lets in everybody, with the streams in it.
    pub fn new() -> Self {
        let broker = Self::with("");
        broker.set_up();
        broker
    }

    /// One with further lines of configuration, in which `{directory}` is a place for its files, and nothing in it.
    pub fn with(configuration: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("git-webhook-broker").tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let path = directory.path().to_str().unwrap().to_owned();
        let more = configuration.replace("{directory}", &path);
        // By default it promises streams no more than is free on the disk now.
        let js = format!("store_dir: '{path}/js', max_file_store: 64G");
        let text = format!("listen: 127.0.0.1:{port}\njetstream {{ {js} }}\n{more}\n");
        fs::write(directory.path().join("nats.conf"), text).unwrap();
        let broker = Self { directory, port, process: Mutex::default() };
        broker.start();
        broker
    }

    /// Makes the streams.
    pub fn set_up(&self) {
        let mut broker = self.connect(Role::Administrator);
        for stream in streams(1) {
            let subject = format!("$JS.API.STREAM.CREATE.{}", stream.name);
            broker.call(&subject, &stream.config, soon()).unwrap();
        }
    }

    /// Starts it, and waits until it answers.
    pub fn start(&self) {
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(self.directory.path().join("nats.conf"));
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        let process = command.stdout(Stdio::null()).stderr(log).spawn().expect("nats-server: run tests/run");
        *self.process.lock().unwrap() = Some(process);
        until("the broker answers", || {
            TcpStream::connect(("127.0.0.1", self.port))
                .is_ok_and(|mut stream| stream.read(&mut [0; 16]).is_ok_and(|n| n > 0))
        });
    }

    /// Ends it as a power cut would end the process.
    pub fn kill(&self) {
        let mut process = self.process.lock().unwrap().take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// It says nothing any more, until `Self::wake`.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let id = self.process.lock().unwrap().as_ref().unwrap().id();
        let stat = || fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        until("the broker stands still", || stat().rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')));
    }

    pub fn wake(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.lock().unwrap().as_ref().unwrap().id();
        kill(Pid::from_raw(id as i32), signal).unwrap();
    }

    /// Empties its disk, while it does not run.
    pub fn forget(&self) {
        fs::remove_dir_all(self.directory.path().join("js")).unwrap();
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// A connection without credentials.
    pub fn connect(&self, role: Role) -> JetStream {
        let servers = Servers::parse(&self.url()).unwrap();
        JetStream::open(&servers, &Credentials::default(), &Trust::default(), role, Duration::from_secs(60)).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A deadline that only what hangs comes to.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
