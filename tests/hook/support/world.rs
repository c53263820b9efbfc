//! A bare repository with the built hook in place, and a clone to push from, apart from everything else on the machine.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::program::JUDGE;
use super::{Ends, PATIENCE, Receiver, canary, judge};

/// The zero id of a SHA-1 repository.
pub const ZERO: &str = "0000000000000000000000000000000000000000";

pub struct World {
    directory: TempDir,
    clock: AtomicU64,
    environment: Vec<(String, String)>,
}

/// What came of a push.
pub struct Pushed {
    pub accepted: bool,
    /// What the pusher saw, `remote: ` included.
    pub output: String,
}

impl Pushed {
    /// The lines our hook printed, without the ids at their ends, which are others each time.
    pub fn said(&self) -> Vec<String> {
        let without_ids = |line: String| match line.rsplit_once(" [") {
            Some((rest, ids)) if ids.ends_with(']') => rest.to_owned(),
            _ => line,
        };
        self.said_whole().into_iter().map(without_ids).collect()
    }

    /// The lines our hook printed.
    pub fn said_whole(&self) -> Vec<String> {
        let lines = self.output.split(['\n', '\r']);
        lines.filter_map(|line| Some(line.strip_prefix("remote: ")?.trim_end().to_owned())).collect()
    }
}

/// A template that tells all of an event that is the same each time.
const VALUE: &str = r#"{"event":{{ event }},"title":{{ title }},"text":{{ text }},"url":{{ url }},"repository":{{ repository }},"pusher":{{ pusher }},"push_options":{{ push_options }},"push":{{ push }},"action":{{ action }},"said":{{ said }},"review":{{ review }},"note":{{ note }}}"#;

impl World {
    /// A SHA-1 repository called `project.git` without any target, and an empty clone.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// The same, with further options of `git init` for both.
    pub fn with(options: &[&str]) -> Self {
        // Another test may have done so.
        let _ = JUDGE.set(judge::judge);
        let directory = tempfile::Builder::new().prefix("git-webhook-test").tempdir().unwrap();
        let environment = vec![("GL_USER".into(), "alice".into())];
        let world = Self { directory, clock: AtomicU64::new(1_700_000_000), environment };
        fs::create_dir(world.path("home")).unwrap();
        // A busy machine may take long before the hook begins a request.
        fs::write(world.path("home/.gitconfig"), "[webhook]\n\tmaxWait = 60s\n").unwrap();
        let init = |extra: &[&str], place: &str| {
            let mut command = world.command("git", world.directory.path());
            command.args(["init", "--quiet", "--initial-branch=main"]).args(options).args(extra).arg(place);
            world.run(&mut command);
        };
        init(&["--bare"], "project.git");
        init(&[], "work");
        let hooks = world.server().join("hooks");
        fs::create_dir_all(&hooks).unwrap();
        for name in ["post-receive", "pre-receive"] {
            symlink(env!("CARGO_BIN_EXE_post-receive"), hooks.join(name)).unwrap();
        }
        world.configure("receive.advertisePushOptions", "true");
        world.configure("webhook.repository", "group/project");
        world
    }

    /// A world whose one target, `ci`, is `receiver`.
    pub fn told_to(receiver: &Receiver, format: &str) -> Self {
        let world = Self::new();
        world.add_target("ci", receiver, format);
        world
    }

    /// The same, without any secret.
    pub fn told_plainly_to(receiver: &Receiver, format: &str) -> Self {
        let world = Self::new();
        world.add_plain_target("ci", receiver, format);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn server(&self) -> PathBuf {
        self.path("project.git")
    }

    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// Sets a variable for everything that is run from here on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Adds a value to the server's configuration.
    pub fn configure(&self, key: &str, value: &str) {
        self.server_git(&["config", "--add", key, value]);
    }

    /// Adds a value to the user's own configuration, which is protected scope.
    pub fn configure_globally(&self, key: &str, value: &str) {
        self.server_git(&["config", "--global", "--add", key, value]);
    }

    pub fn add_target(&self, name: &str, receiver: &Receiver, format: &str) {
        self.configure(&format!("webhook.{name}.url"), &canary::url(&receiver.url()));
        self.configure(&format!("webhook.{name}.format"), format);
        // Without git, whose every run moves the clock that commits have.
        let keys = canary::keys(format).into_iter().chain(self.template_of(format));
        let keys: String = keys.map(|(key, value)| format!("{key} = {value}\n")).collect();
        let mut places = ["config", ".git/config"].map(|place| self.server().join(place)).into_iter();
        let config = places.find(|place| place.exists()).unwrap();
        let mut config = fs::OpenOptions::new().append(true).open(config).unwrap();
        write!(config, "[webhook \"{name}\"]\n{keys}").unwrap();
    }

    /// A target without any secret, for tests of what a request is made of and of secrets of their own.
    pub fn add_plain_target(&self, name: &str, receiver: &Receiver, format: &str) {
        self.configure(&format!("webhook.{name}.url"), &receiver.url());
        self.configure(&format!("webhook.{name}.format"), format);
        self.give_template(name, format);
    }

    /// What a target of this format has to have beside, if anything.
    pub fn give_template(&self, name: &str, format: &str) {
        if let Some((key, value)) = self.template_of(format) {
            self.configure(&format!("webhook.{name}.{key}"), &value);
        }
    }

    /// The key that a target of this format has to have, and the file that it names.
    fn template_of(&self, format: &str) -> Option<(&'static str, String)> {
        (format == "template").then(|| {
            self.write_template("value.json", VALUE);
            ("template", "value.json".into())
        })
    }

    /// Puts a template of those that are installed among the repository's own, and returns its name.
    pub fn put_template(&self, name: &str) -> String {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/templates").join(name);
        self.write_template(name, &fs::read_to_string(from).unwrap());
        name.into()
    }

    /// Writes a template of the repository's own.
    pub fn write_template(&self, name: &str, text: &str) {
        let mut places = ["", ".git"].map(|place| self.server().join(place)).into_iter();
        let directory = places.find(|place| place.join("config").exists()).unwrap().join("webhook/template");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name), text).unwrap();
    }

    /// Gives receivers all the time that they need.
    pub fn wait_long(&self) {
        self.configure("webhook.timeout", "60s");
        self.configure("webhook.maxWait", "60s");
    }

    /// A command with nothing of the outside in its environment but what finds programs.
    pub fn command(&self, program: impl AsRef<OsStr>, directory: &Path) -> Command {
        let time = self.clock.fetch_add(60, Ordering::Relaxed);
        let date = format!("{time} +0100");
        let mut command = Command::new(program);
        command.current_dir(directory).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        // Neither has anything told that is secret.
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        command.env("HOME", self.path("home")).env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
        command.env("GIT_AUTHOR_NAME", "A U Thor").env("GIT_AUTHOR_EMAIL", "author@example.com");
        command.env("GIT_COMMITTER_NAME", "C O Mitter").env("GIT_COMMITTER_EMAIL", "committer@example.com");
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, command: &mut Command) -> String {
        let output = command.ends();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs git in the clone.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.run(self.command("git", &self.work()).args(arguments))
    }

    /// Runs git in the bare repository.
    pub fn server_git(&self, arguments: &[&str]) -> String {
        self.run(self.command("git", &self.server()).args(arguments))
    }

    /// Feeds git in the clone on standard input.
    pub fn git_with_input(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.feed(self.command("git", &self.work()).args(arguments), input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    #[track_caller]
    pub fn feed(&self, command: &mut Command, input: &[u8]) -> Output {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap().ends_fed(input)
    }

    /// Commits a change of one file, named after the message, and returns the commit's id.
    pub fn commit(&self, message: &str) -> String {
        let file = message.split_whitespace().next().unwrap_or("file");
        self.write(&format!("{file}.txt"), message);
        self.commit_all(message)
    }

    /// Commits whatever the work tree holds.
    pub fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.id("HEAD")
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The object id a name stands for in the clone.
    pub fn id(&self, name: &str) -> String {
        self.git(&["rev-parse", name])
    }

    /// Pushes, by force where need be.
    pub fn push(&self, refs: &[&str]) -> Pushed {
        self.push_with(&[], refs)
    }

    /// Does something while post-receive is away, as where the client is gone before it starts.
    pub fn unheard<T>(&self, act: impl FnOnce() -> T) -> T {
        let hook = self.server().join("hooks/post-receive");
        fs::rename(&hook, hook.with_extension("away")).unwrap();
        let outcome = act();
        fs::rename(hook.with_extension("away"), hook).unwrap();
        outcome
    }

    pub fn push_with(&self, options: &[&str], refs: &[&str]) -> Pushed {
        let mut command = self.command("git", &self.work());
        command.args(["push", "--force"]).args(options).arg(self.server()).args(refs);
        let output = command.ends();
        Pushed { accepted: output.status.success(), output: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Runs the hook by itself, as receive-pack does: in the repository, `GIT_DIR=.`, the ref updates on standard input.
    pub fn hook(&self) -> Command {
        let mut command = self.command(self.server().join("hooks/post-receive"), &self.server());
        command.env("GIT_DIR", ".");
        command
    }

    /// Runs `git webhook` in the bare repository.
    pub fn webhook(&self, arguments: &[&str]) -> Output {
        self.webhook_command().args(arguments).ends()
    }

    pub fn webhook_command(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_git-webhook"), &self.server())
    }

    /// What `git rev-list` says in the bare repository, newest first, replacements and grafts left out of account.
    pub fn rev_list(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = self.command("git", &self.server());
        command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_GRAFT_FILE", "/dev/null");
        let list = self.run(command.args([&["rev-list"], arguments].concat()));
        list.lines().map(String::from).collect()
    }

    /// The ids of all refs of the bare repository, each behind `^`, for `git rev-list` after the next push.
    pub fn hidden(&self) -> Vec<String> {
        let refs = self.server_git(&["for-each-ref", "--format=^%(objectname)"]);
        refs.lines().map(String::from).collect()
    }

    /// What lies in a directory of the bare repository, sorted, hidden files left out; nothing where it is not there.
    pub fn files(&self, directory: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.server().join(directory)) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
        paths.sort();
        paths
    }

    /// The lines of the delivery log, oldest first.
    pub fn attempts(&self) -> Vec<Value> {
        let days = self.files("webhook/log").into_iter().map(|day| fs::read_to_string(day).unwrap());
        let lines: Vec<String> = days.flat_map(|day| day.lines().map(String::from).collect::<Vec<_>>()).collect();
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The hook's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.server().join("webhook/hook.log")).unwrap_or_default()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !thread::panicking() {
            canary::is_nowhere_below(&self.server().join("webhook"));
        }
    }
}

/// Waits until something is so, or fails.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
