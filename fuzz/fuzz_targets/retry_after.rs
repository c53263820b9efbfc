//! What a receiver says of when to come again.

#![no_main]

use git_webhook::transport::fuzzing::retry_after;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| retry_after(data));
