//! Standard input of the hook: every line is an update or is told, and an update can be written back as the line it was.

#![no_main]

use git_webhook::ref_update::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (updates, skipped) = parse(input);
    let lines = input.split(|byte| *byte == b'\n').count();
    assert!(updates.len() + skipped.len() <= lines);
    for update in &updates {
        let line = [update.before().as_bytes(), b" ", update.after().as_bytes(), b" ", update.name.as_bytes()].concat();
        assert!(input.windows(line.len()).any(|window| window == line));
        let again = parse(&line).0;
        assert_eq!(again.as_slice(), std::slice::from_ref(update));
    }
});
