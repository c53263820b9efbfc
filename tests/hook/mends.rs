//! The commands that `git webhook check` prints go together: pasted in order they leave nothing to mend, and destroy nothing.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::check::{SetUp, message};
use crate::support::{Ends, write_program};

/// A secret that is there; it may move, and is never gone.
const SECRET: &str = "a-secret-of-more-than-24-bytes";

type Plant = fn(&SetUp);

/// A value of the repository's own configuration.
macro_rules! value {
    ($key:literal, $value:expr) => {
        (concat!($key, " = ", $value), |set_up: &SetUp| set_up.world.configure($key, $value))
    };
}

/// Every fault that can be planted beside the others, and what it is called.
const FAULTS: &[(&str, Plant)] = &[
    value!("webhook.ci.timeout", "soon"),
    value!("webhook.ci.timeout", "7s"),
    value!("webhook.ci.timout", "8s"),
    value!("webhook.ci.timeuot", "soon"),
    value!("webhook.ci.evnt", "push"),
    value!("webhook.ci.event", "psh"),
    value!("webhook.ci.event", "push note"),
    value!("webhook.ci.event", "note"),
    value!("webhook.ci.ref", "a["),
    value!("webhook.ci.enabled", "maybe"),
    value!("webhook.ci.optional", "maybe"),
    value!("webhook.ci.maxCommits", "x"),
    value!("webhook.ci.maxBody", "1"),
    value!("webhook.ci.url", "http://127.0.0.1:1/second"),
    value!("webhook.ci.uri", "http://127.0.0.1:1/uri"),
    value!("webhook.ci.nonsense", "x"),
    value!("webhook.ci.homepage", "https://example.org/"),
    value!("webhook.ci.secret", "a-secret-of-more-than-24-bytes"),
    value!("webhook.ci.secretFile", "none"),
    value!("webhook.ci.secretFile", "../x"),
    value!("webhook.ci.signingSecretFile", "key"),
    value!("webhook.chat.format", "slack"),
    value!("webhook.chat.secret", "a-secret-of-more-than-24-bytes"),
    value!("webhook.chat.url", "http://127.0.0.1:1/#part"),
    value!("webhook.bare.uri", "http://127.0.0.1:1/bare"),
    value!("webhook.bare.format", "nonsense"),
    value!("webhook.two words.url", "http://127.0.0.1:1/two"),
    value!("webhook.two words.timeout", "soon"),
    value!("webhook.two words.tiemout", "5s"),
    value!("webhook.two-words.url", "http://127.0.0.1:1/other"),
    value!("webhook.secret", "a-secret-of-more-than-24-bytes"),
    value!("webhook.homepage", "no url {x}"),
    value!("webhook.homepge", "neither one {x}"),
    value!("webhook.homepage", "https://example.org/{repository}"),
    value!("webhook.maxWait", "soon"),
    value!("webhook.projectId", "x"),
    value!("webhook.report", "none"),
    value!("webhook.report", "nonsense"),
    value!("webhook.root", "/srv"),
    value!("webhookUser.ada.name", "Ada"),
    ("the server's timeout of ci", |set_up| set_up.world.configure_globally("webhook.ci.timeout", "5s")),
    ("the server's report", |set_up| set_up.world.configure_globally("webhook.report", "failures")),
    ("a target of the server's called ci", |set_up| {
        set_up.world.configure_globally("webhook.ci.url", "http://127.0.0.1:1/server");
    }),
    ("a secret's file that others can read", |set_up| secret_file(set_up, "open", 0o644)),
    ("no post-receive", |set_up| drop(fs::remove_file(set_up.server().join("hooks/post-receive")))),
    ("another pre-receive", |set_up| {
        let hook = set_up.server().join("hooks/pre-receive");
        let _ = fs::remove_file(&hook);
        write_program(&hook, "#!/bin/sh\ncat >/dev/null\n");
    }),
    ("a pre-receive that is the command", |set_up| {
        let hook = set_up.server().join("hooks/pre-receive");
        let _ = fs::remove_file(&hook);
        symlink(env!("CARGO_BIN_EXE_git-webhook"), &hook).unwrap();
    }),
    ("hooks elsewhere", |set_up| {
        fs::create_dir_all(set_up.server().join("elsewhere")).unwrap();
        set_up.world.configure("core.hooksPath", "elsewhere");
    }),
    ("no timer", |set_up| fs::write(set_up.world.path("crontab"), "").unwrap()),
    ("an open state", |set_up| {
        let state = set_up.server().join("webhook");
        fs::create_dir_all(&state).unwrap();
        fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
    }),
];

fn secret_file(set_up: &SetUp, name: &str, mode: u32) {
    let directory = set_up.server().join("webhook/secret");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(set_up.server().join("webhook"), Permissions::from_mode(0o700)).unwrap();
    fs::write(directory.join(name), format!("{SECRET}\n")).unwrap();
    fs::set_permissions(directory.join(name), Permissions::from_mode(mode)).unwrap();
    set_up.world.configure("webhook.filed.url", "http://127.0.0.1:1/");
    set_up.world.configure("webhook.filed.secretFile", name);
}

/// The numbers of a simple generator (Knuth's MMIX), so that a red test is red again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Opens a file for a person, who is not here.
fn is_persons(command: &str) -> bool {
    command.contains("\"${EDITOR:-vi}\"")
}

fn mends(findings: &[Value]) -> Vec<String> {
    let all = findings.iter().flat_map(|finding| finding["mend"].as_array().unwrap());
    all.map(|mend| mend.as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn go_together(faults: &[&(&str, Plant)]) {
    let names: Vec<_> = faults.iter().map(|(name, _)| *name).collect();
    let set_up = SetUp::new();
    faults.iter().for_each(|(_, plant)| plant(&set_up));
    let had_secret = everything(&set_up).matches(SECRET).count();
    let server = fs::read_to_string(set_up.world.path("home/.gitconfig")).unwrap_or_default();

    let (_, findings) = set_up.check(&[]);
    let commands = mends(&findings);
    for command in commands.iter().filter(|command| !is_persons(command)) {
        let output = set_up.world.command("sh", Path::new("/")).args(["-c", command]).ends();
        assert!(output.status.success(), "{names:?}: {command}: {output:?}\n{findings:#?}");
    }
    let (_, left) = set_up.check(&[]);
    let to_do: Vec<_> = mends(&left).into_iter().filter(|command| !is_persons(command)).collect();
    assert!(to_do.is_empty(), "{names:?}: after {commands:#?} is left {left:#?}");
    // What is left a person knows, and was told of before.
    for finding in &left {
        // Its section may have another name by now.
        let key = message(finding).split([' ', ':']).next().unwrap().rsplit('.').next().unwrap().to_owned();
        assert!(findings.iter().any(|it| message(it).contains(&key)), "{names:?}: {finding:#?} is new");
    }

    // Secrets are where they were, or were no use; a default of the server's stays; a target has one URL.
    let unused =
        ["webhook.chat.secret", "webhook.secret"].iter().filter(|key| names.iter().any(|it| it.starts_with(**key)));
    let secret_and_file = names.iter().any(|it| it.starts_with("webhook.ci.secret "))
        && names.iter().any(|it| it.starts_with("webhook.ci.secretFile"));
    let may_go = unused.count() + usize::from(secret_and_file);
    let has_secret = everything(&set_up).matches(SECRET).count();
    assert!(has_secret + may_go >= had_secret, "{names:?}: {has_secret} of {had_secret} after {commands:#?}");
    let now = fs::read_to_string(set_up.world.path("home/.gitconfig")).unwrap_or_default();
    for line in
        server.lines().filter(|line| line.contains("homepage") || line.contains("report") || line.contains("url"))
    {
        assert!(now.contains(line), "{names:?}: the server's '{line}' went by {commands:#?}");
    }
    let urls = set_up.world.server_git(&["config", "--get-regexp", r"^webhook\..*\.url$"]);
    let mut keys: Vec<_> = urls.lines().map(|line| line.split(' ').next().unwrap()).collect();
    keys.sort_unstable();
    let count = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), count, "{names:?}: {urls}");
}

/// The configuration with all secrets.
fn everything(set_up: &SetUp) -> String {
    let mut all = fs::read_to_string(set_up.config()).unwrap();
    for entry in fs::read_dir(set_up.server().join("webhook/secret")).into_iter().flatten().flatten() {
        all += &fs::read_to_string(entry.path()).unwrap();
    }
    all
}

#[test]
fn each_fault_by_itself() {
    FAULTS.iter().for_each(|fault| go_together(&[fault]));
}

#[test]
fn all_faults_of_a_run_at_once() {
    let seeds = std::env::var("GIT_WEBHOOK_MENDS").map_or(40, |count| count.parse().unwrap());
    for seed in 0..seeds {
        let mut numbers = Numbers(seed);
        let count = 2 + numbers.below(10);
        let chosen: BTreeSet<_> = (0..count).map(|_| numbers.below(FAULTS.len())).collect();
        let faults: Vec<_> = chosen.into_iter().map(|at| &FAULTS[at]).collect();
        go_together(&faults);
    }
}

/// A6 of an administrator's day, and what else fought over one key.
#[test]
fn two_faults_of_one_key() {
    for keys in [
        ["webhook.homepage = no url", "webhook.homepge"],
        ["webhook.bare.uri", "webhook.bare.format"],
        ["webhook.ci.url", "webhook.ci.uri"],
        ["webhook.ci.timeout = soon", "webhook.ci.timeout = 7s"],
        ["webhook.ci.timout", "webhook.ci.timeuot"],
        ["webhook.ci.secret =", "webhook.ci.secretFile = none"],
        ["webhook.report = none", "the server's report"],
        ["webhook.two words.url", "webhook.two-words.url"],
    ] {
        let find = |start: &str| FAULTS.iter().find(|(name, _)| name.starts_with(start)).unwrap();
        go_together(&keys.map(find));
        go_together(&[find(keys[1]), find(keys[0])]);
    }
}
