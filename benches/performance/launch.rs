//! Starts a program as receive-pack does, and tells how long it ran and what memory it took at most.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::run;

/// Starts a program without copying our memory first, and prints its wall time in microseconds and peak memory in KiB; the same of
/// pre-receive and it where there is a `FIRST`. Its name lets the hook know when the push began.
const LAUNCHER: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static int status;
static struct rusage usage;
static void start(const char *input, char **words) {
    pid_t child = vfork();
    if (child == 0) {
        dup2(open(input, O_RDONLY), 0);
        dup2(open("/dev/null", O_WRONLY), 1);
        dup2(1, 2);
        execvp(words[0], words);
        _exit(127);
    }
    wait4(child, &status, 0, &usage);
}
int main(int count, char **words) {
    struct timespec start_time, end;
    char *first[] = {getenv("FIRST"), 0};
    if (getenv("BEFORE") && system(getenv("BEFORE"))) return 1;
    clock_gettime(CLOCK_MONOTONIC, &start_time);
    if (first[0]) start(words[1], first);
    if (!status) start(words[1], words + 2);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%ld %ld %d\n", (end.tv_sec - start_time.tv_sec) * 1000000 + (end.tv_nsec - start_time.tv_nsec) / 1000, usage.ru_maxrss, status);
    return 0;
}
"#;

/// What one run took.
#[derive(Clone, Copy)]
pub struct Figures {
    pub seconds: f64,
    pub mebibytes: f64,
}

impl Figures {
    /// Worse than any.
    pub const MOST: Self = Self { seconds: f64::INFINITY, mebibytes: 0.0 };

    /// The shorter time of both, and the larger memory.
    pub fn best(self, other: Self) -> Self {
        Self { seconds: self.seconds.min(other.seconds), mebibytes: self.mebibytes.max(other.mebibytes) }
    }

    pub fn time(self) -> String {
        match self.seconds {
            long if long >= 1.0 => format!("{long:.2} s"),
            short => format!("{:.1} ms", short * 1000.0),
        }
    }
}

pub struct Launcher {
    program: PathBuf,
    /// Our programs as they are installed: what a linker has just written lies in memory in another way, and starts more slowly.
    hook: PathBuf,
    command: PathBuf,
    pub empty: PathBuf,
    /// What a shell does when the push has begun and the hook has not.
    pub before: String,
}

impl Launcher {
    pub fn new(directory: &Path) -> Self {
        let install = |built: &str| {
            let program = directory.join(Path::new(built).file_name().expect("it has a name"));
            fs::copy(built, &program).expect("it can be copied");
            program
        };
        Self {
            program: compile(directory, "git-receive-pack", LAUNCHER),
            hook: install(env!("CARGO_BIN_EXE_post-receive")),
            command: install(env!("CARGO_BIN_EXE_git-webhook")),
            empty: compile(directory, "empty", "int main(void) { return 0; }"),
            before: String::new(),
        }
    }

    /// The hook after a push.
    pub fn hook(&self, repository: &Path, input: &Path) -> Figures {
        self.run(repository, &self.link(repository, "post-receive"), &[], input)
    }

    /// The hook before a push and the one after it, of one push.
    pub fn both(&self, repository: &Path, input: &Path) -> Figures {
        let first = self.link(repository, "pre-receive");
        let mut command = self.command(repository, &self.link(repository, "post-receive"), &[], input);
        measured(command.env("FIRST", first))
    }

    /// The program by the name of a hook, by which it knows its part.
    fn link(&self, repository: &Path, name: &str) -> PathBuf {
        let link = repository.join("hooks").join(name);
        let _ = fs::remove_file(&link);
        symlink(&self.hook, &link).expect("the link can be made");
        link
    }

    pub fn verb(&self, repository: &Path, words: &[&str]) -> Figures {
        self.run(repository, &self.command, words, Path::new("/dev/null"))
    }

    pub fn git(&self, repository: &Path, words: &[&str], input: &Path) -> Figures {
        self.run(repository, Path::new("git"), words, input)
    }

    pub fn run(&self, repository: &Path, program: &Path, words: &[&str], input: &Path) -> Figures {
        measured(&mut self.command(repository, program, words, input))
    }

    fn command(&self, repository: &Path, program: &Path, words: &[&str], input: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(repository).arg(input).arg(program).args(words);
        command.env("GIT_DIR", ".").env("GL_USER", "alice").env("HOME", repository).env("BEFORE", &self.before);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }
}

fn measured(command: &mut Command) -> Figures {
    let said = run(command);
    let numbers: Vec<f64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() == 3 && numbers[2] == 0.0, "{command:?}: {said}");
    Figures { seconds: numbers[0] / 1e6, mebibytes: numbers[1] / 1024.0 }
}

fn compile(directory: &Path, name: &str, source: &str) -> PathBuf {
    let (text, program) = (directory.join(format!("{name}.c")), directory.join(name));
    fs::write(&text, source).expect("the source can be written");
    run(Command::new("cc").args(["-O2", "-o"]).args([&program, &text]));
    program
}
