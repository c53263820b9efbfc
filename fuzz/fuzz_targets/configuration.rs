//! A configuration file of any bytes: it is read or refused, and no message of ours holds a secret's value.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use git_webhook::config::Configuration;
use git_webhook::process::Environment;
use libfuzzer_sys::fuzz_target;

/// A repository's directory in memory, one for each process.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = PathBuf::from(format!("/dev/shm/git-webhook-fuzz-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("the directory can be made");
    directory
});

const CANARY: &str = "CANARYCANARY";

fuzz_target!(|data: &[u8]| {
    // A line that includes would read whatever file the fuzzer names.
    if data.windows(7).any(|word| word.eq_ignore_ascii_case(b"include")) {
        return;
    }
    let secret = format!("\n[webhook \"ci\"]\nurl = http://u:{CANARY}@h/{CANARY}\nsecret = \"{CANARY}\\t\"\n");
    let file = [data, secret.as_bytes()].concat();
    fs::write(DIRECTORY.join("config"), file).expect("the file can be written");
    let environment = Environment::new([("GIT_CONFIG_NOSYSTEM".into(), "1".into())]);
    let Ok(configuration) = Configuration::read(&DIRECTORY, &DIRECTORY, &environment) else { return };
    let broken = configuration.broken().flat_map(|target| &target.problems);
    for problem in broken.chain(&configuration.problems).chain(&configuration.warnings) {
        assert!(!problem.to_string().contains(CANARY), "{problem}");
    }
});
