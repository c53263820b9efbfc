//! Records of receipts and deliveries: read or refused, and what was read is written the same.

#![no_main]

use git_webhook::spool::fuzzing::record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| record(data));
