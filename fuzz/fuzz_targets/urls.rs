//! URLs: two parsers agree, or it is refused; no user name or password stays in what is shown.

#![no_main]

use git_webhook::transport::fuzzing::url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| url(text));
