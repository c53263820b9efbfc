//! The pre-receive hook: writes down what is about to be pushed, so that the push has its event though the client goes
//! away before post-receive starts.
//!
//! Whatever it does, it must not refuse the push: by no exit status, and by taking neither memory nor time that a push of
//! any size might lack. So lines are written as they come, and where nothing goes on it gives up.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use log::debug;

use super::{INPUT_LIMIT, INPUT_PATIENCE, gitolite, line_of, namespace};
use crate::config::Configuration;
use crate::identifier;
use crate::log_file;
use crate::pipeline::{Pipeline, may_want};
use crate::process::{self, Environment, LineBounds, Lines, Process, Watch};
use crate::ref_update::{self, LONGEST_LINE, Namespace, RefEvent, RefUpdate};
use crate::repository::{self, Links};
use crate::spool::{Asked, IntentLines, Receipt, Spool};
use crate::state_dir::StateDir;

/// How long it goes on though nothing else does: a disk that takes nothing, a receive-pack that is silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many ref updates that nobody wants are read before a file is made that one further on may have to be in.
const MOST_HELD: usize = 256;

/// Runs the pre-receive hook. It never refuses anything, and prints nothing: git's own receive-pack kills the push of a
/// client that is gone when its hooks print.
pub fn run<R: Read + AsFd + IsTerminal>(input: R, environment: &Environment, words: &[OsString]) {
    let Some(git_dir) = environment.get("GIT_DIR").map(PathBuf::from) else { return };
    let line = line_of(words);
    if input.is_terminal() && line.is_none() {
        return;
    }
    process::hold_back_signals();
    let watch = Watch::start(PATIENCE);
    let common_dir = repository::common_dir(&git_dir);
    let configuration = Configuration::read(&git_dir, &common_dir, environment);
    watch.step();
    let pipeline = match &configuration {
        Ok(configuration) => {
            let pipeline = Pipeline::new(&git_dir, &common_dir, configuration);
            log_file::start(pipeline.spool.state(), configuration.settings.log_level);
            Some(pipeline)
        }
        // post-receive says so, and keeps its receipt.
        Err(_) => None,
    };
    let spool =
        pipeline.as_ref().map_or_else(|| Spool::new(StateDir::found(&common_dir)), |pipeline| pipeline.spool.clone());
    if pipeline.as_ref().is_some_and(|pipeline| pipeline.asked().next().is_none()) {
        return;
    }
    if configuration.as_ref().is_ok_and(|read| gitolite::is_copied(&read.settings, environment)) {
        return;
    }
    // The hook is installed twice where there is one already.
    if Process::receive_pack().is_some_and(|own| spool.has_intent_of(own)) {
        return;
    }
    let bounds = LineBounds { longest: LONGEST_LINE, limit: INPUT_LIMIT, patience: INPUT_PATIENCE };
    let lines = (!input.is_terminal()).then(|| Lines::new(input, bounds));
    let namespace = namespace(environment);
    let links = configuration.as_ref().ok().map(|read| Links::new(&common_dir, read.layout));
    let mut announced = Announced {
        words: line,
        lines,
        namespace,
        links,
        held: VecDeque::new(),
        pipeline: pipeline.as_ref(),
        watch: &watch,
    };
    if !announced.may_be_wanted() {
        return;
    }
    let variables = configuration.as_ref().map_or(&[][..], |read| &read.settings.user_variables);
    let head = Receipt::new(Vec::new(), environment, variables);
    watch.step();
    if let Err(error) = spool.write_intent(head, &watch, |lines| announced.write(lines)) {
        debug!("pre-receive: {error}: if the client goes away now, run git webhook reconcile");
    }
}

/// What git is about to do, as it comes.
struct Announced<'p, R> {
    /// The line that a wrapper handed over as words, unless it came as input too.
    words: Option<Vec<u8>>,
    /// `None` where standard input is a terminal.
    lines: Option<Lines<R>>,
    namespace: Namespace,
    links: Option<Links<'p>>,
    /// What was read before it was clear that it has to be written down.
    held: VecDeque<RefUpdate>,
    /// `None` where nobody knows who wants what.
    pipeline: Option<&'p Pipeline<'p>>,
    watch: &'p Watch,
}

impl<R: Read + AsFd> Announced<'_, R> {
    /// Whether anybody may want any of it: then, or where that takes long to find out, it is written down from the first
    /// line on.
    fn may_be_wanted(&mut self) -> bool {
        while let Some(update) = self.read() {
            let is_wanted = self.pipeline.is_none_or(|pipeline| pipeline.is_wanted(std::slice::from_ref(&update)));
            self.held.push_back(update);
            if is_wanted || self.held.len() == MOST_HELD {
                return true;
            }
        }
        false
    }

    fn next(&mut self) -> Option<RefUpdate> {
        self.held.pop_front().or_else(|| self.read())
    }

    /// The next update of the input, without what is none.
    fn read(&mut self) -> Option<RefUpdate> {
        loop {
            let words;
            let update = match self.lines.as_mut().and_then(Lines::next_line) {
                Some(line) => {
                    self.words.take_if(|words| words == line);
                    ref_update::parse_one(line, &self.namespace)
                }
                None => {
                    words = self.words.take()?;
                    ref_update::parse_one(&words, &self.namespace)
                }
            };
            self.watch.step();
            let Some(update) = update else { continue };
            let behind = self.links.as_ref().and_then(|links| links.behind(&update.name, false));
            return Some(match behind {
                Some(name) => update.behind(name),
                None => update,
            });
        }
    }

    /// Writes it all down, and tells who was asked; `None` where nobody wants any of it, or the list was cut short.
    fn write(&mut self, to: &mut IntentLines<'_>) -> io::Result<Option<Vec<Asked>>> {
        let targets: Vec<_> = self.pipeline.into_iter().flat_map(Pipeline::asked).collect();
        let mut asked: Vec<_> = targets.iter().map(|target| Asked::new(target.name(), &[], |_| false)).collect();
        let mut is_wanted = self.pipeline.is_none();
        while let Some(update) = self.next() {
            let wanting: Vec<bool> = targets.iter().map(|target| may_want(target, &update)).collect();
            let number = to.add(&RefEvent::new(update, identifier::event()))?;
            for (asked, _) in asked.iter_mut().zip(wanting).filter(|(_, wants)| *wants) {
                asked.add(number);
                is_wanted = true;
            }
        }
        if self.lines.as_ref().is_some_and(|lines| !lines.is_whole()) {
            debug!("pre-receive: the list of refs was cut short: receive-pack has died");
            return Ok(None);
        }
        Ok(Some(asked).filter(|_| is_wanted))
    }
}
