//! A raw tag object of any bytes: every part can be asked for.

#![no_main]

use git_webhook::event::Utc;
use git_webhook::repository::object::RawTag;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let tag = RawTag::parse(data);
    let _ = (tag.object, tag.message());
    if let Some(tagger) = tag.tagger() {
        assert!(tagger.time.rfc3339(Utc::Zero).len() >= 25);
    }
});
