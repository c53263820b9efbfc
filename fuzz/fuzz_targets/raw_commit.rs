//! A raw commit of any bytes: every part can be asked for, and its times can be written.

#![no_main]

use git_webhook::event::Utc;
use git_webhook::repository::object::RawCommit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let commit = RawCommit::parse(data);
    assert!(commit.parents.len() <= data.len() / 48);
    let _ = (commit.time(), commit.message());
    for person in [commit.author(), commit.committer()] {
        assert!(person.time.rfc3339(Utc::Letter).len() >= 20);
        assert!(person.time.rfc3339(Utc::Zero).len() >= 25);
        assert!(person.name.len() + person.email.len() <= 4 * data.len() + 6);
    }
});
