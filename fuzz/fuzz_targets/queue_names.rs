//! Names of files in a queue.

#![no_main]

use git_webhook::spool::fuzzing::queue_name;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| queue_name(data));
