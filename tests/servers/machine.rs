//! A machine of the test's own: its network is a loopback device alone, its processes end with it, and what it writes below
//! `/etc`, `/home` and so on nobody else sees.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Output, Stdio};

use crate::support::{Ends, Running, until};

/// Says that the machine has been set up.
const INSIDE: &str = "GIT_WEBHOOK_TEST_MACHINE";

/// Laid over what is there, so that the packages' own files are.
const PLACES: [&str; 8] = ["/etc", "/home", "/opt", "/root", "/run", "/srv", "/usr/local", "/var"];

pub struct Machine(());

impl Machine {
    /// Runs the test that has this name on a machine of its own: `None` where this process has seen it do so.
    pub fn new(name: &str) -> Option<Self> {
        if env::var_os(INSIDE).is_some() {
            return Some(Self::set_up());
        }
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        unshare.arg(env::current_exe().unwrap());
        unshare.args(["--exact", name, "--include-ignored", "--nocapture"]).env(INSIDE, "1");
        let output = unshare.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 passed"), "no test is called {name}");
        None
    }

    fn set_up() -> Self {
        let layers: String = PLACES
            .iter()
            .map(|place| {
                let own = format!("/mnt/{}", place.replace('/', "_"));
                format!(
                    "mkdir {own}.up {own}.work && chmod --reference={place} {own}.up\n\
                     mount -t overlay -o lowerdir={place},upperdir={own}.up,workdir={own}.work none {place}\n"
                )
            })
            .collect();
        // Whom and what the real machine has beside its packages nobody knows. A git of its own reads the same configuration.
        let script = format!(
            "set -e\nip link set lo up\nmount -t tmpfs none /mnt\nmkdir -m 1777 /mnt/open\n{layers}rm -rf /srv/* /home/* /etc/gitconfig /root/.gitconfig
             mkdir -p /usr/local/etc && ln -sf /etc/gitconfig /usr/local/etc/gitconfig
             for user in $(awk -F: '$3 >= 1000 && $3 < 60000 {{ print $1 }}' /etc/passwd); do userdel -f $user; done 2>/dev/null
             for group in $(awk -F: '$3 >= 1000 && $3 < 60000 {{ print $1 }}' /etc/group); do groupdel $group; done"
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let machine = Self(());
        machine.run("git config --system user.name Ada && git config --system user.email ada@example.org");
        machine
    }

    /// A program as root, apart from what whoever runs the tests has set.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir("/");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
        command
    }

    /// A script as root.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.command("sh");
        command.args(["-ec", script]);
        command
    }

    /// A script as a user, in his home.
    pub fn shell_as(&self, user: &str, script: &str) -> Command {
        let mut command = self.command("runuser");
        command.args([
            "-u",
            user,
            "--",
            "sh",
            "-ec",
            &format!("HOME=$(getent passwd {user} | cut -d: -f6); export HOME; cd; {script}"),
        ]);
        command
    }

    /// Runs a script as root, and returns what it printed.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        succeeds(script, self.shell(script).ends())
    }

    /// The same as a user.
    #[track_caller]
    pub fn run_as(&self, user: &str, script: &str) -> String {
        succeeds(script, self.shell_as(user, script).ends())
    }

    /// Starts a server that ends with the test.
    pub fn start(&self, script: &str) -> Running {
        Running(self.shell(&format!("exec {script}")).stdin(Stdio::null()).spawn().unwrap())
    }

    /// Installs what is built, and the hooks into these repositories.
    pub fn install(&self, words: &str) -> String {
        self.run(&format!("{} --from {} {words} 2>&1", installer(), built()))
    }

    /// What `git webhook check` finds in a repository: advice too, but for that no timer is set up.
    pub fn check(&self, repository: &str) -> Vec<String> {
        let output = self.shell(&format!("cd {repository} && git webhook check --json")).ends();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let rows: serde_json::Value = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)));
        let rows = rows.as_array().cloned().or_else(|| rows["findings"].as_array().cloned()).unwrap_or_default();
        let messages = rows.iter().filter(|row| row["about"] != "timer").map(|row| row["message"].as_str().unwrap());
        messages.map(String::from).collect()
    }
}

fn succeeds(script: &str, output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// `install.sh` of this checkout.
pub fn installer() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh")
}

/// Where the programs were built.
pub fn built() -> &'static str {
    env!("CARGO_BIN_EXE_post-receive").strip_suffix("/post-receive").unwrap()
}

/// Waits until a server takes connections.
#[track_caller]
pub fn until_listening(port: u16) {
    until(&format!("port {port} is served"), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// What is at work on a push on the server's side, each by its id and its words.
pub fn left_running() -> Vec<(i32, String)> {
    let ids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let line = |id: &i32| fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default().replace('\0', " ");
    let is_of_push = |(_, line): &(i32, String)| {
        let has = |word| line.contains(word);
        ["post-receive", "pre-receive", "receive-pack"].into_iter().any(has)
            && !has("git push")
            && !has("daemon --listen")
    };
    ids.map(|id| (id, line(&id))).filter(is_of_push).collect()
}
