//! Answers of any bytes, head and body: an outcome, and no secret in what is kept of them.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use git_webhook::config::Configuration;
use git_webhook::process::Environment;
use git_webhook::transport::fuzzing::answer;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "CANARYCANARYCANARYCANARY";

static CONFIGURATION: LazyLock<Configuration> = LazyLock::new(|| {
    let directory = PathBuf::from(format!("/dev/shm/git-webhook-fuzz-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("the directory can be made");
    let text = format!("[webhook \"ci\"]\nurl = http://h/{SECRET}\nsecret = {SECRET}\nformat = gitlab\n");
    fs::write(directory.join("config"), text).expect("the file can be written");
    let environment = Environment::new([("GIT_CONFIG_NOSYSTEM".into(), "1".into())]);
    let configuration = Configuration::read(&directory, &directory, &environment).expect("it can be read");
    fs::remove_dir_all(&directory).expect("the directory can be removed");
    configuration
});

fuzz_target!(|data: &[u8]| {
    let target = CONFIGURATION.ready().next().expect("there is a target");
    answer(target, data, SECRET);
});
