//! What must be so however a push comes to the repository.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bstr::ByteSlice;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};

use crate::machine::{Machine, left_running};
use crate::support::{Answer, Ends, Gate, Receiver, Request, until, write_program};

#[derive(Clone)]
/// One way to push, and what a receiver is to be told then.
pub struct Way<'m> {
    pub machine: &'m Machine,
    /// The bare repository, and who owns it.
    pub repository: &'m str,
    pub owner: &'m str,
    /// Where the pusher works, and who he is there.
    pub user: &'m str,
    pub url: &'m str,
    /// What `git push` is to be started with.
    pub environment: Vec<(&'m str, String)>,
    /// What is told.
    pub pusher: &'m str,
    pub name: &'m str,
    pub clone_address: &'m str,
    /// What is pushed there.
    pub branch: &'m str,
}

impl Way<'_> {
    /// A clone with a commit and a tag.
    fn work(&self) -> String {
        let home = self.machine.run(&format!("getent passwd {} | cut -d: -f6", self.user));
        format!("{}/work", home.trim())
    }

    pub fn make_work(&self) {
        let work = self.work();
        let script = format!(
            "rm -rf {work}; git init -q -b main {work}; cd {work}; echo one >file; git add file; git commit -qm one; git tag v1"
        );
        self.machine.run_as(self.user, &script);
    }

    pub fn commit(&self) {
        self.machine.run_as(self.user, &format!("cd {}; git commit -q --allow-empty -m more", self.work()));
    }

    /// Pushes the branch, and what else is named.
    pub fn push(&self, more: &str) -> Command {
        let exports: String =
            self.environment.iter().map(|(name, value)| format!("export {name}='{value}'; ")).collect();
        let script = format!("{exports}cd {}; exec git push {} main:{} {more}", self.work(), self.url, self.branch);
        let mut command = self.machine.shell_as(self.user, &script);
        command.process_group(0);
        command
    }

    #[track_caller]
    pub fn pushes(&self, more: &str) -> String {
        let output = self.push(more).ends();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    /// Has the one target be this receiver.
    pub fn tell(&self, receiver: &Receiver) {
        let file = format!("{}/config", self.repository);
        self.machine.run(&format!(
            "git config --file {file} webhook.ci.url {} && git config --file {file} webhook.ci.format gitlab && chown {} {file}",
            receiver.url(),
            self.owner
        ));
    }

    fn configure(&self, key: &str, value: &str) {
        let file = format!("{}/config", self.repository);
        self.machine.run(&format!("git config --file {file} {key} {value} && chown {} {file}", self.owner));
    }

    fn webhook(&self, words: &str) -> String {
        self.machine.run(&format!("cd {} && git webhook {words}", self.repository))
    }

    /// Everything that is so on each server.
    pub fn serves(&self) {
        self.make_work();
        self.is_told_whole();
        self.slow_and_dead_receivers_hold_up_no_more_than_they_may();
        self.a_detached_delivery_outlives_the_push();
        self.a_pusher_who_vanishes_loses_nothing();
        assert_eq!(left_running(), []);
    }

    fn is_told_whole(&self) {
        let receiver = Receiver::new();
        self.tell(&receiver);
        let said = self.pushes(&format!("v1:refs/tags/{}-1", self.branch));
        let branch = self.branch;
        assert!(said.contains(&format!("remote: webhook ci: delivered {branch}, {branch}-1 (200, ")), "{said}");
        let told = receiver.take();
        assert_eq!(kinds(&told), [format!("push refs/heads/{branch}"), format!("tag_push refs/tags/{branch}-1")]);
        for request in &told {
            let json = request.json();
            assert_eq!(json["user_username"], self.pusher, "{json:#}");
            assert_eq!(json["project"]["path_with_namespace"], self.name, "{json:#}");
            let addresses = [&json["project"]["git_ssh_url"], &json["project"]["git_http_url"]];
            assert!(addresses.iter().any(|it| *it == self.clone_address), "{addresses:?}");
        }
        self.nothing_of_the_server_is_kept();
    }

    /// Of what the server has in its environment nothing but what names the pusher, and no descriptor of its is passed on.
    fn nothing_of_the_server_is_kept(&self) {
        let kept = self.machine.run(&format!(
            "grep -rlaE 'HTTP_AUTHORIZATION|YWRhOnBhc3N3b3Jk|HTTP_PROXY' {}/webhook || :",
            self.repository
        ));
        assert_eq!(kept, "");
    }

    fn slow_and_dead_receivers_hold_up_no_more_than_they_may(&self) {
        self.commit();
        let slow = Receiver::answering(Answer::After(Duration::from_secs(1)));
        self.tell(&slow);
        let dead = format!("dead-{}", self.branch);
        self.configure(&format!("webhook.{dead}.url"), "http://127.0.0.1:9/");
        let said = self.pushes("");
        assert!(said.contains(&format!("remote: webhook ci: delivered {} (200, ", self.branch)), "{said}");
        assert!(
            said.contains(&format!("remote: webhook {dead}: not delivered: {} (connection refused)", self.branch)),
            "{said}"
        );
        self.webhook(&format!("remove {dead}; git webhook flush; git webhook dead --drop --all"));
        assert_eq!(slow.take().len(), 1);
    }

    fn a_detached_delivery_outlives_the_push(&self) {
        self.commit();
        let gate = Gate::new();
        let receiver = Receiver::answering(Answer::Behind(gate.clone()));
        self.tell(&receiver);
        self.configure("webhook.detach", "true");
        self.pushes("");
        // The push has come back though the receiver has not answered.
        until("the receiver is called", || !receiver.requests().is_empty());
        let kept = inherited("--deliver-detached");
        assert!(kept.is_empty(), "the server's descriptors are open still: {kept:?}");
        gate.open();
        until("it is delivered", || self.webhook("log -n 1 --json").contains("\"delivered\""));
        until("its process ends", || left_running().is_empty());
        assert_eq!(receiver.take().len(), 1);
        self.configure("webhook.detach", "false");
    }

    fn a_pusher_who_vanishes_loses_nothing(&self) {
        for in_hook in [true, false] {
            self.commit();
            let gate = Gate::new();
            let receiver = Receiver::in_turn([Answer::Behind(gate.clone()), Answer::Status(200)]);
            self.tell(&receiver);
            let held = format!("{}/held", self.repository);
            let hook = format!("{}/hooks/pre-receive", self.repository);
            if !in_hook {
                self.hold_pre_receive(&hook, &held);
            }
            let mut client = self.push("").stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
            match in_hook {
                true => until("the receiver is called", || !receiver.requests().is_empty()),
                false => until("pre-receive is held", || fs::exists(format!("{held}.in")).unwrap()),
            }
            hang_up(&mut client);
            if !in_hook {
                fs::write(&held, "").unwrap();
                until("the push is over", || left_running().is_empty());
                self.machine.run(&format!("mv {hook}.ours {hook}"));
                for name in [held.clone(), format!("{held}.in")] {
                    fs::remove_file(name).unwrap();
                }
            }
            gate.open();
            until("the push is over", || left_running().is_empty());
            // What no hook could tell is told a minute later. Where git wrote to its client too early it has not moved the ref.
            let flush = "unshare --time --boottime 120 --fork git webhook flush --now";
            let flush = || self.machine.run(&format!("cd {} && {flush}", self.repository));
            if !in_hook && !self.has_come() {
                flush();
                assert_eq!(receiver.take().len(), 0);
                continue;
            }
            until("it is told", || {
                flush();
                !receiver.requests().is_empty()
            });
            let told = receiver.take();
            let mut ids: Vec<_> = told.iter().map(|it| it.header("idempotency-key").to_owned()).collect();
            ids.dedup();
            assert_eq!((ids.len(), told[0].json()["user_username"].as_str()), (1, Some(self.pusher)));
        }
    }

    /// Whether the branch is where the pusher has it.
    fn has_come(&self) -> bool {
        let there = format!("git -c safe.directory='*' --git-dir {} rev-parse {}", self.repository, self.branch);
        let here = format!("git -c safe.directory='*' -C {} rev-parse main", self.work());
        self.machine.run(&there) == self.machine.run(&here)
    }

    /// Puts a hook before ours that waits when it has run.
    fn hold_pre_receive(&self, hook: &str, held: &str) {
        self.machine.run(&format!("mv {hook} {hook}.ours"));
        let script = format!("#!/bin/sh\n{hook}.ours\ntouch {held}.in\nwhile [ ! -e {held} ]; do sleep 0.05; done\n");
        write_program(hook.as_ref(), script);
    }
}

/// The descriptors of a process of ours by which its server would wait for it: pipes, and sockets that lead to no receiver.
fn inherited(argument: &str) -> Vec<String> {
    let is_it = |path: &Path| fs::read(path.join("cmdline")).is_ok_and(|line| line.contains_str(argument));
    let process = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).find(|path| is_it(path)).unwrap();
    let unix = fs::read_to_string(process.join("net/unix")).unwrap();
    let descriptors =
        fs::read_dir(process.join("fd")).unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    let leads = descriptors.map(|to| to.to_string_lossy().into_owned());
    let is_inherited = |to: &String| {
        let socket = to.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        to.starts_with("pipe:") || socket.is_some_and(|inode| unix.contains(&format!(" {inode} ")))
    };
    leads.filter(is_inherited).collect()
}

/// Kills git and whatever it speaks through, as a machine that is switched off; what runs on the server goes on.
fn hang_up(client: &mut Child) {
    let group = Pid::from_raw(client.id() as i32);
    let of_server: Vec<_> = left_running().into_iter().map(|(id, _)| Pid::from_raw(id)).collect();
    let ids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for id in ids.map(Pid::from_raw).filter(|id| getpgid(Some(*id)) == Ok(group) && !of_server.contains(id)) {
        kill(id, Signal::SIGKILL).unwrap();
    }
    client.wait().unwrap();
}

fn kinds(told: &[Request]) -> Vec<String> {
    let kind = |request: &Request| {
        let json = request.json();
        format!("{} {}", json["object_kind"].as_str().unwrap(), json["ref"].as_str().unwrap())
    };
    told.iter().map(kind).collect()
}
