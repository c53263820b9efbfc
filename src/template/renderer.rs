//! The process that renders a target's templates, and how it is asked.
//!
//! A template may be written by somebody whom the server's other repositories do not trust, and there is no bound on what one costs
//! that its engine keeps everywhere. So it is rendered where it can take time, memory and stack from nobody: a process of its own,
//! which is ended when it does not answer.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::panic;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Flaw, Template, Value, engine};
use crate::message;
use crate::process;

/// What a program of ours starts itself with.
pub const ARGUMENT: &str = "--render-templates";

/// How long it has for one value.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long nothing is asked of it any more once it did not answer.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// What it may take over all values: processor time, in seconds, and memory, in bytes. A new one goes on where the time is up.
const MOST_SECONDS: u64 = 5;
const MOST_MEMORY: u64 = 1 << 30;

/// An answer is at most so much longer than the texts in it: JSON writes a control character in six.
const MOST_A_BYTE: usize = 6;

/// A target's process, which is started when it is needed.
#[derive(Debug, Default)]
pub struct Renderer(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    failed: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

/// What is asked: a line.
#[derive(Serialize, Deserialize)]
struct Question<T, V> {
    /// The templates, each with how many bytes it may make.
    templates: Vec<(T, usize)>,
    value: V,
}

/// What is answered, of each template: a line.
type Answer = Vec<Result<String, Flaw>>;

impl Renderer {
    /// The text that each template makes of a value, in at most so many bytes.
    pub fn render(&self, templates: &[(&Template, usize)], value: &Value) -> Answer {
        if templates.is_empty() {
            return Vec::new();
        }
        let all = |why: &str| templates.iter().map(|_| Err(Flaw::new(why))).collect();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failed.is_some_and(|failed| failed.elapsed() < LEFT_ALONE) {
            return all(message::template_ended());
        }
        let question = Question { templates: templates.to_vec(), value };
        let Ok(mut line) = serde_json::to_vec(&question) else { return all(message::template_ended()) };
        line.push(b'\n');
        let most =
            templates.iter().map(|(_, most)| most.saturating_mul(MOST_A_BYTE)).fold(1 << 16, usize::saturating_add);
        // One that has worked for long may have come to the end of its time.
        let tries = if state.running.is_some() { 2 } else { 1 };
        for _ in 0..tries {
            match state.ask(&line, most) {
                Ok(answer) if answer.len() == templates.len() => return answer,
                Err(error) if error.kind() != io::ErrorKind::TimedOut => state.running = None,
                _ => break,
            }
        }
        (state.running, state.failed) = (None, Some(Instant::now()));
        all(message::template_ended())
    }
}

impl State {
    fn ask(&mut self, line: &[u8], most: usize) -> io::Result<Answer> {
        let running = match &mut self.running {
            Some(running) => running,
            None => self.running.insert(Running::start()?),
        };
        running.input.write_all(line)?;
        let answer = process::read_line(&mut running.output, most, PATIENCE)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

impl Running {
    fn start() -> io::Result<Self> {
        // It outlives nobody, but must hold nothing open while it is ended.
        process::close_descriptors_on_exec();
        let mut command = Command::new(env::current_exe()?);
        command.arg(ARGUMENT).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok(Self { child, input, output })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// That process: answers until nobody asks any more.
pub fn serve() {
    process::limit(MOST_SECONDS, MOST_MEMORY);
    // Whoever asks is told of it.
    panic::set_hook(Box::new(|_| {}));
    let (mut input, mut output) = (BufReader::new(io::stdin().lock()), io::stdout().lock());
    let mut line = String::new();
    while matches!(input.read_line(&mut line), Ok(length) if length > 0) {
        let Ok(question) = serde_json::from_str::<Question<Template, Value>>(&line) else { return };
        let render = |(template, most): &(Template, usize)| {
            let rendered = panic::catch_unwind(|| engine::render(template, &question.value, *most));
            rendered.unwrap_or_else(|_| Err(Flaw::new(message::template_ended())))
        };
        let answer: Answer = question.templates.iter().map(render).collect();
        let Ok(mut answer) = serde_json::to_vec(&answer) else { return };
        answer.push(b'\n');
        if output.write_all(&answer).and_then(|()| output.flush()).is_err() {
            return;
        }
        line.clear();
    }
}
