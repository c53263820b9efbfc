//! A process that is taken for receive-pack, whose hooks can be killed one by one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nix::unistd::Pid;

use crate::support::{Ends, World};

/// A process that is taken for receive-pack, and runs both hooks.
pub struct ReceivePack {
    shell: Child,
    answers: BufReader<ChildStdout>,
    pub began: Instant,
    pub hook: Option<Pid>,
}

impl ReceivePack {
    /// Runs pre-receive.
    pub fn start(world: &World, input: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let file = world.path(&format!("input{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::write(&file, input).unwrap();
        let script = r#"hooks/pre-receive <"$1"; echo done; read go
            hooks/post-receive <"$1" >/dev/null 2>&1 & echo $!; read go; wait $!"#;
        let mut shell = world.command("sh", &world.server());
        shell.env("GIT_DIR", ".").args(["-c", script, "git-receive-pack"]).arg(file);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let answers = BufReader::new(shell.stdout.take().unwrap());
        let mut started = Self { shell, answers, began: Instant::now(), hook: None };
        assert_eq!(started.answer(), "done");
        started
    }

    /// Starts post-receive.
    pub fn go_on(mut self) -> Self {
        self.shell.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let number = self.answer().parse().unwrap();
        Self { began: Instant::now(), hook: Some(Pid::from_raw(number)), ..self }
    }

    /// Waits for post-receive.
    pub fn end(mut self) -> ExitStatus {
        self.shell.stdin.take().unwrap().write_all(b"\n").unwrap();
        self.shell.ends().status
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().into()
    }
}
